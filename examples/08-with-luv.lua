#!/usr/bin/env rkl
-- Inside a libuv program: tasks wait for actors and for timers at the same time, in one thread.
-- Needs the module luv (Debian: lua-luv).

local rk = require "ringkernel"
local uv = require "luv"

local rt <close> = rk.open()
local echo = assert(rt:launch("echo"))
local Echo = rk.stock.echo.messages.Echo

-- Something that has nothing to do with us: a timer of libuv.
local ticks = 0
local timer = uv.new_timer()
timer:start(10, 10, function()
  ticks = ticks + 1
end)

local loop = assert(rk.loop "luv")

-- In a task `call`, `receive` and `each` let the others run while they wait.
local finished = 0
for task = 1, 3 do
  loop:spawn(function()
    for i = 1, 5 do
      local reply = assert(echo:call(Echo { seq = task * 100 + i }, 1))
      assert(reply.seq == task * 100 + i)
      loop:sleep(0.01)
    end
    finished = finished + 1
    if finished == 3 then
      timer:close() -- nothing is left to do, and the loop ends
    end
  end)
end

loop:run() -- or uv.run()
print("tasks finished:", finished)
print("the timer ticked meanwhile:", ticks > 0)
