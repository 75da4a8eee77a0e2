/* SPDX-License-Identifier: MIT */
/*
 * The device side of an ordinary kernel (rk.global): what rk_module_cpu.h gives its source on the
 * CPU. The generated source (lua/ringkernel/codegen_device.lua) is a translation unit of its own:
 *
 *   #include "rk_global_cuda.h"
 *   typedef struct rk_params { ... } rk_params;
 *   #define RK_GLOBAL() RK_FN void rk_global_body(rk_f32 *out, ...)
 *   ...the user's text...
 *   RK_GLOBAL_ENTRY(rk_params rk_in) { rk_global_body(RK_ADDRESS(rk_f32, rk_in.out), ...); }
 *
 * It differs from a handler's surroundings (rk_module_cuda.h) in the number of lanes: a launch
 * chooses it, so it is asked of the machine here, and rk_helpers.h finds the lanes of a warp at run
 * time. RK_LANES has no meaning. There is no context: no messages, no failure; where a helper wants
 * one, it gets 0.
 */
#ifndef RK_GLOBAL_CUDA_H
#define RK_GLOBAL_CUDA_H

#include "rk_dev.h"
#include "rk_kernel.h"

/* Shared by the lanes of a block. Its value at the start is not defined. */
#define RK_SHARED RK_PTX_SHARED

RK_FN rk_u32 rk_lane(void)
{
  return rk_ptx_thread();
}
RK_FN rk_u32 rk_lanes(void)
{
  return rk_ptx_threads();
}
#define rk_block_lane() rk_lane()
#define rk_block_lanes() rk_lanes()
/* Barrier of all lanes of the block, which also orders their memory. */
RK_FN void rk_lane_sync(void)
{
  rk_ptx_block_meet();
}
#define rk_sync(ctx) ((void)(ctx), rk_lane_sync())
#define rk_block_sync() rk_lane_sync()

/* ---- the launch ---- */

RK_FN rk_u32 rk_block(void)
{
  return rk_ptx_block();
}
RK_FN rk_u32 rk_blocks(void)
{
  return rk_ptx_blocks();
}

/* The caller's number among all lanes of the launch, and how many there are. */
RK_FN rk_u64 rkd_grid_lane(void)
{
  return (rk_u64)rk_ptx_block() * rk_ptx_threads() + rk_ptx_thread();
}
RK_FN rk_u64 rkd_grid_lanes(void)
{
  return (rk_u64)rk_ptx_blocks() * rk_ptx_threads();
}

/* Elements 0..count-1 of work shared among all lanes of the launch. */
#define RK_FOR_GRID(i, count) \
  for (rk_u64 i = rkd_grid_lane(); i < (rk_u64)(count); i += rkd_grid_lanes())

/* An address that a parameter carries, as a pointer to its elements. */
#define RK_ADDRESS(type, address) RK_PTR(type, address)

/* The entry, launched one-dimensional. The bound keeps a launch of RK_LANES_MAX lanes a block
 * possible: without it the compiler may use more registers than that leaves a lane. What stands in
 * for the machine (RK_PTX_OVERRIDE) may have another way to hand the parameters over. */
#if !defined(RK_GLOBAL_ENTRY)
#define RK_GLOBAL_ENTRY(parameters) \
  extern "C" __global__ void __launch_bounds__(RK_LANES_MAX) rk_global(parameters)
#endif

#include "rk_helpers.h"

#endif
