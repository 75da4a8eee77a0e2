-- SPDX-License-Identifier: MIT
--- Checks and measures the CUDA backend on the device of this machine; `make gpu-check` calls it.
--
--   build/gpu/rkl bench/gpu/check.lua [--tree build/gpu] [--only NAMES] [--limit SECONDS]
--                                     [--out FOLDER] [--fake LIBRARY] [--specs NAMES]
--
-- Runs the stages of stages.lua, each with a limit of its own, and writes what they said to
-- bench/results/<device>-<date>.json and .md, all logs and what the machine says of itself beside
-- them, after each stage anew; with -partial in the name while something is missing.
-- The folder --tree (make gpu-build) has all that is needed besides a driver and NVRTC.
--
-- Exit status: 0 all stages ran and none failed; 1 something failed or is missing, what there is
-- was written; 2 there is no device, nothing was written. Targets that are not met change nothing.
--
-- With --fake everything runs over the driver of the tests, in tiny counts: to see that it works.
-- Results then go to the folder <tree>-fake and say what they are.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. here .. "/../?.lua;" .. package.path

local core = require "ringkernel.core"

local built = require "built"
local keep_files = require "keep"
local shell = require "shell"
local stages = require "stages"
local system = require "system"

local quoted, output, first_match = shell.quoted, shell.output, shell.first_match
local LIMIT_S = 465 -- of all stages together
local FAKE = "fake driver, CPU: not a measurement"
-- What makes a run over the driver of the tests short.
local TINY = {
  GPU_SHORT = "1", BENCH_SAMPLES = "2", BENCH_DIVISOR = "400", GPU_SUSTAINED_S = "0.3",
  RINGKERNEL_BLOCKS = "2", RKFAKE_SMS = "16", RKFAKE_CXXFLAGS = "-O0",
  RKFAKE_LINT = "tell", -- experiments make calls that may wait
}
local SMI = "nvidia-smi --query-gpu=clocks.sm,clocks.max.sm,clocks.mem,clocks.max.mem,power.draw,"
  .. "temperature.gpu --format=csv,noheader"

local options = { tree = "build/gpu" }
for index = 1, #arg, 2 do
  local key = arg[index]:match("^%-%-(%l+)$")
  if not (key and ("tree only limit out fake specs"):find(key, 1, true) and arg[index + 1]) then
    error("usage: see the head of " .. arg[0], 0)
  end
  options[key] = arg[index + 1] ~= "" and arg[index + 1] or nil
end

local function say(...)
  io.stderr:write(string.format(...), "\n")
end

local function set_of(text)
  local set = {}
  for word in (text or ""):gmatch("[%w_]+") do
    set[word] = true
  end
  return next(set) and set or nil
end

-- ---- the job ------------------------------------------------------------------------------------

local started = core.clock()
local is_fake = options.fake ~= nil
local job = {
  tree = options.tree, rkl = options.tree .. "/rkl", is_fake = is_fake, clock = core.clock,
  logs = options.tree .. (is_fake and "-fake/logs" or "/logs"),
  specs = set_of(options.specs),
  patience = is_fake and 4 or 1, -- the driver of the tests compiles for the host, on any machine
  started = started, ended = {}, system = {}, progress = function() end,
}
function job.left_s()
  return (tonumber(options.limit) or LIMIT_S) - (core.clock() - started)
end
job.environment = {
  RINGKERNEL_BACKEND = "cuda", RINGKERNEL_LUA = "", BENCH_MODULES = job.tree,
  RINGKERNEL_CACHE = (job.tree:find("^/") and "" or output("pwd") .. "/") .. job.tree
    .. (is_fake and "-fake/cache" or "/cache"),
}
if is_fake then
  job.environment.RINGKERNEL_LIBCUDA = options.fake
  for key, value in pairs(TINY) do
    job.environment[key] = value
  end
end

