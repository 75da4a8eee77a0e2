/* SPDX-License-Identifier: MIT */
/*
 * Heads of a tagged ring: a record that needs no fence, because every word of it says by itself
 * whether it is there.
 *
 * A head is 15 pairs of 64-bit words, and a word is 4 bytes of data below a tag of 4. A pair carries
 * one 64-bit value, the lower half first:
 *
 *   pair 0  size, flags, priority, reason    pair 1  type, checksum    pair 2  dest, source
 *   pair 3  id    pair 4  correlation        pair 5  hlc               pair 6  deadline
 *   pair 7 to 14  payload, 8 bytes each
 *
 * A reader takes a head when all words that the record has carry the tag it expects; which of them
 * became visible first does not matter. Pair 0 is written last and looked at first: it has the
 * size, which tells how many pairs of payload there are. Records with more payload than 64 bytes
 * have none of it in the head.
 *
 * What this rests on, and why it needs no order:
 *   assumed      an aligned 64-bit word is never seen half changed, neither by a thread of the
 *                device nor by one of the host. PTX promises it for relaxed accesses of system
 *                scope among themselves (single-copy atomicity of scalar accesses), the host's
 *                architecture for its own, and the bus has to carry a word whole between the two.
 *   not assumed  that a pair comes whole, although it is moved by one 16-byte access: to PTX a
 *                vector access is one access for each element, in no order. Hence a tag in every
 *                word, not in every 16 bytes. Nor is any order assumed between words: relaxed
 *                accesses to different words have none.
 * The first is a property of the machine, so it is tried out on each before the form is used: the
 * self-test of rk_transport_dev.h. Where it fails, rings stay plain.
 *
 * The tag is the number of the lap, 31 bits of it, below a bit that is always set: zeroed memory has
 * no tag. Heads lie in memory of their own, so all that a word can hold besides zero is one of an
 * earlier lap, never payload that looks like a tag. An earlier lap has another tag unless it is
 * 2^31 laps ago or a multiple. Words that old can exist, where no head or only short ones came to
 * lie since; therefore in laps whose number ends in 30 ones the writer first clears all words of
 * all positions (rkd_ring_commit). There is such a lap between any two with the same tag, and its
 * records are published and taken with fences, so the reader has seen what was cleared and sees
 * nothing older any more.
 *
 * Used by rk_ring_dev.h. The accesses are explained in rk_atomic.h.
 */
#ifndef RK_RING_TAGGED_DEV_H
#define RK_RING_TAGGED_DEV_H

#include "rk_dev.h"

#define RK_TAG_SET 0x80000000u
#define RK_LAP_CLEARS 0x3fffffffu /* laps that end so clear what earlier ones left */
#define RK_HEAD_FIXED 7u          /* pairs before those of the payload */

/* Whether a reader that has looked in vain so often asks for all words at once. Across a bus each
 * dependent load is a round trip, so a busy reader asks for everything; an idle one keeps the bus
 * free. In the same memory the first pair says enough. */
#if defined(__CUDACC__)
#define RK_IS_EAGER(looks) ((looks) < 256u)
#define RK_TAGGED_FN RK_SLOW_FN /* its many registers are nobody else's */
#else
#define RK_IS_EAGER(looks) ((void)(looks), 0)
#define RK_TAGGED_FN RK_FN
#endif

RK_STATIC_ASSERT(RK_HEAD_PAIRS * 8u == sizeof(rk_abi_msg) - 8u + RK_UNIT_INLINE_BYTES,
                 "a head carries a header without its sequence word, and a unit's payload");
RK_STATIC_ASSERT(RK_HEAD_PAIRS * 16u <= RK_HEAD_BYTES, "a head has room for its pairs");

RK_FN rk_u64 rkd_head_tag(rk_u64 lap)
{
  return (rk_u64)(RK_TAG_SET | (rk_u32)lap) << 32;
}

RK_FN int rkd_lap_clears(rk_u64 lap)
{
  return (lap & RK_LAP_CLEARS) == RK_LAP_CLEARS;
}

/* Pairs of payload that a head has. */
RK_FN rk_u32 rkd_head_extra(rk_u32 payload_bytes)
{
  return payload_bytes <= RK_UNIT_INLINE_BYTES ? (payload_bytes + 7u) / 8u : 0u;
}

/* Partner of the stores: rkd_head_read, which orders nothing either; see the head of this file. */
RK_FN void rkd_head_store(rk_u64 *at, rk_u32 pair, rk_u64 tag, rk_u64 value)
{
  rk_st_relaxed_sys_2u64(at + 2u * pair, (value & 0xffffffffu) | tag, value >> 32 | tag);
}
/* The value of a pair that was loaded; adds what is wrong with its tags to *bad. */
RK_FN rk_u64 rkd_head_value(rk_u64 low, rk_u64 high, rk_u64 tag, rk_u64 *bad)
{
  *bad |= ((low ^ tag) | (high ^ tag)) >> 32;
  return (low & 0xffffffffu) | high << 32;
}

