-- SPDX-License-Identifier: MIT
--- Administration of a running supervisor: asking, adding, stopping, starting, deleting children.

local rk = require "ringkernel"
local kit = dofile("spec/supervision_kit.lua")

local worker = kit.worker

describe("administration over running actors", function()
  local k
  before_each(function()
    k = kit.open()
  end)
  after_each(function()
    k:close()
  end)

  local function states(sup)
    local out = {}
    for index, child in ipairs(sup:which_children()) do
      out[index] = ("%s=%s"):format(child.id or "", child.state)
    end
    return table.concat(out, " ")
  end

  it("which_children gives ids, actors, types and states", function()
    local sup = k:supervise { children = { worker "a", worker "b" } }
    assert.same({ { id = "a", actor = sup.a, type = "worker", state = "running" },
      { id = "b", actor = sup.b, type = "worker", state = "running" } }, sup:which_children())
  end)

  it("count_children counts specifications, living ones, workers and supervisors", function()
    local sup = k:supervise { children = { worker "a", { id = "s", start = rk.supervisor {} } } }
    assert(sup:terminate_child "a")
    assert.same({ specs = 2, active = 1, supervisors = 1, workers = 1 }, sup:count_children())
  end)

  it("start_child launches an actor that is supervised from then on", function()
    local sup = k:supervise { children = {} }
    local a = assert(sup:start_child(worker "a"))
    assert.equal(a, sup.a)
    k:fail(a)
    k:wait_for("restart a")
    assert.equal(1, k:add(a, 1))
  end)

  it("start_child of a nested supervisor gives that supervisor", function()
    local sup = k:supervise { children = {} }
    local inner = assert(sup:start_child { id = "s", start = rk.supervisor {
      children = { worker "x" } } })
    assert.equal("running", (inner:state()))
    assert.equal("x", inner.x.name)
  end)

  it("start_child with a known id: exists, running or not", function()
    local sup = k:supervise { children = { worker "a" } }
    local _, text, code = sup:start_child(worker "a")
    assert.equal("exists", code)
    assert.equal("start_child 'a': it runs already", text)
    assert(sup:terminate_child "a")
    code = select(3, sup:start_child(worker "a"))
    assert.equal("exists", code)
  end)

  it("start_child says what is wrong with a specification", function()
    local sup = k:supervise { children = {} }
    assert.error_matches(function()
      sup:start_child { id = "a", start = kit.Adder, restrat = "permanent" }
    end, "unknown option 'restrat' %(did you mean 'restart'%?%)")
    assert.error_matches(function()
      sup:start_child { id = "a", start = print, state = "keep", launch = { name = "x" } }
    end, "kernel definition")
    assert.error_matches(function()
      sup:start_child { id = "a", start = kit.Adder, launch = { name = "x" } }
    end, "no 'name' expected")
    assert.error_matches(function()
      sup:start_child { id = "a", start = kit.Adder, heartbeat = 0 }
    end, "seconds %(more than 0%) expected")
  end)

  it("terminate_child ends the actor and keeps the specification", function()
    local sup = k:supervise { children = { worker "a", worker "b" } }
    local a = sup.a
    k:log_stops()
    assert.is_true(sup:terminate_child "a")
    assert.equal("terminated", a:state())
    assert.equal("a", k:stops(1))
    assert.equal("a=stopped b=running", states(sup))
    assert.equal("", k:seen())
    assert.is_true(sup:terminate_child "a")
  end)

  it("terminate_child takes an actor too", function()
    local sup = k:supervise { children = { worker "a" } }
    assert.is_true(sup:terminate_child(sup.a))
    assert.equal("a=stopped", states(sup))
    local stranger = assert(k.rt:launch(kit.Adder))
    assert.equal("not_found", select(3, sup:terminate_child(stranger)))
    assert.equal("not_found", select(3, sup:terminate_child "nobody"))
  end)

  it("restart_child begins it again under the same handle", function()
    local sup = k:supervise { children = { worker "a", worker "b" } }
    local a = sup.a
    assert(k.rt:connect(sup.b, "next", a))
    k:add(a, 5)
    assert(sup:terminate_child "a")
    assert.equal(a, assert(sup:restart_child "a"))
    assert.equal(1, k:add(a, 1))
    k:add(sup.b, 2)
    assert(k:until_true(function()
      return a:peek_state().sum == 3
    end), "its route was not tied again")
  end)

  it("restart_child and delete_child want a child that does not run", function()
    local sup = k:supervise { children = { worker "a" } }
    local _, text, code = sup:restart_child "a"
    assert.equal("invalid_state", code)
    assert.equal("restart_child 'a': it runs", text)
    assert.equal("invalid_state", select(3, sup:delete_child "a"))
    assert.equal("not_found", select(3, sup:restart_child "nobody"))
  end)

  it("delete_child forgets it, and the id is free for something else", function()
    local sup = k:supervise { children = { worker "a" } }
    local old = sup.a
    assert(sup:terminate_child "a")
    assert.is_true(sup:delete_child "a")
    assert.is_nil(sup.a)
    assert.equal(0, sup:count_children().specs)
    local new = assert(sup:start_child(worker "a"))
    assert.not_equal(old, new)
  end)

  it("get_child gives what was said of it", function()
    local sup = k:supervise { children = { worker("a", { restart = "transient" }) } }
    local child = sup:get_child "a"
    assert.equal("transient", child.restart)
    assert.equal(5, child.shutdown)
    assert.equal(kit.Adder, child.start)
    assert.equal("not_found", select(3, sup:get_child "b"))
  end)

  it("simple_one_for_one launches as many actors as are asked for, named after it", function()
    local sup = k:supervise { strategy = "simple_one_for_one", intensity = 3,
      children = { worker "w" } }
    local first = assert(sup:start_child())
    local second = assert(sup:start_child { { name = "special" } })
    assert.same({ "w#1", "special" }, { first.name, second.name })
    assert.same({ specs = 1, active = 2, supervisors = 0, workers = 2 }, sup:count_children())
    k:fail(second)
    k:wait_for("restart w")
    assert.equal(1, k:add(second, 1))
    assert.is_true(sup:terminate_child(first))
    assert.equal("terminated", first:state())
    assert.equal("invalid_state", select(3, sup:terminate_child "w"))
    assert.equal("invalid_state", select(3, sup:restart_child "w"))
    assert(sup:stop())
    assert.equal("terminated", second:state())
  end)

  it("a stopped supervisor answers terminated, a closed runtime closed", function()
    local sup = k:supervise { children = { worker "a" } }
    assert(sup:stop())
    assert.equal("terminated", select(3, sup:count_children()))
    assert.equal("terminated", select(3, sup:start_child(worker "b")))
    k.rt:close()
    assert.equal("closed", select(3, sup:count_children()))
    assert.equal("closed", select(3, k.rt:supervise(rk.supervisor {})))
    assert.is_true(sup:stop())
  end)

  it("two supervisors cannot have an actor of the same name", function()
    k:supervise { children = { worker "a" } }
    local sup, text, code = k.rt:supervise(rk.supervisor { children = { worker "b", worker "a" } })
    assert.is_nil(sup)
    assert.equal("exists", code)
    assert.matches("child 'a' did not start: .*an actor named 'a' is alive", text)
    assert.is_nil(k.rt:find("b")) -- it was stopped again
  end)

  it("two supervisors cannot claim one actor", function()
    local a = assert(k.rt:launch(kit.Adder, { name = "a" }))
    local function mine()
      return a
    end
    k:supervise({ children = { { id = "one", start = mine } } }, { name = "first" })
    local _, text, code = k.rt:supervise(rk.supervisor { children = {
      { id = "two", start = mine } } })
    assert.equal("exists", code)
    assert.matches("actor 'a' is the child 'one' of supervisor 'first' already", text)
    assert.equal("active", a:state())
  end)

  it("trees stand side by side in one runtime", function()
    local one = k:supervise({ intensity = 0, children = { worker "a" } }, { name = "one" })
    local two = k:supervise({ intensity = 5, children = { worker "b" } }, { name = "two" })
    k:fail(one.a)
    k:wait_until_stopped(one)
    assert.equal("one", k.events[1].supervisor)
    k:fail(two.b)
    k:wait_for("restart b")
    assert.equal("running", (two:state()))
  end)

  it("tree() and tostring show what runs", function()
    local sup = k:supervise { children = { worker "a", { id = "s", start = rk.supervisor {
      children = { worker "x" } } }, worker "b" } }
    assert(sup:terminate_child "b")
    assert.equal("root: running\n|- a: running\n|- s: running, supervisor\n|  `- x: running\n"
      .. "`- b: stopped\n", sup:tree())
    assert.equal("ringkernel.supervision: root (running)", tostring(sup))
  end)
end)
