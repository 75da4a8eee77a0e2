-- SPDX-License-Identifier: MIT
--- Supervision: restarting one actor, and starting and stopping a large tree of them.
--
--   rkl bench/lua/supervision.lua
--
-- One block. The tree has three levels of supervisors and 10 x 10 x 1000 actors; every actor is
-- launched by itself and answered by its block before the next.

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path

local rk = require "ringkernel"
local harness = require "harness"

local clock = harness.clock

local Number = rk.message("Number", { { "n", "i64" } })

local Worker = rk.kernel {
  name = "bench_worker",
  accepts = { Number },
  emits = { Number },
  state = { { "sum", "i64" } },
  source = [[
    RK_ON(Number) {
      if (msg->n == 0) { rk_fail(ctx, 1); return; }
      state->sum += msg->n;
      rk_reply(ctx, Number, msg);
    }
  ]],
}

local function open()
  return assert(rk.open { blocks = 1, cache = os.getenv("BENCH_CACHE") })
end

--- Times `count` operations one by one, in us.
local function each(quantity, includes, count, fn)
  local values = {}
  for index = 1, count do
    local start = clock()
    fn(index)
    values[index] = (clock() - start) * 1e6
  end
  harness.report(quantity, "us", includes, values)
end

local function restarts_of_one()
  local rt <close> = open()
  local heard, after = 0, {}
  rt:on("failure", function() -- before the supervisor hears of it
    heard = clock()
  end)
  local sup = assert(rt:supervise(rk.supervisor { intensity = 1000000, children = {
    { id = "w", start = Worker } } }))
  local worker = sup.w
  harness.truth("inside the timing (an answer to each command)", nil)
  local poison, restarts = Number { n = 0 }, 0
  each("supervision.command", "a:restart() by hand, until its block has answered; each timed",
    harness.scale(2000), function()
      assert(worker:restart())
    end)
  local listener = rt:on("restart", function()
    restarts = restarts + 1
  end)
  each("supervision.restart_cycle", "message sent, handler fails, dead letter, event, supervisor, "
    .. "restart until its block has answered; each timed", harness.scale(2000), function(index)
    assert(worker:send(poison))
    while restarts < index do
      rt:poll(1)
    end
    after[index] = (clock() - heard) * 1e6
  end)
  harness.report("supervision.restart", "us", "from the host's hearing of the failure: supervisor, "
    .. "restart until its block has answered; each timed", after)
  assert(listener:close())
  assert(worker:call(Number { n = 1 }, 5).n == 1, "it works after all that")
  each("supervision.stop_and_start", "terminate_child and restart_child: stop handler, queue given "
    .. "up, slot given back, launched anew under its handle; each timed", harness.scale(500),
    function()
      assert(sup:terminate_child "w")
      assert(sup:restart_child "w")
    end)
end

if harness.wants "supervision.restart" then
  restarts_of_one()
end

local function tree(per_group)
  local function level(prefix, count, child)
    local children = {}
    for index = 1, count do
      local id = prefix .. "_" .. index
      children[index] = { id = id, start = child(id) }
    end
    return rk.supervisor { children = children }
  end
  local launch = { queue = 1 }
  return level("m", 10, function(m)
    return level(m, 10, function(g)
      local children = {}
      for index = 1, per_group do
        children[index] = { id = g .. "_" .. index, start = Worker, launch = launch }
      end
      return rk.supervisor { children = children }
    end)
  end)
end

if not harness.wants "supervision.tree_start" then
  return
end
local per_group = harness.scale(1000)
local starts, stops = {}, {}
for index = 1, 3 do
  local rt <close> = open()
  assert(rt:launch(Worker)):terminate() -- the definition is compiled and loaded
  local specification = tree(per_group)
  collectgarbage()
  local from = clock()
  local sup = assert(rt:supervise(specification))
  starts[index] = clock() - from
  assert(rt:stats().actors == 100 * per_group, "all of them run")
  from = clock()
  assert(sup:stop())
  stops[index] = clock() - from
  assert(rt:stats().actors == 0, "none of them runs")
end
local size = ("%d actors under 111 supervisors, 3 levels; "):format(100 * per_group)
harness.truth(nil, "count of living actors")
harness.report("supervision.tree_start", "s", size .. "rt:supervise of a made specification: "
  .. "each actor launched, named and answered by its block", starts)
harness.report("supervision.tree_stop", "s", size .. "sup:stop: each actor's life ended in reverse "
  .. "order, then each terminated and its slot given back", stops)
