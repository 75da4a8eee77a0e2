---@meta
-- Class topology: what rk.topology returns.

---@class ringkernel.topology
local topology = {}

---Graphviz text: actors as boxes, links to a list as diamonds with their mode.
---@return string
function topology:dot() end

---An ASCII tree of who sends to whom.
---@return string
function topology:tree() end

return topology
