-- SPDX-License-Identifier: MIT
--- How a supervisor starts and stops its children: one, a group in order, or all at once.
--
-- Every function here runs inside the supervisor's coroutine; supervisor_process.lua calls them.

local supervisor = require "ringkernel.supervisor"

local children = require "ringkernel.supervisor_children"

local M = {}

local function start_worker(self, record, args)
  local ok, ref, reason = pcall(self.engine.world.start_child, self.engine.world, record, args,
    self)
  if not ok then
    return nil, ref
  elseif ref == nil then
    return nil, reason == nil and "no reason given" or reason
  end
  return self.engine:born(self, record, ref)
end

--- Starts the child of a record: life | nil, reason | nil (it is to be none).
function M.start(self, record, args)
  local engine = self.engine
  local life, reason
  if supervisor.is_supervisor(record.start) then
    life, reason = engine:start_nested(self, record, args)
  else
    life, reason = start_worker(self, record, args)
  end
  if life then
    engine:emit("started", self, record.id, { ref = life.ref, args = args })
    return life
  elseif reason == "ignore" then
    engine:emit("ignored", self, record.id)
    return nil
  end
  engine:emit("start_failed", self, record.id, { reason = reason })
  return nil, reason
end

--- Stops the child of a record, if there is one, as its `shutdown` says.
function M.stop(self, record)
  local engine, life = self.engine, record.life
  if not life or not engine:claim(life) then
    return
  end
  local shutdown = record.shutdown
  engine:signal(life, shutdown == "brutal_kill" and "kill" or "shutdown")
  local limit = type(shutdown) == "number" and engine.world:now() + shutdown or nil
  if not engine:pause(self, limit) then
    if life.is_alive then -- else its end is on its way
      engine:signal(life, "kill")
    end
    engine:pause(self)
  end
end

--- Stops the newest child, then the one before it, down to `oldest`. Temporary ones are forgotten.
function M.stop_from(self, oldest)
  local record = oldest and self.children.newest
  while record do
    local older = record.older
    M.stop(self, record)
    self.children:gone(record)
    if record == oldest then
      return
    end
    record = older
  end
end

--- Starts `record` and those after it in order. The one that does not start ends it: it is returned
-- with the reason; those before it run, those after it do not.
function M.start_from(self, record)
  while record do
    local life, reason = M.start(self, record, record.args)
    if not life and reason ~= nil then
      return record, reason
    end
    record.life = life
    record = record.newer
  end
  return nil
end

--- Starts the children of the specification; returns as start_from does.
function M.boot(self)
  for _, child in ipairs(self.spec.children) do
    self.children:append(children.record(child))
  end
  local failed, reason = M.start_from(self, self.children.oldest)
  local record = self.children.oldest
  while record and not failed do
    if not record.life and record.restart == "temporary" then -- ignored
      self.children:remove(record)
    end
    record = record.newer
  end
  return failed, reason
end

--- Tells all dynamic children to end, then waits for all of them.
local function stop_dynamic(self)
  local engine = self.engine
  local shutdown, waiting, records = self.template.shutdown, 0, self.children:dynamic()
  local signal = shutdown == "brutal_kill" and "kill" or "shutdown"
  local limit = type(shutdown) == "number" and engine.world:now() + shutdown or nil
  for _, record in ipairs(records) do
    if record.life and engine:claim(record.life) then
      waiting = waiting + 1
      engine:signal(record.life, signal)
    end
  end
  while waiting > 0 do
    if engine:pause(self, limit) then
      waiting = waiting - 1
    else
      limit = nil
      for _, record in ipairs(records) do
        if record.life and record.life.is_alive then
          engine:signal(record.life, "kill")
        end
      end
    end
  end
end

--- Stops all children, newest first; dynamic ones all together.
function M.stop_all(self)
  if self.template then
    stop_dynamic(self)
  else
    M.stop_from(self, self.children.oldest)
  end
end

return M
