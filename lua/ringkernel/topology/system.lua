-- SPDX-License-Identifier: MIT
--- A deployed topology: `rt:deploy(net)` and what can be done with it.
--
-- Actors are launched inactive, connected, and activated with the receivers first, so that start
-- handlers can use their ports and nobody sends into the void. `sys.name` is the actor's handle; a
-- topology with name = "plant" registers its actors as "plant/name".

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local change = require "ringkernel.topology.change"
local drain = require "ringkernel.topology.drain"
local ending = require "ringkernel.topology.ending"
local launching = require "ringkernel.topology.launching"
local lineage = require "ringkernel.topology.lineage"
local plans = require "ringkernel.topology.plan"
local supervision = require "ringkernel.topology.supervision"
local text = require "ringkernel.topology.text"

local M = {}

local DEFAULT_TIMEOUT = 5 -- seconds to drain

-- system -> { rt, net, plan, handles, supervisor, retiring, lineage, is_stopped }
local inner = setmetatable({}, { __mode = "k" })

local System = {}

local Meta = { __name = "ringkernel.system" }

function Meta.__index(self, key)
  if System[key] then
    return System[key]
  end
  local state = inner[self]
  if key == "runtime" then
    return state.rt
  elseif key == "net" then
    return state.net.object
  elseif key == "supervisor" then
    return state.supervisor
  end
  local node = state.plan.nodes[key]
  if node then
    return not node.is_hidden and state.handles[key] or nil
  end
  return state.supervisor and type(key) == "string" and state.supervisor:actor(key) or nil
end

function Meta.__newindex(_, key)
  check.fail("a deployed topology has no field %s to set; change it with sys:apply(net)",
    check.describe(key))
end

function Meta.__tostring(self)
  local state = inner[self]
  return ("ringkernel.system: %s(%s)"):format(state.plan.prefix,
    state.is_stopped and "stopped" or ("%d actors"):format(#state.net.names))
end

--- Brings a checked network into being: sys | nil, message, code [, log].
function M.deploy(rt, net)
  local plan = plans.of(net)
  local order, all = plans.start_order(plan), {}
  for _, name in ipairs(order) do
    plan.nodes[name].is_new = true
    all[name] = true
  end
  local ok, message, code, log = launching.prepare(rt, plan, order, "deploy")
  if ok then
    ok, message, code = lineage.start(rt, net, "deploy")
  end
  if not ok then
    return nil, message, code, log
  end
  local handles, launched
  handles, launched, code, log = launching.launch(rt, plan, order, function(name)
    return plan.prefix .. name
  end, "deploy")
  if not handles then
    return nil, launched, code, log
  end
  local function handle_of(name)
    return handles[name]
  end
  ok, message, code = launching.connect(rt, plan, all, handle_of, "deploy")
  if ok then
    ok, message, code = launching.activate(plan, order, handle_of, "deploy")
  end
  local supervisor
  if ok then
    supervisor, message, code = supervision.start(rt, net, handles)
    ok = not code
    message = message and "deploy: " .. message
  end
  if not ok then
    launching.undo(launched)
    return nil, message, code
  end
  local sys = setmetatable({}, Meta)
  inner[sys] = { rt = rt, net = net, plan = plan, handles = handles, supervisor = supervisor,
    retiring = {}, lineage = lineage.note({}, net, plan) }
  return sys
end

local OPTIONS = { timeout = { type = "number", min = 0 } }

local function deadline_of(where, options)
  local seconds = DEFAULT_TIMEOUT
  if type(options) == "number" then
    options = { timeout = options }
  end
  if options ~= nil then
    seconds = check.timeout(where, check.options(where, options, OPTIONS).timeout) or seconds
  end
  return core.clock() + seconds
end

local function is_usable(state)
  if state.is_stopped then
    return nil, "the topology was stopped", "closed"
  elseif not core.is_open(state.rt) then
    return nil, "the runtime is closed", "closed"
  end
  return true
end

--- Changes what differs from `net`, and only that. Returns a report { added, removed, changed,
-- links, draining } of sorted names | nil, message, code [, log] with nothing changed.
function System:apply(net, options)
  local state = inner[self]
  local deadline = deadline_of("apply", options)
  net = M.checked(net, "apply")
  if net.prefix ~= state.plan.prefix then
    check.fail("apply: a topology called '%s' expected, got '%s'", state.plan.prefix, net.prefix)
  end
  local ok, message, code = is_usable(state)
  if not ok then
    return nil, message, code
  end
  ok, message, code = lineage.start(state.rt, net, "apply")
  if not ok then
    return nil, message, code
  end
  lineage.note(state.lineage, net, plans.of(net))
  return change.apply(state, net, deadline)
end

--- Where the messages of its actors came from, as a PROV document | nil, message, code.
function System:provenance()
  return lineage.document(inner[self].rt, inner[self].lineage)
end

--- Goes on draining what an apply left behind. Returns the sorted names that still are not done.
function System:settle(options)
  local deadline = deadline_of("settle", options)
  return change.settle(inner[self], deadline)
end

--- Everything that lives, and what ends one of it for good.
local function everything(state)
  local entries = {}
  for _, entry in ipairs(state.retiring) do
    entries[#entries + 1] = { name = entry.name .. "~", actor = entry.actor }
  end
  for name, actor in pairs(state.handles) do
    entries[#entries + 1] = { name = name, actor = actor,
      is_hidden = state.plan.nodes[name].is_hidden }
  end
  return entries, state.plan.edges, function(entry)
    if state.net.supervised[entry.name] then
      supervision.finish(state.supervisor, state.net, entry.name)
    end
    if entry.actor:state() ~= "terminated" then
      entry.actor:terminate()
    end
  end
end

local function stopped(state)
  if state.supervisor then
    state.supervisor:stop()
  end
  state.retiring = {}
  state.is_stopped = true
end

--- Ends everything, senders before receivers, each once its queue is empty; after `timeout` seconds
-- the rest as it is. Returns true and how many messages went to the dead letters because of that.
function System:stop(options)
  local state = inner[self]
  local deadline = deadline_of("stop", options)
  if state.is_stopped or not core.is_open(state.rt) then
    state.is_stopped = true
    return true, 0
  end
  change.settle(state, core.clock())
  local lost = 0
  local entries, edges, terminate = everything(state)
  local function finish(entry)
    lost = lost + (core.actor_depth(entry.actor) or 0)
    terminate(entry)
  end
  for _, entry in ipairs(drain.run(state.rt, entries, edges, deadline, finish)) do
    finish(entry)
  end
  stopped(state)
  return true, lost
end

--- Ends everything in an order, and tells how that went: { drained, forced, left_messages,
-- seconds } | nil, message, code.
function System:drain(options)
  local state = inner[self]
  local ok, message, code = is_usable(state)
  if not ok then
    return nil, message, code
  end
  local info = ending.system(state.rt, options, function()
    change.settle(state, core.clock())
    return everything(state)
  end)
  stopped(state)
  return info
end

--- The actors by name.
function System:actors()
  local state = inner[self]
  local out = {}
  for _, name in ipairs(state.net.names) do
    out[name] = state.handles[name]
  end
  return out
end

--- An ASCII tree with the state of every actor, what waits for it, what it handled, how much of
-- that a second (from the second call on), latencies where they are kept; then the supervisors.
function System:tree()
  local state = inner[self]
  local out = text.tree(state.net, function(name)
    return text.live(state, name)
  end)
  return state.supervisor and out .. state.supervisor:tree() or out
end

--- Graphviz text of the topology as it is deployed.
function System:dot()
  return text.dot(inner[self].net)
end

M.methods = System

return M
