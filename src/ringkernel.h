/* SPDX-License-Identifier: MIT */
/*
 * ringkernel.h: the public C contract.
 *
 * Actors live inside one resident grid (threads on the CPU backend); the host opens a runtime,
 * launches actors from kernel definitions, sends them messages and takes what they send back.
 *
 * Lifetime
 *  1. What *_open and *_launch return belongs to the caller and is given back exactly once with the
 *     matching *_close or *_release. NULL is allowed there and does nothing.
 *  2. An actor handle keeps its runtime's memory alive, not its grid: after rk_runtime_close every
 *     call on a child returns RK_ECLOSED. Handles may be released in any order.
 *  3. The caller's bytes are copied by a send. A received view (rk_received) stays valid until the
 *     next receive on the same handle.
 *
 * Threads
 *  Not thread-safe: use a runtime and everything that came from it from one thread at a time,
 *  except where a function says otherwise. Two runtimes share nothing. A runtime does not survive
 *  fork(): the child gets RK_EFORKED.
 *
 * Errors
 *  0 or a negative RK_E* (base/status.h). `err` may be NULL. Out-parameters are untouched on
 *  failure. Times are nanoseconds; RK_FOREVER waits without limit.
 */
#ifndef RINGKERNEL_H
#define RINGKERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define RK_VERSION "0.1.0"
#define RK_FOREVER UINT64_MAX

#define RK_API __attribute__((visibility("default")))

typedef struct rk_runtime rk_runtime;           /* one opened backend with everything in it */
typedef struct rk_kernel rk_kernel;             /* a kernel definition: a named handler set */
typedef struct rk_actor rk_actor;               /* a handle to a running instance of a definition */
typedef struct rk_reload rk_reload;             /* a change of definitions under way */
typedef struct rk_call rk_call;                 /* a request waiting for its reply */
typedef struct rk_subscription rk_subscription; /* a topic pattern and who gets what matches */
typedef struct rk_device_buffer rk_device_buffer; /* memory that handlers can reach */
typedef struct rk_global rk_global;               /* an ordinary data-parallel kernel */

/* ---- runtime --------------------------------------------------------------------------------- */

typedef struct rk_runtime_options {
  const char *backend; /* "auto" (default), "cpu", "cuda" */
  /* compiled kernels; NULL = RINGKERNEL_CACHE or the user's cache folder */
  const char *cache_dir;
  uint32_t device;  /* device number, 0 */
  uint32_t blocks;  /* blocks of the grid; 0 = RINGKERNEL_BLOCKS or one for each processor */
  uint32_t cluster; /* blocks that the device keeps together, 1..8; 0 = it need not */
  /* how short messages go between blocks of a cluster: "plain", or "counted", which needs a compiler
   * of CUDA 12.1; NULL = "plain". Only together with a `cluster` of 2 or more */
  const char *cluster_lanes;
  uint32_t sms;               /* multiprocessors to set apart for the grid; 0 = none are */
  uint32_t max_actors;        /* 0 = 131072; at most 1048575 */
  uint32_t ring_units;        /* units of a block's ring to and from the host; 0 = 4096 (512 KiB) */
  uint32_t dead_letters;      /* kept before the oldest is forgotten; 0 = 10000 */
  uint32_t dead_letter_tries; /* how often one may be replayed, 1..15; 0 = 3 */
  uint64_t dead_letter_age_ns; /* kept for so long; 0 = an hour, UINT64_MAX = for ever */
  int32_t spin_us;             /* spin before sleeping; < 0 = as `policy` has it */
  int32_t grace_s;    /* a block that does not get on for so long loses the runtime; 0 = it may;
                          * < 0 = 0 on the CPU, 30 on a device */
  const char *policy; /* how blocks wait: "latency", "balanced" (NULL), "eco" */
  /* form of the rings between host and grid: "plain", "tagged", or "auto" = tagged if it passes a
   * self-test and the backend is no CPU, else plain; NULL = RINGKERNEL_TRANSPORT */
  const char *transport;
  /* bytes for queues, links, buffers, mailboxes, subscriptions and dead letters together; from 60 %
   * on events tell of it and what is spare is given back, from 80 % on the oldest dead letters go,
   * at 95 % launches and links are refused; 0 = none */
  uint64_t memory_budget;
  /* folder on a disk for messages that actors sent to the host and nobody has received: where a
   * budget is used to 80 %, the runtime's, an actor's or a tenant's, they wait in a file there,
   * without a name, and come back in their order; NULL = they stay in memory */
  const char *spill;
  uint64_t spill_max; /* bytes of that file at most; 0 = 1 GiB */
  uint16_t node;      /* node number of the runtime's clock */
  /* CPU: block i's thread runs on the i-th processor that the process may use, modulo their number;
   * else where the system puts it. A device has no such threads */
  bool pin;
  bool checksum;      /* checksum every payload the host sends; verified before handling */
  bool latency;       /* keep latency histograms: 2 KiB an actor slot, time for each message */
  /* records of each block's trace, and the host's; 0 = there is no trace */
  uint32_t trace_records;
} rk_runtime_options;

