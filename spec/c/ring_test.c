/* SPDX-License-Identifier: MIT */
/*
 * The three rings, on plain memory and without a grid: the record ring at every size of payload, at
 * every place where it can wrap and with payloads made to look like published records; the inbox
 * ring with several producers and credits; the ready ring with several signallers. Rings are small,
 * so that they wrap thousands of times. Last, programs in which one release store is taken out must
 * be reported by ThreadSanitizer (planted/relaxed_publish.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/platform.h"
#include "base/thread.h"

#include "rk_block_dev.h"

/* ---- record ring: one thread ---- */

typedef struct ring {
  rk_abi_ring *shared;
  unsigned char *units;
  rk_ring_tx tx;
  rk_ring_rx rx;
} ring;

static void open_ring(ring *r, uint32_t units)
{
  r->shared = rk_alloc_aligned(128, sizeof(*r->shared));
  r->units = rk_alloc_aligned(128, (size_t)units * RK_UNIT_BYTES);
  assert_non_null(r->shared);
  assert_non_null(r->units);
  memset(r->shared, 0, sizeof(*r->shared));
  memset(r->units, 0, (size_t)units * RK_UNIT_BYTES);
  r->shared->units = (rk_u64)(rk_uptr)r->units;
  r->shared->capacity_units = units;
  r->shared->mask = units - 1;
  rkd_ring_tx_open(&r->tx, (rk_u64)(rk_uptr)r->shared);
  rkd_ring_rx_open(&r->rx, (rk_u64)(rk_uptr)r->shared);
}

static void close_ring(ring *r)
{
  rk_free(r->shared);
  rk_free(r->units);
}

static void put_record(ring *r, uint64_t id, const void *data, uint32_t size)
{
  rk_abi_msg header = {.id = id, .type = (rk_u32)id, .size_bytes = size, .dest = 7};
  rkd_ring_put(&r->tx, 0u, data, size);
  rkd_ring_commit(&r->tx, &header);
}

static bool try_put(ring *r, uint64_t id, const void *data, uint32_t size)
{
  uint32_t units = rkd_units(size);
  if (rkd_ring_free(&r->tx, units) < units) {
    return false;
  }
  put_record(r, id, data, size);
  return true;
}

/* Takes the record at the head, which must be `id` with `size` bytes of `data`. */
static void expect_record(ring *r, uint64_t id, const void *data, uint32_t size)
{
  static unsigned char copy[RK_PAYLOAD_MAX_BYTES];
  const rk_abi_msg *record = rkd_ring_peek(&r->rx);
  assert_non_null(record);
  assert_int_equal(record->id, id);
  assert_int_equal(record->size_bytes, size);
  rkd_ring_get(&r->rx, 0u, copy, size);
  assert_int_equal(memcmp(copy, data, size), 0); /* assert_memory_equal is too slow for all of it */
  rkd_ring_consume(&r->rx, size);
}

static unsigned char *make_pattern(size_t bytes)
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

static void units_are_counted(void **state)
{
  (void)state;
  assert_int_equal(rkd_units(0), 1);
  assert_int_equal(rkd_units(64), 1);
  assert_int_equal(rkd_units(65), 2);
  assert_int_equal(rkd_units(64 + 128), 2);
  assert_int_equal(rkd_units(64 + 128 + 1), 3);
  for (uint32_t size = 0; size <= RK_PAYLOAD_MAX_BYTES; ++size) {
    uint32_t room = RK_UNIT_INLINE_BYTES + (rkd_units(size) - 1u) * RK_UNIT_BYTES;
    assert_true(room >= size);
    assert_true(rkd_units(size) == 1u || room - RK_UNIT_BYTES < size);
  }
}

/* Every size at every place of a small ring: each record starts at each unit, and is split by the
 * end of the ring in every way there is. */
