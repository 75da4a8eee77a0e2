-- SPDX-License-Identifier: MIT
--- The figures of a device: what a message, a hop, a life and a launch cost there.
--
--   rkl bench/gpu/figures.lua                  all but the sustained run
--   rkl bench/gpu/figures.lua sustained        60 s of messages, a figure for each second
--
-- Actors are launched and wired through the public Lua API. Where the crossing from Lua to C would
-- be most of a figure, the loop is C over the public C contract (gpu_loops.c) and the same is
-- measured from Lua too: "from C" and "from Lua" in the text. Everything that is sent is read and
-- checked at its end; a wrong result is an error and has no figure.
--
-- BENCH_SAMPLES (7), BENCH_DIVISOR (1), GPU_SUSTAINED_S (60). BENCH_MODULES: where gpu_loops.so is.
-- Output: the lines of bench/c/bench.h.

local here = arg[0]:match("^(.*)/") or "."
package.path = here .. "/?.lua;" .. here .. "/../lua/?.lua;" .. package.path
package.cpath = (os.getenv("BENCH_MODULES") or "build/gpu") .. "/?.so;" .. package.cpath

local rk = require "ringkernel"
local harness = require "harness"
local kernels = require "kernels"
local loops = require "gpu_loops"

local Token, TYPE = kernels.Token, kernels.Token.id
local clock, report, scale = harness.clock, harness.report, harness.scale
local SAMPLES = tonumber(os.getenv("BENCH_SAMPLES") or "") or 7
local SPREAD = 16 -- actors, each on a block of its own, of the figures of many
local WAIT_S = 10

local failed = false

--- Runs one group; an error costs its figures only.
local function group(name, fn)
  local ok, message = xpcall(fn, debug.traceback)
  if not ok then
    failed = true
    print(("note\tgpu.%s\tfailed: %s"):format(name, message:match("^[^\n]*")))
    io.stderr:write(message, "\n")
  end
  io.stdout:flush()
end

--- A figure of SAMPLES values, each of one call after one that is thrown away.
local function sample(quantity, unit, includes, fn)
  fn()
  local values = {}
  for index = 1, SAMPLES do
    values[index] = fn()
  end
  report(quantity, unit, includes, values)
end

