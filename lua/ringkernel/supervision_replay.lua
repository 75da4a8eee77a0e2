-- SPDX-License-Identifier: MIT
--- Trying a dead letter again, and when to stop: `sup:replay(letter)`.
--
-- A message whose handler failed is a dead letter at once; the restart never brings it back by
-- itself, so one bad message costs one restart. Who wants it handled after all replays it. The
-- same message (child, type and bytes) is tried `quarantine` times (3), the first time included;
-- after that it is in quarantine: replay refuses it with the code "denied", and the event
-- `quarantine` has told of it. rt:replay (dead_letters.lua) asks here, too.
-- `sup:quarantined()` lists them, `sup:release(letter)` lets one go.

local check = require "ringkernel.check"
local events = require "ringkernel.events"

local M = {}

local TRIES = 3
local MOST_KEPT = 1024 -- messages of one child whose tries are counted

local function check_letter(where, letter)
  if type(letter) ~= "table" or type(letter.bytes) ~= "string" or not letter.type then
    check.fail("%s: a dead letter (of rt:dead_letters) expected, got %s", where,
      check.describe(letter))
  end
end

--- The seat a letter was for, if it is below `process`.
local function place_of(world, process, letter)
  local seat = world.places[letter.dest]
  local owner = seat and seat.owner
  while owner and owner ~= process do
    owner = owner.life and owner.life.owner
  end
  return owner and seat
end

--- What the letter is called in its seat's tables.
local function key_of(seat, letter)
  seat.tries = seat.tries or { count = 0 }
  seat.held = seat.held or {}
  return ("%d %s"):format(letter.type, letter.bytes)
end

--- How often this message was tried: one that only could not be delivered, never.
local function tries_of(seat, key, letter)
  return seat.tries[key] or letter.reason == "failed" and 1 or 0
end

--- Whether the letter may be tried once more: true | nil, message, "denied".
function M.admit(world, seat, letter)
  local key = key_of(seat, letter)
  local most = seat.quarantine or TRIES
  if not seat.held[key] and tries_of(seat, key, letter) < most then
    return true
  end
  if not seat.held[key] then
    seat.held[key] = { id = seat.id, actor = seat.actor, letter = letter, tries = most }
    events.emit(world.rt, { event = "quarantine", id = seat.id, actor = seat.actor, code = 0,
      supervisor = seat.owner.id, reason = letter.reason, message = letter.id })
  end
  return nil, ("replay: child '%s' was tried with this message %d times: it is in quarantine")
    :format(seat.id, most), "denied"
end

--- It was tried once more.
function M.count(seat, letter)
  local key = key_of(seat, letter)
  local tried, tries = tries_of(seat, key, letter), seat.tries
  if not tries[key] then
    if tries.count >= MOST_KEPT then
      tries = { count = 0 }
      seat.tries = tries
    end
    tries.count = tries.count + 1
  end
  tries[key] = tried + 1
end

local function collect(seats, out)
  for _, seat in pairs(seats) do
    for _, held in pairs(seat.held or {}) do
      out[#out + 1] = held
    end
    collect(seat.seats or {}, out)
  end
  return out
end

--- Adds its methods. look(self) gives the world and the supervisor's process.
function M.add_to(methods, look)
  --- Sends a dead letter to its child again: true | nil, message, code.
  function methods:replay(letter)
    check_letter("replay", letter)
    local world, process = look(self)
    local seat = place_of(world, process, letter)
    if not seat then
      return nil, "replay: the letter was for no child of this supervisor", "not_found"
    elseif not letter.message then
      return nil, "replay: what is in the letter is not known to be right", "corrupt"
    elseif letter.reason == "tenant" then
      return nil, "replay: its sender may not send to this child", "tenant_mismatch"
    end
    local may, text, code = M.admit(world, seat, letter)
    if not may then
      return nil, text, code
    end
    local ok
    ok, text, code = seat.actor:send(letter.message)
    if not ok then
      return nil, "replay: " .. text, code
    end
    M.count(seat, letter)
    return true
  end

  --- What is in quarantine here and below: { id =, actor =, letter =, tries = }, in no order.
  function methods:quarantined()
    local _, process = look(self)
    return process and collect(process.seats, {}) or {}
  end

  --- Takes a letter out of quarantine and forgets how often it was tried.
  function methods:release(letter)
    check_letter("release", letter)
    local world, process = look(self)
    local seat = place_of(world, process, letter)
    local key = seat and key_of(seat, letter)
    if not seat or not seat.held[key] then
      return nil, "release: this letter is not in quarantine", "not_found"
    end
    seat.held[key], seat.tries[key] = nil, nil
    return true
  end
end

return M
