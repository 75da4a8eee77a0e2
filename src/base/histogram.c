/* SPDX-License-Identifier: MIT */
/*
 * The latency histogram: bucket arithmetic and walks over the counters.
 *
 * With s = RK_HISTOGRAM_SUB_BITS, a number below 2^(s+1) is its own bucket. A larger one with its
 * highest bit at e is shifted right by e - s, which leaves s+1 bits, the highest of them set; the
 * shift counts the groups of 2^s buckets, and the result continues the numbering without a gap.
 */
#include "base/histogram.h"

#include <string.h>

#include "base/base.h"

#define SINGLES (2u * RK_HISTOGRAM_SUB_BUCKETS)

_Static_assert(RK_HISTOGRAM_SUB_BUCKETS == 1 << RK_HISTOGRAM_SUB_BITS, "bits and buckets agree");
_Static_assert(RK_HISTOGRAM_BUCKETS ==
                   SINGLES + (62 - RK_HISTOGRAM_SUB_BITS) * RK_HISTOGRAM_SUB_BUCKETS,
               "the last bucket ends at 2^63 - 1");

static size_t bucket_of(uint64_t value)
{
  if (value < SINGLES) {
    return (size_t)value;
  }
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - RK_HISTOGRAM_SUB_BITS;
  return (size_t)shift * RK_HISTOGRAM_SUB_BUCKETS + (size_t)(value >> shift);
}

static uint64_t bucket_low(size_t bucket)
{
  if (bucket < SINGLES) {
    return bucket;
  }
  size_t shift = bucket / RK_HISTOGRAM_SUB_BUCKETS - 1;
  return (uint64_t)(bucket - shift * RK_HISTOGRAM_SUB_BUCKETS) << shift;
}

static uint64_t bucket_high(size_t bucket)
{
  size_t shift = bucket < SINGLES ? 0 : bucket / RK_HISTOGRAM_SUB_BUCKETS - 1;
  return bucket_low(bucket) + ((UINT64_C(1) << shift) - 1);
}

static void add_sum(rk_histogram *histogram, uint64_t low, uint64_t high)
{
  histogram->sum_low += low;
  histogram->sum_high += high + (histogram->sum_low < low ? 1 : 0);
}

void rk_histogram_reset(rk_histogram *histogram)
{
  memset(histogram, 0, sizeof *histogram);
  histogram->min = UINT64_MAX;
}

void rk_histogram_record(rk_histogram *histogram, uint64_t value)
{
  rk_histogram_record_n(histogram, value, 1);
}

void rk_histogram_record_n(rk_histogram *histogram, uint64_t value, uint64_t times)
{
  if (times == 0) {
    return;
  }
  if (RK_UNLIKELY(value > RK_HISTOGRAM_MAX)) {
    value = RK_HISTOGRAM_MAX;
  }
  __extension__ unsigned __int128 sum = (unsigned __int128)value * times;
  histogram->counts[bucket_of(value)] += times;
  histogram->total += times;
  add_sum(histogram, (uint64_t)sum, (uint64_t)(sum >> 64));
  if (value < histogram->min) {
    histogram->min = value;
  }
  if (value > histogram->max) {
    histogram->max = value;
  }
}

void rk_histogram_merge(rk_histogram *into, const rk_histogram *other)
{
  for (size_t i = 0; i < RK_HISTOGRAM_BUCKETS; i++) {
    into->counts[i] += other->counts[i];
  }
  into->total += other->total;
  add_sum(into, other->sum_low, other->sum_high);
  if (other->min < into->min) {
    into->min = other->min;
  }
  if (other->max > into->max) {
    into->max = other->max;
  }
}

uint64_t rk_histogram_count(const rk_histogram *histogram)
{
  return histogram->total;
}

uint64_t rk_histogram_min(const rk_histogram *histogram)
{
  return histogram->total == 0 ? 0 : histogram->min;
}

uint64_t rk_histogram_max(const rk_histogram *histogram)
{
  return histogram->max;
}

double rk_histogram_mean(const rk_histogram *histogram)
{
  if (histogram->total == 0) {
    return 0.0;
  }
  __extension__ unsigned __int128 sum = ((unsigned __int128)histogram->sum_high << 64) |
                                        histogram->sum_low;
  return (double)sum / (double)histogram->total;
}

uint64_t rk_histogram_percentile(const rk_histogram *histogram, double percent)
{
  uint64_t total = histogram->total;
  if (total == 0 || percent <= 0.0) {
    return rk_histogram_min(histogram);
  }
  if (!(percent < 100.0)) {
    return histogram->max;
  }
  double exact = percent / 100.0 * (double)total;
  /* 99.9 % of 1000 is 999.0000000000001 in binary: a rounding error must not cost a rank. */
  exact -= exact * 1e-14;
  uint64_t rank = (uint64_t)exact;
  if ((double)rank < exact) {
    rank++;
  }
  if (rank < 1) {
    rank = 1;
  }
  uint64_t seen = 0;
  for (size_t i = 0; i < RK_HISTOGRAM_BUCKETS; i++) {
    seen += histogram->counts[i];
    if (seen >= rank) {
      uint64_t high = bucket_high(i);
      return high < histogram->max ? high : histogram->max;
    }
  }
  return histogram->max;
}

bool rk_histogram_next(const rk_histogram *histogram, size_t *cursor, uint64_t *low, uint64_t *high,
                       uint64_t *count)
{
  for (size_t i = *cursor; i < RK_HISTOGRAM_BUCKETS; i++) {
    if (histogram->counts[i] != 0) {
      *low = bucket_low(i);
      *high = bucket_high(i);
      *count = histogram->counts[i];
      *cursor = i + 1;
      return true;
    }
  }
  *cursor = RK_HISTOGRAM_BUCKETS;
  return false;
}
