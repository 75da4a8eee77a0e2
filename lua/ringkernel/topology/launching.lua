-- SPDX-License-Identifier: MIT
--- Compiles, launches and connects the nodes of a plan, all or none.

local M = {}

--- Collects what went wrong: one failure keeps its own values, several are listed in one text.
local Failures = {}
Failures.__index = Failures

function M.failures()
  return setmetatable({ list = {} }, Failures)
end

function Failures:add(who, text, code, log)
  self.list[#self.list + 1] = { who = who, text = text, code = code, log = log }
end

--- nil, message, code [, log]; nothing if nothing went wrong.
function Failures:results(what)
  if #self.list == 0 then
    return true
  end
  local lines, logs = {}, {}
  for _, failure in ipairs(self.list) do
    lines[#lines + 1] = ("%s: %s"):format(failure.who, failure.text)
    logs[#logs + 1] = failure.log
  end
  local text = #lines == 1 and ("%s: %s"):format(what, lines[1])
    or ("%s: %d problems\n  %s"):format(what, #lines, table.concat(lines, "\n  "))
  return nil, text, self.list[1].code, #logs > 0 and table.concat(logs, "\n") or nil
end

--- Everything that can be known before the first launch: free names, sources that compile.
function M.prepare(rt, plan, names, what)
  local failures, compiled, definitions = M.failures(), {}, {}
  for _, name in ipairs(names) do
    definitions[#definitions + 1] = plan.nodes[name].definition
  end
  rt:load(definitions) -- all at once; each is asked below for what it has to say
  for _, name in ipairs(names) do
    local node = plan.nodes[name]
    if node.is_new and rt:find(plan.prefix .. name) then
      failures:add(("actor '%s'"):format(name),
        ("an actor named '%s' is alive"):format(plan.prefix .. name), "exists")
    end
    if not compiled[node.definition] then
      compiled[node.definition] = true
      local ok, text, code, log = node.definition:compile(rt)
      if not ok then
        failures:add(("actor '%s'"):format(name), text, code, log)
      end
    end
  end
  return failures:results(what)
end

--- Ends actors, the last launched first.
function M.undo(launched)
  for i = #launched, 1, -1 do
    launched[i]:terminate()
  end
end

--- Launches nodes without activating them. Returns name -> handle and the list in order, or nil,
-- message, code, log with all of them ended again.
function M.launch(rt, plan, names, registered, what)
  local failures, handles, launched = M.failures(), {}, {}
  for _, name in ipairs(names) do
    local node = plan.nodes[name]
    local actor, text, code, log = rt:launch(node.definition, {
      name = registered(name), queue = node.queue, block = node.block, tags = node.tags,
      tenant = node.tenant,
      activate = false,
    })
    if actor then
      handles[name] = actor
      launched[#launched + 1] = actor
    else
      failures:add(("actor '%s'"):format(name), text, code, log)
    end
  end
  if #failures.list > 0 then
    M.undo(launched)
    return failures:results(what)
  end
  return handles, launched
end

--- Connects the ports of `from`, a set of names. true | nil, message, code.
function M.connect(rt, plan, from, handle_of, what)
  local failures = M.failures()
  for _, edge in ipairs(plan.edges) do
    if from[edge.from] then
      local ok, text, code = rt:connect(handle_of(edge.from), edge.port, handle_of(edge.to),
        edge.flow)
      if not ok then
        failures:add(("link '%s.%s -> %s'"):format(edge.from, edge.port, edge.to), text, code)
      end
    end
  end
  return failures:results(what)
end

--- Activates those that are to be active. Stops at the first that does not start, because those
-- after it may count on it. true | nil, message, code.
function M.activate(plan, names, handle_of, what)
  for _, name in ipairs(names) do
    if plan.nodes[name].activate then
      local ok, text, code = handle_of(name):activate()
      if not ok then
        return nil, ("%s: actor '%s': %s"):format(what, name, text), code
      end
    end
  end
  return true
end

return M
