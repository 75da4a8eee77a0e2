-- SPDX-License-Identifier: MIT
--- What the Tab key offers for a partial line.
--
-- Knows globals, reserved words, fields (along __index tables), methods after a colon, and module
-- names inside the string of a `require`. Only looks: no metamethod and no function is ever called,
-- so completing is free of side effects. Used by cli/repl.lua.

local M = {}

local MAX_INDEX_STEPS = 16 -- along __index, which may form a cycle

local RESERVED = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat "
  .. "return then true until while"):gmatch("%a+") do
  RESERVED[#RESERVED + 1] = word
end

--- Returns the table that `value.x` looks into next, or nil: its own fields, then __index.
local function index_table(value)
  local meta = debug.getmetatable(value)
  local index = type(meta) == "table" and rawget(meta, "__index")
  return type(index) == "table" and index or nil
end

--- Iterates over the tables in which a field of `value` is looked up.
local function field_tables(value)
  local steps = 0
  local current = type(value) == "table" and value or index_table(value)
  return function()
    local found = current
    if not found or steps == MAX_INDEX_STEPS then
      return nil
    end
    steps, current = steps + 1, index_table(found)
    return found
  end
end

local function field(value, name)
  for fields in field_tables(value) do
    local found = rawget(fields, name)
    if found ~= nil then
      return found
    end
  end
  return nil
end

local function is_callable(value)
  if type(value) == "function" then
    return true
  end
  local meta = debug.getmetatable(value)
  return type(meta) == "table" and rawget(meta, "__call") ~= nil
end

--- A set of candidates: adds what starts with the word, answers with a sorted list.
local function new_collector(word)
  local seen, list = {}, {}
  local collector = {}
  function collector.add(name)
    if type(name) == "string" and name:sub(1, #word) == word and not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  function collector.list()
    table.sort(list)
    return list
  end
  return collector
end

local function add_fields(collector, value, only_callable)
  for fields in field_tables(value) do
    for name, found in next, fields do
      if type(name) == "string" and name:find("^[%a_][%w_]*$")
        and (not only_callable or is_callable(found)) then
        collector.add(name)
      end
    end
  end
end

local function add_modules(collector)
  for _, known in ipairs({ package.loaded, package.preload }) do
    for name in next, known do
      collector.add(name)
    end
  end
  local ok, rkl = pcall(require, "ringkernel.rkl") -- in rkl only
  for _, file in ipairs(ok and rkl.embedded_names() or {}) do
    local name = file:match("^(.*)%.lua$")
    if name and not file:find("/meta/", 1, true) then
      collector.add((name:gsub("/init$", ""):gsub("/", ".")))
    end
  end
end

--- Splits the end of the text into the path before the word, the last separator and the word:
-- "x = a.b:c" gives { "a", "b" }, ":", "c". Returns nil when nothing there can be completed.
local function split(text)
  local start, chain = text:gsub("%.%.+", function(dots)
    return (" "):rep(#dots) -- concatenation is no field access
  end):match("()([%a_][%w_%.:]*)$")
  if not chain then
    return nil
  end
  local before = text:sub(1, start - 1)
  if before:find("[%w_]$") or (before:find("[%.:]%s*$") and not before:find("%.%.%s*$")) then
    return nil -- behind a number, or a field of something that only running could tell
  end
  local path = {}
  local rest = chain:gsub("([%w_]*)([%.:])", function(name, separator)
    path[#path + 1] = name
    path.separator = separator
    return ""
  end)
  return path, path.separator, rest
end

--- Returns the sorted candidates for the end of `text`, and the word that they complete.
-- `globals` is where names are looked up, _G if nil.
function M.candidates(text, globals)
  local module_word = text:match("require%s*%(?%s*[\"']([%w_%.%-]*)$")
  if module_word then
    local collector = new_collector(module_word)
    add_modules(collector)
    return collector.list(), module_word
  end
  local path, separator, word = split(text)
  if not path then
    return {}, ""
  end
  local collector = new_collector(word)
  local value = globals or _G
  for _, name in ipairs(path) do
    value = field(value, name)
    if value == nil then
      return {}, word
    end
  end
  if not separator then
    for _, name in ipairs(RESERVED) do
      collector.add(name)
    end
  end
  add_fields(collector, value, separator == ":")
  return collector.list(), word
end

--- The longest text that all names start with.
local function common_start(names)
  local start = names[1]
  for _, name in ipairs(names) do
    while name:sub(1, #start) ~= start do
      start = start:sub(1, -2)
    end
  end
  return start
end

--- Lays names out in columns, filled downwards.
local function in_columns(names, width)
  local widest = 0
  for _, name in ipairs(names) do
    widest = math.max(widest, #name + 2)
  end
  local per_line = math.max(1, width // widest)
  local height = (#names + per_line - 1) // per_line
  local lines = {}
  for row = 1, height do
    local cells = {}
    for index = row, #names, height do
      cells[#cells + 1] = names[index] .. (" "):rep(widest - #names[index])
    end
    lines[row] = table.concat(cells):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- What the line editor does for Tab: returns the text to insert and, when that is nothing and
-- there is a choice, the choices to show.
function M.hint(text)
  local names, word = M.candidates(text)
  if #names == 0 then
    return "", ""
  end
  local insert = common_start(names):sub(#word + 1)
  if insert ~= "" or #names == 1 then
    return insert, ""
  end
  return "", in_columns(names, math.tointeger(tonumber(os.getenv("COLUMNS") or "")) or 80)
end

return M
