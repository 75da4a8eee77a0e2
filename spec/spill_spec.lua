-- SPDX-License-Identifier: MIT
--- Messages for the host that wait on the disk while memory is short.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local RKL = os.getenv "RKL" or "build/rkl"
local Number = support.Number
local error_of, eventually = support.error_of, support.eventually

local Page = rk.message("Page", { { "n", "i64" }, { "text", "char[4000]" } })

--- Answers a number with a page of its letter; -1 with a short message.
local Writer = rk.kernel {
  name = "writer", accepts = { Number }, emits = { Number, Page },
  source = [[
RK_ON(Number) {
  (void)state;
  if (msg->n < 0) { rk_reply(ctx, Number, msg); return; }
  Page out;
  out.n = msg->n;
  for (unsigned i = 0; i < sizeof(out.text); ++i) { out.text[i] = (char)('a' + msg->n % 26); }
  rk_reply(ctx, Page, &out);
}
]],
}

local function shell(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read("a"):gsub("%s+$", ""))
end

describe("spill #tsan", function()
  local rt, folder, events

  local function open(options)
    options.spill = options.spill or folder
    options.blocks = 1
    rt = assert(rk.open(options))
    events = {}
    rt:on("pressure", function(event)
      if event.reason == "spill" then
        events[#events + 1] = event
      end
    end)
    return rt
  end

  before_each(function()
    folder = shell("mktemp -d")
  end)

  after_each(function()
    if rt then
      rt:close()
    end
    rt = nil
    assert.equal("", shell("ls -A " .. folder)) -- whatever happened
    os.execute("rm -r " .. folder)
  end)

  local function until_true(fn)
    assert.is_truthy(eventually(function()
      rt:poll(0.001)
      return fn()
    end))
  end

  --- Has pages first..last wait in the mailbox of `a`, where `waiting` did before.
  local function fill(a, first, last, waiting)
    local n = first
    until_true(function()
      while n <= last and a:send(Number { n = n }) do
        n = n + 1
      end
      return n > last and a:stats().waiting_out == (waiting or 0) + last - first + 1
    end)
  end

  local function check_page(page, n)
    assert.equal(n, page.n)
    assert.equal(string.char(97 + n % 26):rep(4000), page.text)
  end

  local function take(a, first, last)
    for n = first, last do
      check_page(assert(a:receive(5)), n)
    end
  end

  local function spilled()
    return rt:stats().spilled_messages
  end

  --- The file behind the runtime's descriptor, to be damaged.
  local function file()
    local number = shell("ls -l /proc/$PPID/fd"):match("(%d+) %-> " .. folder:gsub("%p", "%%%0"))
    return assert(io.open("/proc/self/fd/" .. number, "r+b"))
  end

  it("puts what waits aside, and gives it back in order", function()
    open { memory_budget = 6 << 20 }
    local a = assert(rt:launch(Writer, { name = "a", queue = 2048 }))
    fill(a, 1, 1500)
    until_true(function() return spilled() > 1000 end)
    local stats = rt:stats()
    assert.equal(1500, a:stats().waiting_out)
    assert.is_true(stats.spilled_bytes > spilled() * 4000)
    assert.is_true(stats.memory_used < 4 << 20)
    assert.equal(0, stats.spill_refused)
    local moved, given = 0, 0
    for _, event in ipairs(events) do
      assert.matches("^critical$", event.level:gsub("emergency", "critical"))
      assert.equal(6 << 20, event.budget)
      assert.is_true(event.used < event.budget)
      assert.is_nil(event.actor)
      moved, given = moved + event.spilled_messages, given + event.spilled_bytes
    end
    assert.equal(stats.spilled_total, moved)
    assert.is_true(given > 1000 * 4000)
    assert.equal("", shell("ls -A " .. folder)) -- it has no name
    take(a, 1, 700)
    fill(a, 1501, 1900, 800) -- behind those on the disk
    take(a, 701, 1900)
    assert.equal("empty", select(3, a:try_receive()))
    stats = rt:stats()
    assert.same({ 0, 0, 0 }, { stats.spilled_messages, stats.spilled_bytes, stats.spill_lost })
    assert.equal(0, a:stats().waiting_out)
    fill(a, 1, 100) -- and as ever again
    take(a, 1, 100)
  end)

  it("keeps the order in whatever way messages come and go", function()
    open { memory_budget = 2 << 20 }
    local a = assert(rt:launch(Writer, { queue = 1024 }))
    local seed = 7
    local function random(most)
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      return (seed >> 8) % most + 1
    end
    local sent, got = 0, 0
    for _ = 1, 60 do
      local more = random(300)
      if sent + more - got < 1000 then
        fill(a, sent + 1, sent + more, sent - got)
        sent = sent + more
      end
      rt:poll(0.011)
      local less = random(250)
      while less > 0 and got < sent do
        local list = assert(a:receive_many(math.min(less, random(40)), 5))
        for _, page in ipairs(list) do
          got = got + 1
          check_page(page, got)
        end
        less = less - #list
      end
    end
    take(a, got + 1, sent)
    assert.equal("empty", select(3, a:try_receive()))
    local total = rt:stats().spilled_total
    assert.is_true(total > 1000, total)
    assert.same({ 0, 0 }, { rt:stats().spilled_bytes, rt:stats().dead_letters })
  end)

  it("does so for an actor's own budget, and calls go on beside it", function()
    open {}
    local a = assert(rt:launch(Writer, { name = "a", queue = 512, memory_budget = 1 << 20 }))
    local b = assert(rt:launch(Writer, { name = "b", queue = 512 }))
    fill(b, 1, 400)
    fill(a, 1, 400)
    until_true(function() return #events > 0 end)
    local e = events[1]
    assert.same({ a, "a", 1 << 20 }, { e.actor, e.name, e.budget })
    assert.is_true(spilled() <= 400)
    assert.equal(-1, assert(a:call(Number { n = -1 }, 5)).n)
    assert.equal(400, a:stats().waiting_out)
    take(a, 1, 400)
    take(b, 1, 400)
    assert.equal(0, spilled())
  end)

  it("does so for a tenant's limit of memory", function()
    open {}
    local blue = assert(rt:tenant("blue", { memory = 2 << 20 }))
    local a = assert(rt:launch(Writer, { queue = 512, tenant = blue }))
    local b = assert(rt:launch(Writer, { queue = 512 }))
    fill(b, 1, 450)
    fill(a, 1, 450)
    until_true(function() return #events > 0 end)
    assert.same({ "blue", 2 << 20 }, { events[1].tenant, events[1].budget })
    assert.is_true(spilled() > 0 and spilled() <= 450)
    take(a, 1, 450)
    assert.equal(0, spilled())
    take(b, 1, 450)
  end)

  it("makes room for what would be refused", function()
    open { memory_budget = 4 << 20 }
    local a = assert(rt:launch(Writer, { queue = 1024 }))
    fill(a, 1, 480)
    local before = rt:stats()
    assert.is_true(before.memory_used < 0.8 * (4 << 20) and before.spilled_total == 0)
    local b = assert(rt:launch(Writer, { queue = 8192 }))
    assert.is_true(spilled() > 0)
    take(a, 1, 480)
    assert(b:terminate())
  end)

  it("keeps in memory what is over its limit, and loses nothing", function()
    open { memory_budget = 3 << 20, spill_max = 400000 }
    local a = assert(rt:launch(Writer, { queue = 1024 }))
    fill(a, 1, 700)
    until_true(function() return spilled() > 50 end)
    fill(a, 701, 900, 700)
    until_true(function() return rt:stats().spill_refused > 2 end)
    local stats = rt:stats()
    assert.is_true(stats.spilled_bytes <= 400000)
    assert.is_true(stats.spilled_messages <= 100)
    assert.equal(900, a:stats().waiting_out)
    assert.equal("out_of_memory", select(3, rt:launch(Writer, { queue = 1024 })))
    take(a, 1, 900)
  end)

  it("needs a folder in which it can make a file", function()
    local nothing, text, code = rk.open { spill = folder .. "/none" }
    assert.is_nil(nothing)
    assert.equal("not_found", code)
    assert.matches(folder .. "/none", text, 1, true)
    local path = os.tmpname()
    assert.equal("not_found", select(3, rk.open { spill = path }))
    os.remove(path)
    assert.is_nil((rk.open { spill = "/proc/self" }))
    assert.matches("'spill_max' says nothing without 'spill'", error_of(rk.open, { spill_max = 1 }))
    assert.matches("spill", error_of(rk.open, { spill = 5 }))
  end)

  it("does nothing without a budget", function()
    open {}
    local a = assert(rt:launch(Writer, { queue = 1024 }))
    fill(a, 1, 1000)
    rt:poll(0.03)
    assert.same({ 0, 0 }, { rt:stats().spilled_total, #events })
    take(a, 1, 1000)
  end)

  it("is part of a checkpoint; a restore replaces it", function()
    open { memory_budget = 3 << 20 }
    local path = os.tmpname()
    local a = assert(rt:launch(Writer, { name = "a", queue = 1024 }))
    fill(a, 1, 700)
    take(a, 1, 30)
    until_true(function() return spilled() > 300 end)
    fill(a, 701, 720, 670)
    assert(rt:checkpoint(path))
    assert.equal(690, a:stats().waiting_out)
    take(a, 31, 60)
    until_true(function() return spilled() > 300 end)
    assert(rt:restore(path))
    assert.equal(690, a:stats().waiting_out)
    take(a, 31, 720)
    assert.equal("empty", select(3, a:try_receive()))
    assert.equal(0, rt:stats().spilled_bytes)
    rt:close()
    open {}
    a = assert(rt:launch(Writer, { name = "a", queue = 1024 }))
    assert(rt:restore(path))
    take(a, 31, 720)
    os.remove(path)
  end)

  it("tells of a damaged message once; it is a dead letter, the others are received", function()
    open { memory_budget = 3 << 20 }
    local a = assert(rt:launch(Writer, { name = "a", queue = 1024 }))
    fill(a, 1, 700)
    until_true(function() return spilled() > 300 end)
    local f <close> = file()
    assert(f:seek("set", 1000)) -- in the text of the first one
    assert(f:write("!"))
    f:close()
    assert.equal("corrupt", select(3, rt:checkpoint(folder .. "/c")))
    local got, told = {}, {}
    while #got < 699 do
      local list, text, code = a:receive_many(17, 5)
      if list then
        table.move(list, 1, #list, #got + 1, got)
      else
        told[#told + 1] = { text, code }
      end
    end
    assert.equal(1, #told)
    assert.equal("corrupt", told[1][2])
    assert.matches("actor 'a': 1 of its messages were put aside on the disk and are lost",
      told[1][1])
    local missing, n = nil, 0
    for _, page in ipairs(got) do
      n = n + 1
      if page.n ~= n then
        missing, n = n, n + 1
      end
      check_page(page, n)
    end
    assert.equal(1, rt:stats().spill_lost)
    local letters = rt:dead_letters()
    assert.equal(1, #letters)
    assert.same({ "corrupt", a.id }, { letters[1].reason, letters[1].source })
    assert.equal(missing, (string.unpack("<i8", letters[1].bytes)))
    fill(a, 1, 1000) -- what is lost takes no room of the mailbox
    take(a, 1, 1000)
  end)

  it("counts what cannot even be named", function()
    open { memory_budget = 3 << 20 }
    local a = assert(rt:launch(Writer, { name = "a", queue = 1024 }))
    fill(a, 1, 700)
    until_true(function() return spilled() > 300 end)
    local f <close> = file()
    assert(f:seek("set", 30)) -- in the header of the first one
    assert(f:write("!"))
    f:close()
    local got, last, told = 0, 0, 0
    while got + rt:stats().spill_lost < 700 do
      local page, _, code = a:receive(5)
      if page then
        assert.is_true(page.n > last)
        got, last = got + 1, page.n
      else
        assert.equal("corrupt", code)
        told = told + 1
      end
    end
    assert.equal(700, last)
    assert.equal(1, told)
    assert.is_true(rt:stats().spill_lost > 5)
    assert.equal(0, rt:stats().dead_letters)
    fill(a, 1, 1000)
    take(a, 1, 1000)
  end)

  it("outlives the actor's end, not the last handle", function()
    open { memory_budget = 3 << 20 }
    local a = assert(rt:launch(Writer, { name = "a", queue = 1024 }))
    fill(a, 1, 700)
    until_true(function() return spilled() > 300 end)
    assert.same({ "a" }, assert(rt:drain_actors { deadline = 20 }).drained)
    take(a, 1, 200)
    assert(a:restart())
    fill(a, 701, 800, 500)
    take(a, 201, 800)
    fill(a, 1, 700)
    until_true(function() return spilled() > 300 end)
    assert(a:terminate())
    a:close()
    until_true(function()
      collectgarbage()
      return spilled() == 0
    end)
    assert.equal(0, rt:stats().spilled_bytes)
  end)

  it("leaves no file after a kill", function()
    local script = os.tmpname()
    local out = assert(io.open(script, "w"))
    out:write(([[
local rk = require "ringkernel"
local Page = rk.message("Page", { { "n", "i64" }, { "text", "char[4000]" } })
local Back = rk.kernel { name = "back", accepts = { Page }, emits = { Page },
  source = "RK_ON(Page) { (void)state; rk_reply(ctx, Page, msg); }" }
local rt = assert(rk.open { spill = %q, memory_budget = 8 << 20, blocks = 1 })
local a = assert(rt:launch(Back, { queue = 512 }))
local sent = 0
while rt:stats().spilled_messages == 0 do
  if sent < 512 and a:send(Page { n = 1, text = "x" }) then sent = sent + 1 end
  rt:poll(0.001)
end
print("spilled")
io.stdout:flush()
os.execute("kill -9 $PPID")
]]):format(folder))
    out:close()
    assert.matches("spilled", shell(("timeout 60 %s %s 2>&1"):format(RKL, script)))
    assert.equal("", shell("ls -A " .. folder))
    os.remove(script)
  end)
end)
