#!/usr/bin/env rkl
-- Process mining: which step follows which in a dpkg log, how often, and after how long.
--
--   rkl examples/event-log.lua [FILE] [--csv] [--dot GRAPH] [--checkpoint SERIES [--every N]]
--                              [--resume SERIES]
--
-- This program reads the log and sends each event to a topology of actors, which do the work:
--
--                      m0..m3                    collector
--   host --> router ===========> 4 miners ===================> collector --> host
--
-- The router sends all events of a case (a package) to the same miner; a miner remembers the last
-- event of each of its cases and makes a pair of it and the next; the collector adds up the pairs.
-- Every queue is bounded: a full one slows its senders down as far as this program, whose `send`
-- then answers "full". The folder event-log has the handlers, in C, and the parts of this program
-- that know nothing of actors: dpkg.lua reads the log, output.lua prints. resume.lua has
-- checkpoints, with which a job that was ended goes on, in another process, to the same graph.

local rk = require "ringkernel"

local FOLDER = arg[0]:match("^(.*/)") or "./"
local dpkg = dofile(FOLDER .. "event-log/dpkg.lua")
local output = dofile(FOLDER .. "event-log/output.lua")
local resume = dofile(FOLDER .. "event-log/resume.lua")

local SYSTEM_LOG, SAMPLE = "/var/log/dpkg.log", FOLDER .. "data/dpkg.log"
local MINERS, CASES_PER_MINER = 4, 65536
local PAIRS, BUCKETS, PAGE = 32768, 640, 64
local QUEUE = 4096
local LINES_BETWEEN_LOOKS = 4096 -- at the clock, for the progress line

local EVERY = 10000 -- events between checkpoints

local USAGE = [=[
usage: event-log.lua [FILE] [--csv] [--dot GRAPH] [--checkpoint SERIES [--every N]]
                     [--resume SERIES]
Mines a dpkg log: prints which step follows which, how often, and the mean time between.
  FILE         the log; - for standard input. Without it: /var/log/dpkg.log, else a sample
  --csv        print only lines of from,to,count,mean_seconds
  --dot GRAPH  write the graph to the file GRAPH, for Graphviz
  --checkpoint SERIES  save the job every N events (10000) as SERIES.1, SERIES.2, ...; the newest
               two stay
  --resume SERIES  go on from the newest of these; FILE is the same log, from its beginning]=]

-- ---- messages and kernels ----------------------------------------------------------------------

local Event = rk.message("Event", {
  { "case_id", "u32" }, { "activity", "u32" }, -- stand for names; 0, 1, 2, ... and 1, 2, 3, ...
  { "time", "i64" },                           -- seconds, as the log has them
  { "seq", "u64" },                            -- 1, 2, 3, ... in the order of the log
  { "sent", "hlc" },                           -- when the host sent it; the router fills it in
})
local Pair = rk.message("Pair", {
  { "from", "u32" }, { "to", "u32" }, { "seconds", "i64" }, { "sent", "hlc" },
})
local End = rk.message("End", {
  { "miners", "u32" },
  { "routed", "u64" }, { "mined", "u64" }, { "cases", "u64" }, -- counted on the way
  { "refused", "u64" }, { "disordered", "u64" },
})
local Report = rk.message("Report", {
  { "routed", "u64" }, { "mined", "u64" }, { "cases", "u64" }, { "pairs", "u64" },
  { "different", "u64" }, { "refused", "u64" }, { "disordered", "u64" },
  { "latency", ("u64[%d]"):format(BUCKETS) },
})
local Ask = rk.message("Ask", { { "first", "u32" } })
local Page = rk.message("Page", {
  { "size", "u32" },
  { "from", ("u32[%d]"):format(PAGE) }, { "to", ("u32[%d]"):format(PAGE) },
  { "count", ("u64[%d]"):format(PAGE) }, { "seconds", ("i64[%d]"):format(PAGE) },
})

local Router = rk.kernel {
  name = "router",
  accepts = { Event, End },
  emits = { Event, End },
  state = { { "routed", "u64" } },
  ports = { "m0", "m1", "m2", "m3" },
  file = FOLDER .. "event-log/router.cu",
}
local Miner = rk.kernel {
  name = "miner",
  accepts = { Event, End },
  emits = { Pair, End },
  state = {
    { "activity", ("u32[%d]"):format(CASES_PER_MINER) },
    { "time", ("i64[%d]"):format(CASES_PER_MINER) },
    { "last_seq", "u64" }, { "mined", "u64" }, { "cases", "u64" },
    { "refused", "u64" }, { "disordered", "u64" },
  },
  ports = { "collector" },
  file = FOLDER .. "event-log/miner.cu",
}
local Collector = rk.kernel {
  name = "collector",
  accepts = { Pair, End, Ask },
  emits = { Report, Page },
  state = {
    { "place", ("u32[%d]"):format(2 * PAIRS) },
    { "from", ("u32[%d]"):format(PAIRS) }, { "to", ("u32[%d]"):format(PAIRS) },
    { "count", ("u64[%d]"):format(PAIRS) }, { "seconds", ("i64[%d]"):format(PAIRS) },
    { "latency", ("u64[%d]"):format(BUCKETS) },
    { "ends", "u32" }, { "different", "u32" },
    { "routed", "u64" }, { "mined", "u64" }, { "cases", "u64" }, { "pairs", "u64" },
    { "refused", "u64" }, { "disordered", "u64" },
  },
  file = FOLDER .. "event-log/collector.cu",
}

