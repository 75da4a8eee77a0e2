-- SPDX-License-Identifier: MIT
--- Dead letters by filter: rt:dead_letters, rt:clear_dead_letters, rt:replay.
--
-- The C core keeps the letters, and takes one off its list in the moment its message is in a queue
-- again. What is here chooses which, keeps the order of each receiver (after one letter that did
-- not fit the rest of that receiver's stay), and asks supervision_replay.lua where the receiver is
-- a supervised child, so that one bad message cannot be tried for ever.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local quarantine = require "ringkernel.supervision_replay"
local worlds = require "ringkernel.supervision_world"

local Runtime = core.methods "runtime"

local read_all, drop = Runtime.dead_letters, core.dead_letter_drop

local M = {}

local REASONS = { "terminated", "deadline", "type", "corrupt", "failed", "full", "late", "tenant" }
local FILTER = {
  actor = { type = "any" },
  type = { type = "any" },
  reason = { type = "choice", choices = REASONS },
  max = { type = "integer", min = 0 },
  where = { type = "function" },
}
local REPLAY = { to = { type = "any" } }
for key, rule in pairs(FILTER) do
  REPLAY[key] = rule
end

local function check_filter(where, filter, rules)
  if filter == nil then
    return {}
  end
  local out = check.options(where, filter, rules)
  local kind = math.type(out.actor) or type(out.actor)
  if out.actor ~= nil and kind ~= "integer" and kind ~= "string" and kind ~= "userdata" then
    check.fail("%s: option 'actor': an actor, its name or id expected, got %s", where,
      check.describe(out.actor))
  end
  if type(out.type) == "table" then
    out.type = out.type.id
  end
  kind = math.type(out.type) or type(out.type)
  if filter.type ~= nil and kind ~= "integer" and kind ~= "string" then
    check.fail("%s: option 'type': a message type, its name or id expected, got %s", where,
      check.describe(filter.type))
  end
  return out
end

local function is_for(letter, actor)
  if type(actor) == "string" then
    return letter.actor ~= nil and letter.actor.name == actor
  elseif type(actor) == "userdata" then
    return letter.actor == actor or letter.dest == actor.id
  end
  return letter.dest == actor
end

local function is_of(letter, kind)
  if type(kind) == "string" then
    return letter.message ~= nil and getmetatable(letter.message).name == kind
  end
  return letter.type == kind
end

local function choose(rt, filter)
  local all, text, code = read_all(rt)
  if not all or next(filter) == nil then
    return all, text, code
  end
  local out, most = {}, filter.max or math.huge
  for _, letter in ipairs(all) do
    if #out >= most then
      break
    end
    if (filter.reason == nil or letter.reason == filter.reason)
      and (filter.type == nil or is_of(letter, filter.type))
      and (filter.actor == nil or is_for(letter, filter.actor))
      and (filter.where == nil or filter.where(letter)) then
      out[#out + 1] = letter
    end
  end
  return out
end

--- Dead letters, oldest first: all, or those that a filter { actor =, type =, reason =, max =,
-- where = fn(letter) } describes.
function Runtime:dead_letters(filter)
  return choose(self, check_filter("dead_letters", filter, FILTER))
end

--- Forgets those that the filter describes, or all: how many there were.
function Runtime:clear_dead_letters(filter)
  local list, text, code = choose(self, check_filter("clear_dead_letters", filter, FILTER))
  if not list then
    return nil, text, code
  end
  local dropped = 0
  for _, letter in ipairs(list) do
    dropped = dropped + (drop(self, letter.serial) and 1 or 0)
  end
  if filter == nil then
    return true
  end
  return dropped
end

local function replay_one(rt, letter, to)
  local seat, world = worlds.seat_of(rt, letter.dest)
  if to or not seat then
    return core.dead_letter_replay(rt, letter.serial, to)
  end
  local may, text, code = quarantine.admit(world, seat, letter)
  if not may then
    return nil, text, code
  end
  local ok
  ok, text, code = core.dead_letter_replay(rt, letter.serial,
    type(seat.actor) == "userdata" and seat.actor or nil)
  if ok then
    quarantine.count(seat, letter)
  end
  return ok, text, code
end

--- Sends the letters that the filter describes again; `to`: to this actor instead. Returns how many
-- went, and a list of those that stay: { letter =, message =, code = }.
function Runtime:replay(filter)
  local use = check_filter("replay", filter, REPLAY)
  local to = use.to
  use.to = nil
  if to ~= nil and type(to) ~= "userdata" then
    check.fail("replay: option 'to': an actor expected, got %s", check.describe(to))
  end
  local list, text, code = choose(self, use)
  if not list then
    return nil, text, code
  end
  local sent, refused, full = 0, {}, {}
  for _, letter in ipairs(list) do
    local whose = to or letter.dest
    local ok, why, what
    if full[whose] then
      why, what = full[whose], "full"
    else
      ok, why, what = replay_one(self, letter, to)
    end
    if ok then
      sent = sent + 1
    else
      full[whose] = what == "full" and why or full[whose]
      refused[#refused + 1] = { letter = letter, message = why, code = what }
    end
  end
  return sent, refused
end

return M
