-- The administration of a running supervisor as OTP documents it, one behaviour a test, and what
-- the engine promises to its world. See supervisor_spec.lua.

local nursery = dofile("spec/otp/nursery.lua")

local worker, nested = nursery.worker, nursery.nested

local function running(spec, plan)
  spec.intensity = spec.intensity or 10
  local n = nursery.open(spec, plan)
  n:take()
  return n
end

local function pair(plan)
  return running({ children = { worker "a", worker "b" } }, plan)
end

describe("start_child", function()
  it("starts a child and puts its specification behind the others", function()
    local n = pair()
    assert.equal("c#1", n:ask("root", "start_child", worker "c").name)
    assert.equal("c=c#1 b=b#1 a=a#1", n:which())
  end)

  it("answers already_started, and with whom, for the id of a child that runs", function()
    local n = pair()
    local ref, word, other = n:ask("root", "start_child", worker "a")
    assert.same({ nil, "already_started", "a#1" }, { ref, word, other.name })
  end)

  it("answers already_present for the id of a child that was stopped", function()
    local n = pair()
    n:ask("root", "terminate_child", "a")
    assert.same({ nil, "already_present" }, { n:ask("root", "start_child", worker "a") })
  end)

  it("keeps nothing of a child that does not start", function()
    local n = pair { c = { "e1" } }
    assert.same({ nil, "e1" }, { n:ask("root", "start_child", worker "c") })
    assert.equal("b=b#1 a=a#1", n:which())
  end)

  it("keeps the specification of a child whose start is ignored", function()
    local n = pair { c = { "ignore" } }
    assert.same({ n = 1 }, table.pack(n:ask("root", "start_child", worker "c")))
    assert.equal("c=none b=b#1 a=a#1", n:which())
  end)

  it("keeps nothing of a temporary child whose start is ignored", function()
    local n = pair { c = { "ignore" } }
    n:ask("root", "start_child", worker("c", { restart = "temporary" }))
    assert.equal("b=b#1 a=a#1", n:which())
  end)

  it("raises for a child that is wrong in itself", function()
    local n = pair()
    assert.error_matches(function()
      n.root:start_child { id = "c" }
    end, "start_child: child 'c': option 'start' is missing")
    assert.error_matches(function()
      n.root:start_child(worker("c", { significant = true, restart = "transient" }))
    end, "auto_shutdown is 'never'")
  end)
end)

describe("terminate_child", function()
  it("stops a child and keeps its specification", function()
    local n = pair()
    assert.is_true(n:ask("root", "terminate_child", "a"))
    assert.equal("-a#1:shutdown", n:take())
    assert.equal("b=b#1 a=none", n:which())
  end)

  it("forgets a temporary child", function()
    local n = running { children = { worker("a", { restart = "temporary" }) } }
    n:ask("root", "terminate_child", "a")
    assert.equal("", n:which())
  end)

  it("is fine with a child that does not run", function()
    local n = pair()
    n:ask("root", "terminate_child", "a")
    assert.is_true(n:ask("root", "terminate_child", "a"))
  end)

  it("answers not_found for an id it does not know", function()
    assert.same({ nil, "not_found" }, { pair():ask("root", "terminate_child", "z") })
  end)

  it("answers when the child has ended, not before", function()
    local n = running { children = { worker("a", { shutdown = 1 }, "stubborn") } }
    local answer
    n.root:terminate_child("a", function(value)
      answer = value
    end)
    assert.is_nil(answer)
    n:wait(1)
    assert.is_true(answer)
  end)

  it("lets later messages wait until the child has ended", function()
    local n = running { children = { worker("a", { shutdown = 1 }, "stubborn"), worker "b" } }
    n.root:terminate_child("a")
    n:crash("b")
    assert.equal("?a#1 -b#1:crash", n:take())
    n:wait(1)
    assert.equal("-a#1:killed +b#2", n:take())
  end)

  it("puts an end to the tries of a restart", function()
    local n = pair { a = { "ok", "e1" } }
    n.root:suspend()
    n:crash("a")
    local words = {}
    n.root:which_children(function(list)
      words[1] = list[2].is_restarting
    end)
    n.root:terminate_child("a", function(value)
      words[2] = value
    end)
    n.root:resume()
    assert.same({ true, true }, words)
    assert.equal("-a#1:crash !a:e1", n:take())
    assert.equal("b=b#1 a=none", n:which())
  end)
end)

