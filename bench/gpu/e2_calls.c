/* SPDX-License-Identifier: MIT */
/*
 * E2: which calls of the driver wait for a kernel that stays resident?
 *
 * Each call is made a few times beside it, on a thread that is not waited for without bound. One
 * that does not return is told as "blocked", the kernel is ended for it and started again. Calls
 * that only queue something are followed until that has happened ("and its end").
 */
#include "gpu_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/cuda_error.h"

#define LIMIT_MS 400u
#define BYTES ((size_t)1 << 16)
#define REPEATS 20

typedef struct scene {
  const gpu *g;
  CUstream stream, made_stream;
  CUevent event, made_event;
  CUfunction empty, dynamic, local_512, local_16k, local_32k;
  CUmodule module;
  CUdeviceptr memory, other, made;
  unsigned char *pinned, *pageable;
  void *made_pinned;
  CUgraph graph;
  CUgraphExec exec;
} scene;

/* Waits until the stream has done what it was given. */
static CUresult settle(const scene *s)
{
  CUresult result;
  while ((result = s->g->api->stream_query(s->stream)) == CUDA_ERROR_NOT_READY) {
    (void)usleep(5);
  }
  return result;
}

#define CALL(name, expression)          \
  static CUresult name(void *arg)       \
  {                                     \
    scene *s = arg;                     \
    const rk_cuda_api *api = s->g->api; \
    CUresult result = expression;       \
    return result;                      \
  }
#define CALL_TO_END(name, expression)                   \
  static CUresult name(void *arg)                       \
  {                                                     \
    scene *s = arg;                                     \
    const rk_cuda_api *api = s->g->api;                 \
    CUresult result = expression;                       \
    return result == CUDA_SUCCESS ? settle(s) : result; \
  }

static CUdeviceptr unused_word;
static int ignored;
static size_t ignored_size[2];

CALL(stream_query, api->stream_query(s->stream))
CALL(event_query, api->event_query(s->event))
CALL(mem_get_info, api->mem_get_info(&ignored_size[0], &ignored_size[1]))
CALL(func_get_attribute, api->func_get_attribute(&ignored, CU_FUNC_ATTRIBUTE_NUM_REGS, s->empty))
CALL(func_set_attribute,
     api->func_set_attribute(s->dynamic, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 16384))
CALL(occupancy, api->occupancy_max_active_blocks_per_multiprocessor(&ignored, s->empty, 128, 0))
CALL(get_function, api->module_get_function(&s->dynamic, s->module, "count_one"))
CALL(ctx_set_current, api->ctx_set_current(s->g->context))
CALL(device_attribute,
     api->device_get_attribute(&ignored, CU_DEVICE_ATTRIBUTE_CLOCK_RATE, s->g->device.device))
CALL(host_pointer, api->mem_host_get_device_pointer(&s->made, s->pinned, 0))
CALL_TO_END(htod_async, api->memcpy_htod_async(s->memory, s->pinned, BYTES, s->stream))
CALL_TO_END(dtoh_async, api->memcpy_dtoh_async(s->pinned, s->memory, BYTES, s->stream))
CALL_TO_END(dtod_async, api->memcpy_dtod_async(s->other, s->memory, BYTES, s->stream))
CALL_TO_END(memset_async, api->memset_d8_async(s->memory, 1, BYTES, s->stream))
CALL_TO_END(htod_pageable, api->memcpy_htod_async(s->memory, s->pageable, BYTES, s->stream))
CALL_TO_END(dtoh_pageable, api->memcpy_dtoh_async(s->pageable, s->memory, BYTES, s->stream))
CALL_TO_END(launch, api->launch_kernel(s->empty, 1, 1, 1, 32, 1, 1, 0, s->stream,
                                       (void *[]){&unused_word}, NULL))
#define LAUNCH_LOCAL(name)                                                       \
  CALL_TO_END(name, api->launch_kernel(s->name, 1, 1, 1, 32, 1, 1, 0, s->stream, \
                                       (void *[]){&s->memory}, NULL))
