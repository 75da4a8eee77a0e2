#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- What it costs to cross from Lua into the runtime and back, beside what nothing at all costs.
--
-- `post_*` are the host's share alone: messages go to an actor that is deactivated, so no handler
-- runs meanwhile; afterwards it is activated, and what it read is compared. The floors `c_call`,
-- `string_pack`, `string_unpack` and `lua_call` do no messaging; `bare_send` and `bare_fields` need
-- lua_floor.so, which `make bench` builds (BENCH_MODULES, build/bench).

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")
local rk = require "ringkernel"

local WAIT_S = 20
local LIST = 32

local Reading = rk.message("Reading", {
  { "sensor", "u32" }, { "flags", "u32" }, { "value", "f64" }, { "stamp", "u64" },
})

--- Adds up what it reads. flags = 1 asks for the count and the sum, flags = 2 for the message.
local Adder = rk.kernel {
  name = "bench_adder",
  accepts = { Reading },
  emits = { Reading },
  state = { { "count", "u64" }, { "sum", "f64" } },
  source = [[
RK_ON(Reading) {
  state->count += 1u;
  state->sum += msg->value + (rk_f64)msg->sensor;
  if (msg->flags != 0u) {
    Reading out = *msg;
    if (msg->flags == 1u) { out.stamp = state->count; out.value = state->sum; }
    rk_reply(ctx, Reading, &out);
  }
}
]],
}

local shared = kit.shared { blocks = 1, load = { Adder } }
local plain = Reading { sensor = 7, value = 1.5, stamp = 99, flags = 0 }
local echo = Reading { sensor = 7, value = 1.5, stamp = 99, flags = 2 }
local question = Reading { flags = 1 }
local WEIGHT = 8.5 -- what plain and echo add to the sum

local path = (os.getenv("BENCH_MODULES") or "build/bench/") .. "lua_floor.so"
local open_floor = package.loadlib(path, "luaopen_lua_floor")
local floor = open_floor and open_floor("lua_floor")

--- Asks the actor whether it handled `n` more messages of the weight above, once each.
local function settled(case, n)
  local reply = assert(case.actor:call(question, WAIT_S))
  case.count, case.sum = case.count + n + 1, case.sum + n * WEIGHT
  return reply.stamp == case.count and reply.value == case.sum
end

--- fn(actor, n) posts n messages to an actor at rest; only that is timed.
local function post(fn)
  return function(case, meter, n)
    assert(case.actor:deactivate())
    meter:watch(case.actor, n)
    meter:start()
    fn(case.actor, n)
    meter:stop()
    assert(case.actor:activate())
    meter:settle()
    meter:verified(settled(case, n), "count and sum of the actor")
  end
end

--- fn(n) does something n times that has nothing to do with messages.
local function bare(fn)
  return function(_, meter, n)
    meter:start()
    fn(n)
    meter:stop()
  end
end

local text64 = ("x"):rep(64)
local bytes = Reading:pack(plain)

--- Asks for n replies, waits until the block has sent them, times their taking.
local function take(case, meter, n, fn)
  for _ = 1, n do
    assert(case.actor:send(echo))
  end
  while assert(case.actor:stats()).processed < case.handled + n do
    shared:get():poll(0.001)
  end
  meter:start()
  local taken, good = 0, true
  while taken < n do
    local list = fn(case.actor)
    for i = 1, #list do
      good = good and list[i].value == plain.value and list[i].stamp == plain.stamp
    end
    taken = taken + #list
  end
  meter:stop()
  meter:verified(good and taken == n and settled(case, n), "two fields of every message")
end

