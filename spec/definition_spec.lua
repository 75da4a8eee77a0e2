-- Definitions: what rk.kernel and rk.global check, and the C text they become.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local codegen = require "ringkernel.codegen"
local codegen_types = require "ringkernel.codegen_types"
local definition = require "ringkernel.definition"
local device = require "ringkernel.codegen_device"
local layout = require "ringkernel.layout"
local support = dofile("spec/support.lua")

local error_of = support.error_of
local Reading, Reset = support.Reading, support.Reset

local HANDLERS = "RK_ON(Reading) { (void)ctx; (void)msg; (void)state; }\n"

local function spec_with(changes)
  local spec = { name = "k", accepts = { Reading }, source = HANDLERS }
  for key, value in pairs(changes) do
    spec[key] = value ~= "none" and value or nil
  end
  return spec
end

describe("rk.kernel", function()
  it("gives a definition that says what it is", function()
    local k = support.Smooth
    assert.equal("smooth", k.name)
    assert.same({ Reading, Reset }, k.accepts)
    assert.same({ Reading }, k.emits)
    assert.same({ "next" }, k.ports)
    assert.equal(4, k.burst)
    assert.equal(1, k.block)
    assert.equal(Reading, k.messages.Reading)
    assert.equal("ringkernel.kernel: smooth", tostring(k))
  end)

  describe("refuses with the reason:", function()
    local function refused(pattern, changes)
      it(pattern, function()
        assert.matches(pattern, error_of(rk.kernel, spec_with(changes)))
      end)
    end
    refused("option 'name' is missing", { name = "none" })
    refused("option 'name': a name of letters.* expected, got '7up'", { name = "7up" })
    refused("rk.kernel 'k': unknown option 'acepts' %(did you mean 'accepts'%?%)", { acepts = {} })
    refused("rk.kernel 'k': unknown option 'stat' %(did you mean 'state'%?%)", { stat = {} })
    refused("option 'accepts' is missing", { accepts = "none" })
    refused("option 'accepts': at least one message type expected", { accepts = {} })
    refused("option 'accepts': a list of message types expected, got ringkernel.message",
      { accepts = Reading })
    refused("option 'accepts'%[1%]: a message type %(rk.message%) expected, got 'Reading'",
      { accepts = { "Reading" } })
    refused("option 'accepts': 'Reading' stands there twice", { accepts = { Reading, Reading } })
    refused("two different message types are called 'Reading'",
      { emits = { rk.message("Reading", { { "x", "u8" } }) } })
    refused("means something else in a handler's source",
      { accepts = { rk.message("state", {}) }, source = "RK_ON(state) {}" })
    refused("'Reset' is accepted but the source has no handler RK_ON%(Reset%)",
      { accepts = { Reading, Reset } })
    refused("handler RK_ON%(Reset%) but 'Reset' is not in 'accepts'",
      { source = HANDLERS .. "RK_ON(Reset) {}" })
    refused("handler RK_ON%(Readin%) but 'Readin' is not in 'accepts' %(did you mean 'Reading'%?%)",
      { source = HANDLERS .. "RK_ON(Readin) {}" })
    refused("two handlers RK_ON%(Reading%)", { source = HANDLERS .. HANDLERS })
    refused("no handler",
      { source = "/* RK_ON(Reading) {} */ // RK_ON(Reading)\n\"RK_ON(Reading)\"" })
    refused("exactly one of the options 'source' and 'file'", { source = "none" })
    refused("exactly one of the options 'source' and 'file'", { file = "x.cu" })
    refused("option 'file': cannot read no/such/file.cu",
      { source = "none", file = "no/such/file.cu" })
    refused("option 'block': a whole number from 1 to 1024 expected, got 0", { block = 0 })
    refused("option 'block': a whole number from 1 to 1024 expected, got 1.5", { block = 1.5 })
    refused("option 'ports'%[1%]: a name %(string%) expected, got 5", { ports = { 5 } })
    refused("option 'ports': 'a' stands there twice", { ports = { "a", "a" } })
    refused("option 'ports': unknown key 'brust' %(did you mean 'burst'%?%)",
      { ports = { "a", brust = 2 } })
    refused("option 'ports.burst': a whole number from 1 to 65536 expected, got 0",
      { ports = { "a", burst = 0 } })
    refused("option 'state': field 1: { name, type } expected", { state = { "x" } })
    refused("option 'state': a list", { state = { x = "u8" } })
    refused("option 'source': a string expected, got table", { source = {} })
  end)

  it("blames the line that calls it", function()
    assert.matches("^spec/definition_spec%.lua:%d+: rk%.kernel 'k': unknown option",
      error_of(function() rk.kernel(spec_with { x = 1 }) end))
  end)

  it("cannot know of a missing handler where a macro makes handlers", function()
    assert.is_truthy(rk.kernel(spec_with {
      source = "#define H(T) RK_ON(T) { (void)ctx; }\nH(Reading)",
    }))
  end)

  it("reads the source from a file", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(HANDLERS)
    file:close()
    local k = rk.kernel(spec_with { source = "none", file = path })
    os.remove(path)
    assert.matches('#line 1 "' .. path:gsub("%p", "%%%0") .. '"', k.c_source)
  end)
end)

