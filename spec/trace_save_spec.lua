-- Traces as files: what a running grid recorded is a well-formed Chrome trace, and its times are
-- the host's.

local json = require "dkjson"
local rk = require "ringkernel"
local core = require "ringkernel.core"
local cli = dofile("spec/cli/support.lua")
local examples = dofile("spec/example_runner.lua")
local support = dofile("spec/support.lua")

local Number = support.Number

--- Sends each number on to the port, and to the host.
local Fork = rk.kernel {
  name = "fork",
  accepts = { Number },
  emits = { Number },
  ports = { "next" },
  source = [[
RK_ON_START() { (void)ctx; (void)state; }
RK_ON(Number) {
  (void)state;
  (void)rk_send(ctx, RK_PORT_next, Number, msg);
  rk_reply(ctx, Number, msg);
}
]],
}

local COUNT <const> = 100

--- Two actors on two blocks, COUNT calls; returns the runtime, recording no more.
local function run_fork()
  local rt = assert(rk.open { blocks = 2, trace = 1024 })
  assert(rt:trace { on = true })
  local fork = assert(rt:launch(Fork, { name = "fork", block = 0 }))
  local sink = assert(rt:launch(support.Sink, { name = "sink", block = 1 }))
  assert(rt:connect(fork, "next", sink))
  for i = 1, COUNT do
    assert(fork:call(Number { n = i }, 10))
  end
  assert.is_true(support.eventually(function()
    return sink:stats().processed == COUNT
  end))
  assert(rt:trace { on = false })
  return rt
end

local function save(rt, options)
  local path = os.tmpname()
  assert.is_true(rt:trace_save(path, options))
  local tree, _, why = json.decode(examples.read_file(path), 1, json.null)
  os.remove(path)
  assert.is_nil(why)
  return tree
end

local function track_of(event)
  return event.pid .. "/" .. event.tid
end

--- The events of each track, in the order of the file; times of a track never go back.
local function tracks_of(tree)
  local tracks, last = {}, {}
  for _, event in ipairs(tree.traceEvents) do
    if event.ph ~= "M" then
      local track = track_of(event)
      assert.equal("number", type(event.ts))
      assert.is_true(event.ts >= (last[track] or 0), track)
      last[track] = event.ts
      tracks[track] = tracks[track] or {}
      table.insert(tracks[track], event)
    end
  end
  return tracks
end

