-- SPDX-License-Identifier: MIT
--- Field lists laid out as C lays out a struct: offsets, size and the id of a message type.
--
-- `layout.new("Reading", { { "sensor", "u32" }, { "value", "f64" } })` checks the list and returns
-- a table { name, fields, size, align, id, signature }; each field is { name, type, kind, count,
-- offset, size, ctype, text }. Pure Lua, so that the build can generate code before the C module
-- exists. Used by message.lua, definition.lua and codegen.lua.

local check = require "ringkernel.check"

local M = {}

M.MAX_BYTES = 65536
M.MAX_FIELDS = 1024

-- kind -> bytes, C type, code of string.unpack. `number`: may stand in arrays.
M.KINDS = {
  i8 = { size = 1, ctype = "rk_i8", number = true, code = "i1" },
  u8 = { size = 1, ctype = "rk_u8", number = true, code = "I1" },
  i16 = { size = 2, ctype = "rk_i16", number = true, code = "i2" },
  u16 = { size = 2, ctype = "rk_u16", number = true, code = "I2" },
  i32 = { size = 4, ctype = "rk_i32", number = true, code = "i4" },
  u32 = { size = 4, ctype = "rk_u32", number = true, code = "I4" },
  i64 = { size = 8, ctype = "rk_i64", number = true, code = "i8" },
  u64 = { size = 8, ctype = "rk_u64", number = true, code = "i8" },
  f32 = { size = 4, ctype = "rk_f32", number = true, code = "f" },
  f64 = { size = 8, ctype = "rk_f64", number = true, code = "d" },
  bool = { size = 1, ctype = "rk_u8", code = "I1" },
  hlc = { size = 8, ctype = "rk_u64", code = "i8" },
  id = { size = 8, ctype = "rk_u64", code = "i8" },
  buffer = { size = 16, align = 8, ctype = "rk_buffer", code = "i8" },
  char = { size = 1, ctype = "char" },
}

local KIND_LIST = "i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 bool hlc id buffer char[n]"

local Layout = { __name = "ringkernel.layout" }
Layout.__index = Layout

--- Splits "f32[8]" into kind and count (0 = no array).
local function parse_type(where, text, limit)
  if type(text) ~= "string" then
    check.fail("%s: a type (string) expected, got %s", where, check.describe(text))
  end
  local word, count = text:match("^(%w+)%[([1-9]%d*)%]$")
  word = word or text
  local kind = M.KINDS[word]
  if not kind then
    check.fail("%s: unknown type '%s'%s; the types are %s, and arrays of the numbers", where, text,
      check.hint(word, M.KINDS), KIND_LIST)
  end
  if not count then
    if word == "char" then
      check.fail("%s: 'char' needs a length, as in char[16]", where)
    end
    return word, 0
  end
  if not kind.number and word ~= "char" then
    check.fail("%s: there are no arrays of '%s', only of numbers and char", where, word)
  end
  count = math.tointeger(tonumber(count))
  if not count or count > limit then
    check.fail("%s: array length from 1 to %d expected, got '%s'", where, limit, text)
  end
  return word, count
end

local function align_up(value, align)
  return (value + align - 1) // align * align
end

--- 32-bit FNV-1a, never 0 (0 stands for "no type"): the id that src/core/schema.c gives, too.
function M.hash(text)
  local h = 0x811c9dc5
  for i = 1, #text do
    h = ((h ~ text:byte(i)) * 0x01000193) & 0xffffffff
  end
  return h ~= 0 and h or 1
end

local function new_field(where, entry, seen, limit)
  if type(entry) ~= "table" then
    check.fail("%s: { name, type } expected, got %s", where, check.describe(entry))
  end
  for key in pairs(entry) do
    if key ~= 1 and key ~= 2 then
      check.fail("%s: { name, type } expected, found also [%s]", where, check.describe(key))
    end
  end
  local name = check.identifier(where, entry[1])
  where = ("%s '%s'"):format(where, name)
  if seen[name] then
    check.fail("%s: there are two fields of this name", where)
  end
  seen[name] = true
  local word, count = parse_type(where, entry[2], limit)
  local kind = M.KINDS[word]
  return {
    name = name,
    type = entry[2],
    kind = word,
    count = count,
    ctype = kind.ctype,
    size = kind.size * math.max(count, 1),
    align = kind.align or kind.size,
  }
end

