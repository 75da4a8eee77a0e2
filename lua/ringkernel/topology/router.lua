-- SPDX-License-Identifier: MIT
--- Routers: what stands between a port and several receivers.
--
-- A port of the grid leads to one actor, so a link to a list goes through a small actor of its own,
-- "<sender>.<port>.router". It passes each message on with the header it came with (RK_AS_SENT):
-- the receivers see the sender, reply to it, and the time it was sent.
--
--   broadcast    a copy to every receiver that accepts the type
--   round_robin  receiver 0, 1, 2, ... in turn
--   shard        receiver hash(key field) modulo their number: equal keys, equal receiver
--
-- The credit rule holds for a router as for anybody: it is handed a message only while every
-- receiver has room, so the slowest receiver sets the pace for all.
--
-- Router definitions are made once for each mode, key and list of types, so an unchanged link is
-- known as unchanged.

local kernel = require "ringkernel.kernel"

local M = {}

--- How a receiver is to be found is part of what users rely on: splitmix64's finaliser over the
-- field's bits as 64 bits, or FNV-1a over the bytes of a text.
local HASH = [[
static inline rk_u64 router_mix(rk_u64 x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
static inline rk_u64 router_text(const char *text, rk_u32 size) {
  rk_u64 h = 0xcbf29ce484222325ull;
  for (rk_u32 i = 0; i < size && text[i] != 0; ++i) {
    h = (h ^ (rk_u8)text[i]) * 0x100000001b3ull;
  }
  return h;
}
]]

--- C text that hashes the key field of `msg`.
local function hash_of(field)
  if field.kind == "char" then
    return ("router_text(msg->%s, %du)"):format(field.name, field.size)
  elseif field.kind == "f32" or field.kind == "f64" then
    return ("router_mix(router_real((rk_f64)msg->%s))"):format(field.name)
  end
  return ("router_mix((rk_u64)msg->%s)"):format(field.name)
end

--- The bits of a number; -0 counts as 0.
local REAL = [[
static inline rk_u64 router_real(rk_f64 value) {
  union { rk_f64 real; rk_u64 bits; } u;
  u.real = value + 0.0;
  return u.bits;
}
]]

local function handler(class, mode, key, count, receivers)
  local out = { ("RK_ON(%s) {"):format(class.name) }
  local send = "  (void)rk_send(ctx, %s | RK_AS_SENT, " .. class.name .. ", msg);"
  if mode == "broadcast" then
    out[#out + 1] = "  (void)state;"
    for _, index in ipairs(receivers) do
      out[#out + 1] = send:format(("%du"):format(index - 1))
    end
  elseif mode == "round_robin" then
    out[#out + 1] = ("  rk_u32 to = (rk_u32)(state->turn %% %du);"):format(count)
    out[#out + 1] = "  state->turn += 1u;"
    out[#out + 1] = send:format("to")
  else
    out[#out + 1] = "  (void)state;"
    out[#out + 1] = ("  rk_u32 to = (rk_u32)(%s %% %du);"):format(
      hash_of(class.layout.by_name[key]), count)
    out[#out + 1] = send:format("to")
  end
  out[#out + 1] = "}"
  return table.concat(out, "\n")
end

--- Why `class` cannot be sharded by field `key`, or nil.
function M.key_problem(class, key)
  local field = class.layout.by_name[key]
  if not field then
    return ("'%s' has no field '%s'"):format(class.name, key)
  elseif field.kind == "buffer" or (field.count > 0 and field.kind ~= "char") then
    return ("field '%s.%s' is %s: a number or a text is needed"):format(class.name, key, field.type)
  end
  return nil
end

local made = {} -- signature -> definition

--- The definition of a router. `types`: list of { class =, receivers = { numbers } }.
function M.definition(mode, key, count, types)
  local words = { mode, key or "", tostring(count) }
  for _, entry in ipairs(types) do
    words[#words + 1] = ("%d:%s"):format(entry.class.id, table.concat(entry.receivers, ","))
  end
  local signature = table.concat(words, " ")
  if made[signature] then
    return made[signature]
  end
  local accepts, ports, source = {}, {}, {}
  if mode == "shard" then
    source = { HASH, REAL }
  end
  for index, entry in ipairs(types) do
    accepts[index] = entry.class
    source[#source + 1] = handler(entry.class, mode, key, count, entry.receivers)
  end
  for index = 1, count do
    ports[index] = ("out%d"):format(index - 1)
  end
  made[signature] = kernel.new {
    name = "router." .. mode,
    accepts = accepts,
    emits = accepts,
    ports = ports,
    state = mode == "round_robin" and { { "turn", "u64" } } or nil,
    source = table.concat(source, "\n"),
  }
  return made[signature]
end

return M
