-- SPDX-License-Identifier: MIT
--- The Lua half of the registry: tags, queries, watchers. Names and patterns are matched in
-- src/runtime/registry.c.
--
-- A pattern: `*` stands for a run inside one level of a/b/c, `**` for any number of levels, `?` for
-- one character.
--
-- Tags and watchers go by name, and an actor that begins again has the name it had: whoever looks
-- for it by name, pattern or tag finds the same handle before and after.

local core = require "ringkernel.core"
local check = require "ringkernel.check"

require "ringkernel.events" -- rt:on

local M = {}

local STATES = { "launched", "active", "deactivated", "failed" }
local QUERY = {
  name = { type = "string" },
  tag = { type = "any" },
  state = { type = "choice", choices = STATES },
}

-- ---- tags ---------------------------------------------------------------------------------------

-- runtime -> { by_name = name -> { tags =, owner = { handle = (weak) } }, count, limit }
local tagged = setmetatable({}, { __mode = "k" })
local WEAK = { __mode = "v" }

--- Tags { "hot", zone = "eu" } as { hot = true, zone = "eu" }; nil stays nil.
function M.check_tags(where, tags)
  if tags == nil then
    return nil
  elseif type(tags) == "string" then
    tags = { tags }
  elseif type(tags) ~= "table" then
    check.fail("%s: a list of names, or name = value, expected, got %s", where,
      check.describe(tags))
  end
  local out = {}
  for key, value in pairs(tags) do
    if math.type(key) == "integer" then
      key, value = value, true
    end
    local kind = type(value)
    if type(key) ~= "string" or key == "" or key:find("=", 1, true) then
      check.fail("%s: a name without '=' expected, got %s", where, check.describe(key))
    elseif kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
      check.fail("%s: '%s': a string, number or boolean expected, got %s", where, key,
        check.describe(value))
    end
    out[key] = value
  end
  return out
end

--- Forgets the tags of actors that are neither alive nor in anybody's hands.
local function sweep(rt, known)
  known.count = 0
  for name, entry in pairs(known.by_name) do
    if entry.owner.handle == nil and not rt:find(name) then
      known.by_name[name] = nil
    else
      known.count = known.count + 1
    end
  end
  known.limit = 2 * known.count + 64
end

--- Notes the tags of an actor that was launched just now; nil: it has none.
function M.tag(rt, actor, tags)
  local known = tagged[rt]
  if not known then
    if not tags then
      return
    end
    known = { by_name = {}, count = 0, limit = 64 }
    tagged[rt] = known
  end
  known.by_name[actor.name] = tags
    and { tags = tags, owner = setmetatable({ handle = actor }, WEAK) }
  if tags then
    known.count = known.count + 1
    if known.count > known.limit then
      sweep(rt, known)
    end
  end
end

local function tags_of(rt, actor)
  local entry = tagged[rt] and tagged[rt].by_name[actor.name]
  return entry and entry.tags
end

--- Gives an actor another name; its tags go with it.
function M.rename(rt, actor, name)
  local tags = tags_of(rt, actor)
  local ok, text, code = core.actor_rename(actor, name)
  if ok then
    M.tag(rt, actor, tags)
  end
  return ok, text, code
end

--- A copy of an actor's tags, or nil.
function M.tags(rt, actor)
  local tags = tags_of(rt, actor)
  if not tags then
    return nil
  end
  local out = {}
  for key, value in pairs(tags) do
    out[key] = value
  end
  return out
end

--- The tags that a query asks for: "hot", "zone=eu" or a table as at launch.
local function wanted_tags(where, tag)
  if type(tag) == "string" then
    local key, value = tag:match("^([^=]+)=(.*)$")
    return key and { [key] = value } or { [tag] = true }
  end
  return M.check_tags(where, tag)
end

--- Whether an actor has all of `wanted`. `true` is content with any value but false; other values
-- are compared as text, so that "zone=7" finds zone = 7.
local function has_tags(rt, actor, wanted)
  local tags = tags_of(rt, actor)
  if not tags then
    return next(wanted) == nil
  end
  for key, value in pairs(wanted) do
    local is_there = tags[key] ~= nil and tags[key] ~= false
    if value == true and not is_there or value ~= true and tostring(tags[key]) ~= tostring(value)
    then
      return false
    end
  end
  return true
end

--- The actors of a list that a query describes: a pattern, or { name =, tag =, state = }.
function M.filter(rt, list, query)
  if type(query) == "string" then
    query = { name = query }
  end
  query = check.options("actors", query, QUERY)
  local wanted = query.tag ~= nil and wanted_tags("actors: option 'tag'", query.tag)
  local out = {}
  for _, actor in ipairs(list) do
    if (not query.name or core.name_fits(query.name, actor.name))
      and (not query.state or actor:state() == query.state)
      and (not wanted or has_tags(rt, actor, wanted)) then
      out[#out + 1] = actor
    end
  end
  return out
end

-- ---- watchers -----------------------------------------------------------------------------------

local Watch = { __name = "ringkernel.watch" }
Watch.__index = Watch

function Watch:__tostring()
  return ("ringkernel.watch: %s%s"):format(self.pattern, self.listeners and "" or " (closed)")
end

--- Ends it; its function is not called again.
function Watch:close()
  for _, listener in ipairs(self.listeners or {}) do
    listener:close()
  end
  self.listeners = nil
  return true
end
Watch.__close = Watch.close

--- Calls fn(event) when an actor whose name fits `pattern` is registered or unregistered.
function M.watch(rt, pattern, fn)
  if type(pattern) ~= "string" then
    check.fail("watch: a pattern (string) expected, got %s", check.describe(pattern))
  elseif type(fn) ~= "function" then
    check.fail("watch: a function expected, got %s", check.describe(fn))
  elseif not core.is_open(rt) then
    return nil, "the runtime is closed", "closed"
  end
  local watch = setmetatable({ pattern = pattern }, Watch)
  local function tell(event)
    if watch.listeners and core.name_fits(pattern, event.name) then
      fn(event)
    end
  end
  watch.listeners = { rt:on("register", tell), rt:on("unregister", tell) }
  return watch
end

M.methods = Watch

return M
