-- Writes schedules as Erlang terms, one a line, for judge.erl.
--
-- Strings are atoms, whole numbers integers, tables lists; terms.tuple(...) makes a tuple.

local M = {}

local Tuple = {}

function M.tuple(...)
  return setmetatable({ ... }, Tuple)
end

local function write(value, out)
  if type(value) == "table" then
    local is_tuple = getmetatable(value) == Tuple
    out[#out + 1] = is_tuple and "{" or "["
    for index, part in ipairs(value) do
      if index > 1 then
        out[#out + 1] = ","
      end
      write(part, out)
    end
    out[#out + 1] = is_tuple and "}" or "]"
  elseif type(value) == "string" then
    out[#out + 1] = value:find("^%l[%w_]*$") and value or "'" .. value .. "'"
  else
    out[#out + 1] = tostring(value)
  end
end

function M.text(value)
  local out = {}
  write(value, out)
  return table.concat(out)
end

--- A reason or argument as both sides print it: "{shutdown,x}".
function M.plain(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local out = {}
  for index, part in ipairs(value) do
    out[index] = M.plain(part)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local tuple = M.tuple

local supervisor_term

local function child_term(child)
  local plan = {}
  for index, word in ipairs(child.plan) do
    plan[index] = type(word) == "table" and tuple(word[1], word[2]) or word
  end
  local start = child.sup and tuple("supervisor", plan, supervisor_term(child.sup))
    or tuple("worker", child.mode, plan)
  return tuple("child", child.id, child.restart or "default", child.shutdown or "default",
    child.type or child.sup and "supervisor" or "default", child.significant or false, start)
end

function supervisor_term(sup)
  local children = {}
  for index, child in ipairs(sup.children) do
    children[index] = child_term(child)
  end
  return tuple("sup", sup.id, sup.strategy, sup.intensity, sup.period, sup.auto_shutdown, children)
end

local function reason_term(reason)
  return type(reason) == "table" and tuple(table.unpack(reason)) or reason
end

local function request_term(request)
  if #request == 1 then
    return request[1]
  elseif request[1] == "start_child" then
    return tuple("start_child", child_term(request[2]))
  end
  return tuple(table.unpack(request))
end

local function step_term(step)
  local kind = step[1]
  if kind == "exit" then
    return tuple(kind, step[2], step[3], reason_term(step[4]))
  elseif kind == "stop" then
    return tuple(kind, reason_term(step[2]))
  elseif kind == "request" then
    return tuple(kind, request_term(step[2]))
  elseif kind == "call" then
    return tuple(kind, step[2], step[3], request_term(step[4]))
  elseif kind == "batch" then
    local parts = {}
    for index, part in ipairs(step[4]) do
      parts[index] = step_term(part)
    end
    return tuple(kind, step[2], step[3], parts)
  end
  return tuple(table.unpack(step))
end

function M.schedule(schedule)
  local steps = {}
  for index, step in ipairs(schedule.steps) do
    steps[index] = step_term(step)
  end
  return M.text(tuple("schedule", schedule.number, schedule.kind, supervisor_term(schedule.sup),
    steps)) .. ".\n"
end

return M