local FIGURES = {
  { "c_call", 200000, "a C function without arguments from a local, with the loop around it",
    bare(function(n)
      local nothing = coroutine.isyieldable
      for _ = 1, n do
        nothing()
      end
    end) },
  { "lua_call", 200000, "pcall of a Lua function with a table, with the loop around it: the least "
    .. "a handler in Lua costs",
    bare(function(n)
      local handler = function(message)
        return message
      end
      for _ = 1, n do
        pcall(handler, plain)
      end
    end) },
  { "string_pack", 100000, "string.pack of 4 fields from locals, with the loop around it",
    bare(function(n)
      local pack, sensor, flags, value = string.pack, 7, 0, 1.5
      for index = 1, n do
        pack("<I4I4dI8", sensor, flags, value, index)
      end
    end) },
  { "string_unpack", 100000, "string.unpack of 4 fields to locals, with the loop around it",
    bare(function(n)
      local unpack = string.unpack
      for _ = 1, n do
        local _, _, _, _ = unpack("<I4I4dI8", bytes)
      end
    end) },
  { "bare_send", 100000, "a method with luaL_checkudata that copies a 64 B string to a slot: no "
    .. "queue, no stamp",
    bare(function(n)
      local object = floor()
      for _ = 1, n do
        object:send(text64)
      end
    end) },
  { "bare_fields", 100000, "the same with a table of 4 fields, read by lua_getfield",
    bare(function(n)
      local object = floor()
      local fields = { sensor = 7, value = 1.5, stamp = 99, flags = 0 }
      for _ = 1, n do
        object:send_fields(fields)
      end
    end) },
  { "post", 8000, "actor:send of 4 fields (24 B) into a queue with room: type check, packing, "
    .. "stamp, ring, bell; no handler runs",
    post(function(actor, n)
      for _ = 1, n do
        actor:send(plain)
      end
    end) },
  { "post_cached", 8000, "as post, with the method in a local",
    post(function(actor, n)
      local send = actor.send
      for _ = 1, n do
        send(actor, plain)
      end
    end) },
  { "post_new", 8000, "as post, and the message is made from a table literal each time",
    post(function(actor, n)
      for _ = 1, n do
        actor:send(Reading { sensor = 7, value = 1.5, stamp = 99, flags = 0 })
      end
    end) },
  { "post_many", 8000, ("as post, by actor:send_many of lists of %d"):format(LIST),
    post(function(actor, n)
      local list = {}
      for i = 1, LIST do
        list[i] = plain
      end
      for _ = 1, n, LIST do
        assert(actor:send_many(list) == LIST)
      end
    end) },
  { "post_packed", 8000, ("as post, by actor:send_many of a string of %d packed messages"):format(
    LIST),
    post(function(actor, n)
      local packed = bytes:rep(LIST)
      for _ = 1, n, LIST do
        assert(actor:send_many(packed, Reading) == LIST)
      end
    end) },
  { "send", 40000, "actor:send in a loop, again when full, until a handler has read them all",
    function(case, meter, n)
      meter:watch(case.actor, n)
      meter:start()
      for _ = 1, n do
        while not case.actor:send(plain) do -- luacheck: ignore
        end
      end
      meter:settle()
      meter:stop()
      meter:verified(settled(case, n), "count and sum of the actor")
    end },
  { "try_receive", 2000, "actor:try_receive of a waiting message of 24 B: table made, envelope "
    .. "kept",
    function(case, meter, n)
      take(case, meter, n, function(actor)
        return { assert(actor:try_receive()) }
      end)
    end },
  { "receive_many", 2000, ("actor:receive_many of up to %d waiting messages of 24 B"):format(LIST),
    function(case, meter, n)
      take(case, meter, n, function(actor)
        return assert(actor:receive_many(LIST, WAIT_S))
      end)
    end },
  { "call", 500, "actor:call: request, handler, reply found by its correlation, table made",
    function(case, meter, n)
      local good = true
      meter:start()
      for _ = 1, n do
        good = meter:call(case.actor, echo, WAIT_S).value == plain.value and good
      end
      meter:stop()
      meter:verified(good and settled(case, n), "a field of every reply")
    end },
  { "lua_actor", 4000, "a message to an actor whose handler is a Lua function: send, stamp, the "
    .. "actor's queue on the grid, back to the host, table, call of the handler; rt:drain after "
    .. "each 32, rt:poll when the queue is full",
    function(case, meter, n)
      local rt, before = shared:get(), case.seen
      meter:start()
      for _ = 1, n, LIST do
        for _ = 1, LIST do
          while not case.hosted:send(plain) do
            rt:poll(0.001)
          end
        end
        rt:drain()
      end
      while case.seen < before + n do
        rt:poll(0.001)
      end
      meter:stop()
      meter:verified(case.seen == before + n and case.lua_sum == case.seen * WEIGHT,
        "count and sum of the handler")
    end },
}

local names, figures = {}, {}
for i, figure in ipairs(FIGURES) do
  names[i] = figure[1]
  figures[figure[1]] = { count = figure[2] // LIST * LIST, includes = figure[3], run = figure[4] }
end

return kit.campaign {
  name = "boundary",
  answers = "the floors of Lua 5.4 (bare send 59 ns, 4 fields by lua_getfield 135, string.pack and "
    .. "send 232, list of 32 15, pcall of a handler with a fresh string 41) and RustCompute's send "
    .. "through a handle (250 ns)",
  includes = "a call from Lua",
  matrix = { { "what", names } },
  limit_s = 4,
  skip = function(case)
    if not floor and case.what:find("^bare_") then
      return path .. " is not built: make bench does"
    end
  end,
  setup = function(case)
    local rt = shared:use()
    case.actor = assert(rt:launch(Adder, { queue = 16384 }))
    case.count, case.sum, case.handled = 0, 0, 0
    if case.what == "lua_actor" then
      case.seen, case.lua_sum = 0, 0
      local definition = rk.actor { name = "bench_lua", accepts = { Reading },
        on = function(_, message)
          case.seen = case.seen + 1
          case.lua_sum = case.lua_sum + message.value + message.sensor
        end }
      case.hosted = assert(rt:launch(definition, { queue = 1024 }))
    end
  end,
  run = function(case, meter)
    local figure = figures[case.what]
    local n = math.max(LIST, kit.count(figure.count) // LIST * LIST)
    meter:count(n)
    meter:includes(figure.includes)
    case.handled = assert(case.actor:stats()).processed
    figure.run(case, meter, n)
  end,
  check = function(case)
    if case.hosted then
      local processed = assert(case.hosted:stats()).processed
      return processed == case.seen, ("%d messages processed, %d seen"):format(processed, case.seen)
    end
    return settled(case, 0), "the actor handled another number of messages than were sent"
  end,
  teardown = function(case)
    assert(case.actor:terminate())
    if case.hosted then
      assert(case.hosted:terminate())
    end
    shared:release()
  end,
}