--- Single operations: the median and, as a figure of its own, the 99th percentile.
local function report_each(quantity, unit, includes, values)
  report(quantity, unit, includes, values) -- sorts
  local p99 = values[math.max(1, (#values * 99 + 99) // 100)]
  report(quantity .. ".p99", unit, ("99th percentile of %d: %s"):format(#values, includes), { p99 })
end

local function launch_many(rt, definition, count, options)
  local actors = {}
  for index = 1, count do
    options.block = (index - 1) % rt:info().blocks
    actors[index] = assert(rt:launch(definition, options))
  end
  return actors
end

-- ---- host and one actor -------------------------------------------------------------------------

local function round_trips(rt, suffix, where, only_c)
  local echo = assert(rt:launch("echo", { queue = 64, block = 0 }))
  local Echo = rk.stock.echo.messages.Echo
  report_each("gpu.round_trip" .. suffix, "us", "64 B to an actor and back, from C, each timed: "
    .. "send, handler, spinning receive; stamped, copied, compared; " .. where,
    loops.round_trips(echo, Echo.id, scale(20000)))
  if only_c then
    assert(echo:terminate())
    return
  end
  local values = {}
  for index = 1, scale(10000) do
    local start = clock()
    assert(echo:send(Echo { seq = index }))
    local reply = assert(echo:receive(WAIT_S))
    values[index] = (clock() - start) * 1e6
    assert(reply.seq == index, "an echo came back changed")
  end
  report_each("gpu.round_trip.lua" .. suffix, "us",
    "the same from Lua: echo:send(Echo {...}), echo:receive(); " .. where, values)
  assert(echo:terminate())
end

local function post(rt)
  local count = math.min(1024, scale(1024))
  local sink = assert(rt:launch(kernels.sink, { queue = 2048 }))
  sample("gpu.post", "ns", "rk_actor_send of 64 B alone, into a queue with room, from C; then the "
    .. "actor says that all were handled (not timed)", function()
    return loops.post(rt, { sink }, TYPE, count)
  end)
  local token = Token { words = { 3, 3, 3, 3, 3, 3, 3 } }
  local before = assert(sink:call(Token { hops = 1 }, WAIT_S)).words[1]
  sample("gpu.post.lua", "ns", "sink:send(token) from Lua, the table made before; delivery "
    .. "checked, not timed", function()
    local start = clock()
    for _ = 1, count do
      assert(sink:send(token))
    end
    local seconds = clock() - start
    local after = assert(sink:call(Token { hops = 1 }, WAIT_S)).words[1]
    assert(after - before == count + 1, "messages were lost")
    before = after
    return seconds / count * 1e9
  end)
  assert(sink:terminate())
end

--- The rate that fn(count) returns, in M/s, with a count that takes about half a second.
local function sample_rate(quantity, includes, fn)
  local first = fn(scale(200000))
  local count = math.floor(math.min(scale(8000000), math.max(scale(200000), first * 0.5e6)))
  sample(quantity, "M/s", includes, function()
    return fn(count)
  end)
end

-- ---- rates --------------------------------------------------------------------------------------

local function host_to_kernel(rt)
  for _, count in ipairs { 1, SPREAD } do
    local sinks = launch_many(rt, kernels.sink, count, { queue = 4096 })
    sample_rate(count == 1 and "gpu.h2k" or "gpu.h2k.spread",
      ("64 B messages from one host thread to %d actor%s, batches of 32 from C, until each said "
        .. "that it read all words; sum checked"):format(count, count > 1 and "s" or ""),
      function(messages)
        return loops.flood(rt, sinks, TYPE, messages)
      end)
    for _, sink in ipairs(sinks) do
      assert(sink:terminate())
    end
  end
end

local function kernel_to_host(rt)
  for _, count in ipairs { 1, SPREAD } do
    local sources = launch_many(rt, kernels.source, count, { queue = 4096 })
    sample_rate(count == 1 and "gpu.k2h" or "gpu.k2h.spread",
      ("64 B messages from %d actor%s to one host thread, %d a handling; every word written by "
        .. "the device, read and checked in C"):format(count, count > 1 and "s" or "",
        kernels.SOURCE_BURST), function(messages)
        return loops.drain(rt, sources, TYPE, messages // kernels.SOURCE_BURST // count + 1)
      end)
    for _, source in ipairs(sources) do
      assert(source:terminate())
    end
  end
end

-- ---- kernel to kernel ---------------------------------------------------------------------------

--- `places`: { quantity, block of the second actor, text }; the first is on block 0.
local function kernel_to_kernel(rt, places)
  for _, place in ipairs(places) do
    local quantity, block, text = table.unpack(place)
    local first = assert(rt:launch(kernels.pass, { queue = 16, block = 0 }))
    local second = assert(rt:launch(kernels.pass, { queue = 16, block = block }))
    assert(rt:connect(first, "next", second))
    assert(rt:connect(second, "next", first))
    local hops = scale(20000) * 2
    sample(quantity, "us", text .. " pass a 64 B token there and back through ports: handlers, "
      .. "credits, stamps; the host's call is shared by all trips", function()
      local start = clock()
      local back = assert(first:call(Token { hops = hops, words = { 1, 2, 3, 4, 5, 6, 7 } },
        WAIT_S))
      local seconds = clock() - start
      assert(back.hops == 0 and back.words[1] == 1 and back.words[7] == 7, "the token changed")
      return seconds / hops * 2 * 1e6
    end)
    assert(first:terminate())
    assert(second:terminate())
  end
end

-- ---- lives and launches -------------------------------------------------------------------------

local function lives(rt)
  local sink = assert(rt:launch(kernels.sink, { queue = 16 }))
  report_each("gpu.create", "us", "rk_actor_launch of a definition that is loaded, and its first "
    .. "answer, from C, each timed", loops.creations(rt, { sink }, TYPE, scale(2000)))
  report_each("gpu.restart", "us", "rk_actor_restart with zeroed state, and the next answer, from "
    .. "C, each timed", loops.restarts(rt, { sink }, TYPE, scale(2000)))
  local values = {}
  for index = 1, scale(1000) do
    local start = clock()
    assert(sink:restart())
    local answer = assert(sink:call(Token { hops = 1 }, WAIT_S))
    values[index] = (clock() - start) * 1e6
    assert(answer.words[1] == 1, "the state was kept")
  end
  report_each("gpu.restart.lua", "us", "sink:restart(), sink:call(Token {...}) from Lua", values)
  assert(sink:terminate())
end

local MODES = {
  launch = "each launch waited for", stream = "queued, waited for once",
  graph = "recorded by 100, replayed, waited for once",
}

local function launches(rt)
  local buffer = assert(rt:buffer("f32", 32))
  for _, mode in ipairs { "launch", "stream", "graph" } do
    local expected = 0
    assert(buffer:fill(0))
    sample("gpu.launch." .. mode, "us", ("one ordinary kernel of a block of 32 lanes, %s; no grid "
      .. "beside it; the host's clock"):format(MODES[mode]), function()
      local timing = assert(rt:time(kernels.add_one, { grid = 1, block = 32, times = scale(5000),
        mode = mode }, buffer, 32))
      expected = expected + timing.launches + 1
      assert(timing.synchronised, "the launches had not ended")
      return timing.per_launch_us
    end)
    local got = assert(buffer:read(31, 1))[1]
    -- the one that warms up is not counted among a graph's launches
    assert(got >= expected and got <= expected + 100 * (SAMPLES + 1),
      ("%d launches of %d left their mark"):format(got, expected))
  end
end

-- ---- the sustained run --------------------------------------------------------------------------

local function sustained(rt)
  local seconds = tonumber(os.getenv("GPU_SUSTAINED_S") or "") or 60
  local window = math.min(1, seconds / 10)
  local sinks = launch_many(rt, kernels.sink, SPREAD, { queue = 4096 })
  loops.flood(rt, sinks, TYPE, scale(400000)) -- clocks and caches
  local rates = loops.sustained(rt, sinks, TYPE, seconds, window)
  local sum, squares = 0, 0
  for _, rate in ipairs(rates) do
    sum = sum + rate
  end
  local mean = sum / #rates
  for _, rate in ipairs(rates) do
    squares = squares + (rate - mean) ^ 2
  end
  local deviation = #rates > 1 and math.sqrt(squares / (#rates - 1)) / mean * 100 or 0
  local text = ("64 B messages to %d actors for %g s, in windows of %g s; at the end of each, all "
    .. "actors say what they handled"):format(#sinks, seconds, window)
  report("gpu.sustained", "M/s", text, rates)
  report("gpu.sustained.variation", "%", ("coefficient of variation of %d windows: %s")
    :format(#rates, text), { deviation })
end

--- Runs fn with a runtime; where this machine has none of that kind, notes why instead.
local function with_runtime(options, fn, absent)
  local rt <close>, message, code = rk.open(options)
  if not rt and absent and (code == "unsupported" or code == "no_device") then
    print(("note\t%s\t%s"):format(absent, message))
    return
  end
  assert(rt, message)
  kernels.load(rt)
  fn(rt)
end

if arg[1] == "sustained" then
  with_runtime({}, function(rt)
    group("sustained", function() sustained(rt) end)
  end)
else
  with_runtime({}, function(rt)
    local info = rt:info()
    local where = ("%d blocks resident, rings %s, policy %s"):format(info.blocks, info.transport,
      info.policy)
    print("note\tgpu.transport\t" .. info.transport .. ": " .. info.transport_why)
    group("round_trip", function() round_trips(rt, "", where) end)
    group("post", function() post(rt) end)
    group("h2k", function() host_to_kernel(rt) end)
    group("k2h", function() kernel_to_host(rt) end)
    group("k2k", function()
      kernel_to_kernel(rt, {
        { "gpu.k2k.same_block", 0, "two actors on one block" },
        { "gpu.k2k.neighbour_blocks", 1, "actors on blocks 0 and 1" },
        { "gpu.k2k.far_blocks", info.blocks - 1, "actors on the first and the last block" },
      })
    end)
    group("lives", function() lives(rt) end)
    group("launch", function() launches(rt) end)
  end)
  with_runtime({ blocks = 1 }, function(rt)
    group("round_trip", function() round_trips(rt, ".one_block", "1 block resident") end)
  end)
  with_runtime({ policy = "latency" }, function(rt)
    group("round_trip.latency", function()
      round_trips(rt, ".latency", "policy latency", true)
    end)
  end)
  for _, transport in ipairs { "plain", "tagged" } do
    with_runtime({ transport = transport }, function(rt)
      group("round_trip." .. transport, function()
        round_trips(rt, "." .. transport, "rings " .. transport, true)
      end)
    end, "gpu.round_trip." .. transport)
  end
  for _, lanes in ipairs { "plain", "counted" } do
    local name = "k2k.same_cluster" .. (lanes == "plain" and "" or "." .. lanes)
    with_runtime({ cluster = 2, cluster_lanes = lanes }, function(rt)
      group(name, function()
        kernel_to_kernel(rt, {
          { "gpu." .. name, 1, ("actors on two blocks of a cluster, lanes %s"):format(lanes) },
        })
      end)
    end, "gpu." .. name)
  end
end
os.exit(not failed)
