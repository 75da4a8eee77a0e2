-- SPDX-License-Identifier: MIT
--- Runs the benchmarks, shows the table, writes the results; `make bench` calls it.
--
--   rkl bench/run.lua --build DIR --rkl PATH --cc COMPILER [--only TEXT]
--
-- Each program runs in a process of its own, one after the other, and prints a line for each figure
-- (bench/c/bench.h). All of it runs BENCH_ROUNDS times (3): a value is the median over the rounds,
-- a ratio the median of the ratios within each round, since a virtual machine is not the same
-- machine for long. A program whose check fails ends the run with an error after the table; its
-- figures are left out.

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path

local json = require "ringkernel.json"
local report = require "report"
local shell = require "shell"
local targets = require "targets"

local quoted, output, first_match = shell.quoted, shell.output, shell.first_match

local LIMIT_S = 120
local ROUNDS = math.tointeger(tonumber(os.getenv("BENCH_ROUNDS") or "")) or 3
local MOVED = 1.3 -- line ping-pong of one round over another's: the processors are not the same
local KNOWN = { build = true, rkl = true, cc = true, only = true }

local options = { build = "build", rkl = "build/rkl", cc = "gcc" }
for index = 1, #arg, 2 do
  local key = arg[index]:match("^%-%-(%l+)$")
  if not KNOWN[key] or not arg[index + 1] then
    error("usage: rkl bench/run.lua --build DIR --rkl PATH --cc COMPILER [--only TEXT]", 0)
  end
  options[key] = arg[index + 1]
end

--- What a result must carry to be worth anything later.
local function environment()
  return {
    cpu = first_match("/proc/cpuinfo", "model name%s*:%s*([^\n]+)") or output("uname -m"),
    cpu_family = first_match("/proc/cpuinfo", "cpu family%s*:%s*([^\n]+)") or "",
    cpu_model = first_match("/proc/cpuinfo", "model%s*:%s*([^\n]+)") or "",
    processors = math.tointeger(tonumber(output("nproc"))) or 0,
    kernel = output("uname -sr"),
    compiler = output(quoted(options.cc) .. " --version | head -1"),
    lua = _VERSION,
    commit = output("git rev-parse --short=12 HEAD"),
    dirty = output("git status --porcelain") ~= "",
    date = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    load_before = first_match("/proc/loadavg", "^%S+") or "",
    rounds = ROUNDS,
    samples = math.tointeger(tonumber(os.getenv("BENCH_SAMPLES") or "")) or 7,
    divisor = math.tointeger(tonumber(os.getenv("BENCH_DIVISOR") or "")) or 1,
  }
end

local rounds = {} -- figures by round; the last is under way
local skipped, failed = {}, {}

