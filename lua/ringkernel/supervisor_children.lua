-- SPDX-License-Identifier: MIT
--- The children of one supervisor: their order, their records, and those of simple_one_for_one.
--
-- A record is a child's specification together with what it is now:
--   life set                   it runs (or has ended, and the supervisor has not read that yet)
--   is_restarting              its restart failed and will be tried again
--   neither                    there is no child, only its specification
-- Records with ids stand in a list in start order. Dynamic records (simple_one_for_one) have no
-- order; they are found by the ref of their life, or of the last one while they are restarting.

local M = {}

local Children = {}
Children.__index = Children

--- No children yet.
function M.new()
  return setmetatable({
    by_id = {},
    by_ref = {},
    dynamic_count = 0,
    restarting_count = 0,   -- of the dynamic ones
    oldest = nil,
    newest = nil,
  }, Children)
end

--- A record of a checked child (supervisor.lua), without a life.
function M.record(child, args)
  return {
    id = child.id,
    start = child.start,
    restart = child.restart,
    shutdown = child.shutdown,
    type = child.type,
    significant = child.significant,
    state = child.state,
    heartbeat = child.heartbeat,
    quarantine = child.quarantine,
    launch = child.launch,
    args = args,
    life = nil,
    is_restarting = false,
  }
end

--- Puts a record behind the others.
function Children:append(record)
  record.older, record.newer = self.newest, nil
  if self.newest then
    self.newest.newer = record
  else
    self.oldest = record
  end
  self.newest = record
  self.by_id[record.id] = record
end

--- Takes a record out, specification and all.
function Children:remove(record)
  local older, newer = record.older, record.newer
  if older then
    older.newer = newer
  else
    self.oldest = newer
  end
  if newer then
    newer.older = older
  else
    self.newest = older
  end
  record.life, record.is_restarting = nil, false
  self.by_id[record.id] = nil
end

--- The child is gone: a temporary one leaves nothing behind, others their specification.
function Children:gone(record)
  if record.ref then
    self:erase(record)
  elseif record.restart == "temporary" then
    self:remove(record)
  else
    record.life, record.is_restarting = nil, false
  end
end

--- Keeps a dynamic record under `ref`, as running with a life or as restarting without.
function Children:store(record, ref, life)
  record.ref, record.life, record.is_restarting = ref, life, life == nil
  self.by_ref[ref] = record
  self.dynamic_count = self.dynamic_count + 1
  if life then
    record.number = life.number
  else
    self.restarting_count = self.restarting_count + 1
  end
end

--- Takes a dynamic record out.
function Children:erase(record)
  self.by_ref[record.ref] = nil
  self.dynamic_count = self.dynamic_count - 1
  if record.is_restarting then
    self.restarting_count = self.restarting_count - 1
  end
  record.ref, record.life, record.is_restarting = nil, nil, false
end

--- Dynamic records in the order in which their lives began.
function Children:dynamic()
  local out = {}
  for _, record in pairs(self.by_ref) do
    out[#out + 1] = record
  end
  table.sort(out, function(a, b)
    return a.number < b.number
  end)
  return out
end

return M
