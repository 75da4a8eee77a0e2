/* SPDX-License-Identifier: MIT */
/*
 * The cache of device images: keys, hits, files that are broken, foreign or away, folders that
 * cannot be used, two processes at once. What compiles is skipped where there is no NVRTC, unless CI
 * is set.
 */
#include "backend/cuda/cuda_cache.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/log.h"
#include "base/platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER_BYTES 256
#define PATH_BYTES 512

static const char source[] =
    "#line 1 \"user.cu\"\n"
    "extern \"C\" __global__ void rk_grid(unsigned long long g) { int unused; *(int *)g = 1; }\n";

static const unsigned char header_text[] = "#define HEADER 1\n";
static const rk_embed_file headers[] = {{"header.h", header_text, sizeof(header_text) - 1},
                                        {NULL, NULL, 0}};

/* ---- fixture: a folder of its own ---- */

static char folder[FOLDER_BYTES];
static rk_cuda_cache *cache;
static rk_platform failing; /* the real one with entries replaced */

static int open_folder(void **state)
{
  (void)state;
  failing = *rk_platform_real();
  if (failing.dir_make_temp("rk-images-", folder, sizeof(folder), NULL) != RK_OK) {
    return 1;
  }
  return rk_cuda_cache_open(folder, &cache, NULL);
}

static int close_folder(void **state)
{
  (void)state;
  rk_platform_set(NULL);
  rk_cuda_cache_close(cache);
  cache = NULL;
  const char *const argv[] = {"rm", "-rf", folder, NULL};
  rk_spawn program = {.argv = argv};
  rk_spawn_result result;
  return rk_platform_real()->spawn(&program, &result, NULL);
}

static bool has_nvrtc(void)
{
  const rk_nvrtc *nvrtc = NULL;
  rk_error err = RK_ERROR_INIT;
  if (rk_nvrtc_open(&nvrtc, &err) == RK_OK) {
    return true;
  }
  if (getenv("CI") != NULL) {
    fail_msg("%s, and CI is set: the test must run here", err.text);
  }
  return false;
}

#define NEED_NVRTC()    \
  do {                  \
    if (!has_nvrtc()) { \
      skip();           \
    }                   \
  } while (0)

static rk_nvrtc_request request_for(const char *text)
{
  return (rk_nvrtc_request){.name = "unit.cu", .source = text, .arch = 90, .headers = headers};
}

static rk_cuda_image get(const rk_cuda_cache *from, char **log)
{
  rk_nvrtc_request request = request_for(source);
  rk_cuda_image image;
  rk_error err = RK_ERROR_INIT;
  if (rk_cuda_image_get(from, &request, &image, log, &err) != RK_OK) {
    fail_msg("%s", err.text);
  }
  return image;
}

/* Gets the image and says whether it was found. */
static bool is_found(void)
{
  rk_cuda_image image = get(cache, NULL);
  bool is_cached = image.is_cached;
  rk_cuda_image_release(&image);
  return is_cached;
}

static void path_of(const rk_cuda_key *key, const char *suffix, char *path)
{
  snprintf(path, PATH_BYTES, "%s/cuda/%s.%s", folder, key->hex, suffix);
}

static char *read_whole(const char *path, size_t *size)
{
  void *data = NULL;
  assert_int_equal(rk_platform_real()->file_read(path, 1 << 24, &data, size, NULL), RK_OK);
  return data;
}

static void write_whole(const char *path, const void *data, size_t size)
{
  assert_int_equal(rk_platform_real()->file_write(path, data, size, NULL), RK_OK);
}

/* ---- keys ---- */

static rk_cuda_key key_of(const rk_nvrtc_request *request, int major, int minor)
{
  const rk_nvrtc_info about = {.major = major, .minor = minor};
  rk_cuda_key key;
  rk_cuda_cache_key(request, &about, &key);
  return key;
}

