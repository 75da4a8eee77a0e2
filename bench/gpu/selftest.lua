-- SPDX-License-Identifier: MIT
--- The device self-test: does what the runtime promises hold on this machine? Through the public
--- Lua API, with every answer checked; in TAP, the form of the tests.
--
--   rkl bench/gpu/selftest.lua          on RINGKERNEL_BACKEND
--   rkl bench/gpu/selftest.lua short    fewer messages, for slow tools
--
-- What it covers: the ring from the host and the one to it, several times around; tokens from block
-- to block; many lanes and their barriers; back-pressure; failure and restart; the next generation
-- of the grid; ordinary launches; closing with nothing lost.

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path

local rk = require "ringkernel"
local kernels = require "kernels"

local SHORT = arg[1] == "short" or os.getenv("GPU_SHORT") == "1"
local WAIT_S = 10

local function scale(full, short)
  return SHORT and short or full
end

local number, bad = 0, 0

--- One check: `fn` raises when something is wrong, and may return what to add to the line.
local function check(name, fn)
  number = number + 1
  local ok, text = pcall(fn)
  bad = bad + (ok and 0 or 1)
  if ok then
    print(("ok %d - %s%s"):format(number, name, text and " (" .. text .. ")" or ""))
  else
    print(("not ok %d - %s\n# %s"):format(number, name, tostring(text):gsub("\n", "\n# ")))
  end
  io.stdout:flush()
  return ok
end

local function equal(expected, got, what)
  if expected ~= got then
    error(("%s: expected %s, got %s"):format(what, expected, got), 2)
  end
end

--- Messages to an actor and back, 200 on their way at most.
local function exchange(runtime, count)
  local echo = assert(runtime:launch("echo", { queue = 256 }))
  local Echo, sent = rk.stock.echo.messages.Echo, 0
  for seq = 1, count do
    while sent < count and sent - seq < 200 do
      sent = sent + 1
      assert(echo:send(Echo { seq = sent, value = sent / 4, text = ("number %d"):format(sent) }))
    end
    local reply = assert(echo:receive(WAIT_S))
    equal(seq, reply.seq, "seq")
    equal(seq / 4, reply.value, "value")
    equal(("number %d"):format(seq), reply.text, "text")
  end
  equal(count, echo:stats().processed, "handled")
  return echo
end

local rt, info, echo

local function finish()
  print("1.." .. number)
  if rt then
    rt:close()
  end
  os.exit(bad == 0)
end

if not check("a runtime opens", function()
  rt = assert(rk.open {})
  info = rt:info()
  kernels.load(rt)
  info = rt:info()
  return ("%s, %s, %d blocks, rings %s: %s"):format(info.backend, info.device_name, info.blocks,
    info.transport, info.transport_why)
end) then
  finish()
end

local Token = kernels.Token

check("every message comes back whole and in order", function()
  local count = scale(20000, 500)
  echo = exchange(rt, count)
  return ("%d of 64 B"):format(count)
end)

check("a token travels through all blocks", function()
  local count = math.min(info.blocks, scale(64, 4))
  local ring = {}
  for index = 1, count do
    ring[index] = assert(rt:launch(kernels.pass, { queue = 16, block = index - 1 }))
  end
  for index = 1, count do
    assert(rt:connect(ring[index], "next", ring[index % count + 1]))
  end
  local hops = scale(100, 5) * count
  local back = assert(ring[1]:call(Token { hops = hops, words = { 1, 2, 3, 4, 5, 6, 7 } }, WAIT_S))
  equal(0, back.hops, "hops")
  equal("1 2 3 4 5 6 7", table.concat(back.words, " "), "words")
  for _, actor in ipairs(ring) do
    assert(actor:terminate())
  end
  return ("%d hops over %d blocks"):format(hops, count)
end)

check("a grid that floods the host loses nothing", function()
  local source = assert(rt:launch(kernels.source, { queue = 1024 }))
  local batches = scale(1000, 20)
  assert(source:send(Token { hops = batches }))
  for index = 0, batches * kernels.SOURCE_BURST - 1 do
    local got = assert(source:receive(WAIT_S))
    equal(index, got.hops, "number")
    equal(index + 6, got.words[7], "last word")
  end
  assert(source:terminate())
  return ("%d messages"):format(batches * kernels.SOURCE_BURST)
end)

