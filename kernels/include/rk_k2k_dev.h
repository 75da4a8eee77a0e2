/* SPDX-License-Identifier: MIT */
/*
 * Credits: an actor is handed a message only when everything its handler may send has room.
 *
 * Room is reserved on each connected port out of the receiver's capacity, `chunk` credits at a
 * time, so a full receiver stops its senders, and through them theirs, without a block ever waiting
 * inside a handler. An actor that cannot reserve everything gives back all credits it holds: nobody
 * holds one receiver's room while waiting for another's, so reservations cannot deadlock. Links of
 * other policies than `block` never hold their sender; see rk_link_dev.h.
 */
#ifndef RK_K2K_DEV_H
#define RK_K2K_DEV_H

#include "rk_ctx_dev.h"

RK_SLOW_FN void rkd_routes_give_back(rk_block *b, const rk_abi_actor *a, const rk_abi_def *def)
{
  for (rk_u32 p = 0; p < def->port_count; ++p) {
    rkd_route_give_back(b, RK_PTR(rk_abi_route, a->routes) + p);
  }
}

/* Re-reads how many messages the host's user took; asks to be woken when it is not enough. The
 * count orders nothing; the fence is the partner of the one in runtime/receive.c. */
RK_SLOW_FN int rkd_host_takes(rk_block *b, rk_abi_actor *a, rk_u32 slot, const rk_abi_def *def)
{
  rk_abi_link *link = rkd_link(b, slot);
  for (rk_u32 asked = 0; asked < 2u; ++asked) {
    a->out_acked = rk_ld_relaxed_sys_u64(&link->out_taken);
    if (a->out_sent + def->burst - a->out_acked <= a->out_limit_msgs) {
      rk_st_relaxed_sys_u32(&link->out_wanted, 0u);
      return 1;
    }
    if (asked == 0u) {
      rk_st_relaxed_sys_u32(&link->out_wanted, 1u);
      rk_fence_seq_cst();
    }
  }
  return 0;
}

/* Whether actor `a` may be handed a message now; reserves what its handler may send. */
RK_FN int rkd_reserve(rk_block *b, rk_abi_actor *a, rk_u32 slot, const rk_abi_def *def)
{
  if (def->emits != 0u && a->out_sent + def->burst - a->out_acked > a->out_limit_msgs &&
      !rkd_host_takes(b, a, slot, def)) {
    rkd_routes_give_back(b, a, def);
    return 0;
  }
  if (rkd_ring_free(&b->tx, def->reserve_units) < def->reserve_units) {
    rkd_routes_give_back(b, a, def);
    return 0;
  }
  for (rk_u32 p = 0; p < def->port_count; ++p) {
    rk_abi_route *route = RK_PTR(rk_abi_route, a->routes) + p;
    if (route->dest == 0u || route->credits >= def->burst) {
      continue;
    }
    rk_abi_actor *to = rkd_receiver(b, route->dest);
    if (to == 0 || !rkd_may_send(b, a, to)) {
      continue;
    } /* ended, or another tenant's: a send will say so */
    if (route->head != route->tail) {
      continue;
    } /* what is sent now waits behind that */
    b->emptied = 1u;
    rkd_fetch_inbox(b, to, route->next);
    rk_u32 least = route->policy == RK_LINK_BLOCK ? def->burst - route->credits : 1u;
    rk_u32 most = route->chunk > least ? route->chunk : least;
    rk_u32 got = rkd_credits_take(b, to, least, most);
    if (got == 0u && rkd_room_wanted(b, to, least)) {
      got = rkd_credits_take(b, to, least, most);
    }
    if (got == 0u && rkd_link_waits(route)) {
      rkd_routes_give_back(b, a, def);
      return 0;
    }
    if (got != 0u) {
      route->credits += got;
      route->stalled_ns = 0u;
    }
  }
  return 1;
}

/* After a handling: routes whose receiver is small keep nothing in hand. */
RK_FN void rkd_release_small(rk_block *b, const rk_abi_actor *a, const rk_abi_def *def)
{
  for (rk_u32 p = 0; p < def->port_count; ++p) {
    rk_abi_route *route = RK_PTR(rk_abi_route, a->routes) + p;
    if (route->chunk <= def->burst) {
      rkd_route_give_back(b, route);
    }
  }
}

#endif
