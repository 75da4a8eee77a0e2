#!/usr/bin/env rkl
-- A kernel of your own, its handlers in a C file: state that lives as long as the actor, a message
-- that changes it and one that asks for it. The file is compiled when the first actor is launched,
-- and never again until it changes.

local rk = require "ringkernel"

local FOLDER = arg[0]:match("^(.*/)") or "./"

local Reading = rk.message("Reading", { { "value", "f64" } })
local Query = rk.message("Query", {})
local Mean = rk.message("Mean", { { "value", "f64" }, { "count", "u64" } })

local RunningMean = rk.kernel {
  name = "running_mean",
  accepts = { Reading, Query },
  emits = { Mean },
  state = { { "sum", "f64" }, { "count", "u64" } },
  file = FOLDER .. "06-own-kernel.cu",
}

local rt <close> = rk.open()
local actor = assert(rt:launch(RunningMean, { name = "mean" }))

local readings = {}
for i = 1, 100 do
  readings[i] = Reading { value = i }
end
print("sent:", actor:send_many(readings)) -- as many as the queue has room for: here, all

local mean = assert(actor:call(Query {}, 1)) -- messages are handled in order: all readings are in
print("mean:", mean.value, mean.count)
print("state:", actor:peek_state().sum)

-- What does not compile is reported with the user's file and line; the fourth value is all the
-- compiler said.
local Broken = rk.kernel {
  name = "broken",
  accepts = { Query },
  source = "RK_ON(Query) {\n  state->sum += 1;\n}\n",
}
local _, text, code, log = rt:launch(Broken)
print("broken:", code, log:match("broken:(%d+)") == "2" and "at line 2" or text)
