-- Grids that are compiled ahead of a check on a GPU: their sources are collected where they were
-- compiled once (bench/gpu/pack_units.lua), and compiled by all processors there
-- (bench/gpu/warm.c).

local core = require "ringkernel.core"
local support = dofile("spec/cli/support.lua")

local quote = support.quote

local GRID = '#define RK_BLOCK_THREADS 32\nextern "C" __global__ void rk_grid(unsigned *%s)'
  .. ' { *%s = 1u; }\n'
local MARKER = '\nextern "C" { __device__ unsigned char rk_build_%s = 1; }\n'

-- The programs of the check are built with the switches of the plain build.
local is_plain = (os.getenv "BUILD" or "build") == "build"

describe("grids compiled ahead", function()
  local dir

  before_each(function()
    dir = support.temp_dir()
    for _, cache in ipairs { "one", "two" } do
      assert(os.execute("mkdir -p " .. quote(dir .. "/" .. cache)))
    end
  end)

  after_each(function()
    support.remove(dir)
  end)

  local function keep(cache, key, text)
    support.write_file(("%s/%s/%s.cu"):format(dir, cache, key), text .. MARKER:format(key))
  end

  local function pack()
    local path = dir .. "/units"
    local result = support.run("lua5.4", { "bench/gpu/pack_units.lua", path, dir .. "/one",
      dir .. "/nowhere", dir .. "/two" })
    assert.equal(0, result.status, result.err)
    local file = assert(io.open(path, "rb"))
    local text = file:read("a")
    file:close()
    return path, text
  end

  it("are each grid's source once, without the marker, and no other source", function()
    local a, b = GRID:format("a", "a"), GRID:format("longer", "longer")
    keep("one", "00000000000000aa", a)
    keep("one", "00000000000000bb", b)
    keep("one", "00000000000000cc", "/* an ordinary kernel */\n")
    keep("two", "00000000000000dd", a)
    local _, text = pack()
    assert.equal(b .. "\0" .. a .. "\0", text)
  end)

  it("are in the cache afterwards, and one that does not compile is told of", function()
    if not is_plain then
      pending "only for the plain build"
      return
    elseif not core.nvrtc() and not os.getenv "CI" then
      pending "needs NVRTC"
      return
    end
    keep("one", "00000000000000aa", GRID:format("a", "a"))
    local path = pack()
    local function warm()
      return support.run("build/gpu/warm", { "90", path },
        { env = { RINGKERNEL_CACHE = dir .. "/cache" } })
    end
    local result = warm()
    assert.equal(0, result.status, result.err)
    assert.matches("1 of 1 grids by 1 processes .* 0 were there, 0 failed", result.out)
    assert.matches("0 of 1 grids .* 1 were there, 0 failed", warm().out)
    keep("two", "00000000000000bb", GRID:format("a", "nobody"))
    pack()
    result = warm()
    assert.equal(1, result.status)
    assert.matches('first failure[^\n]*"nobody" is undefined', result.out)
    assert.matches("1 were there, 1 failed", result.out)
  end)

  it("are none where none were kept", function()
    if not is_plain then
      pending "only for the plain build"
      return
    end
    local path = pack()
    local result = support.run("build/gpu/warm", { "90", path })
    assert.equal(77, result.status)
    assert.matches("no sources of grids were kept", result.out)
  end)
end)
