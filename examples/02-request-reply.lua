#!/usr/bin/env rkl
-- Requests: `call` sends a message and waits for the reply that belongs to it. What may well go
-- wrong does not raise: it returns nil, a text for people, and a code for programs.

local rk = require "ringkernel"

local rt <close> = rk.open()
local echo = assert(rt:launch("echo", { name = "echo" }))
local Echo = rk.stock.echo.messages.Echo

-- Other messages of the actor stay queued while we wait for the reply.
echo:send(Echo { seq = 1, text = "sent" })
local reply = assert(echo:call(Echo { seq = 2, text = "called" }, 1))
print("reply:", reply.text)
print("queued:", assert(echo:receive(1)).text)

-- A suspended actor keeps its queue and handles nothing: the call runs out of time.
assert(echo:suspend())
local nothing, _, code = echo:call(Echo { seq = 3, text = "too late" }, 0.05)
print("suspended:", nothing, code)
assert(echo:resume())

-- After terminate nobody will ever answer, and the call says so at once.
assert(echo:terminate())
local none, text, why = echo:call(Echo { seq = 4 }, 1)
print("terminated:", none, why)
print("the text says:", text)

-- Misuse is another matter: it raises, and names what is wrong.
local ok, message = pcall(Echo, { sequence = 5 })
print("misuse:", ok, (message:gsub("^.-:%d+: ", "")))
