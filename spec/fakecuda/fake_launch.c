/* SPDX-License-Identifier: MIT */
/*
 * Launches: what the driver refuses, and a kernel as an operation of a stream: one OS thread for
 * each block (fake_exec.c), all at once, as blocks of a cooperative kernel run.
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK_STACK_BYTES = 256 * 1024, BLOCKS_MAX = 65536, THREADS_MAX = 1024 };

typedef struct block_run {
  rkf_grid grid;
  uint32_t index;
  pthread_t thread;
  bool is_started;
  char why[RKF_WHY_BYTES];
} block_run;

static void *run_block(void *arg)
{
  block_run *run = arg;
  (void)rkf_block_run(&run->grid, run->index, run->why);
  return NULL;
}

/* A planned death: after a while, whatever the kernel does then. */
typedef struct killer {
  pthread_t thread;
  bool is_started;
  int code, *dead, after_us;
} killer;

static void *kill_later(void *arg)
{
  killer *k = arg;
  struct timespec wait = {k->after_us / 1000000, k->after_us % 1000000 * 1000L};
  nanosleep(&wait, NULL);
  __atomic_store_n(k->dead, k->code, __ATOMIC_RELAXED);
  return NULL;
}

/* Addresses of the parameters, which lie in `data` as they are declared. */
static void find_params(const rkfake_entry *entry, unsigned char *data, void **params)
{
  size_t at = 0;
  for (uint32_t i = 0; i < entry->count; i++) {
    at = (at + entry->alignment[i] - 1) / entry->alignment[i] * entry->alignment[i];
    params[i] = data + at;
    at += entry->sizes[i];
  }
}

static void run_kernel(rkf_op *op)
{
  CUfunction function = op->u.kernel.function;
  const uint32_t *b = op->u.kernel.blocks;
  uint32_t count = b[0] * b[1] * b[2];
  void *params[64];
  int *dead = &op->u.kernel.dead;
  rkf_lock();
  int slow_us = rkf.config.slow_us;
  int clock_ms = rkf.config.clock_ms;
  uint32_t dice = (uint32_t)rkf.config.dice;
  killer later = {.code = op->u.kernel.dies, .dead = dead, .after_us = rkf.config.kill_us};
  rkf_unlock();
  uint32_t size = op->u.kernel.cluster;
  block_run *runs = calloc(count, sizeof(*runs));
  rkf_cluster *clusters = calloc(count / size, sizeof(*clusters));
  rkf_flight *flights = size > 1 ? calloc(count, sizeof(*flights)) : NULL;
  if (clusters == NULL || (size > 1 && flights == NULL)) {
    free(runs);
    runs = NULL;
  }
  for (uint32_t i = 0; clusters != NULL && i < count / size; i++) {
    const uint32_t *t = op->u.kernel.threads;
    clusters[i].living = size * t[0] * t[1] * t[2];
    clusters[i].flights = flights != NULL ? flights + (size_t)i * size : NULL;
  }
  find_params(function->entry, op->data, params);
  if (op->u.kernel.dies != 0) {
    later.is_started = rkf_thread_start(&later.thread, BLOCK_STACK_BYTES, kill_later, &later) == 0;
  }
  for (uint32_t i = 0; runs != NULL && i < count; i++) {
    runs[i].grid = (rkf_grid){.entry = function->entry,
                              .params = params,
                              .dead = dead,
                              .slow_us = (uint32_t)slow_us,
                              .dice = dice,
                              .clock_ms = clock_ms,
                              .cluster_size = size,
                              .clusters = clusters};
    memcpy(runs[i].grid.blocks, op->u.kernel.blocks, sizeof(runs[i].grid.blocks));
    memcpy(runs[i].grid.threads, op->u.kernel.threads, sizeof(runs[i].grid.threads));
    runs[i].index = i;
    runs[i].is_started = rkf_thread_start(&runs[i].thread, BLOCK_STACK_BYTES, run_block,
                                          &runs[i]) == 0;
    if (!runs[i].is_started) {
      rkf_say("cannot start a thread for block %u of %u", i, count);
      __atomic_store_n(dead, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, __ATOMIC_RELAXED);
      break;
    }
  }
  for (uint32_t i = 0; runs != NULL && i < count; i++) {
    if (runs[i].is_started) {
      pthread_join(runs[i].thread, NULL);
    }
    if (runs[i].why[0] != '\0') {
      rkf_lint("%s, block %u: %s", function->name, i, runs[i].why);
    }
  }
  free(runs);
  free(clusters);
  free(flights);
  if (later.is_started) {
    pthread_join(later.thread, NULL);
  }
  rkf_lock();
  while (rkf.config.ignore_exit && __atomic_load_n(dead, __ATOMIC_RELAXED) == 0) {
    rkf_wait_locked();
  }
  int code = __atomic_load_n(dead, __ATOMIC_RELAXED);
  if (code != 0 && code != CUDA_ERROR_CONTEXT_IS_DESTROYED) {
    rkf.sticky = code;
    rkf_changed_locked();
  }
  rkf_unlock();
}

