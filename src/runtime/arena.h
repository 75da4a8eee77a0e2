/* SPDX-License-Identifier: MIT */
/*
 * Memory for actors, buffers and copies of state: large mappings cut into pieces, without a call
 * to the device while the grid runs on what was mapped before. One arena cuts device memory,
 * another shared memory; the owner says how a mapping is got and given back.
 *
 * Pieces are zeroed, aligned to 256 bytes, and come back into free lists by size class (four
 * classes for each power of two, so at most a fifth of a piece is lost). A piece that comes back is
 * made zero again at once, large ones by handing their pages back. Threads: owner.
 */
#ifndef RK_RUNTIME_ARENA_H
#define RK_RUNTIME_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RK_ARENA_CLASSES 160

typedef struct rk_arena_piece rk_arena_piece;
typedef struct rk_arena_chunk rk_arena_chunk;

/* Where an arena's memory comes from; `owner` is passed through. */
typedef struct rk_arena_source {
  uint64_t (*map)(void *owner, size_t bytes); /* zeroed; 0 = none */
  void (*unmap)(void *owner, uint64_t address, size_t bytes);
  /* Makes a piece zero again; false when that cannot be done. */
  bool (*zero)(void *owner, uint64_t address, size_t bytes);
  size_t chunk_bytes; /* least size of a mapping */
} rk_arena_source;

typedef struct rk_arena {
  const rk_arena_source *source;
  void *owner;
  rk_arena_chunk *chunks;
  uint64_t next; /* rest of the newest chunk */
  size_t left;
  rk_arena_piece *free[RK_ARENA_CLASSES]; /* nodes live in host memory */
  rk_arena_piece *spare;
  uint64_t taken_bytes;
} rk_arena;

void rk_arena_open(rk_arena *arena, const rk_arena_source *source, void *owner);
void rk_arena_close(rk_arena *arena);
/* The address of a piece, 0 when there is no memory. */
uint64_t rk_arena_take(rk_arena *arena, size_t bytes);
/* `bytes` as taken. Address 0 is allowed. */
void rk_arena_give(rk_arena *arena, uint64_t piece, size_t bytes);

#endif
