/* SPDX-License-Identifier: MIT */
/*
 * Part of the public C contract, included by ringkernel.h, whose rules hold: another definition for
 * living actors.
 */
#ifndef RINGKERNEL_RELOAD_H
#define RINGKERNEL_RELOAD_H

#include "ringkernel.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the state under a new definition comes from. */
typedef enum rk_reload_state {
  RK_RELOAD_STATE_KEEP,    /* the present one, byte by byte; both have the same layout */
  RK_RELOAD_STATE_MIGRATE, /* RK_MIGRATE of the new source makes it of the present one */
  RK_RELOAD_STATE_GIVEN,   /* rk_reload_give; zero if nothing is given */
  RK_RELOAD_STATE_FORMER   /* as it was when the present definition came: for going back */
} rk_reload_state;

typedef struct rk_reload_info {
  uint32_t version;  /* of the actor: 1 at launch; each reload makes a new one */
  uint64_t pause_ns; /* in which it could not be given messages because of the swap */
  uint64_t load_ns;  /* in which the grid stood still before, to load new code or map memory */
} rk_reload_info;

/* Begins a change of definitions of living actors. Their id, name, queue, links, subscriptions and
 * counters stay; nothing that waits is lost or handled twice. Threads: owner. */
RK_API int rk_reload_open(rk_runtime *rt, rk_reload **out, rk_error *err);
/* Adds an actor and compiles its new definition while the present one goes on; NULL: the one before
 * its last reload. The definition must accept every message type that links and subscriptions may
 * bring, and have every port that is connected. Errors: compile (*log as for rk_kernel_compile),
 * unsupported (with what does not fit), invalid_state (another reload of it is under way),
 * not_found (no version before this one), terminated, out_of_memory. After an error the actor is
 * not part of it. Threads: owner. */
RK_API int rk_reload_add(rk_reload *reload, rk_actor *actor, rk_kernel *kernel,
                         rk_reload_state state, char **log, rk_error *err);
/* Makes all its actors rest at a message boundary until the swap or the close, so that their states
 * can be read (rk_actor_peek_state). Errors: timeout, terminated: none rests. Threads: owner. */
RK_API int rk_reload_hold(rk_reload *reload, uint64_t timeout_ns, rk_error *err);
/* The new state of its actor number `index`, in the order of rk_reload_add. Threads: owner. */
RK_API int rk_reload_give(rk_reload *reload, size_t index, const void *state, size_t bytes,
                          rk_error *err);
/* Swaps all of them, or none: when a migration or the start handler of a new definition fails, all
 * go on with what they had. A new start handler runs if the actor has started. Errors: timeout,
 * terminated, invalid_state (a migration or a start handler failed), unsupported (as for
 * rk_reload_add; also types of messages that wait). Threads: owner. */
RK_API int rk_reload_swap(rk_reload *reload, uint64_t timeout_ns, rk_error *err);
/* Of actor number `index`. Threads: owner. */
RK_API void rk_reload_info_get(const rk_reload *reload, size_t index, rk_reload_info *out);
/* NULL is allowed. What was not swapped stays as it was. Threads: owner. */
RK_API void rk_reload_close(rk_reload *reload);
/* Number of the actor's present version, and of the one that it can go back to (0: none). Threads:
 * owner. */
RK_API uint32_t rk_actor_version(const rk_actor *actor, uint32_t *former);
/* The definition before its last reload, or NULL. *has_state: its state was kept. Threads: owner. */
RK_API rk_kernel *rk_actor_former(const rk_actor *actor, bool *has_state);

#ifdef __cplusplus
}
#endif

#endif
