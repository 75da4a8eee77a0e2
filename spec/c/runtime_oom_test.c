/* SPDX-License-Identifier: MIT */
/*
 * A whole life of a runtime in which allocation number k fails, once or from then on, for every k
 * until it all succeeds: nothing crashes, nothing leaks, what was accepted is not lost, and once
 * there is memory again the same runtime works and closes.
 */
#include "runtime_helper.h"

#define PATIENCE \
  (100 * MILLISECOND) /* for what cannot arrive while there is no memory to keep it */

static const kernel_form pair_form = {
    .name = "pair",
    .lanes = 2,
    .ports = {"out"},
    .state = "rk_u64 n;",
    .source = "RK_ON(Num) {\n"
              "  Num out = *msg;\n"
              "  if (rk_lane() == 0) { state->n += 1; }\n"
              "  rk_sync(ctx);\n"
              "  out.a = rk_block_sum_u64(ctx, 1);\n"
              "  rk_reply(ctx, Num, &out);\n"
              "  rk_send(ctx, RK_PORT_out, Num, &out);\n"
              "}\n",
};

static const kernel_form mirror_form = {
    .name = "mirror",
    .source = "RK_ON(Num) {\n"
              "  (void)state;\n"
              "  if (rk_sender(ctx) == 0) { rk_reply(ctx, Num, msg); rk_publish(ctx, \"seen\", "
              "Num, msg); }\n"
              "  else { rk_send_to(ctx, 0, Num, msg); }\n"
              "}\n",
    .burst = 2,
};

typedef struct scene {
  rk_runtime *rt;
  rk_kernel *pair, *mirror, *stock;
  rk_actor *a, *b, *c;
  rk_call *call;
  rk_subscription *box, *direct;
  rk_device_buffer *buffer;
  rk_actor *waits_for; /* a message from it was due and did not come */
  bool waits_for_call;
} scene;

static char pair_text[TEXT_BYTES], mirror_text[TEXT_BYTES];

#define STEP(call)          \
  do {                      \
    int step_rc = (call);   \
    if (step_rc != RK_OK) { \
      return step_rc;       \
    }                       \
  } while (0)

static int expect_num(scene *s, rk_actor *from, uint64_t seq)
{
  rk_received r;
  int rc = receive_within(s->rt, from, &r, PATIENCE);
  if (rc != RK_OK) {
    s->waits_for = from;
    return rc;
  }
  assert_int_equal(((const num *)r.data)->seq, seq);
  return RK_OK;
}

static int finish_call(scene *s, uint64_t timeout_ns)
{
  uint64_t deadline = rk_clock_deadline(timeout_ns);
  rk_received r;
  int rc = RK_OK;
  while ((rc = rk_call_poll(s->call, &r)) == RK_EEMPTY) {
    if (rk_clock_mono_ns() >= deadline) {
      return RK_ETIMEOUT;
    }
    (void)rk_runtime_wait(s->rt, rk_clock_remaining(deadline));
  }
  if (rc == RK_OK) {
    assert_int_equal(((const num *)r.data)->seq, 2);
  }
  return rc;
}

/* Everything once. Stops where something fails. */
static int play(scene *s)
{
  rk_runtime_options options = {
      .blocks = 2, .spin_us = 10, .cache_dir = cache_folder, .max_actors = 64};
  rk_launch_options small = {.queue = 8, .block = -1, .name = "small"}, plain = {.block = 1};
  num m = {1, 0, 0, 0};
  size_t reached = 0;
  rk_received r;
  STEP(rk_runtime_open(&options, &s->rt, NULL));
  STEP(rk_kernel_open("pair", pair_text, &s->pair, NULL));
  STEP(rk_kernel_open("mirror", mirror_text, &s->mirror, NULL));
  STEP(rk_kernel_stock("echo", &s->stock, NULL));
  STEP(rk_actor_launch(s->rt, s->pair, &small, &s->a, NULL, NULL));
  STEP(rk_actor_launch(s->rt, s->mirror, &plain, &s->b, NULL, NULL));
  STEP(rk_actor_launch(s->rt, s->stock, NULL, &s->c, NULL, NULL));
  STEP(rk_runtime_connect(s->rt, s->a, "out", s->b, NULL));
  STEP(rk_runtime_subscribe(s->rt, "seen", NULL, 4, &s->box, NULL));
  STEP(rk_runtime_subscribe(s->rt, "to/*", s->b, 0, &s->direct, NULL));
  STEP(rk_device_buffer_open(s->rt, 4, 100, &s->buffer, NULL));
  STEP(rk_actor_send(s->a, NUM, &m, sizeof(m), NULL, NULL, NULL));
  STEP(expect_num(s, s->a, 1));
  STEP(expect_num(s, s->b, 1));
  m.seq = 2;
  STEP(rk_call_open(s->b, NUM, &m, sizeof(m), NULL, &s->call, NULL));
  s->waits_for_call = true;
  STEP(finish_call(s, PATIENCE));
  s->waits_for_call = false;
  m.seq = 3;
  STEP(rk_runtime_publish(s->rt, "to/b", NUM, &m, sizeof(m), true, &reached, NULL));
  STEP(reached == 1 ? RK_OK : RK_EOUT_OF_MEMORY);
  STEP(expect_num(s, s->b, 3));
  STEP(rk_subscription_try_receive(s->box, &r,
                                   NULL)); /* what b published; lost if there was no memory */
  size_t bytes = 8;
  uint64_t n = 0;
  STEP(rk_actor_peek_state(s->a, &n, &bytes, NULL));
  assert_int_equal(n, 1);
  STEP(rk_actor_deactivate(s->b, NULL));
  STEP(rk_actor_send(s->b, NUM, &m, sizeof(m), NULL, NULL, NULL));
  STEP(rk_actor_terminate(s->b, NULL));
  rk_runtime_stats stats;
  rk_runtime_stats_get(s->rt, &stats);
  assert_int_equal(stats.dead_letters, 1);
  STEP(rk_runtime_dead_letter(s->rt, 0, &r, NULL));
  return RK_OK;
}

