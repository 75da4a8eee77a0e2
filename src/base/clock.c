/* SPDX-License-Identifier: MIT */
/*
 * Deadlines, sleeps and short busy waits over the platform's clocks.
 */
#include "base/clock.h"

uint64_t rk_clock_deadline(uint64_t timeout_ns)
{
  uint64_t now = rk_clock_mono_ns();
  return timeout_ns > RK_FOREVER - now ? RK_FOREVER : now + timeout_ns;
}

uint64_t rk_clock_remaining(uint64_t deadline_ns)
{
  if (deadline_ns == RK_FOREVER) {
    return RK_FOREVER;
  }
  uint64_t now = rk_clock_mono_ns();
  return deadline_ns > now ? deadline_ns - now : 0;
}

void rk_clock_sleep(uint64_t ns)
{
  rk_platform_current()->sleep_ns(ns);
}

void rk_clock_spin(uint64_t ns)
{
  uint64_t start = rk_clock_mono_ns();
  while (rk_clock_mono_ns() - start < ns) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
  }
}