/* Opens a runtime and starts its grid. `options` may be NULL. Errors: no_device (backend "cuda"
 * here, or another process has the device), invalid, unsupported (`cluster`, `sms` where there are
 * none), out_of_memory; not_found, denied, io (`spill` is no folder in which a file can be made). */
RK_API int rk_runtime_open(const rk_runtime_options *options, rk_runtime **out, rk_error *err);

/* Stops every actor (stop handlers run), joins the grid's threads, closes all children. Idempotent
 * through the handle: call once. */
RK_API void rk_runtime_close(rk_runtime *rt);

typedef struct rk_runtime_info {
  const char *backend; /* "cpu" */
  const char *policy;  /* "balanced" */
  char device_name[96];
  uint32_t blocks;
  uint32_t cluster;          /* blocks in a cluster, 1 where there are none */
  const char *cluster_lanes; /* "plain" or "counted", NULL where there are no clusters */
  uint32_t processors;
  uint32_t sms; /* those that the grid may use: all, or those set apart for it */
  uint32_t max_actors;
  uint32_t abi_version;
  uint64_t generation;    /* lives of the grid so far, the running one included */
  uint64_t memory_bytes;  /* of the device, 0 = not known */
  bool has_async_buffers; /* a buffer is made without a pause of the grid */
  /* Whether grids of other processes may be on the device: "exclusive" (no), "mps", "shared" (by
   * RINGKERNEL_SHARE_DEVICE), "unchecked", or NULL where a grid takes nothing from others. */
  const char *device_claim;
  /* "plain" or "tagged". Where a grid starts with its first actor, "plain" until then. */
  const char *transport;
  char transport_why[192]; /* why that one */
} rk_runtime_info;
RK_API void rk_runtime_info_get(const rk_runtime *rt, rk_runtime_info *out);

typedef struct rk_runtime_stats {
  uint64_t actors;       /* living */
  uint64_t launched;     /* ever */
  uint64_t sent;         /* messages from the host accepted */
  uint64_t received;     /* messages taken by the host's user */
  uint64_t handled;      /* messages handled by all actors */
  uint64_t by_lane;      /* messages between blocks of a cluster that took its lanes */
  uint64_t refused_full; /* sends refused because a queue was full */
  uint64_t queues_grown; /* times that a queue became larger */
  uint64_t dead_letters; /* ever: the sum of the next, by reason (RK_DEAD_*) */
  uint64_t dead_by_reason[9];
  uint64_t dead_letters_kept;
  uint64_t dead_letters_expired;  /* forgotten because they were too old, */
  uint64_t dead_letters_evicted;  /* because there were too many or memory was short, */
  uint64_t dead_letters_replayed; /* or taken off the list to be handled after all */
  uint64_t dead_letter_bytes;     /* of memory that those kept take */
  uint64_t memory_used;           /* bytes that count against memory_budget */
  uint64_t spilled_messages;      /* that wait on the disk */
  uint64_t spilled_bytes;         /* which they take there */
  uint64_t spilled_total;         /* messages that were put there, ever */
  uint64_t spill_lost;            /* that could not be read back */
  uint64_t spill_refused;         /* times that messages stayed in memory for want of room there */
  uint64_t published;             /* publishes, by host and handlers */
  uint64_t publish_dropped;       /* deliveries that found no room */
  uint64_t subscriptions;
  uint64_t events_dropped; /* that found no room */
  uint64_t device_bytes;   /* memory reserved for actors and buffers */
} rk_runtime_stats;
RK_API void rk_runtime_stats_get(rk_runtime *rt, rk_runtime_stats *out);

/* What counts against the budget of the runtime, and of an actor, in bytes now. */
RK_API uint64_t rk_runtime_memory_used(const rk_runtime *rt);
RK_API uint64_t rk_actor_memory_used(const rk_actor *actor);

/* ---- kernel definitions ---------------------------------------------------------------------- */

/* Makes a definition from complete C source in the form that lua/ringkernel/codegen.lua writes (it
 * includes "rk_kernel.h" and ends with RK_MODULE_END). Nothing is compiled yet. `name` must match
 * [A-Za-z_][A-Za-z0-9_.-]*. Copies both. Threads: any. */
RK_API int rk_kernel_open(const char *name, const char *source, rk_kernel **out, rk_error *err);

/* The stock definition `name` ("echo", ...), which needs no compiler. Errors: not_found. */
RK_API int rk_kernel_stock(const char *name, rk_kernel **out, rk_error *err);
/* Names of the stock definitions, NULL at the end. Threads: any. */
RK_API const char *const *rk_kernel_stock_names(void);

typedef struct rk_kernel_type { /* a message type */
  const char *name;
  uint32_t id;
  uint32_t size_bytes;
} rk_kernel_type;

