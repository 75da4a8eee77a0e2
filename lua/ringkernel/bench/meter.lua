-- SPDX-License-Identifier: MIT
--- What a campaign's `run(case, meter)` measures with; one meter is one sample.
--
-- A meter takes times, and it knows what they stand for: whether every message was consumed by its
-- receiver (it asks the actors it was told to watch), whether that happened before the clock was
-- stopped, whether the device was waited for, whether contents were compared. These labels go into
-- the report beside the figure. A sample that claims what did not happen is void.

local check = require "ringkernel.check"
local core = require "ringkernel.core"

local Meter = {}
Meter.__index = Meter
Meter.__name = "ringkernel.meter"

local M = {}

local clock = core.clock
local SETTLE_S = 10
local LATENCY_MAX_S = 9e9 -- nanoseconds are counted in 63 bits
local TRUTH = { consumed = { type = "string" }, verified = { type = "string" } }

--- A meter for one sample of `case`.
function M.new()
  return setmetatable({
    operations = 1, values = {}, watched = {}, labels = {}, histogram = core.histogram(),
  }, Meter)
end

local function is_finite(value)
  return type(value) == "number" and value == value and math.abs(value) < math.huge
end

local function text(name, value, is_needed)
  if value ~= nil and type(value) ~= "string" or value == nil and is_needed then
    check.fail("meter:%s: a text expected, got %s", name, check.describe(value))
  end
  return value
end

local function positive(name, value)
  if type(value) ~= "number" or value <= 0 or value ~= value or value == math.huge then
    check.fail("meter:%s: a number above 0 expected, got %s", name, check.describe(value))
  end
  return value
end

--- Starts the clock; what ran before is not timed. Without it all of `run` is.
function Meter:start()
  self.bounded = true
  self.stopped_at = nil
  self.started_at = clock()
end

--- Stops the clock; what follows is not timed. Returns the seconds since the start.
function Meter:stop()
  self.stopped_at = self.stopped_at or clock()
  return self.stopped_at - self.started_at
end

--- How many operations the timed part does (1): the time is told for one.
function Meter:count(operations)
  self.operations = positive("count", operations)
end

--- Payload bytes moved in the timed part, for a figure in bytes a second.
function Meter:bytes(bytes)
  self.moved = positive("bytes", bytes)
end

--- Records the latency of one operation, in seconds, or of `times` like it.
function Meter:latency(seconds, times)
  if not is_finite(seconds) or seconds < 0 or seconds > LATENCY_MAX_S then
    check.fail("meter:latency: seconds from 0 to %.0e expected, got %s", LATENCY_MAX_S,
      check.describe(seconds))
  elseif times ~= nil and (not math.tointeger(times) or times < 1) then
    check.fail("meter:latency: how many times: a whole number above 0 expected, got %s",
      check.describe(times))
  end
  self.histogram:record(math.floor(seconds * 1e9 + 0.5), times)
end

--- Records what a call took, unless it is one of meter:paced: that counts from when it was due.
local function took(self, start)
  if not self.is_paced then
    self:latency(clock() - start)
  end
end

local function timed(self, start, ...)
  took(self, start)
  return ...
end

--- Calls fn(...), records how long that took as a latency, returns what it returned. A function
--- made beforehand, with arguments, is timed alone; one made in the call is timed with its making.
function Meter:time(fn, ...)
  return timed(self, clock(), fn(...))
end

--- Calls `actor` with `message` as actor:call does, records the latency and returns the reply. A
-- reply is the proof that its request was handled. An error ends the case.
function Meter:call(actor, message, timeout)
  local start = clock()
  local reply, reason, code = actor:call(message, timeout)
  took(self, start)
  if not reply then
    error(("meter:call: %s (%s)"):format(reason, tostring(code)), 0)
  end
  self.replies = (self.replies or 0) + 1
  return reply
end

--- Calls fn(i) for i = 1 … n at `rate` calls a second and records latencies from the moment each
-- call was due, not from when it began: a stall is charged to all that it kept waiting (coordinated
-- omission; Tene 2013). meter:call and meter:time inside fn record nothing of their own. Returns
-- how many calls began late by more than a period.
function Meter:paced(rate, n, fn)
  positive("paced", rate)
  if not math.tointeger(n) or n < 1 then
    check.fail("meter:paced: how many calls: a whole number above 0 expected, got %s",
      check.describe(n))
  end
  local period, late = 1 / rate, 0
  local first = clock()
  self.is_paced = true
  for i = 1, n do
    local due = first + (i - 1) * period
    local now = clock()
    while now < due do
      now = clock()
    end
    if now - due > period then
      late = late + 1
    end
    fn(i)
    self:latency(clock() - due)
  end
  self.is_paced = nil
  self.operations = n
  self.labels.paced = ("open loop, %.6g/s, %d of %d late"):format(rate, late, n)
  return late
end

--- Another quantity of this sample, with what it includes where that is not what the time does.
function Meter:value(name, number, unit, includes)
  if type(name) ~= "string" or not is_finite(number) then
    check.fail("meter:value: a name and a finite number expected, got %s and %s",
      check.describe(name), check.describe(number))
  end
  text("value", unit)
  text("value", includes)
  self.values[#self.values + 1] = {
    name = name, number = number, unit = unit or "", includes = includes,
  }
end

