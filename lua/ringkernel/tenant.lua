-- SPDX-License-Identifier: MIT
--- Tenants: rt:tenant, rt:grant, rt:revoke, rt:audit, and class tenant, in whose name the host may
-- launch, send and publish.
--
-- What is allowed is decided in the C core and in the grid (src/runtime/tenant.h); here is only the
-- checking of arguments. A tenant goes by its name; an object is that name with its runtime.

local core = require "ringkernel.core"
local check = require "ringkernel.check"

local Runtime = core.methods "runtime"

local M = {}

local Tenant = { __name = "ringkernel.tenant" }
Tenant.__index = Tenant

local LIMITS = {
  actors = { type = "integer", min = 1 },
  memory = { type = "integer", min = 1 },
  rate = { type = "number" },
  burst = { type = "number" },
}
local RATE = { rate = { 1e-6, 1e9 }, burst = { 1, 1e9 } }

local function check_limits(options)
  local limits = check.options("tenant", options, LIMITS)
  for key, range in pairs(RATE) do
    local value = limits[key]
    if value and not (value >= range[1] and value <= range[2]) then
      check.fail("tenant: option '%s': a number from %g to %g expected, got %s", key, range[1],
        range[2], value)
    end
  end
  if limits.burst and not limits.rate then
    check.fail("tenant: option 'burst' says nothing without 'rate'")
  end
  return limits
end

--- The name that a tenant or its name stands for.
local function name_of(where, tenant)
  if type(tenant) == "string" then
    return tenant
  elseif getmetatable(tenant) == Tenant then
    return tenant.name
  end
  check.fail("%s: a tenant or the name of one expected, got %s", where, check.describe(tenant))
end

--- Makes a tenant, or gives the one that is there; with limits { actors =, memory =, rate =,
-- burst = } those are its limits from now on.
function Runtime:tenant(name, options)
  if type(name) ~= "string" or #name < 1 or #name > 63 or not name:find("^[%a_][%w_.-]*$") then
    check.fail("tenant: a name of letters, digits, '_', '.' and '-' that does not start with a "
      .. "digit (at most 63 bytes) expected, got %s", check.describe(name))
  end
  local limits = options ~= nil and check_limits(options) or nil
  local ok, text, code = core.tenant_set(self, name, limits)
  if not ok then
    return nil, text, code
  end
  return setmetatable({ name = name, runtime = self }, Tenant)
end

--- All tenants, the default one first.
function Runtime:tenants()
  local names, text, code = core.tenant_names(self)
  if not names then
    return nil, text, code
  end
  for index, name in ipairs(names) do
    names[index] = setmetatable({ name = name, runtime = self }, Tenant)
  end
  return names
end

local function pair(where, owner, guest)
  local o, g = name_of(where, owner), name_of(where, guest)
  if o == g then
    check.fail("%s: two tenants expected, got '%s' twice", where, o)
  end
  return o, g
end

--- Lets what belongs to `guest` send to what belongs to `owner`; not the other way.
function Runtime:grant(owner, guest)
  return core.tenant_grant(self, pair("grant", owner, guest))
end

--- Takes that back. Returns how many messages of the guest were queued: they are dead letters now.
function Runtime:revoke(owner, guest)
  return core.tenant_revoke(self, pair("revoke", owner, guest))
end

--- What was refused because of tenants, oldest first, and how many such refusals are not kept.
function Runtime:audit()
  return core.audit(self)
end

-- ---- in a tenant's name -------------------------------------------------------------------------

function Tenant:__tostring()
  return "ringkernel.tenant: " .. self.name
end

function Tenant.__eq(a, b)
  return getmetatable(a) == getmetatable(b) and a.name == b.name and a.runtime == b.runtime
end

--- A copy of an option table that names the tenant.
local function named(self, where, options)
  if options ~= nil and type(options) ~= "table" then
    check.fail("%s: a table of options expected, got %s", where, check.describe(options))
  end
  local out = {}
  for key, value in pairs(options or {}) do
    out[key] = value
  end
  out.tenant = self.name
  return out
end

local function check_actor(where, actor)
  if type(actor) ~= "userdata" or type(actor.send) ~= "function" then
    check.fail("%s: an actor expected, got %s", where, check.describe(actor))
  end
  return actor
end

--- Launches an actor that belongs to the tenant.
function Tenant:launch(definition, options)
  return self.runtime:launch(definition, named(self, "launch", options))
end

--- Makes a buffer out of the tenant's memory.
function Tenant:buffer(kind, count)
  local rt = self.runtime
  return check.blame("buffer", rt.buffer, rt, kind, count, named(self, "buffer"))
end

--- Sends to an actor in the tenant's name.
function Tenant:send(actor, message, options)
  check_actor("send", actor)
  return check.blame("send", actor.send, actor, message, named(self, "send", options))
end

--- Sends a request in the tenant's name and waits for its reply.
function Tenant:call(actor, message, timeout)
  return check_actor("call", actor):call(message, timeout, named(self, "call"))
end

--- Publishes in the tenant's name: to its own subscribers and those who have granted it that.
function Tenant:publish(topic, message, options)
  local rt = self.runtime
  return check.blame("publish", rt.publish, rt, topic, message, named(self, "publish", options))
end

--- Subscribes in the tenant's name: a function hears of what the tenant publishes, its guests and
-- the host.
function Tenant:subscribe(pattern, receiver, options)
  local rt, own = self.runtime, named(self, "subscribe", options)
  return check.blame("subscribe", rt.subscribe, rt, pattern, receiver, own)
end

--- Lets `guest` send to what belongs to this tenant.
function Tenant:grant(guest)
  return self.runtime:grant(self, guest)
end

--- Takes that back.
function Tenant:revoke(guest)
  return self.runtime:revoke(self, guest)
end

--- Its living actors in the order of their launch.
function Tenant:actors()
  local list, text, code = self.runtime:actors()
  if not list then
    return nil, text, code
  end
  local out = {}
  for _, actor in ipairs(list) do
    if actor.tenant == self.name then
      out[#out + 1] = actor
    end
  end
  return out
end

--- What it uses: actors, memory, refused, limits, guests.
function Tenant:stats()
  return core.tenant_stats(self.runtime, self.name)
end

M.methods = Tenant

return M
