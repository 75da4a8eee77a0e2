-- SPDX-License-Identifier: MIT
--- What build/gpu was built from, so that figures never come from another tree than they say.
--
--   rkl bench/gpu/built.lua write FOLDER COMPILER    after the build (gpu.mk)
--   rkl bench/gpu/built.lua check FOLDER             exit status 0 if the sources are still those
--
-- FOLDER/built.txt has a line `key value` for each fact: a hash of all sources, the commit, whether
-- the tree had changes, the compiler. The machine with the GPU may have neither git nor a compiler.
-- check.lua reads it as a module.

local M = {}

local SOURCES = "src lua kernels spec bench/c bench/lua bench/gpu bench/report.lua "
  .. "bench/shell.lua Makefile"

local function output(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read("a")
  pipe:close()
  return (text:gsub("%s+$", ""))
end

--- FNV-1a over names and contents of all sources, as 16 hexadecimal digits.
function M.fingerprint()
  local hash = 0xcbf29ce484222325
  local function add(text)
    for index = 1, #text, 64 do
      for _, byte in ipairs { text:byte(index, index + 63) } do
        hash = (hash ~ byte) * 0x100000001b3
      end
    end
  end
  local pipe = assert(io.popen("LC_ALL=C; export LC_ALL; find " .. SOURCES
    .. " -type f ! -name '*.md' | sort"))
  for path in pipe:lines() do
    local file = assert(io.open(path, "rb"))
    add(path)
    add(file:read("a"))
    file:close()
  end
  pipe:close()
  return ("%016x"):format(hash)
end

--- The facts written at the build, or nil.
function M.read(folder)
  local file = io.open(folder .. "/built.txt")
  if not file then
    return nil
  end
  local facts = {}
  for line in file:lines() do
    local key, value = line:match("^(%S+) (.*)$")
    if key then
      facts[key] = value
    end
  end
  file:close()
  return facts
end

--- The commit and whether the tree has changes: asked of git, "" where there is none.
function M.commit()
  local commit = output("git rev-parse --short=12 HEAD")
  return commit, commit ~= "" and output("git status --porcelain") ~= ""
end

local function write(folder, compiler)
  local commit, dirty = M.commit()
  local file = assert(io.open(folder .. "/built.txt", "w"))
  assert(file:write(("sources %s\ncommit %s\ndirty %s\ncompiler %s\n"):format(M.fingerprint(),
    commit, dirty, output(("%s --version | head -1"):format(compiler)))))
  assert(file:close())
end

if arg and arg[0] and arg[0]:find("built%.lua$") then
  local command, folder = arg[1], arg[2]
  if command == "write" and folder then
    write(folder, arg[3] or "cc")
  elseif command == "check" and folder then
    local facts = M.read(folder)
    os.exit(facts ~= nil and facts.sources == M.fingerprint())
  else
    error("usage: built.lua write FOLDER COMPILER | check FOLDER", 0)
  end
end

return M
