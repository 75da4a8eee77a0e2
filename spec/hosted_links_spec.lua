-- SPDX-License-Identifier: MIT
--- Links of Lua actors: the policies of links of kernels, carried out on the host.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")
local kit = dofile("spec/links_kit.lua")

local Number = support.Number
local Recorder, range = kit.Recorder, kit.range
local error_of = support.error_of

--- Passes on `times` numbers for each that comes, and counts what is refused.
local function passer(times, more)
  local spec = {
    name = "pass", accepts = { Number }, emits = { Number },
    ports = { "next", "other", burst = times or 1 },
    state = function() return { n = 0, full = 0 } end,
    on = function(ctx, msg, state)
      for i = 0, (times or 1) - 1 do
        local _, _, code = ctx:send("next", Number { n = times and msg.n * 10 + i or msg.n })
        state.full = state.full + (code == "full" and 1 or 0)
      end
      state.n = state.n + 1
    end,
  }
  for key, value in pairs(more or {}) do
    spec[key] = value
  end
  return rk.actor(spec)
end

local Pass = passer()

describe("links of Lua actors #tsan", function()
  local rt, a, b

  local function launch(definition, options)
    return assert(rt:launch(definition, options))
  end

  --- A sender and a receiver that takes nothing yet and has room for four.
  local function open(options, sender)
    rt = assert(rk.open { blocks = 2 })
    a = launch(sender or Pass, { name = "a", queue = 64 })
    b = launch(Recorder, { name = "b", queue = 4, activate = false })
    if options then
      assert(rt:connect(a, "next", b, options))
    end
  end

  after_each(function()
    rt:close()
  end)

  local function until_true(fn)
    local deadline = core.clock() + 10
    while not fn() do
      assert.is_true(core.clock() < deadline, "it did not happen in time")
      rt:poll(0.005)
    end
  end

  local function send(first, last)
    for n = first, last do
      until_true(function() return a:send(Number { n = n }) end)
    end
  end

  local function handled(n)
    until_true(function() return a:peek_state().n == n end)
  end

  local function seen(count)
    return kit.seen(rt, b, count)
  end

  local function link()
    return a:links().next
  end

  it("block: the function waits, nothing is lost", function()
    open { policy = "block" }
    send(1, 20)
    until_true(function() return link().stalls > 0 end)
    assert.equal(4, a:peek_state().n)
    assert.same(range(1, 20), seen(20))
    local l = link()
    assert.same({ "block", b, 20, 0, 0, 0 },
      { l.policy, l.to, l.sent, l.waiting, l.dropped, l.dead })
    assert.equal(0, rt:stats().dead_letters)
  end)

  it("block with a deadline: then it goes to the dead letters", function()
    open { policy = "block", deadline = 0.02 }
    send(1, 7)
    local from = core.clock()
    handled(7)
    assert.is_true(core.clock() - from > 0.04) -- three of them had 20 ms each
    local list = rt:dead_letters { reason = "full" }
    assert.same({ 3, 5, 6, 7 }, { #list, list[1].message.n, list[2].message.n, list[3].message.n })
    assert.equal(b, list[1].actor)
    assert.same({ 3, 3, 0.02 }, { link().dead, a:peek_state().full, link().deadline })
    assert.same(range(1, 4), seen(4))
    send(8, 8) -- there is room again
    until_true(function() return b:peek_state().last == 8 end)
  end)

  it("block with a deadline: all of a burst that had none", function()
    open({ policy = "block", deadline = 0.02 }, passer(3))
    send(1, 2)
    handled(2)
    assert.same({ 4, 2 }, { link().sent, link().dead })
    assert.same({ 21, 22 }, { rt:dead_letters()[1].message.n, rt:dead_letters()[2].message.n })
    assert.same({ 10, 11, 12, 20 }, seen(4))
  end)

  it("dead_letter: the function never waits", function()
    open { policy = "dead_letter" }
    send(1, 20)
    handled(20)
    assert.equal(16, rt:stats().dead_letters)
    for i, letter in ipairs(rt:dead_letters()) do
      assert.same({ "full", i + 4, b }, { letter.reason, letter.message.n, letter.actor })
    end
    local l = link()
    assert.same({ 4, 16, 0, 0 }, { l.sent, l.dead, l.dropped, l.stalls })
    assert.equal(16, a:peek_state().full)
    assert.same(range(1, 4), seen(4))
    assert.equal(16, rt:stats().dead_by_reason.full)
    assert.equal(4, rt:replay { max = 4 }) -- what did not fit can be sent again
  end)

  it("drop_newest: what comes late is dropped and counted", function()
    open { policy = "drop_newest" }
    send(1, 20)
    handled(20)
    assert.same({ 4, 16, 16 }, { link().sent, link().dropped, a:peek_state().full })
    assert.same(range(1, 4), seen(4))
    assert.equal(0, rt:stats().dead_letters)
  end)

  it("drop_oldest: of what waits on the link the oldest go", function()
    open { policy = "drop_oldest", limit = 8 }
    send(1, 20)
    handled(20)
    local l = link()
    assert.same({ 4, 8, 8, 8, 8 }, { l.sent, l.waiting, l.high, l.dropped, l.limit })
    assert.equal(0, a:peek_state().full)
    assert.same(range(1, 4, 13, 20), seen(12))
    assert.same({ 12, 0 }, { link().sent, link().waiting })
  end)

  it("buffer: waits on the link up to its limit, then the send says full", function()
    open { policy = "buffer", limit = 8 }
    send(1, 20)
    handled(20)
    assert.same({ 4, 8, 8 }, { link().sent, link().waiting, link().dropped })
    assert.equal(8, a:peek_state().full)
    assert.same(range(1, 12), seen(12))
    assert.equal(0, rt:stats().dead_letters)
  end)

  it("buffer: the order stays when messages go both ways", function()
    open { policy = "buffer" }
    assert(b:activate())
    for n = 1, 2000, 500 do
      send(n, n + 499)
      until_true(function() return b:peek_state().n == n + 499 end)
    end
    assert.same({ 0, 2000 }, { b:peek_state().jumps, b:peek_state().last })
    assert.same({ 2000, 1024 }, { link().sent, link().limit })
  end)

  it("a burst goes through as far as there is room", function()
    open(nil, passer(5))
    local c = b
    b = launch(Recorder, { queue = 7, activate = false })
    assert(rt:connect(a, "next", b, { policy = "buffer", limit = 4 }))
    send(1, 3)
    handled(3)
    assert.same({ 7, 4, 4 }, { link().sent, link().waiting, link().dropped })
    assert.same(range(10, 14, 20, 24, 30, 30), seen(11))
    assert.equal(0, c:stats().sent)
  end)

  it("a port that does not block holds nobody up; one beside it does", function()
    open({ policy = "drop_newest" }, passer(nil, { on = function(ctx, msg, state)
      ctx:send("next", msg)
      ctx:send("other", msg)
      state.n = state.n + 1
    end }))
    local c = launch(Recorder, { queue = 6, activate = false })
    assert(rt:connect(a, "other", c, { policy = "block" }))
    send(1, 10)
    until_true(function() return a:links().other.stalls > 0 end)
    assert.same({ 6, 4, 2, 6 }, { a:peek_state().n, link().sent, link().dropped,
      a:links().other.sent })
    assert(c:activate())
    handled(10)
    assert.same({ 4, 6, 10 }, { link().sent, link().dropped, a:links().other.sent })
  end)

  it("what waits goes to the dead letters when the link or one of its ends goes", function()
    open { policy = "buffer", limit = 8 }
    send(1, 12)
    handled(12)
    assert(rt:disconnect(a, "next"))
    local list = rt:dead_letters()
    assert.same({ 8, "full", 5, 12 }, { #list, list[1].reason, list[1].message.n,
      list[8].message.n })
    assert.same({}, a:links())
    rt:clear_dead_letters()

    local c = launch(Recorder, { queue = 4, activate = false })
    assert(rt:connect(a, "next", c, { policy = "buffer", limit = 8 }))
    send(1, 12)
    handled(24)
    assert(c:terminate())
    until_true(function() return #rt:dead_letters() == 12 end)
    assert.equal(12, #rt:dead_letters { reason = "terminated" })
    rt:clear_dead_letters()

    for round = 1, 2 do -- its sender is ended, and ends by itself
      b = launch(Recorder, { queue = 4, activate = false })
      if round == 2 then
        a = launch(passer(nil, { on = function(ctx, msg, state)
          ctx:send("next", msg)
          state.n = state.n + 1
          if state.n == 12 then
            ctx:stop()
          end
        end }))
      end
      assert(rt:connect(a, "next", b, { policy = "drop_oldest", limit = 8 }))
      send(1, 12)
      if round == 1 then
        handled(36)
        assert(a:terminate())
      end
      until_true(function() return #rt:dead_letters() == 8 end)
      assert.equal(8, #rt:dead_letters { reason = "full" })
      rt:clear_dead_letters()
      assert.same(range(1, 4), seen(4))
    end
  end)

  it("what waits goes to the dead letters when its sender is given up", function()
    open { policy = "buffer", limit = 8 }
    send(1, 12)
    handled(12)
    assert(core.actor_abandon(a)) -- as for one that gives no sign of life
    assert.equal(8, #rt:dead_letters { reason = "full" })
    assert.same(range(1, 4), seen(4))
  end)

  it("what waits is delivered while its sender is suspended", function()
    open { policy = "buffer", limit = 8 }
    send(1, 12)
    handled(12)
    assert(a:suspend())
    assert.same(range(1, 12), seen(12))
  end)

  it("keep what waits over a restart of their sender", function()
    open({ policy = "buffer", limit = 8 }, passer(nil, { on = function(ctx, msg, state)
      ctx:send("next", msg)
      state.n = state.n + 1
      assert(msg.n ~= 12, "twelve")
    end }))
    send(1, 12)
    until_true(function() return a:state() == "failed" end)
    assert.same({ "failed", 12 }, { rt:dead_letters()[1].reason, rt:dead_letters()[1].message.n })
    assert.equal(8, link().waiting)
    assert(a:restart())
    assert.equal(8, link().waiting)
    assert.same(range(1, 12), seen(12)) -- the twelfth was sent before its message failed
  end)

  it("a start function may send on them", function()
    rt = assert(rk.open { blocks = 1 })
    b = launch(Recorder, { queue = 1, activate = false })
    assert(b:send(Number { n = 0 }))
    a = launch(passer(nil, { start = function(ctx) ctx:send("next", Number { n = 1 }) end }),
      { activate = false })
    assert(rt:connect(a, "next", b, { policy = "buffer", limit = 1 }))
    assert(a:activate())
    assert.same({ 0, 1 }, { link().sent, link().waiting })
    assert.same({ 0, 1 }, seen(2))
  end)

  it("come back with their policies when the receiver is restarted by its supervisor", function()
    rt = assert(rk.open { blocks = 2 })
    a = launch(Pass)
    local sup = assert(rt:supervise(rk.supervisor { children = {
      { id = "b", start = Recorder } } }))
    assert(rt:connect(a, "next", sup.b, { policy = "drop_oldest", limit = 3 }))
    local id = sup.b.id
    assert(sup.b:terminate())
    until_true(function() return sup.b.id ~= id and link() and link().to == sup.b end)
    assert.same({ "drop_oldest", 3 }, { link().policy, link().limit })
    send(1, 3)
    until_true(function() return sup.b:peek_state().last == 3 end)
    assert.same({ 3, 0 }, { link().sent, link().dropped })
  end)

  it("are part of a topology, whose drain waits for what is on them", function()
    rt = assert(rk.open { blocks = 2 })
    local function net(text)
      return rk.topology { actors = { a = Pass, b = { Recorder, queue = 4, activate = false } },
        links = { text } }
    end
    local sys = assert(rt:deploy(net "a.next -> b : drop_oldest 8"))
    a, b = sys.a, sys.b
    assert.same({ "drop_oldest", 8, b }, { link().policy, link().limit, link().to })
    assert(sys:apply(net "a.next -> b : buffer 8")) -- the policy alone has changed
    assert.same({ "buffer", b }, { link().policy, link().to })
    send(1, 12)
    handled(12)
    local info = assert(sys:drain { deadline = 0.05 })
    assert.same({ "a", "b" }, info.forced) -- nobody took anything
    assert.equal(12, info.left_messages)
    assert.equal(12, rt:stats().dead_letters)

    sys = assert(rt:deploy(net "a.next -> b : buffer 8"))
    a, b = sys.a, sys.b
    send(1, 12)
    handled(12)
    assert(b:activate())
    info = assert(sys:drain { deadline = 10 })
    assert.same({}, info.forced)
    assert.equal(12, rt:stats().dead_letters)
  end)

  it("bring nothing to another tenant after its grant was revoked", function()
    rt = assert(rk.open { blocks = 2 })
    local red, blue = assert(rt:tenant "red"), assert(rt:tenant "blue")
    a = launch(Pass, { tenant = "red" })
    b = launch(Recorder, { tenant = "blue", queue = 4, activate = false })
    assert.equal("tenant_mismatch", select(3, rt:connect(a, "next", b, { policy = "buffer" })))
    assert(rt:grant(blue, red))
    assert(rt:connect(a, "next", b, { policy = "buffer", limit = 8 }))
    send(1, 12)
    handled(12)
    assert(rt:revoke(blue, red))
    until_true(function() return rt:stats().dead_letters == 12 end)
    assert.equal(12, rt:stats().dead_by_reason.tenant)
    assert(b:activate())
    assert.equal(0, b:peek_state().n)
  end)

  it("hold no more memory than their limit, and say what they hold", function()
    open({ policy = "drop_oldest", limit = 16 })
    local function in_fours(first, last) -- so that the sender's own mailbox is small all the time
      for n = first, last, 4 do
        send(n, n + 3)
        handled(n + 3)
      end
    end
    in_fours(1, 100)
    local bytes = rt:stats().memory_used
    in_fours(101, 3000)
    assert.equal(16, link().waiting)
    assert.equal(bytes, rt:stats().memory_used)
    assert.same({ 4, 2980 }, { link().sent, link().dropped })
  end)

  it("refuse options that are none", function()
    open()
    assert.matches("option 'policy': one of 'block', .* expected, got 'drop'",
      error_of(rt.connect, rt, a, "next", b, { policy = "drop" }))
    assert.matches("option 'limit' is for the policies",
      error_of(rt.connect, rt, a, "next", b, { limit = 4 }))
    local ok, text, code = rt:connect(a, "next", b, { credits = 4 })
    assert.same({ nil, "unsupported" }, { ok, code })
    assert.matches("takes no credits ahead", text)
    assert.same({}, a:links())
    assert(rt:connect(a, "next", b))
    assert.same({ "block", b }, { link().policy, link().to })
    assert.equal("exists", select(3, rt:connect(a, "next", b, { policy = "buffer" })))
  end)
end)
