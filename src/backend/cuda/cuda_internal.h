/* SPDX-License-Identifier: MIT */
/*
 * What the files of the CUDA backend share.
 *
 *   cuda_api.c cuda_types.h  the driver, found at run time;  cuda_error.c  its results
 *   cuda_device.c            devices and the primary context;  cuda_claim.c  whose they are
 *   cuda_nvrtc*.c cuda_cache.c cuda_unit.c cuda_prebuilt.c   from definitions to an image
 *   cuda_backend.c           the table of functions, open, close, information
 *   cuda_mem.c               memory and copies;  cuda_pool.c  memory while a grid runs
 *   cuda_module.c            definitions, and the image that holds all of them
 *   cuda_green.c             the device in two parts
 *   cuda_grid.c              launch, end, loss of the resident grid
 *   cuda_bridge.c            the thread that looks after the grid for a host that sleeps
 *   cuda_global.c            ordinary launches;  cuda_time.c  the same, timed
 *
 * The rule of this folder: while a grid runs, nothing is called that may wait for it. That leaves
 * copies on a stream of their own, launches on another, memory of a pool in the order of a stream,
 * and queries; other memory, modules and contexts are for the time between two generations.
 */
#ifndef RK_BACKEND_CUDA_INTERNAL_H
#define RK_BACKEND_CUDA_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "backend/backend.h"
#include "backend/cuda/cuda_api.h"
#include "backend/cuda/cuda_cache.h"
#include "backend/cuda/cuda_claim.h"
#include "backend/cuda/cuda_device.h"
#include "base/error.h"
#include "base/thread.h"

#define RK_CUDA_STAGING_BYTES ((size_t)1 << 20)

typedef struct rk_cuda_mapping rk_cuda_mapping;

struct rk_backend_module {
  rk_backend_module *next;
  /* a definition */
  rk_backend_def *def; /* what it offers; owned */
  char *fragment;
  uint32_t number;  /* rk_abi_def.index */
  bool is_expected; /* in the image, but nobody has loaded it yet */
  /* an ordinary kernel */
  char *name;
  CUmodule module;
  CUfunction function;
};

typedef struct rk_cuda_code { /* an image of the resident grid that was loaded */
  CUmodule module;
  CUfunction entry;
  uint32_t block_threads;
} rk_cuda_code;

struct rk_backend {
  rk_backend *next; /* of those that live in this process: cuda_grid.c */
  const rk_cuda_api *api;
  rk_cuda_device_info device;
  rk_cuda_claim *claim; /* on the device, for as long as anything of ours may run there */
  CUcontext context;
  CUgreenCtx grid_green, rest_green; /* NULL: the device is in one part */
  CUstream grid_stream, copy_stream, work_stream;
  unsigned char *staging; /* pinned, RK_CUDA_STAGING_BYTES */
  unsigned char *zeros;   /* the same, never written */
  CUmemoryPool pool;      /* memory of buffers, or NULL where there are no pools */
  uint32_t blocks;
  uint32_t sms;     /* multiprocessors for the grid: all of them, or those set apart */
  uint32_t cluster; /* blocks in a cluster; 1: launched without clusters */
  bool counted_lanes;
  uint64_t pid;

  /* definitions */
  rk_cuda_cache *cache;
  const char *options[2];     /* of every compilation, NULL at the end */
  rk_backend_module *modules; /* oldest first */
  uint32_t next_number;       /* of a definition that is not stock */
  bool has_image;             /* `image` is newer than `code` */
  rk_cuda_image image;
  uint32_t image_threads;
  rk_cuda_code code;

  /* the running grid */
  bool running;
  rk_backend_grid use;
  rk_thread *bridge;
  uint32_t bridge_stop;  /* 1: the bridge thread is to end */
  uint32_t bridge_bell;  /* bumped to wake it */
  uint32_t bridge_rests; /* 1: it sleeps on the bell */
  atomic_int lost;       /* CUresult that ended the device, or RK_CUDA_LOST_* */
  bool is_left;          /* a grid was launched that has not ended; under the lock of cuda_grid.c */
};

/* Losses that the driver does not report. */
#define RK_CUDA_LOST_ENDED (-1)  /* the grid ended without being asked */
#define RK_CUDA_LOST_SILENT (-2) /* it does not end, or did not start */
#define RK_CUDA_LOST_ALONE (-3)  /* it left because this process gave no sign of life */

/* Makes the backend's context the calling thread's. Call before anything of the driver's. */
void rk__cuda_enter(const rk_backend *backend);
/* RK_OK, or what `result` means; a sticky one also marks the backend as lost. */
int rk__cuda_check(rk_backend *backend, CUresult result, const char *call, rk_error *err);
void rk__cuda_lose(rk_backend *backend, int why);
int rk__cuda_health(const rk_backend *backend, rk_error *err);

