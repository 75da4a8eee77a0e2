/* SPDX-License-Identifier: MIT */
/*
 * The real platform: clocks, random numbers, files, folders, shared objects; and the replacing of
 * entries. Each test has a folder of its own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* setenv, setrlimit, symlink */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/platform.h"

static const rk_platform *os;
static char folder[RK_PATH_BYTES];
static uint64_t live_before;

static int begin(void **state)
{
  (void)state;
  os = rk_platform_real();
  live_before = rk_alloc_live();
  return os->dir_make_temp("rk-platform-", folder, sizeof folder, NULL);
}

static bool remove_entry(void *arg, const char *name)
{
  char path[2 * RK_PATH_BYTES];
  (void)arg;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  os->file_remove(path, NULL);
  return true;
}

static int end(void **state)
{
  (void)state;
  rk_alloc_fail_at(0, false);
  rk_platform_set(NULL);
  os->dir_each(folder, remove_entry, NULL, NULL);
  if (os->file_remove(folder, NULL) != RK_OK) {
    return -1;
  }
  return rk_alloc_live() == live_before ? 0 : -1;
}

/* A path in the test's folder; valid until the second call after this one. */
static const char *in_folder(const char *name)
{
  static char paths[2][2 * RK_PATH_BYTES];
  static int turn;
  turn = !turn;
  snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
  return paths[turn];
}

static bool count_entry(void *arg, const char *name)
{
  int *count = arg;
  assert_string_not_equal(name, ".");
  assert_string_not_equal(name, "..");
  ++*count;
  return true;
}

static bool stop_at_first(void *arg, const char *name)
{
  count_entry(arg, name);
  return false;
}

static int count_entries(void)
{
  int count = 0;
  assert_int_equal(os->dir_each(folder, count_entry, &count, NULL), RK_OK);
  return count;
}

static void assert_content(const char *name, const char *expected)
{
  void *data = NULL;
  size_t size = 0;
  assert_int_equal(os->file_read(in_folder(name), 1 << 20, &data, &size, NULL), RK_OK);
  assert_int_equal(size, strlen(expected));
  assert_string_equal(data, expected); /* terminated */
  rk_free(data);
}

static void clocks_advance(void **state)
{
  (void)state;
  uint64_t a = rk_clock_mono_ns();
  uint64_t wall = rk_clock_wall_us();
  rk_clock_sleep(2000000);
  uint64_t b = rk_clock_mono_ns();
  assert_true(b - a >= 2000000);
  assert_true(wall > UINT64_C(1600000000000000)); /* microseconds, and after 2020 */
  rk_clock_spin(100000);
  assert_true(rk_clock_mono_ns() - b >= 100000);
}

/* A reading may be one that was made before, but not one of a microsecond ago. */
static void wall_clock_is_recent(void **state)
{
  (void)state;
  for (uint32_t i = 0; i < 100000; ++i) {
    uint64_t before = rk_clock_wall_ns();
    uint64_t wall_us = rk_clock_wall_us();
    uint64_t after = rk_clock_wall_ns();
    if (before > after) {
      continue; /* somebody set the clock */
    }
    assert_true(wall_us + 1 >= before / 1000);
    assert_true(wall_us <= after / 1000);
  }
}

static void deadlines_do_not_overflow(void **state)
{
  (void)state;
  uint64_t now = rk_clock_mono_ns();
  uint64_t second = UINT64_C(1000000000);
  uint64_t deadline = rk_clock_deadline(second);
  assert_true(deadline >= now + second);
  assert_true(rk_clock_remaining(deadline) <= second);
  assert_true(rk_clock_remaining(deadline) > second / 100);
  assert_int_equal(rk_clock_remaining(now), 0);
  assert_true(rk_clock_deadline(RK_FOREVER) == RK_FOREVER);
  assert_true(rk_clock_deadline(RK_FOREVER - 1) == RK_FOREVER);
  assert_true(rk_clock_remaining(RK_FOREVER) == RK_FOREVER);
}

static void machine_is_described(void **state)
{
  (void)state;
  uint64_t a = 0;
  uint64_t b = 0;
  assert_int_equal(os->random_u64(&a, NULL), RK_OK);
  assert_int_equal(os->random_u64(&b, NULL), RK_OK);
  assert_true(a != b);
  assert_true(os->pid() == (uint64_t)getpid());
  assert_true(os->cpu_count() >= 1);
  os->yield();
}