static void key_follows_every_input(void **state)
{
  (void)state;
  static const unsigned char other_text[] = "#define HEADER 2\n";
  static const rk_embed_file changed[] = {{"header.h", other_text, sizeof(other_text) - 1},
                                          {NULL, NULL, 0}};
  static const rk_embed_file renamed[] = {{"other.h", header_text, sizeof(header_text) - 1},
                                          {NULL, NULL, 0}};
  static const rk_embed_file more[] = {{"header.h", header_text, sizeof(header_text) - 1},
                                       {"other.h", header_text, sizeof(header_text) - 1},
                                       {NULL, NULL, 0}};
  static const char *const one[] = {"-DA", "-DB", NULL};
  static const char *const two[] = {"-DA-DB", NULL};
  static const char *const three[] = {"-DB", "-DA", NULL};
  rk_nvrtc_request requests[13];
  rk_cuda_key keys[RK_ARRAY_LEN(requests) + 2];
  for (size_t i = 0; i < RK_ARRAY_LEN(requests); i++) {
    requests[i] = request_for(source);
  }
  requests[1].source = "other";
  requests[2].name = "other.cu";
  requests[3].arch = 100;
  requests[4].arch_letter = 'a';
  requests[5].form = RK_NVRTC_PTX;
  requests[6].options = one;
  requests[7].options = two;
  requests[8].options = three;
  requests[9].headers = changed;
  requests[10].headers = renamed;
  requests[11].headers = more;
  requests[12].headers = NULL; /* the library's own */
  size_t count = 0;
  for (; count < RK_ARRAY_LEN(requests); count++) {
    keys[count] = key_of(&requests[count], 13, 0);
  }
  keys[count++] = key_of(&requests[0], 12, 0);
  keys[count++] = key_of(&requests[0], 13, 1);
  assert_int_equal(count, RK_ARRAY_LEN(keys));
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(strlen(keys[i].hex), 16);
    assert_int_equal(strspn(keys[i].hex, "0123456789abcdef"), 16);
    for (size_t j = 0; j < i; j++) {
      assert_string_not_equal(keys[i].hex, keys[j].hex);
      assert_memory_not_equal(keys[i].words, keys[j].words, sizeof(keys[i].words));
    }
  }
  rk_cuda_key again = key_of(&requests[0], 13, 0);
  assert_memory_equal(&again, &keys[0], sizeof(again));
}

static void kernels_in_the_table_are_no_headers(void **state)
{
  (void)state;
  static const rk_embed_file with_kernel[] = {{"header.h", header_text, sizeof(header_text) - 1},
                                              {"some.cu", header_text, sizeof(header_text) - 1},
                                              {NULL, NULL, 0}};
  rk_nvrtc_request request = request_for(source);
  rk_cuda_key key = key_of(&request, 13, 0);
  request.headers = with_kernel;
  rk_cuda_key same = key_of(&request, 13, 0);
  assert_string_equal(key.hex, same.hex);
}

/* ---- hits and misses ---- */

static const char *nvrtc_nowhere(const char *name)
{
  return strcmp(name, "RINGKERNEL_NVRTC") == 0 ? "/nowhere/libnvrtc.so"
                                               : rk_platform_real()->env_get(name);
}

/* Comes before NVRTC is opened; that it is opened later shows that a failure is not remembered. */
static void missing_nvrtc_is_told(void **state)
{
  (void)state;
  rk_nvrtc_request request = request_for(source);
  rk_cuda_image image = {.is_cached = true};
  rk_error err = RK_ERROR_INIT;
  char *log = NULL;
  char line[256];
  failing.env_get = nvrtc_nowhere;
  rk_platform_set(&failing);
  assert_int_equal(rk_cuda_image_get(cache, &request, &image, &log, &err), RK_ENO_COMPILER);
  assert_non_null(strstr(err.text, "/nowhere/libnvrtc.so"));
  assert_true(image.is_cached);
  assert_null(log);
  assert_false(rk_nvrtc_describe(line, sizeof(line)));
  assert_non_null(strstr(line, "no NVRTC: "));
}