/* ---- cuda_mem.c ---- */
int rk__cuda_mem_open(rk_backend *backend, rk_error *err);
void rk__cuda_mem_close(rk_backend *backend);
void *rk__cuda_shared_map(rk_backend *backend, size_t bytes);
void rk__cuda_shared_unmap(rk_backend *backend, void *memory, size_t bytes);
uint64_t rk__cuda_device_map(rk_backend *backend, size_t bytes);
void rk__cuda_device_unmap(rk_backend *backend, uint64_t address, size_t bytes);
int rk__cuda_device_write(rk_backend *backend, uint64_t to, const void *from, size_t bytes,
                          rk_error *err);
int rk__cuda_device_read(rk_backend *backend, void *to, uint64_t from, size_t bytes, rk_error *err);
int rk__cuda_device_zero(rk_backend *backend, uint64_t address, size_t bytes, rk_error *err);
/* Waits for everything on `stream`, without a call that waits; at most `timeout_ns`. */
int rk__cuda_stream_finish(rk_backend *backend, CUstream stream, uint64_t timeout_ns,
                           const char *what, rk_error *err);

/* ---- cuda_pool.c ---- */
/* Makes the pool, where the device has them. */
int rk__cuda_pool_open(rk_backend *backend, rk_error *err);
void rk__cuda_pool_close(rk_backend *backend);
uint64_t rk__cuda_pool_map(rk_backend *backend, size_t bytes);
void rk__cuda_pool_unmap(rk_backend *backend, uint64_t address, size_t bytes);

/* ---- cuda_module.c ---- */
int rk__cuda_module_load(rk_backend *backend, const rk_backend_source *source, rk_backend_def *out,
                         char **log, rk_error *err);
void rk__cuda_modules_expect(rk_backend *backend, const rk_backend_source *sources, size_t count);
void rk__cuda_module_unload(rk_backend *backend, rk_backend_module *module);
void rk__cuda_module_bind(rk_backend *backend, rk_backend_module *module, rk_abi_handler *handlers,
                          rk_abi_def *def);
/* Loads the newest image, if it is not loaded yet. No grid runs. When it cannot be loaded the one
 * before stays, and the newest is not tried again. */
int rk__cuda_code_load(rk_backend *backend, rk_error *err);
void rk__cuda_code_unload(rk_backend *backend);
/* Loads any image, with the driver's own words if it does not like it. */
int rk__cuda_image_load(rk_backend *backend, const void *image, CUmodule *out, rk_error *err);
/* Finds a kernel in it, ready to be launched beside a grid. No grid runs. */
int rk__cuda_function_find(rk_backend *backend, CUmodule module, const char *name, CUfunction *out,
                           rk_error *err);

/* ---- cuda_green.c ---- */
/* Sets at least `wanted` multiprocessors apart for the grid; `sms` says how many they are then.
 * Errors: unsupported. After a failure, and when the streams are gone: rk__cuda_green_close. */
int rk__cuda_green_open(rk_backend *backend, uint32_t wanted, rk_error *err);
int rk__cuda_green_stream(rk_backend *backend, CUgreenCtx green, CUstream *out, rk_error *err);
void rk__cuda_green_close(rk_backend *backend);

/* ---- cuda_grid.c ---- */
/* Whether all blocks of the grid fit at once, with this code. Errors: too_large. */
int rk__cuda_grid_fits(rk_backend *backend, const rk_cuda_code *code, rk_error *err);
int rk__cuda_grid_start(rk_backend *backend, const rk_backend_grid *grid, rk_error *err);
bool rk__cuda_grid_join(rk_backend *backend);
/* Lists the backend among those whose grids end with the process. */
void rk__cuda_grid_enlist(rk_backend *backend);
void rk__cuda_grid_delist(rk_backend *backend);
/* A grid that does not end would hold up, for ever, every call that waits for the device. While
 * this process has left one behind, is_held is true: nothing is given back to the driver, and
 * check_held refuses to take from it (device_lost); it leaves the context of `backend`, unless NULL,
 * as the thread's. */
bool rk__cuda_is_held(void);
int rk__cuda_check_held(const rk_backend *backend, rk_error *err);
/* Whether the backend's own grid is the one. */
bool rk__cuda_is_left(rk_backend *backend);

/* ---- cuda_bridge.c ---- */
int rk__cuda_bridge_start(rk_backend *backend, rk_error *err);
void rk__cuda_bridge_stop(rk_backend *backend);
void rk__cuda_host_waits(rk_backend *backend);

/* ---- cuda_global.c ---- */
int rk__cuda_global_load(rk_backend *backend, const rk_backend_global_source *source,
                         rk_backend_module **out, size_t *param_bytes, char **log, rk_error *err);
int rk__cuda_global_run(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                        uint32_t block, const void *params, rk_error *err);
/* Puts one launch on the stream for ordinary kernels, and does not wait. */
int rk__cuda_global_launch(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                           uint32_t block, const void *params, rk_error *err);
/* Waits for what is on that stream. */
int rk__cuda_global_finish(rk_backend *backend, rk_error *err);

/* ---- cuda_time.c ---- */
int rk__cuda_global_time(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                         uint32_t block, const void *params, rk_backend_pace pace, uint32_t times,
                         rk_backend_timing *out, rk_error *err);

#endif