-- ---- the host's part ---------------------------------------------------------------------------

--- A failure that a person can do something about: only its text is shown.
local function fail(format, ...)
  error({ text = format:format(...) }, 0)
end

--- Like assert, for what returns nil, message, code.
local function check(value, message, code)
  if value == nil then
    fail("%s (%s)", message, code)
  end
  return value
end

--- Launches the actors and ties them together; from here on they are found by their names.
local function deploy(rt)
  local router = check(rt:launch(Router, { name = "router", queue = QUEUE }))
  local collector = check(rt:launch(Collector, { name = "collector", queue = QUEUE }))
  for i = 0, MINERS - 1 do
    local miner = check(rt:launch(Miner, { name = "miner" .. i, queue = QUEUE }))
    check(rt:connect(router, "m" .. i, miner))
    check(rt:connect(miner, "collector", collector))
  end
end

--- Sends a message; while the queue is full, waits.
local function send(rt, actor, message)
  local ok, text, code = actor:send(message)
  while code == "full" do
    rt:poll(0.0005)
    ok, text, code = actor:send(message)
  end
  return check(ok, text, code)
end

--- Returns a function that numbers names 1, 2, 3, ... as they come, and the list of names.
local function new_names()
  local ids, names = {}, {}
  return function(name)
    local id = ids[name]
    if not id then
      id = #names + 1
      ids[name], names[id] = id, name
    end
    return id
  end, names
end

--- Returns show(...), which writes over the line on the terminal, and clear(). Without a terminal
-- on standard error they do nothing.
local function new_progress()
  if not os.execute("test -t 2") then
    return function() end, function() end
  end
  return function(format, ...)
    io.stderr:write("\r", format:format(...), "\27[K")
  end, function()
    io.stderr:write("\r\27[K")
  end
end

--- Waits for the collector's report for as long as the actors handle messages.
local function await_report(rt, collector)
  local handled
  repeat
    local before = handled
    local report, message, code = collector:receive(10)
    if report then
      return report
    elseif code ~= "timeout" then
      fail("%s (%s)", message, code)
    end
    handled = rt:stats().handled
  until handled == before
  fail("the actors stand still after %d messages, and the collector has not reported", handled)
end

--- Streams a log through the actors, from behind `done` on (how far a checkpoint had come). Returns
-- what was counted here, and what the actors counted.
local function stream(rt, file, options, done)
  local router, collector = rt:find("router"), rt:find("collector")
  local clock = rk.hlc()
  local case_id, cases = new_names()
  local activity_id, activities = new_names()
  local log = { lines = 0, events = 0, skipped = 0, bad = 0, activities = activities }
  local show, clear = new_progress()
  local _ <close> = setmetatable({}, { __close = clear })
  local start = clock:now().physical
  for line in file:lines() do
    local activity, case, time = dpkg.parse(line)
    log.lines = log.lines + 1
    if case then
      log.events = log.events + 1
      local event = Event {
        case_id = case_id(case) - 1,
        activity = activity_id(activity),
        time = time,
        seq = log.events,
      }
      if log.events > done.events then
        send(rt, router, event)
        if options.checkpoint and log.events % options.every == 0 then
          check(resume.save(rt, options.checkpoint, log.lines, log.events))
        end
      end
    elseif activity == "skip" then
      log.skipped = log.skipped + 1
    else
      log.bad = log.bad + 1
      log.first_bad = log.first_bad or log.lines
    end
    if log.lines == done.lines and log.events ~= done.events then
      fail("this is not the log of the checkpoint: it had %d events in %d lines, this has %d",
        done.events, done.lines, log.events)
    end
    if log.lines % LINES_BETWEEN_LOOKS == 0 then
      local seconds = (clock:now().physical - start) / 1e6
      show("%d lines, %.0f a second", log.lines, log.lines / seconds)
    end
  end
  if log.lines < done.lines then
    fail("this is not the log of the checkpoint: it had at least %d lines, this has %d", done.lines,
      log.lines)
  end
  show("%d lines; waiting for the last pairs", log.lines)
  send(rt, router, End {})
  local report = await_report(rt, collector)
  log.seconds = (clock:now().physical - start) / 1e6
  log.cases = #cases
  return log, report
