/* SPDX-License-Identifier: MIT */
/*
 * Links: what becomes of a message when the receiver of a port has no room for it.
 *
 * A route carries a policy. With `block` the actor is handed nothing until there is room
 * (rk_k2k_dev.h), or until its deadline has passed: then the message goes to the dead letters. The
 * other policies never hold the sender: the message goes to the dead letters, or nowhere, or waits on
 * the link, in a buffer of `limit` slots that belongs to the route. What waits there goes to the
 * receiver before anything sent later, as its room comes back. When the buffer is full, `buffer`
 * refuses the newest message and `drop_oldest` forgets the oldest of those that wait on the link;
 * what is in the receiver's queue has been received and stays.
 *
 * Only the sender's block touches a route and its buffer, so there is nothing to agree on with the
 * receiver but credits. While something waits on a link the route has no credits in hand: a sender
 * need look at those alone to know whether the message may go straight through.
 */
#ifndef RK_LINK_DEV_H
#define RK_LINK_DEV_H

#include "rk_lane_dev.h"

#include "rk_near_dev.h"

#include "rk_tenant_dev.h"

#define RK_LINK_HELD 2 /* of rkd_link_over: it waits on the link */

RK_FN rk_abi_msg *rkd_link_slot(const rk_abi_route *route, rk_u64 position)
{
  return RK_PTR(rk_abi_msg, route->slots + (position % route->limit) * (rk_u64)route->slot_bytes);
}

RK_FN void rkd_route_give_back(rk_block *b, rk_abi_route *route)
{
  if (route->credits != 0u) {
    rk_abi_actor *to = rkd_actor(b, route->dest);
    if (to != 0) {
      rkd_credits_give(b, to, route->credits);
    }
    route->credits = 0u;
  }
}

/* The receiver of a message that went through this route, on another block, is to be looked at. */
RK_FN void rkd_route_signal(rk_block *b, rk_abi_route *route)
{
  if (route->dirty == 0u) {
    /* start and stop handlers of several actors */
    if (b->dirty_count == RK_PORTS_MAX) {
      rkd_flush(b);
    }
    route->dirty = 1u;
    b->dirty[b->dirty_count++] = (rk_u64)(rk_uptr)route;
  }
}

/* Whether the sender has to wait for this route. A deadline that has passed lets it go on until a
 * message has been given up for it (rkd_link_over). */
RK_SLOW_FN int rkd_link_waits(rk_abi_route *route)
{
  if (route->policy != RK_LINK_BLOCK) {
    return 0;
  }
  rk_u64 now = rkd_clock_ns();
  if (route->stalled_ns == 0u) {
    route->stalled_ns = now != 0u ? now : 1u;
    route->stalls += 1u;
  }
  return route->deadline_ns == 0u || now < route->stalled_ns + route->deadline_ns;
}

/* What is on the link's buffer goes to its receiver as far as that has room, or to the dead letters
 * when it has ended, as far as the ring to the host has room beyond `spare` units. Returns 1 when
 * nothing is left. */
RK_SLOW_FN int rkd_link_flush(rk_block *b, rk_abi_actor *a, rk_abi_route *route, rk_u32 spare)
{
  rk_abi_actor *to = rkd_actor(b, route->dest);
  rk_u32 dead = RK_DEAD_TERMINATED;
  while (route->head != route->tail) {
    rk_abi_msg *m = rkd_link_slot(route, route->head);
    rk_u64 ticket = 0u;
    if (to != 0 && !rkd_may_send(b, a, to)) { /* not any more */
      dead = RK_DEAD_TENANT;
      rkd_route_give_back(b, route);
      to = (rk_abi_actor *)0;
    }
    if (to != 0 && route->credits == 0u) {
      rk_u32 got = rkd_credits_take(b, to, 1u, route->chunk);
      if (got == 0u && rkd_room_wanted(b, to, 1u)) {
        got = rkd_credits_take(b, to, 1u, route->chunk);
      }
      if (got == 0u) {
        return 0;
      }
      route->credits = got;
    }
    int is_near = to != 0 && rkd_is_near(b, to);
    if (to != 0 &&
        (is_near ? !rkd_near_put(b, to, m, rkd_slot_payload(m)) : !rkd_inbox_ticket(to, &ticket))) {
      rkd_route_give_back(b, route);
      to = (rk_abi_actor *)0;
    }
    if (to != 0) {
      route->credits -= 1u;
      route->sent += 1u;
      if (!is_near && !rkd_lane_put(b, to, ticket, m, rkd_slot_payload(m))) {
        rkd_slot_publish(rkd_slot(to->kernel_slots, to->kernel_mask, to->slot_bytes, ticket),
                         ticket, m, rkd_slot_payload(m));
        rkd_route_signal(b, route);
      }
    } else if (rkd_dead_letter(b, m, rkd_slot_payload(m), dead, spare)) {
      route->dead += 1u;
    } else {
      return 0;
    }
    route->head += 1u;
    a->held -= 1u;
  }
  return 1;
}

