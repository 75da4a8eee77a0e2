-- SPDX-License-Identifier: MIT
--- Supervisor specifications: `rk.supervisor { strategy =, intensity =, period =, children = }`.
--
-- The terms are those of Erlang/OTP. A specification is checked whole: every mistake in it is named
-- in one error. The result is a plain value; it can be a child of another specification and can be
-- used more than once. supervisor_engine.lua runs it. Pure Lua.
--
-- Seconds everywhere. Defaults: one_for_one, 1 restart in 5 s, permanent children, 5 s to shut down
-- a worker and no limit for a supervisor.

local check = require "ringkernel.check"

local M = {}

local STRATEGIES = { "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one" }
local RESTARTS = { "permanent", "transient", "temporary" }
local TYPES = { "worker", "supervisor" }
local AUTO_SHUTDOWNS = { "never", "any_significant", "all_significant" }

local OPTIONS = { strategy = true, intensity = true, period = true, auto_shutdown = true,
  children = true }
local CHILD_OPTIONS = { id = true, start = true, restart = true, shutdown = true, type = true,
  significant = true, state = true, heartbeat = true, quarantine = true, launch = true }
local STATES = { "reset", "keep" }

local Specification = { __name = "ringkernel.supervisor", __index = {} }

--- Whether `value` is a supervisor specification.
function M.is_supervisor(value)
  return getmetatable(value) == Specification
end

local function is_kernel(value)
  local meta = type(value) == "userdata" and debug.getmetatable(value)
  return type(meta) == "table" and meta.__name == "ringkernel.kernel"
end

local function is_whole(value, low)
  return math.type(value) == "integer" and value >= low
    or math.type(value) == "float" and value >= low and math.tointeger(value) ~= nil
end

