-- What the specs of campaigns share: small campaigns and a way to spend time.
-- Used as `local kit = dofile("spec/bench/kit.lua")`.

local rk = require "ringkernel"
local core = require "ringkernel.core"

local M = {}

--- Something that takes about `seconds`.
function M.busy(seconds)
  local till = core.clock() + seconds
  while core.clock() < till do -- luacheck: ignore
  end
end

--- A campaign with few samples, in which nothing happens unless `options` say so.
function M.campaign(options)
  local all = { name = "t", samples = 4, warmup = 1, warmup_max = 1, limit_s = 20 }
  for key, value in pairs(options) do
    all[key] = value
  end
  all.run = all.run or function()
    M.busy(1e-5)
  end
  return rk.campaign(all)
end

--- Its results.
function M.run(options, how)
  how = how or {}
  how.quiet = true
  return assert(M.campaign(options):measure(how))
end

--- A quantity of a case, by name; nil if it has none.
function M.quantity(case, name)
  for _, q in ipairs(case.quantities or {}) do
    if q.name == name then
      return q
    end
  end
end

return M
