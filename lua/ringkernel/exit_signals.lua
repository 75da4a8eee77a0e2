-- SPDX-License-Identifier: MIT
--- Links and monitors as Erlang's processes have them: who hears of whose end, who ends with it.
--
-- A process here is any value that was added; this module keeps who is linked to and watches whom
-- and what each has not read yet. It starts and ends nothing itself: `ended(process, reason)` of
-- the host is called for every process that ends through a signal. No threads, no waiting.
--
-- The rules, all of Erlang:
--   * A link has two sides and is there or not: linking twice is linking once. When one side ends
--     the other gets an exit signal with the reason, and the link is gone.
--   * An exit signal ends its receiver with the same reason. "normal" is ignored, unless a process
--     sends it to itself. A process that traps exits gets a message instead, for any reason.
--   * exit(from, to, "kill") cannot be trapped and ends its receiver with "killed". The reason
--     "kill" of a process that ended so by itself is an ordinary reason to those linked to it.
--   * A monitor has one side and counts: each gives exactly one message about the end, "noproc" if
--     that was before.
--   * After unlink and demonitor no message about it comes any more; those there already stay,
--     unless demonitor is told to flush.

local M = {}

local Signals = {}
Signals.__index = Signals

--- An empty world of processes; host.ended(process, reason) is called for ends by signals.
function M.new(host)
  return setmetatable({
    host = host,
    states = {},      -- process -> its state, while it is alive
    monitors = {},    -- monitor -> true, while it can still fire
    queue = {},       -- signals under way, from first to last: { from, to, reason, is_link }
    first = 1,
    last = 0,
    is_running = false,
  }, Signals)
end

--- Adds a living process.
function Signals:add(process)
  assert(self.states[process] == nil, "this process has been added already")
  self.states[process] = { links = {}, watched_by = {}, watches = {}, traps = false, order = 0,
    mailbox = {}, first = 1, last = 0 }
end

--- Whether a process was added and has not ended.
function Signals:is_alive(process)
  return self.states[process] ~= nil
end

local function put(state, message)
  state.last = state.last + 1
  state.mailbox[state.last] = message
end

local function send(self, signal)
  self.last = self.last + 1
  self.queue[self.last] = signal
end

--- The keys of a set in the order they came in: { key -> number }.
local function in_order(set)
  local out = {}
  for key in pairs(set) do
    out[#out + 1] = key
  end
  table.sort(out, function(a, b)
    return set[a] < set[b]
  end)
  return out
end

local function numbered(state)
  state.order = state.order + 1
  return state.order
end

--- Takes a process away and sends what its end means to others.
local function finish(self, process, reason)
  local state = self.states[process]
  self.states[process] = nil
  for _, monitor in ipairs(in_order(state.watches)) do
    self.monitors[monitor] = nil
    local other = self.states[monitor.target]
    if other then
      other.watched_by[monitor] = nil
    end
  end
  for _, other in ipairs(in_order(state.links)) do
    self.states[other].links[process] = nil
    send(self, { from = process, to = other, reason = reason, is_link = true })
  end
  for _, monitor in ipairs(in_order(state.watched_by)) do
    self.monitors[monitor] = nil
    local watcher = self.states[monitor.watcher]
    watcher.watches[monitor] = nil
    put(watcher, { kind = "down", monitor = monitor, from = process, reason = reason })
  end
end

local function receive(self, signal)
  local state = self.states[signal.to]
  local reason = signal.reason
  if not state then
    return
  elseif reason == "kill" and not signal.is_link then
    reason = "killed"
  elseif state.traps then
    put(state, { kind = "exit", from = signal.from, reason = reason })
    return
  elseif reason == "normal" and (signal.is_link or signal.from ~= signal.to) then
    return
  end
  finish(self, signal.to, reason)
  self.host.ended(signal.to, reason)
end

local function run(self)
  if self.is_running then
    return
  end
  self.is_running = true
  local ok, message = pcall(function()
    while self.first <= self.last do
      local signal = self.queue[self.first]
      self.queue[self.first] = nil
      self.first = self.first + 1
      receive(self, signal)
    end
    self.first, self.last = 1, 0
  end)
  self.is_running = false
  if not ok then
    error(message, 0)
  end
end

--- The host says that a process has ended by itself, for any reason.
function Signals:exit_self(process, reason)
  if self.states[process] then
    finish(self, process, reason)
    run(self)
  end
end

--- Sends an exit signal, as exit/2 does.
function Signals:exit(from, to, reason)
  send(self, { from = from, to = to, reason = reason, is_link = false })
  run(self)
end

--- Links two processes; the first one does it: true | nil, "noproc" if the other one is gone. A
-- process that traps exits is told so by a message instead.
function Signals:link(process, other)
  local state = assert(self.states[process], "a process that has ended links to nobody")
  local peer = self.states[other]
  if not peer and not state.traps then
    return nil, "noproc"
  elseif not peer then
    put(state, { kind = "exit", from = other, reason = "noproc" })
  elseif process ~= other and not state.links[other] then
    state.links[other] = numbered(state)
    peer.links[process] = numbered(peer)
  end
  return true
end

--- Takes a link away, if there is one.
function Signals:unlink(process, other)
  local state, peer = self.states[process], self.states[other]
  if state and peer then
    state.links[other] = nil
    peer.links[process] = nil
  end
end

--- Whether exit signals become messages for this process.
function Signals:trap_exit(process, flag)
  self.states[process].traps = flag
end

--- Watches a process; returns the monitor.
function Signals:monitor(watcher, target)
  local monitor = { watcher = watcher, target = target }
  local state, other = self.states[watcher], self.states[target]
  if watcher == target then
    return monitor
  elseif not other then
    put(state, { kind = "down", monitor = monitor, from = target, reason = "noproc" })
    return monitor
  end
  self.monitors[monitor] = true
  state.watches[monitor] = numbered(state)
  other.watched_by[monitor] = numbered(other)
  return monitor
end

--- Ends a monitor. With `flush` its message is taken out of what was not read yet.
function Signals:demonitor(monitor, flush)
  local watcher, target = self.states[monitor.watcher], self.states[monitor.target]
  if self.monitors[monitor] then
    self.monitors[monitor] = nil
    watcher.watches[monitor] = nil
    target.watched_by[monitor] = nil
  elseif flush and watcher then
    for index = watcher.first, watcher.last do
      if watcher.mailbox[index].monitor == monitor then
        table.move(watcher.mailbox, index + 1, watcher.last + 1, index)
        watcher.last = watcher.last - 1
        return
      end
    end
  end
end

--- The next message a process has not read, or nil: { kind = "exit" or "down", from =, reason =,
-- monitor = }.
function Signals:receive(process)
  local state = self.states[process]
  if not state or state.first > state.last then
    return nil
  end
  local message = state.mailbox[state.first]
  state.mailbox[state.first] = nil
  state.first = state.first + 1
  return message
end

return M