describe("stripping C", function()
  it("blanks comments and texts and keeps lines", function()
    assert.equal("a      b\n  \nc", definition.strip("a/*xxx*/ b\n//\nc"):gsub("  +b", "      b"))
    local text = 'x = "RK_ON(\\"A)"; // RK_ON(B)\ny = \'"\'; z'
    local stripped = definition.strip(text)
    assert.equal(#text, #stripped)
    assert.is_nil(stripped:find("RK_ON"))
    assert.is_truthy(stripped:find("z", 1, true))
  end)
end)

describe("generated source", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  teardown(function()
    os.execute("rm -r " .. folder)
  end)

  --- Compiles text with a compiler's command; returns whether it succeeded, and its output.
  local function compile(command, text)
    local path = folder .. "/text.c"
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    command = ("%s -Ikernels/include -fsyntax-only %s 2>&1"):format(command, path)
    local pipe = assert(io.popen(command))
    local output = pipe:read("a")
    return pipe:close() == true, output
  end

  local function def_of(changes)
    return definition.kernel(spec_with(changes))
  end

  local full = {
    accepts = { Reading, Reset },
    emits = { support.Number, Reading },
    state = { { "a", "u8" }, { "b", "f64[4]" }, { "c", "char[7]" }, { "d", "buffer" } },
    old_state = { { "a", "u32" }, { "b", "f32" } },
    ports = { "next", "log", burst = 3 },
    block = 4,
    source = [[
RK_ON_START() { (void)ctx; state->a = 1; }
RK_ON_STOP() { (void)ctx; (void)state; }
RK_MIGRATE(First) { (void)ctx; state->a = (rk_u8)old->a; }
RK_ON(Reading) { (void)ctx; (void)msg; state->b[0] += msg->value; }
RK_ON(Reset) { (void)msg; state->d.count = 0; rk_send(ctx, RK_PORT_log, Number, 0); }]],
  }

  it("is C11 without a warning and, with the handlers, C++17", function()
    local text = codegen.kernel(def_of(full))
    local ok, output = compile("cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror", text)
    assert.is_true(ok, output)
    assert.equal("", output)
    ok, output = compile("c++ -x c++ -std=c++17 -Wall", text)
    assert.is_true(ok, output)
  end)

  it("carries the tables of the definition", function()
    local text = codegen.kernel(def_of(full), "my_symbol")
    assert.is_truthy(text:find("#define RK_MODULE_SYMBOL my_symbol", 1, true))
    assert.is_truthy(text:find("#define RK_LANES 4", 1, true))
    assert.is_truthy(text:find('static const char *const rk_ports[] = {"next", "log"};', 1, true))
    assert.is_truthy(text:find("#define RK_PORT_log 1u", 1, true))
    -- burst, state bytes, largest emitted payload, accepted, ports, emitted
    local state = layout.new("rk_state", full.state)
    assert.is_truthy(text:find(("3u, %du, 16u, 2u, 2u, 2u,"):format(state.size), 1, true))
    assert.is_truthy(text:find("rk_call_start, rk_call_stop, &rk_port, rk_call_migrate, 8u}", 1,
      true))
  end)

  it("goes with a description that says the same", function()
    local def = def_of(full)
    local state = layout.new("rk_state", full.state)
    assert.same({
      types = {
        { name = "Reading", id = Reading.id, size_bytes = 16 },
        { name = "Reset", id = Reset.id, size_bytes = 1 },
      },
      ports = { "next", "log" },
      emits = { support.Number.id, Reading.id },
      lanes = 4,
      burst = 3,
      state_bytes = state.size,
      emit_bytes = 16,
      has_start = true,
      has_stop = true,
      has_migrate = true,
      migrate_bytes = 8,
    }, codegen_types.description(def))
  end)

  it("leaves the user's text and its lines alone", function()
    local text = codegen.kernel(def_of(full))
    assert.is_truthy(text:find('#line 1 "k"\n' .. full.source .. "\n#line", 1, true))
    local ok, output = compile("cc -std=c11", (text:gsub("state%->a = 1", "state->nothing = 1")))
    assert.is_false(ok)
    assert.matches("k:1:.*nothing", output)
  end)

  it("of an ordinary kernel is C11 and C++17 too", function()
    local def = definition.global {
      name = "add",
      params = { { "out", "f32*" }, { "a", "const f32*" }, { "k", "f64" }, { "n", "u32" } },
      source = "RK_GLOBAL() { RK_FOR_GRID(i, n) { out[i] = a[i] * (rk_f32)k; } rk_block_sync(); }",
    }
    assert.is_true(def.uses_barriers)
    local text = codegen.global(def)
    local ok, output = compile("cc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror", text)
    assert.is_true(ok, output)
    ok, output = compile("c++ -x c++ -std=c++17 -Wall", text)
    assert.is_true(ok, output)
  end)
end)

describe("rk.global", function()
  local function refused(pattern, spec)
    it("refuses: " .. pattern, function()
      assert.matches(pattern, error_of(rk.global, spec))
    end)
  end
  local body = "RK_GLOBAL() {}"
  refused("option 'name' is missing", { source = body })
  refused("has no body RK_GLOBAL%(%)", { name = "g", source = "// RK_GLOBAL()" })
  refused("option 'params'%[1%] 'x': a number type, or a pointer .* expected, got 'f3'",
    { name = "g", source = body, params = { { "x", "f3" } } })
  refused("option 'params'%[1%] 'x': a number type", { name = "g", source = body,
    params = { { "x", "const f32" } } })
  refused("option 'params': 'x' stands there twice", { name = "g", source = body,
    params = { { "x", "f32" }, { "x", "f32" } } })
  refused("unknown option 'param' %(did you mean 'params'%?%)",
    { name = "g", source = body, param = {} })

  it("knows whether its lanes meet", function()
    local function uses(source)
      return definition.global { name = "g", source = source }.uses_barriers
    end
    assert.is_false(uses("RK_GLOBAL() { } /* rk_sync */"))
    assert.is_true(uses("RK_GLOBAL() { rk_block_sync(); }"))
    assert.is_true(uses("RK_GLOBAL() { rk_warp_sum(1); }"))
    assert.is_true(uses("RK_GLOBAL() { rk_shuffle_u64(1, 2); }"))
  end)
end)

describe("descriptions", function()
  local function def_of(changes)
    return definition.kernel(spec_with(changes))
  end

  it("go to the core with the device form", function()
    local k = rk.kernel(spec_with { block = 2 })
    assert.equal(device.fragment(def_of { block = 2 }), k.device_source)
    local spec = { name = "g", params = { { "n", "u32" } }, source = "RK_GLOBAL() { (void)n; }" }
    assert.equal(device.global(definition.global(spec)), rk.global(spec).device_source)
  end)

  it("that differ from the compiled module are found", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local def = def_of { ports = { "next" } }
    local told = codegen_types.description(def)
    local info = { name = "k", accepts = { Reading }, emits = {}, messages = {} }
    assert.is_true(core.kernel_open("k", codegen.kernel(def), info, told):compile(rt))
    told.ports = { "nest" }
    local kernel = core.kernel_open("k", codegen.kernel(def), info, told)
    local value, message, code = rt:launch(kernel)
    assert.is_nil(value)
    assert.equal("corrupt", code)
    assert.matches("port 'nest', the compiled module 'next'", message)
    assert.equal(0, #rt:actors())
  end)

  it("that make no sense are refused", function()
    local told = codegen_types.description(def_of {})
    local function open()
      return core.kernel_open("k", "source", {}, told)
    end
    told.lanes = 0
    assert.matches("description of kernel 'k': lanes: 1..1024 expected", error_of(open))
    told.lanes = "many"
    assert.matches("'lanes': a whole number expected, got 'many'", error_of(open))
    told.lanes, told.types = 1, nil
    assert.matches("'types': a list expected, got nil", error_of(open))
    told.types = { 3 }
    assert.matches("a type %(table%) expected, got 3", error_of(open))
    told.types = { { name = 5, id = 1, size_bytes = 1 } }
    assert.matches("name of a type: a string expected, got 5", error_of(open))
  end)
end)

describe("compile errors", function()
  it("return nil, message, compile and the log, with the user's file and line", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local bad = rk.kernel { name = "bad", accepts = { Reading }, source = [[
/* one */
RK_ON(Reading) {
  state->x = msg->no_such_field;
}]] }
    local value, message, code, log = rt:launch(bad)
    assert.is_nil(value)
    assert.equal("compile", code)
    assert.matches("bad", message)
    assert.matches("bad:3:.*no_such_field", log)
    assert.equal(0, #rt:actors())
    value, message, code, log = bad:compile(rt)
    assert.is_nil(value)
    assert.is_string(message)
    assert.equal("compile", code)
    assert.matches("bad:3:", log)
  end)

  it("do not come when the source is right", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    assert.is_true(support.Smooth:compile(rt))
  end)
end)
