/* SPDX-License-Identifier: MIT */
/*
 * Events: marks in streams that programs and other streams wait for.
 *
 * An event counts how often it was recorded and how far its streams have come with that. It stays
 * in memory while an operation names it, also when it has been destroyed.
 */
#include "fake.h"

#include <stdlib.h>
#include <time.h>

struct CUevent_st {
  uint64_t wanted, done; /* how often recorded, how often reached */
  uint64_t done_ns;
  CUstream stream; /* recorded into last */
  int pins;        /* operations that name it */
  bool is_destroyed, has_time;
};

void rkf_event_pin_locked(CUevent event)
{
  event->pins++;
}

void rkf_event_unpin_locked(CUevent event)
{
  if (--event->pins == 0 && event->is_destroyed) {
    free(event);
  }
}

static void run_record(rkf_op *op)
{
  struct timespec now;
  CUevent event = op->u.event.event;
  clock_gettime(CLOCK_MONOTONIC, &now);
  rkf_lock();
  event->done = op->u.event.version;
  event->done_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
  rkf_changed_locked();
  rkf_unlock();
}

static void run_wait(rkf_op *op)
{
  rkf_lock();
  while (op->u.event.event->done < op->u.event.version && rkf.sticky == 0) {
    rkf_wait_locked();
  }
  rkf_unlock();
}

static CUresult submit_event(CUstream stream, CUevent event, bool is_record)
{
  rkf_op *op = rkf_op_new(is_record ? run_record : run_wait, 0);
  if (op == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  op->names_event = true;
  CUstream s = rkf_stream_resolve(stream);
  rkf_lock();
  event->pins++;
  if (is_record) {
    event->wanted++;
    event->stream = s;
  }
  op->u.event.event = event;
  op->u.event.version = event->wanted;
  rkf_unlock();
  return rkf_op_submit(stream, op);
}

RKF_EXPORT CUresult cuEventCreate(CUevent *event, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  CUevent made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  made->has_time = (flags & CU_EVENT_DISABLE_TIMING) == 0;
  rkf_lock();
  rkf.live.events++;
  rkf_unlock();
  *event = made;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuEventDestroy_v2(CUevent event)
{
  RKF_ENTER(RKF_CONTEXT);
  if (event == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  rkf_lock();
  rkf.live.events--;
  event->is_destroyed = true;
  event->pins++;
  rkf_event_unpin_locked(event);
  rkf_unlock();
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuEventRecord(CUevent event, CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  if (event == NULL || !rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return submit_event(stream, event, true);
}

RKF_EXPORT CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  if (event == NULL || !rkf_stream_is(stream) || (flags & ~1u) != 0) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  return submit_event(stream, event, false);
}

RKF_EXPORT CUresult cuEventQuery(CUevent event)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_lock();
  int code = rkf.sticky != 0               ? rkf.sticky
             : event->done < event->wanted ? CUDA_ERROR_NOT_READY
                                           : CUDA_SUCCESS;
  rkf_unlock();
  return code;
}

/* A resident kernel stands between the event and its stream's end of work. */
static bool waits_for_resident_locked(const struct CUevent_st *event)
{
  CUstream stream = event->stream;
  if (rkf.sticky != 0 || event->done == event->wanted || !rkf_stream_is_listed_locked(stream)) {
    return false;
  }
  if (stream->running != NULL && stream->running->is_resident) {
    return true;
  }
  for (const rkf_op *op = stream->first; op != NULL; op = op->next) {
    if (op->is_resident) {
      return true;
    }
    if (op->run == run_record && op->u.event.event == event) {
      return false;
    }
  }
  return false;
}

RKF_EXPORT CUresult cuEventSynchronize(CUevent event)
{
  RKF_ENTER(RKF_CONTEXT);
  rkf_lock();
  bool waits = waits_for_resident_locked(event);
  rkf_unlock();
  CUresult code = rkf_would_wait(__func__, waits);
  if (code != CUDA_SUCCESS) {
    return code;
  }
  rkf_lock();
  while (event->done < event->wanted && rkf.sticky == 0) {
    rkf_wait_locked();
  }
  int sticky = rkf.sticky;
  rkf_unlock();
  return sticky;
}

static CUresult elapsed(float *milliseconds, CUevent start, CUevent end)
{
  CUresult code = CUDA_SUCCESS;
  rkf_lock();
  if (start->wanted == 0 || end->wanted == 0 || !start->has_time || !end->has_time) {
    code = CUDA_ERROR_INVALID_HANDLE;
  } else if (start->done != start->wanted || end->done != end->wanted) {
    code = CUDA_ERROR_NOT_READY;
  } else {
    *milliseconds = (float)((double)(int64_t)(end->done_ns - start->done_ns) / 1e6);
  }
  rkf_unlock();
  return code;
}

RKF_EXPORT CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
  RKF_ENTER(RKF_CONTEXT);
  return elapsed(milliseconds, start, end);
}

RKF_EXPORT CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end)
{
  RKF_ENTER(RKF_CONTEXT);
  return elapsed(milliseconds, start, end);
}
