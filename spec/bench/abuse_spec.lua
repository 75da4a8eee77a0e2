-- Campaigns as people run them: mistakes, full disks, two at a time, programs that end or never do.

local compare = require "ringkernel.bench.compare"
local json = require "ringkernel.json"
local results = require "ringkernel.bench.results"
local rk = require "ringkernel"
local stats = require "ringkernel.bench.stats"
local kit = dofile "spec/bench/kit.lua"
local files = dofile "spec/cli/support.lua"

local run = kit.run

--- Text of a campaign file with these options beside its name, and this body of run(case, meter).
local function source(options, body)
  return ([[
local rk = require "ringkernel"
local clock = require("ringkernel.core").clock
local campaign = rk.campaign {
  name = "demo", samples = 2, warmup = 0, warmup_max = 0, %s
  run = function(case, meter)
    local till = clock() + 1e-5
    while clock() < till do end
    %s
  end,
}
return campaign
]]):format(options or "", body or "")
end

local folder

local function bench(text, ...)
  local path = files.write_file(folder .. "/demo.lua", text)
  return files.run(files.rkl, { "--bench", path, "--no-plot", "--out", folder .. "/out", ... },
    { before = "timeout 60" })
end

local function names()
  local pipe = assert(io.popen("ls " .. folder .. "/out"))
  local list = pipe:read("a")
  pipe:close()
  return list
end

describe("a campaign", function()
  it("refuses options that would make its figures meaningless", function()
    for _, row in ipairs {
      { { min_effect = 0 / 0 }, "'min_effect': a fraction from 0 on" },
      { { min_effect = -1 }, "'min_effect': a fraction from 0 on" },
      { { pin = {} }, "'pin': a list of numbers of processors" },
      { { pin = { -1 } }, "'pin': a list of numbers" },
      { { pin = { "0; true" } }, "'pin': a list of numbers" },
      { { matrix = { a = { 1, nil, 3 } } }, "factor 'a': a list of values expected" },
      { { matrix = { a = { nil, 2 } } }, "factor 'a': a list of values expected" },
      { { matrix = { a = { {} } } }, "factor 'a': value 1: a table needs a `name`" },
    } do
      assert.error_matches(function()
        kit.campaign(row[1])
      end, row[2])
    end
  end)

  it("refuses a matrix that memory would not hold", function()
    local values = {}
    for i = 1, 400 do
      values[i] = i
    end
    assert.error_matches(function()
      kit.campaign { matrix = { a = values, b = values, c = values, d = values } }
    end, "25600000000 combinations, at most 100000")
  end)

  it("says where a mistake is, or of which file, and never of the library", function()
    local function said(fn)
      local ok, message = pcall(fn)
      assert.is_false(ok)
      return message
    end
    assert.matches("^spec/bench/abuse_spec.lua:%d+: rk.campaign: option 'run' is missing$",
      said(function()
        rk.campaign { name = "x" }
      end))
  end)

  it("tells of an error that is no text, and of os.exit, as an error of the case", function()
    local case = run({ run = function()
      error { code = 7 }
    end }).cases[1]
    assert.equal("(error object is a table value)", case.reason)
    case = run({ run = function()
      error(setmetatable({}, { __tostring = function()
        return "told"
      end }))
    end }).cases[1]
    assert.equal("told", case.reason)
    local leave = os.exit
    case = run({ run = function()
      os.exit(0)
    end }).cases[1]
    assert.matches("os.exit in a campaign", case.reason)
    assert.equal(leave, os.exit)
  end)

  it("takes no value that is no number, and no latency that cannot be counted", function()
    for _, body in ipairs {
      function(meter) meter:value("x", 0 / 0) end,
      function(meter) meter:value("x", math.huge) end,
      function(meter) meter:value("x", 1, 5) end,
      function(meter) meter:latency(1e300) end,
      function(meter) meter:latency(1, 0) end,
      function(meter) meter:paced(10, 0, print) end,
      function(meter) meter:includes() end,
    } do
      local case = run({ run = function(_, meter)
        body(meter)
      end }).cases[1]
      assert.equal("failed", case.status)
      assert.matches("^spec/bench/abuse_spec.lua:%d+: meter:", case.reason)
    end
  end)

  it("counts each call of an open loop once, from when it was due", function()
    local case = run({ samples = 1, warmup = 0, warmup_max = 0, run = function(_, meter)
      meter:paced(10000, 20, function()
        meter:time(kit.busy, 1e-5)
      end)
      meter:time(kit.busy, 1e-5)
    end }).cases[1]
    assert.equal(21, case.latency.count)
  end)

  it("finds that no case has all of what was asked for", function()
    local one = kit.campaign { matrix = { a = { 1, 2 }, b = { 1, 2 } }, where = function(case)
      return case.a == case.b
    end }
    local found, message, code = one:measure { only = { a = "1", b = "2" }, quiet = true }
    assert.is_nil(found)
    assert.equal("not_found", code)
    assert.matches("no case of 't' has all", message)
  end)

  it("does not say that it was pinned where it was not", function()
    local found = run { pin = { 65535 } }
    assert.is_nil(found.environment.pinned)
    assert.matches("not pinned to processors 65535", table.concat(found.notes, "\n"))
  end)
end)

