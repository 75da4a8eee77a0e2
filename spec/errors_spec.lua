-- Every code that can come up here, from a situation that brings it about; and misuse.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Adder = support.Number, support.Adder
local error_of = support.error_of

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- The interpreter that runs the spec: rkl carries the module, lua5.4 is told where it is.
local interpreter = pcall(require, "ringkernel.rkl") and (os.getenv("RKL") or "build/rkl")
  or os.getenv("LUA") or "lua5.4"

--- Runs Lua text in a process of its own with environment variables; returns what it printed.
local function run_with(environment, text)
  local build = os.getenv("BUILD") or "build"
  local command = ("env LUA_PATH=%s LUA_CPATH=%s %s %s -e %s 2>&1"):format(
    quote("lua/?.lua;lua/?/init.lua;;"), quote(package.cpath .. ";" .. build .. "/?.so;;"),
    environment, interpreter,
    quote('local rk = require "ringkernel"\n' .. text))
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  pipe:close()
  return output
end

describe("codes", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 1 })
  end)

  after_each(function()
    rt:close()
  end)

  local situations = {
    timeout = function() return assert(rt:launch(Adder)):receive(0.001) end,
    empty = function() return assert(rt:launch(Adder)):try_receive() end,
    full = function()
      local a = assert(rt:launch(Adder, { queue = 1, activate = false }))
      assert(a:send(Number { n = 1 }))
      return a:send(Number { n = 2 })
    end,
    closed = function()
      rt:close()
      return rt:launch(Adder)
    end,
    terminated = function()
      local a = assert(rt:launch(Adder))
      assert(a:terminate())
      return a:send(Number { n = 1 })
    end,
    invalid_state = function() return assert(rt:launch(Adder)):activate() end,
    not_found = function() return rt:find("nobody") end,
    exists = function()
      assert(rt:launch(Adder, { name = "x" }))
      return rt:launch(Adder, { name = "x" })
    end,
    no_device = function() return rk.open { backend = "cuda", device = 999 } end,
    compile = function()
      return rt:launch(rk.kernel { name = "wrong", accepts = { Number },
        source = "RK_ON(Number) { this is not C }" })
    end,
    out_of_memory = function() return rt:buffer("f64", 1 << 45) end,
    too_large = function() return rt:publish(("x"):rep(100), Number { n = 1 }) end,
    corrupt = function() return Number:unpack("") end,
    skew = function()
      return rk.hlc(1):update(rk.hlc_unpack(("%016x-2"):format((os.time() + 900) * 1000000 << 12)))
    end,
    unsupported = function() return rt:launch(Adder, { grid = 2 }) end,
  }
  for code, situation in pairs(situations) do
    it(code, function()
      local value, message, got = situation()
      assert.is_nil(value)
      assert.is_string(message)
      assert.equal(code, got, message)
      assert.is_nil(message:find("%.$"))
    end)
  end

  it("no_compiler, and stock kernels work without one", function()
    local cache = os.tmpname()
    os.remove(cache)
    local output = run_with("RINGKERNEL_CC=/no/such/compiler RINGKERNEL_NVRTC=/no/such/nvrtc "
      .. "RINGKERNEL_CACHE=" .. cache, [[
      local rt <close> = assert(rk.open { blocks = 1 })
      local N = rk.message("N", {})
      local _, message, code = rt:launch(rk.kernel { name = "n", accepts = { N },
        source = "RK_ON(N) { (void)ctx; } /* never compiled before */" })
      print(code)
      local a = assert(rt:launch("echo"))
      print(a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
    ]])
    os.execute("rm -rf " .. quote(cache))
    assert.equal("no_compiler\n5\n", output)
  end)

  it("errors in callbacks and forgotten runtimes are warnings", function()
    local output = run_with("", [[
      warn("@on")
      local N = rk.message("N", {})
      local rt = assert(rk.open { blocks = 1 })
      assert(rt:subscribe("x", function() error("oops") end))
      rt:publish("x", N {})
      rt:drain()
      print(rt:stats().callback_errors)
    ]])
    assert.matches("Lua warning: ringkernel: error in a subscriber's function: .*oops\nstack trace",
      output)
    assert.matches("\n1\n", output)
    assert.matches("closed by the collector; use <close>", output)
  end)

  it("a handler that never returns does not keep the process", function()
    local start = os.time()
    local output = run_with("RINGKERNEL_LOG=error", [[
      local N = rk.message("N", { { "n", "u32" } })
      local Loop = rk.kernel { name = "loop", accepts = { N }, source =
        "RK_ON(N) { (void)ctx; (void)state; volatile rk_u32 x = msg->n; while (x != 0u) { } }" }
      local rt = rk.open { blocks = 1 }
      local a = rt:launch(Loop)
      a:send(N { n = 1 })
      rt:poll(0.1)
      print(select(3, a:terminate()))
      rt:close()
      print("closed")
    ]])
    assert.matches("^timeout\n[^\n]* is left behind[^\n]*\nclosed\n", output)
    assert.is_true(os.time() - start < 60)
  end)

  it("a signal reaches a script that waits", function()
    -- --foreground: one signal; a second one, to the whole group, would end the interpreter
    local output = run_with("timeout --foreground -s INT 0.5", [[
      local rt = assert(rk.open { blocks = 1 })
      assert(rt:launch("echo")):receive()
      print("not here")
    ]])
    assert.matches("interrupted!", output)
    assert.is_nil(output:find("not here"))
  end)

  it("backend and parameters come from the environment", function()
    local open = 'print(select(3, rk.open { blocks = 1 }))'
    assert.equal("no_device\n", run_with("RINGKERNEL_LIBCUDA=/no/such/driver "
      .. "RINGKERNEL_BACKEND=cuda", open))
    assert.matches("RINGKERNEL_BACKEND: expected one of auto|cpu|cuda, got \"gpu\"",
      run_with("RINGKERNEL_BACKEND=gpu", open))
    assert.equal("3\n", run_with("RINGKERNEL_BLOCKS=3",
      'local rt <close> = assert(rk.open()) print(rt:info().blocks)'))
  end)
end)

