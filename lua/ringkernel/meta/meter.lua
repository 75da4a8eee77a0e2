---@meta
-- The meter that a campaign's run(case, meter) gets. It is one sample.

---@class ringkernel.meter
local meter = {}

---Starts the clock (monotonic). Without it all of run() is timed.
function meter:start() end

---Stops the clock.
---@return number seconds since the start
function meter:stop() end

---How many operations the timed part does, 1: times are told for one.
---@param operations number
function meter:count(operations) end

---Payload bytes that the timed part moves.
---@param bytes number
function meter:bytes(bytes) end

---Records the latency of one operation, or of several alike.
---@param seconds number
---@param times? integer
function meter:latency(seconds, times) end

---Calls fn and records how long that took; returns what it returned.
---@param fn function
function meter:time(fn, ...) end

---Calls an actor and records how long that took. A reply proves that the request was consumed.
---@param actor ringkernel.actor
---@param message table
---@param timeout? number seconds
---@return table reply
function meter:call(actor, message, timeout) end

---Calls fn(i) n times at `rate` a second. Latencies count from when a call was due, so a stall is
---charged to all that it kept waiting (no coordinated omission). meter:call and meter:time inside
---fn record nothing of their own.
---@param rate number
---@param n integer
---@param fn fun(i: integer)
---@return integer late calls that began more than a period late
function meter:paced(rate, n, fn) end

---Another quantity of this sample, a finite number. Units with "/s" are better when larger.
---@param name string
---@param number number
---@param unit? string
---@param includes? string what it includes, where that is not what the time does
function meter:value(name, number, unit, includes) end

---A name for this case's figure, by which a list of goals finds it in the results.
---@param name string
---@param unit? string in which the goals speak of it
function meter:figure(name, unit) end

---What the timing includes, in words, of this sample.
---@param text string
function meter:includes(text) end

---Expects an actor to handle so many messages more in this sample (default: the operations). Call
---it before they are sent.
---@param actor ringkernel.actor
---@param messages? integer
function meter:watch(actor, messages) end

---Waits until the watched actors have handled their messages. Inside the timed part the figure is
---one of consumption; the sample is void if they do not within `seconds` (10).
---@param seconds? number
---@return boolean
function meter:settle(seconds) end

---Runs an ordinary kernel as runtime:run does, which waits for the device; raises on failure.
---@param rt ringkernel.runtime
function meter:run(rt, ...) end

---Times launches of an ordinary kernel as runtime:time does; its time and its number of launches
---are those of the sample. Raises on failure.
---@param rt ringkernel.runtime
---@return ringkernel.timing
function meter:launches(rt, ...) end

---A time taken on the device instead of the clock's. Void unless the device was waited for through
---settle, run or call.
---@param seconds number
function meter:device_seconds(seconds) end

---A time that another program took of its own work, for each operation, instead of the clock's.
---@param seconds number
---@param truth? { consumed: string?, verified: string? } what that program vouches for, in words
function meter:program_seconds(seconds, truth) end

---This sample is no time: only its values are figures.
function meter:untimed() end

---What was received was compared with what was sent; false voids the sample.
---@param ok boolean
---@param what? string what was compared
function meter:verified(ok, what) end

---Makes the sample, and with it the case, void.
---@param format string
function meter:void(format, ...) end
