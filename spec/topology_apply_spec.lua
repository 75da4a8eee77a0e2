-- SPDX-License-Identifier: MIT
--- Deployed topologies that change while they run: what is changed, what is not, and that every
--- message arrives once and in order. topology_spec.lua and topology_deploy_spec.lua have the rest.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number = support.Number
local error_of = support.error_of

local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
  source = "RK_ON(Number) { (void)state; (void)rk_send(ctx, RK_PORT_next, Number, msg); }",
}
local Negate = rk.kernel {
  name = "negate", accepts = { Number }, emits = { Number }, ports = { "next" },
  source = [[
RK_ON(Number) {
  (void)state;
  Number out;
  out.n = -msg->n;
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
}
]],
}
--- Counts, adds up, and notices numbers that are not larger than the one before.
local Count = rk.kernel {
  name = "count", accepts = { Number },
  state = { { "n", "i64" }, { "sum", "i64" }, { "last", "i64" }, { "disorder", "i64" } },
  source = [[
RK_ON(Number) {
  (void)ctx;
  state->disorder += state->n != 0 && msg->n <= state->last;
  state->last = msg->n;
  state->sum += msg->n;
  state->n += 1;
}
]],
}
local Swap = rk.kernel {
  name = "swap", accepts = { Number }, emits = { Number }, ports = { "even", "odd" },
  source = [[
RK_ON(Number) {
  (void)state;
  (void)rk_send(ctx, msg->n % 2 == 0 ? RK_PORT_even : RK_PORT_odd, Number, msg);
}
]],
}

