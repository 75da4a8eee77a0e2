#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- What flow control costs a hop between actors: the same token over links of several kinds, and
--- sent by id, without a link.
--
-- No way of sending goes without room being taken, since every queue is bounded. So its share is
-- found from two that take it at different rates: with `each` - `eighth` = 7/8 of what taking and
-- giving back costs, a hop of the default pays a seventh of that difference.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local rk = require "ringkernel"

--- As kit.pass, to the actor whose id the token carries: without a link.
local by_id = rk.kernel {
  name = "bench_by_id",
  accepts = { kit.Token },
  emits = { kit.Token },
  state = { { "handled", "u64" } },
  source = [[
RK_ON(Token) {
  Token out = *msg;
  state->handled += 1u;
  if (msg->hops == 0u) { rk_send_to(ctx, RK_HOST, Token, &out); return; }
  out.hops -= 1u;
  out.words[0] += 1u;
  if (rk_send_to(ctx, msg->words[5u + (msg->hops & 1u)], Token, &out) != 0) { rk_fail(ctx, 1); }
}
]],
}

local LINKS = {
  eighth = {},
  each = { credits = 1 },
  buffer = { policy = "buffer", limit = 16 },
  drop_oldest = { policy = "drop_oldest", limit = 16 },
  by_id = false,
}

local INCLUDES = {
  eighth = "over a link that blocks, the default; eight credits are taken at a time: half the "
    .. "receiver's queue",
  each = "over a link that blocks, with one credit: each hop takes it and gives it back",
  buffer = "over a link that buffers and has room",
  drop_oldest = "over a link that drops the oldest and has room",
  by_id = "by rk_send_to with an id from the token: no link; the receiver is looked up and "
    .. "asked for room each time",
}

local shared = kit.shared { pin = true, load = { kit.pass, by_id } }

return kit.campaign {
  name = "credits",
  answers = "the goal of credit bookkeeping below a tenth of a hop: a seventh of (`each` - "
    .. "`eighth`) against `eighth`; RustCompute's policies of credits are stored and never used, "
    .. "and it keeps a receipt of each K2K message for ever (about 180 bytes)",
  includes = "per hop of a token of 64 B between two actors",
  matrix = {
    { "place", kit.values { "one_block", "two_blocks" } },
    { "link", kit.values({ "eighth", "by_id", "each", "buffer", "drop_oldest" }, 2) },
  },
  limit_s = 5,
  setup = function(case)
    local rt, link = shared:use(), LINKS[case.link]
    case.rounds, case.sent = 0, 0
    case.actors = {}
    for i = 1, 2 do
      case.actors[i] = assert(rt:launch(link and kit.pass or by_id, { queue = 16,
        block = case.place == "two_blocks" and i - 1 or 0 }))
    end
    for i = 1, link and 2 or 0 do
      assert(rt:connect(case.actors[i], "next", case.actors[3 - i], link))
    end
    -- Hops count down from an even number: the first actor, which has it then, sends to the
    -- second.
    case.words = not link and { [6] = case.actors[2].id, [7] = case.actors[1].id } or nil
  end,
  run = function(case, meter)
    local rounds = kit.count(20000)
    meter:includes(INCLUDES[case.link] .. "; per hop of 64 B: handler, copy, queue, stamp; one "
      .. "call from Lua and one question to the first actor shared by all; each block on a "
      .. "processor of its own")
    kit.travel(meter, case.actors[1], 2 * rounds, rounds, case.words)
    case.rounds, case.sent = case.rounds + rounds, case.sent + 1
  end,
  check = function(case)
    for i = 1, 2 do
      local handled = assert(case.actors[i]:peek_state()).handled
      local wanted = case.rounds + (i == 1 and case.sent or 0)
      if handled ~= wanted then
        return false, ("actor %d handled %d tokens, not %d"):format(i, handled, wanted)
      end
    end
    return true
  end,
  teardown = function(case)
    for i = 1, 2 do
      assert(case.actors[i]:terminate())
    end
    shared:release()
  end,
}
