-- What blocks and the host record while actors run: every record of a chain, marks of lives and
-- deaths, losses, and reading while the grid writes.

local json = require "dkjson"
local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number = support.Number

--- Passes numbers on; what arrives at 0 goes back to the host.
local Relay = rk.kernel {
  name = "relay",
  accepts = { Number },
  emits = { Number },
  state = { { "stops", "u32" } },
  ports = { "next" },
  source = [[
RK_ON(Number) {
  (void)state;
  Number out;
  out.n = msg->n - 1;
  if (msg->n == 0) { rk_send_to(ctx, 0, Number, msg); return; }
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
}
RK_ON_START() { (void)ctx; (void)state; }
RK_ON_STOP() { (void)ctx; state->stops += 1; }
]],
}

local function open(options)
  options.blocks = options.blocks or 2
  local rt = assert(rk.open(options))
  return rt
end

--- Ends recording and returns everything that was recorded, and how much was lost.
local function all_of(rt)
  assert(rt:trace { on = false })
  return assert(rt:trace_read())
end

--- The records of a kind, of one actor by name (false: of the host; nil: of all).
local function select_records(records, kind, name)
  local found = {}
  for _, record in ipairs(records) do
    local is_his = name == nil or (name or nil) == record.name
    if record.kind == kind and is_his and (name ~= false or record.block == nil) then
      found[#found + 1] = record
    end
  end
  return found
end

--- The message ids of records, sorted; asserts that none is there twice.
local function ids_of(records)
  local ids, seen = {}, {}
  for index, record in ipairs(records) do
    assert.equal("integer", math.type(record.message))
    assert.is_nil(seen[record.message])
    seen[record.message] = true
    ids[index] = record.message
  end
  table.sort(ids)
  return ids
end

--- Three actors in a row on two blocks; the last one keeps what comes.
local function chain(rt)
  local first = assert(rt:launch(Relay, { name = "first", block = 0 }))
  local second = assert(rt:launch(Relay, { name = "second", block = 1 }))
  local last = assert(rt:launch(support.Sink, { name = "last", block = 0 }))
  assert(rt:connect(first, "next", second))
  assert(rt:connect(second, "next", last))
  return first, second, last
end

local function handled(actor, count)
  return support.eventually(function()
    return actor:stats().processed == count
  end)
end

describe("the trace of a chain", function()
  local COUNT = 70 -- more than two turns

  local function run_chain(rt)
    local first, _, last = chain(rt)
    for i = 1, COUNT do
      assert(first:send(Number { n = 100 + i }))
    end
    assert.is_true(handled(last, COUNT))
    return all_of(rt)
  end

  it("has one sending and one handling of each message on each link #tsan", function()
    local rt <close> = open { trace = 1024 }
    assert(rt:trace { on = true })
    local records, lost = run_chain(rt)
    assert.equal(0, lost)
    local links = { { false, "first", nil, 0 }, { "first", "second", 0, 1 },
      { "second", "last", 1, 0 } }
    for _, link in ipairs(links) do
      local from, to, from_block, to_block = table.unpack(link, 1, 4)
      local sent = select_records(records, "send", from)
      local got = select_records(records, "handle", to)
      assert.equal(COUNT, #sent)
      assert.same(ids_of(sent), ids_of(got))
      local sent_at = {}
      for _, record in ipairs(sent) do
        assert.equal(from_block, record.block)
        assert.equal("Number", record.type)
        assert.is_nil(record.dur_us)
        sent_at[record.message] = record.ts_us
      end
      for _, record in ipairs(got) do
        assert.equal(to_block, record.block)
        assert.equal("Number", record.type)
        assert.is_true(record.dur_us >= 0)
        -- between actors there is one clock
        assert.is_true(not from or sent_at[record.message] <= record.ts_us + record.dur_us)
      end
    end
    assert.equal(3 * COUNT * 2,
      #select_records(records, "send") + #select_records(records, "handle"))
    local delivered = select_records(records, "deliver")
    assert.same(ids_of(select_records(records, "send", false)), ids_of(delivered))
    for _, record in ipairs(delivered) do
      assert.equal("first", record.name)
      assert.equal(0, record.block)
      assert.is_nil(record.dur_us)
    end
  end)

  it("has an arrow for each of them, from track to track", function()
    local rt <close> = open { trace = 1024 }
    assert(rt:trace { on = true })
    local records = run_chain(rt)
    local text, arrows = rk.trace.encode(records)
    assert.equal(3 * COUNT, arrows)
    local tree = assert(json.decode(text))
    local threads, tails, links = {}, {}, {}
    for _, event in ipairs(tree.traceEvents) do
      if event.name == "thread_name" then
        threads[event.pid .. "/" .. event.tid] = event.args.name
      elseif event.ph == "s" then
        tails[event.id] = threads[event.pid .. "/" .. event.tid]
      elseif event.ph == "f" then
        local link = tails[event.id] .. " " .. threads[event.pid .. "/" .. event.tid]
        links[link] = (links[link] or 0) + 1
      end
    end
    assert.same({ ["sender first"] = COUNT, ["first second"] = COUNT, ["second last"] = COUNT },
      links)
  end)

  it("goes on through a new generation of the grid", function()
    local rt <close> = open { trace = 1024 }
    local first, _, last = chain(rt)
    assert(rt:trace { on = true })
    assert(first:send(Number { n = 9 }))
    assert.is_true(handled(last, 1))
    assert(rt:renew())
    assert(first:send(Number { n = 9 }))
    assert.is_true(handled(last, 2))
    assert.equal(2, #select_records(all_of(rt), "handle", "last"))
  end)

  it("is empty while nobody asked for it", function()
    local rt <close> = open { trace = 1024 }
    local first, _, last = chain(rt)
    assert(first:send(Number { n = 9 }))
    assert.is_true(handled(last, 1))
    assert.same({}, (all_of(rt)))
    assert(rt:trace { on = true })
    assert(first:send(Number { n = 9 }))
    assert.is_true(handled(last, 2))
    assert.equal(7, #all_of(rt))
    assert(first:send(Number { n = 9 }))
    assert.is_true(handled(last, 3))
    assert.same({}, (all_of(rt)))
  end)
end)

describe("the trace of a grid", function()
  it("marks starts and stops, also of actors that are gone", function()
    local rt <close> = open { trace = 256 }
    assert(rt:trace { on = true })
    local a = assert(rt:launch(Relay, { name = "short-lived" }))
    assert(a:terminate())
    local records = all_of(rt)
    assert.equal(2, #records)
    for index, kind in ipairs { "start", "stop" } do
      assert.equal(kind, records[index].kind)
      assert.equal("short-lived", records[index].name)
      assert.is_true(records[index].dur_us >= 0)
      assert.is_nil(records[index].message)
    end
  end)

  it("marks dead letters where they died, with their reasons", function()
    local rt <close> = open { trace = 256, blocks = 1 }
    local adder = assert(rt:launch(support.Adder, { name = "adder" }))
    local idle = assert(rt:launch(support.Sink, { name = "idle", activate = false }))
    assert(rt:trace { on = true })
    assert(adder:send(Number { n = 1 }, { deadline = 0 }))
    assert(adder:send(Number { n = -13 }))
    assert(idle:send(Number { n = 1 }))
    assert(idle:send(Number { n = 2 }))
    assert.is_true(support.eventually(function()
      return adder:state() == "failed"
    end))
    assert(idle:terminate())
    local records = all_of(rt)
    local sent = ids_of(select_records(records, "send", false))
    assert.equal(4, #sent)
    local reasons = {}
    for _, record in ipairs(select_records(records, "dead")) do
      assert.equal("Number", record.type)
      reasons[record.message] = record.name .. " " .. record.reason
    end
    assert.same({ [sent[1]] = "adder deadline", [sent[2]] = "adder failed",
      [sent[3]] = "idle terminated", [sent[4]] = "idle terminated" }, reasons)
    assert.same({ sent[2] }, ids_of(select_records(records, "handle")))
  end)

  it("has arrows from who published to all who were subscribed", function()
    local rt <close> = open { trace = 256 }
    local publisher = assert(rt:launch(support.Publisher, { name = "publisher" }))
    local sinks = {}
    for i = 1, 2 do
      sinks[i] = assert(rt:launch(support.Sink, { name = "sink" .. i }))
      assert(rt:subscribe("numbers/#", sinks[i]))
    end
    assert(rt:trace { on = true })
    assert(publisher:send(Number { n = 4 }))
    assert(rt:publish("numbers/own", Number { n = 5 }))
    for i = 1, 2 do
      assert.is_true(support.eventually(function()
        rt:poll(0)
        return sinks[i]:stats().processed == 2
      end))
    end
    local records = all_of(rt)
    assert.equal(2, #select_records(records, "send", false))
    assert.equal(1, #select_records(records, "send", "publisher"))
    assert.equal(2, #select_records(records, "handle", "sink1"))
    local _, arrows = rk.trace.encode(records)
    assert.equal(5, arrows)
  end)

  it("keeps the newest records and counts the others", function()
    local rt <close> = open { trace = 1, blocks = 1 } -- rounded up to 64
    local sink = assert(rt:launch(support.Sink, { name = "sink", queue = 256 }))
    assert(rt:trace { on = true })
    local list = {}
    for i = 1, 200 do
      list[i] = Number { n = i }
    end
    assert.equal(200, (sink:send_many(list)))
    assert.is_true(handled(sink, 200))
    local records, lost = all_of(rt)
    local sent, got = select_records(records, "send"), select_records(records, "handle")
    local delivered = select_records(records, "deliver")
    assert.equal(64, #sent)
    assert.equal(64, #got + #delivered)
    assert.equal(3 * 200 - 2 * 64, lost)
    local ids = ids_of(sent) -- what is left of the handlings are the newest
    assert.same(table.move(ids, 64 - #got + 1, 64, 1, {}), ids_of(got))
    assert(rt:trace { on = true })
    assert(sink:send(Number { n = 1 }))
    assert.is_true(handled(sink, 201))
    records, lost = all_of(rt)
    assert.equal(3, #records)
    assert.equal(3 * 200 - 2 * 64, lost)
  end)

  it("is read while blocks write it: each record is read or counted #tsan", function()
    local HOPS <const> = 2001
    local rt <close> = open { trace = 64 }
    local a = assert(rt:launch(Relay, { name = "a", block = 0 }))
    local b = assert(rt:launch(Relay, { name = "b", block = 1 }))
    assert(rt:connect(a, "next", b))
    assert(rt:connect(b, "next", a))
    assert(rt:trace { on = true })
    assert(a:send(Number { n = HOPS }))
    local read, latest, lost, answer = 0, {}, 0, nil
    local function take()
      local records
      records, lost = assert(rt:trace_read())
      for _, record in ipairs(records) do
        local track = record.name or "host"
        assert.is_true(record.kind == "handle" or record.kind == "send"
          or record.kind == "deliver")
        assert.equal("Number", record.type)
        if record.kind == "handle" then -- ids of one block only grow
          assert.is_true(record.message > (latest[track] or 0))
          latest[track] = record.message
        end
      end
      read = read + #records
    end
    assert.is_true(support.eventually(function()
      take()
      answer = b:try_receive()
      return answer
    end, 60) ~= nil)
    assert.equal(0, answer.n)
    assert(rt:trace { on = false })
    take()
    -- the host's sending and its delivery; each handling and what it sent
    assert.equal(2 + 2 * (HOPS + 1), read + lost)
    assert.is_true(read > 0)
  end)

  it("is refused where there is none, and misuse raises", function()
    local rt = open {}
    for _, call in ipairs { { rt.trace, { on = true } }, { rt.trace_read }, { rt.trace_clock },
      { rt.trace_save, "x" } } do
      local ok, message, code = call[1](rt, call[2])
      assert.is_nil(ok)
      assert.truthy(message:find("open it with trace", 1, true))
      assert.equal("unsupported", code)
    end
    assert.matches("'on': a boolean expected", support.error_of(rt.trace, rt, {}))
    assert.matches("off", support.error_of(rt.trace, rt, { off = true }))
    assert.matches("table", support.error_of(rt.trace, rt))
    assert.matches("path", support.error_of(rt.trace_save, rt, 7))
    assert.matches("'trace'", support.error_of(rk.open, { trace = -1 }))
    rt:close()
    assert.equal("closed", select(3, rt:trace { on = true }))
    assert.equal("closed", select(3, rt:trace_read()))
    assert.equal("closed", select(3, rt:trace_save("x")))
  end)
end)
