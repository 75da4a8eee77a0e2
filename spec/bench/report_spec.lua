-- What a campaign's results look like: table, CSV, plots, comparison; and `rkl --bench` itself.

local compare = require "ringkernel.bench.compare"
local json = require "ringkernel.json"
local report = require "ringkernel.bench.report"
local rk = require "ringkernel"
local stats = require "ringkernel.bench.stats"
local files = dofile "spec/cli/support.lua"

local CAMPAIGN = [[
local rk = require "ringkernel"
local clock = require("ringkernel.core").clock
return rk.campaign {
  name = "demo", includes = "a wait of a few microseconds",
  matrix = { us = { 10, 20 }, way = { "a", "b" } }, samples = 5, warmup = 1, warmup_max = 1,
  %s
  run = function(case, meter)
    %s
    local till = clock() + case.us * 1e-6
    while clock() < till do end
    meter:latency(case.us * 1e-6)
  end,
  check = function() return true end,
}
]]

--- Results of one case whose samples are made up.
local function made(samples, unit, better)
  return {
    format = 1, campaign = "made", environment = { date = "2026-01-02T03:04:05Z", devices = {},
      cpu = "x", backend = "cpu", seed = 1 }, notes = {}, complete = true, seconds = 1,
    cases = { { name = "c", factors = { f = "1,\"2" }, status = "ok",
      labels = { includes = "all", consumed = "inside the timing", checked = "yes",
        verified = "no", clock = "host" },
      quantities = { { name = "q", unit = unit or "ns", better = better or "less", n = #samples,
        samples = samples, median = stats.median(samples), mean = stats.mean(samples),
        low = 1, high = 2, p99 = 3, outliers = { mild = 0, severe = 0 } } } } },
  }
end

