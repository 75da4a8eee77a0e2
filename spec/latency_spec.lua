-- Latency histograms of actors: counts, times that a handler or a queue really took, lives.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number = support.Number

--- Is busy for n microseconds on the grid's clock.
local Busy = rk.kernel {
  name = "busy",
  accepts = { Number },
  emits = { Number },
  source = [[
RK_ON(Number) {
  (void)state;
  rk_u64 end = (rk_now(ctx) >> 12) + (rk_u64)msg->n;
  while ((rk_now(ctx) >> 12) < end) { }
  rk_reply(ctx, Number, msg);
}
]],
}

local US <const> = 1e-6

local function open(options)
  options = options or {}
  options.blocks = options.blocks or 2
  options.latency = options.latency == nil and true or options.latency
  options.max_actors = options.max_actors or 1024
  return assert(rk.open(options))
end

--- Numbers of a histogram with nothing in it.
local function assert_empty(h)
  for _, key in ipairs { "count", "min", "p50", "p90", "p99", "p999", "max", "mean" } do
    assert.equal(0, h[key], key)
  end
end

--- What holds for any histogram with something in it.
local function assert_ordered(h)
  local last = h.min
  for _, key in ipairs { "p50", "p90", "p99", "p999", "max" } do
    assert.is_true(h[key] >= last, key)
    last = h[key]
  end
  assert.is_true(h.mean >= h.min and h.mean <= h.max)
end

describe("actor:latency", function()
  it("counts what was handled #tsan", function()
    local rt <close> = open()
    local a = assert(rt:launch(support.Smooth, { queue = 2048 }))
    local sink = assert(rt:launch(support.Sink, { block = 1, queue = 64 }))
    assert(rt:connect(a, "next", sink))
    local COUNT <const> = 1000
    for i = 1, COUNT do
      while not a:send(support.Reading { sensor = i, value = i }) do
        rt:poll(0.01)
      end
      if i % 100 == 0 then -- while the grid runs: both histograms are of one moment
        local now = assert(sink:latency())
        assert.equal(now.handled.count, now.delivered.count)
        assert.is_true(now.handled.count <= i)
      end
      a:try_receive()
    end
    assert.is_true(support.eventually(function()
      a:try_receive()
      return sink:stats().processed == COUNT
    end))
    for _, actor in ipairs { a, sink } do
      local l = assert(actor:latency())
      assert.equal(COUNT, l.delivered.count)
      assert.equal(COUNT, l.handled.count)
      assert_ordered(l.delivered)
      assert_ordered(l.handled)
      assert.is_true(l.delivered.max > 0)
    end
  end)

  it("knows how long a handler took", function()
    local rt <close> = open { blocks = 1 }
    local a = assert(rt:launch(Busy))
    local SHORT <const>, LONG <const> = 200, 5000
    local begun = core.clock()
    for i = 1, 100 do
      assert(a:call(Number { n = i % 10 == 0 and LONG or SHORT }, 10))
    end
    local h = assert(a:latency()).handled
    local elapsed = core.clock() - begun
    assert.equal(100, h.count)
    assert_ordered(h)
    -- a microsecond less: the handler's clock has steps of one
    assert.is_true(h.min >= (SHORT - 1) * US)
    assert.is_true(h.p50 >= (SHORT - 1) * US)
    assert.is_true(h.p99 >= (LONG - 1) * US)
    assert.is_true(h.mean >= (0.9 * SHORT + 0.1 * LONG - 1) * US)
    -- they ran one after the other, all of them before we looked at the clock again
    assert.is_true(h.mean * h.count <= elapsed)
    assert.is_true(h.max <= elapsed - 90 * (SHORT - 1) * US)
  end)

  it("knows how long messages waited", function()
    local rt <close> = open { blocks = 1 }
    local a = assert(rt:launch(Busy))
    assert(a:suspend())
    local begun = core.clock()
    assert(a:send(Number { n = 0 }))
    local sent = core.clock()
    repeat
      rt:poll(0.01)
    until core.clock() - sent >= 0.03
    assert(a:resume())
    assert(a:receive(10))
    local d = assert(a:latency()).delivered
    local elapsed = core.clock() - begun
    assert.equal(1, d.count)
    assert.is_true(d.min >= 0.03)
    assert.equal(d.max, d.p50)
    assert.is_true(d.max <= elapsed + 2 * US) -- the stamp may be a microsecond old
  end)

  it("begins at nothing with each launch, and goes on through a restart", function()
    local rt <close> = open { blocks = 1, max_actors = 1 }
    local a = assert(rt:launch(support.Adder, { name = "a" }))
    assert_empty(a:latency().delivered)
    assert_empty(a:latency().handled)
    for i = 1, 5 do
      assert(a:call(Number { n = i }, 5))
    end
    assert(a:restart())
    assert(a:call(Number { n = 1 }, 5))
    assert.equal(6, a:latency().handled.count)
    assert(a:terminate())
    local b = support.eventually(function() -- its slot, once it is free
      return (rt:launch(support.Adder, { name = "b" }))
    end)
    assert_empty(b:latency().delivered)
    assert_empty(b:latency().handled)
    assert(b:call(Number { n = 1 }, 5))
    assert.equal(1, b:latency().handled.count)
  end)

  it("stays through a new generation of the grid", function()
    local rt <close> = open { blocks = 1 }
    local a = assert(rt:launch(support.Adder))
    assert(a:call(Number { n = 1 }, 5))
    assert(rt:renew())
    assert(a:call(Number { n = 1 }, 5))
    assert.equal(2, a:latency().delivered.count)
  end)

  it("begins anew where that is asked for", function()
    local rt <close> = open { blocks = 1 }
    local a = assert(rt:launch(Busy))
    assert(a:call(Number { n = 3000 }, 5))
    local before = assert(a:latency { reset = true })
    assert.equal(1, before.handled.count)
    assert.is_true(before.handled.max >= 2999 * US)
    assert_empty(a:latency().delivered)
    assert_empty(a:latency { reset = false }.handled)
    assert(a:call(Number { n = 0 }, 5))
    assert(a:call(Number { n = 0 }, 5))
    assert.equal(2, a:latency().delivered.count)
    assert.equal(2, a:latency().handled.count)
    assert.matches("unknown option 'rest'", support.error_of(a.latency, a, { rest = true }))
    assert.matches("table of options", support.error_of(a.latency, a, true))
  end)

  it("says what it includes, and in which steps its clock goes", function()
    local rt <close> = open { blocks = 1 }
    local a = assert(rt:launch(support.Adder))
    local l = assert(a:latency())
    assert.matches("stamp of sending to the start of the handler", l.delivered.includes)
    assert.matches("start of the handler to its end", l.handled.includes)
    assert.is_true(l.delivered.resolution >= US)
    assert.is_true(l.handled.resolution > 0 and l.handled.resolution <= l.delivered.resolution)
  end)

  it("is refused where none is kept, and of what has ended", function()
    local rt = open { latency = false }
    local a = assert(rt:launch(support.Adder))
    local ok, message, code = a:latency()
    assert.is_nil(ok)
    assert.truthy(message:find("latency = true", 1, true))
    assert.equal("unsupported", code)
    assert(a:terminate())
    assert.equal("terminated", select(3, a:latency()))
    rt:close()
    assert.equal("closed", select(3, a:latency()))
    a:close()
    assert.equal("closed", select(3, a:latency()))
    assert.matches("'latency'", support.error_of(rk.open, { latency = 1 }))
  end)
end)
