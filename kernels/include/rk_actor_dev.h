/* SPDX-License-Identifier: MIT */
/*
 * One actor's turn: take a message, check it, reserve what the handler may send, run the handler,
 * account. And its end: queue to the dead letters, then silence.
 *
 * A message leaves its ring after its handler returned, so it is handled once or reaches the dead
 * letters once, never both.
 */
#ifndef RK_ACTOR_DEV_H
#define RK_ACTOR_DEV_H

#include "rk_gang_dev.h"

#include "rk_histogram_dev.h"

#include "rk_hot_dev.h"

#define RK_TURN_MSGS 32u /* messages an actor may handle before its neighbours get a turn */

/* Which of its four rings a message lies in. */
#define RK_RING_KERNEL 0u
#define RK_RING_HOST 1u
#define RK_RING_NEAR 2u
#define RK_RING_URGENT 3u

/* On the CPU handlers are called by address, on the device by a switch that the generated source
 * defines (rk_team_dev.h). */
#if !defined(__CUDACC__)
typedef struct rk_dispatch {
  rk_handler_fn function;
  rk_ctx *ctx;
  const void *msg;
  void *state;
} rk_dispatch;
RK_FN void rkd_dispatch_lane(void *arg, rk_u32 lane)
{
  const rk_dispatch *d = (const rk_dispatch *)arg;
  (void)lane;
  d->function(d->ctx, d->msg, d->state);
}
RK_FN void rkd_dispatch(rk_ctx *ctx, const rk_abi_def *def, rk_u32 index, const void *msg,
                        void *state)
{
  const rk_abi_handler *handlers = RK_PTR(const rk_abi_handler, def->handlers);
  rk_u64 address = index == RK_HANDLER_START     ? def->on_start
                   : index == RK_HANDLER_STOP    ? def->on_stop
                   : index == RK_HANDLER_MIGRATE ? def->on_migrate
                                                 : handlers[index].function;
  rk_handler_fn function = (rk_handler_fn)(rk_uptr)address;
  rk_port_scope(address, ctx->actor);
  rk_port_members(ctx->member, ctx->members);
  if (def->lanes == 1u) {
    function(ctx, msg, state);
  } else {
    rk_dispatch d = {function, ctx, msg, state};
    if (rk_port_team_run(def->lanes, rkd_dispatch_lane, &d) != 0) {
      rkd_ctx_fail(ctx, RK_EINVAL);
    }
  }
  rk_port_scope(0u, (const rk_abi_actor *)0);
}
#endif

/* What is the same for each handler; others change it only while one runs (rkd_gang_run). */
RK_FN void rkd_ctx_open(rk_block *b)
{
  rk_ctx *ctx = &b->ctx;
  ctx->member = 0u;
  ctx->members = 1u;
  ctx->lead = ctx;
  ctx->gang = b->gang;
  ctx->block = b;
}
RK_FN void rkd_ctx_begin(rk_block *b, rk_abi_actor *a, rk_u32 slot, const rk_abi_def *def,
                         rk_abi_msg *msg)
{
  rk_ctx *ctx = &b->ctx;
  ctx->actor = a;
  ctx->def = def;
  ctx->msg = msg;
  ctx->serial += 1u;
  ctx->stamp = rkd_stamp(b);
  ctx->host_left = def->emits != 0u ? def->burst : 0u;
  ctx->failed = 0u;
  ctx->stopping = 0u;
  ctx->reserved = 1u;
  ctx->slot = slot;
}

/* Index of the handler for a message type, or handler_count. */
RK_FN rk_u32 rkd_handler_for(const rk_abi_def *def, rk_u32 type)
{
  const rk_abi_handler *handlers = RK_PTR(const rk_abi_handler, def->handlers);
  rk_u32 i = 0;
  while (i < def->handler_count && handlers[i].type != type) {
    ++i;
  }
  return i;
}

/* ---- into the cache ---- */

