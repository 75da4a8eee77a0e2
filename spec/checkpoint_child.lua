-- What spec/checkpoint_files_spec.lua kills and starves: takes checkpoints until it is stopped.
--
--   rkl spec/checkpoint_child.lua SERIES loop | once
--
-- Each one more message waits. `loop` goes on from the newest checkpoint and says how many messages
-- each new one holds, once it is safe; `once` puts 2000 into a single one and says what came of it.

local rk = require "ringkernel"

local series, mode = arg[1], arg[2]
local rt <close> = assert(rk.open { backend = "cpu", blocks = 1 })
local Echo = rk.stock.echo.messages.Echo

if mode == "once" then
  local a = assert(rt:launch("echo", { name = "a", queue = 4096, activate = false }))
  for n = 1, 2000 do
    assert(a:send(Echo { seq = n, text = "full" }))
  end
  print(select(3, rt:checkpoint(series)))
  return
end

local info = rt:restore(series)
local a = info and assert(rt:find("a"))
  or assert(rt:launch("echo", { name = "a", queue = 65536, activate = false }))
local count = info and info.messages or 0
local parent
while true do
  count = count + 1
  assert(a:send(Echo { seq = count, text = "x" }))
  parent = assert(rt:checkpoint(series, { keep = 3, parent = count % 4 ~= 1 and parent or nil }))
  io.stdout:write(count, "\n")
  io.stdout:flush()
end
