-- `make gpu-check` without a GPU: the whole of it over the driver of the tests, in tiny counts, so
-- that a stage, a figure or an experiment cannot fall out unseen; and what it does when there is no
-- device, when a stage is not chosen, fails or hangs.

local core = require "ringkernel.core"
local support = dofile("spec/cli/support.lua")

local quote = support.quote

local STAGES = {
  "e0", "units", "selftest", "figures", "sustained", "e3", "e4", "e5", "e6", "specs", "e2", "e1",
  "e7", "sanitize",
}
local EXPERIMENTS = { "E1", "E2", "E3", "E4", "E5", "E6", "E7" }
-- The fake driver has no clusters: their experiments end in a note.
local NO_CLUSTERS = { ["E5: same cluster, flag"] = true, ["E5: same cluster, mbarrier"] = true }
-- The fake driver refuses what these take back.
local REFUSED = { cuMemFree = true, cuMemFreeHost = true }
local LABEL = "fake driver, CPU: not a measurement"

--- A program in the place of compute-sanitizer: takes its options away and runs the rest.
local SANITIZER = [[#!/bin/sh
test "$1,$3,$5" = --tool,--error-exitcode,--report-api-errors || exit 9
echo "stand-in: $2"
shift 6
exec "$@"
]]

-- It builds with the switches of the plain build, so other variants must not run it; one
-- interpreter is enough, since it runs rkl itself.
local function reason_not_to()
  if (os.getenv("BUILD") or "build") ~= "build" then
    return "only for the plain build"
  elseif pcall(require, "ringkernel.rkl") then
    return "runs under lua5.4 only"
  elseif not core.nvrtc() and not os.getenv("CI") then
    return "needs NVRTC"
  end
end

local function list(folder)
  local pipe = assert(io.popen("LC_ALL=C ls " .. quote(folder)))
  local text = pipe:read("a")
  pipe:close()
  return text
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

