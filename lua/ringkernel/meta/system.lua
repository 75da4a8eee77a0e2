---@meta
-- Class system: what rt:deploy returns. `sys.name` is the handle of the actor of that name.

---@class ringkernel.system
---@field runtime ringkernel.runtime
---@field net ringkernel.topology what is deployed
---@field supervisor ringkernel.supervision? where actors are supervised
---@field [string] ringkernel.actor?
local system = {}

---The actors by name.
---@return table<string, ringkernel.actor>
function system:actors() end

---@class ringkernel.apply_report
---@field added string[]
---@field removed string[]
---@field changed string[] replaced by another actor under the same name
---@field links integer of senders that stayed, moved
---@field draining string[] not ended yet: see settle

---Brings the system from what it is to what `net` says: only what differs is launched, linked,
---replaced or ended, and no message is lost. What is replaced or removed
---handles its queue first. What would touch supervised actors is unsupported. After nil everything
---is as it was.
---@param net ringkernel.topology | ringkernel.topology_options
---@param options? number | { timeout: number } seconds to wait for queues to empty, 5
---@return ringkernel.apply_report?
---@return string? message
---@return ringkernel.code? code exists, compile, timeout (the last change is not done), closed, ...
---@return string? log
function system:apply(net, options) end

---Goes on with what an apply has left draining. Returns the names that still are.
---@param options? number | { timeout: number } seconds, 5
---@return string[]
function system:settle(options) end

---Ends all actors, senders first, each once its queue is empty, after the time as they are.
---@param options? number | { timeout: number } seconds, 5
---@return true
---@return integer lost messages that went to the dead letters
function system:stop(options) end

---An ASCII tree with the state of every actor, what waits for it, what it handled; from the second
---call on how much a second, by averages over 1, 10 and 60 s (12/9.5/3 a second); where latencies
---are kept, those of its handler. Supervisors stand below.
---@return string
function system:tree() end

---Graphviz text of what is deployed.
---@return string
function system:dot() end

return system
