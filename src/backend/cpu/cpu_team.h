/* SPDX-License-Identifier: MIT */
/*
 * rk_team: the lanes of one block, run on one OS thread.
 *
 * A handler with `block = n` is run by n lanes together. Each lane is a fiber (cpu_fiber.h); lanes
 * take turns at barriers only, so between two barriers a lane runs alone and at full speed. Lanes
 * 32 w .. 32 w + 31 form warp w, as on a GPU; the last warp may be smaller. `static __thread`
 * variables of a kernel are shared by the lanes of a block, for a block is one OS thread.
 *
 * The functions that lanes call find their lane through a thread-local pointer. Outside of a
 * running team, and in a team of one lane (which is run as a plain call), they behave as a block of
 * one lane: barriers return at once.
 *
 * Barriers must be reached by all lanes of the block (or warp). Where some lanes return or wait
 * elsewhere, a GPU hangs or goes on with wrong data; here the run ends with RK_EINVAL and a text
 * "divergent barrier: ...". The lanes that wait are given up where they stand: what follows the
 * barrier in the handler is not run, and nothing hangs.
 *
 * Used by cpu_executor.c. Threads: a team is used by one thread only, from open to close.
 */
#ifndef RK_BACKEND_CPU_TEAM_H
#define RK_BACKEND_CPU_TEAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define RK_TEAM_LANES_MAX 1024u
#define RK_TEAM_WARP_LANES 32u

typedef struct rk_team rk_team;

/* What each lane runs. */
typedef void rk_team_fn(void *arg, uint32_t lane);

/* Makes a team for up to `max_lanes` (1..RK_TEAM_LANES_MAX). Stacks are mapped by the first run of
 * more than one lane and fibers are made as runs need them; both are kept until the team closes.
 * Ownership: rk_team_close. Errors: RK_EINVAL, RK_EOUT_OF_MEMORY. */
int rk_team_open(uint32_t max_lanes, rk_error *err, rk_team **team);

/* Ends the fibers and gives the stacks back. NULL is allowed; not from inside a run. */
void rk_team_close(rk_team *team);

/* Runs fn(arg, lane) for lanes 0 .. lanes - 1 until all have returned. One lane is a plain call,
 * without a fiber and without allocation.
 * Errors: RK_EINVAL (divergent barrier, or `lanes` out of range), RK_EINVALID_STATE (called by a
 * lane), RK_EOUT_OF_MEMORY (nothing has run). */
int rk_team_run(rk_team *team, uint32_t lanes, rk_team_fn *fn, void *arg, rk_error *err);

/* ---- called by lanes ---- */

uint32_t rk_team_lane(void);  /* 0 .. rk_team_lanes() - 1 */
uint32_t rk_team_lanes(void); /* of the block */

/* Waits until all lanes of the block have come here; what they wrote before is seen after. */
void rk_team_sync(void);

/* The same among the lanes of the caller's warp. */
void rk_team_warp_sync(void);

/* Returns the `value` that lane `source` (0..31, taken modulo 32) of the caller's warp passed; the
 * caller's own where the warp has no such lane. All lanes of the warp must call it. As on a GPU
 * this moves the value only and orders no other memory: use rk_team_warp_sync for that. */
uint64_t rk_team_exchange(uint64_t value, uint32_t source);

/* Returns the lanes of the warp that passed true, lane i as bit i. All must call it; orders no
 * other memory. */
uint32_t rk_team_ballot(bool predicate);

#endif
