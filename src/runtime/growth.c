/* SPDX-License-Identifier: MIT */
/*
 * Queues that fill up: the events that tell of it, and queues that become larger.
 *
 * An actor's block says when one of its two long queues is 75 % or 90 % full (rkd_watch_queue). If the
 * actor was launched with a larger queue_max, its queues become four times as long, up to that. For
 * this the grid parks at message boundaries, as it does to load code: then nobody holds a ticket or
 * an address in the rings, what waits is copied to the same positions of larger ones, and the credits
 * that came with them are added to its room. Nothing is lost and the order stays.
 *
 * It is done where the host's thread is in the middle of nothing: in rk_runtime_drain, and in a
 * send that found the queue full. A block that is busy for long is left alone and asked later.
 */
#include "runtime/reload.h"
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/thread.h"

#define GROWTH 4u
#define LATER_NS (UINT64_C(100) * 1000 * 1000)
#define QUICK_NS (UINT64_C(20) * 1000 * 1000)

const char *rk_pressure_name(int level)
{
  static const char *const names[] = {"normal", "warning", "critical", "emergency"};
  return level >= 0 && (size_t)level < RK_ARRAY_LEN(names) ? names[level] : "unknown";
}

void rk__queue_pressed(rk_actor *actor, uint32_t level, uint64_t waiting, uint64_t limit)
{
  rk__event_of(actor->rt, &(rk_event){.kind = RK_EVENT_PRESSURE,
                                      .actor = actor,
                                      .code = (int)level,
                                      .reason = "queue",
                                      .used = waiting,
                                      .budget = limit});
  if (actor->queue < actor->queue_max && limit == actor->queue && !actor->wants_more) {
    actor->wants_more = true;
    actor->rt->growing += 1;
  }
}

/* Copies the slots of positions head..tail of one ring to where they belong in a larger one. */
static int move_ring(rk_runtime *rt, uint64_t from, uint32_t from_mask, uint64_t to,
                     uint32_t to_mask, uint32_t slot_bytes, uint64_t head, uint64_t tail,
                     rk_error *err)
{
  size_t old_bytes = ((size_t)from_mask + 1u) * slot_bytes;
  size_t new_bytes = ((size_t)to_mask + 1u) * slot_bytes;
  unsigned char *old = rk_alloc(old_bytes);
  unsigned char *larger = rk_calloc(1, new_bytes);
  int rc = old != NULL && larger != NULL
               ? RK_OK
               : rk_error_set(err, RK_EOUT_OF_MEMORY, "a larger queue: out of memory");
  if (rc == RK_OK) {
    rc = rt->ops->device_read(rt->backend, old, from, old_bytes, err);
  }
  for (uint64_t p = head; rc == RK_OK && p != tail; ++p) {
    memcpy(larger + (size_t)(p & to_mask) * slot_bytes, old + (size_t)(p & from_mask) * slot_bytes,
           slot_bytes);
  }
  if (rc == RK_OK) {
    rc = rt->ops->device_write(rt->backend, to, larger, new_bytes, err);
  }
  rk_free(old);
  rk_free(larger);
  return rc;
}

/* What control blocks say of the queue. */
static int describe(rk_runtime *rt, const rk_actor *actor, const rk_abi_actor *a, rk_error *err)
{
  rk_abi_grid grid;
  rk_abi_ctrl ctrl;
  int rc = rt->ops->device_read(rt->backend, &grid, rt->grid, sizeof(grid), err);
  if (rc != RK_OK) {
    return rc;
  }
  uint64_t address = grid.ctrls + (uint64_t)actor->slot * sizeof(ctrl);
  rc = rt->ops->device_read(rt->backend, &ctrl, address, sizeof(ctrl), err);
  ctrl.input_queue_buffer_ptr = a->kernel_slots;
  ctrl.input_queue_capacity = (int32_t)a->limit_msgs;
  return rc != RK_OK ? rc : rt->ops->device_write(rt->backend, address, &ctrl, sizeof(ctrl), err);
}

