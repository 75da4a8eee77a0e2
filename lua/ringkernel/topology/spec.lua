-- SPDX-License-Identifier: MIT
--- Checks what `rk.topology` is given and brings it into one plain form.
--
-- `spec.read(options)` returns a network and a list of everything that is wrong with it; the
-- network is complete when the list is empty:
--
--   { prefix =, names = sorted list, tree =, supervised = name -> path,
--     actors = name -> { name, definition, accepts, emits, ports, burst, queue, block, tags,
--                        activate },
--     links = list of { from, port, to = { names }, mode, key, queue, types } }

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local cycles = require "ringkernel.topology.cycles"
local kernel = require "ringkernel.kernel"
local links = require "ringkernel.topology.links"
local lua_actor = require "ringkernel.lua_actor"
local registry = require "ringkernel.registry"
local router = require "ringkernel.topology.router"
local supervision = require "ringkernel.topology.supervision"

local M = {}

local DEFAULT_QUEUE = 1024

-- What a deployed system has itself: an actor of that name could not be reached.
local RESERVED = { apply = true, stop = true, settle = true, tree = true, dot = true, actors = true,
  drain = true, provenance = true, runtime = true, net = true, supervisor = true }

local ACTOR_OPTIONS = {
  queue = { type = "integer", min = 1, max = core.limits.queue },
  block = { type = "integer", min = 0, max = 65535 },
  activate = { type = "boolean" },
  tags = { type = "any" },
  tenant = { type = "string" },
}

