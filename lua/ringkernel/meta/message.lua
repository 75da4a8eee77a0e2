---@meta
-- Class message: a message type, which is the metatable of its messages.

---Call it with a table of fields to make a message. Missing fields are zero, unknown ones raise.
---@class ringkernel.message
---@field name string
---@field id integer stable 32-bit hash of name and layout
---@field size integer bytes of the payload
---@field fields { [1]: string, [2]: string }[]
---@overload fun(fields?: table): table
local message = {}

---@param value table a message of this type
---@return string
function message:pack(value) end

---@param bytes string
---@return table? message
---@return string? text
---@return ringkernel.code? code corrupt: not as many bytes as the type has
function message:unpack(bytes) end

return message
