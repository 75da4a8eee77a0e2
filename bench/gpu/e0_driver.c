/* SPDX-License-Identifier: MIT */
/*
 * E0: what the driver says, step by step, as the backend would ask it.
 *
 * A line for each step with its time, written at once: when something breaks on a machine far away,
 * the last line tells where. No step needs the runtime, and no kernel stays.
 */
#include "gpu_common.h"

#include <stdio.h>
#include <string.h>

#include "backend/cuda/cuda_error.h"

static const char source[] = GPU_KERNEL
    "tiny(rk_u64 words) {\n"
    "  if (rk_ptx_thread() == 0u) {\n"
    "    RK_PTR(rk_u64, words)[rk_ptx_block()] = rk_ptx_time_ns();\n"
    "  }\n"
    "}\n";

enum { BLOCKS_MAX = 1024 };

static uint64_t begun_ns;

static void begin(void)
{
  begun_ns = gpu_now_ns();
}

#define STEP(g, name, ...)                               \
  do {                                                   \
    double ms = (double)(gpu_now_ns() - begun_ns) / 1e6; \
    char text[600];                                      \
    (void)snprintf(text, sizeof(text), __VA_ARGS__);     \
    gpu_note((g), (name), "%s (%.2f ms)", text, ms);     \
    begin();                                             \
  } while (0)

static const char *result_name(const gpu *g, CUresult result)
{
  return rk_cuda_result_name(g->api, result);
}

static void tell_driver(const gpu *g)
{
  static const char *const names[] = {"core",  "launch_ex", "clusters",    "graphs",
                                      "pools", "green",     "stream_write"};
  char groups[200] = "";
  for (unsigned i = 0; i < RK_CUDA_GROUP_COUNT; ++i) {
    size_t used = strlen(groups);
    (void)snprintf(groups + used, sizeof(groups) - used, " %s%s",
                   rk_cuda_has(g->api, (rk_cuda_group)i) ? "" : "no-", names[i]);
  }
  STEP(g, "driver", "CUDA %d, functions:%s; cuInit, attributes, primary context",
       g->api->driver_version, groups);
}

static void tell_device(const gpu *g)
{
  const rk_cuda_device_info *d = &g->device;
  STEP(g, "device",
       "%s, cc %u, %u processors, %u registers, %u B shared (opt-in %u), %u lanes and %u blocks "
       "each, "
       "%u copy engines, %u sync domains, L2 %u, clock %u kHz, mode %u",
       d->name, d->cc, d->processors, d->processor_registers, d->block_shared_bytes,
       d->block_shared_optin_bytes, d->processor_lanes_max, d->processor_blocks_max,
       d->copy_engines, d->mem_sync_domains, d->l2_bytes, d->clock_khz, d->compute_mode);
  STEP(g, "device can",
       "clusters %d, pools %d, green %d, cooperative %d, mapped %d, uva %d, host atomics %d, "
       "timeout %d, mps %d",
       d->has_clusters, d->has_pools, d->has_green_contexts, d->has_cooperative_launch,
       d->has_mapped_memory, d->has_unified_addressing, d->has_host_atomics, d->has_exec_timeout,
       d->has_mps);
}

static void tell_context(const gpu *g)
{
  size_t free_bytes = 0, all_bytes = 0, stack = 0;
  int least = 0, greatest = 0;
  unsigned flags = 0;
  int active = 0;
  GPU(g, mem_get_info(&free_bytes, &all_bytes));
  GPU(g, ctx_get_limit(&stack, CU_LIMIT_STACK_SIZE));
  GPU(g, ctx_get_stream_priority_range(&least, &greatest));
  GPU(g, device_primary_ctx_get_state(g->device.device, &flags, &active));
  STEP(g, "context", "flags %u, %zu of %zu MiB free, stack limit %zu, priorities %d to %d", flags,
       free_bytes >> 20, all_bytes >> 20, stack, least, greatest);
}

static void tell_green(const gpu *g)
{
  CUdevResource all, part, rest;
  if (!g->device.has_green_contexts) {
    gpu_note(g, "split", "no green contexts");
    return;
  }
  for (unsigned wanted = 1; wanted < g->device.processors; wanted *= 4) {
    unsigned groups = 1;
    memset(&all, 0, sizeof(all));
    memset(&part, 0, sizeof(part));
    memset(&rest, 0, sizeof(rest));
    GPU(g, device_get_dev_resource(g->device.device, &all, CU_DEV_RESOURCE_TYPE_SM));
    CUresult result = g->api->dev_sm_resource_split_by_count(&part, &groups, &all, &rest, 0,
                                                             wanted);
    char name[32];
    (void)snprintf(name, sizeof(name), "split, %u", wanted);
    STEP(g, name, "%s: %u groups of %u, rest %u of %u; least %u, steps of %u",
         result_name(g, result), groups, part.sm.smCount, rest.sm.smCount, all.sm.smCount,
         all.sm.minSmPartitionSize, all.sm.smCoscheduledAlignment);
  }
}

