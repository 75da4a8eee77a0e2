-- SPDX-License-Identifier: MIT
--- The prompt of rkl: transcripts through a pseudo terminal, and `rkl -i` on a pipe.

local support = dofile("spec/cli/support.lua")

describe("rkl on a terminal", function()
  local terminal
  local function start(arguments, env)
    terminal = support.open_terminal(arguments, env)
    terminal:expect("> ")
  end
  local function leave()
    terminal:send("\4")
    local status = terminal:wait()
    return status
  end
  after_each(function()
    if terminal then
      terminal:close()
      terminal = nil
    end
  end)

  --- An `it` that is skipped by name where script(1) is absent.
  local function on_terminal(name, test)
    it(name, function()
      if not support.has_program("script") then
        pending("needs script from util-linux")
        return
      end
      test()
    end)
  end

  on_terminal("greets, evaluates, and leaves at Ctrl-D with status 0", function()
    terminal = support.open_terminal()
    terminal:expect("ringkernel 0.")
    terminal:expect("> ")
    terminal:send("1 + 1, 'text', { 1.0 }\n")
    terminal:expect('\n2\t"text"\t{ 1.0 }\n> ')
    assert.equal(0, leave())
  end)

  on_terminal("keeps results in _, _1, _2", function()
    start()
    terminal:send("10, 20, 30\n")
    terminal:expect("10\t20\t30\n> ")
    terminal:send("_ + _2 + _3, _4\n")
    terminal:expect("\n60\tnil\n> ")
    terminal:send("_, _1, _2, _3\n")
    terminal:expect("\n60\t60\tnil\tnil\n> ")
  end)

  on_terminal("asks for more until a statement is complete, and accepts =expr", function()
    start()
    terminal:send("for i = 1, 2 do\n")
    terminal:expect(">> ")
    terminal:send("print('line', i) end\n")
    terminal:expect("\nline\t1\nline\t2\n> ")
    terminal:send("=6 * 7\n")
    terminal:expect("\n42\n> ")
  end)

  on_terminal("shows syntax errors, and errors with a traceback, and goes on", function()
    start()
    terminal:send("x = = 1\n")
    terminal:expect("stdin:1: unexpected symbol near '='\n> ")
    terminal:send("error('went wrong')\n")
    terminal:expect("\nstdin:1: went wrong\nstack traceback:\n\t[C]: in function 'error'\n"
      .. "\tstdin:1: in main chunk\n\t[C]: in ?\n> ")
    assert.equal(0, leave())
  end)

  on_terminal("stops a running statement at Ctrl-C", function()
    start()
    terminal:send("print('begin') while true do end\n")
    terminal:expect("\nbegin\n")
    terminal:send("\3")
    terminal:expect("interrupted!\nstack traceback:")
    terminal:expect("> ")
    terminal:send("'still ' .. 'here'\n")
    terminal:expect('"still here"\n> ')
    assert.equal(0, leave())
  end)

  on_terminal("stops showing a result that does not end", function()
    start()
    terminal:send("setmetatable({}, {__tostring = function() print('begin') while 1 do end end})\n")
    terminal:expect("\nbegin\n")
    terminal:send("\3")
    terminal:expect("> ")
    terminal:send("'still ' .. 'here'\n")
    terminal:expect('"still here"\n> ')
  end)

  on_terminal("ends at the second Ctrl-C when a statement does not stop", function()
    start()
    terminal:send("print('begin') while true do pcall(function() while true do end end) end\n")
    terminal:expect("\nbegin\n")
    terminal:send("\3")
    os.execute("sleep 0.3")
    terminal:send("\3")
    assert.equal(130, terminal:wait())
  end)

  on_terminal("clears the line at Ctrl-C, also inside unfinished input", function()
    start()
    terminal:send("this is no Lua")
    terminal:expect("this is no Lua")
    terminal:send("\3")
    terminal:expect("^C\n> ")
    terminal:send("do\n")
    terminal:expect(">> ")
    terminal:send("\3")
    terminal:expect("^C\n> ")
    terminal:send("1 + 2\n")
    terminal:expect("\n3\n> ")
    assert.equal(0, leave())
  end)

  local function has_editor()
    local show = "print(require('ringkernel.rkl').line_editor)"
    if support.run(support.rkl, { "-e", show }).out ~= "none\n" then
      return true
    end
    pending("needs a build with a line editor")
    return false
  end

  on_terminal("completes at Tab and offers choices", function()
    if not has_editor() then
      return
    end
    start()
    terminal:send("string.form\t('%d', 7)\n")
    terminal:expect('\n"7"\n> ')
    terminal:send("coroutine.\t")
    terminal:expect("isyieldable")
    terminal:expect("> coroutine.")
    terminal:send("runn\t() ~= nil\n")
    terminal:expect("\ntrue\n> ")
  end)

  on_terminal("recalls lines, in this session and from the history file", function()
    if not has_editor() then
      return
    end
    local dir = support.temp_dir()
    local env = { XDG_STATE_HOME = dir }
    start("", env)
    terminal:send("'a' .. 'b'\n")
    terminal:expect('\n"ab"\n> ')
    terminal:send("\27[A\n") -- the Up key
    terminal:expect('\n"ab"\n> ')
    leave()
    terminal:close()
    start("", env)
    terminal:send("\27[A\n")
    terminal:expect('\n"ab"\n> ')
    leave()
    local file = assert(io.open(dir .. "/ringkernel/history"))
    assert.equal("'a' .. 'b'\n", file:read("a"))
    file:close()
    support.remove(dir)
  end)

  on_terminal("edits text beyond ASCII", function()
    start("", { LC_ALL = "C.UTF-8" })
    terminal:send("#'é☃x'\127\127\127 .. 'ü'\n")
    terminal:expect('\n')
    terminal:expect("> ")
    terminal:send("#'é☃'\n")
    terminal:expect("\n5\n> ")
  end)

  on_terminal("honours _PROMPT, and -i after a script and -e", function()
    terminal = support.open_terminal("-i -e \"_PROMPT = 'ask: ' x = 5\"")
    terminal:expect("ask: ")
    terminal:send("x\n")
    terminal:expect("\n5\nask: ")
    assert.equal(0, leave())
  end)

  on_terminal("does not prompt after -e, -v or a script without -i", function()
    terminal = support.open_terminal("-e \"print('done')\"")
    assert.equal(0, terminal:wait())
    assert.equal("done\n", terminal:output())
  end)

  on_terminal("works without line editing on a dumb terminal", function()
    start("", { TERM = "dumb" })
    terminal:send("2 ^ 0.5 > 1\n")
    terminal:expect("\ntrue\n> ")
    terminal:send("\3")
    terminal:expect("> ")
    terminal:send("'still ' .. 'here'\n")
    terminal:expect('"still here"\n> ')
    assert.equal(0, leave())
  end)
end)

