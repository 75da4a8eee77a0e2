/* SPDX-License-Identifier: MIT */
/*
 * The allocator: sizes, alignment, pages, counters, and failures on request. The environment
 * variable is tested by running this program again with it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* setenv */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/platform.h"
#include "base/thread.h"

static const char *own_path;

/* Every kind of allocation, so that a test can make each of them fail. */
enum { KINDS = 7 };

static void *allocate(int kind, void *old)
{
  switch (kind) {
    case 0:
      return rk_alloc(10);
    case 1:
      return rk_calloc(3, 10);
    case 2:
      return rk_realloc(old, 1000);
    case 3:
      return rk_realloc(NULL, 10);
    case 4:
      return rk_alloc_aligned(128, 10);
    case 5:
      return rk_strdup("text");
    default:
      return rk_pages_map(1);
  }
}

static void give_back(int kind, void *block)
{
  if (kind == KINDS - 1) {
    rk_pages_unmap(block, 1);
  } else {
    rk_free(block);
  }
}

static int end_failures(void **state)
{
  (void)state;
  rk_alloc_fail_at(0, false);
  return 0;
}

static void blocks_are_usable_and_counted(void **state)
{
  (void)state;
  uint64_t live = rk_alloc_live();
  uint64_t count = rk_alloc_count();
  unsigned char *a = rk_alloc(100);
  assert_non_null(a);
  memset(a, 0xAB, 100);
  unsigned char *b = rk_calloc(10, 10);
  assert_non_null(b);
  for (int i = 0; i < 100; i++) {
    assert_int_equal(b[i], 0);
  }
  assert_int_equal(rk_alloc_live(), live + 2);
  a = rk_realloc(a, 100000);
  assert_non_null(a);
  assert_int_equal(a[99], 0xAB);
  assert_int_equal(rk_alloc_live(), live + 2);
  char *text = rk_strdup("name");
  assert_string_equal(text, "name");
  assert_int_equal(rk_alloc_count(), count + 4);
  rk_free(a);
  rk_free(b);
  rk_free(text);
  rk_free(NULL);
  assert_int_equal(rk_alloc_live(), live);
}

static void empty_blocks_are_blocks(void **state)
{
  (void)state;
  void *a = rk_alloc(0);
  void *b = rk_calloc(0, 8);
  void *c = rk_alloc_aligned(64, 0);
  assert_non_null(a);
  assert_non_null(b);
  assert_non_null(c);
  a = rk_realloc(a, 0);
  assert_non_null(a);
  rk_free(a);
  rk_free(b);
  rk_free(c);
}

static void impossible_sizes_are_refused(void **state)
{
  (void)state;
  /* Through a variable: compilers know the limits of constants and warn. */
  volatile size_t huge = SIZE_MAX / 2 + 1;
  uint64_t live = rk_alloc_live();
  assert_null(rk_calloc(huge, 2));
  assert_null(rk_calloc(2, huge));
  assert_null(rk_pages_map(0));
  assert_null(rk_pages_map(huge));
  assert_null(rk_alloc_aligned(3, 8));
  assert_null(rk_alloc_aligned(0, 8));
  assert_int_equal(rk_alloc_live(), live);
}

static void alignment_holds(void **state)
{
  (void)state;
  for (size_t align = 1; align <= 65536; align *= 2) {
    void *block = rk_alloc_aligned(align, 3);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % align, 0);
    rk_free(block);
  }
}

static void pages_start_as_zeros_and_become_zeros_again(void **state)
{
  (void)state;
  size_t page = rk_page_bytes();
  size_t bytes = 8 * page;
  uint64_t live = rk_alloc_live();
  unsigned char *pages = rk_pages_map(bytes);
  assert_non_null(pages);
  assert_int_equal((uintptr_t)pages % page, 0);
  assert_int_equal(rk_alloc_live(), live + 1);
  for (size_t i = 0; i < bytes; i++) {
    assert_int_equal(pages[i], 0);
  }
  const struct {
    size_t from, length;
  } ranges[] = {{0, bytes}, {page, 2 * page}, {10, 20},       {10, page}, {page / 2, 3 * page + 7},
                {page, 1},  {page - 1, 2},    {bytes - 1, 1}, {5, 0}};
  for (size_t r = 0; r < RK_ARRAY_LEN(ranges); r++) {
    memset(pages, 0x5A, bytes);
    rk_pages_release(pages + ranges[r].from, ranges[r].length);
    for (size_t i = 0; i < bytes; i++) {
      bool is_released = i >= ranges[r].from && i < ranges[r].from + ranges[r].length;
      assert_int_equal(pages[i], is_released ? 0 : 0x5A);
    }
  }
  rk_pages_unmap(pages, bytes);
  rk_pages_unmap(NULL, bytes);
  assert_int_equal(rk_alloc_live(), live);
}

static void untouched_pages_cost_nothing(void **state)
{
  (void)state;
  size_t bytes = (size_t)1 << 38; /* more than any memory: nothing may be reserved for it */
  unsigned char *pages = rk_pages_map(bytes);
  if (pages == NULL) {
    skip(); /* a limit on the address space, as some sanitizers and shells set */
  }
  pages[bytes - 1] = 1;
  assert_int_equal(pages[0], 0);
  rk_pages_unmap(pages, bytes);
}

