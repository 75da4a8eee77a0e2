-- SPDX-License-Identifier: MIT
--- What each figure is held against. Read by bench/run.lua; the order here is that of the table.
--
-- A figure is named by the program that measured it (bench/campaigns/native.lua), or as
-- CAMPAIGN/CASE/QUANTITY: "k2k/place=one_block actors=1000/time" (times in ns). Behind a quantity,
-- "/variation" is its variation in percent; p50 and p99 as quantities are of a case's latencies.
--
-- A goal: { at_most | at_least = factor, of = other figure of the same run }, or with `quoted =
-- number, who = text` a figure of another machine (an Intel Xeon with 2 processors, November 2026),
-- used where the peer is not at hand: better than nothing, worse than a pair. With both, the quoted
-- one is used when the other was not measured. `at_most` or `at_least` alone is absolute.
-- `times = figure` is no goal: the table shows the value as a multiple of that figure. Neither is
-- { limit = factor, of = figure or figures }: what the machine took for a part of the same work in
-- the same run, so that nothing can be better.

local M = {}

local function rust(number)
  return number, "RustCompute 1.1.0"
end

local function goal(kind, factor, of, quoted, who)
  return { [kind] = factor, of = of, quoted = quoted, who = who }
end
local function at_most(factor, of, quoted, who)
  return goal("at_most", factor, of, quoted, who)
end
local function at_least(factor, of, quoted, who)
  return goal("at_least", factor, of, quoted, who)
end
local function times(of)
  return { times = of }
end
local function limit(factor, of)
  return { limit = factor, of = of }
end

