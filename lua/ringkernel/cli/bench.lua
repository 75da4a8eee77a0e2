-- SPDX-License-Identifier: MIT
--- `rkl --bench`: runs campaign files, writes their results, compares them with earlier ones.
--
-- Exit status: 0, or 1 when a case has no figure, a campaign could not run, or a comparison found a
-- regression.

local apart = require "ringkernel.bench.apart"
local campaign = require "ringkernel.bench.campaign"
local check = require "ringkernel.check"
local compare = require "ringkernel.bench.compare"
local plot = require "ringkernel.bench.plot"
local report = require "ringkernel.bench.report"
local results = require "ringkernel.bench.results"
local runner = require "ringkernel.bench.runner"

local M = {}

local USAGE = [[
usage: rkl --bench FILE... [options]
  --out DIR          folder for results, made if need be (bench-results)
  --only KEY=VALUE   only cases with this value of a factor; once for each factor
  --compare OLD      results of an earlier run (JSON): a verdict for each quantity,
                     status 1 if one is significantly worse
  --samples N        samples of each case instead of the campaign's
  --resume           go on with an interrupted run
  --no-plot          no pictures (they need gnuplot)
  --quiet            no progress
Writes DIR/NAME-DATE.json, .csv and pictures; prints a table. cv: deviation over
mean; outliers: 2+1 are two mild and one severe by Tukey's fences, none is dropped.
]]

local WITH_VALUE = { out = true, only = true, compare = true, samples = true, one = true }
local SAMPLES_MAX = 1000000 -- as of the campaign's option
local FLAGS = { resume = true, quiet = true, help = true, ["no-plot"] = true }

--- The words of the command line as { files =, … }; nil and a message for a mistake.
local function parse(...)
  local words, options, i = { ... }, { files = {}, only = {} }, 1
  while i <= #words do
    local name, value = words[i]:match("^%-%-([%w-]+)=(.*)$")
    name = name or words[i]:match("^%-%-([%w-]+)$")
    if not name and words[i]:find("^%-.") then
      return nil, ("unrecognized option '%s'"):format(words[i])
    elseif not name then
      table.insert(options.files, words[i])
    elseif FLAGS[name] and not value then
      options[name] = true
    elseif WITH_VALUE[name] then
      if not value then
        i = i + 1
        value = words[i]
        value = value and not value:find("^%-%-%l") and value or "" -- the next option is no value
      end
      if value == "" then
        return nil, ("'--%s' needs argument"):format(name)
      elseif name == "only" then
        local key, wanted = value:match("^([%a_][%w_]*)=(.*)$")
        if not key then
          return nil, ("'--only': KEY=VALUE expected, got '%s'"):format(value)
        elseif options.only[key] then
          return nil, ("'--only': factor '%s' is there twice"):format(key)
        end
        options.only[key] = wanted
      else
        options[name] = value
      end
    else
      return nil, ("unrecognized option '%s'"):format(words[i])
    end
    i = i + 1
  end
  if options.samples then
    local count = math.tointeger(tonumber(options.samples))
    if not count or count < 1 or count > SAMPLES_MAX then
      return nil, ("'--samples': a whole number from 1 to %d expected, got '%s'"):format(
        SAMPLES_MAX, options.samples)
    end
    options.samples = count
  end
  if #options.files == 0 and not options.help then
    return nil, "'--bench' needs a campaign file"
  end
  return options
end

local function complain(format, ...)
  io.stderr:write("rkl: ", format:format(...), "\n")
  return false
end

--- The campaign that a file returns, or nil after a message.
local function load_campaign(path)
  local chunk, message = loadfile(path)
  if not chunk then
    return complain("%s", message)
  end
  local ok, value = xpcall(chunk, function(thrown)
    local text = check.error_text(thrown)
    text = text:find("^%S+:%d+: ") and text or path .. ": " .. text
    return debug.traceback(text, 2)
  end, path)
  if not ok then
    if value:find("interrupted!", 1, true) then
      error(value, 0)
    end
    return complain("%s", value)
  elseif not campaign.is_campaign(value) then
    return complain("%s: a campaign expected: return rk.campaign { ... }", path)
  end
  return value
end

