-- SPDX-License-Identifier: MIT
--- `rkl --env`, `--devices` and `--doctor`, with a core module made for the occasion.

local support = dofile("spec/cli/support.lua")

describe("rkl's reports about the machine", function()
  local CORE = [[package.preload["ringkernel.core"] = function()
    return {
      params = function() return {
        { name = "RINGKERNEL_BACKEND", value = "cpu", default = "auto",
          help = "where kernels run" },
        { name = "RINGKERNEL_LOG", default = "warn", help = "what is logged" } } end,
      devices = function() return { { index = 0, backend = "cpu", name = "host", lanes = 4 } } end,
      compiler = function() COMPILER end,
      cache_dir = function() return "/some/cache" end,
      nvrtc = function() return true, "NVRTC 13.0 (here)" end,
      cuda_driver = function() return { library = "libcuda.so.1", is_chosen = false,
        is_loaded = false, is_usable = false, reason = "no CUDA driver: install it" } end,
    } end]]
  local WITH = CORE:gsub("COMPILER", "return '/usr/bin/cc'")
  local WITHOUT = CORE:gsub("COMPILER", "return nil, 'no compiler found', 'no_compiler'")
  local BROKEN = "package.preload['ringkernel.core'] = function() error('cannot load it', 0) end"

  local function rkl(...)
    return support.run(support.rkl, { "-e", ... })
  end

  it("--env prints name, value, default and meaning", function()
    local result = rkl(WITH, "--env")
    assert.truthy(result.out:find("RINGKERNEL_BACKEND  cpu    auto     where kernels run\n", 1,
      true))
    assert.truthy(result.out:find("RINGKERNEL_LOG      -      warn     what is logged\n", 1, true))
    assert.truthy(result.out:find("RINGKERNEL_LUA", 1, true))
    assert.equal(0, result.status)
  end)

  it("--devices prints one row a device", function()
    local result = rkl(WITH, "--devices")
    assert.equal("INDEX  BACKEND  NAME  LANES\n0      cpu      host  4\n", result.out)
    assert.equal(0, result.status)
  end)

  it("--doctor is content when nothing is missing", function()
    local result = rkl(WITH, "--doctor")
    assert.truthy(result.out:find("C compiler +/usr/bin/cc"))
    assert.truthy(result.out:find("kernel cache +/some/cache"))
    assert.truthy(result.out:find("backend cpu +%d+ cores"))
    assert.truthy(result.out:find("ok       NVRTC            NVRTC 13.0 (here)\n", 1, true))
    assert.truthy(result.out:find("CUDA driver +not found; looked for libcuda.so.1\n"))
    assert.truthy(result.out:find("-> no CUDA driver: install it\n", 1, true))
    assert.truthy(result.out:find("backend cuda +no usable driver\n"))
    assert.truthy(result.out:find("luv", 1, true))
    assert.truthy(result.out:find("cqueues", 1, true))
    assert.equal(0, result.status)
  end)

  it("--doctor tells of a value that is none, and of a cache nobody can write", function()
    local result = support.run(support.rkl, { "--doctor" }, { env = { RINGKERNEL_LOG = "loud" } })
    assert.truthy(result.out:find('MISSING  parameters       RINGKERNEL_LOG: expected one of', 1,
      true), result.out)
    assert.equal(1, result.status)
    result = support.run(support.rkl, { "--doctor" }, { env = { RINGKERNEL_CACHE = "/proc/x/y" } })
    assert.truthy(result.out:find("note     kernel cache     /proc/x/y: cannot be written", 1,
      true), result.out)
    local folder = support.temp_dir()
    result = support.run(support.rkl, { "--doctor" },
      { env = { RINGKERNEL_CACHE = folder .. "/not/yet" } })
    assert.truthy(result.out:find("ok       kernel cache     " .. folder .. "/not/yet\n"))
    local pipe = assert(io.popen("ls -A " .. folder))
    assert.equal("", pipe:read("a"))
    pipe:close()
    support.remove(folder)
  end)

  it("--doctor advises and answers 1 when the compiler is missing", function()
    local result = rkl(WITHOUT, "--doctor")
    assert.truthy(result.out:find("MISSING  C compiler       no compiler found", 1, true))
    assert.truthy(result.out:find("install gcc or clang", 1, true))
    assert.equal(1, result.status)
  end)

  it("say what to do when the core does not load", function()
    for _, option in ipairs({ "--env", "--devices" }) do
      local result = rkl(BROKEN, option)
      assert.equal("rkl: " .. option .. " needs the module ringkernel.core, which did not load: "
        .. "cannot load it\n", result.err)
      assert.equal(1, result.status)
    end
    local result = rkl(BROKEN, "--doctor")
    assert.truthy(result.out:find("did not load: cannot load it", 1, true))
    assert.equal(1, result.status)
  end)

  it("leave before the script runs", function()
    local result = rkl(WITH, "--devices", "-e", "print('ran')", "/no/such/script")
    assert.falsy(result.out:find("ran", 1, true))
    assert.equal(0, result.status)
  end)
end)

