#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Hot reload under load: how long an actor cannot be given messages while its code is exchanged.
--
-- A source keeps the actor busy all the time; each operation is one reload, to and fro between two
-- definitions that are compiled already. The latencies are those of pauses as the actor's block
-- sees them; `time` is the whole call.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local rk = require "ringkernel"

local WAIT_S = 10

local Number = rk.message("Number", { { "n", "u64" } })

--- Sends itself on and each message to its port, until the host says 0.
local Source = rk.kernel {
  name = "bench_source",
  accepts = { Number },
  emits = { Number },
  ports = { "next" },
  state = { { "sent", "u64" }, { "stopped", "u32" } },
  source = [[
RK_ON(Number) {
  if (msg->n == 0u) { state->stopped = 1u; }
  if (state->stopped) { return; }
  Number out = { ++state->sent };
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
  (void)rk_send_to(ctx, rk_self(ctx), Number, &out);
}
]],
}

--- Checks that numbers come one after the other. `tag` makes another definition of the same name.
local function sink(tag, words)
  return rk.kernel {
    name = "bench_reloaded",
    accepts = { Number },
    state = { { "seen", "u64" }, { "wrong", "u64" }, { "extra", ("u64[%d]"):format(words) } },
    source = ([[
RK_ON(Number) {
  (void)ctx;
  state->seen += 1u;
  state->wrong += msg->n != state->seen;
  state->extra[0] += %du;
}
]]):format(tag),
  }
end

local Old, New, Wider = sink(1, 64), sink(2, 64), sink(3, 65)

local WAYS = {
  same_layout = { versions = { Old, New }, includes = "reload to code of the same state: "
    .. "pause: in its block, the look through the queue, a copy of 528 B of state, the swap" },
  migrated = { versions = { New, Wider }, options = {
    migrate = function(old)
      return { seen = old.seen, wrong = old.wrong }
    end }, includes = "reload to code of another state: pause: from rest to active again, state to "
    .. "the host, a Lua function, state back, the swap" },
}

local shared = kit.shared { load = { Source, Old, New, Wider } }

return kit.campaign {
  name = "reload",
  answers = "the goal of a pause of 1 ms at p99 with the code compiled, no message lost; "
    .. "RustCompute's reload of rules exchanges an entry of a registry",
  includes = "a reload",
  matrix = { { "way", { "same_layout", "migrated" } } },
  limit_s = 10,
  setup = function(case)
    local rt = shared:use()
    case.how = WAYS[case.way]
    case.source = assert(rt:launch(Source, { block = 0 }))
    case.actor = assert(rt:launch(case.how.versions[1], { block = 1 }))
    case.reloads = 0
    assert(rt:connect(case.source, "next", case.actor))
    assert(case.source:deactivate()) -- at rest until a sample
    assert(case.source:send(Number { n = 1 }))
  end,
  run = function(case, meter)
    local count, actor, way = kit.count(100, 10), case.actor, case.how
    local before = assert(actor:peek_state()).seen
    local stood = 0
    assert(case.source:activate())
    meter:count(count)
    meter:includes(way.includes .. "; time: the whole call under load, checks and answer included")
    meter:start()
    for _ = 1, count do
      case.reloads = case.reloads + 1
      local info = assert(actor:reload(way.versions[case.reloads % 2 + 1], way.options))
      meter:latency(info.pause_s)
      stood = stood + info.load_s
    end
    local seconds = meter:stop()
    assert(case.source:deactivate())
    local state = assert(actor:peek_state())
    meter:value("load", (state.seen - before) / seconds, "messages/s")
    if stood > 0 then -- for code that was not loaded yet
      meter:value("grid stood still", stood / count * 1e9, "ns")
    end
    meter:verified(state.wrong == 0 and state.seen > before, "numbers came one after the other")
  end,
  check = function(case)
    local deadline = kit.clock() + WAIT_S
    local sent, seen
    assert(case.source:send(Number { n = 0 }, { priority = "high" }))
    assert(case.source:activate())
    while assert(case.source:peek_state()).stopped == 0 and kit.clock() < deadline do
      assert(shared:get():poll(0.001))
    end
    sent = assert(case.source:peek_state()).sent
    repeat
      seen = assert(case.actor:peek_state()).seen
    until seen == sent or kit.clock() > deadline
    local wrong = assert(case.actor:peek_state()).wrong
    local version = assert(case.actor:version())
    return sent > 0 and seen == sent and wrong == 0 and version == case.reloads + 1,
      ("%d messages sent, %d handled, %d out of order, version %d after %d reloads"):format(sent,
        seen, wrong, version, case.reloads)
  end,
  teardown = function(case)
    assert(case.source:terminate())
    assert(case.actor:terminate())
    shared:release()
  end,
}
