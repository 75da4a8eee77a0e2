/* SPDX-License-Identifier: MIT */
/*
 * Hot actors (rk_hot_dev.h): step by step on plain memory, with one block that receives and one that
 * sends, both played by this thread; then over a real grid, where a token goes to and fro between two
 * blocks while these turn hot, cool, sleep, park and lose actors.
 */
#include "k2k_kernels.h"

#include "base/alloc.h"
#include "runtime/internal.h"

#include "rk_grid_dev.h"

#define ACTORS 8u
#define SLOTS 4u
#define SLOT_BYTES 128u

/* ---- step by step ---- */

typedef struct table {
  rk_abi_grid grid;
  rk_abi_block blocks[2];
  rk_abi_actor actors[ACTORS]; /* all on block 1 */
  rk_abi_ready ready[2 * ACTORS];
  rk_u32 run_queue[2 * ACTORS];
  unsigned char slots[ACTORS][SLOTS * SLOT_BYTES];
  rk_block from, at; /* blocks 0 and 1 */
} table;

static table *open_table(void)
{
  table *t = rk_alloc_aligned(128, sizeof(*t));
  assert_non_null(t);
  memset(t, 0, sizeof(*t));
  t->grid.blocks = (rk_u64)(rk_uptr)t->blocks;
  t->grid.block_count = 2;
  t->grid.actor_capacity = ACTORS;
  t->blocks[1].ready = (rk_u64)(rk_uptr)t->ready;
  t->blocks[1].ready_mask = 2 * ACTORS - 1;
  for (rk_u32 i = 0; i < ACTORS; ++i) {
    rk_abi_actor *a = &t->actors[i];
    a->id = i + 1u;
    a->block = 1;
    a->life = RK_STATE_ACTIVE;
    a->kernel_slots = (rk_u64)(rk_uptr)t->slots[i];
    a->slot_bytes = SLOT_BYTES;
    a->kernel_mask = SLOTS - 1;
    a->limit_msgs = SLOTS;
    a->room = SLOTS;
  }
  rk_block *both[] = {&t->from, &t->at};
  for (rk_u32 i = 0; i < 2; ++i) {
    both[i]->grid = (rk_u64)(rk_uptr)&t->grid;
    both[i]->index = i;
    both[i]->shared = &t->blocks[i];
    both[i]->actors = t->actors;
    both[i]->actor_capacity = ACTORS;
    both[i]->run_queue = t->run_queue;
    both[i]->ready = (rk_u64)(rk_uptr)t->ready;
    both[i]->ready_mask = 2 * ACTORS - 1;
  }
  return t;
}

/* Block 0 sends a message to an actor of block 1. */
static void send_one(table *t, rk_u32 i)
{
  static const rk_u64 payload[8]; /* of no bytes, but the compiler looks at more */
  rk_abi_msg header = {.id = 1};
  rk_u64 ticket = 0;
  rk_abi_actor *to = &t->actors[i];
  assert_true(rkd_inbox_ticket(to, &ticket));
  rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket,
                   &header, payload);
  rkd_signal(&t->from, to);
}

/* A round of block 1, in which every actor that is to have a turn takes what it has. Returns the
 * messages taken. */
static rk_u32 run_round(table *t)
{
  rk_u32 taken = 0;
  (void)rkd_poll_ready(&t->at);
  (void)rkd_poll_hot(&t->at);
  while (t->at.run_head != t->at.run_tail) {
    rk_abi_actor *a = t->actors + t->run_queue[t->at.run_head++ & t->at.ready_mask];
    a->queued = 0;
    for (;; ++taken) {
      rk_abi_msg *m = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, a->kernel_head);
      if (!rkd_slot_ready(m, a->kernel_head)) {
        break;
      }
      a->kernel_head += 1;
    }
  }
  t->at.rounds += 1;
  return taken;
}

/* Makes actor i hot. */
static void heat(table *t, rk_u32 i)
{
  for (int k = 0; k < 2; ++k) {
    send_one(t, i);
    assert_int_equal(run_round(t), 1);
  }
}

static void the_second_entry_makes_it_hot(void **state)
{
  (void)state;
  table *t = open_table();
  send_one(t, 3);
  assert_int_equal(run_round(t), 1);
  assert_int_equal(t->actors[3].signal, 0);
  assert_int_equal(t->at.hot_count, 0);
  send_one(t, 3);
  assert_int_equal(run_round(t), 1);
  assert_int_equal(t->actors[3].signal, 1);
  assert_int_equal(t->at.hot_count, 1);
  rk_free(t);
}

static void messages_to_a_hot_actor_need_no_entry(void **state)
{
  (void)state;
  table *t = open_table();
  heat(t, 5);
  rk_u64 entries = t->blocks[1].ready_tail;
  t->from.wake_mask = 0;
  for (int k = 0; k < 100; ++k) {
    send_one(t, 5);
    assert_int_equal(run_round(t), 1);
  }
  assert_int_equal(t->blocks[1].ready_tail, entries);
  assert_int_equal(t->from.wake_mask, 0);
  rk_free(t);
}

static void it_cools_when_nothing_comes(void **state)
{
  (void)state;
  table *t = open_table();
  heat(t, 0);
  for (rk_u32 k = 0; k < RK_HOT_ROUNDS; ++k) {
    assert_int_equal(run_round(t), 0);
  }
  assert_int_equal(t->at.hot_count, 1);
  (void)run_round(t);
  (void)run_round(t);
  assert_int_equal(t->at.hot_count, 0);
  assert_int_equal(t->actors[0].signal, 0);
  rk_u64 entries = t->blocks[1].ready_tail;
  send_one(t, 0);
  assert_int_equal(t->blocks[1].ready_tail, entries + 1);
  assert_int_equal(run_round(t), 1);
  rk_free(t);
}

