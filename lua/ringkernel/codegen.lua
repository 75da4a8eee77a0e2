-- SPDX-License-Identifier: MIT
--- Writes the C text that a checked definition (definition.lua) becomes.
--
-- `codegen.kernel(def)` and `codegen.global(def)` return complete source: the structs of the
-- message types with checks of their layout, the user's text untouched behind a #line that names
-- the user's file, and the tables through which the runtime finds the handlers. Pure Lua; used by
-- kernel.lua and scripts/gen_stock.lua. kernels/include/rk_kernel.h explains the form.

local types = require "ringkernel.codegen_types"

local M = {}

local append, quote = types.append, types.quote

local function append_head(out, lanes, symbol_macro, symbol)
  append(out, "#define RK_IS_MODULE 1")
  if not symbol_macro then
    append(out, "#define RK_IS_GLOBAL 1")
  end
  append(out, "#define RK_LANES %d", lanes)
  if symbol then
    append(out, "#define %s %s", symbol_macro, symbol)
  end
  append(out, '#include "rk_kernel.h"')
  append(out, '#include "rk_helpers.h"')
  append(out, "")
end

local function name_number(name, text)
  return ("#define %s %s"):format(name, text)
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

local function append_migration(out, def)
  if def.old_state then
    append(out, "static void rk_call_migrate(rk_ctx *ctx, const void *old, void *state) {")
    append(out, "  rk_migrate(ctx, (const %s *)old, (rk_state *)state);\n}", def.handlers.migrate)
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
  if #def.emits > 0 then
    local ids = {}
    for index, shape in ipairs(def.emits) do
      ids[index] = "RK_TYPE_" .. shape.name
    end
    append(out, "static const rk_u32 rk_emits[] = {%s};", table.concat(ids, ", "))
  end
  local is = types.description(def)
  append(out, "RK_MODULE_EXPORT extern const rk_module RK_MODULE_SYMBOL;")
  append(out, "const rk_module RK_MODULE_SYMBOL = {")
  append(out, "  RK_ABI_VERSION, RK_LANES, %du, %du, %du, %du, %du, %du,", is.burst,
    is.state_bytes, is.emit_bytes, #is.types, #is.ports, #is.emits)
  append(out, "  %s, rk_types, %s, %s, %s, %s, &rk_port, %s, %du};", quote(def.name),
    #def.ports > 0 and "rk_ports" or "0", #def.emits > 0 and "rk_emits" or "0",
    def.handlers.start and "rk_call_start" or "0", def.handlers.stop and "rk_call_stop" or "0",
    def.old_state and "rk_call_migrate" or "0", is.migrate_bytes)
end

--- The source of a definition. `symbol`: what its module is called; nil = the default.
function M.kernel(def, symbol)
  local out = {}
  append_head(out, def.block, "RK_MODULE_SYMBOL", symbol)
  types.append_types(out, def, name_number)
  types.append_source(out, def)
  append_calls(out, def)
  append_migration(out, def)
  append_tables(out, def)
  append(out, "")
  return table.concat(out, "\n")
end

--- The source of an ordinary kernel.
function M.global(def)
  local out = {}
  -- Two lanes stand for "ask at run time": an ordinary launch chooses its own number.
  append_head(out, 2)
  types.append_params(out, def, "static")
  append(out, "#define RK_FOR_GRID(i, count) \\")
  append(out, "  for (rk_u64 i = (rk_u64)rk_block() * rk_lanes() + rk_lane(); \\")
  append(out, "       i < (rk_u64)(count); i += (rk_u64)rk_blocks() * rk_lanes())")
  types.append_source(out, def)
  append(out, "static void rk_run(const void *params) {")
  append(out, "  const rk_params *rk_in = (const rk_params *)params;")
  append(out, "  (void)rk_in;")
  append(out, "  rk_global_body(%s);\n}", types.arguments(def, "rk_in->"))
  append(out, "RK_MODULE_EXPORT extern const rk_global_module RK_GLOBAL_SYMBOL;")
  append(out, "const rk_global_module RK_GLOBAL_SYMBOL = {")
  append(out, "  RK_ABI_VERSION, sizeof(rk_params), %du, %s, rk_run, &rk_port};",
    def.uses_barriers and 1 or 0, quote(def.name))
  append(out, "")
  return table.concat(out, "\n")
end

return M
