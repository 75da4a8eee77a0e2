-- Tenants: a grant that is taken back while messages of it are queued and sent.

local rk = require "ringkernel"
local kit = dofile("spec/tenant_kit.lua")
local support = dofile("spec/support.lua")

local Number, Sink, eventually = support.Number, support.Sink, support.eventually
local Target, Sender = kit.Target, kit.Sender
local code_of, count_of = kit.code_of, kit.count_of

describe("tenants #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  local function launch(...)
    return kit.launch(rt, ...)
  end

  local function letters(reason)
    return kit.letters(rt, reason)
  end

  local function actions()
    return kit.actions(rt)
  end
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

    it("is not got round by a replay", function()
      local from = launch(Sender, "green")
      local to = launch(Sink, "blue", { activate = false })
      local poor = launch(Sink, "blue") -- it has ended when its message is a dead letter
      from:send(Target { to = to.id, n = 1 })
      assert.equal(0, code_of(from))
      assert(poor:deactivate())
      from:send(Target { to = poor.id, n = 2 })
      assert.equal(0, code_of(from))
      assert(poor:terminate())
      assert.truthy(eventually(function() return #letters "terminated" == 1 end))
      assert.equal(1, rt:revoke("blue", "green"))
      for _, reason in ipairs { "tenant", "terminated" } do
        local sent, refused = rt:replay { reason = reason, to = to }
        assert.same({ 0, 1, "tenant_mismatch" }, { sent, #refused, refused[1].code })
      end
      assert(rt:grant("blue", "green")) -- then what ended for another reason may be tried again
      assert.equal(0, (rt:replay { reason = "tenant", to = to }))
      assert.equal(1, (rt:replay { reason = "terminated", to = to }))
      assert(to:activate())
      assert.truthy(eventually(function() return count_of(to) == 1 end))
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

    it("takes back what waits on the host for a function in Lua", function()
      local got = {}
      local Lua = rk.actor { name = "lua", accepts = { Number },
        on = { Number = function(_, message) got[#got + 1] = message.n end } }
      local actor, green = launch(Lua, "blue"), rt:tenant("green")
      rt:drain()
      for n = 1, 10 do
        assert(green:send(actor, Number { n = n }))
        assert(actor:send(Number { n = 100 + n }))
      end
      -- the grid has passed all of them on; stats brings them over and runs no function
      assert.truthy(eventually(function() return rt:stats().handled == 20 end))
      rt:stats()
      assert.same({}, got)
      assert.equal(10, rt:revoke("blue", "green"))
      assert.truthy(eventually(function() rt:poll(0.01) return #got >= 10 end))
      assert.same({ 101, 102, 103, 104, 105, 106, 107, 108, 109, 110 }, got)
      assert.equal(10, #letters "tenant")
      assert.equal(0, rt:revoke("blue", "green"))
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
        assert.same({ "send tenant_mismatch" }, { actions()[1] }) -- only what was tried later
        rt:grant("blue", "green")
      end
    end)
  end)
end)
