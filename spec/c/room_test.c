/* SPDX-License-Identifier: MIT */
/*
 * Credits that an actor's block gives back a little later (rk_room_dev.h): step by step on plain
 * memory, then over a real grid, where senders need all the room there is.
 */
#include "k2k_kernels.h"

#include "base/alloc.h"

#include "rk_actor_dev.h"

#define ACTORS 12u
#define LIMIT 64u
#define UNITS 16u

/* ---- step by step ---- */

typedef struct table {
  rk_abi_grid grid;
  rk_abi_actor actors[ACTORS];
  rk_abi_link links[ACTORS];
  rk_abi_ctrl ctrls[ACTORS];
  rk_abi_telemetry telemetry[ACTORS];
  rk_abi_def def;
  rk_abi_ring ring;
  unsigned char units[UNITS * RK_UNIT_BYTES], slot[sizeof(rk_abi_msg)];
  rk_block at;
} table;

static table *open_table(void)
{
  table *t = rk_alloc_aligned(128, sizeof(*t));
  assert_non_null(t);
  memset(t, 0, sizeof(*t));
  t->at.grid = (rk_u64)(rk_uptr)&t->grid;
  t->at.actors = t->actors;
  t->at.now_us = 1000;
  t->grid.links = (rk_u64)(rk_uptr)t->links;
  t->grid.ctrls = t->grid.told_ctrls = (rk_u64)(rk_uptr)t->ctrls;
  t->grid.telemetry = (rk_u64)(rk_uptr)t->telemetry;
  t->at.links = t->links;
  t->at.ctrls = t->ctrls;
  t->at.telemetry = t->telemetry;
  t->at.actor_capacity = ACTORS;
  t->ring.units = (rk_u64)(rk_uptr)t->units;
  t->ring.capacity_units = UNITS;
  t->ring.mask = UNITS - 1u;
  rkd_ring_tx_open(&t->at.tx, (rk_u64)(rk_uptr)&t->ring);
  for (rk_u32 i = 0; i < ACTORS; ++i) {
    t->actors[i].id = i + 1u;
    t->actors[i].limit_msgs = LIMIT;
    t->actors[i].room = LIMIT;
    t->actors[i].def = (rk_u64)(rk_uptr)&t->def;
    t->actors[i].kernel_slots = (rk_u64)(rk_uptr)t->slot; /* nothing waits there */
    t->actors[i].slot_bytes = sizeof(t->slot);
  }
  return t;
}

/* A turn in which actor i handled `count` messages that had taken credits. */
static void turn(table *t, rk_u32 i, rk_u32 count)
{
  rk_abi_actor *a = &t->actors[i];
  a->room -= count;
  for (rk_u32 k = 0; k < count; ++k) {
    rkd_pass_message(&t->at, a, RK_RING_KERNEL);
  }
  if (a->kernel_taken != 0u) {
    rkd_room_later(&t->at, a, i);
  }
}

static void they_come_back_later(void **state)
{
  (void)state;
  table *t = open_table();
  turn(t, 3, 2);
  t->at.now_us += RK_OWING_US - 1u;
  turn(t, 3, 1);
  turn(t, 5, 1);
  rkd_rooms_look(&t->at);
  assert_int_equal(t->actors[3].room, LIMIT - 3);
  t->at.now_us += 1u;
  rkd_rooms_look(&t->at);
  assert_int_equal(t->actors[3].room, LIMIT);
  assert_int_equal(t->actors[5].room, LIMIT);
  assert_int_equal(t->actors[3].kernel_taken, 0);
  turn(t, 3, 1); /* and so the next time */
  rkd_rooms_look(&t->at);
  assert_int_equal(t->actors[3].room, LIMIT - 1);
  t->at.now_us += RK_OWING_US;
  rkd_rooms_look(&t->at);
  assert_int_equal(t->actors[3].room, LIMIT);
  rk_free(t);
}

static void an_eighth_of_the_queue_comes_back_at_once(void **state)
{
  (void)state;
  table *t = open_table();
  turn(t, 0, LIMIT / 8u - 1u);
  assert_int_equal(t->actors[0].room, LIMIT - LIMIT / 8u + 1u);
  turn(t, 0, 1);
  assert_int_equal(t->actors[0].room, LIMIT);
  t->at.now_us += RK_OWING_US;
  rkd_rooms_look(&t->at); /* what it is listed for came back already */
  assert_int_equal(t->actors[0].room, LIMIT);
  t->actors[1].limit_msgs = 8;
  t->actors[1].room = 8;
  turn(t, 1, 1);
  assert_int_equal(t->actors[1].room, 8);
  rk_free(t);
}

static void there_are_few_to_come_back_to(void **state)
{
  (void)state;
  table *t = open_table();
  for (rk_u32 i = 0; i < ACTORS; ++i) {
    turn(t, i, 1);
    assert_int_equal(t->actors[i].room, i < RK_OWING_MAX ? LIMIT - 1 : LIMIT);
  }
  rkd_rooms_settle(&t->at);
  for (rk_u32 i = 0; i < ACTORS; ++i) {
    assert_int_equal(t->actors[i].room, LIMIT);
    assert_int_equal(t->actors[i].owes, 0);
  }
  rk_free(t);
}

