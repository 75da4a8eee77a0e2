/* SPDX-License-Identifier: MIT */
/*
 * A record ring on plain memory, records whose every word follows from their number, and traffic
 * between two threads: what ring_record_test.c, for both forms of the ring, and ring_tagged_test.c
 * share.
 */
#ifndef RK_SPEC_RING_HELPER_H
#define RK_SPEC_RING_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/thread.h"

#include "rk_ring_dev.h"

/* ---- a ring ---- */

typedef struct ring {
  rk_abi_ring *shared;
  unsigned char *units; /* and the heads behind them */
  rk_ring_tx tx;
  rk_ring_rx rx;
} ring;

/* A ring whose first record is at `position`, which a ring reaches after a long time only. */
static inline void open_ring_at(ring *r, uint32_t form, uint32_t units, uint64_t position)
{
  const size_t bytes = (size_t)units * (RK_UNIT_BYTES + RK_HEAD_BYTES);
  r->shared = rk_alloc_aligned(128, sizeof(*r->shared));
  r->units = rk_alloc_aligned(128, bytes);
  assert_non_null(r->shared);
  assert_non_null(r->units);
  memset(r->shared, 0, sizeof(*r->shared));
  memset(r->units, 0, bytes);
  r->shared->units = (rk_u64)(rk_uptr)r->units;
  r->shared->capacity_units = units;
  r->shared->mask = units - 1;
  r->shared->heads = r->shared->units + (uint64_t)units * RK_UNIT_BYTES;
  r->shared->transport = form;
  r->shared->head = position;
  rkd_ring_tx_open(&r->tx, (rk_u64)(rk_uptr)r->shared);
  rkd_ring_rx_open(&r->rx, (rk_u64)(rk_uptr)r->shared);
  r->tx.tail = r->tx.head = r->rx.head = r->rx.published = position;
}

static inline void open_ring(ring *r, uint32_t form, uint32_t units)
{
  open_ring_at(r, form, units, 0);
}

static inline void close_ring(ring *r)
{
  rk_free(r->shared);
  rk_free(r->units);
}

static inline void commit_record(ring *r, uint64_t id, uint32_t size)
{
  rk_abi_msg header = {.id = id,
                       .correlation = ~id,
                       .hlc = id * 3u,
                       .deadline = id * 5u,
                       .source = (rk_u32)(id * 7u),
                       .dest = 7,
                       .type = (rk_u32)id,
                       .checksum = (rk_u32)(id * 11u),
                       .size_bytes = size,
                       .flags = (rk_u16)(id * 13u),
                       .priority = (rk_u8)(id * 17u),
                       .reason = (rk_u8)(id * 19u)};
  rkd_ring_commit(&r->tx, &header);
}

static inline void put_record(ring *r, uint64_t id, const void *data, uint32_t size)
{
  rkd_ring_put(&r->tx, size, 0u, data, size);
  commit_record(r, id, size);
}

static inline bool is_header(const rk_abi_msg *h, uint64_t id, uint32_t size)
{
  return h->id == id && h->correlation == ~id && h->hlc == id * 3u && h->deadline == id * 5u &&
         h->source == (rk_u32)(id * 7u) && h->dest == 7u && h->type == (rk_u32)id &&
         h->checksum == (rk_u32)(id * 11u) && h->size_bytes == size &&
         (h->flags & ~RK_MSG_ORDERED) == (rk_u16)(id * 13u & ~RK_MSG_ORDERED) &&
         (h->flags & RK_MSG_ORDERED) >= (id * 13u & RK_MSG_ORDERED) && /* a batch may set it */
         h->priority == (rk_u8)(id * 17u) && h->reason == (rk_u8)(id * 19u);
}

static inline bool try_put(ring *r, uint64_t id, const void *data, uint32_t size)
{
  uint32_t units = rkd_units(size);
  if (rkd_ring_free(&r->tx, units) < units) {
    return false;
  }
  put_record(r, id, data, size);
  return true;
}

/* Takes the record at the head, which must be `id` with `size` bytes of `data`. */
static inline void expect_record(ring *r, uint64_t id, const void *data, uint32_t size)
{
  static unsigned char copy[RK_PAYLOAD_MAX_BYTES];
  const rk_abi_msg *record = rkd_ring_peek(&r->rx);
  assert_non_null(record);
  assert_true(is_header(record, id, size));
  rkd_ring_get(&r->rx, 0u, copy, size);
  assert_int_equal(memcmp(copy, data, size), 0); /* assert_memory_equal is too slow for all of it */
  const void *whole = rkd_ring_payload(&r->rx, record);
  assert_true(whole == NULL || memcmp(whole, data, size) == 0);
  rkd_ring_consume(&r->rx, size);
}

static inline unsigned char *make_pattern(size_t bytes)
{
  unsigned char *pattern = rk_alloc(bytes);
  assert_non_null(pattern);
  uint64_t x = 88172645463325252u;
  for (size_t i = 0; i < bytes; ++i) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    pattern[i] = (unsigned char)x;
  }
  return pattern;
}

/* ---- random use ---- */

