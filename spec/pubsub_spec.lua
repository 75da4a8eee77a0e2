-- Publishing and subscribing: functions and actors, wildcards, retained messages, overflow.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, Sink, Publisher = support.Number, support.Sink, support.Publisher
local error_of, eventually = support.error_of, support.eventually

describe("publish and subscribe #tsan", function()
  local rt
  local got

  before_each(function()
    rt = assert(rk.open { blocks = 1 })
    got = {}
  end)

  after_each(function()
    rt:close()
  end)

  local function note(message, topic)
    got[#got + 1] = topic .. "=" .. message.n
  end

  it("calls functions, inside poll or drain only", function()
    assert(rt:subscribe("a/b", note))
    assert.equal(1, rt:publish("a/b", Number { n = 1 }))
    assert.equal(0, rt:publish("a/c", Number { n = 2 }))
    assert.same({}, got)
    rt:drain()
    assert.same({ "a/b=1" }, got)
    rt:publish("a/b", Number { n = 3 })
    assert.equal(1, rt:poll(1))
    assert.same({ "a/b=1", "a/b=3" }, got)
    assert.equal(0, rt:poll(0))
    assert.equal(0, rt:poll(0.01))
  end)

  it("gives messages of their type, with envelope", function()
    local class, envelope
    assert(rt:subscribe("x", function(message)
      class, envelope = getmetatable(message), rk.envelope(message)
    end))
    rt:publish("x", Number { n = 1 })
    rt:drain()
    assert.equal(Number, class)
    assert.equal(0, envelope.sender)
    assert.equal(Number.id, envelope.type)
  end)

  it("knows * for a level and # for the rest", function()
    assert(rt:subscribe("s/*/t", note))
    assert(rt:subscribe("r/#", note))
    for _, topic in ipairs { "s/1/t", "s/t", "s/1/2/t", "r", "r/1", "r/1/2" } do
      rt:publish(topic, Number { n = 0 })
    end
    rt:drain()
    assert.same({ "r/1/2=0", "r/1=0", "s/1/t=0" }, (table.sort(got) or got))
  end)

  it("delivers to actors", function()
    local a = assert(rt:launch(Sink))
    local sub = assert(rt:subscribe("n/#", a))
    assert.equal(1, rt:publish("n/1", Number { n = 5 }))
    assert.is_truthy(eventually(function() return a:peek_state().n == 1 end))
    assert.equal(1, sub:stats().delivered)
    assert.is_true(sub:close())
    assert.equal(0, rt:publish("n/1", Number { n = 6 }))
  end)

  it("carries what handlers publish", function()
    assert(rt:subscribe("numbers/even", note))
    local p = assert(rt:launch(Publisher))
    for n = 1, 4 do
      assert(p:send(Number { n = n }))
    end
    assert.is_truthy(eventually(function()
      rt:poll(0.05)
      return #got == 2
    end))
    assert.same({ "numbers/even=2", "numbers/even=4" }, got)
    assert.equal(4, rt:stats().published)
  end)

  it("gives retained messages to new subscribers, until they are cleared", function()
    rt:publish("r/1", Number { n = 1 }, { retain = true })
    rt:publish("r/1", Number { n = 2 }, { retain = true })
    assert(rt:subscribe("r/#", note))
    assert.equal(1, rt:poll(1))
    assert.same({ "r/1=2" }, got)
    assert.equal(0, rt:publish("r/1", nil, { retain = true }))
    assert(rt:subscribe("r/1", note))
    assert.equal(0, rt:poll(0.01))
    assert.equal(1, #got)
  end)

  it("counts what finds no room", function()
    local sub = assert(rt:subscribe("x", note, { limit = 2 }))
    for n = 1, 5 do
      rt:publish("x", Number { n = n })
    end
    local stats = sub:stats()
    assert.equal(2, stats.delivered)
    assert.equal(3, stats.dropped)
    assert.equal(2, stats.waiting)
    rt:drain()
    assert.same({ "x=1", "x=2" }, got)
    assert.equal(3, rt:stats().publish_dropped)
    assert.equal(0, sub:stats().waiting)
  end)

  it("keeps a subscription whose handle was dropped", function()
    assert(rt:subscribe("x", note))
    collectgarbage()
    collectgarbage()
    rt:publish("x", Number { n = 1 })
    rt:drain()
    assert.same({ "x=1" }, got)
  end)

  it("ends a subscription when it is closed, twice if need be", function()
    local sub = assert(rt:subscribe("x", note))
    assert.equal("ringkernel.subscription: x", tostring(sub))
    assert.equal("x", sub.pattern)
    rt:publish("x", Number { n = 1 })
    assert.is_true(sub:close())
    assert.is_true(sub:close())
    rt:drain()
    assert.same({}, got)
    assert.equal("ringkernel.subscription: x (closed)", tostring(sub))
    local _, _, code = sub:stats()
    assert.equal("closed", code)
    assert.equal(0, rt:stats().subscriptions)
  end)

  it("lets a function close its own subscription, others, and the runtime", function()
    local second
    local first
    first = assert(rt:subscribe("x", function()
      got[#got + 1] = "first"
      first:close()
      second:close()
    end))
    second = assert(rt:subscribe("x", function() got[#got + 1] = "second" end))
    rt:publish("x", Number { n = 1 })
    rt:drain()
    -- Which of the two comes first is not said; the first one is the last to run after "second".
    assert.equal("first", got[#got])
    rt:publish("x", Number { n = 2 })
    rt:drain()
    assert.equal("first", got[#got])
    assert.is_true(#got <= 2)
    assert(rt:subscribe("y", function() rt:close() end))
    rt:publish("y", Number { n = 1 })
    rt:publish("y", Number { n = 2 })
    rt:drain()
    assert.equal("closed", (select(3, rt:drain())))
  end)

  it("lets functions publish without holding the caller", function()
    local count = 0
    assert(rt:subscribe("again", function(message)
      count = count + 1
      rt:publish("again", message)
    end))
    rt:publish("again", Number { n = 1 })
    rt:drain()
    assert.is_true(count > 0)
    assert.equal(0, rt:timeout())
    local before = count
    rt:poll(5)
    assert.is_true(count > before)
  end)

  it("turns an error in a function into a warning and a count", function()
    assert(rt:subscribe("x", function() error("oops") end))
    assert(rt:subscribe("x", note))
    rt:publish("x", Number { n = 1 })
    rt:drain()
    assert.same({ "x=1" }, got)
    assert.equal(1, rt:stats().callback_errors)
  end)

  it("runs functions while something waits", function()
    local a = assert(rt:launch(support.Adder))
    assert(rt:subscribe("x", note))
    rt:publish("x", Number { n = 1 })
    assert.is_nil((a:receive(0.01)))
    assert.same({ "x=1" }, got)
    assert(rt:subscribe("y", function()
      got[#got + 1] = assert(a:call(Number { n = 5 }, 5)).n
    end))
    rt:publish("y", Number { n = 1 })
    rt:drain()
    assert.equal(5, got[2])
  end)

  it("refuses what is wrong", function()
    assert.matches("an actor or a function expected, got 'x'", error_of(rt.subscribe, rt, "x", "x"))
    assert.matches("subscribe: unknown option 'limits' %(did you mean 'limit'%?%)",
      error_of(rt.subscribe, rt, "x", note, { limits = 5 }))
    assert.is_string(error_of(rt.subscribe, rt, "a/#/b", note))
    assert.is_string(error_of(rt.subscribe, rt, "", note))
    assert.is_string(error_of(rt.publish, rt, "a/*", Number { n = 1 }))
    assert.is_string(error_of(rt.publish, rt, "a//b", Number { n = 1 }))
    assert.matches("a message", error_of(rt.publish, rt, "a", 5))
    assert.matches("a message .* expected, got nil", error_of(rt.publish, rt, "a"))
    assert.matches("publish: option 'retain': true or false expected, got 1",
      error_of(rt.publish, rt, "a", Number { n = 1 }, { retain = 1 }))
    local other <close> = assert(rk.open { blocks = 1 })
    assert.matches("same runtime", error_of(rt.subscribe, rt, "x", assert(other:launch(Sink))))
    assert.equal(0, rt:stats().subscriptions)
  end)

  it("refuses a topic that is too long", function()
    local ok, message, code = pcall(rt.publish, rt, ("x"):rep(64), Number { n = 1 })
    assert.is_true(ok)
    assert.is_nil(message)
    assert.is_string(code)
    assert.equal("too_large", (select(3, rt:publish(("x"):rep(64), Number { n = 1 }))))
  end)
end)
