---@meta
-- Class runtime: one opened backend with everything in it.

---Use it as `local rt <close> = rk.open()`: leaving the block stops every actor and joins the grid.
---@class ringkernel.runtime
---@field backend string "cpu"
---@field node integer
local runtime = {}

---Launches an actor of a definition or of the stock kernel of that name.
---@param definition ringkernel.kernel | string
---@param options? ringkernel.launch_options
---@return ringkernel.actor?
---@return string? message
---@return ringkernel.code? code exists, compile, no_compiler, unsupported, ...
---@return string? log all that the compiler said
function runtime:launch(definition, options) end

---Brings a rule set into force: every actor whose definition has the name of one in it gets that
---one, all in one swap or none.
---@param rules ringkernel.rules
---@param options? { timeout: number? }
---@return ringkernel.rules_info?, string?, ringkernel.code?, string? version, or as actor:reload
function runtime:apply_rules(rules, options) end

---The version of a rule set that is in force, and the set.
---@param name string
---@return integer?, ringkernel.rules?
function runtime:rules(name) end

---A living actor by its name or id.
---@param name string | integer
---@return ringkernel.actor?
---@return string? message
---@return ringkernel.code? code not_found
function runtime:find(name) end

---The first living actor whose name fits: `*` within a level of a/b/c, `**` across levels, `?` one
---character.
---@param pattern string
---@return ringkernel.actor?
---@return string? message
---@return ringkernel.code? code not_found
function runtime:actor(pattern) end

---@class ringkernel.actor_query
---@field name? string a pattern
---@field tag? string | table "hot", "zone=eu" or { "hot", zone = "eu" }: an actor has them all
---@field state? "launched" | "active" | "deactivated" | "failed"

---Living actors in the order of their launch: all, or those that fit a pattern or a query.
---@param query? string | ringkernel.actor_query
---@return ringkernel.actor[]?
---@return string? message
---@return ringkernel.code? code closed
function runtime:actors(query) end

---A copy of the tags that an actor was launched with, or nil. They stay when it begins again.
---@param actor ringkernel.actor
---@return table<string, string | number | boolean>?
function runtime:tags(actor) end

---Calls fn({ event = "register" | "unregister", name =, actor =, hlc = }) when an actor whose name
---fits the pattern comes or goes, inside drain, poll and calls that wait.
---@param pattern string `*` within a level of a/b/c names, `**` any levels, `?` one character
---@param fn fun(event: table)
---@return ringkernel.watch?
---@return string? message
---@return ringkernel.code? code closed
function runtime:watch(pattern, fn) end

---Launches, links and starts a topology, receivers before senders; all of it or nothing.
---@param net ringkernel.topology | ringkernel.topology_options
---@return ringkernel.system?
---@return string? message
---@return ringkernel.code? code exists, compile, invalid_state (a start failed), closed, ...
---@return string? log
function runtime:deploy(net) end

---Saves actors as they are at one moment: state, queues, ports, tags, counts; dead letters and
---retained topics, too, unless `actors` chooses some. The grid stands still while that is copied.
---The file is there as a whole or not at all. Not in it: buffers, subscriptions, Lua state.
---@param path string
---@param options? ringkernel.checkpoint_options
---@return ringkernel.checkpoint_info?
---@return string? message
---@return ringkernel.code? code not_found, io, corrupt or version (the parent), timeout, ...
function runtime:checkpoint(path, options) end

---Makes the actors of a checkpoint what they were then, by their names; launches those that are not
---there. After an error the runtime is as before.
---@param path string a file, or a series written with `keep`: its newest that can be read
---@param options? ringkernel.restore_options
---@return ringkernel.restore_info?
---@return string? message
---@return ringkernel.code? code corrupt, version, not_found, full, skew, io, ...
---@return string? log all that the compiler said
function runtime:restore(path, options) end

---What becomes of messages through a port whose receiver has no room: "block" holds the sender (and
---after `deadline` seconds sends that message to the dead letters), "buffer" keeps up to `limit` on
---the link and then refuses, "drop_newest" drops, "drop_oldest" keeps the newest `limit` on the
---link, "dead_letter" sends to the dead letters.
---@class ringkernel.link_options
---@field policy? "block" | "buffer" | "drop_newest" | "drop_oldest" | "dead_letter"
---@field limit? integer 1024
---@field deadline? number seconds; none: for ever
---@field credits? integer most messages that the link may hold room for, taken by halves; 64

---Ties a port of `from` to `to`. Ports of Lua actors take no `credits`.
---@param from ringkernel.actor
---@param port string
---@param to ringkernel.actor
---@param options? ringkernel.link_options
---@return true?
---@return string? message
---@return ringkernel.code? code not_found, exists, terminated, tenant_mismatch, out_of_memory, ...
function runtime:connect(from, port, to, options) end

