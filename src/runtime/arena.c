/* SPDX-License-Identifier: MIT */
/*
 * Arena: see arena.h.
 */
#include "runtime/arena.h"

#include "base/alloc.h"
#include "base/base.h"

#define ALIGN_BYTES ((size_t)256)
#define PIECE_BYTES_MAX ((size_t)1 << 45) /* the classes end a little above */

/* a free piece; the host does not look into the memory itself for this */
struct rk_arena_piece {
  rk_arena_piece *next;
  uint64_t memory;
};

struct rk_arena_chunk {
  rk_arena_chunk *next;
  uint64_t memory;
  size_t bytes;
};

/* Rounds up to a class: 256 bytes << shift, in four steps. */
static size_t class_bytes(size_t bytes, size_t *class_index)
{
  size_t base = ALIGN_BYTES;
  size_t shift = 0;
  while (base * 2 <= bytes && shift < RK_ARENA_CLASSES / 4 - 1) {
    base *= 2;
    shift += 1;
  }
  size_t step = base / 4 < ALIGN_BYTES ? ALIGN_BYTES : base / 4;
  size_t rounded = (bytes + step - 1) / step * step;
  if (rounded < base) {
    rounded = base;
  }
  size_t quarter = (rounded - base) / step;
  if (rounded >= base * 2) {
    shift += 1;
    quarter = 0;
  }
  *class_index = shift * 4 + quarter;
  return rounded;
}

void rk_arena_open(rk_arena *arena, const rk_arena_source *source, void *owner)
{
  *arena = (rk_arena){.source = source, .owner = owner};
}

static void free_list(rk_arena_piece *piece)
{
  while (piece != NULL) {
    rk_arena_piece *next = piece->next;
    rk_free(piece);
    piece = next;
  }
}

void rk_arena_close(rk_arena *arena)
{
  for (rk_arena_chunk *chunk = arena->chunks; chunk != NULL;) {
    rk_arena_chunk *next = chunk->next;
    arena->source->unmap(arena->owner, chunk->memory, chunk->bytes);
    rk_free(chunk);
    chunk = next;
  }
  for (size_t i = 0; i < RK_ARENA_CLASSES; ++i) {
    free_list(arena->free[i]);
  }
  free_list(arena->spare);
  *arena = (rk_arena){0};
}

static bool add_chunk(rk_arena *arena, size_t bytes)
{
  size_t least = arena->source->chunk_bytes;
  size_t chunk_bytes = bytes > least ? bytes : least;
  rk_arena_chunk *chunk = rk_alloc(sizeof(*chunk));
  if (chunk == NULL) {
    return false;
  }
  chunk->memory = arena->source->map(arena->owner, chunk_bytes);
  if (chunk->memory == 0) {
    rk_free(chunk);
    return false;
  }
  chunk->bytes = chunk_bytes;
  chunk->next = arena->chunks;
  arena->chunks = chunk;
  arena->next = chunk->memory; /* the rest of the older chunk is forgone: at most one piece */
  arena->left = chunk_bytes;
  return true;
}

uint64_t rk_arena_take(rk_arena *arena, size_t bytes)
{
  size_t index = 0;
  if (bytes > PIECE_BYTES_MAX || arena->source == NULL) {
    return 0;
  }
  size_t rounded = class_bytes(bytes == 0 ? 1 : bytes, &index);
  rk_arena_piece *piece = arena->free[index];
  uint64_t memory = 0;
  if (piece != NULL) {
    arena->free[index] = piece->next;
    memory = piece->memory;
    piece->next = arena->spare;
    arena->spare = piece;
  } else {
    if (arena->left < rounded && !add_chunk(arena, rounded)) {
      return 0;
    }
    memory = arena->next;
    arena->next += rounded;
    arena->left -= rounded;
  }
  arena->taken_bytes += rounded;
  return memory;
}

void rk_arena_give(rk_arena *arena, uint64_t memory, size_t bytes)
{
  size_t index = 0;
  if (memory == 0) {
    return;
  }
  size_t rounded = class_bytes(bytes == 0 ? 1 : bytes, &index);
  arena->taken_bytes -= rounded;
  if (!arena->source->zero(arena->owner, memory, rounded)) {
    return; /* the device is lost, and the piece with it */
  }
  rk_arena_piece *piece = arena->spare;
  if (piece != NULL) {
    arena->spare = piece->next;
  } else {
    piece = rk_alloc(sizeof(*piece));
  }
  if (piece == NULL) {
    return;
  } /* the piece is lost to this runtime, not to the process */
  piece->memory = memory;
  piece->next = arena->free[index];
  arena->free[index] = piece;
}
