/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the grid: spin, then sleep on the runtime's event.
 *
 * Before it sleeps the host stores a new odd number into rk_abi_host.waiting, then looks at the
 * rings once more; a block that writes a record looks at `waiting` afterwards (rkd_flush). Both
 * sides have a seq_cst fence between their store and their look, so at least one of them sees the
 * other. Where blocks do not look, a thread of the backend watches the rings from where the host
 * left them (k2h_heads).
 */
#include "runtime/internal.h"

#include "base/clock.h"
#include "base/platform.h"
#include "base/thread.h"

/* A sleep is cut into pieces this long, so that a signal that came just before it is noticed. */
#define SLICE_NS (UINT64_C(100) * 1000 * 1000)
#define SPINS_PER_LOOK 64

static bool has_record(const rk_runtime *rt)
{
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    if (rkd_ring_peek(&rt->blocks[i].rx) != NULL) {
      return true;
    }
  }
  return false;
}

/* Asks for the event to be signalled; returns true when there is something already. */
static bool arm(rk_runtime *rt)
{
  rt->waiting = (rt->waiting | 1u) + 2u;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk_st_relaxed_sys_u64(&rt->k2h_heads[i], rt->blocks[i].rx.head);
  }
  rk_st_release_sys_u32(&rt->host->waiting, rt->waiting); /* partner: the watching thread */
  rk_fence_seq_cst();
  if (rt->ops->host_waits != NULL) {
    rt->ops->host_waits(rt->backend);
  }
  return has_record(rt);
}

static void disarm(rk_runtime *rt)
{
  rt->waiting &= ~1u;
  rk_st_relaxed_sys_u32(&rt->host->waiting, rt->waiting);
  (void)rk_wake_drain(&rt->wake);
}

static void pause_cpu(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* One spin and one sleep. RK_EEMPTY: woken by a signal that belongs to an earlier sleep. */
static int wait_once(rk_runtime *rt, uint64_t deadline_ns)
{
  if (rk__drain(rt) != 0) {
    return RK_OK;
  }
  rk__watch(rt);
  rk_runtime_flush(rt);
  uint64_t start = rk_clock_mono_ns();
  uint64_t now = start;
  while (now - start < (uint64_t)rt->spin_us * 1000u && now < deadline_ns) {
    for (int i = 0; i < SPINS_PER_LOOK; ++i) {
      if (has_record(rt)) {
        (void)rk__drain(rt);
        return RK_OK;
      }
      pause_cpu();
    }
    rk_thread_yield();
    now = rk_clock_mono_ns();
  }
  if (now >= deadline_ns) {
    return RK_ETIMEOUT;
  }
  int rc = RK_OK;
  if (rt->watched) {
    (void)rk_wake_drain(&rt->wake);
  } /* what it tells of was looked at above */
  if (!arm(rt)) {
    uint64_t left = deadline_ns - now;
    bool is_slice = left > SLICE_NS;
    rc = rk_wake_wait(&rt->wake, is_slice ? SLICE_NS : left);
    if (rc == RK_ETIMEOUT && is_slice) {
      rc = RK_EINTR;
    }
  }
  disarm(rt);
  /* Whoever watches the descriptor must come to rk_runtime_drain: what arrived here may be for him,
   * and it is armed no more. */
  if (rt->watched) {
    rk_wake_signal(&rt->wake);
  }
  if (rk__drain(rt) != 0) {
    return RK_OK;
  }
  if (rc == RK_OK) { /* a record that could not be moved, for want of memory, is the caller's */
    rc = has_record(rt) ? RK_EINTR : RK_EEMPTY;
  }
  return rc;
}

int rk__wait(rk_runtime *rt, uint64_t deadline_ns)
{
  int rc = RK_OK;
  do {
    rc = wait_once(rt, deadline_ns);
  } while (rc == RK_EEMPTY && rk__runtime_lost(rt, NULL) == RK_OK);
  return rc != RK_OK && rk__runtime_lost(rt, NULL) != RK_OK ? RK_EDEVICE_LOST : rc;
}

int rk_runtime_wait(rk_runtime *rt, uint64_t timeout_ns)
{
  int rc = rk__runtime_check(rt, NULL);
  return rc != RK_OK ? rc : rk__wait(rt, rk_clock_deadline(timeout_ns));
}

int rk_runtime_fd(rk_runtime *rt)
{
  if (!rt->watched && rk__runtime_check(rt, NULL) == RK_OK) {
    rt->watched = true;
    if (arm(rt)) {
      rk_wake_signal(&rt->wake);
    }
  }
  return rk_wake_fd(&rt->wake);
}

size_t rk_runtime_drain(rk_runtime *rt)
{
  size_t moved = 0, step = 0;
  if (rk__runtime_check(rt, NULL) != RK_OK) {
    return 0;
  }
  rk__watch(rt);
  rk_runtime_flush(rt);
  do {
    (void)rk_wake_drain(&rt->wake);
    step = rk__drain(rt);
    moved += step;
    /* without memory a record stays where it is: try again next time */
  } while (arm(rt) && step != 0);
  rk_runtime_flush(rt); /* what was published on the way */
  rk__queues_grow(rt);
  rk__pressure_look(rt);
  return moved;
}

void rk_runtime_flush(rk_runtime *rt)
{
  rt->batch_left = 0;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    if (rt->blocks[i].rung_later) {
      rt->blocks[i].rung_later = false;
      rt->ops->grid_bell(rt->backend, i);
    }
  }
}
