/* SPDX-License-Identifier: MIT */
/*
 * Reading what devices there are and what they can do.
 */
#include "backend/cuda/cuda_device.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#include "backend/cuda/cuda_error.h"

/* The oldest device that current compilers (NVRTC 13) make code for. Our own need is older: threads
 * of a warp that wait for each other make progress since 7.0. */
#define OLDEST_CC 75

/* One fact that an attribute says, and where it goes. */
typedef struct fact {
  CUdevice_attribute attribute;
  uint32_t fallback; /* for a driver that does not know the attribute */
  size_t offset;
} fact;

#define FACT(name, fallback, field)                                            \
  {                                                                            \
    CU_DEVICE_ATTRIBUTE_##name, fallback, offsetof(rk_cuda_device_info, field) \
  }

/* Into uint32_t fields. */
static const fact numbers[] = {
    FACT(COMPUTE_CAPABILITY_MAJOR, 0, cc_major),
    FACT(COMPUTE_CAPABILITY_MINOR, 0, cc_minor),
    FACT(MULTIPROCESSOR_COUNT, 0, processors),
    FACT(WARP_SIZE, 32, warp_lanes),
    FACT(CLOCK_RATE, 0, clock_khz),
    FACT(L2_CACHE_SIZE, 0, l2_bytes),
    FACT(MAX_THREADS_PER_BLOCK, 0, block_lanes_max),
    FACT(MAX_THREADS_PER_MULTIPROCESSOR, 0, processor_lanes_max),
    FACT(MAX_BLOCKS_PER_MULTIPROCESSOR, 0, processor_blocks_max),
    FACT(MAX_REGISTERS_PER_MULTIPROCESSOR, 0, processor_registers),
    FACT(MAX_SHARED_MEMORY_PER_BLOCK, 0, block_shared_bytes),
    FACT(MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0, block_shared_optin_bytes),
    FACT(MAX_SHARED_MEMORY_PER_MULTIPROCESSOR, 0, processor_shared_bytes),
    FACT(RESERVED_SHARED_MEMORY_PER_BLOCK, 0, block_shared_reserved_bytes),
    FACT(ASYNC_ENGINE_COUNT, 0, copy_engines),
    FACT(MEM_SYNC_DOMAIN_COUNT, 1, mem_sync_domains),
    FACT(COMPUTE_MODE, CU_COMPUTEMODE_DEFAULT, compute_mode),
};

/* Into bool fields. */
static const fact flags[] = {
    FACT(COOPERATIVE_LAUNCH, 0, has_cooperative_launch),
    FACT(CAN_MAP_HOST_MEMORY, 0, has_mapped_memory),
    FACT(UNIFIED_ADDRESSING, 0, has_unified_addressing),
    FACT(KERNEL_EXEC_TIMEOUT, 0, has_exec_timeout),
    FACT(CONCURRENT_KERNELS, 0, has_concurrent_kernels),
    FACT(STREAM_PRIORITIES_SUPPORTED, 0, has_stream_priorities),
    FACT(HOST_NATIVE_ATOMIC_SUPPORTED, 0, has_host_atomics),
    FACT(MANAGED_MEMORY, 0, has_managed_memory),
    FACT(CLUSTER_LAUNCH, 0, has_clusters),
    FACT(MEMORY_POOLS_SUPPORTED, 0, has_pools),
    FACT(MPS_ENABLED, 0, has_mps),
    FACT(INTEGRATED, 0, is_integrated),
};

#undef FACT

/* Asks for one attribute. A driver older than the attribute calls it an invalid value: that is the
 * fallback, not a failure. */
static int read_attribute(const rk_cuda_api *api, CUdevice device, CUdevice_attribute attribute,
                          int fallback, int *value, rk_error *err)
{
  int read = 0;
  CUresult result = api->device_get_attribute(&read, attribute, device);
  if (result == CUDA_ERROR_INVALID_VALUE) {
    *value = fallback;
    return RK_OK;
  }
  if (result != CUDA_SUCCESS) {
    int rc = rk_cuda_check(api, result, "cuDeviceGetAttribute", err);
    (void)rk_error_prefix(err, "attribute %d", (int)attribute);
    return rc;
  }
  *value = read;
  return RK_OK;
}

