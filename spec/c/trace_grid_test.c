/* SPDX-License-Identifier: MIT */
/*
 * Traces of a running grid whose blocks have another clock than the host: how far they are apart is
 * found, records are told in the host's time, and a clock that agrees is left alone.
 *
 * The clock is the platform's; every thread but the test's own sees it moved.
 */
#include "runtime_helper.h"

#include "runtime/internal.h"

static rk_platform moved;
static int64_t apart_ns;
static _Thread_local bool is_host;

static uint64_t moved_ns(void)
{
  uint64_t now = rk_platform_real()->clock_wall_ns();
  return is_host ? now : now + (uint64_t)apart_ns;
}

static uint64_t moved_us(void)
{
  return moved_ns() / 1000u;
}

static int move_clock(void **state)
{
  is_host = true;
  apart_ns = 0;
  moved = *rk_platform_real();
  moved.clock_wall_ns = moved_ns;
  moved.clock_wall_us = moved_us;
  rk_platform_set(&moved);
  return make_cache(state);
}

static int put_clock_back(void **state)
{
  rk_platform_set(NULL);
  return remove_cache(state);
}

static kernel_form echo_form = {
    .name = "echo_num",
    .source = "RK_ON(Num) { (void)state; rk_reply(ctx, Num, msg); }\n",
};

/* One message to an actor and back, and the moments the host knows of it. */
typedef struct trip {
  rk_trace_clock clock;
  int64_t begun_ns, ended_ns; /* since the runtime was opened */
  rk_trace_record sent, delivered, handled, answered;
} trip;

static int64_t since_open(const rk_runtime *rt)
{
  return (int64_t)(rk_clock_wall_ns() - rk_runtime_trace_origin(rt));
}

static trip make_trip(int64_t apart)
{
  trip t = {.clock = {.error_ns = UINT64_MAX}};
  rk_trace_record records[16];
  uint64_t lost = 7;
  apart_ns = apart;
  rk_runtime *rt = open_runtime((rk_runtime_options){.trace_records = 64, .blocks = 1});
  rk_actor *actor = launch_form(rt, &echo_form, 16, 0);
  assert_int_equal(rk_runtime_trace(rt, true, NULL), RK_OK);
  assert_int_equal(rk_runtime_trace_clock(rt, &t.clock, NULL), RK_OK);
  t.begun_ns = since_open(rt);
  (void)ask(rt, actor, (num){.a = 1});
  t.ended_ns = since_open(rt);
  assert_int_equal(rk_runtime_trace(rt, false, NULL), RK_OK);
  size_t count = rk_runtime_trace_read(rt, records, RK_ARRAY_LEN(records), &lost);
  assert_int_equal(count, 4);
  assert_int_equal(lost, 0);
  for (size_t i = 0; i < count; ++i) {
    rk_trace_record *to = records[i].kind == RK_TRACE_KIND_HANDLE    ? &t.handled
                          : records[i].kind == RK_TRACE_KIND_DELIVER ? &t.delivered
                          : records[i].block == RK_TRACE_NO_BLOCK    ? &t.sent
                                                                     : &t.answered;
    assert_int_equal(to->kind, 0);
    *to = records[i];
  }
  assert_int_equal(t.sent.message, t.handled.message);
  assert_int_equal(t.delivered.message, t.handled.message);
  rk_actor_release(actor);
  close_runtime(rt);
  return t;
}

/* On the host's clock, as well as the difference is known, all of it lies within the trip and in
 * its order; on the block's own clock it does exactly. */
static void check_order(const trip *t)
{
  int64_t error = (int64_t)t->clock.error_ns;
  assert_true(t->begun_ns <= t->sent.at_ns);
  assert_true(t->sent.at_ns <= t->delivered.at_ns + error);
  assert_true(t->delivered.at_ns <= t->handled.at_ns);
  assert_true(t->handled.at_ns <= t->answered.at_ns);
  assert_true(t->answered.at_ns <= t->handled.at_ns + (int64_t)t->handled.took_ns);
  assert_true(t->answered.at_ns <= t->ended_ns + error);
}

static void check_apart(int64_t apart)
{
  trip t = make_trip(apart);
  int64_t error = (int64_t)t.clock.error_ns;
  assert_true(t.clock.error_ns < (uint64_t)INT64_MAX);
  assert_true(t.clock.offset_ns >= apart - error && t.clock.offset_ns <= apart + error);
  assert_true(t.clock.step_ns > 0);
  check_order(&t);
}

static void a_clock_ahead_is_found(void **state)
{
  (void)state;
  check_apart(INT64_C(3600) * INT64_C(1000000000));
}

static void a_clock_behind_is_found(void **state)
{
  (void)state;
  check_apart(INT64_C(-3600) * INT64_C(1000000000));
}

static void a_clock_that_agrees_is_left_alone(void **state)
{
  (void)state;
  trip t = make_trip(0);
  assert_int_equal(t.clock.offset_ns, 0);
  assert_true(t.clock.error_ns != UINT64_MAX);
  check_order(&t);
  assert_true(t.sent.at_ns <= t.delivered.at_ns); /* one clock: without a doubt */
  assert_true(t.answered.at_ns <= t.ended_ns);
}

static void each_recording_compares_anew(void **state)
{
  (void)state;
  rk_trace_clock clock = {0};
  rk_runtime *rt = open_runtime((rk_runtime_options){.trace_records = 64, .blocks = 1});
  rk_actor *actor = launch_form(rt, &echo_form, 16, 0);
  assert_int_equal(rk_runtime_trace(rt, true, NULL), RK_OK);
  assert_int_equal(rk_runtime_trace_clock(rt, &clock, NULL), RK_OK);
  assert_int_equal(clock.offset_ns, 0);
  rk_trace_clock same = clock;
  assert_int_equal(rk_runtime_trace(rt, true, NULL), RK_OK); /* it records already */
  assert_int_equal(rk_runtime_trace_clock(rt, &same, NULL), RK_OK);
  assert_int_equal(same.error_ns, clock.error_ns);
  assert_int_equal(rk_runtime_trace(rt, false, NULL), RK_OK);
  assert_int_equal(rk_runtime_trace_clock(rt, &same, NULL), RK_OK); /* what was read stays right */
  assert_int_equal(same.error_ns, clock.error_ns);
  rt->trace_clock.offset_ns = 1; /* as if it had been so then */
  assert_int_equal(rk_runtime_trace(rt, true, NULL), RK_OK);
  assert_int_equal(rk_runtime_trace_clock(rt, &clock, NULL), RK_OK);
  assert_int_equal(clock.offset_ns, 0);
  rk_actor_release(actor);
  close_runtime(rt);
}

static void a_runtime_without_a_trace_has_no_clock(void **state)
{
  (void)state;
  rk_trace_clock clock = {.step_ns = 5};
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  assert_int_equal(rk_runtime_trace_clock(rt, &clock, NULL), RK_EUNSUPPORTED);
  assert_int_equal(clock.step_ns, 5);
  assert_int_equal(rk_runtime_trace_capacity(rt), 0);
  assert_int_equal(rk_runtime_trace_read(rt, NULL, 0, NULL), 0);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_clock_ahead_is_found),
      cmocka_unit_test(a_clock_behind_is_found),
      cmocka_unit_test(a_clock_that_agrees_is_left_alone),
      cmocka_unit_test(each_recording_compares_anew),
      cmocka_unit_test(a_runtime_without_a_trace_has_no_clock),
  };
  return cmocka_run_group_tests(tests, move_clock, put_clock_back);
}
