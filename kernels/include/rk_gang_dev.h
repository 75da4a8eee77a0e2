/* SPDX-License-Identifier: MIT */
/*
 * Gangs: actors whose handlers run on several blocks at once.
 *
 * An actor with `blocks` = g belongs to one block, its leader: that block alone has its inbox, its
 * run queue, its sends. For the time of a turn the g - 1 blocks after the leader (the first block
 * comes after the last) lend their lanes. Every block can lead and can be called; gangs that share
 * no block run side by side.
 *
 *   leader (in an actor's turn)               a member (once a round, between turns)
 *   collects the blocks: `owner` of each
 *   writes the call into its rk_abi_gang
 *   `call` of each member = number, leader -> sees a new `call`
 *   runs its lanes                            runs its lanes
 *   done += 1                                 done += 1
 *   waits for done = members
 *   gives the blocks back when its turn ends
 *
 * Memory. The release of a member's `call` carries the message, the state and the record of the call
 * to it, the additions to `done` carry what its lanes wrote to the leader, and `owner` carries all
 * that from one leader to the next. The barrier among blocks counts `arrived`; the last to arrive
 * releases `generation`, which the others acquire; lanes meet inside their block before and after.
 * A member touches nothing of a call after its addition to `done`.
 *
 * Why nothing waits for ever:
 *   - Blocks are collected in the order of their numbers, and who waits for one keeps those before
 *     it. So of all who wait the one with the highest block waits for a gang that is running.
 *   - Nobody waits for a block inside a turn: the actor is stalled, keeps what it has, and goes on
 *     in a later turn. What it keeps serves its own actors and answers calls meanwhile. An actor
 *     that is stalled for another reason (room, a pause) or ends gives all of it back.
 *   - Who must wait (start and stop handlers, a block that parks) answers calls while it waits.
 *   - A block that parks takes itself: its `owner` says that it is away. Who comes upon that gives
 *     everything back and tries again later; start and stop handlers then run on the leader alone.
 *     So no block is called that has left. At the end blocks linger (rkd_block_linger) to help with
 *     each other's stop handlers.
 *   - A block that returns from a handler while others wait at the barrier would keep them there:
 *     `done` tells them. The barrier is then broken: for the rest of this call it holds nobody up,
 *     and the handling has failed.
 *   - All waits watch the host's abort word, and on a device whether the host is there at all. What
 *     is read of a call that was given up is still there, for memory stays until every block has
 *     left; `aborted` keeps its leader from writing the next one over it.
 *
 * Fairness: who does not get a block leaves its number in `wanted`, and others do not try while
 * somebody else's stands there, RK_GANG_PATIENCE times. It is a hint; who gives up takes it out.
 *
 * Used by rk_actor_dev.h (turns) and rk_grid_dev.h (the loop); handlers reach rkd_gang_meet through
 * rk_sync. rk_team_dev.h and the CPU's teams know nothing of gangs: to them a member's part is a
 * handler like any other.
 */
#ifndef RK_GANG_DEV_H
#define RK_GANG_DEV_H

#include "rk_k2k_dev.h"

#define RK_HANDLER_START 0xffffffffu
#define RK_HANDLER_STOP 0xfffffffeu
#define RK_HANDLER_MIGRATE 0xfffffffdu /* its message is the old state */

#define RK_GANG_WATCH 256u    /* tries of a wait between two looks at whether to give up */
#define RK_GANG_PATIENCE 256u /* times in a row that a block lets another one go first */
#define RK_GANG_NAP_NS 20000u

/* What an attempt to collect blocks came to. */
#define RK_GANG_NO 0u   /* not yet */
#define RK_GANG_YES 1u  /* it has all of them */
#define RK_GANG_GONE 2u /* one of them is away, for now or for good: it keeps none */

/* Runs one block's part of handler `index` of `def`, an index or one of RK_HANDLER_*: on the CPU in
 * rk_actor_dev.h, on the device in rk_team_dev.h. */
#if defined(__CUDACC__)
static __device__ void rkd_dispatch(rk_ctx *ctx, const rk_abi_def *def, rk_u32 index,
                                    const void *msg, void *state);
#else
RK_FN void rkd_dispatch(rk_ctx *ctx, const rk_abi_def *def, rk_u32 index, const void *msg,
                        void *state);
#endif

