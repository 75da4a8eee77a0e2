-- Adds up what the tests said.
--
--   lua5.4 scripts/summary.lua [--part NAME] LOG...   failures, then one line of totals
--   lua5.4 scripts/summary.lua --one LOG              one line; what it says if it failed
--
-- A log is the output of one test program in TAP (cmocka and busted both write it), closed by the
-- line "# exit STATUS" that the Makefile adds. The log is what counts, not what it claims: a
-- program that died, stopped before its plan was done, or failed without naming a test adds one
-- failure. With --part the totals are those of one step and are worded so that they cannot be
-- taken for the last line of a run. The exit status is 1 if anything failed.

local SHOWN_LINES = 80   -- of a log that failed

local function read_log(path)
  local result = { passed = 0, failed = 0, skipped = 0, failures = {}, text = "", path = path }
  result.name = path:match("([^/]+)%.log$") or path
  local step = path:match("([^/]+)/[^/]+$") or "."

  local function fail(what)
    result.failed = result.failed + 1
    result.failures[#result.failures + 1] = ("%s/%s: %s"):format(step, result.name, what)
  end

  local file = io.open(path, "rb")
  if not file then
    fail("left no log")
    return result
  end
  result.text = file:read("a")
  file:close()

  local plan, status
  local seen = 0
  for line in result.text:gmatch("[^\r\n]+") do
    local bad, rest = line:match("^(n?o?t? ?)ok%f[%W] ?(.*)$")
    if bad == "" or bad == "not " then
      seen = seen + 1
      if rest:find("# SKIP", 1, true) then       -- cmocka writes "not ok N # SKIP name"
        result.skipped = result.skipped + 1
      elseif bad == "" then
        result.passed = result.passed + 1
      else
        fail((rest:gsub("^%d+ ?%-? ?", "")))
      end
    elseif line:find("^1%.%.%d+$") then
      plan = (plan or 0) + tonumber(line:match("%d+$"))   -- one plan for each group of a program
    elseif line:find("^# exit %d+$") then
      status = tonumber(line:match("%d+$"))
    end
  end

  if status == 124 or status == 137 then
    fail("took longer than its time limit")
  elseif not status then
    fail("was cut off")
  elseif not plan then
    fail(("ended before its first test was done (exit status %d)"):format(status))
  elseif seen < plan then
    fail(("ended after %d of %d tests (exit status %d)"):format(seen, plan, status))
  elseif status ~= 0 and result.failed == 0 then
    fail(("exit status %d although no test failed"):format(status))
  end
  return result
end

local function show_one(path)
  local log = read_log(path)
  local counts = { ("%d passed"):format(log.passed) }
  if log.failed > 0 then
    counts[#counts + 1] = log.failed .. " failed"
  end
  if log.skipped > 0 then
    counts[#counts + 1] = log.skipped .. " skipped"
  end
  local verdict = log.failed == 0 and "ok" or "FAILED"
  print(("  %-7s %-40s %s"):format(verdict, log.name, table.concat(counts, " ")))
  if log.failed > 0 then
    local shown = 0
    for line in log.text:gmatch("[^\n]+") do
      shown = shown + 1
      if shown > SHOWN_LINES then
        print("          | ... the rest is in " .. path)
        break
      end
      print("          | " .. line)
    end
  end
  return log.failed == 0
end

local function show_all(paths, part)
  local total = { passed = 0, failed = 0, skipped = 0 }
  local failures = {}
  for _, path in ipairs(paths) do
    local log = read_log(path)
    for key in pairs(total) do
      total[key] = total[key] + log[key]
    end
    table.move(log.failures, 1, #log.failures, #failures + 1, failures)
  end
  if #failures > 0 then
    print("failures:")
    for _, failure in ipairs(failures) do
      print("  " .. failure)
    end
  end
  if part then
    print(("  %s: passed %d, failed %d, skipped %d"):format(part, total.passed, total.failed,
      total.skipped))
  else
    print(("%d passed, %d failed, %d skipped"):format(total.passed, total.failed, total.skipped))
  end
  return total.failed == 0
end

local paths, part, one = {}, nil, false
local i = 1
while arg[i] do
  if arg[i] == "--part" then
    i = i + 1
    part = arg[i]
  elseif arg[i] == "--one" then
    one = true
  else
    paths[#paths + 1] = arg[i]
  end
  i = i + 1
end
if #paths == 0 or (one and #paths > 1) then
  io.stderr:write("usage: summary.lua [--part NAME] LOG... | --one LOG\n")
  os.exit(2)
end

local ok
if one then
  ok = show_one(paths[1])
else
  ok = show_all(paths, part)
end
os.exit(ok and 0 or 1)
