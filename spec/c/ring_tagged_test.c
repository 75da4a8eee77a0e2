/* SPDX-License-Identifier: MIT */
/*
 * What only the tagged form of the record ring has: heads that are half there, laps whose tags come
 * again, batches that tell the consumer to acquire, and the change from the plain form.
 */
#include "ring_helper.h"

static rk_u64 *words_at(const ring *r, uint64_t position)
{
  return rkd_ring_head(r->shared->heads, r->shared->mask, position);
}

/* The words that a record of this size has. */
static uint32_t words_of(uint32_t size)
{
  return 2u * (RK_HEAD_FIXED + (size <= RK_UNIT_INLINE_BYTES ? (size + 7u) / 8u : 0u));
}

/* A head is written into one ring and carried into another word by word, each of them last once:
 * nothing is there before the last tag is. */
static void half_a_head_is_no_record(void **state)
{
  (void)state;
  static const uint32_t sizes[] = {0, 1, 8, 9, 16, 40, 41, 64, 65, 300};
  unsigned char *pattern = make_pattern(512);
  for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); ++k) {
    const uint32_t size = sizes[k], count = words_of(size);
    for (uint32_t last = 0; last < count; ++last) {
      ring from, to;
      open_ring(&from, RK_TRANSPORT_TAGGED, 8);
      open_ring(&to, RK_TRANSPORT_TAGGED, 8);
      put_record(&from, 9, pattern, size);
      memcpy(to.units, from.units, 8u * RK_UNIT_BYTES);
      const rk_u64 *source = words_at(&from, 0);
      rk_u64 *target = words_at(&to, 0);
      uint32_t looked_at = 0; /* words of pair 0, which say that something waits */
      for (uint32_t i = 1; i <= count; ++i) {
        uint32_t at = (last + i) % count;
        target[at] = source[at] & 0xffffffffu; /* data without a tag, and with another */
        assert_null(rkd_ring_peek(&to.rx));
        target[at] = source[at] ^ UINT64_C(1) << (32 + i % 32u);
        assert_null(rkd_ring_peek(&to.rx));
        assert_int_equal(rkd_ring_waits(to.shared, 0), looked_at == 2);
        target[at] = source[at];
        looked_at += at < 2u;
        assert_true(i == count || rkd_ring_peek(&to.rx) == NULL);
      }
      assert_true(rkd_ring_waits(to.shared, 0));
      to.rx.quiet = last % 2u * 1000u; /* eager or not, where that makes a difference */
      expect_record(&to, 9, pattern, size);
      assert_null(rkd_ring_peek(&to.rx));
      close_ring(&from);
      close_ring(&to);
    }
  }
  rk_free(pattern);
}

/* A record of the lap before lies in the slot, and word by word becomes that of this lap. Taken both
 * ways: word after word, and all at once as a device does. */
static void half_an_old_head_is_no_record(void **state)
{
  (void)state;
  enum { WORDS = 2u * RK_HEAD_PAIRS };
  char old[64], new[64];
  memset(old, 1, sizeof(old));
  memset(new, 2, sizeof(new));
  for (uint32_t last = 0; last < WORDS; ++last) {
    ring r;
    rk_u64 before[WORDS], after[WORDS], payload[8];
    rk_abi_msg header;
    open_ring(&r, RK_TRANSPORT_TAGGED, 8);
    for (uint64_t i = 0; i < 8; ++i) {
      put_record(&r, i, old, sizeof(old));
      expect_record(&r, i, old, sizeof(old));
    }
    memcpy(before, words_at(&r, 8), sizeof(before));
    put_record(&r, 8, new, sizeof(new));
    memcpy(after, words_at(&r, 8), sizeof(after));
    memcpy(words_at(&r, 8), before, sizeof(before));
    assert_null(rkd_ring_peek(&r.rx));
    for (uint32_t i = 1; i <= WORDS; ++i) {
      uint32_t at = (last + i) % WORDS;
      assert_null(rkd_ring_peek(&r.rx));
      assert_false(rkd_head_read(words_at(&r, 8), rkd_head_tag(1), 1, &header, payload));
      words_at(&r, 8)[at] = after[at];
    }
    assert_true(rkd_head_read(words_at(&r, 8), rkd_head_tag(1), 1, &header, payload));
    assert_int_equal(header.id, 8);
    assert_memory_equal(payload, new, sizeof(new));
    expect_record(&r, 8, new, sizeof(new));
    close_ring(&r);
  }
}

