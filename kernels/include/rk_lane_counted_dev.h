/* SPDX-License-Identifier: MIT */
/*
 * Counted lanes: the second form of a cluster's lanes (rk_lane_dev.h, which includes this where
 * RK_LANES_COUNTED is defined). An entry has no word that says it is there: a barrier in the
 * receiver's shared memory, its gate (an mbarrier), counts the bytes as they arrive.
 *
 *   sender    rk_ptx_gate_expect: arrives at the gate and says how many bytes will come
 *             rk_ptx_gate_store: 16 bytes at a time, each counted when it is there (st.async)
 *   receiver  rk_ptx_gate_is_past: the phase is over, so the entry is whole (mbarrier.test_wait)
 *
 * A gate wants one arrival a phase, the sender's. With it and all bytes the phase is over and the
 * next one begins by itself: lap n of a slot is phase n of its gate, and the receiver has nothing to
 * arm again. The sender begins a phase only after it saw in `taken` that the receiver is done with
 * the last one, so a gate is at most one phase ahead of who looks at it and a parity says enough.
 *
 * What makes an entry visible. The stores are weak and asynchronous; counting one releases that
 * store (scope cluster) and nothing else, not even what the same thread did before. The receiver's
 * look acquires (scope cluster), and so has the bytes. A message must also carry all that its sender
 * had done before, in its state or in a buffer: that is what the arrival's release is for, and why
 * the sender arrives, not the receiver. A receiver that armed its gates itself, with a fixed number
 * of bytes, would take part in no release of the sender's; and entries would have to be filled up to
 * their full size, 128 bytes for the smallest message, where now there go 64 and the payload in
 * pieces of 16.
 *
 * Who may write where, when:
 *   an entry   the block it comes from, between its look at `taken` (acquire) and its arrival at the
 *              next phase. Asynchronous stores come after what their thread did before them, so none
 *              overtakes that look, whose partner is rkd_lane_give_back behind the receiver's reads.
 *   a gate     its block opens it before the cluster meets (fence.mbarrier_init, then the barrier),
 *              and closes it when nothing is on its way. Between them only the block it belongs to
 *              the lane of arrives. Partner of rk_ptx_gate_expect: rk_ptx_gate_is_past.
 *   `sent`     the peer, once, before the cluster meets for the last time.
 * This block never stores to an entry with plain stores, not even to clear it, so it is all the same
 * whether such stores go through another proxy.
 *
 * The end. That the cluster has met says that nobody sends any more, but not that everything has
 * arrived: an asynchronous store is none of the accesses that a barrier orders. Shared memory must
 * not go while stores are on their way to it, so each block tells its peers how many entries it
 * sent, and waits after the barrier until the gates have counted those sent to it. It waits for
 * the hardware and for no other block.
 *
 * None of it was tried on a device; the driver of the tests delays and mixes such stores.
 */
#ifndef RK_LANE_COUNTED_DEV_H
#define RK_LANE_COUNTED_DEV_H

#include "rk_block_dev.h"

typedef struct RK_ALIGN(16) rk_lane_slot {
  rk_abi_msg header; /* `seq`: the ticket in the inbox of header.dest */
  rk_u8 payload[RK_LANE_BYTES];
} rk_lane_slot;

typedef struct RK_ALIGN(16) rk_lanes {
  rk_lane_slot slots[RK_CLUSTER][RK_LANE_SLOTS]; /* from the block of that rank */
  rk_u64 gates[RK_CLUSTER][RK_LANE_SLOTS];       /* of the slots */
  rk_u64 taken[RK_CLUSTER];                      /* entries of them given back; that block reads */
  rk_u64 sent[RK_CLUSTER];                       /* that block: entries it sent, at its end */
  rk_u64 tail[RK_CLUSTER];                       /* entries sent to the block of that rank */
  rk_u64 head[RK_CLUSTER];                       /* copy of its `taken` */
  rk_u64 broken;                                 /* 1: the self-test failed, none are used */
} rk_lanes;

RK_STATIC_ASSERT(sizeof(rk_lane_slot) == 128u, "an entry is made of pieces of 16 bytes");

RK_PTX_STATIC_SHARED rk_lanes rkd_lanes;

#define RK_LANE_PIECE 16u
#define RK_LANE_LAND_US 1000000ull /* for what is on its way, which takes a microsecond */

/* ---- sending ---- */

/* Eight bytes of a payload from `at` on; zeros behind its end. */
RK_FN rk_u64 rkd_lane_word(const void *data, rk_u32 size, rk_u32 at)
{
  const rk_u8 *from = (const rk_u8 *)data + at;
  rk_u64 word = 0u;
  if (at + 8u <= size && (((rk_uptr)from) & 7u) == 0u) {
    return *(const rk_u64 *)(const void *)from;
  }
  for (rk_u32 i = 0; i < 8u && at + i < size; ++i) {
    word |= (rk_u64)from[i] << (8u * i);
  }
  return word;
}