static void small_records_at_every_offset(void **state)
{
  (void)state;
  ring r;
  open_ring(&r, 16);
  unsigned char *pattern = make_pattern(4096);
  uint64_t id = 0;
  const uint32_t largest = RK_UNIT_INLINE_BYTES + 15u * RK_UNIT_BYTES; /* the whole ring */
  for (uint32_t size = 0; size <= largest; ++size) {
    for (uint32_t offset = 0; offset < 16; ++offset) {
      while ((r.tx.tail & 15u) != offset) {
        assert_true(try_put(&r, ++id, pattern, 1));
        expect_record(&r, id, pattern, 1);
        rkd_ring_give_back(&r.rx);
      }
      assert_int_equal(rkd_ring_free(&r.tx, 16), 16);
      assert_true(try_put(&r, ++id, pattern + size % 97, size));
      expect_record(&r, id, pattern + size % 97, size);
      assert_null(rkd_ring_peek(&r.rx));
      rkd_ring_give_back(&r.rx);
    }
  }
  assert_true(r.tx.tail > 16u * 10000u);
  rk_free(pattern);
  close_ring(&r);
}

/* Every size there is, one behind the other, so that the larger ones start anywhere. */
static void every_size_of_payload(void **state)
{
  (void)state;
  ring r;
  open_ring(&r, 1024);
  unsigned char *pattern = make_pattern(RK_PAYLOAD_MAX_BYTES + 256);
  for (uint32_t size = 0; size <= RK_PAYLOAD_MAX_BYTES; ++size) {
    assert_true(try_put(&r, size + 1u, pattern + size % 251, size));
    expect_record(&r, size + 1u, pattern + size % 251, size);
    assert_null(rkd_ring_peek(&r.rx));
  }
  rk_free(pattern);
  close_ring(&r);
}

/* Payload that has, at each place where a header may come to lie in the next laps, just the word
 * that a published record would have there. */
static void stale_payload_is_no_record(void **state)
{
  (void)state;
  enum { UNITS = 8 };
  ring r;
  open_ring(&r, UNITS);
  uint64_t id = 0;
  for (uint32_t units = 2; units <= UNITS; ++units) {
    for (uint32_t laps = 1; laps <= 2; ++laps) {
      for (uint32_t start = 0; start < UNITS; ++start) {
        uint64_t words[(64 + 128 * (UNITS - 1)) / 8];
        uint32_t size = RK_UNIT_INLINE_BYTES + (units - 1u) * RK_UNIT_BYTES;
        while ((r.tx.tail & (UNITS - 1u)) != start) {
          assert_true(try_put(&r, ++id, "x", 1));
          expect_record(&r, id, "x", 1);
          rkd_ring_give_back(&r.rx);
        }
        for (uint32_t i = 0; i < size / 8u; ++i) {
          uint64_t unit = r.tx.tail + (i < 8u ? 0u : 1u + (i - 8u) / 16u);
          words[i] = unit + laps * UNITS + 1u;
        }
        assert_true(try_put(&r, ++id, words, size));
        expect_record(&r, id, words, size);
        rkd_ring_give_back(&r.rx);
        for (uint32_t i = 0; i < laps * UNITS + UNITS; ++i) {
          assert_null(rkd_ring_peek(&r.rx));
          assert_true(try_put(&r, ++id, "y", 1));
          expect_record(&r, id, "y", 1);
          rkd_ring_give_back(&r.rx);
        }
      }
    }
  }
  close_ring(&r);
}

static void full_and_empty(void **state)
{
  (void)state;
  ring r;
  open_ring(&r, 64);
  char data[200] = "full";
  assert_null(rkd_ring_peek(&r.rx));
  for (uint32_t round = 0; round < 200; ++round) {
    uint64_t first = (uint64_t)round * 100u, n = 0;
    while (try_put(&r, first + n, data, n % 2 == 0 ? 4u : 200u)) {
      ++n;
    } /* 1 and 3 units */
    assert_in_range(n, 31, 32);
    assert_true(rkd_ring_free(&r.tx, 64) < 3);
    assert_false(try_put(&r, 1, data, 200));
    for (uint64_t i = 0; i < n; ++i) {
      expect_record(&r, first + i, data, i % 2 == 0 ? 4u : 200u);
      assert_true(r.rx.head - r.rx.published <
                  64u / 8u); /* lazily, an eighth of the ring at most */
    }
    assert_null(rkd_ring_peek(&r.rx));
    rkd_ring_give_back(&r.rx);
    assert_int_equal(rkd_ring_free(&r.tx, 64), 64);
  }
  close_ring(&r);
}

