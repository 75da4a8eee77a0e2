/* SPDX-License-Identifier: MIT */
/*
 * The part of CUDA's driver interface that the fake driver offers, in our own declarations, and the
 * functions that tests steer the fake with (rkfake_*).
 *
 * A program that includes CUDA's cuda.h first gets only the prototypes from here, which its
 * compiler then compares, and assertions on every constant and struct; that is how a test proves
 * the declarations (with __CUDA_API_VERSION_INTERNAL, which keeps cuda.h from renaming functions).
 *
 * Names and numbers are the interface and are CUDA's; enumerations are plain ints here.
 */
#ifndef FAKECUDA_H
#define FAKECUDA_H

#include <stddef.h>
#include <stdint.h>

/* X(name, number) */
#define FAKECUDA_ERRORS(X)                          \
  X(CUDA_SUCCESS, 0)                                \
  X(CUDA_ERROR_INVALID_VALUE, 1)                    \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2)                    \
  X(CUDA_ERROR_NOT_INITIALIZED, 3)                  \
  X(CUDA_ERROR_DEINITIALIZED, 4)                    \
  X(CUDA_ERROR_NO_DEVICE, 100)                      \
  X(CUDA_ERROR_INVALID_DEVICE, 101)                 \
  X(CUDA_ERROR_INVALID_IMAGE, 200)                  \
  X(CUDA_ERROR_INVALID_CONTEXT, 201)                \
  X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209)              \
  X(CUDA_ERROR_INVALID_PTX, 218)                    \
  X(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)        \
  X(CUDA_ERROR_INVALID_RESOURCE_TYPE, 914)          \
  X(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, 915) \
  X(CUDA_ERROR_INVALID_HANDLE, 400)                 \
  X(CUDA_ERROR_NOT_FOUND, 500)                      \
  X(CUDA_ERROR_NOT_READY, 600)                      \
  X(CUDA_ERROR_ILLEGAL_ADDRESS, 700)                \
  X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701)        \
  X(CUDA_ERROR_LAUNCH_TIMEOUT, 702)                 \
  X(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, 708)         \
  X(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709)           \
  X(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, 712) \
  X(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, 713)     \
  X(CUDA_ERROR_LAUNCH_FAILED, 719)                  \
  X(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, 720)   \
  X(CUDA_ERROR_NOT_PERMITTED, 800)                  \
  X(CUDA_ERROR_NOT_SUPPORTED, 801)                  \
  X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)     \
  X(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903)       \
  X(CUDA_ERROR_ILLEGAL_STATE, 401)                  \
  X(CUDA_ERROR_STUB_LIBRARY, 34)                    \
  X(CUDA_ERROR_UNKNOWN, 999)                        \
  X(CUDA_ERROR_INVALID_CLUSTER_SIZE, 912)           \
  X(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803)         \
  X(CUDA_ERROR_SYSTEM_NOT_READY, 802)               \
  X(CUDA_ERROR_DEVICE_UNAVAILABLE, 46)              \
  X(CUDA_ERROR_ALREADY_MAPPED, 208)                 \
  X(CUDA_ERROR_INVALID_SOURCE, 300)                 \
  X(CUDA_ERROR_MISALIGNED_ADDRESS, 716)             \
  X(CUDA_ERROR_ASSERT, 710)                         \
  X(CUDA_ERROR_ILLEGAL_INSTRUCTION, 715)            \
  X(CUDA_ERROR_ECC_UNCORRECTABLE, 214)              \
  X(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, 221)         \
  X(CUDA_ERROR_MPS_CONNECTION_FAILED, 805)          \
  X(CUDA_ERROR_OPERATING_SYSTEM, 304)

