-- SPDX-License-Identifier: MIT
--- From samples to figures: what a campaign's results hold, and reading them back.
--
--   { format =, campaign =, answers =, split =, environment = {}, seconds =, complete =,
--     notes = {},
--     cases = { { name =, factors = {}, status = "ok" | "failed" | "hung" | "void" | "skipped",
--       reason =, labels = {}, latency = {},
--       quantities = { { name =, unit =, better = "less" | "more", n =, median =, ... } } } } }

local core = require "ringkernel.core"
local json = require "ringkernel.json"
local stats = require "ringkernel.bench.stats"

local M = {}

M.FORMAT = 1
local DRIFT = 0.05 -- the control case changed by more than this: the machine did
local NOISY = 0.15 -- so did a single round of it
local WALL_STEP_S = 2

--- Figures of one quantity.
local function quantity(name, unit, better, samples, seed)
  local sorted = stats.sorted(samples)
  local low, high = stats.bootstrap(samples, stats.median, { seed = seed })
  return {
    name = name, unit = unit, better = better, n = #samples, samples = samples,
    median = stats.quantile_sorted(sorted, 0.5), mean = stats.mean(samples),
    q25 = stats.quantile_sorted(sorted, 0.25), q75 = stats.quantile_sorted(sorted, 0.75),
    p90 = stats.quantile_sorted(sorted, 0.9), p99 = stats.quantile_sorted(sorted, 0.99),
    min = sorted[1], max = sorted[#sorted], low = low, high = high,
    deviation = #samples > 1 and stats.deviation(samples) or nil,
    variation = #samples > 1 and stats.variation(samples) or nil,
    outliers = stats.outliers(samples),
  }
end

--- Percentiles of all latencies of a case together, in nanoseconds; nil if none were recorded.
local function latency(samples)
  local all = core.histogram()
  for _, taken in ipairs(samples) do
    all:merge(taken.histogram)
  end
  if all:count() == 0 then
    return nil
  end
  return {
    unit = "ns", count = all:count(), min = all:min(), mean = all:mean(), max = all:max(),
    p50 = all:percentile(50), p90 = all:percentile(90), p99 = all:percentile(99),
    p999 = all:percentile(99.9), buckets = all:buckets(),
  }
end

--- The label that holds for all samples, or the weakest that was seen, marked "(some)".
local function common_labels(samples)
  local labels = {}
  for i, taken in ipairs(samples) do
    for key, value in pairs(taken.labels) do
      if i == 1 then
        labels[key] = value
      elseif labels[key] ~= value and key ~= "paced" then
        labels[key] = tostring(value) .. " (not in all samples)"
      end
    end
  end
  return labels
end

local function quantities(samples, seed, is_timed)
  local list, times, rates = {}, {}, {}
  local extra, order = {}, {}
  for i, taken in ipairs(samples) do
    times[i] = taken.seconds / taken.operations * 1e9
    rates[i] = taken.bytes and taken.bytes / taken.seconds / 1e6 or nil
    for _, value in ipairs(taken.values) do
      local found = extra[value.name]
      if not found then
        found = { name = value.name, unit = value.unit, includes = value.includes, samples = {} }
        extra[value.name] = found
        order[#order + 1] = found
      end
      found.samples[#found.samples + 1] = value.number
    end
  end
  if is_timed then
    list[1] = quantity("time", "ns", "less", times, seed)
  end
  if is_timed and #rates == #times then
    list[2] = quantity("bandwidth", "MB/s", "more", rates, seed)
  end
  for _, found in ipairs(order) do
    local better = found.unit:find("/s", 1, true) and "more" or "less"
    list[#list + 1] = quantity(found.name, found.unit, better, found.samples, seed)
    list[#list].includes = found.includes
  end
  return list
end

local function one_case(campaign, entry)
  local labels = common_labels(entry.samples)
  if entry.checked then
    labels.checked = "yes"
  end
  labels.checked = labels.checked or "no"
  labels.consumed = labels.consumed or "not watched"
  labels.verified = labels.verified or "no"
  labels.clock = labels.clock or "host"
  labels.includes = labels.includes or campaign.includes or "all of run()"
  local out = {
    name = entry.name, factors = entry.factors, status = entry.status or "ok",
    reason = entry.reason, labels = labels, limited = entry.limited, warmed = entry.warmed,
    steady = entry.steady,
  }
  if #entry.samples == 0 and out.status == "ok" then
    out.status, out.reason = "failed", "no sample was taken"
  elseif #entry.samples > 0 and out.status ~= "void" then
    out.quantities = quantities(entry.samples, campaign.seed, labels.clock ~= "none")
    out.latency = latency(entry.samples)
  end
  return out
end

--- What the control case says of the machine.
local function control_notes(controls, notes)
  local n = #controls
  if n < 6 then
    return
  end
  local third = n // 3
  local early = stats.median(table.move(controls, 1, third, 1, {}))
  local late = stats.median(table.move(controls, n - third + 1, n, 1, {}))
  local change = late / early - 1
  if math.abs(change) > DRIFT then
    notes[#notes + 1] = ("the machine got %.0f %% %s during the run (control case)"):format(
      math.abs(change) * 100, change > 0 and "slower" or "faster")
  end
  local variation = stats.variation(controls)
  if variation > NOISY then
    notes[#notes + 1] = ("the machine was not quiet: the control case varied by %.0f %%"):format(
      variation * 100)
  end
end

--- The results of a run. `run`: seconds, wall_seconds, resumed.
function M.make(campaign, entries, controls, env, run)
  local out = {
    format = M.FORMAT, campaign = campaign.name, answers = campaign.answers, environment = env,
    split = campaign.split, seconds = run.seconds, samples = campaign.samples, cases = {},
    notes = {}, complete = true,
  }
  control_notes(controls, out.notes)
  if math.abs(run.wall_seconds - run.seconds) > WALL_STEP_S then
    out.notes[#out.notes + 1] = ("the wall clock was set during the run (by %.0f s); times are of "
      .. "a clock that does not step"):format(run.wall_seconds - run.seconds)
  end
  if (run.resumed or 0) > 0 then
    out.notes[#out.notes + 1] = ("%d samples are of an earlier, interrupted run"):format(
      run.resumed)
  end
  for i, entry in ipairs(entries) do
    local case = one_case(campaign, entry)
    out.cases[i] = case
    if case.status ~= "ok" and case.status ~= "skipped" then
      out.complete = false
    end
    if case.limited then
      out.notes[#out.notes + 1] = ("%s: stopped at its limit of %g s after %d samples"):format(
        case.name, campaign.limit_s, #entry.samples)
    end
    if case.steady == false and case.status == "ok" then
      out.notes[#out.notes + 1] = ("%s: was not steady after %d warm-up runs"):format(case.name,
        case.warmed)
    end
  end
  return out
end

--- Reads results from a file. Nil, message, code: io, corrupt, version.
function M.read(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message, "io"
  end
  local text = file:read("a")
  file:close()
  local value, reason, code = json.decode(text)
  if value == nil then
    return nil, ("%s: %s"):format(path, reason), code
  elseif type(value) ~= "table" or type(value.cases) ~= "table" or not value.campaign then
    return nil, path .. ": no results of a campaign", "corrupt"
  elseif value.format ~= M.FORMAT then
    return nil, ("%s: results of format %s, this program reads %d"):format(path,
      tostring(value.format), M.FORMAT), "version"
  end
  return value
end

return M