/* What a definition offers, as the module that is compiled from its C source says it too. */
typedef struct rk_kernel_description {
  const char *name;            /* the definition's, or NULL */
  const rk_kernel_type *types; /* accepted, [type_count]; at least one */
  const char *const *ports;    /* [port_count] */
  const uint32_t *emits;       /* ids of the types that may leave, [emit_count] */
  uint32_t type_count, port_count, emit_count;
  uint32_t lanes;       /* 1..1024 */
  uint32_t burst;       /* messages a handler may send through each port; at least 1 */
  uint32_t state_bytes; /* 0 = no state */
  uint32_t emit_bytes;  /* payload of its largest outgoing message */
  bool has_start, has_stop;
  bool has_migrate;       /* its source has RK_MIGRATE */
  uint32_t migrate_bytes; /* of the state that it takes */
} rk_kernel_description;

/* Says what a definition made by rk_kernel_open offers, so that a backend need not compile its C
 * source to know, and gives its device form: the fragment that `device.fragment` of
 * lua/ringkernel/codegen_device.lua writes (NULL: it has none and runs on the CPU only). Once, and
 * before the definition is used; stock definitions come described. Copies all of it. A backend that
 * does compile the C source refuses a module that differs (corrupt). Errors: invalid,
 * invalid_state, out_of_memory. Threads: owner. */
RK_API int rk_kernel_describe(rk_kernel *kernel, const rk_kernel_description *description,
                              const char *device_fragment, rk_error *err);

RK_API void rk_kernel_close(rk_kernel *kernel);

/* Compiles for `rt` now instead of at the first launch. On RK_ECOMPILE, *log (if not NULL) is the
 * whole compiler output, to be freed with rk_text_free. */
RK_API int rk_kernel_compile(rk_kernel *kernel, rk_runtime *rt, char **log, rk_error *err);
/* The same for several definitions: where all code of a grid is one image (CUDA) it is compiled
 * once, not once for each. After a failure those before the one that failed are there. */
RK_API int rk_runtime_load(rk_runtime *rt, rk_kernel *const *kernels, size_t count, char **log,
                           rk_error *err);
RK_API void rk_text_free(char *text);

/* ---- actors ---------------------------------------------------------------------------------- */

typedef struct rk_launch_options {
  const char *name; /* unique among living actors; NULL = "<definition>#<n>" */
  uint32_t queue;   /* messages that may wait from the host, and as many from actors; 0 = 1024 */
  /* the queue may grow up to here, fourfold when it is 75 % full, with nothing lost and the order
   * kept: the grid rests at a message boundary meanwhile; 0 = it stays as it is */
  uint32_t queue_max;
  uint64_t memory_budget; /* bytes for its queues, links and mailbox; events tell; 0 = none */
  /* blocks that run its handlers together, 0 = 1: `block` and those after it, where the first comes
   * after the last. More than the runtime has: RK_EUNSUPPORTED */
  uint32_t grid;
  int32_t block; /* block that serves it; < 0 = chosen in turn */
  uint32_t as;   /* tenant it belongs to, as rk_runtime_tenant numbers it; 0 = "default" */
  bool inactive; /* leave it "launched": queue messages, handle none until activated */
  bool unwaited; /* do not wait for its block where nothing can fail there: without start handler */
} rk_launch_options;

/* Launches an actor. Errors: exists, compile (with *log as above), no_compiler, out_of_memory,
 * unsupported, invalid, closed; and the code its start handler failed with. */
RK_API int rk_actor_launch(rk_runtime *rt, rk_kernel *kernel, const rk_launch_options *options,
                           rk_actor **out, char **log, rk_error *err);
/* Waits until the blocks have answered all launches that were not waited for. Until then actors of
 * other blocks may not know of them. timeout, device_lost. Threads: the runtime's. */
RK_API int rk_runtime_launched(rk_runtime *rt, rk_error *err);
RK_API void rk_actor_release(rk_actor *actor); /* gives the handle back; the actor lives on */
RK_API rk_actor *rk_actor_retain(rk_actor *actor);

RK_API const char *rk_actor_name(const rk_actor *actor);
RK_API uint64_t rk_actor_id(const rk_actor *actor);
RK_API rk_kernel *rk_actor_kernel(const rk_actor *actor); /* NULL for none; not retained */
/* Number and payload size of the message type called `name` that it accepts. Errors: not_found,
 * closed. */
RK_API int rk_actor_type(const rk_actor *actor, const char *name, uint32_t *type, size_t *size,
                         rk_error *err);
/* "launched" "active" "deactivated" "terminated" "failed". Threads: owner. */
RK_API const char *rk_actor_state(rk_actor *actor);

/* Transitions. activate: from launched or deactivated; deactivate (suspend): from active;
 * terminate: from any living state; restart: from failed or any living state keeps the queue and
 * zeroes the state unless `keep_state`; an actor that has terminated begins anew under its handle
 * and name (with zero state, nothing queued, and no port connected; active unless it never was), if
 * its runtime is open and nobody has taken the name (exists). Anything else: invalid_state. Each returns when the grid has
 * done it. */
