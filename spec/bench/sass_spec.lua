-- The reading of machine code (scripts/sass_listing.lua): a listing as nvdisasm -c -gi prints it.

package.path = "scripts/?.lua;" .. package.path
local listing = require "sass_listing"
local support = dofile("spec/cli/support.lua")

local TEXT = [[
	.target	sm_90
//--------------------- .text.rk_grid             --------------------------
	.section	.text.rk_grid,"ax",@progbits
        .type           rk_grid,@function
rk_grid:
.text.rk_grid:
	//## File "/a/b/rk_team_dev.h", line 176
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/                   ULDC.64 UR6, c[0x0][0x208] ;
        /*0020*/                   CALL.REL.NOINC `(.L_turn) ;
        /*0030*/              @!P0 EXIT ;
.L_x_1:
        /*0040*/                   BRA `(.L_x_1);
        .type           $rk_grid$rkd_turn,@function
$rk_grid$_ZN37_INTERNAL_00000000_8_stock_cu_rk_grid8rkd_turnEP8rk_block:
	//## File "/a/b/rk_atomic.h", line 62 inlined at "/a/b/rk_ring_dev.h", line 500
	//## File "/a/b/rk_ring_dev.h", line 500 inlined at "/a/b/rk_actor_dev.h", line 111
	//## File "/a/b/rk_actor_dev.h", line 111
        /*0050*/                   R2UR UR4, R2 ;
        /*0060*/                   LD.E.64.STRONG.GPU R4, desc[UR4][R2.64+0x80] ;
        /*0070*/                   CCTL.IVALL ;
	//## File "/a/b/rk_actor_dev.h", line 112
        /*0080*/               @P0 LD.E.U8 R4, desc[UR4][R2.64+0x3] ;
        /*0090*/                   STL.64 [R1+0x8], R4 ;
	//## File "/a/b/rk_atomic.h", line 73 inlined at "/a/b/rk_grid_dev.h", line 9
	//## File "/a/b/rk_grid_dev.h", line 9
        /*00a0*/                   MEMBAR.ALL.SYS ;
        /*00b0*/                   ERRBAR;
        /*00c0*/                   ST.E.64.STRONG.SYS desc[UR8][R4.64+0x80], R2 ;
	//## File "/a/b/rk_atomic.h", line 73 inlined at "/a/b/rk_grid_dev.h", line 9
	//## File "/a/b/rk_grid_dev.h", line 9
        /*00d0*/              @!P6 MEMBAR.ALL.SYS ;
        /*00e0*/                   ATOMG.E.ADD.64.STRONG.GPU PT, R14, desc[UR4][R12.64+0x80], R14 ;
        /*00f0*/                   LD.E.128.STRONG.SYS R88, desc[UR4][R114.64] ;
        /*0100*/                   RET.REL.NODEC R108 `(rk_grid) ;
        .type           $__internal_0_$__cuda_sm20_rem_u64,@function
$__internal_0_$__cuda_sm20_rem_u64:
        /*0110*/                   I2F.U64.RP R0, R2 ;
        /*0120*/                   MUFU.RCP R0, R0 ;
]]

describe("machine code", function()
  local functions = listing.read(TEXT)
  local turn = functions[2]

  it("is divided into functions, with their plain names", function()
    local names = {}
    for index, func in ipairs(functions) do
      names[index] = func.name
    end
    assert.same({ "rk_grid", "rkd_turn", "__cuda_sm20_rem_u64" }, names)
    assert.equal(5, #functions[1].instructions)
    assert.equal(12, #turn.instructions)
  end)

  it("has instructions without their predicates, with places", function()
    assert.same({ op = "EXIT", at = 0x30, lines = { "rk_team_dev.h:176" } },
      functions[1].instructions[4])
    assert.same({ "rk_atomic.h:62", "rk_ring_dev.h:500", "rk_actor_dev.h:111" },
      turn.instructions[3].lines)
    assert.equal("LD.E.U8", turn.instructions[4].op)
  end)

  it("is counted by kinds", function()
    assert.same({ total = 12, fence = 2, inval = 1, atomic = 1, far = 1, load = 3, store = 1,
      byte = 1, shared = 0, ["local"] = 1, call = 0, r2ur = 1, divide = 0 }, listing.count(turn))
    assert.equal(1, listing.count(functions[1]).call)
    assert.equal(2, listing.count(functions[3]).divide)
  end)

  it("says where a kind comes from: the line that asked for it", function()
    assert.same({ { line = "rk_grid_dev.h:9", op = "MEMBAR.ALL.SYS", count = 2 } },
      listing.sources(turn, "fence"))
    assert.same({ { line = "rk_ring_dev.h:500", op = "CCTL.IVALL", count = 1 } },
      listing.sources(turn, "inval"))
    assert.same({}, listing.sources(turn, "call"))
  end)

  it("is shown as a table, and by function", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(TEXT)
    file:close()
    local all = support.run(support.lua, { "scripts/sass.lua", "--listing", path })
    assert.equal(0, all.status)
    assert.matches("\nrkd_turn +12 +2 +1 +1 +1 ", all.out)
    assert.matches("\nall 3 functions +19 ", all.out)
    local one = support.run(support.lua,
      { "scripts/sass.lua", "--listing", path, "--only", "rkd_turn" })
    assert.matches("fence: 2, .-\n +2  MEMBAR%.ALL%.SYS +rk_grid_dev%.h:9\n", one.out)
    local none = support.run(support.lua,
      { "scripts/sass.lua", "--listing", path, "--only", "nothing" })
    assert.equal(1, none.status)
    assert.matches("no function 'nothing'", none.err)
    os.remove(path)
  end)
end)
