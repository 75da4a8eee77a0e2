---@meta
-- Class buffer: memory that handlers and ordinary kernels reach.

---Offsets and counts are in elements, offsets count from 0. `#buffer` is its size.
---@class ringkernel.buffer
---@field type string "f32"
---@field address integer where the elements lie on the device
local buffer = {}

---Writes a list of numbers or a string of packed elements.
---@param data number[] | string
---@param offset? integer
---@return true?
---@return string? message
---@return ringkernel.code? code closed
function buffer:write(data, offset) end

---@param offset? integer 0
---@param count? integer all from the offset on
---@return number[]?
---@return string? message
---@return ringkernel.code? code closed
function buffer:read(offset, count) end

---The same as a string of packed elements.
---@param offset? integer
---@param count? integer
---@return string?
---@return string? message
---@return ringkernel.code? code closed
function buffer:read_bytes(offset, count) end

---Sets every element.
---@param value number
---@return true?
---@return string? message
---@return ringkernel.code? code closed
function buffer:fill(value) end

---@return integer elements; 0 once closed
function buffer:size() end

---@return true
function buffer:close() end

return buffer