--- The facts of the device, or nil and the reason why there is none.
local function look()
  local words = { "timeout -k 5 60 env" }
  for key, value in pairs(job.environment) do
    words[#words + 1] = quoted(key .. "=" .. value)
  end
  words[#words + 1] = quoted(job.rkl) .. " bench/gpu/device.lua 2>&1; echo \"status\t$?\""
  local facts, last = {}, ""
  local pipe = assert(io.popen(table.concat(words, " ")))
  for line in pipe:lines() do
    local key, value = line:match("^(%w[%w_]*)\t(.*)$")
    if key then
      facts[key] = value
    else
      last = line
    end
  end
  pipe:close()
  if facts.status == "124" or facts.status == "137" then
    return nil, "the driver did not answer within 60 s"
  elseif facts.status ~= "0" then
    return nil, last
  end
  return not facts.reason and facts or nil, facts.reason
end

local device, reason = look()
if not device then
  say("gpu-check: no CUDA device: %s", reason)
  os.exit(2)
elseif not is_fake and device.library:find("fakecuda", 1, true) then
  say("gpu-check: no CUDA device: RINGKERNEL_LIBCUDA names the driver of the tests; use FAKE=1")
  os.exit(2)
end

job.compute_capability = device.compute_capability

-- ---- what a result must carry -------------------------------------------------------------------

local has_smi = not is_fake and os.execute("command -v nvidia-smi >/dev/null 2>&1")

local function clocks()
  return has_smi and output("timeout 10 " .. SMI) or is_fake and "none" or "nvidia-smi is not here"
end

local function environment()
  local facts = built.read(job.tree) or {}
  local commit, dirty = built.commit()
  if commit == "" then -- no git here: what the folder was built from, which check has compared
    commit, dirty = facts.commit or "unknown", facts.dirty ~= "false"
  end
  local driver = has_smi and output("timeout 10 nvidia-smi --query-gpu=driver_version "
    .. "--format=csv,noheader") or ""
  return {
    device = device.name, compute_capability = device.compute_capability,
    processors = tonumber(device.processors), memory_bytes = tonumber(device.memory_bytes),
    compute_mode = device.compute_mode, numa_node = tonumber(device.numa_node),
    driver = driver ~= "" and driver or is_fake and FAKE
      or first_match("/proc/driver/nvidia/version", "Kernel Module%s+([%d.]+)") or "unknown",
    cuda = device.cuda, nvrtc = device.nvrtc, library = device.library,
    cpu = first_match("/proc/cpuinfo", "model name%s*:%s*([^\n]+)") or output("uname -m"),
    cpus = math.tointeger(tonumber(output("nproc"))) or 0,
    kernel = output("uname -sr"), compiler = facts.compiler or "unknown", commit = commit,
    dirty = dirty, date = os.date("!%Y-%m-%dT%H:%M:%SZ"), lua = _VERSION,
    clocks_before = clocks(), load_before = first_match("/proc/loadavg", "^%S+") or "",
    command = options.only and "ONLY=" .. options.only or nil,
  }
end

local result = {
  label = is_fake and FAKE or nil, environment = environment(), stages = {}, figures = {},
  notes = {}, order = {}, missing = {},
}

-- ---- running ------------------------------------------------------------------------------------

local only = set_of(options.only)
for name in pairs(only or {}) do
  local known
  for _, stage in ipairs(stages.list) do
    known = known or stage.name == name
  end
  if not known then
    error(("gpu-check: no stage is called '%s'"):format(name), 0)
  end
end

local function keep(stage, outcome, seconds)
  result.stages[#result.stages + 1] = { name = stage.name, title = stage.title,
    status = outcome.status, reason = outcome.reason, seconds = seconds, tests = outcome.tests,
    limit_s = stage.limit_s }
  for name, figure in pairs(outcome.figures) do
    result.figures[name] = figure
  end
  for name, text in pairs(outcome.notes) do
    result.notes[name] = text
  end
  table.move(outcome.order, 1, #outcome.order, #result.order + 1, result.order)
  if outcome.status == "failed" or outcome.status == "timeout" then
    result.missing[#result.missing + 1] = ("%s (%s)"):format(stage.name, outcome.status)
  end
end

--- The names of chosen stages from number `index` on.
local function stages_from(index)
  local names = {}
  for at = index, #stages.list do
    local name = stages.list[at].name
    names[#names + 1] = (not only or only[name]) and name or nil
  end
  return names
end

assert(os.execute(("rm -rf %s && mkdir -p %s"):format(quoted(job.logs), quoted(job.logs))))
say("%s%s, driver %s", result.label and result.label .. ": " or "", device.name,
  result.environment.driver)
system.begin(job)
local keeper = keep_files.new(job, result, options.out or is_fake and job.tree .. "-fake"
  or "bench/results")
keeper.save(stages_from(1))

-- The driver shuts a device down that nobody has open, and starting it costs seconds: somebody has.
local own_pid = output("echo $PPID")
local holder = tonumber(output(("%s </dev/null >%s 2>&1 & echo $!"):format(stages.command(job, {
  "timeout", "900", job.rkl, "-e", ("package.cpath = %q; local hold = require 'gpu_hold'; "
    .. "print(hold.open()); hold.stay(%s, 900)"):format(job.tree .. "/?.so", own_pid) }),
  quoted(job.logs .. "/hold"))))

local only_missing = {}
for index, stage in ipairs(stages.list) do
  if only and not only[stage.name] then
    only_missing[#only_missing + 1] = stage.name .. " (not chosen)"
  elseif job.left_s() < 2 then
    result.missing[#result.missing + 1] = stage.name .. " (no time left)"
  else
    say("  %-10s %s", stage.name, stage.title)
    local during = stage.name == "sustained" and has_smi and job.logs .. "/clocks"
    if during then
      os.execute(("(sleep 20; timeout 10 %s >%s 2>&1) </dev/null >/dev/null 2>&1 &"):format(SMI,
        quoted(during)))
    end
    local saved = core.clock()
    function job.progress() -- within a long stage
      if core.clock() - saved > 10 then
        saved = core.clock()
        keeper.save(stages_from(index))
      end
    end
    local from = core.clock()
    local outcome = stage.run(job)
    keep(stage, outcome, core.clock() - from)
    if during then
      result.environment.clocks_during = first_match(during, "[^\n]+")
    end
    if outcome.status ~= "ok" then
      say("  %-10s %s: %s", "", outcome.status, outcome.reason or "")
    end
    if outcome.status == "failed" or outcome.status == "timeout" then
      system.trouble(job, stage.name)
    end
    keeper.save(stages_from(index + 1))
  end
end
table.move(only_missing, 1, #only_missing, #result.missing + 1, result.missing)
result.environment.clocks_after = clocks()
result.environment.load_after = first_match("/proc/loadavg", "^%S+") or ""
if holder then
  os.execute(("kill %d 2>/dev/null"):format(holder))
end
system.finish(job)

local text, base = keeper.save({})
print(text)
print(("written to %s.json, .md, -logs.txt, -system.txt"):format(base))
if #result.missing > 0 then
  print("NOT COMPLETE: " .. table.concat(result.missing, ", "))
  os.exit(1)
end
