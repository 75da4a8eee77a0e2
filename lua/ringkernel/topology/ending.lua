-- SPDX-License-Identifier: MIT
--- Graceful ends in a chosen order: `sys:drain { order =, deadline = }` and `rt:drain_actors`.
--
--   parent_first  senders before receivers: each actor ends once all that send to it have and its
--                 queue is empty. What a stop handler still sends is handled, too.
--   leaf_first    the same way to silence, but an actor only rests when it is idle; then receivers
--                 end before their senders. What stop handlers send finds nobody.
--   parallel      each actor ends as soon as its queue is empty, whoever may still send to it.
--
-- Sources are stopped: an actor that nothing leads to is given what waited for it when the drain
-- began (twice that many messages, for its rings take turns) and no more, so one that feeds itself,
-- or that somebody goes on feeding, cannot hold up the end. Whoever is not done at the deadline
-- rests at once and is ended as it is. What still waits for an actor that ends goes to the dead
-- letters and is counted, and the actor is reported as forced.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local drain = require "ringkernel.topology.drain"
local hosted = require "ringkernel.hosted"
local routes = require "ringkernel.supervision_routes"
local worlds = require "ringkernel.supervision_world"

local Runtime = core.methods "runtime"

local M = {}

local DEFAULT_SECONDS = 5
local PAUSE = 0.002 -- seconds between two rounds

local OPTIONS = {
  order = { type = "choice", choices = { "leaf_first", "parent_first", "parallel" } },
  deadline = { type = "number", min = 0 },
}

--- The options of a drain: order, moment of the deadline.
local function read(where, options, rules)
  local own = check.options(where, options or {}, rules)
  local seconds = check.timeout(where .. ": option 'deadline'", own.deadline) or DEFAULT_SECONDS
  return own, own.order or "parent_first", core.clock() + seconds
end

--- Nothing is handled from here on; what comes waits.
local function rest(entry)
  if entry.actor:state() == "active" then
    entry.actor:deactivate()
  end
end

local function is_source(members)
  return next(members.waits_for) == nil
end

--- What a source may still handle before it counts as done.
local function set_limits(groups)
  for _, members in ipairs(groups) do
    for _, entry in ipairs(is_source(members) and members or {}) do
      local waiting, handled = core.actor_depth(entry.actor)
      entry.limit = waiting and handled + 2 * waiting
    end
  end
end

local function is_spent(members)
  if not is_source(members) then
    return false
  end
  for _, entry in ipairs(members) do
    local _, handled = core.actor_depth(entry.actor)
    if entry.limit and math.type(handled) == "integer" and handled < entry.limit then
      return false
    end
  end
  return true
end

--- Runs the queues empty; calls quiet(members) for each group that is. True if all of them are.
local function settle(rt, groups, is_free, deadline, quiet)
  local left = #groups
  while left > 0 do
    rt:drain()
    local went_on = false
    for _, members in ipairs(groups) do
      if not members.is_done and (is_free or drain.is_ready(members))
        and (drain.is_done(members) or is_spent(members)) then
        quiet(members)
        members.is_done, went_on, left = true, true, left - 1
      end
    end
    if not went_on then
      if core.clock() >= deadline then
        return
      end
      rt:poll(math.min(PAUSE, math.max(deadline - core.clock(), 0)))
    end
  end
end

--- Ends `entries` ({ name, actor, is_hidden }) linked by `edges`; `terminate(entry)` ends one.
-- Returns { drained, forced, left_messages, seconds }.
function M.run(rt, entries, edges, order, deadline, terminate)
  local began = core.clock()
  local info = { drained = {}, forced = {}, left_messages = 0 }
  local groups = drain.group(entries, edges)
  local function finish(members, list)
    for _, entry in ipairs(members) do
      local left = core.actor_depth(entry.actor) or 0
      local to = left > 0 and info.forced or list
      info.left_messages = info.left_messages + left
      terminate(entry)
      if not entry.is_hidden then
        to[#to + 1] = entry.name
      end
    end
  end
  set_limits(groups)
  settle(rt, groups, order == "parallel", deadline, function(members)
    for _, entry in ipairs(members) do
      rest(entry)
    end
    if order ~= "leaf_first" then
      finish(members, info.drained)
    end
  end)
  for _, members in ipairs(groups) do
    for _, entry in ipairs(members.is_done and {} or members) do
      rest(entry) -- all of them first, so that what is counted as left stays so
    end
  end
  local first, last, step = 1, #groups, 1
  if order == "leaf_first" then
    first, last, step = #groups, 1, -1
  end
  for i = first, last, step do
    if not groups[i].is_done then
      finish(groups[i], info.forced)
    elseif order == "leaf_first" then
      finish(groups[i], info.drained)
    end
  end
  info.seconds = core.clock() - began
  rt:drain() -- the dead letters
  return info
end

--- sys:drain: `ends(deadline)` returns the entries, their edges and how one is ended.
function M.system(rt, options, ends)
  local _, order, deadline = read("drain", options, OPTIONS)
  local entries, edges, terminate = ends()
  local info = M.run(rt, entries, edges, order, deadline, terminate)
  table.sort(info.forced)
  return info
end

-- ---- actors of no topology ----------------------------------------------------------------------

local ACTOR_OPTIONS = { actors = { type = "any" } }
for key, rule in pairs(OPTIONS) do
  ACTOR_OPTIONS[key] = rule
end

--- The actors meant: a list of handles, or what rt:actors makes of it.
local function chosen(rt, what)
  if type(what) ~= "table" or (#what == 0 and next(what) ~= nil) then
    return rt:actors(what)
  end
  for index, actor in ipairs(what) do
    if type(actor) ~= "userdata" or check.describe(actor) ~= "ringkernel.actor"
      or actor.runtime ~= rt then
      check.fail("drain_actors: option 'actors': actors of this runtime expected, got %s at [%d]",
        check.describe(actor), index)
    end
  end
  return what
end

--- Ends actors the same way, along the ports that rt:connect tied. { drained, forced,
-- left_messages, seconds } | nil, message, code: unsupported for one that is supervised.
function Runtime:drain_actors(options)
  local own, order, deadline = read("drain_actors", options, ACTOR_OPTIONS)
  local list, text, code = chosen(self, own.actors)
  if not list then
    return nil, text, code
  end
  local entries, edges, names = {}, {}, {}
  for _, actor in ipairs(list) do
    if worlds.of(self).claims[actor] then
      return nil, ("drain_actors: actor '%s' is supervised: it ends with its supervisor")
        :format(actor.name), "unsupported"
    elseif actor:state() ~= "terminated" and not names[actor] then
      names[actor] = actor.name
      entries[#entries + 1] = { name = actor.name, actor = actor }
    end
  end
  for from, name in pairs(names) do
    for port, to in pairs(hosted.routes(from) or routes.of(from)) do
      edges[#edges + 1] = { from = name, port = port, to = names[to] }
    end
  end
  local info = M.run(self, entries, edges, order, deadline, function(entry)
    if entry.actor:state() ~= "terminated" then
      entry.actor:terminate()
    end
  end)
  table.sort(info.forced)
  return info
end

return M
