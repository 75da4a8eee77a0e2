/* SPDX-License-Identifier: MIT */
/*
 * The parts of an actor that are allocated when they are needed first, with allocation number k
 * failing, once or from then on, for every k: the call that needed the part says so and the actor
 * goes on without it, or what is on its way waits until there is memory again.
 */
#include "runtime_helper.h"

#define PATIENCE (50 * MILLISECOND) /* for what cannot arrive while there is no memory for it */

static const kernel_form hosted_form = {
    .name = "hosted",
    .source = "RK_ON(Num) { (void)state; (void)rk_send_to(ctx, RK_HOST_AS_SENT, Num, msg); }\n",
};

static const kernel_form sink_form = {
    .name = "sink",
    .source = "RK_ON(Num) { (void)state; rk_send_to(ctx, 0, Num, msg); }\n",
};

#define FORWARDS(by)                                      \
  "RK_ON(Num) { Num m = *msg; (void)state; m.seq += " #by \
  "; rk_send(ctx, RK_PORT_out, Num, &m); }\n"

static const kernel_form first_form = {.name = "first", .ports = {"out"}, .source = FORWARDS(10)};
static const kernel_form second_form = {.name = "second", .ports = {"out"}, .source = FORWARDS(20)};

typedef struct scene {
  rk_runtime *rt;
  rk_kernel *hosted, *first, *second;
  rk_actor *sink, *a, *b, *c;
  uint64_t a_sent, b_sent; /* messages that were accepted for it, and those of them that came out */
  uint64_t a_came, b_came;
} scene;

#define STEP(call)          \
  do {                      \
    int step_rc = (call);   \
    if (step_rc != RK_OK) { \
      return step_rc;       \
    }                       \
  } while (0)

/* Waits for a message that was passed on to the host. */
static int take(scene *s, uint64_t seq, uint64_t timeout_ns)
{
  uint64_t deadline = rk_clock_deadline(timeout_ns);
  rk_received r;
  int rc = RK_OK;
  while ((rc = rk_actor_take(s->a, &r)) == RK_EEMPTY && rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(s->rt, MILLISECOND);
  }
  if (rc == RK_OK) {
    assert_int_equal(((const num *)r.data)->seq, seq);
    s->a_came += 1;
  }
  return rc;
}

static int send_counted(rk_actor *to, uint64_t seq, uint64_t *sent)
{
  int rc = try_send(to, (num){.seq = seq});
  *sent += rc == RK_OK;
  return rc;
}

static int expect(scene *s, uint64_t seq, uint64_t timeout_ns)
{
  rk_received r;
  int rc = receive_within(s->rt, s->sink, &r, timeout_ns);
  if (rc == RK_OK) {
    assert_int_equal(((const num *)r.data)->seq, seq);
    s->b_came += 1;
  }
  return rc;
}

static int reload(scene *s)
{
  rk_reload *reload = NULL;
  char *log = NULL;
  int rc = rk_reload_open(s->rt, &reload, NULL);
  if (rc == RK_OK) {
    rc = rk_reload_add(reload, s->b, s->second, RK_RELOAD_STATE_KEEP, &log, NULL);
  }
  if (rc == RK_OK) {
    rc = rk_reload_swap(reload, SECOND, NULL);
  }
  rk_free(log);
  rk_reload_close(reload);
  return rc;
}

/* All that makes a part. Stops where something fails. */
static int play(scene *s)
{
  const rk_launch_options named = {.queue = 8, .block = 0, .name = "one"};
  const rk_launch_options plain = {.queue = 8, .block = 1};
  const rk_launch_options budgeted = {.queue = 8, .block = -1, .memory_budget = UINT64_C(1) << 30};
  const rk_link_options buffer = {.policy = RK_LINK_KIND_BUFFER, .limit = 4};
  const num through = {.seq = 5};
  STEP(rk_actor_launch(s->rt, s->hosted, &named, &s->a, NULL, NULL));
  STEP(rk_actor_launch(s->rt, s->first, &plain, &s->b, NULL, NULL));
  STEP(rk_actor_launch(s->rt, s->first, &budgeted, &s->c, NULL, NULL));
  STEP(send_counted(s->a, 1, &s->a_sent));
  STEP(take(s, 1, PATIENCE));
  STEP(rk_actor_rename(s->a, "uno", NULL));
  STEP(rk_actor_host_link(s->a, "out", s->sink, NULL, NULL));
  STEP(rk_actor_host_send(s->a, "out", NUM, &through, sizeof(through), NULL, NULL));
  s->b_sent += 1;
  STEP(expect(s, 5, PATIENCE));
  STEP(rk_runtime_link(s->rt, s->b, "out", s->sink, &buffer, NULL));
  STEP(reload(s));
  STEP(send_counted(s->b, 7, &s->b_sent));
  STEP(expect(s, 27, PATIENCE));
  return RK_OK;
}

