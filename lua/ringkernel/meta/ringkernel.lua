---@meta
-- The module `require "ringkernel"`.

---What an expected failure is called: the third value after nil and the message.
---@alias ringkernel.code
---| "timeout" | "full" | "empty" | "closed" | "terminated" | "not_active" | "invalid_state"
---| "not_found" | "exists" | "no_device" | "no_compiler" | "compile" | "out_of_memory"
---| "device_lost" | "too_large" | "corrupt" | "version" | "skew" | "denied" | "tenant_mismatch"
---| "unsupported" | "io" | "interrupted" | "forked"

---@class ringkernel
---@field _VERSION string "ringkernel 0.1.0"
---@field abi integer version of the structs that host and grid share
---@field limits table<string, integer> payload_bytes, queue, lanes, ...
---@field trace ringkernel.trace writes records of rt:trace_read() as Chrome traces
---@field stats ringkernel.stats statistics of lists of numbers
---@field stock table<string, ringkernel.kernel> echo, vector, reduce: need no compiler
local ringkernel = {}

---@class ringkernel.open_options
---@field backend? "auto" | "cpu" | "cuda" default: RINGKERNEL_BACKEND, else "auto"
---@field device? integer number of the device, 0
---@field blocks? integer blocks of the grid; default: RINGKERNEL_BLOCKS or one per processor
---@field cluster? integer blocks that the device keeps together, 1..8; unsupported where it cannot
---@field cluster_lanes? "plain" | "counted" how short messages go between blocks of a cluster:
---  published by a word of each ("plain", the default), or as asynchronous stores that a barrier of
---  the receiver counts ("counted": NVRTC of CUDA 12.1 or later); which is faster is not measured.
---  Blocks try the form they have at the start; where it fails the first launch is `corrupt`
---@field sms? integer multiprocessors set apart for the grid, the device rounds up; or unsupported
---@field node? integer node number of the runtime's clock, 0..65535
---@field cache? string folder of compiled kernels; default: RINGKERNEL_CACHE
---@field max_actors? integer default 131072
---@field ring_units? integer units of 128 bytes of each block's ring to and from the host
---@field dead_letters? integer how many are kept, 10000
---@field dead_letter_age? number seconds for which one is kept, 3600; math.huge = for ever
---@field dead_letter_tries? integer how often one may be replayed, 3; 1 to 15
---@field memory_budget? integer bytes for queues, links, buffers, mailboxes, subscriptions and dead
---  letters together: from 60 % on spare memory is given back, from 80 % on mailboxes go to the
---  disk (`spill`) and the oldest dead letters go, what would take 95 % is refused; events pressure
---  tell; none
---@field spill? string folder for messages to the host that nobody has received: where a budget is
---  used to 80 % (memory_budget, an actor's, or a tenant's limit, mailboxes included) they wait
---  there in a file, which has no name and is gone with the process, and are received in their
---  order as ever; rk.open fails with not_found, denied or io where no file can be made; default:
---  they stay in memory
---@field spill_max? integer bytes of that file at most, 1 GiB; what is over it stays in memory
---@field policy? "latency"|"balanced"|"eco" how blocks that have nothing to do wait: without pause,
---  with short ones (the default), with such as spare the device; a processor's blocks spin for a
---  millisecond, RINGKERNEL_SPIN_US, not at all before they sleep
---@field grace? integer seconds that a block may stay in one handler before the runtime is given up
---  as lost, with the block and its actor named; 0: for ever; default: 0 on the CPU, 30 on a device
---@field spin_us? integer microseconds to spin before sleeping; default: as the policy has it
---@field pin? boolean the CPU's block i stays on the i-th processor that the process may use, so
---  that two blocks never share one while another is free; slower if others use those processors,
---  too; false: the system places them; says nothing about a device
---@field transport? "auto" | "plain" | "tagged" form of the rings between host and grid: "auto" is
---  tagged on a device where that passes a self-test at the start, else plain; default:
---  RINGKERNEL_TRANSPORT, else "auto"
---@field checksum? boolean checksum what the host sends and verify it before it is handled
---@field latency? boolean keep histograms for actor:latency(): 2 KiB for each of max_actors, two
---readings of the clock for each message; false
---@field trace? integer records of each block's trace, 64..1048576, for runtime:trace(); 0: none

---Opens a runtime and starts its grid. The transport "auto" is tagged on a device where that
---passes a self-test at the start, else plain; an unfit one that was asked for is refused
---(corrupt), at the first launch where the grid starts then.
---@param options? ringkernel.open_options
---@return ringkernel.runtime? runtime
---@return string? message
---@return ringkernel.code? code no_device, unsupported, out_of_memory
function ringkernel.open(options) end

