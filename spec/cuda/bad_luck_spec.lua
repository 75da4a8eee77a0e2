-- Machines and moments that are not as they should be: each is refused with a clear error before
-- anything hangs, and a process ends whatever its runtimes do.

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" then
  pending "bad luck with the driver: make test-cuda runs it"
  return
end

local apart = dofile("spec/cuda/support.lua")

-- What opening, launching and calling come to, a line each.
local LIFE = [[
  local rt, text, code = rk.open { blocks = 2, max_actors = 64, ring_units = 128 }
  print("open", rt and "ok" or code, text)
  if rt then
    local a, text, code = rt:launch("echo")
    print("launch", a and "ok" or code, text)
    if a then print("call", a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq) end
    rt:close()
    print("closed")
  end
]]

local function life(environment)
  local output, how, status = apart.run("RINGKERNEL_LOG=off " .. environment, LIFE)
  assert.same({ "exit", 0 }, { how, status }, output)
  return output
end

describe("opening is refused", function()
  for _, case in ipairs {
    { "without a driver", "RINGKERNEL_LIBCUDA=/no/such", "no_device", "install the NVIDIA driver" },
    { "with the toolkit's stub", "RKFAKE_INIT=34", "no_device", "is the stub library" },
    { "without a device", "RKFAKE_DEVICES=0", "no_device", "the driver sees no GPU" },
    { "with launches that block", "CUDA_LAUNCH_BLOCKING=1", "unsupported", "unset it" },
    { "on an old architecture", "RKFAKE_CC=60", "unsupported", "below 7.5" },
    { "without cooperative launches", "RKFAKE_COOPERATIVE=0", "unsupported", "cooperative launch" },
    { "without mapped memory", "RKFAKE_MAP=0", "unsupported", "does not reach host memory" },
    { "with hardly any memory", "RKFAKE_MEMORY=10000", "out_of_memory", "out of memory" },
  } do
    it(case[1], function()
      local output = life(case[2])
      assert.matches("^open\t" .. case[3] .. "\t[^\n]*" .. case[4] .. "[^\n]*\n$", output)
    end)
  end

  it("with more blocks than the device has room for", function()
    assert.matches("blocks: 1..4 on [^\n]*, got 5", (apart.run("", "rk.open { blocks = 5 }")))
  end)
end)

