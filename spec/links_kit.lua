-- SPDX-License-Identifier: MIT
--- What the specs of links share: a receiver that remembers what came, and in which order.
-- Used as `local kit = dofile("spec/links_kit.lua")`.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local M = {}

local Number = support.Number

M.Recorder = rk.kernel {
  name = "recorder", accepts = { Number },
  state = { { "n", "u64" }, { "seen", "i64[64]" }, { "last", "i64" }, { "jumps", "u64" } },
  source = [[
RK_ON(Number) {
  (void)ctx;
  if (state->n < 64) state->seen[state->n] = msg->n;
  if (msg->n <= state->last) state->jumps += 1;
  state->last = msg->n;
  state->n += 1;
}
]],
}

--- What a recorder that took nothing yet has got once it is let go: `count` numbers and no more.
function M.seen(rt, recorder, count)
  assert(recorder:activate())
  assert(support.eventually(function()
    rt:poll(0.002)
    return recorder:peek_state().n >= count
  end, 10), "too few came")
  for _ = 1, 5 do
    rt:poll(0.002)
  end
  local state, out = recorder:peek_state(), {}
  assert(state.n == count, ("%d came instead of %d"):format(state.n, count))
  for i = 1, math.min(state.n, 64) do
    out[i] = state.seen[i]
  end
  return out
end

--- The numbers from the first to the second, from the third to the fourth, and so on.
function M.range(...)
  local out, list = {}, { ... }
  for i = 1, #list, 2 do
    for n = list[i], list[i + 1] do
      out[#out + 1] = n
    end
  end
  return out
end

return M
