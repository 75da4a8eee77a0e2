/* SPDX-License-Identifier: MIT */
/*
 * SHA-256: the standard's examples in both forms, and both forms alike for every length and split.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"

static void check_text(const char *text, const char *wanted)
{
  uint8_t digest[RK_SHA256_BYTES];
  char hex[RK_SHA256_TEXT_BYTES];
  rk_sha256_of(text, strlen(text), digest);
  assert_string_equal(rk_sha256_text(digest, hex), wanted);
}

static void test_examples(void **state)
{
  (void)state;
  for (int plain = 0; plain < 2; ++plain) {
    rk_sha256_plain(plain != 0);
    check_text("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_text("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  }
  rk_sha256_plain(false);
}

static void test_million(void **state)
{
  (void)state;
  static char text[1000001];
  memset(text, 'a', sizeof(text) - 1);
  check_text(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_forms_and_splits(void **state)
{
  (void)state;
  unsigned char data[300];
  for (size_t i = 0; i < sizeof(data); ++i) {
    data[i] = (unsigned char)(i * 167u + 13u);
  }
  for (size_t size = 0; size <= sizeof(data); ++size) {
    uint8_t plain[RK_SHA256_BYTES], fast[RK_SHA256_BYTES], split[RK_SHA256_BYTES];
    rk_sha256_plain(true);
    rk_sha256_of(data, size, plain);
    rk_sha256_plain(false);
    rk_sha256_of(data, size, fast);
    assert_true(rk_sha256_same(plain, fast));
    rk_sha256 sha;
    rk_sha256_open(&sha);
    for (size_t at = 0, part = 1; at < size; at += part, part = part % 97u + 5u) {
      part = part < size - at ? part : size - at;
      rk_sha256_add(&sha, data + at, part);
    }
    rk_sha256_end(&sha, split);
    assert_true(rk_sha256_same(plain, split));
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_examples),
      cmocka_unit_test(test_million),
      cmocka_unit_test(test_forms_and_splits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
