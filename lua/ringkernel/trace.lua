-- SPDX-License-Identifier: MIT
--- Writes what actors did as a Chrome trace: JSON that ui.perfetto.dev and chrome://tracing open.
--
--   local trace = require "ringkernel.trace"
--   assert(trace.save("run.json", records, { host = "lua5.4" }))
--
-- A record is a plain table:
--   kind     "handle" (a message was handled), "send" (one left), "start", "stop" (those handlers
--            ran), "dead" (a message became a dead letter)
--   ts_us    when, in microseconds since any moment that all records share; fractions are kept
--   dur_us   how long it took (handle, start, stop; 0 if absent)
--   block    number of the block; nil: the host
--   actor    slot number of the actor that handled or sent it; nil with a nil block
--   name     its name, if known
--   message  id of the message; nil for start and stop
--   type     name (or number) of its type, if known
--   reason   of a dead letter
--
-- Each block is a process of the trace, the host another one, each actor a thread of its block. A
-- handled message is a slice on its actor's track. An arrow leads from where a message was sent to
-- where it was handled, if the records hold both; a message that several actors handled (one that
-- was published) has an arrow to each.

local check = require "ringkernel.check"

local M = {}

local OPTIONS = { host = { type = "string" }, lost = { type = "integer", min = 0 } }
local HOST_PID = 1
local KINDS = { handle = true, send = true, start = true, stop = true, dead = true }

-- Viewers bind an arrow's tail to the slice around it, so a moment of sending needs some width.
local SEND_US = 0.001

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape(char)
  return ESCAPES[char] or ("\\u%04x"):format(char:byte())
end

--- A JSON string. Bytes that are no UTF-8 are shown as the Latin-1 characters of their values.
local function quote(text)
  text = text:gsub('[%c"\\\127]', escape)
  if not utf8.len(text) then
    text = text:gsub("[\128-\255]", escape)
  end
  return '"' .. text .. '"'
end

--- Microseconds with nanoseconds behind the point.
local function time(us)
  return ("%.3f"):format(us)
end

local function pid_of(record)
  return record.block and HOST_PID + 1 + record.block or HOST_PID
end

local function tid_of(record)
  return record.actor or 0
end

--- Message ids pass 2^53, so they are text everywhere.
local function id_text(id)
  return ("%d"):format(id)
end

local function type_name(record)
  local kind = record.type
  return math.type(kind) == "integer" and ("%08x"):format(kind) or kind
end

local function slice_name(record)
  if record.kind == "start" or record.kind == "stop" then
    return record.kind
  end
  local what = type_name(record) or "message"
  return record.kind == "handle" and what or record.kind .. " " .. what
end

-- ---- events: each is the text of one JSON object ----

