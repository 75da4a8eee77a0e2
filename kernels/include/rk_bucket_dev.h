/* SPDX-License-Identifier: MIT */
/*
 * A token bucket in one word: when it will be full again.
 *
 * A message takes `period_ns` of it, and it holds `depth_ns`. So a bucket that will be full `x` from
 * now has depth - x left; nothing has to be refilled, and whoever takes changes one word by
 * compare and swap. Any number may take at a time, and their clocks may differ by less than a
 * second: a word that lies further ahead than depth and that much was written before the clock was
 * set back, and is brought down to "empty".
 *
 * Used by rk_tenant_dev.h for what actors send and by runtime/tenant.c for what the host does.
 */
#ifndef RK_BUCKET_DEV_H
#define RK_BUCKET_DEV_H

#include "rk_abi.h"
#include "rk_atomic.h" /* RK_ATOMIC_FN: how a small function is declared on either side */

#define RK_BUCKET_SLACK_NS 1000000000ull

/* Takes a message's worth; 0 when there is not that much. */
RK_ATOMIC_FN int rkd_bucket_take(rk_abi_bucket *bucket, rk_u64 now_ns)
{
  rk_u64 period = rk_ld_relaxed_gpu_u64(&bucket->period_ns);
  rk_u64 depth = rk_ld_relaxed_gpu_u64(&bucket->depth_ns);
  rk_u64 full = rk_ld_relaxed_gpu_u64(&bucket->full_ns);
  if (period == 0u) {
    return 1;
  }
  for (;;) {
    if (full > now_ns + depth + RK_BUCKET_SLACK_NS) {
      (void)rk_cas_acqrel_gpu_u64(&bucket->full_ns, &full, now_ns + depth);
      return 0;
    }
    rk_u64 next = (full > now_ns ? full : now_ns) + period;
    if (next > now_ns + depth) {
      return 0;
    }
    if (rk_cas_acqrel_gpu_u64(&bucket->full_ns, &full, next)) {
      return 1;
    }
  }
}

#endif
