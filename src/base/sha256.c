/* SPDX-License-Identifier: MIT */
/*
 * SHA-256: see sha256.h. Two forms of the one function that matters, compress: plain C, and the SHA
 * instructions of x86, which are five times as fast; a test compares them.
 */
#include "base/sha256.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t round_words[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t x, unsigned n)
{
  return x >> n | x << (32u - n);
}

static uint32_t big_endian(const unsigned char *p)
{
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void compress_plain(uint32_t *state, const unsigned char *data, size_t blocks)
{
  for (; blocks != 0; --blocks, data += 64) {
    uint32_t w[64];
    uint32_t s[8];
    memcpy(s, state, sizeof(s));
    for (unsigned i = 0; i < 16; ++i) {
      w[i] = big_endian(data + 4u * i);
    }
    for (unsigned i = 16; i < 64; ++i) {
      uint32_t a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] +
             (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    for (unsigned i = 0; i < 64; ++i) {
      uint32_t sum_e = turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25);
      uint32_t t1 = s[7] + sum_e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + round_words[i] + w[i];
      uint32_t sum_a = turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22);
      uint32_t t2 = sum_a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
      s[7] = s[6];
      s[6] = s[5];
      s[5] = s[4];
      s[4] = s[3] + t1;
      s[3] = s[2];
      s[2] = s[1];
      s[1] = s[0];
      s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; ++i) {
      state[i] += s[i];
    }
  }
}

#if defined(__x86_64__)
/* The instructions keep the state as two vectors, ABEF and CDGH, and do two rounds at a time. */
__attribute__((target("sha,sse4.1"))) static void compress_sha(uint32_t *state,
                                                               const unsigned char *data,
                                                               size_t blocks)
{
  const __m128i order = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  __m128i low = _mm_loadu_si128((const void *)state);        /* DCBA */
  __m128i high = _mm_loadu_si128((const void *)(state + 4)); /* HGFE */
  low = _mm_shuffle_epi32(low, 0xb1);                        /* CDAB */
  high = _mm_shuffle_epi32(high, 0x1b);                      /* EFGH */
  __m128i abef = _mm_alignr_epi8(low, high, 8);
  __m128i cdgh = _mm_blend_epi16(high, low, 0xf0);
  for (; blocks != 0; --blocks, data += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; ++i) { /* four rounds each */
      if (i < 4) {
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(data + 16u * i)), order);
      } else {
        __m128i w9 = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);
        __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]), w9);
        w[i & 3] = _mm_sha256msg2_epu32(sum, w[(i + 3) & 3]);
      }
      __m128i wk = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const void *)(round_words + 4u * i)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  low = _mm_shuffle_epi32(abef, 0x1b);  /* FEBA */
  high = _mm_shuffle_epi32(cdgh, 0xb1); /* DCHG */
  _mm_storeu_si128((void *)state, _mm_blend_epi16(low, high, 0xf0));
  _mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

static bool has_instructions(void)
{
  unsigned a = 0, b = 0, c = 0, d = 0;
  bool sse41 = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_1) != 0;
  return sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & (1u << 29)) != 0;
}
#else
static void compress_sha(uint32_t *state, const unsigned char *data, size_t blocks)
{
  compress_plain(state, data, blocks);
}
static bool has_instructions(void)
{
  return false;
}
#endif

/* 0: not looked yet, 1: plain, 2: instructions. Whoever looks finds the same. */
static atomic_int form;

void rk_sha256_plain(bool plain)
{
  atomic_store_explicit(&form, plain ? 1 : 0, memory_order_relaxed);
}

static void compress(uint32_t *state, const unsigned char *data, size_t blocks)
{
  int use = atomic_load_explicit(&form, memory_order_relaxed);
  if (use == 0) {
    use = has_instructions() ? 2 : 1;
    atomic_store_explicit(&form, use, memory_order_relaxed);
  }
  if (use == 2) {
    compress_sha(state, data, blocks);
  } else {
    compress_plain(state, data, blocks);
  }
}

void rk_sha256_open(rk_sha256 *sha)
{
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(sha->state, start, sizeof(start));
  sha->size = 0;
}

void rk_sha256_add(rk_sha256 *sha, const void *data, size_t size)
{
  const unsigned char *from = data;
  size_t have = (size_t)(sha->size % 64u);
  sha->size += size;
  if (have != 0) {
    size_t part = 64u - have < size ? 64u - have : size;
    memcpy(sha->block + have, from, part);
    from += part;
    size -= part;
    if (have + part < 64u) {
      return;
    }
    compress(sha->state, sha->block, 1);
  }
  if (size >= 64u) {
    compress(sha->state, from, size / 64u);
    from += size - size % 64u;
  }
  if (size % 64u != 0) {
    memcpy(sha->block, from, size % 64u);
  }
}

void rk_sha256_end(rk_sha256 *sha, uint8_t *digest)
{
  static const unsigned char padding[64] = {0x80};
  unsigned char bits[8];
  uint64_t count = sha->size * 8u;
  for (unsigned i = 0; i < 8; ++i) {
    bits[i] = (unsigned char)(count >> (56u - 8u * i));
  }
  size_t have = (size_t)(sha->size % 64u);
  rk_sha256_add(sha, padding, have < 56u ? 56u - have : 120u - have);
  rk_sha256_add(sha, bits, sizeof(bits));
  for (unsigned i = 0; i < RK_SHA256_BYTES; ++i) {
    digest[i] = (uint8_t)(sha->state[i / 4u] >> (24u - 8u * (i % 4u)));
  }
}

void rk_sha256_of(const void *data, size_t size, uint8_t *digest)
{
  rk_sha256 sha;
  rk_sha256_open(&sha);
  rk_sha256_add(&sha, data, size);
  rk_sha256_end(&sha, digest);
}

bool rk_sha256_same(const uint8_t *a, const uint8_t *b)
{
  return memcmp(a, b, RK_SHA256_BYTES) == 0;
}

char *rk_sha256_text(const uint8_t *digest, char *text)
{
  static const char digits[] = "0123456789abcdef";
  for (unsigned i = 0; i < RK_SHA256_BYTES; ++i) {
    text[2u * i] = digits[digest[i] >> 4];
    text[2u * i + 1u] = digits[digest[i] & 15u];
  }
  text[2u * RK_SHA256_BYTES] = '\0';
  return text;
}
