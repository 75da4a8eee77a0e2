-- SPDX-License-Identifier: MIT
--- Strategies, restart types and nested supervisors over running actors.

local core = require "ringkernel.core"
local rk = require "ringkernel"
local support = dofile("spec/support.lua")
local kit = dofile("spec/supervision_kit.lua")

local Number = support.Number
local worker = kit.worker

local function nested(id, spec, options)
  local child = { id = id, start = rk.supervisor(spec) }
  for key, value in pairs(options or {}) do
    child[key] = value
  end
  return child
end

describe("over running actors", function()
  local k
  before_each(function()
    k = kit.open()
  end)
  after_each(function()
    k:close()
  end)

  local function three(strategy, options)
    local sup = k:supervise { strategy = strategy, intensity = 5,
      children = { worker("a", options), worker("b", options), worker("c", options) } }
    for _, id in ipairs { "a", "b", "c" } do
      k:add(sup[id], 10)
    end
    return sup
  end

  --- Fails child `id` and gives the sums that 1 more makes: 1 = a fresh life, 11 = the old one.
  local function sums_after(sup, id)
    k:fail(sup[id])
    k:wait_for("restart " .. id)
    assert(k:until_true(function()
      return sup:count_children().active == 3
    end))
    return { k:add(sup.a, 1), k:add(sup.b, 1), k:add(sup.c, 1) }
  end

  it("one_for_one begins only the one that failed anew", function()
    assert.same({ 11, 1, 11 }, sums_after(three("one_for_one"), "b"))
  end)

  it("rest_for_one begins it and those after it anew", function()
    assert.same({ 11, 1, 1 }, sums_after(three("rest_for_one"), "b"))
  end)

  it("one_for_all begins all of them anew", function()
    assert.same({ 1, 1, 1 }, sums_after(three("one_for_all"), "b"))
  end)

  it("siblings of a group restart keep their state if they are to", function()
    assert.same({ 11, 11, 11 }, sums_after(three("one_for_all", { state = "keep" }), "b"))
  end)

  it("siblings are stopped newest first, with their stop handlers", function()
    local sup = three("one_for_all")
    k:log_stops()
    k:fail(sup.a)
    k:wait_for("restart a")
    assert.equal("c b", k:stops(2))
  end)

  it("siblings of a group restart keep their handles, mailboxes and answers", function()
    local sup = three("one_for_all")
    local b, id = sup.b, sup.b.id
    assert(b:deactivate())
    assert(b:send(Number { n = 3 }))
    k:fail(sup.a)
    k:wait_for("restart a")
    assert.equal(3, assert(b:receive(5)).n)
    assert.equal(id, b.id)
    assert.equal(b, sup.b)
    assert.equal(1, #k.rt:dead_letters())
  end)

  it("a restart that has to wait loses nothing when other trees go on meanwhile", function()
    local sup = k:supervise { strategy = "one_for_all", children = {
      worker("a", { launch = { block = 0 } }), worker("b", { launch = { block = 1 } }) } }
    local other = k:supervise({ children = { worker("o", { launch = { block = 0 } }) } },
      { name = "other" })
    local asked = core.clock()
    assert(sup.b:send(Number { n = -7 })) -- 1.5 s
    k.rt:poll(0.2) -- until its block is at it: commands seen in one look with a message come first
    assert(sup.a:send_many { Number { n = -13 }, Number { n = 5 } })
    k:wait_for("restart a")
    k:fail(other.o)
    k:wait_for("restart o")
    if core.clock() - asked < 1.4 then -- on a crowded machine it may be over by now
      assert.equal("failed", sup.a:state())
    end
    assert.equal(5, assert(sup.a:receive(5)).n)
    assert.equal(2, #k.rt:dead_letters())
  end)

  it("siblings of a group restart keep their routes", function()
    local sup = three("one_for_all")
    assert(k.rt:connect(sup.b, "next", sup.c))
    k:fail(sup.a)
    k:wait_for("restart a")
    assert(k:until_true(function()
      return sup:count_children().active == 3
    end))
    k:add(sup.b, 4)
    assert(k:until_true(function()
      return sup.c:peek_state().sum == 4
    end), "nothing came through the route")
  end)

  it("an actor that has stopped itself begins anew under its handle, routes and all", function()
    local sup = three("one_for_one")
    local b, id = sup.b, sup.b.id
    assert(k.rt:connect(sup.a, "next", b))
    assert(k.rt:connect(b, "next", sup.c))
    k:stop(b)
    local event = k:wait_for("restart b")[1]
    assert.equal("normal", event.reason)
    assert.equal("active", b:state())
    assert.not_equal(id, b.id)
    k:add(sup.a, 4) -- a: 14, to b: 14, to c: 24
    assert(k:until_true(function()
      return sup.c:peek_state().sum == 24
    end), "nothing came through both routes")
  end)

  it("a transient child is not restarted after rk_stop, nor after terminate", function()
    local sup = k:supervise { children = { worker("a", { restart = "transient" }),
      worker("b", { restart = "transient" }) } }
    k:stop(sup.a)
    assert(sup.b:terminate())
    assert(k:until_true(function()
      return sup:count_children().active == 0
    end))
    assert.equal(2, sup:count_children().specs)
    assert.equal("", k:seen())
    assert.equal("terminated", sup.a:state())
  end)

  it("a transient child is restarted after a failure", function()
    local sup = k:supervise { children = { worker("a", { restart = "transient" }) } }
    k:fail(sup.a)
    k:wait_for("restart a")
    assert.equal(1, k:add(sup.a, 1))
  end)

  it("a permanent child is restarted after terminate from outside", function()
    local sup = k:supervise { children = { worker "a" } }
    assert(sup.a:terminate())
    assert.equal("shutdown", k:wait_for("restart a")[1].reason)
    assert.equal(1, k:add(sup.a, 1))
  end)

  it("a temporary child is never restarted, its actor is ended and its spec forgotten", function()
    local sup = k:supervise { children = { worker("a", { restart = "temporary" }), worker "b" } }
    local a = sup.a
    assert(a:send_many { Number { n = -13 }, Number { n = 1 } })
    assert(k:until_true(function()
      return a:state() == "terminated"
    end))
    assert.equal(1, sup:count_children().specs)
    assert.equal("", k:seen())
    local letters = k.rt:dead_letters()
    assert.same({ "failed", "terminated" }, { letters[1].reason, letters[2].reason })
  end)

  it("a temporary sibling stopped by a group restart does not come back", function()
    local sup = k:supervise { strategy = "one_for_all", intensity = 2,
      children = { worker "a", worker("t", { restart = "temporary" }) } }
    local t = sup.t
    k:fail(sup.a)
    k:wait_for("restart a")
    assert(k:until_true(function()
      return t:state() == "terminated"
    end))
    assert.equal(1, sup:count_children().specs)
  end)

  it("a nested supervisor's children are reached by name from the top", function()
    local sup = k:supervise { children = { nested("s", { children = { worker "x" } }),
      worker "a" } }
    assert.equal("x", sup.x.name)
    assert.equal(sup.x, sup:supervisor("s").x)
    assert.equal("s", sup:which_children()[1].id)
    assert.equal("supervisor", sup:which_children()[1].type)
    assert.is_nil(sup:supervisor("a"))
    assert.is_nil(sup.nobody)
  end)

  it("a nested supervisor that gives up is restarted with all its actors, same handles", function()
    local sup = k:supervise { intensity = 2, children = {
      nested("s", { intensity = 0, children = { worker "x", worker "y" } }), worker "a" } }
    local x, y, inner = sup.x, sup.y, sup:supervisor("s")
    k:add(y, 10)
    k:add(sup.a, 10)
    k:fail(x)
    k:wait_for("escalation x", "restart s")
    assert(k:until_true(function()
      return inner:count_children() and inner:count_children().active == 2
    end))
    assert.equal(x, sup.x)
    assert.equal(1, k:add(y, 1))
    assert.equal(1, k:add(x, 1))
    assert.equal(11, k:add(sup.a, 1))
    assert.equal("running", (inner:state()))
  end)

  it("escalation goes up level by level until one restart is allowed", function()
    local sup = k:supervise { intensity = 1, children = { nested("m", { intensity = 0, children = {
      nested("s", { intensity = 0, children = { worker "x" } }) } }) } }
    local x = sup.x
    k:fail(x)
    k:wait_for("escalation x", "escalation s", "restart m")
    assert.equal("escalation x, escalation s, restart m", k:seen())
    assert.equal(1, k:add(x, 1))
    local event = k.events[2]
    assert.equal("m", event.supervisor)
  end)

  it("a top supervisor that gives up stops the trees below it", function()
    local sup = k:supervise { intensity = 0, children = {
      nested("s", { children = { worker "x", worker "y" } }), worker "a" } }
    local all = { sup.x, sup.y, sup.a }
    k:fail(sup.a)
    k:wait_for("escalation a")
    k:wait_until_stopped(sup)
    for _, actor in ipairs(all) do
      assert.equal("terminated", actor:state())
    end
    assert.equal(0, k.rt:stats().actors)
  end)

  it("stop goes through a tree in the reverse order of its start", function()
    local sup = k:supervise { children = { worker "a",
      nested("s", { children = { worker "x", worker "y" } }), worker "b" } }
    k:log_stops()
    assert(sup:stop())
    assert.equal("b y x a", k:stops(4))
  end)

  it("any_significant: the end of a significant child stops the others", function()
    local sup = k:supervise { auto_shutdown = "any_significant", children = { worker "a",
      worker("s", { restart = "transient", significant = true }) } }
    local a = sup.a
    k:stop(sup.s)
    k:wait_until_stopped(sup)
    assert.equal("terminated", a:state())
    assert.equal("", k:seen())
  end)

  it("all_significant: the last of them does", function()
    local sup = k:supervise { auto_shutdown = "all_significant", children = { worker "a",
      worker("s", { restart = "temporary", significant = true }),
      worker("t", { restart = "transient", significant = true }) } }
    k:stop(sup.s)
    assert(k:until_true(function()
      return sup:count_children().specs == 2
    end))
    assert.equal("running", (sup:state()))
    k:stop(sup.t)
    k:wait_until_stopped(sup)
  end)
end)
