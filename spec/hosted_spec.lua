-- SPDX-License-Identifier: MIT
--- Actors whose handlers are Lua functions: rk.actor.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Reading = support.Number, support.Reading
local Adder, Sink = support.Adder, support.Sink
local error_of = support.error_of

local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next", burst = 1 },
  source = [[
RK_ON(Number) { (void)state; (void)rk_send(ctx, RK_PORT_next, Number, msg); }
]],
}

describe("a Lua actor #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  --- Polls until fn() is true, for at most 10 seconds.
  local function until_true(fn, what)
    local deadline = core.clock() + 10
    while not fn() do
      assert.is_true(core.clock() < deadline, what or "it did not happen in time")
      rt:poll(0.01)
    end
  end

  local function collector(list, more)
    local spec = { name = "collector", accepts = { Number }, emits = { Number },
      on = { Number = function(_, msg)
        list[#list + 1] = msg.n
      end } }
    for key, value in pairs(more or {}) do
      spec[key] = value
    end
    return rk.actor(spec)
  end

  it("handles what the host sends, in order, and is an actor like any other", function()
    local seen = {}
    local a = assert(rt:launch(collector(seen), { name = "lua/one", queue = 64 }))
    assert.equal("active", a:state())
    assert.equal(a, rt:find("lua/one"))
    assert.equal(a, rt:actor("lua/*"))
    assert.same({ a }, rt:actors())
    for i = 1, 50 do
      assert.is_true(a:send(Number { n = i }))
    end
    assert.same({}, seen) -- functions run inside poll, drain and waits only
    until_true(function() return #seen == 50 end)
    for i = 1, 50 do
      assert.equal(i, seen[i])
    end
    local stats = a:stats()
    assert.equal(50, stats.processed)
    assert.equal(50, stats.sent)
    assert.equal(0, stats.waiting_in)
    assert.equal(64, stats.queue)
  end)

  it("answers calls, of the host and through its mailbox", function()
    local Double = rk.actor { name = "double", accepts = { Number }, emits = { Number },
      on = function(ctx, msg)
        ctx:reply(Number { n = 2 * msg.n })
      end }
    local a = assert(rt:launch(Double))
    assert.equal(42, assert(a:call(Number { n = 21 }, 10)).n)
    assert.is_true(a:send(Number { n = 4 }))
    assert.equal(8, assert(a:receive(10)).n)
  end)

  it("gets messages from kernel actors through ports, with their sender", function()
    local seen, sender = {}, nil
    local a = assert(rt:launch(Pass))
    local b = assert(rt:launch(collector(seen, { on = function(ctx, msg)
      seen[#seen + 1] = msg.n
      sender = ctx:envelope().sender
    end })))
    assert.is_true(rt:connect(a, "next", b))
    for i = 1, 200 do
      assert.is_true(a:send(Number { n = i }))
    end
    until_true(function() return #seen == 200 end)
    for i = 1, 200 do
      assert.equal(i, seen[i])
    end
    assert.equal(a.id, sender)
    assert.is_true(rt:disconnect(a, "next")) -- the wire is cut: nothing comes any more
    assert.is_true(a:send(Number { n = 201 }))
    until_true(function() return a:stats().processed == 201 end)
    rt:drain()
    assert.equal(200, #seen)
  end)

  it("sends to kernel actors through ports, and gets their replies", function()
    local replies = {}
    local Source = rk.actor { name = "source", accepts = { Number }, emits = { Number },
      ports = { "next" }, on = function(ctx, msg)
        if ctx:envelope().sender == 0 then
          assert(ctx:send("next", msg))
        else
          replies[#replies + 1] = msg.n
        end
      end }
    local a, b = assert(rt:launch(Source)), assert(rt:launch(Adder))
    assert.is_true(rt:connect(a, "next", b))
    for i = 1, 4 do
      assert.is_true(a:send(Number { n = i }))
    end
    until_true(function() return #replies == 4 end)
    assert.same({ 1, 3, 6, 10 }, replies)
  end)

  it("holds back a kernel actor that sends faster than its function works", function()
    local seen = {}
    local a = assert(rt:launch(Pass, { queue = 4 }))
    local b = assert(rt:launch(collector(seen), { queue = 4 }))
    assert.is_true(rt:connect(a, "next", b))
    local sent, refused = 0, 0
    while refused < 50 do -- nobody polls, so the functions do not run: all queues fill up
      local ok, _, code = a:send(Number { n = sent + 1 })
      if ok then
        sent, refused = sent + 1, 0
      else
        assert.equal("full", code)
        refused = refused + 1
      end
      a:state() -- looks for news without running a function
    end
    assert.is_true(sent <= 4 * 8, sent)
    assert.same({}, seen)
    until_true(function() return #seen == sent end)
    for i = 1, sent do
      assert.equal(i, seen[i])
    end
    assert.same({}, rt:dead_letters())
  end)

  it("is held back by a slow receiver, and goes on when there is room", function()
    local Burst = rk.actor { name = "burst", accepts = { Number }, emits = { Number },
      ports = { "next", burst = 2 }, on = function(ctx, msg)
        assert(ctx:send("next", msg))
        assert(ctx:send("next", Number { n = -msg.n }))
      end }
    local slow = assert(rt:launch(Sink, { queue = 4, activate = false }))
    local a = assert(rt:launch(Burst, { queue = 64 }))
    assert.is_true(rt:connect(a, "next", slow))
    for i = 1, 20 do
      assert.is_true(a:send(Number { n = i }))
    end
    for _ = 1, 20 do
      rt:poll(0.002)
    end
    assert.equal("active", a:state())
    assert.equal(4, slow:stats().sent)
    assert.equal(18, a:stats().waiting_in)
    assert.is_true(slow:activate())
    until_true(function() return slow:stats().processed == 40 end)
    assert.equal(0, slow:peek_state().sum)
    assert.same({}, rt:dead_letters())
  end)

  it("fails by a Lua error, and keeps its queue for a restart", function()
    local seen, failures, starts = {}, {}, 0
    rt:on("failure", function(event) failures[#failures + 1] = event end)
    local a = assert(rt:launch(collector(seen, {
      state = function() return { count = 0 } end,
      start = function() starts = starts + 1 end,
      on = function(_, msg, state)
        state.count = state.count + 1
        if msg.n == 3 then
          error("three is too much")
        end
        seen[#seen + 1] = msg.n
      end }), { name = "fragile" }))
    for i = 1, 6 do
      assert.is_true(a:send(Number { n = i }))
    end
    until_true(function() return #failures == 1 end)
    assert.equal("failed", a:state())
    assert.same({ 1, 2 }, seen)
    assert.equal(a, failures[1].actor)
    assert.equal(-23, failures[1].code)
    assert.matches("three is too much.*traceback", failures[1].reason)
    local letters = rt:dead_letters()
    assert.equal(1, #letters)
    assert.equal(3, letters[1].message.n)
    assert.equal("failed", letters[1].reason)
    assert.equal(3, a:peek_state().count)
    assert.is_true(a:restart())
    until_true(function() return #seen == 5 end)
    assert.same({ 1, 2, 4, 5, 6 }, seen)
    assert.equal(2, starts)
    assert.equal(3, a:peek_state().count)
    assert.equal(1, #rt:dead_letters())
  end)

  it("fails with a code, also on a call", function()
    local a = assert(rt:launch(rk.actor { accepts = { Number }, on = function(ctx)
      ctx:fail(77)
    end }))
    local reply, _, code = a:call(Number { n = 1 }, 10)
    assert.same({ nil, "not_active" }, { reply, code })
    assert.equal("failed", a:state())
    assert.equal(77, a:stats().last_error)
    assert.is_true(a:restart { keep_state = true })
  end)

  it("survives any error object", function()
    local a = assert(rt:launch(rk.actor { accepts = { Number }, on = function()
      error(setmetatable({}, { __tostring = function() error("no text") end }))
    end }))
    assert.is_true(a:send(Number { n = 1 }))
    until_true(function() return a:state() == "failed" end)
  end)

  it("keeps its state over a restart if asked to", function()
    local a = assert(rt:launch(rk.actor { accepts = { Number }, on = function(_, msg, state)
      state.n = (state.n or 0) + msg.n
    end }))
    assert.is_true(a:send(Number { n = 5 }))
    until_true(function() return a:peek_state().n == 5 end)
    assert.is_true(a:restart { keep_state = true })
    assert.equal(5, a:peek_state().n)
    assert.is_true(a:restart())
    assert.same({}, a:peek_state())
  end)

  it("ends by itself, and what is queued goes to the dead letters", function()
    local seen, ended, stops = {}, {}, 0
    rt:on("ended", function(event) ended[#ended + 1] = event end)
    local a = assert(rt:launch(collector(seen, {
      stop = function() stops = stops + 1 end,
      on = function(ctx, msg)
        seen[#seen + 1] = msg.n
        if msg.n == 2 then
          ctx:stop()
        end
      end }), { name = "brief" }))
    for i = 1, 5 do
      assert.is_true(a:send(Number { n = i }))
    end
    until_true(function() return #ended == 1 end)
    assert.equal("normal", ended[1].reason)
    assert.equal("terminated", a:state())
    assert.same({ 1, 2 }, seen)
    assert.equal(1, stops)
    assert.is_nil((rt:find("brief")))
    local letters = {}
    for _, letter in ipairs(rt:dead_letters()) do
      letters[#letters + 1] = letter.message.n
      assert.equal("terminated", letter.reason)
    end
    table.sort(letters)
    assert.same({ 3, 4, 5 }, letters)
  end)

  it("is terminated with its queue, and begins anew under its handle", function()
    local seen, stops = {}, 0
    local a = assert(rt:launch(collector(seen, { ports = { "next" },
      stop = function() stops = stops + 1 end }), { name = "again" }))
    local b = assert(rt:launch(Sink))
    assert.is_true(rt:connect(a, "next", b))
    assert.is_true(a:send(Number { n = 1 }))
    assert.is_true(a:terminate())
    assert.equal("terminated", a:state())
    assert.equal(1, stops)
    until_true(function() return #rt:dead_letters() == 1 end)
    assert.same({}, seen)
    assert.is_true(a:restart())
    assert.equal("active", a:state())
    assert.equal(a, rt:find("again"))
    assert.is_true(rt:connect(a, "next", b)) -- no port was connected
    assert.is_true(a:send(Number { n = 7 }))
    until_true(function() return #seen == 1 end)
    assert.same({ 7 }, seen)
  end)

  it("is suspended and goes on", function()
    local seen = {}
    local a = assert(rt:launch(collector(seen), { activate = false }))
    assert.equal("launched", a:state())
    assert.is_true(a:send(Number { n = 1 }))
    rt:poll(0.01)
    assert.same({}, seen)
    assert.is_true(a:activate())
    until_true(function() return #seen == 1 end)
    assert.is_true(a:suspend())
    assert.is_true(a:send(Number { n = 2 }))
    rt:poll(0.01)
    assert.same({ 1 }, seen)
    assert.is_true(a:resume())
    until_true(function() return #seen == 2 end)
  end)

  it("stays when its handle is dropped or closed", function()
    local seen = {}
    do
      local a <close> = assert(rt:launch(collector(seen), { name = "kept" }))
      assert.is_true(a:send(Number { n = 1 }))
    end
    assert.is_true(rt:find("kept"):close())
    collectgarbage()
    collectgarbage()
    assert.is_true(rt:find("kept"):send(Number { n = 2 }))
    until_true(function() return #seen == 2 end)
  end)

  it("does not start when its start function fails", function()
    local a, text, code = rt:launch(rk.actor { accepts = { Number }, on = function() end,
      start = function() error("no start") end }, { name = "never" })
    assert.is_nil(a)
    assert.equal("invalid_state", code)
    assert.matches("actor 'never': its start function failed: .*no start", text)
    assert.same({}, rt:actors())
  end)

  it("talks to other Lua actors", function()
    local seen = {}
    local Back = rk.actor { name = "back", accepts = { Number }, emits = { Number },
      on = function(ctx, msg) ctx:reply(Number { n = msg.n * 10 }) end }
    local back = assert(rt:launch(Back))
    local front = assert(rt:launch(collector(seen, { on = function(ctx, msg)
      if ctx:envelope().sender == 0 then
        assert(ctx:send_to(back, msg))
      else
        seen[#seen + 1] = msg.n
      end
    end })))
    for i = 1, 3 do
      assert.is_true(front:send(Number { n = i }))
    end
    until_true(function() return #seen == 3 end)
    assert.same({ 10, 20, 30 }, seen)
  end)

  it("is supervised like any other", function()
    local seen, starts, stops, restarts = {}, 0, 0, {}
    rt:on("restart", function(event) restarts[#restarts + 1] = event.id end)
    local Fragile = collector(seen, { ports = { "next" },
      start = function() starts = starts + 1 end,
      stop = function() stops = stops + 1 end,
      on = function(ctx, msg)
        if msg.n < 0 then
          error("negative")
        end
        seen[#seen + 1] = msg.n
        ctx:send("next", msg)
      end })
    local sink = assert(rt:launch(Sink))
    local sup = assert(rt:supervise(rk.supervisor { strategy = "one_for_all", intensity = 5,
      children = { { id = "one", start = Fragile }, { id = "two", start = Fragile } } }))
    local one = sup.one
    assert.is_true(rt:connect(one, "next", sink))
    for _, n in ipairs { 1, -1, 2 } do
      assert.is_true(one:send(Number { n = n }))
    end
    until_true(function() return #seen == 2 and starts == 4 end)
    assert.equal(one, sup.one)
    assert.equal("active", one:state())
    until_true(function() return sink:stats().processed == 2 end)
    assert.equal(1, stops) -- of the sibling; the one that failed did not stop
    assert.same({ "one" }, restarts)
    assert.is_true(sup:stop())
    assert.equal(3, stops)
    assert.equal("terminated", one:state())
  end)

  it("says what is wrong with a definition", function()
    local function refusal(spec) return error_of(rk.actor, spec) end
    assert.matches("rk.actor: option 'accepts'", refusal { on = function() end })
    assert.matches("'Number' is accepted but option 'on' has no function for it",
      refusal { accepts = { Number }, on = {} })
    assert.matches("option 'on': 'Nmber' is not in 'accepts' %(did you mean 'Number'%?%)",
      refusal { accepts = { Number }, on = { Number = print, Nmber = print } })
    assert.matches("option 'start': a function expected",
      refusal { accepts = { Number }, on = print, start = 5 })
  end)

  it("says what is wrong with a send or a link", function()
    local errors = {}
    local Odd = rk.actor { name = "odd", accepts = { Number }, emits = { Number },
      ports = { "next" }, on = function(ctx, msg)
        errors[1] = error_of(ctx.send, ctx, "nxt", msg)
        errors[2] = error_of(ctx.send, ctx, "next", Reading {})
        errors[3] = { ctx:send("next", msg) }
        errors[4] = error_of(ctx.fail, ctx, 0)
      end }
    local a, b = assert(rt:launch(Odd)), assert(rt:launch(Sink))
    assert.is_true(a:send(Number { n = 1 }))
    until_true(function() return errors[4] end)
    assert.matches("has no port 'nxt' %(did you mean 'next'%?%)", errors[1])
    assert.matches("'Reading' is not in 'emits'", errors[2])
    assert.same({ nil, "port 'odd#1.next' is not connected", "not_found" }, errors[3])
    assert.matches("a code .* expected, got 0", errors[4])
    assert.same({ "not_found" }, { select(3, rt:connect(a, "nxt", b)) })
    assert.is_true(rt:connect(a, "next", b))
    assert.same({ "exists" }, { select(3, rt:connect(a, "next", b)) })
    assert.is_true(rt:disconnect(a, "next"))
  end)
end)
