---@meta
-- Class runtime, the part that is about tenants.

---@class ringkernel.runtime
local runtime = {}

---@class ringkernel.tenant_limits
---@field actors? integer living
---@field memory? integer bytes of their queues, state and routes, and of buffers
---@field rate? number messages a second that its actors send to actors or publish; and as many that
---the host sends in its name
---@field burst? number messages at once; default: a second's, at least 1

---Makes a tenant, or gives the one of that name. With `limits` those are its limits from now on,
---and what they do not name is without limit. There can be 256; none ends before its runtime. The
---tenant "default" is there from the start.
---@param name string letters, digits, '_', '.', '-'; at most 63 bytes
---@param limits? ringkernel.tenant_limits
---@return ringkernel.tenant?
---@return string? message
---@return ringkernel.code? code out_of_memory (there are 256), timeout, device_lost, closed
function runtime:tenant(name, limits) end

---All tenants, the default one first.
---@return ringkernel.tenant[]?
---@return string? message
---@return ringkernel.code? code closed
function runtime:tenants() end

---Lets what belongs to `guest` send to what belongs to `owner`: through ports, by id, by answering
---and by publishing. Not the other way: an answer needs a grant of its own.
---@param owner string | ringkernel.tenant
---@param guest string | ringkernel.tenant
---@return true?
---@return string? message
---@return ringkernel.code? code not_found, timeout (nothing is granted then), device_lost, closed
function runtime:grant(owner, guest) end

---Takes a grant back. When this returns, nothing that the guest sent is handled any more; what was
---queued is in the dead letters, with the reason "tenant". Returns how many that were.
---@param owner string | ringkernel.tenant
---@param guest string | ringkernel.tenant
---@return integer?
---@return string? message
---@return ringkernel.code? code not_found, timeout (call it again), full, device_lost, closed
function runtime:revoke(owner, guest) end

---@class ringkernel.refusal
---@field number integer from 1
---@field action "send"|"publish"|"deliver"|"connect"|"subscribe"|"launch"|"buffer"
---@field code "tenant_mismatch"|"denied"
---@field quota? "actors"|"memory"|"rate" of denied
---@field tenant? string who tried it
---@field other? string whose the receiver is
---@field actor_id? integer that tried it; none: the host
---@field name? string its name then, or that it was to get
---@field dest? integer id of the receiver
---@field hlc ringkernel.timestamp when the host learned of it

---What was refused because of a tenant, oldest first: the newest 1024; and how many refusals are
---not kept, or were more than a block had room to tell of.
---@return ringkernel.refusal[]?
---@return integer | string dropped or message
---@return ringkernel.code? code closed
function runtime:audit() end
