/* SPDX-License-Identifier: MIT */
/*
 * Teams: lanes, barriers and the order in which lanes run (see cpu_team.h).
 *
 * There is no scheduler. Lanes that can run stand in one queue; a lane that has to wait puts itself
 * into the queue of its gate and switches straight to the first lane that can run. The lane that
 * completes a barrier moves the whole queue of the gate behind the ready ones in one step and goes
 * on running. So a barrier of n lanes costs n - 1 switches and nothing that grows with n. When no
 * lane can run, control goes home to rk_team_run: either all lanes have returned, or the rest waits
 * for lanes that will never come, which is a divergent barrier.
 *
 * Each warp has a gate of its own for each of its three operations, so lanes that meet with
 * different operations do not pass as one barrier but are found to diverge.
 *
 * This file is compiled without -fsanitize=thread (cpu_fiber.h says why). What it tells
 * ThreadSanitizer: starting a run and its end order everything, barriers order what is around them,
 * exchange and ballot order nothing, as on a GPU.
 */
#include "backend/cpu/cpu_team.h"

#include "backend/cpu/cpu_fiber.h"
#include "base/alloc.h"
#include "base/base.h"

#include <stdio.h>
#include <string.h>

#define WARPS_MAX (RK_TEAM_LANES_MAX / RK_TEAM_WARP_LANES)
#define DIVERGENCE_TEXT_BYTES 320

/* Reading a thread-local variable of a shared library is a function call unless it lives in the
 * part of the thread block that is laid out at start; glibc keeps room there for late libraries. */
#if defined(__GLIBC__)
#define FAST_TLS __attribute__((tls_model("initial-exec")))
#else
#define FAST_TLS
#endif

typedef struct lane lane;

struct lane {
  rk_fiber fiber;
  rk_team *team;
  lane *next; /* in the ready queue or in that of a gate */
  uint32_t index;
  bool has_returned;
};

typedef struct lane_queue {
  lane *first, *last; /* `last` counts only while `first` is set */
} lane_queue;

/* A barrier that can be used again at once. */
typedef struct gate {
  lane_queue waiting;
  uint32_t arrived; /* in this turn */
  uint32_t needed;
  uint32_t turn; /* counts completed barriers */
  char order[2]; /* words for ThreadSanitizer, used in turn: see cpu_fiber.c */
} gate;

typedef enum warp_op { WARP_SYNC, WARP_EXCHANGE, WARP_BALLOT, WARP_OPS } warp_op;

/* Two sets of values used in turn: no lane can enter turn t + 2 while another still reads t. */
typedef struct warp {
  gate gates[WARP_OPS];
  uint64_t values[2][RK_TEAM_WARP_LANES];
  uint32_t votes[2];
} warp;

struct rk_team {
  uint32_t max_lanes;
  uint32_t lanes;    /* of the current or last run with fibers */
  uint32_t opened;   /* lanes 0 .. opened - 1 have a fiber */
  uint32_t returned; /* lanes that have finished this run */
  bool is_closing;
  char start_order, end_order; /* words for ThreadSanitizer */
  rk_team_fn *fn;
  void *arg;
  lane_queue ready;
  rk_fiber home; /* the thread that called rk_team_run */
  gate block;
  lane *lane_list; /* max_lanes of them; NULL before the first run with fibers */
  warp *warp_list;
  rk_fiber_stacks stacks;
};

/* The lane that runs on this thread, NULL outside of lanes. */
static _Thread_local lane *current_lane FAST_TLS;

/* ---- queues and switches ------------------------------------------------------------------- */

static inline void push_lane(lane_queue *queue, lane *l)
{
  l->next = NULL;
  if (queue->first == NULL) {
    queue->first = l;
  } else {
    queue->last->next = l;
  }
  queue->last = l;
}

static inline void move_lanes(lane_queue *from, lane_queue *to)
{
  if (from->first == NULL) {
    return;
  }
  if (to->first == NULL) {
    to->first = from->first;
  } else {
    to->last->next = from->first;
  }
  to->last = from->last;
  from->first = NULL;
}

/* Leaves `self` for the next lane that can run, or for home when there is none. */
static inline void run_next(lane *self)
{
  rk_team *team = self->team;
  lane *next = team->ready.first;
  current_lane = next;
  if (next != NULL) {
    team->ready.first = next->next;
    rk_fiber_switch(&self->fiber, &next->fiber);
  } else {
    rk_fiber_switch(&self->fiber, &team->home);
  }
}

/* Waits until `needed` lanes have come. With `orders`, ThreadSanitizer learns that what the lanes
 * did before is seen after. */
static inline void pass_gate(lane *self, gate *g, bool orders)
{
  char *word = &g->order[g->turn & 1];
  if (orders) {
    rk_fiber_release(word);
  }
  if (++g->arrived == g->needed) {
    g->arrived = 0;
    g->turn++;
    move_lanes(&g->waiting, &self->team->ready);
  } else {
    push_lane(&g->waiting, self);
    run_next(self);
  }
  if (orders) {
    rk_fiber_acquire(word);
  }
}

