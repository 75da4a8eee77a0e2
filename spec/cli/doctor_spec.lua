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
    assert.truthy(result.out:find("this version has no CUDA backend yet", 1, true))
    assert.truthy(result.out:find("luv", 1, true))
    assert.truthy(result.out:find("cqueues", 1, true))
    assert.equal(0, result.status)
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
