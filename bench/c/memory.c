/* SPDX-License-Identifier: MIT */
/*
 * What an idle actor costs: growth of the process's resident memory over 100,000 (BENCH_DIVISOR:
 * fewer) launched actors
 * that never got a message, divided by their number.
 */
#include "rt.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static double resident_bytes(void)
{
  long size = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  bench_check(file != NULL && fscanf(file, "%ld %ld", &size, &resident) == 2, "/proc/self/statm");
  (void)fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static void measure(const char *quantity, const char *includes, uint32_t queue)
{
  if (!bench_wants(quantity)) {
    return;
  }
  uint32_t n = (uint32_t)bench_scale(100000);
  rk_actor **actors = calloc(n, sizeof(rk_actor *));
  rk_runtime *rt = rt_open(2, 0);
  rk_kernel *echo = NULL;
  rk_error err = RK_ERROR_INIT;
  rk_runtime_stats stats;
  bench_check(actors != NULL, "out of memory");
  for (uint32_t i = 0; i < n; ++i) {
    actors[i] = (rk_actor *)actors;
  } /* the list's own pages are there before */
  rt_check(rk_kernel_stock("echo", &echo, &err), &err, "stock kernel");
  rk_actor_release(rt_launch(rt, echo, queue, 0));
  double before = resident_bytes();
  for (uint32_t i = 0; i < n; ++i) {
    actors[i] = rt_launch(rt, echo, queue, -1);
  }
  double bytes = (resident_bytes() - before) / n;
  rk_runtime_stats_get(rt, &stats);
  bench_check(stats.actors == n + 1u, "all actors alive");
  bench_report(quantity, "B", includes, &bytes, 1);
  for (uint32_t i = 0; i < n; ++i) {
    rk_actor_release(actors[i]);
  }
  free(actors);
  rk_kernel_close(echo);
  rk_runtime_close(rt);
  (void)malloc_trim(0);
}

int main(void)
{
  bench_truth(NULL, "all actors are alive");
  measure("memory.idle_actor.queue16",
          "resident growth over idle actors (100,000, or fewer in a quick run), each: shared "
          "structs, host handle, name, "
          "registry, run-queue share; "
          "queue of 16 reserved, not touched",
          16);
  measure("memory.idle_actor.queue1024",
          "the same with the default queue of 1024 messages each way", 1024);
  return 0;
}