/* A fiber of a lane: one pass of the loop for each run, until the team closes. */
static void run_lane(void *arg)
{
  lane *self = arg;
  rk_team *team = self->team;
  while (!team->is_closing) {
    rk_fiber_acquire(&team->start_order);
    team->fn(team->arg, self->index);
    rk_fiber_release(&team->end_order);
    self->has_returned = true;
    team->returned++;
    run_next(self);
  }
  rk_fiber_leave(&self->fiber, &team->home);
}

/* ---- divergence ---------------------------------------------------------------------------- */

typedef struct lane_count {
  uint32_t lanes;
  uint32_t first; /* the lowest of them */
} lane_count;

static void count_lane(lane_count *count, uint32_t index)
{
  if (count->lanes == 0 || index < count->first) {
    count->first = index;
  }
  count->lanes++;
}

static void count_waiting(lane_count *count, const gate *g)
{
  for (const lane *l = g->waiting.first; l != NULL; l = l->next) {
    count_lane(count, l->index);
  }
}

static int report_divergence(const rk_team *team, rk_error *err)
{
  static const char *const place[] = {"wait at a warp barrier", "wait at a warp exchange",
                                      "wait at a warp ballot", "wait at a block barrier",
                                      "returned"};
  lane_count count[RK_ARRAY_LEN(place)] = {{0, 0}};
  for (uint32_t w = 0; w * RK_TEAM_WARP_LANES < team->lanes; w++) {
    for (int op = 0; op < WARP_OPS; op++) {
      count_waiting(&count[op], &team->warp_list[w].gates[op]);
    }
  }
  count_waiting(&count[3], &team->block);
  for (uint32_t i = 0; i < team->lanes; i++) {
    if (team->lane_list[i].has_returned) {
      count_lane(&count[4], i);
    }
  }
  char text[DIVERGENCE_TEXT_BYTES] = "";
  size_t used = 0;
  for (size_t i = 0; i < RK_ARRAY_LEN(place); i++) {
    if (count[i].lanes > 0) {
      int n = snprintf(text + used, sizeof(text) - used, "%s%u %s (lane %u%s)",
                       used > 0 ? ", " : "", count[i].lanes, place[i], count[i].first,
                       count[i].lanes > 1 ? " first" : "");
      used = n > 0 && used + (size_t)n < sizeof(text) ? used + (size_t)n : sizeof(text) - 1;
    }
  }
  return rk_error_set(err, RK_EINVAL,
                      "divergent barrier: of %u lanes %s; all lanes must reach the same barriers",
                      team->lanes, text);
}

/* Gives up the lanes that wait: each gets a fresh fiber in place of the one that stands somewhere
 * in the handler. */
static void reset_lanes(rk_team *team)
{
  for (uint32_t i = 0; i < team->lanes; i++) {
    lane *l = &team->lane_list[i];
    if (!l->has_returned) {
      rk_fiber_close(&l->fiber, &team->stacks, i);
      rk_fiber_open(&l->fiber, &team->stacks, i, run_lane, l);
    }
  }
}

/* ---- a run --------------------------------------------------------------------------------- */

/* Makes what a run of `lanes` lanes needs and the team does not have yet. */
static int open_lanes(rk_team *team, uint32_t lanes, rk_error *err)
{
  if (team->lane_list == NULL) {
    uint32_t warps = (team->max_lanes + RK_TEAM_WARP_LANES - 1) / RK_TEAM_WARP_LANES;
    lane *lane_list = rk_calloc(team->max_lanes, sizeof(lane));
    warp *warp_list = rk_calloc(warps, sizeof(warp));
    int status = RK_OK;
    if (lane_list == NULL || warp_list == NULL) {
      status = rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for a team of %u lanes",
                            team->max_lanes);
    } else {
      status = rk_fiber_stacks_open(team->max_lanes, err, &team->stacks);
    }
    if (status != RK_OK) {
      rk_free(lane_list);
      rk_free(warp_list);
      return status;
    }
    team->lane_list = lane_list;
    team->warp_list = warp_list;
  }
  for (; team->opened < lanes; team->opened++) {
    lane *l = &team->lane_list[team->opened];
    l->team = team;
    l->index = team->opened;
    rk_fiber_open(&l->fiber, &team->stacks, team->opened, run_lane, l);
  }
  return RK_OK;
}

static void reset_gate(gate *g, uint32_t needed)
{
  g->waiting.first = NULL;
  g->arrived = 0;
  g->needed = needed;
}

