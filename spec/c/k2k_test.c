/* SPDX-License-Identifier: MIT */
/*
 * Actors that send to actors: relays, rings, fan-in, ports and bursts, back-pressure up to the
 * source. Queues are small, so that rings wrap and credits run out all the time. k2k_end_test.c is
 * about receivers that end.
 */
#include "k2k_kernels.h"

#include "runtime/internal.h"

/* Sends a messages through its port, answers how many went (a), were refused as full (b), found no
 * receiver (c). */
static const kernel_form burst_form = {
    .name = "burst",
    .burst = 4,
    .ports = {"out"},
    .source = "RK_ON(Num) {\n"
              "  Num answer = { msg->seq, 0, 0, 0 };\n"
              "  (void)state;\n"
              "  for (rk_u64 i = 0; i < msg->a; ++i) {\n"
              "    Num m = { msg->seq + i, 0, 0, 0 };\n"
              "    int rc = rk_send(ctx, RK_PORT_out, Num, &m);\n"
              "    if (rc == 0) { answer.a += 1; }\n"
              "    if (rc == RK_EFULL) { answer.b += 1; }\n"
              "    if (rc == RK_ENOT_FOUND) { answer.c += 1; }\n"
              "  }\n"
              "  rk_reply(ctx, Num, &answer);\n"
              "}\n",
};

/* ---- chains and rings ---- */

static void run_chain(uint32_t blocks, uint32_t length, uint32_t queue, uint64_t count)
{
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = blocks});
  rk_kernel *relay = make_kernel(rt, &relay_form);
  rk_actor *chain[16];
  for (uint32_t i = 0; i < length; ++i) {
    chain[i] = launch(rt, relay, queue, (int32_t)(i % blocks));
    if (i != 0) {
      tie(rt, chain[i - 1u], "next", chain[i]);
    }
  }
  uint64_t sent = 0;
  for (uint64_t got = 0; got < count;) {
    rk_received r;
    if (sent < count && try_send(chain[0], (num){sent, 0, 0, length}) == RK_OK) {
      ++sent;
      continue;
    }
    if (rk_actor_try_receive(chain[length - 1u], &r) == RK_OK) {
      assert_int_equal(((const num *)r.data)->seq, got);
      ++got;
    } else {
      assert_int_not_equal(rk_runtime_wait(rt, 10 * SECOND), RK_ETIMEOUT);
    }
  }
  assert_int_equal(letters(rt), 0);
  for (uint32_t i = 0; i < length; ++i) {
    rk_actor_stats stats = stats_of(chain[i]);
    assert_int_equal(stats.processed, count);
    assert_int_equal(stats.dropped, 0);
    rk_actor_release(chain[i]);
  }
  rk_kernel_close(relay);
  close_runtime(rt);
}

static void chains_keep_order(void **state)
{
  (void)state;
  run_chain(1, 1, 1, ROUNDS(2000));
  run_chain(1, 5, 1, ROUNDS(2000));
  run_chain(1, 16, 64, ROUNDS(20000));
  run_chain(2, 2, 1, ROUNDS(5000));
  run_chain(2, 7, 3, ROUNDS(20000));
  run_chain(4, 16, 16, ROUNDS(20000));
}

static void ring_of_actors(void **state)
{
  (void)state;
  enum { ACTORS = 1000, TOKENS = 20 };
  static rk_actor *ring[ACTORS];
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2});
  rk_kernel *relay = make_kernel(rt, &relay_form);
  const uint64_t hops = ROUNDS(100000);
  bool seen[TOKENS] = {false};
  for (int i = 0; i < ACTORS; ++i) {
    ring[i] = launch(rt, relay, 4, i / 500);
  }
  for (int i = 0; i < ACTORS; ++i) {
    tie(rt, ring[i], "next", ring[(i + 1) % ACTORS]);
  }
  for (uint64_t i = 0; i < TOKENS; ++i) {
    send_num(rt, ring[(i * 53u) % ACTORS], (num){i, 0, 0, hops + i});
  }
  for (int i = 0; i < TOKENS; ++i) {
    int at = (i * 53 + (int)((hops + (uint64_t)i - 1u) % ACTORS)) % ACTORS;
    num m = receive_num(rt, ring[at]);
    assert_int_equal(m.a, hops + m.seq);
    assert_in_range(m.seq, 0, TOKENS - 1);
    assert_false(seen[m.seq]);
    seen[m.seq] = true;
  }
  for (int i = 0; i < ACTORS; ++i) {
    rk_actor_release(ring[i]);
  }
  rk_kernel_close(relay);
  close_runtime(rt);
}

