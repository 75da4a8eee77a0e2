/* SPDX-License-Identifier: MIT */
/*
 * The CUDA driver as a table of functions, found at run time.
 *
 * rk_cuda_open loads the driver library once in a process and fills one rk_cuda_api, which lives as
 * long as the process. Every function is asked for with the version that our prototype was written
 * for: newer drivers keep the old ones, and a newer one under the same name may take other
 * arguments. So raising a version here means looking at the prototype again.
 *
 * Functions come in groups. RK_CUDA_CORE is needed: without one of them opening fails. Each of the
 * other groups is there as a whole or its pointers are all NULL: ask rk_cuda_has first.
 *
 * Fields are called as in CUDA, without the `cu`: cuMemHostAlloc is api->mem_host_alloc. Every call
 * returns a CUresult; cuda_error.h turns it into our codes and texts.
 *
 * Threads: the functions are as thread-safe as the driver's (all of them are, per context).
 */
#ifndef RK_BACKEND_CUDA_API_H
#define RK_BACKEND_CUDA_API_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/platform.h"

#include "backend/cuda/cuda_types.h"

/* What a driver may or may not offer. */
typedef enum rk_cuda_group {
  RK_CUDA_CORE,
  RK_CUDA_LAUNCH_EX,    /* launches with attributes: memory domains, priority, clusters */
  RK_CUDA_CLUSTERS,     /* how many clusters fit */
  RK_CUDA_GRAPHS,       /* capture, instantiate, launch */
  RK_CUDA_POOLS,        /* stream-ordered memory */
  RK_CUDA_GREEN,        /* contexts on a part of the multiprocessors */
  RK_CUDA_STREAM_WRITE, /* a stream writes a word to memory */
  RK_CUDA_GROUP_COUNT
} rk_cuda_group;

/* X(group, field, name, suffix, version, arguments). `name` and `version` go to cuGetProcAddress;
 * name and suffix together are the symbol that the library exports, for drivers that have no
 * cuGetProcAddress_v2. */
