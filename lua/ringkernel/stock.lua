-- SPDX-License-Identifier: MIT
--- The stock kernels: definitions that are compiled into the library and need no C compiler.
--
-- `stock.list` holds them as plain tables in the form of rk.kernel, with field lists where
-- rk.kernel has message classes; `stock.definition(name, source)` returns the checked form. Their
-- source is kernels/<name>.cu. Used by scripts/gen_stock.lua when the library is built, and by
-- kernel.lua.

local definition = require "ringkernel.definition"
local layout = require "ringkernel.layout"

local M = {}

local DONE = { "VectorDone", { { "count", "u64" } } }
local RESULT = { "ReduceResult", { { "value", "f64" }, { "count", "u64" } } }

M.list = {
  -- Answers with what it got: the yardstick of latency.
  {
    name = "echo",
    accepts = { { "Echo", { { "seq", "u64" }, { "value", "f64" }, { "text", "char[48]" } } } },
    emits = { { "Echo", { { "seq", "u64" }, { "value", "f64" }, { "text", "char[48]" } } } },
  },
  -- Element-wise work on buffers of f32; the answer says how many elements were done.
  {
    name = "vector",
    accepts = {
      { "VectorScale", { { "a", "f32" }, { "x", "buffer" }, { "y", "buffer" } } },
      { "VectorSaxpy", { { "a", "f32" }, { "x", "buffer" }, { "y", "buffer" } } },
      { "VectorAdd", { { "x", "buffer" }, { "y", "buffer" }, { "out", "buffer" } } },
    },
    emits = { DONE },
  },
  -- One number from a buffer of f32, by many lanes.
  {
    name = "reduce",
    accepts = {
      { "ReduceSum", { { "data", "buffer" } } },
      { "ReduceMin", { { "data", "buffer" } } },
      { "ReduceMax", { { "data", "buffer" } } },
    },
    emits = { RESULT },
    block = 32,
  },
}

for _, entry in ipairs(M.list) do
  M.list[entry.name] = entry
end

local function to_layouts(list)
  local out = {}
  for index, message in ipairs(list) do
    out[index] = layout.new(message[1], message[2])
  end
  return out
end

--- The checked definition of a stock kernel, given the text of kernels/<name>.cu.
function M.definition(name, source)
  local entry = M.list[name]
  local def = definition.kernel {
    name = entry.name,
    accepts = to_layouts(entry.accepts),
    emits = to_layouts(entry.emits),
    state = entry.state,
    ports = entry.ports,
    block = entry.block,
    source = source,
  }
  def.file = name .. ".cu"
  return def
end

return M
