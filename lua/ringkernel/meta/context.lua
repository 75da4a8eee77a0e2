---@meta
-- Class context: what the functions of a Lua actor (rk.actor) are given.

---@class ringkernel.context
---@field actor ringkernel.actor
---@field runtime ringkernel.runtime
local context = {}

---Sends through a port, with the correlation of the message that is being handled. What there is no
---room for waits on the link if its policy says so, and is sent then; "full": it will not arrive.
---@param port string
---@param message table
---@return true?
---@return string? message
---@return ringkernel.code? code full, not_found (not connected), terminated, unsupported
function context:send(port, message) end

---Sends to an actor, given as a handle or an id.
---@param to ringkernel.actor | integer
---@param message table
---@return true?
---@return string? message
---@return ringkernel.code? code full, not_found, terminated, unsupported
function context:send_to(to, message) end

---Answers whoever sent the message that is being handled.
---@param message table
---@return true?
---@return string? message
---@return ringkernel.code? code full, not_found (nothing is being handled), terminated, unsupported
function context:reply(message) end

---What came with the message that is being handled, or nil.
---@return ringkernel.envelope?
function context:envelope() end

---The actor fails with this code once the function returns; the message goes to the dead letters.
---@param code integer not 0
function context:fail(code) end

---The actor ends once the function returns; what is queued goes to the dead letters.
function context:stop() end

return context
