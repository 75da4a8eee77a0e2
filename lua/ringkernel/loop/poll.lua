-- SPDX-License-Identifier: MIT
--- The built-in event loop: coroutines that wait for runtimes and timers, and nothing else.
--
--   local loop = rk.loop "poll"
--   loop:spawn(function() print(a:call(Reading { sensor = 1 }).value) end)
--   loop:run()          -- until every task has ended, or loop:stop()
--
-- An error in a task ends run() with that error and the task's traceback. With one runtime it waits
-- in rk_runtime_wait, which spins a little first; with several in poll(2).

local check = require "ringkernel.check"
local core = require "ringkernel.core"
local loops = require "ringkernel.loop"

local M = {}

local Loop = { __name = "ringkernel.loop" }
Loop.__index = Loop

function M.new()
  return setmetatable({
    name = "poll",
    ready = {},     -- tasks to resume: { co, arguments }
    sleepers = {},  -- { co, deadline }
    hubs = {},      -- hubs with somebody waiting -> nearest deadline or false
    kicked = {},    -- hubs to pump before sleeping
    tasks = 0,      -- living tasks
  }, Loop)
end

--- Starts a task; it runs from the next turn of run() on. Returns its coroutine.
function Loop:spawn(fn, ...)
  local co = loops.new_task(self, fn)
  self.tasks = self.tasks + 1
  self.ready[#self.ready + 1] = { co, table.pack(...) }
  return co
end

--- Puts the calling task to sleep. Outside a task it raises.
function Loop:sleep(seconds)
  loops.check_seconds(seconds)
  if loops.current() ~= self then
    check.fail("sleep: only inside a task of this loop")
  end
  self.sleepers[#self.sleepers + 1] = { coroutine.running(), core.clock() + seconds }
  coroutine.yield()
end

--- Makes run() return after the current turn.
function Loop:stop()
  self.is_stopping = true
end

--- Drains `rt` while the loop runs, for the functions of its subscriptions. Keeps run() running.
function Loop:watch(rt)
  loops.watch(self, rt, true)
end

function Loop:unwatch(rt)
  loops.watch(self, rt, false)
end

-- ---- what hubs ask
-- ----------------------------------------------------------------------------------

function Loop:park(hub)
  self:schedule(hub)
  coroutine.yield()
end

function Loop:wake(waiter)
  self.ready[#self.ready + 1] = { waiter.co, { n = 0 } }
end

function Loop:schedule(hub)
  self.kicked[hub] = true
end

function Loop:idle(hub)
  self.hubs[hub] = nil
end

-- ---- running
-- ----------------------------------------------------------------------------------------

local function resume(self, co, arguments)
  local ok, message = coroutine.resume(co, table.unpack(arguments, 1, arguments.n))
  if coroutine.status(co) == "dead" then
    self.tasks = self.tasks - 1
  end
  if not ok then
    local text = debug.traceback(co, tostring(message))
    coroutine.close(co)
    error(text, 0)
  end
end

local function run_ready(self)
  local list = self.ready
  self.ready = {}
  for index, task in ipairs(list) do
    local ok, message = pcall(resume, self, task[1], task[2])
    if not ok then
      table.move(list, index + 1, #list, #self.ready + 1, self.ready)
      error(message, 0)
    end
  end
end

local function pump(self, hub)
  local nearest = hub:pump()
  if hub.count > 0 and core.is_open(hub.rt) then
    self.hubs[hub] = nearest or false
  else
    self.hubs[hub] = nil
  end
end

--- Wakes sleepers whose time has come; returns the nearest deadline of the others.
local function run_timers(self, now)
  local left, nearest = {}, nil
  for _, sleeper in ipairs(self.sleepers) do
    if sleeper[2] <= now then
      self.ready[#self.ready + 1] = { sleeper[1], { n = 0 } }
    else
      left[#left + 1] = sleeper
      nearest = math.min(nearest or sleeper[2], sleeper[2])
    end
  end
  self.sleepers = left
  return nearest
end

--- Waits until a runtime has something or `deadline` passes.
local function wait(self, deadline)
  local left = deadline and math.max(deadline - core.clock(), 0)
  local first = next(self.hubs)
  if first and not next(self.hubs, first) then
    core.wait(first.rt, left)
    return
  end
  local fds = {}
  for hub in pairs(self.hubs) do
    fds[#fds + 1] = hub.rt:fd()
  end
  core.poll(fds, left)
end

local function is_empty(self)
  return self.tasks == 0 and not next(self.hubs) and not next(self.kicked)
end

--- One turn: resumes what is ready; if nothing is, waits for at most `timeout` seconds.
local function turn(self, timeout)
  local now = core.clock()
  local nearest = run_timers(self, now)
  local kicked = self.kicked
  self.kicked = {}
  for hub in pairs(kicked) do
    pump(self, hub)
  end
  if #self.ready == 0 and not next(self.kicked) and not is_empty(self) then
    local deadline = timeout and now + timeout
    for _, hub_deadline in pairs(self.hubs) do
      if hub_deadline then
        nearest = math.min(nearest or hub_deadline, hub_deadline)
      end
    end
    if nearest then
      deadline = math.min(deadline or nearest, nearest)
    end
    wait(self, deadline)
    for hub in pairs(self.hubs) do
      self.kicked[hub] = true
    end
  end
  run_ready(self)
end

--- Runs until no task is left and nothing is watched, or stop() is called. With `timeout`, at most
-- so many seconds. Returns whether everything ended.
function Loop:run(timeout)
  check.timeout("run", timeout)
  local deadline = timeout and core.clock() + timeout
  self.is_stopping = false
  while not self.is_stopping do
    if is_empty(self) then
      return true
    end
    local left = deadline and deadline - core.clock()
    if left and left <= 0 then
      return false
    end
    turn(self, left)
  end
  return false
end

return M
