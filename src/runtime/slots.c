/* SPDX-License-Identifier: MIT */
/*
 * Actor slots: which are free, which generation of a slot an actor is, and when a slot may be used
 * again.
 *
 * A slot whose actor has ended is not used again at once: another block may have looked its address
 * up in the round that is under way. It is retired with the count of ended actors that came with
 * its end; when every block has shown that count, or sleeps (a sleeping block holds nothing), its
 * own block is asked to clear it. That block refuses while an entry of its ready ring names it.
 */
#include "runtime/reload.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/thread.h"

#define SLOT_WAIT_NS (UINT64_C(100) * 1000 * 1000)
#define GENERATIONS (1u << (32u - RK_ID_SLOT_BITS))

/* Tables by slot, in one mapping of host memory that costs nothing until used. */
static size_t place_tables(rk_runtime *rt, unsigned char *base)
{
  const size_t n = rt->actor_capacity;
  size_t at = 0;
  rt->names = (const char **)(void *)(base + at);
  at += rk_align_up(sizeof(*rt->names) * n, 256);
  rt->by_slot = (rk_actor **)(void *)(base + at);
  at += rk_align_up(sizeof(rk_actor *) * n, 256);
  rt->retired_slot = (rk_retired **)(void *)(base + at);
  at += rk_align_up(sizeof(rk_retired *) * n, 256);
  rt->generation = (uint16_t *)(void *)(base + at);
  at += rk_align_up(sizeof(*rt->generation) * n, 256);
  rt->free_slots = (uint32_t *)(void *)(base + at);
  return at + sizeof(*rt->free_slots) * n;
}

bool rk__slots_open(rk_runtime *rt)
{
  const size_t n = rt->actor_capacity;
  rt->slot_bytes = n * (3 * sizeof(void *) + sizeof(uint16_t) + sizeof(uint32_t)) + 5 * 256;
  rt->slot_memory = rk_pages_map(rt->slot_bytes);
  rt->retired_tail = &rt->retired;
  if (rt->slot_memory == NULL) {
    return false;
  }
  (void)place_tables(rt, rt->slot_memory);
  return true;
}

/* ---- extras ---------------------------------------------------------------------------------- */

uint64_t rk__extra_take(rk_actor *actor, size_t bytes)
{
  rk_extra *extra = rk_calloc(1, sizeof(*extra));
  if (extra == NULL || !rk__piece_take(actor, bytes, &extra->piece)) {
    rk_free(extra);
    return 0;
  }
  extra->next = actor->later->extras; /* which rk__piece_take has made */
  actor->later->extras = extra;
  return extra->piece.address;
}

void rk__extra_give(rk_actor *actor, uint64_t address)
{
  rk_extra *none = NULL;
  rk_extra **first = actor->later != NULL ? &actor->later->extras : &none;
  for (rk_extra **at = first; *at != NULL; at = &(*at)->next) {
    rk_extra *extra = *at;
    if (extra->piece.address == address) {
      *at = extra->next;
      rk__piece_give(actor, &extra->piece);
      rk_free(extra);
      return;
    }
  }
}

void rk__extras_free(rk_extra *extra)
{
  while (extra != NULL) {
    rk_extra *next = extra->next;
    rk_free(extra);
    extra = next;
  }
}

static rk_extra *extras_of(rk_actor *actor)
{
  rk_extra *extras = NULL;
  if (actor->later != NULL) {
    extras = actor->later->extras;
    actor->later->extras = NULL;
  }
  return extras;
}

/* ---- slots ----------------------------------------------------------------------------------- */

static void free_retired(rk_retired *retired)
{
  if (retired != NULL) {
    rk__extras_free(retired->extras);
    rk_free(retired);
  }
}

void rk__slots_close(rk_runtime *rt)
{
  while (rt->retired != NULL) {
    rk_retired *next = rt->retired->next;
    free_retired(rt->retired);
    rt->retired = next;
  }
  rt->retired_tail = &rt->retired;
  for (uint32_t slot = 0; rt->slot_memory != NULL && slot < rt->slot_high; ++slot) {
    free_retired(rt->retired_slot[slot]);
  }
  rk_pages_unmap(rt->slot_memory, rt->slot_bytes);
  rt->slot_memory = NULL;
}

int rk__slot_take(rk_runtime *rt, uint32_t *slot, rk_error *err)
{
  (void)rk__drain(rt);
  if (rt->slot_high < rt->actor_capacity) {
    *slot = rt->slot_high++;
  } else {
    uint64_t deadline = rk_clock_deadline(SLOT_WAIT_NS);
    while (rt->free_count == 0 && rt->retired != NULL && rk_clock_mono_ns() < deadline) {
      rk_thread_yield();
      (void)rk__drain(rt);
    }
    if (rt->free_count == 0) {
      return rk_error_set(err, RK_EOUT_OF_MEMORY,
                          "all %u actor slots are taken; open with a larger max_actors",
                          rt->actor_capacity);
    }
    *slot = rt->free_slots[rt->free_head];
    rt->free_head = (rt->free_head + 1u) % rt->actor_capacity;
    rt->free_count -= 1;
  }
  rt->generation[*slot] = (uint16_t)(rt->generation[*slot] + 1u);
  if (rt->generation[*slot] >= GENERATIONS) {
    rt->generation[*slot] = 1;
  }
  return RK_OK;
}

