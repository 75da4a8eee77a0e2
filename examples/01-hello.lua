#!/usr/bin/env rkl
-- The shortest program: open a runtime, launch an actor of a stock kernel, send it a message, take
-- the answer.

local rk = require "ringkernel"

local rt <close> = rk.open() -- closed at the end of the block: its actors stop, its threads join

local echo = assert(rt:launch("echo"))
local Echo = rk.stock.echo.messages.Echo -- the message type that `echo` takes and gives back

echo:send(Echo { seq = 1, text = "hello" })

local answer = assert(echo:receive(1)) -- waits for at most a second
print(answer.text, answer.seq)
