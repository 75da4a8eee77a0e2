-- SPDX-License-Identifier: MIT
--- The waiting half of class actor: receive, receive_many, each, call; and peek_state.
--
-- Adds its functions to the methods of the C class. Inside a coroutine of a loop they yield,
-- elsewhere they block (loop.lua). Subscribers' functions run while they wait.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local hosted = require "ringkernel.hosted"
local loop = require "ringkernel.loop"

local Actor = core.methods "actor"

local try_receive = Actor.try_receive
local NO_MESSAGE = "no message came in time"
local NO_REPLY = "no reply came in time"

--- Takes the next message that the actor sent to the host; waits for it at most `timeout` seconds.
function Actor:receive(timeout)
  local message, text, code = try_receive(self)
  if message ~= nil then
    return message
  elseif code ~= "empty" then
    return nil, text, code
  end
  check.timeout("receive", timeout)
  return loop.wait(self.runtime, timeout, function()
    return try_receive(self)
  end, NO_MESSAGE)
end

--- Takes up to `max` messages at once; waits at most `timeout` seconds for the first.
function Actor:receive_many(max, timeout)
  if math.type(max) ~= "integer" or max < 1 then
    check.fail("receive_many: max: a whole number, 1 or more, expected, got %s",
      check.describe(max))
  end
  check.timeout("receive_many", timeout)
  return loop.wait(self.runtime, timeout, function()
    return core.actor_take(self, max)
  end, NO_MESSAGE)
end

local EACH_OPTIONS = { timeout = { type = "any" } }

--- Iterates over messages; ends when none came for `timeout` seconds, or the actor or runtime did.
function Actor:each(options)
  local timeout
  if options ~= nil then
    timeout = check.timeout("each", check.options("each", options, EACH_OPTIONS).timeout)
  end
  return function()
    return (self:receive(timeout))
  end
end

--- Sends a request and waits for its reply at most `timeout` seconds. Other messages stay queued.
-- Options are those of send.
function Actor:call(message, timeout, options)
  check.timeout("call", timeout)
  local call <close>, text, code = check.blame("call", core.call_open, self, message,
    options)
  if not call then
    return nil, text, code
  end
  return loop.wait(self.runtime, timeout, function()
    return call:poll()
  end, NO_REPLY)
end

-- ---- changes of life: the grid does its part, then the functions of a Lua actor have theirs -----

local function then_do(change, after)
  return function(self)
    local ok, text, code = change(self)
    if not ok then
      return ok, text, code
    end
    return after(self)
  end
end

Actor.activate = then_do(Actor.activate, hosted.activated)
Actor.resume = Actor.activate
Actor.terminate = then_do(Actor.terminate, hosted.stopped)

local restart = Actor.restart

--- Begins again: from failed, from any living state, or after it has terminated.
function Actor:restart(options)
  local was = hosted.is_hosted(self) and self:state()
  local ok, text, code = check.blame("restart", restart, self, options)
  if not ok or not was then
    return ok, text, code
  end
  return hosted.restarted(self, was, options and options.keep_state)
end

--- The actor's connected ports as its block has them: port -> { to, policy, limit, deadline,
-- credits, sent, waiting, high, stalls, dropped, dead }.
function Actor:links()
  return core.actor_links(self)
end

--- Copies the actor's state at a message boundary, as a table of its fields.
function Actor:peek_state()
  local own = hosted.state(self)
  if own then
    return own
  end
  local bytes, text, code = core.actor_state_bytes(self)
  if not bytes then
    return nil, text, code
  end
  local definition = self.definition
  local shape = definition and definition.state_layout
  return shape and shape:unpack(bytes) or {}
end

return Actor