/* With memory again: what was accepted arrives, and the runtime is as good as new. */
static void go_on(scene *s)
{
  if (s->rt == NULL) {
    return;
  }
  if (s->waits_for != NULL && strcmp(rk_actor_state(s->waits_for), "failed") != 0) {
    if (strcmp(rk_actor_state(s->a), "failed") != 0) {
      (void)receive_num(s->rt, s->waits_for);
    }
  }
  if (s->waits_for_call) {
    assert_int_equal(finish_call(s, 10 * SECOND), RK_OK);
  }
  if (s->c != NULL) {
    char text[64] = "still here";
    uint32_t type = 0;
    size_t size = 0;
    rk_received r;
    assert_int_equal(rk_actor_type(s->c, "Echo", &type, &size, NULL), RK_OK);
    assert_int_equal(rk_actor_send(s->c, type, text, sizeof(text), NULL, NULL, NULL), RK_OK);
    assert_int_equal(receive_within(s->rt, s->c, &r, 10 * SECOND), RK_OK);
    assert_memory_equal(r.data, text, sizeof(text));
  }
}

static void clean(scene *s)
{
  rk_call_close(s->call);
  rk_subscription_close(s->box);
  rk_runtime_close(s->rt);
  rk_subscription_close(s->direct); /* handles outlive their runtime */
  rk_device_buffer_close(s->buffer);
  rk_actor_release(s->c);
  rk_actor_release(s->b);
  rk_actor_release(s->a);
  rk_kernel_close(s->pair);
  rk_kernel_close(s->mirror);
  rk_kernel_close(s->stock);
}

static void fail_every_allocation(bool forever)
{
  uint64_t live = rk_alloc_live(), points = 0, noticed = 0;
  for (uint64_t k = 1;; ++k) {
    scene s = {0};
    uint64_t before = rk_alloc_count();
    rk_alloc_fail_at(k, forever);
    int rc = play(&s);
    rk_alloc_fail_at(0, false);
    bool met = rk_alloc_count() - before >= k;
    if (rc != RK_OK && rc != RK_EOUT_OF_MEMORY && rc != RK_ETIMEOUT && rc != RK_EEMPTY &&
        rc != RK_ENOT_FOUND) {
      fail_msg("allocation %llu: unexpected %d", (unsigned long long)k, rc);
    }
    go_on(&s);
    clean(&s);
    assert_int_equal(rk_alloc_live(), live);
    if (!met) {
      assert_int_equal(rc, RK_OK);
      break;
    }
    points += 1;
    noticed += rc != RK_OK;
    assert_true(k < 2000);
  }
  print_message("%llu allocations failed%s, %llu of them noticed by the caller\n",
                (unsigned long long)points, forever ? " with all after them" : " alone",
                (unsigned long long)noticed);
  assert_true(noticed > 20);
}

static void each_allocation_fails_once(void **state)
{
  (void)state;
  fail_every_allocation(false);
}

static void each_allocation_fails_with_all_after_it(void **state)
{
  (void)state;
  fail_every_allocation(true);
}

static int prepare(void **state)
{
  scene s = {0};
  int rc = make_cache(state);
  if (rc != RK_OK) {
    return rc;
  }
  write_kernel(&pair_form, pair_text);
  write_kernel(&mirror_form, mirror_text);
  rc = play(&s); /* fills the cache: compilers are not what is tested here */
  clean(&s);
  if (rc != RK_OK) {
    print_error("with memory it fails, too: %d\n", rc);
  }
  return rc;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_allocation_fails_once),
      cmocka_unit_test(each_allocation_fails_with_all_after_it),
  };
  return cmocka_run_group_tests_name("oom", tests, prepare, remove_cache);
}