/* What a turn reads of an actor, its definition and a message lies in a dozen sectors of 32 bytes;
 * here they are asked for together (rkd_look). Every acquire empties the cache, so this comes behind one. Only the block changes
 * what is brought, or nobody does while the message waits. On the CPU lines stay where they are. */
RK_FN void rkd_bring_actor(rk_block *b, const rk_abi_actor *a, rk_u32 slot)
{
#if RK_HOST_IS_FAR
  b->brought = rkd_look(a, 2u) ^ rkd_look(&a->host_slots, 1u) ^ rkd_look(&a->kernel_head, 4u) ^
               rkd_look(rkd_telemetry(b, slot), 2u);
#else
  (void)b, (void)a, (void)slot;
#endif
}
RK_FN void rkd_bring_message(rk_block *b, const rk_abi_actor *a, const rk_abi_def *def,
                             const rk_abi_msg *msg)
{
#if RK_HOST_IS_FAR
  rk_u32 v = rkd_look(def, 2u) ^ rkd_look(msg, 2u);
  if (a->slot_bytes >= 2u * sizeof(rk_abi_msg)) {
    v ^= rkd_look(msg + 1, 2u); /* what a slot has of payload at least */
  }
  if (a->state != 0u) {
    v ^= rkd_look(RK_PTR(const void, a->state), 1u);
  }
  b->brought = v ^ rkd_look(RK_PTR(const void, def->handlers), 1u);
#else
  (void)b, (void)a, (void)def, (void)msg;
#endif
}

/* The next message of those from other blocks, or 0. `is_likely`: that one waits. Where that is not
 * so, a device looks before it acquires, which would empty its cache for nothing. */
RK_FN rk_abi_msg *rkd_next_kernel(rk_abi_actor *a, int is_likely)
{
  rk_abi_msg *m = rkd_slot(a->kernel_slots, a->kernel_mask, a->slot_bytes, a->kernel_head);
  if ((RK_HOST_IS_FAR && !is_likely && rk_ld_relaxed_gpu_u64(&m->seq) != a->kernel_head + 1u) ||
      !rkd_slot_ready(m, a->kernel_head)) {
    a->told = 0u; /* partner: rkd_signal; see rk_near_dev.h */
    return (rk_abi_msg *)0;
  }
  return m;
}

/* The next message and the ring it lies in, or 0. High priority first; messages from the host and from
 * actors take turns, those of this block and of others in the order in which they came: rk_near_dev.h.
 * `is_first`: of a turn. */
RK_FN rk_abi_msg *rkd_next_message(rk_abi_actor *a, rk_u32 *ring, int is_first)
{
  int from_host = a->host_head != a->host_tail;
  int from_near = a->near_head != a->near_tail;
  if (a->urgent_head != a->urgent_tail) {
    *ring = RK_RING_URGENT;
    return rkd_slot(a->urgent_slots, a->urgent_mask, a->slot_bytes, a->urgent_head);
  }
  if (!from_host || a->turn == RK_RING_HOST) {
    rk_abi_msg *m = from_near ? rkd_near_slot(a, a->near_head) : (rk_abi_msg *)0;
    *ring = RK_RING_NEAR;
    /* of what came before that, its block may not have heard yet */
    if (from_near ? m->seq > a->kernel_head : a->told != 0u) {
      *ring = RK_RING_KERNEL;
      m = rkd_next_kernel(a, is_first && !from_host && !from_near);
    }
    if (m != 0) {
      a->turn = RK_RING_KERNEL;
      return m;
    }
  }
  if (from_host) {
    a->turn = RK_RING_HOST;
    *ring = RK_RING_HOST;
    return rkd_slot(a->host_slots, a->host_mask, a->slot_bytes, a->host_head);
  }
  return (rk_abi_msg *)0;
}

RK_FN void rkd_pass_message(rk_block *b, rk_abi_actor *a, rk_u32 ring)
{
  if (ring == RK_RING_KERNEL || ring == RK_RING_NEAR) {
    if (ring == RK_RING_NEAR) {
      a->near_head += 1u;
    } else {
      a->kernel_head += 1u;
    }
    a->kernel_taken += 1u;
    if (rkd_room_is_due(a)) {
      rkd_room_settle(b, a);
    }
  } else if (ring == RK_RING_HOST) {
    a->host_head += 1u;
  } else {
    a->urgent_head += 1u;
  }
}

