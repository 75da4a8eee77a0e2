-- SPDX-License-Identifier: MIT
--- Supervisors over running actors: `rt:supervise(tree)`.
--
--   local sup = assert(rt:supervise(rk.supervisor { intensity = 3, period = 5, children = {
--     { id = "reader", start = Reader }, { id = "sink", start = Sink, state = "keep" } } }))
--   sup.reader:send(Reading { sensor = 1 })
--   rt:on("restart", function(event) print(event.id, event.reason, event.code) end)
--
-- What happens when is decided by supervisor_engine.lua; supervision_world.lua does it. Everything
-- goes on inside poll, drain and calls that wait. Methods here wait until the supervisor has
-- answered; inside a function of an event or a subscription nothing can be waited for, there they
-- say "timeout" if the answer takes time, and what they asked for happens all the same.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local heartbeat = require "ringkernel.supervision_heartbeat"
local loop = require "ringkernel.loop"
local reasons = require "ringkernel.supervision_reason"
local replay = require "ringkernel.supervision_replay"
local specification = require "ringkernel.supervisor"
local worlds = require "ringkernel.supervision_world"
require "ringkernel.supervision_links"

local Runtime = core.methods "runtime"

local M = {}

local Supervisor = {}

local PARTS = setmetatable({}, { __mode = "k" }) -- supervisor object -> { world =, find = }

--- OTP's words as messages and codes.
local ANSWERS = {
  already_started = { "it runs already", "exists" },
  already_present = { "its specification is there already", "exists" },
  not_found = { "there is no such child", "not_found" },
  running = { "it runs", "invalid_state" },
  restarting = { "it is being restarted", "invalid_state" },
  simple_one_for_one = { "children of simple_one_for_one have no ids", "invalid_state" },
  noproc = { "the supervisor has ended", "terminated" },
}

local function world_of(rt)
  local world = worlds.of(rt)
  if not world.has_heartbeat then
    world.has_heartbeat = true
    heartbeat.watch(world)
  end
  return world
end

--- Waits until answered() says yes. False inside callbacks, where it cannot come.
local function wait(world, answered)
  world:settle()
  if answered() then
    return true
  elseif core.is_dispatching(world.rt) or world.engine.is_running then
    return false
  end
  return loop.wait(world.rt, nil, function()
    if answered() then
      return true
    elseif not core.is_open(world.rt) then
      return nil, "the runtime is closed", "closed"
    end
    return nil, "no answer", "empty"
  end, "no answer") == true
end

--- A specification as a running supervisor's object; find() gives its process, or nil.
local function object(world, name, find)
  local self = setmetatable({}, Supervisor)
  PARTS[self] = { world = world, name = name, find = find }
  return self
end

local function actor_of(ref)
  return type(ref) == "table" and ref.actor or nil
end

--- Asks the process; what it answered, or nil, message, code. `about`: the child concerned.
local function call(self, method, about, ...)
  local part = PARTS[self]
  local process = part.find()
  local where = about and ("%s '%s'"):format(method, tostring(about)) or method
  if not core.is_open(part.world.rt) then
    return nil, where .. ": the runtime is closed", "closed"
  elseif not process or not process.is_alive then
    return nil, ("%s: the supervisor '%s' has ended"):format(where, part.name), "terminated"
  end
  local answer
  local arguments = table.pack(...)
  arguments[arguments.n + 1] = function(...)
    answer = table.pack(...)
  end
  process[method](process, table.unpack(arguments, 1, arguments.n + 1))
  wait(part.world, function()
    return answer ~= nil
  end)
  if not answer then
    return nil, where .. ": under way; there is no waiting for it here", "timeout"
  elseif answer[1] == nil and answer[2] ~= nil then
    local known = type(answer[2]) == "string" and ANSWERS[answer[2]]
    if known then
      return nil, ("%s: %s"):format(where, known[1]), known[2]
    end
    return nil, ("%s: %s"):format(where, reasons.text(answer[2])),
      reasons.code(answer[2]) or "invalid_state"
  end
  return answer[1]
end

-- ---- administration -----------------------------------------------------------------------------

local methods = {}

--- Adds a child. Under simple_one_for_one: the list of arguments for its start.
function methods:start_child(child)
  local ref, text, code = call(self, "start_child", type(child) == "table" and child.id, child)
  if ref then
    return actor_of(ref) or self:supervisor(child.id)
  elseif text then
    return nil, text, code
  end
  return nil, "the start of the child was ignored", "empty"
end

--- Stops a child, by id or actor.
function methods:terminate_child(which)
  local part = PARTS[self]
  local ref = which
  if type(which) ~= "string" then
    local claimed = part.world.claims[which]
    local process = part.find()
    if not claimed or not process or claimed.owner ~= process then
      return nil, "terminate_child: the actor is no child of this supervisor", "not_found"
    end
    ref = process.template and claimed or claimed.id
  end
  return call(self, "terminate_child", type(which) == "string" and which or nil, ref)
end

--- Starts a child that was stopped or has ended.
function methods:restart_child(id)
  local ref, text, code = call(self, "restart_child", id, id)
  if ref then
    return actor_of(ref) or self:supervisor(id)
  elseif text then
    return nil, text, code
  end
  return nil, ("restart_child '%s': its start was ignored"):format(tostring(id)), "empty"
