-- SPDX-License-Identifier: MIT
-- Runs examples the way a user does, for examples_spec.lua and event_log_spec.lua.
-- Used as `local examples = dofile("spec/example_runner.lua")`.

local support = dofile("spec/cli/support.lua")

local M = {
  temp_dir = support.temp_dir,
  write_file = support.write_file,
  remove = support.remove,
  quote = support.quote,
  has_program = support.has_program,
}

M.build = os.getenv("BUILD") or "build"

-- An example runs under the interpreter that runs the spec: rkl has its modules inside, lua5.4 is
-- told where they are.
if pcall(require, "ringkernel.rkl") then
  M.interpreter = support.rkl
  M.env = {}
else
  M.interpreter = os.getenv("LUA") or "lua5.4"
  M.env = {
    LUA_PATH = "lua/?.lua;lua/?/init.lua;;",
    LUA_CPATH = M.build .. "/?.so;;",
  }
end

function M.read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

--- The command line, for a shell, of an example with its arguments.
function M.command(name, arguments)
  local words = { "env" }
  for key, value in pairs(M.env) do
    words[#words + 1] = key .. "=" .. support.quote(value)
  end
  words[#words + 1] = support.quote(M.interpreter)
  words[#words + 1] = "examples/" .. name
  for _, argument in ipairs(arguments or {}) do
    words[#words + 1] = support.quote(argument)
  end
  return table.concat(words, " ")
end

--- Runs an example; returns { out =, err =, status = }. Options: see run in cli/support.lua.
function M.run(name, arguments, options)
  options = options or {}
  local env = {}
  for _, list in ipairs { M.env, options.env or {} } do
    for key, value in pairs(list) do
      env[key] = value
    end
  end
  return support.run(M.interpreter, { "examples/" .. name, table.unpack(arguments or {}) }, {
    env = env, stdin = options.stdin, before = options.before or "timeout 120",
  })
end

--- Runs a line of shell; returns { out =, err =, status = }.
function M.shell(line)
  return support.run("sh", { "-c", line }, { before = "timeout 120" })
end

return M
