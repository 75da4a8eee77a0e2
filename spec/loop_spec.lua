-- Event loops: the same tasks under the built-in loop, luv and cqueues.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Adder = support.Number, support.Adder
local error_of = support.error_of

local function has(module)
  return (pcall(require, module))
end

for _, name in ipairs { "poll", "luv", "cqueues" } do
  describe(("loop '%s'"):format(name), function()
    if name ~= "poll" and not has(name) then
      pending(("needs the module %s"):format(name))
      return
    end

    local rt, loop

    before_each(function()
      rt = assert(rk.open { blocks = 2 })
      loop = assert(rk.loop(name))
    end)

    after_each(function()
      rt:close()
      loop:run() -- what is left ends by itself
    end)

    it("runs tasks to their end", function()
      local order = {}
      loop:spawn(function(a, b)
        order[#order + 1] = a + b
        loop:sleep(0.02)
        order[#order + 1] = "slept"
      end, 1, 2)
      loop:spawn(function() order[#order + 1] = "second" end)
      assert.is_true(loop:run())
      assert.equal("slept", order[3])
      assert.is_true(order[1] == 3 or order[2] == 3) -- cqueues starts the last one first

    end)

    it("lets call and receive yield", function()
      local a, b = assert(rt:launch(Adder)), assert(rt:launch(Adder))
      local log = {}
      local waiting = true
      loop:spawn(function()
        log[#log + 1] = "wait"
        local n = assert(a:receive(5)).n
        log[#log + 1] = n
        waiting = false
      end)
      loop:spawn(function()
        loop:sleep(0.02)
        assert.is_true(waiting)
        local n = assert(b:call(Number { n = 7 }, 5)).n
        log[#log + 1] = n
        assert(a:send(Number { n = 3 }))
      end)
      loop:run()
      assert.same({ "wait", 7, 3 }, log)
    end)

    it("serves many tasks on one runtime", function()
      local actors, sums = {}, {}
      for i = 1, 20 do
        actors[i] = assert(rt:launch(Adder))
      end
      for i = 1, 20 do
        loop:spawn(function()
          for n = 1, 20 do
            sums[i] = assert(actors[i]:call(Number { n = n }, 5)).n
          end
        end)
      end
      loop:run()
      for i = 1, 20 do
        assert.equal(210, sums[i])
      end
    end)

    it("serves several runtimes", function()
      local other <close> = assert(rk.open { blocks = 1 })
      local a, b = assert(rt:launch(Adder)), assert(other:launch(Adder))
      local log = {}
      for _, actor in ipairs { a, b } do
        loop:spawn(function()
          local n = assert(actor:receive(5)).n
          log[#log + 1] = n
        end)
      end
      loop:spawn(function()
        loop:sleep(0.01)
        assert(b:send(Number { n = 2 }))
        loop:sleep(0.03)
        assert(a:send(Number { n = 1 }))
      end)
      loop:run()
      assert.same({ 2, 1 }, log)
    end)

    it("keeps timeouts", function()
      local a = assert(rt:launch(Adder))
      local took, code
      loop:spawn(function()
        local before = core.clock()
        local _
        _, _, code = a:receive(0.05)
        took = core.clock() - before
        _, _, code = a:receive(0)
      end)
      loop:run()
      assert.equal("timeout", code)
      assert.is_true(took >= 0.045 and took < 2, took)
    end)

    it("iterates, polls and takes many", function()
      local a = assert(rt:launch(Adder))
      local sums, many, polled = {}, nil, nil
      loop:spawn(function()
        for m in a:each { timeout = 0.05 } do
          sums[#sums + 1] = m.n
        end
        assert(a:send(Number { n = 1 }))
        many = assert(a:receive_many(10, 5))
        assert(a:send(Number { n = 1 }))
        polled = rt:poll(5)
      end)
      loop:spawn(function()
        for n = 1, 3 do
          loop:sleep(0.01)
          assert(a:send(Number { n = n }))
        end
      end)
      loop:run()
      assert.same({ 1, 3, 6 }, sums)
      assert.equal(1, #many)
      assert.is_true(polled >= 1)
    end)

    it("misses nothing when other code drains meanwhile", function()
      local a, b = assert(rt:launch(Adder)), assert(rt:launch(Adder))
      local count = 0
      loop:spawn(function()
        for _ = 1, 50 do
          assert(a:receive(5))
          count = count + 1
        end
      end)
      loop:spawn(function()
        for n = 1, 50 do
          assert(a:send(Number { n = n }))
          assert(b:send(Number { n = n }))
          -- These drain the runtime, or wait inside it, behind the loop's back.
          while not b:try_receive() do
            b:peek_state()
          end
          rt:drain()
          if n % 10 == 0 then
            loop:sleep(0.001)
          end
        end
      end)
      loop:run()
      assert.equal(50, count)
    end)

    it("wakes who waits when the runtime is closed", function()
      local a = assert(rt:launch(Adder))
      local code
      loop:spawn(function()
        code = select(3, a:receive(5))
      end)
      loop:spawn(function()
        loop:sleep(0.01)
        rt:close()
      end)
      loop:run()
      assert.equal("closed", code)
    end)

    it("runs the functions of subscriptions", function()
      local got = {}
      assert(rt:subscribe("x", function(message)
        got[#got + 1] = message.n
        if message.n == 2 then
          loop:unwatch(rt)
        end
      end))
      loop:watch(rt)
      loop:spawn(function()
        rt:publish("x", Number { n = 1 })
        loop:sleep(0.01)
        rt:publish("x", Number { n = 2 })
      end)
      loop:run()
      assert.same({ 1, 2 }, got)
    end)

    it("raises what fails in a task", function()
      loop:spawn(function() error("task failed") end)
      local message = error_of(loop.run, loop)
      assert.matches("task failed", message)
      assert.matches("loop_spec", message)
    end)

    it("can be stopped", function()
      local a = assert(rt:launch(Adder))
      loop:spawn(function() a:receive(0.2) end)
      loop:spawn(function() loop:stop() end)
      local before = core.clock()
      loop:run()
      assert.is_true(core.clock() - before < 0.15)
    end)

    it("refuses what is no function", function()
      assert.matches("spawn: a function expected, got", error_of(loop.spawn, loop, 5))
    end)
  end)
end

describe("loops #tsan", function()
  it("are refused by a wrong name", function()
    assert.matches("rk.loop: 'poll', 'luv' or 'cqueues' expected, got 'pol' %(did you mean 'poll'",
      error_of(rk.loop, "pol"))
  end)

  it("leave coroutines alone that they do not run: those block", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(Adder))
    local co = coroutine.wrap(function()
      return assert(a:call(Number { n = 4 }, 5)).n
    end)
    assert.equal(4, co())
  end)

  it("need no adapter inside a cqueues controller", function()
    if not has("cqueues") then
      pending("needs the module cqueues")
      return
    end
    local cqueues = require "cqueues"
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(Adder))
    local cq = cqueues.new()
    local log = {}
    cq:wrap(function()
      local n = assert(a:receive(5)).n
      log[#log + 1] = n
    end)
    cq:wrap(function()
      cqueues.sleep(0.01)
      log[#log + 1] = "sent"
      assert(a:send(Number { n = 4 }))
    end)
    assert(cq:loop())
    assert.same({ "sent", 4 }, log)
  end)

  it("can wait for a runtime or an actor as cqueues does", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(Adder))
    -- The signal for what a launch waited for may come late.
    while core.poll({ rt:fd() }, 0.05) == 1 do rt:drain() end
    assert.equal(rt:fd(), rt:pollfd())
    assert.equal(rt:fd(), a:pollfd())
    assert.equal("r", rt:events())
    assert.equal("r", a:events())
    assert.is_nil(rt:timeout())
    assert.is_nil(a:timeout())
    assert.equal(0, core.poll({ rt:fd() }, 0))
    assert(a:send(Number { n = 1 }))
    assert.equal(1, core.poll({ rt:fd() }, 5))
    assert.is_true(rt:drain() > 0)
    assert.equal(0, core.poll({ rt:fd() }, 0))
    assert.equal(1, assert(a:try_receive()).n)
  end)

  it("poll stops after a time limit", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(Adder))
    local loop = rk.loop "poll"
    loop:spawn(function() a:receive(0.1) end)
    assert.is_false(loop:run(0.02))
    assert.is_true(loop:run())
  end)
end)
