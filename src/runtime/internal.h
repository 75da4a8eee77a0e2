/* SPDX-License-Identifier: MIT */
/*
 * What the files of the runtime share.
 *
 *   runtime.c     open, close, information, statistics
 *   grid.c        memory of the grid, its generations, rings to and from each block
 *   slots.c       actor slots and their reuse;  seal.c  times in which no grid runs
 *   arena.c       memory for actors and buffers
 *   kernel.c      definitions and their loading;  description.c  what is said of them before
 *   launch.c      the beginning of actors;  actor.c  their life and end
 *   reload.c      another definition for a living actor;  ring_growth.c  larger rings for it
 *   version.c     what is exchanged then;  reload_check.c  whether it may be
 *   registry.c    names, ids, patterns;  events.c  what happens to actors, for whoever asked
 *   command.c     a command and its answer;  transport.c  the form of the rings, its self-test
 *   lanes.c       the form of a cluster's lanes, theirs
 *   send.c        messages in;  mailbox.c  messages out;  receive.c  taking them, calls
 *   drain.c       what the grid wrote: to mailboxes, calls, subscriptions, dead letters
 *   wait.c        waiting for it;  watch.c  whether the grid gets on
 *   hosted.c      actors whose handler is a function of the host
 *   host_link.c   their ports
 *   actor_parts.c parts of an actor that most actors never need
 *   checkpoint*.c  actors into files;  restore*.c  and back (checkpoint.h)
 *   tenant.c      tenants and quotas;  grants.c  who may send to whom;  audit.c  what was refused
 *   observe.c     latencies of actors, over latency.c;  tracing.c  traces, over trace.c
 *   growth.c      queues that become larger;  pressure.c  budgets of memory, what is done about them
 *   spill.c       mailboxes put aside on the disk, over spill_file.c
 *   route.c  pubsub.c  deadletter.c  buffer.c  global.c
 *
 * Threads: all of it belongs to the runtime's one thread. The grid's threads touch only what
 * rk_abi.h describes. There are no locks here.
 */
#ifndef RK_RUNTIME_INTERNAL_H
#define RK_RUNTIME_INTERNAL_H

#include "backend/backend.h"
#include "base/idmap.h"
#include "base/nvtx.h"
#include "base/wake.h"
#include "core/hlc.h"
#include "core/topic.h"
#include "ringkernel.h"
#include "runtime/arena.h"
#include "runtime/mailbox.h"
#include "runtime/trace.h"

#include "rk_ring_dev.h"

/* ---- definitions ----------------------------------------------------------------------------- */

struct rk_kernel {
  uint32_t refs;
  uint64_t serial; /* tells definitions apart in a runtime's table, also after one was freed */
  char *name;
  char *source; /* NULL for a stock definition */
  const void *stock;
  rk_backend_def *described; /* NULL: only its compiled module will tell */
  char *device_fragment;     /* NULL: it has no device form */
  bool used;                 /* loaded once: it cannot be described any more */
  uint64_t launched;         /* for default names */
};

/* A definition as one runtime has loaded it. */
typedef struct rk_loaded {
  rk_backend_def def;
  uint64_t abi;          /* its rk_abi_def, in device memory */
  uint64_t handlers;     /* its rk_abi_handler[type_count], in device memory */
  uint32_t slot_bytes;   /* of its actors' rings */
  uint32_t in_max_bytes; /* largest accepted payload */
} rk_loaded;

/* ---- actors ---------------------------------------------------------------------------------- */

typedef struct rk_spilled rk_spilled; /* spill.h */

typedef struct rk_pending { /* a command that waits for its answer */
  uint64_t cmd_id;
  bool done;
  rk_abi_response answer;
} rk_pending;

typedef struct rk_port { /* where a port leads, as the host knows it */
  uint32_t dest;
  uint32_t chunk;
  uint32_t policy; /* RK_LINK_* */
  uint32_t limit;  /* of `buffer`, in messages */
  uint64_t deadline_ns;
  uint64_t buffer;     /* address of one of the actor's extras; 0 = none */
  uint32_t slot_bytes; /* of its slots */
  uint32_t credits;    /* as asked for; 0 = the default */
} rk_port;

