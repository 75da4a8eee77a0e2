#!/usr/bin/env rkl
-- Message types: fields with the types and the layout of a C struct, checked in Lua, packed into
-- bytes and back.

local rk = require "ringkernel"

local Reading = rk.message("Reading", {
  { "sensor", "u32" },
  { "value", "f64" },
  { "window", "f32[4]" },
  { "unit", "char[8]" },
  { "is_valid", "bool" },
})
print(Reading.name, Reading.size .. " bytes")

-- A missing field is zero; the message is a plain table with its fields.
local reading = Reading { sensor = 7, value = 21.5, window = { 1, 2 }, unit = "degC" }
print(reading)
reading.value = reading.value + 0.5
print(reading.value, reading.is_valid, getmetatable(reading) == Reading)

-- Bytes, as a kernel sees them, and back.
local bytes = Reading:pack(reading)
local copy = assert(Reading:unpack(bytes))
print(#bytes, copy.sensor, copy.unit, table.concat(copy.window, " "))

-- Bytes of another length are not a Reading.
print(select(3, Reading:unpack(bytes .. "!")))

-- Wrong fields and values raise where they are written.
local wrong = { { sensors = 7 }, { sensor = -1 }, { sensor = "7" }, { unit = "kilowatts" } }
for _, fields in ipairs(wrong) do
  local _, message = pcall(Reading, fields)
  print((message:gsub("^.-:%d+: ", "")))
end

-- 64-bit integers stay integers: no bit is lost on the way.
local Big = rk.message("Big", { { "count", "u64" } })
print(("%x"):format(Big:unpack(Big:pack(Big { count = 0x7fffffffffffffff })).count))
