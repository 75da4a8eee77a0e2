-- SPDX-License-Identifier: MIT
--- Links and monitors between actors: `rt:link(a, b)`, `rt:monitor(a, fn)`.
--
-- The rules are Erlang's (exit_signals.lua). A process is one life of an actor: a link and a
-- monitor belong to that life and end with it, also when a supervisor begins the next one under the
-- same handle. An actor that ends through a link ends without its stop handler and for the same
-- reason; if it is supervised its supervisor decides what follows, if not it is terminated. The
-- host watches as one process of its own; functions run inside poll, drain and calls that wait.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local children = require "ringkernel.supervision_child"
local exit_signals = require "ringkernel.exit_signals"
local reasons = require "ringkernel.supervision_reason"
local worlds = require "ringkernel.supervision_world"

local Runtime = core.methods "runtime"

local HOST = { name = "host" }

local function check_actor(where, value)
  if type(value) ~= "userdata" and type(value) ~= "table" or not value.terminate then
    check.fail("%s: an actor expected, got %s", where, check.describe(value))
  end
end

--- The process of an actor's present life, or nil if it has ended or failed.
local function process_of(links, actor)
  local process = links.processes[actor]
  if process then
    return process
  end
  local state = actor.state and actor:state()
  if state == "terminated" or state == "failed" then
    return nil
  end
  process = { actor = actor, id = actor.id }
  links.processes[actor] = process
  links.signals:add(process)
  return process
end

--- Hands what the host was told to the functions.
local function deliver(world, links)
  for message in function() return links.signals:receive(HOST) end do
    local monitor = links.monitors[message.monitor]
    links.monitors[message.monitor] = nil
    if monitor then
      local text, code = reasons.split(message.reason)
      local event = { event = "down", actor = monitor.actor, reason = text, code = code,
        hlc = core.stamp(world.rt) or nil }
      local ok, problem = xpcall(monitor.fn, check.explain, event)
      if not ok then
        warn("ringkernel: error in a function of a monitor: ", problem)
      end
    end
  end
end

--- An exit signal has ended this process: its actor has to follow.
local function follow(world, links, process, reason)
  local actor = process.actor
  if links.processes[actor] == process then
    links.processes[actor] = nil
  end
  local ref = world.claims[actor]
  if ref then
    ref.reason = reason
    children.kill(world, ref)
  elseif actor.id == process.id then
    children.kill_alone(world, actor)
  end
end

local function links_of(rt)
  local world = worlds.of(rt)
  if world.links then
    return world.links, world
  end
  local links = { processes = setmetatable({}, { __mode = "k" }), monitors = {} }
  links.signals = exit_signals.new {
    ended = function(process, reason)
      follow(world, links, process, reason)
    end,
  }
  links.signals:add(HOST)
  links.signals:trap_exit(HOST, true)
  world.links = links
  world.over[#world.over + 1] = function(actor, reason, actor_id)
    local process = links.processes[actor]
    if process and (not actor_id or actor_id == process.id) then
      links.processes[actor] = nil
      links.signals:exit_self(process, reason)
    end
    deliver(world, links)
  end
  return links, world
end

local function open(rt, where)
  if not core.is_open(rt) then
    return nil, where .. ": the runtime is closed", "closed"
  end
  return links_of(rt)
end

local function gone(where, actor)
  return nil, ("%s: '%s' has ended"):format(where, tostring(actor.name or actor.id)), "terminated"
end

--- Links two actors: when one ends for another reason than "normal", so does the other.
function Runtime:link(a, b)
  check_actor("link", a)
  check_actor("link", b)
  local links, text, code = open(self, "link")
  if not links then
    return nil, text, code
  end
  local from, to = process_of(links, a), process_of(links, b)
  if not from or not to then
    return gone("link", from and b or a)
  end
  links.signals:link(from, to)
  return true
end

--- Takes a link away, if there is one.
function Runtime:unlink(a, b)
  check_actor("unlink", a)
  check_actor("unlink", b)
  local links, text, code = open(self, "unlink")
  if not links then
    return nil, text, code
  end
  local from, to = links.processes[a], links.processes[b]
  if from and to then
    links.signals:unlink(from, to)
  end
  return true
end

local Monitor = { __name = "ringkernel.monitor" }
Monitor.__index = Monitor

--- Ends it: the function is not called any more, also for an end that was not yet told.
function Monitor:close()
  local links = self.links
  if links then
    self.links = nil
    links.monitors[self.monitor] = nil
    links.signals:demonitor(self.monitor, true)
  end
  return true
end
Monitor.__close = Monitor.close

--- Calls fn { event = "down", actor =, reason =, code =, hlc = } once, when this life of the actor
-- has ended; reason "noproc" if it has already.
function Runtime:monitor(actor, fn)
  check_actor("monitor", actor)
  if type(fn) ~= "function" then
    check.fail("monitor: a function expected, got %s", check.describe(fn))
  end
  local links, world, code = open(self, "monitor")
  if not links then
    return nil, world, code
  end
  local process = process_of(links, actor)
  local monitor = links.signals:monitor(HOST, process or { actor = actor })
  links.monitors[monitor] = { actor = actor, fn = fn }
  if not process then
    world:after(0, function()
      deliver(world, links)
    end)
  end
  return setmetatable({ links = links, monitor = monitor }, Monitor)
end

return Monitor
