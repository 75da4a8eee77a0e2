/* SPDX-License-Identifier: MIT */
/*
 * Ports in a checkpoint: where they lead, what their links do, and what waits on these.
 *
 * What waits on a link lies in a buffer that belongs to its sender, so it is part of its sender's
 * section. Links have to be there before anything can be put back on them, and tying one takes
 * commands to its block. So a restore with such messages stops the grid a second time, when the
 * ports have been tied and the actors do not work yet.
 */
#include "runtime/checkpoint.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "runtime/restore.h"

/* ---- saving ---------------------------------------------------------------------------------- */

static int no_memory(const char *what, rk_error *err)
{
  return rk_error_set(err, RK_EOUT_OF_MEMORY, "%s: out of memory", what);
}

static bool has_links(const rk_actor *actor)
{
  for (uint32_t i = 0; i < actor->loaded->def.port_count; ++i) {
    if (actor->ports[i].dest != 0) {
      return true;
    }
  }
  return false;
}

/* The routes of all its ports; zeroed where none is tied. */
static int read_routes(const rk_still *still, const rk_actor *actor, rk_abi_route *routes,
                       rk_error *err)
{
  rk_runtime *rt = still->rt;
  size_t bytes = actor->loaded->def.port_count * sizeof(*routes);
  memset(routes, 0, RK_PORTS_MAX * sizeof(*routes));
  return has_links(actor) ? rt->ops->device_read(rt->backend, routes,
                                                 still->actors[actor->slot].routes, bytes, err)
                          : RK_OK;
}

/* Copies what waits on a link, oldest first, in slots of route->slot_bytes. */
static int read_waiting(rk_runtime *rt, const rk_abi_route *route, rk_bytes *scratch, rk_error *err)
{
  int rc = RK_OK;
  scratch->size = 0;
  for (uint64_t at = route->head; at != route->tail && rc == RK_OK;) {
    uint64_t first = at % route->limit, left = route->tail - at;
    uint64_t n = left < route->limit - first ? left : route->limit - first;
    unsigned char *room = rk_bytes_room(scratch, (size_t)n * route->slot_bytes);
    rc = room != NULL
             ? rt->ops->device_read(rt->backend, room, route->slots + first * route->slot_bytes,
                                    (size_t)n * route->slot_bytes, err)
             : no_memory("checkpoint", err);
    at += n;
  }
  for (uint64_t i = 0; i < route->tail - route->head && rc == RK_OK; ++i) {
    rk_abi_msg header;
    memcpy(&header, scratch->data + i * route->slot_bytes, sizeof(header));
    if (header.size_bytes + sizeof(header) > route->slot_bytes) {
      rc = rk_error_set(err, RK_ECORRUPT, "checkpoint: a link of the grid is broken");
    }
  }
  return rc;
}

/* All of a port but what waits. */
static void save_port(rk_runtime *rt, rk_bytes *out, const rk_link_stats *port, uint32_t credits,
                      bool is_host)
{
  const rk_actor *dest = rk__registry_by_reference(rt, (uint32_t)port->to);
  rk_bytes_text(out, port->port);
  rk_bytes_text(out, dest != NULL ? dest->name : "");
  rk_bytes_u8(out, is_host);
  rk_bytes_u32(out, (uint32_t)port->policy);
  rk_bytes_u32(out, port->limit);
  rk_bytes_u32(out, credits);
  rk_bytes_u64(out, port->deadline_ns);
  rk_bytes_u64(out, port->sent);
  rk_bytes_u64(out, port->high);
  rk_bytes_u64(out, port->stalls);
  rk_bytes_u64(out, port->dropped);
  rk_bytes_u64(out, port->dead);
}

