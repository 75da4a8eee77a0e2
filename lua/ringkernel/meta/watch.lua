---@meta
-- Class watch: what rt:watch returns.

---@class ringkernel.watch
---@field pattern string
local watch = {}

---Ends it: its function is not called again.
---@return true
function watch:close() end

return watch
