/* SPDX-License-Identifier: MIT */
/*
 * Copies and fills, in order of a stream or at once, and memory that streams take and give back.
 *
 * As with the real driver, a copy from pageable memory has read its source when the call returns,
 * one from pinned memory reads it when the stream comes to it, and one to pageable memory has been
 * done when the call returns.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

/* ---- copies ---- */

/* One aligned word arrives whole, also while a kernel stores it with a relaxed store, as over a bus:
 * some old value or the new one. A longer copy of what a kernel changes meanwhile is a race, and
 * ThreadSanitizer says so. */
static void run_copy(rkf_op *op)
{
  const unsigned char *from = op->u.copy.from != NULL ? op->u.copy.from : op->data;
  uint32_t word = 0;
  if (op->u.copy.bytes == sizeof(word) && (uintptr_t)from % sizeof(word) == 0) {
    word = __atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED);
    memcpy(op->u.copy.to, &word, sizeof(word));
    return;
  }
  memmove(op->u.copy.to, from, op->u.copy.bytes);
}

static CUresult submit_copy(CUstream stream, unsigned char *to, const unsigned char *from,
                            size_t bytes, bool keep_now)
{
  rkf_op *op = rkf_op_new(run_copy, keep_now ? bytes : 0);
  if (op == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  op->u.copy.to = to;
  op->u.copy.from = keep_now ? NULL : from;
  op->u.copy.bytes = bytes;
  if (keep_now) {
    memcpy(op->data, from, bytes);
  }
  return rkf_op_submit(stream, op);
}

/* The calls that are done when they return go through the legacy stream. */
static CUresult copy_now(unsigned char *to, const unsigned char *from, size_t bytes)
{
  CUresult code = submit_copy(NULL, to, from, bytes, false);
  return code == CUDA_SUCCESS ? rkf_stream_wait(NULL) : code;
}

RKF_EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
  RKF_ENTER(RKF_CONTEXT);
  bool is_pinned;
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS || bytes == 0) {
    return code;
  }
  unsigned char *target = rkf_memory_at(to, bytes, __func__);
  if (target == NULL || !rkf_host_ok(from, bytes, __func__, &is_pinned)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return copy_now(target, from, bytes);
}

RKF_EXPORT CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
  RKF_ENTER(RKF_CONTEXT);
  bool is_pinned;
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS || bytes == 0) {
    return code;
  }
  unsigned char *source = rkf_memory_at(from, bytes, __func__);
  if (source == NULL || !rkf_host_ok(to, bytes, __func__, &is_pinned)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return copy_now(to, source, bytes);
}

RKF_EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = rkf_would_wait(__func__, rkf_resident_runs());
  if (code != CUDA_SUCCESS || bytes == 0) {
    return code;
  }
  unsigned char *target = rkf_memory_at(to, bytes, __func__);
  unsigned char *source = rkf_memory_at(from, bytes, __func__);
  if (target == NULL || source == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return copy_now(target, source, bytes);
}

RKF_EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes,
                                         CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  bool is_pinned;
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  unsigned char *target = rkf_memory_at(to, bytes, __func__);
  if (target == NULL || !rkf_host_ok(from, bytes, __func__, &is_pinned)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return submit_copy(stream, target, from, bytes, !is_pinned && !rkf_stream_is_capturing(stream));
}

RKF_EXPORT CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  bool is_pinned;
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  unsigned char *source = rkf_memory_at(from, bytes, __func__);
  if (source == NULL || !rkf_host_ok(to, bytes, __func__, &is_pinned)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  bool waits = !is_pinned && !rkf_stream_is_capturing(stream);
  CUresult code = rkf_would_wait(__func__, waits && rkf_stream_holds_resident(stream));
  if (code == CUDA_SUCCESS) {
    code = submit_copy(stream, to, source, bytes, false);
  }
  return code == CUDA_SUCCESS && waits ? rkf_stream_wait(stream) : code;
}

RKF_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes,
                                         CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (bytes == 0) {
    return CUDA_SUCCESS;
  }
  unsigned char *target = rkf_memory_at(to, bytes, __func__);
  unsigned char *source = rkf_memory_at(from, bytes, __func__);
  if (target == NULL || source == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return submit_copy(stream, target, source, bytes, false);
}

/* ---- fills ---- */

static void run_fill(rkf_op *op)
{
  rkf_memory_fill(op->u.fill.to, op->u.fill.word, op->u.fill.word_bytes, op->u.fill.count);
}

static CUresult submit_fill(CUstream stream, CUdeviceptr to, uint32_t word, size_t word_bytes,
                            size_t count, const char *call)
{
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (count == 0) {
    return CUDA_SUCCESS;
  }
  unsigned char *target = rkf_memory_at(to, count * word_bytes, call);
  if (target == NULL || to % word_bytes != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_op *op = rkf_op_new(run_fill, 0);
  if (op == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  op->u.fill.to = target;
  op->u.fill.word = word;
  op->u.fill.word_bytes = word_bytes;
  op->u.fill.count = count;
  return rkf_op_submit(stream, op);
}

static CUresult fill_now(CUdeviceptr to, uint32_t word, size_t word_bytes, size_t count,
                         const char *call)
{
  CUresult code = rkf_would_wait(call, rkf_resident_runs());
  if (code == CUDA_SUCCESS) {
    code = submit_fill(NULL, to, word, word_bytes, count, call);
  }
  return code == CUDA_SUCCESS ? rkf_stream_wait(NULL) : code;
}

RKF_EXPORT CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count)
{
  RKF_ENTER(RKF_CONTEXT);
  return fill_now(to, value, 1, count, __func__);
}

RKF_EXPORT CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count)
{
  RKF_ENTER(RKF_CONTEXT);
  return fill_now(to, value, 4, count, __func__);
}