--- The checks of other modules raise; here every mistake is only one of a list.
local function attempt(report, fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then
    return result
  end
  report("%s", (tostring(result):gsub("^[^\n]-:%d+: ", "")))
  return nil
end

local function is_definition(value)
  return type(value) == "userdata" and check.describe(value) == "ringkernel.kernel"
end

--- An entry of `actors` as options with the definition at [1]; a function stays one for now.
local function read_actor(name, entry, report)
  local where = ("actor '%s'"):format(name)
  if type(entry) ~= "table" then
    entry = { entry }
  end
  local what, rest = entry[1], {}
  for key, value in pairs(entry) do
    if key ~= 1 then
      rest[key] = value
    end
  end
  local options = attempt(report, check.options, where, rest, ACTOR_OPTIONS)
  if not options then
    return nil
  end
  if type(what) == "string" then
    local found, text = kernel.stock(what)
    if not found then
      report("%s: %s", where, text)
      return nil
    end
    what = found
  end
  if not is_definition(what) and type(what) ~= "function" then
    report("%s: a kernel definition, rk.actor { ... }, a function or the name of a stock kernel "
      .. "expected, got %s", where, check.describe(what))
    return nil
  end
  local tags = attempt(report, registry.check_tags, where .. ": option 'tags'", options.tags)
  return { name = name, definition = what, queue = options.queue or DEFAULT_QUEUE,
    block = options.block, activate = options.activate ~= false, tags = tags,
    tenant = options.tenant }
end

--- The keys of a table, in an order that does not change from run to run.
local function sorted_keys(list)
  local out = {}
  for key in pairs(list) do
    out[#out + 1] = key
  end
  table.sort(out, function(a, b)
    return tostring(a) < tostring(b)
  end)
  return out
end

local function read_actors(list, net, report)
  if type(list) ~= "table" or next(list) == nil then
    report("option 'actors': a table name = definition, not empty, expected, got %s",
      check.describe(list))
    return
  end
  for _, name in ipairs(sorted_keys(list)) do
    local entry = list[name]
    if type(name) ~= "string" or not name:find("^[%w_][%w_/-]*$") or name:find("//", 1, true)
      or name:sub(-1) == "/" then
      report("actor %s: a name of letters, digits, '_', '-', with levels as in 'line/scale', "
        .. "expected", check.describe(name))
    elseif RESERVED[name] then
      report("actor '%s': the name is taken: a deployed system has a field of that name", name)
    else
      net.names[#net.names + 1] = name
      net.actors[name] = read_actor(name, entry, report) or false
    end
  end
end

-- ---- links --------------------------------------------------------------------------------------

local function has_type(list, class)
  for _, known in ipairs(list) do
    if known == class then
      return true
    end
  end
  return false
end

local function list_text(list)
  local out = {}
  for index, entry in ipairs(list) do
    out[index] = type(entry) == "string" and entry or entry.name
  end
  return #out > 0 and table.concat(out, ", ") or "none"
end

local function as_set(list)
  local out = {}
  for _, name in ipairs(list) do
    out[name] = true
  end
  return out
end

--- Both ends exist, and the port. Returns whether the rest can be looked at.
local function check_ends(link, net, report)
  local is_good = true
  local known = {}
  for name in pairs(net.actors) do
    known[name] = true
  end
  for _, name in ipairs { link.from, table.unpack(link.to) } do
    if net.actors[name] == nil then
      is_good = false
      report("%s: no actor is called '%s'%s", link.text, name, check.hint(name, known))
    elseif not net.actors[name] then
      is_good = false -- reported where it is declared
    end
  end
  local from = net.actors[link.from]
  if from and not link.port then
    if #from.ports == 1 then
      link.port = from.ports[1]
    else
      is_good = false
      report("%s: which port of '%s'? it has %s", link.text, link.from, list_text(from.ports))
    end
  elseif from and not has_type(from.ports, link.port) then
    is_good = false
    report("%s: '%s' has no port '%s'%s; it has %s", link.text, link.from, link.port,
      check.hint(link.port, as_set(from.ports)), list_text(from.ports))
  end
  local seen = {}
  for _, name in ipairs(link.to) do
    if seen[name] then
      is_good = false
      report("%s: '%s' stands there twice", link.text, name)
    end
    seen[name] = true
  end
  return is_good
end

--- Which of the sender's types go to which receivers; what cannot be sent to somebody is reported.
local function check_types(link, net, report)
  local from = net.actors[link.from]
  local types, reached = {}, {}
  for _, class in ipairs(from.emits) do
    local receivers = {}
    for index, name in ipairs(link.to) do
      if has_type(net.actors[name].accepts, class) then
        receivers[#receivers + 1] = index
        reached[name] = true
      end
    end
    if #receivers > 0 then
      types[#types + 1] = { class = class, receivers = receivers }
      local is_one_of = link.mode == "shard" or link.mode == "round_robin"
      if is_one_of and #receivers < #link.to then
        report("%s: '%s' goes to one of them, but not all accept it", link.text, class.name)
      end
      local problem = link.mode == "shard" and router.key_problem(class, link.key)
      if problem then
        report("%s: %s", link.text, problem)
      end
    end
  end
  for _, name in ipairs(link.to) do
    if not reached[name] then
      report("%s: no message type in common: '%s' emits %s, '%s' accepts %s", link.text, link.from,
        list_text(from.emits), name, list_text(net.actors[name].accepts))
    elseif link.mode == "direct" and from.burst > net.actors[name].queue then
      report("%s: '%s' may send %d messages at once, the queue of '%s' holds %d", link.text,
        link.from, from.burst, name, net.actors[name].queue)
    end
  end
  link.types = types
  link.queue = link.queue or math.max(256, from.burst)
  if link.mode ~= "direct" and from.burst > link.queue then
    report("%s: '%s' may send %d messages at once, the link's queue holds %d", link.text, link.from,
      from.burst, link.queue)
  end
end

local function check_links(net, report)
  local ports, good = {}, {}
  for _, link in ipairs(net.links) do
    if check_ends(link, net, report) then
      local port = link.from .. "." .. link.port
      if ports[port] then -- and no more of it: what else is wrong with it may not be meant
        report("%s: port '%s' is linked twice (%s); to reach several actors, link it to a list",
          link.text, port, ports[port])
      else
        ports[port] = link.text
        good[#good + 1] = link
      end
    end
  end
  for _, link in ipairs(good) do
    check_types(link, net, report)
  end
  return good
end

-- ---- functions as actors ------------------------------------------------------------------------

local by_function = setmetatable({}, { __mode = "k" }) -- function -> signature -> definition

--- A bare function accepts whatever may come through the links into it. The same function with the
-- same types gives the same definition, so an unchanged actor is known as unchanged.
local function define_function(actor, net, report)
  local accepts, ids, seen = {}, {}, {}
  for _, link in ipairs(net.links) do
    local from = has_type(link.to, actor.name) and net.actors[link.from]
    for _, class in ipairs(from and is_definition(from.definition) and from.definition.emits or {})
    do
      if not seen[class] then
        seen[class] = true
        accepts[#accepts + 1] = class
        ids[#ids + 1] = class.id
      end
    end
  end
  if #accepts == 0 then
    report("actor '%s': a function takes what its links bring, and none brings anything; say what "
      .. "it accepts with rk.actor", actor.name)
    return nil
  end
  local key = table.concat(ids, " ")
  local known = by_function[actor.definition] or {}
  by_function[actor.definition] = known
  known[key] = known[key] or lua_actor.new { name = "function", accepts = accepts,
    on = actor.definition }
  return known[key]
end

local function define_actors(net, report)
  for _, name in ipairs(net.names) do
    local actor = net.actors[name]
    if actor and type(actor.definition) == "function" then
      actor.made = define_function(actor, net, report) or false
    end
  end
  for _, name in ipairs(net.names) do
    local actor = net.actors[name]
    if actor then
      local definition = actor.made == nil and actor.definition or actor.made
      actor.made = nil
      if definition then
        actor.definition = definition
        actor.accepts, actor.emits = definition.accepts, definition.emits
        actor.ports, actor.burst = definition.ports, definition.burst
      else
        net.actors[name] = false
      end
    end
  end
end

-- ---- all of it ----------------------------------------------------------------------------------

local OPTIONS = { name = true, actors = true, links = true, cycles = true, supervise = true,
  provenance = true }

--- Reads the options of rk.topology. Returns the network and a list of problems.
function M.read(options)
  if type(options) ~= "table" then
    check.fail("rk.topology: a table of options expected, got %s", check.describe(options))
  end
  local problems = {}
  local function report(format, ...)
    problems[#problems + 1] = format:format(...)
  end
  for _, key in ipairs(sorted_keys(options)) do
    if not OPTIONS[key] then
      report("unknown option %s%s", check.describe(key), check.hint(key, OPTIONS))
    end
  end
  local prefix = options.name
  if prefix ~= nil and (type(prefix) ~= "string" or not prefix:find("^[%w_][%w_/-]*$")) then
    report("option 'name': a name of letters, digits, '_', '-' and '/' expected, got %s",
      check.describe(prefix))
    prefix = nil
  end
  if options.cycles ~= nil and options.cycles ~= "allow" and options.cycles ~= "check" then
    report("option 'cycles': 'check' or 'allow' expected, got %s", check.describe(options.cycles))
  end
  if options.provenance ~= nil and type(options.provenance) ~= "boolean" then
    report("option 'provenance': a boolean expected, got %s", check.describe(options.provenance))
  end
  local net = { names = {}, actors = {}, provenance = options.provenance == true }
  net.prefix = prefix and prefix .. "/" or ""
  read_actors(options.actors, net, report)
  net.links = links.read(options.links, report)
  define_actors(net, report)
  net.links = check_links(net, report)
  if options.cycles ~= "allow" then
    cycles.check(net.names, net.actors, net.links, report)
  end
  supervision.read(options.supervise, net, report)
  return net, problems
end

return M
