-- SPDX-License-Identifier: MIT
--- Runs supervisor specifications over a world of children, without threads and without waiting.
--
-- A running supervisor is what a process is in Erlang: a mailbox and a coroutine that takes one
-- message after another (supervisor_process.lua says what it does with them). Where OTP's would
-- block (for a child to stop, for a nested supervisor to start), the coroutine yields and the rest
-- goes on. The engine carries messages between supervisors in the order they were sent, knows
-- which lives of children have ended, and keeps the deadlines of stopping ones.
--
-- The world is what runs the children. It has the methods
--   start_child(child, args, supervisor) -> ref | nil, reason   starts one; reason "ignore": there
--       is to be none, and that is no failure. Raising is a failure with the error as its reason.
--   stop_child(ref, signal)   "shutdown": please end; "kill": end now, with the reason "killed";
--       anything else: the supervisor is gone for this reason, and so the child has to end.
--   now() -> seconds          never goes back
--   emit(event)               event.event is one of those in EVENTS below
--   start_supervisor(child, args, nested, supervisor) -> true | nil, reason   optional: asked
--       before a nested supervisor starts its children
-- and calls engine:exited(ref, reason) when a child has ended, whether it was told to or not. A ref
-- is any value that stands for one life of one child. Every method may call back into the engine.
--
-- `engine:deadline()` is when `engine:expire(now)` has to be called, nil if there is no hurry.

local process = require "ringkernel.supervisor_process"

local M = {}

--- What world:emit tells: name of the event -> what it has besides `supervisor` and `id`.
M.EVENTS = {
  started = "ref, args; a nested supervisor's ref is its handle",
  start_failed = "reason",
  ignored = "",
  ended = "ref, reason",
  restart = "reason: of the end that is answered by a restart, nil for another try",
  escalation = "reason: more restarts within the period than the intensity allows",
}

local Engine = {}
Engine.__index = Engine

--- An engine over `world`.
function M.new(world)
  return setmetatable({
    world = world,
    tasks = {},        -- [n] = function, or { supervisor, message }; from first to last
    first = 1,
    last = 0,
    is_running = false,
    lives = {},        -- ref -> life, of workers and supervisors that are alive
    settled = 0,       -- grows whenever a supervisor has ended or has nothing left to do
    numbers = 0,
    timed = {},        -- supervisors that wait with a deadline
  }, Engine)
end

-- ---- messages -----------------------------------------------------------------------------------

local function put(self, task)
  self.last = self.last + 1
  self.tasks[self.last] = task
end

--- Sends a message to a supervisor. Needs a run() afterwards, as every change from outside does.
function Engine:post(supervisor, message)
  put(self, { supervisor, message })
end

--- Calls fn(...) between two steps of supervisors, never inside one.
function Engine:later(fn, ...)
  local arguments = table.pack(...)
  put(self, function()
    fn(table.unpack(arguments, 1, arguments.n))
  end)
end

local function resume(self, supervisor, value)
  if not supervisor.is_alive then
    return
  end
  local ok, message = coroutine.resume(supervisor.thread, value)
  if not ok then -- the world raised: the supervisor dies of it, as a process would
    self:finish(supervisor, message)
  end
end

local function deliver(self, supervisor, message)
  local kind = message.kind
  if not supervisor.is_alive then
    if kind == "call" then
      self:later(message.done, nil, "noproc")
    end
  elseif kind == "exit" and message.life.is_claimed then
    resume(self, supervisor, message.life)
  elseif kind == "timeout" then
    if supervisor.deadline == message.deadline then
      resume(self, supervisor, nil)
    end
  elseif kind == "nested" or supervisor.is_idle and not supervisor.is_suspended then
    resume(self, supervisor, message)
  else
    supervisor.mailbox_last = supervisor.mailbox_last + 1
    supervisor.mailbox[supervisor.mailbox_last] = message
  end
end

