#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Single operations in Lua: messages made, packed and unpacked beside what a table and
-- string.unpack cost, a clock's tick, the steps of a supervised restart.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")

local list = {}
local function add(program, ...)
  for _, name in ipairs { ... } do
    list[#list + 1] = { name = name, program = program }
  end
end
local function together(program, name, ...)
  list[#list + 1] = { name = name, program = program, quantities = { ... } }
end

add("messages.lua", "lua.table", "lua.message.new", "lua.message.pack", "lua.message.unpack",
  "lua.string_unpack", "lua.hlc.tick")
together("supervision.lua", "supervision.child", "supervision.restart", "supervision.command",
  "supervision.restart_cycle", "supervision.stop_and_start")

return native.list {
  name = "lua_calls",
  answers = "a table literal and string.unpack as floors of messages, RustCompute's HLC tick (28.6 "
    .. "ns), the goal of 20 us from hearing of a failure to the restarted actor",
  limit_s = 20,
  list = list,
}
