-- Statistics: against published tables, and against values that SciPy 1.17 gave for the same input.

local stats = require "ringkernel.bench.stats"

-- Two samples of unequal spread; t, degrees and p by SciPy's ttest_ind(equal_var=False).
local A = { 27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7,
  21.4 }
local B = { 27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5,
  24.2 }
local C = { 17.2, 20.9, 22.6, 18.1, 21.7, 21.4, 23.5, 24.2, 14.7, 21.8 }
local D = { 21.5, 22.8, 21.0, 23.0, 21.6, 23.6, 22.5, 20.7, 23.4, 21.8, 20.7, 21.7, 21.5, 22.5,
  23.6, 21.5, 22.5, 23.5, 21.5, 21.8 }

local function near(expected, actual, tolerance)
  local bound = math.max(math.abs(expected), 1e-300) * (tolerance or 1e-12)
  assert.is_true(math.abs(expected - actual) <= bound,
    ("expected %.17g, got %.17g"):format(expected, actual))
end

describe("statistics", function()
  it("place and spread", function()
    local list = { 10, 1, 3, 2, 4 }
    near(4, stats.mean(list))
    near(12.5, stats.variance(list))
    near(math.sqrt(12.5) / 4, stats.variation(list))
    assert.same({ 10, 1, 3, 2, 4 }, list) -- untouched
    near(1e16 + 2, stats.sum { 1e16, 1, 1 }, 0)
  end)

  it("quantiles of type 7, as NumPy has them", function()
    local list = { 1, 2, 3, 4, 10 }
    for q, value in pairs { [0] = 1, [0.1] = 1.4, [0.25] = 2, [0.5] = 3, [0.9] = 7.6, [0.99] = 9.76,
                            [1] = 10 } do
      near(value, stats.quantile(list, q))
    end
    local none = stats.median {}
    assert.is_true(none ~= none)
    near(5, stats.quantile({ 5 }, 0.99))
  end)

  it("logarithm of the gamma function", function()
    near(2.252712651734206, stats.lgamma(0.1))
    near(0.5723649429247, stats.lgamma(0.5), 1e-13)
    near(1.428072326665388, stats.lgamma(3.7))
    near(12.801827480081469, stats.lgamma(10))
    near(709.6573587630563, stats.lgamma(171.6))
  end)

  it("incomplete beta function", function()
    near(0.5248, stats.incomplete_beta(2, 3, 0.4))
    near(0.20483276469913345, stats.incomplete_beta(0.5, 0.5, 0.1))
    near(0.6579281751567845, stats.incomplete_beta(10, 0.5, 0.99), 1e-11)
    near(0.4642352914306031, stats.incomplete_beta(50, 60, 0.45), 1e-11)
  end)

  it("critical values of Student's t, as printed tables have them", function()
    for _, row in ipairs { { 1, 12.706 }, { 2, 4.303 }, { 5, 2.571 }, { 10, 2.228 }, { 30, 2.042 },
                           { 120, 1.980 } } do
      near(0.05, stats.student_two_sided(row[2], row[1]), 2e-3)
    end
    near(0.01, stats.student_two_sided(3.169, 10), 2e-3)
    near(0.24025719038839702, stats.student_two_sided(1.5, 2.7), 1e-11)
    near(1.8411962171772954e-07, stats.student_two_sided(40, 5), 1e-9)
    near(0.9205435363273194, stats.student_two_sided(0.1, 100.5), 1e-11)
    assert.equal(0, stats.student_two_sided(math.huge, 3))
  end)

  it("Welch's test with the degrees of Welch and Satterthwaite", function()
    local test = stats.welch(A, B)
    near(-2.8413222713783814, test.t)
    near(27.882509841787968, test.freedom)
    near(0.008303425483320234, test.p, 1e-10)
    test = stats.welch(C, D)
    near(-1.5654335235985037, test.t)
    near(9.904741248650831, test.freedom)
    near(0.14884169660532817, test.p, 1e-10)
    assert.is_nil(stats.welch({ 1 }, A))
    assert.equal(1, stats.welch({ 2, 2 }, { 2, 2 }).p)
    assert.equal(0, stats.welch({ 2, 2 }, { 3, 3 }).p)
  end)

  it("effect sizes", function()
    near(-1.0375042007838364, stats.cohen(A, B))
    near(-0.5955555555555555, stats.cliff(A, B))
    assert.equal(1, stats.cliff({ 3, 4 }, { 1, 2 }))
    assert.equal(0, stats.cliff({ 1, 1 }, { 1, 1 }))
    assert.is_nil(stats.cohen({ 1, 1 }, { 1, 1 }))
  end)

  it("bootstrap: the same for the same seed, near SciPy's, and it covers", function()
    local low, high = stats.bootstrap(A, stats.mean)
    near(19.486666666666665, low, 0.01)
    near(22.26, high, 0.01)
    assert.same({ low, high }, { stats.bootstrap(A, stats.mean) })
    -- Of intervals from many samples of a known mean, about 95 of 100 hold it.
    local random, held = stats.random(7), 0
    for round = 1, 200 do
      local sample = {}
      for i = 1, 30 do
        sample[i] = random(1000)
      end
      local from, to = stats.bootstrap(sample, stats.mean, { rounds = 200, seed = round })
      held = held + ((from <= 500.5 and to >= 500.5) and 1 or 0)
    end
    assert.is_true(held >= 176 and held <= 199, held .. " of 200")
  end)

  it("random numbers are even and shuffles are fair", function()
    local random, counts = stats.random(3), {}
    for _ = 1, 60000 do
      local n = random(6)
      counts[n] = (counts[n] or 0) + 1
    end
    for n = 1, 6 do
      assert.is_true(math.abs(counts[n] - 10000) < 400, tostring(counts[n]))
    end
    local firsts = {}
    for _ = 1, 6000 do
      local order = stats.shuffled({ "a", "b", "c" }, random)
      firsts[table.concat(order)] = (firsts[table.concat(order)] or 0) + 1
    end
    for _, order in ipairs { "abc", "acb", "bac", "bca", "cab", "cba" } do
      assert.is_true(math.abs(firsts[order] - 1000) < 150, order)
    end
  end)

  it("outliers beyond Tukey's fences are counted", function()
    assert.same({ mild = 1, severe = 1 },
      stats.outliers { 1, 2, 2, 3, 3, 3, 4, 4, 5, 8.5, 40 })
  end)
end)
