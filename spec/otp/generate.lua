-- Makes random trees and schedules of faults and calls from a seed, for OTP and for us alike.
--
-- What is left out on purpose, because OTP's answer is an accident there: a restart that is ignored
-- under simple_one_for_one (the supervisor keeps the word `undefined` as a child and fails on it
-- when it stops), and terminating a dynamic child between two tries of its restart (the count of
-- active children is one too low from then on). Times to shut down are either far longer than a
-- child needs, or short for children that do not end by themselves, so that no race decides.

local random = dofile("spec/otp/random.lua")

local M = {}

local STRATEGIES = { { 30, "one_for_one" }, { 25, "one_for_all" }, { 25, "rest_for_one" },
  { 20, "simple_one_for_one" } }
local RESTARTS = { { 45, "permanent" }, { 30, "transient" }, { 25, "temporary" } }
local MODES = { { 40, "plain" }, { 30, "trap" }, { 10, "content" }, { 10, "sour" },
  { 10, "stubborn" } }
local REASONS = { { 20, "normal" }, { 15, "shutdown" }, { 10, { "shutdown", "done" } },
  { 55, "crash" } }
local PLAN_WORDS = { { 55, "ok" }, { 25, { "error", "e1" } }, { 10, { "raise", "boom" } },
  { 10, "ignore" } }

local make_supervisor

local function new_id(self)
  self.count = self.count + 1
  return "c" .. self.count
end

--- How the first attempts to start go; the rest go well.
local function make_plan(self, can_ignore)
  local r, plan = self.random, {}
  if not r:chance(40) then
    return plan
  end
  plan[1] = r:chance(self.is_booted and 75 or 94) and "ok" or r:weighted(PLAN_WORDS)
  for index = 2, r:range(2, 5) do
    plan[index] = r:weighted(PLAN_WORDS)
  end
  for index, word in ipairs(plan) do
    if word == "ignore" and not can_ignore then
      plan[index] = { "error", "e2" }
    end
  end
  return plan
end

local function make_shutdown(r, mode, is_nested, kills_supervisors)
  if is_nested then
    if kills_supervisors and r:chance(30) then
      return "brutal_kill"
    end
    return r:weighted { { 50, false }, { 30, "infinity" }, { 20, 60000 } } or nil
  elseif mode == "stubborn" then
    return r:weighted { { 60, r:range(1, 3) }, { 40, "brutal_kill" } }
  end
  return r:weighted { { 40, false }, { 20, 30000 }, { 20, "infinity" }, { 20, "brutal_kill" } }
    or nil
end

