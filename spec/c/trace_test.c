/* SPDX-License-Identifier: MIT */
/*
 * The trace ring: a block's side (rk_trace_dev.h) against the host's (runtime/trace.c), step by
 * step and with both running at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/thread.h"
#include "runtime/trace.h"

#define CAPACITY RK_TRACE_RECORDS_MIN
#define FLOOD 2000000u

static rk_abi_trace_ring ring;
static rk_abi_trace records[CAPACITY];
static rk_trace_tx tx;
static rk_trace_reader reader;
static rk_abi_trace out[CAPACITY];

static int make_ring(void **state)
{
  (void)state;
  memset(&ring, 0, sizeof(ring));
  memset(records, 0, sizeof(records));
  memset(&tx, 0xFF, sizeof(tx)); /* open must not rely on cleared memory */
  ring.records = (rk_u64)(rk_uptr)records;
  ring.mask = CAPACITY - 1u;
  ring.on = 1u;
  rkd_trace_open(&tx, (rk_u64)(rk_uptr)&ring, 3u);
  rk_trace_reader_open(&reader, &ring, records);
  return 0;
}

/* A record that says its position in every word. */
static void put(rk_u64 position)
{
  rkd_trace_begin(&tx, position);
  rkd_trace_end(&tx, (rk_u32)position & 0xffu, position + (position & 0xffffu), ~position,
                (rk_u32)position, (rk_u32)(position * 7u));
}

static bool is_whole(const rk_abi_trace *r)
{
  rk_u64 position = r->start_ns;
  return r->message == ~position && rkd_trace_actor(r) == (rk_u32)position &&
         rkd_trace_type(r) == (rk_u32)(position * 7u) && rkd_trace_kind(r) == (position & 0xffu) &&
         rkd_trace_duration_ns(r) == (position & 0xffffu) && rkd_trace_block(r) == 3u;
}

static void put_many(rk_u64 first, rk_u64 count)
{
  for (rk_u64 i = 0; i < count; ++i) {
    put(first + i);
  }
}

static void assert_read(rk_u64 first, size_t count)
{
  assert_int_equal(rk_trace_read(&reader, out, CAPACITY), count);
  for (size_t i = 0; i < count; ++i) {
    assert_true(is_whole(&out[i]));
    assert_int_equal(out[i].start_ns, first + i);
  }
}

static void fields_come_back(void **state)
{
  (void)state;
  assert_int_equal(tx.on, 1);
  rkd_trace_begin(&tx, 1000);
  rkd_trace_end(&tx, RK_TRACE_HANDLE, 1250, UINT64_C(0x1000000000007), 0x00300005u, 0xdeadbeefu);
  rkd_trace_mark(&tx, RK_TRACE_DEAD, RK_DEAD_FULL, 2000, 9, 5, 1);
  rkd_trace_begin(&tx, 3000);
  rkd_trace_end(&tx, RK_TRACE_STOP, 2999, 0, 6, 0); /* a clock that stepped back */
  rkd_trace_begin(&tx, 4000);
  rkd_trace_end(&tx, RK_TRACE_START, UINT64_C(10000000000), 0, 6, 0); /* too long for its field */
  rkd_trace_publish(&tx);
  assert_int_equal(rk_trace_read(&reader, out, CAPACITY), 4);
  assert_int_equal(out[0].start_ns, 1000);
  assert_int_equal(out[0].message, UINT64_C(0x1000000000007));
  assert_int_equal(rkd_trace_actor(&out[0]), 0x00300005u);
  assert_int_equal(rkd_trace_type(&out[0]), 0xdeadbeefu);
  assert_int_equal(rkd_trace_kind(&out[0]), RK_TRACE_HANDLE);
  assert_int_equal(rkd_trace_reason(&out[0]), 0);
  assert_int_equal(rkd_trace_block(&out[0]), 3);
  assert_int_equal(rkd_trace_duration_ns(&out[0]), 250);
  assert_int_equal(rkd_trace_kind(&out[1]), RK_TRACE_DEAD);
  assert_int_equal(rkd_trace_reason(&out[1]), RK_DEAD_FULL);
  assert_int_equal(rkd_trace_duration_ns(&out[1]), 0);
  assert_int_equal(rkd_trace_duration_ns(&out[2]), 0);
  assert_int_equal(rkd_trace_duration_ns(&out[3]), UINT32_MAX);
}

static void nothing_is_seen_before_it_is_published(void **state)
{
  (void)state;
  assert_read(0, 0);
  put_many(0, 5);
  assert_read(0, 0);
  rkd_trace_publish(&tx);
  assert_read(0, 5);
  rkd_trace_publish(&tx);
  assert_read(5, 0);
  assert_int_equal(reader.lost, 0);
}

