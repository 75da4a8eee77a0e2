/* SPDX-License-Identifier: MIT */
/*
 * Compiling C at run time: cold, cached, broken caches, errors, compilers and folders that are
 * missing, two processes at once; and the report of a handler that crashes. Real compilers run in
 * temporary folders; crashes happen in child processes.
 */
#include "backend/cpu/cpu_compile.h"
#include "backend/cpu/cpu_toolchain.h"
#include "backend/cpu/cpu_crash.h"
#include "backend/cpu/cpu_team.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/platform.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer) || \
    defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

#define FOLDER_BYTES 256
#define FILE_BYTES 512

static const char answer_source[] = "int answer(void) { return 42; }\n";

/* ---- fixture: a folder of its own, compilers counted ---- */

static char folder[FOLDER_BYTES], cache[FOLDER_BYTES + 16];
static rk_platform counting;
static unsigned spawn_count;

static int count_spawn(const rk_spawn *program, rk_spawn_result *result, rk_error *err)
{
  spawn_count++;
  return rk_platform_real()->spawn(program, result, err);
}

static int open_folder(void **state)
{
  (void)state;
  counting = *rk_platform_real();
  counting.spawn = count_spawn;
  rk_platform_set(&counting);
  spawn_count = 0;
  if (counting.dir_make_temp("rk-compile-", folder, sizeof(folder), NULL) != RK_OK) {
    return 1;
  }
  snprintf(cache, sizeof(cache), "%s/cache", folder);
  return 0;
}

static int close_folder(void **state)
{
  (void)state;
  rk_platform_set(NULL);
  const char *const argv[] = {"rm", "-rf", folder, NULL};
  rk_spawn program = {.argv = argv};
  rk_spawn_result result;
  return rk_platform_real()->spawn(&program, &result, NULL);
}

static rk_cpu_compile_request request_for(const char *source)
{
  return (rk_cpu_compile_request){
      .name = "answer", .source = source, .cache_dir = cache, .abi_version = 1};
}

/* Compiles what must compile and returns what answer() returns; *log as rk_cpu_compile. */
static int compile_and_call(const rk_cpu_compile_request *request, char **log)
{
  rk_error err = RK_ERROR_INIT;
  char *path = NULL;
  void *handle = NULL, *symbol = NULL;
  if (rk_cpu_compile(request, &path, log, &err) != RK_OK ||
      rk_cpu_module_load(path, "answer", &handle, &symbol, &err) != RK_OK) {
    fail_msg("%s", err.text);
  }
  int (*answer)(void);
  memcpy(&answer, &symbol, sizeof(answer));
  int value = answer();
  rk_cpu_module_close(handle);
  rk_cpu_compile_release(path);
  return value;
}

typedef struct listing {
  unsigned count;
  char last[2 * FILE_BYTES];
} listing;

static bool list_entry(void *arg, const char *name)
{
  listing *l = arg;
  l->count++;
  snprintf(l->last, sizeof(l->last), "%s/cpu/%s", cache, name);
  return true;
}

/* What is in the cache: the one file's path is in `last`. */
static listing list_cache(void)
{
  char path[FILE_BYTES + 8];
  snprintf(path, sizeof(path), "%s/cpu", cache);
  listing l = {.count = 0};
  assert_int_equal(rk_platform_real()->dir_each(path, list_entry, &l, NULL), RK_OK);
  return l;
}

static void write_script(const char *path, const char *text)
{
  assert_int_equal(rk_platform_real()->file_write(path, text, strlen(text), NULL), RK_OK);
  assert_int_equal(chmod(path, 0700), 0);
}

/* ---- compiling ---- */

static void compiles_once(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(answer_source);
  char *log = NULL;
  assert_int_equal(compile_and_call(&request, &log), 42);
  assert_string_equal(log, "");
  rk_free(log);
  assert_int_equal(spawn_count, 1);

  uint64_t best = UINT64_MAX;
  for (int i = 0; i < 20; i++) {
    char *path;
    uint64_t start = rk_clock_mono_ns();
    assert_int_equal(rk_cpu_compile(&request, &path, NULL, NULL), RK_OK);
    uint64_t took = rk_clock_mono_ns() - start;
    best = took < best ? took : best;
    rk_cpu_compile_release(path);
  }
  print_message("a cached compile takes %.3f ms\n", (double)best / 1e6);
  assert_int_equal(spawn_count, 1);
  assert_int_equal(compile_and_call(&request, NULL), 42);
  listing l = list_cache();
  assert_int_equal(l.count, 1);
  struct stat info;
  char path[FILE_BYTES + 8];
  snprintf(path, sizeof(path), "%s/cpu", cache);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0700);
}

