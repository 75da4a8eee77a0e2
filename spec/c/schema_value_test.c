/* SPDX-License-Identifier: MIT */
/*
 * Tests of the put and get functions of core/schema.h: limits of every type, what is refused with
 * which text, and that a refused value changes nothing. The block lies at an odd address.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "core/schema.h"

enum {
  F_I8,
  F_U8,
  F_I16,
  F_U16,
  F_I32,
  F_U32,
  F_I64,
  F_U64,
  F_F32,
  F_F64,
  F_BOOL,
  F_HLC,
  F_ID,
  F_BUFFER,
  F_TEXT,
  F_LIST,
  F_COUNT
};

static const rk_schema_spec value_specs[F_COUNT] = {
    [F_I8] = {"vi8", "i8"},          [F_U8] = {"vu8", "u8"},
    [F_I16] = {"vi16", "i16"},       [F_U16] = {"vu16", "u16"},
    [F_I32] = {"vi32", "i32"},       [F_U32] = {"vu32", "u32"},
    [F_I64] = {"vi64", "i64"},       [F_U64] = {"vu64", "u64"},
    [F_F32] = {"vf32", "f32"},       [F_F64] = {"vf64", "f64"},
    [F_BOOL] = {"vbool", "bool"},    [F_HLC] = {"vhlc", "hlc"},
    [F_ID] = {"vid", "id"},          [F_BUFFER] = {"vbuffer", "buffer"},
    [F_TEXT] = {"vtext", "char[6]"}, [F_LIST] = {"vlist", "i16[4]"},
};

static rk_schema *values;
static unsigned char memory[256];
static unsigned char *base; /* odd on purpose */

static int open_values(void **state)
{
  (void)state;
  assert_int_equal(rk_schema_open("Values", value_specs, F_COUNT, &values, NULL), RK_OK);
  memset(memory, 0xa5, sizeof memory);
  base = memory + 1;
  return 0;
}

static int close_values(void **state)
{
  (void)state;
  /* Nothing outside of the block was written. */
  assert_int_equal(memory[0], 0xa5);
  assert_int_equal(base[rk_schema_size(values)], 0xa5);
  rk_schema_close(values);
  return 0;
}

/* Expects a put to have been refused with that text and the block to be as `before` was. */
#define REFUSED(call, text_part)                              \
  do {                                                        \
    unsigned char before[sizeof memory];                      \
    memcpy(before, memory, sizeof memory);                    \
    rk_error err = RK_ERROR_INIT;                             \
    assert_int_equal(call, RK_EINVAL);                        \
    if (strstr(err.text, text_part) == NULL) {                \
      fail_msg("got '%s', wanted '%s'", err.text, text_part); \
    }                                                         \
    assert_memory_equal(before, memory, sizeof memory);       \
  } while (0)

static void test_integers(void **state)
{
  (void)state;
  static const struct {
    size_t field;
    int64_t min, max;
  } signed_cases[] = {
      {F_I8, INT8_MIN, INT8_MAX},    {F_I16, INT16_MIN, INT16_MAX}, {F_I32, INT32_MIN, INT32_MAX},
      {F_I64, INT64_MIN, INT64_MAX}, {F_U8, 0, UINT8_MAX},          {F_U16, 0, UINT16_MAX},
      {F_U32, 0, UINT32_MAX},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(signed_cases); i++) {
    size_t field = signed_cases[i].field;
    int64_t samples[] = {signed_cases[i].min, signed_cases[i].max, 0, 1, 100};
    for (size_t j = 0; j < RK_ARRAY_LEN(samples); j++) {
      assert_int_equal(rk_schema_put_i64(values, field, 0, samples[j], base, NULL), RK_OK);
      assert_true(rk_schema_get_i64(values, field, 0, base) == samples[j]);
    }
    if (field != F_I64) {
      REFUSED(rk_schema_put_i64(values, field, 0, signed_cases[i].min - 1, base, &err), "takes");
      REFUSED(rk_schema_put_i64(values, field, 0, signed_cases[i].max + 1, base, &err), "takes");
      REFUSED(rk_schema_put_i64(values, field, 0, INT64_MIN, base, &err), "takes");
      REFUSED(rk_schema_put_i64(values, field, 0, INT64_MAX, base, &err), "takes");
    }
    REFUSED(rk_schema_put_u64(values, field, 0, UINT64_MAX, base, &err), "18446744073709551615");
  }
  REFUSED(rk_schema_put_i64(values, F_U8, 0, 300, base, &err),
          "field 'vu8': u8 takes 0..255, got 300");
  REFUSED(rk_schema_put_i64(values, F_I8, 0, -129, base, &err), "i8 takes -128..127, got -129");
}

