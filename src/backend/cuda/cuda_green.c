/* SPDX-License-Identifier: MIT */
/*
 * A device in two parts: the resident grid on some of its multiprocessors, everything else that
 * this backend launches on the others.
 *
 * Two green contexts, and streams that were made in them, do it; code and memory stay those of the
 * primary context, which is the current one all the time. Both parts are needed: work on a stream
 * of the primary context may be put anywhere, also beside a polling block.
 */
#include "backend/cuda/cuda_internal.h"

#include <string.h>

#include "backend/cuda/cuda_error.h"

static int open_context(rk_backend *backend, CUdevResource *resource, CUgreenCtx *out,
                        rk_error *err)
{
  const rk_cuda_api *api = backend->api;
  CUdevResourceDesc desc = NULL;
  int rc = rk__cuda_check(backend, api->dev_resource_generate_desc(&desc, resource, 1),
                          "cuDevResourceGenerateDesc", err);
  if (rc == RK_OK) {
    rc = rk__cuda_check(
        backend,
        api->green_ctx_create(out, desc, backend->device.device, CU_GREEN_CTX_DEFAULT_STREAM),
        "cuGreenCtxCreate", err);
  }
  return rc;
}

/* Divides the multiprocessors: at least `wanted` in *grid, the others in *rest. */
static int split(rk_backend *backend, uint32_t wanted, CUdevResource *grid, CUdevResource *rest,
                 rk_error *err)
{
  const rk_cuda_api *api = backend->api;
  CUdevResource all;
  unsigned int groups = 1;
  memset(&all, 0, sizeof(all));
  memset(grid, 0, sizeof(*grid));
  memset(rest, 0, sizeof(*rest));
  int rc = rk__cuda_check(
      backend, api->device_get_dev_resource(backend->device.device, &all, CU_DEV_RESOURCE_TYPE_SM),
      "cuDeviceGetDevResource", err);
  if (rc != RK_OK) {
    return rc;
  }
  CUresult result = api->dev_sm_resource_split_by_count(grid, &groups, &all, rest, 0, wanted);
  bool is_whole = result == CUDA_SUCCESS &&
                  (groups == 0 || rest->type != CU_DEV_RESOURCE_TYPE_SM || rest->sm.smCount == 0);
  if (is_whole || result == CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION ||
      result == CUDA_ERROR_INVALID_VALUE) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "sms: %s has %u multiprocessors, of which %u (in steps of %u) cannot be "
                        "set apart with some left over; ask for fewer, or open without it",
                        backend->device.name, all.sm.smCount, wanted,
                        all.sm.smCoscheduledAlignment);
  }
  return rk__cuda_check(backend, result, "cuDevSmResourceSplitByCount", err);
}

int rk__cuda_green_open(rk_backend *backend, uint32_t wanted, rk_error *err)
{
  CUdevResource grid, rest;
  if (!backend->device.has_green_contexts) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "sms: the driver cannot divide the multiprocessors of %s (green contexts, "
                        "CUDA 12.5); update it, or open without it",
                        backend->device.name);
  }
  int rc = split(backend, wanted, &grid, &rest, err);
  if (rc == RK_OK) {
    rc = open_context(backend, &grid, &backend->grid_green, err);
  }
  if (rc == RK_OK) {
    rc = open_context(backend, &rest, &backend->rest_green, err);
  }
  if (rc == RK_OK) {
    backend->sms = grid.sm.smCount;
  }
  return rc;
}

int rk__cuda_green_stream(rk_backend *backend, CUgreenCtx green, CUstream *out, rk_error *err)
{
  return rk__cuda_check(
      backend, backend->api->green_ctx_stream_create(out, green, CU_STREAM_NON_BLOCKING, 0),
      "cuGreenCtxStreamCreate", err);
}

void rk__cuda_green_close(rk_backend *backend)
{
  CUgreenCtx *const contexts[] = {&backend->grid_green, &backend->rest_green};
  for (int i = 0; i < 2; ++i) {
    if (*contexts[i] != NULL) {
      (void)backend->api->green_ctx_destroy(*contexts[i]);
      *contexts[i] = NULL;
    }
  }
}
