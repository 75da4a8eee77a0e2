-- Buffers, ordinary kernels, and the stock kernels that work on buffers.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local error_of = support.error_of

describe("buffers", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  it("start zeroed and have a size", function()
    local b = assert(rt:buffer("u16", 5))
    assert.equal(5, b:size())
    assert.equal(5, #b)
    assert.same({ 0, 0, 0, 0, 0 }, b:read())
    assert.equal("ringkernel.buffer: u16[5]", tostring(b))
    assert.equal("u16", b.type)
    assert.is_true(b.address ~= 0)
  end)

  local samples = {
    i8 = { -128, 127 }, u8 = { 0, 255 }, i16 = { -32768, 32767 }, u16 = { 0, 65535 },
    i32 = { -2147483648, 2147483647 }, u32 = { 0, 4294967295 },
    i64 = { math.mininteger, math.maxinteger }, u64 = { 1, -1 },
    f32 = { -0.5, 1024.25 }, f64 = { 0.1, -1e300 },
  }
  for kind, values in pairs(samples) do
    it("hold " .. kind, function()
      local b = assert(rt:buffer(kind, 4))
      assert.is_true(b:write(values, 1))
      local zero = kind:find("f") and 0.0 or 0
      assert.same({ zero, values[1], values[2], zero }, b:read())
      assert.same(values, b:read(1, 2))
      assert.is_true(b:fill(values[2]))
      assert.same({ values[2], values[2], values[2], values[2] }, b:read(0, 4))
    end)
  end

  it("take and give packed strings", function()
    local b = assert(rt:buffer("i32", 3))
    assert.is_true(b:write(("<i4i4"):pack(-1, 7), 1))
    assert.same({ 0, -1, 7 }, b:read())
    assert.equal(("<i4i4i4"):pack(0, -1, 7), b:read_bytes())
    assert.equal(("<i4"):pack(7), b:read_bytes(2))
    assert.equal("", b:read_bytes(3))
  end)

  it("can be large", function()
    local b = assert(rt:buffer("f32", 100000))
    assert(b:fill(0.5))
    assert(b:write({ 1, 2, 3 }, 99997))
    local list = b:read()
    assert.equal(100000, #list)
    assert.equal(0.5, list[99997])
    assert.same({ 1.0, 2.0, 3.0 }, { list[99998], list[99999], list[100000] })
  end)

  it("refuse what does not fit, and write nothing of it", function()
    local b = assert(rt:buffer("u8", 4))
    assert.matches("elements 3 to 4 are not all inside", error_of(b.write, b, { 1, 2 }, 3))
    assert.matches("not all inside", error_of(b.read, b, 5))
    assert.matches("not all inside", error_of(b.read, b, -1, 1))
    assert.matches("not all inside", error_of(b.read, b, 0, math.maxinteger))
    assert.matches("u8 takes 0..255, got 256", error_of(b.write, b, { 1, 256 }))
    assert.matches("element 2 of the list: a number expected, got 'x'",
      error_of(b.write, b, { 1, "x" }))
    assert.matches("a list or a string .* expected, got 5", error_of(b.write, b, 5))
    assert.matches("a number expected, got 'x'", error_of(b.fill, b, "x"))
    assert.matches("u8 takes", error_of(b.fill, b, -1))
    local w = assert(rt:buffer("u32", 1))
    assert.matches("whole elements of 4 bytes expected, got 3", error_of(w.write, w, "abc"))
    assert.same({ 0, 0, 0, 0 }, b:read())
    assert.matches("a number type .* expected, got 'f16'", error_of(rt.buffer, rt, "f16", 1))
    assert.matches("1 or more", error_of(rt.buffer, rt, "f32", 0))
  end)

  it("close once and for all", function()
    local b = assert(rt:buffer("u8", 4))
    assert.is_true(b:close())
    assert.is_true(b:close())
    for _, call in ipairs { { "read" }, { "write", { 1 } }, { "fill", 1 }, { "read_bytes" } } do
      local value, message, code = b[call[1]](b, call[2])
      assert.is_nil(value)
      assert.is_string(message)
      assert.equal("closed", code)
    end
    assert.equal(0, b:size())
    assert.equal("ringkernel.buffer: u8[4] (closed)", tostring(b))
  end)

  it("give their memory back", function()
    local before = rt:stats().device_bytes
    for _ = 1, 20 do
      local b <close> = assert(rt:buffer("f64", 100000))
      assert.equal(100000, #b)
      assert.is_true(rt:stats().device_bytes >= before + 800000)
    end
    assert.equal(before, rt:stats().device_bytes)
  end)

  describe("with ordinary kernels", function()
    local Add = rk.global {
      name = "add",
      params = { { "out", "f32*" }, { "a", "const f32*" }, { "b", "const f32*" }, { "k", "f64" },
        { "n", "u32" } },
      source = "RK_GLOBAL() { RK_FOR_GRID(i, n) { out[i] = a[i] + b[i] * (rk_f32)k; } }",
    }

    local function filled(kind, n, value)
      local b = assert(rt:buffer(kind, n))
      assert(b:fill(value))
      return b
    end

    it("compute", function()
      local n = 1000
      local out, a, b = filled("f32", n, 0), filled("f32", n, 1), filled("f32", n, 2)
      for _, shape in ipairs { { 1, 1 }, { 4, 1 }, { 1, 32 }, { 7, 16 } } do
        assert(out:fill(0))
        assert.is_true(rt:run(Add, { grid = shape[1], block = shape[2] }, out, a, b, 0.5, n - 1))
        local list = out:read()
        assert.equal(2.0, list[1])
        assert.equal(2.0, list[n - 1])
        assert.equal(0.0, list[n])
      end
    end)

    it("let the lanes of a block meet", function()
      local Reverse = rk.global {
        name = "reverse",
        params = { { "data", "u32*" } },
        source = [[
RK_GLOBAL() {
  RK_SHARED rk_u32 kept[64];
  const rk_u32 lane = rk_lane(), lanes = rk_lanes();
  kept[lane] = data[lane];
  rk_block_sync();
  data[lane] = kept[lanes - 1u - lane];
}]],
      }
      local data = assert(rt:buffer("u32", 8))
      assert(data:write { 1, 2, 3, 4, 5, 6, 7, 8 })
      assert.is_true(rt:run(Reverse, { block = 8 }, data))
      assert.same({ 8, 7, 6, 5, 4, 3, 2, 1 }, data:read())
    end)

    it("need no parameters", function()
      local Nothing = rk.global { name = "nothing", source = "RK_GLOBAL() {}" }
      assert.is_true(rt:run(Nothing, nil))
      assert.is_true(rt:run(Nothing, {}))
    end)

    it("report what does not compile", function()
      local Bad = rk.global { name = "bad_global", source = "\nRK_GLOBAL() { nope(); return 5; }" }
      local value, message, code, log = rt:run(Bad, {})
      assert.is_nil(value)
      assert.is_string(message)
      assert.equal("compile", code)
      assert.matches("bad_global:2:", log)
    end)

    it("are timed launch by launch, the device synchronised", function()
      local Count = rk.global { name = "count_runs", params = { { "out", "u32*" } },
        source = "RK_GLOBAL() { if (rk_lane() == 0u) { out[0] += 1u; } }" }
      local out = filled("u32", 1, 0)
      local t = assert(rt:time(Count, { block = 2, times = 50 }, out))
      assert.equal("launch", t.mode)
      assert.equal(50, t.launches)
      assert.is_true(t.seconds > 0)
      assert.is_true(t.device_seconds > 0)
      assert.is_true(t.synchronised)
      assert.is_true(math.abs(t.per_launch_us - t.seconds * 1e6 / 50) < 1e-6)
      assert.same({ 51 }, out:read()) -- one to warm up
    end)

    it("are timed as a stream and as a graph where the backend has them", function()
      local Add1 = rk.global { name = "add1", params = { { "out", "u32*" } },
        source = "RK_GLOBAL() { out[0] += 1u; }" }
      for mode, runs in pairs { stream = 251, graph = 400 } do -- records of 100, one to warm up
        local out = filled("u32", 1, 0)
        local t, message, code = rt:time(Add1, { times = 250, mode = mode }, out)
        if rt.backend == "cpu" then
          assert.is_nil(t)
          assert.equal("unsupported", code)
          assert.matches('use mode = "launch"', message)
        else
          assert(t, message)
          assert.equal(mode == "graph" and 300 or 250, t.launches)
          assert.is_true(t.seconds > 0)
          assert.same({ runs }, out:read())
        end
      end
    end)

    it("refuse to be timed with wrong arguments", function()
      local f = filled("f32", 1, 0)
      assert.matches("time: 5 arguments expected, got 1", error_of(rt.time, rt, Add, {}, f))
      assert.matches("time: option 'mode': .* expected, got 'steam' %(did you mean 'stream'%?%)",
        error_of(rt.time, rt, Add, { mode = "steam" }, f, f, f, 1, 1))
      assert.matches("time: argument 'k': a number expected",
        error_of(rt.time, rt, Add, {}, f, f, f, "x", 1))
    end)

    it("refuse wrong arguments", function()
      local f, d = filled("f32", 1, 0), filled("f64", 1, 0)
      local function refusal(...)
        return error_of(rt.run, rt, Add, ...)
      end
      assert.matches("5 arguments expected, got 1", refusal({}, f))
      assert.matches("argument 'a': a buffer of f32 expected, got ringkernel.buffer: f64",
        refusal({}, f, d, f, 1, 1))
      assert.matches("argument 'out': a buffer of f32 expected, got 5", refusal({}, 5, f, f, 1, 1))
      assert.matches("argument 'k': a number expected, got 'x'", refusal({}, f, f, f, "x", 1))
      assert.matches("run: field 'n': u32 takes 0..4294967295, got %-1",
        refusal({}, f, f, f, 1, -1))
      assert.matches("run: unknown option 'blok' %(did you mean 'block'%?%)",
        refusal({ blok = 1 }, f, f, f, 1, 1))
      assert.matches("option 'block': a whole number from 1 to 1024", refusal({ block = 2000 }))
      f:close()
      assert.matches("argument 'out': the buffer is closed", refusal({}, f, f, f, 1, 1))
      assert.matches("ringkernel.global expected", error_of(rt.run, rt, {}, {}))
      assert.equal("ringkernel.global: add", tostring(Add))
    end)
  end)

  describe("with stock kernels", function()
    it("are scaled, added and combined", function()
      local m = rk.stock.vector.messages
      local v = assert(rt:launch("vector"))
      local x, y = assert(rt:buffer("f32", 5)), assert(rt:buffer("f32", 4))
      local out = assert(rt:buffer("f32", 6))
      assert(x:write { 1, 2, 3, 4, 5 })
      assert.equal(4, assert(v:call(m.VectorScale { a = 2, x = x, y = y }, 5)).count)
      assert.same({ 2.0, 4.0, 6.0, 8.0 }, y:read())
      assert.equal(4, assert(v:call(m.VectorSaxpy { a = -1, x = x, y = y }, 5)).count)
      assert.same({ 1.0, 2.0, 3.0, 4.0 }, y:read())
      assert.equal(4, assert(v:call(m.VectorAdd { x = x, y = y, out = out }, 5)).count)
      assert.same({ 2.0, 4.0, 6.0, 8.0, 0.0, 0.0 }, out:read())
    end)

    it("are reduced by many lanes", function()
      local m = rk.stock.reduce.messages
      local r = assert(rt:launch("reduce"))
      local data = assert(rt:buffer("f32", 1000))
      local list, sum = {}, 0
      for i = 1, 1000 do
        list[i] = (i * 37) % 101 - 50
        sum = sum + list[i]
      end
      assert(data:write(list))
      assert.equal(sum + 0.0, assert(r:call(m.ReduceSum { data = data }, 5)).value)
      assert.equal(-50.0, assert(r:call(m.ReduceMin { data = data }, 5)).value)
      local max = assert(r:call(m.ReduceMax { data = data }, 5))
      assert.equal(50.0, max.value)
      assert.equal(1000, max.count)
      assert.equal(math.huge, assert(r:call(m.ReduceMin {}, 5)).value)
      assert.equal(0.0, assert(r:call(m.ReduceSum {}, 5)).value)
      for _ = 1, 100 do
        assert(r:send(m.ReduceSum { data = data }))
      end
      for _ = 1, 100 do
        assert.equal(sum + 0.0, assert(r:receive(5)).value)
      end
    end)
  end)
end)