typedef struct rk_piece { /* of the arena of device memory */
  uint64_t address;       /* 0 = none */
  size_t bytes;
  uint32_t life; /* id of the actor's life that was charged for it, besides its first memory */
} rk_piece;

/* Such memory that goes with an actor's slot, one of any number: buffers of its links. */
typedef struct rk_extra {
  struct rk_extra *next;
  rk_piece piece;
} rk_extra;

/* What a reload exchanges of an actor. */
typedef struct rk_version {
  rk_kernel *kernel; /* retained */
  const rk_loaded *loaded;
  rk_port *ports;  /* [port_count] */
  rk_piece body;   /* state and routes, unless they lie in the actor's first memory */
  uint64_t state;  /* where it lies; 0 = it was not kept */
  uint64_t routes; /* where they lie */
  uint32_t mailbox_limit;
  uint32_t number; /* 1 at launch */
} rk_version;

typedef struct rk_host_link rk_host_link; /* a port of an actor whose handler is the host's */
typedef struct rk_hosted rk_hosted;       /* actor_parts.h */
typedef struct rk_later rk_later;

/* An idle actor costs this and what it has in the tables: a field that most actors never use belongs
 * into a part (actor_parts.h). A send touches the first line, a receive the first two. */
struct rk_actor {
  rk_runtime *rt; /* retained; its `closing` says that only the memory is left */
  const rk_loaded *loaded;
  rk_abi_link *link;
  /* taken: copy of the link's, re-read when the queue looks full */
  uint64_t host_sent, host_taken;
  uint32_t id;
  uint32_t slot;
  uint32_t block; /* that serves it */
  uint32_t queue;
  uint8_t life;     /* RK_STATE_* as the host knows it */
  uint8_t tenant;   /* below RK_TENANTS_MAX */
  uint8_t pressure; /* level of its budget of memory */
  bool wants_more;  /* its queue is to grow */
  bool inactive;    /* it is created without being activated, and nobody has activated it since */
  bool abandoned;   /* its block may still run a handler of its last life */
  bool unwaited;

  rk_mailbox mailbox;
  rk_spilled *spilled; /* what follows it, in a file and behind that; NULL: nothing */
  uint64_t out_taken;  /* mirror of link->out_taken */
  uint64_t out_before; /* messages in the mailbox that an earlier life has sent */
  uint64_t received;
  uint64_t urgent_sent, urgent_taken;
  uint32_t urgent_limit;
  uint32_t mailbox_limit;

  char *name;
  rk_kernel *kernel;
  rk_port *ports;    /* [port_count] */
  rk_hosted *hosted; /* NULL: nothing was passed on to the host, no port of it is the host's */
  rk_later *later;   /* NULL: nothing of that has changed */
  uint64_t memory;   /* address of rings, routes and state as they were at first; 0 = none */
  size_t memory_bytes;
  size_t charged; /* to its tenant's memory, while it lives */

  uint64_t create_cmd; /* 0: answered, or waited for */
  uint64_t end_cmd;    /* the newest of rk_actor_end, and of rk_actor_beat */
  uint64_t beat_cmd;
  uint64_t beats;     /* of the latter that were answered */
  uint32_t refs;      /* handles, and one of the registry while it lives */
  uint32_t blocks;    /* that run its handlers: `block` and those after it */
  uint32_t queue_max; /* 0: its queue does not grow */
  uint32_t version;   /* changes with a reload, as kernel, loaded, ports, mailbox_limit do */
  uint32_t hoard;     /* credits that senders' routes may hold while idle */
  uint32_t burst_in;  /* largest burst of a route into it, ever */
};

_Static_assert(offsetof(struct rk_actor, mailbox) == 64, "what a send touches is one line");
_Static_assert(sizeof(struct rk_actor) <= 248, "with the allocator's 8 bytes it takes 256");

/* Correlations of calls carry this bit, so that a reply that comes after its call was given up is
 * known for what it is. */
#define RK_CALL_BIT (UINT64_C(1) << 47)

struct rk_call {
  rk_actor *actor; /* retained */
  uint64_t correlation;
  uint64_t range; /* of a profiler */
  bool done;
  int status; /* why there will be no reply, once done without data */
  rk_received reply;
  void *data; /* of the reply; owned */
};

