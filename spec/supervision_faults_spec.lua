-- SPDX-License-Identifier: MIT
--- What can go wrong under a supervisor: failing starts, storms, deadlines, silence, poison, loss.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")
local cli = dofile("spec/cli/support.lua")
local kit = dofile("spec/supervision_kit.lua")

local Number = support.Number
local worker = kit.worker

--- Its start handler fails with 9.
local Stillborn = rk.kernel {
  name = "stillborn", accepts = { Number },
  source = [[
RK_ON_START() { (void)state; rk_fail(ctx, 9); }
RK_ON(Number) { (void)ctx; (void)state; (void)msg; }
]],
}

describe("faults under a supervisor", function()
  local k
  before_each(function()
    k = kit.open()
  end)
  after_each(function()
    k:close()
  end)

  local function try(options)
    return k.rt:supervise(rk.supervisor(options))
  end

  it("a child whose start handler fails: nothing is left running", function()
    local sup, text, code = try { children = { worker "a", { id = "x", start = Stillborn } } }
    assert.is_nil(sup)
    assert.equal("invalid_state", code)
    assert.matches("supervise: child 'x' did not start: .*start handler of 'x' failed with code 9",
      text)
    assert.equal(0, k.rt:stats().actors)
  end)

  it("a child whose source does not compile: the code says so", function()
    local Broken = rk.kernel { name = "broken", accepts = { Number },
      source = "RK_ON(Number) { oops }" }
    assert.equal("compile", select(3, try { children = { { id = "x", start = Broken } } }))
  end)

  it("a child that starts no more: tried again until the intensity is used up", function()
    local tries = 0
    local sup = k:supervise { intensity = 3, children = { { id = "x", start = function(rt)
      tries = tries + 1
      if tries > 1 then
        return nil, "not today", "io"
      end
      return rt:launch(kit.Adder)
    end } } }
    k:fail(sup.x)
    k:wait_until_stopped(sup)
    assert.equal(4, tries)
    assert.equal("restart x, restart x, restart x, escalation x", k:seen())
    assert.equal("failed", k.events[1].reason)
    assert.equal("start_failed", k.events[2].reason)
    assert.equal(0, k.rt:stats().actors)
  end)

  it("a storm: a child that fails in every life ends its supervisor, once", function()
    local sup = k:supervise { intensity = 10, children = { worker "a" } }
    local list = {}
    for index = 1, 12 do
      list[index] = Number { n = -13 }
    end
    assert.equal(12, sup.a:send_many(list))
    k:wait_until_stopped(sup)
    local restarts = 0
    for _, event in ipairs(k.events) do
      restarts = restarts + (event.event == "restart" and 1 or 0)
    end
    assert.equal(10, restarts)
    assert.equal("escalation", k.events[11].event)
    assert.equal(11, #k.events)
    assert.equal(12, #k.rt:dead_letters())
  end)

  it("restarts outside the period are not counted together", function()
    local sup = k:supervise { intensity = 1, period = 1, children = { worker "a" } }
    k:fail(sup.a)
    k:wait_for("restart a")
    local from = core.clock()
    k:until_true(function()
      return core.clock() - from > 2.1 -- whole seconds count
    end)
    k:fail(sup.a)
    k:wait_for("restart a", "restart a")
    assert.equal("running", (sup:state()))
  end)

  -- ---- functions ----

  it("a function child is called with the runtime and its arguments, for each life", function()
    local seen = {}
    local sup = k:supervise { strategy = "simple_one_for_one", intensity = 2, children = {
      { id = "f", start = function(rt, name, queue)
        seen[#seen + 1] = name
        return rt:launch(kit.Adder, { name = name, queue = queue })
      end } } }
    local first = assert(sup:start_child { "eve", 8 })
    assert.equal(8, first:stats().queue)
    k:fail(first)
    k:wait_for("restart f")
    assert.same({ "eve", "eve" }, seen)
    assert.equal("terminated", first:state())
    assert.equal("active", k.rt:find("eve"):state())
  end)

  it("a function child may be ignored, fail, raise, or return something else", function()
    local function start(fn)
      return { children = { { id = "f", start = fn } } }
    end
    local sup = assert(try(start(function()
      return nil, "ignore"
    end)))
    assert.equal("stopped", sup:which_children()[1].state)
    local _, text, code = try(start(function()
      return nil, "no disk", "io"
    end))
    assert.equal("io", code)
    assert.matches("child 'f' did not start: no disk", text)
    assert.matches("boom", select(2, try(start(function()
      error("boom", 0)
    end))))
    assert.matches("returned a number, not an actor", select(2, try(start(function()
      return 5
    end))))
  end)

  it("an object with terminate and events of its own is a child too", function()
    local events = require "ringkernel.events"
    local object, lives = nil, 0
    local sup = k:supervise { intensity = 2, children = { { id = "lua", start = function()
      lives = lives + 1
      object = { id = "lua" .. lives, name = "lua" }
      function object:terminate()
        self.is_over = true
        return true
      end
      return object
    end } } }
    events.emit(k.rt, { event = "failure", actor = object, code = 3, reason = "error" })
    k.rt:poll(0)
    assert.equal(2, lives)
    assert.equal("error", k:wait_for("restart lua")[1].reason)
    assert(sup:stop())
    assert.is_true(object.is_over)
  end)

  -- ---- deadlines ----

  it("a handler in the middle of something is waited for", function()
    local sup = k:supervise { children = { worker("a", { shutdown = 5 }) } }
    local a = sup.a
    k:log_stops()
    assert(a:send(Number { n = -7 })) -- 1.5 s
    assert(sup:stop())
    assert.equal("a", k:stops(1))
    assert.equal("terminated", a:state())
  end)

  it("past its deadline a child is killed, and given up where its handler goes on", function()
    local sup = k:supervise { children = { worker("a", { shutdown = 0.05 }) } }
    local a, from = sup.a, core.clock()
    assert(a:send(Number { n = -7 }))
    k.rt:poll(0.02)
    assert(sup:stop()) -- 0.05 s, and 1 s of grace for the block
    local took = core.clock() - from
    assert.equal("terminated", a:state())
    assert.is_true(took < 1.45, took) -- before the handler is through
    k.rt:poll(0.7)
    assert(k.rt:launch(kit.Adder, { name = "a" })) -- its name and, by now, its slot are free
  end)

  it("brutal_kill runs no stop handler", function()
    local sup = k:supervise { children = { worker("a", { shutdown = "brutal_kill" }), worker "b" } }
    k:log_stops()
    assert(sup:stop())
    assert.equal("b", k:stops(1))
    k.rt:poll(0.02)
    assert.equal(1, #k.stopped)
  end)

  it("rt:timeout tells of deadlines, and nothing of them when there are none", function()
    local sup = k:supervise { children = { worker("a", { shutdown = 3 }) } }
    k.rt:drain()
    assert.is_nil(k.rt:timeout())
    assert(sup.a:send(Number { n = -7 }))
    k.rt:on("dead_letter", function() -- inside a callback nothing waits
      assert.same({ nil, "timeout" }, { (sup:stop()), select(3, sup:stop()) })
    end)
    local b = assert(k.rt:launch(kit.Adder, { block = 1 }))
    k:fail(b)
    assert(k:until_true(function()
      local left = k.rt:timeout()
      return left and left > 1 and left <= 3
    end))
    assert.equal(k.rt:timeout() and true, sup.a:timeout() and true)
    k:wait_until_stopped(sup)
    k.rt:drain()
    assert.is_nil(k.rt:timeout())
  end)

  it("deadlines are kept inside a loop, too", function()
    local loop = rk.loop "poll"
    local sup = k:supervise { children = { worker("a", { shutdown = 0.05 }) } }
    assert(sup.a:send(Number { n = -7 }))
    local done
    loop:spawn(function()
      done = sup:stop()
    end)
    assert.is_true(loop:run(5))
    assert.is_true(done)
  end)

  -- ---- silence ----

  it("a child that gives no sign of life is restarted on another block", function()
    local sup = k:supervise { children = { worker("a", { heartbeat = 0.2,
      launch = { block = 0, queue = 16 } }) } }
    local a = sup.a
    assert.equal(0, a:stats().block)
    assert(a:send(Number { n = -7 }))
    local event = k:wait_for("restart a")[1]
    assert.equal("heartbeat", event.reason)
    assert.equal(1, a:stats().block)
    assert.equal(1, k:add(a, 1))
  end)

  it("a child that answers stays as it is", function()
    local sup = k:supervise { children = { worker("a", { heartbeat = 0.05 }) } }
    k:add(sup.a, 5)
    local from = core.clock()
    k:until_true(function()
      return core.clock() - from > 0.4
    end)
    assert.equal("", k:seen())
    assert.equal(6, k:add(sup.a, 1))
    assert.is_true(k.rt:timeout() <= 0.05)
    assert(sup:stop())
  end)

  -- ---- poison ----

  it("a poisoned message costs one restart each time it is sent and never comes back", function()
    local sup = k:supervise { intensity = 5, children = { worker "a" } }
    k:fail(sup.a)
    k:wait_for("restart a")
    k:add(sup.a, 1)
    assert.equal("restart a", k:seen())
  end)

  it("replayed it is tried three times in all, then quarantined", function()
    local sup = k:supervise { intensity = 9, children = { worker "a" } }
    k:fail(sup.a)
    for try_number = 1, 2 do
      assert(k:until_true(function()
        return #k.rt:dead_letters() == try_number
      end))
      assert.is_true(sup:replay(k.rt:dead_letters()[try_number]))
    end
    assert(k:until_true(function()
      return #k.rt:dead_letters() == 3
    end))
    local letter = k.rt:dead_letters()[3]
    local _, text, code = sup:replay(letter)
    assert.equal("denied", code)
    assert.matches("child 'a' was tried with this message 3 times", text)
    assert.equal("denied", select(3, sup:replay(letter)))
    assert.equal("restart a, restart a, restart a, quarantine a", k:seen())
    assert.equal(1, #sup:quarantined())
    assert.equal(sup.a, sup:quarantined()[1].actor)
    assert.is_true(sup:release(letter))
    assert.equal(0, #sup:quarantined())
    assert.equal("not_found", select(3, sup:release(letter)))
    assert.is_true(sup:replay(letter))
  end)

  it("another message is not held, and `quarantine` says how often", function()
    local sup = k:supervise { intensity = 9, children = { worker("a", { quarantine = 1 }) } }
    k:fail(sup.a)
    k:wait_for("restart a")
    assert.equal("denied", select(3, sup:replay(k.rt:dead_letters()[1])))
    assert(sup.a:deactivate())
    assert(sup.a:send(Number { n = 2 }))
    assert(sup:terminate_child "a")
    local letter = k.rt:dead_letters()[2]
    assert.equal("terminated", letter.reason)
    assert.equal("terminated", select(3, sup:replay(letter)))
    assert.error_matches(function() sup:replay(5) end, "a dead letter %(of rt:dead_letters%)")
    local stranger = assert(k.rt:launch(kit.Adder))
    k:fail(stranger)
    assert(k:until_true(function()
      return #k.rt:dead_letters() == 3
    end))
    assert.equal("not_found", select(3, sup:replay(k.rt:dead_letters()[3])))
  end)

  -- ---- more ----

  it("hundreds that fail at once are all restarted", function()
    local children = {}
    for index = 1, 300 do
      children[index] = worker("a" .. index)
    end
    k:close()
    k = kit.open { blocks = 2, max_actors = 512 }
    local sup = k:supervise { intensity = 300, children = children }
    for _, child in ipairs(sup:which_children()) do
      k:fail(child.actor)
    end
    assert(k:until_true(function()
      return #k.events == 300
    end), #k.events)
    assert.equal(300, sup:count_children().active)
    assert.equal(1, k:add(sup.a300, 1))
  end)

  it("a lost device ends every tree with one escalation, and nothing is tried again", function()
    local one = k:supervise({ intensity = 100, children = { worker "a", { id = "s",
      start = rk.supervisor { intensity = 100, children = { worker "x" } } } } }, { name = "one" })
    local two = k:supervise({ intensity = 100, children = { worker "b" } }, { name = "two" })
    require("ringkernel.supervision_world").of(k.rt):lose()
    assert.equal(2, #k.events)
    for _, event in ipairs(k.events) do
      assert.equal("escalation", event.event)
      assert.equal("device_lost", event.reason)
    end
    assert.same({ "stopped", "device_lost" }, { one:state() })
    assert.equal("stopped", (two:state()))
    assert.equal("device_lost", select(3, try { children = { worker "c" } }))
    assert.equal(2, #k.events)
  end)

  it("a grid that dies in its second generation is such a loss", function()
    if not (os.getenv("RINGKERNEL_LIBCUDA") or ""):find("fakecuda", 1, true) then
      pending("needs the tests' own CUDA driver, which can be told to fail")
      return
    end
    local result = cli.run(cli.rkl, { "-e", [[
      local rk = require "ringkernel"
      local kit = dofile "spec/supervision_kit.lua"
      local rt = assert(rk.open { blocks = 2, max_actors = 64 })
      for _, name in ipairs { "restart", "escalation" } do
        rt:on(name, function(event) print(name, event.id, event.reason) end)
      end
      local sup = assert(rt:supervise(rk.supervisor { intensity = 100, children = {
        kit.worker "a", { id = "s", start = rk.supervisor { children = { kit.worker "x" } } } } }))
      rt:renew()
      for _ = 1, 20 do rt:poll(0.02) end
      print(sup:state())
    ]] }, { env = { RKFAKE_FAULT = "kernel:2:700" }, before = "timeout 60" })
    assert.equal("escalation\troot\tdevice_lost\nstopped\tdevice_lost\n", result.out)
  end)
end)
