-- The forms of the rings between host and grid: choosing one, the self-test at the start, and that
-- messages of every size arrive over each.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")
local shell = dofile("spec/cli/support.lua")

local Number, Adder = support.Number, support.Adder
local error_of = support.error_of
local is_cuda = os.getenv("RINGKERNEL_BACKEND") == "cuda"

-- 64 KiB, the largest payload; and the sizes around what a head holds.
local Big = rk.message("Big", { { "n", "u64" }, { "data", "u64[8191]" } })
local Inline = rk.message("Inline", { { "n", "u64" }, { "data", "u64[7]" } })
local Over = rk.message("Over", { { "n", "u64" }, { "data", "u64[8]" } })
local Tiny = rk.message("Tiny", { { "n", "u8" } })

-- Sends everything back: once by itself, or three times in one handling, as one batch.
local Echo = rk.kernel {
  name = "echo_sizes",
  accepts = { Tiny, Inline, Over, Big },
  emits = { Tiny, Inline, Over, Big },
  source = [[
RK_ON(Tiny) { (void)state; rk_reply(ctx, Tiny, msg); }
RK_ON(Inline) { (void)state; rk_reply(ctx, Inline, msg); }
RK_ON(Over) { (void)state; rk_reply(ctx, Over, msg); }
RK_ON(Big) { (void)state; rk_reply(ctx, Big, msg); }
]],
}
local Thrice = rk.kernel {
  name = "thrice",
  accepts = { Inline, Big },
  emits = { Tiny, Inline, Big },
  ports = { "other", burst = 3 },
  source = [[
RK_ON(Inline) {
  (void)state;
  Tiny t;
  t.n = (rk_u8)msg->n;
  rk_reply(ctx, Tiny, &t);
  rk_reply(ctx, Inline, msg);
  rk_reply(ctx, Tiny, &t);
}
RK_ON(Big) {
  (void)state;
  Tiny t;
  t.n = (rk_u8)msg->n;
  rk_reply(ctx, Tiny, &t);
  rk_reply(ctx, Big, msg);
  rk_reply(ctx, Big, msg);
}
]],
}

local function words(count, seed)
  local list = {}
  for i = 1, count do
    list[i] = (i * 2654435761 + seed) * 40503
  end
  return list
end

local function same(list, count, seed)
  for i = 1, count do
    if list[i] ~= (i * 2654435761 + seed) * 40503 then
      return false
    end
  end
  return true
end

