/* SPDX-License-Identifier: MIT */
/*
 * The context: what a handler may do. Lane 0 calls these; the macros in rk_module_cpu.h (CPU) and
 * rk_module_cuda.h (device) keep the other lanes out, and here the blocks of a gang that do not lead
 * it are: what they send returns 0 and goes nowhere.
 *
 * Every function that sends copies the caller's bytes before it returns, and returns 0 or RK_E*:
 *   RK_EFULL       more than the definition's `burst`; or a receiver named by id has no room, or
 *   has ended and
 *                  there is no room for a dead letter; or a port's receiver has no room and its
 *                  link's policy drops the message or makes it a dead letter
 *   RK_ENOT_FOUND  the port is not connected, or no such port
 *   RK_ETERMINATED the receiver has ended; the message went to the dead letters
 *   RK_ETOO_LARGE  the receiver's slots are smaller than the message, or it is larger than all that
 *   the
 *                  definition emits
 *   RK_ETENANT_MISMATCH  the receiver belongs to another tenant, which has granted nothing
 *   RK_EDENIED     the tenant has sent all the messages it may for now
 */
#ifndef RK_CTX_DEV_H
#define RK_CTX_DEV_H

#include "rk_link_dev.h"

#include "rk_tenant_dev.h"

RK_FN void rkd_ctx_header(rk_ctx *ctx, rk_abi_msg *h, rk_u32 dest, rk_u32 type, rk_u32 size)
{
  rk_block *b = rkd_block_of(ctx);
  h->id = ++b->next_id;
  h->correlation = ctx->msg != 0 ? ctx->msg->correlation : 0u;
  h->hlc = rkd_stamp(b);
  h->deadline = 0u;
  h->source = ctx->actor->id;
  h->dest = dest;
  h->type = type;
  h->checksum = 0u;
  h->size_bytes = size;
  h->flags = (rk_u16)b->ordered;
  h->priority = RK_PRIORITY_NORMAL;
  h->reason = (rk_u8)ctx->actor->tenant;
}

/* Gives a header what the message being handled came with. */
RK_FN void rkd_ctx_pass_header(const rk_ctx *ctx, rk_abi_msg *h)
{
  const rk_abi_msg *m = ctx->msg;
  h->id = m->id;
  h->correlation = m->correlation;
  h->hlc = m->hlc;
  h->deadline = m->deadline;
  h->source = m->source;
  h->flags = (rk_u16)(m->flags & (RK_MSG_REPLY | RK_MSG_TRIES_MASK));
  h->priority = m->priority;
}

RK_FN int rkd_dropped(rk_ctx *ctx, int code)
{
  ctx->actor->dropped += 1u;
  return code;
}

/* To the host. Room was made sure of before the handler ran, for `burst` messages. */
RK_FN int rkd_send_host(rk_ctx *ctx, const rk_abi_msg *h, const void *data)
{
  if (ctx->host_left == 0u) {
    return rkd_dropped(ctx, RK_EFULL);
  }
  if (h->size_bytes > ctx->def->emits) {
    return rkd_dropped(ctx, RK_ETOO_LARGE);
  }
  ctx->host_left -= 1u;
  ctx->actor->out_sent += 1u;
  rk_block *b = rkd_block_of(ctx);
  b->emptied = 1u;
  rkd_to_host(b, h, data);
  rkd_trace_sent(b, h);
  return 0;
}

/* The receiver has ended. `spare`: units that other messages of this handling count on. */
RK_SLOW_FN int rkd_send_dead(rk_ctx *ctx, const rk_abi_msg *h, const void *data, rk_u32 spare)
{
  int told = rkd_dead_letter(rkd_block_of(ctx), h, data, RK_DEAD_TERMINATED, spare);
  return rkd_dropped(ctx, told ? RK_ETERMINATED : RK_EFULL);
}

