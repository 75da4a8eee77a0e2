/* SPDX-License-Identifier: MIT */
/*
 * The environment parameters, the cache folder, and log records. The environment is played by a
 * platform whose env_get reads a small table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <errno.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/log.h"
#include "base/params.h"
#include "base/platform.h"
#include "base/thread.h"

static struct {
  const char *name;
  const char *value;
} environment[8];

static rk_platform fake;
static char written[4 * RK_LOG_LINE_BYTES]; /* what went to "standard error" */
static size_t written_bytes;
static int writes;

static const char *fake_env_get(const char *name)
{
  for (size_t i = 0; i < RK_ARRAY_LEN(environment); i++) {
    if (environment[i].name != NULL && strcmp(environment[i].name, name) == 0) {
      return environment[i].value;
    }
  }
  return NULL;
}

static int fake_home_dir(char *path, size_t path_bytes, rk_error *err)
{
  const char *home = fake_env_get("HOME");
  if (home == NULL) {
    return rk_error_set(err, RK_ENOT_FOUND, "no home folder: set HOME");
  }
  snprintf(path, path_bytes, "%s", home);
  return RK_OK;
}

static void fake_stderr_write(const char *text, size_t bytes)
{
  assert_true(written_bytes + bytes < sizeof written);
  memcpy(written + written_bytes, text, bytes);
  written_bytes += bytes;
  written[written_bytes] = '\0';
  writes++;
}

static uint64_t fake_clock_mono_ns(void)
{
  return UINT64_C(12345678901);
}

static void set_env(const char *name, const char *value)
{
  for (size_t i = 0; i < RK_ARRAY_LEN(environment); i++) {
    if (environment[i].name == NULL || strcmp(environment[i].name, name) == 0) {
      environment[i].name = name;
      environment[i].value = value;
      return;
    }
  }
  fail();
}

static int begin(void **state)
{
  (void)state;
  memset(environment, 0, sizeof environment);
  written_bytes = 0;
  written[0] = '\0';
  writes = 0;
  fake = *rk_platform_real();
  fake.env_get = fake_env_get;
  fake.home_dir = fake_home_dir;
  fake.stderr_write = fake_stderr_write;
  fake.clock_mono_ns = fake_clock_mono_ns;
  rk_platform_set(&fake);
  return 0;
}

static int end(void **state)
{
  (void)state;
  rk_log_set_sink(NULL);
  rk_platform_set(NULL);
  return 0;
}

static void table_is_complete(void **state)
{
  (void)state;
  for (int i = 0; i < RK_PARAM_COUNT; i++) {
    const rk_param *param = rk_param_at((rk_param_id)i);
    assert_non_null(param);
    assert_memory_equal(param->name, "RINGKERNEL_", 11);
    assert_true(strlen(param->help) > 10);
    assert_string_equal(rk_param_text((rk_param_id)i), param->fallback);
    assert_false(rk_param_is_set((rk_param_id)i));
  }
  assert_null(rk_param_at(RK_PARAM_COUNT));
  assert_string_equal(rk_param_at(RK_PARAM_SPIN_US)->name, "RINGKERNEL_SPIN_US");
  assert_int_equal(rk_param_check(NULL), RK_OK); /* the defaults keep their own rules */
}

static void texts_come_from_the_environment(void **state)
{
  (void)state;
  set_env("RINGKERNEL_CC", "clang-14");
  assert_string_equal(rk_param_text(RK_PARAM_CC), "clang-14");
  assert_true(rk_param_is_set(RK_PARAM_CC));
  set_env("RINGKERNEL_BACKEND", ""); /* empty counts as unset */
  assert_string_equal(rk_param_text(RK_PARAM_BACKEND), "auto");
  assert_false(rk_param_is_set(RK_PARAM_BACKEND));
}

