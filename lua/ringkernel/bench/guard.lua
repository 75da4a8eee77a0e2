-- SPDX-License-Identifier: MIT
--- Calls the functions of a campaign so that what goes wrong in one ends its case and not the run.
--
-- A call has a time limit. In rkl a signal ends it, also when it waits; elsewhere a hook does,
-- which sees Lua code only. Errors come back as text, whatever was thrown. os.exit is an error
-- meanwhile: it would end the run without results, and with the status of a success.

local check = require "ringkernel.check"
local core = require "ringkernel.core"

local M = {
  may_exit = false, -- in a process of the sample's own os.exit ends no more than the sample
}

local clock = core.clock
local has_rkl, rkl = pcall(require, "ringkernel.rkl")
local has_limit = has_rkl and rkl.limit ~= nil

local function refuse()
  error("os.exit in a campaign: raise an error, or call meter:void", 2)
end

local function begin(seconds, what)
  if has_limit then
    rkl.limit(seconds, what)
    return
  end
  local deadline = clock() + seconds
  debug.sethook(function()
    if clock() > deadline then
      debug.sethook()
      error("ran longer than its limit", 2)
    end
  end, "", 10000)
end

local function finish()
  if has_limit then
    rkl.limit()
  else
    debug.sethook()
  end
end

--- Runs fn(...) for at most `seconds`; `what` names it should it not come back. Returns true and
-- its results; or false, the reason as text, and "hung" or "failed". Ctrl-C goes on to the caller:
-- it ends the run, not the case.
function M.call(seconds, what, fn, ...)
  local leave = os.exit
  if not M.may_exit then
    rawset(os, "exit", refuse)
  end
  begin(seconds, what)
  local packed = table.pack(pcall(fn, ...))
  finish()
  rawset(os, "exit", leave)
  if packed[1] then
    return table.unpack(packed, 1, packed.n)
  end
  local text = check.error_text(packed[2])
  if text:find("interrupted!", 1, true) then
    error(packed[2], 0)
  elseif text:find("ran longer than its limit$") then
    text = ("ran longer than its limit of %g s"):format(seconds)
  end
  -- A campaign that starts a program says so of it in the same words.
  return false, text, text:find("ran longer than its limit", 1, true) and "hung" or "failed"
end

return M
