-- SPDX-License-Identifier: MIT
--- Results of campaigns against goals: finds the figures, forms the ratios, makes the table. Used
-- by run.lua; targets.lua has the goals.

local M = {}

--- A figure whose middle half is wider than this part of its median is marked "~".
local NOISY = 0.1
--- What a campaign tells a time in is ns; what the goals speak of may be another unit.
local PER_NS = { ns = 1, us = 1e-3, ms = 1e-6, s = 1e-9 }

--- Times in ns from here on are told in another unit.
local LONG = { { 1e7, 1e-6, "ms" }, { 1e4, 1e-3, "us" } }

--- A number with about three digits that matter.
function M.number(value)
  local size = math.abs(value)
  if value == math.floor(value) and size < 1e7 then
    return ("%d"):format(value)
  elseif size >= 100 then
    return ("%.0f"):format(value)
  elseif size >= 10 then
    return ("%.1f"):format(value)
  end
  return ("%.2f"):format(value)
end

-- ---- figures ------------------------------------------------------------------------------------

--- A quantity of a case as a figure in `unit`.
local function figure_of(results, case, quantity, unit)
  local scale = quantity.unit == "ns" and PER_NS[unit] or 1
  local samples = {}
  for i, value in ipairs(quantity.samples) do
    samples[i] = value * scale
  end
  return {
    results = results, unit = scale ~= 1 and unit or quantity.unit, samples = samples,
    median = quantity.median * scale, q25 = quantity.q25 * scale, q75 = quantity.q75 * scale,
    includes = quantity.includes or case.labels.includes,
  }
end

--- A figure that has no samples.
local function single(results, case, value, unit)
  return { results = results, unit = unit, samples = {}, median = value, q25 = value, q75 = value,
    includes = case.labels.includes }
end

--- The figures of one campaign's results: by the name its cases gave them, by that of a quantity,
-- and as CAMPAIGN/CASE/QUANTITY.
local function collect(results, into)
  local own = {}
  local function keep(name, figure)
    own[name] = own[name] or figure
    into[name] = into[name] or figure
  end
  for _, case in ipairs(results.cases) do
    local by_name = {}
    for _, quantity in ipairs(case.quantities or {}) do
      by_name[quantity.name] = quantity
      local figure = figure_of(results, case, quantity)
      local path = ("%s/%s/%s"):format(results.campaign, case.name, quantity.name)
      keep(path, figure)
      if quantity.variation then
        keep(path .. "/variation", single(results, case, quantity.variation * 100, "%"))
      end
      if quantity.name:find(".", 1, true) then
        keep(quantity.name, figure)
      end
    end
    for _, name in ipairs(case.latency and { "p50", "p99" } or {}) do
      keep(("%s/%s/%s"):format(results.campaign, case.name, name),
        single(results, case, case.latency[name], "ns"))
    end
    local labels = case.labels
    local main = labels.figure and (by_name.rate or by_name.time)
    if main then
      keep(labels.figure, figure_of(results, case, main, labels.unit))
    end
  end
  return own
end

--- The figures of a list of results: a function name, results -> figure or nil that prefers figures
-- of the same results, since those were measured in turns.
function M.figures(list)
  local all, own = {}, {}
  for _, results in ipairs(list) do
    own[results] = collect(results, all)
  end
  return function(name, beside)
    return beside and own[beside][name] or all[name]
  end
end

-- ---- goals --------------------------------------------------------------------------------------

local function median(values)
  table.sort(values)
  local half = #values // 2
  return #values % 2 == 1 and values[half + 1] or (values[half] + values[half + 1]) / 2
end

--- The figure that a goal speaks of, or the sum of several, with its name; nil and what is missing.
local function base(goal, figure, find)
  local names = type(goal.of) == "table" and goal.of or { goal.of }
  local sum, samples = 0, {}
  for i, name in ipairs(names) do
    local other = find(name, figure.results)
    if not other then
      return nil, table.concat(names, " + ") .. " not measured"
    end
    sum = sum + other.median
    local paired = other.results == figure.results and #other.samples == #figure.samples
      and #figure.samples > 0
    for k = 1, paired and samples and #figure.samples or 0 do
      samples[k] = (i > 1 and samples[k] or 0) + other.samples[k]
    end
    samples = paired and samples or nil
  end
  return sum, table.concat(names, " + "):gsub("^peer%.", ""), samples
end

--- value / against, or the median of the samples' ratios where the two were measured in turns.
local function ratio_of(figure, against, samples)
  if not samples then
    return figure.median / against
  end
  local ratios = {}
  for i, value in ipairs(figure.samples) do
    ratios[i] = value / samples[i]
  end
  return median(ratios)
end