--- Slices of a track lie one after the other or within each other. Times have three decimals.
local function assert_nested(events)
  local stack = {}
  for _, event in ipairs(events) do
    if event.ph == "X" then
      while #stack > 0 and stack[#stack] <= event.ts + 0.0005 do
        stack[#stack] = nil
      end
      local last = event.ts + event.dur
      assert.is_true(#stack == 0 or last <= stack[#stack] + 0.0015)
      stack[#stack + 1] = last
    end
  end
end

--- Whether a slice of its track is around an arrow's end.
local function has_slice(tracks, at)
  for _, event in ipairs(tracks[track_of(at)]) do
    if event.ph == "X" and event.ts <= at.ts and at.ts <= event.ts + event.dur + 0.0015 then
      return true
    end
  end
  return false
end

describe("a saved trace", function()
  it("is a well-formed Chrome trace", function()
    local rt <close> = run_fork()
    local tree = save(rt, { host = "spec" })
    local tracks = tracks_of(tree)
    local names, arrows, order = {}, {}, {}
    for _, event in ipairs(tree.traceEvents) do
      if event.name == "process_name" or event.name == "thread_name" then
        names[event.name == "process_name" and event.pid or track_of(event)] = event.args.name
      elseif event.ph == "s" then
        assert.is_nil(arrows[event.id])
        arrows[event.id] = { s = event }
        order[#order + 1] = event.id
      elseif event.ph == "t" or event.ph == "f" then
        assert.is_nil(arrows[event.id][event.ph]) -- each begins before it goes on
        arrows[event.id][event.ph] = event
      end
    end
    assert.same({ "spec", "block 0", "block 1" }, { names[1], names[2], names[3] })
    for track, events in pairs(tracks) do
      assert.truthy(names[track])
      assert_nested(events)
    end
    local links = {}
    for _, id in ipairs(order) do
      local arrow = arrows[id]
      assert.truthy(arrow.f, id)
      for _, phase in ipairs { "s", "t", "f" } do
        assert.is_true(not arrow[phase] or has_slice(tracks, arrow[phase]), id .. phase)
      end
      assert.is_true(arrow.s.ts <= arrow.f.ts)
      assert.is_true(not arrow.t or (arrow.s.ts <= arrow.t.ts and arrow.t.ts <= arrow.f.ts))
      local link = { names[track_of(arrow.s)] }
      link[#link + 1] = arrow.t and names[track_of(arrow.t)]
      link[#link + 1] = names[track_of(arrow.f)]
      link = table.concat(link, " > ")
      links[link] = (links[link] or 0) + 1
    end
    assert.same({ ["sender > deliveries > fork"] = COUNT, ["fork > sink"] = COUNT }, links)
    assert.equal("0", tree.otherData.lost)
    assert.is_true(math.abs(tonumber(tree.otherData.origin_us) / 1e6 - os.time()) < 3600)
    assert.is_true(tonumber(tree.otherData.clock_error_us) > 0)
  end)

  it("is not read again", function()
    local rt <close> = run_fork()
    save(rt)
    assert.same({}, (rt:trace_read()))
    local ok, message, code = rt:trace_save("/nowhere/trace.json")
    assert.is_nil(ok)
    assert.truthy(message:find("/nowhere/trace.json", 1, true))
    assert.equal("io", code)
  end)

  it("tells what was lost", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 64 })
    local sink = assert(rt:launch(support.Sink, { queue = 128 }))
    assert(rt:trace { on = true })
    for i = 1, 100 do
      assert(sink:send(Number { n = i }))
    end
    assert.is_true(support.eventually(function()
      return sink:stats().processed == 100
    end))
    assert(rt:trace { on = false })
    local tree = save(rt)
    assert.equal(tostring(300 - 128), tree.otherData.lost)
    tracks_of(tree)
  end)
end)

describe("the clock of a trace", function()
  it("is the host's where they are one, and says how well that is known", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 64 })
    local early = assert(rt:trace_clock()) -- blocks of a device run from the first launch on
    assert.equal(rt.backend == "cpu", early.error ~= nil)
    local a = assert(rt:launch(support.Adder))
    assert(rt:trace { on = true })
    local clock = assert(rt:trace_clock())
    assert.equal(0.0, clock.offset)
    assert.is_true(clock.error > 0 and clock.error < 5)
    assert.is_true(clock.resolution > 0)
    local before = core.clock()
    assert(a:call(Number { n = 1 }, 5))
    local took = core.clock() - before
    local first, last = math.huge, 0
    for _, record in ipairs(assert(rt:trace_read())) do
      first = math.min(first, record.ts_us)
      last = math.max(last, record.ts_us)
    end
    assert.is_true((last - first) / 1e6 <= took)
  end)

  -- The driver of the tests can move its device's clock.
  it("of a device that is ahead or behind is told as the host's", function()
    if os.getenv("RINGKERNEL_BACKEND") ~= "cuda" then
      return -- spec/c/trace_grid_test.c moves the clock of the CPU backend
    end
    local program = [[
      local rk = require "ringkernel"
      local rt <close> = assert(rk.open { blocks = 1, trace = 64 })
      local echo = assert(rt:launch("echo"))
      assert(rt:trace { on = true })
      local Echo = rk.stock.echo.messages.Echo
      assert(echo:call(Echo { seq = 1 }, 10))
      assert(rt:trace { on = false })
      local clock, first, last = assert(rt:trace_clock()), math.huge, 0
      for _, record in ipairs(assert(rt:trace_read())) do
        first, last = math.min(first, record.ts_us), math.max(last, record.ts_us)
      end
      print(clock.offset, clock.error, (last - first) / 1e6)
    ]]
    for _, ahead in ipairs { 5000, -5000 } do
      local result = cli.run(cli.rkl, { "-e", program },
        { env = { RKFAKE_CLOCK_MS = tostring(ahead) } })
      assert.equal("", result.err)
      local offset, error, span = result.out:match("^(%S+)%s+(%S+)%s+(%S+)\n$")
      offset, error, span = tonumber(offset), tonumber(error), tonumber(span)
      assert.is_true(math.abs(offset - ahead / 1000) <= error)
      assert.is_true(error < 2.5)
      assert.is_true(span < 4) -- not the five seconds that lie between the clocks
    end
  end)
end)