/* To an actor of the same block, with a credit in hand. */
RK_SLOW_FN int rkd_deliver_near(rk_ctx *ctx, rk_abi_actor *to, const rk_abi_msg *h,
                                const void *data, rk_u32 spare)
{
  rk_block *b = rkd_block_of(ctx);
  if (!rkd_near_put(b, to, h, data)) {
    rkd_near_give(b, to, 1u);
    return rkd_send_dead(ctx, h, data, spare);
  }
  rkd_trace_sent(b, h);
  return 0;
}

/* To one of another block, with a credit in hand, as number *ticket; or to one of this block that has
 * to go around. Returns 0 when the receiver is to be signalled, RK_BY_LANE when it need not be, RK_E*
 * when it was not sent. */
RK_HOT_FN int rkd_deliver(rk_ctx *ctx, rk_abi_actor *to, const rk_abi_msg *h, const void *data,
                          rk_u32 spare, rk_u64 *ticket)
{
  rk_block *b = rkd_block_of(ctx);
  b->emptied = 1u;
  if (!rkd_inbox_ticket(to, ticket)) {
    rkd_room_give(b, to, 1u);
    return rkd_send_dead(ctx, h, data, spare);
  }
  rkd_trace_sent(b, h); /* before another block can have handled it */
  int by_lane = rkd_lane_put(b, to, *ticket, h, data);
  if (!by_lane) {
    rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, *ticket), *ticket,
                     h, data);
  }
  return by_lane ? RK_BY_LANE : 0;
}

/* To an actor named by its reference: the credit is taken on the spot, and the receiver is
 * signalled at once. */
RK_FN int rkd_send_direct(rk_ctx *ctx, const rk_abi_msg *h, const void *data)
{
  rk_block *b = rkd_block_of(ctx);
  rk_abi_actor *to = rkd_receiver(b, h->dest);
  rk_u32 spare = ctx->def->reserve_units; /* nothing was reserved for this message */
  if (to == 0) {
    return rkd_send_dead(ctx, h, data, spare);
  }
  if (!rkd_may_send(b, ctx->actor, to)) {
    return rkd_refused(ctx, RK_ETENANT_MISMATCH, h, spare);
  }
  if (h->size_bytes + (rk_u32)sizeof(rk_abi_msg) > to->slot_bytes) {
    return rkd_dropped(ctx, RK_ETOO_LARGE);
  }
  if (rkd_credits_take(b, to, 1u, 1u) == 0u) {
    return rkd_dropped(ctx, RK_EFULL);
  }
  if (!rkd_has_allowance(b, ctx->actor)) {
    rkd_credits_give(b, to, 1u);
    return rkd_refused(ctx, RK_EDENIED, h, spare);
  }
  if (rkd_is_near(b, to)) {
    return rkd_deliver_near(ctx, to, h, data, spare);
  }
  rk_u64 ticket = 0u;
  int rc = rkd_deliver(ctx, to, h, data, spare, &ticket);
  if (rc == 0) {
    rkd_signal(b, to);
  }
  return rc == RK_BY_LANE ? 0 : rc;
}

RK_SLOW_FN int rkd_ctx_reply(rk_ctx *ctx, rk_u32 type, const void *data, rk_u32 size)
{
  rk_abi_msg h;
  if (ctx->member != 0u) {
    return 0;
  }
  if (ctx->msg == 0) {
    return RK_ENOT_FOUND;
  } /* start and stop handlers answer nobody */
  rkd_ctx_header(ctx, &h, ctx->msg->source, type, size);
  h.correlation = ctx->msg->correlation != 0u ? ctx->msg->correlation : ctx->msg->id;
  h.flags = (rk_u16)(h.flags | RK_MSG_REPLY);
  return h.dest == RK_ID_HOST ? rkd_send_host(ctx, &h, data) : rkd_send_direct(ctx, &h, data);
}

