-- Dynamic children and automatic shutdown as OTP documents them, one behaviour a test. See
-- supervisor_spec.lua.

local nursery = dofile("spec/otp/nursery.lua")

local worker, nested = nursery.worker, nursery.nested

local function running(spec, plan)
  spec.intensity = spec.intensity or 10
  local n = nursery.open(spec, plan)
  n:take()
  return n
end

describe("simple_one_for_one", function()
  local function dynamic(options, how, plan, more)
    local spec = { strategy = "simple_one_for_one", children = { worker("d", options, how) } }
    for key, value in pairs(more or {}) do
      spec[key] = value
    end
    return running(spec, plan)
  end

  local function add(n, ...)
    return (n:ask("root", "start_child", { ... }))
  end

  it("starts nothing by itself", function()
    assert.equal("1/0/0/0", dynamic():counts())
  end)

  it("starts children with the arguments of the call", function()
    local n = dynamic()
    assert.equal("d#1", add(n, 7, 8).name)
    assert.equal("+d#1(7,8)", n:take())
    assert.equal("=d#1", n:which())
  end)

  it("restarts a child with the arguments it was started with", function()
    local n = dynamic()
    local first = add(n, 7)
    add(n, 8)
    n:take()
    n:end_of(first)
    assert.equal("-d#1:crash +d#3(7)", n:take())
    assert.equal("1/2/0/2", n:counts())
  end)

  it("tries a restart that failed again, with its arguments", function()
    local n = dynamic(nil, nil, { d = { "ok", "e1" } })
    n:end_of(add(n, 7))
    assert.equal("+d#1(7) -d#1:crash !d:e1 +d#3(7)", n:take())
  end)

  it("forgets children that are not to be restarted", function()
    local n = dynamic { restart = "transient" }
    n:end_of(add(n), "normal")
    assert.equal("1/0/0/0", n:counts())
  end)

  it("keeps nothing of a child whose start is ignored", function()
    local n = dynamic(nil, nil, { d = { "ignore" } })
    assert.is_nil(add(n))
    assert.equal("", n:which())
  end)

  it("drops a child whose restart is ignored", function()
    local n = dynamic(nil, nil, { d = { "ok", "ignore" } })
    n:end_of(add(n))
    assert.equal("1/0/0/0", n:counts())
    n.root:stop()
    assert.equal("shutdown", n.ended)
  end)

  it("has no ids: calls by id are answered simple_one_for_one", function()
    local n = dynamic()
    for _, method in ipairs { "terminate_child", "restart_child", "delete_child" } do
      assert.same({ nil, "simple_one_for_one" }, { n:ask("root", method, "d") })
    end
  end)

  it("terminates a child by its ref", function()
    local n = dynamic()
    local ref = add(n)
    assert.is_true(n:ask("root", "terminate_child", ref))
    assert.equal("1/0/0/0", n:counts())
    assert.is_true(n:ask("root", "terminate_child", ref)) -- it is as gone as it can be
  end)

  it("answers not_found for the ref of somebody else's living child", function()
    local n = running { children = { worker "a", nested("s",
      { strategy = "simple_one_for_one", children = { worker "d" } }) } }
    assert.same({ nil, "not_found" }, { n:ask("s", "terminate_child", n.last.a) })
  end)

  it("counts right after a child was terminated between two tries of its restart", function()
    local n = dynamic(nil, nil, { d = { "ok", "ok", "e1" } })
    local first = add(n)
    add(n)
    n.root:suspend()
    n:end_of(first)
    n.root:terminate_child(first)
    n.root:resume()
    assert.equal("1/1/0/1", n:counts())
  end)

  it("stops all its children together and kills those that take too long", function()
    local n = dynamic({ shutdown = 2 }, "stubborn")
    add(n)
    add(n)
    n:take()
    n.root:stop()
    assert.equal("?d#1 ?d#2", n:take())
    n:wait(2)
    assert.equal("-d#1:killed -d#2:killed -root:shutdown", n:take())
  end)

  it("counts restarts as the others do", function()
    local n = dynamic(nil, nil, nil, { intensity = 1 })
    n:end_of(add(n))
    n:end_of(add(n))
    assert.is_false(n:is_up())
  end)
end)

describe("automatic shutdown", function()
  local function tree(mode, restart)
    local options = { restart = restart or "transient", significant = true }
    return running { auto_shutdown = mode, children = { worker("a", options),
      worker("b", options), worker "c" } }
  end

  it("comes with the first significant child that ends: any_significant", function()
    local n = tree("any_significant")
    n:crash("a", "normal")
    assert.equal("-a#1:normal -c#1:shutdown -b#1:shutdown -root:shutdown", n:take())
  end)

  it("comes with the last one: all_significant", function()
    local n = tree("all_significant")
    n:crash("a", "normal")
    assert.is_true(n:is_up())
    n:crash("b", "normal")
    assert.equal("shutdown", n.ended)
  end)

  it("does not come while a significant child waits for another try of its restart", function()
    local n = running({ auto_shutdown = "all_significant", children = {
      worker("a", { restart = "transient", significant = true }),
      worker("b", { restart = "transient", significant = true }) } }, { a = { "ok", "e1" } })
    n.root:suspend()
    n:crash("a")
    n:crash("b", "normal")
    n.root:resume()
    assert.equal("-a#1:crash -b#1:normal !a:e1 +a#3", n:take())
    assert.is_true(n:is_up())
  end)

  it("does not come while a transient child is restarted", function()
    local n = tree("any_significant")
    n:crash("a", "crash")
    assert.is_true(n:is_up())
  end)

  it("comes with any end of a temporary child", function()
    local n = tree("any_significant", "temporary")
    n:crash("a", "crash")
    assert.equal("shutdown", n.ended)
  end)

  it("does not come when a significant child is stopped by a call", function()
    local n = tree("any_significant")
    n:ask("root", "terminate_child", "a")
    assert.is_true(n:is_up())
  end)

  it("comes under simple_one_for_one when no child is left", function()
    local n = running { strategy = "simple_one_for_one", auto_shutdown = "all_significant",
      children = { worker("d", { restart = "temporary", significant = true }) } }
    local first = n:ask("root", "start_child", {})
    local second = n:ask("root", "start_child", {})
    n:end_of(first)
    assert.is_true(n:is_up())
    n:end_of(second)
    assert.equal("shutdown", n.ended)
  end)
end)
