-- SPDX-License-Identifier: MIT
--- Across the boundary: sending, receiving and calling from Lua, beside what a bare call costs.
--
--   rkl bench/lua/boundary.lua
--
-- One block; the collector runs as it does for users.

package.path = (arg[0]:match("^(.*)/") or ".") .. "/?.lua;" .. package.path
package.cpath = (os.getenv("BENCH_MODULES") or "build/bench/") .. "?.so;" .. package.cpath

local rk = require "ringkernel"
local floor = require "lua_floor"
local harness = require "harness"

local clock, measure = harness.clock, harness.measure

local Reading = rk.message("Reading", {
  { "sensor", "u32" }, { "flags", "u32" }, { "value", "f64" }, { "stamp", "u64" },
})

local Sink = rk.kernel {
  name = "bench_sink",
  accepts = { Reading },
  emits = { Reading },
  state = { { "count", "u64" }, { "sum", "f64" } },
  source = [[
    RK_ON(Reading) {
      state->count += 1u;
      state->sum += msg->value + (rk_f64)msg->sensor;
      if (msg->flags == 1u) {
        Reading out = *msg;
        out.stamp = state->count;
        rk_reply(ctx, Reading, &out);
      }
    }
  ]],
}

local rt <close> = assert(rk.open { blocks = 1, cache = os.getenv("BENCH_CACHE") })
local sink = assert(rt:launch(Sink, { queue = 16384 }))
local echo = assert(rt:launch(rk.stock.echo, { queue = 4096 }))
local Echo = rk.stock.echo.accepts[1]

local plain = Reading { sensor = 7, value = 1.5, stamp = 99, flags = 0 }
local question = Reading { sensor = 7, value = 1.5, stamp = 99, flags = 1 }
local handled = 0

--- Waits until the sink has handled all it was sent, and checks how many that were.
local function settle(sent)
  local reply = assert(sink:call(question, 20))
  handled = handled + sent + 1
  assert(reply.stamp == handled, "every message was handled once")
end

--- Seconds that `fn(sink, n)` takes while the sink handles nothing: the host's share alone.
local function posted(n, fn)
  assert(sink:deactivate())
  local start = clock()
  fn(sink, n)
  local seconds = clock() - start
  assert(sink:activate())
  settle(n)
  return seconds
end

local nothing = coroutine.isyieldable
measure {
  "lua.c_call",
  count = 1000000,
  includes = "a C function without arguments from a local, with the loop around it",
  run = function(n)
    for _ = 1, n do
      nothing()
    end
  end,
}

local text64 = ("x"):rep(64)
measure {
  "lua.floor.send",
  count = 200000,
  includes = "method with luaL_checkudata that copies a 64 B string to a slot: no queue, no stamp",
  run = function(n)
    local object = floor()
    for _ = 1, n do
      object:send(text64)
    end
  end,
}

measure {
  "lua.floor.send_fields",
  count = 200000,
  includes = "the same with a table of 4 fields read by lua_getfield: no queue, no stamp",
  run = function(n)
    local object = floor()
    local fields = { sensor = 7, value = 1.5, stamp = 99, flags = 0 }
    for _ = 1, n do
      object:send_fields(fields)
    end
  end,
}

measure {
  "lua.string_pack",
  count = 200000,
  includes = "string.pack of the same 4 fields from locals, with the loop around it",
  run = function(n)
    local pack, sensor, flags, value = string.pack, 7, 0, 1.5
    for index = 1, n do
      pack("<I4I4dI8", sensor, flags, value, index)
    end
  end,
}

harness.truth("after the timing", "count of handled messages")
measure {
  "lua.post",
  count = 8000,
  includes = "actor:send(message of 4 fields, 24 B) into a queue with room: type check, packing, "
    .. "stamp, ring, bell; no handler runs",
  run = function(n)
    return posted(n, function(actor, count)
      for _ = 1, count do
        actor:send(plain)
      end
    end)
  end,
}

measure {
  "lua.post.cached",
  count = 8000,
  includes = "as lua.post, with the method send in a local",
  run = function(n)
    return posted(n, function(actor, count)
      local send = actor.send
      for _ = 1, count do
        send(actor, plain)
      end
    end)
  end,
}

measure {
  "lua.post.many32",
  count = 8192,
  includes = "per message: actor:send_many of a list of 32, else as lua.post",
  run = function(n)
    local list = {}
    for index = 1, 32 do
      list[index] = plain
    end
    local whole = n // 32 * 32
    return posted(whole, function(actor, count)
      for _ = 1, count, 32 do
        assert(actor:send_many(list) == 32)
      end
    end) * n / whole
  end,
}

measure {
  "lua.post.packed32",
  count = 8192,
  includes = "per message: actor:send_many of a string of 32 packed ones, else as lua.post",
  run = function(n)
    local packed = Reading:pack(plain):rep(32)
    local whole = n // 32 * 32
    return posted(whole, function(actor, count)
      for _ = 1, count, 32 do
        assert(actor:send_many(packed, Reading) == 32)
      end
    end) * n / whole
  end,
}

measure {
  "lua.post.new",
  count = 8000,
  includes = "as lua.post, and the message is made from a table literal each time",
  run = function(n)
    return posted(n, function(actor, count)
      for index = 1, count do
        actor:send(Reading { sensor = 7, value = 1.5, stamp = index, flags = 0 })
      end
    end)
  end,
}

harness.truth("inside the timing", "count of handled messages")
measure {
  "lua.send",
  count = 100000,
  includes = "per message: actor:send in a loop, again when full, until a handler has read them "
    .. "all",
  run = function(n)
    local full = 0
    local start = clock()
    for _ = 1, n do
      while not sink:send(plain) do
        full = full + 1
      end
    end
    settle(n)
    return clock() - start
  end,
}

local ping = Echo { seq = 1, value = 2.5, text = "forty-eight bytes of text at most" }

local echoed = 0

--- Makes `echo` answer n times; returns once it has.
local function answers(n)
  for _ = 1, n do
    assert(echo:send(ping))
  end
  echoed = echoed + n
  while echo:stats().processed < echoed do
    rt:poll(0.001)
  end
end

harness.truth()
measure {
  "lua.try_receive",
  count = 2000,
  includes = "actor:try_receive of a waiting message of 64 B (integer, float, text): drained, "
    .. "table made, envelope kept",
  run = function(n)
    answers(n)
    local start = clock()
    for _ = 1, n do
      assert(echo:try_receive())
    end
    return clock() - start
  end,
}

measure {
  "lua.try_receive.empty",
  count = 100000,
  includes = "actor:try_receive when nothing waits: looks at the ring, three results",
  run = function(n)
    for _ = 1, n do
      echo:try_receive()
    end
  end,
}

harness.truth("inside the timing", "one field of each reply")
measure {
  "lua.round_trip",
  count = 5000,
  includes = "actor:send of 64 B, handler echoes it, try_receive in a loop; one field compared",
  run = function(n)
    for _ = 1, n do
      local reply
      echo:send(ping)
      repeat
        reply = echo:try_receive()
      until reply
      assert(reply.value == 2.5)
    end
    echoed = echoed + n
  end,
}

measure {
  "lua.call",
  count = 5000,
  includes = "actor:call(message of 24 B, timeout): request, handler replies, host waits, reply "
    .. "as table",
  run = function(n)
    for _ = 1, n do
      assert(sink:call(question, 5))
    end
    handled = handled + n
  end,
}
