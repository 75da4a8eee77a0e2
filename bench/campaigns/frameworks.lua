#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- The same three tasks in actor frameworks: two actors that talk to each other, a token in a ring
-- of 1,000, and a flood from one to another. Handlers are compiled C here and in CAF, bytecode
-- with the native compiler in Erlang.
--
-- Ours places actors where it is told: on one block, or on two. The others decide themselves;
-- Erlang puts two processes that talk to each other on one scheduler.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")

local OURS = { program = "k2k" }
local FRAMEWORKS = {
  one_block = { OURS, ping_pong = "k2k.ping_pong.one_block", ring1000 = "k2k.ring1000.one_block",
    flood = "k2k.flood.one_block" },
  two_blocks = { OURS, ping_pong = "k2k.ping_pong.two_blocks",
    ring1000 = "k2k.ring1000.two_blocks", flood = "k2k.flood.two_blocks" },
  two_halves = { OURS, ring1000 = "k2k.ring1000.two_halves" },
  erlang = { { program = "peer_erlang", peer = { what = "Erlang/OTP", package = "erlang-base" } },
    ping_pong = "peer.erlang.ping_pong", ring1000 = "peer.erlang.ring1000",
    flood = "peer.erlang.flood" },
  caf = { { program = "peer_caf",
    peer = { what = "the C++ Actor Framework", package = "libcaf-dev" } },
    ping_pong = "peer.caf.ping_pong", ring1000 = "peer.caf.ring1000", flood = "peer.caf.flood" },
}

return native.campaign {
  name = "frameworks",
  answers = "Erlang/OTP 25 (ping-pong 649 ns, ring of 1,000 337 ns a hop, flood 185 ns a message) "
    .. "and CAF 0.17.6 (970, 430, 384 ns), both on two processors; RustCompute's K2K, 600 to 770 "
    .. "ns a message on one thread, 0.49 M/s between two",
  split = "task",
  includes = "messages of 64 B, or of the framework's own 8 integers; set-up is not timed",
  matrix = {
    { "framework", { "one_block", "two_blocks", "two_halves", "erlang", "caf" } },
    { "task", { "ping_pong", "ring1000", "flood" } },
  },
  where = function(case)
    return FRAMEWORKS[case.framework][case.task] ~= nil
  end,
  skip = function(case)
    local framework = FRAMEWORKS[case.framework][1]
    return native.missing(framework.program, framework.peer)
  end,
  run = function(case, meter)
    local framework = FRAMEWORKS[case.framework]
    native.measure(meter, { program = framework[1].program, quantities = framework[case.task] })
  end,
}
