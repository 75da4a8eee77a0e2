#!/usr/bin/env rkl
-- A job that is interrupted and goes on in another runtime comes to the same result as one that is
-- not: two actors in a row, checkpoints in a series, of which the last one is a delta.

local rk = require "ringkernel"

local Sample = rk.message("Sample", { { "n", "u64" } })

-- Hashes what comes and passes the hash on.
local Mix = rk.kernel {
  name = "mix", accepts = { Sample }, emits = { Sample }, ports = { "next" },
  state = { { "hash", "u64" } },
  source = [[
    RK_ON(Sample) {
      state->hash = (state->hash ^ msg->n) * 1099511628211u;
      Sample out = { state->hash };
      (void)rk_send(ctx, RK_PORT_next, Sample, &out);
    }
  ]],
}

-- Keeps a sum and a count.
local Sum = rk.kernel {
  name = "sum", accepts = { Sample }, state = { { "sum", "u64" }, { "count", "u64" } },
  source = "RK_ON(Sample) { (void)ctx; state->sum += msg->n; state->count += 1; }",
}

local JOBS = 1000

local function begin(rt)
  local mix = assert(rt:launch(Mix, { name = "mix" }))
  local sum = assert(rt:launch(Sum, { name = "sum" }))
  assert(rt:connect(mix, "next", sum))
end

local function feed(rt, first, last)
  local mix = rt:find("mix")
  for n = first, last do
    assert(mix:send(Sample { n = n }))
  end
end

local function result(rt)
  local state
  repeat
    rt:poll(0.001)
    state = rt:find("sum"):peek_state()
  until state.count == JOBS
  return ("%016x"):format(state.sum)
end

local uninterrupted
do
  local rt <close> = rk.open()
  begin(rt)
  feed(rt, 1, JOBS)
  uninterrupted = result(rt)
end

local folder = os.tmpname()
os.remove(folder)
os.execute("mkdir " .. folder)
local series = folder .. "/job"
do
  local rt <close> = rk.open()
  begin(rt)
  feed(rt, 1, 400)
  local full = assert(rt:checkpoint(series, { keep = 2 }))
  rt:find("sum"):deactivate() -- so that something waits in its queue
  feed(rt, 401, 700)
  local delta = assert(rt:checkpoint(series, { keep = 2, parent = full }))
  print("delta:", delta.number, delta.written, delta.path:match("[^/]*$"))
  feed(rt, 701, JOBS) -- which the end of this runtime takes with it
end

local rt <close> = rk.open()
local info = assert(rt:restore(series, { kernels = { Mix, Sum } }))
print("restored:", info.launched, info.path:match("[^/]*$"))
rt:find("sum"):activate()
feed(rt, 701, JOBS)
print("the same result:", result(rt) == uninterrupted)
os.execute("rm -r " .. folder)
