-- SPDX-License-Identifier: MIT
--- Rule sets: definitions with a common version, brought into a runtime in one swap.
--
--   local set = rk.rules { name = "prices", version = 3, Smooth2, Filter2 }
--   local info = rt:apply_rules(set)
--
-- All actors of a runtime whose definition has the name of one in the set get that one, all at once
-- or none. Versions of a set only rise: an older one that comes late is refused.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local reloading = require "ringkernel.reload"

local Runtime = core.methods "runtime"

local M = {}

local Rules = { __name = "ringkernel.rules" }
Rules.__index = Rules

-- runtime -> name of a set -> the set in force
local in_force = setmetatable({}, { __mode = "k" })

function Rules:__tostring()
  return ("ringkernel.rules: %s, version %d"):format(self.name, self.version)
end

local function check_migrations(where, migrate, definitions)
  if migrate == nil then
    return {}
  elseif type(migrate) ~= "table" then
    check.fail("%s: option 'migrate': functions by name of a definition expected, got %s", where,
      check.describe(migrate))
  end
  local out = {}
  for name, fn in pairs(migrate) do
    if not definitions[name] then
      check.fail("%s: option 'migrate': no definition of the set is called %s%s", where,
        check.describe(name), check.hint(name, definitions))
    elseif type(fn) ~= "function" then
      check.fail("%s: option 'migrate': '%s': a function expected, got %s", where, name,
        check.describe(fn))
    end
    out[name] = fn
  end
  return out
end

--- rk.rules { name =, version =, migrate = { NAME = function }, definition, ... }.
function M.new(spec)
  if type(spec) ~= "table" then
    check.fail("rk.rules: a table expected, got %s", check.describe(spec))
  end
  local where = type(spec.name) == "string" and ("rk.rules '%s'"):format(spec.name) or "rk.rules"
  local options, definitions = {}, {}
  for key, value in pairs(spec) do
    if math.type(key) ~= "integer" then
      options[key] = value
    elseif key < 1 or key > #spec then
      check.fail("%s: a list of definitions expected, found key %s", where, check.describe(key))
    end
  end
  options = check.options(where, options, {
    name = { type = "name", required = true },
    version = { type = "integer", min = 1, max = math.maxinteger, required = true },
    migrate = { type = "any" },
  })
  for index, value in ipairs(spec) do
    local at = ("%s: element %d"):format(where, index)
    local definition, text = reloading.definition(at, value)
    if not definition then
      check.fail("%s: %s", at, text)
    elseif definitions[definition.name] then
      check.fail("%s: two definitions are called '%s'", at, definition.name)
    end
    definitions[definition.name] = definition
  end
  if #spec == 0 then
    check.fail("%s: at least one definition expected", where)
  end
  return setmetatable({ name = options.name, version = options.version, definitions = definitions,
    migrate = check_migrations(where, options.migrate, definitions) }, Rules)
end

--- Adds all actors that the set means: parts | nil, message, code, log.
local function add_all(reload, rt, set)
  local parts = {}
  for _, actor in ipairs(rt:actors()) do
    local was = actor.definition
    local definition = was and set.definitions[was.name]
    if definition and not rawequal(definition, was) then
      local part, text, code, log = reloading.add(reload, actor, definition, set.migrate[was.name])
      if part then
        parts[#parts + 1] = part
      elseif actor:state() ~= "terminated" then -- one that has just ended is no actor any more
        return nil, text, code, log
      end
    end
  end
  return parts
end

--- Compiles what no actor of the runtime has yet, too, so that a mistake there is told.
local function compile_all(rt, set)
  for _, definition in pairs(set.definitions) do
    local ok, text, code, log = definition:compile(rt)
    if not ok then
      return nil, text, code, log
    end
  end
  return true
end

--- Brings a rule set into force: { name, version, former, pause_s, actors = { NAME = info } } |
-- nil, message, code [, log]. After an error the one before is in force everywhere.
function Runtime:apply_rules(set, options)
  if getmetatable(set) ~= Rules then
    check.fail("apply_rules: argument 1: a rule set (rk.rules) expected, got %s",
      check.describe(set))
  end
  options = check.options("apply_rules", options or {}, { timeout = { type = "any" } })
  local timeout = reloading.timeout("apply_rules", options)
  local reload <close>, text, code = core.reload_open(self)
  if not reload then
    return nil, text, code
  end
  local sets = in_force[self] or {}
  local present = sets[set.name]
  if present and set.version <= present.version then
    return nil, ("rules '%s': version %d is in force, and %d is not newer"):format(set.name,
      present.version, set.version), "version"
  end
  local ok, why, what, log = compile_all(self, set)
  local parts = {}
  if ok then
    parts, why, what, log = add_all(reload, self, set)
  end
  if not ok or not parts then
    return nil, why, what, log
  end
  local infos
  infos, why, what = reloading.swap(reload, parts, timeout)
  if not infos then
    return nil, why, what
  end
  sets[set.name] = set
  in_force[self] = sets
  local out = { name = set.name, version = set.version, former = present and present.version,
    pause_s = 0.0, actors = {} }
  for _, info in ipairs(infos) do
    out.pause_s = math.max(out.pause_s, info.pause_s)
    out.actors[info.actor.name] = info
  end
  return out
end

--- The version of a rule set that is in force and the set, or nil.
function Runtime:rules(name)
  local set = (in_force[self] or {})[name]
  if set then
    return set.version, set
  end
  return nil
end

return M
