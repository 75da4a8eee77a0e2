-- SPDX-License-Identifier: MIT
--- Links with a policy: what becomes of a message when the receiver has no room for it.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")
local kit = dofile("spec/links_kit.lua")

local Number = support.Number
local Recorder, range = kit.Recorder, kit.range
local error_of, eventually = support.error_of, support.eventually

local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
  state = { { "n", "u64" }, { "full", "u64" } },
  source = [[
RK_ON(Number) {
  state->n += 1;
  if (rk_send(ctx, RK_PORT_next, Number, msg) == RK_EFULL) state->full += 1;
}
]],
}

--- Five for one.
local Burst = rk.kernel {
  name = "burst", accepts = { Number }, emits = { Number }, ports = { "next", burst = 5 },
  state = { { "n", "u64" } },
  source = [[
RK_ON(Number) {
  state->n += 1;
  for (int i = 0; i < 5; ++i) {
    Number out;
    out.n = msg->n * 10 + i;
    (void)rk_send(ctx, RK_PORT_next, Number, &out);
  }
}
]],
}

describe("links #tsan", function()
  local rt, a, b

  --- A sender and a receiver that takes nothing yet and has room for four.
  local function open(options, sender, blocks)
    rt = assert(rk.open { blocks = blocks or 2 })
    a = assert(rt:launch(sender or Pass, { name = "a" }))
    b = assert(rt:launch(Recorder, { name = "b", queue = 4, activate = false }))
    if options then
      assert(rt:connect(a, "next", b, options))
    end
  end

  after_each(function()
    rt:close()
  end)

  local function send(first, last)
    for n = first, last do
      assert.is_truthy(eventually(function() return a:send(Number { n = n }) end))
    end
  end

  local function handled(n)
    assert.is_truthy(eventually(function() return a:peek_state().n == n end))
  end

  local function seen(count)
    return kit.seen(rt, b, count)
  end

  local function link()
    return a:links().next
  end

  for blocks = 1, 2 do
    describe(("between %s"):format(blocks == 1 and "actors of a block" or "blocks"), function()
      it("block: the sender waits, nothing is lost", function()
        open({ policy = "block" }, nil, blocks)
        send(1, 20)
        assert.is_truthy(eventually(function() return link().stalls > 0 end))
        assert.equal(4, a:peek_state().n)
        assert.same(range(1, 20), seen(20))
        local l = link()
        assert.same({ "block", b, 20, 0, 0, 0 }, { l.policy, l.to, l.sent, l.waiting, l.dropped,
          l.dead })
        assert.equal(0, rt:stats().dead_letters)
      end)

      it("block with a deadline: then it goes to the dead letters", function()
        open({ policy = "block", deadline = 0.02 }, nil, blocks)
        send(1, 7)
        local from = core.clock()
        handled(7)
        assert.is_true(core.clock() - from > 0.04) -- three of them had 20 ms each
        local list = rt:dead_letters { reason = "full" }
        assert.equal(3, #list)
        assert.same({ 5, 6, 7 }, { list[1].message.n, list[2].message.n, list[3].message.n })
        assert.equal(3, link().dead)
        assert.equal(3, a:peek_state().full)
        assert.same(range(1, 4), seen(4))
        send(8, 8) -- there is room again
        assert.is_truthy(eventually(function() return b:peek_state().last == 8 end))
      end)

      it("dead_letter: the sender never waits", function()
        open({ policy = "dead_letter" }, nil, blocks)
        send(1, 20)
        handled(20)
        assert.is_truthy(eventually(function() return rt:stats().dead_letters == 16 end))
        for i, letter in ipairs(rt:dead_letters()) do
          assert.same({ "full", i + 4, b }, { letter.reason, letter.message.n, letter.actor })
        end
        local l = link()
        assert.same({ 4, 16, 0, 0 }, { l.sent, l.dead, l.dropped, l.stalls })
        assert.same(range(1, 4), seen(4))
        assert.equal(16, rt:stats().dead_by_reason.full)
        assert.equal(4, rt:replay { max = 4 }) -- what did not fit can be sent again
      end)

      it("drop_newest: what comes late is dropped and counted", function()
        open({ policy = "drop_newest" }, nil, blocks)
        send(1, 20)
        handled(20)
        assert.same({ 4, 16, 16 }, { link().sent, link().dropped, a:peek_state().full })
        assert.same(range(1, 4), seen(4))
        assert.equal(0, rt:stats().dead_letters)
      end)

      it("drop_oldest: of what waits on the link the oldest go", function()
        open({ policy = "drop_oldest", limit = 8 }, nil, blocks)
        send(1, 20)
        handled(20)
        local l = link()
        assert.same({ 4, 8, 8, 8, 8 }, { l.sent, l.waiting, l.high, l.dropped, l.limit })
        assert.equal(0, a:peek_state().full)
        assert.same(range(1, 4, 13, 20), seen(12))
        assert.same({ 12, 0 }, { link().sent, link().waiting })
      end)

      it("buffer: waits on the link up to its limit, then the send says full", function()
        open({ policy = "buffer", limit = 8 }, nil, blocks)
        send(1, 20)
        handled(20)
        assert.same({ 4, 8, 8 }, { link().sent, link().waiting, link().dropped })
        assert.equal(8, a:peek_state().full)
        assert.same(range(1, 12), seen(12))
      end)

      it("buffer: the order stays when messages go both ways", function()
        open({ policy = "buffer", limit = 4096 }, nil, blocks)
        assert(b:activate())
        send(1, 3000)
        assert.is_truthy(eventually(function() return b:peek_state().n == 3000 end))
        assert.same({ 0, 3000 }, { b:peek_state().jumps, b:peek_state().last })
        assert.equal(3000, link().sent)
      end)

      it("a burst goes through as far as there is room", function()
        rt = assert(rk.open { blocks = blocks })
        a = assert(rt:launch(Burst))
        b = assert(rt:launch(Recorder, { queue = 7, activate = false }))
        assert(rt:connect(a, "next", b, { policy = "buffer", limit = 4 }))
        send(1, 3)
        handled(3)
        assert.same({ 7, 4, 4 }, { link().sent, link().waiting, link().dropped })
        assert.same(range(10, 14, 20, 24, 30, 30), seen(11))
      end)
    end)
  end

  it("the last credit comes back, too", function()
    local Large = rk.kernel {
      name = "large", accepts = { Number }, emits = { Number }, ports = { "next", burst = 23 },
      state = { { "n", "u64" } },
      source = [[
RK_ON(Number) {
  state->n += 1;
  for (int i = 0; i < 23; ++i) (void)rk_send(ctx, RK_PORT_next, Number, msg);
}
]],
    }
    rt = assert(rk.open { blocks = 2 })
    a = assert(rt:launch(Large))
    b = assert(rt:launch(Recorder, { queue = 24 })) -- room for one burst, with one to spare
    assert(rt:connect(a, "next", b))
    send(1, 5)
    handled(5)
    assert.is_truthy(eventually(function() return b:peek_state().n == 115 end))
  end)

  it("what waits goes to the dead letters when the link or one of its ends goes", function()
    open { policy = "buffer", limit = 8 }
    send(1, 12)
    handled(12)
    assert(rt:disconnect(a, "next"))
    local list = rt:dead_letters()
    assert.equal(8, #list)
    assert.same({ "full", 5, 12 }, { list[1].reason, list[1].message.n, list[8].message.n })
    rt:clear_dead_letters()

    local c = assert(rt:launch(Recorder, { queue = 4, activate = false }))
    assert(rt:connect(a, "next", c, { policy = "buffer", limit = 8 }))
    send(1, 12)
    handled(24)
    assert(c:terminate())
    assert.is_truthy(eventually(function() return #rt:dead_letters() == 12 end))
    assert.equal(12, #rt:dead_letters { reason = "terminated" })
    rt:clear_dead_letters()
    assert.equal("terminated", select(3, c:send(Number { n = 1 })))

    local d = assert(rt:launch(Recorder, { queue = 4, activate = false }))
    assert(rt:disconnect(a, "next"))
    assert(rt:connect(a, "next", d, { policy = "drop_oldest", limit = 8 }))
    send(1, 12)
    handled(36)
    assert(a:terminate())
    assert.is_truthy(eventually(function() return #rt:dead_letters() == 8 end))
    assert.equal(8, #rt:dead_letters { reason = "full" })
    b = d
    assert.same(range(1, 4), seen(4))
  end)

  it("more than the ring to the host holds can wait, and end", function()
    rt = assert(rk.open { blocks = 1, ring_units = 64 })
    a = assert(rt:launch(Pass))
    b = assert(rt:launch(Recorder, { queue = 4, activate = false }))
    assert(rt:connect(a, "next", b, { policy = "buffer", limit = 1000 }))
    send(1, 1004)
    handled(1004)
    assert(rt:disconnect(a, "next"))
    assert.equal(1000, rt:stats().dead_letters)
    assert.equal(1004, rt:dead_letters()[1000].message.n)
  end)

  it("what waits is delivered while its sender is suspended or has failed", function()
    open { policy = "buffer", limit = 8 }
    send(1, 12)
    handled(12)
    assert(a:suspend())
    assert.same(range(1, 12), seen(12))
  end)

  it("a handler of the start may send on it", function()
    rt = assert(rk.open { blocks = 1 })
    local Starter = rk.kernel { name = "starter", accepts = { Number }, emits = { Number },
      ports = { "next" }, source = [[
RK_ON_START() {
  (void)state;
  Number out = { 1 };
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
}
RK_ON(Number) { (void)ctx; (void)state; (void)msg; }
]] }
    b = assert(rt:launch(Recorder, { queue = 1, activate = false }))
    assert(b:send(Number { n = 0 }))
    for n = 1, 3 do
      a = assert(rt:launch(Starter, { activate = false }))
      assert(rt:connect(a, "next", b, { policy = "buffer", limit = 1 }))
      assert(a:activate())
      assert.equal(n == 1 and 1 or 0, link().sent)
      assert.equal(n == 1 and 0 or 1, link().waiting)
    end
    assert.equal(4, #seen(4))
  end)

  it("memory stays what it is however slow the receiver is", function()
    local function resident()
      local file = io.open("/proc/self/statm")
      local pages = file and tonumber((file:read("a"):match("^%d+ (%d+)")))
      if (os.getenv("BUILD") or ""):find("san", 1, true) then
        pages = nil -- the sanitizers' own memory grows
      end
      if file then
        file:close()
      end
      return pages and pages * 4096
    end
    rt = assert(rk.open { blocks = 2, dead_letters = 100 })
    b = assert(rt:launch(Recorder, { queue = 16, activate = false }))
    for _, policy in ipairs { "drop_oldest", "buffer", "drop_newest", "dead_letter" } do
      a = assert(rt:launch(Pass))
      assert(rt:connect(a, "next", b, { policy = policy }))
      send(1, 2000) -- whatever grows once has grown
      handled(2000)
      collectgarbage()
      local bytes, before = rt:stats().device_bytes, resident()
      send(2001, 20000)
      handled(20000)
      collectgarbage()
      assert.equal(bytes, rt:stats().device_bytes)
      if before then
        assert.is_true(resident() - before < 2 << 20, policy)
      end
      assert.is_true(link().waiting <= 1024)
      assert.is_true(#rt:dead_letters() <= 100)
      assert(a:terminate())
      rt:clear_dead_letters()
    end
  end)

  it("the credits of a link are bounded by its option", function()
    rt = assert(rk.open { blocks = 1 })
    a = assert(rt:launch(Pass))
    b = assert(rt:launch(Recorder, { queue = 1024 }))
    assert(rt:connect(a, "next", b))
    assert.equal(64, link().credits)
    assert(rt:disconnect(a, "next"))
    assert(rt:connect(a, "next", b, { credits = 16 }))
    assert.equal(16, link().credits)
    send(1, 100)
    assert.is_truthy(eventually(function() return b:peek_state().n == 100 end))
  end)

  it("a restarted actor has its links with their policies back", function()
    rt = assert(rk.open { blocks = 2 })
    a = assert(rt:launch(Pass))
    local sup = assert(rt:supervise(rk.supervisor { children = {
      { id = "b", start = Recorder } } }))
    assert(rt:connect(a, "next", sup.b, { policy = "drop_oldest", limit = 3 }))
    local id = sup.b.id
    assert(sup.b:terminate())
    assert.is_truthy(eventually(function()
      rt:poll(0.01)
      return sup.b.id ~= id and link()
    end))
    assert.same({ "drop_oldest", 3 }, { link().policy, link().limit })
  end)

  it("are part of a topology", function()
    rt = assert(rk.open { blocks = 2 })
    local function net(text)
      return rk.topology { actors = { a = Pass, b = { Recorder, queue = 4, activate = false },
        c = Recorder }, links = { text } }
    end
    local sys = assert(rt:deploy(net "a.next -> b : drop_oldest 8"))
    a, b = sys.a, sys.b
    assert.same({ "drop_oldest", 8, b }, { link().policy, link().limit, link().to })
    assert(sys:apply(net "a.next -> b : drop_newest")) -- the policy alone has changed
    assert.same({ "drop_newest", b }, { link().policy, link().to })
    assert(sys:apply(net "a.next -> {b, c} : drop_newest")) -- b takes nothing and holds nobody up
    send(1, 100)
    assert.is_truthy(eventually(function() return sys.c:peek_state().n == 100 end))
    assert.same(range(1, 4), seen(4))
    assert.matches("'lossy'", error_of(net, "a.next -> b : lossy"))
    assert.matches("'limit' is for the policies", error_of(net, "a.next -> b : block 3"))
    assert.matches("'x y z' is not a policy", error_of(net, "a.next -> b : x y z"))
  end)

  it("a reload keeps links and their policies, and waits for what is on them", function()
    open { policy = "buffer", limit = 8 }
    send(1, 12)
    handled(12)
    local Again = rk.kernel { name = "pass", accepts = { Number }, emits = { Number },
      ports = { "next" }, state = { { "n", "u64" }, { "full", "u64" } },
      source = [[
RK_ON(Number) { state->n += 1; (void)rk_send(ctx, RK_PORT_next, Number, msg); }
]] }
    local ok, text, code = a:reload(Again)
    assert.is_nil(ok)
    assert.equal("full", code)
    assert.matches("8 messages wait on its links", text)
    assert.same(range(1, 12), seen(12))
    assert(a:reload(Again))
    assert.same({ "buffer", 8, b }, { link().policy, link().limit, link().to })
    send(13, 13)
    assert.is_truthy(eventually(function() return b:peek_state().last == 13 end))
  end)

  it("nothing that waits on a link comes to another tenant after its grant was revoked", function()
    rt = assert(rk.open { blocks = 2 })
    local red, blue = assert(rt:tenant "red"), assert(rt:tenant "blue")
    a = assert(rt:launch(Pass, { tenant = "red" }))
    b = assert(rt:launch(Recorder, { tenant = "blue", queue = 4, activate = false }))
    assert(rt:grant(blue, red))
    assert(rt:connect(a, "next", b, { policy = "buffer", limit = 8 }))
    send(1, 12)
    handled(12)
    assert(rt:revoke(blue, red))
    assert.is_truthy(eventually(function() -- what waited, and what was in the receiver's queue
      return rt:stats().dead_letters == 12
    end), rt:stats().dead_letters)
    assert.equal(12, rt:stats().dead_by_reason.tenant)
    assert(b:activate())
    assert.equal(0, b:peek_state().n)
  end)

  it("refuse options that are none", function()
    open()
    local function refused(text, options)
      assert.matches(text, error_of(rt.connect, rt, a, "next", b, options))
    end
    refused("option 'policy': one of 'block', .* expected, got 'drop'", { policy = "drop" })
    refused("option 'limit' is for the policies", { limit = 4 })
    refused("option 'limit': a whole number from 1 to 65536", { policy = "buffer", limit = 0 })
    refused("option 'deadline' is for the policy 'block'", { policy = "buffer", deadline = 1 })
    refused("option 'deadline': seconds, more than 0", { deadline = -1 })
    refused("unknown option 'polcy' %(did you mean 'policy'%?%)", { polcy = "buffer" })
    assert.same({}, a:links())
    assert(a:terminate())
    assert.equal("terminated", select(3, a:links()))
  end)
end)
