-- SPDX-License-Identifier: MIT
--- Collects the sources of all grids that were compiled on this machine, so that another one can
--- compile them all at once (warm.c).
--
--   lua5.4 bench/gpu/pack_units.lua FILE CACHE...
--
-- CACHE is a folder of images (RINGKERNEL_CACHE/cuda), which keeps the source beside each: `make
-- gpu-check FAKE=1` and `make test-cuda` fill theirs. Sources are the same for every device and
-- every version of the device headers. FILE gets each once, a zero byte behind it, those of the
-- first folder first. Called by gpu.mk.

local path = assert(arg[1])
-- What the cache puts behind a source.
local MARKER = '\nextern "C" { __device__ unsigned char rk_build_%x+ = 1; }\n$'

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local seen, count = {}, 0
local file = assert(io.open(path, "wb"))
for index = 2, #arg do
  local cache, sources = arg[index], {}
  local quoted = "'" .. cache:gsub("'", "'\\''") .. "'"
  local pipe = assert(io.popen(("LC_ALL=C ls %s 2>/dev/null"):format(quoted)))
  for name in pipe:lines() do
    if name:find("%.cu$") then
      local text = read(cache .. "/" .. name):gsub(MARKER, "")
      local is_grid = text:find("^#define RK_BLOCK_THREADS ")
      if is_grid and not seen[text] and not text:find("\0", 1, true) then
        seen[text] = true
        sources[#sources + 1] = text
      end
    end
  end
  pipe:close()
  -- The largest first: at the end no processor waits long for another.
  table.sort(sources, function(a, b)
    return #a ~= #b and #a > #b or #a == #b and a < b
  end)
  for _, text in ipairs(sources) do
    assert(file:write(text, "\0"))
  end
  count = count + #sources
end
assert(file:close())
io.stderr:write(("  %d sources of grids in %s\n"):format(count, path))