void rk__slot_give(rk_runtime *rt, uint32_t slot)
{
  rt->free_slots[(rt->free_head + rt->free_count) % rt->actor_capacity] = slot;
  rt->free_count += 1;
}

void rk__slot_retire(rk_runtime *rt, rk_actor *actor, uint64_t ended)
{
  /* Partner: rkd_idle. A block that we see asleep from now on looks nothing up before it has read
   * the count that `ended` came from. */
  rk_fence_seq_cst();
  rk_retired *retired = rk_alloc(sizeof(*retired));
  /* the slot is lost to this runtime; safer than giving it out too early */
  if (retired == NULL) {
    return;
  }
  *retired = (rk_retired){
      .slot = actor->slot,
      .block = actor->block,
      .extras = extras_of(actor),
      .ended = ended,
  };
  rk__actor_pieces(actor, retired->pieces);
  *rt->retired_tail = retired;
  rt->retired_tail = &retired->next;
}

int rk__slot_abandon(rk_runtime *rt, rk_actor *actor, rk_error *err)
{
  rk_retired *retired = rk_alloc(sizeof(*retired));
  if (retired == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "give up '%s': out of memory", actor->name);
  }
  *retired = (rk_retired){
      .slot = actor->slot,
      .block = actor->block,
      .extras = extras_of(actor),
  };
  rk__actor_pieces(actor, retired->pieces);
  rt->retired_slot[actor->slot] = retired;
  return RK_OK;
}

void rk__slot_came_back(rk_runtime *rt, uint32_t reference, uint64_t ended)
{
  uint32_t slot = reference & RK_ID_SLOT_MASK;
  rk_retired *retired = slot < rt->actor_capacity ? rt->retired_slot[slot] : NULL;
  if (retired == NULL || retired->ended != 0) {
    return;
  }
  rk_fence_seq_cst(); /* as in rk__slot_retire */
  rt->retired_slot[slot] = NULL;
  retired->ended = ended;
  retired->next = NULL;
  *rt->retired_tail = retired;
  rt->retired_tail = &retired->next;
}

/* Partner: rkd_quiesce. */
static bool is_past(const rk_runtime *rt, const rk_retired *retired)
{
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    const rk_abi_door *door = rt->blocks[i].door;
    if (rk_ld_acquire_sys_u64(&door->seen) < retired->ended &&
        rk_ld_acquire_sys_u32(&door->sleeping) == 0u) {
      return false;
    }
  }
  return true;
}

/* Asks the slot's block to clear it; the answer comes to rk__slot_freed. */
static bool ask(rk_runtime *rt, rk_retired *retired)
{
  rk_abi_command command = {.code = RK_CMD_FREE_SLOT, .param1 = retired->slot};
  if (rk__command_post(rt, retired->block, 0u, &command) == 0) {
    return false;
  }
  rt->retired_slot[retired->slot] = retired;
  return true;
}

void rk__slots_reap(rk_runtime *rt)
{
  if (!rt->running || rt->reserved.tx != NULL) { /* a reservation stands in the way of commands */
    return;
  }
  while (rt->retired != NULL && is_past(rt, rt->retired)) {
    rk_retired *retired = rt->retired;
    rk_retired *next = retired->next;
    if (!ask(rt, retired)) {
      return;
    }
    rt->retired = next;
    if (next == NULL) {
      rt->retired_tail = &rt->retired;
    }
  }
}

void rk__slot_freed(rk_runtime *rt, uint64_t slot, int error)
{
  rk_retired *retired = slot < rt->actor_capacity ? rt->retired_slot[slot] : NULL;
  if (retired == NULL) {
    return;
  }
  rt->retired_slot[slot] = NULL;
  if (error != RK_OK) { /* an entry of a ready ring names it: try again later */
    retired->next = NULL;
    *rt->retired_tail = retired;
    rt->retired_tail = &retired->next;
    return;
  }
  for (uint32_t i = 0; i < RK_ACTOR_PIECES; ++i) {
    rk_arena_give(&rt->arena, retired->pieces[i].address, retired->pieces[i].bytes);
  }
  for (const rk_extra *extra = retired->extras; extra != NULL; extra = extra->next) {
    rk_arena_give(&rt->arena, extra->piece.address, extra->piece.bytes);
  }
  rt->links[slot] = (rk_abi_link){0};
  rk__slot_give(rt, (uint32_t)slot);
  free_retired(retired);
}
