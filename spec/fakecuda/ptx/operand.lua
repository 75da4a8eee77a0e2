-- SPDX-License-Identifier: MIT
-- Operands of PTX as expressions in C, and the types of registers.
--
-- Every register is an unsigned integer of its size (a predicate a bool); floating point is in the
-- operations (rkptx.h: rkp_f32 and so on). So what PTX does not define, such as an overflow, wraps
-- here.

local parse = require("parse")

local M = {}

local C_TYPE = {
  [1] = "bool", [8] = "uint8_t", [16] = "uint16_t", [32] = "uint32_t", [64] = "uint64_t",
}
M.C_TYPE = C_TYPE

function M.bits(kind)
  return parse.BITS[kind]
end

function M.c_type(kind)
  return C_TYPE[parse.BITS[kind]]
end

-- The signed or unsigned C type that an operation of this type computes in.
function M.int_type(kind)
  local bits = parse.BITS[kind]
  return bits == 1 and "bool" or (kind:sub(1, 1) == "s" and "int" or "uint") .. bits .. "_t"
end

function M.is_float(kind)
  return kind:sub(1, 1) == "f"
end

-- The C name of a register, label or local variable.
function M.name(ptx)
  return (ptx:gsub("^%%", "R_"):gsub("%%", "_"))
end

local SPECIAL = {
  ["%laneid"] = "(me->index % 32u)", ["%warpid"] = "(me->index / 32u)",
  ["%lanemask_eq"] = "(1u << me->index % 32u)",
  ["%lanemask_lt"] = "((1u << me->index % 32u) - 1u)",
  ["%lanemask_le"] = "((2u << me->index % 32u) - 1u)",
  ["%lanemask_ge"] = "(~0u << me->index % 32u)",
  ["%lanemask_gt"] = "(~1u << me->index % 32u)",
  ["%globaltimer"] = "rkp_time(me)", ["%clock64"] = "rkp_time(me)",
  ["%clock"] = "(uint32_t)rkp_time(me)", ["%smid"] = "me->ids->block[0]",
  ["%cluster_ctarank"] = "me->ids->cluster_rank", ["%cluster_nctarank"] = "me->ids->cluster_size",
}
for i, axis in ipairs({ "x", "y", "z" }) do
  SPECIAL["%tid." .. axis] = ("me->ids->thread[%d]"):format(i - 1)
  SPECIAL["%ntid." .. axis] = ("me->ids->threads[%d]"):format(i - 1)
  SPECIAL["%ctaid." .. axis] = ("me->ids->block[%d]"):format(i - 1)
  SPECIAL["%nctaid." .. axis] = ("me->ids->blocks[%d]"):format(i - 1)
end

local function literal(text, fail)
  local single = text:match("^0[fF](%x%x%x%x%x%x%x%x)$")
  if single then
    return "0x" .. single .. "u"
  end
  local double = text:match("^0[dD](" .. ("%x"):rep(16) .. ")$")
  if double then
    return "UINT64_C(0x" .. double .. ")"
  end
  local digits = text:match("^(.-)U?$")
  local value = math.tointeger(tonumber(digits))
  if value then
    return ("UINT64_C(0x%x)"):format(value)
  elseif not digits:find("^%d+$") then
    fail("an operand that is not understood: %s", text)
  end
  return ("UINT64_C(%s)"):format(digits) -- above the largest signed number
end

-- A variable's address in its own space.
local function address_of(symbol)
  if symbol.space == "shared" then
    return ("UINT64_C(%d)"):format(symbol.offset)
  elseif symbol.space == "local" then
    return "(uint64_t)" .. symbol.c_name
  elseif symbol.space == "function" then
    return "(uint64_t)(uintptr_t)" .. symbol.c_name
  elseif symbol.space == "param" then
    return "(uint64_t)(uintptr_t)" .. symbol.c_name
  end
  return "(uint64_t)(uintptr_t)&" .. symbol.c_name
end

-- The value of a register, a special register, a number or a variable's address.
function M.value(fn, text)
  if fn:register(text) then
    return M.name(text)
  end
  if SPECIAL[text] then
    return SPECIAL[text]
  end
  if text:find("^%-?[%d]") then
    return literal(text, function(...)
      fn:fail(...)
    end)
  end
  if text:find("^!") then
    return "!" .. M.value(fn, text:sub(2))
  end
  local symbol, plus = text:match("^([%w_$]+)%s*(%+?%s*%-?%d*)$")
  symbol = symbol and fn:symbol(symbol)
  if symbol then
    local far = plus ~= "" and (" + UINT64_C(%s)"):format(plus:match("%d+")) or ""
    return "(" .. address_of(symbol) .. far .. ")"
  end
  fn:fail("an operand that is not known: %s", text)
end

-- The value as the type an operation computes in.
function M.as(fn, kind, text)
  local value = M.value(fn, text)
  if kind == "pred" then
    return value
  elseif kind == "f32" or kind == "f64" then
    return ("rkp_%s((%s)%s)"):format(kind, M.c_type(kind), value)
  end
  return ("(%s)%s"):format(M.int_type(kind), value)
end

-- Stores an expression of type `kind` into a register, which may be wider.
function M.assign(fn, target, kind, expression)
  if target == "_" then
    return ("(void)(%s);"):format(expression)
  end
  local to = fn:register(target) or fn:fail("a register expected, not %s", target)
  if kind == "f32" or kind == "f64" then
    expression = ("rkp_bits_%s(%s)"):format(kind, expression)
  elseif kind ~= "pred" then
    expression = ("(%s)(%s)"):format(M.int_type(kind), expression)
  end
  return ("%s = (%s)%s;"):format(M.name(target), M.c_type(to), expression)
end

-- "[%rd1+16]" -> the base's text, the distance.
function M.address(fn, text)
  local base, sign, distance = text:match("^%[%s*([%w_$%%]+)%s*([+-]?)%s*(%-?%d*)%s*%]$")
  if not base then
    fn:fail("an address that is not understood: %s", text)
  end
  local number = math.tointeger(tonumber(distance ~= "" and distance or "0"))
  return base, sign == "-" and -number or number
end

return M
