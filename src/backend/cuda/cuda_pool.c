/* SPDX-License-Identifier: MIT */
/*
 * Memory that can be had while a grid runs: a pool, used in the order of the stream for copies.
 *
 * cuMemAlloc may wait for every kernel on the device, a pool's calls are operations of a stream: the
 * memory is there when the stream has come so far. Zeroing is copies, as everywhere beside a grid.
 *
 * What was given back stays in the pool until the backend is closed (the release threshold), because
 * handing it back to the system at some wait of the stream would be the call that this file is there
 * to avoid. Whether a driver never waits when the pool itself has to grow is for the tests on
 * hardware to say.
 */
#include "backend/cuda/cuda_internal.h"

#include "backend/cuda/cuda_error.h"
#include "base/log.h"

#define POOL_WAIT_NS (UINT64_C(10) * 1000 * 1000 * 1000)

int rk__cuda_pool_open(rk_backend *backend, rk_error *err)
{
  const CUmemPoolProps props = {
      .allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
      .handleTypes = CU_MEM_HANDLE_TYPE_NONE,
      .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = backend->device.device},
  };
  uint64_t keep_bytes = UINT64_MAX;
  if (!backend->device.has_pools) {
    return RK_OK;
  }
  int rc = rk__cuda_check(backend, backend->api->mem_pool_create(&backend->pool, &props),
                          "cuMemPoolCreate", err);
  if (rc == RK_OK) {
    rc = rk__cuda_check(backend,
                        backend->api->mem_pool_set_attribute(
                            backend->pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep_bytes),
                        "cuMemPoolSetAttribute", err);
  }
  return rc;
}

void rk__cuda_pool_close(rk_backend *backend)
{
  const rk_cuda_api *api = backend->api;
  if (backend->pool == NULL || atomic_load(&backend->lost) > 0) {
    return; /* a lost device takes nothing back: the pool still counts what it has handed out */
  }
  /* what was given back last may still stand in the stream */
  if (rk__cuda_stream_finish(backend, backend->copy_stream, POOL_WAIT_NS, "free", NULL) == RK_OK) {
    (void)api->mem_pool_trim_to(backend->pool, 0);
  }
  (void)api->mem_pool_destroy(backend->pool);
  backend->pool = NULL;
}

uint64_t rk__cuda_pool_map(rk_backend *backend, size_t bytes)
{
  rk_error err = RK_ERROR_INIT;
  CUdeviceptr address = 0;
  rk__cuda_enter(backend);
  int rc = rk__cuda_check(
      backend,
      backend->api->mem_alloc_from_pool_async(&address, bytes, backend->pool, backend->copy_stream),
      "cuMemAllocFromPoolAsync", &err);
  if (rc == RK_OK) { /* returns when the stream has come behind it: then anybody may use it */
    rc = rk__cuda_device_zero(backend, address, bytes, &err);
    if (rc != RK_OK) {
      (void)backend->api->mem_free_async(address, backend->copy_stream);
    }
  }
  if (rc != RK_OK) {
    rk_log(RK_LOG_WARN, "cuda", "%zu bytes of pooled memory: %s", bytes, err.text);
    return 0;
  }
  return address;
}

void rk__cuda_pool_unmap(rk_backend *backend, uint64_t address, size_t bytes)
{
  (void)bytes;
  rk__cuda_enter(backend);
  CUresult result = backend->api->mem_free_async(address, backend->copy_stream);
  if (result != CUDA_SUCCESS &&
      !rk_cuda_is_sticky(result)) { /* for the pool must be empty to end */
    result = backend->api->mem_free_async(address, backend->copy_stream);
  }
  (void)rk__cuda_check(backend, result, "cuMemFreeAsync", NULL);
}
