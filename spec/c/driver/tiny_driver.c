/* SPDX-License-Identifier: MIT */
/*
 * A CUDA driver that only says what it is: enough to be opened and asked for its devices. For
 * spec/c/cuda_api_test.c and the specs of `rkl --doctor`; it runs nothing. The environment says
 * what kind of driver it plays, and is read at each call:
 *
 *   TINY_INIT=803            what cuInit returns
 *   TINY_VERSION=12040       the driver's version (13000)
 *   TINY_LACK=cuA,cuB        functions that cuGetProcAddress does not find; "*": any
 *   TINY_DEVICES=2           the number of devices (1)
 *   TINY_ATTRIBUTE_95=0      a device attribute; "unknown": as an older driver answers
 *   TINY_FAIL=cuDeviceGetName:719   a function that fails, and with what
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/cuda_api.h"

#define DECLARE(group, field, name, suffix, version, arguments) CUresult name##suffix arguments;
RK_CUDA_FUNCTIONS(DECLARE)

int tiny_count(const char *what);

static int init_calls, contexts;
static CUcontext current;
static int context_memory; /* what a context points to */

/* For the tests: "init": calls of cuInit; "contexts": references to the primary context. */
int tiny_count(const char *what)
{
  return strcmp(what, "init") == 0 ? __atomic_load_n(&init_calls, __ATOMIC_SEQ_CST) : contexts;
}

static int setting(const char *name, int fallback)
{
  const char *text = getenv(name);
  return text != NULL && text[0] != '\0' ? atoi(text) : fallback;
}

/* What TINY_FAIL has for `name`. */
static CUresult fault(const char *name)
{
  const char *text = getenv("TINY_FAIL");
  size_t length = strlen(name);
  if (text != NULL && strncmp(text, name, length) == 0 && text[length] == ':') {
    return (CUresult)atoi(text + length + 1);
  }
  return CUDA_SUCCESS;
}

CUresult cuInit(unsigned int flags)
{
  __atomic_add_fetch(&init_calls, 1, __ATOMIC_SEQ_CST);
  const char *loading = getenv("CUDA_MODULE_LOADING");
  if (flags != 0 || loading == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return (CUresult)setting("TINY_INIT", 0);
}

CUresult cuDriverGetVersion(int *version)
{
  *version = setting("TINY_VERSION", 13000);
  return fault("cuDriverGetVersion");
}

CUresult cuGetErrorName(CUresult result, const char **text)
{
  *text = result == (CUresult)12345 ? "CUDA_ERROR_OF_TOMORROW" : NULL;
  return *text != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult result, const char **text)
{
  *text = result == CUDA_ERROR_OUT_OF_MEMORY ? "out of tiny memory" : NULL;
  return *text != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuDeviceGetCount(int *count)
{
  *count = setting("TINY_DEVICES", 1);
  return fault("cuDeviceGetCount");
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
  *device = ordinal;
  return fault("cuDeviceGet");
}

CUresult cuDeviceGetName(char *name, int bytes, CUdevice device)
{
  (void)snprintf(name, (size_t)bytes, "Tiny GPU %d", device);
  return fault("cuDeviceGetName");
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
  for (int i = 0; i < 16; ++i) {
    uuid->bytes[i] = (char)(0xf0 + i + device);
  }
  return fault("cuDeviceGetUuid");
}

CUresult cuDeviceGetPCIBusId(char *name, int bytes, CUdevice device)
{
  (void)snprintf(name, (size_t)bytes, "0000:3b:%02x.0", device);
  return fault("cuDeviceGetPCIBusId");
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
  (void)device;
  *bytes = (size_t)80 << 30;
  return fault("cuDeviceTotalMem");
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device)
{
  /* What a data-centre GPU of 2022 says, roughly. */
  static const struct {
    CUdevice_attribute attribute;
    int value;
  } facts[] = {
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 1024},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK, 49152},
      {CU_DEVICE_ATTRIBUTE_WARP_SIZE, 32},
      {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1980000},
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 132},
      {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 1},
      {CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS, 1},
      {CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, 2048},
      {CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 3},
      {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 9},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0},
      {CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH, 1},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 232448},
      {CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED, 1},
      {CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH, 1},
      {CU_DEVICE_ATTRIBUTE_MEM_SYNC_DOMAIN_COUNT, 4},
  };
  char name[40];
  (void)device;
  (void)snprintf(name, sizeof(name), "TINY_ATTRIBUTE_%d", (int)attribute);
  const char *text = getenv(name);
  if (text != NULL && strcmp(text, "unknown") == 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  *value = 0;
  for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); ++i) {
    if (facts[i].attribute == attribute) {
      *value = facts[i].value;
    }
  }
  *value = setting(name, *value);
  return fault("cuDeviceGetAttribute");
}

#ifndef TINY_OLD
CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *resource, CUdevResourceType type)
{
  (void)device;
  resource->type = type;
  resource->sm.smCount = 132;
  return fault("cuDeviceGetDevResource");
}
#endif

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device)
{
  (void)device;
  CUresult result = fault("cuDevicePrimaryCtxRetain");
  if (result == CUDA_SUCCESS) {
    ++contexts;
    *context = (CUcontext)(void *)&context_memory;
  }
  return result;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device)
{
  (void)device;
  --contexts;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext context)
{
  CUresult result = fault("cuCtxSetCurrent");
  if (result == CUDA_SUCCESS) {
    current = context;
  }
  return result;
}

CUresult cuCtxGetCurrent(CUcontext *context)
{
  *context = current;
  return CUDA_SUCCESS;
}

#ifndef TINY_OLD

CUresult cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                             CUdriverProcAddressQueryResult *found);

static bool is_lacking(const char *name)
{
  const char *list = getenv("TINY_LACK");
  if (list == NULL || strcmp(list, "*") == 0) {
    return list != NULL;
  }
  size_t length = strlen(name);
  for (const char *at = strstr(list, name); at != NULL; at = strstr(at + 1, name)) {
    bool is_start = at == list || at[-1] == ',';
    if (is_start && (at[length] == '\0' || at[length] == ',')) {
      return true;
    }
  }
  return false;
}

CUresult cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                             CUdriverProcAddressQueryResult *found)
{
  typedef void (*any_function)(void);
  static const struct {
    const char *name;
    int version;
    any_function function;
  } table[] = {
#define ENTRY(group, field, cu_name, suffix, since, arguments) \
  {#cu_name, since, (any_function)cu_name##suffix},
      RK_CUDA_FUNCTIONS(ENTRY)
#undef ENTRY
  };
  *function = NULL;
  *found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  if (flags != CU_GET_PROC_ADDRESS_LEGACY_STREAM) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); ++i) {
    if (strcmp(table[i].name, name) != 0 || is_lacking(name)) {
      continue;
    }
    /* As the real one: what is newer than the driver, or than what was asked for, is not there. */
    if (version < table[i].version || setting("TINY_VERSION", 13000) < table[i].version) {
      *found = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    } else {
      memcpy(function, &table[i].function, sizeof(*function));
      *found = CU_GET_PROC_ADDRESS_SUCCESS;
    }
  }
  return CUDA_SUCCESS;
}

#endif
