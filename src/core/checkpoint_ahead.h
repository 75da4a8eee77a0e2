/* SPDX-License-Identifier: MIT */
/*
 * A thread that hashes the sections of a checkpoint ahead of the writer, so that hashing and writing
 * take the longer of their times and not the sum. Not for anybody but checkpoint_write.c.
 */
#ifndef RK_CORE_CHECKPOINT_AHEAD_H
#define RK_CORE_CHECKPOINT_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/thread.h"
#include "core/checkpoint_file.h"

typedef struct rk__ckpt_ahead {
  rk_ckpt_piece *pieces;
  size_t count;
  rk_thread *thread; /* NULL: there is none, and the writer hashes by itself */
  uint32_t done;     /* sections that need no hashing any more, from the first; the thread's word */
  uint32_t stop;     /* nobody waits any more; the writer's word */
} rk__ckpt_ahead;

/* Begins, where there is so much to hash that it is worth a thread and one can be had. */
void rk__ckpt_ahead_begin(rk__ckpt_ahead *ahead, rk_ckpt_piece *pieces, size_t count);
/* Waits until section `i` has its digest. Only with a thread. */
void rk__ckpt_ahead_wait(rk__ckpt_ahead *ahead, size_t i);
void rk__ckpt_ahead_end(rk__ckpt_ahead *ahead);

#endif
