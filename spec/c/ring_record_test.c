/* SPDX-License-Identifier: MIT */
/*
 * The record ring on plain memory, without a grid, in both of its forms by the same tests: every size
 * of payload, every place where it can wrap, payloads made to look like published records, batches,
 * random use against a model, two threads. Rings are small, so that they wrap thousands of times.
 * What only the tagged form has: ring_tagged_test.c.
 */
#include "ring_helper.h"

static uint32_t form_of(void **state)
{
  return *(const uint32_t *)*state;
}

/* ---- one thread ---- */

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
  ring r;
  open_ring(&r, form_of(state), 16);
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
  ring r;
  open_ring(&r, form_of(state), 1024);
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
  enum { UNITS = 8 };
  ring r;
  open_ring(&r, form_of(state), UNITS);
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

/* Written where it will lie and read where it lies, or forgotten half way. */
static void payload_in_place(void **state)
{
  ring r;
  uint64_t id = 0;
  uint32_t whole = 0, split = 0;
  open_ring(&r, form_of(state), 8);
  for (uint32_t size = 0; size <= 600; ++size) {
    unsigned char data[600];
    memset(data, (int)(size % 251u), sizeof(data));
    for (uint32_t start = 0; start < 8; ++start) {
      while ((r.tx.tail & 7u) != start) {
        assert_true(try_put(&r, ++id, "x", 1));
        expect_record(&r, id, "x", 1);
        rkd_ring_give_back(&r.rx);
      }
      assert_int_equal(rkd_ring_free(&r.tx, 8), 8);
      /* words of published records of this lap and the next, wherever one may come to be sought */
      void *place = rkd_ring_place(&r.tx, size);
      if (place != NULL) {
        for (uint32_t at = 0; at + 8u <= size; at += 8u) {
          uint64_t word = r.tx.tail + 1u + (at + RK_UNIT_INLINE_BYTES) / RK_UNIT_BYTES;
          memcpy((unsigned char *)place + at, &word, sizeof(word));
        }
      } else {
        rkd_ring_put(&r.tx, size, 0u, data, size);
      }
      rkd_ring_abandon(&r.tx, size);
      for (uint32_t i = 0; i < rkd_units(size); ++i) {
        assert_null(rkd_ring_peek(&r.rx));
        assert_true(try_put(&r, ++id, "y", 1));
        expect_record(&r, id, "y", 1);
      }
      rkd_ring_give_back(&r.rx);
      assert_int_equal(rkd_ring_free(&r.tx, 8), 8);
      place = rkd_ring_place(&r.tx, size);
      if (place != NULL) {
        memcpy(place, data, size);
        commit_record(&r, ++id, size);
        whole += 1;
      } else {
        put_record(&r, ++id, data, size);
        split += 1;
      }
      expect_record(&r, id, data, size);
      rkd_ring_give_back(&r.rx);
    }
  }
  assert_true(whole > split && split > 0);
  close_ring(&r);
}

static void full_and_empty(void **state)
{
  ring r;
  open_ring(&r, form_of(state), 64);
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

static void random_use_is_as_modelled(void **state)
{
  random_use(form_of(state), 0, 300000);
  random_use(form_of(state), UINT64_C(1) << 33, 20000);
}

/* ---- batches ---- */

/* Nothing of a batch is there before it ends, then all of it is; at every place of the ring, with
 * payloads up to the largest there is. */
static void a_batch_appears_at_once(void **state)
{
  static const uint32_t sizes[] = {0, 8, 64, 65, 700, 5000, RK_PAYLOAD_MAX_BYTES};
  enum { UNITS = 2048, SIZES = sizeof(sizes) / sizeof(sizes[0]) };
  unsigned char *pattern = make_pattern(RK_PAYLOAD_MAX_BYTES + 16);
  uint64_t id = 0;
  ring r;
  open_ring(&r, form_of(state), UNITS);
  for (uint32_t round = 0; round < 400; ++round) {
    uint32_t count = round % 6u;
    uint64_t first = id;
    rkd_ring_hold(&r.tx);
    for (uint32_t i = 0; i < count; ++i, ++id) {
      assert_true(try_put(&r, id, pattern + id % 16u, sizes[id % SIZES]));
      assert_null(rkd_ring_peek(&r.rx));
      assert_false(rkd_ring_waits(r.shared, r.rx.head));
    }
    rkd_ring_flush(&r.tx);
    assert_int_equal(rkd_ring_waits(r.shared, r.rx.head), count != 0);
    for (uint64_t i = first; i < id; ++i) {
      expect_record(&r, i, pattern + i % 16u, sizes[i % SIZES]);
    }
    assert_null(rkd_ring_peek(&r.rx));
    rkd_ring_give_back(&r.rx);
    rkd_ring_flush(&r.tx); /* none is open */
    assert_true(try_put(&r, id, pattern + id % 16u, sizes[id % SIZES]));
    expect_record(&r, id, pattern + id % 16u, sizes[id % SIZES]);
    ++id;
    rkd_ring_give_back(&r.rx);
  }
  assert_true(r.tx.tail > 10u * UNITS);
  rk_free(pattern);
  close_ring(&r);
}

/* ---- two threads ---- */

static void two_threads_small_ring(void **state)
{
  stream_between_threads(form_of(state), 8, 700, 100000, 0, 0);
}

static void two_threads_short_records(void **state)
{
  stream_between_threads(form_of(state), 64, RK_UNIT_INLINE_BYTES, 300000, 0, 0);
}

static void two_threads_large_records(void **state)
{
  stream_between_threads(form_of(state), 1024, RK_PAYLOAD_MAX_BYTES, 4000, 0, 0);
}

static void two_threads_batches(void **state)
{
  stream_between_threads(form_of(state), 64, 200, 200000, 0, 7);
}

static void two_threads_large_batches(void **state)
{
  stream_between_threads(form_of(state), 2048, RK_PAYLOAD_MAX_BYTES, 3000, 0, 3);
}

int main(void)
{
  static uint32_t plain = RK_TRANSPORT_PLAIN, tagged = RK_TRANSPORT_TAGGED;
#define IN_FORM(test, form)                       \
  {                                               \
#test " (" #form ")", test, NULL, NULL, &form \
  }
#define RECORD_TESTS(form)                                                                \
  IN_FORM(small_records_at_every_offset, form), IN_FORM(every_size_of_payload, form),     \
      IN_FORM(stale_payload_is_no_record, form), IN_FORM(payload_in_place, form),         \
      IN_FORM(full_and_empty, form), IN_FORM(a_batch_appears_at_once, form),              \
      IN_FORM(random_use_is_as_modelled, form), IN_FORM(two_threads_small_ring, form),    \
      IN_FORM(two_threads_short_records, form), IN_FORM(two_threads_large_records, form), \
      IN_FORM(two_threads_batches, form), IN_FORM(two_threads_large_batches, form)
  const struct CMUnitTest tests[] = {cmocka_unit_test(units_are_counted), RECORD_TESTS(plain),
                                     RECORD_TESTS(tagged)};
  return cmocka_run_group_tests_name("record ring", tests, NULL, nothing_is_left);
}
