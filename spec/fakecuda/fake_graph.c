/* SPDX-License-Identifier: MIT */
/*
 * Graphs, as far as capture makes them: what one stream was given, in order, replayed in order.
 */
#include "fake.h"

#include <stdlib.h>

struct CUgraphExec_st {
  struct CUgraph_st ops;
};

static void free_ops(CUgraph graph)
{
  while (graph->first != NULL) {
    rkf_op *op = graph->first;
    graph->first = op->next;
    rkf_op_free(op);
  }
}

static void count(int change)
{
  rkf_lock();
  rkf.live.graphs += change;
  rkf_unlock();
}

RKF_EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode)
{
  RKF_ENTER(RKF_CONTEXT);
  if (stream == NULL || stream == (CUstream)1) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (!rkf_stream_is(stream) || (unsigned)mode > 2u) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (rkf_stream_is_capturing(stream)) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  CUgraph graph = calloc(1, sizeof(*graph));
  if (graph == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  rkf_lock();
  stream->capture = graph;
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_stream_is(stream) || !rkf_stream_is_capturing(stream)) {
    return CUDA_ERROR_ILLEGAL_STATE;
  }
  rkf_lock();
  *graph = stream->capture;
  stream->capture = NULL;
  rkf.live.graphs++;
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  *status = rkf_stream_is_capturing(stream) ? CU_STREAM_CAPTURE_STATUS_ACTIVE
                                            : CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph,
                                                unsigned long long flags)
{
  RKF_ENTER(RKF_CONTEXT);
  (void)flags;
  CUgraphExec made = graph != NULL ? calloc(1, sizeof(*made)) : NULL;
  if (made == NULL) {
    return graph == NULL ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (const rkf_op *op = graph->first; op != NULL; op = op->next) {
    rkf_op *copy = rkf_op_copy(op);
    if (copy == NULL) {
      free_ops(&made->ops);
      free(made);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (made->ops.first == NULL) {
      made->ops.first = copy;
    } else {
      made->ops.last->next = copy;
    }
    made->ops.last = copy;
  }
  count(1);
  *exec = made;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  CUresult code = CUDA_SUCCESS;
  if (exec == NULL || !rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  for (const rkf_op *op = exec->ops.first; op != NULL && code == CUDA_SUCCESS; op = op->next) {
    rkf_op *copy = rkf_op_copy(op);
    if (copy != NULL && copy->is_kernel) {
      copy->u.kernel.dies = rkf_kernel_fault();
    }
    code = copy != NULL ? rkf_op_submit(stream, copy) : CUDA_ERROR_OUT_OF_MEMORY;
  }
  return code;
}

RKF_EXPORT CUresult cuGraphDestroy(CUgraph graph)
{
  RKF_ENTER(RKF_CONTEXT);
  if (graph == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  free_ops(graph);
  free(graph);
  count(-1);
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuGraphExecDestroy(CUgraphExec exec)
{
  RKF_ENTER(RKF_CONTEXT);
  if (exec == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  free_ops(&exec->ops);
  free(exec);
  count(-1);
  return CUDA_SUCCESS;
}