--- A name for this case's figure, by which a list of goals finds it in the results, and the unit in
-- which the goals speak of it (labels.figure, labels.unit).
function Meter:figure(name, unit)
  self.labels.figure, self.labels.unit = text("figure", name, true), text("figure", unit)
end

--- What the timing includes, in words; of a sample, before the campaign's own `includes`.
function Meter:includes(words)
  self.labels.includes = text("includes", words, true)
end

-- ---- truth ------------------------------------------------------------------------------------

local function processed(actor)
  local stats, message = actor:stats()
  if not stats then
    error("meter: the watched actor does not answer: " .. message, 0)
  end
  return stats.processed
end

--- Expects `actor` to handle `messages` more messages in this sample (default: as many as the
-- operations that are counted). Call it before they are sent: it asks the actor's block.
function Meter:watch(actor, messages)
  self.watched[#self.watched + 1] = { actor = actor, before = processed(actor), more = messages }
end

local function missing(self)
  local sum, wanted = 0, 0
  for _, watch in ipairs(self.watched) do
    local more = watch.more or self.operations
    wanted = wanted + more
    sum = sum + math.max(0, more - (processed(watch.actor) - watch.before))
  end
  return sum, wanted
end

--- Waits until every watched actor has handled its messages: within the timed part that makes the
-- time one of consumption. An actor's block answers between messages, so what it says is over.
function Meter:settle(seconds)
  if #self.watched == 0 then
    check.fail("meter:settle: no actor is watched; call meter:watch(actor) before sending")
  end
  local deadline = clock() + (seconds or SETTLE_S)
  local left, wanted = missing(self)
  while left > 0 and clock() < deadline do
    left, wanted = missing(self)
  end
  if left > 0 then
    self:void("%d of %d messages were not handled", left, wanted)
    return false
  end
  self.labels.consumed = self.stopped_at and "after the timing" or "inside the timing"
  self.synchronised = true
  return true
end

--- Runs an ordinary kernel as rt:run does, which waits for the device.
function Meter:run(rt, ...)
  local ok, message, code = rt:run(...)
  if not ok then
    error(("meter:run: %s (%s)"):format(message, tostring(code)), 0)
  end
  self.synchronised = true
  return ok
end

--- Times launches of an ordinary kernel as rt:time does, and takes its time, from after a launch
-- that it does not time until the device has ended the last, for that of the sample.
function Meter:launches(rt, ...)
  local timing, message, code = rt:time(...)
  if not timing then
    error(("meter:launches: %s (%s)"):format(message, tostring(code)), 0)
  end
  self.operations, self.given = timing.launches, timing.seconds
  self.synchronised = timing.synchronised
  return timing
end

--- A time that was taken on the device, in seconds, in place of the clock's. The device must have
-- been waited for through this meter: settle or run. Otherwise the sample is void.
function Meter:device_seconds(seconds)
  self.device = positive("device_seconds", seconds)
end

--- A time that another program took of its own work, in seconds for each operation, in place of
-- this clock's. `truth` is what that program vouches for: { consumed =, verified = }, in words.
-- What it does not name counts as not done.
function Meter:program_seconds(seconds, truth)
  self.program = positive("program_seconds", seconds)
  truth = check.options("meter:program_seconds", truth or {}, TRUTH)
  self.labels.consumed, self.labels.verified = truth.consumed, truth.verified
end

--- Says that this sample is no time: only what meter:value was told are figures of it.
function Meter:untimed()
  self.labels.clock = "none"
end

--- Says that what was received was compared with what was sent. A false `ok` voids the sample.
function Meter:verified(ok, what)
  if not ok then
    self:void("verification failed%s", what and ": " .. what or "")
    return
  end
  self.labels.verified = what or "yes"
end

--- Makes the sample void, with the reason.
function Meter:void(format, ...)
  text("void", format, true)
  self.reason = self.reason or format:format(...)
end

-- ---- the runner's side ------------------------------------------------------------------------

--- Runs `fn(case, meter)` and returns the sample: { seconds, operations, bytes, values, labels,
-- histogram } or { void = reason }.
function M.sample(fn, case)
  local meter = M.new()
  meter.started_at = clock()
  fn(case, meter)
  local ended_at = clock()
  meter.stopped_at = meter.stopped_at or ended_at
  if #meter.watched > 0 and not meter.labels.consumed and not meter.reason then
    meter:settle()
  end
  if meter.replies == meter.operations then
    meter.labels.consumed, meter.synchronised = "inside the timing (a reply to each)", true
  end
  local seconds = meter.given or meter.stopped_at - meter.started_at
  if meter.given and not meter.synchronised then
    meter:void("launches that were not waited for")
  end
  if meter.device then
    if not meter.synchronised then
      meter:void("a device time without synchronisation: call meter:settle or meter:run first")
    end
    seconds, meter.labels.clock = meter.device, "device"
  elseif meter.program then
    seconds, meter.labels.clock = meter.program * meter.operations, "program"
  end
  meter.labels.synchronised = meter.synchronised and "yes" or "no"
  if meter.labels.clock == "none" and #meter.values == 0 then
    meter:void("an untimed sample without a value: call meter:value")
  elseif seconds <= 0 then
    meter:void("the clock did not move")
  end
  return {
    void = meter.reason, seconds = seconds, operations = meter.operations, bytes = meter.moved,
    values = meter.values, labels = meter.labels, histogram = meter.histogram,
  }
end

return M