/* Several senders into one small queue: complete, and in the order of each sender. */
static void fan_in_keeps_the_order_of_each_sender(void **state)
{
  (void)state;
  enum { SENDERS = 8 };
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 4});
  rk_kernel *relay = make_kernel(rt, &relay_form);
  rk_actor *sink = launch_form(rt, &sink_form, 8, 0);
  rk_actor *senders[SENDERS];
  uint64_t sent[SENDERS] = {0}, got[SENDERS] = {0}, total = 0;
  const uint64_t each = ROUNDS(5000);
  for (int i = 0; i < SENDERS; ++i) {
    senders[i] = launch(rt, relay, 4, i % 4);
    tie(rt, senders[i], "next", sink);
  }
  while (total < each * SENDERS) {
    rk_received r;
    bool moved = false;
    for (uint64_t i = 0; i < SENDERS; ++i) {
      if (sent[i] < each && try_send(senders[i], (num){sent[i], 0, i, 0}) == RK_OK) {
        sent[i] += 1;
        moved = true;
      }
    }
    while (rk_actor_try_receive(sink, &r) == RK_OK) {
      const num *m = r.data;
      assert_in_range(m->b, 0, SENDERS - 1);
      assert_int_equal(m->seq, got[m->b]);
      got[m->b] += 1;
      total += 1;
      moved = true;
    }
    if (!moved) {
      assert_int_not_equal(rk_runtime_wait(rt, 10 * SECOND), RK_ETIMEOUT);
    }
  }
  assert_int_equal(tally_of(sink).count, total);
  assert_int_equal(letters(rt), 0);
  for (int i = 0; i < SENDERS; ++i) {
    rk_actor_release(senders[i]);
  }
  rk_actor_release(sink);
  rk_kernel_close(relay);
  close_runtime(rt);
}

/* ---- ports ---- */

static void a_burst_has_its_limit(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_kernel *burst = make_kernel(rt, &burst_form);
  for (int i = 0; i < 4; ++i) { /* room for one burst, and for many */
    rk_actor *a = launch(rt, burst, 16, 0);
    rk_actor *sink = launch_form(rt, &counter_form, i < 2 ? 4 : 128, i % 2);
    tie(rt, a, "out", sink);
    uint64_t count = 0;
    for (uint64_t n = 0; n < 400; ++n) {
      num r = ask(rt, a, (num){n, n % 8u, 0, 0});
      uint64_t accepted = n % 8u < 4u ? n % 8u : 4u;
      assert_int_equal(r.a, accepted);
      assert_int_equal(r.b, n % 8u - accepted);
      assert_int_equal(r.c, 0);
      count += accepted;
    }
    assert_int_equal(stats_of(a).dropped, 400 / 8 * (1 + 2 + 3));
    expect_count(sink, count);
    rk_actor_release(a);
    rk_actor_release(sink);
  }
  rk_kernel_close(burst);
  close_runtime(rt);
}

