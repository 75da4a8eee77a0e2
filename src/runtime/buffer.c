/* SPDX-License-Identifier: MIT */
/*
 * Buffers in device memory. Where the backend has a pool they lie there: then making one asks no
 * grid to pause. Else they are pieces of the runtime's arena.
 */
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

#define FILL_BYTES ((size_t)64 << 10) /* copied to the device at a time */

struct rk_device_buffer {
  rk_device_buffer *next, *previous;
  rk_runtime *rt; /* NULL once closed */
  uint64_t memory;
  size_t element_bytes, count;
  uint32_t tenant;
};

static uint64_t take_memory(rk_runtime *rt, size_t bytes)
{
  if (!rt->has_pool) {
    return rk_arena_take(&rt->arena, bytes);
  }
  uint64_t memory = rt->ops->pool_map(rt->backend, bytes);
  rt->pool_bytes += memory != 0 ? bytes : 0;
  return memory;
}

static void give_memory(rk_runtime *rt, uint64_t memory, size_t bytes)
{
  if (!rt->has_pool) {
    rk_arena_give(&rt->arena, memory, bytes);
    return;
  }
  rt->ops->pool_unmap(rt->backend, memory, bytes);
  rt->pool_bytes -= bytes;
}

int rk_device_buffer_open(rk_runtime *rt, size_t element_bytes, size_t count,
                          rk_device_buffer **out, rk_error *err)
{
  return rk_device_buffer_open_as(rt, 0, element_bytes, count, out, err);
}

int rk_device_buffer_open_as(rk_runtime *rt, uint32_t as, size_t element_bytes, size_t count,
                             rk_device_buffer **out, rk_error *err)
{
  size_t bytes = 0;
  uint32_t tenant = as != 0 ? as - 1u : 0u;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = rk__tenant_check(rt, as, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (element_bytes == 0 || count == 0) {
    return rk_error_set(err, RK_EINVAL, "buffer: at least one element expected");
  }
  if (rk_size_mul(element_bytes, count, &bytes) || bytes > (SIZE_MAX >> 8)) {
    return rk_error_set(err, RK_ETOO_LARGE, "buffer: %zu elements of %zu bytes are too many", count,
                        element_bytes);
  }
  rc = rk__tenant_room(rt, tenant, "buffer", NULL, bytes, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_device_buffer *buffer = rk_calloc(1, sizeof(*buffer));
  if (buffer != NULL) {
    buffer->memory = take_memory(rt, bytes);
  }
  if (buffer == NULL || buffer->memory == 0) {
    rk_free(buffer);
    return rk__no_memory(rt, err, "buffer of %zu bytes: out of device memory", bytes);
  }
  buffer->rt = rt;
  buffer->element_bytes = element_bytes;
  buffer->count = count;
  buffer->tenant = tenant;
  rk__tenant_uses(rt, tenant, 0, (int64_t)bytes);
  buffer->next = rt->buffers;
  if (rt->buffers != NULL) {
    rt->buffers->previous = buffer;
  }
  rt->buffers = buffer;
  rt->ordered = RK_MSG_ORDERED; /* messages may tell of its contents from now on */
  *out = buffer;
  return RK_OK;
}

/* Takes the buffer out of its runtime; the handle stays. */
static void detach(rk_device_buffer *buffer)
{
  rk_runtime *rt = buffer->rt;
  if (rt == NULL) {
    return;
  }
  if (buffer->previous != NULL) {
    buffer->previous->next = buffer->next;
  } else {
    rt->buffers = buffer->next;
  }
  if (buffer->next != NULL) {
    buffer->next->previous = buffer->previous;
  }
  give_memory(rt, buffer->memory, buffer->element_bytes * buffer->count);
  rk__tenant_uses(rt, buffer->tenant, 0, -(int64_t)(buffer->element_bytes * buffer->count));
  buffer->rt = NULL;
  buffer->memory = 0;
}

void rk_device_buffer_close(rk_device_buffer *buffer)
{
  if (buffer == NULL) {
    return;
  }
  detach(buffer);
  rk_free(buffer);
}

void rk__buffers_close(rk_runtime *rt)
{
  while (rt->buffers != NULL) {
    detach(rt->buffers);
  }
}

static int check_range(const rk_device_buffer *buffer, size_t offset, size_t count, rk_error *err)
{
  size_t end = 0;
  if (buffer->rt == NULL) {
    return rk_error_set(err, RK_ECLOSED, "the buffer is closed");
  }
  int rc = rk__runtime_check(buffer->rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (rk_size_add(offset, count, &end) || end > buffer->count) {
    return rk_error_set(err, RK_ETOO_LARGE, "elements %zu..%zu: the buffer has %zu", offset,
                        count == 0 ? offset : offset + count - 1, buffer->count);
  }
  return RK_OK;
}

int rk_device_buffer_write(rk_device_buffer *buffer, size_t offset, const void *data, size_t count,
                           rk_error *err)
{
  int rc = check_range(buffer, offset, count, err);
  if (rc == RK_OK && count != 0) {
    rc = buffer->rt->ops->device_write(buffer->rt->backend,
                                       buffer->memory + offset * buffer->element_bytes, data,
                                       count * buffer->element_bytes, err);
  }
  return rc;
}

int rk_device_buffer_read(rk_device_buffer *buffer, size_t offset, void *data, size_t count,
                          rk_error *err)
{
  int rc = check_range(buffer, offset, count, err);
  if (rc == RK_OK && count != 0) {
    rc = buffer->rt->ops->device_read(buffer->rt->backend, data,
                                      buffer->memory + offset * buffer->element_bytes,
                                      count * buffer->element_bytes, err);
  }
  return rc;
}

int rk_device_buffer_fill(rk_device_buffer *buffer, const void *element, rk_error *err)
{
  int rc = check_range(buffer, 0, 0, err);
  if (rc != RK_OK) {
    return rc;
  }
  size_t per_piece = buffer->element_bytes < FILL_BYTES ? FILL_BYTES / buffer->element_bytes : 1u;
  if (per_piece > buffer->count) {
    per_piece = buffer->count;
  }
  unsigned char *piece = rk_alloc(per_piece * buffer->element_bytes);
  if (piece == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "fill: out of memory");
  }
  for (size_t i = 0; i < per_piece; ++i) {
    memcpy(piece + i * buffer->element_bytes, element, buffer->element_bytes);
  }
  for (size_t at = 0; rc == RK_OK && at < buffer->count; at += per_piece) {
    size_t n = buffer->count - at < per_piece ? buffer->count - at : per_piece;
    rc = rk_device_buffer_write(buffer, at, piece, n, err);
  }
  rk_free(piece);
  return rc;
}

uint64_t rk_device_buffer_address(const rk_device_buffer *buffer)
{
  return buffer->memory;
}