static void numbers_are_checked(void **state)
{
  (void)state;
  int64_t value = -7;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_param_int(RK_PARAM_SPIN_US, &value, NULL), RK_OK);
  assert_int_equal(value, 50);
  const struct {
    const char *text;
    int64_t value;
  } good[] = {{"0", 0}, {"65536", 65536}, {"007", 7}, {"+3", 3}};
  for (size_t i = 0; i < RK_ARRAY_LEN(good); i++) {
    set_env("RINGKERNEL_BLOCKS", good[i].text);
    assert_int_equal(rk_param_int(RK_PARAM_BLOCKS, &value, NULL), RK_OK);
    assert_int_equal(value, good[i].value);
  }
  const char *const bad[] = {"65537", "-1",   "x", "1x", " 1",  "1 ",
                             "1.5",   "0x10", "+", "-",  "1-2", "99999999999999999999999"};
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
    set_env("RINGKERNEL_BLOCKS", bad[i]);
    value = -7;
    assert_int_equal(rk_param_int(RK_PARAM_BLOCKS, &value, &err), RK_EINVAL);
    assert_int_equal(value, -7);
    assert_non_null(strstr(err.text, "RINGKERNEL_BLOCKS"));
    assert_non_null(strstr(err.text, "0 to 65536"));
    assert_non_null(strstr(err.text, bad[i]));
    assert_int_equal(rk_param_check(&err), RK_EINVAL);
  }
}

static void choices_are_checked(void **state)
{
  (void)state;
  size_t index = 99;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_param_choice(RK_PARAM_LOG, &index, NULL), RK_OK);
  assert_int_equal(index, RK_LOG_WARN);
  const char *const words[] = {"auto", "cpu", "cuda"};
  for (size_t i = 0; i < RK_ARRAY_LEN(words); i++) {
    set_env("RINGKERNEL_BACKEND", words[i]);
    assert_int_equal(rk_param_choice(RK_PARAM_BACKEND, &index, NULL), RK_OK);
    assert_int_equal(index, i);
  }
  const char *const bad[] = {"cp", "cpuu", "CPU", "auto|cpu", "|"};
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
    set_env("RINGKERNEL_BACKEND", bad[i]);
    index = 99;
    assert_int_equal(rk_param_choice(RK_PARAM_BACKEND, &index, &err), RK_EINVAL);
    assert_int_equal(index, 99);
    assert_non_null(strstr(err.text, "auto|cpu|cuda"));
    assert_int_equal(rk_param_check(&err), RK_EINVAL);
  }
}

static void failing_allocation_is_parsed(void **state)
{
  (void)state;
  uint64_t k = 0;
  bool is_forever = true;
  assert_true(rk_param_parse_alloc_fail("12", &k, &is_forever));
  assert_int_equal(k, 12);
  assert_false(is_forever);
  assert_true(rk_param_parse_alloc_fail("3+", &k, &is_forever));
  assert_int_equal(k, 3);
  assert_true(is_forever);
  const char *const bad[] = {"0", "", "+", "-1", "1++", "1 ", "x", "99999999999999999999999"};
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
    assert_false(rk_param_parse_alloc_fail(bad[i], &k, &is_forever));
    assert_int_equal(k, 3);
  }
  rk_error err = RK_ERROR_INIT;
  set_env("RINGKERNEL_ALLOC_FAIL", "soon");
  assert_int_equal(rk_param_check(&err), RK_EINVAL);
  assert_non_null(strstr(err.text, "RINGKERNEL_ALLOC_FAIL"));
}

static void cache_folder_is_found(void **state)
{
  (void)state;
  char path[64] = "untouched";
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_cache_dir(path, sizeof path, &err), RK_ENOT_FOUND);
  assert_non_null(strstr(err.text, "RINGKERNEL_CACHE")); /* says what to do */
  assert_string_equal(path, "untouched");
  set_env("HOME", "/home/u");
  assert_int_equal(rk_cache_dir(path, sizeof path, NULL), RK_OK);
  assert_string_equal(path, "/home/u/.cache/ringkernel");
  set_env("XDG_CACHE_HOME", "relative");
  assert_int_equal(rk_cache_dir(path, sizeof path, NULL), RK_OK);
  assert_string_equal(path, "/home/u/.cache/ringkernel");
  set_env("XDG_CACHE_HOME", "/var/c");
  assert_int_equal(rk_cache_dir(path, sizeof path, NULL), RK_OK);
  assert_string_equal(path, "/var/c/ringkernel");
  set_env("RINGKERNEL_CACHE", "mine");
  assert_int_equal(rk_cache_dir(path, 5, NULL), RK_OK);
  assert_string_equal(path, "mine");
  assert_int_equal(rk_cache_dir(path, 4, &err), RK_ETOO_LARGE);
  assert_string_equal(path, "mine");
}

/* First of the log tests: the level is read from the environment once in a process. */
static void level_comes_from_the_environment(void **state)
{
  (void)state;
  set_env("RINGKERNEL_LOG", "info");
  assert_int_equal(rk_log_get_level(), RK_LOG_INFO);
  set_env("RINGKERNEL_LOG", "error");
  assert_int_equal(rk_log_get_level(), RK_LOG_INFO);
  assert_true(rk_log_is_on(RK_LOG_INFO));
  assert_false(rk_log_is_on(RK_LOG_DEBUG));
  assert_false(rk_log_is_on(RK_LOG_OFF)); /* no record is of that level */
}

