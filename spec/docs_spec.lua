-- The reference that `make docs` writes: every word of the annotations, beside what it is about.

local files = dofile "spec/cli/support.lua"

local LUA = os.getenv "LUA" or "lua5.4"

local META = [[
---@meta

---What it is for.
---@class demo.thing: demo.other seconds; never too low
---@field name string of it and
---  what comes from it
---@field where? fun(a: table): boolean which of them; one that
---  is none
local thing = {}

---Does it.
---@overload fun(self, text: string): integer
---@param count integer how
---  often
---@return boolean ok whether
---  it did
function thing:act(count) end
]]

describe("the reference", function()
  local folder
  before_each(function()
    folder = files.temp_dir()
  end)
  after_each(function()
    files.remove(folder)
  end)

  local function docs(...)
    local ran = files.run(LUA, { "scripts/docs.lua", folder .. "/out.md", ... })
    assert.equal(0, ran.status, ran.err)
    local file = assert(io.open(folder .. "/out.md"))
    local text = file:read("a")
    file:close()
    return text
  end

  it("joins lines that go on, names classes alone, lists them first", function()
    local text = docs(files.write_file(folder .. "/demo.lua", META))
    for _, line in ipairs {
      "- [demo.thing](#class-demothing-demoother)\n",
      "\n## class demo.thing: demo.other\n\nWhat it is for.\nseconds; never too low\n",
      "\n- `name` (`string`) of it and what comes from it\n",
      "\n- `where?` (`fun(a: table): boolean`) which of them; one that is none\n",
      "\nDoes it.\n\nAlso: `fun(self, text: string): integer`\n",
      "\n- `count` (`integer`) how often\n",
      "\n- (`boolean`) ok whether it did\n",
    } do
      assert.is_truthy(text:find(line, 1, true), line .. text)
    end
  end)

  it("has no half sentence at the top of a class", function()
    local text = docs("lua/ringkernel/meta/campaign.lua", "lua/ringkernel/meta/ringkernel.lua")
    assert.matches("`run` %([^\n]*meter is started and stopped\n", text)
    assert.not_matches("\n meter is started", text)
    assert.matches("`hang_s%?` %(`number`%) seconds of one call", text)
  end)
end)
