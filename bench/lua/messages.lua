-- SPDX-License-Identifier: MIT
--- Messages in Lua alone: making one, to bytes and back.
--
--   rkl bench/lua/messages.lua

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path

local rk = require "ringkernel"
local measure = require("harness").measure

local Reading = rk.message("Reading", {
  { "sensor", "u32" }, { "flags", "u32" }, { "value", "f64" }, { "stamp", "u64" },
})

measure {
  "lua.table",
  count = 100000,
  includes = "a plain table literal of 4 fields, with the loop around it",
  run = function(n)
    local last
    for index = 1, n do
      last = { sensor = 7, value = 1.5, stamp = index, flags = 0 }
    end
    return last.nothing
  end,
}

measure {
  "lua.message.new",
  count = 100000,
  includes = "Reading { 4 fields }: the literal, every field checked, metatable set",
  run = function(n)
    for index = 1, n do
      local _ = Reading { sensor = 7, value = 1.5, stamp = index, flags = 0 }
    end
  end,
}

local message = Reading { sensor = 7, value = 1.5, stamp = 99, flags = 0 }
local bytes = Reading:pack(message)

measure {
  "lua.message.pack",
  count = 100000,
  includes = "Reading:pack(message) to a string of 24 B",
  run = function(n)
    for _ = 1, n do
      Reading:pack(message)
    end
  end,
}

measure {
  "lua.message.unpack",
  count = 100000,
  includes = "Reading:unpack(string of 24 B) to a message",
  run = function(n)
    for _ = 1, n do
      Reading:unpack(bytes)
    end
  end,
}

measure {
  "lua.string_unpack",
  count = 200000,
  includes = "string.unpack of the same 4 fields to locals",
  run = function(n)
    local unpack = string.unpack
    for _ = 1, n do
      local _, _, _, _ = unpack("<I4I4dI8", bytes)
    end
  end,
}

local timestamps = rk.hlc(1)
measure {
  "lua.hlc.tick",
  count = 100000,
  includes = "clock:tick() to a timestamp object",
  run = function(n)
    for _ = 1, n do
      timestamps:tick()
    end
  end,
}
