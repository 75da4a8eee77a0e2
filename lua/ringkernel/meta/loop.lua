---@meta
-- Class loop: an event loop whose tasks wait without blocking each other.

---@class ringkernel.loop
---@field name "poll" | "luv" | "cqueues"
local loop = {}

---Starts a task: a coroutine in which receive, call, each and poll yield.
---@param fn fun(...)
---@param ... any
function loop:spawn(fn, ...) end

---Runs until every task has ended and nothing is watched, or stop is called. Raises what failed in
---a task. "poll" and "cqueues" take a limit in seconds. Returns whether everything ended.
---@param timeout? number
---@return boolean
function loop:run(timeout) end

---Makes run return.
function loop:stop() end

---Puts the calling task to sleep.
---@param seconds number
function loop:sleep(seconds) end

---Drains `rt` whenever something arrives, for the functions of its subscriptions, until unwatch.
---@param rt ringkernel.runtime
function loop:watch(rt) end

---@param rt ringkernel.runtime
function loop:unwatch(rt) end

return loop