---Unties a port.
---@param from ringkernel.actor
---@param port string
---@return true?
---@return string? message
---@return ringkernel.code? code not_found
function runtime:disconnect(from, port) end

---Sends a message to all whose pattern fits the topic. Returns how many it reached. With retain the
---message stays with the topic; nil with retain takes it away.
---@param topic string
---@param message table?
---@param options? { retain: boolean?, tenant: (string | ringkernel.tenant)? } tenant: in whose name
---@return integer?
---@return string? message
---@return ringkernel.code? code too_large, tenant_mismatch, denied, closed
function runtime:publish(topic, message, options) end

---Subscribes an actor or a function(message, topic) to a pattern: `*` is one level, `#` at the end
---the rest. Functions run inside poll, drain and calls that wait; `limit` messages wait for one,
---1024. An error in a function is a warning, as everywhere where the runtime calls one: `rkl -W`
---and warn "@on" show it, `callback_errors` of rt:stats() counts it.
---@param pattern string
---@param receiver ringkernel.actor | fun(message: table, topic: string)
---@param options? { limit: integer?, tenant: (string | ringkernel.tenant)? } tenant: in whose name
---@return ringkernel.subscription?
---@return string? message
---@return ringkernel.code? code
function runtime:subscribe(pattern, receiver, options) end

---Makes a buffer of `count` zeroed elements of a number type.
---@param type string
---@param count integer
---@param options? { tenant: string | ringkernel.tenant } tenant: out of whose memory
---@return ringkernel.buffer?
---@return string? message
---@return ringkernel.code? code out_of_memory, denied
function runtime:buffer(type, count, options) end

---Runs an ordinary kernel with grid x block lanes and returns when all have ended.
---@param global ringkernel.global
---@param options? { grid: integer, block: integer }
---@param ... ringkernel.buffer | number one for each parameter
---@return true?
---@return string? message
---@return ringkernel.code? code compile, no_compiler
---@return string? log
function runtime:run(global, options, ...) end

---Compiles definitions now instead of at their first launch, all together: on a GPU all code of the
---grid is one image, which is compiled once then and not once for each. Topologies and supervisors
---do it by themselves. Those before one that fails are ready.
---@param definitions ringkernel.kernel[]
---@return boolean? ok
---@return string? message names the definition
---@return ringkernel.code? code compile, no_compiler, unsupported
---@return string? log of the compiler
function runtime:load(definitions) end

---Times launches of an ordinary kernel, after one (of a graph: one whole record) that is not timed:
---the baseline for actors.
---`mode` says what lies between two launches: "launch" waits for each, "stream" queues them and
---waits once, "graph" records up to 100 and replays the record, waits once. The CPU backend has
---only "launch". On a GPU the actors rest meanwhile and go on afterwards.
---@param global ringkernel.global
---@param options? { grid: integer, block: integer, times: integer, mode: string } times: 1000
---@param ... ringkernel.buffer | number one for each parameter
---@return ringkernel.timing?
---@return string? message
---@return ringkernel.code? code compile, no_compiler, unsupported
---@return string? log
function runtime:time(global, options, ...) end

---Messages that could not be delivered, oldest first; of a filter all that is said must fit:
---{ message (if its type is known), bytes, reason, dest, actor (if it was known), source,
---correlation, id, type, priority, hlc, topic, age (seconds on the list), tries (how often it was
---replayed before), serial }. Reasons: terminated deadline type corrupt failed full late tenant.
---@param filter? ringkernel.letter_filter
---@return table[]?
---@return string? message
---@return ringkernel.code? code
function runtime:dead_letters(filter) end

---Forgets the dead letters that the filter describes, or all. Returns how many.
---@param filter? ringkernel.letter_filter
---@return integer | true | nil
---@return string? message
---@return ringkernel.code? code
function runtime:clear_dead_letters(filter) end

---Sends dead letters again, oldest first: each is off the list once its receiver has it queued.
---A message keeps its id, sender and stamp and loses its deadline. Returns how many went, and what
---stays with the reason: { { letter =, message =, code = } }. Codes: denied (tried as often as may
---be, or in quarantine), not_found (who it was for is not known: say `to`), terminated, full,
---corrupt.
---@param filter? ringkernel.letter_filter
---@return integer?
---@return table[] | string refused
---@return ringkernel.code? code
function runtime:replay(filter) end

---Sends a command of the grid's protocol to a block and waits for the answer. For tools.
---@param name string | integer "heartbeat_request", "get_progress", ...
---@param options? table block, param1, param2, param3, param4, param5
---@return table? answer code, error, step, steps_remaining, actor, checksum, flags
---@return string? message
---@return ringkernel.code? code timeout
function runtime:command(name, options) end