/* All links of an actor. */
RK_SLOW_FN void rkd_links_flush(rk_block *b, rk_abi_actor *a, const rk_abi_def *def)
{
  for (rk_u32 p = 0; p < def->port_count; ++p) {
    rk_abi_route *route = RK_PTR(rk_abi_route, a->routes) + p;
    if (route->head != route->tail) {
      (void)rkd_link_flush(b, a, route, def->reserve_units);
    }
  }
}

/* The link ends: what its receiver has no room for goes to the dead letters. Returns 0 when the ring
 * to the host is full before all of it was moved. */
RK_SLOW_FN int rkd_link_end(rk_block *b, rk_abi_actor *a, rk_abi_route *route, rk_u32 spare)
{
  (void)rkd_link_flush(b, a, route, spare);
  while (route->head != route->tail) {
    rk_abi_msg *m = rkd_link_slot(route, route->head);
    if (!rkd_dead_letter(b, m, rkd_slot_payload(m), RK_DEAD_FULL, spare)) {
      return 0;
    }
    route->dead += 1u;
    route->head += 1u;
    a->held -= 1u;
  }
  rkd_route_give_back(b, route);
  return 1;
}

RK_SLOW_FN int rkd_links_end(rk_block *b, rk_abi_actor *a, const rk_abi_def *def, rk_u32 spare)
{
  for (rk_u32 p = 0; p < def->port_count; ++p) {
    rk_abi_route *route = RK_PTR(rk_abi_route, a->routes) + p;
    if (route->head != route->tail && !rkd_link_end(b, a, route, spare)) {
      return 0;
    }
  }
  return 1;
}

/* A message for which the route has no credit: what its policy says. Returns RK_LINK_HELD, or
 * RK_EFULL when the message will not reach the receiver. */
RK_SLOW_FN int rkd_link_over(rk_ctx *ctx, rk_abi_route *route, const rk_abi_msg *h,
                             const void *data, rk_u32 spare)
{
  rk_block *b = rkd_block_of(ctx);
  rk_abi_actor *a = ctx->actor;
  int is_late = route->policy == RK_LINK_BLOCK && route->deadline_ns != 0u && ctx->reserved != 0u;
  if (route->policy == RK_LINK_BUFFER || route->policy == RK_LINK_DROP_OLDEST) {
    if (h->size_bytes + (rk_u32)sizeof(rk_abi_msg) > route->slot_bytes) {
      a->dropped += 1u;
      return RK_ETOO_LARGE; /* of a definition that came with a reload */
    }
    if (route->tail - route->head >= route->limit) {
      route->dropped += 1u;
      a->dropped += 1u;
      if (route->policy == RK_LINK_BUFFER) {
        return RK_EFULL;
      }
      route->head += 1u;
      a->held -= 1u;
    }
    rk_abi_msg *slot = rkd_link_slot(route, route->tail);
    *slot = *h;
    rkd_copy(rkd_slot_payload(slot), data, h->size_bytes);
    route->tail += 1u;
    a->held += 1u;
    if (route->tail - route->head > route->high) {
      route->high = (rk_u32)(route->tail - route->head);
    }
    rkd_run_push(b, a);
    return RK_LINK_HELD;
  }
  a->dropped += 1u;
  if ((route->policy == RK_LINK_DEAD_LETTER || is_late) &&
      rkd_dead_letter(b, h, data, RK_DEAD_FULL, spare)) {
    route->dead += 1u;
    route->stalled_ns = 0u; /* the next message has its own time */
  } else {
    route->dropped += route->policy != RK_LINK_BLOCK || is_late ? 1u : 0u;
  }
  return RK_EFULL;
}

#endif
