-- SPDX-License-Identifier: MIT
--- `rk.topology`: a network of actors and links, declared in one place and deployed as one.
--
--   local net = rk.topology {
--     actors = { reader = Reader, smooth = { Smooth, queue = 64 }, sink = function(ctx, msg) end },
--     links = { "reader.next -> smooth", "smooth.next -> sink" },
--   }
--   local sys = rt:deploy(net)
--
-- A network is checked when it is made; all mistakes are named at once. topology/spec.lua checks,
-- topology/links.lua reads links, topology/cycles.lua knows which cycles can stop for ever,
-- topology/router.lua has what links to several receivers become, topology/system.lua deploys.
--
-- Links block: a full receiver holds its senders back.

local check = require "ringkernel.check"
local spec = require "ringkernel.topology.spec"
local system = require "ringkernel.topology.system"
local text = require "ringkernel.topology.text"

local M = {}

local Net = { __name = "ringkernel.topology" }
Net.__index = Net

local data = setmetatable({}, { __mode = "k" }) -- network -> what spec.read made of it

function Net.__tostring(self)
  local net = data[self]
  return ("ringkernel.topology: %s%d actors, %d links"):format(net.prefix, #net.names, #net.links)
end

--- Graphviz text.
function Net:dot()
  return text.dot(data[self])
end

--- An ASCII tree of who sends to whom.
function Net:tree()
  return text.tree(data[self])
end

--- Makes a network; raises with everything that is wrong with it.
function M.new(options)
  local net, problems = spec.read(options)
  check.fail_all("rk.topology", problems)
  local self = setmetatable({}, Net)
  net.object = self
  data[self] = net
  return self
end

--- What a network, or the options for one, hold.
function system.checked(net, where)
  if getmetatable(net) ~= Net then
    if type(net) ~= "table" or getmetatable(net) then
      check.fail("%s: a topology (rk.topology) expected, got %s", where, check.describe(net))
    end
    net = M.new(net)
  end
  return data[net]
end

--- rt:deploy(net).
function M.deploy(rt, net)
  return system.deploy(rt, system.checked(net, "deploy"))
end

M.methods = Net

return M
