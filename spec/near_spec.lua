-- SPDX-License-Identifier: MIT
--- Messages between actors of one block: in order beside those of other blocks, whatever happens to
--- their receiver while they wait.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, eventually = support.Number, support.eventually

local Big = rk.message("Big", { { "bytes", "u8[600]" } })
local Go = rk.message("Go", { { "count", "u32" }, { "odd", "u32" } })

--- Sends `count` numbers through its port: even ones, or odd ones.
local Source = rk.kernel {
  name = "source", accepts = { Go }, emits = { Number }, ports = { "next", burst = 100 },
  state = { { "n", "i64" }, { "refused", "u64" } },
  source = [[
RK_ON(Go) {
  for (rk_u32 i = 0; i < msg->count; ++i) {
    Number out;
    state->n += 2;
    out.n = state->n + msg->odd;
    if (rk_send(ctx, RK_PORT_next, Number, &out) != 0) { state->refused += 1; }
  }
}
]],
}

--- Counts in steps what comes out of order, from each of the two kinds.
local function watcher(step, more)
  return rk.kernel {
    name = "watcher", accepts = { Number, more }, emits = { Number },
    state = { { "n", "u64" }, { "last", "i64[2]" }, { "jumps", "u64" } },
    source = [[
RK_ON(Number) {
  int who = (int)(msg->n & 1);
  (void)ctx;
  if (state->last[who] != 0 && msg->n != state->last[who] + 2) {
    state->jumps += ]] .. step .. [[;
  }
  state->last[who] = msg->n;
  state->n += 1;
}
]] .. (more and "RK_ON(Big) { (void)ctx; (void)msg; (void)state; }" or ""),
  }
end

local Watcher = watcher(1)

describe("messages within a block", function()
  local rt, to, near, far

  --- The receiver on block 0, one sender beside it and one on block 1.
  local function open(options, far_block)
    rt = assert(rk.open { blocks = 2, dead_letters = 4096 })
    options.name, options.block = "to", 0
    to = assert(rt:launch(Watcher, options))
    near = assert(rt:launch(Source, { name = "near", block = 0 }))
    far = assert(rt:launch(Source, { name = "far", block = far_block or 1 }))
    assert(rt:connect(near, "next", to))
    assert(rt:connect(far, "next", to))
  end

  after_each(function()
    rt:close()
  end)

  local function go(times)
    for _ = 1, times do
      assert(near:send(Go { count = 100, odd = 0 }))
      assert(far:send(Go { count = 100, odd = 1 }))
    end
  end

  --- All of it was handled, in the order of each sender.
  local function expect(n)
    assert.is_truthy(eventually(function() return to:peek_state().n == n end))
    local state = to:peek_state()
    assert.same({ 0, { n, n + 1 } }, { state.jumps, state.last })
    assert.same({ 0, 0 }, { near:peek_state().refused, far:peek_state().refused })
    assert.equal(0, rt:stats().dead_letters)
  end

  local function expect_sent(n)
    assert.is_truthy(eventually(function()
      return near:peek_state().n == n and far:peek_state().n == n
    end))
  end

  it("keep their order when they go around a full ring", function()
    open { queue = 1024, activate = false }
    go(2)
    expect_sent(400)
    assert(to:activate())
    go(40) -- while it handles what waits
    expect(42 * 200)
  end)

  it("stop their senders when the queue is full", function()
    open { queue = 300, activate = false }
    go(10)
    local function waiting()
      return near:links().next.sent + far:links().next.sent
    end
    assert.is_truthy(eventually(function() return waiting() >= 200 end))
    for _ = 1, 20 do
      rt:poll(0.001)
      assert.is_true(waiting() <= 300) -- from actors of any block
    end
    assert(to:activate())
    expect(2000)
  end)

  it("are dead letters when the receiver ends", function()
    open { queue = 1024, activate = false }
    go(3)
    expect_sent(600)
    assert(to:terminate())
    assert.is_truthy(eventually(function() return rt:stats().dead_letters == 600 end))
    local last = { [0] = 0, [1] = 1 }
    for _, letter in ipairs(rt:dead_letters()) do
      local n = letter.message.n
      assert.equal("terminated", letter.reason)
      assert.equal(last[n % 2] + 2, n)
      last[n % 2] = n
    end
    assert.same({ [0] = 600, [1] = 601 }, last)
  end)

  it("stay in order over a checkpoint, wherever their sender lives then", function()
    local path = os.tmpname()
    for _, block in ipairs { 0, 1 } do
      open { queue = 1024, activate = false }
      go(2)
      expect_sent(400)
      assert(rt:checkpoint(path))
      rt:close()
      open({ queue = 1024, activate = false }, block)
      assert(rt:restore(path))
      assert(to:activate())
      go(5)
      expect(1400)
      if block == 0 then
        rt:close()
      end
    end
    os.remove(path)
  end)

  it("are handled by the definition that a reload brings, in larger rings if need be", function()
    for _, more in ipairs { false, Big } do
      open { queue = 1024, activate = false }
      go(2)
      expect_sent(400)
      assert(to:reload(watcher(1000, more or nil)))
      assert(to:activate())
      go(2)
      expect(800)
      if not more then
        rt:close()
      end
    end
  end)

  it("move with a queue that grows", function()
    open { queue = 256, queue_max = 2048, activate = false }
    go(9)
    assert.is_truthy(eventually(function()
      rt:poll(0.001)
      return near:peek_state().n == 1800 and far:peek_state().n == 1800
    end))
    assert.equal(2048, to:stats().queue)
    assert(to:activate())
    go(5)
    expect(2800)
  end)
end)
