-- SPDX-License-Identifier: MIT
--- Features of devices, on devices that have them or lack them: rkl beside the tests' own driver,
--- which plays each of these devices (spec/fakecuda/README.md has the variables).

local support = dofile("spec/cli/support.lua")

local BUILD = os.getenv("BUILD") or "build"
if BUILD:sub(1, 1) ~= "/" then
  BUILD = os.getenv("PWD") .. "/" .. BUILD
end
local FAKE = BUILD .. "/libringkernel_fakecuda.so"

--- What a chunk prints that runs with `rk` on such a device.
local function on_device(env, chunk)
  env.RINGKERNEL_BACKEND = "cuda"
  env.RINGKERNEL_LIBCUDA = FAKE
  env.RINGKERNEL_CACHE = BUILD .. "/cuda-cache"
  env.RKFAKE_CC = env.RKFAKE_CC or "990" -- PTX is quicker to make than machine code
  local result = support.run(support.rkl, { "-e", "local rk = require 'ringkernel'; " .. chunk },
    { env = env, before = "timeout 120" }) -- what is compiled may take a while
  assert.equal("", result.err)
  assert.equal(0, result.status)
  return result.out
end

local OPEN = "local rt <close>, message, code = rk.open(%s); print(code, message)"

local function open(env, options)
  return on_device(env, OPEN:format(options))
end

local has_nvrtc = (require "ringkernel.core".nvrtc())

describe("clusters of blocks", function()
  it("are refused where the device has none", function()
    local said = open({ RKFAKE_CC = "86" }, "{ cluster = 2 }")
    assert.matches("^unsupported\tcluster: Fake GPU 0 %(sm_86%), compute capability 8%.6, cannot",
      said)
    assert.matches("^unsupported\tcluster: Fake GPU 0",
      open({ RKFAKE_CC = "86" }, "{ cluster = 2, cluster_lanes = 'counted' }"))
  end)

  it("are refused where the driver cannot launch them", function()
    for _, name in ipairs { "cuLaunchKernelEx", "cuOccupancyMaxActiveClusters" } do
      assert.matches("^unsupported\tcluster: ", open({ RKFAKE_NO = name }, "{ cluster = 2 }"))
    end
  end)

  it("are whole when the device chooses how many blocks there are", function()
    local chunk = "local rt = rk.open { cluster = %d }; print(rt:info().blocks); rt:close()"
    assert.equal("20\n", on_device({ RKFAKE_SMS = "24" }, chunk:format(4)))
    assert.equal("16\n", on_device({ RKFAKE_SMS = "24" }, chunk:format(8)))
    assert.equal("22\n", on_device({ RKFAKE_SMS = "24" }, chunk:format(2)))
  end)

  it("need a compiler, for the built-in image has no lanes", function()
    local chunk = [[
      local rt = assert(rk.open { %s })
      local actor, message, code = rt:launch("echo")
      print(actor ~= nil, code, message)
      rt:close()]]
    local env = { RINGKERNEL_NVRTC = "/no/such/libnvrtc.so" }
    assert.matches("^false\tno_compiler\tcluster: the built%-in image has no lanes",
      on_device(env, chunk:format("cluster = 2")))
    assert.matches("^true\tnil\tnil", on_device(env, chunk:format("blocks = 2")))
  end)

  it("that do not all fit are told before the launch", function()
    if not has_nvrtc then
      pending("no NVRTC")
    end
    local said = on_device({ RKFAKE_SMS = "10", RKFAKE_GPC = "5", RKFAKE_OCCUPANCY = "1" }, [[
      for _, blocks in ipairs { 8, 10 } do
        local rt = assert(rk.open { blocks = blocks, cluster = 2 })
        local actor, message, code = rt:launch("echo")
        print(actor ~= nil, code, message)
        rt:close()
      end]])
    assert.matches("^true\tnil\tnil\nfalse\ttoo_large\tthe grid needs 10 blocks of %d+ threads at "
      .. "once in clusters of 2, .* has room for 8; open with fewer", said)
  end)
end)

describe("a device in two parts", function()
  it("is refused where the driver cannot divide it", function()
    assert.matches("^unsupported\tsms: the driver cannot divide the multiprocessors of Fake GPU 0",
      open({ RKFAKE_SMS = "24", RKFAKE_DRIVER = "12020" }, "{ sms = 8 }"))
    assert.matches("^unsupported\tsms: the driver cannot",
      open({ RKFAKE_SMS = "24", RKFAKE_NO = "cuGreenCtxCreate" }, "{ sms = 8 }"))
  end)

  it("has something in both of them", function()
    assert.matches("^unsupported\tsms: .* has 24 multiprocessors, of which 17 %(in steps of 8%)",
      open({ RKFAKE_SMS = "24" }, "{ sms = 17 }"))
    assert.matches("^unsupported\tsms: .* has 4 multiprocessors, of which 2 ",
      open({ RKFAKE_SMS = "4" }, "{ sms = 2 }"))
  end)

  it("has as many blocks as its part for the grid", function()
    assert.equal("16 16 24\n", on_device({ RKFAKE_SMS = "24" }, [[
      local rt <close> = rk.open { sms = 9 }
      local info = rt:info()
      print(info.blocks .. " " .. info.sms .. " " .. info.processors)]]))
    assert.equal("false\tblocks: 1..8 on Fake GPU 0 (sm_990) in its part for the grid, got 9\n",
      on_device({ RKFAKE_SMS = "24" }, "print(pcall(rk.open, { sms = 8, blocks = 9 }))"))
  end)

  it("runs actors and ordinary kernels, in clusters too", function()
    if not has_nvrtc then
      pending("no NVRTC")
    end
    for _, more in ipairs { "", ", cluster = 4" } do
      assert.equal("4\t6.0\n", on_device({ RKFAKE_SMS = "24", RKFAKE_OCCUPANCY = "1" }, ([[
        local rt <close> = assert(rk.open { sms = 8%s })
        local vector = assert(rt:launch("vector", { block = 7 }))
        local x, y = assert(rt:buffer("f32", 4)), assert(rt:buffer("f32", 4))
        x:fill(3)
        local scale = rk.stock.vector.messages.VectorScale { a = 2, x = x, y = y }
        print(assert(vector:call(scale, 5)).count, y:read()[4])]]):format(more)))
    end
  end)
end)

describe("buffers", function()
  local CHUNK = [[
    local rt <close> = assert(rk.open())
    local echo = assert(rt:launch("echo"))
    local before = rt:info()
    local buffer = assert(rt:buffer("u8", (256 << 20) + 1))
    print(before.async_buffers, rt:info().generation - before.generation)]]

  it("need a pause of the grid where the device or driver has no pools", function()
    if not has_nvrtc then
      pending("no NVRTC")
    end
    assert.equal("true\t0\n", on_device({}, CHUNK))
    for _, name in ipairs { "cuMemPoolCreate", "cuMemPoolTrimTo" } do
      assert.equal("false\t1\n", on_device({ RKFAKE_NO = name }, CHUNK))
    end
  end)

  it("run out like other memory", function()
    assert.equal("nil\tout_of_memory\n", on_device({ RKFAKE_MEMORY = tostring(2 << 30),
      RINGKERNEL_LOG = "error" }, [[
      local rt <close> = assert(rk.open())
      local buffer, message, code = rt:buffer("u8", 4 << 30)
      print(buffer, code)]]))
  end)
end)
