/* SPDX-License-Identifier: MIT */
/*
 * Streams: queues of operations, each with a thread that does them in order.
 *
 * The legacy stream (NULL) waits for everything that blocking streams were given before, and what
 * blocking streams get later waits for it. Streams made with CU_STREAM_NON_BLOCKING take no part in
 * that. Once the context is broken (rkf.sticky), what is still queued is passed over.
 */
#include "fake.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORKER_STACK_BYTES = 512 * 1024 };

static CUstream streams; /* all living ones, the legacy streams too */
static struct CUstream_st legacy[RKF_DEVICES_MAX];
static int ending; /* destroyed ones that still have something to do */

/* ---- operations ---- */

rkf_op *rkf_op_new(void (*run)(rkf_op *op), size_t data_bytes)
{
  rkf_op *op = calloc(1, sizeof(*op) + data_bytes);
  if (op != NULL) {
    op->run = run;
    op->data_bytes = data_bytes;
  }
  return op;
}

rkf_op *rkf_op_copy(const rkf_op *op)
{
  rkf_op *copy = rkf_op_new(op->run, op->data_bytes);
  if (copy != NULL) {
    memcpy(copy, op, sizeof(*op) + op->data_bytes);
    copy->next = NULL;
    copy->after = NULL;
    copy->after_count = 0;
    if (op->names_event) {
      rkf_lock();
      rkf_event_pin_locked(op->u.event.event);
      rkf_unlock();
    }
  }
  return copy;
}

void rkf_op_free(rkf_op *op)
{
  if (op->names_event) {
    rkf_lock();
    rkf_event_unpin_locked(op->u.event.event);
    rkf_unlock();
  }
  free(op->after);
  free(op);
}

/* ---- workers ---- */

static void unpin_stream_locked(CUstream stream)
{
  if (--stream->pins == 0 && stream->is_closed && !stream->has_worker) {
    free(stream);
  }
}

/* Waits until what `op` comes after has been done. */
static void wait_for_others_locked(const rkf_op *op)
{
  for (size_t i = 0; i < op->after_count; i++) {
    while (op->after[i].stream->completed < op->after[i].number) {
      rkf_wait_locked();
    }
    unpin_stream_locked(op->after[i].stream);
  }
}

static void sleep_us(int us)
{
  struct timespec wait = {us / 1000000, us % 1000000 * 1000L};
  if (us > 0) {
    nanosleep(&wait, NULL);
  }
}

static void *work(void *arg)
{
  CUstream stream = arg;
  rkf_lock();
  for (;;) {
    while (stream->first == NULL && !stream->is_closed) {
      rkf_wait_locked();
    }
    if (stream->first == NULL) {
      break;
    }
    rkf_op *op = stream->first;
    stream->first = op->next;
    stream->running = op;
    wait_for_others_locked(op);
    bool is_broken = rkf.sticky != 0;
    int slow_us = rkf.config.slow_us;
    rkf_unlock();
    if (!is_broken) {
      sleep_us(slow_us);
      op->run(op);
    }
    rkf_lock();
    stream->running = NULL;
    rkf_unlock();
    rkf_op_free(op);
    rkf_lock();
    stream->completed++;
    rkf_changed_locked();
  }
  stream->has_worker = false;
  if (stream->is_ending) {
    ending--;
    rkf_changed_locked();
    if (stream->pins == 0) {
      free(stream);
    }
  }
  rkf_unlock();
  return NULL;
}

/* Signals go to the program's own threads. */
int rkf_thread_start(pthread_t *thread, size_t stack_bytes, void *(*run)(void *arg), void *arg)
{
  pthread_attr_t attributes;
  sigset_t all;
  sigset_t before;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(thread, &attributes, run, arg);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failed;
}

/* ---- finding streams ---- */

CUstream rkf_stream_resolve(CUstream stream)
{
  if (stream != NULL && stream != (CUstream)1) {
    return stream;
  }
  int device = rkf_context() != NULL ? rkf_context()->device : 0;
  rkf_lock();
  CUstream found = &legacy[device];
  if (!found->is_legacy) {
    found->is_legacy = true;
    found->ctx = rkf_context();
    found->next = streams;
    streams = found;
  }
  rkf_unlock();
  return found;
}

