-- SPDX-License-Identifier: MIT
--- Where messages came from: `rt:provenance`, `sys:provenance`, in the terms of W3C PROV.
--
-- What happened is taken from the trace (rk.open { trace = }), which has every sending and handling
-- with the id that a message carries in its header through all hops. A block's records stand in
-- their order and a handler's own record behind those of what it sent, so what was sent between two
-- of them came from the handling that follows. What a Lua actor sent has its cause in the record.
--
-- The runtime's timer moves records from the rings into a list here, of at most `limit`; the oldest
-- are forgotten then. What a ring lost before it was read is gone, too. Both are counted, and a
-- document says whether it is complete. provenance_document.lua makes documents.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local document = require "ringkernel.provenance_document"
local worlds = require "ringkernel.supervision_world"

local Runtime = core.methods "runtime"

local M = {}

local PERIOD = 0.02 -- seconds between two looks at the rings
local DEFAULT_LIMIT = 65536
local UNREAD_MAX = 16384 -- records kept for rt:trace_read
local CLOSE_US = 0.01    -- what floats may do to times that are equal

local read_ring = Runtime.trace_read
local switch_trace = Runtime.trace

-- runtime -> { entries, first, last, limit, pending, lost, forgotten, unread, is_on }
local collections = setmetatable({}, { __mode = "k" })

local function new_collection()
  return { entries = {}, first = 1, last = 0, limit = DEFAULT_LIMIT, pending = {}, lost = 0,
    base = 0, forgotten = 0, unread = {}, unread_lost = 0, is_on = false }
end

-- ---- collecting ---------------------------------------------------------------------------------

local function keep(all, entry)
  all.last = all.last + 1
  all.entries[all.last] = entry
  if all.last - all.first + 1 > all.limit then
    all.entries[all.first] = nil
    all.first = all.first + 1
    all.forgotten = all.forgotten + 1
  end
end

--- What an actor's handler sent is known to be its own once the handler's record is there.
local function close_handler(all, entry)
  local block = all.pending[entry.block]
  local sent = block and block[entry.actor]
  if not sent then
    return
  end
  block[entry.actor] = nil
  for _, message in ipairs(sent) do
    if message.at >= entry.at - CLOSE_US and message.at <= entry.ends + CLOSE_US then
      message.by = entry
    end
  end
end

local function add(all, record)
  local kind = record.kind
  if kind == "deliver" then
    return
  end
  local entry = { kind = kind, at = record.ts_us, message = record.message, type = record.type,
    block = record.block, actor = record.actor, cause = record.cause, reason = record.reason,
    name = record.name or record.actor and ("slot%d"):format(record.actor) }
  keep(all, entry)
  if kind == "send" and record.block then
    local block = all.pending[record.block] or {}
    all.pending[record.block] = block
    block[record.actor] = block[record.actor] or {}
    table.insert(block[record.actor], entry)
  elseif kind ~= "send" and kind ~= "dead" then
    entry.ends = record.ts_us + (record.dur_us or 0)
    close_handler(all, entry)
  end
end

--- Reads the rings into the collection. The number of records read, or nil, message, code.
local function collect(rt, all)
  local records, lost, code = read_ring(rt)
  if not records then
    return nil, lost, code
  end
  all.lost = lost - all.base
  for _, record in ipairs(records) do
    add(all, record)
  end
  local unread = all.unread
  for index, record in ipairs(records) do
    if #unread >= UNREAD_MAX then
      all.unread_lost = all.unread_lost + #records - index + 1
      break
    end
    unread[#unread + 1] = record
  end
  return #records
end

local function arm(rt, all)
  local weak = setmetatable({ rt = rt }, { __mode = "v" })
  worlds.of(rt):after(PERIOD, function()
    if weak.rt and core.is_open(weak.rt) and all.is_on then
      collect(weak.rt, all)
      arm(weak.rt, all)
    end
  end)
end

--- rt:trace_read, which shares the rings with the collection.
function Runtime:trace_read()
  local all = collections[self]
  if not all or not all.is_on and #all.unread == 0 then
    return read_ring(self)
  elseif all.is_on then
    local count, text, code = collect(self, all)
    if not count then
      return nil, text, code
    end
  end
  local records = all.unread
  all.unread = {}
  return records, all.base + all.lost + all.unread_lost
end

--- rt:trace; nobody else switches it off while provenance is kept.
function Runtime:trace(options)
  local all = collections[self]
  if all and all.is_on and type(options) == "table" and options.on == false then
    return nil, "provenance is kept from the trace; end that first: rt:provenance { on = false }",
      "invalid_state"
  end
  return check.blame("trace", switch_trace, self, options)
end

local function start(rt, all)
  if all.is_on then
    return true
  end
  local ok, text, code = switch_trace(rt, { on = true })
  if not ok then
    return nil, text, code
  end
  local before, lost = read_ring(rt) -- what was recorded for others
  all.is_on = true
  all.base = before and lost - all.lost or all.base
  all.unread = before or {}
  for _, record in ipairs(all.unread) do
    add(all, record)
  end
  arm(rt, all)
  return true
end

local function stop(rt, all)
  if not all.is_on then
    return true
  end
  local ok, text, code = switch_trace(rt, { on = false })
  if not ok then
    return nil, text, code
  end
  collect(rt, all)
  all.is_on = false
  return true
end

local OPTIONS = {
  on = { type = "boolean" },
  limit = { type = "integer", min = 1, max = 1 << 24 },
}

--- With options: begins or ends keeping where messages come from: true | nil, message, code.
-- Without: a document of all that is kept.
function Runtime:provenance(options)
  local all = collections[self]
  if options == nil then
    return M.document(self, nil)
  end
  local own = check.options("provenance", options, OPTIONS)
  if not core.is_open(self) then
    return nil, "the runtime is closed", "closed"
  end
  if not all then
    all = new_collection()
    collections[self] = all
  end
  all.limit = own.limit or all.limit
  if own.on == false then
    return stop(self, all)
  elseif own.on then
    return start(self, all)
  end
  return true
end

--- A document of what is kept: of all of it, or where `members` (actor name -> on whose behalf it
-- acts) had part in it.
function M.document(rt, members)
  local all = collections[rt]
  if not core.is_open(rt) then
    return nil, "the runtime is closed", "closed"
  elseif not all then
    return nil, "no provenance is kept; begin with rt:provenance { on = true }", "invalid_state"
  end
  if all.is_on then
    local count, text, code = collect(rt, all)
    if not count then
      return nil, text, code
    end
  end
  local clock = rt:trace_clock() or {}
  return document.new {
    entries = all.entries, first = all.first, last = all.last, members = members,
    lost = all.lost, forgotten = all.forgotten, origin_us = core.trace_origin(rt),
    clock_error_us = clock.error and clock.error * 1e6,
  }
end

return M
