-- SPDX-License-Identifier: MIT
--- Actors on several blocks at once.

local rk = require "ringkernel"

local support = dofile("spec/support.lua")

local BLOCKS = 4
local LANES = 40 -- no whole number of warps

local Ask = rk.message("Ask", { { "n", "u64" }, { "block", "u32" }, { "lane", "u32" } })
local Answer = rk.message("Answer", { { "n", "u64" }, { "sum", "u64" }, { "wrong", "u64" },
  { "blocks", "u32" }, { "lanes", "u32" } })

--- Three phases with a barrier between them: all lanes fill cells, add up cells that other blocks
--- filled, and look at the sum; a lane that finds another one counts itself as wrong.
local function crowd(lanes, name)
  return rk.kernel {
    name = name,
    accepts = { Ask },
    emits = { Answer },
    block = lanes,
    ports = { "next", burst = 1 },
    state = { { "cells", "u64[777]" }, { "sum", "u64" }, { "wrong", "u64" }, { "sums", "u64" } },
    source = [[
RK_ON(Ask) {
  const rk_u32 n = 777u;
  rk_u64 part = 0u;
  if (rk_lane() == 0u) { state->sum = 0u; state->sums += 1u; }
  RK_FOR_LANES(i, n) { state->cells[i] = i + msg->n; }
  rk_sync(ctx);
  RK_FOR_LANES(i, n) { part += state->cells[n - 1u - i]; }
  part = rk_block_sum_u64(ctx, part);
  if (rk_block_lane() == 0u) { rk_atomic_add_u64(&state->sum, part); }
  rk_sync(ctx);
  if (state->sum != n * (n - 1u) / 2u + n * msg->n) { rk_atomic_add_u64(&state->wrong, 1u); }
  rk_sync(ctx);
  Answer out;
  out.n = msg->n;
  out.sum = state->sum;
  out.wrong = state->wrong;
  out.blocks = rk_blocks();
  out.lanes = rk_lanes();
  rk_reply(ctx, Answer, &out);
  (void)rk_send(ctx, RK_PORT_next, Answer, &out);
}]],
  }
end

local Sink = rk.kernel {
  name = "answers",
  accepts = { Answer },
  state = { { "count", "u64" }, { "sum", "u64" } },
  source = "RK_ON(Answer) { (void)ctx; state->count += 1u; state->sum += msg->sum; }",
}

local Crowd = crowd(LANES, "crowd")

local function sum_of(n)
  local sum = 0
  for i = 0, 776 do
    sum = sum + i + n
  end
  return sum
end

--- Checks the answer to Ask { n = n } of a crowd.
local function is_right(answer, n, grid, lanes)
  assert.same({ n = n, sum = sum_of(n), wrong = 0, blocks = grid, lanes = grid * lanes },
    { n = answer.n, sum = answer.sum, wrong = answer.wrong, blocks = answer.blocks,
      lanes = answer.lanes })
end

