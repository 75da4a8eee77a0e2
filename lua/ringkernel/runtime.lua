-- SPDX-License-Identifier: MIT
--- The Lua half of class runtime: launching by stock name, and poll.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local kernel = require "ringkernel.kernel"
local loop = require "ringkernel.loop"

local Runtime = core.methods "runtime"

local launch = Runtime.launch

--- Launches an actor of a definition, or of the stock kernel of that name.
function Runtime:launch(definition, options)
  if type(definition) == "string" then
    local found, text, code = kernel.stock(definition)
    if not found then
      return nil, text, code
    end
    definition = found
  end
  return launch(self, definition, options)
end

--- Waits at most `timeout` seconds until something arrives, brings it where it belongs and runs the
-- subscribers' functions. Returns how much arrived, 0 if nothing did.
function Runtime:poll(timeout)
  check.timeout("poll", timeout)
  local moved, calls = self:drain()
  if not moved then
    return nil, calls, "closed"
  elseif moved + calls > 0 or timeout == 0 then
    return math.max(moved, calls)
  end
  local before = core.arrivals(self)
  local arrived, text, code = loop.wait(self, timeout, function()
    if not core.is_open(self) then
      return nil, "the runtime is closed", "closed"
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

return Runtime
