-- SPDX-License-Identifier: MIT
--- Deployed topologies: messages through links, failures to deploy, stopping, what they show.
--- topology_apply_spec.lua has changes while they run.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number = support.Number
local Sink, Adder = support.Sink, support.Adder
local error_of, eventually = support.error_of, support.eventually

local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
  state = { { "started_with", "i64" } },
  source = [[
RK_ON(Number) { (void)state; (void)rk_send(ctx, RK_PORT_next, Number, msg); }
]],
}
local Picky = rk.kernel {
  name = "picky", accepts = { Number },
  source = "RK_ON(Number) { (void)state; if (msg->n == -13) { rk_fail(ctx, 77); } }",
}

describe("a deployed topology #tsan", function()
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

  --- Waits until the actor has handled `count` messages, and returns its state.
  local function handled(actor, count)
    assert.is_true(eventually(function()
      return actor:stats().processed == count
    end), actor.name)
    return actor:peek_state()
  end

  it("has its actors by name and carries messages through its links", function()
    local sys = deploy { actors = { a = Pass, b = { Pass, queue = 64, tags = { "mid" } },
      sink = Sink }, links = { "a.next -> b", "b -> sink" } }
    for i = 1, 10 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    assert.same({ sum = 55.0, n = 10, last = 10 }, handled(sys.sink, 10))
    assert.equal(sys.a, rt:find("a"))
    assert.equal(64, sys.b:stats().queue)
    assert.same({ sys.b }, rt:actors { tag = "mid" })
    assert.same({ a = sys.a, b = sys.b, sink = sys.sink }, sys:actors())
    assert.is_nil(sys.nobody)
    assert.equal(rt, sys.runtime)
    assert.matches('^digraph', sys.net:dot())
    assert.matches("no field 'x'", error_of(function() sys.x = 1 end))
    assert.equal("ringkernel.system: (3 actors)", tostring(sys))
  end)

  it("fails its messages where a wire is cut", function()
    local sys = deploy { actors = { a = Pass, b = Pass, sink = Sink },
      links = { "a.next -> b", "b.next -> sink" } }
    assert.is_true(sys.a:send(Number { n = 1 }))
    handled(sys.sink, 1)
    assert.is_true(rt:disconnect(sys.b, "next"))
    assert.is_true(sys.a:send(Number { n = 2 }))
    handled(sys.b, 2)
    assert.equal(1, sys.b:stats().dropped)
    assert.is_true(rt:connect(sys.b, "next", sys.sink))
    assert.is_true(sys.a:send(Number { n = 3 }))
    assert.equal(3, handled(sys.sink, 2).last)
  end)

  it("registers its actors under its own name", function()
    local one = deploy { name = "plant/1", actors = { a = Sink } }
    local two = deploy { name = "plant/2", actors = { a = Sink } }
    assert.equal(one.a, rt:find("plant/1/a"))
    assert.same({ one.a, two.a }, rt:actors("plant/*/a"))
  end)

  it("broadcasts, each type to who accepts it", function()
    local sys = deploy { actors = { a = Pass, x = Sink, y = Sink, z = Sink },
      links = { "a.next -> {x, y, z}" } }
    for i = 1, 20 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    for _, name in ipairs { "x", "y", "z" } do
      assert.same({ sum = 210.0, n = 20, last = 20 }, handled(sys[name], 20))
    end
    assert.same({ "a.next.router" }, { rt:actor("*.router").name })
  end)

  it("deals messages out in turn", function()
    local sys = deploy { actors = { a = Pass, x = Sink, y = Sink, z = Sink },
      links = { { from = "a.next", to = { "x", "y", "z" }, mode = "round_robin" } } }
    for i = 1, 9 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    assert.same({ sum = 12.0, n = 3, last = 7 }, handled(sys.x, 3))
    assert.same({ sum = 15.0, n = 3, last = 8 }, handled(sys.y, 3))
    assert.same({ sum = 18.0, n = 3, last = 9 }, handled(sys.z, 3))
  end)

  it("shards by a field: one key, one receiver, and the keys are spread", function()
    local places, counts = {}, {}
    local function shard(index)
      return function(_, msg)
        places[msg.n] = places[msg.n] or {}
        places[msg.n][index] = (places[msg.n][index] or 0) + 1
        counts[index] = (counts[index] or 0) + 1
      end
    end
    local sys = deploy { actors = { a = Pass, w1 = shard(1), w2 = shard(2), w3 = shard(3) },
      links = { "a.next -> {w1, w2, w3} shard n" } }
    for _ = 1, 3 do
      for key = -50, 49 do
        assert.is_true(sys.a:send(Number { n = key }))
      end
    end
    assert.is_true(eventually(function()
      rt:poll(0.01)
      return (counts[1] or 0) + (counts[2] or 0) + (counts[3] or 0) == 300
    end))
    for key = -50, 49 do
      local index, count = next(places[key])
      assert.is_nil(next(places[key], index), key)
      assert.equal(3, count)
    end
    for index = 1, 3 do
      assert.is_true(counts[index] > 45, index) -- 100 on average
    end
  end)

  it("shards by texts and by fractions", function()
    local Named = rk.message("Named", { { "who", "char[8]" }, { "x", "f64" } })
    local Relay = rk.kernel { name = "relay", accepts = { Named }, emits = { Named },
      ports = { "text", "real" }, source = [[
RK_ON(Named) {
  (void)state;
  (void)rk_send(ctx, RK_PORT_text, Named, msg);
  (void)rk_send(ctx, RK_PORT_real, Named, msg);
}]] }
    local seen = {}
    local function note(kind, key, index)
      return function(_, msg)
        local place = kind .. " " .. tostring(msg[key] + 0 == 0 and 0 or msg[key])
        seen[place] = seen[place] or {}
        seen[place][index] = true
        seen.count = (seen.count or 0) + 1
      end
    end
    local function text_note(index)
      return function(_, msg)
        seen["text " .. msg.who] = seen["text " .. msg.who] or {}
        seen["text " .. msg.who][index] = true
        seen.count = (seen.count or 0) + 1
      end
    end
    local sys = deploy { actors = { a = Relay, t1 = text_note(1), t2 = text_note(2),
      r1 = note("real", "x", 1), r2 = note("real", "x", 2) },
      links = { "a.text -> {t1, t2} shard who", "a.real -> {r1, r2} shard x" } }
    for round = 1, 2 do
      for i = 1, 20 do
        local zero = round == 1 and 0.0 or -0.0
        assert.is_true(sys.a:send(Named { who = "n" .. i, x = i == 1 and zero or i / 3 }))
      end
    end
    assert.is_true(eventually(function()
      rt:poll(0.01)
      return seen.count == 80
    end))
    seen.count = nil
    local both = { {}, {} }
    for place, set in pairs(seen) do
      local index = next(set)
      assert.is_nil(next(set, index), place)
      both[index][place:match("^%a+")] = true
    end
    assert.same({ { text = true, real = true }, { text = true, real = true } }, both)
  end)

  it("keeps the sender through a router, so that replies find the way", function()
    local answer
    local Ask = rk.actor { name = "ask", accepts = { Number }, emits = { Number },
      ports = { "next" }, on = { Number = function(ctx, msg)
        if ctx:envelope().sender == 0 then
          ctx:send("next", msg)
        else
          answer = { msg.n, ctx:envelope().sender }
        end
      end } }
    local sys = deploy { actors = { ask = Ask, w = Adder }, links = { "ask.next -> {w}" } }
    assert.is_true(sys.ask:send(Number { n = 5 }))
    assert.is_true(eventually(function()
      rt:poll(0.01)
      return answer
    end) ~= nil)
    assert.same({ 5, sys.w.id }, answer)
  end)

  it("is deployed as a whole or not at all", function()
    local Broken = rk.kernel { name = "broken", accepts = { Number },
      source = "RK_ON(Number) { x }" }
    local Refuses = rk.kernel { name = "refuses", accepts = { Number },
      source = "RK_ON_START() { (void)state; rk_fail(ctx, 9); } "
        .. "RK_ON(Number) { (void)ctx; (void)msg; (void)state; }" }
    assert(rt:launch(Sink, { name = "taken" }))
    local function fails(code, pattern, actors, extra)
      local net = rk.topology { actors = actors, links = extra and extra.links }
      local sys, text, got, log = rt:deploy(net)
      assert.is_nil(sys)
      assert.equal(code, got, text)
      assert.matches(pattern, text)
      assert.equal(1, #rt:actors(), text)
      return text, log
    end
    fails("exists", "^deploy: actor 'taken': an actor named 'taken' is alive$",
      { a = Sink, taken = Sink })
    local text, log = fails("exists", "^deploy: 2 problems\n", { b = Broken, taken = Sink })
    assert.matches("actor 'b': .*broken:1", text)
    assert.matches("broken:1", log)
    fails("invalid_state", "^deploy: actor 'r': .*start handler",
      { a = Sink, b = Pass, r = Refuses }, { links = { "b.next -> a" } })
    assert.matches("a topology %(rk.topology%) expected, got 5", error_of(rt.deploy, rt, 5))
  end)

  it("stops senders first and loses nothing", function()
    local count = 0
    local sys = deploy { actors = { a = Pass, b = Pass, c = Pass,
      sink = function() count = count + 1 end },
      links = { "a.next -> {b, c} round_robin", "{b.next, c.next} -> sink" } }
    local order = {}
    rt:watch("**", function(event)
      order[#order + 1] = event.event == "unregister" and event.name or nil
    end)
    for i = 1, 500 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    assert.same({ true, 0 }, { sys:stop() })
    assert.equal(500, count)
    assert.same({}, rt:dead_letters())
    rt:drain()
    assert.same({ "a", "a.next.router" }, { order[1], order[2] })
    assert.equal("sink", order[5])
    assert.equal(0, #rt:actors())
    assert.same({ true, 0 }, { sys:stop() })
    assert.equal("ringkernel.system: (stopped)", tostring(sys))
    local ok, _, code = sys:apply { actors = { a = Pass } }
    assert.same({ nil, "closed" }, { ok, code })
  end)

  it("says how much was left of what could not be handled", function()
    local sys = deploy { actors = { a = { Adder, activate = false } } }
    assert.equal("launched", sys.a:state())
    for i = 1, 3 do
      assert.is_true(sys.a:send(Number { n = i }))
    end
    assert.same({ true, 3 }, { sys:stop { timeout = 5 } })
    assert.equal(3, #rt:dead_letters())
  end)

  it("shows what it does", function()
    local sys = deploy { actors = { a = Pass, w = Picky, late = { Adder, activate = false } },
      links = { "a.next -> {w}" } }
    assert.is_true(sys.late:send(Number { n = 1 }))
    assert.is_true(sys.a:send(Number { n = 1 }))
    handled(sys.w, 1)
    assert.matches("^a %[active, 0/1024 waiting, 1 handled%]\n"
      .. "`%- next %-> %[broadcast%] %[active, 0/256 waiting, 1 handled%]\n"
      .. "   `%- out0 %-> w %[active, 0/1024 waiting, 1 handled%]\n"
      .. "late %[launched, %d/1024 waiting, 0 handled%]\n$", sys:tree())
    assert.is_true(sys.w:send(Number { n = -13 }))
    assert.is_true(eventually(function()
      return sys.w:state() == "failed"
    end))
    assert.matches("w %[failed, 0/1024 waiting, 2 handled, [%d.e+-]+/[%d.e+-]+/[%d.e+-]+ a second, "
      .. "last error 77%]",
      sys:tree())
    assert.equal(rk.topology { actors = { a = Pass, w = Picky, late = Adder },
      links = { "a.next -> {w}" } }:dot(), sys:dot())
  end)
end)
