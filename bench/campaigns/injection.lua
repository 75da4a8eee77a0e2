#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- The same small work started in several ways: by launching a kernel and waiting, by launches that
--- queue up, by replaying a recorded graph of launches, and by a message to an actor that is there.
--
-- The work is adding 1 to every element of a buffer, by the lanes of one block; afterwards the
-- elements say how often it was done. A posted message is not counted before the actor says that it
-- has handled it.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local wave = dofile(here .. "/kit_wave.lua")
local rk = require "ringkernel"

local WAIT_S = 10
local QUEUE = 1024
local RECORD = 100 -- launches that rt:time puts into a graph at most; it replays one untimed

local backend = kit.backend()
local lanes = wave.lanes(backend)

local Add = rk.message("AddOne", { { "x", "buffer" } })

local Adder = rk.kernel {
  name = "bench_add_one",
  accepts = { Add },
  emits = { Add },
  block = lanes,
  source = [[
RK_ON(AddOne) {
  rk_u32 *x = rk_buffer_at(rk_u32, msg->x);
  (void)state;
  RK_FOR_LANES(i, msg->x.count) { x[i] += 1u; }
  rk_sync(ctx);
  rk_reply(ctx, AddOne, msg);
}
]],
}

local add_one = rk.global {
  name = "bench_add_one_launched",
  params = { { "x", "u32*" }, { "n", "u32" } },
  source = "RK_GLOBAL() { RK_FOR_GRID(i, n) { x[i] += 1u; } }",
}

local shared = kit.shared { blocks = 1, load = { Adder } }

--- Launches as rt:time does: from C, the grid of the actors at rest meanwhile.
local function timed(mode, includes)
  return {
    includes = includes .. ", from C; the grid of the actors is at rest; one before is not timed",
    run = function(case, meter, count)
      local timing = meter:launches(shared:get(), add_one, { grid = 1, block = lanes, mode = mode,
        times = count }, case.x, case.n)
      case.added = case.added + timing.launches + (mode == "graph" and math.min(count, RECORD) or 1)
    end,
  }
end

local WAYS = {
  run = {
    includes = "rt:run from Lua, waited for each time, each timed",
    run = function(case, meter, count)
      local rt, how = shared:get(), { grid = 1, block = lanes }
      meter:count(count)
      meter:start()
      for _ = 1, count do
        meter:time(meter.run, meter, rt, add_one, how, case.x, case.n)
      end
      meter:stop()
      case.added = case.added + count
    end,
  },
  launch = timed("launch", "a launch and waiting for it"),
  queued = timed("stream", "a launch behind others, waited for once"),
  graph = timed("graph", ("a launch in a recorded graph of up to %d, waited for once"):format(
    RECORD)),
  call = {
    includes = "actor:call from Lua: message, handler by all lanes, reply, each timed",
    run = function(case, meter, count)
      local message = Add { x = case.x }
      meter:count(count)
      meter:start()
      for _ = 1, count do
        meter:call(case.actor, message, WAIT_S)
      end
      meter:stop()
      case.added, case.handled = case.added + count, case.handled + count
    end,
  },
  post = {
    includes = "actor:send from Lua one behind the other, until the host has every reply",
    run = function(case, meter, count)
      local message = Add { x = case.x }
      meter:watch(case.actor, count)
      meter:count(count)
      meter:start()
      for _ = 1, count do
        assert(case.actor:send(message))
      end
      local left = count
      while left > 0 do
        left = left - #assert(case.actor:receive_many(left, WAIT_S))
      end
      meter:settle()
      meter:stop()
      case.added, case.handled = case.added + count, case.handled + count
    end,
  },
}

local function is_right(case)
  return assert(case.x:read_bytes()) == string.pack("<I4", case.added):rep(case.n)
end

return kit.campaign {
  name = "injection",
  answers = "RustCompute's injection: 55 ns (nothing reads it) against launches with their "
    .. "synchronisation (1.6 us each, 0.55 in a graph), called 8,698 and 3,005 times; the seed's "
    .. "317 us against 0.03 us. Here every way ends with the work done",
  includes = "the work, done",
  matrix = {
    { "elements", kit.values { 256, 65536 } },
    { "way", { "run", "launch", "queued", "graph", "call", "post" } },
  },
  limit_s = 4,
  skip = function(case)
    if backend == "cpu" and (case.way == "queued" or case.way == "graph") then
      return "the CPU backend knows only launches that are waited for"
    end
  end,
  setup = function(case)
    local rt = shared:use()
    case.n, case.added, case.handled = case.elements, 0, 0
    case.count = kit.count(case.n == 256 and QUEUE // 2 or 100)
    case.x = assert(rt:buffer("u32", case.n))
    if case.way == "call" or case.way == "post" then
      case.actor = assert(rt:launch(Adder, { queue = QUEUE }))
    end
  end,
  run = function(case, meter)
    local way = WAYS[case.way]
    meter:includes(("%s; backend %s%s, one block of %d lanes"):format(way.includes, backend,
      backend == "cpu" and not case.actor and " (the calling thread does the work)" or "", lanes))
    way.run(case, meter, case.count)
    meter:verified(is_right(case), "every element counts the additions")
  end,
  check = function(case)
    if case.actor then
      local processed = assert(case.actor:stats()).processed
      if processed ~= case.handled then
        return false, ("%d messages handled, not %d"):format(processed, case.handled)
      end
    end
    return is_right(case), "an element counted another number of additions"
  end,
  teardown = function(case)
    if case.actor then
      assert(case.actor:terminate())
    end
    case.x:close()
    shared:release()
  end,
}
