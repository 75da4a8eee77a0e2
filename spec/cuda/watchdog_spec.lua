-- Grids that do not do what they should: handlers that never return, code of another build.

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" then
  pending "grids that misbehave: make test-cuda runs them"
  return
end

local apart = dofile("spec/cuda/support.lua")

describe("a block that does not get on", function()
  local output, how, status

  setup(function()
    output, how, status = apart.run("RINGKERNEL_LOG=error", apart.loop .. [[
      local rt = assert(rk.open { blocks = 2, grace = 1 })
      local spinner = assert(rt:launch(Loop, { name = "spinner" }))
      local other = assert(rt:launch("echo"))
      rt:on("failure", function(e) print("event " .. e.actor.name .. ": " .. e.reason) end)
      assert(spinner:send(N { n = 1 }))
      local _, text, code = rt:poll(30)
      if not code then _, text, code = rt:poll(0) end
      print("poll " .. code .. ": " .. text)
      print("send " .. select(3, other:send(rk.stock.echo.messages.Echo { seq = 1 })))
      print("terminate " .. select(3, spinner:terminate()))
      print("receive " .. select(3, other:receive(1)))
      rt:close()
      print("closed")
      print("again " .. select(3, rk.open { blocks = 1 }))
    ]])
  end)

  it("is found, with the actor named, and every call says so", function()
    assert.matches("event spinner: its handler does not return\n", output)
    assert.matches("poll device_lost: block %d has not got on for 1 s: the handler of actor "
      .. "'spinner' does not return", output)
    for _, call in ipairs { "send", "terminate", "receive", "again" } do
      assert.matches("\n" .. call .. " device_lost\n", output)
    end
  end)

  it("is left behind by close and by the end of the process", function()
    assert.matches("is left behind; this process cannot use the device any more\n", output)
    assert.matches("\nclosed\n", output)
    assert.matches("the process leaves without it\n$", output)
    assert.same({ "exit", 1 }, { how, status })
  end)

  it("is named when it does not answer a command", function()
    local text = apart.run("RINGKERNEL_LOG=off", apart.loop .. [[
      local rt = assert(rk.open { blocks = 1, grace = 0 })
      local spinner = assert(rt:launch(Loop, { name = "spinner" }))
      spinner:send(N { n = 1 })
      rt:poll(0.2) -- a command overtakes messages that are not handled yet
      print(spinner:terminate())
    ]])
    assert.matches("block 0 did not answer within 5 s: the handler of actor 'spinner' does not "
      .. "return\ttimeout\n", text)
  end)
end)

describe("a block that waits for another", function()
  it("is not the one that does not get on", function()
    local text = apart.run("RINGKERNEL_LOG=off", apart.loop .. [[
      local rt = assert(rk.open { blocks = 2, grace = 1 })
      local Both = rk.kernel { name = "both", accepts = { N },
        source = "RK_ON(N) { (void)state; (void)msg; rk_sync(ctx); }" }
      local both = assert(rt:launch(Both, { grid = 2, block = 0 }))
      local spinner = assert(rt:launch(Loop, { name = "spinner", block = 1 }))
      spinner:send(N { n = 1 })
      rt:poll(0.2)
      both:send(N { n = 1 }) -- block 0 calls block 1 and stands at the barrier
      local _, text, code = rt:poll(30)
      if not code then _, text, code = rt:poll(0) end
      print(text)
    ]])
    assert.matches("^block 1 has not got on for 1 s: the handler of actor 'spinner'", text)
  end)
end)

describe("a grid", function()
  it("of other structures than the library's is refused before it runs", function()
    local output, how, status = apart.run("RKFAKE_CXXFLAGS=-DRK_HELLO_SALT=1u", [[
      local rt = assert(rk.open { blocks = 2 })
      print(select(2, rt:launch("echo")))
      rt:close()
      print("closed")
    ]])
    assert.matches("^the device's code was compiled for other structures than this library; "
      .. "[^\n]*\tversion\t?\nclosed\n$", output)
    assert.same({ "exit", 0 }, { how, status })
  end)

  it("that idles for longer than the grace is not taken for lost", function()
    local output = apart.run("", [[
      local rt = assert(rk.open { blocks = 2, grace = 1, policy = "eco" })
      local a = assert(rt:launch("echo"))
      for _ = 1, 3 do rt:poll(0.6) end
      print(a:call(rk.stock.echo.messages.Echo { seq = 5 }, 5).seq)
    ]])
    assert.equal("5\n", output)
  end)
end)
