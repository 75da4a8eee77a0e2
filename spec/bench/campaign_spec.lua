-- Campaigns: cases, order, warm-up, limits, journal, results. Truth labels: truth_spec.lua.

local rk = require "ringkernel"
local json = require "ringkernel.json"
local results = require "ringkernel.bench.results"
local kit = dofile "spec/bench/kit.lua"
local files = dofile "spec/cli/support.lua"

local busy, campaign, run, quantity = kit.busy, kit.campaign, kit.run, kit.quantity

describe("a campaign's options", function()
  it("are checked, every one by name", function()
    for _, row in ipairs {
      { { run = print }, "option 'name'" },
      { { name = "a" }, "option 'run'" },
      { { name = "a", run = print, sample = 3 }, "'sample' %(did you mean 'samples'" },
      { { name = "a", run = print, samples = 0 }, "option 'samples': a whole number from 1" },
      { { name = "a", run = print, limit_s = -1 }, "option 'limit_s': seconds above 0" },
      { { name = "a", run = print, matrix = { x = 3 } }, "factor 'x': a list of values expected" },
      { { name = "a", run = print, matrix = { x = {} } }, "factor 'x': a list of values" },
      { { name = "a", run = print, matrix = { x = { 1, 1 } } }, "value '1' is there twice" },
      { { name = "a", run = print, matrix = { name = { 1 } } }, "'name': the name is taken" },
      { { name = "a", run = print, matrix = { x = { 1 } }, split = "y" },
        "'split': a factor expected, got 'y'" },
      { { name = "a", run = print, order = "random" }, "'interleaved', 'shuffled'" },
    } do
      assert.error_matches(function()
        rk.campaign(row[1])
      end, row[2])
    end
  end)

  it("multiply to cases, the last factor fastest", function()
    local names = {}
    for i, entry in ipairs(campaign { matrix = { b = { 1, 2 }, a = { "x", "y" } } }.cases) do
      names[i] = entry.name
    end
    assert.same({ "a=x b=1", "a=x b=2", "a=y b=1", "a=y b=2" }, names)
    local listed = campaign { matrix = { { "b", { 1 } }, { "a", { "x", "y" } } } }
    assert.equal("b=1 a=x", listed.cases[1].name)
    assert.equal("all", campaign({}).cases[1].name)
  end)

  it("multiply to the cases that `where` wants, numbered without gaps", function()
    local matrix = { { "a", { 1, 2 } }, { "b", { 1, 2, 3 } } }
    local found = campaign { matrix = matrix, where = function(case)
      return case.a ~= case.b
    end }
    local names = {}
    for i, entry in ipairs(found.cases) do
      names[i] = entry.name
      assert.equal(i, entry.case.index)
    end
    assert.same({ "a=1 b=2", "a=1 b=3", "a=2 b=1", "a=2 b=3" }, names)
    assert.error_matches(function()
      campaign { matrix = matrix, where = function() end }
    end, "'where': it leaves no case")
  end)
end)

