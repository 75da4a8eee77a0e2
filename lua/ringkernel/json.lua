-- SPDX-License-Identifier: MIT
--- JSON (RFC 8259) for results: whole numbers of 64 bits stay what they are in both directions.
--
-- Why not a library: lua-cjson turns 64-bit integers into floats, and a result must also be read on
-- a machine where nothing but `rkl` is installed. Used by bench/, trace.lua and
-- provenance_document.lua.

local M = {}

local Object = {}

--- Marks a table (default: a new one) as an object, which it stays in JSON when it is empty.
function M.object(value)
  return setmetatable(value or {}, Object)
end

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t",
}

--- A JSON string. Bytes that are no UTF-8 are shown as the Latin-1 characters of their values.
function M.quote(text)
  if not utf8.len(text) then
    text = text:gsub("[\x80-\xff]", function(byte)
      return utf8.char(byte:byte())
    end)
  end
  return '"' .. text:gsub('[%c"\\\127]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value or value == math.huge or value == -math.huge then
    return "null" -- JSON has no such numbers
  end
  local text = ("%.15g"):format(value)
  return tonumber(text) == value and text or ("%.17g"):format(value)
end

--- A value as JSON text. A table with [1] is a list, and so is an empty one that is not marked as
-- an object; keys of objects are sorted.
-- With `indent` (a string of spaces, "" to begin with) it takes several lines.
function M.encode(value, indent)
  local kind = type(value)
  if kind == "string" then
    return M.quote(value)
  elseif kind == "number" then
    return number(value)
  elseif kind ~= "table" then
    return value == nil and "null" or tostring(value)
  end
  local inner = indent and indent .. "  "
  local parts, open, close = {}, "[", "]"
  if getmetatable(value) ~= Object and (value[1] ~= nil or next(value) == nil) then
    for i, item in ipairs(value) do
      parts[i] = M.encode(item, inner)
    end
  else
    open, close = "{", "}"
    local keys = {}
    for key in pairs(value) do
      keys[#keys + 1] = tostring(key)
    end
    table.sort(keys)
    for i, key in ipairs(keys) do
      parts[i] = M.quote(key) .. (indent and ": " or ":") .. M.encode(value[key], inner)
    end
  end
  local flat = open .. table.concat(parts, indent and ", " or ",") .. close
  if not indent or #flat + #indent <= 96 and not flat:find("\n", 1, true) then
    return flat
  end
  return ("%s\n%s%s\n%s%s"):format(open, inner, table.concat(parts, ",\n" .. inner), indent, close)
end

-- ---- reading ----------------------------------------------------------------------------------

local UNESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}
local WORDS = { { "true", true }, { "false", false }, { "null", nil } }
local DEPTH_MAX = 200

local function fail(place, what)
  error({ place = place, what = what }, 0)
end

local function skip(text, place)
  return text:find("[^ \t\r\n]", place) or #text + 1
end

--- The character of \uXXXX at `place`, and where the text goes on.
local function unicode(text, place)
  local high = tonumber(text:match("^\\u(%x%x%x%x)", place) or fail(place, "a bad escape"), 16)
  if high >= 0xD800 and high < 0xDC00 then
    local low = tonumber(text:match("^\\u(%x%x%x%x)", place + 6) or "0", 16)
    if low >= 0xDC00 and low < 0xE000 then
      return utf8.char(0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00), place + 12
    end
  end
  return utf8.char(high >= 0xD800 and high < 0xE000 and 0xFFFD or high), place + 6
end

local function read_string(text, place)
  local parts, at = {}, place + 1
  while true do
    local stop = text:find('["\\%c]', at) or fail(place, "a string without end")
    parts[#parts + 1] = text:sub(at, stop - 1)
    local c = text:sub(stop, stop)
    if c == '"' then
      return table.concat(parts), stop + 1
    elseif c ~= "\\" then
      fail(stop, "a control character in a string")
    end
    local escaped = text:sub(stop + 1, stop + 1)
    if escaped == "u" then
      parts[#parts + 1], at = unicode(text, stop)
    else
      parts[#parts + 1] = UNESCAPES[escaped] or fail(stop, "a bad escape")
      at = stop + 2
    end
  end
end

local read_value

local function read_list(text, place, depth)
  local list, count = {}, 0
  place = skip(text, place + 1)
  if text:sub(place, place) == "]" then
    return list, place + 1
  end
  while true do
    count = count + 1
    list[count], place = read_value(text, place, depth)
    place = skip(text, place)
    local c = text:sub(place, place)
    if c == "]" then
      return list, place + 1
    elseif c ~= "," then
      fail(place, "',' or ']' expected")
    end
    place = place + 1
  end
end

local function read_object(text, place, depth)
  local object = {}
  place = skip(text, place + 1)
  if text:sub(place, place) == "}" then
    return object, place + 1
  end
  while true do
    place = skip(text, place)
    if text:sub(place, place) ~= '"' then
      fail(place, "a key in quotes expected")
    end
    local key
    key, place = read_string(text, place)
    place = skip(text, place)
    if text:sub(place, place) ~= ":" then
      fail(place, "':' expected")
    end
    object[key], place = read_value(text, place + 1, depth)
    place = skip(text, place)
    local c = text:sub(place, place)
    if c == "}" then
      return object, place + 1
    elseif c ~= "," then
      fail(place, "',' or '}' expected")
    end
    place = place + 1
  end
end

function read_value(text, place, depth)
  if depth > DEPTH_MAX then
    fail(place, "nested too deep")
  end
  place = skip(text, place)
  local c = text:sub(place, place)
  if c == '"' then
    return read_string(text, place)
  elseif c == "{" then
    return read_object(text, place, depth + 1)
  elseif c == "[" then
    return read_list(text, place, depth + 1)
  end
  for _, word in ipairs(WORDS) do
    if text:sub(place, place + #word[1] - 1) == word[1] then
      return word[2], place + #word[1]
    end
  end
  local digits = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", place)
  local value = digits and not digits:find("^-?0%d") and tonumber(digits)
  if not value then
    fail(place, place > #text and "the text ends" or "no JSON value")
  end
  return value, place + #digits
end

--- The value that JSON text holds; null is nil. Nil, message, "corrupt" for anything else.
function M.decode(text)
  local ok, value, place = pcall(read_value, text, 1, 0)
  if ok then
    place = skip(text, place)
    if place <= #text then
      ok, value = false, { place = place, what = "something follows the value" }
    end
  end
  if ok then
    return value
  elseif type(value) ~= "table" or not value.what then
    error(value, 0)
  end
  return nil, ("JSON, byte %d: %s"):format(value.place, value.what), "corrupt"
end

return M
