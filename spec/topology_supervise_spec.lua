-- SPDX-License-Identifier: MIT
--- Topologies with supervised actors.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number = support.Number
local error_of = support.error_of

--- Passes on; -13 makes it fail with 77, -99 stops it.
local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
  state = { { "starts", "i64" }, { "n", "i64" } },
  source = [[
RK_ON_START() { (void)ctx; state->starts += 1; }
RK_ON(Number) {
  if (msg->n == -13) { rk_fail(ctx, 77); return; }
  if (msg->n == -99) { rk_stop(ctx); return; }
  state->n += 1;
  (void)rk_send(ctx, RK_PORT_next, Number, msg);
}
]],
}
local Count = rk.kernel {
  name = "count", accepts = { Number }, state = { { "n", "i64" }, { "sum", "i64" } },
  source = "RK_ON(Number) { (void)ctx; state->n += 1; state->sum += msg->n; }",
}

describe("a supervised topology #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  local function until_true(fn, what)
    local deadline = core.clock() + 10
    while not fn() do
      assert.is_true(core.clock() < deadline, what or "it did not happen in time")
      rt:poll(0.005)
    end
  end

  local function net(options)
    options.actors = options.actors or { reader = Pass, smooth = Pass, sink = Count }
    options.links = options.links or { "reader.next -> smooth", "smooth.next -> sink" }
    options.supervise = options.supervise or rk.supervisor { intensity = 5, children = {
      { id = "smooth", start = Pass }, { id = "sink", start = Count, state = "keep" } } }
    return rk.topology(options)
  end

  it("starts supervised actors through their supervisor, linked", function()
    local sys = assert(rt:deploy(net { name = "plant" }))
    assert.equal("active", sys.smooth:state())
    assert.equal("plant/smooth", sys.smooth.name)
    assert.equal(sys.smooth, sys.supervisor.smooth)
    assert.equal(1, sys.smooth:peek_state().starts)
    assert.matches("^plant: running\n.*smooth: running", sys.supervisor:tree())
    for i = 1, 100 do
      assert.is_true(sys.reader:send(Number { n = i }))
    end
    until_true(function() return sys.sink:stats().processed == 100 end)
    assert.equal(5050, sys.sink:peek_state().sum)
  end)

  it("restarts what fails or stops under its handle, with queue and links", function()
    local restarts = {}
    rt:on("restart", function(event) restarts[#restarts + 1] = event.id end)
    local sys = assert(rt:deploy(net {}))
    local smooth = sys.smooth
    for _, n in ipairs { 1, 2, -13, 3, 4 } do
      assert.is_true(smooth:send(Number { n = n }))
    end
    until_true(function() return sys.sink:stats().processed == 4 end)
    assert.same({ "smooth" }, restarts)
    assert.is_true(smooth:send(Number { n = -99 })) -- ends by itself: permanent, so it begins anew
    until_true(function() return #restarts == 2 and smooth:state() == "active" end)
    assert.equal(smooth, sys.smooth)
    assert.equal(smooth, rt:find("smooth"))
    for n = 5, 10 do
      assert.is_true(sys.reader:send(Number { n = n }))
    end
    until_true(function() return sys.sink:peek_state().n == 10 end)
    assert.equal(55, sys.sink:peek_state().sum)
    assert.equal(1, #rt:dead_letters()) -- the one it failed on
  end)

  it("knows other children and nested supervisors", function()
    local sys = assert(rt:deploy(net { supervise = rk.supervisor { children = {
      { id = "inner", start = rk.supervisor { children = { { id = "sink", start = Count } } } },
      { id = "helper", start = Count },
    } } }))
    assert.equal(sys.sink, sys.supervisor:supervisor("inner").sink)
    assert.equal("helper", sys.helper.name)
    assert.is_nil(sys.nobody)
    assert.is_true(sys.reader:send(Number { n = 7 }))
    until_true(function() return sys.sink:stats().processed == 1 end)
    assert.same({ true, 0 }, { sys:stop() })
    assert.equal(0, #rt:actors())
  end)

  it("stops senders first and loses nothing, without a restart", function()
    local restarts = 0
    rt:on("restart", function() restarts = restarts + 1 end)
    local sys = assert(rt:deploy(net {}))
    local sink, ended = sys.sink, {}
    rt:watch("**", function(event)
      ended[#ended + 1] = event.event == "unregister" and event.name or nil
    end)
    for i = 1, 500 do
      assert.is_true(sys.reader:send(Number { n = i }))
    end
    assert.same({ true, 0 }, { sys:stop() })
    rt:drain()
    assert.same({ "reader", "smooth", "sink" }, ended)
    assert.equal("terminated", sink:state())
    assert.equal(0, restarts)
    assert.equal("stopped", (sys.supervisor:state()))
    assert.same({}, rt:dead_letters())
    assert.equal(0, #rt:actors())
  end)

  it("changes links around supervised actors, and leaves the actors themselves", function()
    local tree = rk.supervisor { children = { { id = "sink", start = Count } } }
    local actors = { reader = Pass, sink = Count }
    local sys = assert(rt:deploy(net { supervise = tree, actors = actors,
      links = { "reader.next -> sink" } }))
    for i = 1, 200 do
      assert.is_true(sys.reader:send(Number { n = i }))
    end
    local report = assert(sys:apply(net { supervise = tree,
      actors = { reader = Pass, extra = Pass, sink = Count },
      links = { "reader.next -> extra", "extra.next -> sink" } }))
    assert.same({ "extra" }, report.added)
    for i = 201, 400 do
      assert.is_true(sys.reader:send(Number { n = i }))
    end
    until_true(function() return sys.sink:stats().processed == 400 end)
    assert.equal(80200, sys.sink:peek_state().sum)
    local function refused(pattern, options)
      local done, text, code = sys:apply(net(options))
      assert.same({ nil, "unsupported" }, { done, code })
      assert.matches(pattern, text)
      assert.equal("active", sys.sink:state())
    end
    refused("'supervise' cannot be changed while it runs", {})
    refused("actor 'sink' is supervised", { supervise = tree, links = {},
      actors = { reader = Pass } })
    refused("actor 'sink' is supervised", { supervise = tree, links = {},
      actors = { reader = Pass, sink = { Count, queue = 3 } } })
  end)

  it("is deployed as a whole or not at all", function()
    local sys, text, code = rt:deploy(net { supervise = rk.supervisor { children = {
      { id = "smooth", start = Pass },
      { id = "bad", start = function() return nil, "no luck", "io" end } } } })
    assert.is_nil(sys)
    assert.equal("io", code)
    assert.matches("^deploy: supervise: .*no luck", text)
    assert.equal(0, #rt:actors())
  end)

  it("names what is wrong with the tree", function()
    local text = error_of(net, { actors = { a = Pass, b = { Pass, activate = false }, c = Pass,
      d = Pass, e = Pass }, links = {}, supervise = rk.supervisor { children = {
        { id = "a", start = Count }, { id = "b", start = Pass },
        { id = "c", start = Pass, launch = { queue = 5 } },
        { id = "s", start = rk.supervisor { strategy = "simple_one_for_one",
          children = { { id = "d", start = Pass } } } },
        { id = "e", start = Pass },
        { id = "t", start = rk.supervisor { children = { { id = "e", start = Pass } } } },
      } } })
    for _, pattern in ipairs {
      "5 mistakes", "child 'a': its start is not what the actor of that name is",
      "child 'b': its supervisor starts it", "child 'c': option 'launch' is said with the actor",
      "child 'd': simple_one_for_one makes its children itself", "child 'e': it stands there twice",
    } do
      assert.matches(pattern, text)
    end
    assert.matches("'supervise': a supervisor .* expected, got 5",
      error_of(rk.topology, { actors = { a = Pass }, supervise = 5 }))
  end)
end)
