-- SPDX-License-Identifier: MIT
--- The administration of a running supervisor: what each call does and answers.
--
-- supervisor_process.lua calls `M[name](supervisor, argument)` inside the supervisor's coroutine.
-- Failures are nil and one of OTP's words: already_started, already_present, not_found, running,
-- restarting, simple_one_for_one, or the reason a child did not start for.

local supervisor = require "ringkernel.supervisor"

local children = require "ringkernel.supervisor_children"
local starting = require "ringkernel.supervisor_starting"

local M = {}

--- Checks a child that is to be added; raises if anything is wrong with it.
function M.check_child(options, auto_shutdown)
  return supervisor.child("start_child", options, auto_shutdown)
end

local function start_dynamic(self, args)
  local record = children.record(self.template, args)
  local life, reason = starting.start(self, record, args)
  if life then
    self.children:store(record, life.ref, life)
    return life.ref
  end
  return nil, reason
end

function M.start_child(self, child)
  if self.template then
    return start_dynamic(self, child)
  end
  local known = self.children.by_id[child.id]
  if known then
    if known.life then
      return nil, "already_started", known.life.ref
    end
    return nil, "already_present"
  end
  local record = children.record(child)
  local life, reason = starting.start(self, record)
  if reason ~= nil then
    return nil, reason
  end
  if life or record.restart ~= "temporary" then
    record.life = life
    self.children:append(record)
  end
  return life and life.ref
end

local function terminate_dynamic(self, ref)
  if type(ref) == "string" then
    return nil, "simple_one_for_one"
  end
  local record = self.children.by_ref[ref]
  if record then
    starting.stop(self, record)
    self.children:gone(record)
  elseif self.engine:is_alive(ref) then
    return nil, "not_found"
  end
  return true
end

function M.terminate_child(self, which)
  if self.template then
    return terminate_dynamic(self, which)
  end
  local record = self.children.by_id[which]
  if not record then
    return nil, "not_found"
  end
  starting.stop(self, record)
  self.children:gone(record)
  return true
end

--- The record of a child that has no life, or nil and why not.
local function stopped(self, id)
  if self.template then
    return nil, "simple_one_for_one"
  end
  local record = self.children.by_id[id]
  if not record then
    return nil, "not_found"
  elseif record.life then
    return nil, "running"
  elseif record.is_restarting then
    return nil, "restarting"
  end
  return record
end

function M.restart_child(self, id)
  local record, problem = stopped(self, id)
  if not record then
    return nil, problem
  end
  local life, reason = starting.start(self, record, record.args)
  record.life = life
  return life and life.ref, reason
end

function M.delete_child(self, id)
  local record, problem = stopped(self, id)
  if not record then
    return nil, problem
  end
  self.children:remove(record)
  return true
end

local function describe(record, id)
  return {
    id = id,
    ref = record.life and record.life.ref,
    type = record.type,
    is_restarting = record.is_restarting,
  }
end

function M.which_children(self)
  local out = {}
  if self.template then
    for _, record in ipairs(self.children:dynamic()) do
      out[#out + 1] = describe(record)
    end
    return out
  end
  local record = self.children.newest
  while record do
    out[#out + 1] = describe(record, record.id)
    record = record.older
  end
  return out
end

function M.count_children(self)
  local out = { specs = 0, active = 0, supervisors = 0, workers = 0 }
  if self.template then
    local count = self.children.dynamic_count
    out.specs, out.active = 1, count - self.children.restarting_count
    out[self.template.type .. "s"] = count
    return out
  end
  local record = self.children.oldest
  while record do
    out.specs = out.specs + 1
    out[record.type .. "s"] = out[record.type .. "s"] + 1
    if record.life and record.life.is_alive then
      out.active = out.active + 1
    end
    record = record.newer
  end
  return out
end

function M.get_child(self, which)
  local record = self.children.by_ref[which] or self.children.by_id[which]
  if self.template and which == self.template.id then
    record = self.template
  end
  if not record then
    return nil, "not_found"
  end
  return {
    id = record.id,
    start = record.start,
    restart = record.restart,
    shutdown = record.shutdown,
    type = record.type,
    significant = record.significant,
  }
end

return M
