/* SPDX-License-Identifier: MIT */
/*
 * One process at a time has a device for its grids.
 *
 * Resident grids of two processes on one device take turns of milliseconds, and each would see the
 * other's turns as its own hanging. So a process claims a device (by its UUID, so that MIG instances
 * are devices of their own) before it makes anything there, and another that comes is told who has
 * it. Runtimes of one process share its claim. Two ways round: MPS runs kernels of several processes
 * side by side, and RINGKERNEL_SHARE_DEVICE=1 says that one knows. Who comes either way shares the
 * claim with others of the kind; who comes without is refused while they are there.
 *
 * The claim is advice among users of this library: other CUDA programs do not ask for it. It lies in
 * /tmp, not in folders that differ from user to user; where it cannot be made, and between
 * containers with folders of their own, it is not checked.
 *
 * Used by the backend's open and close, by rk.devices() and `rkl --doctor`.
 */
#ifndef RK_BACKEND_CUDA_CLAIM_H
#define RK_BACKEND_CUDA_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/cuda/cuda_device.h"
#include "base/error.h"

typedef struct rk_cuda_claim rk_cuda_claim;

/* Another process that has a device. */
typedef struct rk_cuda_holder {
  uint64_t pid;   /* 0: the system does not show it */
  char name[32];  /* "rkl"; empty where it is not known */
  bool is_shared; /* it lets others in */
} rk_cuda_holder;

/* Claims the device for this process, once more if it has it already. Give it back with
 * rk_cuda_claim_drop. Errors: no_device (another process has it), invalid (RINGKERNEL_SHARE_DEVICE),
 * out_of_memory. Threads: any. */
int rk_cuda_claim_take(const rk_cuda_device_info *info, rk_cuda_claim **out, rk_error *err);

/* Gives it back; the last one frees the device for others. NULL is allowed, and nothing happens to
 * a claim of the parent of a forked child. Threads: any. */
void rk_cuda_claim_drop(rk_cuda_claim *claim);

/* The process is about to end and no grid of its runs any more: gives up all claims, whoever still
 * holds them. Threads: any. */
void rk_cuda_claims_end(void);

/* "exclusive", "mps", "shared" (by RINGKERNEL_SHARE_DEVICE), or "unchecked" where the file could
 * not be made. Threads: any. */
const char *rk_cuda_claim_kind(const rk_cuda_claim *claim);

/* Whether another process has the device, and which one. Threads: any. */
bool rk_cuda_claim_holder(const rk_cuda_device_info *info, rk_cuda_holder *out);

/* RK_OK if rk_cuda_claim_take would not be refused now; else its error. Threads: any. */
int rk_cuda_claim_check(const rk_cuda_device_info *info, rk_error *err);

#endif
