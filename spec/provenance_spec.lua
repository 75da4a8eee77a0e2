-- Where messages came from, as PROV documents: against what was really sent, on request only, with
-- losses told, and by the rules of PROV.

local json = require "dkjson"
local rk = require "ringkernel"
local support = dofile("spec/support.lua")
local validate = dofile("spec/provenance_validator.lua")

local Number = support.Number
local Sink = support.Sink
local error_of, eventually = support.error_of, support.eventually

local Double = rk.kernel {
  name = "double", accepts = { Number }, emits = { Number }, ports = { "next", burst = 2 },
  source = [[
RK_ON(Number) {
  (void)state;
  Number out = *msg;
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
  out.n = -out.n;
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
}
RK_ON_START() { (void)ctx; (void)state; }
]],
}

--- Handles in Lua and sends on.
local function relay()
  return rk.actor { name = "relay", accepts = { Number }, emits = { Number }, ports = { "next" },
    on = { Number = function(ctx, msg)
      assert(ctx:send("next", Number { n = msg.n * 10 }))
    end } }
end

local function handled(rt, actor, count)
  assert.is_true(eventually(function()
    rt:poll(0.01)
    return actor:stats().processed == count
  end), actor.name)
end

--- Reads a document back as its reader would, and has it judged.
local function read(rt, document)
  local doc = assert(json.decode(document:json()))
  local clock = assert(rt:trace_clock())
  assert.same({}, validate(doc, 2 * (clock.error or 0)))
  return doc
end

