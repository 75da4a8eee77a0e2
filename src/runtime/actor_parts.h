/* SPDX-License-Identifier: MIT */
/*
 * Parts of an actor that most actors never need. Each is allocated when it is needed first and goes
 * with the actor; until then it costs a pointer.
 *
 *   rk_hosted  messages that were passed on to the host, its links: hosted.c, host_link.c
 */
#ifndef RK_RUNTIME_ACTOR_PARTS_H
#define RK_RUNTIME_ACTOR_PARTS_H

#include "runtime/internal.h"

struct rk_hosted {
  rk_mailbox passed_on; /* as they were sent */
  rk_received taken;    /* the one taken last, which may be refused */
  rk_actor *next;       /* of those that have some; retained */
  rk_host_link *links;
  bool is_listed;
  bool is_refusing; /* a refusal is on its way to its block */
};

/* The actor's part, allocated if it has none; NULL when memory has run out. */
rk_hosted *rk__hosted_of(rk_actor *actor);
/* What was passed on to the host: the part's, or an empty one. */
const rk_mailbox *rk__passed_on(const rk_actor *actor);

/* Frees all parts. The actor goes. */
void rk__actor_parts_free(rk_actor *actor);

#endif
