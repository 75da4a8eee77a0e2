---@meta
-- Class provenance: a PROV document, from rt:provenance or sys:provenance.

---Messages are entities, their handlings activities, actors agents (see provenance_document.lua for
---names). W3C PROV-DM, written as PROV-JSON.
---@class ringkernel.provenance
---@field complete boolean nothing was lost or forgotten, and the origin of every message is known
---@field lost integer records of the trace that were overwritten before they were read
---@field forgotten integer records that gave way to newer ones
---@field unknown integer messages without a known origin
---@field data table the tables of the PROV-JSON
local provenance = {}

---PROV-JSON text.
---@return string
function provenance:json() end

---Writes it to a file.
---@param path string
---@return true?
---@return string? message
---@return ringkernel.code? code io
function provenance:save(path) end

return provenance

---@class ringkernel.provenance_options
---@field on? boolean begins (and switches the trace on) or ends (and off)
---@field limit? integer records that are kept, 65536; then the oldest are forgotten
