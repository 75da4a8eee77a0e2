-- SPDX-License-Identifier: MIT
--- The option `supervise` of a topology: children of the tree that are called as actors are those
-- actors. The topology launches and links them, the supervisor begins and ends their lives.
--
-- Other children of the tree are launched by their supervisor, without links; they are fields of
-- the deployed system, too. What is supervised stays as it is under sys:apply.

local check = require "ringkernel.check"
local running = require "ringkernel.supervision"
local specification = require "ringkernel.supervisor"

local M = {}

--- Checks one child that is called as an actor is.
local function check_child(net, tree, child, path, report)
  local actor = net.actors[child.id]
  local function wrong(format, ...)
    report("option 'supervise': child '%s': " .. format, child.id, ...)
  end
  if net.supervised[child.id] then
    wrong("it stands there twice")
  elseif tree.strategy == "simple_one_for_one" then
    wrong("simple_one_for_one makes its children itself, none can be an actor of the topology")
  elseif not rawequal(child.start, actor.definition) then
    wrong("its start is not what the actor of that name is")
  elseif child.launch then
    wrong("option 'launch' is said with the actor of that name")
  elseif actor.activate == false then
    wrong("its supervisor starts it, so the actor cannot have activate = false")
  end
  net.supervised[child.id] = path
end

local function walk(net, tree, path, report)
  for _, child in ipairs(tree.children) do
    if net.actors[child.id] then
      check_child(net, tree, child, path, report)
    elseif specification.is_supervisor(child.start) then
      local below = table.move(path, 1, #path, 1, {})
      below[#below + 1] = child.id
      walk(net, child.start, below, report)
    end
  end
end

--- Checks the option and notes in net.supervised = name -> ids of the supervisors on the way to it.
function M.read(tree, net, report)
  net.supervised = {}
  if tree == nil then
    return
  elseif not specification.is_supervisor(tree) then
    report("option 'supervise': a supervisor (rk.supervisor) expected, got %s",
      check.describe(tree))
    return
  end
  net.tree = tree
  walk(net, tree, {}, report)
end

local function seats_of(net, tree, handles)
  local seats = {}
  for _, child in ipairs(tree.children) do
    if net.supervised[child.id] then
      seats[child.id] = { id = child.id, start = child.start, seats = {},
        actor = handles[child.id] }
    elseif specification.is_supervisor(child.start) then
      seats[child.id] = { id = child.id, start = child.start,
        seats = seats_of(net, child.start, handles) }
    end
  end
  return seats
end

--- Starts the tree over launched actors: the running supervisor | nil, message, code; nil alone
-- where nothing is supervised.
function M.start(rt, net, handles)
  if not net.tree then
    return nil
  end
  local name = net.prefix ~= "" and net.prefix:sub(1, -2) or "root"
  return running.start(rt, net.tree, name, seats_of(net, net.tree, handles))
end

--- Ends a supervised actor for good, as its `shutdown` says.
function M.finish(supervisor, net, name)
  local owner = supervisor
  for _, id in ipairs(net.supervised[name]) do
    owner = owner and owner:supervisor(id)
  end
  if owner then
    owner:terminate_child(name)
  end
end

--- Why a running topology cannot become `net`, or nil. `sets`: names that would be touched.
function M.obstacle(old, net, sets)
  if old.tree ~= net.tree then
    return "'supervise' cannot be changed while it runs"
  end
  for _, set in ipairs(sets) do
    for name in pairs(set) do
      if old.supervised[name] or net.supervised[name] then
        return ("actor '%s' is supervised: it can be neither added, changed nor removed while it "
          .. "runs"):format(name)
      end
    end
  end
  return nil
end

return M
