/* SPDX-License-Identifier: MIT */
/*
 * Groups of blocks (kernels/include/rk_gang_dev.h) on the CPU: what handlers see, the barrier of all
 * lanes, several groups over the same blocks, failure, generations under load, and the end.
 */
#include "runtime_helper.h"

#define BLOCKS 4u

static rk_actor *launch_group(rk_runtime *rt, rk_kernel *kernel, uint32_t grid, uint32_t queue,
                              int32_t block)
{
  rk_actor *actor = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_launch_options options = {.queue = queue, .block = block, .grid = grid};
  if (rk_actor_launch(rt, kernel, &options, &actor, NULL, &err) != RK_OK) {
    fail_msg("launch: %s", err.text);
  }
  return actor;
}

/* Three phases with a barrier of all lanes between them: every lane fills cells, then adds up cells
 * that lanes of other blocks filled, then everybody sees the same sum. A lane that does not counts
 * itself in `wrong`. Answers {seq, sum, blocks * 1000 + lanes, wrong}. */
#define CROWD_STATE "rk_u64 sum, wrong, sums, fill; rk_u64 cells[1000];"
#define CROWD_SOURCE                                                         \
  "RK_ON(Num) {\n"                                                           \
  "  const rk_u64 n = 1000u;\n"                                              \
  "  rk_u64 part = 0u;\n"                                                    \
  "  if (rk_lane() == 0u) { state->sum = 0u; }\n"                            \
  "  RK_FOR_LANES(i, n) { state->cells[i] = i + msg->seq; }\n"               \
  "  rk_sync(ctx);\n"                                                        \
  "  RK_FOR_LANES(i, n) { part += state->cells[n - 1u - i]; }\n"             \
  "  part = rk_block_sum_u64(ctx, part);\n"                                  \
  "  if (rk_block_lane() == 0u) { rk_atomic_add_u64(&state->sum, part); }\n" \
  "  rk_sync(ctx);\n"                                                        \
  "  if (state->sum != n * (n - 1u) / 2u + n * msg->seq) {\n"                \
  "    rk_atomic_add_u64(&state->wrong, 1u);\n"                              \
  "  }\n"                                                                    \
  "  rk_sync(ctx);\n"                                                        \
  "  Num out;\n"                                                             \
  "  out.seq = msg->seq;\n"                                                  \
  "  out.a = state->sum;\n"                                                  \
  "  out.b = (rk_u64)rk_blocks() * 1000u + rk_lanes() / rk_blocks();\n"      \
  "  out.c = state->wrong;\n"                                                \
  "  if (rk_reply(ctx, Num, &out) != 0) { rk_fail(ctx, 99); }\n"             \
  "}\n"

static uint64_t crowd_sum(uint64_t seq)
{
  return 1000u * 999u / 2u + 1000u * seq;
}

static kernel_form crowd_form(unsigned lanes)
{
  return (kernel_form){
      .name = "crowd", .lanes = lanes, .state = CROWD_STATE, .source = CROWD_SOURCE};
}

static void expect_sum(num r, uint64_t seq, uint32_t grid, uint32_t lanes)
{
  assert_int_equal(r.seq, seq);
  assert_int_equal(r.a, crowd_sum(seq));
  assert_int_equal(r.b, grid * 1000u + lanes);
  assert_int_equal(r.c, 0);
}

/* What an actor has handled is told when its turn ends, which may be after its answers came. */
static void expect_processed(rk_runtime *rt, rk_actor *actor, uint64_t count)
{
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  while (stats_of(actor).processed != count && rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(rt, MILLISECOND);
  }
  assert_int_equal(stats_of(actor).processed, count);
}

