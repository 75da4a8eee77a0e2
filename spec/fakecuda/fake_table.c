/* SPDX-License-Identifier: MIT */
/*
 * cuGetProcAddress: names and the versions they have.
 *
 * As with the real driver, the newest function that is not newer than the version asked for and the
 * driver itself is found. A name may have a newer function with other arguments: whoever asks with
 * too new a version gets that one, which here says so and fails. Functions for the per-thread
 * default stream are not modelled, nor are those older than the ones below.
 */
#include "fake.h"

#include <string.h>

/* X(name, version, symbol) */
#define FUNCTIONS(X)                                                   \
  X(cuInit, 2000, cuInit)                                              \
  X(cuDriverGetVersion, 2020, cuDriverGetVersion)                      \
  X(cuGetErrorName, 6000, cuGetErrorName)                              \
  X(cuGetErrorString, 6000, cuGetErrorString)                          \
  X(cuGetProcAddress, 12000, cuGetProcAddress_v2)                      \
  X(cuDeviceGetCount, 2000, cuDeviceGetCount)                          \
  X(cuDeviceGet, 2000, cuDeviceGet)                                    \
  X(cuDeviceGetName, 2000, cuDeviceGetName)                            \
  X(cuDeviceGetUuid, 11040, cuDeviceGetUuid_v2)                        \
  X(cuDeviceGetUuid, 9020, cuDeviceGetUuid)                            \
  X(cuDeviceTotalMem, 3020, cuDeviceTotalMem_v2)                       \
  X(cuDeviceGetAttribute, 2000, cuDeviceGetAttribute)                  \
  X(cuDevicePrimaryCtxRetain, 7000, cuDevicePrimaryCtxRetain)          \
  X(cuDevicePrimaryCtxRelease, 11000, cuDevicePrimaryCtxRelease_v2)    \
  X(cuDevicePrimaryCtxReset, 11000, cuDevicePrimaryCtxReset_v2)        \
  X(cuDevicePrimaryCtxSetFlags, 11000, cuDevicePrimaryCtxSetFlags_v2)  \
  X(cuDevicePrimaryCtxGetState, 7000, cuDevicePrimaryCtxGetState)      \
  X(cuCtxSetCurrent, 4000, cuCtxSetCurrent)                            \
  X(cuCtxGetCurrent, 4000, cuCtxGetCurrent)                            \
  X(cuCtxPushCurrent, 4000, cuCtxPushCurrent_v2)                       \
  X(cuCtxPopCurrent, 4000, cuCtxPopCurrent_v2)                         \
  X(cuCtxSynchronize, 2000, cuCtxSynchronize)                          \
  X(cuCtxGetDevice, 2000, cuCtxGetDevice)                              \
  X(cuCtxGetLimit, 3010, cuCtxGetLimit)                                \
  X(cuCtxSetLimit, 3010, cuCtxSetLimit)                                \
  X(cuCtxGetStreamPriorityRange, 5050, cuCtxGetStreamPriorityRange)    \
  X(cuMemAlloc, 3020, cuMemAlloc_v2)                                   \
  X(cuMemFree, 3020, cuMemFree_v2)                                     \
  X(cuMemGetInfo, 3020, cuMemGetInfo_v2)                               \
  X(cuMemHostAlloc, 2020, cuMemHostAlloc)                              \
  X(cuMemFreeHost, 2000, cuMemFreeHost)                                \
  X(cuMemHostGetDevicePointer, 3020, cuMemHostGetDevicePointer_v2)     \
  X(cuMemHostGetFlags, 2030, cuMemHostGetFlags)                        \
  X(cuMemHostRegister, 6050, cuMemHostRegister_v2)                     \
  X(cuMemHostUnregister, 4000, cuMemHostUnregister)                    \
  X(cuPointerGetAttribute, 4000, cuPointerGetAttribute)                \
  X(cuMemcpyHtoD, 3020, cuMemcpyHtoD_v2)                               \
  X(cuMemcpyDtoH, 3020, cuMemcpyDtoH_v2)                               \
  X(cuMemcpyDtoD, 3020, cuMemcpyDtoD_v2)                               \
  X(cuMemcpyHtoDAsync, 3020, cuMemcpyHtoDAsync_v2)                     \
  X(cuMemcpyDtoHAsync, 3020, cuMemcpyDtoHAsync_v2)                     \
  X(cuMemcpyDtoDAsync, 3020, cuMemcpyDtoDAsync_v2)                     \
  X(cuMemsetD8, 3020, cuMemsetD8_v2)                                   \
  X(cuMemsetD32, 3020, cuMemsetD32_v2)                                 \
  X(cuMemsetD8Async, 3020, cuMemsetD8Async)                            \
  X(cuMemsetD32Async, 3020, cuMemsetD32Async)                          \
  X(cuMemAllocAsync, 11020, cuMemAllocAsync)                           \
  X(cuMemAllocFromPoolAsync, 11020, cuMemAllocFromPoolAsync)           \
  X(cuMemFreeAsync, 11020, cuMemFreeAsync)                             \
  X(cuMemPoolCreate, 11020, cuMemPoolCreate)                           \
  X(cuMemPoolDestroy, 11020, cuMemPoolDestroy)                         \
  X(cuMemPoolSetAttribute, 11020, cuMemPoolSetAttribute)               \
  X(cuMemPoolGetAttribute, 11020, cuMemPoolGetAttribute)               \
  X(cuMemPoolTrimTo, 11020, cuMemPoolTrimTo)                           \
  X(cuDeviceGetDefaultMemPool, 11020, cuDeviceGetDefaultMemPool)       \
  X(cuDeviceGetMemPool, 11020, cuDeviceGetMemPool)                     \
  X(cuDeviceSetMemPool, 11020, cuDeviceSetMemPool)                     \
  X(cuStreamCreate, 2000, cuStreamCreate)                              \
  X(cuStreamCreateWithPriority, 5050, cuStreamCreateWithPriority)      \
  X(cuStreamDestroy, 4000, cuStreamDestroy_v2)                         \
  X(cuStreamQuery, 2000, cuStreamQuery)                                \
  X(cuStreamSynchronize, 2000, cuStreamSynchronize)                    \
  X(cuStreamWaitEvent, 3020, cuStreamWaitEvent)                        \
  X(cuStreamWriteValue32, 8000, cuStreamWriteValue32)                  \
  X(cuStreamWriteValue32, 11070, cuStreamWriteValue32_v2)              \
  X(cuLaunchHostFunc, 10000, cuLaunchHostFunc)                         \
  X(cuEventCreate, 2000, cuEventCreate)                                \
  X(cuEventDestroy, 4000, cuEventDestroy_v2)                           \
  X(cuEventRecord, 2000, cuEventRecord)                                \
  X(cuEventQuery, 2000, cuEventQuery)                                  \
  X(cuEventSynchronize, 2000, cuEventSynchronize)                      \
  X(cuEventElapsedTime, 12080, cuEventElapsedTime_v2)                  \
  X(cuEventElapsedTime, 2000, cuEventElapsedTime)                      \
  X(cuStreamBeginCapture, 10010, cuStreamBeginCapture_v2)              \
  X(cuStreamEndCapture, 10000, cuStreamEndCapture)                     \
  X(cuStreamIsCapturing, 10000, cuStreamIsCapturing)                   \
  X(cuGraphInstantiateWithFlags, 11040, cuGraphInstantiateWithFlags)   \
  X(cuGraphLaunch, 10000, cuGraphLaunch)                               \
  X(cuGraphDestroy, 10000, cuGraphDestroy)                             \
  X(cuGraphExecDestroy, 10000, cuGraphExecDestroy)                     \
  X(cuModuleLoadData, 2000, cuModuleLoadData)                          \
  X(cuModuleLoadDataEx, 2010, cuModuleLoadDataEx)                      \
  X(cuModuleUnload, 2000, cuModuleUnload)                              \
  X(cuModuleGetFunction, 2000, cuModuleGetFunction)                    \
  X(cuModuleGetGlobal, 3020, cuModuleGetGlobal_v2)                     \
  X(cuModuleGetLoadingMode, 11070, cuModuleGetLoadingMode)             \
  X(cuFuncGetAttribute, 2020, cuFuncGetAttribute)                      \
  X(cuFuncSetAttribute, 9000, cuFuncSetAttribute)                      \
  X(cuFuncLoad, 12040, cuFuncLoad)                                     \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, 6050,                 \
    cuOccupancyMaxActiveBlocksPerMultiprocessor)                       \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags, 7000,        \
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)              \
  X(cuOccupancyMaxActiveClusters, 11070, cuOccupancyMaxActiveClusters) \
  X(cuLaunchKernel, 4000, cuLaunchKernel)                              \
  X(cuLaunchKernelEx, 11060, cuLaunchKernelEx)                         \
  X(cuLaunchCooperativeKernel, 9000, cuLaunchCooperativeKernel)        \
  X(cuDeviceGetDevResource, 12040, cuDeviceGetDevResource)             \
  X(cuDevSmResourceSplitByCount, 12040, cuDevSmResourceSplitByCount)   \
  X(cuDevResourceGenerateDesc, 12040, cuDevResourceGenerateDesc)       \
  X(cuGreenCtxCreate, 12040, cuGreenCtxCreate)                         \
  X(cuGreenCtxDestroy, 12040, cuGreenCtxDestroy)                       \
  X(cuCtxFromGreenCtx, 12040, cuCtxFromGreenCtx)                       \
  X(cuGreenCtxStreamCreate, 12050, cuGreenCtxStreamCreate)             \
  X(cuGreenCtxGetDevResource, 12040, cuGreenCtxGetDevResource)         \
  X(cuCtxGetDevResource, 12040, cuCtxGetDevResource)                   \
  X(cuDeviceGetPCIBusId, 4010, cuDeviceGetPCIBusId)

