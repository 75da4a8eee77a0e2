-- SPDX-License-Identifier: MIT
--- The world that the supervision engine runs over in a runtime: actors that really begin and end.
--
-- One world a runtime, made with its first tree, monitor or link. It hears of failures and ends
-- through rt:on, tells the engine, and keeps the time: deadlines of stopping children and what
-- after() was told run from the runtime's timer, so inside poll, drain and calls that wait.
--
-- A ref is one life of a child: { seat =, actor =, actor_id =, id =, owner = }. A seat is what
-- stays of a child between its lives, above all the actor's handle. Seats belong to their place in
-- the tree, not to a supervisor's own life: a nested supervisor that is restarted finds the actors
-- it had. supervision_child.lua says how lives begin and end.
--
-- Why a life ended, for the engine and in events: "normal" (rk_stop), "shutdown" (terminated from
-- outside or told to by the supervisor), "killed", "failed" with a code (rk_fail), "heartbeat".

local core = require "ringkernel.core"
local children = require "ringkernel.supervision_child"
local engine = require "ringkernel.supervisor_engine"
local events = require "ringkernel.events"
local reasons = require "ringkernel.supervision_reason"

local M = {}

local World = {}
World.__index = World

local worlds = setmetatable({}, { __mode = "k" }) -- runtime -> world

local ENDED = { normal = "normal", killed = "killed" }

--- The world of a runtime.
function M.of(rt)
  local world = worlds[rt]
  if world then
    return world
  end
  world = setmetatable({
    rt = rt,
    claims = {},     -- actor -> ref of the life that it has now
    resting = {},    -- seats whose life is over and whose actor is not: supervisor -> seat -> true
    places = setmetatable({}, { __mode = "v" }), -- id of an actor, ever -> its seat
    roots = {},      -- handle of the engine -> true, of trees that run
    due = {},        -- { at, fn }, earliest first
    tickers = {},    -- functions called before the timer is set: now -> when they want it next
    begun = {},      -- functions called with a ref when its life has begun
    over = {},       -- functions called with (actor, reason, actor_id) when a life has ended
    is_lost = false, -- the device
    settled = 0,     -- the engine's count when resting seats were last looked at
    timer = false,   -- what the runtime's timer is set to
  }, World)
  world.engine = engine.new(world)
  worlds[rt] = world
  for _, name in ipairs { "failure", "ended", "stopped" } do
    rt:on(name, function(event)
      world:hear(event)
    end)
  end
  core.on_timer(rt, function(what)
    world:tick(what)
  end)
  return world
end

--- The seat that an actor with this id has, or had, in a tree of the runtime; and the world.
function M.seat_of(rt, id)
  local world = worlds[rt]
  return world and world.places[id], world
end

-- ---- time ---------------------------------------------------------------------------------------

function World:now()
  return core.clock()
end

--- Calls fn() in `seconds`, from the runtime's timer.
function World:after(seconds, fn)
  local at = core.clock() + seconds
  local due = self.due
  local index = #due + 1
  while index > 1 and due[index - 1].at > at do
    index = index - 1
  end
  table.insert(due, index, { at = at, fn = fn })
  self:arm()
end

--- Sets the runtime's timer to whatever comes first.
function World:arm()
  local at = self.engine:deadline()
  if self.due[1] and (not at or self.due[1].at < at) then
    at = self.due[1].at
  end
  for _, next_of in ipairs(self.tickers) do
    local wanted = next_of()
    if wanted and (not at or wanted < at) then
      at = wanted
    end
  end
  if at ~= self.timer then
    self.timer = at
    core.set_timer(self.rt, at)
  end
end

function World:tick(what)
  self.timer = false
  if what == "device_lost" then
    self:lose()
  end
  local now = core.clock()
  while self.due[1] and self.due[1].at <= now do
    table.remove(self.due, 1).fn()
  end
  for _, next_of in ipairs(self.tickers) do
    next_of(now)
  end
  local deadline = self.engine:deadline()
  if deadline and deadline <= now then
    self.engine:expire(now)
  end
  self:settle()
end

-- ---- what is heard ------------------------------------------------------------------------------

--- An event of the runtime, or of another module that has actors of its own: failure, ended,
-- stopped.
function World:hear(event)
  local actor, kind = event.actor, event.event
  local ref = self.claims[actor]
  if ref and event.actor_id and event.actor_id ~= ref.actor_id then
    ref = nil -- of an earlier life
  end
  local reason
  if kind == "failure" then
    reason = reasons.failed(event.code, event.reason)
  elseif kind == "ended" then
    reason = ref and ref.reason or ENDED[event.reason] or "shutdown"
  elseif event.code == 0 and ref and event.message == ref.end_id then
    reason = ref.reason
  else
    return
  end
  for _, fn in ipairs(self.over) do
    fn(actor, reason, event.actor_id)
  end
  if ref then
    self:life_over(ref, reason, kind == "ended")
  end
  self:settle()
end

