---@meta
-- Class actor: a handle to a running instance of a definition.

---A handle names the actor through restarts. Dropping or closing it does not end the actor.
---@class ringkernel.actor
---@field name string
---@field id integer
---@field tenant string "default", or the one it was launched in
---@field runtime ringkernel.runtime
---@field definition ringkernel.kernel?
local actor = {}

---@class ringkernel.send_options
---@field deadline? number | ringkernel.timestamp seconds from now, or a timestamp
---@field priority? "normal" | "high" high overtakes normal ones from the host
---@field correlation? integer
---@field tenant? string | ringkernel.tenant in whose name; default: the receiver's own

---Sends a message. Returns at once. A message of a type that is not accepted raises.
---@param message table
---@param options? ringkernel.send_options
---@return true?
---@return string? message
---@return ringkernel.code? code full, terminated, tenant_mismatch, denied, closed
function actor:send(message, options) end

---Sends the messages of a list until one finds no room. Misuse raises before anything is sent. Or
---messages of one type that are packed already: type:pack(message) of each, one after another.
---@overload fun(self, packed: string, type: table, options?: table): integer, string?, string?
---@param list table[]
---@param options? ringkernel.send_options
---@return integer sent
---@return string? message
---@return ringkernel.code? code full, terminated, closed
function actor:send_many(list, options) end

---Takes the next message that the actor sent to the host. What waits on the disk is read back first
---(rk.open { spill }): corrupt or io tells, once, that some messages are lost; the next call goes
---on behind them.
---@return table?
---@return string? message
---@return ringkernel.code? code empty, terminated, corrupt, io, out_of_memory, closed
function actor:try_receive() end

---Waits for the next message; yields inside a coroutine of a loop, blocks elsewhere.
---@param timeout? number seconds; nil: for ever, 0: do not wait
---@return table?
---@return string? message
---@return ringkernel.code? code timeout, terminated, corrupt, io, out_of_memory, closed
function actor:receive(timeout) end

---Waits for the first message, then takes up to `max` that are there.
---@param max integer
---@param timeout? number
---@return table[]?
---@return string? message
---@return ringkernel.code? code timeout, terminated, corrupt, io, out_of_memory, closed
function actor:receive_many(max, timeout) end

---Iterates over messages until none came for `timeout` seconds, the actor or runtime ended, or
---some could not be read back from the disk.
---@param options? { timeout: number }
---@return fun(): table?
function actor:each(options) end

---Sends a request and waits for its reply; other messages stay queued.
---@param message table
---@param timeout? number
---@param options? ringkernel.send_options
---@return table?
---@return string? message
---@return ringkernel.code? code timeout, full, terminated, tenant_mismatch, denied, closed
function actor:call(message, timeout, options) end

---@return "launched" | "active" | "deactivated" | "terminated" | "failed" | nil
---@return string? message
---@return ringkernel.code? code closed
function actor:state() end

---@return boolean
function actor:is_active() end

---From launched or deactivated.
---@return true?
---@return string? message
---@return ringkernel.code? code invalid_state, closed
function actor:activate() end

---The same as activate.
---@return true?
---@return string? message
---@return ringkernel.code? code
function actor:resume() end

---From active: handles nothing, keeps its queue.
---@return true?
---@return string? message
---@return ringkernel.code? code invalid_state, closed
function actor:deactivate() end

---The same as deactivate.
---@return true?
---@return string? message
---@return ringkernel.code? code
function actor:suspend() end

---Ends it: runs its stop handler; what is queued goes to the dead letters.
---@return true?
---@return string? message
---@return ringkernel.code? code invalid_state, closed
function actor:terminate() end

---Zeroes its state (unless keep_state), keeps its queue, activates it. From failed or any living
---state. An actor that has terminated begins anew under this handle and its name: with zero state,
---nothing queued and no port connected.
---@param options { keep_state: boolean? }?
---@return true?
---@return string? message
---@return ringkernel.code? code invalid_state, exists, closed
function actor:restart(options) end

