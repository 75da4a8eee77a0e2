#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Kernel to kernel: one token of 64 B in a ring of actors, on one block or between two.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")

local PLACES = {
  one_block = function()
    return 0
  end,
  halves = function(i, count)
    return i * 2 // count
  end,
  in_turn = function(i)
    return i % 2
  end,
}

local shared = kit.shared { pin = true, load = { kit.pass } }

return kit.campaign {
  name = "k2k",
  answers = "RustCompute's K2K send and receive of one thread (600 to 770 ns, no handler), and its "
    .. "launches named K2K tiers (6.7 / 9.0-15.3 / 10.5-18.2 us); Erlang's ring of 1,000 processes "
    .. "(337 ns a hop) and ping-pong (649 ns, two hops)",
  includes = "per hop: handler, copy of 64 B, credit, ticket, stamp, queue of the block that has "
    .. "it next; one call from Lua and one question to the first actor shared by all hops; each "
    .. "block on a processor of its own",
  matrix = {
    { "place", kit.values { "one_block", "halves", "in_turn" } },
    { "actors", kit.values({ 2, 10, 100, 1000 }, 2) },
  },
  limit_s = 4,
  skip = function(case)
    if case.place == "halves" and case.actors == 2 then
      return "two actors in halves are two in turn"
    end
  end,
  setup = function(case)
    local rt = shared:use()
    case.ring, case.rounds, case.sent = {}, 0, 0
    for i = 0, case.actors - 1 do
      case.ring[i] = assert(rt:launch(kit.pass, { queue = 16,
        block = PLACES[case.place](i, case.actors) }))
    end
    for i = 0, case.actors - 1 do
      assert(rt:connect(case.ring[i], "next", case.ring[(i + 1) % case.actors]))
    end
  end,
  run = function(case, meter)
    local rounds = math.max(1, kit.count(40000) // case.actors)
    kit.travel(meter, case.ring[0], rounds * case.actors, rounds)
    case.rounds, case.sent = case.rounds + rounds, case.sent + 1
  end,
  check = function(case)
    for i = 0, case.actors - 1 do
      local handled = assert(case.ring[i]:peek_state()).handled
      local wanted = case.rounds + (i == 0 and case.sent or 0)
      if handled ~= wanted then
        return false, ("actor %d handled %d tokens, not %d"):format(i, handled, wanted)
      end
    end
    return true
  end,
  teardown = function(case)
    for i = 0, case.actors - 1 do
      assert(case.ring[i]:terminate())
    end
    shared:release()
  end,
}
