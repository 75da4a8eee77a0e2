-- Fails on an #include that points up.
--
--   lua5.4 scripts/check_layers.lua [ROOT]
--
-- The order is base < core < backend < runtime < lua < rkl: a file may include its own layer and
-- lower ones. ringkernel.h is the face of the runtime. Device headers know nothing of src/. Some
-- system headers belong to one layer only, because what they offer is wrapped there.

local root = arg[1] or "."

local RANK = { base = 1, core = 2, backend = 3, runtime = 4, lua = 5, rkl = 6 }

-- header -> folders of src/ that may include it
local OWNED = {
  ["lua.h"] = { "lua", "rkl" },
  ["lauxlib.h"] = { "lua", "rkl" },
  ["lualib.h"] = { "lua", "rkl" },
  ["luaconf.h"] = { "lua", "rkl" },
  ["pthread.h"] = { "base" },
  ["threads.h"] = { "base" },
  ["cuda.h"] = { "backend/cuda" },
  ["cudaTypedefs.h"] = { "backend/cuda" },
  ["cuda_runtime.h"] = { "backend/cuda" },
  ["cuda_runtime_api.h"] = { "backend/cuda" },
  ["nvrtc.h"] = { "backend/cuda" },
}

-- Device headers that know nothing of actors, and so may serve the lowest layer too.
local FOR_BASE = { ["rk_abi.h"] = true, ["rk_atomic.h"] = true }

-- What the installed header may lean on: these are installed with it.
local PUBLIC = { ["base/status.h"] = true, ["base/error.h"] = true }

local problems = 0

local function report(path, number, message, ...)
  problems = problems + 1
  print(("%s:%d: %s"):format(path, number, message:format(...)))
end

local function starts_with(text, prefix)
  return text:sub(1, #prefix) == prefix
end

local function exists(path)
  local file = io.open(path, "r")
  if file then
    file:close()
  end
  return file ~= nil
end

local function list(folder, ...)
  local names = {}
  for _, ext in ipairs { ... } do
    names[#names + 1] = ("-name '*.%s'"):format(ext)
  end
  local pipe = assert(io.popen(("cd '%s' && find %s -type f \\( %s \\) 2>/dev/null | sort"):format(
    root:gsub("'", "'\\''"), folder, table.concat(names, " -o "))))
  local paths = {}
  for path in pipe:lines() do
    paths[#paths + 1] = path
  end
  pipe:close()
  return paths
end

local function includes(path)
  local found = {}
  local number = 0
  for line in io.lines(root .. "/" .. path) do
    number = number + 1
    local open, name = line:match('^%s*#%s*include%s*([<"])([^>"]+)[>"]')
    if name then
      found[#found + 1] = { number = number, name = name, quoted = open == '"' }
    end
  end
  return found
end

local function is_device_header(name)
  return exists(root .. "/kernels/include/" .. name)
end

-- `path` lies in `folder` below src/ ("" for src itself)
local function check_own(path, folder, include)
  local name, number = include.name, include.number
  local layer = folder:match("^[^/]+") or "runtime"

  if is_device_header(name) then
    if layer == "base" and not FOR_BASE[name] then
      report(path, number, "base may include rk_abi.h and rk_atomic.h, but not %s", name)
    end
    return
  end
  if name:find("^ringkernel[%w_]*%.h$") then
    if RANK[layer] < RANK.runtime then
      report(path, number, "%s may not include ringkernel.h, which belongs to the runtime", layer)
    end
    return
  end

  local target = name:match("^([^/]+)/")
  if not RANK[target] then
    report(path, number, 'write "%s" with its folder below src/', name)
  elseif folder == "" then
    if not PUBLIC[name] then
      report(path, number, "may only include base/status.h and base/error.h, not %s", name)
    end
  elseif RANK[target] > RANK[layer] then
    report(path, number, "%s may not include %s: it points up", layer, name)
  else
    local from, to = folder:match("^backend/(%w+)"), name:match("^backend/(%w+)/")
    if from and to and from ~= to then
      report(path, number, "backends do not know each other: %s may not include %s", from, name)
    end
  end
end

local function check_system(path, folder, include)
  local owners = OWNED[include.name]
  if not owners then
    return
  end
  for _, owner in ipairs(owners) do
    if starts_with(folder .. "/", owner .. "/") then
      return
    end
  end
  report(path, include.number, "%s belongs to src/%s", include.name, table.concat(owners, ", src/"))
end

for _, path in ipairs(list("src", "c", "h")) do
  local folder = path:match("^src/(.*)/[^/]+$") or ""
  local layer = folder:match("^[^/]+")
  if layer and not RANK[layer] then
    report(path, 1, "src/%s is no layer; code lives in base core backend runtime lua rkl", layer)
  else
    for _, include in ipairs(includes(path)) do
      check_system(path, folder, include)
      if include.quoted and not OWNED[include.name] then
        check_own(path, folder, include)
      end
    end
  end
end

for _, path in ipairs(list("kernels", "h", "cu")) do
  for _, include in ipairs(includes(path)) do
    if include.quoted and not is_device_header(include.name) then
      report(path, include.number, "device code may not include %s, only kernels/include",
        include.name)
    end
    check_system(path, "kernels", include)
  end
end

if problems > 0 then
  print(("%d include(s) break the layers"):format(problems))
  os.exit(1)
end
