-- SPDX-License-Identifier: MIT
--- Text forms of a topology: Graphviz and an ASCII tree.

local rates = require "ringkernel.rates"

local M = {}

local function quote(text)
  return '"' .. text:gsub('[\\"]', "\\%0") .. '"'
end

local function mode_text(link)
  if link.mode == "shard" then
    return "shard " .. link.key
  end
  return (link.mode:gsub("_", " "))
end

local function types_text(link)
  local out = {}
  for index, entry in ipairs(link.types) do
    out[index] = entry.class.name
  end
  return table.concat(out, ", ")
end

--- Graphviz text: actors as boxes (those whose handler is a Lua function rounded), routers as
-- diamonds, links with their port and what goes through them.
function M.dot(net)
  local out = { "digraph topology {", "  rankdir=LR;", "  node [shape=box];" }
  for _, name in ipairs(net.names) do
    local actor = net.actors[name]
    out[#out + 1] = ("  %s [label=%s%s];"):format(quote(name),
      quote(name .. "\n" .. actor.definition.name):gsub("\n", "\\n"),
      actor.definition.hosted and ", style=rounded" or "")
  end
  for _, link in ipairs(net.links) do
    local label = quote(link.port .. ": " .. types_text(link))
    if link.mode == "direct" then
      out[#out + 1] = ("  %s -> %s [label=%s];"):format(quote(link.from), quote(link.to[1]), label)
    else
      local router = quote(("%s.%s.router"):format(link.from, link.port))
      out[#out + 1] = ("  %s [shape=diamond, label=%s];"):format(router, quote(mode_text(link)))
      out[#out + 1] = ("  %s -> %s [label=%s];"):format(quote(link.from), router, label)
      for _, to in ipairs(link.to) do
        out[#out + 1] = ("  %s -> %s;"):format(router, quote(to))
      end
    end
  end
  out[#out + 1] = "}"
  return table.concat(out, "\n") .. "\n"
end

--- Lines below one node: { text, target name or nil, children or nil }.
local function branches(net, name)
  local out = {}
  for _, link in ipairs(net.links) do
    if link.from == name and link.mode == "direct" then
      out[#out + 1] = { label = link.port .. " -> ", target = link.to[1] }
    elseif link.from == name then
      local below = {}
      for index, to in ipairs(link.to) do
        below[index] = { label = ("out%d -> "):format(index - 1), target = to }
      end
      out[#out + 1] = { label = ("%s -> [%s]"):format(link.port, mode_text(link)),
        router = ("%s.%s.router"):format(link.from, link.port), below = below }
    end
  end
  return out
end

--- Names to begin with: actors nobody sends to, then whatever is left in name order.
local function roots(net)
  local is_target, first, rest = {}, {}, {}
  for _, link in ipairs(net.links) do
    for _, to in ipairs(link.to) do
      is_target[to] = is_target[to] or to ~= link.from
    end
  end
  for _, name in ipairs(net.names) do
    table.insert(is_target[name] and rest or first, name)
  end
  return table.move(rest, 1, #rest, #first + 1, first)
end

--- The tree. `describe(name)` is what stands behind a name; without it the definition does.
function M.tree(net, describe)
  local out, shown = {}, {}
  describe = describe or function(name)
    local actor = net.actors[name]
    return actor and (" (%s)"):format(actor.definition.name) or ""
  end
  local show
  local function show_list(list, indent)
    for index, branch in ipairs(list) do
      local is_last = index == #list
      local head = indent .. (is_last and "`- " or "|- ")
      local deeper = indent .. (is_last and "   " or "|  ")
      if branch.below then
        out[#out + 1] = head .. branch.label .. describe(branch.router)
        show_list(branch.below, deeper)
      else
        show(branch.target, head .. branch.label, deeper)
      end
    end
  end
  function show(name, head, indent)
    if shown[name] then
      out[#out + 1] = head .. name .. " (see above)"
      return
    end
    shown[name] = true
    out[#out + 1] = head .. name .. describe(name)
    show_list(branches(net, name), indent)
  end
  for _, name in ipairs(roots(net)) do
    if not shown[name] then
      show(name, "", "")
    end
  end
  return table.concat(out, "\n") .. "\n"
end

local function microseconds(seconds)
  return ("%.3g us"):format(seconds * 1e6)
end

--- What a running actor is doing: " [active, 3/1024 waiting, 120 handled, 40/38/12 a second, ...]":
-- the rates with half-lives of 1, 10 and 60 s, from the second look on.
function M.live(state, name)
  local actor = state.handles[name]
  if not actor then
    return " [ended]"
  end
  local words = { actor:state() or "closed" }
  local meter, stats = rates.observe(actor)
  if meter then
    words[#words + 1] = ("%d/%d waiting"):format(stats.waiting_in, stats.queue)
    words[#words + 1] = ("%d handled"):format(stats.processed)
    if meter.at > meter.began then
      local list = {}
      for index, half in ipairs(rates.half_lives) do
        list[index] = ("%.3g"):format(meter:rate("handled", half))
      end
      words[#words + 1] = table.concat(list, "/") .. " a second"
    end
    local latency = stats.processed > 0 and rates.latency(actor)
    if latency then
      words[#words + 1] = ("p50 %s, p99 %s"):format(microseconds(latency.handled.p50),
        microseconds(latency.handled.p99))
    end
    if stats.waiting_out > 0 then
      words[#words + 1] = ("%d for the host"):format(stats.waiting_out)
    end
    if stats.dropped > 0 then
      words[#words + 1] = ("%d dropped"):format(stats.dropped)
    end
    if stats.last_error then
      words[#words + 1] = "last error " .. tostring(stats.last_error)
    end
  end
  return (" [%s]"):format(table.concat(words, ", "))
end

return M