static void ports_are_tied_and_untied(void **state)
{
  (void)state;
  static const kernel_form other_form = {
      .name = "other",
      .types = "typedef struct Other { rk_u32 x; } Other;\n#define RK_TYPE_Other 0x77u\n",
      .accepts = {"Other"},
      .silent = true,
      .source = "RK_ON(Other) { (void)ctx; (void)msg; (void)state; }\n",
  };
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *a = launch_form(rt, &burst_form, 16, 0);
  rk_actor *sink = launch_form(rt, &counter_form, 4, 1);
  rk_actor *small = launch_form(rt, &counter_form, 3, 1);
  rk_actor *other = launch_form(rt, &other_form, 8, 1);
  num r = ask(rt, a, (num){.a = 3});
  assert_int_equal(r.a, 0);
  assert_int_equal(r.c, 3); /* not connected */
  assert_int_equal(stats_of(a).dropped, 3);
  assert_int_equal(rk_runtime_connect(rt, a, "in", sink, NULL), RK_ENOT_FOUND);
  assert_int_equal(rk_runtime_connect(rt, a, "out", other, NULL), RK_EINVAL);
  assert_int_equal(rk_runtime_connect(rt, a, "out", small, NULL), RK_EINVAL);
  assert_int_equal(rk_runtime_disconnect(rt, a, "out", NULL), RK_ENOT_FOUND);
  tie(rt, a, "out", sink);
  assert_int_equal(rk_runtime_connect(rt, a, "out", sink, NULL), RK_EEXISTS);
  assert_int_equal(ask(rt, a, (num){.a = 4}).a, 4);
  assert_int_equal(rk_runtime_disconnect(rt, a, "out", NULL), RK_OK);
  assert_int_equal(ask(rt, a, (num){.a = 4}).c, 4);
  tie(rt, a, "out", sink);
  assert_int_equal(ask(rt, a, (num){.a = 4}).a, 4);
  expect_count(sink, 8);
  assert_int_equal(rk_actor_terminate(sink, NULL), RK_OK);
  assert_int_equal(rk_runtime_connect(rt, a, "out", sink, NULL), RK_ETERMINATED);
  r = ask(rt, a, (num){.a = 2});
  assert_int_equal(r.a + r.b + r.c, 0); /* RK_ETERMINATED, both in the dead letters */
  assert_int_equal(letters(rt), 2);
  rk_actor *next = launch_form(rt, &counter_form, 4, 0);
  tie(rt, a, "out", next); /* an ended receiver leaves the port free */
  assert_int_equal(ask(rt, a, (num){.a = 2}).a, 2);
  rk_actor_release(a);
  rk_actor_release(sink);
  rk_actor_release(small);
  rk_actor_release(other);
  rk_actor_release(next);
  close_runtime(rt);
}

/* A port that was used is untied in the same breath: its message must arrive all the same. */
static void untying_loses_no_signal(void **state)
{
  (void)state;
  static const kernel_form starter_form = {
      .name = "starter",
      .ports = {"out"},
      .state = "rk_u64 n;",
      .on_start = true,
      .source = "RK_ON_START() { Num m = { 1, 0, 0, 0 }; (void)state; rk_send(ctx, RK_PORT_out, "
                "Num, &m); }\n"
                "RK_ON(Num) { (void)ctx; (void)msg; state->n += 1; }\n",
  };
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *a = launch_form(rt, &starter_form, 16, 0);
  rk_actor *sink = launch_form(rt, &sink_form, 16, 1);
  rk_ring_tx *tx = &rt->blocks[0].tx;
  for (int i = 0; i < ROUNDS(2000); ++i) {
    rk_abi_command restart = {.code = RK_CMD_RESTART_ACTOR, .param1 = a->slot};
    rk_abi_msg header = {.dest = a->id, .flags = RK_MSG_COMMAND, .size_bytes = sizeof(restart)};
    tie(rt, a, "out", sink);
    /* Both commands stand in the ring before the block looks: nobody waits for the first. */
    assert_true(rkd_ring_free(tx, 2u) >= 2u);
    rkd_ring_put(tx, header.size_bytes, 0u, &restart, sizeof(restart));
    rkd_ring_commit(tx, &header);
    assert_int_equal(rk_runtime_disconnect(rt, a, "out", NULL), RK_OK);
    (void)receive_num(rt, sink);
  }
  rk_actor_release(a);
  rk_actor_release(sink);
  close_runtime(rt);
}

/* Idle senders hold room of the receiver for later. That must not keep out one whose burst needs
 * all of it, whichever was tied first. */
static void idle_senders_do_not_starve_a_large_burst(void **state)
{
  (void)state;
  static const kernel_form large_form = {
      .name = "large",
      .burst = 16,
      .ports = {"out"},
      .source = "RK_ON(Num) {\n"
                "  (void)state;\n"
                "  for (rk_u64 i = 0; i < 16; ++i) { rk_send(ctx, RK_PORT_out, Num, msg); }\n"
                "  rk_reply(ctx, Num, msg);\n"
                "}\n",
  };
  for (int order = 0; order < 2; ++order) {
    rk_runtime *rt = open_runtime((rk_runtime_options){0});
    rk_kernel *relay = make_kernel(rt, &relay_form);
    rk_actor *sink = launch_form(rt, &counter_form, 16, 0);
    rk_actor *large = launch_form(rt, &large_form, 16, 1);
    rk_actor *idle[3];
    if (order == 1) {
      tie(rt, large, "out", sink);
    }
    for (int i = 0; i < 3; ++i) {
      idle[i] = launch(rt, relay, 4, i % 2);
      tie(rt, idle[i], "next", sink);
      send_num(rt, idle[i], (num){0});
    }
    if (order == 0) {
      tie(rt, large, "out", sink);
    }
    for (uint64_t i = 0; i < 20; ++i) {
      send_num(rt, idle[i % 3u], (num){.seq = i});
      (void)ask(rt, large, (num){.seq = i});
    }
    expect_count(sink, 20 * 17 + 3);
    for (int i = 0; i < 3; ++i) {
      rk_actor_release(idle[i]);
    }
    rk_actor_release(sink);
    rk_actor_release(large);
    rk_kernel_close(relay);
    close_runtime(rt);
  }
}