describe("actors on several blocks #tsan", function()
  local rt
  before_each(function()
    rt = assert(rk.open { blocks = BLOCKS })
  end)
  after_each(function()
    rt:close()
  end)

  it("meet at their barrier", function()
    for grid = 1, BLOCKS do
      local a = assert(rt:launch(Crowd, { grid = grid, block = BLOCKS - 1 }))
      for n = 1, 20 do
        is_right(assert(a:call(Ask { n = n }, 10)), n, grid, LANES)
      end
      assert.is_nil(a:try_receive()) -- one answer each
      assert.equal(20, a:peek_state().sums)
      assert.is_true(a:terminate())
    end
  end)

  it("add up a buffer as one lane would", function()
    local Sum = rk.message("Sum", { { "data", "buffer" } })
    local Total = rk.message("Total", { { "value", "i64" } })
    local source = [[
RK_ON(Sum) {
  const rk_i64 *x = rk_buffer_at(const rk_i64, msg->data);
  rk_i64 part = 0;
  Total out;
  if (rk_lane() == 0u) { state->total = 0; }
  rk_sync(ctx);
  for (rk_u64 i = rk_lane(); i < msg->data.count; i += rk_lanes()) { part += x[i]; }
  rk_atomic_add_i64(&state->total, part);
  rk_sync(ctx);
  out.value = state->total;
  rk_reply(ctx, Total, &out);
}]]
    local Summer = rk.kernel { name = "summer", accepts = { Sum }, emits = { Total }, block = 64,
      state = { { "total", "i64" } }, source = source }
    local data, list, want = assert(rt:buffer("i64", 3001)), {}, 0
    for i = 1, 3001 do
      list[i] = i * i * (i % 2 == 0 and 1 or -1)
      want = want + list[i]
    end
    assert(data:write(list))
    for grid = 1, 3, 2 do
      local a = assert(rt:launch(Summer, { grid = grid }))
      for _ = 1, 5 do
        assert.equal(want, assert(a:call(Sum { data = data }, 10)).value)
      end
    end
  end)

  it("keep what RK_SHARED holds to each block", function()
    local Mine = rk.kernel {
      name = "mine", accepts = { Ask }, emits = { Answer }, block = 16,
      state = { { "blocks", "u64[4]" } },
      source = [[
RK_ON(Ask) {
  RK_SHARED rk_u64 own[16];
  Answer out = { 0 };
  own[rk_block_lane()] = rk_block() * 100u + msg->n;
  rk_block_sync();
  if (rk_block_lane() == 0u) {
    state->blocks[rk_block()] = 0u;
    for (rk_u32 i = 0; i < 16u; ++i) { state->blocks[rk_block()] += own[i]; }
  }
  rk_sync(ctx);
  for (rk_u32 i = 0; i < rk_blocks(); ++i) { out.sum = out.sum * 10000u + state->blocks[i]; }
  rk_reply(ctx, Answer, &out);
}]],
    }
    local a = assert(rt:launch(Mine, { grid = 3 }))
    for n = 1, 5 do
      assert.equal((n * 16 * 10000 + (100 + n) * 16) * 10000 + (200 + n) * 16,
        assert(a:call(Ask { n = n }, 10)).sum)
    end
  end)

  it("send once, through ports too, and wait for room", function()
    local a = assert(rt:launch(Crowd, { grid = 4 }))
    local sink = assert(rt:launch(Sink, { queue = 2, activate = false }))
    assert.is_true(rt:connect(a, "next", sink))
    local want = 0
    for n = 1, 30 do
      assert.is_true(a:send(Ask { n = n }))
      want = want + sum_of(n)
    end
    is_right(assert(a:receive(10)), 1, 4, LANES)
    is_right(assert(a:receive(10)), 2, 4, LANES)
    assert.is_nil((a:receive(0.05))) -- the sink is full: the third is not handed to it
    assert.is_true(sink:activate())
    for n = 3, 30 do
      is_right(assert(a:receive(10)), n, 4, LANES)
    end
    assert.truthy(support.eventually(function()
      return sink:peek_state().count == 30
    end))
    assert.equal(want, sink:peek_state().sum)
    assert.equal(0, a:stats().dropped) -- nor did another block's lanes try
    assert.same({}, rt:dead_letters())
  end)

  it("share blocks with each other and with ordinary ones", function()
    local actors, grids = {}, { 4, 2, 3, 4, 1, 1, 1, 1 }
    for i, grid in ipairs(grids) do
      actors[i] = assert(rt:launch(Crowd, { grid = grid, block = (i - 1) % BLOCKS }))
    end
    for n = 1, 60 do
      for _, a in ipairs(actors) do
        assert.is_true(a:send(Ask { n = n }))
      end
    end
    for n = 1, 60 do
      for i, a in ipairs(actors) do
        is_right(assert(a:receive(20)), n, grids[i], LANES)
      end
    end
  end)

  it("live through generations and late definitions", function()
    local a = assert(rt:launch(Crowd, { grid = 3 }))
    local b = assert(rt:launch(Crowd, { grid = 4 }))
    local sent = 0
    for round = 1, 3 do
      for _ = 1, 20 do
        sent = sent + 1
        assert.is_true(a:send(Ask { n = sent }))
        assert.is_true(b:send(Ask { n = sent }))
      end
      if round ~= 2 then
        assert.is_true(rt:renew())
      else -- on a device this parks the grid and loads new code
        local late = assert(rt:launch(crowd(4, "late"), { grid = 2 }))
        is_right(assert(late:call(Ask { n = round }, 20)), round, 2, 4)
        assert.is_true(late:terminate())
      end
    end
    for n = 1, sent do
      is_right(assert(a:receive(20)), n, 3, LANES)
      is_right(assert(b:receive(20)), n, 4, LANES)
    end
    assert.equal(sent, a:peek_state().sums) -- its state went along
  end)

  it("are suspended and resumed with their queue", function()
    local a = assert(rt:launch(Crowd, { grid = 4 }))
    is_right(assert(a:call(Ask { n = 1 }, 10)), 1, 4, LANES)
    assert.is_true(a:suspend())
    assert.is_true(a:send(Ask { n = 2 }))
    assert.is_nil((a:receive(0.05)))
    assert.is_true(a:resume())
    is_right(assert(a:receive(10)), 2, 4, LANES)
  end)

  describe("that fail", function()
    --- Lane `lane` of block `block` fails with code n; with n = 0 it stops the actor, with n = 1
    --- the lanes of the block from `lane` on return before the barrier.
    local Fragile = rk.kernel {
      name = "fragile", accepts = { Ask }, emits = { Answer }, block = 4,
      state = { { "count", "u64" } },
      source = [[
RK_ON(Ask) {
  Answer out = { 0 };
  if (rk_block() == msg->block && rk_block_lane() >= msg->lane && msg->n == 1u) { return; }
  if (rk_block() == msg->block && rk_block_lane() == msg->lane) {
    if (msg->n == 0u) { rk_stop(ctx); } else { rk_fail(ctx, (int)msg->n); }
  }
  rk_sync(ctx);
  if (rk_lane() == 0u) { rk_atomic_add_u64(&state->count, 1u); } /* the barrier may be broken */
  rk_sync(ctx);
  out.n = rk_atomic_load_u64(&state->count);
  rk_reply(ctx, Answer, &out);
}]],
    }
    local HEALTHY = 99 -- no such block

    it("fail once, whichever lane it was", function()
      local a = assert(rt:launch(Fragile, { grid = 3, name = "fragile" }))
      local failures = {}
      rt:on("failure", function(event)
        failures[#failures + 1] = event.code
      end)
      for block = 0, 2 do
        for lane = 0, 3, 3 do
          local code = 40 + block * 4 + lane
          assert.is_true(a:send(Ask { n = code, block = block, lane = lane }))
          assert.truthy(support.eventually(function()
            rt:poll(0.01)
            return a:state() == "failed"
          end))
          rt:drain()
          assert.same({ code }, failures)
          failures = {}
          assert.equal(1, assert(a:receive(5)).n) -- it answered before it had failed
          assert.is_true(a:restart())
          assert.equal(1, assert(a:call(Ask { n = 5, block = HEALTHY }, 5)).n)
          assert.is_true(a:restart())
        end
      end
    end)

    it("fail when a block leaves the others at the barrier", function()
      local a = assert(rt:launch(Fragile, { grid = 4, block = 1 }))
      local neighbour = assert(rt:launch(Fragile, { block = 2 }))
      for block = 0, 3 do
        assert.is_true(a:send(Ask { n = 1, block = block }))
        assert.truthy(support.eventually(function()
          rt:poll(0.01)
          return a:state() == "failed"
        end))
        a:receive(0) -- lane 0 may have answered
        assert.equal(block + 1, assert(neighbour:call(Ask { n = 5, block = HEALTHY }, 5)).n)
        assert.is_true(a:restart())
        assert.equal(1, assert(a:call(Ask { n = 5, block = HEALTHY }, 5)).n)
        assert.is_true(a:restart())
      end
    end)

    it("stop when a lane says so", function()
      local a = assert(rt:launch(Fragile, { grid = 3 }))
      assert.is_true(a:send(Ask { n = 0, block = 2, lane = 1 }))
      assert.truthy(support.eventually(function()
        rt:poll(0.01)
        return a:state() == "terminated"
      end))
    end)
  end)

  describe("begin and end", function()
    --- Every lane counts itself in a buffer: [0] start, [1] messages, [2] stop; a message takes
    --- many barriers.
    local Word = rk.message("Word", { { "words", "buffer" } })
    local Edges = rk.kernel {
      name = "edges", accepts = { Word }, emits = { Answer }, block = 3,
      state = { { "words", "u64" }, { "started", "u64" } },
      source = [[
RK_ON_START() { (void)ctx; rk_atomic_add_u64(&state->started, 1u); }
RK_ON(Word) {
  rk_u64 *words = rk_buffer_at(rk_u64, msg->words);
  Answer begun = { 0 };
  rk_reply(ctx, Answer, &begun);
  if (rk_lane() == 0u) { state->words = msg->words.address; }
  for (rk_u32 i = 0; i < 300u; ++i) { rk_sync(ctx); }
  rk_atomic_add_u64(&words[1], 1u);
}
RK_ON_STOP() {
  (void)ctx;
  if (state->words == 0u) { return; }
  rk_u64 *words = RK_ADDRESS(rk_u64, state->words);
  rk_atomic_add_u64(&words[2], 1u);
  if (rk_lane() == 0u) { rk_atomic_add_u64(&words[0], state->started); }
}]],
    }

    it("on all their blocks", function()
      local words = assert(rt:buffer("u64", 3))
      local a = assert(rt:launch(Edges, { grid = 3 }))
      assert.is_true(a:send(Word { words = words }))
      assert.truthy(support.eventually(function()
        return a:stats().processed == 1
      end))
      assert.is_true(a:terminate())
      assert.same({ 9, 9, 9 }, words:read())
    end)

    it("between two handlings, never inside one", function()
      local words = assert(rt:buffer("u64", 3))
      local a = assert(rt:launch(Edges, { grid = 4 }))
      for _ = 1, 10 do
        assert.is_true(a:send(Word { words = words }))
      end
      assert.truthy(support.eventually(function()
        return a:try_receive() -- it stands at its barriers now, or has just left them
      end))
      assert.is_true(a:terminate())
      local seen = words:read()
      assert.equal(0, seen[2] % 12) -- all lanes of a handling, or none
      assert.equal(10 - seen[2] // 12, #rt:dead_letters())
      assert.same({ 12, 12 }, { seen[1], seen[3] })
    end)

    it("with their runtime, however many there are", function()
      local kept = {} -- a buffer that is garbage goes, whoever works in it
      for i = 1, 6 do
        local a = assert(rt:launch(Edges, { grid = 1 + i % BLOCKS }))
        local words = assert(rt:buffer("u64", 3))
        kept[i] = words
        for _ = 1, 5 do
          assert.is_true(a:send(Word { words = words }))
        end
      end
      assert.is_true(rt:close())
      assert.equal(6, #kept)
    end)
  end)

  it("cannot have more blocks than there are", function()
    local before = rt:stats()
    local a, message, code = rt:launch(Crowd, { grid = BLOCKS + 1, name = "wide" })
    assert.is_nil(a)
    assert.equal("unsupported", code)
    assert.matches("grid = 5", message)
    assert.matches("4 blocks", message)
    assert.same(before, rt:stats()) -- nothing was half done
    assert.is_nil(rt:find("wide"))
    is_right(assert(assert(rt:launch(Crowd, { grid = BLOCKS, name = "wide" })):call(
      Ask { n = 3 }, 10)), 3, BLOCKS, LANES)
    assert.matches("'grid'", support.error_of(rt.launch, rt, Crowd, { grid = 0 }))
  end)
end)
