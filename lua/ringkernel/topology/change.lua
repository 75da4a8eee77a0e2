-- SPDX-License-Identifier: MIT
--- sys:apply: from the plan that runs to another one, without losing a message.
--
--  1. What is new, and what takes the place of a changed actor (under the name "<name>.new"), is
--     compiled, launched, connected and started. If any of that fails it is all ended again: the
--     running system has not been touched.
--  2. Each kept sender whose links change is suspended, its ports are moved, and it goes on: no
--     handler runs while a port leads nowhere, and what is queued behind it stays queued. If a move
--     fails, those done are moved back and step 1 is undone.
--  3. Removed and replaced actors, into which no link leads any more except from each other, drain,
--     senders first, and end. A replacement is activated when its predecessor has ended, so the
--     order of messages through it is kept, and takes over the name.
--
-- What has not drained in time goes on draining: sys:settle() and the next apply look after it.

local core = require "ringkernel.core"
local drain = require "ringkernel.topology.drain"
local hosted = require "ringkernel.hosted"
local launching = require "ringkernel.topology.launching"
local plans = require "ringkernel.topology.plan"
local registry = require "ringkernel.registry"
local supervision = require "ringkernel.topology.supervision"

local M = {}

local function sorted(set)
  local out = {}
  for name in pairs(set) do
    out[#out + 1] = name
  end
  table.sort(out)
  return out
end

--- Nodes whose actor ended by itself are no part of what runs; a plan that has them launches them.
-- A supervised one is its supervisor's.
local function forget_ended(state)
  for name, actor in pairs(state.handles) do
    if actor:state() == "terminated" and not state.net.supervised[name] then
      state.handles[name] = nil
      state.plan.nodes[name] = nil
    end
  end
end

-- ---- 2: moving links ----------------------------------------------------------------------------

--- Suspends a sender that handles messages in the grid; returns whether it has to be resumed.
local function suspend(actor)
  return not hosted.is_hosted(actor) and actor:state() == "active" and actor:deactivate() == true
end

local function untie(rt, from, port)
  local ok, message, code = rt:disconnect(from, port)
  if not ok and code ~= "not_found" then
    return nil, message, code
  end
  return true
end

--- Unties all ports, then ties them to whom `target` names; nil, message, code at the first
-- failure. All are untied first, because two ports may change places and a queue may not have room
-- for both.
local function tie_all(state, moves, target)
  for _, move in ipairs(moves) do
    local ok, message, code = untie(state.rt, state.handles[move.from], move.port)
    if not ok then
      return nil, ("link '%s.%s': %s"):format(move.from, move.port, message), code
    end
  end
  for _, move in ipairs(moves) do
    local to, name, flow = target(move)
    if to then
      local ok, message, code = state.rt:connect(state.handles[move.from], move.port, to, flow)
      if not ok then
        return nil, ("link '%s.%s -> %s': %s"):format(move.from, move.port, name, message), code
      end
    end
  end
  return true
end

--- Moves links of kept senders; all or none. `handle_of` knows the new actors, state the old ones.
local function move_links(state, moves, handle_of)
  local suspended = {}
  for _, move in ipairs(moves) do
    if suspended[move.from] == nil then
      suspended[move.from] = suspend(state.handles[move.from])
    end
  end
  local ok, message, code = tie_all(state, moves, function(move)
    return move.new and handle_of(move.new), move.new, move.new_flow
  end)
  if not ok then
    tie_all(state, moves, function(move)
      return move.old and state.handles[move.old], move.old, move.old_flow
    end)
  end
  for name, is_suspended in pairs(suspended) do
    if is_suspended then
      state.handles[name]:activate()
    end
  end
  if not ok then
    return nil, "apply: " .. message, code
  end
  return true
end

-- ---- 3: retiring --------------------------------------------------------------------------------

--- The predecessor is gone: the replacement takes over. Returns nil, message if it cannot.
local function take_over(rt, entry)
  local actor = entry.replacement
  if not actor then
    return true
  end
  if entry.activate and actor:state() ~= "active" then
    local ok, message = actor:activate()
    if not ok then
      return nil, message
    end
  end
  return registry.rename(rt, actor, entry.registered)
end

--- Drains what retires until `deadline`. Returns the sorted names of what is left.
function M.settle(state, deadline)
  if #state.retiring == 0 then
    return {}
  end
  local left = drain.run(state.rt, state.retiring, state.retiring_edges, deadline, function(entry)
    if entry.actor:state() ~= "terminated" then
      entry.actor:terminate()
    end
    local ok, message = take_over(state.rt, entry)
    if not ok then
      warn(("ringkernel: topology: actor '%s': %s"):format(entry.name, tostring(message)))
    end
  end)
  local names = {}
  for _, entry in ipairs(left) do
    names[entry.name] = true
    -- Waiting any longer could hold up what it waits for itself.
    if entry.replacement and entry.activate and entry.replacement:state() ~= "active" then
      entry.replacement:activate()
    end
  end
  state.retiring = left
  return sorted(names)
end

--- Notes removed and replaced actors as retiring.
local function retire(state, difference, plan, new_handles)
  for _, set in ipairs { difference.removed, difference.changed } do
    for name in pairs(set) do
      local node = plan.nodes[name]
      state.retiring[#state.retiring + 1] = {
        name = name,
        actor = state.handles[name],
        replacement = difference.changed[name] and new_handles[name] or nil,
        activate = node and node.activate,
        registered = plan.prefix .. name,
      }
    end
  end
  state.retiring_edges = state.plan.edges
end

-- ---- 1 ------------------------------------------------------------------------------------------

--- Launches, connects and starts what is added or changed. Returns name -> handle and the list.
local function build(state, plan, difference, order)
  local rt, fresh, names = state.rt, {}, {}
  for _, name in ipairs(order) do
    if difference.added[name] or difference.changed[name] then
      names[#names + 1] = name
      fresh[name] = true
      plan.nodes[name].is_new = difference.added[name]
    end
  end
  local ok, message, code, log = launching.prepare(rt, plan, names, "apply")
  if not ok then
    return nil, message, code, log
  end
  local handles, launched
  handles, launched, code, log = launching.launch(rt, plan, names, function(name)
    return plan.prefix .. name .. (difference.changed[name] and ".new" or "")
  end, "apply")
  if not handles then
    return nil, launched, code, log
  end
  local function handle_of(name)
    return handles[name] or state.handles[name]
  end
  ok, message, code = launching.connect(rt, plan, fresh, handle_of, "apply")
  if ok then
    ok, message, code = launching.activate(plan, names, handle_of, "apply")
  end
  if not ok then
    launching.undo(launched)
    return nil, message, code
  end
  for name in pairs(difference.changed) do -- started, which could have failed; its turn comes later
    if plan.nodes[name].activate then
      handles[name]:deactivate()
    end
  end
  return handles, launched
end

--- What can be changed of a kept actor while it runs: its tags, and that it is to be active now.
local function update(state, node)
  local actor = state.handles[node.name]
  registry.tag(state.rt, actor, node.tags)
  if node.activate and actor:state() == "launched" then
    actor:activate()
  end
end

--- Changes the running system `state` into what `net` says. A report | nil, message, code [, log].
function M.apply(state, net, deadline)
  local left = M.settle(state, core.clock())
  if #left > 0 then
    left = M.settle(state, deadline)
  end
  if #left > 0 then
    return nil, ("apply: the last change is not done: '%s' still drain"):format(
      table.concat(left, "', '")), "timeout"
  end
  forget_ended(state)
  local plan = plans.of(net)
  local difference = plans.difference(state.plan, plan)
  local obstacle = supervision.obstacle(state.net, net,
    { difference.added, difference.changed, difference.removed })
  if obstacle then
    return nil, "apply: " .. obstacle, "unsupported"
  end
  local handles, launched, code, log = build(state, plan, difference, plans.start_order(plan))
  if not handles then
    return nil, launched, code, log
  end
  local function handle_of(name)
    return handles[name] or state.handles[name]
  end
  local ok, message
  ok, message, code = move_links(state, difference.moves, handle_of)
  if not ok then
    launching.undo(launched)
    return nil, message, code
  end
  retire(state, difference, plan, handles)
  for name in pairs(difference.removed) do
    state.handles[name] = nil
  end
  for name in pairs(difference.kept) do
    update(state, plan.nodes[name])
  end
  for name, actor in pairs(handles) do
    state.handles[name] = actor
  end
  state.plan, state.net = plan, net
  return {
    added = sorted(difference.added),
    removed = sorted(difference.removed),
    changed = sorted(difference.changed),
    links = #difference.moves,
    draining = M.settle(state, deadline),
  }
end

return M
