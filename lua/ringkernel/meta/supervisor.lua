---@meta
-- Class supervisor: a checked specification of supervised children.

---A plain value: reading its fields gives what was said, with the defaults filled in.
---@class ringkernel.supervisor
---@field strategy ringkernel.strategy
---@field intensity integer
---@field period integer seconds
---@field auto_shutdown "never" | "any_significant" | "all_significant"
---@field children ringkernel.supervisor_child[]
local supervisor = {}

---The tree as text, one line a child.
---@return string
function supervisor:tree() end

return supervisor