/* clang-format off */
#define RK_CUDA_FUNCTIONS(X)                                                                      \
  X(CORE, init, cuInit, , 2000, (unsigned int flags))                                             \
  X(CORE, driver_get_version, cuDriverGetVersion, , 2020, (int *version))                         \
  X(CORE, get_error_name, cuGetErrorName, , 6000, (CUresult result, const char **text))           \
  X(CORE, get_error_string, cuGetErrorString, , 6000, (CUresult result, const char **text))       \
  /* devices */                                                                                   \
  X(CORE, device_get_count, cuDeviceGetCount, , 2000, (int *count))                               \
  X(CORE, device_get, cuDeviceGet, , 2000, (CUdevice *device, int ordinal))                       \
  X(CORE, device_get_name, cuDeviceGetName, , 2000, (char *name, int bytes, CUdevice device))     \
  X(CORE, device_get_uuid, cuDeviceGetUuid, _v2, 11040, (CUuuid *uuid, CUdevice device))          \
  X(CORE, device_get_pci_bus_id, cuDeviceGetPCIBusId, , 4010,                                     \
    (char *name, int bytes, CUdevice device))                                                     \
  X(CORE, device_total_mem, cuDeviceTotalMem, _v2, 3020, (size_t *bytes, CUdevice device))        \
  X(CORE, device_get_attribute, cuDeviceGetAttribute, , 2000,                                     \
    (int *value, CUdevice_attribute attribute, CUdevice device))                                  \
  /* contexts */                                                                                  \
  X(CORE, device_primary_ctx_retain, cuDevicePrimaryCtxRetain, , 7000,                            \
    (CUcontext *context, CUdevice device))                                                        \
  X(CORE, device_primary_ctx_release, cuDevicePrimaryCtxRelease, _v2, 11000, (CUdevice device))   \
  X(CORE, device_primary_ctx_set_flags, cuDevicePrimaryCtxSetFlags, _v2, 11000,                   \
    (CUdevice device, unsigned int flags))                                                        \
  X(CORE, device_primary_ctx_get_state, cuDevicePrimaryCtxGetState, , 7000,                       \
    (CUdevice device, unsigned int *flags, int *is_active))                                       \
  X(CORE, ctx_set_current, cuCtxSetCurrent, , 4000, (CUcontext context))                          \
  X(CORE, ctx_get_current, cuCtxGetCurrent, , 4000, (CUcontext *context))                         \
  X(CORE, ctx_get_limit, cuCtxGetLimit, , 3010, (size_t *value, CUlimit limit))                   \
  X(CORE, ctx_set_limit, cuCtxSetLimit, , 3010, (CUlimit limit, size_t value))                    \
  X(CORE, ctx_get_stream_priority_range, cuCtxGetStreamPriorityRange, , 5050,                     \
    (int *least, int *greatest))                                                                  \
  /* memory */                                                                                    \
  X(CORE, mem_get_info, cuMemGetInfo, _v2, 3020, (size_t *free_bytes, size_t *total_bytes))       \
  X(CORE, mem_alloc, cuMemAlloc, _v2, 3020, (CUdeviceptr *address, size_t bytes))                 \
  X(CORE, mem_free, cuMemFree, _v2, 3020, (CUdeviceptr address))                                  \
  X(CORE, mem_host_alloc, cuMemHostAlloc, , 2020,                                                 \
    (void **pointer, size_t bytes, unsigned int flags))                                           \
  X(CORE, mem_free_host, cuMemFreeHost, , 2000, (void *pointer))                                  \
  X(CORE, mem_host_get_device_pointer, cuMemHostGetDevicePointer, _v2, 3020,                      \
    (CUdeviceptr *address, void *pointer, unsigned int flags))                                    \
  X(CORE, pointer_get_attribute, cuPointerGetAttribute, , 4000,                                   \
    (void *value, CUpointer_attribute attribute, CUdeviceptr address))                            \
  X(CORE, memcpy_htod, cuMemcpyHtoD, _v2, 3020, (CUdeviceptr to, const void *from, size_t bytes)) \
  X(CORE, memcpy_dtoh, cuMemcpyDtoH, _v2, 3020, (void *to, CUdeviceptr from, size_t bytes))       \
  X(CORE, memcpy_htod_async, cuMemcpyHtoDAsync, _v2, 3020,                                        \
    (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))                            \
  X(CORE, memcpy_dtoh_async, cuMemcpyDtoHAsync, _v2, 3020,                                        \
    (void *to, CUdeviceptr from, size_t bytes, CUstream stream))                                  \
  X(CORE, memcpy_dtod_async, cuMemcpyDtoDAsync, _v2, 3020,                                        \
    (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))                            \
  X(CORE, memset_d8_async, cuMemsetD8Async, , 3020,                                               \
    (CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream))                         \
  /* streams and events */                                                                        \
  X(CORE, stream_create, cuStreamCreate, , 2000, (CUstream *stream, unsigned int flags))          \
  X(CORE, stream_create_with_priority, cuStreamCreateWithPriority, , 5050,                        \
    (CUstream *stream, unsigned int flags, int priority))                                         \
  X(CORE, stream_query, cuStreamQuery, , 2000, (CUstream stream))                                 \
  X(CORE, stream_synchronize, cuStreamSynchronize, , 2000, (CUstream stream))                     \
  X(CORE, stream_wait_event, cuStreamWaitEvent, , 3020,                                           \
    (CUstream stream, CUevent event, unsigned int flags))                                         \
  X(CORE, stream_destroy, cuStreamDestroy, _v2, 4000, (CUstream stream))                          \
  X(CORE, event_create, cuEventCreate, , 2000, (CUevent *event, unsigned int flags))              \
  X(CORE, event_record, cuEventRecord, , 2000, (CUevent event, CUstream stream))                  \
  X(CORE, event_query, cuEventQuery, , 2000, (CUevent event))                                     \
  X(CORE, event_synchronize, cuEventSynchronize, , 2000, (CUevent event))                         \
  X(CORE, event_elapsed_time, cuEventElapsedTime, , 2000, (float *ms, CUevent from, CUevent to))  \
  X(CORE, event_destroy, cuEventDestroy, _v2, 4000, (CUevent event))                              \
  /* modules and functions */                                                                     \
  X(CORE, module_load_data, cuModuleLoadData, , 2000, (CUmodule *module, const void *image))      \
  X(CORE, module_load_data_ex, cuModuleLoadDataEx, , 2010,                                        \
    (CUmodule *module, const void *image, unsigned int count, CUjit_option *options,              \
     void **values))                                                                              \
  X(CORE, module_unload, cuModuleUnload, , 2000, (CUmodule module))                               \
  X(CORE, module_get_function, cuModuleGetFunction, , 2000,                                       \
    (CUfunction *function, CUmodule module, const char *name))                                    \
  X(CORE, module_get_global, cuModuleGetGlobal, _v2, 3020,                                        \
    (CUdeviceptr *address, size_t *bytes, CUmodule module, const char *name))                     \
  X(CORE, func_get_attribute, cuFuncGetAttribute, , 2020,                                         \
    (int *value, CUfunction_attribute attribute, CUfunction function))                            \
  X(CORE, func_set_attribute, cuFuncSetAttribute, , 9000,                                         \
    (CUfunction function, CUfunction_attribute attribute, int value))                             \
  X(CORE, occupancy_max_active_blocks_per_multiprocessor,                                         \
    cuOccupancyMaxActiveBlocksPerMultiprocessor, , 6050,                                          \
    (int *blocks, CUfunction function, int block_threads, size_t dynamic_bytes))                  \
  /* launches */                                                                                  \
  X(CORE, launch_kernel, cuLaunchKernel, , 4000,                                                  \
    (CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,          \
     unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared_bytes, \
     CUstream stream, void **params, void **extra))                                               \
  X(CORE, launch_cooperative_kernel, cuLaunchCooperativeKernel, , 9000,                           \
    (CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,          \
     unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared_bytes, \
     CUstream stream, void **params))                                                             \
  X(LAUNCH_EX, launch_kernel_ex, cuLaunchKernelEx, , 11060,                                       \
    (const CUlaunchConfig *config, CUfunction function, void **params, void **extra))             \
  X(CLUSTERS, occupancy_max_active_clusters, cuOccupancyMaxActiveClusters, , 11070,               \
    (int *clusters, CUfunction function, const CUlaunchConfig *config))                           \
  /* graphs */                                                                                    \
  X(GRAPHS, stream_begin_capture, cuStreamBeginCapture, _v2, 10010,                               \
    (CUstream stream, CUstreamCaptureMode mode))                                                  \
  X(GRAPHS, stream_end_capture, cuStreamEndCapture, , 10000, (CUstream stream, CUgraph *graph))   \
  X(GRAPHS, stream_is_capturing, cuStreamIsCapturing, , 10000,                                    \
    (CUstream stream, CUstreamCaptureStatus *status))                                             \
  X(GRAPHS, graph_instantiate, cuGraphInstantiateWithFlags, , 11040,                              \
    (CUgraphExec *exec, CUgraph graph, unsigned long long flags))                                 \
  X(GRAPHS, graph_launch, cuGraphLaunch, , 10000, (CUgraphExec exec, CUstream stream))            \
  X(GRAPHS, graph_destroy, cuGraphDestroy, , 10000, (CUgraph graph))                              \
  X(GRAPHS, graph_exec_destroy, cuGraphExecDestroy, , 10000, (CUgraphExec exec))                  \
  /* stream-ordered memory */                                                                     \
  X(POOLS, mem_alloc_async, cuMemAllocAsync, , 11020,                                             \
    (CUdeviceptr *address, size_t bytes, CUstream stream))                                        \
  X(POOLS, mem_alloc_from_pool_async, cuMemAllocFromPoolAsync, , 11020,                           \
    (CUdeviceptr *address, size_t bytes, CUmemoryPool pool, CUstream stream))                     \
  X(POOLS, mem_free_async, cuMemFreeAsync, , 11020, (CUdeviceptr address, CUstream stream))       \
  X(POOLS, mem_pool_create, cuMemPoolCreate, , 11020,                                             \
    (CUmemoryPool *pool, const CUmemPoolProps *props))                                            \
  X(POOLS, mem_pool_set_attribute, cuMemPoolSetAttribute, , 11020,                                \
    (CUmemoryPool pool, CUmemPool_attribute attribute, void *value))                              \
  X(POOLS, mem_pool_trim_to, cuMemPoolTrimTo, , 11020, (CUmemoryPool pool, size_t keep_bytes))    \
  X(POOLS, mem_pool_destroy, cuMemPoolDestroy, , 11020, (CUmemoryPool pool))                      \
  /* green contexts */                                                                            \
  X(GREEN, device_get_dev_resource, cuDeviceGetDevResource, , 12040,                              \
    (CUdevice device, CUdevResource *resource, CUdevResourceType type))                           \
  X(GREEN, dev_sm_resource_split_by_count, cuDevSmResourceSplitByCount, , 12040,                  \
    (CUdevResource *result, unsigned int *groups, const CUdevResource *input,                     \
     CUdevResource *remaining, unsigned int flags, unsigned int min_count))                       \
  X(GREEN, dev_resource_generate_desc, cuDevResourceGenerateDesc, , 12040,                        \
    (CUdevResourceDesc *desc, CUdevResource *resources, unsigned int count))                      \
  X(GREEN, green_ctx_create, cuGreenCtxCreate, , 12040,                                           \
    (CUgreenCtx *context, CUdevResourceDesc desc, CUdevice device, unsigned int flags))           \
  X(GREEN, green_ctx_destroy, cuGreenCtxDestroy, , 12040, (CUgreenCtx context))                   \
  X(GREEN, ctx_from_green_ctx, cuCtxFromGreenCtx, , 12040,                                        \
    (CUcontext *context, CUgreenCtx green))                                                       \
  X(GREEN, green_ctx_get_dev_resource, cuGreenCtxGetDevResource, , 12040,                         \
    (CUgreenCtx context, CUdevResource *resource, CUdevResourceType type))                        \
  X(GREEN, green_ctx_stream_create, cuGreenCtxStreamCreate, , 12050,                              \
    (CUstream *stream, CUgreenCtx context, unsigned int flags, int priority))                     \
  /* words */                                                                                     \
  X(STREAM_WRITE, stream_write_value_32, cuStreamWriteValue32, _v2, 11070,                        \
    (CUstream stream, CUdeviceptr address, uint32_t value, unsigned int flags))
