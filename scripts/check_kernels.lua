-- Proves the device code without a GPU: compiles it for all it must run on, reads the result.
--
--   lua5.4 scripts/check_kernels.lua --tool FILE --work DIR [--log FILE] [--part NAME]
--
-- FILE is scripts/nvrtc_compile.c, built; DIR is where products go (made if it is missing). Checks:
--   a. every stock kernel, test definition and ordinary kernel compiles as C11 (gcc, clang) and as
--      C++17 (g++)
--   b. the grid with all stock kernels, and one with all test definitions, compiles with NVRTC for
--      every architecture it offers, our headers in memory; registers and spills are told, and the
--      stock grid may spill nothing; so do ordinary kernels, each by itself, and from sm_90 on the
--      stock grid in clusters, with both forms of lanes. The test definitions, whose registers
--      nothing is asked of, are compiled quickly for most architectures (LONG=1: well, for all)
--   c. in the PTX of the marker kernels every access to a word that carries a memory order is of
--      the right kind, and the stock grid has the accesses it needs and none of a wrong kind
--   d. each planted mistake is found by c
-- Prints a line a check in TAP and ends with "N passed, N failed, N skipped"; with --part the
-- totals are worded as those of one step of several. --log keeps what scripts/summary.lua adds up.
-- A missing tool is a skip that names it, or a failure where CI is set in the environment.
--
-- Everything that is compiled is put in a queue first, heavy things in front; as many as there
-- are processors run at a time; then all is looked at in order.

package.path = "lua/?.lua;lua/?/init.lua;scripts/?.lua;" .. package.path

local cases = require "kernel_cases"
local codegen = require "ringkernel.codegen"
local device = require "ringkernel.codegen_device"
local job_queue = require "job_queue"
local markers = require "kernel_markers"
local ptx = require "ptx"
local stock = require "ringkernel.stock"

local USAGE = "usage: check_kernels.lua --tool FILE --work DIR [--log FILE] [--part NAME]\n"
local HEADERS = "kernels/include"
local OLDEST_ARCH = 70   -- threads that make progress on their own, acquire and release
local PTX_ARCHS = { 75, 90 }
local OPTIONS = "--std=c++17 --device-as-default-execution-space --no-cache --ptxas-options=-v"
-- Machine code in a tenth of the time, by an NVRTC that knows how.
local QUICK, QUICK_VERSION = " --Ofast-compile=max", 13.0
local C_FLAGS = "-O2 -fPIC -Wall -Wextra -Werror -I" .. HEADERS .. " -c -o /dev/null"

-- ---- small things ----

local options = {}
do
  local index = 1
  while arg[index] do
    local name = arg[index]:match("^%-%-(%l+)$")
    if not (name and ("tool work log part"):find(name, 1, true)) or not arg[index + 1] then
      io.stderr:write(USAGE)
      os.exit(2)
    end
    options[name] = arg[index + 1]
    index = index + 2
  end
  if not (options.tool and options.work) then
    io.stderr:write("check_kernels.lua: --tool and --work are needed\n")
    os.exit(2)
  end
end

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a command; returns its exit status and what it printed.
local function run(format, ...)
  local pipe = assert(io.popen(format:format(...) .. " 2>&1 </dev/null"))
  local output = pipe:read("a")
  local _, _, status = pipe:close()
  return status, output
end

local read, write = job_queue.read, job_queue.write

assert(run("mkdir -p %s", quote(options.work)) == 0, "cannot make the folder " .. options.work)
local queue = job_queue.new(options.work)

-- ---- results ----

local counts = { passed = 0, failed = 0, skipped = 0 }
local log = options.log and assert(io.open(options.log, "w"))

local function say(line)
  print(line)
  if log then
    log:write(line, "\n")
  end
end

local function number()
  return counts.passed + counts.failed + counts.skipped
end

--- Tells one result: `problem` is what is wrong, nil if nothing is; `note` is told either way.
local function result(name, problem, note)
  local key = problem and "failed" or "passed"
  counts[key] = counts[key] + 1
  say(("%s %d - %s%s"):format(problem and "not ok" or "ok", number(), name,
    note and (": " .. note) or ""))
  if problem then
    for line in problem:gmatch("[^\n]+") do
      say("#   " .. line)
    end
  end
end

