-- SPDX-License-Identifier: MIT
--- What the figures of a device are held against; the form is that of bench/targets.lua. Read by
--- check.lua. The order is that of the table.

local function at_most(factor)
  return { at_most = factor }
end
local function at_least(factor)
  return { at_least = factor }
end
local function times(of)
  return { times = of }
end

return {
  { group = "host and one actor" },
  { "gpu.round_trip", at_most(2.5) },
  { "gpu.round_trip.p99", at_most(5) },
  { "gpu.round_trip.latency", at_most(2.5) },
  { "gpu.round_trip.latency.p99", at_most(5) },
  { "gpu.round_trip.one_block", times "gpu.round_trip" },
  { "gpu.round_trip.one_block.p99" },
  { "gpu.round_trip.plain", times "gpu.round_trip" },
  { "gpu.round_trip.plain.p99" },
  { "gpu.round_trip.tagged", times "gpu.round_trip" },
  { "gpu.round_trip.tagged.p99" },
  { "gpu.round_trip.lua", times "gpu.round_trip" },
  { "gpu.round_trip.lua.p99" },
  { "gpu.round_trip.lua.one_block" },
  { "gpu.round_trip.lua.one_block.p99" },
  { "gpu.post", at_most(40) },
  { "gpu.post.lua", times "gpu.post" },

  { group = "rates, 64 B" },
  { "gpu.h2k", at_least(20) },
  { "gpu.h2k.spread", at_least(20) },
  { "gpu.k2h", at_least(20) },
  { "gpu.k2h.spread", at_least(20) },
  { "gpu.sustained", at_least(20) },
  { "gpu.sustained.variation", at_most(0.5) },

  { group = "kernel to kernel, there and back" },
  { "gpu.k2k.same_block", at_most(0.2) },
  { "gpu.k2k.same_cluster", at_most(0.6) },
  { "gpu.k2k.same_cluster.counted", at_most(0.6) },
  { "gpu.k2k.neighbour_blocks", at_most(1.5) },
  { "gpu.k2k.far_blocks", at_most(1.5) },
  -- What the hardware does with one word and nothing around it (E5, nanoseconds).
  { "E5: same block, shared memory", at_most(200) },
  { "E5: same cluster, flag", at_most(600) },
  { "E5: same cluster, mbarrier", at_most(600) },
  { "E5: same grid, neighbour blocks", at_most(1500) },
  { "E5: same grid, first and last block", at_most(1500) },

  { group = "lives" },
  { "gpu.create", at_most(10) },
  { "gpu.create.p99" },
  { "gpu.restart", at_most(10) },
  { "gpu.restart.p99" },
  { "gpu.restart.lua" },
  { "gpu.restart.lua.p99" },

  { group = "ordinary launches, the baseline" },
  { "gpu.launch.launch", times "gpu.round_trip" },
  { "gpu.launch.stream", times "gpu.round_trip" },
  { "gpu.launch.graph", times "gpu.round_trip" },
}
