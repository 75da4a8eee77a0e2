/* SPDX-License-Identifier: MIT */
/*
 * The grid at rest: parking it, what its memory says, and letting it go on.
 *
 * Blocks leave their loops one after another, each at a message boundary and behind everything that
 * the host had written to it. While later ones leave, the host takes what they have sent, and may
 * by that write to one that has left already (a publish to an actor): that stays in the ring, and
 * is read there.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "runtime/checkpoint.h"

#include "rk_block_dev.h"

static void free_tables(rk_still *still)
{
  rk_free(still->actors);
  rk_free(still->telemetry);
  rk_free(still->ctrls);
  rk_free(still->blocks);
  for (size_t i = 0; i < still->in_flight_count; ++i) {
    rk_free(still->in_flight[i].data);
  }
  rk_free(still->in_flight);
  still->actors = NULL;
  still->telemetry = NULL;
  still->ctrls = NULL;
  still->blocks = NULL;
  still->in_flight = NULL;
  still->in_flight_count = 0;
}

static int allocate_tables(rk_still *still, rk_error *err)
{
  size_t n = still->slots != 0 ? still->slots : 1u;
  still->actors = rk_alloc_aligned(128, n * sizeof(*still->actors));
  still->telemetry = rk_alloc_aligned(64, n * sizeof(*still->telemetry));
  still->ctrls = rk_alloc_aligned(128, n * sizeof(*still->ctrls));
  still->blocks = rk_calloc(still->rt->block_count, sizeof(*still->blocks));
  if (still->actors == NULL || still->telemetry == NULL || still->ctrls == NULL ||
      still->blocks == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
  }
  return RK_OK;
}

static int read_blocks(rk_still *still, rk_error *err)
{
  rk_runtime *rt = still->rt;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk_abi_block shared;
    rk_u64 word = 0;
    int rc = rt->ops->device_read(rt->backend, &shared, rt->abi_blocks + i * sizeof(shared),
                                  sizeof(shared), err);
    still->blocks[i].scratch = shared.scratch;
    if (rc == RK_OK) {
      rc = rt->ops->device_read(rt->backend, &word, shared.scratch + offsetof(rk_block, next_id),
                                sizeof(word), err);
      still->blocks[i].next_id = word;
    }
    if (rc == RK_OK) {
      rc = rt->ops->device_read(rt->backend, &word, shared.scratch + offsetof(rk_block, hlc),
                                sizeof(word), err);
      still->blocks[i].hlc = word;
    }
    if (rc != RK_OK) {
      return rc;
    }
  }
  return RK_OK;
}

static int read_tables(rk_still *still, rk_error *err)
{
  rk_runtime *rt = still->rt;
  rk_backend *backend = rt->backend;
  size_t n = still->slots;
  int rc = rt->ops->device_read(backend, &still->grid, rt->grid, sizeof(still->grid), err);
  if (rc == RK_OK && n != 0) {
    rc = rt->ops->device_read(backend, still->actors, rt->actors, n * sizeof(*still->actors), err);
  }
  if (rc == RK_OK && n != 0) {
    rc = rt->ops->device_read(backend, still->telemetry, still->grid.telemetry,
                              n * sizeof(*still->telemetry), err);
  }
  if (rc == RK_OK && n != 0) {
    rc = rt->ops->device_read(backend, still->ctrls, still->grid.ctrls, n * sizeof(*still->ctrls),
                              err);
  }
  return rc == RK_OK ? read_blocks(still, err) : rc;
}

static bool keep_record(rk_still *still, const rk_ring_rx *rx, const rk_abi_msg *record)
{
  if (still->in_flight_count == still->in_flight_capacity) {
    size_t capacity = still->in_flight_capacity * 2u + 16u;
    rk_in_flight *larger = rk_realloc(still->in_flight, capacity * sizeof(*larger));
    if (larger == NULL) {
      return false;
    }
    still->in_flight = larger;
    still->in_flight_capacity = capacity;
  }
  rk_in_flight *kept = &still->in_flight[still->in_flight_count];
  kept->data = rk_alloc(record->size_bytes + 1u);
  if (kept->data == NULL) {
    return false;
  }
  kept->header = *record;
  kept->slot = record->dest & RK_ID_SLOT_MASK;
  rkd_ring_get(rx, 0u, kept->data, record->size_bytes);
  still->in_flight_count += 1;
  return true;
}

/* Reads what is left in the rings to the blocks without taking it. */
static int read_rings(rk_still *still, rk_error *err)
{
  rk_runtime *rt = still->rt;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    const rk_ring_tx *tx = &rt->blocks[i].tx;
    rk_ring_rx rx = {0};
    rkd_ring_rx_open(&rx, tx->ring);
    /* the block gave back all it had taken when it left: rkd_block_park */
    rx.head = rk_ld_acquire_sys_u64(&RK_PTR(rk_abi_ring, tx->ring)->head);
    while (rx.head != tx->tail) {
      const rk_abi_msg *record = rkd_ring_peek(&rx);
      if (record == NULL) {
        return rk_error_set(err, RK_ECORRUPT, "checkpoint: the ring to block %u is broken", i);
      }
      if ((record->flags & RK_MSG_COMMAND) == 0 && !keep_record(still, &rx, record)) {
        return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
      }
      rx.head += rkd_units(record->size_bytes);
    }
  }
  return RK_OK;
}

