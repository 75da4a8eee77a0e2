-- Tenants: who may send to whom, at the sender and at the receiver; grants and their end; quotas;
-- the audit. What a forged message comes to: spec/c/tenant_test.c.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, Sink, error_of = support.Number, support.Sink, support.error_of
local eventually = support.eventually

local Target = rk.message("Target", { { "to", "id" }, { "n", "i64" } })

--- Sends what it gets through its port, to an id or to a topic, and answers the host with the code.
local Sender = rk.kernel {
  name = "sender",
  accepts = { Number, Target },
  emits = { Number },
  ports = { "next", burst = 2 },
  source = [[
RK_ON(Number) {
  Number out = *msg;
  (void)state;
  out.n = msg->n >= 1000 ? rk_publish(ctx, "numbers/all", Number, msg)
                         : rk_send(ctx, RK_PORT_next, Number, msg);
  rk_send_to(ctx, 0, Number, &out);
}
RK_ON(Target) {
  Number out;
  (void)state;
  out.n = msg->n;
  out.n = rk_send_to(ctx, msg->to, Number, &out);
  rk_send_to(ctx, 0, Number, &out);
}
]],
}

--- Answers whoever asks, and tells the host what the answer came to.
local Answerer = rk.kernel {
  name = "answerer",
  accepts = { Number },
  emits = { Number },
  ports = { burst = 2 },
  source = [[
RK_ON(Number) {
  Number out;
  (void)state;
  out.n = rk_reply(ctx, Number, msg);
  rk_send_to(ctx, 0, Number, &out);
}
]],
}

local FULL, DENIED, MISMATCH = -2, -19, -20