#define FAKECUDA_CONSTANTS(X)                                        \
  X(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1)                    \
  X(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, 2)                          \
  X(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y, 3)                          \
  X(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z, 4)                          \
  X(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X, 5)                           \
  X(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y, 6)                           \
  X(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z, 7)                           \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 8)              \
  X(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY, 9)                    \
  X(CU_DEVICE_ATTRIBUTE_WARP_SIZE, 10)                               \
  X(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK, 12)                 \
  X(CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 13)                              \
  X(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                    \
  X(CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT, 17)                     \
  X(CU_DEVICE_ATTRIBUTE_INTEGRATED, 18)                              \
  X(CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 19)                     \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, 20)                            \
  X(CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 31)                      \
  X(CU_DEVICE_ATTRIBUTE_ECC_ENABLED, 32)                             \
  X(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 33)                              \
  X(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, 34)                           \
  X(CU_DEVICE_ATTRIBUTE_TCC_DRIVER, 35)                              \
  X(CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 36)                       \
  X(CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 37)                 \
  X(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 38)                           \
  X(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 39)          \
  X(CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 40)                      \
  X(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 41)                      \
  X(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, 50)                           \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)                \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)                \
  X(CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 78)             \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 81)    \
  X(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 82)        \
  X(CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 83)                          \
  X(CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 86)            \
  X(CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, 88)                  \
  X(CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, 89)               \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_PREEMPTION_SUPPORTED, 90)            \
  X(CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, 91) \
  X(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 95)                      \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97)       \
  X(CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED, 99)                 \
  X(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 106)          \
  X(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 111)       \
  X(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)                 \
  X(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 120)                         \
  X(CU_DEVICE_ATTRIBUTE_MPS_ENABLED, 133)                            \
  X(CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS, 122)          \
  X(CU_DEVICE_ATTRIBUTE_GPU_OVERLAP, 15)                             \
  X(CU_LAUNCH_ATTRIBUTE_COOPERATIVE, 2)                              \
  X(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, 4)                        \
  X(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, 6)        \
  X(CU_LAUNCH_ATTRIBUTE_PRIORITY, 8)                                 \
  X(CU_LAUNCH_ATTRIBUTE_IGNORE, 0)                                   \
  X(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 0)                      \
  X(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 1)                          \
  X(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES, 2)                           \
  X(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, 3)                           \
  X(CU_FUNC_ATTRIBUTE_NUM_REGS, 4)                                   \
  X(CU_FUNC_ATTRIBUTE_PTX_VERSION, 5)                                \
  X(CU_FUNC_ATTRIBUTE_BINARY_VERSION, 6)                             \
  X(CU_FUNC_ATTRIBUTE_CACHE_MODE_CA, 7)                              \
  X(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 8)              \
  X(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 9)           \
  X(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 14)         \
  X(CU_JIT_INFO_LOG_BUFFER, 3)                                       \
  X(CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, 4)                            \
  X(CU_JIT_ERROR_LOG_BUFFER, 5)                                      \
  X(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 6)                           \
  X(CU_STREAM_NON_BLOCKING, 1)                                       \
  X(CU_EVENT_DISABLE_TIMING, 2)                                      \
  X(CU_EVENT_BLOCKING_SYNC, 1)                                       \
  X(CU_MEMHOSTALLOC_PORTABLE, 1)                                     \
  X(CU_MEMHOSTALLOC_DEVICEMAP, 2)                                    \
  X(CU_MEMHOSTALLOC_WRITECOMBINED, 4)                                \
  X(CU_MEMHOSTREGISTER_PORTABLE, 1)                                  \
  X(CU_MEMHOSTREGISTER_DEVICEMAP, 2)                                 \
  X(CU_STREAM_CAPTURE_STATUS_NONE, 0)                                \
  X(CU_STREAM_CAPTURE_STATUS_ACTIVE, 1)                              \
  X(CU_STREAM_CAPTURE_STATUS_INVALIDATED, 2)                         \
  X(CU_GET_PROC_ADDRESS_SUCCESS, 0)                                  \
  X(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, 1)                         \
  X(CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT, 2)                   \
  X(CU_DEV_RESOURCE_TYPE_INVALID, 0)                                 \
  X(CU_DEV_RESOURCE_TYPE_SM, 1)                                      \
  X(CU_GREEN_CTX_DEFAULT_STREAM, 1)                                  \
  X(CU_LIMIT_STACK_SIZE, 0)                                          \
  X(CU_LIMIT_PRINTF_FIFO_SIZE, 1)                                    \
  X(CU_LIMIT_MALLOC_HEAP_SIZE, 2)                                    \
  X(CU_MODULE_EAGER_LOADING, 1)                                      \
  X(CU_MODULE_LAZY_LOADING, 2)                                       \
  X(CU_POINTER_ATTRIBUTE_CONTEXT, 1)                                 \
  X(CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 2)                             \
  X(CU_POINTER_ATTRIBUTE_DEVICE_POINTER, 3)                          \
  X(CU_POINTER_ATTRIBUTE_HOST_POINTER, 4)                            \
  X(CU_MEMORYTYPE_HOST, 1)                                           \
  X(CU_MEMORYTYPE_DEVICE, 2)                                         \
  X(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 4)                            \
  X(CU_MEMPOOL_ATTR_USED_MEM_CURRENT, 7)                             \
  X(CU_MEMPOOL_ATTR_USED_MEM_HIGH, 8)                                \
  X(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, 5)                         \
  X(CU_MEM_ALLOCATION_TYPE_PINNED, 1)                                \
  X(CU_MEM_LOCATION_TYPE_DEVICE, 1)                                  \
  X(CU_CTX_SCHED_SPIN, 1)                                            \
  X(CU_CTX_SCHED_BLOCKING_SYNC, 4)                                   \
  X(CU_CTX_MAP_HOST, 8)

