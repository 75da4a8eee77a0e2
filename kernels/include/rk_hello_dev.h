/* SPDX-License-Identifier: MIT */
/*
 * What a block says when it begins to run: the layout of the structs of rk_abi.h as its own
 * compiler saw it, folded into one word. The host works out the same word and refuses a grid that
 * says another: nothing else of what such a grid writes could be relied on.
 */
#ifndef RK_HELLO_DEV_H
#define RK_HELLO_DEV_H

#include "rk_abi.h"
#include "rk_atomic.h" /* RK_ATOMIC_FN: how a small function is declared on either side */

#ifndef RK_HELLO_SALT
#define RK_HELLO_SALT 0u /* a test compiles one side with another one */
#endif

/* FNV-1a, a number at a time. */
RK_ATOMIC_FN rk_u32 rkd_hello_fold(rk_u32 hash, rk_u64 value)
{
  return (hash ^ (rk_u32)value) * 16777619u;
}

/* Never 0: that is what a door says before its block runs. */
RK_ATOMIC_FN rk_u32 rkd_hello(void)
{
  rk_u32 h = 2166136261u;
  h = rkd_hello_fold(h, RK_ABI_VERSION + RK_HELLO_SALT);
  h = rkd_hello_fold(h, sizeof(rk_abi_msg));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_msg, size_bytes));
  h = rkd_hello_fold(h, sizeof(rk_abi_ctrl));
  h = rkd_hello_fold(h, sizeof(rk_abi_telemetry));
  h = rkd_hello_fold(h, sizeof(rk_abi_command));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_command, cmd_id));
  h = rkd_hello_fold(h, sizeof(rk_abi_response));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_response, ended));
  h = rkd_hello_fold(h, sizeof(rk_abi_handler));
  h = rkd_hello_fold(h, sizeof(rk_abi_def));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_def, index));
  h = rkd_hello_fold(h, sizeof(rk_abi_route));
  h = rkd_hello_fold(h, sizeof(rk_abi_actor));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_actor, id));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_actor, room));
  h = rkd_hello_fold(h, sizeof(rk_abi_link));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_link, out_taken));
  h = rkd_hello_fold(h, sizeof(rk_abi_ring));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_ring, head));
  h = rkd_hello_fold(h, sizeof(rk_abi_ready));
  h = rkd_hello_fold(h, sizeof(rk_abi_door));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_door, done));
  h = rkd_hello_fold(h, sizeof(rk_abi_block));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_block, busy));
  h = rkd_hello_fold(h, sizeof(rk_abi_gang));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_gang, generation));
  h = rkd_hello_fold(h, sizeof(rk_abi_host));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_host, alive));
  h = rkd_hello_fold(h, sizeof(rk_abi_grid));
  h = rkd_hello_fold(h, RK_OFFSET(rk_abi_grid, grace_s));
  h = rkd_hello_fold(h, RK_BLOCK_PRIVATE_BYTES);
  return h == 0u ? 1u : h;
}

#endif
