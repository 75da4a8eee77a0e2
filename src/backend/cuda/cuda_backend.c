/* SPDX-License-Identifier: MIT */
/*
 * The CUDA backend's table of functions: open, close, what it says about the device, and whether
 * the device still answers.
 */
#include "backend/cuda/cuda_backend.h"

#include <stdio.h>

#include "backend/cuda/cuda_error.h"
#include "backend/cuda/cuda_internal.h"
#include "base/alloc.h"
#include "base/params.h"
#include "base/platform.h"

/* Multiprocessors that are left to others, where there are plenty: copies, memsets and libraries
 * need some. */
#define SPARE_PROCESSORS 2u
#define PLENTY_PROCESSORS 8u

/* The largest cluster that every device with clusters can launch. */
#define CLUSTER_MAX 8u

void rk__cuda_enter(const rk_backend *backend)
{
  (void)backend->api->ctx_set_current(backend->context);
}

void rk__cuda_lose(rk_backend *backend, int why)
{
  int none = 0;
  (void)atomic_compare_exchange_strong(&backend->lost, &none, why);
}

int rk__cuda_check(rk_backend *backend, CUresult result, const char *call, rk_error *err)
{
  if (rk_cuda_is_sticky(result)) {
    rk__cuda_lose(backend, (int)result);
  }
  return rk_cuda_check(backend->api, result, call, err);
}

int rk__cuda_health(const rk_backend *backend, rk_error *err)
{
  int why = atomic_load(&backend->lost);
  if (why == 0) {
    return RK_OK;
  }
  if (why == RK_CUDA_LOST_ENDED) {
    return rk_error_set(err, RK_EDEVICE_LOST,
                        "the grid on %s ended without being asked; close the runtime",
                        backend->device.name);
  }
  if (why == RK_CUDA_LOST_ALONE) {
    return rk_error_set(err, RK_EDEVICE_LOST,
                        "the grid on %s left: for a minute it saw no sign of life from this "
                        "process, which must have been stopped; close the runtime",
                        backend->device.name);
  }
  if (why == RK_CUDA_LOST_SILENT) {
    return rk_error_set(err, RK_EDEVICE_LOST, "%s does not answer any more; close the runtime",
                        backend->device.name);
  }
  return rk_error_set(err, RK_EDEVICE_LOST, "%s is lost (%s); only a new process can use it again",
                      backend->device.name, rk_cuda_result_name(backend->api, (CUresult)why));
}

static int find_device(uint32_t ordinal, const rk_cuda_api **api, rk_cuda_device_info *info,
                       rk_error *err)
{
  const char *problem = rk_cuda_environment_problem();
  if (problem != NULL) {
    return rk_error_set(err, RK_EUNSUPPORTED, "%s", problem);
  }
  int rc = rk_cuda_open(api, err);
  if (rc == RK_OK) {
    rc = rk_cuda_device_info_get(*api, ordinal, info, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  problem = rk_cuda_device_problem(info);
  return problem == NULL ? RK_OK
                         : rk_error_set(err, RK_EUNSUPPORTED, "device %u (%s): %s", ordinal,
                                        info->name, problem);
}

int rk_cuda_backend_probe(uint32_t ordinal, rk_error *err)
{
  const rk_cuda_api *api = NULL;
  rk_cuda_device_info info;
  return find_device(ordinal, &api, &info, err);
}

/* What was asked for by name is had or refused, never left out. */
static int check_features(const rk_backend *backend, const rk_backend_options *options,
                          rk_error *err)
{
  if (options->cluster > 1 && !backend->device.has_clusters) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "cluster: %s, compute capability %u.%u, cannot keep blocks together (9.0 "
                        "and a driver of CUDA 11.8 can); open without it",
                        backend->device.name, backend->device.cc_major, backend->device.cc_minor);
  }
  if (options->cluster > CLUSTER_MAX) {
    return rk_error_set(err, RK_EINVAL, "cluster: 1..%u, got %u", CLUSTER_MAX, options->cluster);
  }
  return RK_OK;
}

static int choose_options(rk_backend *backend, rk_error *err)
{
  int64_t tells_lines = 0;
  int rc = rk_param_int(RK_PARAM_LINEINFO, &tells_lines, err);
  if (rc == RK_OK && tells_lines != 0) {
    backend->options[0] = "-lineinfo";
  }
  return rc;
}

/* As many blocks as were asked for, else one for each multiprocessor that is not spared; always
 * whole clusters. */
