#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- The runtime through its C contract, without Lua: the host and one actor, publishing, lives,
-- compiling, checkpoints. What the campaigns of Lua cost above this is Lua.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")

local list = { { name = "anchor.line_ping_pong", program = "anchors" } }
local function add(program, ...)
  for _, name in ipairs { ... } do
    list[#list + 1] = { name = name, program = program }
  end
end
local function together(program, name, ...)
  list[#list + 1] = { name = name, program = program, quantities = { ... } }
end

add("host", "host.round_trip", "host.round_trip.each", "host.round_trip.wait", "host.call",
  "host.send", "host.send.batch32", "host.receive", "host.post")
add("k2k", "k2k.hop.one_block", "k2k.hop.credit_each", "k2k.hop.buffer")
add("pubsub", "publish.1_subs", "publish.100_subs", "publish.10000_subs")
together("life", "life.runtime", "life.open", "life.open_and_launch", "life.close")
together("life", "life.actor", "life.launch", "life.restart", "life.terminate")
together("compile", "compile", "compile.cold", "compile.cached")
-- the disk's own speed swings: both are of the same seconds
together("checkpoint", "checkpoint", "checkpoint.write", "checkpoint.disk", "checkpoint.hash",
  "checkpoint.pause", "checkpoint.pause_empty", "checkpoint.restore")

return native.list {
  name = "runtime_c",
  answers = "RustCompute's queue ping-pong (794 ns), send through a handle (250 ns), K2K (600 to "
    .. "770 ns), publish to 100 subscribers that poll (5.07 us), launch without a loop (281 us); "
    .. "the goals of 1 ms to open, 400 and 2 ms to compile, half the disk's speed for a checkpoint",
  limit_s = 20,
  list = list,
}
