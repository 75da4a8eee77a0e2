-- Runs schedules through OTP and through us and counts the differences.
--
--   lua5.4 spec/otp/run.lua SEED COUNT [KIND]       from the repository's root; needs erl, erlc
--   lua5.4 spec/otp/run.lua SEED COUNT signals      links and monitors instead of supervisors
--   lua5.4 spec/otp/run.lua SEED NUMBER show        prints one schedule: its term and both lists
--
-- spec/otp_spec.lua uses the function this file returns.

local is_script = arg and arg[0] and arg[0]:find("otp/run.lua$")
if is_script then
  package.path = "lua/?.lua;lua/?/init.lua;" .. package.path
end

local terms = dofile("spec/otp/terms.lua")
local generate = dofile("spec/otp/generate.lua")
local compare = dofile("spec/otp/compare.lua")
local signals = dofile("spec/otp/signals.lua")
local simulation = dofile("spec/otp/simulation.lua")

local M = {}

local function shell(command, ...)
  local line = command:format(...)
  local ok, _, status = os.execute(line)
  if not ok then
    error(("%s: exit status %s"):format(line, status))
  end
end

--- Whether this machine has Erlang.
function M.has_erlang()
  return os.execute("command -v erl >/dev/null && command -v erlc >/dev/null") == true
end

--- What OTP does: number of a schedule -> its lines. `judge` is the Erlang module, `texts` are the
-- schedules as terms, `folder` is for the files.
function M.judge(judge, texts, folder)
  local path = folder .. "/schedules.terms"
  local file = assert(io.open(path, "wb"))
  for _, text in ipairs(texts) do
    assert(file:write(text))
  end
  file:close()
  shell("erlc -o '%s' spec/otp/%s.erl", folder, judge)
  shell("ERL_CRASH_DUMP_SECONDS=0 erl -noinput -pa '%s' -run %s main '%s' '%s/otp.txt'", folder,
    judge, path, folder)
  local out, number = {}, nil
  for line in io.lines(folder .. "/otp.txt") do
    number = tonumber(line:match("^= (%d+)$")) or number
    out[number] = out[number] or {}
    table.insert(out[number], line)
  end
  return out
end

--- Runs schedules first..last of a seed; returns a list of differences, and some counts.
function M.run(options)
  local schedules, texts = {}, {}
  for number = options.first, options.last do
    schedules[#schedules + 1] = generate.schedule(options.seed, number, options.kind)
    texts[#texts + 1] = terms.schedule(schedules[#schedules])
  end
  local theirs = M.judge("judge", texts, options.folder)
  local differences, counts = {}, { schedules = #schedules, lines = 0, steps = 0 }
  for _, schedule in ipairs(schedules) do
    local ours = simulation.run(schedule)
    counts.lines = counts.lines + #ours
    counts.steps = counts.steps + #schedule.steps
    differences[#differences + 1] = compare.difference(schedule, theirs[schedule.number] or {},
      ours)
  end
  return differences, counts
end

--- The same for links and monitors.
function M.run_signals(options)
  local schedules, texts = {}, {}
  for number = options.first, options.last do
    schedules[#schedules + 1] = signals.schedule(options.seed, number)
    texts[#texts + 1] = signals.term(schedules[#schedules])
  end
  local theirs = M.judge("judge_signals", texts, options.folder)
  local differences, counts = {}, { schedules = #schedules, lines = 0, steps = 0 }
  for _, schedule in ipairs(schedules) do
    local ours = signals.run(schedule)
    counts.lines = counts.lines + #ours
    counts.steps = counts.steps + #schedule.steps
    differences[#differences + 1] = compare.lines(schedule, theirs[schedule.number] or {}, ours)
  end
  return differences, counts
end

local function show(seed, number, folder)
  local schedule = generate.schedule(seed, number)
  local theirs = M.judge("judge", { terms.schedule(schedule) }, folder)[number]
  io.write(terms.schedule(schedule))
  local ours = simulation.run(schedule)
  for index = 1, math.max(#theirs, #ours) do
    print(("%-70s | %s"):format(theirs[index] or "", ours[index] or ""))
  end
end

local function main(seed, count, kind)
  local folder = os.tmpname()
  os.remove(folder)
  shell("mkdir -p '%s'", folder)
  if kind == "show" then
    show(seed, count, folder)
  else
    local run = kind == "signals" and M.run_signals or M.run
    local differences, counts = run { seed = seed, first = 1, last = count, kind = kind,
      folder = folder }
    for index = 1, math.min(#differences, 5) do
      print(differences[index])
    end
    print(("seed %d: %d schedules, %d steps, %d lines, %d differences"):format(seed,
      counts.schedules, counts.steps, counts.lines, #differences))
  end
  shell("rm -rf '%s'", folder)
end

if is_script then
  main(tonumber(arg[1]), tonumber(arg[2]), arg[3])
end

return M