/* A slot whose actor has ended waits here until no block can still hold its address. */
#define RK_ACTOR_PIECES 5u
typedef struct rk_retired {
  struct rk_retired *next;
  uint32_t slot, block;
  rk_piece pieces[RK_ACTOR_PIECES];
  rk_extra *extras;
  uint64_t ended; /* rk_abi_grid.ended with it */
} rk_retired;

typedef struct rk_queued_event rk_queued_event;
typedef struct rk_tenants rk_tenants; /* tenant.h */
typedef struct rk_spill rk_spill;     /* spill.h */

/* ---- one block, seen from the host ----------------------------------------------------------- */

typedef struct rk_host_block {
  rk_ring_tx tx;
  rk_ring_rx rx;
  rk_abi_door *door;
  bool rung_later;   /* commits without a bell since the last flush */
  uint64_t beats;    /* of its door, when watch.c looked last */
  uint64_t still_ns; /* and for how long it has stood there */
} rk_host_block;

struct rk_subscription {
  rk_subscription *next, *previous; /* all of the runtime */
  rk_subscription *next_ready;
  rk_runtime *rt;
  char *pattern;
  rk_actor *actor; /* retained; NULL: messages wait in `box` */
  rk_mailbox box;
  uint32_t limit;
  uint32_t as;   /* tenant whose publications and guests' it gets, + 1; 0 = everybody's */
  bool is_ready; /* stands in the ready list */
  bool closed;
  uint64_t delivered, dropped, user;
  char topic[RK_TOPIC_BYTES]; /* of the view handed out last */
};

/* A dead letter. */
typedef struct rk_letter {
  rk_abi_msg header;
  rk_actor *actor; /* it was for, as far as that was alive; retained */
  uint64_t serial; /* 1 = the runtime's first */
  uint64_t at_ns;  /* when it became one, monotonic */
  unsigned char data[];
} rk_letter;

typedef struct rk_retained {
  uint32_t type, size;
  uint32_t as; /* in whose name it was published */
  uint64_t hlc, id, sender;
  unsigned char data[];
} rk_retained;

typedef enum rk_transport_want { RK_WANT_AUTO, RK_WANT_PLAIN, RK_WANT_TAGGED } rk_transport_want;

struct rk_runtime {
  uint32_t refs; /* the handle, and one for each actor that somebody still holds */
  const rk_backend_ops *ops;
  rk_backend *backend;
  uint64_t pid;
  bool closing;
  bool stopping; /* blocks run the stop handlers of their actors */
  int poisoned;  /* code of what ended the grid for good; every call then says that it is lost */
  rk_error loss; /* what is said of it then; empty: nothing special */
  uint64_t grace_ns;   /* 0: blocks are not watched */
  uint64_t watched_ns; /* when they were last */
  rk_error no_map;     /* why the last piece of memory could not be mapped */

  /* on a sealed device: seal.c */
  const void *thread; /* tells apart the threads that open runtimes */
  rk_runtime *next_sealed;
  bool is_enlisted; /* stands in the list of open runtimes */
  bool comes_back;  /* its grid was parked by a pause and runs again after it */
  bool checksum;
  int64_t spin_us;
  uint32_t policy; /* RK_POLICY_* */

  /* transport */
  rk_transport_want want; /* asked for at opening */
  uint32_t transport;     /* RK_TRANSPORT_* in use */
  char transport_why[192];
  uint64_t test_rings; /* a pair for the self-test, in shared memory */
  uint16_t ordered;    /* RK_MSG_ORDERED once there has been a buffer, else 0 */

  /* grid */
  bool running;              /* a generation runs */
  uint64_t generation_count; /* generations begun */
  uint64_t stood_ns;         /* time in which its grid stood still because of it, all in all */
  uint64_t stands_since_ns;
  void *shared_memory;
  uint64_t device_memory;
  size_t shared_bytes, device_bytes;
  uint64_t grid, actors, abi_blocks; /* in device memory */
  rk_abi_host *host;
  rk_abi_ctrl *ctrls; /* as told by the blocks */
  rk_abi_telemetry *telemetry;
  rk_abi_link *links;
  uint64_t *k2h, *k2h_heads; /* [block_count]; see rk_backend_grid */
  uint32_t block_count;
  uint32_t actor_capacity;
  uint32_t ring_units;
  rk_host_block *blocks;
  rk_wake wake;
  uint32_t waiting;      /* mirror of host->waiting */
  bool watched;          /* somebody has asked for the descriptor: it must tell of everything */
  rk_arena arena;        /* of device memory */
  uint64_t pool_bytes;   /* of buffers that lie in the backend's pool */
  bool has_pool;         /* they do */
  rk_arena shared_arena; /* for copies of state */

