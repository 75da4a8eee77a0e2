/* SPDX-License-Identifier: MIT */
/*
 * Ordinary launches, timed: what a resident grid is held against.
 *
 * The three paces differ in what lies between two launches: a wait for the end (launch), nothing
 * (stream), or not even a call (graph: the driver replays a record of many launches). The host's
 * clock runs from before the first call until the stream was found empty, so nothing is reported
 * that has not ended; two events say what the device saw of it.
 *
 * Events and graphs are made and given back here. The runtime calls this between two generations,
 * so that no driver call can find a grid to wait for.
 */
#include "backend/cuda/cuda_internal.h"

#include "backend/cuda/cuda_error.h"
#include "base/clock.h"

/* Launches in one record. Long enough for the replay call to be shared by many, short enough for
 * every driver. */
#define GRAPH_LAUNCHES_MAX 100u

typedef struct series { /* launches to time */
  rk_backend *backend;
  rk_backend_module *module;
  uint32_t grid, block;
  const void *params;
  rk_backend_pace pace;
  CUgraph graph;
  CUgraphExec exec;
  uint32_t graph_launches;
  CUevent from, to;
} series;

static int check(const series *s, CUresult result, const char *call, rk_error *err)
{
  return rk__cuda_check(s->backend, result, call, err);
}

static int launch_one(const series *s, rk_error *err)
{
  return rk__cuda_global_launch(s->backend, s->module, s->grid, s->block, s->params, err);
}

/* Records launches. What was begun is ended also where a launch fails, or the stream stays of no
 * use. */
static int record(series *s, uint32_t launches, rk_error *err)
{
  const rk_cuda_api *api = s->backend->api;
  CUstream stream = s->backend->work_stream;
  if (!rk_cuda_has(api, RK_CUDA_GRAPHS)) {
    return rk_error_set(err, RK_EUNSUPPORTED, "mode \"graph\": the driver has no graphs");
  }
  int rc = check(s, api->stream_begin_capture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
                 "cuStreamBeginCapture", err);
  if (rc != RK_OK) {
    return rc;
  }
  for (uint32_t i = 0; i < launches && rc == RK_OK; ++i) {
    rc = launch_one(s, err);
  }
  CUresult ended = api->stream_end_capture(stream, &s->graph);
  if (rc == RK_OK) {
    rc = check(s, ended, "cuStreamEndCapture", err);
  }
  if (rc == RK_OK) {
    rc = check(s, api->graph_instantiate(&s->exec, s->graph, 0), "cuGraphInstantiate", err);
  }
  s->graph_launches = launches;
  return rc;
}

static int replay(const series *s, rk_error *err)
{
  return check(s, s->backend->api->graph_launch(s->exec, s->backend->work_stream), "cuGraphLaunch",
               err);
}

/* Makes what the pace needs and runs it once: the first launch of a kernel also moves its code. */
static int prepare(series *s, uint32_t times, rk_error *err)
{
  const rk_cuda_api *api = s->backend->api;
  int rc = check(s, api->event_create(&s->from, CU_EVENT_DEFAULT), "cuEventCreate", err);
  if (rc == RK_OK) {
    rc = check(s, api->event_create(&s->to, CU_EVENT_DEFAULT), "cuEventCreate", err);
  }
  if (rc == RK_OK && s->pace == RK_PACE_GRAPH) {
    rc = record(s, times < GRAPH_LAUNCHES_MAX ? times : GRAPH_LAUNCHES_MAX, err);
  }
  if (rc == RK_OK) {
    rc = s->pace == RK_PACE_GRAPH ? replay(s, err) : launch_one(s, err);
  }
  return rc == RK_OK ? rk__cuda_global_finish(s->backend, err) : rc;
}

static int run_all(const series *s, uint32_t times, uint64_t *launches, rk_error *err)
{
  const uint32_t step = s->pace == RK_PACE_GRAPH ? s->graph_launches : 1u;
  int rc = RK_OK;
  for (*launches = 0; *launches < times && rc == RK_OK; *launches += step) {
    rc = s->pace == RK_PACE_GRAPH ? replay(s, err) : launch_one(s, err);
    if (rc == RK_OK && s->pace == RK_PACE_LAUNCH) {
      rc = rk__cuda_global_finish(s->backend, err);
    }
  }
  return rc;
}

static int measure(const series *s, uint32_t times, rk_backend_timing *out, rk_error *err)
{
  const rk_cuda_api *api = s->backend->api;
  CUstream stream = s->backend->work_stream;
  rk_backend_timing timing = {0};
  float ms = 0;
  int rc = check(s, api->event_record(s->from, stream), "cuEventRecord", err);
  if (rc == RK_OK) { /* the event itself is not part of it */
    rc = rk__cuda_global_finish(s->backend, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  uint64_t start_ns = rk_clock_mono_ns();
  rc = run_all(s, times, &timing.launches, err);
  if (rc == RK_OK && s->pace != RK_PACE_LAUNCH) {
    rc = rk__cuda_global_finish(s->backend, err);
  }
  timing.host_ns = rk_clock_mono_ns() - start_ns;
  if (rc == RK_OK) {
    rc = check(s, api->event_record(s->to, stream), "cuEventRecord", err);
  }
  if (rc == RK_OK) {
    rc = rk__cuda_global_finish(s->backend, err);
  }
  if (rc == RK_OK) {
    rc = check(s, api->event_elapsed_time(&ms, s->from, s->to), "cuEventElapsedTime", err);
  }
  if (rc == RK_OK) {
    timing.device_seconds = (double)ms / 1e3;
    *out = timing;
  }
  return rc;
}

int rk__cuda_global_time(rk_backend *backend, rk_backend_module *module, uint32_t grid,
                         uint32_t block, const void *params, rk_backend_pace pace, uint32_t times,
                         rk_backend_timing *out, rk_error *err)
{
  const rk_cuda_api *api = backend->api;
  series s = {.backend = backend,
              .module = module,
              .grid = grid,
              .block = block,
              .params = params,
              .pace = pace};
  int rc = rk__cuda_health(backend, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk__cuda_enter(backend);
  rc = prepare(&s, times, err);
  if (rc == RK_OK) {
    rc = measure(&s, times, out, err);
  }
  if (s.exec != NULL) {
    (void)api->graph_exec_destroy(s.exec);
  }
  if (s.graph != NULL) {
    (void)api->graph_destroy(s.graph);
  }
  if (s.to != NULL) {
    (void)api->event_destroy(s.to);
  }
  if (s.from != NULL) {
    (void)api->event_destroy(s.from);
  }
  return rc;
}