static void barriers_join_all_lanes(void **state)
{
  static const unsigned lanes[] = {1, 5, 64};
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = BLOCKS});
  for (size_t k = 0; k < RK_ARRAY_LEN(lanes); ++k) {
    kernel_form form = crowd_form(lanes[k]);
    rk_kernel *kernel = make_kernel(rt, &form);
    for (uint32_t grid = 1; grid <= BLOCKS; ++grid) {
      /* from the last block on: the group goes on at block 0 */
      rk_actor *crowd = launch_group(rt, kernel, grid, 8, (int32_t)BLOCKS - 1);
      for (uint64_t seq = 0; seq < 20; ++seq) {
        expect_sum(ask(rt, crowd, (num){.seq = seq}), seq, grid, lanes[k]);
      }
      expect_nothing(rt, crowd); /* only lane 0 of block 0 answers */
      expect_processed(rt, crowd, 20);
      assert_int_equal(rk_actor_terminate(crowd, NULL), RK_OK);
      rk_actor_release(crowd);
    }
    rk_kernel_close(kernel);
  }
  close_runtime(rt);
}

typedef struct load {
  rk_actor *actor;
  uint32_t grid; /* 0: an ordinary actor that answers what it got */
  uint64_t sent, got;
} load;

/* Sends `count` messages to each of `n` actors and checks every answer. With `renew_every`, a new
 * generation begins after so many answers. */
static void run_load(rk_runtime *rt, load *loads, size_t n, uint64_t count, uint64_t renew_every)
{
  uint64_t left = n * count, since = 0;
  while (left != 0) {
    bool moved = false;
    for (size_t i = 0; i < n; ++i) {
      load *l = &loads[i];
      rk_received r;
      if (l->sent < count && try_send(l->actor, (num){.seq = l->sent}) == RK_OK) {
        l->sent += 1;
        moved = true;
      }
      if (rk_actor_try_receive(l->actor, &r) == RK_OK) {
        num m;
        memcpy(&m, r.data, sizeof(m));
        if (l->grid != 0) {
          expect_sum(m, l->got, l->grid, 8);
        } else {
          assert_int_equal(m.seq, l->got);
        }
        l->got += 1;
        left -= 1;
        since += 1;
        moved = true;
      }
    }
    if (renew_every != 0 && since >= renew_every) {
      rk_error err = RK_ERROR_INIT;
      since = 0;
      if (rk_runtime_renew(rt, &err) != RK_OK) {
        fail_msg("renew: %s", err.text);
      }
    }
    if (!moved) {
      assert_int_not_equal(rk_runtime_wait(rt, 10 * SECOND), RK_ETIMEOUT);
    }
  }
}

static const kernel_form plain_form = {
    .name = "plain",
    .source = "RK_ON(Num) { (void)state; (void)rk_reply(ctx, Num, msg); }\n",
};

enum { CROWDS = 4, PLAIN = 12 };

static void share_blocks(uint64_t count, uint64_t renew_every)
{
  /* two cover all blocks, two overlap in part; leaders on three blocks */
  static const struct {
    uint32_t grid;
    int32_t block;
  } place[CROWDS] = {{4, 0}, {2, 1}, {3, 1}, {4, 3}};
  load loads[CROWDS + PLAIN] = {0};
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = BLOCKS});
  kernel_form form = crowd_form(8);
  rk_kernel *crowd = make_kernel(rt, &form), *plain = make_kernel(rt, &plain_form);
  for (size_t i = 0; i < CROWDS; ++i) {
    loads[i].grid = place[i].grid;
    loads[i].actor = launch_group(rt, crowd, place[i].grid, 8, place[i].block);
  }
  for (size_t i = CROWDS; i < CROWDS + PLAIN; ++i) {
    loads[i].actor = launch(rt, plain, 8, (int32_t)(i % BLOCKS));
  }
  run_load(rt, loads, CROWDS + PLAIN, count, renew_every);
  assert_int_equal(letters(rt), 0);
  for (size_t i = 0; i < CROWDS + PLAIN; ++i) {
    expect_processed(rt, loads[i].actor, count);
    rk_actor_release(loads[i].actor);
  }
  rk_kernel_close(crowd);
  rk_kernel_close(plain);
  close_runtime(rt);
}

static void groups_share_blocks_with_others(void **state)
{
  (void)state;
  share_blocks(ROUNDS(2000u), 0);
}

