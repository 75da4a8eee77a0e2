/* SPDX-License-Identifier: MIT */
/*
 * Tenants: may this actor send to that one, and how much.
 *
 * Every actor has a tenant's number and every message carries that of its sender (rk_abi_msg.reason,
 * until it is a dead letter). Within a tenant all is allowed; from one to another what a grant says.
 * It is looked at twice: where a message is sent, so that the sender hears of it, and where it is
 * handled (rkd_handle), so that what was queued before a grant was taken back, or came in another
 * way, is not handled.
 *
 * Each block has its own copy of the grants and changes it between two turns, when the host says so
 * (rk_tenant_command_dev.h). The host gives a grant in two steps, "accept" to all blocks and then
 * "send" to all, so that nobody sends what a receiver does not know it may accept.
 *
 * A runtime that never named a tenant has number 0 everywhere: two compares of equal words.
 */
#ifndef RK_TENANT_DEV_H
#define RK_TENANT_DEV_H

#include "rk_block_dev.h"

#include "rk_bucket_dev.h"

RK_FN int rkd_tenant_bit(const rk_u64 row[RK_TENANTS_MAX / 64u], rk_u32 guest)
{
  return (int)(row[guest / 64u] >> (guest % 64u) & 1u);
}

/* Whether actors of `owner` handle what those of `guest` sent. */
RK_FN int rkd_accepts(const rk_block *b, rk_u32 owner, rk_u32 guest)
{
  return b->tenants != 0 && rkd_tenant_bit(b->tenants->accepts[owner], guest);
}

/* Whether `a` may send to `to`. */
RK_FN int rkd_may_send(const rk_block *b, const rk_abi_actor *a, const rk_abi_actor *to)
{
  return to->tenant == a->tenant ||
         (b->tenants != 0 && rkd_tenant_bit(b->tenants->sends[to->tenant], a->tenant));
}

RK_SLOW_FN int rkd_allowance_take(rk_block *b, rk_u32 tenant)
{
  const rk_abi_grid *grid = RK_PTR(const rk_abi_grid, b->grid);
  return rkd_bucket_take(RK_PTR(rk_abi_bucket, grid->buckets) + tenant, b->now_us * 1000u);
}

/* Whether `a` may send one more message; takes it from what its tenant has left. */
RK_FN int rkd_has_allowance(rk_block *b, const rk_abi_actor *a)
{
  return b->tenants == 0 || rkd_allowance_take(b, a->tenant);
}

/* Tells the host that a send was refused, and returns the code. Half of the ring is kept for
 * everything else, so that refusals hold nobody up: what finds no room is only counted. */
RK_SLOW_FN int rkd_refused(rk_ctx *ctx, int code, const rk_abi_msg *h, rk_u32 spare)
{
  rk_block *b = rkd_block_of(ctx);
  rk_u32 units = rkd_units((rk_u32)sizeof(rk_abi_response)) + spare + b->tx.capacity / 2u;
  ctx->actor->dropped += 1u;
  if (rkd_ring_free(&b->tx, units) >= units) {
    rkd_respond(b, RK_RSP_REFUSED, 0u, ctx->actor->id, code, h->dest, h->type, 0u, 0u);
  } else {
    b->untold += 1u;
    rk_st_relaxed_sys_u64(&b->door->untold, b->untold);
  }
  return code;
}

#endif
