/* SPDX-License-Identifier: MIT */
/*
 * Latencies of actors: the blocks' coarse histograms as histograms of base.
 *
 * Every number of a bucket is recorded as the bucket's largest one, so percentiles err to the safe
 * side; what is known exactly then replaces what follows from that.
 */
#include "runtime/latency.h"

/* The largest number of a bucket, or the exact maximum where that is smaller. */
static uint64_t high_of(uint32_t bucket, uint64_t max_ns)
{
  if (bucket + 1u == RK_LATENCY_BUCKETS) {
    return max_ns;
  }
  uint64_t high = rkd_latency_low(bucket + 1u) - 1u;
  return high < max_ns ? high : max_ns;
}

void rk_latency_read(const rk_abi_latency *from, rk_histogram *out)
{
  rk_histogram_reset(out);
  uint64_t sum_ns = rk_ld_relaxed_sys_u64(&from->sum_ns);
  uint64_t max_ns = rk_ld_relaxed_sys_u64(&from->max_ns);
  uint64_t min_ns = rk_ld_relaxed_sys_u64(&from->min_ns_plus_1);
  for (uint32_t i = 0; i < RK_LATENCY_BUCKETS; ++i) {
    uint64_t count = rk_ld_relaxed_sys_u32(&from->counts[i]);
    /* A count may be ahead of the maximum, which is then at least the bucket's smallest number. */
    if (count != 0 && max_ns < rkd_latency_low(i)) {
      max_ns = rkd_latency_low(i);
    }
    rk_histogram_record_n(out, high_of(i, max_ns), count);
  }
  if (out->total == 0) {
    return;
  }
  out->max = max_ns;
  if (min_ns != 0 && min_ns - 1 < out->min) {
    out->min = min_ns - 1;
  }
  out->sum_low = sum_ns;
  out->sum_high = 0;
}
