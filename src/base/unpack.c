/* SPDX-License-Identifier: MIT */
/*
 * The reader of packed texts: see unpack.h.
 */
#include "base/unpack.h"

#include <string.h>

enum { LEAST_COPY = 4, HALF_FULL = 15, BYTE_FULL = 255 };

typedef struct source {
  const unsigned char *at, *end;
} source;

/* A length that began with half a byte; false at the end of the source. */
static bool read_length(source *s, size_t half, size_t *length)
{
  size_t sum = half;
  unsigned char byte = half == HALF_FULL ? BYTE_FULL : 0;
  while (byte == BYTE_FULL) {
    if (s->at == s->end) {
      return false;
    }
    byte = *s->at++;
    sum += byte;
  }
  *length = sum;
  return true;
}

bool rk_unpack(const unsigned char *packed, size_t packed_bytes, unsigned char *out,
               size_t out_bytes)
{
  source s = {packed, packed + packed_bytes};
  size_t done = 0;
  while (s.at < s.end) {
    unsigned char halves = *s.at++;
    size_t length = 0;
    if (!read_length(&s, halves >> 4, &length) || length > (size_t)(s.end - s.at) ||
        length > out_bytes - done) {
      return false;
    }
    memcpy(out + done, s.at, length);
    s.at += length;
    done += length;
    if (s.at == s.end) {
      break;
    }
    if (s.end - s.at < 2) {
      return false;
    }
    size_t back = (size_t)s.at[0] | (size_t)s.at[1] << 8;
    s.at += 2;
    if (back == 0 || back > done || !read_length(&s, halves & HALF_FULL, &length)) {
      return false;
    }
    length += LEAST_COPY;
    if (length > out_bytes - done) {
      return false;
    }
    for (size_t i = 0; i < length; i++, done++) { /* in this order: it may reach into itself */
      out[done] = out[done - back];
    }
  }
  return done == out_bytes;
}
