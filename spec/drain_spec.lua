-- Graceful ends: orders, sources that go on, deadlines, what is counted.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number = support.Number
local Sink = support.Sink
local error_of, eventually = support.error_of, support.eventually

--- Passes numbers on; says goodbye with -1.
local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
  source = [[
RK_ON(Number) { (void)state; (void)rk_send(ctx, RK_PORT_next, Number, msg); }
RK_ON_STOP() {
  (void)state;
  Number bye;
  bye.n = -1;
  (void)rk_send(ctx, RK_PORT_next, Number, &bye);
}
]],
}

--- Sends itself every number again, and each of them on: never idle once it has begun.
local Clock = rk.kernel {
  name = "clock", accepts = { Number }, emits = { Number }, ports = { "next", "own" },
  source = [[
RK_ON(Number) {
  (void)state;
  (void)rk_send(ctx, RK_PORT_next, Number, msg);
  (void)rk_send(ctx, RK_PORT_own, Number, msg);
}
]],
}

--- Is busy for some time with each number, longer than any test's patience with 1000 of them.
local Slow = rk.kernel {
  name = "slow", accepts = { Number },
  source = [[
RK_ON(Number) {
  (void)state; (void)msg;
  rk_u64 end = (rk_now(ctx) >> 12) + 2000u;
  while ((rk_now(ctx) >> 12) < end) { }
}
]],
}

