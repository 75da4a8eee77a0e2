-- SPDX-License-Identifier: MIT
--- Plots of a campaign's results, by gnuplot where it is installed: an SVG for each quantity.
--
-- Latencies become percentile curves (each decade of 1 / (1 - p) takes the same room); a quantity
-- becomes lines over a factor of numbers, one line for each combination of the others, or bars with
-- their 95 % intervals where no factor is a number. Data and script stay beside the picture.

local core = require "ringkernel.core"
local report = require "ringkernel.bench.report"

local M = {}

local WIDTH, HEIGHT = 900, 560


--- A string of gnuplot.
local function plain(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

--- The start of a script; `what` is drawn in `unit`.
local function head(results, name, what, unit, includes)
  return {
    ("set terminal svg size %d,%d noenhanced font 'sans,13' background '#ffffff'"):format(WIDTH,
      HEIGHT),
    ("set output %s"):format(plain(name .. ".svg")),
    ("set title %s"):format(plain(("%s: %s, %s\n%s, %s"):format(results.campaign, what, unit,
      results.environment.cpu or "", results.environment.date:sub(1, 10)))),
    ("set ylabel %s"):format(plain(unit)),
    ("set label 99 %s at screen 0.01, 0.015 left font 'sans,10'"):format(
      plain("includes: " .. includes)),
    "set bmargin 6", "set grid", "set key outside right top",
  }
end

local SCALES = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" } }

--- What to divide values of a unit by so that they are readable, and the unit then.
local function scale_of(unit, largest)
  for _, scale in ipairs(unit == "ns" and SCALES or {}) do
    if largest >= scale[1] then
      return scale[1], scale[2]
    end
  end
  return 1, unit
end

--- The first factor whose values are all numbers, or nil.
local function number_factor(cases)
  local names = {}
  for name in pairs(cases[1] and cases[1].factors or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values, all = {}, true
    for _, case in ipairs(cases) do
      all = all and tonumber(case.factors[name]) ~= nil
      values[case.factors[name]] = true
    end
    local first = next(values)
    if all and next(values, first) then
      return name
    end
  end
  return nil
end

local function others(case, factor)
  local words = {}
  for name, value in pairs(case.factors) do
    if name ~= factor then
      words[#words + 1] = name .. "=" .. value
    end
  end
  table.sort(words)
  return #words > 0 and table.concat(words, " ") or "all"
end

--- Blocks of data, each with the name of its line: gnuplot's index.
local function lines_of(cases, factor, quantity)
  local series, order = {}, {}
  for _, case in ipairs(cases) do
    for _, q in ipairs(case.quantities) do
      if q.name == quantity then
        local key = others(case, factor)
        if not series[key] then
          series[key] = {}
          order[#order + 1] = key
        end
        table.insert(series[key], { tonumber(case.factors[factor]), q.median, q.low, q.high })
      end
    end
  end
  return series, order
end

local function number(value)
  return value and value == value and ("%.9g"):format(value) or "NaN"
end

local function quantity_plot(results, cases, base, q)
  local name = ("%s-%s"):format(base, q.name:gsub("[^%w]", "_"))
  local data, plots, largest, smallest = {}, {}, 0, math.huge
  local factor = number_factor(cases)
  for _, case in ipairs(cases) do
    for _, own in ipairs(case.quantities) do
      largest = own.name == q.name and math.max(largest, own.median) or largest
    end
    smallest = factor and math.min(smallest, tonumber(case.factors[factor])) or smallest
  end
  local by, unit = scale_of(q.unit, largest)
  local script = head(results, name, q.name .. " (median, 95 % interval)", unit,
    cases[1].labels.includes)
  if factor then
    local series, order = lines_of(cases, factor, q.name)
    for i, key in ipairs(order) do
      table.sort(series[key], function(a, b)
        return a[1] < b[1]
      end)
      for _, row in ipairs(series[key]) do
        data[#data + 1] = ("%s %s %s %s"):format(number(row[1]),
          number(row[2] / by), number((row[3] or row[2]) / by), number((row[4] or row[2]) / by))
      end
      data[#data + 1] = "\n"
      plots[i] = ("%s index %d using 1:2:3:4 with yerrorlines lw 2 pt 7 title %s"):format(
        plain(name .. ".dat"), i - 1, plain(key))
    end
    script[#script + 1] = ("set xlabel %s"):format(plain(factor))
    if smallest > 0 then
      script[#script + 1] = "set logscale x 2"
      script[#script + 1] = "set offsets graph 0.05, graph 0.05, 0, 0"
    end
    script[#script + 1] = "set yrange [0:*]"
  else
    for _, case in ipairs(cases) do
      for _, own in ipairs(case.quantities) do
        if own.name == q.name then
          data[#data + 1] = ("%s %s %s %s"):format(plain(case.name),
            number(own.median / by), number((own.low or own.median) / by),
            number((own.high or own.median) / by))
        end
      end
    end
    script[#script + 1] = "set style fill solid 0.6"
    script[#script + 1] = "set boxwidth 0.6"
    script[#script + 1] = "set yrange [0:*]"
    script[#script + 1] = "set xtics rotate by -25"
    plots[1] = ("%s using 0:2:3:4:xtic(1) with boxerrorbars notitle"):format(plain(name .. ".dat"))
  end
  script[#script + 1] = "plot " .. table.concat(plots, ", \\\n  ")
  return name, data, script
end

local function latency_plot(results, cases, base)
  local name = base .. "-latency"
  local script = head(results, name, "latency by percentile", "us",
    cases[1].labels.includes)
  local data, plots, top = {}, {}, 0
  for i, case in ipairs(cases) do
    local below, total = 0, case.latency.count
    for _, bucket in ipairs(case.latency.buckets) do
      below = below + bucket[3]
      local share = (below - 0.5) / total
      data[#data + 1] = ("%s %s"):format(number(1 / (1 - share)), number(bucket[2] / 1e3))
      top = math.max(top, 1 / (1 - share))
    end
    data[#data + 1] = "\n"
    plots[i] = ("%s index %d using 1:2 with lines lw 2 title %s"):format(plain(name .. ".dat"),
      i - 1, plain(case.name))
  end
  script[#script + 1] = "set logscale xy"
  script[#script + 1] = 'set format y "%g"'
  script[#script + 1] = ("set xrange [1:%s]"):format(number(math.max(top, 10)))
  script[#script + 1] = 'set xlabel "percentile"'
  script[#script + 1] = 'set xtics ("0" 1, "50" 2, "90" 10, "99" 100, "99.9" 1000, "99.99" 1e4, '
    .. '"99.999" 1e5, "99.9999" 1e6)'
  script[#script + 1] = "plot " .. table.concat(plots, ", \\\n  ")
  return name, data, script
end

local function draw(name, data, script)
  local ok, message = report.write(name .. ".dat", table.concat(data, "\n") .. "\n")
  if ok then
    ok, message = report.write(name .. ".gp", table.concat(script, "\n") .. "\n")
  end
  if not ok then
    return nil, message
  end
  local output, status = core.spawn({ "gnuplot", name .. ".gp" }, 60)
  if status == 0 then
    return name .. ".svg"
  end
  return nil, output and ("gnuplot: " .. (output:match("[^\n]+") or "status " .. status))
    or "gnuplot is not installed: the scripts are there, no pictures"
end

--- Draws the plots of `results` as <base>-<quantity>.svg. Returns the list of pictures and the list
-- of what went wrong, each reason once.
function M.draw(results, base)
  local usable, with_latency, names, order = {}, {}, {}, {}
  for _, case in ipairs(results.cases) do
    if case.quantities then
      usable[#usable + 1] = case
      with_latency[#with_latency + 1] = case.latency and case
      for _, q in ipairs(case.quantities) do
        if not names[q.name] then
          names[q.name] = q
          order[#order + 1] = q
        end
      end
    end
  end
  local pictures, problems, seen = {}, {}, {}
  local function keep(path, reason)
    if path then
      pictures[#pictures + 1] = path
    elseif not seen[reason] then
      seen[reason] = true
      problems[#problems + 1] = reason
    end
  end
  for _, q in ipairs(order) do
    keep(draw(quantity_plot(results, usable, base, q)))
  end
  if #with_latency > 0 then
    keep(draw(latency_plot(results, with_latency, base)))
  end
  return pictures, problems
end

return M