---Makes a message type. The same name with the same fields gives the same type again.
---
---Types: i8 u8 i16 u16 i32 u32 i64 u64 f32 f64 bool hlc id buffer char[n], and arrays of the
---numbers.
---@param name string
---@param fields { [1]: string, [2]: string }[] list of { name, type }, laid out as a C struct
---@return ringkernel.message
function ringkernel.message(name, fields) end

---@class ringkernel.kernel_options
---@field name string
---@field accepts ringkernel.message[] one handler RK_ON(Type) for each
---@field emits? ringkernel.message[] what may leave through reply, ports and publish
---@field state? { [1]: string, [2]: string }[] zero at launch, kept across suspend
---@field ports? string[] names of outgoing links; burst = messages per handled message, 1
---@field old_state? table fields of the state that RK_MIGRATE(Name) in the source takes: reloads
---@field block? integer lanes that run a handler together, 1..1024
---@field source? string C text; or:
---@field file? string name of a file with it

---Makes a kernel definition. Compiled when its first actor is launched.
---@param options ringkernel.kernel_options
---@return ringkernel.kernel
function ringkernel.kernel(options) end

---@class ringkernel.rules
---@field name string
---@field version integer
---@field definitions table<string, ringkernel.kernel> by name

---@class ringkernel.rules_spec
---@field name string
---@field version integer
---@field migrate? table<string, function>
---@field [integer] ringkernel.kernel | string

---Makes a set of definitions with a version, for rt:apply_rules. The list part: kernel definitions,
---or names of stock ones; `migrate`: functions by name of a definition, as for actor:reload.
---@param spec ringkernel.rules_spec
---@return ringkernel.rules
function ringkernel.rules(spec) end

---@alias ringkernel.hosted_handler fun(ctx: ringkernel.context, message: table, state: any)

---@class ringkernel.lua_actor_options
---@field name? string default: "lua"
---@field accepts ringkernel.message[]
---@field emits? ringkernel.message[] what its functions may send
---@field ports? table names of outgoing links, and burst = messages a function may send each
---@field on ringkernel.hosted_handler | table<string, ringkernel.hosted_handler> by message name
---@field state? fun(): any makes the state of each life, {} if not said
---@field start? fun(ctx: ringkernel.context, state: any) when a life begins
---@field stop? fun(ctx: ringkernel.context, state: any) when it stops or is terminated

---Makes a definition whose handlers are Lua functions. They run on this thread, inside poll, drain
---and calls that wait; an actor that they have not caught up with fills up and holds its senders
---back. An error in a function makes the actor fail.
---@param options ringkernel.lua_actor_options
---@return ringkernel.kernel
function ringkernel.actor(options) end

---@class ringkernel.global_options
---@field name string
---@field params? { [1]: string, [2]: string }[] list of { name, type }: "f32*", "const f32*", "u32"
---@field source? string C text; or:
---@field file? string name of a file with it

---Makes an ordinary kernel for rt:run: source with a body RK_GLOBAL() { ... }.
---@param options ringkernel.global_options
---@return ringkernel.global
function ringkernel.global(options) end

---@alias ringkernel.strategy
---| "one_for_one" | "one_for_all" | "rest_for_one" | "simple_one_for_one"

---@class ringkernel.supervisor_options
---@field strategy? ringkernel.strategy default: one_for_one
---@field intensity? integer how many restarts within the period, 1; one more ends the supervisor
---@field period? integer seconds, 5
---@field auto_shutdown? "never" | "any_significant" | "all_significant" default: the first
---@field children? ringkernel.supervisor_child[] in start order; simple_one_for_one: one template

---@class ringkernel.supervisor_child
---@field id string
---@field start ringkernel.kernel | ringkernel.supervisor | function
---@field restart? "permanent" | "transient" | "temporary" default: the first
---@field shutdown? number | "infinity" | "brutal_kill" seconds, 5; supervisor: "infinity"
---@field type? "worker" | "supervisor" default: what `start` is
---@field significant? boolean its end may end the supervisor, see auto_shutdown
---@field state? "reset" | "keep" of a definition: what a restart does to the state, "reset"
---@field heartbeat? number of a definition: seconds; one without an answer in time is a failure
---@field launch? ringkernel.launch_options of a definition; without a name: that is the id
---@field quarantine? integer failures after which the same message is not sent again, 3

