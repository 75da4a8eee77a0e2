/* SPDX-License-Identifier: MIT */
/*
 * The resident grid on a device: one cooperative kernel on a stream of its own.
 *
 * Cooperative, because only then do all blocks make progress once one of them runs; one block a
 * multiprocessor; in clusters where that was asked for. A launched kernel is sure to start only while somebody asks the driver about it,
 * so the wait for the blocks' hello does. Waiting for the end is bounded: a grid that does not end
 * is left to the driver with everything it may still touch, and from then on this process asks
 * nothing of the driver that would wait for it (rk__cuda_is_held).
 *
 * A process may end without closing its runtimes (os.exit, a library that calls exit). The driver's
 * own end would then wait for the grid, so this file asks every grid to leave first.
 */
#include "backend/cuda/cuda_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "backend/cuda/cuda_error.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/platform.h"

#include "rk_atomic.h"
#include "rk_hello_dev.h"

#define HELLO_WAIT_NS (UINT64_C(5) * 1000 * 1000 * 1000)
#define JOIN_WAIT_NS (UINT64_C(2) * 1000 * 1000 * 1000)
#define EXIT_WAIT_NS (UINT64_C(2) * 1000 * 1000 * 1000)

static rk_mutex list_lock = RK_MUTEX_INIT;
static rk_backend *list;
static atomic_bool is_any_left; /* some backend of the list is, or was, left behind */

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
    uint32_t each = backend->cluster > 1 ? backend->cluster : backend->sms;
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

/* Whether all blocks have said hello; *is_foreign: one of them was compiled for other structs. */
static bool all_said(const rk_backend_grid *grid, bool *is_foreign)
{
  const uint32_t expected = rkd_hello();
  bool all = true;
  for (uint32_t i = 0; i < grid->block_count; ++i) {
    uint32_t said = rk_ld_acquire_sys_u32(&grid->doors[i].hello);
    all = all && said == expected;
    *is_foreign = *is_foreign || (said != 0u && said != expected);
  }
  return all;
}

/* Says that the grid may run on for ever. */
static void leave(rk_backend *backend)
{
  rk__cuda_lose(backend, RK_CUDA_LOST_SILENT);
  rk_mutex_lock(&list_lock);
  backend->is_left = true;
  rk_mutex_unlock(&list_lock);
  atomic_store(&is_any_left, true);
}

/* Ends a grid that was launched but cannot be used. The next one goes on where it stopped. */
static void call_off(rk_backend *backend)
{
  if (atomic_load(&backend->lost) > 0) { /* the driver has ended it */
    return;
  }
  rk_st_release_sys_u32(&backend->use.host->abort, RK_ABORT_PARK);
  if (rk__cuda_stream_finish(backend, backend->grid_stream, JOIN_WAIT_NS, "grid", NULL) != RK_OK &&
      atomic_load(&backend->lost) <= 0) {
    leave(backend);
    return; /* should it start later, it finds the word and ends */
  }
  rk_st_release_sys_u32(&backend->use.host->abort, 0u);
}

static int wait_for_hello(rk_backend *backend, rk_error *err)
{
  uint64_t deadline_ns = rk_clock_deadline(HELLO_WAIT_NS);
  for (;;) {
    CUresult result = backend->api->stream_query(backend->grid_stream);
    bool is_foreign = false;
    if (all_said(&backend->use, &is_foreign)) {
      return RK_OK;
    }
    if (is_foreign) {
      return rk_error_set(err, RK_EVERSION,
                          "the device's code was compiled for other structures than this library; "
                          "empty the folder of compiled kernels (RINGKERNEL_CACHE)");
    }
    if (result == CUDA_SUCCESS) {
      return rk_error_set(err, RK_EVERSION,
                          "the grid ended at once: its image does not fit this library");
    }
    if (result != CUDA_ERROR_NOT_READY) {
      return rk__cuda_check(backend, result, "start of the grid", err);
    }
    if (rk_clock_mono_ns() >= deadline_ns) {
      return rk_error_set(err, RK_ETIMEOUT,
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
  if (rc == RK_OK) { /* without the bridge nobody would ever wake the host */
    rc = rk__cuda_bridge_start(backend, err);
  }
  if (rc != RK_OK) {
    call_off(backend);
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
  backend->running = false;
  int lost = atomic_load(&backend->lost);
  if (lost != 0 && lost != RK_CUDA_LOST_SILENT) {
    return true; /* it has ended, or the driver has ended it */
  }
  rk_error err = RK_ERROR_INIT;
  int rc = rk__cuda_stream_finish(backend, backend->grid_stream, JOIN_WAIT_NS, "end of the grid",
                                  &err);
  if (rc == RK_OK || atomic_load(&backend->lost) > 0) {
    return true;
  }
  leave(backend);
  rk_log(RK_LOG_ERROR, "cuda",
         "the grid on %s does not end and is left behind; this process cannot use the device any "
         "more",
         backend->device.name);
  return false;
}

/* ---- grids left behind ----------------------------------------------------------------------- */

static bool has_ended(const rk_backend *backend)
{
  rk__cuda_enter(backend);
  return backend->api->stream_query(backend->grid_stream) != CUDA_ERROR_NOT_READY;
}

/* The name of a device with such a grid, or NULL. */
static const char *find_left(const rk_backend *only)
{
  const char *name = NULL;
  if (!atomic_load(&is_any_left)) {
    return NULL;
  }
  rk_mutex_lock(&list_lock);
  for (rk_backend *b = list; b != NULL && name == NULL; b = b->next) {
    if (b->is_left && (only == NULL || only == b)) {
      b->is_left = !has_ended(b);
      name = b->is_left ? b->device.name : NULL;
    }
  }
  rk_mutex_unlock(&list_lock);
  return name;
}

bool rk__cuda_is_held(void)
{
  return find_left(NULL) != NULL;
}

bool rk__cuda_is_left(rk_backend *backend)
{
  return find_left(backend) != NULL;
}

int rk__cuda_check_held(const rk_backend *backend, rk_error *err)
{
  const char *name = find_left(NULL);
  if (name != NULL) {
    return rk_error_set(err, RK_EDEVICE_LOST,
                        "a grid that this process left behind on %s does not end; only a new "
                        "process can use the device",
                        name);
  }
  if (backend != NULL) {
    rk__cuda_enter(backend);
  }
  return RK_OK;
}

/* ---- the end of the process ------------------------------------------------------------------ */

static rk_once exit_once = RK_ONCE_INIT;

/* Whether nothing of the backend's would keep the driver, or has been waited for long enough. */
static bool ends_until(rk_backend *backend, uint64_t deadline_ns)
{
  int lost = atomic_load(&backend->lost);
  bool may_run = (backend->running || backend->is_left) &&
                 (lost == 0 || lost == RK_CUDA_LOST_SILENT);
  if (backend->pid != rk_platform_current()->pid() || !may_run) {
    return true;
  }
  while (!has_ended(backend)) {
    if (rk_clock_mono_ns() >= deadline_ns) {
      return false;
    }
    rk_clock_sleep(100000);
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
      rk_st_release_sys_u32(&b->use.host->abort, RK_ABORT_END);
    }
  }
  for (rk_backend *b = list; b != NULL; b = b->next) {
    all = ends_until(b, deadline_ns) && all;
  }
  rk_mutex_unlock(&list_lock);
  if (!all) { /* the driver would wait for it, and with it the process */
    rk_log(RK_LOG_ERROR, "cuda", "a grid does not end; the process leaves without it");
    (void)fflush(NULL);
    _Exit(EXIT_FAILURE);
  }
  rk_cuda_claims_end();
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