describe("misuse", function()
  local function refused(pattern, fn, ...)
    local arguments = table.pack(...)
    it(pattern, function()
      assert.matches(pattern, error_of(fn, table.unpack(arguments, 1, arguments.n)))
    end)
  end
  refused("rk.open: unknown option 'bakend' %(did you mean 'backend'%?%)", rk.open,
    { bakend = "cpu" })
  refused("rk.open: option 'backend': 'auto', 'cpu' or 'cuda' expected, got 'gpu'", rk.open,
    { backend = "gpu" })
  refused("rk.open: option 'policy': 'latency', 'balanced' or 'eco' expected, got 'echo' "
    .. "%(did you mean 'eco'%?%)", rk.open, { policy = "echo" })
  refused("rk.open: option 'blocks': a whole number from 1 to 65536 expected, got 0", rk.open,
    { blocks = 0 })
  refused("rk.open: option 'node': a whole number from 0 to 65535 expected, got 70000", rk.open,
    { node = 70000 })
  refused("rk.open: option 'checksum': true or false expected, got 'yes'", rk.open,
    { checksum = "yes" })
  refused("rk.open: a table of options expected, got 'cpu'", rk.open, "cpu")
  refused("rk.open: unknown option %[1%]", rk.open, { 1 })
  refused("bad argument #1 to '[%w.?]+' %(table expected", rk.envelope, 5)

  it("of commands is named", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    assert.matches("no command is called 'pauze'", error_of(rt.command, rt, "pauze"))
    assert.matches("command: unknown option 'parm1' %(did you mean 'param1'%?%)",
      error_of(rt.command, rt, "nop", { parm1 = 1 }))
    assert.matches("command: option 'block': the runtime has blocks 0 to 0, got 3",
      error_of(rt.command, rt, "nop", { block = 3 }))
  end)

  it("of a method on another object is named", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch("echo"))
    assert.matches("ringkernel.actor expected, got ringkernel.runtime", error_of(a.send, rt))
    assert.matches("ringkernel.runtime expected, got ringkernel.actor", error_of(rt.find, a, "x"))
    assert.matches("ringkernel.actor expected, got no value", error_of(a.state))
    assert.matches("poll: timeout: seconds", error_of(rt.poll, rt, -1))
  end)
end)

describe("commands", function()
  it("reach the grid and come back", function()
    local rt <close> = assert(rk.open { blocks = 2 })
    assert.equal("ack", rt:command("nop").code)
    local a = assert(rt:launch(Adder, { block = 1 }))
    assert.equal(1, assert(a:call(Number { n = 1 }, 5)).n)
    local beat = rt:command("HEARTBEAT_REQUEST", { block = 1, param1 = a.id & 0xfffff })
    assert.equal("heartbeat", beat.code)
    assert.is_nil(beat.error)
    assert.equal(1, beat.step)
    assert.equal(a.id, beat.actor)
    assert.equal("progress", rt:command("get_progress").code)
    assert.equal("error", rt:command(9999).code)
    assert.equal("ack", rt:command("pause").code)
    assert.equal("ack", rt:command("resume").code)
  end)
end)

describe("the installation", function()
  it("says what it has", function()
    assert.equal("ringkernel " .. core.version, rk._VERSION)
    assert.equal(1, rk.abi)
    assert.equal(65536, rk.limits.payload_bytes)
    local devices = rk.devices()
    assert.equal("cpu", devices[1].backend)
    assert.is_true(devices[1].is_usable)
    assert.is_true(devices[1].processors >= 1)
    assert.equal("cuda", devices[2].backend)
    assert.equal(devices[2].is_usable, devices[2].reason == nil)
    local names = {}
    for _, param in ipairs(core.params()) do
      names[param.name] = param
      assert.is_string(param.help)
    end
    assert.equal("auto|cpu|cuda", names.RINGKERNEL_BACKEND.choices)
    assert.equal(65536, names.RINGKERNEL_BLOCKS.maximum)
    assert.is_true(core.param_check())
    assert.is_string(core.cache_dir())
    assert.matches("^/", core.compiler())
  end)

  it("describes the runtime", function()
    local rt <close> = assert(rk.open { blocks = 1, node = 9 })
    local info = rt:info()
    assert.equal(os.getenv("RINGKERNEL_BACKEND") or "cpu", info.backend)
    assert.equal(info.backend, rt.backend)
    assert.equal(9, info.node)
    assert.equal(9, rt.node)
    assert.equal(1, info.blocks)
    assert.equal("balanced", info.policy)
    assert.is_string(info.device_name)
    assert.equal(("ringkernel.runtime: %s (1 blocks)"):format(rt.backend), tostring(rt))
  end)

  it("waits as it was told", function()
    for _, policy in ipairs { "latency", "balanced", "eco" } do
      local rt <close> = assert(rk.open { blocks = 1, policy = policy })
      local a = assert(rt:launch(Adder))
      assert.equal(policy, rt:info().policy)
      for n = 1, 3 do
        assert.equal(n, assert(a:call(Number { n = 1 }, 5)).n)
        rt:poll(0.01) -- the block finds nothing to do meanwhile
      end
    end
  end)
end)
