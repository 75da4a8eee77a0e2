---@meta
-- Class kernel: a definition.

---@class ringkernel.kernel
---@field name string
---@field accepts ringkernel.message[]
---@field emits ringkernel.message[]
---@field messages table<string, ringkernel.message> the types it accepts and emits, by name
---@field ports string[]
---@field burst integer
---@field block integer
---@field c_source string? the C text it became; stock kernels have none
---@field device_source string? its part of a grid's device source; stock kernels have none here
local kernel = {}

---Compiles for a runtime now instead of at the first launch.
---@param rt ringkernel.runtime
---@return true?
---@return string? message
---@return ringkernel.code? code compile, no_compiler, closed
---@return string? log
function kernel:compile(rt) end

return kernel
