-- Supervision as OTP documents it, one behaviour a test, over children that are only names
-- (spec/otp/nursery.lua). spec/otp_spec.lua lets OTP itself judge the same engine.

local nursery = dofile("spec/otp/nursery.lua")

local worker, nested = nursery.worker, nursery.nested

local function three(strategy, options)
  options = options or {}
  return nursery.open({ strategy = strategy, intensity = 10,
    children = { worker("a", options.a), worker("b", options.b), worker("c", options.c) } },
    options.plan)
end

--- What a tree does after it has started.
local function running(spec, plan)
  spec.intensity = spec.intensity or 10
  local n = nursery.open(spec, plan)
  n:take()
  return n
end

describe("starting a supervisor", function()
  it("starts the children in the order they are listed", function()
    assert.equal("+a#1 +b#1 +c#1 +root", three("one_for_one"):take())
  end)

  it("starts with no children at all", function()
    local n = nursery.open { children = {} }
    assert.equal("0/0/0/0", n:counts())
  end)

  it("starts a nested supervisor with all its children before the next child", function()
    local n = nursery.open { children = { nested("s", { children = { worker "x", worker "y" } }),
      worker "a" } }
    assert.equal("+x#1 +y#1 +s#1 +a#1 +root", n:take())
  end)

  it("stops those already started, newest first, when a child does not start", function()
    local n = three("one_for_one", { plan = { c = { "e1" } } })
    assert.equal("+a#1 +b#1 !c:e1 -b#1:shutdown -a#1:shutdown !root:"
      .. "{shutdown,{failed_to_start_child,c,e1}}", n:take())
    assert.is_nil(n.root)
    assert.equal("{shutdown,{failed_to_start_child,c,e1}}", nursery.text(n.problem))
  end)

  it("fails when a nested supervisor fails, with the reasons inside each other", function()
    local n = nursery.open({ children = { nested("s", { children = { worker "x" } }) } },
      { x = { "e1" } })
    assert.equal("{shutdown,{failed_to_start_child,s,{shutdown,{failed_to_start_child,x,e1}}}}",
      nursery.text(n.problem))
  end)

  it("takes an error raised by a start for a failure", function()
    assert.matches("{failed_to_start_child,a,boom}",
      nursery.text(three("one_for_one", { plan = { a = { "raise" } } }).problem))
  end)

  it("keeps the specification of a child whose start was ignored", function()
    local n = three("one_for_one", { plan = { b = { "ignore" } } })
    assert.equal("+a#1 ~b +c#1 +root", n:take())
    assert.equal("c=c#1 b=none a=a#1", n:which())
  end)

  it("forgets a temporary child whose start was ignored", function()
    local n = three("one_for_one", { b = { restart = "temporary" }, plan = { b = { "ignore" } } })
    assert.equal("c=c#1 a=a#1", n:which())
  end)
end)

describe("stopping a supervisor", function()
  it("stops the children in the reverse order", function()
    local n = running { children = { worker "a", worker "b", worker "c" } }
    n.root:stop()
    assert.equal("-c#1:shutdown -b#1:shutdown -a#1:shutdown -root:shutdown", n:take())
    assert.equal("shutdown", n.ended)
  end)

  it("lets a nested supervisor stop its own children first", function()
    local n = running { children = { nested("s", { children = { worker "x", worker "y" } }) } }
    n.root:stop()
    assert.equal("-y#1:shutdown -x#1:shutdown -s#1:shutdown -root:shutdown", n:take())
  end)

  it("waits as long as `shutdown` says, then kills", function()
    local n = running { children = { worker("a", { shutdown = 2 }, "stubborn") } }
    n.root:stop()
    assert.equal("?a#1", n:take())
    n:wait(1.9)
    assert.equal("", n:take())
    n:wait(0.1)
    assert.equal("-a#1:killed -root:shutdown", n:take())
  end)

  it("waits five seconds for a worker that says nothing about it", function()
    local n = running { children = { worker("a", {}, "stubborn") } }
    n.root:stop()
    n:wait(4.9)
    assert.equal("?a#1", n:take())
    n:wait(0.2)
    assert.equal("-a#1:killed -root:shutdown", n:take())
  end)

  it("waits for ever with 'infinity'", function()
    local n = running { children = { worker("a", { shutdown = "infinity" }, "stubborn") } }
    n.root:stop()
    assert.is_nil(n.engine:deadline())
    n:wait(1e6)
    assert.is_true(n:is_up())
    n:crash("a", "at last")
    assert.equal("shutdown", n.ended)
  end)

  it("waits for ever for a supervisor that says nothing about it", function()
    local n = running { children = { nested("s",
      { children = { worker("x", { shutdown = 60 }, "stubborn") } }) } }
    n.root:stop()
    n:wait(59)
    assert.is_true(n:is_up())
    n:wait(1)
    assert.equal("?x#1 -x#1:killed -s#1:shutdown -root:shutdown", n:take())
  end)

  it("kills at once with 'brutal_kill'", function()
    local n = running { children = { worker("a", { shutdown = "brutal_kill" }, "stubborn") } }
    n.root:stop()
    assert.equal("-a#1:killed -root:shutdown", n:take())
  end)

  it("accepts that a child ends for a reason of its own", function()
    local n = running { children = { worker "a", worker("b", {}, "sour") } }
    n.root:stop()
    assert.equal("-b#1:sour -a#1:shutdown -root:shutdown", n:take())
  end)

  it("does not stop a child that has ended by itself meanwhile", function()
    local n = running { children = { worker "a", worker("b", { shutdown = 2 }, "stubborn") } }
    n.root:stop()
    n:crash("a")
    n:wait(2)
    assert.equal("?b#1 -a#1:crash -b#1:killed -root:shutdown", n:take())
  end)

  it("ends for the reason it was given", function()
    local n = running { children = { worker "a" } }
    n.root:stop("enough")
    assert.equal("enough", n.ended)
  end)

  it("takes its children with it when it is killed", function()
    local n = running { children = { worker("a", {}, "stubborn"),
      nested("s", { children = { worker "x" } }) } }
    n.root:kill()
    assert.equal("-root:killed -a#1:killed -x#1:shutdown -s#1:killed", n:take())
  end)
end)

