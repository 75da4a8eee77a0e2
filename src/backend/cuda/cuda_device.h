/* SPDX-License-Identifier: MIT */
/*
 * The devices that the driver sees: what each of them is, whether it can run a resident grid, and
 * its primary context.
 *
 * Nothing here is remembered: an info is a plain record that the caller keeps. Reading it makes no
 * context, so a report costs no device memory. Used by the backend's open and by rk.devices().
 */
#ifndef RK_BACKEND_CUDA_DEVICE_H
#define RK_BACKEND_CUDA_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#include "backend/cuda/cuda_api.h"

typedef struct rk_cuda_device_info {
  char name[96];
  char uuid[41];    /* "GPU-" and 32 hex digits in five groups */
  char pci_bus[16]; /* "0000:3b:00.0" */
  uint32_t ordinal; /* number of the device: CUDA_VISIBLE_DEVICES decides what it counts */
  CUdevice device;
  uint32_t cc; /* compute capability times ten: 75, 90, 121 */
  uint32_t cc_major, cc_minor;
  uint64_t memory_bytes;

  uint32_t processors; /* multiprocessors */
  uint32_t warp_lanes;
  uint32_t clock_khz; /* 0 where the driver does not say */
  uint32_t l2_bytes;
  uint32_t block_lanes_max;     /* threads in a block */
  uint32_t processor_lanes_max; /* threads on a multiprocessor */
  uint32_t processor_blocks_max;
  uint32_t processor_registers;
  uint32_t block_shared_bytes;       /* without asking */
  uint32_t block_shared_optin_bytes; /* after func_set_attribute */
  uint32_t processor_shared_bytes;
  uint32_t block_shared_reserved_bytes; /* that the system takes of it for each block */
  uint32_t copy_engines;
  uint32_t mem_sync_domains; /* 1 where there is only one */
  int32_t numa_node;         /* of the host, next to the device; -1: not known */
  uint32_t compute_mode;     /* CU_COMPUTEMODE_* */

  bool has_cooperative_launch;
  bool has_mapped_memory;      /* host memory that the device reaches */
  bool has_unified_addressing; /* at one address on both sides */
  bool has_exec_timeout;       /* a display's watchdog ends long kernels */
  bool has_concurrent_kernels;
  bool has_stream_priorities;
  bool has_host_atomics; /* read-modify-write on host memory is atomic with the processor's */
  bool has_managed_memory;
  bool has_clusters; /* the device has them and the driver can launch and count them */
  bool has_pools;
  bool has_green_contexts;
  bool has_mps;       /* contexts on it go through MPS; false where the driver is too old to say */
  bool is_integrated; /* shares the host's memory */
} rk_cuda_device_info;

/* The number of devices. Errors: rk_cuda_status. Threads: any. */
int rk_cuda_device_count(const rk_cuda_api *api, uint32_t *count, rk_error *err);

/* Describes the device `ordinal`, from 0. RK_ENO_DEVICE if there is none of that number; else as
 * above. Threads: any. */
int rk_cuda_device_info_get(const rk_cuda_api *api, uint32_t ordinal, rk_cuda_device_info *out,
                            rk_error *err);

/* Why the device can not run a resident grid, in one line that says what to do, or NULL if it can.
 * A static text. Threads: any. */
const char *rk_cuda_device_problem(const rk_cuda_device_info *info);

/* Takes a reference to the device's primary context and makes it the calling thread's current one.
 * Other users of CUDA in the process share it; its flags are left as they are. Give it back with
 * rk_cuda_context_close. Errors: rk_cuda_status, no_device with a longer text where another process
 * has the device to itself. Threads: any. */
int rk_cuda_context_open(const rk_cuda_api *api, const rk_cuda_device_info *info, CUcontext *out,
                         rk_error *err);

/* Gives the reference back. The last one takes everything in the context with it; if `context` is
 * the calling thread's current one, the thread has none afterwards. Threads: any. */
void rk_cuda_context_close(const rk_cuda_api *api, CUdevice device, CUcontext context);

#endif