  /* observation */
  bool keeps_latency;
  rk_abi_latencies *latency_copies; /* [block_count], where blocks put what is asked for */
  uint32_t trace_records;           /* of each trace ring; 0 = there are none */
  rk_abi_trace_ring *trace_rings;   /* [block_count + 1]; the last one is the host's own */
  rk_trace_reader *trace_readers;   /* of these */
  uint32_t trace_turn;              /* the one to be read first */
  rk_trace_tx trace;                /* into the host's; `on` is 0 without rings */
  uint64_t trace_origin_ns;         /* when the runtime was opened */
  rk_trace_clock trace_clock;       /* as compared since recording began */
  rk_idmap *trace_names;            /* reference -> name of an actor that has ended */

  /* slots */
  void *slot_memory; /* the tables below */
  size_t slot_bytes;
  const char **names; /* by slot, for crash reports */
  rk_actor **by_slot;
  uint16_t *generation; /* by slot */
  uint32_t slot_high;   /* slots ever used */
  uint32_t *free_slots; /* oldest first: a circular list */
  uint32_t free_head, free_count;
  rk_retired *retired, **retired_tail;
  rk_retired **retired_slot; /* by slot: its block has been asked to clear it */
  uint32_t next_block;

  /* registry */
  rk_namemap *by_name;
  rk_idmap *loaded; /* kernel serial -> rk_loaded */
  rk_idmap *globals;
  uint32_t def_count;

  /* messages */
  rk_hlc clock;
  uint64_t batch_us;   /* wall clock of the batch of quiet commits under way */
  uint32_t batch_left; /* commits that may still use it */
  uint64_t next_id;
  uint64_t next_cmd;
  rk_pending *pending; /* the one command under way */
  rk_idmap *calls;     /* correlation -> rk_call that waits */
  uint64_t next_call;
  struct {
    rk_actor *actor;
    rk_ring_tx *tx; /* NULL: nothing is reserved */
    uint32_t size, type;
    uint8_t priority;
    uint8_t tenant;         /* in whose name it is sent */
    unsigned char *payload; /* in the ring, or `scratch` when it does not lie in one piece */
  } reserved;
  unsigned char *scratch; /* RK_PAYLOAD_MAX_BYTES */
  bool draining;          /* rk__drain is under way: it is not entered again */

  /* pub/sub */
  rk_topic_tree *topics;
  rk_namemap *retained_topics;
  rk_subscription *subscriptions;
  rk_subscription *ready, **ready_tail;
  uint64_t subscription_count;

  /* budget of memory: pressure.c */
  uint64_t budget;    /* bytes; 0 = none */
  uint32_t budgets;   /* actors that have one of their own */
  uint32_t pressure;  /* its level */
  uint64_t looked_ns; /* when what is used was last added up */
  rk_spill *spill;    /* the file for what is put aside then; NULL = there is none */

  /* queues that are to grow */
  uint32_t growing;
  uint64_t grow_after_ns; /* not before: a block did not answer */

  /* actors with messages for functions of the host */
  rk_actor *hosted, **hosted_tail;
  size_t hosted_count;
  rk_host_link *held_links; /* on which something waits: host_link.c */

  /* dead letters: those of list[first .. first + count - 1], by serial */
  struct {
    rk_letter **list;
    size_t first, count, room;
    size_t bytes; /* that they and the list take */
    uint32_t limit, tries;
    uint64_t age_ns; /* 0: they do not grow old */
  } letters;

  /* events */
  rk_queued_event *events, **events_tail;
  rk_queued_event *event_taken; /* whose name the last event handed out refers to */
  uint32_t event_count;
  uint64_t unanswered;    /* launches that nobody waited for */
  uint32_t events_wanted; /* bit k: events of kind k are kept */

  rk_tenants *tenants; /* NULL: nobody has named one */

  rk_device_buffer *buffers;
  rk_runtime_stats stats;
};

