/* SPDX-License-Identifier: MIT */
/*
 * The grid as the host sees it: memory of every struct that both know, laid out once, the rings to
 * and from each block, and its generations.
 *
 * What host and grid both write or read while it runs lies in shared memory. The grid's own structs
 * lie in device memory; the host makes them in memory of its own and copies them there before the
 * grid starts for the first time.
 *
 * A generation is one life of the grid. Between two of them every block has left its loop at a
 * message boundary and kept everything: only then can memory be mapped and code be loaded where the
 * device is sealed while a grid runs. The first generation starts when something is to be run.
 */
#include "runtime/internal.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"

#include "rk_lane_test_dev.h"

#define HOST_GRACE_S 60u /* a grid outlives a host that is gone, or stopped, for so long */
#define ROOM_WAIT_NS (UINT64_C(100) * 1000 * 1000)

/* Hands out aligned pieces of one mapping from an address on; from 0 on it only counts. */
typedef struct layout {
  uint64_t base;
  size_t used;
} layout;

static uint64_t place(layout *at, size_t bytes)
{
  size_t offset = rk_align_up(at->used, 256);
  at->used = offset + bytes;
  return at->base + offset;
}

/* Where everything lies. The same walk counts and assigns. */
typedef struct plan {
  rk_abi_grid grid;
  uint64_t grid_address;
  rk_abi_block *blocks;
  uint64_t *h2k, *k2h, *h2k_units, *k2h_units;
  uint64_t traces, trace_records; /* of block_count + 1 rings: the last one is the host's */
  uint64_t latency_copies;
  uint64_t test_rings;
} plan;

static void place_shared(const rk_runtime *rt, layout *at, plan *p)
{
  p->grid.host = place(at, sizeof(rk_abi_host));
  p->grid.doors = place(at, sizeof(rk_abi_door) * rt->block_count);
  p->grid.links = place(at, sizeof(rk_abi_link) * rt->actor_capacity);
  if (!rt->ops->is_unified) {
    p->grid.told_ctrls = place(at, sizeof(rk_abi_ctrl) * rt->actor_capacity);
    p->grid.told_telemetry = place(at, sizeof(rk_abi_telemetry) * rt->actor_capacity);
  }
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    p->h2k[i] = place(at, sizeof(rk_abi_ring));
    p->h2k_units[i] = place(at, rk__transport_ring_bytes(rt));
    p->k2h[i] = place(at, sizeof(rk_abi_ring));
    p->k2h_units[i] = place(at, rk__transport_ring_bytes(rt));
  }
  if (rt->trace_records != 0) {
    size_t rings = (size_t)rt->block_count + 1u;
    p->traces = place(at, rings * sizeof(rk_abi_trace_ring));
    p->trace_records = place(at, rings * rt->trace_records * sizeof(rk_abi_trace));
  }
  if (rt->keeps_latency) {
    p->latency_copies = place(at, sizeof(rk_abi_latencies) * rt->block_count);
  }
  p->test_rings = place(at, rk__transport_test_bytes(rt));
}

static void place_device(const rk_runtime *rt, layout *at, plan *p)
{
  /* Twice as many entries as actors: a slot used again may still have its old entry in the ring. */
  uint32_t entries = (uint32_t)rk_u64_next_pow2(rt->actor_capacity) * 2u;
  p->grid_address = place(at, sizeof(rk_abi_grid));
  p->grid.blocks = place(at, sizeof(rk_abi_block) * rt->block_count);
  p->grid.gangs = place(at, sizeof(rk_abi_gang) * rt->block_count);
  p->grid.buckets = place(at, sizeof(rk_abi_bucket) * RK_TENANTS_MAX);
  p->grid.actors = place(at, sizeof(rk_abi_actor) * rt->actor_capacity);
  p->grid.ctrls = place(at, sizeof(rk_abi_ctrl) * rt->actor_capacity);
  p->grid.telemetry = place(at, sizeof(rk_abi_telemetry) * rt->actor_capacity);
  if (rt->ops->is_unified) {
    p->grid.told_ctrls = p->grid.ctrls;
    p->grid.told_telemetry = p->grid.telemetry;
  }
  if (rt->keeps_latency) {
    p->grid.latencies = place(at, sizeof(rk_abi_latencies) * rt->actor_capacity);
  }
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    p->blocks[i] = (rk_abi_block){
        .h2k = p->h2k[i],
        .k2h = p->k2h[i],
        .door = p->grid.doors + sizeof(rk_abi_door) * i,
        .ready = place(at, sizeof(rk_abi_ready) * entries),
        .run_queue = place(at, sizeof(uint32_t) * entries),
        .scratch = place(at, RK_BLOCK_PRIVATE_BYTES),
        .ready_mask = entries - 1,
        .index = i,
        .trace = p->traces != 0 ? p->traces + sizeof(rk_abi_trace_ring) * i : 0,
        .tenants = place(at, sizeof(rk_abi_tenants)),
    };
  }
}

