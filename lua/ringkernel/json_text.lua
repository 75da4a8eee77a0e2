-- SPDX-License-Identifier: MIT
--- JSON text of plain tables, keys in order, for files that others read (provenance_document.lua).

local M = {}

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(char)
  return ESCAPES[char] or ("\\u%04x"):format(char:byte())
end

--- A JSON string. Bytes that are no UTF-8 are shown as the Latin-1 characters of their values.
function M.quote(text)
  text = text:gsub('[%c"\\\127]', escape)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]", escape)
  end
  return '"' .. text .. '"'
end

local function put(out, value, indent)
  local kind = type(value)
  if kind ~= "table" then
    out[#out + 1] = kind == "string" and M.quote(value)
      or math.type(value) == "float" and ("%.17g"):format(value) or tostring(value)
    return
  end
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  local deeper = indent .. " "
  for index, key in ipairs(keys) do
    out[#out + 1] = (index == 1 and "{\n" or ",\n") .. deeper .. M.quote(key) .. ": "
    put(out, value[key], deeper)
  end
  out[#out + 1] = #keys == 0 and "{}" or "\n" .. indent .. "}"
end

--- The text of a table of tables, strings, finite numbers and booleans; all keys are strings.
function M.encode(value)
  local out = {}
  put(out, value, "")
  return table.concat(out)
end

return M
