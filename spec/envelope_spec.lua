-- rk.envelope of messages old and new, kept and dropped, asked for in any order.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, Adder = support.Number, support.Adder

describe("envelopes", function()
  local rt, actor

  before_each(function()
    rt = assert(rk.open { backend = "cpu", blocks = 1 })
    actor = assert(rt:launch(Adder, { queue = 1024 }))
  end)

  after_each(function()
    collectgarbage("restart")
    rt:close()
  end)

  --- Lets the actor send messages with the correlations first..last; gives each to fn.
  local function receive(first, last, fn)
    local sent, got = first - 1, first - 1
    while got < last do
      while sent < last and sent - got < 500 do
        sent = sent + 1
        assert(actor:send(Number { n = 1 }, { correlation = sent }))
      end
      for _, m in ipairs(assert(actor:receive_many(100, 20))) do
        got = got + 1
        fn(m, got)
      end
    end
  end

  it("belong to the message, in whatever order they are asked for", function()
    local kept = {}
    receive(1, 700, function(m, n)
      kept[n] = m
    end)
    local orders = {
      function(i) return i end,
      function(i) return 701 - i end,
      function(i) return i * 331 % 700 + 1 end,
    }
    for round, order in ipairs(orders) do
      receive(1, 10 * round, function(m, n) -- newer ones among the old
        assert.equal(n, rk.envelope(m).correlation)
      end)
      for i = 1, 700 do
        local n = order(i)
        assert.equal(n, rk.envelope(kept[n]).correlation)
      end
      assert.is_nil(rk.envelope(Number { n = 1 }))
      assert.is_nil(rk.envelope({}))
    end
  end)

  it("of a few stay while thousands around them are collected", function()
    local kept = {}
    receive(1, 12000, function(m, n)
      if n % 97 == 0 or n < 300 then
        kept[n] = m
      end
      if n % 1000 == 0 then
        collectgarbage()
        for _, at in ipairs { 1, 200, 97 * 5, 97 * (n // 97) } do
          if kept[at] then
            assert.equal(at, rk.envelope(kept[at]).correlation)
          end
        end
        assert.equal(n, rk.envelope(m).correlation)
      end
    end)
    for n, m in pairs(kept) do
      assert.equal(n, rk.envelope(m).correlation)
    end
  end)

  it("do not keep their messages", function()
    local weak = setmetatable({}, { __mode = "k" })
    receive(1, 400, function(m, n)
      weak[m] = n
      if n == 200 then
        rk.envelope(next(weak))
      end
    end)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("are not mixed up when finalizers receive, too", function()
    local others, running = {}, true
    local function arm()
      setmetatable({}, { __gc = function()
        if running then
          local m = actor:try_receive()
          if m then
            others[#others + 1] = m
            assert(rk.envelope(m).correlation > 0)
          end
          arm()
        end
      end })
    end
    arm()
    local seen, count = {}, 0
    local function note(m)
      local n = rk.envelope(m).correlation
      assert.is_nil(seen[n])
      seen[n] = m
      count = count + 1
    end
    local sent, deadline = 0, os.time() + 30
    while count < 6000 and os.time() < deadline do
      while sent < 6000 and sent - count < 400 do
        sent = sent + 1
        assert(actor:send(Number { n = 1 }, { correlation = sent }))
      end
      local m = actor:try_receive()
      if m then
        note(m)
      end
      collectgarbage("step", 0)
      for i = 1, #others do
        note(others[i])
        others[i] = nil
      end
    end
    running = false
    assert.equal(6000, count)
    for n, m in pairs(seen) do
      assert.equal(n, rk.envelope(m).correlation)
    end
  end)
end)