/* Messages from actors that wait, with those that are being written. */
RK_FN rk_u64 rkd_kernel_depth(const rk_abi_actor *a)
{
  return (rk_ld_relaxed_gpu_u64(&a->tail) & ~RK_TAIL_CLOSED) - a->kernel_head + rkd_near_depth(a);
}
/* As many as its block has heard of: leaves the senders' line alone when it heard of none there. */
RK_FN rk_u64 rkd_told_depth(const rk_abi_actor *a)
{
  return a->told != 0u ? rkd_kernel_depth(a) : rkd_near_depth(a);
}
/* Messages that wait, as far as this block can see. */
RK_FN rk_u64 rkd_depth(const rk_abi_actor *a)
{
  return rkd_kernel_depth(a) + (a->host_tail - a->host_head) + (a->urgent_tail - a->urgent_head);
}

/* How full the fuller of the actor's two long queues is: the host is told when it passes 75 % and
 * 90 %, and again only after it was below a quarter, so a busy queue costs a record in half of its
 * length at most, and in one that fills and empties all the time a record in a millisecond: each
 * wakes the host. Short queues are full in the normal course of things. A level for which the ring to
 * the host has no room is told at the next look. `kernel`: how many wait from actors. */
#define RK_WATCH_LEAST_MSGS 64u
#define RK_WATCH_AGAIN_US 1000u
RK_FN void rkd_watch_queue(rk_block *b, rk_abi_actor *a, rk_u64 kernel)
{
  rk_u64 host = a->host_tail - a->host_head;
  rk_u64 waiting = kernel > host ? kernel : host;
  if (waiting * 4u < a->limit_msgs) {
    if (a->level != 0u && b->now_us - a->told_us >= RK_WATCH_AGAIN_US) {
      a->level = 0u;
    }
  } else if (waiting * 4u >= a->limit_msgs * 3u && a->limit_msgs >= RK_WATCH_LEAST_MSGS) {
    rk_u32 level = waiting * 10u >= a->limit_msgs * 9u ? 2u : 1u;
    rk_u32 spare = RK_PTR(const rk_abi_def, a->def)->reserve_units + 4u;
    if (level > a->level && rkd_ring_free(&b->tx, spare) >= spare) {
      a->level = (rk_u8)level;
      a->told_us = b->now_us;
      rkd_respond(b, RK_RSP_PRESSURE, 0u, a->id, 0, waiting, a->limit_msgs, level, 0u);
    }
  }
}

/* Publishes what a turn changed: control block, telemetry, and the counts the host computes room
 * from. `kernel`: how many wait from actors. */
RK_FN void rkd_account(rk_block *b, rk_abi_actor *a, rk_u32 slot, rk_u64 kernel)
{
  rk_abi_link *link = rkd_link(b, slot);
  rk_abi_ctrl *ctrl = rkd_ctrl(b, slot);
  rk_abi_telemetry *t = rkd_telemetry(b, slot);
  if (a->kernel_taken != 0u) {
    rkd_room_later(b, a, slot);
  }
  rk_st_relaxed_sys_u64(&link->host_taken, a->host_head);
  rk_st_relaxed_sys_u64(&link->urgent_taken, a->urgent_head);
  rk_st_relaxed_sys_u64((rk_u64 *)&ctrl->messages_processed, a->handled);
  rk_st_relaxed_sys_u64((rk_u64 *)&ctrl->last_activity_ticks, b->hlc);
  rk_st_relaxed_sys_u64(&t->messages_processed, a->handled);
  rk_st_relaxed_sys_u64(&t->messages_dropped, a->dropped);
  rk_st_relaxed_sys_u64((rk_u64 *)&t->last_processed_timestamp, b->hlc);
  rk_st_relaxed_sys_u32((rk_u32 *)&t->queue_depth, (rk_u32)(kernel + (a->host_tail - a->host_head) +
                                                            (a->urgent_tail - a->urgent_head)));
  rkd_watch_queue(b, a, kernel);
}

