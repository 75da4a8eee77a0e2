-- SPDX-License-Identifier: MIT
--- From a network to what is launched and connected: routers are nodes of their own here.
--
--   { nodes = name -> { name, definition, queue, block, tags, activate, is_hidden },
--     edges = list of { from, port, to, flow }, names = sorted,
--     groups = lists of names, senders before receivers }
--
-- `plan.difference(old, new)` says what has to change between two of them.

local graph = require "ringkernel.topology.graph"
local router = require "ringkernel.topology.router"

local M = {}

local function add_router(plan, link)
  local name = ("%s.%s.router"):format(link.from, link.port)
  plan.nodes[name] = {
    name = name,
    definition = router.definition(link.mode, link.key, #link.to, link.types),
    queue = link.queue,
    tenant = plan.nodes[link.from].tenant,
    activate = true,
    is_hidden = true,
  }
  plan.edges[#plan.edges + 1] = { from = link.from, port = link.port, to = name }
  for index, to in ipairs(link.to) do
    plan.edges[#plan.edges + 1] = { from = name, port = ("out%d"):format(index - 1), to = to,
      flow = link.flow }
  end
end

--- The plan of a network.
function M.of(net)
  local plan = { nodes = {}, edges = {}, names = {}, prefix = net.prefix }
  for name, actor in pairs(net.actors) do
    plan.nodes[name] = { name = name, definition = actor.definition, queue = actor.queue,
      block = actor.block, tags = actor.tags, tenant = actor.tenant,
      activate = actor.activate and not net.supervised[name] }
  end
  for _, link in ipairs(net.links) do
    if link.mode == "direct" then
      plan.edges[#plan.edges + 1] = { from = link.from, port = link.port, to = link.to[1],
        flow = link.flow }
    else
      add_router(plan, link)
    end
  end
  local targets = {}
  for name in pairs(plan.nodes) do
    plan.names[#plan.names + 1] = name
    targets[name] = {}
  end
  table.sort(plan.names)
  for _, edge in ipairs(plan.edges) do
    table.insert(targets[edge.from], edge.to)
  end
  plan.groups = graph.groups(plan.names, targets)
  return plan
end

--- Names in the order in which they are started: receivers before their senders.
function M.start_order(plan)
  local out = {}
  for g = #plan.groups, 1, -1 do
    for i = #plan.groups[g], 1, -1 do
      out[#out + 1] = plan.groups[g][i]
    end
  end
  return out
end

local function is_same(a, b)
  return rawequal(a.definition, b.definition) and a.queue == b.queue and a.block == b.block
    and a.tenant == b.tenant
end

local function is_same_flow(a, b)
  a, b = a and a.flow or {}, b and b.flow or {}
  for _, key in ipairs { "policy", "limit", "deadline", "credits" } do
    if a[key] ~= b[key] then
      return false
    end
  end
  return true
end

local function by_port(edges)
  local out = {}
  for _, edge in ipairs(edges) do
    out[edge.from .. "." .. edge.port] = edge
  end
  return out
end

--- What has to be done to get from one plan to another: sets added, removed, changed, kept by name,
-- and moves = { { from, port, old = name or nil, new = name or nil } } of kept senders.
function M.difference(old, new)
  local out = { added = {}, removed = {}, changed = {}, kept = {}, moves = {} }
  for name, node in pairs(new.nodes) do
    local before = old.nodes[name]
    local kind = not before and "added" or is_same(before, node) and "kept" or "changed"
    out[kind][name] = true
  end
  for name in pairs(old.nodes) do
    if not new.nodes[name] then
      out.removed[name] = true
    end
  end
  local old_edges, new_edges = by_port(old.edges), by_port(new.edges)
  local function move(key, edge)
    local was, is = old_edges[key], new_edges[key]
    local to, before = is and is.to, was and was.to
    if out.kept[edge.from] and (to ~= before or not is_same_flow(was, is)
      or (to and not out.kept[to])) then
      out.moves[#out.moves + 1] = { from = edge.from, port = edge.port, old = before, new = to,
        old_flow = was and was.flow, new_flow = is and is.flow }
    end
  end
  for key, edge in pairs(old_edges) do
    move(key, edge)
  end
  for key, edge in pairs(new_edges) do
    if not old_edges[key] then
      move(key, edge)
    end
  end
  table.sort(out.moves, function(a, b)
    return a.from == b.from and a.port < b.port or a.from < b.from
  end)
  return out
end

return M
