/* SPDX-License-Identifier: MIT */
/*
 * Start-up of a program, run with what stands behind `--`:
 *
 *   startup QUANTITY -- PROGRAM ARGS...          from spawning it to its end
 *   startup QUANTITY ANSWER -- PROGRAM ARGS...   from spawning it to the line ANSWER on its output
 *
 * What a program writes is read and compared; it must end with status 0.
 */
#include "bench.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct start {
  char **argv;
  const char *answer; /* NULL: none is waited for */
} start;

/* Reads until the answer is there or the program has closed its output. */
static void read_answer(int fd, const char *answer)
{
  char text[256];
  size_t have = 0, want = strlen(answer);
  ssize_t got = 1;
  while (have < want + 1 && got > 0) {
    got = read(fd, text + have, sizeof(text) - have);
    have += got > 0 ? (size_t)got : 0;
  }
  bench_check(have >= want + 1 && memcmp(text, answer, want) == 0 && text[want] == '\n',
              "the program gives the answer");
}

/* Nanoseconds of one start. */
static uint64_t run(const start *s)
{
  pid_t pid = 0;
  int status = 0, ends[2];
  posix_spawn_file_actions_t actions;
  bench_check(pipe2(ends, O_CLOEXEC) == 0, "pipe");
  bench_check(posix_spawn_file_actions_init(&actions) == 0 &&
                  posix_spawn_file_actions_adddup2(&actions, ends[1], 1) == 0,
              "posix_spawn_file_actions");
  uint64_t begin = bench_now_ns(), ns = 0;
  bench_check(posix_spawnp(&pid, s->argv[0], &actions, NULL, s->argv, environ) == 0,
              "posix_spawnp");
  (void)close(ends[1]);
  if (s->answer != NULL) {
    read_answer(ends[0], s->answer);
    ns = bench_now_ns() - begin;
  }
  bench_check(waitpid(pid, &status, 0) == pid && status == 0, "the program ends with 0");
  if (s->answer == NULL) {
    ns = bench_now_ns() - begin;
  }
  (void)close(ends[0]);
  (void)posix_spawn_file_actions_destroy(&actions);
  return ns;
}

static double sample(void *arg)
{
  uint64_t n = bench_scale(32) < 32 ? bench_scale(32) : 32;
  uint64_t ns = 0;
  for (uint64_t i = 0; i < n; ++i) {
    ns += run(arg);
  }
  return (double)ns / (double)n / 1e6;
}

int main(int argc, char **argv)
{
  int words = argc > 3 && strcmp(argv[2], "--") == 0 ? 1 : 2;
  bench_check(argc > words + 2 && strcmp(argv[words + 1], "--") == 0,
              "usage: startup QUANTITY [ANSWER] -- PROGRAM ARGS...");
  start s = {argv + words + 2, words == 2 ? argv[2] : NULL};
  bench_truth(s.answer != NULL ? "inside the timing (the answer)" : NULL,
              s.answer != NULL ? "the answer and the exit status" : "the exit status");
  bench_measure(argv[1], "ms",
                s.answer != NULL ? "from spawning the program to its answer"
                                 : "spawn, run and end of the program",
                sample, &s);
  return 0;
}
