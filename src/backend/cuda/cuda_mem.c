/* SPDX-License-Identifier: MIT */
/*
 * Memory of the CUDA backend.
 *
 * Shared memory is pinned and mapped, plain cacheable, at one address on both sides. Device memory
 * is moved by copies on a stream of its own, from and to pinned memory only: a copy from pageable
 * memory may wait for the device, and with a resident grid it would wait for ever. Zeroing copies
 * zeros for the same reason: a memset is a kernel, which needs room beside the grid.
 */
#include "backend/cuda/cuda_internal.h"

#include <string.h>

#include "backend/cuda/cuda_error.h"
#include "base/clock.h"
#include "base/log.h"

/* A copy of one staging buffer takes microseconds; a device that needs this long is lost. */
#define COPY_WAIT_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define REFUSALS_MAX 4u

static int alloc_pinned(rk_backend *backend, size_t bytes, void **out, rk_error *err)
{
  const rk_cuda_api *api = backend->api;
  void *memory = NULL;
  CUdeviceptr address = 0;
  int rc = rk__cuda_check(
      backend,
      api->mem_host_alloc(&memory, bytes, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP),
      "cuMemHostAlloc", err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = rk__cuda_check(backend, api->mem_host_get_device_pointer(&address, memory, 0),
                      "cuMemHostGetDevicePointer", err);
  if (rc == RK_OK && address != (CUdeviceptr)(uintptr_t)memory) {
    rc = rk_error_set(err, RK_EUNSUPPORTED,
                      "device %u sees pinned memory at another address than the host does",
                      backend->device.ordinal);
  }
  if (rc != RK_OK) {
    (void)api->mem_free_host(memory);
    return rc;
  }
  memset(memory, 0, bytes);
  *out = memory;
  return RK_OK;
}

/* Copies a little there and back. What a driver sets up for the first copy in a direction it sets up
 * now, when there is no grid that it could wait for. */
static int touch_copies(rk_backend *backend, rk_error *err)
{
  const rk_cuda_api *api = backend->api;
  uint64_t word = 0;
  CUdeviceptr address = 0;
  int rc = rk__cuda_check(backend, api->mem_alloc(&address, sizeof(word)), "cuMemAlloc", err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = rk__cuda_device_write(backend, address, &word, sizeof(word), err);
  if (rc == RK_OK) {
    rc = rk__cuda_device_read(backend, &word, address, sizeof(word), err);
  }
  (void)api->mem_free(address);
  return rc;
}

int rk__cuda_mem_open(rk_backend *backend, rk_error *err)
{
  void *staging = NULL, *zeros = NULL;
  int rc = alloc_pinned(backend, RK_CUDA_STAGING_BYTES, &staging, err);
  if (rc == RK_OK) {
    rc = alloc_pinned(backend, RK_CUDA_STAGING_BYTES, &zeros, err);
  }
  backend->staging = staging;
  backend->zeros = zeros;
  return rc == RK_OK ? touch_copies(backend, err) : rc;
}

void rk__cuda_mem_close(rk_backend *backend)
{
  if (backend->staging != NULL) {
    (void)backend->api->mem_free_host(backend->staging);
  }
  if (backend->zeros != NULL) {
    (void)backend->api->mem_free_host(backend->zeros);
  }
  backend->staging = NULL;
  backend->zeros = NULL;
}

void *rk__cuda_shared_map(rk_backend *backend, size_t bytes)
{
  rk_error err = RK_ERROR_INIT;
  rk__cuda_enter(backend);
  void *memory = NULL;
  if (rk__cuda_check_held(backend, &err) != RK_OK ||
      alloc_pinned(backend, bytes, &memory, &err) != RK_OK) {
    rk_log(RK_LOG_WARN, "cuda", "%zu bytes of pinned memory: %s", bytes, err.text);
  }
  return memory;
}

void rk__cuda_shared_unmap(rk_backend *backend, void *memory, size_t bytes)
{
  (void)bytes;
  if (rk__cuda_is_held()) {
    return;
  }
  rk__cuda_enter(backend);
  (void)rk__cuda_check(backend, backend->api->mem_free_host(memory), "cuMemFreeHost", NULL);
}

uint64_t rk__cuda_device_map(rk_backend *backend, size_t bytes)
{
  const rk_cuda_api *api = backend->api;
  rk_error err = RK_ERROR_INIT;
  CUdeviceptr address = 0;
  rk__cuda_enter(backend);
  int rc = rk__cuda_check_held(backend, &err);
  if (rc == RK_OK) {
    rc = rk__cuda_check(backend, api->mem_alloc(&address, bytes), "cuMemAlloc", &err);
  }
  if (rc == RK_OK) { /* no grid runs: the kernel behind a memset finds room */
    rc = rk__cuda_check(backend, api->memset_d8_async(address, 0, bytes, backend->copy_stream),
                        "cuMemsetD8Async", &err);
    if (rc == RK_OK) {
      rc = rk__cuda_stream_finish(backend, backend->copy_stream, COPY_WAIT_NS, "memset", &err);
    }
    if (rc != RK_OK) {
      (void)api->mem_free(address);
    }
  }
  if (rc != RK_OK) {
    rk_log(RK_LOG_WARN, "cuda", "%zu bytes of device memory: %s", bytes, err.text);
    return 0;
  }
  return address;
}

void rk__cuda_device_unmap(rk_backend *backend, uint64_t address, size_t bytes)
{
  (void)bytes;
  if (rk__cuda_is_held()) {
    return;
  }
  rk__cuda_enter(backend);
  (void)rk__cuda_check(backend, backend->api->mem_free(address), "cuMemFree", NULL);
}

int rk__cuda_stream_finish(rk_backend *backend, CUstream stream, uint64_t timeout_ns,
                           const char *what, rk_error *err)
{
  uint64_t deadline_ns = rk_clock_deadline(timeout_ns);
  uint32_t refusals = 0;
  for (uint32_t spins = 0;; ++spins) {
    CUresult result = backend->api->stream_query(stream);
    if (result == CUDA_SUCCESS) {
      return RK_OK;
    }
    /* a query that is refused says nothing about what was asked for: ask again */
    if (result != CUDA_ERROR_NOT_READY &&
        (rk_cuda_is_sticky(result) || ++refusals == REFUSALS_MAX)) {
      return rk__cuda_check(backend, result, what, err);
    }
    if (rk_clock_mono_ns() >= deadline_ns) {
      rk__cuda_lose(backend, RK_CUDA_LOST_SILENT);
      return rk__cuda_health(backend, err);
    }
    if (spins > 64u) {
      rk_thread_yield();
    }
  }
}

static size_t piece_of(size_t bytes)
{
  return bytes < RK_CUDA_STAGING_BYTES ? bytes : RK_CUDA_STAGING_BYTES;
}

int rk__cuda_device_write(rk_backend *backend, uint64_t to, const void *from, size_t bytes,
                          rk_error *err)
{
  const unsigned char *data = from;
  int rc = rk__cuda_health(backend, err);
  rk__cuda_enter(backend);
  while (rc == RK_OK && bytes != 0) {
    size_t n = piece_of(bytes);
    memcpy(backend->staging, data, n);
    rc = rk__cuda_check(
        backend, backend->api->memcpy_htod_async(to, backend->staging, n, backend->copy_stream),
        "cuMemcpyHtoDAsync", err);
    if (rc == RK_OK) {
      rc = rk__cuda_stream_finish(backend, backend->copy_stream, COPY_WAIT_NS, "copy", err);
    }
    to += n;
    data += n;
    bytes -= n;
  }
  return rc;
}

int rk__cuda_device_read(rk_backend *backend, void *to, uint64_t from, size_t bytes, rk_error *err)
{
  unsigned char *data = to;
  int rc = rk__cuda_health(backend, err);
  rk__cuda_enter(backend);
  while (rc == RK_OK && bytes != 0) {
    size_t n = piece_of(bytes);
    rc = rk__cuda_check(
        backend, backend->api->memcpy_dtoh_async(backend->staging, from, n, backend->copy_stream),
        "cuMemcpyDtoHAsync", err);
    if (rc == RK_OK) {
      rc = rk__cuda_stream_finish(backend, backend->copy_stream, COPY_WAIT_NS, "copy", err);
    }
    if (rc == RK_OK) {
      memcpy(data, backend->staging, n);
    }
    from += n;
    data += n;
    bytes -= n;
  }
  return rc;
}

int rk__cuda_device_zero(rk_backend *backend, uint64_t address, size_t bytes, rk_error *err)
{
  int rc = rk__cuda_health(backend, err);
  rk__cuda_enter(backend);
  while (rc == RK_OK && bytes != 0) {
    size_t n = piece_of(bytes);
    rc = rk__cuda_check(
        backend, backend->api->memcpy_htod_async(address, backend->zeros, n, backend->copy_stream),
        "cuMemcpyHtoDAsync", err);
    address += n;
    bytes -= n;
  }
  if (rc == RK_OK) {
    rc = rk__cuda_stream_finish(backend, backend->copy_stream, COPY_WAIT_NS, "copy", err);
  }
  return rc;
}
