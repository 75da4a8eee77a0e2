-- SPDX-License-Identifier: MIT
-- Instructions that compute: integers, floating point, comparisons, conversions, moves.

local operand = require("operand")
local parse = require("parse")

local M = {}

local function words(name)
  local list = {}
  for word in name:gmatch("[^.]+") do
    list[#list + 1] = word
  end
  return list
end

-- The types among the words, in turn, and whether one of the others stands there.
local function types_of(fn, op, allowed)
  local types, has = {}, {}
  for i, word in ipairs(words(op.name)) do
    if i > 1 then
      if parse.BITS[word] then
        types[#types + 1] = word
      elseif allowed[word] then
        has[word] = true
      else
        fn:fail("'%s' is not known: %s", word, op.name)
      end
    end
  end
  return types, has
end

local ROUND = { rn = true, ftz = true, approx = true, full = true }

local function binary(c)
  return function(fn, op)
    local types = types_of(fn, op, ROUND)
    local kind = types[1]
    local a, b = operand.as(fn, kind, op.operands[2]), operand.as(fn, kind, op.operands[3])
    if kind:find("^s") and c:find("^[-+*&|^]$") then -- the bits are the same, and wrap
      kind = "u" .. operand.bits(kind)
      a, b = operand.as(fn, kind, op.operands[2]), operand.as(fn, kind, op.operands[3])
    end
    return operand.assign(fn, op.operands[1], kind, ("%s %s %s"):format(a, c, b))
  end
end

-- rkp_<what>_<type>(a, b, ...)
local function called(what)
  return function(fn, op)
    local types = types_of(fn, op, ROUND)
    local kind = types[1]
    local list = {}
    for i = 2, #op.operands do
      list[#list + 1] = operand.as(fn, kind, op.operands[i])
    end
    return operand.assign(fn, op.operands[1], kind,
      ("rkp_%s_%s(%s)"):format(what, kind, table.concat(list, ", ")))
  end
end

-- min and max have namesakes among the atomics.
local function extreme(what)
  local of_floats, of_integers = called(what), called("i" .. what)
  return function(fn, op)
    return (op.name:find("%.f%d+$") and of_floats or of_integers)(fn, op)
  end
end

-- The operands from the second on as they are, in an operation on bits.
local function on_bits(what, result)
  return function(fn, op)
    local name = op.name
    local kind = words(name)[#words(name)]
    if not parse.BITS[kind] then
      fn:fail("not known: %s", name)
    end
    local list = {}
    for i = 2, #op.operands do
      list[#list + 1] = operand.value(fn, op.operands[i])
    end
    return operand.assign(fn, op.operands[1], result or kind,
      ("rkp_%s_%s(%s)"):format(what, kind, table.concat(list, ", ")))
  end
end

local HIGH = { u16 = "uint32_t", s16 = "int32_t", u32 = "uint64_t", s32 = "int64_t",
  u64 = "unsigned __int128", s64 = "__int128" }
local WIDE = { u16 = "u32", s16 = "s32", u32 = "u64", s32 = "s64" }

local function product(fn, op, kind, mode)
  local a, b = op.operands[2], op.operands[3]
  if operand.is_float(kind) then
    return ("%s * %s"):format(operand.as(fn, kind, a), operand.as(fn, kind, b)), kind
  elseif mode.wide then
    local wide = WIDE[kind]
    return ("(%s)%s * %s"):format(operand.int_type(wide), operand.as(fn, kind, a),
      operand.as(fn, kind, b)), wide
  elseif mode.hi then
    local x, y = operand.as(fn, kind, a), operand.as(fn, kind, b)
    return ("((%s)%s * %s >> %d)"):format(HIGH[kind], x, y, operand.bits(kind)), kind
  end
  local plain = "u" .. operand.bits(kind)
  return ("(uint64_t)%s * %s"):format(operand.as(fn, plain, a), operand.as(fn, plain, b)), plain
end

local MODES = { lo = true, hi = true, wide = true, rn = true, ftz = true }

local function mul(fn, op)
  local types, mode = types_of(fn, op, MODES)
  local value, kind = product(fn, op, types[1], mode)
  return operand.assign(fn, op.operands[1], kind, value)
end

local function mad(fn, op)
  local types, mode = types_of(fn, op, MODES)
  if operand.is_float(types[1]) then
    local list = {}
    for i = 2, 4 do
      list[#list + 1] = operand.as(fn, types[1], op.operands[i])
    end
    return operand.assign(fn, op.operands[1], types[1],
      ("rkp_fma_%s(%s)"):format(types[1], table.concat(list, ", ")))
  end
  local value, kind = product(fn, op, types[1], mode)
  local plain = "u" .. operand.bits(kind)
  return operand.assign(fn, op.operands[1], plain,
    ("(%s)(%s) + %s"):format(operand.int_type(plain), value, operand.as(fn, plain, op.operands[4])))
end

-- A shift by as much as the type has bits, or more, is not C's.
local function shift(fn, op)
  local direction, kind = op.name:match("^sh([lr])%.(%w+)$")
  if not kind then
    fn:fail("not known: %s", op.name)
  end
  local plain = kind:gsub("^b", "u")
  return operand.assign(fn, op.operands[1], kind, ("rkp_sh%s_%s(%s, (uint32_t)%s)"):format(
    direction, plain, operand.as(fn, plain, op.operands[2]), operand.value(fn, op.operands[3])))
end

local COMPARE = {
  eq = "==", ne = "!=", lt = "<", le = "<=", gt = ">", ge = ">=",
  lo = "<", ls = "<=", hi = ">", hs = ">=", -- of unsigned ones
}
-- True as well where one of the two is no number.
local UNORDERED = { equ = "==", neu = "!=", ltu = "<", leu = "<=", gtu = ">", geu = ">=" }

local function comparison(fn, what, kind, a, b)
  local x, y = operand.as(fn, kind, a), operand.as(fn, kind, b)
  local unordered = ("(rkp_is_nan_%s(%s) || rkp_is_nan_%s(%s))"):format(kind, x, kind, y)
  if what == "num" or what == "nan" then
    return (what == "num" and "!" or "") .. unordered
  elseif UNORDERED[what] then
    return ("(%s %s %s || %s)"):format(x, UNORDERED[what], y, unordered)
  elseif what == "ne" and operand.is_float(kind) then
    return ("(%s < %s || %s > %s)"):format(x, y, x, y)
  end
  return ("(%s %s %s)"):format(x, COMPARE[what] or fn:fail("'%s' is not known", what), y)
end

local JOIN = { ["and"] = "&&", ["or"] = "||", xor = "!=" }

local function setp(fn, op)
  local list = words((op.name:gsub("%.ftz", "")))
  local what, join, kind = list[2], #list == 4 and list[3] or nil, list[#list]
  if kind:find("^b") then
    kind = "u" .. operand.bits(kind)
  end
  local value = comparison(fn, what, kind, op.operands[2], op.operands[3])
  local first, second = op.operands[1]:match("^(.-)|(.*)$")
  local joined = function(v)
    return join and ("%s %s %s"):format(v, JOIN[join], operand.value(fn, op.operands[4])) or v
  end
  local text = operand.assign(fn, first or op.operands[1], "pred", joined(value))
  if second then
    text = ("{ bool t = %s; %s %s }"):format(value, operand.assign(fn, first, "pred", joined("t")),
      operand.assign(fn, second, "pred", joined("!t")))
  end
  return text
end

local function selp(fn, op)
  local kind = words(op.name)[2]
  local bits = "b" .. operand.bits(kind)
  local a, b = operand.as(fn, bits, op.operands[2]), operand.as(fn, bits, op.operands[3])
  return operand.assign(fn, op.operands[1], bits,
    ("%s ? %s : %s"):format(operand.value(fn, op.operands[4]), a, b))
end

local function mov(fn, op)
  local kind = words(op.name)[2]
  local bits = kind == "pred" and kind or "b" .. operand.bits(kind)
  local target, source = op.operands[1], op.operands[2]
  local list = parse.split(target:match("^{(.*)}$") or source:match("^{(.*)}$") or "")
  if #list == 0 then
    return operand.assign(fn, target, bits, operand.value(fn, source))
  end
  local each = operand.bits(kind) // #list
  local text = {}
  if target:find("^{") then
    for i, name in ipairs(list) do
      text[i] = operand.assign(fn, name, "b" .. each,
        ("(uint64_t)%s >> %d"):format(operand.value(fn, source), (i - 1) * each))
    end
    return table.concat(text, " ")
  end
  for i, name in ipairs(list) do
    text[i] = ("(uint64_t)%s << %d"):format(operand.as(fn, "b" .. each, name), (i - 1) * each)
  end
  return operand.assign(fn, target, bits, table.concat(text, " | "))
end

local CVT = { rn = true, ftz = true, rni = "rint", rzi = "trunc", rmi = "floor", rpi = "ceil" }

local function cvt(fn, op)
  local types, mode = types_of(fn, op, CVT)
  local to, from = types[1], types[2]
  local value = operand.as(fn, from, op.operands[2])
  local round
  for word, c in pairs(CVT) do
    round = mode[word] and type(c) == "string" and c or round
  end
  if operand.is_float(from) and round then
    value = ("%s(%s)"):format(round, value)
  end
  if operand.is_float(to) then
    local c_type = to == "f32" and "float" or "double"
    return operand.assign(fn, op.operands[1], to, ("(%s)(%s)"):format(c_type, value))
  elseif operand.is_float(from) then
    value = ("rkp_to_%s(%s)"):format(to, round and value or fn:fail("no rounding: %s", op.name))
  end
  -- The register may be wider: it holds the value extended as its type says.
  return operand.assign(fn, op.operands[1], to, value)
end

local function negation(c)
  return function(fn, op)
    local kind = words(op.name)[#words(op.name)]
    if operand.is_float(kind) then
      return operand.assign(fn, op.operands[1], kind, c .. operand.as(fn, kind, op.operands[2]))
    end
    local bits = kind == "pred" and kind or "b" .. operand.bits(kind)
    return operand.assign(fn, op.operands[1], bits,
      (kind == "pred" and "!" or c) .. operand.as(fn, bits, op.operands[2]))
  end
end

local function lop3(fn, op)
  local o = op.operands
  local list = {}
  for i = 2, 5 do
    list[#list + 1] = operand.value(fn, o[i])
  end
  return operand.assign(fn, o[1], "b32", ("rkp_lop3(%s)"):format(table.concat(list, ", ")))
end

local function shf(fn, op)
  local direction, mode = op.name:match("^shf%.([lr])%.(%a+)%.b32$")
  if not mode then
    fn:fail("not known: %s", op.name)
  end
  local o = op.operands
  return operand.assign(fn, o[1], "b32", ("rkp_shf_%s(%s, %s, (uint32_t)%s, %d)"):format(direction,
    operand.as(fn, "b32", o[2]), operand.as(fn, "b32", o[3]), operand.value(fn, o[4]),
    mode == "clamp" and 1 or 0))
end

local OPERATIONS = {
  add = binary("+"), sub = binary("-"),
  ["and"] = binary("&"), ["or"] = binary("|"), xor = binary("^"),
  mul = mul, mad = mad, fma = mad, div = called("div"), rem = called("rem"), min = extreme("min"),
  max = extreme("max"), abs = called("abs"), neg = negation("-"), ["not"] = negation("~"),
  shl = shift, shr = shift, shf = shf, setp = setp, selp = selp, mov = mov, cvt = cvt, lop3 = lop3,
  bfe = on_bits("bfe"), bfi = on_bits("bfi"), brev = on_bits("brev"), clz = on_bits("clz", "b32"),
  popc = on_bits("popc", "b32"), prmt = on_bits("prmt"), rcp = called("rcp"), sqrt = called("sqrt"),
  rsqrt = called("rsqrt"), sin = called("sin"), cos = called("cos"), ex2 = called("ex2"),
  lg2 = called("lg2"), copysign = called("copysign"),
}

-- The statement in C for an instruction, or nil if it is another file's.
function M.translate(fn, op)
  local operation = OPERATIONS[op.name:match("^%w+")]
  return operation and operation(fn, op)
end

return M