describe("a run", function()
  it("sets up once, samples in turns, checks, tears down", function()
    local log = {}
    local function note(what)
      return function(case)
        log[#log + 1] = what .. case.x
        return true
      end
    end
    run { matrix = { x = { "a", "b" } }, samples = 2, warmup = 0, warmup_max = 0,
      setup = note "+", check = note "?", teardown = note "-",
      run = function(case)
        busy(1e-5)
        log[#log + 1] = case.x
      end }
    assert.equal("+a +b a b a b ?a -a ?b -b", table.concat(log, " "))
  end)

  it("with `fresh` sets up and checks around each sample", function()
    local log = {}
    local found = run { fresh = true, samples = 2, warmup = 0, warmup_max = 0,
      setup = function()
        log[#log + 1] = "+"
      end,
      run = function()
        busy(1e-5)
        log[#log + 1] = "r"
      end,
      check = function()
        log[#log + 1] = "?"
        return true
      end,
      teardown = function()
        log[#log + 1] = "-"
      end }
    assert.equal("+r?-+r?-", table.concat(log))
    assert.equal("yes", found.cases[1].labels.checked)
  end)

  it("shuffles by its seed", function()
    local function order(seed)
      local log = {}
      run { matrix = { x = { 1, 2, 3, 4, 5 } }, order = "shuffled", seed = seed, warmup = 0,
        warmup_max = 0, samples = 3, run = function(case)
          busy(1e-5)
          log[#log + 1] = case.x
        end }
      return table.concat(log)
    end
    assert.equal(order(1), order(1))
    assert.not_equal(order(1), order(2))
  end)

  it("warms up until it is steady", function()
    local left = 9
    local found = run { warmup = 2, warmup_max = 200, run = function()
      left = left - 1
      busy(left > 0 and 2e-3 or 2e-4)
    end }
    assert.is_true(found.cases[1].warmed >= 14, found.cases[1].warmed)
    local q = quantity(found.cases[1], "time")
    assert.equal(4, q.n)
    assert.is_true(q.min < 2e6, q.min)
  end)

  it("tells time for one operation, bandwidth, values and latencies", function()
    local found = run { run = function(_, meter)
      busy(1e-3)
      meter:start()
      busy(1e-4)
      meter:stop()
      busy(1e-3)
      meter:count(100)
      meter:bytes(1000)
      meter:value("depth", 7, "messages")
      meter:latency(5e-6, 99)
      meter:latency(1e-3)
    end }
    local case = found.cases[1]
    local time = quantity(case, "time")
    assert.is_true(time.median >= 1000 and time.median < 9000, time.median)
    assert.equal("MB/s", quantity(case, "bandwidth").unit)
    assert.equal(7, quantity(case, "depth").median)
    assert.equal(400, case.latency.count)
    assert.is_true(case.latency.p50 >= 5000 and case.latency.p50 <= 5100)
    assert.is_true(case.latency.p999 >= 1000000)
  end)

  it("charges a stall to all that it kept waiting", function()
    local found = run { samples = 1, warmup = 0, warmup_max = 0, run = function(_, meter)
      meter:paced(1000, 50, function(i)
        if i == 10 then
          busy(0.02)
        end
      end)
    end }
    local l = found.cases[1].latency
    assert.equal(50, l.count)
    assert.is_true(l.p90 > 2e6, l.p90) -- closed-loop timing would tell one slow call of 50
    assert.matches("open loop, 1000/s", found.cases[1].labels.paced)
  end)
end)

describe("what goes wrong", function()
  it("ends its case alone; the others have their figures", function()
    local found = run { matrix = { { "x", { "ok", "error", "check", "skip", "setup" } } },
      skip = function(case)
        return case.x == "skip" and "not here" or nil
      end,
      setup = function(case)
        assert(case.x ~= "setup", "no way in")
      end,
      run = function(case)
        busy(1e-5)
        if case.x == "error" then
          error("it broke")
        end
      end,
      check = function(case)
        return case.x ~= "check", "the sum is wrong"
      end }
    local function said(i, status, pattern)
      assert.equal(status, found.cases[i].status)
      assert.matches(pattern, found.cases[i].reason or "")
      assert.equal(status == "ok", found.cases[i].quantities ~= nil)
    end
    said(1, "ok", "")
    said(2, "failed", "it broke")
    said(3, "void", "check: the sum is wrong")
    said(4, "skipped", "not here")
    said(5, "failed", "setup: .*no way in")
    assert.is_false(found.complete)
  end)

  it("ends a case that hangs at its limit", function()
    local found = run { matrix = { x = { 1, 2 } }, hang_s = 0.2, run = function(case)
      busy(1e-5)
      while case.x == 2 do -- luacheck: ignore
      end
    end }
    assert.equal("ok", found.cases[1].status)
    assert.equal("hung", found.cases[2].status)
    assert.matches("longer than its limit of 0.2 s", found.cases[2].reason)
  end)

  it("stops sampling a case at its time limit and says so", function()
    local found = run { samples = 1000, limit_s = 0.05, run = function()
      busy(0.01)
    end }
    local q = quantity(found.cases[1], "time")
    assert.is_true(q.n >= 2 and q.n < 100, q.n)
    assert.matches("stopped at its limit", table.concat(found.notes, "\n"))
  end)

  it("tells of a machine that changed its speed", function()
    local entries = { { name = "all", factors = {}, samples = {}, case = {}, status = "skipped" } }
    local env = { date = "2026-01-01T00:00:00Z", devices = {} }
    local slow = { 1, 1, 1, 1, 1, 1, 1.2, 1.2, 1.2 }
    local made = results.make(campaign {}, entries, slow, env, { seconds = 1, wall_seconds = 90 })
    local notes = table.concat(made.notes, "\n")
    assert.matches("the machine got 20 %% slower", notes)
    assert.matches("wall clock was set", notes)
    local even = { 1, 1.01, 1, 0.99, 1, 1, 1, 1.01, 1 }
    made = results.make(campaign {}, entries, even, env, { seconds = 1, wall_seconds = 1 })
    assert.same({}, made.notes)
  end)

  it("refuses a choice of cases that are not there", function()
    local found, message, code = campaign({ matrix = { x = { 1 } } }):measure { only = { x = "2" } }
    assert.is_nil(found)
    assert.equal("no case of 't' has x=2", message)
    assert.equal("not_found", code)
  end)
end)

describe("the journal", function()
  local folder
  before_each(function()
    folder = files.temp_dir()
  end)
  after_each(function()
    files.remove(folder)
  end)

  local function interrupted(options)
    local count = 0
    options.run = function(case)
      busy(1e-5)
      count = count + 1
      if count == 4 then
        error("interrupted!", 0)
      end
      case.ran = true
    end
    options.warmup, options.warmup_max = 0, 0
    return pcall(function()
      campaign(options):measure { out = folder, quiet = true }
    end)
  end

  it("keeps what an interrupted run had, and resume goes on from there", function()
    local options = { matrix = { x = { 1, 2 } }, samples = 3 }
    assert.is_false(interrupted(options))
    local count = 0
    options.run = function()
      busy(1e-5)
      count = count + 1
    end
    local one = campaign(options)
    local found, message, code = one:measure { out = folder, quiet = true }
    assert.is_nil(found)
    assert.equal("exists", code)
    assert.matches("%-%-resume", message)
    found = assert(one:measure { out = folder, quiet = true, resume = true })
    assert.equal(3, count)
    assert.equal(3, quantity(found.cases[1], "time").n)
    assert.equal(3, quantity(found.cases[2], "time").n)
    assert.matches("3 samples are of an earlier", table.concat(found.notes, "\n"))
    assert.is_nil(io.open(folder .. "/t.journal"))
  end)

  it("drops a line that was cut off, and refuses another campaign's", function()
    local options = { matrix = { x = { 1, 2 } }, samples = 3 }
    interrupted(options)
    local path = folder .. "/t.journal"
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    files.write_file(path, text:sub(1, -20))
    options.run = nil
    options.samples = 4
    local how = { out = folder, quiet = true, resume = true }
    local found, message, code = campaign(options):measure(how)
    assert.is_nil(found)
    assert.equal("io", code)
    assert.matches("another number of samples", message)
    options.samples = 3
    found = assert(campaign(options):measure { out = folder, quiet = true, resume = true })
    assert.matches("2 samples are of", table.concat(found.notes, "\n"))
  end)

  it("needs a folder that is there", function()
    local found, _, code = campaign({}):measure { out = folder .. "/none", quiet = true }
    assert.is_nil(found)
    assert.equal("io", code)
  end)
end)

describe("results", function()
  it("survive their JSON", function()
    local found = run { matrix = { x = { 1, 2 } } }
    local back = assert(json.decode(json.encode(found, "")))
    assert.equal(found.cases[2].quantities[1].median, back.cases[2].quantities[1].median)
    assert.equal(found.environment.date, back.environment.date)
  end)

  it("are refused when they are none", function()
    local folder = files.temp_dir()
    for text, code in pairs { ["{"] = "corrupt", ["[1]"] = "corrupt",
                              ['{"campaign":"x","cases":[],"format":99}'] = "version" } do
      local found, _, why = results.read(files.write_file(folder .. "/r.json", text))
      assert.is_nil(found)
      assert.equal(code, why)
    end
    assert.equal("io", select(3, results.read(folder .. "/none")))
    files.remove(folder)
  end)
end)