RK_API int rk_actor_activate(rk_actor *actor, rk_error *err);
RK_API int rk_actor_deactivate(rk_actor *actor, rk_error *err);
RK_API int rk_actor_terminate(rk_actor *actor, rk_error *err);
RK_API int rk_actor_restart(rk_actor *actor, bool keep_state, rk_error *err);

/* Ends of a life for supervisors. REST ends this life of the actor with its stop handler and keeps
 * the actor: queue, name, routes; rk_actor_restart begins the next life. TERMINATE ends the actor.
 * The KILL forms run no stop handler. */
typedef enum rk_actor_end_how {
  RK_END_REST,
  RK_END_REST_KILL,
  RK_END_TERMINATE,
  RK_END_KILL
} rk_actor_end_how;
/* Asks for it and does not wait: RK_EVENT_STOPPED with *id, or RK_EVENT_ENDED, tells that it is
 * done. full, terminated, device_lost, closed. Threads: the runtime's. */
RK_API int rk_actor_end(rk_actor *actor, rk_actor_end_how how, uint64_t *id, rk_error *err);
/* Gives an actor up whose block does not answer: it counts as ended from now on, and begins anew
 * (rk_actor_restart) on the next block. The handler that runs goes on until it returns. Threads:
 * the runtime's. */
RK_API int rk_actor_abandon(rk_actor *actor, rk_error *err);
/* Asks the actor's block for a sign of life and does not wait; *answered counts the answers so far
 * to the newest request at each time. full, terminated, device_lost, closed. Threads: the
 * runtime's. */
RK_API int rk_actor_beat(rk_actor *actor, uint64_t *answered, rk_error *err);
/* A stamp of the runtime's clock. Threads: any. */
RK_API uint64_t rk_runtime_stamp(rk_runtime *rt);

/* What may happen to actors. */
typedef enum rk_event_kind {
  RK_EVENT_FAILURE,     /* a handler failed with `code` */
  RK_EVENT_ENDED,       /* `reason`: "normal" by itself, "terminated" when asked to */
  RK_EVENT_DEAD_LETTER, /* `message` is its id, `actor` the receiver if it lives */
  RK_EVENT_REGISTER,    /* `actor` has its name now */
  RK_EVENT_UNREGISTER,  /* it gives its name back */
  RK_EVENT_STOPPED,     /* rk_actor_end was answered: `message` is what it gave, `code` its error */
  RK_EVENT_DENIED,  /* refused because of a tenant: `message` is the number of its audit entry */
  RK_EVENT_PRESSURE /* `used` of `budget` is in use: `reason` "queue" (messages, of `actor`) or
                     * "memory" (bytes, of `actor` or of the runtime); `code` is the level. "spill":
                     * because of that level messages went to the disk; `used` is what is left */
} rk_event_kind;

typedef struct rk_event {
  rk_event_kind kind;
  rk_actor *actor;   /* NULL, or to be given back with rk_actor_release */
  uint64_t actor_id; /* its id then: another one after it has begun anew */
  const char *name;  /* the actor's then, valid until the next event is taken */
  int code;
  const char *reason; /* static text, or NULL */
  uint64_t message;
  uint64_t used, budget; /* of pressure */
  /* of pressure for the reason "spill": messages that went to the disk, bytes of memory that came
   * back; `as`: for the sake of this tenant's limit, 0 = of none's */
  uint64_t spilled_messages, spilled_bytes;
  uint32_t as;
  uint64_t hlc; /* when the host learned of it */
} rk_event;

/* Levels of pressure: "normal", "warning", "critical", "emergency". Threads: any. */
RK_API const char *rk_pressure_name(int level);

/* From now on keeps events of the kinds whose bits are set in `kinds`: at most 4096 of them, and of
 * failures and ends one more for each actor there can be. */
RK_API void rk_runtime_events_want(rk_runtime *rt, uint32_t kinds);
/* Takes the oldest event; false when there is none. */
RK_API bool rk_runtime_event_next(rk_runtime *rt, rk_event *out);
/* "failure", "ended", "dead_letter", "register", "unregister", "stopped", "denied". Threads: any. */
RK_API const char *rk_event_name(rk_event_kind kind);

/* Finds a living actor by exact name, by id, or the first by name that fits a pattern (`*` within a
 * level of a/b/c names, `**` across levels, `?` one character). Retains what it returns; NULL =
 * none. */
RK_API rk_actor *rk_runtime_find(rk_runtime *rt, const char *name);
RK_API rk_actor *rk_runtime_find_id(rk_runtime *rt, uint64_t id);
RK_API rk_actor *rk_runtime_match(rk_runtime *rt, const char *pattern);
/* Whether a name fits such a pattern; a level of `**` may be no level. Threads: any. */
RK_API bool rk_name_fits(const char *pattern, const char *name);
/* Gives a living actor another name, once: it is unregistered and registered anew. Errors: exists,
 * invalid, invalid_state, terminated, out_of_memory. */
