---@meta
-- Class stream: snapshots of actors by the clock, from rt:stream.

---@class ringkernel.actor_snapshot: ringkernel.rates
---@field name string
---@field id integer
---@field state string
---@field block integer
---@field processed integer messages handled, ever
---@field lost integer messages it could not send, ever
---@field errors integer
---@field last_error? string | integer

---@class ringkernel.snapshot
---@field number integer 1 for the first; what is missing between two was dropped
---@field missed integer moments so far at which nobody polled, so that none was taken
---@field hlc? ringkernel.timestamp
---@field actors ringkernel.actor_snapshot[] in the order of their launch

---Use it as `local stream <close> = rt:stream { every = 1 }`.
---@class ringkernel.stream
local stream = {}

---The oldest snapshot that was not read.
---@return ringkernel.snapshot?
---@return string? message
---@return ringkernel.code? code empty, closed (and nothing is left)
function stream:try_receive() end

---Waits for it; yields inside a coroutine of a loop, blocks elsewhere.
---@param timeout? number seconds; nil: for ever
---@return ringkernel.snapshot?
---@return string? message
---@return ringkernel.code? code timeout, closed
function stream:receive(timeout) end

---made = taken + dropped + waiting; missed were never made.
---@return { made: integer, taken: integer, dropped: integer, missed: integer, waiting: integer }
function stream:stats() end

---No more are taken; those that wait can still be read.
---@return true
function stream:close() end

return stream
