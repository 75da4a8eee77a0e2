/* SPDX-License-Identifier: MIT */
/*
 * Routes: ports of actors tied to receivers.
 *
 * The host chooses how many credits a route may hold in hand (`chunk`): up to 32, as long as all
 * routes into one receiver together hold at most half of its queue and leave enough for the largest
 * burst that is tied to it; past that, one burst, which is given back after each handling.
 */
#include "runtime/tenant.h"

#include <string.h>

#define CHUNK_MAX 32u

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

static int tie_port(rk_actor *from, uint32_t index, rk_actor *to, uint32_t chunk, rk_error *err)
{
  rk_port *port = &from->ports[index];
  rk_abi_command command = {
      .code = RK_CMD_CONNECT_PORT,
      .param1 = from->slot,
      .param2 = index,
      .param3 = to->id,
      .bytes = chunk,
  };
  int rc = rk__command(from->rt, from->block, from->id, &command, NULL, err);
  if (rc == RK_OK) {
    forget(from, port);
    *port = (rk_port){to->id, chunk};
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
      rc = tie_port(from, i, to, from->loaded->def.burst, err);
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
    ports[i] = (rk_port){to->id, is_same ? actor->ports[old].chunk : burst};
  }
  return rc;
}

int rk_runtime_connect(rk_runtime *rt, rk_actor *from, const char *port, rk_actor *to,
                       rk_error *err)
{
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
  uint32_t chunk = spare > CHUNK_MAX ? CHUNK_MAX : spare;
  if (chunk < 2u * burst) {
    chunk = burst;
  }
  return tie_port(from, index, to, chunk, err);
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
  rc = rk__command(rt, from->block, from->id, &command, NULL, err);
  if (rc == RK_OK) {
    forget(from, &from->ports[index]);
  }
  return rc;
}
