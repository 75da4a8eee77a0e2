/* SPDX-License-Identifier: MIT */
/*
 * Device memory for actors and buffers: large mappings cut into pieces, without a call to the
 * device while the grid runs on what was mapped before.
 *
 * Pieces are zeroed, aligned to 256 bytes, and come back into free lists by size class (four
 * classes for each power of two, so at most a fifth of a piece is lost). A piece that comes back is
 * made zero again at once, large ones by handing their pages back. Threads: owner.
 */
#ifndef RK_RUNTIME_ARENA_H
#define RK_RUNTIME_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "backend/backend.h"

#define RK_ARENA_CLASSES 160

typedef struct rk_arena_piece rk_arena_piece;
typedef struct rk_arena_chunk rk_arena_chunk;

typedef struct rk_arena {
  const rk_backend_ops *ops;
  rk_backend *backend;
  rk_arena_chunk *chunks;
  unsigned char *next; /* rest of the newest chunk */
  size_t left;
  rk_arena_piece *free[RK_ARENA_CLASSES]; /* nodes live in host memory */
  rk_arena_piece *spare;
  uint64_t taken_bytes;
} rk_arena;

void rk_arena_open(rk_arena *arena, const rk_backend_ops *ops, rk_backend *backend);
void rk_arena_close(rk_arena *arena);
/* NULL when there is no memory. */
void *rk_arena_take(rk_arena *arena, size_t bytes);
/* `bytes` as taken. NULL is allowed. */
void rk_arena_give(rk_arena *arena, void *piece, size_t bytes);

#endif
