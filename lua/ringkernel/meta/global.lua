---@meta
-- Class global: an ordinary kernel for rt:run.

---@class ringkernel.global
---@field name string
---@field params table[] { name, kind, is_pointer, is_const }
---@field c_source string the C text it became
---@field device_source string the complete device source it became
local global = {}

return global