static void key_covers_what_decides_the_result(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(
      "#ifndef N\n#define N 1\n#endif\nint answer(void) { return N; }\n");
  assert_int_equal(compile_and_call(&request, NULL), 1);
  const char *const flags[] = {"-DN=2", "-O0", NULL};
  request.flags = flags;
  assert_int_equal(compile_and_call(&request, NULL), 2);
  request.abi_version = 2;
  assert_int_equal(compile_and_call(&request, NULL), 2);
  assert_int_equal(spawn_count, 3);
  request.abi_version = 1;
  assert_int_equal(compile_and_call(&request, NULL), 2);
  assert_int_equal(spawn_count, 3);

  /* Another compiler, and then another version of it in the same place. */
  char script[FILE_BYTES];
  char *real = NULL;
  assert_int_equal(rk_cpu_compiler_find(&real, NULL), RK_OK);
  char text[2 * FILE_BYTES];
  snprintf(text, sizeof(text), "#!/bin/sh\nexec %s \"$@\"\n", real);
  snprintf(script, sizeof(script), "%s/own-cc", folder);
  write_script(script, text);
  setenv("RINGKERNEL_CC", script, 1);
  assert_int_equal(compile_and_call(&request, NULL), 2);
  assert_int_equal(spawn_count, 4);
  snprintf(text, sizeof(text), "#!/bin/sh\nexec %s -DM=1 \"$@\"\n", real);
  write_script(script, text);
  assert_int_equal(compile_and_call(&request, NULL), 2);
  unsetenv("RINGKERNEL_CC");
  assert_int_equal(spawn_count, 5);
  rk_free(real);
}

static void warnings_reach_the_log(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(
      "#line 7 \"user.cu\"\nint answer(void) { int unused; return 3; }\n");
  for (int i = 0; i < 2; i++) { /* compiled, then cached */
    char *log = NULL;
    assert_int_equal(compile_and_call(&request, &log), 3);
    assert_non_null(strstr(log, "user.cu:7"));
    assert_non_null(strstr(log, "unused variable"));
    rk_free(log);
  }
  assert_int_equal(spawn_count, 1);
}

static void expect_error(const char *source, const char *text, const char *in_log)
{
  rk_cpu_compile_request request = request_for(source);
  rk_error err = RK_ERROR_INIT;
  char untouched;
  char *path = &untouched;
  char *log = NULL;
  assert_int_equal(rk_cpu_compile(&request, &path, &log, &err), RK_ECOMPILE);
  assert_ptr_equal(path, &untouched);
  if (strncmp(err.text, text, strlen(text)) != 0 || strstr(log, in_log) == NULL) {
    fail_msg("got error '%s' and log '%s'", err.text, log);
  }
  assert_null(strstr(log, folder));
  rk_free(log);
}

static void errors_name_file_and_line(void **state)
{
  (void)state;
  setenv("LC_ALL", "de_DE.UTF-8", 1);
  expect_error("#line 11 \"smooth.cu\"\nint f(void) {\n  return 1\n}\nint g(void) { return q; }\n",
               "smooth.cu:12: expected ';'", "smooth.cu:14");
  unsetenv("LC_ALL");
  expect_error("int answer(void) { return missing(1); }\n", "answer.c:1: ", "missing");
  expect_error("#include <no/such.h>\n", "answer.c:1: ", "no/such.h");
  expect_error("int *answer(void) { return 7L; }\n", "answer.c:1: ", "answer.c:1:");
  assert_int_equal(list_cache().count, 0); /* no private folder is left either */
}

