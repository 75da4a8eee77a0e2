-- Sending, receiving, calling; back-pressure, envelopes, deadlines, dead letters, ports.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Reading, Reset = support.Number, support.Reading, support.Reset
local Adder, Sink, Smooth = support.Adder, support.Sink, support.Smooth
local error_of, eventually = support.error_of, support.eventually

describe("messages #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2, node = 5 })
  end)

  after_each(function()
    rt:close()
  end)

  local function fails(code, value, message, got)
    assert.is_nil(value)
    assert.is_string(message)
    assert.equal(code, got, message)
    return message
  end

  it("arrive in order, as messages of their type", function()
    local a = assert(rt:launch(Adder))
    for n = 1, 100 do
      assert.is_true(a:send(Number { n = n }))
    end
    local sum = 0
    for n = 1, 100 do
      sum = sum + n
      local m = assert(a:receive(5))
      assert.equal(sum, m.n)
      assert.equal(Number, getmetatable(m))
    end
    fails("empty", a:try_receive())
  end)

  it("carry an envelope", function()
    local a = assert(rt:launch(Adder))
    assert(a:send(Number { n = 1 }, { correlation = 77 }))
    local m = assert(a:receive(5))
    local envelope = rk.envelope(m)
    assert.equal(77, envelope.correlation)
    assert.equal(a.id, envelope.sender)
    assert.equal(Number.id, envelope.type)
    assert.equal("normal", envelope.priority)
    assert.are_not.equal(0, envelope.id)
    assert.equal("integer", math.type(envelope.flags))
    assert.equal(5, envelope.hlc.node)
    local age = os.time() - envelope.hlc.physical / 1e6
    assert.is_true(age > -5 and age < 60)
    assert.is_nil(rk.envelope(Number { n = 1 }))
    local keys = {}
    for key in pairs(m) do
      keys[#keys + 1] = key
    end
    assert.same({ "n" }, keys)
  end)

  describe("send", function()
    it("raises for what is no message, or not accepted", function()
      local a = assert(rt:launch(Smooth, { name = "s" }))
      assert.matches("a message %(made by a message type%) expected, got table",
        error_of(a.send, a, { sensor = 1 }))
      assert.matches("a message .* expected, got nil", error_of(a.send, a))
      assert.matches("actor 's' does not accept Number; it accepts Reading, Reset",
        error_of(a.send, a, Number { n = 1 }))
      assert.matches("Reading: field 'sensor': u32 takes 0..4294967295, got %-5",
        error_of(function()
          local r = Reading {}
          r.sensor = -5
          a:send(r)
        end))
      assert.equal(0, a:stats().sent)
    end)

    it("raises for wrong options", function()
      local a = assert(rt:launch(Adder))
      local function refusal(options)
        return error_of(a.send, a, Number { n = 1 }, options)
      end
      assert.matches("send: unknown option 'prioriti' %(did you mean 'priority'%?%)",
        refusal { prioriti = "high" })
      assert.matches("send: option 'priority': 'normal' or 'high' expected, got 'urgent'",
        refusal { priority = "urgent" })
      assert.matches("send: option 'priority': a string expected, got 1", refusal { priority = 1 })
      assert.matches("send: option 'deadline': seconds from now .* expected, got 'soon'",
        refusal { deadline = "soon" })
      assert.matches("send: option 'deadline': seconds from now .* expected, got %-1",
        refusal { deadline = -1 })
      assert.matches("send: option 'correlation': a whole number", refusal { correlation = 1.5 })
      assert.equal(0, a:stats().sent)
    end)

    it("returns full when the queue is, and loses nothing", function()
      local a = assert(rt:launch(Sink, { queue = 4, activate = false }))
      for n = 1, 4 do
        assert.is_true(a:send(Number { n = n }))
      end
      fails("full", a:send(Number { n = 5 }))
      assert.equal(1, rt:stats().refused_full)
      assert(a:activate())
      assert.is_truthy(eventually(function() return a:send(Number { n = 6 }) end))
      assert.is_truthy(eventually(function() return a:peek_state().n == 5 end))
      assert.equal(16.0, a:peek_state().sum)
    end)

    it("returns terminated for an actor that has ended", function()
      local a = assert(rt:launch(Adder))
      assert(a:terminate())
      fails("terminated", a:send(Number { n = 1 }))
    end)

    it("lets high priority overtake", function()
      local a = assert(rt:launch(Sink, { activate = false }))
      for n = 1, 5 do
        assert(a:send(Number { n = n }))
      end
      assert(a:send(Number { n = 100 }, { priority = "high" }))
      assert(a:activate())
      assert.is_truthy(eventually(function() return a:peek_state().n == 6 end))
      assert.equal(5, a:peek_state().last)
    end)
  end)

  describe("send_many", function()
    it("sends all of a list, of several types", function()
      local a = assert(rt:launch(Sink))
      local list = {}
      for n = 1, 50 do
        list[n] = n % 3 == 0 and Reading { value = n } or Number { n = n }
      end
      assert.equal(50, a:send_many(list))
      assert.is_truthy(eventually(function() return a:peek_state().n == 50 end))
      assert.equal(1275.0, a:peek_state().sum)
      assert.equal(0, a:send_many {})
    end)

    it("says how many fitted", function()
      local a = assert(rt:launch(Sink, { queue = 4, activate = false }))
      local list = {}
      for n = 1, 6 do
        list[n] = Number { n = n }
      end
      local sent, message, code = a:send_many(list)
      assert.equal(4, sent)
      assert.is_string(message)
      assert.equal("full", code)
    end)

    it("sends nothing if one of them is wrong", function()
      local a = assert(rt:launch(Sink))
      local bad = Reading {}
      bad.sensor = 1.5
      assert.matches("element 2: a message expected, got table",
        error_of(a.send_many, a, { Number { n = 1 }, {} }))
      assert.matches("Reading: field 'sensor'", error_of(a.send_many, a, { Number { n = 1 }, bad }))
      assert.equal(0, a:stats().sent)
    end)

    it("sends packed messages of one type", function()
      local a = assert(rt:launch(Sink, { queue = 256 }))
      local packed = {}
      for n = 1, 100 do
        packed[n] = Number:pack(Number { n = n })
      end
      packed = table.concat(packed)
      assert.equal(100, a:send_many(packed, Number))
      assert.is_truthy(eventually(function() return a:peek_state().n == 100 end))
      assert.equal(5050.0, a:peek_state().sum)
      assert.equal(100, a:peek_state().last)
      assert.equal(0, a:send_many("", Number))
      assert(a:deactivate())
      local sent, _, code = a:send_many(packed:rep(3), Number, { priority = "normal" })
      assert.equal(256, sent)
      assert.equal("full", code)
      assert(a:activate())
      assert.is_truthy(eventually(function() return a:peek_state().n == 356 end))
    end)

    it("refuses bytes that are no whole messages, and types that are none or not taken", function()
      local a = assert(rt:launch(Sink))
      assert.matches("whole messages of Number expected, of 8 bytes each, got 9 bytes",
        error_of(a.send_many, a, ("x"):rep(9), Number))
      assert.matches("a message type expected, got nil", error_of(a.send_many, a, ("x"):rep(8)))
      assert.matches("a list of messages, or a string of packed ones expected, got 5",
        error_of(a.send_many, a, 5))
      local Other = rk.message("PackedOther", { { "x", "u64" } })
      assert.matches("does not accept PackedOther; it accepts Number",
        error_of(a.send_many, a, ("x"):rep(8), Other))
      assert.equal(0, a:stats().sent)
    end)

    it("packs messages larger than it guessed", function()
      local Big = rk.message("Big", { { "data", "u32[1000]" } })
      local Last = rk.kernel {
        name = "last",
        accepts = { Big },
        state = { { "sum", "u64" } },
        source = "RK_ON(Big) { (void)ctx; state->sum += msg->data[999]; }",
      }
      local a = assert(rt:launch(Last))
      local list = {}
      for n = 1, 20 do
        local data = {}
        data[999] = 0
        for index = 1, 1000 do
          data[index] = n
        end
        list[n] = Big { data = data }
      end
      assert.equal(20, a:send_many(list))
      assert.is_truthy(eventually(function() return a:peek_state().sum == 210 end))
    end)
  end)

  describe("receive", function()
    it("times out after the time given, and at once for 0", function()
      local a = assert(rt:launch(Adder))
      local before = core.clock()
      fails("timeout", a:receive(0.05))
      local took = core.clock() - before
      assert.is_true(took >= 0.05 and took < 2, took)
      before = core.clock()
      fails("timeout", a:receive(0))
      assert.is_true(core.clock() - before < 0.05)
    end)

    it("raises for a timeout that is none", function()
      local a = assert(rt:launch(Adder))
      for _, timeout in ipairs { -1, "1", {}, 0 / 0 } do
        assert.matches("receive: timeout: seconds %(0 or more%) or nil expected",
          error_of(a.receive, a, timeout))
      end
    end)

    it("gives what is left after the actor has ended, then terminated", function()
      local a = assert(rt:launch(Adder))
      assert(a:send(Number { n = 1 }))
      assert.is_truthy(eventually(function() return a:stats().processed == 1 end))
      assert(a:terminate())
      assert.equal(1, assert(a:receive(5)).n)
      fails("terminated", a:receive(5))
      fails("terminated", a:try_receive())
    end)

    it("takes many at once", function()
      local a = assert(rt:launch(Adder))
      for n = 1, 10 do
        assert(a:send(Number { n = n }))
      end
      local got = {}
      while #got < 10 do
        local some = assert(a:receive_many(4, 5))
        assert.is_true(#some >= 1 and #some <= 4)
        table.move(some, 1, #some, #got + 1, got)
      end
      assert.equal(55, got[10].n)
      fails("timeout", a:receive_many(4, 0.01))
      assert.matches("receive_many: max: a whole number, 1 or more, expected, got 0",
        error_of(a.receive_many, a, 0))
    end)

    it("iterates with each until nothing comes in time", function()
      local a = assert(rt:launch(Adder))
      for n = 1, 3 do
        assert(a:send(Number { n = n }))
      end
      local sums = {}
      for m in a:each { timeout = 0.2 } do
        sums[#sums + 1] = m.n
      end
      assert.same({ 1, 3, 6 }, sums)
      assert.matches("each: unknown option 'time'", error_of(a.each, a, { time = 1 }))
      assert.matches("each: timeout: seconds", error_of(a.each, a, { timeout = -1 }))
    end)
  end)

  describe("call", function()
    it("returns the reply and leaves other messages alone", function()
      local a = assert(rt:launch(Adder))
      assert(a:send(Number { n = 1 }))
      assert(a:send(Number { n = 2 }))
      assert.equal(13, assert(a:call(Number { n = 10 }, 5)).n)
      assert.equal(1, assert(a:receive(5)).n)
      assert.equal(3, assert(a:receive(5)).n)
      fails("empty", a:try_receive())
    end)

    it("times out, and the late reply becomes a dead letter", function()
      local a = assert(rt:launch(Adder, { activate = false }))
      fails("timeout", a:call(Number { n = 1 }, 0.02))
      assert(a:activate())
      assert.is_truthy(eventually(function() return #rt:dead_letters() == 1 end))
      assert.equal("late", rt:dead_letters()[1].reason)
      fails("empty", a:try_receive())
    end)

    it("returns terminated when the actor ends first", function()
      local a = assert(rt:launch(Adder))
      fails("terminated", a:call(Number { n = -99 }, 5))
    end)

    it("ends at once when the handler fails on the request", function()
      local a = assert(rt:launch(Adder))
      local start = core.clock()
      fails("not_active", a:call(Number { n = -13 }, 60))
      assert.is_true(core.clock() - start < 30)
      assert.equal("failed", a:state())
      assert.is_true(a:restart())
      assert.equal(4, assert(a:call(Number { n = 4 }, 5)).n)
    end)

    it("raises for a wrong timeout or message", function()
      local a = assert(rt:launch(Adder, { name = "adder1" }))
      assert.matches("call: timeout", error_of(a.call, a, Number { n = 1 }, "1"))
      assert.matches("a message", error_of(a.call, a, {}, 1))
      assert.matches("actor 'adder1' does not accept Reset; it accepts Number",
        error_of(a.call, a, Reset {}, 1))
    end)
  end)

  describe("that cannot be handled", function()
    it("past their deadline go to the dead letters", function()
      local a = assert(rt:launch(Sink, { activate = false }))
      assert(a:send(Number { n = 1 }, { deadline = 0.01, correlation = 9 }))
      assert(a:send(Number { n = 2 }, { deadline = 60 }))
      assert(a:send(Number { n = 3 }, { deadline = rk.hlc(1):now() }))
      local before = core.clock()
      while core.clock() - before < 0.03 do
        rt:poll(0.01)
      end
      assert(a:activate())
      assert.is_truthy(eventually(function() return a:peek_state().n == 1 end))
      assert.equal(2, a:peek_state().last)
      local letters = assert(eventually(function()
        local list = rt:dead_letters()
        return #list == 2 and list
      end))
      local letter = letters[1]
      assert.equal("deadline", letter.reason)
      assert.equal(1, letter.message.n)
      assert.equal(Number, getmetatable(letter.message))
      assert.equal(Number:pack(Number { n = 1 }), letter.bytes)
      assert.equal(a.id, letter.dest)
      assert.equal(0, letter.source)
      assert.equal(9, letter.correlation)
      assert.is_true(letter.hlc.physical > 0)
      assert.are_not.equal(0, letter.id)
      assert.is_true(rt:clear_dead_letters())
      assert.same({}, rt:dead_letters())
      assert.equal(2, rt:stats().dead_letters)
    end)

    it("because the actor ended do too", function()
      local a = assert(rt:launch(Sink, { activate = false }))
      for n = 1, 3 do
        assert(a:send(Number { n = n }))
      end
      assert(a:terminate())
      local letters = rt:dead_letters()
      assert.equal(3, #letters)
      for n, letter in ipairs(letters) do
        assert.equal("terminated", letter.reason)
        assert.equal(n, letter.message.n)
      end
    end)

    it("because the handler failed do too", function()
      local a = assert(rt:launch(Adder))
      assert(a:send(Number { n = -13 }))
      assert.is_truthy(eventually(function() return #rt:dead_letters() == 1 end))
      assert.equal("failed", rt:dead_letters()[1].reason)
    end)
  end)

  it("pass through ports", function()
    local a = assert(rt:launch(Smooth, { name = "a" }))
    local b = assert(rt:launch(Sink, { name = "b" }))
    assert.is_true(rt:connect(a, "next", b))
    for n = 1, 4 do
      assert(a:send(Reading { value = n }))
    end
    assert.is_truthy(eventually(function() return b:peek_state().n == 4 end))
    assert.equal(1 + 1.5 + 2 + 2.5, b:peek_state().sum)
    fails("exists", rt:connect(a, "next", b))
    assert.is_true(rt:disconnect(a, "next"))
    assert(a:send(Reading { value = 1 }))
    assert.is_truthy(eventually(function() return a:stats().dropped == 1 end))
    assert.equal(4, b:peek_state().n)
  end)

  it("cannot pass through ports that do not fit", function()
    local a = assert(rt:launch(Smooth, { name = "a" }))
    local b = assert(rt:launch(Adder, { name = "b" }))
    local message = fails("not_found", rt:connect(a, "nxt", b))
    assert.matches("nxt", message)
    assert.is_string(error_of(rt.connect, rt, a, "next", b)) -- takes nothing that a emits
    local small = assert(rt:launch(Sink, { queue = 2 }))
    assert.is_string(error_of(rt.connect, rt, a, "next", small)) -- smaller than the burst
    assert.matches("ringkernel.actor expected", error_of(rt.connect, rt, a, "next", "b"))
    local other <close> = assert(rk.open { blocks = 1 })
    assert.matches("same runtime", error_of(rt.connect, rt, a, "next", assert(other:launch(Sink))))
    assert(b:terminate())
  end)

  it("carry actors, timestamps and buffers", function()
    local Refs = rk.message("Refs", { { "who", "id" }, { "at", "hlc" }, { "data", "buffer" } })
    local Mirror = rk.kernel {
      name = "mirror",
      accepts = { Refs },
      emits = { Refs },
      source = "RK_ON(Refs) { (void)state; rk_reply(ctx, Refs, msg); }",
    }
    local a = assert(rt:launch(Mirror))
    local data = assert(rt:buffer("f32", 10))
    local at = rk.hlc(3):tick()
    local back = assert(a:call(Refs { who = a, at = at, data = data }, 5))
    assert.equal(a, rt:find(back.who))
    assert.equal(at.physical, back.at.physical)
    assert.equal(at.logical, back.at.logical)
    assert.same({ address = data.address, count = 10 }, back.data)
    assert.same(back.data, assert(a:call(back, 5)).data)
  end)

  it("are checked on the way when the runtime was told to", function()
    local checked <close> = assert(rk.open { blocks = 1, checksum = true })
    local a = assert(checked:launch(Adder))
    assert.equal(3, assert(a:call(Number { n = 3 }, 5)).n)
  end)
end)