RK_SLOW_FN int rkd_ctx_send_to(rk_ctx *ctx, rk_u64 id, rk_u32 type, const void *data, rk_u32 size)
{
  rk_abi_msg h;
  if (ctx->member != 0u) {
    return 0;
  }
  rkd_ctx_header(ctx, &h, (rk_u32)id, type, size);
  if (id == RK_HOST_AS_SENT) {
    if (ctx->msg == 0) {
      return RK_ENOT_FOUND;
    }
    rkd_ctx_pass_header(ctx, &h);
    h.reason = ctx->msg->reason;
    h.dest = ctx->actor->id;
    h.flags = (rk_u16)(h.flags | RK_MSG_AS_SENT);
    return rkd_send_host(ctx, &h, data);
  }
  return h.dest == RK_ID_HOST ? rkd_send_host(ctx, &h, data) : rkd_send_direct(ctx, &h, data);
}

/* Through a port to an actor of the same block, where nothing stands against it: the message is made
 * where it will lie. Returns 0 when the long way has to say what becomes of it. */
RK_HOT_FN int rkd_port_near(rk_ctx *ctx, rk_abi_route *route, rk_abi_actor *to, rk_u32 type,
                            const void *data, rk_u32 size, int as_sent)
{
  rk_block *b = rkd_block_of(ctx);
  rk_abi_msg *h = rkd_near_next(to);
  if (h == 0 || route->credits == 0u || size + (rk_u32)sizeof(rk_abi_msg) > to->slot_bytes ||
      !rkd_may_send(b, ctx->actor, to) || !rkd_has_allowance(b, ctx->actor)) {
    return 0;
  }
  rkd_ctx_header(ctx, h, route->dest, type, size);
  if (as_sent) {
    rkd_ctx_pass_header(ctx, h);
  }
  rkd_copy_short(rkd_slot_payload(h), data, size);
  route->credits -= 1u;
  route->sent += 1u;
  rkd_trace_sent(b, h);
  rkd_near_commit(b, to, h);
  return 1;
}

RK_SLOW_FN int rkd_ctx_send_port(rk_ctx *ctx, rk_u32 port, rk_u32 type, const void *data,
                                 rk_u32 size)
{
  rk_block *b = rkd_block_of(ctx);
  int as_sent = (port & RK_AS_SENT) != 0u && ctx->msg != 0;
  if (ctx->member != 0u) {
    return 0;
  }
  port &= ~RK_AS_SENT;
  if (port >= ctx->def->port_count) {
    return rkd_dropped(ctx, RK_ENOT_FOUND);
  }
  rk_abi_route *route = RK_PTR(rk_abi_route, ctx->actor->routes) + port;
  if (route->dest == 0u) {
    return rkd_dropped(ctx, RK_ENOT_FOUND);
  }
  if (route->serial != ctx->serial) {
    route->serial = ctx->serial;
    route->used = 0u;
  }
  if (size > ctx->def->emits) {
    return rkd_dropped(ctx, RK_ETOO_LARGE);
  }
  if (route->used >= ctx->def->burst) {
    return rkd_dropped(ctx, RK_EFULL);
  }
  route->used += 1u;
  rk_abi_actor *to = rkd_receiver(b, route->dest);
  if (to != 0) {
    if (rkd_is_near(b, to) && rkd_port_near(ctx, route, to, type, data, size, as_sent)) {
      return 0;
    }
    rkd_fetch_inbox(b, to, route->next);
  }
  rk_abi_msg h;
  rkd_ctx_header(ctx, &h, route->dest, type, size);
  if (as_sent) {
    rkd_ctx_pass_header(ctx, &h);
  }
  rk_u32 spare = ctx->reserved != 0u ? 0u : ctx->def->reserve_units;
  if (to == 0) {
    return rkd_send_dead(ctx, &h, data, spare);
  }
  if (!rkd_may_send(b, ctx->actor, to)) {
    return rkd_refused(ctx, RK_ETENANT_MISMATCH, &h, spare);
  }
  if (size + (rk_u32)sizeof(rk_abi_msg) > to->slot_bytes) {
    return rkd_dropped(ctx, RK_ETOO_LARGE);
  }
  /* the receiver is full, or the port was connected without there being room */
  if (route->credits == 0u) {
    int over = rkd_link_over(ctx, route, &h, data, spare);
    if (over != RK_LINK_HELD) {
      return over;
    }
    rkd_trace_sent(b, &h);
    return 0;
  }
  if (!rkd_has_allowance(b, ctx->actor)) {
    return rkd_refused(ctx, RK_EDENIED, &h, spare);
  }
  route->credits -= 1u;
  rk_u64 ticket = 0u;
  int rc = rkd_deliver(ctx, to, &h, data, spare, &ticket);
  if (rc == 0 || rc == RK_BY_LANE) {
    route->sent += 1u;
    route->next = ticket + 1u;
  }
  if (rc == 0) {
    if (rkd_is_near(b, to)) {
      rkd_near_went_around(b, to);
    } else {
      rkd_route_signal(b, route);
    }
  }
  return rc == RK_BY_LANE ? 0 : rc;
}

