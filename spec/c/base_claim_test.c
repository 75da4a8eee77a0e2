/* SPDX-License-Identifier: MIT */
/*
 * The real platform's claims: who has one, who is refused, what is left. Other processes are
 * children, which inherit nothing of them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* symlink, mkfifo */
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/platform.h"

static const rk_platform *os;
static char folder[RK_PATH_BYTES];
static char path[RK_PATH_BYTES + 16];

static int begin(void **state)
{
  (void)state;
  os = rk_platform_real();
  if (os->dir_make_temp("rk-claim-", folder, sizeof(folder), NULL) != RK_OK) {
    return -1;
  }
  snprintf(path, sizeof(path), "%s/claim", folder);
  return 0;
}

static int end(void **state)
{
  (void)state;
  os->file_remove(path, NULL);
  return os->file_remove(folder, NULL) == RK_OK ? 0 : -1;
}

static bool is_there(void)
{
  return os->file_stat(path, NULL, NULL) == RK_OK;
}

static int take(bool is_shared, int *claim, uint64_t *holder)
{
  return os->claim_take(path, is_shared, claim, holder, NULL);
}

/* What a child is told that asks for the claim: the status; *holder as it saw it. */
static int ask_apart(bool is_shared, uint64_t *holder)
{
  struct {
    int status;
    uint64_t holder;
  } answer = {0, 0};
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    int claim = -1;
    answer.status = take(is_shared, &claim, &answer.holder);
    bool told = write(ends[1], &answer, sizeof(answer)) == (ssize_t)sizeof(answer);
    if (claim >= 0) {
      os->claim_drop(path, claim);
    }
    _exit(told ? 0 : 1);
  }
  assert_int_equal(read(ends[0], &answer, sizeof(answer)), sizeof(answer));
  assert_int_equal(waitpid(child, NULL, 0), child);
  close(ends[0]);
  close(ends[1]);
  *holder = answer.holder;
  return answer.status;
}

/* A child that has the claim until it is killed. */
static pid_t start_holder(bool is_shared)
{
  int ends[2];
  char byte = 0;
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    int claim = -1;
    uint64_t holder = 0;
    byte = take(is_shared, &claim, &holder) == RK_OK;
    if (write(ends[1], &byte, 1) != 1) {
      _exit(1);
    }
    (void)alarm(60); /* should the test fail before it ends us */
    for (;;) {
      pause();
    }
  }
  assert_int_equal(read(ends[0], &byte, 1), 1);
  assert_int_equal(byte, 1);
  close(ends[0]);
  close(ends[1]);
  return child;
}

static void end_holder(pid_t child)
{
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
}

static void one_process_has_it(void **state)
{
  (void)state;
  int claim = -1;
  uint64_t holder = 0;
  bool is_shared = true;
  assert_int_equal(os->claim_holder(path, &is_shared, &holder, NULL), RK_ENOT_FOUND);
  assert_int_equal(take(false, &claim, &holder), RK_OK);
  assert_int_equal(ask_apart(false, &holder), RK_EEXISTS);
  assert_int_equal(holder, getpid());
  assert_int_equal(ask_apart(true, &holder), RK_EEXISTS);
  os->claim_drop(path, claim);
  assert_false(is_there());
  assert_int_equal(ask_apart(false, &holder), RK_OK);
}

static void a_killed_holder_has_nothing(void **state)
{
  (void)state;
  int claim = -1;
  uint64_t holder = 0;
  bool is_shared = true;
  pid_t child = start_holder(false);
  rk_error err = RK_ERROR_INIT;
  assert_int_equal(os->claim_take(path, false, &claim, &holder, &err), RK_EEXISTS);
  assert_non_null(strstr(err.text, "is claimed by another process"));
  assert_int_equal(claim, -1);
  assert_int_equal(holder, child);
  assert_int_equal(os->claim_holder(path, &is_shared, &holder, NULL), RK_OK);
  assert_int_equal(holder, child);
  assert_false(is_shared);
  end_holder(child);
  assert_true(is_there());
  assert_int_equal(os->claim_holder(path, &is_shared, &holder, NULL), RK_ENOT_FOUND);
  assert_int_equal(take(false, &claim, &holder), RK_OK);
  os->claim_drop(path, claim);
}

static void those_who_share_have_it_together(void **state)
{
  (void)state;
  int claim = -1;
  uint64_t holder = 0;
  bool is_shared = false;
  pid_t child = start_holder(true);
  assert_int_equal(take(false, &claim, &holder), RK_EEXISTS);
  assert_int_equal(holder, child);
  assert_int_equal(os->claim_holder(path, &is_shared, &holder, NULL), RK_OK);
  assert_true(is_shared);
  assert_int_equal(take(true, &claim, &holder), RK_OK);
  assert_int_equal(ask_apart(true, &holder), RK_OK);
  os->claim_drop(path, claim);
  assert_true(is_there()); /* the child's still */
  assert_int_equal(take(false, &claim, &holder), RK_EEXISTS);
  end_holder(child);
  assert_int_equal(take(false, &claim, &holder), RK_OK);
  os->claim_drop(path, claim);
  assert_false(is_there());
}

/* Everybody can open the file, whatever the umask of who made it. */
static void the_file_is_for_all_users(void **state)
{
  (void)state;
  int claim = -1;
  uint64_t holder = 0;
  struct stat info;
  mode_t before = umask(077);
  assert_int_equal(take(false, &claim, &holder), RK_OK);
  umask(before);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0666);
  assert_int_equal(info.st_size, 0);
  os->claim_drop(path, claim);
}

/* Who has had its file removed by others leaves that of a later one alone. */
static void a_later_file_is_left_alone(void **state)
{
  (void)state;
  int claim = -1;
  uint64_t holder = 0;
  assert_int_equal(take(false, &claim, &holder), RK_OK);
  assert_int_equal(os->file_remove(path, NULL), RK_OK);
  pid_t child = start_holder(false);
  os->claim_drop(path, claim);
  assert_true(is_there());
  end_holder(child);
}

static void only_plain_files_are_used(void **state)
{
  (void)state;
  char target[sizeof(path) + 16];
  int claim = -1;
  uint64_t holder = 7;
  bool is_shared = false;
  snprintf(target, sizeof(target), "%s.target", path);
  assert_int_equal(symlink(target, path), 0);
  assert_true(take(false, &claim, &holder) != RK_OK);
  assert_true(os->claim_holder(path, &is_shared, &holder, NULL) != RK_OK);
  assert_int_equal(os->file_stat(target, NULL, NULL), RK_ENOT_FOUND);
  assert_int_equal(unlink(path), 0);

  assert_int_equal(mkfifo(path, 0600), 0);
  assert_int_equal(take(false, &claim, &holder), RK_EDENIED);
  assert_int_equal(os->claim_holder(path, &is_shared, &holder, NULL), RK_EDENIED);
  assert_int_equal(unlink(path), 0);

  assert_int_equal(mkdir(path, 0700), 0);
  assert_true(take(false, &claim, &holder) != RK_OK);
  assert_int_equal(rmdir(path), 0);

  assert_int_equal(os->claim_take("/no/such/claim", false, &claim, &holder, NULL), RK_ENOT_FOUND);
  assert_int_equal(claim, -1);
  assert_int_equal(holder, 7);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
  const struct CMUnitTest tests[] = {
      TEST(one_process_has_it),
      TEST(a_killed_holder_has_nothing),
      TEST(those_who_share_have_it_together),
      TEST(the_file_is_for_all_users),
      TEST(a_later_file_is_left_alone),
      TEST(only_plain_files_are_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
