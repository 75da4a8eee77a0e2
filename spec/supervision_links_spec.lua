-- SPDX-License-Identifier: MIT
--- Links and monitors between running actors.

local support = dofile("spec/support.lua")
local kit = dofile("spec/supervision_kit.lua")

local worker = kit.worker

describe("links and monitors", function()
  local k, a, b
  before_each(function()
    k = kit.open()
    a = assert(k.rt:launch(kit.Adder, { name = "a", queue = 16 }))
    b = assert(k.rt:launch(kit.Adder, { name = "b", queue = 16 }))
  end)
  after_each(function()
    k:close()
  end)

  --- Watches an actor; returns the list of events.
  local function watch(actor)
    local seen = {}
    local monitor = assert(k.rt:monitor(actor, function(event)
      seen[#seen + 1] = event
    end))
    return seen, monitor
  end

  local function comes(seen)
    assert(k:until_true(function()
      return #seen > 0
    end), "the monitor was told nothing")
    return seen[1]
  end

  local function ends(actor)
    assert(k:until_true(function()
      return actor:state() == "terminated"
    end), "it did not end")
  end

  it("a monitor tells of a failure with its code", function()
    local seen = watch(a)
    k:fail(a)
    local event = comes(seen)
    assert.equal("down", event.event)
    assert.equal(a, event.actor)
    assert.equal("failed", event.reason)
    assert.equal(77, event.code)
    assert.is_true(event.hlc > k.opened)
  end)

  it("a monitor tells of an end by rk_stop as normal", function()
    local seen = watch(a)
    k:stop(a)
    assert.equal("normal", comes(seen).reason)
  end)

  it("a monitor tells of a termination as shutdown", function()
    local seen = watch(a)
    assert(a:terminate())
    assert.equal("shutdown", comes(seen).reason)
  end)

  it("a monitor of an actor that has ended tells of noproc, later", function()
    assert(a:terminate())
    local seen = watch(a)
    assert.equal(0, #seen)
    assert.equal("noproc", comes(seen).reason)
  end)

  it("each of several monitors gives one message, and only one", function()
    local first, second = watch(a), watch(a)
    k:fail(a)
    comes(first)
    comes(second)
    assert(a:terminate())
    k.rt:poll(0.02)
    assert.equal(1, #first)
    assert.equal(1, #second)
  end)

  it("a closed monitor tells nothing", function()
    local seen, monitor = watch(a)
    local other = watch(a)
    assert.is_true(monitor:close())
    assert.is_true(monitor:close())
    k:fail(a)
    comes(other)
    assert.equal(0, #seen)
  end)

  it("an error in a monitor's function harms nobody", function()
    assert(k.rt:monitor(a, function()
      error("oops")
    end))
    local seen = watch(a)
    k:fail(a)
    comes(seen)
  end)

  it("a linked actor ends with the one that failed", function()
    assert.is_true(k.rt:link(a, b))
    local seen = watch(b)
    k:fail(a)
    ends(b)
    local event = comes(seen)
    assert.equal("failed", event.reason)
    assert.equal(77, event.code)
  end)

  it("links work both ways, and linking twice is linking once", function()
    assert.is_true(k.rt:link(a, b))
    assert.is_true(k.rt:link(b, a))
    assert.is_true(k.rt:unlink(a, b))
    local seen = watch(b)
    k:fail(b)
    comes(seen)
    k.rt:poll(0.02)
    assert.equal("active", a:state())
    assert(b:restart())
    assert.is_true(k.rt:link(a, b))
    k:fail(b)
    ends(a)
  end)

  it("a normal end does not end the other side", function()
    assert.is_true(k.rt:link(a, b))
    local seen = watch(a)
    k:stop(a)
    assert.equal("normal", comes(seen).reason)
    k.rt:poll(0.02)
    assert.equal("active", b:state())
  end)

  it("ends travel along a chain of links", function()
    local c = assert(k.rt:launch(kit.Adder, { name = "c", queue = 16 }))
    assert(k.rt:link(a, b))
    assert(k.rt:link(b, c))
    k:fail(a)
    ends(b)
    ends(c)
  end)

  it("an end through a link runs no stop handler", function()
    k:log_stops()
    assert(k.rt:link(a, b))
    k:fail(a)
    ends(b)
    assert(a:terminate())
    assert.equal("a", k:stops(1))
  end)

  it("there is no linking to what has ended or failed", function()
    assert(b:terminate())
    local _, text, code = k.rt:link(a, b)
    assert.equal("terminated", code)
    assert.matches("'b' has ended", text)
    local seen = watch(a)
    k:fail(a)
    comes(seen)
    code = select(3, k.rt:link(a, a))
    assert.equal("terminated", code)
  end)

  it("a supervised actor that ends through a link is restarted", function()
    local sup = k:supervise { children = { worker "s" } }
    assert(k.rt:link(a, sup.s))
    k:add(sup.s, 5)
    k:fail(a)
    local event = k:wait_for("restart s")[1]
    assert.equal("failed", event.reason)
    assert.equal(77, event.code)
    assert.equal(1, k:add(sup.s, 1))
  end)

  it("belong to one life: the next one of the same handle is not linked", function()
    local sup = k:supervise { intensity = 5, children = { worker "s" } }
    assert(k.rt:link(sup.s, a))
    local seen = watch(sup.s)
    k:fail(sup.s)
    comes(seen)
    k:wait_for("restart s")
    ends(a)
    assert(a:restart())
    k:fail(sup.s)
    k:wait_for("restart s", "restart s")
    k.rt:poll(0.02)
    assert.equal("active", a:state())
    assert.equal(1, #seen)
  end)

  it("want actors and functions", function()
    assert.error_matches(function() k.rt:link(a, 5) end, "link: an actor expected, got 5")
    assert.error_matches(function() k.rt:monitor(a, 5) end, "a function expected")
    assert.error_matches(function() k.rt:monitor("a", print) end, "an actor expected")
    local rt, number = k.rt, support.Number { n = 1 }
    rt:close()
    assert.equal("closed", select(3, rt:link(a, b)))
    assert.equal("closed", select(3, rt:monitor(a, print)))
    assert.equal("closed", select(3, a:send(number)))
  end)
end)