describe("an interval of very many samples", function()
  it("is that of order statistics, close to the drawn one", function()
    local list, random = {}, stats.random(3)
    for i = 1, 1000 do
      list[i] = random(1000000)
    end
    local low, high = stats.median_interval(stats.sorted(list))
    local drawn_low, drawn_high = stats.bootstrap(list, stats.median, { rounds = 500 })
    assert.is_true(math.abs(low - drawn_low) < 15000, low - drawn_low)
    assert.is_true(math.abs(high - drawn_high) < 15000, high - drawn_high)
  end)
end)

describe("a comparison", function()
  it("sees latencies that became worse where the time did not", function()
    local function paced(seconds)
      return run { samples = 12, run = function(_, meter)
        kit.busy(1e-5)
        meter:latency(seconds)
        meter:untimed()
        meter:value("n", 1)
      end }
    end
    local comparison = compare.compare(paced(1e-5), paced(2e-5))
    assert.equal(2, comparison.regressions)
    assert.equal(0, compare.compare(paced(1e-5), paced(1e-5)).regressions)
    local row = comparison.rows[2]
    assert.same({ "latency p50", "worse" }, { row.quantity, row.verdict })
  end)

  it("refuses a file that has not what it reads, before anything runs", function()
    local good = json.encode(run {})
    folder = files.temp_dir()
    local path = folder .. "/r.json"
    assert(results.read(files.write_file(path, good)))
    for _, change in ipairs {
      function(r) r.environment = nil end,
      function(r) r.environment.date = {} end,
      function(r) r.campaign = {} end,
      function(r) r.cases = { 1 } end,
      function(r) r.cases[1].name = nil end,
      function(r) r.cases[1].quantities = 5 end,
      function(r) r.cases[1].quantities[1].samples = { "a" } end,
      function(r) r.cases[1].quantities[1].median = nil end,
      function(r) r.cases[1].latency = { samples = { p50 = { {} } } } end,
    } do
      local value = json.decode(good)
      change(value)
      local found, message, code = results.read(files.write_file(path, json.encode(value)))
      assert.is_nil(found)
      assert.equal("corrupt", code)
      assert.matches("no results of a campaign", message)
    end
    local found, _, code = results.read(folder)
    assert.same({ nil, "io" }, { found, code })
    files.remove(folder)
  end)
end)

