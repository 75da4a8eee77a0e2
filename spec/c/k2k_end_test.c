/* SPDX-License-Identifier: MIT */
/*
 * Actors that send to actors which end meanwhile, have ended or never lived: through ports and by
 * reference, with slots that are used again. What is lost or comes twice is counted message by
 * message.
 */
#include "k2k_kernels.h"

#include "runtime/internal.h"

/* Where an actor lives, which a test on the CPU backend may look at. */
static rk_abi_actor *slot_of(const rk_actor *actor)
{
  return RK_PTR(rk_abi_actor, actor->rt->actors) + actor->slot;
}

/* Sends to the actor that a names, b times; answers the last code as b and how many were accepted.
 */
static const kernel_form direct_form = {
    .name = "direct",
    .source = "RK_ON(Num) {\n"
              "  Num answer = *msg;\n"
              "  (void)state;\n"
              "  answer.c = 0;\n"
              "  for (rk_u64 i = 0; i < msg->b; ++i) {\n"
              "    Num m = { msg->seq + i, rk_self(ctx), rk_sender(ctx), 0 };\n"
              "    int rc = rk_send_to(ctx, msg->a, Num, &m);\n"
              "    answer.c += rc == 0;\n"
              "    answer.a = (rk_u64)(rk_i64)rc;\n"
              "  }\n"
              "  rk_reply(ctx, Num, &answer);\n"
              "}\n",
};

/* ---- receivers that end ---- */

static void mark(unsigned char *seen, uint64_t seq, uint64_t count)
{
  assert_in_range(seq, 0, count - 1u);
  seen[seq] = (unsigned char)(seen[seq] + 1);
}

/* The receiver is terminated while messages stream into it, through a port and from the host: each
 * is handled once or in the dead letters once. */
static void end_in_mid_stream(uint32_t queue, uint64_t end_at, int32_t block)
{
  enum { COUNT = 3000 };
  static unsigned char seen[COUNT];
  rk_runtime *rt = open_runtime((rk_runtime_options){.dead_letters = 2 * COUNT});
  rk_actor *relay = launch_form(rt, &relay_form, queue, 0);
  rk_actor *sink = launch_form(rt, &sink_form, queue, block);
  memset(seen, 0, sizeof(seen));
  tie(rt, relay, "next", sink);
  uint64_t relayed = 0;
  bool ended = false;
  for (uint64_t seq = 0; seq < COUNT;) {
    rk_received r;
    bool through_relay = seq % 3u != 0u || ended;
    if (try_send(through_relay ? relay : sink, (num){.seq = seq}) == RK_OK) {
      ++seq;
      relayed += through_relay;
    }
    if (!ended && seq >= end_at) {
      assert_int_equal(rk_actor_terminate(sink, NULL), RK_OK);
      ended = true;
    }
    while (rk_actor_try_receive(sink, &r) == RK_OK) {
      mark(seen, ((const num *)r.data)->seq, COUNT);
    }
  }
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  while (stats_of(relay).processed < relayed && rk_clock_mono_ns() < deadline) {
    (void)rk_runtime_wait(rt, MILLISECOND);
  }
  rk_received r;
  uint64_t dest = 0, id = rk_actor_id(sink);
  while (rk_actor_try_receive(sink, &r) == RK_OK) {
    mark(seen, ((const num *)r.data)->seq, COUNT);
  }
  assert_int_equal(rk_actor_try_receive(sink, &r), RK_ETERMINATED);
  for (size_t i = 0; rk_runtime_dead_letter(rt, i, &r, &dest) == RK_OK; ++i) {
    assert_string_equal(rk_dead_reason_name(r.reason), "terminated");
    assert_int_equal(dest, id);
    mark(seen, ((const num *)r.data)->seq, COUNT);
  }
  for (uint64_t i = 0; i < COUNT; ++i) {
    if (seen[i] != 1) {
      fail_msg("message %llu was seen %u times", (unsigned long long)i, seen[i]);
    }
  }
  rk_actor_release(relay);
  rk_actor_release(sink);
  close_runtime(rt);
}

static void a_receiver_that_ends_loses_nothing(void **state)
{
  (void)state;
  static const uint32_t queues[] = {1, 2, 7, 64, 1024};
  for (size_t i = 0; i < RK_ARRAY_LEN(queues); ++i) {
    for (uint64_t end_at = 0; end_at < 2400; end_at += 800) {
      end_in_mid_stream(queues[i], end_at + i, 0);
      end_in_mid_stream(queues[i], end_at + i, 1);
    }
  }
}

/* A sender that has its ticket but has not published yet when the receiver ends: the receiver waits
 * for it. */
