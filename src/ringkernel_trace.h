/* SPDX-License-Identifier: MIT */
/*
 * Part of the public C contract, included by ringkernel.h, whose rules hold: what blocks and host did
 * with messages, in rings that overwrite what is oldest.
 */
#ifndef RINGKERNEL_TRACE_H
#define RINGKERNEL_TRACE_H

#include "ringkernel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum rk_trace_kind { /* as RK_TRACE_* of rk_abi.h */
                             RK_TRACE_KIND_HANDLE = 1,
                             RK_TRACE_KIND_SEND,
                             RK_TRACE_KIND_START,
                             RK_TRACE_KIND_STOP,
                             RK_TRACE_KIND_DEAD,
                             RK_TRACE_KIND_DELIVER
} rk_trace_kind;
#define RK_TRACE_NO_BLOCK UINT32_MAX

typedef struct rk_trace_record {
  rk_trace_kind kind;
  uint32_t block;      /* RK_TRACE_NO_BLOCK: the host */
  int64_t at_ns;       /* since the runtime was opened, on the host's clock; see below */
  uint64_t took_ns;    /* handlers; 4.3 s and longer are told as 4.3 s */
  uint64_t message;    /* id; 0: none */
  uint32_t type;       /* of the message */
  uint32_t actor;      /* that handled or sent it, or (dead, deliver) was to get it; 0: the host */
  uint8_t dead_reason; /* rk_dead_reason_name */
  /* what an actor whose handler is the host's sent: low 32 bits of the id of the message that was
   * being handled; 0: none, or not known here */
  uint32_t cause;
} rk_trace_record;

/* Begins or ends recording; off at first. Once it has returned RK_OK everything that was recorded
 * before can be read. Errors: unsupported (opened without `trace_records`), timeout (a handler
 * keeps its block busy), device_lost. */
RK_API int rk_runtime_trace(rk_runtime *rt, bool on, rk_error *err);

/* Takes at most `limit` records, in the order of each block; 0: there are none for now. Records of
 * a turn can be read when the turn ends. *lost (may be NULL) becomes the number of records that
 * were overwritten before they were read, ever. Never waits: ask rk_runtime_trace_clock first, so
 * that times of blocks are told on the host's clock. */
RK_API size_t rk_runtime_trace_read(rk_runtime *rt, rk_trace_record *out, size_t limit,
                                    uint64_t *lost);
/* How the clock of the blocks stands to the host's: times of blocks are told less `offset_ns`. */
typedef struct rk_trace_clock {
  int64_t offset_ns; /* the blocks' less the host's; 0 where the difference cannot be seen */
  uint64_t error_ns; /* it is known so well; UINT64_MAX: they have not been compared */
  uint64_t step_ns;  /* of the blocks' clock; 0: not known */
} rk_trace_clock;
/* Compared once for each recording, by questions to a block when recording begins; or here, where
 * no block ran then. Errors: unsupported, timeout (a handler keeps the block busy), device_lost. */
RK_API int rk_runtime_trace_clock(rk_runtime *rt, rk_trace_clock *out, rk_error *err);
/* Records that fit into all rings; 0: there is no trace. */
RK_API size_t rk_runtime_trace_capacity(const rk_runtime *rt);
/* Name of the actor of a record, also when it has ended; NULL: not known. Valid until the next call
 * on the runtime. */
RK_API const char *rk_runtime_trace_name(rk_runtime *rt, uint32_t actor);
/* When the runtime was opened, nanoseconds since 1970. */
RK_API uint64_t rk_runtime_trace_origin(const rk_runtime *rt);

/* A file descriptor that becomes readable when something arrived since the last rk_runtime_drain.
 * For any event loop; never read it yourself. */
RK_API int rk_runtime_fd(rk_runtime *rt);

/* Moves what the grid has sent into mailboxes, calls and subscriptions. Returns how many records
 * moved; re-arms the descriptor. Never waits. */
RK_API size_t rk_runtime_drain(rk_runtime *rt);

/* Ends the running generation of the grid and begins the next: every block leaves its loop at a
 * message boundary and comes back; actors, queues, routes and what is under way stay. The runtime
 * does this by itself where new code or memory needs it. Errors: timeout (a handler does not
 * return), device_lost. */
RK_API int rk_runtime_renew(rk_runtime *rt, rk_error *err);

/* RK_OK while the runtime works. Errors: closed, forked, device_lost. */
RK_API int rk_runtime_health(const rk_runtime *rt, rk_error *err);

/* Waits until something arrives that was not drained before, or `timeout_ns` passes (RK_ETIMEOUT),
 * or a signal comes in (RK_EINTR, at least every 100 ms: run your hooks and call again). Spins
 * first, then sleeps. */
RK_API int rk_runtime_wait(rk_runtime *rt, uint64_t timeout_ns);

#ifdef __cplusplus
}
#endif
#endif
