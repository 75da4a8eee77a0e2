-- SPDX-License-Identifier: MIT
--- Ends actors without losing what waits for them: senders before receivers, each once it is idle.
--
-- Whether an actor is idle is asked of its block, between two handlings (core.actor_depth). A group
-- of actors that send to each other is idle when all of their queues were empty in two rounds and
-- none of them handled anything between: then nothing was on its way.
--
-- An actor that handles nothing (failed, deactivated, never activated) cannot get idle; it is ended
-- as it is, and its messages go to the dead letters.

local core = require "ringkernel.core"
local graph = require "ringkernel.topology.graph"

local M = {}

local PAUSE = 0.002 -- seconds between two rounds

--- Sums over living members: messages waiting, messages handled; and whether one that has messages
-- cannot handle them.
local function measure(members)
  local depth, handled, is_stuck = 0, 0, false
  for _, entry in ipairs(members) do
    local waiting, count = core.actor_depth(entry.actor)
    if waiting then
      depth, handled = depth + waiting, handled + count
      if waiting > 0 and entry.actor:state() ~= "active" then
        is_stuck = true
      end
    end
  end
  return depth, handled, is_stuck
end

--- Whether a group is idle, or can never be.
function M.is_done(members)
  local depth, handled, is_stuck = measure(members)
  if is_stuck then
    return true
  elseif depth > 0 then
    return false
  end
  local again, now = measure(members)
  return again == 0 and now == handled
end

--- Groups of entries, senders first, each with the groups it has to wait for.
function M.group(entries, edges)
  local by_name, names, targets = {}, {}, {}
  for _, entry in ipairs(entries) do
    by_name[entry.name] = entry
    names[#names + 1] = entry.name
    targets[entry.name] = {}
  end
  table.sort(names)
  for _, edge in ipairs(edges) do
    if by_name[edge.from] and by_name[edge.to] then
      table.insert(targets[edge.from], edge.to)
    end
  end
  local groups, group_of = {}, {}
  for index, members in ipairs(graph.groups(names, targets)) do
    groups[index] = { waits_for = {} }
    for i, name in ipairs(members) do
      groups[index][i] = by_name[name]
      group_of[name] = groups[index]
    end
  end
  for from, list in pairs(targets) do
    for _, to in ipairs(list) do
      if group_of[from] ~= group_of[to] then
        group_of[to].waits_for[group_of[from]] = true
      end
    end
  end
  return groups
end

--- Whether all that send to a group are done.
function M.is_ready(members)
  for other in pairs(members.waits_for) do
    if not other.is_done then
      return false
    end
  end
  return true
end

--- Drains `entries` ({ name, actor }) that are linked by `edges` among each other, and calls
-- finish(entry) for each when it may end. Returns the list of those that were not idle in time.
function M.run(rt, entries, edges, deadline, finish)
  local groups = M.group(entries, edges)
  local left = #groups
  while left > 0 do
    rt:drain()
    local went_on = false
    for _, members in ipairs(groups) do
      if not members.is_done and M.is_ready(members) and M.is_done(members) then
        for _, entry in ipairs(members) do
          finish(entry)
        end
        members.is_done, went_on, left = true, true, left - 1
      end
    end
    if not went_on then
      if core.clock() >= deadline then
        break
      end
      rt:poll(math.min(PAUSE, math.max(deadline - core.clock(), 0)))
    end
  end
  local out = {}
  for _, members in ipairs(groups) do
    if not members.is_done then
      table.move(members, 1, #members, #out + 1, out)
    end
  end
  return out
end

return M
