-- SPDX-License-Identifier: MIT
--- Reads the links of a topology into one plain form.
--
-- Text:  "a.next -> b"                      one receiver
--        "a.next -> {b, c}"                 each message to all of them (broadcast)
--        "a.next -> {b, c} round_robin"     to one after another
--        "a.next -> {b, c} shard sensor"    by a field of the message
--        "{a.next, b.next} -> c"            several senders
--        "a.next -> b : drop_oldest 256"    what becomes of what the receiver has no room for
-- Table: { from = "a.next", to = "b" or { "b", "c" }, mode =, key =, queue =, policy =, limit =,
--          deadline =, credits = }
--
-- The policy of a link to a list is that of the ways to its receivers: one that is slow holds up,
-- or does not hold up, the others.
--
-- The port may be left out where the sender has one. `links.read(list, report)` returns a list of
-- { from =, port = or nil, to = { names }, mode =, key =, queue =, flow = options of rt:connect
-- or nil, text = }, one for each sender; what cannot be read goes to report(format, ...).

local check = require "ringkernel.check"

local M = {}

--- "direct" is what a link to one receiver is.
M.MODES = { "broadcast", "round_robin", "shard" }

--- What a link does with messages that its receiver has no room for.
M.POLICIES = { "block", "buffer", "drop_newest", "drop_oldest", "dead_letter" }

local FLOW = { "policy", "limit", "deadline", "credits" }
local KEYS = { from = true, to = true, mode = true, key = true, queue = true, policy = true,
  limit = true, deadline = true, credits = true }

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then
      return true
    end
  end
  return false
end

local function trim(text)
  return text:match("^%s*(.-)%s*$")
end

