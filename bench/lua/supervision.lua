-- SPDX-License-Identifier: MIT
--- Supervision of one actor, on one block: a restart, and how much of it is the supervisor's.
--
--   rkl bench/lua/supervision.lua

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

do
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
