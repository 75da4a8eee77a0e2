-- SPDX-License-Identifier: MIT
--- Definitions for the specs of reloads: versions of a few actors. A spec loads all of them at once
-- into one runtime (rt:load), since the CUDA backend compiles an image for each load.

local rk = require "ringkernel"
local core = require "ringkernel.core"

local M = {}

M.Number = rk.message("Number", { { "n", "i64" } })
M.Large = rk.message("LargeNumber", { { "n", "i64" }, { "pad", "u8[500]" } })
M.Tick = rk.message("ReloadTick", {})
local Marked = rk.message("Marked", { { "n", "i64" }, { "is_new", "u8" } })

local PLAIN_STATE = { { "sum", "i64" }, { "n", "i64" }, { "starts", "u32" } }
local MEAN_STATE = { { "total", "f64" }, { "count", "u32" } }

-- ---- adds up numbers and answers with the sum ---------------------------------------------------

-- A number past a million keeps it busy for the rest in milliseconds, once it has answered.
local ADD = [[
  if (msg->n > 1000000) {
    rk_reply(ctx, Number, msg);
    WAIT_MS(msg->n - 1000000);
    return;
  }
  if (msg->n == -13) { rk_fail(ctx, 77); return; }
  state->sum += %d * msg->n;
  state->n += 1;
  Number out;
  out.n = state->sum;
  if (rk_sender(ctx) == RK_HOST) { rk_reply(ctx, Number, &out); }]]

local WAIT = [[
#define WAIT_MS(ms) \
  for (rk_u64 end = rk_stamp_us(rk_now(ctx)) + (rk_u64)(ms) * 1000u; \
       rk_stamp_us(rk_now(ctx)) < end;) { }
]]

local function add(factor)
  return WAIT .. "RK_ON(Number) {\n" .. ADD:format(factor) .. "\n}\n"
end

function M.plain(changes)
  local spec = { name = "plain", accepts = { M.Number }, emits = { M.Number }, state = PLAIN_STATE,
    source = add(1) }
  for key, value in pairs(changes or {}) do
    spec[key] = value
  end
  return rk.kernel(spec)
end

M.Plain = M.plain()
M.Tenfold = M.plain { source = add(10) }
M.Started = M.plain { source = add(1)
  .. "RK_ON_START() { Number out = { -5 }; state->starts += 1; rk_send_to(ctx, RK_HOST, Number, "
  .. "&out); }" }
M.SlowStart = M.plain { source = add(10)
  .. "RK_ON_START() { WAIT_MS(300); state->starts += 1; }" }
M.PlainBad = M.plain { source = add(1)
  .. "RK_ON_START() { state->sum = 0; rk_fail(ctx, 8); }" }
M.TicksOnly = M.plain { accepts = { M.Tick }, source = "RK_ON(ReloadTick) { (void)ctx; (void)msg; "
  .. "state->n += 1; }" }
M.Larger = M.plain { accepts = { M.Large, M.Number }, source = add(1) .. [[
RK_ON(LargeNumber) {
  (void)ctx;
  state->n += 1;
  state->sum += msg->n;
  for (int i = 0; i < 500; ++i) { state->sum += msg->pad[i]; }
}]] }

local MEAN = [[
RK_ON(Number) {
  state->total += (double)msg->n;
  state->count += 1;
  Number out;
  out.n = (rk_i64)(state->total / state->count);
  rk_reply(ctx, Number, &out);
}
]]

M.Mean = M.plain { state = MEAN_STATE, source = MEAN }
M.Migrating = M.plain { state = MEAN_STATE, old_state = PLAIN_STATE, source = MEAN .. [[
RK_MIGRATE(Plain) {
  if (old->sum < 0) { rk_fail(ctx, 5); return; }
  state->total = (double)old->sum;
  state->count = (rk_u32)old->n;
}]] }

local Echo = rk.stock.echo.messages.Echo
M.EchoCounts = rk.kernel {
  name = "echo", accepts = { Echo }, emits = { Echo }, state = { { "n", "u64" } },
  source = "RK_ON(Echo) { Echo out = *msg; out.seq = ++state->n; rk_reply(ctx, Echo, &out); }",
}

-- ---- feeder -> worker -> order ------------------------------------------------------------------

--- Sends 1, 2, ... n to its port, one with each message that it sends itself.
M.Feeder = rk.kernel {
  name = "feeder", accepts = { M.Number }, emits = { M.Number }, ports = { "next" },
  state = { { "at", "i64" } },
  source = [[
RK_ON(Number) {
  Number out;
  if (msg->n > 0) { state->at = 0; }
  rk_i64 last = msg->n > 0 ? msg->n : -msg->n;
  out.n = ++state->at;
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
  if (out.n < last) {
    out.n = -last;
    (void)rk_send_to(ctx, rk_self(ctx), Number, &out);
  }
}]],
}