RKF_EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count,
                                    CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  return submit_fill(stream, to, value, 1, count, __func__);
}

RKF_EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  return submit_fill(stream, to, value, 4, count, __func__);
}

static CUresult write_word(CUstream stream, CUdeviceptr address, unsigned value, unsigned flags,
                           const char *call)
{
  if ((flags & ~1u) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return submit_fill(stream, address, value, 4, 1, call);
}

RKF_EXPORT CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, unsigned value,
                                            unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  return write_word(stream, address, value, flags, __func__);
}

RKF_EXPORT CUresult cuStreamWriteValue32(CUstream stream, CUdeviceptr address, unsigned value,
                                         unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  return write_word(stream, address, value, flags, __func__);
}

/* ---- pools ---- */

struct CUmemPoolHandle_st {
  int device;
  bool is_default;
  uint64_t threshold, used, high;
};

static struct CUmemPoolHandle_st default_pools[RKF_DEVICES_MAX];
static CUmemoryPool current_pools[RKF_DEVICES_MAX];

static CUmemoryPool default_pool(CUdevice device)
{
  default_pools[device].device = device;
  default_pools[device].is_default = true;
  return &default_pools[device];
}

static CUmemoryPool current_pool(CUdevice device)
{
  return current_pools[device] != NULL ? current_pools[device] : default_pool(device);
}

static CUresult take(CUdeviceptr *address, size_t bytes, CUmemoryPool pool, CUstream stream)
{
  rkf_memory m;
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  CUresult code = rkf_memory_new(bytes, RKF_DEVICE, 0, pool, &m);
  if (code != CUDA_SUCCESS) {
    return code;
  }
  rkf_lock();
  pool->used += bytes;
  pool->high = pool->high > pool->used ? pool->high : pool->used;
  rkf_unlock();
  *address = m.address;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  return take(address, bytes, current_pool(rkf_context()->device), stream);
}

RKF_EXPORT CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, size_t bytes, CUmemoryPool pool,
                                            CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  return pool == NULL ? CUDA_ERROR_INVALID_VALUE : take(address, bytes, pool, stream);
}

static void run_release(rkf_op *op)
{
  rkf_memory m;
  if (rkf_memory_find(op->u.release, &m) && m.pool != NULL) {
    rkf_lock();
    m.pool->used -= m.bytes;
    rkf_unlock();
  }
  (void)rkf_memory_end(op->u.release, RKF_DEVICE, "cuMemFreeAsync");
}

RKF_EXPORT CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_memory m;
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!rkf_memory_find(address, &m) || m.address != address || m.kind != RKF_DEVICE) {
    rkf_lint("cuMemFreeAsync of 0x%llx, where no allocation begins", address);
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_op *op = rkf_op_new(run_release, 0);
  if (op == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  op->u.release = address;
  return rkf_op_submit(stream, op);
}

RKF_EXPORT CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *props)
{
  RKF_ENTER(RKF_INIT);
  if (props->allocType != CU_MEM_ALLOCATION_TYPE_PINNED ||
      props->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
      !rkf_device_exists(props->location.id)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUmemoryPool made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  made->device = props->location.id;
  rkf_lock();
  rkf.live.pools++;
  rkf_unlock();
  *pool = made;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuMemPoolDestroy(CUmemoryPool pool)
{
  RKF_ENTER(RKF_INIT);
  if (pool == NULL || pool->is_default) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_lock();
  uint64_t used = pool->used;
  rkf.live.pools--;
  if (current_pools[pool->device] == pool) {
    current_pools[pool->device] = NULL;
  }
  rkf_unlock();
  if (used != 0) {
    rkf_lint("cuMemPoolDestroy with %llu bytes in use", (unsigned long long)used);
    return CUDA_SUCCESS; /* the real one waits for them to be given back; it stays as it is */
  }
  free(pool);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                                          void *value)
{
  RKF_ENTER(RKF_INIT);
  if (pool == NULL || attribute < 1 || attribute > 8) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_lock();
  if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
    pool->threshold = *(uint64_t *)value;
  } else if (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH) {
    pool->high = pool->used;
  }
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute,
                                          void *value)
{
  RKF_ENTER(RKF_INIT);
  CUresult code = CUDA_SUCCESS;
  rkf_lock();
  switch (pool != NULL ? (int)attribute : 0) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      *(uint64_t *)value = pool->threshold;
      break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      *(uint64_t *)value = pool->used;
      break;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      *(uint64_t *)value = pool->high;
      break;
    default:
      code = CUDA_ERROR_INVALID_VALUE;
  }
  rkf_unlock();
  return code;
}

RKF_EXPORT CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t keep_bytes)
{
  RKF_ENTER(RKF_INIT);
  (void)keep_bytes; /* the fake keeps nothing back */
  return pool == NULL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *pool = default_pool(device);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device)) {
    return CUDA_ERROR_INVALID_DEVICE;
  }
  *pool = current_pool(device);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device) || pool == NULL || pool->device != device) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  current_pools[device] = pool;
  return CUDA_SUCCESS;
}
