/* SPDX-License-Identifier: MIT */
/*
 * From the source of a kernel to a loaded definition: with the compiler, and from the cache.
 */
#include "rt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double compile(const char *source)
{
  rk_runtime *rt = rt_open(1, 1);
  rk_kernel *kernel = rt_kernel("timed", source);
  rk_error err = RK_ERROR_INIT;
  uint64_t start = bench_now_ns();
  int rc = rk_kernel_compile(kernel, rt, NULL, &err);
  double ms = (double)(bench_now_ns() - start) / 1e6;
  rt_check(rc, &err, "compile");
  rk_kernel_close(kernel);
  rk_runtime_close(rt);
  return ms;
}

int main(void)
{
  size_t n = bench_samples() < 9 ? bench_samples() : 9;
  double *cold = calloc(n, sizeof(double)), *cached = calloc(n, sizeof(double));
  char *source = malloc(strlen(rt_sink_source) + 96);
  bench_check(cold != NULL && cached != NULL && source != NULL, "out of memory");
  for (size_t i = 0; i < n; ++i) { /* a text nobody has compiled yet, then the same text again */
    (void)sprintf(source, "/* %ld %llu %zu */\n%s", (long)getpid(),
                  (unsigned long long)bench_now_ns(), i, rt_sink_source);
    cold[i] = compile(source);
    cached[i] = compile(source);
  }
  bench_report(
      "compile.cold", "ms",
      "rk_kernel_compile of a small kernel never seen before: compiler, cache, load; each timed",
      cold, n);
  bench_report("compile.cached", "ms",
               "rk_kernel_compile of the same text in a new runtime: cache file, load; each timed",
               cached, n);
  free(cold);
  free(cached);
  free(source);
  return 0;
}
