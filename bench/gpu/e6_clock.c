/* SPDX-License-Identifier: MIT */
/*
 * E6: the device's nanosecond clock: how wide its steps are, what reading it costs, and how it
 * drifts against the host's.
 *
 * Step and cost: one thread reads it over and over. Drift: the host asks for the time, the kernel
 * answers; the fastest exchange of each interval gives the distance of the clocks, half its round
 * trip the error of that; the drift is the slope between the first interval and the last.
 */
#include "gpu_common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READS 65536u
#define INTERVALS 20
#define INTERVAL_US 150000u
#define EXCHANGES 400u
#define ANSWER_NS UINT64_C(3000000000)

static const char source[] = GPU_KERNEL
    "read_clock(rk_u64 out, rk_u32 reads) {\n"
    "  rk_u64 *times = RK_PTR(rk_u64, out);\n"
    "  const rk_u64 start = clock_ticks();\n"
    "  for (rk_u32 i = 0u; i < reads; ++i) { times[1u + i] = rk_ptx_time_ns(); }\n"
    "  times[0] = clock_ticks() - start;\n"
    "}\n"
    /* words[0]: number of the question, 0xffffffff ends; at 128: its answer, the time at 136 */
    GPU_KERNEL "tell_time(rk_u64 words) {\n"
    "  const rk_u32 *question = RK_PTR(const rk_u32, words);\n"
    "  rk_u32 *answer = RK_PTR(rk_u32, words + 128u);\n"
    "  rk_u64 *time = RK_PTR(rk_u64, words + 136u);\n"
    "  patience p = patience_begin();\n"
    "  for (rk_u32 last = 0u; !patience_is_over(&p);) {\n"
    "    const rk_u32 now = rk_ld_acquire_sys_u32(question);\n"
    "    if (now == 0xffffffffu) { return; }\n"
    "    if (now != last) {\n"
    "      *(volatile rk_u64 *)time = rk_ptx_time_ns();\n"
    "      rk_st_release_sys_u32(answer, now);\n"
    "      last = now;\n"
    "    }\n"
    "  }\n"
    "}\n";

static void steps(const gpu *g, CUmodule module, CUstream stream)
{
  uint32_t reads = (uint32_t)gpu_scale(g, READS, 1024);
  uint64_t *out = gpu_shared(g, (size_t)(READS + 1u) * sizeof(*out));
  double *widths = calloc(READS, sizeof(*widths));
  CUdeviceptr address = (CUdeviceptr)(uintptr_t)out;
  size_t count = 0;
  if (widths == NULL) {
    gpu_die(g, "out of memory");
  }
  gpu_launch(g, gpu_function(g, module, "read_clock"), 1, 1, stream, (void *[]){&address, &reads});
  gpu_finish(g, stream, 10);
  for (uint32_t i = 2; i <= reads; ++i) {
    if (out[i] < out[i - 1]) {
      gpu_die(g, "the clock went back by %llu ns", (unsigned long long)(out[i - 1] - out[i]));
    }
    if (out[i] > out[i - 1]) {
      widths[count++] = (double)(out[i] - out[i - 1]);
    }
  }
  if (count == 0) {
    gpu_note(g, "step of the clock", "it stood still for %u reads", reads);
  } else {
    gpu_report(g, "step of the clock", "ns", widths, count,
               "differences of neighbouring readings that differ; never went back");
  }
  gpu_report_one(g, "reading the clock and storing it", "ticks", (double)out[0] / reads,
                 "multiprocessor cycles for each of %u", reads);
  free(widths);
}

/* The best of some exchanges: host time, distance of the clocks, round trip. */
typedef struct sample {
  double host_ns, offset_ns, trip_ns;
} sample;

static sample exchange(const gpu *g, CUstream stream, unsigned char *words, uint32_t *number)
{
  uint32_t *question = (uint32_t *)(void *)words;
  const uint32_t *answer = (const uint32_t *)(const void *)(words + 128);
  const uint64_t *time = (const uint64_t *)(const void *)(words + 136);
  sample best = {.trip_ns = INFINITY};
  for (uint32_t i = 0; i < (uint32_t)gpu_scale(g, EXCHANGES, 20); ++i) {
    uint64_t from_ns = gpu_now_ns();
    __atomic_store_n(question, ++*number, __ATOMIC_RELEASE);
    while (__atomic_load_n(answer, __ATOMIC_ACQUIRE) != *number) {
      if (gpu_now_ns() - from_ns > ANSWER_NS) {
        gpu_die(g, "no answer from the kernel");
      }
      if (*number == 1) {
        (void)g->api->stream_query(stream);
      }
    }
    uint64_t to_ns = gpu_now_ns();
    double trip_ns = (double)(to_ns - from_ns);
    if (*number > 1 && trip_ns < best.trip_ns) {
      best = (sample){.host_ns = (double)from_ns + trip_ns / 2,
                      .offset_ns = (double)*time - ((double)from_ns + trip_ns / 2),
                      .trip_ns = trip_ns};
    }
  }
  return best;
}

static void drift(const gpu *g, CUmodule module, CUstream stream)
{
  unsigned char *words = gpu_shared(g, 4096);
  CUdeviceptr address = (CUdeviceptr)(uintptr_t)words;
  sample samples[INTERVALS];
  double moved[INTERVALS], trips[INTERVALS];
  size_t count = (size_t)gpu_scale(g, INTERVALS, 3);
  uint32_t number = 0;
  gpu_launch(g, gpu_function(g, module, "tell_time"), 1, 1, stream, (void *[]){&address});
  for (size_t i = 0; i < count; ++i) {
    samples[i] = exchange(g, stream, words, &number);
    (void)usleep((unsigned)gpu_scale(g, INTERVAL_US, 2000));
  }
  __atomic_store_n((uint32_t *)(void *)words, 0xffffffffu, __ATOMIC_RELEASE);
  gpu_finish(g, stream, 5);
  for (size_t i = 0; i < count; ++i) {
    trips[i] = samples[i].trip_ns / 2;
    moved[i] = samples[i].offset_ns - samples[0].offset_ns;
  }
  double seconds = (samples[count - 1].host_ns - samples[0].host_ns) / 1e9;
  double slope = moved[count - 1] / seconds / 1e3;
  gpu_report_one(g, "drift against the host's clock", "ppm", slope,
                 "over %.2f s; error of that about %.2f ppm", seconds,
                 (trips[0] + trips[count - 1]) / seconds / 1e3);
  gpu_report(g, "error of one comparison", "ns", trips, count,
             "half the fastest round trip of an interval");
  double left[INTERVALS];
  for (size_t i = 0; i < count; ++i) {
    left[i] = fabs(moved[i] - slope * 1e3 * (samples[i].host_ns - samples[0].host_ns) / 1e9);
  }
  gpu_report(g, "distance from a straight line", "ns", left, count,
             "of the clocks' difference, the drift taken out");
}

int main(void)
{
  gpu g;
  if (!gpu_open(&g, "E6")) {
    return GPU_SKIPPED;
  }
  CUmodule module = gpu_module(&g, "clock", source);
  if (module == NULL) {
    return GPU_SKIPPED;
  }
  CUstream stream = gpu_stream(&g);
  steps(&g, module, stream);
  drift(&g, module, stream);
  gpu_close(&g);
  return 0;
}
