-- SPDX-License-Identifier: MIT
--- Queues that fill up, and grow; budgets of memory.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number = support.Number
local error_of, eventually = support.error_of, support.eventually

local Relay = rk.kernel {
  name = "relay", accepts = { Number }, emits = { Number }, ports = { "next" },
  state = { { "n", "u64" } },
  source = [[
RK_ON(Number) { state->n += 1; (void)rk_send(ctx, RK_PORT_next, Number, msg); }
]],
}

--- Counts what comes out of order, from each of two senders: even and odd numbers.
local Watcher = rk.kernel {
  name = "watcher", accepts = { Number },
  state = { { "n", "u64" }, { "last", "i64[2]" }, { "jumps", "u64" } },
  source = [[
RK_ON(Number) {
  (void)ctx;
  int who = (int)(msg->n & 1);
  if (msg->n != state->last[who] + 2 && state->last[who] != 0) state->jumps += 1;
  state->last[who] = msg->n;
  state->n += 1;
}
]],
}

describe("pressure #tsan", function()
  local rt, events

  local function open(options)
    rt = assert(rk.open(options))
    events = {}
    rt:on("pressure", function(event)
      events[#events + 1] = event
    end)
  end

  after_each(function()
    rt:close()
  end)

  local function until_true(fn)
    assert.is_truthy(eventually(function()
      rt:poll(0.001)
      return fn()
    end))
  end

  it("a queue that fills up is told of at 75 and at 90 percent", function()
    open { blocks = 1 }
    local a = assert(rt:launch(Watcher, { name = "a", queue = 80, activate = false }))
    for n = 1, 59 do
      assert(a:send(Number { n = n * 2 }))
    end
    for _ = 1, 10 do
      rt:poll(0.002)
    end
    assert.equal(0, #events)
    for n = 60, 80 do
      assert(a:send(Number { n = n * 2 }))
    end
    until_true(function() return #events == 2 end)
    local e = events[1]
    assert.same({ "pressure", "warning", "queue", 60, 80, a, "a" },
      { e.event, e.level, e.reason, e.used, e.budget, e.actor, e.name })
    e = events[2]
    assert.same({ "critical", 72, 80 }, { e.level, e.used, e.budget })
    assert(a:activate())
    until_true(function() return a:peek_state().n == 80 end)
    assert.equal(80, a:stats().queue) -- it was not launched to grow
    assert.equal(0, rt:stats().queues_grown)
  end)

  it("a queue grows from messages of the host; none is lost, the order stays", function()
    open { blocks = 2 }
    local a = assert(rt:launch(Watcher, { queue = 64, queue_max = 1000, activate = false }))
    local sent = 0
    until_true(function()
      while a:send(Number { n = 2 * (sent + 1) }) do
        sent = sent + 1
      end
      return sent >= 1000
    end)
    assert.equal(1000, sent)
    assert.equal(1000, a:stats().queue)
    assert.equal(2, rt:stats().queues_grown) -- 256, 1000
    assert.equal("full", select(3, a:send(Number { n = 1 })))
    assert(a:activate())
    until_true(function() return a:peek_state().n == 1000 end)
    local state = a:peek_state()
    assert.same({ 0, 2000 }, { state.jumps, state.last[1] })
    assert.equal(0, rt:stats().dead_letters)
  end)

  it("a queue grows from messages of actors while both run", function()
    open { blocks = 2 }
    local b = assert(rt:launch(Watcher, { queue = 64, queue_max = 4096, activate = false }))
    local from = {}
    for i = 1, 2 do
      from[i] = assert(rt:launch(Relay, { block = i - 1, queue = 64 }))
      assert(rt:connect(from[i], "next", b))
    end
    local sent = { 0, 0 }
    local function feed(most)
      for i = 1, 2 do
        while sent[i] < most and from[i]:send(Number { n = 2 * (sent[i] + 1) + i - 1 }) do
          sent[i] = sent[i] + 1
        end
      end
    end
    until_true(function()
      feed(2000)
      return from[1]:peek_state().n + from[2]:peek_state().n >= 3900
    end)
    assert.equal(4096, b:stats().queue)
    assert(b:activate())
    until_true(function()
      feed(2000)
      return b:peek_state().n == 4000
    end)
    assert.same({ 0, { 4000, 4001 } }, { b:peek_state().jumps, b:peek_state().last })
    assert.equal(0, rt:stats().dead_letters)
    assert(b:terminate()) -- its larger queue goes back with it
    local bytes = rt:stats().device_bytes
    until_true(function() return rt:stats().device_bytes < bytes or bytes < 1 << 20 end)
  end)

  it("a grown queue stays with a restart, and its bounds are checked", function()
    open { blocks = 1 }
    local a = assert(rt:launch(Watcher, { queue = 64, queue_max = 256, activate = false }))
    until_true(function()
      a:send(Number { n = 2 })
      return a:stats().queue == 256
    end)
    assert(a:terminate())
    assert(a:restart())
    assert(a:activate())
    for n = 1, 256 do
      assert(a:send(Number { n = 2 * n }))
    end
    until_true(function() return a:peek_state().n == 256 end)
    assert.matches("queue_max: 100%.%.65536, got 50",
      error_of(rt.launch, rt, Watcher, { queue = 100, queue_max = 50 }))
  end)

  -- ---- budgets of memory ----

  local Big = rk.message("Big", { { "text", "char[1000]" } })
  local Bin = rk.kernel { name = "bin", accepts = { Big },
    source = [[ RK_ON(Big) { (void)ctx; (void)state; (void)msg; } ]] }

  --- 200 dead letters of a kilobyte each.
  local function litter()
    local a = assert(rt:launch(Bin, { queue = 256, activate = false }))
    for _ = 1, 200 do
      assert(a:send(Big { text = "x" }))
    end
    local bytes = rt:stats().device_bytes
    assert(a:terminate())
    until_true(function() return rt:stats().device_bytes < bytes end)
    local from = core.clock()
    until_true(function() return core.clock() - from > 0.03 end) -- budgets are looked at by then
  end

  local function levels(reason)
    local out = {}
    for _, event in ipairs(events) do
      if event.reason == reason then
        out[#out + 1] = event.level
      end
    end
    return out
  end

  it("the oldest dead letters go before the budget of the runtime is used up", function()
    local budget = 8 << 20
    open { blocks = 1, memory_budget = budget, dead_letters = 1 << 20 }
    for _ = 1, 40 do
      litter()
      assert.is_true(rt:stats().memory_used < 0.8 * budget) -- from there on they go
    end
    local stats = rt:stats()
    assert.equal(8000, stats.dead_letters)
    assert.is_true(stats.dead_letters_evicted > 0)
    assert.equal(8000, stats.dead_letters_kept + stats.dead_letters_evicted)
    local seen = levels "memory"
    assert.equal("warning", seen[1])
    assert.matches("critical normal", table.concat(seen, " ")) -- what was done was enough
    local least = { normal = 0, warning = 0.6, critical = 0.8, emergency = 0.95 }
    for _, event in ipairs(events) do
      if event.reason == "memory" then
        assert.equal(budget, event.budget)
        assert.is_true(event.used / budget >= least[event.level], event.level)
      end
    end
  end)

  it("without a budget nothing goes", function()
    open { blocks = 1 }
    for _ = 1, 20 do
      litter()
    end
    assert.same({ 4000, 0 }, { rt:stats().dead_letters_kept, rt:stats().dead_letters_evicted })
    assert.same({}, levels "memory")
  end)

  it("what would use it up for good is refused, and nothing is half done", function()
    open { blocks = 1, memory_budget = 1 << 20 }
    local a = assert(rt:launch(Relay, { queue = 64 }))
    local b = assert(rt:launch(Bin, { queue = 64, queue_max = 4096, activate = false }))
    local before = rt:stats()
    local actor, text, code = rt:launch(Bin, { queue = 4096 })
    assert.is_nil(actor)
    assert.equal("out_of_memory", code)
    assert.matches("memory budget of 1048576", text)
    local c = assert(rt:launch(support.Sink, { queue = 64 }))
    assert.equal("out_of_memory",
      select(3, rt:connect(a, "next", c, { policy = "buffer", limit = 60000 })))
    assert.same({}, a:links())
    assert(c:terminate())
    for _ = 1, 64 do
      assert(b:send(Big { text = "y" }))
    end
    for _ = 1, 20 do
      rt:poll(0.01)
    end
    local after = rt:stats()
    assert.equal(before.actors, after.actors)
    assert.is_true(b:stats().queue < 4096) -- it does not grow past the budget
    assert.is_true(after.memory_used < 1 << 20)
  end)

  it("an actor's own budget: its events, and its mailbox gives back what is spare", function()
    open { blocks = 1 }
    local a = assert(rt:launch(support.Adder, { name = "a", queue = 4096,
      memory_budget = 1800 << 10 }))
    local sent, got = 0, 0
    until_true(function()
      while sent < 4000 and a:send(Number { n = 1 }) do
        sent = sent + 1
      end
      return sent == 4000
    end)
    until_true(function() return #levels "memory" > 0 end)
    local e = events[#events]
    assert.same({ a, "a", 1800 << 10 }, { e.actor, e.name, e.budget })
    for _ = 1, 3990 do
      got = assert(a:receive(5)).n
    end
    until_true(function()
      local seen = levels "memory"
      return seen[#seen] == "normal"
    end)
    for _ = 1, 10 do -- what was left in it is still there, in order
      local n = assert(a:receive(5)).n
      assert.equal(got + 1, n)
      got = n
    end
  end)
end)