end

--- Nothing may be lost between the actors, whatever the log is like.
local function verify(log, report)
  if report.refused > 0 then
    fail("%d events or pairs found no room: the log has %d cases and %d activities; there is room "
      .. "for %d cases and %d different pairs", report.refused, log.cases, #log.activities,
      MINERS * CASES_PER_MINER, PAIRS)
  elseif report.routed ~= log.events or report.mined ~= log.events or report.disordered > 0
    or report.cases ~= log.cases or report.pairs ~= log.events - log.cases then
    fail("the counts disagree: of %d events %d were routed and %d mined, %d out of order; "
      .. "%d cases of %d, %d pairs", log.events, report.routed, report.mined, report.disordered,
      report.cases, log.cases, report.pairs)
  end
end

--- Asks the collector for its pairs, page by page; most frequent first, then by name.
local function fetch_pairs(collector, log, report)
  local list = {}
  while #list < report.different do
    local page = check(collector:call(Ask { first = #list }, 10))
    for i = 1, page.size do
      list[#list + 1] = {
        from = log.activities[page.from[i]],
        to = log.activities[page.to[i]],
        count = page.count[i],
        mean = page.seconds[i] / page.count[i],
      }
    end
  end
  table.sort(list, function(a, b)
    if a.count ~= b.count then
      return a.count > b.count
    elseif a.from ~= b.from then
      return a.from < b.from
    end
    return a.to < b.to
  end)
  return list
end

-- ---- the program -------------------------------------------------------------------------------

local function write_file(path, text)
  local file, message = io.open(path, "wb")
  if not file then
    fail("cannot write %s", message)
  end
  local ok, reason = file:write(text)
  local is_closed, close_reason = file:close()
  if not (ok and is_closed) then
    fail("cannot write %s: %s", path, reason or close_reason)
  end
end

local VALUES = {
  ["--dot"] = true, ["--checkpoint"] = true, ["--every"] = true, ["--resume"] = true,
}

local function parse_arguments(words)
  local options, at = { every = EVERY }, 1
  while words[at] do
    local word = words[at]
    if word == "--csv" or word == "--help" then
      options[word:sub(3)] = true
    elseif VALUES[word] and words[at + 1] then
      at = at + 1
      options[word:sub(3)] = words[at]
    elseif (word == "-" or word:sub(1, 1) ~= "-") and not options.file then
      options.file = word
    else
      fail("argument '%s' is unknown or incomplete\n%s", word, USAGE)
    end
    at = at + 1
  end
  local every = math.tointeger(tonumber(options.every))
  if not every or every < 1 then
    fail("--every: a number of events from 1 on expected, got '%s'\n%s", options.every, USAGE)
  end
  options.every = every
  return options
end

--- The actors: new ones, or those of a checkpoint. Returns how far the log was read.
local function begin(rt, options)
  if not options.resume then
    deploy(rt)
    return { lines = 0, events = 0 }
  end
  local done, info, code = resume.load(rt, options.resume, { Router, Miner, Collector })
  check(done, info, code)
  io.stderr:write(("event-log: goes on from %s, behind %d events\n"):format(info.path, done.events))
  return done
end

local function main()
  local options = parse_arguments(arg)
  if options.help then
    print(USAGE)
    return
  end
  local path = options.file or dpkg.has_events(SYSTEM_LOG) and SYSTEM_LOG or SAMPLE
  local file <close>, message = dpkg.open(path)
  if not file then
    fail("cannot read %s", message)
  end
  local rt <close> = check(rk.open())
  local log, report = stream(rt, file, options, begin(rt, options))
  verify(log, report)
  local list = fetch_pairs(rt:find("collector"), log, report)
  if options.dot then
    write_file(options.dot, output.dot(list))
  end
  if options.csv and log.bad > 0 then
    io.stderr:write(("event-log: %d lines of %s did not parse%s\n"):format(log.bad, path,
      output.first_bad(log)))
  end
  io.write(options.csv and output.csv(list) or output.table(path, log, report, list))
  local ok, reason = io.stdout:flush()
  if not ok then
    fail("cannot write the result: %s", reason)
  end
end

local ok, problem = xpcall(main, function(problem)
  if type(problem) == "table" then
    return problem.text
  elseif tostring(problem):find("interrupted!", 1, true) then
    return "interrupted"
  end
  return debug.traceback(tostring(problem), 2)
end)
if not ok then
  io.stderr:write("event-log: ", problem, "\n")
  os.exit(problem == "interrupted" and 130 or 1, true)
end
