/* SPDX-License-Identifier: MIT */
/*
 * The types and constants of the CUDA driver that this project uses, declared by ourselves, so
 * that building needs no toolkit. Only what crosses the library's border: handles, structs, enums.
 *
 * The names are CUDA's, so that a reader who knows the driver reads on without a dictionary. The
 * constants and the layouts are lists, because they are used twice: here to make the enums and to
 * check our structs, and in spec/c/cuda_decl_test.c to check the very same numbers against the real
 * cuda.h where there is one. That test defines RK_CUDA_TYPES_GIVEN to say that cuda.h has declared
 * the types already.
 */
#ifndef RK_BACKEND_CUDA_TYPES_H
#define RK_BACKEND_CUDA_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* ---- constants: X(name, value) --------------------------------------------------------------- */

#define RK_CUDA_RESULTS(X)                          \
  X(CUDA_SUCCESS, 0)                                \
  X(CUDA_ERROR_INVALID_VALUE, 1)                    \
  X(CUDA_ERROR_OUT_OF_MEMORY, 2)                    \
  X(CUDA_ERROR_NOT_INITIALIZED, 3)                  \
  X(CUDA_ERROR_DEINITIALIZED, 4)                    \
  X(CUDA_ERROR_STUB_LIBRARY, 34)                    \
  X(CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER, 36)      \
  X(CUDA_ERROR_DEVICE_UNAVAILABLE, 46)              \
  X(CUDA_ERROR_NO_DEVICE, 100)                      \
  X(CUDA_ERROR_INVALID_DEVICE, 101)                 \
  X(CUDA_ERROR_DEVICE_NOT_LICENSED, 102)            \
  X(CUDA_ERROR_INVALID_IMAGE, 200)                  \
  X(CUDA_ERROR_INVALID_CONTEXT, 201)                \
  X(CUDA_ERROR_NO_BINARY_FOR_GPU, 209)              \
  X(CUDA_ERROR_ECC_UNCORRECTABLE, 214)              \
  X(CUDA_ERROR_UNSUPPORTED_LIMIT, 215)              \
  X(CUDA_ERROR_INVALID_PTX, 218)                    \
  X(CUDA_ERROR_NVLINK_UNCORRECTABLE, 220)           \
  X(CUDA_ERROR_JIT_COMPILER_NOT_FOUND, 221)         \
  X(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, 222)        \
  X(CUDA_ERROR_JIT_COMPILATION_DISABLED, 223)       \
  X(CUDA_ERROR_CONTAINED, 226)                      \
  X(CUDA_ERROR_INVALID_SOURCE, 300)                 \
  X(CUDA_ERROR_FILE_NOT_FOUND, 301)                 \
  X(CUDA_ERROR_OPERATING_SYSTEM, 304)               \
  X(CUDA_ERROR_INVALID_HANDLE, 400)                 \
  X(CUDA_ERROR_ILLEGAL_STATE, 401)                  \
  X(CUDA_ERROR_NOT_FOUND, 500)                      \
  X(CUDA_ERROR_NOT_READY, 600)                      \
  X(CUDA_ERROR_ILLEGAL_ADDRESS, 700)                \
  X(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 701)        \
  X(CUDA_ERROR_LAUNCH_TIMEOUT, 702)                 \
  X(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, 708)         \
  X(CUDA_ERROR_CONTEXT_IS_DESTROYED, 709)           \
  X(CUDA_ERROR_ASSERT, 710)                         \
  X(CUDA_ERROR_HARDWARE_STACK_ERROR, 714)           \
  X(CUDA_ERROR_ILLEGAL_INSTRUCTION, 715)            \
  X(CUDA_ERROR_MISALIGNED_ADDRESS, 716)             \
  X(CUDA_ERROR_INVALID_ADDRESS_SPACE, 717)          \
  X(CUDA_ERROR_INVALID_PC, 718)                     \
  X(CUDA_ERROR_LAUNCH_FAILED, 719)                  \
  X(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, 720)   \
  X(CUDA_ERROR_TENSOR_MEMORY_LEAK, 721)             \
  X(CUDA_ERROR_NOT_PERMITTED, 800)                  \
  X(CUDA_ERROR_NOT_SUPPORTED, 801)                  \
  X(CUDA_ERROR_SYSTEM_NOT_READY, 802)               \
  X(CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, 803)         \
  X(CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE, 804) \
  X(CUDA_ERROR_MPS_CONNECTION_FAILED, 805)          \
  X(CUDA_ERROR_MPS_RPC_FAILURE, 806)                \
  X(CUDA_ERROR_MPS_SERVER_NOT_READY, 807)           \
  X(CUDA_ERROR_MPS_MAX_CLIENTS_REACHED, 808)        \
  X(CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED, 809)    \
  X(CUDA_ERROR_MPS_CLIENT_TERMINATED, 810)          \
  X(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, 900)     \
  X(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 901)     \
  X(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, 903)       \
  X(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, 906)        \
  X(CUDA_ERROR_TIMEOUT, 909)                        \
  X(CUDA_ERROR_EXTERNAL_DEVICE, 911)                \
  X(CUDA_ERROR_INVALID_CLUSTER_SIZE, 912)           \
  X(CUDA_ERROR_INVALID_RESOURCE_TYPE, 914)          \
  X(CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION, 915) \
  X(CUDA_ERROR_UNKNOWN, 999)

