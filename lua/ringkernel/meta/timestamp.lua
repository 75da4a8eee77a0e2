---@meta
-- Class timestamp: what a clock gives. Compares with < <= ==; nodes break ties.

---@class ringkernel.timestamp
---@field physical integer microseconds since 1970
---@field logical integer counter within the microsecond
---@field node integer
---@field word integer both in 64 bits: microseconds over 12 bits of counter
local timestamp = {}

---16 hexadecimal digits, a minus sign and the node's number, as rk.hlc_unpack reads them.
---@return string
function timestamp:pack() end

return timestamp
