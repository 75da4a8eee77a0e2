-- Every call of the driver that a runtime's life needs fails once, in turn: once for want of
-- memory, once for no reason given, once because the device is lost. Each life must end with errors
-- that say what they are, give everything back, leave nothing half made (what has failed works the
-- second time), and leave a process that can open again.
--
-- A short run takes the first, second and last call of each function; LONG=1 takes all of them (but
-- of the functions that are called for ever only the first hundred).

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" then
  pending "faults of the driver: make test-cuda runs them"
  return
end

package.cpath = (os.getenv "BUILD" or "build") .. "/spec/?.so;" .. package.cpath

local fake = require "rkfake"
local rk = require "ringkernel"
local in_child = dofile("spec/cuda/support.lua").in_child
local scenario = dofile("spec/cuda/scenario.lua")
local support = dofile("spec/support.lua")

local is_long = os.getenv "LONG" == "1"
local MOST = 100

-- What a call may be answered with, and what a sane program is told.
local OUT_OF_MEMORY, UNKNOWN, LAUNCH_FAILED = 2, 999, 719
local SANE = {
  out_of_memory = true,
  device_lost = true,
  launch_failed = true,
  unsupported = true,
  io = true,
  no_device = true,
  driver = true,
}

-- Calls that give something back: when one is refused, what it was to give back stays behind.
local GIVES_BACK = {
  cuMemFree = true,
  cuMemFreeHost = true,
  cuMemPoolDestroy = true,
  cuModuleUnload = true,
  cuStreamDestroy = true,
  cuEventDestroy = true,
  cuGraphDestroy = true,
  cuGraphExecDestroy = true,
  cuDevicePrimaryCtxRelease = true,
}

-- Which functions a life calls, and how often. In a child, as each life below: a driver that was
-- opened does not work in children, and what a lost device was given comes back only when its
-- process ends.
local function count_calls()
  local text = in_child(function()
    fake.reset()
    local wrong = scenario.run()
    local lines = {}
    for name, count in pairs(fake.called()) do
      lines[#lines + 1] = ("%s=%d"):format(name, count)
    end
    return #wrong == 0 and table.concat(lines, "\n") or wrong[1].text
  end)
  local called, names = {}, {}
  for name, count in text:gmatch "(cu%w+)=(%d+)" do
    called[name] = tonumber(count)
    names[#names + 1] = name
  end
  assert(called.cuInit and called.cuLaunchKernel, text)
  table.sort(names)
  return called, names
end

-- Opening the driver is done once in a process, and its failure stays.
local OPENS_DRIVER = { cuInit = true, cuGetProcAddress = true }

local function which(count)
  local list = {}
  if is_long then
    for nth = 1, math.min(count, MOST) do
      list[#list + 1] = nth
    end
    return list
  end
  for _, nth in ipairs { 1, 2, count } do
    if nth <= math.min(count, MOST) and nth ~= list[#list] then
      list[#list + 1] = nth
    end
  end
  return list
end

local function tell(wrong)
  local lines = {}
  for _, w in ipairs(wrong) do
    lines[#lines + 1] = ("  %s: %s (%s)%s"):format(w.step, w.text, w.code,
      w.again and ("; again: %s (%s)"):format(w.again_text, w.again) or "")
  end
  return table.concat(lines, "\n")
end

-- One life with one fault. Returns what was not as it should be.
local function live(name, nth, code, is_sticky)
  local bad = {}
  local function check(ok, text)
    if not ok then
      bad[#bad + 1] = text
    end
  end
  fake.reset()
  local before = fake.live()
  fake.fault(name, nth, code, is_sticky)
  local wrong = scenario.run()
  local is_lost = is_sticky and name ~= "cuGetProcAddress" -- which has no device yet
  for _, w in ipairs(wrong) do
    check(type(w.text) == "string" and #w.text > 10, "an error without a text")
    check(SANE[w.code] or not is_lost and w.code == "version", ("the code '%s'"):format(w.code))
    check(not is_lost or w.code == "device_lost", ("'%s' on a lost device"):format(w.code))
    check(w.again == nil or w.again == "device_lost" or OPENS_DRIVER[name],
      "the second attempt fails")
  end
  -- the threads of a kernel that the device has killed may need a moment to notice
  check(support.eventually(function()
    return fake.kernels() == 0
  end), "a kernel still runs")
  if OPENS_DRIVER[name] then
    check(#wrong == 0 or #wrong == 1 and wrong[1].again == wrong[1].code, "another answer later")
  elseif not is_sticky then
    local left = fake.live() - before
    check(left == 0 or (left == 1 and GIVES_BACK[name]), left .. " things were not given back")
    fake.reset()
    local clean = scenario.run()
    check(#clean == 0, "the process cannot go on:\n" .. tell(clean))
  elseif #wrong > 0 then
    local rt, text, why = rk.open { backend = "cuda" }
    check(rt or not is_lost or why == "device_lost", ("open again: %s (%s)"):format(text, why))
    if rt then -- a driver may begin anew with a new context
      rt:close()
    end
  end
  if #bad > 0 then
    return ("%s, call %d, answered %d%s: %s\n%s"):format(name, nth, code,
      is_sticky and " for ever" or "", table.concat(bad, "; "), tell(wrong))
  end
end

describe("every call of the driver fails once", function()
  local called, names = count_calls()

  for _, fault in ipairs {
    { "and the device is lost", LAUNCH_FAILED, true },
    { "out of memory", OUT_OF_MEMORY, false },
    { "for an unknown reason", UNKNOWN, false },
  } do
    it(fault[1], function()
      local bad = {}
      for _, name in ipairs(names) do
        for _, nth in ipairs(which(called[name])) do
          bad[#bad + 1] = in_child(function()
            return live(name, nth, fault[2], fault[3])
          end)
        end
      end
      assert.same("", table.concat(bad, "\n"))
    end)
  end
end)