#define RK_CUDA_DEVICE_ATTRIBUTES(X)                              \
  X(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1)                 \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 8)           \
  X(CU_DEVICE_ATTRIBUTE_WARP_SIZE, 10)                            \
  X(CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 13)                           \
  X(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 16)                 \
  X(CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT, 17)                  \
  X(CU_DEVICE_ATTRIBUTE_INTEGRATED, 18)                           \
  X(CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 19)                  \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_MODE, 20)                         \
  X(CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 31)                   \
  X(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 33)                           \
  X(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, 34)                        \
  X(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 38)                        \
  X(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 39)       \
  X(CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 40)                   \
  X(CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 41)                   \
  X(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, 50)                        \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 75)             \
  X(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 76)             \
  X(CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 78)          \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 81) \
  X(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR, 82)     \
  X(CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 83)                       \
  X(CU_DEVICE_ATTRIBUTE_HOST_NATIVE_ATOMIC_SUPPORTED, 86)         \
  X(CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 95)                   \
  X(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 97)    \
  X(CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR, 106)       \
  X(CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK, 111)    \
  X(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 115)              \
  X(CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 120)                      \
  X(CU_DEVICE_ATTRIBUTE_MEM_SYNC_DOMAIN_COUNT, 126)               \
  X(CU_DEVICE_ATTRIBUTE_MPS_ENABLED, 133)                         \
  X(CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, 134)

#define RK_CUDA_FUNCTION_ATTRIBUTES(X)                     \
  X(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 0)            \
  X(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, 1)                \
  X(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES, 2)                 \
  X(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, 3)                 \
  X(CU_FUNC_ATTRIBUTE_NUM_REGS, 4)                         \
  X(CU_FUNC_ATTRIBUTE_PTX_VERSION, 5)                      \
  X(CU_FUNC_ATTRIBUTE_BINARY_VERSION, 6)                   \
  X(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 8)    \
  X(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 9) \
  X(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED, 14)

#define RK_CUDA_JIT_OPTIONS(X)             \
  X(CU_JIT_MAX_REGISTERS, 0)               \
  X(CU_JIT_INFO_LOG_BUFFER, 3)             \
  X(CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES, 4)  \
  X(CU_JIT_ERROR_LOG_BUFFER, 5)            \
  X(CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES, 6) \
  X(CU_JIT_OPTIMIZATION_LEVEL, 7)          \
  X(CU_JIT_GENERATE_DEBUG_INFO, 11)        \
  X(CU_JIT_LOG_VERBOSE, 12)                \
  X(CU_JIT_GENERATE_LINE_INFO, 13)

#define RK_CUDA_POINTER_ATTRIBUTES(X)       \
  X(CU_POINTER_ATTRIBUTE_CONTEXT, 1)        \
  X(CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 2)    \
  X(CU_POINTER_ATTRIBUTE_DEVICE_POINTER, 3) \
  X(CU_POINTER_ATTRIBUTE_HOST_POINTER, 4)   \
  X(CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, 9)