/* The same for functions that the fake does not have. */
static CUresult other_arguments(void)
{
  rkf_lint("a function was looked up with a version in which it takes other arguments");
  return CUDA_ERROR_INVALID_VALUE;
}

static const struct {
  const char *name;
  int version;
  const char *symbol;
  void (*address)(void);
} table[] = {
#define ROW(name, version, symbol) {#name, version, #symbol, (void (*)(void))symbol},
    FUNCTIONS(ROW)
#undef ROW
        {"cuCtxGetDevice", 13000, "cuCtxGetDevice", (void (*)(void))other_arguments},
    {"cuCtxSynchronize", 13000, "cuCtxSynchronize", (void (*)(void))other_arguments},
};

static bool is_listed(const char *list, const char *name)
{
  size_t length = strlen(name);
  for (const char *at = list; at != NULL && *at != '\0';) {
    size_t word = strcspn(at, ",");
    if (word == length && memcmp(at, name, word) == 0) {
      return true;
    }
    at += word;
    at += *at == ',';
  }
  return false;
}

RKF_EXPORT CUresult cuGetProcAddress_v2(const char *name, void **pfn, int version, uint64_t flags,
                                        CUdriverProcAddressQueryResult *status)
{
  RKF_ENTER(RKF_ANY);
  CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  int best = 0;
  if (name == NULL || pfn == NULL || flags > 1) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *pfn = NULL;
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (strcmp(table[i].name, name) != 0 || table[i].version > rkf.config.driver ||
        is_listed(rkf.config.missing, name) || is_listed(rkf.config.missing, table[i].symbol)) {
      continue;
    }
    if (table[i].version > version) {
      found = *pfn == NULL ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : found;
    } else if (table[i].version >= best) {
      best = table[i].version;
      found = CU_GET_PROC_ADDRESS_SUCCESS;
      memcpy(pfn, &table[i].address, sizeof(*pfn));
    }
  }
  if (status != NULL) {
    *status = found;
  }
  return *pfn != NULL ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