describe("restart_child", function()
  it("starts a child that was stopped, at its old place", function()
    local n = pair()
    n:ask("root", "terminate_child", "a")
    assert.equal("a#2", n:ask("root", "restart_child", "a").name)
    assert.equal("b=b#1 a=a#2", n:which())
  end)

  it("starts a transient child that ended normally", function()
    local n = running { children = { worker("a", { restart = "transient" }) } }
    n:crash("a", "normal")
    assert.equal("a#2", n:ask("root", "restart_child", "a").name)
  end)

  it("answers the reason of a start that fails, and keeps the specification", function()
    local n = pair { a = { "ok", "e1" } }
    n:ask("root", "terminate_child", "a")
    assert.same({ nil, "e1" }, { n:ask("root", "restart_child", "a") })
    assert.equal("b=b#1 a=none", n:which())
  end)

  it("answers running, restarting and not_found", function()
    local n = pair { a = { "ok", "e1" } }
    assert.same({ nil, "running" }, { n:ask("root", "restart_child", "a") })
    assert.same({ nil, "not_found" }, { n:ask("root", "restart_child", "z") })
    n.root:suspend()
    n:crash("a")
    local word
    n.root:restart_child("a", function(_, reason)
      word = reason
    end)
    n.root:resume()
    assert.equal("restarting", word)
  end)
end)

describe("delete_child", function()
  it("forgets the specification of a child that was stopped", function()
    local n = pair()
    n:ask("root", "terminate_child", "a")
    assert.is_true(n:ask("root", "delete_child", "a"))
    assert.equal("b=b#1", n:which())
    assert.equal("a#2", n:ask("root", "start_child", worker "a").name)
  end)

  it("answers running and not_found", function()
    local n = pair()
    assert.same({ nil, "running" }, { n:ask("root", "delete_child", "a") })
    assert.same({ nil, "not_found" }, { n:ask("root", "delete_child", "z") })
  end)
end)

describe("which_children and count_children", function()
  it("list the newest child first", function()
    assert.equal("b=b#1 a=a#1", pair():which())
  end)

  it("count specifications, living children, supervisors and workers", function()
    local n = running { children = { worker "a", nested("s", { children = { worker "x" } }),
      worker "b" } }
    n:ask("root", "terminate_child", "b")
    assert.equal("3/2/1/2", n:counts())
    assert.equal("1/1/0/1", n:counts("s"))
  end)

  it("do not count a child as active whose end was not read yet", function()
    local n = pair()
    n.root:suspend()
    local active
    n.root:count_children(function(count)
      active = count.active
    end)
    n:crash("a")
    n.root:resume()
    assert.equal(1, active)
  end)

  it("are answered 'noproc' by a supervisor that is gone", function()
    local n = pair()
    n.root:stop()
    assert.same({ nil, "noproc" }, { n:ask("root", "count_children") })
  end)

  it("go with get_child, which gives the specification with its defaults", function()
    local n = pair()
    local child = n:ask("root", "get_child", "a")
    assert.same({ "a", "permanent", 5, "worker", false },
      { child.id, child.restart, child.shutdown, child.type, child.significant })
    assert.same({ nil, "not_found" }, { n:ask("root", "get_child", "z") })
  end)
end)

describe("the engine", function()
  it("knows nothing of refs that were never born or have ended", function()
    local n = pair()
    local old = n.last.a
    n:crash("a")
    assert.is_false(n.engine:exited(old, "again"))
    assert.is_false(n.engine:exited({}, "crash"))
  end)

  it("goes on after a callback that raises", function()
    local n = pair()
    assert.error_matches(function()
      n.root:count_children(function()
        error("mine")
      end)
    end, "mine")
    n:crash("a")
    assert.equal("b=b#1 a=a#2", n:which())
  end)

  it("ends a supervisor whose world raises, and tells its owner", function()
    local n = running { children = { nested("s", { children = { worker "x" } }) } }
    local stop = n.stop_child
    n.stop_child = function(self, ref, signal)
      n.stop_child = stop
      stop(self, ref, signal)
      error("broken", 0)
    end
    n.last.s:terminate_child("x")
    assert.matches("-s#1:broken %+x#2 %+s#2", n:take())
  end)

  it("keeps order over a long run without growing", function()
    local n = running { intensity = 1000000, children = { worker "a" } }
    for _ = 1, 1000 do
      n:crash("a")
      n:wait(1)
    end
    n.events, n.told = {}, {}
    local size = 0
    for _ in pairs(n.engine.lives) do
      size = size + 1
    end
    assert.equal(2, size)
    assert.equal(0, #n.engine.tasks)
    assert.is_true(n.root.restart_last - n.root.restart_first < 10)
  end)
end)
