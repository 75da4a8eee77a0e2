#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- A frame of 16 ms with mixed work: a simulation that is steered and looked at while it runs.
--
-- A frame clears a box of 24 * 24 * 24 cells and then, ten times, adds an impulse, computes ten
-- steps of sound and asks for the pressure in one cell. The model `actor` sends that as messages
-- to an actor that stays and waits for the answer only; `launch` runs a kernel for each impulse and
-- step, as rt:run does, and reads the cell from the buffer. The latencies are those of a command:
-- from the impulse to the answer.
--
-- `at_once` runs a frame by itself; `paced` ten of them, one every 16 ms: there the latencies are
-- of frames, from when each was due. What was in the mixed workload of the seed is not known.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local wave = dofile(here .. "/kit_wave.lua")

local N = 24
local FRAME_S = 0.016
local COMMANDS = kit.count(10, 4)
local STEPS = 10 -- of a command; even
local PACED = kit.count(10, 2)
local WAIT_S = 5

local backend, processors = kit.backend()
local lanes = wave.lanes(backend)
local blocks = backend == "cuda" and math.min(16, processors) or 1
local Actor = wave.actor(lanes)
local shared = kit.shared { blocks = blocks, load = { Actor } }

local MIDDLE = wave.middle(N)
local PROBE = MIDDLE + 2 -- a cell that the wave has reached after the first command

--- Where the impulse of a command goes in, and how strong it is.
local function impulse(index)
  return MIDDLE + (index % 3 - 1) * N, wave.IMPULSE / index
end

--- Answers that are to come, computed in Lua.
local expected
local function answers()
  if not expected then
    local one = wave.reference(N)
    expected = {}
    for i = 1, COMMANDS do
      local cell, amount = impulse(i)
      one.p[cell] = one.p[cell] + amount
      one.run(STEPS)
      expected[i] = one.p[PROBE]
    end
  end
  return expected
end

local MODELS = {
  actor = {
    clear = function(case)
      assert(case.actor:send(wave.Clear { p = case.p, q = case.q }))
    end,
    command = function(case, _, cell, amount)
      local actor = case.actor
      assert(actor:send(wave.Add { p = case.p, cell = cell, amount = amount }))
      assert(actor:send(wave.Run { p = case.p, q = case.q, n = N, steps = STEPS, c2 = wave.C2 }))
      return assert(actor:call(wave.Probe { p = case.p, cell = PROBE }, WAIT_S)).value
    end,
  },
  launch = {
    clear = function(case)
      assert(case.p:fill(0))
      assert(case.q:fill(0))
    end,
    command = function(case, meter, cell, amount)
      local rt, how = shared:get(), { grid = blocks, block = lanes }
      meter:run(rt, wave.add, { grid = 1, block = 1 }, case.p, cell, amount)
      local now, before = case.p, case.q
      for _ = 1, STEPS do
        meter:run(rt, wave.step, how, now, before, N, wave.C2)
        now, before = before, now
      end
      return assert(case.p:read(PROBE, 1))[1]
    end,
  },
}

--- One frame; returns its answers. `each`: tells how long each command took.
local function frame(case, meter, each)
  local model, got = MODELS[case.model], {}
  model.clear(case)
  for i = 1, COMMANDS do
    local start = kit.clock()
    local cell, amount = impulse(i)
    got[i] = model.command(case, meter, cell, amount)
    if each then
      meter:latency(kit.clock() - start)
    end
  end
  return got
end

local function is_right(got)
  for i, value in ipairs(answers()) do
    if not wave.close(got[i] or math.huge, value) then
      return false
    end
  end
  return true
end

local function settle(case, meter)
  if case.actor then
    meter:settle()
  end
end

return kit.campaign {
  name = "frame",
  answers = "the seed's mixed workload of 16 ms: 40.5 ms by launches, 15.3 ms persistent, 2.7 "
    .. "times (its parts are not said)",
  includes = "a frame",
  matrix = {
    { "pace", { "at_once", "paced" } },
    { "model", { "actor", "launch" } },
  },
  samples = 20,
  limit_s = 6,
  setup = function(case)
    local rt = shared:use()
    answers()
    case.p = assert(rt:buffer("f32", N * N * N))
    case.q = assert(rt:buffer("f32", N * N * N))
    case.frames = 0 -- by the actor
    if case.model == "actor" then
      case.actor = assert(rt:launch(Actor, { grid = blocks, block = 0 }))
    end
  end,
  run = function(case, meter)
    local good, late = true, 0
    local is_paced = case.pace == "paced"
    local frames = is_paced and PACED or 1
    local what = ("clearing, then %d times an impulse, %d steps of %d cells, a probe; %d block(s) "
      .. "of %d lanes"):format(COMMANDS, STEPS, (N - 2) * (N - 2) * (N - 2), blocks, lanes)
    if case.actor then
      meter:watch(case.actor, frames * (1 + 3 * COMMANDS))
    end
    if is_paced then
      meter:includes("frames, one due every 16 ms, latencies from then; work: " .. what)
      local work = 0
      meter:start()
      meter:paced(1 / FRAME_S, frames, function()
        local start = kit.clock()
        good = is_right(frame(case, meter)) and good
        local took = kit.clock() - start
        work = work + took
        late = late + (took > FRAME_S and 1 or 0)
      end)
      settle(case, meter)
      meter:stop()
      meter:value("work of a frame", work / frames * 1e9, "ns")
      meter:value("longer than 16 ms", late / frames * 100, "%")
    else
      meter:includes("a frame as fast as it goes, latencies of a command; " .. what)
      meter:start()
      local got = frame(case, meter, true)
      settle(case, meter)
      local seconds = meter:stop()
      meter:value("share of 16 ms", seconds / FRAME_S * 100, "%")
      good = is_right(got)
    end
    case.frames = case.frames + frames
    meter:verified(good, "the answer to every probe against the same in Lua")
  end,
  check = function(case)
    if case.actor then
      local processed, wanted = assert(case.actor:stats()).processed,
        case.frames * (1 + 3 * COMMANDS)
      return processed == wanted, ("%d messages handled, not %d"):format(processed, wanted)
    end
    local last = assert(case.p:read(PROBE, 1))[1]
    return wave.close(last, answers()[COMMANDS]), "the buffer holds another wave"
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
