-- SPDX-License-Identifier: MIT
--- The harness of the Lua figures: the counterpart of bench/c/bench.h, with the same output.
--
-- A figure is the median of several samples, a sample the mean over many operations. Used by the
-- other files of this folder, which run under rkl from the top folder.

local core = require "ringkernel.core"

local M = {}

local samples = tonumber(os.getenv("BENCH_SAMPLES") or "") or 7
local divisor = tonumber(os.getenv("BENCH_DIVISOR") or "") or 1

--- Seconds of a clock that never steps back.
M.clock = core.clock

--- Operations of a sample: `full`, or fewer when BENCH_DIVISOR says so.
function M.scale(full)
  return math.max(16, full // divisor)
end

local function percentile(values, percent)
  return values[math.max(1, (#values * percent + 99) // 100)]
end

local truth = { "", "" }

--- What is seen to in all figures from now on, in words: how far messages got within the timing,
-- and what was compared. Nil: nothing.
function M.truth(consumed, verified)
  truth = { consumed or "", verified or "" }
end

--- Whether BENCH_QUANTITY asks for a figure.
function M.wants(quantity)
  local list = os.getenv("BENCH_QUANTITY") or ""
  return list == "" or ("," .. list .. ","):find("," .. quantity .. ",", 1, true) ~= nil
end

--- Writes the line of a figure from the values collected.
function M.report(quantity, unit, includes, values)
  if not M.wants(quantity) then
    return
  end
  table.sort(values)
  local half = #values // 2
  local median = #values % 2 == 1 and values[half + 1] or (values[half] + values[half + 1]) / 2
  print(("result\t%s\t%s\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%d\t%s\t%s\t%s"):format(
    quantity, unit, median, values[1], percentile(values, 25), percentile(values, 75),
    percentile(values, 99), values[#values], #values, includes, truth[1],
    truth[2]))
  io.stdout:flush()
end

--- A figure in ns: { quantity, count =, includes =, run = }. One warm-up call that is thrown away,
--- then the samples. `run(count)` does `count` operations and may return the seconds they took;
--- otherwise the whole call is timed.
function M.measure(figure)
  if not M.wants(figure[1]) then
    return
  end
  local clock = core.clock
  local n = M.scale(figure.count)
  local values = {}
  figure.run(n)
  for index = 1, samples do
    collectgarbage()
    local start = clock()
    local seconds = figure.run(n)
    values[index] = (seconds or clock() - start) / n * 1e9
  end
  M.report(figure[1], "ns", figure.includes, values)
end

return M
