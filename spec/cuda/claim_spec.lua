-- Two processes on one device: the second is told who has it, before anything hangs. Everywhere
-- else in these tests each process sees a device of its own (RKFAKE_UUID is not set).

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" then
  pending "a second process on the device: make test-cuda runs it"
  return
end

local build = os.getenv "BUILD" or "build"
local apart = dofile("spec/cuda/support.lua")
local support = dofile("spec/support.lua")

local OPEN = [[
  local rt, text, code = rk.open { blocks = 1, max_actors = 64, ring_units = 128 }
  print(rt and rt:info().device_claim or code, text)
]]

local count = 0
local uuid, file, holders

-- Lua text in a process of its own that sees this test's device.
local function beside(text, environment)
  return (apart.run(("RKFAKE_UUID=%s %s"):format(uuid, environment or ""), text))
end

-- A process that opens the device and then does `last`; waits until it has. Returns its id.
local function start_holder(last, environment)
  local ready = os.tmpname()
  os.remove(ready)
  local text = ([[
    %s
    local file = assert(io.open("%s", "w"))
    file:write(tostring(rt and rt:info().device_claim))
    file:close()
    os.rename("%s", "%s.ready")
    %s
  ]]):format(OPEN, ready, ready, ready, last or "while true do rt:poll(1) end")
  local pipe = assert(io.popen(("env RINGKERNEL_LOG=off RKFAKE_UUID=%s %s %s -e %s >/dev/null "
    .. "2>&1 & echo $!"):format(uuid, environment or "", os.getenv "RKL" or "build/rkl",
    apart.quote('local rk = require "ringkernel"\n' .. text))))
  local pid = assert(tonumber(pipe:read "a"))
  pipe:close()
  holders[#holders + 1] = pid
  assert(support.eventually(function()
    return os.rename(ready .. ".ready", ready)
  end, 30), "the holder does not open")
  local opened = assert(io.open(ready))
  local kind = opened:read "a"
  opened:close()
  os.remove(ready)
  return pid, kind
end

local function kill(signal, pid)
  return os.execute(("kill -%s %d 2>/dev/null"):format(signal, pid))
end

local function is_there(path)
  return (os.execute("test -e " .. apart.quote(path)))
end

before_each(function()
  count = count + 1
  local pid = io.open("/proc/self/stat"):read "n"
  uuid = ("c%d-%d"):format(pid, count)
  local hex = (uuid .. ("\0"):rep(16)):sub(1, 16):gsub(".", function(char)
    return ("%02x"):format(char:byte())
  end)
  file = ("/tmp/ringkernel-GPU-%s-%s-%s-%s-%s.claim"):format(hex:sub(1, 8), hex:sub(9, 12),
    hex:sub(13, 16), hex:sub(17, 20), hex:sub(21))
  holders = {}
end)

after_each(function()
  for _, pid in ipairs(holders) do
    kill("KILL", pid)
  end
  os.remove(file)
end)

describe("a device that another process has", function()
  it("is refused with the process and with what to do", function()
    local pid = start_holder()
    local output = beside(OPEN)
    assert.matches("^no_device\tdevice 0 %(Fake GPU 0 %(sm_%d+%)%): process " .. pid
      .. " %(rkl%) has it", output)
    assert.matches("RINGKERNEL_SHARE_DEVICE=1", output)
    -- "auto" does not go elsewhere in silence
    assert.equal(output, beside(OPEN, "RINGKERNEL_BACKEND=auto"))
    assert.matches("^exclusive\t", beside(OPEN, ("RKFAKE_UUID=%s-"):format(uuid)))
  end)

  it("is named in rk.devices() and by rkl --doctor", function()
    local pid = start_holder()
    local output = beside [[
      local device = rk.devices()[2]
      print(device.is_usable, device.is_capable, device.reason)
      print(device.holder.pid, device.holder.name, device.holder.is_shared)
    ]]
    assert.matches("^false\ttrue\t[^\n]*process " .. pid .. " %(rkl%) has it", output)
    assert.matches("\n" .. pid .. "\trkl\tfalse\n$", output)
    local pipe = assert(io.popen(("env RKFAKE_UUID=%s %s --doctor 2>&1"):format(uuid,
      os.getenv "RKL" or "build/rkl")))
    local report = pipe:read "a"
    assert.is_true(pipe:close())
    assert.matches("note +process " .. pid .. " %(rkl%) has it\n", report)
    assert.matches("note +backend cuda +device 0 [^\n]*process " .. pid, report)
  end)

  it("is free at once when that one was killed", function()
    local pid = start_holder()
    kill("KILL", pid)
    -- gone, or a zombie, which holds nothing either
    assert(support.eventually(function()
      local stat = io.open(("/proc/%d/stat"):format(pid))
      local state = stat and stat:read "a":match "%) (%a)"
      return state == nil or state == "Z"
    end, 10))
    assert.matches("^exclusive\tnil\n$", beside(OPEN .. "rt:close()"))
    assert.is_false(is_there(file) or false)
  end)

  it("is free when that one closes, without ending", function()
    start_holder "rt:close() while true do os.execute 'sleep 0.1' end"
    assert(support.eventually(function()
      return beside(OPEN):match "^exclusive"
    end, 20))
  end)

  it("is had by one of many that come at once, ever again", function()
    local text = 'local rk = require "ringkernel"\n' .. "for _ = 1, 20 do " .. OPEN
      .. [[ if rt then assert(rt:launch "echo") rt:close() end end]]
    local command = ("env RINGKERNEL_LOG=off RKFAKE_UUID=%s %s -e %s 2>&1"):format(uuid,
      os.getenv "RKL" or "build/rkl", apart.quote(text))
    local pipes = {}
    for i = 1, 4 do
      pipes[i] = assert(io.popen(command))
    end
    local got, refused = 0, 0
    for _, pipe in ipairs(pipes) do
      for line in pipe:lines() do
        if line:match "^exclusive\t" then
          got = got + 1
        else
          assert.matches("^no_device\t", line)
          refused = refused + 1
        end
      end
      assert.is_true(pipe:close())
    end
    assert.equal(80, got + refused)
    assert.is_true(got >= 1)
    assert.is_false(is_there(file) or false)
  end)
end)

describe("in one process", function()
  it("several runtimes have the device, until the last one closes", function()
    local output = beside(([[
      package.cpath = "%s/spec/?.so;" .. package.cpath
      local function another()
        local pipe = io.popen(%q)
        local text = pipe:read "a"
        pipe:close()
        return text:match "^%%S+"
      end
      local one, two = assert(rk.open { blocks = 1 }), assert(rk.open { blocks = 1 })
      print(one:info().device_claim, two:info().device_claim, another())
      print(rk.devices()[2].holder)
      one:close()
      print(another())
      print(pcall(rk.open, { blocks = 99 }) == false, another())
      two:close()
      print(another())
      local three = assert(rk.open { blocks = 1 })
      three:close()
    ]]):format(build, ("%s -e %s"):format(os.getenv "RKL" or "build/rkl",
      apart.quote('local rk = require "ringkernel"\n' .. OPEN))))
    assert.equal("exclusive\texclusive\tno_device\nnil\nno_device\ntrue\tno_device\nexclusive\n",
      output)
  end)

  it("an open that fails later leaves no claim", function()
    local output = beside(OPEN .. [[
      collectgarbage()
      print(os.execute "test -e ]] .. file .. [[")
    ]], "RINGKERNEL_LOG=off RKFAKE_MEMORY=10000")
    assert.matches("^out_of_memory\t[^\n]*\nnil\texit\t1\n$", output)
  end)

  it("a device that is lost is given back by close", function()
    local output = beside(([[
      package.cpath = "%s/spec/?.so;" .. package.cpath
      local fake = require "rkfake"
      local rt = assert(rk.open { blocks = 1 })
      local a = assert(rt:launch "echo")
      print(os.execute "test -e %s")
      fake.kill(719)
      local code
      repeat code = select(3, a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5)) until code
      print(code)
      rt:close()
      print(os.execute "test -e %s")
    ]]):format(build, file, file), "RINGKERNEL_LOG=off")
    assert.equal("true\texit\t0\ndevice_lost\nnil\texit\t1\n", output)
  end)

  it("that ends without closing, the file goes as well", function()
    assert.matches("^exclusive", beside(OPEN .. "assert(rt:launch 'echo') os.exit(0)"))
    assert.is_false(is_there(file) or false)
  end)

  it("a grid that does not end keeps the device until the process has ended", function()
    local pid = start_holder(apart.loop .. [[
      rt:close()
      rt = assert(rk.open { blocks = 1, grace = 1 })
      assert(rt:launch(Loop)):send(N { n = 1 })
      rt:poll(5)
      rt:close()
      io.open("]] .. file .. [[.left", "w"):close()
      while true do os.execute "sleep 0.1" end
    ]])
    assert(support.eventually(function()
      return os.remove(file .. ".left")
    end, 60))
    assert.matches("^no_device\t[^\n]*process " .. pid, beside(OPEN))
    kill("KILL", pid)
    assert(support.eventually(function()
      return beside(OPEN):match "^exclusive"
    end, 20))
  end)

  it("a child has nothing, and takes nothing with it", function()
    local output = beside(([[
      package.cpath = "%s/spec/?.so;" .. package.cpath
      local fake = require "rkfake"
      local rt = assert(rk.open { blocks = 1 })
      io.stdout:flush()
      print(fake.wait(fake.fork(function()
        local ok, _, code = rk.open { blocks = 1 }
        rt:close()
        return code == "forked" and 7 or 8
      end)))
      print(os.execute "test -e %s")
      print((io.popen(%q):read "a"):match "^%%S+")
    ]]):format(build, file, ("%s -e %s"):format(os.getenv "RKL" or "build/rkl",
      apart.quote('local rk = require "ringkernel"\n' .. OPEN))), "ASAN_OPTIONS=detect_leaks=0")
    assert.equal("exit\t7\ntrue\texit\t0\nno_device\n", output)
  end)

  it("a child outlives the claim of its parent", function()
    local pid = start_holder(([[
      package.cpath = "%s/spec/?.so;" .. package.cpath
      require "rkfake".fork(function()
        while io.open "%s.stay" do os.execute "sleep 0.05" end
        return 0
      end)
      io.open("%s.forked", "w"):close()
      while true do rt:poll(1) end
    ]]):format(build, file, file))
    local stay = assert(io.open(file .. ".stay", "w"))
    stay:close()
    assert(support.eventually(function()
      return os.remove(file .. ".forked")
    end, 20))
    kill("KILL", pid)
    assert(support.eventually(function()
      return beside(OPEN):match "^exclusive"
    end, 20))
    os.remove(file .. ".stay")
  end)
end)

