---@meta
-- Histograms of whole numbers from 0 on: `rk.histogram()`. Numbers below 128 are exact, larger ones
-- within 1.6 %; 29 KiB each.

---@class ringkernel.histogram
local histogram = {}

---Records a number, or the same one `times` times.
---@param value integer
---@param times? integer
function histogram:record(value, times) end

---Adds all that `other` holds.
---@param other ringkernel.histogram
---@return ringkernel.histogram self
function histogram:merge(other) end

---Empties it.
function histogram:reset() end

---How many were recorded; also #histogram.
---@return integer
function histogram:count() end

---@return integer
function histogram:min() end

---@return integer
function histogram:max() end

---@return number
function histogram:mean() end

---The number that `percent` % of the recorded ones do not exceed: never too low, at most 1.6 % too
---high.
---@param percent number 0..100
---@return integer
function histogram:percentile(percent) end

---The buckets that hold something, from low to high: { low, high, count }.
---@return integer[][]
function histogram:buckets() end
