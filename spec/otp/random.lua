-- Random numbers that are the same on every machine: `dofile("spec/otp/random.lua")(seed)`.

local Random = {}
Random.__index = Random

function Random:next() -- xorshift64*
  local x = self.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  self.state = x
  return (x * 0x2545F4914F6CDD1D) >> 11
end

function Random:range(low, high)
  return low + self:next() % (high - low + 1)
end

function Random:chance(percent)
  return self:next() % 100 < percent
end

function Random:pick(list)
  return list[self:range(1, #list)]
end

--- Picks from a list of { weight, value }.
function Random:weighted(list)
  local total = 0
  for _, entry in ipairs(list) do
    total = total + entry[1]
  end
  local at = self:range(1, total)
  for _, entry in ipairs(list) do
    at = at - entry[1]
    if at <= 0 then
      return entry[2]
    end
  end
  error("internal: no entry")
end

return function(seed)
  local self = setmetatable({ state = (seed * 0x9E3779B97F4A7C15) | 1 }, Random)
  for _ = 1, 8 do
    self:next()
  end
  return self
end
