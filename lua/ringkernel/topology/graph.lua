-- SPDX-License-Identifier: MIT
--- Order and cycles of a graph: strongly connected groups of nodes, senders before receivers.
--
-- A graph here is a sorted list of names and a table name -> list of names it sends to.

local M = {}

--- Groups (lists of names) in topological order: whoever sends to a group comes before it, except
-- from inside. Tarjan's algorithm with a stack of its own, so that long chains do no harm.
function M.groups(names, targets)
  local index, low, on_stack, stack, groups = {}, {}, {}, {}, {}
  local count = 0
  local function visit(root)
    local work = { { root, 0 } }
    while #work > 0 do
      local frame = work[#work]
      local name, at = frame[1], frame[2]
      if at == 0 then
        count = count + 1
        index[name], low[name] = count, count
        stack[#stack + 1] = name
        on_stack[name] = true
      end
      local next_name
      local list = targets[name] or {}
      while at < #list and not next_name do
        at = at + 1
        local to = list[at]
        if not index[to] then
          next_name = to
        elseif on_stack[to] then
          low[name] = math.min(low[name], index[to])
        end
      end
      frame[2] = at == 0 and -1 or at
      if next_name then
        work[#work + 1] = { next_name, 0 }
      else
        work[#work] = nil
        local parent = work[#work]
        if parent then
          low[parent[1]] = math.min(low[parent[1]], low[name])
        end
        if low[name] == index[name] then
          local group = {}
          repeat
            local member = table.remove(stack)
            on_stack[member] = false
            group[#group + 1] = member
          until member == name
          table.sort(group)
          groups[#groups + 1] = group
        end
      end
    end
  end
  -- From the last name on, so that groups that do not depend on each other stand in name order.
  for i = #names, 1, -1 do
    if not index[names[i]] then
      visit(names[i])
    end
  end
  -- A group is complete once all that it reaches are: turn the list round.
  for i = 1, #groups // 2 do
    groups[i], groups[#groups + 1 - i] = groups[#groups + 1 - i], groups[i]
  end
  return groups
end

return M
