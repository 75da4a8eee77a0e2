/* SPDX-License-Identifier: MIT */
/*
 * The runtime through its C contract: open, launch, send, receive, call, transitions, dead letters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ringkernel.h"

typedef struct fixture {
  rk_runtime *rt;
  rk_kernel *echo;
} fixture;

#define SECOND UINT64_C(1000000000)

static int set_up(void **state)
{
  static fixture f;
  rk_error err = RK_ERROR_INIT;
  rk_runtime_options options = {.spin_us = -1, .blocks = 2};
  assert_int_equal(rk_runtime_open(&options, &f.rt, &err), RK_OK);
  assert_int_equal(rk_kernel_stock("echo", &f.echo, &err), RK_OK);
  *state = &f;
  return 0;
}

static int tear_down(void **state)
{
  fixture *f = *state;
  rk_kernel_close(f->echo);
  rk_runtime_close(f->rt);
  assert_int_equal(rk_alloc_live(), 0);
  return 0;
}

static rk_actor *launch(fixture *f, const rk_launch_options *options)
{
  rk_error err = RK_ERROR_INIT;
  rk_actor *actor = NULL;
  int rc = rk_actor_launch(f->rt, f->echo, options, &actor, NULL, &err);
  if (rc != RK_OK) {
    print_error("launch: %s\n", err.text);
  }
  assert_int_equal(rc, RK_OK);
  return actor;
}

typedef struct echo_message {
  uint64_t seq;
  char text[56];
} echo_message;

static uint32_t echo_type(rk_actor *actor)
{
  uint32_t type = 0;
  size_t size = 0;
  assert_int_equal(rk_actor_type(actor, "Echo", &type, &size, NULL), RK_OK);
  assert_int_equal(size, sizeof(echo_message));
  return type;
}

static int receive(rk_actor *actor, fixture *f, rk_received *out)
{
  for (;;) {
    int rc = rk_actor_try_receive(actor, out);
    if (rc != RK_EEMPTY) {
      return rc;
    }
    rc = rk_runtime_wait(f->rt, SECOND);
    if (rc == RK_ETIMEOUT) {
      return rc;
    }
  }
}

static void test_echo_answers(void **state)
{
  fixture *f = *state;
  rk_actor *actor = launch(f, NULL);
  uint32_t type = echo_type(actor);
  for (uint64_t i = 0; i < 2000; ++i) {
    echo_message m = {.seq = i, .text = "hello"};
    uint64_t id = 0;
    rk_received r;
    assert_int_equal(rk_actor_send(actor, type, &m, sizeof(m), NULL, &id, NULL), RK_OK);
    assert_int_equal(receive(actor, f, &r), RK_OK);
    assert_int_equal(r.correlation, id);
    assert_int_equal(r.size, sizeof(m));
    assert_memory_equal(r.data, &m, sizeof(m));
  }
  rk_actor_stats stats;
  assert_int_equal(rk_actor_stats_get(actor, &stats, NULL), RK_OK);
  assert_int_equal(stats.processed, 2000);
  rk_actor_release(actor);
}

/* Every message of a stream comes back once, in order, although the queue fills up again and again.
 */
static void test_stream_keeps_order(void **state)
{
  fixture *f = *state;
  rk_actor *actor = launch(f, &(rk_launch_options){.queue = 64, .block = 1});
  uint32_t type = echo_type(actor);
  uint64_t sent = 0, got = 0;
  const uint64_t total = 200000;
  while (got < total) {
    rk_received r;
    if (sent < total) {
      echo_message m = {.seq = sent};
      int rc = rk_actor_send(actor, type, &m, sizeof(m), NULL, NULL, NULL);
      if (rc == RK_OK) {
        ++sent;
        continue;
      }
      assert_int_equal(rc, RK_EFULL);
    }
    int rc = rk_actor_try_receive(actor, &r);
    if (rc == RK_OK) {
      echo_message m;
      memcpy(&m, r.data, sizeof(m));
      assert_int_equal(m.seq, got);
      ++got;
    } else {
      assert_int_equal(rc, RK_EEMPTY);
      rc = rk_runtime_wait(f->rt, 5 * SECOND);
      assert_true(rc == RK_OK || rc == RK_EINTR);
    }
  }
  rk_actor_release(actor);
}