describe("a permanent child", function()
  for _, reason in ipairs { "normal", "shutdown", "crash", "killed" } do
    it("is restarted after the end '" .. reason .. "'", function()
      local n = running { children = { worker "a" } }
      n:crash("a", reason)
      assert.equal("-a#1:" .. reason .. " +a#2", n:take())
    end)
  end
end)

describe("a transient child", function()
  for _, reason in ipairs { "normal", "shutdown", { "shutdown", "done" } } do
    it("is not restarted after the end " .. nursery.text(reason), function()
      local n = running { children = { worker("a", { restart = "transient" }) } }
      n:crash("a", reason)
      assert.equal("-a#1:" .. nursery.text(reason), n:take())
      assert.equal("a=none", n:which())
    end)
  end

  for _, reason in ipairs { "crash", "killed", { "shutdown", "a", "b" }, { "other", "x" } } do
    it("is restarted after the end " .. nursery.text(reason), function()
      local n = running { children = { worker("a", { restart = "transient" }) } }
      n:crash("a", reason)
      assert.equal("-a#1:" .. nursery.text(reason) .. " +a#2", n:take())
    end)
  end
end)

describe("a temporary child", function()
  for _, reason in ipairs { "normal", "crash" } do
    it("is forgotten after the end '" .. reason .. "'", function()
      local n = running { children = { worker("a", { restart = "temporary" }), worker "b" } }
      n:crash("a", reason)
      assert.equal("-a#1:" .. reason, n:take())
      assert.equal("b=b#1", n:which())
    end)
  end

  it("does not use up restarts", function()
    local n = running { intensity = 0, children = { worker("a", { restart = "temporary" }) } }
    n:crash("a")
    assert.is_true(n:is_up())
  end)
end)

describe("one_for_one", function()
  it("restarts the child and no other", function()
    local n = three("one_for_one")
    n:take()
    n:crash("b")
    assert.equal("-b#1:crash +b#2", n:take())
    assert.equal("c=c#1 b=b#2 a=a#1", n:which())
  end)
end)

describe("one_for_all", function()
  it("stops the others newest first and starts all in order", function()
    local n = three("one_for_all")
    n:take()
    n:crash("b")
    assert.equal("-b#1:crash -c#1:shutdown -a#1:shutdown +a#2 +b#2 +c#2", n:take())
  end)

  it("leaves the others alone when the child is not to be restarted", function()
    local n = three("one_for_all", { b = { restart = "transient" } })
    n:take()
    n:crash("b", "normal")
    assert.equal("-b#1:normal", n:take())
  end)

  it("forgets temporary children that it stops", function()
    local n = three("one_for_all", { a = { restart = "temporary" } })
    n:take()
    n:crash("c")
    assert.equal("-c#1:crash -b#1:shutdown -a#1:shutdown +b#2 +c#2", n:take())
  end)

  it("starts children again that were stopped by hand", function()
    local n = three("one_for_all")
    n:ask("root", "terminate_child", "a")
    n:take()
    n:crash("c")
    assert.equal("-c#1:crash -b#1:shutdown +a#2 +b#2 +c#2", n:take())
  end)

  it("tries the whole group again when one does not start", function()
    local n = three("one_for_all", { plan = { b = { "ok", "e1" } } })
    n:take()
    n:crash("c")
    assert.equal("-c#1:crash -b#1:shutdown -a#1:shutdown +a#2 !b:e1 "
      .. "-a#2:shutdown +a#3 +b#3 +c#2", n:take())
  end)
end)

