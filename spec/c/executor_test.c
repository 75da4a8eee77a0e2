/* SPDX-License-Identifier: MIT */
/*
 * Lanes of a block on one thread: reductions, barriers, warp operations, divergence, memory
 * failures, and that ThreadSanitizer finds the bugs planted in spec/c/planted.
 */
#include "backend/cpu/cpu_team.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/platform.h"
#include "base/thread.h"

#include <fenv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define LANES_MOST 128u /* ThreadSanitizer needs about 1 MB for a fiber */
#else
#define LANES_MOST RK_TEAM_LANES_MAX
#endif

static rk_team *open_team(uint32_t lanes)
{
  rk_error err = RK_ERROR_INIT;
  rk_team *team = NULL;
  assert_int_equal(rk_team_open(lanes, &err, &team), RK_OK);
  return team;
}

static void run_team(rk_team *team, uint32_t lanes, rk_team_fn *fn, void *arg)
{
  rk_error err = RK_ERROR_INIT;
  int status = rk_team_run(team, lanes, fn, arg, &err);
  if (status != RK_OK) {
    fail_msg("run of %u lanes: %s", lanes, err.text);
  }
}

/* ---- barriers ---- */

static _Thread_local uint64_t shared_value[RK_TEAM_LANES_MAX];

typedef struct reduction {
  uint64_t factor;
  uint64_t sum;
  uint32_t rounds;
} reduction;

/* Sum of factor * (lane + 1), by a tree that works for any number of lanes. */
static void reduce(void *arg, uint32_t lane)
{
  reduction *r = arg;
  uint32_t n = rk_team_lanes();
  for (uint32_t round = 0; round < r->rounds; round++) {
    shared_value[lane] = r->factor * (lane + 1);
    rk_team_sync();
    for (uint32_t size = n; size > 1;) {
      uint32_t half = (size + 1) / 2;
      if (lane < size - half) {
        shared_value[lane] += shared_value[lane + half];
      }
      rk_team_sync();
      size = half;
    }
    if (lane == 0) {
      r->sum = shared_value[0];
    }
    rk_team_sync();
  }
}

static void reduces_at_every_size(void **state)
{
  (void)state;
  static const uint32_t sizes[] = {1, 2, 3, 31, 32, 33, 64, 100, 128, 1000, 1024, 5};
  rk_team *team = open_team(LANES_MOST);
  for (size_t i = 0; i < RK_ARRAY_LEN(sizes); i++) {
    uint64_t n = sizes[i];
    if (n > LANES_MOST) {
      continue;
    }
    reduction r = {.factor = i + 1, .rounds = 3};
    run_team(team, sizes[i], reduce, &r);
    assert_int_equal(r.sum, (i + 1) * n * (n + 1) / 2);
  }
  rk_team_close(team);
}

static void reduce_on_thread(void *arg)
{
  reduction *r = arg;
  rk_error err = RK_ERROR_INIT;
  rk_team *team = NULL;
  if (rk_team_open(128, &err, &team) == RK_OK && rk_team_run(team, 128, reduce, r, &err) != RK_OK) {
    r->sum = 0;
  }
  rk_team_close(team);
}

static void eight_blocks_on_eight_threads(void **state)
{
  (void)state;
  reduction r[8];
  rk_thread *thread[8];
  for (size_t i = 0; i < 8; i++) {
    r[i] = (reduction){.factor = i + 1, .rounds = 10};
    assert_int_equal(rk_thread_start(&thread[i], "block", reduce_on_thread, &r[i], NULL), RK_OK);
  }
  for (size_t i = 0; i < 8; i++) {
    rk_thread_join(thread[i]);
    assert_int_equal(r[i].sum, (i + 1) * 128 * 129 / 2);
  }
}

static void one_lane(void *arg, uint32_t lane)
{
  uint32_t *calls = arg;
  assert_int_equal(lane, 0);
  assert_int_equal(rk_team_lane(), 0);
  assert_int_equal(rk_team_lanes(), 1);
  rk_team_sync();
  rk_team_warp_sync();
  assert_int_equal(rk_team_exchange(77, 5), 77);
  assert_int_equal(rk_team_ballot(true), 1);
  assert_int_equal(rk_team_ballot(false), 0);
  (*calls)++;
}

