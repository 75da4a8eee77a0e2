-- SPDX-License-Identifier: MIT
--- Checks what `rk.kernel` and `rk.global` are given and brings it into one plain form.
--
-- `definition.kernel(spec)` and `definition.global(spec)` raise with the name of the key that is
-- wrong, and return a new table with layouts, ports, burst, block, the source text and which
-- handlers it has. Pure Lua: the build uses it for the stock kernels before the C module exists.
-- A message is anything with a `layout`: a class of message.lua, or a layout itself.

local check = require "ringkernel.check"
local layout = require "ringkernel.layout"

local M = {}

M.MAX_TYPES = 64
M.MAX_PORTS = 64
M.MAX_LANES = 1024
M.MAX_BURST = 65536

-- What a handler's parameters and the start and stop handlers are called.
local HANDLER_WORDS = { ctx = true, msg = true, state = true, start = true, stop = true,
  migrate = true }

local function read_file(where, path)
  local file, message = io.open(path, "rb")
  if not file then
    check.fail("%s: option 'file': cannot read %s", where, message)
  end
  local text = file:read("a")
  file:close()
  return text
end

--- The source text and the file name that compile errors are to show.
local function source_of(where, spec, name)
  if (spec.source == nil) == (spec.file == nil) then
    check.fail("%s: exactly one of the options 'source' and 'file' expected", where)
  end
  if spec.source then
    return spec.source, name
  end
  return read_file(where, spec.file), spec.file
end

local function blank(text)
  return (text:gsub("[^\n]", " "))
end