static void generations_change_under_load(void **state)
{
  (void)state;
  share_blocks(ROUNDS(1000u), ROUNDS(200u));
}

/* a = member, b = lane: that one fails with code c, or stops the actor where c is 0. */
static const kernel_form fragile_form = {
    .name = "fragile",
    .lanes = 4,
    .source = "RK_ON(Num) {\n"
              "  (void)state;\n"
              "  if (rk_block() == msg->a && rk_block_lane() == msg->b) {\n"
              "    if (msg->c != 0u) { rk_fail(ctx, (int)msg->c); } else { rk_stop(ctx); }\n"
              "  }\n"
              "  rk_sync(ctx);\n"
              "  (void)rk_reply(ctx, Num, msg);\n"
              "}\n",
};

static void wait_for_state(rk_runtime *rt, rk_actor *actor, const char *name)
{
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  while (strcmp(rk_actor_state(actor), name) != 0) {
    assert_true(rk_clock_mono_ns() < deadline);
    (void)rk_runtime_wait(rt, MILLISECOND);
  }
}

static void any_lane_may_fail_or_stop(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = BLOCKS});
  rk_kernel *kernel = make_kernel(rt, &fragile_form);
  rk_actor *fragile = launch_group(rt, kernel, 3, 8, 2);
  for (uint64_t member = 0; member < 3; ++member) {
    for (uint64_t lane = 0; lane < 4; lane += 3) {
      send_num(rt, fragile, (num){.a = member, .b = lane, .c = 40 + member});
      wait_for_state(rt, fragile, "failed");
      assert_int_equal(stats_of(fragile).last_error, 40 + member);
      assert_int_equal(rk_actor_restart(fragile, false, NULL), RK_OK);
      (void)receive_num(rt, fragile); /* it had answered before it failed */
      assert_int_equal(ask(rt, fragile, (num){.seq = 5, .a = 9}).seq, 5);
    }
  }
  send_num(rt, fragile, (num){.a = 2, .b = 1});
  wait_for_state(rt, fragile, "terminated");
  rk_actor_release(fragile);
  rk_kernel_close(kernel);
  close_runtime(rt);
}

/* Lanes that return, or all lanes of a block that do, where the others wait for them. */
static const kernel_form absent_form = {
    .name = "absent",
    .lanes = 4,
    .source = "RK_ON(Num) {\n"
              "  (void)state;\n"
              "  if (rk_block() == msg->a && rk_block_lane() >= msg->b) { return; }\n"
              "  rk_sync(ctx);\n"
              "  rk_sync(ctx);\n"
              "}\n",
};

static void broken_barriers_end(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = BLOCKS});
  rk_kernel *kernel = make_kernel(rt, &absent_form), *plain = make_kernel(rt, &plain_form);
  rk_actor *absent = launch_group(rt, kernel, BLOCKS, 8, 1);
  rk_actor *other = launch(rt, plain, 8, 1);
  for (uint64_t member = 0; member < BLOCKS; ++member) {
    for (uint64_t lane = 0; lane < 4; lane += 2) {
      send_num(rt, absent, (num){.a = member, .b = lane});
      wait_for_state(rt, absent, "failed");
      assert_int_equal(stats_of(absent).last_error, RK_EINVAL);
      assert_int_equal(rk_actor_restart(absent, false, NULL), RK_OK);
      assert_int_equal(ask(rt, other, (num){.seq = lane}).seq, lane);
    }
  }
  rk_actor_release(absent);
  rk_actor_release(other);
  rk_kernel_close(kernel);
  rk_kernel_close(plain);
  close_runtime(rt);
}

