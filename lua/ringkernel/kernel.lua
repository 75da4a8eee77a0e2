-- SPDX-License-Identifier: MIT
--- Definitions: `rk.kernel`, `rk.global` and the stock kernels.
--
-- A definition is checked and written out here, as C (definition.lua, codegen.lua) and for the
-- device (codegen_device.lua); it is compiled when the first actor of it is launched. Its fields
-- read back: name, accepts, emits, ports, burst, block, messages (types by name), c_source,
-- device_source.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local codegen = require "ringkernel.codegen"
local codegen_types = require "ringkernel.codegen_types"
local definition = require "ringkernel.definition"
local device = require "ringkernel.codegen_device"
local message = require "ringkernel.message"
local stock = require "ringkernel.stock"

local M = {}

--- What a definition carries besides its source.
local function describe(def, accepts, emits)
  local info = {
    name = def.name,
    accepts = accepts,
    emits = emits,
    ports = def.ports,
    burst = def.burst,
    block = def.block,
    state_layout = def.state,
    old_state_layout = def.old_state,
    messages = {},
  }
  for _, list in ipairs { accepts, emits } do
    for _, class in ipairs(list) do
      info.messages[class.name] = class
    end
  end
  return info
end

local function copy(list)
  return table.move(list or {}, 1, #(list or {}), 1, {})
end

local function check_types(where, key, list)
  for index, entry in ipairs(type(list) == "table" and list or {}) do
    if not message.is_type(entry) then
      check.fail("%s: option '%s'[%d]: a message type (rk.message) expected, got %s", where, key,
        index, check.describe(entry))
    end
  end
end

--- Makes a kernel definition; raises for anything that is wrong with it but its C source.
function M.new(spec)
  if type(spec) == "table" then
    check_types("rk.kernel", "accepts", spec.accepts)
    check_types("rk.kernel", "emits", spec.emits)
  end
  local def = definition.kernel(spec)
  local info = describe(def, copy(spec.accepts), copy(spec.emits))
  info.c_source = codegen.kernel(def)
  info.device_source = device.fragment(def)
  return core.kernel_open(def.name, info.c_source, info, codegen_types.description(def),
    info.device_source)
end

--- Makes an ordinary kernel for rt:run.
function M.global(spec)
  local def = definition.global(spec)
  local info = {
    name = def.name,
    params = def.params,
    c_source = codegen.global(def),
    device_source = device.global(def),
  }
  return core.global_open(def.name, info.c_source, def.layout.size, info, info.device_source)
end

local stock_kernels = {}

local function to_types(list)
  local out = {}
  for index, entry in ipairs(list or {}) do
    out[index] = message.new(entry[1], entry[2])
  end
  return out
end

--- The stock definition `name` | nil, message, "not_found".
function M.stock(name)
  if stock_kernels[name] then
    return stock_kernels[name]
  end
  local entry = stock.list[name]
  if not entry then
    local names = {}
    for _, known in ipairs(stock.list) do
      names[known.name] = true
    end
    return nil, ("no stock kernel is called '%s'%s"):format(name, check.hint(name, names)),
      "not_found"
  end
  local shape = { name = name, ports = entry.ports or {}, burst = 1, block = entry.block or 1 }
  local info = describe(shape, to_types(entry.accepts), to_types(entry.emits))
  local kernel, text, code = core.kernel_stock(name, info)
  if not kernel then
    return nil, text, code
  end
  stock_kernels[name] = kernel
  return kernel
end

--- rk.stock: definitions by name, as in rk.stock.echo.
M.stock_table = setmetatable({}, {
  __name = "ringkernel.stock",
  __index = function(_, name)
    if type(name) ~= "string" then
      return nil
    end
    return (M.stock(name))
  end,
})

return M