---Begins or ends recording what blocks and host do with messages. Off at first. When it has
---returned true, everything that was recorded before can be read. While on, a message costs a few
---readings of the clock more. Not to be ended while provenance is kept.
---@param options { on: boolean }
---@return true?
---@return string? message
---@return ringkernel.code? code unsupported (opened without `trace`), invalid_state, closed, ...
function runtime:trace(options) end

---What was recorded since the last reading, the records of each block in their order (trace.lua
---says what is in one); and how many were overwritten before they were read, ever. What an actor
---does can be read when its turn (at most 32 messages) is over.
---@return ringkernel.trace_record[]?
---@return integer|string lost or message
---@return ringkernel.code? code unsupported, closed
function runtime:trace_read() end

---How the clock of the blocks stands to the host's, in seconds: compared by a few questions to a
---block each time that recording begins (or later, if none ran then). Times of records are the
---host's, `offset` is taken off; it is 0 where no difference can be seen. `error`: it is known that
---well; nil: not compared yet. `resolution`: step of the blocks' clock.
---@return { offset: number, error?: number, resolution: number }?
---@return string? message
---@return ringkernel.code? code unsupported, timeout, closed
function runtime:trace_clock() end

---Reads it and writes it to a file that ui.perfetto.dev and chrome://tracing open.
---@param path string
---@param options? ringkernel.trace_options
---@return true?
---@return string? message
---@return ringkernel.code? code unsupported, closed, io
function runtime:trace_save(path, options) end

---Begins or ends keeping where messages come from; without options, a PROV document of what is
---kept. It comes from the trace, so the runtime has to be opened with one; its rings are read 50
---times a second inside poll, drain and calls that wait. What they lose before is counted, and then
---no document is complete.
---@param options? ringkernel.provenance_options
---@return true | ringkernel.provenance | nil
---@return string? message
---@return ringkernel.code? code unsupported (no trace), invalid_state (never begun), closed
function runtime:provenance(options) end

---@class ringkernel.drain_actors_options: ringkernel.drain_options
---@field actors? string | ringkernel.actor_query | ringkernel.actor[] all

---Ends actors gracefully, as sys:drain does, along the ports that rt:connect has tied. Supervised
---ones are unsupported: they are their supervisor's.
---@param options? ringkernel.drain_actors_options
---@return ringkernel.drain_info?
---@return string? message
---@return ringkernel.code? code unsupported, closed
function runtime:drain_actors(options) end

---@class ringkernel.stream_options
---@field every number seconds from snapshot to snapshot, 0.001 or more
---@field what? string | ringkernel.actor_query which actors, as for rt:actors; all
---@field limit? integer snapshots that may wait to be read, 64; then the oldest is dropped
---@field latency? boolean false: without latencies, where they are kept

---Takes a snapshot of actors (states, queues, rates, latencies) every so many seconds, inside poll,
---drain and calls that wait.
---@param options ringkernel.stream_options
---@return ringkernel.stream?
---@return string? message
---@return ringkernel.code? code closed
function runtime:stream(options) end

---Waits at most `timeout` seconds (nil: for ever) until something arrives, and runs subscribers'
---functions. Returns how much arrived, 0 if nothing did.
---@param timeout? number
---@return integer?
---@return string? message
---@return ringkernel.code? code closed
function runtime:poll(timeout) end

---Brings what has arrived where it belongs and runs subscribers' functions, without waiting.
---Returns how many records moved and how many functions ran.
---@return integer? moved
---@return integer|string calls or message
---@return ringkernel.code? code closed
function runtime:drain() end

---@alias ringkernel.event_name
---| "failure" | "ended" | "dead_letter" | "register" | "unregister" | "stopped" | "denied"
---| "restart" | "escalation" | "quarantine" | "pressure"

---@class ringkernel.event
---@field event string
---@field id string? of restart, escalation, quarantine: the child's
---@field supervisor string? of those: the name of its supervisor
---@field actor ringkernel.actor?
---@field actor_id integer? of the actor then: it has another one after it has begun anew
---@field name string? of the actor
---@field code integer | string of a failure; "tenant_mismatch" or "denied"; else 0
---@field tenant string? of denied, with `other`, `quota`, `dest` as in rt:audit(); of pressure: the
---  one whose limit it is
---@field reason string?
---@field message integer? id of the message concerned
---@field level "normal" | "warning" | "critical" | "emergency" | nil of pressure
---@field used integer? of pressure: messages (reason "queue") or bytes (reason "memory") in use
---@field budget integer? of pressure: out of so many
---@field spilled_messages integer? of pressure (reason "spill"): messages that went to the disk
---@field spilled_bytes integer? of the same: bytes of memory that came back
---@field hlc ringkernel.timestamp

