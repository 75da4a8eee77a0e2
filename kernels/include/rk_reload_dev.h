/* SPDX-License-Identifier: MIT */
/*
 * The swap of a reload: from one message to the next an actor is served by another definition.
 *
 * The host has compiled the new definition and laid out its state and routes (runtime/reload.c).
 * What is left is done here, at a message boundary, by the block that serves the actor: nobody else
 * reads the words that change, so nobody has to be stopped. Its rings stay where they are, with all
 * that waits in them and with its senders' tickets.
 *
 * Nothing old is touched until it is certain that the swap holds: the new state is other memory, and
 * an actor whose migration or start handler fails goes on with what it had. It is certain once
 * `reload_decided` was told; a host that gave up waiting before cancels the swap (see the fences).
 */
#ifndef RK_RELOAD_DEV_H
#define RK_RELOAD_DEV_H

#include "rk_actor_dev.h"

/* Messages of the old definition that wait in one ring and that the new one would not accept: a bit
 * for each handler of the old. */
RK_SLOW_FN rk_u64 rkd_reload_lost_in(const rk_abi_actor *a, const rk_abi_def *next, rk_u64 slots,
                                     rk_u32 mask, rk_u64 head, rk_u64 tail)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  rk_u64 lost = 0u;
  for (rk_u64 at = head; at != tail; ++at) {
    const rk_abi_msg *msg = rkd_slot(slots, mask, a->slot_bytes, at);
    if (!rkd_slot_ready(msg, at) && slots == a->kernel_slots) {
      continue; /* its sender is still at it: from a link the host has looked at */
    }
    rk_u32 index = rkd_handler_for(def, msg->type);
    if (index < def->handler_count && rkd_handler_for(next, msg->type) == next->handler_count) {
      lost |= 1ull << (index & 63u);
    }
  }
  return lost;
}

RK_SLOW_FN rk_u64 rkd_reload_lost(const rk_abi_actor *a, const rk_abi_def *next)
{
  rk_u64 tail = rk_ld_acquire_gpu_u64(&a->tail) & ~RK_TAIL_CLOSED;
  return rkd_reload_lost_in(a, next, a->kernel_slots, a->kernel_mask, a->kernel_head, tail) |
         rkd_reload_lost_in(a, next, rkd_near_slots(a), a->near_mask, a->near_head,
                            (rk_u64)a->near_head + rkd_near_depth(a)) |
         rkd_reload_lost_in(a, next, a->host_slots, a->host_mask, a->host_head, a->host_tail) |
         rkd_reload_lost_in(a, next, a->urgent_slots, a->urgent_mask, a->urgent_head,
                            a->urgent_tail);
}

RK_FN int rkd_reload_is_cancelled(rk_block *b, const rk_abi_actor *a, const rk_abi_command *cmd)
{
  const rk_abi_link *link = rkd_link(b, rkd_actor_slot(b, a));
  return rk_ld_relaxed_sys_u64(&link->reload_cancelled) == cmd->cmd_id;
}

/* From here on the host waits for the answer, or it has cancelled before: one of the two sides sees
 * what the other wrote. Partner: cancel of runtime/reload.c. */
RK_FN int rkd_reload_decide(rk_block *b, const rk_abi_actor *a, const rk_abi_command *cmd)
{
  rk_abi_link *link = rkd_link(b, rkd_actor_slot(b, a));
  rk_st_relaxed_sys_u64(&link->reload_decided, cmd->cmd_id);
  rk_fence_seq_cst();
  return !rkd_reload_is_cancelled(b, a, cmd);
}

/* Lets go of what the actor's present routes hold, and of their addresses. */
RK_FN void rkd_reload_let_go(rk_block *b, const rk_abi_actor *a)
{
  rkd_flush(b); /* who was sent something through them must hear of that */
  rkd_routes_give_back(b, a, RK_PTR(const rk_abi_def, a->def));
}

RK_FN void rkd_reload_put(rk_abi_actor *a, const rk_abi_reload *line)
{
  a->def = line->def;
  a->state = line->state;
  a->routes = line->routes;
  a->out_limit_msgs = line->out_limit_msgs;
}

/* Brings the state over and runs the start handler, if the actor has started. Returns which of them
 * failed, 0 when all went well; *code is what it failed with. The new definition is in its place. */
