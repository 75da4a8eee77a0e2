-- SPDX-License-Identifier: MIT
--- Waiting: blocking outside coroutines, yielding inside those that a loop runs.
--
-- `loop.wait(rt, timeout, try)` calls try() until it answers something other than "empty". In a
-- coroutine of a loop it parks the coroutine with the hub of its runtime. A hub pumps: it drains
-- the runtime, which arms its descriptor, and then asks every parked `try` again, so what arrives
-- later makes the descriptor readable and nothing is missed. Whatever else may have reset the
-- descriptor meanwhile (a blocking call, a command) "kicks" the hub, and the loop pumps before it
-- sleeps.
--
-- An adapter (loop/*.lua) is a table of functions: `new(option)` makes a loop with spawn, run,
-- stop, sleep, and for hubs: park(hub, waiter, timeout), wake(waiter), schedule(hub), idle(hub).

local core = require "ringkernel.core"
local check = require "ringkernel.check"

local M = {}

local ADAPTERS = { poll = true, luv = true, cqueues = true }

local owners = setmetatable({}, { __mode = "k" }) -- coroutine -> its loop
local hubs = setmetatable({}, { __mode = "k" })   -- runtime -> its hub

--- Notes that `co` is run by `loop`.
function M.own(co, loop)
  owners[co] = loop
end

--- The loop that runs the calling coroutine, or nil.
function M.current()
  local co, is_main = coroutine.running()
  if is_main then
    return nil
  end
  if owners[co] then
    return owners[co]
  end
  local cqueues = package.loaded["cqueues"]
  if cqueues then
    local controller, is_inside = cqueues.running()
    if controller and is_inside then
      return require("ringkernel.loop.cqueues").of(controller)
    end
  end
  return nil
end

-- ---- hubs ---------------------------------------------------------------------------------------

local Hub = {}
Hub.__index = Hub

--- The hub of a runtime for `loop`. A runtime is waited for by one loop at a time.
local function hub_for(rt, loop)
  local hub = hubs[rt]
  if hub and hub.loop ~= loop and hub.count > 0 then
    error("the runtime is being waited for by another loop", 3)
  end
  if not hub or hub.loop ~= loop then
    hub = setmetatable({ rt = rt, loop = loop, waiters = {}, count = 0, watchers = 0 }, Hub)
    hubs[rt] = hub
    local weak = setmetatable({ hub }, { __mode = "v" })
    core.on_kick(rt, function()
      local self = weak[1]
      if self and self.is_pumping then
        self.is_kicked = true
      elseif self then
        self.loop:schedule(self)
      end
    end)
  end
  return hub
end

function Hub:add(waiter)
  self.count = self.count + 1
  self.waiters[#self.waiters + 1] = waiter
  core.park(self.rt, 1)
end

--- One more or less reason to keep draining although nobody waits (callbacks of subscriptions).
function Hub:watch(change)
  self.watchers = self.watchers + change
  self.count = self.count + change
  core.park(self.rt, change)
end

local function finish(self, waiter, ...)
  waiter.is_done = true
  waiter.results = table.pack(...)
  self.count = self.count - 1
  core.park(self.rt, -1)
  self.loop:wake(waiter)
end

--- Asks one waiter's question; finishes it if there is an answer or its time is over.
local function ask(self, waiter, now, value, text, code)
  if value ~= nil or code ~= "empty" then
    finish(self, waiter, value, text, code)
  elseif waiter.deadline and now >= waiter.deadline then
    finish(self, waiter, nil, waiter.timeout_text, "timeout")
  end
end

--- Drains, runs callbacks and asks every waiter. Returns the nearest deadline, or nil.
function Hub:pump()
  if self.is_pumping then
    self.is_kicked = true
    return nil
  end
  self.is_pumping = true
  local nearest
  repeat
    self.is_kicked = false
    core.set_kicked(self.rt, false)
    if core.is_open(self.rt) then
      core.drain(self.rt)
      if self.rt:timeout() == 0 then
        self.is_kicked = true -- callbacks are left over
      end
    end
    nearest = nil
    local now = core.clock()
    if core.is_open(self.rt) and not self.is_kicked then
      local soon = self.rt:timeout() -- a Lua actor waits for room
      nearest = soon and now + soon
    end
    local waiting = self.waiters
    self.waiters = {}
    for _, waiter in ipairs(waiting) do
      if not waiter.is_done then
        ask(self, waiter, now, waiter.try())
      end
      if not waiter.is_done then
        self.waiters[#self.waiters + 1] = waiter
        if waiter.deadline and (not nearest or waiter.deadline < nearest) then
          nearest = waiter.deadline
        end
      end
    end
    local timer = self.rt:timeout() -- deadlines of supervisors
    if timer and timer > 0 and (not nearest or now + timer < nearest) then
      nearest = now + timer
    end
  until not self.is_kicked or not core.is_open(self.rt)
  self.is_pumping = false
  if self.count == 0 or not core.is_open(self.rt) then
    self.loop:idle(self)
  end
  return nearest
end

-- ---- waiting ------------------------------------------------------------------------------------

--- A success is one value, a failure three.
local function result(value, text, code)
  if value ~= nil then
    return value
  end
  return nil, text, code
end

--- Blocks: drains, runs callbacks, asks, waits, again and again.
local function wait_blocking(rt, timeout, try, timeout_text)
  local deadline = timeout and core.clock() + timeout
  while true do
    rt:drain()
    local value, text, code = try()
    if value ~= nil or code ~= "empty" then
      return result(value, text, code)
    end
    local left = deadline and deadline - core.clock()
    if left and left <= 0 then
      return nil, timeout_text, "timeout"
    end
    -- "interrupted" brings us back into Lua, where the hook that a signal set can raise.
    core.wait(rt, left)
  end
end

--- Calls try() until it returns something other than nil, message, "empty", for at most `timeout`
-- seconds (nil: for ever). Returns what it returned, or nil, timeout_text, "timeout".
function M.wait(rt, timeout, try, timeout_text)
  local value, text, code = try()
  if value ~= nil or code ~= "empty" then
    return result(value, text, code)
  end
  local loop = M.current()
  if not loop then
    return wait_blocking(rt, timeout, try, timeout_text)
  elseif timeout == 0 then
    return nil, timeout_text, "timeout"
  end
  local waiter = {
    co = coroutine.running(),
    try = try,
    deadline = timeout and core.clock() + timeout,
    timeout_text = timeout_text,
  }
  local hub = hub_for(rt, loop)
  hub:add(waiter)
  loop:park(hub, waiter, timeout)
  return result(table.unpack(waiter.results, 1, 3))
end

--- Keeps `loop` draining `rt`, so that subscribers' functions run; false ends it.
function M.watch(loop, rt, is_on)
  if check.describe(rt) ~= "ringkernel.runtime" then
    check.fail("%s: a runtime (rk.open) expected, got %s", is_on and "watch" or "unwatch",
      check.describe(rt))
  end
  local hub = hub_for(rt, loop)
  if is_on and hub.watchers == 0 then
    hub:watch(1)
    loop:schedule(hub)
  elseif not is_on and hub.watchers > 0 then
    hub:watch(-1)
    loop:schedule(hub)
  end
end

--- Checks the seconds of a loop's sleep.
function M.check_seconds(seconds)
  if seconds == nil or type(seconds) == "number" and seconds == math.huge then
    check.fail("sleep: seconds (0 or more) expected, got %s", check.describe(seconds))
  end
  check.timeout("sleep", seconds)
end

--- rk.loop(name, option): a loop of the kind "poll" (built in), "luv" or "cqueues".
function M.open(name, option)
  if not ADAPTERS[name] then
    check.fail("rk.loop: 'poll', 'luv' or 'cqueues' expected, got %s%s", check.describe(name),
      check.hint(name, ADAPTERS))
  end
  local ok, adapter = pcall(require, "ringkernel.loop." .. name)
  if not ok then
    return nil, ("rk.loop '%s': the module is not installed (%s)"):format(name,
      tostring(adapter):match("^[^\n]*")), "unsupported"
  end
  return adapter.new(option)
end

--- Checks what spawn is given and notes whose the new coroutine is.
function M.new_task(loop, fn)
  if type(fn) ~= "function" then
    check.fail("spawn: a function expected, got %s", check.describe(fn))
  end
  local co = coroutine.create(fn)
  owners[co] = loop
  return co
end

return M