---Gives it another definition while it runs. Id, name, queue, links and subscriptions stay; what
---waits is handled by the new handlers, once. The start handler of the new definition runs, the
---stop handler of the old one does not. After an error it goes on as it was.
---@param definition ringkernel.kernel | string
---@param options? ringkernel.reload_options
---@return ringkernel.reload_info?
---@return string? message
---@return ringkernel.code? code compile, unsupported (what it is tied to, its queue or its state
---does not fit: all of it is named), invalid_state (a migration or start handler failed, or another
---reload is under way), timeout, terminated, ...
---@return string? log all that the compiler said
function actor:reload(definition, options) end

---Goes back to the definition before its last reload, once. The state stays where both have the
---same layout, else it is what it was then, or what `migrate` makes.
---@param options? ringkernel.reload_options
---@return ringkernel.reload_info?
---@return string? message
---@return ringkernel.code? code not_found (there is none), and those of reload
function actor:rollback(options) end

---@return integer? version that runs
---@return integer | string? former the one that rollback goes back to; nil: none; or a message
---@return ringkernel.code? code
function actor:version() end

---processed, dropped, errors, sent, received, waiting_in, waiting_out, queue, block, last_activity,
---latency_mean, latency_min, latency_max (seconds), last_error.
---@return table?
---@return string? message
---@return ringkernel.code? code
function actor:stats() end

---@class ringkernel.latency seconds; percentiles are never too low and at most 1/8 too high
---@field count integer
---@field min number
---@field p50 number
---@field p90 number
---@field p99 number
---@field p999 number
---@field max number
---@field mean number
---@field resolution number step of the clock it was measured with; 0: not known
---@field includes string what was measured, in words

---Its connected ports, as its block has them at a message boundary: port -> { to, policy, limit,
---deadline, credits, sent, waiting, high (most that ever waited on the link), stalls (times the
---sender had to wait), dropped, dead (made dead letters by the link) }.
---@return table<string, table>?
---@return string? message
---@return ringkernel.code? code terminated, timeout, closed
function actor:links() end

---Latencies of the messages it has handled since it was launched, as of a message boundary.
---`delivered`: from the stamp of sending to the start of the handler; the stamp has steps of a
---microsecond, and between actors is of the moment at which the sender's turn began. `handled`: how
---long the handler took. `reset`: what it handles from here on is counted from nothing. Between a
---host and a device `delivered` is as good as their clocks agree; less than nothing counts as 0.
---@param options? { reset?: boolean }
---@return { delivered: ringkernel.latency, handled: ringkernel.latency }?
---@return string? message
---@return ringkernel.code? code unsupported (opened without), terminated, timeout, closed
function actor:latency(options) end

---Averages a second over the last 1, 10 and 60 s: `handled[10]` weighs what was 10 s ago by half.
---@class ringkernel.rates
---@field handled table<integer, number> messages handled
---@field dropped table<integer, number> messages it could not send
---@field sent table<integer, number> from the host to it
---@field received table<integer, number> read by the host from it
---@field seconds number it has been watched for so long; averages are of no more than that
---@field waiting_in integer
---@field waiting_out integer
---@field queue integer
---@field latency? { delivered: ringkernel.latency, handled: ringkernel.latency } where it is kept

---How fast it works. The first call begins to watch it, with all rates 0; from then on its counters
---are read with each call and four times a second inside poll, drain and calls that wait.
---@param options? { latency: boolean } false: without, which saves a question to its block
---@return ringkernel.rates?
---@return string? message
---@return ringkernel.code? code terminated, closed
function actor:rates(options) end

---The fields of the telemetry block: messages_processed, messages_dropped,
---last_processed_timestamp, queue_depth, total_latency_nanos, max_latency_nanos, min_latency_nanos,
---error_code.
---@return table<string, integer>?
---@return string? message
---@return ringkernel.code? code
function actor:telemetry() end

---Copies its state at a message boundary, while it runs.
---@return table? fields
---@return string? message
---@return ringkernel.code? code
function actor:peek_state() end

---Gives the handle back; the actor lives on.
---@return true
function actor:close() end

---The runtime's descriptor, for event loops.
---@return integer?
function actor:pollfd() end

---@return string "r"
function actor:events() end

---@return number?
function actor:timeout() end

return actor
