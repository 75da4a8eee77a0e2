/* SPDX-License-Identifier: MIT */
/*
 * Hashing ahead of the writer: see checkpoint_ahead.h.
 *
 * The thread writes the digests of the sections in their order and then `done`; the writer reads a
 * digest only once `done` is past it.
 */
#include "core/checkpoint_ahead.h"

#include "base/hash.h"
#include "base/sha256.h"

#define WORTH_BYTES ((size_t)8 << 20) /* a thread costs some 20 us, these 5 ms of hashing */
#define CHUNK_BYTES ((size_t)4 << 20) /* after so many it looks whether it is to stop */

static bool is_over(const rk__ckpt_ahead *ahead)
{
  return __atomic_load_n(&ahead->stop, __ATOMIC_RELAXED) != 0; /* carries nothing but itself */
}

static void hash_one(const rk__ckpt_ahead *ahead, rk_ckpt_piece *piece)
{
  rk_sha256 part;
  rk_sha256_open(&part);
  for (size_t at = 0; at < piece->size && !is_over(ahead);) {
    size_t size = piece->size - at < CHUNK_BYTES ? piece->size - at : CHUNK_BYTES;
    rk_sha256_add(&part, (const unsigned char *)piece->data + at, size);
    at += size;
  }
  rk_sha256_end(&part, piece->digest);
  piece->has_digest = true;
}

static void hash_all(void *arg)
{
  rk__ckpt_ahead *ahead = arg;
  for (size_t i = 0; i < ahead->count && !is_over(ahead); ++i) {
    rk_ckpt_piece *piece = &ahead->pieces[i];
    if (!piece->is_elsewhere && !piece->has_digest) {
      hash_one(ahead, piece);
    }
    /* Releases the digest. Partner: rk__ckpt_ahead_wait. */
    __atomic_store_n(&ahead->done, (uint32_t)i + 1u, __ATOMIC_RELEASE);
    (void)rk_unpark(&ahead->done, 1);
  }
}

void rk__ckpt_ahead_begin(rk__ckpt_ahead *ahead, rk_ckpt_piece *pieces, size_t count)
{
  size_t bytes = 0;
  *ahead = (rk__ckpt_ahead){.pieces = pieces, .count = count};
  for (size_t i = 0; i < count && bytes < WORTH_BYTES; ++i) {
    bytes += pieces[i].is_elsewhere || pieces[i].has_digest ? 0u : pieces[i].size;
  }
  if (bytes >= WORTH_BYTES && count < UINT32_MAX &&
      rk_thread_start(&ahead->thread, "rk-digests", hash_all, ahead, NULL) != RK_OK) {
    ahead->thread = NULL;
  }
}

void rk__ckpt_ahead_wait(rk__ckpt_ahead *ahead, size_t i)
{
  for (;;) {
    uint32_t done = __atomic_load_n(&ahead->done, __ATOMIC_ACQUIRE); /* partner: hash_all */
    if (done > i) {
      return;
    }
    (void)rk_park(&ahead->done, done, RK_FOREVER);
  }
}

void rk__ckpt_ahead_end(rk__ckpt_ahead *ahead)
{
  __atomic_store_n(&ahead->stop, 1u, __ATOMIC_RELAXED);
  rk_thread_join(ahead->thread);
  ahead->thread = NULL;
}
