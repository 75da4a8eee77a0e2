-- SPDX-License-Identifier: MIT
--- How results are shown: verdicts against goals, the table. Used by bench/run.lua.

local M = {}

--- A number with about three digits that matter.
function M.number(value)
  local size = math.abs(value)
  if value == math.floor(value) and size < 1e7 then
    return ("%d"):format(value)
  elseif size >= 1000 then
    return ("%.0f"):format(value)
  elseif size >= 100 then
    return ("%.0f"):format(value)
  elseif size >= 10 then
    return ("%.1f"):format(value)
  end
  return ("%.2f"):format(value)
end

--- The value that a goal's factor multiplies, and what to call it: a figure of this run, the sum
--- of several, a quoted number, or nothing (the goal is absolute).
local function base(goal, figures)
  local names = type(goal.of) == "table" and goal.of or { goal.of }
  local sum = 0
  for _, name in ipairs(names) do
    sum = figures[name] and sum and sum + figures[name].median
  end
  if #names > 0 and sum then
    return sum, table.concat(names, " + "):gsub("^peer%.", "")
  elseif goal.quoted then
    return goal.quoted, ("%s %s, quoted"):format(goal.who, M.number(goal.quoted))
  elseif not goal.of then
    return 1, nil
  end
  return nil, table.concat(names, " + ") .. " not measured"
end

--- "1.50x", or "1/25 of" for small parts.
local function factor_text(factor)
  local part = math.floor(1 / factor + 0.5)
  if factor < 0.5 and math.abs(part * factor - 1) < 1e-9 then
    return ("1/%d of"):format(part)
  end
  return M.number(factor) .. "x"
end

--- How far a figure is from its goal (1 or more: met), and the target; nil without a base.
local function ratio_of(goal, figure, figures)
  local value, name = base(goal, figures)
  local factor = goal.at_most or goal.at_least
  if not value then
    return nil, nil, name
  end
  local target = factor * value
  if goal.at_least then
    return figure.median / target, target, name
  end
  return figure.median == 0 and 1 or target / figure.median, target, name
end

local function median(values)
  table.sort(values)
  local half = #values // 2
  return #values % 2 == 1 and values[half + 1] or (values[half] + values[half + 1]) / 2
end

--- Text and ratio of a goal of the figure `name`; the ratio is the median of those of the rounds.
function M.verdict(goal, name, figures, rounds)
  local ratios = {}
  local judge = goal.times and { at_least = 1, of = goal.times } or goal
  for _, round in ipairs(rounds) do
    if round[name] then
      ratios[#ratios + 1] = ratio_of(judge, round[name], round)
    end
  end
  local ratio = #ratios > 0 and median(ratios) or nil
  if goal.times then
    return ratio and ("%s x %s"):format(M.number(ratio), goal.times) or "", nil
  end
  local sign = goal.at_most and "<=" or ">="
  local factor = goal.at_most or goal.at_least
  local _, target, what = ratio_of(goal, figures[name], figures)
  if not target then
    return ("%s %s %s"):format(sign, factor_text(factor), what), nil
  end
  local text = ("%s %s"):format(sign, M.number(target))
  if what then
    text = ("%s (%s %s)"):format(text, factor_text(factor), what)
  end
  return text, ratio
end

--- One set of figures out of those of the rounds: medians of medians, the widest quartiles.
function M.merge(rounds)
  local merged = {}
  local function collect(name, key)
    local values = {}
    for _, round in ipairs(rounds) do
      values[#values + 1] = round[name] and round[name][key]
    end
    table.sort(values)
    return values
  end
  for _, round in ipairs(rounds) do
    for name, figure in pairs(round) do
      if not merged[name] then
        local medians, p99 = collect(name, "median"), collect(name, "p99")
        merged[name] = {
          unit = figure.unit, includes = figure.includes, samples = figure.samples,
          rounds = #medians, median = median(medians), p99 = median(p99),
          low_median = medians[1], high_median = medians[#medians],
          min = collect(name, "min")[1], max = collect(name, "max")[#medians],
          q25 = collect(name, "q25")[1], q75 = collect(name, "q75")[#medians],
        }
      end
    end
  end
  return merged
end

--- A figure whose middle half is wider than this part of its median is marked "~".
local NOISY = 0.1

local function is_noisy(figure)
  return figure.median ~= 0 and (figure.q75 - figure.q25) / figure.median > NOISY
end

local function row(out, name, value, unit, target, ratio, includes)
  local text = ("%-26s %8s %-5s %-46s %6s  %s"):format(name, value, unit, target, ratio,
    includes)
  out[#out + 1] = text:gsub("%s+$", "")
end

--- The table as text. `list` is that of targets.lua; figures that are not in it come last.
function M.table(list, figures, rounds)
  local out, seen = {}, {}
  row(out, "quantity", "value", "unit", "target", "ratio", "the timing includes")
  local function show(name, goals)
    local figure = figures[name]
    if not figure then
      return
    end
    seen[name] = true
    local value = M.number(figure.median) .. (is_noisy(figure) and "~" or "")
    local function against(goal)
      if not goal then
        return "", ""
      end
      local text, ratio = M.verdict(goal, name, figures, rounds)
      return text, ratio and ("%.2f"):format(ratio) or ""
    end
    local text, ratio = against(goals[1])
    row(out, name, value, figure.unit, text, ratio, figure.includes)
    for index = 2, #goals do
      text, ratio = against(goals[index])
      row(out, "", "", "", text, ratio, "")
    end
  end
  local group
  for _, entry in ipairs(list) do
    if entry.group then
      group = entry.group
    elseif figures[entry[1]] then
      if group then
        out[#out + 1] = ""
        out[#out + 1] = group
        group = nil
      end
      show(entry[1], { table.unpack(entry, 2) })
    end
  end
  local rest = {}
  for name in pairs(figures) do
    rest[#rest + 1] = not seen[name] and name or nil
  end
  table.sort(rest)
  for _, name in ipairs(rest) do
    show(name, {})
  end
  return table.concat(out, "\n")
end

return M
