-- SPDX-License-Identifier: MIT
--- Makes a PROV document (W3C PROV-DM, as PROV-JSON) of what provenance.lua has kept.
--
--   message                  entity    rk:message/<id>
--   its handling             activity  rk:handle/<id>/<actor>
--   start and stop handlers  activity  rk:start/<actor>/<n>, rk:stop/<actor>/<n>
--   actor, supervisor, host  agent     rk:actor/<name>, rk:supervisor/<name>, rk:host
--   what the host does       activity  rk:program
--   this record              entity    rk:record, which says whether it is complete
--
--   wasGeneratedBy     message, the handling that sent it       used             handling, message
--   wasDerivedFrom     message, the message that led to it      wasInformedBy    handling, handling
--   wasAttributedTo    message, its sender                      wasAssociatedWith  handling, actor
--   actedOnBehalfOf    actor, its supervisor or the host
--
-- A message whose sending was lost or forgotten, or what led to it, has no generation, and
-- rk:origin = "unknown"; then the record is not complete.

local json = require "ringkernel.json"

local M = {}

local Document = { __name = "ringkernel.provenance" }
Document.__index = Document

--- Names in qualified names: other bytes than these are written as %XX.
local function local_name(text)
  return (text:gsub("[^%w_.%-/]", function(char)
    return ("%%%02X"):format(char:byte())
  end))
end

local function qualified(text)
  return { ["$"] = text, type = "prov:QUALIFIED_NAME" }
end

local function id_text(id)
  return ("%d"):format(id)
end

-- ---- building -----------------------------------------------------------------------------------

local Builder = {}
Builder.__index = Builder

