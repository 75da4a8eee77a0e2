-- ThreadSanitizer over the CUDA backend: what the other specs of `make test-tsan` rely on is that
-- it sees the device's code, which the driver of the tests compiles, and the host's at the same
-- words. So a device that publishes without release must be reported, and one as it should be not.
--
-- It sees blocks, bridge and host as threads, lanes of a block as fibers, and every order that
-- rk_atomic.h spells. It does not see scopes (each order is the system's), nor how a bus or a cache
-- behaves: what the driver of the tests does between host and device (copies, launches, queries) is
-- ordered by its one lock, and orders more than a driver promises.

local build = os.getenv "BUILD" or "build"

if os.getenv "RINGKERNEL_BACKEND" ~= "cuda" or not build:find "tsan" then
  pending "ThreadSanitizer and device code: make test-tsan runs it"
  return
end

local apart = dofile("spec/cuda/support.lua")

-- Messages to the grid, between its blocks and back; `transport` is the form of the host's rings.
local TRAFFIC = [[
  local rt = assert(rk.open { blocks = 2, transport = "%s" })
  local a, b = assert(rt:launch("echo", { block = 0 })), assert(rt:launch("echo", { block = 1 }))
  for n = 1, 50 do
    for _, actor in ipairs { a, b } do
      assert(actor:call(rk.stock.echo.messages.Echo { seq = n, text = ("x"):rep(40) }, 30))
    end
  end
  rt:close()
]]

-- What a message is to carry beside itself: a buffer that its sender wrote before. Between blocks
-- of a cluster, whose lanes have the form that is left open.
local HANDED_ON = [[
  local Word = rk.message("Word", { { "data", "buffer" }, { "n", "u64" } })
  local Hand = rk.kernel { name = "hand", accepts = { Word }, emits = { Word },
    ports = { "next", burst = 1 }, source = "RK_ON(Word) { (void)state;"
      .. " rk_buffer_at(rk_u64, msg->data)[msg->n %% 64u] += msg->n;"
      .. " if (rk_send(ctx, RK_PORT_next, Word, msg) == RK_ENOT_FOUND)"
      .. " { (void)rk_send_to(ctx, RK_HOST, Word, msg); } }" }
  local rt = assert(rk.open { blocks = 2, cluster = 2, cluster_lanes = "%s" })
  local buffer = assert(rt:buffer("u64", 64))
  local a, b = assert(rt:launch(Hand, { block = 0 })), assert(rt:launch(Hand, { block = 1 }))
  assert(rt:connect(a, "next", b))
  for n = 1, 60 do
    assert(a:send(Word { data = buffer, n = n }))
    assert(assert(b:receive(30)).n == n)
  end
  assert(rt:stats().by_lane == 60)
  rt:close()
]]

local function reports(form, text, flags)
  local output, how, status = apart.run("RKFAKE_CC=990 RINGKERNEL_LOG=off RKFAKE_RUN=" .. form
    .. " TSAN_OPTIONS=halt_on_error=0:exitcode=66 RKFAKE_CXXFLAGS="
    .. apart.quote("-fsanitize=thread " .. flags), text)
  return output, how .. " " .. status
end

-- What the device runs: its source, or the PTX that NVRTC made of it.
local function define(form, where)
  for _, transport in ipairs { "plain", "tagged" } do
    it("has nothing to report of " .. transport .. " rings", function()
      local output, how = reports(form, TRAFFIC:format(transport), "")
      assert.equal("", output)
      assert.equal("exit 0", how)
    end)
  end

  for _, lanes in ipairs { "plain", "counted" } do
    it("has nothing to report of " .. lanes .. " lanes", function()
      local output, how = reports(form, HANDED_ON:format(lanes), "")
      assert.equal("", output)
      assert.equal("exit 0", how)
    end)
  end

  it("reports a gate that releases nothing but the bytes it counts", function()
    local output, how = reports(form, HANDED_ON:format "counted", "-DRK_PLANT_RELAXED_GATES")
    assert.matches("WARNING: ThreadSanitizer: data race", output)
    assert.equal("exit 66", how)
  end)

  it("reports a device that publishes without release", function()
    local output, how = reports(form, TRAFFIC:format("plain"), "-DRK_PLANT_RELAXED_PUBLISH")
    assert.matches("WARNING: ThreadSanitizer: data race", output)
    assert.matches(where, output)
    assert.equal("exit 66", how)
  end)
end

describe("ThreadSanitizer over the source #tsan", function()
  define("source", "#%d+ rkd_ring_commit [^\n]*rk_ring_dev%.h")
end)

describe("ThreadSanitizer over PTX #tsan", function()
  define("ptx", "#%d+ F_[%w_]+ [^\n]*%.fake%.so%.ptx:%d+")
end)
