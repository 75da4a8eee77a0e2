-- Checkpoints: what is saved comes back, all of it once, in this process' runtimes on any backend.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Reading = support.Number, support.Reading
local Adder, Sink, Smooth = support.Adder, support.Sink, support.Smooth

local kit = dofile("spec/checkpoint_kit.lua")

local Relay, Tick, Counter, Checker = kit.Relay, kit.Tick, kit.Counter, kit.Checker
local read = kit.read

local folder

local function path(name)
  return folder .. "/" .. name
end

local function open(options)
  options = options or {}
  options.blocks = options.blocks or 2
  local rt = assert(rk.open(options))
  if rt.backend == "cuda" then -- one image for all of this, which is compiled once
    assert(rt:load { Adder, Sink, Smooth, Relay, Counter, Checker })
  end
  return rt
end

local function numbers(actor)
  local out = {}
  for message in actor.try_receive, actor do
    out[#out + 1] = message.n
  end
  return out
end

--- Waits until actors have nothing left to do; senders first.
local function settle(...)
  for _, actor in ipairs { ... } do
    assert(support.eventually(function()
      return core.actor_depth(actor) == 0
    end))
  end
end

local function fails(code, value, message, got)
  assert.is_nil(value)
  assert.equal(code, got, message)
  return message
end

describe("a checkpoint", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("holds the state, the queue and the mailbox of an actor", function()
    local info
    do
      local rt <close> = open { node = 3 }
      local a = assert(rt:launch(Adder, { name = "a", queue = 64, tags = { "hot", zone = 7, f = 0.1,
        on = false } }))
      for n = 1, 10 do
        assert(a:send(Number { n = n }))
      end
      assert.equal(155, a:call(Number { n = 100 }, 5).n)
      a:deactivate()
      for n = 1, 5 do
        assert(a:send(Number { n = n }, { correlation = 1000 + n }))
      end
      assert(a:send(Number { n = 1000 }, { priority = "high" }))
      info = assert(rt:checkpoint(path "one"))
      assert.equal(1, info.actors)
      assert.equal(16, info.messages)
      assert.equal(64, #info.digest)
      assert.is_true(info.pause_s > 0 and info.write_s > 0)
      assert.equal(info.bytes, #read(info.path))
      -- the original goes on as if nothing had happened
      a:activate()
      settle(a)
      assert.equal(1170, a:peek_state().sum)
      assert.equal(16, #numbers(a))
    end
    local rt <close> = open { node = 4 }
    local done = assert(rt:restore(path "one", { kernels = { Adder } }))
    assert.same({ 1, 1, 16 }, { done.actors, done.launched, done.messages })
    assert.same({ info.hlc.physical, info.hlc.logical, 4 },
      { done.hlc.physical, done.hlc.logical, done.hlc.node })
    local a = assert(rt:find("a"))
    assert.equal("deactivated", a:state())
    assert.same({ hot = true, zone = 7, f = 0.1, on = false }, rt:tags(a))
    local stats = a:stats()
    assert.same({ 11, 17, 6, 10, 64 },
      { stats.processed, stats.sent, stats.waiting_in, stats.waiting_out, stats.queue })
    assert.same({ sum = 155, started = 1 }, a:peek_state())
    a:activate()
    settle(a)
    local sums, correlations, last = {}, {}, nil
    for message in a.try_receive, a do
      local envelope = rk.envelope(message)
      sums[#sums + 1] = message.n
      correlations[#correlations + 1] = envelope.correlation > 1000
        and envelope.correlation or nil
      assert.equal(a.id, envelope.sender)
      last = envelope.hlc
    end
    assert.same({ 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 1155, 1156, 1158, 1161, 1165, 1170 }, sums)
    assert.same({ 1001, 1002, 1003, 1004, 1005 }, correlations)
    assert.is_true(last.physical >= info.hlc.physical)
    assert.equal(1171, a:call(Number { n = 1 }, 5).n)
  end)

  it("keeps ids of messages apart from later ones", function()
    local seen = {}
    do
      local rt <close> = open()
      local a = assert(rt:launch(Adder, { name = "a" }))
      local b = assert(rt:launch(Sink, { name = "b", queue = 512, activate = false }))
      for n = 1, 400 do
        assert(b:send(Number { n = n }))
      end
      for n = 1, 20 do
        assert(a:send(Number { n = n }))
      end
      settle(a)
      assert(rt:checkpoint(path "ids"))
    end
    local rt <close> = open()
    assert(rt:restore(path "ids", { kernels = { Adder, Sink } }))
    local a, b = rt:find("a"), rt:find("b")
    for n = 1, 20 do
      assert(b:send(Number { n = n }))
      assert(a:send(Number { n = n }))
    end
    settle(a)
    assert(b:terminate())
    assert(support.eventually(function() return #rt:dead_letters() == 420 end))
    for _, letter in ipairs(rt:dead_letters()) do -- ids that the host gave
      assert.is_nil(seen[letter.id])
      seen[letter.id] = true
    end
    local count = 0
    for message in a.try_receive, a do
      local id = rk.envelope(message).id
      assert.is_nil(seen[id])
      seen[id] = true
      count = count + 1
    end
    assert.equal(40, count)
  end)

  it("keeps deadlines: what is too late is a dead letter", function()
    do
      local rt <close> = open()
      local a = assert(rt:launch(Adder, { name = "a", activate = false }))
      assert(a:send(Number { n = 1 }, { deadline = 0.001 }))
      assert(a:send(Number { n = 2 }, { deadline = 3600 }))
      assert(rt:checkpoint(path "late"))
    end
    local rt <close> = open()
    local until_then = core.clock() + 0.002
    repeat until core.clock() > until_then
    assert(rt:restore(path "late", { kernels = { Adder } }))
    local a = rt:find("a")
    assert.equal("launched", a:state())
    a:activate()
    assert.equal(2, assert(a:receive(5)).n)
    local letters = rt:dead_letters()
    assert.same({ 1, "deadline" }, { #letters, letters[1].reason })
    assert.same({ sum = 2, started = 1 }, a:peek_state()) -- its start handler had not run before
  end)

  it("holds what actors have sent each other, and their ports", function()
    do
      local rt <close> = open()
      local relay = assert(rt:launch(Relay, { name = "relay", block = 0 }))
      local sink = assert(rt:launch(Checker, { name = "sink", queue = 64, block = 1 }))
      assert(rt:connect(relay, "next", sink))
      for n = 1, 20 do
        assert(relay:send(Number { n = n }))
      end
      settle(relay, sink)
      sink:deactivate()
      for n = 21, 70 do -- 50 into the queue of the sink
        assert(relay:send(Number { n = n }))
      end
      settle(relay)
      relay:deactivate()
      for n = 71, 90 do
        assert(relay:send(Number { n = n }))
      end
      assert.equal(70, assert(rt:checkpoint(path "two")).messages)
    end
    local rt <close> = open { blocks = 1 }
    local done = assert(rt:restore(path "two", { kernels = { relay = Relay, sink = Checker } }))
    assert.equal(0, done.unconnected)
    local relay, sink = rt:find("relay"), rt:find("sink")
    assert.same({ last = 20, sum = 210, wrong = 0 }, sink:peek_state())
    sink:activate()
    relay:activate()
    settle(relay, sink)
    assert(relay:send(Number { n = 91 }))
    settle(relay, sink)
    assert.same({ last = 91, sum = 91 * 92 // 2, wrong = 0 }, sink:peek_state())
  end)

  it("holds dead letters, retained topics and states of all kinds", function()
    do
      local rt <close> = open()
      assert(rt:launch(Adder, { name = "launched", activate = false }))
      local failed = assert(rt:launch(Adder, { name = "failed" }))
      assert(rt:launch(Adder, { name = "active" }))
      assert(rt:launch(Adder, { name = "suspended" })):deactivate()
      assert(failed:send(Number { n = -13 }))
      assert(failed:send(Number { n = 4 }))
      assert(support.eventually(function()
        return failed:state() == "failed"
      end))
      local ended = assert(rt:launch(Adder, { name = "ended", activate = false }))
      assert(ended:send(Number { n = 9 }))
      ended:terminate()
      rt:publish("a/b", Number { n = 5 }, { retain = true })
      rt:publish("a/c", Reading { sensor = 7 }, { retain = true })
      local info = assert(rt:checkpoint(path "all"))
      assert.same({ 4, 2, 2 }, { info.actors, info.dead_letters, info.retained })
    end
    local rt <close> = open()
    local done = assert(rt:restore(path "all", { kernels = { Adder } }))
    assert.same({ 4, 2, 2 }, { done.actors, done.dead_letters, done.retained })
    for _, name in ipairs { "launched", "failed", "active" } do
      assert.equal(name, rt:find(name):state())
    end
    assert.equal("deactivated", rt:find("suspended"):state())
    local stats = rt:find("failed"):stats()
    assert.same({ 1, 77, 1 }, { stats.errors, stats.last_error, stats.waiting_in })
    rt:find("failed"):restart { keep_state = true }
    assert.equal(4, rt:find("failed"):receive(5).n)
    local reasons = {}
    for _, letter in ipairs(rt:dead_letters()) do
      reasons[letter.message.n] = letter.reason
    end
    assert.same({ [-13] = "failed", [9] = "terminated" }, reasons)
    local got = {}
    rt:subscribe("a/*", function(message, topic)
      got[topic] = message.n or message.sensor
    end)
    rt:drain()
    assert.same({ ["a/b"] = 5, ["a/c"] = 7 }, got)
  end)

  it("shows the same when it is taken of what it restored", function()
    do
      local rt <close> = open { blocks = 3 }
      local relays = {}
      for i = 1, 12 do
        relays[i] = assert(rt:launch(Smooth, { name = "r" .. i, queue = 16 * i, tags = { n = i } }))
      end
      for i = 1, 12 do
        assert(rt:connect(relays[i], "next", relays[i * 5 % 12 + 1]))
      end
      for i = 1, 12, 3 do
        relays[i]:deactivate()
      end
      for n = 1, 10 do
        for i = 1, 12 do
          assert(relays[i]:send(Reading { sensor = i, value = n }))
        end
      end
      for i = 1, 12 do
        if relays[i]:state() == "active" then
          relays[i]:deactivate()
        end
      end
      rt:publish("x/y", Number { n = 5 }, { retain = true })
      assert(rt:checkpoint(path "first"))
    end
    local rt <close> = open { blocks = 2 }
    assert(rt:restore(path "first", { kernels = { Smooth } }))
    local again = assert(rt:checkpoint(path "second", { parent = path "first" }))
    assert.same({ 12, 0, 0 }, { again.actors, again.written, again.deleted })
  end)

  it("is exact while actors work", function()
    local limit = 4000
    local counts = {}
    do
      local rt <close> = open()
      local counter = assert(rt:launch(Counter, { name = "counter", block = 0 }))
      local relay = assert(rt:launch(Relay, { name = "relay", queue = 32, block = 1 }))
      local sink = assert(rt:launch(Checker, { name = "sink", queue = 16, block = 0 }))
      assert(rt:connect(counter, "again", counter))
      assert(rt:connect(counter, "next", relay))
      assert(rt:connect(relay, "next", sink))
      sink:deactivate() -- the first one is of actors that wait for room
      assert(counter:send(Tick { limit = limit }))
      assert(support.eventually(function()
        return counter:peek_state().n > 20
      end))
      local i = 0
      repeat
        i = i + 1
        assert(rt:checkpoint(path("busy" .. i)))
        if i == 1 then
          sink:activate()
        end
        counts[i] = counter:peek_state().n
      until i >= (rt.backend == "cpu" and 40 or 4) or counts[i] == limit
      assert(support.eventually(function()
        return sink:peek_state().last == limit
      end))
      assert.same({ last = limit, sum = limit * (limit + 1) // 2, wrong = 0 }, sink:peek_state())
    end
    for i = 1, #counts, 3 do
      local rt <close> = open { blocks = 1 + i % 3 }
      assert(rt:restore(path("busy" .. i), { kernels = { Counter, Relay, Checker } }))
      local sink = rt:find("sink")
      if i == 1 then
        assert.is_true(rt:find("counter"):peek_state().n < limit)
        sink:activate()
      end
      assert(support.eventually(function()
        return sink:peek_state().last == limit
      end))
      assert.same({ last = limit, sum = limit * (limit + 1) // 2, wrong = 0 }, sink:peek_state())
      assert.equal(limit, rt:find("relay"):peek_state().n)
      assert.equal(0, #rt:dead_letters())
    end
  end)

  it("takes a working runtime back to what it was", function()
    local rt <close> = open()
    local relay = assert(rt:launch(Relay, { name = "relay", queue = 64, block = 0 }))
    local sink = assert(rt:launch(Checker, { name = "sink", queue = 16, block = 1 }))
    local other = assert(rt:launch(Adder, { name = "other" }))
    assert(rt:connect(relay, "next", sink))
    for n = 1, 5 do
      assert(relay:send(Number { n = n }))
    end
    settle(relay, sink)
    assert(rt:checkpoint(path "then", { actors = { "relay", sink } }))
    for round = 1, 3 do
      for n = 6, 30 do
        assert(support.eventually(function()
          return relay:send(Number { n = n })
        end))
      end
      assert(other:call(Number { n = 1 }, 5))
      if round == 2 then -- with a full queue, too
        settle(relay, sink)
        sink:deactivate()
        for n = 31, 60 do
          relay:send(Number { n = n })
        end
      end
      local waiting = relay.id
      local info = assert(rt:restore(path "then"))
      assert.equal(0, info.launched)
      assert.equal(waiting, relay.id)
      assert.same({ last = 5, sum = 15, wrong = 0 }, sink:peek_state())
      assert.equal("active", sink:state())
      -- all room is free again: more than the queues hold goes through
      for n = 6, 205 do
        assert(support.eventually(function()
          return relay:send(Number { n = n })
        end))
      end
      settle(relay, sink)
      assert.same({ last = 205, sum = 205 * 206 // 2, wrong = 0 }, sink:peek_state())
      assert(rt:restore(path "then"))
    end
    assert.equal(3, other:peek_state().sum) -- which the checkpoint does not name
    assert.equal(0, #rt:dead_letters())
  end)

  it("ends calls whose request it throws away", function()
    local rt <close> = open()
    local a = assert(rt:launch(Adder, { name = "a" }))
    a:deactivate()
    assert(rt:checkpoint(path "empty"))
    local call <close> = assert(core.call_open(a, Number { n = 1 }))
    assert(rt:restore(path "empty"))
    fails("terminated", call:poll())
    assert.equal(0, a:stats().waiting_in)
  end)

  it("follows ports that have changed", function()
    local rt <close> = open()
    local relay = assert(rt:launch(Relay, { name = "relay" }))
    local one = assert(rt:launch(Sink, { name = "one" }))
    local two = assert(rt:launch(Sink, { name = "two" }))
    assert(rt:checkpoint(path "none"))
    assert(rt:connect(relay, "next", one))
    assert(rt:checkpoint(path "to-one"))
    assert(rt:disconnect(relay, "next"))
    assert(rt:connect(relay, "next", two))
    assert(rt:restore(path "to-one"))
    assert(relay:send(Number { n = 1 }))
    settle(relay, one, two)
    assert.same({ 1, 0 }, { one:peek_state().n, two:peek_state().n })
    assert(rt:restore(path "none"))
    fails("not_found", rt:disconnect(relay, "next"))
    -- a receiver that is neither saved nor alive
    assert(rt:restore(path "to-one"))
    assert(rt:checkpoint(path "relay-only", { actors = "relay" }))
    local fresh <close> = open()
    local done = assert(fresh:restore(path "relay-only", { kernels = { Relay } }))
    assert.equal(1, done.unconnected)
  end)
end)
