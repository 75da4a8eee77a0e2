-- SPDX-License-Identifier: MIT
--- What the prompt decides in Lua: statements, history, completion and help (lua/ringkernel/cli).

package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
local support = dofile("spec/cli/support.lua")
local complete = require("ringkernel.cli.complete")
local help = require("ringkernel.cli.help")
local repl = require("ringkernel.cli.repl")

describe("the prompt's policy", function()
  local function unfinished(text)
    local chunk, message, more = repl.compile(text)
    assert.is_nil(chunk)
    assert.is_string(message)
    return more
  end

  it("takes expressions before statements", function()
    assert.equal(3, repl.compile("1 + 2")())
    assert.equal(7, repl.compile("return 7")())
    assert.is_function(repl.compile("local x = 1"))
    assert.is_function(repl.compile(""))
    assert.is_function(repl.compile("-- only a comment"))
  end)

  it("asks for more only when more can help", function()
    for _, text in ipairs({ "for i = 1, 2 do", "f(", "{", "x = {", "1 +", "[[long", "if x then",
      "function()", "local t = function()", "x =", "repeat" }) do
      assert.is_true(unfinished(text), text)
    end
    for _, text in ipairs({ "x = = 1", "end", "1 2", "'open", "x = 'open", "goto nowhere",
      "break" }) do
      assert.is_false(unfinished(text), text)
    end
    for _, text in ipairs({ "'goes on\\", "x = 'goes on\\z " }) do
      assert.is_true(unfinished(text), text)
    end
  end)

  it("takes text that has become complete as an expression as such", function()
    assert.same({ 1 }, repl.compile("{\n1}")())
    assert.equal(3, repl.compile("1 +\n2")())
    assert.is_function(repl.compile("function(\n) end")())
  end)

  it("puts the history where the environment says", function()
    local function path(env)
      return repl.history_path(function(name) return env[name] end)
    end
    assert.equal("/s/ringkernel/history", path({ XDG_STATE_HOME = "/s", HOME = "/h" }))
    assert.equal("/h/.local/state/ringkernel/history", path({ HOME = "/h" }))
    assert.equal("/h/.local/state/ringkernel/history",
      path({ XDG_STATE_HOME = "rel", HOME = "/h" }))
    assert.is_nil(path({}))
    local made = {}
    repl.history_path(function(name) return name == "HOME" and "/h" or nil end,
      function(folder) made[#made + 1] = folder end)
    assert.same({ "/h", "/h/.local", "/h/.local/state", "/h/.local/state/ringkernel" }, made)
  end)
end)

describe("completion", function()
  local globals = {
    alpha = 1,
    alpine = { beta = { gamma = 1, grow = print }, ["not a name"] = 1, bend = print },
    text = "string",
  }
  local base = { inherited = print }
  local middle = setmetatable({ halfway = print }, { __index = base })
  globals.object = setmetatable({ own = 1, act = print }, { __index = middle })
  globals.magic = setmetatable({}, { __index = function() error("called") end })
  local loop = {}
  setmetatable(loop, { __index = loop })
  globals.loop = loop

  local function candidates(text)
    return (complete.candidates(text, globals))
  end

  it("offers globals and reserved words", function()
    assert.same({ "alpha", "alpine" }, candidates("x = al"))
    assert.same({ "while" }, candidates("wh"))
    assert.same({ "text", "then", "true" }, candidates("if t"))
  end)

  it("offers fields, at any depth", function()
    assert.same({ "bend", "beta" }, candidates("print(alpine.be"))
    assert.same({ "gamma", "grow" }, candidates("alpine.beta."))
    assert.same({}, candidates("alpine.none."))
    assert.same({}, candidates("alpha."))
  end)

  it("follows __index tables and calls nothing", function()
    assert.same({ "act", "halfway", "inherited", "own" }, candidates("object."))
    assert.same({}, candidates("magic."))
    assert.same({}, candidates("loop.x"))
  end)

  it("offers only what can be called after a colon", function()
    assert.same({ "act", "halfway", "inherited" }, candidates("object:"))
    assert.same({ "rep", "reverse" }, candidates("text:re"))
  end)

  it("tells concatenation from a field, and stays silent where it cannot know", function()
    assert.same({ "alpha", "alpine" }, candidates("text..al"))
    assert.same({}, candidates("f().al"))
    assert.same({}, candidates("t[1]:al"))
    assert.same({}, candidates("12al"))
    assert.same({}, candidates(""))
  end)

  it("offers module names inside the string of a require", function()
    assert.same({ "ringkernel.cli.complete" }, candidates('local x = require("ringkernel.cli.com'))
    assert.same({ "ringkernel.cli.complete" }, candidates("require 'ringkernel.cli.com"))
  end)

  it("inserts what candidates share, then shows them in columns", function()
    local insert, choices = complete.hint("string.fo")
    assert.equal("rmat", insert)
    assert.equal("", choices)
    insert, choices = complete.hint("string.re")
    assert.equal("", insert)
    assert.equal("rep      reverse", choices)
  end)
end)

describe("help", function()
  it("explains the prompt without an argument", function()
    assert.truthy(help.text():find("help(x)", 1, true))
    assert.equal(help.text(), tostring(help.command))
  end)

  it("describes functions, tables and objects", function()
    assert.truthy(help.text(print):find("^print: a function written in C"))
    assert.truthy(help.text(repl.compile):find("ringkernel.cli.repl.compile(text)", 1, true))
    assert.truthy(help.text(utf8):find("utf8: table\n  fields: char, ", 1, true))
    assert.truthy(help.text(io.stdout):find("FILE*, a userdata\n  methods: close, ", 1, true))
    assert.equal("number: integer", help.text(1))
    assert.equal("nil", help.text(nil))
  end)

  it("reads entries from annotated files", function()
    local entries = help.parse("---@meta\n\n--- A runtime.\n---@class ringkernel.Runtime\n"
      .. "local R = {}\n\n--- Starts an actor.\n---@param def table what to run\n"
      .. "---@return Actor\nfunction R:launch(def) end\n")
    assert.equal(2, #entries)
    assert.same({ name = "ringkernel.Runtime", title = "ringkernel.Runtime",
      lines = { "A runtime." }, is_class = true }, entries[1])
    assert.same({ name = "R:launch", title = "R:launch(def)",
      lines = { "Starts an actor.", "  def table what to run", "  returns Actor" } }, entries[2])
  end)

  it("finds documentation along package.path", function()
    local dir = support.temp_dir()
    os.execute("mkdir -p " .. dir .. "/ringkernel/meta")
    support.write_file(dir .. "/ringkernel/meta/runtime.lua",
      "--- The actors' home.\n---@class ringkernel.runtime\nlocal runtime = {}\n\n"
      .. "--- Starts an actor.\nfunction runtime:launch(def) end\n")
    local before = package.path
    package.path = dir .. "/?.lua;" .. before
    local by_name = help.text("launch")
    local by_value = help.text(setmetatable({}, { __name = "ringkernel.runtime" }))
    local missing = help.text("no such thing")
    package.path = before
    support.remove(dir)
    assert.truthy(by_name:find("runtime:launch(def)\nStarts an actor.", 1, true))
    assert.truthy(by_value:find("The actors' home.", 1, true))
    assert.equal("nothing is documented under 'no such thing'", missing)
  end)
end)
