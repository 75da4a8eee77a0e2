-- SPDX-License-Identifier: MIT
--- `rk.actor`: definitions whose handlers are Lua functions on the script's thread.
--
-- What the grid runs for such an actor is a small kernel that passes every message on to the host
-- with the header it came with (RK_HOST_AS_SENT in kernels/include/rk_kernel.h); hosted.lua calls
-- the functions. Names, links, back-pressure, failures and statistics are those of any actor. For
-- sources, sinks and control: a message costs microseconds here, not nanoseconds.
--
-- The definition reads back as any other; its field `hosted` says that Lua handles its messages:
-- { on, start, stop, state, emits (a set by type) }.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local codegen = require "ringkernel.codegen"
local codegen_types = require "ringkernel.codegen_types"
local definition = require "ringkernel.definition"
local device = require "ringkernel.codegen_device"
local message = require "ringkernel.message"

local M = {}

local OPTIONS = {
  name = { type = "name" },
  accepts = { type = "any", required = true },
  emits = { type = "any" },
  ports = { type = "any" },
  on = { type = "any", required = true },
  start = { type = "function" },
  stop = { type = "function" },
  state = { type = "function" },
}

local function check_types(where, key, list)
  for index, entry in ipairs(type(list) == "table" and list or {}) do
    if not message.is_type(entry) then
      check.fail("%s: option '%s'[%d]: a message type (rk.message) expected, got %s", where, key,
        index, check.describe(entry))
    end
  end
end

--- Functions by message type, from a function for all or a table of functions by type name.
local function handlers(where, on, accepts)
  local out = {}
  if type(on) == "function" then
    for _, class in ipairs(accepts) do
      out[class] = on
    end
    return out
  elseif type(on) ~= "table" then
    check.fail("%s: option 'on': a function, or functions by message name, expected, got %s", where,
      check.describe(on))
  end
  local names = {}
  for _, class in ipairs(accepts) do
    names[class.name] = class
    if on[class.name] == nil then
      check.fail("%s: '%s' is accepted but option 'on' has no function for it", where, class.name)
    end
  end
  for name, fn in pairs(on) do
    if not names[name] then
      check.fail("%s: option 'on': %s is not in 'accepts'%s", where, check.describe(name),
        check.hint(name, names))
    elseif type(fn) ~= "function" then
      check.fail("%s: option 'on': '%s': a function expected, got %s", where, name,
        check.describe(fn))
    end
    out[names[name]] = fn
  end
  return out
end

--- Everything that may pass through the kernel, each type once.
local function union(accepts, emits)
  local out, seen = {}, {}
  for _, list in ipairs { accepts, emits } do
    for _, class in ipairs(list) do
      if not seen[class] then
        seen[class] = true
        out[#out + 1] = class
      end
    end
  end
  return out
end

--- The kernel's source: every message goes to the host as it was sent.
local function forwarder(accepts)
  local out = {}
  for _, class in ipairs(accepts) do
    out[#out + 1] = ("RK_ON(%s) { (void)state; (void)rk_send_to(ctx, RK_HOST_AS_SENT, %s, msg); }")
      :format(class.name, class.name)
  end
  return table.concat(out, "\n")
end

--- Makes a definition; raises for anything that is wrong with it.
function M.new(spec)
  local where = "rk.actor"
  spec = check.options(where, spec, OPTIONS)
  spec.name = spec.name or "lua"
  check_types(where, "accepts", spec.accepts)
  check_types(where, "emits", spec.emits)
  local checked = definition.kernel({
    name = spec.name,
    accepts = spec.accepts,
    emits = spec.emits,
    ports = spec.ports,
    source = "#define RK_FORWARD(T) RK_ON(T)", -- handlers made by a macro: none are missing
  }, where)
  local accepts = table.move(spec.accepts, 1, #spec.accepts, 1, {})
  local emits = table.move(spec.emits or {}, 1, #(spec.emits or {}), 1, {})
  local hosted = {
    on = handlers(("%s '%s'"):format(where, spec.name), spec.on, accepts),
    start = spec.start,
    stop = spec.stop,
    state = spec.state,
    emits = {},
  }
  local info = {
    name = spec.name,
    accepts = accepts,
    emits = emits,
    ports = checked.ports,
    burst = checked.burst,
    block = 1,
    messages = {},
    hosted = hosted,
  }
  local all = union(accepts, emits)
  for _, class in ipairs(all) do
    info.messages[class.name] = class
  end
  for _, class in ipairs(emits) do
    hosted.emits[class] = true
  end
  -- The ports are the host's: the kernel has none, and sends one message for each it handles.
  local def = definition.kernel({
    name = spec.name, accepts = accepts, emits = all, source = forwarder(accepts),
  }, where)
  info.c_source = codegen.kernel(def)
  info.device_source = device.fragment(def)
  return core.kernel_open(def.name, info.c_source, info, codegen_types.description(def),
    info.device_source)
end

return M