--- Collects mistakes; `at` says where in the specification they are.
local function add(mistakes, at, format, ...)
  mistakes[#mistakes + 1] = at .. format:format(...)
end

local function check_keys(mistakes, at, options, known)
  local names = {}
  for key in pairs(options) do
    if not known[key] then
      names[#names + 1] = { key, type(key) == "string" and "'" .. key .. "'"
        or "[" .. check.describe(key) .. "]" }
    end
  end
  table.sort(names, function(a, b)
    return a[2] < b[2]
  end)
  for _, name in ipairs(names) do
    add(mistakes, at, "unknown option %s%s", name[2], check.hint(name[1], known))
  end
end

--- The value of a choice, or its default; a wrong one counts as the default from there on.
local function choice(mistakes, at, options, key, choices, default)
  local value = options[key]
  if value == nil then
    return default
  end
  for _, known in ipairs(choices) do
    if value == known then
      return value
    end
  end
  add(mistakes, at, "option '%s': one of '%s' expected, got %s", key,
    table.concat(choices, "', '"), check.describe(value))
  return default
end

local function whole(mistakes, at, options, key, low, default)
  local value = options[key]
  if value == nil then
    return default
  elseif not is_whole(value, low) then
    add(mistakes, at, "option '%s': a whole number, %d or more, expected, got %s", key, low,
      check.describe(value))
    return default
  end
  return math.tointeger(value)
end

local function check_shutdown(mistakes, at, value, kind)
  if value == nil then
    return kind == "supervisor" and "infinity" or 5
  elseif value == "infinity" or value == "brutal_kill" then
    return value
  elseif type(value) ~= "number" or value ~= value or value < 0 or value == math.huge then
    add(mistakes, at, "option 'shutdown': seconds (0 or more), 'infinity' or 'brutal_kill' "
      .. "expected, got %s", check.describe(value))
    return 5
  end
  return value
end

local function check_significant(mistakes, at, options, restart, auto_shutdown)
  local value = options.significant
  if value == nil or value == false then
    return false
  elseif value ~= true then
    add(mistakes, at, "option 'significant': a boolean expected, got %s", check.describe(value))
  elseif auto_shutdown == "never" then
    add(mistakes, at, "option 'significant': means nothing to a supervisor whose auto_shutdown is "
      .. "'never'")
  elseif restart == "permanent" then
    add(mistakes, at, "option 'significant': a permanent child is always restarted, so it cannot "
      .. "be significant")
  end
  return true
end

--- Options that only actors of a definition have: what a restart does to the state, how often to
-- ask for a sign of life, after how many failures a message is not sent again, how to launch.
local function check_actor(mistakes, at, options, out)
  local kernel = is_kernel(options.start)
  for _, key in ipairs { "state", "heartbeat", "launch" } do
    if options[key] ~= nil and options.start ~= nil and not kernel then
      add(mistakes, at, "option '%s': means something only to a kernel definition", key)
    end
  end
  out.state = choice(mistakes, at, options, "state", STATES)
  out.quarantine = whole(mistakes, at, options, "quarantine", 1)
  local every = options.heartbeat
  if every ~= nil and (type(every) ~= "number" or not (every > 0 and every < math.huge)) then
    add(mistakes, at, "option 'heartbeat': seconds (more than 0) expected, got %s",
      check.describe(every))
  end
  out.heartbeat = every
  local launch = options.launch
  if launch ~= nil and (type(launch) ~= "table" or debug.getmetatable(launch)) then
    add(mistakes, at, "option 'launch': a table of options of rt:launch expected, got %s",
      check.describe(launch))
  elseif launch ~= nil and launch.name ~= nil then
    add(mistakes, at, "option 'launch': an actor is called as its child is: no 'name' expected")
  end
  out.launch = launch
  return out
end

local function check_child(mistakes, at, options, auto_shutdown)
  if type(options) ~= "table" or debug.getmetatable(options) then
    add(mistakes, at, "a table of options expected, got %s", check.describe(options))
    return nil
  end
  local id, start = options.id, options.start
  if id == nil then
    add(mistakes, at, "option 'id' is missing")
  elseif type(id) ~= "string" or not id:find("^[%a_][%w_.-]*$") then
    add(mistakes, at, "option 'id': a name of letters, digits, '_', '.' and '-' that does not "
      .. "start with a digit expected, got %s", check.describe(id))
  else
    at = ("%s'%s': "):format(at:sub(1, -3) .. " ", id)
  end
  check_keys(mistakes, at, options, CHILD_OPTIONS)
  if start == nil then
    add(mistakes, at, "option 'start' is missing")
  elseif type(start) ~= "function" and not M.is_supervisor(start) and not is_kernel(start) then
    add(mistakes, at, "option 'start': a kernel definition, a supervisor or a function expected, "
      .. "got %s", check.describe(start))
  end
  local kind = choice(mistakes, at, options, "type", TYPES,
    M.is_supervisor(start) and "supervisor" or "worker")
  local restart = choice(mistakes, at, options, "restart", RESTARTS, "permanent")
  return check_actor(mistakes, at, options, {
    id = id,
    start = start,
    restart = restart,
    shutdown = check_shutdown(mistakes, at, options.shutdown, kind),
    type = kind,
    significant = check_significant(mistakes, at, options, restart, auto_shutdown),
  })
end

--- The kernel definitions that a tree starts, each once, in start order.
function M.definitions(spec, list, seen)
  list, seen = list or {}, seen or {}
  for _, child in ipairs(spec.children) do
    if M.is_supervisor(child.start) then
      M.definitions(child.start, list, seen)
    elseif is_kernel(child.start) and not seen[child.start] then
      seen[child.start] = true
      list[#list + 1] = child.start
    end
  end
  return list
end

local function check_children(mistakes, list, strategy, auto_shutdown)
  local out, ids = {}, {}
  if list == nil and strategy ~= "simple_one_for_one" then
    return out
  elseif type(list) ~= "table" or debug.getmetatable(list) then
    add(mistakes, "", "option 'children': a list of children expected, got %s",
      check.describe(list))
    return out
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then
      add(mistakes, "", "option 'children': a list expected, found key %s", check.describe(key))
    end
  end
  for index, options in ipairs(list) do
    local child = check_child(mistakes, ("child %d: "):format(index), options, auto_shutdown)
    local id = child and type(child.id) == "string" and child.id
    if id and ids[id] then
      add(mistakes, "", "child %d: option 'id': '%s' is taken by child %d", index, id, ids[id])
    elseif id then
      ids[id] = index
    end
    out[index] = child
  end
  if strategy == "simple_one_for_one" and #list ~= 1 then
    add(mistakes, "", "option 'children': simple_one_for_one has exactly one child, the template "
      .. "of all it will have; got %d", #list)
  end
  return out
end

--- Makes a specification; raises one error that names every mistake.
function M.new(options)
  local mistakes = {}
  if type(options) ~= "table" or debug.getmetatable(options) then
    check.fail("rk.supervisor: a table of options expected, got %s", check.describe(options))
  end
  check_keys(mistakes, "", options, OPTIONS)
  local strategy = choice(mistakes, "", options, "strategy", STRATEGIES, "one_for_one")
  local auto = choice(mistakes, "", options, "auto_shutdown", AUTO_SHUTDOWNS, "never")
  local spec = {
    strategy = strategy,
    intensity = whole(mistakes, "", options, "intensity", 0, 1),
    period = whole(mistakes, "", options, "period", 1, 5),
    auto_shutdown = auto,
    children = check_children(mistakes, options.children, strategy, auto),
  }
  check.fail_all("rk.supervisor", mistakes)
  return setmetatable(spec, Specification)
end

--- Checks one child that is to be added to a running supervisor; `where` names the call.
function M.child(where, options, auto_shutdown)
  local mistakes = {}
  local child = check_child(mistakes, "child: ", options, auto_shutdown)
  check.fail_all(where, mistakes)
  return child
end

-- ---- text ---------------------------------------------------------------------------------------

local function seconds(value)
  return type(value) == "number" and ("%g s"):format(value) or value
end

local function headline(spec)
  local text = ("%s, %d restart%s in %d s"):format(spec.strategy, spec.intensity,
    spec.intensity == 1 and "" or "s", spec.period)
  return spec.auto_shutdown == "never" and text or text .. ", auto_shutdown " .. spec.auto_shutdown
end

local function lines_of(spec, prefix, out)
  for index, child in ipairs(spec.children) do
    local last = index == #spec.children
    out[#out + 1] = ("%s%s %s: %s %s, shutdown %s%s%s"):format(prefix, last and "`-" or "|-",
      child.id, child.restart, child.type, seconds(child.shutdown),
      child.significant and ", significant" or "",
      M.is_supervisor(child.start) and "; " .. headline(child.start) or "")
    if M.is_supervisor(child.start) then
      lines_of(child.start, prefix .. (last and "   " or "|  "), out)
    end
  end
  return out
end

--- The tree as text, one line a child.
function Specification.__index:tree()
  return table.concat(lines_of(self, "", { headline(self) }), "\n") .. "\n"
end

function Specification:__tostring()
  return ("ringkernel.supervisor: %s, %d child%s"):format(self.strategy, #self.children,
    #self.children == 1 and "" or "ren")
end

return M
