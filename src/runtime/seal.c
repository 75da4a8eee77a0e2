/* SPDX-License-Identifier: MIT */
/*
 * Pauses: times in which no grid of this process runs on a sealed device.
 *
 * Mapping memory, loading code and giving both back may wait for every kernel on the device, and a
 * resident grid does not end by itself. So whoever needs such a call begins a pause: the grids of
 * all runtimes that this thread has opened park, and come back when the pause ends. A runtime of
 * another thread cannot be parked from here; while one runs a grid, the pause is refused.
 *
 * Threads: each list entry belongs to the thread that opened its runtime. Lock order: `pause_lock`,
 * which a thread holds during its pause and while it starts a grid, then `list_lock`.
 */
#include "runtime/internal.h"

#include "base/clock.h"
#include "base/thread.h"

static rk_mutex pause_lock = RK_MUTEX_INIT;
static rk_mutex list_lock = RK_MUTEX_INIT;
static rk_runtime *list; /* open runtimes on sealed devices */

/* Pauses that this thread has begun and not ended; its address tells threads apart. */
static _Thread_local uint32_t depth;

void rk__seal_enlist(rk_runtime *rt)
{
  rt->thread = &depth;
  if (!rt->ops->is_sealed) {
    return;
  }
  rk_mutex_lock(&list_lock);
  rt->next_sealed = list;
  list = rt;
  rt->is_enlisted = true;
  rk_mutex_unlock(&list_lock);
}

void rk__seal_delist(rk_runtime *rt)
{
  if (!rt->is_enlisted) {
    return;
  }
  rk_mutex_lock(&list_lock);
  for (rk_runtime **at = &list; *at != NULL; at = &(*at)->next_sealed) {
    if (*at == rt) {
      *at = rt->next_sealed;
      break;
    }
  }
  rt->is_enlisted = false;
  rk_mutex_unlock(&list_lock);
}

/* The next running grid that this thread can park, or NULL. *why: none can be had while this one
 * runs, which another thread has opened or which does not end any more. */
static rk_runtime *find_running(rk_error *why)
{
  rk_runtime *found = NULL;
  rk_mutex_lock(&list_lock);
  for (rk_runtime *rt = list; rt != NULL; rt = rt->next_sealed) {
    if (!__atomic_load_n(&rt->running, __ATOMIC_ACQUIRE)) {
      continue;
    }
    if (rt->thread != &depth) {
      (void)rk_error_set(why, RK_EUNSUPPORTED,
                         "a runtime of another thread runs a grid on this device, which cannot "
                         "be stopped from here; use one thread, or processes");
    } else if (rt->poisoned == RK_OK) {
      found = rt;
    } else {
      (void)rk_error_set(why, RK_EDEVICE_LOST,
                         "a grid of this process does not end, and nothing can be loaded or "
                         "mapped beside it; start a new process");
    }
  }
  rk_mutex_unlock(&list_lock);
  return found;
}

static rk_runtime *find_parked(void)
{
  rk_mutex_lock(&list_lock);
  rk_runtime *rt = list;
  while (rt != NULL && !(rt->thread == &depth && rt->comes_back)) {
    rt = rt->next_sealed;
  }
  rk_mutex_unlock(&list_lock);
  return rt;
}

static void run_again(void)
{
  rk_runtime *rt = NULL;
  while ((rt = find_parked()) != NULL) {
    rt->comes_back = false;
    (void)rk__grid_return(rt, NULL);
  }
}

int rk__pause_begin(rk_runtime *rt, rk_error *err)
{
  rk_error why = RK_ERROR_INIT;
  rk_runtime *running = NULL;
  if (!rt->ops->is_sealed || depth++ != 0) {
    return RK_OK;
  }
  rk_mutex_lock(&pause_lock);
  rt->stands_since_ns = rk_clock_mono_ns();
  while ((running = find_running(&why)) != NULL && why.status == RK_OK) {
    int rc = rk__grid_park(running, err);
    running->comes_back = rc == RK_OK;
    if (running->running) { /* one whose device is lost is in nobody's way */
      rk__pause_end(rt);
      return rc;
    }
  }
  if (why.status != RK_OK) {
    rk__pause_end(rt);
    return rk_error_set(err, why.status, "%s", why.text);
  }
  return RK_OK;
}

void rk__pause_end(rk_runtime *rt)
{
  if (!rt->ops->is_sealed) {
    return;
  }
  if (depth == 1) {
    run_again();
    rt->stood_ns += rt->stands_since_ns != 0 ? rk_clock_mono_ns() - rt->stands_since_ns : 0;
    rt->stands_since_ns = 0;
    rk_mutex_unlock(&pause_lock);
  }
  depth -= 1;
}

void rk__seal_lock(const rk_runtime *rt)
{
  if (rt->ops->is_sealed && depth == 0) {
    rk_mutex_lock(&pause_lock);
  }
}

void rk__seal_unlock(const rk_runtime *rt)
{
  if (rt->ops->is_sealed && depth == 0) {
    rk_mutex_unlock(&pause_lock);
  }
}
