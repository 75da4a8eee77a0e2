-- Runs schedules through OTP and through us and counts the differences.
--
--   lua5.4 spec/otp/run.lua SEED COUNT [KIND]       from the repository's root; needs erl, erlc
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

--- What OTP does: number of a schedule -> its lines. `folder` is for the files.
function M.judge(schedules, folder)
  local path = folder .. "/schedules.terms"
  local file = assert(io.open(path, "wb"))
  for _, schedule in ipairs(schedules) do
    assert(file:write(terms.schedule(schedule)))
  end
  file:close()
  shell("erlc -o '%s' spec/otp/judge.erl", folder)
  shell("erl -noinput -pa '%s' -run judge main '%s' '%s/otp.txt'", folder, path, folder)
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
  local schedules = {}
  for number = options.first, options.last do
    schedules[#schedules + 1] = generate.schedule(options.seed, number, options.kind)
  end
  local theirs = M.judge(schedules, options.folder)
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

local function show(seed, number, folder)
  local schedule = generate.schedule(seed, number)
  local theirs = M.judge({ schedule }, folder)[number]
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
    local differences, counts = M.run { seed = seed, first = 1, last = count, kind = kind,
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