#define RK_NAME_MAX_BYTES 200
RK_API int rk_actor_rename(rk_actor *actor, const char *name, rk_error *err);
/* Walks living actors in order of launch: start with *cursor = 0; retains; NULL at the end. */
RK_API rk_actor *rk_runtime_next_actor(rk_runtime *rt, uint64_t *cursor);

typedef struct rk_actor_stats {
  uint64_t processed;     /* messages handled */
  uint64_t dropped;       /* its sends that found no room or no receiver */
  uint64_t errors;        /* failures */
  uint64_t sent;          /* messages the host sent it */
  uint64_t received;      /* messages the host took from it */
  uint64_t waiting_in;    /* messages queued when last looked at */
  uint64_t waiting_out;   /* messages for the host not yet taken */
  uint64_t queue;         /* limit of waiting_in from each side */
  uint64_t last_activity; /* packed HLC */
  uint64_t latency_total_ns, latency_min_ns, latency_max_ns; /* sending to handling; 1 us steps */
  int32_t last_error;
  uint32_t block; /* block that serves it */
} rk_actor_stats;
RK_API int rk_actor_stats_get(rk_actor *actor, rk_actor_stats *out, rk_error *err);

typedef struct rk_latency { /* nanoseconds; all 0 while `count` is */
  uint64_t count, min_ns, max_ns;
  uint64_t p50_ns, p90_ns, p99_ns, p999_ns; /* never too low, at most 1/8 too high */
  double mean_ns;
  uint64_t step_ns; /* of the clock that it was measured with, 0: not known */
} rk_latency;
typedef struct rk_actor_latency { /* of its messages since it was launched */
  rk_latency delivered;           /* stamp of sending (steps of 1 us) to the start of its handler */
  rk_latency handled;             /* from there to the handler's end */
} rk_actor_latency;
/* As of a message boundary, while it runs; `reset`: what is handled from there on is counted from
 * nothing. Errors: unsupported (opened without `latency`), terminated, timeout. */
RK_API int rk_actor_latency_get(rk_actor *actor, bool reset, rk_actor_latency *out, rk_error *err);

/* Copies its state at a message boundary, while it runs. *bytes: in capacity, out size. */
RK_API int rk_actor_peek_state(rk_actor *actor, void *data, size_t *bytes, rk_error *err);
RK_API size_t rk_actor_state_bytes(const rk_actor *actor);

/* ---- messages -------------------------------------------------------------------------------- */

typedef struct rk_send_options {
  uint64_t correlation; /* 0 = none */
  uint64_t deadline;    /* packed HLC or 0: dead-lettered if not handled before it */
  uint32_t source;      /* id of the actor in whose name it is sent; 0 = the host */
  /* tenant in whose name it is sent, as rk_runtime_tenant numbers it; 0 = that of `source`, or the
   * receiver's own */
  uint32_t as;
  uint8_t priority; /* 0 normal, 1 high (overtakes normal ones from the host) */
  bool is_reply;    /* it answers the message that `correlation` names */
  uint64_t cause;   /* id of the message that `source` was handling; 0 = none; for traces */
} rk_send_options;

/* Sends `size` payload bytes of message type `type`. Returns at once. `options` may be NULL; *id
 * (may be NULL) becomes the message id. Errors: full, terminated, too_large, invalid (type not
 * accepted), tenant_mismatch, denied. */
RK_API int rk_actor_send(rk_actor *actor, uint32_t type, const void *data, size_t size,
                         const rk_send_options *options, uint64_t *id, rk_error *err);

/* The same in two steps without a copy: *payload is where `size` bytes are to be written, valid
 * until the next call on the runtime; nothing is sent without the commit. The bytes start zeroed.
 */
RK_API int rk_actor_reserve(rk_actor *actor, uint32_t type, size_t size, uint8_t priority,
                            void **payload, rk_error *err);
/* For a message with options other than its priority: the commit gets the same. */
RK_API int rk_actor_reserve_with(rk_actor *actor, uint32_t type, size_t size,
                                 const rk_send_options *options, void **payload, rk_error *err);
RK_API uint64_t rk_actor_commit(rk_actor *actor, const rk_send_options *options);
/* Like rk_actor_commit, but wakes nobody: end a batch with rk_runtime_flush. */
RK_API uint64_t rk_actor_commit_quiet(rk_actor *actor, const rk_send_options *options);
RK_API void rk_runtime_flush(rk_runtime *rt);
/* `count` messages of one type that lie one after another at `data`, `size` bytes each, in order
 * and with one release for up to 32. *sent becomes how many were sent, on failure too: the others
 * were not. Wakes nobody, as rk_actor_commit_quiet. Errors: those of rk_actor_send. */
RK_API int rk_actor_send_batch(rk_actor *actor, uint32_t type, size_t size, const void *data,
                               uint32_t count, const rk_send_options *options, uint32_t *sent,
                               rk_error *err);

