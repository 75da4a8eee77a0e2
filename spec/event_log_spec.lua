-- SPDX-License-Identifier: MIT
--- examples/event-log.lua against an independent computation, and with all kinds of bad input.

local examples = dofile("spec/example_runner.lua")

-- ---- the computation, from the words of the specification --------------------------------------

local MONTHS = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function month_days(year, month)
  local leap = year % 400 == 0 or (year % 4 == 0 and year % 100 ~= 0)
  return (month == 2 and leap) and 29 or MONTHS[month] or 0
end

local day_numbers = {}

--- Days from the year 1 on, counted one year and one month at a time; nil for no date.
local function day_number(date)
  if day_numbers[date] == nil then
    local y, m, d = date:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
    y, m, d = tonumber(y), tonumber(m), tonumber(d)
    if not y or d < 1 or d > month_days(y, m) then
      day_numbers[date] = false
      return nil
    end
    local days = d
    for year = 1, y - 1 do
      days = days + 337 + month_days(year, 2)
    end
    for month = 1, m - 1 do
      days = days + month_days(y, month)
    end
    day_numbers[date] = days
  end
  return day_numbers[date] or nil
end

local function seconds(date, time)
  local day = day_number(date)
  local h, m, s = time:match("^(%d%d):(%d%d):(%d%d)$")
  h, m, s = tonumber(h), tonumber(m), tonumber(s)
  if not day or not h or h >= 24 or m >= 60 or s > 60 then
    return nil
  end
  return day * 86400 + h * 3600 + m * 60 + s
end

