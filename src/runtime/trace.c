/* SPDX-License-Identifier: MIT */
/*
 * The host's side of a block's trace: see trace.h, and rk_trace_dev.h for the protocol.
 */
#include "runtime/trace.h"

#include <string.h>

static void skip_to(rk_trace_reader *reader, uint64_t position)
{
  reader->lost += position - reader->next;
  reader->next = position;
}

void rk_trace_reader_open(rk_trace_reader *reader, const rk_abi_trace_ring *ring,
                          const rk_abi_trace *records)
{
  *reader = (rk_trace_reader){.ring = ring, .records = records};
  uint64_t capacity = (uint64_t)ring->mask + 1;
  uint64_t claimed = rk_ld_relaxed_sys_u64(&ring->claimed);
  reader->next = claimed > capacity ? claimed - capacity : 0;
}

size_t rk_trace_read(rk_trace_reader *reader, rk_abi_trace *out, size_t limit)
{
  const rk_abi_trace_ring *ring = reader->ring;
  uint64_t capacity = (uint64_t)ring->mask + 1;
  /* partner: the release in rkd_trace_publish */
  uint64_t count = rk_ld_acquire_sys_u64(&ring->count);
  if (count > capacity && reader->next < count - capacity) {
    skip_to(reader, count - capacity);
  }
  if (reader->next >= count) {
    return 0;
  }
  size_t n = count - reader->next < limit ? (size_t)(count - reader->next) : limit;
  for (size_t i = 0; i < n; ++i) {
    const rk_abi_trace *r = &reader->records[(reader->next + i) & ring->mask];
    out[i].start_ns = rk_ld_relaxed_sys_u64(&r->start_ns);
    out[i].message = rk_ld_relaxed_sys_u64(&r->message);
    out[i].who = rk_ld_relaxed_sys_u64(&r->who);
    out[i].what = rk_ld_relaxed_sys_u64(&r->what);
  }
  /* before the look at what may have been overwritten; partner: the fence in rkd_trace_claim */
  rk_fence_seq_cst();
  uint64_t claimed = rk_ld_relaxed_sys_u64(&ring->claimed);
  uint64_t torn = 0;
  if (claimed > capacity && claimed - capacity > reader->next) {
    torn = claimed - capacity - reader->next;
    torn = torn < n ? torn : n;
    skip_to(reader, reader->next + torn);
    n -= (size_t)torn;
    memmove(out, out + torn, n * sizeof(*out));
  }
  reader->next += n;
  return n;
}