#define RK_CUDA_LAUNCH_ATTRIBUTES(X)                          \
  X(CU_LAUNCH_ATTRIBUTE_IGNORE, 0)                            \
  X(CU_LAUNCH_ATTRIBUTE_COOPERATIVE, 2)                       \
  X(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, 4)                 \
  X(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, 6) \
  X(CU_LAUNCH_ATTRIBUTE_PRIORITY, 8)                          \
  X(CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP, 9)               \
  X(CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN, 10)

#define RK_CUDA_MEM_SYNC_DOMAINS(X)       \
  X(CU_LAUNCH_MEM_SYNC_DOMAIN_DEFAULT, 0) \
  X(CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE, 1)

#define RK_CUDA_LIMITS(X)         \
  X(CU_LIMIT_STACK_SIZE, 0)       \
  X(CU_LIMIT_PRINTF_FIFO_SIZE, 1) \
  X(CU_LIMIT_MALLOC_HEAP_SIZE, 2)

#define RK_CUDA_CAPTURE_MODES(X)            \
  X(CU_STREAM_CAPTURE_MODE_GLOBAL, 0)       \
  X(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, 1) \
  X(CU_STREAM_CAPTURE_MODE_RELAXED, 2)

#define RK_CUDA_CAPTURE_STATES(X)       \
  X(CU_STREAM_CAPTURE_STATUS_NONE, 0)   \
  X(CU_STREAM_CAPTURE_STATUS_ACTIVE, 1) \
  X(CU_STREAM_CAPTURE_STATUS_INVALIDATED, 2)

#define RK_CUDA_POOL_ATTRIBUTES(X)                        \
  X(CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES, 1)   \
  X(CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, 2)         \
  X(CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, 3) \
  X(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, 4)

#define RK_CUDA_ALLOCATION_TYPES(X) X(CU_MEM_ALLOCATION_TYPE_PINNED, 1)
#define RK_CUDA_HANDLE_TYPES(X) X(CU_MEM_HANDLE_TYPE_NONE, 0)
#define RK_CUDA_LOCATION_TYPES(X) X(CU_MEM_LOCATION_TYPE_DEVICE, 1)

#define RK_CUDA_RESOURCE_TYPES(X)    \
  X(CU_DEV_RESOURCE_TYPE_INVALID, 0) \
  X(CU_DEV_RESOURCE_TYPE_SM, 1)

#define RK_CUDA_QUERY_RESULTS(X)             \
  X(CU_GET_PROC_ADDRESS_SUCCESS, 0)          \
  X(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND, 1) \
  X(CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT, 2)

/* Flags and small numbers that the functions take as plain integers. */
#define RK_CUDA_FLAGS(X)                        \
  X(CU_GET_PROC_ADDRESS_LEGACY_STREAM, 1)       \
  X(CU_COMPUTEMODE_DEFAULT, 0)                  \
  X(CU_COMPUTEMODE_PROHIBITED, 2)               \
  X(CU_COMPUTEMODE_EXCLUSIVE_PROCESS, 3)        \
  X(CU_CTX_SCHED_AUTO, 0)                       \
  X(CU_CTX_SCHED_SPIN, 1)                       \
  X(CU_CTX_SCHED_YIELD, 2)                      \
  X(CU_CTX_SCHED_BLOCKING_SYNC, 4)              \
  X(CU_CTX_MAP_HOST, 8)                         \
  X(CU_STREAM_DEFAULT, 0)                       \
  X(CU_STREAM_NON_BLOCKING, 1)                  \
  X(CU_STREAM_WRITE_VALUE_DEFAULT, 0)           \
  X(CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER, 1) \
  X(CU_EVENT_DEFAULT, 0)                        \
  X(CU_EVENT_BLOCKING_SYNC, 1)                  \
  X(CU_EVENT_DISABLE_TIMING, 2)                 \
  X(CU_GREEN_CTX_DEFAULT_STREAM, 1)             \
  X(CU_DEV_SM_RESOURCE_SPLIT_IGNORE_SM_COSCHEDULING, 1)

