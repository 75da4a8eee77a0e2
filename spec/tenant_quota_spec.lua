-- Tenants: limits of actors, memory and messages a second; the record of what was refused.

local rk = require "ringkernel"
local kit = dofile("spec/tenant_kit.lua")
local support = dofile("spec/support.lua")

local Number, Sink, eventually = support.Number, support.Sink, support.eventually
local Target, Sender = kit.Target, kit.Sender
local FULL, DENIED, code_of, count_of = kit.FULL, kit.DENIED, kit.code_of, kit.count_of

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

  local function actions()
    return kit.actions(rt)
  end
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
end)