int rk__save_ports(const rk_still *still, const rk_actor *actor, rk_bytes *out, rk_bytes *scratch,
                   uint64_t *waiting, rk_error *err)
{
  rk_abi_route routes[RK_PORTS_MAX];
  const rk_backend_def *def = &actor->loaded->def;
  const rk_mailbox *box = NULL;
  size_t count_at = out->size;
  uint32_t ports = def->port_count;
  rk_link_stats said;
  int rc = read_routes(still, actor, routes, err);
  rk_bytes_u32(out, 0u);
  for (uint32_t i = 0; i < def->port_count && rc == RK_OK; ++i) {
    const rk_abi_route *route = &routes[i];
    const rk_port *port = &actor->ports[i];
    uint64_t count = route->tail - route->head;
    said = (rk_link_stats){.port = def->ports[i],
                           .to = port->dest,
                           .policy = (rk_link_kind)port->policy,
                           .limit = port->limit,
                           .deadline_ns = port->deadline_ns,
                           .sent = route->sent,
                           .high = route->high,
                           .stalls = route->stalls,
                           .dropped = route->dropped,
                           .dead = route->dead};
    save_port(still->rt, out, &said, port->credits, false);
    rk_bytes_u32(out, (uint32_t)count);
    rc = read_waiting(still->rt, route, scratch, err);
    for (uint64_t k = 0; k < count && rc == RK_OK; ++k) {
      const unsigned char *slot = scratch->data + k * route->slot_bytes;
      rk_abi_msg header;
      memcpy(&header, slot, sizeof(header));
      rk__save_message(still->rt, out, &header, slot + sizeof(header), actor->id);
    }
    *waiting += count;
  }
  for (size_t i = 0; rk__host_link_at(actor, i, &said, &box); ++i) {
    save_port(still->rt, out, &said, 0u, true);
    rk__save_mailbox(still->rt, out, box, actor->id);
    *waiting += said.waiting;
    ++ports;
  }
  rk_bytes_u32_at(out, count_at, ports);
  return rc;
}

/* Those of its links that are the host's. */
static int save_ended_boxes(const rk_still *still, const rk_actor *actor, rk_bytes *out,
                            uint32_t *count)
{
  const rk_mailbox *box = NULL;
  rk_link_stats said;
  rk_received m;
  for (size_t i = 0; rk__host_link_at(actor, i, &said, &box); ++i) {
    for (size_t k = 0; rk_mailbox_peek(box, k, &m, NULL); ++k) {
      rk_abi_msg header;
      memcpy(&header, (const unsigned char *)m.data - sizeof(header), sizeof(header));
      header.flags = (uint16_t)(header.flags | RK_MSG_DEAD);
      header.reason = RK_DEAD_FULL;
      rk__save_message(still->rt, out, &header, m.data, RK_ID_HOST);
      *count += 1u;
    }
  }
  return RK_OK;
}

int rk__save_ended_links(const rk_still *still, const rk_actor *actor, rk_bytes *out,
                         rk_bytes *scratch, uint32_t *count, rk_error *err)
{
  rk_abi_route routes[RK_PORTS_MAX];
  int rc = read_routes(still, actor, routes, err);
  for (uint32_t i = 0; i < actor->loaded->def.port_count && rc == RK_OK; ++i) {
    const rk_abi_route *route = &routes[i];
    rc = read_waiting(still->rt, route, scratch, err);
    for (uint64_t k = 0; k < route->tail - route->head && rc == RK_OK; ++k) {
      const unsigned char *slot = scratch->data + k * route->slot_bytes;
      rk_abi_msg header;
      memcpy(&header, slot, sizeof(header));
      header.flags = (uint16_t)(header.flags | RK_MSG_DEAD);
      header.reason = RK_DEAD_FULL;
      rk__save_message(still->rt, out, &header, slot + sizeof(header), RK_ID_HOST);
      *count += 1u;
    }
  }
  return rc == RK_OK ? save_ended_boxes(still, actor, out, count) : rc;
}

/* ---- comparing and preparing ----------------------------------------------------------------- */

/* Where a port led, if that is alive here. */
static rk_actor *dest_of(const rk_restore_target *t, const rk_saved_port *port)
{
  return port->dest[0] != '\0' ? rk_namemap_get(t->actor->rt->by_name, port->dest) : NULL;
}

static uint32_t stride(const rk_actor *actor)
{
  uint32_t emits = actor->loaded->def.emit_bytes;
  return RK_LINK_SLOT_BYTES(emits != 0 ? emits : 1u);
}

