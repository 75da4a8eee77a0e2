/* SPDX-License-Identifier: MIT */
/*
 * The device side of a handler module: what rk_module_cpu.h gives a handler's source on the CPU.
 *
 * All definitions of a grid stand in one translation unit, each in a namespace of its own, and
 * this header is included once inside each, after RK_LANES was defined for it:
 *
 *   #include "rk_team_dev.h"
 *   namespace rk_def_0 {
 *   #undef RK_LANES
 *   #define RK_LANES 32
 *   #include "rk_module_cuda.h"
 *   ...messages, handlers...
 *   }
 *
 * So the functions that depend on the number of lanes exist once a definition, with the number as
 * a constant: for one lane they fold away. rk_helpers.h is included from here, for the same
 * reason.
 *
 * Lane i is thread i of the block (rk_team_dev.h). RK_LANES must be a plain number.
 */
#ifndef RK_MODULE_CUDA_H /* the macros need defining once */
#define RK_MODULE_CUDA_H

#include "rk_team_dev.h"

/* Shared by the lanes of the handler that is running. Its value at the start of a handling is not
 * defined. What all definitions of a grid declare adds up, within 46 KiB. */
#define RK_SHARED RK_PTX_SHARED

/* Messages leave from lane 0 of block 0. The test here, which folds away for one-lane definitions,
 * is for the other lanes; what it calls knows the block. */
#define rk_reply(ctx, type, m) \
  (rk_block_lane() != 0u ? 0 : rkd_ctx_reply((ctx), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
#define rk_send(ctx, port, type, m) \
  (rk_block_lane() != 0u            \
       ? 0                          \
       : rkd_ctx_send_port((ctx), (rk_u32)(port), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
#define rk_send_to(ctx, id, type, m) \
  (rk_block_lane() != 0u             \
       ? 0                           \
       : rkd_ctx_send_to((ctx), (id), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
#define rk_publish(ctx, topic, type, m) \
  (rk_block_lane() != 0u                \
       ? 0                              \
       : rkd_ctx_publish((ctx), (topic), RK_TYPE_##type, (m), (rk_u32)sizeof(type)))
/* A fresh stamp on lane 0, the stamp of this handling on the others. */
#define rk_now(ctx) rkd_ctx_now((ctx), rk_block_lane())
#define rk_self(ctx) rkd_ctx_self(ctx)
#define rk_sender(ctx) rkd_ctx_sender(ctx)
#define rk_sent_at(ctx) rkd_ctx_sent_at(ctx)
#define rk_fail(ctx, code) rkd_ctx_fail((ctx), (code))
#define rk_stop(ctx) rkd_ctx_stop(ctx)

/* An address that a message or buffer carries, as a pointer to its elements. */
#define RK_ADDRESS(type, address) RK_PTR(type, address)
#define rk_buffer_at(type, buffer) RK_ADDRESS(type, (buffer).address)

#define rk_block_sync() rk_lane_sync()

#define RK_WARP_DEFINED 1 /* tells rk_helpers.h that the warp's primitives come from here */

#endif

/* ---- once a definition ---- */

#if RK_LANES < 1 || RK_LANES > RK_BLOCK_THREADS
#error "RK_LANES must be from 1 to the threads of a block"
#endif

/* Inside the block. */
#if RK_LANES == 1
RK_FN rk_u32 rk_block_lane(void)
{
  return 0u;
}
#else
RK_FN rk_u32 rk_block_lane(void)
{
  return rk_ptx_thread();
}
#endif
RK_FN rk_u32 rk_block_lanes(void)
{
  return RK_LANES;
}

/* This block's number among those of the actor, and how many they are. */
RK_FN rk_u32 rk_block(void)
{
  return rkd_team.member;
}
RK_FN rk_u32 rk_blocks(void)
{
  return rkd_team.members;
}

/* Among all lanes of the actor. */
RK_FN rk_u32 rk_lane(void)
{
  return rk_block() * (rk_u32)RK_LANES + rk_block_lane();
}
RK_FN rk_u32 rk_lanes(void)
{
  return rk_blocks() * (rk_u32)RK_LANES;
}

/* The lanes of the caller's warp; the last warp may have fewer than 32. */
RK_FN rk_u32 rkd_warp_mask(void)
{
#if RK_LANES % 32 == 0
  return 0xffffffffu;
#elif RK_LANES < 32
  return 0xffffffffu >> (32 - RK_LANES);
#else
  return rk_ptx_thread() < RK_LANES / 32 * 32 ? 0xffffffffu : 0xffffffffu >> (32 - RK_LANES % 32);
#endif
}

#if RK_LANES == 1
RK_FN void rk_warp_sync(void)
{
}
RK_FN rk_u64 rk_shuffle_u64(rk_u64 v, rk_u32 source)
{
  (void)source;
  return v;
}
RK_FN rk_u32 rk_ballot(int predicate)
{
  return predicate != 0 ? 1u : 0u;
}
#else
RK_FN void rk_warp_sync(void)
{
  rk_ptx_warp_meet(rkd_warp_mask());
}
/* The caller's own value where the warp has no lane of that number. */
RK_FN rk_u64 rk_shuffle_u64(rk_u64 v, rk_u32 source)
{
  rk_u32 mask = rkd_warp_mask();
  source %= 32u;
  source = (mask >> source & 1u) != 0u ? source : rk_ptx_thread() % 32u;
  return rk_ptx_warp_shuffle(mask, v, source);
}
RK_FN rk_u32 rk_ballot(int predicate)
{
  return rk_ptx_warp_ballot(rkd_warp_mask(), predicate);
}
#endif

/* Barrier of all lanes of the block, which also orders their memory. */
#if RK_LANES == 1
RK_FN void rk_lane_sync(void)
{
}
#elif RK_LANES <= 32
RK_FN void rk_lane_sync(void)
{
  rk_ptx_warp_meet(rkd_warp_mask());
}
#elif RK_LANES % 32 == 0
RK_FN void rk_lane_sync(void)
{
  rk_ptx_meet(1, RK_LANES);
}
#else
RK_FN void rk_lane_sync(void)
{
  rkd_team_sync(RK_LANES, rkd_warp_mask());
}
#endif

/* Barrier of all lanes of the actor: those of each block meet, then the blocks, then they again.
 * What the lanes wrote reaches lane 0 by the first barrier, the other blocks by rkd_gang_meet, and
 * their lanes by the last. */
RK_FN void rk_sync(rk_ctx *ctx)
{
  rk_lane_sync();
  if (rk_blocks() > 1u) {
    if (rk_block_lane() == 0u) {
      rkd_gang_meet(ctx);
    }
    rk_lane_sync();
  }
}

#undef RK_HELPERS_H
#include "rk_helpers.h"
