/* SPDX-License-Identifier: MIT */
/*
 * Larger rings for a living actor, when another definition brings larger messages.
 *
 * Any block may be writing into an actor's ring for other actors, so the rings move only while no
 * grid runs: then every ticket that was taken has its message (a block parks between two handlers,
 * and empties its lanes). Messages keep their positions, so that heads, tails and tickets stay as
 * they are. The four rings lie one behind the other (launch.c), and are copied as one.
 */
#include "runtime/reload.h"

#include <string.h>

#include "base/alloc.h"

#define COPY_BYTES ((size_t)1 << 20)

/* Copies `count` slots, which grow by the way. */
static int copy_slots(rk_runtime *rt, uint64_t from, uint32_t from_bytes, uint64_t to,
                      uint32_t to_bytes, uint32_t count, rk_error *err)
{
  uint32_t batch = COPY_BYTES / to_bytes != 0 ? (uint32_t)(COPY_BYTES / to_bytes) : 1u;
  unsigned char *small = rk_alloc((size_t)batch * from_bytes);
  unsigned char *large = rk_calloc(batch, to_bytes);
  int rc = small != NULL && large != NULL
               ? RK_OK
               : rk_error_set(err, RK_EOUT_OF_MEMORY, "rings of %u messages: out of memory", count);
  for (uint32_t at = 0; at < count && rc == RK_OK; at += batch) {
    uint32_t n = count - at < batch ? count - at : batch;
    rc = rt->ops->device_read(rt->backend, small, from + (uint64_t)at * from_bytes,
                              (size_t)n * from_bytes, err);
    for (uint32_t i = 0; i < n && rc == RK_OK; ++i) {
      memcpy(large + (size_t)i * to_bytes, small + (size_t)i * from_bytes, from_bytes);
    }
    if (rc == RK_OK) {
      rc = rt->ops->device_write(rt->backend, to + (uint64_t)at * to_bytes, large,
                                 (size_t)n * to_bytes, err);
    }
  }
  rk_free(small);
  rk_free(large);
  return rc;
}

int rk__rings_grow(rk_actor *actor, rk_piece rings, uint32_t slot_bytes, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  rk_later *later = actor->later; /* rk_reload_add has made it */
  const uint64_t address = rt->actors + sizeof(rk_abi_actor) * (uint64_t)actor->slot;
  rk_abi_actor line;
  int rc = rt->ops->device_read(rt->backend, &line, address, sizeof(line), err);
  if (rc == RK_OK) {
    rc = copy_slots(rt, later->ring_slots, later->slot_bytes, rings.address, slot_bytes,
                    later->slot_count, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  uint64_t host = rings.address + (uint64_t)(line.urgent_mask + 1u) * slot_bytes;
  line.urgent_slots = rings.address;
  line.host_slots = host;
  line.kernel_slots = host + (uint64_t)(line.host_mask + 1u) * slot_bytes;
  line.slot_bytes = slot_bytes;
  rc = rt->ops->device_write(rt->backend, address, &line, offsetof(rk_abi_actor, kernel_head), err);
  if (rc == RK_OK) {
    rk__piece_give(actor, &later->rings);
    later->rings = rings;
    later->ring_slots = rings.address;
    later->slot_bytes = slot_bytes;
  }
  return rc;
}
