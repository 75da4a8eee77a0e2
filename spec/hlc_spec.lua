-- Hybrid logical clocks and their timestamps.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local error_of = support.error_of

describe("hlc", function()
  it("gives stamps that grow", function()
    local c = rk.hlc(12)
    local last = c:tick()
    for _ = 1, 10000 do
      local stamp = c:tick()
      assert.is_true(last < stamp)
      last = stamp
    end
    assert.equal(12, c.node)
    assert.equal("ringkernel.hlc: node 12", tostring(c))
  end)

  it("follows the wall clock", function()
    local stamp = rk.hlc(1):tick()
    assert.is_true(math.abs(stamp.physical / 1e6 - os.time()) < 5)
    assert.equal("integer", math.type(stamp.physical))
    assert.equal("integer", math.type(stamp.logical))
    assert.equal(1, stamp.node)
    assert.is_nil(stamp.nothing)
  end)

  it("says the time without stamping", function()
    local c = rk.hlc(1)
    local a = c:now()
    local b = c:tick()
    assert.is_true(a <= b)
    assert.is_true(c:now() >= b)
  end)

  it("compares stamps, nodes break ties", function()
    local a = rk.hlc_unpack("0000000000001000-1")
    local b = rk.hlc_unpack("0000000000001001-1")
    local c = rk.hlc_unpack("0000000000001000-2")
    assert.is_true(a < b and b > a and a <= b and a <= a)
    assert.is_false(b <= a)
    assert.is_true(a < c and c < b)
    assert.equal(a, rk.hlc_unpack("0000000000001000-1"))
    assert.are_not.equal(a, c)
    assert.equal(1, a.physical)
    assert.equal(0, a.logical)
    assert.equal(1, b.logical)
    assert.is_false(a == 5)
    assert.is_string(error_of(function() return a < 5 end))
  end)

  it("packs to 16 hex digits with the node, and back", function()
    local c = rk.hlc(65535)
    local stamp = c:tick()
    local text = stamp:pack()
    assert.matches("^%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%-65535$", text)
    assert.equal(text, tostring(stamp))
    assert.equal(stamp, rk.hlc_unpack(text))
    for _, wrong in ipairs { "", "xyz", "0000000000001000", "0000000000001000-70000",
                             "0000000000001000-1 ", "000000000000100-1", "0000000000001000-1\0" } do
      local value, message, code = rk.hlc_unpack(wrong)
      assert.is_nil(value)
      assert.is_string(message)
      assert.equal("corrupt", code)
    end
  end)

  it("merges remote stamps", function()
    local a, b = rk.hlc(1), rk.hlc(2)
    local now = a:tick()
    local ahead = rk.hlc_unpack(("%016x-2"):format((now.physical + 30 * 1000000) << 12))
    local merged = assert(a:update(ahead))
    assert.is_true(merged > ahead)
    assert.is_true(a:tick() > merged)
    assert.is_true(assert(b:update(merged)) > merged)
    assert.is_true(assert(b:update(merged.word)) > merged)
  end)

  it("refuses stamps that are too far ahead, and stays as it was", function()
    local c = rk.hlc(1)
    local far = rk.hlc_unpack(("%016x-2"):format((c:tick().physical + 90 * 1000000) << 12))
    local value, message, code = c:update(far)
    assert.is_nil(value)
    assert.is_string(message)
    assert.equal("skew", code)
    assert.is_true(c:tick() < far)
    assert.is_truthy(rk.hlc(1, { max_skew = 120 }):update(far))
    local strict = rk.hlc(1, { max_skew = 0.5 })
    assert.is_nil((strict:update(rk.hlc_unpack(("%016x-2"):format(
      (strict:tick().physical + 1000000) << 12)))))
  end)

  it("refuses wrong arguments", function()
    assert.matches("node: a number from 0 to 65535 expected", error_of(rk.hlc, 65536))
    assert.matches("node: a number from 0 to 65535 expected", error_of(rk.hlc, -1))
    assert.matches("unknown option 'max_skw' %(did you mean 'max_skew'%?%)",
      error_of(rk.hlc, 1, { max_skw = 1 }))
    assert.matches("option 'max_skew': seconds from .* expected, got 0",
      error_of(rk.hlc, 1, { max_skew = 0 }))
    local c = rk.hlc(1)
    assert.matches("a timestamp expected, got 'x'", error_of(c.update, c, "x"))
  end)
end)