/* ---- record ring: two threads ---- */

typedef struct stream {
  ring r;
  uint64_t count;
  const unsigned char *pattern;
  uint32_t largest;
} stream;

static uint32_t size_of(const stream *s, uint64_t i)
{
  return (uint32_t)((i * 2654435761u >> 7) % (s->largest + 1u));
}

static void produce(void *arg)
{
  stream *s = arg;
  for (uint64_t i = 0; i < s->count; ++i) {
    while (!try_put(&s->r, i, s->pattern + i % 61, size_of(s, i))) {
      rk_thread_yield();
    }
  }
}

static void stream_between_threads(uint32_t units, uint32_t largest, uint64_t count)
{
  unsigned char *pattern = make_pattern(RK_PAYLOAD_MAX_BYTES + 64);
  static unsigned char copy[RK_PAYLOAD_MAX_BYTES];
  stream s = {.count = count, .pattern = pattern, .largest = largest};
  rk_thread *thread = NULL;
  uint64_t bad = 0;
  open_ring(&s.r, units);
  assert_int_equal(rk_thread_start(&thread, "producer", produce, &s, NULL), RK_OK);
  for (uint64_t i = 0; i < count;) {
    const rk_abi_msg *record = rkd_ring_peek(&s.r.rx);
    if (record == NULL) {
      rkd_ring_give_back(&s.r.rx);
      rk_thread_yield();
      continue;
    }
    uint32_t size = record->size_bytes;
    bad += record->id != i || size != size_of(&s, i) || record->dest != 7u;
    rkd_ring_get(&s.r.rx, 0u, copy, size < sizeof(copy) ? size : 0u);
    bad += memcmp(copy, pattern + i % 61, size) != 0;
    rkd_ring_consume(&s.r.rx, size);
    ++i;
  }
  rk_thread_join(thread);
  assert_int_equal(bad, 0);
  assert_null(rkd_ring_peek(&s.r.rx));
  rk_free(pattern);
  close_ring(&s.r);
}

static void two_threads_small_ring(void **state)
{
  (void)state;
  stream_between_threads(8, 700, 100000);
}

static void two_threads_large_records(void **state)
{
  (void)state;
  stream_between_threads(1024, RK_PAYLOAD_MAX_BYTES, 4000);
}

/* ---- inbox ring ---- */

#define PRODUCERS_MAX 4u
#define INBOX_PAYLOAD 40u

typedef struct inbox {
  rk_abi_grid grid; /* without blocks: nobody is to be woken */
  rk_abi_actor *actor;
  unsigned char *slots;
  uint64_t each; /* messages of one producer */
  uint32_t chunk;
} inbox;

typedef struct producer {
  inbox *box;
  uint32_t index;
  uint64_t sent, refused;
  rk_thread *thread;
} producer;

static void give_room(inbox *box, uint32_t credits)
{
  rk_block block = {.grid = (rk_u64)(rk_uptr)&box->grid};
  rkd_room_give(&block, box->actor, credits);
}

static void open_inbox(inbox *box, uint32_t limit)
{
  uint32_t slots = (uint32_t)rk_u64_next_pow2(limit);
  box->actor = rk_alloc_aligned(128, sizeof(*box->actor));
  box->slots = rk_alloc_aligned(64, (size_t)slots * 128u);
  assert_non_null(box->actor);
  assert_non_null(box->slots);
  memset(box->actor, 0, sizeof(*box->actor));
  memset(box->slots, 0, (size_t)slots * 128u);
  box->actor->kernel_slots = (rk_u64)(rk_uptr)box->slots;
  box->actor->slot_bytes = 128;
  box->actor->kernel_mask = slots - 1;
  box->actor->limit_msgs = limit;
  box->actor->room = limit;
}

static void close_inbox(inbox *box)
{
  rk_free(box->actor);
  rk_free(box->slots);
}

