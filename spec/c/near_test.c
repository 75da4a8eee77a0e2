/* SPDX-License-Identifier: MIT */
/*
 * Messages between actors of one block (rk_near_dev.h), step by step on plain memory: the order
 * between the two ways, credits beside senders of other blocks, looks that are left out, the end; and
 * the clock, which turns within a block share.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"

#include "rk_actor_dev.h"

#define LIMIT 32u
#define NEAR 4u
#define BYTES 128u
#define UNITS 64u
#define NEAR_SENDERS 2u
#define SENDERS 3u /* the last is of another block */
#define OWN 1u     /* block of the actor */

typedef struct table {
  rk_abi_grid grid;
  rk_abi_block shared;
  rk_abi_actor actors[2];
  rk_abi_link links[2];
  rk_abi_ctrl ctrls[2];
  rk_abi_telemetry telemetry[2];
  rk_abi_def def;
  rk_abi_ring ring;
  RK_ALIGN(16) unsigned char units[UNITS * RK_UNIT_BYTES];
  RK_ALIGN(16) unsigned char slots[(LIMIT + NEAR) * BYTES];
  rk_u32 run_queue[4];
  rk_block at;
  rk_abi_actor *to;
  rk_u64 sent[SENDERS], seen[SENDERS], came, taken;
} table;

static table *open_table(void)
{
  table *t = rk_alloc_aligned(128, sizeof(*t));
  assert_non_null(t);
  memset(t, 0, sizeof(*t));
  t->at.grid = (rk_u64)(rk_uptr)&t->grid;
  t->at.shared = &t->shared;
  t->at.actors = t->actors;
  t->at.index = OWN;
  t->at.run_queue = t->run_queue;
  t->at.ready_mask = 3;
  t->at.links = t->links;
  t->at.ctrls = t->ctrls;
  t->at.telemetry = t->telemetry;
  t->at.actor_capacity = 2;
  t->at.now_us = 1000;
  t->grid.told_ctrls = t->grid.ctrls = (rk_u64)(rk_uptr)t->ctrls;
  t->ring.units = (rk_u64)(rk_uptr)t->units;
  t->ring.capacity_units = UNITS;
  t->ring.mask = UNITS - 1u;
  rkd_ring_tx_open(&t->at.tx, (rk_u64)(rk_uptr)&t->ring);
  rk_abi_actor *a = t->to = &t->actors[1];
  a->id = 1;
  a->block = OWN;
  a->life = RK_STATE_ACTIVE;
  a->limit_msgs = LIMIT;
  a->room = LIMIT;
  a->def = (rk_u64)(rk_uptr)&t->def;
  a->kernel_slots = (rk_u64)(rk_uptr)t->slots;
  a->slot_bytes = BYTES;
  a->kernel_mask = LIMIT - 1u;
  a->near_mask = NEAR - 1u;
  a->near_head = a->near_tail = ~0u - 2u; /* positions wrap soon */
  return t;
}

static rk_abi_msg header_of(table *t, rk_u32 sender)
{
  rk_abi_msg h = {.source = sender, .dest = 1, .id = ++t->sent[sender], .size_bytes = 8};
  h.correlation = ++t->came;
  return h;
}

static void put_near(table *t, rk_u32 sender)
{
  rk_abi_msg h = header_of(t, sender);
  assert_int_equal(rkd_near_put(&t->at, t->to, &h, &h.id), 1);
}

/* As another block does it. `tell`: this block has heard of it. */
static void put_far(table *t, int tell)
{
  rk_abi_msg h = header_of(t, SENDERS - 1u);
  rk_u64 ticket = 0;
  assert_true(rkd_inbox_ticket(t->to, &ticket));
  rkd_slot_publish(rkd_slot(t->to->kernel_slots, t->to->kernel_mask, BYTES, ticket), ticket, &h,
                   &h.id);
  if (tell) {
    t->to->told = 1u;
  }
}

/* Handles the next message; returns its ring, or ~0. */
static rk_u32 take(table *t)
{
  rk_u32 ring;
  rk_abi_msg *m = rkd_next_message(t->to, &ring, 0);
  if (m == NULL) {
    return ~0u;
  }
  assert_in_range(m->source, 0, SENDERS - 1u);
  t->seen[m->source] += 1;
  assert_int_equal(m->id, t->seen[m->source]);  /* no sender overtakes itself */
  assert_int_equal(m->correlation, ++t->taken); /* and nothing anything else */
  assert_memory_equal(rkd_slot_payload(m), &m->id, 8);
  rkd_pass_message(&t->at, t->to, ring);
  if (t->to->kernel_taken != 0u) {
    rkd_room_later(&t->at, t->to, 1u);
  }
  return ring;
}

static rk_u32 waiting(const table *t)
{
  rk_u64 n = 0;
  for (rk_u32 i = 0; i < SENDERS; ++i) {
    n += t->sent[i] - t->seen[i];
  }
  return (rk_u32)n;
}

