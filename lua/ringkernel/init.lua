-- SPDX-License-Identifier: MIT
--- ringkernel: actors that live inside one resident grid of a device, from Lua.
--
--   local rk = require "ringkernel"
--   local rt <close> = rk.open()
--   local a = rt:launch("echo")
--   local Echo = rk.stock.echo.messages.Echo
--   print(a:call(Echo { seq = 1, text = "hello" }).text)
--
-- Expected failures return nil, message, code; misuse raises. Everything below comes from the
-- modules message.lua, kernel.lua, lua_actor.lua, actor.lua, runtime.lua, reload.lua, rules.lua,
-- loop.lua, supervisor.lua, topology.lua, trace.lua and the C module ringkernel.core.

local campaign = require "ringkernel.bench.campaign"
local core = require "ringkernel.core"
local kernel = require "ringkernel.kernel"
local loop = require "ringkernel.loop"
local lua_actor = require "ringkernel.lua_actor"
local message = require "ringkernel.message"
local rules = require "ringkernel.rules"
local supervisor = require "ringkernel.supervisor"
local topology = require "ringkernel.topology"
local trace = require "ringkernel.trace"
require "ringkernel.actor"
require "ringkernel.dead_letters"
require "ringkernel.events"
require "ringkernel.provenance"
require "ringkernel.runtime"
require "ringkernel.supervision"
require "ringkernel.rates"
require "ringkernel.stream"

local M = {
  _VERSION = "ringkernel " .. core.version,
  abi = core.abi,
  limits = core.limits,
}

--- Opens a runtime and starts its grid.
M.open = core.open

--- Makes a message type: rk.message("Reading", { { "sensor", "u32" }, { "value", "f64" } }).
M.message = message.new

--- Makes a kernel definition.
M.kernel = kernel.new

--- Makes a definition whose handlers are Lua functions on the script's thread.
M.actor = lua_actor.new

--- Makes a set of definitions with a version, for rt:apply_rules.
M.rules = rules.new

--- Makes an ordinary kernel for rt:run.
M.global = kernel.global

--- The stock definitions by name: rk.stock.echo.
M.stock = kernel.stock_table

--- Makes a specification of supervised children, in the terms of Erlang/OTP.
M.supervisor = supervisor.new

--- Declares a network of actors and links for rt:deploy.
M.topology = topology.new

--- What came with a received message: id, correlation, sender, hlc, type, priority, flags.
M.envelope = core.envelope

--- Makes a benchmark campaign, for `rkl --bench` or campaign:measure.
M.campaign = campaign.new

--- Statistics of samples: medians, intervals, tests.
M.stats = require "ringkernel.bench.stats"

--- Makes a histogram of whole numbers: log-linear buckets, at most 1.6 % wide.
M.histogram = core.histogram

--- Makes a hybrid logical clock of a node.
M.hlc = core.hlc

--- Reads the text of a timestamp: nil, message, "corrupt" for anything else.
M.hlc_unpack = core.hlc_unpack

--- Makes an event loop: "poll" (built in), "luv" or "cqueues".
M.loop = loop.open

--- Chrome traces from records: encode and save. Records come from rt:trace_read().
M.trace = trace

--- What devices there are, usable or not, with the reason.
M.devices = core.devices

return M