--- A moment as xsd:dateTime in UTC, to the nanosecond.
function Builder:time(us)
  local ns = self.origin_us * 1000 + math.floor(us * 1000 + 0.5)
  return os.date("!%Y-%m-%dT%H:%M:%S", ns // 1000000000) .. (".%09dZ"):format(ns % 1000000000)
end

function Builder:relate(kind, record)
  local list = self.doc[kind]
  self.counts[kind] = (self.counts[kind] or 0) + 1
  list[("_:%s%d"):format(kind, self.counts[kind])] = record
end

function Builder:agent(key, label)
  if not self.doc.agent[key] then
    self.doc.agent[key] = { ["prov:type"] = qualified("prov:SoftwareAgent"),
      ["prov:label"] = label }
  end
  return key
end

function Builder:host()
  return self:agent("rk:host", "host")
end

function Builder:actor(name)
  local key = "rk:actor/" .. local_name(name)
  if not self.doc.agent[key] then
    self:agent(key, name)
    local above = self.members and self.members[name]
    local responsible = type(above) == "string"
      and self:agent("rk:supervisor/" .. local_name(above), above) or self:host()
    if type(above) == "string" and not self.has_boss[above] then
      self.has_boss[above] = true
      self:relate("actedOnBehalfOf", { ["prov:delegate"] = responsible,
        ["prov:responsible"] = self:host() })
    end
    self:relate("actedOnBehalfOf", { ["prov:delegate"] = key, ["prov:responsible"] = responsible })
  end
  return key
end

function Builder:program()
  if not self.doc.activity["rk:program"] then
    self.doc.activity["rk:program"] = { ["prov:startTime"] = self:time(0),
      ["prov:type"] = qualified("rk:program") }
    self:relate("wasAssociatedWith", { ["prov:activity"] = "rk:program",
      ["prov:agent"] = self:host() })
  end
  return "rk:program"
end

--- The activity of a handler's record.
function Builder:activity(entry)
  local key = self.keys[entry]
  if key then
    return key
  end
  local name = local_name(entry.name)
  key = entry.kind == "handle" and ("rk:handle/%s/%s"):format(id_text(entry.message), name)
    or ("rk:%s/%s"):format(entry.kind, name)
  local count = (self.used_keys[key] or 0) + 1
  self.used_keys[key] = count
  if entry.kind ~= "handle" or count > 1 then
    key = ("%s/%d"):format(key, count)
  end
  self.keys[entry] = key
  self.ends[key] = entry.ends
  self.doc.activity[key] = { ["prov:type"] = qualified("rk:" .. entry.kind),
    ["prov:startTime"] = self:time(entry.at), ["rk:block"] = entry.block }
  self:relate("wasAssociatedWith", { ["prov:activity"] = key,
    ["prov:agent"] = self:actor(entry.name) })
  return key
end

function Builder:message(id, type_name)
  local key = "rk:message/" .. id_text(id)
  local entity = self.doc.entity[key]
  if not entity then
    entity = { ["prov:type"] = qualified("rk:message") }
    self.doc.entity[key] = entity
  end
  if type_name then
    entity["rk:type"] = math.type(type_name) == "integer" and ("%08x"):format(type_name)
      or type_name
  end
  return key, entity
end

--- The record of the handling that a Lua actor's sending names by the low half of an id.
function Builder:cause_of(sent)
  local best
  for _, entry in ipairs(self.handled_by[sent.name] or {}) do
    if entry.message & 0xffffffff == sent.cause and entry.at <= sent.at + self.slack
      and (not best or entry.at > best.at) then
      best = entry
    end
  end
  return best
end

--- What the message came from: its generation, attribution and derivation.
function Builder:generated(sent)
  local key, entity = self:message(sent.message, sent.type)
  local by = sent.by or sent.cause and self:cause_of(sent)
  local activity
  if by then
    activity = self:activity(by)
    self.ends[activity] = math.max(self.ends[activity], sent.at)
  elseif not sent.actor then
    activity = self:program()
  else
    entity["rk:origin"] = "unknown"
  end
  self:relate("wasAttributedTo", { ["prov:entity"] = key,
    ["prov:agent"] = sent.actor and self:actor(sent.name) or self:host() })
  if not activity then
    return
  end
  self.generator[sent.message] = activity
  self:relate("wasGeneratedBy", { ["prov:entity"] = key, ["prov:activity"] = activity,
    ["prov:time"] = self:time(sent.at) })
  if by and by.message then
    self:relate("wasDerivedFrom", { ["prov:generatedEntity"] = key,
      ["prov:usedEntity"] = self:message(by.message, by.type), ["prov:activity"] = activity })
  end
end

function Builder:handled(entry)
  local activity = self:activity(entry)
  local key, entity = self:message(entry.message, entry.type)
  self:relate("used", { ["prov:activity"] = activity, ["prov:entity"] = key,
    ["prov:time"] = self:time(entry.at) })
  local informant = self.generator[entry.message]
  if not informant then
    entity["rk:origin"] = "unknown"
  elseif informant ~= activity then
    self:relate("wasInformedBy", { ["prov:informed"] = activity, ["prov:informant"] = informant })
  end
end

--- Which records belong to the document: what members sent or handled, and what was sent to them.
local function select_entries(given)
  local members, chosen = given.members, {}
  local theirs = {}
  for i = given.first, given.last do
    local entry = given.entries[i]
    if not members or entry.name and members[entry.name] then
      theirs[entry.message or 0] = true
      chosen[entry] = true
    end
  end
  local out = { send = {}, handle = {}, start = {}, stop = {}, dead = {} }
  for i = given.first, given.last do
    local entry = given.entries[i]
    if chosen[entry] or entry.kind == "send" and theirs[entry.message] then
      table.insert(out[entry.kind], entry)
    end
  end
  return out
end

local function build(self, given)
  local chosen = select_entries(given)
  local seen = {}
  for _, entry in ipairs(chosen.handle) do
    local list = self.handled_by[entry.name] or {}
    self.handled_by[entry.name] = list
    list[#list + 1] = entry
  end
  for _, sent in ipairs(chosen.send) do
    if not seen[sent.message] then -- ids are of one sending; a copy says nothing new
      seen[sent.message] = true
      self:generated(sent)
    end
  end
  for _, entry in ipairs(chosen.handle) do
    self:handled(entry)
  end
  for _, kind in ipairs { "start", "stop" } do
    for _, entry in ipairs(chosen[kind]) do
      self:activity(entry)
    end
  end
  for _, entry in ipairs(chosen.dead) do
    local _, entity = self:message(entry.message, entry.type)
    entity["rk:dead"] = entry.reason
  end
  for key, at in pairs(self.ends) do
    self.doc.activity[key]["prov:endTime"] = self:time(at)
  end
end

--- A document of entries; see provenance.lua.
function M.new(given)
  local doc = { prefix = { rk = "urn:ringkernel:" } }
  for _, kind in ipairs { "entity", "activity", "agent", "wasGeneratedBy", "used", "wasInformedBy",
    "wasAssociatedWith", "wasAttributedTo", "wasDerivedFrom", "actedOnBehalfOf" } do
    doc[kind] = json.object()
  end
  local builder = setmetatable({ doc = doc, counts = {}, keys = {}, used_keys = {}, ends = {},
    generator = {}, handled_by = {}, has_boss = {}, members = given.members,
    origin_us = given.origin_us, slack = (given.clock_error_us or 0) + 0.01 }, Builder)
  build(builder, given)
  local unknown = 0
  for _, entity in pairs(doc.entity) do
    unknown = unknown + (entity["rk:origin"] and 1 or 0)
  end
  local is_complete = given.lost == 0 and given.forgotten == 0 and unknown == 0
  doc.entity["rk:record"] = { ["prov:type"] = qualified("rk:record"),
    ["rk:complete"] = is_complete, ["rk:lost"] = given.lost, ["rk:forgotten"] = given.forgotten,
    ["rk:unknownOrigins"] = unknown, ["rk:clockErrorMicroseconds"] = given.clock_error_us }
  return setmetatable({ data = doc, complete = is_complete, lost = given.lost,
    forgotten = given.forgotten, unknown = unknown }, Document)
end

-- ---- documents ----------------------------------------------------------------------------------

--- PROV-JSON text.
function Document:json()
  return json.encode(self.data, "") .. "\n"
end

--- Writes it to a file: true | nil, message, "io".
function Document:save(path)
  local file, why = io.open(path, "wb")
  if not file then
    return nil, ("provenance: cannot write: %s"):format(why), "io"
  end
  local ok, write_why = file:write(self:json())
  local closed, close_why = file:close()
  if not (ok and closed) then
    return nil, ("provenance: cannot write '%s': %s"):format(path, write_why or close_why), "io"
  end
  return true
end

function Document:__tostring()
  return ("ringkernel.provenance: %s"):format(self.complete and "complete" or "not complete")
end

M.methods = Document

return M
