-- SPDX-License-Identifier: MIT
--- Runs the cases of a campaign: warm-up, interleaved samples, limits, journal, resume.
--
-- Cases are set up once and sampled in turns (A B C A B C ...), so that a drift of the machine
-- hits all alike; with `fresh` each sample has a set-up of its own, with `isolate` a process. A
-- control case that never changes (a fixed amount of arithmetic) runs in every round: when it got
-- slower or faster, so did the machine, and the report says so.
--
-- Every sample is a line in <out>/<name>.journal before the next one begins; a run that was cut off
-- goes on from there with `resume`. A case that errors or hangs ends alone and is named.

local apart = require "ringkernel.bench.apart"
local check = require "ringkernel.check"
local core = require "ringkernel.core"
local environment = require "ringkernel.bench.environment"
local guard = require "ringkernel.bench.guard"
local journal = require "ringkernel.bench.journal"
local meter = require "ringkernel.bench.meter"
local progress = require "ringkernel.bench.progress"
local results = require "ringkernel.bench.results"
local stats = require "ringkernel.bench.stats"

local M = {}

local clock = core.clock
local STEADY_WINDOW = 5 -- samples of which two windows are compared
local STEADY_SHIFT = 0.02 -- medians are this close: the case is warm
local CONTROL_STEPS = 200000

local RULES = {
  out = { type = "string" },
  only = { type = "table" },
  resume = { type = "boolean" },
  quiet = { type = "boolean" },
  file = { type = "string" },
  save = { type = "function" },
}

--- Ends a case: it has no further samples.
local function fail(entry, status, reason)
  entry.status, entry.reason = status, reason
  entry.done = true
end

--- Calls a function of the campaign; see guard.call.
local function guarded(campaign, entry, fn, ...)
  return guard.call(campaign.hang_s, entry.name, fn, ...)
end

-- ---- set-up and samples -----------------------------------------------------------------------

local function set_up(campaign, entry)
  if campaign.setup and not entry.is_up then
    local ok, reason, status = guarded(campaign, entry, campaign.setup, entry.case)
    if not ok then
      fail(entry, status, "setup: " .. reason)
      return false
    end
  end
  entry.is_up = true
  return true
end

local function tear_down(campaign, entry)
  if campaign.teardown and entry.is_up then
    local ok, reason, status = guarded(campaign, entry, campaign.teardown, entry.case)
    if not ok and not entry.done then
      fail(entry, status, "teardown: " .. reason)
    end
  end
  entry.is_up = false
end

--- Whether the check of the campaign accepts the case; nil: it has none.
local function verify(campaign, entry)
  if not campaign.check then
    return nil
  end
  local ok, verdict, reason = guarded(campaign, entry, campaign.check, entry.case)
  if not ok then
    return false, verdict
  end
  return verdict ~= false and verdict ~= nil, reason or "check returned " .. tostring(verdict)
end

--- One sample here; nil after an error, which ends the case.
local function sample_here(campaign, entry)
  local ok, sample, status = guarded(campaign, entry, meter.sample, campaign.run, entry.case)
  if not ok then
    fail(entry, status, sample)
    return nil
  end
  return sample
end

--- One sample in a process of its own, which sets up, warms up, samples, checks and tears down.
local function sample_apart(campaign, entry, options)
  local limit = campaign.hang_s * (campaign.warmup + 4)
  local taken, reason, status = apart.sample(options.file, entry.case.index, limit)
  if not taken then
    fail(entry, status, reason)
  end
  return taken
end

--- One sample of the case with what `fresh` and `isolate` ask for.
local function sample(campaign, entry, options)
  if campaign.isolate and options.file then
    return sample_apart(campaign, entry, options)
  end
  if campaign.fresh then
    if not set_up(campaign, entry) then
      return nil
    end
    local taken = sample_here(campaign, entry)
    local good, reason = verify(campaign, entry)
    if good == false and not entry.done then
      fail(entry, "void", "check: " .. tostring(reason))
    elseif good and taken then
      taken.labels.checked = "yes"
    end
    tear_down(campaign, entry)
    return not entry.done and taken or nil
  end
  return sample_here(campaign, entry)
end

-- ---- warm-up ----------------------------------------------------------------------------------

local function per_operation(taken)
  return taken.seconds / taken.operations
end