-- The driver takes local memory for a kernel at its first launch, and waits for the device then.
describe("an ordinary kernel with much local memory", function()
  local RUN = [[
    local Deep = rk.global { name = "deep", params = { { "x", "f32*" } },
      source = "RK_GLOBAL() { x[0] += 1; }" }
    local rt = assert(rk.open { blocks = 2, max_actors = 64, ring_units = 128 })
    local echo = assert(rt:launch("echo"))
    local x = assert(rt:buffer("f32", 1))
    for _ = 1, 2 do
      print("run", rt:run(Deep, { grid = 1, block = 32 }, x))
      print("call", echo:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
    end
    rt:close()
  ]]

  it("runs beside the grid", function()
    local output, how, status = apart.run("RINGKERNEL_LOG=off RKFAKE_LINT=abort "
      .. "RKFAKE_LOCAL=65536", RUN)
    assert.same({ "exit", 0 }, { how, status }, output)
    assert.equal(("run\ttrue\ncall\t5\n"):rep(2), output)
  end)

  it("is refused when there is not so much", function()
    local output = apart.run("RINGKERNEL_LOG=off RKFAKE_LOCAL=65536 "
      .. "RKFAKE_FAULT=cuCtxSetLimit:1:2", RUN)
    assert.matches("^run\tnil\t[^\n]*65536 bytes of local memory for each thread: cuCtxSetLimit: "
      .. "[^\n]*\tout_of_memory[^\n]*\ncall\t5\nrun\ttrue\ncall\t5\n$", output)
  end)
end)

describe("launching is refused", function()
  for _, case in ipairs {
    { "when memory runs out", "RKFAKE_MEMORY=20000000", "out_of_memory", "out of device memory" },
    { "when blocks do not fit", "RKFAKE_REGISTERS=4000", "too_large", "has room for" },
  } do
    it(case[1], function()
      local output = life(case[2])
      assert.matches("^open\tok\tnil\nlaunch\t" .. case[3] .. "\t[^\n]*" .. case[4], output)
      assert.matches("\nclosed\n$", output)
    end)
  end

  it("when NVRTC is newer than the driver", function()
    for _, form in ipairs { "RKFAKE_CC=990", "RKFAKE_CC=90" } do -- PTX, machine code
      assert.matches("\nlaunch\tversion\t[^\n]*NVRTC %d+%.%d+ %([^\n]*%) is newer than the driver "
        .. "%(CUDA 12%.0%): update the driver", life(form .. " RKFAKE_DRIVER=12000"))
    end
  end)

  it("without NVRTC, of kernels that are not built in", function()
    local folder = os.tmpname()
    os.remove(folder)
    local output = apart.run("RINGKERNEL_NVRTC=/no/such RINGKERNEL_CACHE=" .. folder, [[
      local N = rk.message("N", { { "n", "u32" } })
      local rt = assert(rk.open { blocks = 1 })
      local Own = rk.kernel { name = "own", accepts = { N }, source = "RK_ON(N) { }" }
      local _, text, code = rt:launch(Own)
      print(code, text)
    ]])
    os.execute("rm -rf " .. apart.quote(folder))
    assert.matches("no_compiler\tkernel 'own': no NVRTC: RINGKERNEL_NVRTC names '/no/such'", output)
  end)

  it("with what the compiler says, and the runtime goes on", function()
    local output = apart.run("RINGKERNEL_LOG=off", [[
      local N = rk.message("N", { { "n", "u32" } })
      local rt = assert(rk.open { blocks = 1 })
      local Bad = rk.kernel { name = "bad", accepts = { N }, source = "RK_ON(N) { nonsense; }" }
      local _, text, code, log = rt:launch(Bad)
      print(code, (log or text):match("nonsense"))
      print(assert(rt:launch("echo")):call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
    ]])
    assert.equal("compile\tnonsense\n5\n", output)
  end)
end)

describe("two on one device", function()
  it("work side by side where there is room", function()
    local output = apart.run("", [[
      local one, two = assert(rk.open { blocks = 2 }), assert(rk.open { blocks = 2 })
      local a, b = assert(one:launch("echo")), assert(two:launch("echo"))
      for _, actor in ipairs { a, b } do
        print(actor:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
      end
      one:close()
      two:close()
    ]])
    assert.equal("5\n5\n", output)
  end)
end)

describe("a forked child", function()
  local fork = [[
    package.cpath = "%s/spec/?.so;" .. package.cpath
    local fake = require "rkfake"
    local rt = assert(rk.open { blocks = 2 })
    local a = assert(rt:launch("echo"))
    local function child(fn) print(fake.wait(fake.fork(fn))) end
  ]]
  local build = os.getenv "BUILD" or "build"

  it("is told that the runtime is its parent's", function()
    local output = apart.run("", fork:format(build) .. [[
      child(function()
        local codes = {}
        for _, call in ipairs {
          function() return a:send(rk.stock.echo.messages.Echo { seq = 1 }) end,
          function() return a:receive(1) end,
          function() return rt:poll(0) end,
          function() return rt:launch("echo") end,
          function() return rt:renew() end,
          function() return rk.open { blocks = 1 } end,
        } do
          codes[#codes + 1] = select(3, call())
        end
        rt:close()
        io.stdout:write(table.concat(codes, " "), "\n")
        io.stdout:flush()
        return 7
      end)
      print(a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
      rt:close()
    ]])
    assert.equal(("forked "):rep(5) .. "forked\nexit\t7\n5\n", output)
  end)

  it("that exits leaves the parent's runtime alone", function()
    -- in the child the leak checker no longer sees the stacks that hold what the grid uses
    local output = apart.run("ASAN_OPTIONS=detect_leaks=0", fork:format(build) .. [[
      io.stdout:flush()
      child(function() os.exit(8) end)
      child(function() os.exit(9, true) end)
      print(a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
    ]])
    assert.matches("exit\t8\n", output)
    assert.matches("exit\t9\n5\n", output)
  end)
end)

describe("a process with a running grid ends", function()
  local busy = [[
    local rt = assert(rk.open { blocks = 2 })
    local a = assert(rt:launch("echo"))
    a:send(rk.stock.echo.messages.Echo { seq = 5 })
  ]]
  for _, case in ipairs {
    { "by os.exit", "os.exit(3)", 3 },
    { "by os.exit that closes the state", "os.exit(3, true)", 3 },
    { "by an error", "error('oops')", 1 },
    { "by its end", "", 0 },
  } do
    it(case[1], function()
      local _, how, status = apart.run("RINGKERNEL_LOG=off", busy .. case[2])
      assert.same({ "exit", case[3] }, { how, status })
    end)
  end

  it("by Ctrl-C", function()
    local output, _, status = apart.run("RINGKERNEL_LOG=off timeout --foreground -s INT 2",
      busy .. "while true do rt:poll(1) end")
    assert.matches("interrupted!", output)
    assert.equal(124, status)
  end)

  it("by a signal that nothing answers", function()
    local _, how, status = apart.run("RINGKERNEL_LOG=off timeout --foreground -s TERM 2",
      busy .. "while true do rt:poll(1) end")
    assert.same({ "exit", 124 }, { how, status })
  end)
end)
