-- Every call of NVRTC that a runtime's life needs fails once, in turn (spec/cuda/nvrtc_faults.c).
-- Each life must end with an error that says what it is, leave nothing half made (what has failed
-- works the second time, and nothing torn is in the cache), and leave a process that can compile.
--
-- A short run takes the first and last call of each function for a kernel that is compiled in no
-- time, and a few for the grid; LONG=1 takes all of them for both, each with every code.

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" then
  pending "faults of NVRTC: make test-cuda runs them"
  return
end

local build = os.getenv "BUILD" or "build"
package.cpath = build .. "/spec/?.so;" .. package.cpath

local fake = require "rkfake"
local nvrtc = require "nvrtc_faults"
local apart = dofile("spec/cuda/support.lua")
local scenario = dofile("spec/cuda/scenario.lua")
local support = dofile("spec/support.lua")

local is_long = os.getenv "LONG" == "1"

-- nvrtcResult
local OUT_OF_MEMORY, COMPILATION, BUILTINS, INTERNAL = 1, 6, 7, 11
-- What a program is told then.
local TOLD = {
  [OUT_OF_MEMORY] = { out_of_memory = true },
  [COMPILATION] = { compile = true },
  [BUILTINS] = { no_compiler = true },
  [INTERNAL] = { io = true, compile = true },
}
-- Functions that are asked when NVRTC is opened: whatever they answer, there is none.
local OPENS = {
  nvrtcVersion = true,
  nvrtcGetNumSupportedArchs = true,
  nvrtcGetSupportedArchs = true,
}

-- A newer device than NVRTC knows gets PTX, which is made in a fraction of the time.
local KERNEL = { open = true, buffer = true, run = true }
local GRID = { open = true, ["launch own"] = true, send = true, receive = true }

local cache

-- The real NVRTC, as the library finds it without us.
local function find_real()
  local pipe = assert(io.popen(("%s -e %s"):format(os.getenv "RKL" or "build/rkl",
    apart.quote 'print(select(2, require "ringkernel.core".nvrtc()))')))
  local text = pipe:read "a"
  pipe:close()
  return assert(text:match "^NVRTC [%d.]+ %((.-)%), ", text)
end

-- Forgets what NVRTC made; what the driver of the tests made of it is kept.
local function forget_images()
  assert(os.execute("rm -f " .. apart.quote(cache) .. "/cuda/*.cubin"))
end