static void fill_payload(uint64_t words[INBOX_PAYLOAD / 8], uint32_t index, uint64_t seq)
{
  for (uint32_t i = 0; i < INBOX_PAYLOAD / 8; ++i) {
    words[i] = seq * 1000003u + index * 97u + i;
  }
}

static void produce_into_inbox(void *arg)
{
  producer *p = arg;
  rk_abi_actor *to = p->box->actor;
  uint32_t credits = 0;
  for (uint64_t seq = 0; seq < p->box->each;) {
    uint64_t words[INBOX_PAYLOAD / 8];
    rk_u64 ticket = 0;
    if (credits == 0) {
      credits = rkd_room_take(to, 1u, p->box->chunk);
    }
    if (credits == 0) {
      if ((rk_ld_relaxed_gpu_u64(&to->tail) & RK_TAIL_CLOSED) != 0u) {
        break;
      }
      rk_thread_yield();
      continue;
    }
    credits -= 1u;
    if (!rkd_inbox_ticket(to, &ticket)) {
      p->refused += 1;
      break;
    }
    rk_abi_msg header = {.id = seq, .source = p->index, .size_bytes = INBOX_PAYLOAD};
    fill_payload(words, p->index, seq);
    rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket,
                     &header, words);
    p->sent += 1;
    ++seq;
  }
  give_room(p->box, credits);
}

/* Takes one message; 0 when there is none. */
static int consume_from_inbox(inbox *box, uint64_t next[PRODUCERS_MAX], uint64_t *bad)
{
  rk_abi_actor *a = box->actor;
  rk_abi_msg *m = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, a->kernel_head);
  uint64_t words[INBOX_PAYLOAD / 8];
  if (!rkd_slot_ready(m, a->kernel_head)) {
    return 0;
  }
  if (m->source >= PRODUCERS_MAX || m->id != next[m->source] || m->size_bytes != INBOX_PAYLOAD) {
    *bad += 1;
  } else {
    next[m->source] += 1;
    fill_payload(words, m->source, m->id);
    *bad += memcmp(rkd_slot_payload(m), words, sizeof(words)) != 0;
  }
  a->kernel_head += 1u;
  a->kernel_taken += 1u;
  if (a->kernel_taken * 8u >= a->limit_msgs) {
    give_room(box, a->kernel_taken);
    a->kernel_taken = 0u;
  }
  return 1;
}

static void run_inbox(uint32_t limit, uint32_t producers, uint32_t chunk, uint64_t each,
                      uint64_t close_after)
{
  inbox box = {.each = each, .chunk = chunk};
  producer p[PRODUCERS_MAX] = {0};
  uint64_t next[PRODUCERS_MAX] = {0}, bad = 0, got = 0, total = each * producers;
  uint64_t end = UINT64_MAX;
  open_inbox(&box, limit);
  for (uint32_t i = 0; i < producers; ++i) {
    p[i] = (producer){.box = &box, .index = i};
    assert_int_equal(rk_thread_start(&p[i].thread, "producer", produce_into_inbox, &p[i], NULL),
                     RK_OK);
  }
  while (got < total && got != end) {
    if (got == close_after && end == UINT64_MAX) {
      end = rk_or_acqrel_gpu_u64(&box.actor->tail, RK_TAIL_CLOSED);
      continue;
    }
    if (consume_from_inbox(&box, next, &bad)) {
      ++got;
    } else {
      rk_thread_yield();
    }
  }
  uint64_t sent = 0;
  for (uint32_t i = 0; i < producers; ++i) {
    rk_thread_join(p[i].thread);
    sent += p[i].sent;
    assert_int_equal(next[i], p[i].sent);
  }
  assert_int_equal(bad, 0);
  assert_int_equal(got, sent); /* a ticket is a message, also when the box is closed meanwhile */
  assert_false(consume_from_inbox(&box, next, &bad));
  if (close_after == UINT64_MAX) {
    assert_int_equal(sent, total);
    give_room(&box, box.actor->kernel_taken);
    assert_int_equal(box.actor->room, limit); /* no credit was lost or made */
  }
  close_inbox(&box);
}