int rk__links_prepare(rk_restore_target *t, rk_error *err)
{
  t->links = rk_calloc(t->saved->port_count + 1u, sizeof(*t->links));
  if (t->links == NULL) {
    return no_memory("restore", err);
  }
  for (uint32_t i = 0; i < t->saved->port_count; ++i) {
    const rk_saved_port *port = &t->saved->ports[i];
    uint32_t index = 0;
    const rk_actor *to = dest_of(t, port);
    if (port->is_host) {
      continue; /* rk_restore_links */
    }
    if (port->dest[0] != '\0') {
      int rc = rk__route_check(t->actor, port->name, to, &index, err);
      if (rc != RK_OK) {
        (void)rk_error_prefix(err, "restore '%s'", t->actor->name);
        return rc;
      }
    }
    if (to == NULL || port->waiting.count == 0) {
      continue;
    }
    size_t slot_bytes = stride(t->actor); /* a link that stays may have been made for larger ones */
    if (t->actor->ports[index].slot_bytes > slot_bytes) {
      slot_bytes = t->actor->ports[index].slot_bytes;
    }
    for (uint32_t k = 0; k < port->waiting.count; ++k) {
      uint32_t bytes = port->waiting.messages[k].header.size_bytes;
      if (bytes + sizeof(rk_abi_msg) > stride(t->actor)) {
        return rk_error_set(err, RK_ECORRUPT,
                            "restore '%s': a message of %u bytes that waits on its link '%s' is "
                            "none that it emits",
                            t->actor->name, bytes, port->name);
      }
    }
    t->links[i] = rk_alloc_aligned(64, port->waiting.count * slot_bytes);
    if (t->links[i] == NULL) {
      return no_memory("restore", err);
    }
  }
  return RK_OK;
}

void rk__links_drop(rk_restore_target *t)
{
  for (uint32_t i = 0; t->links != NULL && i < t->saved->port_count; ++i) {
    rk_free(t->links[i]);
  }
  rk_free(t->links);
  t->links = NULL;
}

/* ---- what is replaced ------------------------------------------------------------------------ */

int rk__links_clear(const rk_still *still, const rk_restore_target *t, rk_error *err)
{
  static const rk_u64 none[2] = {0, 0}; /* head, tail */
  rk_runtime *rt = still->rt;
  rk_abi_route routes[RK_PORTS_MAX];
  rk_bytes scratch = {0};
  int rc = read_routes(still, t->actor, routes, err);
  for (uint32_t i = 0; i < t->actor->loaded->def.port_count && rc == RK_OK; ++i) {
    const rk_abi_route *route = &routes[i];
    if (route->head == route->tail) {
      continue;
    }
    if (rk_idmap_count(rt->calls) != 0) {
      rc = read_waiting(rt, route, &scratch, err);
    }
    for (uint64_t k = 0; k < route->tail - route->head && scratch.size != 0 && rc == RK_OK; ++k) {
      rk_abi_msg header;
      memcpy(&header, scratch.data + k * route->slot_bytes, sizeof(header));
      rk__call_dead(rt, &header, RK_DEAD_TERMINATED);
    }
    scratch.size = 0;
    if (rc == RK_OK) {
      rc = rt->ops->device_write(rt->backend,
                                 still->actors[t->actor->slot].routes + i * sizeof(*route) +
                                     offsetof(rk_abi_route, head),
                                 none, sizeof(none), err);
    }
  }
  rk_bytes_close(&scratch);
  return rc;
}

/* ---- putting back ---------------------------------------------------------------------------- */

rk_link_options rk__saved_link(const rk_saved_port *port)
{
  return (rk_link_options){.policy = (rk_link_kind)port->policy,
                           .limit = port->limit,
                           .deadline_ns = port->deadline_ns,
                           .credits = port->credits};
}

