-- SPDX-License-Identifier: MIT
--- rt:connect and rt:disconnect: ports of kernels are tied by the core, those of Lua actors by
-- hosted.lua. What remembers routes (supervision_routes.lua) stands on these two.

local check = require "ringkernel.check"
local core = require "ringkernel.core"
local hosted = require "ringkernel.hosted"

local Runtime = core.methods "runtime"

local M = {}

local connect, disconnect = Runtime.connect, Runtime.disconnect

local function is_hosted_here(rt, actor)
  return hosted.is_hosted(actor) and core.is_open(rt) and actor.runtime == rt
end

--- Ties a port to an actor, with what becomes of messages that it has no room for: options policy,
-- limit, deadline, credits (which the ports of a Lua actor have none of: they are the host's).
function M.connect(rt, from, port, to, options)
  if is_hosted_here(rt, from) and type(to) == "userdata" and to.runtime == rt then
    return hosted.connect(from, port, to, options)
  end
  return check.blame("connect", connect, rt, from, port, to, options)
end

--- Unties a port.
function M.disconnect(rt, from, port)
  if is_hosted_here(rt, from) then
    return hosted.disconnect(from, port)
  end
  return check.blame("disconnect", disconnect, rt, from, port)
end

return M
