-- Closing and collecting, in any order.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, Adder = support.Number, support.Adder

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("closing", function()
  local function is_closed(value, message, code)
    assert.is_nil(value)
    assert.is_string(message)
    assert.equal("closed", code)
  end

  it("a runtime closes what came from it", function()
    local rt = assert(rk.open { blocks = 1 })
    local backend = rt:info().backend
    local a = assert(rt:launch(Adder, { name = "a" }))
    local b = assert(rt:buffer("u8", 1))
    local sub = assert(rt:subscribe("x", function() end))
    local letters = rt:dead_letters()
    assert.same({}, letters)
    assert.is_true(rt:close())
    assert.is_true(rt:close())
    assert.equal(("ringkernel.runtime: %s (closed)"):format(backend), tostring(rt))
    assert.equal("ringkernel.actor: a (closed)", tostring(a))
    assert.equal("ringkernel.buffer: u8[1] (closed)", tostring(b))
    assert.equal("ringkernel.subscription: x (closed)", tostring(sub))
    assert.equal(backend, rt.backend)
    assert.equal("a", a.name)
    is_closed(rt:launch(Adder))
    is_closed(rt:find("a"))
    is_closed(rt:actor("*"))
    is_closed(rt:actors())
    is_closed(rt:connect(a, "x", a))
    is_closed(rt:disconnect(a, "x"))
    is_closed(rt:publish("x", Number { n = 1 }))
    is_closed(rt:subscribe("x", a))
    is_closed(rt:buffer("u8", 1))
    is_closed(rt:run(rk.global { name = "g", source = "RK_GLOBAL() {}" }, {}))
    is_closed(rt:dead_letters())
    is_closed(rt:clear_dead_letters())
    is_closed(rt:command("nop"))
    is_closed(rt:poll(0))
    is_closed(rt:poll())
    is_closed(rt:drain())
    is_closed(rt:fd())
    is_closed(rt:info())
    is_closed(rt:stats())
    is_closed(a:send(Number { n = 1 }))
    is_closed(a:try_receive())
    is_closed(a:receive())
    is_closed(a:receive_many(1))
    is_closed(a:call(Number { n = 1 }))
    is_closed(a:state())
    is_closed(a:activate())
    is_closed(a:deactivate())
    is_closed(a:terminate())
    is_closed(a:restart())
    is_closed(a:stats())
    is_closed(a:telemetry())
    is_closed(a:peek_state())
    is_closed(b:read())
    is_closed(sub:stats())
    assert.is_false(a:is_active())
    assert.equal(0, a:send_many {})
    assert.equal("closed", (select(3, a:send_many { Number { n = 1 } })))
    for _ in a:each() do
      error("a message from a closed runtime")
    end
    is_closed(a:pollfd())
    assert.is_true(a:close())
    assert.is_true(b:close())
    assert.is_true(sub:close())
  end)

  it("a handle that was closed before its runtime answers every method", function()
    local rt = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(Adder))
    assert.is_true(a:close())
    assert.is_true(rt:close())
    is_closed(a:pollfd())
    is_closed(a:state())
    is_closed(a:send(Number { n = 1 }))
    is_closed(a:try_receive())
    is_closed(a:receive(0))
    is_closed(a:call(Number { n = 1 }, 0))
    is_closed(a:restart())
    is_closed(a:stats())
    is_closed(a:peek_state())
    is_closed(a:latency())
    is_closed(a:links())
    is_closed(a:rollback())
    assert.equal("r", a:events())
    assert.equal(0, a:timeout())
    assert.equal("ringkernel.actor: (closed)", tostring(a))
  end)

  it("a scope closes what is declared with <close>", function()
    local kept
    do
      local rt <close> = assert(rk.open { blocks = 1 })
      kept = rt
      assert(rt:launch(Adder))
    end
    is_closed(kept:stats())
  end)

  it("an actor's handle leaves the actor alone", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    do
      local a <close> = assert(rt:launch(Adder, { name = "a" }))
      assert.equal(1, a:call(Number { n = 1 }, 5).n)
    end
    local a = assert(rt:find("a"))
    assert.equal(3, a:call(Number { n = 2 }, 5).n)
    assert.is_true(a:close())
    assert.is_true(a:close())
    is_closed(a:send(Number { n = 1 }))
    is_closed(a:try_receive())
    is_closed(a:call(Number { n = 1 }, 1))
    is_closed(a:state())
    is_closed(a:terminate())
    is_closed(a:stats())
    is_closed(a:peek_state())
    assert.equal("ringkernel.actor: (closed)", tostring(a))
    assert.is_nil(a.name)
    assert.equal(5, assert(rt:find("a")):call(Number { n = 2 }, 5).n)
  end)

  it("runs stop handlers and leaves no thread behind", function()
    for _ = 1, 20 do
      local rt <close> = assert(rk.open { blocks = 2 })
      local a = assert(rt:launch(Adder))
      assert(a:send(Number { n = 1 }))
    end
  end)
end)

describe("collecting", function()
  it("in any order is safe", function()
    for _ = 1, 5 do
      local rt = assert(rk.open { blocks = 1 })
      local a = assert(rt:launch(Adder))
      local keep = { a, assert(rt:buffer("u8", 10)), assert(rt:subscribe("x", a)) }
      assert(a:send(Number { n = 1 }))
      if #keep == 3 then
        rt, a = nil, nil
        collect()
      end
      keep = nil
      collect()
      assert.is_nil(rt or a or keep)
    end
  end)

  it("a child keeps its runtime", function()
    local function make()
      local rt = assert(rk.open { blocks = 1 })
      return assert(rt:launch(Adder))
    end
    local a = make()
    collect()
    assert.equal(2, assert(a:call(Number { n = 2 }, 5)).n)
    a.runtime:close()
  end)

  it("closes a forgotten runtime, with its functions", function()
    local gone = setmetatable({}, { __mode = "k" })
    local function make()
      local rt = assert(rk.open { blocks = 1 })
      gone[rt] = true
      assert(rt:subscribe("x", function() return rt end))
    end
    make()
    collect()
    assert.is_nil(next(gone))
  end)

  it("a definition lives on in its actors", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch(rk.kernel {
      name = "short",
      accepts = { Number },
      emits = { Number },
      source = "RK_ON(Number) { (void)state; rk_reply(ctx, Number, msg); }",
    }))
    collect()
    assert.equal(8, assert(a:call(Number { n = 8 }, 5)).n)
    assert.equal("short", a.definition.name)
  end)

  it("messages do not pile up", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch("echo"))
    local Echo = rk.stock.echo.messages.Echo
    local function round(n)
      for i = 1, n do
        assert(a:call(Echo { seq = i }, 5))
      end
      collect()
      return collectgarbage("count")
    end
    local before = round(2000)
    assert.is_true(round(20000) < before + 200)
  end)
end)
