-- SPDX-License-Identifier: MIT
--- The stock kernels as PTX inside the library, for machines with a driver and no NVRTC.
--
--   lua5.4 scripts/prebuilt.lua unit OUT.cu     the device source of all stock kernels
--   lua5.4 scripts/prebuilt.lua pack NEW.ptx    makes kernels/prebuilt/stock.ptx of its PTX
--   lua5.4 scripts/prebuilt.lua check           is stock.ptx what the sources would give?
--   lua5.4 scripts/prebuilt.lua c OUT.c         stock.ptx, packed, as a C table (cuda_prebuilt.h)
--
-- The first line of stock.ptx tells what it was made of: a hash of the unit and of every header
-- that it reaches, the ABI version, threads a block, the names of the definitions in the order of
-- their numbers. So `check` needs no NVRTC; `make prebuilt` (unit, NVRTC, pack) does.
--
-- Run from the top folder by the Makefile (prebuilt, the build) and by scripts/lint.sh.

package.path = "lua/?.lua;lua/?/init.lua;scripts/?.lua;" .. package.path

local device = require "ringkernel.codegen_device"
local pack_text = require("pack").pack
local stock = require "ringkernel.stock"

local STOCK_PTX = "kernels/prebuilt/stock.ptx"
local HEADERS = "kernels/include/"
local USAGE = "usage: prebuilt.lua unit OUT.cu | pack NEW.ptx | check | c OUT.c"
local ARCH = 75
-- NVRTC names the newest PTX version it can, which older drivers refuse; the code needs no newer
-- one than this, of CUDA 11.0 (ptxas says so if it does).
local PTX_VERSION = "7.0"
local HEAD = "// ringkernel stock kernels: inputs %s, abi %d, arch %d, threads %d, names %s"
local HEAD_PATTERN = "^// ringkernel stock kernels: inputs (%x+), abi (%d+), arch (%d+), "
  .. "threads (%d+), names ([%w_ ]+)\n"

local function fail(...)
  io.stderr:write("prebuilt.lua: ", string.format(...), "\n")
  os.exit(1)
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message
  end
  local text = file:read("a")
  file:close()
  return text
end

local function need(path)
  local text, message = read(path)
  return text or fail("cannot read %s", message)
end

local function write(path, text)
  local file, message = io.open(path, "wb")
  if not (file and file:write(text) and file:close()) then
    fail("cannot write %s", message or path)
  end
end

-- ---- what the image is made of ----

local function definitions()
  local list = {}
  for index, entry in ipairs(stock.list) do
    list[index] = stock.definition(entry.name, need(("kernels/%s.cu"):format(entry.name)))
  end
  return list
end

--- FNV-1a of 64 bits, continued over `text` and a zero byte.
local function hash_text(hash, text)
  for index = 1, #text do
    hash = (hash ~ text:byte(index)) * 0x100000001b3
  end
  return hash * 0x100000001b3
end

