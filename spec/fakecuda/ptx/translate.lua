-- SPDX-License-Identifier: MIT
-- Translates a module in PTX to C, for the driver of the tests: lua5.4 translate.lua in.ptx out.c
--
-- So what NVRTC made of the device code, and no host build of its source, runs on the executor
-- (RKFAKE_RUN=ptx, fake_compile.c): every instruction does what the PTX ISA says, and what the ISA
-- forbids ends the kernel (rkptx.h). Each thread of a block is a fiber, so the lanes of a warp run
-- one after the other until they meet: one of the schedules that a GPU since Volta may choose. What
-- ptxas and the hardware do behind PTX is not seen.
--
-- A function of PTX becomes one of C, a register a variable, a branch a goto. #line names the PTX,
-- so __LINE__ in what is told, and a debugger, mean lines of it. Ends with 1, and the line and what
-- is not known there, where the translation would not be faithful.

package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path
local arithmetic = require("arithmetic")
local control = require("control")
local memory = require("memory")
local operand = require("operand")
local parse = require("parse")

local SHARED_START = 1024 -- so that 0 is nobody's address, as on the hardware
local SHARED_MAX = 48 * 1024

-- ---- a function ----

local Function = {}
Function.__index = Function

function Function:fail(...)
  error({ line = self.line, text = string.format(...) }, 0)
end

local function find(scopes, key)
  for i = #scopes, 1, -1 do
    if scopes[i][key] ~= nil then
      return scopes[i][key]
    end
  end
end

-- The type of a register, or nil.
function Function:register(name)
  return find(self.registers, name)
end

function Function:symbol(name)
  return find(self.symbols, name) or self.module.symbols[name]
end

-- Whether the label was passed already, and its name in C.
function Function:label(name)
  return self.passed[name] or false, operand.name(name)
end

function Function:targets(name)
  return self.lists[name] or self:fail("no such list of labels: %s", name)
end

