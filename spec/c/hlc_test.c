/* SPDX-License-Identifier: MIT */
/*
 * Tests of the hybrid logical clock: the arithmetic of rk_hlc_dev.h and the host clock of
 * core/hlc.h, with a wall clock that the test sets, and with threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/platform.h"
#include "base/thread.h"
#include "core/hlc.h"

#define START_US UINT64_C(1700000000000000)

static uint64_t fake_us;
static unsigned fake_reads;

static uint64_t fake_wall_us(void)
{
  fake_reads++;
  return fake_us;
}

static rk_platform fake_platform;

static int use_fake_clock(void **state)
{
  (void)state;
  fake_platform = *rk_platform_real();
  fake_platform.clock_wall_us = fake_wall_us;
  fake_us = START_US;
  fake_reads = 0;
  rk_platform_set(&fake_platform);
  return 0;
}

static int use_real_clock(void **state)
{
  (void)state;
  rk_platform_set(NULL);
  return 0;
}

/* ---- the arithmetic ---- */

static void test_parts_of_a_stamp(void **state)
{
  (void)state;
  rk_u64 stamp = rkd_hlc_pack(START_US, 77);
  assert_int_equal(rkd_hlc_physical_us(stamp), START_US);
  assert_int_equal(rkd_hlc_logical(stamp), 77);
  assert_int_equal(rkd_hlc_logical(rkd_hlc_pack(1, 4096)), 0);
  assert_int_equal(rkd_hlc_physical_us(UINT64_MAX), RK_HLC_PHYSICAL_MAX);
}

static void test_owned_clock_ticks(void **state)
{
  (void)state;
  rk_u64 last = 0;
  assert_true(rkd_hlc_tick(&last, 100) == rkd_hlc_pack(100, 0));
  assert_true(rkd_hlc_tick(&last, 100) == rkd_hlc_pack(100, 1));
  assert_true(rkd_hlc_tick(&last, 90) == rkd_hlc_pack(100, 2));
  assert_true(rkd_hlc_tick(&last, 101) == rkd_hlc_pack(101, 0));
  assert_true(last == rkd_hlc_pack(101, 0));
}

static void test_owned_clock_merges(void **state)
{
  (void)state;
  rk_u64 last = rkd_hlc_pack(100, 5);
  /* The paper's four cases: own part leads, remote leads, both equal, wall leads. */
  assert_true(rkd_hlc_merge(&last, 90, rkd_hlc_pack(99, 9)) == rkd_hlc_pack(100, 6));
  assert_true(rkd_hlc_merge(&last, 90, rkd_hlc_pack(200, 9)) == rkd_hlc_pack(200, 10));
  assert_true(rkd_hlc_merge(&last, 90, rkd_hlc_pack(200, 30)) == rkd_hlc_pack(200, 31));
  assert_true(rkd_hlc_merge(&last, 300, rkd_hlc_pack(200, 40)) == rkd_hlc_pack(300, 0));
}

static void test_full_counter_carries(void **state)
{
  (void)state;
  rk_u64 last = 0;
  rk_u64 before = 0;
  for (int i = 0; i < 4096; i++) {
    rk_u64 stamp = rkd_hlc_tick(&last, 100);
    assert_true(stamp > before);
    before = stamp;
  }
  assert_true(last == rkd_hlc_pack(100, 4095));
  assert_true(rkd_hlc_tick(&last, 100) == rkd_hlc_pack(101, 0));
  assert_true(rkd_hlc_tick(&last, 101) == rkd_hlc_pack(101, 1));
  assert_true(rkd_hlc_tick(&last, 102) == rkd_hlc_pack(102, 0));
}

/* ---- the host clock with a set wall clock ---- */

static void test_tick_follows_the_wall(void **state)
{
  (void)state;
  rk_hlc clock;
  rk_hlc_init(&clock, 3, 0);
  assert_int_equal(clock.node, 3);
  assert_true(rk_hlc_tick(&clock) == rkd_hlc_pack(START_US, 0));
  assert_true(rk_hlc_tick(&clock) == rkd_hlc_pack(START_US, 1));
  fake_us += 10;
  assert_true(rk_hlc_tick(&clock) == rkd_hlc_pack(START_US + 10, 0));
  assert_int_equal(fake_reads, 3);
}

