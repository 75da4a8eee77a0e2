/* SPDX-License-Identifier: MIT */
/*
 * The host's clock over the arithmetic of rk_hlc_dev.h, and stamps as text.
 */
#include "core/hlc.h"

#include "base/clock.h"

#include <stdio.h>

#include "rk_atomic.h"

#define HEX_DIGITS 16

void rk_hlc_init(rk_hlc *clock, uint16_t node, uint64_t max_skew_us)
{
  clock->word = 0;
  clock->max_skew_us = max_skew_us == 0 ? RK_HLC_DEFAULT_SKEW_US : max_skew_us;
  clock->node = node;
}

/* Moves the clock past its last stamp and past `floor`. The wall time may be a little old by the
 * time the swap succeeds; the stamp is then larger than the winner's all the same. */
static rk_u64 advance(rk_hlc *clock, rk_u64 floor, uint64_t wall_us)
{
  rk_u64 last = rk_ld_relaxed_gpu_u64(&clock->word);
  rk_u64 next;
  do {
    next = rkd_hlc_next(last > floor ? last : floor, wall_us);
  } while (RK_UNLIKELY(!rk_cas_acqrel_gpu_u64(&clock->word, &last, next)));
  return next;
}

rk_u64 rk_hlc_tick(rk_hlc *clock)
{
  return advance(clock, 0, rk_clock_wall_us());
}

rk_u64 rk_hlc_tick_at(rk_hlc *clock, uint64_t wall_us)
{
  return advance(clock, 0, wall_us);
}

rk_u64 rk_hlc_now(const rk_hlc *clock)
{
  rk_u64 wall = rkd_hlc_pack(rk_clock_wall_us(), 0);
  rk_u64 last = rk_ld_acquire_gpu_u64(&clock->word);
  return last > wall ? last : wall;
}

int rk_hlc_update(rk_hlc *clock, rk_u64 remote, rk_u64 *stamp, rk_error *err)
{
  uint64_t wall_us = rk_clock_wall_us();
  uint64_t remote_us = rkd_hlc_physical_us(remote);
  /* Past the last microsecond the word would wrap to 0, however much skew is allowed. */
  if (remote_us > wall_us &&
      (remote_us - wall_us > clock->max_skew_us || remote_us == RK_HLC_PHYSICAL_MAX)) {
    uint64_t ahead_us = remote_us - wall_us;
    return rk_error_set(err, RK_ESKEW,
                        "remote clock is %llu.%06llu s ahead of this one; at most %llu.%06llu s "
                        "are accepted; set the clocks, or allow more skew",
                        (unsigned long long)(ahead_us / 1000000),
                        (unsigned long long)(ahead_us % 1000000),
                        (unsigned long long)(clock->max_skew_us / 1000000),
                        (unsigned long long)(clock->max_skew_us % 1000000));
  }
  rk_u64 merged = advance(clock, remote, wall_us);
  if (stamp != NULL) {
    *stamp = merged;
  }
  return RK_OK;
}

int rk_hlc_compare(rk_u64 stamp_a, uint16_t node_a, rk_u64 stamp_b, uint16_t node_b)
{
  if (stamp_a != stamp_b) {
    return stamp_a < stamp_b ? -1 : 1;
  }
  return (int)node_a - (int)node_b;
}

char *rk_hlc_format(rk_u64 stamp, uint16_t node, char *text)
{
  snprintf(text, RK_HLC_TEXT_BYTES, "%016llx-%u", (unsigned long long)stamp, (unsigned)node);
  return text;
}

/* The value of a hexadecimal digit, or -1. */
static int hex_value(char c)
{
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  if (c >= 'A' && c <= 'F') {
    return c - 'A' + 10;
  }
  return -1;
}

/* Reads the node's number: 0..65535 in decimal without leading zeros. Returns -1 for others. */
static int32_t parse_node(const char *text)
{
  if (text[0] == '0') {
    return text[1] == '\0' ? 0 : -1;
  }
  int32_t value = 0;
  size_t length = 0;
  for (; text[length] >= '0' && text[length] <= '9'; length++) {
    value = value * 10 + (text[length] - '0');
    if (value > UINT16_MAX) {
      return -1;
    }
  }
  return length > 0 && text[length] == '\0' ? value : -1;
}

int rk_hlc_parse(const char *text, rk_u64 *stamp, uint16_t *node, rk_error *err)
{
  rk_u64 value = 0;
  int32_t number = -1;
  int digits = 0;
  for (; digits < HEX_DIGITS; digits++) {
    int digit = hex_value(text[digits]);
    if (digit < 0) {
      break;
    }
    value = value << 4 | (rk_u64)digit;
  }
  if (digits == HEX_DIGITS && text[HEX_DIGITS] == '-') {
    number = parse_node(text + HEX_DIGITS + 1);
  }
  if (number < 0) {
    return rk_error_set(err, RK_ECORRUPT,
                        "'%.40s' is no timestamp: expected 16 hexadecimal digits, '-' and a node "
                        "number up to 65535",
                        text);
  }
  *stamp = value;
  *node = (uint16_t)number;
  return RK_OK;
}
