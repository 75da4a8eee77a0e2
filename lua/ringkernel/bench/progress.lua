-- SPDX-License-Identifier: MIT
--- Where a campaign stands, on stderr: one line that is rewritten, and only where somebody watches.

local core = require "ringkernel.core"

local M = {}

local Progress = {}
Progress.__index = Progress

local function is_watched()
  local ok, how = pcall(os.execute, "test -t 2")
  return ok and how == true
end

function M.new(campaign, entries, quiet)
  local total = 0
  for _, entry in ipairs(entries) do
    total = total + (entry.done and 0 or campaign.samples - #entry.samples)
  end
  return setmetatable({
    name = campaign.name, quiet = quiet or not is_watched(), total = total, done = 0,
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
    io.stderr:write("\r\27[K", text)
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
