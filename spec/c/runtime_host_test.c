/* SPDX-License-Identifier: MIT */
/*
 * The host's side of the contract: reservations that are given up, views that stay valid, the
 * descriptor for event loops.
 */
#include "runtime_helper.h"

#include "runtime/internal.h"

static const kernel_form echo_form = {
    .name = "mirror",
    .state = "rk_u64 n, twice;",
    .source = "RK_ON(Num) { state->n += 1; state->twice += 2; rk_reply(ctx, Num, msg); }\n",
};

static const kernel_form wide_form = {
    .name = "wide",
    .types = "typedef struct Wide { rk_u64 words[40]; } Wide;\n#define RK_TYPE_Wide 0x31deu\n",
    .accepts = {"Num", "Wide"},
    .emits = {"Num"},
    .source = "RK_ON(Num) { (void)state; rk_reply(ctx, Num, msg); }\n"
              "RK_ON(Wide) { Num m = { msg->words[0], 0, 0, 0 }; (void)state; rk_reply(ctx, Num, "
              "&m); }\n",
};

/* What was written for a message that is never sent must not be taken for one, whatever it looks
 * like. */
static void a_reservation_may_be_given_up(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.ring_units = 64});
  rk_actor *actor = launch_form(rt, &wide_form, 16, 0);
  for (uint64_t i = 0; i < 300; ++i) {
    uint64_t *words = NULL;
    rk_error err = RK_ERROR_INIT;
    int rc = rk_actor_reserve(actor, 0x31de, 320, 0, (void **)&words, &err);
    if (rc != RK_OK) {
      fail_msg("reserve: %s", err.text);
    }
    uint64_t unit = rt->blocks[0].tx.tail; /* what the words of the units behind must not hold */
    for (uint64_t k = 0; k < 40; ++k) {
      words[k] = unit + (k < 8 ? 0 : 1 + (k - 8) / 16) + 1;
    }
    switch (i % 3) {
      case 0:
        assert_int_equal(ask(rt, actor, (num){.seq = i}).seq, i);
        break;
      case 1: {
        size_t bytes = 0;
        assert_int_equal(rk_actor_peek_state(actor, NULL, &bytes, NULL), RK_OK);
        break;
      }
      default:
        words[0] = i;
        assert_int_not_equal(rk_actor_commit(actor, NULL), 0);
        assert_int_equal(receive_num(rt, actor).seq, i);
    }
    expect_nothing(rt, actor);
  }
  assert_int_equal(letters(rt), 0);
  assert_int_equal(stats_of(actor).processed, 200);
  rk_actor_release(actor);
  close_runtime(rt);
}

static void a_view_outlives_what_arrives_later(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *actor = launch_form(rt, &echo_form, 1024, 0);
  rk_received view, r;
  send_num(rt, actor, (num){1, 2, 3, 4});
  assert_int_equal(receive_within(rt, actor, &view, 10 * SECOND), RK_OK);
  for (uint64_t i = 0; i < 1000; ++i) {
    send_num(rt, actor, (num){.seq = i});
  }
  while (stats_of(actor).waiting_out != 1000) {
    (void)rk_runtime_wait(rt, SECOND);
  }
  const num *m = view.data;
  assert_true(m->seq == 1 && m->a == 2 && m->b == 3 && m->c == 4);
  for (uint64_t i = 0; i < 1000; ++i) {
    assert_int_equal(rk_actor_try_receive(actor, &r), RK_OK);
    assert_int_equal(((const num *)r.data)->seq, i);
  }
  rk_actor_release(actor);
  close_runtime(rt);
}

/* An event loop that only watches the descriptor must learn of everything, also of what arrived
 * inside a call that waited for something else. */
static void the_descriptor_tells_of_everything(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.spin_us = 1});
  rk_actor *actor = launch_form(rt, &echo_form, 16, 0);
  const rk_platform *os = rk_platform_current();
  int fd = rk_runtime_fd(rt);
  for (uint64_t i = 0; i < 300; ++i) {
    rk_received r;
    size_t bytes = 16;
    uint64_t words[2];
    (void)rk_runtime_drain(rt);
    if (i % 4u == 1u) {
      assert_int_equal(rk_actor_peek_state(actor, words, &bytes, NULL), RK_OK);
    }
    if (i % 4u == 3u) {
      (void)rk_runtime_wait(rt, 10000);
    }
    send_num(rt, actor, (num){.seq = i});
    if (i % 4u == 2u) {
      assert_int_equal(rk_actor_peek_state(actor, words, &bytes, NULL), RK_OK);
    }
    do {
      assert_int_equal(os->fd_poll(fd, 5 * SECOND), RK_OK);
      (void)rk_runtime_drain(rt);
    } while (rk_actor_try_receive(actor, &r) != RK_OK);
    assert_int_equal(((const num *)r.data)->seq, i);
  }
  /* And it falls silent: waiting still waits. */
  (void)rk_runtime_drain(rt);
  (void)rk_runtime_drain(rt);
  assert_int_equal(os->fd_poll(fd, 5 * MILLISECOND), RK_ETIMEOUT);
  uint64_t start = rk_clock_mono_ns();
  assert_int_equal(rk_runtime_wait(rt, 20 * MILLISECOND), RK_ETIMEOUT);
  assert_int_equal(rk_runtime_wait(rt, 20 * MILLISECOND), RK_ETIMEOUT);
  assert_true(rk_clock_mono_ns() - start >= 40 * MILLISECOND);
  rk_actor_release(actor);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_reservation_may_be_given_up),
      cmocka_unit_test(a_view_outlives_what_arrives_later),
      cmocka_unit_test(the_descriptor_tells_of_everything),
  };
  return cmocka_run_group_tests_name("host", tests, make_cache, remove_cache);
}
