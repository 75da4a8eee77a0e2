-- Shows how many instructions of PTX ran, by kind, function and line of the source. Which ran was
-- counted by the tests' driver (RKFAKE_COUNT, spec/fakecuda/ptx/rkptx_count.h), on PTX with line
-- information (RINGKERNEL_LINEINFO=1).
--
--   lua5.4 scripts/ptx_count.lua FILE [--per N] [--top N]
--
-- FILE is what the driver wrote. Numbers are divided by --per; --top limits functions and lines.
-- `make ptx-count` runs this; bench/gpu/PTX.md says what was found.

package.path = "scripts/?.lua;" .. package.path

local listing = require "sass_listing"

local KINDS = {
  { "generic loads", "^ld%.[ubsf]%d", "^ld%.v%d", "^ld%.volatile%.[ubsfv]%d" },
  { "loads of device memory", "^ld%.[%w.]*global", "^ld%.relaxed", "^ld%.acquire" },
  { "loads of shared memory", "^ld%.[%w.]*shared" },
  { "loads of the stack and parameters", "^ld%.local", "^ld%.param" },
  { "stores", "^st%.[^pls]", "^st%.[%w.]*global" },
  { "stores to shared memory", "^st%.[%w.]*shared" },
  { "stores to the stack and parameters", "^st%.local", "^st%.param" },
  { "fences", "^fence", "^membar" },
  { "read-modify-writes", "^atom", "^red" },
  { "branches and calls", "^bra", "^brx", "^call", "^ret" },
  { "comparisons", "^setp", "^selp" },
}

local function quit(status, format, ...)
  io.stderr:write(format:format(...))
  os.exit(status)
end

local function open(path)
  local file, message = io.open(path, "rb")
  return file or quit(1, "ptx_count: cannot read %s\n", message)
end

--- The path of the PTX, and the counts by line.
local function read_counts(path)
  local counts = {}
  local file <close> = open(path)
  local ptx = file:read("l") or quit(1, "ptx_count: %s is empty\n", path)
  for row in file:lines() do
    local line, count = row:match("^(%d+) (%d+)$")
    counts[tonumber(line)] = tonumber(count)
  end
  return ptx, counts
end

--- Texts that .loc refers to stand as bytes behind all functions.
local function read_names(rows)
  local names, current = {}, nil
  for _, row in ipairs(rows) do
    local label = row:match("^([%w_$]*info_string%d*):")
    if label then
      names[label] = ""
      current = label
    elseif current then
      local bytes = row:match("^%s*%.b8%s+(.*)$")
      if bytes then
        for byte in bytes:gmatch("%d+") do
          names[current] = names[current] .. (byte ~= "0" and string.char(tonumber(byte)) or "")
        end
      else
        current = nil
      end
    end
  end
  return names
end

local function read_files(rows)
  local files = {}
  for _, row in ipairs(rows) do
    local number, path = row:match('^%s*%.file%s+(%d+)%s+"([^"]*)"')
    if number then
      files[number] = path:match("[^/]+$")
    end
  end
  return files
end

--- The instruction of a row, behind its predicate.
local function op_of(row)
  return row:gsub("^%s*@!?%%[%w_]+", ""):match("^%s*{?%s*(%l[%w_.:]*)") or ""
end

local function kind_of(op)
  for _, kind in ipairs(KINDS) do
    for i = 2, #kind do
      if op:find(kind[i]) then
        return kind[1]
      end
    end
  end
  return "arithmetic and moves"
end

local function add(list, key, count)
  list[key] = (list[key] or 0) + count
end

--- Counts by kind, by function and by line of the source, and all together.
local function sum(rows, counts)
  local names, files = read_names(rows), read_files(rows)
  local out = { kinds = {}, functions = {}, lines = {}, all = 0 }
  local outer, at
  for i, row in ipairs(rows) do
    if row:find("^%s*%.func") or row:find("^%.visible %.entry") then
      outer = (row:match("([%w_$]+)%s*%(?%)?%s*$") or row:match("([%w_$]+)%s*%("))
      at = nil
    end
    local file, line, rest = row:match("^%s*%.loc%s+(%d+)%s+(%d+)%s+%d+(.*)$")
    if file then
      at = { name = names[rest:match("function_name%s+([%w_$]+)")] or outer, file = file,
        line = line }
    end
    local count = counts[i]
    if count then
      local name = listing.plain_name(at and at.name or outer or "?")
      out.all = out.all + count
      add(out.kinds, kind_of(op_of(row)), count)
      add(out.functions, name, count)
      add(out.lines, ("%s:%s in %s"):format(at and files[at.file] or "?", at and at.line or "?",
        name), count)
    end
  end
  return out
end

local function show(title, list, per, top)
  local keys = {}
  for key in pairs(list) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return list[a] > list[b] or list[a] == list[b] and a < b
  end)
  print("\n" .. title)
  for i = 1, math.min(top, #keys) do
    print(("%10.2f  %s"):format(list[keys[i]] / per, keys[i]))
  end
end

local function main(words)
  local path, options = words[1], { per = 1, top = 40 }
  for i = 2, #words, 2 do
    local name = words[i]:match("^%-%-(%l+)$")
    local value = math.tointeger(tonumber(words[i + 1]))
    if not options[name] or not value or value < 1 then
      path = nil
      break
    end
    options[name] = value
  end
  if not path then
    quit(2, "usage: ptx_count.lua FILE [--per N] [--top N]\n")
  end
  local ptx, counts = read_counts(path)
  local rows = {}
  local file <close> = open(ptx)
  for row in file:lines() do
    rows[#rows + 1] = row
  end
  local found = sum(rows, counts)
  print(("instructions of PTX: %.2f"):format(found.all / options.per))
  show("by kind", found.kinds, options.per, options.top)
  show("by function", found.functions, options.per, options.top)
  show("by line", found.lines, options.per, options.top)
end

main(arg)
