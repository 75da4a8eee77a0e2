-- SPDX-License-Identifier: MIT
--- Hot reload: the swap, states, versions, going back, rule sets. reload_refusals_spec.lua has the
--- rest.

local rk = require "ringkernel"

local kit = dofile("spec/reload_kit.lua")
local support = dofile("spec/support.lua")

local Number, Large = kit.Number, kit.Large
local ask, sum_of, depth = kit.ask, kit.sum_of, kit.depth

describe("actor:reload", function()
  local rt

  setup(function()
    rt = rk.open { blocks = 2 }
    assert(rt:load(kit.of("Plain", "Tenfold", "Larger", "Migrating", "Feeder", "Worker",
      "WorkerNew", "WorkerBad", "Order")))
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
    local seen
    local total, swaps = 0, 0
    repeat -- a stream may be over before a swap has begun
      total = total + 30000
      feeder:send(Number { n = -total }) -- on from where it is
      while sink:peek_state().n < total and swaps < 5000 do
        assert(worker:reload(swaps % 2 == 0 and kit.WorkerNew or kit.Worker))
        swaps = swaps + 1
      end
      assert.is_true(support.eventually(function()
        return sink:peek_state().n == total
      end))
      seen = sink:peek_state()
    until seen.by_old > 0 and seen.by_new > 0 or total >= 3000000
    assert.same({ total, 0, total }, { seen.n, seen.wrong, seen.last })
    assert.is_true(seen.by_old > 0 and seen.by_new > 0)
    assert.equal(total, seen.by_old + seen.by_new)
    assert.equal(total, worker:peek_state().n)
    assert.equal(total, worker:stats().processed)
    assert.same({}, rt:dead_letters())
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
    local pad = {}
    for index = 1, 500 do
      pad[index] = index == 500 and 7 or index == 1 and 1 or 0
    end
    local many = Large { n = 100000, pad = pad }
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
    actor:suspend()
    feeder:send(Number { n = 10 })
    assert.is_true(support.eventually(function()
      return depth(actor) == 10
    end))
    assert(actor:reload(kit.Larger)) -- the rings are large enough
    actor:resume()
    assert.is_true(support.eventually(function()
      return actor:peek_state().n == 111
    end))
    assert.equal(2 * sum_of(30) + sum_of(40) + 100008 + sum_of(10), actor:peek_state().sum)
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
    assert.is_true(support.eventually(function()
      return sink:peek_state().by_new == 1 -- what that handler sent is sent
    end))
    worker:send(Number { n = 2 })
    assert.is_true(support.eventually(function()
      return sink:peek_state().by_old == 2
    end))
    assert.equal(2, worker:peek_state().n) -- what that handler wrote is gone
    assert(worker:reload(kit.WorkerNew))
    assert.equal(2, worker:version())
  end)

  it("makes the new state with a function while the actor rests", function()
    local actor = launch(kit.Plain)
    ask(actor, 4)
    ask(actor, 8)
    local seen, state
    local info = assert(actor:reload(kit.Migrating, { migrate = function(old, which)
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

  it("makes the new state with RK_MIGRATE of the new source", function()
    local actor = launch(kit.Plain)
    ask(actor, 4)
    ask(actor, 8)
    assert.equal("migrated", assert(actor:reload(kit.Migrating)).state)
    assert.same({ total = 12.0, count = 2 }, actor:peek_state())
    assert.equal("kept", assert(actor:reload(kit.Migrating)).state)
    local bad = launch(kit.Plain, { name = "bad" })
    ask(bad, -1)
    local ok, text, code = bad:reload(kit.Migrating)
    assert.same({ nil, "invalid_state" }, { ok, code })
    assert.matches("'bad': RK_MIGRATE of 'plain' failed with code 5", text)
    assert.equal(3, ask(bad, 4))
  end)

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
      assert(actor:reload(kit.Migrating, { migrate = function()
        return { total = 100, count = 1 }
      end }))
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
    local actor = launch(kit.Plain, { name = "busy" })
    local function keep_busy()
      actor:send(Number { n = 1000300 })
      assert.equal(1000300, actor:receive(5).n) -- it is at it
    end
    assert(kit.Tenfold:compile(rt))
    keep_busy()
    local ok, text, code = actor:reload(kit.Tenfold, { timeout = 0.02 })
    assert.same({ nil, "timeout" }, { ok, code })
    assert.is_string(text)
    assert.equal("invalid_state", select(3, actor:reload(kit.Tenfold, { timeout = 0 })))
    assert.equal(1, ask(actor, 1))
    assert.same({ 1, nil }, { actor:version() })
    assert(actor:reload(kit.Tenfold))
    assert.equal(11, ask(actor, 1))
    keep_busy()
    local migrate = function(old) return old end
    assert.equal("timeout", select(3, actor:reload(kit.Plain, { timeout = 0.02,
      migrate = migrate })))
    assert.equal(21, ask(actor, 1))
    assert.equal("active", actor:state())
    assert(actor:reload(kit.Plain, { migrate = migrate }))
    assert.equal(22, ask(actor, 1))
  end)

  -- ---- rule sets -------------------------------------------------------------------------------

  it("swaps all actors of a rule set at once, by version", function()
    local plain, second = launch(kit.Plain, { name = "plain.1" }), launch(kit.Plain)
    local worker, sink = launch(kit.Worker, { name = "worker.1" }), launch(kit.Order)
    rt:connect(worker, "next", sink)
    ask(plain, 1)
    local set = rk.rules { name = "all", version = 7, kit.Tenfold, kit.WorkerNew }
    local info = assert(rt:apply_rules(set))
    assert.same({ "all", 7, nil }, { info.name, info.version, info.former })
    assert.equal(2, info.actors["plain.1"].version)
    assert.equal(2, info.actors["worker.1"].version)
    assert.is_true(info.pause_s > 0)
    assert.equal(11, ask(plain, 1))
    assert.equal(10, ask(second, 1))
    worker:send(Number { n = 1 })
    assert.is_true(support.eventually(function()
      return sink:peek_state().by_new == 1
    end))
    assert.equal(1, sink:version()) -- not of the set
    for version = 6, 7 do
      local ok, text, code = rt:apply_rules(rk.rules { name = "all", version = version, kit.Plain })
      assert.same({ nil, "version" }, { ok, code })
      assert.equal(("rules 'all': version 7 is in force, and %d is not newer"):format(version),
        text)
    end
    assert.equal(7, (rt:rules("all")))
    local half = function(old) return { sum = old.sum // 2 } end
    info = assert(rt:apply_rules(rk.rules { name = "all", version = 9, kit.Plain,
      migrate = { plain = half } }))
    assert.equal(7, info.former)
    assert.equal("migrated", info.actors["plain.1"].state)
    assert.equal(6, ask(plain, 1))
    assert.equal(6, ask(second, 1))
  end)

  it("tells what is wrong with a rule set", function()
    local function error_of(spec)
      return support.error_of(rk.rules, spec)
    end
    assert.matches("rk.rules: option 'name' is missing", error_of { version = 1, kit.Plain })
    assert.matches("rk.rules 'r': option 'version' is missing", error_of { name = "r", kit.Plain })
    assert.matches("option 'version': .* expected, got 0", error_of { name = "r", version = 0 })
    assert.matches("at least one definition expected", error_of { name = "r", version = 1 })
    assert.matches("element 1: a kernel definition .* expected, got 3",
      error_of { name = "r", version = 1, 3 })
    assert.matches("element 1: no stock kernel is called 'ecko'",
      error_of { name = "r", version = 1, "ecko" })
    assert.matches("element 2: two definitions are called 'plain'",
      error_of { name = "r", version = 1, kit.Plain, kit.Tenfold })
    assert.matches("no definition of the set is called 'plian' %(did you mean 'plain'%?%)",
      error_of { name = "r", version = 1, kit.Plain, migrate = { plian = print } })
    assert.matches("apply_rules: argument 1: a rule set .* expected, got", support.error_of(
      rt.apply_rules, rt, {}))
    assert.equal("ringkernel.rules: r, version 1", tostring(rk.rules { name = "r", version = 1,
      "echo" }))
  end)

  it("leaves all actors as they were when one of a set cannot be swapped", function()
    local plain, worker = launch(kit.Plain), launch(kit.Worker, { name = "worker.2" })
    local sink, resting = launch(kit.Order), launch(kit.Plain)
    rt:connect(worker, "next", sink)
    resting:suspend()
    ask(plain, 2)
    local set = rk.rules { name = "bad", version = 1, kit.Tenfold, kit.WorkerBad }
    local ok, text, code = rt:apply_rules(set)
    assert.same({ nil, "invalid_state" }, { ok, code })
    assert.matches("'worker.2': the start handler of 'worker' failed with code 9", text)
    assert.is_nil((rt:rules("bad")))
    assert.equal(3, ask(plain, 1))
    assert.same({ 1, nil }, { plain:version() })
    assert.is_true(rawequal(kit.Plain, plain.definition))
    assert.same({ "active", "active", "deactivated" },
      { plain:state(), worker:state(), resting:state() })
    worker:send(Number { n = 1 })
    assert.is_true(support.eventually(function()
      return sink:peek_state().by_old == 1
    end))
    assert(rt:apply_rules(rk.rules { name = "bad", version = 1, kit.Tenfold }))
    assert.equal(13, ask(plain, 1))
    assert.equal("deactivated", resting:state())
    resting:resume()
    assert.equal(10, ask(resting, 1))
  end)
end)
