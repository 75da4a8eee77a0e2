-- SPDX-License-Identifier: MIT
--- Copies busted and the modules it needs into a folder, so that specs run without it.
--
--   lua5.4 bench/gpu/pack_busted.lua FOLDER
--
-- The folder then has runner.lua, which is what /usr/bin/busted is. Modules are found where this
-- Lua finds them; what a spec can do without (luv, cqueues) stays behind. Called by gpu.mk.

local MODULES = {
  "busted", "luassert", "say", "pl", "cliargs", "mediator", "term", "system", "lfs", "dkjson",
}

-- A context is made anew when the last runtime of a process has been closed, and that takes longer
-- than most tests: the runner keeps it.
local RUNNER = [[
if os.getenv "GPU_HOLD" then
  local ok, message = require("gpu_hold").context()
  if not ok then
    io.stderr:write("the context is not held: ", message, "\n")
  end
end
require "busted.runner" { standalone = false }
]]

local folder = assert(arg[1], "usage: pack_busted.lua FOLDER")

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function run(...)
  local command = table.concat({ ... }, " ")
  if not os.execute(command) then
    error("failed: " .. command, 0)
  end
end

local function is_folder(path)
  return (os.execute("test -d " .. quoted(path)))
end

--- Copies the file or folder called `name` below each part of a search path.
local function copy_from(path, name)
  local found
  for template in path:gmatch("[^;]+") do
    local root = template:match("^(.-)%?")
    if root and root:find("^/") then
      for _, ending in ipairs { "", ".lua", ".so" } do
        local source = root .. name .. ending
        if is_folder(source) or (ending ~= "" and io.open(source)) then
          run("cp -rL", quoted(source), quoted(folder .. "/"))
          found = true
        end
      end
    end
  end
  return found
end

run("rm -rf", quoted(folder))
run("mkdir -p", quoted(folder))
for _, name in ipairs(MODULES) do
  local in_lua, in_c = copy_from(package.path, name), copy_from(package.cpath, name)
  if not (in_lua or in_c) then
    io.stderr:write(("pack_busted.lua: module %s is not installed: no specs on the device\n")
      :format(name))
    run("rm -rf", quoted(folder))
    run("mkdir -p", quoted(folder))
    break
  end
end
local file = assert(io.open(folder .. "/runner.lua", "w"))
assert(file:write(RUNNER))
assert(file:close())
