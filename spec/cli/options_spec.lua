-- SPDX-License-Identifier: MIT
--- The command line of rkl: the options of lua(1) give what lua5.4 gives; the long ones are ours.

local support = dofile("spec/cli/support.lua")

describe("rkl, beside lua5.4", function()
  local dir
  setup(function()
    dir = support.temp_dir()
    support.write_file(dir .. "/args.lua", "#!/usr/bin/env rkl\n"
      .. "local low = 0\nwhile arg[low - 1] do low = low - 1 end\n"
      .. "for i = low, #arg do print(i, arg[i]) end\nprint(#arg, ...)\n")
    support.write_file(dir .. "/fails.lua", "local function f() error('went wrong') end\nf()\n")
    support.write_file(dir .. "/broken.lua", "x = = 1\n")
    support.write_file(dir .. "/mod.lua", "print('loading', ...) return { answer = 42 }\n")
    support.write_file(dir .. "/init.lua", "print('from init')\n")
  end)
  teardown(function()
    support.remove(dir)
  end)

  local function same(arguments, options)
    local ours, theirs = support.run_both(arguments, options)
    assert.equal(theirs.out, ours.out)
    assert.equal(theirs.err, ours.err)
    assert.equal(theirs.status, ours.status)
    return ours
  end

  --- Like `same`, but of stderr only the first line is compared: the usage texts differ.
  local function same_refusal(arguments)
    local ours, theirs = support.run_both(arguments)
    assert.equal(theirs.out, ours.out)
    assert.equal(theirs.err:match("^[^\n]*"), ours.err:match("^[^\n]*"))
    assert.truthy(ours.err:find("usage: rkl ", 1, true))
    assert.equal(1, theirs.status)
    assert.equal(1, ours.status)
  end

  it("executes -e in both spellings and in order", function()
    local result = same({ "-e", "x = 1", "-ex = x + 1", "-e", "print(x)" })
    assert.equal("2\n", result.out)
  end)

  it("loads libraries with -l mod, -lmod and -l g=mod", function()
    local env = { LUA_PATH = dir .. "/?.lua;;" }
    same({ "-l", "mod", "-e", "print(mod.answer)" }, { env = env })
    same({ "-lmod", "-e", "print(mod.answer)" }, { env = env })
    local result = same({ "-l", "g=mod", "-e", "print(g.answer, mod)" }, { env = env })
    assert.truthy(result.out:find("42\tnil", 1, true))
  end)

  it("reports a library that is not there", function()
    assert.equal(1, same({ "-l", "no.such.module" }).status)
  end)

  it("runs -l and -e in the order given", function()
    local env = { LUA_PATH = dir .. "/?.lua;;" }
    same({ "-e", "print('first')", "-l", "mod", "-e", "print('last')" }, { env = env })
  end)

  it("shows the version of Lua with -v and then runs nothing else", function()
    assert.truthy(same({ "-v" }, { stdin = "print('not run')" }).out:find("^Lua 5%.4"))
    same({ "-v", "-e", "print(1)" })
    same({ "-v", dir .. "/args.lua" })
  end)

  it("turns warnings on with -W", function()
    same({ "-W", "-e", "warn('careful')" })
    same({ "-e", "warn('careful')" })
  end)

  it("fills arg, with negative indices for what precedes the script", function()
    same({ dir .. "/args.lua", "a", "b c", "" })
    local result = same({ "-e", "y = 1", "-W", dir .. "/args.lua", "-x", "--", "--doctor" })
    assert.truthy(result.out:find("-3\t-e\n-2\ty = 1\n-1\t-W\n", 1, true))
    assert.truthy(result.out:find("3\t--doctor\n", 1, true))
  end)

  it("fills arg when there is no script", function()
    same({ "-e", "for i = 0, #arg do print(i, arg[i]) end", "-e", "print(#arg)" })
  end)

  it("stops handling options at --", function()
    same({ "-W", "--", dir .. "/args.lua", "-e", "z" })
    same({ "--", "-x" })
    same({ "--", "-" })
  end)

  it("executes stdin as a script for - and when stdin is no terminal", function()
    local stdin = "#!shebang\nprint('stdin', ..., #arg)"
    same({ "-", "a", "b" }, { stdin = stdin })
    assert.equal("stdin\tnil\t0\n", same({}, { stdin = "print('stdin', nil, #arg)" }).out)
    same({ "-" }, { stdin = "error('from stdin')" })
  end)

  it("gives LUA_INIT_5_4 precedence over LUA_INIT", function()
    same({ "-e", "print(x)" }, { env = { LUA_INIT = "x = 1" } })
    local both = { LUA_INIT = "x = 1", LUA_INIT_5_4 = "x = 2" }
    assert.equal("2\n", same({ "-e", "print(x)" }, { env = both }).out)
  end)

  it("runs a file for LUA_INIT=@file and stops when it fails", function()
    same({ "-e", "print(1)" }, { env = { LUA_INIT = "@" .. dir .. "/init.lua" } })
    same({ "-e", "print(1)" }, { env = { LUA_INIT = "@/no/such/file" } })
    assert.equal(1, same({ "-e", "print(1)" }, { env = { LUA_INIT = "error('bad init')" } }).status)
    same({ "-e", "print(1)" }, { env = { LUA_INIT_5_4 = "error('bad init')" } })
  end)

  it("ignores the environment with -E", function()
    local env = { LUA_INIT = "print('init')", LUA_PATH = dir .. "/?.lua" }
    same({ "-E", "-e", "print(package.path, pcall(require, 'mod') == false)" }, { env = env })
  end)

  it("reports errors with a traceback and exit status 1", function()
    assert.truthy(same({ dir .. "/fails.lua" }).err:find("stack traceback:", 1, true))
    same({ dir .. "/broken.lua" })
    same({ "/no/such/script.lua" })
    same({ "-e", "error('x')", dir .. "/args.lua" })
    same({ "-e", "x =" })
    same({ "-e", "error({})" })
    same({ "-e", "error()" })
    same({ "-e", "error(setmetatable({}, { __tostring = function() return 'mine' end }))" })
  end)

  it("reports a stack overflow", function()
    local ours, theirs = support.run_both({ "-e", "local function f() return f() + 1 end f()" })
    local function without_depth(text) -- how deep it got depends on the frames of the host
      return (text:gsub("skipping %d+ levels", "skipping levels"))
    end
    assert.truthy(ours.err:find("stack overflow", 1, true))
    assert.equal(without_depth(theirs.err), without_depth(ours.err))
    assert.equal(1, ours.status)
  end)

  it("answers 1 when a script piped into it fails, unlike lua5.4 without -", function()
    local result = support.run(support.rkl, {}, { stdin = "error('from stdin')" })
    assert.truthy(result.err:find("^rkl: stdin:1: from stdin\nstack traceback:"))
    assert.equal(1, result.status)
  end)

  it("refuses a script when arg is no table any more", function()
    same({ "-e", "arg = 1", dir .. "/args.lua" })
  end)

  it("closes the state for os.exit(true, true), and not for os.exit(3)", function()
    local close = "x = setmetatable({}, { __gc = function() print('closed') end }) "
    assert.equal("closed\n", same({ "-e", close .. "os.exit(true, true)" }).out)
    assert.equal(3, same({ "-e", close .. "os.exit(3)" }).status)
    same({ "-e", close })
  end)

  it("collects garbage in the same mode", function()
    same({ "-e", "print(collectgarbage('incremental'))" })
  end)

  it("refuses unknown options in the same words", function()
    for _, option in ipairs({ "-x", "-h", "-ix", "-vv", "-Ex", "-W1", "--foo" }) do
      same_refusal({ option })
    end
    same_refusal({ "-e" })
    same_refusal({ "-l" })
    same_refusal({ "-e", "-v" })
    same_refusal({ "-e", "print('not run')", "--foo" })
  end)

  it("stops a script at SIGINT, in the same words", function()
    local signal = { before = "timeout --foreground --preserve-status -s INT 0.6" }
    local result = same({ "-e", "while true do end" }, signal)
    assert.truthy(result.err:find("interrupted!", 1, true))
    assert.equal(1, result.status)
  end)

  it("ends at the second SIGINT when the script does not stop", function()
    local command = ("%s -e %s 2>/dev/null & p=$!; sleep 0.4; kill -INT $p; sleep 0.2; "
      .. "kill -INT $p; wait $p"):format(support.quote(support.rkl),
      support.quote("while true do pcall(function() while true do end end) end"))
    local result = support.run("sh", { "-c", command })
    assert.equal(130, result.status)
  end)
end)

