-- SPDX-License-Identifier: MIT
--- Checks of arguments and option tables for the modules written in Lua.
--
-- A failed check is misuse: it raises with a text that names the argument or option key, what was
-- expected and what came, and blames the first caller outside this library. The C classes word
-- their own checks the same way (src/lua/lrk_aux.c).

local M = {}

local LIBRARY = debug.getinfo(1, "S").source:match("^(.*)check%.lua$") or "@ringkernel/"

--- Raises `format` as an error of the first caller outside lua/ringkernel. One that is gone, for it
-- ended with `return rk.x { … }`, leaves no place to name.
function M.fail(format, ...)
  local level = 2
  while true do
    local info = debug.getinfo(level, "S")
    if not info then
      level = 0
      break
    elseif info.what ~= "C" and info.source:sub(1, #LIBRARY) ~= LIBRARY then
      break
    end
    level = level + 1
  end
  error(format:format(...), level)
end

local MANY <const> = 50 -- mistakes that are worth reading

--- Raises, at the caller, all mistakes of a list in one error; of very many the first fifty.
-- Nothing for an empty list.
function M.fail_all(where, mistakes)
  if #mistakes == 1 then
    M.fail("%s: %s", where, mistakes[1])
  elseif #mistakes > 1 then
    local shown = table.concat(mistakes, "\n  ", 1, math.min(#mistakes, MANY))
    local rest = #mistakes > MANY and ("\n  … and %d more"):format(#mistakes - MANY) or ""
    M.fail("%s: %d mistakes:\n  %s%s", where, #mistakes, shown, rest)
  end
end

--- What a value is, for messages: its class, or its type with the value where that is short.
function M.describe(value)
  local kind = type(value)
  if kind == "string" then
    return #value <= 40 and "'" .. value .. "'" or ("a string of %d bytes"):format(#value)
  elseif kind == "number" then
    return ("%s"):format(value)
  elseif kind == "boolean" or kind == "nil" then
    return tostring(value)
  end
  local meta = debug.getmetatable(value)
  local name = type(meta) == "table" and rawget(meta, "__name")
  return type(name) == "string" and name or kind
end

--- What an error that was caught says, in lua(1)'s words where it is no text.
function M.error_text(value)
  local kind = type(value)
  local meta = debug.getmetatable(value)
  local is_told = type(meta) == "table" and rawget(meta, "__tostring")
  if kind == "string" or kind == "number" or is_told then
    return tostring(value)
  end
  return ("(error object is a %s value)"):format(kind)
end

--- For xpcall: an error, whatever was raised, as text with a traceback.
function M.explain(problem)
  return debug.traceback(M.error_text(problem), 2)
end

local function settled(where, ok, ...)
  if ok then
    return ...
  end
  local problem = ...
  if type(problem) ~= "string" or problem:find("interrupted!", 1, true)
    or problem:find("ran longer than its limit", 1, true) then
    error(problem, 0)
  end
  M.fail("%s", (problem:gsub("^bad argument #(%d+) to '[^']*'", function(n)
    return ("bad argument #%d to '%s'"):format(math.max(1, n - 1), where) -- the first is the object
  end)))
end

--- fn(self, ...) of the core, for the method `where` that is Lua around it: complaints about
--- arguments name that and blame the first caller outside lua/ringkernel, as those of M.fail do.
function M.blame(where, fn, ...)
  return settled(where, pcall(fn, ...))
end

local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local before = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      before, row[j] = row[j], math.min(row[j] + 1, row[j - 1] + 1, before + cost)
    end
  end
  return row[#b]
end

--- The name in `names` (a table with the names as keys) that is most like `word`, or nil.
function M.nearest(word, names)
  local best, best_distance
  for name in pairs(names) do
    local d = distance(word:lower(), tostring(name):lower())
    if not best or d < best_distance or (d == best_distance and name < best) then
      best, best_distance = name, d
    end
  end
  if best and best_distance <= (#word <= 3 and 1 or math.max(2, #word // 3)) then
    return best
  end
  return nil
end

--- " (did you mean 'queue'?)" or "".
function M.hint(word, names)
  local name = type(word) == "string" and M.nearest(word, names)
  return name and (" (did you mean '%s'?)"):format(name) or ""
end

local function is_whole(value)
  return math.type(value) == "integer" or (type(value) == "number" and value == math.floor(value))
end

--- Whether `value` fits a rule of M.options; returns what was expected if not.
local function mismatch(value, rule)
  local want = rule.type
  if want == "integer" then
    local low, high = rule.min or math.mininteger, rule.max or math.maxinteger
    if not is_whole(value) or value < low or value > high then
      return ("a whole number from %d to %d"):format(low, high)
    end
  elseif want == "name" then
    if type(value) ~= "string" or not value:find("^[%a_][%w_.-]*$") then
      return "a name of letters, digits, '_', '.' and '-' that does not start with a digit"
    end
  elseif want == "choice" then
    for _, choice in ipairs(rule.choices) do
      if value == choice then
        return nil
      end
    end
    return "one of '" .. table.concat(rule.choices, "', '") .. "'"
  elseif type(value) ~= want then
    return "a " .. want
  end
  return nil
end

--- Checks the option table `options` of `where` against `rules`: key -> { type =, min =, max =,
-- choices =, required = }. Types: Lua's own, "integer", "name", "choice", "any". Integral floats
-- become integers. Returns a new table.
function M.options(where, options, rules)
  if type(options) ~= "table" then
    M.fail("%s: a table of options expected, got %s", where, M.describe(options))
  end
  local out = {}
  for key, value in pairs(options) do
    local rule = rules[key]
    if not rule then
      M.fail("%s: unknown option %s%s", where,
        type(key) == "string" and "'" .. key .. "'" or "[" .. M.describe(key) .. "]",
        M.hint(key, rules))
    end
    if rule.type ~= "any" then
      local expected = mismatch(value, rule)
      if expected then
        M.fail("%s: option '%s': %s expected, got %s", where, key, expected, M.describe(value))
      end
    end
    out[key] = rule.type == "integer" and math.tointeger(value) or value
  end
  for key, rule in pairs(rules) do
    if rule.required and out[key] == nil then
      M.fail("%s: option '%s' is missing", where, key)
    end
  end
  return out
end

--- Checks a timeout: nil (wait for ever) or a number of seconds, 0 or more.
function M.timeout(where, value)
  if value ~= nil and (type(value) ~= "number" or value ~= value or value < 0) then
    M.fail("%s: timeout: seconds (0 or more) or nil expected, got %s", where, M.describe(value))
  end
  return value
end

-- Words that would break the C and C++ text that definitions become.
local RESERVED = {}
for word in ([[
  auto break case char const continue default do double else enum extern float for goto if inline
  int long register restrict return short signed sizeof static struct switch typedef union unsigned
  void volatile while alignas alignof and and_eq asm bitand bitor bool catch class compl concept
  const_cast constexpr decltype delete dynamic_cast explicit export false friend mutable namespace
  new noexcept not not_eq nullptr operator or or_eq private protected public reinterpret_cast
  requires static_assert static_cast template this thread_local throw true try typeid typename
  using virtual wchar_t xor xor_eq typeof linux unix NULL EOF offsetof main size_t ptrdiff_t
  int8_t uint8_t int16_t uint16_t int32_t uint32_t int64_t uint64_t intptr_t uintptr_t
]]):gmatch("%S+") do
  RESERVED[word] = true
end

--- Checks a name that becomes an identifier of C: a field, a message, a port. Returns it.
function M.identifier(where, name)
  if type(name) ~= "string" then
    M.fail("%s: a name (string) expected, got %s", where, M.describe(name))
  elseif not name:find("^[%a_][%w_]*$") or #name > 63 then
    M.fail("%s: '%s' is no name: letters, digits and '_', no digit first, at most 63", where, name)
  elseif RESERVED[name] or name:find("^_[_%u]") then
    M.fail("%s: '%s' is a reserved word of C or C++; choose another name", where, name)
  elseif name:find("^[rR][kK]_") then
    M.fail("%s: '%s': names that start with rk_ belong to ringkernel", where, name)
  end
  return name
end

return M
