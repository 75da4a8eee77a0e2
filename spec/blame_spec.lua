-- Misuse of methods that are Lua around the core: it names the method and the caller's line, as
-- misuse of all others does, and never a file of the library. Errors that are no text are told.

local rk = require "ringkernel"
local support = dofile "spec/support.lua"

local Number, Adder = support.Number, support.Adder

describe("misuse of", function()
  local rt, a, tenant, loop
  setup(function()
    rt = assert(rk.open { blocks = 1 })
    a = assert(rt:launch(Adder, { name = "a" }))
    tenant = assert(rt:tenant("shop"))
    loop = rk.loop "poll"
  end)
  teardown(function()
    rt:close()
  end)

  local function said(fn)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    return message
  end

  local cases = {
    { "launch", "bad argument #1 to 'launch' %(a kernel definition", function()
      local _ = rt:launch(5)
    end },
    { "launch's options", "launch: option 'queue': a whole number from 1", function()
      local _ = rt:launch(Adder, { queue = 0 })
    end },
    { "launch's block", "block: one of the runtime's, 0 to 0, expected, got 9", function()
      local _ = rt:launch(Adder, { block = 9 })
    end },
    { "connect", "bad argument #1 to 'connect' %(ringkernel.actor expected", function()
      local _ = rt:connect("a", "next", a)
    end },
    { "disconnect", "bad argument #1 to 'disconnect'", function()
      local _ = rt:disconnect(nil, "next")
    end },
    { "trace", "bad argument #1 to 'trace' %(table expected", function()
      local _ = rt:trace(5)
    end },
    { "call", "bad argument #1 to 'call' %(a message", function()
      local _ = a:call(5)
    end },
    { "call with another type", "does not accept Reading", function()
      local _ = a:call(support.Reading {})
    end },
    { "restart", "restart: a table of options expected, got 5", function()
      local _ = a:restart(5)
    end },
    { "a tenant's launch", "bad argument #1 to 'launch'", function()
      local _ = tenant:launch(5)
    end },
    { "a tenant's buffer", "bad argument #1 to 'buffer' %(string expected", function()
      local _ = tenant:buffer()
    end },
    { "a tenant's send", "bad argument #1 to 'send' %(a message", function()
      local _ = tenant:send(a, 5)
    end },
    { "a tenant's publish", "bad argument #1 to 'publish' %(string expected", function()
      local _ = tenant:publish({}, Number {})
    end },
    { "a tenant's subscribe", "bad argument #2 to 'subscribe' %(an actor or a function", function()
      local _ = tenant:subscribe("x", 5)
    end },
    { "a loop's watch", "watch: a runtime %(rk.open%) expected, got 5", function()
      loop:watch(5)
    end },
    { "a loop's unwatch", "unwatch: a runtime %(rk.open%) expected, got nil", function()
      loop:unwatch()
    end },
    { "a loop's run", "run: timeout: seconds", function()
      local _ = loop:run("x")
    end },
    { "a loop's sleep", "sleep: seconds %(0 or more%) expected, got nil", function()
      loop:sleep()
    end },
  }
  for _, case in ipairs(cases) do
    it(case[1] .. " names the caller's line", function()
      local message = said(case[3])
      assert.matches("^spec/blame_spec.lua:%d+: ", message)
      assert.matches(case[2], message)
    end)
  end
end)

describe("braces that do not pair", function()
  local rt
  setup(function()
    rt = assert(rk.open { blocks = 1 })
  end)
  teardown(function()
    rt:close()
  end)

  local function launch(source)
    return rt:launch(rk.kernel { name = "braces", accepts = { Number }, source = source })
  end

  it("are an error of the user's line", function()
    for source, said in pairs {
      ["RK_ON(Number) {\n  if (msg->n) {\n  }\n"] = "braces:1: .*this '{' is not closed",
      ["RK_ON(Number) {\n  for (;;) {\n"] = "braces:2: .*this '{' is not closed",
      ["RK_ON(Number) { /* } */ // }\n  (void)\"}\"; (void)'}';"] = "braces:1: .*is not closed",
      ["RK_ON(Number) {\n}\n}\n"] = "braces:3: ",
    } do
      local a, message, code = launch(source)
      assert.is_nil(a)
      assert.equal("compile", code)
      assert.matches("^kernel 'braces': " .. said, message)
    end
    local _, message = rt:run(rk.global { name = "lone", source = "RK_GLOBAL() {" }, {})
    assert.matches("^kernel 'lone': lone:1: .*this '{' is not closed", message)
  end)

  it("are not looked for in comments, literals and macros", function()
    for _, source in ipairs {
      "RK_ON(Number) { (void)'\\''; (void)\"\\\"{\"; /* { */ } // {",
      "#define BEGIN if (msg->n) {\nRK_ON(Number) { BEGIN } BEGIN } }",
      "RK_ON(Number) {\n#if 0\n{\n#endif\n}",
    } do
      assert(launch(source))
    end
  end)
end)

describe("an error that is no text", function()
  local rt, said
  before_each(function()
    rt = assert(rk.open { blocks = 1 })
    said = {}
  end)
  after_each(function()
    rt:close()
  end)

  --- What is warned while fn runs.
  local function warnings(fn)
    local warn = _G.warn
    rawset(_G, "warn", function(...)
      said[#said + 1] = table.concat({ ... })
    end)
    local ok, message = pcall(fn)
    rawset(_G, "warn", warn)
    assert(ok, message)
    return table.concat(said, "\n")
  end

  local function poll_until(done)
    for _ = 1, 200 do
      rt:poll(0.01)
      if done() then
        return
      end
    end
    error("nothing happened")
  end

  it("in a function of a Lua actor is the reason of its failure", function()
    local reason
    rt:on("failure", function(event)
      reason = event.reason
    end)
    local a = assert(rt:launch(rk.actor { accepts = { Number }, on = { Number = function()
      error { code = 5 }
    end } }))
    assert(a:send(Number { n = 1 }))
    local text = warnings(function()
      poll_until(function()
        return reason
      end)
    end)
    assert.matches("^%(error object is a table value%)\nstack traceback:", reason)
    assert.matches("error in its function: %(error object is a table value%)", text)
  end)

  it("in a function of an event is told with where it was raised", function()
    rt:on("ended", function()
      error(setmetatable({}, { __tostring = function()
        return "told"
      end }))
    end)
    local a = assert(rt:launch(Adder))
    local text = warnings(function()
      assert(a:terminate())
      poll_until(function()
        return #said > 0
      end)
    end)
    assert.matches("in a function for 'ended': told\nstack traceback:.*blame_spec", text)
  end)

  it("in a subscriber's function counts, and is a warning", function()
    for _, thrown in ipairs { {}, setmetatable({}, { __tostring = function()
      return "told"
    end }) } do
      rt:subscribe("x", function()
        error(thrown)
      end)
    end
    assert(rt:publish("x", Number {}))
    poll_until(function()
      return rt:stats().callback_errors == 2
    end)
  end)
end)