---Makes a specification of supervised children, in the terms of Erlang/OTP. Raises one error that
---names every mistake. Specifications nest and can be used more than once.
---@param options ringkernel.supervisor_options
---@return ringkernel.supervisor
function ringkernel.supervisor(options) end

---@class ringkernel.topology_actor
---@field [1] ringkernel.kernel | string | function
---@field queue? integer 1024
---@field block? integer
---@field tags? string | table
---@field activate? boolean

---@class ringkernel.topology_link
---@field from string | string[] "actor.port", or "actor" where it has one port
---@field to string | string[] an actor, or a list of them
---@field mode? "broadcast" | "round_robin" | "shard" for a list; default: the first
---@field key? string shard: the field of the messages; equal values go to one receiver
---@field queue? integer of a link to a list, 256

---@class ringkernel.topology_options
---@field name? string registers the actors as "name/actor"
---@field actors table<string, ringkernel.kernel | string | function | ringkernel.topology_actor>
---@field links? (string | ringkernel.topology_link)[] "a.next -> b", "a.next -> {b, c} shard key"
---@field supervise? ringkernel.supervisor children called as actors are those actors
---@field provenance? boolean where messages come from is kept, for sys:provenance
---@field cycles? "check" | "allow" whether cycles that can fill up are refused, default: the first

---Declares a network of actors and links for rt:deploy. Raises one error that names every mistake:
---unknown actors, ports and options, receivers that accept nothing of what is sent, ports linked
---twice, queues too small for a burst, cycles that can stop for ever once they are full. A function
---as an actor is handed what its links bring, as in rk.actor.
---@param options ringkernel.topology_options
---@return ringkernel.topology
function ringkernel.topology(options) end

---What came with a received message, or nil for any other table.
---@param message table
---@return ringkernel.envelope?
function ringkernel.envelope(message) end

---@class ringkernel.envelope
---@field id integer
---@field correlation integer id of the request it answers, or what its sender set; 0 = none
---@field sender integer id of the actor that sent it; 0 = the host
---@field hlc ringkernel.timestamp
---@field type integer id of its message type
---@field priority "normal" | "high"
---@field flags integer

---Makes a benchmark campaign, for `rkl --bench` or campaign:measure(). Raises for misuse.
---@param options ringkernel.campaign_options
---@return ringkernel.campaign
function ringkernel.campaign(options) end

---Makes an empty histogram of whole numbers.
---@return ringkernel.histogram
function ringkernel.histogram() end

---Makes a hybrid logical clock.
---@param node? integer 0..65535
---@param options? { max_skew: number } how many seconds ahead a remote stamp may be, 60
---@return ringkernel.hlc
function ringkernel.hlc(node, options) end

---Reads what timestamp:pack() writes.
---@param text string
---@return ringkernel.timestamp?
---@return string? message
---@return ringkernel.code? code corrupt
function ringkernel.hlc_unpack(text) end

---Makes an event loop. `option`: an existing controller for "cqueues".
---@param name "poll" | "luv" | "cqueues"
---@param option? any
---@return ringkernel.loop?
---@return string? message
---@return ringkernel.code? code unsupported: the module is not installed
function ringkernel.loop(name, option) end

---What rk.devices() says of one device. The fields from `is_capable` on are those of CUDA devices.
---@class ringkernel.device
---@field backend "cpu" | "cuda"
---@field index integer from 0, within its backend
---@field is_usable boolean whether rk.open can use it now
---@field reason? string why not
---@field name? string nil where there is no device behind the entry
---@field processors? integer processors, or multiprocessors
---@field blocks? integer cpu: blocks of a grid unless told otherwise
---@field memory_bytes? integer
---@field is_capable? boolean whether it could run a resident grid, whatever the rest allows
---@field compute_capability? string "9.0"
---@field uuid? string "GPU-..."
---@field pci_bus? string "0000:3b:00.0"
---@field numa_node? integer node of the host next to it, where known
---@field compute_mode? "default" | "prohibited" | "exclusive_process" | "unknown"
---@field capabilities? table<string, boolean> cooperative_launch, mapped_memory, clusters, ...
---@field holder? { pid: integer?, name: string?, is_shared: boolean } the other process that has it
---@field limits? table<string, integer> block_lanes, block_shared_bytes, clock_khz, ...

---The devices of this machine, usable or not. Where there is no CUDA driver or device, one entry
---for the backend says why.
---@return ringkernel.device[]
function ringkernel.devices() end

return ringkernel
