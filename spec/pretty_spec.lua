-- SPDX-License-Identifier: MIT
--- ringkernel.pretty: values as readable, repeatable text.

package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
local pretty = require("ringkernel.pretty")

describe("pretty", function()
  it("tells integers from floats and keeps every digit", function()
    assert.equal("1", pretty(1))
    assert.equal("1.0", pretty(1.0))
    assert.equal("-0.0", pretty(-0.0))
    assert.equal("0.1", pretty(0.1))
    assert.equal("1e+100", pretty(1e100))
    assert.equal(1 / 3, tonumber(pretty(1 / 3)))
    assert.equal("9007199254740993", pretty(9007199254740993))
    assert.equal("-9223372036854775808", pretty(math.mininteger))
    assert.equal("inf", pretty(math.huge))
    assert.equal("-inf", pretty(-math.huge))
    assert.equal("nan", pretty(0 / 0))
  end)

  it("quotes strings so that Lua reads them back", function()
    for _, text in ipairs({ "", "plain", 'a "quote" \\', "line\nbreak\ttab", "\0\0019", "é ☃",
      "\xff\xc3x" }) do
      assert.equal(text, load("return " .. pretty(text))())
    end
    assert.equal('"é"', pretty("é"))
    assert.equal('"\\xFF"', pretty("\xff"))
  end)

  it("shows nil and booleans", function()
    assert.equal("nil", pretty(nil))
    assert.equal("true", pretty(true))
  end)

  it("shows lists, then sorted keys", function()
    assert.equal("{}", pretty({}))
    assert.equal("{ 1, 2, { 3 } }", pretty({ 1, 2, { 3 } }))
    assert.equal('{ 1, [1.5] = 2, [3] = 3, a = 1, ["end"] = 4, ["x y"] = 5, [true] = 6 }',
      pretty({ 1, [3] = 3, [1.5] = 2, a = 1, ["end"] = 4, ["x y"] = 5, [true] = 6 }))
  end)

  it("breaks lines where the width ends", function()
    local value = { name = "smooth", list = { 1, 2, 3 } }
    local one_line = '{ list = { 1, 2, 3 }, name = "smooth" }'
    assert.equal(one_line, pretty(value, { width = #one_line }))
    assert.equal('{\n  list = { 1, 2, 3 },\n  name = "smooth"\n}',
      pretty(value, { width = #one_line - 1 }))
  end)

  it("keeps lines within the width where entries allow it", function()
    local value = {}
    for index = 1, 10 do
      value["key_" .. index] = { index, index * 2, index * 3, label = "row" .. index }
    end
    for line in pretty(value, { width = 40 }):gmatch("[^\n]+") do
      assert.is_true(#line <= 40, line)
    end
  end)

  it("stops at the depth", function()
    assert.equal("{ { {...} } }", pretty({ { { 1 } } }, { depth = 2 }))
    assert.equal("{...}", pretty({ 1 }, { depth = 0 }))
    assert.equal("{}", pretty({}, { depth = 0 }))
  end)

  it("names where a cycle leads, and shows shared tables once", function()
    local cycle = { list = {} }
    cycle.self, cycle.list[1] = cycle, cycle.list
    assert.equal("{ list = { <cycle to root.list> }, self = <cycle to root> }", pretty(cycle))
    local shared = { 1 }
    assert.equal("{ { 1 }, <same as root[1]> }", pretty({ shared, shared }))
  end)

  it("summarises objects", function()
    local object = setmetatable({ 1 }, { __tostring = function() return "point(1)" end })
    assert.equal("{ point(1) }", pretty({ object }))
    assert.truthy(pretty(setmetatable({}, { __name = "my.class" })):find("^my%.class: "))
    local bad = setmetatable({}, { __tostring = function() error("no") end })
    assert.equal("<table: __tostring failed>", pretty(bad))
    assert.truthy(pretty(io.stdout):find("^file %("))
    assert.truthy(pretty(pretty):find("^function <.*pretty%.lua:%d+>$"))
    assert.truthy(pretty(print):find("^function: "))
  end)

  it("calls no metamethod while reading a table", function()
    local trap = function() error("called") end
    local value = setmetatable({ a = 1 }, { __index = trap, __pairs = trap, __len = trap })
    assert.equal("{ a = 1 }", pretty(value))
  end)

  it("stays bounded on huge values", function()
    local huge = {}
    for index = 1, 20000 do
      huge[index] = index
    end
    local text = pretty(huge)
    assert.truthy(text:find("... 15000 more", 1, true))
  end)

  it("names the option that is wrong", function()
    assert.error_matches(function() pretty(1, { widht = 1 }) end, "unknown option 'widht'")
    assert.error_matches(function() pretty(1, { width = "x" }) end,
      "option 'width': integer from 0 expected, got string")
    assert.error_matches(function() pretty(1, { depth = -1 }) end, "got %-1")
    assert.error_matches(function() pretty(1, 80) end, "bad argument #2 to 'pretty'")
  end)
end)