/* Copies what is kept about an actor to where the host reads it. */
RK_SLOW_FN void rkd_tell(rk_block *b, rk_u32 slot)
{
  const rk_abi_grid *grid = RK_PTR(const rk_abi_grid, b->grid);
  if (grid->told_ctrls == grid->ctrls) {
    return; /* the host reads the original */
  }
  rkd_copy(RK_PTR(rk_abi_ctrl, grid->told_ctrls) + slot, rkd_ctrl(b, slot),
           (rk_u32)sizeof(rk_abi_ctrl));
  rkd_copy(RK_PTR(rk_abi_telemetry, grid->told_telemetry) + slot, rkd_telemetry(b, slot),
           (rk_u32)sizeof(rk_abi_telemetry));
}

RK_FN void rkd_latency(rk_block *b, rk_u32 slot, const rk_abi_msg *msg)
{
  rk_abi_telemetry *t = rkd_telemetry(b, slot);
  rk_u64 sent_us = rkd_hlc_physical_us(msg->hlc);
  rk_u64 ns = b->now_us > sent_us ? (b->now_us - sent_us) * 1000u : 0u;
  rk_st_relaxed_sys_u64(&t->total_latency_nanos, t->total_latency_nanos + ns);
  if (ns > t->max_latency_nanos) {
    rk_st_relaxed_sys_u64(&t->max_latency_nanos, ns);
  }
  if (ns < t->min_latency_nanos) {
    rk_st_relaxed_sys_u64(&t->min_latency_nanos, ns);
  }
}

RK_SLOW_FN void rkd_set_life(rk_block *b, rk_abi_actor *a, rk_u32 life)
{
  rk_abi_ctrl *ctrl = rkd_ctrl(b, rkd_actor_slot(b, a));
  a->life = life;
  rk_st_relaxed_sys_u32((rk_u32 *)&ctrl->is_active, life == RK_STATE_ACTIVE ? 1u : 0u);
  rk_st_relaxed_sys_u32((rk_u32 *)&ctrl->has_terminated, life == RK_STATE_TERMINATED ? 1u : 0u);
}

RK_SLOW_FN void rkd_record_error(rk_block *b, rk_abi_actor *a, int code)
{
  rk_u32 slot = rkd_actor_slot(b, a);
  rk_abi_ctrl *ctrl = rkd_ctrl(b, slot);
  rk_st_relaxed_sys_u32((rk_u32 *)&ctrl->errors_encountered,
                        (rk_u32)(ctrl->errors_encountered + 1));
  rk_st_relaxed_sys_u32((rk_u32 *)&rkd_telemetry(b, slot)->error_code, (rk_u32)code);
}

/* Runs a handler at an edge of a life, RK_HANDLER_*, which is given `msg`. It runs even when there
 * is no room for what it may send: its sends are refused then; and on the leader alone when not all
 * blocks of the actor are there. */