--- Median of `count` numbers of a list, from the one that is `back` from its end.
local function middle(list, back, count)
  return stats.median(table.move(list, #list - back + 1, #list - back + count, 1, {}))
end

local function close(a, b)
  return math.abs(a / b - 1) <= STEADY_SHIFT
end

--- Samples until two windows one after the other have the same median, at least `warmup` times, at
-- most `warmup_max` times or a quarter of the case's time. What was seen is thrown away.
local function warm_up(campaign, entry, options)
  local seen, began = {}, clock()
  entry.steady = campaign.warmup == 0
  while not entry.done and #seen < campaign.warmup_max do
    local taken = sample(campaign, entry, options)
    if not taken then
      break
    end
    seen[#seen + 1] = per_operation(taken)
    if #seen >= 2 * STEADY_WINDOW then
      local early = middle(seen, 2 * STEADY_WINDOW, STEADY_WINDOW)
      entry.steady = close(middle(seen, STEADY_WINDOW, STEADY_WINDOW), early)
        and close(middle(seen, 3, 3), early) -- the last three: a step has just been taken
    end
    local tired = clock() - began > campaign.limit_s / 4
    if #seen >= campaign.warmup and (entry.steady or tired) then
      break
    end
  end
  entry.warmed = #seen
end

--- Seconds of the control case: the same arithmetic every time, in Lua.
local function control()
  local start, x = clock(), 1
  for i = 1, CONTROL_STEPS do
    x = (x * 6364136223846793005 + i) >> 1
  end
  return clock() - start, x
end

-- ---- the run ----------------------------------------------------------------------------------

local function chosen(entry, only)
  for key, value in pairs(only or {}) do
    if entry.factors[key] ~= tostring(value) then
      return false
    end
  end
  return true
end

local function check_only(campaign, only)
  for key, value in pairs(only or {}) do
    local known = false
    for _, entry in ipairs(campaign.cases) do
      known = known or entry.factors[key] == tostring(value)
    end
    if not known then
      return nil, ("no case of '%s' has %s=%s"):format(campaign.name, key, tostring(value)),
        "not_found"
    end
  end
  return true
end

local function prepare(campaign, options)
  local entries = {}
  for _, entry in ipairs(campaign.cases) do
    if chosen(entry, options.only) then
      local fresh = {
        case = {}, name = entry.name, factors = entry.factors,
        samples = {}, spent = 0,
      }
      for key, value in pairs(entry.case) do
        fresh.case[key] = value
      end
      local reason = campaign.skip and campaign.skip(fresh.case, options.only or {})
      if reason then
        fail(fresh, "skipped", reason)
      end
      entries[#entries + 1] = fresh
    end
  end
  return entries
end

local function keep(entry, taken, log)
  if taken.void then
    fail(entry, "void", taken.void)
    return
  end
  entry.samples[#entry.samples + 1] = taken
  entry.spent = entry.spent + taken.seconds
  if log then
    log:sample(entry.name, taken)
  end
end

local function rounds(campaign, entries, options, log, show)
  local random = stats.random(campaign.seed)
  local controls = {}
  for round = 1, campaign.samples do
    controls[round] = control()
    local order = campaign.order == "shuffled" and stats.shuffled(entries, random) or entries
    local active = false
    for _, entry in ipairs(order) do
      if not entry.done and #entry.samples < campaign.samples then
        show:at(entry, round)
        local began = clock()
        local taken = sample(campaign, entry, options)
        if taken then
          keep(entry, taken, log)
        end
        entry.wall = (entry.wall or 0) + clock() - began
        if entry.wall >= campaign.limit_s and #entry.samples < campaign.samples
          and not entry.done then
          entry.done, entry.limited = true, true
        end
        active = active or not entry.done
      end
    end
    if not active then
      break
    end
  end
  return controls
end

local function finish(campaign, entries)
  for _, entry in ipairs(entries) do
    if not campaign.fresh and not campaign.isolate then
      if entry.is_up and (not entry.status or entry.status == "void") then
        local good, reason = verify(campaign, entry)
        if good == false and not entry.status then
          fail(entry, "void", "check: " .. tostring(reason))
        end
        entry.checked = good
      end
      tear_down(campaign, entry)
    end
  end
end

--- Runs `campaign` and returns its results (bench/results.lua). Options: `out` (a folder for the
-- journal; none without), `only` (factor -> value), `resume`, `quiet`, `file` (the campaign's file,
-- for `isolate`), `save` (a function that is given the results while the journal is still there,
-- and returns false to keep it). Nil, message, code when it cannot begin: not_found, exists, io.
function M.run(campaign, options)
  options = check.options("campaign:measure", options, RULES)
  local ok, message, code = check_only(campaign, options.only)
  if not ok then
    return nil, message, code
  end
  local entries = prepare(campaign, options)
  if #entries == 0 then
    return nil, ("no case of '%s' has all of what was asked for"):format(campaign.name), "not_found"
  end
  local log
  if options.out then
    log, message, code = journal.open(campaign, options, entries)
    if not log then
      return nil, message, code
    end
  end
  local started, wall = clock(), os.time()
  local show = progress.new(campaign, entries, options.quiet)
  local env = environment.capture(campaign)
  if campaign.isolate and not options.file then
    show:note("isolate: a campaign that has no file runs in this process")
  end
  local is_pinned = environment.pin(campaign.pin)
  env.pinned = is_pinned and env.pinned or nil
  for _, entry in ipairs(entries) do
    if not entry.done and #entry.samples < campaign.samples and not campaign.isolate then
      show:warming(entry)
      if campaign.fresh or set_up(campaign, entry) then
        warm_up(campaign, entry, options)
      end
    end
  end
  local controls = rounds(campaign, entries, options, log, show)
  finish(campaign, entries)
  show:finish()
  local out = results.make(campaign, entries, controls, env, {
    seconds = clock() - started, wall_seconds = os.time() - wall, resumed = log and log.resumed,
    unpinned = not is_pinned,
  })
  local is_kept = not options.save or options.save(out)
  if log then
    log:close(is_kept)
  end
  return out
end

--- One sample of case `index`, for `isolate`. Nil, the reason and the case's status without one.
function M.run_one(campaign, index)
  local entry = campaign.cases[index]
  if not entry then
    return nil, "no such case", "failed"
  end
  entry = { case = entry.case, name = entry.name, factors = entry.factors, samples = {}, spent = 0 }
  guard.may_exit = true
  if not set_up(campaign, entry) then
    return nil, entry.reason, entry.status
  end
  for _ = 1, campaign.warmup do
    if not sample_here(campaign, entry) then
      return nil, entry.reason, entry.status
    end
  end
  local taken = sample_here(campaign, entry)
  local good, reason = verify(campaign, entry)
  tear_down(campaign, entry)
  if not taken or entry.reason then
    return nil, entry.reason, entry.status
  elseif good == false then
    taken.void = "check: " .. tostring(reason)
  elseif good then
    taken.labels.checked = "yes"
  end
  return taken
end

return M
