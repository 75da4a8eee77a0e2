-- SPDX-License-Identifier: MIT
--- The policy of the prompt: what a statement is, how results look, where history lives.
--
-- src/rkl/repl.c reads lines and runs statements; it asks a session made by `new` for everything
-- else. Nothing here runs the user's code, so nothing here shows up in a traceback.

local complete = require("ringkernel.cli.complete")
local help = require("ringkernel.cli.help")
local pretty = require("ringkernel.pretty")

local M = {}

local HISTORY_LINES = 1000
local CHUNKNAME = "=stdin"

--- Whether an error of the compiler means that the text stops too soon.
local function ends_early(message, text)
  if message:sub(-5) ~= "<eof>" then
    return false
  elseif message:find("unfinished string", 1, true) then
    return text:find("\\$") ~= nil or text:find("\\z%s*$") ~= nil -- it may go on in the next line
  end
  return true
end

--- Compiles what was typed so far: as an expression whose values are shown, else as a statement.
-- Returns a function, or nil, the message, and whether more lines could complete it.
-- The attempt as an expression also decides that: `{` or `1 +` is no start of a statement, and
-- only there it reads as unfinished. Text that is complete one way is never taken as unfinished.
function M.compile(text)
  local as_expression, expression_message = load("return " .. text, CHUNKNAME, "t")
  if as_expression then
    return as_expression
  end
  local as_statement, message = load(text, CHUNKNAME, "t")
  if as_statement then
    return as_statement
  end
  return nil, message, ends_early(message, text) or ends_early(expression_message, text)
end

--- Returns the history file, or nil when the environment names no place for it.
-- The folders above it are created when `make_dir` is given.
function M.history_path(getenv, make_dir)
  local state, home = getenv("XDG_STATE_HOME"), getenv("HOME")
  if not state or state:sub(1, 1) ~= "/" then -- the specification has relative paths ignored
    if not home or home == "" then
      return nil
    end
    state = home .. "/.local/state"
  end
  local folder = state .. "/ringkernel"
  if make_dir then
    for last in folder:gmatch("()/") do
      if last > 1 then
        make_dir(folder:sub(1, last - 1))
      end
    end
    make_dir(folder)
  end
  return folder .. "/history"
end

--- Hands the newest lines of the file to `add`, and shortens a file that has grown too long.
local function load_history(path, add)
  local file = io.open(path, "r")
  if not file then
    return nil -- the first time, or not readable: start empty
  end
  local lines = {}
  for line in file:lines() do
    lines[#lines + 1] = line
  end
  file:close()
  local first = math.max(1, #lines - HISTORY_LINES + 1)
  for index = first, #lines do
    add(lines[index])
  end
  if first > HISTORY_LINES then
    file = io.open(path, "w")
    if file then
      file:write(table.concat(lines, "\n", first), "\n")
      file:close()
    end
  end
  return lines[#lines]
end

--- Returns a function that keeps a line: in the editor, and in the file at once.
local function open_history(host)
  local ok, rkl = pcall(require, "ringkernel.rkl")
  local path = M.history_path(os.getenv, ok and rkl.make_dir or nil)
  local newest = path and load_history(path, host.add_history)
  return function(line)
    if not line:find("%S") or line == newest then
      return
    end
    newest = line
    host.add_history(line)
    local file = path and io.open(path, "a")
    if file then
      file:write(line, "\n")
      file:close()
    end
  end
end

--- The prompt as lua(1) has it: the globals _PROMPT and _PROMPT2 may change it.
local function prompt_text(name, default)
  local value = rawget(_G, name)
  if value == nil then
    return default
  end
  local ok, text = pcall(tostring, value)
  return ok and text or default
end

local function set_results(results, count)
  rawset(_G, "_", results[1])
  for index = 1, count do
    rawset(_G, "_" .. index, results[index])
  end
  local stale = count + 1
  while rawget(_G, "_" .. stale) ~= nil do
    rawset(_G, "_" .. stale, nil)
    stale = stale + 1
  end
end

--- Prints results, and keeps them in `_` (the first) and `_1`, `_2`, ...
function M.show(...)
  local count = select("#", ...)
  if count == 0 then
    return
  end
  local width = math.tointeger(tonumber(os.getenv("COLUMNS") or "")) or 80
  local results, texts, separator = { ... }, {}, "\t"
  set_results(results, count)
  for index = 1, count do
    texts[index] = pretty(results[index], { width = math.max(width, 20) })
    if texts[index]:find("\n", 1, true) then
      separator = "\n"
    end
  end
  io.stdout:write(table.concat(texts, separator), "\n")
end

--- Makes a session. `host` has `read_line(prompt)` (text, nil at the end, false after Ctrl-C),
-- `add_history(text)` and `interactive`.
function M.new(host)
  local keep = host.interactive and open_history(host) or function() end

  local function next_line(name, default)
    local line = host.read_line(host.interactive and prompt_text(name, default) or "")
    if line then
      keep(line)
    end
    return line
  end

  --- Reads on until the text compiles. Returns the function, or nil when the text was given up.
  local function read_statement(text)
    while true do
      local chunk, message, unfinished = M.compile(text)
      if chunk then
        return chunk
      end
      local more = unfinished and next_line("_PROMPT2", ">> ")
      if more == false and unfinished then -- Ctrl-C
        return nil
      elseif not more then
        io.stdout:flush()
        io.stderr:write(message, "\n")
        return nil
      end
      text = text .. "\n" .. more
    end
  end

  local session = { show = M.show, complete = complete.hint }

  function session.read()
    while true do
      local line = next_line("_PROMPT", "> ")
      if line == nil then
        return nil
      end
      local chunk = line and read_statement((line:gsub("^=", "return ", 1)))
      if chunk then
        return chunk
      end
    end
  end

  if rawget(_G, "help") == nil then
    rawset(_G, "help", help.command)
  end
  return session
end

return M
