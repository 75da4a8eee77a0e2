-- SPDX-License-Identifier: MIT
-- Reads a module in PTX as NVRTC writes it: variables, functions, and the statements of each.
--
-- Grammar: "Parallel Thread Execution ISA", chapters 4 (syntax), 5 (state spaces), 7 (functions).
-- What it does not know ends in an error with the line: nothing is passed over in silence but
-- directives that only matter to a debugger or to the register allocator.
--
-- A function's body is a list of
--   { kind = "open" | "close" }                       a scope, { and }
--   { kind = "label", name }
--   { kind = "registers", type, names, count }        count: of %name<count>
--   { kind = "variable", variable = ... }
--   { kind = "targets", name, labels }                of brx.idx
--   { kind = "prototype", name }                      of an indirect call
--   { kind = "op", name, operands, guard, is_negated }
-- each with `line`.

local M = {}

local BITS = {
  pred = 1, b8 = 8, u8 = 8, s8 = 8, b16 = 16, u16 = 16, s16 = 16, f16 = 16, b32 = 32, u32 = 32,
  s32 = 32, f32 = 32, b64 = 64, u64 = 64, s64 = 64, f64 = 64,
}
M.BITS = BITS

-- These end with their line.
local NEWLINE_DIRECTIVES = {
  version = true, target = true, address_size = true, file = true, loc = true,
}
local SPACES = { global = true, const = true, shared = true, ["local"] = true, param = true }

local Reader = {}
Reader.__index = Reader

function Reader:fail(...)
  error({ line = self.line, text = string.format(...) }, 0)
end

-- Past blanks and comments; counts lines.
function Reader:skip()
  while true do
    local blanks = self.text:match("^%s+", self.at)
    if blanks then
      for _ in blanks:gmatch("\n") do
        self.line = self.line + 1
      end
      self.at = self.at + #blanks
    elseif self.text:find("^//", self.at) then
      self.at = self.text:find("\n", self.at, true) or #self.text + 1
    elseif self.text:find("^/%*", self.at) then
      local _, last = self.text:find("*/", self.at, true)
      last = last or self:fail("a comment has no end")
      for _ in self.text:sub(self.at, last):gmatch("\n") do
        self.line = self.line + 1
      end
      self.at = last + 1
    else
      return self.at <= #self.text
    end
  end
end

function Reader:take(pattern)
  self:skip()
  local found = self.text:match("^" .. pattern, self.at)
  if found then
    self.at = self.at + #found
  end
  return found
end

