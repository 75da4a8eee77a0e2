/* SPDX-License-Identifier: MIT */
/*
 * Tests of the handler helpers (rk_helpers.h) as a handler module sees them: this file is compiled
 * like one, and its lanes are those of a team (cpu_team.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cpu/cpu_team.h"
#include "base/alloc.h"
#include "base/base.h"
#include "base/error.h"
#include "base/thread.h"

#define RK_IS_MODULE 1
#define RK_LANES 2 /* any number but 1: lanes are asked at run time */
#include "rk_helpers.h"

#define LANES RK_TEAM_LANES_MAX

static const uint32_t lane_counts[] = {1, 2, 3, 5, 16, 31, 32, 33, 37, 63, 64, 65, 100, 1023, 1024};

static rk_u32 ballot_of(int predicate)
{
  return rk_team_ballot(predicate != 0);
}

static rk_u32 block_zero(void)
{
  return 0;
}

static rk_u32 block_one(void)
{
  return 1;
}

static const rk_port_api team_port = {
    .lane = rk_team_lane,
    .lanes = rk_team_lanes,
    .sync = rk_team_sync,
    .warp_sync = rk_team_warp_sync,
    .shuffle = rk_team_exchange,
    .ballot = ballot_of,
    .block = block_zero,
    .blocks = block_one,
};

static rk_team *team;

static int open_team(void **state)
{
  (void)state;
  rk_port = &team_port;
  return rk_team_open(LANES, NULL, &team);
}

static int close_team(void **state)
{
  (void)state;
  rk_team_close(team);
  return 0;
}

/* Runs `fn` with every number of lanes in lane_counts. */
static void run_all(rk_team_fn *fn)
{
  for (size_t i = 0; i < RK_ARRAY_LEN(lane_counts); i++) {
    uint32_t lanes = lane_counts[i];
    rk_error err = RK_ERROR_INIT;
    if (rk_team_run(team, lanes, fn, &lanes, &err) != RK_OK) {
      fail_msg("%u lanes: %s", lanes, err.text);
    }
  }
}

/* Lanes must not leave by cmocka's longjmp, so they count what is wrong. */
static uint32_t mistakes;

static void expect(bool is_right)
{
  if (!is_right) {
    mistakes++;
  }
}

/* ---- atomics ---- */

