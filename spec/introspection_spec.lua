-- What actors do, seen from outside while they do it: rates, snapshots, live trees.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local rates = require "ringkernel.rates"
local support = dofile("spec/support.lua")

local Number = support.Number
local error_of, eventually = support.error_of, support.eventually

local function near(wanted, got, text)
  assert.is_true(math.abs(wanted - got) <= 1e-9 * math.max(1, math.abs(wanted)),
    ("%s: %g expected, got %g"):format(text or "value", wanted, got))
end

describe("a meter of rates", function()
  it("is the mean of what it has seen while that is little", function()
    local meter = rates.meter(100, { handled = 40 })
    near(0, meter:rate("handled", 1))
    meter:add(100.5, { handled = 45 })
    for _, half in ipairs(rates.half_lives) do
      near(10, meter:rate("handled", half), half)
    end
  end)

  it("halves what a half-life old reading weighs", function()
    for _, half in ipairs { 1, 10, 60 } do
      local meter = rates.meter(0, {})
      meter:add(1000 * half, { handled = 1000 * half * 8 }) -- 8 a second for as long as counts
      meter:add(1001 * half, { handled = 1000 * half * 8 }) -- and nothing for one half-life
      near(4, meter:rate("handled", half), half)
      meter:add(1002 * half, { handled = 1000 * half * 8 })
      near(2, meter:rate("handled", half), half)
    end
  end)

  it("gives the same however the readings are spaced", function()
    local often, seldom = rates.meter(0, {}), rates.meter(0, {})
    for i = 1, 400 do
      often:add(i / 100, { dropped = i * 3 })
    end
    seldom:add(0.7, { dropped = 0.7 * 300 })
    seldom:add(4, { dropped = 1200 })
    for _, half in ipairs(rates.half_lives) do
      near(300, often:rate("dropped", half))
      near(300, seldom:rate("dropped", half))
    end
  end)

  it("counts a new life from nothing and readings too close together once", function()
    local meter = rates.meter(0, { handled = 1000 })
    meter:add(1, { handled = 20 })
    near(20, meter:rate("handled", 10))
    meter:add(1 + 1e-6, { handled = 900 })
    near(20, meter:rate("handled", 10))
  end)
end)

describe("actor:rates #tsan", function()
  it("tells what is handled a second, by counts and time that agree", function()
    local rt <close> = assert(rk.open { blocks = 2 })
    local a = assert(rt:launch(support.Adder, { name = "a", queue = 64 }))
    local first = assert(a:rates())
    assert.equal(0, first.handled[1] + first.handled[10] + first.handled[60])
    assert.is_nil(first.latency)
    local began = core.clock()
    for i = 1, 50 do
      assert(a:send(Number { n = i }))
      assert(a:receive(5))
    end
    while core.clock() < began + 0.05 do
      rt:poll(0.01)
    end
    local now = assert(a:rates())
    -- within a fraction of the shortest half-life all averages are the plain mean
    assert.is_true(math.abs(now.handled[60] * now.seconds - 50) < 5, now.handled[60])
    assert.is_true(math.abs(now.sent[60] * now.seconds - 50) < 5)
    assert.is_true(math.abs(now.received[60] * now.seconds - 50) < 5)
    assert.equal(0, now.dropped[1])
    assert.equal(64, now.queue)
    assert.equal(0, now.waiting_in)
    assert.matches("unknown option 'foo'", error_of(a.rates, a, { foo = 1 }))
    assert(a:terminate())
    local gone, _, code = a:rates()
    assert.same({ nil, "terminated" }, { gone, code })
  end)

  it("goes on being read while the host polls, and ends with the actor", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(support.Sink))
    assert(a:rates())
    for i = 1, 20 do
      assert(a:send(Number { n = i }))
    end
    local wanted = core.clock() + 0.6
    while core.clock() < wanted do
      rt:poll(0.05)
    end
    assert.is_number(rt:timeout()) -- the next reading
    assert(a:terminate())
    assert.is_true(eventually(function()
      rt:poll(0.05)
      return rt:timeout() == nil
    end))
  end)

  it("is read by the clock, not only when somebody asks", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    --- How much a burst weighs a second later, against its plain mean: less, if it is known when
    -- it was. Between two questions alone it would count as spread over all of that second.
    local function weight_of_burst()
      local a <close> = assert(rt:launch(support.Sink, { queue = 1024 }))
      assert(a:rates())
      for i = 1, 1000 do
        assert(a:send(Number { n = i }))
      end
      local wanted = core.clock() + 1.2
      while core.clock() < wanted do
        rt:poll(0.05)
      end
      local handled = a:rates().handled
      return handled[1] / handled[60]
    end
    local weight
    for _ = 1, 3 do -- a crowded machine may keep the clock's readings from coming in time
      weight = weight_of_burst()
      if weight < 0.95 then
        break
      end
    end
    assert.is_true(weight < 0.95, tostring(weight))
  end)

  it("has latencies where the runtime keeps them", function()
    local rt <close> = assert(rk.open { blocks = 1, latency = true })
    local a = assert(rt:launch(support.Adder))
    for i = 1, 10 do
      assert(a:call(Number { n = i }, 5))
    end
    local latency = assert(a:rates()).latency
    assert.equal(10, latency.handled.count)
    assert.is_true(latency.delivered.p99 >= latency.delivered.p50)
    assert.is_nil(a:rates { latency = false }.latency)
  end)