local function take_line(line, into)
  local fields = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do
    fields[#fields + 1] = field
  end
  if fields[1] == "result" and #fields == 11 then
    local number = {}
    for index = 4, 9 do
      number[index] = tonumber(fields[index])
    end
    into[fields[2]] = {
      unit = fields[3], median = number[4], min = number[5], q25 = number[6], q75 = number[7],
      p99 = number[8], max = number[9], samples = math.tointeger(tonumber(fields[10])),
      includes = fields[11],
    }
  elseif fields[1] == "skip" then
    skipped[("%s: %s"):format(fields[2], fields[3])] = true
  end
end

local function run(name, command)
  if options.only and not name:find(options.only, 1, true) then
    return
  end
  io.stderr:write(("  %-24s\r"):format(name))
  local pipe = assert(io.popen(("timeout %d %s"):format(LIMIT_S, command)))
  local found = {}
  for line in pipe:lines() do
    take_line(line, found)
  end
  local ok, how, code = pipe:close()
  if not ok then
    failed[("%s (%s %d)"):format(name, how, code)] = true
    return
  end
  for key, figure in pairs(found) do
    rounds[#rounds][key] = figure
  end
end

local function stripped_size()
  local path = options.build .. "/bench/rkl.stripped"
  local command = ("strip -o %s %s && wc -c <%s"):format(quoted(path), quoted(options.rkl),
    quoted(path))
  local size = (tonumber(output(command)) or 0) / 1e6
  os.remove(path)
  if size == 0 then
    skipped["rkl.stripped: strip is not installed"] = true
    return
  end
  rounds[#rounds]["rkl.stripped"] = {
    unit = "MB", median = size, min = size, q25 = size, q75 = size, p99 = size, max = size,
    samples = 1,
    includes = "the file rkl after strip: Lua, library, Lua files, kernels and headers inside",
  }
end

local env = environment()
local tool = options.build .. "/bench/"

--- A peer runs right behind what is held against it.
local function run_peer(name)
  for _, peer in ipairs(targets.peers) do
    if peer[1] == name then
      local file = io.open(tool .. "peer_" .. name)
      if not file then
        skipped[("%s: not installed (Debian package %s)"):format(peer[2], peer[3])] = true
        return
      end
      file:close()
      run("peer_" .. name, quoted(tool .. "peer_" .. name))
    end
  end
end

local function run_c(...)
  for _, name in ipairs { ... } do
    run(name, quoted(tool .. name))
  end
end

local function run_lua(name)
  run("lua_" .. name, ("env BENCH_MODULES=%s %s bench/lua/%s.lua"):format(quoted(tool),
    quoted(options.rkl), name))
end

local function run_round()
  local startup = quoted(tool .. "startup")
  run_c("anchors", "ring_spsc")
  run_peer "rte_ring"
  run_peer "ck_ring"
  run_peer "boost_spsc"
  run_c("inbox_mpsc", "hlc", "host", "k2k")
  run_peer "erlang"
  run("anchors", quoted(tool .. "anchors") .. " anchor.line_ping_pong.later")
  run_c("pubsub", "life", "memory", "compile", "checkpoint")
  run_lua "messages"
  run_lua "boundary"
  run_lua "supervision"
  run_lua "reload"
  run("rkl_start", ("%s rkl.start %s -e ''"):format(startup, quoted(options.rkl)))
  run("rkl_start_require", ("%s rkl.start.require %s -e 'require \"ringkernel\"'"):format(startup,
    quoted(options.rkl)))
  if output("command -v lua5.4") ~= "" then
    run("rkl_start_lua", ("%s rkl.start.lua lua5.4 -e ''"):format(startup))
  end
  if not options.only or ("rkl_stripped"):find(options.only, 1, true) then
    stripped_size()
  end
end

for index = 1, ROUNDS do
  rounds[index] = {}
  run_round()
end
local figures = report.merge(rounds)
for _, text in ipairs(targets.quoted_only) do
  skipped[text] = true
end

local function sorted_keys(set)
  local list = {}
  for key in pairs(set) do
    list[#list + 1] = key
  end
  table.sort(list)
  return list
end
skipped, failed = sorted_keys(skipped), sorted_keys(failed)

io.stderr:write((" "):rep(26), "\r")

print(("%s (family %s, model %s), %d processors; %s; %s; commit %s%s; %s"):format(env.cpu,
  env.cpu_family, env.cpu_model, env.processors, env.kernel, env.compiler, env.commit,
  env.dirty and " with changes" or "", env.date))
print(("median of %d rounds of %d samples; ratio >= 1: the target is met; \"~\": the middle half "
  .. "of the samples is wider than a tenth; \"quoted\": a figure of another machine\n"):format(
  env.rounds, env.samples))
print(report.table(targets.list, figures, rounds))
local line, later = figures["anchor.line_ping_pong"], figures["anchor.line_ping_pong.later"]
if line and later then
  local low = math.min(line.low_median, later.low_median)
  local high = math.max(line.high_median, later.high_median)
  if high > MOVED * low then
    print(("\nwarning: a line from processor to processor and back took %s to %s ns: others used "
      .. "this machine, or its host moved it; figures of two threads vary with that"):format(
      report.number(low), report.number(high)))
  end
end
print("\nnot measured\n  " .. table.concat(skipped, "\n  "))

if not options.only then
  local results = {}
  for _, entry in ipairs(targets.list) do
    local figure = figures[entry[1] or ""]
    if figure then
      figure.goals = {}
      for index = 2, #entry do
        local text, ratio = report.verdict(entry[index], entry[1], figures, rounds)
        figure.goals[#figure.goals + 1] = { text = text, ratio = ratio }
      end
    end
  end
  for name, figure in pairs(figures) do
    figure.quantity = name
    results[#results + 1] = figure
  end
  table.sort(results, function(a, b)
    return a.quantity < b.quantity
  end)
  local name = env.cpu:gsub("%b()", ""):gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  name = name:lower()
  local path = ("bench/results/%s-%s.json"):format(name, env.date:sub(1, 10))
  local file = assert(io.open(path, "w"))
  env.load_after = first_match("/proc/loadavg", "^%S+") or ""
  local all = { environment = env, results = results, skipped = skipped, failed = failed }
  assert(file:write(json.encode(all, ""), "\n"))
  assert(file:close())
  print("\nwritten to " .. path)
end

if #failed > 0 then
  print("\nFAILED: " .. table.concat(failed, ", "))
  os.exit(1)
end
