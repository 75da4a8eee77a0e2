/* SPDX-License-Identifier: MIT */
/*
 * Memory of the grid: every shared struct in one mapping, laid out once before the grid starts, and
 * the actor slots in it.
 *
 * A slot whose actor has ended is not used again at once: another block may have looked its address
 * up in the round that is under way. It is retired with the round number of every block and given
 * back when each of them has begun two more rounds or sleeps (a sleeping block holds nothing), and
 * no entry of a ready ring names it.
 */
#include "runtime/internal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/thread.h"

#define ROOM_WAIT_NS (UINT64_C(100) * 1000 * 1000)
#define GENERATIONS (1u << (32u - RK_ID_SLOT_BITS))

/* Hands out aligned pieces of one mapping; with base NULL it only counts. */
typedef struct layout {
  unsigned char *base;
  size_t used;
} layout;

static void *place(layout *at, size_t bytes)
{
  size_t offset = rk_align_up(at->used, 256);
  at->used = offset + bytes;
  return at->base != NULL ? at->base + offset : NULL;
}

static uint64_t address(const void *pointer)
{
  return (uint64_t)(uintptr_t)pointer;
}

static rk_abi_ring *place_ring(layout *at, uint32_t units)
{
  rk_abi_ring *ring = place(at, sizeof(*ring));
  void *memory = place(at, (size_t)units * RK_UNIT_BYTES);
  if (ring != NULL) {
    ring->units = address(memory);
    ring->capacity_units = units;
    ring->mask = units - 1;
  }
  return ring;
}

static void lay_out(rk_runtime *rt, layout *at)
{
  /* Twice as many entries as actors: a slot used again may still have its old entry in the ring. */
  uint32_t entries = (uint32_t)rk_u64_next_pow2(rt->actor_capacity) * 2u;
  rk_abi_grid *grid = place(at, sizeof(*grid));
  rk_abi_block *blocks = place(at, sizeof(*blocks) * rt->block_count);
  rt->actors = place(at, sizeof(*rt->actors) * rt->actor_capacity);
  rt->ctrls = place(at, sizeof(*rt->ctrls) * rt->actor_capacity);
  rt->telemetry = place(at, sizeof(*rt->telemetry) * rt->actor_capacity);
  rt->links = place(at, sizeof(*rt->links) * rt->actor_capacity);
  rt->grid = grid;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk_abi_ring *h2k = place_ring(at, rt->ring_units);
    rk_abi_ring *k2h = place_ring(at, rt->ring_units);
    void *ready = place(at, sizeof(rk_abi_ready) * entries);
    void *run_queue = place(at, sizeof(uint32_t) * entries);
    void *scratch = place(at, RK_BLOCK_PRIVATE_BYTES);
    if (grid != NULL) {
      blocks[i].h2k = address(h2k);
      blocks[i].k2h = address(k2h);
      blocks[i].ready = address(ready);
      blocks[i].run_queue = address(run_queue);
      blocks[i].scratch = address(scratch);
      blocks[i].ready_mask = entries - 1;
      blocks[i].index = i;
    }
  }
  if (grid != NULL) {
    grid->blocks = address(blocks);
    grid->actors = address(rt->actors);
    grid->ctrls = address(rt->ctrls);
    grid->telemetry = address(rt->telemetry);
    grid->links = address(rt->links);
    grid->block_count = rt->block_count;
    grid->actor_capacity = rt->actor_capacity;
    grid->abi_version = RK_ABI_VERSION;
    grid->spin_us = (uint32_t)rt->spin_us;
  }
}

/* Tables by slot, in host memory that costs nothing until used. */
static bool map_slot_tables(rk_runtime *rt)
{
  layout count = {NULL, 0};
  for (int pass = 0; pass < 2; ++pass) {
    rt->names = place(&count, sizeof(*rt->names) * rt->actor_capacity);
    rt->by_slot = place(&count, sizeof(rk_actor *) * rt->actor_capacity);
    rt->generation = place(&count, sizeof(*rt->generation) * rt->actor_capacity);
    rt->free_slots = place(&count, sizeof(*rt->free_slots) * rt->actor_capacity);
    if (pass == 0) {
      rt->slot_bytes = count.used;
      rt->slot_memory = rk_pages_map(rt->slot_bytes);
      if (rt->slot_memory == NULL) {
        return false;
      }
      count = (layout){rt->slot_memory, 0};
    }
  }
  return true;
}

int rk__grid_open(rk_runtime *rt, const rk_runtime_options *options, uint32_t blocks, rk_error *err)
{
  layout at = {NULL, 0};
  rt->block_count = blocks;
  rt->actor_capacity = options->max_actors == 0 ? 131072u : options->max_actors;
  rt->ring_units = options->ring_units == 0 ? 4096u
                                            : (uint32_t)rk_u64_next_pow2(options->ring_units);
  if (rt->actor_capacity > RK_ID_SLOT_MASK) {
    return rk_error_set(err, RK_EINVAL, "max_actors: 1..%u, got %u", RK_ID_SLOT_MASK,
                        rt->actor_capacity);
  }
  if (rt->ring_units < 64u || rt->ring_units > (1u << 22)) {
    return rk_error_set(err, RK_EINVAL, "ring_units: 64..4194304, got %u", options->ring_units);
  }
  lay_out(rt, &at);
  rt->grid_bytes = at.used;
  rt->grid_memory = rt->ops->memory_map(rt->backend, at.used);
  rt->blocks = rk_calloc(blocks, sizeof(*rt->blocks));
  if (rt->grid_memory == NULL || rt->blocks == NULL || !map_slot_tables(rt)) {
    rt->grid = NULL;
    return rk_error_set(err, RK_EOUT_OF_MEMORY,
                        "grid for %u actors: out of memory; open with a smaller max_actors",
                        rt->actor_capacity);
  }
  at = (layout){rt->grid_memory, 0};
  lay_out(rt, &at);
  for (uint32_t i = 0; i < blocks; ++i) {
    rk_abi_block *shared = RK_PTR(rk_abi_block, rt->grid->blocks) + i;
    rt->blocks[i].shared = shared;
    rkd_ring_tx_open(&rt->blocks[i].tx, shared->h2k);
    rkd_ring_rx_open(&rt->blocks[i].rx, shared->k2h);
  }
  rk_arena_open(&rt->arena, rt->ops, rt->backend);
  rt->retired_tail = &rt->retired;
  int rc = rt->ops->grid_start(rt->backend, rt->grid, &rt->wake, rt->names, err);
  if (rc != RK_OK) {
    rt->grid = NULL;
  }
  return rc;
}