/* The same for what cuda.h has as macros. */
#define RK_CUDA_MACROS(X)         \
  X(CU_MEMHOSTALLOC_PORTABLE, 1)  \
  X(CU_MEMHOSTALLOC_DEVICEMAP, 2) \
  X(CU_MEMHOSTALLOC_WRITECOMBINED, 4)

/* ---- layouts --------------------------------------------------------------------------------- */

/* SIZE(type, bytes) and FIELD(type, field, offset) of every struct that we hand over. */
#define RK_CUDA_LAYOUTS(SIZE, FIELD)                        \
  SIZE(CUdevice, 4)                                         \
  SIZE(CUdeviceptr, 8)                                      \
  SIZE(CUuuid, 16)                                          \
  SIZE(CUlaunchAttributeValue, 64)                          \
  FIELD(CUlaunchAttributeValue, clusterDim.y, 4)            \
  FIELD(CUlaunchAttributeValue, clusterDim.z, 8)            \
  FIELD(CUlaunchAttributeValue, memSyncDomainMap.remote, 1) \
  SIZE(CUlaunchAttribute, 72)                               \
  FIELD(CUlaunchAttribute, id, 0)                           \
  FIELD(CUlaunchAttribute, value, 8)                        \
  SIZE(CUlaunchConfig, 56)                                  \
  FIELD(CUlaunchConfig, gridDimX, 0)                        \
  FIELD(CUlaunchConfig, blockDimX, 12)                      \
  FIELD(CUlaunchConfig, sharedMemBytes, 24)                 \
  FIELD(CUlaunchConfig, hStream, 32)                        \
  FIELD(CUlaunchConfig, attrs, 40)                          \
  FIELD(CUlaunchConfig, numAttrs, 48)                       \
  SIZE(CUmemLocation, 8)                                    \
  FIELD(CUmemLocation, id, 4)                               \
  SIZE(CUmemPoolProps, 88)                                  \
  FIELD(CUmemPoolProps, handleTypes, 4)                     \
  FIELD(CUmemPoolProps, location, 8)                        \
  FIELD(CUmemPoolProps, maxSize, 24)                        \
  FIELD(CUmemPoolProps, usage, 32)                          \
  SIZE(CUdevSmResource, 12)                                 \
  FIELD(CUdevSmResource, minSmPartitionSize, 4)             \
  FIELD(CUdevSmResource, smCoscheduledAlignment, 8)         \
  SIZE(CUdevResource, 144)                                  \
  FIELD(CUdevResource, type, 0)                             \
  FIELD(CUdevResource, sm, 96)

#ifndef RK_CUDA_TYPES_GIVEN

#define RK_CUDA_ENUMERATOR(name, value) name = (value),

