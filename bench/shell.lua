-- SPDX-License-Identifier: MIT
--- What benchmarks ask of the system: words for the shell, output of commands, facts in files. Used
--- by run.lua and gpu/check.lua.

local M = {}

--- A word of the shell.
function M.quoted(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

--- Output of a command without its last line break, "" when it fails.
function M.output(command)
  local pipe = assert(io.popen(command .. " 2>/dev/null"))
  local text = pipe:read("a")
  pipe:close()
  return (text:gsub("%s+$", ""))
end

--- What the first match of `pattern` in a file captures; nil without one, or without the file.
function M.first_match(path, pattern)
  local file = io.open(path)
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  return text:match(pattern)
end

return M