static void an_end_waits_for_messages_under_way(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){0});
  rk_actor *sink = launch_form(rt, &sink_form, 8, 0);
  rk_ring_tx *tx = &rt->blocks[0].tx;
  rk_abi_actor *to = slot_of(sink);
  rk_abi_command destroy = {.code = RK_CMD_DESTROY_ACTOR, .param1 = sink->slot};
  rk_abi_msg header = {.dest = sink->id, .flags = RK_MSG_COMMAND, .size_bytes = sizeof(destroy)};
  rk_u64 ticket = 0;
  num m = {.seq = 77};
  assert_int_equal(rkd_room_take(to, 1u, 1u), 1); /* this test is the sender */
  assert_true(rkd_inbox_ticket(to, &ticket));
  rkd_ring_put(tx, header.size_bytes, 0u, &destroy, sizeof(destroy));
  rkd_ring_commit(tx, &header);
  rt->ops->grid_bell(rt->backend, 0);
  rk_clock_sleep(20 * MILLISECOND);
  assert_string_equal(rk_actor_state(sink), "active"); /* not ended: one is missing */
  rk_abi_msg h = {.id = 1001, .dest = sink->id, .type = NUM, .size_bytes = sizeof(m), .source = 1};
  rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket, &h,
                   &m);
  assert_int_equal(letter(rt, 0, "terminated", NULL).seq, 77);
  rk_received r;
  assert_int_equal(receive_within(rt, sink, &r, 10 * SECOND), RK_ETERMINATED);
  rk_actor_release(sink);
  close_runtime(rt);
}

/* ---- by reference ---- */

static void sending_by_reference(void **state)
{
  (void)state;
  static const uint64_t nobody[] = {5, 0xffffffffu, 0x80000000u, 0xfff00000u, 0x00100001u};
  rk_runtime *rt = open_runtime((rk_runtime_options){.max_actors = 8});
  rk_actor *direct = launch_form(rt, &direct_form, 8, 0);
  rk_kernel *sinks = make_kernel(rt, &sink_form);
  uint64_t stale = 0, expected_letters = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    rk_actor *sink = launch(rt, sinks, 4, (int32_t)(i % 2u));
    num r = ask(rt, direct, (num){i, rk_actor_id(sink), 1, 0});
    assert_int_equal(r.c, 1);
    num got = receive_num(rt, sink);
    assert_int_equal(got.seq, i);
    assert_int_equal(got.a, rk_actor_id(direct));
    assert_int_equal(got.b, 0); /* the host had asked */
    if (stale != 0) {           /* perhaps the same slot, never the same actor */
      r = ask(rt, direct, (num){i, stale, 1, 0});
      assert_int_equal((int64_t)r.a, RK_ETERMINATED);
      expected_letters += 1;
      expect_nothing(rt, sink);
    }
    stale = rk_actor_id(sink);
    assert_int_equal(rk_actor_terminate(sink, NULL), RK_OK);
    rk_actor_release(sink);
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(nobody); ++i) {
    assert_int_equal((int64_t)ask(rt, direct, (num){0, nobody[i], 1, 0}).a, RK_ETERMINATED);
    expected_letters += 1;
  }
  assert_int_equal(letters(rt), expected_letters);
  assert_int_equal(stats_of(direct).dropped, expected_letters);
  /* More than its queue holds: refused, not lost. */
  rk_actor *sink = launch(rt, sinks, 4, 1);
  assert_int_equal(rk_actor_deactivate(sink, NULL), RK_OK);
  num r = ask(rt, direct, (num){0, rk_actor_id(sink), 10, 0});
  assert_int_equal(r.c, 4);
  assert_int_equal((int64_t)r.a, RK_EFULL);
  assert_int_equal(rk_actor_activate(sink, NULL), RK_OK);
  for (uint64_t i = 0; i < 4; ++i) {
    assert_int_equal(receive_num(rt, sink).seq, i);
  }
  rk_actor_release(sink);
  rk_kernel_close(sinks);
  rk_actor_release(direct);
  close_runtime(rt);
}

/* Messages to the dead must not eat the room to the host that other messages count on. */
static void a_flood_to_the_dead_harms_nobody(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.ring_units = 64, .dead_letters = 1000});
  rk_actor *direct = launch_form(rt, &direct_form, 8, 0);
  uint64_t accounted = 0;
  const uint64_t id = 0x12345678u;
  for (uint64_t i = 0; i < 50; ++i) {
    num r = ask(rt, direct, (num){i * 1000u, id, 200, 0});
    assert_int_equal(r.seq, i * 1000u); /* the answer had its room */
    assert_int_equal(r.c, 0);
    assert_true((int64_t)r.a == RK_ETERMINATED || (int64_t)r.a == RK_EFULL);
  }
  rk_received r;
  uint64_t dest = 0;
  for (size_t i = 0; rk_runtime_dead_letter(rt, i, &r, &dest) == RK_OK; ++i) {
    assert_int_equal(dest, id);
    assert_int_equal(r.size, sizeof(num));
    assert_true(((const num *)r.data)->seq % 1000u < 200u);
    accounted += 1;
  }
  assert_true(accounted >= 50);
  assert_int_equal(stats_of(direct).dropped, 50 * 200);
  rk_actor_release(direct);
  close_runtime(rt);
}