-- The text up to one of the characters in `stops`, which is left; blanks become one.
function Reader:upto(stops)
  local parts = {}
  while self:skip() do
    local piece = self.text:match("^[^%s" .. stops .. "]+", self.at)
    if not piece then
      break
    end
    local comment = piece:find("//", 1, true)
    if comment then
      piece = piece:sub(1, comment - 1)
    end
    parts[#parts + 1] = piece
    self.at = self.at + #piece
  end
  return table.concat(parts, " ")
end

-- At commas that stand in no brackets.
function M.split(text)
  local list, depth, from = {}, 0, 1
  for at = 1, #text do
    local c = text:sub(at, at)
    if c == "{" or c == "(" or c == "[" then
      depth = depth + 1
    elseif c == "}" or c == ")" or c == "]" then
      depth = depth - 1
    elseif c == "," and depth == 0 then
      list[#list + 1] = text:sub(from, at - 1)
      from = at + 1
    end
  end
  list[#list + 1] = text:sub(from)
  for i, piece in ipairs(list) do
    list[i] = piece:match("^%s*(.-)%s*$")
  end
  return #list == 1 and list[1] == "" and {} or list
end

-- ".align 8 .b8 name[16]", without the space: a variable's or a parameter's shape.
function Reader:shape(text, space)
  local align = text:match("%.align%s+(%d+)")
  local rest = text:gsub("%.align%s+%d+", ""):gsub("%.ptr%s*%.?%a*", "")
  local kind, name, extent = rest:match("%.([%w]+)%s+([%w_$%%.]+)%s*(.-)%s*$")
  if not kind or not BITS[kind] then
    self:fail("a variable that is not understood: %s", text)
  end
  local bytes, count = BITS[kind] // 8, 1
  for number in extent:gmatch("%[%s*(%d*)%s*%]") do
    count = count * (tonumber(number) or self:fail("an array without an extent: %s", text))
  end
  return {
    name = name, space = space, type = kind, item_bytes = bytes, bytes = bytes * count,
    align = tonumber(align) or bytes, is_array = extent ~= "", line = self.line,
  }
end

function Reader:parameters(text)
  local list = {}
  for _, one in ipairs(M.split(text)) do
    list[#list + 1] = self:shape(one:gsub("%.param", "", 1), "param")
  end
  return list
end

-- Behind the space: one variable or several, the last may have a value.
function Reader:variables(space)
  local value
  local text = self:upto("=;")
  if self:take("=") then
    value = self:upto(";")
  end
  if not self:take(";") then
    self:fail("a variable without a ; behind it")
  end
  local head = text:match("^(.-%.[busf][%d]+%s)")
    or self:fail("a variable without a type: %s", text)
  local list = {}
  for _, piece in ipairs(M.split(text:sub(#head + 1))) do
    list[#list + 1] = self:shape(head .. piece, space)
  end
  if list[1] then
    list[1].value = value
  end
  return list
end

function Reader:registers(body)
  local text = self:upto(";")
  self:take(";")
  local kind, names = text:match("^%.(%w+)%s+(.*)$")
  if not kind or not BITS[kind] then
    self:fail("registers that are not understood: %s", text)
  end
  for _, name in ipairs(M.split(names)) do
    local base, count = name:match("^([%w_$%%]+)<(%d+)>$")
    body[#body + 1] = {
      kind = "registers", line = self.line, type = kind, name = base or name,
      count = tonumber(count),
    }
  end
end

-- A line that begins with a name and a colon, or nil.
function Reader:label(body)
  local name = self.text:match("^([%a_$%%][%w_$]*)%s*:[^:]", self.at)
  if not name then
    return false
  end
  local line = self.line
  self:take("[%w_$%%]+%s*:")
  if self:take("%.branchtargets") then
    local labels = M.split(self:upto(";"))
    self:take(";")
    body[#body + 1] = { kind = "targets", name = name, labels = labels, line = line }
  elseif self:take("%.callprototype") then
    self:upto(";")
    self:take(";")
    body[#body + 1] = { kind = "prototype", name = name, line = line }
  else
    body[#body + 1] = { kind = "label", name = name, line = line }
  end
  return true
end

function Reader:operation(body)
  local line = self.line
  local text = self:upto(";")
  if not self:take(";") then
    self:fail("an instruction without a ; behind it: %s", text:sub(1, 60))
  end
  local negation, guard, rest = text:match("^@(!?)%s*([%w_%%$]+)%s+(.*)$")
  rest = rest or text
  local name, operands = rest:match("^([%w_.:]+)%s*(.*)$")
  if not name then
    self:fail("an instruction that is not understood: %s", text:sub(1, 60))
  end
  body[#body + 1] = {
    kind = "op", line = line, name = name, operands = M.split(operands), guard = guard,
    is_negated = negation == "!",
  }
end

function Reader:body()
  local body, depth = {}, 1
  while depth > 0 do
    if not self:skip() then
      self:fail("a function without an end")
    elseif self:take("{") then
      depth = depth + 1
      body[#body + 1] = { kind = "open", line = self.line }
    elseif self:take("}") then
      depth = depth - 1
      if depth > 0 then
        body[#body + 1] = { kind = "close", line = self.line }
      end
    elseif self.text:find("^%.", self.at) then
      local word = self:take("%.[%a_]+"):sub(2)
      if word == "reg" then
        self:registers(body)
      elseif SPACES[word] then
        for _, variable in ipairs(self:variables(word)) do
          body[#body + 1] = { kind = "variable", variable = variable, line = variable.line }
        end
      elseif NEWLINE_DIRECTIVES[word] then
        self.at = self.text:find("\n", self.at, true) or #self.text + 1
      elseif word == "pragma" then
        self:upto(";")
        self:take(";")
      else
        self:fail("a directive that is not known: .%s", word)
      end
    elseif not self:label(body) then
      self:operation(body)
    end
  end
  return body
end

-- Behind .func or .entry.
function Reader:func(is_entry)
  local made = { is_entry = is_entry, returns = {}, line = self.line }
  if self:take("%(") then
    made.returns = self:parameters(self:upto(")"))
    self:take("%)")
  end
  made.name = self:take("[%w_$%%]+") or self:fail("a function without a name")
  made.parameters = {}
  if self:take("%(") then
    made.parameters = self:parameters(self:upto(")"))
    self:take("%)")
  end
  made.attributes = self:upto("{;")
  if self:take("{") then
    made.body = self:body()
  elseif not self:take(";") then
    self:fail("a function that neither has a body nor ends: %s", made.name)
  end
  return made
end

-- The module, or nil, line, what is wrong with it.
function M.parse(text)
  local reader = setmetatable({ text = text, at = 1, line = 1 }, Reader)
  local module = { variables = {}, functions = {} }
  local is_read, problem = pcall(function()
    while reader:skip() do
      local word = (reader:take("%.[%a_]+") or reader:fail("a directive expected")):sub(2)
      if NEWLINE_DIRECTIVES[word] then
        local line = reader.text:match("^[^\n]*", reader.at)
        module[word] = module[word] or line:match("^%s*(.-)%s*$")
        reader.at = reader.at + #line
      elseif word == "func" or word == "entry" then
        table.insert(module.functions, reader:func(word == "entry"))
      elseif SPACES[word] then
        for _, variable in ipairs(reader:variables(word)) do
          table.insert(module.variables, variable)
        end
      elseif word == "section" then
        reader:upto("{")
        reader:upto("}")
        reader:take("}")
      elseif word ~= "visible" and word ~= "weak" and word ~= "common" then
        reader:fail("a directive that is not known: .%s", word)
      end
    end
  end)
  if is_read then
    return module
  end
  if type(problem) ~= "table" then
    error(problem, 0)
  end
  return nil, problem.line, problem.text
end

return M