static void one_lane_is_a_plain_call(void **state)
{
  (void)state;
  rk_team *team = open_team(1024);
  uint64_t allocations = rk_alloc_count();
  uint32_t calls = 0;
  run_team(team, 1, one_lane, &calls);
  assert_int_equal(calls, 1);
  assert_int_equal(rk_alloc_count(), allocations);
  rk_team_close(team);
}

/* ---- lanes keep what is theirs ---- */

typedef struct private_check {
  uintptr_t local_at[RK_TEAM_LANES_MAX];
  uint32_t bad;
} private_check;

/* Fills a good part of the stack, lets all others do the same, and looks again. */
static void use_stack(void *arg, uint32_t lane)
{
  private_check *check = arg;
  volatile uint32_t words[8 * 1024];
  check->local_at[lane] = (uintptr_t)&words[0];
  for (uint32_t i = 0; i < RK_ARRAY_LEN(words); i++) {
    words[i] = lane * 0x9e3779b9u + i;
  }
  rk_team_sync();
  uint32_t bad = 0;
  for (uint32_t i = 0; i < RK_ARRAY_LEN(words); i++) {
    bad += words[i] != lane * 0x9e3779b9u + i;
  }
  bad += rk_team_lane() != lane;
  rk_team_sync();
  for (uint32_t turn = 0; turn < rk_team_lanes(); turn++) {
    if (turn == lane) {
      check->bad += bad;
    }
    rk_team_sync();
  }
}

static void stacks_are_apart_and_coloured(void **state)
{
  (void)state;
  rk_team *team = open_team(64);
  static private_check check;
  memset(&check, 0, sizeof(check));
  run_team(team, 64, use_stack, &check);
  assert_int_equal(check.bad, 0);
  for (size_t i = 1; i < 31; i++) {
    assert_int_not_equal((check.local_at[i] - check.local_at[0]) % 4096, 0);
  }
  rk_team_close(team);
}

#if defined(__x86_64__)
static void round_up_in_lane_1(void *arg, uint32_t lane)
{
  int *modes = arg;
  if (lane == 1) {
    fesetround(FE_UPWARD);
  }
  rk_team_sync();
  modes[lane] = fegetround();
  rk_team_sync();
  fesetround(FE_TONEAREST);
}

static void rounding_mode_belongs_to_the_lane(void **state)
{
  (void)state;
  rk_team *team = open_team(4);
  int modes[4] = {-1, -1, -1, -1};
  run_team(team, 4, round_up_in_lane_1, modes);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(modes[i], i == 1 ? FE_UPWARD : FE_TONEAREST);
  }
  assert_int_equal(fegetround(), FE_TONEAREST);
  rk_team_close(team);
}
#endif

/* ---- warps ---- */

typedef struct warp_check {
  uint64_t right[RK_TEAM_LANES_MAX], fixed[RK_TEAM_LANES_MAX], sum[RK_TEAM_LANES_MAX];
  uint32_t odd[RK_TEAM_LANES_MAX], none[RK_TEAM_LANES_MAX];
  uint32_t bad[RK_TEAM_LANES_MAX];
} warp_check;

static void use_warp(void *arg, uint32_t lane)
{
  warp_check *check = arg;
  uint32_t in_warp = lane % 32;
  check->right[lane] = rk_team_exchange(lane + 1000, in_warp + 1);
  check->fixed[lane] = rk_team_exchange(UINT64_C(1) << 40 | lane, 3);
  check->odd[lane] = rk_team_ballot(lane % 2 == 1);
  check->none[lane] = rk_team_ballot(false);
  uint64_t sum = lane;
  for (uint32_t step = 1; step < 32; step *= 2) { /* butterfly */
    sum += rk_team_exchange(sum, in_warp ^ step);
  }
  check->sum[lane] = sum;
  /* Warps run at their own pace between block barriers. */
  for (uint32_t i = 0; i < lane / 32; i++) {
    check->bad[lane] += rk_team_exchange(i, 0) != i;
    rk_team_warp_sync();
  }
  rk_team_sync();
}