static void tell_clusters(const gpu *g, CUfunction function, CUstream stream)
{
  for (unsigned size = 2; size <= 16 && g->device.has_clusters; size *= 2) {
    for (unsigned threads = 32; threads <= 1024; threads *= 32) {
      CUlaunchAttribute attributes[2] = {
          {.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value = {.cooperative = 1}},
          {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value = {.clusterDim = {size, 1, 1}}}};
      const CUlaunchConfig config = {.gridDimX = size,
                                     .gridDimY = 1,
                                     .gridDimZ = 1,
                                     .blockDimX = threads,
                                     .blockDimY = 1,
                                     .blockDimZ = 1,
                                     .hStream = stream,
                                     .attrs = attributes,
                                     .numAttrs = 2};
      int count = -1;
      char name[48];
      CUresult result = g->api->occupancy_max_active_clusters(&count, function, &config);
      (void)snprintf(name, sizeof(name), "clusters of %u, %u threads", size, threads);
      STEP(g, name, "%s: %d at once", result_name(g, result), count);
    }
  }
}

static void launch(const gpu *g, CUfunction function, CUstream stream)
{
  uint64_t *words = gpu_shared(g, BLOCKS_MAX * sizeof(*words));
  CUdeviceptr address = (CUdeviceptr)(uintptr_t)words;
  int registers = 0, local = 0, room = 0;
  uint32_t blocks = g->device.processors < BLOCKS_MAX ? g->device.processors : BLOCKS_MAX;
  GPU(g, func_get_attribute(&registers, CU_FUNC_ATTRIBUTE_NUM_REGS, function));
  GPU(g, func_get_attribute(&local, CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, function));
  GPU(g, occupancy_max_active_blocks_per_multiprocessor(&room, function, 32, 0));
  STEP(g, "function", "%d registers, %d B local memory, %d blocks of 32 a processor", registers,
       local, room);
  GPU(g, launch_kernel(function, 1, 1, 1, 32, 1, 1, 0, stream, (void *[]){&address}, NULL));
  gpu_finish(g, stream, 10);
  STEP(g, "first launch", "ended; its clock says %llu ns", (unsigned long long)words[0]);
  gpu_launch(g, function, blocks, 32, stream, (void *[]){&address});
  gpu_finish(g, stream, 10);
  uint64_t first = words[0], last = words[0];
  for (uint32_t i = 0; i < blocks; ++i) {
    first = words[i] < first ? words[i] : first;
    last = words[i] > last ? words[i] : last;
  }
  STEP(g, "cooperative launch", "%u blocks, the last %llu ns after the first", blocks,
       (unsigned long long)(last - first));
}

int main(void)
{
  gpu g;
  rk_cuda_image image;
  rk_error err = RK_ERROR_INIT;
  CUmodule module = NULL;
  begin();
  if (!gpu_open(&g, "E0")) {
    return GPU_SKIPPED;
  }
  tell_driver(&g);
  tell_device(&g);
  tell_context(&g);
  tell_green(&g);
  if (!gpu_image(&g, "tiny", source, &image)) {
    return GPU_SKIPPED;
  }
  STEP(&g, "compile", "%s for %u, %zu bytes%s", image.result.is_cubin ? "machine code" : "PTX",
       image.result.arch, image.result.image_bytes, image.is_cached ? ", was there" : "");
  CUresult loaded = g.api->module_load_data(&module, image.result.image);
  if (loaded != CUDA_SUCCESS) {
    (void)rk_cuda_check(g.api, loaded, "cuModuleLoadData", &err);
    gpu_die(&g, "%s", err.text);
  }
  CUfunction function = gpu_function(&g, module, "tiny");
  CUstream stream = gpu_stream(&g);
  STEP(&g, "load", "module, function, stream");
  launch(&g, function, stream);
  tell_clusters(&g, function, stream);
  GPU(&g, module_unload(module));
  GPU(&g, stream_destroy(stream));
  STEP(&g, "unload", "done");
  rk_cuda_context_close(g.api, g.device.device, g.context);
  STEP(&g, "context", "given back");
  GPU(&g, device_primary_ctx_retain(&g.context, g.device.device));
  STEP(&g, "context again", "what each runtime pays that opens when none is");
  rk_cuda_image_release(&image);
  gpu_close(&g);
  return 0;
}
