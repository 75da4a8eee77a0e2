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
 * turn costs a fence and a release store for each claim at most. With tracing off a message costs
 * a look at a word that the block has at hand where it is handled, and one where it is sent. All
 * words are stored relaxed: the reader may look at any time.
 *
 * Times are nanoseconds since 1970 on one clock for all blocks. The leader lane calls these; the
 * host uses them for a ring of its own, of what it sends. The shared structs stand in rk_abi.h.
 */
#ifndef RK_TRACE_DEV_H
#define RK_TRACE_DEV_H

#include "rk_dev.h"

RK_FN rk_u32 rkd_trace_actor(const rk_abi_trace *r)
{
  return (rk_u32)r->who;
}
RK_FN rk_u32 rkd_trace_type(const rk_abi_trace *r)
{
  return (rk_u32)(r->who >> 32);
}
RK_FN rk_u32 rkd_trace_kind(const rk_abi_trace *r)
{
  return (rk_u32)(r->what & 0xffu);
}
RK_FN rk_u32 rkd_trace_reason(const rk_abi_trace *r)
{
  return (rk_u32)(r->what >> 8 & 0xffu);
}
RK_FN rk_u32 rkd_trace_block(const rk_abi_trace *r)
{
  return (rk_u32)(r->what >> 16 & 0xffffu);
}
RK_FN rk_u32 rkd_trace_duration_ns(const rk_abi_trace *r)
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
  rk_u32 on; /* 1: make records; changed by the command Trace */
  rk_u32 pad;
} rk_trace_tx;

/* Goes on where an earlier life of the block ended. `ring` is the address of its rk_abi_trace_ring,
 * 0 where there is none; then `on` stays 0. */
RK_FN void rkd_trace_open(rk_trace_tx *t, rk_u64 ring, rk_u32 block)
{
  t->ring = RK_PTR(rk_abi_trace_ring, ring);
  t->on = 0u;
  t->block = block;
  if (t->ring != 0) {
    t->records = RK_PTR(rk_abi_trace, t->ring->records);
    t->on = t->ring->on;
    t->mask = t->ring->mask;
    t->next = t->ring->count;
    t->claimed = t->next;
    t->published = t->next;
  }
}

RK_FN void rkd_trace_claim(rk_trace_tx *t)
{
  t->claimed = t->next + RK_TRACE_CLAIM;
  rk_st_relaxed_sys_u64(&t->ring->claimed, t->claimed);
  /* before the first word of a record it covers; partner: the fence in rk_trace_read */
  rk_fence_seq_cst();
}

RK_FN void rkd_trace_put(rk_trace_tx *t, rk_u32 kind, rk_u32 reason, rk_u64 start_ns,
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

/* When a handler began to run. Only while `t->on`, as all that follows but publish. */
RK_FN void rkd_trace_begin(rk_trace_tx *t, rk_u64 now_ns)
{
  t->start_ns = now_ns;
}

/* After it has returned: RK_TRACE_HANDLE, RK_TRACE_START or RK_TRACE_STOP. */
RK_FN void rkd_trace_end(rk_trace_tx *t, rk_u32 kind, rk_u64 now_ns, rk_u64 message, rk_u32 actor,
                         rk_u32 type)
{
  rk_u64 took = now_ns > t->start_ns ? now_ns - t->start_ns : 0u;
  rkd_trace_put(t, kind, 0u, t->start_ns, took, message, actor, type);
}

/* A moment: RK_TRACE_SEND, or RK_TRACE_DEAD with its reason. */
RK_FN void rkd_trace_mark(rk_trace_tx *t, rk_u32 kind, rk_u32 reason, rk_u64 now_ns, rk_u64 message,
                          rk_u32 actor, rk_u32 type)
{
  rkd_trace_put(t, kind, reason, now_ns, 0u, message, actor, type);
}

/* Shows the host what was recorded. At the end of a turn; does nothing if there is nothing new.
 * Taking back what was claimed and not used is safe: what was written stays below `claimed`. */
RK_FN void rkd_trace_publish(rk_trace_tx *t)
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