function Function:put(...)
  self.out[#self.out + 1] = string.format(...)
end

function Function:declare(item)
  local c_type = operand.c_type(item.type)
  if not item.count then
    self.registers[#self.registers][item.name] = item.type
    self:put("%s %s;", c_type, operand.name(item.name))
    return
  end
  local names = {}
  for i = 0, item.count - 1 do
    local name = item.name .. i
    self.registers[#self.registers][name] = item.type
    names[#names + 1] = operand.name(name)
  end
  if #names > 0 then
    self:put("%s %s;", c_type, table.concat(names, ", "))
  end
end

-- What a name stands for: what was declared, and its name in C.
local function symbol_of(declared, c_name)
  return setmetatable({ c_name = c_name }, { __index = declared })
end

function Function:variable(variable)
  local symbol = symbol_of(variable, "V_" .. operand.name(variable.name))
  if variable.space == "local" then
    self:put("uint32_t %s = rkp_local_open(me, %du, %du, __LINE__);", symbol.c_name, variable.bytes,
      variable.align)
  elseif variable.space == "param" then
    self:put("unsigned char %s[%d] __attribute__((aligned(16)));", symbol.c_name, variable.bytes)
  elseif variable.space == "shared" then
    self.module:place(symbol)
  else
    self:fail("a variable of space %s in a function", variable.space)
  end
  self.symbols[#self.symbols][variable.name] = symbol
end

function Function:operation(op)
  local text = control.translate(self, op)
    or memory.translate(self, op)
    or arithmetic.translate(self, op)
    or self:fail("not known: %s", op.name)
  if op.guard then
    local guard = (op.is_negated and "!" or "") .. operand.value(self, op.guard)
    text = ("if (%s) { %s }"):format(guard, text)
  end
  self:put("RKP_STEP(%d) %s", op.line, text)
end

local ITEMS = {
  open = function(fn)
    table.insert(fn.registers, {})
    table.insert(fn.symbols, {})
    fn:put("{")
  end,
  close = function(fn)
    table.remove(fn.registers)
    table.remove(fn.symbols)
    fn:put("}")
  end,
  label = function(fn, item)
    fn.passed[item.name] = true
    fn:put("%s:;", operand.name(item.name))
  end,
  registers = Function.declare,
  variable = function(fn, item)
    fn:variable(item.variable)
  end,
  targets = function() end,
  prototype = function() end,
  op = Function.operation,
}

local function signature(func, c_name)
  local list = { "rkp_thread *me" }
  for _, group in ipairs({ func.returns, func.parameters }) do
    for _, parameter in ipairs(group) do
      list[#list + 1] = "unsigned char *V_" .. operand.name(parameter.name)
    end
  end
  return ("static void %s(%s)"):format(c_name, table.concat(list, ", "))
end

local function translate_function(module, func)
  local fn = setmetatable({
    module = module, out = {}, line = func.line, registers = { {} }, symbols = { {} }, passed = {},
    lists = {}, is_entry = func.is_entry,
  }, Function)
  for _, group in ipairs({ func.returns, func.parameters }) do
    for _, parameter in ipairs(group) do
      fn.symbols[1][parameter.name] = symbol_of(parameter, "V_" .. operand.name(parameter.name))
    end
  end
  for _, item in ipairs(func.body) do
    if item.kind == "targets" then
      fn.lists[item.name] = item.labels
    end
  end
  fn:put("%s\n{", signature(func, module.symbols[func.name].c_name))
  fn:put("const uint32_t local_top = me->local_top; unsigned char *q; uint32_t turns = 0;")
  fn:put("(void)q; (void)turns;")
  local line
  for _, item in ipairs(func.body) do
    fn.line = item.line
    if item.line ~= line then
      fn:put("#line %d", item.line)
      line = item.line
    end
    ITEMS[item.kind](fn, item)
  end
  fn:put("rkp_out: me->local_top = local_top;\n}")
  return table.concat(fn.out, "\n")
end

-- ---- the module ----

local Module = {}
Module.__index = Module

-- Gives a variable its place in the shared memory of a block.
function Module:place(symbol)
  local at = (self.shared_top + symbol.align - 1) // symbol.align * symbol.align
  symbol.offset = at
  self.shared_top = at + symbol.bytes
  if self.shared_top - SHARED_START > SHARED_MAX then
    error({ line = symbol.line, text = "more than 48 KiB of shared memory" }, 0)
  end
end

local function definition(variable)
  local value = ""
  if variable.value then
    local numbers = variable.value:match("^{(.*)}$") or variable.value
    if numbers:find("[%a_$]%s*[,}]?") and not numbers:find("^%s*[-%dx%x,%s]*$") then
      error({ line = variable.line, text = "a value that is no number: " .. numbers:sub(1, 40) }, 0)
    end
    value = variable.is_array and (" = { %s }"):format(numbers) or " = " .. numbers
  end
  local count = variable.bytes // variable.item_bytes
  local extent = variable.is_array and ("[%d]"):format(count) or ""
  return ("RKP_VARIABLE %s %s%s __attribute__((aligned(%d)))%s;"):format(
    operand.c_type(variable.type), variable.name, extent, variable.align, value)
end

-- An empty list is not C's.
local function listed(numbers)
  return #numbers == 0 and "0" or table.concat(numbers, ", ")
end

-- How a launch calls it: rkfake_device.h.
local function entry(module, func)
  local sizes, alignment, arguments = {}, {}, { "&me" }
  for i, parameter in ipairs(func.parameters) do
    sizes[i], alignment[i] = parameter.bytes, parameter.align
    arguments[#arguments + 1] = ("(unsigned char *)params[%d]"):format(i - 1)
  end
  local name = func.name
  return ([[
static void rkp_call_%s(void **params)
{
  rkp_thread me;
  unsigned char local[RKP_LOCAL_BYTES] __attribute__((aligned(16)));
  (void)params;
  rkp_begin(&me, local);
  %s(%s);
}
static const size_t rkp_sizes_%s[] = {%s};
static const size_t rkp_alignment_%s[] = {%s};
RKP_EXPORT const rkfake_entry rkfake_entry_%s = {rkp_call_%s, %d, rkp_sizes_%s, rkp_alignment_%s,
  sizeof(rkp_block), rkp_begin_block};
]]):format(name, module.symbols[name].c_name, table.concat(arguments, ", "), name,
    listed(sizes), name, listed(alignment), name, name, #sizes, name, name)
end

local function translate(text, path)
  local parsed, line, problem = parse.parse(text)
  if not parsed then
    error({ line = line, text = problem }, 0)
  end
  local module = setmetatable({ symbols = {}, shared_top = SHARED_START }, Module)
  local variables, prototypes, bodies, entries = {}, {}, {}, {}
  for _, variable in ipairs(parsed.variables) do
    local symbol = symbol_of(variable, variable.name)
    module.symbols[variable.name] = symbol
    if variable.space == "shared" then
      module:place(symbol)
    else
      variables[#variables + 1] = definition(variable)
    end
  end
  for _, func in ipairs(parsed.functions) do
    if not module.symbols[func.name] then
      module.symbols[func.name] = { space = "function", c_name = "F_" .. func.name }
      prototypes[#prototypes + 1] = signature(func, "F_" .. func.name) .. ";"
    end
  end
  for _, func in ipairs(parsed.functions) do
    if func.body then
      local line_of = ('#line %d "%s"\n'):format(func.line, path)
      bodies[#bodies + 1] = line_of .. translate_function(module, func)
    end
    if func.is_entry and func.body then
      entries[#entries + 1] = entry(module, func)
    end
  end
  return table.concat({
    ("#define RKP_SHARED_TOP %d"):format(module.shared_top),
    ("#define RKP_LINES %d"):format(select(2, text:gsub("\n", "\n")) + 2),
    ('#define RKP_PATH "%s"'):format(path), '#include "rkptx.h"',
    table.concat(variables, "\n"), table.concat(prototypes, "\n"), table.concat(bodies, "\n"),
    '#line 1 "entries"', table.concat(entries, "\n"),
  }, "\n") .. "\n"
end

local function main(from, to)
  if not to then
    io.stderr:write("usage: lua5.4 translate.lua in.ptx out.c\n")
    return 2
  end
  local file = assert(io.open(from, "rb"))
  local text = file:read("a")
  file:close()
  local is_done, c = pcall(translate, text, from)
  if not is_done then
    if type(c) ~= "table" then
      error(c, 0)
    end
    io.stderr:write(("%s:%d: %s\n"):format(from, c.line, c.text))
    return 1
  end
  file = assert(io.open(to, "wb"))
  assert(file:write(c))
  assert(file:close())
  return 0
end

os.exit(main(arg[1], arg[2]))