local function make_child(self, parent, depth)
  local r = self.random
  local is_simple = parent.strategy == "simple_one_for_one"
  local child = { id = new_id(self) }
  local is_nested = depth > 1 and r:chance(is_simple and 15 or 35)
  child.restart = r:weighted(RESTARTS)
  if child.restart == "permanent" and r:chance(50) then
    child.restart = nil
  end
  if parent.auto_shutdown ~= "never" and child.restart == nil and r:chance(70) then
    child.restart = r:pick { "transient", "temporary" }
  end
  child.plan = make_plan(self, not is_simple)
  child.mode = not is_nested and r:weighted(MODES) or nil
  child.shutdown = make_shutdown(r, child.mode, is_nested, self.kills_supervisors)
  if r:chance(5) then
    child.type = r:pick { "worker", "supervisor" }
  end
  if child.type == "worker" and not child.shutdown then
    child.shutdown = 60000
  end
  if parent.auto_shutdown ~= "never" and child.restart and child.restart ~= "permanent" then
    child.significant = r:chance(75)
  end
  self.known[#self.known + 1] = { id = child.id, parent = parent, child = child }
  if is_nested then
    child.sup = make_supervisor(self, child.id, depth - 1)
  end
  return child
end

function make_supervisor(self, id, depth)
  local r = self.random
  local sup = {
    id = id,
    strategy = r:weighted(STRATEGIES),
    intensity = r:weighted { { 1, 0 }, { 3, 1 }, { 4, 2 }, { 5, 4 }, { 5, 9 } },
    period = self.kind == "plain" and 3600 or self.kind == "slow" and 1 or r:range(1, 8),
    auto_shutdown = r:weighted { { 6, "never" }, { 2, "any_significant" },
      { 3, "all_significant" } },
    children = {},
  }
  self.supervisors[#self.supervisors + 1] = sup
  local count = sup.strategy == "simple_one_for_one" and 1 or r:range(1, depth > 1 and 4 or 3)
  for index = 1, count do
    sup.children[index] = make_child(self, sup, depth)
  end
  return sup
end

-- ---- steps --------------------------------------------------------------------------------------

local function copy_reason(r)
  return r:weighted(REASONS)
end

local function make_fault(self, entry)
  local r = self.random
  local is_allowed = not entry.child.sup or self.kills_supervisors
  if is_allowed and r:chance(25) then
    return { "kill", entry.id, r:range(0, 5) }
  end
  return { "exit", entry.id, r:range(0, 5), copy_reason(r) }
end

local function children_of(self, sup)
  local out = {}
  for _, entry in ipairs(self.known) do
    if entry.parent == sup then
      out[#out + 1] = entry
    end
  end
  return out
end

local function has_failures(child)
  for _, word in ipairs(child.plan) do
    if word ~= "ok" then
      return true
    end
  end
  return false
end

local function make_dynamic_request(self, sup, in_batch)
  local r = self.random
  local template = sup.children[1]
  local kind = r:weighted { { 50, "start_dynamic" }, { 15, "terminate_dynamic" },
    { 8, "which_children" }, { 8, "count_children" }, { 5, "terminate_child" },
    { 4, "restart_child" }, { 4, "delete_child" }, { 4, "get_childspec" },
    { 5, "foreign" } }
  if kind == "terminate_dynamic" and not (in_batch and has_failures(template)) then
    return { kind, template.id, r:range(0, 5) }
  elseif kind == "foreign" then
    local stranger = r:pick(self.known)
    if stranger.parent ~= sup then
      return { "terminate_dynamic", stranger.id, 0 }
    end
  elseif kind == "start_dynamic" then
    local args = {}
    for index = 1, r:range(0, 2) do
      args[index] = r:range(1, 99)
    end
    return { kind, args }
  elseif kind:find("child$") or kind == "get_childspec" then
    return { kind, r:chance(70) and template.id or "nobody" }
  end
  return { kind == "count_children" and kind or "which_children" }
end

local function make_request(self, sup, in_batch)
  if sup.strategy == "simple_one_for_one" then
    return make_dynamic_request(self, sup, in_batch)
  end
  local r = self.random
  local children = children_of(self, sup)
  local kind = r:weighted { { 18, "start_child" }, { 24, "terminate_child" },
    { 22, "restart_child" }, { 14, "delete_child" }, { 8, "which_children" },
    { 8, "count_children" }, { 6, "get_childspec" } }
  if kind == "which_children" or kind == "count_children" then
    return { kind }
  elseif kind == "start_child" then
    if #children > 0 and r:chance(35) then
      return { kind, r:pick(children).child }
    end
    return { kind, make_child(self, sup, #self.known < 25 and 2 or 1) }
  end
  return { kind, #children > 0 and r:chance(92) and r:pick(children).id or "nobody" }
end

local function make_batch(self, sup)
  local r, parts = self.random, {}
  local children = children_of(self, sup)
  for index = 1, r:range(2, 6) do
    if #children > 0 and r:chance(65) then
      parts[index] = make_fault(self, r:pick(children))
    else
      parts[index] = { "request", make_request(self, sup, true) }
    end
  end
  if r:chance(50) then
    parts[#parts + 1] = { "request", { r:pick { "which_children", "count_children" } } }
  end
  return { "batch", sup.id, r:range(0, 3), parts }
end

local function make_step(self)
  local r = self.random
  local sup = r:pick(self.supervisors)
  local kind = r:weighted { { 42, "fault" }, { 26, "call" }, { 24, "batch" },
    { self.kind == "plain" and 0 or 20, "time" } }
  if kind == "call" then
    return { "call", sup.id, r:range(0, 3), make_request(self, sup, false) }
  elseif kind == "batch" then
    return make_batch(self, sup)
  elseif kind == "time" and self.kind == "slow" then
    return { "sleep", 2100 }
  elseif kind == "time" then
    return { "advance", r:range(1, 20) * 250 }
  elseif self.kills_supervisors and r:chance(3) then
    return { "kill", "root", 0 }
  end
  return make_fault(self, r:pick(self.known))
end

--- Schedule `number` of a run that begins with `seed`. `kind`: "plain" (one long period), "virtual"
-- (the clock moves by steps of 250 ms) or "slow" (it is waited for); without it the first two.
function M.schedule(seed, number, kind)
  local r = random(seed * 1000003 + number)
  local self = { random = r, count = 0, known = {}, supervisors = {} }
  local by_chance = r:chance(60) and "plain" or "virtual"
  self.kind = kind or by_chance
  self.kills_supervisors = r:chance(30)
  local sup = make_supervisor(self, "root", r:range(1, 3))
  if r:chance(self.kind == "plain" and 75 or 50) then
    sup.intensity = r:range(5, 20)
  end
  self.is_booted = true
  local steps = {}
  -- Dynamic children are only there when somebody asks for them.
  for _, known in ipairs(self.supervisors) do
    if known.strategy == "simple_one_for_one" then
      for _ = 1, r:range(1, 4) do
        steps[#steps + 1] = { "call", known.id, 0, { "start_dynamic", { r:range(1, 99) } } }
      end
    end
  end
  for _ = 1, self.kind == "slow" and r:range(4, 8) or r:range(6, 28) do
    steps[#steps + 1] = make_step(self)
  end
  steps[#steps + 1] = { "stop", r:weighted(REASONS) }
  return { number = number, kind = self.kind, sup = sup, steps = steps,
    is_concurrent = self.kills_supervisors }
end

return M