/* ---- what is refused ---- */

static bool is_named(const char *list, const char *name)
{
  size_t length = strlen(name);
  for (const char *at = list; at != NULL && *at != '\0';) {
    size_t word = strcspn(at, ",");
    if ((word == length && memcmp(at, name, word) == 0) || (word == 1 && *at == '*')) {
      return true;
    }
    at += word;
    at += *at == ',';
  }
  return false;
}

int rkf_local_bytes(const char *kernel)
{
  return is_named(rkf.config.resident, kernel) ? 0 : rkf.config.local_bytes;
}

static CUresult check_shape(const CUlaunchConfig *c)
{
  uint64_t blocks = (uint64_t)c->gridDimX * c->gridDimY * c->gridDimZ;
  uint64_t threads = (uint64_t)c->blockDimX * c->blockDimY * c->blockDimZ;
  if (blocks == 0 || threads == 0 || threads > THREADS_MAX || c->blockDimZ > 64) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (blocks > BLOCKS_MAX) {
    rkf_say("a grid of %llu blocks; the fake runs %d", (unsigned long long)blocks, BLOCKS_MAX);
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (c->sharedMemBytes != 0) {
    rkf_say("a launch with %u bytes of dynamic shared memory, which the fake does not have",
            c->sharedMemBytes);
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}

static unsigned cluster_size(const CUlaunchAttribute *attribute)
{
  return attribute->value.clusterDim.x * attribute->value.clusterDim.y *
         attribute->value.clusterDim.z;
}

static CUresult check_cluster(const CUlaunchConfig *c, const CUlaunchAttribute *attribute)
{
  unsigned x = attribute->value.clusterDim.x;
  unsigned y = attribute->value.clusterDim.y;
  unsigned z = attribute->value.clusterDim.z;
  if (rkf.config.cc < 90 || x == 0 || y == 0 || z == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (c->gridDimX % x != 0 || c->gridDimY % y != 0 || c->gridDimZ % z != 0 || x * y * z > 8) {
    return CUDA_ERROR_INVALID_CLUSTER_SIZE;
  }
  return CUDA_SUCCESS;
}

/* Clusters of `size` blocks that run at once on `sms` multiprocessors: none lies across the border
 * between two groups of them. */
static uint64_t clusters_at_once(unsigned sms, unsigned size, int threads)
{
  unsigned group = rkf.config.gpc > 0 ? (unsigned)rkf.config.gpc : sms;
  unsigned each = (unsigned)rkf_blocks_per_sm(threads);
  return (uint64_t)(sms / group) * (group * each / size) + sms % group * each / size;
}

static CUresult check_attributes(const CUlaunchConfig *c, bool *is_cooperative, unsigned *cluster)
{
  CUresult code = CUDA_SUCCESS;
  for (unsigned i = 0; i < c->numAttrs && code == CUDA_SUCCESS; i++) {
    switch ((int)c->attrs[i].id) {
      case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
        *is_cooperative = c->attrs[i].value.cooperative != 0;
        break;
      case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
        code = check_cluster(c, &c->attrs[i]);
        *cluster = cluster_size(&c->attrs[i]);
        break;
      case CU_LAUNCH_ATTRIBUTE_IGNORE:
      case CU_LAUNCH_ATTRIBUTE_PRIORITY:
        break;
      case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
        code = rkf.config.cc >= 90 ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
        break;
      default:
        rkf_say("launch attribute %d, which the fake does not know", (int)c->attrs[i].id);
        code = CUDA_ERROR_NOT_SUPPORTED;
    }
  }
  return code;
}

static CUresult check_cooperative(const CUlaunchConfig *c, unsigned cluster)
{
  uint64_t blocks = (uint64_t)c->gridDimX * c->gridDimY * c->gridDimZ;
  int threads = (int)(c->blockDimX * c->blockDimY * c->blockDimZ);
  CUstream stream = rkf_stream_resolve(c->hStream);
  const struct CUctx_st *ctx = stream->ctx != NULL ? stream->ctx : rkf_context();
  if (!rkf.config.cooperative) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  return blocks > clusters_at_once(ctx->sms, cluster, threads) * cluster
             ? CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE
             : CUDA_SUCCESS;
}

/* Behind a resident kernel the legacy stream and blocking streams stand still. */
static CUresult check_wait(const char *call, CUstream stream)
{
  bool is_legacy = stream == NULL || stream == (CUstream)1;
  bool blocks = is_legacy || (stream->flags & CU_STREAM_NON_BLOCKING) == 0;
  return rkf_would_wait(call, blocks && !rkf_stream_is_capturing(is_legacy ? NULL : stream) &&
                                  rkf_resident_runs());
}

static CUresult launch(const char *call, const CUlaunchConfig *c, CUfunction function,
                       void **params, void **extra, bool is_cooperative)
{
  if (!rkf_function_is(function) || !rkf_stream_is(c->hStream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const rkfake_entry *entry = function->entry;
  if (extra != NULL || entry->count > 64 || (entry->count > 0 && params == NULL)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  unsigned cluster = 1;
  CUresult code = check_shape(c);
  code = code == CUDA_SUCCESS ? check_attributes(c, &is_cooperative, &cluster) : code;
  code = code == CUDA_SUCCESS && is_cooperative ? check_cooperative(c, cluster) : code;
  code = code == CUDA_SUCCESS ? check_wait(call, c->hStream) : code;
  code = code == CUDA_SUCCESS ? rkf_local_take(call, function->name) : code;
  if (code != CUDA_SUCCESS) {
    return code;
  }
  size_t bytes = 0;
  for (uint32_t i = 0; i < entry->count; i++) {
    bytes += entry->sizes[i] + entry->alignment[i];
  }
  rkf_op *op = rkf_op_new(run_kernel, bytes);
  if (op == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  void *copies[64];
  find_params(entry, op->data, copies);
  for (uint32_t i = 0; i < entry->count; i++) {
    memcpy(copies[i], params[i], entry->sizes[i]);
  }
  op->is_kernel = true;
  op->is_resident = is_cooperative || is_named(rkf.config.resident, function->name);
  op->u.kernel.function = function;
  op->u.kernel.cluster = cluster;
  memcpy(op->u.kernel.blocks, (uint32_t[]){c->gridDimX, c->gridDimY, c->gridDimZ},
         sizeof(op->u.kernel.blocks));
  memcpy(op->u.kernel.threads, (uint32_t[]){c->blockDimX, c->blockDimY, c->blockDimZ},
         sizeof(op->u.kernel.threads));
  op->u.kernel.dies = rkf_stream_is_capturing(c->hStream) ? 0 : rkf_kernel_fault();
  return rkf_op_submit(c->hStream, op);
}

RKF_EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                   unsigned grid_z, unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared_bytes, CUstream stream,
                                   void **params, void **extra)
{
  RKF_ENTER(RKF_CONTEXT);
  CUlaunchConfig c = {grid_x,  grid_y,       grid_z, block_x, block_y,
                      block_z, shared_bytes, stream, NULL,    0};
  return launch(__func__, &c, function, params, extra, false);
}

RKF_EXPORT CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                              unsigned grid_z, unsigned block_x, unsigned block_y,
                                              unsigned block_z, unsigned shared_bytes,
                                              CUstream stream, void **params)
{
  RKF_ENTER(RKF_CONTEXT);
  CUlaunchConfig c = {grid_x,  grid_y,       grid_z, block_x, block_y,
                      block_z, shared_bytes, stream, NULL,    0};
  return launch(__func__, &c, function, params, NULL, true);
}

RKF_EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function,
                                     void **params, void **extra)
{
  RKF_ENTER(RKF_CONTEXT);
  return launch(__func__, config, function, params, extra, false);
}

/* ---- occupancy ---- */

static CUresult occupancy(int *blocks, CUfunction function, int threads, size_t shared_bytes)
{
  if (!rkf_function_is(function)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (threads <= 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *blocks = threads > THREADS_MAX || shared_bytes > 48 * 1024 ? 0 : rkf_blocks_per_sm(threads);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function,
                                                                int threads, size_t shared_bytes)
{
  RKF_ENTER(RKF_CONTEXT);
  return occupancy(blocks, function, threads, shared_bytes);
}

RKF_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *blocks, CUfunction function, int threads, size_t shared_bytes, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  return (flags & ~1u) != 0 ? CUDA_ERROR_INVALID_VALUE
                            : occupancy(blocks, function, threads, shared_bytes);
}

RKF_EXPORT CUresult cuOccupancyMaxActiveClusters(int *clusters, CUfunction function,
                                                 const CUlaunchConfig *config)
{
  RKF_ENTER(RKF_CONTEXT);
  unsigned size = 1;
  for (unsigned i = 0; i < config->numAttrs; i++) {
    if ((int)config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
      CUresult code = check_cluster(config, &config->attrs[i]);
      if (code != CUDA_SUCCESS) {
        return code;
      }
      size = cluster_size(&config->attrs[i]);
    }
  }
  int blocks = 0;
  int threads = (int)(config->blockDimX * config->blockDimY * config->blockDimZ);
  CUresult code = occupancy(&blocks, function, threads, config->sharedMemBytes);
  if (code == CUDA_SUCCESS) {
    CUstream stream = rkf_stream_resolve(config->hStream);
    const struct CUctx_st *ctx = stream->ctx != NULL ? stream->ctx : rkf_context();
    *clusters = blocks == 0 ? 0 : (int)clusters_at_once(ctx->sms, size, threads);
  }
  return code;
}
