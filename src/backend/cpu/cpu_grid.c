/* SPDX-License-Identifier: MIT */
/*
 * The resident grid on threads: one operating-system thread a block, each running the loop of
 * kernels/include/rk_grid_dev.h, which this file compiles for the machine it runs on.
 */
#include "backend/cpu/cpu_internal.h"

#include <stdio.h>

#include "backend/cpu/cpu_crash.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#include "rk_grid_dev.h"

/* A handler that has not returned this long after its block was told to end is given up. */
#define JOIN_WAIT_NS (UINT64_C(2) * 1000 * 1000 * 1000)

/* What a handler module calls through its context. */
static const rk_ctx_api ctx_api = {
    .reply = rkd_ctx_reply,
    .send_port = rkd_ctx_send_port,
    .send_to = rkd_ctx_send_to,
    .publish = rkd_ctx_publish,
    .now = rkd_ctx_now,
    .self = rkd_ctx_self,
    .sender = rkd_ctx_sender,
    .sent_at = rkd_ctx_sent_at,
    .fail = rkd_ctx_fail,
    .stop = rkd_ctx_stop,
    .meet = rkd_gang_meet,
};

static void run_block(void *arg)
{
  rk_cpu_worker *worker = arg;
  const rk_abi_grid *grid = worker->backend->grid;
  rk_abi_block *shared = RK_PTR(rk_abi_block, grid->blocks) + worker->index;
  rk_block *block = RK_PTR(rk_block, shared->scratch);
  rk__cpu_worker = worker;
  /* without it a stack overflow is reported less well, no more */
  (void)rk_crash_thread_begin(NULL);
  block->ctx.api = &ctx_api;
  block->lent.api = &ctx_api;
  rkd_block_serve(block, (rk_u64)(rk_uptr)grid, worker->index);
  rk_team_close(worker->team);
  worker->team = NULL;
  rk_crash_thread_end();
}

int rk__cpu_grid_start(rk_backend *backend, const rk_backend_grid *grid, rk_error *err)
{
  int rc = RK_OK;
  uint32_t started = 0;
  backend->workers = rk_calloc(grid->block_count, sizeof(*backend->workers));
  if (backend->workers == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "grid of %u blocks: out of memory",
                        grid->block_count);
  }
  backend->grid = RK_PTR(const rk_abi_grid, grid->address);
  backend->use = *grid;
  backend->blocks = grid->block_count;
  for (; started < grid->block_count; ++started) {
    rk_cpu_worker *worker = &backend->workers[started];
    char name[16];
    worker->backend = backend;
    worker->index = started;
    (void)snprintf(name, sizeof(name), "rk-block-%u", started % 100000u);
    rk_thread_spec thread = RK_THREAD_SPEC_INIT;
    thread.name = name;
    thread.fn = run_block;
    thread.arg = worker;
    thread.cpu = backend->pin ? (int)started : -1;
    rc = rk_thread_start_spec(&worker->thread, &thread, err);
    if (rc != RK_OK) {
      break;
    }
  }
  if (rc != RK_OK) {
    rk_st_release_sys_u32(&grid->host->abort, RK_ABORT_END);
    for (uint32_t i = 0; i < started; ++i) {
      rk__cpu_grid_bell(backend, i);
    }
    (void)rk__cpu_grid_join(backend); /* no handler runs yet */
    return rc;
  }
  /* A thread that was created runs sooner or later: no deadline is needed to wait for its hello. */
  for (uint32_t i = 0; i < grid->block_count; ++i) {
    while (rk_ld_acquire_sys_u32(&grid->doors[i].hello) != rkd_hello()) {
      rk_thread_yield();
    }
  }
  return RK_OK;
}

/* Whether block `index` has left its loop before the deadline. */
static bool has_left(const rk_backend *backend, uint32_t index, uint64_t deadline_ns)
{
  while (rk_ld_acquire_sys_u32(&backend->use.doors[index].done) == 0u) {
    if (rk_clock_mono_ns() >= deadline_ns) {
      return false;
    }
    rk_clock_sleep(20000);
  }
  return true;
}

bool rk__cpu_grid_join(rk_backend *backend)
{
  uint64_t deadline_ns = rk_clock_deadline(JOIN_WAIT_NS);
  bool all = true;
  if (backend->workers == NULL) {
    return true;
  }
  for (uint32_t i = 0; i < backend->blocks; ++i) {
    if (backend->workers[i].thread != NULL && !has_left(backend, i, deadline_ns)) {
      rk_log(RK_LOG_ERROR, "cpu",
             "block %u is left behind: a handler of its actors does not return", i);
      all = false;
    }
  }
  if (!all) {
    return false; /* a thread cannot be stopped from outside without losing what it holds */
  }
  for (uint32_t i = 0; i < backend->blocks; ++i) {
    rk_thread_join(backend->workers[i].thread);
  }
  rk_free(backend->workers);
  backend->workers = NULL;
  backend->grid = NULL;
  return true;
}

/* Partner of the fence: rkd_idle. Either the block sees what was published before this call, or
 * this call sees it asleep. Between two generations there is nobody to wake: a block looks at
 * everything when it begins. */
void rk__cpu_grid_bell(rk_backend *backend, uint32_t block)
{
  if (backend->grid == NULL) {
    return;
  }
  rk_fence_seq_cst();
  rkd_wake_block((rk_u64)(rk_uptr)backend->grid, block);
}

void rk__cpu_grid_poke(rk_backend *backend, uint32_t block)
{
  if (backend->grid != NULL) {
    rkd_ring_bell((rk_u64)(rk_uptr)backend->grid, block);
  }
}