local function files(pattern)
  local pipe = assert(io.popen("ls " .. apart.quote(cache .. "/cuda")))
  local found = {}
  for name in pipe:lines() do
    found[#found + 1] = name:match(pattern)
  end
  pipe:close()
  return found
end

local function tell(wrong)
  local lines = {}
  for _, w in ipairs(wrong) do
    lines[#lines + 1] = ("  %s: %s (%s)%s"):format(w.step, w.text, w.code,
      w.again and ("; again: %s (%s)"):format(w.again_text, w.again) or "")
  end
  return table.concat(lines, "\n")
end

-- A life without a fault, in a child: how often it calls what.
local function count_calls(way)
  forget_images()
  local text = apart.in_child(function()
    fake.setenv("RKFAKE_CC", way.cc)
    fake.reset()
    nvrtc.fail()
    local wrong = scenario.run(way.steps)
    local lines = {}
    for name, count in pairs(nvrtc.calls()) do
      lines[#lines + 1] = ("%s=%d"):format(name, count)
    end
    return #wrong == 0 and table.concat(lines, "\n") or tell(wrong)
  end)
  local called, names = {}, {}
  for name, count in text:gmatch "(nvrtc%w+)=(%d+)" do
    called[name] = tonumber(count)
    names[#names + 1] = name
  end
  assert(called.nvrtcCompileProgram, text)
  table.sort(names)
  return called, names
end

-- One life with one fault. Returns what was not as it should be.
local function live(way, name, nth, code)
  local bad = {}
  local function check(ok, text)
    if not ok then
      bad[#bad + 1] = text
    end
  end
  fake.setenv("RKFAKE_CC", way.cc)
  fake.reset()
  local before = fake.live()
  nvrtc.fail(name, nth, code)
  local wrong = scenario.run(way.steps)
  -- a program that is not given back is NVRTC's loss and nobody's error
  check(#wrong == (name == "nvrtcDestroyProgram" and 0 or 1), #wrong .. " errors")
  for _, w in ipairs(wrong) do
    check(type(w.text) == "string" and #w.text > 10, "an error without a text")
    check(OPENS[name] and w.code == "no_compiler" or not OPENS[name] and TOLD[code][w.code],
      ("the code '%s'"):format(w.code))
    check(w.again == nil, "the second attempt fails")
  end
  check(support.eventually(function()
    return fake.kernels() == 0
  end), "a kernel still runs")
  check(fake.live() == before, fake.live() - before .. " things were not given back")
  check(#files "%.tmp$" == 0, "a torn file is in the cache")
  nvrtc.fail()
  local clean = scenario.run(way.steps)
  check(#clean == 0, "the process cannot go on:\n" .. tell(clean))
  -- what was made the second time is what the cache has
  check(not nvrtc.calls().nvrtcCompileProgram, "something is compiled that should be in the cache")
  if #bad > 0 then
    return ("%s, call %d, answered %d: %s\n%s"):format(name, nth, code, table.concat(bad, "; "),
      tell(wrong))
  end
end

-- What is tried of a function: { nth, code } each.
local function faults_of(name, count)
  local list = {}
  local codes = { OUT_OF_MEMORY, INTERNAL }
  if name == "nvrtcCompileProgram" then
    codes = { OUT_OF_MEMORY, INTERNAL, COMPILATION, BUILTINS }
  end
  for nth = 1, count do
    for i, code in ipairs(codes) do
      local is_first, is_last = nth == 1 and i ~= 2, nth == count and i == 2
      if is_long or is_first or is_last then
        list[#list + 1] = { nth, code }
      end
    end
  end
  return list
end

describe("every call of NVRTC fails once", function()
  local before

  setup(function()
    cache = os.tmpname()
    os.remove(cache)
    before = { RINGKERNEL_CACHE = os.getenv "RINGKERNEL_CACHE", RKFAKE_CC = os.getenv "RKFAKE_CC",
      RINGKERNEL_NVRTC = os.getenv "RINGKERNEL_NVRTC" }
    nvrtc.use(find_real())
    fake.setenv("RINGKERNEL_CACHE", cache)
    fake.setenv("RINGKERNEL_NVRTC", assert(package.searchpath("nvrtc_faults", package.cpath)))
  end)

  teardown(function()
    for _, name in ipairs { "RINGKERNEL_CACHE", "RINGKERNEL_NVRTC", "RKFAKE_CC" } do
      fake.setenv(name, before[name])
    end
    os.execute("rm -rf " .. apart.quote(cache))
  end)

  -- `only`: the functions that a short run takes, nil for all; `least`: so many faults there are.
  local function sweep(way, least, only)
    local called, names = count_calls(way)
    local bad, tried = {}, 0
    for _, name in ipairs(names) do
      for _, fault in ipairs((is_long or not only or only[name]) and faults_of(name, called[name])
        or {}) do
        forget_images()
        tried = tried + 1
        bad[#bad + 1] = apart.in_child(function()
          return live(way, name, fault[1], fault[2])
        end)
      end
    end
    assert.same("", table.concat(bad, "\n"))
    assert.is_true(tried >= least, ("only %d calls failed"):format(tried))
  end

  it("for a kernel in PTX", function()
    sweep({ cc = "990", steps = KERNEL }, 22)
  end)

  it("for a kernel in machine code", function()
    sweep({ cc = "90", steps = KERNEL }, 22)
  end)

  it("for a grid", function()
    sweep({ cc = "990", steps = GRID }, 4, { nvrtcCompileProgram = true, nvrtcVersion = true })
  end)
end)
