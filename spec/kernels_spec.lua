-- The device code as far as it can be tried in a second: one stock kernel through the C and C++
-- compilers, the text of the device source, the reader of PTX. `make check-kernels` does the rest.

local codegen = require "ringkernel.codegen"
local definition = require "ringkernel.definition"
local device = require "ringkernel.codegen_device"
local layout = require "ringkernel.layout"
local stock = require "ringkernel.stock"

local ptx = dofile("scripts/ptx.lua")

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function has(command)
  return (os.execute("command -v " .. command .. " >/dev/null 2>&1"))
end

describe("kernels", function()
  local source

  setup(function()
    source = os.tmpname()
    local file = assert(io.open(source, "w"))
    file:write(codegen.kernel(stock.definition("reduce", read("kernels/reduce.cu"))))
    file:close()
  end)

  teardown(function()
    os.remove(source)
  end)

  local compilers = {
    { "gcc", "-x c -std=c11" },
    { "clang", "-x c -std=c11" },
    { "g++", "-x c++ -std=c++17" },
  }
  for _, entry in ipairs(compilers) do
    local command, flags = entry[1], entry[2]
    it(("compile with %s %s"):format(command, flags), function()
      if not has(command) then
        pending("needs " .. command)
      end
      local pipe = io.popen(("%s %s -Wall -Wextra -Werror -Ikernels/include -fsyntax-only %s 2>&1")
        :format(command, flags, source))
      local output = pipe:read("a")
      assert.is_true(pipe:close(), output)
    end)
  end

  describe("device source", function()
    local function define(name, lanes, text)
      return definition.kernel {
        name = name,
        accepts = { layout.new("Item", { { "value", "u32" } }) },
        block = lanes,
        source = text .. "\nRK_ON(Item) { (void)ctx; (void)msg; (void)state; }\n",
      }
    end

    it("gives each definition a namespace, a number and its lanes", function()
      local text = device.unit { define("one", 1, ""), define("two", 33, "") }
      assert.matches("namespace rk_def_0 {.-#define RK_LANES 1\n.-namespace rk_def_1 {.-"
        .. "#define RK_LANES 33\n", text)
      assert.matches("case 0u: rk_def_0::rk_call", text)
      assert.matches("case 1u: rk_def_1::rk_call", text)
    end)

    it("has whole warps a block", function()
      assert.equal(32, device.threads { define("one", 1, "") })
      assert.equal(64, device.threads { define("one", 1, ""), define("two", 33, "") })
    end)

    it("ends the user's macros with the definition", function()
      local text = device.unit { define("one", 1, "#define LIMIT 3\n#  define TWICE(x) (2 * \\\n"
        .. "  (x))\n/* #define QUOTED 1 */") }
      assert.matches("\n#undef LIMIT\n", text)
      assert.matches("\n#undef TWICE\n", text)
      assert.is_nil(text:find("#undef QUOTED", 1, true))
    end)
  end)

  describe("device fragment", function()
    local def = definition.kernel {
      name = "part",
      accepts = { layout.new("Item", { { "value", "u32" } }) },
      ports = { "next" },
      block = 33,
      source = "RK_ON(Item) { (void)ctx; (void)msg; (void)state; }\n",
    }

    it("knows its lanes, types and ports, but not its number", function()
      local text = device.fragment(def)
      assert.equal("#undef RK_LANES\n#define RK_LANES 33\n", text:sub(1, 36))
      assert.matches("enum : rk_u32 { RK_TYPE_Item = 0x%x+u };", text)
      assert.is_truthy(text:find("enum : rk_u32 { RK_PORT_next = 0u };", 1, true))
      assert.is_truthy(text:find('#line 1 "part"\n' .. def.source, 1, true))
      assert.is_nil(text:find("rk_def_", 1, true))
      assert.equal("}", text:sub(-1))
    end)

    it("stands in the unit as it is, once for each number", function()
      local text = device.unit { def, def }
      for number = 0, 1 do
        assert.is_truthy(text:find(("\nnamespace rk_def_%d { /* part */\n%s\n}\n"):format(number,
          device.fragment(def)), 1, true))
      end
    end)
  end)

  it("have a grid without definitions too", function()
    assert.equal(32, device.threads {})
    assert.is_nil(device.unit({}):find("namespace", 1, true))
  end)

  describe("device source of an ordinary kernel", function()
    local def = definition.global {
      name = "scale",
      params = { { "out", "f32*" }, { "x", "const f32*" }, { "k", "f64" } },
      source = "RK_GLOBAL() { RK_FOR_GRID(i, 8) { out[i] = x[i] * (rk_f32)k; } }\n",
    }

    it("is complete: parameters, the user's text, the entry", function()
      local text = device.global(def)
      assert.equal('#include "rk_global_cuda.h"\n', text:match("^[^\n]*\n"))
      assert.is_truthy(text:find("RK_CHECK_SIZE(rk_params, 24);", 1, true))
      assert.is_truthy(text:find(
        "rk_global_body(rk_f32 *out, const rk_f32 *x, rk_f64 k)\n", 1, true))
      assert.is_truthy(text:find('#line 1 "scale"\n' .. def.source, 1, true))
      assert.is_truthy(text:find("rk_global_body(RK_ADDRESS(rk_f32, rk_in.out), "
        .. "RK_ADDRESS(const rk_f32, rk_in.x), rk_in.k);", 1, true))
    end)

    it("needs no parameters", function()
      local text = device.global(definition.global { name = "g", source = "RK_GLOBAL() { }" })
      assert.is_truthy(text:find("rk_global_body(void)\n", 1, true))
      assert.is_truthy(text:find("  rk_global_body();\n", 1, true))
    end)
  end)

  describe("PTX reader", function()
    local HEAD = [[
.visible .entry mark_put(
	.param .u64 mark_put_param_0
)
{
	.reg .b64 	%rd<9>;
	ld.param.u64 	%rd1, [mark_put_param_0];
]]
    local marker = { name = "put", base = "param_0", offset = 16, ops = { "st.release.gpu.u64" },
      order = "before" }

    local function problem(body)
      return ptx.marker_problem(marker, HEAD .. body .. "\tret;\n}\n")
    end

    local RELEASE = "\tadd.s64 %rd2, %rd1, 16;\n\tst.release.gpu.u64 [%rd2], %rd3;\n"

    it("accepts a release store after the data", function()
      assert.is_nil(problem("\tst.global.u64 [%rd1+8], %rd3;\n" .. RELEASE))
    end)

    local mistakes = {
      { "no release", "\tst.global.u64 [%rd1+8], %rd3;\n", "no st.release.gpu.u64" },
      { "a plain store beside it", "\tst.global.u64 [%rd1+16], %rd3;\n" .. RELEASE, "not one of" },
      { "a plain store by another way", "\tcvta.to.global.u64 %rd4, %rd1;\n"
        .. "\tadd.s64 %rd5, %rd4, 24;\n\tst.global.u64 [%rd5+-8], %rd3;\n" .. RELEASE,
        "not one of" },
      { "a wide store over it", "\tst.global.v2.u64 [%rd1+8], {%rd3, %rd3};\n" .. RELEASE,
        "not one of" },
      { "data after it", RELEASE .. "\tst.global.u64 [%rd1+8], %rd3;\n", "after the release" },
      { "a volatile access", "\tst.volatile.u64 [%rd1+8], %rd3;\n" .. RELEASE, "volatile" },
      { "a read-only cached load", "\tld.global.nc.u64 %rd4, [%rd1+8];\n" .. RELEASE, "cached" },
      { "an address it cannot follow", "$L_1:\n\tadd.s64 %rd6, %rd6, 8;\n\tmov.u64 %rd6, %rd1;\n"
        .. "\tst.global.u64 [%rd6], %rd3;\n" .. RELEASE, "cannot be followed" },
    }
    for _, mistake in ipairs(mistakes) do
      it("finds " .. mistake[1], function()
        assert.matches(mistake[3], problem(mistake[2]) or "no problem", 1, true)
      end)
    end
  end)
end)
