-- SPDX-License-Identifier: MIT
--- Dead letters: every way to be undeliverable ends there once; limits, filters, replay.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Reading = support.Number, support.Reading
local Adder, Sink = support.Adder, support.Sink
local error_of, eventually = support.error_of, support.eventually

local To = rk.message("To", { { "to", "id" }, { "n", "i64" } })

--- Sends n as a Number, or (n < 0) as a Reading, to whom it is told.
local Postman = rk.kernel {
  name = "postman", accepts = { To }, emits = { Number, Reading },
  source = [[
RK_ON(To) {
  (void)state;
  if (msg->n < 0) {
    Reading r = { 0u, 1.0 };
    (void)rk_send_to(ctx, msg->to, Reading, &r);
    return;
  }
  Number out = { msg->n };
  (void)rk_send_to(ctx, msg->to, Number, &out);
}
]],
}

--- Fails on everything until it is told not to, by a Reading.
local Picky = rk.kernel {
  name = "picky", accepts = { Number, Reading }, emits = { Number },
  state = { { "good", "u64" }, { "last", "i64" }, { "order", "u64" } },
  source = [[
RK_ON(Reading) { (void)ctx; (void)msg; state->good = 1; }
RK_ON(Number) {
  if (state->good == 0) { rk_fail(ctx, 5); return; }
  state->order = state->order * 10u + (unsigned)msg->n;
  state->last = msg->n;
  rk_reply(ctx, Number, msg);
}
]],
}

