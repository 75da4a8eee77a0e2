-- SPDX-License-Identifier: MIT
--- Sound in a box: the stencil of stencil.lua and frame.lua, as an ordinary kernel, as an actor
--- that stays, and in Lua as the reference of both.
--
-- p is the pressure now, q the one before; a step writes the next one over q (7 points, second
-- order in time), then p and q change places. The faces stay 0. After an even number of steps the
-- result is in p again.

local rk = require "ringkernel"

local M = {}

M.C2 = 0.1 -- (speed * time step / cell)^2
M.IMPULSE = 1000

--- Lanes of a block: one where a lane is a fiber on a thread, many where it is hardware.
function M.lanes(backend)
  return backend == "cuda" and 256 or 1
end

-- Lanes take rows, a warp's lanes neighbours in a row.
local STEP = [[
static inline void wave_step(const rk_f32 *p, rk_f32 *q, rk_u32 n, rk_f32 c2, rk_u32 lane,
                             rk_u32 lanes) {
  const rk_u32 wide = lanes < 32u ? 1u : 32u, inner = n - 2u;
  for (rk_u32 row = lane / wide; row < inner * inner; row += lanes / wide) {
    const rk_u32 base = ((row / inner + 1u) * n + row % inner + 1u) * n;
    for (rk_u32 x = 1u + lane % wide; x < n - 1u; x += wide) {
      const rk_u32 i = base + x;
      const rk_f32 around = p[i - 1u] + p[i + 1u] + p[i - n] + p[i + n] + p[i - n * n]
                            + p[i + n * n];
      q[i] = 2.0f * p[i] - q[i] + c2 * (around - 6.0f * p[i]);
    }
  }
}
]]

--- One step, and adding to a cell, each a launch of its own.
M.step = rk.global {
  name = "bench_wave_step",
  params = { { "p", "f32*" }, { "q", "f32*" }, { "n", "u32" }, { "c2", "f32" } },
  source = STEP .. [[
RK_GLOBAL() {
  wave_step(p, q, n, c2, rk_block() * rk_lanes() + rk_lane(), rk_blocks() * rk_lanes());
}
]],
}
M.add = rk.global {
  name = "bench_wave_add",
  params = { { "p", "f32*" }, { "cell", "u32" }, { "amount", "f32" } },
  source = "RK_GLOBAL() { if (rk_block() == 0u && rk_lane() == 0u) { p[cell] += amount; } }",
}

M.Clear = rk.message("WaveClear", { { "p", "buffer" }, { "q", "buffer" } })
M.Add = rk.message("WaveAdd", { { "p", "buffer" }, { "cell", "u32" }, { "amount", "f32" } })
M.Run = rk.message("WaveRun", { { "p", "buffer" }, { "q", "buffer" }, { "n", "u32" },
  { "steps", "u32" }, { "c2", "f32" }, { "tell", "u32" } })
M.Probe = rk.message("WaveProbe", { { "p", "buffer" }, { "cell", "u32" }, { "value", "f32" } })
M.Done = rk.message("WaveDone", { { "steps", "u32" } })

--- The same as an actor. Run answers with Done if `tell` is not 0, Probe with Probe.
function M.actor(lanes)
  return rk.kernel {
    name = "bench_wave",
    accepts = { M.Clear, M.Add, M.Run, M.Probe },
    emits = { M.Probe, M.Done },
    block = lanes,
    source = STEP .. [[
RK_ON(WaveClear) {
  rk_f32 *p = rk_buffer_at(rk_f32, msg->p), *q = rk_buffer_at(rk_f32, msg->q);
  (void)ctx; (void)state;
  RK_FOR_LANES(i, msg->p.count) { p[i] = 0.0f; q[i] = 0.0f; }
}
RK_ON(WaveAdd) {
  rk_f32 *p = rk_buffer_at(rk_f32, msg->p);
  (void)ctx; (void)state;
  if (rk_lane() == 0u) { p[msg->cell] += msg->amount; }
}
RK_ON(WaveRun) {
  rk_f32 *p = rk_buffer_at(rk_f32, msg->p), *q = rk_buffer_at(rk_f32, msg->q);
  WaveDone done = { msg->steps };
  (void)state;
  for (rk_u32 s = 0u; s < msg->steps; ++s) {
    wave_step(p, q, msg->n, msg->c2, rk_lane(), rk_lanes());
    rk_sync(ctx);
    rk_f32 *next = q;
    q = p;
    p = next;
  }
  if (msg->tell != 0u) { rk_reply(ctx, WaveDone, &done); }
}
RK_ON(WaveProbe) {
  const rk_f32 *p = rk_buffer_at(const rk_f32, msg->p);
  WaveProbe out = *msg;
  (void)state;
  out.value = p[msg->cell];
  rk_reply(ctx, WaveProbe, &out);
}
]],
  }
end

--- The cell in the middle of a box of n * n * n, counted from 0.
function M.middle(n)
  return (n // 2 * n + n // 2) * n + n // 2
end

--- The same in Lua, with numbers of twice the precision. The lists count from 0.
function M.reference(n)
  local wave = { p = {}, q = {} }
  for i = 0, n * n * n - 1 do
    wave.p[i], wave.q[i] = 0.0, 0.0
  end
  function wave.run(steps)
    local p, q = wave.p, wave.q
    for _ = 1, steps do
      for z = 1, n - 2 do
        for y = 1, n - 2 do
          local base = (z * n + y) * n
          for i = base + 1, base + n - 2 do
            local around = p[i - 1] + p[i + 1] + p[i - n] + p[i + n] + p[i - n * n] + p[i + n * n]
            q[i] = 2 * p[i] - q[i] + M.C2 * (around - 6 * p[i])
          end
        end
      end
      p, q = q, p
    end
    wave.p, wave.q = p, q
  end
  return wave
end

--- Whether two pressures are the same but for rounding.
function M.close(a, b)
  return math.abs(a - b) < 1e-4 * M.IMPULSE
end

return M