/* With the grid parked. On failure the actor is as it was. */
static int grow_parked(rk_actor *actor, uint32_t queue, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  uint32_t mask = (uint32_t)rk_u64_next_pow2(queue) - 1u;
  uint64_t address = rt->actors + (uint64_t)actor->slot * sizeof(rk_abi_actor);
  rk_abi_actor a;
  rk_piece rings = {0};
  int rc = rt->ops->device_read(rt->backend, &a, address, sizeof(a), err);
  if (rc != RK_OK || a.id != actor->id || (a.tail >> 63) != 0) {
    return rc; /* it has ended meanwhile */
  }
  uint32_t urgent = a.urgent_mask + 1u;
  uint32_t slots = 2u * (urgent + mask + 1u); /* one behind the other, as launch.c lays them out */
  size_t bytes = (size_t)slots * a.slot_bytes;
  rc = rk__pressure_check(rt, bytes, "a larger queue", err);
  if (rc == RK_OK) {
    rc = rk__tenant_room(rt, actor->tenant, "grow", actor, bytes, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (!rk__piece_take(actor, bytes, &rings)) {
    return rk__no_memory(rt, err, "a larger queue for '%s': out of device memory", actor->name);
  }
  uint64_t host = rings.address + (uint64_t)urgent * a.slot_bytes;
  uint64_t kernel = host + (uint64_t)(mask + 1u) * a.slot_bytes;
  rc = move_ring(rt, a.urgent_slots, a.urgent_mask, rings.address, a.urgent_mask, a.slot_bytes,
                 a.urgent_head, a.urgent_tail, err);
  if (rc == RK_OK) {
    rc = move_ring(rt, a.host_slots, a.host_mask, host, mask, a.slot_bytes, a.host_head,
                   a.host_tail, err);
  }
  if (rc == RK_OK) {
    rc = move_ring(rt, a.kernel_slots, a.kernel_mask, kernel, mask, a.slot_bytes, a.kernel_head,
                   a.tail, err);
  }
  if (rc == RK_OK) {
    uint64_t near = kernel + (uint64_t)(mask + 1u) * a.slot_bytes;
    rc = move_ring(rt, rkd_near_slots(&a), a.near_mask, near, a.near_mask, a.slot_bytes,
                   a.near_head, (uint64_t)a.near_head + rkd_near_depth(&a), err);
  }
  if (rc == RK_OK) {
    a.urgent_slots = rings.address;
    a.host_slots = host;
    a.kernel_slots = kernel;
    a.kernel_mask = a.host_mask = mask;
    a.room += (int64_t)queue - (int64_t)a.limit_msgs;
    a.limit_msgs = queue;
    a.level = 0;
    rc = rt->ops->device_write(rt->backend, address, &a, sizeof(a), err);
  }
  if (rc != RK_OK) {
    rk__piece_give(actor, &rings);
    return rc;
  }
  rk__piece_give(actor, &actor->later->rings);
  actor->later->rings = rings;
  actor->later->ring_slots = rings.address;
  actor->later->slot_count = slots;
  actor->queue = queue;
  rt->stats.queues_grown += 1;
  return describe(rt, actor, &a, err);
}

/* All blocks sleep or come round now: a park that waits for one in a long handler would hold up the
 * caller, and one that waits in vain would lose the runtime. */
static bool is_quick(const rk_runtime *rt)
{
  uint64_t deadline = rk_clock_deadline(QUICK_NS);
  for (uint32_t i = 0; rt->running && i < rt->block_count; ++i) {
    const rk_abi_door *door = rt->blocks[i].door;
    uint64_t beats = rk_ld_relaxed_sys_u64(&door->beats);
    while (rk_ld_relaxed_sys_u64(&door->beats) == beats &&
           rk_ld_acquire_sys_u32(&door->sleeping) == 0u) {
      if (rk_clock_mono_ns() >= deadline) {
        return false;
      }
      rk_thread_yield();
    }
  }
  return true;
}

void rk__queues_grow(rk_runtime *rt)
{
  if (rt->growing == 0 || rt->draining || rt->pending != NULL || rt->stopping ||
      rk_clock_mono_ns() < rt->grow_after_ns || rk__runtime_check(rt, NULL) != RK_OK) {
    return;
  }
  rk_error err = RK_ERROR_INIT;
  rt->grow_after_ns = rk_clock_mono_ns() + LATER_NS;
  if (!is_quick(rt) || rk__grid_park(rt, &err) != RK_OK) {
    return;
  }
  rt->grow_after_ns = 0;
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    rk_actor *actor = rt->by_slot[slot];
    if (actor == NULL || !actor->wants_more) {
      continue;
    }
    uint32_t most = actor->queue_max;
    uint32_t queue = actor->queue > most / GROWTH ? most : actor->queue * GROWTH;
    actor->wants_more = false;
    if (actor->later != NULL && actor->later->reload != NULL) {
      continue; /* its rings are being laid out anew; pressure tells again */
    }
    if (grow_parked(actor, queue, &err) != RK_OK) { /* it stays as it is; pressure tells again */
      rt->grow_after_ns = rk_clock_mono_ns() + LATER_NS;
    }
  }
  rt->growing = 0;
  (void)rk__grid_return(rt, &err);
}