/* Pair 0 of a record. */
RK_FN rk_u64 rkd_head_first(const rk_abi_msg *h)
{
  return h->size_bytes | (rk_u64)h->flags << 32 | (rk_u64)h->priority << 48 |
         (rk_u64)h->reason << 56;
}

/* Writes a head but for pair 0, without which nobody takes it. `payload` are the words of a payload
 * of at most 64 bytes; more is not in the head. */
RK_TAGGED_FN void rkd_head_write(rk_u64 *at, rk_u64 tag, const rk_abi_msg *h, const rk_u64 *payload)
{
  rk_u32 extra = rkd_head_extra(h->size_bytes);
  for (rk_u32 i = 0; i < RK_HEAD_PAIRS - RK_HEAD_FIXED; ++i) {
    if (i < extra) {
      rkd_head_store(at, RK_HEAD_FIXED + i, tag, payload[i]);
    }
  }
  rkd_head_store(at, 6u, tag, h->deadline);
  rkd_head_store(at, 5u, tag, h->hlc);
  rkd_head_store(at, 4u, tag, h->correlation);
  rkd_head_store(at, 3u, tag, h->id);
  rkd_head_store(at, 2u, tag, h->dest | (rk_u64)h->source << 32);
  rkd_head_store(at, 1u, tag, h->type | (rk_u64)h->checksum << 32);
}

RK_FN void rkd_head_clear(rk_u64 *at)
{
  for (rk_u32 i = 0; i < RK_HEAD_PAIRS; ++i) {
    rk_st_relaxed_sys_2u64(at + 2u * i, 0u, 0u);
  }
}

/* Whether a head is there, or is being written. */
RK_FN int rkd_head_waits(const rk_u64 *at, rk_u64 tag)
{
  rk_u64 low, high, bad = 0u;
  rk_ld_relaxed_sys_2u64(at, &low, &high);
  (void)rkd_head_value(low, high, tag, &bad);
  return bad == 0u;
}

/* Takes a head apart; returns 0 when it is not all there. `eager`: ask for every word before
 * looking at any. Nothing may come between those loads that needs one of them, not even whether
 * another is to be loaded: each such place is a round trip. */
RK_TAGGED_FN int rkd_head_read(const rk_u64 *at, rk_u64 tag, int eager, rk_abi_msg *h,
                               rk_u64 *payload)
{
  rk_u64 low[RK_HEAD_PAIRS], high[RK_HEAD_PAIRS], value[RK_HEAD_FIXED];
  rk_u64 bad = 0u;
  if (eager) {
    for (rk_u32 i = 0u; i < RK_HEAD_PAIRS; ++i) {
      rk_ld_relaxed_sys_2u64(at + 2u * i, &low[i], &high[i]);
    }
  } else {
    rk_ld_relaxed_sys_2u64(at, &low[0], &high[0]);
    (void)rkd_head_value(low[0], high[0], tag, &bad);
    if (bad != 0u) {
      return 0;
    }
    for (rk_u32 i = 1u; i < RK_HEAD_FIXED; ++i) {
      rk_ld_relaxed_sys_2u64(at + 2u * i, &low[i], &high[i]);
    }
    for (rk_u32 i = 0u; i < RK_HEAD_PAIRS - RK_HEAD_FIXED; ++i) {
      low[RK_HEAD_FIXED + i] = high[RK_HEAD_FIXED + i] = 0u;
      if (i < rkd_head_extra((rk_u32)low[0])) {
        rk_ld_relaxed_sys_2u64(at + 2u * (RK_HEAD_FIXED + i), &low[RK_HEAD_FIXED + i],
                               &high[RK_HEAD_FIXED + i]);
      }
    }
  }
  for (rk_u32 i = 0u; i < RK_HEAD_FIXED; ++i) {
    value[i] = rkd_head_value(low[i], high[i], tag, &bad);
  }
  rk_u32 size = (rk_u32)value[0]; /* when eager: of whatever lies there */
  rk_u32 extra = rkd_head_extra(size);
  for (rk_u32 i = 0u; i < RK_HEAD_PAIRS - RK_HEAD_FIXED; ++i) {
    if (i < extra) {
      payload[i] = rkd_head_value(low[RK_HEAD_FIXED + i], high[RK_HEAD_FIXED + i], tag, &bad);
    }
  }
  if (bad != 0u) {
    return 0;
  }
  h->size_bytes = size;
  h->flags = (rk_u16)(value[0] >> 32);
  h->priority = (rk_u8)(value[0] >> 48);
  h->reason = (rk_u8)(value[0] >> 56);
  h->type = (rk_u32)value[1];
  h->checksum = (rk_u32)(value[1] >> 32);
  h->dest = (rk_u32)value[2];
  h->source = (rk_u32)(value[2] >> 32);
  h->id = value[3];
  h->correlation = value[4];
  h->hlc = value[5];
  h->deadline = value[6];
  return 1;
}

#endif
