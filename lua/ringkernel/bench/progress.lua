-- SPDX-License-Identifier: MIT
--- Where a campaign stands, on stderr: one line that is rewritten, and only where somebody watches.
--- It is cut to the width of the terminal; one that cannot rewrite lines (TERM=dumb) gets none.

local core = require "ringkernel.core"

local M = {}

local COLUMNS = 80 -- of a terminal that does not tell

local Progress = {}
Progress.__index = Progress

--- Columns of the terminal that stderr is, nil where it is none or cannot rewrite a line.
local function width()
  local term = os.getenv "TERM" or "dumb"
  local pipe = term ~= "dumb" and io.popen("stty size <&2 2>/dev/null")
  local columns = pipe and tonumber((pipe:read("a") or ""):match("^%d+ (%d+)"))
  if pipe then
    pipe:close()
  end
  return columns and (columns > 0 and columns or COLUMNS)
end

function M.new(campaign, entries, quiet)
  local total = 0
  for _, entry in ipairs(entries) do
    total = total + (entry.done and 0 or campaign.samples - #entry.samples)
  end
  local columns = not quiet and width() or nil
  return setmetatable({
    name = campaign.name, quiet = columns == nil, columns = columns, total = total, done = 0,
    began = core.clock(), silent = quiet,
  }, Progress)
end

local function span(seconds)
  if seconds < 90 then
    return ("%d s"):format(math.ceil(seconds))
  end
  return ("%d min"):format(math.ceil(seconds / 60))
end

function Progress:line(text)
  if not self.quiet then
    local last = utf8.offset(text, self.columns) -- the last column stays free: no line is wrapped
    io.stderr:write("\r\27[K", last and text:sub(1, last - 1) or text)
    io.stderr:flush()
  end
end

function Progress:warming(entry)
  self:line(("%s: warming up %s"):format(self.name, entry.name))
end

--- Before a sample of `entry`.
function Progress:at(entry, round)
  if round == 1 and self.done == 0 then
    self.began = core.clock() -- warm-up tells nothing about samples
  end
  local spent = core.clock() - self.began
  local left = self.done > 0 and spent / self.done * (self.total - self.done)
  self:line(("%s: %d of %d, %s%s"):format(self.name, self.done + 1, self.total, entry.name,
    left and (", %s left"):format(span(left)) or ""))
  self.done = self.done + 1
end

--- A line that stays.
function Progress:note(text)
  if not self.silent then
    self:line("")
    io.stderr:write(self.name, ": ", text, "\n")
  end
end

function Progress:finish()
  self:line("")
end

return M