--- What needs a tool that is not there.
local function missing(name, tool)
  if os.getenv("CI") then
    return result(name, tool .. ", and CI is set: the check must run here")
  end
  counts.skipped = counts.skipped + 1
  say(("ok %d - %s # SKIP %s"):format(number(), name, tool))
end

local function first_lines(text, count)
  local out = {}
  for line in text:gmatch("[^\n]+") do
    out[#out + 1] = line
    if #out == count then
      break
    end
  end
  return table.concat(out, "\n")
end

-- ---- a. C and C++ ----

local COMPILERS = {
  { command = "gcc", language = "C11", flags = "-x c -std=c11 -Wc++-compat" },
  { command = "clang", language = "C11", flags = "-x c -std=c11" },
  { command = "g++", language = "C++17", flags = "-x c++ -std=c++17" },
}

-- As the fake driver compiles units (spec/fakecuda).
local FAKE_FLAGS = "-x c++ -std=c++17 -Ispec/fakecuda -include rk_host_device.h -D__CUDACC__=1 "
  .. "-DRK_PTX_OVERRIDE='\"rk_host_device.h\"'"
local FAKE_COMPILERS = {
  { command = "g++", language = "the fake driver's C++17", flags = FAKE_FLAGS },
  { command = "clang++", language = "the fake driver's C++17", flags = FAKE_FLAGS },
}

local function check_host(compilers, sources)
  for _, compiler in ipairs(compilers) do
    local has = run("command -v %s", compiler.command) == 0
    for _, source in ipairs(sources) do
      local name = ("%s as %s with %s"):format(source.name, compiler.language, compiler.command)
      local job = has and queue:add("%s %s %s %s", compiler.command, compiler.flags, C_FLAGS,
        quote(source.path))
      queue:later(function()
        if not job then
          missing(name, "no " .. compiler.command)
        else
          result(name, job.status ~= 0 and first_lines(job.output, 20) or nil)
        end
      end)
    end
  end
end

-- ---- b. NVRTC ----

--- Has a source compiled for architectures: for each a table that, once the queue has run, has
-- is_compiled, log and ptx. `more(arch)` gives further options.
local function nvrtc(source, archs, headers, more)
  local prefix = source:gsub("%.cu$", "")
  local out = {}
  for _, arch in ipairs(archs) do
    local base = ("%s.sm_%s"):format(prefix, arch)
    os.remove(base .. ".ptx")
    local job = queue:add("%s --headers %s --arch %s --out %s %s -- %s%s", quote(options.tool),
      quote(headers or HEADERS), arch, quote(prefix), quote(source), OPTIONS,
      more and more(arch) or "")
    local one = {}
    queue:later(function()
      local text = (read(base .. ".log") or ""):gsub("%z", "")
      one.is_compiled = job.status == 0
      one.log = one.is_compiled and text or text .. job.output
      one.ptx = one.is_compiled and read(base .. ".ptx") or nil
    end)
    out[arch] = one
  end
  return out
end

--- Warnings that stand in our own headers.
local function header_warnings(text)
  local out = {}
  for line in text:gmatch("[^\n]+") do
    if line:find("^rk_[%w_]+%.h%(%d+%): warning") then
      out[#out + 1] = line
    end
  end
  return #out > 0 and table.concat(out, "\n") or nil
end

local function archs_from(archs, oldest)
  local out = {}
  for _, arch in ipairs(archs) do
    if arch >= oldest then
      out[#out + 1] = arch
    end
  end
  return out
end

local function report_grid(name, compiled, archs, may_spill)
  for _, arch in ipairs(archs) do
    local one = compiled[arch]
    local what = ("%s for sm_%d"):format(name, arch)
    if not one.is_compiled then
      result(what, first_lines(one.log, 30))
    else
      local used = ptx.resources(one.log)
      local problem = header_warnings(one.log)
      if not used.registers then
        problem = "the assembler's report is missing from the log"
      elseif used.spilled > 0 and not may_spill then
        problem = used.where
      end
      result(what, problem, ("%s registers, %d bytes spilled, %d of stack, %d shared"):format(
        used.registers, used.spilled, used.stack, used.shared))
    end
  end
end

local function check_grid(name, source, archs, may_spill, more)
  local compiled = nvrtc(source, archs, nil, more)
  queue:later(function()
    report_grid(name, compiled, archs, may_spill)
  end)
  return compiled
end

-- ---- c. memory orders in PTX ----

local function markers_for(arch)
  local out = {}
  for _, marker in ipairs(markers.list) do
    if (marker.arch or 0) <= arch then
      out[#out + 1] = marker
    end
  end
  return out
end

local function report_markers(compiled)
  for _, arch in ipairs(PTX_ARCHS) do
    local one = compiled[arch]
    if not one.ptx then
      result(("marker kernels for sm_%d"):format(arch), first_lines(one.log, 20))
    end
    for _, marker in ipairs(one.ptx and markers_for(arch) or {}) do
      result(("%s for sm_%d: %s"):format(marker.name, arch, table.concat(marker.ops, ", ")),
        ptx.marker_problem(marker, one.ptx))
    end
  end
end

local function check_markers(source)
  local compiled = nvrtc(source, PTX_ARCHS)
  queue:later(function()
    report_markers(compiled)
  end)
end

--- Tells about the PTX of grids: tables by architecture.
local function report_orders(grids, clusters, counted, tests)
  for _, arch in ipairs(PTX_ARCHS) do
    local text = grids[arch] and grids[arch].ptx
    result(("PTX of the grid for sm_%d"):format(arch),
      text and ptx.grid_problem(text) or not text and "it was not compiled" or nil)
  end
  local text = clusters[90] and clusters[90].ptx
  result("PTX of the grid in clusters for sm_90",
    text and (ptx.grid_problem(text) or ptx.cluster_problem(text))
    or not text and "it was not compiled" or nil)
  for _, arch in ipairs { 90, 100 } do
    text = counted[arch] and counted[arch].ptx
    result(("PTX of the grid with counted lanes for sm_%d"):format(arch),
      text and (ptx.grid_problem(text) or ptx.cluster_problem(text, true))
      or not text and "it was not compiled" or nil)
  end
  text = tests[90] and tests[90].ptx
  result("PTX of loads into shared memory for sm_90",
    text and ptx.bulk_problem(text) or not text and "it was not compiled" or nil)
  text = tests[75] and tests[75].ptx
  result("PTX of loads into shared memory for sm_75",
    text and text:find("cp.async.bulk", 1, true) and "it uses the copy engine"
    or not text and "it was not compiled" or nil)
end

--- The same for lanes whose order lies in barriers.
local function check_counted(source)
  local one = nvrtc(source, { 90 })[90]
  queue:later(function()
    for _, marker in ipairs(markers.counted) do
      result(("%s of counted lanes for sm_90: %s"):format(marker.name,
        table.concat(marker.steps, ", ")), not one.ptx and first_lines(one.log, 20)
        or ptx.counted_problem(marker, one.ptx))
    end
  end)
end

-- ---- d. planted mistakes ----

--- A folder with our headers in which the plant was made, or nil and why there is none.
local function plant_headers(plant, folder)
  local text = read(HEADERS .. "/" .. plant.file)
  local first, last = text:find(plant.find, 1, true)
  if not first or text:find(plant.find, last + 1, true) then
    return nil, ("%s has not exactly one '%s'"):format(plant.file, plant.find)
  end
  run("rm -rf %s && cp -r %s %s", quote(folder), HEADERS, quote(folder))
  write(folder .. "/" .. plant.file, text:sub(1, first - 1) .. plant.replace .. text:sub(last + 1))
  return folder
end

local function report_plant(plant, one, why)
  local name = ("planted: %s"):format(plant.what)
  local caught
  for _, marker in ipairs(plant.counted and markers.counted or markers.list) do
    if marker.name == (plant.counted or plant.marker) and one and one.ptx then
      caught = (plant.counted and ptx.counted_problem or ptx.marker_problem)(marker, one.ptx)
    end
  end
  if not one or not one.ptx then
    result(name, why or "does not compile: " .. first_lines(one.log, 20))
  else
    result(name, not caught and "was not found" or nil, caught)
  end
end

local function check_plants()
  local text, counted = markers.source(markers.list), markers.source(markers.counted, true)
  for index, plant in ipairs(markers.plants) do
    local base = ("%s/planted_%d"):format(options.work, index)
    local folder, why = plant_headers(plant, base)
    write(base .. ".cu", plant.counted and counted or text)
    local one = folder and nvrtc(base .. ".cu", { 90 }, folder)[90]
    queue:later(function()
      report_plant(plant, one, why)
    end)
  end
end

-- ---- all of it ----

local stock_definitions = {}
for index, entry in ipairs(stock.list) do
  stock_definitions[index] =
    stock.definition(entry.name, assert(read(("kernels/%s.cu"):format(entry.name))))
end

local host_sources = {}
local function add_host(name, text)
  local path = ("%s/%s.c"):format(options.work, name)
  write(path, text)
  host_sources[#host_sources + 1] = { name = name, path = path }
end
for _, definitions in ipairs { stock_definitions, cases.definitions() } do
  for _, def in ipairs(definitions) do
    add_host(def.name, codegen.kernel(def))
  end
end
for _, def in ipairs(cases.globals()) do
  add_host(def.name, codegen.global(def))
end
add_host("grid", '#include "rk_grid_dev.h"\nvoid rk_serve(rk_block *b, rk_u64 grid);\n'
  .. "void rk_serve(rk_block *b, rk_u64 grid) { rkd_block_serve(b, grid, 0u); }\n")

local stock_source = options.work .. "/stock.cu"
local cases_source = options.work .. "/cases.cu"
write(stock_source, device.unit(stock_definitions))
write(cases_source, device.unit(cases.definitions()))
local cluster_source = options.work .. "/cluster.cu"
write(cluster_source, device.unit(stock_definitions, 8))
local counted_source = options.work .. "/counted.cu"
write(counted_source, device.unit(stock_definitions, 8, true))

local status, found = run("%s --archs", quote(options.tool))
if status ~= 0 then
  for _, name in ipairs { "device code with NVRTC", "memory orders in PTX", "planted mistakes" } do
    missing(name, (found:gsub("%s+$", "")))
  end
else
  local archs, old = {}, 0
  for arch in found:gmatch("arch (%d+)") do
    if tonumber(arch) >= OLDEST_ARCH then
      archs[#archs + 1] = tonumber(arch)
    else
      old = old + 1
    end
  end
  local version = found:match("version ([%d.]+)")
  queue:later(function()
    result("NVRTC offers architectures", #archs == 0 and "none from sm_70 on" or nil,
      ("%s, %d of them%s"):format(version, #archs,
        old > 0 and (", and %d older than sm_70"):format(old) or ""))
  end)

  -- Good code where the source differs, and for the newest.
  local well = { [75] = true, [90] = true, [archs[#archs] or 0] = true }
  local function quickly(arch)
    return (os.getenv("LONG") or well[arch] or tonumber(version) < QUICK_VERSION) and "" or QUICK
  end

  local grids = check_grid("grid of the stock kernels", stock_source, archs, false)
  local tests = check_grid("grid of the test definitions", cases_source, archs, true, quickly)
  local clusters = check_grid("grid in clusters", cluster_source, archs_from(archs, 90), false)
  local counted = check_grid("grid in clusters with counted lanes", counted_source,
    archs_from(archs, 90), false)
  for _, def in ipairs(cases.globals()) do
    local source = ("%s/global_%s.cu"):format(options.work, def.name)
    write(source, device.global(def))
    check_grid("ordinary kernel " .. def.name, source, archs, false)
  end
  queue:later(function()
    report_orders(grids, clusters, counted, tests)
  end)
  local marker_source = options.work .. "/markers.cu"
  write(marker_source, markers.source(markers.list))
  check_markers(marker_source)
  local counted_markers = options.work .. "/markers_counted.cu"
  write(counted_markers, markers.source(markers.counted, true))
  check_counted(counted_markers)
  check_plants()
end
check_host(COMPILERS, host_sources)
check_host(FAKE_COMPILERS, {
  { name = "grid of the stock kernels", path = stock_source },
  { name = "grid of the test definitions", path = cases_source },
  { name = "grid in clusters", path = cluster_source },
  { name = "grid in clusters with counted lanes", path = counted_source },
})
queue:run()

say(("1..%d"):format(number()))
if log then
  log:write(("# exit %d\n"):format(counts.failed > 0 and 1 or 0))
  log:close()
end
if options.part then
  print(("  %s: passed %d, failed %d, skipped %d"):format(options.part, counts.passed,
    counts.failed, counts.skipped))
else
  print(("%d passed, %d failed, %d skipped"):format(counts.passed, counts.failed, counts.skipped))
end
os.exit(counts.failed == 0)
