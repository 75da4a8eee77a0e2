-- For the specs of this folder: Lua text run in a process of its own, with other variables.
-- Used as `local apart = dofile("spec/cuda/support.lua")`.

local M = {}

M.quote = function(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs Lua text under the interpreter of the build. Returns all it printed, "exit" or "signal",
-- and the number. A process that is there after 60 seconds is ended, with status 124.
function M.run(environment, text)
  local command = ("timeout -k 1 60 env %s %s -e %s 2>&1"):format(environment,
    os.getenv("RKL") or "build/rkl", M.quote('local rk = require "ringkernel"\n' .. text))
  local pipe = assert(io.popen(command))
  local output = pipe:read "a"
  local _, how, status = pipe:close()
  return output, how, status
end

--- Calls fn in a forked child. Returns the text that it returns, or how the child ended. The module
-- rkfake must be on package.cpath.
function M.in_child(fn)
  local fake = require "rkfake"
  local path = os.tmpname()
  local pid = fake.fork(function()
    local text = fn()
    if text then
      local file <close> = assert(io.open(path, "w"))
      file:write(text)
    end
    return 0
  end)
  local how, status = fake.wait(pid)
  local file <close> = assert(io.open(path))
  os.remove(path)
  if how ~= "exit" or status ~= 0 then
    return ("a child ended with %s %d"):format(how, status)
  end
  local text = file:read "a"
  return text ~= "" and text or nil
end

--- Lua text: a definition whose handler never returns, in `Loop`; messages of it, in `N`.
M.loop = [[
local N = rk.message("N", { { "n", "u32" } })
local Loop = rk.kernel { name = "loop", accepts = { N }, source =
  "RK_ON(N) { (void)ctx; (void)state; volatile rk_u32 x = msg->n; while (x != 0u) { } }" }
]]

return M