static void image_is_compiled_once(void **state)
{
  (void)state;
  NEED_NVRTC();
  char *first_log = NULL, *second_log = NULL;
  rk_cuda_image first = get(cache, &first_log);
  rk_cuda_image second = get(cache, &second_log);
  assert_false(first.is_cached);
  assert_true(second.is_cached);
  assert_int_equal(first.result.image_bytes, second.result.image_bytes);
  assert_memory_equal(first.result.image, second.result.image, first.result.image_bytes);
  assert_memory_equal(&first.result.usage, &second.result.usage, sizeof(first.result.usage));
  assert_int_equal(second.result.usage.is_known, 1);
  assert_true(second.result.is_cubin);
  assert_int_equal(second.result.arch, 90);
  assert_non_null(strstr(first_log, "user.cu:1: warning: "));
  assert_string_equal(first_log, second_log);
  rk_free(first_log);
  rk_free(second_log);

  /* The marker is in the image, and in the source beside it, at the end. */
  char marker[32], path[PATH_BYTES];
  size_t size;
  snprintf(marker, sizeof(marker), "rk_build_%s", first.key.hex);
  assert_non_null(memmem(first.result.image, first.result.image_bytes, marker, strlen(marker)));
  path_of(&first.key, "cu", path);
  char *text = read_whole(path, &size);
  assert_memory_equal(text, source, strlen(source));
  assert_non_null(strstr(text + strlen(source), marker));
  rk_free(text);
  snprintf(path, sizeof(path), "%s/cuda", folder);
  assert_string_equal(rk_cuda_cache_folder(cache), path);
  rk_cuda_image_release(&first);
  rk_cuda_image_release(&second);
  rk_cuda_image_release(&second);
}

static void ptx_is_kept_like_machine_code(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(source);
  request.form = RK_NVRTC_PTX;
  for (int round = 0; round < 2; round++) {
    rk_cuda_image image;
    assert_int_equal(rk_cuda_image_get(cache, &request, &image, NULL, NULL), RK_OK);
    assert_int_equal(image.is_cached, round);
    assert_false(image.result.is_cubin);
    assert_int_equal(strlen(image.result.image), image.result.image_bytes);
    assert_non_null(strstr(image.result.image, image.key.hex));
    rk_cuda_image_release(&image);
  }
}

static void failed_compile_leaves_nothing(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for("#line 5 \"bad.cu\"\nint f() { return missing; }\n");
  char *log = NULL;
  for (int round = 0; round < 2; round++) {
    rk_cuda_image image = {.is_cached = true};
    rk_error err = RK_ERROR_INIT;
    assert_int_equal(rk_cuda_image_get(cache, &request, &image, &log, &err), RK_ECOMPILE);
    assert_true(image.is_cached); /* untouched */
    assert_string_equal(err.text, "bad.cu:5: identifier \"missing\" is undefined");
    assert_non_null(strstr(log, "bad.cu:5: error: "));
    rk_free(log);
  }
  char path[PATH_BYTES];
  snprintf(path, sizeof(path), "%s/cuda", folder);
  assert_int_equal(rk_platform_real()->file_stat(path, NULL, NULL), RK_ENOT_FOUND);
}

static void without_a_cache_it_compiles(void **state)
{
  (void)state;
  NEED_NVRTC();
  for (int round = 0; round < 2; round++) {
    char *log = NULL;
    rk_cuda_image image = get(NULL, &log);
    assert_false(image.is_cached);
    assert_null(strstr(log, "cache folder"));
    rk_free(log);
    rk_cuda_image_release(&image);
  }
}

/* ---- files that are broken, foreign or away ---- */

static void broken_files_are_made_anew(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_cuda_image image = get(cache, NULL);
  char path[PATH_BYTES];
  size_t size;
  path_of(&image.key, "cubin", path);
  char *good = read_whole(path, &size);
  char *bad = rk_alloc(size + 1);
  assert_non_null(bad);
  /* One bit of: magic, key, sizes, ABI version, form, usage, check, image, log. */
  const size_t flips[] = {0, 9, 24, 32, 40, 44, 60, 95, 110, size / 2, size - 1};
  for (size_t i = 0; i < RK_ARRAY_LEN(flips); i++) {
    memcpy(bad, good, size);
    bad[flips[i]] ^= 4;
    write_whole(path, bad, size);
    assert_false(is_found());
    assert_true(is_found());
  }
  const size_t cuts[] = {0, 1, 103, 104, 105, size / 2, size - 1, size + 1};
  for (size_t i = 0; i < RK_ARRAY_LEN(cuts); i++) {
    memcpy(bad, good, size);
    bad[size] = 0;
    write_whole(path, bad, cuts[i]);
    assert_false(is_found());
    assert_true(is_found());
  }
  char *now = read_whole(path, &size);
  assert_memory_equal(now, good, size); /* what is made anew is the same */
  rk_free(now);
  rk_free(good);
  rk_free(bad);
  rk_cuda_image_release(&image);
}

