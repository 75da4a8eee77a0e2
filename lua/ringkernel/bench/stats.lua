-- SPDX-License-Identifier: MIT
--- Statistics of samples: place, spread, intervals, comparison of two sets.
--
-- Samples are lists of numbers in any order and any unit; nothing here changes them. What has a
-- source names it. Used by bench/report.lua and bench/compare.lua; users reach it as rk.stats.

local M = {}

local abs, exp, floor, log, max, min, sqrt = math.abs, math.exp, math.floor, math.log, math.max,
  math.min, math.sqrt

local NORMAL_975 = 1.959963984540054 -- 97.5 % of a normal distribution lie below

--- A sorted copy of `samples`.
function M.sorted(samples)
  local copy = table.move(samples, 1, #samples, 1, {})
  table.sort(copy)
  return copy
end

--- Sum of `samples`, with the rounding errors carried along (Neumaier 1974).
function M.sum(samples)
  local sum, lost = 0.0, 0.0
  for _, x in ipairs(samples) do
    local t = sum + x
    lost = lost + (abs(sum) >= abs(x) and (sum - t) + x or (x - t) + sum)
    sum = t
  end
  return sum + lost
end

--- Arithmetic mean; nan of nothing.
function M.mean(samples)
  return M.sum(samples) / #samples
end

--- Variance with n - 1 below the line, in two passes; nan of fewer than two.
function M.variance(samples)
  local n, mean = #samples, M.mean(samples)
  local squares = {}
  for i, x in ipairs(samples) do
    squares[i] = (x - mean) * (x - mean)
  end
  return n > 1 and M.sum(squares) / (n - 1) or 0 / 0
end

--- Standard deviation (the root of M.variance).
function M.deviation(samples)
  return sqrt(M.variance(samples))
end

--- Coefficient of variation: deviation over mean, a fraction.
function M.variation(samples)
  return M.deviation(samples) / M.mean(samples)
end

--- Quantile `q` (0..1) of a sorted list, interpolated between neighbours: type 7 of Hyndman and
-- Fan (1996), what R and NumPy do unless told otherwise. nan of nothing.
function M.quantile_sorted(sorted, q)
  local n = #sorted
  if n == 0 then
    return 0 / 0
  end
  local place = 1 + (n - 1) * q
  local low = max(1, min(n, floor(place)))
  local high = min(n, low + 1)
  return sorted[low] + (place - low) * (sorted[high] - sorted[low])
end

function M.quantile(samples, q)
  return M.quantile_sorted(M.sorted(samples), q)
end

function M.median(samples)
  return M.quantile(samples, 0.5)
end

-- ---- random numbers ---------------------------------------------------------------------------

--- A generator of its own, so that neither math.random of the user nor a second caller disturbs
-- the sequence: SplitMix64 (Steele, Lea, Flood 2014). `random(n)`: a whole number from 1 to n, n up
-- to 2^31; the upper 31 bits are scaled, so no number is favoured by more than n / 2^31.
function M.random(seed)
  local state = seed
  return function(n)
    state = state + 0x9E3779B97F4A7C15
    local z = state
    z = (z ~ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ~ (z >> 27)) * 0x94D049BB133111EB
    z = z ~ (z >> 31)
    return ((z >> 33) * n >> 31) + 1
  end
end

--- A random order of `list` (Fisher and Yates, Durstenfeld 1964), as a new list.
function M.shuffled(list, random)
  local copy = table.move(list, 1, #list, 1, {})
  for i = #copy, 2, -1 do
    local j = random(i)
    copy[i], copy[j] = copy[j], copy[i]
  end
  return copy
end

--- Interval that holds `statistic` of the population with probability `level` (0.95): the
-- percentile bootstrap of Efron (1979) with `rounds` (2000) resamples drawn from `seed` (1).
-- Returns low and high; both are nan of fewer than two samples. Reading: with few samples (below
-- about 15) it is too narrow, as every bootstrap is.
function M.bootstrap(samples, statistic, options)
  options = options or {}
  local n = #samples
  if n < 2 then
    return 0 / 0, 0 / 0
  end
  local random = M.random(options.seed or 1)
  local rounds = options.rounds or 2000
  local found, resample = {}, {}
  for round = 1, rounds do
    for i = 1, n do
      resample[i] = samples[random(n)]
    end
    found[round] = statistic(resample)
  end
  table.sort(found)
  local tail = (1 - (options.level or 0.95)) / 2
  return M.quantile_sorted(found, tail), M.quantile_sorted(found, 1 - tail)
end

--- The same interval of the median without drawing, for lists too long to draw from: how many of a
-- resample lie below a sample is binomial, so its ends are the samples n / 2 -+ 1.96 sqrt(n) / 2
-- places from the start (David and Nagaraja 2003, 7.1). `sorted` has 50 samples or more.
function M.median_interval(sorted)
  local n = #sorted
  local reach = NORMAL_975 * sqrt(n) / 2
  return sorted[max(1, floor(n / 2 - reach))], sorted[min(n, math.ceil(n / 2 + reach) + 1)]
end

-- ---- distributions ----------------------------------------------------------------------------

-- Coefficients of Lanczos' approximation for g = 7 with nine terms (Godfrey 2001).
local LANCZOS = {
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
}

--- Logarithm of the gamma function for x > 0; about 15 digits.
function M.lgamma(x)
  if x < 0.5 then -- reflection
    return log(math.pi / math.sin(math.pi * x)) - M.lgamma(1 - x)
  end
  local sum = 0.99999999999980993
  for i, c in ipairs(LANCZOS) do
    sum = sum + c / (x - 1 + i)
  end
  local t = x + 6.5
  return 0.5 * log(2 * math.pi) + (x - 0.5) * log(t) - t + log(sum)
end

--- Continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method.
local function beta_fraction(a, b, x)
  local tiny = 1e-300
  local function kept(value)
    return abs(value) < tiny and tiny or value
  end
  local c, d = 1.0, 1 / kept(1 - (a + b) * x / (a + 1))
  local result = d
  for m = 1, 500 do
    local even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / kept(1 + even * d)
    c = kept(1 + even / c)
    result = result * d * c
    local odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / kept(1 + odd * d)
    c = kept(1 + odd / c)
    result = result * d * c
    if abs(d * c - 1) < 1e-15 then
      break
    end
  end
  return result
end

--- Regularised incomplete beta function I_x(a, b), 0 <= x <= 1.
function M.incomplete_beta(a, b, x)
  if x <= 0 then
    return 0.0
  elseif x >= 1 then
    return 1.0
  end
  local front = exp(M.lgamma(a + b) - M.lgamma(a) - M.lgamma(b) + a * log(x) + b * log(1 - x))
  if x < (a + 1) / (a + b + 2) then -- where the fraction converges fast
    return front * beta_fraction(a, b, x) / a
  end
  return 1 - front * beta_fraction(b, a, 1 - x) / b
end

--- Probability that Student's t with `freedom` degrees (any positive number) is further from zero
-- than `t`, on both sides.
function M.student_two_sided(t, freedom)
  if t ~= t or freedom ~= freedom then
    return 0 / 0
  end
  if abs(t) == math.huge then
    return 0.0
  end
  return M.incomplete_beta(freedom / 2, 0.5, freedom / (freedom + t * t))
end

-- ---- two sets ---------------------------------------------------------------------------------

--- Welch's test of equal means for sets of unequal variance (Welch 1947, Satterthwaite 1946).
-- Returns { t, freedom, p }: p is the chance of a difference at least as large if there is none.
-- Two sets without any spread differ surely (p = 0) or not at all (p = 1). Nil with fewer than two
-- samples in a set.
function M.welch(a, b)
  if #a < 2 or #b < 2 then
    return nil
  end
  local difference = M.mean(a) - M.mean(b)
  local va, vb = M.variance(a) / #a, M.variance(b) / #b
  if va + vb == 0 then
    local same = difference == 0
    return {
      t = same and 0.0 or difference > 0 and math.huge or -math.huge,
      freedom = #a + #b - 2.0, p = same and 1.0 or 0.0,
    }
  end
  local t = difference / sqrt(va + vb)
  local freedom = (va + vb) ^ 2 / (va * va / (#a - 1) + vb * vb / (#b - 1))
  return { t = t, freedom = freedom, p = M.student_two_sided(t, freedom) }
end

--- Cohen's d: difference of the means in pooled deviations (Cohen 1988). 0.2 is called small, 0.5
-- medium, 0.8 large. Nil where there is no spread to measure by, or too few samples.
function M.cohen(a, b)
  if #a < 2 or #b < 2 then
    return nil
  end
  local pooled = ((#a - 1) * M.variance(a) + (#b - 1) * M.variance(b)) / (#a + #b - 2)
  return pooled > 0 and (M.mean(a) - M.mean(b)) / sqrt(pooled) or nil
end

--- Cliff's delta: chance that a sample of `a` is the larger one minus chance that it is the
-- smaller one (Cliff 1993), -1..1. Asks nothing of the distribution. 0.147, 0.33 and 0.474 bound
-- negligible, small, medium and large (Romano and others 2006).
function M.cliff(a, b)
  local sorted = M.sorted(b)
  local n = #sorted
  local function count(x, beyond) -- how many of b are below x, or at most x
    local low, high = 0, n
    while low < high do
      local middle = (low + high + 1) // 2
      if sorted[middle] < x or (beyond and sorted[middle] == x) then
        low = middle
      else
        high = middle - 1
      end
    end
    return low
  end
  local balance = 0
  for _, x in ipairs(a) do
    balance = balance + count(x, false) - (n - count(x, true))
  end
  return balance / (#a * n)
end

-- ---- outliers ---------------------------------------------------------------------------------

--- How many samples lie outside Tukey's fences (1977): beyond 1.5 times the middle half from its
-- ends (mild), beyond 3 times (severe; counted as severe only). They are told, never dropped.
function M.outliers(samples)
  local sorted = M.sorted(samples)
  local q1, q3 = M.quantile_sorted(sorted, 0.25), M.quantile_sorted(sorted, 0.75)
  local half = q3 - q1
  local mild, severe = 0, 0
  for _, x in ipairs(sorted) do
    if x < q1 - 3 * half or x > q3 + 3 * half then
      severe = severe + 1
    elseif x < q1 - 1.5 * half or x > q3 + 1.5 * half then
      mild = mild + 1
    end
  end
  return { mild = mild, severe = severe }
end

return M