--- "1.50x", or "1/25 of" for small parts.
local function factor_text(factor)
  local part = math.floor(1 / factor + 0.5)
  if factor < 0.5 and math.abs(part * factor - 1) < 1e-9 then
    return ("1/%d of"):format(part)
  end
  return M.number(factor) .. "x"
end

--- Text and ratio of a goal: 1 or more is met. No ratio: the goal is none, or its base is missing.
-- Numbers in the text are multiplied with `by` (1).
function M.verdict(goal, figure, find, by)
  if goal.times then
    local sum, name, samples = base({ of = goal.times }, figure, find)
    return sum and ("%s x %s"):format(M.number(ratio_of(figure, sum, samples)), name) or "", nil
  elseif goal.limit then
    local sum, name = base(goal, figure, find)
    return sum and ("limit %s (%s %s)"):format(M.number(goal.limit * sum * (by or 1)),
      factor_text(goal.limit), name) or "", nil
  end
  local sign, factor = goal.at_most and "<=" or ">=", goal.at_most or goal.at_least
  local against, what, samples
  if goal.of then
    against, what, samples = base(goal, figure, find)
  end
  if not against and goal.quoted then
    against, what = goal.quoted, ("%s %s, quoted"):format(goal.who, M.number(goal.quoted))
  elseif not against and goal.of then
    return ("%s %s %s"):format(sign, factor_text(factor), what), nil
  end
  local ratio = ratio_of(figure, against or 1, samples)
  if goal.at_most then
    ratio = ratio == 0 and 1 or factor / ratio
  else
    ratio = ratio / factor
  end
  local text = ("%s %s"):format(sign, M.number(factor * (against or 1) * (by or 1)))
  return what and ("%s (%s %s)"):format(text, factor_text(factor), what) or text, ratio
end

-- ---- the table ----------------------------------------------------------------------------------

local function is_noisy(figure)
  return figure.median ~= 0 and (figure.q75 - figure.q25) / figure.median > NOISY
end

--- What to multiply with, and the unit then: long times are not told in ns.
local function told(figure)
  for _, scale in ipairs(LONG) do
    if figure.unit == "ns" and figure.median >= scale[1] then
      return scale[2], scale[3]
    end
  end
  return 1, figure.unit
end

--- The rows of a figure: a goal each.
local function rows_of(name, figure, goals, find)
  local by, unit = told(figure)
  local value = M.number(figure.median * by) .. (is_noisy(figure) and "~" or "")
  local rows = {}
  for index = 1, math.max(1, #goals) do
    local text, ratio = "", nil
    if goals[index] then
      text, ratio = M.verdict(goals[index], figure, find, by)
    end
    ratio = ratio and ("%.2f"):format(ratio) or ""
    rows[index] = index == 1 and { name, value, unit, text, ratio, figure.includes }
      or { "", "", "", text, ratio, "" }
  end
  return rows
end

--- Rows as aligned lines; one cell alone is a heading.
local function aligned(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i = 1, #row > 1 and #row - 1 or 0 do
      widths[i] = math.max(widths[i] or 0, #row[i])
    end
  end
  local lines = {}
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      local pad = (" "):rep((#row > 1 and widths[i] or 0) - #cell)
      cells[i] = (i == 2 or i == 5) and pad .. cell or cell .. pad -- numbers to the right
    end
    lines[n] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- The table as text. `list` is that of targets.lua, `find` comes from M.figures.
function M.table(list, find)
  local rows = { { "quantity", "value", "unit", "target", "ratio", "the timing includes" } }
  local group
  for _, entry in ipairs(list) do
    local figure = entry[1] and find(entry[1])
    group = entry.group or group
    if figure then
      if group then
        rows[#rows + 1] = { "" }
        rows[#rows + 1] = { group }
        group = nil
      end
      local goals = { table.unpack(entry, 2) }
      table.move(rows_of(entry[1], figure, goals, find), 1, math.max(1, #goals), #rows + 1, rows)
    end
  end
  return aligned(rows)
end

--- Lines of what has no figure: the cases by their reason, each reason once.
function M.missing(list)
  local lines, counts, order = {}, {}, {}
  for _, results in ipairs(list) do
    for _, case in ipairs(results.cases) do
      if case.status ~= "ok" then
        local text = ("%s: %s: %s"):format(results.campaign, case.status, case.reason or "")
        if not counts[text] then
          counts[text] = {}
          order[#order + 1] = text
        end
        table.insert(counts[text], case.name)
      end
    end
  end
  for i, text in ipairs(order) do
    local names = counts[text]
    lines[i] = ("%s (%s%s)"):format(text, names[1],
      #names > 1 and (" and %d more"):format(#names - 1) or "")
  end
  return lines
end

return M
