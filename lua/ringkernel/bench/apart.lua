-- SPDX-License-Identifier: MIT
--- Samples in processes of their own, for `isolate`: both ends of what parent and child say.
--
-- The child is `rkl --bench FILE --one INDEX`. Its last line is the sample, or why there is none;
-- a process that ends without either has died, and how is all there is to tell.

local core = require "ringkernel.core"
local journal = require "ringkernel.bench.journal"
local json = require "ringkernel.json"

local LAST_LINES = 3 -- of what a dead process wrote

local M = {}

--- The program that runs this.
local function program()
  local lowest = 0
  while arg and arg[lowest - 1] do
    lowest = lowest - 1
  end
  return arg and arg[lowest] or "rkl"
end

--- How a process ended that told nothing, with the last it wrote.
local function ending(output, status, signal)
  local how = signal and "was ended by signal " .. signal
    or ("ended with status %s and gave no sample"):format(status)
  local lines = {}
  for line in output:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  local last = table.concat(lines, "; ", math.max(1, #lines - LAST_LINES + 1))
  return "its process " .. how .. (last ~= "" and ": " .. last or "")
end

--- One sample of the case `index` of the campaign in `file`, within `seconds`. Nil, the reason and
-- the case's status ("failed", "hung", "void") when there is none.
function M.sample(file, index, seconds)
  local output, status, signal = core.spawn({ program(), "--bench", file, "--one",
    tostring(index) }, seconds)
  if not output then
    if signal == "timeout" then -- the code, there
      return nil, ("its process had not ended after %g s and was killed"):format(seconds), "hung"
    end
    return nil, tostring(status), "failed"
  end
  local kind, line = output:match("\n?campaign%-(%l+) ([^\n]*)\n?$")
  if kind == "sample" then
    local taken = journal.read_sample(line)
    if taken then
      return taken
    end
  elseif kind == "failure" then
    local told = json.decode(line)
    if type(told) == "table" and told.reason then
      return nil, told.reason, told.status
    end
  end
  return nil, ending(output, status, signal), "failed"
end

--- The child's words: its sample, or the reason and status of a case without one.
function M.tell(taken, reason, status)
  if taken then
    print("campaign-sample " .. journal.sample_text(taken))
  else
    print("campaign-failure " .. json.encode { reason = reason, status = status })
  end
end

return M
