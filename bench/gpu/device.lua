-- SPDX-License-Identifier: MIT
--- Which device there is, for check.lua: a line `key<tab>value` for each fact, and `reason` if
--- nothing can be measured. A process of its own: a broken driver may not come back.

local core = require "ringkernel.core"

local function say(key, value)
  print(("%s\t%s"):format(key, (tostring(value):gsub("%c", " "))))
end

local driver = core.cuda_driver()
say("library", driver.library)
say("cuda", driver.version or "unknown")
if not driver.is_usable then
  say("reason", driver.reason)
  return
end
local has_compiler, compiler = core.nvrtc()
say("nvrtc", compiler)
local found
for _, device in ipairs(core.devices()) do
  if device.backend == "cuda" then
    found = found or device
  end
end
if not found or not found.is_usable then
  say("reason", found and found.reason or "the driver lists none")
  return
end
for _, key in ipairs { "name", "compute_capability", "processors", "memory_bytes", "pci_bus",
  "compute_mode", "numa_node" } do
  say(key, found[key])
end
if not has_compiler then
  say("reason", "the device is there, but kernels cannot be compiled for it: " .. compiler)
end