static void a_full_ring_is_gone_around_in_order(void **state)
{
  (void)state;
  table *t = open_table();
  for (rk_u32 i = 0; i < NEAR + 3u; ++i) {
    put_near(t, i % NEAR_SENDERS);
  }
  assert_int_equal(rkd_near_depth(t->to), NEAR);
  assert_int_equal(rkd_kernel_depth(t->to), NEAR + 3u);
  assert_int_equal(take(t), RK_RING_NEAR);
  put_near(t, 0); /* there is room again, behind those that went around */
  assert_int_equal(rkd_near_depth(t->to), NEAR);
  put_far(t, 1);
  static const rk_u32 expected[] = {RK_RING_NEAR,   RK_RING_NEAR,   RK_RING_NEAR, RK_RING_KERNEL,
                                    RK_RING_KERNEL, RK_RING_KERNEL, RK_RING_NEAR, RK_RING_KERNEL};
  for (size_t i = 0; i < RK_ARRAY_LEN(expected); ++i) {
    assert_int_equal(take(t), expected[i]);
  }
  assert_int_equal(take(t), ~0u);
  assert_int_equal(waiting(t), 0);
  rk_free(t);
}

/* All that can happen, at random: order, no message lost, credits that add up. */
static void any_mixture_keeps_order_and_credits(void **state)
{
  (void)state;
  table *t = open_table();
  rk_u32 seed = 12345, hand = 0, rings[4] = {0};
  for (rk_u32 step = 0; step < 200000u; ++step) {
    seed = seed * 1664525u + 1013904223u;
    rk_u32 what = (seed >> 16) % 16u, phase = step / 200u % 3u;
    if (what < 3u + 4u * (phase == 0u)) { /* in a third of the time more comes than is handled */
      if (rkd_near_take(&t->at, t->to, 1u, 1u) == 1u) {
        put_near(t, what % NEAR_SENDERS);
      }
    } else if (what < 5u + 4u * (phase == 0u)) {
      if (hand == 0u) { /* in lots, as routes take them */
        hand = rkd_room_take(t->to, 1u, 4u);
      }
      if (hand != 0u) {
        hand -= 1u;
        put_far(t, 1);
      }
    } else if (what < 15u) {
      rk_u32 ring = take(t);
      if (ring != ~0u) {
        rings[ring] += 1u;
      }
    } else {
      t->at.now_us += 4u;
      rkd_rooms_look(&t->at);
    }
    assert_in_range(t->to->room, 0, LIMIT);
    assert_int_equal(waiting(t) + hand + t->to->kernel_taken + (rk_u64)t->to->room, LIMIT);
  }
  while (take(t) != ~0u) {
  }
  assert_int_equal(waiting(t), 0);
  assert_true(rings[RK_RING_NEAR] > 1000u && rings[RK_RING_KERNEL] > 1000u);
  rkd_rooms_settle(&t->at);
  assert_int_equal(t->to->room + hand, LIMIT);
  rk_free(t);
}

/* While credits go round within the block, nobody else's words change. */
static void credits_go_round_in_the_block(void **state)
{
  (void)state;
  table *t = open_table();
  for (rk_u32 i = 0; i < 1000u; ++i) {
    assert_int_equal(rkd_near_take(&t->at, t->to, 1u, 1u), 1);
    put_near(t, 0);
    assert_int_equal(take(t), RK_RING_NEAR);
    assert_int_equal(t->to->room, LIMIT - 1u);
    assert_int_equal(t->to->tail, 0);
    assert_int_equal(t->to->signal, 0);
  }
  t->at.now_us += RK_OWING_US;
  rkd_rooms_look(&t->at);
  assert_int_equal(t->to->room, LIMIT);
  rk_free(t);
}

/* A sender of another block that finds no room gets some, though one of this block always wants more
 * and credits come back one by one. */
static void nobody_waits_for_ever(void **state)
{
  (void)state;
  table *t = open_table();
  rk_u32 got = 0;
  while (rkd_near_take(&t->at, t->to, 1u, 1u) == 1u) {
    put_near(t, 0);
  }
  assert_int_equal(t->to->room, 0);
  for (rk_u32 i = 0; i < 200u && got < 4u; ++i) {
    if (take(t) != ~0u && rkd_near_take(&t->at, t->to, 1u, 1u) == 1u) {
      put_near(t, 0);
    }
    t->at.now_us += 3u;
    rkd_rooms_look(&t->at);
    if (rkd_room_take(t->to, 1u, 1u) == 1u) { /* the other block, while this one has its round */
      put_far(t, 1);
      got += 1u;
    }
  }
  assert_int_equal(got, 4);
  rk_free(t);
}

/* The ring for messages from other blocks is looked at only when there may be some. */
static void what_nobody_told_of_is_not_looked_for(void **state)
{
  (void)state;
  table *t = open_table();
  put_far(t, 0);
  assert_int_equal(take(t), ~0u);
  t->to->told = 1u;
  assert_int_equal(take(t), RK_RING_KERNEL);
  assert_int_equal(t->to->told, 1);
  assert_int_equal(take(t), ~0u);
  assert_int_equal(t->to->told, 0);
  rk_free(t);
}

