-- SPDX-License-Identifier: MIT
--- What a supervisor does: OTP's behaviour of that name, message by message.
--
-- A supervisor takes one message at a time: the end of a child, another try of a restart that
-- failed, a call (supervisor_calls.lua), or the order to stop. The functions here run inside its
-- coroutine and yield in supervisor_engine.lua where OTP's would block.
--
-- The restart limit is a sliding window over whole seconds, as OTP keeps it.

local calls = require "ringkernel.supervisor_calls"
local children = require "ringkernel.supervisor_children"
local starting = require "ringkernel.supervisor_starting"

local M = {}

local Supervisor = { __name = "ringkernel.supervisor_process" }
Supervisor.__index = Supervisor

-- ---- restarts -----------------------------------------------------------------------------------

--- Counts a restart; false if there were more within the period than the intensity allows.
local function may_restart(self)
  local now = math.floor(self.engine.world:now())
  local times = self.restart_times
  while self.restart_first <= self.restart_last
    and times[self.restart_first] < now - self.spec.period do
    times[self.restart_first] = nil
    self.restart_first = self.restart_first + 1
  end
  self.restart_last = self.restart_last + 1
  times[self.restart_last] = now
  return self.restart_last - self.restart_first + 1 <= self.spec.intensity
end

--- Stops the newest child down to `first` (or to the oldest) and starts them again in order. One
-- that does not start is tried again later, and with it those after it.
local function restart_group(self, first)
  starting.stop_from(self, first or self.children.oldest)
  local failed = starting.start_from(self, first or self.children.oldest)
  if failed then
    failed.is_restarting = true
    self.engine:post(self, { kind = "again", id = failed.id })
  end
end

local RESTART = {}

function RESTART.one_for_one(self, record)
  local life, reason = starting.start(self, record, record.args)
  record.life, record.is_restarting = life, life == nil and reason ~= nil
  if record.is_restarting then
    self.engine:post(self, { kind = "again", id = record.id })
  end
end

function RESTART.rest_for_one(self, record)
  restart_group(self, record)
end

function RESTART.one_for_all(self)
  restart_group(self)
end

function RESTART.simple_one_for_one(self, record)
  local ref = record.ref
  self.children:erase(record)
  local life, reason = starting.start(self, record, record.args)
  if life then
    self.children:store(record, life.ref, life)
  elseif reason ~= nil then
    self.children:store(record, ref, nil)
    self.engine:post(self, { kind = "again", record = record })
  end
end

--- Restarts a child as the strategy says, or gives up: then the reason to stop is returned.
local function restart(self, record, reason)
  if not may_restart(self) then
    self.engine:emit("escalation", self, record.id, { reason = reason })
    return "shutdown"
  end
  self.engine:emit("restart", self, record.id, { reason = reason })
  RESTART[self.spec.strategy](self, record)
  return nil
end

--- Whether the end of a child for this reason is an ordinary one.
function M.is_ordinary(reason)
  return reason == "normal" or reason == "shutdown"
    or type(reason) == "table" and #reason == 2 and reason[1] == "shutdown"
end

--- "shutdown" if a significant child that is gone for good takes the supervisor with it.
local function after_end(self, is_significant)
  local mode = self.spec.auto_shutdown
  if mode == "never" or not is_significant then
    return nil
  elseif mode == "all_significant" then
    if self.children.dynamic_count > 0 then
      return nil
    end
    local record = self.children.oldest
    while record do
      if record.significant and (record.life or record.is_restarting) then
        return nil
      end
      record = record.newer
    end
  end
  return "shutdown"
end

-- ---- messages: each returns the reason to stop, or nil ------------------------------------------

local HANDLE = {}

function HANDLE.exit(self, message)
  local life = message.life
  local record, reason = life.record, life.reason
  if record.life ~= life then -- it was stopped or replaced before this message was read
    return nil
  elseif record.restart == "permanent"
    or record.restart == "transient" and not M.is_ordinary(reason) then
    return restart(self, record, reason)
  end
  self.children:gone(record)
  return after_end(self, record.significant)
end