int rk__links_tie(const rk_restore_target *t, rk_restore_info *info, rk_error *err)
{
  rk_runtime *rt = t->actor->rt;
  int rc = RK_OK;
  for (uint32_t i = 0; i < t->saved->port_count && rc == RK_OK; ++i) {
    const rk_saved_port *port = &t->saved->ports[i];
    const rk_link_options options = rk__saved_link(port);
    uint32_t index = 0;
    rk_actor *to = dest_of(t, port);
    info->unconnected += port->dest[0] != '\0' && to == NULL;
    if (port->is_host || rk__route_check(t->actor, port->name, NULL, &index, NULL) != RK_OK) {
      continue; /* the host's; it led nowhere: rk__links_prepare */
    }
    rk_actor *now = rk__registry_by_reference(rt, t->actor->ports[index].dest);
    if (now == to && (to == NULL || rk__route_is(t->actor, index, &options))) {
      continue;
    }
    if (now != NULL) {
      rc = rk_runtime_disconnect(rt, t->actor, port->name, err);
    }
    if (rc == RK_OK && to != NULL) {
      rc = rk_runtime_link(rt, t->actor, port->name, to, &options, err);
    }
  }
  return rc;
}

/* Something to put into a route. */
static bool is_used(const rk_saved_port *port)
{
  return !port->is_host && (port->waiting.count != 0 || port->sent != 0 || port->stalls != 0 ||
                            port->dropped != 0 || port->dead != 0);
}

/* Number of the port, if it is tied to where it led. */
static bool find_tied(const rk_restore_target *t, const rk_saved_port *port, uint32_t *index)
{
  const rk_actor *to = port->is_host ? NULL : dest_of(t, port);
  return to != NULL && rk__route_check(t->actor, port->name, NULL, index, NULL) == RK_OK &&
         t->actor->ports[*index].dest == to->id;
}

/* Writes the slots of what waits and sets the route accordingly. */
static int put_link(const rk_restore *r, const rk_restore_target *t, uint32_t i,
                    rk_abi_route *route, rk_error *err)
{
  const rk_saved_port *port = &t->saved->ports[i];
  const rk_saved_queue *queue = &port->waiting;
  rk_runtime *rt = t->actor->rt;
  size_t bytes = (size_t)queue->count * route->slot_bytes;
  route->head = 0;
  route->tail = queue->count;
  route->stalled_ns = 0;
  route->high = (uint32_t)port->high;
  route->sent = port->sent;
  route->stalls = port->stalls;
  route->dropped = port->dropped;
  route->dead = port->dead;
  if (bytes == 0) {
    return RK_OK;
  }
  memset(t->links[i], 0, bytes);
  for (uint32_t k = 0; k < queue->count; ++k) {
    const rk_saved_message *m = &queue->messages[k];
    rk_abi_msg header = rk__restore_header(r, m, t->actor);
    unsigned char *slot = t->links[i] + (size_t)k * route->slot_bytes;
    memcpy(slot, &header, sizeof(header));
    if (header.size_bytes != 0) {
      memcpy(slot + sizeof(header), m->data, header.size_bytes);
    }
  }
  return rt->ops->device_write(rt->backend, route->slots, t->links[i], bytes, err);
}

static int put_links(const rk_restore *r, const rk_still *still, const rk_restore_target *t,
                     rk_error *err)
{
  rk_runtime *rt = still->rt;
  rk_abi_route routes[RK_PORTS_MAX];
  const uint64_t place = rt->actors + t->actor->slot * sizeof(rk_abi_actor);
  rk_u64 held = 0;
  int rc = rk__still_has(still, t->actor) ? read_routes(still, t->actor, routes, err) : RK_OK;
  if (!rk__still_has(still, t->actor) || !has_links(t->actor)) {
    return rc;
  }
  for (uint32_t i = 0; i < t->saved->port_count && rc == RK_OK; ++i) {
    uint32_t index = 0;
    if (find_tied(t, &t->saved->ports[i], &index)) {
      rc = put_link(r, t, i, &routes[index], err);
      held += t->saved->ports[i].waiting.count;
    }
  }
  if (rc == RK_OK) {
    rc = rt->ops->device_write(rt->backend, still->actors[t->actor->slot].routes, routes,
                               t->actor->loaded->def.port_count * sizeof(*routes), err);
  }
  return rc != RK_OK ? rc
                     : rt->ops->device_write(rt->backend, place + offsetof(rk_abi_actor, held),
                                             &held, sizeof(held), err);
}