local function drain(self)
  while self.first <= self.last do
    local task = self.tasks[self.first]
    self.tasks[self.first] = nil
    self.first = self.first + 1
    if type(task) == "function" then
      task()
    else
      deliver(self, task[1], task[2])
    end
  end
  self.first, self.last = 1, 0
end

--- Goes on until nothing is left to do. Inside itself it does nothing: the outer one goes on.
function Engine:run()
  if self.is_running then
    return
  end
  self.is_running = true
  local ok, message = pcall(drain, self)
  self.is_running = false
  if not ok then -- a callback raised; what was left to do is done by the next run
    error(message, 0)
  end
end

-- ---- for supervisors: these yield ---------------------------------------------------------------

--- Takes the next message out of a mailbox, or nil.
local function take(supervisor)
  local at = supervisor.mailbox_first
  if at > supervisor.mailbox_last or supervisor.is_suspended then
    return nil
  end
  local message = supervisor.mailbox[at]
  supervisor.mailbox[at] = nil
  supervisor.mailbox_first = at + 1
  return message
end

--- Goes on with the mailbox of a supervisor that was suspended.
function Engine:wake(supervisor)
  self:later(function()
    local message = supervisor.is_alive and supervisor.is_idle and take(supervisor)
    if message then
      resume(self, supervisor, message)
    end
  end)
  self:run()
end

--- The next message for a supervisor that has nothing else to do.
function Engine:receive(supervisor)
  local ready = take(supervisor)
  if ready then
    return ready
  end
  supervisor.is_idle = true
  self.settled = self.settled + 1
  local message = coroutine.yield()
  supervisor.is_idle = false
  return message
end

--- The next life that was claimed and has ended, or nil when the deadline (if any) has passed.
function Engine:pause(supervisor, deadline)
  supervisor.deadline = deadline
  self.timed[supervisor] = deadline and true or nil
  local life = coroutine.yield()
  supervisor.deadline = nil
  self.timed[supervisor] = nil
  return life
end

--- Claims a life: its end will be no message but what pause() returns. False if it has ended.
function Engine:claim(life)
  life.is_claimed = life.is_alive
  return life.is_alive
end

--- Starts a nested supervisor and waits until all its children have: life | nil, reason.
function Engine:start_nested(owner, record, args)
  local nested = process.new(self, record.start, record.id)
  local life = self:born(owner, record, nested, nested)
  if self.world.start_supervisor then
    local ok, answer, reason = pcall(self.world.start_supervisor, self.world, record, args, nested,
      owner)
    if not ok or not answer then
      nested.is_alive = false
      self:forget(life)
      return nil, not ok and answer or reason
    end
  end
  self:later(resume, self, nested)
  local answer = coroutine.yield()
  if answer.is_started then
    return life
  end
  return nil, answer.reason
end

-- ---- lives --------------------------------------------------------------------------------------

--- Notes the beginning of a life.
function Engine:born(owner, record, ref, supervisor)
  self.numbers = self.numbers + 1
  local life = {
    id = record.id,
    ref = ref,
    record = record,
    owner = owner,
    number = self.numbers,
    supervisor = supervisor,
    is_alive = true,
    is_claimed = false,
  }
  self.lives[ref] = life
  if owner then
    owner.lives[life] = true
  end
  if supervisor then
    supervisor.life = life
  end
  return life
end

--- Takes a life off the books without a word.
function Engine:forget(life)
  life.is_alive = false
  self.lives[life.ref] = nil
  if life.owner then
    life.owner.lives[life] = nil
  end
end

local function ended(self, life, reason)
  self:forget(life)
  life.reason = reason
  self:emit("ended", life.owner, life.id, { ref = life.ref, reason = reason })
  if life.owner and life.owner.is_alive then
    self:post(life.owner, { kind = "exit", life = life })
  end
end

