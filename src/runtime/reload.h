/* SPDX-License-Identifier: MIT */
/*
 * What the files of reloads share: reload.c makes them, reload_check.c says whether a new
 * definition can take an old one's place, version.c has what is exchanged.
 */
#ifndef RK_RUNTIME_RELOAD_H
#define RK_RUNTIME_RELOAD_H

#include "runtime/actor_parts.h"

typedef struct rk_reload_part {
  rk_actor *actor;  /* retained */
  uint32_t life;    /* its id: a life that began since has other memory */
  rk_version next;  /* what it is to be served by; empty once that holds */
  rk_version was;   /* what it was, between the swap and its end */
  rk_piece rings;   /* larger ones, if it needs them */
  void *given;      /* its new state, when the host has made it */
  uint64_t swap_ns; /* that the swap took its block */
  uint64_t load_ns; /* that the grid stood still for the new code */
  rk_reload_state how;
  bool is_back;    /* to the version before */
  bool is_held;    /* it was active, and rests */
  bool is_swapped; /* and may have to be swapped back */
} rk_reload_part;

struct rk_reload {
  rk_runtime *rt; /* retained */
  rk_reload_part *parts;
  size_t count, capacity;
  uint64_t held_ns; /* when its actors began to rest; 0 = they do not */
  uint64_t rest_ns; /* that they rested, or that the grid stood still for larger rings */
  bool is_done;
};

/* ---- version.c ---- */
/* Memory beside the actor's first, for which its tenant is charged. */
bool rk__piece_take(rk_actor *actor, size_t bytes, rk_piece *out);
void rk__piece_give(rk_actor *actor, rk_piece *piece);
rk_version rk__version_of(const rk_actor *actor);
/* Makes `version` the present one; nothing is retained or freed. */
void rk__version_put(rk_actor *actor, const rk_version *version);
/* Gives back all that a version has. */
void rk__version_drop(rk_actor *actor, rk_version *version);

/* ---- reload_check.c ---- */
/* Whether the next definition can serve what the actor is tied to, and take its state over. Errors:
 * unsupported, with all that stands against it. */
int rk__reload_check(const rk_reload_part *part, rk_error *err);
/* Messages wait that the next definition does not accept: bit i is type i of the present one. */
int rk__reload_explain_types(const rk_reload_part *part, uint64_t types, rk_error *err);

#endif
