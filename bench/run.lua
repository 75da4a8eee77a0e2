-- SPDX-License-Identifier: MIT
--- Runs the campaigns of bench/campaigns, then shows their figures against the goals of
-- targets.lua; `make bench` calls it from the top folder.
--
--   rkl bench/run.lua --rkl PATH [--only TEXT] [--samples N] [--out DIR] [--resume yes]
--   rkl bench/run.lua --table DIR    only the table, of each campaign's newest results in DIR
--
-- Each campaign is a run of `rkl --bench`, one after the other. Results and plots go to
-- bench/results/<processor>-<date>, with --only (campaigns that have TEXT in their name) to
-- build/bench/results. The status is 1 when a campaign did not give all its figures.

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path

local results = require "ringkernel.bench.results"
local report = require "report"
local shell = require "shell"
local targets = require "targets"

local quoted, output = shell.quoted, shell.output

io.stdout:setvbuf("line") -- campaigns write in between

local FOLDER = "bench/campaigns"
local USAGE = "usage: rkl bench/run.lua --rkl PATH [--only TEXT] [--samples N] [--out DIR] "
  .. "[--resume yes] | --table DIR"
local KNOWN = { rkl = true, only = true, samples = true, out = true, resume = true, table = true }

local options = { rkl = "build/rkl" }
for index = 1, #arg, 2 do
  local key = arg[index]:match("^%-%-(%l+)$")
  if not KNOWN[key] or not arg[index + 1] then
    error(USAGE, 0)
  end
  options[key] = arg[index + 1]
end

local function lines_of(command)
  local list = {}
  for line in output(command):gmatch("[^\n]+") do
    list[#list + 1] = line
  end
  return list
end

--- The files that return a campaign; others are what campaigns share.
local function campaigns()
  local list = {}
  for _, path in ipairs(lines_of("ls " .. FOLDER .. "/*.lua")) do
    local name = path:match("([^/]+)%.lua$")
    local is_one = shell.first_match(path, "\nreturn [%a_]+%.[%a_]+ ?{")
    if is_one and name:find(options.only or "", 1, true) then
      list[#list + 1] = { name = name, path = path }
    end
  end
  return list
end

--- <processor>-<date>, as a name of a folder.
local function machine()
  local cpu = shell.first_match("/proc/cpuinfo", "model name%s*:%s*([^\n]+)") or output("uname -m")
  cpu = cpu:gsub("%b()", ""):gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return ("%s-%s"):format(cpu:lower(), os.date("!%Y-%m-%d"))
end

--- The newest results of each campaign in a folder, in the order of their names; of those that are
-- in `wanted`, if there is one.
local function read_all(folder, wanted)
  local newest, order = {}, {}
  for _, path in ipairs(lines_of(("ls %s/*.json"):format(quoted(folder)))) do
    local found, message = results.read(path)
    if not found then
      io.stderr:write("note: ", message, "\n")
    elseif not wanted or wanted[found.campaign] then
      if not newest[found.campaign] then
        order[#order + 1] = found.campaign
      end
      newest[found.campaign] = found -- names end with the time: the last is the newest
    end
  end
  local list = {}
  for i, name in ipairs(order) do
    list[i] = newest[name]
  end
  return list
end

--- The table with what belongs to it, as text.
local function goals_text(list)
  local env = list[1].environment
  local out = {
    ("%s, %s processors; %s; commit %s%s; %s"):format(env.cpu or "?", tostring(env.processors),
      env.kernel or "?", env.commit or "none", env.dirty and " with changes" or "", env.date),
    'ratio >= 1: the target is met; "~": the middle half of the samples is wider than a tenth; '
      .. '"quoted": a figure of another machine\n',
    report.table(targets.list, report.figures(list)), "\nnot measured",
  }
  for _, line in ipairs(report.missing(list)) do
    out[#out + 1] = "  " .. line
  end
  for _, line in ipairs(targets.quoted_only) do
    out[#out + 1] = "  " .. line
  end
  for _, found in ipairs(list) do
    local restless = 0
    for _, note in ipairs(found.notes) do
      if note:find("was not steady", 1, true) then
        restless = restless + 1
      else
        out[#out + 1] = ("note: %s: %s"):format(found.campaign, note)
      end
    end
    if restless > 0 then
      out[#out + 1] = ("note: %s: %d of %d cases were not steady after their warm-up"):format(
        found.campaign, restless, #found.cases)
    end
  end
  return table.concat(out, "\n") .. "\n"
end

local folder = options.table or options.out
  or (options.only and "build/bench/results" or "bench/results/" .. machine())

local function exists(path)
  local file = io.open(path)
  return file and file:close() or false
end

--- Runs one campaign; returns whether it gave all its figures.
local function run(campaign)
  local words = { quoted(options.rkl), "--bench", quoted(campaign.path), "--out", quoted(folder) }
  if options.samples then
    table.move({ "--samples", quoted(options.samples) }, 1, 2, #words + 1, words)
  end
  words[#words + 1] = options.resume and "--resume" or nil
  local ok = os.execute(table.concat(words, " "))
  print()
  if exists(("%s/%s.journal"):format(folder, campaign.name)) then
    error("interrupted: `make bench RESUME=1` goes on", 0)
  end
  return ok
end

local failed, wanted = {}, nil
if not options.table then
  local list = campaigns()
  wanted = {}
  if #list == 0 then
    error(("no campaign of %s has '%s' in its name"):format(FOLDER, options.only), 0)
  end
  local done = {}
  for _, found in ipairs(options.resume and read_all(folder) or {}) do
    done[found.campaign] = found.complete
  end
  for _, campaign in ipairs(list) do
    local is_cut = exists(("%s/%s.journal"):format(folder, campaign.name))
    wanted[campaign.name] = true
    if done[campaign.name] and not is_cut then
      print(campaign.name .. ": done before")
    elseif not run(campaign) then
      failed[#failed + 1] = campaign.name
    end
  end
end

local list = read_all(folder, wanted)
if #list == 0 then
  error("no results in " .. folder, 0)
end
local text = goals_text(list)
io.write(text)
if not options.table then
  local file = assert(io.open(folder .. "/goals.txt", "w"))
  assert(file:write(text))
  assert(file:close())
  print("\nkept in " .. folder)
end
if #failed > 0 then
  print("NOT ALL FIGURES: " .. table.concat(failed, ", "))
  os.exit(1)
end
