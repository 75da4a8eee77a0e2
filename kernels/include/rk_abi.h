/* SPDX-License-Identifier: MIT */
/*
 * The ABI: every struct that the host and the resident grid share, and nothing else.
 *
 * The same text is compiled by gcc and clang as C11, by g++ as C++17 and by NVRTC for the device,
 * and each compiler checks size, alignment and every offset below. Shared structs hold no C
 * pointers: addresses are 64-bit numbers that mean something to the side that follows them.
 *
 * Rule for every word here: exactly one side writes it (said beside it: H = host, B = the block
 * that owns the actor, P = any producer by atomic read-modify-write inside the device). Words that
 * are written often stand on a line of their own.
 *
 * Zeroed memory is a valid empty ring: a slot for position p is readable when its sequence word
 * equals p + 1, and position 0 therefore asks for 1.
 */
#ifndef RK_ABI_H
#define RK_ABI_H

#define RK_ABI_VERSION 1u

#if defined(__CUDACC_RTC__) /* NVRTC has no libc headers */
typedef unsigned char rk_u8;
typedef signed char rk_i8;
typedef unsigned short rk_u16;
typedef short rk_i16;
typedef unsigned int rk_u32;
typedef int rk_i32;
typedef unsigned long long rk_u64;
typedef long long rk_i64;
typedef unsigned long long rk_uptr;
#else
#include <stddef.h>
#include <stdint.h>
typedef uint8_t rk_u8;
typedef int8_t rk_i8;
typedef uint16_t rk_u16;
typedef int16_t rk_i16;
typedef uint32_t rk_u32;
typedef int32_t rk_i32;
typedef uint64_t rk_u64;
typedef int64_t rk_i64;
typedef uintptr_t rk_uptr;
#endif
typedef float rk_f32;
typedef double rk_f64;