/* What was sent while it was hot and not yet seen is seen by the look that follows. */
static void cooling_looks_once_more(void **state)
{
  (void)state;
  table *t = open_table();
  heat(t, 2);
  rk_u64 entries = t->blocks[1].ready_tail;
  send_one(t, 2);
  rkd_hot_cool_all(&t->at);
  assert_int_equal(t->at.hot_count, 0);
  assert_int_equal(t->blocks[1].ready_tail, entries);
  assert_int_equal(run_round(t), 1);
  rk_free(t);
}

static void places_are_few(void **state)
{
  (void)state;
  table *t = open_table();
  for (rk_u32 i = 0; i < ACTORS; ++i) {
    heat(t, i);
  }
  assert_int_equal(t->at.hot_count, RK_HOT_MAX);
  for (int k = 0; k < 50; ++k) {
    for (rk_u32 i = 0; i < ACTORS; ++i) {
      send_one(t, i);
    }
    assert_int_equal(run_round(t), ACTORS);
  }
  /* by turns all of them: none is named twice within a few entries */
  rkd_hot_cool_all(&t->at);
  for (int k = 0; k < 50; ++k) {
    for (rk_u32 i = 0; i < ACTORS; ++i) {
      send_one(t, i);
      assert_int_equal(run_round(t), 1);
    }
  }
  assert_int_equal(t->at.hot_count, 0);
  rk_free(t);
}

/* One that may have no turns is not looked at again and again. */
static void a_suspended_one_cools(void **state)
{
  (void)state;
  table *t = open_table();
  heat(t, 6);
  t->actors[6].life = RK_STATE_DEACTIVATED;
  send_one(t, 6);
  (void)rkd_poll_hot(&t->at);
  assert_int_equal(t->at.hot_count, 0);
  assert_int_equal(t->actors[6].signal, 0);
  rk_free(t);
}

static void an_ended_one_is_forgotten(void **state)
{
  (void)state;
  table *t = open_table();
  heat(t, 1);
  heat(t, 4);
  t->actors[1].life = RK_STATE_TERMINATED;
  rk_u64 run = t->at.run_tail;
  rkd_hot_forget(&t->at, &t->actors[1]);
  assert_int_equal(t->at.hot_count, 1);
  assert_int_equal(t->at.hot[0], 4);
  assert_int_equal(t->actors[1].signal, 0);
  assert_int_equal(t->at.run_tail, run); /* its slot is somebody else's soon */
  rk_free(t);
}

/* ---- over a grid ---- */

static void rest(uint32_t *random)
{
  *random = *random * 1664525u + 1013904223u;
  uint32_t us = *random >> 24;
  if (us % 4 == 0) {
    rk_clock_sleep((uint64_t)us * 4000);
  } else if (us % 4 == 1) {
    rk_clock_spin((uint64_t)us * 100);
  }
}

/* Blocks spin for 50 us before they sleep, so that rests fall before, into and after the cooling. */
static void tokens_survive_cooling_and_sleep(void **state)
{
  (void)state;
  enum { PAIRS = 3 };
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2, .spin_us = 50});
  rk_actor *side[2][PAIRS];
  uint32_t random = 20261121;
  for (int i = 0; i < PAIRS; ++i) {
    side[0][i] = launch_form(rt, &relay_form, 4, 0);
    side[1][i] = launch_form(rt, &relay_form, 4, 1);
    tie(rt, side[0][i], "next", side[1][i]);
    tie(rt, side[1][i], "next", side[0][i]);
  }
  for (uint64_t n = 0; n < ROUNDS(1500); ++n) {
    uint64_t hops = 1 + random % 200u;
    for (int i = 0; i < PAIRS; ++i) {
      send_num(rt, side[0][i], (num){n, 0, 0, hops});
    }
    for (int i = 0; i < PAIRS; ++i) {
      num m = receive_num(rt, side[(hops - 1) % 2][i]);
      assert_int_equal(m.seq, n);
      assert_int_equal(m.a, hops);
    }
    rest(&random);
  }
  for (int i = 0; i < PAIRS; ++i) {
    rk_actor_release(side[0][i]);
    rk_actor_release(side[1][i]);
  }
  close_runtime(rt);
}

/* Hot actors end and their slots are used again; the grid parks for each. */
static void hot_actors_end(void **state)
{
  (void)state;
  rk_runtime *rt = open_runtime((rk_runtime_options){.blocks = 2, .max_actors = 4});
  rk_actor *first = launch_form(rt, &relay_form, 4, 0);
  for (uint64_t n = 0; n < ROUNDS(300); ++n) {
    rk_actor *second = launch_form(rt, &relay_form, 4, 1);
    tie(rt, first, "next", second);
    tie(rt, second, "next", first);
    send_num(rt, first, (num){n, 0, 0, 101});
    assert_int_equal(receive_num(rt, first).seq, n);
    assert_int_equal(rk_actor_terminate(second, NULL), RK_OK);
    rk_actor_release(second);
  }
  rk_actor_release(first);
  close_runtime(rt);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_second_entry_makes_it_hot),
      cmocka_unit_test(messages_to_a_hot_actor_need_no_entry),
      cmocka_unit_test(it_cools_when_nothing_comes),
      cmocka_unit_test(cooling_looks_once_more),
      cmocka_unit_test(places_are_few),
      cmocka_unit_test(a_suspended_one_cools),
      cmocka_unit_test(an_ended_one_is_forgotten),
      cmocka_unit_test(tokens_survive_cooling_and_sleep),
      cmocka_unit_test(hot_actors_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