RK_SLOW_FN void rkd_edge_handler_on(rk_block *b, rk_abi_actor *a, const rk_abi_def *def,
                                    rk_u32 which, const void *msg)
{
  int held = rkd_gang_is_held(b, a); /* a handler that stopped its actor has just run */
  int together = rkd_is_gang(a) && (held || rkd_gang_wait(b, a));
  rk_u32 slot = rkd_actor_slot(b, a);
  int room = rkd_reserve(b, a, slot, def);
  rkd_ctx_begin(b, a, slot, def, (rk_abi_msg *)0);
  if (!room) {
    b->ctx.host_left = 0u;
    b->ctx.reserved = 0u;
  }
  if (b->trace.on != 0u) {
    rkd_trace_begin(&b->trace, rkd_clock_ns());
  }
  rk_st_relaxed_gpu_u32(&b->shared->busy, a->id); /* for the host's watchdog */
  if (together) {
    rkd_gang_run(b, a, which, msg);
  } else {
    rkd_dispatch(&b->ctx, def, which, msg, RK_PTR(void, a->state));
  }
  if (b->trace.on != 0u) {
    rkd_trace_end(&b->trace, which == RK_HANDLER_STOP ? RK_TRACE_STOP : RK_TRACE_START,
                  rkd_clock_ns(), 0u, a->id, 0u);
  }
  rk_st_relaxed_gpu_u32(&b->shared->busy, 0u);
  if (together && !held) {
    rkd_gang_drop(b);
  }
}
/* Runs a start or stop handler. */
RK_FN void rkd_edge_handler(rk_block *b, rk_abi_actor *a, const rk_abi_def *def, rk_u32 which)
{
  rkd_edge_handler_on(b, a, def, which, (const void *)0);
}

/* Begins the end: stop handler, no new messages, then rkd_drain until the queue is empty. */
RK_SLOW_FN void rkd_close_begin(rk_block *b, rk_abi_actor *a, rk_u64 cmd_id, rk_u32 answer)
{
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  if (a->started != 0u && def->on_stop != 0u) {
    rkd_edge_handler(b, a, def, RK_HANDLER_STOP);
  }
  (void)rk_or_acqrel_gpu_u64(&a->tail, RK_TAIL_CLOSED);
  rk_st_relaxed_sys_u32((rk_u32 *)&rkd_ctrl(b, rkd_actor_slot(b, a))->should_terminate, 1u);
  a->close_cmd = cmd_id;
  a->close_code = answer;
  rkd_routes_give_back(b, a, def);
  rkd_set_life(b, a, RK_STATE_TERMINATING);
  rkd_run_push(b, a);
}

/* Moves what an ending actor still had into the dead letters, as far as the ring to the host has
 * room. Returns 1 once nothing is left. A ticket taken before the close may still be unpublished:
 * wait for it in a later round. */
RK_SLOW_FN int rkd_drain(rk_block *b, rk_abi_actor *a)
{
  rk_u32 slot = rkd_actor_slot(b, a);
  rk_u64 kernel_end = rk_ld_acquire_gpu_u64(&a->tail) & ~RK_TAIL_CLOSED;
  a->told = 1u; /* whoever had a ticket by then may not have signalled */
  if (a->held != 0u && !rkd_links_end(b, a, RK_PTR(const rk_abi_def, a->def), 2u)) {
    return 0;
  }
  for (;;) {
    rk_u32 ring;
    rk_abi_msg *msg = rkd_next_message(a, &ring, 1);
    if (msg == 0) {
      break;
    }
    if ((msg->flags & RK_MSG_SWEPT) != 0u) {
      rkd_pass_message(b, a, ring);
      continue;
    }
    rk_u32 units = rkd_units(msg->size_bytes);
    if (rkd_ring_free(&b->tx, units + 2u) < units + 2u) {
      return 0;
    }
    (void)rkd_dead_letter(b, msg, rkd_slot_payload(msg), RK_DEAD_TERMINATED, 2u);
    rkd_pass_message(b, a, ring);
  }
  if (a->kernel_head != kernel_end) {
    return 0;
  }
  if (rkd_ring_free(&b->tx, 2u) < 2u) {
    return 0;
  }
  rk_u32 reference = a->id;
  rkd_account(b, a, slot, 0u);
  rkd_rooms_settle(b); /* the slot may be another block's next */
  rkd_set_life(b, a, RK_STATE_TERMINATED);
  rk_st_relaxed_gpu_u32(&a->id, 0u); /* from now on nobody finds it */
  rkd_hot_forget(b, a);
  b->ended = rk_add_acqrel_gpu_u64(&RK_PTR(rk_abi_grid, b->grid)->ended, 1u) + 1u;
  rkd_tell(b, slot);
  rkd_respond(b, a->close_code, a->close_cmd, reference, 0, a->handled, 0u, RK_STATE_TERMINATED,
              0u);
  return 1;
}

