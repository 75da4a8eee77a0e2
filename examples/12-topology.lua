#!/usr/bin/env rkl
-- A topology: actors and links declared in one place, deployed as one. Readings are sharded by
-- their sensor over several workers; each hands a running mean to one Lua function. Then a worker
-- is added while messages flow, and none is lost.

local rk = require "ringkernel"

local Reading = rk.message("Reading", { { "sensor", "u32" }, { "value", "f64" } })

local Source = rk.kernel {
  name = "source", accepts = { Reading }, emits = { Reading }, ports = { "next" },
  source = "RK_ON(Reading) { (void)state; (void)rk_send(ctx, RK_PORT_next, Reading, msg); }",
}

-- A worker sees all readings of a sensor or none of them, so it may keep what it knows of each.
local Worker = rk.kernel {
  name = "worker", accepts = { Reading }, emits = { Reading }, ports = { "out" },
  state = { { "sum", "f64[16]" }, { "count", "u32[16]" } },
  source = [[
RK_ON(Reading) {
  rk_u32 s = msg->sensor % 16u;
  state->sum[s] += msg->value;
  state->count[s] += 1u;
  Reading out = *msg;
  out.value = state->sum[s] / (double)state->count[s];
  (void)rk_send(ctx, RK_PORT_out, Reading, &out);
}]],
}

local seen, mean = 0, {}
local function collect(_, msg)
  seen = seen + 1
  mean[msg.sensor] = msg.value
end

local function network(workers)
  local actors, names, outs = { source = Source, sink = collect }, {}, {}
  for i = 1, workers do
    names[i] = "w" .. i
    outs[i] = names[i] .. ".out"
    actors[names[i]] = { Worker, queue = 64 }
  end
  return rk.topology {
    actors = actors,
    links = {
      ("source.next -> {%s} shard sensor"):format(table.concat(names, ", ")),
      ("{%s} -> sink"):format(table.concat(outs, ", ")),
    },
  }
end

local rt <close> = rk.open()
local sys = assert(rt:deploy(network(2)))
io.write(sys.net:tree())

-- A full queue is no failure: what was accepted arrives, so take what came and try again.
local function feed(round)
  for sensor = 1, 8 do
    while not sys.source:send(Reading { sensor = sensor, value = sensor * 10 + round % 3 }) do
      rt:poll(0.01)
    end
  end
end

for round = 1, 300 do
  feed(round)
end
local report = assert(sys:apply(network(3)))
print("added:", table.concat(report.added, " "))
print("changed:", table.concat(report.changed, " "))
for round = 301, 600 do
  feed(round)
end

local _, lost = sys:stop()
print("seen:", seen)
print("lost:", lost)
print("sensors:", #mean)
