-- SPDX-License-Identifier: MIT
--- rk.open { pin = true }: where the system lets the threads of blocks run.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

--- The processors that this process may use, and those of each block's thread, as lists of numbers.
local function processors()
  local all, blocks, name = nil, {}, nil
  local pipe = assert(io.popen("cat /proc/$PPID/status /proc/$PPID/task/*/status", "r"))
  for line in pipe:lines() do
    name = line:match("^Name:%s+(.*)$") or name
    local list = line:match("^Cpus_allowed_list:%s+(.*)$")
    if list then
      local numbers = {}
      for first, last in list:gmatch("(%d+)%-?(%d*)") do
        for n = tonumber(first), tonumber(last ~= "" and last or first) do
          numbers[#numbers + 1] = n
        end
      end
      all = all or numbers
      local block = name:match("^rk%-block%-(%d+)$")
      if block then
        blocks[tonumber(block)] = numbers
      end
    end
  end
  pipe:close()
  return all, blocks
end

describe("blocks of a runtime", function()
  it("stay on a processor each where that was asked for", function()
    local rt <close> = assert(rk.open { blocks = 3, pin = true })
    local actor = assert(rt:launch(support.Adder))
    assert.equal(7, assert(actor:call(support.Number { n = 7 }, 10)).n)
    if rt:info().backend == "cpu" then
      local all, blocks = processors()
      for i = 0, 2 do
        assert.same({ all[i % #all + 1] }, blocks[i])
      end
    end
  end)

  it("are placed by the system otherwise", function()
    local rt <close> = assert(rk.open { blocks = 2 })
    if rt:info().backend == "cpu" then
      local all, blocks = processors()
      assert.same({ [0] = all, all }, blocks)
    end
  end)

  it("know nothing but true and false", function()
    assert.has_error(function()
      rk.open { pin = 1 }
    end, "rk.open: option 'pin': true or false expected, got 1")
  end)
end)
