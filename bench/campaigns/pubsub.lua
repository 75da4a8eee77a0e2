#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Publishing from the host to 1, 100 and 10,000 wildcard subscriptions, of which one or all match.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")

local DELIVERIES = 8192 -- of a sample, where more than one subscription matches
local BATCH = 256 -- published before the subscribers are waited for
local QUEUE = 16384 -- of the actor: room for one message to all of its subscriptions

local Token = kit.Token
-- What is published waits in the ring of the actor's block.
local shared = kit.shared { blocks = 1, ring_units = 4 * QUEUE, load = { kit.sink } }

local INCLUDES = {
  callback = "rt:publish of 64 B, the topic's way through the patterns, rt:drain, the calls of the "
    .. "Lua functions, which compare a number",
  actor = "rt:publish of 64 B, the topic's way through the patterns, the queue of one actor that "
    .. "has all subscriptions, its handler that reads every word; until it says that it handled "
    .. "all",
}

--- Each case has topics of its own. Of the patterns that are not to match, none does at its second
-- level, where all differ.
local function pattern_of(case, index)
  local root = ("%s_%s_%d"):format(case.receiver, case.matching, case.subscriptions)
  return case.matching == "all" and root .. "/*/temp" or ("%s/%d/*"):format(root, index),
    ("%s/%d/temp"):format(root, case.subscriptions // 2 + 1)
end

local function publish(rt, case)
  case.published = case.published + 1
  case.token.words[1] = case.published
  local reached = assert(rt:publish(case.topic, case.token))
  case.misses = case.misses + (reached == case.fits and 0 or 1)
end

--- Publishes `count` times, and after each batch brings what arrived to the functions.
local function by_callbacks(rt, case, count, batch)
  for first = 1, count, batch do
    for _ = first, math.min(count, first + batch - 1) do
      publish(rt, case)
    end
    while case.called < case.published * case.fits do
      assert(rt:drain())
    end
  end
end

--- The same; after each batch but the last the actor is asked what it read.
local function by_actor(rt, case, count, batch)
  for first = 1, count, batch do
    local last = math.min(count, first + batch - 1)
    for _ = first, last do
      publish(rt, case)
      case.sink:sent(case.fits, case.fits * (case.published + 6))
    end
    if last < count then
      assert(case.sink:is_right(), "the actor read something else than was published")
    end
  end
end

return kit.campaign {
  name = "pubsub",
  answers = "RustCompute's publish and polling of every subscriber: 173 ns with 1 subscription, "
    .. "5.07 us with 100, 49.6 us with 1,000 (matched by each receiver, one or ten fit)",
  matrix = {
    { "receiver", { "callback", "actor" } },
    { "matching", { "one", "all" } },
    { "subscriptions", kit.values({ 1, 100, 10000 }, 2) },
  },
  limit_s = 4,
  skip = function(case)
    if case.matching == "all" and case.subscriptions == 1 then
      return "one of one is all"
    end
  end,
  setup = function(case)
    local rt = shared:use()
    case.fits = case.matching == "all" and case.subscriptions or 1
    case.token = Token { words = { 0, 1, 1, 1, 1, 1, 1 } }
    case.published, case.called, case.wrong, case.misses = 0, 0, 0, 0
    local receiver
    if case.receiver == "actor" then
      case.sink = kit.launch_sink(rt, { queue = QUEUE })
      receiver = case.sink.actor
    end
    case.subs = {}
    for i = 1, case.subscriptions do
      local seen = 0
      local pattern, topic = pattern_of(case, i)
      case.topic = topic
      case.subs[i] = assert(rt:subscribe(pattern, receiver or function(message)
        seen = seen + 1
        case.called = case.called + 1
        if message.words[1] ~= seen then
          case.wrong = case.wrong + 1
        end
      end, not receiver and { limit = BATCH } or nil))
    end
  end,
  run = function(case, meter)
    local rt = shared:get()
    local count = math.max(1, kit.count(DELIVERIES, 256) // case.fits)
    local batch = math.max(1, math.min(BATCH, QUEUE // 2 // case.fits))
    meter:includes(INCLUDES[case.receiver] .. "; time per publication")
    meter:count(count)
    if case.sink then
      -- questions between batches are messages, too
      meter:watch(case.sink.actor, count * case.fits + (count - 1) // batch)
    end
    meter:start()
    if case.sink then
      by_actor(rt, case, count, batch)
      meter:settle()
    else
      by_callbacks(rt, case, count, batch)
    end
    local seconds = meter:stop()
    meter:value("per delivery", seconds / (count * case.fits) * 1e9, "ns")
    if case.sink then
      meter:verified(case.misses == 0 and case.sink:is_right(), "count and sum of the actor")
    else
      meter:verified(case.misses == 0 and case.wrong == 0
        and case.called == case.published * case.fits,
        "every function was called with every message that fits, in order")
    end
  end,
  check = function(case)
    local dropped = 0
    for _, sub in ipairs(case.subs) do
      dropped = dropped + assert(sub:stats()).dropped
    end
    return dropped == 0, ("%d messages were dropped"):format(dropped)
  end,
  teardown = function(case)
    for _, sub in ipairs(case.subs) do
      sub:close()
    end
    if case.sink then
      assert(case.sink.actor:terminate())
    end
    shared:release()
  end,
}
