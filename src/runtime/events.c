/* SPDX-License-Identifier: MIT */
/*
 * Events: what happened to actors, in order, for whoever asked for it.
 *
 * Nothing is kept until somebody wants a kind of event. The queue is bounded: past its limit new
 * events are counted and dropped, for what happened first usually explains the rest.
 */
#include "runtime/internal.h"

#include <string.h>

#include "base/alloc.h"

#define EVENTS_MAX 4096u

struct rk_queued_event {
  rk_queued_event *next;
  rk_event event; /* its actor is retained */
  char name[];
};

void rk__event(rk_runtime *rt, rk_event_kind kind, rk_actor *actor, int code, const char *reason,
               uint64_t message)
{
  rk__event_of(
      rt, &(rk_event){
              .kind = kind, .actor = actor, .code = code, .reason = reason, .message = message});
}

void rk__event_of(rk_runtime *rt, const rk_event *event)
{
  rk_event_kind kind = event->kind;
  rk_actor *actor = event->actor;
  if ((rt->events_wanted >> kind & 1u) == 0u || rt->closing) {
    return;
  }
  /* Whoever supervises must hear of every end: an actor has few between two looks at the queue. */
  bool is_end = kind == RK_EVENT_FAILURE || kind == RK_EVENT_ENDED || kind == RK_EVENT_STOPPED;
  if (rt->event_count >= EVENTS_MAX + (is_end ? 2u * rt->actor_capacity : 0u)) {
    rt->stats.events_dropped += 1;
    return;
  }
  const char *name = actor != NULL ? actor->name : "";
  size_t bytes = strlen(name) + 1;
  rk_queued_event *queued = rk_alloc(sizeof(*queued) + bytes);
  if (queued == NULL) {
    rt->stats.events_dropped += 1;
    return;
  }
  queued->next = NULL;
  queued->event = *event;
  queued->event.actor = actor != NULL ? rk_actor_retain(actor) : NULL;
  queued->event.actor_id = actor != NULL ? actor->id : 0;
  queued->event.name = actor != NULL ? queued->name : NULL;
  queued->event.hlc = rk_hlc_tick(&rt->clock);
  memcpy(queued->name, name, bytes);
  *rt->events_tail = queued;
  rt->events_tail = &queued->next;
  rt->event_count += 1;
}

void rk_runtime_events_want(rk_runtime *rt, uint32_t kinds)
{
  rt->events_wanted = kinds;
}

bool rk_runtime_event_next(rk_runtime *rt, rk_event *out)
{
  rk_queued_event *queued = rt->events;
  rk_free(rt->event_taken);
  rt->event_taken = queued;
  if (queued == NULL) {
    return false;
  }
  rt->events = queued->next;
  if (rt->events == NULL) {
    rt->events_tail = &rt->events;
  }
  rt->event_count -= 1;
  *out = queued->event;
  return true;
}

void rk__events_close(rk_runtime *rt)
{
  rk_event event;
  while (rk_runtime_event_next(rt, &event)) {
    rk_actor_release(event.actor);
  }
}

const char *rk_event_name(rk_event_kind kind)
{
  static const char *const names[] = {"failure",    "ended",   "dead_letter", "register",
                                      "unregister", "stopped", "denied",      "pressure"};
  return (size_t)kind < sizeof(names) / sizeof(names[0]) ? names[kind] : "unknown";
}