local function values(list, ...)
  local out = {}
  for _, relation in pairs(list) do
    local row = {}
    for index, key in ipairs { ... } do
      row[index] = relation["prov:" .. key]
    end
    out[#out + 1] = table.concat(row, " ")
  end
  table.sort(out)
  return out
end

local function count(list)
  local n = 0
  for _ in pairs(list) do
    n = n + 1
  end
  return n
end

--- What a message was derived from, back to the first, by actors that sent it.
local function ancestry(doc, entity)
  local from, by = {}, {}
  for _, relation in pairs(doc.wasDerivedFrom) do
    from[relation["prov:generatedEntity"]] = relation["prov:usedEntity"]
  end
  for _, relation in pairs(doc.wasAttributedTo) do
    by[relation["prov:entity"]] = relation["prov:agent"]
  end
  local out = {}
  while entity do
    out[#out + 1] = by[entity]
    entity = from[entity]
  end
  return table.concat(out, " < ")
end

describe("provenance #tsan", function()
  local function deploy(rt, options)
    return assert(rt:deploy {
      name = "line", provenance = true,
      actors = { double = Double, relay = relay(), sink = Sink },
      links = { "double.next -> relay", "relay.next -> sink" },
      supervise = options and options.supervise,
    })
  end

  it("follows each message through actors of the grid and of Lua", function()
    local rt <close> = assert(rk.open { blocks = 2, trace = 4096 })
    local sys = deploy(rt)
    for i = 1, 5 do
      assert(sys.double:send(Number { n = i }))
    end
    handled(rt, sys.sink, 10)
    local document = assert(sys:provenance())
    assert.is_true(document.complete)
    local doc = read(rt, document)
    -- 5 from the host, 10 from double, 10 from relay; and the record itself
    assert.equal(26, count(doc.entity))
    assert.equal(25, count(doc.wasGeneratedBy))
    assert.equal(25, count(doc.wasAttributedTo))
    assert.equal(20, count(doc.wasDerivedFrom))
    assert.equal(25, count(doc.used))
    assert.equal(25, count(doc.wasInformedBy))
    -- 25 handlings, the start of double, the program
    assert.equal(27, count(doc.activity))
    assert.equal(27, count(doc.wasAssociatedWith))
    assert.same({ "rk:actor/line/double rk:host", "rk:actor/line/relay rk:host",
      "rk:actor/line/sink rk:host" }, values(doc.actedOnBehalfOf, "delegate", "responsible"))
    local at_sink = 0
    for _, relation in pairs(doc.used) do
      if relation["prov:activity"]:find("/line/sink$") then
        at_sink = at_sink + 1
        assert.equal("rk:actor/line/relay < rk:actor/line/double < rk:host",
          ancestry(doc, relation["prov:entity"]))
      end
    end
    assert.equal(10, at_sink)
    local record = doc.entity["rk:record"]
    assert.same({ true, 0, 0, 0 }, { record["rk:complete"], record["rk:lost"],
      record["rk:forgotten"], record["rk:unknownOrigins"] })
    assert(sys:stop())
    assert.equal(27, count(read(rt, assert(sys:provenance())).activity)) -- it is still known
  end)

  it("names supervisors, and keeps to its own topology", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 4096 })
    local sys = assert(rt:deploy {
      provenance = true, actors = { a = Double, b = Sink }, links = { "a.next -> b" },
      supervise = rk.supervisor { children = { { id = "a", start = Double },
        { id = "low", start = rk.supervisor { children = { { id = "b", start = Sink } } } } } },
    })
    local other = assert(rt:launch(Sink, { name = "other one" }))
    assert(sys.a:send(Number { n = 1 }))
    assert(other:send(Number { n = 2 }))
    handled(rt, sys.b, 2)
    handled(rt, other, 1)
    local doc = read(rt, assert(sys:provenance()))
    assert.same({ "rk:actor/a rk:supervisor/root", "rk:actor/b rk:supervisor/low",
      "rk:supervisor/low rk:host", "rk:supervisor/root rk:host" },
      values(doc.actedOnBehalfOf, "delegate", "responsible"))
    assert.is_nil(doc.agent["rk:actor/other%20one"])
    assert.equal(3, count(doc.used))
    local all = read(rt, assert(rt:provenance()))
    assert.is_not_nil(all.agent["rk:actor/other%20one"])
    assert.equal(4, count(all.used))
  end)

  it("follows what Lua functions answer", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 1024 })
    assert(rt:provenance { on = true })
    local echo = assert(rt:launch(rk.actor { name = "lua_echo", accepts = { Number },
      emits = { Number }, on = { Number = function(ctx, msg) assert(ctx:reply(msg)) end } },
      { name = "echo" }))
    for i = 1, 3 do
      assert(echo:call(Number { n = i }, 5))
    end
    local document = assert(rt:provenance())
    assert.is_true(document.complete)
    local doc = read(rt, document)
    assert.equal(6 + 1, count(doc.entity))
    assert.equal(3, count(doc.wasDerivedFrom))
    for _, relation in pairs(doc.wasDerivedFrom) do
      assert.equal("rk:actor/echo < rk:host", ancestry(doc, relation["prov:generatedEntity"]))
    end
  end)

  it("says that it is not complete when records were lost or forgotten", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 64 })
    assert(rt:provenance { on = true })
    local sink = assert(rt:launch(Sink))
    for i = 1, 500 do -- nobody polls, and the ring holds 64 records
      assert(sink:send(Number { n = i }))
    end
    assert.is_true(eventually(function()
      return sink:telemetry().messages_processed == 500
    end))
    local document = assert(rt:provenance())
    assert.is_false(document.complete)
    assert.is_true(document.lost > 0)
    assert.equal(document.lost, read(rt, document).entity["rk:record"]["rk:lost"])

    local rt2 <close> = assert(rk.open { blocks = 1, trace = 1024 })
    assert(rt2:provenance { on = true, limit = 20 })
    local double = assert(rt2:launch(Double))
    sink = assert(rt2:launch(Sink))
    assert(rt2:connect(double, "next", sink))
    for i = 1, 30 do
      assert(double:send(Number { n = i }))
    end
    handled(rt2, sink, 60)
    document = assert(rt2:provenance())
    assert.same({ false, 0 }, { document.complete, document.lost })
    -- sendings and handlings of 30 and of 60 messages, and the start of double
    assert.equal(30 + 30 + 60 + 60 + 1 - 20, document.forgotten)
    read(rt2, document)
  end)

  it("does not know where messages came from that were sent before", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 1024 })
    local sink = assert(rt:launch(Sink, { activate = false }))
    assert(sink:send(Number { n = 1 }))
    assert(rt:provenance { on = true })
    assert(sink:activate())
    handled(rt, sink, 1)
    local document = assert(rt:provenance())
    assert.same({ false, 1 }, { document.complete, document.unknown })
    local doc = read(rt, document)
    assert.equal(0, count(doc.wasGeneratedBy))
    assert.equal(1, count(doc.used))
  end)

  it("tells of dead letters", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 1024 })
    assert(rt:provenance { on = true })
    local adder = assert(rt:launch(support.Adder, { name = "adder" }))
    assert(adder:send(Number { n = -13 }))
    assert.is_true(eventually(function()
      rt:poll(0.01)
      return #rt:dead_letters() == 1
    end))
    local doc = read(rt, assert(rt:provenance()))
    local key = ("rk:message/%d"):format(rt:dead_letters()[1].id)
    assert.equal("failed", doc.entity[key]["rk:dead"])
    assert.equal("Number", doc.entity[key]["rk:type"])
  end)

  it("shares the trace with its other readers", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 1024 })
    assert(rt:provenance { on = true })
    local adder = assert(rt:launch(support.Adder, { name = "adder" }))
    for i = 1, 10 do
      assert(adder:call(Number { n = i }, 5))
    end
    rt:poll(0.05)
    local ok, _, code = rt:trace { on = false }
    assert.same({ nil, "invalid_state" }, { ok, code })
    local records, lost = assert(rt:trace_read())
    assert.equal(0, lost)
    local kinds = {}
    for _, record in ipairs(records) do
      kinds[record.kind] = (kinds[record.kind] or 0) + 1
    end
    assert.same({ send = 20, handle = 10, deliver = 10, start = 1 }, kinds)
    assert.equal(20, count(assert(rt:provenance()).data.wasGeneratedBy))
    assert(rt:provenance { on = false })
    assert(adder:call(Number { n = 1 }, 5))
    assert.equal(20, count(assert(rt:provenance()).data.wasGeneratedBy))
    assert.same({}, (rt:trace_read()))
    assert(rt:provenance { on = true })
    assert(adder:call(Number { n = 1 }, 5))
    assert.equal(22, count(assert(rt:provenance()).data.wasGeneratedBy))
  end)

  it("is written to a file; is refused without a trace; and misuse raises", function()
    local path = os.tmpname()
    local rt <close> = assert(rk.open { blocks = 1, trace = 64 })
    local none, _, code = rt:provenance()
    assert.same({ nil, "invalid_state" }, { none, code })
    assert(rt:provenance { on = true })
    local document = assert(rt:provenance())
    assert.is_true(document.complete)
    assert(document:save(path))
    local file = assert(io.open(path))
    assert.equal(document:json(), file:read("a"))
    file:close()
    os.remove(path)
    none, _, code = document:save("/no/such/folder/x")
    assert.same({ nil, "io" }, { none, code })
    assert.matches("option 'limit'", error_of(rt.provenance, rt, { limit = 0 }))
    assert.matches("option 'provenance': a boolean expected", error_of(rk.topology,
      { actors = { a = Sink }, provenance = 1 }))
    local bare <close> = assert(rk.open { blocks = 1 })
    local text
    none, text, code = bare:deploy { actors = { a = Sink }, provenance = true }
    assert.same({ nil, "unsupported" }, { none, code })
    assert.matches("^deploy: provenance: .*open it with trace", text)
    assert.same({}, bare:actors())
  end)

  it("is judged by a validator that finds what is wrong", function()
    local rt <close> = assert(rk.open { blocks = 1, trace = 1024 })
    local sys = deploy(rt)
    assert(sys.double:send(Number { n = 1 }))
    handled(rt, sys.sink, 2)
    local text = assert(sys:provenance()):json()
    local function problem(change)
      local doc = assert(json.decode(text))
      change(doc)
      return table.concat(validate(doc, 0), "\n")
    end
    local function some(list)
      return select(2, next(list))
    end
    assert.equal("", problem(function() end))
    assert.matches("there is no agent 'rk:host'", problem(function(doc)
      doc.agent["rk:host"] = nil
    end))
    assert.matches("there is no entity", problem(function(doc)
      some(doc.used)["prov:entity"] = "rk:message/0"
    end))
    assert.matches("a cycle through", problem(function(doc)
      local one = some(doc.wasDerivedFrom)
      doc.wasDerivedFrom.back = { ["prov:generatedEntity"] = one["prov:usedEntity"],
        ["prov:usedEntity"] = one["prov:generatedEntity"] }
    end))
    assert.matches("is generated twice", problem(function(doc)
      doc.wasGeneratedBy.again = some(doc.wasGeneratedBy)
    end))
    assert.matches("is used before it is generated", problem(function(doc)
      for _, relation in pairs(doc.wasGeneratedBy) do
        relation["prov:time"] = "2999-01-01T00:00:00.000000000Z"
      end
    end))
    assert.matches("not within its activity", problem(function(doc)
      some(doc.used)["prov:time"] = "1999-12-31T23:59:59.999999999Z"
    end))
    assert.matches("did not generate", problem(function(doc)
      doc.wasGeneratedBy = {}
    end))
    assert.matches("nothing went from one to the other", problem(function(doc)
      doc.used = {}
    end))
  end)

  it("is accepted by the package prov of PyPI, where that is installed", function()
    local python = os.getenv("RINGKERNEL_PROV_PYTHON") or "python3"
    if not os.execute(python .. " -c 'import prov' 2>/dev/null") then
      pending("no Python with the package prov; RINGKERNEL_PROV_PYTHON names one")
      return
    end
    local path = os.tmpname()
    local rt <close> = assert(rk.open { blocks = 2, trace = 4096 })
    local sys = deploy(rt)
    assert(sys.double:send(Number { n = 1 }))
    handled(rt, sys.sink, 2)
    assert(assert(sys:provenance()):save(path))
    local reader = assert(io.popen(python .. [[ -c '
import sys, prov.model
doc = prov.model.ProvDocument.deserialize(sys.argv[1], format="json")
kinds = {}
for record in doc.get_records():
    name = type(record).__name__
    kinds[name] = kinds.get(name, 0) + 1
again = prov.model.ProvDocument.deserialize(content=doc.serialize(format="json"), format="json")
assert again == doc
doc.unified()
print(" ".join("%s=%d" % item for item in sorted(kinds.items())))
' ]] .. path))
    local said = reader:read("a")
    assert.is_true(reader:close())
    os.remove(path)
    assert.equal("ProvActivity=7 ProvAgent=4 ProvAssociation=7 ProvAttribution=5 "
      .. "ProvCommunication=5 ProvDelegation=3 ProvDerivation=4 ProvEntity=6 ProvGeneration=5 "
      .. "ProvUsage=5\n", said)
  end)
end)