static void inbox_with_credits(void **state)
{
  (void)state;
  run_inbox(1, 2, 1, 5000, UINT64_MAX);
  run_inbox(3, 3, 2, 20000, UINT64_MAX); /* fewer credits than slots */
  run_inbox(4, 4, 1, 20000, UINT64_MAX);
  run_inbox(16, 4, 8, 40000, UINT64_MAX);
  run_inbox(64, 2, 32, 40000, UINT64_MAX);
}

static void inbox_closed_in_mid_stream(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 50; ++i) {
    run_inbox(1u + i % 9u, 2u + i % 3u, 1u + i % 4u, 1000, 37u * i % 600u);
  }
}

/* ---- ready ring ---- */

#define READY_ACTORS 16u

typedef struct ready {
  rk_abi_block *block;
  rk_abi_ready entries[READY_ACTORS];
  uint64_t work[READY_ACTORS]; /* plain words; handed over by the signal alone */
  rk_u32 signal[READY_ACTORS];
  uint64_t made[READY_ACTORS];
} ready;

typedef struct signaller {
  ready *r;
  uint32_t first, count; /* actors that it alone makes work for */
  uint64_t rounds;
  rk_thread *thread;
} signaller;

static void make_work(void *arg)
{
  signaller *s = arg;
  for (uint64_t i = 0; i < s->rounds; ++i) {
    uint32_t slot = s->first + (uint32_t)(i % s->count);
    (void)rk_add_acqrel_gpu_u64(&s->r->made[slot], 1u);
    if (rk_exch_acqrel_gpu_u32(&s->r->signal[slot], 1u) == 0u) {
      s->r->work[slot] += 1; /* ours since the consumer put the signal back */
      rkd_ready_push(s->r->block, slot);
    }
    if (i % 64u == 0u) {
      rk_thread_yield();
    }
  }
}

/* Whoever sets a signal that is up already relies on the entry that is in the ring: nothing that
 * was made may stay unseen. */
static void ready_ring_loses_no_signal(void **state)
{
  (void)state;
  static ready r;
  enum { THREADS = 3 };
  signaller s[THREADS];
  uint64_t seen[READY_ACTORS] = {0}, pops = 0, work = 0;
  rk_u64 head = 0;
  const uint64_t rounds = 60000;
  memset(&r, 0, sizeof(r));
  r.block = rk_alloc_aligned(128, sizeof(*r.block));
  assert_non_null(r.block);
  memset(r.block, 0, sizeof(*r.block));
  r.block->ready = (rk_u64)(rk_uptr)r.entries;
  r.block->ready_mask = READY_ACTORS - 1u;
  for (uint32_t i = 0; i < THREADS; ++i) {
    s[i] = (signaller){.r = &r, .first = i * 5u, .count = 5u, .rounds = rounds};
    assert_int_equal(rk_thread_start(&s[i].thread, "signaller", make_work, &s[i], NULL), RK_OK);
  }
  for (;;) {
    uint64_t sum = 0;
    rk_u32 slot = 0;
    while (rkd_ready_pop(r.block, &head, &slot)) {
      assert_in_range(slot, 0, READY_ACTORS - 1u);
      work += r.work[slot];
      r.work[slot] = 0;
      (void)rk_exch_acqrel_gpu_u32(&r.signal[slot], 0u);
      seen[slot] = rk_ld_acquire_gpu_u64(&r.made[slot]);
      ++pops;
    }
    for (uint32_t i = 0; i < READY_ACTORS; ++i) {
      sum += seen[i];
    }
    if (sum == rounds * THREADS) {
      break;
    }
    rk_thread_yield();
  }
  for (uint32_t i = 0; i < THREADS; ++i) {
    rk_thread_join(s[i].thread);
  }
  assert_int_equal(work, pops); /* one entry for each signal that went up */
  assert_false(rkd_ready_waits(r.block, head));
  assert_int_equal(r.block->ready_tail, head);
  rk_free(r.block);
}

/* ---- planted bugs ---- */

#define FOLDER_BYTES 256
#define OUTPUT_BYTES 32768

