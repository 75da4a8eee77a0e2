---@meta
-- Class tenant: in whose name something is done.

---What rt:tenant gives: a name with its runtime. Two objects of one tenant are equal.
---@class ringkernel.tenant
---@field name string
---@field runtime ringkernel.runtime
local tenant = {}

---Launches an actor that belongs to the tenant.
---@param definition ringkernel.kernel | string
---@param options? ringkernel.launch_options
---@return ringkernel.actor?
---@return string? message
---@return ringkernel.code? code denied (actors, memory), and those of rt:launch
---@return string? log
function tenant:launch(definition, options) end

---Makes a buffer out of the tenant's memory.
---@param type string
---@param count integer
---@return ringkernel.buffer?
---@return string? message
---@return ringkernel.code? code denied, out_of_memory
function tenant:buffer(type, count) end

---Sends in the tenant's name: to its own actors, and to those of tenants that have granted it that.
---@param actor ringkernel.actor
---@param message table
---@param options? ringkernel.send_options
---@return true?
---@return string? message
---@return ringkernel.code? code tenant_mismatch, denied, and those of actor:send
function tenant:send(actor, message, options) end

---Sends a request in the tenant's name and waits for its reply.
---@param actor ringkernel.actor
---@param message table
---@param timeout? number
---@return table?
---@return string? message
---@return ringkernel.code? code tenant_mismatch (or the grant was taken back meanwhile), denied
function tenant:call(actor, message, timeout) end

---Publishes in the tenant's name: its own subscribers hear of it, those of tenants that have
---granted it that, and functions of the host. A retained message of somebody else stays.
---@param topic string
---@param message table?
---@param options? { retain: boolean }
---@return integer?
---@return string? message
---@return ringkernel.code? code tenant_mismatch, denied, too_large, closed
function tenant:publish(topic, message, options) end

---Subscribes in the tenant's name: a function hears of what the tenant publishes, its guests and
---the host; an actor must be the tenant's own, or of one that has granted it that.
---@param pattern string
---@param receiver ringkernel.actor | fun(message: table, topic: string)
---@param options? { limit: integer }
---@return ringkernel.subscription?
---@return string? message
---@return ringkernel.code? code tenant_mismatch, closed
function tenant:subscribe(pattern, receiver, options) end

---rt:grant(self, guest)
---@param guest string | ringkernel.tenant
---@return true?
---@return string? message
---@return ringkernel.code? code
function tenant:grant(guest) end

---rt:revoke(self, guest)
---@param guest string | ringkernel.tenant
---@return integer?
---@return string? message
---@return ringkernel.code? code
function tenant:revoke(guest) end

---Its living actors in the order of their launch.
---@return ringkernel.actor[]?
---@return string? message
---@return ringkernel.code? code closed
function tenant:actors() end

---actors, memory (bytes), refused (what it tried and was refused), limits, guests (names of those
---that may send to it).
---@return table?
---@return string? message
---@return ringkernel.code? code closed
function tenant:stats() end

return tenant