bool rkf_stream_is_listed_locked(CUstream stream)
{
  for (CUstream s = streams; s != NULL; s = s->next) {
    if (s == stream) {
      return true;
    }
  }
  return false;
}

bool rkf_stream_is(CUstream stream)
{
  if (stream == NULL || stream == (CUstream)1) {
    return true;
  }
  rkf_lock();
  bool is_there = rkf_stream_is_listed_locked(stream);
  rkf_unlock();
  return is_there;
}

bool rkf_stream_is_capturing(CUstream stream)
{
  return stream != NULL && stream != (CUstream)1 && stream->capture != NULL;
}

static bool holds_resident_locked(const struct CUstream_st *stream)
{
  if (rkf.sticky != 0) {
    return false; /* it is dead, or will not start */
  }
  bool holds = stream->running != NULL && stream->running->is_resident;
  for (const rkf_op *op = stream->first; op != NULL && !holds; op = op->next) {
    holds = op->is_resident;
  }
  return holds;
}

bool rkf_stream_holds_resident(CUstream stream)
{
  CUstream s = rkf_stream_resolve(stream);
  rkf_lock();
  bool holds = holds_resident_locked(s);
  rkf_unlock();
  return holds;
}

bool rkf_resident_runs(void)
{
  bool runs = false;
  rkf_lock();
  for (CUstream s = streams; s != NULL && !runs; s = s->next) {
    runs = holds_resident_locked(s);
  }
  rkf_unlock();
  return runs;
}

void rkf_kernel_kill_all(int code)
{
  rkf_lock();
  for (CUstream s = streams; s != NULL; s = s->next) {
    if (s->running != NULL && s->running->is_kernel) {
      __atomic_store_n(&s->running->u.kernel.dead, code, __ATOMIC_RELAXED);
    }
  }
  rkf_changed_locked();
  rkf_unlock();
}

int rkf_kernels_count(void)
{
  int count = 0;
  rkf_lock();
  for (CUstream s = streams; s != NULL; s = s->next) {
    count += s->running != NULL && s->running->is_kernel;
    for (const rkf_op *op = s->first; op != NULL; op = op->next) {
      count += op->is_kernel;
    }
  }
  rkf_unlock();
  return count;
}

/* ---- giving and waiting ---- */

/* What `op` in `stream` has to wait for; false without memory. */
static bool find_others_locked(CUstream stream, rkf_op *op)
{
  size_t count = 0;
  if (stream->flags & CU_STREAM_NON_BLOCKING) {
    return true;
  }
  for (int pass = 0; pass < 2; pass++) {
    count = 0;
    for (CUstream s = streams; s != NULL; s = s->next) {
      bool matters = s != stream && s->is_legacy != stream->is_legacy &&
                     (s->flags & CU_STREAM_NON_BLOCKING) == 0 && s->completed < s->submitted;
      if (matters && pass == 1) {
        op->after[count] = (rkf_after){s, s->submitted};
        s->pins++;
      }
      count += matters;
    }
    if (count == 0) {
      return true;
    }
    if (pass == 0 && (op->after = calloc(count, sizeof(*op->after))) == NULL) {
      return false;
    }
  }
  op->after_count = count;
  return true;
}

CUresult rkf_op_submit(CUstream where, rkf_op *op)
{
  CUstream stream = rkf_stream_resolve(where);
  CUresult code = CUDA_SUCCESS;
  rkf_lock();
  if (stream->capture != NULL) {
    CUgraph graph = stream->capture;
    if (graph->first == NULL) {
      graph->first = op;
    } else {
      graph->last->next = op;
    }
    graph->last = op;
    rkf_unlock();
    return CUDA_SUCCESS;
  }
  if (!find_others_locked(stream, op)) {
    code = CUDA_ERROR_OUT_OF_MEMORY;
  } else if (!stream->has_worker) {
    stream->has_worker = rkf_thread_start(&stream->worker, WORKER_STACK_BYTES, work, stream) == 0;
    code = stream->has_worker ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
  }
  if (code == CUDA_SUCCESS) {
    if (stream->first == NULL) {
      stream->first = op;
    } else {
      stream->last->next = op;
    }
    stream->last = op;
    stream->submitted++;
    rkf_changed_locked();
  }
  rkf_unlock();
  if (code != CUDA_SUCCESS) {
    rkf_op_free(op);
  }
  return code;
}