static void compilers_that_are_missing(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(answer_source);
  rk_error err = RK_ERROR_INIT;
  char *path = NULL;
  char *log = NULL;
  char *old = strdup(getenv("PATH"));
  setenv("PATH", cache, 1);
  int status = rk_cpu_compile(&request, &path, &log, &err);
  setenv("PATH", old, 1);
  assert_int_equal(status, RK_ENO_COMPILER);
  assert_non_null(strstr(err.text, "cc, gcc, clang"));
  assert_non_null(strstr(err.text, "apt install gcc"));

  setenv("RINGKERNEL_CC", "no-such-compiler", 1);
  status = rk_cpu_compile(&request, &path, &log, &err);
  assert_int_equal(status, RK_ENO_COMPILER);
  assert_non_null(strstr(err.text, "RINGKERNEL_CC is 'no-such-compiler'"));

  char script[FILE_BYTES];
  snprintf(script, sizeof(script), "%s/dying-cc", folder);
  write_script(script, "#!/bin/sh\nkill -9 $$\n");
  setenv("RINGKERNEL_CC", script, 1);
  status = rk_cpu_compile(&request, &path, NULL, &err);
  assert_int_equal(status, RK_ECOMPILE);
  assert_non_null(strstr(err.text, "ended by signal 9"));

  /* There, but not for us. */
  assert_int_equal(chmod(script, 0600), 0);
  status = rk_cpu_compile(&request, &path, &log, &err);
  unsetenv("RINGKERNEL_CC");
  assert_true(status == RK_ENO_COMPILER || status == RK_ECOMPILE);
  assert_non_null(strstr(err.text, script));
  assert_null(path);
  rk_free(log);
  free(old);
}

static void refuses_bad_names(void **state)
{
  (void)state;
  static const char *const bad[] = {"", "../up", "a/b", "a b", "-o", ".x", "a;b", "\xc3\xa4"};
  for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
    rk_cpu_compile_request request = request_for(answer_source);
    request.name = bad[i];
    char *path = NULL;
    assert_int_equal(rk_cpu_compile(&request, &path, NULL, NULL), RK_EINVAL);
    assert_null(path);
  }
}

/* ---- folders that fail ---- */

static void falls_back_to_a_temporary_folder(void **state)
{
  (void)state;
  char temp[FILE_BYTES];
  snprintf(temp, sizeof(temp), "%s/tmp", folder);
  assert_int_equal(mkdir(temp, 0700), 0);
  setenv("TMPDIR", temp, 1);
  /* A file is where the cache folder should be: no user, not even root, can write there. */
  assert_int_equal(rk_platform_real()->file_write(cache, "x", 1, NULL), RK_OK);
  rk_cpu_compile_request request = request_for(answer_source);
  char *log = NULL;
  char *path = NULL;
  assert_int_equal(rk_cpu_compile(&request, &path, &log, NULL), RK_OK);
  assert_int_equal(strncmp(log, "ringkernel: warning: the cache folder cannot be used", 52), 0);
  assert_int_equal(strncmp(path, temp, strlen(temp)), 0);
  rk_free(log);
  rk_cpu_compile_release(path);
  assert_int_equal(rmdir(temp), 0); /* nothing was left in it */

  /* Now neither can be written. */
  rk_error err = RK_ERROR_INIT;
  path = NULL;
  setenv("TMPDIR", cache, 1);
  int status = rk_cpu_compile(&request, &path, NULL, &err);
  unsetenv("TMPDIR");
  assert_int_equal(status, RK_EIO);
  assert_non_null(strstr(err.text, "no folder to compile in"));
  assert_null(path);
}

static int write_on_full_disk(const char *path, const void *data, size_t size, rk_error *err)
{
  if (strncmp(path, cache, strlen(cache)) == 0 && strstr(path, ".so") != NULL) {
    return rk_error_set(err, RK_EIO, "cannot write '%s': No space left on device", path);
  }
  return rk_platform_real()->file_write(path, data, size, err);
}

static void survives_a_full_disk(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(answer_source);
  char *log = NULL;
  counting.file_write = write_on_full_disk; /* the compiler had room, we have not */
  assert_int_equal(compile_and_call(&request, &log), 42);
  assert_non_null(strstr(log, "No space left on device"));
  rk_free(log);
  counting.file_write = rk_platform_real()->file_write;

  char script[FILE_BYTES], text[2 * FILE_BYTES]; /* the compiler has none */
  char *real = NULL;
  assert_int_equal(rk_cpu_compiler_find(&real, NULL), RK_OK);
  snprintf(script, sizeof(script), "%s/full-cc", folder);
  snprintf(text, sizeof(text),
           "#!/bin/sh\ncase \"$*\" in *%s/*)\n  echo 'x.c:1:1: fatal error: error writing to "
           "x.s: No space left on device' >&2; exit 1;; esac\nexec %s \"$@\"\n",
           cache, real);
  rk_free(real);
  write_script(script, text);
  setenv("RINGKERNEL_CC", script, 1);
  assert_int_equal(compile_and_call(&request, &log), 42);
  unsetenv("RINGKERNEL_CC");
  assert_non_null(strstr(log, "warning: the cache folder cannot be used: no room"));
  rk_free(log);
  assert_int_equal(list_cache().count, 0);
}

