/* SPDX-License-Identifier: MIT */
/*
 * Near messages: between actors of one block.
 *
 * A block's leader runs all its actors in turn, so it is sender and receiver of such a message.
 * Program order is all that it needs: no ticket, no release, no acquire, no signal, and no credit
 * that another block could see. An actor has a ring for them, its fourth, behind the one for messages
 * from other blocks; the leader fills and empties it with plain stores and plain positions. Lanes and
 * other blocks of a gang read payloads behind a barrier or a call (rk_team_dev.h, rk_gang_dev.h), as
 * they do those of messages from the host.
 *
 * Order is that in which an actor's block and others put messages in, over both rings: not only no sender
 * overtakes itself, but nothing overtakes what caused it, whichever way each went. A near message
 * says in its slot (`seq`) how many tickets of the other ring were taken when it came. It is handled
 * when all of those have been, and before the next. What was sent by another block before, and led to
 * this message, has one of those tickets (the ticket happened before, so the load of `tail` sees it);
 * what another block sends because of this message gets a later one.
 *
 * The ring is short (near_mask), so that it stays in a near cache and costs a device little memory.
 * When it is full, messages go around, with a ticket, through the other ring; by the rule above they
 * keep their order. A restore puts all that waited from actors there.
 *
 * Credits. `queue` limits what waits from actors of any block, so there is one room for both rings. But
 * the block has a part of it in hand anyway: credits of messages that it has handled and not yet
 * given back (kernel_taken, rk_room_dev.h). A near sender takes from those, without anybody seeing it.
 * Where room is short (`tight`) it does not: what is in hand is given back first, and near senders
 * wait for it like everybody else, or those on other blocks might wait for ever beside a block that
 * circulates its own. How short room is, is looked at when credits are given back, some microseconds
 * after they came into hand, so `tight` is at most as old.
 *
 * `told`: an actor whose turn came because of a near message need not look at its other ring, which
 * is a line (on a device, a wait) for nothing. It is set when its block heard of a message there (an
 * entry of the ready ring, a lane, a look at a hot actor), and cleared by a look that found none.
 * Whoever publishes after that look signals after it, too, and makes a new entry: rkd_signal.
 */
#ifndef RK_NEAR_DEV_H
#define RK_NEAR_DEV_H

#include "rk_room_dev.h"

RK_FN int rkd_is_near(const rk_block *b, const rk_abi_actor *to)
{
  return to->block == b->index;
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* The slot for the next message, for which the caller holds a credit; 0 when the actor is ending or
 * the message has to go around. */
RK_FN rk_abi_msg *rkd_near_next(const rk_abi_actor *to)
{
  return rkd_near_depth(to) <= to->near_mask && to->life != RK_STATE_TERMINATING
             ? rkd_near_slot(to, to->near_tail)
             : (rk_abi_msg *)0;
}
/* What was written into that slot is its next message. */
RK_FN void rkd_near_commit(rk_block *b, rk_abi_actor *to, rk_abi_msg *slot)
{
  slot->seq = rk_ld_relaxed_gpu_u64(&to->tail);
  to->near_tail += 1u;
  rkd_run_push(b, to);
}

/* A near message went the way of those from other blocks. */
RK_FN void rkd_near_went_around(rk_block *b, rk_abi_actor *to)
{
  to->told = 1u;
  rkd_run_push(b, to);
}

/* Lets one go so. Returns 0 when the actor is ending. */
RK_SLOW_FN int rkd_near_around(rk_block *b, rk_abi_actor *to, const rk_abi_msg *h, const void *data)
{
  rk_u64 ticket;
  if (!rkd_inbox_ticket(to, &ticket)) {
    return 0;
  }
  rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket), ticket, h,
                   data);
  rkd_near_went_around(b, to);
  return 1;
}

/* Sends a message that lies elsewhere, one way or the other. Returns 0 when the actor is ending. */
RK_FN int rkd_near_put(rk_block *b, rk_abi_actor *to, const rk_abi_msg *h, const void *data)
{
  rk_abi_msg *slot = rkd_near_next(to);
  if (slot == 0) {
    return rkd_near_around(b, to, h, data);
  }
  rkd_slot_write(slot, h, data);
  rkd_near_commit(b, to, slot);
  return 1;
}

/* ---- credits --------------------------------------------------------------------------------- */

/* From the room that all blocks see; with what this one has in hand, unless room is short. */
RK_SLOW_FN rk_u32 rkd_near_take_shared(rk_block *b, rk_abi_actor *to, rk_u32 least, rk_u32 most)
{
  if (to->tight == 0u) {
    rkd_room_settle(b, to);
  }
  return rkd_room_take(to, least, most);
}

/* Takes up to `most` credits of an actor of this block, at least `least`; 0 when there are not that
 * many. From those in hand all or none, or lots would become smaller and smaller. */
RK_FN rk_u32 rkd_near_take(rk_block *b, rk_abi_actor *to, rk_u32 least, rk_u32 most)
{
  if (to->kernel_taken >= most && to->tight == 0u) {
    to->kernel_taken -= most;
    return most;
  }
  return rkd_near_take_shared(b, to, least, most);
}

/* Credits of it that were not used. */
RK_SLOW_FN void rkd_near_give(rk_block *b, rk_abi_actor *to, rk_u32 credits)
{
  to->kernel_taken += credits;
  if (rkd_room_is_due(to)) {
    rkd_room_settle(b, to);
  } else {
    rkd_room_later(b, to, rkd_actor_slot(b, to));
  }
}

/* The same of an actor of any block. */
RK_FN rk_u32 rkd_credits_take(rk_block *b, rk_abi_actor *to, rk_u32 least, rk_u32 most)
{
  return rkd_is_near(b, to) ? rkd_near_take(b, to, least, most) : rkd_room_take(to, least, most);
}
RK_FN void rkd_credits_give(rk_block *b, rk_abi_actor *to, rk_u32 credits)
{
  if (rkd_is_near(b, to)) {
    rkd_near_give(b, to, credits);
  } else {
    rkd_room_give(b, to, credits);
  }
}

#endif
