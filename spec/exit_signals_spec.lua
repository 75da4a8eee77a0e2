-- Links and monitors as Erlang documents them, one behaviour a test. spec/otp_spec.lua lets the VM
-- itself judge the same module.

local exit_signals = require "ringkernel.exit_signals"

describe("exit signals", function()
  local s, ended

  before_each(function()
    ended = {}
    s = exit_signals.new {
      ended = function(process, reason)
        ended[#ended + 1] = process .. ":" .. reason
      end,
    }
    for _, process in ipairs { "a", "b", "c" } do
      s:add(process)
    end
  end)

  --- What a process has not read: "exit a crash", "down b crash".
  local function read(process)
    local out, message = {}, s:receive(process)
    while message do
      out[#out + 1] = ("%s %s %s"):format(message.kind, message.from, message.reason)
      message = s:receive(process)
    end
    return table.concat(out, ", ")
  end

  it("end those linked, and those linked to them, with the same reason", function()
    s:link("a", "b")
    s:link("b", "c")
    s:exit_self("a", "crash")
    assert.same({ "b:crash", "c:crash" }, ended)
  end)

  it("go both ways along a link", function()
    s:link("a", "b")
    s:exit_self("b", "crash")
    assert.same({ "a:crash" }, ended)
  end)

  it("with the reason normal end nobody, but the link is gone", function()
    s:link("a", "b")
    s:exit_self("a", "normal")
    assert.is_true(s:is_alive("b"))
    assert.is_false(s:is_alive("a"))
    assert.equal("", read("b"))
  end)

  it("are messages to a process that traps them, normal ones too", function()
    s:trap_exit("b", true)
    s:link("a", "b")
    s:link("c", "b")
    s:exit_self("a", "crash")
    s:exit_self("c", "normal")
    assert.equal("exit a crash, exit c normal", read("b"))
    assert.same({}, ended)
  end)

  it("come once over a link that was made twice", function()
    s:trap_exit("b", true)
    s:link("a", "b")
    s:link("b", "a")
    s:exit_self("a", "crash")
    assert.equal("exit a crash", read("b"))
  end)

  it("do not come over a link that was taken away by either side", function()
    s:link("a", "b")
    s:unlink("b", "a")
    s:exit_self("a", "crash")
    assert.is_true(s:is_alive("b"))
  end)

  it("that arrived before unlink stay to be read", function()
    s:trap_exit("b", true)
    s:link("a", "b")
    s:exit_self("a", "crash")
    s:unlink("b", "a")
    assert.equal("exit a crash", read("b"))
  end)

  it("'kill' cannot be trapped and reaches the linked as 'killed'", function()
    s:trap_exit("b", true)
    s:trap_exit("c", true)
    s:link("b", "c")
    s:exit("a", "b", "kill")
    assert.same({ "b:killed" }, ended)
    assert.equal("exit b killed", read("c"))
  end)

  it("with the reason kill of one's own end are ordinary to the linked", function()
    s:trap_exit("b", true)
    s:link("a", "b")
    s:exit_self("a", "kill")
    assert.equal("exit a kill", read("b"))
  end)

  it("'normal' from another process is ignored, from oneself it is not", function()
    s:exit("a", "b", "normal")
    assert.same({}, ended)
    s:exit("b", "b", "normal")
    assert.same({ "b:normal" }, ended)
  end)

  it("to a process that is gone mean nothing", function()
    s:exit_self("b", "crash")
    s:exit("a", "b", "kill")
    assert.same({}, ended)
  end)

  it("stop at a process that traps them", function()
    s:trap_exit("b", true)
    s:link("a", "b")
    s:link("b", "c")
    s:exit_self("a", "crash")
    assert.is_true(s:is_alive("c"))
  end)

  it("cannot be had from a process that is gone: linking fails, or is told to one that traps",
    function()
      s:exit_self("a", "crash")
      assert.same({ nil, "noproc" }, { s:link("b", "a") })
      s:trap_exit("b", true)
      assert.is_true(s:link("b", "a"))
      assert.equal("exit a noproc", read("b"))
    end)

  it("end a circle of links once each", function()
    s:link("a", "b")
    s:link("b", "c")
    s:link("c", "a")
    s:exit_self("a", "crash")
    table.sort(ended)
    assert.same({ "b:crash", "c:crash" }, ended)
  end)

  it("go on after a host that raises", function()
    local host = s.host
    s.host = { ended = function()
      error("mine", 0)
    end }
    s:link("a", "b")
    assert.has_error(function()
      s:exit_self("a", "crash")
    end, "mine")
    s.host = host
    s:exit("b", "c", "crash")
    assert.same({ "c:crash" }, ended)
  end)

  describe("of a monitor", function()
    it("are one message about the end, for any reason, and no harm", function()
      s:monitor("a", "b")
      s:exit_self("b", "normal")
      assert.equal("down b normal", read("a"))
      assert.is_true(s:is_alive("a"))
    end)

    it("come once for each monitor, in the order they were made", function()
      local first, second = s:monitor("a", "b"), s:monitor("a", "b")
      s:exit_self("b", "crash")
      assert.equal(first, s:receive("a").monitor)
      assert.equal(second, s:receive("a").monitor)
      assert.is_nil(s:receive("a"))
    end)

    it("go one way", function()
      s:monitor("a", "b")
      s:exit_self("a", "crash")
      assert.equal("", read("b"))
      assert.same({}, ended)
    end)

    it("say noproc about a process that is gone", function()
      s:exit_self("b", "crash")
      s:monitor("a", "b")
      assert.equal("down b noproc", read("a"))
    end)

    it("do not come after demonitor", function()
      local monitor = s:monitor("a", "b")
      s:demonitor(monitor)
      s:exit_self("b", "crash")
      assert.equal("", read("a"))
    end)

    it("that arrived before demonitor stay, unless it flushes", function()
      local kept, flushed = s:monitor("a", "b"), s:monitor("a", "b")
      s:monitor("a", "c")
      s:exit_self("b", "crash")
      s:exit_self("c", "crash")
      s:demonitor(kept)
      s:demonitor(flushed, true)
      assert.equal("down b crash, down c crash", read("a"))
    end)

    it("never come about oneself", function()
      s:monitor("a", "a")
      s:exit_self("a", "crash")
      assert.is_nil(s:receive("a"))
    end)
  end)
end)
