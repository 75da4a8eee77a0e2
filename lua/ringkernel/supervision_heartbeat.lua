-- SPDX-License-Identifier: MIT
--- Signs of life: children with `heartbeat = seconds` are asked for one so often.
--
-- The question goes to the actor's block in its turn, so it is answered when the handler that runs
-- there has returned. A child whose last question has no answer when the next is due counts as
-- failed, with the reason "heartbeat": its actor is given up, and a restart begins it on another
-- block. Children with the same interval are asked together.

local core = require "ringkernel.core"
local reasons = require "ringkernel.supervision_reason"

local M = {}

--- The child did not answer: its life ends now.
local function missed(ref)
  ref.reason = reasons.failed(0, "heartbeat")
  core.actor_end(ref.actor, "kill") -- for when its block comes back
  core.actor_abandon(ref.actor)
end

local function ask(world, ref)
  if world.claims[ref.actor] ~= ref or ref.actor:state() == "failed" then
    return false
  end
  local answered, _, code = core.actor_beat(ref.actor)
  if answered and answered == ref.answered then
    missed(ref)
    return false
  end
  ref.answered = answered
  return answered ~= nil or code == "full"
end

--- Keeps asking the children of a world that want it.
function M.watch(world)
  local groups = {} -- interval -> { at =, refs = }
  world.begun[#world.begun + 1] = function(ref)
    local every = ref.record.heartbeat
    if every then
      local group = groups[every]
      if not group then
        group = { at = core.clock() + every, refs = {} }
        groups[every] = group
      end
      ref.answered = core.actor_beat(ref.actor)
      group.refs[ref] = true
    end
  end
  world.tickers[#world.tickers + 1] = function(now)
    local nearest
    for every, group in pairs(groups) do
      if now and group.at <= now then
        group.at = now + every
        local refs = {}
        for ref in pairs(group.refs) do
          refs[#refs + 1] = ref
        end
        for _, ref in ipairs(refs) do
          if not ask(world, ref) then
            group.refs[ref] = nil
          end
        end
      end
      if next(group.refs) and (not nearest or group.at < nearest) then
        nearest = group.at
      elseif not next(group.refs) then
        groups[every] = nil
      end
    end
    return nearest
  end
end

return M
