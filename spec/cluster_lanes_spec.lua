-- SPDX-License-Identifier: MIT
--- The two forms of a cluster's lanes: asked for by name, tried before the first message, and under
--- load. What both carry alike is in features_spec.lua; a device without clusters skips most of it.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")
local shell = dofile("spec/cli/support.lua")

local Number, error_of = support.Number, support.error_of
local is_cuda = os.getenv("RINGKERNEL_BACKEND") == "cuda"

--- A runtime with these options; ends the test as skipped where the device cannot have it.
local function open(options)
  local rt, message, code = rk.open(options)
  if not rt and code == "unsupported" then
    pending(message)
  end
  return assert(rt, message)
end

-- More than a lane holds, in one handling: 40 numbers for each one that comes.
local BURST = 40
local Fan = rk.kernel {
  name = "lane_fan", accepts = { Number }, emits = { Number }, ports = { "next", burst = BURST },
  source = [[
RK_ON(Number) {
  Number out;
  (void)state;
  for (rk_i64 i = 0; i < 40; i++) {
    out.n = msg->n * 40 + i;
    (void)rk_send(ctx, RK_PORT_next, Number, &out);
  }
}]],
}

-- Adds up; says so for 0 and below. Whatever comes from one sender must come in order.
local Sum = rk.kernel {
  name = "lane_sum", accepts = { Number }, emits = { Number },
  state = { { "last", "i64[2]" }, { "count", "i64" } },
  source = [[
RK_ON(Number) {
  Number out;
  if (msg->n < 0) {
    out.n = state->count;
    rk_reply(ctx, Number, &out);
    return;
  }
  rk_i64 from = msg->n >= 1000000 ? 1 : 0;
  if (msg->n < state->last[from]) { rk_fail(ctx, 99); return; }
  state->last[from] = msg->n;
  state->count += 1;
}]],
}

-- 64 bytes, and sizes below it that are no multiple of anything.
local SIZES = { 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 47, 63, 64 }
local function sized(size)
  return rk.message("Lane" .. size, { { "b", ("u8[%d]"):format(size) } })
end

