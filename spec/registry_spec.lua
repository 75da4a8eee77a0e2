-- SPDX-License-Identifier: MIT
--- The registry: names with levels, patterns, tags, queries, watchers, and who is found meanwhile.

local rk = require "ringkernel"
local core = require "ringkernel.core"
local support = dofile("spec/support.lua")

local Number, Adder, Sink = support.Number, support.Adder, support.Sink
local error_of = support.error_of

describe("the registry #tsan", function()
  local rt

  before_each(function()
    rt = assert(rk.open { blocks = 2 })
  end)

  after_each(function()
    rt:close()
  end)

  local function names(query)
    local out = {}
    for _, actor in ipairs(assert(rt:actors(query))) do
      out[#out + 1] = actor.name
    end
    return out
  end

  it("fits names with levels to patterns", function()
    local fits = core.name_fits
    for _, case in ipairs {
      { "plant/*/scale", "plant/2/scale", true }, { "plant/*/scale", "plant/2/b/scale", false },
      { "plant/**/scale", "plant/2/b/scale", true }, { "plant/**/scale", "plant/scale", true },
      { "plant/**", "plant/1/2/3", true }, { "plant/**", "plan", false }, { "**", "a/b", true },
      { "*", "a/b", false }, { "a?c", "abc", true }, { "a?c", "a/c", false },
      { "a?c", "ac", false },
      { "**/scale", "scale", true }, { "s*e", "scale", true }, { "", "", true }, { "", "a", false },
      { "plant/*", "plant/", true }, { "plant/?*", "plant/", false },
    } do
      assert.equal(case[3], fits(case[1], case[2]), case[1] .. " against " .. case[2])
    end
  end)

  it("lists actors by pattern, tag and state", function()
    local a = assert(rt:launch(Adder, { name = "plant/1/add", tags = { "hot", zone = "eu" } }))
    assert(rt:launch(Adder, { name = "plant/2/add", tags = { zone = 7 } }))
    assert(rt:launch(Sink, { name = "plant/2/sink", activate = false, tags = "hot" }))
    assert(rt:launch(Sink, { name = "office" }))
    assert.same({ "plant/1/add", "plant/2/add", "plant/2/sink", "office" }, names())
    assert.same({ "plant/1/add", "plant/2/add" }, names("plant/*/add"))
    assert.same({ "plant/1/add", "plant/2/sink" }, names { tag = "hot" })
    assert.same({ "plant/1/add" }, names { tag = "zone=eu" })
    assert.same({ "plant/2/add" }, names { tag = "zone=7" })
    assert.same({ "plant/2/add" }, names { tag = { zone = 7 } })
    assert.same({ "plant/1/add", "plant/2/add" }, names { tag = "zone" })
    assert.same({ "plant/2/sink" }, names { name = "plant/**", state = "launched" })
    assert.same({}, names { tag = { hot = true, zone = 7 } })
    assert.same({ hot = true, zone = "eu" }, rt:tags(a))
    assert.is_nil(rt:tags(rt:find("office")))
    assert.matches("unknown option 'tg'", error_of(rt.actors, rt, { tg = "hot" }))
    assert.matches("'tags'.*a name without '=' expected",
      error_of(rt.launch, rt, Adder, { tags = { "a=b" } }))
  end)

  it("gives a new actor no tags of an older one", function()
    local a = assert(rt:launch(Adder, { name = "x", tags = "old" }))
    assert.is_true(a:terminate())
    assert.same({}, names { tag = "old" })
    assert(rt:launch(Adder, { name = "x" }))
    assert.same({}, names { tag = "old" })
  end)

  it("keeps tags of the living while thousands come and go", function()
    assert(rt:launch(Adder, { name = "stays", tags = "here" }))
    for i = 1, 300 do
      assert(rt:launch(Adder, { name = "n" .. i, tags = "gone", queue = 1 })):terminate()
    end
    assert.same({ "stays" }, names { tag = "here" })
    assert.same({}, names { tag = "gone" })
  end)

  it("tells watchers who came and went, by pattern", function()
    local seen = {}
    local watch = rt:watch("plant/*", function(event)
      seen[#seen + 1] = event.event .. " " .. event.name
      assert.equal(event.name, event.actor.name)
    end)
    local a = assert(rt:launch(Adder, { name = "plant/a" }))
    assert(rt:launch(Adder, { name = "plant/b/c" }))
    assert.same({}, seen) -- functions run inside drain, poll and waits
    rt:drain()
    assert.same({ "register plant/a" }, seen)
    assert.is_true(a:send(Number { n = -99 })) -- it stops by itself
    local deadline = core.clock() + 10
    while #seen < 2 do
      assert.is_true(core.clock() < deadline)
      rt:poll(0.01)
    end
    assert.equal("unregister plant/a", seen[2])
    assert.equal("ringkernel.watch: plant/*", tostring(watch))
    assert.is_true(watch:close())
    assert.is_true(watch:close())
    assert(rt:launch(Adder, { name = "plant/d" }))
    rt:drain()
    assert.equal(2, #seen)
    assert.matches("a pattern %(string%) expected, got 5", error_of(rt.watch, rt, 5, print))
    assert.matches("a function expected", error_of(rt.watch, rt, "*", 5))
  end)

  it("finds an actor while it fails and begins again", function()
    local seen = {}
    local watch <close> = rt:watch("worker", function(event)
      seen[#seen + 1] = event.event
    end)
    local a = assert(rt:launch(Adder, { name = "worker", tags = "w" }))
    assert.is_true(a:send(Number { n = -13 }))
    local deadline = core.clock() + 10
    while a:state() ~= "failed" do
      assert.is_true(core.clock() < deadline)
    end
    assert.equal(a, rt:find("worker")) -- a failed actor keeps its name
    assert.same({ nil, "exists" }, { rt:launch(Adder, { name = "worker" }), select(3,
      rt:launch(Adder, { name = "worker" })) })
    assert.is_true(a:restart())
    rt:drain()
    assert.same({ "register" }, seen) -- it was never away
    assert.is_true(a:terminate())
    collectgarbage()
    assert.same({ nil, "not_found" }, { rt:find("worker"), select(3, rt:find("worker")) })
    assert.is_true(a:restart())
    assert.equal(a, rt:find("worker"))
    assert.same({ "worker" }, names { tag = "w" })
    rt:drain()
    assert.same({ "register", "unregister", "register" }, seen)
    assert.equal("ringkernel.watch: worker", tostring(watch))
  end)

  it("renames an actor once, with its tags", function()
    local registry = require "ringkernel.registry"
    local seen = {}
    local watch <close> = rt:watch("**", function(event)
      seen[#seen + 1] = event.event .. " " .. event.name
    end)
    local a = assert(rt:launch(Adder, { name = "a.new", tags = "t" }))
    assert(rt:launch(Adder, { name = "taken" }))
    assert.same({ nil, "exists" }, { registry.rename(rt, a, "taken"), select(3,
      registry.rename(rt, a, "taken")) })
    assert.is_true(registry.rename(rt, a, "a"))
    assert.equal("a", a.name)
    assert.equal(a, rt:find("a"))
    assert.is_nil((rt:find("a.new")))
    assert.same({ "a" }, names { tag = "t" })
    assert.equal("invalid_state", (select(3, registry.rename(rt, a, "b"))))
    rt:drain()
    assert.same({ "register a.new", "register taken", "unregister a.new", "register a" }, seen)
    assert.equal("ringkernel.watch: **", tostring(watch))
  end)
end)