local function args_of(record)
  local args = {}
  if record.message then
    args[#args + 1] = '"message":' .. quote(id_text(record.message))
  end
  if record.reason then
    args[#args + 1] = '"reason":' .. quote(tostring(record.reason))
  end
  return table.concat(args, ",")
end

local function slice(record, ts_us, dur_us)
  return ('{"ph":"X","cat":%s,"name":%s,"pid":%d,"tid":%d,"ts":%s,"dur":%s,"args":{%s}}'):format(
    quote(record.kind), quote(slice_name(record)), pid_of(record), tid_of(record), time(ts_us),
    time(dur_us), args_of(record))
end

local function instant(record, ts_us)
  return ('{"ph":"i","s":"t","cat":%s,"name":%s,"pid":%d,"tid":%d,"ts":%s,"args":{%s}}'):format(
    quote(record.kind), quote(slice_name(record)), pid_of(record), tid_of(record), time(ts_us),
    args_of(record))
end

local function arrow_end(phase, record, id, ts_us)
  return ('{"ph":"%s"%s,"cat":"message","name":"message","id":%s,"pid":%d,"tid":%d,"ts":%s}')
    :format(phase, phase == "f" and ',"bp":"e"' or "", quote(id), pid_of(record),
      tid_of(record), time(ts_us))
end

local function metadata(what, pid, tid, args)
  return ('{"ph":"M","name":"%s","pid":%d,"tid":%d,"args":{%s}}'):format(what, pid, tid, args)
end

-- ---- names of tracks ----

local function each_sorted(map, fn)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    fn(key, map[key])
  end
end

local function add_tracks(events, records, options)
  local tracks = {} -- pid -> tid -> name
  for _, record in ipairs(records) do
    local pid, tid = pid_of(record), tid_of(record)
    local names = tracks[pid] or {}
    tracks[pid] = names
    names[tid] = record.name or names[tid] or false
  end
  each_sorted(tracks, function(pid, names)
    local title = pid == HOST_PID and (options.host or "host")
      or ("block %d"):format(pid - HOST_PID - 1)
    events[#events + 1] = metadata("process_name", pid, 0, '"name":' .. quote(title))
    events[#events + 1] = metadata("process_sort_index", pid, 0, ('"sort_index":%d'):format(pid))
    each_sorted(names, function(tid, name)
      name = name or (pid == HOST_PID and "sender" or ("actor %d"):format(tid))
      events[#events + 1] = metadata("thread_name", pid, tid, '"name":' .. quote(name))
    end)
  end)
end

-- ---- slices and arrows ----

local function is_finite(value)
  return type(value) == "number" and value - value == 0
end

local function check_record(index, record)
  if type(record) ~= "table" then
    check.fail("trace: record %d: a table expected, got %s", index, check.describe(record))
  elseif not KINDS[record.kind] then
    check.fail("trace: record %d: kind: 'handle', 'send', 'start', 'stop' or 'dead' expected, "
      .. "got %s", index, check.describe(record.kind))
  elseif not is_finite(record.ts_us) then
    check.fail("trace: record %d: ts_us: microseconds expected, got %s", index,
      check.describe(record.ts_us))
  elseif record.dur_us ~= nil and not (is_finite(record.dur_us) and record.dur_us >= 0) then
    check.fail("trace: record %d: dur_us: microseconds (0 or more) expected, got %s", index,
      check.describe(record.dur_us))
  end
  for _, key in ipairs { "block", "actor", "message" } do
    if record[key] ~= nil and math.type(record[key]) ~= "integer" then
      check.fail("trace: record %d: %s: an integer expected, got %s", index, key,
        check.describe(record[key]))
    end
  end
end

--- The earliest time, and for each message the first record of its sending.
local function survey(records)
  local origin, sent = math.huge, {}
  for index, record in ipairs(records) do
    check_record(index, record)
    origin = math.min(origin, record.ts_us)
    local id = record.kind == "send" and record.message
    if id and (not sent[id] or record.ts_us < sent[id].ts_us) then
      sent[id] = record
    end
  end
  return origin == math.huge and 0 or origin, sent
end

local function add_record(events, record, at)
  if record.kind == "dead" then
    events[#events + 1] = instant(record, at)
  elseif record.kind == "send" then
    -- inside a handler its slice is there already: a mark is enough
    events[#events + 1] = record.block and instant(record, at)
      or slice(record, at, math.max(record.dur_us or 0, SEND_US))
  else
    events[#events + 1] = slice(record, at, record.dur_us or 0)
  end
end

--- Returns the trace of a list of records as JSON text, and how many arrows it has. Options: `host`
-- names the host's process, `lost` is the number of records that were overwritten before they were
-- read, shown with the trace.
function M.encode(records, options)
  options = check.options("trace", options or {}, OPTIONS)
  if type(records) ~= "table" then
    check.fail("trace: a list of records expected, got %s", check.describe(records))
  end
  local origin, sent = survey(records)
  local events, arrows, heads = {}, 0, {}
  add_tracks(events, records, options)
  for _, record in ipairs(records) do
    local at = record.ts_us - origin
    add_record(events, record, at)
    local from = record.kind == "handle" and record.message and sent[record.message]
    if from then
      local n = (heads[record.message] or 0) + 1
      heads[record.message] = n
      arrows = arrows + 1
      local id = id_text(record.message) .. (n > 1 and "." .. n or "")
      local from_at = from.ts_us - origin
      events[#events + 1] = arrow_end("s", from, id, from_at)
      -- clocks of a host and a device may differ a little: an arrow never points back
      events[#events + 1] = arrow_end("f", record, id, math.max(at, from_at))
    end
  end
  local head = ('{"displayTimeUnit":"ns","otherData":{"origin_us":"%s","lost":"%d"},'):format(
    time(origin), options.lost or 0)
  return head .. '"traceEvents":[\n' .. table.concat(events, ",\n") .. "\n]}\n", arrows
end

--- Writes the trace of `records` to the file `path`. Returns true, or nil, message, "io".
function M.save(path, records, options)
  local text = M.encode(records, options)
  local file, why = io.open(path, "wb")
  if not file then
    return nil, ("trace: cannot write: %s"):format(why), "io"
  end
  local ok, write_why = file:write(text)
  local closed, close_why = file:close()
  if not (ok and closed) then
    return nil, ("trace: cannot write '%s': %s"):format(path, write_why or close_why), "io"
  end
  return true
end

return M
