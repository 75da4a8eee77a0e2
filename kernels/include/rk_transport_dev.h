/* SPDX-License-Identifier: MIT */
/*
 * The self-test of a transport (rk_ring_dev.h), both halves' common part and the block's half.
 *
 * The host writes records whose every word follows from their number into a pair of rings of its
 * own making; the block checks them and writes back as long a record with other words, which the
 * host checks. What the host does: runtime/transport.c. What asks the block: RK_CMD_TEST_RINGS.
 */
#ifndef RK_TRANSPORT_DEV_H
#define RK_TRANSPORT_DEV_H

#include "rk_ring_dev.h"

#define RK_ECHO_MAX_BYTES 1024u /* payload of a test record */
#define RK_ECHO_THERE 0x7468657265ull
#define RK_ECHO_BACK 0x6261636bull

typedef struct rk_echo { /* the block's half at work */
  rk_ring_rx rx;
  rk_ring_tx tx;
  rk_u64 good; /* records that came as they were sent */
} rk_echo;

RK_FN rk_u64 rkd_echo_word(rk_u64 number, rk_u32 word, rk_u64 way)
{
  rk_u64 h = (number * 0x9e3779b97f4a7c15ull + word) ^ way;
  h *= 0xff51afd7ed558ccdull;
  return h ^ h >> 32;
}

/* Writes record `number`; the caller made sure of the room. */
RK_FN void rkd_echo_put(rk_ring_tx *tx, rk_u64 number, rk_u32 size, rk_u64 way)
{
  rk_abi_msg h;
  rk_u64 piece[8];
  for (rk_u32 at = 0; at < size; at += (rk_u32)sizeof(piece)) {
    rk_u32 left = size - at;
    for (rk_u32 i = 0; i < 8u; ++i) {
      piece[i] = rkd_echo_word(number, 8u + at / 8u + i, way);
    }
    rkd_ring_put(tx, size, at, piece, left < sizeof(piece) ? left : (rk_u32)sizeof(piece));
  }
  h.seq = 0u;
  h.id = number;
  h.correlation = rkd_echo_word(number, 0u, way);
  h.hlc = rkd_echo_word(number, 1u, way);
  h.deadline = rkd_echo_word(number, 2u, way);
  h.source = (rk_u32)rkd_echo_word(number, 3u, way);
  h.dest = (rk_u32)rkd_echo_word(number, 4u, way);
  h.type = (rk_u32)rkd_echo_word(number, 5u, way);
  h.checksum = (rk_u32)rkd_echo_word(number, 6u, way);
  h.size_bytes = size;
  h.flags = 0u;
  h.priority = (rk_u8)number;
  h.reason = (rk_u8)(number >> 8);
  rkd_ring_commit(tx, &h);
}

/* Whether the record at the consumer's head is number `number`, whole and unchanged. */
RK_FN int rkd_echo_is(const rk_ring_rx *rx, const rk_abi_msg *h, rk_u64 number, rk_u64 way)
{
  rk_u32 size = h->size_bytes;
  rk_u64 bad = (h->id ^ number) | (h->correlation ^ rkd_echo_word(number, 0u, way)) |
               (h->hlc ^ rkd_echo_word(number, 1u, way)) |
               (h->deadline ^ rkd_echo_word(number, 2u, way)) |
               (h->source ^ (rk_u32)rkd_echo_word(number, 3u, way)) |
               (h->dest ^ (rk_u32)rkd_echo_word(number, 4u, way)) |
               (h->type ^ (rk_u32)rkd_echo_word(number, 5u, way)) |
               (h->checksum ^ (rk_u32)rkd_echo_word(number, 6u, way)) |
               (rk_u64)(h->priority ^ (rk_u8)number) | (rk_u64)(h->reason ^ (rk_u8)(number >> 8)) |
               (rk_u64)(h->flags & ~RK_MSG_ORDERED); /* a batch may set it */
  if (bad != 0u || size > RK_ECHO_MAX_BYTES) {
    return 0;
  }
  for (rk_u32 at = 0; at < size; at += 8u) {
    rk_u64 word = 0u;
    rk_u32 left = size - at < 8u ? size - at : 8u;
    rk_u64 wanted = rkd_echo_word(number, 8u + at / 8u, way);
    rkd_ring_get(rx, at, &word, left);
    bad |= left == 8u ? word ^ wanted : (word ^ wanted) & ((1ull << (8u * left)) - 1u);
  }
  return bad == 0u;
}

/* Echoes up to `count` records from the ring at `rings` to the one behind it. Ends early when the
 * host says so, aborts or has been silent for as long as a grid outlives it, or when what came has
 * no test record's size. Of records that wait together the answers are one batch. */
RK_SLOW_FN void rkd_echo(rk_echo *e, rk_u64 rings, rk_u64 count, const rk_abi_grid *grid)
{
  const rk_abi_host *host = RK_PTR(const rk_abi_host, grid->host);
  const rk_abi_ring *in = RK_PTR(const rk_abi_ring, rings);
  rk_u64 since_us = 0u; /* of the last record, found out at the first look at the clock after it */
  rk_u32 looks = 0;
  e->good = 0u;
  rkd_ring_rx_open(&e->rx, rings);
  rkd_ring_tx_open(&e->tx, rings + sizeof(rk_abi_ring));
  rkd_ring_hold(&e->tx);
  for (rk_u64 i = 0; i < count;) {
    const rk_abi_msg *h = rkd_ring_peek(&e->rx);
    rk_u32 size = h != 0 ? h->size_bytes : 0u;
    rk_u32 units = rkd_units(size <= RK_ECHO_MAX_BYTES ? size : 0u);
    if (h == 0 || rkd_ring_free(&e->tx, units) < units) {
      rkd_ring_flush(&e->tx);
      rkd_ring_hold(&e->tx);
      rkd_ring_give_back(&e->rx);
      if (++looks % 256u == 0u) {
        rk_u64 now_us = rkd_clock_us();
        since_us = since_us == 0u ? now_us : since_us;
        if (rk_ld_relaxed_sys_u32(&in->over) != 0u || rk_ld_relaxed_sys_u32(&host->abort) != 0u ||
            (grid->grace_s != 0u && now_us - since_us > grid->grace_s * 1000000ull)) {
          return;
        }
#if RK_CAN_SLEEP
        rk_port_yield();
#endif
      }
      rkd_pause(20u);
      continue;
    }
    if (size > RK_ECHO_MAX_BYTES) {
      return;
    }
    e->good += (rk_u64)rkd_echo_is(&e->rx, h, i, RK_ECHO_THERE);
    rkd_echo_put(&e->tx, i, size, RK_ECHO_BACK);
    rkd_ring_consume(&e->rx, size);
    since_us = 0u;
    ++i;
  }
  rkd_ring_flush(&e->tx);
  rkd_ring_give_back(&e->rx);
}

#endif
