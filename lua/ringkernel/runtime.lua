-- SPDX-License-Identifier: MIT
--- The Lua half of class runtime: launching by stock name, of Lua actors and with tags; what goes
-- through the registry (registry.lua); poll; saving a trace.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local checkpoint = require "ringkernel.checkpoint"
local hosted = require "ringkernel.hosted"
local kernel = require "ringkernel.kernel"
local loop = require "ringkernel.loop"
local registry = require "ringkernel.registry"
local topology = require "ringkernel.topology"
local trace = require "ringkernel.trace"

require "ringkernel.tenant" -- rt:tenant, rt:grant, rt:revoke, rt:audit

local Runtime = core.methods "runtime"

local launch, list_actors = Runtime.launch, Runtime.actors

local function copy(options)
  local out = {}
  for key, value in pairs(options or {}) do
    out[key] = value
  end
  return out
end

--- Launches a Lua actor; it becomes active when there is somebody to run its functions.
local function launch_hosted(rt, definition, options)
  local own, is_active = copy(options), true
  if own.activate == nil or own.activate == true then
    own.activate = false
  else
    is_active = false
  end
  local actor, text, code, log = check.blame("launch", launch, rt, definition, own)
  if not actor then
    return nil, text, code, log
  end
  return hosted.launched(rt, actor, definition, is_active)
end

--- Launches an actor of a definition, or of the stock kernel of that name.
function Runtime:launch(definition, options)
  if type(definition) == "string" then
    local found, text, code = kernel.stock(definition)
    if not found then
      return nil, text, code
    end
    definition = found
  end
  if options ~= nil and type(options) ~= "table" then
    return check.blame("launch", launch, self, definition, options) -- which says what is wrong
  end
  local tags
  if options and options.tags ~= nil then
    tags = registry.check_tags("launch: option 'tags'", options.tags)
    options = copy(options)
    options.tags = nil
  end
  local is_hosted = type(definition) == "userdata" and definition.hosted ~= nil
  local actor, text, code, log
  if is_hosted then
    actor, text, code, log = launch_hosted(self, definition, options)
  else
    actor, text, code, log = check.blame("launch", launch, self, definition, options)
  end
  if actor then
    registry.tag(self, actor, tags)
  end
  return actor, text, code, log
end

--- Living actors in the order of their launch: all, those whose name fits a pattern, or those that
-- a query { name =, tag =, state = } describes.
function Runtime:actors(query)
  local list, text, code = list_actors(self)
  if not list or query == nil then
    return list, text, code
  end
  return registry.filter(self, list, query)
end

--- A copy of the tags that an actor was launched with, or nil.
function Runtime:tags(actor)
  return registry.tags(self, actor)
end

--- Calls fn(event) when an actor whose name fits the pattern is registered or unregistered.
function Runtime:watch(pattern, fn)
  return registry.watch(self, pattern, fn)
end

--- Launches, connects and activates a topology: sys | nil, message, code [, log].
function Runtime:deploy(net)
  if not core.is_open(self) then
    return nil, "the runtime is closed", "closed"
  end
  return topology.deploy(self, net)
end

--- Saves actors, with all that waits for them, in a file. See checkpoint.lua.
function Runtime:checkpoint(path, options)
  return checkpoint.save(self, path, options)
end

--- Makes the actors of a checkpoint what they were then.
function Runtime:restore(path, options)
  return checkpoint.restore(self, path, options)
end

--- Waits at most `timeout` seconds until something arrives, brings it where it belongs and runs the
-- subscribers' functions. Returns how much arrived, 0 if nothing did.
function Runtime:poll(timeout)
  check.timeout("poll", timeout)
  local moved, calls, why = self:drain()
  if not moved then
    return nil, calls, why
  elseif moved + calls > 0 or timeout == 0 then
    return math.max(moved, calls)
  end
  local before = core.arrivals(self)
  local arrived, text, code = loop.wait(self, timeout, function()
    local is_well, text, code = core.health(self)
    if not is_well then
      return nil, text, code
    end
    local now = core.arrivals(self)
    if now == before then
      return nil, "nothing came", "empty"
    end
    return now - before
  end, "nothing came in time")
  if code == "timeout" then
    return 0
  end
  return arrived, text, code
end

--- Writes what was recorded and not read yet to the file `path`, as a Chrome trace. Options are
-- those of trace.save; all but `host` are filled in. Returns true, or nil, message, code.
function Runtime:trace_save(path, options)
  if type(path) ~= "string" then
    check.fail("trace_save: path: a string expected, got %s", check.describe(path))
  end
  local records, lost, code = self:trace_read()
  if not records then
    return nil, lost, code
  end
  local clock = self:trace_clock() or {} -- none: its blocks have not answered
  local all = { lost = lost, origin_us = core.trace_origin(self),
    clock_offset_us = clock.error and clock.offset * 1e6,
    clock_error_us = clock.error and clock.error * 1e6 }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return trace.save(path, records, all)
end

return Runtime