RK_FN rk_abi_gang *rkd_gang_of(const rk_block *b, rk_u32 block)
{
  return RK_PTR(rk_abi_gang, RK_PTR(const rk_abi_grid, b->grid)->gangs) + block;
}
RK_FN rk_u32 rkd_block_count(const rk_block *b)
{
  return RK_PTR(const rk_abi_grid, b->grid)->block_count;
}
RK_FN int rkd_is_gang(const rk_abi_actor *a)
{
  return a->blocks > 1u;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Between two looks at a word that another block will write. */
RK_FN void rkd_gang_pause(rk_block *b, rk_u32 tries)
{
  rkd_beat(b);
#if RK_CAN_SLEEP
  if (tries < 64u) {
    rkd_pause(20u);
  } else if (tries < 2048u && b->crowded == 0u) {
    rkd_yield(b);
  } else { /* handlers that take long, or other programs: leave the processor to them */
    rk_u32 never = 0u;
    rk_u64 nap_ns = tries < 2048u ? RK_GANG_NAP_NS : 50000u;
    b->crowded -= b->crowded != 0u;
    rk_port_sleep(&never, 0u, nap_ns);
  }
#else
  rkd_pause(tries < 64u ? 20u : tries < 2048u ? 100u : 1000u);
#endif
}

/* Whether the grid ends, asked now and then. */
RK_FN int rkd_gang_ends(rk_block *b, rk_u32 tries)
{
  if (tries % RK_GANG_WATCH != RK_GANG_WATCH - 1u) {
    return 0;
  }
#if !RK_CAN_SLEEP
  rkd_watch_host(b);
#endif
  const rk_abi_grid *grid = RK_PTR(const rk_abi_grid, b->grid);
  return b->stop == RK_STOP_LOST ||
         rk_ld_relaxed_sys_u32(&RK_PTR(const rk_abi_host, grid->host)->abort) != 0u;
}

/* ---- collecting blocks ----------------------------------------------------------------------- */

/* Number of the k-th block that this one needs to lead a gang of `members`, in ascending order. */
RK_FN rk_u32 rkd_gang_nth(const rk_block *b, rk_u32 members, rk_u32 k)
{
  rk_u32 count = rkd_block_count(b);
  rk_u32 wrapped = b->index + members > count ? b->index + members - count : 0u;
  return k < wrapped ? k : b->index + (k - wrapped);
}

/* This block's number out of `wanted`, where it may stand; it takes out only itself. */
RK_SLOW_FN void rkd_gang_unqueue(rk_block *b, rk_abi_gang *gang)
{
  rk_u64 me = (rk_u64)b->index + 1u;
  if (b->gang_queued != 0u) {
    b->gang_queued = 0u;
    (void)rk_cas_acqrel_gpu_u64(&gang->wanted, &me, 0u);
  }
}

/* Takes one block, with `mark` as its owner, if it is free and nobody else is to have it. Where
 * blocks sleep: either the second try finds it free, or its owner finds this block in `wanted` when
 * it gives it back (rkd_gang_free, whose fence is the partner). */
RK_SLOW_FN rk_u32 rkd_gang_take_one(rk_block *b, rk_abi_gang *gang, rk_u64 mark)
{
  rk_u64 me = (rk_u64)b->index + 1u;
  rk_u64 wanted = rk_ld_relaxed_gpu_u64(&gang->wanted);
  rk_u64 found = 0u;
  if (wanted != 0u && wanted != me && b->gang_passed < RK_GANG_PATIENCE) {
    b->gang_passed += 1u;
    return rk_ld_relaxed_gpu_u64(&gang->owner) == RK_GANG_AWAY ? RK_GANG_GONE : RK_GANG_NO;
  }
  if (!rk_cas_acqrel_gpu_u64(&gang->owner, &found, mark)) {
    rk_u64 nobody = 0u;
    if (found == RK_GANG_AWAY) {
      return RK_GANG_GONE;
    }
    if (wanted != 0u || !rk_cas_acqrel_gpu_u64(&gang->wanted, &nobody, me)) {
      return RK_GANG_NO;
    }
    b->gang_queued = 1u;
#if RK_CAN_SLEEP
    rk_fence_seq_cst();
#endif
    found = 0u;
    if (!rk_cas_acqrel_gpu_u64(&gang->owner, &found, mark)) {
      return found == RK_GANG_AWAY ? RK_GANG_GONE : RK_GANG_NO;
    }
  }
  rkd_gang_unqueue(b, gang);
  b->gang_passed = 0u;
  return RK_GANG_YES;
}

/* Partner of the release: the exchange in rkd_gang_take_one. */
RK_FN void rkd_gang_free(rk_block *b, rk_abi_gang *gang)
{
  rk_st_release_gpu_u64(&gang->owner, 0u);
#if RK_CAN_SLEEP
  rk_fence_seq_cst();
  rk_u64 wanted = rk_ld_relaxed_gpu_u64(&gang->wanted);
  if (wanted != 0u && wanted != (rk_u64)b->index + 1u) {
    rkd_ring_bell(b->grid, (rk_u32)wanted - 1u);
  }
#else
  (void)b;
#endif
}

/* Gives back what this block has collected. */
RK_SLOW_FN void rkd_gang_drop(rk_block *b)
{
  rk_u32 members = b->gang_members;
  if (members == 0u) {
    return;
  }
  if (b->gang_got < members) {
    rkd_gang_unqueue(b, rkd_gang_of(b, rkd_gang_nth(b, members, b->gang_got)));
  }
  for (rk_u32 k = b->gang_got; k > 0u; --k) {
    rkd_gang_free(b, rkd_gang_of(b, rkd_gang_nth(b, members, k - 1u)));
  }
  b->gang_members = 0u;
  b->gang_got = 0u;
}

/* The same, if it was for that actor. */
RK_FN void rkd_gang_drop_for(rk_block *b, const rk_abi_actor *a)
{
  if (b->gang_members != 0u && b->gang_slot == rkd_actor_slot(b, a)) {
    rkd_gang_drop(b);
  }
}

/* Whether this block has all the blocks of the actor, which is so in its turns only. */
RK_FN int rkd_gang_is_held(const rk_block *b, const rk_abi_actor *a)
{
  return b->gang_members != 0u && b->gang_got == b->gang_members &&
         b->gang_slot == rkd_actor_slot(b, a);
}

/* Goes on collecting the actor's blocks; one actor of a block at a time. */
RK_SLOW_FN rk_u32 rkd_gang_take(rk_block *b, const rk_abi_actor *a)
{
  rk_u32 slot = rkd_actor_slot(b, a);
  if (rk_ld_relaxed_gpu_u32(&b->gang->aborted) != 0u) {
    return RK_GANG_GONE;
  }
  if (b->gang_members == 0u) {
    b->gang_slot = slot;
    b->gang_members = a->blocks;
  } else if (b->gang_slot != slot) {
    return RK_GANG_NO;
  }
  while (b->gang_got < b->gang_members) {
    rk_abi_gang *next = rkd_gang_of(b, rkd_gang_nth(b, b->gang_members, b->gang_got));
    rk_u32 took = rkd_gang_take_one(b, next, (rk_u64)b->index + 1u);
    if (took == RK_GANG_GONE) {
      rkd_gang_drop(b);
    }
    if (took != RK_GANG_YES) {
      return took;
    }
    b->gang_got += 1u;
  }
  return RK_GANG_YES;
}

/* ---- members --------------------------------------------------------------------------------- */

/* The look that costs every block a load a round; partner: rkd_gang_call_one, by way of the acquire
 * in rkd_gang_answer. */
RK_FN int rkd_gang_is_called(const rk_block *b)
{
  return rk_ld_relaxed_gpu_u64(&b->gang->call) != b->gang_call;
}

RK_SLOW_FN void rkd_gang_answer(rk_block *b)
{
  rk_u64 call = rk_ld_acquire_gpu_u64(&b->gang->call);
  b->gang_call = call;
  if (RK_GANG_LEADER(call) == RK_GANG_NOBODY) {
    return; /* taken back */
  }
  rk_u32 count = rkd_block_count(b);
  rk_abi_gang *gang = rkd_gang_of(b, RK_GANG_LEADER(call));
  const rk_abi_def *def = RK_PTR(const rk_abi_def, gang->def);
  rk_ctx *lead = (rk_ctx *)(rk_uptr)gang->ctx;
  rk_ctx *ctx = &b->lent; /* not a copy as a whole: other lanes may store `failed` already */
  ctx->member = (b->index + count - RK_GANG_LEADER(call)) % count;
  ctx->members = gang->members;
  ctx->lead = lead;
  ctx->gang = gang;
  ctx->block = b;
  ctx->actor = lead->actor;
  ctx->def = def;
  ctx->msg = lead->msg;
  ctx->serial = lead->serial;
  ctx->stamp = lead->stamp;
  ctx->slot = lead->slot;
  rk_st_relaxed_gpu_u32(&b->shared->busy, ctx->actor->id); /* for the host's watchdog */
  rkd_dispatch(ctx, def, gang->handler, (const void *)(rk_uptr)gang->msg,
               (void *)(rk_uptr)gang->state);
  rk_st_relaxed_gpu_u32(&b->shared->busy, 0u);
  (void)rk_add_acqrel_gpu_u64(&gang->done, 1u);
}

/* Lends this block's lanes if they are called for. Returns 1 when they were. */
RK_FN rk_u32 rkd_gang_serve(rk_block *b)
{
  if (!rkd_gang_is_called(b)) {
    return 0u;
  }
  rkd_gang_answer(b);
  return 1u;
}

/* Waits until it has all blocks of the actor and answers calls meanwhile. Returns 0 when it will not
 * have them: one is away, or the grid ends. */
RK_SLOW_FN int rkd_gang_wait(rk_block *b, const rk_abi_actor *a)
{
  if (b->gang_slot != rkd_actor_slot(b, a)) {
    rkd_gang_drop(b); /* another actor's, which waits in a later turn */
  }
  rkd_flush(b); /* whoever was sent something must not wait for it as long as this block waits */
  for (rk_u32 tries = 0u;; ++tries) {
    rk_u32 took = rkd_gang_take(b, a);
    if (took != RK_GANG_NO) {
      return took == RK_GANG_YES;
    }
    if (rkd_gang_ends(b, tries)) {
      rkd_gang_drop(b);
      return 0;
    }
    if (rkd_gang_serve(b) == 0u) {
      rkd_gang_pause(b, tries);
    }
  }
}

/* This block can be called, again. A call made before its first round is answered in that. */
RK_FN void rkd_gang_enter(rk_block *b)
{
  rk_st_relaxed_gpu_u32(&b->gang->aborted, 0u);
  if (rk_ld_relaxed_gpu_u64(&b->gang->owner) == RK_GANG_AWAY) {
    rkd_gang_free(b, b->gang);
  }
}

/* From now on it cannot: it takes its own lanes and keeps them. */
RK_SLOW_FN void rkd_gang_leave(rk_block *b)
{
  rkd_gang_drop(b);
  for (rk_u32 tries = 0u; rkd_gang_take_one(b, b->gang, RK_GANG_AWAY) != RK_GANG_YES; ++tries) {
    if (rkd_gang_ends(b, tries)) {
      rkd_gang_unqueue(b, b->gang);
      return;
    }
    if (rkd_gang_serve(b) == 0u) {
      rkd_gang_pause(b, tries);
    }
  }
}

/* ---- the leader ------------------------------------------------------------------------------ */

/* Tells a member that its lanes are needed; partner: rkd_gang_answer. */
RK_FN void rkd_gang_call_one(rk_abi_gang *gang, rk_u32 leader)
{
  rk_u32 number = RK_GANG_NUMBER(rk_ld_relaxed_gpu_u64(&gang->call)) + 1u;
  rk_st_release_gpu_u64(&gang->call, RK_GANG_CALL(number, leader));
}

/* Calls the members and wakes those that sleep. Partner of the fence: rkd_idle. */
RK_FN void rkd_gang_call(rk_block *b, rk_u32 members)
{
  rk_u32 count = rkd_block_count(b);
  for (rk_u32 k = 1u; k < members; ++k) {
    rkd_gang_call_one(rkd_gang_of(b, (b->index + k) % count), b->index);
  }
#if RK_CAN_SLEEP
  rk_fence_seq_cst();
  for (rk_u32 k = 1u; k < members; ++k) {
    rkd_wake_block(b->grid, (b->index + k) % count);
  }
#endif
}

/* The grid ends, or is called off, and members may have left without an answer. Whoever comes back
 * in another generation must not find the call. */
RK_SLOW_FN void rkd_gang_take_back(rk_block *b, rk_u32 members)
{
  rk_st_relaxed_gpu_u32(&b->gang->aborted, 1u);
  for (rk_u32 k = 1u; k < members; ++k) {
    rkd_gang_call_one(rkd_gang_of(b, (b->index + k) % rkd_block_count(b)), RK_GANG_NOBODY);
  }
  rkd_ctx_fail(&b->ctx, RK_EINVAL);
}

/* Runs a handler of the actor, whose context has begun, on all its blocks, which this one has
 * collected. Returns when all are done. */
RK_SLOW_FN void rkd_gang_run(rk_block *b, const rk_abi_actor *a, rk_u32 handler, const void *msg)
{
  rk_abi_gang *gang = b->gang;
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  void *state = RK_PTR(void, a->state);
  rk_u32 members = b->gang_members;
  rk_ctx *kept = rkd_kept_ctx(b); /* for the members, and where the leader's lanes fail too */
  b->ctx.members = members;
  if (kept != &b->ctx) {
    b->ctx.lead = kept;
    *kept = b->ctx;
  }
  gang->ctx = (rk_u64)(rk_uptr)kept;
  gang->def = a->def;
  gang->msg = (rk_u64)(rk_uptr)msg;
  gang->state = (rk_u64)(rk_uptr)state;
  gang->handler = handler;
  gang->members = members;
  gang->done = 0u;
  gang->arrived = 0u;
  gang->broken = 0u;
  b->emptied = 1u;
  rkd_gang_call(b, members);
  rkd_dispatch(&b->ctx, def, handler, msg, state);
  (void)rk_add_acqrel_gpu_u64(&gang->done, 1u);
  for (rk_u32 tries = 0u; rk_ld_acquire_gpu_u64(&gang->done) != members; ++tries) {
    if (rkd_gang_ends(b, tries)) {
      rkd_gang_take_back(b, members);
      break;
    }
    rkd_gang_pause(b, tries);
  }
  if (kept != &b->ctx) {
    b->ctx.failed = rk_ld_relaxed_gpu_u32(&kept->failed);
    b->ctx.stopping = rk_ld_relaxed_gpu_u32(&kept->stopping);
    b->ctx.lead = &b->ctx;
  }
  b->ctx.members = 1u;
}

/* ---- the barrier ----------------------------------------------------------------------------- */

/* Whether the barrier of `generation` cannot be completed any more: a block has returned from the
 * handler without having come here, or the grid ends. A block that came through this barrier first
 * did so after `generation` had moved, which is why it is read again behind `done`. */
RK_FN int rkd_gang_is_broken(rk_ctx *ctx, rk_abi_gang *gang, rk_u64 generation, rk_u32 tries)
{
  if (rk_ld_relaxed_gpu_u32(&gang->broken) != 0u) {
    return 1;
  }
  int lonely = tries % 16u == 15u && rk_ld_acquire_gpu_u64(&gang->done) != 0u &&
               rk_ld_acquire_gpu_u64(&gang->generation) == generation;
  if (!lonely && !rkd_gang_ends(rkd_block_of(ctx), tries)) {
    return 0;
  }
  rk_st_relaxed_gpu_u32(&gang->broken, 1u);
  rkd_ctx_fail(ctx, RK_EINVAL);
  return 1;
}

/* Counts this block in. Returns 1 to the last one, which lets the others go (rkd_gang_is_past). */
RK_FN int rkd_gang_arrive(rk_abi_gang *gang, rk_u32 members, rk_u64 generation)
{
  if (rk_add_acqrel_gpu_u64(&gang->arrived, 1u) + 1u != members) {
    return 0;
  }
  rk_st_release_gpu_u64(&gang->arrived, 0u); /* before the release that lets the others on */
  rk_st_release_gpu_u64(&gang->generation, generation + 1u);
  return 1;
}

/* Whether all have come; partner: rkd_gang_arrive. */
RK_FN int rkd_gang_is_past(const rk_abi_gang *gang, rk_u64 generation)
{
  return rk_ld_acquire_gpu_u64(&gang->generation) != generation;
}

/* Barrier among the blocks of an actor, called by one lane of each. Sense reversing: the sense is
 * the generation, which only the last to arrive changes, after it has reset the count. */
RK_SLOW_FN void rkd_gang_meet(rk_ctx *ctx)
{
  rk_abi_gang *gang = ctx->gang;
  rk_u64 generation = rk_ld_acquire_gpu_u64(&gang->generation);
  if (rk_ld_relaxed_gpu_u32(&gang->broken) != 0u) {
    return;
  }
  if (rkd_gang_arrive(gang, ctx->members, generation)) {
    return;
  }
  for (rk_u32 tries = 0u; !rkd_gang_is_past(gang, generation); ++tries) {
    if (rkd_gang_is_broken(ctx, gang, generation, tries)) {
      return;
    }
    rkd_gang_pause(rkd_block_of(ctx), tries);
  }
}

#endif
