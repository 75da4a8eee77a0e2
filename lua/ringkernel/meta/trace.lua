---@meta
-- The module `require "ringkernel.trace"`, also rk.trace: records as Chrome traces.

---@class ringkernel.trace_record
---@field kind "handle" | "send" | "deliver" | "start" | "stop" | "dead"
---@field ts_us number microseconds since the runtime was opened, on the host's clock
---@field dur_us? number handle, start, stop
---@field block? integer nil: the host
---@field actor? integer slot of the actor that handled or sent it, or was to get it; nil: the host
---@field name? string its name
---@field message? integer id
---@field type? string | integer name or number of its type
---@field reason? string of a dead letter
---@field cause? integer of what a Lua actor sent: low 32 bits of the id of what it was handling

---@class ringkernel.trace_options
---@field host? string name of the host's process in the trace
---@field lost? integer records that were overwritten before they were read
---@field origin_us? integer moment that ts_us counts from, microseconds since 1970
---@field clock_offset_us? number the blocks' clock less the host's, already taken off
---@field clock_error_us? number how well that is known

---@class ringkernel.trace
local trace = {}

---The trace as JSON text, and how many arrows from a sending to a handling it has.
---@param records ringkernel.trace_record[]
---@param options? ringkernel.trace_options
---@return string json
---@return integer arrows
function trace.encode(records, options) end

---Writes it to a file.
---@param path string
---@param records ringkernel.trace_record[]
---@param options? ringkernel.trace_options
---@return true?
---@return string? message
---@return ringkernel.code? code io
function trace.save(path, records, options) end

return trace
