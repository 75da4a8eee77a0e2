-- SPDX-License-Identifier: MIT
--- Messages and definitions of the self-test and the figures (selftest.lua, figures.lua).

local rk = require "ringkernel"

local M = {}

--- 64 bytes. bench/gpu/gpu_loops.c has the same as a struct.
M.Token = rk.message("Token", { { "hops", "u64" }, { "words", "u64[7]" } })

--- Passes a token on through its port while there are hops left, then to the host.
M.pass = rk.kernel {
  name = "gpu_pass",
  accepts = { M.Token },
  emits = { M.Token },
  ports = { "next" },
  source = [[
RK_ON(Token) {
  (void)state;
  if (msg->hops == 0u) { rk_send_to(ctx, 0u, Token, msg); return; }
  Token out = *msg;
  out.hops -= 1u;
  if (rk_send(ctx, RK_PORT_next, Token, &out) != 0) { rk_fail(ctx, 1); }
}
]],
}

--- Reads every word and counts; a token with hops = 1 is answered with count and sum, one with
--- hops = 2 makes it fail.
M.sink = rk.kernel {
  name = "gpu_sink",
  accepts = { M.Token },
  emits = { M.Token },
  state = { { "count", "u64" }, { "sum", "u64" } },
  source = [[
RK_ON(Token) {
  if (msg->hops == 2u) { rk_fail(ctx, 42); return; }
  for (int i = 0; i < 7; ++i) { state->sum += msg->words[i]; }
  state->count += 1u;
  if (msg->hops == 1u) {
    Token out = *msg;
    out.words[0] = state->count;
    out.words[1] = state->sum;
    rk_reply(ctx, Token, &out);
  }
}
]],
}

--- Messages that one handling of `source` sends.
M.SOURCE_BURST = 32

--- Sends numbered tokens to the host: SOURCE_BURST for each of the `hops` handlings that one token
--- starts. Token i is { i, { i, i + 1, ... i + 6 } }, from 0 on as long as the actor lives.
M.source = rk.kernel {
  name = "gpu_source",
  accepts = { M.Token },
  emits = { M.Token },
  ports = { "unused", burst = M.SOURCE_BURST },
  state = { { "next", "u64" } },
  source = [[
RK_ON(Token) {
  Token out;
  for (rk_u32 k = 0u; k < 32u; ++k) {
    out.hops = state->next;
    for (rk_u32 i = 0u; i < 7u; ++i) { out.words[i] = state->next + i; }
    state->next += 1u;
    if (rk_send_to(ctx, 0u, Token, &out) != 0) { rk_fail(ctx, 1); return; }
  }
  if (msg->hops > 1u) {
    out = *msg;
    out.hops -= 1u;
    if (rk_send_to(ctx, rk_self(ctx), Token, &out) != 0) { rk_fail(ctx, 2); }
  }
}
]],
}

--- An ordinary kernel: the baseline of figures, and something to check.
M.add_one = rk.global {
  name = "gpu_add_one",
  params = { { "x", "f32*" }, { "n", "u32" } },
  source = "RK_GLOBAL() { RK_FOR_GRID(i, n) { x[i] += 1.0f; } }",
}

--- Compiles every definition before the first actor, so that there is one image for all of them and
--- no generation is renewed for code later; in one order, so that programs share what is cached.
function M.load(rt)
  for _, definition in ipairs { rk.stock.echo, rk.stock.reduce, M.sink, M.source, M.pass } do
    assert(definition:compile(rt))
  end
end

return M
