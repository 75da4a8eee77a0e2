/* SPDX-License-Identifier: MIT */
/*
 * The histogram against sorted arrays, over the whole range of numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/histogram.h"

static uint64_t seed;

static uint64_t next_random(void)
{
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static rk_histogram one;
static rk_histogram two;

static int make_empty(void **state)
{
  (void)state;
  memset(&one, 0xFF, sizeof one); /* reset must not rely on cleared memory */
  memset(&two, 0xFF, sizeof two);
  rk_histogram_reset(&one);
  rk_histogram_reset(&two);
  seed = UINT64_C(0x9E3779B97F4A7C15);
  return 0;
}

static int compare_u64(const void *a, const void *b)
{
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void empty_one_answers_zero(void **state)
{
  (void)state;
  size_t cursor = 0;
  uint64_t low, high, count;
  assert_int_equal(rk_histogram_count(&one), 0);
  assert_int_equal(rk_histogram_min(&one), 0);
  assert_int_equal(rk_histogram_max(&one), 0);
  assert_true(rk_histogram_mean(&one) == 0.0);
  assert_int_equal(rk_histogram_percentile(&one, 0), 0);
  assert_int_equal(rk_histogram_percentile(&one, 50), 0);
  assert_int_equal(rk_histogram_percentile(&one, 100), 0);
  assert_false(rk_histogram_next(&one, &cursor, &low, &high, &count));
  rk_histogram_record_n(&one, 5, 0);
  assert_int_equal(rk_histogram_count(&one), 0);
  assert_int_equal(rk_histogram_min(&one), 0);
}

/* Each bucket continues where the one before ended, from 0 to the maximum, and is narrow. */
static void buckets_cover_the_range_without_gap(void **state)
{
  (void)state;
  for (size_t i = 0; i < RK_HISTOGRAM_BUCKETS; i++) {
    one.counts[i] = 1;
  }
  size_t cursor = 0;
  size_t seen = 0;
  uint64_t expected_low = 0;
  uint64_t low, high, count;
  while (rk_histogram_next(&one, &cursor, &low, &high, &count)) {
    assert_true(low == expected_low);
    assert_true(high >= low);
    assert_true(high - low <= low / 64);
    assert_int_equal(count, 1);
    expected_low = high + 1;
    seen++;
  }
  assert_int_equal(seen, RK_HISTOGRAM_BUCKETS);
  assert_true(expected_low == (uint64_t)RK_HISTOGRAM_MAX + 1);
}

static void numbers_fall_into_their_bucket(void **state)
{
  (void)state;
  for (unsigned bit = 0; bit < 63; bit++) {
    uint64_t power = UINT64_C(1) << bit;
    const uint64_t values[] = {power - 1, power, power + 1, power + (next_random() & (power - 1)),
                               2 * power - 1};
    for (size_t i = 0; i < RK_ARRAY_LEN(values); i++) {
      size_t cursor = 0;
      uint64_t low, high, count;
      rk_histogram_reset(&one);
      rk_histogram_record(&one, values[i]);
      assert_true(rk_histogram_next(&one, &cursor, &low, &high, &count));
      assert_true(low <= values[i] && values[i] <= high);
      assert_int_equal(count, 1);
      assert_false(rk_histogram_next(&one, &cursor, &low, &high, &count));
      assert_true(rk_histogram_percentile(&one, 50) == values[i]); /* clamped to the maximum */
    }
  }
}

/* Compares with the sorted numbers; ranks are computed in whole numbers. */
static void check_against_sorted(uint64_t *values, size_t n)
{
  rk_histogram_reset(&one);
  long double sum = 0;
  for (size_t i = 0; i < n; i++) {
    rk_histogram_record(&one, values[i]);
    sum += (long double)values[i];
  }
  qsort(values, n, sizeof *values, compare_u64);
  assert_int_equal(rk_histogram_count(&one), n);
  assert_true(rk_histogram_min(&one) == values[0]);
  assert_true(rk_histogram_max(&one) == values[n - 1]);
  double mean = (double)(sum / (long double)n);
  double off = rk_histogram_mean(&one) - mean;
  assert_true(off <= mean * 1e-12 && off >= -mean * 1e-12);
  for (size_t milli = 0; milli <= 100000; milli += milli < 99000 ? 500 : 1) {
    size_t rank = (milli * n + 99999) / 100000;
    rank = rank < 1 ? 1 : rank;
    uint64_t exact = values[rank - 1];
    uint64_t told = rk_histogram_percentile(&one, (double)milli / 1000.0);
    assert_true(told >= exact);
    assert_true(told - exact <= exact / 64);
    if (milli == 0 || milli == 100000) {
      assert_true(told == exact);
    }
  }
}

static void percentiles_match_sorted_arrays(void **state)
{
  (void)state;
  enum { MOST = 20000 };
  static uint64_t values[MOST];
  const size_t sizes[] = {1, 2, 3, 10, 100, 1000, 1001, MOST};
  for (size_t s = 0; s < RK_ARRAY_LEN(sizes); s++) {
    for (int shape = 0; shape < 4; shape++) {
      for (size_t i = 0; i < sizes[s]; i++) {
        uint64_t r = next_random();
        switch (shape) {
          case 0: /* uniform and small: exact buckets */
            values[i] = r % 100;
            break;
          case 1: /* latencies with a tail */
            values[i] = 700 + r % 300 + (r % 97 == 0 ? r % 1000000 : 0);
            break;
          case 2: /* all magnitudes alike */
            values[i] = (r >> 1) >> (next_random() % 63);
            break;
          default: /* one number */
            values[i] = 123456789;
            break;
        }
      }
      check_against_sorted(values, sizes[s]);
    }
  }
}

static void odd_percentages_are_held_to_the_range(void **state)
{
  (void)state;
  rk_histogram_record(&one, 10);
  rk_histogram_record(&one, 1000);
  volatile double zero = 0.0;
  assert_int_equal(rk_histogram_percentile(&one, -5), 10);
  assert_int_equal(rk_histogram_percentile(&one, 500), 1000);
  assert_int_equal(rk_histogram_percentile(&one, 0.0 / zero), 1000);
  assert_int_equal(rk_histogram_percentile(&one, 5e-324), 10); /* its rank rounds to 0 */
  assert_int_equal(rk_histogram_percentile(&one, 50), 10);
  assert_int_equal(rk_histogram_percentile(&one, 50.001), 1000);
}

static void merging_is_as_recording_all(void **state)
{
  (void)state;
  static rk_histogram all;
  rk_histogram_reset(&all);
  for (int i = 0; i < 5000; i++) {
    uint64_t value = (next_random() >> 1) >> (next_random() % 60);
    uint64_t times = next_random() % 5;
    rk_histogram_record_n(i % 3 == 0 ? &one : &two, value, times);
    for (uint64_t t = 0; t < times; t++) {
      rk_histogram_record(&all, value);
    }
  }
  rk_histogram_merge(&one, &two);
  assert_memory_equal(&one, &all, sizeof all);
  rk_histogram_reset(&two);
  rk_histogram_merge(&one, &two); /* an empty one changes nothing */
  assert_memory_equal(&one, &all, sizeof all);
  rk_histogram_merge(&two, &one);
  assert_memory_equal(&two, &all, sizeof all);
  rk_histogram_merge(&one, &one);
  assert_true(rk_histogram_count(&one) == 2 * rk_histogram_count(&all));
  assert_true(rk_histogram_mean(&one) == rk_histogram_mean(&all));
}

static void largest_numbers_neither_wrap_nor_escape(void **state)
{
  (void)state;
  rk_histogram_record(&one, UINT64_MAX);
  assert_true(rk_histogram_max(&one) == (uint64_t)RK_HISTOGRAM_MAX);
  rk_histogram_record_n(&one, RK_HISTOGRAM_MAX, UINT64_C(1) << 40);
  assert_true(rk_histogram_mean(&one) == (double)RK_HISTOGRAM_MAX); /* the sum has 103 bits */
  assert_true(rk_histogram_percentile(&one, 50) == (uint64_t)RK_HISTOGRAM_MAX);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(empty_one_answers_zero, make_empty),
      cmocka_unit_test_setup(buckets_cover_the_range_without_gap, make_empty),
      cmocka_unit_test_setup(numbers_fall_into_their_bucket, make_empty),
      cmocka_unit_test_setup(percentiles_match_sorted_arrays, make_empty),
      cmocka_unit_test_setup(odd_percentages_are_held_to_the_range, make_empty),
      cmocka_unit_test_setup(merging_is_as_recording_all, make_empty),
      cmocka_unit_test_setup(largest_numbers_neither_wrap_nor_escape, make_empty),
  };
  return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
