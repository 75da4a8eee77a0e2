-- SPDX-License-Identifier: MIT
--- Writes the device form of checked definitions (definition.lua), for NVRTC.
--
-- `device.fragment(def)` is what one definition adds to the grid's one source: the inside of a
-- namespace, with the user's text untouched behind a #line. It does not know the definition's
-- number, so it is made once and kept with the definition; whoever makes a grid puts fragments
-- together: `device.unit(defs)` here, src/backend/cuda/cuda_unit.c at run time, both to the same
-- text. The number, from 0 in the order of the list, is what rk_abi_def.index must hold; the entry
-- is `rk_grid`, launched with `device.threads(defs)` threads a block.
--
-- `device.global(def)` is an ordinary kernel as a complete source; its entry `rk_global` takes the
-- struct of the parameters by value.
--
-- codegen.lua writes the form for the CPU; both compile the same text. Pure Lua; used by
-- kernel.lua, scripts/gen_stock.lua and scripts/check_kernels.lua. kernels/README.md explains the
-- form.

local definition = require "ringkernel.definition"
local types = require "ringkernel.codegen_types"

local M = {}

local WARP = 32

local append = types.append

--- Threads a block needs to run any of the definitions: whole warps.
function M.threads(defs)
  local most = 1
  for _, def in ipairs(defs) do
    most = math.max(most, def.block)
  end
  return (most + WARP - 1) // WARP * WARP
end

local function name_number(name, text)
  return ("enum : rk_u32 { %s = %s };"):format(name, text)
end

--- An end to the macros that the user's text defines: the next definition may use the same names.
local function append_undefs(out, def)
  local text = "\n" .. definition.strip(def.source:gsub("\\\r?\n", "  "))
  for name in text:gmatch("\n[ \t]*#[ \t]*define[ \t]+([%a_][%w_]*)") do
    append(out, "#undef %s", name)
  end
end

--- Handlers by number. Lanes of one warp come here by different ways; they go on together.
local function append_calls(out, def)
  append(out, "RK_FN void rk_call(rk_ctx *ctx, rk_u32 handler, const void *msg, void *state) {")
  append(out, "  rk_state *s = (rk_state *)state;")
  append(out, "  rk_warp_sync();")
  append(out, "  switch (handler) {")
  for index, shape in ipairs(def.accepts) do
    append(out, "    case %du: rk_on_%s(ctx, (const %s *)msg, s); break;", index - 1, shape.name,
      shape.name)
  end
  if def.handlers.start then
    append(out, "    case RK_HANDLER_START: rk_on_start(ctx, s); break;")
  end
  if def.handlers.stop then
    append(out, "    case RK_HANDLER_STOP: rk_on_stop(ctx, s); break;")
  end
  if def.old_state then
    append(out, "    case RK_HANDLER_MIGRATE: rk_migrate(ctx, (const %s *)msg, s); break;",
      def.handlers.migrate)
  end
  append(out, "    default: rkd_ctx_fail(ctx, RK_EINVAL); break;")
  append(out, "  }\n}")
end

--- The inside of a definition's namespace, without a last line break.
function M.fragment(def)
  local out = {}
  append(out, "#undef RK_LANES\n#define RK_LANES %d", def.block)
  append(out, '#include "rk_module_cuda.h"')
  types.append_types(out, def, name_number)
  types.append_source(out, def)
  append_undefs(out, def)
  append_calls(out, def)
  return table.concat(out, "\n")
end

--- The source of a grid that can run `defs`, a list; to be launched in clusters of `cluster` blocks
--- if that is more than 1, then with counted lanes (rk_lane_dev.h) if that is asked for.
function M.unit(defs, cluster, counted_lanes)
  local out = {}
  append(out, "#define RK_BLOCK_THREADS %d", M.threads(defs))
  if cluster and cluster > 1 then
    append(out, "#define RK_CLUSTER %d", cluster)
    if counted_lanes then
      append(out, "#define RK_LANES_COUNTED 1")
    end
  end
  append(out, '#include "rk_team_dev.h"')
  for index, def in ipairs(defs) do
    append(out, "\nnamespace rk_def_%d { /* %s */", index - 1, def.name)
    out[#out + 1] = M.fragment(def)
    append(out, "}")
  end
  append(out, "\nstatic __device__ __noinline__ void rk_call_handler(rk_ctx *ctx, rk_u32 def,")
  append(out, "    rk_u32 handler, const void *msg, void *state) {")
  append(out, "  switch (def) {")
  for index in ipairs(defs) do
    append(out, "    case %du: rk_def_%d::rk_call(ctx, handler, msg, state); break;", index - 1,
      index - 1)
  end
  append(out, "    default: rkd_ctx_fail(ctx, RK_EINVAL); break;")
  append(out, "  }\n}\n")
  return table.concat(out, "\n")
end

--- The source of an ordinary kernel.
function M.global(def)
  local out = {}
  append(out, '#include "rk_global_cuda.h"')
  types.append_params(out, def, "RK_FN")
  types.append_source(out, def)
  append(out, "RK_GLOBAL_ENTRY(rk_params rk_in) {")
  append(out, "  (void)rk_in;")
  append(out, "  rk_global_body(%s);\n}\n", types.arguments(def, "rk_in."))
  return table.concat(out, "\n")
end

return M
