/* SPDX-License-Identifier: MIT */
/*
 * The device's block: one thread leads, the others lend their lanes; and the kernel that is
 * launched.
 *
 * Thread 0 of a block runs its loop (rkd_block_serve). The other threads wait at barrier 0, where
 * they cost nothing, until a handler of more than one lane is to be run; lane i of a handler is
 * thread i.
 *
 *   leader                                      followers
 *   ring loop ...                               wait at barrier 0
 *   writes the call into shared memory
 *   barrier 0  -------- the call is there ----- read it; threads beyond its lanes skip it
 *   runs lane 0                                 run their lanes
 *   barrier 0  -------- all lanes are done ---- wait for the next call
 *
 * barrier.sync orders the memory of the threads that meet at it. So the lanes see the message that
 * the leader acquired from a ring, and the leader's later release publishes what the lanes wrote.
 *
 * All barriers are of the form without .aligned: threads of one warp reach them from different
 * places, the leader from deep inside its loop. That needs threads that make progress on their own,
 * sm_70 and later. A handler's own barrier (rk_module_cuda.h) is the hardware's number 1 only where
 * its lanes are whole warps; else it is the warp's or rkd_team_sync. So no warp ever waits at two
 * of the hardware's barriers at once.
 *
 * Device only, one translation unit: the generated source (lua/ringkernel/codegen_device.lua)
 * includes this header, then defines the handlers and rk_call_handler.
 */
#ifndef RK_TEAM_DEV_H
#define RK_TEAM_DEV_H

#include "rk_grid_dev.h"

#include "rk_lane_test_dev.h"

/* Threads of a block: the lanes of the widest definition, in whole warps; from generated source. */
#ifndef RK_BLOCK_THREADS
#define RK_BLOCK_THREADS 32
#endif
RK_STATIC_ASSERT(RK_BLOCK_THREADS % 32 == 0 && RK_BLOCK_THREADS <= 1024,
                 "a block is made of whole warps, 32 at most");

/* Runs one lane of handler `handler` (an index, RK_HANDLER_START or RK_HANDLER_STOP) of definition
 * number `def`. Defined by the generated source. */
static __device__ void rk_call_handler(rk_ctx *ctx, rk_u32 def, rk_u32 handler, const void *msg,
                                       void *state);

/* The call that a block's lanes run now. The leader writes it before the first barrier of a call,
 * the followers read it between the two. */
typedef struct rk_team {
  rk_ctx *ctx;
  const void *msg;
  void *state;
  rk_u32 def;
  rk_u32 handler;
  rk_u32 lanes;   /* 0: leave */
  rk_u32 member;  /* number of this block among those that run the call, and how many they are; */
  rk_u32 members; /* set for calls of one lane too */
  rk_u32 arrived; /* of rkd_team_sync: warps that wait; 0 between two barriers */
  rk_u32 generation; /* of rkd_team_sync: barriers completed */
} rk_team;

RK_PTX_STATIC_SHARED rk_team rkd_team;

/* ---- a barrier for lanes that are no whole number of warps ---- */

#define RK_TEAM_WATCH 1024u            /* tries of a wait between two looks at the abort word */
#define RK_TEAM_PATIENCE_US 1000000ull /* for lanes on their way when the grid is told to end */

/* Whether a wait for other lanes is to be given up: the host has told the grid to end, and a while
 * has passed since this was first seen. What the handler does then is lost with its grid. */
RK_SLOW_FN int rkd_team_is_over(rk_u64 *since_us)
{
  const rk_abi_grid *grid = RK_PTR(const rk_abi_grid, rkd_team.ctx->block->grid);
  if (rk_ld_relaxed_sys_u32(&RK_PTR(const rk_abi_host, grid->host)->abort) == 0u) {
    return 0;
  }
  rk_u64 now = rkd_clock_us();
  *since_us = *since_us == 0u ? now : *since_us;
  return now - *since_us > RK_TEAM_PATIENCE_US;
}

/* Barrier among lanes 0..lanes-1, for numbers the hardware's named barriers do not take: those
 * count whole warps. The lanes of a warp (`warp_mask`) meet first, then one of them meets the
 * other warps.
 *
 * Sense reversing: the sense is the generation, which only the last to arrive changes. It resets
 * `arrived` before the release, so nobody of the next barrier can find the old count. What earlier
 * arrivals did before is carried to the last one by the chain of acq_rel additions, and from it to
 * all by the release of `generation`. */
