-- SPDX-License-Identifier: MIT
-- Instructions that touch memory: loads, stores, atomics, addresses, asynchronous copies.
--
-- An access becomes rkp_<space>(me, address, bytes), which gives a pointer or ends the kernel
-- (rkptx.h), and an operation of the order that the instruction names: weak ones are plain C
-- accesses, the others those of the C11 memory model, as the PTX ISA's chapter 8 maps them. Scopes
-- are not told apart.

local operand = require("operand")
local parse = require("parse")

local M = {}

local SPACES = {
  global = "global", shared = "shared", ["shared::cta"] = "shared", ["shared::cluster"] = "cluster",
  ["local"] = "local", param = "param", const = "generic",
}
local ORDERS = { weak = "weak", relaxed = "relaxed", acquire = "acquire", release = "release",
  acq_rel = "acq_rel", volatile = "relaxed", mmio = "relaxed" }
local SCOPES = { cta = true, cluster = true, gpu = true, sys = true }
-- What may be said of caches and changes nothing.
local HINTS = { ca = true, cg = true, cs = true, cv = true, lu = true, wb = true, wt = true,
  nc = true }
local VECTORS = { v2 = 2, v4 = 4, v8 = 8 }

-- "ld.relaxed.gpu.global.v2.u64" -> its parts; what is none of them is handed to `other`.
local function parts_of(fn, op, other)
  local made = { count = 1 }
  local first = true
  for word in op.name:gmatch("[^.]+") do
    if first then
      first = false
    elseif SPACES[word] then
      made.space = SPACES[word]
    elseif ORDERS[word] then
      made.order = ORDERS[word]
    elseif SCOPES[word] then
      made.scope = word
    elseif VECTORS[word] then
      made.count = VECTORS[word]
    elseif parse.BITS[word] then
      made.type = word
    elseif not HINTS[word] and not word:find("^L[12]::") and not (other and other(made, word)) then
      fn:fail("'%s' is not known: %s", word, op.name)
    end
  end
  return made
end

-- A C pointer to what the operand names; `bytes` of it are meant.
local function pointer(fn, parts, text, bytes)
  local base, distance = operand.address(fn, text)
  local symbol = not fn:register(base) and fn:symbol(base)
  if symbol and symbol.space == "param" then
    if distance < 0 or distance + bytes > symbol.bytes then
      fn:fail("%s: %d bytes at %d of a parameter of %d", text, bytes, distance, symbol.bytes)
    end
    return ("(%s + %d)"):format(symbol.c_name, distance)
  end
  local space = parts.space or "generic"
  local address = ("%s + UINT64_C(0x%x)"):format(operand.value(fn, base), distance)
  if space == "shared" or space == "cluster" then
    address = ("(uint32_t)(%s)"):format(address)
  elseif space == "param" then
    return ("(unsigned char *)(uintptr_t)(%s)"):format(address)
  end
  return ("rkp_%s(me, %s, %du, __LINE__)"):format(space, address, bytes)
end

local function elements(text)
  return parse.split(text:match("^{(.*)}$") or text)
end