static void foreign_file_is_not_used(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(source);
  request.arch = 80;
  rk_cuda_image other, image = get(cache, NULL);
  assert_int_equal(rk_cuda_image_get(cache, &request, &other, NULL, NULL), RK_OK);
  char from[PATH_BYTES], to[PATH_BYTES];
  path_of(&other.key, "cubin", from);
  path_of(&image.key, "cubin", to);
  size_t size;
  char *data = read_whole(from, &size);
  write_whole(to, data, size); /* whole and sound, but of another key */
  rk_free(data);
  assert_false(is_found());
  assert_true(is_found());
  rk_cuda_image_release(&other);
  rk_cuda_image_release(&image);
}

static void source_is_put_back(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_cuda_image image = get(cache, NULL);
  char path[PATH_BYTES];
  size_t size, new_size;
  path_of(&image.key, "cu", path);
  char *text = read_whole(path, &size);
  assert_int_equal(rk_platform_real()->file_remove(path, NULL), RK_OK);
  assert_true(is_found());
  char *again = read_whole(path, &new_size);
  assert_string_equal(text, again);
  rk_free(again);
  write_whole(path, "changed", 7);
  assert_true(is_found());
  again = read_whole(path, &new_size);
  assert_string_equal(text, again);
  rk_free(again);
  rk_free(text);
  rk_cuda_image_release(&image);
}

/* ---- folders that cannot be used ---- */

static int full_disk(const char *path, const void *data, size_t size, rk_error *err)
{
  (void)data;
  (void)size;
  return rk_error_set(err, RK_EIO, "cannot write '%s': made up", path);
}

static const char *no_cache_variables(const char *name)
{
  return strcmp(name, "RINGKERNEL_CACHE") == 0 || strcmp(name, "XDG_CACHE_HOME") == 0
             ? NULL
             : rk_platform_real()->env_get(name);
}

static int no_home(char *path, size_t path_bytes, rk_error *err)
{
  (void)path;
  (void)path_bytes;
  return rk_error_set(err, RK_ENOT_FOUND, "no home: made up");
}

static void expect_unkept(const rk_cuda_cache *unusable, const char *why)
{
  for (int round = 0; round < 2; round++) {
    char *log = NULL;
    rk_cuda_image image = get(unusable, &log);
    assert_false(image.is_cached);
    static const char start[] = "ringkernel: warning: the cache folder cannot be used: ";
    assert_memory_equal(log, start, strlen(start));
    assert_non_null(strstr(log, why));
    assert_non_null(strstr(log, "user.cu:1: warning: ")); /* the compiler's comes after */
    rk_free(log);
    rk_cuda_image_release(&image);
  }
}

static void unusable_folder_costs_only_time(void **state)
{
  (void)state;
  NEED_NVRTC();
  char path[PATH_BYTES];
  rk_cuda_cache *unusable = NULL;
  snprintf(path, sizeof(path), "%s/file", folder);
  write_whole(path, "", 0);
  assert_int_equal(rk_cuda_cache_open(path, &unusable, NULL), RK_OK);
  expect_unkept(unusable, "file"); /* a file is in the way */
  rk_cuda_cache_close(unusable);

  failing.file_write = full_disk;
  rk_platform_set(&failing);
  expect_unkept(cache, "made up");

  failing = *rk_platform_real();
  failing.env_get = no_cache_variables;
  failing.home_dir = no_home;
  assert_int_equal(rk_cuda_cache_open(NULL, &unusable, NULL), RK_OK);
  assert_string_equal(rk_cuda_cache_folder(unusable), "");
  expect_unkept(unusable, "no home: made up");
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(rk_cuda_cache_put_source(unusable, "0123456789abcdef", "x", &err),
                   RK_ENOT_FOUND);
  rk_cuda_cache_close(unusable);

  char *very_long = rk_calloc(1, RK_PATH_BYTES + 16);
  assert_non_null(very_long);
  memset(very_long, 'x', RK_PATH_BYTES + 8);
  assert_int_equal(rk_cuda_cache_open(very_long, &unusable, NULL), RK_OK);
  expect_unkept(unusable, "too long");
  rk_cuda_cache_close(unusable);
  rk_free(very_long);
}

