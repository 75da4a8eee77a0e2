/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous stores between blocks of a cluster (st.async): set out by one block, kept here, and
 * taken by the other when it looks at the gate they are for. A real one arrives within a microsecond
 * and need not arrive in order; here each look may find any of those that wait, or none, so that
 * code which relies on more than its gate fails. Used by fake_exec.c.
 *
 * The lock is one that ThreadSanitizer does not see (the file is compiled without it, and takes no
 * memory): what orders the two blocks is to be the gate alone.
 */
#include "fake_exec.h"

#include <sched.h>

static void take_lock(rkf_flight *f)
{
  while (__atomic_exchange_n(&f->lock, 1u, __ATOMIC_ACQUIRE) != 0) {
    sched_yield();
  }
}

static void give_lock(rkf_flight *f)
{
  __atomic_store_n(&f->lock, 0u, __ATOMIC_RELEASE);
}

/* xorshift; the same numbers in each run. */
static uint64_t roll(rkf_flight *f)
{
  uint64_t x = f->dice != 0 ? f->dice : UINT64_C(0x9e3779b97f4a7c15);
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  f->dice = x;
  return x >> 11;
}

int rkf_flight_add(rkf_flight *f, const rkfake_store *store)
{
  take_lock(f);
  int is_in = !f->is_closed && f->count < RKF_FLIGHT_MAX;
  if (is_in) {
    f->stores[f->count++] = *store;
  }
  give_lock(f);
  return is_in;
}

int rkf_flight_land(rkf_flight *f, const void *gate, rkfake_store *store)
{
  int has_one = 0;
  take_lock(f);
  if (f->count != 0 && roll(f) % 8 != 0) {
    uint32_t first = (uint32_t)(roll(f) % f->count);
    for (uint32_t i = 0; i < f->count && !has_one; i++) {
      uint32_t at = (first + i) % f->count;
      if (f->stores[at].gate == gate) {
        *store = f->stores[at];
        f->stores[at] = f->stores[--f->count];
        has_one = 1;
      }
    }
  }
  give_lock(f);
  return has_one;
}

uint32_t rkf_flight_close(rkf_flight *f)
{
  take_lock(f);
  uint32_t count = f->count;
  f->is_closed = true;
  give_lock(f);
  return count;
}
