-- SPDX-License-Identifier: MIT
--- Random trees and faults, over running actors and over children that are only names: the same
-- must begin and end, in the same order, for the same reasons. OTP judges the latter: otp_spec.lua.

local rk = require "ringkernel"
local kit = dofile("spec/supervision_kit.lua")
local nursery = dofile("spec/otp/nursery.lua")
local random = dofile("spec/otp/random.lua")
local reasons = require "ringkernel.supervision_reason"
local worlds = require "ringkernel.supervision_world"

local SCHEDULES = os.getenv("LONG") and 5000 or 300
local SEED = tonumber(os.getenv("OTP_SEED")) or 1

local STRATEGIES = { "one_for_one", "one_for_all", "rest_for_one" }
local RESTARTS = { "permanent", "permanent", "transient", "temporary" }

--- A tree as data: { strategy =, intensity =, children = { { id =, restart =, sup = } } }.
local function tree_of(r, depth, names)
  local sup = { strategy = r:pick(STRATEGIES), intensity = r:range(0, 3), children = {} }
  for index = 1, r:range(1, 3) do
    names.count = names.count + 1
    local is_nested = depth < 3 and r:chance(33)
    local id = (is_nested and "s" or "w") .. names.count
    local child = { id = id, restart = r:pick(RESTARTS) }
    if is_nested then
      child.sup = tree_of(r, depth + 1, names)
    else
      names[#names + 1] = id
    end
    sup.children[index] = child
  end
  return sup
end

local function specification(sup, start)
  local children = {}
  for index, child in ipairs(sup.children) do
    children[index] = { id = child.id, restart = child.restart,
      start = child.sup and rk.supervisor(specification(child.sup, start)) or start,
      launch = not child.sup and start == kit.Adder and { queue = 4 } or nil,
      shutdown = child.sup and "infinity" or 60 }
  end
  return { strategy = sup.strategy, intensity = sup.intensity, period = 3600, children = children }
end

local FAULTS = { "crash", "crash", "normal", "shutdown" }

--- A line for an event of the engine, the same for both worlds.
local function line_of(event)
  local kind = event.event
  if kind == "started" or kind == "restart" or kind == "escalation" then
    return kind .. " " .. event.id
  elseif kind == "ended" then
    local reason = reasons.text(event.reason)
    return ("ended %s %s"):format(event.id, reason == "failed" and "crash" or reason)
  end
  return nil
end

local function lines_of(told)
  local out = {}
  for _, event in ipairs(told) do
    out[#out + 1] = line_of(event)
  end
  return table.concat(out, "\n")
end

--- What the engine over names says to a schedule; steps whose child is not alive are left out.
local function expected(sup, steps)
  local n = nursery.open(specification(sup, function()
    return "shutdown"
  end))
  local done = {}
  for _, step in ipairs(steps) do
    local ref = n.last[step.id]
    if ref and n.engine:is_alive(ref) then
      n:crash(step.id, step.fault)
      done[#done + 1] = step
    end
  end
  if n:is_up() then
    n.root:stop()
  end
  return lines_of(n.told), done
end

describe("supervision over actors is that over names", function()
  it("in random trees with random faults", function()
    local k = kit.open { blocks = 2, max_actors = 512 }
    local world = worlds.of(k.rt)
    local emit = world.emit
    local told
    function world:emit(event)
      told[#told + 1] = { event = event.event, id = event.id, reason = event.reason }
      return emit(self, event)
    end
    local steps_done = 0
    for number = 1, SCHEDULES do
      local r = random(SEED * 1000003 + number)
      local names, steps = { count = 0 }, {}
      local sup = tree_of(r, 1, names)
      for index = 1, #names > 0 and r:range(1, 8) or 0 do
        steps[index] = { id = r:pick(names), fault = r:pick(FAULTS) }
      end
      local want, done = expected(sup, steps)
      told = {}
      local running = assert(k.rt:supervise(rk.supervisor(specification(sup, kit.Adder))))
      for _, step in ipairs(done) do
        local actor = running:actor(step.id)
        local ref = assert(actor and world.claims[actor], step.id .. " does not run")
        if step.fault == "crash" then
          k:fail(actor)
        elseif step.fault == "normal" then
          k:stop(actor)
        else
          assert(actor:terminate())
        end
        assert(k:until_true(function()
          if world.engine:is_alive(ref) then
            return false
          end
          for _, life in pairs(world.engine.lives) do -- and everybody has come to rest
            if life.supervisor and not life.supervisor.is_idle then
              return false
            end
          end
          return true
        end), "no end of " .. step.id)
        steps_done = steps_done + 1
      end
      assert(running:stop())
      assert.equal(want, lines_of(told), ("schedule %d of seed %d"):format(number, SEED))
      assert.equal(0, k.rt:stats().actors, ("left over after schedule %d"):format(number))
    end
    assert.is_true(steps_done > 2 * SCHEDULES, steps_done)
    k:close()
  end)
end)
