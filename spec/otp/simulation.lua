-- Runs a schedule through lua/ringkernel's supervisors over children that only exist as tables, and
-- gives the lines that judge.erl writes for the same schedule run by OTP.
--
-- A child is one of five kinds: plain (ends when told to), trap (the same, by its own decision),
-- content (ends with "normal"), sour (ends with "sour"), stubborn (does not end before it is
-- killed). Attempts to start are numbered by id over the whole schedule, and a child's plan says
-- how each goes.

local engine = require "ringkernel.supervisor_engine"
local supervisor = require "ringkernel.supervisor"
local terms = dofile("spec/otp/terms.lua")

local M = {}

local World = {}
World.__index = World

local plain = terms.plain

local function name_of(ref)
  return ref == nil and "undefined" or ref.name or ref.id .. "#1"
end

--- The start of a child in the schedule's own terms: what its plan says about this attempt.
function World:attempt(id)
  local number = (self.attempts[id] or 0) + 1
  self.attempts[id] = number
  local word = self.plans[id] and self.plans[id][number] or "ok"
  return ("%s#%d"):format(id, number), number, word
end

local function refuse(word)
  if word == "ignore" then
    return nil, "ignore"
  elseif word[1] == "raise" then
    error(word[2], 0)
  end
  return nil, word[2]
end

