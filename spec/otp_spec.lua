-- OTP's own supervisor judges ours: the same random trees and schedules of faults run through both,
-- and everything that happens has to be the same (spec/otp/); so do links and monitors between
-- processes. 300 schedules of each, with LONG=1 5,000 and some in which the clock is waited for.
-- OTP_SEED chooses other ones.

local run = dofile("spec/otp/run.lua")

local LONG = os.getenv("LONG")
local SEED = tonumber(os.getenv("OTP_SEED")) or 1

describe("supervision is that of OTP", function()
  local folder

  setup(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir -p '" .. folder .. "'"))
  end)

  teardown(function()
    os.execute("rm -rf '" .. folder .. "'")
  end)

  local function compare(runner, first, last, kind)
    if not run.has_erlang() then
      pending("needs Erlang (Debian: erlang-base)")
      return
    end
    local differences, counts = runner { seed = SEED, first = first, last = last,
      kind = kind, folder = folder }
    assert.equal(last - first + 1, counts.schedules)
    assert.is_true(counts.lines > counts.steps)
    assert.equal(0, #differences, ("seed %d: %s"):format(SEED, differences[1]))
  end

  it("in random schedules", function()
    compare(run.run, 1, LONG and 5000 or 300)
  end)

  it("in random schedules of links, monitors and exits", function()
    compare(run.run_signals, 1, LONG and 5000 or 300)
  end)

  it("in schedules in which the clock is waited for #long", function()
    if not LONG then
      pending("takes a minute; LONG=1 runs it")
      return
    end
    compare(run.run, 1, 20, "slow")
  end)
end)
