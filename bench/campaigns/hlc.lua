#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Hybrid logical clocks: shared by one thread and by two, owned by one block; and what a clock
-- reading alone costs. All stamps that two threads got are compared.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")

return native.list {
  name = "hlc",
  answers = "RustCompute's HLC: tick 28.6 ns, update 29.5 ns, two threads 113 ns with 18 to 38 "
    .. "thousand stamps given twice in a million ticks",
  list = {
    { name = "hlc.tick", program = "hlc" },
    { name = "hlc.update", program = "hlc" },
    { name = "hlc.tick_two_threads", program = "hlc",
      quantities = { "hlc.tick_two_threads", "hlc.duplicates", "hlc.ticks_compared" } },
    { name = "hlc.tick_owned", program = "hlc" },
    { name = "hlc.tick_owned_sampled", program = "hlc" },
    { name = "anchor.clock_read", program = "anchors" },
  },
}
