/* SPDX-License-Identifier: MIT */
/*
 * Hot actors: those to which other blocks send again and again, whose inbox their block looks at in
 * every round instead of waiting for an entry in its ready ring.
 *
 * An actor's `signal` is 1 as long as its block will look at it without being told: because an entry
 * of the ready ring names it, or because it is hot. A block that makes an actor hot takes the entry
 * and leaves `signal` at 1; so senders, who find 1, make no entry and wake nobody, and the
 * receiver waits for one line (the slot) instead of three. What they publish is seen because
 * the block keeps looking at the slot that comes next.
 *
 * An actor cools when nothing has come for a while, when its block is about to sleep or to leave its
 * loop, and when it ends. Then `signal` goes to 0 by an exchange, the partner of the one in
 * rkd_signal, and the actor is looked at once more: a sender whose exchange came before has published
 * before, and this look finds it; one that comes later makes an entry.
 */
#ifndef RK_HOT_DEV_H
#define RK_HOT_DEV_H

#include "rk_block_dev.h"

#define RK_HOT_ROUNDS 256u /* rounds without a message after which an actor cools */

/* The block stops looking at hot actor number `i` by itself. */
RK_SLOW_FN void rkd_hot_cool(rk_block *b, rk_u32 i)
{
  rk_abi_actor *a = b->actors + b->hot[i];
  b->hot_count -= 1u;
  b->hot[i] = b->hot[b->hot_count];
  b->hot_round[i] = b->hot_round[b->hot_count];
  (void)rk_exch_acqrel_gpu_u32(&a->signal, 0u); /* partner: rkd_signal */
  if (a->life != RK_STATE_TERMINATED) {
    a->told = 1u;
    rkd_run_push(b, a); /* in a life without turns this costs an empty one */
  }
}

/* All of them: before the block sleeps or leaves its loop. */
RK_SLOW_FN void rkd_hot_cool_all(rk_block *b)
{
  while (b->hot_count != 0u) {
    rkd_hot_cool(b, b->hot_count - 1u);
  }
}

/* The actor has ended. */
RK_SLOW_FN void rkd_hot_forget(rk_block *b, const rk_abi_actor *a)
{
  for (rk_u32 i = 0; i < b->hot_count; ++i) {
    if (b->hot[i] == rkd_actor_slot(b, a)) {
      rkd_hot_cool(b, i);
      return;
    }
  }
}

/* An entry that names the actor in `slot` was taken. Returns 1 if the actor is hot now; its `signal`
 * then stays as it is. It becomes so if it was named a few entries ago, too, and if there is a place. */
RK_FN int rkd_hot_enter(rk_block *b, rk_u32 slot)
{
  rk_u32 i = 0;
  while (i < RK_HOT_MAX && b->lately[i] != slot + 1u) {
    ++i;
  }
  if (i == RK_HOT_MAX) {
    b->lately[b->lately_next++ % RK_HOT_MAX] = slot + 1u;
    return 0;
  }
  if (b->hot_count == RK_HOT_MAX) {
    return 0;
  }
  b->hot[b->hot_count] = slot;
  b->hot_round[b->hot_count] = b->rounds;
  b->hot_count += 1u;
  return 1;
}

/* Looks at the hot actors. Returns how many have something new. */
RK_FN rk_u32 rkd_poll_hot(rk_block *b)
{
  rk_u32 n = 0;
  for (rk_u32 i = b->hot_count; i-- > 0u;) {
    rk_abi_actor *a = b->actors + b->hot[i];
    if (a->queued != 0u) {
      b->hot_round[i] = b->rounds; /* its turn is to come */
      continue;
    }
    const rk_abi_msg *next = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes,
                                      a->kernel_head);
    /* only a hint: rkd_next_message acquires */
    if (rk_ld_relaxed_gpu_u64(&next->seq) != a->kernel_head + 1u) {
      if (b->rounds - b->hot_round[i] > RK_HOT_ROUNDS) {
        rkd_hot_cool(b, i);
      }
    } else if (a->life == RK_STATE_ACTIVE || a->life == RK_STATE_TERMINATING) {
      b->hot_round[i] = b->rounds;
      rkd_fetch_to_read(next + 1); /* its payload */
      a->told = 1u;
      rkd_run_push(b, a);
      ++n;
    } else {
      rkd_hot_cool(b, i);
    }
  }
  return n;
}

#endif
