-- SPDX-License-Identifier: MIT
--- Plots of a campaign's results, by gnuplot where it is installed: an SVG for each quantity, or
-- one for each value of the factor that the campaign is `split` by.
--
-- Latencies become percentile curves (each decade of 1 / (1 - p) takes the same room); a quantity
-- becomes lines over a factor of numbers, one line for each combination of the others, or bars
-- where no factor is a number, both with their 95 % intervals. Values that are far apart get a
-- logarithmic axis. Data and script stay beside the picture. What only one case of several has is
-- in the tables.

local core = require "ringkernel.core"
local report = require "ringkernel.bench.report"

local M = {}

local WIDTH, HEIGHT = 1000, 560
local BAR, BARS_AROUND = 26, 180 -- height of one bar, and of what is around them
local FAR_APART = 50
local COLOURS = 8 -- of gnuplot, then dashes
local SECONDS = { ns = 1e-9, us = 1e-6, ms = 1e-3, s = 1 }

--- A string of gnuplot.
local function plain(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

--- The start of a script; `what` is drawn in `unit`.
local function head(results, name, what, cases, height)
  local includes = cases[1].labels.includes
  for _, case in ipairs(cases) do
    if case.labels.includes ~= includes then
      includes = includes .. " (others: see the table)"
      break
    end
  end
  return {
    ("set terminal svg size %d,%d noenhanced font 'sans,13' background '#ffffff'"):format(WIDTH,
      height or HEIGHT),
    ("set output %s"):format(plain(name .. ".svg")),
    ("set title %s"):format(plain(("%s: %s\n%s, %s"):format(results.campaign, what,
      results.environment.cpu or "", results.environment.date:sub(1, 10)))),
    ("set label 99 %s at screen 0.01, 0.02 left font 'sans,10'"):format(
      plain("includes: " .. includes)),
    "set bmargin 6", "set grid",
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

--- The factors of which cases have several values, in the order of their names, with those.
local function varying(cases)
  local values, names = {}, {}
  for _, case in ipairs(cases) do
    for name, value in pairs(case.factors) do
      values[name] = values[name] or { count = 0, numbers = true }
      local of = values[name]
      if not of[value] then
        of[value], of.count = true, of.count + 1
        of.numbers = of.numbers and tonumber(value) ~= nil
      end
    end
  end
  for name, of in pairs(values) do
    names[#names + 1] = of.count > 1 and name or nil
  end
  table.sort(names)
  return names, values
end

--- The factor to draw along: of those with numbers alone the one with most values, or nil.
local function number_factor(names, values)
  local best
  for _, name in ipairs(names) do
    if values[name].numbers and (not best or values[name].count > values[best].count) then
      best = name
    end
  end
  return best
end

--- What tells a case from the others of its picture, without the factor it is drawn along.
local function label(case, names, without)
  local words = {}
  for _, name in ipairs(names) do
    local value = case.factors[name]
    if name ~= without then
      words[#words + 1] = tonumber(value) and name .. "=" .. value or value
    end
  end
  return #words > 0 and table.concat(words, " ") or #names == 0 and case.name or "all"
end

--- Colour and dashes of the n-th line of a picture.
local function line_style(n)
  return ("lt %d dt %d"):format((n - 1) % COLOURS + 1, (n - 1) // COLOURS + 1)
end

local function number(value)
  return value and value == value and ("%.9g"):format(value) or "NaN"
end

--- The range of an axis for quantities: low, high, whether it is logarithmic, what values are
-- multiplied with, the unit, and the format of its numbers.
local function axis(list)
  local low, high, unit = math.huge, 0, list[1].unit
  for _, q in ipairs(list) do
    low = math.min(low, q.low and q.low == q.low and q.low or q.median)
    high = math.max(high, q.median, q.high and q.high == q.high and q.high or 0)
  end
  if low > 0 and high / low > FAR_APART then
    local by = SECONDS[unit] or 1
    return { low = 10 ^ math.floor(math.log(low * by, 10)), high = high * by, is_log = true,
      by = by, unit = unit, format = SECONDS[unit] and "%.0s %cs" or "%g" }
  end
  local by, told = scale_of(unit, high)
  return { low = 0, high = high / by, by = 1 / by, unit = told, format = "%g" }
end

local function find(case, quantity)
  for _, q in ipairs(case.quantities) do
    if q.name == quantity then
      return q
    end
  end
end

local function row(...)
  local cells = { ... }
  for i, cell in ipairs(cells) do
    cells[i] = type(cell) == "string" and plain(cell) or number(cell)
  end
  return table.concat(cells, " ")
end

local function bounds(q, by)
  local function or_median(value)
    return (value and value == value and value or q.median) * by
  end
  return or_median(q.low), or_median(q.high)
end

--- Lines over `factor`, into `data` and `script`.
local function lines(picture, factor, data, script)
  local series, order, ticks, seen = {}, {}, {}, {}
  local scale = axis(picture.quantities)
  for i, case in ipairs(picture.cases) do
    local q, x = picture.quantities[i], tonumber(case.factors[factor])
    local key = label(case, picture.names, factor)
    if not series[key] then
      series[key] = {}
      order[#order + 1] = key
    end
    table.insert(series[key], { x, q.median * scale.by, bounds(q, scale.by) })
    if not seen[x] then
      seen[x] = true
      ticks[#ticks + 1] = x
    end
  end
  table.sort(ticks)
  local plots = {}
  for i, key in ipairs(order) do
    table.sort(series[key], function(a, b)
      return a[1] < b[1]
    end)
    for _, values in ipairs(series[key]) do
      data[#data + 1] = row(table.unpack(values))
    end
    data[#data + 1] = "\n"
    plots[i] = ("%s index %d using 1:2:3:4 with yerrorlines lw 2 %s pt %d title %s"):format(
      plain(picture.name .. ".dat"), i - 1, line_style(i), (i - 1) % 12 + 4, plain(key))
  end
  for i, x in ipairs(ticks) do
    ticks[i] = number(x)
  end
  script[#script + 1] = ("set xlabel %s"):format(plain(factor))
  script[#script + 1] = ("set ylabel %s"):format(plain(scale.unit))
  script[#script + 1] = ("set xtics (%s)"):format(table.concat(ticks, ", "))
  if tonumber(ticks[1]) > 0 then
    script[#script + 1] = "set logscale x 2"
    script[#script + 1] = "set offsets graph 0.05, graph 0.05, 0, 0"
  end
  if scale.is_log then
    script[#script + 1] = "set logscale y"
    script[#script + 1] = ("set yrange [%s:*]"):format(number(scale.low))
  else
    script[#script + 1] = "set yrange [0:*]"
  end
  script[#script + 1] = ("set format y %s"):format(plain(scale.format))
  script[#script + 1] = "set key outside right top"
  script[#script + 1] = "plot " .. table.concat(plots, ", \\\n  ")
end

--- Bars from top to bottom, each with its name, its interval and its value.
local function bars(picture, data, script)
  local scale, longest = axis(picture.quantities), 0
  for i, case in ipairs(picture.cases) do
    local q = picture.quantities[i]
    local name = label(case, picture.names)
    local low, high = bounds(q, scale.by)
    data[i] = row(name, q.median * scale.by, low, high, report.with_unit(q.median, q.unit))
    longest = math.max(longest, utf8.len(name) or #name)
  end
  local from = number(scale.low)
  local file = plain(picture.name .. ".dat")
  table.move({
    "unset key", ("set xlabel %s"):format(plain(scale.is_log and "" or scale.unit)),
    ("set format x %s"):format(plain(scale.format)), scale.is_log and "set logscale x" or "",
    ("set xrange [%s:%s]"):format(from, number(scale.is_log and scale.high * 10
      or scale.high * 1.15)),
    ("set yrange [%d.5:-0.5]"):format(#picture.cases - 1),
    ("set lmargin %d"):format(longest + 3), "set style fill solid 0.6",
    ("plot %s using (%s):0:(%s):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror lt 2, \\"):format(
      file, from, from),
    ("  %s using 2:0:3:4 with xerrorbars lt -1 pt 7 ps 0.4, \\"):format(file),
    ("  %s using 4:0:5 with labels left offset 1,0"):format(file),
  }, 1, 11, #script + 1, script)
end

local function quantity_plot(results, picture)
  local quantities = {}
  for i, case in ipairs(picture.cases) do
    quantities[i] = find(case, picture.quantity)
  end
  picture.quantities = quantities
  local names, values = varying(picture.cases)
  picture.names = names
  local factor = number_factor(names, values)
  local what = ("%s%s (median, 95 %% interval)"):format(picture.quantity, picture.of or "")
  local data = {}
  local script = head(results, picture.name, what, picture.cases,
    not factor and BARS_AROUND + BAR * #picture.cases or nil)
  if factor then
    lines(picture, factor, data, script)
  else
    bars(picture, data, script)
  end
  return picture.name, data, script
end

--- The pictures of a quantity: one of all cases that have it, or one for each value of the factor
-- results.split.
local function pictures_of(results, usable, q, base)
  local list, by_value = {}, {}
  local name = ("%s-%s"):format(base, q.name:gsub("[^%w]", "_"))
  for _, case in ipairs(usable) do
    local value = results.split and case.factors[results.split] or ""
    if find(case, q.name) then
      local picture = by_value[value]
      if not picture then
        picture = { quantity = q.name, cases = {}, name = name }
        if results.split then
          picture.name = ("%s-%s"):format(name, value:gsub("[^%w]", "_"))
          picture.of = (", %s=%s"):format(results.split, value)
        end
        by_value[value] = picture
        list[#list + 1] = picture
      end
      table.insert(picture.cases, case)
    end
  end
  if #list == 1 and #list[1].cases == 1 and #usable > 1 then
    return {}
  end
  return list
end

local function latency_plot(results, cases, base)
  local name = base .. "-latency"
  local names = varying(cases)
  local script = head(results, name, "latency by percentile", cases)
  script[#script + 1] = 'set ylabel "us"'
  script[#script + 1] = "set key outside right top"
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
    plots[i] = ("%s index %d using 1:2 with lines lw 2 %s title %s"):format(
      plain(name .. ".dat"), i - 1, line_style(i), plain(label(case, names)))
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

--- Draws the plots of `results` as <base>-<quantity>[-<value>].svg. Returns the list of
-- pictures and the list of what went wrong, each reason once.
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
    for _, picture in ipairs(pictures_of(results, usable, q, base)) do
      keep(draw(quantity_plot(results, picture)))
    end
  end
  if #with_latency > 0 then
    keep(draw(latency_plot(results, with_latency, base)))
  end
  return pictures, problems
end

return M
