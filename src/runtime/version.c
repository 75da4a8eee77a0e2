/* SPDX-License-Identifier: MIT */
/*
 * Versions of an actor: what a reload exchanges of it, the one that is kept to go back to, and the
 * pieces of memory that it has come by on the way. Its tenant has all of them.
 */
#include "runtime/reload.h"
#include "runtime/tenant.h"

#include "base/alloc.h"
#include "base/base.h"

/* What an actor is charged for goes with its life: see registry.c. */
static void charge(rk_actor *actor, int64_t bytes)
{
  actor->charged = (size_t)((int64_t)actor->charged + bytes);
  rk__tenant_uses(actor->rt, actor->tenant, 0, bytes);
}

bool rk__piece_take(rk_actor *actor, size_t bytes, rk_piece *out)
{
  if (rk__later_of(actor) == NULL) { /* who has such memory notes it there */
    return false;
  }
  *out = (rk_piece){rk_arena_take(&actor->rt->arena, bytes), bytes, actor->id};
  if (out->address == 0) {
    return false;
  }
  charge(actor, (int64_t)bytes);
  return true;
}

void rk__piece_give(rk_actor *actor, rk_piece *piece)
{
  if (piece->address != 0 && !actor->rt->closing) {
    if (rk__registry_by_reference(actor->rt, piece->life) == actor) {
      charge(actor, -(int64_t)piece->bytes);
    }
    rk_arena_give(&actor->rt->arena, piece->address, piece->bytes);
  }
  *piece = (rk_piece){0};
}

rk_version rk__version_of(const rk_actor *actor)
{
  return (rk_version){
      .kernel = actor->kernel,
      .loaded = actor->loaded,
      .ports = actor->ports,
      .body = actor->later->body,
      .state = actor->later->state,
      .routes = actor->later->routes,
      .mailbox_limit = actor->mailbox_limit,
      .number = actor->version,
  };
}

void rk__version_put(rk_actor *actor, const rk_version *version)
{
  rk__routes_count(actor, false);
  actor->kernel = version->kernel;
  actor->loaded = version->loaded;
  actor->ports = version->ports;
  actor->later->body = version->body;
  actor->later->state = version->state;
  actor->later->routes = version->routes;
  actor->mailbox_limit = version->mailbox_limit;
  actor->version = version->number;
  rk__routes_count(actor, true);
}

void rk__version_drop(rk_actor *actor, rk_version *version)
{
  rk__piece_give(actor, &version->body);
  rk_kernel_close(version->kernel);
  rk_free(version->ports);
  *version = (rk_version){0};
}

void rk__former_drop(rk_actor *actor)
{
  rk_later *later = actor->later;
  if (later != NULL && later->former != NULL) {
    rk__version_drop(actor, later->former);
    rk_free(later->former);
    later->former = NULL;
  }
}

void rk__actor_pieces(rk_actor *actor, rk_piece pieces[RK_ACTOR_PIECES])
{
  rk_later *later = actor->later;
  pieces[0] = (rk_piece){.address = actor->memory, .bytes = actor->memory_bytes};
  actor->memory = 0;
  actor->memory_bytes = 0;
  if (later == NULL) {
    return;
  }
  rk_piece *all[RK_ACTOR_PIECES - 1u] = {&later->body, &later->rings, &later->coming,
                                         later->former != NULL ? &later->former->body : NULL};
  for (uint32_t i = 0; i < RK_ARRAY_LEN(all); ++i) {
    if (all[i] != NULL) {
      pieces[i + 1u] = *all[i];
      *all[i] = (rk_piece){0};
    }
  }
  if (later->former != NULL) {
    later->former->state = 0; /* the definition is kept, its state is not */
  }
  later->coming_cmd = 0;
}

bool rk__reload_answered(rk_actor *actor, const rk_abi_response *response)
{
  rk_later *later = actor->later;
  if (later == NULL || later->coming_cmd == 0 || response->cmd_id != later->coming_cmd) {
    return false;
  }
  rk__piece_give(actor, &later->coming);
  later->coming_cmd = 0;
  return true;
}

static const rk_version *former_of(const rk_actor *actor)
{
  return actor->later != NULL ? actor->later->former : NULL;
}

uint32_t rk_actor_version(const rk_actor *actor, uint32_t *former)
{
  if (former != NULL) {
    const rk_version *kept = former_of(actor);
    *former = kept != NULL ? kept->number : 0u;
  }
  return actor->version;
}

rk_kernel *rk_actor_former(const rk_actor *actor, bool *has_state)
{
  const rk_version *kept = former_of(actor);
  if (has_state != NULL) {
    *has_state = kept != NULL && kept->state != 0;
  }
  return kept != NULL ? kept->kernel : NULL;
}