static inline uint64_t next_random(uint64_t *x)
{
  *x ^= *x << 13;
  *x ^= *x >> 7;
  *x ^= *x << 17;
  return *x >> 11;
}

/* Puts, takes and gives back in any order; a list of what is on its way says what must come. */
static inline void random_use(uint32_t form, uint64_t position, uint32_t steps)
{
  enum { UNITS = 16 };
  struct {
    uint64_t id;
    uint32_t size;
  } way[UNITS];
  uint64_t put = 0, taken = 0, seed = position * 2u + 88172645463325252u;
  ring r;
  unsigned char *pattern = make_pattern(4096);
  open_ring_at(&r, form, UNITS, position);
  for (uint32_t i = 0; i < steps; ++i) {
    uint64_t dice = next_random(&seed);
    uint32_t size = (uint32_t)(dice / 8u % (dice % 3u == 0 ? 1200u : 80u));
    if (dice % 8u < 4u) {
      uint64_t used = r.tx.tail - r.rx.published;
      bool fits = used + rkd_units(size) <= UNITS;
      assert_int_equal(try_put(&r, put, pattern + put % 1000u, size), fits);
      if (fits) {
        way[put % UNITS].id = put;
        way[put % UNITS].size = size;
        put += 1;
      }
    } else if (dice % 8u < 7u) {
      if (taken == put) {
        assert_null(rkd_ring_peek(&r.rx));
      } else {
        expect_record(&r, way[taken % UNITS].id, pattern + taken % 1000u, way[taken % UNITS].size);
        taken += 1;
      }
    } else {
      rkd_ring_give_back(&r.rx);
    }
  }
  assert_true(taken > steps / 8u);
  rk_free(pattern);
  close_ring(&r);
}

/* ---- two threads ---- */

#define NOTES 2048u /* more than records that can be on their way */

typedef struct stream {
  ring r;
  uint64_t count;
  const unsigned char *pattern;
  uint32_t largest;
  uint32_t batch;        /* records published at once; 0: each by itself */
  uint64_t notes[NOTES]; /* plain memory; flagged records tell of it */
} stream;

static inline uint32_t size_of(const stream *s, uint64_t i)
{
  return (uint32_t)((i * 2654435761u >> 7) % (s->largest + 1u));
}

/* Whether what the sender wrote elsewhere comes with record `i` (put_record sets its flags). */
static inline bool is_ordered(const stream *s, uint64_t i)
{
  return s->r.tx.transport == RK_TRANSPORT_PLAIN || size_of(s, i) > RK_UNIT_INLINE_BYTES ||
         (i * 13u & (RK_MSG_COMMAND | RK_MSG_RESPONSE | RK_MSG_ORDERED)) != 0;
}

static inline void produce(void *arg)
{
  stream *s = arg;
  for (uint64_t i = 0; i < s->count; ++i) {
    if (s->batch != 0 && i % s->batch == 0) {
      rkd_ring_flush(&s->r.tx);
      rkd_ring_hold(&s->r.tx);
    }
    if (is_ordered(s, i)) {
      s->notes[i % NOTES] = i; /* who read the old one has given its units back */
    }
    while (!try_put(&s->r, i, s->pattern + i % 61, size_of(s, i))) {
      rkd_ring_flush(&s->r.tx); /* what is held takes the room */
      rk_thread_yield();
    }
  }
  rkd_ring_flush(&s->r.tx);
}

static inline void stream_between_threads(uint32_t form, uint32_t units, uint32_t largest,
                                          uint64_t count, uint64_t position, uint32_t batch)
{
  static stream s;
  static unsigned char copy[RK_PAYLOAD_MAX_BYTES];
  unsigned char *pattern = make_pattern(RK_PAYLOAD_MAX_BYTES + 64);
  rk_thread *thread = NULL;
  uint64_t bad = 0;
  memset(&s, 0, sizeof(s));
  s.count = count;
  s.pattern = pattern;
  s.largest = largest;
  s.batch = batch;
  open_ring_at(&s.r, form, units, position);
  assert_int_equal(rk_thread_start(&thread, "producer", produce, &s, NULL), RK_OK);
  for (uint64_t i = 0; i < count;) {
    const rk_abi_msg *record = rkd_ring_peek(&s.r.rx);
    if (record == NULL) {
      rkd_ring_give_back(&s.r.rx);
      rk_thread_yield();
      continue;
    }
    uint32_t size = record->size_bytes;
    bad += !is_header(record, i, size_of(&s, i));
    rkd_ring_get(&s.r.rx, 0u, copy, size < sizeof(copy) ? size : 0u);
    bad += memcmp(copy, pattern + i % 61, size) != 0;
    bad += is_ordered(&s, i) && s.notes[i % NOTES] != i;
    rkd_ring_consume(&s.r.rx, size);
    ++i;
  }
  rk_thread_join(thread);
  assert_int_equal(bad, 0);
  assert_null(rkd_ring_peek(&s.r.rx));
  rk_free(pattern);
  close_ring(&s.r);
}

static inline int nothing_is_left(void **state)
{
  (void)state;
  return rk_alloc_live() == 0 ? 0 : -1;
}

#endif