static void test_clock_step_back(void **state)
{
  (void)state;
  rk_hlc clock;
  rk_hlc_init(&clock, 0, 0);
  rk_u64 before = rk_hlc_tick(&clock);
  fake_us -= 3600 * UINT64_C(1000000);
  for (int i = 0; i < 10000; i++) {
    rk_u64 stamp = rk_hlc_tick(&clock);
    assert_true(stamp > before);
    assert_true(rk_hlc_now(&clock) == stamp);
    before = stamp;
  }
  /* 10000 stamps are two full counters: the clock is two microseconds ahead of where it stood. */
  assert_int_equal(rkd_hlc_physical_us(before), START_US + 2);
  fake_us = START_US + 3;
  assert_true(rk_hlc_tick(&clock) == rkd_hlc_pack(START_US + 3, 0));
}

static void test_now_does_not_advance(void **state)
{
  (void)state;
  rk_hlc clock;
  rk_hlc_init(&clock, 0, 0);
  assert_true(rk_hlc_now(&clock) == rkd_hlc_pack(START_US, 0));
  assert_true(clock.word == 0);
  rk_u64 stamp = rk_hlc_tick(&clock);
  assert_true(rk_hlc_now(&clock) == stamp);
  fake_us += 1;
  assert_true(rk_hlc_now(&clock) == rkd_hlc_pack(START_US + 1, 0));
  assert_true(clock.word == stamp);
}

static void test_update_merges(void **state)
{
  (void)state;
  rk_hlc clock;
  rk_hlc_init(&clock, 0, 0);
  rk_u64 stamp = 0;
  rk_error err = RK_ERROR_INIT;
  rk_u64 remote = rkd_hlc_pack(START_US + 500, 4);
  assert_int_equal(rk_hlc_update(&clock, remote, &stamp, &err), RK_OK);
  assert_true(stamp == remote + 1);
  assert_true(rk_hlc_tick(&clock) == remote + 2);
  /* An old one changes nothing but the count. */
  assert_int_equal(rk_hlc_update(&clock, 1, &stamp, &err), RK_OK);
  assert_true(stamp == remote + 3);
  assert_int_equal(rk_hlc_update(&clock, 1, NULL, NULL), RK_OK);
}

static void test_update_refuses_skew(void **state)
{
  (void)state;
  rk_hlc clock;
  rk_hlc_init(&clock, 0, 0);
  rk_u64 first = rk_hlc_tick(&clock);
  rk_u64 stamp = 42;
  rk_error err = RK_ERROR_INIT;
  uint64_t edge_us = START_US + RK_HLC_DEFAULT_SKEW_US;
  assert_int_equal(rk_hlc_update(&clock, rkd_hlc_pack(edge_us + 1, 0), &stamp, &err), RK_ESKEW);
  assert_int_equal(err.status, RK_ESKEW);
  assert_non_null(strstr(err.text, "60.000001 s ahead"));
  assert_non_null(strstr(err.text, "60.000000 s"));
  assert_true(stamp == 42);
  assert_true(clock.word == first);
  assert_int_equal(rk_hlc_update(&clock, rkd_hlc_pack(edge_us, 4095), &stamp, &err), RK_OK);
  assert_true(stamp == rkd_hlc_pack(edge_us + 1, 0));

  /* Even without a limit the word must not wrap. */
  rk_hlc_init(&clock, 0, UINT64_MAX);
  first = rk_hlc_tick(&clock);
  assert_int_equal(rk_hlc_update(&clock, UINT64_MAX, &stamp, &err), RK_ESKEW);
  assert_true(clock.word == first);
  assert_int_equal(rk_hlc_update(&clock, rkd_hlc_pack(RK_HLC_PHYSICAL_MAX - 1, 0), &stamp, &err),
                   RK_OK);

  rk_hlc_init(&clock, 0, 1500000);
  assert_int_equal(rk_hlc_update(&clock, rkd_hlc_pack(START_US + 1500000, 0), NULL, &err), RK_OK);
  assert_int_equal(rk_hlc_update(&clock, rkd_hlc_pack(START_US + 1500001, 0), NULL, &err),
                   RK_ESKEW);
  assert_non_null(strstr(err.text, "1.500001 s"));
}