static void reset_gates(rk_team *team, uint32_t lanes)
{
  team->lanes = lanes;
  reset_gate(&team->block, lanes);
  for (uint32_t first = 0; first < lanes; first += RK_TEAM_WARP_LANES) {
    uint32_t rest = lanes - first;
    for (int op = 0; op < WARP_OPS; op++) {
      reset_gate(&team->warp_list[first / RK_TEAM_WARP_LANES].gates[op],
                 rest < RK_TEAM_WARP_LANES ? rest : RK_TEAM_WARP_LANES);
    }
  }
}

int rk_team_open(uint32_t max_lanes, rk_error *err, rk_team **team)
{
  if (max_lanes == 0 || max_lanes > RK_TEAM_LANES_MAX) {
    return rk_error_set(err, RK_EINVAL, "a block has 1 to %u lanes, got %u", RK_TEAM_LANES_MAX,
                        max_lanes);
  }
  rk_team *made = rk_calloc(1, sizeof(*made));
  if (made == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for a team");
  }
  made->max_lanes = max_lanes;
  *team = made;
  return RK_OK;
}

void rk_team_close(rk_team *team)
{
  if (team == NULL) {
    return;
  }
  team->is_closing = true;
  if (team->opened > 0) {
    rk_fiber_adopt(&team->home);
  }
  for (uint32_t i = 0; i < team->opened; i++) {
    rk_fiber_switch(&team->home, &team->lane_list[i].fiber);
    rk_fiber_close(&team->lane_list[i].fiber, &team->stacks, i);
  }
  rk_fiber_stacks_close(&team->stacks);
  rk_free(team->lane_list);
  rk_free(team->warp_list);
  rk_free(team);
}

int rk_team_run(rk_team *team, uint32_t lanes, rk_team_fn *fn, void *arg, rk_error *err)
{
  if (RK_UNLIKELY(current_lane != NULL)) {
    return rk_error_set(err, RK_EINVALID_STATE, "a lane cannot run a team");
  }
  if (RK_LIKELY(lanes == 1)) {
    fn(arg, 0);
    return RK_OK;
  }
  if (lanes == 0 || lanes > team->max_lanes) {
    return rk_error_set(err, RK_EINVAL, "this team has 1 to %u lanes, got %u", team->max_lanes,
                        lanes);
  }
  int status = open_lanes(team, lanes, err);
  if (status != RK_OK) {
    return status;
  }
  if (team->lanes != lanes) {
    reset_gates(team, lanes);
  }
  team->fn = fn;
  team->arg = arg;
  team->returned = 0;
  for (uint32_t i = 0; i < lanes; i++) {
    team->lane_list[i].has_returned = false;
    push_lane(&team->ready, &team->lane_list[i]);
  }
  rk_fiber_adopt(&team->home);
  rk_fiber_release(&team->start_order);
  lane *first = team->ready.first;
  team->ready.first = first->next;
  current_lane = first;
  rk_fiber_switch(&team->home, &first->fiber);
  rk_fiber_acquire(&team->end_order);

  if (RK_UNLIKELY(team->returned != lanes)) {
    status = report_divergence(team, err);
    reset_lanes(team);
    reset_gates(team, lanes);
  }
  return status;
}

/* ---- called by lanes ----------------------------------------------------------------------- */

uint32_t rk_team_lane(void)
{
  const lane *self = current_lane;
  return self != NULL ? self->index : 0;
}

uint32_t rk_team_lanes(void)
{
  const lane *self = current_lane;
  return self != NULL ? self->team->lanes : 1;
}

void rk_team_sync(void)
{
  lane *self = current_lane;
  if (self != NULL) {
    pass_gate(self, &self->team->block, true);
  }
}

static inline warp *warp_of(const lane *self)
{
  return &self->team->warp_list[self->index / RK_TEAM_WARP_LANES];
}

void rk_team_warp_sync(void)
{
  lane *self = current_lane;
  if (self != NULL) {
    pass_gate(self, &warp_of(self)->gates[WARP_SYNC], true);
  }
}

uint64_t rk_team_exchange(uint64_t value, uint32_t source)
{
  lane *self = current_lane;
  if (self == NULL) {
    return value;
  }
  warp *w = warp_of(self);
  gate *g = &w->gates[WARP_EXCHANGE];
  uint64_t *values = w->values[g->turn & 1];
  values[self->index % RK_TEAM_WARP_LANES] = value;
  pass_gate(self, g, false);
  source %= RK_TEAM_WARP_LANES;
  return source < g->needed ? values[source] : value;
}

uint32_t rk_team_ballot(bool predicate)
{
  lane *self = current_lane;
  if (self == NULL) {
    return predicate ? 1 : 0;
  }
  warp *w = warp_of(self);
  gate *g = &w->gates[WARP_BALLOT];
  uint32_t *votes = &w->votes[g->turn & 1];
  if (g->arrived == 0) {
    *votes = 0;
  }
  *votes |= (uint32_t)predicate << (self->index % RK_TEAM_WARP_LANES);
  pass_gate(self, g, false);
  return *votes;
}
