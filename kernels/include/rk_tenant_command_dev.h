/* SPDX-License-Identifier: MIT */
/*
 * What a block does when the host changes who may send to whom (RK_CMD_TENANT): the other half of
 * rk_tenant_dev.h, and of runtime/tenant.c.
 *
 * A grant is taken back in two steps. BAR, to all blocks: from its answer on, this block's actors of
 * the guest send nothing more under it, and those of the owner handle nothing. SWEEP, after all have
 * answered, so that whatever was sent lies in a queue or in a lane: each message of the guest that
 * an actor of the owner still has becomes a dead letter at once. It cannot leave the middle of a
 * ring, so it stays there marked RK_MSG_SWEPT, and is skipped when its turn comes.
 */
#ifndef RK_TENANT_COMMAND_DEV_H
#define RK_TENANT_COMMAND_DEV_H

#include "rk_actor_dev.h"

#define RK_SWEEP_SPARE 4u /* units kept for the answer */

typedef struct rk_sweep {
  rk_u32 guest;
  rk_u64 done;
  rk_u64 left; /* found no room to the host */
} rk_sweep;

RK_SLOW_FN void rkd_sweep_slot(rk_block *b, rk_abi_msg *msg, rk_sweep *sweep)
{
  if (msg->reason != sweep->guest || (msg->flags & RK_MSG_SWEPT) != 0u) {
    return;
  }
  if (rkd_dead_letter(b, msg, rkd_slot_payload(msg), RK_DEAD_TENANT, RK_SWEEP_SPARE)) {
    msg->flags = (rk_u16)(msg->flags | RK_MSG_SWEPT);
    sweep->done += 1u;
  } else {
    sweep->left += 1u;
  }
}

/* What lies in front is passed at once, so that it takes no room of the queue. */
RK_SLOW_FN void rkd_sweep_trim(rk_block *b, rk_abi_actor *a)
{
  while (a->urgent_head != a->urgent_tail &&
         (rkd_slot(a->urgent_slots, a->urgent_mask, a->slot_bytes, a->urgent_head)->flags &
          RK_MSG_SWEPT) != 0u) {
    rkd_pass_message(b, a, RK_RING_URGENT);
  }
  while (a->host_head != a->host_tail &&
         (rkd_slot(a->host_slots, a->host_mask, a->slot_bytes, a->host_head)->flags &
          RK_MSG_SWEPT) != 0u) {
    rkd_pass_message(b, a, RK_RING_HOST);
  }
  while (rkd_near_depth(a) != 0u && (rkd_near_slot(a, a->near_head)->flags & RK_MSG_SWEPT) != 0u) {
    rkd_pass_message(b, a, RK_RING_NEAR);
  }
  for (;;) {
    rk_abi_msg *msg = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, a->kernel_head);
    if (!rkd_slot_ready(msg, a->kernel_head) || (msg->flags & RK_MSG_SWEPT) == 0u) {
      break;
    }
    rkd_pass_message(b, a, RK_RING_KERNEL);
  }
  rkd_account(b, a, rkd_actor_slot(b, a), rkd_kernel_depth(a));
}

/* A ticket whose message is not there yet is not the guest's: its senders have answered BAR. */
RK_SLOW_FN void rkd_sweep_actor(rk_block *b, rk_abi_actor *a, rk_sweep *sweep)
{
  rk_u64 tail = rk_ld_acquire_gpu_u64(&a->tail) & ~RK_TAIL_CLOSED;
  for (rk_u64 p = a->urgent_head; p != a->urgent_tail; ++p) {
    rkd_sweep_slot(b, rkd_slot(a->urgent_slots, a->urgent_mask, a->slot_bytes, p), sweep);
  }
  for (rk_u64 p = a->host_head; p != a->host_tail; ++p) {
    rkd_sweep_slot(b, rkd_slot(a->host_slots, a->host_mask, a->slot_bytes, p), sweep);
  }
  for (rk_u32 p = a->near_head; p != a->near_tail; ++p) {
    rkd_sweep_slot(b, rkd_near_slot(a, p), sweep);
  }
  for (rk_u64 p = a->kernel_head; p != tail; ++p) {
    rk_abi_msg *msg = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, p);
    if (rkd_slot_ready(msg, p)) {
      rkd_sweep_slot(b, msg, sweep);
    }
  }
  rkd_sweep_trim(b, a);
}

