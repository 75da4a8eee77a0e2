-- Plots of a campaign's results: which pictures there are, and what is drawn in them.

local plot = require "ringkernel.bench.plot"
local kit = dofile "spec/bench/kit.lua"
local files = dofile "spec/cli/support.lua"

local folder
before_each(function()
  folder = files.temp_dir()
end)
after_each(function()
  files.remove(folder)
end)

local function read(name)
  local file = io.open(("%s/p-%s"):format(folder, name))
  local text = file and file:read("a")
  if file then
    file:close()
  end
  return text
end

--- Measures cases whose times are told, and draws them; value(case) is in seconds.
local function draw(options, value)
  options.samples, options.warmup, options.warmup_max = 3, 0, 0
  options.run = function(case, meter)
    meter:program_seconds(value(case))
    if case.kind == "odd" then
      meter:value("extra", 7, "B")
    end
  end
  local pictures, problems = plot.draw(kit.run(options), folder .. "/p")
  if files.has_program "gnuplot" then
    assert.same({}, problems)
    assert.is_true(#pictures > 0)
    for _, path in ipairs(pictures) do
      local file = assert(io.open(path))
      assert.matches("<svg", file:read("a"))
      file:close()
    end
  else
    assert.matches("gnuplot is not installed", problems[1])
  end
end

describe("a plot", function()
  it("of names has a bar each, with its interval and its value", function()
    draw({ matrix = { kind = { "even", "odd" } } }, function(case)
      return case.kind == "odd" and 3e-6 or 2e-6
    end)
    assert.equal('"even" 2 2 2 "2 us"\n"odd" 3 3 3 "3 us"\n', read "time.dat")
    local script = read "time.gp"
    assert.matches("boxxyerror", script)
    assert.matches("set yrange [1.5:-0.5]", script, 1, true)
    assert.matches("set xrange [0:3.45]", script, 1, true)
    assert.is_nil(script:find("logscale", 1, true))
    assert.is_nil(read "extra.gp") -- one case of two has it
  end)

  it("of values far apart is logarithmic, in seconds with the unit at each number", function()
    draw({ matrix = { kind = { "even", "odd" } } }, function(case)
      return case.kind == "odd" and 3e-3 or 2e-6
    end)
    local script = read "time.gp"
    assert.matches("set logscale x", script, 1, true)
    assert.matches('"%.0s %cs"', script, 1, true)
    assert.matches("set xrange [1e-06:0.03]", script, 1, true)
    assert.matches('"odd" 0.003 0.003 0.003 "3 ms"', read "time.dat", 1, true)
  end)

  it("over numbers has a line for each of the others", function()
    draw({ matrix = { size = { 8, 16 }, kind = { "even", "odd" }, alone = { 1 } } }, function(case)
      return case.size * (case.kind == "odd" and 2e-9 or 1e-9)
    end)
    assert.equal("8 8 8 8\n16 16 16 16\n\n\n8 16 16 16\n16 32 32 32\n\n\n", read "time.dat")
    local script = read "time.gp"
    assert.matches("set xtics (8, 16)", script, 1, true)
    assert.matches('index 0 .- title "even"', script)
    assert.matches('index 1 .- title "odd"', script)
  end)

  it("is one for each value of the factor that the campaign is split by", function()
    draw({ matrix = { size = { 8, 16 }, kind = { "even", "odd" } }, split = "kind" }, function(case)
      return case.size * 1e-9
    end)
    assert.is_nil(read "time.gp")
    assert.matches("kind=even", read "time-even.gp")
    assert.equal("8 8 8 8\n16 16 16 16\n\n\n", read "time-odd.dat")
    assert.equal("8 7 7 7\n16 7 7 7\n\n\n", read "extra-odd.dat")
  end)
end)
