/* SPDX-License-Identifier: MIT */
/*
 * The self-test of a cluster's lanes (rk_lane_dev.h): before a block serves for the first time, it
 * and each of its peers send each other entries whose every word follows from their number, three
 * laps of the lane, and look at what comes. It goes through the very functions that messages take,
 * in the form that the unit has. The host asks for it in the block's door before the grid starts,
 * and finds there what came of it when the block has said hello (runtime/lanes.c).
 *
 * It leaves the lanes as it found them, only further on: as many entries taken as sent. A peer that
 * is done may send messages while this block still tests; they come behind the test's entries and
 * wait.
 */
#ifndef RK_LANE_TEST_DEV_H
#define RK_LANE_TEST_DEV_H

#include "rk_abi.h"

#define RK_LANES_TEST 1u   /* the host: test them */
#define RK_LANES_PASSED 2u /* the block: so they did */
/* Entry number `entry` from the block of `rank`: RK_LANES_LATE or RK_LANES_CHANGED. */
#define RK_LANES_LATE 3u
#define RK_LANES_CHANGED 4u
#define RK_LANES_FAILED(how, rank, entry) \
  ((rk_u64)(how) | (rk_u64)(rank) << 8 | (rk_u64)(entry) << 16)
#define RK_LANES_HOW(told) ((rk_u32)(told)&0xffu)
#define RK_LANES_RANK(told) ((rk_u32)((told) >> 8) & 0xffu)
#define RK_LANES_ENTRY(told) ((rk_u32)((told) >> 16))

#define RK_LANES_TEST_ENTRIES 24u /* from each peer */

#if defined(RK_CLUSTER)

#include "rk_lane_dev.h"
#include "rk_transport_dev.h" /* rkd_echo_word */

#define RK_LANES_TEST_US 2000000ull /* for one entry; it takes a microsecond */

RK_STATIC_ASSERT(RK_LANES_TEST_ENTRIES == 3u * RK_LANE_SLOTS, "each slot in three laps");

/* Words and ticket of entry `number` from the block of rank `from` to the one of rank `to`. */
RK_FN rk_u64 rkd_lane_test_make(rk_u32 from, rk_u32 to, rk_u64 number, rk_abi_msg *h, rk_u64 *words)
{
  rk_u64 way = (rk_u64)from << 8 | to;
  for (rk_u32 i = 0; i < RK_LANE_BYTES / 8u; ++i) {
    words[i] = rkd_echo_word(number, 16u + i, way);
  }
  h->seq = 0u;
  h->id = rkd_echo_word(number, 0u, way);
  h->correlation = rkd_echo_word(number, 1u, way);
  h->hlc = rkd_echo_word(number, 2u, way);
  h->deadline = rkd_echo_word(number, 3u, way);
  h->source = (rk_u32)rkd_echo_word(number, 4u, way);
  h->dest = (rk_u32)rkd_echo_word(number, 5u, way);
  h->type = (rk_u32)rkd_echo_word(number, 6u, way);
  h->checksum = (rk_u32)rkd_echo_word(number, 7u, way);
  h->size_bytes = (rk_u32)(number * 13u % (RK_LANE_BYTES + 1u));
  h->flags = (rk_u16)rkd_echo_word(number, 8u, way);
  h->priority = (rk_u8)rkd_echo_word(number, 9u, way);
  h->reason = (rk_u8)rkd_echo_word(number, 10u, way);
  return rkd_echo_word(number, 11u, way);
}

RK_SLOW_FN void rkd_lane_test_send(rk_u32 own, rk_u32 rank)
{
  rk_abi_msg h;
  rk_u64 words[RK_LANE_BYTES / 8u];
  rk_u64 ticket = rkd_lane_test_make(own, rank, rkd_lanes.tail[rank], &h, words);
  (void)rkd_lane_send(own, rank, ticket, &h, words);
}

