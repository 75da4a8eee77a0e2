-- SPDX-License-Identifier: MIT
--- Every example runs and prints what it says it prints.

local examples = dofile("spec/example_runner.lua")

-- What the programs print, exactly.
local OUTPUT = {
  ["01-hello.lua"] = "hello\t1\n",
  ["02-request-reply.lua"] = "reply:\tcalled\n"
    .. "queued:\tsent\n"
    .. "suspended:\tnil\ttimeout\n"
    .. "terminated:\tnil\tterminated\n"
    .. "the text says:\tactor 'echo' has terminated\n"
    .. "misuse:\tfalse\tEcho has no field 'sequence'\n",
  ["03-typed-messages.lua"] = "Reading\t48 bytes\n"
    .. 'Reading { sensor = 7, value = 21.5, window = { 1, 2 }, unit = "degC", is_valid = false }\n'
    .. "22.0\tfalse\ttrue\n"
    .. "48\t7\tdegC\t1.0 2.0 0.0 0.0\n"
    .. "corrupt\n"
    .. "Reading has no field 'sensors' (did you mean 'sensor'?)\n"
    .. "Reading: field 'sensor': u32 takes 0..4294967295, got -1\n"
    .. "Reading: field 'sensor': u32 takes a number, got '7'\n"
    .. "Reading: field 'unit': char[8] takes up to 8 bytes, got 9\n"
    .. "7fffffffffffffff\n",
  ["04-ping-pong.lua"] = "hits:\t10000\nping:\t5000\npong:\t5000\n",
  ["05-pubsub.lua"] = "alarm:\talarms/heat\t35.5\n"
    .. "house/kitchen/temperature = 21\n"
    .. "house/kitchen/humidity = 60\n"
    .. "house/attic/temperature = 35.5\n"
    .. "late:\thouse/door/state\t1.0\n"
    .. "delivered:\t1\n",
  ["06-own-kernel.lua"] = "sent:\t100\n"
    .. "mean:\t50.5\t100\n"
    .. "state:\t5050.0\n"
    .. "broken:\tcompile\tat line 2\n",
  ["07-buffers.lua"] = "rk.global:\t1.5 2.5 3.5\t100000.5\n"
    .. "vector:\t1.5 2.5 3.5\t100000.5\n"
    .. "elements:\t100000\n",
  ["08-with-luv.lua"] = "tasks finished:\t3\nthe timer ticked meanwhile:\ttrue\n",
  ["09-with-cqueues.lua"] = "reply 1\nreply 2\nreply 3\nnothing for us: timeout\n",
  ["10-many-blocks.lua"] = "lanes:\t1\t64\nsum:\t500000500000.0\n"
    .. "lanes:\t3\t192\nsum:\t500000500000.0\n"
    .. "too many:\tunsupported\n",
  ["13-supervised.lua"] = "through:\t13\n"
    .. "restart:\tfirst\tnormal\t0\nthrough:\t23\n"
    .. "restart:\tsecond\tfailed\t42\nthrough:\t33\n"
    .. "restart:\tthird\tshutdown\t0\nthrough:\t43\n"
    .. "dead letter:\t-1\tfailed\n"
    .. "kept state:\t4\n"
    .. "root: running\n|- first: running\n|- second: running\n`- third: running\n"
    .. "stopped:\tterminated\tstopped\n",
  ["15-hot-reload.lua"] = "prices:\t50000\tout of order:\t0\n"
    .. "handled:\t50000\tby old and new:\t50000\n"
    .. "reloads:\tsome\tversion is theirs plus one:\ttrue\n"
    .. "source:\tcompile\nstate:\tunsupported\nport:\tunsupported\n"
    .. "start handler:\tinvalid_state\n"
    .. "as it was:\ttrue\t50000\n"
    .. "migrated:\tmigrated\t50000\t1.5\n"
    .. "back:\trestored\ttrue\n",
  ["12-topology.lua"] = "source (source)\n"
    .. "`- next -> [shard sensor]\n"
    .. "   |- out0 -> w1 (worker)\n"
    .. "   |  `- out -> sink (function)\n"
    .. "   `- out1 -> w2 (worker)\n"
    .. "      `- out -> sink (see above)\n"
    .. "added:\tw3\nchanged:\tsource.next.router\n"
    .. "seen:\t4800\nlost:\t0\nsensors:\t8\n",
  ["16-tenants.lua"] = "strangers:\ttrue\nthrough the host:\ttenant_mismatch\ngranted:\t0\n"
    .. "taken back with the grant:\t3\nrefused again:\ttrue\nhandled meanwhile:\t0\n"
    .. "dead letters:\t3\ttenant\na third actor:\tdenied\n"
    .. ("audit:\tsend\tshop\tbank\ttenant_mismatch\n"):rep(3)
    .. "audit:\tlaunch\tshop\tactors\tdenied\n",
  ["17-provenance.lua"] = "plant/siren\tactive\t10\ttrue\n"
    .. "plant/guard\tactive\t20\ttrue\n"
    .. "drained:\tguard siren\tleft:\t0\n"
    .. "complete:\ttrue\n"
    .. "alarms that lead back to a reading:\t10\n",
  ["14-checkpoint.lua"] = "delta:\t1\t2\tjob.2\nrestored:\t2\tjob.2\nthe same result:\ttrue\n",
  ["11-trace.lua"] = "arrows:\t20\n"
    .. "handled:\t10\n"
    .. "p50 <= p99:\ttrue\n"
    .. "measured:\tfrom the start of the handler to its end\n",
}

