-- SPDX-License-Identifier: MIT
--- Cycles of links that can stop for ever.
--
-- The credit rule: an actor is handed a message only while each of its ports has room for its whole
-- burst, and the message leaves its own queue only after the handling. So when every queue of a
-- cycle is full nobody in it can be handed anything again: each waits for room that only the next
-- could make. A cycle cannot come to that as long as the messages in it cannot become more than its
-- queues hold.
--
-- Taken is a group of actors that all reach each other. One handling takes one message out of the
-- group's queues and may put into them, at most,
--
--     burst x (ports that lead back into the group; a broadcast port counts once for each of its
--              receivers there)
--
-- The group can fill, and is reported, if
--   (a) that number is more than 1 for one of its members: messages multiply as they go round; or
--   (b) a link leads into it from outside: what arrives may stay, and nothing bounds how much.
--
-- If neither holds, links never add a message to the group: only what the host itself sends in goes
-- round, and the host decides how much that is (two actors that play ping-pong are such a group).
-- What handlers send with rk_reply or rk_send_to takes its room on the spot, never waits, and is no
-- part of this.
--
-- A topology that says cycles = "allow" is not looked at: whoever wrote it has thought about it.

local graph = require "ringkernel.topology.graph"

local M = {}

--- The shortest way round through `start` inside the group, as "a -> b -> a".
local function way_round(start, inside, targets)
  local from, queue, head = {}, { start }, 1
  while head <= #queue do
    local name = queue[head]
    head = head + 1
    for _, to in ipairs(targets[name] or {}) do
      if to == start then
        local out = { start }
        while name ~= start do
          table.insert(out, 2, name)
          name = from[name]
        end
        out[#out + 1] = start
        return table.concat(out, " -> ")
      elseif inside[to] and not from[to] then
        from[to] = name
        queue[#queue + 1] = to
      end
    end
  end
  return start
end

--- Receivers of a link that lie in the group, each once.
local function inner(link, inside)
  local count = 0
  for _, to in ipairs(link.to) do
    count = count + (inside[to] and 1 or 0)
  end
  return count
end

--- Why a group can fill, or nil.
local function danger(group, inside, actors, links)
  local growth = {}
  for _, link in ipairs(links) do
    local reached = inner(link, inside)
    if reached > 0 and not inside[link.from] then
      return ("'%s' sends into it from outside, and nothing bounds how much stays"):format(
        link.from)
    elseif reached > 0 then
      local copies = link.mode == "broadcast" and reached or 1
      growth[link.from] = (growth[link.from] or 0) + actors[link.from].burst * copies
    end
  end
  for _, name in ipairs(group) do
    if (growth[name] or 0) > 1 then
      return ("'%s' may send %d messages into it for each that it takes"):format(name, growth[name])
    end
  end
  return nil
end

--- Reports every cycle that can fill. `links` are checked: their actors exist.
function M.check(names, actors, links, report)
  local targets = {}
  for _, link in ipairs(links) do
    local list = targets[link.from] or {}
    targets[link.from] = list
    table.move(link.to, 1, #link.to, #list + 1, list)
  end
  for _, group in ipairs(graph.groups(names, targets)) do
    local inside, is_cycle = {}, #group > 1
    for _, name in ipairs(group) do
      inside[name] = true
    end
    for _, link in ipairs(links) do
      if inside[link.from] and inner(link, inside) > 0 then
        is_cycle = true
      end
    end
    local why = is_cycle and danger(group, inside, actors, links)
    if why then
      report("cycle %s can stop for ever once its queues are full: %s; if that cannot happen here, "
        .. "say cycles = \"allow\"", way_round(group[1], inside, targets), why)
    end
  end
end

return M