typedef struct rk_received {
  uint64_t id, correlation, hlc, sender; /* sender: actor id, 0 = host */
  uint32_t type;
  uint32_t size;
  uint16_t flags; /* RK_MSG_* of rk_abi.h */
  uint8_t priority;
  uint8_t reason; /* dead letters: RK_DEAD_*; else the number of its sender's tenant */
  const void *data;
} rk_received;

/* Takes the next message the actor sent to the host. Drains first. Errors: empty, closed,
 * terminated (ended and nothing left), interrupted. What waits on the disk (`spill`) is read back
 * first: out_of_memory (nothing is lost); corrupt, io (some messages are lost; told once, the next
 * call goes on behind them). */
RK_API int rk_actor_try_receive(rk_actor *actor, rk_received *out);
/* Says that what it gave last is not needed any more, before the next call would: its memory can be
 * given back under pressure. */
RK_API void rk_actor_let_go(rk_actor *actor);
/* What was said of the messages of any actor that were lost last; `err` stays as it is where none
 * were. */
RK_API void rk_runtime_spill_loss(const rk_runtime *rt, rk_error *err);

/* A request: sends, and keeps the reply apart from the mailbox. Poll returns 0 once, then the call
 * is done; empty while waiting; when there will be none: terminated, timeout (its deadline passed),
 * not_active (the handler failed on it), corrupt. The view lives until rk_call_close. */
RK_API int rk_call_open(rk_actor *actor, uint32_t type, const void *data, size_t size,
                        const rk_send_options *options, rk_call **out, rk_error *err);
RK_API int rk_call_poll(rk_call *call, rk_received *out);
RK_API void rk_call_close(rk_call *call);

/* What becomes of a message when the receiver has no room for it. */
typedef enum rk_link_kind {                      /* as RK_LINK_* of rk_abi.h */
                            RK_LINK_KIND_BLOCK,  /* the sender is handed nothing until there is */
                            RK_LINK_KIND_BUFFER, /* waits on the link; when that is full, as FULL */
                            RK_LINK_KIND_DROP_NEWEST, /* is dropped; the send returns RK_EFULL */
                            RK_LINK_KIND_DROP_OLDEST, /* waits on the link, which drops its oldest */
                            RK_LINK_KIND_DEAD_LETTER  /* becomes a dead letter ("full") */
} rk_link_kind;
typedef struct rk_link_options {
  rk_link_kind policy;
  uint32_t limit;       /* messages that may wait on the link (buffer, drop_oldest); 0 = 1024 */
  uint64_t deadline_ns; /* block: then the message becomes a dead letter; 0 = never */
  uint32_t credits;     /* most that the link may hold; it takes half at a time; 0 = 64 */
} rk_link_options;

/* ---- actors whose handler is a function of the host ---------------------------------------------
 *
 * Their definition passes every message on with rk_send_to(ctx, RK_HOST_AS_SENT, ...). What was
 * passed on waits apart from the mailbox and is taken with its own sender, id and correlation. Each
 * message leaves its room in the actor's mailbox limit when it is taken. */

/* How many actors have messages to take, and the next of them, or NULL; retained. It leaves the
 * list: say rk_runtime_hosted_later when it still has some. */
RK_API size_t rk_runtime_hosted_count(const rk_runtime *rt);
RK_API rk_actor *rk_runtime_next_hosted(rk_runtime *rt);
RK_API void rk_runtime_hosted_later(rk_actor *actor);
/* Takes the next one; the view is valid until the next take. Errors: empty, not_active, closed. */
RK_API int rk_actor_take(rk_actor *actor, rk_received *out);
/* Messages that wait to be taken. */
RK_API size_t rk_actor_passed_on(const rk_actor *actor);
/* The function failed on the message taken last: the actor fails with `code` (not 0), the message
 * goes to the dead letters ("failed"). Nothing more can be taken until it was restarted. With code
 * 0 the message is handled, and the actor stops as if its handler had said rk_stop. Errors: full
 * (try again), terminated. */
RK_API int rk_actor_refuse(rk_actor *actor, int code, rk_error *err);
/* Replies to the host in the actor's name: to the call of that correlation, else into its mailbox.
 * Errors: full, out_of_memory, terminated. */
RK_API int rk_actor_reply(rk_actor *actor, uint64_t correlation, uint32_t type, const void *data,
                          size_t size, rk_error *err);
/* Messages from the host that the actor has room for now. */
RK_API uint32_t rk_actor_room(rk_actor *actor);
/* The ports of such an actor: any name, tied to an actor as rk_runtime_link ties those of a kernel,
 * with the same policies and the same statistics (rk_actor_links_get); `options` may be NULL. What
 * waits on a link goes on while the runtime is drained, and to the dead letters when there is an end
 * to the link. Errors: exists, invalid, tenant_mismatch, unsupported (`credits`), out_of_memory,
 * terminated; not_found. */
RK_API int rk_actor_host_link(rk_actor *from, const char *port, rk_actor *to,
                              const rk_link_options *options, rk_error *err);
RK_API int rk_actor_host_unlink(rk_actor *from, const char *port, rk_error *err);
/* Whether its function may be called now: every link that blocks has room for `burst` messages, or
 * its deadline has passed. */
