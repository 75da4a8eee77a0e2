/* SPDX-License-Identifier: MIT */
/*
 * Room in an inbox: credits that senders take, and that come back as the actor handles messages.
 *
 * Senders change the line that has `tail`, `room` and `signal`, so the actor's block keeps away from it
 * where it can: it collects the credits of handled messages (kernel_taken) and gives them back at an
 * eighth of the queue, or some microseconds later, or before it sleeps. A sender that finds no room
 * thus waits a little longer than it must, for at most an eighth of the queue; one that finds some has
 * the line to itself.
 */
#ifndef RK_ROOM_DEV_H
#define RK_ROOM_DEV_H

#include "rk_block_dev.h"

#define RK_OWING_US 10u /* how long credits are kept at most while the block has rounds */

/* Asks for the lines that sending to another block's actor will change, all at once. `ticket`: what
 * it will probably get. */
RK_FN void rkd_fetch_inbox(const rk_block *b, const rk_abi_actor *to, rk_u64 ticket)
{
  if (to->block != b->index) {
    rk_abi_msg *slot = rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket);
    rkd_fetch_to_write(&to->tail);
    rkd_fetch_to_write(slot);
    rkd_fetch_to_write(rkd_slot_payload(slot));
  }
}

/* Gives credits back to an actor's room and wakes the blocks that wait for some. Sleeping blocks:
 * the four seq_cst operations here and in rkd_room_wanted make sure that one of the two sides sees
 * the other. */
RK_FN void rkd_room_give(rk_block *b, rk_abi_actor *to, rk_u32 credits)
{
  if (credits == 0u) {
    return;
  }
#if RK_CAN_SLEEP
  (void)rk_add_seq_cst_u64((rk_u64 *)&to->room, credits);
  if (rk_ld_seq_cst_u64(&to->waiters) != 0u) {
    rk_u64 waiters = rk_exch_seq_cst_u64(&to->waiters, 0u);
    for (rk_u32 i = 0; i < RK_PTR(rk_abi_grid, b->grid)->block_count; ++i) {
      if ((waiters >> (i & 63u) & 1u) != 0u && i != b->index) {
        rkd_ring_bell(b->grid, i);
      }
    }
  }
#else
  rk_red_release_gpu_u64((rk_u64 *)&to->room, credits); /* partner: rkd_room_take */
  (void)b;
#endif
}

/* Says that this block waits for room; returns 1 when some came back meanwhile, so that it tries
 * again. */
RK_FN int rkd_room_wanted(rk_block *b, rk_abi_actor *to, rk_u32 least)
{
#if RK_CAN_SLEEP
  rk_u64 bit = 1ull << (b->index & 63u);
  if ((rk_ld_relaxed_gpu_u64(&to->waiters) & bit) == 0u) {
    (void)rk_or_seq_cst_u64(&to->waiters, bit);
  }
  return (rk_i64)rk_ld_seq_cst_u64((const rk_u64 *)&to->room) >= (rk_i64)least;
#else
  (void)b;
  (void)to;
  (void)least;
  return 0;
#endif
}

/* What the actor's block collected. Where actors of the block send to it, too, how much room there
 * is then is kept for them: rk_near_dev.h. */
RK_FN void rkd_room_settle(rk_block *b, rk_abi_actor *a)
{
  rk_u32 credits = a->kernel_taken;
  a->kernel_taken = 0u;
  rkd_room_give(b, a, credits);
  if (a->near_tail != 0u) {
    rk_i64 room = (rk_i64)rk_ld_relaxed_gpu_u64((const rk_u64 *)&a->room);
    a->tight = room * 8 <= (rk_i64)a->limit_msgs ? 1u : 0u;
  }
}

/* Whether that is so much that it is given back at once: an eighth of the queue; more where room is
 * plenty and near senders can use it. */
RK_FN int rkd_room_is_due(const rk_abi_actor *a)
{
  return a->kernel_taken * 8u >= a->limit_msgs &&
         (a->near_tail == 0u || a->tight != 0u || a->kernel_taken * 4u >= a->limit_msgs * 3u);
}

/* That of all its actors: when the time has come, before the block sleeps or leaves its loop, and
 * before the slot of one of them may become another block's. */
RK_SLOW_FN void rkd_rooms_settle(rk_block *b)
{
  for (rk_u32 i = 0; i < b->owing_count; ++i) {
    rk_abi_actor *a = b->actors + b->owing[i];
    a->owes = 0u;
    rkd_room_settle(b, a);
  }
  b->owing_count = 0u;
}

/* At the end of a turn: soon, or now if many others are to come first. */
RK_FN void rkd_room_later(rk_block *b, rk_abi_actor *a, rk_u32 slot)
{
  if (a->owes != 0u) {
    return;
  }
  if (b->owing_count == RK_OWING_MAX) {
    rkd_room_settle(b, a);
    return;
  }
  if (b->owing_count == 0u) {
    b->owing_us = b->now_us;
  }
  a->owes = 1u;
  b->owing[b->owing_count] = slot;
  b->owing_count += 1u;
}

/* In every round. The clock may have been set back meanwhile: then the difference is large. */
RK_FN void rkd_rooms_look(rk_block *b)
{
  if (b->owing_count != 0u && b->now_us - b->owing_us >= RK_OWING_US) {
    rkd_rooms_settle(b);
  }
}

#endif
