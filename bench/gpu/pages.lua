-- SPDX-License-Identifier: MIT
--- The report of `make gpu-check` as Markdown that reads well on a terminal too. Used by check.lua.

local report = require "report"

local predictions = require "predictions"
local targets = require "targets"

local M = {}

local function cell(text)
  return (tostring(text):gsub("|", "/"))
end

--- Rows of a table with aligned columns; the last one is as long as it is.
local function append_table(out, rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for column = 1, #row - 1 do
      widths[column] = math.max(widths[column] or 3, #cell(row[column]))
    end
  end
  for index, row in ipairs(rows) do
    local cells = {}
    for column, text in ipairs(row) do
      text = cell(text)
      cells[column] = text .. (" "):rep(column < #row and widths[column] - #text or 0)
    end
    out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
    if index == 1 then
      local rule = {}
      for column = 1, #row do
        rule[column] = ("-"):rep(widths[column] or 3)
      end
      out[#out + 1] = "|-" .. table.concat(rule, "-|-") .. "-|"
    end
  end
  out[#out + 1] = ""
end

local function facts(out, result)
  local env = result.environment
  out[#out + 1] = ("# %s, %s"):format(env.device, env.date:sub(1, 10))
  out[#out + 1] = ""
  if result.label then
    out[#out + 1] = "**" .. result.label .. "**"
    out[#out + 1] = ""
  end
  for _, key in ipairs { "driver", "cuda", "nvrtc", "compute_capability", "processors",
    "clocks_before", "clocks_during", "clocks_after", "cpu", "kernel", "compiler", "commit",
    "command" } do
    if env[key] and env[key] ~= "" then
      local dirty = key == "commit" and env.dirty and " with changes" or ""
      out[#out + 1] = ("- %s: %s%s"):format((key:gsub("_", " ")), env[key], dirty)
    end
  end
  out[#out + 1] = ""
end

local function append_figures(out, figures, is_judged)
  local function find(name)
    local figure = figures[name]
    return figure and { median = figure.median, samples = {} }
  end
  local rows = { { "quantity", "value", "p99", "unit", "target", "ratio", "the timing includes" } }
  local goals_met, goals = 0, 0
  for _, entry in ipairs(targets) do
    local figure = figures[entry[1]]
    if figure then
      local text, ratio = "", nil
      if entry[2] then
        text, ratio = report.verdict(entry[2], find(entry[1]), find)
        ratio = is_judged and ratio or nil
      end
      if ratio then
        goals = goals + 1
        goals_met = goals_met + (ratio >= 1 and 1 or 0)
      end
      rows[#rows + 1] = { entry[1], report.number(figure.median), report.number(figure.p99),
        figure.unit, text, ratio and ("%.2f"):format(ratio) or "", figure.includes }
    end
  end
  if #rows == 1 then
    return goals_met, goals
  end
  out[#out + 1] = "## Figures\n"
  append_table(out, rows)
  out[#out + 1] = is_judged
    and ("A ratio of 1 or more meets the target: %d of %d do.\n"):format(goals_met, goals)
    or "Nothing here was measured on a device, so no target is judged.\n"
  return goals_met, goals
end

--- Outcomes of one experiment by case.
local function cases_of(name, result)
  local cases, order = {}, {}
  for _, full in ipairs(result.order) do
    local case = full:match("^" .. name .. ": (.*)$")
    if case and case ~= "skipped" then
      local text = result.notes[full]
      cases[case] = result.figures[full] or { text = text }
      order[#order + 1] = case
    end
  end
  return cases, order
end

local function append_experiment(out, name, result)
  local experiment = predictions[name]
  local cases, order = cases_of(name, result)
  if #order == 0 then
    return nil
  end
  out[#out + 1] = ("## %s: %s\n"):format(name, experiment.question)
  local rows = { { "case", "predicted", "outcome", "p99", "verdict", "why, or what it includes" } }
  local judged, kept = {}, {}
  for _, prediction in ipairs(experiment.predictions) do
    judged[prediction[1]] = prediction
    if not cases[prediction[1]] then
      order[#order + 1] = prediction[1]
    end
  end
  for _, case in ipairs(order) do
    local outcome, prediction = cases[case], judged[case]
    local verdict, got, expected
    if prediction then
      verdict, got, expected = predictions.judge(prediction, outcome, report.number)
      verdict = result.label and "not judged" or verdict
      kept[#kept + 1] = { case = case, predicted = expected, outcome = got, verdict = verdict,
        why = prediction.why }
    else
      got = outcome.text or ("%s %s"):format(report.number(outcome.median), outcome.unit)
    end
    rows[#rows + 1] = { case, expected or "", got, outcome and outcome.p99
      and report.number(outcome.p99) or "", verdict or "",
      prediction and prediction.why or outcome and outcome.includes or "" }
  end
  append_table(out, rows)
  local decision = not result.label and experiment.decide(cases) or nil
  out[#out + 1] = ("It decides %s.\n**%s**\n"):format(experiment.decides, decision
    or result.label and "Nothing: " .. result.label or "Nothing: figures are missing")
  return { experiment = name, decides = experiment.decides, decision = decision,
    predictions = kept }
end

--- The report as text; fills in result.experiments and result.goals. `missing`: what is.
function M.render(result, missing)
  local out = {}
  facts(out, result)
  local rows = { { "stage", "status", "seconds", "tests", "reason" } }
  for _, stage in ipairs(result.stages) do
    local tests = stage.tests
    local count = tests.passed + tests.failed + tests.skipped
    rows[#rows + 1] = { stage.name, stage.status, ("%.1f"):format(stage.seconds), count == 0 and ""
      or ("%d passed, %d failed, %d skipped"):format(tests.passed, tests.failed, tests.skipped),
      stage.reason or "" }
  end
  append_table(out, rows)
  for _, stage in ipairs(result.stages) do
    for _, failure in ipairs(stage.tests.failures) do
      out[#out + 1] = ("- failed in %s: %s"):format(failure.log or stage.name, failure.name)
      if failure.why then
        out[#out + 1] = "  " .. failure.why
      end
    end
  end
  if #missing > 0 then
    out[#out + 1] = "Missing: " .. table.concat(missing, ", ") .. ".\n"
  end
  local met, goals = append_figures(out, result.figures, not result.label)
  result.goals = { met = met, measured = goals }
  result.experiments = {}
  for _, name in ipairs(predictions.order) do
    result.experiments[#result.experiments + 1] = append_experiment(out, name, result)
  end
  local other = {}
  for _, full in ipairs(result.order) do
    if result.notes[full] and not full:find("^E[1-9]: ") then
      other[#other + 1] = ("- %s: %s"):format(full, result.notes[full])
    end
  end
  if #other > 0 then
    out[#out + 1] = "## Notes\n"
    out[#out + 1] = table.concat(other, "\n") .. "\n"
  end
  return table.concat(out, "\n")
end

return M
