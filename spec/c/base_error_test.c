/* SPDX-License-Identifier: MIT */
/*
 * Status codes, errors and the arithmetic of base.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "base/error.h"
#include "base/status.h"

static const int all_statuses[] = {
#define STATUS_NUMBER(name, number, code, text) RK_##name,
    RK_STATUS_LIST(STATUS_NUMBER)
#undef STATUS_NUMBER
};

static void each_status_has_its_own_name_and_a_text(void **state)
{
  (void)state;
  for (size_t i = 0; i < RK_ARRAY_LEN(all_statuses); i++) {
    assert_int_equal(all_statuses[i], -(int)i); /* no gap: numbers are an interface */
    assert_string_not_equal(rk_status_name(all_statuses[i]), "unknown");
    assert_true(strlen(rk_status_text(all_statuses[i])) > 3);
    for (size_t j = 0; j < i; j++) {
      assert_string_not_equal(rk_status_name(all_statuses[i]), rk_status_name(all_statuses[j]));
    }
  }
  assert_string_equal(rk_status_name(RK_EFULL), "full");
  assert_string_equal(rk_status_name(RK_OK), "ok");
  assert_string_equal(rk_status_name(-1000), "unknown");
  assert_string_equal(rk_status_name(1), "unknown");
  assert_string_equal(rk_status_text(1), "unknown status");
}

static void error_is_set_prefixed_and_cleared(void **state)
{
  (void)state;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_error_set(&err, RK_EFULL, "port %d", 7), RK_EFULL);
  assert_int_equal(err.status, RK_EFULL);
  assert_string_equal(err.text, "port 7");
  assert_int_equal(rk_error_prefix(&err, "send '%s'", "a"), RK_EFULL);
  assert_string_equal(err.text, "send 'a': port 7");
  rk_error_set(&err, RK_EIO, "again: %s", err.text); /* an argument inside the error */
  assert_string_equal(err.text, "again: send 'a': port 7");
  rk_error_prefix(&err, "%s", err.text);
  assert_string_equal(err.text, "again: send 'a': port 7: again: send 'a': port 7");
  rk_error_clear(&err);
  assert_int_equal(err.status, RK_OK);
  assert_string_equal(err.text, "");
}

static void error_without_a_place_still_gives_the_status(void **state)
{
  (void)state;
  assert_int_equal(rk_error_set(NULL, RK_EINVAL, "nobody listens"), RK_EINVAL);
  assert_int_equal(rk_error_prefix(NULL, "x"), RK_OK);
  rk_error_clear(NULL);
}

static void long_texts_are_cut_and_terminated(void **state)
{
  (void)state;
  char big[2 * RK_ERROR_TEXT_BYTES];
  memset(big, 'x', sizeof big - 1);
  big[sizeof big - 1] = '\0';
  rk_error err = RK_ERROR_INIT;
  rk_error_set(&err, RK_EIO, "%s", big);
  assert_int_equal(strlen(err.text), RK_ERROR_TEXT_BYTES - 1);
  rk_error_prefix(&err, "front");
  assert_int_equal(strlen(err.text), RK_ERROR_TEXT_BYTES - 1);
  assert_memory_equal(err.text, "front: xxx", 10);
  rk_error_prefix(&err, "%s", big); /* a prefix that leaves no room for the rest */
  assert_int_equal(strlen(err.text), RK_ERROR_TEXT_BYTES - 1);
  assert_int_equal(err.text[0], 'x');
}

static void sizes_say_when_they_overflow(void **state)
{
  (void)state;
  size_t out = 0;
  assert_false(rk_size_add(2, 3, &out));
  assert_int_equal(out, 5);
  assert_false(rk_size_add(SIZE_MAX, 0, &out));
  assert_true(out == SIZE_MAX);
  assert_true(rk_size_add(SIZE_MAX, 1, &out));
  assert_false(rk_size_mul(6, 7, &out));
  assert_int_equal(out, 42);
  assert_false(rk_size_mul(SIZE_MAX / 2, 2, &out));
  assert_true(rk_size_mul(SIZE_MAX / 2 + 1, 2, &out));
}

static void powers_of_two(void **state)
{
  (void)state;
  assert_int_equal(rk_u64_next_pow2(0), 1);
  assert_int_equal(rk_u64_next_pow2(1), 1);
  for (unsigned bit = 1; bit < 64; bit++) {
    uint64_t power = UINT64_C(1) << bit;
    assert_true(rk_u64_is_pow2(power));
    assert_true(rk_u64_next_pow2(power) == power);
    assert_true(rk_u64_next_pow2(power - 1) == (bit == 1 ? 1 : power));
    assert_true(rk_u64_next_pow2(power + 1) == (bit == 63 ? 0 : power * 2));
  }
  assert_true(rk_u64_next_pow2(UINT64_MAX) == 0);
  assert_false(rk_u64_is_pow2(0));
  assert_false(rk_u64_is_pow2(6));
  assert_int_equal(rk_align_up(0, 64), 0);
  assert_int_equal(rk_align_up(1, 64), 64);
  assert_int_equal(rk_align_up(64, 64), 64);
  assert_int_equal(rk_align_up(65, 64), 128);
}

static void container_is_found_from_its_member(void **state)
{
  (void)state;
  struct outer {
    int before;
    RK_ALIGNED(RK_CACHE_LINE) int member;
  } outer;
  assert_ptr_equal(RK_CONTAINER_OF(&outer.member, struct outer, member), &outer);
  assert_int_equal((uintptr_t)&outer.member % RK_CACHE_LINE, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_status_has_its_own_name_and_a_text),
      cmocka_unit_test(error_is_set_prefixed_and_cleared),
      cmocka_unit_test(error_without_a_place_still_gives_the_status),
      cmocka_unit_test(long_texts_are_cut_and_terminated),
      cmocka_unit_test(sizes_say_when_they_overflow),
      cmocka_unit_test(powers_of_two),
      cmocka_unit_test(container_is_found_from_its_member),
  };
  return cmocka_run_group_tests_name("base_error", tests, NULL, NULL);
}
