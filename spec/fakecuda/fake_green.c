/* SPDX-License-Identifier: MIT */
/*
 * Green contexts: multiprocessors are counted and shared out, kernels of a green context's streams
 * may fill no more of them than it has. Which ones they run on is not modelled.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

struct CUdevResourceDesc_st {
  unsigned sms;
};

struct CUgreenCtx_st {
  struct CUctx_st ctx;
};

/* The smallest group and what groups are multiples of. */
static unsigned group_step(void)
{
  return rkf.config.cc >= 90 ? 8 : rkf.config.cc >= 80 ? 4 : 2;
}

static CUdevResource resource_of(unsigned sms)
{
  CUdevResource r;
  memset(&r, 0, sizeof(r));
  r.type = CU_DEV_RESOURCE_TYPE_SM;
  r.sm.smCount = sms;
  r.sm.minSmPartitionSize = group_step();
  r.sm.smCoscheduledAlignment = group_step();
  return r;
}

static CUresult get_resource(CUdevResource *resource, CUdevResourceType type, unsigned sms)
{
  if ((int)type != CU_DEV_RESOURCE_TYPE_SM) {
    return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  }
  *resource = resource_of(sms);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDeviceGetDevResource(CUdevice device, CUdevResource *resource,
                                           CUdevResourceType type)
{
  RKF_ENTER(RKF_INIT);
  return rkf_device_exists(device) ? get_resource(resource, type, (unsigned)rkf.config.sms)
                                   : CUDA_ERROR_INVALID_DEVICE;
}

RKF_EXPORT CUresult cuCtxGetDevResource(CUcontext ctx, CUdevResource *resource,
                                        CUdevResourceType type)
{
  RKF_ENTER(RKF_INIT);
  return ctx != NULL ? get_resource(resource, type, ctx->sms) : CUDA_ERROR_INVALID_CONTEXT;
}

RKF_EXPORT CUresult cuGreenCtxGetDevResource(CUgreenCtx green, CUdevResource *resource,
                                             CUdevResourceType type)
{
  RKF_ENTER(RKF_INIT);
  return green != NULL ? get_resource(resource, type, green->ctx.sms) : CUDA_ERROR_INVALID_CONTEXT;
}

/* With `result` NULL: only how many groups there would be. */
RKF_EXPORT CUresult cuDevSmResourceSplitByCount(CUdevResource *result, unsigned *group_count,
                                                const CUdevResource *input,
                                                CUdevResource *remaining, unsigned flags,
                                                unsigned least)
{
  RKF_ENTER(RKF_INIT);
  unsigned step = (flags & 1u) != 0 ? 2 : group_step();
  if ((int)input->type != CU_DEV_RESOURCE_TYPE_SM) {
    return CUDA_ERROR_INVALID_RESOURCE_TYPE;
  }
  unsigned size = least == 0 ? step : (least + step - 1) / step * step;
  unsigned possible = input->sm.smCount / size;
  if (least > input->sm.smCount || possible == 0) {
    return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
  }
  if (result == NULL) {
    *group_count = possible;
    return CUDA_SUCCESS;
  }
  *group_count = *group_count < possible ? *group_count : possible;
  for (unsigned i = 0; i < *group_count; i++) {
    result[i] = resource_of(size);
  }
  if (remaining != NULL) {
    *remaining = resource_of(input->sm.smCount - *group_count * size);
    if (remaining->sm.smCount == 0) {
      remaining->type = CU_DEV_RESOURCE_TYPE_INVALID;
    }
  }
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuDevResourceGenerateDesc(CUdevResourceDesc *desc, CUdevResource *resources,
                                              unsigned count)
{
  RKF_ENTER(RKF_INIT);
  unsigned sms = 0;
  for (unsigned i = 0; i < count; i++) {
    if ((int)resources[i].type != CU_DEV_RESOURCE_TYPE_SM) {
      return CUDA_ERROR_INVALID_RESOURCE_TYPE;
    }
    sms += resources[i].sm.smCount;
  }
  if (sms == 0 || sms > (unsigned)rkf.config.sms) {
    return CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION;
  }
  /* The interface has no way to give a description back: one for each number of processors. */
  static struct CUdevResourceDesc_st descriptions[1024];
  if (sms >= sizeof(descriptions) / sizeof(descriptions[0])) {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  rkf_lock();
  descriptions[sms].sms = sms;
  rkf_unlock();
  *desc = &descriptions[sms];
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuGreenCtxCreate(CUgreenCtx *green, CUdevResourceDesc desc, CUdevice device,
                                     unsigned flags)
{
  RKF_ENTER(RKF_INIT);
  if (!rkf_device_exists(device) || desc == NULL || flags != CU_GREEN_CTX_DEFAULT_STREAM) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUgreenCtx made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  made->ctx = (struct CUctx_st){.device = device, .sms = desc->sms, .is_alive = true};
  rkf_lock();
  rkf.live.contexts++;
  rkf_unlock();
  *green = made;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuGreenCtxDestroy(CUgreenCtx green)
{
  RKF_ENTER(RKF_INIT);
  if (green == NULL) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  rkf_lock();
  rkf.live.contexts--;
  rkf_unlock();
  free(green);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuCtxFromGreenCtx(CUcontext *ctx, CUgreenCtx green)
{
  RKF_ENTER(RKF_INIT);
  if (green == NULL) {
    return CUDA_ERROR_INVALID_CONTEXT;
  }
  *ctx = &green->ctx;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuGreenCtxStreamCreate(CUstream *stream, CUgreenCtx green, unsigned flags,
                                           int priority)
{
  RKF_ENTER(RKF_INIT);
  if (green == NULL || flags != CU_STREAM_NON_BLOCKING) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return rkf_stream_make(stream, &green->ctx, flags, priority);
}
