-- SPDX-License-Identifier: MIT
--- `help(x)` at the prompt: the documentation of a value, or a summary of what it is.
--
-- Documentation comes from the annotated files ringkernel/meta/*.lua, found along package.path as a
-- module would be, else inside the program: the comment lines above a function or class. Values
-- without an entry are described by what Lua knows about them. Used by cli/repl.lua.

local complete_names = require("ringkernel.cli.complete").candidates

local M = {}

local META = "ringkernel.meta."
-- Looked for along package.path, where folders cannot be listed; embedded files add to these.
local META_NAMES = {
  "init", "core", "runtime", "actor", "kernel", "message", "envelope", "schema", "buffer", "hlc",
  "subscription", "device", "supervisor", "supervision", "topology", "histogram", "metrics", "loop",
}

local GENERAL = [[
help(x)      what x is: a function, class, module or object
help "name"  look a name up in the documentation, for example help "launch"

An expression shows its values: _ is the first of them, _1, _2, ... are all.
Unfinished input goes on in the next line.
Tab completes names, and modules inside require("...").
Ctrl-C stops a statement or clears the line; a second Ctrl-C ends rkl when a
statement does not stop. Ctrl-D on an empty line leaves.]]

--- Returns the text of a meta file, or nil.
local function read_meta(name)
  local path = package.searchpath(META .. name, package.path)
  local file = path and io.open(path, "r")
  if file then
    local text = file:read("a")
    file:close()
    return text
  end
  local ok, rkl = pcall(require, "ringkernel.rkl")
  return ok and rkl.embedded("ringkernel/meta/" .. name .. ".lua") or nil
end

local function meta_names()
  local names, seen = {}, {}
  local function add(name)
    if name and not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(META_NAMES) do
    add(name)
  end
  local ok, rkl = pcall(require, "ringkernel.rkl")
  for _, file in ipairs(ok and rkl.embedded_names() or {}) do
    add(file:match("^ringkernel/meta/(.*)%.lua$"))
  end
  return names
end

--- Turns one annotation line into a line for people; plain text stays as it is.
local function plain_line(line)
  local tag, rest = line:match("^@(%a+)%s*(.*)$")
  if not tag then
    return line
  elseif tag == "param" or tag == "field" then
    return "  " .. rest
  elseif tag == "return" then
    return "  returns " .. rest
  end
  return nil -- @class, @overload and others are for tools
end

--- Returns the entries of a meta file: { name =, title =, lines =, is_class = }.
function M.parse(text)
  local entries, comment, class = {}, {}, nil
  for line in (text .. "\n"):gmatch("(.-)\r?\n") do
    local documented = line:match("^%s*%-%-%-%s?(.*)$")
    local name, arguments = line:match("^%s*function%s+([%w_%.:]+)%s*(%b())")
    if documented then
      class = documented:match("^@class%s+([%w_%.]+)") or class
      comment[#comment + 1] = plain_line(documented)
    else
      if name then
        entries[#entries + 1] = { name = name, title = name .. arguments, lines = comment }
      elseif class then
        entries[#entries + 1] = { name = class, title = class, lines = comment, is_class = true }
      end
      comment, class = {}, nil
    end
  end
  return entries
end

--- "ringkernel.Runtime:launch" -> "launch"
local function last_part(name)
  return name:match("([%w_]+)$") or name
end

--- Finds entries for a name: those called exactly so, else those whose last part is.
local function find_entries(name, only_classes)
  local exact, loose = {}, {}
  local wanted, wanted_last = name:lower(), last_part(name):lower()
  for _, file in ipairs(meta_names()) do
    for _, entry in ipairs(M.parse(read_meta(file) or "")) do
      if not only_classes or entry.is_class then
        local known = entry.name:lower()
        if known == wanted then
          exact[#exact + 1] = entry
        elseif last_part(known) == wanted_last then
          loose[#loose + 1] = entry
        end
      end
    end
  end
  return #exact > 0 and exact or loose
end

local function entries_text(entries)
  local texts = {}
  for index, entry in ipairs(entries) do
    texts[index] = table.concat({ entry.title, table.unpack(entry.lines) }, "\n")
  end
  return table.concat(texts, "\n\n")
end

--- Returns the name under which a loaded module holds the value, or nil.
local function find_name(value)
  local found
  for module, content in next, package.loaded do
    if rawequal(content, value) and module ~= "_G" then
      return module
    elseif type(content) == "table" then
      for key, held in next, content do
        if type(key) == "string" and rawequal(held, value) then
          local name = module == "_G" and key or module .. "." .. key
          found = (not found or name < found) and name or found
        end
      end
    end
  end
  return found
end

local function describe_function(value, name)
  local info = debug.getinfo(value, "Su")
  if info.what == "C" then
    return ("%s: a function written in C"):format(name or "function")
  end
  local parameters = {}
  for index = 1, info.nparams do
    parameters[index] = debug.getlocal(value, index)
  end
  if info.isvararg then
    parameters[#parameters + 1] = "..."
  end
  return ("%s(%s)\n  defined at %s:%d"):format(name or "function",
    table.concat(parameters, ", "), info.short_src, info.linedefined)
end

--- Describes a table, userdata or other value by what can be read from it.
local function describe(value, name, class)
  local kind = type(value)
  if kind == "function" then
    return describe_function(value, name)
  end
  local lines = { (name and name .. ": " or "") .. (class and class .. ", a " or "") .. kind }
  if kind == "string" then
    lines[1] = ("%s of %d bytes"):format(lines[1], #value)
  elseif kind == "number" then
    lines[1] = ("%s: %s"):format(lines[1], math.type(value))
  end
  local methods = complete_names("x:", { x = value })
  local fields = kind == "table" and complete_names("x.", { x = value }) or {}
  if #fields > 0 then
    lines[#lines + 1] = "  fields: " .. table.concat(fields, ", ")
  elseif #methods > 0 then
    lines[#lines + 1] = "  methods: " .. table.concat(methods, ", ")
  end
  if kind == "table" and #value > 0 then
    lines[#lines + 1] = ("  list of %d"):format(#value)
  end
  return table.concat(lines, "\n")
end

--- Returns the help for a value as text; without an argument, help about the prompt.
function M.text(...)
  if select("#", ...) == 0 then
    return GENERAL
  end
  local value = ...
  if type(value) == "string" then
    local entries = find_entries(value)
    return #entries > 0 and entries_text(entries)
      or ("nothing is documented under '%s'"):format(value)
  end
  local meta = debug.getmetatable(value)
  local class = type(meta) == "table" and rawget(meta, "__name")
  class = type(class) == "string" and class or nil
  local kind = type(value)
  local name = (kind == "function" or kind == "table") and find_name(value) or nil
  local entries = {}
  if class then
    entries = find_entries(class, true)
  elseif name and name:find("^ringkernel") then
    entries = find_entries(name)
  end
  local text = describe(value, name, class)
  return #entries > 0 and entries_text(entries) .. "\n\n" .. text or text
end

--- The global `help` of the prompt. Shown by itself it says how to use it.
M.command = setmetatable({}, {
  __call = function(_, ...)
    io.stdout:write(M.text(...), "\n")
  end,
  __tostring = function()
    return GENERAL
  end,
})

return M
