/* SPDX-License-Identifier: MIT */
/*
 * Routes: ports of actors tied to receivers.
 *
 * The host chooses how many credits a route may hold in hand (`chunk`): up to 32, as long as all
 * routes into one receiver together hold at most half of its queue and leave enough for the largest
 * burst that is tied to it; past that, one burst, which is given back after each handling. Asked for
 * n credits, a link takes n / 2 at a time.
 *
 * What becomes of messages for which there is no room is the route's policy, which the sender's
 * block carries out (rk_link_dev.h); the buffer some of them need is made here.
 */
#include "runtime/tenant.h"

#include <string.h>

#define CHUNK_MAX 32u
#define LIMIT_DEFAULT 1024u

static int find_port(const rk_actor *from, const char *port, uint32_t *index, rk_error *err)
{
  for (uint32_t i = 0; i < from->loaded->def.port_count; ++i) {
    if (strcmp(from->loaded->def.ports[i], port) == 0) {
      *index = i;
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_ENOT_FOUND, "actor '%s' (kernel '%s') has no port '%s'", from->name,
                      from->kernel->name, port);
}

bool rk__have_a_type_in_common(const rk_loaded *from, const rk_loaded *to)
{
  uint32_t size = 0;
  for (uint32_t i = 0; i < from->def.emit_count; ++i) {
    if (rk__loaded_accepts(to, from->def.emits[i], &size)) {
      return true;
    }
  }
  return false;
}

/* Credits that an idle route keeps in hand (rkd_release_small). */
static uint32_t hoarded(const rk_actor *from, const rk_port *port)
{
  return port->chunk > from->loaded->def.burst ? port->chunk : 0;
}

static void forget(rk_actor *from, rk_port *port)
{
  rk_actor *old = rk__registry_by_reference(from->rt, port->dest);
  if (old != NULL) {
    old->hoard -= hoarded(from, port);
  }
  *port = (rk_port){0};
}

void rk__routes_forget(rk_actor *actor)
{
  for (uint32_t i = 0; i < actor->loaded->def.port_count; ++i) {
    forget(actor, &actor->ports[i]);
  }
}

/* Commands about a route whose link holds messages: its block moves them as far as there is room in
 * its ring to us, which we empty while we wait for the answer. */
static int command_route(rk_actor *from, const rk_abi_command *command, rk_error *err)
{
  int rc = RK_OK;
  do {
    rk_abi_response answer = {0};
    rc = rk__command(from->rt, from->block, from->id, command, &answer, err);
    if (answer.cmd_id == 0) {
      break; /* it never answered */
    }
  } while (rc == RK_EFULL);
  return rc;
}

static int tie_port(rk_actor *from, uint32_t index, rk_actor *to, const rk_port *want,
                    rk_error *err)
{
  rk_port *port = &from->ports[index];
  rk_abi_command command = {
      .code = RK_CMD_CONNECT_PORT,
      .flags = want->policy,
      .param1 = from->slot,
      .param2 = index,
      .param3 = to->id,
      .address = want->buffer,
      .bytes = (uint64_t)want->limit << 32 | want->chunk,
      .reserved = want->deadline_ns,
  };
  int rc = command_route(from, &command, err);
  if (rc == RK_OK) {
    forget(from, port);
    *port = *want;
    to->hoard += hoarded(from, port);
  }
  return rc;
}

/* Makes all routes into `to` keep nothing while they are idle: a new one's burst needs the room. */
static int end_hoards(rk_runtime *rt, rk_actor *to, rk_error *err)
{
  int rc = RK_OK;
  for (uint32_t slot = 0; slot < rt->slot_high && to->hoard != 0 && rc == RK_OK; ++slot) {
    rk_actor *from = rt->by_slot[slot];
    if (from == NULL) {
      continue;
    }
    rk_actor_retain(from); /* it may end while the command is under way */
    for (uint32_t i = 0; i < from->loaded->def.port_count && rc == RK_OK; ++i) {
      if (from->ports[i].dest != to->id || hoarded(from, &from->ports[i]) == 0) {
        continue;
      }
      rk_port small = from->ports[i];
      small.chunk = from->loaded->def.burst;
      rc = tie_port(from, i, to, &small, err);
      if (from->life == RK_STATE_TERMINATED) {
        rc = RK_OK;
      }
    }
    rk_actor_release(from);
  }
  return rc;
}

/* Whether a port may lead to that receiver at all. */
static int check_fit(const rk_actor *from, const char *port, const rk_actor *to, rk_error *err)
{
  if (!rk__have_a_type_in_common(from->loaded, to->loaded)) {
    return rk_error_set(err, RK_EINVAL,
                        "connect '%s.%s' to '%s': it accepts no message type that '%s' emits",
                        from->name, port, to->name, from->kernel->name);
  }
  uint32_t burst = from->loaded->def.burst;
  if (burst > to->queue) {
    return rk_error_set(
        err, RK_EINVAL,
        "connect '%s.%s' to '%s': its queue of %u messages is smaller than the burst of %u",
        from->name, port, to->name, to->queue, burst);
  }
  return RK_OK;
}

int rk__route_check(const rk_actor *from, const char *port, const rk_actor *to, uint32_t *index,
                    rk_error *err)
{
  int rc = find_port(from, port, index, err);
  return rc == RK_OK && to != NULL ? check_fit(from, port, to, err) : rc;
}

void rk__routes_count(rk_actor *actor, bool counts)
{
  for (uint32_t i = 0; i < actor->loaded->def.port_count; ++i) {
    rk_actor *to = rk__registry_by_reference(actor->rt, actor->ports[i].dest);
    uint32_t held = hoarded(actor, &actor->ports[i]);
    if (to != NULL) {
      to->hoard = counts ? to->hoard + held : to->hoard - held;
    }
  }
}

int rk__routes_carry(rk_actor *actor, const rk_loaded *next, rk_port *ports, rk_error *err)
{
  uint32_t burst = next->def.burst;
  int rc = RK_OK;
  for (uint32_t i = 0; i < next->def.port_count && rc == RK_OK; ++i) {
    uint32_t old = 0;
    rk_actor *to = NULL;
    if (find_port(actor, next->def.ports[i], &old, NULL) == RK_OK) {
      to = rk__registry_by_reference(actor->rt, actor->ports[old].dest);
    }
    if (to == NULL) {
      continue;
    }
    bool is_same = burst == actor->loaded->def.burst;
    to->burst_in = to->burst_in < burst ? burst : to->burst_in;
    if (!is_same && to->hoard > to->queue - to->burst_in) {
      rc = end_hoards(actor->rt, to, err);
    }
    ports[i] = actor->ports[old];
    ports[i].chunk = is_same ? actor->ports[old].chunk : burst;
  }
  return rc;
}

int rk_runtime_connect(rk_runtime *rt, rk_actor *from, const char *port, rk_actor *to,
                       rk_error *err)
{
  return rk_runtime_link(rt, from, port, to, NULL, err);
}

static bool has_buffer(const rk_link_options *options)
{
  return options->policy == RK_LINK_KIND_BUFFER || options->policy == RK_LINK_KIND_DROP_OLDEST;
}

/* Messages that may wait on the link. */
uint32_t rk__link_limit(const rk_link_options *options)
{
  uint32_t asked = options->limit != 0 ? options->limit : LIMIT_DEFAULT;
  return has_buffer(options) ? asked : 0u;
}

int rk__link_check(const rk_actor *from, const char *port, const rk_link_options *options,
                   rk_error *err)
{
  if ((uint32_t)options->policy >= RK_LINK_POLICIES) {
    return rk_error_set(err, RK_EINVAL, "connect '%s.%s': policy: 0..%u, got %u", from->name, port,
                        RK_LINK_POLICIES - 1u, (uint32_t)options->policy);
  }
  if (options->limit > RK_QUEUE_MAX_MSGS || (options->limit != 0 && !has_buffer(options))) {
    return rk_error_set(err, RK_EINVAL,
                        "connect '%s.%s': limit: 1..%u, for buffer and drop_oldest alone",
                        from->name, port, RK_QUEUE_MAX_MSGS);
  }
  if (options->deadline_ns != 0 && options->policy != RK_LINK_KIND_BLOCK) {
    return rk_error_set(err, RK_EINVAL, "connect '%s.%s': a deadline is for the policy block alone",
                        from->name, port);
  }
  if (options->credits > 2u * RK_QUEUE_MAX_MSGS) {
    return rk_error_set(err, RK_EINVAL, "connect '%s.%s': credits: 0..%u, got %u", from->name, port,
                        2u * RK_QUEUE_MAX_MSGS, options->credits);
  }
  return RK_OK;
}

int rk_runtime_link(rk_runtime *rt, rk_actor *from, const char *port, rk_actor *to,
                    const rk_link_options *options, rk_error *err)
{
  static const rk_link_options defaults = {.policy = RK_LINK_KIND_BLOCK};
  const rk_link_options *use = options != NULL ? options : &defaults;
  uint32_t index = 0;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    (void)rk__drain(rt);
  }
  if (rc == RK_OK) {
    rc = rk__actor_check(from, err);
  }
  if (rc == RK_OK) {
    rc = rk__actor_check(to, err);
  }
  if (rc == RK_OK) {
    rc = find_port(from, port, &index, err);
  }
  if (rc == RK_OK) {
    rc = rk__link_check(from, port, use, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (from->rt != rt || to->rt != rt) {
    return rk_error_set(err, RK_EINVAL, "connect '%s.%s': both actors must belong to this runtime",
                        from->name, port);
  }
  rc = rk__tenant_may_tie(from, to, port, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_actor *tied = rk__registry_by_reference(rt, from->ports[index].dest);
  if (tied != NULL) {
    return rk_error_set(err, RK_EEXISTS, "port '%s.%s' leads to '%s' already; disconnect it first",
                        from->name, port, tied->name);
  }
  rc = check_fit(from, port, to, err);
  if (rc != RK_OK) {
    return rc;
  }
  uint32_t burst = from->loaded->def.burst;
  if (to->burst_in < burst) {
    to->burst_in = burst;
  }
  uint32_t limit = to->queue - to->burst_in < to->queue / 2u ? to->queue - to->burst_in
                                                             : to->queue / 2u;
  if (to->hoard > to->queue - to->burst_in) {
    rc = end_hoards(rt, to, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  uint32_t spare = limit > to->hoard ? limit - to->hoard : 0u;
  uint32_t most = use->credits != 0 ? (use->credits + 1u) / 2u : CHUNK_MAX;
  uint32_t chunk = spare > most ? most : spare;
  if (chunk < 2u * burst) {
    chunk = burst;
  }
  rk_port want = {
      .dest = to->id,
      .chunk = chunk,
      .policy = (uint32_t)use->policy,
      .deadline_ns = use->deadline_ns,
      .credits = use->credits,
  };
  want.limit = rk__link_limit(use);
  if (want.limit != 0) {
    uint32_t emits = from->loaded->def.emit_bytes != 0 ? from->loaded->def.emit_bytes : 1u;
    size_t bytes = (size_t)want.limit * RK_LINK_SLOT_BYTES(emits);
    rc = rk__pressure_check(rt, bytes, "connect", err);
    if (rc == RK_OK) {
      rc = rk__tenant_room(rt, from->tenant, "connect", from, bytes, err);
    }
    if (rc != RK_OK) {
      return rc;
    }
    want.slot_bytes = RK_LINK_SLOT_BYTES(emits);
    want.buffer = rk__extra_take(from, bytes);
    if (want.buffer == 0) {
      return rk__no_memory(rt, err, "connect '%s.%s': out of device memory for its buffer",
                           from->name, port);
    }
  }
  rc = tie_port(from, index, to, &want, err);
  if (rc != RK_OK && rc != RK_ETIMEOUT) { /* else the block may use it yet */
    rk__extra_give(from, want.buffer);
  }
  return rc;
}

int rk__route_again(rk_actor *from, uint32_t index, rk_error *err)
{
  const rk_port same = from->ports[index];
  rk_actor *to = rk__registry_by_reference(from->rt, same.dest);
  return to != NULL ? tie_port(from, index, to, &same, err) : RK_OK;
}

bool rk__route_is(const rk_actor *from, uint32_t index, const rk_link_options *options)
{
  const rk_port *port = &from->ports[index];
  return port->policy == (uint32_t)options->policy && port->deadline_ns == options->deadline_ns &&
         port->credits == options->credits && port->limit == rk__link_limit(options);
}

int rk_runtime_disconnect(rk_runtime *rt, rk_actor *from, const char *port, rk_error *err)
{
  uint32_t index = 0;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = rk__actor_check(from, err);
  }
  if (rc == RK_OK) {
    rc = find_port(from, port, &index, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (from->ports[index].dest == 0) {
    return rk_error_set(err, RK_ENOT_FOUND, "port '%s.%s' is not connected", from->name, port);
  }
  rk_abi_command command = {.code = RK_CMD_DISCONNECT_PORT, .param1 = from->slot, .param2 = index};
  rc = command_route(from, &command, err);
  if (rc == RK_OK) {
    uint64_t buffer = from->ports[index].buffer;
    forget(from, &from->ports[index]);
    rk__extra_give(from, buffer);
  }
  return rc;
}

/* ---- what its block says of an actor's links ------------------------------------------------- */

static void tell(rk_actor *actor, uint32_t index, const rk_abi_route *route, rk_link_stats *out)
{
  *out = (rk_link_stats){
      .port = actor->loaded->def.ports[index],
      .to = route->dest,
      .policy = (rk_link_kind)route->policy,
      .limit = route->limit,
      .deadline_ns = route->deadline_ns,
      .credits = 2u * route->chunk,
      .sent = route->sent,
      .waiting = route->tail - route->head,
      .high = route->high,
      .stalls = route->stalls,
      .dropped = route->dropped,
      .dead = route->dead,
  };
}

int rk_actor_links_get(rk_actor *actor, rk_link_stats *out, size_t *count, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = rk__actor_check(actor, err);
  }
  size_t ports = actor->loaded->def.port_count;
  if (rc != RK_OK || ports == 0) {
    if (rc == RK_OK) {
      rk__host_links_tell(actor, out, count);
    }
    return rc;
  }
  size_t bytes = ports * sizeof(rk_abi_route);
  uint64_t place = rk_arena_take(&rt->shared_arena, bytes);
  if (place == 0) {
    return rk__no_memory(rt, err, "actor '%s': out of shared memory", actor->name);
  }
  rk_abi_command command = {
      .code = RK_CMD_LINKS_ACTOR, .param1 = actor->slot, .address = place, .bytes = bytes};
  rc = rk__command(rt, actor->block, actor->id, &command, NULL, err);
  if (rc == RK_ETIMEOUT || rc == RK_EFULL) {
    return rc; /* the block may still write there: leave it */
  }
  const rk_abi_route *routes = RK_PTR(const rk_abi_route, place);
  for (uint32_t i = 0; rc == RK_OK && i < ports && i < *count; ++i) {
    tell(actor, i, &routes[i], &out[i]);
  }
  if (rc == RK_OK) {
    *count = ports;
  } else if (rc == RK_ENOT_FOUND || rc == RK_ETERMINATED) {
    rc = rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
  rk_arena_give(&rt->shared_arena, place, bytes);
  return rc;
}

const char *rk_link_kind_name(rk_link_kind policy)
{
  static const char *const names[RK_LINK_POLICIES] = {"block", "buffer", "drop_newest",
                                                      "drop_oldest", "dead_letter"};
  return (uint32_t)policy < RK_LINK_POLICIES ? names[policy] : "unknown";
}
