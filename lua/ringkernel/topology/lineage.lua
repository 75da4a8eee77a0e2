-- SPDX-License-Identifier: MIT
--- The provenance of a topology: which actors are part of it, and on whose behalf they act.

local provenance = require "ringkernel.provenance"

local M = {}

--- Begins to keep provenance if the network asks for it: true | nil, message, code.
function M.start(rt, net, what)
  if not net.provenance then
    return true
  end
  local ok, text, code = rt:provenance { on = true }
  if not ok then
    return nil, ("%s: provenance: %s"):format(what, text), code
  end
  return true
end

--- Adds the actors of a plan to `members`: registered name -> name of the supervisor, or true.
function M.note(members, net, plan)
  local root = net.prefix ~= "" and net.prefix:sub(1, -2) or "root"
  for _, name in ipairs(plan.names) do
    local path = net.supervised[name]
    members[plan.prefix .. name] = path and (path[#path] or root) or true
  end
  return members
end

--- What the members had part in.
function M.document(rt, members)
  return provenance.document(rt, members)
end

return M