describe("sys:drain #tsan", function()
  local rt, ends

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
    ends = {}
    rt:watch("**", function(event)
      if event.event == "unregister" and not event.name:find("router", 1, true) then
        ends[#ends + 1] = event.name
      end
    end)
  end)

  after_each(function()
    rt:close()
  end)

  --- a -> {b, c} -> sink, with 300 numbers at a.
  local function network()
    local got = { n = 0, bye = 0 }
    local sys = assert(rt:deploy {
      actors = { a = Pass, b = Pass, c = Pass, sink = function(_, msg)
        local key = msg.n == -1 and "bye" or "n"
        got[key] = got[key] + 1
      end },
      links = { "a.next -> {b, c} round_robin", "{b.next, c.next} -> sink" },
    })
    for i = 1, 300 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    return sys, got
  end

  it("parent_first ends senders first, and their last words are heard", function()
    local sys, got = network()
    local info = assert(sys:drain { order = "parent_first", deadline = 20 })
    assert.same({ n = 300, bye = 3 }, got)
    assert.same({ {}, 0 }, { info.forced, info.left_messages })
    assert.equal("a", info.drained[1])
    assert.equal("sink", info.drained[4])
    assert.equal(4, #info.drained)
    assert.is_true(info.seconds >= 0)
    assert.equal("a", ends[1])
    assert.equal("sink", ends[4])
    assert.same({}, rt:actors())
    assert.same({}, rt:dead_letters())
    local again, _, code = sys:drain()
    assert.same({ nil, "closed" }, { again, code })
    assert.same({ true, 0 }, { sys:stop() })
  end)

  it("parent_first waits for a sender that is slow, though its receiver is idle", function()
    local seen = {}
    local sys = assert(rt:deploy { links = { "a.next -> b" }, actors = {
      a = { rk.actor { name = "slowly", accepts = { Number }, emits = { Number },
        ports = { "next" }, on = function(ctx, msg) -- in polls alone, 64 times at most in each
          if msg.n == 400 then
            assert(ctx:send("next", msg))
          end
        end }, queue = 512 },
      b = { function(_, msg) seen[#seen + 1] = msg.n end, queue = 512 } } })
    for i = 1, 400 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    assert.same({}, seen)
    local info = assert(sys:drain { order = "parent_first", deadline = 20 })
    assert.same({ { "a", "b" }, {}, 0 }, { info.drained, info.forced, info.left_messages })
    assert.same({ 400 }, seen)
    assert.same({}, rt:dead_letters())
  end)

  it("leaf_first handles everything, too, but ends receivers before senders", function()
    local sys, got = network()
    local info = assert(sys:drain { order = "leaf_first", deadline = 20 })
    assert.same({ n = 300, bye = 0 }, got)
    assert.same({ {}, 0 }, { info.forced, info.left_messages })
    assert.equal("sink", info.drained[1])
    assert.equal("a", info.drained[4])
    assert.equal("sink", ends[1])
    assert.equal("a", ends[4])
  end)

  it("parallel waits for nobody but the actor itself", function()
    local sys = assert(rt:deploy { actors = { a = Slow, b = Slow, c = { Sink } } })
    for _, name in ipairs { "a", "b", "c" } do
      for i = 1, 10 do
        assert.is_true(sys[name]:send(Number { n = i }))
      end
    end
    local info = assert(sys:drain { order = "parallel", deadline = 20 })
    table.sort(info.drained)
    assert.same({ "a", "b", "c" }, info.drained)
    assert.same({ {}, 0 }, { info.forced, info.left_messages })
    assert.same({}, rt:dead_letters())
  end)

  it("stops a source that feeds itself, and what it has sent arrives", function()
    local sys = assert(rt:deploy {
      actors = { clock = Clock, sink = Sink },
      links = { "clock.next -> sink", "clock.own -> clock" },
      cycles = "allow",
    })
    assert.is_true(sys.clock:send(Number { n = 5 }))
    assert.is_true(eventually(function()
      return sys.sink:stats().processed > 100
    end))
    local sink = sys.sink
    local info = assert(sys:drain { deadline = 30 })
    assert.is_true(info.seconds < 30)
    assert.same({ { "sink" }, { "clock" }, 1 },
      { info.drained, info.forced, info.left_messages })
    local letters = rt:dead_letters()
    assert.equal(1, #letters)
    assert.same({ 5, "terminated" }, { letters[1].message.n, letters[1].reason })
    assert.equal("terminated", sink:state())
  end)

  it("forces what is left at the deadline and counts it", function()
    local sys = assert(rt:deploy { actors = { fast = Sink, slow = { Slow, queue = 1024 } } })
    for i = 1, 1000 do
      assert.is_true(sys.slow:send(Number { n = i }))
      assert.is_true(sys.fast:send(Number { n = i }))
    end
    local info = assert(sys:drain { order = "parallel", deadline = 0.05 })
    assert.same({ { "fast" }, { "slow" } }, { info.drained, info.forced })
    assert.is_true(info.left_messages > 0)
    local dead = 0
    for _, letter in ipairs(rt:dead_letters()) do
      assert.equal("terminated", letter.reason)
      dead = dead + 1
    end
    assert.equal(info.left_messages, dead)
    assert.same({}, rt:actors())
  end)

  it("counts what waits for an actor that handles nothing", function()
    local sys = assert(rt:deploy { actors = { a = { Sink, activate = false }, b = Sink } })
    for i = 1, 3 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    local info = assert(sys:drain { order = "leaf_first", deadline = 20 })
    assert.same({ { "b" }, { "a" }, 3 }, { info.drained, info.forced, info.left_messages })
    assert.equal(3, #rt:dead_letters())
  end)

  it("ends supervised actors for good", function()
    for _, order in ipairs { "parent_first", "leaf_first", "parallel" } do
      local sys = assert(rt:deploy {
        actors = { a = Pass, b = Sink },
        links = { "a.next -> b" },
        supervise = rk.supervisor { strategy = "one_for_all",
          children = { { id = "a", start = Pass }, { id = "b", start = Sink } } },
      })
      for i = 1, 20 do
        assert.is_true(sys.a:send(Number { n = i }))
      end
      local b = sys.b
      local info = assert(sys:drain { order = order, deadline = 20 })
      assert.same({ 2, {}, 0 }, { #info.drained, info.forced, info.left_messages }, order)
      assert.equal("terminated", b:state())
      assert.equal("stopped", (sys.supervisor:state()))
      assert.same({}, rt:actors())
    end
  end)

  it("says what is wrong with its options", function()
    local sys = network()
    assert.matches("option 'order': one of 'leaf_first'", error_of(sys.drain, sys, { order = "x" }))
    assert.matches("unknown option 'timeout'", error_of(sys.drain, sys, { timeout = 1 }))
    assert.matches("a number expected", error_of(sys.drain, sys, { deadline = "1" }))
    assert.matches("'drain': the name is taken",
      error_of(rk.topology, { actors = { drain = Sink } }))
  end)
end)

describe("rt:drain_actors #tsan", function()
  it("goes along the ports that were tied", function()
    local rt <close> = assert(rk.open { blocks = 2 })
    local got = 0
    local sink = assert(rt:launch(rk.actor { name = "end", accepts = { Number },
      on = { Number = function() got = got + 1 end } }))
    local relay = assert(rt:launch(rk.actor { name = "relay", accepts = { Number },
      emits = { Number }, ports = { "next" },
      on = { Number = function(ctx, msg) assert(ctx:send("next", msg)) end } }))
    local first = assert(rt:launch(Pass, { name = "line/first" }))
    assert(rt:connect(first, "next", relay))
    assert(rt:connect(relay, "next", sink))
    local other = assert(rt:launch(Sink, { name = "other" }))
    for i = 1, 100 do
      assert(first:send(Number { n = i }))
    end
    local info = assert(rt:drain_actors { actors = { sink, first, relay }, deadline = 20 })
    assert.same({ { "line/first", relay.name, sink.name }, {}, 0 },
      { info.drained, info.forced, info.left_messages })
    assert.equal(101, got)
    assert.same({ other }, rt:actors())
    local some = assert(rt:drain_actors { actors = "other*" })
    assert.same({ "other" }, some.drained)
    assert.same({}, rt:actors())
    assert.same({}, assert(rt:drain_actors {}).drained)
  end)

  it("knows the ports of actors of the grid", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local first = assert(rt:launch(Pass, { name = "z" }))
    local middle = assert(rt:launch(Pass, { name = "m" }))
    local last = assert(rt:launch(Sink, { name = "a" }))
    assert(rt:connect(first, "next", middle))
    assert(rt:connect(middle, "next", last))
    for i = 1, 300 do
      assert(first:send(Number { n = i }))
    end
    local info = assert(rt:drain_actors { deadline = 20 })
    assert.same({ { "z", "m", "a" }, {}, 0 }, { info.drained, info.forced, info.left_messages })
    assert.same({}, rt:dead_letters())
  end)

  it("leaves supervised actors to their supervisor", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local tree = assert(rt:supervise(rk.supervisor {
      children = { { id = "a", start = Sink } } }))
    local info, text, code = rt:drain_actors {}
    assert.same({ nil, "unsupported" }, { info, code })
    assert.matches("actor 'a' is supervised", text)
    assert.equal("active", tree.a:state())
    assert.matches("option 'actors': actors of this runtime expected, got 1 at %[1%]",
      error_of(rt.drain_actors, rt, { actors = { 1 } }))
  end)
end)
