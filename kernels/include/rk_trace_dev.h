/* SPDX-License-Identifier: MIT */
/*
 * The trace of a block: what it handled and sent, and when, in a ring that the host reads while the
 * grid runs.
 *
 * One writer, the block; it never waits: when the ring is full the oldest records are lost, and the
 * reader counts them. Records are 32 bytes without a sequence word. Instead the block says in
 * `claimed` how far it may be writing, before it writes, and in `count` how far it has written,
 * after. So a reader (src/runtime/trace.c)
 *
 *   1. loads `count` with acquire (partner: the release in rkd_trace_publish): all records below it
 *      are complete, or have been overwritten since;
 *   2. copies records;
 *   3. fences and loads `claimed` (partner: store and fence in rkd_trace_claim): if it read one
 *      word of a record that overwrote another, the claim for it is seen now. What the claim covers
 *      is thrown away.
 *
 * Claims are made for RK_TRACE_CLAIM records at a time and `count` is published once a turn, so a
 * turn costs one fence and one release store however much it does. With tracing off it costs a
 * load. All words are stored relaxed: the reader may look at any time.
 *
 * Times are nanoseconds since 1970 on one clock for all blocks. The leader lane calls these.
 */
#ifndef RK_TRACE_DEV_H
#define RK_TRACE_DEV_H

#include "rk_abi.h"
#include "rk_atomic.h" /* RK_ATOMIC_FN: how a small function is declared on either side */

/* ---- what host and block share --------------------------------------------------------------- */

#define RK_TRACE_HANDLE 1u /* a message was handled: from `start_ns`, for `duration` */
#define RK_TRACE_SEND 2u   /* a message left: `actor` is the sender */
#define RK_TRACE_START 3u  /* a start handler ran; no message */
#define RK_TRACE_STOP 4u   /* a stop handler ran; no message */
#define RK_TRACE_DEAD 5u   /* a message became a dead letter; the reason is in RK_TRACE_REASON */

#define RK_TRACE_RECORDS_MIN 64u /* smallest ring */
#define RK_TRACE_CLAIM 32u       /* records claimed at a time; less than the smallest ring */

typedef struct rk_abi_trace { /* B */
  rk_u64 start_ns;
  rk_u64 message; /* id; 0 = none */
  rk_u64 who;     /* message type id << 32 | actor reference */
  rk_u64 what;    /* nanoseconds it took << 32 | block << 16 | reason << 8 | RK_TRACE_* */
} rk_abi_trace;
RK_CHECK_SIZE(rk_abi_trace, 32);

typedef struct RK_ALIGN(128) rk_abi_trace_ring { /* one a block; zeroed memory is an empty one */
  rk_u64 records;                                /* H: address of rk_abi_trace[mask + 1] */
  rk_u32 mask;                                   /* H: records - 1; a power of two less one */
  rk_u32 on;                                     /* H: 1 while records are to be made */
  rk_u64 pad0[14];
  rk_u64 claimed; /* B: records below it may be being written, or are */
  rk_u64 count;   /* B: records below it have been written */
  rk_u64 pad1[14];
} rk_abi_trace_ring;
RK_CHECK_SIZE(rk_abi_trace_ring, 256);
RK_CHECK_OFFSET(rk_abi_trace_ring, mask, 8);
RK_CHECK_OFFSET(rk_abi_trace_ring, on, 12);
RK_CHECK_OFFSET(rk_abi_trace_ring, claimed, 128);
RK_CHECK_OFFSET(rk_abi_trace_ring, count, 136);

RK_ATOMIC_FN rk_u32 rkd_trace_actor(const rk_abi_trace *r)
{
  return (rk_u32)r->who;
}
RK_ATOMIC_FN rk_u32 rkd_trace_type(const rk_abi_trace *r)
{
  return (rk_u32)(r->who >> 32);
}
RK_ATOMIC_FN rk_u32 rkd_trace_kind(const rk_abi_trace *r)
{
  return (rk_u32)(r->what & 0xffu);
}
RK_ATOMIC_FN rk_u32 rkd_trace_reason(const rk_abi_trace *r)
{
  return (rk_u32)(r->what >> 8 & 0xffu);
}
RK_ATOMIC_FN rk_u32 rkd_trace_block(const rk_abi_trace *r)
{
  return (rk_u32)(r->what >> 16 & 0xffffu);
}
RK_ATOMIC_FN rk_u32 rkd_trace_duration_ns(const rk_abi_trace *r)
{
  return (rk_u32)(r->what >> 32);
}

/* ---- what the block keeps to itself ---------------------------------------------------------- */