/* The host and actors take turns, whoever has how much. */
static void rings_take_turns(void **state)
{
  (void)state;
  table *t = open_table();
  rk_abi_msg host[2] = {{.source = 0, .size_bytes = 0}, {.source = 0, .size_bytes = 0}};
  rk_u32 order[6], ring;
  t->to->host_slots = (rk_u64)(rk_uptr)host;
  t->to->host_tail = 2;
  t->to->slot_bytes = BYTES;
  t->to->host_mask = 0; /* both lie in one slot: this test looks at rings alone */
  for (rk_u32 i = 0; i < 2u; ++i) {
    put_near(t, 0);
    put_far(t, 1);
  }
  for (rk_u32 i = 0; i < 6u; ++i) {
    assert_non_null(rkd_next_message(t->to, &ring, 0));
    order[i] = ring;
    rkd_pass_message(&t->at, t->to, ring);
  }
  static const rk_u32 expected[6] = {RK_RING_HOST,   RK_RING_NEAR, RK_RING_HOST,
                                     RK_RING_KERNEL, RK_RING_NEAR, RK_RING_KERNEL};
  assert_memory_equal(order, expected, sizeof(expected));
  rk_free(t);
}

/* What waits in both rings when the actor ends are dead letters, all of it and in order; after that
 * nothing is accepted. */
static void the_end_empties_both_rings(void **state)
{
  (void)state;
  table *t = open_table();
  t->to->room -= NEAR + 3u;
  for (rk_u32 i = 0; i < NEAR + 3u; ++i) {
    put_near(t, 0);
  }
  put_far(t, 0); /* published, but its sender has not signalled yet */
  t->to->tail |= RK_TAIL_CLOSED;
  t->to->life = RK_STATE_TERMINATING;
  rk_abi_msg h = header_of(t, 0);
  assert_int_equal(rkd_near_put(&t->at, t->to, &h, &h.id), 0);
  assert_null(rkd_near_next(t->to));
  assert_int_equal(rkd_drain(&t->at, t->to), 1);
  assert_int_equal(t->to->life, RK_STATE_TERMINATED);
  for (rk_u32 i = 0; i < NEAR + 4u; ++i) {
    const rk_abi_msg *dead = (const rk_abi_msg *)(const void *)(t->units + i * RK_UNIT_BYTES);
    assert_int_equal(dead->flags & RK_MSG_DEAD, RK_MSG_DEAD);
    assert_int_equal(dead->reason, RK_DEAD_TERMINATED);
    assert_int_equal(dead->id, i < NEAR + 3u ? i + 1u : 1u);
  }
  assert_int_equal(t->at.tx.tail, NEAR + 4u + 1u); /* and the answer */
  assert_int_equal(t->to->room, LIMIT + 1);        /* all came back; the far one took none here */
  rk_free(t);
}

/* One from another block whose sender has published, but not signalled yet. */
static void the_end_looks_without_being_told(void **state)
{
  (void)state;
  table *t = open_table();
  put_far(t, 0);
  t->to->tail |= RK_TAIL_CLOSED;
  t->to->life = RK_STATE_TERMINATING;
  assert_int_equal(rkd_drain(&t->at, t->to), 1);
  assert_int_equal(t->at.tx.tail, 2);
  rk_free(t);
}

/* Turns of a round share a reading of the clock while they are short. */
static void short_turns_share_a_reading(void **state)
{
  (void)state;
  table *t = open_table();
  rk_block *b = &t->at;
  b->now_us = 5; /* long ago */
  rkd_sample_turn(b);
  assert_true(b->now_us > 5u);
  assert_int_equal(b->sample_msgs, 1);
  b->now_us = 5;
  rkd_sample_turn(b); /* nothing was handled since */
  assert_int_equal(b->now_us, 5);
  b->handled += 1u;
  rkd_sample_turn(b);
  assert_true(b->now_us > 5u);
  for (int tries = 0; b->sample_msgs == 1u && tries < 100000; ++tries) {
    b->handled += 1u;
    rkd_sample_turn(b); /* two in a row within a microsecond, some time */
  }
  assert_int_equal(b->sample_msgs, RK_SAMPLE_MSGS);
  b->now_us = 5;
  b->handled += RK_SAMPLE_MSGS - 1u;
  rkd_sample_turn(b);
  assert_int_equal(b->now_us, 5);
  b->handled += 1u;
  rkd_sample_turn(b); /* and took a while, as it seems: */
  assert_int_equal(b->sample_msgs, 1);
  b->now_us = 5;
  b->sampled = 0u; /* another round */
  rkd_sample_turn(b);
  assert_true(b->now_us > 5u);
  rk_free(t);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_full_ring_is_gone_around_in_order),
      cmocka_unit_test(any_mixture_keeps_order_and_credits),
      cmocka_unit_test(credits_go_round_in_the_block),
      cmocka_unit_test(nobody_waits_for_ever),
      cmocka_unit_test(what_nobody_told_of_is_not_looked_for),
      cmocka_unit_test(rings_take_turns),
      cmocka_unit_test(the_end_empties_both_rings),
      cmocka_unit_test(the_end_looks_without_being_told),
      cmocka_unit_test(short_turns_share_a_reading),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
