-- SPDX-License-Identifier: MIT
--- Adapter for cqueues: tasks wait without blocking the controller that runs them.
--
--   local loop = rk.loop "cqueues"            -- or rk.loop("cqueues", an existing controller)
--   loop:spawn(function() print(a:receive(1)) end)
--   loop:run()
--
-- Coroutines of any controller are recognised without that, so inside cq:wrap(...) receive and call
-- yield anyway. While somebody waits, one coroutine of the controller (the pump) watches the
-- runtime's descriptor; each waiter sleeps on a condition of its own.

local check = require "ringkernel.check"
local condition = require "cqueues.condition"
local core = require "ringkernel.core"
local cqueues = require "cqueues"
local loops = require "ringkernel.loop"

local M = {}

local Loop = { __name = "ringkernel.loop" }
Loop.__index = Loop

local by_controller = setmetatable({}, { __mode = "k" })

--- The loop of a controller.
function M.of(controller)
  local self = by_controller[controller]
  if not self then
    self = setmetatable({ name = "cqueues", pumps = {} }, Loop)
    -- The loop must not keep its own weak key alive.
    self.weak = setmetatable({ controller = controller }, { __mode = "v" })
    by_controller[controller] = self
  end
  return self
end

function M.new(controller)
  controller = controller or cqueues.new()
  local self = M.of(controller)
  return setmetatable({ loop = self, controller = controller, name = "cqueues" }, {
    __name = "ringkernel.loop",
    __index = Loop,
  })
end

local function inner(self)
  return rawget(self, "loop") or self
end

local function controller_of(self)
  return rawget(self, "controller") or self.weak.controller
end

function Loop:spawn(fn, ...)
  if type(fn) ~= "function" then
    error(("spawn: a function expected, got %s"):format(type(fn)), 2)
  end
  controller_of(self):wrap(fn, ...)
end

function Loop:sleep(seconds)
  loops.check_seconds(seconds)
  cqueues.sleep(seconds)
end

--- Runs the controller until it is empty; raises what failed in a task.
function Loop:run(timeout)
  check.timeout("run", timeout)
  self = inner(self)
  self.is_stopping = false
  local controller = controller_of(self)
  local deadline = timeout and core.clock() + timeout
  while not controller:empty() and not self.is_stopping do
    local left = deadline and deadline - core.clock()
    if left and left <= 0 then
      return false
    end
    local ok, message, _, co = controller:step(left)
    if not ok then
      error(co and debug.traceback(co, tostring(message)) or tostring(message), 0)
    end
  end
  return controller:empty()
end

function Loop:stop()
  inner(self).is_stopping = true
end

function Loop:watch(rt)
  loops.watch(inner(self), rt, true)
end

function Loop:unwatch(rt)
  loops.watch(inner(self), rt, false)
end

-- ---- what hubs ask
-- ----------------------------------------------------------------------------------

--- The coroutine that pumps a hub for as long as somebody waits.
local function run_pump(self, hub, kick)
  while true do
    local nearest = hub:pump()
    if hub.count == 0 or not core.is_open(hub.rt) then
      self.pumps[hub] = nil
      return
    end
    hub.fd = hub.rt:fd()
    if nearest then
      cqueues.poll(hub.rt, kick, math.max(nearest - core.clock(), 0))
    else
      cqueues.poll(hub.rt, kick)
    end
  end
end

function Loop:park(hub, waiter)
  waiter.condition = condition.new()
  self:schedule(hub)
  while not waiter.is_done do
    waiter.condition:wait()
  end
end

function Loop:wake(waiter)
  waiter.condition:signal()
end

function Loop:schedule(hub)
  if hub.fd and not core.is_open(hub.rt) then
    cqueues.cancel(hub.fd) -- before it is closed
  end
  local kick = self.pumps[hub]
  if kick then
    kick:signal()
    return
  end
  kick = condition.new()
  self.pumps[hub] = kick
  controller_of(self):wrap(run_pump, self, hub, kick)
end

function Loop:idle(hub)
  local kick = self.pumps[hub]
  if kick then
    kick:signal()
  end
end

return M