static int run_shell(const char *command, char *output)
{
  rk_spawn program = {.argv = (const char *const[]){"sh", "-c", command, NULL},
                      .timeout_ns = UINT64_C(120000000000),
                      .output = output,
                      .output_bytes = OUTPUT_BYTES};
  rk_spawn_result result;
  rk_error err = RK_ERROR_INIT;
  if (rk_platform_current()->spawn(&program, &result, &err) != RK_OK) {
    (void)snprintf(output, OUTPUT_BYTES, "%s", err.text);
    return -1;
  }
  return result.exit_code;
}

/* Builds the program with and without the bug and runs it on each ring. Returns false, with the
 * reason in `output`, when the compiler cannot make programs with ThreadSanitizer here. */
static bool plant(const char *compiler, const char *folder, char *output)
{
  char command[1024];
  (void)snprintf(command, sizeof(command),
                 "echo 'int main(void){return 0;}' | %s -fsanitize=thread -x c -o %s/probe - && "
                 "TSAN_OPTIONS= %s/probe",
                 compiler, folder, folder);
  if (run_shell(command, output) != 0) {
    return false;
  }
  for (int bug = 0; bug < 2; ++bug) {
    (void)snprintf(command, sizeof(command),
                   "%s -std=gnu11 -O1 -g -Isrc -Ikernels/include -fsanitize=thread %s -pthread "
                   "-o %s/program spec/c/planted/relaxed_publish.c",
                   compiler, bug ? "-DRK_PLANT_RELAXED_PUBLISH=1" : "", folder);
    if (run_shell(command, output) != 0) {
      fail_msg("%s: %s", compiler, output);
    }
    for (int which = 0; which < 2; ++which) {
      const char *name = which == 0 ? "record" : "inbox";
      (void)snprintf(command, sizeof(command), "TSAN_OPTIONS= %s/program %s", folder, name);
      int code = run_shell(command, output);
      if (bug ? code != 66 || strstr(output, "data race") == NULL : code != 0) {
        fail_msg("%s, %s ring, %s: exit status %d\n%s", compiler, name,
                 bug ? "not reported" : "no bug, but reported", code, output);
      }
    }
  }
  return true;
}

static void planted_bugs_are_reported_by(const char *compiler)
{
  static char output[OUTPUT_BYTES], removed[OUTPUT_BYTES];
  char folder[FOLDER_BYTES], command[FOLDER_BYTES + 16];
  assert_int_equal(
      rk_platform_current()->dir_make_temp("rk-planted-", folder, sizeof(folder), NULL), RK_OK);
  bool works = plant(compiler, folder, output);
  (void)snprintf(command, sizeof(command), "rm -r '%s'", folder);
  assert_int_equal(run_shell(command, removed), 0);
  if (!works) {
    print_message("%s with ThreadSanitizer does not work here: %s\n", compiler, output);
    skip();
  }
}

static void planted_bugs_are_reported_by_gcc(void **state)
{
  (void)state;
  planted_bugs_are_reported_by("gcc");
}

static void planted_bugs_are_reported_by_clang(void **state)
{
  (void)state;
  planted_bugs_are_reported_by("clang");
}

static int nothing_is_left(void **state)
{
  (void)state;
  return rk_alloc_live() == 0 ? 0 : -1;
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(units_are_counted),
      cmocka_unit_test(small_records_at_every_offset),
      cmocka_unit_test(every_size_of_payload),
      cmocka_unit_test(stale_payload_is_no_record),
      cmocka_unit_test(full_and_empty),
      cmocka_unit_test(two_threads_small_ring),
      cmocka_unit_test(two_threads_large_records),
      cmocka_unit_test(inbox_with_credits),
      cmocka_unit_test(inbox_closed_in_mid_stream),
      cmocka_unit_test(ready_ring_loses_no_signal),
      cmocka_unit_test(planted_bugs_are_reported_by_gcc),
      cmocka_unit_test(planted_bugs_are_reported_by_clang),
  };
  return cmocka_run_group_tests_name("ring", tests, NULL, nothing_is_left);
}