static void warps_exchange_and_vote(void **state)
{
  (void)state;
  static const uint32_t sizes[] = {2, 32, 33, 96, 128};
  static warp_check check;
  rk_team *team = open_team(128);
  for (size_t s = 0; s < RK_ARRAY_LEN(sizes); s++) {
    uint32_t n = sizes[s];
    memset(&check, 0, sizeof(check));
    run_team(team, n, use_warp, &check);
    for (uint32_t lane = 0; lane < n; lane++) {
      uint32_t base = lane / 32 * 32;
      uint32_t width = n - base < 32 ? n - base : 32;
      uint32_t source = (lane + 1) % 32;
      assert_int_equal(check.right[lane], (source < width ? base + source : lane) + 1000);
      assert_int_equal(check.fixed[lane], UINT64_C(1) << 40 | (3 < width ? base + 3 : lane));
      assert_int_equal(check.odd[lane], 0xaaaaaaaau & (uint32_t)((UINT64_C(1) << width) - 1));
      assert_int_equal(check.none[lane], 0);
      assert_int_equal(check.bad[lane], 0);
      if (width == 32) {
        assert_int_equal(check.sum[lane], 32 * base + 31 * 32 / 2);
      }
    }
  }
  rk_team_close(team);
}

/* ---- divergence ---- */

typedef enum divergence { ONE_RETURNS, HALF_WAITS_ELSEWHERE, WARP_PART, MIXED_OPS } divergence;

typedef struct divergence_check {
  divergence kind;
  uint32_t after[128]; /* lanes that got past the barrier */
} divergence_check;

static void diverge(void *arg, uint32_t lane)
{
  divergence_check *check = arg;
  rk_team_sync();
  switch (check->kind) {
    case ONE_RETURNS:
      if (lane == 5) {
        return;
      }
      rk_team_sync();
      break;
    case HALF_WAITS_ELSEWHERE:
      if (lane < 32) {
        rk_team_sync();
      } else {
        rk_team_exchange(1, 0);
        rk_team_sync();
        rk_team_sync();
      }
      break;
    case WARP_PART:
      if (lane % 32 != 7) {
        rk_team_warp_sync();
      }
      break;
    case MIXED_OPS:
      if (lane % 2 == 0) {
        rk_team_ballot(true);
      } else {
        rk_team_exchange(1, 0);
      }
      break;
  }
  check->after[lane] = 1;
}

static void diverged_run_ends_with_an_error(void **state)
{
  (void)state;
  static const struct {
    divergence kind;
    const char *text;
    uint32_t after;
  } cases[] = {
      {ONE_RETURNS,
       "divergent barrier: of 64 lanes 63 wait at a block barrier (lane 0 first), 1 returned (lane "
       "5); ",
       0},
      {HALF_WAITS_ELSEWHERE,
       "divergent barrier: of 64 lanes 32 wait at a block barrier (lane 32 first), 32 returned "
       "(lane 0 first); ",
       32},
      {WARP_PART,
       "divergent barrier: of 64 lanes 62 wait at a warp barrier (lane 0 first), 2 returned (lane "
       "7 first); ",
       2},
      {MIXED_OPS,
       "divergent barrier: of 64 lanes 32 wait at a warp exchange (lane 1 first), 32 wait at a "
       "warp ballot (lane 0 first); ",
       0},
  };
  rk_team *team = open_team(64);
  for (int pass = 0; pass < 2; pass++) {
    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
      divergence_check check = {.kind = cases[i].kind};
      rk_error err = RK_ERROR_INIT;
      assert_int_equal(rk_team_run(team, 64, diverge, &check, &err), RK_EINVAL);
      assert_int_equal(strncmp(err.text, cases[i].text, strlen(cases[i].text)), 0);
      uint32_t after = 0;
      for (int lane = 0; lane < 64; lane++) {
        after += check.after[lane];
      }
      assert_int_equal(after, cases[i].after);
      /* The team is as good as new. */
      reduction r = {.factor = 1, .rounds = 2};
      run_team(team, 64, reduce, &r);
      assert_int_equal(r.sum, 64 * 65 / 2);
    }
  }
  divergence_check check = {.kind = ONE_RETURNS};
  assert_int_equal(rk_team_run(team, 64, diverge, &check, NULL), RK_EINVAL);
  rk_team_close(team); /* with fibers that have never run */
}

/* Lanes that return without waiting for anybody are no divergence. */
static void return_early(void *arg, uint32_t lane)
{
  uint32_t *count = arg;
  if (lane % 3 == 0) {
    return;
  }
  count[lane]++;
}

static void returning_early_is_allowed(void **state)
{
  (void)state;
  rk_team *team = open_team(100);
  uint32_t count[100] = {0};
  run_team(team, 100, return_early, count);
  for (uint32_t i = 0; i < 100; i++) {
    assert_int_equal(count[i], i % 3 != 0);
  }
  rk_team_close(team);
}

/* ---- misuse and failing memory ---- */

typedef struct nesting {
  rk_team *team;
  int status[2];
} nesting;

