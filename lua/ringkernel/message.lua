-- SPDX-License-Identifier: MIT
--- Message types: `rk.message(name, fields)`.
--
-- A type is a table that is called with fields to make a message: `Reading { sensor = 7 }`. It is
-- the metatable of its messages, so `getmetatable(r) == Reading` says what r is. Fields are plain
-- table fields; a missing one reads as zero, an unknown one raises. The table given becomes the
-- message: it is not copied unless it is a message already. Values are checked when the message is
-- made and again when it is packed. u64 fields past 2^63 are negative integers, as everywhere in
-- Lua.
--
-- The same name with the same fields gives the same type again. src/lua/lrk_message.c has the quick
-- parts.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local layout = require "ringkernel.layout"

local M = {}

local LONGEST_LIST = 8 -- elements of an array that tostring shows

local Type = {
  __name = "ringkernel.message",
  __call = core.message_new,
  __index = { pack = core.message_pack, unpack = core.message_unpack },
}

function Type.__tostring(self)
  return ("ringkernel.message: %s"):format(self.name)
end

local function value_text(value)
  if type(value) == "string" then
    return ("%q"):format(value)
  elseif type(value) ~= "table" then
    return tostring(value)
  elseif value.address then
    return ("buffer[%d]"):format(value.count)
  end
  local out = {}
  for index = 1, math.min(#value, LONGEST_LIST) do
    out[index] = tostring(value[index])
  end
  if #value > LONGEST_LIST then
    out[#out + 1] = ("... %d more"):format(#value - LONGEST_LIST)
  end
  return "{ " .. table.concat(out, ", ") .. " }"
end

--- tostring of a message: "Reading { sensor = 7, value = 1.5 }".
local function message_text(message)
  local class = debug.getmetatable(message)
  local out = {}
  for index, field in ipairs(class.layout.fields) do
    out[index] = ("%s = %s"):format(field.name, value_text(message[field.name]))
  end
  return ("%s { %s }"):format(class.name, table.concat(out, ", "))
end

--- Makes the message type `name` with `fields`, a list of { name, type }.
function M.new(name, fields)
  check.identifier("rk.message", name)
  local shape = layout.new(name, fields)
  local known = core.message_type(shape.id)
  if known then
    if known.layout.signature ~= shape.signature then
      check.fail("rk.message: '%s' and '%s' happen to have the same id; rename one", name,
        known.name)
    end
    return known
  end
  local class = {
    name = name,
    fields = fields,
    layout = shape,
    __name = name,
    __tostring = message_text,
  }
  core.message_class(class, name, fields)
  assert(class.id == shape.id and class.size == shape.size, "internal: two layouts of a message")
  return setmetatable(class, Type)
end

--- Whether `value` is a message type.
function M.is_type(value)
  return getmetatable(value) == Type
end

return M
