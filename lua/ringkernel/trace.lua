-- SPDX-License-Identifier: MIT
--- Writes what actors did as a Chrome trace: JSON that ui.perfetto.dev and chrome://tracing open.
--
--   local rt <close> = assert(rk.open { trace = 4096 })
--   assert(rt:trace { on = true })
--   ...
--   assert(rt:trace { on = false })
--   assert(rt:trace_save "run.json")
--
-- or, with records of rt:trace_read() or of one's own, rk.trace.save("run.json", records). A record
-- is a plain table:
--   kind     "handle" (a message was handled), "send" (one left), "deliver" (one of the host's came
--            into its receiver's queue), "start", "stop" (those handlers ran), "dead" (a message
--            became a dead letter)
--   ts_us    when, in microseconds since any moment that all records share (those of a runtime:
--            since it was opened); fractions are kept
--   dur_us   how long it took (handle, start, stop; 0 if absent)
--   block    number of the block; nil: the host
--   actor    slot number of the actor that handled or sent it or was to get it (deliver, dead);
--            nil: the host; with a nil block an actor whose handler is a Lua function sent it
--   name     its name, if known
--   message  id of the message; nil for start and stop
--   type     name (or number) of its type, if known
--   reason   of a dead letter
--   cause    of what such an actor sent: low 32 bits of the id of the message that it handled
--
-- Each block is a process of the trace, the host another one, each actor a thread of its block, and
-- so are the block's deliveries. A handled message is a slice on its actor's track. An arrow leads
-- from where a message was sent, by way of its delivery, to where it was handled, if the records
-- hold both ends; a message that several actors handled (one that was published) has an arrow to
-- each. Messages between actors have no delivery: their sender puts them into the queue.
--
-- Events are in the order of time. All times are the host's; `clock_offset_us` and `clock_error_us`
-- beside them say how far the clock of the blocks was from it, and how well that is known.

local check = require "ringkernel.check"
local json = require "ringkernel.json"

local M = {}

local OPTIONS = {
  host = { type = "string" },
  lost = { type = "integer", min = 0 },
  origin_us = { type = "integer", min = 0 },
  clock_offset_us = { type = "number" },
  clock_error_us = { type = "number" },
}
local HOST_PID = 1
local DELIVERIES_TID = 1 << 20 -- past all slots
local KINDS = { handle = true, send = true, start = true, stop = true, dead = true,
  deliver = true }

-- Viewers bind arrows to the slices around their ends, so a moment on a track of its own needs some
-- width.
local MOMENT_US = 0.001

local quote = json.quote

--- Microseconds with nanoseconds behind the point.
local function time(us)
  return ("%.3f"):format(us)
end

local function pid_of(record)
  return record.block and HOST_PID + 1 + record.block or HOST_PID
end

local function tid_of(record)
  return record.kind == "deliver" and DELIVERIES_TID or record.actor or 0
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
    names[tid] = tid == DELIVERIES_TID and "deliveries" or record.name or names[tid] or false
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
    check.fail("trace: record %d: kind: 'handle', 'send', 'deliver', 'start', 'stop' or 'dead' "
      .. "expected, got %s", index, check.describe(record.kind))
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

--- The earliest time, for each message the first record of its sending, and the records of
-- deliveries by message and receiver.
local function survey(records)
  local origin, sent, delivered = math.huge, {}, {}
  for index, record in ipairs(records) do
    check_record(index, record)
    origin = math.min(origin, record.ts_us)
    local id = record.message
    if id and record.kind == "send" and (not sent[id] or record.ts_us < sent[id].ts_us) then
      sent[id] = record
    elseif id and record.kind == "deliver" and record.actor then
      delivered[id] = delivered[id] or {}
      delivered[id][record.actor] = record
    end
  end
  return origin == math.huge and 0 or origin, sent, delivered
end

--- Appends an event to the list `timed`; `width` orders what begins together: wider ones first.
local function add(timed, at, width, text)
  timed[#timed + 1] = { at = at, width = width, number = #timed, text = text }
end

local function add_record(timed, record, at)
  local dur = record.dur_us or 0
  local kind = record.kind
  if kind == "dead" or (kind == "send" and record.block) then
    add(timed, at, 0, instant(record, at)) -- within a handler its slice is there already
  else
    dur = (kind == "send" or kind == "deliver") and math.max(dur, MOMENT_US) or dur
    add(timed, at, dur, slice(record, at, dur))
  end
end

--- The arrow of one handling: its tail, the delivery on its way, its head. Clocks of a host and a
-- device may differ a little: it never points back.
local function add_arrow(timed, id, origin, from, over, to)
  local at = from.ts_us - origin
  add(timed, at, -1, arrow_end("s", from, id, at))
  if over then
    at = math.max(at, over.ts_us - origin)
    add(timed, at, -1, arrow_end("t", over, id, at))
  end
  at = math.max(at, to.ts_us - origin)
  add(timed, at, -1, arrow_end("f", to, id, at))
end

local function is_before(a, b)
  if a.at ~= b.at then
    return a.at < b.at
  elseif a.width ~= b.width then
    return a.width > b.width
  end
  return a.number < b.number
end

--- The texts of all events, and the number of arrows.
local function events_of(records, options, origin, sent, delivered)
  local events, timed, arrows, heads = {}, {}, 0, {}
  add_tracks(events, records, options)
  for _, record in ipairs(records) do
    add_record(timed, record, record.ts_us - origin)
    local id = record.message
    local from = record.kind == "handle" and id and sent[id]
    if from then
      heads[id] = (heads[id] or 0) + 1
      arrows = arrows + 1
      add_arrow(timed, id_text(id) .. (heads[id] > 1 and "." .. heads[id] or ""), origin, from,
        delivered[id] and delivered[id][record.actor], record)
    end
  end
  table.sort(timed, is_before)
  for _, event in ipairs(timed) do
    events[#events + 1] = event.text
  end
  return events, arrows
end

--- Returns the trace of a list of records as JSON text, and how many arrows it has. Options: `host`
-- names the host's process, `lost` is the number of records that were overwritten before they were
-- read, `origin_us` the moment (microseconds since 1970) that ts_us counts from, `clock_offset_us`
-- and `clock_error_us` as above; these are shown with the trace.
function M.encode(records, options)
  options = check.options("trace", options or {}, OPTIONS)
  if type(records) ~= "table" then
    check.fail("trace: a list of records expected, got %s", check.describe(records))
  end
  local origin, sent, delivered = survey(records)
  local events, arrows = events_of(records, options, origin, sent, delivered)
  local other = { ('"origin_us":"%s"'):format(time((options.origin_us or 0) + origin)),
    ('"lost":"%d"'):format(options.lost or 0) }
  for _, key in ipairs { "clock_offset_us", "clock_error_us" } do
    if options[key] then
      other[#other + 1] = ('"%s":"%s"'):format(key, time(options[key]))
    end
  end
  local head = ('{"displayTimeUnit":"ns","otherData":{%s},'):format(table.concat(other, ","))
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