/* Two senders that need the same two receivers in opposite order: neither may keep the one it has
 * got. */
static void reservations_do_not_deadlock(void **state)
{
  (void)state;
  static const kernel_form fork_form = {
      .name = "fork",
      .ports = {"one", "two"},
      .source = "RK_ON(Num) {\n"
                "  (void)state;\n"
                "  rk_send(ctx, RK_PORT_one, Num, msg);\n"
                "  rk_send(ctx, RK_PORT_two, Num, msg);\n"
                "}\n",
  };
  const uint64_t count = ROUNDS(20000);
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 4});
  rk_kernel *forks = make_kernel(rt, &fork_form), *counters = make_kernel(rt, &counter_form);
  rk_actor *from[2], *to[2];
  uint64_t sent[2] = {0};
  for (int32_t i = 0; i < 2; ++i) {
    from[i] = launch(rt, forks, 64, i);
    to[i] = launch(rt, counters, 1, 2 + i);
  }
  for (int i = 0; i < 2; ++i) {
    tie(rt, from[i], "one", to[i]);
    tie(rt, from[i], "two", to[1 - i]);
  }
  uint64_t deadline = rk_clock_deadline(60 * SECOND);
  while ((sent[0] < count || sent[1] < count) && rk_clock_mono_ns() < deadline) {
    for (int i = 0; i < 2; ++i) {
      while (sent[i] < count && try_send(from[i], (num){.seq = 1}) == RK_OK) {
        sent[i] += 1;
      }
    }
    (void)rk_runtime_wait(rt, MILLISECOND / 10);
  }
  for (int i = 0; i < 2; ++i) {
    expect_count(to[i], 2 * count);
  }
  for (int i = 0; i < 2; ++i) {
    rk_actor_release(from[i]);
    rk_actor_release(to[i]);
  }
  rk_kernel_close(forks);
  rk_kernel_close(counters);
  close_runtime(rt);
}

/* ---- back-pressure ---- */

/* A suspended receiver stops its senders, and they theirs, up to the source; when it goes on,
 * everything comes, in order. */
static void a_suspended_receiver_stops_the_source(void **state)
{
  (void)state;
  enum { LENGTH = 4, QUEUE = 4 };
  for (uint32_t blocks = 1; blocks <= 3; ++blocks) {
    rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = blocks});
    rk_kernel *relay = make_kernel(rt, &relay_form);
    rk_actor *chain[LENGTH + 1];
    uint64_t sent = 0;
    for (uint32_t i = 0; i < LENGTH; ++i) {
      chain[i] = launch(rt, relay, QUEUE, (int32_t)(i % blocks));
    }
    chain[LENGTH] = launch_form(rt, &sink_form, QUEUE, (int32_t)(LENGTH % blocks));
    for (uint32_t i = 0; i < LENGTH; ++i) {
      tie(rt, chain[i], "next", chain[i + 1u]);
    }
    for (int round = 0; round < 3; ++round) {
      uint64_t first = sent;
      assert_int_equal(rk_actor_deactivate(chain[LENGTH], NULL), RK_OK);
      /* The queue of each receiver, and the source's own: so many, however long it takes, and in a
       * while of quiet no more. */
      const uint64_t room = (LENGTH + 1) * QUEUE;
      uint64_t deadline = rk_clock_deadline(60 * SECOND);
      uint64_t quiet = rk_clock_mono_ns();
      while (rk_clock_mono_ns() - quiet < 30 * MILLISECOND ||
             (sent - first < room && rk_clock_mono_ns() < deadline)) {
        if (try_send(chain[0], (num){.seq = sent}) == RK_OK) {
          ++sent;
          quiet = rk_clock_mono_ns();
        }
      }
      assert_int_equal(try_send(chain[0], (num){.seq = sent}), RK_EFULL);
      assert_int_equal(sent - first, room);
      assert_int_equal(rk_actor_activate(chain[LENGTH], NULL), RK_OK);
      for (; first < sent; ++first) {
        assert_int_equal(receive_num(rt, chain[LENGTH]).seq, first);
      }
      expect_nothing(rt, chain[LENGTH]);
    }
    assert_int_equal(letters(rt), 0);
    for (uint32_t i = 0; i <= LENGTH; ++i) {
      assert_int_equal(stats_of(chain[i]).dropped, 0);
      rk_actor_release(chain[i]);
    }
    rk_kernel_close(relay);
    close_runtime(rt);
  }
}