--- Adds the headers that `text` includes, and those that they include, to `found`.
local function collect_headers(text, found)
  for name in text:gmatch('\n[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"') do
    if found[name] == nil then
      local header = read(HEADERS .. name)
      found[name] = header or false -- a header of the CPU's side that is not there in device code
      if header then
        found[#found + 1] = name
        collect_headers("\n" .. header, found)
      end
    end
  end
end

--- The unit without its marker, the hash of all that it is made of, and the line that says it.
local function inputs()
  local defs = definitions()
  local unit = device.unit(defs)
  local headers = {}
  collect_headers("\n" .. unit, headers)
  table.sort(headers)
  local hash = hash_text(0xcbf29ce484222325, unit)
  for _, name in ipairs(headers) do
    hash = hash_text(hash_text(hash, name), headers[name])
  end
  local names = {}
  for index, def in ipairs(defs) do
    names[index] = def.name
  end
  local abi = need(HEADERS .. "rk_abi.h"):match("#define RK_ABI_VERSION (%d+)")
    or fail("no RK_ABI_VERSION in rk_abi.h")
  local key = ("%016x"):format(hash)
  return unit, key, HEAD:format(key, tonumber(abi), ARCH, device.threads(defs),
    table.concat(names, " "))
end

local function mark(unit, key)
  return ('%s\nextern "C" { __device__ unsigned char rk_build_%s = 1; }\n'):format(unit, key)
end

-- ---- the four commands ----

local function pack(path)
  local ptx = need(path):gsub("%z", "")
  local _, key, head = inputs()
  if not ptx:find("rk_build_" .. key, 1, true) then
    fail("%s was made of other sources", path)
  end
  local count
  ptx, count = ptx:gsub("\n%.version %d+%.%d+\n", "\n.version " .. PTX_VERSION .. "\n")
  if count ~= 1 or not ptx:find(("\n.target sm_%d\n"):format(ARCH), 1, true) then
    fail("%s is no PTX for sm_%d", path, ARCH)
  end
  -- A hint for the assembler that version 8.3 brought.
  ptx = ptx:gsub('\n[ \t]*%.pragma "used_bytes_mask [^"\n]*";', "")
  -- Comments and empty lines of the compiler: they tell its build, and are half the diff.
  ptx = ptx:gsub("\n//[^\n]*", "\n"):gsub("^//[^\n]*", ""):gsub("\n\n+", "\n"):gsub("^\n", "")
  write(STOCK_PTX, head .. "\n" .. ptx)
end

local function check()
  local ptx, message = read(STOCK_PTX)
  if not ptx then
    fail("cannot read %s; run make prebuilt", message)
  end
  local _, _, head = inputs()
  local found = ptx:match("^[^\n]*")
  if found ~= head then
    fail("%s is older than the sources: run make prebuilt (it needs NVRTC)\n  it says  %s\n"
      .. "  expected %s", STOCK_PTX, found, head)
  end
end

local function append_array(out, kind, name, text)
  out[#out + 1] = ("static const %s %s[] = {"):format(kind, name)
  for first = 1, #text, 24 do
    out[#out + 1] = table.concat({ text:byte(first, math.min(first + 23, #text)) }, ",") .. ","
  end
  out[#out + 1] = "0};"
end

local function write_c(path)
  local ptx = need(STOCK_PTX)
  local key, abi, arch, threads, names = ptx:match(HEAD_PATTERN)
  if not key then
    fail("%s does not begin with what it was made of; run make prebuilt", STOCK_PTX)
  end
  local out = {
    "/* Generated by scripts/prebuilt.lua from kernels/prebuilt/stock.ptx. Do not edit. */",
    '#include "backend/cuda/cuda_prebuilt.h"',
    "",
    "extern const rk_cuda_prebuilt rk__cuda_prebuilt_stock;",
  }
  append_array(out, "unsigned char", "packed", pack_text(ptx))
  append_array(out, "char", "source", mark(inputs(), key))
  local count = 0
  names = names:gsub("[%w_]+ ?", function(name)
    count = count + 1
    return ('"%s", '):format(name:gsub(" ", ""))
  end)
  out[#out + 1] = ("static const char *const names[] = {%s};"):format(names)
  out[#out + 1] = ([[
const rk_cuda_prebuilt rk__cuda_prebuilt_stock = {
    .packed = packed, .packed_bytes = sizeof(packed) - 1, .ptx_bytes = %d,
    .arch = %s, .abi_version = %s, .block_threads = %s,
    .def_count = %d, .names = names, .key_hex = "%s", .source = source};
]]):format(#ptx, arch, abi, threads, count, key)
  write(path, table.concat(out, "\n"))
end

local command, path = arg[1], arg[2]
if command == "unit" and path then
  local unit, key = inputs()
  write(path, mark(unit, key))
elseif command == "pack" and path then
  pack(path)
elseif command == "check" and not path then
  check()
elseif command == "c" and path then
  write_c(path)
else
  fail(USAGE)
end
