#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Host to actor and back, from Lua, with payloads from 8 bytes to a megabyte.
--
-- Up to rk.limits.payload_bytes the payload travels in the message. Larger ones lie in a buffer
-- that the message names; the case `buffer` writes it, has the actor copy it to another one, and
-- reads that.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local rk = require "ringkernel"

local PAYLOADS = { 8, 64, 256, 1024, 4096, 65536, 1048576 }
local FIRST_BUFFER = 4096
local TIMEOUT_S = 10

local echoes, definitions = {}, {}
for _, payload in ipairs(PAYLOADS) do
  if payload <= rk.limits.payload_bytes then
    local fields = { { "seq", "u64" } }
    if payload > 8 then
      fields[2] = { "data", ("char[%d]"):format(payload - 8) }
    end
    local Message = rk.message("Echo" .. payload, fields)
    local definition = rk.kernel {
      name = "bench_echo" .. payload, accepts = { Message }, emits = { Message },
      source = ("RK_ON(%s) { (void)state; rk_reply(ctx, %s, msg); }"):format(Message.name,
        Message.name),
    }
    echoes[payload] = { Message = Message, definition = definition }
    definitions[#definitions + 1] = definition
  end
end

local Copy = rk.message("Copy", { { "seq", "u64" }, { "from", "buffer" }, { "to", "buffer" } })
local copier = rk.kernel {
  name = "bench_copier", accepts = { Copy }, emits = { Copy }, block = 32,
  source = [[
RK_ON(Copy) {
  const rk_u64 *from = rk_buffer_at(const rk_u64, msg->from);
  rk_u64 *to = rk_buffer_at(rk_u64, msg->to);
  (void)state;
  RK_FOR_LANES(i, msg->from.count) { to[i] = from[i]; }
  rk_sync(ctx);
  rk_reply(ctx, Copy, msg);
}
]],
}
definitions[#definitions + 1] = copier

local shared = kit.shared { blocks = 1, load = definitions }

local function receive(actor, message)
  assert(actor:send(message))
  return assert(actor:receive(TIMEOUT_S))
end

local function poll(actor, message)
  local reply
  assert(actor:send(message))
  repeat
    reply = actor:try_receive()
  until reply
  return reply
end

local WAYS = {
  call = function(actor, meter, message)
    return meter:call(actor, message, TIMEOUT_S)
  end,
  receive = function(actor, meter, message)
    return meter:time(receive, actor, message)
  end,
  poll = function(actor, meter, message)
    return meter:time(poll, actor, message)
  end,
}

local INCLUDES = {
  call = "actor:call, each timed: send, stamp, handler, reply found by its correlation, table made",
  receive = "actor:send and actor:receive(timeout), each timed: stamp, handler, table made",
  poll = "actor:send and actor:try_receive in a loop, each timed: stamp, handler, table made",
  buffer = "buffer:write of a string, actor:call, its 32 lanes copy the buffer, buffer:read_bytes, "
    .. "each timed",
}

--- A text of `bytes` bytes without zeros, which differs from trip to trip.
local function text(bytes, index)
  return (string.char(97 + index % 26)):rep(bytes)
end

local function by_message(case, meter, trips)
  local Message, way, actor = echoes[case.payload].Message, WAYS[case.way], case.actor
  local sent, back = {}, {}
  for i = 1, trips do
    sent[i] = Message { seq = i, data = case.payload > 8 and text(case.payload - 8, i) or nil }
  end
  meter:start()
  for i = 1, trips do
    back[i] = way(actor, meter, sent[i])
  end
  meter:settle()
  meter:stop()
  local good = true
  for i = 1, trips do
    good = good and back[i].seq == i and back[i].data == sent[i].data
  end
  return good
end

local function through_buffers(case, bytes, seq)
  assert(case.from:write(bytes))
  assert(case.actor:call(Copy { seq = seq, from = case.from, to = case.to }, TIMEOUT_S))
  return assert(case.to:read_bytes())
end

local function by_buffer(case, meter, trips)
  local sent, back = {}, {}
  for i = 1, trips do
    sent[i] = text(case.payload, i)
  end
  meter:start()
  for i = 1, trips do
    back[i] = meter:time(through_buffers, case, sent[i], i)
  end
  meter:settle()
  meter:stop()
  for i = 1, trips do
    if back[i] ~= sent[i] then
      return false
    end
  end
  return true
end

return kit.campaign {
  name = "roundtrip",
  answers = "RustCompute's command to a device and back (about 160 us), its bare queue's ping-pong "
    .. "(794 ns) and its send through a handle (250 ns, nothing reads it); Boost.Lockfree's "
    .. "ping-pong (430 ns)",
  matrix = {
    { "way", kit.values({ "call", "receive", "poll", "buffer" }, 4) },
    { "payload", kit.quick and { 8, 4096 } or PAYLOADS },
  },
  includes = "a trip from Lua",
  limit_s = 3,
  skip = function(case)
    if case.way == "buffer" then
      return case.payload < FIRST_BUFFER and "small payloads travel in messages" or nil
    end
    return not echoes[case.payload] and ("a message carries up to %d bytes"):format(
      rk.limits.payload_bytes) or nil
  end,
  setup = function(case)
    local rt = shared:use()
    case.trips, case.sent = kit.count(case.payload < FIRST_BUFFER and 500 or
      case.payload == FIRST_BUFFER and 200 or 10, 5), 0
    if case.way == "buffer" then
      case.actor = assert(rt:launch(copier, { queue = 64 }))
      case.from = assert(rt:buffer("u64", case.payload // 8))
      case.to = assert(rt:buffer("u64", case.payload // 8))
    else
      case.actor = assert(rt:launch(echoes[case.payload].definition, { queue = 64 }))
    end
  end,
  run = function(case, meter)
    meter:watch(case.actor, case.trips)
    meter:count(case.trips)
    meter:bytes(2 * case.payload * case.trips)
    meter:includes(INCLUDES[case.way] .. "; the bandwidth is of both directions; threads not "
      .. "pinned")
    local good = (case.way == "buffer" and by_buffer or by_message)(case, meter, case.trips)
    case.sent = case.sent + case.trips
    meter:verified(good, "every byte of every reply")
  end,
  check = function(case)
    local stats = assert(case.actor:stats())
    return stats.processed == case.sent, ("%d messages handled, %d sent"):format(stats.processed,
      case.sent)
  end,
  teardown = function(case)
    assert(case.actor:terminate())
    if case.way == "buffer" then
      case.from:close()
      case.to:close()
    end
    shared:release()
  end,
}