/* ---- memory for the arenas ------------------------------------------------------------------- */

static uint64_t map_in_pause(rk_runtime *rt, size_t bytes, uint64_t (*map)(rk_runtime *, size_t))
{
  rt->no_map = (rk_error)RK_ERROR_INIT;
  if (rk__pause_begin(rt, &rt->no_map) != RK_OK) {
    return 0;
  }
  uint64_t address = map(rt, bytes);
  rk__pause_end(rt);
  return address;
}
static uint64_t map_device_now(rk_runtime *rt, size_t bytes)
{
  return rt->ops->device_map(rt->backend, bytes);
}
static uint64_t map_device(void *owner, size_t bytes)
{
  return map_in_pause(owner, bytes, map_device_now);
}
static void unmap_device(void *owner, uint64_t address, size_t bytes)
{
  rk_runtime *rt = owner;
  rt->ops->device_unmap(rt->backend, address, bytes);
}
static bool zero_device(void *owner, uint64_t address, size_t bytes)
{
  rk_runtime *rt = owner;
  return rt->ops->device_zero(rt->backend, address, bytes, NULL) == RK_OK;
}
static uint64_t map_shared_now(rk_runtime *rt, size_t bytes)
{
  return (uint64_t)(uintptr_t)rt->ops->shared_map(rt->backend, bytes);
}
static uint64_t map_shared(void *owner, size_t bytes)
{
  return map_in_pause(owner, bytes, map_shared_now);
}
static void unmap_shared(void *owner, uint64_t address, size_t bytes)
{
  rk_runtime *rt = owner;
  rt->ops->shared_unmap(rt->backend, RK_PTR(void, address), bytes);
}
static bool zero_shared(void *owner, uint64_t address, size_t bytes)
{
  (void)owner;
  memset(RK_PTR(void, address), 0, bytes);
  return true;
}

static const rk_arena_source device_source = {map_device, unmap_device, zero_device,
                                              (size_t)256 << 20};
static const rk_arena_source shared_source = {map_shared, unmap_shared, zero_shared,
                                              (size_t)1 << 20};

/* ---- open ------------------------------------------------------------------------------------ */

/* Writes the structs that tell the grid where everything lies. */
static int fill(rk_runtime *rt, plan *p, rk_error *err)
{
  p->grid.block_count = rt->block_count;
  p->grid.actor_capacity = rt->actor_capacity;
  p->grid.abi_version = RK_ABI_VERSION;
  p->grid.spin_us = (uint32_t)rt->spin_us;
  p->grid.policy = rt->policy;
  p->grid.grace_s = HOST_GRACE_S;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk__transport_ring(rt, p->h2k[i], p->h2k_units[i], rt->ring_units);
    rk__transport_ring(rt, p->k2h[i], p->k2h_units[i], rt->ring_units);
    rkd_ring_tx_open(&rt->blocks[i].tx, p->h2k[i]);
    rkd_ring_rx_open(&rt->blocks[i].rx, p->k2h[i]);
    rt->blocks[i].door = RK_PTR(rk_abi_door, p->grid.doors) + i;
    rt->k2h[i] = p->k2h[i];
  }
  if (rt->trace_records != 0) {
    rk__trace_place(rt, p->traces, p->trace_records);
  }
  rt->latency_copies = RK_PTR(rk_abi_latencies, p->latency_copies);
  rt->test_rings = p->test_rings;
  rt->grid = p->grid_address;
  rt->actors = p->grid.actors;
  rt->abi_blocks = p->grid.blocks;
  rt->host = RK_PTR(rk_abi_host, p->grid.host);
  rt->ctrls = RK_PTR(rk_abi_ctrl, p->grid.told_ctrls);
  rt->telemetry = RK_PTR(rk_abi_telemetry, p->grid.told_telemetry);
  rt->links = RK_PTR(rk_abi_link, p->grid.links);
  int rc = rt->ops->device_write(rt->backend, rt->grid, &p->grid, sizeof(p->grid), err);
  return rc != RK_OK ? rc
                     : rt->ops->device_write(rt->backend, p->grid.blocks, p->blocks,
                                             sizeof(*p->blocks) * rt->block_count, err);
}