/* A host that takes nothing stops the actor that sends to it, at the size of its queue. */
static void a_slow_host_stops_its_actor(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *sink = launch_form(rt, &sink_form, 8, 0);
  uint64_t sent = 0;
  for (uint64_t quiet = rk_clock_mono_ns(); rk_clock_mono_ns() - quiet < 30 * MILLISECOND;) {
    if (try_send(sink, (num){.seq = sent}) == RK_OK) {
      ++sent;
      quiet = rk_clock_mono_ns();
    }
    (void)rk_runtime_drain(rt);
  }
  assert_int_equal(sent, 16); /* 8 that wait for the host, 8 in the queue */
  assert_int_equal(stats_of(sink).waiting_out, 8);
  for (uint64_t i = 0; i < sent; ++i) {
    assert_int_equal(receive_num(rt, sink).seq, i);
  }
  assert_int_equal(letters(rt), 0);
  rk_actor_release(sink);
  close_runtime(rt);
}

/* ---- speed, reported only ---- */

static double time_ring(rk_runtime *rt, rk_kernel *relay, rk_actor **ring, uint64_t actors,
                        bool spread, uint64_t hops)
{
  for (uint64_t i = 0; i < actors; ++i) {
    ring[i] = launch(rt, relay, 16, spread ? (int32_t)(i % 2u) : 0);
  }
  for (uint64_t i = 0; i < actors; ++i) {
    tie(rt, ring[i], "next", ring[(i + 1u) % actors]);
  }
  uint64_t start = rk_clock_mono_ns();
  send_num(rt, ring[0], (num){.c = hops});
  (void)receive_num(rt, ring[(hops - 1u) % actors]);
  double ns = (double)(rk_clock_mono_ns() - start) / (double)hops;
  for (uint64_t i = 0; i < actors; ++i) {
    rk_actor_release(ring[i]);
  }
  return ns;
}

static void reports_its_speed(void **state)
{
  (void)state;
  static rk_actor *ring[1000];
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2});
  rk_kernel *relay = make_kernel(rt, &relay_form);
  rk_actor *sink = launch_form(rt, &sink_form, 1024, 0);
  uint64_t rounds = ROUNDS(50000), start = rk_clock_mono_ns();
  for (uint64_t i = 0; i < rounds; ++i) {
    (void)ask(rt, sink, (num){.seq = i});
  }
  print_message("host to actor and back: %.0f ns\n",
                (double)(rk_clock_mono_ns() - start) / (double)rounds);
  double one = time_ring(rt, relay, ring, 2, false, ROUNDS(2000000));
  double two = time_ring(rt, relay, ring, 2, true, ROUNDS(200000));
  double thousand = time_ring(rt, relay, ring, 1000, false, ROUNDS(1000000));
  print_message(
      "actor to actor: %.0f ns on one block, %.0f ns between two; ring of 1000: %.0f ns a hop\n",
      one, two, thousand);
  assert_true(one > 0 && two > 0 && thousand > 0);
  rk_actor_release(sink);
  rk_kernel_close(relay);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chains_keep_order),
      cmocka_unit_test(ring_of_actors),
      cmocka_unit_test(fan_in_keeps_the_order_of_each_sender),
      cmocka_unit_test(a_burst_has_its_limit),
      cmocka_unit_test(ports_are_tied_and_untied),
      cmocka_unit_test(untying_loses_no_signal),
      cmocka_unit_test(idle_senders_do_not_starve_a_large_burst),
      cmocka_unit_test(reservations_do_not_deadlock),
      cmocka_unit_test(a_suspended_receiver_stops_the_source),
      cmocka_unit_test(a_slow_host_stops_its_actor),
      cmocka_unit_test(reports_its_speed),
  };
  return cmocka_run_group_tests_name("k2k", tests, make_cache, remove_cache);
}
