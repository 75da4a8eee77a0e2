#!/usr/bin/env rkl
-- One actor on several blocks: each message is handled by all lanes of all its blocks together.
-- They share the elements of a buffer among them, add up their parts in the actor's state, and meet
-- at a barrier before the first lane answers. The same handler runs on one block or on many.

local rk = require "ringkernel"

local Sum = rk.message("Sum", { { "data", "buffer" } })
local Total = rk.message("Total", { { "value", "f64" }, { "blocks", "u32" }, { "lanes", "u32" } })

local Summer = rk.kernel {
  name = "summer",
  accepts = { Sum },
  emits = { Total },
  block = 64, -- lanes a block
  state = { { "total", "f64" } },
  source = [[
RK_ON(Sum) {
  const rk_f64 *x = rk_buffer_at(const rk_f64, msg->data);
  rk_f64 part = 0;
  if (rk_lane() == 0u) { state->total = 0; }
  RK_FOR_LANES(i, msg->data.count) { part += x[i]; }
  part = rk_block_sum_f64(ctx, part);            /* of this block's lanes */
  rk_sync(ctx);                                  /* all lanes of all blocks */
  if (rk_block_lane() == 0u) { rk_atomic_add_f64(&state->total, part); }
  rk_sync(ctx);
  Total out;
  out.value = state->total;
  out.blocks = rk_blocks();
  out.lanes = rk_lanes();
  rk_reply(ctx, Total, &out);                    /* leaves once, from lane 0 */
}
]],
}

local rt <close> = rk.open { blocks = 4 }
local data = assert(rt:buffer("f64", 1000000))
local list = {}
for i = 1, 1000000 do
  list[i] = i
end
assert(data:write(list))

for _, grid in ipairs { 1, 3 } do
  local actor = assert(rt:launch(Summer, { grid = grid }))
  local total = assert(actor:call(Sum { data = data }, 10))
  print("lanes:", total.blocks, total.lanes)
  print("sum:", total.value)
end

local _, _, code = rt:launch(Summer, { grid = 5 }) -- this runtime has four blocks
print("too many:", code)
