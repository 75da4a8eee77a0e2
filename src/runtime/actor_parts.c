/* SPDX-License-Identifier: MIT */
/*
 * Parts of an actor: see actor_parts.h.
 */
#include "runtime/actor_parts.h"

#include "base/alloc.h"

rk_hosted *rk__hosted_of(rk_actor *actor)
{
  if (actor->hosted == NULL) {
    actor->hosted = rk_calloc(1, sizeof(*actor->hosted));
  }
  return actor->hosted;
}

const rk_mailbox *rk__passed_on(const rk_actor *actor)
{
  static const rk_mailbox none;
  return actor->hosted != NULL ? &actor->hosted->passed_on : &none;
}

rk_later *rk__later_of(rk_actor *actor)
{
  if (actor->later == NULL) {
    actor->later = rk_calloc(1, sizeof(*actor->later));
    if (actor->later != NULL) {
      actor->later->version_max = actor->version;
      rk__actor_lie(actor);
    }
  }
  return actor->later;
}

void rk__actor_parts_free(rk_actor *actor)
{
  if (actor->hosted != NULL) {
    rk_mailbox_close(&actor->hosted->passed_on);
    rk__host_links_end(actor);
    rk_free(actor->hosted);
    actor->hosted = NULL;
  }
  if (actor->later != NULL) {
    rk__former_drop(actor);
    rk__extras_free(actor->later->extras);
    rk_free(actor->later->former_name);
    rk_free(actor->later);
    actor->later = NULL;
  }
}
