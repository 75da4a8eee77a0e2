#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Bytes: of an idle actor, with a small queue and with the default one, and of the file rkl.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")
local core = require "ringkernel.core"

--- Megabytes of rkl without what debuggers read.
local function measure_file(meter)
  local path = os.tmpname()
  local output, status = core.spawn({ "strip", "-o", path, native.rkl }, 20)
  local file = status == 0 and io.open(path, "rb")
  local size = file and file:seek("end")
  if file then
    file:close()
  end
  os.remove(path)
  if not size then
    error("strip: " .. tostring(output), 0)
  end
  meter:untimed()
  meter:value("rkl.stripped", size / 1e6, "MB")
  meter:figure("rkl.stripped", "MB")
  meter:includes "the file rkl after strip: Lua, library, Lua files, kernels and headers inside"
end

return native.list {
  name = "memory",
  answers = "RustCompute's launched kernel, 0.85 to 0.92 MB resident with no loop behind it; the "
    .. "goals of 1 KiB and of 2 MB",
  samples = 5, -- counted, not timed
  list = {
    { name = "memory.idle_actor.queue16", program = "memory" },
    { name = "memory.idle_actor.queue1024", program = "memory" },
    { name = "rkl.stripped", run = measure_file, skip = function()
      local _, status = core.spawn({ "strip", "--version" }, 10)
      return status ~= 0 and "strip is not installed (Debian package binutils)" or nil
    end },
  },
}
