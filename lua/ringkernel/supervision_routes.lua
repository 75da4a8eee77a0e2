-- SPDX-License-Identifier: MIT
--- Remembers which ports were tied to what, so that an actor that begins anew has its routes back.
--
-- A route ends with either of its actors. Those that rt:connect made are kept here by handle, from
-- both sides, until rt:disconnect; tie_again makes those that are missing.

local core = require "ringkernel.core"
local ports = require "ringkernel.ports"

local Runtime = core.methods "runtime"

local M = {}

local outgoing = setmetatable({}, { __mode = "k" }) -- actor -> port -> { actor, options }
local incoming = setmetatable({}, { __mode = "k" }) -- actor -> actor -> port -> true

local connect, disconnect = ports.connect, ports.disconnect

local function copy(options)
  local out = {}
  for key, value in pairs(options) do
    out[key] = value
  end
  return out
end

local function forget(from, port)
  local routes = outgoing[from]
  local route = routes and routes[port]
  if route then
    routes[port] = nil
    incoming[route[1]][from][port] = nil
  end
end

local function remember(from, port, to, options)
  outgoing[from] = outgoing[from] or {}
  outgoing[from][port] = { to, options and copy(options) }
  incoming[to] = incoming[to] or setmetatable({}, { __mode = "k" })
  incoming[to][from] = incoming[to][from] or {}
  incoming[to][from][port] = true
end

--- Ties a port of `from` to `to`, with the options of the link.
function Runtime:connect(from, port, to, options)
  local ok, text, code = connect(self, from, port, to, options)
  if ok then
    forget(from, port)
    remember(from, port, to, options)
    return true
  end
  return nil, text, code
end

--- Unties a port.
function Runtime:disconnect(from, port)
  local ok, text, code = disconnect(self, from, port)
  if ok or code == "not_found" and outgoing[from] and outgoing[from][port] then
    forget(from, port) -- if not ok: one of its actors is gone, and with it the route
    return true
  end
  return nil, text, code
end

--- Where the ports of an actor lead: port -> actor.
function M.of(actor)
  local out = {}
  for port, route in pairs(outgoing[actor] or {}) do
    out[port] = route[1]
  end
  return out
end

--- To be called when the ports of an actor lead elsewhere without our doing:
-- port -> { actor, options }.
function M.changed(actor, routes)
  local before = {}
  for port in pairs(outgoing[actor] or {}) do
    before[#before + 1] = port
  end
  for _, port in ipairs(before) do
    forget(actor, port)
  end
  for port, route in pairs(routes) do
    remember(actor, port, route[1], route[2])
  end
end

--- Ties all routes from and to an actor that has just begun anew. One that cannot be tied now
-- (the other side is gone) is tied when that one begins anew.
function M.tie_again(rt, actor)
  for port, route in pairs(outgoing[actor] or {}) do
    connect(rt, actor, port, route[1], route[2])
  end
  for from, tied in pairs(incoming[actor] or {}) do
    for port in pairs(tied) do
      connect(rt, from, port, actor, outgoing[from][port][2])
    end
  end
end

return M
