-- Campaigns whose samples are programs: bench/campaigns/native.lua and what is built on it, the
-- goals that their results are held against (bench/report.lua, bench/run.lua).

local json = require "ringkernel.json"
local results = require "ringkernel.bench.results"
local files = dofile "spec/cli/support.lua"

local folder
setup(function()
  folder = files.temp_dir()
end)
teardown(function()
  files.remove(folder)
end)

--- A program of the folder: a shell script in the place of a built one.
local function fake(name, body)
  local path = files.write_file(folder .. "/" .. name, "#!/bin/sh\n" .. body)
  assert(os.execute("chmod +x " .. files.quote(path)))
end

local function line(name, unit, value, truth)
  local rest = "1\\t1\\t1\\t1\\t1\\t1\\tall of it"
  return ("printf 'result\\t%s\\t%s\\t%s\\t%s\\t%s\\n'\n"):format(name, unit, value, rest,
    truth or "inside the timing\\tevery word")
end

--- Runs one campaign with rkl; returns its results, cases by name, and what it said.
local function bench(name, only, env)
  local out = folder .. "/out"
  files.remove(out)
  local words = { "--bench", "bench/campaigns/" .. name .. ".lua", "--out", out, "--quiet",
    "--no-plot" }
  for _, text in ipairs(only or {}) do
    table.move({ "--only", text }, 1, 2, #words + 1, words)
  end
  local all = { BENCH_PROGRAMS = folder, BENCH_QUICK = "1" }
  for key, value in pairs(env or {}) do
    all[key] = value
  end
  local ran = files.run(files.rkl, words, { env = all })
  local path = ran.out:match("results: (%S+%.json)")
  local found = assert(results.read(assert(path, ran.out .. ran.err)))
  local cases = {}
  for _, case in ipairs(found.cases) do
    cases[case.name] = case
  end
  return found, cases, ran
end

local function quantity(case, name)
  for _, q in ipairs(case.quantities or {}) do
    if q.name == name then
      return q
    end
  end
end

describe("a sample that is a program", function()
  it("is a process with one figure: its time, its own words, what it vouches for", function()
    fake("anchors", ("echo \"$BENCH_QUANTITY $BENCH_SAMPLES $BENCH_DIVISOR\" >> %s/log\n"):format(
      folder) .. line("anchor.rmw", "us", "0.25"))
    local found, cases, ran = bench("machine", { "quantity=anchor.rmw" })
    assert.equal(0, ran.status, ran.err)
    assert.matches("a line between two processors", found.answers)
    local case = cases["quantity=anchor.rmw"]
    assert.equal(250, quantity(case, "time").median)
    assert.equal(2, quantity(case, "time").n)
    assert.equal("all of it", case.labels.includes)
    assert.equal("inside the timing", case.labels.consumed)
    assert.equal("every word", case.labels.verified)
    assert.equal("program", case.labels.clock)
    assert.equal("anchor.rmw", case.labels.figure)
    local log = assert(io.open(folder .. "/log"))
    assert.equal("anchor.rmw 1 50\nanchor.rmw 1 50\n", log:read("a"))
    log:close()
  end)

  it("claims nothing that its program does not say", function()
    fake("anchors", line("anchor.rmw", "ns", "3", "\\t"))
    local _, cases = bench("machine", { "quantity=anchor.rmw" })
    assert.equal("not watched", cases["quantity=anchor.rmw"].labels.consumed)
    assert.equal("no", cases["quantity=anchor.rmw"].labels.verified)
  end)

  it("tells a rate as time and rate, other figures by their names, bytes without a time", function()
    fake("hlc", line("hlc.tick_two_threads", "M/s", "20") .. line("hlc.duplicates", "count", "0")
      .. line("hlc.ticks_compared", "count", "96"))
    local _, cases = bench("hlc", { "quantity=hlc.tick_two_threads" })
    local case = cases["quantity=hlc.tick_two_threads"]
    assert.near(50, quantity(case, "time").median, 1e-9)
    assert.equal(20, quantity(case, "rate").median)
    assert.equal("more", quantity(case, "rate").better)
    assert.equal(96, quantity(case, "hlc.ticks_compared").median)
    assert.equal("all of it", quantity(case, "hlc.ticks_compared").includes)
    fake("memory", line("memory.idle_actor.queue16", "B", "1000", "\\tall alive"))
    _, cases = bench("memory", { "quantity=memory.idle_actor.queue16" })
    case = cases["quantity=memory.idle_actor.queue16"]
    assert.is_nil(quantity(case, "time"))
    assert.equal(1000, quantity(case, "memory.idle_actor.queue16").median)
    assert.equal("all alive", case.labels.verified)
  end)

  it("fails with the program's reason, and without its figure", function()
    for _, row in ipairs {
      { "echo 'bench: launch: timeout: no answer'; echo 'bench: check failed: launch'; exit 1",
        "status 1: launch: timeout: no answer; check failed: launch" },
      { "echo one; echo two; exit 1", "status 1: two$" },
      { line("anchor.rmw", "ns", "3") .. "kill -9 $$", "ended with status %-1" },
      { line("anchor.fence", "ns", "3"), "has not measured anchor.rmw" },
      { line("anchor.rmw", "ns", "none"), "not a line of a figure" },
      { "exec sleep 20", "longer than its limit of 0.3 s", "hung" },
    } do
      fake("anchors", row[1])
      local found, cases, ran = bench("machine", { "quantity=anchor.rmw" },
        { BENCH_LIMIT_S = "0.3" })
      local case = cases["quantity=anchor.rmw"]
      assert.equal(row[3] or "failed", case.status)
      assert.matches(row[2], case.reason)
      assert.is_nil(case.quantities)
      assert.is_false(found.complete)
      assert.equal(1, ran.status)
    end
  end)

  it("is left out when its program is not built, with what to do", function()
    local _, cases, ran = bench("rings", { "payload=64", "shape=single" },
      { BENCH_PROGRAMS = folder .. "/none" })
    assert.equal(0, ran.status)
    local function reason(queue)
      local case = cases[("queue=%s shape=single producers=1 payload=64"):format(queue)]
      assert.equal("skipped", case.status)
      return case.reason
    end
    assert.matches("ring_spsc_64 is not there: run `make bench%-build`", reason "record")
    assert.matches("inbox_mpsc_64 is not there", reason "inbox")
    for queue, package in pairs { ck_ring = "libck-dev", boost_spsc = "libboost-dev",
      boost_queue = "libboost-dev", rte_ring = "libdpdk-dev" } do
      assert.matches("install the Debian package " .. package, reason(queue), 1, true)
    end
    _, cases = bench("frameworks", { "task=flood" }, { BENCH_PROGRAMS = folder .. "/none" })
    assert.matches("libcaf%-dev", cases["framework=caf task=flood"].reason)
    assert.matches("erlang%-base", cases["framework=erlang task=flood"].reason)
  end)
end)

describe("the project's campaigns of programs", function()
  it("say what they answer and what their timing includes", function()
    for _, name in ipairs { "rings", "hlc", "startup", "memory", "frameworks", "machine",
      "runtime_c", "lua_calls" } do
      local path = ("bench/campaigns/%s.lua"):format(name)
      local campaign = assert(loadfile(path))(path)
      assert.equal(name, campaign.name)
      assert.is_true(#campaign.answers > 40 and #campaign.includes > 10, name)
    end
  end)

  it("cover the rings with sizes, producers, shapes and peers", function()
    local path = "bench/campaigns/rings.lua"
    local names = {}
    for _, case in ipairs(assert(loadfile(path))(path).cases) do
      names[case.name] = true
    end
    for _, payload in ipairs { 8, 64, 256, 1024, 4032 } do
      for _, text in ipairs { "record shape=batch32 producers=1", "inbox shape=single producers=4",
        "inbox shape=round_trip producers=1", "ck_ring shape=single producers=1",
        "boost_spsc shape=round_trip producers=1", "rte_ring shape=batch32 producers=1" } do
        assert.is_true(names[("queue=%s payload=%d"):format(text, payload)], text)
      end
    end
    assert.is_nil(names["queue=record shape=single producers=4 payload=64"])
  end)

  it("measure the ring as it is built, and refuse a ring that loses a word", function()
    local function build(flags)
      local ok = os.execute(("make -s -f bench/bench.mk OUT=%s %s/ring_spsc_256 CFLAGS='-std=gnu11 "
        .. "-O1 -pthread -D_GNU_SOURCE -Isrc -Ikernels/include %s' >%s/make.log 2>&1"):format(
        folder, folder, flags, folder))
      assert.is_true(ok, "see make.log")
    end
    local only = { "queue=record", "payload=256", "shape=single" }
    local name = "queue=record shape=single producers=1 payload=256"
    build ""
    local env = { BENCH_QUICK = "", BENCH_DIVISOR = "100" }
    local _, cases, ran = bench("rings", only, env)
    assert.equal(0, ran.status, ran.out .. ran.err)
    local case = cases[name]
    assert.matches("64%+256 B", case.labels.includes)
    assert.equal("every word of header and payload", case.labels.verified)
    assert.equal("ring.spsc.single.256", case.labels.figure)
    assert.equal(15, quantity(case, "rate").n)
    assert.is_true(quantity(case, "bandwidth").median > 0)
    os.remove(folder .. "/ring_spsc_256")
    build "-DRK_PLANT_SPOILT_PLAIN"
    _, cases, ran = bench("rings", only, env)
    assert.equal(1, ran.status)
    assert.equal("failed", cases[name].status)
    assert.matches("a message arrived changed", cases[name].reason)
  end)
end)

describe("goals", function()
  local report = assert(loadfile "bench/report.lua")()

  local function q(name, unit, ...)
    local samples = { ... }
    local sorted = table.move(samples, 1, #samples, 1, {})
    table.sort(sorted)
    return { name = name, unit = unit, median = sorted[(#sorted + 1) // 2], samples = samples,
      q25 = sorted[1], q75 = sorted[#sorted] }
  end
  local function case(name, figure, unit, ...)
    return { name = name, status = "ok", factors = {}, quantities = { ... },
      labels = { figure = figure, unit = unit, includes = "all" } }
  end
  local rate = q("rate", "M/s", 20, 10, 40)
  rate.variation = 0.5
  local ours = { format = results.FORMAT, campaign = "mine", notes = { "it was hot" }, cases = {
    case("a", "ring", "M/s", q("time", "ns", 50, 50, 50), rate),
    case("b", "peer", "M/s", q("time", "ns", 50, 50, 50), q("rate", "M/s", 10, 10, 10)),
    case("c", "line", "ns", q("time", "ns", 100, 100, 100)),
    case("d", "start", "ms", q("time", "ns", 3e6, 3e6, 3e6), q("size.of", "B", 7, 7, 7)),
    { name = "e", status = "skipped", reason = "not here", factors = {}, labels = {} },
    { name = "f", status = "skipped", reason = "not here", factors = {}, labels = {} },
  }, environment = { cpu = "a cpu", processors = 2, kernel = "an os", date = "today" } }
  ours.cases[3].latency = { p50 = 12000, p99 = 5e7 }
  local other = { format = results.FORMAT, campaign = "other", notes = {}, cases = {
    case("x", "line", "ns", q("time", "ns", 300, 300, 300)),
    case("y", nil, nil, q("time", "ns", 80, 80, 80)),
  }, environment = ours.environment }

  it("find figures by their name, by a quantity's and by a path, in the unit they speak of",
    function()
      local find = report.figures { other, ours }
      assert.equal(20, find("ring").median)
      assert.equal(3, find("start").median)
      assert.equal("ms", find("start").unit)
      assert.equal(7, find("size.of").median)
      assert.equal(80, find("other/y/time").median)
      assert.equal(5e7, find("mine/c/p99").median)
      assert.near(50, find("mine/a/rate/variation").median, 1e-9)
      assert.is_nil(find("nothing"))
    end)

  it("take the figure of the same campaign, and the samples' own ratios", function()
    local find = report.figures { other, ours }
    local text, ratio = report.verdict({ at_least = 2, of = "peer" }, find("ring"), find)
    assert.equal(">= 20 (2x peer)", text)
    assert.equal(1, ratio) -- median of 2, 1, 4, halved
    text, ratio = report.verdict({ at_most = 1.4, of = "line" }, find("line", ours), find)
    assert.equal("<= 140 (1.40x line)", text)
    assert.near(1.4, ratio, 1e-9)
    text, ratio = report.verdict({ at_most = 2, of = "line" }, find("other/y/time"), find)
    assert.equal("<= 600 (2x line)", text)
    assert.near(7.5, ratio, 1e-9)
  end)

  it("fall back on what is quoted, and say what was not measured", function()
    local find = report.figures { ours }
    local figure = find("start")
    local goal = { at_most = 1, of = "gone", quoted = 6, who = "them" }
    local text, ratio = report.verdict(goal, figure, find)
    assert.equal("<= 6 (1x them 6, quoted)", text)
    assert.equal(2, ratio)
    text, ratio = report.verdict({ at_most = 1, of = "gone" }, figure, find)
    assert.equal("<= 1x gone not measured", text)
    assert.is_nil(ratio)
    text, ratio = report.verdict({ at_most = 6 }, figure, find)
    assert.equal("<= 6", text)
    assert.equal(2, ratio)
    text, ratio = report.verdict({ times = "line" }, find("ring"), find)
    assert.equal("0.20 x line", text)
    assert.is_nil(ratio)
    local one = find("line").median
    text, ratio = report.verdict({ limit = 2, of = { "line", "line" } }, find("ring"), find)
    assert.equal(("limit %s (2x line + line)"):format(report.number(4 * one)), text)
    assert.is_nil(ratio)
    assert.equal("", (report.verdict({ limit = 2, of = "gone" }, find("ring"), find)))
    figure = { median = 0, samples = {}, results = ours }
    assert.equal(1, select(2, report.verdict({ at_most = 0 }, figure, find)))
    figure.median = 1
    assert.equal(0, select(2, report.verdict({ at_most = 0 }, figure, find)))
  end)

  it("are shown in a unit one can read, each goal in a row, figures without one too", function()
    local find = report.figures { ours }
    local list = { { group = "none of these" }, { "gone" }, { group = "latencies" },
      { "mine/c/p50", { at_most = 24000 }, { times = "line" } }, { "mine/c/p99" } }
    local lines = {}
    for text in report.table(list, find):gmatch("[^\n]*") do
      lines[#lines + 1] = text:gsub("%s+", " ")
    end
    assert.same({ "quantity value unit target ratio the timing includes", "", "latencies",
      "mine/c/p50 12 us <= 24 2.00 all", " 120 x line", "mine/c/p99 50 ms all" }, lines)
  end)

  it("are shown for the newest results of a folder, with what is missing and the notes", function()
    local place = folder .. "/kept"
    assert(os.execute("mkdir -p " .. files.quote(place)))
    local old = json.decode(json.encode(ours))
    old.cases[1].labels.figure = "anchor.rmw"
    old.cases[1].quantities = { q("time", "ns", 111, 111, 111) }
    files.write_file(place .. "/mine-1.json", json.encode(old))
    old.cases[1].quantities = { q("time", "ns", 222, 222, 222) }
    files.write_file(place .. "/mine-2.json", json.encode(old))
    local ran = files.run(files.rkl, { "bench/run.lua", "--table", place })
    assert.equal(0, ran.status, ran.err)
    assert.matches("anchor.rmw%s+222  ns", ran.out)
    assert.is_nil(ran.out:find("111", 1, true))
    assert.matches("mine: skipped: not here %(e and 1 more%)", ran.out)
    assert.matches("note: mine: it was hot", ran.out)
    assert.matches("RustCompute", ran.out)
  end)

  it("follow on a run of the campaigns that were chosen, which goes on where it was cut off",
    function()
      local place = folder .. "/run"
      assert(os.execute("mkdir -p " .. files.quote(place)))
      files.write_file(place .. "/mine-1.json", json.encode(ours))
      local function run(...)
        return files.run(files.rkl, { "bench/run.lua", "--rkl", files.rkl, "--only", "machine",
          "--out", place, ... }, { env = { BENCH_PROGRAMS = folder, BENCH_QUICK = "1" } })
      end
      local all = ""
      for i, name in ipairs { "line_ping_pong", "record_ping_pong", "clock_read", "rmw", "fence",
        "memcpy_16k", "memcpy_64m", "thread_start" } do
        all = all .. line("anchor." .. name, "ns", 100 + i)
      end
      fake("anchors", all)
      local ran = run()
      assert.equal(0, ran.status, ran.err)
      assert.matches("anchor.rmw%s+104  ns", ran.out)
      assert.is_nil(ran.out:find("it was hot", 1, true))
      assert.matches("kept in", ran.out)
      local kept = assert(io.open(place .. "/goals.txt"))
      assert.matches("anchor.rmw%s+104  ns", kept:read("a"))
      kept:close()
      ran = run("--resume", "yes")
      assert.matches("machine: done before", ran.out)
      files.write_file(place .. "/machine.journal", "")
      ran = run()
      assert.equal(1, ran.status)
      assert.matches("RESUME=1", ran.err)
      os.remove(place .. "/machine.journal")
      fake("anchors", "exit 3")
      ran = run()
      assert.equal(1, ran.status)
      assert.matches("NOT ALL FIGURES: machine", ran.out)
      assert.matches("machine: failed: anchors ended with status 3", ran.out)
    end)
end)
