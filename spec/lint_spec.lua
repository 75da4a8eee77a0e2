-- Plants one violation of each kind in a throw-away tree and expects the checkers to name it.

local LUA = os.getenv("LUA") or "lua5.4"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function capture(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read("a")
  local _, _, status = pipe:close()
  return status, output
end

describe("lint", function()
  local root

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    assert(os.execute("mkdir -p " .. quote(root)))
  end)

  after_each(function()
    os.execute("rm -rf " .. quote(root))
  end)

  local function plant(path, text)
    assert(os.execute("mkdir -p " .. quote(root .. "/" .. path:match("^(.*)/"))))
    local file = assert(io.open(root .. "/" .. path, "w"))
    file:write(text)
    file:close()
  end

  local function run(checker)
    return capture(("%s scripts/%s.lua %s"):format(LUA, checker, quote(root)))
  end

  local function refuses(checker, pattern)
    local status, output = run(checker)
    assert.equal(1, status, output)
    assert.matches(pattern, output)
  end

  local function accepts(checker)
    local status, output = run(checker)
    assert.equal(0, status, output)
    return output
  end

  describe("check_layers", function()
    before_each(function()
      plant("kernels/include/rk_abi.h", "")
      plant("kernels/include/rk_ring_dev.h", "")
    end)

    it("accepts includes that point down or sideways", function()
      plant("src/core/ring.c", '#include "core/ring.h"\n#include "base/error.h"\n')
      plant("src/base/atomic.h", '#include "rk_abi.h"\n')
      plant("src/rkl/main.c", '#include "ringkernel.h"\n#include "lua/lrk.h"\n#include <lua.h>\n')
      plant("src/base/thread.c", "#include <pthread.h>\n")
      plant("src/backend/backend.c", '#include "backend/cpu/cpu_backend.h"\n')
      plant("src/backend/cuda/cuda_api.c", '#include <cuda.h>\n#include "backend/backend.h"\n')
      plant("src/ringkernel.h", '#include <stdint.h>\n#include "base/status.h"\n')
      plant("kernels/echo.cu", '#include "rk_ring_dev.h"\n')
      accepts("check_layers")
    end)

    local violations = {
      { "an include that points up", "src/core/a.c", '"runtime/b.h"', "core may not include" },
      { "the runtime's face below it", "src/base/a.c", '"ringkernel.h"', "belongs to the runtime" },
      { "a backend in another", "src/backend/cpu/a.c", '"backend/cuda/b.h"', "know each other" },
      { "lua.h below lua", "src/runtime/a.c", "<lua.h>", "lua.h belongs to src/lua, src/rkl" },
      { "lauxlib.h in quotes", "src/core/a.c", '"lauxlib.h"', "lauxlib.h belongs to" },
      { "pthread.h above base", "src/core/a.c", "<pthread.h>", "pthread.h belongs to src/base" },
      { "cuda.h elsewhere", "src/core/a.c", "<cuda.h>", "belongs to src/backend/cuda" },
      { "a device header in base", "src/base/a.c", '"rk_ring_dev.h"', "base may include rk_abi.h" },
      { "a name without folder", "src/core/a.c", '"ring.h"', 'write "ring.h" with its folder' },
      { "more in ringkernel.h", "src/ringkernel.h", '"base/alloc.h"', "may only include base" },
      { "host code in a kernel", "kernels/a.cu", '"base/error.h"', "device code may not include" },
    }
    for _, case in ipairs(violations) do
      local what, path, target, message = table.unpack(case)
      it("refuses " .. what, function()
        plant(path, "/* x */\n  #  include " .. target .. "\n")
        refuses("check_layers", message:gsub("%p", "%%%0"))
        refuses("check_layers", path:gsub("%p", "%%%0") .. ":2:")
      end)
    end

    it("refuses a folder that is no layer", function()
      plant("src/misc/a.c", "")
      refuses("check_layers", "src/misc is no layer")
    end)
  end)

  describe("check_size", function()
    local C_TOP = "/* SPDX-License-Identifier: MIT */\n/* What it is for. */\n"
    local LUA_TOP = "-- What it is for.\n"

    it("accepts files with a top and of a moderate size", function()
      plant("src/core/a.c", C_TOP .. ("\n"):rep(500))
      plant("lua/ringkernel/a.lua", LUA_TOP .. ("\n"):rep(300))
      plant("bench/a.lua", "#!/usr/bin/env rkl\n" .. LUA_TOP)
      assert.equal("", accepts("check_size"))
    end)

    it("warns before it refuses", function()
      plant("src/core/a.c", C_TOP .. ("\n"):rep(600))
      plant("lua/ringkernel/a.lua", LUA_TOP .. ("\n"):rep(400))
      local output = accepts("check_size")
      assert.matches("src/core/a.c: warning: 602 lines", output, 1, true)
      assert.matches("lua/ringkernel/a.lua: warning: 401 lines", output, 1, true)
    end)

    it("refuses a long C file", function()
      plant("src/core/a.c", C_TOP .. ("\n"):rep(700))
      refuses("check_size", "src/core/a%.c: 702 lines")
    end)

    it("refuses a long Lua file, specs included", function()
      plant("spec/a_spec.lua", ("\n"):rep(451))
      refuses("check_size", "spec/a_spec%.lua: 451 lines")
    end)

    it("refuses C without the licence line", function()
      plant("kernels/a.cu", "/* What it is for. */\n")
      refuses("check_size", "kernels/a%.cu: the first line is not")
    end)

    it("refuses C without a file-top comment", function()
      plant("src/core/a.h", "/* SPDX-License-Identifier: MIT */\n#include <stdint.h>\n")
      refuses("check_size", "src/core/a%.h: no file%-top comment")
    end)

    it("refuses Lua without a file-top comment", function()
      plant("scripts/a.lua", "local x = 1\n")
      refuses("check_size", "scripts/a%.lua: no file%-top comment")
    end)
  end)

  describe("check_platform", function()
    it("is not fooled by comments, strings, members and longer names", function()
      plant("src/core/a.c", [[
#include <time.h>
/* malloc(1); time(0)
   open("x", 0) */
// free(p);
static const char *text = "malloc(1) \" free(2)";
static char quote = '"'; static int rk_open(void);
void rk_free(void *p) { ops->free(p); ops.open("x"); rk_free(p); my_time(3); }
struct ops { void (*free)(void *); int (*read)(int); };
int random_seed, time_ns, file_open;
int f(int open, long time) { return open + (int)time; }
]])
      accepts("check_platform")
    end)

    local violations = {
      memory = { "malloc(1)", "calloc(1, 2)", "realloc(p, 1)", "free(p)", "free\t (p)",
        "ops.free = free" },
      clock = { "time(0)", "clock_gettime(0, &t)", "gettimeofday(&t, 0)" },
      random = { "rand()", "random()" },
      files = { 'open("x", 0)', 'fopen("x", "r")', "read(0, b, 1)", "write(1, b, 1)" },
      threads = { "pthread_self()", "start = pthread_create", "syscall(1)" },
      mapping = { "mmap(0, 1, 2, 3, 4, 5)" },
    }
    for group, calls in pairs(violations) do
      for _, call in ipairs(calls) do
        it("refuses " .. call, function()
          plant("src/core/a.c", "/* x */\nvoid f(void) { " .. call .. "; }\n")
          refuses("check_platform", "src/core/a%.c:2: .*%(" .. group .. "%)")
        end)
      end
    end

    it("looks into headers, kernels and macros", function()
      plant("src/core/a.h", "#define GET(n) malloc(n)\n")
      plant("kernels/a.cu", "void f(void) { free(p); }\n")
      local _, output = run("check_platform")
      assert.matches("src/core/a.h:1: malloc", output, 1, true)
      assert.matches("kernels/a.cu:1: free", output, 1, true)
    end)

    it("lets the seam itself and the interpreter through, each for its own groups", function()
      plant("src/base/platform_real.c", "int f(void) { return open(p, 0) + rand(); }\n")
      plant("src/base/alloc.c", "void f(void *p) { free(p); }\n")
      plant("src/rkl/line.c", "void f(void *p) { free(p); read(0, p, 1); }\n")
      accepts("check_platform")
      plant("src/base/alloc.c", "long f(void) { return time(0); }\n")
      refuses("check_platform", "src/base/alloc%.c:1: time")
    end)
  end)

  describe("lint-headers", function()
    local function headers()
      local make = 'make -f "$PWD/Makefile" -C %s BUILD=build lint-headers'
      return capture(make:format(quote(root)))
    end

    it("compiles each header alone", function()
      plant("src/base/a.h", "#include <stdint.h>\ntypedef uint32_t rk_a;\n")
      local status, output = headers()
      assert.equal(0, status, output)
    end)

    it("refuses a header that leans on its includer", function()
      plant("src/base/a.h", "typedef uint32_t rk_a;\n")
      local status, output = headers()
      assert.equal(2, status, output)
      assert.matches("uint32_t", output)
    end)
  end)

  describe("summary", function()
    local function summary(log)
      plant("x.log/x.log", log)
      return capture(("%s scripts/summary.lua %s/x.log/x.log"):format(LUA, quote(root)))
    end

    it("adds up TAP of cmocka and busted", function()
      local log = "1..3\nok 1 - a\nnot ok 2 # SKIP b\nok 3 - # SKIP c\n\n# exit 0\n"
      local status, output = summary(log)
      assert.equal("1 passed, 0 failed, 2 skipped\n", output)
      assert.equal(0, status)
    end)

    local bad = {
      { "a failed test", "ok 1 - a\nnot ok 2 - b\n1..2\n# exit 1\n", "x: b\n1 passed, 1 failed" },
      { "a crash on the way", "1..2\nok 1 - a\n# exit 139\n", "1 passed, 1 failed" },
      { "a crash before the plan", "ok 1 - a\n# exit 134\n", "1 passed, 1 failed" },
      { "a program that says nothing", "# exit 0\n", "0 passed, 1 failed" },
      { "a time-out", "ok 1 - a\n# exit 124\n", "1 passed, 1 failed" },
      { "a bad end after good tests", "1..1\nok 1 - a\n# exit 23\n", "1 passed, 1 failed" },
      { "a log that was cut off", "1..1\nok 1 - a\n", "1 passed, 1 failed" },
    }
    for _, case in ipairs(bad) do
      it("counts " .. case[1] .. " as a failure", function()
        local status, output = summary(case[2])
        assert.equal(1, status, output)
        assert.matches(case[3] .. ", 0 skipped\n", output, 1, true)
      end)
    end

    it("counts a missing log as a failure", function()
      local status, output = capture(LUA .. " scripts/summary.lua " .. quote(root .. "/none.log"))
      assert.equal(1, status)
      assert.matches("0 passed, 1 failed, 0 skipped\n$", output)
    end)
  end)
end)
