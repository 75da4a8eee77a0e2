#!/usr/bin/env rkl
-- Buffers: memory that kernels reach. The same addition twice: by an ordinary kernel, launched once
-- for it and gone afterwards, and by the stock actor `vector`, which lives on and takes messages.

local rk = require "ringkernel"

local N = 100000

local rt <close> = rk.open()
local x <close> = assert(rt:buffer("f32", N))
local y <close> = assert(rt:buffer("f32", N))
local sum <close> = assert(rt:buffer("f32", N))

local list = {}
for i = 1, N do
  list[i] = i
end
assert(x:write(list)) -- offsets count elements, from 0: x[0] = 1
assert(y:fill(0.5))

-- An ordinary kernel: grid x block lanes share the elements.
local add = rk.global {
  name = "add",
  params = { { "x", "const f32*" }, { "y", "const f32*" }, { "out", "f32*" }, { "n", "u64" } },
  source = [[
    RK_GLOBAL() {
      RK_FOR_GRID(i, n) {
        out[i] = x[i] + y[i];
      }
    }
  ]],
}
assert(rt:run(add, { grid = 4, block = 64 }, x, y, sum, N))
print("rk.global:", table.concat(sum:read(0, 3), " "), sum:read(N - 1, 1)[1])

-- The stock kernel: buffers travel in messages.
local vector = assert(rt:launch("vector"))
local VectorAdd = rk.stock.vector.messages.VectorAdd

assert(sum:fill(0))
local done = assert(vector:call(VectorAdd { x = x, y = y, out = sum }, 5))
print("vector:", table.concat(sum:read(0, 3), " "), sum:read(N - 1, 1)[1])
print("elements:", done.count)
