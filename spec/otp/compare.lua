-- Compares what OTP did with what we did, schedule by schedule.
--
-- Supervisors of OTP are processes. Where only one of them acts at a time the order of all events
-- is the same every time, and it is compared as it is. Two things are concurrent by OTP's own
-- words:
--   * simple_one_for_one stops its children all together: ends in a row under one such supervisor
--     are put in the order of their names;
--   * a supervisor that is killed leaves children that end while its own supervisor goes on, and
--     supervisors under simple_one_for_one stop beside each other: in schedules with these, events
--     are ordered per supervisor, not across them.

local M = {}

--- Which supervisors are simple_one_for_one, and whether one of them has supervisors as children.
local function look(schedule)
  local simple, is_concurrent = {}, schedule.is_concurrent
  local function visit(sup)
    simple[sup.id] = sup.strategy == "simple_one_for_one"
    for _, child in ipairs(sup.children) do
      if child.sup then
        is_concurrent = is_concurrent or simple[sup.id]
        visit(child.sup)
      end
    end
  end
  visit(schedule.sup)
  local function parts(list)
    for _, step in ipairs(list) do
      local request = step[1] == "request" and step[2] or step[1] == "call" and step[4]
      if step[1] == "batch" then
        parts(step[4])
      elseif request and request[1] == "start_child" and request[2].sup then
        visit(request[2].sup)
      end
    end
  end
  parts(schedule.steps)
  return simple, is_concurrent
end

local function owner_of(line)
  return line:match("^[-+!~] %S+ (%S+)")
end

--- Sorts ends in a row that belong together by `key(line)`.
local function sort_runs(lines, key)
  local from = 1
  while from <= #lines do
    local group, to = key(lines[from]), from
    while group and to < #lines and key(lines[to + 1]) == group do
      to = to + 1
    end
    local run = table.move(lines, from, to, 1, {})
    table.sort(run)
    table.move(run, 1, #run, from, lines)
    from = to + 1
  end
end

local function order_events(events, simple, is_concurrent)
  if is_concurrent then
    local by_owner, owners = {}, {}
    for _, line in ipairs(events) do
      local owner = owner_of(line)
      if not by_owner[owner] then
        by_owner[owner] = {}
        owners[#owners + 1] = owner
      end
      table.insert(by_owner[owner], line)
    end
    table.sort(owners)
    local out = {}
    for _, owner in ipairs(owners) do
      table.move(by_owner[owner], 1, #by_owner[owner], #out + 1, out)
    end
    events = out
  end
  sort_runs(events, function(line)
    local owner = owner_of(line)
    if line:sub(1, 1) ~= "-" then
      return nil
    elseif simple[owner:match("^[^#]+")] then
      return owner
    end
    return is_concurrent and line:find(" killed$") and owner .. " killed" or nil
  end)
  return events
end

--- The lines of one schedule in an order that does not depend on chance.
function M.canonical(schedule, lines)
  local simple, is_concurrent = look(schedule)
  local out, events = {}, {}
  local function flush()
    events = order_events(events, simple, is_concurrent)
    table.move(events, 1, #events, #out + 1, out)
    events = {}
  end
  for _, line in ipairs(lines) do
    if owner_of(line) then
      events[#events + 1] = line
    else
      flush()
      out[#out + 1] = line
    end
  end
  flush()
  return out
end

--- The first line in which two lists differ, with what comes before it; nil if there is none.
function M.lines(schedule, a, b)
  for index = 1, math.max(#a, #b) do
    if a[index] ~= b[index] then
      return ("schedule %d, line %d:\n%s\n  otp:  %s\n  ours: %s"):format(schedule.number, index,
        table.concat(b, "\n", math.max(1, index - 12), index - 1), a[index] or "(nothing)",
        b[index] or "(nothing)")
    end
  end
  return nil
end

--- The same for what supervisors did, where some order is up to chance.
function M.difference(schedule, theirs, ours)
  return M.lines(schedule, M.canonical(schedule, theirs), M.canonical(schedule, ours))
end

return M
