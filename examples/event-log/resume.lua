-- Checkpoints of a job, and going on from one in another process. All that the actors know and
-- have waiting is in the checkpoint; how far the program had read the log is a retained message,
-- which is in it, too. The names that it had numbered by then it numbers again, reading them again.

local rk = require "ringkernel"

local M = {}

local TOPIC = "event-log/position"
local KEEP = 2

local Position = rk.message("Position", { { "lines", "u64" }, { "events", "u64" } })

--- Saves the actors, and that so many lines were read and so many events sent.
function M.save(rt, series, lines, events)
  rt:publish(TOPIC, Position { lines = lines, events = events }, { retain = true })
  return rt:checkpoint(series, { keep = KEEP })
end

--- Brings back the actors of the newest whole checkpoint of a series.
-- Returns position, info | nil, message, code.
function M.load(rt, series, kernels)
  local info, message, code = rt:restore(series, { kernels = kernels })
  if not info then
    return nil, message, code
  end
  local position
  local subscription = assert(rt:subscribe(TOPIC, function(retained)
    position = retained
  end))
  rt:poll(0)
  subscription:close()
  if not position then
    return nil, "it is not of this program: it has no position in a log", "corrupt"
  end
  return position, info
end

return M
