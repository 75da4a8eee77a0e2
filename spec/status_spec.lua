-- SPDX-License-Identifier: MIT
--- The status codes that device code repeats are those of base/status.h.

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

describe("status codes", function()
  local numbers = {}
  for name, number in read("src/base/status.h"):gmatch "X%((%u[%u_]*), (%-?%d+), \"" do
    numbers[name] = tonumber(number)
  end

  it("stand in one list, each number once", function()
    local seen = {}
    for name, number in pairs(numbers) do
      assert.is_nil(seen[number], name)
      seen[number] = name
    end
    assert.equal(-1, numbers.ETIMEOUT)
    assert.equal(0, numbers.OK)
  end)

  it("have the same numbers in device code", function()
    local count = 0
    local header = read("kernels/include/rk_kernel.h")
    for name, number in header:gmatch "#define RK_(E%u[%u_]*) %((%-%d+)%)" do
      assert.equal(numbers[name], tonumber(number), name)
      count = count + 1
    end
    assert.is_true(count >= 8)
  end)
end)
