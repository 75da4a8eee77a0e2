-- SPDX-License-Identifier: MIT
--- Checkpoints and links: what waits on a link is saved and comes back onto it, in order, once.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")
local kit = dofile("spec/checkpoint_kit.lua")

local Number = support.Number
local Relay, Checker = kit.Relay, kit.Checker

local folder

local function path(name)
  return folder .. "/" .. name
end

local function open(options)
  options = options or {}
  options.blocks = options.blocks or 2
  local rt = assert(rk.open(options))
  if rt.backend == "cuda" then
    assert(rt:load { Relay, Checker })
  end
  return rt
end

--- Sends numbers and waits until the sender has handled as many in all as the last one says.
local function feed(a, first, last)
  for n = first, last do
    assert(support.eventually(function() return a:send(Number { n = n }) end))
  end
  assert(support.eventually(function() return a:peek_state().n == last end))
end

local function restore(rt, name, kernels)
  return assert(rt:restore(path(name), { kernels = kernels or { Relay, Checker } }))
end

--- The receiver is let go; it must get 1 .. last, one after the other.
local function check_order(b, last)
  assert(b:activate())
  assert(support.eventually(function() return b:peek_state().last == last end))
  assert.same({ last * (last + 1) // 2, 0 }, { b:peek_state().sum, b:peek_state().wrong })
end

describe("a checkpoint of links", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  --- 4 messages in the receiver's queue and 8 on the link to it.
  local function held(rt, options, b)
    local a = assert(rt:launch(Relay, { name = "a" }))
    b = b or assert(rt:launch(Checker, { name = "b", queue = 4, activate = false }))
    assert(rt:connect(a, "next", b, options or { policy = "buffer", limit = 8 }))
    feed(a, 1, 12)
    return a, b
  end

  for blocks = 1, 2 do
    it(("holds what waits on them (%d blocks)"):format(blocks), function()
      do
        local rt <close> = open { blocks = blocks }
        held(rt)
        assert.equal(12, assert(rt:checkpoint(path "one")).messages)
        assert.equal(0, rt:stats().dead_letters)
        check_order(rt:find "b", 12) -- the original goes on as if nothing had happened
      end
      local rt <close> = open { blocks = blocks }
      local done = restore(rt, "one")
      assert.same({ 2, 12, 0 }, { done.launched, done.messages, done.unconnected })
      local a, b = rt:find "a", rt:find "b"
      local link = a:links().next
      assert.same({ "buffer", 8, 4, 8, 8, 0, 0, b }, { link.policy, link.limit, link.sent,
        link.waiting, link.high, link.dropped, link.dead, link.to })
      assert.equal(4, b:stats().waiting_in)
      assert.equal(12, rt:checkpoint(path "again").messages)
      feed(a, 13, 13) -- there is no room for it
      assert.same({ 8, 1 }, { a:links().next.waiting, a:links().next.dropped })
      check_order(b, 12)
      assert.same({ 12, 0 }, { a:links().next.sent, a:links().next.waiting })
      for n = 14, 113 do -- the credits go round
        feed(a, n, n)
        assert(support.eventually(function() return b:peek_state().last == n end))
      end
      assert.equal(1, b:peek_state().wrong) -- the one that was refused
      assert.equal(0, rt:stats().dead_letters)
    end)
  end

  it("goes into another process", function()
    do
      local rt <close> = open()
      held(rt)
      assert(rt:checkpoint(path "one"))
    end
    local file = assert(io.open(path "child.lua", "w"))
    assert(file:write(([[
      local rk = require "ringkernel"
      local kit = dofile("spec/checkpoint_kit.lua")
      local rt <close> = assert(rk.open { blocks = 1 })
      local info = assert(rt:restore(%q, { kernels = { kit.Relay, kit.Checker } }))
      local a, b = rt:find "a", rt:find "b"
      local link = a:links().next
      assert(b:activate())
      for _ = 1, 1000 do
        if b:peek_state().last == 12 then break end
        rt:poll(0.01)
      end
      local state = b:peek_state()
      print(info.messages, link.policy, link.waiting, state.last, state.sum, state.wrong)
    ]]):format(path "one")))
    file:close()
    local child <close> = assert(io.popen(("%s %s 2>&1"):format(os.getenv "RKL" or "build/rkl",
      path "child.lua")))
    assert.equal("12\tbuffer\t8\t12\t78\t0\n", child:read("a"))
  end)

  it("of what was restored has the same sections", function()
    do
      local rt <close> = open()
      held(rt, { policy = "drop_oldest", limit = 5, credits = 4 })
      assert(rt:checkpoint(path "one"))
    end
    local rt <close> = open()
    restore(rt, "one")
    local info = assert(rt:checkpoint(path "delta", { parent = path "one" }))
    assert.same({ 2, 0 }, { info.actors, info.written }) -- nothing has changed
    local link = rt:find("a"):links().next
    assert.same({ "drop_oldest", 5, 5, 3, 4 }, { link.policy, link.limit, link.waiting,
      link.dropped, link.credits })
  end)

  it("brings them to their receiver although their sender is asleep", function()
    do
      local rt <close> = open()
      local a = held(rt)
      a:deactivate()
      assert(rt:checkpoint(path "one"))
    end
    local rt <close> = open()
    restore(rt, "one")
    local b = rt:find "b"
    assert.equal("deactivated", rt:find("a"):state())
    assert(b:activate())
    assert(support.eventually(function() return b:peek_state().last == 12 end))
    assert.same({ 78, 0 }, { b:peek_state().sum, b:peek_state().wrong })
  end)

  it("is put back over actors that have worked meanwhile", function()
    local rt <close> = open()
    local a, b = held(rt)
    assert(rt:checkpoint(path "one"))
    check_order(b, 12)
    assert(b:deactivate())
    feed(a, 13, 30)
    assert.same({ 8, 6 }, { a:links().next.waiting, a:links().next.dropped })
    restore(rt, "one") -- the link is as it was
    assert.same({ 4, 8, 0 }, { a:links().next.sent, a:links().next.waiting,
      a:links().next.dropped })
    check_order(b, 12)
    -- the link has gone, another has taken its place, or it does something else
    for _, way in ipairs { "gone", "other", "policy" } do
      assert(b:deactivate())
      assert(rt:disconnect(a, "next"))
      local c = way == "other" and assert(rt:launch(Checker, { queue = 4, activate = false }))
      if way ~= "gone" then
        assert(rt:connect(a, "next", c or b, { policy = way == "policy" and "drop_oldest"
          or "buffer", limit = 3 }))
        feed(a, 13, 20)
      end
      restore(rt, "one")
      assert.same({ "buffer", 8, 8, b }, { a:links().next.policy, a:links().next.limit,
        a:links().next.waiting, a:links().next.to }, way)
      check_order(b, 12)
      if c then
        assert(c:terminate())
        rt:clear_dead_letters()
      end
      assert.equal(0, #rt:dead_letters(), way)
    end
  end)

  it("keeps the policy of every link", function()
    local options = {
      { policy = "block", deadline = 0.25 }, { policy = "block", credits = 8 },
      { policy = "buffer", limit = 7 }, { policy = "drop_newest" },
      { policy = "drop_oldest", limit = 2 }, { policy = "dead_letter" },
    }
    do
      local rt <close> = open()
      local b = assert(rt:launch(Checker, { name = "b", queue = 1024 }))
      for i, entry in ipairs(options) do
        local a = assert(rt:launch(Relay, { name = "a" .. i }))
        assert(rt:connect(a, "next", b, entry))
      end
      assert(rt:checkpoint(path "one"))
    end
    local rt <close> = open()
    restore(rt, "one")
    for i, entry in ipairs(options) do
      local link = rt:find("a" .. i):links().next
      for key, value in pairs(entry) do
        assert.equal(value, link[key])
      end
    end
    -- and a restart of the receiver under a supervisor has them back
    local routes = require "ringkernel.supervision_routes"
    assert(rt:disconnect(rt:find "a3", "next"))
    assert(rt:restore(path "one", { kernels = { Relay, Checker } }))
    local b = rt:find "b"
    assert(b:terminate())
    assert(b:restart())
    routes.tie_again(rt, b)
    local link = rt:find("a3"):links().next
    assert.same({ "buffer", 7, b }, { link.policy, link.limit, link.to })
  end)

  it("makes dead letters of what waits for an actor that is no more", function()
    do
      local rt <close> = open()
      held(rt)
      assert(rt:checkpoint(path "part", { actors = "a" }))
    end
    local rt <close> = open()
    local done = restore(rt, "part")
    assert.same({ 1, 1, 8 }, { done.actors, done.unconnected, done.messages })
    local letters = rt:dead_letters()
    assert.equal(8, #letters)
    for i, letter in ipairs(letters) do
      assert.same({ "terminated", i + 4 }, { letter.reason, letter.message.n })
    end
  end)

  it("has what waits on the links of an actor that is ending among its dead letters", function()
    -- a ring to the host that holds little: the block cannot get rid of it all at once
    local rt <close> = open { blocks = 1, ring_units = 64 }
    local a = assert(rt:launch(Relay, { name = "a" }))
    local b = assert(rt:launch(Checker, { name = "b", queue = 4, activate = false }))
    assert(rt:connect(a, "next", b, { policy = "buffer", limit = 400 }))
    feed(a, 1, 404)
    assert(core.actor_end(a, "terminate")) -- which is not waited for
    local info = assert(rt:checkpoint(path "end"))
    local again <close> = open()
    restore(again, "end")
    assert.equal(400, info.dead_letters)
    assert.equal(400, #again:dead_letters { reason = "full" })
    check_order(again:find "b", 4)
  end)

  it("holds many, over the end of the link's buffer, in slots of a definition's size", function()
    do
      local rt <close> = open()
      local a, b = held(rt, { policy = "drop_oldest", limit = 100 })
      check_order(b, 12)
      assert(b:deactivate())
      feed(a, 13, 150) -- 4 in the queue, 100 on the link, the oldest gone
      assert.equal(34, a:links().next.dropped)
      assert(rt:checkpoint(path "many"))
    end
    local rt <close> = open()
    restore(rt, "many")
    local b = rt:find "b"
    assert(b:activate())
    assert(support.eventually(function() return b:peek_state().last == 150 end))
    assert.equal(1, b:peek_state().wrong) -- from 16 to 51
    assert.equal(78 + 13 + 14 + 15 + 16 + (51 + 150) * 50, b:peek_state().sum)
  end)

  if os.getenv "RINGKERNEL_BACKEND" == "cuda" then
    it("goes from one backend to the other", function()
      do
        local rt <close> = open { backend = "cpu" }
        held(rt)
        assert(rt:checkpoint(path "cpu"))
      end
      do
        local rt <close> = open { backend = "cuda" }
        restore(rt, "cpu")
        assert.equal(8, rt:find("a"):links().next.waiting)
        assert(rt:checkpoint(path "cuda"))
        check_order(rt:find "b", 12)
      end
      local rt <close> = open { backend = "cpu" }
      restore(rt, "cuda")
      assert.equal(8, rt:find("a"):links().next.waiting)
      check_order(rt:find "b", 12)
    end)
  end

  it("is refused where a link says what cannot be", function()
    local rt <close> = open()
    held(rt)
    assert(rt:checkpoint(path "one"))
    local Wide = rk.kernel { name = "relay", accepts = { Number }, emits = { Number },
      state = { { "n", "u64" } }, source = "RK_ON(Number) { (void)ctx; state->n += msg->n > 0; }" }
    local other <close> = open()
    local ok, text, code = other:restore(path "one", { kernels = { Wide, Checker } })
    assert.same({ nil, "not_found" }, { ok, code })
    assert.matches("has no port 'next'", text)
    assert.same({}, other:actors())
  end)
end)

describe("a checkpoint of links of Lua actors", function()
  local rt, a, b, file

  local Pass = rk.actor {
    name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
    state = function() return { n = 0 } end,
    on = function(ctx, msg, state)
      ctx:send("next", msg)
      state.n = msg.n
    end,
  }

  before_each(function()
    file = os.tmpname()
  end)
  after_each(function()
    rt:close()
    os.remove(file)
    os.remove(file .. ".delta")
  end)

  local function until_true(fn)
    assert.is_truthy(support.eventually(function()
      rt:poll(0.001)
      return fn()
    end))
  end

  local function send(first, last)
    for n = first, last do
      until_true(function() return a:send(Number { n = n }) end)
    end
    until_true(function() return a:peek_state().n == last end)
  end

  local function link()
    return a:links().next
  end

  local function held(options)
    rt = assert(rk.open { blocks = 2 })
    a = assert(rt:launch(Pass, { name = "a", queue = 64 }))
    b = assert(rt:launch(Checker, { name = "b", queue = 4, activate = false }))
    assert(rt:connect(a, "next", b, options or { policy = "buffer", limit = 8 }))
    send(1, 13)
  end

  local function check(last)
    assert(b:activate())
    until_true(function() return b:peek_state().last == last end)
    assert.same({ last * (last + 1) // 2, 0 }, { b:peek_state().sum, b:peek_state().wrong })
  end

  it("has them with what waits there, and another runtime gets them back", function()
    held()
    assert(a:send(Number { n = 13 }))
    rt:poll(0.01)
    assert.equal(12, assert(rt:checkpoint(file)).messages)
    rt:close()
    rt = assert(rk.open { blocks = 1 })
    local info = assert(rt:restore(file, { kernels = { Pass, Checker } }))
    assert.same({ 12, 0 }, { info.messages, info.unconnected })
    a, b = rt:find "a", rt:find "b"
    local l = link()
    assert.same({ "buffer", 8, 4, 8, 8, 2, b }, { l.policy, l.limit, l.sent, l.waiting, l.high,
      l.dropped, l.to })
    -- nothing has changed but a clock
    local delta = assert(rt:checkpoint(file .. ".delta", { parent = file }))
    assert.equal(0, delta.written)
    check(12)
    send(13, 13)
    until_true(function() return b:peek_state().last == 13 end)
    assert.same({ 13, 0 }, { link().sent, rt:stats().dead_letters })
  end)

  it("puts them back over what happened since", function()
    held { policy = "drop_oldest", limit = 9 }
    assert(rt:checkpoint(file))
    check(13)
    assert(b:deactivate())
    send(14, 40)
    assert.equal(14, link().dropped)
    assert(rt:restore(file))
    assert.same({ "drop_oldest", 9, 4, 9, 0 }, { link().policy, link().limit, link().sent,
      link().waiting, link().dropped })
    check(13)
    assert.equal(0, rt:stats().dead_letters)
  end)

  it("makes dead letters where their sender has become a kernel", function()
    held()
    assert(rt:checkpoint(file))
    rt:close()
    rt = assert(rk.open { blocks = 1 })
    local Kernel = rk.kernel { name = "pass", accepts = { Number },
      source = "RK_ON(Number) { (void)ctx; (void)state; (void)msg; }" }
    assert(rt:restore(file, { kernels = { Kernel, Checker } }))
    assert.equal(8, #rt:dead_letters { reason = "terminated" })
    b = rt:find "b"
    check(4)
  end)

  it("makes dead letters of what waits for a receiver that is gone", function()
    held()
    assert(rt:checkpoint(file, { actors = "a" }))
    rt:close()
    rt = assert(rk.open { blocks = 1 })
    assert.equal(1, assert(rt:restore(file, { kernels = { Pass } })).unconnected)
    local letters = rt:dead_letters { reason = "terminated" }
    assert.equal(8, #letters)
    assert.same({ 5, 12 }, { letters[1].message.n, letters[8].message.n })
  end)
end)
