#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- The rings alone, beside other queues: messages of 64 bytes of header and 8 to 4032 of payload.
--
-- `record` is the ring between host and block, `tagged` its form for a bus, `inbox` that of an
-- actor with many senders; `line` is the limit: a cache line there and back with nothing in it.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")

local ck = { what = "ck_ring of Concurrency Kit", package = "libck-dev" }
local boost = { what = "Boost.Lockfree", package = "libboost-dev" }
local rte = { what = "rte_ring of DPDK", package = "libdpdk-dev" }

--- shape -> figure with one producer; `four`: the figure with four. Peers are held against ours at
-- the same shape and size; those for many producers only where there may be many.
local SPSC = { single = "single", round_trip = "round_trip", uncontended = "uncontended" }
local MPSC = { single = "single" }
local QUEUES = {
  record = { program = "ring_spsc", prefix = "ring.spsc.", shapes = { single = "single",
    batch32 = "batch32", round_trip = "round_trip", uncontended = "uncontended" } },
  tagged = { program = "ring_spsc", prefix = "ring.tagged.", shapes = { single = "single",
    batch32 = "batch32", round_trip = "round_trip", uncontended = "uncontended" },
    payload = 64 },
  inbox = { program = "inbox_mpsc", prefix = "inbox.mpsc.", shapes = { single = "1p",
    round_trip = "round_trip", uncontended = "uncontended" }, four = "4p" },
  line = { program = "anchors", prefix = "anchor.", shapes = { round_trip = "line_ping_pong" },
    payload = 64, is_sizeless = true },
  ck_ring = { shapes = SPSC, peer = ck },
  boost_spsc = { shapes = SPSC, peer = boost },
  rte_ring = { shapes = { single = "single", batch32 = "burst32", round_trip = "round_trip",
    uncontended = "uncontended" }, peer = rte },
  ck_ring_mpsc = { shapes = MPSC, four = "4p", peer = ck, needs_all = true },
  rte_ring_mpsc = { shapes = MPSC, four = "4p", peer = rte, needs_all = true },
  boost_queue = { shapes = MPSC, four = "4p", peer = boost },
}

local pipe = io.popen("nproc 2>/dev/null")
local processors = pipe and pipe:read("n") or 1
if pipe then
  pipe:close()
end

local function quantity_of(case)
  local queue = QUEUES[case.queue]
  local shape = queue.shapes[case.shape]
  if case.producers == 4 then
    shape = case.shape == "single" and queue.four or nil
  end
  if not shape or queue.payload and case.payload ~= queue.payload then
    return nil
  end
  return (queue.prefix or ("peer.%s."):format(case.queue)) .. shape
end

local function program_of(case)
  local queue = QUEUES[case.queue]
  local name = queue.program or "peer_" .. case.queue
  return queue.is_sizeless and name or ("%s_%d"):format(name, case.payload)
end

return native.campaign {
  name = "rings",
  answers = "rigtorp's SPSC queue (17.9 M/s), rte_ring in bursts of 32 (67 M/s) and alone (6.4 "
    .. "ns), Boost's ping-pong (430 ns), RustCompute's queues (2.8 M/s; 794 ns; 2.7 and 3.2 M/s "
    .. "with 1 and 4 producers, a mutex), all with 128 B; what more producers than processors do",
  split = "shape",
  includes = "filling, pushing, popping and comparing whole messages",
  matrix = {
    { "queue", { "record", "tagged", "inbox", "line", "ck_ring", "boost_spsc", "rte_ring",
      "ck_ring_mpsc", "rte_ring_mpsc", "boost_queue" } },
    { "shape", { "single", "batch32", "round_trip", "uncontended" } },
    { "producers", { 1, 4 } },
    { "payload", native.quick and { 64, 4032 } or { 8, 64, 256, 1024, 4032 } },
  },
  where = function(case)
    return quantity_of(case) ~= nil
  end,
  skip = function(case)
    local queue = QUEUES[case.queue]
    if queue.needs_all and case.producers >= processors then
      return ("a producer that is preempted stops the others: with %d processors it did not end in "
        .. "45 s"):format(processors)
    end
    return native.missing(program_of(case), queue.peer)
  end,
  limit_s = 30,
  run = function(case, meter)
    local quantity = quantity_of(case)
    native.measure(meter, { program = program_of(case), quantities = quantity,
      figure = case.payload == 64 and quantity or ("%s.%d"):format(quantity, case.payload) })
    if case.queue ~= "line" and case.shape ~= "uncontended" then
      meter:bytes((64 + case.payload) * (case.shape == "round_trip" and 2 or 1))
    end
  end,
}
