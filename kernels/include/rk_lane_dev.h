/* SPDX-License-Identifier: MIT */
/*
 * Lanes: short messages between blocks of one cluster, through shared memory.
 *
 * Where the grid is launched in clusters (RK_CLUSTER blocks each, a number in the unit's source),
 * each block has a small ring in its shared memory for every other block of its cluster, which that
 * block alone writes and this one alone reads. A message written there is seen by the receiver's
 * block in its next round, without an entry in its ready ring and without a way through L2.
 *
 * A lane is only another way for bytes: the sender takes its ticket in the receiver's inbox first,
 * as always, and the entry carries the ticket. The receiver's block moves the entry into the inbox
 * slot of that ticket. So the order of messages is that of the tickets whichever way each of them
 * took, a full lane or a long message costs nothing but the longer way, credits and slots need no
 * other rule than those of rk_ring_dev.h, and an actor cannot end over an entry that still lies in a
 * lane: its ticket has been taken and is waited for (rkd_drain).
 *
 * Life: shared memory is there from the start of a block until its end, not longer. Nobody writes
 * before all blocks of the cluster have made their lanes empty (rkd_lanes_open), nobody leaves
 * before all of them have left their loops (rkd_lanes_close). Both wait at the cluster's barrier,
 * which watches no abort word: it waits for blocks that watch it, and a block that left without
 * waiting would pull memory from under them.
 *
 * Two forms, of which a unit's source has one:
 *   plain     the default: an entry is written with plain stores and published by a release of its
 *             `seq` (here)
 *   counted   RK_LANES_COUNTED: stores that a barrier of the receiver's counts as they arrive
 *             (rk_lane_counted_dev.h)
 * rk_lane_test_dev.h tries the one there is before the first message. Which is faster is to be
 * measured.
 *
 * Only lane 0 of a block calls these, but for rkd_lanes_meet.
 */
#ifndef RK_LANE_DEV_H
#define RK_LANE_DEV_H

#include "rk_block_dev.h"

#define RK_BY_LANE 1 /* of rkd_deliver: sent, and the receiver's block needs no signal */

#if defined(RK_CLUSTER)

#if !defined(__CUDACC__)
#error "clusters are the device's"
#endif

#define RK_LANE_SLOTS 8u  /* entries that wait from one block */
#define RK_LANE_BYTES 64u /* payload of the largest message that takes a lane */

RK_STATIC_ASSERT(RK_CLUSTER >= 2 && RK_CLUSTER <= 8, "a cluster has 2 to 8 blocks");

#if defined(RK_LANES_COUNTED)
#include "rk_lane_counted_dev.h"
#else

/* ---- the plain form ---- */

typedef struct RK_ALIGN(16) rk_lane_slot {
  rk_abi_msg header; /* `seq`: position + 1 once published */
  rk_u64 ticket;     /* in the inbox of header.dest */
  rk_u64 pad;
  rk_u8 payload[RK_LANE_BYTES];
} rk_lane_slot;

typedef struct RK_ALIGN(16) rk_lanes {
  rk_lane_slot slots[RK_CLUSTER][RK_LANE_SLOTS]; /* from the block of that rank */
  rk_u64 taken[RK_CLUSTER];                      /* entries of them given back; that block reads */
  rk_u64 tail[RK_CLUSTER];                       /* entries sent to the block of that rank */
  rk_u64 head[RK_CLUSTER];                       /* copy of its `taken` */
  rk_u64 broken;                                 /* 1: the self-test failed, none are used */
} rk_lanes;

RK_PTX_STATIC_SHARED rk_lanes rkd_lanes;

RK_FN void rkd_lanes_empty(void)
{
  rkd_zero(&rkd_lanes, (rk_u32)sizeof(rkd_lanes));
}

/* Writes an entry into the lane that leads to a block of the same cluster. */
RK_FN void rkd_lane_write(rk_lane_slot *entry, rk_u64 position, rk_u64 ticket, const rk_abi_msg *h,
                          const void *data)
{
  rkd_copy(entry->payload, data, h->size_bytes);
  entry->ticket = ticket;
  entry->header.id = h->id;
  entry->header.correlation = h->correlation;
  entry->header.hlc = h->hlc;
  entry->header.deadline = h->deadline;
  entry->header.source = h->source;
  entry->header.dest = h->dest;
  entry->header.type = h->type;
  entry->header.checksum = h->checksum;
  entry->header.size_bytes = h->size_bytes;
  entry->header.flags = h->flags;
  entry->header.priority = h->priority;
  entry->header.reason = h->reason;
  rk_ptx_cluster_store_release(&entry->header.seq, position + 1u); /* partner: rkd_lane_ready */
}
RK_FN int rkd_lane_ready(const rk_lane_slot *entry, rk_u64 position)
{
  return rk_ptx_cluster_load_acquire(&entry->header.seq) == position + 1u;
}

/* As number `position` of the lane from this block to the one of `rank`, which has room. */
RK_FN void rkd_lane_pass(rk_u32 own, rk_u32 rank, rk_u64 position, rk_u64 ticket,
                         const rk_abi_msg *h, const void *data)
{
  void *there = rk_ptx_cluster_map(&rkd_lanes.slots[own][position % RK_LANE_SLOTS], rank);
  rkd_lane_write((rk_lane_slot *)there, position, ticket, h, data);
}
/* Whether entry number `position` of the lane from `rank` is there. */
RK_FN int rkd_lane_waits(rk_u32 rank, rk_u64 position)
{
  return rkd_lane_ready(&rkd_lanes.slots[rank][position % RK_LANE_SLOTS], position);
}
RK_FN rk_u64 rkd_lane_ticket(const rk_lane_slot *entry)
{
  return entry->ticket;
}