LAUNCH_LOCAL(local_512)
LAUNCH_LOCAL(local_16k)
LAUNCH_LOCAL(local_32k)
CALL(set_limit, api->ctx_set_limit(CU_LIMIT_STACK_SIZE, (size_t)33 << 10))
CALL_TO_END(launch_cooperative, api->launch_cooperative_kernel(s->empty, 1, 1, 1, 32, 1, 1, 0,
                                                               s->stream, (void *[]){&unused_word}))
CALL_TO_END(event_record, api->event_record(s->event, s->stream))
CALL(event_synchronize, api->event_synchronize(s->event))
CALL(stream_synchronize, api->stream_synchronize(s->stream))
CALL(stream_wait_event, api->stream_wait_event(s->stream, s->event, 0))
CALL_TO_END(write_value, api->stream_write_value_32(s->stream, s->memory, 1, 0))
CALL(stream_create, api->stream_create(&s->made_stream, CU_STREAM_NON_BLOCKING))
CALL(stream_destroy, api->stream_destroy(s->made_stream))
CALL(event_create, api->event_create(&s->made_event, CU_EVENT_DEFAULT))
CALL(event_destroy, api->event_destroy(s->made_event))
CALL(mem_alloc, api->mem_alloc(&s->made, (size_t)1 << 22))
CALL(mem_free, api->mem_free(s->made))
CALL(host_alloc, api->mem_host_alloc(&s->made_pinned, BYTES, CU_MEMHOSTALLOC_DEVICEMAP))
CALL(host_free, api->mem_free_host(s->made_pinned))
CALL_TO_END(alloc_async, api->mem_alloc_async(&s->made, BYTES, s->stream))
CALL_TO_END(free_async, api->mem_free_async(s->made, s->stream))
CALL(htod, api->memcpy_htod(s->memory, s->pageable, BYTES))
CALL(dtoh, api->memcpy_dtoh(s->pageable, s->memory, BYTES))
CALL_TO_END(launch_legacy, api->launch_kernel(s->empty, 1, 1, 1, 32, 1, 1, 0, NULL,
                                              (void *[]){&unused_word}, NULL))