--- What --csv must print for a log, and the numbers of lines of each kind.
local function mine(text)
  local kinds = { events = 0, skipped = 0, bad = 0, pairs = 0 }
  local last, sums = {}, {}
  if #text > 0 and text:sub(-1) ~= "\n" then
    text = text .. "\n"
  end
  for line in text:gmatch("([^\n]*)\n") do
    local words = {}
    for word in line:gmatch("%S+") do
      words[#words + 1] = word
    end
    local at = #words >= 3 and line:find("^%S") and seconds(words[1], words[2])
    local activity, case = words[3], words[4]
    if activity == "status" then
      activity, case = words[4], words[6] and words[5]
    end
    if at and (words[3] == "startup" or words[3] == "conffile") then
      kinds.skipped = kinds.skipped + 1
    elseif at and case then
      kinds.events = kinds.events + 1
      local before = last[case]
      if before then
        local key = before[1] .. "," .. activity
        sums[key] = sums[key] or { count = 0, time = 0, from = before[1], to = activity }
        sums[key].count = sums[key].count + 1
        sums[key].time = sums[key].time + (at - before[2])
        kinds.pairs = kinds.pairs + 1
      end
      last[case] = { activity, at }
    else
      kinds.bad = kinds.bad + 1
    end
  end
  local rows = {}
  for _, sum in pairs(sums) do
    rows[#rows + 1] = sum
  end
  table.sort(rows, function(a, b)
    local x, y = a.count, b.count
    if x == y then
      return a.from < b.from or (a.from == b.from and a.to < b.to)
    end
    return x > y
  end)
  for index, row in ipairs(rows) do
    rows[index] = ("%s,%s,%d,%.3f\n"):format(row.from, row.to, row.count, row.time / row.count)
  end
  return table.concat(rows), kinds
end

-- ---- generated logs ----------------------------------------------------------------------------

local BAD = {
  "", "garbage", "2025-06-24", "2025-06-24 14:36:25", "2025-06-24 14:36:25 install",
  "2025-06-24 14:36:25 status installed", "2025-06-24 14:36:25 status installed foo:amd64",
  "2025-13-24 14:36:25 install foo:amd64 1.0", "2025-02-29 14:36:25 install foo:amd64 1.0",
  "2025-06-24 24:00:00 install foo:amd64 1.0", "2025-06-31 10:00:00 install foo:amd64 1.0",
  "25-06-24 14:36:25 install foo:amd64 1.0", " 2025-06-24 14:36:25 install foo:amd64 1.0",
  "2025-06-24T14:36:25 install foo:amd64 1.0", "\0\1\2\255\254", ("x"):rep(5000),
}

--- A log of `lines` lines. Options: cases, activities, bad (share of bad lines).
local function generate(lines, options)
  local out = {}
  local day, second = 1, 0
  for i = 1, lines do
    second = second + math.random(0, 40)
    if math.random(50) == 1 then
      second = second - 3600 -- the change to winter time, or a file out of order
    end
    if second >= 86400 or math.random(200) == 1 then
      day, second = day % 28 + 1, 0
    end
    second = math.max(second, 0)
    local stamp = ("%04d-%02d-%02d %02d:%02d:%02d"):format(math.random(1999, 2001),
      math.random(2, 3), day, second // 3600, second // 60 % 60, second % 60)
    local case = ("pkg%d:%s"):format(math.random(options.cases), i % 7 == 0 and "all" or "amd64")
    local activity = "act" .. math.random(options.activities)
    local dice = math.random()
    if dice < (options.bad or 0) then
      out[i] = BAD[math.random(#BAD)]
    elseif dice > 0.97 then
      out[i] = ("%s %s packages configure"):format(stamp, dice > 0.98 and "startup" or "conffile")
    elseif dice > 0.5 then
      out[i] = ("%s status %s %s 1.2-3"):format(stamp, activity, case)
    else
      out[i] = ("%s %s %s 1.2-3 <none>"):format(stamp, activity, case)
    end
  end
  return table.concat(out, "\n") .. (lines > 0 and math.random(2) == 1 and "\n" or "")
end

-- ---- the specs ---------------------------------------------------------------------------------

describe("event-log", function()
  local dir
  setup(function()
    dir = examples.temp_dir()
    math.randomseed(20250624)
  end)
  teardown(function()
    examples.remove(dir)
  end)

  --- Runs it over a text; returns the result.
  local function run(text, ...)
    return examples.run("event-log.lua", { examples.write_file(dir .. "/log", text), ... })
  end

  --- Compares --csv with our own computation; returns the numbers of lines of each kind.
  local function agrees(text)
    local expected, kinds = mine(text)
    local result = run(text, "--csv")
    assert.equal(expected, result.out)
    assert.equal(0, result.status)
    if kinds.bad == 0 then
      assert.equal("", result.err)
    else
      assert.matches(("^event%%-log: %d lines of .* did not parse %%(the first is line %%d+%%)\n$")
        :format(kinds.bad), result.err)
    end
    return kinds
  end

  describe("equals an independent computation", function()
    it("on the sample", function()
      local kinds = agrees(examples.read_file("examples/data/dpkg.log"))
      assert.same({ events = 5513, skipped = 46, bad = 0, pairs = 4791 }, kinds)
    end)

    it("on the log of this machine", function()
      local file = io.open("/var/log/dpkg.log", "rb")
      local text = file and file:read("a") or ""
      if file then
        file:close()
      end
      if text == "" then
        pending("there is no /var/log/dpkg.log with entries")
        return
      end
      agrees(text) -- the copy: the log may grow while we look
    end)

    it("on small logs of all kinds", function()
      for size = 0, 24 do
        agrees(generate(size * size, { cases = size + 1, activities = 4, bad = 0.2 }))
      end
    end)

    it("on a log with many activities", function()
      agrees(generate(20000, { cases = 300, activities = 120, bad = 0.01 }))
    end)

    it("on a log with a hundred thousand cases", function()
      agrees(generate(150000, { cases = 100000, activities = 9 }))
    end)

    it("on the sample, twenty times", function()
      local kinds = agrees(examples.read_file("examples/data/dpkg.log"):rep(20))
      assert.equal(20 * 5513, kinds.events)
    end)

    it("on each kind of bad line", function()
      local good = "2025-06-24 14:36:25 install foo:amd64 1.0\n"
      for _, line in ipairs(BAD) do
        local kinds = agrees(good .. line .. "\n" .. good)
        assert.same({ events = 2, skipped = 0, bad = 1, pairs = 1 }, kinds, line)
      end
    end)
  end)

  describe("goes on from a checkpoint in another process", function()
    --- Kills a job that writes checkpoints when it has read about so many lines; their series.
    local function killed_after(lines)
      local folder = examples.temp_dir()
      local command = examples.command("event-log.lua",
        { folder .. "/pipe", "--checkpoint", folder .. "/job", "--every", "1000" })
      examples.shell(("cd %s && mkfifo pipe"):format(examples.quote(folder)))
      local result = examples.shell(([[
        %s & job=$!
        { head -n %d %s; exec sleep 60; } >%s/pipe & feeder=$!
        for i in $(seq 3000); do ls %s/job.3 >/dev/null 2>&1 && break; sleep 0.01; done
        kill -KILL $job $feeder; wait $job]]):format(command, lines,
        examples.quote(dir .. "/log"), folder, folder))
      assert.equal(137, result.status, result.err)
      return folder
    end

    it("to the same graph, whenever it was killed", function()
      local text = generate(20000, { cases = 3000, activities = 9 })
      local expected = mine(text)
      examples.write_file(dir .. "/log", text)
      for _, lines in ipairs { 6000, 11111, 19999 } do
        local folder = killed_after(lines)
        local result = examples.run("event-log.lua", { dir .. "/log", "--csv", "--resume",
          folder .. "/job" })
        assert.matches("^event%-log: goes on from .*/job%.%d+, behind %d+000 events\n$", result.err)
        assert.equal(expected, result.out)
        examples.remove(folder)
      end
    end)

    it("and refuses another log, and a series that is none", function()
      examples.write_file(dir .. "/log", generate(9000, { cases = 300, activities = 9 }))
      local folder = killed_after(9000)
      local function refused(log, series)
        local result = examples.run("event-log.lua", { log, "--resume", series })
        assert.equal(1, result.status)
        assert.equal("", result.out)
        return result.err
      end
      assert.matches("this is not the log of the checkpoint",
        refused("/dev/null", folder .. "/job"))
      assert.matches("this is not the log of the checkpoint",
        refused(examples.write_file(dir .. "/other", ("x\n"):rep(9000)), folder .. "/job"))
      assert.matches("cannot open .* %(not_found%)", refused(dir .. "/log", folder .. "/none"))
      assert.matches("%-%-every: a number of events from 1 on expected, got '0'",
        examples.run("event-log.lua", { "--every", "0" }).err)
      examples.remove(folder)
    end)
  end)

  it("counts by hand on a log that fits here", function()
    local result = run([[
2025-10-26 02:59:50 startup packages configure
2025-10-26 02:59:50 install a:amd64 <none> 1
2025-10-26 02:59:52 install a:i386 <none> 1
2025-10-26 02:59:55 status unpacked a:amd64 1
2025-10-26 02:00:05 status installed a:amd64 1
2025-10-26 02:00:05 conffile /etc/a keep
2025-10-26 02:00:06 remove a:amd64 1 <none>
2025-10-26 02:00:06 status unpacked a:i386 1
2024-02-28 23:59:59 install b:all 1 2
2024-03-01 00:00:00 remove b:all 1 2
]], "--csv")
    assert.equal("install,unpacked,2,-1790.500\n" .. "install,remove,1,86401.000\n"
      .. "installed,remove,1,1.000\n" .. "unpacked,installed,1,-3590.000\n", result.out)
    assert.equal("", result.err)
  end)

  it("reads standard input, empty files and binary data", function()
    local text = "2025-06-24 14:36:25 install foo 1\n2025-06-24 14:36:27 remove foo 1"
    local result = examples.run("event-log.lua", { "-", "--csv" }, { stdin = text })
    assert.equal("install,remove,1,2.000\n", result.out)

    result = run("", "--csv")
    assert.same({ out = "", err = "", status = 0 }, result)
    result = run("")
    assert.matches("0 lines, 0 events of 0 packages\n", result.out)
    assert.equal(0, result.status)

    local noise = {}
    for i = 1, 20000 do
      noise[i] = string.char(math.random(0, 255))
    end
    local bytes = table.concat(noise)
    local _, lines = bytes:gsub("[^\n]*\n", "")
    lines = lines + (bytes:sub(-1) == "\n" and 0 or 1)
    result = run(bytes)
    assert.matches(("%d lines, 0 events"):format(lines), result.out)
    assert.matches(("%d did not parse %%(the first is line 1%%)\n"):format(lines), result.out)
    assert.equal(0, result.status)
  end)

  it("prints names that could do harm on a terminal or in a file as text", function()
    local text = "2025-06-24 14:36:25 a\27[31m foo 1\n2025-06-24 14:36:25 b,\"c\" foo 1\n"
    local result = run(text, "--csv", "--dot", dir .. "/graph")
    assert.equal('"a\27[31m","b,""c""",1,0.000\n', result.out)
    assert.truthy(examples.read_file(dir .. "/graph"):find('"a?[31m" -> "b,\\"c\\"" [', 1, true))
    result = run(text)
    assert.is_nil(result.out:find("\27", 1, true))
    assert.truthy(result.out:find("a?[31m", 1, true))
  end)

  it("writes a graph that Graphviz reads", function()
    local sample = "examples/data/dpkg.log"
    local result = examples.run("event-log.lua", { sample, "--dot", dir .. "/g.dot" })
    assert.equal(0, result.status)
    local text = examples.read_file(dir .. "/g.dot")
    assert.matches("^digraph event_log {\n", text)
    assert.truthy(text:find('  "install" -> "half-installed" [label = "714\\n0.00 s", penwidth', 1,
      true))
    local _, arrows = text:gsub("%->", "")
    assert.equal(18, arrows)
    if examples.has_program("dot") then
      assert.equal(0, examples.shell("dot -Tsvg -o /dev/null " .. dir .. "/g.dot").status)
    end
  end)

  it("says what it cannot do, with status 1", function()
    local function fails(pattern, ...)
      local result = examples.run("event-log.lua", { ... })
      assert.matches(pattern, result.err)
      assert.is_nil(result.err:find("traceback", 1, true))
      assert.equal("", result.out)
      assert.equal(1, result.status)
    end
    fails("cannot read .*/none: No such file or directory\n$", dir .. "/none")
    fails("cannot read .*: Is a directory\n$", dir)
    fails("argument '%-%-cvs' is unknown or incomplete\nusage:", "--cvs")
    fails("argument '%-%-dot' is unknown or incomplete\n", "--dot")
    fails("argument 'two' is unknown or incomplete\n", "one", "two")
    fails("cannot write .*/none/g: No such file or directory\n$", "examples/data/dpkg.log", "--dot",
      dir .. "/none/g")
  end)

  it("refuses more packages than it has room for instead of losing some", function()
    local lines = {}
    for i = 1, 262145 do
      lines[i] = "2025-06-24 14:36:25 install p" .. i .. " 1"
    end
    local result = run(table.concat(lines, "\n"), "--csv")
    assert.equal("", result.out)
    assert.matches("^event%-log: 1 events or pairs found no room: the log has 262145 cases",
      result.err)
    assert.equal(1, result.status)
  end)

  it("notices that its output could not be written", function()
    if not io.open("/dev/full", "w") then
      pending("there is no /dev/full")
      return
    end
    local command = examples.command("event-log.lua", { "--csv", "examples/data/dpkg.log" })
    local result = examples.shell(command .. " >/dev/full")
    assert.matches("cannot write the result: No space left on device\n$", result.err)
    assert.equal(1, result.status)
  end)

  it("stops cleanly on Ctrl-C", function()
    -- Without --foreground the signal would come twice, and the second one ends rkl at once.
    local result = examples.shell("yes '2025-06-24 14:36:25 install foo:amd64 1' | "
      .. "timeout --foreground --preserve-status -s INT 0.7 "
      .. examples.command("event-log.lua", { "-" }))
    assert.same({ out = "", err = "event-log: interrupted\n", status = 130 }, result)
  end)

  it("shows its progress on a terminal and nowhere else", function()
    if not examples.has_program("script") then
      pending("needs script(1)")
      return
    end
    local command = examples.command("event-log.lua", { "--csv", "examples/data/dpkg.log" })
    local result = examples.shell("script -qec " .. examples.quote(command .. " >/dev/null")
      .. " /dev/null </dev/null")
    assert.matches("4096 lines, %d+ a second", result.out)
    assert.matches("\27%[K$", result.out) -- and takes the line away
    assert.equal("", examples.run("event-log.lua", { "examples/data/dpkg.log" }).err)
  end)

  it("takes the log of this machine, else the sample", function()
    local result = examples.run("event-log.lua")
    local path = result.out:match("^(.-): %d+ lines, %d+ events of %d+ packages\n")
    local file = io.open("/var/log/dpkg.log", "rb")
    local has_entries = file and file:read("a"):find("%d status %S+ %S+ %S") ~= nil
    if file then
      file:close()
    end
    assert.equal(has_entries and "/var/log/dpkg.log" or "examples/data/dpkg.log", path)
    assert.equal(0, result.status)
  end)
end)
