-- SPDX-License-Identifier: MIT
--- Reasons for which children end or do not start: values for the engine, text and code for users.
--
-- The engine knows "normal", "shutdown" and { "shutdown", _ } as ordinary; all else is a fault.

local M = {}

local Reason = { __name = "ringkernel.reason" }
Reason.__index = Reason

function Reason:__tostring()
  return self.text
end

--- A handler failed: code of rk_fail, or the name of a status.
function M.failed(code, text)
  return setmetatable({ text = text or "failed", number = code or 0 }, Reason)
end

--- A start failed: what nil, message, code said.
function M.failure(text, code)
  return setmetatable({ text = tostring(text), code = code or "invalid_state", number = 0 }, Reason)
end

--- The status code in a reason, through { "shutdown", { "failed_to_start_child", id, reason } }.
function M.code(reason)
  while type(reason) == "table" and getmetatable(reason) ~= Reason do
    reason = reason[#reason]
  end
  return type(reason) == "table" and reason.code or nil
end

--- Text and number for events; nil for no reason at all.
function M.split(reason)
  if reason == nil then
    return nil, 0
  elseif getmetatable(reason) == Reason then
    return reason.text, reason.number
  elseif type(reason) == "table" then
    return M.text(reason), 0
  end
  return tostring(reason), 0
end

--- A reason in words.
function M.text(reason)
  if type(reason) == "table" and getmetatable(reason) ~= Reason then
    if reason[1] == "failed_to_start_child" then
      return ("child '%s' did not start: %s"):format(reason[2], M.text(reason[3]))
    elseif reason[1] == "shutdown" and #reason == 2 then
      return M.text(reason[2])
    end
    local out = {}
    for index, part in ipairs(reason) do
      out[index] = M.text(part)
    end
    return table.concat(out, ", ")
  end
  return tostring(reason)
end

return M