/* Ends the loops: each block is told by a word it always looks at; stop handlers were run by
 * Terminate. */
bool rk__grid_stop(rk_runtime *rt)
{
  if (rt->grid == NULL) {
    return true;
  }
  rk_st_release_sys_u32(&rt->grid->abort, 1u);
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rt->ops->grid_bell(rt->backend, i);
  }
  return rt->ops->grid_join(rt->backend);
}

void rk__grid_close(rk_runtime *rt)
{
  while (rt->retired != NULL) {
    rk_retired *next = rt->retired->next;
    rk_free(rt->retired);
    rt->retired = next;
  }
  rk_arena_close(&rt->arena);
  if (rt->grid_memory != NULL) {
    rt->ops->memory_unmap(rt->backend, rt->grid_memory, rt->grid_bytes);
  }
  rk_pages_unmap(rt->slot_memory, rt->slot_bytes);
  rk_free(rt->blocks);
  rt->grid_memory = NULL;
  rt->slot_memory = NULL;
  rt->blocks = NULL;
  rt->grid = NULL;
}

int rk__grid_slot_take(rk_runtime *rt, uint32_t *slot, rk_error *err)
{
  rk__grid_reap(rt);
  if (rt->slot_high < rt->actor_capacity) {
    *slot = rt->slot_high++;
  } else {
    uint64_t deadline = rk_clock_deadline(ROOM_WAIT_NS);
    while (rt->free_count == 0 && rt->retired != NULL && rk_clock_mono_ns() < deadline) {
      rk_thread_yield();
      rk__grid_reap(rt);
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

/* Blocks may look at its reference all the while. */
static void clear_actor(rk_abi_actor *actor)
{
  const size_t behind = offsetof(rk_abi_actor, id) + sizeof(actor->id);
  rk_st_relaxed_sys_u32(&actor->id, 0u);
  memset(actor, 0, offsetof(rk_abi_actor, id));
  memset((unsigned char *)actor + behind, 0, sizeof(*actor) - behind);
}

void rk__grid_slot_give(rk_runtime *rt, uint32_t slot)
{
  clear_actor(&rt->actors[slot]);
  memset(&rt->ctrls[slot], 0, sizeof(rk_abi_ctrl));
  memset(&rt->links[slot], 0, sizeof(rk_abi_link));
  rt->free_slots[(rt->free_head + rt->free_count) % rt->actor_capacity] = slot;
  rt->free_count += 1;
}

void rk__grid_retire(rk_runtime *rt, uint32_t slot, void *memory, size_t bytes)
{
  rk_st_relaxed_sys_u32(&rt->actors[slot].id, 0u); /* from now on nobody finds it */
  /* partner: rkd_idle; a block that sleeps when we look below has not found it since */
  rk_fence_seq_cst();
  rk_retired *retired = rk_alloc(sizeof(*retired) + sizeof(uint64_t) * rt->block_count);
  /* the slot is lost to this runtime; safer than giving it out too early */
  if (retired == NULL) {
    return;
  }
  *retired = (rk_retired){.slot = slot, .memory = memory, .memory_bytes = bytes};
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    retired->epochs[i] = rk_ld_acquire_sys_u64(&rt->blocks[i].shared->epoch);
  }
  *rt->retired_tail = retired;
  rt->retired_tail = &retired->next;
}

static bool is_past(const rk_runtime *rt, const rk_retired *retired)
{
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    const rk_abi_block *block = rt->blocks[i].shared;
    if (rk_ld_acquire_sys_u64(&block->epoch) < retired->epochs[i] + 2u &&
        rk_ld_acquire_sys_u32(&block->sleeping) == 0u) {
      return false;
    }
  }
  /* Nobody signals it any more; an entry in its block's ready ring must be gone. */
  return rk_ld_acquire_sys_u32(&rt->actors[retired->slot].signal) == 0u;
}

void rk__grid_reap(rk_runtime *rt)
{
  while (rt->retired != NULL && is_past(rt, rt->retired)) {
    rk_retired *retired = rt->retired;
    rt->retired = retired->next;
    if (rt->retired == NULL) {
      rt->retired_tail = &rt->retired;
    }
    rk_arena_give(&rt->arena, retired->memory, retired->memory_bytes);
    rk__grid_slot_give(rt, retired->slot);
    rk_free(retired);
  }
}

bool rk__grid_room(rk_runtime *rt, uint32_t block, uint32_t units)
{
  rk_ring_tx *tx = &rt->blocks[block].tx;
  uint64_t deadline = rk_clock_deadline(ROOM_WAIT_NS);
  rt->blocks[block].rung_later = false;
  rt->ops->grid_bell(rt->backend, block);
  while (rkd_ring_free(tx, units) < units) {
    if (rk_clock_mono_ns() >= deadline) {
      return false;
    }
    (void)rk__drain(rt); /* the block may itself wait for room toward us */
    rk_thread_yield();
  }
  return true;
}