#define CHECK_INTEGERS(T, type, start, low, high)                                        \
  do {                                                                                   \
    type word = (start);                                                                 \
    assert_true(rk_atomic_load_##T(&word) == (start));                                   \
    assert_true(rk_atomic_add_##T(&word, 5) == (start));                                 \
    assert_true(word == (type)((start) + 5));                                            \
    assert_true(rk_atomic_sub_##T(&word, 6) == (type)((start) + 5));                     \
    assert_true(word == (type)((start)-1));                                              \
    rk_atomic_store_##T(&word, (start));                                                 \
    assert_true(rk_atomic_min_##T(&word, (high)) == (start) && word == (start));         \
    assert_true(rk_atomic_min_##T(&word, (low)) == (start) && word == (low));            \
    assert_true(rk_atomic_max_##T(&word, (low)) == (low) && word == (low));              \
    assert_true(rk_atomic_max_##T(&word, (high)) == (low) && word == (high));            \
    assert_true(rk_atomic_exch_##T(&word, (start)) == (high) && word == (start));        \
    assert_true(rk_atomic_cas_##T(&word, (low), (high)) == (start) && word == (start));  \
    assert_true(rk_atomic_cas_##T(&word, (start), (high)) == (start) && word == (high)); \
  } while (0)

static void test_atomics(void **state)
{
  (void)state;
  CHECK_INTEGERS(u32, rk_u32, 10u, 1u, 0xfffffff0u);
  CHECK_INTEGERS(i32, rk_i32, 10, -70000, 70000);
  CHECK_INTEGERS(u64, rk_u64, 10u, 1u, 0xfffffffffffffff0u);
  CHECK_INTEGERS(i64, rk_i64, 10, INT64_MIN, INT64_MAX);
  rk_i32 i = INT32_MAX;
  assert_int_equal(rk_atomic_add_i32(&i, 1), INT32_MAX);
  assert_int_equal(i, INT32_MIN);
  rk_u64 u = 0;
  assert_true(rk_atomic_sub_u64(&u, 1) == 0 && u == UINT64_MAX);
  rk_f32 f = 1.5f;
  assert_true(rk_atomic_add_f32(&f, 2.0f) == 1.5f && rk_atomic_load_f32(&f) == 3.5f);
  rk_f64 d = -1.25;
  assert_true(rk_atomic_add_f64(&d, 0.25) == -1.25 && rk_atomic_load_f64(&d) == -1.0);
  rk_atomic_store_f32(&f, 8.0f);
  rk_atomic_store_f64(&d, 9.0);
  assert_true(f == 8.0f && d == 9.0);
}

#define ROUNDS 50000

typedef struct shared_words {
  rk_u32 u32, max_u32, lock, guarded;
  rk_i64 i64, min_i64;
  rk_f32 f32;
  rk_f64 f64;
} shared_words;

static void add_up(void *arg)
{
  shared_words *w = arg;
  for (rk_u32 i = 1; i <= ROUNDS; i++) {
    rk_atomic_add_u32(&w->u32, 1);
    rk_atomic_sub_i64(&w->i64, 3);
    rk_atomic_add_f64(&w->f64, 0.5);
    if (i % 10 == 0) {
      rk_atomic_add_f32(&w->f32, 1.0f);
    }
    rk_atomic_max_u32(&w->max_u32, i);
    rk_atomic_min_i64(&w->min_i64, -(rk_i64)i);
    rk_u32 seen = rk_atomic_load_u32(&w->guarded);
    while (rk_atomic_cas_u32(&w->guarded, seen, seen + 2) != seen) {
      seen = rk_atomic_load_u32(&w->guarded);
    }
  }
}

static void test_atomics_between_blocks(void **state)
{
  (void)state;
  shared_words words = {0};
  rk_thread *other;
  assert_int_equal(rk_thread_start(&other, "block", add_up, &words, NULL), RK_OK);
  add_up(&words);
  rk_thread_join(other);
  assert_int_equal(words.u32, 2 * ROUNDS);
  assert_true(words.i64 == -6 * ROUNDS);
  assert_true(words.f64 == (double)ROUNDS);
  assert_true(words.f32 == (float)(2 * ROUNDS / 10));
  assert_int_equal(words.max_u32, ROUNDS);
  assert_true(words.min_i64 == -ROUNDS);
  assert_int_equal(words.guarded, 4 * ROUNDS);
}

/* ---- warps ---- */

static void check_shuffles(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  uint32_t first = lane / 32 * 32;
  uint32_t in_warp = lanes - first < 32 ? lanes - first : 32;
  expect(rk_warp_lane() == lane % 32);
  expect(rk_warp_lanes() == in_warp);
  for (uint32_t source = 0; source < 33; source += 3) {
    uint32_t from = source % 32 < in_warp ? first + source % 32 : lane;
    expect(rk_shuffle_u32(lane + 7, source) == from + 7);
    expect(rk_shuffle_i32(-(rk_i32)lane, source) == -(rk_i32)from);
    expect(rk_shuffle_u64((rk_u64)lane << 40, source) == (rk_u64)from << 40);
    expect(rk_shuffle_i64(-((rk_i64)lane << 40), source) == -((rk_i64)from << 40));
    expect(rk_shuffle_f32((rk_f32)lane + 0.5f, source) == (rk_f32)from + 0.5f);
    expect(rk_shuffle_f64((rk_f64)lane + 0.25, source) == (rk_f64)from + 0.25);
  }
}

static void test_shuffles(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_shuffles);
  assert_int_equal(mistakes, 0);
}

static void check_votes(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  uint32_t last = lanes - 1;
  expect(!rk_warp_any(0));
  expect(rk_warp_all(1));
  expect(rk_warp_any(lane == last) == (lane / 32 == last / 32));
  expect(rk_warp_all(lane != last) == (lane / 32 != last / 32));
  uint32_t first = lane / 32 * 32;
  uint32_t in_warp = lanes - first < 32 ? lanes - first : 32;
  expect(rk_ballot(lane % 2 == 0) == (0x55555555u & (0xffffffffu >> (32 - in_warp))));
}

static void test_votes(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_votes);
  assert_int_equal(mistakes, 0);
}

/* A value that differs between lanes and changes sign. */
static int64_t value_of(uint32_t lane)
{
  return (int64_t)(lane * 37 % 101) - 50;
}

typedef struct expected {
  int64_t sum, min, max;
} expected;

static expected over_lanes(uint32_t first, uint32_t end)
{
  expected e = {0, INT64_MAX, INT64_MIN};
  for (uint32_t i = first; i < end; i++) {
    int64_t v = value_of(i);
    e.sum += v;
    e.min = v < e.min ? v : e.min;
    e.max = v > e.max ? v : e.max;
  }
  return e;
}

/* All values are small whole numbers, so sums are exact in every type. */
#define CHECK_SIGNED(T, type, call, e, v)             \
  do {                                                \
    expect(call(sum, T, (type)(v)) == (type)(e).sum); \
    expect(call(min, T, (type)(v)) == (type)(e).min); \
    expect(call(max, T, (type)(v)) == (type)(e).max); \
  } while (0)
#define CHECK_UNSIGNED(T, type, call, e, v, count)                            \
  do {                                                                        \
    expect(call(sum, T, (type)((v) + 50)) == (type)((e).sum + 50 * (count))); \
    expect(call(min, T, (type)((v) + 50)) == (type)((e).min + 50));           \
    expect(call(max, T, (type)((v) + 50)) == (type)((e).max + 50));           \
  } while (0)
#define ON_WARP(name, T, v) rk_warp_##name##_##T(v)
#define ON_BLOCK(name, T, v) rk_block_##name##_##T((rk_ctx *)0, (v))
#define CHECK_ALL(call, e, v, count)                \
  do {                                              \
    CHECK_SIGNED(i32, rk_i32, call, e, v);          \
    CHECK_SIGNED(i64, rk_i64, call, e, v);          \
    CHECK_SIGNED(f32, rk_f32, call, e, v);          \
    CHECK_SIGNED(f64, rk_f64, call, e, v);          \
    CHECK_UNSIGNED(u32, rk_u32, call, e, v, count); \
    CHECK_UNSIGNED(u64, rk_u64, call, e, v, count); \
  } while (0)

static void check_warp_reductions(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  uint32_t first = lane / 32 * 32;
  uint32_t end = first + 32 < lanes ? first + 32 : lanes;
  expected e = over_lanes(first, end);
  int64_t v = value_of(lane);
  CHECK_ALL(ON_WARP, e, v, (int64_t)(end - first));
}

static void test_warp_reductions(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_warp_reductions);
  assert_int_equal(mistakes, 0);
}

static void check_block_reductions(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  expected e = over_lanes(0, lanes);
  int64_t v = value_of(lane);
  CHECK_ALL(ON_BLOCK, e, v, (int64_t)lanes);
}

static void test_block_reductions(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_block_reductions);
  assert_int_equal(mistakes, 0);
}

/* Reductions that follow each other, and what one lane wrote before one being there after it. */
static void check_in_a_row(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  RK_SHARED rk_u32 board[LANES];
  rk_u64 total = (rk_u64)lanes * (lanes - 1) / 2;
  for (rk_u32 round = 0; round < 8; round++) {
    board[lane] = lane * 3 + round;
    rk_u64 sum = rk_block_sum_u64((rk_ctx *)0, lane + (rk_u64)round);
    expect(sum == total + (rk_u64)round * lanes);
    expect(board[(lane + 1) % lanes] == (lane + 1) % lanes * 3 + round);
    expect(rk_block_max_f64((rk_ctx *)0, (rk_f64)lane * (round + 1)) ==
           (rk_f64)(lanes - 1) * (round + 1));
  }
}

static void test_block_reductions_in_a_row(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_in_a_row);
  assert_int_equal(mistakes, 0);
}

static rk_f64 sums[LANES];
static rk_f32 narrow_sums[LANES];

static void sum_fractions(void *arg, uint32_t lane)
{
  (void)arg;
  sums[lane] = rk_block_sum_f64((rk_ctx *)0, 1.0 / (lane + 3.0));
  narrow_sums[lane] = rk_block_sum_f32((rk_ctx *)0, 1.0f / ((float)lane + 3.0f));
}

static void test_float_sums_are_the_same_everywhere(void **state)
{
  (void)state;
  for (size_t n = 0; n < RK_ARRAY_LEN(lane_counts); n++) {
    uint32_t lanes = lane_counts[n];
    assert_int_equal(rk_team_run(team, lanes, sum_fractions, &lanes, NULL), RK_OK);
    double exact = 0.0;
    for (uint32_t i = 0; i < lanes; i++) {
      exact += 1.0 / (i + 3.0);
    }
    for (uint32_t i = 0; i < lanes; i++) {
      assert_memory_equal(&sums[i], &sums[0], sizeof sums[0]);
      assert_memory_equal(&narrow_sums[i], &narrow_sums[0], sizeof narrow_sums[0]);
    }
    assert_true(sums[0] > exact - 1e-12 && sums[0] < exact + 1e-12);
    assert_true((double)narrow_sums[0] > exact - 1e-5 && (double)narrow_sums[0] < exact + 1e-5);
  }
}

static void check_nan(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  rk_f64 nan = __builtin_nan("");
  bool is_first = lane < lanes / 2;
  rk_f64 v = is_first ? nan : (rk_f64)lane;
  expect(rk_block_min_f64((rk_ctx *)0, v) == (rk_f64)(lanes / 2));
  expect(rk_block_max_f64((rk_ctx *)0, v) == (rk_f64)(lanes - 1));
  v = is_first ? (rk_f64)lane : nan;
  if (lanes > 1) {
    expect(rk_block_min_f64((rk_ctx *)0, v) == 0.0);
    expect(rk_block_max_f64((rk_ctx *)0, v) == (rk_f64)(lanes / 2 - 1));
  }
  rk_f32 none = rk_block_max_f32((rk_ctx *)0, __builtin_nanf(""));
  expect(none != none);
}

static void test_extremes_ignore_nan(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_nan);
  assert_int_equal(mistakes, 0);
}

static void check_wrap(void *arg, uint32_t lane)
{
  uint32_t lanes = *(uint32_t *)arg;
  (void)lane;
  expect(rk_block_sum_u32((rk_ctx *)0, 0xffffffffu) == 0u - lanes);
  expect(rk_block_sum_i32((rk_ctx *)0, INT32_MIN) == (lanes % 2 == 0 ? 0 : INT32_MIN));
  expect(rk_block_sum_i64((rk_ctx *)0, INT64_MIN) == (lanes % 2 == 0 ? 0 : INT64_MIN));
}

static void test_sums_wrap(void **state)
{
  (void)state;
  mistakes = 0;
  run_all(check_wrap);
  assert_int_equal(mistakes, 0);
}

/* Two blocks at once, each with a scratch of its own. */
typedef struct block_run {
  uint32_t lanes;
  uint32_t wrong;
  int status;
} block_run;

static void sum_in_block(void *arg, uint32_t lane)
{
  block_run *run = arg;
  for (rk_u32 round = 0; round < 20; round++) {
    rk_u64 sum = rk_block_sum_u64((rk_ctx *)0, (rk_u64)lane + run->lanes);
    if (sum != (rk_u64)run->lanes * (run->lanes - 1) / 2 + (rk_u64)run->lanes * run->lanes) {
      rk_atomic_add_u32(&run->wrong, 1);
    }
  }
}

static void run_block(void *arg)
{
  block_run *run = arg;
  rk_team *own = NULL;
  run->status = rk_team_open(run->lanes, NULL, &own);
  if (run->status == RK_OK) {
    run->status = rk_team_run(own, run->lanes, sum_in_block, run, NULL);
  }
  rk_team_close(own);
}

static void test_two_blocks(void **state)
{
  (void)state;
  block_run runs[2] = {{.lanes = 96}, {.lanes = 200}};
  rk_thread *other;
  assert_int_equal(rk_thread_start(&other, "block", run_block, &runs[1], NULL), RK_OK);
  run_block(&runs[0]);
  rk_thread_join(other);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(runs[i].status, RK_OK);
    assert_int_equal(runs[i].wrong, 0);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_atomics),
      cmocka_unit_test(test_atomics_between_blocks),
      cmocka_unit_test(test_shuffles),
      cmocka_unit_test(test_votes),
      cmocka_unit_test(test_warp_reductions),
      cmocka_unit_test(test_block_reductions),
      cmocka_unit_test(test_block_reductions_in_a_row),
      cmocka_unit_test(test_float_sums_are_the_same_everywhere),
      cmocka_unit_test(test_extremes_ignore_nan),
      cmocka_unit_test(test_sums_wrap),
      cmocka_unit_test(test_two_blocks),
  };
  return cmocka_run_group_tests(tests, open_team, close_team);
}
