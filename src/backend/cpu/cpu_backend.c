/* SPDX-License-Identifier: MIT */
/*
 * The CPU backend's table of functions, its memory and what it says about the machine.
 *
 * Device memory is zeroed pages of the host that cost nothing until they are touched, so the queues
 * of 100,000 idle actors are address space only.
 */
#include "backend/cpu/cpu_backend.h"

#include <stdio.h>
#include <string.h>

#include "backend/cpu/cpu_crash.h"
#include "backend/cpu/cpu_internal.h"
#include "base/alloc.h"
#include "base/params.h"

#include "rk_dev.h"

/* From here on zeroing hands pages back. */
#define BY_PAGES_BYTES ((size_t)64 << 10)

static int open_backend(const rk_backend_options *options, rk_backend **out, rk_error *err)
{
  int64_t blocks = options->blocks;
  int rc = RK_OK;
  if (options->cluster > 1) {
    return rk_error_set(
        err, RK_EUNSUPPORTED,
        "cluster: the CPU backend has no clusters of blocks; open without it, or on "
        "a GPU of compute capability 9.0 or later");
  }
  if (options->sms != 0) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "sms: the CPU backend has no multiprocessors to set apart; open without "
                        "it, or on a GPU");
  }
  if (blocks == 0) {
    rc = rk_param_int(RK_PARAM_BLOCKS, &blocks, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  if (blocks == 0) {
    blocks = (int64_t)rk_cpu_count();
  }
  if (blocks > 1024) {
    return rk_error_set(err, RK_EINVAL, "blocks: 1..1024 on the CPU backend, got %lld",
                        (long long)blocks);
  }
  rc = rk_crash_install(err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_backend *backend = rk_calloc(1, sizeof(*backend));
  if (backend == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "CPU backend: out of memory");
  }
  backend->blocks = (uint32_t)blocks;
  backend->pin = options->pin;
  if (options->cache_dir != NULL) {
    backend->cache_dir = rk_strdup(options->cache_dir);
    if (backend->cache_dir == NULL) {
      rk_free(backend);
      return rk_error_set(err, RK_EOUT_OF_MEMORY, "CPU backend: out of memory");
    }
  }
  *out = backend;
  return RK_OK;
}

static void close_backend(rk_backend *backend)
{
  if (backend == NULL) {
    return;
  }
  while (backend->modules != NULL) {
    rk__cpu_module_unload(backend, backend->modules);
  }
  rk_team_close(backend->team);
  rk_free(backend->cache_dir);
  rk_free(backend);
}

static void get_info(const rk_backend *backend, rk_backend_info *out)
{
  out->name = "cpu";
  out->blocks = backend->blocks;
  out->cluster = 1;
  out->counted_lanes = false;
  out->processors = (uint32_t)rk_cpu_count();
  out->sms = out->processors;
  out->has_pool = false;
  out->memory_bytes = 0;
  (void)snprintf(out->device_name, sizeof(out->device_name), "%u processor%s of this machine",
                 out->processors, out->processors == 1 ? "" : "s");
}

static void *map_shared(rk_backend *backend, size_t bytes)
{
  (void)backend;
  return rk_pages_map(bytes);
}
static void unmap_shared(rk_backend *backend, void *memory, size_t bytes)
{
  (void)backend;
  rk_pages_unmap(memory, bytes);
}
static uint64_t map_device(rk_backend *backend, size_t bytes)
{
  (void)backend;
  return (uint64_t)(uintptr_t)rk_pages_map(bytes);
}
static void unmap_device(rk_backend *backend, uint64_t address, size_t bytes)
{
  (void)backend;
  rk_pages_unmap(RK_PTR(void, address), bytes);
}
static int write_device(rk_backend *backend, uint64_t to, const void *from, size_t bytes,
                        rk_error *err)
{
  (void)backend;
  (void)err;
  if (bytes != 0) {
    memcpy(RK_PTR(void, to), from, bytes);
  }
  return RK_OK;
}
static int read_device(rk_backend *backend, void *to, uint64_t from, size_t bytes, rk_error *err)
{
  (void)backend;
  (void)err;
  if (bytes != 0) {
    memcpy(to, RK_PTR(const void, from), bytes);
  }
  return RK_OK;
}
static int zero_device(rk_backend *backend, uint64_t address, size_t bytes, rk_error *err)
{
  (void)backend;
  (void)err;
  if (bytes >= BY_PAGES_BYTES) {
    rk_pages_release(RK_PTR(void, address), bytes);
  } else {
    memset(RK_PTR(void, address), 0, bytes);
  }
  return RK_OK;
}

/* The processor does not get lost; a crash of a handler ends the process (cpu_crash.c). */
static int get_health(const rk_backend *backend, rk_error *err)
{
  (void)backend;
  (void)err;
  return RK_OK;
}

const rk_backend_ops rk_cpu_backend_ops = {
    .name = "cpu",
    .is_unified = true,
    .open = open_backend,
    .close = close_backend,
    .info = get_info,
    .shared_map = map_shared,
    .shared_unmap = unmap_shared,
    .device_map = map_device,
    .device_unmap = unmap_device,
    .device_write = write_device,
    .device_read = read_device,
    .device_zero = zero_device,
    .grid_start = rk__cpu_grid_start,
    .grid_join = rk__cpu_grid_join,
    .grid_bell = rk__cpu_grid_bell,
    .grid_poke = rk__cpu_grid_poke,
    .health = get_health,
    .module_load = rk__cpu_module_load,
    .module_unload = rk__cpu_module_unload,
    .module_bind = rk__cpu_module_bind,
    .global_load = rk__cpu_global_load,
    .global_run = rk__cpu_global_run,
    .global_time = rk__cpu_global_time,
};