static int map_grid(rk_runtime *rt, rk_error *err)
{
  const uint32_t n = rt->block_count;
  plan p = {0};
  uint64_t *tables = rk_calloc(n, sizeof(uint64_t) * 4u);
  int rc = RK_OK;
  p.blocks = rk_alloc_aligned(128, sizeof(*p.blocks) * n);
  if (tables == NULL || p.blocks == NULL) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "grid of %u blocks: out of memory", n);
    goto done;
  }
  p.h2k = tables;
  p.k2h = tables + n;
  p.h2k_units = tables + 2u * n;
  p.k2h_units = tables + 3u * n;
  layout shared = {0}, device = {0};
  place_shared(rt, &shared, &p);
  place_device(rt, &device, &p);
  rt->shared_bytes = shared.used;
  rt->device_bytes = device.used;
  rt->shared_memory = rt->ops->shared_map(rt->backend, shared.used);
  rt->device_memory = rt->ops->device_map(rt->backend, device.used);
  if (rt->shared_memory == NULL || rt->device_memory == 0) {
    rc = rk__no_memory(rt, err,
                       "grid for %u actors: out of memory; open with a smaller max_actors%s",
                       rt->actor_capacity, rt->keeps_latency ? " or without latency" : "");
    goto done;
  }
  shared = (layout){(uint64_t)(uintptr_t)rt->shared_memory, 0};
  device = (layout){rt->device_memory, 0};
  place_shared(rt, &shared, &p);
  place_device(rt, &device, &p);
  rc = fill(rt, &p, err);
done:
  rk_free(p.blocks);
  rk_free(tables);
  return rc;
}

int rk__grid_open(rk_runtime *rt, const rk_runtime_options *options, uint32_t blocks, rk_error *err)
{
  rt->block_count = blocks;
  /* a processor's memory costs nothing until it is touched, a device's is taken at once */
  uint32_t actors = rt->ops->is_unified ? 131072u : 16384u;
  uint32_t units = rt->ops->is_unified || blocks <= 32u ? 4096u : 1024u;
  rt->actor_capacity = options->max_actors == 0 ? actors : options->max_actors;
  rt->ring_units = options->ring_units == 0 ? units
                                            : (uint32_t)rk_u64_next_pow2(options->ring_units);
  if (rt->actor_capacity > RK_ID_SLOT_MASK) {
    return rk_error_set(err, RK_EINVAL, "max_actors: 1..%u, got %u", RK_ID_SLOT_MASK,
                        rt->actor_capacity);
  }
  if (rt->ring_units < 64u || rt->ring_units > (1u << 22)) {
    return rk_error_set(err, RK_EINVAL, "ring_units: 64..4194304, got %u", options->ring_units);
  }
  rt->keeps_latency = options->latency;
  int rc = rk__trace_open(rt, options->trace_records, err);
  if (rc != RK_OK) {
    return rc;
  }
  rt->blocks = rk_calloc(blocks, sizeof(*rt->blocks));
  rt->k2h = rk_calloc(blocks, sizeof(*rt->k2h));
  rt->k2h_heads = rk_calloc(blocks, sizeof(*rt->k2h_heads));
  if (rt->blocks == NULL || rt->k2h == NULL || rt->k2h_heads == NULL || !rk__slots_open(rt)) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "grid of %u blocks: out of memory", blocks);
  }
  rk_arena_open(&rt->arena, &device_source, rt);
  rk_arena_open(&rt->shared_arena, &shared_source, rt);
  rc = map_grid(rt, err);
  if (rc == RK_OK && !rt->ops->is_sealed) {
    rc = rk__grid_run(rt, err);
  }
  return rc;
}

/* ---- generations ----------------------------------------------------------------------------- */

