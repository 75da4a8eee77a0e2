-- SPDX-License-Identifier: MIT
--- Hot reload: what is refused, and the rarer ways of it.

local core = require "ringkernel.core"
local rk = require "ringkernel"

local kit = dofile("spec/reload_kit.lua")
local support = dofile("spec/support.lua")

local Number, Tick = kit.Number, kit.Tick
local ask, depth = kit.ask, kit.depth

describe("actor:reload, at its edges,", function()
  local rt

  setup(function()
    rt = rk.open { blocks = 2 }
    assert(rt:load(kit.of("Plain", "Tenfold", "Started", "SlowStart", "PlainBad", "TicksOnly",
      "Larger", "Mean", "EchoCounts", "Feeder", "Worker", "WorkerBad", "WorkerNew",
      "WorkerOther", "WorkerMute", "WorkerTwo", "Order", "Stage", "StageNew", "Wide", "WideNew")))
  end)
  teardown(function()
    rt:close()
  end)
  after_each(function()
    kit.end_all(rt)
  end)

  local function launch(definition, options)
    return kit.launch(rt, definition, options)
  end

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

  it("refuses another layout without a migration, and says both", function()
    local actor = launch(kit.Plain, { name = "layout" })
    local ok, text, code = actor:reload(kit.Mean)
    assert.same({ nil, "unsupported" }, { ok, code })
    assert.matches("{ total f64, count u32 } instead of { sum i64, n i64, starts u32 }", text, 1,
      true)
    assert.equal(1, ask(actor, 1))
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

  it("refuses what links, subscriptions and the queue may bring, and names it", function()
    local feeder, actor = launch(kit.Feeder, { name = "feeder" }), launch(kit.Plain, { name = "p" })
    rt:connect(feeder, "next", actor)
    local sub = rt:subscribe("numbers/#", actor)
    local ok, text, code = actor:reload(kit.TicksOnly)
    assert.same({ nil, "unsupported" }, { ok, code })
    assert.matches("reload 'p' to 'plain': it does not accept 'Number', which 'feeder.next' "
      .. "brings; it does not accept 'Number', which the subscription to 'numbers/#' may bring",
      text, 1, true)
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
    assert.is_true(support.eventually(function()
      return depth(actor) == 0
    end))
    assert(actor:reload(kit.TicksOnly))
    assert(actor:send(Tick {}))
    assert.matches("does not accept Number; it accepts ReloadTick",
      support.error_of(actor.send, actor, Number { n = 1 }))
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
    assert.equal("terminated", select(3, launch(kit.Plain):reload(kit.Mean, {
      migrate = function(_, which)
        which:terminate()
        which:restart()
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

  it("gives back the room that its links held", function()
    local worker, sink = launch(kit.Worker), launch(kit.Order, { queue = 64 })
    rt:connect(worker, "next", sink)
    for n = 1, 20 do
      worker:send(Number { n = n })
      assert.is_true(support.eventually(function()
        return sink:peek_state().n == n
      end))
      assert(worker:reload(n % 2 == 1 and kit.WorkerNew or kit.Worker))
    end
    assert(worker:reload(kit.WorkerTwo)) -- which is handed nothing without room for 8
    worker:send(Number { n = 21 })
    assert.is_true(support.eventually(function()
      return sink:peek_state().n == 21
    end))
  end)

  it("makes room for what a larger burst sends", function()
    local worker = launch(kit.Worker, { queue = 4 })
    assert(worker:reload(kit.WorkerTwo)) -- burst 8
    for life = 1, 2 do
      worker:send(Number { n = 1 })
      assert.is_true(support.eventually(function()
        return worker:peek_state().n == 1
      end))
      if life == 1 then
        assert(worker:terminate())
        assert(worker:restart())
      end
    end
  end)

  it("runs no start handler for what is cancelled, swapped back, or at rest", function()
    local busy = launch(kit.Plain)
    busy:send(Number { n = 1000300 })
    assert.is_not_nil(busy:receive(5))
    assert.equal("timeout", select(3, busy:reload(kit.Started, { timeout = 0.02 })))
    assert.equal(1, ask(busy, 1))
    assert.equal("empty", select(3, busy:try_receive()))
    local started, worker = launch(kit.Started), launch(kit.Worker)
    assert.equal("invalid_state", select(3, rt:apply_rules(rk.rules { name = "start", version = 1,
      kit.Tenfold, kit.WorkerBad })))
    assert.equal(1, started:peek_state().starts)
    assert.equal("active", worker:state())
    local resting = launch(kit.Plain)
    assert(core.actor_end(resting, "rest"))
    assert(resting:reload(kit.Started))
    assert.equal(0, resting:peek_state().starts)
    assert(resting:restart { keep_state = true })
    assert.equal(1, resting:peek_state().starts)
  end)

  it("undoes a swap whose start handler takes too long", function()
    local actor = launch(kit.Plain)
    assert(kit.SlowStart:compile(rt))
    assert.equal("timeout", select(3, actor:reload(kit.SlowStart, { timeout = 0.02 })))
    assert.equal(1, ask(actor, 1)) -- once that handler has returned
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

  it("charges the actor's tenant, within its limit, and gives that back", function()
    local blue = assert(rt:tenant("blue"))
    local actor = launch(kit.Plain, { tenant = "blue", name = "charged" })
    local before = blue:stats().memory
    assert(actor:reload(kit.Larger))
    local grown = blue:stats().memory
    assert.is_true(grown > before + 2 * 1024 * 500)
    assert(rt:tenant("blue", { memory = grown + 10 }))
    local ok, text, code = actor:reload(kit.Plain)
    assert.same({ nil, "denied" }, { ok, code })
    assert.matches("reload 'charged': tenant 'blue' has used up its memory", text)
    assert(rt:tenant("blue", { memory = 1 << 40 }))
    assert(actor:rollback())
    assert(actor:terminate())
    assert.equal(0, blue:stats().memory)
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

  -- ---- rule sets -------------------------------------------------------------------------------

  it("refuses a rule set whose source does not compile, whoever runs it", function()
    local actor = launch(kit.Plain)
    local broken = kit.plain { name = "nobody", source = "RK_ON(Number) { nonsense }" }
    local ok, _, code, log = rt:apply_rules(rk.rules { name = "broken", version = 1, kit.Tenfold,
      broken })
    assert.same({ nil, "compile" }, { ok, code })
    assert.matches("nonsense", log)
    assert.is_true(rawequal(kit.Plain, actor.definition))
    assert.is_nil((rt:rules("broken")))
  end)

  it("swaps no actor of a rule set when one does not come to it in time", function()
    local quick, busy = launch(kit.Plain, { block = 0 }), launch(kit.Plain, { block = 1 })
    assert(kit.Tenfold:compile(rt))
    busy:send(Number { n = 1000300 })
    assert.is_not_nil(busy:receive(5))
    local set = rk.rules { name = "late", version = 1, kit.Tenfold }
    assert.equal("timeout", select(3, rt:apply_rules(set, { timeout = 0.02 })))
    assert.equal("active", quick:state())
    assert.equal(1, ask(quick, 1))
    assert.equal(1, ask(busy, 1))
    assert(rt:apply_rules(set))
    assert.equal(11, ask(quick, 1))
    assert.equal(11, ask(busy, 1))
  end)

  it("never lets an old actor of a rule set handle what a new one sent", function()
    local feeder = launch(kit.Feeder)
    local first, last = launch(kit.Stage, { block = 0 }), launch(kit.Stage, { block = 1 })
    rt:connect(feeder, "next", first)
    rt:connect(first, "next", last)
    assert(kit.StageNew:compile(rt))
    for round = 1, 20 do
      feeder:send(Number { n = 2000 })
      assert(rt:apply_rules(rk.rules { name = "stages", version = 2 * round, kit.StageNew }))
      assert.is_true(support.eventually(function()
        return last:peek_state().seen == 2000 * round
      end))
      assert(rt:apply_rules(rk.rules { name = "stages", version = 2 * round + 1, kit.Stage }))
    end
    assert.equal(0, last:peek_state().wrong)
  end)
end)