local NEEDS = { ["08-with-luv.lua"] = "luv", ["09-with-cqueues.lua"] = "cqueues" }

--- The programs, in the order of their names.
local function example_files()
  local pipe = assert(io.popen("cd examples && LC_ALL=C ls *.lua"))
  local names = {}
  for name in pipe:lines() do
    names[#names + 1] = name
  end
  pipe:close()
  return names
end

describe("example", function()
  for _, name in ipairs(example_files()) do
    if name == "event-log.lua" then
      goto continue -- its times differ from run to run: below
    end
    it(name .. " prints what it promises", function()
      local module = NEEDS[name]
      if module and not pcall(require, module) then
        pending("needs the module " .. module)
        return
      end
      local result = examples.run(name)
      assert.equal("", result.err)
      assert.equal(OUTPUT[name], result.out)
      assert.equal(0, result.status)
    end)
    ::continue::
  end

  it("embed-in-c/hello.c builds from the public headers and prints", function()
    local sanitized = examples.build:find("asan") and " CFLAGS='-g -fsanitize=address,undefined'"
      or examples.build:find("tsan") and " CFLAGS='-g -fsanitize=thread'" or ""
    local dir = examples.temp_dir()
    local result = examples.shell(("make -s -C examples/embed-in-c run BUILD=%s OUT=%s%s"):format(
      "\"$(realpath " .. examples.quote(examples.build) .. ")\"", examples.quote(dir), sanitized))
    examples.remove(dir)
    assert.equal("", result.err)
    assert.equal("launched 'echo', it is active\n"
      .. "echo answered: seq 42, value 0.25, \"hello from C\"\n"
      .. "a second one: launch 'echo': an actor named 'echo' is alive (code exists)\n", result.out)
    assert.equal(0, result.status)
  end)

  it("event-log.lua mines the sample", function()
    local result = examples.run("event-log.lua", { "examples/data/dpkg.log" })
    assert.equal("", result.err)
    assert.matches("^examples/data/dpkg%.log: 5559 lines, 5513 events of 722 packages\n",
      result.out)
    assert.matches("\n +775 +0%.14 s  half%-configured +%-> installed\n", result.out)
    assert.matches("\n4791 pairs, 18 different; 46 lines skipped, 0 did not parse\n", result.out)
    assert.equal(0, result.status)
  end)

  it("11-trace.lua writes the file it is asked for", function()
    local dir = examples.temp_dir()
    local result = examples.run("11-trace.lua", { dir .. "/trace.json" })
    local text = examples.read_file(dir .. "/trace.json")
    examples.remove(dir)
    assert.equal(OUTPUT["11-trace.lua"], result.out)
    local tree = assert(require("dkjson").decode(text))
    local names = {}
    for _, event in ipairs(tree.traceEvents) do
      names[#names + 1] = event.name == "thread_name" and event.args.name or nil
    end
    assert.same({ "sender", "front", "deliveries", "worker" }, names)
  end)

  it("files start with a comment that says what they show", function()
    for _, name in ipairs(example_files()) do
      local text = examples.read_file("examples/" .. name)
      assert.matches("^#!/usr/bin/env rkl\n%-%- %u", text, name)
    end
  end)

  it("README lists every program", function()
    local readme = examples.read_file("examples/README.md")
    for _, name in ipairs(example_files()) do
      assert.truthy(readme:find(name, 1, true), name)
    end
    assert.truthy(readme:find("embed-in-c", 1, true))
  end)
end)