static int choose_blocks(rk_backend *backend, uint32_t wanted, rk_error *err)
{
  const uint32_t processors = backend->sms;
  const uint32_t cluster = backend->cluster;
  int64_t blocks = wanted;
  if (blocks == 0) {
    int rc = rk_param_int(RK_PARAM_BLOCKS, &blocks, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  if (blocks == 0) {
    bool spares = backend->grid_green == NULL && processors >= PLENTY_PROCESSORS;
    blocks = spares ? processors - SPARE_PROCESSORS : processors;
    blocks -= blocks % cluster;
  }
  if (blocks % cluster != 0 || blocks == 0) {
    return rk_error_set(err, RK_EINVAL,
                        "blocks: a multiple of the cluster's %u blocks expected, got %lld", cluster,
                        (long long)blocks);
  }
  if (blocks > processors) {
    return rk_error_set(
        err, RK_EINVAL, "blocks: 1..%u on %s%s, got %lld", processors, backend->device.name,
        backend->grid_green == NULL ? "" : " in its part for the grid", (long long)blocks);
  }
  backend->blocks = (uint32_t)blocks;
  return RK_OK;
}

static int make_streams(rk_backend *backend, rk_error *err)
{
  CUstream *const streams[] = {&backend->grid_stream, &backend->copy_stream, &backend->work_stream};
  CUgreenCtx const parts[] = {backend->grid_green, backend->rest_green, backend->rest_green};
  int rc = RK_OK;
  for (int i = 0; i < 3 && rc == RK_OK; ++i) {
    rc = parts[i] != NULL
             ? rk__cuda_green_stream(backend, parts[i], streams[i], err)
             : rk__cuda_check(backend,
                              backend->api->stream_create(streams[i], CU_STREAM_NON_BLOCKING),
                              "cuStreamCreate", err);
  }
  return rc;
}

static void free_backend(rk_backend *backend)
{
  const rk_cuda_api *api = backend->api;
  if (backend->context != NULL && !rk__cuda_is_held()) {
    rk__cuda_enter(backend);
    while (backend->modules != NULL) {
      rk__cuda_module_unload(backend, backend->modules);
    }
    rk__cuda_code_unload(backend);
    rk__cuda_pool_close(backend);
    rk__cuda_mem_close(backend);
    CUstream const streams[] = {backend->grid_stream, backend->copy_stream, backend->work_stream};
    for (int i = 0; i < 3; ++i) {
      if (streams[i] != NULL) {
        (void)api->stream_destroy(streams[i]);
      }
    }
    rk__cuda_green_close(backend);
    rk_cuda_context_close(api, backend->device.device, backend->context);
  }
  while (backend->modules != NULL) { /* without their code, which stays with the driver */
    rk__cuda_module_unload(backend, backend->modules);
  }
  rk_cuda_image_release(&backend->image);
  rk_cuda_cache_close(backend->cache);
  rk_cuda_claim_drop(backend->claim);
  rk_free(backend);
}

static int open_backend(const rk_backend_options *options, rk_backend **out, rk_error *err)
{
  rk_backend *backend = rk_calloc(1, sizeof(*backend));
  if (backend == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "CUDA backend: out of memory");
  }
  backend->pid = rk_platform_current()->pid();
  backend->cluster = options->cluster > 1 ? options->cluster : 1u;
  backend->counted_lanes = options->counted_lanes;
  int rc = find_device(options->device, &backend->api, &backend->device, err);
  if (rc == RK_OK) {
    rc = check_features(backend, options, err);
  }
  if (rc == RK_OK) {
    rc = choose_options(backend, err);
  }
  if (rc == RK_OK) {
    rc = rk__cuda_check_held(NULL, err);
  }
  if (rc == RK_OK) {
    rc = rk_cuda_claim_take(&backend->device, &backend->claim, err);
  }
  if (rc == RK_OK) {
    rc = rk_cuda_cache_open(options->cache_dir, &backend->cache, err);
  }
  if (rc == RK_OK) {
    rc = rk_cuda_context_open(backend->api, &backend->device, &backend->context, err);
  }
  backend->sms = backend->device.processors;
  if (rc == RK_OK && options->sms != 0) {
    rc = rk__cuda_green_open(backend, options->sms, err);
  }
  if (rc == RK_OK) {
    rc = choose_blocks(backend, options->blocks, err);
  }
  if (rc == RK_OK) {
    rc = make_streams(backend, err);
  }
  if (rc == RK_OK) {
    rc = rk__cuda_mem_open(backend, err);
  }
  if (rc == RK_OK) {
    rc = rk__cuda_pool_open(backend, err);
  }
  if (rc != RK_OK) {
    free_backend(backend);
    return rc;
  }
  rk__cuda_grid_enlist(backend);
  *out = backend;
  return RK_OK;
}

static void close_backend(rk_backend *backend)
{
  if (backend == NULL || rk__cuda_is_left(backend)) {
    return; /* what its grid may still touch stays until the process ends */
  }
  rk__cuda_grid_delist(backend);
  free_backend(backend);
}

static void get_info(const rk_backend *backend, rk_backend_info *out)
{
  out->name = "cuda";
  out->blocks = backend->blocks;
  out->cluster = backend->cluster;
  out->counted_lanes = backend->counted_lanes;
  out->processors = backend->device.processors;
  out->sms = backend->sms;
  out->has_pool = backend->pool != NULL;
  out->claim = rk_cuda_claim_kind(backend->claim);
  out->memory_bytes = backend->device.memory_bytes;
  (void)snprintf(out->device_name, sizeof(out->device_name), "%s", backend->device.name);
}

/* Blocks poll: nobody is to be woken. */
static void ring_bell(rk_backend *backend, uint32_t block)
{
  (void)backend;
  (void)block;
}

const rk_backend_ops rk_cuda_backend_ops = {
    .name = "cuda",
    .is_sealed = true,
    .open = open_backend,
    .close = close_backend,
    .info = get_info,
    .shared_map = rk__cuda_shared_map,
    .shared_unmap = rk__cuda_shared_unmap,
    .device_map = rk__cuda_device_map,
    .device_unmap = rk__cuda_device_unmap,
    .pool_map = rk__cuda_pool_map,
    .pool_unmap = rk__cuda_pool_unmap,
    .device_write = rk__cuda_device_write,
    .device_read = rk__cuda_device_read,
    .device_zero = rk__cuda_device_zero,
    .grid_start = rk__cuda_grid_start,
    .grid_join = rk__cuda_grid_join,
    .grid_bell = ring_bell,
    .grid_poke = ring_bell,
    .host_waits = rk__cuda_host_waits,
    .health = rk__cuda_health,
    .modules_expect = rk__cuda_modules_expect,
    .module_load = rk__cuda_module_load,
    .module_unload = rk__cuda_module_unload,
    .module_bind = rk__cuda_module_bind,
    .global_load = rk__cuda_global_load,
    .global_run = rk__cuda_global_run,
    .global_time = rk__cuda_global_time,
};