/* Whether entry `number` from the block of `rank` is what was sent. */
RK_SLOW_FN int rkd_lane_test_is(rk_u32 own, rk_u32 rank, rk_u64 number)
{
  const rk_lane_slot *entry = &rkd_lanes.slots[rank][number % RK_LANE_SLOTS];
  const rk_abi_msg *g = &entry->header;
  rk_abi_msg h;
  rk_u64 words[RK_LANE_BYTES / 8u];
  rk_u64 bad = rkd_lane_test_make(rank, own, number, &h, words) ^ rkd_lane_ticket(entry);
  bad |= (g->id ^ h.id) | (g->correlation ^ h.correlation) | (g->hlc ^ h.hlc) |
         (g->deadline ^ h.deadline) | (g->source ^ h.source) | (g->dest ^ h.dest) |
         (g->type ^ h.type) | (g->checksum ^ h.checksum) | (g->size_bytes ^ h.size_bytes) |
         (rk_u64)(g->flags ^ h.flags) | (rk_u64)(g->priority ^ h.priority) |
         (rk_u64)(g->reason ^ h.reason);
  for (rk_u32 i = 0; i < h.size_bytes; ++i) {
    bad |= (rk_u64)(entry->payload[i] ^ (rk_u8)(words[i / 8u] >> (i % 8u * 8u)));
  }
  return bad == 0u;
}

/* Sends and takes one entry of each peer, if that can be done. Returns what there is to tell of a
 * wrong one, else 0; *left is how many entries are still to be sent and taken. */
RK_FN rk_u64 rkd_lanes_test_round(rk_u32 own, rk_u32 *left)
{
  rk_u64 told = 0u;
  *left = 0u;
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    if (rank == own) {
      continue;
    }
    if (rkd_lanes.tail[rank] < RK_LANES_TEST_ENTRIES) {
      rkd_lane_test_send(own, rank);
    }
    rk_u64 number = rkd_lanes.taken[rank];
    if (number < RK_LANES_TEST_ENTRIES && rkd_lane_waits(rank, number)) {
      if (!rkd_lane_test_is(own, rank, number)) {
        told = RK_LANES_FAILED(RK_LANES_CHANGED, rank, number);
      }
      rkd_lane_give_back(&rkd_lanes.taken[rank], ++number);
    }
    *left += 2u * RK_LANES_TEST_ENTRIES - (rk_u32)number - (rk_u32)rkd_lanes.tail[rank];
  }
  return told;
}

/* The peer whose entry is missing, and which one that is. */
RK_FN rk_u64 rkd_lanes_test_late(rk_u32 own)
{
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    if (rank != own && rkd_lanes.taken[rank] < RK_LANES_TEST_ENTRIES) {
      return RK_LANES_FAILED(RK_LANES_LATE, rank, rkd_lanes.taken[rank]);
    }
  }
  return RK_LANES_FAILED(RK_LANES_LATE, own, 0u); /* all came, but not all could be sent */
}

/* Waits for blocks that do the same: all of a cluster run at once, and the host asks all or none.
 * Ends by itself when nothing comes, so it watches no abort word. An answer is read with the hello
 * that follows it (rkd_block_serve releases, the host acquires). */
RK_SLOW_FN void rkd_lanes_test(rk_abi_door *door)
{
  if (rk_ld_relaxed_sys_u64(&door->lanes) != RK_LANES_TEST) {
    return;
  }
  rk_u32 own = rk_ptx_block() % RK_CLUSTER;
  rk_u64 since_us = rkd_clock_us(), told = 0u;
  rk_u32 before = 0u, left;
  for (;;) {
    rk_u64 wrong = rkd_lanes_test_round(own, &left);
    told = told == 0u ? wrong : told;
    if (left == 0u) {
      break;
    }
    if (left != before) {
      before = left;
      since_us = rkd_clock_us();
    } else if (rkd_clock_us() - since_us > RK_LANES_TEST_US) {
      told = told == 0u ? rkd_lanes_test_late(own) : told;
      break;
    }
    rkd_pause(20u);
  }
  rkd_lanes.broken = (rk_u64)(told != 0u); /* what comes of the test later is no message */
  rk_st_relaxed_sys_u64(&door->lanes, told == 0u ? RK_LANES_PASSED : told);
}

#else

RK_FN void rkd_lanes_test(rk_abi_door *door)
{
  (void)door;
}

#endif

#endif