/* Takes all that the blocks have sent. */
static int take_all(rk_runtime *rt, rk_error *err)
{
  while (rk__drain(rt) != 0) {
  }
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    if (rkd_ring_peek(&rt->blocks[i].rx) != NULL) {
      return rk_error_set(err, RK_EOUT_OF_MEMORY,
                          "checkpoint: no memory for what the actors have sent");
    }
  }
  return RK_OK;
}

int rk__still_begin(rk_runtime *rt, rk_still *still, rk_error *err)
{
  const rk_abi_command nop = {.code = RK_CMD_NOP};
  *still = (rk_still){.rt = rt, .runs_again = rt->running, .slots = rt->slot_high};
  int rc = allocate_tables(still, err);
  for (uint32_t i = 0; rt->running && i < rt->block_count && rc == RK_OK; ++i) {
    rc = rk__command(rt, i, 0u, &nop, NULL, err);
  }
  if (rc != RK_OK) {
    free_tables(still);
    return rc;
  }
  rk__reservation_drop(rt);
  still->began_ns = rk_clock_mono_ns();
  rc = rk__grid_park(rt, err);
  if (rc != RK_OK) {
    free_tables(still);
    return rc;
  }
  rc = take_all(rt, err);
  if (rc == RK_OK) {
    rc = read_rings(still, err);
  }
  if (rc == RK_OK) {
    rc = read_tables(still, err);
  }
  if (rc != RK_OK) {
    (void)rk__still_end(still, NULL, NULL);
  }
  return rc;
}

int rk__still_end(rk_still *still, uint64_t *pause_ns, rk_error *err)
{
  int rc = still->runs_again ? rk__grid_return(still->rt, err) : RK_OK;
  if (pause_ns != NULL) {
    *pause_ns = rk_clock_mono_ns() - still->began_ns;
  }
  if (rc == RK_OK && still->runs_again) {
    rk_runtime_flush(still->rt);
  }
  free_tables(still);
  return rc;
}

bool rk__still_has(const rk_still *still, const rk_actor *actor)
{
  return actor->slot < still->slots && still->actors[actor->slot].id == actor->id;
}

int rk__still_blocks_go_on(rk_still *still, uint64_t hlc, const rk_saved_runtime *saved,
                           rk_error *err)
{
  rk_runtime *rt = still->rt;
  int rc = RK_OK;
  for (uint32_t i = 0; i < rt->block_count && rc == RK_OK; ++i) {
    rk_still_block *block = &still->blocks[i];
    if (i < saved->blocks && block->next_id < saved->block_ids[i]) {
      block->next_id = saved->block_ids[i];
    }
    block->hlc = block->hlc < hlc ? hlc : block->hlc;
    rc = rt->ops->device_write(rt->backend, block->scratch + offsetof(rk_block, next_id),
                               &block->next_id, sizeof(block->next_id), err);
    if (rc == RK_OK) {
      rc = rt->ops->device_write(rt->backend, block->scratch + offsetof(rk_block, hlc), &block->hlc,
                                 sizeof(block->hlc), err);
    }
  }
  return rc;
}
