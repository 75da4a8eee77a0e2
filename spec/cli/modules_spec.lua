-- SPDX-License-Identifier: MIT
--- Modules inside rkl: where they come from, which one wins, and how scripts/embed.lua packs them.

local support = dofile("spec/cli/support.lua")

describe("rkl's embedded modules", function()
  local dir
  setup(function()
    dir = support.temp_dir()
    os.execute("mkdir -p " .. dir .. "/ringkernel")
    support.write_file(dir .. "/ringkernel/pretty.lua", "return 'from the folder'\n")
  end)
  teardown(function()
    support.remove(dir)
  end)

  local function evaluate(text, env)
    local result = support.run(support.rkl, { "-e", text }, { env = env })
    assert.equal("", result.err)
    return result.out
  end

  it("load with nothing else on the path, named after their files", function()
    local env = { LUA_PATH = "/none/?.lua" }
    local out = evaluate("local p, place = require('ringkernel.pretty') "
      .. "print(p({ 1 }), place, debug.getinfo(p, 'S').source)", env)
    assert.equal("{ 1 }\tembedded:ringkernel/pretty.lua\t@ringkernel/pretty.lua\n", out)
  end)

  it("come after LUA_PATH and after RINGKERNEL_LUA", function()
    local show = "print((require('ringkernel.pretty')))"
    assert.equal("from the folder\n", evaluate(show, { LUA_PATH = dir .. "/?.lua" }))
    assert.equal("from the folder\n", evaluate(show, { RINGKERNEL_LUA = dir }))
  end)

  it("RINGKERNEL_LUA stands first in package.path, unless -E is given", function()
    local env = { RINGKERNEL_LUA = dir, LUA_PATH = "/other/?.lua" }
    assert.equal(("%s/?.lua;%s/?/init.lua;/other/?.lua\n"):format(dir, dir),
      evaluate("print(package.path)", env))
    local result = support.run(support.rkl, { "-E", "-e", "print(package.path)" }, { env = env })
    assert.falsy(result.out:find(dir, 1, true))
  end)

  it("are named in the message about a missing ringkernel module only", function()
    local env = { LUA_PATH = "/none/?.lua" }
    local out = evaluate("print(select(2, pcall(require, 'ringkernel.nope')))", env)
    assert.truthy(out:find("no embedded module 'ringkernel.nope'", 1, true))
    out = evaluate("print(select(2, pcall(require, 'other')))", env)
    assert.falsy(out:find("embedded", 1, true))
  end)

  it("leave room for C modules from the system", function()
    local found = support.run(support.lua, { "-e", "require('luv')" }).status == 0
    if not found then
      pending("needs luv for lua5.4")
      return
    end
    assert.equal("string\n", evaluate("print(type(require('luv').version_string()))"))
  end)
end)

describe("scripts/embed.lua", function()
  local dir
  before_each(function()
    dir = support.temp_dir()
    support.write_file(dir .. "/a.lua", "return 1\n")
    support.write_file(dir .. "/empty", "")
    support.write_file(dir .. "/bytes", "\0\255\\\"\n")
  end)
  after_each(function()
    support.remove(dir)
  end)

  local function embed(...)
    return support.run(support.lua, { "scripts/embed.lua", ... })
  end

  local function read(path)
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    return text
  end

  it("writes each file under its name, with its bytes and size", function()
    local out = dir .. "/out.c"
    local result = embed("--root", dir, out, "my_files", dir .. "/a.lua", dir .. "/bytes=x/y.bin",
      dir .. "/empty")
    assert.equal("", result.err)
    local text = read(out)
    assert.truthy(text:find("const rk_embed_file my_files[] = {\n"
      .. '  {"a.lua", file_1, 9},\n  {"x/y.bin", file_2, 5},\n  {"empty", file_3, 0},\n'
      .. "  {NULL, NULL, 0},\n};", 1, true))
    assert.truthy(text:find("file_2[] = {\n0,255,92,34,10,\n0\n};", 1, true))
  end)

  it("makes C that compiles without a warning and gives the bytes back", function()
    if not support.has_program("cc") then
      pending("needs a C compiler")
      return
    end
    embed("--root", dir, dir .. "/out.c", "files", dir .. "/bytes", dir .. "/empty")
    support.write_file(dir .. "/main.c", '#include <stdio.h>\n#include "rkl/embed.h"\n'
      .. "extern const rk_embed_file files[];\n"
      .. "int main(void) { const rk_embed_file *f = rk_embed_find(files, \"bytes\");\n"
      .. "fwrite(f->data, 1, f->size, stdout);\n"
      .. "return rk_embed_find(files, \"none\") != NULL || files[1].size != 0; }\n")
    local built = support.run("cc", { "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
      "-Isrc", dir .. "/main.c", dir .. "/out.c", "-o", dir .. "/main" })
    assert.equal("", built.err)
    local result = support.run(dir .. "/main", {})
    assert.equal("\0\255\\\"\n", result.out)
    assert.equal(0, result.status)
  end)

  it("refuses missing files, double names and a wrong symbol", function()
    local result = embed(dir .. "/out.c", "files", dir .. "/none")
    assert.truthy(result.err:find("cannot read", 1, true))
    assert.equal(1, result.status)
    result = embed(dir .. "/out.c", "files", dir .. "/a.lua=x", dir .. "/bytes=x")
    assert.truthy(result.err:find("two files are called 'x'", 1, true))
    assert.equal(1, result.status)
    assert.equal(1, embed(dir .. "/out.c", "no-symbol", dir .. "/a.lua").status)
    assert.equal(1, embed().status)
  end)
end)
