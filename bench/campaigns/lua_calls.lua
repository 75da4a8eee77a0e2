#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- What single calls from Lua cost: messages made and packed, sent, received; beside the least that
-- a call into C, string.pack and a table cost. And supervision and reload, operation by operation.

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
add("boundary.lua", "lua.c_call", "lua.floor.send", "lua.floor.send_fields", "lua.string_pack",
  "lua.post", "lua.post.cached", "lua.post.many32", "lua.post.new", "lua.send", "lua.try_receive",
  "lua.try_receive.empty", "lua.round_trip", "lua.call")
together("supervision.lua", "supervision.child", "supervision.restart", "supervision.command",
  "supervision.restart_cycle", "supervision.stop_and_start")
together("supervision.lua", "supervision.tree", "supervision.tree_start", "supervision.tree_stop")
together("reload.lua", "reload", "reload.pause", "reload.call", "reload.pause_migrated")

return native.list {
  name = "lua_calls",
  answers = "the bare send of a 64 B string from Lua (59 ns), string.pack and a send (232 ns), "
    .. "send_many of 32 (15 ns), a handler step's floor; restarts within 20 us, a tree of 100,000 "
    .. "in 2 s, a reload's pause below 1 ms",
  limit_s = 20,
  list = list,
}