/* Other threads look at it: seal.c. */
static void set_running(rk_runtime *rt, bool running)
{
  __atomic_store_n(&rt->running, running, __ATOMIC_RELEASE);
}

int rk__grid_run(rk_runtime *rt, rk_error *err)
{
  if (rt->running) {
    return RK_OK;
  }
  const rk_backend_grid grid = {
      .address = rt->grid,
      .block_count = rt->block_count,
      .host = rt->host,
      .doors = rt->blocks[0].door,
      .wake = &rt->wake,
      .names = rt->names,
      .k2h = rt->k2h,
      .k2h_heads = rt->k2h_heads,
  };
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rt->blocks[i].door->hello = 0;
    rt->blocks[i].door->done = 0;
    rt->blocks[i].door->lanes = rt->generation_count == 0 ? RK_LANES_TEST : 0u;
  }
  rk__seal_lock(rt);
  int rc = rt->ops->grid_start(rt->backend, &grid, err);
  if (rc == RK_OK) {
    set_running(rt, true);
    rt->generation_count += 1;
    rk__watch_begin(rt);
  }
  rk__seal_unlock(rt);
  if (rc == RK_OK && rt->generation_count == 1) {
    rc = rk__lanes_check(rt, err);
    rc = rc == RK_OK ? rk__transport_choose(rt, err) : rc;
  }
  return rc;
}

int rk__grid_park(rk_runtime *rt, rk_error *err)
{
  rk_abi_command command = {.code = RK_CMD_PARK};
  if (!rt->running) {
    return RK_OK;
  }
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    int rc = rk__command(rt, i, 0u, &command, NULL, err);
    if (rc != RK_OK) { /* blocks that have parked stay so: there is no way on */
      rt->poisoned = rc;
      /* a lost device has ended the grid itself */
      if (rt->ops->health(rt->backend, NULL) != RK_OK && rt->ops->grid_join(rt->backend)) {
        set_running(rt, false);
      }
      return rc;
    }
  }
  if (!rt->ops->grid_join(rt->backend)) {
    rt->poisoned = RK_EDEVICE_LOST;
    return rk_error_set(err, RK_EDEVICE_LOST, "the grid has parked but does not end");
  }
  set_running(rt, false);
  return RK_OK;
}

int rk__grid_return(rk_runtime *rt, rk_error *err)
{
  rk_error first = RK_ERROR_INIT;
  int rc = rk__grid_run(rt, &first);
  if (rc != RK_OK) {
    rk_log(RK_LOG_WARN, "runtime", "the grid did not come back at once: %s", first.text);
    rc = rk__grid_run(rt, err);
  }
  if (rc != RK_OK) {
    rt->poisoned = rc;
    rk_log(RK_LOG_ERROR, "runtime", "the grid does not come back; its runtime is lost");
  }
  return rc;
}

int rk_runtime_renew(rk_runtime *rt, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = rk__grid_park(rt, err);
  }
  return rc != RK_OK ? rc : rk__grid_return(rt, err);
}

/* ---- the end --------------------------------------------------------------------------------- */

/* Ends the loops: each block is told by a word it always looks at; stop handlers were run by
 * Terminate. */
bool rk__grid_stop(rk_runtime *rt)
{
  if (!rt->running) {
    return true;
  }
  rk_st_release_sys_u32(&rt->host->abort, RK_ABORT_END);
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rt->ops->grid_bell(rt->backend, i);
  }
  if (!rt->ops->grid_join(rt->backend)) {
    return false;
  }
  set_running(rt, false);
  return true;
}

void rk__grid_close(rk_runtime *rt)
{
  rk_arena_close(&rt->arena);
  rk_arena_close(&rt->shared_arena);
  if (rt->shared_memory != NULL) {
    rt->ops->shared_unmap(rt->backend, rt->shared_memory, rt->shared_bytes);
  }
  if (rt->device_memory != 0) {
    rt->ops->device_unmap(rt->backend, rt->device_memory, rt->device_bytes);
  }
  rk__slots_close(rt);
  rk_free(rt->blocks);
  rk_free(rt->k2h);
  rk_free(rt->k2h_heads);
  rk__trace_close(rt);
  rt->shared_memory = NULL;
  rt->device_memory = 0;
  rt->blocks = NULL;
  rt->k2h = NULL;
  rt->k2h_heads = NULL;
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
