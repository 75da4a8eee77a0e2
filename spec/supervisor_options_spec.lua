-- rk.supervisor: what it accepts, what it refuses and how it says so, and its text form.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local function nothing() end

local function child(options)
  local out = { id = "a", start = nothing }
  for key, value in pairs(options or {}) do
    out[key] = value
  end
  return out
end

describe("rk.supervisor", function()
  it("fills in the defaults of OTP", function()
    local spec = rk.supervisor { children = { child() } }
    assert.same({ "one_for_one", 1, 5, "never" },
      { spec.strategy, spec.intensity, spec.period, spec.auto_shutdown })
    assert.same({ id = "a", start = nothing, restart = "permanent", shutdown = 5, type = "worker",
      significant = false }, spec.children[1])
  end)

  it("takes kernel definitions, supervisors and functions as children", function()
    local inner = rk.supervisor { children = {} }
    local spec = rk.supervisor { children = { child { start = support.Sink },
      child { id = "b", start = inner }, child { id = "c" } } }
    assert.equal("supervisor", spec.children[2].type)
    assert.equal("infinity", spec.children[2].shutdown)
    assert.equal("ringkernel.supervisor: one_for_one, 3 children", tostring(spec))
  end)

  it("does not keep the tables it was given", function()
    local given = { children = { child() } }
    local spec = rk.supervisor(given)
    given.children[1].restart = "sometimes"
    given.children[2] = child { id = "b" }
    assert.equal("permanent", spec.children[1].restart)
    assert.equal(1, #spec.children)
  end)

  it("accepts whole floats for whole numbers", function()
    local spec = rk.supervisor { intensity = 3.0, period = 10.0, children = {} }
    assert.equal("integer", math.type(spec.intensity))
    assert.equal(10, spec.period)
  end)

  it("shows its tree", function()
    local spec = rk.supervisor {
      strategy = "rest_for_one", intensity = 3, period = 10, auto_shutdown = "any_significant",
      children = {
        child { id = "reader", shutdown = 0.5 },
        child { id = "inner", start = rk.supervisor {
          children = { child { id = "x", shutdown = "brutal_kill" }, child { id = "y" } } } },
        child { id = "sink", restart = "transient", significant = true },
      },
    }
    assert.equal([[
rest_for_one, 3 restarts in 10 s, auto_shutdown any_significant
|- reader: permanent worker, shutdown 0.5 s
|- inner: permanent supervisor, shutdown infinity; one_for_one, 1 restart in 5 s
|  |- x: permanent worker, shutdown brutal_kill
|  `- y: permanent worker, shutdown 5 s
`- sink: transient worker, shutdown 5 s, significant
]], spec:tree())
  end)

  it("names every mistake at once", function()
    local text = support.error_of(rk.supervisor, {
      strategie = "one_for_one", strategy = "one_for_two", intensity = -1, period = 0.5,
      auto_shutdown = true,
      children = { { start = 7, restart = "always" }, child { shutdown = -1, typ = "worker" },
        child { type = "boss" }, "d", child { id = "7x" } },
    })
    for _, expected in ipairs {
      "rk.supervisor: 14 mistakes:\n",
      "unknown option 'strategie' (did you mean 'strategy'?)",
      "option 'strategy': one of 'one_for_one', 'one_for_all', 'rest_for_one', "
        .. "'simple_one_for_one' expected, got 'one_for_two'",
      "option 'intensity': a whole number, 0 or more, expected, got -1",
      "option 'period': a whole number, 1 or more, expected, got 0.5",
      "option 'auto_shutdown': one of",
      "child 1: option 'id' is missing",
      "child 1: option 'start': a kernel definition, a supervisor or a function expected, got 7",
      "child 1: option 'restart': one of 'permanent', 'transient', 'temporary' expected, "
        .. "got 'always'",
      "child 2 'a': unknown option 'typ' (did you mean 'type'?)",
      "child 2 'a': option 'shutdown': seconds (0 or more), 'infinity' or 'brutal_kill' expected, "
        .. "got -1",
      "child 3 'a': option 'type': one of 'worker', 'supervisor' expected, got 'boss'",
      "child 3: option 'id': 'a' is taken by child 2",
      "child 4: a table of options expected, got 'd'",
      "child 5: option 'id': a name of letters",
    } do
      assert.matches(expected, text, 1, true)
    end
  end)

  local refused = {
    ["a table of options expected, got 7"] = 7,
    ["option 'children': a list of children expected, got 7"] = { children = 7 },
    ["option 'children': a list expected, found key 'a'"] = { children = { a = child() } },
    ["option 'children': a list of children expected, got nil"] =
      { strategy = "simple_one_for_one" },
    ["simple_one_for_one has exactly one child, the template of all it will have; got 2"] =
      { strategy = "simple_one_for_one", children = { child(), child { id = "b" } } },
    ["option 'shutdown': seconds (0 or more), 'infinity' or 'brutal_kill' expected, got inf"] =
      { children = { child { shutdown = math.huge } } },
    ["option 'significant': a boolean expected, got 1"] = { children = { child
      { significant = 1 } } },
    ["option 'significant': means nothing to a supervisor whose auto_shutdown is 'never'"] =
      { children = { child { restart = "transient", significant = true } } },
    ["option 'significant': a permanent child is always restarted"] =
      { auto_shutdown = "any_significant", children = { child { significant = true } } },
  }
  for expected, options in pairs(refused) do
    it("refuses: " .. expected, function()
      local text = support.error_of(function()
        rk.supervisor(options)
      end)
      assert.matches("supervisor_options_spec.lua:%d+: rk.supervisor: ", text)
      assert.matches(expected, text, 1, true)
    end)
  end

  it("names the first fifty of very many mistakes, and how many there are", function()
    local children = {}
    for i = 1, 300 do
      children[i] = { id = "c" .. i, start = 5 }
    end
    local text = support.error_of(rk.supervisor, { children = children })
    assert.matches("rk.supervisor: 300 mistakes:\n  child 1 'c1'", text, 1, true)
    assert.matches("child 50 'c50': option 'start'", text, 1, true)
    assert.matches("\n  … and 250 more$", text)
  end)

  it("is described in meta/supervisor.lua", function()
    local file = assert(io.open("lua/ringkernel/meta/supervisor.lua"))
    local text = file:read("a")
    file:close()
    local spec = rk.supervisor {}
    for name in text:gmatch("%-%-%-@field ([%w_]+)") do
      assert.is_not_nil(spec[name], name)
    end
    assert.is_function(spec.tree)
  end)
end)