static void test_compare(void **state)
{
  (void)state;
  assert_true(rk_hlc_compare(1, 9, 2, 1) < 0);
  assert_true(rk_hlc_compare(2, 1, 1, 9) > 0);
  assert_true(rk_hlc_compare(2, 1, 2, 9) < 0);
  assert_true(rk_hlc_compare(2, 65535, 2, 0) > 0);
  assert_int_equal(rk_hlc_compare(2, 5, 2, 5), 0);
}

/* ---- text ---- */

static void test_text_round_trip(void **state)
{
  (void)state;
  static const struct {
    rk_u64 stamp;
    uint16_t node;
    const char *text;
  } cases[] = {
      {0, 0, "0000000000000000-0"},
      {0x0006409a2c7e1003, 12, "0006409a2c7e1003-12"},
      {UINT64_MAX, 65535, "ffffffffffffffff-65535"},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    char text[RK_HLC_TEXT_BYTES];
    assert_string_equal(rk_hlc_format(cases[i].stamp, cases[i].node, text), cases[i].text);
    rk_u64 stamp = 1;
    uint16_t node = 1;
    assert_int_equal(rk_hlc_parse(text, &stamp, &node, NULL), RK_OK);
    assert_true(stamp == cases[i].stamp);
    assert_int_equal(node, cases[i].node);
  }
  rk_u64 stamp;
  uint16_t node;
  assert_int_equal(rk_hlc_parse("00000000DEADbeef-7", &stamp, &node, NULL), RK_OK);
  assert_true(stamp == 0xdeadbeef && node == 7);
}

static void test_text_refused(void **state)
{
  (void)state;
  static const char *const bad[] = {
      "",
      "-1",
      "0006409a2c7e100-12",
      "0006409a2c7e10033-12",
      "0006409a2c7e1003",
      "0006409a2c7e1003-",
      "0006409a2c7e1003-65536",
      "0006409a2c7e1003-99999999999999999999",
      "0006409a2c7e1003-01",
      "0006409a2c7e1003-1 ",
      "0006409a2c7e1003--1",
      "0006409a2c7e1003@1",
      "0006409a2c7e100g-1",
      " 006409a2c7e1003-1",
      "0x06409a2c7e1003-1",
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
    rk_u64 stamp = 5;
    uint16_t node = 6;
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(rk_hlc_parse(bad[i], &stamp, &node, &err), RK_ECORRUPT);
    assert_true(stamp == 5 && node == 6);
    assert_non_null(strstr(err.text, "is no timestamp"));
  }
}

/* ---- threads ---- */

#define THREADS 4
#if defined(__SANITIZE_THREAD__)
#define TICKS 100000
#else
#define TICKS 1000000
#endif

typedef struct ticker {
  rk_hlc *clock;
  rk_u64 *stamps;
  bool is_increasing;
} ticker;

static void run_ticker(void *arg)
{
  ticker *t = arg;
  rk_u64 before = 0;
  t->is_increasing = true;
  for (size_t i = 0; i < TICKS; i++) {
    rk_u64 stamp = rk_hlc_tick(t->clock);
    if (i % 1000 == 0) { /* some by way of a merge */
      rk_u64 merged = 0;
      if (rk_hlc_update(t->clock, stamp, &merged, NULL) != RK_OK || merged <= stamp) {
        t->is_increasing = false;
      }
      stamp = merged;
    }
    if (stamp <= before) {
      t->is_increasing = false;
    }
    before = stamp;
    t->stamps[i] = stamp;
  }
}

/* Walks the sorted stamps of all threads together: none may appear twice. */
static bool are_distinct(const ticker *tickers)
{
  size_t at[THREADS] = {0};
  rk_u64 before = 0;
  for (size_t n = 0; n < (size_t)THREADS * TICKS; n++) {
    rk_u64 least = UINT64_MAX;
    size_t who = 0;
    for (size_t i = 0; i < THREADS; i++) {
      if (at[i] < TICKS && tickers[i].stamps[at[i]] < least) {
        least = tickers[i].stamps[at[i]];
        who = i;
      }
    }
    if (least == before) {
      return false;
    }
    before = least;
    at[who]++;
  }
  return true;
}

