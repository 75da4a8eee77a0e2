-- SPDX-License-Identifier: MIT
--- Keeps what `make gpu-check` has found so far: the figures as JSON, the report, all logs in one
--- file. Used by check.lua, which saves after every stage: a run may be cut off at any time.
--
-- Four files, whatever happens: BASE.json, BASE.md, BASE-logs.txt, BASE-system.txt. Until all
-- stages have run, and when something is missing, BASE ends in "-partial".

local json = require "ringkernel.json"

local pages = require "pages"
local shell = require "shell"

local M = {}

local LOG_HEAD, LOG_TAIL = 48 * 1024, 160 * 1024 -- of one log that is longer than both
local LOGS_MAX = 12 * 1024 * 1024

--- "NVIDIA H100 80GB HBM3" -> "h100".
local function short_name(name)
  local text = name:gsub("NVIDIA", ""):gsub("GeForce", ""):gsub("%f[%w]%d+%s?GB.*", "")
  text = text:lower():gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  return text ~= "" and text or "device"
end

--- Writes beside the old file and puts it in its place: whoever is cut off leaves a whole one.
local function write(path, ...)
  local file = assert(io.open(path .. ".new", "w"))
  assert(file:write(...))
  assert(file:close())
  assert(os.rename(path .. ".new", path))
end

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  return text
end

local function shortened(text)
  local left_out = #text - LOG_HEAD - LOG_TAIL
  if left_out <= 0 then
    return text
  end
  return ("%s\n[... %d bytes left out ...]\n%s"):format(text:sub(1, LOG_HEAD), left_out,
    text:sub(-LOG_TAIL))
end

--- All logs of the folder as one text, those of programs that did not end well first.
local function all_logs(job)
  local names, out, bytes = {}, {}, 0
  for name in shell.output("LC_ALL=C ls -tr " .. shell.quoted(job.logs)):gmatch("[^\n]+") do
    if name:find("%.log$") then
      names[#names + 1] = name
    end
  end
  for _, wants_bad in ipairs { true, false } do
    for _, name in ipairs(names) do
      local status = job.ended[name]
      local is_bad = status ~= "ok" -- one that still runs counts as bad
      if is_bad == wants_bad then
        local text = shortened(read(job.logs .. "/" .. name))
        bytes = bytes + #text
        out[#out + 1] = ("==== %s: %s ====\n%s\n"):format(name, status or "not ended",
          bytes <= LOGS_MAX and text or "[left out: too much]")
      end
    end
  end
  return table.concat(out)
end

--- A keeper of `result` in `folder`.
function M.new(job, result, folder)
  local keeper = { folder = folder }
  local stem = ("%s/%s-%s"):format(folder, short_name(result.environment.device),
    result.environment.date:sub(1, 10))
  assert(os.execute("mkdir -p " .. shell.quoted(folder)))

  --- Writes everything. `ahead`: names of the stages that have not ended; none: this is the end.
  -- Returns the report and where the files are.
  function keeper.save(ahead)
    local missing = table.move(result.missing, 1, #result.missing, 1, {})
    for _, name in ipairs(ahead) do
      missing[#missing + 1] = name .. " (not reached)"
    end
    local base = stem .. (#missing > 0 and "-partial" or "")
    local text = pages.render(result, missing)
    local list = {}
    for name, figure in pairs(result.figures) do
      figure.quantity = name
      list[#list + 1] = figure
    end
    table.sort(list, function(a, b)
      return a.quantity < b.quantity
    end)
    write(base .. ".json", json.encode({
      what = "ringkernel gpu-check", label = result.label, environment = result.environment,
      stages = result.stages, results = list, notes = result.notes, missing = missing,
      experiments = result.experiments, goals = result.goals,
    }, ""), "\n")
    write(base .. ".md", text, "\n")
    write(base .. "-logs.txt", all_logs(job))
    write(base .. "-system.txt", table.concat(job.system))
    if #missing == 0 then
      for _, ending in ipairs { ".json", ".md", "-logs.txt", "-system.txt" } do
        os.remove(stem .. "-partial" .. ending)
      end
    end
    return text, base
  end

  return keeper
end

return M