static unsigned records;

static void count_record(void *arg, rk_log_level level, const char *part, const char *text)
{
  (void)arg;
  (void)part;
  records += level == RK_LOG_WARN && strstr(text, "cache folder") != NULL ? 1 : 0;
}

static void who_wants_no_log_is_told_in_the_records(void **state)
{
  (void)state;
  NEED_NVRTC();
  static const rk_log_sink sink = {.write = count_record};
  rk_log_set_sink(&sink);
  records = 0;
  failing.file_write = full_disk;
  rk_platform_set(&failing);
  assert_false(is_found());
  rk_log_set_sink(NULL);
  assert_int_equal(records, 1);
}

/* ---- processes ---- */

static void processes_share_the_folder(void **state)
{
  (void)state;
  NEED_NVRTC();
  enum { COUNT = 4 };
  pid_t pids[COUNT];
  int gate[2]; /* children start when its write end closes */
  assert_int_equal(pipe(gate), 0);
  for (int i = 0; i < COUNT; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0) {
      char byte;
      close(gate[1]);
      if (read(gate[0], &byte, 1) != 0) {
        _exit(2);
      }
      for (int round = 0; round < 3; round++) {
        rk_nvrtc_request request = request_for(source);
        rk_cuda_image image;
        if (rk_cuda_image_get(cache, &request, &image, NULL, NULL) != RK_OK ||
            memcmp(image.result.image, "\177ELF", 4) != 0 || (round > 0 && !image.is_cached)) {
          _exit(1);
        }
        rk_cuda_image_release(&image);
      }
      _exit(0);
    }
  }
  close(gate[0]);
  close(gate[1]);
  for (int i = 0; i < COUNT; i++) {
    int status = -1;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
  }
  assert_true(is_found());
}

static void every_allocation_may_fail(void **state)
{
  (void)state;
  NEED_NVRTC();
  rk_nvrtc_request request = request_for(source);
  uint64_t live = rk_alloc_live();
  /* Once with an empty folder, once with the image there. What fails while the image is looked
   * up or kept costs a compile, no more. */
  for (int round = 0; round < 2; round++) {
    unsigned failed = 0;
    for (uint64_t k = 1;; k++) {
      rk_cuda_image image;
      rk_error err = RK_ERROR_INIT;
      char *log = NULL;
      uint64_t before = rk_alloc_count();
      rk_alloc_fail_at(k, false);
      int status = rk_cuda_image_get(cache, &request, &image, &log, &err);
      rk_alloc_fail_at(0, false);
      bool is_past = rk_alloc_count() - before < k;
      if (status == RK_OK) {
        rk_free(log);
        rk_cuda_image_release(&image);
      } else {
        assert_int_equal(status, RK_EOUT_OF_MEMORY);
        assert_null(log);
        failed++;
      }
      assert_int_equal(rk_alloc_live(), live);
      if (is_past) {
        break;
      }
    }
    assert_true(failed > 0);
  }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, open_folder, close_folder)

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(key_follows_every_input),
      cmocka_unit_test(kernels_in_the_table_are_no_headers),
      IN_FOLDER(missing_nvrtc_is_told),
      IN_FOLDER(image_is_compiled_once),
      IN_FOLDER(ptx_is_kept_like_machine_code),
      IN_FOLDER(failed_compile_leaves_nothing),
      cmocka_unit_test(without_a_cache_it_compiles),
      IN_FOLDER(broken_files_are_made_anew),
      IN_FOLDER(foreign_file_is_not_used),
      IN_FOLDER(source_is_put_back),
      IN_FOLDER(unusable_folder_costs_only_time),
      IN_FOLDER(who_wants_no_log_is_told_in_the_records),
      IN_FOLDER(processes_share_the_folder),
      IN_FOLDER(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