static void test_call_keeps_other_replies(void **state)
{
  fixture *f = *state;
  rk_actor *actor = launch(f, NULL);
  uint32_t type = echo_type(actor);
  echo_message a = {.seq = 1}, b = {.seq = 2};
  rk_call *call = NULL;
  rk_received r;
  assert_int_equal(rk_actor_send(actor, type, &a, sizeof(a), NULL, NULL, NULL), RK_OK);
  assert_int_equal(rk_call_open(actor, type, &b, sizeof(b), NULL, &call, NULL), RK_OK);
  int rc = RK_OK;
  while ((rc = rk_call_poll(call, &r)) == RK_EEMPTY) {
    (void)rk_runtime_wait(f->rt, SECOND);
  }
  assert_int_equal(rc, RK_OK);
  assert_memory_equal(r.data, &b, sizeof(b));
  rk_call_close(call);
  assert_int_equal(receive(actor, f, &r), RK_OK);
  assert_memory_equal(r.data, &a, sizeof(a));
  assert_int_equal(rk_actor_try_receive(actor, &r), RK_EEMPTY);
  rk_actor_release(actor);
}

static void test_lifecycle(void **state)
{
  fixture *f = *state;
  rk_actor *actor = launch(
      f, &(rk_launch_options){.name = "life", .inactive = true, .block = -1, .queue = 4});
  uint32_t type = echo_type(actor);
  rk_received r;
  assert_string_equal(rk_actor_state(actor), "launched");
  assert_int_equal(rk_actor_deactivate(actor, NULL), RK_EINVALID_STATE);
  for (uint64_t i = 0; i < 4; ++i) {
    echo_message m = {.seq = i};
    assert_int_equal(rk_actor_send(actor, type, &m, sizeof(m), NULL, NULL, NULL), RK_OK);
  }
  echo_message extra = {.seq = 9};
  assert_int_equal(rk_actor_send(actor, type, &extra, sizeof(extra), NULL, NULL, NULL), RK_EFULL);
  assert_int_equal(rk_runtime_wait(f->rt, 1000000), RK_ETIMEOUT);
  assert_int_equal(rk_actor_activate(actor, NULL), RK_OK);
  assert_int_equal(rk_actor_activate(actor, NULL), RK_EINVALID_STATE);
  assert_string_equal(rk_actor_state(actor), "active");
  for (uint64_t i = 0; i < 4; ++i) {
    assert_int_equal(receive(actor, f, &r), RK_OK);
    assert_int_equal(((const echo_message *)r.data)->seq, i);
  }
  assert_int_equal(rk_actor_deactivate(actor, NULL), RK_OK);
  assert_string_equal(rk_actor_state(actor), "deactivated");
  assert_int_equal(rk_actor_send(actor, type, &extra, sizeof(extra), NULL, NULL, NULL), RK_OK);
  assert_int_equal(rk_actor_terminate(actor, NULL), RK_OK);
  assert_string_equal(rk_actor_state(actor), "terminated");
  assert_int_equal(rk_actor_terminate(actor, NULL), RK_EINVALID_STATE);
  assert_int_equal(rk_actor_send(actor, type, &extra, sizeof(extra), NULL, NULL, NULL),
                   RK_ETERMINATED);
  uint64_t dest = 0;
  assert_int_equal(rk_runtime_dead_letter(f->rt, 0, &r, &dest), RK_OK);
  assert_int_equal(dest, rk_actor_id(actor));
  assert_string_equal(rk_dead_reason_name(r.reason), "terminated");
  assert_int_equal(((const echo_message *)r.data)->seq, 9);
  assert_int_equal(rk_runtime_dead_letter(f->rt, 1, &r, &dest), RK_ENOT_FOUND);
  assert_null(rk_runtime_find(f->rt, "life"));
  rk_actor_release(actor);
}

static void test_names_and_slots_come_back(void **state)
{
  fixture *f = *state;
  for (int i = 0; i < 5000; ++i) {
    rk_actor *actor = launch(f, &(rk_launch_options){.name = "one", .block = i & 1, .queue = 16});
    rk_actor *again = NULL;
    assert_int_equal(rk_actor_launch(f->rt, f->echo,
                                     &(rk_launch_options){.name = "one", .block = -1}, &again, NULL,
                                     NULL),
                     RK_EEXISTS);
    uint32_t type = echo_type(actor);
    echo_message m = {.seq = (uint64_t)i};
    rk_received r;
    assert_int_equal(rk_actor_send(actor, type, &m, sizeof(m), NULL, NULL, NULL), RK_OK);
    assert_int_equal(receive(actor, f, &r), RK_OK);
    assert_int_equal(rk_actor_terminate(actor, NULL), RK_OK);
    rk_actor_release(actor);
  }
  rk_runtime_stats stats;
  rk_runtime_stats_get(f->rt, &stats);
  assert_int_equal(stats.actors, 0);
  assert_int_equal(stats.launched, 5000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_echo_answers, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_stream_keeps_order, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_call_keeps_other_replies, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_lifecycle, set_up, tear_down),
      cmocka_unit_test_setup_teardown(test_names_and_slots_come_back, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