static void a_clock_that_is_set_back_delays_nothing(void **state)
{
  (void)state;
  table *t = open_table();
  turn(t, 7, 1);
  t->at.now_us -= 500u;
  rkd_rooms_look(&t->at);
  assert_int_equal(t->actors[7].room, LIMIT);
  rk_free(t);
}

/* Another block may be the next to serve its slot, so nothing of it stays in this one's hands. */
static void an_ended_actor_is_owed_nothing(void **state)
{
  (void)state;
  table *t = open_table();
  rk_abi_actor *a = &t->actors[2];
  turn(t, 2, 1);
  a->tail = a->kernel_head | RK_TAIL_CLOSED;
  a->life = RK_STATE_TERMINATING;
  assert_int_equal(rkd_drain(&t->at, a), 1);
  assert_int_equal(a->life, RK_STATE_TERMINATED);
  assert_int_equal(t->at.owing_count, 0);
  assert_int_equal(a->owes, 0);
  assert_int_equal(a->room, LIMIT);
  rk_free(t);
}

/* A queue that fills and empties all the time wakes the host a thousand times a second at most. */
static void a_full_queue_is_told_of_now_and_then(void **state)
{
  (void)state;
  table *t = open_table();
  rk_abi_actor *a = &t->actors[4];
  for (rk_u32 told = 1; told < 4u; ++told) {
    for (int k = 0; k < 10; ++k) {
      rkd_watch_queue(&t->at, a, LIMIT * 3u / 4u);
      assert_int_equal(t->at.tx.tail, told); /* a response fits into a unit */
      rkd_watch_queue(&t->at, a, 0);
    }
    t->at.now_us += RK_WATCH_AGAIN_US - 1u;
    rkd_watch_queue(&t->at, a, 0);
    assert_int_equal(a->level, 1);
    t->at.now_us += 1u;
    rkd_watch_queue(&t->at, a, 0);
    assert_int_equal(a->level, 0);
  }
  rk_free(t);
}

/* ---- over a grid ---- */

/* For each message as many to its port as a handling may send, which needs that much room at once. */
#define GUSH 23u
static const kernel_form gusher_form = {
    .name = "gusher",
    .burst = GUSH,
    .ports = {"out"},
    .source = "RK_ON(Num) {\n"
              "  Num out = *msg;\n"
              "  (void)state;\n"
              "  for (rk_u32 i = 0; i < 23; ++i) {\n"
              "    out.seq = msg->seq * 23 + i;\n"
              "    rk_send(ctx, RK_PORT_out, Num, &out);\n"
              "  }\n"
              "}\n",
};

/* Of 23 credits 21 come back by eighths of the queue, and the next burst cannot begin with 22: the
 * two that were kept must come, whether the block of the receiver sleeps before they do or not at all. */
static void a_sender_that_needs_nearly_all_goes_on(void **state)
{
  (void)state;
  static const int32_t spins_us[] = {1, 10000000};
  for (int i = 0; i < 4; ++i) {
    rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2, .spin_us = spins_us[i / 2]});
    rk_actor *from = launch_form(rt, &gusher_form, 64, 0);
    rk_actor *into = launch_form(rt, &counter_form, GUSH + 1u, i % 2);
    uint64_t sent = ROUNDS(400), count = sent * GUSH;
    tie(rt, from, "out", into);
    for (uint64_t n = 0; n < sent; ++n) {
      send_num(rt, from, (num){n, 0, 0, 0});
      if (n % 50u == 0u) {
        rk_clock_sleep(300000);
      }
    }
    expect_count(into, count);
    assert_int_equal(tally_of(into).sum, count * (count - 1u) / 2u);
    rk_actor_release(from);
    rk_actor_release(into);
    close_runtime(rt);
  }
}

/* An actor that ends while its block still has credits of it; its slot serves another block next. */
static void slots_change_blocks(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2, .max_actors = 4});
  rk_actor *from = launch_form(rt, &gusher_form, 64, 0);
  for (uint64_t n = 0; n < ROUNDS(200); ++n) {
    rk_actor *into = launch_form(rt, &counter_form, GUSH + 1u, (int32_t)(n % 2u));
    tie(rt, from, "out", into);
    send_num(rt, from, (num){n, 0, 0, 0});
    send_num(rt, from, (num){n, 0, 0, 0});
    expect_count(into, 2u * GUSH);
    assert_int_equal(rk_actor_terminate(into, NULL), RK_OK);
    rk_actor_release(into);
  }
  rk_actor_release(from);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_come_back_later),
      cmocka_unit_test(an_eighth_of_the_queue_comes_back_at_once),
      cmocka_unit_test(there_are_few_to_come_back_to),
      cmocka_unit_test(a_clock_that_is_set_back_delays_nothing),
      cmocka_unit_test(an_ended_actor_is_owed_nothing),
      cmocka_unit_test(a_full_queue_is_told_of_now_and_then),
      cmocka_unit_test(a_sender_that_needs_nearly_all_goes_on),
      cmocka_unit_test(slots_change_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