static void tick_in_threads(void)
{
  rk_hlc clock;
  rk_hlc_init(&clock, 0, 0);
  ticker tickers[THREADS];
  rk_thread *threads[THREADS];
  for (size_t i = 0; i < THREADS; i++) {
    tickers[i] = (ticker){.clock = &clock, .stamps = rk_alloc(TICKS * sizeof(rk_u64))};
    assert_non_null(tickers[i].stamps);
  }
  for (size_t i = 0; i < THREADS; i++) {
    assert_int_equal(rk_thread_start(&threads[i], "tick", run_ticker, &tickers[i], NULL), RK_OK);
  }
  for (size_t i = 0; i < THREADS; i++) {
    rk_thread_join(threads[i]);
  }
  bool all_increasing = true;
  for (size_t i = 0; i < THREADS; i++) {
    all_increasing = all_increasing && tickers[i].is_increasing;
  }
  assert_true(all_increasing);
  assert_true(are_distinct(tickers));
  for (size_t i = 0; i < THREADS; i++) {
    rk_free(tickers[i].stamps);
  }
}

static void test_threads(void **state)
{
  (void)state;
  tick_in_threads();
}

/* A wall clock that goes back and forth by up to a millisecond, differently for each read. */
static uint32_t jumps;

static uint64_t jumping_wall_us(void)
{
  uint32_t n = __atomic_fetch_add(&jumps, 1u, __ATOMIC_RELAXED);
  return START_US + (n * UINT32_C(2654435761) >> 22);
}

static void test_threads_with_jumping_clock(void **state)
{
  (void)state;
  fake_platform.clock_wall_us = jumping_wall_us;
  tick_in_threads();
}

/* A tick is to cost at most half a clock read more than the read. Timing in tests is for the
 * reader only: the number is printed, and only gross failures fail. */
static void test_cost(void **state)
{
  (void)state;
  rk_hlc clock;
  rk_hlc_init(&clock, 0, 0);
  uint64_t best_read = UINT64_MAX;
  uint64_t best_tick = UINT64_MAX;
  volatile uint64_t sink = 0;
  for (int round = 0; round < 20; round++) {
    uint64_t start = rk_clock_mono_ns();
    for (int i = 0; i < 10000; i++) {
      sink = rk_clock_wall_us();
    }
    uint64_t read = rk_clock_mono_ns() - start;
    start = rk_clock_mono_ns();
    for (int i = 0; i < 10000; i++) {
      sink = rk_hlc_tick(&clock);
    }
    uint64_t tick = rk_clock_mono_ns() - start;
    best_read = read < best_read ? read : best_read;
    best_tick = tick < best_tick ? tick : best_tick;
  }
  (void)sink;
  print_message("clock read %.1f ns, tick %.1f ns\n", (double)best_read / 1e4,
                (double)best_tick / 1e4);
  assert_true(best_tick < best_read * 20 + 10000 * 1000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_parts_of_a_stamp),
      cmocka_unit_test(test_owned_clock_ticks),
      cmocka_unit_test(test_owned_clock_merges),
      cmocka_unit_test(test_full_counter_carries),
      cmocka_unit_test_setup_teardown(test_tick_follows_the_wall, use_fake_clock, use_real_clock),
      cmocka_unit_test_setup_teardown(test_clock_step_back, use_fake_clock, use_real_clock),
      cmocka_unit_test_setup_teardown(test_now_does_not_advance, use_fake_clock, use_real_clock),
      cmocka_unit_test_setup_teardown(test_update_merges, use_fake_clock, use_real_clock),
      cmocka_unit_test_setup_teardown(test_update_refuses_skew, use_fake_clock, use_real_clock),
      cmocka_unit_test(test_compare),
      cmocka_unit_test(test_text_round_trip),
      cmocka_unit_test(test_text_refused),
      cmocka_unit_test(test_threads),
      cmocka_unit_test_setup_teardown(test_threads_with_jumping_clock, use_fake_clock,
                                      use_real_clock),
      cmocka_unit_test(test_cost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
