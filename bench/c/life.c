/* SPDX-License-Identifier: MIT */
/*
 * Lives: opening a runtime, launching, restarting and ending one actor. Each operation is timed by
 * itself, so p99 is of operations.
 */
#include "rt.h"

#include <stdlib.h>

static void actors(void)
{
  uint64_t n = bench_scale(3000);
  double *launch = calloc(n, sizeof(double)), *restart = calloc(n, sizeof(double)),
         *end = calloc(n, sizeof(double));
  rk_runtime *rt = rt_open(1, 1);
  rk_kernel *echo = NULL;
  rk_error err = RK_ERROR_INIT;
  bench_check(launch != NULL && restart != NULL && end != NULL, "out of memory");
  rt_check(rk_kernel_stock("echo", &echo, &err), &err, "stock kernel");
  rk_actor_release(rt_launch(rt, echo, 1024, 0)); /* the definition is loaded now */
  for (uint64_t i = 0; i < n; ++i) {
    uint64_t a = bench_now_ns();
    rk_actor *actor = rt_launch(rt, echo, 1024, 0);
    uint64_t b = bench_now_ns();
    rt_check(rk_actor_restart(actor, false, &err), &err, "restart");
    uint64_t c = bench_now_ns();
    rt_check(rk_actor_terminate(actor, &err), &err, "terminate");
    uint64_t d = bench_now_ns();
    rk_actor_release(actor);
    launch[i] = (double)(b - a) / 1e3;
    restart[i] = (double)(c - b) / 1e3;
    end[i] = (double)(d - c) / 1e3;
  }
  bench_report(
      "life.launch", "us",
      "rk_actor_launch of a stock kernel, queue 1024, until its block serves it; each timed",
      launch, n);
  bench_report("life.restart", "us",
               "rk_actor_restart until its block has zeroed and activated it; each timed", restart,
               n);
  bench_report("life.terminate", "us",
               "rk_actor_terminate until its block has let it go; each timed", end, n);
  rk_kernel_close(echo);
  rk_runtime_close(rt);
  free(launch);
  free(restart);
  free(end);
}

static void runtimes(void)
{
  uint64_t n = bench_scale(60);
  double *open = calloc(n, sizeof(double)), *first = calloc(n, sizeof(double)),
         *close = calloc(n, sizeof(double));
  bench_check(open != NULL && first != NULL && close != NULL, "out of memory");
  bench_unpin();
  for (uint64_t i = 0; i < n; ++i) {
    rk_error err = RK_ERROR_INIT;
    rk_runtime *rt = NULL;
    rk_kernel *echo = NULL;
    uint64_t a = bench_now_ns();
    rt_check(rk_runtime_open(&(rk_runtime_options){.backend = "cpu", .blocks = 2, .spin_us = -1},
                             &rt, &err),
             &err, "open");
    rt_check(rk_kernel_stock("echo", &echo, &err), &err, "stock kernel");
    uint64_t b = bench_now_ns();
    rk_actor *actor = rt_launch(rt, echo, 1024, -1);
    uint64_t c = bench_now_ns();
    rk_actor_release(actor);
    rk_kernel_close(echo);
    uint64_t d = bench_now_ns();
    rk_runtime_close(rt);
    close[i] = (double)(bench_now_ns() - d) / 1e3;
    open[i] = (double)(b - a) / 1e3;
    first[i] = (double)(c - a) / 1e3;
  }
  bench_report(
      "life.open", "us",
      "rk_runtime_open with 2 blocks (threads answered hello) and rk_kernel_stock; each timed",
      open, n);
  bench_report("life.open_and_launch", "us",
               "life.open and the launch of a first actor that is served; each timed", first, n);
  bench_report("life.close", "us",
               "rk_runtime_close with one living actor, threads joined; each timed", close, n);
  free(open);
  free(first);
  free(close);
}

int main(void)
{
  bench_truth("inside the timing (an answer to each command)", NULL);
  if (bench_wants("life.open") || bench_wants("life.open_and_launch") ||
      bench_wants("life.close")) {
    runtimes();
  }
  bench_pin(0);
  if (bench_wants("life.launch") || bench_wants("life.restart") || bench_wants("life.terminate")) {
    actors();
  }
  return 0;
}
