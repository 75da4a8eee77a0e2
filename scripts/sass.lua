-- Shows what the machine code of the resident grid is made of: instructions, fences, atomics,
-- loads, the stack, calls, by function, and from which source lines they come. A static reading:
-- no GPU is needed, and how often a path is run is not in it.
--
--   lua5.4 scripts/sass.lua --tool FILE --work DIR [--arch sm_90] [--nvdisasm FILE] [--cluster N]
--                           [--only NAME] [--top N]
--   lua5.4 scripts/sass.lua --listing FILE [--only NAME] [--top N]
--
-- FILE of --tool is scripts/nvrtc_compile.c, built. It compiles the stock kernels as
-- check_kernels.lua does, with line information; the cubin and the listing stay in DIR. --only
-- shows one function with its source lines; --top limits the table to the longest functions.
-- nvdisasm is NVIDIA's; any version that knows the architecture will do. `make sass` runs this;
-- bench/gpu/SASS.md says what was found.

package.path = "lua/?.lua;lua/?/init.lua;scripts/?.lua;" .. package.path

local device = require "ringkernel.codegen_device"
local listing = require "sass_listing"
local stock = require "ringkernel.stock"

local USAGE = "usage: sass.lua --tool FILE --work DIR [--arch sm_90] [--nvdisasm FILE] "
  .. "[--cluster N] [--only NAME] [--top N] | --listing FILE [--only NAME] [--top N]\n"
local NAMES = { tool = true, work = true, arch = true, nvdisasm = true, cluster = true,
  only = true, top = true, listing = true }
local OPTIONS = "--std=c++17 --device-as-default-execution-space --no-cache -lineinfo"
local NO_NVDISASM = [[
sass: no %s. It comes with the CUDA toolkit (package cuda-nvdisasm), or by itself from PyPI:
  pip download --no-deps nvidia-cuda-nvdisasm && unzip nvidia_cuda_nvdisasm-*.whl
Put nvidia/cu13/bin/nvdisasm into PATH or name it: make sass NVDISASM=FILE
]]

local function quit(status, format, ...)
  io.stderr:write(format:format(...))
  os.exit(status)
end

local function options_of(words)
  local out = { arch = "sm_90", nvdisasm = "nvdisasm", top = "1000" }
  for index = 1, #words, 2 do
    local name = words[index]:match("^%-%-(%l+)$")
    if not NAMES[name] or not words[index + 1] then
      quit(2, "%s", USAGE)
    end
    out[name] = words[index + 1]
  end
  if not (out.listing or out.tool and out.work) or not tonumber(out.top) then
    quit(2, "%s", USAGE)
  end
  return out
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then
    quit(1, "sass: cannot read %s\n", message)
  end
  local text = file:read("a")
  file:close()
  return text
end

local function write(path, text)
  local file, message = io.open(path, "wb")
  if not (file and file:write(text) and file:close()) then
    quit(1, "sass: cannot write %s\n", message or path)
  end
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function run(format, ...)
  return (os.execute(format:format(...)))
end

--- Compiles and disassembles; returns the listing.
local function make_listing(options)
  local number = options.arch:match("^sm_(%d+%l?)$")
    or quit(2, "sass: --arch is sm_90 or the like\n")
  if not run("command -v %s >/dev/null", quote(options.nvdisasm)) then
    quit(1, NO_NVDISASM, options.nvdisasm)
  end
  local definitions = {}
  for index, entry in ipairs(stock.list) do
    definitions[index] = stock.definition(entry.name, read(("kernels/%s.cu"):format(entry.name)))
  end
  run("mkdir -p %s", quote(options.work))
  local base = options.work .. "/stock"
  write(base .. ".cu", device.unit(definitions, tonumber(options.cluster)))
  if not run("%s --headers kernels/include --arch %s --out %s %s -- %s", quote(options.tool),
      number, quote(base), quote(base .. ".cu"), OPTIONS) then
    quit(1, "sass: the grid does not compile: see %s.%s.log\n", base, options.arch)
  end
  local out = ("%s.%s.sass"):format(base, options.arch)
  if not run("%s -c -gi %s.%s.cubin >%s", quote(options.nvdisasm), quote(base), options.arch,
      quote(out)) then
    quit(1, "sass: %s could not read the code for %s\n", options.nvdisasm, options.arch)
  end
  print(("%s, %s; the listing: %s"):format(options.arch, options.cluster
    and "clusters of " .. options.cluster or "no clusters", out))
  return read(out)
end

local function print_row(name, count)
  local cells = { ("%-24s %6s"):format(name:sub(1, 24), count.total) }
  for _, kind in ipairs(listing.KINDS) do
    cells[#cells + 1] = ("%6s"):format(count[kind.name])
  end
  print(table.concat(cells, " "))
end

local function print_table(functions, top)
  local head, sum = { total = "all" }, { total = 0 }
  for _, kind in ipairs(listing.KINDS) do
    head[kind.name], sum[kind.name] = kind.name, 0
  end
  table.sort(functions, function(a, b)
    return #a.instructions > #b.instructions
  end)
  print_row("function", head)
  for index, func in ipairs(functions) do
    local count = listing.count(func)
    for name, number in pairs(count) do
      sum[name] = sum[name] + number
    end
    if index <= top then
      print_row(func.name, count)
    end
  end
  print_row(("all %d functions"):format(#functions), sum)
  for _, kind in ipairs(listing.KINDS) do
    print(("  %-7s %s"):format(kind.name, kind.text))
  end
end

local function print_function(functions, name)
  local found = false
  for _, func in ipairs(functions) do
    if func.name == name then
      found = true
      local count = listing.count(func)
      print(("%s: %d instructions"):format(name, count.total))
      for _, kind in ipairs(listing.KINDS) do
        if count[kind.name] > 0 and kind.name ~= "r2ur" then
          print(("%s: %d, %s"):format(kind.name, count[kind.name], kind.text))
          for _, source in ipairs(listing.sources(func, kind.name)) do
            print(("  %3d  %-28s %s"):format(source.count, source.op, source.line))
          end
        end
      end
    end
  end
  if not found then
    quit(1, "sass: no function '%s'; it may have been inlined\n", name)
  end
end

local options = options_of(arg)
local functions = listing.read(options.listing and read(options.listing) or make_listing(options))
if #functions == 0 then
  quit(1, "sass: there is no code in the listing\n")
elseif options.only then
  print_function(functions, options.only)
else
  print_table(functions, tonumber(options.top))
end
