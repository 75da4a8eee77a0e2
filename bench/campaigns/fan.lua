#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- Many to one and one to many: 64 B messages from n sources to one sink, and from one source to
--- each of n sinks over a broadcast link.

local here = (...):match("^(.*)/") or "."
local kit = dofile(here .. "/kit.lua")

local BURST = kit.BURST
local DELIVERIES = 16384
local WAIT_S = 20

local Token = kit.Token

local shared = kit.shared { pin = true, load = { kit.source, kit.sink } }

--- Sources on block 0, sinks on block 1.
local function network(direction, width)
  local net = { name = ("fan_%s_%d"):format(direction, width), actors = {}, links = {} }
  local names = { source = {}, sink = {} }
  local function add(kind, count, definition, block)
    for i = 1, count do
      local name = ("%s_%d"):format(kind, i)
      net.actors[name] = { definition, queue = 256, block = block }
      names[kind][i] = name
    end
  end
  add("source", direction == "fan_in" and width or 1, kit.source, 0)
  add("sink", direction == "fan_out" and width or 1, kit.sink, 1)
  for i, name in ipairs(names.source) do
    net.links[i] = { from = name .. ".next", to = #names.sink > 1 and names.sink or names.sink[1] }
  end
  return net, names
end

local function handles(sys, names)
  local list = {}
  for i, name in ipairs(names) do
    list[i] = sys[name]
  end
  return list
end

return kit.campaign {
  name = "fan",
  answers = "Erlang's flood of one process by another (133 to 185 ns a message) and CAF's (384 "
    .. "ns), with more senders or receivers; RustCompute's broker with 8 senders (4.35 us)",
  includes = "per message delivered (64 B): making it, its link (fan_out above 1: a router that "
    .. "copies it to each), queue, handler that reads every word; until the host has the report of "
    .. "every last message, and one question to a sink; sources on one block, sinks on another, "
    .. "each on a processor of its own",
  matrix = {
    { "direction", { "fan_in", "fan_out" } },
    { "width", kit.values({ 1, 4, 16, 64 }, 2) },
  },
  limit_s = 5,
  setup = function(case)
    local net, names = network(case.direction, case.width)
    case.sys = assert(shared:use():deploy(net))
    case.sources, case.sinks = handles(case.sys, names.source), handles(case.sys, names.sink)
    case.handlings = math.max(1, kit.count(DELIVERIES, 512) // (BURST * case.width))
    case.made = 0 -- by each source
  end,
  run = function(case, meter)
    local each = case.handlings * BURST
    local sinks, sources = case.sinks, case.sources
    case.made = case.made + each
    meter:watch(sinks[1], each * #sources)
    meter:count(each * case.width)
    meter:bytes(each * case.width * Token.size)
    meter:start()
    for _, source in ipairs(sources) do
      assert(source:send(Token { hops = case.handlings }))
    end
    local last = {}
    for i, sink in ipairs(sinks) do
      for _ = 1, #sources do
        last[i] = assert(sink:receive(WAIT_S))
      end
    end
    meter:settle()
    meter:stop()
    local count = case.made * #sources
    local sum = kit.sum_of(case.made) * #sources
    local good = true
    for i = 1, #sinks do
      good = good and last[i].words[1] == count and last[i].words[2] == sum
    end
    meter:verified(good, "count and sum of each sink")
  end,
  check = function(case)
    for i, sink in ipairs(case.sinks) do
      local count = assert(sink:peek_state()).count
      if count ~= case.made * #case.sources then
        return false, ("sink %d handled %d messages, not %d"):format(i, count,
          case.made * #case.sources)
      end
    end
    return #shared:get():dead_letters() == 0, "there are dead letters"
  end,
  teardown = function(case)
    assert(case.sys:stop())
    shared:release()
  end,
}