static int read_attributes(const rk_cuda_api *api, rk_cuda_device_info *info, rk_error *err)
{
  int value = 0;
  for (size_t i = 0; i < RK_ARRAY_LEN(numbers); ++i) {
    int rc = read_attribute(api, info->device, numbers[i].attribute, (int)numbers[i].fallback,
                            &value, err);
    if (rc != RK_OK) {
      return rc;
    }
    uint32_t number = value > 0 ? (uint32_t)value : 0;
    memcpy((char *)info + numbers[i].offset, &number, sizeof(number));
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(flags); ++i) {
    int rc = read_attribute(api, info->device, flags[i].attribute, (int)flags[i].fallback, &value,
                            err);
    if (rc != RK_OK) {
      return rc;
    }
    bool flag = value != 0;
    memcpy((char *)info + flags[i].offset, &flag, sizeof(flag));
  }
  int rc = read_attribute(api, info->device, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, -1, &value, err);
  if (rc == RK_OK) {
    info->numa_node = value;
  }
  return rc;
}

/* What the device and the driver can do only together. */
static void join_with_driver(const rk_cuda_api *api, rk_cuda_device_info *info)
{
  info->cc = info->cc_major * 10 + info->cc_minor;
  if (info->block_shared_optin_bytes < info->block_shared_bytes) {
    info->block_shared_optin_bytes = info->block_shared_bytes;
  }
  if (info->mem_sync_domains == 0) {
    info->mem_sync_domains = 1;
  }
  info->has_clusters = info->has_clusters && info->cc >= 90 &&
                       rk_cuda_has(api, RK_CUDA_LAUNCH_EX) && rk_cuda_has(api, RK_CUDA_CLUSTERS);
  info->has_pools = info->has_pools && rk_cuda_has(api, RK_CUDA_POOLS);
  /* Asking costs no context and answers for this device: mere presence of the functions does not
   * say that it can be divided. */
  CUdevResource resource;
  memset(&resource, 0, sizeof(resource));
  info->has_green_contexts = rk_cuda_has(api, RK_CUDA_GREEN) &&
                             api->device_get_dev_resource(info->device, &resource,
                                                          CU_DEV_RESOURCE_TYPE_SM) ==
                                 CUDA_SUCCESS &&
                             resource.type == CU_DEV_RESOURCE_TYPE_SM && resource.sm.smCount > 0;
}

static void format_uuid(const CUuuid *uuid, char *text, size_t text_bytes)
{
  unsigned char b[16];
  memcpy(b, uuid->bytes, sizeof(b));
  (void)snprintf(text, text_bytes,
                 "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                 b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                 b[14], b[15]);
}

int rk_cuda_device_count(const rk_cuda_api *api, uint32_t *count, rk_error *err)
{
  int found = 0;
  CUresult result = api->device_get_count(&found);
  if (result != CUDA_SUCCESS) {
    return rk_cuda_check(api, result, "cuDeviceGetCount", err);
  }
  *count = found > 0 ? (uint32_t)found : 0;
  return RK_OK;
}

int rk_cuda_device_info_get(const rk_cuda_api *api, uint32_t ordinal, rk_cuda_device_info *out,
                            rk_error *err)
{
  uint32_t count = 0;
  int rc = rk_cuda_device_count(api, &count, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (ordinal >= count) {
    return rk_error_set(err, RK_ENO_DEVICE,
                        "device %u: there are %u CUDA devices, numbered from 0 (rkl --devices "
                        "lists them)",
                        ordinal, count);
  }
  rk_cuda_device_info info;
  memset(&info, 0, sizeof(info));
  info.ordinal = ordinal;
  size_t bytes = 0;
  CUuuid uuid = {{0}};
  rc = rk_cuda_check(api, api->device_get(&info.device, (int)ordinal), "cuDeviceGet", err);
  if (rc == RK_OK) {
    rc = rk_cuda_check(api, api->device_get_name(info.name, (int)sizeof(info.name), info.device),
                       "cuDeviceGetName", err);
  }
  if (rc == RK_OK) {
    rc = rk_cuda_check(api, api->device_get_uuid(&uuid, info.device), "cuDeviceGetUuid", err);
  }
  if (rc == RK_OK) {
    rc = rk_cuda_check(
        api, api->device_get_pci_bus_id(info.pci_bus, (int)sizeof(info.pci_bus), info.device),
        "cuDeviceGetPCIBusId", err);
  }
  if (rc == RK_OK) {
    rc = rk_cuda_check(api, api->device_total_mem(&bytes, info.device), "cuDeviceTotalMem", err);
  }
  if (rc == RK_OK) {
    rc = read_attributes(api, &info, err);
  }
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "device %u", ordinal);
    return rc;
  }
  info.name[sizeof(info.name) - 1] = '\0';
  info.pci_bus[sizeof(info.pci_bus) - 1] = '\0';
  info.memory_bytes = bytes;
  format_uuid(&uuid, info.uuid, sizeof(info.uuid));
  join_with_driver(api, &info);
  *out = info;
  return RK_OK;
}

