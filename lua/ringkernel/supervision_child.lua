-- SPDX-License-Identifier: MIT
--- How lives of supervised children begin and end, by what their start is.
--
-- A kernel definition: an actor named by the child's id. Told to stop, it runs its stop handler and
-- rests: handle, queue and routes stay. If a new life follows (a restart), it is the same actor; if
-- none does, the actor is terminated and what is queued goes to the dead letters. An actor that is
-- gone (rk_stop, terminate) is launched anew under its handle, and its routes are tied again.
--
-- A function: called with the runtime and the arguments for each life; what it returns is the
-- child: an actor, or any object with `id`, terminate() and, if it ends by itself, events of its
-- own (events.emit { event = "ended" | "failure", actor = object, ... }).

local core = require "ringkernel.core"
local reasons = require "ringkernel.supervision_reason"
local routes = require "ringkernel.supervision_routes"

local M = {}

local GRACE = 1     -- seconds that a block has to answer when a child is to be killed
local AGAIN = 0.001 -- seconds until a command is tried again that found no room

local function is_actor(value)
  local meta = type(value) == "userdata" and debug.getmetatable(value)
  return type(meta) == "table" and meta.__name == "ringkernel.actor"
end

--- Ends an actor for good, now. One whose block does not answer is given up.
function M.terminate(actor)
  local ok, text, code = actor:terminate()
  if not ok and is_actor(actor) and (code == "timeout" or code == "full") then
    core.actor_abandon(actor)
  end
  return ok, text, code
end

--- The life of this seat is over and no other comes.
function M.finish(seat)
  if seat.actor and seat.actor:state() ~= "terminated" then
    M.terminate(seat.actor)
  end
end

-- ---- beginnings ---------------------------------------------------------------------------------

local function launch_options(seat, record, args)
  local options = { name = seat.number and ("%s#%d"):format(seat.id, seat.number) or seat.id,
    wait = false }
  for key, value in pairs(record.launch or {}) do
    options[key] = value
  end
  for key, value in pairs(seat.number and type(args) == "table" and args[1] or {}) do
    options[key] = value
  end
  return options
end

local function begin_kernel(world, seat, record, args)
  local actor = seat.actor
  if not actor then
    world.has_launched = true -- settle() waits for all of them together
    local made, text, code = world.rt:launch(record.start, launch_options(seat, record, args))
    if not made then
      return nil, reasons.failure(text, code)
    end
    return made
  end
  local before = actor.id
  local ok, text, code = actor:restart { keep_state = record.state == "keep" }
  if not ok then
    world:rest(seat)
    return nil, reasons.failure(text, code)
  end
  world:rise(seat)
  if actor.id ~= before then
    routes.tie_again(world.rt, actor)
  end
  return actor
end

local function begin_function(world, seat, record, args)
  if world:rise(seat) then
    M.finish(seat)
  end
  world:launched() -- a function may do anything with those before it
  local actor, text, code = record.start(world.rt, table.unpack(args or {}))
  if actor == nil then
    if text == "ignore" then
      return nil, "ignore"
    end
    return nil, reasons.failure(text or "its start gave no reason", code)
  elseif type(actor) ~= "userdata" and type(actor) ~= "table" or not actor.terminate then
    return nil, reasons.failure(("its start returned a %s, not an actor"):format(type(actor)))
  end
  local other = world.claims[actor]
  if other then
    return nil, reasons.failure(("actor '%s' is the child '%s' of supervisor '%s' already"):format(
      tostring(actor.name or actor.id), other.id, other.owner.id), "exists")
  elseif is_actor(actor) and actor.runtime ~= world.rt then
    return nil, reasons.failure("its start returned an actor of another runtime")
  elseif actor.state and actor:state() == "terminated" then
    return nil, reasons.failure("its start returned an actor that has terminated", "terminated")
  end
  return actor
end

--- Begins a life: the actor | nil, reason.
function M.begin(world, seat, record, args)
  if type(record.start) == "function" then
    return begin_function(world, seat, record, args)
  end
  return begin_kernel(world, seat, record, args)
end

-- ---- ends ---------------------------------------------------------------------------------------

--- Asks the actor's block to end this life; tries again while there is no room for the command.
local function ask(world, ref, how)
  local id, _, code = core.actor_end(ref.actor, how)
  if id then
    ref.end_id = id
  elseif code == "full" then
    world:after(AGAIN, function()
      if world.engine:is_alive(ref) then
        ask(world, ref, how)
      end
    end)
  elseif code == "device_lost" then
    world.engine:later(world.lose, world)
  elseif code ~= "terminated" then -- that one's end is on its way
    world:life_over(ref, ref.reason, true)
  end
end

--- Ends this life at once; an actor whose block does not answer in `seconds` is given up.
function M.kill(world, ref, seconds)
  ask(world, ref, type(ref.seat.start) ~= "function" and "rest_kill" or "kill")
  world:after(seconds or GRACE, function()
    if world.engine:is_alive(ref) and world.claims[ref.actor] == ref then
      core.actor_abandon(ref.actor)
    end
  end)
end

--- The same for an actor that no supervisor has.
function M.kill_alone(world, actor)
  if not is_actor(actor) then
    actor:terminate()
    return
  end
  local id, _, code = core.actor_end(actor, "kill")
  local before = actor.id
  world:after(id and GRACE or AGAIN, function()
    if actor.id == before and actor:state() ~= "terminated" then
      if id then
        core.actor_abandon(actor)
      elseif code == "full" then
        M.kill_alone(world, actor)
      end
    end
  end)
end

--- Tells a child to end: "shutdown", "kill", or what its supervisor ended for.
function M.stop(world, ref, signal)
  local actor = ref.actor
  if not is_actor(actor) then
    local ok = actor:terminate()
    if not ok or not actor.state or actor:state() == "terminated" or signal == "kill" then
      world:life_over(ref, ref.reason, true)
    end
  elseif signal == "kill" then
    M.kill(world, ref)
  else
    ask(world, ref, type(ref.seat.start) ~= "function" and "rest" or "terminate")
  end
end

return M
