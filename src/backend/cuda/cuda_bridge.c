/* SPDX-License-Identifier: MIT */
/*
 * The bridge thread: looks after a running grid for a host that may be asleep.
 *
 * Blocks on the device poll and never signal anybody. So while the host sleeps (`waiting` is odd)
 * this thread looks at the first unread unit of every ring to the host, and signals the host's
 * event once for each sleep. It also tells the grid that the process lives, and asks the driver
 * now and then whether the grid still runs.
 *
 * It reads rings from where the host said it stands (k2h_heads): the host may have gone on since,
 * then it signals once too often, which a host that waits bears. It never changes a ring.
 */
#include "backend/cuda/cuda_internal.h"

#include "backend/cuda/cuda_error.h"
#include "base/clock.h"

#include "rk_ring_dev.h"

#define LOOK_NS (UINT64_C(1) * 1000 * 1000) /* between two questions to the driver */
#define SPIN_NS (UINT64_C(200) * 1000)      /* polls without a pause after the host began to wait */
#define DOZE_NS (UINT64_C(50) * 1000)       /* between two looks afterwards */
#define REFUSALS_MAX 1000u                  /* answers in a row that say nothing */
#define REST_NS (UINT64_C(10) * 1000 * 1000) /* while the host is awake */

#ifdef RK_ATOMIC_TSAN
void __tsan_ignore_thread_begin(void);
void __tsan_ignore_thread_end(void);
#define BEGIN_HINT() __tsan_ignore_thread_begin()
#define END_HINT() __tsan_ignore_thread_end()
#else
#define BEGIN_HINT() ((void)0)
#define END_HINT() ((void)0)
#endif

/* What k2h_heads says may be old: then the block may be writing payload where a header is looked for.
 * The aligned word that is read is one that was there or is being written, and neither does harm,
 * because it is a hint: the host looks for itself, and once it sleeps again `waiting` has another
 * value, read by acquire before its heads. So this one look is kept from ThreadSanitizer. */
static bool ring_waits(const rk_abi_ring *ring, uint64_t head)
{
  BEGIN_HINT();
  bool waits = rkd_ring_waits(ring, head) != 0;
  END_HINT();
  return waits;
}

static bool has_record(const rk_backend_grid *grid)
{
  for (uint32_t i = 0; i < grid->block_count; ++i) {
    if (ring_waits(RK_PTR(const rk_abi_ring, grid->k2h[i]),
                   rk_ld_relaxed_sys_u64(&grid->k2h_heads[i]))) {
      return true;
    }
  }
  return false;
}

/* Why the grid has ended: 0 when all its blocks have said that they were told to. */
static int why_ended(const rk_backend_grid *grid)
{
  int why = 0;
  for (uint32_t i = 0; i < grid->block_count; ++i) {
    uint32_t done = rk_ld_acquire_sys_u32(&grid->doors[i].done);
    if (done == RK_DONE_ALONE) {
      return RK_CUDA_LOST_ALONE;
    }
    if (done == 0u) {
      why = RK_CUDA_LOST_ENDED;
    }
  }
  return why;
}

/* Asks the driver whether the grid still runs. `refusals`: answers in a row that say nothing. */
static void look(rk_backend *backend, uint32_t *refusals)
{
  CUresult result = backend->api->stream_query(backend->grid_stream);
  if (result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_READY) {
    int why = result == CUDA_SUCCESS ? why_ended(&backend->use) : 0;
    *refusals = 0;
    if (why != 0) {
      rk__cuda_lose(backend, why);
    }
  } else if (rk_cuda_is_sticky(result)) {
    rk__cuda_lose(backend, (int)result);
  } else if (++*refusals == REFUSALS_MAX) {
    rk__cuda_lose(backend, RK_CUDA_LOST_SILENT);
  } else {
    rk__cuda_enter(backend); /* without a context of this thread everything is refused */
  }
  if (atomic_load(&backend->lost) != 0) {
    rk_wake_signal(backend->use.wake); /* whoever waits learns it from health() */
  }
}

/* Sleeps until the host begins to wait. Partner of the fences: rk__cuda_host_waits. */
static void rest(rk_backend *backend, uint32_t waiting)
{
  uint32_t bell = __atomic_load_n(&backend->bridge_bell, __ATOMIC_ACQUIRE);
  __atomic_store_n(&backend->bridge_rests, 1u, __ATOMIC_RELAXED);
  rk_fence_seq_cst();
  if (rk_ld_acquire_sys_u32(&backend->use.host->waiting) == waiting &&
      __atomic_load_n(&backend->bridge_stop, __ATOMIC_ACQUIRE) == 0u) {
    (void)rk_park(&backend->bridge_bell, bell, REST_NS);
  }
  __atomic_store_n(&backend->bridge_rests, 0u, __ATOMIC_RELAXED);
}

static void run(void *arg)
{
  rk_backend *backend = arg;
  const rk_backend_grid *grid = &backend->use;
  uint32_t signalled = 0, seen = 0, refusals = 0;
  uint64_t looked_ns = 0, since_ns = 0, alive = 0;
  rk__cuda_enter(backend);
  while (__atomic_load_n(&backend->bridge_stop, __ATOMIC_ACQUIRE) == 0u) {
    uint64_t now = rk_clock_mono_ns();
    if (now - looked_ns >= LOOK_NS) {
      looked_ns = now;
      rk_st_relaxed_sys_u64(&grid->host->alive, ++alive);
      look(backend, &refusals);
    }
    uint32_t waiting = rk_ld_acquire_sys_u32(&grid->host->waiting);
    if ((waiting & 1u) == 0u || waiting == signalled) {
      rest(backend, waiting);
      continue;
    }
    if (waiting != seen) {
      seen = waiting;
      since_ns = now;
    }
    if (has_record(grid)) {
      signalled = waiting;
      rk_wake_signal(grid->wake);
    } else if (now - since_ns > SPIN_NS) {
      rk_clock_sleep(DOZE_NS);
    } else {
      rk_thread_yield();
    }
  }
}

int rk__cuda_bridge_start(rk_backend *backend, rk_error *err)
{
  __atomic_store_n(&backend->bridge_stop, 0u, __ATOMIC_RELAXED);
  return rk_thread_start(&backend->bridge, "rk-bridge", run, backend, err);
}

static void ring_bell(rk_backend *backend)
{
  (void)__atomic_fetch_add(&backend->bridge_bell, 1u, __ATOMIC_ACQ_REL);
  (void)rk_unpark(&backend->bridge_bell, 1u);
}

void rk__cuda_bridge_stop(rk_backend *backend)
{
  if (backend->bridge == NULL) {
    return;
  }
  __atomic_store_n(&backend->bridge_stop, 1u, __ATOMIC_RELEASE);
  ring_bell(backend);
  rk_thread_join(backend->bridge);
  backend->bridge = NULL;
}

void rk__cuda_host_waits(rk_backend *backend)
{
  if (__atomic_load_n(&backend->bridge_rests, __ATOMIC_RELAXED) != 0u) {
    ring_bell(backend);
  }
}