--- Tells a child to end: "shutdown", "kill" or the reason its supervisor ended for.
function Engine:signal(life, reason)
  if not life.supervisor then
    self.world:stop_child(life.ref, reason)
  elseif reason == "kill" then
    self:finish(life.supervisor, "killed")
  else
    self:post(life.supervisor, { kind = "stop", reason = reason })
  end
end

--- The end of a supervisor. What it leaves behind (nothing, if it ended in order) ends with it.
function Engine:finish(supervisor, reason)
  if not supervisor.is_alive then
    return
  end
  supervisor.is_alive = false
  self.settled = self.settled + 1
  self.timed[supervisor] = nil
  if coroutine.status(supervisor.thread) == "suspended" then
    coroutine.close(supervisor.thread)
  end
  for index = supervisor.mailbox_first, supervisor.mailbox_last do
    deliver(self, supervisor, supervisor.mailbox[index])
  end
  local left = {}
  for life in pairs(supervisor.lives) do
    left[#left + 1] = life
  end
  table.sort(left, function(a, b)
    return a.number < b.number
  end)
  if supervisor.is_starting then
    self:forget(supervisor.life)
    self:report(supervisor, false, reason)
  else
    ended(self, supervisor.life, reason)
    if supervisor.on_end then
      self:later(supervisor.on_end, reason)
    end
  end
  for _, life in ipairs(left) do
    self:signal(life, reason)
  end
end

--- How the start of a supervisor went, for its owner or, at the root, for whoever opened it.
function Engine:report(supervisor, is_started, reason)
  local owner = supervisor.life.owner
  if owner then
    self:post(owner, { kind = "nested", is_started = is_started, reason = reason })
  elseif is_started then
    self:emit("started", nil, supervisor.id, { ref = supervisor })
    self:later(supervisor.on_start, supervisor)
  else
    self:emit("start_failed", nil, supervisor.id, { reason = reason })
    self:later(supervisor.on_start, nil, reason)
  end
end

--- Tells the world what happened.
function Engine:emit(event, supervisor, id, more)
  local out = more or {}
  out.event, out.supervisor, out.id = event, supervisor, id
  self.world:emit(out)
end

-- ---- from outside -------------------------------------------------------------------------------

local function nothing() end

--- Starts a tree. options: id (its name, "root"), on_start(supervisor | nil, reason), called when
--- all children have started or one has not, and on_end(reason). Returns the supervisor's handle.
function Engine:open(spec, options)
  options = options or {}
  local supervisor = process.new(self, spec, options.id or "root")
  supervisor.on_start = options.on_start or nothing
  supervisor.on_end = options.on_end
  supervisor.seats = options.seats or supervisor.seats
  self:born(nil, { id = supervisor.id }, supervisor, supervisor)
  self:later(resume, self, supervisor)
  self:run()
  return supervisor
end

--- The world says that a child has ended. False if `ref` is no living child.
function Engine:exited(ref, reason)
  local life = self.lives[ref]
  if not life or life.supervisor then
    return false
  end
  ended(self, life, reason)
  self:run()
  return true
end

--- Whether `ref` is a living child or supervisor.
function Engine:is_alive(ref)
  return ref ~= nil and self.lives[ref] ~= nil
end

--- When expire() has to be called next, or nil.
function Engine:deadline()
  local earliest
  for supervisor in pairs(self.timed) do
    if not earliest or supervisor.deadline < earliest then
      earliest = supervisor.deadline
    end
  end
  return earliest
end

--- Ends the patience with children whose time to shut down is over.
function Engine:expire(now)
  local due = {}
  for supervisor in pairs(self.timed) do
    if supervisor.deadline <= now then
      due[#due + 1] = supervisor
    end
  end
  table.sort(due, function(a, b)
    if a.deadline ~= b.deadline then
      return a.deadline < b.deadline
    end
    return a.life.number < b.life.number
  end)
  for _, supervisor in ipairs(due) do
    self:post(supervisor, { kind = "timeout", deadline = supervisor.deadline })
  end
  self:run()
end

return M
