---@meta
-- Class hlc: a thread-safe hybrid logical clock.

---@class ringkernel.hlc
---@field node integer
local hlc = {}

---Stamps an event: later than every stamp this clock has given or merged.
---@return ringkernel.timestamp
function hlc:tick() end

---What the clock says, without stamping.
---@return ringkernel.timestamp
function hlc:now() end

---Merges a stamp that came from elsewhere.
---@param remote ringkernel.timestamp | integer
---@return ringkernel.timestamp?
---@return string? message
---@return ringkernel.code? code skew
function hlc:update(remote) end

return hlc