static void run_inside(void *arg, uint32_t lane)
{
  nesting *n = arg;
  n->status[lane] = rk_team_run(n->team, 2, run_inside, arg, NULL);
}

static void refuses_what_cannot_work(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  rk_team *team = NULL;
  assert_int_equal(rk_team_open(0, &err, &team), RK_EINVAL);
  assert_int_equal(rk_team_open(1025, &err, &team), RK_EINVAL);
  assert_null(team);
  team = open_team(4);
  nesting n = {.team = team, .status = {1, 1}};
  assert_int_equal(rk_team_run(team, 5, run_inside, &n, &err), RK_EINVAL);
  assert_int_equal(rk_team_run(team, 0, run_inside, &n, &err), RK_EINVAL);
  run_team(team, 2, run_inside, &n);
  assert_int_equal(n.status[0], RK_EINVALID_STATE);
  assert_int_equal(n.status[1], RK_EINVALID_STATE);
  rk_team_close(team);
  rk_team_close(NULL);
}

static void survives_every_failed_allocation(void **state)
{
  (void)state;
  uint64_t live = rk_alloc_live();
  uint64_t failures = 0;
  for (uint64_t k = 1;; k++) {
    rk_team *team = NULL;
    reduction r = {.factor = 1, .rounds = 1};
    rk_alloc_fail_at(k, false);
    int status = rk_team_open(64, NULL, &team);
    if (status == RK_OK) {
      status = rk_team_run(team, 64, reduce, &r, NULL);
    }
    rk_alloc_fail_at(0, false);
    if (status == RK_OK) {
      rk_team_close(team);
      break;
    }
    failures++;
    assert_int_equal(status, RK_EOUT_OF_MEMORY);
    assert_int_equal(r.sum, 0);
    if (team != NULL) { /* it can be used once there is memory again */
      run_team(team, 64, reduce, &r);
      assert_int_equal(r.sum, 64 * 65 / 2);
    }
    rk_team_close(team);
    assert_int_equal(rk_alloc_live(), live);
  }
  assert_true(failures >= 4);
  assert_int_equal(rk_alloc_live(), live);
}

/* ---- planted bugs ---- */

#define OUTPUT_BYTES 65536
#define FOLDER_BYTES 256
#define FILE_BYTES 512

static int run_program(const char *const *argv, char *output)
{
  rk_spawn program = {.argv = argv,
                      .timeout_ns = UINT64_C(120000000000),
                      .output = output,
                      .output_bytes = OUTPUT_BYTES};
  rk_spawn_result result;
  rk_error err = RK_ERROR_INIT;
  if (rk_platform_current()->spawn(&program, &result, &err) != RK_OK) {
    snprintf(output, OUTPUT_BYTES, "%s", err.text);
    return -1;
  }
  return result.exit_code;
}

static void expect_success(const char *const *argv)
{
  static char output[OUTPUT_BYTES];
  if (run_program(argv, output) != 0) {
    fail_msg("%s %s failed: %s", argv[0], argv[1], output);
  }
}

static void build_planted(const char *compiler, const char folder[FOLDER_BYTES])
{
  static const char *const bugs[] = {"missing_barrier", "late_reader", "warp_for_block",
                                     "exchange_for_barrier"};
  static char output[OUTPUT_BYTES];
  char base[FILE_BYTES], fibers[FILE_BYTES], program[FILE_BYTES], source[FILE_BYTES];
  const rk_platform *os = rk_platform_current();
  snprintf(base, sizeof(base), "%s/base.o", folder);
  snprintf(fibers, sizeof(fibers), "%s/fibers.o", folder);
  snprintf(program, sizeof(program), "%s/program", folder);
  char command[4 * FILE_BYTES];
  snprintf(command, sizeof(command),
           "mkdir %s/parts && for f in alloc error status params "
           "$(cd src/base && ls platform_real*.c | sed 's/[.]c$//'); do "
           "%s -std=gnu11 -D_GNU_SOURCE -O1 -g -Isrc -Ikernels/include -fsanitize=thread -c "
           "src/base/$f.c -o %s/parts/$f.o || exit 1; done; "
           "%s -r -nostdlib -o %s %s/parts/*.o && rm -r %s/parts",
           folder, compiler, folder, compiler, base, folder, folder);
  expect_success((const char *const[]){"sh", "-c", command, NULL});
  expect_success((const char *const[]){compiler, "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-g",
                                       "-Isrc", "-Ikernels/include", "-DRK_TSAN=1", "-r",
                                       "-nostdlib", "-o", fibers, "src/backend/cpu/cpu_fiber.c",
                                       "src/backend/cpu/cpu_team.c", NULL});
  for (size_t i = 0; i < RK_ARRAY_LEN(bugs); i++) {
    for (int fixed = 0; fixed < 2; fixed++) {
      snprintf(source, sizeof(source), "spec/c/planted/%s.c", bugs[i]);
      expect_success((const char *const[]){compiler, "-std=gnu11", "-O1", "-g", "-Isrc",
                                           "-fsanitize=thread", fixed ? "-DFIXED=1" : "-DBUG=1",
                                           "-o", program, source, base, fibers, "-lpthread", "-ldl",
                                           NULL});
      int code = run_program((const char *const[]){"env", "TSAN_OPTIONS=", program, NULL}, output);
      if (fixed ? code != 0 : code != 66 || strstr(output, "data race") == NULL) {
        fail_msg("%s, %s, %s: exit status %d\n%s", compiler, bugs[i],
                 fixed ? "fixed, but reported" : "not reported", code, output);
      }
    }
  }
  os->file_remove(base, NULL);
  os->file_remove(fibers, NULL);
  os->file_remove(program, NULL);
}