/* ---- grid.c ---- */
int rk__grid_open(rk_runtime *rt, const rk_runtime_options *options, uint32_t blocks,
                  rk_error *err);
/* Ends the blocks' loops; false when a handler does not return: then its memory must stay. */
bool rk__grid_stop(rk_runtime *rt);
/* Gives the memory of a stopped grid back. */
void rk__grid_close(rk_runtime *rt);
/* Starts a generation unless one runs. */
int rk__grid_run(rk_runtime *rt, rk_error *err);
/* Ends the generation at message boundaries; actors, queues and routes stay as they are. */
int rk__grid_park(rk_runtime *rt, rk_error *err);
/* Starts the generation after one that was parked. What fails may work at a second attempt: memory was
 * short for a moment, or new code could not be loaded, and the second attempt is made with the code
 * from before. Then the runtime is lost. */
int rk__grid_return(rk_runtime *rt, rk_error *err);
/* Waits (a little) for room in the ring to a block; false when there is none. */
bool rk__grid_room(rk_runtime *rt, uint32_t block, uint32_t units);

/* ---- seal.c ---- */
void rk__seal_enlist(rk_runtime *rt);
void rk__seal_delist(rk_runtime *rt);
/* From here to the end of the pause no grid of this process runs on a sealed device; elsewhere
 * nothing happens. Pauses nest. After an error there is no pause. */
int rk__pause_begin(rk_runtime *rt, rk_error *err);
void rk__pause_end(rk_runtime *rt);
/* Around the start of a grid: no pause of another thread begins meanwhile. */
void rk__seal_lock(const rk_runtime *rt);
void rk__seal_unlock(const rk_runtime *rt);

/* ---- lanes.c ---- */
/* Whether options name a known form of a cluster's lanes, and a cluster. Errors: invalid. */
int rk__lanes_want(const rk_runtime_options *options, rk_error *err);
bool rk__lanes_counted(const char *lanes);
/* "plain" or "counted"; NULL where there are no clusters. */
const char *rk__lanes_name(const rk_backend_info *info);
/* After the first generation has started: what its blocks' self-test said. Errors: corrupt; then the
 * runtime is poisoned. */
int rk__lanes_check(rk_runtime *rt, rk_error *err);

/* ---- transport.c ---- */
/* Keeps what `transport` ("auto", "plain", "tagged", NULL = the environment's) asks for. */
int rk__transport_want(rk_runtime *rt, const char *transport, rk_error *err);
/* Bytes of a ring's units with what else its form needs, and those of the self-test's pair. */
size_t rk__transport_ring_bytes(const rk_runtime *rt);
size_t rk__transport_test_bytes(const rk_runtime *rt);
/* Makes a ring of zeroed memory; `units` has room for all of it. */
void rk__transport_ring(const rk_runtime *rt, uint64_t ring, uint64_t units, uint32_t count);
/* Tests and changes the form of all rings as asked. Once, in the first generation, before anything
 * else. Errors: corrupt, where nothing that may be used passes; those of commands. */
int rk__transport_choose(rk_runtime *rt, rk_error *err);
/* The form in use: "plain" or "tagged". */
const char *rk__transport_name(const rk_runtime *rt);

/* ---- slots.c ---- */
bool rk__slots_open(rk_runtime *rt);
void rk__slots_close(rk_runtime *rt);
/* A free slot, or RK_EOUT_OF_MEMORY. */
int rk__slot_take(rk_runtime *rt, uint32_t *slot, rk_error *err);
/* Gives back a slot that no block has heard of, or that its block has cleared. */
void rk__slot_give(rk_runtime *rt, uint32_t slot);
/* Gives the slot and memory of an ended actor back once no block can hold its address. `ended`: see
 * rk_abi_response. */
void rk__slot_retire(rk_runtime *rt, rk_actor *actor, uint64_t ended);
void rk__slots_reap(rk_runtime *rt);
/* The slot stays taken until its block says that the actor of this reference has ended. */
int rk__slot_abandon(rk_runtime *rt, rk_actor *actor, rk_error *err);
void rk__slot_came_back(rk_runtime *rt, uint32_t reference, uint64_t ended);
/* A block's answer about a slot. Called by drain. */
void rk__slot_freed(rk_runtime *rt, uint64_t slot, int error);

/* Memory that lives as long as the actor's slot, zeroed; 0 when there is none. The caller has asked
 * whether the actor's tenant may have it. */
