-- SPDX-License-Identifier: MIT
--- rt:supervise over running actors: what a supervisor does when one of them ends.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")
local kit = dofile("spec/supervision_kit.lua")

local Number = support.Number
local worker = kit.worker

describe("a supervised tree", function()
  local k
  before_each(function()
    k = kit.open()
  end)
  after_each(function()
    k:close()
  end)

  it("has its children running when supervise returns, called by their ids", function()
    local sup = k:supervise { children = { worker "a", worker "b" } }
    assert.equal("a", sup.a.name)
    assert.equal("active", sup.a:state())
    assert.equal(sup.b, k.rt:find("b"))
    assert.equal(5, k:add(sup.a, 5))
    assert.equal("running", (sup:state()))
  end)

  it("restarts an actor whose handler failed, under the same handle", function()
    local sup = k:supervise { intensity = 1, children = { worker "a" } }
    local a, id = sup.a, sup.a.id
    k:add(a, 5)
    k:fail(a)
    k:wait_for("restart a")
    assert.equal("active", a:state())
    assert.equal(a, sup.a)
    assert.equal(id, a.id)
    assert.equal(2, k:add(a, 2))
  end)

  it("begins with fresh state, or with what there was", function()
    local sup = k:supervise { intensity = 2,
      children = { worker("a", { state = "keep" }), worker("b", { state = "reset" }) } }
    k:add(sup.a, 5)
    k:add(sup.b, 5)
    k:fail(sup.a)
    k:fail(sup.b)
    k:wait_for("restart a", "restart b")
    assert.equal(6, k:add(sup.a, 1))
    assert.equal(1, k:add(sup.b, 1))
  end)

  it("runs the start handler again for each life", function()
    local sup = k:supervise { intensity = 2, children = { worker("a", { state = "keep" }) } }
    assert.equal(1, sup.a:peek_state().started)
    k:fail(sup.a)
    k:wait_for("restart a")
    assert.equal(2, sup.a:peek_state().started)
  end)

  it("keeps the mailbox: what was queued behind the failure is handled", function()
    local sup = k:supervise { children = { worker "a" } }
    assert.equal(5, sup.a:send_many { Number { n = 1 }, Number { n = -13 }, Number { n = 2 },
      Number { n = 3 }, Number { n = 4 } })
    k:wait_for("restart a")
    local sums = {}
    for _ = 1, 4 do
      sums[#sums + 1] = assert(sup.a:receive(5)).n
    end
    assert.same({ 1, 2, 5, 9 }, sums)
  end)

  it("gives the message being handled to the dead letters, exactly once", function()
    local sup = k:supervise { children = { worker "a" } }
    k:add(sup.a, 5)
    k:fail(sup.a)
    k:wait_for("restart a")
    k:add(sup.a, 5)
    local letters = k.rt:dead_letters()
    assert.equal(1, #letters)
    assert.equal("failed", letters[1].reason)
    assert.equal(-13, letters[1].message.n)
  end)

  it("answers a call that its handler failed on, and the next one", function()
    local sup = k:supervise { children = { worker "a" } }
    local _, _, code = sup.a:call(Number { n = -13 }, 5)
    assert.equal("not_active", code)
    assert.equal(3, k:add(sup.a, 3))
  end)

  it("tells of a restart: event, id, actor, code, reason, hlc", function()
    local sup = k:supervise { children = { worker "a" } }
    k:fail(sup.a)
    local event = k:wait_for("restart a")[1]
    assert.equal("restart", event.event)
    assert.equal("a", event.id)
    assert.equal(sup.a, event.actor)
    assert.equal(77, event.code)
    assert.equal("failed", event.reason)
    assert.equal("root", event.supervisor)
    assert.is_true(event.hlc > k.opened)
  end)

  it("takes no end of an earlier life for one of the present", function()
    local sup = k:supervise { intensity = 5, children = { worker "a" } }
    local a, id = sup.a, sup.a.id
    k:fail(a)
    assert(support.eventually(function() -- looks, and tells nobody
      return a:state() == "failed"
    end))
    assert(a:terminate()) -- both are told together
    k:wait_for("restart a")
    k.rt:poll(0.02)
    assert.equal("restart a", k:seen())
    assert.not_equal(id, a.id)
    assert.equal(1, k:add(a, 1))
  end)

  it("gives up past its intensity: one escalation, and its actors are stopped", function()
    local sup = k:supervise { intensity = 1, children = { worker "a", worker "b" } }
    local a, b = sup.a, sup.b
    k:fail(a)
    k:wait_for("restart a")
    k:fail(a)
    local event = k:wait_for("escalation a")[1]
    assert.equal("failed", event.reason)
    assert.equal(77, event.code)
    k:wait_until_stopped(sup)
    assert.equal("terminated", a:state())
    assert.equal("terminated", b:state())
    assert.same({ "stopped", "shutdown" }, { sup:state() })
    assert.equal("restart a, escalation a", k:seen())
  end)

  it("stops in the reverse order, each with its stop handler", function()
    local sup = k:supervise { children = { worker "a", worker "b", worker "c" } }
    k:log_stops()
    assert.is_true(sup:stop())
    assert.equal("c b a", k:stops(3))
    assert.equal("stopped", (sup:state()))
    assert.is_nil(k.rt:find("a"))
    assert.is_true(sup:stop())
  end)

  it("gives what is queued to the dead letters when it stops", function()
    local sup = k:supervise { children = { worker "a" } }
    assert(sup.a:deactivate())
    assert(sup.a:send(Number { n = 1 }))
    assert(sup:stop())
    local letters = k.rt:dead_letters()
    assert.equal(1, #letters)
    assert.equal("terminated", letters[1].reason)
  end)

  it("refuses what is no tree, and unknown options", function()
    assert.error_matches(function()
      k.rt:supervise { children = {} }
    end, "a supervisor %(rk.supervisor%) expected")
    assert.error_matches(function()
      k.rt:supervise(rk.supervisor { children = {} }, { nam = "x" })
    end, "did you mean 'name'")
  end)
end)
