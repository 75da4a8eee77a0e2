/* SPDX-License-Identifier: MIT */
/*
 * Running programs: output, exit codes, signals, missing programs, time limits, and what is not
 * inherited. The programs are small shell scripts, given as one argument to sh.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* kill, setrlimit, signal sets */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/platform.h"

#define NS_PER_MS UINT64_C(1000000)

static char output[4096];
static rk_spawn_result result;
static rk_error err;

static int run_script(const char *script, uint64_t timeout_ms)
{
  const char *argv[] = {"sh", "-c", script, NULL};
  rk_spawn program = {.argv = argv,
                      .timeout_ns = timeout_ms * NS_PER_MS,
                      .output = output,
                      .output_bytes = sizeof output};
  memset(output, '#', sizeof output);
  memset(&result, 0x77, sizeof result);
  rk_error_clear(&err);
  return rk_platform_current()->spawn(&program, &result, &err);
}

static void both_outputs_are_captured(void **state)
{
  (void)state;
  assert_int_equal(run_script("echo one; echo two >&2; printf three", 0), RK_OK);
  assert_string_equal(output, "one\ntwo\nthree");
  assert_int_equal(result.output_size, 13);
  assert_int_equal(result.exit_code, 0);
  assert_int_equal(result.signal, 0);
  assert_false(result.is_truncated);
}

static void arguments_are_passed_as_they_are(void **state)
{
  (void)state;
  const char *argv[] = {"printf", "<%s>", "a b", "$HOME", "*", "", "';rm", NULL};
  rk_spawn program = {.argv = argv, .output = output, .output_bytes = sizeof output};
  assert_int_equal(rk_platform_current()->spawn(&program, &result, NULL), RK_OK);
  assert_string_equal(output, "<a b><$HOME><*><><';rm>");
}

static void ends_are_told(void **state)
{
  (void)state;
  assert_int_equal(run_script("exit 7", 0), RK_OK);
  assert_int_equal(result.exit_code, 7);
  assert_int_equal(result.signal, 0);
  assert_string_equal(output, "");
  assert_int_equal(run_script("echo bye; kill -TERM $$", 0), RK_OK);
  assert_int_equal(result.exit_code, -1);
  assert_int_equal(result.signal, SIGTERM);
  assert_string_equal(output, "bye\n");
}

static void missing_programs_are_told(void **state)
{
  (void)state;
  const char *const names[] = {"rk-no-such-program", "/rk/no/such/program"};
  for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
    const char *argv[] = {names[i], NULL};
    rk_spawn program = {.argv = argv, .output = output, .output_bytes = sizeof output};
    rk_spawn_result before;
    memset(&before, 0x55, sizeof before);
    result = before;
    assert_int_equal(rk_platform_current()->spawn(&program, &result, &err), RK_ENOT_FOUND);
    assert_non_null(strstr(err.text, names[i]));
    assert_memory_equal(&result, &before, sizeof before); /* untouched */
    assert_string_equal(output, "");
  }
  const char *argv[] = {"/dev/null", NULL}; /* there, but no program */
  rk_spawn program = {.argv = argv};
  assert_int_equal(rk_platform_current()->spawn(&program, &result, &err), RK_EDENIED);
}

static void no_descriptor_left_is_an_error(void **state)
{
  (void)state;
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  int status = run_script("exit 0", 0);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(status, RK_EIO);
  assert_non_null(strstr(err.text, "'sh'"));
}

static void much_output_is_cut_and_does_not_block(void **state)
{
  (void)state;
  /* Far more than a pipe holds: the program ends only if somebody reads. */
  assert_int_equal(
      run_script("i=0; while [ $i -lt 3000 ]; do "
                 "echo 0123456789012345678901234567890123456789012345678901234567890123456789; "
                 "i=$((i+1)); done; exit 3",
                 60000),
      RK_OK);
  assert_int_equal(result.exit_code, 3);
  assert_true(result.is_truncated);
  assert_int_equal(result.output_size, sizeof output - 1);
  assert_int_equal(strlen(output), sizeof output - 1);
  assert_memory_equal(output, "0123456789", 10);
  assert_int_equal(output[70], '\n');

  const char *argv[] = {"sh", "-c", "printf 1234", NULL};
  rk_spawn program = {.argv = argv, .output = output, .output_bytes = 5}; /* exactly fits */
  assert_int_equal(rk_platform_current()->spawn(&program, &result, NULL), RK_OK);
  assert_string_equal(output, "1234");
  assert_false(result.is_truncated);
  program.output_bytes = 4;
  assert_int_equal(rk_platform_current()->spawn(&program, &result, NULL), RK_OK);
  assert_string_equal(output, "123");
  assert_true(result.is_truncated);
}

static void output_can_be_dropped(void **state)
{
  (void)state;
  const char *argv[] = {"sh", "-c", "echo text; exit 2", NULL};
  rk_spawn program = {.argv = argv};
  assert_int_equal(rk_platform_current()->spawn(&program, &result, NULL), RK_OK);
  assert_int_equal(result.exit_code, 2);
  assert_int_equal(result.output_size, 0);
  assert_false(result.is_truncated);
}