static void test_wide_unsigned(void **state)
{
  (void)state;
  static const size_t fields[] = {F_U64, F_HLC, F_ID};
  for (size_t i = 0; i < RK_ARRAY_LEN(fields); i++) {
    assert_int_equal(rk_schema_put_u64(values, fields[i], 0, UINT64_MAX, base, NULL), RK_OK);
    assert_true(rk_schema_get_i64(values, fields[i], 0, base) == -1);
    assert_int_equal(rk_schema_put_i64(values, fields[i], 0, INT64_MAX, base, NULL), RK_OK);
    assert_true(rk_schema_get_i64(values, fields[i], 0, base) == INT64_MAX);
    REFUSED(rk_schema_put_i64(values, fields[i], 0, -1, base, &err),
            "takes 0..18446744073709551615, got -1");
  }
}

static void test_arrays(void **state)
{
  (void)state;
  for (int i = 0; i < 4; i++) {
    assert_int_equal(rk_schema_put_i64(values, F_LIST, (size_t)i, -100 * i, base, NULL), RK_OK);
  }
  for (int i = 0; i < 4; i++) {
    assert_true(rk_schema_get_i64(values, F_LIST, (size_t)i, base) == -100 * i);
  }
  REFUSED(rk_schema_put_i64(values, F_LIST, 4, 0, base, &err),
          "field 'vlist' has 4 elements, got index 4");
  REFUSED(rk_schema_put_f64(values, F_LIST, SIZE_MAX, 0.0, base, &err), "has 4 elements");
  REFUSED(rk_schema_put_u64(values, F_U8, 1, 0, base, &err), "has 1 element, got index 1");
}

static void test_floats(void **state)
{
  (void)state;
  static const double doubles[] = {0.0, -1.5, 1e300, 5e-324, INFINITY, -INFINITY};
  for (size_t i = 0; i < RK_ARRAY_LEN(doubles); i++) {
    assert_int_equal(rk_schema_put_f64(values, F_F64, 0, doubles[i], base, NULL), RK_OK);
    assert_true(rk_schema_get_f64(values, F_F64, 0, base) == doubles[i]);
  }
  assert_int_equal(rk_schema_put_f64(values, F_F64, 0, NAN, base, NULL), RK_OK);
  assert_true(isnan(rk_schema_get_f64(values, F_F64, 0, base)));
  assert_int_equal(rk_schema_put_f64(values, F_F32, 0, 0.1, base, NULL), RK_OK);
  assert_true(rk_schema_get_f64(values, F_F32, 0, base) == (double)0.1f);
  assert_int_equal(rk_schema_put_f64(values, F_F32, 0, 3.4028234e38, base, NULL), RK_OK);
  assert_int_equal(rk_schema_put_f64(values, F_F32, 0, -INFINITY, base, NULL), RK_OK);
  assert_true(isinf(rk_schema_get_f64(values, F_F32, 0, base)));
  assert_int_equal(rk_schema_put_f64(values, F_F32, 0, NAN, base, NULL), RK_OK);
  assert_true(isnan(rk_schema_get_f64(values, F_F32, 0, base)));
  REFUSED(rk_schema_put_f64(values, F_F32, 0, 1e39, base, &err), "f32 takes up to 3.4");
  REFUSED(rk_schema_put_f64(values, F_F32, 0, -1e300, base, &err), "f32 takes up to 3.4");
  assert_int_equal(rk_schema_put_i64(values, F_F32, 0, -3, base, NULL), RK_OK);
  assert_true(rk_schema_get_f64(values, F_F32, 0, base) == -3.0);
  assert_int_equal(rk_schema_put_u64(values, F_F64, 0, UINT64_MAX, base, NULL), RK_OK);
  assert_true(rk_schema_get_f64(values, F_F64, 0, base) == 0x1p64);
}

