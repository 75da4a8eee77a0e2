---@meta
-- Statistics of samples: rk.stats. What `rkl --bench` reports and compares with.

---Samples are lists of numbers in any order; none is changed, and all must be numbers (not nan).
---@class ringkernel.stats
local stats = {}

---A sorted copy.
---@param samples number[]
---@return number[]
function stats.sorted(samples) end

---Sum, with the rounding errors carried along.
---@param samples number[]
---@return number
function stats.sum(samples) end

---@param samples number[]
---@return number mean nan of nothing
function stats.mean(samples) end

---Variance with n - 1 below the line.
---@param samples number[]
---@return number variance nan of fewer than two
function stats.variance(samples) end

---Standard deviation: the root of the variance.
---@param samples number[]
---@return number
function stats.deviation(samples) end

---Deviation over mean.
---@param samples number[]
---@return number
function stats.variation(samples) end

---Quantile, interpolated between neighbours (type 7 of Hyndman and Fan, as in R and NumPy).
---@param samples number[]
---@param q number 0..1
---@return number quantile nan of nothing
function stats.quantile(samples, q) end

---The same of a list that is sorted.
---@param sorted number[]
---@param q number 0..1
---@return number
function stats.quantile_sorted(sorted, q) end

---@param samples number[]
---@return number
function stats.median(samples) end

---A generator of its own: random(n) gives a whole number from 1 to n, n up to 2^31.
---@param seed integer
---@return fun(n: integer): integer
function stats.random(seed) end

---A new list in a random order.
---@param list any[]
---@param random fun(n: integer): integer of stats.random
---@return any[]
function stats.shuffled(list, random) end

---Interval that holds the statistic of the population with probability `level` (0.95): percentile
---bootstrap with `rounds` (2000) resamples drawn from `seed` (1). With fewer than about 15 samples
---it is too narrow. Takes time in rounds times samples.
---@param samples number[]
---@param statistic fun(samples: number[]): number
---@param options? { level: number?, rounds: integer?, seed: integer? }
---@return number low nan of fewer than two samples
---@return number high
function stats.bootstrap(samples, statistic, options) end

---95 % interval of the median of a sorted list of 50 samples or more, by order statistics.
---@param sorted number[]
---@return number low
---@return number high
function stats.median_interval(sorted) end

---Logarithm of the gamma function.
---@param x number above 0
---@return number
function stats.lgamma(x) end

---Regularised incomplete beta function I_x(a, b).
---@param a number above 0
---@param b number above 0
---@param x number 0..1
---@return number
function stats.incomplete_beta(a, b, x) end

---Probability that Student's t is further from zero than `t`, on both sides.
---@param t number
---@param freedom number degrees of freedom, any positive number
---@return number
function stats.student_two_sided(t, freedom) end

---Welch's test of equal means. p: the chance of a difference at least as large if there is none.
---@param a number[]
---@param b number[]
---@return { t: number, freedom: number, p: number }? test nil with fewer than two samples in a list
function stats.welch(a, b) end

---Cohen's d: difference of the means in pooled deviations.
---@param a number[]
---@param b number[]
---@return number? d nil where there is no spread, or too few samples
function stats.cohen(a, b) end

---Cliff's delta: chance that a sample of `a` is the larger one less chance that it is the smaller.
---@param a number[]
---@param b number[]
---@return number delta -1..1
function stats.cliff(a, b) end

---Samples outside Tukey's fences: beyond 1.5 times the middle half (mild), beyond 3 times (severe).
---@param samples number[]
---@return { mild: integer, severe: integer }
function stats.outliers(samples) end