/* Publishing goes through the host, which knows the subscribers. */
RK_SLOW_FN int rkd_ctx_publish(rk_ctx *ctx, const char *topic, rk_u32 type, const void *data,
                               rk_u32 size)
{
  rk_block *b = rkd_block_of(ctx);
  char text[RK_TOPIC_BYTES];
  rk_u32 n = 0;
  if (ctx->member != 0u) {
    return 0;
  }
  while (topic[n] != '\0' && n < RK_TOPIC_BYTES) {
    text[n] = topic[n];
    ++n;
  }
  if (n == 0u || n >= RK_TOPIC_BYTES) {
    return rkd_dropped(ctx, RK_EINVAL);
  }
  while (n < RK_TOPIC_BYTES) {
    text[n++] = '\0';
  }
  if (size > ctx->def->emits || size + RK_TOPIC_BYTES > RK_PAYLOAD_MAX_BYTES) {
    return rkd_dropped(ctx, RK_ETOO_LARGE);
  }
  if (ctx->host_left == 0u) {
    return rkd_dropped(ctx, RK_EFULL);
  }
  rk_abi_msg h;
  rkd_ctx_header(ctx, &h, RK_ID_HOST, type, size + RK_TOPIC_BYTES);
  if (!rkd_has_allowance(b, ctx->actor)) {
    return rkd_refused(ctx, RK_EDENIED, &h, ctx->def->reserve_units);
  }
  h.flags = (rk_u16)(h.flags | RK_MSG_PUBLISH);
  ctx->host_left -= 1u;
  ctx->actor->out_sent += 1u;
  rkd_ring_put(&b->tx, h.size_bytes, 0u, text, RK_TOPIC_BYTES);
  rkd_ring_put(&b->tx, h.size_bytes, RK_TOPIC_BYTES, data, size);
  rkd_ring_commit(&b->tx, &h);
  b->notify = 1u;
  rkd_trace_sent(b, &h);
  return 0;
}

RK_SLOW_FN rk_u64 rkd_ctx_now(rk_ctx *ctx, rk_u32 lane)
{
  if (lane != 0u || ctx->member != 0u) {
    return ctx->stamp;
  }
  /* who asks may be timing something: the clock itself, not what it said a moment ago */
  rkd_block_of(ctx)->now_us = rkd_clock_ns() / 1000u;
  return rkd_stamp(rkd_block_of(ctx));
}
RK_FN rk_u64 rkd_ctx_self(rk_ctx *ctx)
{
  return ctx->actor->id;
}
RK_FN rk_u64 rkd_ctx_sender(rk_ctx *ctx)
{
  return ctx->msg != 0 ? ctx->msg->source : 0u;
}
RK_FN rk_u64 rkd_ctx_sent_at(rk_ctx *ctx)
{
  return ctx->msg != 0 ? ctx->msg->hlc : 0u;
}
RK_FN void rkd_ctx_fail(rk_ctx *ctx, int code)
{
  rk_st_relaxed_gpu_u32(&ctx->lead->failed, code != 0 ? (rk_u32)code : (rk_u32)RK_EINVAL);
}
RK_FN void rkd_ctx_stop(rk_ctx *ctx)
{
  rk_st_relaxed_gpu_u32(&ctx->lead->stopping, 1u);
}

#endif
