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
local DRAWN_MAX = 1000 -- samples from which resamples are drawn; of more that takes minutes

--- Figures of one quantity.
local function quantity(name, unit, better, samples, seed)
  local sorted = stats.sorted(samples)
  local low, high
  if #samples > DRAWN_MAX then
    low, high = stats.median_interval(sorted)
  else
    low, high = stats.bootstrap(samples, stats.median, { seed = seed })
  end
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

--- Percentiles of all latencies of a case together, in nanoseconds; nil if none were recorded. What
-- a later run is compared by are percentiles of each sample (`samples`).
local function latency(samples)
  local all = core.histogram()
  local each = { p50 = {}, p99 = {} }
  for _, taken in ipairs(samples) do
    all:merge(taken.histogram)
    if taken.histogram:count() > 0 then
      table.insert(each.p50, taken.histogram:percentile(50))
      table.insert(each.p99, taken.histogram:percentile(99))
    end
  end
  if all:count() == 0 then
    return nil
  end
  return {
    unit = "ns", count = all:count(), min = all:min(), mean = all:mean(), max = all:max(),
    p50 = all:percentile(50), p90 = all:percentile(90), p99 = all:percentile(99),
    p999 = all:percentile(99.9), buckets = all:buckets(), samples = each,
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

--- The results of a run. `run`: seconds, wall_seconds, resumed, unpinned.
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
  if run.unpinned then
    out.notes[#out.notes + 1] = ("not pinned to processors %s: taskset failed or is not installed")
      :format(table.concat(campaign.pin, ","))
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

--- A list whose elements are all of a type.
local function is_list_of(kind, value)
  if type(value) ~= "table" then
    return false
  end
  for _, element in ipairs(value) do
    if type(element) ~= kind then
      return false
    end
  end
  return true
end

--- Whether a case has what bench/compare.lua and bench/report.lua read.
local function is_case(case)
  local quantities_of = case.quantities or {}
  if type(case.name) ~= "string" or type(case.status) ~= "string"
    or not is_list_of("table", quantities_of) then
    return false
  end
  for _, q in ipairs(quantities_of) do
    if type(q.name) ~= "string" or type(q.unit) ~= "string" or type(q.median) ~= "number"
      or not is_list_of("number", q.samples) then
      return false
    end
  end
  local each = case.latency == nil and {} or type(case.latency) == "table" and case.latency.samples
  return each == nil or type(each) == "table" and is_list_of("number", each.p50 or {})
    and is_list_of("number", each.p99 or {})
end

local function is_results(value)
  local env = type(value) == "table" and value.environment
  if type(env) ~= "table" or type(env.date) ~= "string" or type(value.campaign) ~= "string"
    or not is_list_of("table", value.cases) then
    return false
  end
  for _, case in ipairs(value.cases) do
    if not is_case(case) then
      return false
    end
  end
  return true
end

--- Reads results from a file. Nil, message, code: io, corrupt, version.
function M.read(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message, "io"
  end
  local text, why = file:read("a")
  file:close()
  if not text then
    return nil, ("%s: %s"):format(path, why), "io"
  end
  local value, reason, code = json.decode(text)
  if value == nil then
    return nil, ("%s: %s"):format(path, reason), code
  elseif type(value) == "table" and value.format ~= nil and value.format ~= M.FORMAT then
    return nil, ("%s: results of format %s, this program reads %d"):format(path,
      tostring(value.format), M.FORMAT), "version"
  elseif not is_results(value) then
    return nil, path .. ": no results of a campaign", "corrupt"
  end
  return value
end

return M
