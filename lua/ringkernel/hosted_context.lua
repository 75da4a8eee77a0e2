-- SPDX-License-Identifier: MIT
--- What the functions of a Lua actor are given as `ctx` (hosted.lua runs them): sending, answering,
-- failing, stopping. The counterpart of kernels/include/rk_ctx_dev.h.

local core = require "ringkernel.core"
local check = require "ringkernel.check"

local M = {}

local Context = {}
Context.__index = Context
Context.__name = "ringkernel.context"

local records = setmetatable({}, { __mode = "k" }) -- context -> record of hosted.lua

function Context:__tostring()
  return ("ringkernel.context: %s"):format(self.actor.name)
end

--- The context of an actor; fields: actor, runtime.
function M.new(actor, record)
  local self = setmetatable({ actor = actor, runtime = actor.runtime }, Context)
  records[self] = record
  return self
end

--- Whether a port leads somewhere: to the life of the actor that it was tied to.
function M.is_tied(tie)
  return tie and tie.to.id == tie.id and tie.to:state() ~= "terminated"
end

--- Whether an actor accepts messages of a type.
function M.accepts(to, class)
  local definition = to.definition
  for _, known in ipairs(definition and definition.accepts or {}) do
    if known.id == class.id then
      return true
    end
  end
  return definition == nil
end

--- Raises unless the definition emits messages of this type.
local function check_emits(self, message)
  local class = getmetatable(message)
  if not core.is_message(message) then
    check.fail("actor '%s': a message expected, got %s", self.actor.name, check.describe(message))
  elseif not records[self].hosted.emits[class] then
    check.fail("actor '%s': '%s' is not in 'emits'", self.actor.name, class.name)
  end
end

local function envelope(self)
  local message = records[self].message
  return message and core.envelope(message)
end

local function check_accepts(to, message)
  local class = getmetatable(message)
  if not M.accepts(to, class) then
    return nil, ("actor '%s' does not accept '%s'"):format(to.name, class.name), "unsupported"
  end
  return true
end

local function send(self, to, message, correlation, is_reply)
  local ok, text, code = check_accepts(to, message)
  if not ok then
    return nil, text, code
  end
  local came = envelope(self)
  return core.hosted_send(self.actor, to, message, correlation, is_reply, came and came.id or 0)
end

--- Sends through a port: true | nil, message, "full" | "not_found" | "terminated" | "unsupported".
function Context:send(port, message)
  check_emits(self, message)
  local ports = records[self].ports
  local tie = ports[port]
  if tie == nil then
    check.fail("actor '%s' has no port %s%s", self.actor.name, check.describe(port),
      check.hint(port, ports))
  elseif not M.is_tied(tie) then
    return nil, ("port '%s.%s' is not connected"):format(self.actor.name, port), "not_found"
  end
  local ok, text, code = check_accepts(tie.to, message)
  if not ok then
    return nil, text, code
  end
  local came = envelope(self)
  return core.hosted_port_send(self.actor, port, message, came and came.correlation or 0,
    came and came.id or 0)
end

--- Sends to an actor, given as a handle or an id.
function Context:send_to(to, message)
  check_emits(self, message)
  if math.type(to) == "integer" then
    local found, text, code = self.runtime:find(to)
    if not found then
      return nil, text, code
    end
    to = found
  end
  return send(self, to, message, 0, false)
end

--- Answers whoever sent the message that is being handled.
function Context:reply(message)
  check_emits(self, message)
  local came = envelope(self)
  if not came then
    return nil, "there is no message to reply to", "not_found"
  end
  local correlation = came.correlation ~= 0 and came.correlation or came.id
  if came.sender == 0 then
    return core.hosted_reply(self.actor, message, correlation)
  end
  local to = self.runtime:find(came.sender)
  if not to then
    return nil, "its sender has terminated", "terminated"
  end
  return send(self, to, message, correlation, true)
end

--- What came with the message that is being handled, or nil.
function Context:envelope()
  return envelope(self)
end

--- The actor fails with this code (an integer, not 0) once the function returns.
function Context:fail(code)
  if math.type(code) ~= "integer" or code == 0 or code < -0x80000000 or code > 0x7fffffff then
    check.fail("fail: a code (whole number of 32 bits, not 0) expected, got %s",
      check.describe(code))
  end
  records[self].failing = code
end

--- The actor ends once the function returns; what is queued goes to the dead letters.
function Context:stop()
  records[self].stopping = true
end

M.methods = Context

return M