/* clang-format on */

typedef struct rk_cuda_api {
  int driver_version; /* 13000 for CUDA 13.0: the newest the driver knows */
  uint32_t groups;    /* bit g: rk_cuda_group g is there */
#define RK_CUDA_FIELD(group, field, name, suffix, version, arguments) CUresult(*field) arguments;
  RK_CUDA_FUNCTIONS(RK_CUDA_FIELD)
#undef RK_CUDA_FIELD
} rk_cuda_api;

/* Where the driver was looked for and what was found, for reports. */
typedef struct rk_cuda_driver {
  char library[RK_PATH_BYTES]; /* what was given to the loader */
  bool is_chosen;              /* by RINGKERNEL_LIBCUDA */
  bool is_loaded;              /* a library of that name could be loaded */
  int version;                 /* as in rk_cuda_api, or 0 if it did not say */
} rk_cuda_driver;

/* Whether the functions of `group` are there. Threads: any. */
static inline bool rk_cuda_has(const rk_cuda_api *api, rk_cuda_group group)
{
  return (api->groups >> (unsigned)group & 1u) != 0;
}

/* Loads the driver (RINGKERNEL_LIBCUDA, else libcuda.so.1), initialises it and fills the table; the
 * first call does it, later ones repeat its result. Before that it sets CUDA_MODULE_LOADING=EAGER
 * in the environment unless the variable is set. *out lives as long as the process.
 * RK_ENO_DEVICE: no driver, a stub, or no device; RK_EVERSION: driver too old or not matching its
 * kernel module; else what rk_cuda_status says. Threads: any. */
int rk_cuda_open(const rk_cuda_api **out, rk_error *err);

/* What rk_cuda_open found, which it calls; filled in also where that failed. Threads: any. */
void rk_cuda_driver_get(rk_cuda_driver *out);

/* Why this process's environment rules out a kernel that stays resident: CUDA_LAUNCH_BLOCKING makes
 * every launch wait for its kernel's end. One line that says what to do, or NULL. Threads: any. */
const char *rk_cuda_environment_problem(void);

/* Loads `library` into *api and says in *driver what it found; nothing is remembered. For tests and
 * for rk_cuda_open. The library is never closed. Errors as there. */
int rk__cuda_open_at(const char *library, rk_cuda_api *api, rk_cuda_driver *driver, rk_error *err);

#endif