static void home_is_found_and_measured(void **state)
{
  (void)state;
  char path[64] = "untouched";
  const char *home = getenv("HOME");
  char *saved = home != NULL ? rk_strdup(home) : NULL;
  assert_int_equal(setenv("HOME", "/home/somebody", 1), 0);
  assert_int_equal(os->home_dir(path, 5, NULL), RK_ETOO_LARGE);
  assert_string_equal(path, "untouched");
  assert_int_equal(os->home_dir(path, 15, NULL), RK_OK); /* exactly fits */
  assert_string_equal(path, "/home/somebody");
  unsetenv("HOME");
  int status = os->home_dir(path, sizeof path, NULL); /* from the password file, if it has us */
  assert_true(status == RK_ENOT_FOUND || (status == RK_OK && path[0] == '/'));
  if (saved != NULL) {
    setenv("HOME", saved, 1);
    rk_free(saved);
  }
}

static void file_is_written_and_read_back(void **state)
{
  (void)state;
  assert_int_equal(os->file_write(in_folder("f"), "one", 3, NULL), RK_OK);
  assert_content("f", "one");
  assert_int_equal(os->file_write(in_folder("f"), "another", 7, NULL), RK_OK);
  assert_content("f", "another");
  assert_int_equal(os->file_write(in_folder("f"), "", 0, NULL), RK_OK);
  assert_content("f", "");
  assert_int_equal(count_entries(), 1); /* no temporary file is left */

  rk_file_info info;
  assert_int_equal(os->file_write(in_folder("f"), "12345", 5, NULL), RK_OK);
  assert_int_equal(os->file_stat(in_folder("f"), &info, NULL), RK_OK);
  assert_int_equal(info.size_bytes, 5);
  assert_false(info.is_dir);
  assert_true(info.mtime_ns / 1000000000 <= rk_clock_wall_us() / 1000000);
  assert_true(info.mtime_ns / 1000000000 + 60 > rk_clock_wall_us() / 1000000);
  assert_int_equal(os->file_stat(folder, &info, NULL), RK_OK);
  assert_true(info.is_dir);
  assert_int_equal(os->file_stat(folder, NULL, NULL), RK_OK);
}

static void large_files_and_files_without_size(void **state)
{
  (void)state;
  size_t bytes = 1000003;
  unsigned char *data = rk_alloc(bytes);
  assert_non_null(data);
  for (size_t i = 0; i < bytes; i++) {
    data[i] = (unsigned char)(i * 7 + i / 256);
  }
  void *back = NULL;
  size_t size = 0;
  assert_int_equal(os->file_write(in_folder("large"), data, bytes, NULL), RK_OK);
  assert_int_equal(os->file_read(in_folder("large"), bytes, &back, &size, NULL), RK_OK);
  assert_int_equal(size, bytes);
  assert_memory_equal(back, data, bytes);
  rk_free(back);
  rk_free(data);
  /* Files in /proc say that they are empty. */
  assert_int_equal(os->file_read("/proc/self/status", 1 << 20, &back, &size, NULL), RK_OK);
  assert_true(size > 100);
  assert_non_null(strstr(back, "Pid:"));
  rk_free(back);
}

static void limit_of_a_read_holds(void **state)
{
  (void)state;
  void *data = NULL;
  size_t size = 0;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->file_write(in_folder("f"), "12345", 5, NULL), RK_OK);
  assert_int_equal(os->file_read(in_folder("f"), 4, &data, &size, &err), RK_ETOO_LARGE);
  assert_non_null(strstr(err.text, "4 bytes"));
  assert_null(data);
  assert_int_equal(os->file_read("/dev/zero", 100000, &data, &size, &err), RK_ETOO_LARGE);
  assert_null(data);
  assert_int_equal(os->file_read(in_folder("f"), SIZE_MAX, &data, &size, NULL), RK_OK);
  rk_free(data);
}

