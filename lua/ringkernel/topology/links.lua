-- SPDX-License-Identifier: MIT
--- Reads the links of a topology into one plain form.
--
-- Text:  "a.next -> b"                      one receiver
--        "a.next -> {b, c}"                 each message to all of them (broadcast)
--        "a.next -> {b, c} round_robin"     to one after another
--        "a.next -> {b, c} shard sensor"    by a field of the message
--        "{a.next, b.next} -> c"            several senders
-- Table: { from = "a.next", to = "b" or { "b", "c" }, mode =, key =, queue = }
--
-- The port may be left out where the sender has one. `links.read(list, report)` returns a list of
-- { from =, port = or nil, to = { names }, mode =, key =, queue =, text = }, one for each
-- sender; what cannot be read goes to report(format, ...).

local check = require "ringkernel.check"

local M = {}

--- "direct" is what a link to one receiver is.
M.MODES = { "broadcast", "round_robin", "shard" }

local KEYS = { from = true, to = true, mode = true, key = true, queue = true }

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
    elseif check_link(link, text, report) then
      for _, sender in ipairs(as_list(link.from)) do
        local name, port = split_port(sender)
        local to = table.move(as_list(link.to), 1, #as_list(link.to), 1, {})
        local mode = type(link.to) == "table" and (link.mode or "broadcast") or "direct"
        out[#out + 1] = { from = name, port = port, to = to, mode = mode, key = link.key,
          queue = link.queue, text = text }
      end
    end
  end
  return out
end

return M