static void broken_cache_files_are_made_anew(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(answer_source);
  assert_int_equal(compile_and_call(&request, NULL), 42);
  listing l = list_cache();
  void *data;
  size_t size;
  assert_int_equal(rk_platform_real()->file_read(l.last, 1 << 24, &data, &size, NULL), RK_OK);
  char *bytes = data;
  const size_t cuts[] = {0, 1, 39, 40, size / 2, size - 1};
  for (size_t i = 0; i < RK_ARRAY_LEN(cuts); i++) {
    spawn_count = 0;
    assert_int_equal(rk_platform_real()->file_write(l.last, bytes, cuts[i], NULL), RK_OK);
    assert_int_equal(compile_and_call(&request, NULL), 42);
    assert_int_equal(spawn_count, 1);
  }
  const size_t flips[] = {0, size / 2, size - 40, size - 30, size - 20, size - 1};
  for (size_t i = 0; i < RK_ARRAY_LEN(flips); i++) {
    spawn_count = 0;
    bytes[flips[i]] ^= 0x10;
    assert_int_equal(rk_platform_real()->file_write(l.last, bytes, size, NULL), RK_OK);
    bytes[flips[i]] ^= 0x10;
    assert_int_equal(compile_and_call(&request, NULL), 42);
    assert_int_equal(spawn_count, 1);
  }
  /* A whole file under the wrong name. */
  request.abi_version = 9;
  assert_int_equal(compile_and_call(&request, NULL), 42);
  spawn_count = 0;
  request.abi_version = 1;
  assert_int_equal(rk_platform_real()->file_remove(l.last, NULL), RK_OK);
  listing other = list_cache();
  assert_int_equal(other.count, 1);
  assert_int_equal(rk_platform_real()->file_rename(other.last, l.last, NULL), RK_OK);
  assert_int_equal(compile_and_call(&request, NULL), 42);
  assert_int_equal(spawn_count, 1);
  rk_free(data);
}

static void four_processes_share_a_cache(void **state)
{
  (void)state;
  pid_t children[4];
  for (int i = 0; i < 4; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      rk_cpu_compile_request request = request_for(answer_source);
      char *path;
      void *handle, *symbol;
      int (*answer)(void) = NULL;
      bool is_good = rk_cpu_compile(&request, &path, NULL, NULL) == RK_OK &&
                     rk_cpu_module_load(path, "answer", &handle, &symbol, NULL) == RK_OK;
      if (is_good) {
        memcpy(&answer, &symbol, sizeof(answer));
      }
      _exit(is_good && answer() == 42 ? 0 : 1);
    }
  }
  for (int i = 0; i < 4; i++) {
    int status;
    assert_int_equal(waitpid(children[i], &status, 0), children[i]);
    assert_int_equal(status, 0);
  }
  assert_int_equal(list_cache().count, 1);
}

static void survives_every_failed_allocation(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(answer_source);
  assert_int_equal(compile_and_call(&request, NULL), 42);
  uint64_t live = rk_alloc_live();
  unsigned failures = 0;
  for (uint64_t k = 1;; k++) {
    char *path = NULL;
    char *log = NULL;
    rk_alloc_fail_at(k, false);
    uint64_t before = rk_alloc_count();
    int status = rk_cpu_compile(&request, &path, &log, NULL);
    bool was_hit = rk_alloc_count() - before >= k;
    rk_alloc_fail_at(0, false);
    if (status == RK_OK) {
      rk_cpu_compile_release(path);
      rk_free(log);
    } else {
      assert_int_equal(status, RK_EOUT_OF_MEMORY);
      assert_null(path);
      assert_null(log);
      failures++;
    }
    assert_int_equal(rk_alloc_live(), live);
    if (!was_hit) {
      break;
    }
  }
  assert_true(failures >= 4);
}