/* Moves an empty ring on, as if the laps between had been made of long records of the kind that
 * writes no head at these places. */
static void skip_to(ring *r, uint64_t position)
{
  r->tx.tail = r->tx.head = r->rx.head = r->rx.published = position;
  r->shared->head = position;
}

#define TAG_LAPS (UINT64_C(1) << 31) /* tags come again after so many */

static void zero_has_no_tag(void **state)
{
  (void)state;
  const uint64_t laps[] = {0, 1, TAG_LAPS - 1, TAG_LAPS, 2 * TAG_LAPS - 1, 2 * TAG_LAPS};
  ring r;
  open_ring(&r, RK_TRANSPORT_TAGGED, 8);
  for (size_t i = 0; i < sizeof(laps) / sizeof(laps[0]); ++i) {
    for (uint64_t k = 0; k < 8; ++k) {
      skip_to(&r, laps[i] * 8u + k);
      assert_null(rkd_ring_peek(&r.rx));
      assert_false(rkd_ring_waits(r.shared, r.rx.head));
    }
  }
  close_ring(&r);
}

/* Heads of lap 5 stay where they are for 2^31 laps: but for one lap in between, whatever is sent in
 * it, they would be taken for those of lap 5 + 2^31. */
static void tags_that_come_again_match_nothing(void **state)
{
  (void)state;
  char data[900];
  const uint64_t clears = RK_LAP_CLEARS; /* the first lap that does */
  memset(data, 7, sizeof(data));
  for (uint32_t with = 0; with <= sizeof(data); with += 4) { /* size of the records in between */
    ring r;
    open_ring(&r, RK_TRANSPORT_TAGGED, 8);
    skip_to(&r, 5u * 8u);
    for (uint64_t i = 0; i < 8; ++i) {
      put_record(&r, i, data, 64);
      expect_record(&r, i, data, 64);
    }
    skip_to(&r, (TAG_LAPS + 5u) * 8u);
    assert_non_null(rkd_ring_peek(&r.rx)); /* so it would be */
    skip_to(&r, clears * 8u);
    while (r.tx.tail < (clears + 1u) * 8u) {
      rkd_ring_give_back(&r.rx);
      assert_true(try_put(&r, r.tx.tail, data, with));
      expect_record(&r, r.rx.head, data, with);
    }
    for (uint64_t i = 0; i < 8; ++i) {
      skip_to(&r, (TAG_LAPS + 5u) * 8u + i);
      assert_null(rkd_ring_peek(&r.rx));
      /* and none of its words completes a head that is being written */
      for (uint32_t k = 0; k < 2u * RK_HEAD_PAIRS; ++k) {
        assert_int_not_equal(words_at(&r, i)[k] >> 32, rkd_head_tag(TAG_LAPS + 5u) >> 32);
      }
    }
    close_ring(&r);
  }
}

static void traffic_where_tags_begin_again(void **state)
{
  (void)state;
  for (uint64_t lap = TAG_LAPS / 2u - 6u; lap < 3u * TAG_LAPS; lap += TAG_LAPS / 2u) {
    random_use(RK_TRANSPORT_TAGGED, lap * 16u, 4000);
    stream_between_threads(RK_TRANSPORT_TAGGED, 8, 400, 2000, lap * 8u, 0);
    stream_between_threads(RK_TRANSPORT_TAGGED, 8, 100, 2000, lap * 8u, 3);
  }
}

/* The first record of a batch tells the consumer to acquire if any of it needs that: the fence that
 * the producer has made stands behind the others. */
