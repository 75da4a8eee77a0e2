/* SPDX-License-Identifier: MIT */
/*
 * Hybrid logical clock: arithmetic on packed stamps and a clock with one owner.
 *
 * A stamp is one word: microseconds since the Unix epoch (52 bits, until the year 2112) over a
 * logical counter (12 bits). Comparing words compares stamps. The rules are those of Kulkarni,
 * Demirbas, Madappa, Avva and Leone, "Logical Physical Clocks" (2014): a stamp follows every stamp
 * its maker has made or received, and its time part follows the wall clock where that is ahead.
 *
 * In one word both parts advance by plain addition: "the same microsecond, next event" is last + 1.
 * When the counter is full that addition carries into the microseconds: the clock then runs ahead
 * of the wall by one microsecond for each 4096 stamps that a standing wall clock is asked for, and
 * falls back in step as soon as the wall passes it. No stamp is ever repeated.
 *
 * A clock here is a plain word that one thread or one lane owns; src/core/hlc.c makes a thread-safe
 * one from the same arithmetic. Zero is the clock that has seen nothing and the stamp "none".
 */
#ifndef RK_HLC_DEV_H
#define RK_HLC_DEV_H

#include "rk_abi.h"
#include "rk_atomic.h" /* RK_ATOMIC_FN: how a small function is declared on either side */

#define RK_HLC_LOGICAL_BITS 12u
#define RK_HLC_LOGICAL_MASK ((1u << RK_HLC_LOGICAL_BITS) - 1u)
/* Largest number of microseconds a stamp can hold. */
#define RK_HLC_PHYSICAL_MAX ((1ull << 52) - 1u)

RK_ATOMIC_FN rk_u64 rkd_hlc_pack(rk_u64 physical_us, rk_u32 logical)
{
  return (physical_us << RK_HLC_LOGICAL_BITS) | (logical & RK_HLC_LOGICAL_MASK);
}

RK_ATOMIC_FN rk_u64 rkd_hlc_physical_us(rk_u64 stamp)
{
  return stamp >> RK_HLC_LOGICAL_BITS;
}

RK_ATOMIC_FN rk_u32 rkd_hlc_logical(rk_u64 stamp)
{
  return (rk_u32)stamp & RK_HLC_LOGICAL_MASK;
}

/* The stamp that follows `last` when the wall clock says `now_us`: max(last + 1, now). */
RK_ATOMIC_FN rk_u64 rkd_hlc_next(rk_u64 last, rk_u64 now_us)
{
  rk_u64 wall = now_us << RK_HLC_LOGICAL_BITS;
  return wall > last ? wall : last + 1u;
}

/* Stamps an event: returns a stamp larger than all this clock has returned before. */
RK_ATOMIC_FN rk_u64 rkd_hlc_tick(rk_u64 *last, rk_u64 now_us)
{
  return *last = rkd_hlc_next(*last, now_us);
}

/* Stamps the receipt of `remote`: the result is larger than it and than all earlier ones. How far
 * ahead `remote` may be is for whoever let it in to judge (rk_hlc_update); it is below ~0. */
RK_ATOMIC_FN rk_u64 rkd_hlc_merge(rk_u64 *last, rk_u64 now_us, rk_u64 remote)
{
  return *last = rkd_hlc_next(remote > *last ? remote : *last, now_us);
}

#endif