describe("rkl --bench", function()
  before_each(function()
    folder = files.temp_dir()
  end)
  after_each(function()
    files.remove(folder)
  end)

  it("refuses words that are no options and values that are none", function()
    local function refused(pattern, ...)
      local ran = bench(source(), ...)
      assert.equal(1, ran.status)
      assert.matches(pattern, ran.err)
      assert.not_matches("results:", ran.out)
    end
    refused("unrecognized option '%-q'", "-q")
    refused("'%-%-out' needs argument", "--out", "")
    refused("'%-%-out' needs argument", "--out=")
    refused("'%-%-out' needs argument", "--out", "--quiet")
    refused("'%-%-only': factor 'a' is there twice", "--only", "a=1", "--only", "a=2")
    refused("from 1 to 1000000 expected, got '99999999999'", "--samples", "99999999999")
    refused("cannot open", folder .. "/missing.lua")
    local ran = bench("return require('ringkernel').campaign { name = 'x' }")
    assert.matches("^rkl: [^\n]*demo.lua: rk.campaign: option 'run' is missing\n", ran.err)
  end)

  it("has written its results before who reads the table goes away", function()
    local matrix = {}
    for i = 1, 500 do
      matrix[i] = tostring(i)
    end
    local text = source(("matrix = { x = { %s } },"):format(table.concat(matrix, ", ")))
    local path = files.write_file(folder .. "/demo.lua", text)
    os.execute(("timeout 60 %s --bench %s --no-plot --out %s/out 2>/dev/null | head -1 >/dev/null")
      :format(files.rkl, path, folder))
    assert.matches("demo%-.-%.csv\ndemo%-.-%.json\n$", names())
  end)

  it("keeps the samples where results cannot be written", function()
    files.write_file(folder .. "/out", "")
    local ran = bench(source())
    assert.equal(1, ran.status)
    assert.matches("Not a directory", ran.err)
    files.remove(folder .. "/out")
    ran = bench(source("", [[
      io.open = (function(open) return function(name, mode)
        if name:find("json.new", 1, true) then return nil, name .. ": No space left on device" end
        return open(name, mode)
      end end)(io.open)]]))
    assert.equal(1, ran.status)
    assert.matches("No space left on device", ran.err)
    assert.matches("the samples are in .*/out/demo.journal: %-%-resume", ran.err)
    assert.matches("all +time", ran.out)
    assert.not_matches("results:", ran.out)
    assert.equal("demo.journal\n", names())
    ran = bench(source(), "--resume")
    assert.equal(0, ran.status, ran.err)
    assert.matches("2 samples are of an earlier", ran.out)
    assert.not_matches("journal", names())
  end)

  it("does not take the results of the same second away", function()
    for _ = 1, 4 do
      assert.equal(0, bench(source()).status)
    end
    local _, count = names():gsub("%.json\n", "")
    assert.equal(4, count)
  end)

  it("leaves the journal of a run that goes on alone, resumed or not", function()
    local path = files.write_file(folder .. "/demo.lua", source("samples = 60,",
      "os.execute('sleep 0.05')"):gsub("samples = 2, ", ""))
    os.execute(("timeout 60 %s --bench %s --no-plot --out %s/out >%s/first 2>&1 &"):format(
      files.rkl, path, folder, folder))
    for _ = 1, 200 do
      if io.open(folder .. "/out/demo.journal") then
        break
      end
      os.execute("sleep 0.02")
    end
    for _, option in ipairs { "--quiet", "--resume" } do
      local ran = files.run(files.rkl, { "--bench", path, "--out", folder .. "/out", option })
      assert.equal(1, ran.status)
      assert.matches("process %d+ is running 'demo'", ran.err)
    end
    for _ = 1, 400 do
      local file = assert(io.open(folder .. "/first"))
      local text = file:read("a")
      file:close()
      if text:find("results:", 1, true) then
        break
      end
      os.execute("sleep 0.02")
    end
    assert.matches("^demo%-.-csv\ndemo%-.-json\n$", names())
  end)

  it("says of a process that died how it died, and of one that hung that it did", function()
    local ran = bench(source('isolate = true, hang_s = 0.3, matrix = { { "way", { "exit", "kill", '
      .. '"loop", "error" } } },', [[
    if case.way == "exit" then os.exit(0) end
    if case.way == "kill" then os.execute("kill -9 $PPID") end
    if case.way == "error" then error("first\nsecond") end
    while true do end]]))
    assert.matches("way=exit: its process ended with status 0 and gave no sample\n", ran.out)
    assert.matches("FAILED: way=kill: its process was ended by signal 9\n", ran.out)
    assert.matches("HUNG: way=loop: ran longer than its limit of 0.3 s\n", ran.out)
    assert.matches("FAILED: way=error: [^\n]*demo.lua:%d+: first\nsecond\n", ran.out)
  end)

  it("says which call did not come back before it ends", function()
    local ran = bench(source("hang_s = 0.2,", "os.execute('sleep 30')"))
    assert.not_equal(0, ran.status)
    assert.matches("rkl: all: a call ran longer than its limit, and waits outside Lua", ran.err)
    assert.equal("demo.journal\n", names())
  end)

  it("shows progress in the width of the terminal, and none where lines cannot be rewritten",
    function()
      local path = files.write_file(folder .. "/demo.lua", source(
        'matrix = { a_rather_long_factor = { "a_value_of_it_that_fills_lines" } },'))
      local words = ("stty cols 30; timeout 60 %s --bench %s --no-plot --out %s/out >/dev/null")
        :format(files.rkl, path, folder)
      if not files.has_program "script" then
        pending("needs script(1)")
        return
      end
      local function watched(term)
        return files.run("script", { "-qec", words, "/dev/null" }, { env = { TERM = term } }).out
      end
      local text = watched "xterm"
      assert.matches("demo: 1 of 2", text)
      for line in text:gmatch("\27%[K([^\r\n\27]*)") do
        assert.is_true(#line < 30, line)
      end
      assert.equal("", watched "dumb")
    end)
end)
