/* SPDX-License-Identifier: MIT */
/*
 * The resident grid on a device: one cooperative kernel on a stream of its own.
 *
 * Cooperative, because only then do all blocks make progress once one of them runs; one block a
 * multiprocessor; in clusters where that was asked for. A launched kernel is sure to start only while somebody asks the driver about it,
 * so the wait for the blocks' hello does. Waiting for the end is bounded: a grid that does not end
 * is left to the driver with everything it may still touch.
 *
 * A process may end without closing its runtimes (os.exit, a library that calls exit). The driver's
 * own end would then wait for the grid, so this file asks every grid to leave first.
 */
#include "backend/cuda/cuda_internal.h"

#include <stdlib.h>

#include "backend/cuda/cuda_error.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/platform.h"

#include "rk_atomic.h"

#define HELLO_WAIT_NS (UINT64_C(5) * 1000 * 1000 * 1000)
#define JOIN_WAIT_NS (UINT64_C(2) * 1000 * 1000 * 1000)
#define EXIT_WAIT_NS (UINT64_C(2) * 1000 * 1000 * 1000)

/* ---- start ----------------------------------------------------------------------------------- */

/* How a grid in clusters is launched. The attributes are the config's: keep it in place. */
typedef struct launch_plan {
  CUlaunchConfig config;
  CUlaunchAttribute attributes[2];
} launch_plan;

static void plan_launch(const rk_backend *backend, const rk_cuda_code *code, launch_plan *plan)
{
  *plan = (launch_plan){
      .config = {.gridDimX = backend->blocks,
                 .gridDimY = 1,
                 .gridDimZ = 1,
                 .blockDimX = code->block_threads,
                 .blockDimY = 1,
                 .blockDimZ = 1,
                 .hStream = backend->grid_stream,
                 .attrs = plan->attributes,
                 .numAttrs = 2},
      .attributes = {{.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value = {.cooperative = 1}},
                     {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
                      .value = {.clusterDim = {backend->cluster, 1, 1}}}},
  };
}

static int launch(rk_backend *backend, rk_error *err)
{
  CUdeviceptr address = backend->use.address;
  void *params[] = {&address};
  if (backend->cluster > 1) {
    launch_plan plan;
    plan_launch(backend, &backend->code, &plan);
    return rk__cuda_check(
        backend, backend->api->launch_kernel_ex(&plan.config, backend->code.entry, params, NULL),
        "cuLaunchKernelEx", err);
  }
  return rk__cuda_check(backend,
                        backend->api->launch_cooperative_kernel(
                            backend->code.entry, backend->use.block_count, 1, 1,
                            backend->code.block_threads, 1, 1, 0, backend->grid_stream, params),
                        "cuLaunchCooperativeKernel", err);
}

/* How many blocks the driver can keep running at once, in whole clusters. */
static int count_room(rk_backend *backend, const rk_cuda_code *code, uint64_t *blocks,
                      rk_error *err)
{
  int count = 0;
  int rc = RK_OK;
  if (backend->cluster > 1) {
    launch_plan plan;
    plan_launch(backend, code, &plan);
    rc = rk__cuda_check(
        backend, backend->api->occupancy_max_active_clusters(&count, code->entry, &plan.config),
        "cuOccupancyMaxActiveClusters", err);
  } else {
    rc = rk__cuda_check(backend,
                        backend->api->occupancy_max_active_blocks_per_multiprocessor(
                            &count, code->entry, (int)code->block_threads, 0),
                        "cuOccupancyMaxActiveBlocksPerMultiprocessor", err);
  }
  if (rc == RK_OK) {
    uint32_t each = backend->cluster > 1 ? backend->cluster : backend->device.processors;
    *blocks = (uint64_t)(count > 0 ? count : 0) * each;
  }
  return rc;
}

int rk__cuda_grid_fits(rk_backend *backend, const rk_cuda_code *code, rk_error *err)
{
  uint64_t most = 0;
  int rc = count_room(backend, code, &most, err);
  if (rc != RK_OK || backend->blocks <= most) {
    return rc;
  }
  if (backend->cluster > 1) {
    return rk_error_set(
        err, RK_ETOO_LARGE,
        "the grid needs %u blocks of %u threads at once in clusters of %u, %s has "
        "room for %llu; open with fewer blocks or smaller clusters, or use narrower "
        "or smaller handlers",
        backend->blocks, code->block_threads, backend->cluster, backend->device.name,
        (unsigned long long)most);
  }
  return rk_error_set(err, RK_ETOO_LARGE,
                      "the grid needs %u blocks of %u threads at once, %s has room for %llu; open "
                      "with fewer blocks or use narrower or smaller handlers",
                      backend->blocks, code->block_threads, backend->device.name,
                      (unsigned long long)most);
}

static bool all_said(const rk_backend_grid *grid)
{
  for (uint32_t i = 0; i < grid->block_count; ++i) {
    if (rk_ld_acquire_sys_u32(&grid->doors[i].hello) != RK_ABI_VERSION) {
      return false;
    }
  }
  return true;
}