/* Every lane of start, message and stop handlers adds one to a word of the test's own. */
static uint64_t lanes_seen[3];
static const kernel_form count_form = {
    .name = "count",
    .lanes = 3,
    .silent = true,
    .state = "rk_u64 words, started;",
    .on_start = true,
    .on_stop = true,
    .source = "RK_ON_START() { (void)ctx; rk_atomic_add_u64(&state->started, 1u); }\n"
              "RK_ON_STOP() {\n"
              "  (void)ctx;\n"
              "  if (state->words != 0u) {\n"
              "    rk_u64 *words = RK_ADDRESS(rk_u64, state->words);\n"
              "    rk_atomic_add_u64(&words[2], 1u);\n"
              "    if (rk_block_lane() == 0u) { rk_atomic_add_u64(&words[0], state->started); }\n"
              "  }\n"
              "}\n"
              "RK_ON(Num) {\n"
              "  if (rk_lane() == 0u) { state->words = msg->a; }\n"
              "  rk_sync(ctx);\n"
              "  rk_atomic_add_u64(&RK_ADDRESS(rk_u64, state->words)[1], 1u);\n"
              "}\n",
};

static void send_count(rk_runtime *rt, rk_actor *group)
{
  send_num(rt, group, (num){.a = (uint64_t)(uintptr_t)lanes_seen});
}

static void start_and_stop_run_on_all_blocks(void **state)
{
  (void)state;
  memset(lanes_seen, 0, sizeof(lanes_seen));
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = BLOCKS});
  rk_kernel *kernel = make_kernel(rt, &count_form);
  rk_actor *group = launch_group(rt, kernel, 3, 8, -1);
  send_count(rt, group);
  expect_processed(rt, group, 1);
  assert_int_equal(rk_actor_terminate(group, NULL), RK_OK);
  assert_int_equal(lanes_seen[0], 3u * 9u); /* three lanes on three blocks had started */
  assert_int_equal(lanes_seen[1], 9);
  assert_int_equal(lanes_seen[2], 9);
  rk_actor_release(group);
  rk_kernel_close(kernel);
  close_runtime(rt);
}

static void groups_end_with_their_runtime(void **state)
{
  (void)state;
  enum { GROUPS = 8, ROUNDS_OPEN = 5 };
  for (uint32_t round = 0; round < ROUNDS_OPEN; ++round) {
    memset(lanes_seen, 0, sizeof(lanes_seen));
    rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = BLOCKS});
    rk_kernel *kernel = make_kernel(rt, &count_form);
    for (uint32_t i = 0; i < GROUPS; ++i) {
      rk_actor *group = launch_group(rt, kernel, 2 + i % 3u, 64, -1);
      for (uint32_t k = 0; k < 40; ++k) { /* nobody waits until they are handled */
        send_count(rt, group);
      }
      rk_actor_release(group);
    }
    rk_kernel_close(kernel);
    close_runtime(rt);
    /* whoever had handled a message stopped on all its blocks */
    assert_int_equal(lanes_seen[1] % 3u, 0);
    assert_int_equal(lanes_seen[2] % 3u, 0);
    assert_true(lanes_seen[2] <= (2u * 3u + 3u * 3u + 4u * 2u) * 3u);
    assert_true(lanes_seen[1] == 0 || lanes_seen[2] >= 2u * 3u);
  }
}

static void more_blocks_than_there_are_are_refused(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2});
  rk_kernel *kernel = make_kernel(rt, &plain_form);
  rk_actor *actor = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_launch_options options = {.block = -1, .grid = 3};
  assert_int_equal(rk_actor_launch(rt, kernel, &options, &actor, NULL, &err), RK_EUNSUPPORTED);
  assert_non_null(strstr(err.text, "grid = 3"));
  assert_non_null(strstr(err.text, "2 blocks"));
  rk_kernel_close(kernel);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(barriers_join_all_lanes),
      cmocka_unit_test(groups_share_blocks_with_others),
      cmocka_unit_test(generations_change_under_load),
      cmocka_unit_test(any_lane_may_fail_or_stop),
      cmocka_unit_test(broken_barriers_end),
      cmocka_unit_test(start_and_stop_run_on_all_blocks),
      cmocka_unit_test(groups_end_with_their_runtime),
      cmocka_unit_test(more_blocks_than_there_are_are_refused),
  };
  return cmocka_run_group_tests(tests, make_cache, remove_cache);
}