uint64_t rk__extra_take(rk_actor *actor, size_t bytes);
/* Gives one back before that; nobody in the grid knows its address any more. */
void rk__extra_give(rk_actor *actor, uint64_t address);
/* Forgets them without giving memory back: the arena goes as a whole. */
void rk__extras_free(rk_extra *extra);

/* ---- kernel.c ---- */
int rk__kernel_load(rk_runtime *rt, rk_kernel *kernel, const rk_loaded **out, char **log,
                    rk_error *err);
rk_kernel *rk__kernel_retain(rk_kernel *kernel);
/* Keeps what a stock module and its device fragment say. Called by rk_kernel_stock only. */
int rk__kernel_describe_stock(rk_kernel *kernel, const char *device_fragment, rk_error *err);
bool rk__loaded_accepts(const rk_loaded *loaded, uint32_t type, uint32_t *size);

/* ---- actor.c ---- */
void rk__actor_unref(rk_actor *actor);
/* The actor ended: forget its name, free its slot. Called by drain. */
void rk__actor_ended(rk_actor *actor, uint64_t ended, bool was_asked);
void rk__actor_failed(rk_actor *actor, int code);
/* Says in the actor's later part, if it has one, where all lies in its first memory. */
void rk__actor_lie(rk_actor *actor);
/* Begins an actor again that has ended, under its handle and name: zero state, empty queue, no
 * routes. */
int rk__actor_relaunch(rk_actor *actor, rk_error *err);
int rk__actor_check(const rk_actor *actor, rk_error *err);

/* ---- end.c ---- */
/* The answer to a command that nobody waits for; false if it is another one. Called by drain. */
bool rk__actor_answered(rk_actor *actor, const rk_abi_response *response);

const char *rk__life_name(uint32_t life);

/* ---- version.c ---- */
/* Takes all memory of an actor that has ended out of it. */
void rk__actor_pieces(rk_actor *actor, rk_piece pieces[RK_ACTOR_PIECES]);
/* The answer to a reload that was given up; false if it is another one. Called by drain. */
bool rk__reload_answered(rk_actor *actor, const rk_abi_response *response);
/* Gives back what is kept of the version before the last reload. */
void rk__former_drop(rk_actor *actor);

/* ---- ring_growth.c ---- */
/* Makes the rings of an actor of slots of `slot_bytes`, with all that waits in them. The grid does
 * not run. Errors: those of the backend's copies; out_of_memory. */
int rk__rings_grow(rk_actor *actor, rk_piece rings, uint32_t slot_bytes, rk_error *err);

/* ---- registry.c ---- */
int rk__registry_add(rk_runtime *rt, rk_actor *actor, rk_error *err);
void rk__registry_remove(rk_runtime *rt, rk_actor *actor);
rk_actor *rk__registry_by_reference(rk_runtime *rt, uint32_t reference);

/* ---- command.c ---- */
/* Sends and waits for the answer. A response Error becomes its code. `to` = actor reference or 0.
 */
int rk__command(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                rk_abi_response *answer, rk_error *err);
/* The same with bytes behind the command: line 0 of an actor for CREATE_ACTOR. */
int rk__command_with(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                     const void *data, uint32_t bytes, rk_abi_response *answer, rk_error *err);
/* The two halves of it: sends and tells the command's id; waits until `deadline_ns` and returns the
 * answer's code. answer->cmd_id stays 0 where none came; then it may be waited for again. */
int rk__command_send(rk_runtime *rt, uint32_t block, uint32_t to, const rk_abi_command *command,
                     const void *data, uint32_t bytes, uint64_t *id, rk_error *err);
int rk__command_answer(rk_runtime *rt, uint32_t block, uint64_t id, uint64_t deadline_ns,
                       rk_abi_response *answer, rk_error *err);
/* Sends and does not wait; returns the command's id, 0 when there is no room now. */
uint64_t rk__command_post(rk_runtime *rt, uint32_t block, uint32_t to,
                          const rk_abi_command *command);
/* The same with bytes behind it; waits a little for room. */
uint64_t rk__command_post_with(rk_runtime *rt, uint32_t block, uint32_t to,
                               const rk_abi_command *command, const void *data, uint32_t bytes);
