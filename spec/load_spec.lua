-- rt:load: several definitions at once.

local core = require "ringkernel.core"
local rk = require "ringkernel"
local support = dofile "spec/support.lua"

local Number = support.Number

local TAG = ("%d_%d"):format(os.time(), math.floor(core.clock() * 1e9))

--- A definition of this run alone: no cache has it.
local function adds(n)
  return rk.kernel {
    name = "adds" .. n, accepts = { Number }, emits = { Number },
    source = ([[
      /* %s */
      RK_ON(Number) {
        (void)state;
        Number out;
        out.n = msg->n + %d;
        rk_reply(ctx, Number, &out);
      }
    ]]):format(TAG, n),
  }
end

local broken = rk.kernel {
  name = "broken", accepts = { Number }, source = "RK_ON(Number) { oops }",
}

--- How many images with definitions of this run were compiled so far.
local function images()
  local pipe = assert(io.popen(("grep -l %s '%s'/cuda/*.cu 2>/dev/null | wc -l"):format(TAG,
    core.cache_dir())))
  local count = pipe:read("n")
  pipe:close()
  return count
end

describe("rt:load", function()
  local rt
  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)
  after_each(function()
    rt:close()
  end)

  it("makes definitions ready, in one image where all code is one", function()
    local list = { adds(1), adds(2), adds(3), rk.stock.echo, adds(4) }
    assert.is_true(rt:load(list))
    assert.is_true(rt:load(list))
    for _, i in ipairs { 5, 3, 2, 1 } do
      local a = assert(rt:launch(list[i]))
      assert.equal(10 + (i == 5 and 4 or i), a:call(Number { n = 10 }, 20).n)
    end
    assert.equal("x", assert(rt:launch("echo")):call(rk.stock.echo.messages.Echo { text = "x" }, 20)
      .text)
    if rt.backend == "cuda" then
      assert.equal(1, images())
    end
  end)

  it("names the one that does not compile; the others are not the worse for it", function()
    local good = adds(1)
    local ok, message, code, log = rt:load { good, broken, adds(2) }
    assert.is_nil(ok)
    assert.matches("broken", message)
    assert.equal("compile", code)
    assert.matches("oops", log)
    assert.equal(11, assert(rt:launch(good)):call(Number { n = 10 }, 20).n)
  end)

  it("refuses what is no definition", function()
    assert.error_matches(function()
      rt:load { adds(1), "echo" }
    end, "definition 2: a kernel definition expected, got 'echo'")
    assert.error_matches(function()
      rt:load()
    end, "table expected")
    assert.is_true(rt:load {})
    rt:close()
    assert.equal("closed", select(3, rt:load { adds(1) }))
  end)

  it("serves supervisors and topologies", function()
    local before = images()
    local one, two, three = adds(1), adds(2), adds(3)
    local sup = assert(rt:supervise(rk.supervisor { children = {
      { id = "a", start = one },
      { id = "nested", start = rk.supervisor { children = { { id = "b", start = two } } } },
      { id = "c", start = three },
    } }))
    assert.equal(11, sup.a:call(Number { n = 10 }, 20).n)
    if rt.backend == "cuda" then
      assert.equal(before + 1, images())
    end
    local net = rk.topology { actors = { x = adds(6), y = adds(7) }, links = {} }
    assert.equal(17, assert(rt:deploy(net)).y:call(Number { n = 10 }, 20).n)
    assert.equal(11, sup.a:call(Number { n = 10 }, 20).n) -- its grid was renewed
    if rt.backend == "cuda" then
      assert.equal(before + 2, images())
    end
  end)
end)
