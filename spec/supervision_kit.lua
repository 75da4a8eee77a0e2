-- SPDX-License-Identifier: MIT
-- A runtime with supervised actors, for the specs of supervision.
-- Used as `local kit = dofile("spec/supervision_kit.lua")`.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local M = {}

local Number = support.Number

local Kit = {}
Kit.__index = Kit

--- Adds up numbers and answers with the sum. -13 fails with 77, -99 stops it, -7 spins for 1.5 s.
-- Its stop handler publishes its name's last letter and its sum under "stops".
M.Adder = rk.kernel {
  name = "supervised",
  accepts = { Number },
  emits = { Number },
  ports = { "next" },
  state = { { "sum", "i64" }, { "started", "u32" }, { "tag", "i64" } },
  source = [[
RK_ON_START() { (void)ctx; state->started += 1; }
RK_ON(Number) {
  if (msg->n == -13) { rk_fail(ctx, 77); return; }
  if (msg->n == -99) { rk_stop(ctx); return; }
  if (msg->n == -7) {
    rk_u64 from = rk_stamp_us(rk_now(ctx));
    while (rk_stamp_us(rk_now(ctx)) - from < 1500000u) { }
    return;
  }
  if (msg->n >= 1000000) { state->tag = msg->n; return; }
  state->sum += msg->n;
  Number out;
  out.n = state->sum;
  if (rk_sender(ctx) == RK_HOST) { rk_reply(ctx, Number, &out); }
  (void)rk_send(ctx, RK_PORT_next, Number, &out);
}
RK_ON_STOP() {
  Number out;
  out.n = state->tag;
  rk_publish(ctx, "stops", Number, &out);
}
]],
}

--- Options of a child that is an adder.
function M.worker(id, options)
  local child = { id = id, start = M.Adder, launch = { queue = 16 } }
  for key, value in pairs(options or {}) do
    child[key] = value
  end
  return child
end

--- Opens a runtime that notes restarts and escalations.
function M.open(options)
  local self = setmetatable({ rt = assert(rk.open(options or { blocks = 2, max_actors = 64 })),
    events = {}, stopped = {} }, Kit)
  self.opened = rk.hlc(0):now()
  for _, name in ipairs { "restart", "escalation", "quarantine" } do
    self.rt:on(name, function(event)
      self.events[#self.events + 1] = event
    end)
  end
  return self
end

function Kit:close()
  self.rt:close()
end

--- Starts a tree.
function Kit:supervise(options, more)
  return assert(self.rt:supervise(rk.supervisor(options), more))
end

--- Adds n to an adder's sum; the sum.
function Kit:add(actor, n)
  return assert(actor:call(Number { n = n }, 5)).n
end

function Kit:fail(actor)
  assert(actor:send(Number { n = -13 }))
end

function Kit:stop(actor)
  assert(actor:send(Number { n = -99 }))
end

--- Events so far: "restart a, escalation a".
function Kit:seen()
  local out = {}
  for index, event in ipairs(self.events) do
    out[index] = event.event .. " " .. tostring(event.id)
  end
  return table.concat(out, ", ")
end

--- Polls until fn() is true, for at most 5 seconds.
function Kit:until_true(fn)
  return support.eventually(function()
    self.rt:poll(0.01)
    return fn()
  end)
end

--- Polls until each of the words has been seen; their events, in the order of the words.
function Kit:wait_for(...)
  local found
  local words = { ... }
  self:until_true(function()
    found = {}
    local used = {}
    for index, word in ipairs(words) do
      for at, event in ipairs(self.events) do
        if not used[at] and event.event .. " " .. tostring(event.id) == word then
          found[index], used[at] = event, true
          break
        end
      end
      if not found[index] then
        return false
      end
    end
    return true
  end)
  for index, word in ipairs(words) do
    assert(found[index], ("no '%s' came; seen: %s"):format(word, self:seen()))
  end
  return found
end

function Kit:wait_until_stopped(sup)
  assert(self:until_true(function()
    return sup:state() == "stopped"
  end), "the supervisor did not stop")
end

--- From now on stops() gives the names of adders whose stop handlers have run.
function Kit:log_stops()
  local names = {}
  for index, actor in ipairs(self.rt:actors()) do
    names[1000000 + index] = actor.name
    assert(actor:send(Number { n = 1000000 + index }))
    assert(self:until_true(function()
      return actor:peek_state().tag ~= 0
    end))
  end
  self.sub = assert(self.rt:subscribe("stops", function(message)
    self.stopped[#self.stopped + 1] = names[message.n] or "?"
  end))
end

--- The names, once there are `count`.
function Kit:stops(count)
  self:until_true(function()
    return #self.stopped >= count
  end)
  return table.concat(self.stopped, " ")
end

return M
