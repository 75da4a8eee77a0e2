-- Traces: the JSON that the writer makes, read back with dkjson. What a running grid records is in
-- trace_grid_spec.lua.

local json = require "dkjson"
local trace = require "ringkernel.trace"

local BIG = (1 << 48) + 7 -- an id as blocks give them

local function parse(records, options)
  local text, arrows = trace.encode(records, options)
  local tree, _, why = json.decode(text, 1, json.null)
  assert.is_nil(why)
  return tree, arrows
end

--- The events of a trace with one phase and, if given, one name.
local function select_events(tree, phase, name)
  local found = {}
  for _, event in ipairs(tree.traceEvents) do
    if event.ph == phase and (not name or event.name == name) then
      found[#found + 1] = event
    end
  end
  return found
end

--- The host sends 5 to actor 3 of block 0, which sends BIG on to actor 4 of block 1.
local function chain()
  return {
    { kind = "send", ts_us = 1000.5, message = 5, type = "Reading" },
    { kind = "start", ts_us = 1000, dur_us = 0.25, block = 0, actor = 3, name = "s1" },
    { kind = "handle", ts_us = 1002, dur_us = 3.125, block = 0, actor = 3, name = "s1",
      message = 5, type = "Reading" },
    { kind = "deliver", ts_us = 1001, block = 0, actor = 3, name = "s1", message = 5,
      type = "Reading" },
    { kind = "send", ts_us = 1003, block = 0, actor = 3, message = BIG, type = "Reading" },
    { kind = "handle", ts_us = 1010, dur_us = 0.064, block = 1, actor = 4, name = "sink",
      message = BIG, type = "Reading" },
    { kind = "dead", ts_us = 1020, block = 1, actor = 4, message = 9, reason = "deadline" },
  }
end

describe("a trace", function()
  it("of nothing is a trace", function()
    local tree, arrows = parse {}
    assert.same({}, tree.traceEvents)
    assert.equal(0, arrows)
  end)

  it("has a slice for each handled message on the track of its block and actor", function()
    local slices = select_events(parse(chain()), "X", "Reading")
    assert.equal(2, #slices)
    local first, second = slices[1], slices[2]
    assert.equal("handle", first.cat)
    assert.equal(2.0, first.ts)
    assert.equal(3.125, first.dur)
    assert.equal("5", first.args.message)
    assert.equal(10.0, second.ts)
    assert.equal(0.064, second.dur)
    assert.equal("281474976710663", second.args.message)
    assert.equal(3, first.tid)
    assert.equal(4, second.tid)
    assert.not_equal(first.pid, second.pid)
  end)

  it("begins at its earliest moment, and tells when that was", function()
    local tree = parse(chain(), { lost = 12 })
    assert.equal("1000.000", tree.otherData.origin_us)
    assert.equal("12", tree.otherData.lost)
    tree = parse(chain(), { origin_us = 1795000000000000 })
    assert.equal("1795000000001000.000", tree.otherData.origin_us)
    local starts = select_events(tree, "X", "start")
    assert.equal(0.0, starts[1].ts)
    assert.equal(0.25, starts[1].dur)
    assert.is_nil(starts[1].args.message)
  end)

  it("keeps nanoseconds of moments since 1970", function()
    local origin = 1795000000000000
    local records = { { kind = "handle", ts_us = origin, block = 0, actor = 1, message = 1 },
      { kind = "handle", ts_us = origin + 0.25, block = 0, actor = 1, message = 2 } }
    assert.equal(0.25, select_events(parse(records), "X")[2].ts)
  end)

  it("names processes and threads", function()
    local tree = parse(chain(), { host = "lua5.4" })
    local processes, threads = {}, {}
    for _, event in ipairs(select_events(tree, "M", "process_name")) do
      processes[event.pid] = event.args.name
    end
    for _, event in ipairs(select_events(tree, "M", "thread_name")) do
      threads[event.pid .. "/" .. event.tid] = event.args.name
    end
    assert.same({ "lua5.4", "block 0", "block 1" }, processes)
    assert.same({ ["1/0"] = "sender", ["2/3"] = "s1", ["3/4"] = "sink",
      ["2/1048576"] = "deliveries" }, threads)
    local nameless = parse { { kind = "stop", ts_us = 0, block = 0, actor = 8 } }
    assert.equal("actor 8", select_events(nameless, "M", "thread_name")[1].args.name)
  end)

  it("has an arrow from the sending to the handling of each message", function()
    local tree, arrows = parse(chain())
    local tails, heads = select_events(tree, "s"), select_events(tree, "f")
    assert.equal(2, arrows)
    assert.equal(2, #tails)
    assert.equal(2, #heads)
    for i, head in ipairs(heads) do
      assert.equal(tails[i].id, head.id)
      assert.equal(tails[i].name, head.name)
      assert.equal(tails[i].cat, head.cat)
      assert.equal("e", head.bp)
      assert.is_true(tails[i].ts <= head.ts)
    end
    assert.equal("281474976710663", heads[2].id)
    -- each end lies within a slice of its track
    local function has_slice(at)
      for _, slice in ipairs(select_events(tree, "X")) do
        if slice.pid == at.pid and slice.tid == at.tid and slice.ts <= at.ts
          and at.ts <= slice.ts + slice.dur then
          return true
        end
      end
      return false
    end
    for i = 1, 2 do
      assert.is_true(has_slice(tails[i]))
      assert.is_true(has_slice(heads[i]))
    end
  end)

  it("leads arrows of the host's messages over their deliveries", function()
    local tree = parse(chain())
    local steps = select_events(tree, "t")
    assert.equal(1, #steps)
    local tail, head = select_events(tree, "s", "message")[1], select_events(tree, "f")[1]
    assert.equal("5", steps[1].id)
    assert.equal(steps[1].id, tail.id)
    assert.equal(steps[1].id, head.id)
    assert.is_true(tail.ts < steps[1].ts and steps[1].ts < head.ts)
    local slice = select_events(tree, "X", "deliver Reading")[1]
    assert.equal(1.0, slice.ts)
    assert.is_true(slice.dur > 0)
    assert.equal(slice.tid, steps[1].tid)
    assert.not_equal(3, slice.tid)
    local late = chain() -- a clock that is behind: it is led on, not back
    late[4].ts_us = 900
    steps = select_events(parse(late), "t")
    assert.equal(100.5, steps[1].ts)
    local other = chain()
    other[4].actor = 4 -- not the delivery to who handled it
    assert.equal(0, #select_events(parse(other), "t"))
  end)

  it("is in the order of time, slices before what lies in them", function()
    local records, reverse = chain(), {}
    records[#records + 1] = { kind = "dead", ts_us = 1002, block = 0, actor = 3, message = 2 }
    for i = #records, 1, -1 do
      reverse[#reverse + 1] = records[i]
    end
    local last, of_1002 = 0, {}
    for _, event in ipairs(parse(reverse).traceEvents) do
      if event.ts then
        assert.is_true(event.ts >= last)
        last = event.ts
        of_1002[#of_1002 + 1] = event.ts == 2.0 and event.ph or nil
      end
    end
    assert.same({ "X", "i", "f" }, of_1002)
  end)

  it("says how the clocks stood", function()
    local other = parse(chain(), { clock_offset_us = -2.5, clock_error_us = 0.75 }).otherData
    assert.equal("-2.500", other.clock_offset_us)
    assert.equal("0.750", other.clock_error_us)
    assert.is_nil(parse(chain()).otherData.clock_offset_us)
  end)

  it("has no arrow where one end is missing", function()
    local records = chain()
    table.remove(records, 5)
    local tree, arrows = parse(records)
    assert.equal(1, arrows)
    assert.equal(1, #select_events(tree, "s"))
    assert.equal(1, #select_events(tree, "f"))
  end)

  it("has an arrow to each receiver of what was published", function()
    local records = { { kind = "send", ts_us = 0, message = 7 } }
    for actor = 1, 3 do
      records[#records + 1] = { kind = "handle", ts_us = actor, block = 0, actor = actor,
        message = 7 }
    end
    local tree, arrows = parse(records)
    assert.equal(3, arrows)
    local ids = {}
    for _, tail in ipairs(select_events(tree, "s")) do
      assert.is_nil(ids[tail.id])
      ids[tail.id] = true
    end
    for _, head in ipairs(select_events(tree, "f")) do
      assert.is_true(ids[head.id])
    end
  end)

  it("has no arrow that points back in time", function()
    local tree = parse {
      { kind = "send", ts_us = 10, message = 1 },
      { kind = "handle", ts_us = 9, dur_us = 5, block = 0, actor = 0, message = 1 },
    }
    assert.equal(1.0, select_events(tree, "s")[1].ts)
    assert.equal(1.0, select_events(tree, "f")[1].ts)
  end)

  it("marks dead letters with their reason", function()
    local dead = select_events(parse(chain()), "i", "dead message")[1]
    assert.equal("9", dead.args.message)
    assert.equal("deadline", dead.args.reason)
    assert.equal(20.0, dead.ts)
  end)

  it("quotes any text", function()
    local tree = parse { { kind = "handle", ts_us = 0, block = 0, actor = 0, message = 1,
      name = 'a"\\\n\0\127ä', type = "x\255" } }
    assert.equal('a"\\\n\0\127ä', select_events(tree, "M", "thread_name")[1].args.name)
    assert.equal("xÿ", select_events(tree, "X")[1].name)
  end)

  it("names types by number where there is no name", function()
    local tree = parse { { kind = "handle", ts_us = 0, block = 0, actor = 0, message = 1,
      type = 0xbeef } }
    assert.equal("0000beef", select_events(tree, "X")[1].name)
  end)

  it("is written to a file", function()
    local path = os.tmpname()
    assert.is_true(trace.save(path, chain()))
    local file = assert(io.open(path, "rb"))
    assert.equal(trace.encode(chain()), file:read("a"))
    file:close()
    os.remove(path)
  end)

  it("says why it could not be written", function()
    for _, path in ipairs { "/nowhere/trace.json", "/dev/full" } do
      local ok, message, code = trace.save(path, chain())
      assert.is_nil(ok)
      assert.truthy(message:find(path, 1, true))
      assert.equal("io", code)
    end
  end)

  it("refuses records that are none, and names them", function()
    local function fails(what, ...)
      local ok, message = pcall(trace.encode, ...)
      assert.is_false(ok)
      assert.truthy(message:find(what, 1, true), message)
    end
    fails("list of records", nil)
    fails("record 1: a table", { 7 })
    fails("record 2: kind", { { kind = "send", ts_us = 0 }, { kind = "sent", ts_us = 0 } })
    fails("record 1: ts_us", { { kind = "send" } })
    fails("record 1: ts_us", { { kind = "send", ts_us = 0 / 0 } })
    fails("record 1: dur_us", { { kind = "handle", ts_us = 0, dur_us = -1 } })
    fails("record 1: message", { { kind = "send", ts_us = 0, message = 1.5 } })
    fails("record 1: block", { { kind = "send", ts_us = 0, block = "0" } })
    fails("'hosts'", {}, { hosts = "x" })
    fails("'lost'", {}, { lost = -1 })
    fails("'origin_us'", {}, { origin_us = 0.5 })
  end)
end)
