-- SPDX-License-Identifier: MIT
--- Handlers of one lane, of a warp and of a block, on one block and on several.

local rk = require "ringkernel"

local Ask = rk.message("Ask", { { "n", "u64" } })

describe("a handler's lanes", function()
  local Where = rk.message("Where", { { "lanes", "u32[256]" }, { "warps", "u32[256]" },
    { "sum", "u64" }, { "votes", "u32" }, { "first", "u32" } })

  --- Each lane tells where it stands; the warp of lane 0 adds up, votes and shuffles.
  local function where(lanes)
    return rk.kernel {
      name = "where" .. lanes,
      accepts = { Ask },
      emits = { Where },
      block = lanes,
      state = { { "out", "u32[256]" }, { "warps", "u32[256]" } },
      source = [[
RK_ON(Ask) {
  const rk_u32 lane = rk_lane();
  Where out;
  state->out[lane] += (rk_block() + 1u) * 1000u + rk_block_lane() + (rk_u32)msg->n;
  state->warps[lane] = rk_warp_lane() * 100u + rk_warp_lanes();
  out.sum = rk_warp_sum_u64(lane + 1u);
  out.votes = rk_ballot(rk_warp_lane() % 2u == 0u);
  out.first = rk_shuffle_u32(lane + 7u, 0u);
  rk_sync(ctx);
  for (rk_u32 i = 0; i < 256u; ++i) {
    out.lanes[i] = state->out[i];
    out.warps[i] = state->warps[i];
  }
  rk_reply(ctx, Where, &out);
  rk_sync(ctx);
  if (lane < 256u) { state->out[lane] = 0u; }
}]],
    }
  end

  for _, shape in ipairs { { 1, 1 }, { 32, 1 }, { 100, 1 }, { 1, 4 }, { 32, 3 }, { 100, 2 } } do
    local lanes, grid = shape[1], shape[2]
    it(("are %d on %d block(s)"):format(lanes, grid), function()
      local rt <close> = assert(rk.open { blocks = 4 })
      local a = assert(rt:launch(where(lanes), { grid = grid }))
      for n = 0, 2 do
        local r = assert(a:call(Ask { n = n }, 10))
        local warp = math.min(lanes, 32)
        for i = 0, 255 do
          local is_lane = i < lanes * grid
          local block, lane = i // lanes, i % lanes
          assert.equal(is_lane and (block + 1) * 1000 + lane + n or 0, r.lanes[i + 1])
          assert.equal(is_lane and lane % 32 * 100 + math.min(32, lanes - lane // 32 * 32) or 0,
            r.warps[i + 1])
        end
        assert.equal(warp * (warp + 1) // 2, r.sum)
        assert.equal(warp == 1 and 1 or 0x55555555 & ((1 << warp) - 1), r.votes)
        assert.equal(7, r.first)
      end
    end)
  end
end)
