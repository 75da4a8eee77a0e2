/* SPDX-License-Identifier: MIT */
/*
 * Time: short names for the platform's clocks. One call through a pointer, then the vDSO: no system
 * call. Used wherever something is timed, waited for or stamped.
 */
#ifndef RK_BASE_CLOCK_H
#define RK_BASE_CLOCK_H

#include <stdint.h>

#include "base/base.h"
#include "base/platform.h"

/* Nanoseconds of a clock that never steps back. Threads: any. */
static inline uint64_t rk_clock_mono_ns(void)
{
  return rk_platform_current()->clock_mono_ns();
}

/* Microseconds since 1970; can step when somebody sets the clock. May be a reading that this thread
 * made before, less than a microsecond ago: for stamps, not for timing. Threads: any. */
static inline uint64_t rk_clock_wall_us(void)
{
  return rk_platform_current()->clock_wall_us();
}

/* Nanoseconds since 1970, on the same clock. Threads: any. */
static inline uint64_t rk_clock_wall_ns(void)
{
  return rk_platform_current()->clock_wall_ns();
}

/* The moment `timeout_ns` from now on the monotonic clock; RK_FOREVER stays RK_FOREVER, and a sum
 * that overflows becomes it. Threads: any. */
uint64_t rk_clock_deadline(uint64_t timeout_ns);

/* Nanoseconds from now until `deadline_ns` on the monotonic clock: 0 once it has passed,
 * RK_FOREVER for RK_FOREVER. Threads: any. */
uint64_t rk_clock_remaining(uint64_t deadline_ns);

/* Sleeps at least `ns` nanoseconds. Threads: any. */
void rk_clock_sleep(uint64_t ns);

/* Keeps the processor busy for at least `ns` nanoseconds: for waits shorter than a sleep can be.
 * Threads: any. */
void rk_clock_spin(uint64_t ns);

#endif
