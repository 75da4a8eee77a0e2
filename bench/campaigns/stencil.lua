#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- A stencil on a grid of cells, step by step: an actor on one or several blocks that runs all
--- steps of a message with a barrier between them, beside a launch for each step.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local wave = dofile(here .. "/kit_wave.lua")

local WAIT_S = 20
local STRIDE = 97 -- cells from one that is compared to the next

local backend, processors = kit.backend()
local lanes = wave.lanes(backend)
local most = backend == "cuda" and math.min(16, processors) or 2
local Actor = wave.actor(lanes)
local shared = kit.shared { blocks = most, load = { Actor } }

local INCLUDES = {
  actor = "per step: every cell (7 points, f32), barrier of the actor's blocks; one call from Lua "
    .. "shared by all steps",
  launch = "per step: rt:run of a kernel that does every cell (7 points, f32), waited for each "
    .. "time; on the CPU backend the calling thread runs it",
}

local references = {}

--- What the cells hold after the steps, computed once for each size.
local function reference(n, steps)
  local key = n .. ":" .. steps
  if not references[key] then
    local one = wave.reference(n)
    one.p[wave.middle(n)] = wave.IMPULSE
    one.run(steps)
    references[key] = one.p
  end
  return references[key]
end

--- Compares every `stride`th cell.
local function agrees(case, stride)
  local bytes = assert(case.p:read_bytes())
  for i = 0, case.cells - 1, stride do
    local value = string.unpack("<f", bytes, i * 4 + 1)
    if not wave.close(value, case.reference[i]) then
      return false, ("cell %d is %g, not %g"):format(i, value, case.reference[i])
    end
  end
  return true
end

return kit.campaign {
  name = "stencil",
  answers = "the seed's CPU baseline (about 278 Mcells/s with all processors) and RustCompute's "
    .. "figures: 89.96 Mcells/s of its persistent actors (24 cells a side), 18,633 of a launch per "
    .. "step, 78,089 without waiting for the device (64 a side)",
  includes = "a step",
  matrix = {
    { "size", kit.values { 24, 64 } },
    { "model", { "actor", "launch" } },
    { "blocks", kit.values({ 1, 2, 16 }, 2) },
  },
  limit_s = 4,
  skip = function(case)
    return case.blocks > most and ("the runtime has %d blocks"):format(most) or nil
  end,
  setup = function(case)
    local rt = shared:use()
    case.cells = case.size * case.size * case.size
    case.steps = kit.count(case.size == 24 and 100 or 10, 10)
    case.reference = reference(case.size, case.steps)
    case.p = assert(rt:buffer("f32", case.cells))
    case.q = assert(rt:buffer("f32", case.cells))
    if case.model == "actor" then
      case.actor = assert(rt:launch(Actor, { grid = case.blocks, block = 0 }))
    end
  end,
  run = function(case, meter)
    local rt, steps = shared:get(), case.steps
    local p, q, n = case.p, case.q, case.size
    assert(p:fill(0))
    assert(q:fill(0))
    assert(p:write({ wave.IMPULSE }, wave.middle(n)))
    meter:count(steps)
    meter:includes(("%s; %d block(s) of %d lanes"):format(INCLUDES[case.model], case.blocks, lanes))
    if case.actor then
      meter:watch(case.actor, 1)
    end
    meter:start()
    if case.actor then
      local done = assert(case.actor:call(wave.Run { p = p, q = q, n = n, steps = steps,
        c2 = wave.C2, tell = 1 }, WAIT_S))
      meter:settle()
      assert(done.steps == steps)
    else
      local how, now, before = { grid = case.blocks, block = lanes }, p, q
      for _ = 1, steps do
        meter:run(rt, wave.step, how, now, before, n, wave.C2)
        now, before = before, now
      end
    end
    local seconds = meter:stop()
    meter:value("cells", (n - 2) ^ 3 * steps / seconds / 1e6, "Mcells/s")
    meter:verified(agrees(case, STRIDE), ("every %dth cell against the same in Lua"):format(STRIDE))
  end,
  check = function(case)
    return agrees(case, 1)
  end,
  teardown = function(case)
    if case.actor then
      assert(case.actor:terminate())
    end
    case.p:close()
    case.q:close()
    shared:release()
  end,
}
