-- What scripts/check_kernels.lua compiles beside the stock kernels: test definitions and ordinary
-- kernels.
--
-- `cases.definitions()` are handlers of 1, 32, 33, 128 and 256 lanes; together they use all that a
-- handler may call. `cases.globals()` are ordinary kernels, which share the helpers but not the
-- number of lanes. Marker kernels and planted mistakes are in kernel_markers.lua.

local definition = require "ringkernel.definition"
local layout = require "ringkernel.layout"

local M = {}

-- ---- test definitions ----

local INTEGERS = { "u32", "u64", "i32", "i64" }
local FLOATS = { "f32", "f64" }
local ALL_HELPERS = { [1] = true, [33] = true } -- lanes at which every helper is called

-- What the handlers of all test definitions share.
local HANDLERS = [[
#define HALF 0.5

static rk_u64 spread(rk_ctx *ctx, const Work *msg) {
  RK_SHARED rk_u64 words[RK_LANES];
  const rk_u32 lane = rk_lane();
  rk_u64 total = 0;
  words[lane] = msg->seed + lane;
  rk_sync(ctx);
  RK_FOR_LANES(i, RK_LANES) {
    total += words[RK_LANES - 1u - i];
  }
  rk_sync(ctx);
  return total;
}

static rk_u64 loaded(rk_ctx *ctx, const rk_u64 *from, rk_u32 count) {
  RK_SHARED RK_ALIGN(16) rk_u64 tile[512];
  rk_load_shared(ctx, tile, from, count * 8u);
  return tile[(rk_lane() * 7u) % 512u];
}

RK_ON(Work) {
  const rk_f32 *x = rk_buffer_at(const rk_f32, msg->data);
  rk_f64 part = 0.0;
  Result result;
  for (rk_u64 i = rk_lane(); i < msg->data.count; i += rk_lanes()) {
    part += HALF * (rk_f64)x[i];
  }
  result.total = rk_block_sum_f64(ctx, part);
  result.words = rk_block_sum_u64(ctx, spread(ctx, msg)
    + loaded(ctx, rk_buffer_at(const rk_u64, msg->data), 512u));
  result.stamp = rk_now(ctx);
  result.from = rk_sender(ctx) + rk_self(ctx);
  use_helpers(ctx, state);
  if (rk_lane() == 0u) {
    state->handled += 1u;
  }
  rk_sync(ctx);
  if (rk_send(ctx, RK_PORT_next, Result, &result) != 0 ||
      rk_send(ctx, RK_PORT_other, Result, &result) != 0) {
    rk_fail(ctx, 7);
  }
  (void)rk_send_to(ctx, msg->peer, Result, &result);
  (void)rk_publish(ctx, "test/result", Result, &result);
  (void)rk_reply(ctx, Result, &result);
}

RK_ON(Quit) {
  (void)msg;
  (void)state;
  rk_stop(ctx);
}

RK_ON_START() {
  (void)ctx;
  state->handled = 0u;
}

RK_MIGRATE(Was) {
  rk_f64 sum = rk_block_sum_f64(ctx, rk_lane() < 4u ? old->parts[rk_lane()] : 0.0);
  if (old->count < 0) {
    rk_fail(ctx, 5);
  }
  RK_FOR_LANES(i, 1u) {
    state->handled = (rk_u64)old->count + i;
    state->votes = (rk_u64)sum;
  }
  rk_sync(ctx);
}

RK_ON_STOP() {
  Result last;
  last.total = 0.0;
  last.words = state->handled;
  last.stamp = rk_now(ctx);
  last.from = rk_self(ctx);
  (void)rk_publish(ctx, "test/end", Result, &last);
}
]]

-- A few helpers, for widths at which all would only cost time.
local USE_SOME = [[
static void use_helpers(rk_ctx *ctx, rk_state *state) {
  rk_u32 most = rk_block_max_u32(ctx, rk_warp_sum_u32(rk_lane()));
  if (rk_ballot(most > 3u) != 0u) {
    (void)rk_atomic_add_u64(&state->votes, rk_shuffle_u64(most, 0u));
  }
}
]]