#if defined(__cplusplus)
#define RK_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define RK_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif
#if defined(__CUDACC_RTC__)
#define RK_ALIGN(bytes) __align__(bytes)
/* what its compiler calls offsetof */
#define RK_OFFSET(type, field) __INTADDR__(&((type *)0)->field)
#else
#define RK_ALIGN(bytes) __attribute__((aligned(bytes)))
#define RK_OFFSET(type, field) offsetof(type, field)
#endif
#define RK_CHECK_SIZE(type, bytes) \
  RK_STATIC_ASSERT(sizeof(type) == (bytes), #type " has the wrong size")
#define RK_CHECK_OFFSET(type, field, bytes) \
  RK_STATIC_ASSERT(RK_OFFSET(type, field) == (bytes), #type "." #field " has the wrong offset")

/* ---- limits -------------------------------------------------------------------------------- */

#define RK_PAYLOAD_MAX_BYTES 65536u /* largest message payload */
#define RK_UNIT_BYTES 128u          /* a host-facing ring is counted in these */
#define RK_UNIT_INLINE_BYTES 64u    /* payload that fits into the first unit of a record */
#define RK_HEAD_PAIRS 15u           /* values in a head: header without `seq`, and such a payload */
#define RK_HEAD_BYTES 256u          /* from one head to the next: 16 a value, and a rest */
#define RK_QUEUE_MAX_MSGS 65536u
#define RK_URGENT_MAX_MSGS 64u /* room for high-priority messages of one actor */
#define RK_LANES_MAX 1024u
#define RK_PORTS_MAX 64u
#define RK_TYPES_MAX 64u             /* message types one definition may accept */
#define RK_BLOCK_PRIVATE_BYTES 2048u /* device memory for what a block keeps to itself */
#define RK_TOPIC_BYTES 64u           /* topic text with its terminator, as published by a handler */

/* ---- identities ---------------------------------------------------------------------------- */

/* An actor reference: 12 bits of generation over 20 bits of slot. 0 names the host. */
#define RK_ID_SLOT_BITS 20u
#define RK_ID_SLOT_MASK ((1u << RK_ID_SLOT_BITS) - 1u)
#define RK_ID_HOST 0u

/* ---- message header: 64 bytes ---------------------------------------------------------------- */

typedef struct rk_abi_msg {
  rk_u64 seq;         /* position + 1 once published; the readiness word of the slot */
  rk_u64 id;          /* unique within a runtime, never 0 */
  rk_u64 correlation; /* id of the request this answers or belongs to; 0 = none */
  rk_u64 hlc;         /* stamp at sending: 52 bits of microseconds, 12 bits of counter */
  rk_u64 deadline;    /* same unit; handled only before it; 0 = none */
  rk_u32 source;      /* actor reference of the sender, RK_ID_HOST for the host */
  rk_u32 dest;        /* actor reference of the receiver */
  rk_u32 type;        /* message type id */
  rk_u32 checksum;    /* of the payload when RK_MSG_CHECKED is set */
  rk_u32 size_bytes;  /* payload bytes that follow */
  rk_u16 flags;       /* RK_MSG_* */
  rk_u8 priority;     /* RK_PRIORITY_* */
  rk_u8 reason;       /* RK_DEAD_* when RK_MSG_DEAD is set, else number of the sender's tenant */
} rk_abi_msg;
RK_CHECK_SIZE(rk_abi_msg, 64);
RK_CHECK_OFFSET(rk_abi_msg, seq, 0);
RK_CHECK_OFFSET(rk_abi_msg, id, 8);
RK_CHECK_OFFSET(rk_abi_msg, correlation, 16);
RK_CHECK_OFFSET(rk_abi_msg, hlc, 24);
RK_CHECK_OFFSET(rk_abi_msg, deadline, 32);
RK_CHECK_OFFSET(rk_abi_msg, source, 40);
RK_CHECK_OFFSET(rk_abi_msg, dest, 44);
RK_CHECK_OFFSET(rk_abi_msg, type, 48);
RK_CHECK_OFFSET(rk_abi_msg, checksum, 52);
RK_CHECK_OFFSET(rk_abi_msg, size_bytes, 56);
RK_CHECK_OFFSET(rk_abi_msg, flags, 60);
RK_CHECK_OFFSET(rk_abi_msg, priority, 62);
RK_CHECK_OFFSET(rk_abi_msg, reason, 63);

#define RK_MSG_COMMAND 1u    /* payload is an rk_abi_command (host to grid) */
#define RK_MSG_RESPONSE 2u   /* payload is an rk_abi_response (grid to host) */
#define RK_MSG_DEAD 4u       /* a dead letter: header and payload as they were, plus `reason` */
#define RK_MSG_PUBLISH 8u    /* payload starts with RK_TOPIC_BYTES of topic text */
#define RK_MSG_CHECKED 16u   /* `checksum` is set and must match before the message is handled */
#define RK_MSG_REPLY 32u     /* answers the message named by `correlation` */
#define RK_MSG_UNCOUNTED 64u /* not part of the host's room: made by the grid itself, or put by */
                             /* the host into its own mailbox */
#define RK_MSG_AS_SENT 128u  /* to the host, passed on by its receiver `dest` with its own header */
#define RK_MSG_REFUSED 256u  /* the host's function failed on it: its actor fails with the code */
                             /* in `checksum`, and it becomes a dead letter */
/* what its sender did to other memory before is seen by the receiver; commands, responses and all
 * records of the plain form are so without it */
#define RK_MSG_ORDERED 512u
#define RK_MSG_SWEPT 1024u     /* it lies in its queue still, but became a dead letter: skip it */
#define RK_MSG_TRIES_SHIFT 12u /* how often it was replayed as a dead letter, 0..15 */
#define RK_MSG_TRIES_MASK 0xf000u

#define RK_PRIORITY_NORMAL 0u
#define RK_PRIORITY_HIGH 1u

#define RK_DEAD_TERMINATED 1u /* the receiver has terminated or never lived */
#define RK_DEAD_DEADLINE 2u   /* its deadline passed before it was handled */
#define RK_DEAD_TYPE 3u       /* the receiver has no handler for its type */
#define RK_DEAD_CORRUPT 4u    /* its checksum does not match */
#define RK_DEAD_FAILED 5u     /* the handler failed while handling it */
#define RK_DEAD_FULL 6u       /* a subscriber, or the receiver of a link, had no room */
#define RK_DEAD_LATE 7u       /* a reply whose call was given up */
#define RK_DEAD_TENANT 8u     /* its sender's tenant may not send to the receiver's */
#define RK_DEAD_REASONS 9u    /* numbers of reasons, 0 = none included */

/* ---- control block and telemetry: the seeds' layouts ----------------------------------------- */

typedef struct RK_ALIGN(128) rk_abi_ctrl {
  rk_i32 is_active;                 /* B: 1 while messages are handled */
  rk_i32 should_terminate;          /* B: 1 once the host has asked the actor to end */
  rk_i32 has_terminated;            /* B: 0 living, 1 ended, 2 ended and may be restarted */
  rk_i32 errors_encountered;        /* B */
  rk_i64 messages_processed;        /* B */
  rk_i64 last_activity_ticks;       /* B: HLC of the latest handled message */
  rk_u64 input_queue_head_ptr;      /* B: address of the consumer's position */
  rk_u64 input_queue_tail_ptr;      /* B: address of the producers' position */
  rk_u64 input_queue_buffer_ptr;    /* B: address of the first slot */
  rk_i32 input_queue_capacity;      /* B: messages */
  rk_i32 input_queue_message_size;  /* B: bytes from slot to slot */
  rk_u64 output_queue_head_ptr;     /* B: the block's ring to the host */
  rk_u64 output_queue_tail_ptr;     /* B */
  rk_u64 output_queue_buffer_ptr;   /* B */
  rk_i32 output_queue_capacity;     /* B: units */
  rk_i32 output_queue_message_size; /* B: bytes of a unit */
  rk_u64 reserved[4];
} rk_abi_ctrl;
RK_CHECK_SIZE(rk_abi_ctrl, 128);
RK_CHECK_OFFSET(rk_abi_ctrl, is_active, 0);
RK_CHECK_OFFSET(rk_abi_ctrl, should_terminate, 4);
RK_CHECK_OFFSET(rk_abi_ctrl, has_terminated, 8);
RK_CHECK_OFFSET(rk_abi_ctrl, errors_encountered, 12);
RK_CHECK_OFFSET(rk_abi_ctrl, messages_processed, 16);
RK_CHECK_OFFSET(rk_abi_ctrl, last_activity_ticks, 24);
RK_CHECK_OFFSET(rk_abi_ctrl, input_queue_head_ptr, 32);
RK_CHECK_OFFSET(rk_abi_ctrl, input_queue_tail_ptr, 40);
RK_CHECK_OFFSET(rk_abi_ctrl, input_queue_buffer_ptr, 48);
RK_CHECK_OFFSET(rk_abi_ctrl, input_queue_capacity, 56);
RK_CHECK_OFFSET(rk_abi_ctrl, input_queue_message_size, 60);
RK_CHECK_OFFSET(rk_abi_ctrl, output_queue_head_ptr, 64);
RK_CHECK_OFFSET(rk_abi_ctrl, output_queue_tail_ptr, 72);
RK_CHECK_OFFSET(rk_abi_ctrl, output_queue_buffer_ptr, 80);
RK_CHECK_OFFSET(rk_abi_ctrl, output_queue_capacity, 88);
RK_CHECK_OFFSET(rk_abi_ctrl, output_queue_message_size, 92);
RK_CHECK_OFFSET(rk_abi_ctrl, reserved, 96);

typedef struct RK_ALIGN(64) rk_abi_telemetry { /* B writes all of it */
  rk_u64 messages_processed;
  rk_u64 messages_dropped;         /* sent to a full or missing receiver */
  rk_i64 last_processed_timestamp; /* HLC */
  rk_i32 queue_depth;              /* messages waiting when last looked at */
  rk_i32 pad0;
  rk_u64 total_latency_nanos; /* stamp at sending to start of handling; steps of 1 us */
  rk_u64 max_latency_nanos;
  rk_u64 min_latency_nanos; /* all ones before the first message */
  rk_i32 error_code;        /* of the latest failure: RK_E* or the handler's own */
  rk_i32 pad1;
} rk_abi_telemetry;
RK_CHECK_SIZE(rk_abi_telemetry, 64);
RK_CHECK_OFFSET(rk_abi_telemetry, messages_processed, 0);
RK_CHECK_OFFSET(rk_abi_telemetry, messages_dropped, 8);
RK_CHECK_OFFSET(rk_abi_telemetry, last_processed_timestamp, 16);
RK_CHECK_OFFSET(rk_abi_telemetry, queue_depth, 24);
RK_CHECK_OFFSET(rk_abi_telemetry, total_latency_nanos, 32);
RK_CHECK_OFFSET(rk_abi_telemetry, max_latency_nanos, 40);
RK_CHECK_OFFSET(rk_abi_telemetry, min_latency_nanos, 48);
RK_CHECK_OFFSET(rk_abi_telemetry, error_code, 56);

/* ---- commands and responses: 64 bytes each --------------------------------------------------- */

typedef struct rk_abi_command {
  rk_u32 code; /* RK_CMD_* */
  rk_u32 flags;
  rk_u64 cmd_id; /* repeated by the response */
  rk_u64 param1;
  rk_u32 param2;
  rk_u32 param3;
  rk_f32 param4;
  rk_f32 param5;
  rk_u64 address; /* memory the command reads or writes: snapshot, restore */
  rk_u64 bytes;   /* its size */
  rk_u64 reserved;
} rk_abi_command;
RK_CHECK_SIZE(rk_abi_command, 64);
RK_CHECK_OFFSET(rk_abi_command, cmd_id, 8);
RK_CHECK_OFFSET(rk_abi_command, param1, 16);
RK_CHECK_OFFSET(rk_abi_command, param2, 24);
RK_CHECK_OFFSET(rk_abi_command, param3, 28);
RK_CHECK_OFFSET(rk_abi_command, param4, 32);
RK_CHECK_OFFSET(rk_abi_command, param5, 36);
RK_CHECK_OFFSET(rk_abi_command, address, 40);
RK_CHECK_OFFSET(rk_abi_command, bytes, 48);

typedef struct rk_abi_response {
  rk_u32 code;  /* RK_RSP_* */
  rk_u32 flags; /* RK_STATE_* of the actor where one is concerned */
  rk_u64 cmd_id;
  rk_u64 step; /* messages handled, bytes copied, the clock's step (ns): see each command */
  rk_u64 steps_remaining;
  rk_f32 energy;
  rk_i32 error_code; /* 0 or RK_E* */
  rk_u32 actor;      /* actor reference concerned */
  rk_u32 checksum;   /* of copied state */
  rk_u64 ended;      /* of ACTOR_DESTROYED and MIGRATION_COMPLETE: rk_abi_grid.ended with it */
  rk_u64 reserved;
} rk_abi_response;
RK_CHECK_SIZE(rk_abi_response, 64);
RK_CHECK_OFFSET(rk_abi_response, cmd_id, 8);
RK_CHECK_OFFSET(rk_abi_response, step, 16);
RK_CHECK_OFFSET(rk_abi_response, steps_remaining, 24);
RK_CHECK_OFFSET(rk_abi_response, energy, 32);
RK_CHECK_OFFSET(rk_abi_response, error_code, 36);
RK_CHECK_OFFSET(rk_abi_response, actor, 40);
RK_CHECK_OFFSET(rk_abi_response, checksum, 44);
RK_CHECK_OFFSET(rk_abi_response, ended, 48);

/* X(NAME, number, meaning). Numbers up to 34 are those of the field's peer; 64 and up are ours.
 * `slot` commands name an actor by param1 = its slot. */
#define RK_COMMAND_LIST(X)                                                                       \
  X(NOP, 0, "answer Ack")                                                                        \
  X(RUN_STEPS, 1, "handle param1 messages more, then pause; answer Progress")                    \
  X(PAUSE, 2, "hand out no message until Resume or RunSteps")                                    \
  X(RESUME, 3, "hand out messages again")                                                        \
  X(TERMINATE, 4, "stop every actor of the block and leave the loop")                            \
  X(INJECT_IMPULSE, 5, "message Impulse{x,y,z,amplitude} to the actor in slot param3")           \
  X(SET_SOURCE, 6, "message Source{x,y,z,frequency,amplitude} to slot param3")                   \
  X(GET_PROGRESS, 7, "answer Progress: messages handled, steps left")                            \
  X(CREATE_ACTOR, 16, "serve the actor that line 0 behind it describes; flags 1: activate too")  \
  X(DESTROY_ACTOR, 17, "run its stop handler, dead-letter its queue, free the slot")             \
  X(RESTART_ACTOR, 18, "zero its state (flags 1: keep it), keep its queue, activate it")         \
  X(HEARTBEAT_REQUEST, 19, "answer Heartbeat: messages handled, queue depth")                    \
  X(SNAPSHOT_ACTOR, 20, "copy its state from byte param2 to address")                            \
  X(BEGIN_QUIESCE, 32, "stop handing it messages; answer with its queue depth")                  \
  X(FINALIZE_MIGRATION, 33, "it lives elsewhere now: free the slot")                             \
  X(RESTORE_STATE, 34, "copy its state back; param2 = checksum it must have")                    \
  X(ACTIVATE_ACTOR, 64, "hand it messages")                                                      \
  X(DEACTIVATE_ACTOR, 65, "hand it none, keep its queue")                                        \
  X(CONNECT_PORT, 66, "port param2 leads to actor reference param3")                             \
  X(DISCONNECT_PORT, 67, "port param2 leads nowhere")                                            \
  X(FREE_SLOT, 68, "the actor has ended everywhere: make its slot zero; answer SlotFreed")       \
  X(PARK, 69, "leave the loop at a message boundary and keep everything")                        \
  X(TRANSPORT, 70, "both rings are of form param1 after this record and its answer")             \
  X(TEST_RINGS, 71, "echo param1 records between the two rings at address; answer Progress")     \
  X(LATENCY_ACTOR, 80, "copy its rk_abi_latencies to address (flags 1: empty them then)")        \
  X(TRACE, 81, "param1 = 1: record what happens in the block's trace; 0: stop that")             \
  X(CLOCK, 82, "answer with its clock, nanoseconds, and the step it goes in")                    \
  X(TENANT, 83, "what param1, a tenant, may do or lets tenant param2 do: flags are RK_TENANT_*") \
  X(RELOAD_ACTOR, 90, "serve it by the definition that the rk_abi_reload behind it names")       \
  X(LINKS_ACTOR, 84, "copy its rk_abi_route of all ports to address")

#define RK_RESPONSE_LIST(X)                       \
  X(ACK, 0, "ack")                                \
  X(PROGRESS, 1, "progress")                      \
  X(ERROR, 2, "error")                            \
  X(TERMINATED, 3, "terminated")                  \
  X(ENERGY, 4, "energy")                          \
  X(ACTOR_CREATED, 16, "actor_created")           \
  X(ACTOR_DESTROYED, 17, "actor_destroyed")       \
  X(ACTOR_RESTARTED, 18, "actor_restarted")       \
  X(HEARTBEAT, 19, "heartbeat")                   \
  X(ACTOR_FAILED, 20, "actor_failed")             \
  X(SNAPSHOT_COMPLETE, 21, "snapshot_complete")   \
  X(QUIESCE_COMPLETE, 32, "quiesce_complete")     \
  X(READY_TO_ACTIVATE, 33, "ready_to_activate")   \
  X(MIGRATION_COMPLETE, 34, "migration_complete") \
  X(SLOT_FREED, 64, "slot_freed")                 \
  X(PARKED, 65, "parked")                         \
  X(REFUSED, 66, "refused")                       \
  X(PRESSURE, 67, "pressure")

enum {
#define RK_COMMAND_ENUM(name, number, meaning) RK_CMD_##name = (number),
  RK_COMMAND_LIST(RK_COMMAND_ENUM)
#undef RK_COMMAND_ENUM
#define RK_RESPONSE_ENUM(name, number, text) RK_RSP_##name = (number),
      RK_RESPONSE_LIST(RK_RESPONSE_ENUM)
#undef RK_RESPONSE_ENUM
          RK_ABI_ENUM_END
};

#define RK_CREATE_ACTIVATE 1u    /* flag of CREATE_ACTOR */
#define RK_RESTART_KEEP_STATE 1u /* flag of RESTART_ACTOR */
/* Flags of RELOAD_ACTOR. Without KEEP and MIGRATE the new state is there already. */
#define RK_RELOAD_KEEP 1u /* the bytes of the old state are those of the new one */
#define RK_RELOAD_MIGRATE \
  2u                      /* the new definition's RK_MIGRATE makes the new state of the old one */
#define RK_RELOAD_BACK 4u /* undoes a reload: no start handler, and what waits is not looked at */
/* What kept RELOAD_ACTOR from being done: rk_abi_response.steps_remaining beside its error. */
#define RK_RELOAD_NO_ACTOR 0u  /* the actor is gone, or the command was wrong */
#define RK_RELOAD_CANCELLED 1u /* rk_abi_link.reload_cancelled says so */
#define RK_RELOAD_TYPES 2u     /* messages wait that only the old one accepts: bit i of `step` */
#define RK_RELOAD_MIGRATION 3u /* RK_MIGRATE failed with error_code */
#define RK_RELOAD_START 4u     /* the start handler did */
#define RK_RELOAD_LINKS 5u     /* messages wait on its links: `step` of them */
#define RK_DESTROY_KILL 1u     /* flag of DESTROY_ACTOR: without its stop handler */
/* Flags of DEACTIVATE_ACTOR. END, in any living state: this life ends with its stop handler, the
 * queue and the routes stay, RESTART_ACTOR begins the next life. KILL: without the handler. */
#define RK_DEACTIVATE_END 1u
#define RK_DEACTIVATE_KILL 2u
/* Flag of TENANT, one of them. LIMIT: tenant param1 is known from now on, its bucket has a period of
 * `address` and a depth of `bytes` nanoseconds. The others: actors of param1 accept what those of
 * param2 send; those of param2 may send; neither any more; what of it is queued becomes dead
 * letters, steps_remaining of the answer being how many found no room to the host. */
#define RK_TENANT_LIMIT 1u
#define RK_TENANT_ACCEPT 2u
#define RK_TENANT_SEND 3u
#define RK_TENANT_BAR 4u
#define RK_TENANT_SWEEP 5u

/* States of an actor as the grid sees them. */
#define RK_STATE_NONE 0u
#define RK_STATE_LAUNCHED 1u
#define RK_STATE_ACTIVE 2u
#define RK_STATE_DEACTIVATED 3u
#define RK_STATE_TERMINATING 4u
#define RK_STATE_TERMINATED 5u
#define RK_STATE_FAILED 6u

/* ---- a definition as the grid sees it -------------------------------------------------------- */

typedef struct rk_abi_handler {
  rk_u32 type;       /* message type id */
  rk_u32 size_bytes; /* payload size of that type */
  rk_u64 function;   /* address of the handler where handlers are called by address */
} rk_abi_handler;
RK_CHECK_SIZE(rk_abi_handler, 16);

typedef struct RK_ALIGN(64) rk_abi_def { /* H writes all of it before the first actor uses it */
  rk_u64 handlers;                       /* address of rk_abi_handler[handler_count] */
  rk_u64 on_start;                       /* address or 0 */
  rk_u64 on_stop;                        /* address or 0 */
  rk_u32 handler_count;
  rk_u32 lanes;       /* lanes that run a handler together */
  rk_u32 state_bytes; /* 0 = stateless */
  rk_u32 port_count;
  rk_u32 burst; /* messages a handler may send through one port, and to the host */
  /* largest payload that its handlers may send, at least 1; 0 = they send nothing */
  rk_u32 emits;
  rk_u32 index;         /* number of the definition, for compiled dispatch */
  rk_u32 reserve_units; /* free units to the host without which it is handed no message */
  rk_u64 on_migrate;    /* address or 0 */
} rk_abi_def;
RK_CHECK_SIZE(rk_abi_def, 64);
RK_CHECK_OFFSET(rk_abi_def, handler_count, 24);
RK_CHECK_OFFSET(rk_abi_def, burst, 40);
RK_CHECK_OFFSET(rk_abi_def, index, 48);
RK_CHECK_OFFSET(rk_abi_def, on_migrate, 56);

/* ---- an actor -------------------------------------------------------------------------------- */

#include "rk_abi_link.h"

typedef struct RK_ALIGN(128) rk_abi_actor {
  /* line 0 comes with CREATE_ACTOR, but for the P words. Its first 64 bytes are what everybody reads
   * and nobody writes while the actor lives, but for its end, which changes `id`, RELOAD_ACTOR, which
   * changes what only its block reads (def, state, routes, out_limit_msgs), and the host, which
   * changes, while no grid runs, its rings (kernel_slots, slot_bytes, kernel_mask, limit_msgs and
   * host_slots to urgent_mask). */
  rk_u64 def;            /* address of its rk_abi_def */
  rk_u64 state;          /* address of its state bytes */
  rk_u64 kernel_slots;   /* address of the ring for messages from actors */
  rk_u64 routes;         /* address of rk_abi_route[port_count] */
  rk_u32 slot_bytes;     /* bytes from slot to slot in its four rings */
  rk_u32 kernel_mask;    /* slots - 1; behind them those of near messages: rk_near_dev.h */
  rk_u32 limit_msgs;     /* messages that may wait from actors, and as many from the host */
  rk_u32 out_limit_msgs; /* messages to the host that may wait there */
  rk_u32 block;          /* number of the block that serves it */
  rk_u32 blocks;         /* that run its handlers: `block` and those after it; 0 counts as 1 */
  rk_u32 tenant;         /* its number, below RK_TENANTS_MAX */
  /* actor reference, read by anybody at any time; 0 = it has ended, the slot is free */
  rk_u32 id;
  /* P: who sends here changes these, and needs nothing else of the second 64 bytes */
  rk_u64 tail; /* tickets taken; bit 63 = closed */
  rk_i64 room; /* credits left for messages from actors */
  rk_u32
      signal; /* 1: its block will look at it: an entry in its ready ring names it, or it is hot */
  rk_u32 close_code; /* B: RK_RSP_* that answers close_cmd */
  rk_u64 waiters;    /* bit i: block i (modulo 64) wants to be woken when room comes back */
  /* B reads these when a message came from the host */
  rk_u64 host_slots;   /* address of the ring for messages from the host */
  rk_u64 urgent_slots; /* address of the ring for high-priority messages */
  rk_u32 host_mask;
  rk_u32 urgent_mask;
  rk_u64 close_cmd; /* B: command to answer once it is empty */
  /* line 1: B alone reads and writes it */
  rk_u64 kernel_head;
  rk_u64 host_head;
  rk_u64 host_tail;
  rk_u64 urgent_head;
  rk_u64 urgent_tail;
  rk_u64 out_sent;  /* messages sent to the host */
  rk_u64 out_acked; /* copy of rk_abi_link.out_taken */
  rk_u32 near_head; /* of near messages, which are those from actors of its own block */
  rk_u32 near_tail;
  rk_u32 life;   /* RK_STATE_* */
  rk_u32 queued; /* 1: it stands in its block's run queue */
  rk_u32 near_mask;
  rk_u32 started;      /* 1: its start handler has run */
  rk_u32 kernel_taken; /* credits to give back */
  rk_u32 pad3;
  rk_u64 handled;
  rk_u64 dropped;
  rk_u64 held;    /* messages that wait on its links */
  rk_u8 level;    /* how full its queues are, as the host was told: 0, 1 = 75 %, 2 = 90 % */
  rk_u8 told;     /* 1: messages may wait in kernel_slots */
  rk_u8 tight;    /* 1: less than an eighth of its room was left: rk_near_dev.h */
  rk_u8 turn;     /* whose message was last: RK_RING_HOST or RK_RING_KERNEL */
  rk_u32 owes;    /* 1: its block will soon give kernel_taken back */
  rk_u64 told_us; /* wall clock when the host was told last */
} rk_abi_actor;
RK_CHECK_SIZE(rk_abi_actor, 256);
RK_CHECK_OFFSET(rk_abi_actor, slot_bytes, 32);
RK_CHECK_OFFSET(rk_abi_actor, block, 48);
RK_CHECK_OFFSET(rk_abi_actor, tenant, 56);
RK_CHECK_OFFSET(rk_abi_actor, id, 60);
RK_CHECK_OFFSET(rk_abi_actor, tail, 64);
RK_CHECK_OFFSET(rk_abi_actor, room, 72);
RK_CHECK_OFFSET(rk_abi_actor, signal, 80);
RK_CHECK_OFFSET(rk_abi_actor, waiters, 88);
RK_CHECK_OFFSET(rk_abi_actor, host_slots, 96);
RK_CHECK_OFFSET(rk_abi_actor, kernel_head, 128);
RK_CHECK_OFFSET(rk_abi_actor, near_head, 184);
RK_CHECK_OFFSET(rk_abi_actor, life, 192);
RK_CHECK_OFFSET(rk_abi_actor, handled, 216);

typedef struct RK_ALIGN(128) rk_abi_link { /* what host and grid tell each other about an actor */
  rk_u64 host_taken;                       /* B: messages from the host that left the host ring */
  rk_u64 urgent_taken;                     /* B: the same for high priority */
  rk_u32 out_wanted; /* B: 1 while it waits for the host's user to take messages */
  rk_u32 pad1;
  rk_u64 reload_decided; /* B: RELOAD_ACTOR with this cmd_id will not be cancelled any more */
  rk_u64 pad0[4];
  rk_u64 out_taken;        /* H: messages to the host that the host's user took */
  rk_u64 reload_cancelled; /* H: RELOAD_ACTOR with this cmd_id is not to be done */
  rk_u64 pad2[6];
} rk_abi_link;
RK_CHECK_SIZE(rk_abi_link, 128);
RK_CHECK_OFFSET(rk_abi_link, out_wanted, 16);
RK_CHECK_OFFSET(rk_abi_link, reload_decided, 24);
RK_CHECK_OFFSET(rk_abi_link, out_taken, 64);
RK_CHECK_OFFSET(rk_abi_link, reload_cancelled, 72);

typedef struct rk_abi_reload { /* behind RELOAD_ACTOR: those words of line 0 */
  rk_u64 def;
  rk_u64 state;
  rk_u64 routes; /* with what the ports lead to, and no credits */
  rk_u32 out_limit_msgs;
  rk_u32 pad;
} rk_abi_reload;
RK_CHECK_SIZE(rk_abi_reload, 32);

/* ---- rings ----------------------------------------------------------------------------------- */

/* Forms of a ring between host and block; see rk_ring_dev.h. */
#define RK_TRANSPORT_PLAIN 0u
#define RK_TRANSPORT_TAGGED 1u

typedef struct RK_ALIGN(128) rk_abi_ring { /* one direction between the host and one block */
  rk_u64 units;                            /* address of the first unit */
  rk_u32 capacity_units;                   /* a power of two */
  rk_u32 mask;
  rk_u64 heads;     /* address of the heads, RK_HEAD_BYTES a unit; 0 = it stays plain */
  rk_u32 transport; /* H: RK_TRANSPORT_*; for whoever opens or watches it */
  rk_u32 over;      /* H: 1: the self-test over this ring has ended */
  rk_u64 pad0[12];
  rk_u64 head; /* consumer: units given back */
  rk_u64 pad1[15];
} rk_abi_ring;
RK_CHECK_SIZE(rk_abi_ring, 256);
RK_CHECK_OFFSET(rk_abi_ring, capacity_units, 8);
RK_CHECK_OFFSET(rk_abi_ring, heads, 16);
RK_CHECK_OFFSET(rk_abi_ring, transport, 24);
RK_CHECK_OFFSET(rk_abi_ring, head, 128);

typedef struct rk_abi_ready { /* "look at this actor" from another block */
  rk_u64 seq;
  rk_u32 slot;
  rk_u32 pad;
} rk_abi_ready;
RK_CHECK_SIZE(rk_abi_ready, 16);

/* ---- blocks and the grid --------------------------------------------------------------------- */

/* What a block tells the host about itself. The host reads it at any time, and writes it only while
 * no grid runs. */
typedef struct RK_ALIGN(128) rk_abi_door {
  rk_u32 sleeping; /* B: 1 while it sleeps or is about to; other blocks read it too */
  rk_u32 pad0[31];
  rk_u64 seen;    /* B: rk_abi_grid.ended when it last began a round */
  rk_u64 handled; /* B: messages handled by all its actors */
  rk_u32 hello;   /* B: rkd_hello() once it runs */
  rk_u32 done;    /* B: RK_DONE_* once it has left the loop */
  rk_u64 beats;   /* B: rounds of its loop, told now and then: it is alive while this moves */
  rk_u64 laned;   /* B: messages that came to it through the cluster's lanes */
  rk_u64 untold;  /* B: sends refused for their tenant that found no room in the ring to the host */
  rk_u64 lanes;   /* H: RK_LANES_TEST; B: what came of it, RK_LANES_PASSED or RK_LANES_FAILED */
  rk_u64 pad1[9];
} rk_abi_door;
RK_CHECK_SIZE(rk_abi_door, 256);
RK_CHECK_OFFSET(rk_abi_door, seen, 128);
RK_CHECK_OFFSET(rk_abi_door, hello, 144);
RK_CHECK_OFFSET(rk_abi_door, beats, 152);
RK_CHECK_OFFSET(rk_abi_door, laned, 160);
RK_CHECK_OFFSET(rk_abi_door, untold, 168);

#define RK_DONE_TOLD 1u  /* the host asked it to */
#define RK_DONE_ALONE 2u /* the host gave no sign of life for grace_s */

typedef struct RK_ALIGN(128) rk_abi_block { /* H writes line 0 before the grid starts */
  rk_u64 h2k;                               /* address of the rk_abi_ring from the host */
  rk_u64 k2h;                               /* address of the rk_abi_ring to the host */
  rk_u64 door;                              /* address of its rk_abi_door */
  rk_u64 ready;                             /* address of rk_abi_ready[ready_mask + 1] */
  rk_u64 run_queue;                         /* address of rk_u32[ready_mask + 1] */
  rk_u64 scratch;                           /* address of the block's private rk_block */
  rk_u32 ready_mask;
  rk_u32 index;
  rk_u64 trace;   /* address of its rk_abi_trace_ring in shared memory; 0 = none */
  rk_u64 tenants; /* address of its rk_abi_tenants */
  rk_u64 pad0[7];
  rk_u64 ready_tail; /* P */
  rk_u64 pad1[15];
  rk_u32 bell; /* P and H, where blocks sleep: bumped to wake the block */
  rk_u32 pad2[31];
  rk_u32 busy; /* B: reference of the actor whose handler runs; 0 = none */
  rk_u32 pad3[31];
} rk_abi_block;
RK_CHECK_SIZE(rk_abi_block, 512);
RK_CHECK_OFFSET(rk_abi_block, ready_mask, 48);
RK_CHECK_OFFSET(rk_abi_block, trace, 56);
RK_CHECK_OFFSET(rk_abi_block, tenants, 64);
RK_CHECK_OFFSET(rk_abi_block, ready_tail, 128);
RK_CHECK_OFFSET(rk_abi_block, bell, 256);
RK_CHECK_OFFSET(rk_abi_block, busy, 384);

/* How a block lends its lanes, and how it borrows those of others (rk_gang_dev.h): one for each
 * block. "The gang" is the blocks that run one handler together; its leader is the block that serves
 * the actor. A line for each word that blocks wait for. */
typedef struct RK_ALIGN(128) rk_abi_gang {
  /* line 0: who may use this block's lanes */
  rk_u64 owner;  /* P: leader's number + 1; RK_GANG_AWAY: this block has left; 0 = free */
  rk_u64 wanted; /* P: block + 1 of who gets it next; 0 = anybody */
  rk_u64 closed; /* P, of block 0: blocks whose actors have all stopped */
  rk_u64 pad0[13];
  /* line 1: looked at by this block in every round */
  rk_u64 call; /* its owner: number of the call, number of the leader; RK_GANG_CALL */
  rk_u64 pad1[15];
  /* line 2: the call that this block leads; it writes it before it calls anybody */
  rk_u64 ctx;     /* address of the leader's rk_ctx */
  rk_u64 def;     /* address of the rk_abi_def */
  rk_u64 msg;     /* address of the payload, or 0 */
  rk_u64 state;   /* address of the state */
  rk_u32 handler; /* its index, or one of RK_HANDLER_* */
  rk_u32 members; /* blocks of the gang */
  rk_u32 aborted; /* any member: 1 = a call was given up, this block will lead none any more */
  rk_u32 pad2;
  rk_u64 pad3[10];
  /* line 3: the end of that call */
  rk_u64 done; /* P: members whose lanes have returned */
  rk_u64 pad4[15];
  /* line 4: the barrier of that gang */
  rk_u64 arrived;    /* P: members that wait at it */
  rk_u64 generation; /* the last to arrive: barriers completed, in all calls */
  rk_u32 broken;     /* any member: 1 = it cannot be completed any more in this call */
  rk_u32 pad5;
  rk_u64 pad6[13];
} rk_abi_gang;
RK_CHECK_SIZE(rk_abi_gang, 640);
RK_CHECK_OFFSET(rk_abi_gang, wanted, 8);
RK_CHECK_OFFSET(rk_abi_gang, closed, 16);
RK_CHECK_OFFSET(rk_abi_gang, call, 128);
RK_CHECK_OFFSET(rk_abi_gang, ctx, 256);
RK_CHECK_OFFSET(rk_abi_gang, handler, 288);
RK_CHECK_OFFSET(rk_abi_gang, aborted, 296);
RK_CHECK_OFFSET(rk_abi_gang, done, 384);
RK_CHECK_OFFSET(rk_abi_gang, arrived, 512);
RK_CHECK_OFFSET(rk_abi_gang, generation, 520);
RK_CHECK_OFFSET(rk_abi_gang, broken, 528);

#define RK_GANG_AWAY (~0ull)
#define RK_GANG_NOBODY 0xffffffffu /* leads a call that was taken back */
#define RK_GANG_CALL(number, leader) ((rk_u64)(number) << 32 | (rk_u64)(leader))
#define RK_GANG_NUMBER(call) ((rk_u32)((call) >> 32))
#define RK_GANG_LEADER(call) ((rk_u32)(call))

#define RK_ABORT_END 1u  /* for good */
#define RK_ABORT_PARK 2u /* and come back: everything stays as it is */

/* What the host tells all blocks. */
typedef struct RK_ALIGN(128) rk_abi_host {
  rk_u32 abort; /* H: RK_ABORT_*: leave the loop at once */
  rk_u32 pad0[31];
  rk_u32 waiting; /* H: odd while the host sleeps; a new odd number each time */
  rk_u32 pad1[31];
  rk_u64 alive; /* H, where blocks never sleep: moves while the host's process lives */
  rk_u64 pad2[15];
} rk_abi_host;
RK_CHECK_SIZE(rk_abi_host, 384);
RK_CHECK_OFFSET(rk_abi_host, waiting, 128);
RK_CHECK_OFFSET(rk_abi_host, alive, 256);

/* How blocks that never sleep wait for work. */
#define RK_POLICY_BALANCED 0u /* poll, then at most a microsecond apart */
#define RK_POLICY_LATENCY 1u  /* poll without pause */
#define RK_POLICY_ECO 2u      /* up to 20 us apart */

/* Three kinds of memory: `host`, `doors`, `links`, the rings and the two `told` tables are shared
 * with the host; the rest is the device's own, which the host writes before the grid starts. Where
 * host and device have the same memory the told tables are the tables themselves. */
typedef struct RK_ALIGN(128) rk_abi_grid {
  rk_u64 host;       /* address of rk_abi_host */
  rk_u64 doors;      /* address of rk_abi_door[block_count] */
  rk_u64 blocks;     /* address of rk_abi_block[block_count] */
  rk_u64 actors;     /* address of rk_abi_actor[actor_capacity] */
  rk_u64 links;      /* address of rk_abi_link[actor_capacity] */
  rk_u64 ctrls;      /* address of rk_abi_ctrl[actor_capacity] */
  rk_u64 telemetry;  /* address of rk_abi_telemetry[actor_capacity] */
  rk_u64 told_ctrls; /* copies that HEARTBEAT_REQUEST makes */
  rk_u64 told_telemetry;
  rk_u32 block_count;
  rk_u32 actor_capacity;
  rk_u32 abi_version;
  rk_u32 spin_us;   /* an idle block spins this long before it sleeps */
  rk_u32 policy;    /* RK_POLICY_* */
  rk_u32 grace_s;   /* blocks leave when `alive` does not move for so long; 0 = they never do */
  rk_u64 latencies; /* address of rk_abi_latencies[actor_capacity]; 0 = none are kept */
  rk_u64 gangs;     /* address of rk_abi_gang[block_count] */
  rk_u64 buckets;   /* address of rk_abi_bucket[RK_TENANTS_MAX] */
  rk_u64 pad0;
  rk_u64 ended; /* P: actors that have ended; see rkd_quiesce */
  rk_u64 pad1[15];
} rk_abi_grid;
RK_CHECK_SIZE(rk_abi_grid, 256);
RK_CHECK_OFFSET(rk_abi_grid, told_ctrls, 56);
RK_CHECK_OFFSET(rk_abi_grid, block_count, 72);
RK_CHECK_OFFSET(rk_abi_grid, policy, 88);
RK_CHECK_OFFSET(rk_abi_grid, latencies, 96);
RK_CHECK_OFFSET(rk_abi_grid, gangs, 104);
RK_CHECK_OFFSET(rk_abi_grid, buckets, 112);
RK_CHECK_OFFSET(rk_abi_grid, ended, 128);

#include "rk_abi_tenant.h"
#include "rk_abi_trace.h"

/* ---- built-in message types ------------------------------------------------------------------ */

/* A buffer as a message carries it: where its elements lie on the device and how many there are. */
typedef struct rk_buffer {
  rk_u64 address;
  rk_u64 count;
} rk_buffer;
RK_CHECK_SIZE(rk_buffer, 16);

#endif