check("a full queue says so and keeps what it took", function()
  local sink = assert(rt:launch(kernels.sink, { queue = 64, activate = false }))
  local taken = 0
  repeat
    local ok, _, code = sink:send(Token { words = { taken, 0, 0, 0, 0, 0, 0 } })
    taken = taken + (ok and 1 or 0)
    equal(not ok and "full" or nil, code, "code")
  until not ok or taken > 100
  equal(64, taken, "taken")
  assert(sink:activate())
  local answer
  repeat
    answer = sink:call(Token { hops = 1 }, WAIT_S)
  until answer
  equal(taken + 1, answer.words[1], "handled")
  equal(taken * (taken - 1) // 2, answer.words[2], "sum")
  return ("%d taken"):format(taken)
end)

check("an actor that failed begins again", function()
  local sink = assert(rt:launch(kernels.sink, { name = "fails" }))
  local reply, _, code = sink:call(Token { hops = 2 }, WAIT_S)
  equal(nil, reply, "reply")
  equal("not_active", code, "code")
  equal("failed", sink:state(), "state")
  assert(sink:restart())
  equal(1, assert(sink:call(Token { hops = 1 }, WAIT_S)).words[1], "count")
end)

check("state and queues outlive a generation", function()
  local sink = assert(rt:launch(kernels.sink, { queue = 64 }))
  assert(sink:call(Token { hops = 1, words = { 5, 0, 0, 0, 0, 0, 0 } }, WAIT_S))
  assert(sink:deactivate())
  assert(sink:send(Token { words = { 7, 0, 0, 0, 0, 0, 0 } }))
  local before = rt:info().generation
  assert(rt:renew())
  assert(rt:info().generation > before, "no new generation")
  assert(sink:activate())
  local answer = assert(sink:call(Token { hops = 1 }, WAIT_S))
  equal(3, answer.words[1], "count")
  equal(12, answer.words[2], "sum")
end)

check("many lanes work together on a buffer", function()
  local n = scale(100000, 1000)
  local data, sum = {}, 0
  for index = 1, n do
    data[index] = index % 17
    sum = sum + index % 17
  end
  local buffer = assert(rt:buffer("f32", n))
  assert(buffer:write(data))
  local reduce = assert(rt:launch("reduce"))
  local messages = rk.stock.reduce.messages
  equal(sum + 0.0, assert(reduce:call(messages.ReduceSum { data = buffer }, WAIT_S)).value, "sum")
  equal(16.0, assert(reduce:call(messages.ReduceMax { data = buffer }, WAIT_S)).value, "maximum")
  return ("%d numbers"):format(n)
end)

check("ordinary launches run beside actors", function()
  local n = scale(100000, 1000)
  local buffer = assert(rt:buffer("f32", n))
  assert(buffer:fill(1))
  assert(rt:run(kernels.add_one, { grid = 32, block = 64 }, buffer, n))
  for index, value in ipairs(assert(buffer:read())) do
    equal(2.0, value, ("element %d"):format(index))
  end
  equal(true, echo:is_active(), "the actor goes on")
end)

check("nothing was lost, and the grid ends", function()
  for _, letter in ipairs(assert(rt:dead_letters())) do
    equal("failed", letter.reason, "a dead letter's reason")
  end
  assert(rt:close())
  rt = nil
end)

check("each form of the rings between host and grid carries messages", function()
  for _, transport in ipairs { "plain", "tagged" } do
    local other <close> = assert(rk.open { transport = transport, blocks = 1 })
    exchange(other, scale(5000, 200))
    equal(transport, other:info().transport, "transport")
  end
end)

check("each form of a cluster's lanes carries tokens", function()
  local hops = scale(20000, 200)
  for _, lanes in ipairs { "plain", "counted" } do
    local other <close>, message, code = rk.open { cluster = 2, cluster_lanes = lanes, blocks = 2 }
    if code == "unsupported" then
      return message
    end
    assert(other, message)
    local a = assert(other:launch(kernels.pass, { queue = 16, block = 0 }))
    local b = assert(other:launch(kernels.pass, { queue = 16, block = 1 }))
    assert(other:connect(a, "next", b))
    assert(other:connect(b, "next", a))
    local back = assert(a:call(Token { hops = hops, words = { 1, 2, 3, 4, 5, 6, 7 } }, WAIT_S))
    equal("1 2 3 4 5 6 7", table.concat(back.words, " "), "words")
    equal(true, other:stats().by_lane > hops // 2, "by lane") -- the count may lag behind
  end
  return ("%d hops by each"):format(hops)
end)

finish()
