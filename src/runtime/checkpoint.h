/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints inside the runtime: what is saved of an actor and how it is written into a section,
 * and the grid at rest, as checkpoint.c reads it and restore.c changes it.
 *
 *   checkpoint.c         what rk_runtime_checkpoint does, from the pause to the file
 *   checkpoint_still.c   the memory of a parked grid
 *   checkpoint_record.c  sections to and from bytes
 *   checkpoint_inbox.c   messages that wait for an actor, into a section
 *   checkpoint_links.c   ports, and what waits on their links, in both directions
 *   restore.c            what rk_restore_* do: reading, comparing
 *   restore_apply.c      writing it into a parked grid
 *
 * References mean something in one runtime only, so sections name actors by their names.
 */
#ifndef RK_RUNTIME_CHECKPOINT_H
#define RK_RUNTIME_CHECKPOINT_H

#include "base/bytes.h"
#include "core/checkpoint_chain.h"
#include "runtime/internal.h"

/* ---- the grid at rest: checkpoint_still.c ---------------------------------------------------- */

typedef struct rk_still_block { /* what of a block's own memory must go on */
  rk_u64 next_id, hlc;
  rk_u64 scratch; /* where it lies */
} rk_still_block;

typedef struct rk_in_flight { /* a message that its block has not taken out of the ring yet */
  uint32_t slot;
  rk_abi_msg header;
  unsigned char *data;
} rk_in_flight;

/* Everything that is read at once: of `slots` slots. */
typedef struct rk_still {
  rk_runtime *rt;
  bool runs_again; /* it ran when it was stopped */
  uint64_t began_ns;
  uint32_t slots;
  rk_abi_grid grid;
  rk_abi_actor *actors;
  rk_abi_telemetry *telemetry;
  rk_abi_ctrl *ctrls;
  rk_still_block *blocks; /* [rt->block_count] */
  rk_in_flight *in_flight;
  size_t in_flight_count, in_flight_capacity;
} rk_still;

/* Parks the grid, takes what it has for the host, and reads. Asks each block for a sign of life
 * before, so that one that does not answer is no reason to lose the runtime: timeout. */
int rk__still_begin(rk_runtime *rt, rk_still *still, rk_error *err);
/* Lets it run again if it ran. *pause_ns: how long it stood still. */
int rk__still_end(rk_still *still, uint64_t *pause_ns, rk_error *err);
/* Whether this slot holds the life of `actor` that the host knows. */
bool rk__still_has(const rk_still *still, const rk_actor *actor);

typedef struct rk_saved_runtime {
  uint64_t hlc, next_id, next_call;
  uint64_t *block_ids; /* [blocks] */
  uint32_t blocks;
  const char *backend;
} rk_saved_runtime;

/* Lets blocks go on with stamps and message ids behind those that were saved. Needs blocks that
 * have run. */
int rk__still_blocks_go_on(rk_still *still, uint64_t hlc, const rk_saved_runtime *saved,
                           rk_error *err);

/* ---- waiting messages: checkpoint_inbox.c ------------------------------------------------------ */

typedef struct rk_inbox_copy {
  const rk_still *still;
  rk_bytes *slots; /* room for what is read of one ring */
} rk_inbox_copy;

/* Appends what waits for an actor: its rings in turn (RK_SAVED_*), each behind its count; without
 * counts, and as messages to the host, where it is ending. *messages: how many. Errors: out_of_memory,
 * corrupt, those of reading the device. */
int rk__save_inbox(const rk_inbox_copy *c, rk_bytes *out, const rk_actor *actor, bool is_ending,
                   uint32_t *messages, rk_error *err);

/* ---- sections: checkpoint_record.c ----------------------------------------------------------- */

/* Who a reference means, in a file. */
typedef enum rk_saved_who { RK_WHO_HOST, RK_WHO_NAMED, RK_WHO_GONE, RK_WHO_SELF } rk_saved_who;
typedef struct rk_saved_ref {
  rk_saved_who who;
  const char *name; /* RK_WHO_NAMED */
} rk_saved_ref;

