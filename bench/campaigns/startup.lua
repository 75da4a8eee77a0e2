#!/usr/bin/env -S rkl --bench
-- SPDX-License-Identifier: MIT
--- From starting a process to its end, and to the first answer of an actor in it: of rkl, which has
-- everything inside, and of lua5.4 with the module's files.

local here = (...):match("^(.*)/") or "."
local native = dofile(here .. "/native.lua")
local core = require "ringkernel.core"

local TEXTS = {
  nothing = "",
  require = 'require "ringkernel"',
  answer = [[
    local rk = require "ringkernel"
    local rt <close> = assert(rk.open { backend = "cpu" })
    local echo <close> = assert(rt:launch(rk.stock.echo))
    local Echo = rk.stock.echo.accepts[1]
    print(assert(echo:call(Echo { seq = 7, value = 0.5, text = "first" }, 10)).text)
    io.stdout:flush()
  ]],
}

--- The folder that has rkl has the module, too.
local build = native.rkl:match("^(.*)/") or "."
local FILES = {
  LUA_PATH = "lua/?.lua;lua/?/init.lua;;", LUA_CPATH = build .. "/?.so;;", RINGKERNEL_LUA = "",
}
local PROGRAMS = {
  rkl = { path = native.rkl, env = { RINGKERNEL_LUA = "" } },
  lua = { path = "lua5.4", env = FILES },
}

return native.campaign {
  name = "startup",
  answers = "what a script pays before its first line runs, and before an actor has answered; "
    .. "RustCompute's runtime with one kernel, 47 to 200 us in a process that runs",
  includes = "spawning the process",
  matrix = {
    { "program", { "rkl", "lua" } },
    { "till", { "nothing", "require", "answer" } },
  },
  skip = function(case)
    local program = PROGRAMS[case.program].path
    local _, status = core.spawn({ program, "-v" }, 10)
    return status ~= 0 and program .. " does not run" or native.missing "startup"
  end,
  run = function(case, meter)
    local program = PROGRAMS[case.program]
    local name = case.program == "rkl" and "rkl.start" or "rkl.start.lua"
    name = case.till == "nothing" and name or name .. "." .. case.till
    local words = { "startup", name }
    if case.till == "answer" then
      words[3] = "first"
    end
    table.move({ "--", program.path, "-e", TEXTS[case.till] }, 1, 4, #words + 1, words)
    native.measure(meter, { program = words, quantities = name, env = program.env })
  end,
}
