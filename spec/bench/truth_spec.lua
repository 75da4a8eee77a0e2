-- What stands beside a figure: how far messages got, whose clock it was, what was compared.

local rk = require "ringkernel"
local report = require "ringkernel.bench.report"
local kit = dofile "spec/bench/kit.lua"
local support = dofile "spec/support.lua"

local busy, run, quantity = kit.busy, kit.run, kit.quantity

describe("truth", function()
  local rt, adder
  setup(function()
    rt = assert(rk.open { blocks = 1 })
    adder = assert(rt:launch(support.Adder))
  end)
  teardown(function()
    rt:close()
  end)

  local function post(n)
    for _ = 1, n do
      assert(adder:send(support.Number { n = 1 }))
    end
  end

  it("consumed: after the timing when posting was timed, inside when settled in it", function()
    local found = run { matrix = { way = { "post", "settle" } }, run = function(case, meter)
      meter:watch(adder)
      meter:count(50)
      meter:start()
      post(50)
      if case.way == "settle" then
        meter:settle()
      end
      meter:stop()
      for _ = 1, 50 do
        assert(adder:receive(5))
      end
    end }
    assert.equal("after the timing", found.cases[1].labels.consumed)
    assert.equal("inside the timing", found.cases[2].labels.consumed)
    assert.equal("yes", found.cases[2].labels.synchronised)
  end)

  it("void when the receiver did not handle all of it", function()
    local found = run { run = function(_, meter)
      meter:watch(adder, 3)
      post(2)
      meter:stop()
      for _ = 1, 2 do
        assert(adder:receive(5))
      end
      meter:settle(0.05)
    end }
    assert.equal("void", found.cases[1].status)
    assert.matches("1 of 3 messages were not handled", found.cases[1].reason)
  end)

  it("a reply to each request is consumption", function()
    local found = run { run = function(_, meter)
      meter:count(5)
      for _ = 1, 5 do
        meter:call(adder, support.Number { n = 1 }, 5)
      end
    end }
    assert.matches("inside the timing", found.cases[1].labels.consumed)
    assert.equal(20, found.cases[1].latency.count)
  end)

  it("a device time without synchronisation is void", function()
    local found = run { matrix = { sync = { "no", "yes" } }, run = function(case, meter)
      meter:watch(adder, 1)
      post(1)
      meter:device_seconds(1e-3)
      if case.sync == "yes" then
        meter:settle()
      else
        meter.watched = {}
      end
      assert(adder:receive(5))
    end }
    assert.equal("void", found.cases[1].status)
    assert.matches("without synchronisation", found.cases[1].reason)
    assert.equal("ok", found.cases[2].status)
    assert.equal("device", found.cases[2].labels.clock)
    assert.equal(1e6, quantity(found.cases[2], "time").median)
  end)

  it("a kernel that the meter ran is a synchronisation", function()
    local fill = rk.global { name = "campaign_fill", params = { { "out", "u32*" }, { "n", "u32" } },
      source = "RK_GLOBAL() { RK_FOR_LANES(i, n) { out[i] = i; } }" }
    local out = assert(rt:buffer("u32", 64))
    local found = run { samples = 2, run = function(_, meter)
      meter:run(rt, fill, { grid = 1, block = 32 }, out, 64)
      meter:device_seconds(1e-3)
    end }
    assert.equal("ok", found.cases[1].status, found.cases[1].reason)
    assert.equal("device", found.cases[1].labels.clock)
    assert.equal(63, out:read(63, 1)[1])
    found = run { run = function(_, meter)
      meter:run(rt, fill, { grid = 1, block = 5000 }, out, 64)
    end }
    assert.equal("failed", found.cases[1].status)
  end)

  it("of another program's time is what that program vouches for, and no more", function()
    local found = run { matrix = { by = { "both", "nobody" } }, run = function(case, meter)
      meter:count(10)
      meter:program_seconds(2e-6, case.by == "both" and { consumed = "inside the timing",
        verified = "every word" } or nil)
    end }
    assert.equal(2000, quantity(found.cases[1], "time").median)
    assert.equal("program", found.cases[1].labels.clock)
    assert.equal("consumed: inside the timing; timed by the measured program; verified: every "
      .. "word; checked: no", report.truth(found.cases[1].labels))
    assert.equal("not watched", found.cases[2].labels.consumed)
    assert.equal("no", found.cases[2].labels.verified)
    found = run { run = function(_, meter)
      meter:program_seconds(0)
    end }
    assert.equal("failed", found.cases[1].status)
    assert.matches("program_seconds: a number above 0", found.cases[1].reason)
  end)

  it("of a sample that is no time: its values are all there is, and there must be one", function()
    local found = run { matrix = { values = { 1, 0 } }, run = function(case, meter)
      meter:untimed()
      for _ = 1, case.values do
        meter:value("size", 12, "B")
      end
    end }
    local own = found.cases[1].factors.values == "1" and 1 or 2
    assert.is_nil(quantity(found.cases[own], "time"))
    assert.equal(12, quantity(found.cases[own], "size").median)
    assert.equal("void", found.cases[3 - own].status)
  end)

  it("a failed comparison of contents voids the sample", function()
    local found = run { run = function(_, meter)
      busy(1e-5)
      meter:verified(false, "byte 3")
    end }
    assert.equal("verification failed: byte 3", found.cases[1].reason)
  end)
end)
