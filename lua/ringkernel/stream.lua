-- SPDX-License-Identifier: MIT
--- `rt:stream { every =, what =, limit = }`: snapshots of actors, taken by the clock and buffered.
--
-- The runtime's timer takes them, so inside poll, drain and calls that wait: a host that is away
-- for longer than `every` misses some, which is counted. At most `limit` wait to be read; then each
-- new one drops the oldest, which is counted too. A reader that falls behind therefore has the
-- latest, costs a known amount of memory and never holds up an actor.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local loop = require "ringkernel.loop"
local rates = require "ringkernel.rates"
local worlds = require "ringkernel.supervision_world"

local Runtime = core.methods "runtime"

local M = {}

local DEFAULT_LIMIT = 64
local SHORTEST = 1e-3 -- seconds

local Stream = { __name = "ringkernel.stream" }
Stream.__index = Stream

--- What one actor looks like now, or nil if it has just ended.
local function picture(actor, wants_latency)
  local meter, stats = rates.observe(actor)
  if not meter then
    return nil
  end
  local out = rates.read(meter, stats)
  local state, _, code = actor:state()
  out.name, out.id, out.state = actor.name, actor.id, state or code
  out.block, out.processed, out.lost, out.errors = stats.block, stats.processed, stats.dropped,
    stats.errors
  out.last_error = stats.last_error
  out.latency = wants_latency and rates.latency(actor) or nil
  return out
end

--- Takes a snapshot and keeps it; drops the oldest where there is no room.
local function take(self)
  local list = self.rt:actors(self.what)
  if not list then
    return
  end
  self.made = self.made + 1
  local snapshot = { number = self.made, missed = self.missed, hlc = core.stamp(self.rt) or nil,
    actors = {} }
  for _, actor in ipairs(list) do
    local one = picture(actor, self.latency)
    snapshot.actors[#snapshot.actors + 1] = one
  end
  if self.last - self.first + 1 >= self.limit then
    self.buffer[self.first] = nil
    self.first = self.first + 1
    self.dropped = self.dropped + 1
  end
  self.last = self.last + 1
  self.buffer[self.last] = snapshot
end

--- Sets the timer to the next moment of the stream's own grid that is still to come.
local function arm(self)
  local now = core.clock()
  self.due = self.due + self.every
  if self.due <= now then
    local behind = (now - self.due) // self.every + 1
    self.missed = self.missed + math.tointeger(behind)
    self.due = self.due + behind * self.every
  end
  worlds.of(self.rt):after(self.due - now, function()
    if self.is_open and core.is_open(self.rt) then
      take(self)
      arm(self)
    end
  end)
end

--- The oldest snapshot that was not read | nil, message, "empty" | "closed".
function Stream:try_receive()
  if self.first > self.last then
    if not self.is_open or not core.is_open(self.rt) then
      return nil, "the stream is closed", "closed"
    end
    return nil, "no snapshot waits", "empty"
  end
  local snapshot = self.buffer[self.first]
  self.buffer[self.first] = nil
  self.first = self.first + 1
  self.taken = self.taken + 1
  return snapshot
end

--- The same; waits for it at most `timeout` seconds.
function Stream:receive(timeout)
  check.timeout("receive", timeout)
  local snapshot, text, code = self:try_receive()
  if snapshot or code ~= "empty" then
    return snapshot, text, code
  end
  return loop.wait(self.rt, timeout, function()
    return self:try_receive()
  end, "no snapshot came in time")
end

--- How many were made, read, dropped unread, missed because nobody polled, and wait.
function Stream:stats()
  return { made = self.made, taken = self.taken, dropped = self.dropped, missed = self.missed,
    waiting = self.last - self.first + 1 }
end

--- No more snapshots are taken; those that wait can still be read.
function Stream:close()
  self.is_open = false
  return true
end
Stream.__close = Stream.close

function Stream:__tostring()
  return ("ringkernel.stream: every %g s%s"):format(self.every, self.is_open and "" or " (closed)")
end

local OPTIONS = {
  every = { type = "number", required = true },
  what = { type = "any" },
  limit = { type = "integer", min = 1, max = 1 << 20 },
  latency = { type = "boolean" },
}

--- Begins to take a snapshot of the actors that `what` describes (as for rt:actors) every `every`
-- seconds.
function Runtime:stream(options)
  local own = check.options("stream", options, OPTIONS)
  if not (own.every >= SHORTEST and own.every < math.huge) then
    check.fail("stream: option 'every': %g seconds or more expected, got %s", SHORTEST,
      check.describe(own.every))
  end
  local list, text, code = self:actors(own.what) -- which also says what is wrong with it
  if not list then
    return nil, text, code
  end
  for _, actor in ipairs(list) do
    rates.observe(actor) -- so that the first snapshot has rates
  end
  local stream = setmetatable({ rt = self, every = own.every, what = own.what,
    limit = own.limit or DEFAULT_LIMIT, latency = own.latency ~= false, buffer = {}, first = 1,
    last = 0, made = 0, taken = 0, dropped = 0, missed = 0, is_open = true, due = core.clock() },
    Stream)
  arm(stream)
  return stream
end

M.methods = Stream

return M
