-- SPDX-License-Identifier: MIT
--- Topologies as they are declared: what is checked, cycles, how they are drawn. What is deployed
--- is in topology_deploy_spec.lua, changes while it runs in topology_apply_spec.lua.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number = support.Number
local Smooth, Sink, Adder = support.Smooth, support.Sink, support.Adder
local error_of, eventually = support.error_of, support.eventually

local Pass = rk.kernel {
  name = "pass", accepts = { Number }, emits = { Number }, ports = { "next" },
  state = { { "started_with", "i64" } },
  source = [[
RK_ON(Number) { (void)state; (void)rk_send(ctx, RK_PORT_next, Number, msg); }
]],
}
local Twice = rk.kernel {
  name = "twice", accepts = { Number }, emits = { Number }, ports = { "next", burst = 2 },
  source = [[
RK_ON(Number) {
  (void)state;
  (void)rk_send(ctx, RK_PORT_next, Number, msg);
  (void)rk_send(ctx, RK_PORT_next, Number, msg);
}
]],
}

--- The text of what rk.topology says against `options`.
local function refusal(options)
  return error_of(rk.topology, options) or error("it was accepted")
end

local function lines_of(text)
  local out = {}
  for line in text:gmatch("[^\n]+") do
    out[#out + 1] = line
  end
  return out
end

describe("rk.topology", function()
  it("names every mistake at once", function()
    local lines = lines_of(refusal {
      actors = {
        a = Pass, b = Sink, d = { Pass, queue = 0 }, e = { Pass, quue = 5 }, x = 5, ["y.z"] = Pass,
        stop = Pass, free = function() end, tagged = { Pass, tags = 5 },
      },
      links = {
        "a.nex -> b", "nobody.next -> b", "a.next -> nobody", "a.next -> b", "a.next -> b",
        "b -> a", "a.next b", { from = "a.next", to = "b", mode = "shard", key = "n" },
        { from = "a.next", to = { "b" }, mode = "shard" }, { from = "a.next", to = { "b" }, x = 1 },
        7,
      },
      cycles = "never",
      supervise = rk.supervisor { children = { { id = "b", start = Pass } } },
      nme = "x",
    })
    local wanted = {
      "unknown option 'nme' %(did you mean 'name'%?%)",
      "option 'cycles': 'check' or 'allow' expected, got 'never'",
      "actor 'd': option 'queue': a whole number from 1 to %d+ expected, got 0",
      "actor 'e': unknown option 'quue' %(did you mean 'queue'%?%)",
      "actor 'stop': the name is taken",
      "actor 'tagged': option 'tags': a list of names",
      "actor 'x': a kernel definition, .* expected, got 5",
      "actor 'y%.z': a name of letters",
      "link 'a%.next b': no '%->' in it",
      "link from 'a%.next': 'shard' needs a list of receivers",
      "link from 'a%.next': 'shard' needs the name of a field as 'key'",
      "link from 'a%.next': unknown option 'x'",
      "link 11: a text \"actor%.port %-> actor\" or a table expected",
      "actor 'free': a function takes what its links bring, and none brings anything",
      "link 'a%.nex %-> b': 'a' has no port 'nex' %(did you mean 'next'%?%); it has next",
      "link 'nobody%.next %-> b': no actor is called 'nobody'",
      "link 'a%.next %-> nobody': no actor is called 'nobody'",
      "link 'a%.next %-> b': port 'a%.next' is linked twice",
      "link 'b %-> a': which port of 'b'%? it has none",
      "option 'supervise': child 'b': its start is not what the actor of that name is",
    }
    assert.matches("rk%.topology: 20 mistakes:$", lines[1])
    assert.equal(#wanted + 1, #lines, table.concat(lines, "\n"))
    for index, pattern in ipairs(wanted) do
      assert.matches(pattern, lines[index + 1])
    end
  end)

  it("knows types, bursts and keys that do not fit", function()
    assert.matches("no message type in common: 'a' emits Reading, 'b' accepts Number", refusal {
      actors = { a = Smooth, b = Adder }, links = { "a.next -> b" } })
    assert.matches("'a' may send 4 messages at once, the queue of 'b' holds 3", refusal {
      actors = { a = Smooth, b = { Sink, queue = 3 } }, links = { "a.next -> b" } })
    assert.matches("'a' may send 4 messages at once, the link's queue holds 2", refusal {
      actors = { a = Smooth, b = Sink },
      links = { { from = "a.next", to = { "b" }, queue = 2 } } })
    assert.matches("'Reading' has no field 'place'", refusal {
      actors = { a = Smooth, b = Sink }, links = { "a.next -> {b} shard place" } })
    assert.matches("'b' stands there twice", refusal {
      actors = { a = Smooth, b = Sink }, links = { "a.next -> {b, b}" } })
    assert.matches("a table of options expected, got 5", error_of(rk.topology, 5))
    assert.matches("option 'actors': .* expected, got nil", refusal {})
  end)

  describe("with cycles", function()
    local function cycle_of(actors, links)
      return refusal { actors = actors, links = links }:match("cycle (.*)")
    end

    it("refuses those in which messages multiply", function()
      assert.matches("^a %-> b %-> a can stop for ever.*'a' may send 2 messages into it",
        cycle_of({ a = Twice, b = Pass }, { "a.next -> b", "b.next -> a" }))
      assert.matches("^a %-> a can stop .*'a' may send 2 messages",
        cycle_of({ a = Pass, b = Pass }, { "a.next -> {a, b}", "b.next -> a" }))
    end)

    it("refuses those into which a link leads", function()
      assert.matches("^a %-> b %-> a .*'source' sends into it from outside",
        cycle_of({ a = Pass, b = Pass, source = Pass },
          { "a.next -> b", "b.next -> a", "source.next -> a" }))
    end)

    it("lets pass what cannot fill by itself, or was thought about", function()
      rk.topology { actors = { a = Pass, b = Pass }, links = { "a.next -> b", "b.next -> a" } }
      rk.topology { actors = { a = Pass }, links = { "a.next -> a" } }
      rk.topology { actors = { a = Pass, b = Pass, c = Pass },
        links = { "a.next -> {b, c} shard n", "b.next -> a", "c.next -> a" } }
      rk.topology { actors = { a = Twice, b = Pass }, cycles = "allow",
        links = { "a.next -> b", "b.next -> a" } }
    end)

    it("says the truth: one that it refuses does stop, one that it lets pass goes on", function()
      local rt <close> = assert(rk.open { blocks = 1 })
      local multiplying = assert(rt:deploy(rk.topology { name = "m", cycles = "allow",
        actors = { a = { Twice, queue = 4 }, b = { Pass, queue = 4 } },
        links = { "a.next -> b", "b.next -> a" } }))
      assert.is_true(multiplying.a:send(Number { n = 1 }))
      local before
      assert.is_true(eventually(function()
        local now = multiplying.a:stats().processed + multiplying.b:stats().processed
        local has_stopped = now == before and now > 0
        before = now
        rt:poll(0.02)
        return has_stopped
      end))
      local going = assert(rt:deploy(rk.topology { name = "g",
        actors = { a = { Pass, queue = 4 }, b = { Pass, queue = 4 } },
        links = { "a.next -> b", "b.next -> a" } }))
      assert.is_true(going.a:send(Number { n = 1 }))
      assert.is_true(eventually(function()
        return going.a:stats().processed > 1000
      end))
    end)
  end)

  it("draws itself", function()
    local net = rk.topology {
      actors = { a = Smooth, w1 = Smooth, w2 = Smooth, sink = Sink,
        out = function() end, lone = Sink },
      links = { "a.next -> {w1, w2} shard sensor", "{w1.next, w2.next} -> {sink, out}" },
    }
    assert.equal([[
a (smooth)
`- next -> [shard sensor]
   |- out0 -> w1 (smooth)
   |  `- next -> [broadcast]
   |     |- out0 -> sink (sink)
   |     `- out1 -> out (function)
   `- out1 -> w2 (smooth)
      `- next -> [broadcast]
         |- out0 -> sink (see above)
         `- out1 -> out (see above)
lone (sink)
]], net:tree())
    local dot = net:dot()
    assert.matches('^digraph topology {\n', dot)
    assert.matches('"a" %[label="a\\nsmooth"%];', dot)
    assert.matches('"out" %[label="out\\nfunction", style=rounded%];', dot)
    assert.matches('"a%.next%.router" %[shape=diamond, label="shard sensor"%];', dot)
    assert.matches('"a" %-> "a%.next%.router" %[label="next: Reading"%];', dot)
    assert.matches('"w2%.next%.router" %-> "out";', dot)
    assert.equal("ringkernel.topology: 6 actors, 3 links", tostring(net))
  end)
end)