static void time_limit_kills_the_whole_group(void **state)
{
  (void)state;
  uint64_t start = rk_clock_mono_ns();
  /* The helper in the background holds the pipe as well; its id is the output. */
  assert_int_equal(run_script("sleep 50 & echo $!; wait", 300), RK_ETIMEOUT);
  uint64_t passed_ms = (rk_clock_mono_ns() - start) / NS_PER_MS;
  assert_true(passed_ms >= 300);
  assert_true(passed_ms < 20000);
  assert_non_null(strstr(err.text, "300 ms"));
  assert_int_equal(result.signal, SIGKILL);
  long helper = strtol(output, NULL, 10);
  assert_true(helper > 1);
  /* Gone, or about to be collected by whoever inherited it (then its state is Z). */
  bool is_running = true;
  for (int i = 0; i < 1000 && is_running; i++) {
    char path[64];
    void *data = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", helper);
    is_running = rk_platform_current()->file_read(path, 4096, &data, &size, NULL) == RK_OK &&
                 strstr(data, ") Z ") == NULL;
    rk_free(data);
    rk_clock_sleep(NS_PER_MS);
  }
  assert_false(is_running);
}

static void time_limit_holds_when_output_is_closed(void **state)
{
  (void)state;
  assert_int_equal(run_script("exec >&- 2>&-; sleep 50", 200), RK_ETIMEOUT);
}

static void late_end_after_closing_output_is_waited_for(void **state)
{
  (void)state;
  assert_int_equal(run_script("echo early; exec >&- 2>&-; sleep 0.2; exit 5", 30000), RK_OK);
  assert_int_equal(result.exit_code, 5);
  assert_string_equal(output, "early\n");
}

static void helpers_left_behind_are_not_waited_for(void **state)
{
  (void)state;
  uint64_t start = rk_clock_mono_ns();
  assert_int_equal(run_script("sleep 30 & echo $!", 0), RK_OK);
  assert_true(rk_clock_mono_ns() - start < 20000 * NS_PER_MS);
  assert_int_equal(result.exit_code, 0);
  kill((pid_t)strtol(output, NULL, 10), SIGKILL);
}

static void input_is_empty(void **state)
{
  (void)state;
  assert_int_equal(run_script("cat; echo end", 30000), RK_OK);
  assert_string_equal(output, "end\n");
}

static void signals_and_descriptors_are_not_inherited(void **state)
{
  (void)state;
  sigset_t all;
  sigset_t before;
  int fd = -1;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* as on one of our threads */
  void (*handler)(int) = signal(SIGPIPE, SIG_IGN);
  assert_int_equal(rk_platform_current()->event_open(&fd, NULL), RK_OK);
  char script[200];
  snprintf(script, sizeof script,
           "grep -E 'SigBlk|SigIgn' /proc/self/status; test -e /proc/self/fd/%d || echo none", fd);
  int status = run_script(script, 30000);
  rk_platform_current()->event_close(fd);
  signal(SIGPIPE, handler);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  assert_int_equal(status, RK_OK);
  const char *blocked = strstr(output, "SigBlk:");
  const char *ignored = strstr(output, "SigIgn:");
  assert_non_null(blocked);
  assert_non_null(ignored);
  assert_int_equal(strtoull(blocked + 7, NULL, 16), 0);
  /* The C library keeps two signals above 31 for itself and ignores them in new programs. */
  assert_int_equal(strtoull(ignored + 7, NULL, 16) & 0x7FFFFFFF, 0);
  assert_non_null(strstr(output, "none\n"));
}

static void works_with_own_descriptors_closed(void **state)
{
  (void)state;
  /* With 0 to 2 closed the pipe gets their numbers. In a child: our own are needed. */
  for (int first = 0; first <= 2; first++) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      for (int fd = first; fd <= 2; fd++) {
        close(fd);
      }
      bool is_good = run_script("echo out; echo err >&2; cat", 30000) == RK_OK &&
                     strcmp(output, "out\nerr\n") == 0;
      _exit(is_good ? 0 : 1);
    }
    int wait_status = -1;
    while (waitpid(child, &wait_status, 0) < 0 && errno == EINTR) {
    }
    assert_int_equal(wait_status, 0);
  }
}

static void lost_exit_status_is_an_error(void **state)
{
  (void)state;
  void (*handler)(int) = signal(SIGCHLD, SIG_IGN); /* the system collects children itself */
  int status = run_script("exit 3", 30000);
  signal(SIGCHLD, handler);
  assert_int_equal(status, RK_EIO);
  assert_non_null(strstr(err.text, "SIGCHLD"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(both_outputs_are_captured),
      cmocka_unit_test(arguments_are_passed_as_they_are),
      cmocka_unit_test(ends_are_told),
      cmocka_unit_test(missing_programs_are_told),
      cmocka_unit_test(no_descriptor_left_is_an_error),
      cmocka_unit_test(much_output_is_cut_and_does_not_block),
      cmocka_unit_test(output_can_be_dropped),
      cmocka_unit_test(time_limit_kills_the_whole_group),
      cmocka_unit_test(time_limit_holds_when_output_is_closed),
      cmocka_unit_test(late_end_after_closing_output_is_waited_for),
      cmocka_unit_test(helpers_left_behind_are_not_waited_for),
      cmocka_unit_test(input_is_empty),
      cmocka_unit_test(signals_and_descriptors_are_not_inherited),
      cmocka_unit_test(works_with_own_descriptors_closed),
      cmocka_unit_test(lost_exit_status_is_an_error),
  };
  return cmocka_run_group_tests_name("base_spawn", tests, NULL, NULL);
}
