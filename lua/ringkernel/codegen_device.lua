-- SPDX-License-Identifier: MIT
--- Writes the one device source that a set of checked definitions (definition.lua) becomes.
--
-- `device.unit(defs)` returns complete source for NVRTC: the grid's loop, each definition in a
-- namespace of its own with the user's text untouched behind a #line, and the switch that the loop
-- calls handlers through. The number of a definition, from 0 in the order of the list, is what
-- rk_abi_def.index must hold; the entry is `rk_grid`, launched with `device.threads(defs)` threads
-- a block. codegen.lua writes the form for the CPU; both compile the same text. Pure Lua; used by
-- scripts/check_kernels.lua. kernels/README.md explains the form.

local definition = require "ringkernel.definition"

local M = {}

local WARP = 32

local function quote(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("%c", "?") .. '"'
end

local function append(out, format, ...)
  out[#out + 1] = format:format(...)
end

--- Threads a block needs to run any of the definitions: whole warps.
function M.threads(defs)
  local most = 1
  for _, def in ipairs(defs) do
    most = math.max(most, def.block)
  end
  return (most + WARP - 1) // WARP * WARP
end

--- Structs, numbers of types and ports, declarations of the handlers.
local function append_types(out, def)
  local seen = {}
  for _, list in ipairs { def.accepts, def.emits } do
    for _, shape in ipairs(list) do
      if not seen[shape.name] then
        seen[shape.name] = true
        out[#out + 1] = shape:to_c(shape.name)
        append(out, "enum : rk_u32 { RK_TYPE_%s = 0x%08xu };", shape.name, shape.id)
      end
    end
  end
  if def.state then
    out[#out + 1] = def.state:to_c("rk_state")
  else
    append(out, "typedef struct rk_state {\n  rk_u8 rk_unused;\n} rk_state;")
  end
  for index, port in ipairs(def.ports) do
    append(out, "enum : rk_u32 { RK_PORT_%s = %du };", port, index - 1)
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

--- The user's text, and an end to the macros it defines: the next definition may use the same
-- names.
local function append_source(out, def)
  append(out, "#line 1 %s", quote(def.file))
  out[#out + 1] = (def.source:gsub("\r?\n$", ""))
  append(out, '#line 1 "rk-generated"')
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
  append(out, "    default: rkd_ctx_fail(ctx, RK_EINVAL); break;")
  append(out, "  }\n}")
end

local function append_definition(out, def, number)
  append(out, "\nnamespace rk_def_%d { /* %s */", number, def.name)
  append(out, "#undef RK_LANES\n#define RK_LANES %d", def.block)
  append(out, '#include "rk_module_cuda.h"')
  append_types(out, def)
  append_source(out, def)
  append_calls(out, def)
  append(out, "}")
end

--- The source of a grid that can run `defs`, a list of at least one.
function M.unit(defs)
  local out = {}
  append(out, "#define RK_BLOCK_THREADS %d", M.threads(defs))
  append(out, '#include "rk_team_dev.h"')
  for index, def in ipairs(defs) do
    append_definition(out, def, index - 1)
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

return M
