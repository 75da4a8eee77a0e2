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

---@class ringkernel.drain_options
---@field order? "parent_first" | "leaf_first" | "parallel" "parent_first"
---@field deadline? number seconds, 5

---@class ringkernel.drain_info
---@field drained string[] in the order in which they ended: idle, with nothing left
---@field forced string[] ended while they were at work or with messages left
---@field left_messages integer that waited for what was ended, now dead letters
---@field seconds number it took

---Stops sources, lets the queues run empty and ends everything. parent_first: senders before
---receivers, so that what stop handlers send is handled, too. leaf_first: all fall silent, then
---receivers end before senders. parallel: each ends once its own queue is empty. A source (nothing
---leads to it) is given no more than what waited for it at first. At the deadline the rest is ended
---as it is.
---@param options? ringkernel.drain_options
---@return ringkernel.drain_info?
---@return string? message
---@return ringkernel.code? code closed
function system:drain(options) end

---Where the messages of its actors came from, with `provenance = true` in the topology (or
---rt:provenance { on = true } before): what they sent and handled, and what was sent to them.
---@return ringkernel.provenance?
---@return string? message
---@return ringkernel.code? code invalid_state, closed
function system:provenance() end

---An ASCII tree with the state of every actor, what waits for it, what it handled; from the second
---call on how much a second, by averages over 1, 10 and 60 s (12/9.5/3 a second); where latencies
---are kept, those of its handler. Supervisors stand below.
---@return string
function system:tree() end

---Graphviz text of what is deployed.
---@return string
function system:dot() end

return system
