/* SPDX-License-Identifier: MIT */
/*
 * A histogram of latencies (or of any numbers from 0 to 2^63 - 1) of fixed size and precision.
 *
 * Log-linear, in the manner of HdrHistogram: numbers below 128 have a bucket each; above that,
 * every power of two is divided into 64 equal buckets. A bucket is therefore never wider than 1/64
 * (1.6 %) of the numbers in it, over the whole range, with 3712 counters (29 KiB). Recording is a
 * count of leading zeros and an add: no allocation, no branches that depend on history. Minimum,
 * maximum, count and mean are exact. Cleared memory is not an empty histogram: call reset first.
 *
 * Threads: owner. For several threads give each its own and merge.
 */
#ifndef RK_BASE_HISTOGRAM_H
#define RK_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RK_HISTOGRAM_SUB_BITS 6
#define RK_HISTOGRAM_SUB_BUCKETS 64
#define RK_HISTOGRAM_BUCKETS 3712 /* 128 single ones + 56 powers of two of 64 each */
#define RK_HISTOGRAM_MAX INT64_MAX

typedef struct rk_histogram {
  uint64_t total; /* numbers recorded */
  uint64_t min;   /* smallest one; UINT64_MAX while empty */
  uint64_t max;   /* largest one; 0 while empty */
  uint64_t sum_low;
  uint64_t sum_high; /* the exact sum, 128 bits */
  uint64_t counts[RK_HISTOGRAM_BUCKETS];
} rk_histogram;

/* Makes it empty. Call it before first use. */
void rk_histogram_reset(rk_histogram *histogram);

/* Records `value` once; larger ones than RK_HISTOGRAM_MAX count as that. */
void rk_histogram_record(rk_histogram *histogram, uint64_t value);

/* Records `value` `times` times. */
void rk_histogram_record_n(rk_histogram *histogram, uint64_t value, uint64_t times);

/* Adds all that `other` holds to `into`. They may be the same. */
void rk_histogram_merge(rk_histogram *into, const rk_histogram *other);

/* How many numbers were recorded. */
uint64_t rk_histogram_count(const rk_histogram *histogram);

/* The smallest and the largest number recorded, exact; 0 while empty. */
uint64_t rk_histogram_min(const rk_histogram *histogram);
uint64_t rk_histogram_max(const rk_histogram *histogram);

/* The mean of the recorded numbers (exact sum, rounded once); 0 while empty. */
double rk_histogram_mean(const rk_histogram *histogram);

/* The number that `percent` % of the recorded ones do not exceed: the one with rank
 * ceil(percent / 100 * count), at least 1, told as the top of its bucket (at most the maximum), so
 * never too low and at most 1/64 too high. 0 gives the minimum, 100 the maximum, both exact.
 * `percent` is held to 0..100 (not a number: 100). 0 while empty. */
uint64_t rk_histogram_percentile(const rk_histogram *histogram, double percent);

/* Walks the buckets that hold something, from low to high: start with *cursor = 0, call until it
 * returns false. A bucket holds `count` numbers from *low to *high, both included. */
bool rk_histogram_next(const rk_histogram *histogram, size_t *cursor, uint64_t *low, uint64_t *high,
                       uint64_t *count);

#endif