/* The cluster's barrier orders plain stores: what was sent is there. */
RK_FN void rkd_lanes_leave(rk_u32 own)
{
  (void)own;
}
RK_FN void rkd_lanes_land(rk_u32 own)
{
  (void)own;
}
RK_FN void rkd_lanes_gone(void)
{
}

#endif

/* ---- what both forms have ---- */

/* Barrier of all threads of the cluster that have not returned. */
RK_FN void rkd_lanes_meet(void)
{
  rk_ptx_cluster_meet();
}

/* Makes this block's lanes empty: shared memory starts with whatever was there. rkd_lanes_meet by
 * all threads follows, and orders this before what peers write. */
RK_FN void rkd_lanes_open(void)
{
  rkd_lanes_empty();
}

/* Writes an entry into the lane to the block of `rank`; 0 when the lane is full or broken. */
RK_FN int rkd_lane_send(rk_u32 own, rk_u32 rank, rk_u64 ticket, const rk_abi_msg *h,
                        const void *data)
{
  rk_u64 tail = rkd_lanes.tail[rank];
  if (rkd_lanes.broken != 0u) {
    return 0;
  }
  if (tail - rkd_lanes.head[rank] >= RK_LANE_SLOTS) {
    /* partner: rkd_lane_give_back */
    const rk_u64 *taken = (const rk_u64 *)rk_ptx_cluster_map(&rkd_lanes.taken[own], rank);
    rkd_lanes.head[rank] = rk_ptx_cluster_load_acquire(taken);
    if (tail - rkd_lanes.head[rank] >= RK_LANE_SLOTS) {
      return 0;
    }
  }
  rkd_lane_pass(own, rank, tail, ticket, h, data);
  rkd_lanes.tail[rank] = tail + 1u;
  return 1;
}

/* Sends the message that holds `ticket` through a lane; 0 when none leads there or it is full. */
RK_FN int rkd_lane_put(const rk_block *b, const rk_abi_actor *to, rk_u64 ticket,
                       const rk_abi_msg *h, const void *data)
{
  if (to->block / RK_CLUSTER != b->index / RK_CLUSTER || to->block == b->index ||
      h->size_bytes > RK_LANE_BYTES) {
    return 0;
  }
  return rkd_lane_send(b->index % RK_CLUSTER, to->block % RK_CLUSTER, ticket, h, data);
}

/* Entries up to `position` have been moved: their sender may write there again. */
RK_FN void rkd_lane_give_back(rk_u64 *taken, rk_u64 position)
{
  rk_ptx_cluster_store_release(taken, position);
}

/* Moves what lies in the block's lanes into the inboxes it was sent to. Returns how many messages
 * that were. */
RK_SLOW_FN rk_u32 rkd_poll_lanes(rk_block *b)
{
  rk_u32 n = 0;
  if (rkd_lanes.broken != 0u) {
    return 0u;
  }
  for (rk_u32 rank = 0; rank < RK_CLUSTER; ++rank) {
    rk_u64 from = rkd_lanes.taken[rank];
    rk_u64 position = from;
    while (position - from < RK_LANE_SLOTS) {
      if (!rkd_lane_waits(rank, position)) {
        break;
      }
      const rk_lane_slot *entry = &rkd_lanes.slots[rank][position % RK_LANE_SLOTS];
      rk_u64 ticket = rkd_lane_ticket(entry);
      rk_abi_actor *a = b->actors + (entry->header.dest & RK_ID_SLOT_MASK);
      rkd_slot_publish(rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, ticket), ticket,
                       &entry->header, entry->payload);
      a->told = 1u;
      if (a->life == RK_STATE_ACTIVE || a->life == RK_STATE_TERMINATING) {
        rkd_run_push(b, a);
      }
      ++position;
    }
    if (position != from) {
      rkd_lane_give_back(&rkd_lanes.taken[rank], position);
      n += (rk_u32)(position - from);
    }
  }
  if (n != 0u) {
    b->laned += n;
    rk_st_relaxed_sys_u64(&b->door->laned, b->laned);
  }
  return n;
}

/* The end of the block, after its loop. Behind the barrier nobody sends any more, and nobody reaches
 * into this block's memory. What a block that comes back was sent meanwhile goes where it keeps. */
RK_SLOW_FN void rkd_lanes_close(rk_block *b)
{
  rk_u32 own = rk_ptx_block() % RK_CLUSTER;
  rkd_lanes_leave(own);
  rkd_lanes_meet();
  if (rkd_lanes.broken != 0u) {
    return;
  }
  rkd_lanes_land(own);
  if (b->parked != 0u) {
    while (rkd_poll_lanes(b) != 0u) {
    }
    rkd_block_keep(b);
  }
  rkd_lanes_gone();
}

#else

RK_FN void rkd_lanes_meet(void)
{
}
RK_FN void rkd_lanes_open(void)
{
}
RK_FN int rkd_lane_put(const rk_block *b, const rk_abi_actor *to, rk_u64 ticket,
                       const rk_abi_msg *h, const void *data)
{
  (void)b;
  (void)to;
  (void)ticket;
  (void)h;
  (void)data;
  return 0;
}
RK_FN rk_u32 rkd_poll_lanes(rk_block *b)
{
  (void)b;
  return 0u;
}
RK_FN void rkd_lanes_close(rk_block *b)
{
  (void)b;
}

#endif

#endif