static void loading_says_what_is_wrong(void **state)
{
  (void)state;
  rk_cpu_compile_request request = request_for(answer_source);
  rk_error err = RK_ERROR_INIT;
  char *path = NULL;
  void *handle = NULL, *symbol = NULL;
  assert_int_equal(rk_cpu_compile(&request, &path, NULL, NULL), RK_OK);
  assert_int_equal(rk_cpu_module_load(path, "question", &handle, &symbol, &err), RK_ENOT_FOUND);
  assert_non_null(strstr(err.text, "question"));
  assert_int_equal(rk_cpu_module_load("/no/such.so", "answer", &handle, &symbol, &err),
                   RK_ENOT_FOUND);
  assert_null(handle);
  assert_null(symbol);
  rk_cpu_compile_release(path);
  rk_cpu_module_close(NULL);
  rk_cpu_compile_release(NULL);
}

/* ---- crashes ---- */

typedef struct crash {
  int what; /* argument of answer() */
  bool has_scope;
  bool has_lookup;   /* addr2line can be found */
  bool is_lane;      /* in a fiber of a team */
  bool has_old;      /* the program had a handler of its own, which exits with 7 */
  char *path;        /* of the module */
  char report[4096]; /* what it wrote to standard error */
  int status;        /* of waitpid */
} crash;

static void exit_with_7(int signal)
{
  (void)signal;
  _exit(7);
}

static void (*crash_function)(int);

static void crash_in_lane(void *arg, uint32_t lane)
{
  rk_team_sync();
  if (lane == 0) {
    crash_function(((crash *)arg)->what);
  }
}

/* In the child: never returns but by _exit(99), if nothing crashed. */
static _Noreturn void crash_here(crash *c)
{
  void *handle, *symbol;
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (size_t i = 0; i < RK_ARRAY_LEN(signals); i++) {
    signal(signals[i], SIG_DFL); /* cmocka has handlers of its own, sanitizers too */
  }
  if (c->has_old) {
    signal(SIGSEGV, exit_with_7);
  }
  if (!c->has_lookup) {
    setenv("PATH", folder, 1);
  }
  if (rk_cpu_module_load(c->path, "answer", &handle, &symbol, NULL) != RK_OK ||
      rk_crash_install(NULL) != RK_OK || rk_crash_install(NULL) != RK_OK ||
      rk_crash_thread_begin(NULL) != RK_OK) {
    _exit(98);
  }
  memcpy(&crash_function, &symbol, sizeof(crash_function));
  rk_crash_scope scope = {.actor = "s1", .kernel = "smooth", .handler = "Reading"};
  if (!rk_crash_scope_locate(&scope, symbol)) {
    _exit(97);
  }
  rk_crash_scope_set(c->has_scope ? &scope : NULL);
  if (c->is_lane) {
    rk_team *team;
    if (rk_team_open(4, NULL, &team) != RK_OK) {
      _exit(96);
    }
    rk_team_run(team, 4, crash_in_lane, c, NULL);
  } else {
    crash_function(c->what);
  }
  _exit(99);
}

static void run_crash(crash *c)
{
  void *source;
  size_t source_bytes;
  assert_int_equal(rk_platform_real()->file_read("spec/c/planted/smooth.cu", 1 << 16, &source,
                                                 &source_bytes, NULL),
                   RK_OK);
  rk_cpu_compile_request request = request_for(source);
  /* Sanitizers have their own opinion on what this source does. */
  const char *const flags[] = {"-fno-sanitize=all", NULL};
  request.flags = IS_SANITIZED ? flags : NULL;
  assert_int_equal(rk_cpu_compile(&request, &c->path, NULL, NULL), RK_OK);
  rk_free(source);
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    crash_here(c);
  }
  close(ends[1]);
  size_t size = 0;
  ssize_t n;
  char rest[512];
  while ((n = size < sizeof(c->report) - 1
                  ? read(ends[0], c->report + size, sizeof(c->report) - 1 - size)
                  : read(ends[0], rest, sizeof(rest))) > 0) {
    size += size < sizeof(c->report) - 1 ? (size_t)n : 0;
  }
  close(ends[0]);
  assert_int_equal(waitpid(child, &c->status, 0), child);
  rk_cpu_compile_release(c->path);
}