static void planted_bugs_are_reported_by(const char *compiler)
{
  const rk_platform *os = rk_platform_current();
  char folder[FOLDER_BYTES], probe[FILE_BYTES];
  static char output[OUTPUT_BYTES];
  assert_int_equal(os->dir_make_temp("rk-planted-", folder, sizeof(folder), NULL), RK_OK);
  snprintf(probe, sizeof(probe), "%s/probe", folder);
  char command[4 * FILE_BYTES];
  snprintf(command, sizeof(command),
           "echo 'int main(void){return 0;}' | %s -fsanitize=thread -x c -o %s - && %s", compiler,
           probe, probe);
  int code = run_program((const char *const[]){"sh", "-c", command, NULL}, output);
  os->file_remove(probe, NULL);
  if (code == 0) {
    build_planted(compiler, folder);
  }
  os->file_remove(folder, NULL);
  if (code != 0) {
    print_message("%s with ThreadSanitizer does not work here: %s\n", compiler, output);
    skip();
  }
}

static void planted_bugs_are_reported_by_gcc(void **state)
{
  (void)state;
  planted_bugs_are_reported_by("gcc");
}

static void planted_bugs_are_reported_by_clang(void **state)
{
  (void)state;
  planted_bugs_are_reported_by("clang");
}

/* ---- speed, reported only ---- */

#define SPEED_ROUNDS 2000u

static void only_sync(void *arg, uint32_t lane)
{
  (void)arg;
  (void)lane;
  for (uint32_t i = 0; i < SPEED_ROUNDS; i++) {
    rk_team_sync();
  }
}

static void reports_its_speed(void **state)
{
  (void)state;
  rk_team *team = open_team(128);
  run_team(team, 128, only_sync, NULL);
  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 5; i++) {
    uint64_t start = rk_clock_mono_ns();
    run_team(team, 128, only_sync, NULL);
    uint64_t took = rk_clock_mono_ns() - start;
    best = took < best ? took : best;
  }
  print_message("a switch takes %.1f ns (block barrier of 128 lanes, best of 5)\n",
                (double)best / (SPEED_ROUNDS * 128.0));
  assert_true(best > 0);
  rk_team_close(team);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(reduces_at_every_size),
    cmocka_unit_test(eight_blocks_on_eight_threads),
    cmocka_unit_test(one_lane_is_a_plain_call),
    cmocka_unit_test(stacks_are_apart_and_coloured),
#if defined(__x86_64__)
    cmocka_unit_test(rounding_mode_belongs_to_the_lane),
#endif
    cmocka_unit_test(warps_exchange_and_vote),
    cmocka_unit_test(diverged_run_ends_with_an_error),
    cmocka_unit_test(returning_early_is_allowed),
    cmocka_unit_test(refuses_what_cannot_work),
    cmocka_unit_test(survives_every_failed_allocation),
    cmocka_unit_test(planted_bugs_are_reported_by_gcc),
    cmocka_unit_test(planted_bugs_are_reported_by_clang),
    cmocka_unit_test(reports_its_speed),
  };
  return cmocka_run_group_tests_name("executor", tests, NULL, NULL);
}
