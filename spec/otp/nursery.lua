-- A tree of supervisors over children that are only names, for the specs of named behaviours.
--
--   local n = nursery.open { strategy = "one_for_all", children = { n.worker "a" } }
--   n:crash("a")       n:take() --> "-a#1:crash +a#2": what happened since the last take
--
-- Lives are numbered by id: a#1, a#2. `n.plan.a = { "e1" }` makes the next start of a fail for e1
-- ("ignore": there is to be no child).

local engine = require "ringkernel.supervisor_engine"
local supervisor = require "ringkernel.supervisor"

local M = {}

local Nursery = {}
Nursery.__index = Nursery

--- A child's options; `how`: "stubborn" does not end before it is killed, any other word is the
-- reason it ends for when it is told to shut down.
function M.worker(id, options, how)
  local child = { id = id, start = function()
    return how or "shutdown"
  end }
  for key, value in pairs(options or {}) do
    child[key] = value
  end
  return child
end

--- A child that is a supervisor.
function M.nested(id, spec, options)
  local child = M.worker(id, options)
  child.start = supervisor.new(spec)
  return child
end

function M.text(reason)
  if type(reason) ~= "table" then
    return tostring(reason)
  end
  local out = {}
  for index, part in ipairs(reason) do
    out[index] = M.text(part)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

function Nursery:log(format, ...)
  self.events[#self.events + 1] = format:format(...)
end

--- What happened since the last time, in one line.
function Nursery:take()
  local text = table.concat(self.events, " ")
  self.events = {}
  return text
end

local function attempt(self, child)
  self.count[child.id] = (self.count[child.id] or 0) + 1
  local plan = self.plan[child.id]
  local word = plan and table.remove(plan, 1)
  if word == "raise" then
    error("boom", 0)
  end
  return word ~= "ok" and word or nil
end

function Nursery:start_child(child, args)
  local problem = attempt(self, child)
  if problem then
    return nil, problem
  end
  local ref = { name = ("%s#%d"):format(child.id, self.count[child.id]),
    how = child.start(table.unpack(args or {})) }
  self.last[child.id] = ref
  return ref
end

function Nursery:start_supervisor(child, _, handle)
  local problem = attempt(self, child)
  if problem then
    return nil, problem
  end
  handle.name = ("%s#%d"):format(child.id, self.count[child.id])
  self.last[child.id] = handle
  return true
end

function Nursery:stop_child(ref, signal)
  if signal == "kill" then
    self.engine:exited(ref, "killed")
  elseif signal ~= "shutdown" then
    self.engine:exited(ref, signal)
  elseif ref.how ~= "stubborn" then
    self.engine:exited(ref, ref.how)
  else
    self:log("?%s", ref.name)
  end
end

function Nursery:now()
  return self.time
end

local function name_of(ref)
  return ref and ref.name or "root"
end

function Nursery:emit(event)
  local kind = event.event
  if kind == "started" then
    self:log("+%s%s", name_of(event.ref), event.args and #event.args > 0
      and "(" .. table.concat(event.args, ",") .. ")" or "")
  elseif kind == "ended" then
    self:log("-%s:%s", name_of(event.ref), M.text(event.reason))
  elseif kind == "start_failed" then
    self:log("!%s:%s", event.id, M.text(event.reason))
  elseif kind == "ignored" then
    self:log("~%s", event.id)
  end
  self.told[#self.told + 1] = event
end

--- The child ends for `reason` ("crash").
function Nursery:crash(id, reason)
  self:end_of(self.last[id], reason)
end

function Nursery:end_of(ref, reason)
  if ref.spec then
    ref:stop(reason or "crash")
  else
    assert(self.engine:exited(ref, reason or "crash"), "no such child is alive")
  end
end

--- Calls a method of a supervisor (the root, or the newest one called `id`); its answer.
function Nursery:ask(id, method, argument)
  local handle = id == "root" and self.root or self.last[id]
  local answer = table.pack("never answered")
  local function done(...)
    answer = table.pack(...)
  end
  if method == "which_children" or method == "count_children" then
    handle[method](handle, done)
  else
    handle[method](handle, argument, done)
  end
  return table.unpack(answer, 1, answer.n)
end

--- which_children of a supervisor as text: "b=b#1 a=none".
function Nursery:which(id)
  local out = {}
  for index, child in ipairs((self:ask(id or "root", "which_children"))) do
    out[index] = ("%s=%s"):format(child.id or "", child.is_restarting and "restarting"
      or child.ref and child.ref.name or "none")
  end
  return table.concat(out, " ")
end

--- count_children as text: specs/active/supervisors/workers.
function Nursery:counts(id)
  local c = self:ask(id or "root", "count_children")
  return ("%d/%d/%d/%d"):format(c.specs, c.active, c.supervisors, c.workers)
end

--- Time passes; children whose time to shut down is over are killed.
function Nursery:wait(seconds)
  self.time = self.time + seconds
  self.engine:expire(self.time)
end

function Nursery:is_up()
  return self.root ~= nil and self.engine:is_alive(self.root)
end

--- Starts a tree. `plan` as above.
function M.open(spec, plan)
  local self = setmetatable({ time = 100, events = {}, told = {}, count = {}, last = {},
    plan = plan or {} }, Nursery)
  self.engine = engine.new(self)
  self.handle = self.engine:open(supervisor.new(spec), {
    on_start = function(handle, reason)
      self.root, self.problem = handle, reason
    end,
    on_end = function(reason)
      self.ended = reason
    end,
  })
  return self
end

return M
