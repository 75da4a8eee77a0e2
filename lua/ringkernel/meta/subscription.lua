---@meta
-- Class subscription: a topic pattern and who gets what fits it.

---Lives until it or the runtime is closed; dropping the handle does not end it.
---@class ringkernel.subscription
---@field pattern string
local subscription = {}

---@return { delivered: integer, dropped: integer, waiting: integer }?
---@return string? message
---@return ringkernel.code? code closed
function subscription:stats() end

---@return true
function subscription:close() end

return subscription