describe("rkl -i on a pipe", function()
  local function session(stdin)
    return support.run(support.rkl, { "-i" }, { stdin = stdin })
  end

  it("shows no prompt and no banner", function()
    local result = session("x = 1\nx, 'a'\n=x\nfor i = 1, 2 do\nprint(i)\nend")
    assert.equal('1\t"a"\n1\n1\n2\n', result.out)
    assert.equal("", result.err)
    assert.equal(0, result.status)
  end)

  it("takes long lines and a last line without its end", function()
    local result = session(("'%s'"):format(("x"):rep(10000)))
    assert.equal(('"%s"\n'):format(("x"):rep(10000)), result.out)
  end)

  it("reports input that stays unfinished", function()
    local result = session("f(\n1,\n")
    assert.truthy(result.err:find("<eof>", 1, true))
    assert.equal("", result.out)
  end)

  it("writes no history", function()
    local dir = support.temp_dir()
    support.run(support.rkl, { "-i" }, { stdin = "1\n", env = { XDG_STATE_HOME = dir } })
    assert.is_nil(io.open(dir .. "/ringkernel/history"))
    support.remove(dir)
  end)

  it("is not reached after a failing script", function()
    local result = support.run(support.rkl, { "-i", "/no/such/script" }, { stdin = "print('x')" })
    assert.equal(1, result.status)
    assert.equal("", result.out)
  end)
end)
