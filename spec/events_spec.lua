-- SPDX-License-Identifier: MIT
--- Events of a runtime, and actors that begin again.

local rk = require "ringkernel"

local Number = rk.message("Number", { { "n", "i64" } })

local Picky = rk.kernel {
  name = "picky",
  accepts = { Number },
  emits = { Number },
  state = { { "sum", "i64" } },
  source = [[
    RK_ON(Number) {
      if (msg->n < 0) { rk_fail(ctx, 7); return; }
      if (msg->n == 0) { rk_stop(ctx); return; }
      state->sum += msg->n;
      Number out = { state->sum };
      rk_reply(ctx, Number, &out);
    }
  ]],
}

describe("events", function()
  local rt
  before_each(function()
    rt = assert(rk.open { blocks = 1 })
  end)
  after_each(function()
    rt:close()
  end)

  local function collect(names)
    local seen = {}
    for _, name in ipairs(names) do
      rt:on(name, function(event)
        seen[#seen + 1] = event
      end)
    end
    return seen
  end

  local function wait_for(seen, count)
    for _ = 1, 100 do
      if #seen >= count then
        break
      end
      rt:poll(0.1)
    end
    assert.equal(count, #seen)
  end

  it("tell of a failure, its dead letter and the end, in order", function()
    local seen = collect { "failure", "dead_letter", "ended" }
    local a = assert(rt:launch(Picky, { name = "p" }))
    assert(a:send(Number { n = -1 }))
    wait_for(seen, 2)
    assert.equal("dead_letter", seen[1].event)
    assert.equal("failed", seen[1].reason)
    assert.equal(rt:dead_letters()[1].id, seen[1].message)
    assert.equal("failure", seen[2].event)
    assert.equal(7, seen[2].code)
    assert.equal("p", seen[2].name)
    assert.equal(a, seen[2].actor)
    assert.is_true(seen[1].hlc < seen[2].hlc)
    assert(a:restart())
    assert(a:send(Number { n = 0 }))
    wait_for(seen, 3)
    assert.equal("ended", seen[3].event)
    assert.equal("normal", seen[3].reason)
    assert(rt:launch(Picky, { name = "q" })):terminate()
    wait_for(seen, 4)
    assert.equal("terminated", seen[4].reason)
  end)

  it("tell of names", function()
    local seen = collect { "register", "unregister" }
    local a = assert(rt:launch(Picky, { name = "p" }))
    wait_for(seen, 1)
    assert.equal("register", seen[1].event)
    assert(a:terminate())
    wait_for(seen, 2)
    assert.equal("unregister", seen[2].event)
    assert.equal("p", seen[2].name)
  end)

  it("reach nobody after close, and errors are warnings", function()
    local calls = 0
    local listener = rt:on("register", function()
      calls = calls + 1
      error("oops")
    end)
    assert(rt:launch(Picky))
    rt:poll(0.1)
    assert.equal(1, calls)
    assert.is_true(listener:close())
    assert.is_true(listener:close())
    assert(rt:launch(Picky))
    rt:poll(0)
    assert.equal(1, calls)
  end)

  it("have known names and functions", function()
    assert.error_matches(function() rt:on("failures", print) end, "did you mean 'failure'")
    assert.error_matches(function() rt:on("failure", 5) end, "a function expected")
    assert.error_matches(function() rt:on(5, print) end, "name of an event")
  end)

  it("restart keeps the state when asked to", function()
    local a = assert(rt:launch(Picky))
    assert.equal(5, a:call(Number { n = 5 }, 5).n)
    assert(a:restart { keep_state = true })
    assert.equal(6, a:call(Number { n = 1 }, 5).n)
    assert(a:restart())
    assert.equal(1, a:call(Number { n = 1 }, 5).n)
    assert.error_matches(function() a:restart { keep = true } end, "keep")
  end)

  it("an actor that ended begins anew under its handle", function()
    local a = assert(rt:launch(Picky, { name = "p" }))
    for round = 1, 5 do
      assert.equal(round, a:call(Number { n = round }, 5).n)
      assert(a:send(Number { n = 3 })) -- its answer is taken only after the next beginning
      while a:stats().waiting_out == 0 do
        rt:poll(0.1)
      end
      assert(a:terminate())
      assert.equal("terminated", a:state())
      assert.is_nil(rt:find("p"))
      assert(a:restart())
      assert.equal("active", a:state())
      assert.equal(a, rt:find("p"))
      local answer = a:try_receive()
      assert.equal(round + 3, answer and answer.n)
    end
    assert(a:terminate())
    local other = assert(rt:launch(Picky, { name = "p" }))
    local _, _, code = a:restart()
    assert.equal("exists", code)
    assert(other:terminate())
    assert(a:restart())
  end)
end)