describe("transport", function()
  it("is one of three", function()
    assert.matches("rk.open: option 'transport': 'auto', 'plain' or 'tagged' expected, "
      .. "got 'taged' %(did you mean 'tagged'%?%)", error_of(rk.open, { transport = "taged" }))
    assert.matches("option 'transport': a string expected", error_of(rk.open, { transport = 1 }))
  end)

  it("is plain on the CPU unless tagged is asked for, and says why", function()
    for asked, expected in pairs { auto = "plain", plain = "plain", tagged = "tagged" } do
      local rt <close> = assert(rk.open { backend = "cpu", blocks = 2, transport = asked })
      local info = rt:info()
      assert.equal(expected, info.transport)
      assert.matches(asked == "tagged" and "^tagged passed its self%-test: 64 records to each of 2 "
        .. "blocks and back$" or "share one memory", info.transport_why)
    end
  end)

  it("is an environment parameter, too", function()
    local code = "print(require('ringkernel').open{ backend = 'cpu', blocks = 1 }:info().transport)"
    local run = shell.run(shell.rkl, { "-e", code }, { env = { RINGKERNEL_TRANSPORT = "tagged" } })
    assert.equal("tagged\n", run.out)
    run = shell.run(shell.rkl, { "-e", code }, { env = { RINGKERNEL_TRANSPORT = "fast" } })
    assert.matches("RINGKERNEL_TRANSPORT: .*auto.*plain.*tagged.*fast", run.err)
  end)

  for _, transport in ipairs { "plain", "tagged" } do
    describe(transport .. " #tsan", function()
      local rt

      before_each(function()
        rt = assert(rk.open { blocks = 2, ring_units = 8192, transport = transport })
      end)

      after_each(function()
        rt:close()
      end)

      it("carries every size there and back, in order", function()
        local a = assert(rt:launch(Echo))
        assert.equal(transport, rt:info().transport)
        for round = 1, 40 do
          assert(a:send(Tiny { n = round }))
          assert(a:send(Inline { n = round, data = words(7, round) }))
          assert(a:send(Over { n = round, data = words(8, round) }))
          assert(a:send(Big { n = round, data = words(8191, round) }))
          local tiny, inline = assert(a:receive(20)), assert(a:receive(20))
          local over, big = assert(a:receive(20)), assert(a:receive(20))
          assert.equal(round, tiny.n)
          assert.is_true(getmetatable(inline) == Inline and same(inline.data, 7, round))
          assert.is_true(getmetatable(over) == Over and same(over.data, 8, round))
          assert.is_true(getmetatable(big) == Big and same(big.data, 8191, round))
        end
      end)

      it("carries batches: all that one handling sends", function()
        local a = assert(rt:launch(Thrice))
        for round = 1, 30 do
          assert(a:send(Big { n = round, data = words(8191, round) }))
          assert(a:send(Inline { n = round, data = words(7, round) }))
          assert.equal(round, assert(a:receive(20)).n)
          assert.is_true(same(assert(a:receive(20)).data, 8191, round))
          assert.is_true(same(assert(a:receive(20)).data, 8191, round))
          assert.equal(round, assert(a:receive(20)).n)
          assert.is_true(same(assert(a:receive(20)).data, 7, round))
          assert.equal(round, assert(a:receive(20)).n)
        end
      end)

      it("carries more than its rings hold", function()
        local a = assert(rt:launch(Adder))
        local sent, received, sum = 0, 0, 0
        while received < 12000 do
          while sent < 12000 and sent - received < 500 do
            assert(a:send(Number { n = sent }))
            sent = sent + 1
          end
          sum = sum + received
          assert.equal(sum, assert(a:receive(20)).n)
          received = received + 1
        end
      end)

      it("survives generations of the grid", function()
        local a = assert(rt:launch(Adder))
        for n = 1, 5 do
          assert(a:send(Number { n = n }))
          assert.equal(n * (n + 1) // 2, assert(a:receive(20)).n)
          local buffer = assert(rt:buffer("u8", 1 << 20)) -- on a device: a new generation
          buffer:close()
        end
        assert.equal(transport, rt:info().transport)
      end)
    end)
  end

  -- A device whose stores arrive changed. Were the self-test cut, "auto" would be tagged in all of
  -- these, and messages would be lost.
  local on_cuda = is_cuda and describe or function() end
  on_cuda("self-test on a device", function()
    local CODE = [[
      local rk = require "ringkernel"
      local support = dofile("spec/support.lua")
      local rt <close> = assert(rk.open { blocks = 2, transport = arg[1] })
      print(rt:info().transport, rt:info().transport_why)
      local a, message, code = rt:launch(support.Adder)
      if not a then
        print(code, message)
        print((select(3, rt:launch(support.Adder))))
        return
      end
      print(rt:info().transport, rt:info().transport_why)
      local sum = 0
      for n = 1, 200 do
        sum = sum + n
        assert(a:send(support.Number { n = n }))
        assert(assert(a:receive(20)).n == sum)
      end
      print "works"
    ]]

    local function lines_of(asked, spoilt)
      local dir = shell.temp_dir()
      local script = shell.write_file(dir .. "/self_test.lua", CODE)
      local run = shell.run(shell.rkl, { script, asked }, {
        env = { RKFAKE_SPOIL = spoilt, RINGKERNEL_BACKEND = "cuda" },
        before = "timeout 120",
      })
      shell.remove(dir)
      local lines = {}
      for line in run.out:gmatch("[^\n]+") do
        lines[#lines + 1] = line
      end
      assert.equal(0, run.status, run.err)
      return lines, run.err
    end

    it("chooses tagged where that passes", function()
      local lines = lines_of("auto")
      assert.matches("^plain\tauto was asked for; it is decided when the grid starts$", lines[1])
      assert.matches("^tagged\ttagged passed its self%-test: 64 records to each of 2 blocks and "
        .. "back$", lines[2])
      assert.equal("works", lines[3])
    end)

    local spoilt = support.is_fake and it or function() end
    spoilt("falls back to plain where tagged fails, and says so", function()
      local lines, log = lines_of("auto", "tagged")
      assert.matches("^plain\ttagged failed its self%-test: record %d+ of block 0 came back "
        .. "changed; plain passed$", lines[2])
      assert.equal("works", lines[3])
      assert.matches("transport.*tagged failed its self%-test", log)
    end)

    spoilt("keeps tagged where plain fails", function()
      local lines = lines_of("auto", "plain")
      assert.matches("^tagged\ttagged passed .*; plain failed$", lines[2])
      assert.equal("works", lines[3])
    end)

    spoilt("refuses what was asked for where it fails", function()
      for _, asked in ipairs { "tagged", "plain" } do
        local lines = lines_of(asked, asked)
        assert.matches("^corrupt\t.*transport '" .. asked .. "': it failed its self%-test here: "
          .. "record %d+ of block 0 came back changed; open with transport = \"auto\"", lines[2])
        assert.equal("device_lost", lines[3])
      end
    end)

    spoilt("refuses to run where both fail", function()
      local lines = lines_of("auto", "tagged,plain")
      assert.matches("^corrupt\t.*transport: none passed its self%-test here: tagged: record .* "
        .. "plain: record .* not fit for use$", lines[2])
      assert.equal("device_lost", lines[3])
    end)
  end)
end)