function HANDLE.again(self, message)
  local record = message.record or self.children.by_id[message.id]
  if record and record.is_restarting then
    return restart(self, record, nil)
  end
  return nil
end

function HANDLE.call(self, message)
  self.engine:later(message.done, calls[message.name](self, message.argument))
  return nil
end

function HANDLE.stop(_, message)
  return message.reason
end

local function body(self)
  local engine = self.engine
  local reason
  if self.spec.strategy ~= "simple_one_for_one" then
    local failed, why = starting.boot(self)
    if failed then
      starting.stop_from(self, self.children.oldest)
      engine:finish(self, { "shutdown", { "failed_to_start_child", failed.id, why } })
      return
    end
  end
  self.is_starting = false
  engine:report(self, true)
  repeat
    local message = engine:receive(self)
    reason = HANDLE[message.kind](self, message)
  until reason ~= nil
  starting.stop_all(self)
  engine:finish(self, reason)
end

--- A supervisor that the engine will start.
function M.new(engine, spec, id)
  local self = setmetatable({
    engine = engine,
    spec = spec,
    id = id,
    children = children.new(),
    seats = {},            -- the world's: what it keeps of children between their lives
    template = nil,        -- of simple_one_for_one
    lives = {},            -- of its children that are alive: life -> true
    life = nil,            -- its own
    is_alive = true,
    is_starting = true,
    is_idle = false,       -- waits for any message
    is_suspended = false,
    mailbox = {},
    mailbox_first = 1,
    mailbox_last = 0,
    restart_times = {},    -- whole seconds, oldest first
    restart_first = 1,
    restart_last = 0,
  }, Supervisor)
  if spec.strategy == "simple_one_for_one" then
    self.template = spec.children[1]
  end
  self.thread = coroutine.create(function()
    body(self)
  end)
  return self
end

-- ---- handles ------------------------------------------------------------------------------------

local function nothing() end

local function call(self, name, argument, done)
  self.engine:post(self, { kind = "call", name = name, argument = argument,
    done = done or nothing })
  self.engine:run()
end

--- Adds a child: a table as in the specification, or, for simple_one_for_one, the list of arguments
-- for its start. done(ref | nil [, reason [, ref]]); no ref and no reason: its start was ignored.
function Supervisor:start_child(argument, done)
  if self.template then
    argument = argument or {}
  else
    argument = calls.check_child(argument, self.spec.auto_shutdown)
  end
  call(self, "start_child", argument, done)
end

--- Stops a child, by id, or by ref under simple_one_for_one. done(true | nil, reason).
function Supervisor:terminate_child(which, done)
  call(self, "terminate_child", which, done)
end

--- Starts a child that was stopped or has ended. done(ref | nil [, reason]).
function Supervisor:restart_child(id, done)
  call(self, "restart_child", id, done)
end

--- Forgets the specification of a child that does not run. done(true | nil, reason).
function Supervisor:delete_child(id, done)
  call(self, "delete_child", id, done)
end

--- done(list), newest child first: { id, ref, type, is_restarting }; dynamic children have no id.
function Supervisor:which_children(done)
  call(self, "which_children", nil, done)
end

--- done { specs =, active =, supervisors =, workers = }.
function Supervisor:count_children(done)
  call(self, "count_children", nil, done)
end

--- done(specification of the child | nil, "not_found").
function Supervisor:get_child(id, done)
  call(self, "get_child", id, done)
end

--- Stops the supervisor and its children in order; it ends for `reason` ("shutdown").
function Supervisor:stop(reason)
  self.engine:post(self, { kind = "stop", reason = reason == nil and "shutdown" or reason })
  self.engine:run()
end

--- Lets messages wait: nothing is restarted and no call is answered before resume().
function Supervisor:suspend()
  self.is_suspended = true
end

--- Goes on after suspend().
function Supervisor:resume()
  self.is_suspended = false
  self.engine:wake(self)
end

--- Ends the supervisor at once. Its children are told that it was "killed".
function Supervisor:kill()
  self.engine:later(self.engine.finish, self.engine, self, "killed")
  self.engine:run()
end

return M