/* Writes an entry and arrives at its gate, both in another block. */
RK_SLOW_FN void rkd_lane_write(rk_ptx_far entry, rk_ptx_far gate, rk_u64 ticket,
                               const rk_abi_msg *h, const void *data)
{
  rk_u32 size = h->size_bytes;
  rk_u32 pieces = (size + RK_LANE_PIECE - 1u) / RK_LANE_PIECE;
  /* partner: rk_ptx_gate_is_past in rkd_lane_waits */
  rk_ptx_gate_expect(gate, (rk_u32)sizeof(rk_abi_msg) + pieces * RK_LANE_PIECE);
  rk_ptx_gate_store(entry, gate, ticket, h->id);
  rk_ptx_gate_store(entry + 16u, gate, h->correlation, h->hlc);
  rk_ptx_gate_store(entry + 32u, gate, h->deadline, h->source | (rk_u64)h->dest << 32);
  rk_ptx_gate_store(entry + 48u, gate, h->type | (rk_u64)h->checksum << 32,
                    size | (rk_u64)h->flags << 32 | (rk_u64)h->priority << 48 |
                        (rk_u64)h->reason << 56);
  entry += (rk_u32)sizeof(rk_abi_msg);
  for (rk_u32 at = 0; at < size; at += RK_LANE_PIECE) {
    rk_ptx_gate_store(entry + at, gate, rkd_lane_word(data, size, at),
                      rkd_lane_word(data, size, at + 8u));
  }
}

/* As number `position` of the lane from this block to the one of `rank`, which has room. */
RK_FN void rkd_lane_pass(rk_u32 own, rk_u32 rank, rk_u64 position, rk_u64 ticket,
                         const rk_abi_msg *h, const void *data)
{
  rkd_lane_write(rk_ptx_cluster_far(&rkd_lanes.slots[own][position % RK_LANE_SLOTS], rank),
                 rk_ptx_cluster_far(&rkd_lanes.gates[own][position % RK_LANE_SLOTS], rank), ticket,
                 h, data);
}

/* ---- receiving ---- */

/* Whether entry number `position` of the lane from `rank` is there. */
RK_FN int rkd_lane_waits(rk_u32 rank, rk_u64 position)
{
  return rk_ptx_gate_is_past(&rkd_lanes.gates[rank][position % RK_LANE_SLOTS],
                             (rk_u32)(position / RK_LANE_SLOTS) & 1u);
}
RK_FN rk_u64 rkd_lane_ticket(const rk_lane_slot *entry)
{
  return entry->header.seq;
}

/* ---- beginning and end ---- */

RK_FN void rkd_lanes_empty(void)
{
  rkd_zero(rkd_lanes.taken, (rk_u32)(sizeof(rkd_lanes) - RK_OFFSET(rk_lanes, taken)));
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    for (rk_u32 i = 0; i < RK_LANE_SLOTS; ++i) {
      rk_ptx_gate_open(&rkd_lanes.gates[rank][i]);
    }
  }
  rk_ptx_gates_tell();
}

/* Tells each peer how much it was sent. The cluster's barrier follows. */
RK_FN void rkd_lanes_leave(rk_u32 own)
{
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    if (rank != own) {
      rk_u64 *sent = (rk_u64 *)rk_ptx_cluster_map(&rkd_lanes.sent[own], rank);
      rk_ptx_cluster_store_release(sent, rkd_lanes.tail[rank]); /* partner: rkd_lanes_land */
    }
  }
}

/* Waits until all is there that was sent to this block. The time only bounds the wait for a store
 * that a device has lost. */
RK_SLOW_FN void rkd_lanes_land(rk_u32 own)
{
  rk_u64 since_us = rkd_clock_us();
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    rk_u64 sent = rank == own ? 0u : rk_ptx_cluster_load_acquire(&rkd_lanes.sent[rank]);
    for (rk_u64 position = rkd_lanes.taken[rank]; position < sent; ++position) {
      while (!rkd_lane_waits(rank, position) && rkd_clock_us() - since_us < RK_LANE_LAND_US) {
        rkd_pause(20u);
      }
    }
  }
}

/* Nothing is on its way any more, and everything was moved or is to be forgotten. */
RK_FN void rkd_lanes_gone(void)
{
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    for (rk_u32 i = 0; i < RK_LANE_SLOTS; ++i) {
      rk_ptx_gate_close(&rkd_lanes.gates[rank][i]);
    }
  }
}

#endif
