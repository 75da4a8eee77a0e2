#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- What this machine can do at all: the limits that other figures are held against.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")

local list = {}
for i, name in ipairs { "line_ping_pong", "record_ping_pong", "clock_read", "rmw", "fence",
  "memcpy_16k", "memcpy_64m", "thread_start" } do
  list[i] = { name = "anchor." .. name, program = "anchors" }
end

return native.list {
  name = "machine",
  answers = "which part of a figure the machine dictates: a line between two processors, a clock "
    .. "reading, a copy",
  list = list,
}
