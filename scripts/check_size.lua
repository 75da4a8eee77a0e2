-- Fails on files that have grown into two rooms, and on files that do not say what they are for.
--
--   lua5.4 scripts/check_size.lua [ROOT]
--
-- C: warns past 600 lines, fails past 700; the first line is the SPDX line and a comment follows.
-- Lua: warns past 400 lines, fails past 450; the file starts with a comment (after a #! line).
-- Specs are held to the sizes only: their names say what they are for.

local root = arg[1] or "."

local SPDX = "SPDX-License-Identifier: MIT"
local LIMITS = {
  c = { warn = 600, fail = 700 },
  lua = { warn = 400, fail = 450 },
}
local KIND = { c = "c", h = "c", cu = "c", lua = "lua" }
local FOLDERS = "src kernels lua scripts spec bench examples"

local problems = 0

local function report(path, message, ...)
  problems = problems + 1
  print(("%s: %s"):format(path, message:format(...)))
end

local function check_c_top(path, lines)
  if not (lines[1] or ""):find("^/[/*] " .. SPDX:gsub("%p", "%%%0")) then
    report(path, "the first line is not /* %s */", SPDX)
  elseif not (lines[2] or ""):find("^/[*/]") then
    report(path, "no file-top comment below the SPDX line: say what the file is for")
  end
end

local function check_lua_top(path, lines)
  local first = (lines[1] or ""):find("^#!") and 2 or 1
  if not (lines[first] or ""):find("^%-%-") then
    report(path, "no file-top comment: say what the file is for and who uses it")
  end
end

local command = ("cd '%s' && find %s -type f -name '*.*' 2>/dev/null | sort"):format(
  root:gsub("'", "'\\''"), FOLDERS)
local pipe = assert(io.popen(command))
for path in pipe:lines() do
  local kind = KIND[path:match("%.(%w+)$")]
  if kind and not path:find("/golden/", 1, true) then
    local lines = {}
    for line in io.lines(root .. "/" .. path) do
      lines[#lines + 1] = line
    end
    local limit = LIMITS[kind]
    if #lines > limit.fail then
      report(path, "%d lines; the limit is %d: split it", #lines, limit.fail)
    elseif #lines > limit.warn then
      print(("%s: warning: %d lines, past the habit of %d"):format(path, #lines, limit.warn))
    end
    if kind == "c" then
      check_c_top(path, lines)
    elseif not path:find("^spec/") then
      check_lua_top(path, lines)
    end
  end
end
pipe:close()

if problems > 0 then
  print(("%d file(s) too long or without a top"):format(problems))
  os.exit(1)
end