describe("sys:apply #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  local function deploy(options)
    return assert(rt:deploy(rk.topology(options)))
  end

  local function until_true(fn, what)
    local deadline = core.clock() + 10
    while not fn() do
      assert.is_true(core.clock() < deadline, what or "it did not happen in time")
      rt:poll(0.005)
    end
  end

  local function feed(actor, first, last)
    for i = first, last do
      until_true(function()
        local ok, _, code = actor:send(Number { n = i })
        assert.is_true(ok or code == "full", code)
        return ok
      end)
    end
  end

  --- Nothing is lost or doubled: the sinks together have 1..count, each in order.
  local function check_all(sinks, count)
    local function total()
      local n = 0
      for _, sink in ipairs(sinks) do
        n = n + sink:stats().processed
      end
      return n
    end
    until_true(function() return total() >= count end, "not all came")
    local n, sum = 0, 0
    for _, sink in ipairs(sinks) do
      local state = sink:peek_state()
      assert.equal(0, state.disorder, sink.name)
      n, sum = n + state.n, sum + state.sum
    end
    assert.equal(count, n)
    assert.equal(count * (count + 1) // 2, sum)
    assert.same({}, rt:dead_letters())
  end

  it("changes what differs, and only that", function()
    local links = { "a.next -> b", "b.next -> sink" }
    local sys = deploy { actors = { a = Pass, b = Pass, sink = Count }, links = links }
    local before = sys:actors()
    local ids = { a = sys.a.id, b = sys.b.id, sink = sys.sink.id }
    feed(sys.a, 1, 10)
    until_true(function() return sys.sink:stats().processed == 10 end)
    local seen = {}
    local watch <close> = rt:watch("**", function(event)
      seen[#seen + 1] = event.event .. " " .. event.name
    end)
    assert.same({ added = {}, removed = {}, changed = {}, links = 0, draining = {} },
      assert(sys:apply { actors = { a = Pass, b = Pass, sink = Count }, links = links }))
    rt:drain()
    assert.same({}, seen)
    local report = assert(sys:apply(rk.topology {
      actors = { a = Pass, b = Pass, c = Pass, sink = { Count, tags = { "end" } } },
      links = { "a.next -> c", "c.next -> b", "b.next -> sink" } }))
    assert.same({ added = { "c" }, removed = {}, changed = {}, links = 1, draining = {} }, report)
    rt:drain()
    assert.same({ "register c" }, seen)
    for name, actor in pairs(before) do
      assert.equal(actor, sys[name])
      assert.equal(ids[name], sys[name].id)
    end
    assert.same({ sys.sink }, rt:actors { tag = "end" })
    feed(sys.a, 11, 20)
    check_all({ sys.sink }, 20)
    assert.equal(10, sys.c:stats().processed)
    assert.equal("ringkernel.watch: **", tostring(watch))
  end)

  it("moves a link while messages flow", function()
    local function net(to)
      return rk.topology { links = { "a.next -> " .. to },
        actors = { a = Pass, x = { Count, queue = 2 }, y = { Count, queue = 2 } } }
    end
    local sys = assert(rt:deploy(net("x")))
    for round = 0, 19 do
      feed(sys.a, round * 50 + 1, round * 50 + 50)
      assert(sys:apply(net(round % 2 == 0 and "y" or "x")))
    end
    feed(sys.a, 1001, 1020)
    check_all({ sys.x, sys.y }, 1020)
    assert.equal(0, sys.a:stats().dropped)
    assert.is_true(sys.y:peek_state().n > 0)
  end)

  it("replaces a changed actor with its queue handled first", function()
    local function net(definition, queue)
      return { actors = { a = Pass, b = { definition, queue = queue }, sink = Count },
        links = { "a.next -> b", "b.next -> sink" } }
    end
    local sys = deploy(net(Pass, 8))
    local old = sys.b
    feed(sys.a, 1, 400)
    local report = assert(sys:apply(net(Pass, 16)))
    assert.same({ "b" }, report.changed)
    assert.same({}, report.draining)
    feed(sys.a, 401, 800)
    check_all({ sys.sink }, 800)
    assert.are_not.equal(old, sys.b)
    assert.equal("terminated", old:state())
    assert.equal("b", sys.b.name)
    assert.equal(sys.b, rt:find("b"))
    assert.equal(16, sys.b:stats().queue)
    assert(sys:apply(net(Negate, 16)))
    assert.is_true(sys.a:send(Number { n = 5 }))
    until_true(function() return sys.sink:stats().processed == 801 end)
    assert.equal(-5, sys.sink:peek_state().last)
  end)

  it("removes an actor when its queue is empty, and adds others", function()
    local sys = deploy { links = { "a.next -> b", "b.next -> sink" },
      actors = { a = Pass, b = { Pass, queue = 4 }, sink = { Count, queue = 4 } } }
    feed(sys.a, 1, 300)
    local report = assert(sys:apply { actors = { a = Pass, sink = { Count, queue = 4 } },
      links = { "a.next -> sink" } })
    assert.same({ "b" }, report.removed)
    assert.is_nil(sys.b)
    assert.is_nil((rt:find("b")))
    until_true(function() return sys.sink:stats().processed == 300 end)
    local state = sys.sink:peek_state()
    assert.equal(300, state.n)
    assert.equal(45150, state.sum)
    assert.same({}, rt:dead_letters())
  end)

  it("lets an actor that is slow finish what waits for it, however much that is", function()
    local seen = {}
    local Slow = rk.actor { name = "slow", accepts = { Number }, on = function(_, msg)
      seen[#seen + 1] = msg.n -- in polls alone, 64 of them at most in each
    end }
    local function net(name)
      return { actors = { a = { Pass, queue = 512 }, [name] = { Slow, queue = 512 } },
        links = { "a.next -> " .. name } }
    end
    local sys = deploy(net "one")
    for i = 1, 400 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    assert.is_truthy(support.eventually(function() return sys.a:stats().processed == 400 end))
    assert.same({}, seen)
    local report = assert(sys:apply(net "two"))
    assert.same({ { "one" }, { "two" }, {} }, { report.removed, report.added, report.draining })
    assert.equal(400, #seen)
    assert.same({}, rt:dead_letters())
  end)

  it("changes the receivers of a sharded link while messages flow", function()
    local function net(count)
      local actors, to = { a = Pass }, {}
      for i = 1, 4 do
        actors["w" .. i] = { Count, queue = 4 }
        to[i] = i <= count and "w" .. i or nil
      end
      return rk.topology { actors = actors,
        links = { ("a.next -> {%s} shard n"):format(table.concat(to, ", ")) } }
    end
    local sys = assert(rt:deploy(net(2)))
    for round = 0, 7 do
      feed(sys.a, round * 100 + 1, round * 100 + 100)
      local report = assert(sys:apply(net(round % 3 + 2)))
      assert.same({}, report.removed)
    end
    check_all({ sys.w1, sys.w2, sys.w3, sys.w4 }, 800)
    assert.is_true(sys.w4:peek_state().n > 0)
  end)

  it("lets two ports change places, also those of a Lua actor", function()
    local Odd = rk.actor { name = "luaswap", accepts = { Number }, emits = { Number },
      ports = { "even", "odd" }, on = function(ctx, msg)
        assert(ctx:send(msg.n % 2 == 0 and "even" or "odd", msg))
      end }
    for _, definition in ipairs { Swap, Odd } do
      local function net(even, odd)
        return { name = definition.name, actors = { s = definition, x = { Count, queue = 1 },
          y = { Count, queue = 1 } }, links = { "s.even -> " .. even, "s.odd -> " .. odd } }
      end
      local sys = deploy(net("x", "y"))
      for round = 0, 9 do
        feed(sys.s, round * 10 + 1, round * 10 + 10)
        if round % 2 == 0 then
          assert(sys:apply(net("y", "x")))
        else
          assert(sys:apply(net("x", "y")))
        end
      end
      check_all({ sys.x, sys.y }, 100)
      assert(sys:stop())
    end
  end)

  it("keeps Lua actors and their messages", function()
    local seen = {}
    local function sink(_, msg)
      seen[#seen + 1] = msg.n
    end
    local sys = deploy { actors = { a = Pass, s = { sink, queue = 4 } }, links = { "a.next -> s" } }
    local s = sys.s
    feed(sys.a, 1, 100)
    assert(sys:apply { actors = { a = Pass, b = Pass, s = { sink, queue = 4 } },
      links = { "a.next -> b", "b.next -> s" } })
    assert.equal(s, sys.s)
    feed(sys.a, 101, 200)
    until_true(function() return #seen == 200 end)
    for i = 1, 200 do
      assert.equal(i, seen[i])
    end
    assert(sys:apply { actors = { a = Pass } })
    assert.equal("terminated", s:state())
    assert.same({}, rt:dead_letters())
  end)

  it("changes nothing when something of the new one does not work", function()
    local Broken = rk.kernel { name = "broken", accepts = { Number },
      source = "RK_ON(Number) { x }" }
    local NoStart = rk.actor { accepts = { Number }, on = function() end,
      start = function() error("no") end }
    local net = { actors = { a = Pass, sink = Count }, links = { "a.next -> sink" } }
    local sys = deploy(net)
    assert(rt:launch(Count, { name = "taken" }))
    for code, actors in pairs { compile = { bad = Broken }, exists = { taken = Count },
                                invalid_state = { z = NoStart } } do
      actors.a, actors.sink = Pass, { Count, queue = 5 }
      local report, text, got = sys:apply(rk.topology { actors = actors, links = net.links })
      assert.is_nil(report)
      assert.equal(code, got, text)
      assert.matches("^apply: actor", text)
      assert.equal(3, #rt:actors(), text)
      assert.equal(1024, sys.sink:stats().queue)
    end
    feed(sys.a, 1, 50)
    check_all({ sys.sink }, 50)
    assert.matches("a topology called '' expected, got 'x/'", error_of(sys.apply, sys,
      rk.topology { name = "x", actors = { a = Pass } }))
  end)

  it("says what still drains, and goes on with it later", function()
    local gate = { Count, queue = 4, activate = false }
    local sys = deploy { actors = { a = Pass, b = { Pass, queue = 8 }, sink = gate },
      links = { "a.next -> b", "b.next -> sink" } }
    feed(sys.a, 1, 10)
    until_true(function() return core.actor_depth(sys.b) == 6 end)
    local report = assert(sys:apply({ actors = { a = Pass, sink = gate },
      links = { "a.next -> sink" } }, { timeout = 0.05 }))
    assert.same({ "b" }, report.draining)
    assert.same({ "b" }, sys:settle { timeout = 0 })
    local again, _, code = sys:apply({ actors = { a = Pass, sink = gate } }, { timeout = 0 })
    assert.same({ nil, "timeout" }, { again, code })
    assert.is_true(sys.sink:activate())
    assert.same({}, sys:settle { timeout = 10 })
    until_true(function() return sys.sink:stats().processed == 10 end)
    assert.equal(55, sys.sink:peek_state().sum)
    assert.same({}, rt:dead_letters())
  end)
end)