static int wait_for_hello(rk_backend *backend, rk_error *err)
{
  uint64_t deadline_ns = rk_clock_deadline(HELLO_WAIT_NS);
  for (;;) {
    CUresult result = backend->api->stream_query(backend->grid_stream);
    if (all_said(&backend->use)) {
      return RK_OK;
    }
    if (result == CUDA_SUCCESS) {
      return rk_error_set(err, RK_EVERSION,
                          "the grid ended at once: its image does not fit this library");
    }
    if (result != CUDA_ERROR_NOT_READY) {
      return rk__cuda_check(backend, result, "start of the grid", err);
    }
    if (rk_clock_mono_ns() >= deadline_ns) {
      rk_st_release_sys_u32(&backend->use.host->abort, 1u);
      rk__cuda_lose(backend, RK_CUDA_LOST_SILENT);
      return rk_error_set(err, RK_EDEVICE_LOST,
                          "the grid did not start within 5 s: another program may hold "
                          "multiprocessors of %s",
                          backend->device.name);
    }
    rk_thread_yield();
  }
}

int rk__cuda_grid_start(rk_backend *backend, const rk_backend_grid *grid, rk_error *err)
{
  int rc = rk__cuda_health(backend, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk__cuda_enter(backend);
  rc = rk__cuda_code_load(backend, err);
  if (rc != RK_OK) {
    return rc;
  }
  backend->use = *grid;
  rc = launch(backend, err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = wait_for_hello(backend, err);
  if (rc == RK_OK) {
    rc = rk__cuda_bridge_start(backend, err);
    if (rc != RK_OK) { /* it runs, but nobody would ever wake the host */
      rk_st_release_sys_u32(&grid->host->abort, 1u);
      (void)rk__cuda_stream_finish(backend, backend->grid_stream, JOIN_WAIT_NS, "grid", NULL);
      rk_st_release_sys_u32(&grid->host->abort, 0u);
    }
  }
  backend->running = rc == RK_OK;
  return rc;
}

/* ---- end ------------------------------------------------------------------------------------- */

bool rk__cuda_grid_join(rk_backend *backend)
{
  if (!backend->running) {
    return true;
  }
  rk__cuda_enter(backend);
  rk__cuda_bridge_stop(backend);
  if (atomic_load(&backend->lost) != 0) {
    backend->running = false; /* the driver has ended it, or never will */
    return atomic_load(&backend->lost) != RK_CUDA_LOST_SILENT;
  }
  rk_error err = RK_ERROR_INIT;
  int rc = rk__cuda_stream_finish(backend, backend->grid_stream, JOIN_WAIT_NS, "end of the grid",
                                  &err);
  backend->running = false;
  if (rc != RK_OK) {
    rk_log(RK_LOG_ERROR, "cuda", "the grid on %s is left behind: %s", backend->device.name,
           err.text);
  }
  return rc == RK_OK;
}

/* ---- the end of the process ------------------------------------------------------------------ */

static rk_mutex list_lock = RK_MUTEX_INIT;
static rk_backend *list;
static rk_once exit_once = RK_ONCE_INIT;

static bool has_left(const rk_backend *backend)
{
  for (uint32_t i = 0; i < backend->use.block_count; ++i) {
    if (rk_ld_acquire_sys_u32(&backend->use.doors[i].done) == 0u) {
      return false;
    }
  }
  return true;
}

static void end_grids(void)
{
  uint64_t deadline_ns = rk_clock_deadline(EXIT_WAIT_NS);
  bool all = true;
  rk_mutex_lock(&list_lock);
  for (rk_backend *b = list; b != NULL; b = b->next) {
    if (b->pid == rk_platform_current()->pid() && b->running) {
      rk_st_release_sys_u32(&b->use.host->abort, 1u);
    }
  }
  for (rk_backend *b = list; b != NULL; b = b->next) {
    if (b->pid != rk_platform_current()->pid() || !b->running || atomic_load(&b->lost) != 0) {
      continue;
    }
    while (!has_left(b) && rk_clock_mono_ns() < deadline_ns) {
      rk_clock_sleep(100000);
    }
    all = all && has_left(b);
  }
  rk_mutex_unlock(&list_lock);
  if (!all) { /* the driver would wait for it, and with it the process */
    rk_log(RK_LOG_ERROR, "cuda", "a grid does not end; the process leaves without it");
    _Exit(EXIT_FAILURE);
  }
}

static void register_exit(void *arg)
{
  (void)arg;
  (void)atexit(end_grids);
}

void rk__cuda_grid_enlist(rk_backend *backend)
{
  rk_once_run(&exit_once, register_exit, NULL);
  rk_mutex_lock(&list_lock);
  backend->next = list;
  list = backend;
  rk_mutex_unlock(&list_lock);
}

void rk__cuda_grid_delist(rk_backend *backend)
{
  rk_mutex_lock(&list_lock);
  for (rk_backend **at = &list; *at != NULL; at = &(*at)->next) {
    if (*at == backend) {
      *at = backend->next;
      break;
    }
  }
  rk_mutex_unlock(&list_lock);
}