describe("dead letters #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)
  after_each(function()
    rt:close()
  end)

  local function letters(count, filter)
    assert.is_truthy(eventually(function() return #rt:dead_letters(filter) >= count end))
    local list = rt:dead_letters(filter)
    assert.equal(count, #list)
    return list
  end

  --- Three that an actor had in its queue when it ended.
  local function three(name)
    local a = assert(rt:launch(Sink, { name = name, activate = false }))
    for n = 1, 3 do
      assert(a:send(Number { n = n }))
    end
    assert(a:terminate())
    return a
  end

  it("are all that cannot be handled, each once, under its reason", function()
    local expected, count = {}, 0
    local function add(reason, n)
      expected[reason] = (expected[reason] or 0) + n
      count = count + n
      letters(count)
    end
    local postman = assert(rt:launch(Postman))

    local gone = three("gone") -- in the queue of one that ends
    add("terminated", 3)
    assert(postman:send(To { to = gone.id, n = 4 })) -- sent to one that has ended
    add("terminated", 1)

    local adder = assert(rt:launch(Adder))
    assert(postman:send(To { to = adder.id, n = -1 })) -- no handler for it
    add("type", 1)
    local sub = assert(rt:subscribe("t", adder))
    assert(rt:publish("t", Reading { sensor = 1 }))
    add("type", 1)
    sub:close()

    local sleeper = assert(rt:launch(Adder, { activate = false, queue = 2 }))
    assert(sleeper:send(Number { n = 1 }, { deadline = 0.001 })) -- too late
    local from = core.clock()
    repeat until core.clock() - from > 0.01
    assert(sleeper:activate())
    add("deadline", 1)

    local fails = assert(rt:launch(Adder, { name = "fails" }))
    assert(fails:send(Number { n = -13 })) -- its handler fails
    add("failed", 1)

    local full = assert(rt:launch(Sink, { activate = false, queue = 2 }))
    local feed = assert(rt:subscribe("f", full))
    for n = 1, 5 do -- a subscriber without room
      assert(rt:publish("f", Number { n = n }))
    end
    add("full", 3)
    feed:close()

    local slow = assert(rt:launch(Adder, { activate = false }))
    assert.equal("timeout", select(3, slow:call(Number { n = 1 }, 0)))
    assert(slow:activate()) -- a reply that nobody waits for
    add("late", 1)

    local hosted = assert(rt:launch(rk.actor { name = "hosted", accepts = { Number },
      on = { Number = function() error("no") end } }))
    assert(hosted:send(Number { n = 1 })) -- a function of the host fails
    add("failed", 1)
    assert(hosted:send(Number { n = 2 }))
    assert(hosted:terminate())
    add("terminated", 1)

    for _ = 1, 20 do
      rt:poll(0.001)
    end
    local stats = rt:stats()
    assert.equal(count, stats.dead_letters)
    assert.equal(count, stats.dead_letters_kept)
    assert.equal(0, stats.dead_letters_evicted + stats.dead_letters_expired)
    local seen, ids = {}, {}
    for _, letter in ipairs(rt:dead_letters()) do
      seen[letter.reason] = (seen[letter.reason] or 0) + 1
      assert.is_nil(ids[letter.id .. letter.reason])
      ids[letter.id .. letter.reason] = true
    end
    assert.same(expected, seen)
    for reason, n in pairs(stats.dead_by_reason) do
      assert.equal(expected[reason] or 0, n, reason)
    end
  end)

  it("are found by actor, type, reason, number and a function", function()
    local a = three("one")
    local b = assert(rt:launch(Adder, { name = "two" }))
    assert(b:send(Number { n = -13 }))
    letters(4)
    assert.equal(3, #rt:dead_letters { actor = a })
    assert.equal(3, #rt:dead_letters { actor = "one" })
    assert.equal(3, #rt:dead_letters { actor = a.id })
    assert.equal(1, #rt:dead_letters { actor = b })
    assert.equal(4, #rt:dead_letters { type = Number })
    assert.equal(4, #rt:dead_letters { type = "Number" })
    assert.equal(0, #rt:dead_letters { type = Reading.id })
    assert.equal(1, #rt:dead_letters { reason = "failed" })
    local list = rt:dead_letters { max = 2 }
    assert.same({ 1, 2 }, { list[1].message.n, list[2].message.n })
    local odd = rt:dead_letters { actor = a, where = function(l) return l.message.n % 2 == 1 end }
    assert.same({ 1, 3 }, { odd[1].message.n, odd[2].message.n })
    assert.equal(a, list[1].actor)
    assert.equal(0, list[1].tries)
    assert.is_true(list[1].age >= 0)
    assert.equal(1, rt:clear_dead_letters { actor = b })
    assert.equal(2, rt:clear_dead_letters { where = function(l) return l.message.n ~= 2 end })
    assert.equal(2, letters(1)[1].message.n)
    assert.is_true(rt:clear_dead_letters())
    letters(0)
    assert.equal(0, rt:stats().dead_letter_bytes)
  end)

  it("refuse filters that are none", function()
    local dead = rt.dead_letters
    assert.matches("unknown option 'reson' %(did you mean 'reason'%?%)",
      error_of(dead, rt, { reson = "full" }))
    assert.matches("'reason': one of 'terminated', .* expected, got 'lost'",
      error_of(dead, rt, { reason = "lost" }))
    assert.matches("'actor': an actor, its name or id expected", error_of(dead, rt, { actor = {} }))
    assert.matches("'type': a message type, its name or id", error_of(dead, rt, { type = 1.5 }))
    assert.matches("'to': an actor expected", error_of(rt.replay, rt, { to = "x" }))
    assert.matches("'dead_letter_age': seconds, more than 0, expected",
      error_of(rk.open, { dead_letter_age = 0 }))
    assert.matches("'dead_letter_tries': a whole number from 1 to 15",
      error_of(rk.open, { dead_letter_tries = 16 }))
  end)

  it("are replayed to the actor in its next life, in order, and are off the list", function()
    local a = assert(rt:launch(Picky))
    assert(a:send(Number { n = 1 }, { correlation = 7 }))
    letters(1)
    assert(a:restart())
    assert(a:send(Number { n = 2 }))
    letters(2)
    assert(a:restart())
    assert(a:send(Reading { sensor = 1 })) -- from now on it takes them
    local before = rt:dead_letters()
    local sent, refused = rt:replay { actor = a }
    assert.equal(2, sent)
    assert.same({}, refused)
    assert.same({}, rt:dead_letters())
    local one, two = assert(a:receive(5)), assert(a:receive(5))
    assert.same({ 1, 2 }, { one.n, two.n })
    assert.equal(7, rk.envelope(one).correlation)
    assert.equal(before[2].id, rk.envelope(two).correlation) -- it kept its id
    assert.equal(12, a:peek_state().order)
    local stats = rt:stats()
    assert.equal(2, stats.dead_letters_replayed)
    assert.equal(2, stats.dead_letters)
    assert.equal(0, stats.dead_letters_kept)
  end)

  it("go to another actor if told to; without one they stay", function()
    three("first")
    local sent, refused = rt:replay()
    assert.equal(0, sent)
    assert.equal(3, #refused)
    assert.equal("terminated", refused[1].code)
    letters(3)
    local b = assert(rt:launch(Sink, { queue = 2, activate = false }))
    sent, refused = rt:replay { to = b }
    assert.equal(2, sent)
    assert.equal("full", refused[1].code)
    assert.equal(3, letters(1)[1].message.n)
    assert(b:activate())
    assert.is_truthy(eventually(function() return b:peek_state().n == 2 end))
    assert.equal(1, rt:replay { to = b })
    assert.is_truthy(eventually(function() return b:peek_state().last == 3 end))
    assert.same({}, rt:dead_letters())
  end)

  it("are tried so often and no more", function()
    rt:close()
    rt = assert(rk.open { blocks = 1, dead_letter_tries = 2 })
    local a = assert(rt:launch(Picky))
    assert(a:send(Number { n = 1 }))
    for tries = 0, 1 do
      assert.equal(tries, letters(1)[1].tries)
      assert(a:restart())
      assert.equal(1, rt:replay())
    end
    assert.equal(2, letters(1)[1].tries)
    assert(a:restart())
    local sent, refused = rt:replay()
    assert.equal(0, sent)
    assert.equal("denied", refused[1].code)
    assert.matches("tried again 2 times already", refused[1].message)
    assert.equal(3, rt:stats().dead_letters) -- three deaths of one message, one letter
    letters(1)
  end)

  it("a message that dies of its deadline may be handled after all", function()
    local a = assert(rt:launch(Sink, { activate = false }))
    assert(a:send(Number { n = 4 }, { deadline = 0.001 }))
    local from = core.clock()
    repeat until core.clock() - from > 0.01
    assert(a:activate())
    letters(1, { reason = "deadline" })
    assert.equal(1, rt:replay { reason = "deadline" })
    assert.is_truthy(eventually(function() return a:peek_state().last == 4 end))
  end)

  it("of a supervised child obey its quarantine", function()
    local sup = assert(rt:supervise(rk.supervisor { intensity = 20, period = 1,
      children = { { id = "x", start = Picky, quarantine = 2 } } }))
    assert(sup.x:send(Number { n = 1 }))
    letters(1)
    assert.is_truthy(eventually(function()
      rt:poll(0.01)
      return sup.x:state() == "active"
    end))
    assert.equal(1, rt:replay())
    letters(1)
    local sent, refused = rt:replay()
    assert.equal(0, sent)
    assert.equal("denied", refused[1].code)
    assert.equal(1, #sup:quarantined())
    letters(1)
  end)

  it("are kept up to a number and an age", function()
    rt:close()
    rt = assert(rk.open { blocks = 1, dead_letters = 2 })
    three()
    local list = letters(2)
    assert.same({ 2, 3 }, { list[1].message.n, list[2].message.n })
    assert.equal(1, rt:stats().dead_letters_evicted)
    rt:close()
    rt = assert(rk.open { blocks = 1, dead_letter_age = 0.05 })
    three()
    local from = core.clock()
    repeat until core.clock() - from > 0.06
    assert.same({}, rt:dead_letters())
    local stats = rt:stats()
    assert.equal(3, stats.dead_letters_expired)
    assert.equal(3, stats.dead_letters)
    assert.equal(0, stats.dead_letter_bytes)
  end)
end)