static void missing_files_are_told(void **state)
{
  (void)state;
  void *data = NULL;
  size_t size = 0;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->file_read(in_folder("none"), 10, &data, &size, &err), RK_ENOT_FOUND);
  assert_non_null(strstr(err.text, "none"));
  assert_non_null(strstr(err.text, "No such file"));
  assert_int_equal(os->file_stat(in_folder("none"), NULL, &err), RK_ENOT_FOUND);
  assert_int_equal(os->file_remove(in_folder("none"), &err), RK_ENOT_FOUND);
  assert_int_equal(os->file_rename(in_folder("none"), in_folder("to"), &err), RK_ENOT_FOUND);
  assert_int_equal(os->file_write(in_folder("none/f"), "x", 1, &err), RK_ENOT_FOUND);
  assert_int_equal(os->dir_each(in_folder("none"), count_entry, NULL, &err), RK_ENOT_FOUND);
  assert_int_equal(os->file_read(folder, 10, &data, &size, &err), RK_EIO); /* a folder */
  assert_null(data);
}

static void names_that_are_too_long_are_refused(void **state)
{
  (void)state;
  char name[RK_PATH_BYTES + 10];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->file_write(name, "x", 1, &err), RK_ETOO_LARGE);
  assert_int_equal(os->file_stat(name, NULL, &err), RK_ETOO_LARGE);
  assert_int_equal(os->dir_make(name, &err), RK_ETOO_LARGE);
  assert_int_equal(os->dir_make_temp(name, name, sizeof name, &err), RK_ETOO_LARGE);
  char small[10] = "untouched";
  assert_int_equal(os->dir_make_temp("rk-", small, sizeof small, &err), RK_ETOO_LARGE);
  assert_string_equal(small, "untouched");
}

/* A disk without room, played by the limit on the size of files: the write comes up short. */
static void failed_write_leaves_the_old_file(void **state)
{
  (void)state;
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(os->file_write(in_folder("f"), "old", 3, NULL), RK_OK);
  static char big[100000];
  rk_error err = RK_ERROR_INIT;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = {.rlim_cur = 5000, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  int status = os->file_write(in_folder("f"), big, sizeof big, &err);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  assert_int_equal(status, RK_EIO);
  assert_non_null(strstr(err.text, "cannot write"));
  assert_content("f", "old");
  assert_int_equal(count_entries(), 1); /* the temporary file is gone */
}

static void scratch_files_have_no_name(void **state)
{
  (void)state;
  char back[12];
  int fd = -1;
  assert_int_equal(os->scratch_open(folder, &fd, NULL), RK_OK);
  assert_true(fd >= 0);
  assert_int_equal(count_entries(), 0);
  assert_int_equal(os->scratch_write(fd, 9000, "over there", 10, NULL), RK_OK);
  assert_int_equal(os->scratch_write(fd, 0, "here", 4, NULL), RK_OK);
  assert_int_equal(os->scratch_read(fd, 9000, back, 10, NULL), RK_OK);
  assert_memory_equal(back, "over there", 10);
  assert_int_equal(os->scratch_read(fd, 0, back, 4, NULL), RK_OK);
  assert_memory_equal(back, "here", 4);
  os->scratch_free(fd, 8192, 4096); /* the rest stays */
  assert_int_equal(os->scratch_read(fd, 0, back, 4, NULL), RK_OK);
  assert_memory_equal(back, "here", 4);
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->scratch_read(fd, 9005, back, 12, &err), RK_EIO);
  assert_non_null(strstr(err.text, "it ends at byte 9010"));
  os->scratch_close(fd);
  os->scratch_close(-1);
  assert_int_equal(count_entries(), 0);
}

static void scratch_files_need_a_folder_and_room(void **state)
{
  (void)state;
  int fd = -7;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->scratch_open(in_folder("none"), &fd, &err), RK_ENOT_FOUND);
  assert_non_null(strstr(err.text, "/none'"));
  assert_int_equal(os->file_write(in_folder("f"), "x", 1, NULL), RK_OK);
  assert_int_equal(os->scratch_open(in_folder("f"), &fd, NULL), RK_ENOT_FOUND);
  assert_int_equal(fd, -7);
  assert_int_equal(os->scratch_open(folder, &fd, NULL), RK_OK);
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = {.rlim_cur = 5000, .rlim_max = before.rlim_max};
  static char big[100000];
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  int status = os->scratch_write(fd, 0, big, sizeof big, &err);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  assert_int_equal(status, RK_EIO);
  assert_non_null(strstr(err.text, "cannot write 'a scratch file'"));
  os->scratch_close(fd);
}

static void file_does_not_replace_a_folder(void **state)
{
  (void)state;
  assert_int_equal(os->dir_make(in_folder("d"), NULL), RK_OK);
  assert_int_equal(os->file_write(in_folder("d"), "x", 1, NULL), RK_EIO);
  assert_int_equal(count_entries(), 1);
}