--- The life of this seat is over, its actor is not: it will be given a new life or be ended.
function World:rest(seat)
  self:rise(seat)
  local owner = seat.owner
  seat.rests_under = owner
  self.resting[owner] = self.resting[owner] or {}
  self.resting[owner][seat] = true
end

--- It has a new life, or its actor is about to be ended. False if it was not resting.
function World:rise(seat)
  local owner = seat.rests_under
  if not owner then
    return false
  end
  seat.rests_under = nil
  self.resting[owner][seat] = nil
  if not next(self.resting[owner]) then
    self.resting[owner] = nil
  end
  return true
end

--- A life has ended; `is_gone`: and the actor with it.
function World:life_over(ref, reason, is_gone)
  if self.claims[ref.actor] == ref then
    self.claims[ref.actor] = nil
  end
  if not is_gone then
    self:rest(ref.seat)
  end
  self.engine:exited(ref, reason)
end

--- The device is lost: every tree ends with one escalation.
function World:lose()
  if self.is_lost then
    return
  end
  self.is_lost = true
  for root in pairs(self.roots) do
    events.emit(self.rt, { event = "escalation", id = root.id, supervisor = root.id, code = 0,
      reason = "device_lost" })
  end
  for root in pairs(self.roots) do
    self.engine:later(self.engine.finish, self.engine, root, "device_lost")
  end
  self.engine:run()
end

-- ---- what the engine asks -----------------------------------------------------------------------

--- The seat of a child, made when it is first asked for.
local function seat_of(owner, record)
  local seats = owner.template and record or owner.seats
  local key = owner.template and "seat" or record.id
  local seat = seats[key]
  if not seat or seat.start ~= record.start then
    seat = { id = record.id, start = record.start }
    seats[key] = seat
    if owner.template then
      owner.dynamic = (owner.dynamic or 0) + 1
      seat.number = owner.dynamic
    end
  end
  seat.owner = owner
  return seat
end

function World:start_supervisor(record, _, nested, owner)
  local seat = seat_of(owner, record)
  seat.seats = seat.seats or {}
  nested.seats = seat.seats
  seat.nested = nested
  return true
end

function World:start_child(record, args, owner)
  if self.is_lost then
    return nil, reasons.failure("the device is lost", "device_lost")
  end
  local seat = seat_of(owner, record)
  local actor, reason = children.begin(self, seat, record, args)
  if not actor then
    if reasons.code(reason) == "device_lost" then
      self.engine:later(self.lose, self)
    end
    return nil, reason
  end
  seat.actor = actor
  seat.quarantine = record.quarantine
  if math.type(actor.id) == "integer" then
    self.places[actor.id] = seat
  end
  local ref = { seat = seat, actor = actor, actor_id = actor.id, id = record.id, owner = owner,
    record = record }
  seat.ref = ref
  self.claims[actor] = ref
  for _, fn in ipairs(self.begun) do
    fn(ref)
  end
  return ref
end

function World:stop_child(ref, signal)
  ref.reason = signal == "kill" and "killed" or signal
  if self.is_lost then
    self:life_over(ref, "device_lost", true)
    return
  end
  children.stop(self, ref, signal)
end

function World:emit(event)
  local kind = event.event
  if kind == "ended" and event.ref.spec then
    self.roots[event.ref] = nil
  end
  if self.is_lost or kind ~= "restart" and kind ~= "escalation" then
    return
  end
  local owner = event.supervisor
  local seat = owner.seats[event.id]
  local text, code = reasons.split(event.reason)
  events.emit(self.rt, { event = kind, id = event.id, actor = seat and seat.actor,
    supervisor = owner.id, code = code, reason = text or "start_failed" })
end

-- ---- afterwards ---------------------------------------------------------------------------------

--- Whether a supervisor, or one above it, is in the middle of something, so that its children may
-- yet be given new lives.
local function is_undecided(owner)
  while owner do
    if owner.is_alive and (not owner.is_idle or owner.is_suspended
      or owner.mailbox_first <= owner.mailbox_last) then
      return true
    end
    owner = owner.life and owner.life.owner
  end
  return false
end

--- Waits until the blocks have answered what begin() has launched. An answer that does not come is
-- an actor that does not serve: heartbeats and deadlines see to that.
function World:launched()
  if self.has_launched then
    self.has_launched = false
    core.launched(self.rt)
  end
end

--- After everything the engine did: ends the actors that got no new life, and sets the timer.
function World:settle()
  if self.engine.is_running or self.is_settling then
    return
  end
  self.is_settling = true
  self:launched()
  -- Only a supervisor that has come to rest since the last time can have decided anything.
  if self.settled ~= self.engine.settled and next(self.resting) then
    local left = {}
    for owner, seats in pairs(self.resting) do
      if not is_undecided(owner) then
        for seat in pairs(seats) do
          left[#left + 1] = seat
        end
      end
    end
    for _, seat in ipairs(left) do
      self:rise(seat)
      if not self.is_lost then
        children.finish(seat)
      end
    end
  end
  self.settled = self.engine.settled
  self.is_settling = false
  self:arm()
end

return M
