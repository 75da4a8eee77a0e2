/* SPDX-License-Identifier: MIT */
/*
 * What a driver call returned, as one of our status codes and one line of text.
 *
 * Used after every call of the driver: `rc = rk_cuda_check(api, api->mem_alloc(...), "cuMemAlloc",
 * err)`. Some results mean that the context is lost for good: rk_cuda_is_sticky.
 */
#ifndef RK_BACKEND_CUDA_ERROR_H
#define RK_BACKEND_CUDA_ERROR_H

#include <stdbool.h>

#include "base/error.h"

#include "backend/cuda/cuda_api.h"

/* The status code of a result: RK_OK for CUDA_SUCCESS, RK_EIO for what has no better one.
 * CUDA_ERROR_NOT_READY, which is an answer rather than a failure, is RK_ETIMEOUT. Threads: any. */
int rk_cuda_status(CUresult result);

/* Whether every later call on the context fails with the same result (a fault in a kernel, a lost
 * device): memory and kernels of the context are gone, and only a new process gets a working one.
 * All of these are RK_EDEVICE_LOST. Threads: any. */
bool rk_cuda_is_sticky(CUresult result);

/* The name of a result, CUDA's own ("CUDA_ERROR_OUT_OF_MEMORY"), or "unknown result". Asks the
 * driver for names that we do not know; `api` may be NULL or not filled yet. Threads: any. */
const char *rk_cuda_result_name(const rk_cuda_api *api, CUresult result);

/* RK_OK for CUDA_SUCCESS, with `err` untouched. Otherwise fills `err` with "call: NAME (number):
 * the driver's text" and returns rk_cuda_status(result). `api` as above. Threads: any. */
int rk_cuda_check(const rk_cuda_api *api, CUresult result, const char *call, rk_error *err);

#endif