static int fail_random(uint64_t *value, rk_error *err)
{
  (void)value;
  return rk_error_set(err, RK_EIO, "no randomness");
}

static void write_without_a_random_name_fails(void **state)
{
  (void)state;
  rk_platform fake = *os;
  fake.random_u64 = fail_random;
  rk_platform_set(&fake);
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->file_write(in_folder("f"), "x", 1, &err), RK_EIO);
  assert_string_equal(err.text, "no randomness");
  assert_int_equal(count_entries(), 0);
}

static void relative_paths_and_links_are_written(void **state)
{
  (void)state;
  char before[RK_PATH_BYTES];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  int status = os->file_write("relative", "here", 4, NULL);
  assert_int_equal(chdir(before), 0);
  assert_int_equal(status, RK_OK);
  assert_content("relative", "here");
  assert_int_equal(symlink("relative", in_folder("link")), 0);
  assert_int_equal(os->file_write(in_folder("link"), "new", 3, NULL), RK_OK);
  assert_content("link", "new");
  assert_content("relative", "here"); /* the link was replaced, not followed */
}

static void temporary_folder_needs_a_place(void **state)
{
  (void)state;
  char path[RK_PATH_BYTES] = "untouched";
  const char *tmpdir = getenv("TMPDIR");
  char *saved = tmpdir != NULL ? rk_strdup(tmpdir) : NULL;
  assert_int_equal(setenv("TMPDIR", in_folder("none"), 1), 0);
  int missing = os->dir_make_temp("x-", path, sizeof path, NULL);
  assert_int_equal(setenv("TMPDIR", folder, 1), 0);
  assert_string_equal(path, "untouched");
  int made = os->dir_make_temp("x-", path, sizeof path, NULL);
  unsetenv("TMPDIR");
  if (saved != NULL) {
    setenv("TMPDIR", saved, 1);
    rk_free(saved);
  }
  assert_int_equal(missing, RK_ENOT_FOUND);
  assert_int_equal(made, RK_OK);
  assert_memory_equal(path, in_folder("x-"), strlen(folder) + 3);
  assert_int_equal(count_entries(), 1);
}

static void errors_are_written_to_standard_error(void **state)
{
  (void)state;
  int ends[2];
  char got[32] = "";
  assert_int_equal(pipe(ends), 0);
  int saved = dup(STDERR_FILENO);
  assert_true(saved >= 0);
  assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
  os->stderr_write("one line\n", 9);
  close(STDERR_FILENO);
  os->stderr_write("lost", 4); /* nobody to tell: no harm */
  assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
  close(saved);
  close(ends[1]);
  assert_int_equal(read(ends[0], got, sizeof got - 1), 9);
  close(ends[0]);
  assert_string_equal(got, "one line\n");
}

static void read_fails_for_each_allocation(void **state)
{
  (void)state;
  void *data = NULL;
  size_t size = 0;
  int failures = 0;
  for (uint64_t k = 1;; k++) {
    rk_error err = RK_ERROR_INIT;
    rk_alloc_fail_at(k, false);
    /* Read from /proc and over 4 KiB: the block has to grow. */
    int status = os->file_read("/proc/self/smaps", 1 << 24, &data, &size, &err);
    rk_alloc_fail_at(0, false);
    if (status == RK_OK) {
      break;
    }
    assert_int_equal(status, RK_EOUT_OF_MEMORY);
    assert_non_null(strstr(err.text, "out of memory"));
    assert_null(data);
    failures++;
  }
  assert_true(failures >= 2);
  rk_free(data);
}

static void folders_are_made_with_those_above(void **state)
{
  (void)state;
  struct stat info;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->dir_make(in_folder("a/b/c"), NULL), RK_OK);
  assert_int_equal(os->dir_make(in_folder("a/b/c"), NULL), RK_OK); /* again */
  assert_int_equal(os->dir_make(in_folder("a//b/c/d/"), NULL), RK_OK);
  assert_int_equal(stat(in_folder("a/b/c/d"), &info), 0);
  assert_true(S_ISDIR(info.st_mode));
  assert_int_equal(info.st_mode & 077, 0);
  assert_int_equal(os->dir_make("/", NULL), RK_OK);
  assert_int_equal(os->dir_make("", &err), RK_ENOT_FOUND);

  assert_int_equal(os->file_write(in_folder("f"), "x", 1, NULL), RK_OK);
  assert_int_equal(os->dir_make(in_folder("f"), &err), RK_EEXISTS);
  assert_int_equal(os->dir_make(in_folder("f/g"), &err), RK_EEXISTS);
  assert_int_equal(symlink("nowhere", in_folder("link")), 0);
  assert_int_equal(os->dir_make(in_folder("link"), &err), RK_EEXISTS);

  assert_int_equal(os->file_remove(in_folder("a"), &err), RK_EIO); /* not empty */
  assert_int_equal(os->file_remove(in_folder("a/b/c/d"), NULL), RK_OK);
  assert_int_equal(os->file_remove(in_folder("a/b/c"), NULL), RK_OK);
  assert_int_equal(os->file_remove(in_folder("a/b"), NULL), RK_OK);
}