#if defined(__cuda_cuda_h__)

#define FAKECUDA_SAME(name, number) _Static_assert((int)name == (number), #name);
FAKECUDA_ERRORS(FAKECUDA_SAME)
FAKECUDA_CONSTANTS(FAKECUDA_SAME)
#undef FAKECUDA_SAME

#else

enum {
#define FAKECUDA_ENUM(name, number) name = (number),
  FAKECUDA_ERRORS(FAKECUDA_ENUM) FAKECUDA_CONSTANTS(FAKECUDA_ENUM)
#undef FAKECUDA_ENUM
};

typedef int CUresult;
typedef int CUdevice;
typedef int CUdevice_attribute;
typedef int CUfunction_attribute;
typedef int CUpointer_attribute;
typedef int CUlimit;
typedef int CUjit_option;
typedef int CUmoduleLoadingMode;
typedef int CUmemPool_attribute;
typedef int CUstreamCaptureMode;
typedef int CUstreamCaptureStatus;
typedef int CUdevResourceType;
typedef int CUdriverProcAddressQueryResult;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphExec_st *CUgraphExec;
typedef struct CUmemPoolHandle_st *CUmemoryPool;
typedef struct CUgreenCtx_st *CUgreenCtx;
typedef struct CUdevResourceDesc_st *CUdevResourceDesc;
typedef void (*CUhostFn)(void *data);

typedef struct CUuuid_st {
  char bytes[16];
} CUuuid;

typedef union CUlaunchAttributeValue_union {
  char pad[64];
  int cooperative;
  struct {
    unsigned x, y, z;
  } clusterDim;
  int priority;
} CUlaunchAttributeValue;

typedef struct CUlaunchAttribute_st {
  int id;
  char pad[4];
  CUlaunchAttributeValue value;
} CUlaunchAttribute;

typedef struct CUlaunchConfig_st {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned numAttrs;
} CUlaunchConfig;

typedef struct CUmemLocation_st {
  int type;
  int id;
} CUmemLocation;

typedef struct CUmemPoolProps_st {
  int allocType;
  int handleTypes;
  CUmemLocation location;
  void *win32SecurityAttributes;
  size_t maxSize;
  unsigned short usage;
  unsigned char reserved[54];
} CUmemPoolProps;

typedef struct CUdevSmResource_st {
  unsigned smCount;
  unsigned minSmPartitionSize;
  unsigned smCoscheduledAlignment;
} CUdevSmResource;

