-- SPDX-License-Identifier: MIT
--- The stages of `make gpu-check`: what runs, for how long at most, and what its output means. Used
--- by check.lua.
--
-- A stage is { name, title, limit_s, run = function(job) }; `job` is what check.lua made (paths,
-- environment, clock). run returns { status = "ok" | "failed" | "timeout" | "skipped", reason?,
-- figures, notes, tests } and never raises for what its programs do.
--
-- The order: what the report is about first, what may leave the device in a bad state last.

local shell = require "shell"

local M = {}

local NO_COMPILER = 127

local quoted = shell.quoted

--- A command's environment and words as shell text.
local function command_of(environment, words)
  local parts, keys = { "env -u LUA_PATH -u LUA_CPATH -u LUA_INIT -u MAKEFLAGS -u MAKELEVEL" }, {}
  for key in pairs(environment) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    parts[#parts + 1] = quoted(key .. "=" .. environment[key])
  end
  for _, word in ipairs(words) do
    parts[#parts + 1] = quoted(word)
  end
  return table.concat(parts, " ")
end

local function merged(...)
  local all = {}
  for _, part in ipairs { ... } do
    for key, value in pairs(part) do
      all[key] = value
    end
  end
  return all
end

--- Reads the lines that mean something: figures and notes (bench/c/bench.h), tests (TAP).
local function read(path, out, log)
  local failure, has_why = nil, false
  for line in io.lines(path) do
    if failure and line:find("^# ") then -- the lines below a test that failed
      local why = line:match("^# Failure message: (.*)") or line:match("^# Error message: (.*)")
      if why and why:find("no C compiler was found", 1, true) then
        out.tests.failed, out.tests.skipped = out.tests.failed - 1, out.tests.skipped + 1
        out.tests.no_compiler = out.tests.no_compiler + 1
        table.remove(out.tests.failures)
        failure = nil
      elseif why or (not has_why and not line:find("^# %S+ @ %d+$")) then
        failure.why, has_why = (why or line:sub(3)):sub(1, 400), true
      end
    else
      failure, has_why = nil, false
    end
    local fields = {}
    for field in (line .. "\t"):gmatch("([^\t]*)\t") do
      fields[#fields + 1] = field
    end
    if fields[1] == "result" and (#fields == 11 or #fields == 13) and tonumber(fields[4]) then
      out.figures[fields[2]] = {
        unit = fields[3], median = tonumber(fields[4]), min = tonumber(fields[5]),
        q25 = tonumber(fields[6]), q75 = tonumber(fields[7]), p99 = tonumber(fields[8]),
        max = tonumber(fields[9]), samples = math.tointeger(tonumber(fields[10])),
        includes = fields[11],
      }
      out.order[#out.order + 1] = fields[2]
    elseif fields[1] == "note" and #fields == 3 then
      out.notes[fields[2]] = fields[3]
      out.order[#out.order + 1] = fields[2]
    elseif line:find("^ok %d+.*# *SKIP") then
      out.tests.skipped = out.tests.skipped + 1
    elseif line:find("^ok %d+") then
      out.tests.passed = out.tests.passed + 1
    elseif line:find("^not ok %d+") then
      out.tests.failed = out.tests.failed + 1
      failure = { name = line:match("^not ok %d+ %-? ?(.*)$"), log = log }
      out.tests.failures[#out.tests.failures + 1] = failure
    end
  end
end

local function empty()
  return { status = "ok", figures = {}, notes = {}, order = {},
    tests = { passed = 0, failed = 0, skipped = 0, no_compiler = 0, failures = {} } }
end

--- A command in the environment of the stages, as text.
function M.command(job, words)
  return command_of(job.environment, words)
end

-- Runs a command beside the shell and waits for its end, but not for ever: a process that is stuck
-- in the driver cannot be killed. %s: the command, %d: tenths of a second; $1: its log.
local WAITED = [[%s >"$1" 2>&1 </dev/null &
child=$!
trap 'kill $child; exit 130' INT TERM
left=%d
while kill -0 $child 2>/dev/null; do
  left=$((left - 1))
  if [ $left -lt 0 ]; then exit %d; fi
  sleep 0.1
done
wait $child]]
local STUCK = 119

--- Runs a command with a limit and reads what it said into `out`; returns how it ended.
local function run(job, name, limit_s, environment, words, out)
  local log = ("%s/%s.log"):format(job.logs, name)
  limit_s = math.max(1, math.floor(math.min(limit_s * job.patience, job.left_s())))
  local command = ("timeout -k 5 %d %s"):format(limit_s,
    command_of(merged(job.environment, environment), words))
  local _, how, code = os.execute(("sh -c %s sh %s"):format(
    quoted(WAITED:format(command, (limit_s + 12) * 10, STUCK)), quoted(log)))
  if not io.open(log) then
    assert(io.open(log, "w")):close()
  end
  read(log, out, name)
  local status, why = "ok", nil
  if code == STUCK then
    status, why = "timeout", ("cannot be ended: it is stuck in the driver; see %s"):format(log)
  elseif code == 124 or code == 137 then
    status, why = "timeout", ("ended after its limit of %d s; see %s"):format(limit_s, log)
  elseif code ~= 0 then
    status, why = "failed", ("%s %d; see %s"):format(how, code, log)
  end
  job.ended[name .. ".log"] = status
  job.progress()
  return status, why, code
end

--- One program whose exit status tells.
local function program(name, limit_s, environment, words_of)
  return function(job)
    local out = empty()
    local status, reason, code = run(job, name, limit_s, environment, words_of(job), out)
    out.status, out.reason = status, reason
    if code == 77 then -- it says itself why not
      out.status, out.reason = "skipped", nil
      for case, text in pairs(out.notes) do
        out.reason = case:find(": skipped$") and text or out.reason
      end
    end
    return out
  end
end

local function script(path, ...)
  local extra = { ... }
  return function(job)
    return { job.rkl, path, table.unpack(extra) }
  end
end

-- ---- the specs ----------------------------------------------------------------------------------

-- Files that open no runtime on the device; nvtx_spec compiles for the CPU.
local NO_RUNTIME = "definition exit_signals hlc kernels lint message meta nvtx otp pretty status "
  .. "trace"
-- Tests that need a C compiler beside the GPU.
local NEED_COMPILER = { "embed%-in%-c", "the installation says what it has" }
local SPEC_LIMIT_S = 60
local LAST = { event_log = 1, examples = 1 } -- the longest

local function spec_files(job)
  local excluded = {}
  for word in NO_RUNTIME:gmatch("%S+") do
    excluded[word] = true
  end
  local names = {}
  local pipe = assert(io.popen("LC_ALL=C ls spec"))
  for file in pipe:lines() do
    local name = file:match("^([%w_]+)_spec%.lua$")
    if name and not excluded[name] and (not job.specs or job.specs[name]) then
      names[#names + 1] = name
    end
  end
  pipe:close()
  table.sort(names, function(a, b)
    return (LAST[a] or 0) .. a < (LAST[b] or 0) .. b
  end)
  return names
end

local function specs(job, limit_s)
  local out = empty()
  local busted = job.tree .. "/busted"
  local started, missing, broken = job.clock(), {}, {}
  if not io.open(busted .. "/busted") then
    out.status, out.reason = "skipped", "busted is not in " .. job.tree
    return out
  end
  for _, name in ipairs(spec_files(job)) do
    local left = limit_s - (job.clock() - started) / job.patience
    if left < 1 or job.left_s() < 1 then
      missing[#missing + 1] = name
    else
      local words = { job.rkl, busted .. "/runner.lua", "--ignore-lua", "--run=rkl", "-o", "TAP" }
      for _, pattern in ipairs(NEED_COMPILER) do
        words[#words + 1] = "--filter-out=" .. pattern
      end
      words[#words + 1] = ("spec/%s_spec.lua"):format(name)
      local told = out.tests.failed + out.tests.no_compiler
      local status = run(job, "spec-" .. name, math.min(SPEC_LIMIT_S, left), {
        LUA_PATH = busted .. "/?.lua;" .. busted .. "/?/init.lua",
        LUA_CPATH = ("%s/?.so;%s/?.so"):format(busted, job.tree), GPU_HOLD = "1",
        BUILD = job.tree, RKL = job.rkl, LUA = job.rkl,
        RINGKERNEL_SHARE_DEVICE = "1", -- some start programs while they have a runtime themselves
      }, words, out)
      if status == "timeout" or (status == "failed"
        and out.tests.failed + out.tests.no_compiler == told) then
        broken[#broken + 1] = ("%s (%s)"):format(name, status == "timeout" and "hung" or "died")
      end
      io.stderr:write(("    %-24s %s\n"):format(name, status))
    end
  end
  if #missing > 0 then
    out.status, out.reason = "timeout", "not run: " .. table.concat(missing, ", ")
  elseif #broken > 0 or out.tests.failed > 0 then
    out.status = "failed"
    out.reason = ("%d tests failed%s"):format(out.tests.failed,
      #broken > 0 and "; " .. table.concat(broken, ", ") or "")
  end
  return out
end

-- ---- compute-sanitizer --------------------------------------------------------------------------

local function find_sanitizer(job)
  local chosen = os.getenv("GPU_SANITIZER")
  if chosen then
    return chosen
  elseif job.is_fake then
    return nil, "the driver of the tests is no device"
  end
  local pipe = assert(io.popen("command -v compute-sanitizer || ls -d "
    .. "/usr/local/cuda*/bin/compute-sanitizer /opt/cuda*/bin/compute-sanitizer 2>/dev/null"))
  local path = pipe:read("l")
  pipe:close()
  return path, "compute-sanitizer is not installed"
end

local function sanitize(job, limit_s)
  local out = empty()
  local tool, reason = find_sanitizer(job)
  if not tool then
    out.status, out.reason = "skipped", reason
    return out
  end
  local ran, skipped, failed = {}, {}, {}
  local tools = { "memcheck", "racecheck", "synccheck" }
  for _, name in ipairs(tools) do
    local log = ("%s/sanitize-%s.log"):format(job.logs, name)
    local before = out.tests.passed
    local status, why, code = run(job, "sanitize-" .. name, limit_s / #tools, { GPU_SHORT = "1" },
      -- what calls return is for the library to deal with: asking is what it does
      { tool, "--tool", name, "--error-exitcode", "9", "--report-api-errors", "no", job.rkl,
        "bench/gpu/selftest.lua", "short" }, out)
    local file = io.open(log)
    local text = file and file:read("a") or ""
    if file then
      file:close()
    end
    if status == "ok" then
      ran[#ran + 1] = name
    elseif out.tests.passed == before and code ~= 9 and (code == NO_COMPILER
      or text:find("[Nn]ot supported") or text:find("[Ff]ailed to initialize")
      or text:find("[Uu]nable to")) then
      skipped[#skipped + 1] = ("%s does not work here: %s"):format(name,
        text:match("=========%s*([^\n]+)") or text:match("[^\n]+") or "no output")
    else
      failed[#failed + 1] = ("%s: %s"):format(name, code == 9 and "it found errors; see " .. log
        or why)
    end
  end
  out.notes["sanitizer: ran"] = #ran > 0 and table.concat(ran, ", ") or "nothing"
  if #failed > 0 then
    out.status, out.reason = "failed", table.concat(failed, "; ")
  elseif #skipped > 0 then
    out.status = #ran > 0 and "ok" or "skipped"
    out.reason = table.concat(skipped, "; ")
  end
  return out
end

-- ---- all of them --------------------------------------------------------------------------------

local function stage(name, title, limit_s, fn)
  return { name = name, title = title, limit_s = limit_s, run = fn }
end

local function figures(name, title, limit_s, ...)
  return stage(name, title, limit_s,
    program(name, limit_s, {}, script("bench/gpu/figures.lua", ...)))
end

local function experiment(name, file, title, limit_s)
  return stage(name, title, limit_s, program(name, limit_s,
    { GPU_LIMIT_S = tostring(limit_s - 3) }, function(job)
      return { ("%s/%s"):format(job.tree, file) }
    end))
end

M.list = {
  experiment("e0", "e0_driver", "what the driver says, step by step", 30),
  stage("units", "grids compiled ahead of the specs", 90, program("units", 90,
    { GPU_LIMIT_S = "80" }, function(job)
      return { job.tree .. "/warm", (job.compute_capability:gsub("%.", "")), job.tree .. "/units" }
    end)),
  stage("selftest", "the device self-test", 60,
    program("selftest", 60, { RINGKERNEL_LOG = "info" }, script("bench/gpu/selftest.lua"))),
  figures("figures", "latencies, rates, lives, launches", 100),
  figures("sustained", "60 s of messages", 80, "sustained"),
  experiment("e3", "e3_rtt", "round trips by size, way and polling warps", 30),
  experiment("e4", "e4_k2h", "ways to send to the host", 25),
  experiment("e5", "e5_near", "distances inside the device", 15),
  experiment("e6", "e6_clock", "the device's clock", 20),
  stage("specs", "the runtime's specs on the device", 150, function(job)
    return specs(job, 150)
  end),
  experiment("e2", "e2_calls", "calls beside a resident kernel", 35),
  experiment("e1", "e1_module_load", "module loads beside a resident kernel", 30),
  experiment("e7", "e7_green", "green contexts", 25),
  stage("sanitize", "the self-test under compute-sanitizer", 60, function(job)
    return sanitize(job, 60)
  end),
}

return M
