-- Many message types in turn: what the module remembers of a type must never be another's.

local rk = require "ringkernel"

local KINDS = { "i8", "u8", "i16", "u16", "i32", "u32", "i64", "u64", "f32", "f64" }

--- `count` types whose fields differ in number and kind.
local function types(count)
  local out = {}
  for t = 1, count do
    local fields = {}
    for f = 1, 1 + t % 20 do
      fields[f] = { "f" .. f, KINDS[(t + f) % #KINDS + 1] }
    end
    out[t] = rk.message("Turn" .. t, fields)
  end
  return out
end

--- A message with other values in every field, and some left out.
local function message(class, seed)
  local fields = {}
  for i, field in ipairs(class.fields) do
    if (i + seed) % 5 ~= 0 then
      fields[field[1]] = (seed + i) % 100
    end
  end
  return class(fields)
end

describe("message types", function()
  local rt

  before_each(function()
    rt = assert(rk.open { backend = "cpu", blocks = 1 })
  end)

  after_each(function()
    rt:close()
  end)

  it("are told apart, more of them than are remembered, sent singly and in lists", function()
    local all, actors, got = types(160), {}, {}
    for first = 1, #all, 40 do
      local definition = rk.actor {
        name = "turns" .. first,
        accepts = table.move(all, first, first + 39, 1, {}),
        on = function(_, received)
          got[#got + 1] = received
        end,
      }
      actors[#actors + 1] = assert(rt:launch(definition, { queue = 1024 }))
    end
    local function check(sent)
      local deadline = os.time() + 20
      while #got < #sent and os.time() < deadline do
        rt:poll(0.01)
      end
      assert.equal(#sent, #got)
      for i, expected in ipairs(sent) do
        assert.equal(getmetatable(expected), getmetatable(got[i]))
        for _, field in ipairs(getmetatable(expected).fields) do
          assert.equal(expected[field[1]], got[i][field[1]])
        end
        assert.equal(getmetatable(expected).id, rk.envelope(got[i]).type)
      end
      got = {}
    end
    for index, actor in ipairs(actors) do
      local sent = {}
      for round = 1, 3 do
        for t = 40 * index - 39, 40 * index do
          sent[#sent + 1] = message(all[t], round * t)
          assert(actor:send(sent[#sent]))
        end
      end
      check(sent)
      sent = {}
      for t = 40 * index - 39, 40 * index do
        for copy = 1, 1 + t % 7 do
          sent[#sent + 1] = message(all[t], copy + t)
        end
      end
      assert.equal(#sent, actor:send_many(sent))
      check(sent)
    end
  end)

  it("lend their name to a table that only looks like one no longer than it lives", function()
    local Number = rk.message("Looked", { { "n", "i32" } })
    local seen = 0
    local actor = assert(rt:launch(rk.actor {
      name = "looker", accepts = { Number }, on = function(_, m)
        seen = seen + m.n
      end,
    }, { queue = 1024 }))
    for round = 1, 200 do
      local twin = {}
      for key, value in next, Number do
        twin[key] = value
      end
      assert(actor:send(setmetatable({ n = 1 }, twin)))
      twin = nil -- luacheck: ignore
      collectgarbage()
      for _ = 1, 20 do
        local stranger = setmetatable({ n = 1000 }, { round = round })
        assert.is_false((pcall(actor.send, actor, stranger)))
      end
    end
    local deadline = os.time() + 20
    while seen < 200 and os.time() < deadline do
      rt:poll(0.01)
    end
    assert.equal(200, seen)
  end)
end)