describe("a comparison", function()
  local random = stats.random(5)
  local function around(middle, n)
    local list = {}
    for i = 1, n or 30 do
      list[i] = middle * (1 + (random(1000) - 500) / 10000) -- within 5 %
    end
    return list
  end

  it("finds what became worse, by the direction of the quantity", function()
    local old, slower = made(around(100)), made(around(120))
    local found = compare.compare(old, slower)
    assert.equal("worse", found.rows[1].verdict)
    assert.equal(1, found.regressions)
    assert.is_true(found.rows[1].p < 1e-6 and found.rows[1].delta > 0.9)
    assert.equal("better", compare.compare(slower, old).rows[1].verdict)
    found = compare.compare(made(around(100), "M/s", "more"), made(around(120), "M/s", "more"))
    assert.equal("better", found.rows[1].verdict)
    assert.equal(0, found.regressions)
  end)

  it("calls noise the same, and a small but sure change too", function()
    assert.equal("same", compare.compare(made(around(100)), made(around(100.5))).rows[1].verdict)
    local sure = compare.compare(made(around(100, 3000)), made(around(101, 3000)))
    assert.is_true(sure.rows[1].p < 1e-6)
    assert.equal("same", sure.rows[1].verdict)
    assert.equal("worse", compare.compare(made(around(100, 3000)), made(around(101, 3000)),
      { min_effect = 0.001 }).rows[1].verdict)
  end)

  it("holds many quantities against Holm's bounds", function()
    -- Of 40 comparisons of equal sets, two are below 0.05 by chance alone.
    local old, new = made(around(100)), made(around(100))
    old.cases, new.cases = {}, {}
    for i = 1, 40 do
      old.cases[i], new.cases[i] = made(around(100)).cases[1], made(around(100)).cases[1]
      old.cases[i].name, new.cases[i].name = "c" .. i, "c" .. i
    end
    local found = compare.compare(old, new, { min_effect = 0 })
    assert.equal(40, #found.rows)
    assert.equal(0, found.regressions + found.improvements)
  end)

  it("names what cannot be compared; a case that failed since counts", function()
    local old, new = made(around(100)), made(around(100))
    new.cases[1].status, new.cases[1].reason, new.cases[1].quantities = "failed", "it broke", nil
    local found = compare.compare(old, new)
    assert.equal(1, found.regressions)
    assert.matches("it broke", table.concat(found.missing))
    assert.equal("too few samples", compare.compare(made { 1 }, made { 2 }).rows[1].verdict)
    assert.matches("1 worse, 0 better", compare.table(old, new, found))
  end)
end)

describe("a report", function()
  it("has what the timing includes and how far messages got beside the figures", function()
    local text = report.table(made { 1500, 1600, 1700 })
    assert.matches("1.6 us", text)
    assert.matches("the timing includes all; consumed: inside the timing; checked: yes", text)
  end)

  it("quotes CSV as RFC 4180 has it", function()
    local text = report.csv(made { 1, 2, 3 })
    assert.matches('"1,""2"', text)
    assert.equal("\r\n", text:sub(-2))
    local _, lines = text:gsub("\r\n", "")
    assert.equal(2, lines)
  end)

  it("has histograms of the module to record with", function()
    local h = rk.histogram()
    for i = 1, 100 do
      h:record(i)
    end
    h:merge(h)
    assert.same({ 200, 1, 100, 50 }, { h:count(), h:min(), h:max(), h:percentile(50) })
    assert.equal(200, #h)
    assert.equal(50.5, h:mean())
    assert.same({ 1, 1, 2 }, h:buckets()[1])
    h:reset()
    assert.equal(0, h:count())
    assert.error_matches(function()
      h:record(-1)
    end, "value: a number from 0 on expected, got %-1")
    assert.error_matches(function()
      h:percentile(101)
    end, "0 to 100")
  end)
end)

describe("rkl --bench", function()
  local folder
  before_each(function()
    folder = files.temp_dir()
  end)
  after_each(function()
    files.remove(folder)
  end)

  local function bench(options, body, ...)
    local path = files.write_file(folder .. "/demo.lua", CAMPAIGN:format(options, body))
    return files.run(files.rkl, { "--bench", path, "--out", folder .. "/out/deep", ... },
      { before = "timeout 60" })
  end

  local function read(name)
    local file = assert(io.open(name, "rb"))
    local text = file:read("a")
    file:close()
    return text
  end

  it("runs a file, prints a table, writes JSON and CSV and plots", function()
    local ran = bench("", "")
    assert.equal(0, ran.status, ran.err)
    assert.matches("us=10 way=a +time +1%d.- us", ran.out)
    assert.matches("a wait of a few microseconds", ran.out)
    local base = ran.out:match("results: (.-)%.json")
    local found = assert(json.decode(read(base .. ".json")))
    assert.equal(4, #found.cases)
    assert.equal(5, #found.cases[1].quantities[1].samples)
    assert.is_string(found.environment.cpu)
    local _, lines = read(base .. ".csv"):gsub("\r\n", "")
    assert.equal(9, lines)
    assert.matches("plot ", read(base .. "-time.gp"))
    assert.matches("set logscale xy", read(base .. "-latency.gp"))
    if files.has_program "gnuplot" then
      assert.matches("<svg", read(base .. "-time.svg"))
      assert.matches("<svg", read(base .. "-latency.svg"))
    else
      assert.matches("gnuplot is not installed", ran.err)
    end
  end)

  it("takes a choice of cases and of samples, and compares with an earlier run", function()
    local ran = bench("", "", "--only", "way=a", "--samples", "12", "--no-plot")
    assert.equal(0, ran.status, ran.err)
    local old = ran.out:match("results: (%S+)")
    assert.equal(2, #json.decode(read(old)).cases)
    files.write_file(folder .. "/old.json", read(old))
    ran = bench("", "local slow = clock() + 5e-2; while clock() < slow do end", "--only", "way=a",
      "--samples", "12", "--no-plot", "--compare", folder .. "/old.json")
    assert.equal(1, ran.status)
    assert.matches("2 worse, 0 better", ran.out)
  end)

  it("ends with status 1 when a case has no figure, and says which", function()
    local ran = bench("", 'if case.way == "b" then error("it broke") end', "--no-plot")
    assert.equal(1, ran.status)
    assert.matches("FAILED: us=10 way=b: .*it broke", ran.out)
    assert.matches("us=10 way=a +time", ran.out)
    assert.matches("INCOMPLETE", ran.out)
  end)

  it("isolates a case in a process of its own, which may die or hang", function()
    local body = 'if case.way == "b" then if case.us == 10 then os.exit(9) else while true do end '
      .. "end end"
    local ran = bench("isolate = true, hang_s = 0.1,", body, "--samples", "2", "--no-plot")
    assert.matches("FAILED: us=10 way=b: its process ended with status 9", ran.out)
    assert.matches("us=20 way=b: ", ran.out)
    assert.matches("us=20 way=a +time +.- 2 ", ran.out)
  end)

  it("runs as a script by its first line", function()
    local path = files.write_file(folder .. "/self",
      "#!/usr/bin/env -S " .. files.rkl .. " --bench\n" .. CAMPAIGN:format("", ""))
    assert(os.execute("chmod +x " .. path))
    local ran = files.run(path, { "--out=" .. folder, "--no-plot" })
    assert.equal(0, ran.status, ran.err)
    assert.matches("us=10 way=a +time", ran.out)
  end)

  it("goes on after an interrupt with --resume", function()
    local path = files.write_file(folder .. "/demo.lua", CAMPAIGN:format("samples = 400,",
      "local slow = clock() + 2e-3; while clock() < slow do end"):gsub("samples = 5, ", ""))
    local out = folder .. "/out"
    local ran = files.run(files.rkl, { "--bench", path, "--out", out, "--no-plot" },
      { before = "timeout --foreground -s INT 1.5" })
    assert.not_equal(0, ran.status)
    assert.matches("^rkl: interrupted! the samples so far are in [^\n]*demo.journal[^\n]*\n$",
      ran.err)
    ran = files.run(files.rkl, { "--bench", path, "--out", out, "--no-plot" })
    assert.equal(1, ran.status)
    assert.matches("go on with %-%-resume", ran.err)
    ran = files.run(files.rkl, { "--bench", path, "--out", out, "--no-plot", "--resume" },
      { before = "timeout 60" })
    assert.equal(0, ran.status, ran.err)
    assert.matches("samples are of an earlier, interrupted run", ran.out)
  end)

  it("refuses what it cannot do in words", function()
    local function refused(pattern, ...)
      local ran = files.run(files.rkl, { "--bench", ... })
      assert.equal(1, ran.status)
      assert.matches(pattern, ran.err)
    end
    local good = files.write_file(folder .. "/demo.lua", CAMPAIGN:format("", ""))
    local none = files.write_file(folder .. "/none.lua", "return 3")
    local broken = files.write_file(folder .. "/broken.lua", "return rk.campaign {}")
    refused("needs a campaign file")
    refused("unrecognized option '%-%-frob'", good, "--frob")
    refused("'%-%-only': KEY=VALUE expected", good, "--only", "x")
    refused("'%-%-samples': a whole number", good, "--samples", "x")
    refused("'%-%-out' needs argument", good, "--out")
    refused("a campaign expected", none, "--out", folder)
    refused("global 'rk'", broken, "--out", folder)
    refused("cannot open", folder .. "/missing.lua", "--out", folder)
    refused("no case of 'demo' has way=z", good, "--only", "way=z", "--out", folder)
    refused("%-%-compare", good, "--compare", folder .. "/missing.json")
    refused("cannot create folder", good, "--out", "/proc/none")
    local ran = files.run(files.rkl, { "--bench", "--help" })
    assert.equal(0, ran.status)
    assert.matches("usage: rkl %-%-bench", ran.out)
  end)
end)