---@class ringkernel.listener
---@field close fun(self: ringkernel.listener): true the function is not called any more

---Calls `fn` for each event of that name, in order, inside poll, drain and calls that wait. Events
---that nobody listens to are not kept; more than 4096 waiting are counted and dropped (ends of
---actors and failures are not). stopped: a supervisor ended a life of an actor that it may begin
---again. restart, escalation, quarantine: of supervisors. pressure: a queue of 64 messages or more
---is 75 % (warning) or 90 % full (critical), and again once it was below a quarter; or a memory
---budget is used to 60 % (warning), 80 % (critical), 95 % (emergency), or to less than 60 % again
---(normal). With the reason "spill" it tells that messages went to the disk because of that level.
---@param event ringkernel.event_name
---@param fn fun(event: ringkernel.event)
---@return ringkernel.listener
function runtime:on(event, fn) end

---Starts a tree of supervised children over actors of this runtime. Returns when all children have
---started; nil if one did not: then those before it were stopped again.
---@param tree ringkernel.supervisor
---@param options? { name: string } name: what events call the top supervisor, "root"
---@return ringkernel.supervision?
---@return string? message
---@return ringkernel.code? code that of the child that did not start: exists, compile, ...
function runtime:supervise(tree, options) end

---Links two actors in their present lives: when one ends for another reason than "normal", the
---other ends for the same one, without its stop handler. A supervisor may begin its next life.
---@param a ringkernel.actor
---@param b ringkernel.actor
---@return true?
---@return string? message
---@return ringkernel.code? code terminated, closed
function runtime:link(a, b) end

---Takes a link away.
---@param a ringkernel.actor
---@param b ringkernel.actor
---@return true?
---@return string? message
---@return ringkernel.code? code closed
function runtime:unlink(a, b) end

---@class ringkernel.monitor
---@field close fun(self: ringkernel.monitor): true the function is not called any more

---Calls fn { event = "down", actor, reason, code, hlc } once, when this life of the actor has
---ended: normal, shutdown, killed, failed (with the code), heartbeat; noproc if that was before.
---@param actor ringkernel.actor
---@param fn fun(event: ringkernel.event)
---@return ringkernel.monitor?
---@return string? message
---@return ringkernel.code? code closed
function runtime:monitor(actor, fn) end

---Ends the running generation of the grid at a message boundary and begins the next. Actors, their
---queues, state and routes stay. Happens by itself where new code or memory needs it.
---@return true? ok
---@return string? message
---@return "timeout"|"device_lost"|"closed"? code
function runtime:renew() end

---A descriptor that is readable when something arrived since the last drain. For event loops.
---@return integer?
function runtime:fd() end

---The same: what cqueues asks of an object.
---@return integer?
function runtime:pollfd() end

---@return string "r"
function runtime:events() end

---0 if there is work although the descriptor may be silent, seconds until a deadline of a
---supervisor, or nil.
---@return number?
function runtime:timeout() end

---backend, device_name, policy, blocks, cluster (blocks in one, 1 where there are none),
---cluster_lanes ("plain", "counted", nil without clusters),
---processors, sms (those that the grid may use: all, or those set apart for it), max_actors, abi,
---generation, memory_bytes, node, async_buffers (a buffer is made without a pause of the grid);
---transport ("plain" or "tagged": the form of the rings to and from the grid) and transport_why,
---which says what decided it; device_claim ("exclusive": no other process has a grid on the device;
---"mps", "shared" by RINGKERNEL_SHARE_DEVICE=1, "unchecked": there may be others; nil on the cpu).
---@return table?
function runtime:info() end

---actors, launched, sent, received, handled, by_lane, refused_full, dead_letters (ever),
---dead_letters_kept, dead_letters_expired, dead_letters_evicted, dead_letters_replayed,
---dead_letter_bytes, dead_by_reason (a table), queues_grown, memory_used (bytes that count against
---memory_budget), spilled_messages and spilled_bytes (on the disk now), spilled_total (messages
---that went there), spill_lost (not read back), spill_refused (times without room), published,
---publish_dropped, subscriptions, device_bytes, callback_errors.
---@return table<string, any>?
function runtime:stats() end

---Stops every actor, joins the grid, closes all that came from it. Later calls on any of that
---return nil, message, "closed".
---@return true
function runtime:close() end

---What rt:time measured.
---@class ringkernel.timing
---@field mode string
---@field launches integer timed; those of a graph come in whole records
---@field seconds number of the host's clock, from before the first launch until the last had ended
---@field per_launch_us number seconds shared by the launches
---@field device_seconds? number the same as the device's clock saw it
---@field synchronised boolean the device had ended all of them when the clock was read

return runtime
