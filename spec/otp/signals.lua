-- Random schedules of links, monitors and exits, and what exit_signals.lua makes of them, in the
-- lines that judge_signals.erl writes for the same schedule.

local exit_signals = require "ringkernel.exit_signals"
local random = dofile("spec/otp/random.lua")
local terms = dofile("spec/otp/terms.lua")

local M = {}

local REASONS = { { 25, "normal" }, { 15, "shutdown" }, { 35, "crash" }, { 25, "kill" } }
local KINDS = { { 26, "link" }, { 8, "unlink" }, { 16, "monitor" }, { 8, "demonitor" },
  { 12, "trap" }, { 14, "signal" }, { 9, "exit" }, { 4, "spawn" }, { 6, "drain" } }

--- Schedule `number` of a run that begins with `seed`.
function M.schedule(seed, number)
  local r = random(seed * 7919 + number)
  local count = r:range(3, 7)
  local all, steps = count, {}
  for index = 1, r:range(10, 50) do
    local kind = r:weighted(KINDS)
    local a, b = r:range(1, all), r:range(1, all)
    if kind == "link" or kind == "unlink" or kind == "monitor" then
      steps[index] = { kind, a, b }
    elseif kind == "demonitor" then
      steps[index] = { kind, r:range(0, 30), r:chance(50) }
    elseif kind == "trap" then
      steps[index] = { kind, a, r:chance(70) }
    elseif kind == "signal" then
      steps[index] = { kind, a, r:chance(15) and a or b, r:weighted(REASONS) }
    elseif kind == "exit" then
      steps[index] = { kind, a, r:weighted(REASONS) }
    elseif kind == "spawn" then
      all = all + 1
      steps[index] = { kind }
    else
      steps[index] = { kind, a }
    end
  end
  return { number = number, count = count, steps = steps }
end

--- The schedule as an Erlang term.
function M.term(schedule)
  local steps = {}
  for index, step in ipairs(schedule.steps) do
    steps[index] = #step == 1 and step[1] or terms.tuple(table.unpack(step))
  end
  return terms.text(terms.tuple("schedule", schedule.number, schedule.count, steps)) .. ".\n"
end

--- What happens, line by line.
function M.run(schedule)
  local out, ended, monitors, all = { ("= %d"):format(schedule.number) }, {}, {}, 0
  local signals = exit_signals.new {
    ended = function(process, reason)
      ended[#ended + 1] = ("ended %d %s"):format(process, reason)
    end,
  }
  local numbers = {}
  local function add()
    all = all + 1
    signals:add(all)
  end
  for _ = 1, schedule.count do
    add()
  end
  local function drain(a)
    local lines, message = {}, signals:receive(a)
    while message do
      lines[#lines + 1] = message.kind == "exit"
        and ("exit %d %s"):format(message.from, message.reason)
        or ("down %d %d %s"):format(numbers[message.monitor], message.from, message.reason)
      message = signals:receive(a)
    end
    table.sort(lines)
    table.move(lines, 1, #lines, #out + 1, out)
  end
  local STEP = {
    spawn = add,
    link = function(a, b)
      local _, problem = signals:link(a, b)
      out[#out + 1] = problem
    end,
    unlink = function(a, b)
      signals:unlink(a, b)
    end,
    trap = function(a, flag)
      signals:trap_exit(a, flag)
    end,
    signal = function(a, b, reason)
      signals:exit(a, b, reason)
    end,
    exit = function(a, reason)
      signals:exit_self(a, reason)
      ended[#ended + 1] = ("ended %d %s"):format(a, reason)
    end,
    monitor = function(a, b)
      local monitor = signals:monitor(a, b)
      monitors[#monitors + 1] = monitor
      numbers[monitor] = #monitors
    end,
    drain = drain,
  }
  local function perform(step)
    local kind, a = step[1], step[2]
    if kind == "demonitor" then
      local monitor = monitors[1] and monitors[a % #monitors + 1]
      if not monitor then
        out[#out + 1] = "none"
      elseif not signals:is_alive(monitor.watcher) then
        out[#out + 1] = "dead"
      else
        signals:demonitor(monitor, step[3])
      end
    elseif kind ~= "spawn" and not signals:is_alive(a) then
      out[#out + 1] = "dead"
    else
      STEP[kind](a, step[3], step[4])
    end
  end
  for index, step in ipairs(schedule.steps) do
    out[#out + 1] = ("step %d"):format(index)
    perform(step)
    table.sort(ended)
    table.move(ended, 1, #ended, #out + 1, out)
    ended = {}
  end
  for a = 1, all do
    perform { "drain", a }
  end
  return out
end

return M
