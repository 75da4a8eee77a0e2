-- SPDX-License-Identifier: MIT
--- Hot reload: another definition for living actors.
--
--   local info = actor:reload(Smooth2, { migrate = function(old) return { n = old.n } end })
--   actor:rollback()
--   rt:apply_rules(rk.rules { name = "prices", version = 3, Smooth2 })   -- rules.lua
--
-- Here it is decided where the new state comes from; the swap itself is made by the actor's block
-- between two messages (src/runtime/reload.c, kernels/include/rk_reload_dev.h). The states have the
-- same layout: it stays. The new definition's source has an RK_MIGRATE for the old layout: the
-- block runs that. A function is given: the actor rests while it makes the new state of the old.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local hosted = require "ringkernel.hosted"
local kernel = require "ringkernel.kernel"

local Actor = core.methods "actor"

local M = {}

M.TIMEOUT = 5 -- seconds until an actor has come to a message boundary

-- handle -> the definition before its last reload: kept for whoever goes back to it
local former = setmetatable({}, { __mode = "k" })

local STATES = { keep = "kept", migrate = "migrated", given = "migrated", former = "restored" }

--- The definition that `value` means: rk.kernel's, or the name of a stock one.
function M.definition(where, value)
  if type(value) == "string" then
    return kernel.stock(value)
  elseif type(value) ~= "userdata" or check.describe(value) ~= "ringkernel.kernel" then
    check.fail("%s: a kernel definition (rk.kernel) or the name of a stock one expected, got %s",
      where, check.describe(value))
  end
  return value
end

local function layout_text(shape)
  local out = {}
  for index, field in ipairs(shape and shape.fields or {}) do
    out[index] = ("%s %s"):format(field.name, field.type)
  end
  return #out > 0 and "{ " .. table.concat(out, ", ") .. " }" or "no state"
end

--- How the state goes over: "keep", "migrate" (on the device), "given" (with a function, or zero).
local function way_of_state(actor, definition, migrate)
  local was = actor.definition
  if migrate then
    return "given"
  elseif not was then
    return "keep" -- the core compares the sizes
  end
  local old, new = was.state_layout, definition.state_layout
  local taken = definition.old_state_layout
  if (old and old.id) == (new and new.id) then
    return "keep"
  elseif old and taken and taken.id == old.id then
    return "migrate"
  elseif not old then
    return "given"
  end
  return nil, ("reload '%s' to '%s': the state has another layout, %s instead of %s; give it a "
    .. "migration: the option 'migrate', or RK_MIGRATE in the source"):format(actor.name,
    definition.name, layout_text(new), layout_text(old)), "unsupported"
end

--- Lua actors whose ports lead here and bring what the new definition would not accept.
local function check_hosted(actor, definition)
  local was = actor.definition
  local accepted, missing = {}, {}
  for _, class in ipairs(definition.accepts) do
    accepted[class.id] = true
  end
  for _, tie in ipairs(hosted.ties_to(actor)) do
    for _, class in ipairs(tie.from.definition.emits) do
      if not accepted[class.id] and was and was.messages[class.name] == class then
        missing[#missing + 1] = ("it does not accept '%s', which '%s.%s' brings"):format(class.name,
          tie.from.name, tie.port)
      end
    end
  end
  if #missing > 0 then
    return nil, ("reload '%s' to '%s': %s"):format(actor.name, definition.name,
      table.concat(missing, "; ")), "unsupported"
  end
  return true
end

--- Adds an actor to a reload that is being prepared. `back`: to the version before.
function M.add(reload, actor, definition, migrate, back)
  if hosted.is_hosted(actor) or definition and definition.hosted then
    return nil, ("reload '%s': the handlers are Lua functions: terminate it and launch another one")
      :format(actor.name), "unsupported"
  end
  local how, text, code
  if back then
    local _, number, has_state = core.actor_version(actor)
    how = migrate and "given" or has_state and "former" or "keep"
    definition = former[actor]
    if number == 0 then
      return nil, ("rollback '%s': no version before this one is kept"):format(actor.name),
        "not_found"
    end
  else
    how, text, code = way_of_state(actor, definition, migrate)
  end
  local fits = how and (not definition or check_hosted(actor, definition))
  if not how then
    return nil, text, code
  elseif not fits then
    return check_hosted(actor, definition)
  end
  local number, why, what, log = reload:add(actor, not back and definition or nil, how)
  if not number then
    return nil, why, what, log
  end
  local was = actor.definition
  return { number = number, actor = actor, definition = definition, how = how, migrate = migrate,
    was = was, is_back = back, is_new = how == "given" and not migrate }
