-- SPDX-License-Identifier: MIT
--- What only some devices can do: had when it is asked for by name, or refused with `unsupported`.
--
-- Runs on whatever the suite's runtimes run on. A test that needs a feature is skipped where the
-- device lacks it, and says which; spec/cli/features_spec.lua has the devices that lack one.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, error_of = support.Number, support.error_of

--- A runtime with these options; ends the test as skipped where the device cannot have it.
local function open(options)
  local rt, message, code = rk.open(options)
  if not rt and code == "unsupported" then
    pending(message)
  end
  return assert(rt, message)
end

describe("clusters of blocks", function()
  it("are told of, and none is the default", function()
    local rt <close> = rk.open { blocks = 2 }
    assert.equal(1, rt:info().cluster)
  end)

  it("are refused outside of 1..8", function()
    assert.matches("option .cluster.: .*from 1 to 8 expected, got 9",
      error_of(rk.open, { cluster = 9 }))
    assert.matches("option 'cluster'", error_of(rk.open, { cluster = 0 }))
  end)

  it("divide the grid", function()
    local rt <close> = open { blocks = 4, cluster = 2 }
    assert.equal(2, rt:info().cluster)
    assert.equal(4, rt:info().blocks)
    assert.matches("a multiple of the cluster's 2 blocks expected, got 3",
      error_of(rk.open, { blocks = 3, cluster = 2 }))
  end)

  it("run a grid whose blocks all answer, in every generation", function()
    local rt <close> = open { blocks = 4, cluster = 2 }
    local actors = {}
    for block = 0, 3 do
      actors[block] = assert(rt:launch(support.Adder, { block = block }))
    end
    for round = 1, 3 do
      for block = 0, 3 do
        assert.equal(round * (block + 1), assert(actors[block]:call(Number { n = block + 1 }, 5)).n)
      end
      assert(rt:renew())
    end
  end)

  local function carry(lanes)
    --- Passes numbers on through its port, the last one to the host; each must be the next.
    local Step = rk.kernel {
      name = "lane_step", accepts = { Number }, emits = { Number }, state = { { "last", "i64" } },
      ports = { "next", burst = 2 },
      source = [[
RK_ON(Number) {
  if (msg->n != state->last + 1) { rk_fail(ctx, 99); return; }
  state->last = msg->n;
  if (rk_send(ctx, RK_PORT_next, Number, msg) == RK_ENOT_FOUND) {
    (void)rk_send_to(ctx, RK_HOST, Number, msg);
  }
}]],
    }

    local function chain(rt, blocks)
      local actors = {}
      for index, block in ipairs(blocks) do
        actors[index] = assert(rt:launch(Step, { block = block }))
        if index > 1 then
          assert(rt:connect(actors[index - 1], "next", actors[index]))
        end
      end
      return actors
    end

    --- Sends `count` numbers through the chain; renews the grid every so often.
    local function drive(rt, actors, count, renewal)
      local sent, got = 0, 0
      while got < count do
        if sent < count and actors[1]:send(Number { n = sent + 1 }) then
          sent = sent + 1
          if renewal and sent % renewal == 0 then
            assert(rt:renew())
          end
        else
          local m = actors[#actors]:receive(5)
          got = got + 1
          assert.equal(got, m.n)
        end
      end
    end

    it("in order, and say how many", function()
      local rt <close> = open { blocks = 4, cluster = 2, cluster_lanes = lanes }
      local actors = chain(rt, { 0, 1, 0, 1, 1 })
      drive(rt, actors, 2000)
      assert.is_true(rt:stats().by_lane > 0)
      assert.is_true(rt:stats().by_lane <= 3 * 2000)
      assert.equal(0, #rt:dead_letters())
    end)

    it("with records of their sending in a trace", function()
      local rt <close> = open { blocks = 2, cluster = 2, cluster_lanes = lanes, trace = 4096 }
      local actors = chain(rt, { 0, 1 })
      assert(rt:trace { on = true })
      drive(rt, actors, 100)
      assert(rt:trace { on = false })
      local sent = 0
      for _, record in ipairs(assert(rt:trace_read())) do
        if record.kind == "send" and record.block == 0 then
          sent = sent + 1
        end
      end
      assert.is_true(rt:stats().by_lane > 0)
      assert.equal(100, sent)
    end)

    it("and none from one cluster to another", function()
      local rt <close> = open { blocks = 4, cluster = 2, cluster_lanes = lanes }
      local actors = chain(rt, { 0, 2, 1, 3 })
      drive(rt, actors, 500)
      assert.equal(0, rt:stats().by_lane)
    end)

    it("none of which is lost between two generations", function()
      local rt <close> = open { blocks = 4, cluster = 4, cluster_lanes = lanes }
      local actors = chain(rt, { 0, 1, 2, 3, 0, 2, 1 })
      drive(rt, actors, 2000, 100)
      assert.is_true(rt:stats().by_lane > 0)
      assert.equal(0, #rt:dead_letters())
    end)

    it("long ones the other way, in the order of all", function()
      local Long = rk.message("LaneLong", { { "n", "i64" }, { "pad", "u8[100]" } })
      local Mixed = rk.kernel {
        name = "lane_mixed", accepts = { Number }, emits = { Number, Long },
        ports = { "next", burst = 2 },
        source = [[
RK_ON(Number) {
  (void)state;
  if (msg->n % 3 == 0) {
    LaneLong out;
    for (rk_u32 i = 0; i < 100u; i++) { out.pad[i] = (rk_u8)i; }
    out.n = msg->n;
    (void)rk_send(ctx, RK_PORT_next, LaneLong, &out);
  } else {
    (void)rk_send(ctx, RK_PORT_next, Number, msg);
  }
}]],
      }
      local Check = rk.kernel {
        name = "lane_check", accepts = { Number, Long }, emits = { Number },
        state = { { "last", "i64" } },
        source = [[
static void take(rk_ctx *ctx, rk_state *state, rk_i64 n) {
  Number out;
  if (n != state->last + 1) { rk_fail(ctx, 99); return; }
  state->last = n;
  out.n = n;
  (void)rk_send_to(ctx, RK_HOST, Number, &out);
}
RK_ON(Number) { take(ctx, state, msg->n); }
RK_ON(LaneLong) {
  if (msg->pad[99] != 99u) { rk_fail(ctx, 98); return; }
  take(ctx, state, msg->n);
}]],
      }
      local rt <close> = open { blocks = 2, cluster = 2, cluster_lanes = lanes }
      local from = assert(rt:launch(Mixed, { block = 0 }))
      local to = assert(rt:launch(Check, { block = 1 }))
      assert(rt:connect(from, "next", to))
      drive(rt, { from, to }, 900)
      assert.is_true(rt:stats().by_lane > 0 and rt:stats().by_lane <= 600)
    end)

    it("answers too", function()
      local Ask = rk.message("LaneAsk", { { "n", "i64" } })
      local Answer = rk.kernel {
        name = "lane_answer", accepts = { Number }, emits = { Number },
        source = "RK_ON(Number) { (void)state; rk_reply(ctx, Number, msg); }",
      }
      local Client = rk.kernel {
        name = "lane_client", accepts = { Ask, Number }, emits = { Number }, ports = { "other" },
        source = [[
RK_ON(LaneAsk) {
  (void)state;
  Number out;
  out.n = msg->n;
  (void)rk_send(ctx, RK_PORT_other, Number, &out);
}
RK_ON(Number) { (void)state; (void)rk_send_to(ctx, RK_HOST, Number, msg); }]],
      }
      local rt <close> = open { blocks = 2, cluster = 2, cluster_lanes = lanes }
      local client = assert(rt:launch(Client, { block = 0 }))
      local answer = assert(rt:launch(Answer, { block = 1 }))
      assert(rt:connect(client, "other", answer))
      for n = 1, 50 do
        assert(client:send(Ask { n = n }))
        assert.equal(n, assert(client:receive(5)).n)
      end
      assert.equal(100, rt:stats().by_lane)
      -- what is sent to an actor that has ended is told, whichever way it would have gone
      assert(answer:terminate())
      assert(client:send(Ask { n = 51 }))
      assert.is_truthy(support.eventually(function() return #rt:dead_letters() == 1 end))
    end)
  end

  for _, lanes in ipairs { "plain", "counted" } do
    describe("carry messages between their blocks by " .. lanes .. " lanes", function()
      carry(lanes)
    end)
  end
end)

describe("a device in two parts", function()
  it("is told of, and none is the default", function()
    local rt <close> = rk.open { blocks = 2 }
    assert.equal(rt:info().processors, rt:info().sms)
  end)

  it("runs the grid in one and everything else in the other", function()
    local rt <close> = open { blocks = 2, sms = 8 }
    local info = rt:info()
    assert.is_true(info.sms >= 8 and info.sms < info.processors)
    local adder = assert(rt:launch(support.Adder, { block = 1 }))
    assert.equal(5, assert(adder:call(Number { n = 5 }, 5)).n)
    local Fill = rk.global { name = "fill_from", params = { { "out", "u32*" }, { "from", "u32" } },
      source = "RK_GLOBAL() { out[rk_lane()] = from + rk_lane(); }" }
    local numbers = assert(rt:buffer("u32", 4))
    assert(rt:run(Fill, { block = 4 }, numbers, 7))
    assert.same({ 7, 8, 9, 10 }, numbers:read())
    assert.equal(6, assert(adder:call(Number { n = 1 }, 5)).n)
  end)
end)

describe("buffers", function()
  it("are made while the grid runs, where that is possible", function()
    local rt <close> = rk.open { blocks = 2 }
    local adder = assert(rt:launch(support.Adder))
    assert.equal(1, assert(adder:call(Number { n = 1 }, 5)).n)
    local before = rt:info()
    local bytes = (256 << 20) + 1 -- more than the runtime maps in advance
    local large = assert(rt:buffer("u8", bytes))
    assert.same({ 0, 0 }, large:read(bytes - 2))
    assert.is_true(rt:stats().device_bytes > bytes)
    local pauses = rt:info().generation - before.generation
    assert.equal(before.async_buffers and 0 or 1, pauses)
    assert.equal(2, assert(adder:call(Number { n = 1 }, 5)).n)
    large:close()
    local small = assert(rt:buffer("u32", 2))
    assert.same({ 0, 0 }, small:read())
    assert.is_true(rt:stats().device_bytes < bytes)
  end)
end)

describe("loads into shared memory", function()
  local Part = rk.message("LoadPart", { { "data", "buffer" }, { "skip", "u32" },
    { "bytes", "u32" } })
  local SOURCE = [[
RK_ON(LoadPart) {
  RK_SHARED RK_ALIGN(16) rk_u8 tile[8192];
  Number out;
  rk_u64 sum = 0;
  (void)state;
  for (rk_u32 round = 0; round < 2u; ++round) {
    rk_load_shared(ctx, tile, rk_buffer_at(const rk_u8, msg->data) + msg->skip, msg->bytes);
    RK_FOR_LANES(i, msg->bytes) { sum += (rk_u64)(i + 1u) * tile[msg->bytes - 1u - i]; }
  }
  out.n = (rk_i64)rk_block_sum_u64(ctx, sum);
  rk_reply(ctx, Number, &out);
}]]

  it("are right at every size and address, for every number of lanes", function()
    local rt <close> = rk.open { blocks = 1 }
    local data = assert(rt:buffer("u8", 9000))
    local values = {}
    for i = 1, 9000 do
      values[i] = (i * 73 + i // 256) % 251
    end
    assert(data:write(values))
    for _, lanes in ipairs { 1, 33, 128 } do
      local Load = rk.kernel { name = "load_" .. lanes, accepts = { Part }, emits = { Number },
        block = lanes, source = SOURCE }
      local actor = assert(rt:launch(Load))
      for _, case in ipairs { { 0, 8192 }, { 16, 2048 }, { 0, 2032 }, { 8, 4096 }, { 3, 4097 },
        { 5, 0 }, { 16, 4104 } } do
        local skip, bytes = case[1], case[2]
        local sum = 0
        for i = 0, bytes - 1 do
          sum = sum + 2 * (i + 1) * values[skip + bytes - i]
        end
        local answer = assert(actor:call(Part { data = data, skip = skip, bytes = bytes }, 5))
        assert.equal(sum, answer.n, ("%d lanes, %d bytes from %d"):format(lanes, bytes, skip))
      end
    end
  end)
end)
