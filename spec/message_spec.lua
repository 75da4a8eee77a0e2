-- Message types: layout, values, packing.

local rk = require "ringkernel"
local layout = require "ringkernel.layout"
local support = dofile("spec/support.lua")

local error_of = support.error_of

describe("message types", function()
  it("lay fields out as C does", function()
    local shape = layout.new("Mixed", {
      { "a", "u8" }, { "b", "f64" }, { "c", "u16" }, { "d", "char[3]" }, { "e", "buffer" },
      { "f", "f32[3]" }, { "g", "bool" },
    })
    local offsets = {}
    for index, field in ipairs(shape.fields) do
      offsets[index] = field.offset
    end
    assert.same({ 0, 8, 16, 18, 24, 40, 52 }, offsets)
    assert.equal(56, shape.size)
    assert.equal(8, shape.align)
  end)

  it("have a name, an id and a size, and are the metatable of their messages", function()
    local Reading = rk.message("Reading", { { "sensor", "u32" }, { "value", "f64" } })
    assert.equal("Reading", Reading.name)
    assert.equal(16, Reading.size)
    assert.equal(Reading, getmetatable(Reading { sensor = 7 }))
    assert.equal("ringkernel.message: Reading", tostring(Reading))
  end)

  it("have ids that depend on name and layout and on nothing else", function()
    local id = rk.message("Stable", { { "x", "u32" } }).id
    assert.equal(layout.hash("Stable{x:u32;}"), id)
    assert.equal(0x811c9dc5, layout.hash(""))
    assert.equal(0xe40c292c, layout.hash("a")) -- a published value of FNV-1a
    assert.are_not.equal(id, rk.message("Stable", { { "x", "i32" } }).id)
    assert.are_not.equal(id, rk.message("Stable", { { "y", "u32" } }).id)
    assert.are_not.equal(id, rk.message("Other", { { "x", "u32" } }).id)
  end)

  it("are the same for the same name and fields", function()
    assert.equal(rk.message("Same", { { "x", "u32" } }), rk.message("Same", { { "x", "u32" } }))
  end)

  it("can be empty: one byte", function()
    local Empty = rk.message("Empty", {})
    assert.equal(1, Empty.size)
    assert.equal("\0", Empty:pack(Empty {}))
    assert.equal("Empty {  }", tostring(Empty()))
  end)

  local kinds = {
    i8 = { -128, 127 }, u8 = { 0, 255 }, i16 = { -32768, 32767 }, u16 = { 0, 65535 },
    i32 = { -2147483648, 2147483647 }, u32 = { 0, 4294967295 },
    i64 = { math.mininteger, math.maxinteger }, u64 = { math.mininteger, math.maxinteger },
    hlc = nil, id = { 0, math.mininteger },
    f32 = { -1.5, 3.0 }, f64 = { -1e300, 0.1 }, bool = { false, true },
    ["char[4]"] = { "", "abcd" },
  }
  for kind, values in pairs(kinds) do
    it("keep values of " .. kind, function()
      local Type = rk.message("Keep" .. kind:gsub("%W", ""), { { "before", "u8" }, { "x", kind } })
      for _, value in ipairs(values) do
        local back = Type:unpack(Type:pack(Type { before = 1, x = value }))
        assert.equal(value, back.x)
        assert.equal(math.type(value), math.type(back.x))
        assert.equal(1, back.before)
      end
    end)
  end

  it("pack as string.pack does", function()
    local Type = rk.message("Bytes", {
      { "a", "i16" }, { "b", "u32" }, { "c", "f32" }, { "d", "f64" }, { "e", "char[5]" },
      { "f", "u16[2]" },
    })
    local message = Type { a = -2, b = 4000000000, c = 1.5, d = -0.25, e = "hey", f = { 1, 65535 } }
    local bytes = ("<i2 xx I4 f xxxx d c5 x I2 I2 xxxxxx"):pack(-2, 4000000000, 1.5, -0.25, "hey",
      1, 65535)
    assert.equal(bytes, Type:pack(message))
    local back = Type:unpack(bytes)
    assert.equal("hey", back.e)
    assert.same({ 1, 65535 }, back.f)
    assert.equal(Type, getmetatable(back))
  end)

  it("read missing fields as zero", function()
    local Type = rk.message("Zeros", {
      { "i", "u32" }, { "f", "f64" }, { "b", "bool" }, { "s", "char[4]" }, { "l", "i32[3]" },
      { "v", "f32[2]" }, { "h", "hlc" }, { "m", "buffer" },
    })
    local m = Type {}
    assert.equal(0, m.i)
    assert.equal("integer", math.type(m.i))
    assert.equal("float", math.type(m.f))
    assert.equal(false, m.b)
    assert.equal("", m.s)
    assert.same({ 0, 0, 0 }, m.l)
    assert.same({ 0.0, 0.0 }, m.v)
    assert.equal(0, m.h.physical)
    assert.same({ address = 0, count = 0 }, m.m)
    m.l[2] = 5
    assert.same({ 0, 5, 0 }, Type:unpack(Type:pack(m)).l)
    assert.same({ 0, 0, 0 }, Type {}.l)
    assert.is_nil(m.no_such_field)
  end)

  it("refuse unknown fields, with a hint", function()
    local Reading = support.Reading
    assert.matches("Reading has no field 'senser' %(did you mean 'sensor'%?%)",
      error_of(function() return Reading { senser = 1 } end))
    assert.matches("Reading has no field %[1%]", error_of(function() return Reading { 5 } end))
    local r = Reading {}
    assert.matches("Reading has no field 'speed'", error_of(function() r.speed = 1 end))
    r.value = 2
    assert.equal(2, r.value)
  end)

  it("say which field takes what, where the message is made", function()
    local Type = rk.message("Picky", {
      { "small", "u8" }, { "big", "u64" }, { "real", "f32" }, { "flag", "bool" },
      { "name", "char[4]" }, { "list", "i16[2]" }, { "when", "hlc" }, { "who", "id" },
      { "data", "buffer" },
    })
    local function refusal(fields)
      return error_of(Type, fields)
    end
    assert.matches("Picky: field 'small': u8 takes 0%.%.255, got 256", refusal { small = 256 })
    assert.matches("Picky: field 'small': u8 takes 0%.%.255, got %-1", refusal { small = -1 })
    assert.matches("Picky: field 'small'.*whole.*1%.5", refusal { small = 1.5 })
    assert.matches("Picky: field 'small': u8 takes a number, got '7'", refusal { small = "7" })
    assert.matches("Picky: field 'small': u8 takes a number, got true", refusal { small = true })
    assert.matches("Picky: field 'flag': bool takes true or false, got 1", refusal { flag = 1 })
    assert.matches("Picky: field 'name'.*up to 4.*got 5", refusal { name = "12345" })
    assert.matches("Picky: field 'name': char%[4%] takes a string, got 5", refusal { name = 5 })
    assert.matches("Picky: field 'list': i16%[2%] takes a list of numbers, got 3",
      refusal { list = 3 })
    assert.matches("Picky: field 'real'.*f32 takes.*1e%+300", refusal { real = 1e300 })
    assert.matches("Picky: field 'when': hlc takes a timestamp or an integer, got table",
      refusal { when = {} })
    assert.matches("Picky: field 'who': id takes an actor or an integer, got table",
      refusal { who = {} })
    assert.matches("Picky: field 'data': buffer takes a buffer of rt:buffer, got 'x'",
      refusal { data = "x" })
    assert.matches("Picky: field 'big'.*u64", refusal { big = 2.0 ^ 64 })
    assert.equal(5, Type { small = 5.0, real = math.huge }.small)
    assert.equal(math.huge, Type:unpack(Type:pack(Type { real = math.huge })).real)
  end)

  it("check lists when they are packed", function()
    local Type = rk.message("Lists", { { "list", "i8[2]" } })
    assert.matches("Lists: field 'list': i8%[2%] takes up to 2 elements, got 3",
      error_of(Type.pack, Type, Type { list = { 1, 2, 3 } }))
    assert.matches("Lists: field 'list': i8 takes %-128%.%.127, got 200",
      error_of(Type.pack, Type, Type { list = { 200 } }))
    assert.same({ 7, 0 }, Type:unpack(Type:pack(Type { list = { 7 } })).list)
  end)

  it("check values that were put in later", function()
    local r = support.Reading { sensor = 1 }
    r.sensor = -1
    assert.matches("Reading: field 'sensor': u32 takes 0%.%.4294967295, got %-1",
      error_of(support.Reading.pack, support.Reading, r))
  end)

  it("keep u64 past 2^63 as negative integers and take whole floats", function()
    local Type = rk.message("Wide", { { "x", "u64" } })
    assert.equal(-1, Type:unpack(("\xff"):rep(8)).x)
    assert.equal(math.mininteger, Type:unpack(Type:pack(Type { x = 2.0 ^ 63 })).x)
    assert.equal(4, Type:unpack(Type:pack(Type { x = 4.0 })).x)
  end)

  it("copy a message that is given as fields, and adopt a plain table", function()
    local Reading = support.Reading
    local a = Reading { sensor = 1 }
    local b = Reading(a)
    b.sensor = 2
    assert.equal(1, a.sensor)
    local plain = { sensor = 3 }
    assert.equal(plain, Reading(plain))
    assert.matches("plain table", error_of(Reading, setmetatable({}, {})))
    assert.matches("a table of fields expected, got 5", error_of(Reading, 5))
  end)

  it("return nil, message, corrupt for bytes of another size", function()
    local value, message, code = support.Reading:unpack("short")
    assert.is_nil(value)
    assert.matches("Reading: 16 bytes expected, got 5", message)
    assert.equal("corrupt", code)
  end)

  it("pack only messages of their own", function()
    assert.matches("a message of type Reading expected, got Number",
      error_of(support.Reading.pack, support.Reading, support.Number { n = 1 }))
    assert.matches("a message .* expected, got table",
      error_of(support.Reading.pack, support.Reading, { sensor = 1 }))
    assert.matches("a message type expected", error_of(support.Reading.pack, "x", {}))
  end)

  it("show their messages", function()
    assert.equal('Reading { sensor = 7, value = 1.5 }',
      tostring(support.Reading { sensor = 7, value = 1.5 }))
  end)

  describe("are refused with the reason:", function()
    local function refused(pattern, name, fields)
      it(pattern, function()
        assert.matches(pattern, error_of(rk.message, name, fields))
      end)
    end
    refused("a name %(string%) expected, got 5", 5, {})
    refused("no name", "two words", {})
    refused("reserved word of C", "struct", {})
    refused("names that start with rk_ belong to ringkernel", "RK_Thing", {})
    refused("a list of fields expected, got nil", "A", nil)
    refused("message A: field 1: { name, type } expected, got 'x'", "A", { "x" })
    refused("message A: field 1: 'int' is a reserved word", "A", { { "int", "u8" } })
    refused("unknown type 'f3' %(did you mean 'f32'%?%)", "A", { { "x", "f3" } })
    refused("'char' needs a length", "A", { { "x", "char" } })
    refused("no arrays of 'bool'", "A", { { "x", "bool[2]" } })
    refused("unknown type 'u8%[0%]'", "A", { { "x", "u8[0]" } })
    refused("two fields of this name", "A", { { "x", "u8" }, { "x", "u8" } })
    refused("ends at byte 65540; at most 65536", "A", { { "x", "u8[65536]" }, { "y", "u32" } })
    refused("found also %[3%]", "A", { { "x", "u8", "y" } })
    refused("found key 'x'", "A", { x = "u8" })
  end)

  it("blame the caller's line", function()
    assert.matches("^spec/message_spec%.lua:%d+: message A", error_of(function()
      rk.message("A", { { "x", "f3" } })
    end))
  end)
end)
