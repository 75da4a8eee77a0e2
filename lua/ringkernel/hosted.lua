-- SPDX-License-Identifier: MIT
--- Runs actors whose handlers are Lua functions (lua_actor.lua): their turns, ports and failures.
--
-- A turn comes from drain, poll or a call that waits (src/lua/lrk_hosted.c). What a function sends
-- goes straight into the receiver's queue with the actor's id as its sender, so order is kept per
-- sender and receiver, replies come back to the actor, and there is no detour through the grid.
--
-- The credit rule holds here, too: a function is given a message only while each port that blocks
-- has room for `burst` messages. An actor that has to wait for room keeps its messages, fills up,
-- and holds its senders back. Policies of ports are carried out by src/runtime/host_link.c.
--
-- An error in a function, or ctx:fail(code), is a failure of the actor: the message goes to the
-- dead letters, the actor is "failed" until it is restarted. restart() begins with a new state.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local context = require "ringkernel.hosted_context"

local M = {}

local MOST_MESSAGES = 64 -- that one actor is given in a turn
local ERROR_CODE = -23   -- what an actor whose function raised fails with: "invalid"
local STOP_CODE = 0      -- a refusal that is none: the actor ends by itself

-- handle -> { actor, hosted, burst, ports = name -> { to, id } | false, state, message, ctx, ... }
local records = setmetatable({}, { __mode = "k" })

-- runtime -> { handles = set, count, limit }: keeps handles of living actors, so that each has one.
local kept = setmetatable({}, { __mode = "k" })

-- ---- turns --------------------------------------------------------------------------------------

--- Runs a function of the actor; returns whether it went well.
local function run(record, fn, ...)
  local ok, text = xpcall(fn, check.explain, ...)
  if not ok then
    record.failing = ERROR_CODE
    record.reason = text
    warn("ringkernel: actor '", record.actor.name, "': error in its function: ", text)
  end
  return ok and not record.failing
end

local function run_stop(record)
  if record.is_started and record.hosted.stop then
    run(record, record.hosted.stop, record.ctx, record.state)
    record.failing = nil -- it ends anyway
  end
  record.is_started = false
end

--- Sends the message back as refused; tries again in the next turn if there is no room for that.
local function refuse(record)
  local _, _, code = core.hosted_refuse(record.actor, record.failing)
  if code ~= "full" then
    record.failing = nil
  end
  return code ~= "full"
end

local function settle(record)
  record.message = nil
  if record.stopping and not record.failing then
    record.stopping = false
    run_stop(record)
    record.failing = STOP_CODE
  end
  return not record.failing or refuse(record)
end

--- Gives the actor what waits for it. Returns how many messages, and whether it waits for room.
local function turn(record)
  local actor, taken = record.actor, 0
  if record.failing and not refuse(record) then
    return 0, true
  end
  while taken < MOST_MESSAGES do
    if not core.hosted_ready(actor, record.burst) then
      return taken, true
    end
    local message = core.hosted_take(actor)
    if message == nil then
      break
    end
    taken = taken + 1
    record.message = message
    run(record, record.hosted.on[getmetatable(message)], record.ctx, message, record.state)
    if not settle(record) then
      return taken, true
    end
  end
  return taken, false
end

-- ---- lives --------------------------------------------------------------------------------------

--- Lets go of actors that have ended; whoever has their handle still has their record.
local function sweep(all)
  all.count = 0
  for actor in pairs(all.handles) do
    if actor:state() == "terminated" then
      all.handles[actor] = nil
    else
      all.count = all.count + 1
    end
  end
  all.limit = 2 * all.count + 64
end

local function keep(rt, actor)
  local all = kept[rt]
  if not all then
    all = { handles = {}, count = 0, limit = 64 }
    kept[rt] = all
    core.hosted_hook(rt, function(handle)
      if records[handle] then
        return turn(records[handle])
      end
      return 0, false
    end)
  end
  all.count = all.count + 1
  if all.count > all.limit then
    sweep(all)
  end
  all.handles[actor] = true
end

--- Begins a life: a new state (unless it keeps the old one), and the start function. nil, message,
-- code when that failed.
local function begin(record, keeps_state)
  local hosted = record.hosted
  record.is_started = true
  record.failing, record.stopping, record.reason = nil, false, nil
  if not (keeps_state and record.state) then
    record.state = {}
    if hosted.state then
      run(record, function()
        record.state = hosted.state()
      end)
    end
  end
  if not record.failing and hosted.start then
    run(record, hosted.start, record.ctx, record.state)
  end
  if record.failing then
    local text = record.reason or ("code %d"):format(record.failing)
    record.failing = nil
    record.is_started = false
    return nil, ("actor '%s': its start function failed: %s"):format(record.actor.name, text),
      "invalid_state"
  end
  if record.stopping then
    record.stopping = false
    return record.actor:terminate()
  end
  return true
end

--- Makes `actor`, launched and not active yet, one of ours; then activates it if asked to.
function M.launched(rt, actor, definition, is_active)
  local record = { actor = actor, hosted = definition.hosted, burst = definition.burst, ports = {} }
  for _, port in ipairs(definition.ports) do
    record.ports[port] = false
  end
  record.ctx = context.new(actor, record)
  records[actor] = record
  core.hosted_keep(actor)
  keep(rt, actor)
  if is_active then
    local ok, text, code = actor:activate()
    if not ok then
      actor:terminate()
      return nil, text, code
    end
  end
  return actor