static void folders_are_walked(void **state)
{
  (void)state;
  int count = 0;
  assert_int_equal(count_entries(), 0);
  assert_int_equal(os->file_write(in_folder("1"), "", 0, NULL), RK_OK);
  assert_int_equal(os->file_write(in_folder("2"), "", 0, NULL), RK_OK);
  assert_int_equal(os->file_rename(in_folder("2"), in_folder("3"), NULL), RK_OK);
  assert_int_equal(count_entries(), 2);
  assert_int_equal(os->dir_each(folder, stop_at_first, &count, NULL), RK_OK);
  assert_int_equal(count, 1);
}

static void shared_objects_are_opened(void **state)
{
  (void)state;
  void *lib = NULL;
  void *symbol = NULL;
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->lib_open("librk-is-not-there.so", &lib, &err), RK_ENOT_FOUND);
  assert_non_null(strstr(err.text, "librk-is-not-there.so"));
  assert_null(lib);
  assert_int_equal(os->file_write(in_folder("bad.so"), "not an object", 13, NULL), RK_OK);
  assert_int_equal(os->lib_open(in_folder("bad.so"), &lib, &err), RK_ENOT_FOUND);
  assert_int_equal(os->lib_open("libm.so.6", &lib, &err), RK_OK);
  assert_int_equal(os->lib_symbol(lib, "rk_no_such_symbol", &symbol, &err), RK_ENOT_FOUND);
  assert_non_null(strstr(err.text, "rk_no_such_symbol"));
  assert_null(symbol);
  assert_int_equal(os->lib_symbol(lib, "floor", &symbol, &err), RK_OK);
  double (*floor_function)(double) = NULL;
  memcpy(&floor_function, &symbol, sizeof floor_function);
  assert_true(floor_function(2.5) == 2.0);
  os->lib_close(lib);
  os->lib_close(NULL);
}

static uint64_t stopped_clock(void)
{
  return 42;
}

static void entries_can_be_replaced(void **state)
{
  (void)state;
  assert_ptr_equal(rk_platform_current(), rk_platform_real());
  rk_platform fake = *rk_platform_real();
  fake.clock_mono_ns = stopped_clock;
  rk_platform_set(&fake);
  assert_int_equal(rk_clock_mono_ns(), 42);
  assert_int_equal(rk_clock_deadline(8), 50);
  rk_platform_set(NULL);
  assert_ptr_equal(rk_platform_current(), rk_platform_real());
  assert_true(rk_clock_mono_ns() != 42);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(clocks_advance),
      TEST(wall_clock_is_recent),
      TEST(deadlines_do_not_overflow),
      TEST(machine_is_described),
      TEST(home_is_found_and_measured),
      TEST(file_is_written_and_read_back),
      TEST(large_files_and_files_without_size),
      TEST(limit_of_a_read_holds),
      TEST(missing_files_are_told),
      TEST(names_that_are_too_long_are_refused),
      TEST(failed_write_leaves_the_old_file),
      TEST(file_does_not_replace_a_folder),
      TEST(scratch_files_have_no_name),
      TEST(scratch_files_need_a_folder_and_room),
      TEST(write_without_a_random_name_fails),
      TEST(relative_paths_and_links_are_written),
      TEST(temporary_folder_needs_a_place),
      TEST(errors_are_written_to_standard_error),
      TEST(read_fails_for_each_allocation),
      TEST(folders_are_made_with_those_above),
      TEST(folders_are_walked),
      TEST(shared_objects_are_opened),
      TEST(entries_can_be_replaced),
  };
  return cmocka_run_group_tests_name("base_platform", tests, NULL, NULL);
}
