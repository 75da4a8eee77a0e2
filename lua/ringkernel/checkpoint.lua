-- SPDX-License-Identifier: MIT
--- Checkpoints: rt:checkpoint and rt:restore, over src/runtime/checkpoint.c and restore.c.
--
-- What the core does not know of an actor goes with it as a note: its tags. The Lua state of a Lua
-- actor is not saved: its functions begin anew with what waits in its queue and on its links.

local core = require "ringkernel.core"
local check = require "ringkernel.check"
local hosted = require "ringkernel.hosted"
local kernel = require "ringkernel.kernel"
local registry = require "ringkernel.registry"

local M = {}

-- ---- notes --------------------------------------------------------------------------------------

local TAG = "tag"
local READ = {
  string = function(text) return text end,
  integer = math.tointeger,
  float = tonumber,
  boolean = function(text) return text == "true" end,
}

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

--- The note of an actor: entries of four strings, in an order that depends on nothing else.
local function write_note(rt, actor)
  local out = {}
  local tags = registry.tags(rt, actor) or {}
  for _, key in ipairs(sorted_keys(tags)) do
    local value = tags[key]
    local kind = math.type(value) or type(value)
    local text = kind == "float" and ("%a"):format(value) or tostring(value)
    out[#out + 1] = string.pack("<s4s4s4s4", TAG, key, kind, text)
  end
  return table.concat(out)
end

--- The tags of a note, or nil.
local function read_note(note)
  local tags, at = nil, 1
  while note and at <= #note do
    local ok, what, key, kind, text, next_at = pcall(string.unpack, "<s4s4s4s4", note, at)
    if not ok then
      break -- another program's note
    end
    at = next_at
    if what == TAG and READ[kind] then
      tags = tags or {}
      tags[key] = READ[kind](text)
    end
  end
  return tags
end

-- ---- saving -------------------------------------------------------------------------------------

local SAVE = {
  parent = { type = "any" },
  keep = { type = "integer", min = 1, max = 1000000 },
  actors = { type = "any" },
}

local function check_path(where, path)
  if type(path) ~= "string" or path == "" or path:find("\0", 1, true) then
    check.fail("%s: path: a string, not empty, expected, got %s", where, check.describe(path))
  end
end

--- Names that the option `actors` means: a pattern or a handle, or a list of both.
local function names_of(rt, wanted)
  if type(wanted) ~= "table" then
    wanted = { wanted }
  end
  local names, seen = {}, {}
  local function add(actor)
    if not seen[actor.name] then
      seen[actor.name] = true
      names[#names + 1] = actor.name
    end
  end
  for index, entry in ipairs(wanted) do
    if type(entry) == "string" then
      local found = rt:actors(entry)
      if not found or #found == 0 then
        return nil, ("checkpoint: no actor fits '%s'"):format(entry), "not_found"
      end
      for _, actor in ipairs(found) do
        add(actor)
      end
    elseif type(entry) == "userdata" and entry.runtime == rt then
      add(entry)
    else
      check.fail("checkpoint: option 'actors'[%d]: a name, a pattern or an actor of this runtime "
        .. "expected, got %s", index, check.describe(entry))
    end
  end
  return names
end

--- rt:checkpoint(path, { parent = info | path, keep = n, actors = ... }).
function M.save(rt, path, options)
  check_path("checkpoint", path)
  options = check.options("checkpoint", options or {}, SAVE)
  if not core.is_open(rt) then
    return nil, "the runtime is closed", "closed"
  end
  local parent = options.parent
  if type(parent) == "table" then
    parent = parent.path
  end
  if parent ~= nil and type(parent) ~= "string" then
    check.fail("checkpoint: option 'parent': what a checkpoint returned, or a path, expected, got "
      .. "%s", check.describe(options.parent))
  end
  local names, text, code
  if options.actors ~= nil then
    names, text, code = names_of(rt, options.actors)
    if not names then
      return nil, text, code
    end
  end
  local notes = {}
  for _, actor in ipairs(rt:actors()) do
    local note = write_note(rt, actor)
    if note ~= "" then
      notes[#notes + 1] = { actor.name, note }
    end
  end
  return core.checkpoint(rt, path,
    { parent = parent, keep = options.keep, actors = names, notes = notes })
end

-- ---- restoring ----------------------------------------------------------------------------------

local RESTORE = { kernels = { type = "any" } }

local function is_definition(value)
  return type(value) == "userdata" and value.accepts ~= nil
end

--- Definitions by the name of an actor or of the definition, as the option `kernels` has them.
local function check_kernels(kernels)
  local out = {}
  if kernels == nil then
    return out
  elseif type(kernels) ~= "table" then
    check.fail("restore: option 'kernels': a table of definitions expected, got %s",
      check.describe(kernels))
  end
  for key, value in pairs(kernels) do
    if not is_definition(value) then
      check.fail("restore: option 'kernels'[%s]: a definition expected, got %s",
        check.describe(key), check.describe(value))
    elseif type(key) == "string" then
      out[key] = value
    else
      out[value.name] = value
    end
  end
  return out
end

--- The definitions of what lives in this runtime, by name.
local function known_kernels(rt)
  local out = {}
  for _, actor in ipairs(rt:actors()) do
    local definition = actor.definition
    if definition then
      out[definition.name] = out[definition.name] or definition
    end
  end
  return out
end

--- Reads `path`, or else the newest of the series `path`.<n> that can be read.
local function open(rt, path)
  local restore, text, code = core.restore_open(rt, path)
  if restore or code ~= "not_found" then
    return restore, text, code, path, {}
  end
  local skipped = {}
  for i = 0, math.maxinteger do
    local number = core.checkpoint_number(path, i)
    if not number then
      break
    end
    local file = ("%s.%d"):format(path, number)
    restore, text, code = core.restore_open(rt, file)
    if restore or code ~= "corrupt" then
      return restore, text, code, file, skipped
    end
    skipped[#skipped + 1] = { path = file, message = text }
  end
  return nil, text, code
end

--- Terminates what was launched for a restore that came to nothing.
local function take_back(launched)
  for i = #launched, 1, -1 do
    launched[i]:terminate()
  end
end

--- Definitions for the missing ones, or one error that names all for which there is none.
local function find_kernels(rt, missing, kernels)
  local known, found, unknown = nil, {}, {}
  for index, entry in ipairs(missing) do
    known = known or known_kernels(rt)
    local name = entry.definition
    found[index] = kernels[entry.name] or kernels[name] or known[name] or kernel.stock(name)
    if not found[index] then
      unknown[#unknown + 1] = ("'%s' (%s)"):format(entry.name, name)
    end
  end
  if #unknown > 0 then
    return nil, ("restore: no definition for %s; give them in the option 'kernels'")
      :format(table.concat(unknown, ", ")), "not_found"
  end
  return found
end

local function launch(rt, missing, found)
  local launched, distinct, seen = {}, {}, {}
  for _, definition in ipairs(found) do
    if not seen[definition] then
      seen[definition] = true
      distinct[#distinct + 1] = definition
    end
  end
  if #distinct > 1 then -- one image for all of them, where there are images
    local ok, text, code, log = rt:load(distinct)
    if not ok then
      return nil, text, code, log
    end
  end
  for index, entry in ipairs(missing) do
    local tags, tenant = read_note(entry.note), entry.tenant
    local actor, text, code, log
    if tenant then -- it may be there, with its limits; grants are the program's to give
      actor, text, code = core.tenant_set(rt, tenant)
    end
    if actor ~= nil or not tenant then
      actor, text, code, log = rt:launch(found[index], { name = entry.name, tags = tags,
        queue = entry.queue, grid = entry.grid, tenant = tenant, activate = false })
    end
    if not actor then
      take_back(launched)
      return nil, text, code, log
    end
    launched[index] = actor
  end
  return launched
end

--- Options of rt:connect, as a link of an entry says them.
local function flow_of(link)
  return { policy = link.policy, limit = link.limit, deadline = link.deadline,
    credits = link.credits }
end

--- Tells those who remember routes where they lead now.
local function tell_routes(rt, entries)
  local routes = require "ringkernel.supervision_routes" -- which needs what is there after us
  for _, entry in ipairs(entries) do
    local actor, ports = rt:find(entry.name), {}
    for port, link in pairs(entry.ports) do
      local to = rt:find(link.to)
      ports[port] = to and { to, flow_of(link) }
    end
    if not hosted.is_hosted(actor) then
      routes.changed(actor, ports)
    end
  end
end

--- Ties the ports of a Lua actor as an entry says. Nothing waits on those there are any more.
local function tie_hosted(rt, actor, ports)
  for port in pairs(hosted.routes(actor)) do
    rt:disconnect(actor, port)
  end
  for port, link in pairs(ports) do
    local to = rt:find(link.to)
    if to then
      local ok, text, code = rt:connect(actor, port, to, flow_of(link))
      if not ok then
        return nil, text, code
      end
    end
  end
  return true
end

--- What the core leaves to us of Lua actors: ports and functions. What waits on links of one that a
-- kernel has become has none to wait on.
local function wake_hosted(rt, restore, entries)
  for index, entry in ipairs(entries) do
    local actor, ok, text, code = rt:find(entry.name), true, nil, nil
    if entry.of_lua then
      ok, text, code = tie_hosted(rt, actor, entry.ports)
    end
    if ok then
      ok, text, code = restore:links(index)
    end
    if ok and entry.of_lua and entry.state == "active" then
      hosted.restored(actor)
      ok, text, code = actor:activate()
    end
    if not ok then
      return nil, text, code
    end
  end
  return true
end

--- rt:restore(path, { kernels = { name = definition } }).
function M.restore(rt, path, options)
  check_path("restore", path)
  options = check.options("restore", options or {}, RESTORE)
  local kernels = check_kernels(options.kernels)
  if not core.is_open(rt) then
    return nil, "the runtime is closed", "closed"
  end
  local restore <close>, text, code, file, skipped = open(rt, path)
  if not restore then
    return nil, text, code
  end
  local missing = {}
  local entries = restore:actors()
  for _, entry in ipairs(entries) do
    if not entry.is_there then
      missing[#missing + 1] = entry
    end
  end
  local found, launched, log
  found, text, code = find_kernels(rt, missing, kernels)
  if not found then
    return nil, text, code
  end
  launched, text, code, log = launch(rt, missing, found)
  if not launched then
    return nil, text, code, log
  end
  for index, entry in ipairs(entries) do
    if hosted.is_hosted(rt:find(entry.name)) then
      entry.of_lua = true
      restore:rest(index)
    end
  end
  local info
  info, text, code = restore:apply()
  if not info then
    take_back(launched)
    return nil, text, code
  end
  info.path, info.skipped, info.launched = file, skipped, #launched
  tell_routes(rt, entries)
  local ok
  ok, text, code = wake_hosted(rt, restore, entries)
  if not ok then
    return nil, text, code
  end
  return info
end

return M