static void expect_report(crash c, int signal_number, const char *first, const char *second)
{
  char expected[1024];
  run_crash(&c);
  snprintf(expected, sizeof(expected),
           "ringkernel: handler 'Reading' of actor 's1' (kernel 'smooth') crashed: %s", first);
  if (strncmp(c.report, expected, strlen(expected)) != 0 || strstr(c.report, second) == NULL) {
    fail_msg("expected '%s' and '%s', got '%s'", expected, second, c.report);
  }
  assert_true(WIFSIGNALED(c.status));
  assert_int_equal(WTERMSIG(c.status), signal_number);
}

static void crashes_are_reported(void **state)
{
  (void)state;
  crash c = {.has_scope = true, .has_lookup = true};
  expect_report(c, SIGSEGV, "bad memory access (SIGSEGV) at address 0x10\n",
                "\n  at smooth.cu:20\n");
  c.is_lane = true;
  expect_report(c, SIGSEGV, "bad memory access (SIGSEGV) at address 0x10\n",
                "\n  at smooth.cu:20\n");
  c.is_lane = false;
  c.what = 2;
  expect_report(c, SIGILL, "illegal instruction or trap (SIGILL)\n", "\n  at smooth.cu:30\n");
  c.what = 3;
  expect_report(c, SIGSEGV, "bad memory access (SIGSEGV) at address 0x0\n",
                "\n  at smooth.cu:36, in a function called there\n");
#if defined(__x86_64__) /* elsewhere the result is 0 */
  c.what = 1;
  expect_report(c, SIGFPE, "integer division by zero (SIGFPE)\n", "\n  at smooth.cu:25\n");
#endif
}

static void stack_overflow_of_a_lane_is_reported(void **state)
{
  (void)state;
  crash c = {.what = 4, .has_scope = true, .has_lookup = true, .is_lane = true};
  expect_report(c, SIGSEGV, "bad memory access (SIGSEGV) at address 0x",
                "near the end of its stack");
}

static void crashes_without_addr2line_name_the_module(void **state)
{
  (void)state;
  crash c = {.has_scope = true};
  char place[FILE_BYTES + 32];
  snprintf(place, sizeof(place), "\n  at %s/cpu/answer-", cache);
  expect_report(c, SIGSEGV, "bad memory access (SIGSEGV) at address 0x10\n", place);
  expect_report(c, SIGSEGV, "bad memory access (SIGSEGV) at address 0x10\n", ".so+0x");
}

static void other_crashes_are_left_alone(void **state)
{
  (void)state;
  crash c = {.has_lookup = true};
  run_crash(&c);
  assert_null(strstr(c.report, "ringkernel:"));
  assert_true(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGSEGV);

  /* A signal that somebody sent is no crash of the handler, but ends the process all the same. */
  c = (crash){.what = 5, .has_scope = true};
  run_crash(&c);
  assert_null(strstr(c.report, "ringkernel:"));
  assert_true(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGSEGV);
}

static void earlier_handlers_get_their_turn(void **state)
{
  (void)state;
  crash c = {.has_scope = true, .has_lookup = true, .has_old = true};
  run_crash(&c);
  assert_non_null(strstr(c.report, "smooth.cu:20"));
  assert_true(WIFEXITED(c.status));
  assert_int_equal(WEXITSTATUS(c.status), 7);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_folder, close_folder)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(compiles_once),
      TEST(key_covers_what_decides_the_result),
      TEST(warnings_reach_the_log),
      TEST(errors_name_file_and_line),
      TEST(compilers_that_are_missing),
      TEST(refuses_bad_names),
      TEST(falls_back_to_a_temporary_folder),
      TEST(survives_a_full_disk),
      TEST(broken_cache_files_are_made_anew),
      TEST(four_processes_share_a_cache),
      TEST(survives_every_failed_allocation),
      TEST(loading_says_what_is_wrong),
      TEST(crashes_are_reported),
      TEST(stack_overflow_of_a_lane_is_reported),
      TEST(crashes_without_addr2line_name_the_module),
      TEST(other_crashes_are_left_alone),
      TEST(earlier_handlers_get_their_turn),
  };
  return cmocka_run_group_tests_name("compile", tests, NULL, NULL);
}