/* Actors of the guest may wait for room that they need no more, and hold some. */
RK_SLOW_FN void rkd_bar_actor(rk_block *b, rk_abi_actor *a)
{
  rkd_routes_give_back(b, a, RK_PTR(const rk_abi_def, a->def));
  if (a->life == RK_STATE_ACTIVE) {
    rkd_run_push(b, a);
  }
}

RK_SLOW_FN void rkd_tenant_grant(rk_block *b, rk_u32 owner, rk_u32 guest, rk_u32 what)
{
  rk_abi_tenants *t = RK_PTR(rk_abi_tenants, b->shared->tenants);
  rk_u32 word = guest / 64u;
  rk_u64 bit = 1ull << (guest % 64u);
  if (what == RK_TENANT_ACCEPT) {
    t->accepts[owner][word] |= bit;
  } else if (what == RK_TENANT_SEND) {
    t->sends[owner][word] |= bit;
  } else {
    t->accepts[owner][word] &= ~bit;
    t->sends[owner][word] &= ~bit;
  }
}

/* Goes over this block's living actors of the owner (SWEEP) or of the guest (BAR). */
RK_SLOW_FN void rkd_tenant_visit(rk_block *b, rk_u32 tenant, rk_u32 what, rk_sweep *sweep)
{
  for (rk_u32 slot = 0; slot < b->slot_limit; ++slot) {
    rk_abi_actor *a = b->actors + slot;
    if (rk_ld_relaxed_gpu_u32(&a->id) == 0u || a->block != b->index || a->tenant != tenant) {
      continue;
    }
    if (what == RK_TENANT_SWEEP) {
      rkd_sweep_actor(b, a, sweep);
    } else {
      rkd_bar_actor(b, a);
    }
  }
}

RK_SLOW_FN void rkd_command_tenant(rk_block *b, const rk_abi_command *cmd)
{
  rk_u32 what = cmd->flags;
  rk_u32 owner = (rk_u32)cmd->param1;
  rk_sweep sweep = {cmd->param2, 0u, 0u};
  if (cmd->param1 >= RK_TENANTS_MAX || cmd->param2 >= RK_TENANTS_MAX || what < RK_TENANT_LIMIT ||
      what > RK_TENANT_SWEEP) {
    rkd_respond(b, RK_RSP_ERROR, cmd->cmd_id, 0u, RK_EINVAL, 0u, 0u, RK_STATE_NONE, 0u);
    return;
  }
  b->tenants = RK_PTR(rk_abi_tenants, b->shared->tenants);
  if (what == RK_TENANT_LIMIT) {
    if (b->index == 0u) {
      rk_abi_bucket *buckets = RK_PTR(rk_abi_bucket, RK_PTR(const rk_abi_grid, b->grid)->buckets);
      rk_st_release_gpu_u64(&buckets[owner].depth_ns, cmd->bytes);
      rk_st_release_gpu_u64(&buckets[owner].period_ns, cmd->address);
    }
  } else if (what == RK_TENANT_SWEEP) {
    (void)rkd_poll_lanes(b);
    rkd_tenant_visit(b, owner, what, &sweep);
  } else {
    rkd_tenant_grant(b, owner, sweep.guest, what);
    if (what == RK_TENANT_BAR) {
      rkd_flush(b); /* who was sent something must hear of that before its credits come back */
      rkd_tenant_visit(b, sweep.guest, what, &sweep);
    }
  }
  rkd_respond(b, RK_RSP_ACK, cmd->cmd_id, 0u, 0, sweep.done, sweep.left, RK_STATE_NONE, 0u);
}

#endif