RK_SLOW_FN rk_u32 rkd_reload_begin(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd,
                                   rk_u64 old_state, int *code)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  int runs = a->started != 0u && (a->life == RK_STATE_ACTIVE || a->life == RK_STATE_DEACTIVATED);
  b->ctx.failed = 0u;
  b->ctx.stopping = 0u;
  if ((cmd->flags & RK_RELOAD_KEEP) != 0u && def->state_bytes != 0u) {
    rkd_copy(RK_PTR(void, a->state), RK_PTR(const void, old_state), def->state_bytes);
  }
  if ((cmd->flags & RK_RELOAD_MIGRATE) != 0u) {
    rkd_edge_handler_on(b, a, def, RK_HANDLER_MIGRATE, RK_PTR(const void, old_state));
    if (b->ctx.failed != 0u) {
      *code = (int)b->ctx.failed;
      return RK_RELOAD_MIGRATION;
    }
  }
  if (runs && def->on_start != 0u && (cmd->flags & RK_RELOAD_BACK) == 0u) {
    rkd_edge_handler(b, a, def, RK_HANDLER_START);
    if (b->ctx.failed != 0u) {
      *code = (int)b->ctx.failed;
      return RK_RELOAD_START;
    }
  }
  return 0u;
}

RK_FN void rkd_reload_refuse(rk_block *b, const rk_abi_actor *a, const rk_abi_command *cmd,
                             int error, rk_u32 why, rk_u64 detail)
{
  rkd_respond(b, RK_RSP_ERROR, cmd->cmd_id, a->id, error, detail, why, a->life, 0u);
}

/* Answers Ack with the time that it took. */
RK_SLOW_FN void rkd_command_reload(rk_block *b, rk_abi_actor *a, const rk_abi_command *cmd)
{
  rk_abi_reload was = {a->def, a->state, a->routes, a->out_limit_msgs, 0u};
  rk_abi_reload line;
  rk_u64 start_ns = rkd_clock_ns();
  int code = 0;
  if (cmd->bytes != sizeof(line)) {
    rkd_reload_refuse(b, a, cmd, RK_EINVAL, RK_RELOAD_NO_ACTOR, 0u);
    return;
  }
  rkd_ring_get(&b->rx, (rk_u32)sizeof(*cmd), &line, (rk_u32)sizeof(line));
  if (rkd_reload_is_cancelled(b, a, cmd)) {
    rkd_reload_refuse(b, a, cmd, RK_EINVALID_STATE, RK_RELOAD_CANCELLED, 0u);
    return;
  }
  if ((cmd->flags & RK_RELOAD_BACK) == 0u) {
    rk_u64 lost = rkd_reload_lost(a, RK_PTR(const rk_abi_def, line.def));
    if (lost != 0u) {
      rkd_reload_refuse(b, a, cmd, RK_EUNSUPPORTED, RK_RELOAD_TYPES, lost);
      return;
    }
  }
  if (a->held != 0u) { /* they lie behind the old routes */
    rkd_links_flush(b, a, RK_PTR(const rk_abi_def, a->def));
    if (a->held != 0u) {
      rkd_reload_refuse(b, a, cmd, RK_EFULL, RK_RELOAD_LINKS, a->held);
      return;
    }
  }
  rkd_reload_let_go(b, a);
  rkd_reload_put(a, &line);
  rk_u32 why = rkd_reload_begin(b, a, cmd, was.state, &code);
  if (why == 0u && !rkd_reload_decide(b, a, cmd)) {
    why = RK_RELOAD_CANCELLED;
    code = RK_EINVALID_STATE;
  }
  if (why != 0u) {
    b->ctx.stopping = 0u;
    rkd_reload_let_go(b, a);
    rkd_reload_put(a, &was);
    rkd_run_push(b, a); /* it gave its credits back */
    rkd_reload_refuse(b, a, cmd, code, why, 0u);
    return;
  }
  if (b->ctx.stopping != 0u) {
    b->ctx.stopping = 0u;
    rkd_close_begin(b, a, 0u, RK_RSP_ACTOR_DESTROYED);
  }
  rkd_run_push(b, a); /* it may have waited for room that it needs no more */
  rkd_respond(b, RK_RSP_ACK, cmd->cmd_id, a->id, 0, rkd_clock_ns() - start_ns, 0u, a->life, 0u);
}

#endif
