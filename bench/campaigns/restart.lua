#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Lives of actors: restarting one, by hand and by its supervisor, and starting trees of them.
--
-- A tree has three levels of supervisors over its actors, 10 x 10 groups; each actor is launched by
-- itself and answered by its block before the next.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local rk = require "ringkernel"

local WAIT_S = 5
local FANOUT = 10

local Number = rk.message("Number", { { "n", "i64" } })

--- Adds up and answers; fails at 0.
local Worker = rk.kernel {
  name = "bench_worker",
  accepts = { Number },
  emits = { Number },
  state = { { "sum", "i64" } },
  source = [[
RK_ON(Number) {
  if (msg->n == 0) { rk_fail(ctx, 1); return; }
  state->sum += msg->n;
  Number out;
  out.n = state->sum;
  rk_reply(ctx, Number, &out);
}
]],
}

local shared = kit.shared { blocks = 1, load = { Worker } }

--- Whether the actor answers, with nothing left of its former state.
local function begins_anew(actor)
  local reply = actor:call(Number { n = 5 }, WAIT_S)
  return reply ~= nil and reply.n == 5
end

local function supervised(case, name)
  local rt = shared:get()
  case.sup = assert(rt:supervise(rk.supervisor { intensity = 100000000, children = {
    { id = "w_" .. name, start = Worker } } }, { name = name }))
  case.worker = assert(case.sup:actor("w_" .. name))
  case.restarts = 0
  case.listener = rt:on("restart", function(event)
    if event.id == "w_" .. name then
      case.restarts = case.restarts + 1
    end
  end)
end

-- What is timed once, and whether it came out right.
local ONE = {
  command = { includes = "a:restart() by hand, until its block has answered; each timed",
    run = function(case, meter)
      assert(meter:time(case.worker.restart, case.worker))
    end },
  supervised = { includes = "message sent, handler fails, dead letter, event, supervisor, restart "
    .. "until its block has answered; each timed",
    run = function(case, meter)
      local before, rt = case.restarts, shared:get()
      meter:time(function()
        assert(case.worker:send(Number { n = 0 }))
        while case.restarts == before do
          assert(rt:poll(WAIT_S))
        end
      end)
    end },
  stop_and_start = { includes = "terminate_child and restart_child: stop handler, queue given up, "
    .. "slot given back, launched anew under its handle; each timed",
    run = function(case, meter)
      meter:time(function()
        assert(case.sup:terminate_child(case.worker.name))
        assert(case.sup:restart_child(case.worker.name))
      end)
    end },
}

local function restart(case, meter)
  local one, before = ONE[case.what], case.restarts
  assert(case.worker:call(Number { n = 3 }, WAIT_S)) -- state to be lost
  meter:count(case.count)
  meter:includes(one.includes)
  meter:start()
  for _ = 1, case.count do
    one.run(case, meter)
  end
  meter:stop()
  local by_supervisor = case.what == "supervised" and case.count or 0
  meter:verified(case.restarts == before + by_supervisor and begins_anew(case.worker),
    "how often it was restarted; the actor answers with new state")
end

--- A specification of `count` workers.
local function tree(prefix, count)
  local function level(name, child)
    local children = {}
    for i = 1, FANOUT do
      local id = name .. "_" .. i
      children[i] = { id = id, start = child(id) }
    end
    return rk.supervisor { children = children }
  end
  local launch = { queue = 1 }
  return level(prefix, function(m)
    return level(m, function(g)
      local children = {}
      for i = 1, count // (FANOUT * FANOUT) do
        children[i] = { id = g .. "_" .. i, start = Worker, launch = launch }
      end
      return rk.supervisor { children = children }
    end)
  end)
end

local function start_tree(case, meter)
  local rt = shared:get()
  local before = rt:stats().actors
  meter:includes("rt:supervise of a made specification of 3 levels, 111 supervisors: each actor "
    .. "launched, named and answered by its block; time per actor")
  meter:count(case.actors)
  collectgarbage()
  meter:start()
  local sup = assert(rt:supervise(case.tree, { name = case.what }))
  local seconds = meter:stop()
  local good = rt:stats().actors == before + case.actors
  for _, place in ipairs { "_1_1_1", "_5_5_1", "_10_10_1" } do
    good = good and begins_anew(assert(sup:actor(case.what .. place)))
  end
  meter:value("start", seconds, "s")
  local from = kit.clock()
  assert(sup:stop())
  meter:value("stop", kit.clock() - from, "s")
  meter:verified(good and rt:stats().actors == before, "all of them ran, three of them answered, "
    .. "none is left")
end

return kit.campaign {
  name = "restart",
  answers = "RustCompute's restart of a kernel on a device (197 us, most of it the host's sleep) "
    .. "and launch (281 us, no loop behind it); the goals of 20 us for a restart and 2 s for a "
    .. "tree of 100,000",
  includes = "a life",
  matrix = { { "what", { "command", "supervised", "stop_and_start", "tree_1000", "tree_10000",
    "tree_100000" } } },
  samples = 20, warmup = 1, warmup_max = 5,
  limit_s = 40,
  hang_s = 120,
  skip = function(case, only)
    if kit.quick and case.what:find("0000$") then
      return "a quick run"
    elseif case.what == "tree_100000" then
      return kit.long(only, "what", case.what)
    end
  end,
  setup = function(case)
    shared:use()
    case.actors = math.tointeger(tonumber(case.what:match("^tree_(%d+)$")))
    if case.actors then
      case.tree = tree(case.what, case.actors)
    else
      case.count = kit.count(200, 10)
      supervised(case, case.what)
    end
  end,
  run = function(case, meter)
    (case.actors and start_tree or restart)(case, meter)
  end,
  check = function(case)
    if case.actors then
      return #shared:get():actors(case.what .. "_*") == 0, "actors of a stopped tree live"
    end
    return case.worker:restart() and begins_anew(case.worker), "the actor did not live on"
  end,
  teardown = function(case)
    if case.sup then
      case.listener:close()
      assert(case.sup:stop())
    end
    shared:release()
  end,
}
