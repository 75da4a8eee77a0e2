-- Actors: launching, names, states and transitions, statistics, state.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, Adder, Sink = support.Number, support.Adder, support.Sink
local error_of, eventually = support.error_of, support.eventually

describe("actors #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  --- What a call that fails as expected returns.
  local function fails(code, value, message, got)
    assert.is_nil(value)
    assert.is_string(message)
    assert.equal(code, got, message)
    return message
  end

  describe("launching", function()
    it("gives an active actor with name and id", function()
      local a = assert(rt:launch(Adder, { name = "a1", queue = 16, activate = true, grid = 1 }))
      assert.equal("a1", a.name)
      assert.equal("integer", math.type(a.id))
      assert.equal("active", a:state())
      assert.is_true(a:is_active())
      assert.equal(rt, a.runtime)
      assert.equal(Adder, a.definition)
      assert.equal("ringkernel.actor: a1 (active)", tostring(a))
      assert.equal(16, a:stats().queue)
    end)

    it("makes up names", function()
      local a, b = assert(rt:launch(Adder)), assert(rt:launch(Adder))
      assert.matches("^adder", a.name)
      assert.are_not.equal(a.name, b.name)
      assert.are_not.equal(a, b)
    end)

    it("leaves it launched if asked to", function()
      local a = assert(rt:launch(Adder, { activate = false }))
      assert.equal("launched", a:state())
      assert.is_false(a:is_active())
      assert.is_true(a:activate())
      assert.equal("active", a:state())
    end)

    it("refuses a name that is taken", function()
      assert(rt:launch(Adder, { name = "same" }))
      fails("exists", rt:launch(Adder, { name = "same" }))
      assert.equal(1, #rt:actors())
    end)

    it("knows the stock kernels by name", function()
      assert.equal("active", assert(rt:launch("echo")):state())
      assert.matches("did you mean 'echo'", fails("not_found", rt:launch("ecko")))
    end)

    it("puts it on the block that was asked for", function()
      assert.equal(1, assert(rt:launch(Adder, { block = 1 })):stats().block)
      assert.equal(0, assert(rt:launch(Adder, { block = 0 })):stats().block)
    end)

    it("refuses wrong options", function()
      local function refusal(...)
        return error_of(rt.launch, rt, ...)
      end
      assert.matches("launch: unknown option 'queu' %(did you mean 'queue'%?%)",
        refusal(Adder, { queu = 5 }))
      assert.matches("launch: option 'queue': a whole number from 1 to 65536 expected, got 0",
        refusal(Adder, { queue = 0 }))
      assert.matches("launch: option 'queue': a whole number from 1 to 65536 expected, got 1.5",
        refusal(Adder, { queue = 1.5 }))
      assert.matches("launch: option 'activate': true or false expected, got 1",
        refusal(Adder, { activate = 1 }))
      assert.matches("launch: option 'name': a string, not empty expected, got ''",
        refusal(Adder, { name = "" }))
      assert.matches("a table of options expected, got 5", refusal(Adder, 5))
      assert.matches("a kernel definition .* or the name of a stock one expected, got table",
        refusal({}))
    end)
  end)

  describe("are found", function()
    it("by name, id and pattern", function()
      local a = assert(rt:launch(Adder, { name = "plant/a/pump" }))
      local b = assert(rt:launch(Adder, { name = "plant/b/pump" }))
      assert.equal(a, rt:find("plant/a/pump"))
      assert.is_true(rawequal(a, rt:find("plant/a/pump")))
      assert.equal(b, rt:find(b.id))
      assert.equal(a, rt:actor("plant/*/pump"))
      assert.equal(b, rt:actor("plant/b/*"))
      assert.equal(a, rt:actor("**"))
      assert.same({ a, b }, rt:actors())
      fails("not_found", rt:find("nobody"))
      fails("not_found", rt:find(12345))
      fails("not_found", rt:actor("other/*"))
      assert.matches("a name or an actor id expected, got true", error_of(rt.find, rt, true))
    end)

    it("not once they have ended", function()
      local a = assert(rt:launch(Adder, { name = "gone" }))
      assert.is_true(a:terminate())
      fails("not_found", rt:find("gone"))
      assert.equal(0, #rt:actors())
      assert.is_truthy(rt:launch(Adder, { name = "gone" }))
    end)

    it("again after their handle was collected", function()
      local id = assert(rt:launch(Adder, { name = "kept" })).id
      collectgarbage()
      collectgarbage()
      local again = assert(rt:find("kept"))
      assert.equal(id, again.id)
      assert.equal(Adder, again.definition)
      assert.equal(3, assert(again:call(Number { n = 3 }, 5)).n)
    end)
  end)

  describe("transitions", function()
    -- from -> transition -> what state it leads to; everything else is invalid_state
    local allowed = {
      launched = { activate = "active", resume = "active", terminate = "terminated" },
      active = { deactivate = "deactivated", suspend = "deactivated", terminate = "terminated" },
      deactivated = { activate = "active", resume = "active", terminate = "terminated" },
      terminated = {},
    }
    local function actor_in(state)
      local a = assert(rt:launch(Adder, { activate = state ~= "launched" }))
      if state == "deactivated" then
        assert(a:deactivate())
      elseif state == "terminated" then
        assert(a:terminate())
      end
      assert.equal(state, a:state())
      return a
    end
    for state, transitions in pairs(allowed) do
      for _, name in ipairs { "activate", "resume", "deactivate", "suspend", "terminate" } do
        local target = transitions[name]
        it(("%s: %s -> %s"):format(state, name, target or "invalid_state"), function()
          local a = actor_in(state)
          if target then
            assert.is_true(a[name](a))
          else
            fails("invalid_state", a[name](a))
          end
          assert.equal(target or state, a:state())
        end)
      end
    end

    it("keep the queue across suspension, and handle nothing meanwhile", function()
      local a = assert(rt:launch(Sink))
      assert(a:suspend())
      for n = 1, 5 do
        assert.is_true(a:send(Number { n = n }))
      end
      assert.equal(0, a:peek_state().n)
      assert(a:resume())
      assert.is_truthy(eventually(function() return a:peek_state().n == 5 end))
      assert.equal(15.0, a:peek_state().sum)
    end)

    it("queue for an actor that is only launched, until it is full", function()
      local a = assert(rt:launch(Sink, { activate = false, queue = 2 }))
      assert.is_true(a:send(Number { n = 1 }))
      assert.is_true(a:send(Number { n = 2 }))
      fails("full", a:send(Number { n = 3 }))
      assert(a:activate())
      assert.is_truthy(eventually(function() return a:peek_state().n == 2 end))
    end)

    it("restart zeroes the state", function()
      local a = assert(rt:launch(Adder))
      assert.equal(5, a:call(Number { n = 5 }, 5).n)
      assert.is_true(a:restart())
      assert.equal(1, a:call(Number { n = 1 }, 5).n)
      assert.equal(1, a:peek_state().started)
    end)
  end)

  describe("that fail", function()
    it("are failed with the handler's code until they are restarted", function()
      local a = assert(rt:launch(Adder))
      assert.is_true(a:send(Number { n = -13 }))
      assert.is_truthy(eventually(function()
        rt:drain()
        return a:state() == "failed"
      end))
      assert.equal(77, a:stats().last_error)
      assert.equal(1, a:stats().errors)
      assert.is_true(a:restart())
      assert.equal("active", a:state())
      assert.equal(2, a:call(Number { n = 2 }, 5).n)
    end)

    it("stop by themselves with rk_stop", function()
      local a = assert(rt:launch(Adder))
      assert.is_true(a:send(Number { n = -99 }))
      assert.is_truthy(eventually(function()
        rt:drain()
        return a:state() == "terminated"
      end))
      fails("terminated", a:send(Number { n = 1 }))
    end)
  end)

  it("count what they do", function()
    local a = assert(rt:launch(Adder))
    for n = 1, 10 do
      assert(a:send(Number { n = n }))
    end
    local last
    for _ = 1, 10 do
      last = assert(a:receive(5))
    end
    assert.equal(55, last.n)
    -- a block counts when the turn is over, the last answer was sent before
    eventually(function() return a:stats().processed == 10 and rt:stats().handled == 10 end)
    local stats = a:stats()
    assert.equal(10, stats.processed)
    assert.equal(10, stats.sent)
    assert.equal(10, stats.received)
    assert.equal(0, stats.errors)
    assert.equal(0, stats.dropped)
    assert.is_true(stats.latency_mean >= 0 and stats.latency_max >= stats.latency_min)
    assert.is_true(stats.last_activity.physical > 0)
    local telemetry = a:telemetry()
    assert.equal(10, telemetry.messages_processed)
    assert.equal(0, telemetry.messages_dropped)
    assert.equal(0, telemetry.error_code)
    local all = rt:stats()
    assert.equal(1, all.actors)
    assert.equal(10, all.sent)
    assert.equal(10, all.received)
    assert.equal(10, all.handled)
  end)

  it("show their state while they run", function()
    local State = rk.kernel {
      name = "state",
      accepts = { Number },
      state = {
        { "i", "i16" }, { "list", "u8[3]" }, { "text", "char[8]" }, { "flag", "bool" },
        { "real", "f32" }, { "data", "buffer" }, { "big", "f64[10000]" },
      },
      source = [[
RK_ON(Number) {
  (void)ctx;
  state->i = (rk_i16)msg->n; state->list[1] = 7; state->text[0] = 'h'; state->text[1] = 'i';
  state->flag = 1; state->real = 0.5f; state->data.count = 3; state->big[9999] = 2.5;
}]],
    }
    local a = assert(rt:launch(State))
    assert(a:send(Number { n = -5 }))
    local state = eventually(function()
      local now = a:peek_state()
      return now.i ~= 0 and now
    end)
    assert.equal(-5, state.i)
    assert.same({ 0, 7, 0 }, state.list)
    assert.equal("hi", state.text)
    assert.is_true(state.flag)
    assert.equal(0.5, state.real)
    assert.same({ address = 0, count = 3 }, state.data)
    assert.equal(10000, #state.big)
    assert.equal(2.5, state.big[10000])
    assert.same({}, assert(rt:launch("echo")):peek_state())
  end)

  it("may stop in their start handler, and are not stopped when that failed", function()
    local Brief = rk.kernel {
      name = "brief", accepts = { Number },
      source = "RK_ON_START() { (void)state; rk_stop(ctx); }\n"
        .. "RK_ON(Number) { (void)ctx; (void)msg; (void)state; }",
    }
    local Faulty = rk.kernel {
      name = "faulty", accepts = { Number }, state = { { "x", "u32" } },
      source = "RK_ON_START() { (void)state; rk_fail(ctx, 5); }\n"
        .. "RK_ON_STOP() { (void)ctx; state->x = *(volatile rk_u32 *)0; }\n"
        .. "RK_ON(Number) { (void)ctx; (void)msg; (void)state; }",
    }
    local a = assert(rt:launch(Brief))
    assert.is_truthy(eventually(function() return a:state() == "terminated" end))
    local none, message, code = rt:launch(Faulty)
    assert.is_nil(none)
    assert.equal("invalid_state", code)
    assert.matches("start handler of 'faulty#1' failed with code 5", message)
    assert.equal(0, #rt:actors())
  end)
end)
