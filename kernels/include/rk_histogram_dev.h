/* SPDX-License-Identifier: MIT */
/*
 * Latency histograms of actors, kept by their blocks and read by the host while the grid runs: it
 * asks for a copy (LATENCY_ACTOR), which is of a message boundary. The structs stand in rk_abi.h.
 *
 * Log-linear like base/histogram.h and in step with it, but coarser: numbers below 16 have a bucket
 * each, every power of two above is divided into 8, so a bucket is at most 1/8 wider than the
 * numbers in it. 248 counters of 32 bits reach to 2^33 ns (8.5 s); what is longer goes into the
 * last bucket. With sum and extremes one histogram is 1 KiB, and an actor has two: how long
 * messages waited, how long they were handled.
 *
 * One writer, the block that serves the actor: plain increments, stored relaxed. So where a reader
 * (src/runtime/latency.c) can reach the original it may look at any time and sees each word whole;
 * words that belong together may be one message apart then. Counters stop at their largest value
 * instead of wrapping.
 */
#ifndef RK_HISTOGRAM_DEV_H
#define RK_HISTOGRAM_DEV_H

#include "rk_abi.h"
#include "rk_atomic.h" /* RK_ATOMIC_FN: how a small function is declared on either side */

/* Number of the highest bit set; `value` is not 0. */
RK_ATOMIC_FN rk_u32 rkd_latency_log2(rk_u64 value)
{
  rk_u32 bit = (value >> 32) != 0u ? 32u : 0u; /* by halves: no loop, no instruction of its own */
  bit += (value >> (bit + 16u)) != 0u ? 16u : 0u;
  bit += (value >> (bit + 8u)) != 0u ? 8u : 0u;
  bit += (value >> (bit + 4u)) != 0u ? 4u : 0u;
  bit += (value >> (bit + 2u)) != 0u ? 2u : 0u;
  bit += (value >> (bit + 1u)) != 0u ? 1u : 0u;
  return bit;
}

/* A number with its highest bit at e is shifted right by e - 3: 4 bits are left, the highest set,
 * and the shift counts the groups of 8. */
RK_ATOMIC_FN rk_u32 rkd_latency_bucket(rk_u64 ns)
{
  if (ns < 2u << RK_LATENCY_SUB_BITS) {
    return (rk_u32)ns;
  }
  rk_u32 shift = rkd_latency_log2(ns) - RK_LATENCY_SUB_BITS;
  rk_u32 bucket = (shift << RK_LATENCY_SUB_BITS) + (rk_u32)(ns >> shift);
  return bucket < RK_LATENCY_BUCKETS ? bucket : RK_LATENCY_BUCKETS - 1u;
}

/* The smallest number of a bucket. */
RK_ATOMIC_FN rk_u64 rkd_latency_low(rk_u32 bucket)
{
  if (bucket < 2u << RK_LATENCY_SUB_BITS) {
    return bucket;
  }
  rk_u32 shift = (bucket >> RK_LATENCY_SUB_BITS) - 1u;
  return (rk_u64)(bucket - (shift << RK_LATENCY_SUB_BITS)) << shift;
}

/* Records one latency. The leader lane of the block that serves the actor. */
RK_ATOMIC_FN void rkd_latency_record(rk_abi_latency *h, rk_u64 ns)
{
  rk_u32 *counter = &h->counts[rkd_latency_bucket(ns)];
  if (*counter == 0xffffffffu) {
    return;
  }
  rk_st_relaxed_sys_u32(counter, *counter + 1u);
  rk_st_relaxed_sys_u64(&h->sum_ns, h->sum_ns + ns);
  if (ns > h->max_ns) {
    rk_st_relaxed_sys_u64(&h->max_ns, ns);
  }
  if (ns + 1u < h->min_ns_plus_1 || h->min_ns_plus_1 == 0u) {
    rk_st_relaxed_sys_u64(&h->min_ns_plus_1, ns + 1u);
  }
}

/* The block that serves the actor, for a new one in its slot. */
RK_ATOMIC_FN void rkd_latencies_zero(rk_abi_latencies *l)
{
  rk_u64 *words = (rk_u64 *)l;
  for (rk_u32 i = 0; i < sizeof(*l) / sizeof(*words); ++i) {
    rk_st_relaxed_sys_u64(&words[i], 0u);
  }
}

#endif