static void a_batch_says_that_it_is_ordered(void **state)
{
  (void)state;
  static const struct {
    uint32_t size[3];
    uint16_t flags[3];
    bool ordered;
  } cases[] = {{{8, 64, 0}, {0, 0, 0}, false},
               {{8, 65, 0}, {0, 0, 0}, true},
               {{8, 8, 300}, {0, 0, 0}, true},
               {{300, 8, 8}, {0, 0, 0}, true},
               {{8, 8, 8}, {0, 0, RK_MSG_ORDERED}, true},
               {{8, 8, 8}, {0, RK_MSG_COMMAND, 0}, true},
               {{8, 8, 8}, {RK_MSG_REPLY, 0, RK_MSG_REPLY}, false}};
  const unsigned char data[300] = {1};
  for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); ++k) {
    ring r;
    open_ring(&r, RK_TRANSPORT_TAGGED, 16);
    rkd_ring_hold(&r.tx);
    for (uint32_t i = 0; i < 3; ++i) {
      rk_abi_msg header = {.id = i, .size_bytes = cases[k].size[i], .flags = cases[k].flags[i]};
      rkd_ring_put(&r.tx, header.size_bytes, 0u, data, header.size_bytes);
      rkd_ring_commit(&r.tx, &header);
    }
    rkd_ring_flush(&r.tx);
    for (uint32_t i = 0; i < 3; ++i) {
      const rk_abi_msg *record = rkd_ring_peek(&r.rx);
      assert_non_null(record);
      assert_int_equal(record->id, i);
      uint32_t told = i == 0 && cases[k].ordered ? RK_MSG_ORDERED : 0u;
      assert_int_equal(record->flags, cases[k].flags[i] | told);
      rkd_ring_consume(&r.rx, record->size_bytes);
    }
    close_ring(&r);
  }
}

/* Both sides change at the same record, wherever the ring stands and whatever lies in it. */
static void a_ring_changes_its_form(void **state)
{
  (void)state;
  unsigned char *pattern = make_pattern(2048);
  for (uint32_t before = 0; before < 40; ++before) {
    ring r;
    uint64_t id = 0;
    open_ring(&r, RK_TRANSPORT_PLAIN, 8);
    for (uint32_t i = 0; i < before; ++i) {
      ++id;
      rkd_ring_give_back(&r.rx);
      assert_true(try_put(&r, id, pattern + i, i * 29u % 900u));
      expect_record(&r, id, pattern + i, i * 29u % 900u);
    }
    rkd_ring_give_back(&r.rx);
    assert_true(try_put(&r, ++id, "change", 6)); /* the command */
    r.tx.transport = RK_TRANSPORT_TAGGED;
    assert_true(try_put(&r, ++id, pattern, 64)); /* already on its way behind it */
    expect_record(&r, id - 1, "change", 6);
    r.rx.transport = RK_TRANSPORT_TAGGED;
    r.shared->transport = RK_TRANSPORT_TAGGED;
    expect_record(&r, id, pattern, 64);
    for (uint32_t i = 0; i < 40; ++i) {
      ++id;
      rkd_ring_give_back(&r.rx);
      assert_null(rkd_ring_peek(&r.rx));
      assert_true(try_put(&r, id, pattern + i, i * 31u % 900u));
      expect_record(&r, id, pattern + i, i * 31u % 900u);
    }
    close_ring(&r);
  }
  rk_free(pattern);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(half_a_head_is_no_record),
      cmocka_unit_test(half_an_old_head_is_no_record),
      cmocka_unit_test(zero_has_no_tag),
      cmocka_unit_test(tags_that_come_again_match_nothing),
      cmocka_unit_test(traffic_where_tags_begin_again),
      cmocka_unit_test(a_batch_says_that_it_is_ordered),
      cmocka_unit_test(a_ring_changes_its_form),
  };
  return cmocka_run_group_tests_name("tagged record ring", tests, NULL, nothing_is_left);
}