M.list = {
  { group = "machine" },
  { "anchor.line_ping_pong" },
  { "anchor.record_ping_pong", times("anchor.line_ping_pong") },
  { "anchor.clock_read" },
  { "anchor.rmw" },
  { "anchor.fence" },
  { "anchor.memcpy_16k" },
  { "anchor.memcpy_64m" },
  { "anchor.thread_start" },

  { group = "record ring (host <-> block)" },
  -- rigtorp's queue is not in Debian; where both were measured it was 17.9 / 13.6 of ck_ring.
  { "ring.spsc.single",
    at_least(1.3 * 17.9 / 13.6, "peer.ck_ring.single"),
    at_least(1.3, nil, 17.9, "rigtorp"),
    at_least(1.0, "peer.rte_ring.single"),
    at_least(8, nil, rust(2.8)) },
  { "ring.spsc.batch32", at_least(1.0, "peer.rte_ring.burst32", 67, "rte_ring burst") },
  { "ring.spsc.round_trip",
    at_most(0.75, "peer.boost_spsc.round_trip", 430, "Boost"),
    at_most(1.4, "anchor.line_ping_pong"),
    limit(1, "anchor.record_ping_pong") },
  { "ring.spsc.uncontended", at_most(1.0, "peer.rte_ring.uncontended", 6.4, "rte_ring") },
  -- for a bus; in one memory it is only more words, and nobody uses it there unasked
  { "ring.tagged.single", times("ring.spsc.single") },
  { "ring.tagged.batch32", times("ring.spsc.batch32") },
  { "ring.tagged.round_trip", times("ring.spsc.round_trip") },
  { "ring.tagged.uncontended", times("ring.spsc.uncontended") },

  { group = "inbox ring (actor <- actors)" },
  { "inbox.mpsc.1p", at_least(1.0, nil, 14.3, "rigtorp MPMC 1P"), at_least(5, nil, rust(2.7)) },
  { "inbox.mpsc.4p", at_least(1.0, nil, 15.5, "rigtorp MPMC 4P"), at_least(0.8, "inbox.mpsc.1p"),
    times("peer.boost_queue.4p") },
  { "inbox.mpsc.round_trip", times("ring.spsc.round_trip") },
  { "inbox.mpsc.uncontended", times("ring.spsc.uncontended") },

  { group = "hybrid logical clock" },
  { "hlc.tick", at_most(1.5, "anchor.clock_read"), at_most(1.0, nil, rust(28.6)) },
  { "hlc.update", at_most(1.0, nil, rust(29.5)) },
  { "hlc.tick_two_threads", at_most(1.0, nil, rust(113)) },
  { "hlc.duplicates", at_most(0) },
  { "hlc.tick_owned", at_most(0.55, nil, rust(28.6)) },
  { "hlc.tick_owned_sampled", at_most(4) },

  { group = "host and one actor, from C" },
  { "host.round_trip",
    at_most(1.0, nil, 794, "RustCompute bare SPSC ping-pong"),
    times("anchor.line_ping_pong") },
  { "host.round_trip.each", times("host.round_trip") },
  { "host.round_trip.wait", times("host.round_trip") },
  { "host.call", times("host.round_trip") },
  { "host.post", at_most(1.0, nil, 250, "RustCompute send_envelope") },
  { "host.send", at_least(5, nil, 2.7, "RustCompute MPSC") },
  { "host.send.batch32", times("host.send") },
  { "host.receive", at_least(5, nil, 2.7, "RustCompute MPSC") },

  { group = "kernel to kernel" },
  -- a stamp, and the message into the inbox and out of it
  { "k2k.hop.one_block", at_most(1 / 25, nil, 600, "RustCompute K2K 600-770"),
    limit(1, { "hlc.tick_owned", "inbox.mpsc.uncontended" }) },
  -- Erlang puts two processes that talk to each other on one thread
  { "k2k.ping_pong.one_block", at_most(0.6, "peer.erlang.ping_pong"), times("peer.caf.ping_pong") },
  { "k2k.flood.one_block", at_least(1.5, "peer.erlang.flood", 7.5, "Erlang flood, one scheduler"),
    times("peer.caf.flood") },
  { "k2k.flood.two_blocks", at_least(1.5, "peer.erlang.flood", 5.4, "Erlang flood"),
    at_least(20, nil, 0.49, "RustCompute K2K, 2 threads") },
  { "k2k.ping_pong.two_blocks",
    at_most(0.6, nil, 649, "Erlang ping-pong"),
    times("peer.caf.ping_pong"),
    limit(1, "anchor.record_ping_pong") },
  { "k2k.ring1000.one_block", at_most(1 / 3, "peer.erlang.ring1000", 337, "Erlang ring"),
    times("peer.caf.ring1000") },
  { "k2k.ring1000.two_halves", at_most(1 / 3, "peer.erlang.ring1000", 337, "Erlang ring") },
  -- one way: the record, the entry that names the actor; its line of tickets to the sender and back
  { "k2k.ring1000.two_blocks", at_most(1 / 3, "peer.erlang.ring1000", 337, "Erlang ring"),
    limit(0.5, { "anchor.record_ping_pong", "anchor.line_ping_pong", "anchor.line_ping_pong" }) },

  { group = "publish and subscribe" },
  { "publish.1_subs" },
  { "publish.100_subs", at_most(1 / 25, nil, 5070, "RustCompute, 100 subscribers poll") },
  { "publish.10000_subs", at_most(1.3, "publish.100_subs") },

  -- the disk's own speed swings: both are of the same seconds
  { group = "checkpoints" },
  { "checkpoint.disk" },
  { "checkpoint.write", at_least(0.5, "checkpoint.disk") },
  { "checkpoint.hash", times("checkpoint.disk") },
  { "checkpoint.pause" },
  { "checkpoint.pause_empty", at_most(5) },
  { "checkpoint.restore" },

  { group = "lives" },
  { "life.open", at_most(1000) },
  { "life.open_and_launch",
    at_most(1.0, nil, 47, "RustCompute 47-200, its best"),
    limit(2, "anchor.thread_start") },
  { "life.close" },
  { "life.launch", at_most(1 / 5, nil, 281, "RustCompute, no loop behind it") },
  { "life.restart" },
  { "life.terminate" },
  { "supervision.command", times("life.restart") },
  { "supervision.restart", at_most(20) },
  { "supervision.restart_cycle", times("supervision.restart") },
  { "supervision.stop_and_start" },
  { "restart/what=tree_10000/time", at_most(20000) },
  { "restart/what=tree_100000/start", at_most(2) },
  { "reload/way=same_layout/p99", at_most(1e6) },
  { "reload/way=migrated/p99" },
  { "memory.idle_actor.queue16", at_most(1024) },
  { "memory.idle_actor.queue1024", at_most(1024) },
  { "compile.cold", at_most(400) },
  { "compile.cached", at_most(2) },

  { group = "Lua, call by call" },
  { "boundary/what=c_call/time" },
  { "boundary/what=lua_call/time" },
  { "boundary/what=bare_send/time" },
  { "boundary/what=bare_fields/time" },
  { "boundary/what=string_pack/time" },
  { "boundary/what=string_unpack/time" },
  { "lua.table" },
  { "lua.message.new", times("lua.table") },
  { "lua.message.pack", at_most(1.0, "boundary/what=string_pack/time") },
  { "lua.message.unpack", times("lua.string_unpack") },
  { "boundary/what=post/time",
    at_most(0.65, { "boundary/what=string_pack/time", "boundary/what=bare_send/time" }),
    times("boundary/what=bare_fields/time") },
  { "boundary/what=post_cached/time", times("boundary/what=post/time") },
  { "boundary/what=post_many/time", at_most(1 / 2.5, "boundary/what=post/time") },
  { "boundary/what=post_packed/time", at_most(1 / 5, "boundary/what=post/time") },
  { "boundary/what=post_new/time", times("boundary/what=post/time") },
  { "boundary/what=send/time", times("boundary/what=post/time") },
  { "boundary/what=try_receive/time", times("lua.table") },
  { "boundary/what=receive_many/time", times("boundary/what=try_receive/time") },
  { "boundary/what=call/time", times("host.call") },
  { "boundary/what=lua_actor/time" },
  { "lua.hlc.tick", times("hlc.tick") },

  { group = "the runtime from Lua; where blocks meet, each on a processor of its own" },
  { "roundtrip/way=poll payload=64/p50",
    at_most(1.0, nil, 794, "RustCompute bare SPSC ping-pong"), times("host.round_trip") },
  { "roundtrip/way=call payload=64/p50", times("host.call") },
  { "k2k/place=one_block actors=2/time", at_most(1 / 25, nil, 600, "RustCompute K2K 600-770"),
    times("k2k.hop.one_block") },
  { "k2k/place=one_block actors=1000/time",
    at_most(1 / 3, "peer.erlang.ring1000", 337, "Erlang ring") },
  -- one credit for each hop instead of eight together: seven eighths of the bookkeeping come back
  { "credits/place=one_block link=each/time",
    at_most(1.7, "credits/place=one_block link=eighth/time") },
  { "fan/direction=fan_in width=1/time",
    at_most(1 / 1.5, nil, 133, "Erlang flood, one scheduler") },
  { "fan/direction=fan_in width=64/time", times("fan/direction=fan_in width=1/time") },
  { "fan/direction=fan_out width=64/time", times("fan/direction=fan_out width=1/time") },
  -- publish.100_subs has the peer's work, in C on both sides; here Lua takes the message apart
  { "pubsub/receiver=callback matching=one subscriptions=100/time", times("publish.100_subs") },
  { "pubsub/receiver=callback matching=one subscriptions=10000/time",
    at_most(1.3, "pubsub/receiver=callback matching=one subscriptions=100/time") },
  { "injection/elements=256 way=launch/time" },
  { "injection/elements=256 way=post/time", times("injection/elements=256 way=launch/time") },
  { "injection/elements=256 way=call/time", times("injection/elements=256 way=launch/time") },
  -- the seeds' 1/2.7 is against launches on a GPU; here a launch is hardly more than a call
  { "frame/pace=at_once model=actor/time", times("frame/pace=at_once model=launch/time") },
  { "stencil/size=64 model=actor blocks=2/cells",
    at_least(1.0, nil, 278, "the seed's CPU baseline") },
  { "stencil/size=64 model=launch blocks=2/cells",
    at_least(1.0, nil, 278, "the seed's CPU baseline") },
  { "checkpoint/mib=64 what=write/bandwidth",
    at_least(0.5, "checkpoint/mib=64 what=plain/bandwidth") },
  { "checkpoint/mib=64 what=restore/bandwidth" },
  { "checkpoint/mib=1024 what=write/bandwidth",
    at_least(0.5, "checkpoint/mib=1024 what=plain/bandwidth") },
  { "sustained/way=packed/rate", at_least(1.0, nil, 5.54, "RustCompute, a queue of one thread") },
  { "sustained/way=packed/rate/variation", at_most(0.5),
    limit(1, "machine/quantity=anchor.line_ping_pong/time/variation") },
  { "sustained/way=host/rate", times("sustained/way=packed/rate") },
  { "sustained/way=host/rate/variation", at_most(0.5),
    limit(1, "machine/quantity=anchor.line_ping_pong/time/variation") },

  { group = "rkl" },
  { "rkl.stripped", at_most(2.0) },
  { "rkl.start", times("rkl.start.lua") },
  { "rkl.start.lua" },
  { "rkl.start.require", times("rkl.start") },
  { "rkl.start.answer", times("rkl.start.require") },
  { "rkl.start.lua.require", times("rkl.start.require") },
  { "rkl.start.lua.answer", times("rkl.start.answer") },
}