typedef enum CUresult { RK_CUDA_RESULTS(RK_CUDA_ENUMERATOR) } CUresult;
typedef enum CUdevice_attribute {
  RK_CUDA_DEVICE_ATTRIBUTES(RK_CUDA_ENUMERATOR)
} CUdevice_attribute;
typedef enum CUfunction_attribute {
  RK_CUDA_FUNCTION_ATTRIBUTES(RK_CUDA_ENUMERATOR)
} CUfunction_attribute;
typedef enum CUjit_option { RK_CUDA_JIT_OPTIONS(RK_CUDA_ENUMERATOR) } CUjit_option;
typedef enum CUpointer_attribute {
  RK_CUDA_POINTER_ATTRIBUTES(RK_CUDA_ENUMERATOR)
} CUpointer_attribute;
typedef enum CUlaunchAttributeID {
  RK_CUDA_LAUNCH_ATTRIBUTES(RK_CUDA_ENUMERATOR)
} CUlaunchAttributeID;
typedef enum CUlaunchMemSyncDomain {
  RK_CUDA_MEM_SYNC_DOMAINS(RK_CUDA_ENUMERATOR)
} CUlaunchMemSyncDomain;
typedef enum CUlimit { RK_CUDA_LIMITS(RK_CUDA_ENUMERATOR) } CUlimit;
typedef enum CUstreamCaptureMode { RK_CUDA_CAPTURE_MODES(RK_CUDA_ENUMERATOR) } CUstreamCaptureMode;
typedef enum CUstreamCaptureStatus {
  RK_CUDA_CAPTURE_STATES(RK_CUDA_ENUMERATOR)
} CUstreamCaptureStatus;
typedef enum CUmemPool_attribute {
  RK_CUDA_POOL_ATTRIBUTES(RK_CUDA_ENUMERATOR)
} CUmemPool_attribute;
typedef enum CUmemAllocationType {
  RK_CUDA_ALLOCATION_TYPES(RK_CUDA_ENUMERATOR)
} CUmemAllocationType;
typedef enum CUmemAllocationHandleType {
  RK_CUDA_HANDLE_TYPES(RK_CUDA_ENUMERATOR)
} CUmemAllocationHandleType;
typedef enum CUmemLocationType { RK_CUDA_LOCATION_TYPES(RK_CUDA_ENUMERATOR) } CUmemLocationType;
typedef enum CUdevResourceType { RK_CUDA_RESOURCE_TYPES(RK_CUDA_ENUMERATOR) } CUdevResourceType;
typedef enum CUdriverProcAddressQueryResult {
  RK_CUDA_QUERY_RESULTS(RK_CUDA_ENUMERATOR)
} CUdriverProcAddressQueryResult;
enum { RK_CUDA_FLAGS(RK_CUDA_ENUMERATOR) RK_CUDA_MACROS(RK_CUDA_ENUMERATOR) };

#undef RK_CUDA_ENUMERATOR

typedef int CUdevice;
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

typedef struct CUuuid {
  char bytes[16];
} CUuuid;

typedef struct CUlaunchMemSyncDomainMap {
  unsigned char default_;
  unsigned char remote;
} CUlaunchMemSyncDomainMap;

typedef union CUlaunchAttributeValue {
  char pad[64];
  int cooperative;
  struct {
    unsigned int x, y, z;
  } clusterDim;
  int programmaticStreamSerializationAllowed;
  int priority;
  CUlaunchMemSyncDomainMap memSyncDomainMap;
  CUlaunchMemSyncDomain memSyncDomain;
} CUlaunchAttributeValue;

typedef struct CUlaunchAttribute {
  CUlaunchAttributeID id;
  char pad[4];
  CUlaunchAttributeValue value;
} CUlaunchAttribute;

typedef struct CUlaunchConfig {
  unsigned int gridDimX, gridDimY, gridDimZ;
  unsigned int blockDimX, blockDimY, blockDimZ;
  unsigned int sharedMemBytes; /* dynamic */
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned int numAttrs;
} CUlaunchConfig;

typedef struct CUmemLocation {
  CUmemLocationType type;
  int id;
} CUmemLocation;

typedef struct CUmemPoolProps {
  CUmemAllocationType allocType;
  CUmemAllocationHandleType handleTypes;
  CUmemLocation location;
  void *win32SecurityAttributes;
  size_t maxSize; /* 0: the system's choice */
  unsigned short usage;
  unsigned char reserved[54];
} CUmemPoolProps;

typedef struct CUdevSmResource {
  unsigned int smCount;
  unsigned int minSmPartitionSize;
  unsigned int smCoscheduledAlignment;
} CUdevSmResource;

typedef struct CUdevResource {
  CUdevResourceType type;
  unsigned char padding[92];
  union {
    CUdevSmResource sm;
    unsigned char oversize[48];
  };
} CUdevResource;

#define RK_CUDA_ASSERT_SIZE(type, bytes) \
  _Static_assert(sizeof(type) == (bytes), #type " differs from the driver's");
#define RK_CUDA_ASSERT_FIELD(type, field, offset)                                         \
  _Static_assert(offsetof(type, field) == (offset), #type "." #field " differs from the " \
                                                          "driver's");
RK_CUDA_LAYOUTS(RK_CUDA_ASSERT_SIZE, RK_CUDA_ASSERT_FIELD)
#undef RK_CUDA_ASSERT_SIZE
#undef RK_CUDA_ASSERT_FIELD

#endif

#endif