-- The real core, with libraries that play a driver (spec/c/driver).
describe("rkl's reports about CUDA", function()
  local DRIVER = (os.getenv("BUILD") or "build") .. "/test/tiny_driver.so"

  setup(function()
    local file = assert(io.open(DRIVER, "rb"), DRIVER .. " is missing: make tiny-drivers")
    file:close()
  end)

  --- Runs rkl beside a driver that `env` describes.
  local function rkl(option, env)
    env = env or {}
    env.RINGKERNEL_LIBCUDA = env.RINGKERNEL_LIBCUDA or DRIVER
    return support.run(support.rkl, { option }, { env = env })
  end

  local function has(result, text)
    if not result.out:find(text, 1, true) then
      error(("expected %q in:\n%s%s"):format(text, result.out, result.err), 2)
    end
  end

  it("--doctor says where it looked when there is no driver", function()
    local result = rkl("--doctor", { RINGKERNEL_LIBCUDA = "/no/such/libcuda.so" })
    has(result, "not found; looked for /no/such/libcuda.so (RINGKERNEL_LIBCUDA)\n")
    has(result, "-> RINGKERNEL_LIBCUDA: no CUDA driver: cannot load '/no/such/libcuda.so'")
    has(result, "-> kernels run on the cpu\n")
    assert.equal(0, result.status)
  end)

  it("--doctor describes driver and devices", function()
    local result = rkl("--doctor", { TINY_DEVICES = "2", TINY_VERSION = "12080" })
    has(result, "ok       CUDA driver      " .. DRIVER .. " (RINGKERNEL_LIBCUDA), CUDA 12.8\n")
    for index = 0, 1 do
      has(result, ("ok       CUDA device %d    Tiny GPU %d, compute capability 9.0, "
        .. "132 multiprocessors, 80.0 GiB, 0000:3b:0%d.0\n"):format(index, index, index))
    end
    has(result, "uuid GPU-f1f2f3f4-f5f6-f7f8-f9fa-fbfcfdfeff00\n")
    has(result, "has: clusters, concurrent kernels, cooperative launch, green contexts, ")
    has(result, "has not: exec timeout, host atomics, ")
    assert.equal(0, result.status)
  end)

  it("--doctor says why a device cannot be used", function()
    local result = rkl("--doctor", { TINY_ATTRIBUTE_17 = "1" })
    has(result, "note     CUDA device 0    Tiny GPU 0")
    has(result, "-> not usable: it drives a display, whose watchdog ends kernels")
    has(result, "no device can run a resident grid\n")
    result = rkl("--doctor", { TINY_FAIL = "cuDeviceTotalMem:46" })
    has(result, "CUDA device 0    not usable: device 0: cuDeviceTotalMem: "
      .. "CUDA_ERROR_DEVICE_UNAVAILABLE (46)")
    assert.equal(0, result.status)
  end)

  it("--doctor tells drivers that do not work from missing ones", function()
    has(rkl("--doctor", { TINY_INIT = "34" }), "is the stub library of a CUDA toolkit")
    local result = rkl("--doctor", { TINY_INIT = "803", TINY_VERSION = "12040" })
    has(result, "note     CUDA driver      " .. DRIVER .. " (RINGKERNEL_LIBCUDA), CUDA 12.4\n")
    has(result, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)")
    result = rkl("--doctor", { TINY_DEVICES = "0" })
    has(result, "ok       CUDA driver")
    has(result, "no device can run a resident grid\n")
    has(rkl("--doctor", { CUDA_LAUNCH_BLOCKING = "1" }),
      "note     environment      CUDA_LAUNCH_BLOCKING is set")
  end)

  it("--devices has a row for each device, the reason last", function()
    local result = rkl("--devices", { TINY_DEVICES = "2", CUDA_LAUNCH_BLOCKING = "1" })
    assert.truthy(result.out:find("^INDEX  BACKEND  NAME  [^\n]*  REASON\n"))
    assert.truthy(result.out:find("\n0      cuda     Tiny GPU 0  [^\n]*0000:3b:00.0  132"))
    assert.truthy(result.out:find("\n1      cuda     Tiny GPU 1  [^\n]*0000:3b:01.0  132"))
    assert.falsy(result.out:find("table:", 1, true))
    assert.equal(0, result.status)
  end)

  it("rk.devices() has what a script may ask for", function()
    local result = support.run(support.rkl, { "-e", [[
      local device = require("ringkernel").devices()[2]
      print(device.backend, device.index, device.is_capable, device.compute_capability,
        device.capabilities.clusters, device.capabilities.host_atomics,
        device.limits.block_shared_optin_bytes, device.compute_mode)]] },
      { env = { RINGKERNEL_LIBCUDA = DRIVER, TINY_ATTRIBUTE_20 = "3" } })
    assert.equal("cuda\t0\ttrue\t9.0\ttrue\tfalse\t232448\texclusive_process\n", result.out)
    assert.equal(0, result.status)
  end)
end)