static void each_kind_fails_once_when_told(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    for (uint64_t k = 1; k <= 3; k++) {
      rk_alloc_fail_at(k, false);
      uint64_t live = rk_alloc_live();
      uint64_t count = rk_alloc_count();
      for (uint64_t i = 1; i <= 5; i++) {
        void *old = NULL;
        void *block = allocate(kind, old);
        assert_int_equal(block == NULL, i == k);
        give_back(kind, block);
      }
      assert_int_equal(rk_alloc_count(), count + 5); /* failed ones count */
      assert_int_equal(rk_alloc_live(), live);
    }
  }
}

static void all_later_ones_fail_when_told(void **state)
{
  (void)state;
  for (int kind = 0; kind < KINDS; kind++) {
    rk_alloc_fail_at(2, true);
    for (int i = 1; i <= 5; i++) {
      void *block = allocate(kind, NULL);
      assert_int_equal(block == NULL, i >= 2);
      give_back(kind, block);
    }
    rk_alloc_fail_at(0, true);
    void *block = allocate(kind, NULL);
    assert_non_null(block);
    give_back(kind, block);
  }
}

static void failed_realloc_keeps_the_block(void **state)
{
  (void)state;
  char *block = rk_strdup("kept");
  rk_alloc_fail_at(1, false);
  uint64_t live = rk_alloc_live();
  assert_null(rk_realloc(block, 1000));
  assert_string_equal(block, "kept");
  assert_int_equal(rk_alloc_live(), live);
  rk_free(block);
}

static void very_late_failures_never_come(void **state)
{
  (void)state;
  rk_alloc_fail_at(UINT64_MAX, true);
  void *block = rk_alloc(1);
  assert_non_null(block);
  rk_free(block);
}

static uint32_t is_started; /* set once all threads are there and the failure is set */

static void allocate_and_count_failures(void *arg)
{
  uint32_t *failures = arg;
  while (__atomic_load_n(&is_started, __ATOMIC_ACQUIRE) == 0) {
    rk_park(&is_started, 0, RK_FOREVER);
  }
  for (int i = 0; i < 2000; i++) {
    void *block = rk_alloc(16);
    *failures += block == NULL ? 1 : 0;
    rk_free(block);
  }
}

static void one_failure_meets_one_thread(void **state)
{
  (void)state;
  enum { THREADS = 4 };
  rk_thread *threads[THREADS];
  uint32_t failures[THREADS] = {0};
  uint64_t live = rk_alloc_live();
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(
        rk_thread_start(&threads[i], "alloc", allocate_and_count_failures, &failures[i], NULL),
        RK_OK);
  }
  rk_alloc_fail_at(3000, false); /* somewhere in the middle of all of them */
  __atomic_store_n(&is_started, 1, __ATOMIC_RELEASE);
  rk_unpark(&is_started, UINT32_MAX);
  uint32_t sum = 0;
  for (int i = 0; i < THREADS; i++) {
    rk_thread_join(threads[i]);
    sum += failures[i];
  }
  assert_int_equal(sum, 1);
  assert_int_equal(rk_alloc_live(), live);
}

/* What the child prints: a letter for each of the first six allocations of the process. */
static int print_six(void)
{
  for (int i = 0; i < 6; i++) {
    void *block = rk_alloc(1);
    putchar(block != NULL ? '.' : 'F');
    rk_free(block);
  }
  return 0;
}

static void environment_makes_failures_from_the_start(void **state)
{
  (void)state;
  const struct {
    const char *value, *expected;
  } cases[] = {{"1", "F....."}, {"3", "..F..."},  {"3+", "..FFFF"}, {"1+", "FFFFFF"},
               {"7", "......"}, {"0", "......"},  {"", "......"},   {"-1", "......"},
               {"x", "......"}, {"2x", "......"}, {"2++", "......"}};
  for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
    char output[64];
    const char *argv[] = {own_path, "--print-six", NULL};
    rk_spawn program = {.argv = argv, .output = output, .output_bytes = sizeof output};
    rk_spawn_result result;
    assert_int_equal(setenv("RINGKERNEL_ALLOC_FAIL", cases[i].value, 1), 0);
    int status = rk_platform_current()->spawn(&program, &result, NULL);
    unsetenv("RINGKERNEL_ALLOC_FAIL");
    assert_int_equal(status, RK_OK);
    assert_string_equal(output, cases[i].expected);
  }
}

int main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "--print-six") == 0) {
    return print_six();
  }
  own_path = argv[0];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_usable_and_counted),
      cmocka_unit_test(empty_blocks_are_blocks),
      cmocka_unit_test(impossible_sizes_are_refused),
      cmocka_unit_test(alignment_holds),
      cmocka_unit_test(pages_start_as_zeros_and_become_zeros_again),
      cmocka_unit_test(untouched_pages_cost_nothing),
      cmocka_unit_test_teardown(each_kind_fails_once_when_told, end_failures),
      cmocka_unit_test_teardown(all_later_ones_fail_when_told, end_failures),
      cmocka_unit_test_teardown(failed_realloc_keeps_the_block, end_failures),
      cmocka_unit_test_teardown(very_late_failures_never_come, end_failures),
      cmocka_unit_test_teardown(one_failure_meets_one_thread, end_failures),
      cmocka_unit_test(environment_makes_failures_from_the_start),
  };
  return cmocka_run_group_tests_name("base_alloc", tests, NULL, NULL);
}