--- A function that calls every helper of rk_helpers.h.
local function use_all()
  local out = { "static void use_helpers(rk_ctx *ctx, rk_state *state) {" }
  local function add(format, ...)
    out[#out + 1] = "  " .. format:format(...)
  end
  for _, list in ipairs { INTEGERS, FLOATS } do
    for _, T in ipairs(list) do
      add("rk_%s v_%s = (rk_%s)(rk_lane() + 1u);", T, T, T)
      if list == INTEGERS then
        for _, name in ipairs { "add", "sub", "min", "max", "exch" } do
          add("v_%s += rk_atomic_%s_%s(&state->w_%s, v_%s);", T, name, T, T, T)
        end
        add("v_%s += rk_atomic_cas_%s(&state->w_%s, (rk_%s)1, v_%s);", T, T, T, T, T)
      else
        add("v_%s += rk_atomic_add_%s(&state->w_%s, v_%s);", T, T, T, T)
      end
      add("v_%s += rk_atomic_load_%s(&state->w_%s);", T, T, T)
      add("v_%s += rk_shuffle_%s(v_%s, rk_warp_lane() + 1u);", T, T, T)
      for _, name in ipairs { "sum", "min", "max" } do
        add("v_%s += rk_warp_%s_%s(v_%s);", T, name, T, T)
        add("v_%s += rk_block_%s_%s(ctx, v_%s);", T, name, T, T)
      end
      add("rk_atomic_store_%s(&state->w_%s, v_%s);", T, T, T)
    end
  end
  add("if (rk_warp_any(v_u32 > 3u) && !rk_warp_all(v_u32 > 9u) && rk_ballot(v_i32 > 0) != 0u) {")
  add("  (void)rk_atomic_add_u64(&state->votes, rk_warp_lanes());")
  add("}")
  add("rk_warp_sync();")
  out[#out + 1] = "}\n"
  return table.concat(out, "\n")
end

--- The checked test definitions, one for each number of lanes.
function M.definitions()
  local state = { { "handled", "u64" }, { "votes", "u64" } }
  for _, list in ipairs { INTEGERS, FLOATS } do
    for _, T in ipairs(list) do
      state[#state + 1] = { "w_" .. T, T }
    end
  end
  local work = layout.new("Work", { { "seed", "u64" }, { "peer", "id" }, { "data", "buffer" } })
  local quit = layout.new("Quit", { { "why", "char[16]" } })
  local result = layout.new("Result", { { "total", "f64" }, { "words", "u64" }, { "stamp", "hlc" },
    { "from", "id" } })
  local out = {}
  for index, lanes in ipairs { 1, 32, 33, 128, 256 } do
    out[index] = definition.kernel {
      name = "lanes_" .. lanes,
      accepts = { work, quit },
      emits = { result },
      state = state,
      old_state = { { "count", "i32" }, { "parts", "f64[4]" } },
      ports = { "next", "other", burst = 4 },
      block = lanes,
      source = (ALL_HELPERS[lanes] and use_all() or USE_SOME) .. HANDLERS,
    }
  end
  return out
end

-- ---- ordinary kernels ----

local SAXPY = [[
RK_GLOBAL() {
  RK_FOR_GRID(i, n) {
    y[i] = a * x[i] + y[i];
  }
}
]]

-- Sums of blocks and their neighbours' elements: shared memory, barriers, warps, atomics.
local BLOCK_SUMS = [[
#define SHIFT 1u

static rk_u64 twice(rk_u64 v) {
  return v << SHIFT;
}

RK_GLOBAL() {
  RK_SHARED rk_f64 tile[RK_LANES_MAX];
  const rk_u32 lane = rk_lane();
  rk_f64 part = 0.0;
  RK_FOR_GRID(i, n) {
    part += (rk_f64)data[i];
  }
  tile[lane] = part;
  rk_block_sync();
  part += tile[(lane + 1u) % rk_lanes()];
  rk_sync(0);
  RK_FOR_LANES(k, rk_lanes()) {
    part += tile[k];
  }
  part = rk_block_sum_f64(0, part);
  const rk_u32 bits = rk_ballot(flag != 0 && rk_warp_any(part > 0.0));
  const rk_u32 last = rk_warp_sum_u32(rk_shuffle_u32(lane, 31u));
  rk_warp_sync();
  if (rk_warp_lane() == 0u) {
    (void)rk_atomic_add_u64(votes, twice(last) + bits);
  }
  if (lane == 0u) {
    (void)rk_atomic_add_f64(total, part);
  }
}
]]

--- The checked ordinary kernels.
function M.globals()
  return {
    definition.global {
      name = "saxpy",
      params = { { "y", "f32*" }, { "x", "const f32*" }, { "a", "f32" }, { "n", "u32" } },
      source = SAXPY,
    },
    definition.global {
      name = "block_sums",
      params = { { "total", "f64*" }, { "votes", "u64*" }, { "data", "const i16*" }, { "n", "u64" },
        { "flag", "u8" } },
      source = BLOCK_SUMS,
    },
  }
end

return M
