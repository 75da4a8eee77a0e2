-- SPDX-License-Identifier: MIT
--- How results of a campaign are shown and kept: the table, JSON, CSV.

local json = require "ringkernel.json"

local M = {}

--- A number with three digits that matter.
function M.number(value)
  if not value or value ~= value then
    return "-"
  end
  local size = math.abs(value)
  if size >= 100 or value == math.floor(value) then
    return ("%.0f"):format(value)
  end
  return ("%.3g"):format(value)
end

local SCALES = {
  ns = { { 1e9, "s" }, { 1e6, "ms" }, { 1e3, "us" }, { 1, "ns" } },
}

--- A value with its unit; times in the unit that suits them.
function M.with_unit(value, unit)
  for _, scale in ipairs(value and value == value and SCALES[unit] or {}) do
    if math.abs(value) >= scale[1] or scale[1] == 1 then
      return ("%s %s"):format(M.number(value / scale[1]), scale[2])
    end
  end
  return ("%s %s"):format(M.number(value), unit)
end

--- Lines of aligned columns; the first row is the head.
function M.columns(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell)
    end
  end
  local lines = {}
  for n, row in ipairs(rows) do
    local cells = {}
    for i, cell in ipairs(row) do
      cells[i] = cell .. (" "):rep(widths[i] - (utf8.len(cell) or #cell))
    end
    lines[#lines + 1] = (table.concat(cells, "  "):gsub("%s+$", ""))
    if n == 1 then
      for i, width in ipairs(widths) do
        cells[i] = ("-"):rep(width)
      end
      lines[#lines + 1] = table.concat(cells, "  ")
    end
  end
  return lines
end

--- What stands beside every figure: how far the message got, in a few words.
function M.truth(labels)
  local words = { "consumed: " .. labels.consumed }
  if labels.clock == "device" then
    words[#words + 1] = "device clock, synchronised: " .. (labels.synchronised or "no")
  elseif labels.clock == "program" then
    words[#words + 1] = "timed by the measured program"
  end
  if labels.verified ~= "no" then
    words[#words + 1] = "verified: " .. labels.verified
  end
  words[#words + 1] = "checked: " .. labels.checked
  if labels.paced then
    words[#words + 1] = labels.paced
  end
  return table.concat(words, "; ")
end

local function outlier_text(quantity)
  local o = quantity.outliers
  return o.mild + o.severe == 0 and "" or ("%d+%d"):format(o.mild, o.severe)
end

--- The table on the terminal, as text.
function M.table(results)
  local env = results.environment
  local out = {
    ("%s  (%s, %s%s)"):format(results.campaign, env.date, env.commit or "no commit",
      env.dirty and ", tree with changes" or ""),
  }
  if results.answers then
    out[#out + 1] = "answers: " .. results.answers
  end
  local devices = {}
  for i, device in ipairs(env.devices) do
    devices[i] = device.name or device.backend
  end
  out[#out + 1] = ("%s; %s; backend %s; seed %d"):format(env.cpu or "?",
    table.concat(devices, ", "), env.backend, env.seed)
  out[#out + 1] = ""
  local rows = { { "case", "quantity", "median", "95 % interval", "p99", "cv", "n", "outliers" } }
  local meanings, order, missing = {}, {}, {}
  for _, case in ipairs(results.cases) do
    for _, q in ipairs(case.quantities or {}) do
      rows[#rows + 1] = {
        case.name, q.name, M.with_unit(q.median, q.unit),
        q.low == q.low and q.low and ("%s .. %s"):format(M.with_unit(q.low, q.unit),
          M.with_unit(q.high, q.unit)) or "-",
        M.with_unit(q.p99, q.unit), -- of zeros alone the variation is no number
        q.variation and q.variation == q.variation and ("%.1f %%"):format(q.variation * 100) or "-",
        tostring(q.n), outlier_text(q),
      }
    end
    local l = case.latency
    if l then
      rows[#rows + 1] = {
        case.name, "latency", M.with_unit(l.p50, "ns"),
        ("p90 %s"):format(M.with_unit(l.p90, "ns")), M.with_unit(l.p99, "ns"),
        "p99.9 " .. M.with_unit(l.p999, "ns"), tostring(l.count),
        "max " .. M.with_unit(l.max, "ns"),
      }
    end
    if case.status ~= "ok" then
      missing[#missing + 1] = ("%s: %s: %s"):format(case.status:upper(), case.name,
        case.reason or "")
    else
      local text = ("%s; %s"):format(case.labels.includes, M.truth(case.labels))
      if not meanings[text] then
        meanings[text] = {}
        order[#order + 1] = text
      end
      table.insert(meanings[text], case.name)
    end
  end
  table.move(M.columns(rows), 1, #rows + 1, #out + 1, out)
  table.move(missing, 1, #missing, #out + 1, out)
  out[#out + 1] = ""
  for _, text in ipairs(order) do
    local names = meanings[text]
    out[#out + 1] = ("%s: the timing includes %s"):format(#names == #results.cases and "all"
      or table.concat(names, ", "), text)
  end
  for _, note in ipairs(results.notes) do
    out[#out + 1] = "note: " .. note
  end
  if not results.complete then
    out[#out + 1] = "INCOMPLETE: see the cases above that are not figures"
  end
  return table.concat(out, "\n") .. "\n"
end

function M.json(results)
  return json.encode(results, "") .. "\n"
end

local function csv_cell(value)
  local text = value == nil and "" or math.type(value) == "float" and ("%.9g"):format(value)
    or tostring(value)
  return text:find('[,"\r\n]') and '"' .. text:gsub('"', '""') .. '"' or text
end

--- CSV (RFC 4180): a line for each quantity of each case; latencies are one with their percentiles.
function M.csv(results)
  local names = {}
  for _, case in ipairs(results.cases) do
    for name in pairs(case.factors) do
      names[name] = true
    end
  end
  local factors = {}
  for name in pairs(names) do
    factors[#factors + 1] = name
  end
  table.sort(factors)
  local fields = { "n", "median", "low", "high", "mean", "deviation", "min", "p90", "p99", "max" }
  local head = { "campaign", "date", "commit", "case" }
  table.move(factors, 1, #factors, #head + 1, head)
  table.move({ "status", "quantity", "unit" }, 1, 3, #head + 1, head)
  table.move(fields, 1, #fields, #head + 1, head)
  table.move({ "includes", "truth" }, 1, 2, #head + 1, head)
  local lines = { table.concat(head, ",") }
  local function line(case, q)
    local cells = { results.campaign, results.environment.date,
      results.environment.commit or "", case.name }
    for _, name in ipairs(factors) do
      cells[#cells + 1] = case.factors[name] or ""
    end
    cells[#cells + 1], cells[#cells + 2], cells[#cells + 3] = case.status, q.name or "",
      q.unit or ""
    for _, field in ipairs(fields) do
      cells[#cells + 1] = q[field] or ""
    end
    cells[#cells + 1] = case.labels.includes
    cells[#cells + 1] = M.truth(case.labels)
    for i, cell in ipairs(cells) do
      cells[i] = csv_cell(cell)
    end
    lines[#lines + 1] = table.concat(cells, ",")
  end
  for _, case in ipairs(results.cases) do
    for _, q in ipairs(case.quantities or { {} }) do
      line(case, q)
    end
    local l = case.latency
    if l then
      line(case, { name = "latency", unit = "ns", n = l.count, median = l.p50, mean = l.mean,
        min = l.min, p90 = l.p90, p99 = l.p99, max = l.max })
    end
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- Writes `text` to `path` whole or not at all. Nil, message, "io" on failure.
function M.write(path, text)
  local file, message = io.open(path .. ".new", "wb")
  if not file then
    return nil, message, "io"
  end
  local ok, reason = file:write(text)
  local closed, why = file:close()
  if ok and closed then
    ok, reason = os.rename(path .. ".new", path)
  end
  if not (ok and closed) then
    os.remove(path .. ".new")
    return nil, ("%s: %s"):format(path, tostring(reason or why)), "io"
  end
  return true
end

return M
