-- The results of examples/event-log.lua as a table, as CSV and as a graph. Pure Lua.
--
-- `list` has the pairs in their order, each { from =, to =, count =, mean = seconds }; `log` and
-- `report` are what the host and the collector have counted.

local M = {}

local WIDEST_NAME = 40

--- A name as it may stand on a terminal and in a graph.
local function plain(text)
  return (text:gsub("%c", "?"))
end

local function duration(seconds)
  local size = math.abs(seconds)
  for _, unit in ipairs { { 86400, "d" }, { 3600, "h" }, { 60, "min" } } do
    if size >= 2 * unit[1] then
      return ("%.1f %s"):format(seconds / unit[1], unit[2])
    end
  end
  return ("%.2f s"):format(seconds)
end

--- The latency in microseconds that a share of the pairs did not exceed: its bucket's upper end.
-- Buckets 0 to 31 are a microsecond wide; above, every doubling has 16.
local function percentile(report, share)
  local sum = 0
  for index, count in ipairs(report.latency) do
    sum = sum + count
    if count > 0 and sum >= share * report.pairs then
      local bucket = index - 1
      local doublings = math.max(bucket // 16 - 1, 0)
      return ((bucket - doublings * 16 + 1) << doublings) - 1
    end
  end
  return 0
end

local function csv_field(text)
  return text:find('[",%c]') and '"' .. text:gsub('"', '""') .. '"' or text
end

--- from,to,count,mean_seconds: a line for each pair.
function M.csv(list)
  local out = {}
  for index, pair in ipairs(list) do
    out[index] = ("%s,%s,%d,%.3f\n"):format(csv_field(pair.from), csv_field(pair.to), pair.count,
      pair.mean)
  end
  return table.concat(out)
end

--- The table for people.
function M.table(path, log, report, list)
  local width = 4
  for _, pair in ipairs(list) do
    width = math.max(width, utf8.len(pair.from) or #pair.from)
  end
  local row = "%8s %12s  %-" .. math.min(width, WIDEST_NAME) .. "s %s %s\n"
  local out = { ("%s: %d lines, %d events of %d packages\n\n"):format(path, log.lines, log.events,
    log.cases), row:format("count", "mean time", "from", "  ", "to") }
  for _, pair in ipairs(list) do
    out[#out + 1] = row:format(pair.count, duration(pair.mean), plain(pair.from), "->",
      plain(pair.to))
  end
  out[#out + 1] = ("\n%d pairs, %d different; %d lines skipped, %d did not parse%s\n"):format(
    report.pairs, #list, log.skipped, log.bad, M.first_bad(log))
  out[#out + 1] = ("%.0f events/s: %.3f s from the first line read to the last pair counted\n")
    :format(log.events / log.seconds, log.seconds)
  if report.pairs > 0 then
    out[#out + 1] = ("latency p50 %d us, p99 %d us, max %d us: from sending an event to counting "
      .. "its pair, queues included\n"):format(percentile(report, 0.5), percentile(report, 0.99),
      percentile(report, 1))
  end
  return table.concat(out)
end

--- Where the first line that did not parse stands.
function M.first_bad(log)
  return log.bad > 0 and (" (the first is line %d)"):format(log.first_bad) or ""
end

--- The graph in the language of Graphviz; frequent pairs have broad arrows.
function M.dot(list)
  local function quote(text)
    return '"' .. plain(text):gsub('[\\"]', "\\%0") .. '"'
  end
  local out = { "digraph event_log {", "  node [shape = box, style = rounded];" }
  for _, pair in ipairs(list) do
    out[#out + 1] = ('  %s -> %s [label = "%d\\n%s", penwidth = %.1f];'):format(quote(pair.from),
      quote(pair.to), pair.count, duration(pair.mean), 1 + math.log(pair.count, 10))
  end
  out[#out + 1] = "}\n"
  return table.concat(out, "\n")
end

return M
