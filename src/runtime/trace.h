/* SPDX-License-Identifier: MIT */
/*
 * Reading the trace rings of blocks while the grid runs (kernels/include/rk_trace_dev.h).
 *
 * A reader stands for one ring. It never holds the block up; what the block overwrote before it was
 * read is counted in `lost`. Threads: one reader a thread at a time; the block writes meanwhile.
 */
#ifndef RK_RUNTIME_TRACE_H
#define RK_RUNTIME_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "rk_trace_dev.h"

typedef struct rk_trace_reader {
  const rk_abi_trace_ring *ring;
  const rk_abi_trace *records;
  uint64_t next; /* position of the record it wants next */
  uint64_t lost; /* records overwritten before they were read */
} rk_trace_reader;

/* Begins at the oldest record that is still there. `ring` and its records stay the caller's, where
 * the host can read them. */
void rk_trace_reader_open(rk_trace_reader *reader, const rk_abi_trace_ring *ring,
                          const rk_abi_trace *records);

/* Copies the next records into `out`, oldest first, at most `limit`, and returns how many. 0: there
 * is nothing new, or all that was read had been overwritten meanwhile (then `lost` has grown). */
size_t rk_trace_read(rk_trace_reader *reader, rk_abi_trace *out, size_t limit);

#endif