describe("rest_for_one", function()
  it("stops those started after it, then starts it and them", function()
    local n = three("rest_for_one")
    n:take()
    n:crash("b")
    assert.equal("-b#1:crash -c#1:shutdown +b#2 +c#2", n:take())
  end)

  it("goes on from the one that did not start, keeping those before it", function()
    local n = three("rest_for_one", { plan = { b = { "ok", "e1" } } })
    n:take()
    n:crash("a")
    assert.equal("-a#1:crash -c#1:shutdown -b#1:shutdown +a#2 !b:e1 +b#3 +c#2", n:take())
  end)

  it("does not start temporary children again", function()
    local n = three("rest_for_one", { c = { restart = "temporary" } })
    n:take()
    n:crash("a")
    assert.equal("-a#1:crash -c#1:shutdown -b#1:shutdown +a#2 +b#2", n:take())
  end)

  it("does not restart a child that came up again with another's group meanwhile", function()
    local n = three("rest_for_one", { plan = { b = { "ok", "e1" } } })
    n:take()
    n.root:suspend()
    n:crash("b")
    n:crash("a")
    n.root:resume()
    assert.equal("-b#1:crash -a#1:crash -c#1:shutdown !b:e1 +a#2 +b#3 +c#2", n:take())
  end)

  it("puts children that were added later behind the others", function()
    local n = three("rest_for_one")
    n:ask("root", "start_child", worker "d")
    n:take()
    n:crash("c")
    assert.equal("-c#1:crash -d#1:shutdown +c#2 +d#2", n:take())
  end)
end)

describe("the restart limit", function()
  it("of 0 ends the supervisor at the first restart", function()
    local n = running { intensity = 0, children = { worker "a", worker "b" } }
    n:crash("a")
    assert.equal("-a#1:crash -b#1:shutdown -root:shutdown", n:take())
  end)

  it("of N allows N restarts within the period", function()
    local n = running { intensity = 3, children = { worker "a" } }
    for _ = 1, 3 do
      n:crash("a")
      assert.is_true(n:is_up())
    end
    n:crash("a")
    assert.is_false(n:is_up())
    assert.equal("shutdown", n.ended)
  end)

  it("is 1 in 5 seconds if nothing is said", function()
    local n = nursery.open { children = { worker "a" } }
    n:crash("a")
    n:wait(6)
    n:crash("a")
    assert.is_true(n:is_up())
    n:wait(5)
    n:crash("a")
    assert.is_false(n:is_up())
  end)

  it("slides: only restarts of the last period count", function()
    local n = running { intensity = 2, period = 10, children = { worker "a" } }
    for _ = 1, 20 do
      n:wait(5.5)
      n:crash("a")
    end
    assert.is_true(n:is_up())
    n:wait(4)
    n:crash("a")
    assert.is_false(n:is_up())
  end)

  it("counts whole seconds", function()
    local n = running { intensity = 1, period = 5, children = { worker "a" } }
    n:crash("a")
    n:wait(5.9)
    n:crash("a")
    assert.is_false(n:is_up())
  end)

  it("counts one restart for a whole group", function()
    local n = running { strategy = "one_for_all", intensity = 1,
      children = { worker "a", worker "b", worker "c" } }
    n:crash("a")
    assert.is_true(n:is_up())
  end)

  it("counts every try of a restart that fails", function()
    local n = running({ intensity = 3, children = { worker "a" } },
      { a = { "ok", "e1", "e2", "e3", "e4" } })
    n:crash("a")
    assert.equal("-a#1:crash !a:e1 !a:e2 !a:e3 -root:shutdown", n:take())
  end)

  it("tells which child went too far", function()
    local n = running { intensity = 0, children = { worker "a" } }
    n:crash("a")
    local last
    for _, event in ipairs(n.told) do
      last = event.event == "escalation" and event or last
    end
    assert.equal("a", last.id)
    assert.equal("crash", last.reason)
  end)
end)

describe("a nested supervisor that gives up", function()
  local function tree(restart)
    return running { children = { nested("s",
      { intensity = 0, children = { worker "x", worker "y" } }, { restart = restart }),
      worker "a" } }
  end

  it("is restarted with all its children if it is permanent", function()
    local n = tree("permanent")
    n:crash("x")
    assert.equal("-x#1:crash -y#1:shutdown -s#1:shutdown +x#2 +y#2 +s#2", n:take())
  end)

  it("has ended in an ordinary way for a transient one", function()
    local n = tree("transient")
    n:crash("x")
    assert.equal("-x#1:crash -y#1:shutdown -s#1:shutdown", n:take())
    assert.equal("a=a#1 s=none", n:which())
  end)

  it("takes the next one up with it when that has no restarts left", function()
    local n = running { intensity = 0, children = { worker "a",
      nested("s", { intensity = 0, children = { worker "x" } }) } }
    n:crash("x")
    assert.equal("-x#1:crash -s#1:shutdown -a#1:shutdown -root:shutdown", n:take())
  end)
end)