static void wait_locked(CUstream stream)
{
  uint64_t goal = stream->submitted;
  stream->pins++;
  while (stream->completed < goal) {
    rkf_wait_locked();
  }
  unpin_stream_locked(stream);
}

CUresult rkf_stream_wait(CUstream where)
{
  CUstream stream = rkf_stream_resolve(where);
  rkf_lock();
  wait_locked(stream);
  int sticky = rkf.sticky;
  rkf_unlock();
  return sticky;
}

void rkf_streams_drain(void)
{
  rkf_lock();
  for (CUstream s = streams; s != NULL;) {
    if (s->completed < s->submitted) {
      wait_locked(s);
      s = streams; /* the list may have changed meanwhile */
    } else {
      s = s->next;
    }
  }
  while (ending > 0) {
    rkf_wait_locked();
  }
  rkf_unlock();
}

/* ---- streams for programs ---- */

CUresult rkf_stream_make(CUstream *stream, CUcontext ctx, unsigned flags, int priority)
{
  CUstream made = calloc(1, sizeof(*made));
  if (made == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  made->ctx = ctx;
  made->flags = flags;
  made->priority = priority;
  rkf_lock();
  made->next = streams;
  streams = made;
  rkf.live.streams++;
  rkf_unlock();
  *stream = made;
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuStreamCreate(CUstream *stream, unsigned flags)
{
  RKF_ENTER(RKF_CONTEXT);
  return (flags & ~1u) != 0 ? CUDA_ERROR_INVALID_VALUE
                            : rkf_stream_make(stream, rkf_context(), flags, 0);
}

RKF_EXPORT CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority)
{
  RKF_ENTER(RKF_CONTEXT);
  return (flags & ~1u) != 0 ? CUDA_ERROR_INVALID_VALUE
                            : rkf_stream_make(stream, rkf_context(), flags, priority);
}

RKF_EXPORT CUresult cuStreamDestroy_v2(CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  if (stream == NULL || stream == (CUstream)1 || !rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  CUresult code = rkf_would_wait(__func__, rkf_stream_holds_resident(stream));
  if (code != CUDA_SUCCESS) {
    return code;
  }
  rkf_lock();
  for (CUstream *s = &streams; *s != NULL; s = &(*s)->next) {
    if (*s == stream) {
      *s = stream->next;
      break;
    }
  }
  rkf.live.streams--;
  bool is_idle = stream->completed == stream->submitted;
  bool has_worker = stream->has_worker;
  pthread_t worker = stream->worker;
  stream->is_closed = true;
  stream->is_ending = !is_idle && has_worker; /* then the worker frees it */
  stream->pins += !stream->is_ending;
  ending += stream->is_ending;
  rkf_changed_locked();
  rkf_unlock();
  if (has_worker && is_idle) {
    pthread_join(worker, NULL);
  } else if (has_worker) {
    pthread_detach(worker);
  }
  if (is_idle || !has_worker) {
    rkf_lock();
    unpin_stream_locked(stream);
    rkf_unlock();
  }
  return CUDA_SUCCESS;
}

RKF_EXPORT CUresult cuStreamQuery(CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (rkf_stream_is_capturing(stream)) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  CUstream s = rkf_stream_resolve(stream);
  rkf_lock(); /* a kernel that died just now left its code before it completed */
  int code = rkf.sticky != 0               ? rkf.sticky
             : s->completed < s->submitted ? CUDA_ERROR_NOT_READY
                                           : CUDA_SUCCESS;
  rkf_unlock();
  return code;
}

RKF_EXPORT CUresult cuStreamSynchronize(CUstream stream)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_stream_is(stream)) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (rkf_stream_is_capturing(stream)) {
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  CUresult code = rkf_would_wait(__func__, rkf_stream_holds_resident(stream));
  return code == CUDA_SUCCESS ? rkf_stream_wait(stream) : code;
}

static void run_host(rkf_op *op)
{
  op->u.host.fn(op->u.host.data);
}

RKF_EXPORT CUresult cuLaunchHostFunc(CUstream stream, CUhostFn fn, void *data)
{
  RKF_ENTER(RKF_CONTEXT);
  if (!rkf_stream_is(stream) || fn == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  rkf_op *op = rkf_op_new(run_host, 0);
  if (op == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  op->u.host.fn = fn;
  op->u.host.data = data;
  return rkf_op_submit(stream, op);
}
