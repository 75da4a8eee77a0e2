-- SPDX-License-Identifier: MIT
--- A benchmark campaign: what `rk.campaign { … }` takes, and the cases it comes to.
--
-- A campaign is a table of factors and four functions; its cases are all combinations of the
-- factors. bench/runner.lua runs them, bench/report.lua shows what came out.

local check = require "ringkernel.check"

local M = {}

local DEFAULTS = {
  samples = 30, warmup = 3, warmup_max = 30, limit_s = 60, hang_s = 30, seed = 1, min_effect = 0.02,
}

local CASES_MAX = 100000 -- combinations of a matrix, before `where`
local PROCESSORS_MAX = 65535

local RULES = {
  name = { type = "name", required = true },
  includes = { type = "string" },
  answers = { type = "string" },
  matrix = { type = "table" },
  where = { type = "function" },
  split = { type = "name" },
  samples = { type = "integer", min = 1, max = 1000000 },
  warmup = { type = "integer", min = 0, max = 1000000 },
  warmup_max = { type = "integer", min = 0, max = 1000000 },
  limit_s = { type = "number" },
  hang_s = { type = "number" },
  seed = { type = "integer" },
  min_effect = { type = "number" },
  order = { type = "choice", choices = { "interleaved", "shuffled" } },
  fresh = { type = "boolean" },
  isolate = { type = "boolean" },
  pin = { type = "table" },
  skip = { type = "function" },
  setup = { type = "function" },
  run = { type = "function", required = true },
  check = { type = "function" },
  teardown = { type = "function" },
}

--- The text of a factor's value: what a case is named by and chosen by on the command line.
local function value_text(value)
  local kind = type(value)
  if kind == "table" then
    local name = value.name or value[1]
    return name ~= nil and tostring(name) or nil
  end
  return kind == "number" and ("%.14g"):format(value) or tostring(value)
end

--- Whether `values` is a list with elements and without holes.
local function is_list(values)
  if type(values) ~= "table" then
    return false
  end
  local count = 0
  for _ in pairs(values) do
    count = count + 1
  end
  return count > 0 and count == #values
end

--- The factors as a list of { name, values }, in a fixed order: that of the list form
-- { { "payload", { 64, 256 } }, … }, alphabetic for the table form { payload = { 64, 256 } }.
local function factors_of(matrix)
  local factors, seen = {}, {}
  local function add(name, values)
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      check.fail("rk.campaign: option 'matrix': names of factors expected, got %s",
        check.describe(name))
    elseif name == "name" or name == "index" or seen[name] then
      check.fail("rk.campaign: option 'matrix': factor '%s': the name is taken", name)
    elseif not is_list(values) then
      check.fail("rk.campaign: option 'matrix': factor '%s': a list of values expected, got %s",
        name, check.describe(values))
    end
    local texts = {}
    for i, value in ipairs(values) do
      local text = value_text(value)
      if not text then
        check.fail("rk.campaign: option 'matrix': factor '%s': value %d: a table needs a `name` "
          .. "or a first element to be called by", name, i)
      elseif texts[text] then
        check.fail("rk.campaign: option 'matrix': factor '%s': value '%s' is there twice", name,
          text)
      end
      texts[text] = true
    end
    seen[name] = true
    factors[#factors + 1] = { name = name, values = values }
  end
  if matrix[1] ~= nil then
    for _, pair in ipairs(matrix) do
      add(type(pair) == "table" and pair[1] or pair, type(pair) == "table" and pair[2] or nil)
    end
  else
    for name, values in pairs(matrix) do
      add(name, values)
    end
    table.sort(factors, function(a, b)
      return a.name < b.name
    end)
  end
  return factors
end

--- All combinations that `where` wants: the last factor changes fastest.
local function expand(factors, where)
  local cases, count = { {} }, 1.0
  for _, factor in ipairs(factors) do
    count = count * #factor.values
  end
  if count > CASES_MAX then
    check.fail("rk.campaign: option 'matrix': %.0f combinations, at most %d expected", count,
      CASES_MAX)
  end
  for _, factor in ipairs(factors) do
    local longer = {}
    for _, case in ipairs(cases) do
      for _, value in ipairs(factor.values) do
        local copy = { table.unpack(case) }
        copy[#copy + 1] = { factor.name, value, value_text(value) }
        longer[#longer + 1] = copy
      end
    end
    cases = longer
  end
  local out = {}
  for _, pairs_of in ipairs(cases) do
    local case, words, texts = { index = #out + 1 }, {}, {}
    for i, pair in ipairs(pairs_of) do
      case[pair[1]] = pair[2]
      words[i] = pair[1] .. "=" .. pair[3]
      texts[pair[1]] = pair[3]
    end
    case.name = #words > 0 and table.concat(words, " ") or "all"
    if not where or where(case) then
      out[#out + 1] = { case = case, name = case.name, factors = texts }
    end
  end
  if #out == 0 then
    check.fail("rk.campaign: option 'where': it leaves no case")
  end
  return out
end

local function check_processors(list)
  local good = list == nil or is_list(list)
  for _, number in ipairs(good and list or {}) do
    good = good and math.type(number) == "integer" and number >= 0 and number <= PROCESSORS_MAX
  end
  if not good then
    check.fail("rk.campaign: option 'pin': a list of numbers of processors, from 0, expected")
  end
end

local Campaign = {}
Campaign.__index = Campaign
Campaign.__name = "ringkernel.campaign"

--- Makes a campaign; api.md section 12 and meta/campaign.lua list the options. Raises for misuse.
function M.new(options)
  local campaign = check.options("rk.campaign", options, RULES)
  for key, value in pairs(DEFAULTS) do
    if campaign[key] == nil then
      campaign[key] = value
    end
  end
  for _, key in ipairs { "limit_s", "hang_s" } do
    if not (campaign[key] > 0 and campaign[key] <= 1e8) then
      check.fail("rk.campaign: option '%s': seconds above 0 expected, got %s", key, campaign[key])
    end
  end
  if not (campaign.min_effect >= 0 and campaign.min_effect < math.huge) then
    check.fail("rk.campaign: option 'min_effect': a fraction from 0 on expected, got %s",
      campaign.min_effect)
  end
  check_processors(campaign.pin)
  campaign.warmup_max = math.max(campaign.warmup, campaign.warmup_max)
  campaign.order = campaign.order or "interleaved"
  campaign.factors = factors_of(campaign.matrix or {})
  local is_factor = campaign.split == nil
  for _, factor in ipairs(campaign.factors) do
    is_factor = is_factor or factor.name == campaign.split
  end
  if not is_factor then
    check.fail("rk.campaign: option 'split': a factor expected, got '%s'", campaign.split)
  end
  campaign.cases = expand(campaign.factors, campaign.where)
  return setmetatable(campaign, Campaign)
end

function M.is_campaign(value)
  return getmetatable(value) == Campaign
end

--- Runs it in this process and returns the results (see bench/runner.lua); `options`: out, only,
-- resume, quiet.
function Campaign:measure(options)
  return require("ringkernel.bench.runner").run(self, options or {})
end

function Campaign:__tostring()
  return ("%s: %s, %d cases"):format(Campaign.__name, self.name, #self.cases)
end

return M