static void a_limit_is_kept_and_the_rest_stays(void **state)
{
  (void)state;
  put_many(0, 10);
  rkd_trace_publish(&tx);
  assert_int_equal(rk_trace_read(&reader, out, 4), 4);
  assert_int_equal(out[3].start_ns, 3);
  assert_int_equal(rk_trace_read(&reader, out, 0), 0);
  assert_read(4, 6);
}

static void what_is_overwritten_is_counted(void **state)
{
  (void)state;
  put_many(0, CAPACITY + 36);
  rkd_trace_publish(&tx);
  assert_read(36, CAPACITY);
  assert_int_equal(reader.lost, 36);
  put_many(CAPACITY + 36, 3 * CAPACITY); /* more than a ring in one turn */
  rkd_trace_publish(&tx);
  assert_read(36 + 3 * CAPACITY, CAPACITY);
  assert_int_equal(reader.lost, 36 + 2 * CAPACITY);
}

static void what_may_be_being_overwritten_is_thrown_away(void **state)
{
  (void)state;
  put_many(0, CAPACITY);
  rkd_trace_publish(&tx);
  put(CAPACITY); /* claims RK_TRACE_CLAIM records, and stands on the first one */
  assert_read(RK_TRACE_CLAIM, CAPACITY - RK_TRACE_CLAIM);
  assert_int_equal(reader.lost, RK_TRACE_CLAIM);
  rkd_trace_publish(&tx);
  assert_read(CAPACITY, 1);
  assert_int_equal(reader.lost, RK_TRACE_CLAIM);
}

static void a_late_reader_begins_at_the_oldest_one(void **state)
{
  (void)state;
  put_many(0, CAPACITY + 10);
  rkd_trace_publish(&tx);
  rk_trace_reader_open(&reader, &ring, records);
  assert_read(10, CAPACITY);
  assert_int_equal(reader.lost, 0);
}

static void a_new_life_of_the_block_goes_on(void **state)
{
  (void)state;
  put_many(0, 7);
  rkd_trace_publish(&tx);
  rkd_trace_open(&tx, (rk_u64)(rk_uptr)&ring, 3u);
  assert_int_equal(tx.on, 1);
  put_many(7, 2);
  rkd_trace_publish(&tx);
  assert_read(0, 9);
}

static void a_grid_without_a_ring_traces_nothing(void **state)
{
  (void)state;
  rkd_trace_open(&tx, 0u, 0u);
  assert_int_equal(tx.on, 0);
  rkd_trace_publish(&tx);
  ring.on = 0u;
  rkd_trace_open(&tx, (rk_u64)(rk_uptr)&ring, 3u);
  assert_int_equal(tx.on, 0);
}

/* ---- both at once ---- */

static uint32_t flood_done;

static void flood(void *arg)
{
  rk_u64 position = 0;
  (void)arg;
  while (position < FLOOD) {
    rk_u64 turn = position * 2654435761u % 40u + 1u; /* 1 to 40: less and more than a claim */
    turn = turn < FLOOD - position ? turn : FLOOD - position;
    put_many(position, turn);
    rkd_trace_publish(&tx);
    position += turn;
    if (turn == 17u) {
      rk_thread_yield();
    }
  }
  rk_st_release_gpu_u32(&flood_done, 1u);
}

static void a_running_block_is_read_whole_and_in_order(void **state)
{
  rk_thread *writer = NULL;
  uint64_t got = 0;
  uint64_t expected = 0;
  bool last = false;
  (void)state;
  rk_st_relaxed_gpu_u32(&flood_done, 0u);
  assert_int_equal(rk_thread_start(&writer, "block", flood, NULL, NULL), RK_OK);
  for (;;) {
    size_t n = rk_trace_read(&reader, out, CAPACITY);
    for (size_t i = 0; i < n; ++i) {
      if (!is_whole(&out[i]) || out[i].start_ns != reader.next - n + i ||
          out[i].start_ns < expected) {
        fail_msg("torn or out of order: %llu at %llu", (unsigned long long)out[i].start_ns,
                 (unsigned long long)(reader.next - n + i));
      }
      expected = out[i].start_ns + 1;
    }
    got += n;
    if (n == 0 && last) {
      break;
    }
    last = rk_ld_acquire_gpu_u32(&flood_done) != 0; /* then look once more */
  }
  rk_thread_join(writer);
  assert_int_equal(got + reader.lost, FLOOD);
  assert_true(got > 0);
  assert_int_equal(expected, FLOOD); /* the newest record is never lost to a reader that waits */
}

#define TEST(function) cmocka_unit_test_setup(function, make_ring)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(fields_come_back),
      TEST(nothing_is_seen_before_it_is_published),
      TEST(a_limit_is_kept_and_the_rest_stays),
      TEST(what_is_overwritten_is_counted),
      TEST(what_may_be_being_overwritten_is_thrown_away),
      TEST(a_late_reader_begins_at_the_oldest_one),
      TEST(a_new_life_of_the_block_goes_on),
      TEST(a_grid_without_a_ring_traces_nothing),
      TEST(a_running_block_is_read_whole_and_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