typedef struct CUdevResource_st {
  CUdevResourceType type;
  unsigned char pad[92];
  union {
    CUdevSmResource sm;
    unsigned char oversize[48];
  };
} CUdevResource;

#endif

_Static_assert(sizeof(CUuuid) == 16, "CUuuid");
_Static_assert(sizeof(CUlaunchAttribute) == 72 && offsetof(CUlaunchAttribute, value) == 8,
               "CUlaunchAttribute");
_Static_assert(sizeof(CUlaunchConfig) == 56 && offsetof(CUlaunchConfig, attrs) == 40,
               "CUlaunchConfig");
_Static_assert(sizeof(CUmemPoolProps) == 88 && offsetof(CUmemPoolProps, maxSize) == 24,
               "CUmemPoolProps");
_Static_assert(sizeof(CUdevResource) == 144 && offsetof(CUdevResource, sm) == 96, "CUdevResource");

/* ---- the driver, devices, contexts ---- */
CUresult cuInit(unsigned flags);
CUresult cuDriverGetVersion(int *version);
CUresult cuGetErrorName(CUresult code, const char **text);
CUresult cuGetErrorString(CUresult code, const char **text);
CUresult cuGetProcAddress_v2(const char *name, void **pfn, int version, uint64_t flags,
                             CUdriverProcAddressQueryResult *status);
CUresult cuDeviceGetCount(int *count);
CUresult cuDeviceGet(CUdevice *device, int index);
CUresult cuDeviceGetName(char *name, int size, CUdevice device);
CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device);
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device);
CUresult cuDeviceGetPCIBusId(char *name, int size, CUdevice device);
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device);
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device);
CUresult cuDevicePrimaryCtxRetain(CUcontext *ctx, CUdevice device);
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device);
CUresult cuDevicePrimaryCtxReset_v2(CUdevice device);
CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags);
CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active);
CUresult cuCtxSetCurrent(CUcontext ctx);
CUresult cuCtxGetCurrent(CUcontext *ctx);
CUresult cuCtxPushCurrent_v2(CUcontext ctx);
CUresult cuCtxPopCurrent_v2(CUcontext *ctx);
CUresult cuCtxSynchronize(void);
CUresult cuCtxGetDevice(CUdevice *device);
CUresult cuCtxGetLimit(size_t *value, CUlimit limit);
CUresult cuCtxSetLimit(CUlimit limit, size_t value);
CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest);

/* ---- memory ---- */
CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes);
CUresult cuMemFree_v2(CUdeviceptr address);
CUresult cuMemGetInfo_v2(size_t *free, size_t *total);
CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned flags);
CUresult cuMemFreeHost(void *memory);
CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *memory, unsigned flags);
CUresult cuMemHostGetFlags(unsigned *flags, void *memory);
CUresult cuMemHostRegister_v2(void *memory, size_t bytes, unsigned flags);
CUresult cuMemHostUnregister(void *memory);
CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr address);
CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes);
CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes);
CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes);
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream);
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream);
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count);
CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, size_t count);
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream);
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream);
CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream stream);
CUresult cuMemAllocFromPoolAsync(CUdeviceptr *address, size_t bytes, CUmemoryPool pool,
                                 CUstream stream);
CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream);
CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *props);
CUresult cuMemPoolDestroy(CUmemoryPool pool);
CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void *value);
CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void *value);
CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t keep_bytes);
CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device);
CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device);
CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool);

/* ---- streams and events ---- */
CUresult cuStreamCreate(CUstream *stream, unsigned flags);
CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority);
CUresult cuStreamDestroy_v2(CUstream stream);
CUresult cuStreamQuery(CUstream stream);
CUresult cuStreamSynchronize(CUstream stream);
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags);
CUresult cuStreamWriteValue32(CUstream stream, CUdeviceptr address, unsigned value, unsigned flags);
CUresult cuStreamWriteValue32_v2(CUstream stream, CUdeviceptr address, unsigned value,
                                 unsigned flags);
