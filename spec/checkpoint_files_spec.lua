-- Files of checkpoints as programs meet them: deltas, series, other backends, what is refused, and
-- processes that are killed or whose disk is full while they write.

local rk = require "ringkernel"
local support = dofile("spec/support.lua")

local Number, Adder, Sink, error_of = support.Number, support.Adder, support.Sink, support.error_of
local Echo = rk.stock.echo.messages.Echo
local rkl = os.getenv("RKL") or "build/rkl"

local kit = dofile("spec/checkpoint_kit.lua")

local read = kit.read

local folder

local function path(name)
  return folder .. "/" .. name
end

local function write(file, text)
  local handle = assert(io.open(file, "wb"))
  assert(handle:write(text))
  handle:close()
end

local function exists(file)
  local handle = io.open(file, "rb")
  return handle ~= nil and handle:close()
end

local function open(options)
  options = options or {}
  options.blocks = 2
  local rt = assert(rk.open(options))
  if rt.backend == "cuda" then -- one image for most of this, which is compiled once
    assert(rt:load { Adder, Sink, rk.stock.echo })
  end
  return rt
end

local function fails(code, value, message, got)
  assert.is_nil(value)
  assert.equal(code, got, message)
  return message
end

local function names(rt)
  local out = {}
  for _, actor in ipairs(rt:actors()) do
    out[#out + 1] = actor.name
  end
  table.sort(out)
  return table.concat(out, " ")
end

describe("the file of a checkpoint", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)

  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("of a delta holds what changed and what ended", function()
    do
      local rt <close> = open()
      local actors = {}
      for i = 1, 5 do
        actors[i] = assert(rt:launch(Adder, { name = "a" .. i }))
        assert(actors[i]:call(Number { n = i }, 5))
      end
      local full = assert(rt:checkpoint(path "full"))
      assert.same({ 5, 5, 0, 0 }, { full.actors, full.written, full.deleted, full.number })
      assert(actors[2]:call(Number { n = 10 }, 5))
      actors[3]:terminate()
      local delta = assert(rt:checkpoint(path "delta", { parent = full }))
      assert.same({ 4, 1, 1, 1 }, { delta.actors, delta.written, delta.deleted, delta.number })
      assert.equal(full.digest, delta.parent)
      assert.is_true(delta.bytes < full.bytes)
      actors[4]:deactivate()
      assert(actors[4]:send(Number { n = 4 }))
      assert(rt:launch(Adder, { name = "a3" }))
      local last = assert(rt:checkpoint(path "last", { parent = path "delta" }))
      assert.same({ 5, 2, 0, 2 }, { last.actors, last.written, last.deleted, last.number })
    end
    local rt <close> = open()
    assert(rt:restore(path "last", { kernels = { Adder } }))
    local sums = {}
    for i = 1, 5 do
      sums[i] = rt:find("a" .. i):peek_state().sum
    end
    assert.same({ 1, 12, 0, 4, 5 }, sums)
    assert.equal(1, rt:find("a4"):stats().waiting_in)
    local middle <close> = open()
    assert(middle:restore(path "delta", { kernels = { Adder } }))
    assert.equal("a1 a2 a4 a5", names(middle))
    -- without its parent, or with another one in its place, it is of no use
    local text = read(path "full")
    os.remove(path "full")
    fails("not_found", rt:restore(path "last"))
    write(path "full", read(path "delta"))
    assert.matches("is not the checkpoint", fails("corrupt", rt:restore(path "last")))
    write(path "full", text)
    assert(rt:restore(path "last"))
    assert.equal(12, rt:find("a2"):peek_state().sum)
  end)

  it("belongs to a series ordered by number, of which the newest stay", function()
    local rt <close> = open()
    local a = assert(rt:launch(Adder, { name = "a" }))
    local parent
    for i = 1, 12 do
      assert(a:call(Number { n = 1 }, 5))
      parent = assert(rt:checkpoint(path "job", { keep = 3, parent = i == 11 and parent or nil }))
      assert.equal(path("job." .. i), parent.path)
    end
    for i = 1, 12 do -- 11 builds on 10
      assert.equal(i >= 10, exists(path("job." .. i)) and true or false, i)
    end
    assert(a:call(Number { n = 1 }, 5))
    local info = assert(rt:restore(path "job"))
    assert.equal(path "job.12", info.path)
    assert.equal(12, a:peek_state().sum)
    -- the newest is damaged: the one before it
    local text = read(path "job.12")
    write(path "job.12", text:sub(1, -2))
    info = assert(rt:restore(path "job"))
    assert.equal(path "job.11", info.path)
    assert.equal(path "job.12", info.skipped[1].path)
    assert.matches("corrupt at byte", info.skipped[1].message)
    assert.equal(11, a:peek_state().sum)
    assert(rt:checkpoint(path "job", { keep = 1 }))
    assert.is_true(exists(path "job.13") and not exists(path "job.12"))
    fails("not_found", rt:restore(path "nothing"))
  end)

  it("is refused when it is damaged, and nothing has happened then", function()
    local rt <close> = open()
    local a = assert(rt:launch(Adder, { name = "a" }))
    assert(rt:launch(Adder, { name = "b" })):terminate()
    assert(a:call(Number { n = 5 }, 5))
    assert(rt:checkpoint(path "good"))
    assert(a:call(Number { n = 5 }, 5))
    local text = read(path "good")
    for at = 1, #text, 23 do
      local byte = string.char(text:byte(at) ~ 1 << at % 8)
      write(path "bad", text:sub(1, at - 1) .. byte .. text:sub(at + 1))
      assert.matches("corrupt at byte %d+", fails("corrupt", rt:restore(path "bad")))
      write(path "bad", text:sub(1, at - 1))
      assert.matches("corrupt at byte %d+", fails("corrupt", rt:restore(path "bad")))
    end
    assert.equal(10, a:peek_state().sum)
    assert(rt:restore(path "good"))
    assert.equal(5, a:peek_state().sum)
    fails("corrupt", rt:checkpoint(path "new", { parent = path "bad" }))
    fails("not_found", rt:checkpoint(path "new", { parent = path "none" }))
    assert.is_false(exists(path "new") and true or false)
  end)

  it("is refused when actors are missing or others than they were", function()
    do
      local rt <close> = open()
      assert(rt:launch(Adder, { name = "a" }))
      assert(rt:launch(Adder, { name = "b" }))
      assert(rt:launch(Sink, { name = "c", queue = 8, activate = false }))
      for n = 1, 8 do
        assert(rt:find("c"):send(Number { n = n }))
      end
      assert(rt:checkpoint(path "one"))
    end
    local rt <close> = open()
    local message = fails("not_found", rt:restore(path "one", { kernels = { c = Sink } }))
    assert.matches("'a' %(adder%), 'b' %(adder%)", message)
    assert.equal("", names(rt))
    -- of one thing known by name the others can be made
    local small = assert(rt:launch(Sink, { name = "c", queue = 4 }))
    message = fails("full", rt:restore(path "one", { kernels = { Adder } }))
    assert.matches("queue = 8", message)
    assert.equal("c", names(rt))
    small:terminate()
    local Other = rk.kernel {
      name = "other",
      accepts = { Number },
      state = { { "sum", "i64" } },
      source = "RK_ON(Number) { (void)ctx; state->sum += msg->n; }",
    }
    message = fails("corrupt",
      rt:restore(path "one", { kernels = { c = Sink, a = Other, b = Adder } }))
    assert.matches("'adder' has 16 bytes in the checkpoint, that of definition 'other' has 8",
      message)
    assert.equal("", names(rt))
    message = fails("corrupt",
      rt:restore(path "one", { kernels = { c = Adder, a = Adder, b = Adder } }))
    assert.matches("'sink'.*'adder'", message)
    assert.equal("", names(rt))
    assert(rt:restore(path "one", { kernels = { Sink, Adder } }))
    assert.equal("a b c", names(rt))
  end)

  it("keeps tenants apart, whatever their numbers are", function()
    do
      local rt <close> = open()
      assert(rt:tenant("shop"))
      assert(rt:tenant("bank"))
      assert(rt:grant("bank", "shop"))
      local vault = assert(rt:launch(Adder, { name = "vault", tenant = "bank", activate = false }))
      assert(rt:launch(Adder, { name = "till", tenant = "shop" }))
      assert(vault:send(Number { n = 1 }, { tenant = "bank" }))
      assert(vault:send(Number { n = 2 }, { tenant = "shop" }))
      assert(rt:checkpoint(path "tenants"))
    end
    local rt <close> = open()
    assert(rt:tenant("bank")) -- in another order than before
    assert(rt:tenant("shop"))
    local wrong = assert(rt:launch(Adder, { name = "vault", tenant = "shop" }))
    fails("tenant_mismatch", rt:restore(path "tenants", { kernels = { Adder } }))
    wrong:terminate()
    assert(rt:restore(path "tenants", { kernels = { Adder } }))
    assert.same({ "bank", "shop" }, { rt:find("vault").tenant, rt:find("till").tenant })
    assert(rt:find("vault"):activate()) -- the grant is not part of it
    assert.equal(1, rt:find("vault"):receive(5).n)
    local letters = support.eventually(function()
      rt:drain()
      return #rt:dead_letters() > 0 and rt:dead_letters()
    end)
    assert.same({ 1, "tenant" }, { #letters, letters[1].reason })
  end)

  it("comes from checked options", function()
    local rt <close> = open()
    assert(rt:launch("echo", { name = "e" }))
    assert.matches("path: a string, not empty, expected, got nil", error_of(rt.checkpoint, rt))
    assert.matches("unknown option 'parents'.*did you mean 'parent'",
      error_of(rt.checkpoint, rt, path "x", { parents = 1 }))
    assert.matches("option 'keep': a whole number",
      error_of(rt.checkpoint, rt, path "x", { keep = 0 }))
    assert.matches("option 'actors'%[1%]",
      error_of(rt.checkpoint, rt, path "x", { actors = { 7 } }))
    assert.matches("option 'parent': what a checkpoint returned",
      error_of(rt.checkpoint, rt, path "x", { parent = 7 }))
    assert.matches("in the same folder", error_of(rt.checkpoint, rt, path "x", { parent = "/x" }))
    assert.matches("option 'kernels'%[1%]: a definition expected",
      error_of(rt.restore, rt, path "x", { kernels = { 7 } }))
    fails("not_found", rt:checkpoint(path "x", { actors = "nobody*" }))
    fails("not_found", rt:checkpoint("/nowhere/at/all"))
    fails("not_found", rt:restore(path "x"))
    local info = assert(rt:checkpoint(path "x", { actors = { "e*", rt:find("e") } }))
    assert.equal(1, info.actors)
    rt:close()
    fails("closed", rt:checkpoint(path "x"))
    fails("closed", rt:restore(path "x"))
  end)

  it("holds the queue, the ports and the tags of a Lua actor", function()
    local seen = {}
    local Doubler = rk.actor {
      name = "doubler",
      accepts = { Number },
      emits = { Number },
      ports = { "next" },
      on = function(ctx, message)
        seen[#seen + 1] = message.n
        assert(ctx:send("next", Number { n = message.n * 2 }))
      end,
    }
    do
      local rt <close> = open()
      local d = assert(rt:launch(Doubler, { name = "d", activate = false, tags = "lua" }))
      local sink = assert(rt:launch(Sink, { name = "sink" }))
      assert(rt:connect(d, "next", sink))
      assert(d:activate())
      assert(d:send(Number { n = 1 }))
      assert(support.eventually(function()
        rt:poll(0.01)
        return sink:peek_state().n == 1
      end))
      for n = 2, 4 do -- the grid passes them on to us, and we do not look
        assert(d:send(Number { n = n }))
      end
      assert(rt:checkpoint(path "lua"))
    end
    assert.same({ 1 }, seen)
    local rt <close> = open()
    assert(rt:restore(path "lua", { kernels = { Doubler, Sink } }))
    local sink = rt:find("sink")
    assert.same({ lua = true }, rt:tags(rt:find("d")))
    assert(support.eventually(function()
      rt:poll(0.01)
      return sink:peek_state().n == 4
    end))
    assert.same({ 1, 2, 3, 4 }, seen)
    assert.equal(20, sink:peek_state().sum)
  end)

  it("goes from one backend to the other", function()
    local backends = { "cpu", "cpu" }
    if (os.getenv("RINGKERNEL_BACKEND") or "auto") == "cuda" then
      backends = { "cpu", "cuda", "cuda", "cpu" }
    end
    for i = 1, #backends, 2 do
      do
        local rt <close> = open { backend = backends[i] }
        local a = assert(rt:launch(Adder, { name = "a" }))
        local e = assert(rt:launch("echo", { name = "e", activate = false }))
        assert(a:call(Number { n = 41 }, 5))
        a:deactivate()
        assert(a:send(Number { n = 1 }))
        assert(e:send(Echo { seq = 9, text = "over" }))
        assert(rt:checkpoint(path "over"))
      end
      local rt <close> = open { backend = backends[i + 1] }
      assert(rt:restore(path "over", { kernels = { Adder } }))
      local a, e = rt:find("a"), rt:find("e")
      assert.equal(1, a:stats().processed)
      a:activate()
      assert.equal(42, a:receive(5).n)
      e:activate()
      assert.equal("over", e:receive(5).text)
    end
  end)

  it("stays as it was when the disk is full", function()
    write(path "series", "old")
    local command = ("ulimit -f 16; trap '' XFSZ; exec %s spec/checkpoint_child.lua %s once")
      :format(rkl, path "series")
    local pipe = assert(io.popen(("sh -c \"%s\" 2>&1"):format(command)))
    local said = pipe:read("a")
    pipe:close()
    assert.equal("io\n", said)
    assert.equal("old", read(path "series"))
    pipe = assert(io.popen("ls " .. folder))
    assert.equal("series\n", pipe:read("a")) -- no temporary file is left
    pipe:close()
  end)

  it("is whole or not there when its process is killed", function()
    local kills = os.getenv("LONG") == "1" and 500 or 12
    local random, last = 12345, 0
    for kill = 1, kills do
      random = (random * 1103515245 + 12345) & 0x7fffffff
      local ack, delay_ms = path "ack", 20 + (random >> 16) % 200
      os.execute(("%s spec/checkpoint_child.lua %s loop >%s 2>&1 & pid=$!; sleep 0.%03d; "
        .. "kill -9 $pid; wait $pid 2>/dev/null"):format(rkl, path "series", ack, delay_ms))
      local told = 0
      for line in io.lines(ack) do
        told = math.tointeger(line) or error(line)
      end
      if told > 0 or last > 0 then
        local rt <close> = open { backend = "cpu" }
        local info = assert(rt:restore(path "series"))
        assert.equal(0, #info.skipped)
        assert.is_true(info.messages >= math.max(told, last), kill)
        last = info.messages
        local e = rt:find("a")
        e:activate()
        for n = 1, last do
          assert.equal(n, assert(e:receive(5)).seq)
        end
        fails("empty", e:try_receive())
      end
    end
    assert.is_true(last > 0)
    local files = 0
    local pipe = assert(io.popen("ls " .. folder))
    for _ in pipe:lines() do
      files = files + 1
    end
    pipe:close()
    assert.is_true(files <= 12, files) -- what killed writers left does not pile up
  end)
end)
