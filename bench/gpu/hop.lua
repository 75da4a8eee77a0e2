-- SPDX-License-Identifier: MIT
--- Two actors on one block hand a message to each other, between two marks that a profiler of the
--- device sees: `make ptx-count` counts what a hop runs (bench/gpu/PTX.md).
---
---   rkl bench/gpu/hop.lua [hops]
---
--- The marks are PTX's pmevent 0 and 1, so this runs on a CUDA device only, the tests' driver among
--- them. Between them lie as many handlings as are asked for (1000); before them both actors have
--- had 100, and their credits.

local rk = require "ringkernel"

local hops = tonumber(arg[1] or 1000)
local AROUND = 100

local Ball = rk.message("Ball", { { "left", "u64" } })
local Player = rk.kernel {
  name = "player",
  accepts = { Ball },
  emits = { Ball },
  ports = { "next" },
  source = ([[
RK_ON(Ball) {
  if (msg->left == %du) { asm volatile("pmevent 0;"); }
  if (msg->left == %du) { asm volatile("pmevent 1;"); }
  if (msg->left != 0u) {
    Ball out = { msg->left - 1u };
    (void)rk_send(ctx, RK_PORT_next, Ball, &out);
  }
}]]):format(hops + AROUND, AROUND),
}

local rt <close> = assert(rk.open { backend = "cuda", blocks = 1, max_actors = 64 })
local one = assert(rt:launch(Player, { name = "one" }))
local two = assert(rt:launch(Player, { name = "two" }))
assert(rt:connect(one, "next", two))
assert(rt:connect(two, "next", one))
assert(one:send(Ball { left = hops + 2 * AROUND }))
local all = hops + 2 * AROUND + 1
repeat
  assert(rt:poll(0.01))
until one:stats().processed + two:stats().processed >= all
print(("%d hops on %s"):format(hops, rt:info().device_name))