const char *rk_cuda_device_problem(const rk_cuda_device_info *info)
{
  if (info->cc < OLDEST_CC) {
    return "its compute capability is below 7.5; a Turing (2018) or later GPU is needed";
  }
  if (info->compute_mode == CU_COMPUTEMODE_PROHIBITED) {
    return "its compute mode is 'prohibited'; nvidia-smi -c DEFAULT (as root) opens it";
  }
  if (!info->has_cooperative_launch) {
    return "it has no cooperative launch, without which blocks that wait for each other may never "
           "all start";
  }
  if (!info->has_mapped_memory) {
    return "it does not reach host memory, where the rings to and from the host are";
  }
  if (!info->has_unified_addressing) {
    return "it sees host memory at other addresses than the host does (no unified addressing)";
  }
  if (info->has_exec_timeout) {
    return "it drives a display, whose watchdog ends kernels after seconds; use a GPU without a "
           "display, or take the display off it";
  }
  return NULL;
}

/* The driver lets nobody else in. */
static int tell_taken(const rk_cuda_device_info *info, rk_error *err)
{
  if (info->compute_mode == CU_COMPUTEMODE_EXCLUSIVE_PROCESS) {
    return rk_error_set(
        err, RK_ENO_DEVICE,
        "device %u (%s) is taken: its compute mode lets one process in at a time, and "
        "another one is there (nvidia-smi names it); end that one, or allow several "
        "with nvidia-smi -c DEFAULT (as root)",
        info->ordinal, info->name);
  }
  return rk_error_set(err, RK_ENO_DEVICE,
                      "device %u (%s) is taken or does not work (CUDA_ERROR_DEVICE_UNAVAILABLE); "
                      "nvidia-smi names processes that use it and its state",
                      info->ordinal, info->name);
}

int rk_cuda_context_open(const rk_cuda_api *api, const rk_cuda_device_info *info, CUcontext *out,
                         rk_error *err)
{
  CUcontext context = NULL;
  CUdevice device = info->device;
  CUresult result = api->device_primary_ctx_retain(&context, device);
  if (result == CUDA_ERROR_DEVICE_UNAVAILABLE) {
    return tell_taken(info, err);
  }
  int rc = rk_cuda_check(api, result, "cuDevicePrimaryCtxRetain", err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = rk_cuda_check(api, api->ctx_set_current(context), "cuCtxSetCurrent", err);
  if (rc != RK_OK) {
    (void)api->device_primary_ctx_release(device);
    return rc;
  }
  *out = context;
  return RK_OK;
}

void rk_cuda_context_close(const rk_cuda_api *api, CUdevice device, CUcontext context)
{
  /* A context that is gone must not stay current; another one is none of our business. */
  CUcontext current = NULL;
  if (api->ctx_get_current(&current) == CUDA_SUCCESS && current == context) {
    (void)api->ctx_set_current(NULL);
  }
  (void)api->device_primary_ctx_release(device);
}
