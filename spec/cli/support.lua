-- SPDX-License-Identifier: MIT
--- Helpers of the specs in this folder: runs the interpreter, alone, beside lua5.4, or on a
-- pseudo terminal. The binary is $RKL, else build/rkl.

local M = {}

M.rkl = os.getenv("RKL") or "build/rkl"
M.lua = "lua5.4"

function M.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

function M.write_file(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- Makes an empty folder; the caller removes it with M.remove.
function M.temp_dir()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

function M.remove(path)
  os.execute("rm -rf " .. M.quote(path))
end

function M.has_program(name)
  return os.execute("command -v " .. name .. " >/dev/null 2>&1") == true
end

--- Variables that would change what lua(1) does are removed before `env` is applied.
local function environment(env)
  local words = { "env -u LUA_INIT -u LUA_INIT_5_4 -u RINGKERNEL_BACKEND -u RINGKERNEL_LUA" }
  for name, value in pairs(env or {}) do
    words[#words + 1] = name .. "=" .. M.quote(value)
  end
  return table.concat(words, " ")
end

--- Runs `program` with a list of arguments. Options: env (a table), stdin (text), before (shell
-- text in front of the program, such as "timeout 5"). Returns { out =, err =, status = }.
function M.run(program, arguments, options)
  options = options or {}
  local dir = M.temp_dir()
  M.write_file(dir .. "/in", options.stdin or "")
  local words = { environment(options.env), options.before or "timeout 20", M.quote(program) }
  for _, argument in ipairs(arguments) do
    words[#words + 1] = M.quote(argument)
  end
  local _, _, status = os.execute(("%s <%s/in >%s/out 2>%s/err"):format(table.concat(words, " "),
    dir, dir, dir))
  local result = {
    out = read_file(dir .. "/out"),
    err = read_file(dir .. "/err"),
    status = status,
  }
  M.remove(dir)
  return result
end

--- Runs rkl and lua5.4 alike; program names in the texts are made equal. Returns both results.
function M.run_both(arguments, options)
  local ours, theirs = M.run(M.rkl, arguments, options), M.run(M.lua, arguments, options)
  local pattern = M.rkl:gsub("%p", "%%%0")
  ours.out = ours.out:gsub(pattern, "PROGRAM")
  ours.err = ours.err:gsub("^rkl: ", "PROGRAM: ")
  theirs.out = theirs.out:gsub("lua5%.4", "PROGRAM")
  theirs.err = theirs.err:gsub("^lua5%.4: ", "PROGRAM: ")
  return ours, theirs
end

--- Starts rkl on a pseudo terminal; see the methods below. Needs script(1).
local Terminal = {}
Terminal.__index = Terminal

function M.open_terminal(arguments, env)
  local dir = M.temp_dir()
  local all = { TERM = "xterm", XDG_STATE_HOME = dir .. "/state" }
  for name, value in pairs(env or {}) do
    all[name] = value
  end
  -- Without `exec` the shell that script(1) starts may stay between it and rkl, die of the SIGINT
  -- that the terminal sends to both, and hide rkl's status behind 130: dash does, bash does not.
  local command = "exec " .. environment(all) .. " " .. M.quote(M.rkl) .. " " .. (arguments or "")
  assert(os.execute("mkfifo " .. dir .. "/in"))
  M.write_file(dir .. "/out", "")
  os.execute(("(timeout 60 script -qefc %s /dev/null <%s/in >%s/out 2>&1; echo $? >%s/status) &")
    :format(M.quote(command), dir, dir, dir))
  local input = assert(io.open(dir .. "/in", "wb"))
  input:setvbuf("no")
  return setmetatable({ dir = dir, input = input, position = 1 }, Terminal)
end

--- Returns what came out so far, as a reader sees it: without control sequences.
function Terminal:output()
  local text = read_file(self.dir .. "/out")
  return (text:gsub("\27%[[%d;?]*%a", ""):gsub("\27[=>]", ""):gsub("\r", ""))
end

function Terminal:send(text)
  self.input:write(text)
end

local function wait_until(condition)
  for _ = 1, 200 do
    local answer = condition()
    if answer then
      return answer
    end
    os.execute("sleep 0.05")
  end
  return nil
end

--- Waits until `text` comes out behind what was expected before.
function Terminal:expect(text)
  local found = wait_until(function()
    local _, last = self:output():find(text, self.position, true)
    return last
  end)
  if not found then
    local rest = self:output():sub(self.position)
    error(("expected on the terminal: %q, got: %q"):format(text, rest), 2)
  end
  self.position = found + 1
end

--- Waits until rkl has left; returns its exit status.
function Terminal:wait()
  return wait_until(function()
    local file = io.open(self.dir .. "/status")
    local status = file and file:read("n")
    if file then
      file:close()
    end
    return status
  end)
end

--- Ends the process if it still runs, and removes the files.
function Terminal:close()
  self.input:close()
  wait_until(function()
    local file = io.open(self.dir .. "/status")
    return file and file:close()
  end)
  M.remove(self.dir)
end

return M