describe("the form of a cluster's lanes", function()
  it("is plain or counted, and nothing without a cluster", function()
    assert.matches("option 'cluster_lanes': 'plain' or 'counted' expected, got 'counter' "
      .. "%(did you mean 'counted'%?%)",
      error_of(rk.open, { cluster = 2, cluster_lanes = "counter" }))
    assert.matches("option 'cluster_lanes': a string expected",
      error_of(rk.open, { cluster = 2, cluster_lanes = 1 }))
    for _, cluster in ipairs { false, 1 } do
      assert.matches("option 'cluster_lanes' says nothing without 'cluster' of 2 or more",
        error_of(rk.open, { cluster = cluster or nil, cluster_lanes = "counted" }))
    end
  end)

  it("is told, and plain unless it was asked for", function()
    local none <close> = rk.open { blocks = 2 }
    assert.is_nil(none:info().cluster_lanes)
    for asked, had in pairs { [false] = "plain", plain = "plain", counted = "counted" } do
      local rt <close> = open { blocks = 2, cluster = 2, cluster_lanes = asked or nil }
      assert.equal(had, rt:info().cluster_lanes)
    end
  end)

  it("is refused on a processor", function()
    local rt, message, code = rk.open { backend = "cpu", cluster = 2, cluster_lanes = "counted" }
    assert.is_nil(rt)
    assert.equal("unsupported", code)
    assert.matches("^cluster: the CPU backend has no clusters", message)
  end)

  for _, lanes in ipairs { "plain", "counted" } do
    describe(lanes .. " #tsan", function()
      local function open_with(blocks)
        return open { blocks = blocks, cluster = blocks, cluster_lanes = lanes }
      end

      it("takes what fits, and the rest goes the other way", function()
        local rt <close> = open_with(2)
        local fan = assert(rt:launch(Fan, { block = 0 }))
        local sum = assert(rt:launch(Sum, { block = 1, queue = 256 }))
        assert(rt:connect(fan, "next", sum))
        for n = 0, 49 do
          while not fan:send(Number { n = n }) do
            rt:poll(0.01)
          end
        end
        assert.is_truthy(support.eventually(function()
          return assert(sum:call(Number { n = -1 }, 5)).n == 50 * BURST
        end))
        local by_lane = rt:stats().by_lane
        assert.is_true(by_lane > 0 and by_lane <= 50 * BURST, tostring(by_lane))
        assert.equal(0, #rt:dead_letters())
      end)

      it("keeps the order of each sender where several send at once", function()
        local rt <close> = open_with(4)
        local sum = assert(rt:launch(Sum, { block = 2, queue = 256 }))
        local fans = {}
        for index, block in ipairs { 0, 3 } do
          fans[index] = assert(rt:launch(Fan, { block = block }))
          assert(rt:connect(fans[index], "next", sum))
        end
        for n = 0, 24 do
          for index, fan in ipairs(fans) do
            while not fan:send(Number { n = n + (index - 1) * 25000 }) do
              rt:poll(0.01)
            end
          end
        end
        assert.is_truthy(support.eventually(function()
          return assert(sum:call(Number { n = -1 }, 5)).n == 2 * 25 * BURST
        end))
        assert.equal("active", sum:state())
        assert.is_true(rt:stats().by_lane > 0)
      end)

      it("carries every size whole", function()
        local accepts, source = {}, {}
        for index, size in ipairs(SIZES) do
          accepts[index] = sized(size)
          source[index] = ("RK_ON(Lane%d) { (void)state;\n"
            .. "  if (rk_send(ctx, RK_PORT_next, Lane%d, msg) == RK_ENOT_FOUND) {\n"
            .. "    (void)rk_send_to(ctx, RK_HOST, Lane%d, msg);\n  }\n}"):format(size, size, size)
        end
        local Pass = rk.kernel { name = "lane_sizes", accepts = accepts, emits = accepts,
          ports = { "next", burst = 1 }, source = table.concat(source, "\n") }
        local rt <close> = open_with(2)
        local from = assert(rt:launch(Pass, { block = 0 }))
        local to = assert(rt:launch(Pass, { block = 1 }))
        assert(rt:connect(from, "next", to))
        for round = 1, 5 do
          for index, size in ipairs(SIZES) do
            local bytes = {}
            for i = 1, size do
              bytes[i] = (i * 37 + size + round) % 256
            end
            assert(from:send(accepts[index] { b = bytes }))
            local got = assert(to:receive(5))
            assert.equal(accepts[index], getmetatable(got))
            assert.same(bytes, got.b)
          end
        end
        assert.equal(5 * #SIZES, rt:stats().by_lane)
      end)

      it("loses nothing when actors end and definitions come while it is full", function()
        local rt <close> = open_with(2)
        local fan = assert(rt:launch(Fan, { block = 0 }))
        for round = 1, 6 do
          local sum = assert(rt:launch(Sum, { block = 1, queue = 64 }))
          assert(rt:connect(fan, "next", sum))
          for n = 0, 4 do
            assert(fan:send(Number { n = n }))
          end
          if round % 2 == 0 then -- a new definition is a new generation of the grid
            assert(rt:launch(rk.kernel { name = ("lane_more%d"):format(round), accepts = { Number },
              source = "RK_ON(Number) { (void)ctx; (void)state; (void)msg; }" }))
          end
          assert(sum:terminate())
          -- what was not handled is a dead letter: of the receiver's queue, or of the sender
          assert.is_truthy(support.eventually(function()
            return rt:stats().handled + #rt:dead_letters() == round * (5 + 5 * BURST)
          end))
        end
      end)
    end)
  end

  local on_cuda = is_cuda and describe or function() end
  on_cuda("is tried at the start", function()
    local CODE = [[
      local rk = require "ringkernel"
      local support = dofile("spec/support.lua")
      local rt <close> = assert(rk.open { blocks = 4, cluster = 4, cluster_lanes = arg[1] })
      local a, message, code = rt:launch(support.Adder)
      if not a then
        print(code, message)
        print((select(3, rt:launch(support.Adder))))
        return
      end
      assert(assert(a:call(support.Number { n = 3 }, 20)).n == 3)
      print "works"
    ]]

    local function says(asked, how)
      local dir = shell.temp_dir()
      local script = shell.write_file(dir .. "/self_test.lua", CODE)
      local run = shell.run(shell.rkl, { script, asked }, {
        env = { RKFAKE_SPOIL = how, RINGKERNEL_BACKEND = "cuda", RINGKERNEL_LOG = "info" },
        before = "timeout 120",
      })
      shell.remove(dir)
      assert.equal(0, run.status, run.err)
      return run.out, run.err
    end

    it("and passes", function()
      for _, asked in ipairs { "plain", "counted" } do
        local out, log = says(asked)
        assert.equal("works\n", out)
        assert.matches("lanes.*" .. asked .. " passed their self%-test: 24 entries to each peer in "
          .. "clusters of 4", log)
      end
    end)

    -- A device whose stores between blocks arrive changed, or do not arrive.
    local spoilt = support.is_fake and it or function() end
    spoilt("and refused where entries come changed", function()
      assert.matches("^corrupt\tcluster_lanes 'counted': they failed their self%-test here: entry "
        .. "%d+ from block %d to block %d came changed; open with cluster_lanes = \"plain\", or "
        .. "without cluster\ndevice_lost\n$", (says("counted", "lanes")))
    end)

    spoilt("and refused where entries do not come", function()
      assert.matches("^corrupt\tcluster_lanes 'counted': .* entry 0 from block %d to block 0 never "
        .. "came; ", (says("counted", "lost")))
      assert.matches("^corrupt\tcluster_lanes 'plain': .* entry 4 from block %d to block 0 never "
        .. "came; open with cluster_lanes = \"counted\"", (says("plain", "lost")))
    end)
  end)
end)
