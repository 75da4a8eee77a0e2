/* SPDX-License-Identifier: MIT */
/*
 * Bytes in a file's order: see bytes.h.
 */
#include "base/bytes.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/thread.h"

#define FIRST_BYTES 256u
#define SHARED_BYTES ((size_t)64 << 20) /* finding so much takes 30 ms, a thread 20 us */

typedef struct range {
  unsigned char *start;
  size_t bytes;
} range;

static void touch_range(void *arg)
{
  const range *r = arg;
  rk_pages_touch(r->start, r->bytes);
}

/* Half of very much is another thread's. */
static void touch_all(unsigned char *start, size_t bytes)
{
  range upper = {start + bytes / 2u, bytes - bytes / 2u};
  rk_thread *thread = NULL;
  if (bytes >= SHARED_BYTES &&
      rk_thread_start(&thread, "rk-touch", touch_range, &upper, NULL) == RK_OK) {
    bytes /= 2u;
  }
  rk_pages_touch(start, bytes);
  rk_thread_join(thread);
}

void rk_bytes_reserve(rk_bytes *bytes, size_t size, bool touch)
{
  size_t needed = bytes->size + size;
  if (bytes->failed || needed < size) {
    bytes->failed = true;
    return;
  }
  if (needed > bytes->capacity) {
    size_t capacity = bytes->capacity + bytes->capacity / 2u;
    capacity = capacity < FIRST_BYTES ? FIRST_BYTES : capacity;
    capacity = capacity < needed ? needed : capacity;
    unsigned char *larger = rk_realloc(bytes->data, capacity);
    if (larger == NULL) {
      bytes->failed = true;
      return;
    }
    bytes->data = larger;
    bytes->capacity = capacity;
  }
  if (touch) {
    touch_all(bytes->data + bytes->size, bytes->capacity - bytes->size);
  }
}

void *rk_bytes_room(rk_bytes *bytes, size_t size)
{
  if (bytes->failed || bytes->capacity - bytes->size < size) {
    rk_bytes_reserve(bytes, size, false);
    if (bytes->failed) {
      return NULL;
    }
  }
  bytes->size += size;
  return bytes->data + bytes->size - size;
}

void rk_bytes_put(rk_bytes *bytes, const void *data, size_t size)
{
  if (size != 0) {
    void *room = rk_bytes_room(bytes, size);
    if (room != NULL) {
      memcpy(room, data, size);
    }
  }
}

static void store(unsigned char *to, uint64_t value, size_t size)
{
  for (size_t i = 0; i < size; ++i) {
    to[i] = (unsigned char)(value >> (8u * i));
  }
}

static void put_number(rk_bytes *bytes, uint64_t value, size_t size)
{
  unsigned char *room = rk_bytes_room(bytes, size);
  if (room != NULL) {
    store(room, value, size);
  }
}

void rk_bytes_u8(rk_bytes *bytes, uint8_t value)
{
  put_number(bytes, value, 1);
}
void rk_bytes_u16(rk_bytes *bytes, uint16_t value)
{
  put_number(bytes, value, 2);
}
void rk_bytes_u32(rk_bytes *bytes, uint32_t value)
{
  put_number(bytes, value, 4);
}
void rk_bytes_u64(rk_bytes *bytes, uint64_t value)
{
  put_number(bytes, value, 8);
}

void rk_bytes_text(rk_bytes *bytes, const char *text)
{
  size_t size = strlen(text);
  rk_bytes_u32(bytes, (uint32_t)size);
  rk_bytes_put(bytes, text, size + 1u);
}

void rk_bytes_u32_at(rk_bytes *bytes, size_t at, uint32_t value)
{
  if (!bytes->failed) {
    store(bytes->data + at, value, 4);
  }
}

void rk_bytes_close(rk_bytes *bytes)
{
  rk_free(bytes->data);
  *bytes = (rk_bytes){0};
}

/* ---- cursor ---------------------------------------------------------------------------------- */

const void *rk_cursor_block(rk_cursor *cursor, size_t size)
{
  if (cursor->failed || cursor->size - cursor->at < size) {
    cursor->failed = true;
    return NULL;
  }
  cursor->at += size;
  return cursor->data + cursor->at - size;
}

static uint64_t get_number(rk_cursor *cursor, size_t size)
{
  const unsigned char *from = rk_cursor_block(cursor, size);
  uint64_t value = 0;
  for (size_t i = 0; from != NULL && i < size; ++i) {
    value |= (uint64_t)from[i] << (8u * i);
  }
  return value;
}

uint8_t rk_cursor_u8(rk_cursor *cursor)
{
  return (uint8_t)get_number(cursor, 1);
}
uint16_t rk_cursor_u16(rk_cursor *cursor)
{
  return (uint16_t)get_number(cursor, 2);
}
uint32_t rk_cursor_u32(rk_cursor *cursor)
{
  return (uint32_t)get_number(cursor, 4);
}
uint64_t rk_cursor_u64(rk_cursor *cursor)
{
  return get_number(cursor, 8);
}

const char *rk_cursor_text(rk_cursor *cursor)
{
  size_t start = cursor->at;
  size_t size = rk_cursor_u32(cursor);
  const char *text = rk_cursor_block(cursor, size + 1u);
  if (text == NULL) {
    return "";
  }
  if (text[size] != '\0' || memchr(text, '\0', size) != NULL) {
    cursor->failed = true;
    cursor->at = start;
    return "";
  }
  return text;
}

bool rk_cursor_ended(const rk_cursor *cursor)
{
  return !cursor->failed && cursor->at == cursor->size;
}