--- Lays out `fields`, a list of { name, type }. `what` says whose they are, for messages:
-- "message Reading". `limit` in bytes.
function M.new(name, fields, what, limit)
  what = what or ("message " .. name)
  limit = limit or M.MAX_BYTES
  if type(fields) ~= "table" then
    check.fail("%s: a list of fields expected, got %s", what, check.describe(fields))
  end
  local self = setmetatable({ name = name, fields = {}, by_name = {}, align = 1 }, Layout)
  local seen, text, at = {}, {}, 0
  for key in pairs(fields) do
    if math.type(key) ~= "integer" or key < 1 or key > #fields then
      check.fail("%s: a list { { name, type }, ... } expected, found key %s", what,
        check.describe(key))
    end
  end
  if #fields > M.MAX_FIELDS then
    check.fail("%s: %d fields; at most %d", what, #fields, M.MAX_FIELDS)
  end
  for index, entry in ipairs(fields) do
    local field = new_field(("%s: field %d"):format(what, index), entry, seen, limit)
    at = align_up(at, field.align)
    field.offset = at
    at = at + field.size
    if at > limit then
      check.fail("%s: field '%s' ends at byte %d; at most %d bytes", what, field.name, at, limit)
    end
    self.align = math.max(self.align, field.align)
    self.fields[index] = field
    self.by_name[field.name] = field
    text[index] = field.name .. ":" .. field.type .. ";"
  end
  -- C has no empty structs: one byte stands in.
  self.size = math.max(align_up(at, self.align), 1)
  if self.size > limit then
    check.fail("%s: %d bytes; at most %d", what, self.size, limit)
  end
  self.signature = ("%s{%s}"):format(name, table.concat(text))
  self.id = M.hash(self.signature)
  return self
end

--- Whether `value` is a layout.
function M.is_layout(value)
  return getmetatable(value) == Layout
end

--- One field out of `bytes`: hlc and id as integers, a buffer as { address, count }.
local function unpack_field(field, bytes)
  local at = field.offset + 1
  if field.kind == "char" then
    return (bytes:sub(at, at + field.size - 1):match("^[^\0]*"))
  end
  local kind = M.KINDS[field.kind]
  local code = "=" .. kind.code
  if field.kind == "buffer" then
    local address, count = ("=i8i8"):unpack(bytes, at)
    return { address = address, count = count }
  elseif field.count == 0 then
    local value = code:unpack(bytes, at)
    if field.kind == "bool" then
      return value ~= 0
    end
    return value
  end
  local out = {}
  for index = 1, field.count do
    out[index] = code:unpack(bytes, at + (index - 1) * kind.size)
  end
  return out
end

--- A table of all fields from `bytes`, for looking at the state of actors: of any size, not quick.
function Layout:unpack(bytes)
  local out = {}
  for _, field in ipairs(self.fields) do
    out[field.name] = unpack_field(field, bytes)
  end
  return out
end

--- One field as bytes; a missing value is zero. Raises for what does not fit.
local function pack_field(field, value)
  local code = "=" .. (M.KINDS[field.kind].code or "")
  if value == nil then
    return ("\0"):rep(field.size)
  elseif field.kind == "char" then
    assert(#value <= field.size)
    return value .. ("\0"):rep(field.size - #value)
  elseif field.kind == "bool" then
    return assert(type(value) == "boolean") and (value and "\1" or "\0")
  elseif field.kind == "buffer" then
    return ("=i8i8"):pack(value.address, value.count)
  elseif field.count == 0 then
    return code:pack(value)
  end
  assert(#value <= field.count)
  local out = {}
  for index = 1, field.count do
    out[index] = code:pack(value[index] or 0)
  end
  return table.concat(out)
end

--- The bytes of a table such as unpack returns: missing fields are zero. nil, message for what is
-- none.
function Layout:pack(values)
  local out, at, known = {}, 0, {}
  for _, field in ipairs(self.fields) do
    known[field.name] = true
    local ok, bytes = pcall(pack_field, field, values[field.name])
    if not ok then
      return nil, ("field '%s': %s does not take %s"):format(field.name, field.type,
        check.describe(values[field.name]))
    end
    out[#out + 1] = ("\0"):rep(field.offset - at) .. bytes
    at = field.offset + field.size
  end
  for name in pairs(values) do
    if not known[name] then
      return nil, ("there is no field %s%s"):format(check.describe(name), check.hint(name, known))
    end
  end
  out[#out + 1] = ("\0"):rep(self.size - at)
  return table.concat(out)
end

--- The C declaration of one field.
local function declare(field)
  local array = field.count > 0 and ("[%d]"):format(field.count) or ""
  return ("%s %s%s;"):format(field.ctype, field.name, array)
end

--- The struct as C text with checks of its size and offsets; `ctype` is the name it gets.
function Layout:to_c(ctype)
  local out = { ("typedef struct %s {"):format(ctype) }
  for _, field in ipairs(self.fields) do
    out[#out + 1] = "  " .. declare(field)
  end
  if #self.fields == 0 then
    out[#out + 1] = "  rk_u8 rk_unused;"
  end
  out[#out + 1] = ("} %s;"):format(ctype)
  out[#out + 1] = ("RK_CHECK_SIZE(%s, %d);"):format(ctype, self.size)
  for _, field in ipairs(self.fields) do
    out[#out + 1] = ("RK_CHECK_OFFSET(%s, %s, %d);"):format(ctype, field.name, field.offset)
  end
  return table.concat(out, "\n")
end

return M
