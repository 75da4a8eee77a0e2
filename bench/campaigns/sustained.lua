#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- A minute of messages without a pause: a sample is a second of it, so that the variation in the
--- table (cv) is that of the rate from second to second.
--
--   BENCH_SECONDS=60    how many seconds
--
-- `host`: 64 B from Lua to an actor, in lists of 32; `packed`: the same in strings of 32 packed
-- messages; the latencies are those of a list, room waited for. `k2k` (BENCH_FULL=1, or --only
-- way=k2k): from actor to actor, on two blocks, where the host starts each second's messages at
-- once and sleeps. At the end of each second all have been handled and their sum is compared.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")

local SECONDS = math.tointeger(tonumber(os.getenv("BENCH_SECONDS") or "")) or 60
local WINDOW_S = kit.quick and 0.05 or 1
local LIST = 32
local WAIT_S = 20

local Token = kit.Token
local shared = kit.shared { load = { kit.source, kit.sink } }

--- What is sent again when the first `sent` of a list went: the rest of it.
local REST = {
  host = function(list, sent)
    return table.move(list, sent + 1, LIST, 1, {})
  end,
  packed = function(text, sent)
    return text:sub(sent * Token.size + 1)
  end,
}

local function from_host(case, meter)
  local sink, list = case.sink, {}
  local send, clock, rest = sink.actor.send_many, kit.clock, REST[case.way]
  local Type = nil
  local count = 0
  for i = 1, LIST do
    list[i] = Token { words = { i, 1, 1, 1, 1, 1, 1 } }
  end
  if case.way == "packed" then
    for i = 1, LIST do
      list[i] = Token:pack(list[i])
    end
    list, Type = table.concat(list), Token
  end
  meter:watch(sink.actor)
  meter:start()
  local now = clock()
  local till = now + WINDOW_S
  while now < till do
    local sent = send(sink.actor, list, Type)
    while sent < LIST do -- full
      sent = sent + send(sink.actor, rest(list, sent), Type)
    end
    count = count + LIST
    local after = clock()
    meter:latency(after - now)
    now = after
  end
  meter:count(count)
  meter:settle(WAIT_S)
  local seconds = meter:stop()
  sink:sent(count, count // LIST * (LIST * (LIST + 1) // 2 + 6 * LIST))
  return count, seconds, sink:is_right()
end

local function from_actor(case, meter)
  local each = case.handlings * kit.BURST
  meter:watch(case.sink.actor, each)
  meter:count(each)
  meter:start()
  assert(case.source:send(Token { hops = case.handlings }))
  local last = assert(case.sink.actor:receive(WAIT_S))
  meter:settle()
  local seconds = meter:stop()
  case.made = case.made + each
  -- the next second has as many as this rate makes in one
  case.handlings = math.max(100, math.floor(case.handlings * math.min(10, WINDOW_S / seconds)))
  return each, seconds, last.words[1] == case.made and last.words[2] == kit.sum_of(case.made)
end

return kit.campaign {
  name = "sustained",
  answers = "RustCompute's 60 s: 5.54 M/s with a variation of 0.05 %, of one processor thread that "
    .. "puts into and takes out of a queue of its own while the device idles; the goal of 0.5 % "
    .. "with the receiver at work",
  includes = "a second",
  matrix = { { "way", { "host", "packed", "k2k" } } },
  samples = math.max(2, SECONDS),
  warmup = 2, warmup_max = 2,
  limit_s = SECONDS * 2 + 10,
  skip = function(case, only)
    return case.way == "k2k" and not kit.quick and kit.long(only, "way", "k2k") or nil
  end,
  setup = function(case)
    local rt = shared:use()
    case.sink = kit.launch_sink(rt, { queue = 4096, block = 1 })
    if case.way == "k2k" then
      case.source = assert(rt:launch(kit.source, { queue = 16, block = 0 }))
      assert(rt:connect(case.source, "next", case.sink.actor))
      case.handlings, case.made = kit.count(20000), 0
    end
  end,
  run = function(case, meter)
    local count, seconds, good
    if case.way ~= "k2k" then
      meter:includes(("actor:send_many of 64 B in %s of 32 from Lua, again when full, for a "
        .. "second, until the handler has read all; latency: of a list"):format(
        case.way == "packed" and "strings" or "lists"))
      count, seconds, good = from_host(case, meter)
    else
      meter:includes("about a second of 64 B messages, made by one actor and read by another on "
        .. "another block, until the host has the report of the last")
      count, seconds, good = from_actor(case, meter)
    end
    meter:value("rate", count / seconds / 1e6, "M/s")
    meter:bytes(count * Token.size)
    meter:verified(good, "count and sum of the receiver")
  end,
  check = function(case)
    if case.way ~= "k2k" then
      return case.sink:is_right(), "the receiver read something else"
    end
    local state = assert(case.sink.actor:peek_state())
    return state.count == case.made and state.sum == kit.sum_of(case.made),
      ("%d messages read, %d made"):format(state.count, case.made)
  end,
  teardown = function(case)
    if case.source then
      assert(case.source:terminate())
    end
    assert(case.sink.actor:terminate())
    shared:release()
  end,
}
