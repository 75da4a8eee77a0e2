-- SPDX-License-Identifier: MIT
--- What the CPU form (codegen.lua) and the device form (codegen_device.lua) of a definition have
-- in common: its types, ports, state and handlers, the user's text, the parameters of an ordinary
-- kernel; and the description that says the same in numbers.
--
-- The `append_` functions add lines to a list. The two forms differ in how a number gets its name:
-- a macro on the CPU, where a definition is a file of its own; an enumerator on the device, where
-- definitions stand in namespaces and a macro would leak. `name_number(name, text)` writes it.

local M = {}

function M.append(out, format, ...)
  out[#out + 1] = format:format(...)
end

local append = M.append

--- `text` as a C string.
function M.quote(text)
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("%c", "?") .. '"'
end

--- All message types of a definition, each once, in the order of accepts, then emits.
local function all_types(def)
  local out, seen = {}, {}
  for _, list in ipairs { def.accepts, def.emits } do
    for _, shape in ipairs(list) do
      if not seen[shape.name] then
        seen[shape.name] = true
        out[#out + 1] = shape
      end
    end
  end
  return out
end

--- Structs, numbers of types and ports, declarations of the handlers.
function M.append_types(out, def, name_number)
  for _, shape in ipairs(all_types(def)) do
    out[#out + 1] = shape:to_c(shape.name)
    out[#out + 1] = name_number("RK_TYPE_" .. shape.name, ("0x%08xu"):format(shape.id))
  end
  if def.state then
    out[#out + 1] = def.state:to_c("rk_state")
  else
    append(out, "typedef struct rk_state {\n  rk_u8 rk_unused;\n} rk_state;")
  end
  for index, port in ipairs(def.ports) do
    out[#out + 1] = name_number("RK_PORT_" .. port, ("%du"):format(index - 1))
  end
  for _, shape in ipairs(def.accepts) do
    append(out, "RK_ON(%s);", shape.name)
  end
  if def.handlers.start then
    append(out, "RK_ON_START();")
  end
  if def.handlers.stop then
    append(out, "RK_ON_STOP();")
  end
  if def.old_state then
    out[#out + 1] = def.old_state:to_c(def.handlers.migrate)
    append(out, "RK_MIGRATE(%s);", def.handlers.migrate)
  end
end

--- Where braces of C text do not pair: the line and what is wrong there, nil if they do or where
-- conditional lines or macros make that a matter of the preprocessor.
local function unpaired_brace(text)
  if text:find("#%s*if") or text:find("#%s*define") then
    return nil
  end
  local open, line, at = {}, 1, 1
  while true do
    local start = text:find("[{}\n\"'/]", at)
    if not start then
      break
    end
    local char, after = text:sub(start, start), start + 1
    if char == "\n" then
      line = line + 1
    elseif char == "{" then
      open[#open + 1] = line
    elseif char == "}" then
      if #open == 0 then
        return line, "this '}' closes nothing"
      end
      open[#open] = nil
    else -- comments and literals, in which braces are none
      local from = text:sub(start, start + 1)
      local ending
      if from == "/*" then
        ending = select(2, text:find("*/", start + 2, true))
      elseif from == "//" then
        ending = (text:find("\n", start, true) or #text + 1) - 1
      elseif char ~= "/" then
        ending = start
        repeat
          ending = text:find("[\\\n" .. char .. "]", ending + 1)
          local last = ending and text:sub(ending, ending)
          if last == "\n" then
            return nil -- no literal after all: C++'s 1'000
          end
          local is_escape = last == "\\"
          ending = is_escape and ending + 1 or ending
        until not is_escape
      else
        ending = start
      end
      if not ending then
        return nil -- the compiler has words for what does not end
      end
      line = line + select(2, text:sub(start, ending):gsub("\n", ""))
      after = ending + 1
    end
    at = after
  end
  if #open > 0 then
    return open[#open], "this '{' is not closed"
  end
end

--- The user's text between two #line directives. A line break is added where it lacks one. Braces
-- that do not pair are an error there: compilers notice it in what comes after, which is not his.
function M.append_source(out, def)
  append(out, "#line 1 %s", M.quote(def.file))
  out[#out + 1] = (def.source:gsub("\r?\n$", ""))
  local line, problem = unpaired_brace(def.source)
  if line then
    append(out, "#line %d %s", line, M.quote(def.file))
    append(out, "#error %s", problem)
  end
  append(out, '#line 1 "rk-generated"')
end

--- The struct of an ordinary kernel's parameters and what RK_GLOBAL() stands for; `qualifiers`
-- come before its return type.
function M.append_params(out, def, qualifiers)
  local declared = {}
  for index, param in ipairs(def.params) do
    declared[index] = ("%s%s %s%s"):format(param.is_const and "const " or "", param.ctype,
      param.is_pointer and "*" or "", param.name)
  end
  out[#out + 1] = def.layout:to_c("rk_params")
  append(out, "#define RK_GLOBAL() %s void rk_global_body(%s)", qualifiers,
    #declared > 0 and table.concat(declared, ", ") or "void")
end

--- The arguments that the body is called with; `struct` is how its fields are reached ("p->").
function M.arguments(def, struct)
  local passed = {}
  for index, param in ipairs(def.params) do
    local field = struct .. param.name
    passed[index] = param.is_pointer and ("RK_ADDRESS(%s%s, %s)"):format(
      param.is_const and "const " or "", param.ctype, field) or field
  end
  return table.concat(passed, ", ")
end

--- What a backend must know of a definition before anything is compiled; the module that is
-- compiled from it says the same (rk_module in kernels/include/rk_module_cpu.h).
function M.description(def)
  local out = {
    types = {},
    ports = def.ports,
    emits = {},
    lanes = def.block,
    burst = def.burst,
    state_bytes = def.state and def.state.size or 0,
    emit_bytes = 0,
    has_start = def.handlers.start,
    has_stop = def.handlers.stop,
    has_migrate = def.old_state ~= nil,
    migrate_bytes = def.old_state and def.old_state.size or 0,
  }
  for index, shape in ipairs(def.accepts) do
    out.types[index] = { name = shape.name, id = shape.id, size_bytes = shape.size }
  end
  for index, shape in ipairs(def.emits) do
    out.emits[index] = shape.id
    out.emit_bytes = math.max(out.emit_bytes, shape.size)
  end
  return out
end

return M
