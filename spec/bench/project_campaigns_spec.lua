-- The project's own campaigns, in their quick form: each runs, says what it answers and what its
-- times include, checks what came out, and finds a handler that does its work wrong.

local rk = require "ringkernel"
local json = require "ringkernel.json"
local files = dofile "spec/cli/support.lua"

local FOLDER = "bench/campaigns"

-- The cases of a campaign that are tried again with a handler that is wrong: in `file` (its own if
-- not said) `from` becomes `to`. `finds`: what finds it.
local CAMPAIGNS = {
  { "roundtrip", only = "way=buffer", from = "to%[i%] = from%[i%];", to = "to[i] = from[i] + 1u;",
    finds = "verification" },
  { "k2k", file = "kit", from = "state%->handled %+= 1u;", to = "state->handled += 2u;",
    finds = "check" },
  { "credits", only = "link=by_id", from = "out%.words%[0%] %+= 1u;", to = "out.words[0] += 2u;",
    finds = "verification" },
  { "fan", file = "kit", only = "width=4", from = "state%->count %+= 1u;",
    to = "state->count += 2u;", finds = "verification" },
  { "pubsub", file = "kit", only = "receiver=actor", from = "state%->count %+= 1u;",
    to = "state->count += 2u;", finds = "verification" },
  { "boundary", only = "what=send", from = "msg%->value %+ %(rk_f64%)msg%->sensor",
    to = "msg->value", finds = "verification" },
  { "injection", only = "way=call", from = "x%[i%] %+= 1u;", to = "x[i] += 2u;",
    finds = "verification" },
  { "restart", only = "what=command", from = "state%->sum %+= msg%->n;",
    to = "state->sum = 5 + msg->n;", finds = "verification" },
  { "checkpoint", only = "what=restore", from = "out%.sum %* 31u %+ state%->words%[i%]",
    to = "out.sum * 31u", finds = "verification" },
  { "reload", only = "way=same_layout", from = "msg%->n != state%->seen",
    to = "msg->n == state->seen", finds = "verification" },
  { "stencil", file = "kit_wave", only = "model=actor", from = "6%.0f %* p%[i%]",
    to = "5.0f * p[i]", finds = "verification" },
  { "frame", file = "kit_wave", only = "pace=at_once", from = "6%.0f %* p%[i%]",
    to = "5.0f * p[i]", finds = "verification" },
  { "sustained", file = "kit", only = "way=k2k", from = "state%->count %+= 1u;",
    to = "state->count += 2u;", finds = "verification" },
}

-- Where the end of what is timed is known from the receiver itself, in every case.
local CONSUMED = { k2k = true, credits = true, fan = true, roundtrip = true, sustained = true }
-- Cases whose result is compared by `check` alone, or that have none.
local UNVERIFIED = { boundary = true, checkpoint = true }

local out
setup(function()
  out = files.temp_dir()
end)
teardown(function()
  files.remove(out)
end)

