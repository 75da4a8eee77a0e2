/* SPDX-License-Identifier: MIT */
/*
 * The host's hybrid logical clock: thread-safe, one word, never two equal stamps.
 *
 * rk_hlc_dev.h says what a stamp is and has the arithmetic. Here the last stamp is one atomic word
 * that tick and update move forward by compare-and-swap; the wall clock (base/clock.h) is asked
 * once for each stamp. The clock goes on forwards when the wall clock is set back. Used by the runtime
 * to stamp what the host sends, and by the Lua class `hlc`.
 *
 * A stamp travels as text as 16 hexadecimal digits, a minus sign and the node's number:
 * "0006409a2c7e1003-12". Texts of one node sort as the stamps do.
 */
#ifndef RK_CORE_HLC_H
#define RK_CORE_HLC_H

#include <stdint.h>

#include "base/base.h"
#include "base/error.h"

#include "rk_hlc_dev.h"

/* How far ahead of the wall clock a remote stamp may be when nothing else is said: 60 s. */
#define RK_HLC_DEFAULT_SKEW_US UINT64_C(60000000)

/* Bytes of the longest text of a stamp, with its terminator. */
#define RK_HLC_TEXT_BYTES 24

/* Padded rather than aligned, so that it may lie in memory of any allocator. */
typedef struct rk_hlc {
  char pad0[RK_HOT_LINE - sizeof(rk_u64)];
  rk_u64 word; /* latest stamp; nothing else lies on its line */
  char pad1[RK_HOT_LINE - sizeof(rk_u64)];
  uint64_t max_skew_us;
  uint16_t node;
} rk_hlc;

/* Sets up a clock that has stamped nothing yet. `max_skew_us` 0 = RK_HLC_DEFAULT_SKEW_US. The clock
 * owns nothing. Threads: before any other use. */
void rk_hlc_init(rk_hlc *clock, uint16_t node, uint64_t max_skew_us);

/* Stamps an event: larger than every stamp this clock has given or merged. Threads: any. */
rk_u64 rk_hlc_tick(rk_hlc *clock);

/* The same with a wall clock that the caller read a moment ago, so that a batch reads it once. What
 * the clock promises does not depend on how old the reading is. Threads: any. */
rk_u64 rk_hlc_tick_at(rk_hlc *clock, uint64_t wall_us);

/* What the clock says, without stamping: the wall clock, or the latest stamp if that is ahead. A
 * later tick is at least this large, and may be equal to it. Threads: any. */
rk_u64 rk_hlc_now(const rk_hlc *clock);

/* Merges a stamp that came from elsewhere; *stamp is larger than it and than all earlier ones of
 * this clock. RK_ESKEW if its time is more than max_skew_us ahead of the wall clock, or the last
 * that a stamp can hold; the clock is then unchanged. `stamp` may be NULL. Threads: any. */
int rk_hlc_update(rk_hlc *clock, rk_u64 remote, rk_u64 *stamp, rk_error *err);

/* Orders stamps of several nodes: by stamp, then by node. Negative, 0 or positive. Threads: any. */
int rk_hlc_compare(rk_u64 stamp_a, uint16_t node_a, rk_u64 stamp_b, uint16_t node_b);

/* Writes stamp and node as text into `text`, RK_HLC_TEXT_BYTES, and returns it. Threads: any. */
char *rk_hlc_format(rk_u64 stamp, uint16_t node, char *text);

/* Reads what rk_hlc_format writes (hexadecimal digits of either case). RK_ECORRUPT for anything
 * else. Threads: any. */
int rk_hlc_parse(const char *text, rk_u64 *stamp, uint16_t *node, rk_error *err);

#endif
