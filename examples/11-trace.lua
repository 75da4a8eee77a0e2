#!/usr/bin/env rkl
-- Who sent what to whom, and when: a trace of two actors for ui.perfetto.dev, and their latencies.
-- Usage: rkl examples/11-trace.lua [FILE]; without FILE the trace is counted and thrown away.

local rk = require "ringkernel"

local Job = rk.message("Job", { { "n", "u32" } })

--- Passes a job on.
local Front = rk.kernel {
  name = "front",
  accepts = { Job },
  emits = { Job },
  ports = { "next" },
  source = "RK_ON(Job) { (void)state; (void)rk_send(ctx, RK_PORT_next, Job, msg); }",
}

--- Does a job: some work, more for larger ones.
local Worker = rk.kernel {
  name = "worker",
  accepts = { Job },
  emits = { Job },
  state = { { "sum", "f64" } },
  source = [[
RK_ON(Job) {
  for (rk_u32 i = 1; i <= 1000 * msg->n; ++i) { state->sum += 1.0 / (double)i; }
  rk_send_to(ctx, 0, Job, msg);
}
]],
}

-- A ring of 4096 records for each block, and histograms for each actor. Both are off by default.
local rt <close> = assert(rk.open { blocks = 2, trace = 4096, latency = true, max_actors = 1024 })
local front = assert(rt:launch(Front, { name = "front", block = 0 }))
local worker = assert(rt:launch(Worker, { name = "worker", block = 1 }))
assert(rt:connect(front, "next", worker))

assert(rt:trace { on = true })
for n = 1, 10 do
  assert(front:send(Job { n = n }))
end
for _ = 1, 10 do
  assert(worker:receive(5))
end
assert(rt:trace { on = false })

-- The file opens in ui.perfetto.dev: a process for each block, a track for each actor, arrows from
-- each sending to its handling.
local path = arg[1] or os.tmpname()
assert(rt:trace_save(path, { host = "11-trace.lua" }))
local file = assert(io.open(path))
local _, arrows = file:read("a"):gsub('"ph":"f"', "")
file:close()
if not arg[1] then
  os.remove(path)
end
print("arrows:", arrows)

-- Percentiles are in seconds. The histograms are there while the grid runs.
local latency = assert(worker:latency())
print("handled:", latency.handled.count)
print("p50 <= p99:", latency.handled.p50 <= latency.handled.p99)
print("measured:", latency.handled.includes)
