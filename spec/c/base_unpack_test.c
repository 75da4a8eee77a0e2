/* SPDX-License-Identifier: MIT */
/*
 * Packed texts: every kind of step, and whatever is no packed text is refused without leaving the
 * bounds (AddressSanitizer watches: both sides are on the heap, exactly as long as they say).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/unpack.h"

/* Unpacks between exact bounds; `wanted` NULL: it must be refused. */
static void check(const void *packed, size_t packed_bytes, const char *wanted, size_t bytes)
{
  unsigned char *in = malloc(packed_bytes + (packed_bytes == 0));
  unsigned char *out = malloc(bytes + (bytes == 0));
  assert_non_null(in);
  assert_non_null(out);
  memcpy(in, packed, packed_bytes);
  assert_int_equal(rk_unpack(in, packed_bytes, out, bytes), wanted != NULL);
  if (wanted != NULL) {
    assert_memory_equal(out, wanted, bytes);
  }
  free(in);
  free(out);
}

#define CHECK(packed, wanted) check(packed, sizeof(packed) - 1, wanted, sizeof(wanted) - 1)
#define REFUSED(packed, bytes) check(packed, sizeof(packed) - 1, NULL, bytes)

static void steps_give_the_text(void **state)
{
  (void)state;
  CHECK("\x00", "");
  CHECK("\x30"
        "abc",
        "abc");
  CHECK("\x40"
        "abcd\x04\x00\x10!",
        "abcdabcd!");
  CHECK("\x12x\x01\x00\x00", "xxxxxxx"); /* reaches into itself */
  CHECK("\xf0\x01"
        "0123456789abcdef",
        "0123456789abcdef");
  CHECK("\x1fx\x01\x00\x02\x10!", "xxxxxxxxxxxxxxxxxxxxxx!");
}

static void long_lengths_go_on(void **state)
{
  (void)state;
  char text[15 + 255 + 1 + 4 + 1];
  memset(text, 'x', sizeof(text));
  check("\x1fx\x01\x00\xff\x01\x00", 7, text, sizeof(text));
  check("\x1fx\x01\x00\xff\x01\x00", 7, NULL, sizeof(text) - 1);
  check("\x1fx\x01\x00\xff\x01\x00", 7, NULL, sizeof(text) + 1);
}

static void other_bytes_are_refused(void **state)
{
  (void)state;
  REFUSED("", 1);
  REFUSED("\x30"
          "ab",
          3); /* too few bytes to take */
  REFUSED("\x30"
          "abc",
          2);
  REFUSED("\x10x\x01", 5);         /* half of a distance */
  REFUSED("\x10x\x00\x00\x00", 5); /* no distance */
  REFUSED("\x10x\x02\x00\x00", 5); /* before the beginning */
  REFUSED("\xf0\xff", 300);        /* a length without an end */
  REFUSED("\x1fx\x01\x00", 20);
}

/* Every text of a few bytes, against every length: never out of bounds. */
static void short_texts_stay_inside(void **state)
{
  (void)state;
  static const unsigned char bytes[] = {0x00, 0x01, 0x0f, 0x10, 0x1f, 0xf0, 0xff};
  enum { KINDS = sizeof(bytes), LENGTH = 5 };
  size_t taken = 0;
  for (size_t number = 0; number < 16807; number++) { /* KINDS to the power of LENGTH */
    unsigned char *packed = malloc(LENGTH);
    assert_non_null(packed);
    size_t rest = number;
    for (size_t i = 0; i < LENGTH; i++, rest /= KINDS) {
      packed[i] = bytes[rest % KINDS];
    }
    for (size_t size = 0; size < 24; size++) {
      unsigned char *out = malloc(size + (size == 0));
      assert_non_null(out);
      taken += rk_unpack(packed, LENGTH, out, size);
      free(out);
    }
    free(packed);
  }
  assert_true(taken > 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(steps_give_the_text),
      cmocka_unit_test(long_lengths_go_on),
      cmocka_unit_test(other_bytes_are_refused),
      cmocka_unit_test(short_texts_stay_inside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
