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
