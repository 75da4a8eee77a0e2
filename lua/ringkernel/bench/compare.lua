-- SPDX-License-Identifier: MIT
--- Two runs of a campaign, held against each other: one verdict for each quantity of each case.
--
-- A difference counts when Welch's test says it is no chance and it is larger than what one cares
-- about (min_effect, 2 % of the median). Many quantities make many chances to be wrong, so the
-- p values are held against Holm's bounds (1979): the chance of any false verdict stays below 5 %.

local report = require "ringkernel.bench.report"
local stats = require "ringkernel.bench.stats"

local M = {}

local ALPHA = 0.05

local function by_name(list)
  local found = {}
  for _, item in ipairs(list or {}) do
    found[item.name] = item
  end
  return found
end

--- What of a case is compared: its quantities, and percentiles of its latencies, sample by sample.
local function compared(case)
  local list = {}
  if case and case.quantities then
    table.move(case.quantities, 1, #case.quantities, 1, list)
    local each = case.latency and case.latency.samples or {}
    for _, name in ipairs { "p50", "p99" } do
      if each[name] and #each[name] > 0 then
        list[#list + 1] = { name = "latency " .. name, unit = "ns", better = "less",
          samples = each[name], median = stats.median(each[name]) }
      end
    end
  end
  return list
end

--- Change of a median as a fraction; of nothing to nothing none.
local function change(new, old)
  return new == old and 0.0 or new / old - 1
end

--- Marks the rows whose p value stands up to Holm's step-down test.
local function holm(rows)
  local tested = {}
  for _, row in ipairs(rows) do
    if row.p then
      tested[#tested + 1] = row
    end
  end
  table.sort(tested, function(a, b)
    return a.p < b.p
  end)
  for i, row in ipairs(tested) do
    if row.p > ALPHA / (#tested - i + 1) then
      break
    end
    row.is_significant = true
  end
end

--- Compares results `new` with `old`. Options: min_effect (0.02). Returns { rows =, regressions =,
-- improvements =, missing = } with rows of { case, quantity, old, new, change, p, d, delta,
-- verdict }: change is of the medians, d and delta are positive where the new samples are larger.
function M.compare(old, new, options)
  local min_effect = options and options.min_effect or 0.02
  local out = { rows = {}, regressions = 0, improvements = 0, missing = {} }
  local before = by_name(old.cases)
  for _, case in ipairs(new.cases) do
    local was = before[case.name]
    before[case.name] = nil
    local had = by_name(compared(was))
    for _, q in ipairs(compared(case)) do
      local o = had[q.name]
      if o and o.unit == q.unit then
        local test = stats.welch(q.samples, o.samples)
        out.rows[#out.rows + 1] = {
          case = case.name, quantity = q.name, unit = q.unit, better = q.better, old = o.median,
          new = q.median, change = change(q.median, o.median), t = test and test.t,
          freedom = test and test.freedom, p = test and test.p,
          d = stats.cohen(q.samples, o.samples), delta = stats.cliff(q.samples, o.samples),
        }
      else
        out.missing[#out.missing + 1] = ("%s, %s: not in the old results"):format(case.name, q.name)
      end
    end
    if was and was.status == "ok" and case.status ~= "ok" then
      out.missing[#out.missing + 1] = ("%s: %s now (%s)"):format(case.name, case.status,
        case.reason or "")
      out.regressions = out.regressions + (case.status ~= "skipped" and 1 or 0)
    end
  end
  for name in pairs(before) do
    out.missing[#out.missing + 1] = name .. ": not in the new results"
  end
  table.sort(out.missing)
  holm(out.rows)
  for _, row in ipairs(out.rows) do
    row.verdict = "same"
    if not row.p then
      row.verdict = "too few samples"
    elseif row.is_significant and math.abs(row.change) >= min_effect then
      local worse = (row.change > 0) == (row.better == "less")
      row.verdict = worse and "worse" or "better"
      out[worse and "regressions" or "improvements"] =
        out[worse and "regressions" or "improvements"] + 1
    end
  end
  return out
end

--- The comparison as a table of text.
function M.table(old, new, comparison)
  local rows = { { "case", "quantity", "old", "new", "change", "p", "d", "delta", "verdict" } }
  for _, row in ipairs(comparison.rows) do
    rows[#rows + 1] = {
      row.case, row.quantity, report.with_unit(row.old, row.unit),
      report.with_unit(row.new, row.unit), ("%+.1f %%"):format(row.change * 100),
      row.p and ("%.2g"):format(row.p) or "-", row.d and ("%.2f"):format(row.d) or "-",
      ("%.2f"):format(row.delta), row.verdict,
    }
  end
  local out = report.columns(rows)
  table.insert(out, 1, ("compared with %s (%s)"):format(old.environment.date,
    old.environment.commit or "no commit"))
  for _, text in ipairs(comparison.missing) do
    out[#out + 1] = "not compared: " .. text
  end
  for _, key in ipairs { "cpu", "backend", "governor" } do
    if old.environment[key] ~= new.environment[key] then
      out[#out + 1] = ("warning: %s differs: %s, now %s"):format(key,
        tostring(old.environment[key]), tostring(new.environment[key]))
    end
  end
  out[#out + 1] = ("%d worse, %d better, %d in all (Welch's t-test, Holm's bounds, p < %g)")
    :format(comparison.regressions, comparison.improvements, #comparison.rows, ALPHA)
  return table.concat(out, "\n") .. "\n"
end

return M
