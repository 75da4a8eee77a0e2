-- SPDX-License-Identifier: MIT
--- Hot reload: how long an actor cannot be given messages, under load and with the code compiled.
--
--   rkl bench/lua/reload.lua
--
-- A source keeps the actor busy; it is reloaded to and fro between two versions. Each sample is one
-- reload, so the percentiles are those of pauses.

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path

local rk = require "ringkernel"
local harness = require "harness"

local Number = rk.message("Number", { { "n", "u64" } })
local RELOADS = harness.scale(2000)

--- Sends itself on and each message to its port, until the host says stop.
local Source = rk.kernel {
  name = "bench_source", accepts = { Number }, emits = { Number }, ports = { "next" },
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

local function sink(extra, layout)
  return rk.kernel {
    name = "bench_reloaded", accepts = { Number },
    state = layout or { { "seen", "u64" }, { "wrong", "u64" }, { "extra", "u64[64]" } },
    source = ([[
      RK_ON(Number) {
        (void)ctx;
        state->seen += 1u;
        state->wrong += msg->n != state->seen;
        state->extra[0] += %du;
      }
    ]]):format(extra),
  }
end

local Old, New = sink(1), sink(2)
local Wider = sink(3, { { "seen", "u64" }, { "wrong", "u64" }, { "extra", "u64[65]" } })

local rt <close> = assert(rk.open { blocks = 2, cache = os.getenv("BENCH_CACHE") })
assert(rt:load { Source, Old, New, Wider })
local source = assert(rt:launch(Source, { block = 0 }))
local actor = assert(rt:launch(Old, { block = 1 }))
assert(rt:connect(source, "next", actor))
assert(source:send(Number { n = 1 }))

local function migrate(old)
  return { seen = old.seen, wrong = old.wrong }
end

local function run(name, versions, options, includes)
  local pauses, calls = {}, {}
  for index = 1, RELOADS do
    local info = assert(actor:reload(versions[index % 2 + 1], options))
    pauses[index], calls[index] = info.pause_s * 1e6, info.total_s * 1e6
  end
  harness.report("reload." .. name, "us", includes, pauses)
  return calls
end

harness.truth(nil, "order and count of all messages, after the timing")
local calls = run("pause", { Old, New }, nil,
  "in its block: the look through the queue, a copy of 528 bytes of state, the swap")
harness.report("reload.call", "us",
  "the whole call from Lua under load: checks, memory, the command, its answer", calls)
run("pause_migrated", { New, Wider }, { migrate = migrate },
  "from rest to active again: state to the host, a Lua function, state back, the swap")

assert(source:send(Number { n = 0 }, { priority = "high" }))
local sent = 0
repeat
  local before = sent
  sent = source:peek_state().sent
until sent == before and source:peek_state().stopped == 1
repeat
  local state = actor:peek_state()
until state.seen == sent
assert(actor:peek_state().wrong == 0, "every message was handled once, in order")
