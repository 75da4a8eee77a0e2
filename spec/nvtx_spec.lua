-- What a profiler hears: scripts run in processes of their own, with an injection library that
-- writes down every range and mark (spec/c/nvtx_injection.c).

local build = os.getenv("BUILD") or "build"
local tool = build .. "/spec/libnvtx_injection.so"
-- The interpreter that runs the spec: rkl carries the module, lua5.4 is told where it is.
local interpreter = pcall(require, "ringkernel.rkl") and (os.getenv("RKL") or "build/rkl")
  or os.getenv("LUA") or "lua5.4"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function file_exists(path)
  local file = io.open(path, "r")
  if file then
    file:close()
  end
  return file ~= nil
end

--- Runs Lua text with variables set; returns what it printed, how it ended, and the record.
local function run(variables, text)
  local record_path = os.tmpname()
  local words = { "env -u NVTX_INJECTION64_PATH", "NVTX_RECORD_PATH=" .. quote(record_path),
    "LUA_PATH=" .. quote("lua/?.lua;lua/?/init.lua;;"),
    "LUA_CPATH=" .. quote(package.cpath .. ";" .. build .. "/?.so;;") }
  for name, value in pairs(variables) do
    words[#words + 1] = name .. "=" .. quote(value)
  end
  words[#words + 1] = interpreter .. " -e " .. quote(text) .. " 2>&1"
  local pipe = assert(io.popen(table.concat(words, " ")))
  local output = pipe:read("a")
  local ended_well = pipe:close()
  local record = {}
  for line in io.lines(record_path) do
    record[#record + 1] = line
  end
  os.remove(record_path)
  return output, ended_well == true, record
end

local PROGRAM = [[
local rk = require "ringkernel"
local support = dofile("spec/support.lua")
local Number = support.Number
local function say(...) print(string.format(...)) end

local rt = assert(rk.open { backend = "cpu", blocks = 1 })
local adder = assert(rt:launch(support.Adder, { name = "adder" }))
for n = 1, 3 do assert(adder:send(Number { n = n })) end
for _ = 1, 3 do
  local reply = assert(adder:receive(10))
  local envelope = rk.envelope(reply)
  say("received %d", envelope.id)
end
local answer = assert(adder:call(Number { n = 4 }, 10))
say("answered %d", rk.envelope(answer).id)
local heard = {}
local sub = assert(rt:subscribe("a/#", function(msg) heard[#heard + 1] = msg end))
assert(rt:publish("a/b", Number { n = 5 }))
assert(support.eventually(function() rt:drain() return heard[1] end))
say("heard %d", rk.envelope(heard[1]).id)
sub:close()
assert(adder:send(Number { n = -13 }))
assert(support.eventually(function() rt:drain() return adder:state() == "failed" end))
assert(support.eventually(function() return rt:dead_letters()[1] end))
say("dead %d", rt:dead_letters()[1].id)
say("failed %d", adder.id)
rt:close()
]]

--- The ids that the program printed after `word`.
local function printed(output, word)
  local ids = {}
  for id in output:gmatch(word .. " (%d+)") do
    ids[#ids + 1] = id
  end
  return ids
end

local function count(record, line)
  local n = 0
  for _, have in ipairs(record) do
    n = n + (have == line and 1 or 0)
  end
  return n
end

--- The payloads of events of a kind ("push", "mark") with a name.
local function payloads(record, kind, name)
  local found = {}
  for _, line in ipairs(record) do
    local payload, text = line:match("^" .. kind .. " (%S+) (.*)$")
    if text == name then
      found[#found + 1] = payload
    end
  end
  return found
end

describe("a profiler that speaks NVTX", function()
  local output, ended_well, record

  setup(function()
    assert(file_exists(tool), tool .. " is missing: make spec-tools")
    output, ended_well, record = run({ NVTX_INJECTION64_PATH = tool }, PROGRAM)
  end)

  it("leaves the program as it is", function()
    assert.is_true(ended_well, output)
    assert.equal(3, #printed(output, "received"))
  end)

  it("sees one domain and a registered string for each name, before anything else", function()
    assert.equal("domain ringkernel", record[1])
    for i, name in ipairs { "open", "close", "launch", "load", "send", "drain", "receive", "call",
      "publish", "dead letter", "failure" } do
      assert.equal("string " .. name, record[i + 1])
    end
    assert.equal("push - open", record[13])
    assert.equal(0, count(record, "bad event") + count(record, "bad domain"))
  end)

  it("sees every range end, the innermost first", function()
    local depth, deepest = 0, 0
    for _, line in ipairs(record) do
      if line:find("^push ") then
        depth = depth + 1
      elseif line == "pop" then
        depth = depth - 1
      end
      assert.is_true(depth >= 0)
      deepest = math.max(deepest, depth)
    end
    assert.equal(0, depth)
    assert.is_true(deepest >= 2)
  end)

  it("sees open, launch with the load inside it, and close", function()
    assert.equal(1, count(record, "push - open"))
    assert.equal(1, count(record, "push - close"))
    assert.equal(1, count(record, "push - launch: adder"))
    for i, line in ipairs(record) do
      if line == "push - launch: adder" then
        assert.equal("push - load: adder", record[i + 1])
        assert.equal("pop", record[i + 2])
      end
    end
    assert.equal("pop", record[#record])
  end)

  it("sees each message that was sent, by its id", function()
    local sent = payloads(record, "push", "send")
    -- three to the adder, the call, the one that fails; the subscription is no actor
    assert.equal(5, #sent)
    for i = 2, #sent do
      assert.is_true(tonumber(sent[i - 1]) < tonumber(sent[i]))
    end
    assert.same(sent[5], printed(output, "dead")[1])
  end)

  it("sees each message that was received, with the id of its envelope", function()
    local want = printed(output, "received")
    want[#want + 1] = printed(output, "answered")[1]
    local drained = payloads(record, "push", "drain")
    assert.same(want, drained)
    want[#want + 1] = printed(output, "heard")[1]
    assert.same(want, payloads(record, "push", "receive"))
  end)

  it("sees a call from its request to its end, whatever lies between", function()
    local range, request
    local started, ended
    for i, line in ipairs(record) do
      local r, p = line:match("^start (%d+) (%d+) call$")
      if r then
        range, request, started = r, p, i
      elseif range and line == "end " .. range then
        ended = i
      end
    end
    assert.equal(payloads(record, "push", "send")[4], request)
    assert.is_true(started < ended)
    local between = table.concat(record, "\n", started, ended)
    assert.truthy(between:find("push " .. request .. " send", 1, true))
    assert.truthy(between:find("push " .. printed(output, "answered")[1] .. " drain", 1, true))
  end)

  it("sees publications with topic and id, dead letters and failures", function()
    assert.same(printed(output, "heard"), payloads(record, "push", "publish: a/b"))
    assert.same(printed(output, "dead"), payloads(record, "mark", "dead letter: failed"))
    assert.same(printed(output, "failed"), payloads(record, "mark", "failure: adder"))
  end)
end)

describe("without a profiler", function()
  local LIBRARIES = [[
local rk = require "ringkernel"
rk.open { backend = "cpu", blocks = 1 }:close()
for line in io.lines("/proc/self/maps") do
  if line:find("libnvtx_injection", 1, true) then print("loaded") break end
end
print("done")
]]

  it("nothing is loaded", function()
    local output, _, record = run({}, LIBRARIES)
    assert.equal("done\n", output)
    assert.same({}, record)
  end)

  it("an empty variable, a missing file and a file that is none are passed over", function()
    for _, path in ipairs { "", "/nowhere/libtool.so", "Makefile" } do
      local output, _, record = run({ NVTX_INJECTION64_PATH = path }, LIBRARIES)
      assert.equal("done\n", output)
      assert.same({}, record)
    end
  end)

  it("a tool that declines gets no events", function()
    local output, _, record = run({ NVTX_INJECTION64_PATH = tool, NVTX_REFUSE = "1" }, LIBRARIES)
    assert.equal("done\n", output)
    assert.same({ "refused" }, record)
  end)

  it("the log tells why, if asked", function()
    local output = run({ NVTX_INJECTION64_PATH = "/nowhere/libtool.so", RINGKERNEL_LOG = "info" },
      LIBRARIES)
    assert.truthy(output:find("nvtx", 1, true))
    assert.truthy(output:find("/nowhere/libtool.so", 1, true))
  end)

  it("the tool stays loaded where there is one", function()
    assert.equal("loaded\ndone\n", (run({ NVTX_INJECTION64_PATH = tool }, LIBRARIES)))
  end)
end)