local function add(...)
  table.move({ ... }, 1, select("#", ...), #M.list + 1, M.list)
end

add({ group = "the same with other payloads (.N: bytes behind 64 of header)" })
for _, payload in ipairs { 8, 256, 1024, 4032 } do
  local function of(name)
    return ("%s.%d"):format(name, payload)
  end
  add({ of "ring.spsc.single", at_least(1.3, of "peer.ck_ring.single"),
    at_least(1.0, of "peer.rte_ring.single") },
    { of "ring.spsc.batch32", at_least(1.0, of "peer.rte_ring.burst32") },
    { of "ring.spsc.round_trip", at_most(0.75, of "peer.boost_spsc.round_trip") },
    { of "ring.spsc.uncontended", at_most(1.0, of "peer.rte_ring.uncontended") },
    { of "inbox.mpsc.1p", times(of "peer.boost_queue.single") },
    { of "inbox.mpsc.4p", at_least(0.8, of "inbox.mpsc.1p"), times(of "peer.boost_queue.4p") })
end

add({ group = "peers" })
for _, peer in ipairs {
  { "rte_ring", "single", "burst32", "round_trip", "uncontended" },
  { "ck_ring", "single", "round_trip", "uncontended" },
  { "boost_spsc", "single", "round_trip", "uncontended" },
  { "rte_ring_mpsc", "single", "4p" },
  { "ck_ring_mpsc", "single", "4p" },
  { "boost_queue", "single", "4p" },
  { "erlang", "ping_pong", "ring1000", "flood" },
  { "caf", "ping_pong", "ring1000", "flood" },
} do
  for i = 2, #peer do
    add({ ("peer.%s.%s"):format(peer[1], peer[i]) })
  end
end

--- Peers that are never measured here: only quoted.
M.quoted_only = {
  "rigtorp SPSCQueue and MPMCQueue (not in Debian)",
  "RustCompute (needs crates that Debian does not have)",
}

return M
