-- SPDX-License-Identifier: MIT
--- What this machine offers: `rkl --env`, `rkl --devices` and `rkl --doctor`.
--
-- Each function prints its report on stdout and returns whether all is well; rkl makes that its
-- exit status. The facts come from ringkernel.core; without it the reports say so and what to do.

local M = {}

local function print_line(...)
  io.stdout:write(string.format(...), "\n")
end

--- Returns ringkernel.core, or nil and the reason in one line.
local function load_core()
  local ok, core = pcall(require, "ringkernel.core")
  if ok and type(core) == "table" then
    return core
  end
  local reason = ok and "it is no module table" or tostring(core):match("^[^\n]*")
  return nil, (reason:gsub(":$", ""))
end

--- Returns ringkernel.core, or nil after a message on stderr.
local function need_core(option)
  local core, reason = load_core()
  if not core then
    io.stderr:write(("rkl: %s needs the module ringkernel.core, which did not load: %s\n")
      :format(option, reason))
  end
  return core
end

local function show(value)
  if value == nil then
    return "-"
  elseif type(value) == "string" and value == "" then
    return '""'
  end
  return (tostring(value):gsub("%c", " "))
end

--- Prints rows (lists of texts) with aligned columns; the last column is as long as it is.
local function print_rows(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for column = 1, #row - 1 do
      widths[column] = math.max(widths[column] or 0, utf8.len(row[column]) or #row[column])
    end
  end
  for _, row in ipairs(rows) do
    local cells = {}
    for column, text in ipairs(row) do
      local missing = column < #row and widths[column] - (utf8.len(text) or #text) or 0
      cells[column] = text .. (" "):rep(missing)
    end
    print_line("%s", table.concat(cells, "  "))
  end
end

--- Lists the parameters that the environment sets, with value, default and meaning.
function M.env()
  local core = need_core("--env")
  if not core then
    return false
  end
  local rows = { { "NAME", "VALUE", "DEFAULT", "MEANING" } }
  local known = {}
  for _, row in ipairs(core.params()) do
    known[row.name] = true
    rows[#rows + 1] = { show(row.name), show(row.value), show(row.default), show(row.help) }
  end
  if not known.RINGKERNEL_LUA then -- rkl's own, which the core does not read
    rows[#rows + 1] = { "RINGKERNEL_LUA", show(os.getenv("RINGKERNEL_LUA")), "-",
      "folder searched first for Lua modules (rkl only)" }
  end
  print_rows(rows)
  return true
end

local FIRST_COLUMNS = { "index", "id", "backend", "name" }

--- The columns of a list of tables: the usual ones first, then the others sorted, the reason, which
-- is long, last. Fields that are tables themselves have no column; --doctor shows them.
local function column_names(devices)
  local names, seen = {}, {}
  local function add(name)
    if not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  local present, others = {}, {}
  for _, device in ipairs(devices) do
    for name, value in pairs(device) do
      if type(value) ~= "table" then
        present[name] = true
        others[#others + 1] = name ~= "reason" and tostring(name) or nil
      end
    end
  end
  for _, name in ipairs(FIRST_COLUMNS) do
    if present[name] then
      add(name)
    end
  end
  table.sort(others)
  for _, name in ipairs(others) do
    add(name)
  end
  if present.reason then
    add("reason")
  end
  return names
end

--- Prints the devices, one a line.
function M.devices()
  local core = need_core("--devices")
  if not core then
    return false
  end
  local devices, message = core.devices()
  if not devices then
    io.stderr:write("rkl: cannot list the devices: ", tostring(message), "\n")
    return false
  elseif #devices == 0 then
    print_line("no devices")
    return true
  end
  local names = column_names(devices)
  local rows = { {} }
  for column, name in ipairs(names) do
    rows[1][column] = name:upper()
  end
  for _, device in ipairs(devices) do
    local row = {}
    for column, name in ipairs(names) do
      row[column] = show(device[name])
    end
    rows[#rows + 1] = row
  end
  print_rows(rows)
  return true
end

--- One finding: `state` is "ok", "note" (fine without) or "MISSING".
local function finding(state, what, detail, advice)
  print_line("%-8s %-16s %s", state, what, detail)
  if advice then
    print_line("%-8s %-16s -> %s", "", "", advice)
  end
  return state ~= "MISSING"
end

local function check_core()
  local core, reason = load_core()
  if not core then
    return nil, finding("MISSING", "ringkernel.core", "did not load: " .. reason,
      "build the project (make build), or add the folder of ringkernel/core.so to LUA_CPATH")
  end
  local version = core._VERSION or core.version
  return core, finding("ok", "ringkernel.core", type(version) == "string" and version or "loaded")
end

--- A parameter with a value that is none: rk.open raises, or what is not read is as if not set.
local function check_parameters(core)
  local ok, message = true, nil
  if core.param_check then
    ok, message = core.param_check()
  end
  return ok or finding("MISSING", "parameters", message, "rkl --env lists them with their defaults")
end

local function check_compiler(core)
  local path, message = core.compiler()
  if path then
    return finding("ok", "C compiler", path)
  end
  return finding("MISSING", "C compiler", tostring(message or "none found"),
    "kernels written by users need one: install gcc or clang (Debian: apt-get install gcc)")
end

--- Whether a file can be made in the folder, or where the folder would be made.
local function can_write(path)
  local at = path
  while at ~= "" do
    local folder = io.open(at)
    if folder then
      folder:close()
      local probe = ("%s/.rkl-doctor-%d"):format(at, os.time())
      local file = io.open(probe, "w")
      if file then
        file:close()
        os.remove(probe)
      end
      return file ~= nil
    end
    at = at:match("^(.*)/[^/]*$") or ""
  end
  return true -- of the root folder or the one we are in nothing is said
end

local function check_cache(core)
  local path, message = core.cache_dir()
  if path and not can_write(path) then
    return finding("note", "kernel cache", path .. ": cannot be written",
      "every kernel is compiled at every launch; set RINGKERNEL_CACHE to a folder of yours")
  elseif path then
    return finding("ok", "kernel cache", path)
  end
  return finding("MISSING", "kernel cache", tostring(message or "no folder"),
    "set HOME or XDG_CACHE_HOME to a folder that can be written")
end

local function check_backends(core)
  local ok, rkl = pcall(require, "ringkernel.rkl")
  local cores = ok and ("%d cores"):format(rkl.cores()) or "present"
  local good
  local devices, message
  if core then
    devices, message = core.devices()
  end
  if not core then
    good = finding("MISSING", "backend cpu", cores .. ", but no ringkernel.core to use them")
  elseif not devices or #devices == 0 then
    good = finding("MISSING", "backend cpu", tostring(message or "the core lists no device"),
      "rkl --devices shows the list; without a device nothing can run")
  else
    good = finding("ok", "backend cpu", cores)
  end
  return good
end

--- The names of the fields of `flags` that are `value`, sorted, as readable text.
local function flag_names(flags, value)
  local names = {}
  for name, flag in pairs(flags or {}) do
    if flag == value then
      names[#names + 1] = (name:gsub("_", " "))
    end
  end
  table.sort(names)
  return #names > 0 and table.concat(names, ", ") or "none"
end

local function report_cuda_device(device)
  local what = ("CUDA device %d"):format(device.index)
  if not device.name then
    finding("note", what, "not usable: " .. show(device.reason))
    return
  end
  local facts = ("%s, compute capability %s, %d multiprocessors, %.1f GiB, %s"):format(device.name,
    device.compute_capability, device.processors, device.memory_bytes / 2 ^ 30, device.pci_bus)
  finding(device.is_capable and "ok" or "note", what, facts,
    not device.is_capable and "not usable: " .. show(device.reason) or nil)
  finding("", "", "uuid " .. device.uuid)
  local holder = device.holder
  if holder then
    finding("note", "", ("%s%s has it%s"):format(
      holder.pid and "process " .. holder.pid or "another process",
      holder.name and (" (%s)"):format(holder.name) or "",
      holder.is_shared and " and shares it" or ""))
  end
  finding("", "", "has: " .. flag_names(device.capabilities, true))
  finding("", "", "has not: " .. flag_names(device.capabilities, false))
end

--- The driver, each of its devices, and whether kernels can run there. Nothing here is needed: the
-- cpu is always there.
local function check_cuda(core)
  local has_compiler, compiler = core.nvrtc()
  finding(has_compiler and "ok" or "note", "NVRTC", compiler,
    not has_compiler and "only stock kernels run on CUDA devices" or nil)
  local driver = core.cuda_driver()
  local where = driver.library .. (driver.is_chosen and " (RINGKERNEL_LIBCUDA)" or "")
  if not driver.is_usable then
    local version = driver.version and (", CUDA " .. driver.version) or ""
    finding("note", "CUDA driver", driver.is_loaded and where .. version
      or "not found; looked for " .. where, driver.reason)
    finding("note", "backend cuda", "no usable driver", "kernels run on the cpu")
    return
  end
  finding("ok", "CUDA driver", ("%s, CUDA %s"):format(where, driver.version or "unknown"))
  local usable, reason, is_taken
  for _, device in ipairs(core.devices() or {}) do
    if device.backend == "cuda" then
      report_cuda_device(device)
      usable = usable or device.is_usable
      reason = reason or device.is_capable and device.reason
      is_taken = is_taken or device.is_capable and device.holder ~= nil
    end
  end
  if driver.environment then
    finding("note", "environment", driver.environment)
  end
  if usable then
    finding("ok", "backend cuda", "ready")
  else
    finding("note", "backend cuda", reason or "no device can run a resident grid",
      not is_taken and "kernels run on the cpu" or nil)
  end
end

local function check_module(name, version)
  local ok, module = pcall(require, name)
  if not ok then
    return finding("note", name, "not installed; needed only to run inside its event loop",
      "Debian: apt-get install lua-" .. name)
  end
  return finding("ok", name, version(module) or "loaded")
end

--- Reports what was found here and how to get what is missing.
function M.doctor()
  local ok, rkl = pcall(require, "ringkernel.rkl")
  finding("ok", "rkl", ok and rkl.version or "run by another interpreter")
  finding("ok", "Lua", _VERSION)
  if ok and rkl.line_editor == "none" then
    finding("note", "line editor", "built without; the prompt works, but without editing and Tab",
      "install libedit-dev and build again")
  elseif ok then
    finding("ok", "line editor", rkl.line_editor)
  end
  local core, good = check_core()
  if core then
    good = check_parameters(core) and good
    good = check_compiler(core) and good
    good = check_cache(core) and good
  end
  good = check_backends(core) and good
  if core then
    check_cuda(core)
  end
  check_module("luv", function(luv)
    return type(luv.version_string) == "function" and luv.version_string() or nil
  end)
  check_module("cqueues", function(cqueues)
    return cqueues.VERSION and tostring(cqueues.VERSION) or nil
  end)
  print_line(good and "everything needed is here" or "something is missing: see the advice above")
  return good
end

return M