/* What a handled message leaves in the histograms and the trace. The stamp of sending has steps of
 * a microsecond and, between actors, is of the moment the sender's turn began. */
RK_SLOW_FN void rkd_timed(rk_block *b, const rk_abi_actor *a, const rk_abi_msg *msg,
                          rk_u64 start_ns)
{
  rk_u64 end_ns = rkd_clock_ns();
  if (b->latencies != 0) {
    rk_abi_latencies *l = b->latencies + rkd_actor_slot(b, a);
    rk_u64 sent_ns = rkd_hlc_physical_us(msg->hlc) * 1000u;
    rkd_latency_record(&l->delivered, start_ns > sent_ns ? start_ns - sent_ns : 0u);
    rkd_latency_record(&l->handled, end_ns > start_ns ? end_ns - start_ns : 0u);
  }
  if (b->trace.on != 0u) {
    rkd_trace_begin(&b->trace, start_ns);
    rkd_trace_end(&b->trace, RK_TRACE_HANDLE, end_ns, msg->id, a->id, msg->type);
  }
}

#define RK_DEAD_SWEPT 255u /* it has become a dead letter before */

/* Checks one message and runs its handler. Returns the reason it is dead, 0 when it was handled. */
RK_FN rk_u32 rkd_handle(rk_block *b, rk_abi_actor *a, rk_u32 slot, const rk_abi_def *def,
                        rk_abi_msg *msg, int is_gang)
{
  rkd_hlc_merge(&b->hlc, b->now_us, msg->hlc);
  if ((msg->flags & RK_MSG_REFUSED) != 0u) {
    b->ctx.failed = msg->checksum;
    b->ctx.stopping = msg->checksum == 0u;
    return msg->checksum != 0u ? RK_DEAD_FAILED : 0u;
  }
  if (msg->reason != a->tenant) {
    if ((msg->flags & RK_MSG_SWEPT) != 0u) {
      return RK_DEAD_SWEPT;
    }
    if (!rkd_accepts(b, a->tenant, msg->reason)) {
      return RK_DEAD_TENANT;
    }
  }
  if (msg->deadline != 0u && b->hlc >= msg->deadline) {
    return RK_DEAD_DEADLINE;
  }
  if ((msg->flags & RK_MSG_CHECKED) != 0u &&
      rkd_checksum(rkd_slot_payload(msg), msg->size_bytes) != msg->checksum) {
    return RK_DEAD_CORRUPT;
  }
  rk_u32 index = rkd_handler_for(def, msg->type);
  if (index == def->handler_count ||
      RK_PTR(const rk_abi_handler, def->handlers)[index].size_bytes != msg->size_bytes) {
    return RK_DEAD_TYPE;
  }
  rkd_latency(b, slot, msg);
  b->ordered |= msg->flags & RK_MSG_ORDERED;
  rkd_ctx_begin(b, a, slot, def, msg);
  if (def->burst > 1u) { /* room for all of it was made sure of: rkd_reserve */
    rkd_ring_hold(&b->tx);
  }
  rk_u64 start_ns = b->timed != 0u ? rkd_clock_ns() : 0u;
  rk_st_relaxed_gpu_u32(&b->shared->busy, a->id);
  if (is_gang) {
    rkd_gang_run(b, a, index, rkd_slot_payload(msg));
  } else {
    rkd_dispatch(&b->ctx, def, index, rkd_slot_payload(msg), RK_PTR(void, a->state));
  }
  rk_st_relaxed_gpu_u32(&b->shared->busy, 0u);
  rkd_ring_flush(&b->tx);
  if (b->timed != 0u) {
    rkd_timed(b, a, msg, start_ns);
  }
  a->handled += 1u;
  b->handled += 1u;
  return b->ctx.failed != 0u ? RK_DEAD_FAILED : 0u;
}

/* What one turn came to. */
#define RK_TURN_IDLE 0u /* nothing left to do */
#define RK_TURN_MORE 1u /* it handled something and may have more */
/* it has messages, but no room for what they may cause, or not all its blocks */
#define RK_TURN_STALLED 2u