local function make_folder(path)
  local host = require "ringkernel.rkl"
  local made = path:sub(1, 1) == "/" and "" or "."
  for part in path:gmatch("[^/]+") do
    made = made .. "/" .. part
    local ok, message = host.make_dir(made)
    if not ok then
      return complain("%s", message)
    end
  end
  return true
end

local function write(path, text)
  local ok, message = report.write(path, text)
  return ok or complain("%s", message)
end

--- Where results go without their endings: a run of the same second does not lose its own.
local function free_base(found, out)
  local date = found.environment.date:gsub("[TZ:]", { T = "-", Z = "", [":"] = "" })
  local base = ("%s/%s-%s"):format(out, found.campaign, date)
  local free, n = base, 1
  while true do
    local file = io.open(free .. ".json")
    if not file then
      return free
    end
    file:close()
    n = n + 1
    free = ("%s_%d"):format(base, n) -- sorted by name it comes after the first
  end
end

--- Writes results as JSON and CSV before anything is shown: who reads the table may go away and end
-- this process. Returns whether they are on the disk.
local function save(found, base)
  return write(base .. ".json", report.json(found)) and write(base .. ".csv", report.csv(found))
end

--- Shows what was saved as `base`, draws, compares. Returns whether all is well.
local function publish(found, base, options, old)
  local good = true
  io.write(report.table(found))
  if not options["no-plot"] then
    local pictures, problems = plot.draw(found, base)
    for _, text in ipairs(problems) do
      io.stderr:write("note: no plot: ", text, "\n")
    end
    for _, path in ipairs(pictures) do
      print("plot: " .. path)
    end
  end
  print(("results: %s.json"):format(base))
  if old then
    local comparison = compare.compare(old, found, { min_effect = options.min_effect })
    io.write("\n", compare.table(old, found, comparison))
    good = good and comparison.regressions == 0
  end
  return good and found.complete
end

--- Runs one file. Returns whether all is well; nil after Ctrl-C, which ends the whole command.
local function run_file(path, options, old)
  local one = load_campaign(path)
  if not one then
    return false
  elseif old and old.campaign ~= one.name then
    return complain("--compare: results of '%s', this campaign is '%s'", old.campaign, one.name)
  end
  one.samples = options.samples or one.samples
  options.min_effect = one.min_effect
  local base
  local ok, found, message, code = pcall(runner.run, one, {
    out = options.out, only = options.only, resume = options.resume, quiet = options.quiet,
    file = path,
    save = function(results_of)
      local free = free_base(results_of, options.out)
      base = save(results_of, free) and free
      return base
    end,
  })
  if not ok then
    if tostring(found):find("interrupted!", 1, true) then
      complain("interrupted! the samples so far are in %s/%s.journal: --resume goes on with them",
        options.out, one.name)
      return nil
    end
    error(found, 0)
  elseif not found then
    return complain("%s (%s)", message, code)
  elseif not base then
    io.write(report.table(found))
    return complain("the samples are in %s/%s.journal: --resume makes results of them", options.out,
      one.name)
  end
  return publish(found, base, options, old)
end

--- Returns the exit status.
function M.main(...)
  local options, mistake = parse(...)
  if not options then
    complain("%s", mistake)
    io.stderr:write(USAGE)
    return 1
  elseif options.help then
    io.write(USAGE)
    return 0
  elseif options.one then -- a child of the runner: one sample of one case
    local one = load_campaign(options.files[1])
    if not one then
      return 1
    end
    local taken, reason, status = runner.run_one(one, math.tointeger(tonumber(options.one)))
    apart.tell(taken, reason, status)
    return taken and 0 or 1
  end
  for _, path in ipairs(options.files) do -- a mistake in the last one is told before the first runs
    local chunk, message = loadfile(path)
    if not chunk then
      complain("%s", message)
      return 1
    end
  end
  local old
  if options.compare then
    old, mistake = results.read(options.compare)
    if not old then
      complain("--compare: %s", mistake)
      return 1
    end
  end
  options.out = (options.out or "bench-results"):gsub("(.)/+$", "%1")
  if not make_folder(options.out) then
    return 1
  end
  local good = true
  for _, path in ipairs(options.files) do
    local went_well = run_file(path, options, old)
    if went_well == nil then
      return 1
    end
    good = went_well and good
  end
  return good and 0 or 1
end

return M