static void check_name(const scene *s)
{
  const char *name = rk_actor_name(s->a);
  rk_actor *found = rk_runtime_find(s->rt, name);
  bool is_new = strcmp(name, "uno") == 0;
  assert_ptr_equal(found, s->a);
  assert_null(rk_runtime_find(s->rt, is_new ? "one" : "uno"));
  rk_actor_release(found);
}

/* With memory again: what was accepted arrives, and every part can be had. */
static void go_on(scene *s)
{
  if (s->a != NULL) {
    if (s->a_came < s->a_sent) {
      assert_int_equal(take(s, 1, 10 * SECOND), RK_OK);
    }
    check_name(s);
    assert_int_equal(send_counted(s->a, 3, &s->a_sent), RK_OK);
    assert_int_equal(take(s, 3, 10 * SECOND), RK_OK);
    assert_int_equal(rk_actor_refuse(s->a, RK_EINVAL, NULL), RK_OK); /* of what was taken */
    assert_true(rk_actor_memory_used(s->a) > 0);
  }
  if (s->b_came < s->b_sent) {
    (void)receive_num(s->rt, s->sink);
  }
  if (s->b != NULL) {
    uint64_t by = rk_actor_version(s->b, NULL) == 2 ? 20 : 10;
    rk_error err = RK_ERROR_INIT;
    int rc = rk_runtime_connect(s->rt, s->b, "out", s->sink, &err);
    assert_true(rc == RK_OK || rc == RK_EEXISTS);
    send_num(s->rt, s->b, (num){.seq = 100});
    assert_int_equal(receive_num(s->rt, s->sink).seq, 100 + by);
    if (by == 10) {
      assert_int_equal(reload(s), RK_OK);
      assert_int_equal(rk_actor_version(s->b, NULL), 2);
    }
  }
}

static bool meets_failure(uint64_t k, bool forever, uint64_t *noticed)
{
  scene s = {.rt = open_runtime((rk_runtime_options){.max_actors = 16})};
  s.hosted = make_kernel(s.rt, &hosted_form);
  s.first = make_kernel(s.rt, &first_form);
  s.second = make_kernel(s.rt, &second_form);
  s.sink = launch_form(s.rt, &sink_form, 16, 1);
  uint64_t before = rk_alloc_count();
  rk_alloc_fail_at(k, forever);
  int rc = play(&s);
  rk_alloc_fail_at(0, false);
  bool met = rk_alloc_count() - before >= k;
  if (rc != RK_OK && rc != RK_EOUT_OF_MEMORY && rc != RK_ETIMEOUT && rc != RK_EEMPTY) {
    fail_msg("allocation %llu: unexpected %d", (unsigned long long)k, rc);
  }
  assert_true(met || rc == RK_OK);
  *noticed += rc != RK_OK;
  go_on(&s);
  rk_runtime_close(s.rt);
  rk_actor_release(s.a); /* handles outlive their runtime */
  rk_actor_release(s.b);
  rk_actor_release(s.c);
  rk_actor_release(s.sink);
  rk_kernel_close(s.hosted);
  rk_kernel_close(s.first);
  rk_kernel_close(s.second);
  assert_int_equal(rk_alloc_live(), live_before);
  return met;
}

static void fail_every_allocation(bool forever)
{
  uint64_t k = 1, noticed = 0;
  while (meets_failure(k, forever, &noticed)) {
    k += 1;
    assert_true(k < 500);
  }
  print_message("%llu allocations failed%s, %llu of them noticed by the caller\n",
                (unsigned long long)(k - 1), forever ? " with all after them" : " alone",
                (unsigned long long)noticed);
  assert_true(noticed > 10);
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

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_allocation_fails_once),
      cmocka_unit_test(each_allocation_fails_with_all_after_it),
  };
  return cmocka_run_group_tests_name("parts oom", tests, make_cache, remove_cache);
}
