-- Writes the reference of the Lua API as Markdown, out of the LuaLS annotations.
--
--   lua5.4 scripts/docs.lua OUT.md FILE...
--
-- Each file of lua/ringkernel/meta describes one module or class for editors: `---@class` with its
-- fields, and functions with `---` text, @param and @return; text below one of these goes on with
-- it. `make docs` turns them into one page, so that what the editor shows and what the page says
-- are the same words.

local out_path = arg[1]
if not out_path or not arg[2] then
  io.stderr:write("usage: docs.lua OUT.md FILE...\n")
  os.exit(2)
end

local out, titles = {}, {}

local function emit(format, ...)
  out[#out + 1] = select("#", ...) > 0 and format:format(...) or format
end

-- Splits "TYPE rest", where TYPE may hold spaces in brackets: {a: b}, table<k, v>, fun(x): y, a|b.
local function split_type(text)
  local depth, at = 0, 1
  while at <= #text do
    local char = text:sub(at, at)
    if char:find("[%(%[{<]") then
      depth = depth + 1
    elseif char:find("[%)%]}>]") then
      depth = depth - 1
    elseif char == " " and depth == 0 then
      local joined = text:sub(1, at - 1):find("[|:,]$") or text:find("^ *|", at)
      if not joined then
        return text:sub(1, at - 1), text:sub(at + 1)
      end
    end
    at = at + 1
  end
  return text, ""
end

local function emit_entries(title, entries)
  if #entries == 0 then
    return
  end
  emit("%s:", title)
  emit("")
  for _, entry in ipairs(entries) do
    local name = entry.name and ("`%s` "):format(entry.name) or ""
    local text = entry.text ~= "" and (" " .. entry.text) or ""
    emit("- %s(`%s`)%s", name, entry.type, text)
  end
  emit("")
end

local function new_block()
  return { text = {}, params = {}, returns = {}, fields = {} }
end

-- "name type text" for parameters and fields
local function named(text)
  local name, rest = text:match("^(%S+)%s*(.*)$")
  local type_name, words = split_type(rest)
  return { name = name, type = type_name, text = words }
end

local function returned(text)
  local type_name, words = split_type(text)
  return { type = type_name, text = words }
end

local function add_tag(block, tag, text)
  if tag == "class" then
    local name, words = text:match("^([%w_.]+: ?[%w_.]+)%s*(.*)$")
    if not name then
      name, words = text:match("^(%S+)%s*(.*)$")
    end
    block.title = "class " .. name
    block.text[#block.text + 1] = words ~= "" and words or nil
  elseif tag == "alias" then
    block.title = "alias " .. text
  elseif tag == "overload" then
    block.overload = text
  elseif tag == "param" then
    block.params[#block.params + 1] = named(text)
  elseif tag == "field" then
    block.fields[#block.fields + 1] = named(text)
  elseif tag == "return" then
    block.returns[#block.returns + 1] = returned(text)
  elseif tag == "deprecated" then
    block.text[#block.text + 1] = "Deprecated. " .. text
  end
end

local function emit_block(block, signature)
  if block.title then
    emit("## %s", block.title)
    titles[#titles + 1] = block.title
  elseif signature then
    emit("### `%s`", signature)
  else
    return
  end
  emit("")
  if #block.text > 0 then
    emit("%s", table.concat(block.text, "\n"))
    emit("")
  end
  if block.overload then
    emit("Also: `%s`", block.overload)
    emit("")
  end
  emit_entries("Fields", block.fields)
  emit_entries("Parameters", block.params)
  emit_entries("Returns", block.returns)
end

-- The lines of a file, with those that go on joined to what they go on with.
local function joined_lines(path)
  local lines = {}
  for line in io.lines(path) do
    local more = line:match("^%-%-%-%s*([^@%s].*)$")
    local tag = #lines > 0 and lines[#lines]:match("^%-%-%-%s?@(%w+)")
    if more and (tag == "field" or tag == "param" or tag == "return") then
      lines[#lines] = lines[#lines] .. " " .. more
    else
      lines[#lines + 1] = line
    end
  end
  return lines
end

for i = 2, #arg do
  local block = new_block()
  for _, line in ipairs(joined_lines(arg[i])) do
    local tag, text = line:match("^%-%-%-%s?@(%w+)%s*(.*)$")
    local words = line:match("^%-%-%-%s?(.*)$")
    if tag then
      add_tag(block, tag, text)
    elseif words then
      block.text[#block.text + 1] = words
    else
      emit_block(block, line:match("^function%s+([%w_.:]+%b())"))
      block = new_block()
    end
  end
  emit_block(block)
end

-- The anchor that Markdown viewers give a heading.
local function anchor(title)
  return (title:lower():gsub("[^%w%- _]", ""):gsub(" ", "-"))
end

local head = { "# Reference", "" }
for i, title in ipairs(titles) do
  local name = title:match("^%l+ ([%w_.]+)")
  head[i + 2] = ("- [%s](#%s)"):format(name, anchor(title))
end
head[#head + 1] = ""

local file = assert(io.open(out_path, "w"))
assert(file:write(table.concat(head, "\n"), "\n", table.concat(out, "\n"), "\n"))
file:close()
