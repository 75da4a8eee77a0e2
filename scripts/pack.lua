--- Packs texts in LZ4's block format (lz4_Block_format.md of lz4) for src/base/unpack.h.
--
--   local packed = require("pack").pack(text)
--
-- Looks for the longest of the last few places that begin with the same four bytes; good enough for
-- text, and quick enough for a build. Used by scripts/prebuilt.lua.

local M = {}

local LEAST_COPY = 4
local FARTHEST = 0xffff
local TRIES = 8
-- The format's rules on the end: no copy begins in the last 12 bytes or reaches into the last 5.
local LAST_BEGIN, LAST_PLAIN = 12, 5

--- The bytes that continue a length whose half of a byte is full.
local function rest_of(length)
  if length < 15 then
    return ""
  end
  local full, last = (length - 15) // 255, (length - 15) % 255
  return ("\255"):rep(full) .. string.char(last)
end

--- How many bytes from `here` on are those from `there` on, as far as a copy may go.
local function common(text, here, there)
  local length = LEAST_COPY
  local most = #text - LAST_PLAIN - here + 1
  while true do -- strides of 16, then the odd bytes
    local next = text:sub(here + length, here + length + 15)
    if #next < 16 or next ~= text:sub(there + length, there + length + 15) then
      break
    end
    length = length + 16
  end
  while here + length <= #text and text:byte(here + length) == text:byte(there + length) do
    length = length + 1
  end
  return math.min(length, most)
end

function M.pack(text)
  local out = {}
  local last, before = {}, {} -- four bytes -> where last; place -> the place before with the same
  local taken, here = 1, 1

  local function step(copy, back)
    local plain = here - taken
    local halves = math.min(plain, 15) << 4 | (copy and math.min(copy - LEAST_COPY, 15) or 0)
    out[#out + 1] = string.char(halves) .. rest_of(plain) .. text:sub(taken, here - 1)
      .. (copy and string.pack("<I2", back) .. rest_of(copy - LEAST_COPY) or "")
  end

  local function remember(place)
    local key = text:sub(place, place + LEAST_COPY - 1)
    before[place] = last[key]
    last[key] = place
  end

  while here + LAST_BEGIN <= #text do
    local best, from = 0, nil
    local there = last[text:sub(here, here + LEAST_COPY - 1)]
    for _ = 1, TRIES do
      if not there or here - there > FARTHEST then
        break
      end
      if best == 0 or text:byte(there + best) == text:byte(here + best) then
        local length = common(text, here, there)
        if length > best then
          best, from = length, there
        end
      end
      there = before[there]
    end
    if from then
      step(best, here - from)
      for place = here, here + best - 1 do
        remember(place)
      end
      here = here + best
      taken = here
    else
      remember(here)
      here = here + 1
    end
  end
  here = #text + 1
  step()
  return table.concat(out)
end

return M