static void test_floats_into_integers(void **state)
{
  (void)state;
  assert_int_equal(rk_schema_put_f64(values, F_I8, 0, -128.0, base, NULL), RK_OK);
  assert_true(rk_schema_get_i64(values, F_I8, 0, base) == -128);
  assert_int_equal(rk_schema_put_f64(values, F_U64, 0, 0x1.fffffffffffffp63, base, NULL), RK_OK);
  assert_true((uint64_t)rk_schema_get_i64(values, F_U64, 0, base) == 0xfffffffffffff800u);
  assert_int_equal(rk_schema_put_f64(values, F_I64, 0, -0x1p63, base, NULL), RK_OK);
  assert_true(rk_schema_get_i64(values, F_I64, 0, base) == INT64_MIN);
  REFUSED(rk_schema_put_f64(values, F_U8, 0, 1.5, base, &err),
          "field 'vu8': u8 takes whole numbers, got 1.5");
  REFUSED(rk_schema_put_f64(values, F_U8, 0, NAN, base, &err), "whole numbers, got");
  REFUSED(rk_schema_put_f64(values, F_I64, 0, INFINITY, base, &err), "whole numbers, got inf");
  REFUSED(rk_schema_put_f64(values, F_U8, 0, 256.0, base, &err), "u8 takes 0..255, got 256");
  REFUSED(rk_schema_put_f64(values, F_U8, 0, -1.0, base, &err), "u8 takes 0..255, got -1");
  REFUSED(rk_schema_put_f64(values, F_I64, 0, 0x1p63, base, &err), "i64 takes");
  REFUSED(rk_schema_put_f64(values, F_U64, 0, 0x1p64, base, &err), "u64 takes");
  REFUSED(rk_schema_put_f64(values, F_U64, 0, -0x1p64, base, &err), "u64 takes");
}

static void test_bools(void **state)
{
  (void)state;
  assert_int_equal(rk_schema_put_bool(values, F_BOOL, true, base, NULL), RK_OK);
  assert_true(rk_schema_get_bool(values, F_BOOL, base));
  assert_int_equal(rk_schema_put_bool(values, F_BOOL, false, base, NULL), RK_OK);
  assert_false(rk_schema_get_bool(values, F_BOOL, base));
  base[rk_schema_field_at(values, F_BOOL)->offset] = 7; /* as a handler may */
  assert_true(rk_schema_get_bool(values, F_BOOL, base));
  REFUSED(rk_schema_put_bool(values, F_U8, true, base, &err), "u8 takes a number, got a boolean");
  REFUSED(rk_schema_put_i64(values, F_BOOL, 0, 1, base, &err),
          "field 'vbool': bool takes a boolean, got a number");
}

static void test_strings(void **state)
{
  (void)state;
  size_t length = 99;
  const char *text;
  assert_int_equal(rk_schema_put_string(values, F_TEXT, "abc", 3, base, NULL), RK_OK);
  text = rk_schema_get_string(values, F_TEXT, base, &length);
  assert_int_equal(length, 3);
  assert_memory_equal(text, "abc\0\0\0", 6);
  assert_int_equal(rk_schema_put_string(values, F_TEXT, "abcdef", 6, base, NULL), RK_OK);
  text = rk_schema_get_string(values, F_TEXT, base, &length);
  assert_int_equal(length, 6);
  assert_memory_equal(text, "abcdef", 6);
  rk_error error = RK_ERROR_INIT;
  assert_int_equal(rk_schema_put_string(values, F_TEXT, "abcdefg", 7, base, &error), RK_ETOO_LARGE);
  assert_string_equal(error.text, "field 'vtext': char[6] takes up to 6 bytes, got 7");
  assert_memory_equal(text, "abcdef", 6);
  REFUSED(rk_schema_put_string(values, F_TEXT, "a\0b", 3, base, &err), "zero byte");
  assert_int_equal(rk_schema_put_string(values, F_TEXT, NULL, 0, base, NULL), RK_OK);
  (void)rk_schema_get_string(values, F_TEXT, base, &length);
  assert_int_equal(length, 0);
  REFUSED(rk_schema_put_string(values, F_F64, "1", 1, base, &err), "f64 takes a number, got a str");
  REFUSED(rk_schema_put_f64(values, F_TEXT, 0, 1.0, base, &err), "char takes a string, got a num");
}

static void test_buffers(void **state)
{
  (void)state;
  rk_buffer value = {.address = 0x123456789abcdef0u, .count = 77};
  assert_int_equal(rk_schema_put_buffer(values, F_BUFFER, value, base, NULL), RK_OK);
  rk_buffer got = rk_schema_get_buffer(values, F_BUFFER, base);
  assert_true(got.address == value.address && got.count == 77);
  REFUSED(rk_schema_put_buffer(values, F_ID, value, base, &err), "id takes a number, got a buffer");
  REFUSED(rk_schema_put_u64(values, F_BUFFER, 0, 1, base, &err), "buffer takes a buffer");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_integers, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_wide_unsigned, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_arrays, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_floats, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_floats_into_integers, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_bools, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_strings, open_values, close_values),
      cmocka_unit_test_setup_teardown(test_buffers, open_values, close_values),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