local function load(fn, op)
  local p = parts_of(fn, op)
  local bytes = operand.bits(p.type) // 8
  local list = elements(op.operands[1])
  local lines = { ("q = %s;"):format(pointer(fn, p, op.operands[2], bytes * p.count)) }
  for i, target in ipairs(list) do
    local c_type = operand.c_type(p.type)
    local value = ("rkp_load_%s(%s, q + %d)"):format(p.order or "weak", c_type, (i - 1) * bytes)
    -- the bits as they are; a signed one is extended
    local kind = p.type:find("^s") and p.type or "b" .. operand.bits(p.type)
    lines[#lines + 1] = operand.assign(fn, target, kind, value)
  end
  return table.concat(lines, " ")
end

local function store(fn, op)
  local p = parts_of(fn, op)
  local bytes = operand.bits(p.type) // 8
  local lines = { ("q = %s;"):format(pointer(fn, p, op.operands[1], bytes * p.count)) }
  for i, source in ipairs(elements(op.operands[2])) do
    local c_type = operand.c_type(p.type)
    local order = p.space == "param" and "param" or p.order or "weak"
    lines[#lines + 1] = ("rkp_store_%s(%s, q + %d, %s);"):format(order, c_type,
      (i - 1) * bytes, operand.value(fn, source))
  end
  return table.concat(lines, " ")
end

local ATOMICS = { add = true, ["and"] = true, ["or"] = true, xor = true, exch = true, cas = true,
  min = true, max = true, inc = true, dec = true }

-- atom d, [a], b {, c} and red [a], b.
local function atomic(fn, op)
  local p = parts_of(fn, op, function(made, word)
    if ATOMICS[word] then
      made.operation = word
      return true
    end
  end)
  local is_red = op.name:find("^red")
  local at = is_red and 1 or 2
  local bits = operand.bits(p.type)
  local suffix = p.type:find("^[sf]") and p.type or "u" .. bits
  local arguments = { "me", "q", operand.value(fn, op.operands[at + 1]) }
  if p.operation == "cas" then
    arguments[4] = operand.value(fn, op.operands[at + 2])
  end
  local call = ("rkp_%s_%s(%s, RKP_%s)"):format(p.operation, suffix, table.concat(arguments, ", "),
    (p.order or "relaxed"):upper())
  local first = ("q = %s; "):format(pointer(fn, p, op.operands[at], bits // 8))
  return first .. (is_red and "(void)" .. call .. ";"
    or operand.assign(fn, op.operands[1], "b" .. bits, call))
end

local function cvta(fn, op)
  local to, space, kind = op.name:match("^cvta(%.?t?o?)%.([%w:]+)%.(u%d+)$")
  if not space or not SPACES[space] then
    fn:fail("not known: %s", op.name)
  end
  space = SPACES[space]
  local value = operand.value(fn, op.operands[2])
  if space == "shared" or space == "local" then
    local way = to == ".to" and "from_generic" or "to_generic"
    value = ("rkp_%s_%s(me, %s)"):format(way, space, value)
  end
  return operand.assign(fn, op.operands[1], kind, value)
end

local function isspacep(fn, op)
  local space = SPACES[op.name:match("^isspacep%.([%w:]+)$") or ""]
  if not space then
    fn:fail("not known: %s", op.name)
  end
  return operand.assign(fn, op.operands[1], "pred",
    ("rkp_is_%s(me, %s)"):format(space, operand.value(fn, op.operands[2])))
end

local function mapa(fn, op)
  local a, rank = operand.value(fn, op.operands[2]), operand.value(fn, op.operands[3])
  if op.name == "mapa.u64" then
    local call = ("rkp_map(me, %s, %s, __LINE__)"):format(a, rank)
    return operand.assign(fn, op.operands[1], "b64", call)
  elseif op.name == "mapa.shared::cluster.u32" then
    local call = ("rkp_map_cluster(me, %s, %s, __LINE__)"):format(a, rank)
    return operand.assign(fn, op.operands[1], "b32", call)
  end
  fn:fail("not known: %s", op.name)
end

local function gate(fn, text, space)
  return pointer(fn, { space = space }, text, 8)
end

-- The address that an operand names, as a number.
local function number(fn, text, c_type)
  local base, distance = operand.address(fn, text)
  return ("(%s)(%s + %d)"):format(c_type, operand.value(fn, base), distance)
end

-- Barriers in shared memory that count arrivals and bytes (PTX ISA, "mbarrier").
local MBARRIER = {
  ["mbarrier.init.shared::cta.b64"] = function(fn, o)
    return ("rkp_gate_init(me, %s, %s, __LINE__);"):format(gate(fn, o[1], "shared"),
      operand.value(fn, o[2]))
  end,
  ["mbarrier.inval.shared::cta.b64"] = function(fn, o)
    return ("rkp_gate_end(me, %s, __LINE__);"):format(gate(fn, o[1], "shared"))
  end,
  ["mbarrier.arrive.expect_tx.shared::cta.b64"] = function(fn, o)
    return ("rkp_gate_expect(me, %s, %s, __LINE__);"):format(gate(fn, o[2], "shared"),
      operand.value(fn, o[3]))
  end,
  ["mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64"] = function(fn, o)
    return ("rkp_gate_expect(me, %s, %s, __LINE__);"):format(gate(fn, o[2], "cluster"),
      operand.value(fn, o[3]))
  end,
  ["mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64"] = function(fn, o)
    return operand.assign(fn, o[1], "pred", ("rkp_gate_is_past(me, %s, %s, __LINE__)"):format(
      gate(fn, o[2], "shared"), operand.value(fn, o[3])))
  end,
  ["mbarrier.try_wait.parity.shared::cta.b64"] = function(fn, o)
    return operand.assign(fn, o[1], "pred", ("rkp_gate_is_past(me, %s, %s, __LINE__)"):format(
      gate(fn, o[2], "shared"), operand.value(fn, o[3])))
  end,
  ["st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64"] = function(fn, o)
    local list = elements(o[2])
    return ("rkp_store_async(me, %s, %s, %s, %s, __LINE__);"):format(
      number(fn, o[1], "uint32_t"),
      number(fn, o[3], "uint32_t"),
      operand.value(fn, list[1]),
      operand.value(fn, list[2])
    )
  end,
  ["cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes"] = function(fn, o)
    return ("rkp_bulk_load(me, %s, %s, %s, %s, __LINE__);"):format(
      number(fn, o[1], "uint32_t"),
      number(fn, o[2], "uint64_t"),
      operand.value(fn, o[3]),
      gate(fn, o[4], "shared")
    )
  end,
}

local FENCES = {
  ["fence.sc"] = "SC", ["fence.acq_rel"] = "ACQ_REL", ["fence"] = "ACQ_REL", membar = "SC",
}

local function fence(fn, op)
  if op.name:find("^fence%.proxy%.async") or op.name:find("^fence%.mbarrier_init") then
    return ("rkp_fence_proxy(me);")
  end
  local kind = op.name:match("^(fence%.sc)%.%a+$") or op.name:match("^(fence%.acq_rel)%.%a+$")
    or op.name:match("^(membar)%.%a+$")
  if not kind then
    fn:fail("not known: %s", op.name)
  end
  return ("rkp_fence(me, RKP_%s);"):format(FENCES[kind])
end

-- The statement in C for an instruction, or nil if it is another file's.
function M.translate(fn, op)
  local exact = MBARRIER[op.name]
  if exact then
    return exact(fn, op.operands)
  end
  local first = op.name:match("^%w+")
  if first == "ld" or first == "ldu" then
    return load(fn, op)
  elseif first == "st" then
    return store(fn, op)
  elseif first == "atom" or first == "red" then
    return atomic(fn, op)
  elseif first == "cvta" then
    return cvta(fn, op)
  elseif first == "isspacep" then
    return isspacep(fn, op)
  elseif first == "mapa" then
    return mapa(fn, op)
  elseif first == "fence" or first == "membar" then
    return fence(fn, op)
  elseif first == "prefetch" or first == "prefetchu" or first == "discard" then
    return ";"
  end
end

return M