RK_SLOW_FN rk_u32 rkd_turn(rk_block *b, rk_abi_actor *a)
{
  rk_u32 slot = rkd_actor_slot(b, a);
  rkd_bring_actor(b, a, slot);
  const rk_abi_def *def = RK_PTR(const rk_abi_def, a->def);
  rk_u32 result = RK_TURN_MORE;
  rk_u32 done = 0;
  rk_u32 blocks = RK_GANG_YES;
  int is_gang = rkd_is_gang(a);
  int is_empty = 0;
  b->emptied = 0u;
  if (a->life == RK_STATE_TERMINATING) {
    rkd_gang_drop_for(b, a);
    return rkd_drain(b, a) ? RK_TURN_IDLE : RK_TURN_STALLED;
  }
  rkd_sample_turn(b);
  if (a->held != 0u) { /* in every state of life: it was sent */
    rkd_links_flush(b, a, def);
  }
  /* neither changes under a turn, but for the two ends below */
  const int is_active = a->life == RK_STATE_ACTIVE;
  const int is_stepping = b->stepping != 0u;
  if (!is_active) {
    result = RK_TURN_IDLE;
  }
  while (is_active && done < RK_TURN_MSGS) {
    rk_u32 ring;
    if (is_stepping && b->steps_left == 0u) {
      result = done != 0u ? RK_TURN_MORE : RK_TURN_STALLED;
      break;
    }
    rk_abi_msg *msg = rkd_next_message(a, &ring, done == 0u);
    if (msg == 0) {
      result = RK_TURN_IDLE;
      is_empty = 1;
      break;
    }
    rkd_bring_message(b, a, def, msg);
    /* the blocks first: nobody holds credits while it waits for a block */
    if (is_gang && (blocks = rkd_gang_take(b, a)) != RK_GANG_YES) {
      result = done != 0u ? RK_TURN_MORE : RK_TURN_STALLED;
      break;
    }
    if (!rkd_reserve(b, a, slot, def)) {
      result = done != 0u ? RK_TURN_MORE : RK_TURN_STALLED;
      break;
    }
    rk_u32 dead = rkd_handle(b, a, slot, def, msg, is_gang);
    if (is_stepping) {
      b->steps_left -= 1u;
    }
    if (dead != 0u && dead != RK_DEAD_SWEPT) {
      (void)rkd_dead_letter(b, msg, rkd_slot_payload(msg), dead, 0u);
    }
    rkd_pass_message(b, a, ring);
    if (def->port_count != 0u) {
      rkd_release_small(b, a, def);
    }
    done += 1u;
    if (dead == RK_DEAD_FAILED) {
      int code = (int)b->ctx.failed;
      rkd_record_error(b, a, code);
      rkd_set_life(b, a, RK_STATE_FAILED);
      rkd_respond(b, RK_RSP_ACTOR_FAILED, 0u, a->id, code, a->handled, rkd_depth(a),
                  RK_STATE_FAILED, 0u);
      result = RK_TURN_IDLE;
      break;
    }
    if (dead == 0u && b->ctx.stopping != 0u) {
      rkd_close_begin(b, a, 0u, RK_RSP_ACTOR_DESTROYED);
      result = RK_TURN_MORE;
      break;
    }
  }
  if (is_gang && blocks != RK_GANG_NO) {
    rkd_gang_drop_for(b, a); /* only who waits for more blocks keeps some */
  }
  if (b->emptied != 0u) { /* the cache, by an acquire since */
    rkd_bring_actor(b, a, slot);
  }
  /* when it looked in vain just now, there is no need to ask the senders' line */
  rkd_account(b, a, slot, is_empty ? 0u : rkd_told_depth(a));
  rkd_flush(b);
  if (result == RK_TURN_IDLE && a->held != 0u) {
    return RK_TURN_STALLED; /* until there is room for what waits on its links */
  }
  return result;
}

#endif
