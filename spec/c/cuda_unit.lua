-- What cuda_unit_test.c compares with.
--
--   lua5.4 spec/c/cuda_unit.lua fragment|unit
--
-- prints the device fragment of a definition as a user may write it, or the device source of the
-- stock kernels followed by that definition.

package.path = "lua/?.lua;lua/?/init.lua;" .. package.path

local definition = require "ringkernel.definition"
local device = require "ringkernel.codegen_device"
local layout = require "ringkernel.layout"
local stock = require "ringkernel.stock"

local user = definition.kernel {
  name = "user.one-2",
  accepts = { layout.new("Item", { { "value", "u32" }, { "text", "char[3]" } }) },
  emits = { layout.new("Total", { { "sum", "f64" } }) },
  state = { { "sum", "f64" } },
  ports = { "next", burst = 2 },
  block = 33,
  source = [[
#define FORMAT "100 %s %d\n\"" /* text that means something to printf */
RK_ON_START() { (void)ctx; state->sum = 0.0; }
RK_ON(Item) { (void)ctx; state->sum += msg->value; }
]],
}

if arg[1] == "fragment" then
  io.write(device.fragment(user))
else
  local defs = {}
  for index, entry in ipairs(stock.list) do
    local file = assert(io.open(("kernels/%s.cu"):format(entry.name), "rb"))
    defs[index] = stock.definition(entry.name, file:read("a"))
    file:close()
  end
  defs[#defs + 1] = user
  io.write(device.unit(defs))
end