RK_API bool rk_actor_host_ready(rk_actor *from, uint32_t burst);
/* Sends through a port. Errors: those of rk_actor_send; not_found (not tied); full (by its policy it
 * was dropped or became a dead letter). */
RK_API int rk_actor_host_send(rk_actor *from, const char *port, uint32_t type, const void *data,
                              size_t size, const rk_send_options *options, rk_error *err);
/* Whether something waits on such a link. */
RK_API bool rk_runtime_host_holds(const rk_runtime *rt);
/* Asks its block, between two handlings: *depth = messages in its queues, on its links, and passed
 * on but not taken, *handled = messages handled so far. */
RK_API int rk_actor_depth(rk_actor *actor, uint64_t *depth, uint64_t *handled, rk_error *err);

/* ---- routes ---------------------------------------------------------------------------------- */

/* Ties port `port` of `from` to `to`. Errors: not_found (no such port), terminated, invalid (the
 * receiver accepts nothing that `from` emits, or its queue is smaller than the burst), exists (the
 * port is tied already). */
RK_API int rk_runtime_connect(rk_runtime *rt, rk_actor *from, const char *port, rk_actor *to,
                              rk_error *err);
/* rk_runtime_connect with a policy; `options` may be NULL. Errors: also out_of_memory. */
RK_API int rk_runtime_link(rk_runtime *rt, rk_actor *from, const char *port, rk_actor *to,
                           const rk_link_options *options, rk_error *err);
/* "block" "buffer" "drop_newest" "drop_oldest" "dead_letter". Threads: any. */
RK_API const char *rk_link_kind_name(rk_link_kind policy);

typedef struct rk_link_stats {
  const char *port;
  uint64_t to; /* actor id; 0 = not connected */
  rk_link_kind policy;
  uint32_t limit, credits;
  uint64_t deadline_ns;
  uint64_t sent;    /* messages that came to the receiver's queue */
  uint64_t waiting; /* on the link, now; `high` at most */
  uint64_t high;
  uint64_t stalls;  /* times its sender had to wait for room */
  uint64_t dropped; /* by the policy: counted, not kept */
  uint64_t dead;    /* made dead letters by the link */
} rk_link_stats;
/* Asks its block, between two handlings, about all ports, connected or not. *count: room in `out`,
 * then how many ports there are. Errors: terminated. */
RK_API int rk_actor_links_get(rk_actor *actor, rk_link_stats *out, size_t *count, rk_error *err);

RK_API int rk_runtime_disconnect(rk_runtime *rt, rk_actor *from, const char *port, rk_error *err);

/* ---- publish and subscribe ------------------------------------------------------------------- */

/* `*` matches one level of a/b/c, `#` at the end the rest (at least one level). With `actor`,
 * matching messages go to it; without, they wait here (at most `limit`, 0 = 1024) for
 * rk_subscription_try_receive. Retained messages that match are delivered at once. */
RK_API int rk_runtime_subscribe(rk_runtime *rt, const char *pattern, rk_actor *actor,
                                uint32_t limit, rk_subscription **out, rk_error *err);
RK_API void rk_subscription_close(rk_subscription *sub);
RK_API int rk_subscription_try_receive(rk_subscription *sub, rk_received *out, const char **topic);
typedef struct rk_subscription_stats {
  uint64_t delivered, dropped, waiting;
} rk_subscription_stats;
RK_API void rk_subscription_stats_get(const rk_subscription *sub, rk_subscription_stats *out);
/* The next subscription with something waiting, or NULL: what a callback loop asks after a drain.
 */
RK_API rk_subscription *rk_runtime_next_ready(rk_runtime *rt);
RK_API void rk_subscription_user_set(rk_subscription *sub, uint64_t user);
RK_API uint64_t rk_subscription_user(const rk_subscription *sub);

/* *count: subscribers reached. A retained message stays with the topic (size 0 with retain clears
 * it). */
RK_API int rk_runtime_publish(rk_runtime *rt, const char *topic, uint32_t type, const void *data,
                              size_t size, bool retain, size_t *count, rk_error *err);

/* ---- dead letters ---------------------------------------------------------------------------- */

/* Walks kept dead letters, oldest first: index 0.. until RK_ENOT_FOUND. `dest`: actor id it was
 * sent to. */
RK_API int rk_runtime_dead_letter(rk_runtime *rt, size_t index, rk_received *out, uint64_t *dest);
RK_API void rk_runtime_dead_letters_clear(rk_runtime *rt);