end)

describe("rt:stream #tsan", function()
  it("brings snapshots of the actors that fit, in order", function()
    local rt <close> = assert(rk.open { blocks = 2, latency = true })
    local a = assert(rt:launch(support.Adder, { name = "line/a", queue = 32 }))
    assert(rt:launch(support.Adder, { name = "other" }))
    local stream <close> = assert(rt:stream { every = 0.01, what = "line/*" })
    assert(a:call(Number { n = 1 }, 5))
    local nothing = { stream:try_receive() }
    assert.is_true(nothing[1] ~= nil or nothing[3] == "empty")
    local last = 0
    local seen
    for _ = 1, 5 do
      local snapshot = assert(stream:receive(5))
      assert.is_true(snapshot.number > last)
      last = snapshot.number
      assert.equal(1, #snapshot.actors)
      seen = snapshot.actors[1]
      assert.same({ "line/a", a.id, "active", 32 }, { seen.name, seen.id, seen.state, seen.queue })
    end
    assert.equal(1, seen.processed)
    assert.is_true(seen.handled[60] > 0)
    assert.equal(1, seen.latency.handled.count)
    local late = assert(rt:launch(support.Sink, { name = "line/late", activate = false }))
    assert(late:send(Number { n = 1 }))
    assert.is_true(eventually(function()
      local both = assert(stream:receive(5)).actors
      return #both == 2 and both[2].state == "launched" and both[2].waiting_in == 1
    end))
  end)

  it("holds so many, drops the oldest and counts them", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    assert(rt:launch(support.Sink))
    local stream = assert(rt:stream { every = 0.002, limit = 3 })
    assert.is_true(eventually(function()
      rt:poll(0.005)
      return stream:stats().made >= 8
    end))
    stream:close()
    local stats = stream:stats()
    assert.equal(3, stats.waiting)
    assert.equal(stats.made - 3, stats.dropped)
    for i = 2, 0, -1 do
      assert.equal(stats.made - i, assert(stream:try_receive()).number)
    end
    local none, _, code = stream:receive(0)
    assert.same({ nil, "closed" }, { none, code })
    local made = stats.made
    rt:poll(0.02)
    assert.equal(made, stream:stats().made)
  end)

  it("counts what it missed while nobody polled", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local stream <close> = assert(rt:stream { every = 0.001 })
    local till = core.clock() + 0.05
    while core.clock() < till do end
    assert(stream:receive(5))
    local second = assert(stream:receive(5))
    assert.is_true(second.missed >= 40, second.missed)
    assert.equal(2, second.number)
  end)

  it("serves coroutines, and says what is wrong with its options", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local got = 0
    local loop = rk.loop("poll")
    local stream <close> = assert(rt:stream { every = 0.005 })
    loop:spawn(function()
      for _ = 1, 3 do
        assert(stream:receive(5))
        got = got + 1
      end
    end)
    loop:run()
    assert.equal(3, got)
    assert.matches("option 'every' is missing", error_of(rt.stream, rt, {}))
    assert.matches("0.001 seconds or more expected", error_of(rt.stream, rt, { every = 0 }))
    assert.matches("option 'limit'", error_of(rt.stream, rt, { every = 1, limit = 0 }))
  end)
end)

describe("sys:tree", function()
  it("shows rates and latencies, and the supervisors", function()
    local rt <close> = assert(rk.open { blocks = 1, latency = true })
    local sys = assert(rt:deploy {
      actors = { a = support.Adder },
      supervise = rk.supervisor { children = { { id = "a", start = support.Adder } } },
    })
    assert.matches("^a %[active, 0/1024 waiting, 0 handled%]\n", sys:tree())
    assert(sys.a:call(Number { n = 1 }, 5))
    rt:poll(0.005)
    local tree = sys:tree()
    assert.matches("^a %[active, 0/1024 waiting, 1 handled, [%d.e+]+/[%d.e+]+/[%d.e+]+ a second, "
      .. "p50 [%d.e+-]+ us, p99 [%d.e+-]+ us%]\nroot: running\n`%- a: running\n$", tree)
    assert(sys:stop())
  end)
end)