describe("tenants #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  local function launch(definition, tenant, options)
    options = options or {}
    options.tenant = tenant
    return assert(rt:launch(definition, options))
  end

  --- The code that a send of the actor's came to.
  local function code_of(actor)
    return assert(actor:receive(5)).n
  end

  local function count_of(actor)
    return assert(actor:peek_state()).n
  end

  --- Dead letters of a reason, all but the first `skip`.
  local function letters(reason)
    local out = {}
    for _, letter in ipairs(rt:dead_letters()) do
      if letter.reason == reason then
        out[#out + 1] = letter
      end
    end
    return out
  end

  local function actions()
    local out = {}
    for index, entry in ipairs(rt:audit()) do
      out[index] = entry.action .. " " .. entry.code
    end
    return out
  end

  describe("actors", function()
    it("belong to 'default' unless they are launched into one", function()
      local blue = assert(rt:tenant("blue"))
      assert.equal("default", launch(Sink).tenant)
      assert.equal("blue", launch(Sink, "blue").tenant)
      assert.equal("blue", launch(Sink, blue).tenant)
      assert.equal("blue", assert(blue:launch(Sink)).tenant)
      assert.equal(3, #blue:actors())
      assert.equal(3, blue:stats().actors)
      assert.equal(1, assert(rt:tenant("default")):stats().actors)
    end)

    it("stay in theirs when they begin anew", function()
      rt:tenant("blue")
      local actor = launch(Sink, "blue")
      assert(actor:terminate())
      assert.equal("blue", actor.tenant)
      assert(actor:restart())
      assert.equal("blue", actor.tenant)
      assert.equal(1, rt:tenant("blue"):stats().actors)
    end)
  end)

  describe("sends", function()
    local from, to

    before_each(function()
      rt:tenant("blue")
      rt:tenant("green")
      from = launch(Sender, "green", { block = 0 })
      to = launch(Sink, "blue", { block = 1 })
    end)

    it("of the same tenant go through", function()
      local peer = launch(Sink, "green")
      assert(rt:connect(from, "next", peer))
      from:send(Number { n = 1 })
      from:send(Target { to = peer.id, n = 2 })
      assert.equal(0, code_of(from))
      assert.equal(0, code_of(from))
      assert.truthy(eventually(function() return count_of(peer) == 2 end))
      assert.same({}, actions())
    end)

    it("through a port are refused when it is tied, and later", function()
      local ok, text, code = rt:connect(from, "next", to)
      assert.is_nil(ok)
      assert.equal("tenant_mismatch", code)
      assert.matches("'blue' has not granted that to tenant 'green'", text)
      assert(rt:grant("blue", "green"))
      assert(rt:connect(from, "next", to))
      from:send(Number { n = 1 })
      assert.equal(0, code_of(from))
      assert.truthy(eventually(function() return count_of(to) == 1 end))
      assert(rt:revoke("blue", "green"))
      from:send(Number { n = 2 })
      assert.equal(MISMATCH, code_of(from))
      assert.equal(1, count_of(to))
      assert.same({}, letters "tenant") -- the sender's side: nothing was queued
      assert.same({ "connect tenant_mismatch", "send tenant_mismatch" }, actions())
    end)

    it("by id are refused", function()
      from:send(Target { to = to.id, n = 1 })
      assert.equal(MISMATCH, code_of(from))
      assert.equal(0, count_of(to))
      assert.same({}, letters "tenant")
      local entry = rt:audit()[1]
      assert.equal("send", entry.action)
      assert.equal("green", entry.tenant)
      assert.equal("blue", entry.other)
      assert.equal(from.name, entry.name)
      assert.equal(from.id, entry.actor_id)
      assert.equal(to.id, entry.dest)
    end)

    it("as answers are refused, and go the way of their own grant", function()
      local answerer = launch(Answerer, "blue")
      assert(rt:grant("blue", "green"))
      from:send(Target { to = answerer.id, n = 3 })
      assert.equal(0, code_of(from))
      assert.equal(MISMATCH, code_of(answerer))
      assert(rt:grant("green", "blue"))
      from:send(Target { to = answerer.id, n = 3 })
      assert.equal(0, code_of(from))
      assert.equal(0, code_of(answerer))
    end)

    it("of the host are its own, or a tenant's", function()
      local green = rt:tenant("green")
      assert(to:send(Number { n = 1 }))
      local ok, _, code = green:send(to, Number { n = 2 })
      assert.is_nil(ok)
      assert.equal("tenant_mismatch", code)
      assert.equal("tenant_mismatch", select(3, to:send(Number { n = 2 }, { tenant = "green" })))
      assert.equal("tenant_mismatch", select(3, green:call(to, Number { n = 2 }, 1)))
      local sent, _, why = to:send_many({ Number { n = 2 } }, { tenant = green })
      assert.equal(0, sent)
      assert.equal("tenant_mismatch", why)
      assert.equal("not_found", select(3, to:send(Number { n = 2 }, { tenant = "red" })))
      assert(rt:grant("blue", "green"))
      assert(green:send(to, Number { n = 3 }))
      assert.truthy(eventually(function() return count_of(to) == 2 end))
    end)

    it("of functions in Lua are refused alike", function()
      local got = {}
      local Lua = rk.actor {
        name = "lua", accepts = { Number }, emits = { Number }, ports = { "next" },
        on = { Number = function(ctx, message)
          got[#got + 1] = select(3, ctx:send_to(to, message)) or "sent"
          got[#got + 1] = select(3, ctx:send("next", message)) or "sent"
        end },
      }
      local actor = launch(Lua, "green")
      assert.equal("tenant_mismatch", select(3, rt:connect(actor, "next", to)))
      actor:send(Number { n = 1 })
      assert.truthy(eventually(function() rt:poll(0.01) return #got == 2 end))
      assert.same({ "tenant_mismatch", "not_found" }, got)
      rt:grant("blue", "green")
      assert(rt:connect(actor, "next", to))
      actor:send(Number { n = 2 })
      assert.truthy(eventually(function() rt:poll(0.01) return #got == 4 end))
      assert.same({ "sent", "sent" }, { got[3], got[4] })
      rt:revoke("blue", "green")
      actor:send(Number { n = 3 })
      assert.truthy(eventually(function() rt:poll(0.01) return #got == 6 end))
      assert.same({ "tenant_mismatch", "tenant_mismatch" }, { got[5], got[6] })
    end)

    it("of the default tenant are no exception", function()
      local other = launch(Sender)
      other:send(Target { to = to.id, n = 1 })
      assert.equal(MISMATCH, code_of(other))
      assert(rt:grant("blue", "default"))
      other:send(Target { to = to.id, n = 1 })
      assert.equal(0, code_of(other))
    end)

    it("do not wait for the room of a receiver that they may not reach", function()
      local small = launch(Sink, "blue", { queue = 4, activate = false })
      rt:grant("blue", "green")
      assert(rt:connect(from, "next", small))
      for n = 1, 4 do
        from:send(Number { n = n }) -- the fourth waits for room for two
      end
      for _ = 1, 3 do
        assert.equal(0, code_of(from))
      end
      assert.is_nil((from:receive(0.02)))
      assert.equal(3, rt:revoke("blue", "green"))
      assert.equal(MISMATCH, code_of(from))
    end)
  end)

  describe("topics", function()
    local got

    local function note(message, topic)
      got[#got + 1] = topic .. "=" .. message.n
    end

    before_each(function()
      got = {}
      rt:tenant("blue")
      rt:tenant("green")
    end)

    it("reach the publisher's own tenant, and whoever has granted it", function()
      local from = launch(Sender, "green")
      local mine, theirs = launch(Sink, "green"), launch(Sink, "blue")
      rt:subscribe("numbers/#", mine)
      rt:subscribe("numbers/#", theirs)
      from:send(Number { n = 1000 })
      assert.equal(0, code_of(from))
      assert.truthy(eventually(function() rt:drain() return count_of(mine) == 1 end))
      assert.equal(0, count_of(theirs))
      assert.same({ "publish tenant_mismatch" }, actions())
      rt:grant("blue", "green")
      from:send(Number { n = 1001 })
      assert.truthy(eventually(function() rt:drain() return count_of(theirs) == 1 end))
      assert.equal(1, rt:publish("numbers/x", Number { n = 1 }, { tenant = "blue" }))
      assert.equal(2, rt:publish("numbers/x", Number { n = 1 })) -- the host's
    end)

    it("are heard by functions in a tenant's name", function()
      local blue, green = rt:tenant("blue"), rt:tenant("green")
      assert(blue:subscribe("a/#", note))
      assert.equal(0, green:publish("a/1", Number { n = 1 }))
      assert.equal(1, blue:publish("a/2", Number { n = 2 }))
      assert.equal(1, rt:publish("a/3", Number { n = 3 }))
      rt:grant("blue", "green")
      assert.equal(1, green:publish("a/4", Number { n = 4 }))
      assert.equal(1, rt:revoke("blue", "green")) -- it had not been heard yet
      rt:drain()
      assert.same({ "a/2=2", "a/3=3" }, got)
      assert.equal(4, letters("tenant")[1].message.n)
    end)

    it("are not brought to another tenant's actors, nor kept over its own", function()
      local blue, green = rt:tenant("blue"), rt:tenant("green")
      local theirs = launch(Sink, "blue")
      assert.equal("tenant_mismatch", select(3, green:subscribe("a/#", theirs)))
      assert(blue:publish("a/kept", Number { n = 1 }, { retain = true }))
      assert.equal("tenant_mismatch",
        select(3, green:publish("a/kept", Number { n = 2 }, { retain = true })))
      assert(green:subscribe("a/#", note))
      rt:drain()
      assert.same({}, got)
      assert(blue:subscribe("a/#", note))
      rt:drain()
      assert.same({ "a/kept=1" }, got)
    end)
  end)

  describe("revocation", function()
    before_each(function()
      rt:tenant("blue")
      rt:tenant("green")
      rt:grant("blue", "green")
    end)

    it("makes dead letters of what is queued, once, and of nothing else", function()
      local from = launch(Sender, "green", { block = 0 })
      local to = launch(Sink, "blue", { block = 1, activate = false })
      for n = 1, 20 do
        from:send(Target { to = to.id, n = n })
        assert.equal(0, code_of(from))
        to:send(Number { n = 100 + n })
        assert(rt:tenant("green"):send(to, Number { n = 200 + n }))
        assert(rt:tenant("green"):send(to, Number { n = 300 + n }, { priority = "high" }))
      end
      assert.equal(60, rt:revoke("blue", "green"))
      assert.equal(60, #letters "tenant")
      assert.equal(0, rt:revoke("blue", "green"))
      assert(rt:grant("blue", "green")) -- does not bring them back
      assert(to:activate())
      assert.truthy(eventually(function() return count_of(to) == 20 end))
      assert.equal(60, #rt:dead_letters())
      local seen = {}
      for _, letter in ipairs(letters "tenant") do
        assert.is_nil(seen[letter.message.n])
        seen[letter.message.n] = true
        assert.equal(to.id, letter.dest)
      end
      assert.equal(20, count_of(to))
      assert(rt:tenant("green"):send(to, Number { n = 1 }))
      assert.truthy(eventually(function() return count_of(to) == 21 end))
    end)

    it("gives the room of what it took back", function()
      local to = launch(Sink, "blue", { queue = 4, activate = false })
      local green = rt:tenant("green")
      for _ = 1, 2 do
        for n = 1, 4 do
          assert(green:send(to, Number { n = n }))
        end
        assert.equal("full", select(3, green:send(to, Number { n = 5 })))
        assert.equal(4, rt:revoke("blue", "green"))
        assert(rt:grant("blue", "green"))
      end
    end)

    it("ends calls that wait", function()
      local to = launch(support.Adder, "blue", { activate = false })
      local green = rt:tenant("green")
      local loop = rk.loop "poll"
      local code
      loop:spawn(function()
        code = select(3, green:call(to, Number { n = 1 }, 5))
      end)
      loop:spawn(function()
        rt:revoke("blue", "green")
      end)
      loop:run()
      assert.equal("tenant_mismatch", code)
    end)

    it("takes back what a function in Lua has not seen yet", function()
      local got = {}
      local Lua = rk.actor { name = "lua", accepts = { Number },
        on = { Number = function(_, message) got[#got + 1] = message.n end } }
      local actor = launch(Lua, "blue")
      local from = launch(Sender, "green")
      rt:drain()
      for n = 1, 10 do
        from:send(Target { to = actor.id, n = n })
        actor:send(Number { n = 100 + n })
      end
      for _ = 1, 10 do
        assert.equal(0, code_of(from))
      end
      local seen = 0
      for _, n in ipairs(got) do
        seen = seen + (n < 100 and 1 or 0)
      end
      local swept = rt:revoke("blue", "green")
      assert.equal(10, swept + seen)
      assert.equal(swept, #letters "tenant")
      assert.truthy(eventually(function() rt:poll(0.01) return #got == 10 + seen end))
      actor:send(Number { n = 1000 })
      assert.truthy(eventually(function() rt:poll(0.01) return #got == 11 + seen end))
    end)

    it("in mid-send loses and doubles nothing", function()
      local Flood = rk.kernel {
        name = "flood", accepts = { Target }, emits = { Number, Target },
        state = { { "sent", "u64" }, { "refused", "u64" }, { "full", "u64" } },
        source = [[
RK_ON(Target) {
  Number out;
  Target again = *msg; /* until it is refused */
  out.n = (rk_i64)state->sent;
  int rc = rk_send_to(ctx, msg->to, Number, &out);
  if (rc == 0) { state->sent += 1; } else if (rc == -20) { state->refused += 1; }
  else { state->full += 1; }
  if (state->refused < 10) { (void)rk_send_to(ctx, rk_self(ctx), Target, &again); }
}
]],
      }
      for round = 1, 10 do
        local to = launch(Sink, "blue", { block = round % 2, queue = 64 })
        local flood = launch(Flood, "green", { block = 0 })
        local before = #rt:dead_letters()
        flood:send(Target { to = to.id })
        assert(eventually(function() return flood:peek_state().sent > 20 * round end))
        local swept = assert(rt:revoke("blue", "green"))
        local handled = count_of(to)
        assert(eventually(function() return flood:peek_state().refused == 10 end))
        local state = flood:peek_state()
        assert.equal(handled, count_of(to)) -- nothing came after
        local dead = #rt:dead_letters() - before
        assert.equal(state.sent, handled + dead)
        assert.equal(dead, swept)
        assert.same({ "send tenant_mismatch" }, { actions()[1] }) -- no more than what was tried later
        rt:grant("blue", "green")
      end
    end)
  end)

  describe("quotas", function()
    it("of actors count the living", function()
      local blue = assert(rt:tenant("blue", { actors = 2 }))
      local first = assert(blue:launch(Sink))
      assert(blue:launch(Sink))
      local ok, text, code = blue:launch(Sink, { name = "third" })
      assert.is_nil(ok)
      assert.equal("denied", code)
      assert.matches("'third': tenant 'blue' has used up its actors", text)
      assert(rt:launch(Sink)) -- others may
      assert(first:terminate())
      assert(blue:launch(Sink))
      assert.equal("denied", select(3, first:restart()))
      assert(rt:tenant("blue", { actors = 3 }))
      assert(first:restart())
      assert.same({ "launch denied", "launch denied" }, actions())
      assert.equal("actors", rt:audit()[1].quota)
    end)

    it("of memory count actors and buffers", function()
      local blue = assert(rt:tenant("blue"))
      local actor = assert(blue:launch(Sink, { queue = 16 }))
      local each = blue:stats().memory
      assert.is_true(each > 0)
      assert(rt:tenant("blue", { memory = 2 * each + 1000 }))
      local other = assert(blue:launch(Sink, { queue = 16 }))
      assert.equal("denied", select(3, blue:launch(Sink, { queue = 16 })))
      local buffer = assert(blue:buffer("u8", 1000))
      assert.equal("denied", select(3, blue:buffer("u8", 1)))
      buffer:close()
      assert(blue:buffer("u8", 1))
      assert(other:terminate())
      assert(actor:terminate())
      assert.equal(1, blue:stats().memory)
      assert.equal("memory", rt:audit()[1].quota)
      assert.same({ "launch denied", "buffer denied" }, actions())
    end)

    it("of messages hold actors back", function()
      assert(rt:tenant("blue", { rate = 1e-4, burst = 5 }))
      local from, to = launch(Sender, "blue"), launch(Sink, "blue")
      local codes = {}
      rt:connect(from, "next", to)
      rt:tenant("blue", { rate = 1e-4, burst = 5 })
      for _ = 1, 4 do
        from:send(Number { n = 1 })
      end
      for index = 1, 4 do
        codes[index] = code_of(from)
      end
      -- what the host sends is counted by itself: one is left of it, as of what actors send
      from:send(Target { to = to.id, n = 1 })
      codes[5] = code_of(from)
      assert.same({ 0, 0, 0, 0, 0 }, codes)
      assert.equal("denied", select(3, from:send(Number { n = 1 })))
      rt:tenant("blue", { rate = 1e-4, burst = 6 })
      from:send(Number { n = 1000 })
      assert.equal(0, code_of(from))
      rt:tenant("blue", { rate = 1e-4, burst = 6 })
      local free = launch(Sink) -- the host in its own name, to another tenant
      assert(free:send(Number { n = 1 }))
      assert.equal(5, count_of(to))
      local entries = rt:audit()
      assert.equal("rate", entries[1].quota)
      assert.equal("send", entries[1].action)
    end)

    it("of messages refuse ports, ids and topics in the grid", function()
      assert(rt:tenant("blue"))
      local from, to = launch(Sender, "blue"), launch(Sink, "blue")
      rt:connect(from, "next", to)
      for _, message in ipairs {
        Number { n = 1 }, Target { to = to.id, n = 1 }, Number { n = 1000 },
      } do
        -- the same bucket on either side: the host sends twice before it is asked
        assert(rt:tenant("blue", { rate = 1e-4, burst = 1 }))
        from:deactivate()
        rt:tenant("blue", {})
        from:send(message)
        from:send(message)
        rt:tenant("blue", { rate = 1e-4, burst = 1 })
        from:activate()
        local first = code_of(from)
        assert.is_true(first == 0 or first == DENIED)
        assert.equal(DENIED, code_of(from))
      end
      assert.is_true(#rt:audit() >= 3)
      assert.not_equal(FULL, DENIED)
    end)
  end)

  describe("the audit", function()
    it("keeps the newest 1024 and counts the rest", function()
      rt:tenant("blue")
      local to = launch(Sink, "blue")
      local green = rt:tenant("green")
      for _ = 1, 1030 do
        green:send(to, Number { n = 1 })
      end
      local list, dropped = rt:audit()
      assert.equal(1024, #list)
      assert.equal(6, dropped)
      assert.equal(7, list[1].number)
      assert.equal(1030, list[1024].number)
      assert.equal(1030, green:stats().refused)
    end)

    it("counts what a block has no room to tell", function()
      local Loud = rk.kernel {
        name = "loud", accepts = { Target }, emits = { Number },
        source = [[
RK_ON(Target) {
  Number out;
  (void)state;
  out.n = 0;
  for (rk_i64 i = 0; i < msg->n; ++i) { (void)rk_send_to(ctx, msg->to, Number, &out); }
}
]],
      }
      rt:tenant("blue")
      local to, loud = launch(Sink, "blue"), launch(Loud)
      loud:send(Target { to = to.id, n = 10000 })
      assert(eventually(function() return loud:stats().processed == 1 end))
      local list, dropped = rt:audit()
      assert.equal(10000, list[#list].number + rt:stats().dead_letters
        + (dropped - (list[1].number - 1)))
      assert.is_true(dropped > 0)
      assert.equal(10000, loud:stats().dropped)
    end)

    it("tells listeners", function()
      local events = {}
      rt:tenant("blue", { actors = 1 })
      rt:on("denied", function(event) events[#events + 1] = event end)
      local to, from = launch(Sink, "blue"), launch(Sender)
      rt:launch(Sink, { tenant = "blue", name = "more" })
      from:send(Target { to = to.id, n = 1 })
      assert.truthy(eventually(function() rt:poll(0.01) return #events == 2 end))
      local first, second = events[1], events[2]
      assert.same({ "denied", "launch", "denied", "actors", "blue", "more" }, { first.event,
        first.reason, first.code, first.quota, first.tenant, first.name })
      assert.is_nil(first.actor) -- it never lived
      assert.same({ "send", "tenant_mismatch", "default", "blue" }, { second.reason, second.code,
        second.tenant, second.other })
      assert.equal(from, second.actor)
    end)

    it("is empty without tenants", function()
      local list, dropped = rt:audit()
      assert.same({}, list)
      assert.equal(0, dropped)
    end)
  end)

  describe("misuse", function()
    it("names what is wrong", function()
      rt:tenant("blue")
      local to = launch(Sink, "blue")
      for text, call in pairs {
        ["tenant: a name of letters"] = function() rt:tenant("not so") end,
        ["got 7"] = function() rt:tenant(7) end,
        ["unknown option 'actor' %(did you mean 'actors'%?%)"] = function()
          rt:tenant("x", { actor = 1 })
        end,
        ["option 'actors': a whole number from 1"] = function() rt:tenant("x", { actors = 0 }) end,
        ["option 'rate': a number from"] = function() rt:tenant("x", { rate = -1 }) end,
        ["option 'rate': a number from 1e%-06 to 1e%+09 expected, got %-?nan"] = function()
          rt:tenant("x", { rate = 0 / 0 })
        end,
        ["'burst' says nothing without 'rate'"] = function() rt:tenant("x", { burst = 2 }) end,
        ["grant: two tenants expected, got 'blue' twice"] = function() rt:grant("blue", "blue") end,
        ["revoke: a tenant or the name of one expected, got nil"] = function()
          rt:revoke("blue")
        end,
        ["launch: option 'tenant': a tenant or the name of one expected, got 4"] = function()
          rt:launch(Sink, { tenant = 4 })
        end,
        ["send: option 'tenant': a tenant or the name of one expected, got true"] = function()
          to:send(Number { n = 1 }, { tenant = true })
        end,
        ["send: an actor expected, got 'x'"] = function()
          rt:tenant("blue"):send("x", Number { n = 1 })
        end,
      } do
        assert.matches(text, error_of(call))
      end
    end)

    it("of names that nobody has made is not_found", function()
      rt:tenant("blue")
      assert.equal("not_found", select(3, rt:grant("blue", "nobody")))
      assert.equal("not_found", select(3, rt:revoke("nobody", "blue")))
      assert.equal("not_found", select(3, rt:launch(Sink, { tenant = "nobody" })))
      assert.equal("not_found", select(3, rt:publish("a", Number { n = 1 }, { tenant = "nobody" })))
      assert.equal("not_found", select(3, rt:subscribe("a", print, { tenant = "nobody" })))
      assert.equal("not_found", select(3, rt:buffer("u8", 1, { tenant = "nobody" })))
    end)

    it("has an end: 256 tenants", function()
      for n = 1, 255 do
        assert(rt:tenant("t" .. n))
      end
      local ok, _, code = rt:tenant("one_more")
      assert.is_nil(ok)
      assert.equal("out_of_memory", code)
      assert(rt:tenant("t255"))
      assert(rt:grant("t255", "t254"))
      local from, to = launch(Sender, "t254"), launch(Sink, "t255")
      from:send(Target { to = to.id, n = 1 })
      assert.equal(0, code_of(from))
      local other = launch(Sender, "t253")
      other:send(Target { to = to.id, n = 1 })
      assert.equal(MISMATCH, code_of(other))
      assert.equal(256, #rt:tenants())
    end)

    it("after the runtime was closed is 'closed'", function()
      local blue = rt:tenant("blue")
      rt:close()
      assert.equal("closed", select(3, rt:tenant("x")))
      assert.equal("closed", select(3, blue:stats()))
      assert.equal("closed", select(3, blue:grant("default")))
      assert.equal("closed", select(3, rt:audit()))
    end)
  end)
end)