end

--- Forgets the specification of a child that does not run.
function methods:delete_child(id)
  local process = PARTS[self].find()
  local ok, text, code = call(self, "delete_child", id, id)
  if ok and process then
    process.seats[id] = nil
  end
  return ok, text, code
end

--- The specification of a child.
function methods:get_child(id)
  return call(self, "get_child", id, id)
end

--- Children, oldest first: { id, actor, type, state = "running" | "restarting" | "stopped" }.
function methods:which_children()
  local list, text, code = call(self, "which_children")
  if not list then
    return nil, text, code
  end
  local process = PARTS[self].find()
  local out = {}
  for index = #list, 1, -1 do
    local child = list[index]
    local seat = child.id and process and process.seats[child.id]
    out[#out + 1] = {
      id = child.id,
      actor = actor_of(child.ref) or seat and seat.actor or nil,
      type = child.type,
      state = child.ref and "running" or child.is_restarting and "restarting" or "stopped",
    }
  end
  return out
end

--- { specs =, active =, supervisors =, workers = }.
function methods:count_children()
  return call(self, "count_children")
end

--- Stops the children, newest first, and the supervisor. True when done.
function methods:stop(reason)
  local part = PARTS[self]
  local process = part.find()
  if process and process.is_alive and core.is_open(part.world.rt) then
    process:stop(reason)
    if not wait(part.world, function()
      return not process.is_alive
    end) then
      return nil, "stop: under way; there is no waiting for it here", "timeout"
    end
    part.world:settle()
  end
  return true
end

--- "running", or "stopped" and why.
function methods:state()
  local part = PARTS[self]
  local process = part.find()
  if process and process.is_alive then
    return "running"
  end
  local ended = process or part.last
  return "stopped", ended and ended.life and reasons.text(ended.life.reason) or nil
end

--- The actor of a child by id, of this supervisor or of one below it, whether it lives or not.
function methods:actor(id)
  local process = PARTS[self].find()
  local function look(seats)
    local seat = seats[id]
    if seat and seat.actor then
      return seat.actor
    end
    for _, below in pairs(seats) do
      local found = below.seats and look(below.seats)
      if found then
        return found
      end
    end
    return nil
  end
  return process and look(process.seats) or nil
end

--- The supervisor that is the child `id`; it stays good through its restarts.
function methods:supervisor(id)
  local part = PARTS[self]
  local process = part.find()
  local seat = process and process.seats[id]
  if not seat or not seat.nested then
    return nil
  end
  return object(part.world, id, function()
    return seat.nested
  end)
end

replay.add_to(methods, function(self)
  local part = PARTS[self]
  return part.world, part.find()
end)

local function lines_of(self, prefix, out)
  local list = self:which_children() or {}
  for index, child in ipairs(list) do
    local is_last = index == #list
    out[#out + 1] = ("%s%s %s: %s%s"):format(prefix, is_last and "`-" or "|-",
      child.id or child.actor and child.actor.name or "?", child.state,
      child.type == "supervisor" and ", supervisor" or "")
    local below = child.id and child.type == "supervisor" and self:supervisor(child.id)
    if below then
      lines_of(below, prefix .. (is_last and "   " or "|  "), out)
    end
  end
  return out
end

--- The running tree as text, one line a child.
function methods:tree()
  return table.concat(lines_of(self, "", { PARTS[self].name .. ": " .. (self:state()) }), "\n")
    .. "\n"
end

function Supervisor:__index(key)
  return methods[key] or type(key) == "string" and methods.actor(self, key) or nil
end

function Supervisor:__tostring()
  return ("ringkernel.supervision: %s (%s)"):format(PARTS[self].name, (self:state()))
end

Supervisor.__name = "ringkernel.supervision"

-- ---- start --------------------------------------------------------------------------------------

local OPTIONS = { name = { type = "name" } }

--- Starts a tree of supervised children. `seats`, if there, holds actors that wait to be children:
-- id -> { id =, start =, actor =, seats = those of a nested supervisor }; their first life begins
-- with a restart.
function M.start(rt, tree, name, seats)
  local world = world_of(rt)
  local is_answered, why = false, nil
  local process = world.engine:open(tree, { id = name, seats = seats, on_start = function(_, reason)
    is_answered, why = true, reason
  end })
  if process.is_alive then
    world.roots[process] = true
  end
  if not wait(world, function()
    return is_answered
  end) then
    return nil, "supervise: under way; there is no waiting for it here", "timeout"
  elseif why ~= nil then
    world:settle()
    return nil, ("supervise: %s"):format(reasons.text(why)), reasons.code(why) or "invalid_state"
  end
  return object(world, name, function()
    return process
  end)
end

--- Starts a tree of supervised children: supervisor | nil, message, code.
function Runtime:supervise(tree, options)
  if not specification.is_supervisor(tree) then
    check.fail("supervise: a supervisor (rk.supervisor) expected, got %s", check.describe(tree))
  end
  local name = options and check.options("supervise", options, OPTIONS).name or "root"
  if not core.is_open(self) then
    return nil, "supervise: the runtime is closed", "closed"
  end
  self:load(specification.definitions(tree)) -- one that fails is told by the start of its child
  return M.start(self, tree, name)
end

M.methods = methods

return M