describe("sharing a device", function()
  local SHARE = "RINGKERNEL_SHARE_DEVICE=1"

  it("is asked for by those who come later", function()
    start_holder()
    assert.matches("^shared\t", beside(OPEN, SHARE))
    assert.matches("^mps\t", beside(OPEN, "RKFAKE_MPS=1"))
    assert.matches("^no_device\t", beside(OPEN))
  end)

  it("keeps out who does not want to", function()
    local one, kind = start_holder(nil, SHARE)
    local two = start_holder(nil, SHARE)
    assert.equal("shared", kind)
    assert.matches("^no_device\t[^\n]*process %d+ %(rkl%)", beside(OPEN))
    assert.matches("true\n$", beside "print(rk.devices()[2].holder.is_shared)")
    kill("KILL", one)
    assert.matches("^shared\t", beside(OPEN, SHARE))
    assert(support.eventually(function()
      return beside(OPEN):match("process " .. two)
    end, 20))
    kill("KILL", two)
    assert(support.eventually(function()
      return beside(OPEN):match "^exclusive"
    end, 20))
  end)

  it("works: two grids get on side by side", function()
    start_holder("rt:launch 'echo' while true do rt:poll(1) end", SHARE)
    assert.matches("\n5\n$", beside(OPEN .. [[
      local a = assert(rt:launch("echo"))
      print(a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
    ]], SHARE))
  end)

  it("is 0 or 1", function()
    assert.matches("RINGKERNEL_SHARE_DEVICE: expected a whole number from 0 to 1, got \"yes\"",
      beside(OPEN, "RINGKERNEL_SHARE_DEVICE=yes"))
  end)
end)

describe("where the claim cannot be made", function()
  for _, case in ipairs {
    { "a link lies in the way", "ln -s /etc/passwd %s" },
    { "a folder does", "mkdir %s" },
    { "a pipe does", "mkfifo %s" },
  } do
    it("because " .. case[1] .. ", it is not checked", function()
      assert(os.execute(case[2]:format(file)))
      finally(function()
        os.execute("rm -rf " .. file)
      end)
      assert.matches("^unchecked\tnil\n$", beside(OPEN .. "assert(rt:launch 'echo') rt:close()"))
      assert.matches("^nil\n$", beside "print(rk.devices()[2].holder)")
      assert.is_true(is_there(file) or os.execute("test -L " .. file))
    end)
  end
end)

describe("the driver's own answer", function()
  it("in a compute mode for one process says so", function()
    local output = beside(OPEN, "RKFAKE_COMPUTE_MODE=3 RKFAKE_FAULT=cuDevicePrimaryCtxRetain:1:46")
    assert.matches("^no_device\tdevice 0 %([^\n]*%) is taken: its compute mode lets one process in",
      output)
    assert.is_false(is_there(file) or false)
  end)

  it("without a reason names what to look at", function()
    assert.matches("^no_device\t[^\n]*is taken or does not work [^\n]*nvidia%-smi",
      beside(OPEN, "RKFAKE_FAULT=cuDevicePrimaryCtxRetain:1:46"))
  end)
end)