--- C text with comments, strings and character constants made blank; line breaks stay.
function M.strip(source)
  local out, at = {}, 1
  while true do
    local first = source:find("[/\"']", at)
    if not first then
      out[#out + 1] = source:sub(at)
      return table.concat(out)
    end
    out[#out + 1] = source:sub(at, first - 1)
    local two, last = source:sub(first, first + 1), first
    if two == "/*" then
      local _, close = source:find("*/", first + 2, true)
      last = close or #source
    elseif two == "//" then
      last = (source:find("\n", first, true) or #source + 1) - 1
    elseif two:sub(1, 1) ~= "/" then
      local quote = two:sub(1, 1)
      last = first + 1
      while last <= #source and not source:find("^[\n" .. quote .. "]", last) do
        last = last + (source:sub(last, last) == "\\" and 2 or 1)
      end
    end
    last = math.min(last, #source) -- an apostrophe in prose ends with its line
    out[#out + 1] = last > first and blank(source:sub(first, last)) or two:sub(1, 1)
    at = last + 1
  end
end

--- Takes the #define lines out of stripped text; returns the rest and the defines.
local function split_defines(text)
  local defines = {}
  local rest = ("\n" .. text):gsub("\n([ \t]*#[ \t]*define[^\n]*)", function(line)
    defines[#defines + 1] = line
    return "\n"
  end)
  return rest, table.concat(defines, "\n")
end

--- Which handlers the source has: a set of names, has_start, has_stop, and whether a macro of the
-- user's makes handlers, so that a missing one cannot be known.
local function scan_handlers(where, source)
  local text, defines = split_defines(M.strip(source:gsub("\\\r?\n", "  ")))
  local found = {}
  for name in text:gmatch("%f[%w_]RK_ON%s*%(%s*([%w_]*)%s*%)") do
    if found[name] then
      check.fail("%s: the source has two handlers RK_ON(%s)", where, name)
    end
    found[name] = true
  end
  return {
    names = found,
    start = text:find("%f[%w_]RK_ON_START%s*%(") ~= nil,
    stop = text:find("%f[%w_]RK_ON_STOP%s*%(") ~= nil,
    migrate = text:match("%f[%w_]RK_MIGRATE%s*%(%s*([%w_]*)%s*%)"),
    by_macro = defines:find("%f[%w_]RK_ON%f[^%w_]") ~= nil,
  }
end

--- A list of messages as layouts. `types` collects all of a definition by name.
local function message_list(where, key, list, types)
  local out = {}
  if list == nil then
    return out
  elseif type(list) ~= "table" or debug.getmetatable(list) then
    check.fail("%s: option '%s': a list of message types expected, got %s", where, key,
      check.describe(list))
  end
  local seen = {}
  for index, entry in pairs(list) do
    if math.type(index) ~= "integer" or index < 1 or index > #list then
      check.fail("%s: option '%s': a list expected, found key %s", where, key,
        check.describe(index))
    end
    local is_table = type(entry) == "table"
    local shape = layout.is_layout(entry) and entry or is_table and rawget(entry, "layout")
    if not layout.is_layout(shape) then
      check.fail("%s: option '%s'[%d]: a message type (rk.message) expected, got %s", where, key,
        index, check.describe(entry))
    end
    local other = types[shape.name]
    if seen[shape.name] then
      check.fail("%s: option '%s': '%s' stands there twice", where, key, shape.name)
    elseif other and other.id ~= shape.id then
      check.fail("%s: two different message types are called '%s'", where, shape.name)
    elseif HANDLER_WORDS[shape.name] then
      check.fail("%s: option '%s': '%s' means something else in a handler's source", where, key,
        shape.name)
    end
    for _, known in pairs(types) do
      if known.id == shape.id and known.name ~= shape.name then
        check.fail("%s: the messages '%s' and '%s' happen to have the same id; rename one", where,
          known.name, shape.name)
      end
    end
    seen[shape.name], types[shape.name] = true, shape
    out[index] = shape
  end
  return out
end

--- Ports: { "next", "log", burst = 4 } -> names, burst.
local function port_list(where, ports)
  local names, burst = {}, 1
  if ports == nil then
    return names, burst
  elseif type(ports) ~= "table" then
    check.fail("%s: option 'ports': a list of names expected, got %s", where,
      check.describe(ports))
  end
  local seen = {}
  for key, value in pairs(ports) do
    if key == "burst" then
      burst = math.type(value) and math.tointeger(value)
      if not burst or burst < 1 or burst > M.MAX_BURST then
        check.fail("%s: option 'ports.burst': a whole number from 1 to %d expected, got %s", where,
          M.MAX_BURST, check.describe(value))
      end
    elseif math.type(key) ~= "integer" or key < 1 or key > #ports then
      check.fail("%s: option 'ports': unknown key %s%s", where, check.describe(key),
        check.hint(key, { burst = true }))
    else
      check.identifier(("%s: option 'ports'[%d]"):format(where, key), value)
      if seen[value] then
        check.fail("%s: option 'ports': '%s' stands there twice", where, value)
      end
      seen[value], names[key] = true, value
    end
  end
  if #names > M.MAX_PORTS then
    check.fail("%s: option 'ports': at most %d, got %d", where, M.MAX_PORTS, #names)
  end
  return names, burst
end

--- Every accepted type needs its handler and every handler its type.
local function match_handlers(where, accepts, handlers)
  local accepted = {}
  for _, shape in ipairs(accepts) do
    accepted[shape.name] = true
    if not handlers.names[shape.name] and not handlers.by_macro then
      check.fail("%s: '%s' is accepted but the source has no handler RK_ON(%s)", where, shape.name,
        shape.name)
    end
  end
  for name in pairs(handlers.names) do
    if not accepted[name] then
      check.fail("%s: the source has a handler RK_ON(%s) but '%s' is not in 'accepts'%s", where,
        name, name, check.hint(name, accepted))
    end
  end
end

--- The state that RK_MIGRATE takes, as a layout; its name in the source is the struct's.
local function old_state(where, spec, handlers, types)
  local name = handlers.migrate
  if (spec.old_state == nil) ~= (name == nil) then
    check.fail(name and "%s: the source has RK_MIGRATE(%s) but option 'old_state' does not say "
      .. "what fields that has" or "%s: option 'old_state' is there but the source has no "
      .. "RK_MIGRATE(...)", where, name)
  elseif not name then
    return nil
  elseif types[name] or name == "rk_state" or not name:find("^[%a_]") then
    check.fail("%s: RK_MIGRATE(%s): a name of its own for the struct of the old state expected",
      where, name)
  end
  return layout.new("rk_state", spec.old_state, where .. ": option 'old_state'", 1 << 30)
end

local KERNEL_OPTIONS = {
  name = { type = "name", required = true },
  accepts = { type = "any", required = true },
  emits = { type = "any" },
  state = { type = "any" },
  old_state = { type = "any" },
  ports = { type = "any" },
  block = { type = "integer", min = 1, max = M.MAX_LANES },
  source = { type = "string" },
  file = { type = "string" },
}

--- Checks the options of rk.kernel; `maker`: what error texts call it, if not that.
function M.kernel(spec, maker)
  local where = maker or "rk.kernel"
  if type(spec) == "table" and type(spec.name) == "string" then
    where = ("%s '%s'"):format(where, spec.name)
  end
  spec = check.options(where, spec, KERNEL_OPTIONS)
  local types = {}
  local self = {
    name = spec.name,
    accepts = message_list(where, "accepts", spec.accepts, types),
    emits = message_list(where, "emits", spec.emits, types),
    block = spec.block or 1,
  }
  if #self.accepts == 0 then
    check.fail("%s: option 'accepts': at least one message type expected", where)
  elseif #self.accepts > M.MAX_TYPES then
    check.fail("%s: option 'accepts': at most %d message types, got %d", where, M.MAX_TYPES,
      #self.accepts)
  end
  self.ports, self.burst = port_list(where, spec.ports)
  if spec.state ~= nil and (type(spec.state) ~= "table" or #spec.state > 0) then
    self.state = layout.new("rk_state", spec.state, where .. ": option 'state'", 1 << 30)
  elseif spec.state ~= nil and next(spec.state) ~= nil then
    check.fail("%s: option 'state': a list { { name, type }, ... } expected", where)
  end
  self.source, self.file = source_of(where, spec, spec.name)
  self.handlers = scan_handlers(where, self.source)
  match_handlers(where, self.accepts, self.handlers)
  self.old_state = old_state(where, spec, self.handlers, types)
  return self
end

local GLOBAL_OPTIONS = {
  name = { type = "name", required = true },
  params = { type = "any" },
  source = { type = "string" },
  file = { type = "string" },
}

--- One parameter: { "a", "const f32*" } or { "n", "u32" }.
local function new_param(where, entry)
  if type(entry) ~= "table" then
    check.fail("%s: { name, type } expected, got %s", where, check.describe(entry))
  end
  local name = check.identifier(where, entry[1])
  if type(entry[2]) ~= "string" then
    check.fail("%s '%s': a type (string) expected, got %s", where, name, check.describe(entry[2]))
  end
  local const, word, star = entry[2]:match("^%s*(c?o?n?s?t?)%s*(%w+)%s*(%*?)%s*$")
  local kind = layout.KINDS[word]
  if not kind or not kind.number or (const ~= "" and (const ~= "const" or star == "")) then
    check.fail("%s '%s': a number type, or a pointer as in 'const f32*' expected, got '%s'", where,
      name, entry[2])
  end
  return { name = name, kind = word, ctype = kind.ctype, is_const = const ~= "",
    is_pointer = star ~= "" }
end

--- Checks the options of rk.global.
function M.global(spec)
  local where = "rk.global"
  if type(spec) == "table" and type(spec.name) == "string" then
    where = ("rk.global '%s'"):format(spec.name)
  end
  spec = check.options(where, spec, GLOBAL_OPTIONS)
  local self = { name = spec.name, params = {} }
  local seen, fields = {}, {}
  if spec.params ~= nil and type(spec.params) ~= "table" then
    check.fail("%s: option 'params': a list of { name, type } expected, got %s", where,
      check.describe(spec.params))
  end
  for index, entry in ipairs(spec.params or {}) do
    local param = new_param(("%s: option 'params'[%d]"):format(where, index), entry)
    if seen[param.name] then
      check.fail("%s: option 'params': '%s' stands there twice", where, param.name)
    end
    seen[param.name] = true
    self.params[index] = param
    fields[index] = { param.name, param.is_pointer and "u64" or param.kind }
  end
  self.layout = layout.new("rk_params", fields, where .. ": option 'params'", 4096)
  self.source, self.file = source_of(where, spec, spec.name)
  local text = M.strip(self.source)
  if not text:find("%f[%w_]RK_GLOBAL%s*%(") then
    check.fail("%s: the source has no body RK_GLOBAL() { ... }", where)
  end
  self.uses_barriers = text:find("%f[%w_]rk_sync%f[^%w_]") ~= nil
    or text:find("%f[%w_]rk_lane_sync%f[^%w_]") ~= nil
    or text:find("%f[%w_]rk_shuffle") ~= nil
    or text:find("%f[%w_]rk_ballot") ~= nil
    or text:find("%f[%w_]rk_warp_") ~= nil
    or text:find("%f[%w_]rk_block_") ~= nil
  return self
end

return M
