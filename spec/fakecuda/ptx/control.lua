-- SPDX-License-Identifier: MIT
-- Instructions that steer: branches, calls, barriers, what the threads of a warp do together,
-- pauses.

local operand = require("operand")

local M = {}

-- A jump backwards gives the others of the block a turn now and then, as a GPU does: a loop that
-- waits for one of them ends. `is_behind` says whether the label was there already.
local function jump(fn, label)
  local is_behind, name = fn:label(label)
  return (is_behind and "RKP_TURN; " or "") .. ("goto %s;"):format(name)
end

local function bra(fn, op)
  return "{ " .. jump(fn, op.operands[1]) .. " }"
end

local function brx(fn, op)
  local labels = fn:targets(op.operands[2])
  local lines = { ("switch (%s) {"):format(operand.value(fn, op.operands[1])) }
  for i, label in ipairs(labels) do
    lines[#lines + 1] = ("case %d: { %s }"):format(i - 1, jump(fn, label))
  end
  lines[#lines + 1] = 'default: rkp_die(me, __LINE__, "a jump past its list"); }'
  return table.concat(lines, " ")
end

local function names_in(fn, text)
  local list = { "me" }
  for name in (text or ""):match("^%(?(.-)%)?$"):gmatch("[%w_$%%]+") do
    local symbol = fn:symbol(name) or fn:fail("no such parameter: %s", name)
    list[#list + 1] = symbol.c_name
  end
  return list
end

-- call (returns), name, (parameters): each of the two lists may be missing.
local function call(fn, op)
  local o, at = op.operands, 1
  local list = { "me" }
  if o[1]:find("^%(") then
    table.move(names_in(fn, o[1]), 2, 20, 2, list)
    at = 2
  end
  local target = o[at]
  if o[at + 1] and o[at + 1]:find("^%(") then
    for i, name in ipairs(names_in(fn, o[at + 1])) do
      list[#list + 1] = i > 1 and name or nil
    end
  end
  if fn:register(target) then
    local types = ("void (*)(rkp_thread *%s)"):format((", unsigned char *"):rep(#list - 1))
    local place = operand.value(fn, target)
    return ("((%s)(uintptr_t)%s)(%s);"):format(types, place, table.concat(list, ", "))
  end
  local symbol = fn:symbol(target)
  if not symbol or symbol.space ~= "function" then
    fn:fail("no such function: %s", target)
  end
  return ("%s(%s);"):format(symbol.c_name, table.concat(list, ", "))
end

local function barrier(fn, op)
  local count = op.operands[2] and operand.value(fn, op.operands[2]) or "0"
  local number = operand.value(fn, op.operands[1])
  return ("rkp_meet(me, (uint32_t)%s, (uint32_t)%s);"):format(number, count)
end

local SHUFFLES = { idx = true, up = true, down = true, bfly = true }

local function shfl(fn, op)
  local mode = op.name:match("^shfl%.sync%.(%a+)%.b32$")
  if not SHUFFLES[mode] then
    fn:fail("not known: %s", op.name)
  end
  local o = op.operands
  local target, valid = o[1]:match("^(.-)|(.*)$")
  local list = { operand.as(fn, "b32", o[2]) }
  for i = 3, 5 do
    list[#list + 1] = "(uint32_t)" .. operand.value(fn, o[i])
  end
  return ("{ bool ok; uint32_t v = rkp_shfl_%s(me, %s, &ok); %s %s }"):format(
    mode,
    table.concat(list, ", "),
    operand.assign(fn, target or o[1], "b32", "v"),
    valid and operand.assign(fn, valid, "pred", "ok") or ""
  )
end

local function vote(fn, op)
  local mode, kind = op.name:match("^vote%.sync%.(%a+)%.(%w+)$")
  local o = op.operands
  local votes = ("rkp_ballot(me, (uint32_t)%s, %s)"):format(operand.value(fn, o[3] or o[2]),
    operand.value(fn, o[2]))
  if mode == "ballot" and kind == "b32" then
    return operand.assign(fn, o[1], "b32", votes)
  elseif mode == "any" then
    return operand.assign(fn, o[1], "pred", votes .. " != 0u")
  elseif mode == "all" then
    return operand.assign(fn, o[1], "pred",
      ("%s == rkp_there(me, (uint32_t)%s)"):format(votes, operand.value(fn, o[3])))
  end
  fn:fail("not known: %s", op.name)
end

local function pause(fn, op)
  return ("rkp_pause(me, (uint32_t)%s);"):format(operand.value(fn, op.operands[1]))
end

local EXACT = {
  bra = bra, ["bra.uni"] = bra, ["brx.idx"] = brx, ["brx.idx.uni"] = brx, call = call,
  ["call.uni"] = call, ["barrier.sync"] = barrier, ["barrier.sync.aligned"] = barrier,
  ["bar.sync"] = barrier, ["barrier.cta.sync"] = barrier, ["barrier.cta.sync.aligned"] = barrier,
  ["nanosleep.u32"] = pause,
  ["bar.warp.sync"] = function(fn, op)
    return ("rkp_warp_meet(me, (uint32_t)%s);"):format(operand.value(fn, op.operands[1]))
  end,
  -- The two halves stand side by side wherever we use them; the executor knows the whole.
  ["barrier.cluster.arrive.release"] = function()
    return "rkp_cluster_arrive(me, __LINE__);"
  end,
  ["barrier.cluster.wait.acquire"] = function()
    return "rkp_cluster_wait(me, __LINE__);"
  end,
  -- Any part of the warp that contains the thread is a right answer.
  ["activemask.b32"] = function(fn, op)
    return operand.assign(fn, op.operands[1], "b32", "1u << me->index % 32u")
  end,
  -- The events of a profiler: rkptx_count.h.
  pmevent = function(fn, op)
    local number = op.operands[1]:match("^[01]$") or fn:fail("pmevent 0 or 1 expected")
    return ("rkp_count(%s);"):format(number == "0" and "true" or "false")
  end,
  trap = function()
    return 'rkp_die(me, __LINE__, "trap");'
  end,
  ret = function()
    return "goto rkp_out;"
  end,
  ["ret.uni"] = function()
    return "goto rkp_out;"
  end,
  exit = function(fn)
    if not fn.is_entry then
      fn:fail("exit in a function that is no kernel")
    end
    return "goto rkp_out;"
  end,
}

-- The statement in C for an instruction, or nil if it is another file's.
function M.translate(fn, op)
  if EXACT[op.name] then
    return EXACT[op.name](fn, op)
  elseif op.name:find("^shfl%.") then
    return shfl(fn, op)
  elseif op.name:find("^vote%.") then
    return vote(fn, op)
  end
end

return M