describe("make gpu-check", function()
  local dir

  before_each(function()
    dir = support.temp_dir()
  end)

  after_each(function()
    support.remove(dir)
  end)

  --- Runs it with results in `dir` and a quick NVRTC (spec/cuda/nvrtc_quick.c): what it said, and
  --- its exit status.
  local function check(env, ...)
    local path = select(2, core.nvrtc()):match("%((.-)%)")
    env.GPU_SANITIZER = dir .. "/sanitizer"
    env.RKFAKE_NVRTC = path
    env.RINGKERNEL_NVRTC = path and "build/spec/nvrtc_quick.so"
    return support.run("make", { "-s", "gpu-check", "GPU_OUT=" .. dir, "FAKE=1", ... },
      { before = "timeout 250", env = env })
  end

  --- The JSON that was written, and the Markdown beside it.
  local function results()
    local base = list(dir):match("([^\n]+)%.json\n")
    assert.is_string(base, "no results in " .. list(dir))
    local value, _, message = require("dkjson").decode(read(dir .. "/" .. base .. ".json"))
    assert.is_table(value, message)
    return value, read(dir .. "/" .. base .. ".md"), base
  end

  local function sanitizer(text)
    support.write_file(dir .. "/sanitizer", text)
    assert(os.execute("chmod +x " .. quote(dir .. "/sanitizer")))
  end

  local function rehearse(name, fn)
    it(name, function()
      local reason = reason_not_to()
      if reason then
        pending(reason)
        return
      end
      fn()
    end)
  end

  rehearse("says that there is no device, and writes nothing", function()
    local before = list("bench/results")
    local result = support.run("make", { "-s", "gpu-check", "GPU_OUT=" .. dir },
      { before = "timeout 250", env = { RINGKERNEL_LIBCUDA = "/nowhere/libcuda.so" } })
    assert.not_equal(0, result.status)
    assert.matches("gpu%-check: no CUDA device: [^\n]*/nowhere/libcuda%.so", result.err)
    assert.equal("", list(dir))
    assert.equal(before, list("bench/results"))
  end)

  rehearse("takes the driver of the tests for no device", function()
    local result = support.run("make", { "-s", "gpu-check", "GPU_OUT=" .. dir }, {
      before = "timeout 250",
      env = { RINGKERNEL_LIBCUDA = "build/libringkernel_fakecuda.so" },
    })
    assert.not_equal(0, result.status)
    assert.matches("no CUDA device: .* use FAKE=1", result.err)
    assert.equal("", list(dir))
  end)

  rehearse("runs every stage, and every figure and experiment comes out", function()
    local before = list("bench/results")
    sanitizer(SANITIZER)
    local result = check({})
    assert.equal(0, result.status, result.err)
    local all, page, base = results()

    local names = {}
    for index, stage in ipairs(all.stages) do
      names[index] = stage.name
      if stage.name == "units" and stage.status == "skipped" then -- gpu_units_spec.lua has them
        assert.matches("no sources of grids were kept", stage.reason)
      else
        assert.equal("ok", stage.status, stage.name .. ": " .. tostring(stage.reason))
      end
      local tests = stage.tests
      assert.equal(0, tests.failed)
      if stage.name == "selftest" then
        assert.equal(12, tests.passed)
      elseif stage.name == "specs" then
        assert.is_true(tests.passed > 5)
      elseif stage.name == "sanitize" then
        assert.equal(36, tests.passed)
      end
    end
    assert.same(STAGES, names)
    assert.same({}, all.missing)

    local figures = {}
    for _, figure in ipairs(all.results) do
      figures[figure.quantity] = figure
      assert.is_number(figure.median)
      assert.is_true(#figure.includes > 10, figure.quantity)
    end
    for _, entry in ipairs(dofile("bench/gpu/targets.lua")) do
      if entry[1] and not NO_CLUSTERS[entry[1]] then
        assert.is_table(figures[entry[1]], entry[1])
      end
    end

    local experiments = {}
    for index, experiment in ipairs(all.experiments) do
      experiments[index] = experiment.experiment
      assert.is_true(#experiment.predictions >= 3)
      for _, prediction in ipairs(experiment.predictions) do
        assert.equal("not judged", prediction.verdict)
        assert.is_string(prediction.predicted)
        assert.is_true(prediction.outcome ~= "-" or REFUSED[prediction.case], prediction.case)
      end
      assert.is_nil(experiment.decision)
    end
    assert.same(EXPERIMENTS, experiments)
    assert.matches("\n%- E0: driver: CUDA 13000, functions: core ", page)
    assert.matches("\n%- E0: context again: ", page)

    assert.equal(LABEL, all.label)
    assert.equal(LABEL, all.environment.driver)
    assert.is_boolean(all.environment.dirty)
    assert.matches("^fake%-gpu", base)
    assert.matches("%*%*fake driver, CPU: not a measurement%*%*", page)
    assert.truthy(result.out:find(page:sub(1, 500), 1, true))
    assert.equal(4, select(2, list(dir):gsub("fake%-gpu[^\n]*\n", "")))
    local logs = read(dir .. "/" .. base .. "-logs.txt")
    local system = read(dir .. "/" .. base .. "-system.txt")
    assert.matches("==== selftest%.log: ok ====\n", logs)
    assert.matches("\nok 1 %- a runtime opens", logs)
    assert.matches("==== spec%-close%.log: ok ====\n", logs)
    assert.matches("\n%$ [^\n]*rkl %-%-doctor\n[^\n]*ok +rkl", system)
    assert.matches("######## at the end", system)
    assert.equal(before, list("bench/results"))
  end)

  rehearse("keeps part of it, and says what is missing", function()
    local result = check({}, "ONLY=e6")
    assert.equal(2, result.status) -- make's, for a 1 of the program
    local all, page, base = results()
    assert.matches("%-partial$", base)
    assert.equal(1, #all.stages)
    assert.equal("ok", all.stages[1].status)
    assert.equal(#STAGES - 1, #all.missing)
    assert.matches("Missing: e0 %(not chosen%), units %(not chosen%)", page)
    assert.matches("NOT COMPLETE: e0", result.out)
  end)

  rehearse("refuses a stage that it does not know", function()
    local result = check({}, "ONLY=e6,e99")
    assert.not_equal(0, result.status)
    assert.matches("no stage is called 'e99'", result.err)
    assert.equal("", list(dir))
  end)

  rehearse("goes on after a stage that fails and one that hangs", function()
    sanitizer("#!/bin/sh\nexec sleep 100\n")
    local result = check({ RKFAKE_FAULT = "kernel:3:719" }, "ONLY=e5,e6,sanitize", "GPU_LIMIT=12")
    assert.equal(2, result.status)
    local all = results()
    assert.same({ "e5", "e6", "sanitize" }, { all.stages[1].name, all.stages[2].name,
      all.stages[3].name })
    assert.equal("failed", all.stages[1].status)
    assert.equal("ok", all.stages[2].status)
    assert.equal("failed", all.stages[3].status)
    assert.matches("ended after its limit", all.stages[3].reason)
    assert.truthy(table.concat(all.missing, " "):find("e5 (failed)", 1, true))
  end)

  rehearse("leaves what there is when it is cut off, and tells what failed", function()
    sanitizer("#!/bin/sh\necho hangs >&2\nexec sleep 100\n")
    local command = "timeout -s KILL 12 build/gpu/rkl bench/gpu/check.lua --tree build/gpu --fake "
      .. "$PWD/build/libringkernel_fakecuda.so --only e5,e6,sanitize --out " .. quote(dir)
    local result = support.run("sh", { "-c", command }, { before = "timeout 250", env = {
      RKFAKE_FAULT = "kernel:3:719", GPU_SANITIZER = dir .. "/sanitizer" } })
    assert.not_equal(0, result.status)
    local all, page, base = results()
    assert.matches("%-partial$", base)
    assert.same({ "e5", "e6" }, { all.stages[1].name, all.stages[2].name })
    assert.matches("sanitize %(not reached%)", page)
    local system = read(dir .. "/" .. base .. "-system.txt")
    assert.matches("######## after e5, ", system)
    local logs = read(dir .. "/" .. base .. "-logs.txt")
    assert.truthy(logs:find("^==== e5.log: failed ===="), logs) -- before those that went well
  end)

  rehearse("needs no compiler where build/gpu fits the sources", function()
    local result = support.run("make", { "-s", "gpu-check", "CC=/nowhere/cc", "GPU_OUT=" .. dir },
      { before = "timeout 250", env = { RINGKERNEL_LIBCUDA = "/nowhere/libcuda.so" } })
    assert.matches("no CUDA device", result.err)
    local moved = support.run("make", { "-s", "gpu-check", "CC=/nowhere/cc",
      "BUILD=" .. dir .. "/other" }, { before = "timeout 250" })
    assert.not_equal(0, moved.status)
    assert.matches("there is no /nowhere/cc", moved.out)
  end)
end)