CUresult cuLaunchHostFunc(CUstream stream, CUhostFn fn, void *data);
CUresult cuEventCreate(CUevent *event, unsigned flags);
CUresult cuEventDestroy_v2(CUevent event);
CUresult cuEventRecord(CUevent event, CUstream stream);
CUresult cuEventQuery(CUevent event);
CUresult cuEventSynchronize(CUevent event);
CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end);
CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end);

/* ---- graphs ---- */
CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode);
CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph);
CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status);
CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags);
CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream);
CUresult cuGraphDestroy(CUgraph graph);
CUresult cuGraphExecDestroy(CUgraphExec exec);

/* ---- modules and kernels ---- */
CUresult cuModuleLoadData(CUmodule *module, const void *image);
CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned option_count,
                            CUjit_option *options, void **option_values);
CUresult cuModuleUnload(CUmodule module);
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name);
CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module,
                              const char *name);
CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode);
CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function);
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value);
CUresult cuFuncLoad(CUfunction function);
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads,
                                                     size_t shared_bytes);
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction function,
                                                              int threads, size_t shared_bytes,
                                                              unsigned flags);
CUresult cuOccupancyMaxActiveClusters(int *clusters, CUfunction function,
                                      const CUlaunchConfig *config);
CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void **params, void **extra);
CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **params,
                          void **extra);
CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                   unsigned grid_z, unsigned block_x, unsigned block_y,
                                   unsigned block_z, unsigned shared_bytes, CUstream stream,
                                   void **params);

/* ---- green contexts ---- */
CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *resource, CUdevResourceType type);
CUresult cuDevSmResourceSplitByCount(CUdevResource *result, unsigned *group_count,
                                     const CUdevResource *input, CUdevResource *remaining,
                                     unsigned flags, unsigned least);
CUresult cuDevResourceGenerateDesc(CUdevResourceDesc *desc, CUdevResource *resources,
                                   unsigned count);
CUresult cuGreenCtxCreate(CUgreenCtx *green, CUdevResourceDesc desc, CUdevice device,
                          unsigned flags);
CUresult cuGreenCtxDestroy(CUgreenCtx green);
CUresult cuCtxFromGreenCtx(CUcontext *ctx, CUgreenCtx green);
CUresult cuGreenCtxStreamCreate(CUstream *stream, CUgreenCtx green, unsigned flags, int priority);
CUresult cuGreenCtxGetDevResource(CUgreenCtx green, CUdevResource *resource,
                                  CUdevResourceType type);
CUresult cuCtxGetDevResource(CUcontext ctx, CUdevResource *resource, CUdevResourceType type);

/* ---- steering the fake ---- */

/* From now on the nth call of `name` (without the _v2; "*": of any function) returns `code`
 * instead of doing anything. With `sticky` nonzero every later call does so too, as after a fault
 * on the device. The name "kernel" makes the nth kernel launched from now on die with `code` while
 * it runs, which is always sticky. */
void rkfake_fault(const char *name, int nth, int code, int sticky);

/* Forgets planned faults, a sticky error and what was counted, and reads the environment again.
 * What the program holds (contexts, memory, ...) stays. */
void rkfake_reset(void);

/* Calls of a function so far (without the _v2; "*": of all that can be made to fail). */
long rkfake_calls(const char *name);

/* The name of the function that was the index-th (from 0) to be called for the first time; returns
 * 0 past the last one. */
int rkfake_called(int index, char *name, size_t bytes);

/* Findings so far: calls that would wait behind a resident kernel, writes beyond the end of an
 * allocation, arguments that are no memory of the device. Each was told on standard error. */
long rkfake_lint_count(void);

/* All kernels that run now die with `code` at their next step; the context is then unusable. */
void rkfake_kill(int code);

/* Kernels that are queued or running. */
int rkfake_kernels(void);

/* What the program has not given back: "memory" (allocations), "streams", "events", "modules",
 * "graphs", "contexts" (references), "pools". "all" is the sum. */
long rkfake_live(const char *what);

#endif