/* Sends, does `work`, then waits for the answer. */
int rk__command_around(rk_runtime *rt, uint32_t block, const rk_abi_command *command,
                       void (*work)(void *arg), void *arg, rk_abi_response *answer, rk_error *err);

/* ---- watch.c ---- */
/* Looks now and then whether the blocks get on; one that has not for `grace_ns` poisons the runtime.
 * Whoever drains or waits calls it. */
void rk__watch(rk_runtime *rt);
/* A generation has begun. */
void rk__watch_begin(rk_runtime *rt);
/* What keeps a block busy, as part of a sentence, into `text`; returns that. */
const char *rk__watch_say(rk_runtime *rt, uint32_t block, char *text, size_t bytes);

/* ---- drain.c ---- */
size_t rk__drain(rk_runtime *rt);

/* ---- wait.c ---- */
/* Waits for a record that was not drained before; `deadline_ns` on the monotonic clock. */
int rk__wait(rk_runtime *rt, uint64_t deadline_ns);

/* ---- send.c ---- */
/* Sends without waiting for room in the ring to the block. */
int rk__send(rk_actor *actor, const rk_abi_msg *header, const void *data);

/* Whether a message of this priority fits into the actor's queue; whether the actor takes the type
 * with that size. */
bool rk__send_room(rk_actor *actor, uint8_t priority);
int rk__send_type(const rk_actor *actor, uint32_t type, size_t size, rk_error *err);

/* Forgets a reservation that was not committed. Before anything else is written to a block. */
void rk__reservation_drop(rk_runtime *rt);

/* ---- route.c ---- */
/* The actor ended: its routes hold nothing any more. */
void rk__routes_forget(rk_actor *actor);
/* Number of a port, and whether it may lead to that actor (NULL: not asked). Errors: not_found,
 * invalid. */
int rk__route_check(const rk_actor *from, const char *port, const rk_actor *to, uint32_t *index,
                    rk_error *err);
/* Whether one definition emits anything that the other accepts. */
bool rk__have_a_type_in_common(const rk_loaded *from, const rk_loaded *to);
/* Tells its block once more what it knows of a tied port, so that it looks at what waits there. */
int rk__route_again(rk_actor *from, uint32_t index, rk_error *err);
/* Whether options of a link go together; how many messages may wait on it: 0 without a buffer. */
int rk__link_check(const rk_actor *from, const char *port, const rk_link_options *options,
                   rk_error *err);
uint32_t rk__link_limit(const rk_link_options *options);
/* Whether a tied port has these options. */
bool rk__route_is(const rk_actor *from, uint32_t index, const rk_link_options *options);
/* Where the ports of `next` lead when it serves the actor: where those of the same name do now.
 * Makes the room that larger bursts need. ports[next's port_count] is zeroed. */
int rk__routes_carry(rk_actor *actor, const rk_loaded *next, rk_port *ports, rk_error *err);
/* What its routes hold while they are idle counts at their receivers, or does so no more. */
void rk__routes_count(rk_actor *actor, bool counts);

/* ---- receive.c ---- */
void rk__actor_took(rk_actor *actor, uint64_t messages);
/* The request of a call became a dead letter: it will have no reply. */
void rk__call_dead(rk_runtime *rt, const rk_abi_msg *header, uint8_t reason);
/* Gives a reply to the call it answers; false when memory has run out. */
bool rk__call_deliver(rk_call *call, const rk_abi_msg *header, const void *data);

/* ---- hosted.c ---- */
/* A message that actor record->dest passed on. Returns false when the record has to stay. */
bool rk__hosted_arrived(rk_runtime *rt, const rk_abi_msg *record, const void *payload);
/* Its life changed: what waits may be due now. */
void rk__hosted_changed(rk_actor *actor);
/* The actor ended: what was passed on and not taken goes to the dead letters. */
void rk__hosted_ended(rk_actor *actor);
void rk__hosted_close(rk_runtime *rt);

/* ---- host_link.c ---- */
/* Moves what waits on links of hosted actors as far as there is room. Called by drain. */
void rk__host_links_flush(rk_runtime *rt);
/* The actor ended, or is restored. */
void rk__host_links_end(rk_actor *actor);
/* Messages that wait on its links; memory of these; no more of it than needed. */
size_t rk__host_links_held(const rk_actor *actor);
size_t rk__host_links_bytes(const rk_actor *actor);
void rk__host_links_shrink(rk_actor *actor);
/* For checkpoints: the i-th with what waits there; an end to all that waits; counts and what waits
 * of a link that leads to `dest`, in exchange for what it had: false if there is none. */
