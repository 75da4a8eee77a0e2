/* SPDX-License-Identifier: MIT */
/*
 * Latency histograms of blocks (rk_histogram_dev.h, runtime/latency.c) against base/histogram on
 * the same numbers, and read while they are written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/thread.h"
#include "runtime/latency.h"

#define REACH (UINT64_C(1) << 33)

static rk_abi_latency coarse;
static rk_histogram exact, got;
static uint64_t seed;

static uint64_t next_random(void)
{
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static int make_empty(void **state)
{
  (void)state;
  memset(&coarse, 0, sizeof(coarse));
  rk_histogram_reset(&exact);
  memset(&got, 0xFF, sizeof(got));
  seed = UINT64_C(0x9E3779B97F4A7C15);
  return 0;
}

static void record(uint64_t ns)
{
  rkd_latency_record(&coarse, ns);
  rk_histogram_record(&exact, ns);
}

static void an_empty_one_answers_zero(void **state)
{
  (void)state;
  rk_latency_read(&coarse, &got);
  assert_int_equal(rk_histogram_count(&got), 0);
  assert_int_equal(rk_histogram_min(&got), 0);
  assert_int_equal(rk_histogram_max(&got), 0);
  assert_int_equal(rk_histogram_percentile(&got, 99), 0);
}

static void buckets_meet_without_gaps(void **state)
{
  (void)state;
  assert_int_equal(rkd_latency_low(0), 0);
  for (uint32_t i = 1; i < RK_LATENCY_BUCKETS; ++i) {
    uint64_t low = rkd_latency_low(i);
    assert_int_equal(rkd_latency_bucket(low), i);
    assert_int_equal(rkd_latency_bucket(low - 1), i - 1);
    uint64_t width = low - rkd_latency_low(i - 1);
    assert_true(i < 16 ? width == 1 : width * 8 <= rkd_latency_low(i - 1));
  }
  assert_int_equal(rkd_latency_low(RK_LATENCY_BUCKETS - 1), REACH / 16 * 15);
  assert_int_equal(rkd_latency_bucket(REACH - 1), RK_LATENCY_BUCKETS - 1);
  assert_int_equal(rkd_latency_bucket(UINT64_MAX), RK_LATENCY_BUCKETS - 1);
}

/* As base/histogram on the same numbers, but for the width of the buckets. */
static void assert_alike(void)
{
  static const double percents[] = {0, 1, 10, 25, 50, 75, 90, 99, 99.9, 99.99, 100};
  rk_latency_read(&coarse, &got);
  assert_int_equal(rk_histogram_count(&got), rk_histogram_count(&exact));
  assert_int_equal(rk_histogram_min(&got), rk_histogram_min(&exact));
  assert_int_equal(rk_histogram_max(&got), rk_histogram_max(&exact));
  assert_true(rk_histogram_mean(&got) == rk_histogram_mean(&exact));
  for (size_t i = 0; i < RK_ARRAY_LEN(percents); ++i) {
    uint64_t fine = rk_histogram_percentile(&exact, percents[i]);
    uint64_t rough = rk_histogram_percentile(&got, percents[i]);
    /* both err upwards: the fine one by 1/64 at most, ours by 1/8, each of its own bucket */
    assert_true(rough >= fine - fine / 64);
    assert_true(rough <= fine + fine / 8 || rough == rk_histogram_max(&exact));
  }
}

static void random_numbers_give_the_same_percentiles(void **state)
{
  (void)state;
  for (unsigned bits = 1; bits <= 33; ++bits) {
    make_empty(NULL);
    for (unsigned i = 0; i < 3000; ++i) {
      record(next_random() >> (64 - bits));
    }
    assert_alike();
  }
}

static void a_long_tail_gives_the_same_percentiles(void **state)
{
  (void)state;
  for (unsigned i = 0; i < 100000; ++i) {
    uint64_t r = next_random();
    record((r >> 40) >> (r & 23u)); /* 24 bits, mostly fewer */
  }
  assert_alike();
}

static void what_is_too_long_counts_as_the_maximum(void **state)
{
  (void)state;
  record(100);
  record(5 * REACH);
  record(7 * REACH);
  rk_latency_read(&coarse, &got);
  assert_int_equal(rk_histogram_count(&got), 3);
  assert_int_equal(rk_histogram_min(&got), 100);
  assert_int_equal(rk_histogram_max(&got), 7 * REACH);
  assert_true(rk_histogram_percentile(&got, 99) >= 5 * REACH);
  assert_true(rk_histogram_mean(&got) == rk_histogram_mean(&exact));
}

static void a_full_counter_stays_full(void **state)
{
  (void)state;
  coarse.counts[5] = UINT32_MAX - 1u;
  rkd_latency_record(&coarse, 5);
  rkd_latency_record(&coarse, 5);
  rkd_latency_record(&coarse, 5);
  assert_int_equal(coarse.counts[5], UINT32_MAX);
  assert_int_equal(coarse.sum_ns, 5);
}

/* ---- both at once ---- */

#define FLOOD 1000000u

static uint32_t flood_done;

static void flood(void *arg)
{
  (void)arg;
  for (uint32_t i = 0; i < FLOOD; ++i) {
    uint64_t r = next_random();
    rkd_latency_record(&coarse, (r >> 40) >> (r & 23u));
  }
  rk_st_release_gpu_u32(&flood_done, 1u);
}

static void it_can_be_read_while_it_is_written(void **state)
{
  rk_thread *writer = NULL;
  uint64_t before = 0;
  bool done = false;
  (void)state;
  rk_st_relaxed_gpu_u32(&flood_done, 0u);
  assert_int_equal(rk_thread_start(&writer, "block", flood, NULL, NULL), RK_OK);
  while (!done) {
    done = rk_ld_acquire_gpu_u32(&flood_done) != 0;
    rk_latency_read(&coarse, &got);
    uint64_t count = rk_histogram_count(&got);
    if (count < before || count > FLOOD || rk_histogram_min(&got) > rk_histogram_max(&got) ||
        rk_histogram_percentile(&got, 50) > rk_histogram_max(&got)) {
      fail_msg("%llu of %llu numbers, then %llu", (unsigned long long)before,
               (unsigned long long)FLOOD, (unsigned long long)count);
    }
    before = count;
  }
  rk_thread_join(writer);
  assert_int_equal(before, FLOOD);
}

#define TEST(function) cmocka_unit_test_setup(function, make_empty)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(an_empty_one_answers_zero),
      TEST(buckets_meet_without_gaps),
      TEST(random_numbers_give_the_same_percentiles),
      TEST(a_long_tail_gives_the_same_percentiles),
      TEST(what_is_too_long_counts_as_the_maximum),
      TEST(a_full_counter_stays_full),
      TEST(it_can_be_read_while_it_is_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
