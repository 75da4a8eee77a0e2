/* SPDX-License-Identifier: MIT */
/*
 * The real platform: running a program and collecting what it prints.
 *
 * The program gets a process group of its own, so that a timeout reaches the helpers it started
 * (a compiler driver starts several) as well. The loop reads its pipe, asks now and then whether
 * it has ended, and does not wait for the pipe's end after that: a helper left in the background
 * may hold it open for ever.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* pipe2, environ */
#endif

#include "base/platform_real.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
#define SLICE_MS 20 /* how often a program that keeps its pipe open but quiet is looked after */

/* What the program printed so far. */
typedef struct capture {
  int fd; /* the pipe, not blocking; -1 once it has ended */
  char *output;
  size_t room; /* without the terminator */
  size_t used;
  bool is_truncated;
} capture;

/* Takes what the pipe holds now. Closes it at its end. */
static void read_pipe(capture *c)
{
  char chunk[4096];
  while (c->fd >= 0) {
    ssize_t got = read(c->fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && errno == EAGAIN) {
      return;
    }
    if (got <= 0) {
      close(c->fd);
      c->fd = -1;
      return;
    }
    size_t fits = c->room - c->used < (size_t)got ? c->room - c->used : (size_t)got;
    if (fits > 0) {
      memcpy(c->output + c->used, chunk, fits);
      c->used += fits;
    }
    c->is_truncated = c->is_truncated || fits < (size_t)got;
  }
}

/* Starts the program with `write_end` as stdout and stderr. Returns an errno. */
static int start_program(const rk_spawn *program, int write_end, pid_t *child)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);

  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0) {
    return error;
  }
  error = posix_spawnattr_init(&attributes);
  if (error != 0) {
    goto destroy_actions;
  }
  /* The pipe first: if our own stdin is closed, the pipe may well have number 0. */
  if ((error = posix_spawn_file_actions_adddup2(&actions, write_end, STDOUT_FILENO)) != 0 ||
      (error = posix_spawn_file_actions_adddup2(&actions, write_end, STDERR_FILENO)) != 0 ||
      (error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
                                                0)) != 0) {
    goto destroy_both;
  }
  /* We may be on a thread that blocks all signals: the program is not to inherit that. */
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  /* argv is not changed by exec; its type is older than const. */
  char *const *argv = NULL;
  memcpy(&argv, &program->argv, sizeof argv);
  error = posix_spawnp(child, program->argv[0], &actions, &attributes, argv, environ);

destroy_both:
  posix_spawnattr_destroy(&attributes);
destroy_actions:
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* Whether the child has ended; *error is an errno if nobody will ever know how. */
static bool collect_child(pid_t child, int flags, int *wait_status, int *error)
{
  pid_t found;
  do {
    found = waitpid(child, wait_status, flags);
  } while (found < 0 && errno == EINTR);
  *error = found < 0 ? errno : 0;
  return found != 0;
}

/* Waits a little: for output while there can be some, else just for time to pass. */
static void wait_slice(const capture *c, uint64_t remaining_ns, unsigned rounds)
{
  uint64_t slice_ns = SLICE_MS * NS_PER_MS;
  if (c->fd < 0) {
    /* The pipe is closed, so the end is near: look again soon, then more and more slowly. */
    uint64_t backoff_ns = UINT64_C(50000) << (rounds < 8 ? rounds : 8);
    slice_ns = backoff_ns < slice_ns ? backoff_ns : slice_ns;
  }
  struct timespec slice = rk__os_timespec(remaining_ns < slice_ns ? remaining_ns : slice_ns);
  struct pollfd pipe_end = {.fd = c->fd, .events = POLLIN};
  ppoll(&pipe_end, 1, &slice, NULL); /* a signal only ends the slice early */
}

int rk__os_spawn(const rk_spawn *program, rk_spawn_result *result, rk_error *err)
{
  const char *name = program->argv[0];
  bool has_output = program->output != NULL && program->output_bytes > 0;
  capture c = {
      .fd = -1, .output = program->output, .room = has_output ? program->output_bytes - 1 : 0};
  int ends[2];
  pid_t child = -1;
  int wait_status = 0;
  int wait_error = 0;
  bool is_late = false;

  if (has_output) {
    program->output[0] = '\0';
  }
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return rk__os_fail(err, errno, "cannot run", name);
  }
  c.fd = ends[0];
  int error = fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ? errno
                                                       : start_program(program, ends[1], &child);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    return rk__os_fail(err, error, "cannot run", name);
  }

  uint64_t start_ns = rk__os_clock_mono_ns();
  bool is_limited = program->timeout_ns != 0 && program->timeout_ns != RK_FOREVER;
  for (unsigned rounds_closed = 0;; rounds_closed += c.fd < 0 ? 1 : 0) {
    uint64_t passed_ns = rk__os_clock_mono_ns() - start_ns;
    if (is_limited && passed_ns >= program->timeout_ns) {
      is_late = true;
      kill(-child, SIGKILL);
      collect_child(child, 0, &wait_status, &wait_error);
      break;
    }
    wait_slice(&c, is_limited ? program->timeout_ns - passed_ns : RK_FOREVER, rounds_closed);
    read_pipe(&c);
    if (collect_child(child, WNOHANG, &wait_status, &wait_error)) {
      break;
    }
  }
  /* What it wrote before its end is in the pipe by now. */
  read_pipe(&c);
  if (c.fd >= 0) {
    close(c.fd);
  }
  if (has_output) {
    program->output[c.used] = '\0';
  }
  if (wait_error != 0) {
    return rk__os_fail(err, wait_error,
                       "cannot learn how a program ended (does this process "
                       "ignore SIGCHLD?):",
                       name);
  }
  *result = (rk_spawn_result){
      .exit_code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1,
      .signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0,
      .output_size = c.used,
      .is_truncated = has_output && c.is_truncated,
  };
  if (is_late) {
    return rk_error_set(err, RK_ETIMEOUT, "'%.300s' had not ended after %llu ms and was killed",
                        name, (unsigned long long)(program->timeout_ns / NS_PER_MS));
  }
  return RK_OK;
}
