-- The log of examples/event-log.lua: opening it, and taking its lines apart. Pure Lua.
--
-- Lines are
--   DATE TIME startup ... and DATE TIME conffile ...   no events, skipped
--   DATE TIME status STATE PACKAGE VERSION             activity STATE of the case PACKAGE
--   DATE TIME ACTION PACKAGE ...                       activity ACTION of the case PACKAGE

local M = {}

--- Days from 1970-01-01 to a date of the Gregorian calendar. Years start in March here, so that the
-- day that comes and goes is their last.
local function days(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  local before_month = (153 * (month - 3) + 2) // 5
  return 365 * year + year // 4 - year // 100 + year // 400 + before_month + day - 719469
end

local DAYS_IN_MONTH = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function is_date(year, month, day)
  local is_leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  local last = month == 2 and is_leap and 29 or DAYS_IN_MONTH[month]
  return last ~= nil and day >= 1 and day <= last
end

--- "2025-06-24 14:36:25" as seconds, or nil. The log is in local time and says nothing of the zone,
-- so these are seconds of the clock on the wall: at the change to winter time they step back.
function M.seconds(stamp)
  local year, month, day, hour, minute, second =
    stamp:match("^(%d%d%d%d)-(%d%d)-(%d%d) (%d%d):(%d%d):(%d%d)$")
  if not year then
    return nil
  end
  year, month, day = math.tointeger(year), math.tointeger(month), math.tointeger(day)
  hour, minute, second = math.tointeger(hour), math.tointeger(minute), math.tointeger(second)
  if not is_date(year, month, day) or hour > 23 or minute > 59 or second > 60 then
    return nil
  end
  return ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
end

local last_stamp, last_seconds -- many lines in a row have the same

--- Returns activity, case and seconds of a line; "skip" for one that is no event; nil for one that
-- does not parse.
function M.parse(line)
  local stamp, action, rest = line:match("^(%S+ %S+) (%S+)(.*)$")
  if not stamp then
    return nil
  elseif stamp ~= last_stamp then
    last_stamp, last_seconds = stamp, M.seconds(stamp)
  end
  if not last_seconds then
    return nil
  elseif action == "startup" or action == "conffile" then
    return "skip"
  end
  local activity, package
  if action == "status" then
    activity, package = rest:match("^ (%S+) (%S+) %S")
  else
    activity, package = action, rest:match("^ (%S+)")
  end
  if not package then
    return nil
  end
  return activity, package, last_seconds
end

--- Opens a log for reading; "-" is standard input. For what cannot be read: nil and a message.
function M.open(path)
  if path == "-" then
    return io.stdin
  end
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message
  end
  local _, reason, number = file:read(0) -- a folder opens, but does not read
  if number then
    file:close()
    return nil, ("%s: %s"):format(path, reason)
  end
  return file
end

--- Whether the log at `path` can be read and has an event.
function M.has_events(path)
  local file <close> = M.open(path)
  if file then
    for line in file:lines() do
      local _, package = M.parse(line)
      if package then
        return true
      end
    end
  end
  return false
end

return M
