-- SPDX-License-Identifier: MIT
--- How fast an actor works: `actor:rates()`, averages with half-lives of 1, 10 and 60 s.
--
-- An actor is watched from the first question on. Its counters (actor:stats) are read by the
-- runtime's timer every PERIOD, so inside poll, drain and calls that wait, and with each question.
-- Readings need not be evenly spaced: what happened between two of them counts as spread evenly
-- over that time, and older time weighs half after one half-life. A meter that has run for less
-- than its half-life is the mean of what it has seen, not of a silence before.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local worlds = require "ringkernel.supervision_world"

local Actor = core.methods "actor"

local M = {}

local PERIOD = 0.25 -- seconds between two readings
local CLOSEST = 1e-5 -- readings closer together say nothing new
local HALF_LIVES = { 1, 10, 60 }
local COUNTERS = { handled = "processed", dropped = "dropped", sent = "sent",
  received = "received" } -- name in rates() -> name in stats()

M.half_lives = HALF_LIVES

-- ---- meters -------------------------------------------------------------------------------------

local Meter = {}
Meter.__index = Meter

--- A meter that begins at the moment `at` (seconds) with these counters.
function M.meter(at, counters)
  local self = setmetatable({ began = at, at = at, last = {}, sums = {}, weights = {} }, Meter)
  for name in pairs(COUNTERS) do
    self.last[name] = counters[name] or 0
    self.sums[name] = {}
    for _, half in ipairs(HALF_LIVES) do
      self.sums[name][half] = 0.0
      self.weights[half] = 0.0
    end
  end
  return self
end

--- Adds a reading. A counter that went back belongs to a new life and counts from 0.
function Meter:add(at, counters)
  local passed = at - self.at
  if passed < CLOSEST then
    return
  end
  self.at = at
  local keeps = {}
  for _, half in ipairs(HALF_LIVES) do
    keeps[half] = 0.5 ^ (passed / half)
    self.weights[half] = self.weights[half] * keeps[half] + (1 - keeps[half])
  end
  for name, sums in pairs(self.sums) do
    local now, before = counters[name] or 0, self.last[name]
    local rate = (now >= before and now - before or now) / passed
    self.last[name] = now
    for half, keep in pairs(keeps) do
      sums[half] = sums[half] * keep + rate * (1 - keep)
    end
  end
end

--- A second's worth of a counter by the average of this half-life; 0 as long as there is none.
function Meter:rate(name, half)
  local weight = self.weights[half]
  return weight > 0 and self.sums[name][half] / weight or 0.0
end

-- ---- watching -----------------------------------------------------------------------------------

local watched = setmetatable({}, { __mode = "k" }) -- runtime -> { meters = actor -> meter, is_on }

local function counters_of(stats)
  local out = {}
  for name, key in pairs(COUNTERS) do
    out[name] = stats[key]
  end
  return out
end

local tick

local function arm(rt, all)
  all.is_on = next(all.meters) ~= nil
  if all.is_on then
    local weak = setmetatable({ rt = rt }, { __mode = "v" })
    worlds.of(rt):after(PERIOD, function()
      if weak.rt and core.is_open(weak.rt) then
        tick(weak.rt, all)
      end
    end)
  end
end

function tick(rt, all)
  for actor, meter in pairs(all.meters) do
    local stats = actor:state() ~= "terminated" and actor:stats()
    if stats then
      meter:add(core.clock(), counters_of(stats))
    else
      all.meters[actor] = nil
    end
  end
  arm(rt, all)
end

--- The meter of an actor, up to date, and its stats; begins to watch it. nil, message, code.
function M.observe(actor)
  local stats, text, code = actor:stats()
  if not stats then
    return nil, text, code
  elseif not actor:is_active() then -- its block counts what waits when it handles something
    stats.waiting_in = core.actor_depth(actor) or stats.waiting_in
  end
  local rt = actor.runtime
  local all = watched[rt]
  if not all then
    all = { meters = {} }
    watched[rt] = all
  end
  local meter = all.meters[actor]
  if meter then
    meter:add(core.clock(), counters_of(stats))
  else
    meter = M.meter(core.clock(), counters_of(stats))
    all.meters[actor] = meter
    if not all.is_on then
      arm(rt, all)
    end
  end
  return meter, stats
end

--- What rates() returns for a meter and stats, without latencies.
function M.read(meter, stats)
  local out = { seconds = meter.at - meter.began, waiting_in = stats.waiting_in,
    waiting_out = stats.waiting_out, queue = stats.queue }
  for name in pairs(COUNTERS) do
    out[name] = {}
    for _, half in ipairs(HALF_LIVES) do
      out[name][half] = meter:rate(name, half)
    end
  end
  return out
end

local latency_kept = setmetatable({}, { __mode = "k" }) -- runtime -> false: keeps none

--- Latencies of an actor where the runtime keeps them, else nil.
function M.latency(actor)
  local rt = actor.runtime
  if latency_kept[rt] == false then
    return nil
  end
  local latency, _, code = actor:latency()
  if not latency and code == "unsupported" then
    latency_kept[rt] = false
  end
  return latency
end

local OPTIONS = { latency = { type = "boolean" } }

--- Averages over 1, 10 and 60 seconds of what the actor does; begins with the first call.
function Actor:rates(options)
  local wants = options == nil or check.options("rates", options, OPTIONS).latency ~= false
  local meter, stats, code = M.observe(self)
  if not meter then
    return nil, stats, code
  end
  local out = M.read(meter, stats)
  out.latency = wants and M.latency(self) or nil
  return out
end

return M
