-- SPDX-License-Identifier: MIT
--- What a campaign has measured so far, on disk: one line a sample, written as it is taken.
--
-- The first line names the campaign and what its samples depend on; a journal of other cases or
-- other numbers is not continued. The second says which process writes it: while that one lives,
-- the journal is nobody else's. A line that was cut off by the end of the process is the last one
-- and is dropped. The journal goes when the run is over and its results are kept.

local core = require "ringkernel.core"
local json = require "ringkernel.json"

local M = {}

local Journal = {}
Journal.__index = Journal

--- A sample as one line of JSON.
function M.sample_text(taken)
  return json.encode {
    seconds = taken.seconds, operations = taken.operations, bytes = taken.bytes,
    values = taken.values, labels = taken.labels, void = taken.void,
    buckets = taken.histogram:buckets(),
  }
end

--- The sample of such a line, or nil.
function M.read_sample(text)
  local taken = json.decode(text)
  if type(taken) ~= "table" or not taken.seconds or type(taken.buckets) ~= "table" then
    return nil
  end
  taken.histogram = core.histogram()
  for _, bucket in ipairs(taken.buckets) do
    taken.histogram:record(bucket[2], bucket[3]) -- the top of a bucket stands for it
  end
  taken.buckets = nil
  return taken
end

local function head(campaign, entries)
  local names = {}
  for i, entry in ipairs(entries) do
    names[i] = entry.name
  end
  return json.encode { campaign = campaign.name, samples = campaign.samples, seed = campaign.seed,
    cases = names }
end

-- ---- whose it is ------------------------------------------------------------------------------

--- When process `pid` ("self": this one) began, in the system's ticks, and its number; nil where it
-- does not live or the system does not tell.
local function beginning(pid)
  local file = io.open("/proc/" .. pid .. "/stat")
  local text = file and file:read("a") or ""
  if file then
    file:close()
  end
  local number, rest = text:match("^(%d+) .*%) (.*)$")
  if not number then
    return nil
  end
  local fields = {}
  for field in rest:gmatch("%S+") do
    fields[#fields + 1] = field
  end
  return fields[20], number -- the 22nd, of which two are before the rest
end

local function owner_line()
  local began, number = beginning("self")
  return began and ("#writer %s %s"):format(number, began) or "#writer"
end

--- The number of the other process that writes this journal now, or nil.
local function writer(file)
  file:read("l")
  local number, began = (file:read("l") or ""):match("^#writer (%d+) (%d+)$")
  local _, own = beginning("self")
  return number and number ~= own and beginning(number) == began and number or nil
end

-- ---- taking over, writing ---------------------------------------------------------------------

local function refuse(path, message)
  return nil, ("journal %s: %s"):format(path, message), "io"
end

--- Takes the samples of an earlier run into `entries`. Returns how many, or nil and a message.
local function take_over(path, campaign, entries)
  local file = io.open(path, "r")
  if not file then
    return 0
  end
  local first = file:read("l")
  if first ~= head(campaign, entries) then
    file:close()
    return nil, "it is of other cases, or of another number of samples; remove it to start anew"
  end
  local by_name, count = {}, 0
  for _, entry in ipairs(entries) do
    by_name[entry.name] = entry
  end
  for line in file:lines() do
    local name, text = line:match("^([^\t]*)\t(.*)$")
    local taken = text and M.read_sample(text)
    local entry = by_name[name]
    if taken and entry and #entry.samples < campaign.samples then
      entry.samples[#entry.samples + 1] = taken
      count = count + 1
    end
  end
  file:close()
  return count
end

--- Opens the journal of `campaign` in the folder options.out, which must exist. With
-- options.resume the samples of an interrupted run are taken into `entries`; without it one that is
-- there is an error "exists". Nil, message, code on failure.
function M.open(campaign, options, entries)
  local path = ("%s/%s.journal"):format(options.out, campaign.name)
  local old = io.open(path, "r")
  if old then
    local other = writer(old)
    old:close()
    if other then
      return nil, ("process %s is running '%s' with journal %s: wait for it, or choose another "
        .. "folder"):format(other, campaign.name, path), "exists"
    elseif not options.resume then
      return nil, ("an interrupted run of '%s' has left %s: go on with --resume, or remove it")
        :format(campaign.name, path), "exists"
    end
  end
  local resumed = 0
  if options.resume then
    local count, reason = take_over(path, campaign, entries)
    if not count then
      return refuse(path, reason)
    end
    resumed = count
  end
  -- Written anew, so that a line cut off in the middle does not stay.
  local file, message = io.open(path .. ".new", "w")
  if not file then
    return refuse(path, message)
  end
  local self = setmetatable({ file = file, path = path, resumed = resumed }, Journal)
  local ok = file:write(head(campaign, entries), "\n", owner_line(), "\n")
  for _, entry in ipairs(entries) do
    for _, taken in ipairs(entry.samples) do
      ok = ok and file:write(entry.name, "\t", M.sample_text(taken), "\n")
    end
  end
  ok = ok and file:flush() and os.rename(path .. ".new", path)
  if not ok then
    return refuse(path, "cannot be written")
  end
  return self
end

function Journal:sample(name, taken)
  local ok, message = self.file:write(name, "\t", M.sample_text(taken), "\n")
  if ok then
    ok, message = self.file:flush()
  end
  if not ok and not self.is_broken then
    self.is_broken = true
    io.stderr:write(("%s cannot be written (%s): this run cannot be resumed\n"):format(self.path,
      tostring(message)))
  end
end

--- Closes the journal, and removes it where the results are kept: they have all of it.
function Journal:close(is_kept)
  self.file:close()
  if is_kept then
    os.remove(self.path)
  end
end

return M