bool rk__host_link_at(const rk_actor *actor, size_t i, rk_link_stats *out,
                      const rk_mailbox **waiting);
void rk__host_links_clear(rk_actor *actor);
bool rk__host_link_put(rk_actor *from, const char *port, uint32_t dest, const rk_link_stats *counts,
                       rk_mailbox *waiting);
/* *count: room in `out`, then how many there are. */
void rk__host_links_tell(const rk_actor *actor, rk_link_stats *out, size_t *count);

/* ---- pubsub.c ---- */
void rk__publish_from_grid(rk_runtime *rt, const rk_abi_msg *header, const unsigned char *payload);
void rk__pubsub_close(rk_runtime *rt);

/* ---- deadletter.c ---- */
void rk__dead_letter(rk_runtime *rt, const rk_abi_msg *header, const void *data, uint8_t reason);
/* Forgets those that have grown too old. */
/* Puts a letter of a checkpoint on the list. Nobody is told. */
void rk__letter_keep(rk_runtime *rt, const rk_abi_msg *header, const void *data);
void rk__letters_expire(rk_runtime *rt);
void rk__letters_close(rk_runtime *rt);

/* ---- events.c ---- */
/* `reason`: a static text. `message`: id of the one concerned, or 0. */
void rk__event(rk_runtime *rt, rk_event_kind kind, rk_actor *actor, int code, const char *reason,
               uint64_t message);
/* The same with all it says; its name, id and stamp are filled in. */
void rk__event_of(rk_runtime *rt, const rk_event *event);
void rk__events_close(rk_runtime *rt);

/* ---- growth.c ---- */
/* A queue is `waiting` of `limit` full. Called by drain. */
void rk__queue_pressed(rk_actor *actor, uint32_t level, uint64_t waiting, uint64_t limit);
/* Makes the queues larger that are to grow. The caller is in the middle of nothing. */
void rk__queues_grow(rk_runtime *rt);

/* ---- pressure.c ---- */
/* Now and then compares what is used with the budgets, and acts. */
void rk__pressure_look(rk_runtime *rt);
/* RK_EOUT_OF_MEMORY when `what` would take the runtime to 95 % of its budget. */
int rk__pressure_check(rk_runtime *rt, size_t bytes, const char *what, rk_error *err);
/* Frees the oldest dead letters until they take at most so many bytes. */
size_t rk__letters_shed(rk_runtime *rt, size_t bytes);

/* ---- tracing.c ---- */
/* Host memory for a trace of `records` (0: no trace) for each block. */
int rk__trace_open(rk_runtime *rt, uint32_t records, rk_error *err);
void rk__trace_close(rk_runtime *rt);
/* The rings and the records of all of them were laid out there. */
void rk__trace_place(rk_runtime *rt, uint64_t rings, uint64_t records);
/* The actor ended: what was recorded of it keeps its name. */
void rk__trace_ended(rk_runtime *rt, const rk_actor *actor);
/* Records a moment of the host's own, RK_TRACE_*; only while rt->trace.on. */
void rk__trace_moment(rk_runtime *rt, uint32_t kind, const rk_abi_msg *header, uint8_t reason);
/* The same of a sending, in the name of header->source; `cause`: id of the message that led to it. */
void rk__trace_sent(rk_runtime *rt, const rk_abi_msg *header, uint64_t cause);

/* ---- buffer.c, global.c ---- */
void rk__buffers_close(rk_runtime *rt);

void rk__runtime_unref(rk_runtime *rt);
/* Refuses calls on a closed runtime, in a forked child, on a lost device. */
int rk__runtime_check(const rk_runtime *rt, rk_error *err);
/* The second and the third of these. */
int rk__runtime_lost(const rk_runtime *rt, rk_error *err);
/* RK_EOUT_OF_MEMORY with this text, or what else kept the memory from being mapped. */
__attribute__((format(printf, 3, 4))) int rk__no_memory(rk_runtime *rt, rk_error *err,
                                                        const char *format, ...);

#endif