typedef struct rk_dead_letter {
  rk_received message; /* a view: until the next call that changes the list or drains */
  uint64_t dest;       /* id of the actor it was for */
  rk_actor *actor;     /* that actor, alive or not, retained by the letter; NULL = not known */
  uint64_t serial;     /* names the letter: grows, 1 = the runtime's first */
  uint64_t age_ns;
  uint32_t tries; /* how often it was replayed before */
} rk_dead_letter;
/* The same walk with all that is kept. */
RK_API int rk_runtime_dead_letter_at(rk_runtime *rt, size_t index, rk_dead_letter *out);
/* Takes one off the list. Errors: not_found. */
RK_API int rk_runtime_dead_letter_drop(rk_runtime *rt, uint64_t serial);
/* Sends one again, with its id, sender and stamp, without its deadline; once it is in the queue it
 * is off the list. To `to`, or (NULL) to the actor it was for, which may have begun a new life.
 * Errors, with the letter still there: not_found (no such letter, or who it was for is not known),
 * terminated, denied (it was tried as often as may be), corrupt, full, invalid (wrong type). */
RK_API int rk_runtime_dead_letter_replay(rk_runtime *rt, uint64_t serial, rk_actor *to,
                                         rk_error *err);
/* "terminated" "deadline" "type" "corrupt" "failed" "full" "late" "tenant". Threads: any. */
RK_API const char *rk_dead_reason_name(uint8_t reason);

/* ---- commands (the numbers of rk_abi.h), for tools ------------------------------------------- */

typedef struct rk_command_result {
  uint32_t code; /* RK_RSP_* */
  int32_t error; /* 0 or RK_E* */
  uint64_t step, steps_remaining, actor;
  uint32_t checksum, flags;
} rk_command_result;
/* Sends command `code` to `block` and waits for its answer (at most 5 s). Parameters as
 * rk_abi_command. */
RK_API int rk_runtime_command(rk_runtime *rt, uint32_t block, uint32_t code, uint64_t param1,
                              uint32_t param2, uint32_t param3, float param4, float param5,
                              rk_command_result *out, rk_error *err);

/* ---- buffers and ordinary launches ----------------------------------------------------------- */

RK_API int rk_device_buffer_open(rk_runtime *rt, size_t element_bytes, size_t count,
                                 rk_device_buffer **out, rk_error *err);
/* The same out of a tenant's memory. Errors: denied, not_found too. */
RK_API int rk_device_buffer_open_as(rk_runtime *rt, uint32_t as, size_t element_bytes, size_t count,
                                    rk_device_buffer **out, rk_error *err);
RK_API void rk_device_buffer_close(rk_device_buffer *buffer);
RK_API int rk_device_buffer_write(rk_device_buffer *buffer, size_t offset, const void *data,
                                  size_t count, rk_error *err);
RK_API int rk_device_buffer_read(rk_device_buffer *buffer, size_t offset, void *data, size_t count,
                                 rk_error *err);
/* Repeats one element over the whole buffer. */
RK_API int rk_device_buffer_fill(rk_device_buffer *buffer, const void *element, rk_error *err);
RK_API uint64_t rk_device_buffer_address(const rk_device_buffer *buffer); /* 0 once closed */

/* An ordinary kernel from complete source (RK_GLOBAL_END form). Parameters reach it as one packed
 * struct. */
RK_API int rk_global_open(const char *name, const char *source, size_t param_bytes, rk_global **out,
                          rk_error *err);
/* Gives its device form: the complete source that `device.global` of
 * lua/ringkernel/codegen_device.lua writes. Once, and before its first run. Copies it. Errors:
 * invalid, invalid_state, out_of_memory. Threads: owner. */
RK_API int rk_global_describe(rk_global *global, const char *device_unit, rk_error *err);
RK_API void rk_global_close(rk_global *global);
/* Runs grid x block lanes and returns when all have ended. */
RK_API int rk_runtime_run(rk_runtime *rt, rk_global *global, uint32_t grid, uint32_t block,
                          const void *params, size_t param_bytes, char **log, rk_error *err);

typedef struct rk_time_options {
  /* What lies between two launches: "launch" (NULL too) waits for each, "stream" queues them and
   * waits once, "graph" records up to 100 and replays the record, waits once. */
  const char *mode;
  uint32_t grid, block; /* 0 = 1 */
  uint32_t times;       /* launches; 0 = 1000. A graph's come in whole records, so maybe more. */
} rk_time_options;

typedef struct rk_timing {
  uint64_t launches;     /* that were timed; one more came before them */
  double seconds;        /* host, from before the first launch until the last had ended */
  double device_seconds; /* the same as the device saw it; < 0: it does not say */
  bool synchronised;     /* the device had ended all of them when the clock was read */
} rk_timing;

/* Times launches of an ordinary kernel, the baseline for resident actors. On a device whose grid
 * is sealed the grid rests meanwhile, and goes on afterwards: launches have the device to
 * themselves. Errors: unsupported (mode on this backend), and those of rk_runtime_run. Threads:
 * owner. */
RK_API int rk_runtime_time(rk_runtime *rt, rk_global *global, const rk_time_options *options,
                           const void *params, size_t param_bytes, rk_timing *out, char **log,
                           rk_error *err);

#ifdef __cplusplus
}
#endif

#include "ringkernel_checkpoint.h"
#include "ringkernel_reload.h"
#include "ringkernel_tenant.h"
#include "ringkernel_trace.h"

#endif
