-- SPDX-License-Identifier: MIT
--- Events of a runtime: `rt:on(name, fn)`.
--
-- The C core queues what happens to actors, of the kinds that somebody listens to: failure, ended,
-- dead_letter, register, unregister, stopped, denied, pressure. Supervisors (supervision.lua) tell
-- of restart, escalation and quarantine by M.emit, and so may any module that has actors of its
-- own. Functions run inside poll, drain and calls that wait, in order; errors in them become
-- warnings.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local hosted = require "ringkernel.hosted"

local Runtime = core.methods "runtime"

local M = {}

local KNOWN = { failure = true, ended = true, dead_letter = true, register = true,
  unregister = true, stopped = true, denied = true, pressure = true, restart = true,
  escalation = true, quarantine = true }

local listeners = setmetatable({}, { __mode = "k" }) -- runtime -> event -> list of functions

--- Tells those who listen of an event made in Lua: { event =, actor =, ... }. It gets a stamp.
function M.emit(rt, event)
  if event.event == "stopped" and event.actor then
    hosted.stopped(event.actor)
  end
  local list = listeners[rt] and listeners[rt][event.event]
  if not list then
    return
  end
  if event.event == "failure" and event.actor then
    event.reason = hosted.reason(event.actor) or event.reason
  end
  event.hlc = event.hlc or core.stamp(rt) or nil
  for _, fn in ipairs(table.move(list, 1, #list, 1, {})) do -- it may listen no more, or anew
    local ok, text = xpcall(fn, check.explain, event)
    if not ok then
      warn("ringkernel: error in a function for '" .. event.event .. "': ", text)
    end
  end
end

--- Asks the core for the kinds somebody listens to.
local function want(rt)
  local names = {}
  for name, list in pairs(listeners[rt]) do
    if #list > 0 then
      names[#names + 1] = name
    end
  end
  local weak = setmetatable({ rt = rt }, { __mode = "v" })
  core.events_want(rt, names, function(event)
    if weak.rt then
      M.emit(weak.rt, event)
    end
  end)
end

local Listener = { __name = "ringkernel.listener" }
Listener.__index = Listener

--- Ends it: the function is not called any more.
function Listener:close()
  local rt = self.rt
  local list = rt and listeners[rt] and listeners[rt][self.event]
  for index, fn in ipairs(list or {}) do
    if fn == self.fn then
      table.remove(list, index)
      want(rt)
      break
    end
  end
  self.rt = nil
  return true
end
Listener.__close = Listener.close

--- Calls `fn` with a table for each event of that name: event, actor, name, code, reason, message,
-- hlc, as far as they apply. Returns a listener with :close().
function Runtime:on(event, fn)
  if type(event) ~= "string" then
    check.fail("on: the name of an event expected, got %s", check.describe(event))
  elseif not KNOWN[event] then
    check.fail("on: no event is called '%s'%s", event, check.hint(event, KNOWN))
  elseif type(fn) ~= "function" then
    check.fail("on: a function expected, got %s", check.describe(fn))
  end
  listeners[self] = listeners[self] or {}
  local list = listeners[self][event] or {}
  listeners[self][event] = list
  list[#list + 1] = fn
  want(self)
  return setmetatable({ rt = self, event = event, fn = fn }, Listener)
end

return M
