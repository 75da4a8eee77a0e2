-- Reads a listing of machine code as nvdisasm prints it (-c -gi) and counts what costs time in it.
--
-- `listing.read(text)` returns the functions in the order of the text: { name, instructions =
-- {...} }, an instruction being { op = "LD.E.64.STRONG.SYS", at = offset, lines = {
-- "rk_grid_dev.h:308", ... } }, the innermost line first. `listing.count(func)` counts kinds of
-- instructions; `listing.KINDS` names them and says what each is. `listing.sources(func, kind)`
-- tells which lines of the source they come from: the innermost that stands in none of the headers
-- which only wrap single instructions.
--
-- `listing.plain_name(label)` is the last name of a mangled one.
--
-- Used by scripts/sass.lua and ptx_count.lua; tested by spec/bench/sass_spec.lua.

local M = {}

-- In the order in which they are shown. `find` are patterns, one of which the opcode matches.
M.KINDS = {
  { name = "fence", find = { "^MEMBAR", "^FENCE" }, text = "waits until earlier stores are seen" },
  { name = "inval", find = { "^CCTL%.IVALL" }, text = "empties the L1 cache: behind each acquire" },
  { name = "atomic", find = { "^ATOM", "^RED" }, text = "read-modify-writes" },
  { name = "far", find = { "^LDG?%..*STRONG%.SYS" }, text = "loads of system scope" },
  { name = "load", find = { "^LDG?%." }, text = "loads from memory, of system scope too" },
  { name = "store", find = { "^STG?%." }, text = "stores to memory" },
  { name = "byte", find = { "^LD.*%.[US]8", "^ST.*%.[US]8" }, text = "loads and stores of a byte" },
  { name = "shared", find = { "^LDS", "^STS" }, text = "shared memory" },
  { name = "local", find = { "^LDL", "^STL" }, text = "the stack" },
  { name = "call", find = { "^CALL" }, text = "functions that were not inlined" },
  { name = "r2ur", find = { "^R2UR" }, text = "moves to the uniform registers" },
  { name = "divide", find = { "^I2F", "^F2I", "^MUFU%.RCP" }, text = "steps of a division" },
}

-- Lines of these say nothing about who asked.
local WRAPPERS = { ["rk_atomic.h"] = true, ["rk_ptx_dev.h"] = true, ["rk_dev.h"] = true }

--- The last name of a mangled one: "_ZN12_GLOBAL_17rkd_turnEP8rk_block" gives "rkd_turn".
function M.plain_name(label)
  local name = label:match("__cuda_%w[%w_]*$")
  local at = name == nil and label:match("_ZN?L?()%d")
  while at do
    local digits, first = label:match("^(%d+)()", at)
    if not digits then
      break
    end
    at = first + tonumber(digits)
    name = label:sub(first, at - 1)
  end
  return name or label:match("[^$]+$") or label
end

--- Lines of "//## File "a.h", line 1 inlined at "b.h", line 2": only the first; the next such line
--- tells where that one was inlined.
local function line_of(text)
  local path, line = text:match('^%s*//## File "(.-)", line (%d+)')
  return path and ("%s:%s"):format(path:match("[^/]+$"), line)
end

function M.read(text)
  local functions, current = {}, nil
  local lines, is_new = {}, true
  for row in text:gmatch("[^\n]+") do
    local label = row:match("^([%w_$]+):%s*$")
    local at, op = row:match("^%s*/%*(%x+)%*/%s+(.-)%s*;")
    local line = line_of(row)
    if label then
      current = { name = M.plain_name(label), instructions = {} }
      functions[#functions + 1] = current
    elseif line then
      if is_new then
        lines, is_new = {}, false
      end
      lines[#lines + 1] = line
    elseif op and current then
      op = op:gsub("^[{%s]*", ""):gsub("^@!?U?P[%dT]+%s+", ""):match("^%S+")
      current.instructions[#current.instructions + 1] =
        { op = op, at = tonumber(at, 16), lines = lines }
      is_new = true
    end
  end
  return functions
end

local function is_kind(kind, op)
  for _, pattern in ipairs(kind.find) do
    if op:find(pattern) then
      return true
    end
  end
  return false
end

--- How many instructions of each kind; `total` are all.
function M.count(func)
  local out = { total = #func.instructions }
  for _, kind in ipairs(M.KINDS) do
    out[kind.name] = 0
    for _, instruction in ipairs(func.instructions) do
      if is_kind(kind, instruction.op) then
        out[kind.name] = out[kind.name] + 1
      end
    end
  end
  return out
end

local function source_of(instruction)
  for _, line in ipairs(instruction.lines) do
    if not WRAPPERS[line:match("^[^:]+")] then
      return line
    end
  end
  return instruction.lines[1] or "?"
end

--- The source lines of the instructions of a kind: a list of { line, op, count } in the order of
--- the code.
function M.sources(func, name)
  local out, known = {}, {}
  for _, kind in ipairs(M.KINDS) do
    for _, instruction in ipairs(kind.name == name and func.instructions or {}) do
      if is_kind(kind, instruction.op) then
        local line = source_of(instruction)
        local key = line .. " " .. instruction.op
        if not known[key] then
          known[key] = { line = line, op = instruction.op, count = 0 }
          out[#out + 1] = known[key]
        end
        known[key].count = known[key].count + 1
      end
    end
  end
  return out
end

return M