/* What waited for an actor that is neither saved nor alive. */
static void bury(const rk_restore *r, const rk_saved_port *port, const rk_actor *self)
{
  for (uint32_t k = 0; k < port->waiting.count; ++k) {
    const rk_saved_message *m = &port->waiting.messages[k];
    rk_abi_msg header = rk__restore_header(r, m, self);
    rk__dead_letter(r->rt, &header, m->data, RK_DEAD_TERMINATED);
  }
}

int rk__links_put(rk_restore *r, rk_restore_info *info, rk_error *err)
{
  rk_still still;
  rk_error second = RK_ERROR_INIT;
  uint64_t pause_ns = 0;
  bool is_needed = false;
  for (size_t i = 0; i < r->chain.actor_count; ++i) {
    const rk_saved_actor *saved = r->targets[i].saved;
    for (uint32_t k = 0; k < saved->port_count; ++k) {
      is_needed = is_needed || is_used(&saved->ports[k]);
      info->messages += saved->ports[k].waiting.count;
      if (!saved->ports[k].is_host && dest_of(&r->targets[i], &saved->ports[k]) == NULL) {
        bury(r, &saved->ports[k], r->targets[i].actor);
      }
    }
  }
  int rc = is_needed ? rk__still_begin(r->rt, &still, err) : RK_OK;
  if (!is_needed || rc != RK_OK) {
    return rc;
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    rc = put_links(r, &still, &r->targets[i], err);
  }
  int back = rk__still_end(&still, &pause_ns, &second);
  info->pause_ns += pause_ns;
  if (rc == RK_OK && back != RK_OK) {
    rc = rk_error_set(err, back, "%s", second.text);
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    const rk_restore_target *t = &r->targets[i];
    for (uint32_t k = 0; k < t->saved->port_count && rc == RK_OK; ++k) {
      uint32_t index = 0;
      /* its block has nothing else to look at it for, if it does not work */
      if (t->saved->ports[k].waiting.count != 0 && find_tied(t, &t->saved->ports[k], &index)) {
        rc = rk__route_again(t->actor, index, err);
      }
    }
  }
  return rc;
}

/* ---- links of the host ----------------------------------------------------------------------- */

static bool fill_box(const rk_restore *r, const rk_saved_port *port, const rk_actor *self,
                     rk_mailbox *box)
{
  for (uint32_t k = 0; k < port->waiting.count; ++k) {
    rk_abi_msg header = rk__restore_header(r, &port->waiting.messages[k], self);
    if (!rk_mailbox_push(box, &header, port->waiting.messages[k].data)) {
      return false;
    }
  }
  return true;
}

int rk_restore_links(rk_restore *r, size_t i, rk_error *err)
{
  const rk_saved_actor *saved = i < r->chain.actor_count ? &r->actors[i] : NULL;
  rk_actor *actor = saved != NULL ? rk_namemap_get(r->rt->by_name, saved->name) : NULL;
  int rc = rk__runtime_check(r->rt, err);
  if (rc != RK_OK || actor == NULL) {
    return rc != RK_OK ? rc : rk_error_set(err, RK_ENOT_FOUND, "restore: no such actor");
  }
  for (uint32_t k = 0; k < saved->port_count && rc == RK_OK; ++k) {
    const rk_saved_port *port = &saved->ports[k];
    const rk_actor *to = port->dest[0] != '\0' ? rk_namemap_get(r->rt->by_name, port->dest) : NULL;
    const rk_link_stats counts = {.sent = port->sent,
                                  .high = port->high,
                                  .stalls = port->stalls,
                                  .dropped = port->dropped,
                                  .dead = port->dead};
    rk_mailbox box = {0};
    if (!port->is_host) {
      continue;
    }
    if (!fill_box(r, port, actor, &box)) {
      rc = no_memory("restore", err);
    } else if (to == NULL || !rk__host_link_put(actor, port->name, to->id, &counts, &box)) {
      bury(r, port, actor);
    }
    rk_mailbox_close(&box);
  }
  return rc;
}
