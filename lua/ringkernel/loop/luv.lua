-- SPDX-License-Identifier: MIT
--- Adapter for libuv (the module luv): tasks wait without blocking the default uv loop.
--
--   local uv = require "luv"
--   local loop = rk.loop "luv"
--   loop:spawn(function() print(a:receive(1)) end)
--   uv.run()            -- or loop:run(), which also raises what failed in a task
--
-- A hub is a uv_poll on the runtime's descriptor, a timer for the nearest deadline and a check for
-- kicks; they exist only while somebody waits, so they do not keep uv.run from returning.

local check = require "ringkernel.check"
local core = require "ringkernel.core"
local loops = require "ringkernel.loop"
local uv = require "luv"

local M = {}

local Loop = { __name = "ringkernel.loop" }
Loop.__index = Loop

function M.new()
  return setmetatable({ name = "luv", tasks = 0, handles = {} }, Loop)
end

local function close(handle)
  if handle and not handle:is_closing() then
    handle:close()
  end
end

local function resume(self, co, ...)
  local ok, message = coroutine.resume(co, ...)
  if coroutine.status(co) == "dead" then
    self.tasks = self.tasks - 1
  end
  if not ok then
    local text = debug.traceback(co, tostring(message))
    coroutine.close(co)
    self.failure = self.failure or text
    if self.is_running then
      uv.stop()
    else
      warn("ringkernel: error in a task: ", text)
    end
  end
end

--- Calls fn from the uv loop, in its next turn.
local function later(fn)
  local timer = uv.new_timer()
  timer:start(0, 0, function()
    close(timer)
    fn()
  end)
end

local function milliseconds(seconds)
  return math.max(0, math.ceil(seconds * 1000))
end

function Loop:spawn(fn, ...)
  local co = loops.new_task(self, fn)
  local arguments = table.pack(...)
  self.tasks = self.tasks + 1
  later(function()
    resume(self, co, table.unpack(arguments, 1, arguments.n))
  end)
  return co
end

function Loop:sleep(seconds)
  loops.check_seconds(seconds)
  if loops.current() ~= self then
    check.fail("sleep: only inside a task of this loop")
  end
  local co = coroutine.running()
  local timer = uv.new_timer()
  timer:start(milliseconds(seconds), 0, function()
    close(timer)
    resume(self, co)
  end)
  coroutine.yield()
end

--- Runs the uv loop until it has nothing left to do; raises what failed in a task.
function Loop:run()
  self.is_running, self.failure = true, nil
  uv.run()
  self.is_running = false
  if self.failure then
    error(self.failure, 0)
  end
  return self.tasks == 0
end

function Loop:stop()
  uv.stop()
end

function Loop:watch(rt)
  loops.watch(self, rt, true)
end

function Loop:unwatch(rt)
  loops.watch(self, rt, false)
end

-- ---- what hubs ask
-- ----------------------------------------------------------------------------------

local function pump(self, hub)
  local handles = self.handles[hub]
  local nearest = hub:pump()
  if hub.count == 0 or not core.is_open(hub.rt) then
    return -- idle() has closed the handles
  end
  if not handles then
    handles = { timer = uv.new_timer() }
    self.handles[hub] = handles
    handles.poll = uv.new_poll(hub.rt:fd())
    handles.poll:start("r", function()
      pump(self, hub)
    end)
  end
  handles.timer:stop()
  if nearest then
    handles.timer:start(milliseconds(nearest - core.clock()), 0, function()
      pump(self, hub)
    end)
  end
end

function Loop:park(hub)
  self:schedule(hub)
  coroutine.yield()
end

function Loop:wake(waiter)
  later(function()
    resume(self, waiter.co)
  end)
end

--- Pumps in the next turn of the uv loop. Called too when the runtime is about to close, to let go
-- of its descriptor.
function Loop:schedule(hub)
  if not core.is_open(hub.rt) then
    self:idle(hub)
  end
  if not hub.is_scheduled then
    hub.is_scheduled = true
    later(function()
      hub.is_scheduled = false
      pump(self, hub)
    end)
  end
end

function Loop:idle(hub)
  local handles = self.handles[hub]
  if handles then
    self.handles[hub] = nil
    close(handles.poll)
    close(handles.timer)
  end
end

return M