typedef struct rk_trace_tx {
  rk_abi_trace_ring *ring; /* 0 = this grid has no trace */
  rk_abi_trace *records;
  rk_u64 next;      /* position of the next record */
  rk_u64 claimed;   /* copy of the ring's; reading it back may be slow */
  rk_u64 published; /* copy of the ring's count */
  rk_u64 start_ns;  /* of the handler that runs */
  rk_u32 mask;
  rk_u32 block;
  rk_u32 on; /* copy of the ring's, as of the beginning of the turn */
  rk_u32 pad;
} rk_trace_tx;

/* Goes on where an earlier life of the block ended. `ring` is the address of its rk_abi_trace_ring,
 * 0 where there is none. */
RK_ATOMIC_FN void rkd_trace_open(rk_trace_tx *t, rk_u64 ring, rk_u32 block)
{
  t->ring = (rk_abi_trace_ring *)(rk_uptr)ring;
  t->on = 0u;
  t->block = block;
  if (t->ring != 0) {
    t->records = (rk_abi_trace *)(rk_uptr)t->ring->records;
    t->mask = t->ring->mask;
    t->next = t->ring->count;
    t->claimed = t->next;
    t->published = t->next;
  }
}

/* Whether to trace, asked once a turn. */
RK_ATOMIC_FN void rkd_trace_sample(rk_trace_tx *t)
{
  if (t->ring != 0) {
    t->on = rk_ld_relaxed_sys_u32(&t->ring->on);
  }
}

RK_ATOMIC_FN void rkd_trace_claim(rk_trace_tx *t)
{
  t->claimed = t->next + RK_TRACE_CLAIM;
  rk_st_relaxed_sys_u64(&t->ring->claimed, t->claimed);
  /* before the first word of a record it covers; partner: the fence in rk_trace_read */
  rk_fence_seq_cst();
}

RK_ATOMIC_FN void rkd_trace_put(rk_trace_tx *t, rk_u32 kind, rk_u32 reason, rk_u64 start_ns,
                                rk_u64 duration_ns, rk_u64 message, rk_u32 actor, rk_u32 type)
{
  if (t->next == t->claimed) {
    rkd_trace_claim(t);
  }
  rk_abi_trace *r = t->records + (t->next & t->mask);
  rk_u64 took = duration_ns > 0xffffffffull ? 0xffffffffull : duration_ns;
  rk_st_relaxed_sys_u64(&r->start_ns, start_ns);
  rk_st_relaxed_sys_u64(&r->message, message);
  rk_st_relaxed_sys_u64(&r->who, (rk_u64)type << 32 | actor);
  rk_st_relaxed_sys_u64(&r->what, took << 32 | (rk_u64)(t->block & 0xffffu) << 16 |
                                      (rk_u64)(reason & 0xffu) << 8 | (kind & 0xffu));
  t->next += 1u;
}

/* Before a handler runs, when `t->on`. */
RK_ATOMIC_FN void rkd_trace_begin(rk_trace_tx *t, rk_u64 now_ns)
{
  t->start_ns = now_ns;
}

/* After it has returned: RK_TRACE_HANDLE, RK_TRACE_START or RK_TRACE_STOP. */
RK_ATOMIC_FN void rkd_trace_end(rk_trace_tx *t, rk_u32 kind, rk_u64 now_ns, rk_u64 message,
                                rk_u32 actor, rk_u32 type)
{
  rk_u64 took = now_ns > t->start_ns ? now_ns - t->start_ns : 0u;
  rkd_trace_put(t, kind, 0u, t->start_ns, took, message, actor, type);
}

/* A moment: RK_TRACE_SEND, or RK_TRACE_DEAD with its reason. */
RK_ATOMIC_FN void rkd_trace_mark(rk_trace_tx *t, rk_u32 kind, rk_u32 reason, rk_u64 now_ns,
                                 rk_u64 message, rk_u32 actor, rk_u32 type)
{
  rkd_trace_put(t, kind, reason, now_ns, 0u, message, actor, type);
}

/* Shows the host what was recorded. At the end of a turn; does nothing if there is nothing new.
 * Taking back what was claimed and not used is safe: what was written stays below `claimed`. */
RK_ATOMIC_FN void rkd_trace_publish(rk_trace_tx *t)
{
  if (t->ring == 0 || t->next == t->published) {
    return;
  }
  t->published = t->next;
  t->claimed = t->next;
  rk_st_relaxed_sys_u64(&t->ring->claimed, t->next);
  rk_st_release_sys_u64(&t->ring->count, t->next); /* partner: the acquire in rk_trace_read */
}

#endif
