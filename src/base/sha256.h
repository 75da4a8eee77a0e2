/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 (FIPS 180-4), for what must not be mistaken for something else even on purpose: sections
 * of checkpoints and the chain of their files. Uses the processor's instructions for it where it
 * has them. base/hash.h is for names of files in caches.
 */
#ifndef RK_BASE_SHA256_H
#define RK_BASE_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RK_SHA256_BYTES 32
#define RK_SHA256_TEXT_BYTES 65 /* hexadecimal, with the terminator */

typedef struct rk_sha256 {
  uint32_t state[8];
  uint64_t size; /* bytes so far */
  unsigned char block[64];
} rk_sha256;

/* Begins; nothing is owned, nothing fails. Threads: any, one at a time for each object. */
void rk_sha256_open(rk_sha256 *sha);
void rk_sha256_add(rk_sha256 *sha, const void *data, size_t size);
/* The digest of all that was added, into 32 bytes. The object must be opened anew after it. */
void rk_sha256_end(rk_sha256 *sha, uint8_t *digest);

/* All of it at once. Threads: any. */
void rk_sha256_of(const void *data, size_t size, uint8_t *digest);

/* Whether two digests are the same. Threads: any. */
bool rk_sha256_same(const uint8_t *a, const uint8_t *b);

/* The digest as 64 hexadecimal digits into RK_SHA256_TEXT_BYTES; returns that. Threads: any. */
char *rk_sha256_text(const uint8_t *digest, char *text);

/* Makes every later call use plain C, or the best there is again. For tests. Threads: only while no
 * other thread runs. */
void rk_sha256_plain(bool plain);

#endif
