/* SPDX-License-Identifier: MIT */
/*
 * Generations: the grid is ended and begun again while messages are under way; nothing is lost,
 * nothing is handled twice, states, routes and slots stay.
 */
#include "k2k_kernels.h"

#include "runtime/internal.h"

#define HOPS 8u

static void renew(rk_runtime *rt)
{
  rk_error err = RK_ERROR_INIT;
  if (rk_runtime_renew(rt, &err) != RK_OK) {
    fail_msg("renew: %s", err.text);
  }
}

static void messages_under_way_survive(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_kernel *relay = make_kernel(rt, &relay_form);
  rk_actor *chain[HOPS];
  const uint64_t count = ROUNDS(20000u);
  uint64_t sent = 0, renewed = 0;
  for (uint32_t i = 0; i < HOPS; ++i) {
    chain[i] = launch(rt, relay, 16, (int32_t)(i % 2u));
    if (i != 0) {
      tie(rt, chain[i - 1u], "next", chain[i]);
    }
  }
  for (uint64_t got = 0; got < count;) {
    rk_received r;
    if (sent < count && try_send(chain[0], (num){sent, 0, 0, HOPS}) == RK_OK) {
      ++sent;
      continue;
    }
    if (rk_actor_try_receive(chain[HOPS - 1u], &r) == RK_OK) {
      assert_int_equal(((const num *)r.data)->seq, got);
      ++got;
      if (got % (count / 50u) == 0) {
        renew(rt);
        ++renewed;
      }
    } else {
      assert_int_not_equal(rk_runtime_wait(rt, 10 * SECOND), RK_ETIMEOUT);
    }
  }
  assert_int_equal(letters(rt), 0);
  for (uint32_t i = 0; i < HOPS; ++i) {
    assert_int_equal(stats_of(chain[i]).processed, count);
    rk_actor_release(chain[i]);
  }
  rk_runtime_info info;
  rk_runtime_info_get(rt, &info);
  assert_int_equal(info.generation, 1u + renewed);
  rk_kernel_close(relay);
  close_runtime(rt);
}

/* Slots are given back in a later generation than the one their actor ended in, and actors that are
 * not active keep what waits for them. */
static void slots_and_queues_survive(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.max_actors = 2});
  rk_kernel *sinks = make_kernel(rt, &sink_form);
  rk_actor *kept = launch(rt, sinks, 8, 0);
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_actor_deactivate(kept, NULL), RK_OK);
  for (uint64_t i = 0; i < 5; ++i) {
    send_num(rt, kept, (num){.seq = i});
  }
  for (uint32_t round = 0; round < 20; ++round) {
    rk_actor *other = NULL;
    uint64_t deadline = rk_clock_deadline(10 * SECOND);
    while (rk_actor_launch(rt, sinks, NULL, &other, NULL, &err) != RK_OK) {
      assert_true(rk_clock_mono_ns() < deadline);
    }
    assert_int_equal(rk_actor_terminate(other, NULL), RK_OK);
    rk_actor_release(other);
    renew(rt);
  }
  assert_string_equal(rk_actor_state(kept), "deactivated");
  assert_int_equal(rk_actor_activate(kept, NULL), RK_OK);
  for (uint64_t i = 0; i < 5; ++i) {
    assert_int_equal(receive_num(rt, kept).seq, i);
  }
  rk_actor_release(kept);
  rk_kernel_close(sinks);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_under_way_survive),
      cmocka_unit_test(slots_and_queues_survive),
  };
  return cmocka_run_group_tests_name("generations", tests, make_cache, remove_cache);
}
