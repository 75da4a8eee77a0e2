-- The LuaLS files in lua/ringkernel/meta say what the classes have: no more and no less.

local rk = require "ringkernel"
local core = require "ringkernel.core"

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local function names_of(class)
  local methods, fields = {}, {}
  local text = read(("lua/ringkernel/meta/%s.lua"):format(class))
  for name in text:gmatch("\nfunction [%w_]+[:.]([%w_]+)%(") do
    methods[#methods + 1] = name
  end
  local section = text:match("%-%-%-@class ringkernel[%w_.]*\n(.-)\nlocal ") or ""
  for name in section:gmatch("%-%-%-@field ([%w_]+)%??") do
    fields[#fields + 1] = name
  end
  table.sort(methods)
  table.sort(fields)
  return methods, fields, text
end

local function keys(tables)
  local out = {}
  for name in pairs(tables) do
    if type(name) == "string" and not name:find("^__") then
      out[#out + 1] = name
    end
  end
  table.sort(out)
  return out
end

describe("meta files", function()
  for _, class in ipairs { "runtime", "actor", "kernel", "global", "buffer", "subscription", "hlc",
                           "timestamp", "histogram" } do
    it("list the methods of " .. class, function()
      local methods, _, text = names_of(class)
      if class == "runtime" then -- too long for one file
        table.move(names_of("runtime_tenants"), 1, 99, #methods + 1, methods)
        table.sort(methods)
      end
      assert.same(keys(core.methods(class)), methods)
      assert.matches("^%-%-%-@meta\n", text)
    end)
  end

  it("list the functions of rk.stats", function()
    assert.same(keys(rk.stats), (names_of("stats")))
  end)

  it("list what the module has", function()
    local functions, fields = names_of("ringkernel")
    local all = table.move(fields, 1, #fields, #functions + 1, functions)
    table.sort(all)
    assert.same(keys(rk), all)
  end)

  it("list the methods of a running supervisor", function()
    assert.same(keys(require("ringkernel.supervision").methods), (names_of("supervision")))
  end)

  it("list what campaigns and meters have", function()
    local campaign = rk.campaign { name = "meta", run = print }
    for _, name in ipairs((names_of("campaign"))) do
      assert.is_function(campaign[name], name)
    end
    local meter
    rk.campaign({ name = "meta", samples = 1, warmup = 0, warmup_max = 0, run = function(_, m)
      meter = m
    end }):measure { quiet = true }
    assert.same(keys(getmetatable(meter)), (names_of("meter")))
  end)

  it("list what message types and loops have", function()
    local Type = rk.message("Meta", { { "x", "u8" } })
    local methods, fields = names_of("message")
    assert.same({ "pack", "unpack" }, methods)
    for _, name in ipairs(fields) do
      assert.is_not_nil(rawget(Type, name), name)
    end
    for _, name in ipairs((names_of("loop"))) do
      assert.is_function(rk.loop("poll")[name], name)
    end
  end)

  it("list what contexts, watches and topologies have", function()
    local methods = names_of("context")
    assert.same(keys(require("ringkernel.hosted_context").methods), methods)
    assert.same(keys(require("ringkernel.registry").methods), (names_of("watch")))
    assert.same(keys(require("ringkernel.tenant").methods), (names_of("tenant")))
    assert.same(keys(require("ringkernel.topology").methods), (names_of("topology")))
    assert.same(keys(require("ringkernel.topology.system").methods), (names_of("system")))
    assert.same(keys(require("ringkernel.stream").methods), (names_of("stream")))
    assert.same(keys(require("ringkernel.provenance_document").methods), (names_of("provenance")))
  end)

  it("list fields that are there", function()
    local rt <close> = assert(rk.open { blocks = 1 })
    local a = assert(rt:launch("echo"))
    local clock = rk.hlc(1)
    local objects = {
      runtime = rt,
      actor = a,
      kernel = rk.kernel { name = "k", accepts = { rk.message("Meta", { { "x", "u8" } }) },
        source = "RK_ON(Meta) {}" },
      global = rk.global { name = "g", source = "RK_GLOBAL() {}" },
      buffer = assert(rt:buffer("u8", 1)),
      subscription = assert(rt:subscribe("x", a)),
      hlc = clock,
      timestamp = clock:tick(),
    }
    for class, object in pairs(objects) do
      local _, fields = names_of(class)
      for _, name in ipairs(fields) do
        assert.is_not_nil(object[name], class .. "." .. name)
      end
      assert.is_nil(object.no_such_field)
      assert.is_nil(object[1])
    end
  end)
end)

describe("stock kernels", function()
  it("are those of stock.lua, in kernels/ and in the library", function()
    local stock = require "ringkernel.stock"
    local definition = require "ringkernel.definition"
    assert.is_function(definition.kernel)
    local listed = {}
    for index, entry in ipairs(stock.list) do
      listed[index] = entry.name
      local def = stock.definition(entry.name, read(("kernels/%s.cu"):format(entry.name)))
      assert.equal(entry.name .. ".cu", def.file)
      assert.equal(entry.block or 1, rk.stock[entry.name].block)
    end
    local built = core.stock_names()
    table.sort(listed)
    table.sort(built)
    assert.same(listed, built)
    assert.is_nil(rk.stock.no_such)
  end)
end)