--- Runs a campaign file; returns its results and how the program ended.
local function bench(path, only)
  local arguments = { "--bench", path, "--out", out, "--no-plot", "--quiet" }
  if only then
    arguments[#arguments + 1] = "--only=" .. only
  end
  local run = files.run(files.rkl, arguments, { env = { BENCH_QUICK = "1", BENCH_CACHE = out,
    RINGKERNEL_BACKEND = "cpu" }, before = "timeout 60" })
  local name = run.out:match("results: ([^\n]+)")
  assert.is_truthy(name, run.out .. run.err)
  local file = assert(io.open(name))
  local found = assert(json.decode(file:read("a")))
  file:close()
  os.remove(name)
  return found, run
end

local function told(found)
  local lines = {}
  for i, case in ipairs(found.cases) do
    lines[i] = ("%s: %s %s"):format(case.name, case.status, case.reason or "")
  end
  return table.concat(lines, "\n")
end

--- A copy of the folder with the mistake in it; returns the path of the campaign.
local function with_mistake(row)
  local folder = out .. "/wrong"
  assert(os.execute(("rm -rf %s && mkdir %s && cp %s/*.lua %s"):format(folder, folder, FOLDER,
    folder)))
  local path = ("%s/%s.lua"):format(folder, row.file or row[1])
  local file = assert(io.open(path))
  local text, count = file:read("a"):gsub(row.from, (row.to:gsub("%%", "%%%%")))
  file:close()
  assert.is_true(count > 0, path .. " has nothing like " .. row.from)
  files.write_file(path, text)
  return ("%s/%s.lua"):format(folder, row[1])
end

for _, row in ipairs(CAMPAIGNS) do
  local name = row[1]
  describe("the campaign " .. name, function()
    it("runs, says what it means, and checks what came out", function()
      local found, run = bench(("%s/%s.lua"):format(FOLDER, name))
      assert.equal(0, run.status, told(found) .. run.err)
      assert.equal(name, found.campaign)
      assert.is_true(found.complete, told(found))
      assert.is_true(#found.answers > 40, found.answers)
      local good = 0
      for _, case in ipairs(found.cases) do
        if case.status == "ok" then
          local labels = case.labels
          good = good + 1
          assert.is_true(#labels.includes > 30, case.name .. ": " .. labels.includes)
          assert.equal("yes", labels.checked, case.name)
          assert.is_true(UNVERIFIED[name] or labels.verified ~= "no", case.name)
          assert.is_true(not CONSUMED[name] or labels.consumed:find("^inside the timing") ~= nil,
            case.name .. ": " .. labels.consumed)
          assert.is_true(case.quantities[1].median > 0)
        else
          assert.equal("skipped", case.status, told(found))
          assert.is_true(#case.reason > 5, case.name)
        end
      end
      assert.is_true(good > 0, told(found))
    end)

    it("finds a handler that is wrong", function()
      local found, run = bench(with_mistake(row), row.only)
      assert.equal(1, run.status, told(found))
      assert.is_false(found.complete)
      for _, case in ipairs(found.cases) do
        if case.status ~= "skipped" then
          assert.equal("void", case.status, told(found))
          assert.matches("^" .. row.finds, case.reason)
          assert.is_nil(case.quantities)
        end
      end
    end)
  end)
end

describe("what the campaigns need of the tool", function()
  local function measure(options, how)
    local all = { name = "t", samples = 2, warmup = 0, warmup_max = 0 }
    for key, value in pairs(options) do
      all[key] = value
    end
    how.quiet = true
    return assert(rk.campaign(all):measure(how))
  end

  it("is that skip knows what was asked for", function()
    local options = {
      matrix = { { "n", { 1, 1000 } } },
      skip = function(case, only)
        return case.n == 1000 and only.n ~= "1000" and "takes long" or nil
      end,
      run = function(_, meter)
        meter:device_seconds(1)
        meter.synchronised = true
      end,
    }
    assert.equal("skipped", measure(options, {}).cases[2].status)
    assert.equal("ok", measure(options, { only = { n = "1000" } }).cases[1].status)
  end)

  it("is the time of launches, and only of those that were waited for", function()
    local rt <close> = assert(rk.open { blocks = 1, backend = "cpu" })
    local count = rk.global { name = "count_launches", params = { { "x", "u32*" } },
      source = "RK_GLOBAL() { if (rk_lane() == 0u) { x[0] += 1u; } }" }
    local x, timings = assert(rt:buffer("u32", 1)), {}
    local function run(mode)
      return measure({ run = function(_, meter)
        timings[#timings + 1] = meter:launches(rt, count, { times = 7, mode = mode }, x)
      end }, {}).cases[1]
    end
    local case = run("launch")
    assert.equal("ok", case.status, case.reason)
    assert.equal("yes", case.labels.synchronised)
    assert.equal(2 * (7 + 1), x:read()[1])
    for i, seconds in ipairs(case.quantities[1].samples) do
      assert.near(timings[i].per_launch_us * 1e3, seconds, 1e-6)
    end
    local refused = run("graph") -- this backend has none
    assert.equal("failed", refused.status)
    assert.matches("meter:launches: .*%(unsupported%)", refused.reason)
  end)
end)
