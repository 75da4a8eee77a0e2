-- SPDX-License-Identifier: MIT
--- Remembers which ports were tied to what, so that an actor that begins anew has its routes back.
--
-- A route ends with either of its actors. Those that rt:connect made are kept here by handle, from
-- both sides, until rt:disconnect; tie_again makes those that are missing.

local core = require "ringkernel.core"

local Runtime = core.methods "runtime"

local M = {}

local outgoing = setmetatable({}, { __mode = "k" }) -- actor -> port -> actor it leads to
local incoming = setmetatable({}, { __mode = "k" }) -- actor -> actor -> port -> true

local connect, disconnect = Runtime.connect, Runtime.disconnect

local function forget(from, port)
  local ports = outgoing[from]
  local to = ports and ports[port]
  if to then
    ports[port] = nil
    incoming[to][from][port] = nil
  end
end

local function remember(from, port, to)
  outgoing[from] = outgoing[from] or {}
  outgoing[from][port] = to
  incoming[to] = incoming[to] or setmetatable({}, { __mode = "k" })
  incoming[to][from] = incoming[to][from] or {}
  incoming[to][from][port] = true
end

--- Ties a port of `from` to `to`.
function Runtime:connect(from, port, to)
  local ok, text, code = connect(self, from, port, to)
  if ok then
    forget(from, port)
    remember(from, port, to)
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
  return outgoing[actor] or {}
end

--- To be called when the ports of an actor lead elsewhere without our doing: port -> actor.
function M.changed(actor, ports)
  for port in pairs(outgoing[actor] or {}) do
    forget(actor, port)
  end
  for port, to in pairs(ports) do
    remember(actor, port, to)
  end
end

--- Ties all routes from and to an actor that has just begun anew. One that cannot be tied now
-- (the other side is gone) is tied when that one begins anew.
function M.tie_again(rt, actor)
  for port, to in pairs(outgoing[actor] or {}) do
    connect(rt, actor, port, to)
  end
  for from, ports in pairs(incoming[actor] or {}) do
    for port in pairs(ports) do
      connect(rt, from, port, actor)
    end
  end
end

return M
