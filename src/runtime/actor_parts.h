/* SPDX-License-Identifier: MIT */
/*
 * Parts of an actor that most actors never need. Each is allocated when it is needed first and goes
 * with the actor; until then it costs a pointer.
 *
 *   rk_hosted  messages that were passed on to the host, its links: hosted.c, host_link.c
 *   rk_later   what it has come by since its launch: reload.c, version.c, growth.c, ring_growth.c,
 *              buffers of links (slots.c), another name (registry.c), a budget (pressure.c)
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

struct rk_later {
  rk_piece body;   /* see rk_version; these three change with a reload */
  uint64_t state;  /* without this part they lie in the actor's first memory, as launch.c lays it */
  uint64_t routes; /* out */
  rk_version *former;   /* what it was before its last reload; NULL = nothing to go back to */
  uint32_t version_max; /* highest number it ever had */
  uint32_t slot_count;
  uint32_t slot_bytes;
  uint64_t ring_slots; /* address of all of them: urgent, of the host, of actors */
  rk_piece rings;      /* where they lie since they had to grow */
  rk_reload *reload;   /* under way */
  rk_piece coming;     /* memory of a reload that was given up, until its block has heard of that */
  uint64_t coming_cmd; /* its command; 0 = none */
  rk_extra *extras;    /* buffers of its links */
  uint64_t budget;     /* of memory, bytes; 0 = none of its own */
  char *former_name;   /* before it was renamed; kept for who still has the pointer */
};

/* The actor's part, allocated if it has none; NULL when memory has run out. */
rk_later *rk__later_of(rk_actor *actor);

/* Frees all parts. The actor goes. */
void rk__actor_parts_free(rk_actor *actor);

#endif