/* ---- slots that are used again ---- */

/* Actors come and go on both blocks in very few slots, while others send to their references,
 * living and stale, and through ports. Nobody may get what was meant for another. */
static void slots_used_again_are_kept_apart(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.max_actors = 6, .dead_letters = 4});
  rk_actor *direct[2], *relay[2];
  rk_kernel *counters = make_kernel(rt, &counter_form);
  uint64_t old[4] = {0};
  for (int32_t i = 0; i < 2; ++i) {
    direct[i] = launch_form(rt, &direct_form, 64, i);
    relay[i] = launch_form(rt, &relay_form, 64, i);
  }
  for (uint64_t i = 0; i < ROUNDS(3000); ++i) {
    rk_actor *actor = NULL;
    rk_error err = RK_ERROR_INIT;
    rk_received r;
    uint64_t deadline = rk_clock_deadline(10 * SECOND);
    do { /* the slots of those that just ended may still be in somebody's hands */
      assert_true(rk_clock_mono_ns() < deadline);
      (void)rk_runtime_drain(rt);
    } while (rk_actor_launch(rt, counters,
                             &(rk_launch_options){.queue = 8, .block = (int32_t)(i % 2u)}, &actor,
                             NULL, &err) == RK_EOUT_OF_MEMORY);
    assert_non_null(actor);
    uint64_t id = rk_actor_id(actor);
    for (size_t k = 0; k < RK_ARRAY_LEN(old); ++k) {
      assert_int_not_equal(old[k], id);
    }
    for (int k = 0; k < 2; ++k) {
      tie(rt, relay[k], "next", actor);
      (void)try_send(relay[k], (num){.seq = id});
      (void)try_send(direct[k], (num){.seq = 0, .a = old[i % 4u], .b = 3});
      (void)try_send(direct[k], (num){.seq = id, .a = id, .b = 1});
    }
    if (i % 3u == 0u) {
      rk_clock_spin(20000);
    }
    tally t = tally_of(actor);
    assert_int_equal(t.sum, t.count * id); /* never what went to an older one */
    for (int k = 0; k < 2; ++k) {
      if (i % 2u == 0u) {
        assert_int_equal(rk_runtime_disconnect(rt, relay[k], "next", NULL), RK_OK);
      }
    }
    assert_int_equal(rk_actor_terminate(actor, NULL), RK_OK);
    rk_actor_release(actor);
    old[i % 4u] = id;
    for (int k = 0; k < 2; ++k) {
      while (rk_actor_try_receive(direct[k], &r) == RK_OK) {
      }
    }
  }
  for (int k = 0; k < 2; ++k) {
    rk_actor_release(direct[k]);
    rk_actor_release(relay[k]);
  }
  rk_kernel_close(counters);
  close_runtime(rt);
}

/* An actor ends while somebody is about to tell its block of a message: its slot is not used again
 * before that word has arrived, or the block would run whoever lives there then. */
static void a_slot_waits_for_the_last_signal(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.max_actors = 1});
  rk_kernel *counters = make_kernel(rt, &counter_form);
  rk_actor *actor = launch(rt, counters, 8, 0), *next = NULL;
  rk_launch_options options = {.block = 1};
  rk_abi_actor *shared = slot_of(actor);
  uint64_t deadline = rk_clock_deadline(10 * SECOND);
  assert_int_equal(rk_exch_acqrel_gpu_u32(&shared->signal, 1u), 0); /* this test is the sender */
  assert_int_equal(rk_actor_terminate(actor, NULL), RK_OK);
  assert_int_equal(rk_ld_relaxed_gpu_u32(&shared->id), 0); /* nobody finds it any more */
  assert_int_equal(rk_actor_launch(rt, counters, &options, &next, NULL, NULL), RK_EOUT_OF_MEMORY);
  rkd_ready_push(RK_PTR(rk_abi_block, RK_PTR(rk_abi_grid, rt->grid)->blocks), actor->slot);
  rt->ops->grid_bell(rt->backend, 0);
  while (rk_actor_launch(rt, counters, &options, &next, NULL, NULL) != RK_OK) {
    assert_true(rk_clock_mono_ns() < deadline);
  }
  assert_ptr_equal(slot_of(next), shared);
  assert_int_not_equal(rk_actor_id(next), rk_actor_id(actor));
  rk_actor_release(actor);
  rk_actor_release(next);
  rk_kernel_close(counters);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_receiver_that_ends_loses_nothing),
      cmocka_unit_test(an_end_waits_for_messages_under_way),
      cmocka_unit_test(sending_by_reference),
      cmocka_unit_test(a_flood_to_the_dead_harms_nobody),
      cmocka_unit_test(slots_used_again_are_kept_apart),
      cmocka_unit_test(a_slot_waits_for_the_last_signal),
  };
  return cmocka_run_group_tests_name("k2k end", tests, make_cache, remove_cache);
}
