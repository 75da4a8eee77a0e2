/* SPDX-License-Identifier: MIT */
/*
 * Hybrid logical clocks: the host's shared one, by one thread and by two, and one that a block
 * owns. Every stamp of the two-thread run is kept and checked: none twice, none backwards.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "core/hlc.h"

#include "rk_hlc_dev.h"

#define SAMPLE_EVERY 32u

static double tick(void *arg)
{
  rk_hlc *clock = arg;
  uint64_t n = bench_scale(400000);
  rk_u64 last = 0;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    rk_u64 stamp = rk_hlc_tick(clock);
    bench_check(stamp > last, "HLC: a stamp did not grow");
    last = stamp;
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

static double update(void *arg)
{
  rk_hlc *clock = arg;
  uint64_t n = bench_scale(400000);
  rk_u64 last = 0, remote = rk_hlc_tick(clock);
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; ++i) {
    rk_u64 stamp = 0;
    bench_check(rk_hlc_update(clock, remote, &stamp, NULL) == RK_OK && stamp > last,
                "HLC: a merge did not grow");
    last = stamp;
    remote = stamp + 3u;
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

typedef struct ticker {
  rk_hlc *clock;
  rk_u64 *stamps;
  uint64_t count;
} ticker;

static void run_ticker(void *arg)
{
  ticker *t = arg;
  for (uint64_t i = 0; i < t->count; ++i) {
    t->stamps[i] = rk_hlc_tick(t->clock);
  }
}

static uint64_t duplicates, ticks;

/* Both lists grow, so equal stamps meet in a merge. */
static double tick_two(void *arg)
{
  uint64_t n = bench_scale(500000);
  ticker a = {arg, calloc(n, sizeof(rk_u64)), n}, b = {arg, calloc(n, sizeof(rk_u64)), n};
  void *args[] = {&a, &b};
  bench_check(a.stamps != NULL && b.stamps != NULL, "out of memory");
  for (uint64_t i = 0; i < n; ++i) {
    a.stamps[i] = b.stamps[i] = 1;
  } /* pages are there before the clock runs */
  uint64_t ns = bench_team(2, bench_pins(), run_ticker, args);
  for (uint64_t i = 1; i < n; ++i) {
    bench_check(a.stamps[i] > a.stamps[i - 1] && b.stamps[i] > b.stamps[i - 1],
                "HLC: a stamp did not grow");
  }
  for (uint64_t i = 0, j = 0; i < n && j < n;) {
    duplicates += a.stamps[i] == b.stamps[j];
    if (a.stamps[i] < b.stamps[j]) {
      ++i;
    } else {
      ++j;
    }
  }
  ticks += 2 * n;
  free(a.stamps);
  free(b.stamps);
  return (double)ns / (double)n;
}

static double tick_owned(void *arg)
{
  uint32_t every = *(uint32_t *)arg;
  uint64_t n = bench_scale(1000000) / SAMPLE_EVERY * SAMPLE_EVERY;
  static rk_u64 clock;
  uint64_t start = bench_now_ns();
  for (uint64_t i = 0; i < n; i += every) {
    rk_u64 now_us = rk_clock_wall_us();
    for (uint32_t k = 0; k < every; ++k) {
      rk_u64 stamp = rkd_hlc_tick(&clock, now_us);
      __asm__ volatile("" ::"r"(stamp), "r"(&clock)
                       : "memory"); /* each stamp is used, the clock is in memory */
    }
  }
  return (double)(bench_now_ns() - start) / (double)n;
}

int main(void)
{
  uint32_t each = 1, batch = SAMPLE_EVERY;
  rk_hlc clock;
  rk_hlc_init(&clock, 1, 0);
  bench_truth(NULL, "all stamps: growing, none twice");
  bench_measure("hlc.tick_two_threads", "ns",
                "two threads tick one clock, ns per tick and thread; all stamps kept and compared "
                "after the clock stops",
                tick_two, &clock);
  if (bench_wants("hlc.duplicates")) {
    double found[] = {(double)duplicates}, all[] = {(double)ticks};
    bench_report("hlc.duplicates", "count", "stamps given twice by one clock that two threads tick",
                 found, 1);
    bench_report("hlc.ticks_compared", "count", "stamps among which they were looked for", all, 1);
  }
  bench_check(duplicates == 0, "HLC: a stamp was given twice");
  bench_pin(0);
  bench_truth(NULL, "all stamps: growing");
  bench_measure(
      "hlc.tick", "ns",
      "one thread, shared clock: wall clock asked (read again each half us) + compare-and-swap; "
      "growth checked",
      tick, &clock);
  bench_measure("hlc.update", "ns",
                "one thread, shared clock: merge of a stamp, with the skew check; growth checked",
                update, &clock);
  bench_truth(NULL, NULL);
  bench_measure("hlc.tick_owned", "ns",
                "a clock with one owner, wall clock asked (read again each half us) for each tick",
                tick_owned, &each);
  bench_measure("hlc.tick_owned_sampled", "ns",
                "a clock with one owner, wall clock read once per 32 ticks", tick_owned, &batch);
  return 0;
}