static void records_are_lines(void **state)
{
  (void)state;
  rk_log_set_level(RK_LOG_WARN);
  uint64_t count = rk_alloc_count();
  errno = 4711;
  rk_log(RK_LOG_INFO, "cpu", "not written %d", 1);
  rk_log(RK_LOG_WARN, "cpu", "block %d is late", 7);
  rk_log(RK_LOG_ERROR, "bridge", "a\nb\tc\x7F");
  assert_int_equal(errno, 4711);
  assert_int_equal(rk_alloc_count(), count);
  assert_string_equal(written, "ringkernel: 12.345678 warn cpu: block 7 is late\n"
                               "ringkernel: 12.345678 error bridge: a b c \n");
  assert_int_equal(writes, 2); /* one write for each line */
}

static void long_records_are_cut(void **state)
{
  (void)state;
  char text[2 * RK_LOG_LINE_BYTES];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  rk_log(RK_LOG_ERROR, text, "%s", text); /* the part is cut too */
  assert_int_equal(writes, 1);
  assert_true(written_bytes > RK_LOG_LINE_BYTES);
  assert_true(written_bytes < RK_LOG_LINE_BYTES + 128);
  assert_int_equal(written[written_bytes - 1], '\n');
  assert_ptr_equal(strchr(written, '\n'), written + written_bytes - 1);
}

static void off_is_silent(void **state)
{
  (void)state;
  rk_log_set_level(RK_LOG_OFF);
  rk_log(RK_LOG_ERROR, "cpu", "not written");
  assert_int_equal(writes, 0);
  rk_log_set_level(RK_LOG_DEBUG);
  rk_log(RK_LOG_DEBUG, "cpu", "written");
  assert_int_equal(writes, 1);
}

static void levels_have_names(void **state)
{
  (void)state;
  char all[64];
  snprintf(all, sizeof all, "%s|%s|%s|%s|%s", rk_log_level_name(RK_LOG_OFF),
           rk_log_level_name(RK_LOG_ERROR), rk_log_level_name(RK_LOG_WARN),
           rk_log_level_name(RK_LOG_INFO), rk_log_level_name(RK_LOG_DEBUG));
  assert_string_equal(all, rk_param_at(RK_PARAM_LOG)->choices); /* the same order in both */
  assert_string_equal(rk_log_level_name((rk_log_level)9), "unknown");
}

static void count_record(void *arg, rk_log_level level, const char *part, const char *text)
{
  assert_int_equal(level, RK_LOG_WARN);
  assert_string_equal(part, "part");
  assert_memory_equal(text, "record ", 7);
  __atomic_fetch_add((uint32_t *)arg, 1, __ATOMIC_RELAXED);
}

static void write_records(void *arg)
{
  (void)arg;
  for (int i = 0; i < 1000; i++) {
    rk_log(RK_LOG_WARN, "part", "record %d", i);
  }
}

static void sink_gets_the_records_of_all_threads(void **state)
{
  (void)state;
  enum { THREADS = 3 };
  uint32_t count = 0;
  rk_thread *threads[THREADS];
  const rk_log_sink sink = {.write = count_record, .arg = &count};
  rk_log_set_level(RK_LOG_WARN);
  rk_log_set_sink(&sink);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(rk_thread_start(&threads[i], "logger", write_records, NULL, NULL), RK_OK);
  }
  for (int i = 0; i < THREADS; i++) {
    rk_thread_join(threads[i]);
  }
  assert_int_equal(count, THREADS * 1000);
  assert_int_equal(writes, 0);
  rk_log_set_sink(NULL);
  rk_log(RK_LOG_WARN, "part", "record again");
  assert_int_equal(writes, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(level_comes_from_the_environment),
      TEST(table_is_complete),
      TEST(texts_come_from_the_environment),
      TEST(numbers_are_checked),
      TEST(choices_are_checked),
      TEST(failing_allocation_is_parsed),
      TEST(cache_folder_is_found),
      TEST(records_are_lines),
      TEST(long_records_are_cut),
      TEST(off_is_silent),
      TEST(levels_have_names),
      TEST(sink_gets_the_records_of_all_threads),
  };
  return cmocka_run_group_tests_name("base_params", tests, NULL, NULL);
}