local function worker(new, changes)
  local spec = { name = "worker", accepts = { M.Number }, emits = { Marked }, ports = { "next" },
    state = { { "n", "u64" } },
    source = ([[
RK_ON(Number) {
  Marked out = { 0 };
  state->n += 1;
  out.n = msg->n;
  out.is_new = %d;
  (void)rk_send(ctx, RK_PORT_next, Marked, &out);
}
]]):format(new) }
  for key, value in pairs(changes or {}) do
    spec[key] = key == "source" and spec.source .. value or value
  end
  return rk.kernel(spec)
end

M.Worker = worker(0)
M.WorkerNew = worker(1)
M.WorkerBad = worker(1, { source = [[
RK_ON_START() {
  Marked out = { 0 };
  out.n = 2;
  state->n = 1000;
  out.is_new = 1;
  (void)rk_send(ctx, RK_PORT_next, Marked, &out);
  rk_fail(ctx, 9);
}]] })
M.WorkerOther = rk.kernel {
  name = "worker", accepts = { M.Number }, emits = { M.Tick }, ports = { "next" },
  state = { { "n", "u64" } }, source = "RK_ON(Number) { (void)ctx; (void)msg; state->n += 1; }",
}
M.WorkerMute = rk.kernel {
  name = "worker", accepts = { M.Number }, state = { { "n", "u64" } },
  source = "RK_ON(Number) { (void)ctx; (void)msg; state->n += 1; }",
}
M.WorkerTwo = rk.kernel {
  name = "worker", accepts = { M.Number }, emits = { Marked },
  ports = { "other", "next", burst = 8 }, state = { { "n", "u64" } },
  source = [[
RK_ON(Number) {
  Marked out = { 0 };
  state->n += 1;
  out.n = msg->n;
  (void)rk_send(ctx, RK_PORT_next, Marked, &out);
  (void)rk_send(ctx, RK_PORT_other, Marked, &out);
}]],
}

--- Counts what came, by whom, and what did not come in its turn.
M.Order = rk.kernel {
  name = "order", accepts = { Marked },
  state = { { "n", "i64" }, { "last", "i64" }, { "wrong", "i64" }, { "by_old", "i64" },
    { "by_new", "i64" } },
  source = [[
RK_ON(Marked) {
  (void)ctx;
  state->wrong += msg->n != state->last + 1;
  state->last = msg->n;
  state->n += 1;
  if (msg->is_new) { state->by_new += 1; } else { state->by_old += 1; }
}]],
}

--- First in a row of two: marks numbers with its version. Second: finds marks newer than its own.
local function stage(is_new)
  return rk.kernel {
    name = "stage", accepts = { M.Number, Marked }, emits = { Marked }, ports = { "next" },
    state = { { "seen", "u64" }, { "wrong", "u64" } },
    source = ([[
RK_ON(Number) {
  Marked out = { 0 };
  (void)state;
  out.n = msg->n;
  out.is_new = %d;
  (void)rk_send(ctx, RK_PORT_next, Marked, &out);
}
RK_ON(Marked) { (void)ctx; state->seen += 1u; state->wrong += msg->is_new > %d; }
]]):format(is_new, is_new),
  }
end

M.Stage = stage(0)
M.StageNew = stage(1)

-- ---- several blocks -----------------------------------------------------------------------------

local function wide(source)
  return rk.kernel {
    name = "wide", accepts = { M.Number }, emits = { M.Number }, block = 4,
    state = { { "sum", "u64" }, { "starts", "u64" } },
    source = source .. [[
  Number out;
  rk_sync(ctx);
  out.n = (rk_i64)state->sum;
  rk_reply(ctx, Number, &out);
}]],
  }
end

M.Wide = wide "RK_ON(Number) { rk_atomic_add_u64(&state->sum, (rk_u64)msg->n);"
M.WideNew = wide [[
RK_ON_START() { (void)ctx; if (rk_lane() == 0u) { state->starts += 1u; } }
RK_ON(Number) { rk_atomic_add_u64(&state->sum, 100u * (rk_u64)msg->n);]]

--- The definitions of these names.
function M.of(...)
  local out = {}
  for index, name in ipairs { ... } do
    out[index] = M[name]
  end
  return out
end

-- ---- asking -------------------------------------------------------------------------------------

--- The answer to one number.
function M.ask(actor, n)
  local reply = assert(actor:call(M.Number { n = n }, 5))
  return reply.n
end

--- Messages that wait for an actor, as its block sees it, also while it rests.
function M.depth(actor)
  return (core.actor_depth(actor))
end

--- 1 + 2 + ... + n.
function M.sum_of(n)
  return n * (n + 1) // 2
end

local living = {}

--- Launches an actor that end_all ends.
function M.launch(rt, definition, options)
  local actor = assert(rt:launch(definition, options))
  living[#living + 1] = actor
  return actor
end

--- Ends what was launched, and forgets the letters of it.
function M.end_all(rt)
  for _, actor in ipairs(living) do
    if actor:state() ~= "terminated" then
      actor:terminate()
    end
  end
  living = {}
  rt:clear_dead_letters()
end

return M