function World:start_child(child, _, owner)
  local name, number, word = self:attempt(child.id)
  if word ~= "ok" then
    return refuse(word)
  end
  local life = { name = name, id = child.id, number = number, owner = owner,
    mode = child.start(), kind = "worker" }
  self.lives[#self.lives + 1] = life
  return life
end

function World:start_supervisor(child, _, handle, owner)
  local name, number, word = self:attempt(child.id)
  if word ~= "ok" then
    return refuse(word)
  end
  handle.name, handle.number, handle.kind = name, number, "supervisor"
  handle.owner = owner
  self.lives[#self.lives + 1] = handle
  return true
end

function World:stop_child(life, signal)
  if signal == "kill" then
    self.engine:exited(life, "killed")
  elseif signal ~= "shutdown" then
    self.engine:exited(life, signal)
  elseif life.mode == "sour" or life.mode == "content" then
    self.engine:exited(life, life.mode == "sour" and "sour" or "normal")
  elseif life.mode ~= "stubborn" then
    self.engine:exited(life, "shutdown")
  end
end

function World:now()
  return self.time
end

--- The name a failed attempt had. Attempts of other ids may have come in between, the number of
-- this one's has not changed since.
function World:attempted(id)
  return ("%s#%d"):format(id, self.attempts[id])
end

function World:emit(event)
  local owner = event.supervisor and name_of(event.supervisor) or "-"
  local kind = event.event
  if kind == "started" then
    self:say("+ %s %s [%s]", name_of(event.ref), owner, table.concat(event.args or {}, ","))
  elseif kind == "start_failed" then
    self:say("! %s %s %s", self:attempted(event.id), owner, plain(event.reason))
  elseif kind == "ignored" then
    self:say("~ %s %s", self:attempted(event.id), owner)
  elseif kind == "ended" then
    event.ref.has_ended = true
    self:say("- %s %s %s", name_of(event.ref), owner, plain(event.reason))
  end
end

function World:say(format, ...)
  self.lines[#self.lines + 1] = format:format(...)
end

-- ---- specifications -----------------------------------------------------------------------------

local function specification(self, sup)
  local children = {}
  for index, child in ipairs(sup.children) do
    children[index] = self:child(child)
  end
  return supervisor.new {
    strategy = sup.strategy,
    intensity = sup.intensity,
    period = sup.period,
    auto_shutdown = sup.auto_shutdown,
    children = children,
  }
end

function World:child(child)
  self.plans[child.id] = child.plan
  local shutdown = child.shutdown
  return {
    id = child.id,
    start = child.sup and specification(self, child.sup) or function()
      return child.mode
    end,
    restart = child.restart,
    shutdown = type(shutdown) == "number" and shutdown / 1000 or shutdown,
    type = child.type,
    significant = child.significant,
  }
end

-- ---- answers ------------------------------------------------------------------------------------

local function which(list)
  local out = {}
  if list[1] and not list[1].id then -- dynamic: those that are restarting come last
    table.sort(list, function(a, b)
      return (a.ref and a.ref.number or math.huge) < (b.ref and b.ref.number or math.huge)
    end)
  end
  for index, child in ipairs(list) do
    out[index] = ("%s=%s:%s"):format(child.id or "undefined",
      child.is_restarting and "restarting" or name_of(child.ref), child.type)
  end
  return "[" .. table.concat(out, ",") .. "]"
end

local function counts(count)
  return ("%d/%d/%d/%d"):format(count.specs, count.active, count.supervisors, count.workers)
end

local function answer(request, value, reason, ref)
  if value == nil and reason == "noproc" then
    return "gone"
  elseif request[1] == "which_children" then
    return which(value)
  elseif request[1] == "count_children" then
    return counts(value)
  elseif value == nil and reason == "already_started" then
    return "error already_started " .. name_of(ref)
  elseif value == nil and reason ~= nil then
    return "error " .. plain(reason)
  elseif request[1] == "get_childspec" then
    local shutdown = value.shutdown
    return ("%s %s %s %s"):format(value.restart, type(shutdown) == "number"
      and ("%.0f"):format(shutdown * 1000) or shutdown, value.type, value.significant)
  elseif request[1]:find("^start_") or request[1] == "restart_child" then
    return "ok " .. name_of(value)
  end
  return "ok"
end

-- ---- steps --------------------------------------------------------------------------------------

local function target(self, id, k)
  local live = {}
  for _, life in ipairs(self.lives) do
    if life.id == id and (not self.within or self.within == life.owner)
      and self.engine:is_alive(life) then
      live[#live + 1] = life
    end
  end
  table.sort(live, function(a, b)
    return a.number < b.number
  end)
  return live[1] and live[k % #live + 1]
end

local NAMES = { start_dynamic = "start_child", terminate_dynamic = "terminate_child",
  get_childspec = "get_child" }

--- Sends a request; its answer gets its place among `answers` now and its text later.
local function send(self, handle, request, answers)
  local argument = request[2]
  if request[1] == "start_child" then
    argument = self:child(argument)
  elseif request[1] == "terminate_dynamic" then
    argument = target(self, request[2], request[3])
    if not argument then
      answers[#answers + 1] = "none"
      return
    end
  end
  local at = #answers + 1
  answers[at] = "never answered"
  local function done(...)
    answers[at] = answer(request, ...)
  end
  local method = handle[NAMES[request[1]] or request[1]]
  if request[1] == "which_children" or request[1] == "count_children" then
    method(handle, done)
  else
    method(handle, argument, done)
  end
end

local STEP = {}

local function fault(self, life, answers, reason)
  if not life then
    answers[#answers + 1] = "none"
  elseif life.kind == "worker" then
    self.engine:exited(life, reason or "killed")
  elseif reason then
    life:stop(reason)
  else
    life:kill()
  end
end

function STEP.exit(self, step, answers)
  fault(self, target(self, step[2], step[3]), answers, step[4])
end

function STEP.kill(self, step, answers)
  fault(self, target(self, step[2], step[3]), answers)
end

function STEP.advance(self, step)
  self.time = self.time + step[2] / 1000
end

function STEP.sleep(self, step)
  self.time = self.time + step[2] / 1000
end

function STEP.stop(self, step, answers)
  if not self.root or not self.engine:is_alive(self.root) then
    answers[#answers + 1] = "none"
    return
  end
  self.root:stop(step[2])
end

function STEP.call(self, step, answers)
  local handle = target(self, step[2], step[3])
  if not handle then
    answers[#answers + 1] = "none"
    return
  end
  send(self, handle, step[4], answers)
end

--- The supervisor does nothing until all parts are there: they wait in its mailbox.
function STEP.batch(self, step, answers)
  local handle = target(self, step[2], step[3])
  if not handle then
    answers[#answers + 1] = "none"
    return
  end
  handle:suspend()
  self.within = handle
  for _, part in ipairs(step[4]) do
    if part[1] == "request" then
      send(self, handle, part[2], answers)
    else
      STEP[part[1]](self, part, answers)
      self:settle()
    end
  end
  self.within = nil
  handle:resume()
end

--- Gives stopping children the time they have, without moving the clock that restarts are
-- counted by: OTP's schedules wait a few real milliseconds there.
function World:settle()
  local deadline = self.engine:deadline()
  while deadline do
    self.engine:expire(deadline)
    deadline = self.engine:deadline()
  end
end

local function report(self, answers)
  for _, text in ipairs(answers) do
    self:say("> %s", text)
  end
  local live = {}
  for _, life in ipairs(self.lives) do
    if life.kind == "supervisor" and self.engine:is_alive(life) then
      live[#live + 1] = life
    end
  end
  table.sort(live, function(a, b)
    if a.id ~= b.id then
      return a.id < b.id
    end
    return a.number < b.number
  end)
  local said = {}
  for _, handle in ipairs(live) do
    local children, count
    handle:which_children(function(list)
      children = list
    end)
    handle:count_children(function(table)
      count = table
    end)
    local line = ("%s %s %s"):format(name_of(handle), which(children), counts(count))
    said[handle] = line
    if self.said[handle] ~= line then
      self:say("%s", line)
    end
  end
  self.said = said
end

--- The lines of a schedule.
function M.run(schedule)
  local self = setmetatable({ time = 0, lines = {}, attempts = {}, plans = {}, lives = {},
    said = {} }, World)
  self.engine = engine.new(self)
  local answers = {}
  self:say("= %d", schedule.number)
  self:say("step 0")
  local spec = specification(self, schedule.sup)
  local id = schedule.sup.id
  self.attempts[id] = 1
  local root = self.engine:open(spec, {
    id = id,
    on_start = function(handle, reason)
      self.root = handle
      answers[1] = handle and "ok" or "error " .. plain(reason)
    end,
  })
  root.name, root.number, root.kind = id .. "#1", 1, "supervisor"
  self.lives[#self.lives + 1] = root
  self:settle()
  report(self, answers)
  for index, step in ipairs(schedule.steps) do
    answers = {}
    self:say("step %d", index)
    STEP[step[1]](self, step, answers)
    self:settle()
    report(self, answers)
  end
  return self.lines
end

return M