--- "{a, b}" or "a" -> list of names.
local function names_of(text)
  local inside = text:match("^{(.*)}$")
  local out = {}
  for name in ((inside or text) .. ","):gmatch("([^,]*),") do
    out[#out + 1] = trim(name)
  end
  return out, inside ~= nil
end

--- A link in words, as a table; nil and what is wrong with it.
local function parse(text)
  local left, right = text:match("^(.-)%->(.*)$")
  if not left then
    return nil, "no '->' in it"
  end
  left, right = trim(left), trim(right)
  local way, flow = right:match("^(.-)%s*:%s*(.*)$")
  local policy, limit
  if way then
    policy, limit = flow:match("^(%S+)%s*(%d*)$")
    if not policy then
      return nil, ("'%s' is not a policy"):format(flow)
    end
    right = way
  end
  local receivers, rest = right:match("^(%b{})%s*(.*)$")
  if not receivers then
    receivers, rest = right:match("^(%S*)%s*(.*)$")
  end
  local to, is_list = names_of(receivers)
  local mode, key = rest:match("^(%S*)%s*(%S*)$")
  if not mode then
    return nil, ("'%s' is not a mode"):format(rest)
  end
  return {
    from = names_of(left),
    to = is_list and to or to[1],
    mode = mode ~= "" and mode or nil,
    key = key ~= "" and key or nil,
    policy = policy,
    limit = math.tointeger(tonumber(limit)),
  }
end

--- "line/scale.next" -> "line/scale", "next"; without a port the second is nil.
local function split_port(text)
  local name, port = text:match("^(.*)%.([^.]*)$")
  if name then
    return name, port
  end
  return text, nil
end

local function as_list(value)
  return type(value) == "table" and value or { value }
end

local function check_names(list)
  for _, name in ipairs(list) do
    if type(name) ~= "string" or name == "" then
      return false
    end
  end
  return #list > 0
end

--- Whether the table says something that can be linked; reports what does not.
local function check_link(link, text, report)
  local is_good = true
  local function wrong(format, ...)
    is_good = false
    report("%s: " .. format, text, ...)
  end
  for key in pairs(link) do
    if not KEYS[key] then
      wrong("unknown option %s%s", check.describe(key), check.hint(key, KEYS))
    end
  end
  if not check_names(as_list(link.from)) then
    wrong("'from': the name of an actor, or \"actor.port\", expected, got %s",
      check.describe(link.from))
  end
  if not check_names(as_list(link.to)) then
    wrong("'to': the name of an actor or a list of names expected, got %s",
      check.describe(link.to))
  end
  if link.mode ~= nil and not contains(M.MODES, link.mode) then
    wrong("'mode': one of '%s' expected, got %s", table.concat(M.MODES, "', '"),
      check.describe(link.mode))
  elseif link.mode == "shard" and type(link.key) ~= "string" then
    wrong("'shard' needs the name of a field as 'key'")
  elseif link.mode ~= "shard" and link.key ~= nil then
    wrong("'key' is for the mode 'shard' only")
  elseif link.mode ~= nil and type(link.to) ~= "table" then
    wrong("'%s' needs a list of receivers", link.mode)
  end
  if link.queue ~= nil and (math.type(link.queue) ~= "integer" or link.queue < 1
      or link.queue > 65536) then
    wrong("'queue': a whole number from 1 to 65536 expected, got %s", check.describe(link.queue))
  elseif link.queue ~= nil and type(link.to) ~= "table" then
    wrong("'queue' is for links to a list; a receiver's own queue is an option of the receiver")
  end
  return is_good
end

--- Options of rt:connect: nil if there are none, false if they are wrong.
local function flow_of(link, text, report)
  local is_good, flow = true, {}
  local function wrong(format, ...)
    is_good = false
    report("%s: " .. format, text, ...)
  end
  for _, key in ipairs(FLOW) do
    flow[key] = link[key]
  end
  local policy = link.policy or "block"
  local has_buffer = policy == "buffer" or policy == "drop_oldest"
  if not contains(M.POLICIES, policy) then
    wrong("'policy': one of '%s' expected, got %s", table.concat(M.POLICIES, "', '"),
      check.describe(policy))
  end
  for _, key in ipairs { "limit", "credits" } do
    local value, most = link[key], key == "limit" and 65536 or 131072
    if value ~= nil and (math.type(value) ~= "integer" or value < 1 or value > most) then
      wrong("'%s': a whole number from 1 to %d expected, got %s", key, most, check.describe(value))
    end
  end
  if link.limit ~= nil and not has_buffer then
    wrong("'limit' is for the policies 'buffer' and 'drop_oldest'")
  end
  if link.deadline ~= nil and (type(link.deadline) ~= "number" or link.deadline <= 0) then
    wrong("'deadline': seconds, more than 0, expected, got %s", check.describe(link.deadline))
  elseif link.deadline ~= nil and policy ~= "block" then
    wrong("'deadline' is for the policy 'block'")
  end
  return is_good and (next(flow) and flow or nil)
end

local function link_text(entry, index)
  if type(entry) == "string" then
    return ("link '%s'"):format(entry)
  elseif type(entry) == "table" and type(entry.from) == "string" then
    return ("link from '%s'"):format(entry.from)
  end
  return ("link %s"):format(index)
end

--- Reads a list of links.
function M.read(list, report)
  local out = {}
  if list == nil then
    return out
  elseif type(list) ~= "table" then
    report("option 'links': a list expected, got %s", check.describe(list))
    return out
  end
  for key in pairs(list) do
    if math.type(key) ~= "integer" or key < 1 or key > #list then
      report("option 'links': a list expected, found key %s", check.describe(key))
    end
  end
  for index, entry in ipairs(list) do
    local text, link, problem = link_text(entry, index), entry, nil
    if type(entry) == "string" then
      link, problem = parse(entry)
    elseif type(entry) ~= "table" then
      link, problem = nil, "a text \"actor.port -> actor\" or a table expected"
    end
    if not link then
      report("%s: %s", text, problem)
    else
      local is_good = check_link(link, text, report)
      local flow = flow_of(link, text, report)
      for _, sender in ipairs(is_good and flow ~= false and as_list(link.from) or {}) do
        local name, port = split_port(sender)
        local to = table.move(as_list(link.to), 1, #as_list(link.to), 1, {})
        local mode = type(link.to) == "table" and (link.mode or "broadcast") or "direct"
        out[#out + 1] = { from = name, port = port, to = to, mode = mode, key = link.key,
          queue = link.queue, flow = flow, text = text }
      end
    end
  end
  return out
end

return M
