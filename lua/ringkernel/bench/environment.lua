-- SPDX-License-Identifier: MIT
--- What a result must carry to be worth anything later: machine, clocks, versions, commit, and what
-- went wrong with the machine while it was measured.

local core = require "ringkernel.core"

local M = {}

--- Output of a command without its last line break, nil when it fails.
local function output(command)
  local pipe = io.popen(command .. " 2>/dev/null")
  local text = pipe and pipe:read("a")
  local ok = pipe and pipe:close()
  return ok and text and text:match("^(.-)%s*$") or nil
end

local function first(path, pattern)
  local file = io.open(path)
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text and text:match(pattern)
end

--- The usable devices, with what tells them apart.
local function devices()
  local list = {}
  for _, device in ipairs(core.devices() or {}) do
    if device.is_usable then
      list[#list + 1] = {
        backend = device.backend, name = device.name, driver = device.driver,
        clock_khz = device.clock_khz, compute_capability = device.compute_capability,
      }
    end
  end
  return list
end

--- Facts about this machine now, for `campaign`.
function M.capture(campaign)
  local governor = first("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "%S+")
  local commit = output("git rev-parse --short=12 HEAD")
  return {
    date = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    cpu = first("/proc/cpuinfo", "model name%s*:%s*([^\n]+)") or output("uname -m"),
    cpu_mhz = tonumber(first("/proc/cpuinfo", "cpu MHz%s*:%s*([%d.]+)") or ""),
    processors = math.tointeger(tonumber(output("nproc") or "")),
    governor = governor or "not told",
    kernel = output("uname -sr"),
    load = first("/proc/loadavg", "^%S+"),
    lua = _VERSION,
    ringkernel = core.version,
    backend = os.getenv("RINGKERNEL_BACKEND") or "auto",
    devices = devices(),
    commit = commit,
    dirty = commit and output("git status --porcelain --untracked-files=no") ~= "",
    seed = campaign.seed,
    pinned = campaign.pin and table.concat(campaign.pin, ",") or nil,
  }
end

--- Pins this process and what it starts from now on to `processors` (a list of numbers, from 0).
-- Returns whether that worked; true where there was nothing to do.
function M.pin(processors)
  if not processors then
    return true
  end
  local pid = first("/proc/self/stat", "^%d+")
  local list = table.concat(processors, ",")
  return pid ~= nil and output(("taskset -a -p -c %s %s"):format(list, pid)) ~= nil
end

return M
