#!/usr/bin/env rkl
-- From kernel to kernel: two actors pass a ball through ports that are wired to each other. The
-- host serves once and hears only of the end; what happens between costs it nothing.

local rk = require "ringkernel"

local Ball = rk.message("Ball", { { "hits", "u32" }, { "limit", "u32" } })
local Score = rk.message("Score", { { "hits", "u32" } })

local Player = rk.kernel {
  name = "player",
  accepts = { Ball },
  emits = { Ball, Score },
  state = { { "hits", "u32" } },
  ports = { "partner" },
  source = [[
    RK_ON(Ball) {
      Ball ball = *msg;
      ball.hits += 1;
      state->hits += 1;
      if (ball.hits < ball.limit) {
        rk_send(ctx, RK_PORT_partner, Ball, &ball);
      } else {
        Score score;
        score.hits = ball.hits;
        rk_send_to(ctx, 0, Score, &score); /* 0 is the host */
      }
    }
  ]],
}

local rt <close> = rk.open()
local ping = assert(rt:launch(Player, { name = "ping" }))
local pong = assert(rt:launch(Player, { name = "pong" }))
assert(rt:connect(ping, "partner", pong))
assert(rt:connect(pong, "partner", ping))

ping:send(Ball { limit = 10000 }) -- hit by ping, pong, ping, ...

local score = assert(pong:receive(5)) -- 10,000 is even: the last hit is pong's
print("hits:", score.hits)
print("ping:", ping:peek_state().hits)
print("pong:", pong:peek_state().hits)
