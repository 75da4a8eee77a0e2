-- Reads PTX text as NVRTC writes it and tells which memory each instruction touches, and how.
--
-- `ptx.functions(text)` splits a module; `ptx.accesses(body)` lists the memory accesses of a
-- function in the order of the text, each with its instruction and its address in a canonical form:
-- the sum of what the address is made of, and a constant offset. Two accesses touch the same word
-- exactly if both agree, so a store to a sequence word is found however the compiler came to its
-- address. An address that is not computed once (a loop variable, say) is marked as unknown.
-- `ptx.marker_problem(marker, text)` and `ptx.grid_problem(text)` say what is wrong with a marker
-- kernel (kernel_markers.lua) or the grid, nil if nothing is; `ptx.counted_problem` does so for
-- kernels whose order lies in barriers. Used by check_kernels.lua.

local M = {}

local WIDTH = { b8 = 1, u8 = 1, s8 = 1, b16 = 2, u16 = 2, s16 = 2, b32 = 4, u32 = 4, s32 = 4,
  f32 = 4, b64 = 8, u64 = 8, s64 = 8, f64 = 8, b128 = 16 }

-- Instructions that hand a value on unchanged.
local COPIES = { mov = true, cvta = true }

--- Functions of a module: a list of { name, entry = boolean, body = text }, also by name.
function M.functions(text)
  local out = {}
  text = text:gsub("//[^\n]*", "")
  for head, body in text:gmatch("(%.[%a ._]*[%.%a]+[^;{}]-)%s*(%b{})") do
    local entry = head:match("%.entry%s+([%w_$]+)")
    local name = entry or head:match("%.func%s+%b()%s*([%w_$]+)")
      or head:match("%.func%s+([%w_$]+)")
    if name then
      out[#out + 1] = { name = name, entry = entry ~= nil, body = body }
      out[name] = out[#out]
    end
  end
  return out
end

--- Splits operands at the commas outside of [] and {}.
local function split_operands(text)
  local out = {}
  local current = ""
  local depth = 0
  for char in text:gmatch(".") do
    if char == "[" or char == "{" or char == "(" then
      depth = depth + 1
    elseif char == "]" or char == "}" or char == ")" then
      depth = depth - 1
    end
    if char == "," and depth == 0 then
      out[#out + 1] = current
      current = ""
    else
      current = current .. char
    end
  end
  out[#out + 1] = current
  for index, operand in ipairs(out) do
    out[index] = operand:match("^%s*(.-)%s*$")
  end
  return out
end

--- Instructions of a function: { op = "ld.global.u64", kind = "ld", operands = {...} }.
local function instructions(body)
  local out = {}
  for statement in body:sub(2, -2):gmatch("[^;]+") do
    statement = statement:gsub("[%w_$]+:%s", " "):gsub("%s+", " "):match("^ *(.-) *$")
    statement = statement:gsub("^[{} ]*", ""):gsub("^@!?%%p%d+ ", "")
    local op, rest = statement:match("^([%a][%w_.:]*) ?(.*)$")
    if op then
      out[#out + 1] = { op = op, kind = op:match("^%a+"), operands = split_operands(rest) }
    end
  end
  return out
end

local STORES = { st = true, red = true, bra = true, ret = true, call = true, bar = true }

--- Registers that an instruction writes.
local function targets(instruction)
  local first = instruction.operands[1]
  if not first or STORES[instruction.kind] then
    return {}
  end
  local out = {}
  for register in first:gmatch("%%[%a]+%d+") do
    out[#out + 1] = register
  end
  return out
end

-- A value is { terms = { [text] = count }, offset = integer }.
local function term(text)
  return { terms = { [text] = 1 }, offset = 0 }
end

--- The part of a value that is not constant, as text: "param_0" or "[param_0+16]+shl(param_1,4)".
local function base_text(value)
  local names = {}
  for name, count in pairs(value.terms) do
    if count ~= 0 then
      names[#names + 1] = count == 1 and name or ("%d*%s"):format(count, name)
    end
  end
  table.sort(names)
  return table.concat(names, "+")
end

local function value_text(value)
  local base = base_text(value)
  if value.offset == 0 and base ~= "" then
    return base
  end
  return ("%s%s%d"):format(base, base ~= "" and value.offset >= 0 and "+" or "", value.offset)
end

local function sum(a, b, sign)
  local out = { terms = {}, offset = a.offset + sign * b.offset }
  for name, count in pairs(a.terms) do
    out.terms[name] = count
  end
  for name, count in pairs(b.terms) do
    out.terms[name] = (out.terms[name] or 0) + sign * count
  end
  return out
end

--- The value of an operand, given those of the registers.
local function value_of(operand, values)
  local number = math.tointeger(tonumber(operand))
  if number then
    return { terms = {}, offset = number }
  end
  return values[operand] or term(operand)
end

--- The address inside [...], or nil.
local function address_of(operand, values)
  local inner = operand:match("^%[(.-)%]$")
  if not inner then
    return nil
  end
  local name, offset = inner:match("^([^+]+)%+(%-?%d+)$")
  local value = value_of(name or inner, values)
  return sum(value, { terms = {}, offset = math.tointeger(tonumber(offset or 0)) }, 1)
end

--- What a register-to-register instruction computes.
local function compute(instruction, values)
  local operands = {}
  for index = 2, #instruction.operands do
    operands[#operands + 1] = value_of(instruction.operands[index], values)
  end
  if COPIES[instruction.kind] and #operands == 1 then
    return operands[1]
  elseif instruction.op:find("^add%.[su]64$") then
    return sum(operands[1], operands[2], 1)
  elseif instruction.op:find("^sub%.[su]64$") then
    return sum(operands[1], operands[2], -1)
  end
  local texts = {}
  for index, operand in ipairs(operands) do
    texts[index] = value_text(operand)
  end
  return term(("%s(%s)"):format(instruction.kind, table.concat(texts, ",")))
end

local function new_access(instruction, address)
  local width = WIDTH[instruction.op:match("%.(%a%d+)$")] or 16
  local lanes = tonumber(instruction.op:match("%.v(%d)%f[.]") or 1)
  local base = base_text(address)
  return {
    op = instruction.op,
    base = base,
    offset = address.offset,
    bytes = width * lanes,
    is_weak = not instruction.op:find("%.relaxed%.") and not instruction.op:find("%.acquire%.")
      and not instruction.op:find("%.release%.") and not instruction.op:find("%.acq_rel%."),
    is_store = instruction.kind ~= "ld" and instruction.kind ~= "ldu",
    is_unknown = base:find("loop:", 1, true) ~= nil,
  }
end

--- The memory accesses of a function, in the order of its text. Parameters are called param_0 and
-- so on.
function M.accesses(body)
  local list = instructions(body)
  local written, values, out = {}, {}, {}
  for _, instruction in ipairs(list) do
    for _, register in ipairs(targets(instruction)) do
      written[register] = (written[register] or 0) + 1
    end
  end
  for _, instruction in ipairs(list) do
    local kind = instruction.kind
    local result
    local source = kind == "st" and 1 or kind == "red" and 1 or 2
    if instruction.op:find("^ld%.param") then
      local index = instruction.operands[2]:match("param_(%d+)[%]+]")
      result = term(index and "param_" .. index or instruction.operands[2])
    elseif (kind == "ld" or kind == "ldu" or kind == "st" or kind == "atom" or kind == "red")
      and not instruction.op:find("%.param") then
      local address = address_of(instruction.operands[source] or "", values)
      if address then
        out[#out + 1] = new_access(instruction, address)
        result = term(("[%s]"):format(value_text(address)))
      end
    elseif kind ~= "call" and #instruction.operands > 1 then
      result = compute(instruction, values)
    end
    for index, register in ipairs(targets(instruction)) do
      if written[register] > 1 then
        values[register] = term("loop:" .. register)
      elseif result then
        values[register] = index == 1 and result or term(register)
      end
    end
  end
  return out
end

-- ---- what must be so ----

--- What is wrong with a marker kernel's accesses, or nil.
function M.marker_problem(marker, text)
  local kernel = M.functions(text)["mark_" .. marker.name]
  if not kernel then
    return "the kernel is not in the PTX"
  end
  local wanted, found = {}, {}
  for _, op in ipairs(marker.ops) do
    wanted[op] = true
  end
  local accesses = M.accesses(kernel.body)
  local first, last
  for index, access in ipairs(accesses) do
    local at = ("%s [%s%+d]"):format(access.op, access.base, access.offset)
    if access.is_unknown then
      return at .. ": the address cannot be followed"
    elseif access.op:find("%.nc%f[.]") or access.op:find("^ldu") then
      return at .. ": read-only cached load"
    elseif access.op:find("%.volatile") then
      return at .. ": volatile access"
    elseif access.base == marker.base and access.offset < marker.offset + 8
      and access.offset + access.bytes > marker.offset then
      if not wanted[access.op] or access.offset ~= marker.offset then
        return at .. ": not one of " .. table.concat(marker.ops, ", ")
      end
      found[access.op] = true
      first, last = first or index, index
    end
  end
  for _, op in ipairs(marker.ops) do
    if not found[op] then
      return ("no %s [%s%+d]"):format(op, marker.base, marker.offset)
    end
  end
  for index, access in ipairs(accesses) do
    local at = ("%s [%s%+d]"):format(access.op, access.base, access.offset)
    if marker.order == "before" and access.is_weak and access.is_store and index > first then
      return at .. ": stands after the release"
    elseif marker.order == "after" and access.is_weak and access.base == marker.base
      and index < last then
      return at .. ": stands before the acquire"
    end
  end
  return nil
end

--- What is wrong with the barriers that count bytes in a marker kernel, or nil.
function M.counted_problem(marker, text)
  local body
  for _, f in ipairs(M.functions(text)) do
    if f.name == "mark_" .. marker.name and not marker.within
      or marker.within and not f.entry and f.name:find(marker.within, 1, true) then
      body = f.body
    end
  end
  if not body then
    return "the function is not in the PTX"
  end
  local step = 0
  for _, instruction in ipairs(instructions(body)) do
    local op = instruction.op
    local is_again = op == marker.steps[step]
    if op == marker.steps[step + 1] then
      step = step + 1
    elseif not is_again and (op:find("mbarrier", 1, true) or op:find("async", 1, true)
      or op:find("^fence")) then
      return ("%s: not where it belongs"):format(op)
    elseif not is_again and op:sub(1, #marker.never) == marker.never
      and not op:find("^st%.param") and not (marker.unless_after and step == #marker.steps) then
      return ("%s: stands among what the barrier orders"):format(op)
    end
  end
  return step < #marker.steps and "no " .. marker.steps[step + 1] or nil
end

-- What the grid cannot do without. From the entry and the functions it calls.
local GRID_OPS = {
  "ld.acquire.sys.u64", "st.release.sys.u64", "st.release.sys.u32", "ld.relaxed.sys.u32",
  "ld.acquire.gpu.u64", "st.release.gpu.u64", "atom.acq_rel.gpu.global.cas.b64",
  "atom.acq_rel.gpu.global.add.u64", "atom.acq_rel.gpu.global.exch.b32",
  "atom.acq_rel.gpu.global.or.b64", "atom.acquire.gpu.global.cas.b64",
  "red.release.gpu.global.add.u64",
  "barrier.sync 0",
}
local GRID_NEVER = {
  { pattern = "%f[%w]ldu?%.[%w.]*volatile", what = "volatile load" },
  { pattern = "%f[%w]st%.[%w.]*volatile", what = "volatile store" },
  { pattern = "%f[%w]ld%.[%w.]*%.nc%f[.]", what = "read-only cached load" },
  { pattern = "%f[%w]ldu%.", what = "uniform load" },
  { pattern = "%f[%w]bar%.sync", what = "barrier that wants whole warps" },
  { pattern = "%f[%w]barrier%.[%w.]*aligned", what = "barrier that wants whole warps" },
}

--- What is wrong with a module that holds the grid, or nil.
function M.grid_problem(text)
  local functions = M.functions(text)
  if not (functions.rk_grid and functions.rk_grid.entry) then
    return "there is no entry rk_grid"
  end
  local problems = {}
  for _, op in ipairs(GRID_OPS) do
    if not text:find(op, 1, true) then
      problems[#problems + 1] = "no " .. op
    end
  end
  for _, never in ipairs(GRID_NEVER) do
    local at = text:match("[^\n]*" .. never.pattern .. "[^\n]*")
    if at then
      problems[#problems + 1] = ("%s: %s"):format(never.what, at:match("^%s*(.*)$"))
    end
  end
  return #problems > 0 and table.concat(problems, "\n") or nil
end

local BULK_OPS = {
  "mbarrier.init.shared::cta.b64", "fence.proxy.async", "mbarrier.arrive.expect_tx.shared::cta.b64",
  "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes",
  "mbarrier.try_wait.parity.shared::cta.b64", "mbarrier.inval.shared::cta.b64",
}
local COUNTED_OPS = {
  "mbarrier.init.shared::cta.b64", "fence.mbarrier_init.release.cluster",
  "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64",
  "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64",
  "mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64", "mapa.shared::cluster.u32",
  "mbarrier.inval.shared::cta.b64",
}
local CLUSTER_OPS = {
  "barrier.cluster.arrive.release", "barrier.cluster.wait.acquire", "mapa.u64",
  "ld.acquire.cluster.u64", "st.release.cluster.u64",
}

local function lacking(text, ops)
  local problems = {}
  for _, op in ipairs(ops) do
    if not text:find(op, 1, true) then
      problems[#problems + 1] = "no " .. op
    end
  end
  return #problems > 0 and table.concat(problems, "\n") or nil
end

--- What a module lacks that holds a grid in clusters, or nil; `counted`: with lanes of that form.
function M.cluster_problem(text, counted)
  return lacking(text, CLUSTER_OPS) or counted and lacking(text, COUNTED_OPS) or nil
end

--- What a module lacks whose handlers load shared memory with the copy engine, or nil.
function M.bulk_problem(text)
  return lacking(text, BULK_OPS)
end

--- Registers of the entry, and bytes spilled by all functions, from the assembler's report.
function M.resources(text)
  local spilled, where = 0, {}
  local name = "?"
  for line in text:gmatch("[^\n]+") do
    name = line:match("Function properties for ([%w_$]+)") or name
    local stores, loads = line:match("(%d+) bytes spill stores, (%d+) bytes spill loads")
    if stores and tonumber(stores) + tonumber(loads) > 0 then
      spilled = spilled + tonumber(stores) + tonumber(loads)
      where[#where + 1] = ("%s spills: %s bytes of stores, %s of loads"):format(name, stores, loads)
    end
  end
  return {
    registers = tonumber(text:match("Used (%d+) registers")),
    shared = tonumber(text:match("(%d+) bytes smem")) or 0,
    stack = tonumber(text:match("(%d+) bytes cumulative stack")) or 0,
    spilled = spilled,
    where = table.concat(where, "\n"),
  }
end

return M