RK_SLOW_FN void rkd_team_sync(rk_u32 lanes, rk_u32 warp_mask)
{
  rk_ptx_warp_meet(warp_mask);
  if (rk_ptx_thread() % 32u == 0u) {
    rk_u32 warps = (lanes + 31u) / 32u;
    rk_u32 generation = rk_ptx_shared_load_acquire(&rkd_team.generation);
    if (rk_ptx_shared_add_acqrel(&rkd_team.arrived, 1u) == warps - 1u) {
      rkd_team.arrived = 0u;
      rk_ptx_shared_store_release(&rkd_team.generation, generation + 1u);
    } else {
      rk_u64 since_us = 0u;
      for (rk_u32 tries = 1u; rk_ptx_shared_load_acquire(&rkd_team.generation) == generation;
           ++tries) {
        rkd_pause(20u);
        if (tries % RK_TEAM_WATCH == 0u && rkd_team_is_over(&since_us)) {
          break;
        }
      }
    }
  }
  rk_ptx_warp_meet(warp_mask);
}

/* ---- leader and followers ---- */

/* Runs a handler on lanes 0..lanes-1 and returns when all of them are done. Called by the leader,
 * with 1 < lanes <= RK_BLOCK_THREADS. */
RK_SLOW_FN void rkd_team_run(rk_u32 lanes, rk_ctx *ctx, rk_u32 def, rk_u32 handler, const void *msg,
                             void *state)
{
  rkd_team.ctx = ctx;
  rkd_team.msg = msg;
  rkd_team.state = state;
  rkd_team.def = def;
  rkd_team.handler = handler;
  rkd_team.lanes = lanes;
  rk_ptx_block_meet(); /* partner: rkd_team_follow */
  rk_call_handler(ctx, def, handler, msg, state);
  rk_ptx_block_meet();
}

/* Sends the followers home. */
RK_FN void rkd_team_dismiss(void)
{
  rkd_team.lanes = 0u;
  rk_ptx_block_meet();
}

/* What every thread but the leader does from launch to dismissal. */
RK_FN void rkd_team_follow(void)
{
  for (;;) {
    rk_ptx_block_meet(); /* partners: rkd_team_run, rkd_team_dismiss */
    rk_u32 lanes = rkd_team.lanes;
    if (lanes == 0u) {
      return;
    }
    if (rk_ptx_thread() < lanes) {
      rk_call_handler(rkd_team.ctx, rkd_team.def, rkd_team.handler, rkd_team.msg, rkd_team.state);
    }
    rk_ptx_block_meet();
  }
}

/* One lane needs no team. More lanes than the block has threads cannot be run at all: the launch
 * was wrong. */
static __device__ void rkd_dispatch(rk_ctx *ctx, const rk_abi_def *def, rk_u32 index,
                                    const void *msg, void *state)
{
  rk_u32 lanes = def->lanes;
  rkd_team.member = ctx->member;
  rkd_team.members = ctx->members;
  if (lanes == 1u) {
    rk_call_handler(ctx, def->index, index, msg, state);
  } else if (lanes == 0u || lanes > rk_ptx_threads()) {
    rkd_ctx_fail(ctx, RK_EINVAL);
  } else {
    rkd_team_run(lanes, ctx, def->index, index, msg, state);
  }
}

/* The resident grid: block i serves rk_abi_block i until it is told to stop. One-dimensional, at
 * most RK_BLOCK_THREADS threads a block. `grid`: address of the rk_abi_grid. The bound of one
 * block a multiprocessor lets the compiler take the registers it needs; without it it spills to
 * allow as many blocks as there fit. */
extern "C" __global__ void __launch_bounds__(RK_BLOCK_THREADS, 1) rk_grid(rk_u64 grid)
{
  const rk_abi_grid *shared = RK_PTR(const rk_abi_grid, grid);
  if (rk_ptx_block() >= shared->block_count) {
    return;
  }
  if (rk_ptx_thread() == 0u) {
    rkd_team.arrived = 0u; /* shared memory starts with whatever was there */
    rkd_team.generation = 0u;
    rkd_lanes_open();
  }
  rkd_lanes_meet();
  if (rk_ptx_thread() == 0u) {
    const rk_abi_block *place = RK_PTR(const rk_abi_block, shared->blocks) + rk_ptx_block();
    rkd_copy(&rkd_own_block, RK_PTR(const rk_block, place->scratch), (rk_u32)sizeof(rk_block));
    rkd_lanes_test(RK_PTR(rk_abi_door, place->door));
    rkd_block_serve(&rkd_own_block, grid, rk_ptx_block());
    rkd_team_dismiss();
    rkd_lanes_close(
        &rkd_own_block); /* the followers have left: the cluster's barrier counts them out */
  } else {
    rkd_team_follow();
  }
}

#endif
