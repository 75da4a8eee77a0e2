-- Checks a PROV document (the tables of its PROV-JSON) for what PROV-DM and PROV-CONSTRAINTS ask of
-- it, written without a look at the code that makes documents: every relation's ends exist and are
-- of the right kind, times are ordered, derivations have no cycle, one generation an entity.
-- Used as `local problems = dofile("spec/provenance_validator.lua")(doc, slack_seconds)`.

local RELATIONS = { -- relation -> key -> kind of what it names
  wasGeneratedBy = { ["prov:entity"] = "entity", ["prov:activity"] = "activity" },
  used = { ["prov:activity"] = "activity", ["prov:entity"] = "entity" },
  wasInformedBy = { ["prov:informed"] = "activity", ["prov:informant"] = "activity" },
  wasAssociatedWith = { ["prov:activity"] = "activity", ["prov:agent"] = "agent" },
  wasAttributedTo = { ["prov:entity"] = "entity", ["prov:agent"] = "agent" },
  wasDerivedFrom = { ["prov:generatedEntity"] = "entity", ["prov:usedEntity"] = "entity" },
  actedOnBehalfOf = { ["prov:delegate"] = "agent", ["prov:responsible"] = "agent" },
}
local OTHER = { prefix = true, entity = true, activity = true, agent = true }

--- Seconds since 1970 of an xsd:dateTime in UTC, or nil.
local function seconds(text)
  local year, month, day, hour, min, sec =
    text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d%.%d+)Z$")
  if not year then
    return nil
  end
  local m = tonumber(month)
  local y = tonumber(year) - (m <= 2 and 1 or 0)
  local era_days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * ((m + 9) % 12) + 2) // 5
    + tonumber(day) - 719469
  return era_days * 86400.0 + hour * 3600 + min * 60 + tonumber(sec)
end

return function(doc, slack)
  local problems = {}
  local function report(format, ...)
    problems[#problems + 1] = format:format(...)
  end
  slack = (slack or 0) + 1e-6 -- what doubles do to seconds since 1970
  local function time(text, where)
    local at = type(text) == "string" and seconds(text)
    if not at then
      report("%s: no dateTime: %s", where, tostring(text))
    end
    return at or 0
  end
  local function check_name(name, where)
    local prefix = name:match("^([%w_]+):[%w_.%-/%%]+$")
    if not prefix or not (doc.prefix[prefix] or prefix == "prov") then
      report("%s: '%s' is no qualified name", where, name)
    end
  end
  for kind in pairs(doc) do
    if not RELATIONS[kind] and not OTHER[kind] then
      report("'%s' is no part of PROV-JSON", kind)
    end
  end
  for _, kind in ipairs { "entity", "activity", "agent" } do
    for name in pairs(doc[kind] or {}) do
      check_name(name, kind)
    end
  end
  local span = {}
  for name, activity in pairs(doc.activity) do
    local first = time(activity["prov:startTime"], name)
    local last = activity["prov:endTime"] and time(activity["prov:endTime"], name) or math.huge
    span[name] = { first, last }
    if last < first then
      report("%s ends before it starts", name)
    end
  end
  for kind, ends in pairs(RELATIONS) do
    for id, relation in pairs(doc[kind] or {}) do
      for key, target in pairs(ends) do
        local name = relation[key]
        if not (name and doc[target] and doc[target][name]) then
          report("%s %s: there is no %s '%s'", kind, id, target, tostring(name))
        end
      end
      local within = relation["prov:time"] and span[relation["prov:activity"]]
      local at = within and time(relation["prov:time"], id)
      if within and (at < within[1] - slack or at > within[2] + slack) then
        report("%s %s: not within its activity", kind, id)
      end
    end
  end
  local made = {}
  for id, relation in pairs(doc.wasGeneratedBy) do
    local entity = relation["prov:entity"]
    if made[entity] then
      report("wasGeneratedBy %s: '%s' is generated twice", id, entity)
    end
    made[entity] = { at = time(relation["prov:time"], id), by = relation["prov:activity"] }
  end
  local users = {} -- activity -> entity -> true
  for id, relation in pairs(doc.used) do
    local entity, activity = relation["prov:entity"], relation["prov:activity"]
    users[activity] = users[activity] or {}
    users[activity][entity] = true
    if made[entity] and made[entity].at > time(relation["prov:time"], id) + slack then
      report("used %s: '%s' is used before it is generated", id, entity)
    end
  end
  for id, relation in pairs(doc.wasInformedBy) do
    local has_reason = false
    for entity in pairs(users[relation["prov:informed"]] or {}) do
      has_reason = has_reason or made[entity] and made[entity].by == relation["prov:informant"]
    end
    if not has_reason then
      report("wasInformedBy %s: nothing went from one to the other", id)
    end
  end
  local from = {}
  for id, relation in pairs(doc.wasDerivedFrom) do
    local new, old = relation["prov:generatedEntity"], relation["prov:usedEntity"]
    from[new] = from[new] or {}
    table.insert(from[new], old)
    if not made[new] or made[new].by ~= relation["prov:activity"] then
      report("wasDerivedFrom %s: its activity did not generate '%s'", id, new)
    elseif made[old] and made[old].at > made[new].at + slack then
      report("wasDerivedFrom %s: '%s' is older than what it comes from", id, new)
    end
  end
  local state = {}
  local function walk(name)
    if state[name] == "open" then
      report("wasDerivedFrom: a cycle through '%s'", name)
    elseif not state[name] then
      state[name] = "open"
      for _, older in ipairs(from[name] or {}) do
        walk(older)
      end
      state[name] = "done"
    end
  end
  for name in pairs(from) do
    walk(name)
  end
  return problems
end