end

--- The new state of one actor, which rests: true | nil, message, code.
local function migrate_part(reload, part)
  local actor, shape = part.actor, part.definition and part.definition.state_layout
  local bytes, text, code = core.actor_state_bytes(actor)
  if not bytes then
    return nil, text, code
  end
  local old = part.was and part.was.state_layout
  local ok, new = pcall(part.migrate, old and old:unpack(bytes) or {}, actor)
  if not ok or type(new) ~= "table" then
    local why = ok and "a table expected, got " .. check.describe(new) or tostring(new)
    return nil, ("reload '%s': its migration failed: %s"):format(actor.name, why), "invalid_state"
  end
  if not shape and next(new) == nil then
    return true
  end
  local packed, problem
  if shape then
    packed, problem = shape:pack(new)
  else
    problem = "the new definition has no state"
  end
  if not packed then
    return nil, ("reload '%s': its migration failed: %s"):format(actor.name, problem),
      "invalid_state"
  end
  return reload:give(part.number, packed)
end

local function migrate_all(reload, parts, deadline)
  local is_needed = false
  for _, part in ipairs(parts) do
    is_needed = is_needed or part.migrate ~= nil
  end
  if not is_needed then
    return true
  end
  local ok, text, code = reload:hold(math.max(deadline - core.clock(), 0))
  for _, part in ipairs(parts) do
    if ok and part.migrate then
      ok, text, code = migrate_part(reload, part)
    end
  end
  return ok, text, code
end

--- Swaps what was added: a list of { version, pause_s, load_s, state, actor } in its order.
function M.swap(reload, parts, timeout)
  local deadline = core.clock() + timeout
  local ok, text, code = migrate_all(reload, parts, deadline)
  if ok then
    ok, text, code = reload:swap(math.max(deadline - core.clock(), 0))
  end
  if not ok then
    return nil, text, code
  end
  local out = {}
  for index, part in ipairs(parts) do
    local version, pause, load = reload:info(part.number)
    former[part.actor] = not part.is_back and part.was or nil
    core.actor_redefine(part.actor, part.definition)
    out[index] = { version = version, pause_s = pause, load_s = load,
      state = part.is_new and "zero" or STATES[part.how], actor = part.actor }
  end
  return out
end

local OPTIONS = {
  migrate = { type = "function" },
  timeout = { type = "any" },
}

--- The time limit among the options.
function M.timeout(where, options)
  return check.timeout(where .. ": option 'timeout'", options.timeout) or M.TIMEOUT
end

local function run(actor, where, definition, options, back)
  options = check.options(where, options or {}, OPTIONS)
  local timeout = M.timeout(where, options)
  local began = core.clock()
  local reload <close>, text, code = core.reload_open(actor.runtime)
  if not reload then
    return nil, text, code
  end
  local part, why, what, log = M.add(reload, actor, definition, options.migrate, back)
  if not part then
    return nil, why, what, log
  end
  local infos
  infos, text, code = M.swap(reload, { part }, timeout)
  if not infos then
    return nil, text, code
  end
  infos[1].actor = nil
  infos[1].total_s = core.clock() - began
  return infos[1]
end

--- Gives the actor another definition while it runs; see meta/actor.lua.
function Actor:reload(definition, options)
  local found, text, code = M.definition("reload: argument 1", definition)
  if not found then
    return nil, text, code
  end
  return run(self, "reload", found, options, false)
end

--- Goes back to the definition before the last reload.
function Actor:rollback(options)
  return run(self, "rollback", nil, options, true)
end

--- Number of the version that runs, and of the one that rollback goes back to.
function Actor:version()
  local version, before = core.actor_version(self)
  if not version then
    return nil, before, "closed"
  end
  return version, before ~= 0 and before or nil
end

return M