describe("rkl's long options", function()
  local function rkl(...)
    return support.run(support.rkl, { ... })
  end

  it("--version names ringkernel and Lua", function()
    local result = rkl("--version")
    assert.truthy(result.out:find("^ringkernel %d+%.%d+%.%d+ %(Lua 5%.4%.%d+%)\n$"))
    assert.equal(0, result.status)
  end)

  it("--help lists every option on stdout", function()
    local result = rkl("--help")
    for _, option in ipairs({ "-e stat", "-i", "-l", "-v", "-E", "-W", "--backend", "--help",
      "--version", "--env", "--devices", "--doctor", "--bench" }) do
      assert.truthy(result.out:find("\n  " .. option, 1, true), option)
    end
    assert.equal(0, result.status)
    assert.equal("", result.err)
  end)

  it("refuses what does not exist", function()
    for _, option in ipairs({ "--benches", "--translate", "--versions", "--help=x",
      "--backendcpu" }) do
      local result = rkl(option, "x.lua")
      assert.truthy(result.err:find("rkl: unrecognized option '" .. option .. "'", 1, true))
      assert.equal(1, result.status)
    end
    assert.truthy(rkl("--version", "--translate").err:find("unrecognized", 1, true))
  end)

  it("--backend sets RINGKERNEL_BACKEND for the process", function()
    local show = "print(os.getenv('RINGKERNEL_BACKEND'))"
    assert.equal("cpu\n", rkl("--backend", "cpu", "-e", show).out)
    assert.equal("auto\n", rkl("-e", show, "--backend=auto").out)
    local forced = support.run(support.rkl, { "--backend", "cuda", "-e", show },
      { env = { RINGKERNEL_BACKEND = "cpu" } })
    assert.equal("cuda\n", forced.out)
  end)

  it("--backend refuses other names and a missing one", function()
    local result = rkl("--backend", "gpu", "-e", "print(1)")
    assert.equal("rkl: option '--backend': cpu, cuda or auto expected, got 'gpu'\n", result.err)
    assert.equal("", result.out)
    assert.equal(1, result.status)
    assert.truthy(rkl("--backend").err:find("'--backend' needs argument", 1, true))
  end)

  it("does not run a script after an option that leaves", function()
    assert.falsy(rkl("--version", "-e", "print('ran')").out:find("ran", 1, true))
  end)
end)
