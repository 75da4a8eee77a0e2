--- `make ptx-count`: instructions that run are counted where they run, between the marks.

local shell = dofile("spec/cli/support.lua")

local core = require "ringkernel.core"

local DRIVER = (os.getenv("BUILD") or "build") .. "/libringkernel_fakecuda.so"

local function skip_reason()
  local file = io.open(DRIVER)
  if not file then
    return "no " .. DRIVER .. ": make fakecuda"
  end
  file:close()
  return not core.nvrtc() and "no NVRTC" or nil
end

--- "  90.19  rkd_turn" under "by function" gives { rkd_turn = 90.19 }.
local function section(text, title)
  local out = {}
  for number, name in text:match("by " .. title .. "\n(.-)\n\n"):gmatch("([%d.]+)  ([^\n]+)") do
    out[name] = tonumber(number)
  end
  return out
end

describe("counting instructions of PTX", function()
  it("counts what runs between the marks", function()
    local why = skip_reason()
    if why then
      pending(why)
      return
    end
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p " .. folder))
    local path = folder .. "/counts"
    local run = shell.run(shell.rkl, { "bench/gpu/hop.lua", "50" }, {
      before = "timeout 120",
      env = {
        RINGKERNEL_LIBCUDA = DRIVER, RINGKERNEL_LINEINFO = "1", RINGKERNEL_CACHE = folder,
        RKFAKE_RUN = "ptx", RKFAKE_CC = "99", RKFAKE_COUNT = path,
        RKFAKE_CXXFLAGS = "-O1", -- no sanitizer, which takes a minute to compile this
      },
    })
    assert.equal(0, run.status, run.err)
    assert.matches("^50 hops on ", run.out)
    local shown = shell.run("lua5.4", { "scripts/ptx_count.lua", path, "--per", "50", "--top",
      "1000" })
    os.execute("rm -rf " .. folder)
    assert.equal(0, shown.status, shown.err)
    local all = tonumber(shown.out:match("^instructions of PTX: ([%d.]+)\n"))
    assert.is_true(all > 200 and all < 2000, shown.out)
    local functions = section(shown.out, "function")
    -- once a hop, whatever the block does besides
    assert.equal(0, functions.rkd_handle % 1)
    assert.equal(0, functions.rkd_port_near % 1)
    assert.is_true(functions.rk_on_Ball > 0)
    local kinds = 0
    for _, count in pairs(section(shown.out, "kind")) do
      kinds = kinds + count
    end
    assert.near(all, kinds, 0.1)
    assert.matches("rk_actor_dev.h:%d+ in rkd_turn", shown.out)
  end)

  it("says what it cannot read", function()
    local run = shell.run("lua5.4", { "scripts/ptx_count.lua", "/no/such" })
    assert.equal(1, run.status)
    assert.matches("cannot read /no/such", run.err)
    assert.equal(2, shell.run("lua5.4", { "scripts/ptx_count.lua", "x", "--per", "0" }).status)
    assert.equal(2, shell.run("lua5.4", { "scripts/ptx_count.lua" }).status)
  end)
end)