end

--- To be called after the grid activated an actor; its start function runs the first time.
function M.activated(actor)
  local record = records[actor]
  if not record or record.is_started then
    return true
  end
  local ok, text, code = begin(record)
  if not ok then
    actor:deactivate()
    return nil, text, code
  end
  return true
end

--- To be called after the grid restarted an actor, which had the state `was`.
function M.restarted(actor, was, keeps_state)
  local record = records[actor]
  if not record then
    return true
  end
  local is_new = was == "terminated"
  record.is_started = false
  if is_new then
    for port in pairs(record.ports) do
      record.ports[port] = false
    end
    keep(actor.runtime, actor)
    if actor:state() == "launched" then
      return true -- it has never been active; who activates it begins its life
    end
  end
  local ok, text, code = begin(record, keeps_state)
  if not ok then
    local undo = is_new and actor.terminate or actor.deactivate
    undo(actor)
    return nil, text, code
  end
  return true
end

--- To be called after the grid ended an actor, or a life of it.
function M.stopped(actor)
  if records[actor] then
    run_stop(records[actor])
  end
  return true
end

--- To be called for one of ours that was launched to be restored as an active one.
function M.restored(actor)
  records[actor].is_active = true
end

--- Why the actor's function failed last, as text with a traceback; nil for other actors.
function M.reason(actor)
  return records[actor] and records[actor].reason
end

--- Whether `actor` is one of ours.
function M.is_hosted(actor)
  return records[actor] ~= nil
end

--- A copy of the top level of its state; nil for other actors.
function M.state(actor)
  local record = records[actor]
  if not record or type(record.state) ~= "table" then
    return record and {}
  end
  local out = {}
  for key, value in pairs(record.state) do
    out[key] = value
  end
  return out
end

-- ---- ports --------------------------------------------------------------------------------------

local function common_type(from, to)
  for _, class in ipairs(from.definition.emits) do
    if context.accepts(to, class) then
      return true
    end
  end
  return false
end

--- Room that the ports of `record` into `to` ask for.
local function need(record, to)
  local out = 0
  for _, tie in pairs(record.ports) do
    if context.is_tied(tie) and tie.to == to then
      out = out + record.burst
    end
  end
  return out
end

--- Ports of ours that lead to `to`: a list of { from, port }.
function M.ties_to(to)
  local out = {}
  for actor in pairs((kept[to.runtime] or {}).handles or {}) do
    for port, tie in pairs(records[actor] and records[actor].ports or {}) do
      if context.is_tied(tie) and tie.to == to then
        out[#out + 1] = { from = actor, port = port }
      end
    end
  end
  table.sort(out, function(a, b)
    return a.from.name .. "." .. a.port < b.from.name .. "." .. b.port
  end)
  return out
end

--- rt:connect for one of ours. The errors are those of the C class.
function M.connect(actor, port, to, options)
  local record = records[actor]
  local stats = to:stats()
  if actor:state() == "terminated" then
    return nil, ("actor '%s' has terminated"):format(actor.name), "terminated"
  elseif not stats then
    return nil, ("actor '%s' has terminated"):format(to.name), "terminated"
  elseif record.ports[port] == nil then
    return nil, ("actor '%s' has no port '%s'"):format(actor.name, port), "not_found"
  elseif context.is_tied(record.ports[port]) then
    return nil, ("port '%s.%s' leads to '%s' already; disconnect it first"):format(actor.name, port,
      record.ports[port].to.name), "exists"
  elseif not common_type(actor, to) then
    check.fail("connect '%s.%s' to '%s': it accepts no message type that '%s' emits", actor.name,
      port, to.name, actor.name)
  elseif need(record, to) + record.burst > stats.queue then
    check.fail("connect '%s.%s' to '%s': its queue of %d messages is smaller than the burst of %d",
      actor.name, port, to.name, stats.queue, need(record, to) + record.burst)
  end
  local ok, text, code = core.hosted_tie(actor, port, to, options)
  if not ok then
    return nil, text, code
  end
  record.ports[port] = { to = to, id = to.id }
  core.hosted_due(actor.runtime) -- it may have waited for the room of another receiver
  return true
end

--- Where its ports lead: port -> actor; nil for other actors.
function M.routes(actor)
  local out = {}
  for port, tie in pairs(records[actor] and records[actor].ports or {}) do
    out[port] = context.is_tied(tie) and tie.to or nil
  end
  return records[actor] and out
end

--- rt:disconnect for one of ours.
function M.disconnect(actor, port)
  local record = records[actor]
  if record.ports[port] == nil then
    return nil, ("actor '%s' has no port '%s'"):format(actor.name, port), "not_found"
  elseif not context.is_tied(record.ports[port]) then
    return nil, ("port '%s.%s' is not connected"):format(actor.name, port), "not_found"
  end
  record.ports[port] = false
  core.hosted_due(actor.runtime)
  return core.hosted_untie(actor, port)
end

return M
