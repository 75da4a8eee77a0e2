-- Tenants: who may send to whom, where it is sent; topics; misuse. What lies in a queue already:
-- tenant_revoke_spec.lua; quotas and the audit: tenant_quota_spec.lua; forged messages:
-- spec/c/tenant_test.c.

local rk = require "ringkernel"
local kit = dofile("spec/tenant_kit.lua")
local support = dofile("spec/support.lua")

local Number, Sink = support.Number, support.Sink
local error_of, eventually = support.error_of, support.eventually
local Target, Sender, Answerer = kit.Target, kit.Sender, kit.Answerer
local MISMATCH, code_of, count_of = kit.MISMATCH, kit.code_of, kit.count_of

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
