/* SPDX-License-Identifier: MIT */
/*
 * FNV-1a of 128 bits, for the names and checks of files. It finds every accident (two processes,
 * a torn file, a changed source); it does not stop somebody who makes collisions on purpose.
 * Header only. Used by the compile caches of both backends.
 */
#ifndef RK_BASE_HASH_H
#define RK_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

__extension__ typedef unsigned __int128 rk_hash128;

/* The hash of nothing: where every other starts. Threads: any. */
static inline rk_hash128 rk_hash_start(void)
{
  return ((rk_hash128)UINT64_C(0x6c62272e07bb0142) << 64) | UINT64_C(0x62b821756295c58d);
}

/* `hash`, continued over `size` bytes. Threads: any. */
static inline rk_hash128 rk_hash_bytes(rk_hash128 hash, const void *data, size_t size)
{
  const rk_hash128 prime = ((rk_hash128)1 << 88) | 0x13b;
  const unsigned char *bytes = (const unsigned char *)data;
  for (size_t i = 0; i < size; i++) {
    hash = (hash ^ bytes[i]) * prime;
  }
  return hash;
}

/* `hash`, continued over `text` with its terminator, so that "ab" "c" and "a" "bc" differ.
 * Threads: any. */
static inline rk_hash128 rk_hash_text(rk_hash128 hash, const char *text)
{
  return rk_hash_bytes(hash, text, strlen(text) + 1);
}

#endif
