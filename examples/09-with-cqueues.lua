#!/usr/bin/env rkl
-- Inside a cqueues program: coroutines of any controller wait for actors without blocking it.
-- Needs the module cqueues (Debian: lua-cqueues).

local rk = require "ringkernel"
local cqueues = require "cqueues"

local rt <close> = rk.open()
local echo = assert(rt:launch("echo"))
local Echo = rk.stock.echo.messages.Echo

local controller = cqueues.new()
local log = {}

controller:wrap(function()
  for i = 1, 3 do
    log[#log + 1] = "reply " .. assert(echo:call(Echo { seq = i }, 1)).seq
    cqueues.sleep(0.02)
  end
end)

-- Another coroutine, which waits for something that never comes, holds up nobody.
controller:wrap(function()
  local _, _, code = echo:receive(0.1)
  log[#log + 1] = "nothing for us: " .. code
end)

assert(controller:loop())
print(table.concat(log, "\n"))
