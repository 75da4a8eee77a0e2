-- SPDX-License-Identifier: MIT
--- Writes the C text that a checked definition (definition.lua) becomes.
--
-- `codegen.kernel(def)` and `codegen.global(def)` return complete source: the structs of the
-- message types with checks of their layout, the user's text untouched behind a #line that names
-- the user's file, and the tables through which the runtime finds the handlers. Pure Lua; used by
-- kernel.lua and scripts/gen_stock.lua. kernels/include/rk_kernel.h explains the form.

local M = {}

local function quote(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("%c", "?") .. '"'
end

local function append(out, format, ...)
  out[#out + 1] = format:format(...)
end

local function append_head(out, lanes, symbol_macro, symbol)
  append(out, "#define RK_IS_MODULE 1")
  append(out, "#define RK_LANES %d", lanes)
  if symbol then
    append(out, "#define %s %s", symbol_macro, symbol)
  end
  append(out, '#include "rk_kernel.h"')
  append(out, '#include "rk_helpers.h"')
  append(out, "")
end

--- The user's text between two #line directives. A line break is added where it lacks one.
local function append_source(out, def)
  append(out, "#line 1 %s", quote(def.file))
  out[#out + 1] = (def.source:gsub("\r?\n$", ""))
  append(out, '#line 1 "rk-generated"')
end

--- All message types of a definition, each once, in the order of accepts, then emits.
local function all_types(def)
  local out, seen = {}, {}
  for _, list in ipairs { def.accepts, def.emits } do
    for _, shape in ipairs(list) do
      if not seen[shape.name] then
        seen[shape.name] = true
        out[#out + 1] = shape
      end
    end
  end
  return out
end

local function append_types(out, def)
  for _, shape in ipairs(all_types(def)) do
    out[#out + 1] = shape:to_c(shape.name)
    append(out, "#define RK_TYPE_%s 0x%08xu", shape.name, shape.id)
    append(out, "")
  end
  if def.state then
    out[#out + 1] = def.state:to_c("rk_state")
  else
    append(out, "typedef struct rk_state {\n  rk_u8 rk_unused;\n} rk_state;")
  end
  append(out, "")
  for index, port in ipairs(def.ports) do
    append(out, "#define RK_PORT_%s %du", port, index - 1)
  end
  for _, shape in ipairs(def.accepts) do
    append(out, "RK_ON(%s);", shape.name)
  end
  if def.handlers.start then
    append(out, "RK_ON_START();")
  end
  if def.handlers.stop then
    append(out, "RK_ON_STOP();")
  end
end

local function append_calls(out, def)
  for _, shape in ipairs(def.accepts) do
    append(out, "static void rk_call_%s(rk_ctx *ctx, const void *msg, void *state) {", shape.name)
    append(out, "  rk_on_%s(ctx, (const %s *)msg, (rk_state *)state);\n}", shape.name, shape.name)
  end
  for _, event in ipairs { "start", "stop" } do
    if def.handlers[event] then
      append(out, "static void rk_call_%s(rk_ctx *ctx, const void *msg, void *state) {", event)
      append(out, "  (void)msg;\n  rk_on_%s(ctx, (rk_state *)state);\n}", event)
    end
  end
end

local function append_tables(out, def)
  append(out, "static const rk_module_type rk_types[] = {")
  for _, shape in ipairs(def.accepts) do
    append(out, '  {"%s", RK_TYPE_%s, sizeof(%s), rk_call_%s},', shape.name, shape.name,
      shape.name, shape.name)
  end
  append(out, "};")
  if #def.ports > 0 then
    append(out, 'static const char *const rk_ports[] = {"%s"};', table.concat(def.ports, '", "'))
  end
  local emit_bytes = 0
  if #def.emits > 0 then
    local ids = {}
    for index, shape in ipairs(def.emits) do
      ids[index] = "RK_TYPE_" .. shape.name
      emit_bytes = math.max(emit_bytes, shape.size)
    end
    append(out, "static const rk_u32 rk_emits[] = {%s};", table.concat(ids, ", "))
  end
  append(out, "RK_MODULE_EXPORT extern const rk_module RK_MODULE_SYMBOL;")
  append(out, "const rk_module RK_MODULE_SYMBOL = {")
  append(out, "  RK_ABI_VERSION, RK_LANES, %du, %du, %du, %du, %du, %du,", def.burst,
    def.state and def.state.size or 0, emit_bytes, #def.accepts, #def.ports, #def.emits)
  append(out, "  %s, rk_types, %s, %s, %s, %s, &rk_port};", quote(def.name),
    #def.ports > 0 and "rk_ports" or "0", #def.emits > 0 and "rk_emits" or "0",
    def.handlers.start and "rk_call_start" or "0", def.handlers.stop and "rk_call_stop" or "0")
end

--- The source of a definition. `symbol`: what its module is called; nil = the default.
function M.kernel(def, symbol)
  local out = {}
  append_head(out, def.block, "RK_MODULE_SYMBOL", symbol)
  append_types(out, def)
  append_source(out, def)
  append_calls(out, def)
  append_tables(out, def)
  append(out, "")
  return table.concat(out, "\n")
end

--- How the body declares a parameter, and how its value is taken from the packed struct.
local function param_texts(param)
  if not param.is_pointer then
    return ("%s %s"):format(param.ctype, param.name), ("rk_in->%s"):format(param.name)
  end
  local target = (param.is_const and "const " or "") .. param.ctype
  return ("%s *%s"):format(target, param.name),
    ("RK_ADDRESS(%s, rk_in->%s)"):format(target, param.name)
end

--- The source of an ordinary kernel.
function M.global(def)
  local out, declared, passed = {}, {}, {}
  for index, param in ipairs(def.params) do
    declared[index], passed[index] = param_texts(param)
  end
  -- Two lanes stand for "ask at run time": an ordinary launch chooses its own number.
  append_head(out, 2)
  out[#out + 1] = def.layout:to_c("rk_params")
  append(out, "#define RK_GLOBAL() static void rk_global_body(%s)",
    #declared > 0 and table.concat(declared, ", ") or "void")
  append(out, "#define RK_FOR_GRID(i, count) \\")
  append(out, "  for (rk_u64 i = (rk_u64)rk_port->block() * rk_lanes() + rk_lane(); \\")
  append(out, "       i < (rk_u64)(count); i += (rk_u64)rk_port->blocks() * rk_lanes())")
  append(out, "#define rk_block_sync() rk_lane_sync()")
  append_source(out, def)
  append(out, "static void rk_run(const void *params) {")
  append(out, "  const rk_params *rk_in = (const rk_params *)params;")
  append(out, "  (void)rk_in;")
  append(out, "  rk_global_body(%s);\n}", table.concat(passed, ", "))
  append(out, "RK_MODULE_EXPORT extern const rk_global_module RK_GLOBAL_SYMBOL;")
  append(out, "const rk_global_module RK_GLOBAL_SYMBOL = {")
  append(out, "  RK_ABI_VERSION, sizeof(rk_params), %du, %s, rk_run, &rk_port};",
    def.uses_barriers and 1 or 0, quote(def.name))
  append(out, "")
  return table.concat(out, "\n")
end

return M