typedef struct rk_saved_message {
  rk_abi_msg header; /* source and dest are those below */
  rk_saved_ref source, dest;
  const char *tenant; /* its sender's; "": the default one */
  const void *data;
} rk_saved_message;

/* Queues of an actor, in the order in which they stand in its section. */
enum { RK_SAVED_KERNEL, RK_SAVED_HOST, RK_SAVED_URGENT, RK_SAVED_OUT, RK_SAVED_PASSED, RK_QUEUES };

typedef struct rk_saved_queue {
  rk_saved_message *messages;
  uint32_t count;
} rk_saved_queue;

typedef struct rk_saved_port {
  const char *name, *dest; /* dest "": not connected */
  uint8_t is_host;         /* of an actor whose handler is the host's: host_link.c */
  uint32_t policy, limit, credits;
  uint64_t deadline_ns, sent, high, stalls, dropped, dead;
  rk_saved_queue waiting; /* on its link; more than none with dest "": the receiver was gone */
} rk_saved_port;

typedef struct rk_saved_actor { /* texts and data lie in the file */
  const char *name, *definition;
  const char *tenant; /* "": the default one */
  uint32_t queue, blocks, life, started, state_bytes;
  int32_t last_error, errors;
  uint64_t host_head, urgent_head, handled, dropped, received;
  uint64_t latency_total, latency_max, latency_min;
  rk_backend_type *types;
  uint32_t type_count;
  rk_saved_port *ports;
  uint32_t port_count;
  const void *note;
  uint32_t note_bytes;
  rk_saved_queue queues[RK_QUEUES];
  const void *state;
} rk_saved_actor;

typedef struct rk_saved_topic {
  const char *topic;
  rk_saved_ref sender;
  const char *tenant; /* in whose name; "": the host's */
  uint64_t hlc, id;
  uint32_t type, size;
  const void *data;
} rk_saved_topic;

/* Appends to `out`; `self`: the actor whose section it is, or 0. */
void rk__save_message(rk_runtime *rt, rk_bytes *out, const rk_abi_msg *header, const void *data,
                      uint32_t self);
void rk__save_ref(rk_runtime *rt, rk_bytes *out, uint32_t reference, uint32_t self);
/* `as` 0: "". */
void rk__save_tenant(rk_runtime *rt, rk_bytes *out, uint32_t as);
void rk__save_mailbox(rk_runtime *rt, rk_bytes *out, const rk_mailbox *box, uint32_t self);
/* What the actor sent to the host, wherever it lies. Errors: io, corrupt, out_of_memory. */
int rk__save_out(rk_runtime *rt, rk_bytes *out, const rk_actor *actor, rk_error *err);

/* The ports of an actor with what waits on their links, which is added to *waiting. Mirrored by
 * checkpoint_record.c. `scratch` is for passing. */
int rk__save_ports(const rk_still *still, const rk_actor *actor, rk_bytes *out, rk_bytes *scratch,
                   uint64_t *waiting, rk_error *err);
/* What waits on the links of one that is ending, as dead letters. */
int rk__save_ended_links(const rk_still *still, const rk_actor *actor, rk_bytes *out,
                         rk_bytes *scratch, uint32_t *count, rk_error *err);

/* What was read of a section belongs to the caller, and the texts to the file. Errors: corrupt, with
 * the byte; out_of_memory. */
int rk__load_actor(const rk_ckpt_section *section, rk_saved_actor *out, rk_error *err);
void rk__saved_actor_close(rk_saved_actor *actor);
int rk__load_queue(const rk_ckpt_section *section, rk_saved_queue *out, rk_error *err);
int rk__load_topics(const rk_ckpt_section *section, rk_saved_topic **out, size_t *count,
                    rk_error *err);
int rk__load_runtime(const rk_ckpt_section *section, rk_saved_runtime *out, rk_error *err);

#endif
