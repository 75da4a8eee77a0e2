/* SPDX-License-Identifier: MIT */
/*
 * Bytes in a file's order (numbers little-endian, texts with their length before them and a zero
 * behind): a buffer that grows, and a cursor that never reads past its end.
 *
 * Both remember their first failure and do nothing after it, so that a whole record is written or
 * read with one check at its end.
 */
#ifndef RK_BASE_BYTES_H
#define RK_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clear it to begin. `failed`: memory has run out. */
typedef struct rk_bytes {
  unsigned char *data;
  size_t size, capacity;
  bool failed;
} rk_bytes;

/* Makes room for `size` bytes more; with `touch` its pages are there, too. Threads: owner, as all
 * of this file. */
void rk_bytes_reserve(rk_bytes *bytes, size_t size, bool touch);
/* `size` bytes more, to be filled in before the next call; NULL after a failure. */
void *rk_bytes_room(rk_bytes *bytes, size_t size);
void rk_bytes_put(rk_bytes *bytes, const void *data, size_t size);
void rk_bytes_u8(rk_bytes *bytes, uint8_t value);
void rk_bytes_u16(rk_bytes *bytes, uint16_t value);
void rk_bytes_u32(rk_bytes *bytes, uint32_t value);
void rk_bytes_u64(rk_bytes *bytes, uint64_t value);
void rk_bytes_text(rk_bytes *bytes, const char *text);
/* Writes over what is there already; nothing after a failure. */
void rk_bytes_u32_at(rk_bytes *bytes, size_t at, uint32_t value);
void rk_bytes_close(rk_bytes *bytes);

typedef struct rk_cursor {
  const unsigned char *data;
  size_t size, at;
  bool failed; /* something was not there; `at` is where it should have been */
} rk_cursor;

/* Values read after a failure are 0, "" and NULL. */
const void *rk_cursor_block(rk_cursor *cursor, size_t size);
uint8_t rk_cursor_u8(rk_cursor *cursor);
uint16_t rk_cursor_u16(rk_cursor *cursor);
uint32_t rk_cursor_u32(rk_cursor *cursor);
uint64_t rk_cursor_u64(rk_cursor *cursor);
/* A text where it lies. */
const char *rk_cursor_text(rk_cursor *cursor);
/* Whether everything was read and nothing is left. */
bool rk_cursor_ended(const rk_cursor *cursor);

#endif
