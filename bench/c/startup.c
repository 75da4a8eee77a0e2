/* SPDX-License-Identifier: MIT */
/*
 * Start-up of a program: from spawning it to its exit. Usage: startup QUANTITY PROGRAM ARGS...
 */
#include "bench.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

static double start(void *arg)
{
  char **argv = arg;
  uint64_t n = bench_scale(32) < 32 ? bench_scale(32) : 32;
  uint64_t begin = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    pid_t pid = 0;
    int status = 0;
    bench_check(posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) == 0, "posix_spawnp");
    bench_check(waitpid(pid, &status, 0) == pid && status == 0, "the program ends with 0");
  }
  return (double)(bench_now_ns() - begin) / (double)n / 1e6;
}

int main(int argc, char **argv)
{
  char text[160];
  bench_check(argc >= 3, "usage: startup QUANTITY PROGRAM ARGS...");
  (void)snprintf(text, sizeof(text), "spawn, run and end of: %.60s%s%.40s", argv[2],
                 argc > 3 ? " " : "", argc > 3 ? argv[argc - 1] : "");
  bench_measure(argv[1], "ms", text, start, argv + 2);
  return 0;
}
