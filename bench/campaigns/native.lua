-- SPDX-License-Identifier: MIT
--- Figures of programs in campaigns: one sample is one process of a program of bench/c, bench/peers
-- or bench/lua, which measures one figure once, checks what it did and ends with an error when
-- that was wrong.
--
-- A program prints lines that begin with "result" (bench/c/bench.h); what it vouches for is on
-- them and becomes the truth beside the figure. A program throws one warm-up away itself.
--
--   BENCH_PROGRAMS   where `make bench-build` has put the programs (build/bench)
--   BENCH_DIVISOR    samples are that many times shorter (1)
--   BENCH_QUICK=1    two samples that are 50 times shorter
--   BENCH_LIMIT_S    a program is ended after so many seconds (25: hang_s only ends the case)

local rk = require "ringkernel"
local core = require "ringkernel.core"

local M = {}

local LIMIT_S = tonumber(os.getenv("BENCH_LIMIT_S") or "") or 25
local SCALES = { ns = 1e-9, us = 1e-6, ms = 1e-3, s = 1 }
local FIELDS = { "kind", "name", "unit", "median", "min", "q25", "q75", "p99", "max", "samples",
  "includes", "consumed", "verified" }

M.quick = os.getenv("BENCH_QUICK") == "1"
M.folder = os.getenv("BENCH_PROGRAMS") or "build/bench"

--- The interpreter that runs this.
local function interpreter()
  local lowest = 0
  while arg and arg[lowest - 1] do
    lowest = lowest - 1
  end
  return arg and arg[lowest] or "rkl"
end
M.rkl = interpreter()

local function exists(path)
  local file = io.open(path)
  return file and file:close() or false
end

--- Where a program is; one of bench/lua is named by its file.
local function path_of(program)
  return program:find("%.lua$") and "bench/lua/" .. program or M.folder .. "/" .. program
end

--- Why `program` cannot run here, or nil. A peer says what it is and which package it needs.
function M.missing(program, peer)
  local path = path_of(program)
  if exists(path) then
    return nil
  elseif peer then
    return ("%s is not built: install the Debian package %s, then `make bench-build`"):format(
      peer.what, peer.package)
  end
  return path .. " is not there: run `make bench-build`, and this from the top folder"
end

local function read_line(line)
  local found, index = {}, 0
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do
    index = index + 1
    found[FIELDS[index] or index] = field ~= "" and field or nil
  end
  found.value = tonumber(found.median)
  return index == #FIELDS and found.value and found or nil
end

--- What a program said of its end: its lines for that (bench/c/bench.c), or the last it wrote.
local function complaint(text)
  local lines = {}
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line:match("^bench: (.*)")
  end
  return #lines > 0 and table.concat(lines, "; ") or text:match("([^\n]+)\n*$")
    or "it said nothing"
end

--- Has `program` (a name, or a list with its arguments) measure figures once, with `env` in its
-- environment. `quantities` is the name of one or a list. Returns for each a table of name, value,
-- unit, includes, consumed, verified; nil and a message when the program does not give them all.
function M.sample(program, quantities, env)
  local words = type(program) == "table" and program or { program }
  quantities = type(quantities) == "table" and quantities or { quantities }
  local divisor = os.getenv("BENCH_DIVISOR") or ""
  local command = { "env", "BENCH_SAMPLES=1", "BENCH_QUANTITY=" .. table.concat(quantities, ","),
    "BENCH_DIVISOR=" .. (divisor ~= "" and divisor or M.quick and "50" or "1"),
    "BENCH_MODULES=" .. M.folder .. "/" }
  for name, value in pairs(env or {}) do
    command[#command + 1] = name .. "=" .. value
  end
  if words[1]:find("%.lua$") then
    command[#command + 1] = M.rkl
  end
  command[#command + 1] = path_of(words[1])
  table.move(words, 2, #words, #command + 1, command)
  local output, status, code = core.spawn(command, LIMIT_S)
  if code == "timeout" then
    return nil, ("%s ran longer than its limit of %g s"):format(words[1], LIMIT_S)
  elseif status ~= 0 then
    return nil, ("%s ended with status %s: %s"):format(words[1], output and status or "none",
      complaint(output or tostring(status)))
  end
  local by_name, figures = {}, {}
  for line in output:gmatch("result\t[^\n]*") do
    local figure = read_line(line)
    if not figure then
      return nil, ("%s: not a line of a figure: %s"):format(words[1], line)
    end
    by_name[figure.name] = figure
  end
  for i, name in ipairs(quantities) do
    figures[i] = by_name[name]
    if not figures[i] then
      return nil, ("%s has not measured %s"):format(words[1], name)
    end
  end
  return figures
end

--- One sample for run(case, meter). The first figure becomes the sample's time, where it is one; a
-- rate in M/s becomes a time and a quantity "rate". Whatever else was measured becomes a quantity
-- by its own name. Options: program, quantities, env, all as in M.sample; figure, the name by
-- which goals find it (that of the first).
function M.measure(meter, options)
  local figures, message = M.sample(options.program, options.quantities, options.env)
  if not figures then
    error(message, 0)
  end
  local first = figures[1]
  local truth = { consumed = first.consumed, verified = first.verified }
  if SCALES[first.unit] then
    meter:program_seconds(first.value * SCALES[first.unit], truth)
  elseif first.unit == "M/s" then
    meter:program_seconds(1e-6 / first.value, truth)
    meter:value("rate", first.value, "M/s")
  else
    meter:untimed()
    meter:value(first.name, first.value, first.unit)
    if first.verified then
      meter:verified(true, first.verified)
    end
  end
  meter:figure(options.figure or first.name, first.unit)
  for i = 2, #figures do
    meter:value(figures[i].name, figures[i].value, figures[i].unit, figures[i].includes)
  end
  meter:includes(first.includes)
end

--- rk.campaign for cases that are measured by programs: those warm up themselves.
function M.campaign(options)
  options.samples = M.quick and 2 or options.samples or 15
  options.warmup, options.warmup_max = 0, 0
  return rk.campaign(options)
end

--- A campaign whose factor `quantity` is a list of figures. Each has a name, and either a program,
-- with quantities (the one that is named) and env, or a run and perhaps a skip of its own.
function M.list(options)
  local list = options.list
  options.list = nil
  options.matrix = { { "quantity", list } }
  options.includes = options.includes or "what the program of each figure says"
  options.skip = function(case)
    local it = case.quantity
    if it.program then
      return M.missing(it.program)
    end
    return it.skip and it.skip()
  end
  options.run = function(case, meter)
    local it = case.quantity
    if it.run then
      return it.run(meter)
    end
    M.measure(meter, { program = it.program, quantities = it.quantities or it.name, env = it.env })
  end
  return M.campaign(options)
end

return M
