/* SPDX-License-Identifier: MIT */
/*
 * The clocks of the real platform.
 *
 * Reading the system's wall clock costs about 23 ns, more than everything else in the stamp of a
 * message, and most messages come in the wake of another. So a thread that read it a moment ago
 * takes that reading again: as long as the processor's time stamp counter has advanced by less than
 * RECENT_TICKS, which is half a microsecond at most on a counter of 2 GHz and more, and less than the
 * step of what is returned on any. The counter is only asked whether that time has passed, never
 * turned into a time, so it needs no calibration; where it jumps, or goes back because the thread
 * came to another processor, the clock is read. Only counters that run evenly and through sleep
 * (Intel SDM volume 3B, 18.17.1 "Invariant TSC"; CPUID 80000007H, EDX bit 8) are used.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "base/platform_real.h"

#include <errno.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#define RECENT_TICKS 1024u
#endif

struct timespec rk__os_timespec(uint64_t ns)
{
  return (struct timespec){.tv_sec = (time_t)(ns / RK_NS_PER_S),
                           .tv_nsec = (long)(ns % RK_NS_PER_S)};
}

uint64_t rk__os_clock_mono_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * RK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t rk__os_clock_wall_ns(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * RK_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t read_wall_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

#ifdef RECENT_TICKS

/* A thread's last reading, and the counter when it began. */
static _Thread_local struct {
  uint64_t tick, us;
  uint64_t recent; /* RECENT_TICKS; 0 before the first reading and where the counter is no use */
} last;

static uint64_t ask_processor(void)
{
  unsigned a = 0, b = 0, c = 0, d = 0;
  int known = __get_cpuid(0x80000007u, &a, &b, &c, &d);
  return known != 0 && (d & 1u << 8) != 0 ? RECENT_TICKS : 0;
}

static __attribute__((noinline)) uint64_t read_again(uint64_t tick)
{
  if (last.us == 0) {
    last.recent = ask_processor();
  }
  last.tick = tick;
  return last.us = read_wall_us();
}

uint64_t rk__os_clock_wall_us(void)
{
  uint64_t tick = __rdtsc();
  return tick - last.tick < last.recent ? last.us : read_again(tick);
}

#else

uint64_t rk__os_clock_wall_us(void)
{
  return read_wall_us();
}

#endif

void rk__os_sleep_ns(uint64_t ns)
{
  uint64_t now = rk__os_clock_mono_ns();
  uint64_t limit = (uint64_t)INT64_MAX; /* later moments overflow the kernel's own arithmetic */
  struct timespec until = rk__os_timespec(ns > limit - now ? limit : now + ns);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
  }
}
