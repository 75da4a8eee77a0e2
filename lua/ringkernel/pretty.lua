-- SPDX-License-Identifier: MIT
--- Values as readable text: for the prompt, error messages and specs.
--
-- `pretty(value, { width = 80, depth = 6 })` returns a string. What fits into `width` columns stays
-- on one line, other tables get one line per entry. Keys are sorted, so equal tables give equal
-- text. Reads tables raw: no metamethod but __tostring and __name has a say.
-- Used by cli/repl.lua and wherever a value must appear in a message.

local WIDTH, DEPTH = 80, 6
local MAX_NODES = 5000 -- values shown in one text; a prompt must stay usable after `_G`

local RESERVED = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat "
  .. "return then true until while"):gmatch("%a+") do
  RESERVED[word] = true
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape_byte(byte)
  return ESCAPES[byte] or ("\\x%02X"):format(byte:byte())
end

--- A string as Lua source. UTF-8 stays readable, other bytes are escaped.
local function quote(text)
  local out, from = {}, 1
  while from <= #text do
    local _, bad = utf8.len(text, from)
    local good = text:sub(from, (bad or #text + 1) - 1)
    out[#out + 1] = good:gsub('[%c"\\]', escape_byte)
    if not bad then
      break
    end
    out[#out + 1] = escape_byte(text:sub(bad, bad))
    from = bad + 1
  end
  return '"' .. table.concat(out) .. '"'
end

--- A number so that reading it back gives the same number of the same subtype.
local function number_text(value)
  if math.type(value) == "integer" then
    return ("%d"):format(value)
  elseif value ~= value then
    return "nan"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "inf" or "-inf"
  end
  local text
  for digits = 14, 17 do
    text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then
      break
    end
  end
  return text:find("[%.e]") and text or text .. ".0"
end

--- The text of a value that is no plain table, or nil.
local function scalar_text(value)
  local kind = type(value)
  if kind == "string" then
    return quote(value)
  elseif kind == "number" then
    return number_text(value)
  elseif kind == "nil" or kind == "boolean" then
    return tostring(value)
  end
  local meta = debug.getmetatable(value)
  if meta and (rawget(meta, "__tostring") ~= nil or type(rawget(meta, "__name")) == "string") then
    local ok, text = pcall(tostring, value)
    return ok and text or ("<%s: __tostring failed>"):format(kind)
  end
  if kind == "table" then
    return nil
  elseif kind == "function" then
    local info = debug.getinfo(value, "S")
    if info.what ~= "C" then
      return ("function <%s:%d>"):format(info.short_src, info.linedefined)
    end
  end
  return tostring(value)
end

local KIND_RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local rank_a, rank_b = KIND_RANK[type(a)] or 4, KIND_RANK[type(b)] or 4
  if rank_a ~= rank_b then
    return rank_a < rank_b
  elseif rank_a <= 2 then
    return a < b
  end
  return (scalar_text(a) or tostring(a)) < (scalar_text(b) or tostring(b))
end

local function key_text(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") and not RESERVED[key] then
    return key, "." .. key
  end
  local text = "[" .. (scalar_text(key) or tostring(key)) .. "]"
  return text, text
end

--- The keys that are not part of the list 1..length, sorted.
local function other_keys(value, length)
  local keys = {}
  for key in next, value do
    if not (math.type(key) == "integer" and key >= 1 and key <= length) then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, before)
  return keys
end

local function list_length(value)
  local length = 0
  while rawget(value, length + 1) ~= nil do
    length = length + 1
  end
  return length
end

--- Columns that the text takes when it is shown.
local function columns(text)
  return utf8.len(text) or #text
end

local render

--- The texts of all entries of a table, or the first ones and a remark.
local function entry_texts(value, state, level, path)
  local texts, length = {}, list_length(value)
  local function add(label, item, place)
    state.nodes = state.nodes + 1
    local indent = 2 * level + columns(label) + 1 -- and a comma
    texts[#texts + 1] = label .. render(item, state, level, path .. place, indent)
  end
  local keys = other_keys(value, length)
  local total = length + #keys
  for index = 1, total do
    if state.nodes >= MAX_NODES then
      texts[#texts + 1] = ("... %d more"):format(total - index + 1)
      break
    end
    if index <= length then
      add("", rawget(value, index), ("[%d]"):format(index))
    else
      local key = keys[index - length]
      local label, place = key_text(key)
      add(label .. " = ", rawget(value, key), place)
    end
  end
  return texts
end

--- `level` counts the tables around the value, `used` the columns already taken on its line.
function render(value, state, level, path, used)
  local text = scalar_text(value)
  if text then
    return text
  elseif next(value) == nil then
    return "{}"
  elseif state.paths[value] then
    -- shown before: inside itself this ends a cycle, elsewhere it saves space
    local word = state.open[value] and "cycle to" or "same as"
    return ("<%s %s>"):format(word, state.paths[value])
  elseif level >= state.depth then
    return "{...}"
  end
  state.paths[value], state.open[value] = path, true
  local texts = entry_texts(value, state, level + 1, path)
  state.open[value] = nil
  local size = used + 4 + 2 * (#texts - 1)
  for _, item in ipairs(texts) do
    size = size + (item:find("\n", 1, true) and state.width or columns(item))
  end
  if size <= state.width then
    return "{ " .. table.concat(texts, ", ") .. " }"
  end
  local indent = ("  "):rep(level + 1)
  return "{\n" .. indent .. table.concat(texts, ",\n" .. indent) .. "\n" .. ("  "):rep(level) .. "}"
end

local function check_option(options, name, default)
  local value = options[name]
  if value == nil then
    return default
  elseif math.type(value) ~= "integer" or value < 0 then
    local got = type(value) == "number" and tostring(value) or type(value)
    error(("option '%s': integer from 0 expected, got %s"):format(name, got), 3)
  end
  return value
end

--- Returns `value` as text. Options: `width` in columns, `depth` in nested tables.
local function pretty(value, options)
  if options ~= nil and type(options) ~= "table" then
    error(("bad argument #2 to 'pretty' (table expected, got %s)"):format(type(options)), 2)
  end
  options = options or {}
  for name in pairs(options) do
    if name ~= "width" and name ~= "depth" then
      error(("unknown option '%s': width or depth expected"):format(tostring(name)), 2)
    end
  end
  local state = {
    width = check_option(options, "width", WIDTH),
    depth = check_option(options, "depth", DEPTH),
    nodes = 0,
    paths = {}, -- table -> where it was shown first
    open = {}, -- tables around the value being shown
  }
  return render(value, state, 0, "root", 0)
end

return pretty
