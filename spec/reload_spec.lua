-- SPDX-License-Identifier: MIT
--- Hot reload of one actor: state, queue, links, versions, refusals, and going back.

local rk = require "ringkernel"

local kit = dofile("spec/reload_kit.lua")
local support = dofile("spec/support.lua")

local Number, Large, Tick = kit.Number, kit.Large, kit.Tick
local ask, sum_of, depth = kit.ask, kit.sum_of, kit.depth

describe("actor:reload", function()
  local rt, living

  setup(function()
    rt = rk.open { blocks = 2 }
  end)
  teardown(function()
    rt:close()
  end)
  before_each(function()
    living = {}
  end)
  after_each(function()
    for _, actor in ipairs(living) do
      if actor:state() ~= "terminated" then
        actor:terminate()
      end
    end
    rt:clear_dead_letters()
  end)

  local function launch(definition, options)
    local actor = assert(rt:launch(definition, options))
    living[#living + 1] = actor
    return actor
  end

  -- ---- what stays and what changes -------------------------------------------------------------

  it("brings new handlers to the same actor and the same state", function()
    local actor = launch(kit.Plain, { name = "same" })
    local id = actor.id
    assert.equal(5, ask(actor, 5))
    local info = assert(actor:reload(kit.Tenfold))
    assert.equal(2, info.version)
    assert.equal("kept", info.state)
    assert.is_true(info.pause_s > 0 and info.pause_s < 5)
    assert.is_true(info.total_s >= info.pause_s)
    assert.equal(55, ask(actor, 5))
    assert.same({ sum = 55, n = 2, starts = 0 }, actor:peek_state())
    assert.equal(id, actor.id)
    assert.equal("active", actor:state())
    assert.is_true(rawequal(kit.Tenfold, actor.definition))
    assert.is_true(rawequal(kit.Tenfold, rt:find("same").definition))
    assert.same({ 2, 1 }, { actor:version() })
    assert.equal(2, actor:stats().processed)
  end)

  it("handles what waited with the new handlers, in order", function()
    local actor = launch(kit.Plain)
    actor:suspend()
    for n = 1, 20 do
      actor:send(Number { n = n })
    end
    assert(actor:reload(kit.Tenfold))
    assert.equal("deactivated", actor:state())
    actor:resume()
    local sum = 0
    for n = 1, 20 do
      sum = sum + 10 * n
      assert.equal(sum, actor:receive(5).n)
    end
  end)

  it("loses nothing, doubles nothing and keeps the order under load", function()
    local feeder, worker = launch(kit.Feeder), launch(kit.Worker)
    local sink = launch(kit.Order)
    rt:connect(feeder, "next", worker)
    rt:connect(worker, "next", sink)
    assert(kit.WorkerNew:compile(rt))
    local total, swaps = 30000, 0
    feeder:send(Number { n = total })
    while sink:peek_state().n < total and swaps < 5000 do
      assert(worker:reload(swaps % 2 == 0 and kit.WorkerNew or kit.Worker))
      swaps = swaps + 1
    end
    assert.is_true(support.eventually(function()
      return sink:peek_state().n == total
    end))
    local seen = sink:peek_state()
    assert.same({ total, 0, total }, { seen.n, seen.wrong, seen.last })
    assert.is_true(seen.by_old > 0 and seen.by_new > 0)
    assert.equal(total, seen.by_old + seen.by_new)
    assert.equal(total, worker:peek_state().n)
    assert.equal(total, worker:stats().processed)
    assert.same({}, rt:dead_letters())
  end)

  it("carries links over by name, also with another burst", function()
    local worker, first, second = launch(kit.Worker), launch(kit.Order), launch(kit.Order)
    rt:connect(worker, "next", first)
    assert(worker:reload(kit.WorkerTwo)) -- "other", then "next"; burst 8 instead of 1
    rt:connect(worker, "other", second)
    for n = 1, 3000 do
      while not worker:send(Number { n = n }) do
        rt:poll(0.001)
      end
    end
    assert.is_true(support.eventually(function()
      return first:peek_state().n == 3000 and second:peek_state().n == 3000
    end))
    assert.equal(0, first:peek_state().wrong)
    assert(rt:disconnect(worker, "other"))
    assert(worker:reload(kit.Worker))
    local small = launch(kit.Order, { queue = 2 })
    assert(rt:disconnect(worker, "next"))
    assert(rt:connect(worker, "next", small)) -- whose room nobody holds
    local before = small:peek_state().n
    worker:send(Number { n = 1 })
    assert.is_true(support.eventually(function()
      return small:peek_state().n == before + 1
    end))
  end)

  it("makes room for larger messages and moves what waits there", function()
    local feeder, actor = launch(kit.Feeder), launch(kit.Plain, { queue = 64 })
    rt:connect(feeder, "next", actor)
    actor:suspend()
    for n = 1, 30 do
      actor:send(Number { n = n })
      actor:send(Number { n = n }, { priority = "high" })
    end
    feeder:send(Number { n = 40 }) -- from an actor
    assert.is_true(support.eventually(function()
      return depth(actor) == 100
    end))
    assert(actor:reload(kit.Larger))
    assert.equal(100, depth(actor))
    actor:resume()
    local many = Large { n = 100000, pad = { [1] = 1 } }
    many.pad[500] = 7
    assert.is_true(support.eventually(function()
      return actor:peek_state().n == 100
    end))
    assert.equal(2 * sum_of(30) + sum_of(40), actor:peek_state().sum)
    actor:send(many)
    assert.is_true(support.eventually(function()
      return actor:peek_state().n == 101
    end))
    assert.equal(2 * sum_of(30) + sum_of(40) + 100008, actor:peek_state().sum)
    assert(actor:reload(kit.Plain))
    feeder:send(Number { n = 10 })
    assert.is_true(support.eventually(function()
      return actor:peek_state().n == 111
    end))
    assert(actor:terminate())
  end)

  -- ---- start handlers --------------------------------------------------------------------------

  it("runs the new start handler on the state it takes over", function()
    local actor = launch(kit.Plain)
    ask(actor, 3)
    assert(actor:reload(kit.Started))
    assert.same({ sum = 3, n = 1, starts = 1 }, actor:peek_state())
    local idle = launch(kit.Plain, { activate = false })
    assert(idle:reload(kit.Started))
    assert.equal(0, idle:peek_state().starts)
    idle:activate()
    assert.equal(1, idle:peek_state().starts)
  end)

  it("goes on with what it had when the new start handler fails", function()
    local worker, sink = launch(kit.Worker, { name = "keeps" }), launch(kit.Order)
    rt:connect(worker, "next", sink)
    worker:send(Number { n = 1 })
    local ok, text, code = worker:reload(kit.WorkerBad)
    assert.same({ nil, "invalid_state" }, { ok, code })
    assert.matches("'keeps': the start handler of 'worker' failed with code 9", text)
    assert.equal("active", worker:state())
    assert.same({ 1, nil }, { worker:version() })
    assert.is_true(rawequal(kit.Worker, worker.definition))
    worker:send(Number { n = 2 })
    assert.is_true(support.eventually(function()
      return sink:peek_state().n == 2
    end))
    assert.equal(2, sink:peek_state().by_old)
    assert.equal(2, worker:peek_state().n) -- what that handler wrote is gone
    assert(worker:reload(kit.WorkerNew))
    assert.equal(2, worker:version())
  end)

  -- ---- state -----------------------------------------------------------------------------------

  it("refuses another layout without a migration, and says both", function()
    local actor = launch(kit.Plain, { name = "layout" })
    local ok, text, code = actor:reload(kit.Mean)
    assert.same({ nil, "unsupported" }, { ok, code })
    assert.matches("{ total f64, count u32 } instead of { sum i64, n i64, starts u32 }", text, 1,
      true)
    assert.equal(1, ask(actor, 1))
  end)

  it("makes the new state with a function while the actor rests", function()
    local actor = launch(kit.Plain)
    ask(actor, 4)
    ask(actor, 8)
    local seen, state
    local info = assert(actor:reload(kit.Mean, { migrate = function(old, which)
      seen, state = old, which:state()
      return { total = old.sum, count = old.n }
    end }))
    assert.same({ sum = 12, n = 2, starts = 0 }, seen)
    assert.equal("deactivated", state)
    assert.equal("migrated", info.state)
    assert.equal("active", actor:state())
    assert.same({ total = 12.0, count = 2 }, actor:peek_state())
    assert.equal(8, ask(actor, 12))
  end)

  it("goes on with what it had when the function fails", function()
    local actor = launch(kit.Plain, { name = "unmoved" })
    ask(actor, 4)
    local wrong = {
      ["no way"] = function() error("no way") end,
      ["a table expected, got 7"] = function() return 7 end,
      ["field 'count': u32 does not take %-1"] = function() return { count = -1 } end,
      ["field 'total': f64 does not take 'x'"] = function() return { total = "x" } end,
      ["no field 'totals' %(did you mean 'total'%?%)"] = function() return { totals = 1 } end,
    }
    for pattern, migrate in pairs(wrong) do
      local ok, text, code = actor:reload(kit.Mean, { migrate = migrate })
      assert.same({ nil, "invalid_state" }, { ok, code })
      assert.matches("reload 'unmoved': its migration failed: .*" .. pattern, text)
      assert.equal("active", actor:state())
    end
    assert.equal(5, ask(actor, 1))
    assert.same({ 1, nil }, { actor:version() })
  end)

  it("makes the new state with RK_MIGRATE of the new source", function()
    local actor = launch(kit.Plain)
    ask(actor, 4)
    ask(actor, 8)
    assert.equal("migrated", assert(actor:reload(kit.Migrating)).state)
    assert.same({ total = 12.0, count = 2 }, actor:peek_state())
    assert.equal("kept", assert(actor:reload(kit.Mean)).state)
    local bad = launch(kit.Plain, { name = "bad" })
    ask(bad, -1)
    local ok, text, code = bad:reload(kit.Migrating)
    assert.same({ nil, "invalid_state" }, { ok, code })
    assert.matches("'bad': RK_MIGRATE of 'plain' failed with code 5", text)
    assert.equal(3, ask(bad, 4))
  end)

  it("begins with a zero state where there was none", function()
    local actor = launch(rk.stock.echo)
    local Echo = rk.stock.echo.messages.Echo
    assert.equal("zero", assert(actor:reload(kit.EchoCounts)).state)
    assert.equal(1, actor:call(Echo { seq = 7 }, 5).seq)
    local ok, _, code = actor:reload("echo")
    assert.same({ nil, "unsupported" }, { ok, code })
    assert(actor:reload("echo", { migrate = function() return {} end }))
    assert.equal(7, actor:call(Echo { seq = 7 }, 5).seq)
  end)

  -- ---- going back ------------------------------------------------------------------------------

  it("goes back on request, once", function()
    local actor = launch(kit.Plain, { name = "back" })
    local ok, text, code = actor:rollback()
    assert.same({ nil, "not_found" }, { ok, code })
    assert.matches("'back': no version before this one is kept", text)
    ask(actor, 1)
    assert(actor:reload(kit.Tenfold))
    ask(actor, 1)
    local info = assert(actor:rollback())
    assert.same({ "kept", 1 }, { info.state, info.version })
    assert.is_true(rawequal(kit.Plain, actor.definition))
    assert.equal(12, ask(actor, 1))
    assert.equal("not_found", select(3, actor:rollback()))
    assert.equal(3, assert(actor:reload(kit.Tenfold)).version)
  end)

  it("goes back to the state it had, or to what a function makes", function()
    local function reloaded()
      local actor = launch(kit.Plain)
      ask(actor, 6)
      assert(actor:reload(kit.Mean, { migrate = function() return { total = 100, count = 1 } end }))
      ask(actor, 20)
      return actor
    end
    local actor = reloaded()
    assert.equal("restored", assert(actor:rollback()).state)
    assert.same({ sum = 6, n = 1, starts = 0 }, actor:peek_state())
    actor = reloaded()
    assert(actor:rollback { migrate = function(old) return { sum = old.total // 1 | 0 } end })
    assert.same({ sum = 120, n = 0, starts = 0 }, actor:peek_state())
  end)

  -- ---- refusals --------------------------------------------------------------------------------

  it("refuses what links, subscriptions and the queue may bring, and names it", function()
    local feeder, actor = launch(kit.Feeder, { name = "feeder" }), launch(kit.Plain, { name = "p" })
    rt:connect(feeder, "next", actor)
    local sub = rt:subscribe("numbers/#", actor)
    local ok, text, code = actor:reload(kit.TicksOnly)
    assert.same({ nil, "unsupported" }, { ok, code })
    assert.matches("reload 'p' to 'plain': it does not accept 'Number', which 'feeder.next' brings; "
      .. "it does not accept 'Number', which the subscription to 'numbers/#' may bring", text, 1, true)
    rt:disconnect(feeder, "next")
    sub:close()
    for _, priority in ipairs { "normal", "high" } do
      actor:suspend()
      actor:send(Number { n = 3 }, { priority = priority })
      ok, text, code = actor:reload(kit.TicksOnly)
      assert.same({ nil, "unsupported" }, { ok, code })
      assert.matches("it does not accept 'Number', of which messages wait in the queue", text)
      actor:resume()
      assert.is_not_nil(actor:receive(5))
    end
    rt:connect(feeder, "next", actor)
    actor:suspend()
    feeder:send(Number { n = 1 })
    assert.is_true(support.eventually(function()
      return depth(actor) == 1
    end))
    rt:disconnect(feeder, "next")
    assert.matches("of which messages wait", select(2, actor:reload(kit.TicksOnly)))
    actor:resume()
    assert.is_not_nil(actor:receive(5))
    assert(actor:reload(kit.TicksOnly))
    assert(actor:send(Tick {}))
    assert.matches("does not accept Number; it accepts Tick", support.error_of(actor.send, actor,
      Number { n = 1 }))
  end)

  it("refuses a definition without a connected port, or whose port nobody understands", function()
    local worker, sink = launch(kit.Worker, { name = "w" }), launch(kit.Order, { name = "s",
      queue = 4 })
    rt:connect(worker, "next", sink)
    local ok, text, code = worker:reload(kit.WorkerMute)
    assert.same({ nil, "unsupported" }, { ok, code })
    assert.matches("it has no port 'next', which leads to 's'", text)
    assert.matches("its burst of 8 is larger than the queue of 's', 4 messages",
      select(2, worker:reload(kit.WorkerTwo)), 1, true)
    assert.matches("'s' accepts no message type that it emits through port 'next'",
      select(2, worker:reload(kit.WorkerOther)), 1, true)
    rt:disconnect(worker, "next")
    assert(worker:reload(kit.WorkerMute))
  end)

  it("tells of errors in the source with their lines and leaves the actor alone", function()
    local actor = launch(kit.Plain)
    local broken = kit.plain { source = "\nRK_ON(Number) {\n  state->sum += msg->missing;\n}" }
    local ok, text, code, log = actor:reload(broken)
    assert.same({ nil, "compile" }, { ok, code })
    assert.is_string(text)
    assert.matches("plain[:(]3.*missing", log)
    assert.equal(2, ask(actor, 2))
    assert.same({ 1, nil }, { actor:version() })
  end)

  it("refuses an actor that has terminated, and a closed handle", function()
    local actor = launch(kit.Plain, { name = "over" })
    actor:terminate()
    local ok, text, code = actor:reload(kit.Tenfold)
    assert.same({ nil, "terminated" }, { ok, code })
    assert.matches("'over' has terminated", text)
    assert.equal("terminated", select(3, launch(kit.Plain):reload(kit.Mean, {
      migrate = function(_, which)
        which:terminate()
        return {}
      end,
    })))
    local closed = rt:launch(kit.Plain)
    closed:close()
    assert.equal("closed", select(3, closed:reload(kit.Tenfold)))
  end)

  it("refuses a second reload of an actor while one is under way", function()
    local actor = launch(kit.Plain, { name = "twice" })
    local text, code
    assert(actor:reload(kit.Mean, { migrate = function()
      local _
      _, text, code = actor:reload(kit.Tenfold)
      return {}
    end }))
    assert.equal("invalid_state", code)
    assert.matches("'twice': another reload of it is under way", text)
  end)

  it("raises for misuse", function()
    local actor = launch(kit.Plain)
    assert.matches("reload: argument 1: a kernel definition .* expected, got 7",
      support.error_of(actor.reload, actor, 7))
    assert.matches("option 'migrate': a function expected, got 1", support.error_of(actor.reload,
      actor, kit.Tenfold, { migrate = 1 }))
    assert.matches("unknown option 'timout' %(did you mean 'timeout'%?%)",
      support.error_of(actor.reload, actor, kit.Tenfold, { timout = 1 }))
    assert.equal("not_found", select(3, actor:reload("no-such-kernel")))
    assert.matches("option 'old_state' is there but the source has no RK_MIGRATE", support.error_of(
      kit.plain, { old_state = { { "a", "u8" } } }))
    assert.matches("RK_MIGRATE%(Was%) but option 'old_state' does not say", support.error_of(
      kit.plain, { source = "RK_MIGRATE(Was) { } RK_ON(Number) { }" }))
  end)

  it("does not touch Lua actors, and minds what they send", function()
    local seen = 0
    local Counter = rk.actor { name = "plain", accepts = { Number }, emits = { Number },
      ports = { "next" }, on = function(ctx, message)
        seen = seen + 1
        ctx:send("next", message)
      end }
    local source, actor = launch(Counter, { name = "lua" }), launch(kit.Plain)
    assert.equal("unsupported", select(3, source:reload(kit.Tenfold)))
    assert.equal("unsupported", select(3, actor:reload(Counter)))
    rt:connect(source, "next", actor)
    assert.matches("it does not accept 'Number', which 'lua.next' brings",
      select(2, actor:reload(kit.TicksOnly)), 1, true)
    assert(actor:reload(kit.Tenfold))
    source:send(Number { n = 2 })
    assert.is_true(support.eventually(function()
      rt:poll(0.01)
      return actor:peek_state().sum == 20
    end))
    assert.equal(1, seen)
  end)

  -- ---- lives -----------------------------------------------------------------------------------

  it("makes restarts begin with the new definition", function()
    local actor = launch(kit.Plain)
    ask(actor, 1)
    assert(actor:reload(kit.Tenfold))
    assert(actor:restart())
    assert.equal(10, ask(actor, 1))
    assert(actor:reload(kit.Larger)) -- with rings of their own
    assert(actor:terminate())
    assert(actor:restart())
    assert.same({ 3, 2 }, { actor:version() })
    assert.equal(1, ask(actor, 1))
    assert(actor:send(Large { n = 5 }))
    assert.equal(6, ask(actor, 0)) -- it was handled
    assert(actor:rollback())
    assert.equal(26, ask(actor, 2))
  end)

  it("mends an actor that has failed", function()
    local actor = launch(kit.Plain)
    ask(actor, 2)
    actor:send(Number { n = -13 })
    actor:send(Number { n = 1 })
    assert.is_true(support.eventually(function()
      return actor:state() == "failed"
    end))
    assert(actor:reload(kit.Tenfold))
    assert.equal("failed", actor:state())
    assert(actor:restart { keep_state = true })
    assert.equal(12, actor:receive(5).n)
  end)

  it("gives up in time, and then nothing has changed", function()
    local actor = launch(kit.Slow, { name = "busy" })
    actor:send(Number { n = 300 }) -- milliseconds
    local ok, text, code = actor:reload(kit.SlowNew, { timeout = 0.02 })
    assert.same({ nil, "timeout" }, { ok, code })
    assert.is_string(text)
    assert.equal("invalid_state", select(3, actor:reload(kit.SlowNew, { timeout = 0 })))
    assert.equal(1, actor:receive(5).n)
    assert.equal(1, ask(actor, 0))
    assert.same({ 1, nil }, { actor:version() })
    assert(actor:reload(kit.SlowNew))
    assert.equal(2, ask(actor, 0))
    actor:send(Number { n = 300 })
    local migrate = function(old) return old end
    assert.equal("timeout", select(3, actor:reload(kit.Slow, { timeout = 0.02, migrate = migrate })))
    assert.equal(2, actor:receive(5).n)
    assert.is_true(support.eventually(function()
      return actor:state() == "active"
    end))
    assert.equal(2, ask(actor, 0))
    assert(actor:reload(kit.Slow, { migrate = migrate }))
    assert.equal(1, ask(actor, 0))
  end)

  it("undoes a swap whose start handler takes too long", function()
    local actor = launch(kit.Slow)
    assert.equal("timeout", select(3, actor:reload(kit.SlowStart, { timeout = 0.02 })))
    assert.equal(1, ask(actor, 0)) -- once that handler has returned
    assert.same({ 1, nil }, { actor:version() })
    assert.equal(0, actor:peek_state().starts)
    assert(actor:reload(kit.SlowStart))
    assert.equal(1, actor:peek_state().starts)
  end)

  it("works from a function of a subscription and from a coroutine", function()
    local actor = launch(kit.Plain)
    local info
    local sub = rt:subscribe("reload/now", function()
      info = assert(actor:reload(kit.Tenfold))
    end)
    rt:publish("reload/now", Tick {})
    assert.is_true(support.eventually(function()
      rt:poll(0.01)
      return info ~= nil
    end))
    sub:close()
    assert.equal(50, ask(actor, 5))
    coroutine.wrap(function()
      assert(actor:rollback())
    end)()
    assert.equal(55, ask(actor, 5))
  end)

  it("works for actors on several blocks", function()
    local actor = launch(kit.Wide, { grid = 2 })
    assert.equal(8, ask(actor, 1)) -- lanes of both blocks
    assert(actor:reload(kit.WideNew))
    assert.equal(1, actor:peek_state().starts)
    assert.equal(808, ask(actor, 1))
    assert(actor:rollback())
    assert.equal(816, ask(actor, 1))
  end)

  it("gives all memory back", function()
    local actor = launch(kit.Plain)
    assert(actor:reload(kit.Larger))
    assert(actor:reload(kit.Plain))
    local function cycle()
      for _ = 1, 10 do
        assert(actor:reload(kit.Tenfold))
        assert(actor:reload(kit.Mean, { migrate = function() return {} end }))
        assert(actor:rollback())
        assert.is_nil(actor:reload(kit.PlainBad))
      end
    end
    cycle()
    local before = rt:stats().device_bytes
    assert.is_number(before)
    cycle()
    assert.equal(before, rt:stats().device_bytes)
  end)
end)
