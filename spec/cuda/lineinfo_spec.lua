-- RINGKERNEL_LINEINFO: what tools for the device (Nsight Compute, compute-sanitizer) read.

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" then
  pending "line information of device code: make test-cuda runs it"
  return
end

local apart = dofile("spec/cuda/support.lua")

local RUN = [[
  local N = rk.message("N", { { "n", "u32" } })
  local Own = rk.kernel { name = "own", accepts = { N }, emits = { N },
    source = "RK_ON(N) { N out = { msg->n + 1 }; rk_reply(ctx, N, &out); }" }
  local Twice = rk.global { name = "twice", params = { { "x", "f32*" } },
    source = "RK_GLOBAL() { x[rk_lane()] *= 2; }" }
  local rt = assert(rk.open { blocks = 1, max_actors = 64, ring_units = 128 })
  print(assert(rt:launch(Own)):call(N { n = 5 }, 20).n)
  local x = assert(rt:buffer("f32", 1))
  assert(rt:run(Twice, { grid = 1, block = 1 }, x))
  rt:close()
]]

-- Every image that a run leaves in its cache.
local function images(environment)
  local folder = os.tmpname()
  os.remove(folder)
  local output, how, status = apart.run(
    ("RKFAKE_CC=90 RINGKERNEL_CACHE=%s %s"):format(folder, environment), RUN)
  local found = {}
  local list = assert(io.popen("ls " .. apart.quote(folder) .. "/cuda/*.cubin"))
  for path in list:lines() do
    local file = assert(io.open(path, "rb"))
    found[#found + 1] = file:read("a")
    file:close()
  end
  list:close()
  os.execute("rm -rf " .. apart.quote(folder))
  assert.same({ "exit", 0, "6\n" }, { how, status, output })
  assert.equal(2, #found) -- the grid's and the ordinary kernel's
  return found
end

describe("device code", function()
  it("says its source lines when asked to", function()
    for _, image in ipairs(images("RINGKERNEL_LINEINFO=1")) do
      assert.truthy(image:find(".debug_line", 1, true))
    end
  end)

  it("does not by itself", function()
    for _, image in ipairs(images("")) do
      assert.falsy(image:find(".debug_line", 1, true))
    end
  end)

  it("with a value that is neither is not opened", function()
    local output = apart.run("RINGKERNEL_LINEINFO=yes", [[print(select(2, rk.open {}))]])
    assert.matches("RINGKERNEL_LINEINFO", output)
  end)
end)