static CUresult graph_make(void *arg)
{
  scene *s = arg;
  const rk_cuda_api *api = s->g->api;
  CUresult result = api->stream_begin_capture(s->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  if (result == CUDA_SUCCESS) {
    result = api->launch_kernel(s->empty, 1, 1, 1, 32, 1, 1, 0, s->stream, (void *[]){&unused_word},
                                NULL);
    CUresult ended = api->stream_end_capture(s->stream, &s->graph);
    result = result == CUDA_SUCCESS ? ended : result;
  }
  return result == CUDA_SUCCESS ? api->graph_instantiate(&s->exec, s->graph, 0) : result;
}
CALL_TO_END(graph_launch, api->graph_launch(s->exec, s->stream))
static CUresult graph_destroy(void *arg)
{
  const scene *s = arg;
  CUresult result = s->g->api->graph_exec_destroy(s->exec);
  return result == CUDA_SUCCESS ? s->g->api->graph_destroy(s->graph) : result;
}

typedef struct entry {
  const char *name;
  CUresult (*fn)(void *arg);
  const char *undo_name; /* of the call that takes back what this one made */
  CUresult (*undo)(void *arg);
  rk_cuda_group group;
} entry;

static const entry entries[] = {
    {"cuStreamQuery", stream_query, NULL, NULL, RK_CUDA_CORE},
    {"cuEventQuery", event_query, NULL, NULL, RK_CUDA_CORE},
    {"cuMemGetInfo", mem_get_info, NULL, NULL, RK_CUDA_CORE},
    {"cuCtxSetCurrent", ctx_set_current, NULL, NULL, RK_CUDA_CORE},
    {"cuDeviceGetAttribute", device_attribute, NULL, NULL, RK_CUDA_CORE},
    {"cuMemHostGetDevicePointer", host_pointer, NULL, NULL, RK_CUDA_CORE},
    {"cuFuncGetAttribute", func_get_attribute, NULL, NULL, RK_CUDA_CORE},
    {"cuFuncSetAttribute", func_set_attribute, NULL, NULL, RK_CUDA_CORE},
    {"cuOccupancyMaxActiveBlocksPerMultiprocessor", occupancy, NULL, NULL, RK_CUDA_CORE},
    {"cuModuleGetFunction", get_function, NULL, NULL, RK_CUDA_CORE},
    {"cuMemcpyHtoDAsync, pinned, and its end", htod_async, NULL, NULL, RK_CUDA_CORE},
    {"cuMemcpyDtoHAsync, pinned, and its end", dtoh_async, NULL, NULL, RK_CUDA_CORE},
    {"cuMemcpyDtoDAsync and its end", dtod_async, NULL, NULL, RK_CUDA_CORE},
    {"cuMemsetD8Async and its end", memset_async, NULL, NULL, RK_CUDA_CORE},
    {"cuMemcpyHtoDAsync, pageable, and its end", htod_pageable, NULL, NULL, RK_CUDA_CORE},
    {"cuMemcpyDtoHAsync, pageable, and its end", dtoh_pageable, NULL, NULL, RK_CUDA_CORE},
    {"cuLaunchKernel and its end", launch, NULL, NULL, RK_CUDA_CORE},
    /* In this order: each needs more than all before it. */
    {"cuLaunchKernel, 512 bytes of local memory, and its end", local_512, NULL, NULL, RK_CUDA_CORE},
    {"cuLaunchKernel, 16 KiB of local memory, and its end", local_16k, NULL, NULL, RK_CUDA_CORE},
    {"cuCtxSetLimit, a stack of 33 KiB", set_limit, NULL, NULL, RK_CUDA_CORE},
    {"cuLaunchKernel, 32 KiB, the limit raised, and its end", local_32k, NULL, NULL, RK_CUDA_CORE},
    {"cuLaunchCooperativeKernel and its end", launch_cooperative, NULL, NULL, RK_CUDA_CORE},
    {"cuEventRecord and its end", event_record, NULL, NULL, RK_CUDA_CORE},
    {"cuEventSynchronize, other stream", event_synchronize, NULL, NULL, RK_CUDA_CORE},
    {"cuStreamSynchronize, other stream", stream_synchronize, NULL, NULL, RK_CUDA_CORE},
    {"cuStreamWaitEvent", stream_wait_event, NULL, NULL, RK_CUDA_CORE},
    {"cuStreamWriteValue32 and its end", write_value, NULL, NULL, RK_CUDA_STREAM_WRITE},
    {"cuStreamCreate", stream_create, "cuStreamDestroy", stream_destroy, RK_CUDA_CORE},
    {"cuEventCreate", event_create, "cuEventDestroy", event_destroy, RK_CUDA_CORE},
    {"cuMemAlloc 4 MiB", mem_alloc, "cuMemFree", mem_free, RK_CUDA_CORE},
    {"cuMemHostAlloc", host_alloc, "cuMemFreeHost", host_free, RK_CUDA_CORE},
    {"cuMemAllocAsync and its end", alloc_async, "cuMemFreeAsync and its end", free_async,
     RK_CUDA_POOLS},
    {"capture and cuGraphInstantiate", graph_make, "cuGraphExecDestroy, cuGraphDestroy",
     graph_destroy, RK_CUDA_GRAPHS},
    {"cuMemcpyHtoD (waits for its own copy)", htod, NULL, NULL, RK_CUDA_CORE},
    {"cuMemcpyDtoH (waits for its own copy)", dtoh, NULL, NULL, RK_CUDA_CORE},
    {"cuLaunchKernel, legacy stream, and its end", launch_legacy, NULL, NULL, RK_CUDA_CORE},
};

/* Samples of one call. Returns false when it did not come back or failed: then there is nothing to
 * take back, unless it came back late. */
typedef struct samples {
  double us[REPEATS];
  size_t count;
  bool was_blocked;
  CUresult result;
} samples;

static void make_call(scene *s, gpu_spin *spin, CUresult (*fn)(void *arg), const char *name,
                      samples *out)
{
  if (!spin->runs && !gpu_spin_start(spin)) {
    gpu_die(s->g, "the kernel that stays did not start");
  }
  gpu_bounded_result r = gpu_bounded(s->g, fn, s, LIMIT_MS, spin);
  if (r.is_stuck) {
    gpu_die(s->g, "%s: does not return even after the kernel's end", name);
  }
  out->result = r.result;
  if (r.was_blocked) {
    out->was_blocked = true;
    gpu_spin_end(spin);
  } else if (r.result == CUDA_SUCCESS) {
    out->us[out->count++] = (double)r.ns / 1e3;
  }
}

static void tell(const gpu *g, const char *name, samples *v)
{
  if (v->was_blocked) {
    gpu_note(g, name, "blocked > %u ms; returned %s once the kernel had ended", LIMIT_MS,
             rk_cuda_result_name(g->api, v->result));
  } else if (v->count == 0) {
    gpu_note(g, name, "returned %s", rk_cuda_result_name(g->api, v->result));
  } else {
    gpu_report(g, name, "us", v->us, v->count, "returned while the kernel ran");
  }
}

static void examine(scene *s, gpu_spin *spin, const entry *e)
{
  samples make = {.count = 0}, undo = {.count = 0};
  if (!rk_cuda_has(s->g->api, e->group)) {
    gpu_note(s->g, e->name, "skipped: the driver does not have it");
    return;
  }
  for (int i = 0; i < REPEATS; ++i) {
    make_call(s, spin, e->fn, e->name, &make);
    bool made = make.result == CUDA_SUCCESS;
    if (made && e->fn == graph_make && i == 0) {
      samples replay = {.count = 0};
      for (int k = 0; k < REPEATS && replay.count == (size_t)k; ++k) {
        make_call(s, spin, graph_launch, "cuGraphLaunch", &replay);
      }
      tell(s->g, "cuGraphLaunch and its end", &replay);
    }
    if (made && e->undo != NULL) {
      make_call(s, spin, e->undo, e->undo_name, &undo);
      if (!undo.was_blocked && undo.result != CUDA_SUCCESS) { /* refused beside a kernel */
        gpu_spin_end(spin);
        (void)e->undo(s);
      }
    }
    if (make.was_blocked || undo.was_blocked || !made || undo.result != CUDA_SUCCESS) {
      break;
    }
  }
  tell(s->g, e->name, &make);
  if (e->undo != NULL && make.result == CUDA_SUCCESS) {
    tell(s->g, e->undo_name, &undo);
  }
}

int main(void)
{
  gpu g;
  gpu_spin spin;
  if (!gpu_open(&g, "E2")) {
    return GPU_SKIPPED;
  }
  CUmodule module = gpu_module(&g, "spin", gpu_spin_source);
  if (module == NULL) {
    return GPU_SKIPPED;
  }
  scene s = {.g = &g,
             .stream = gpu_stream(&g),
             .empty = gpu_function(&g, module, "empty"),
             .local_512 = gpu_function(&g, module, "local_512"),
             .local_16k = gpu_function(&g, module, "local_16k"),
             .local_32k = gpu_function(&g, module, "local_32k"),
             .dynamic = gpu_function(&g, module, "count_one"),
             .module = module,
             .memory = gpu_memory(&g, BYTES),
             .other = gpu_memory(&g, BYTES),
             .pinned = gpu_shared(&g, BYTES),
             .pageable = calloc(1, BYTES)};
  if (s.pageable == NULL) {
    gpu_die(&g, "out of memory");
  }
  GPU(&g, event_create(&s.event, CU_EVENT_DEFAULT));
  GPU(&g, event_record(s.event, s.stream));
  gpu_finish(&g, s.stream, 5);
  gpu_spin_init(&spin, &g, module, NULL, 1);
  for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); ++i) {
    examine(&s, &spin, &entries[i]);
  }
  gpu_spin_end(&spin);
  free(s.pageable);
  gpu_close(&g);
  return 0;
}
