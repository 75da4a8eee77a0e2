/* SPDX-License-Identifier: MIT */
/*
 * Links of actors whose handler is a function of the host: what becomes of what such a function sends
 * through a port when the receiver has no room. The counterpart of rk_link_dev.h, with the same
 * policies; lua/ringkernel/hosted.lua is the caller.
 *
 * What such an actor sends goes into the receiver's queue of messages from the host, whose room is
 * counted here, so there are no credits to take and to give back. What has to wait waits in a box of
 * the link, at most `limit` messages, with the header that it was sent with, and goes on in rk__drain,
 * which is where news of room comes from. Nothing that is sent later overtakes it.
 *
 * A box is one of the actor's: it ends with the actor, or with the link.
 */
#include "runtime/actor_parts.h"
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

struct rk_host_link {
  rk_host_link *next;      /* of the actor's */
  rk_host_link *next_held; /* of those on which something waits: rk_runtime.held_links */
  bool is_listed;
  bool is_late; /* the function was let go although there is no room: its deadline has passed */
  rk_actor *from;
  uint32_t dest; /* actor reference */
  rk_link_options options;
  uint64_t stalled_ns; /* since when it holds the actor; 0 = it does not */
  rk_link_stats counts;
  rk_mailbox waiting;
  char port[]; /* its name */
};

/* ---- finding --------------------------------------------------------------------------------- */

static rk_host_link *links_of(const rk_actor *actor)
{
  return actor->hosted != NULL ? actor->hosted->links : NULL;
}

/* Where the actor's list, which is in the order of names, has this port or ought to have it. */
static rk_host_link **place_of(rk_hosted *hosted, const char *port)
{
  rk_host_link **at = &hosted->links;
  while (*at != NULL && strcmp((*at)->port, port) < 0) {
    at = &(*at)->next;
  }
  return at;
}

static bool is_at(rk_host_link *const *at, const char *port)
{
  return *at != NULL && strcmp((*at)->port, port) == 0;
}

static rk_host_link *find(rk_actor *from, const char *port)
{
  if (from->hosted == NULL) {
    return NULL;
  }
  rk_host_link **at = place_of(from->hosted, port);
  return is_at(at, port) ? *at : NULL;
}

static rk_actor *receiver(const rk_host_link *link)
{
  return rk__registry_by_reference(link->from->rt, link->dest);
}

static void list(rk_host_link *link)
{
  if (!link->is_listed) {
    link->is_listed = true;
    link->next_held = link->from->rt->held_links;
    link->from->rt->held_links = link;
  }
}

static void unlist(rk_host_link *link)
{
  rk_host_link **at = &link->from->rt->held_links;
  while (link->is_listed && *at != link) {
    at = &(*at)->next_held;
  }
  if (link->is_listed) {
    *at = link->next_held;
    link->is_listed = false;
  }
}

/* ---- what waits ------------------------------------------------------------------------------ */

static void bury(rk_host_link *link, const rk_abi_msg *header, const void *data, uint8_t reason)
{
  link->counts.dead += 1;
  rk__dead_letter(link->from->rt, header, data, reason);
}

/* The oldest that waits, where it lies. */
static const rk_abi_msg *oldest(const rk_host_link *link, rk_received *view)
{
  return rk_mailbox_peek(&link->waiting, 0, view, NULL)
             ? (const void *)((const unsigned char *)view->data - sizeof(rk_abi_msg))
             : NULL;
}

/* Moves what waits as far as there is room. Returns whether nothing is left. */
static bool flush(rk_host_link *link)
{
  rk_actor *to = receiver(link);
  const rk_abi_msg *header = NULL;
  rk_received view;
  while ((header = oldest(link, &view)) != NULL) {
    if (to == NULL) {
      bury(link, header, view.data, RK_DEAD_TERMINATED);
    } else if (!rk__tenant_accepts(to->rt, to->tenant, header->reason)) { /* not any more */
      bury(link, header, view.data, RK_DEAD_TENANT);
    } else if (rk__send(to, header, view.data) == RK_OK) {
      link->counts.sent += 1;
    } else {
      return false;
    }
    rk_mailbox_drop_oldest(&link->waiting);
  }
  return true;
}

void rk__host_links_flush(rk_runtime *rt)
{
  rk_host_link **at = &rt->held_links;
  while (*at != NULL) {
    rk_host_link *link = *at;
    if (flush(link)) {
      *at = link->next_held;
      link->is_listed = false;
    } else {
      at = &link->next_held;
    }
  }
}

size_t rk__host_links_held(const rk_actor *actor)
{
  size_t held = 0;
  for (const rk_host_link *link = links_of(actor); link != NULL; link = link->next) {
    held += rk_mailbox_count(&link->waiting);
  }
  return held;
}

bool rk_runtime_host_holds(const rk_runtime *rt)
{
  return rt->held_links != NULL;
}

size_t rk__host_links_bytes(const rk_actor *actor)
{
  size_t bytes = 0;
  for (const rk_host_link *link = links_of(actor); link != NULL; link = link->next) {
    bytes += rk_mailbox_capacity(&link->waiting);
  }
  return bytes;
}

void rk__host_links_shrink(rk_actor *actor)
{
  for (rk_host_link *link = links_of(actor); link != NULL; link = link->next) {
    rk_mailbox_shrink(&link->waiting);
  }
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* What its receiver has no room for goes to the dead letters. */
static void end(rk_host_link *link)
{
  const rk_abi_msg *header = NULL;
  rk_received view;
  bool is_closing = link->from->rt->closing; /* nobody gets or looks at anything any more */
  (void)(is_closing || flush(link));
  while (!is_closing && (header = oldest(link, &view)) != NULL) {
    bury(link, header, view.data, RK_DEAD_FULL);
    rk_mailbox_drop_oldest(&link->waiting);
  }
  unlist(link);
  rk_mailbox_close(&link->waiting);
  rk_free(link);
}

void rk__host_links_end(rk_actor *actor)
{
  for (rk_host_link *link = links_of(actor); link != NULL; link = links_of(actor)) {
    actor->hosted->links = link->next;
    end(link);
  }
}

int rk_actor_host_link(rk_actor *from, const char *port, rk_actor *to,
                       const rk_link_options *options, rk_error *err)
{
  static const rk_link_options defaults = {.policy = RK_LINK_KIND_BLOCK};
  const rk_link_options *use = options != NULL ? options : &defaults;
  int rc = rk__actor_check(from, err);
  if (rc == RK_OK) {
    rc = rk__actor_check(to, err);
  }
  if (rc == RK_OK) {
    rc = rk__link_check(from, port, use, err);
  }
  if (rc == RK_OK && use->credits != 0) {
    rc = rk_error_set(
        err, RK_EUNSUPPORTED,
        "connect '%s.%s': its function runs on the host, which takes no credits ahead; "
        "leave the option 'credits' out",
        from->name, port);
  }
  if (rc == RK_OK) {
    rc = rk__tenant_may_tie(from, to, port, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  rk_hosted *hosted = rk__hosted_of(from);
  if (hosted == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "connect '%s.%s': out of memory", from->name, port);
  }
  rk_host_link **at = place_of(hosted, port);
  rk_actor *tied = is_at(at, port) ? receiver(*at) : NULL;
  if (tied != NULL) {
    return rk_error_set(err, RK_EEXISTS, "port '%s.%s' leads to '%s' already; disconnect it first",
                        from->name, port, tied->name);
  }
  size_t length = strlen(port) + 1u;
  rk_host_link *link = rk_calloc(1, sizeof(*link) + length);
  if (link == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "connect '%s.%s': out of memory", from->name, port);
  }
  if (is_at(at, port)) { /* its receiver has ended */
    rk_host_link *old = *at;
    *at = old->next;
    end(old);
  }
  link->from = from;
  link->dest = to->id;
  link->options = *use;
  link->options.limit = rk__link_limit(use);
  memcpy(link->port, port, length);
  link->next = *at;
  *at = link;
  return RK_OK;
}

int rk_actor_host_unlink(rk_actor *from, const char *port, rk_error *err)
{
  rk_host_link *link = find(from, port);
  if (link == NULL) {
    return rk_error_set(err, RK_ENOT_FOUND, "port '%s.%s' is not connected", from->name, port);
  }
  *place_of(from->hosted, port) = link->next;
  end(link);
  rk_runtime_flush(from->rt);
  return RK_OK;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* Room that the receiver must have before the function is called: for all ports that lead there. */
static uint32_t need(const rk_host_link *link, uint32_t burst)
{
  uint32_t sum = 0;
  for (const rk_host_link *l = links_of(link->from); l != NULL; l = l->next) {
    sum += l->dest == link->dest && l->options.policy == RK_LINK_KIND_BLOCK ? burst : 0u;
  }
  return sum;
}

/* Whether the function has to wait for this link; begins its time. */
static bool waits(rk_host_link *link, uint32_t burst)
{
  rk_actor *to = receiver(link);
  link->is_late = false;
  if (link->options.policy != RK_LINK_KIND_BLOCK || to == NULL ||
      !rk__tenant_accepts(to->rt, to->tenant, link->from->tenant)) {
    return false; /* a send will say so */
  }
  if (rk_actor_room(to) >= need(link, burst)) {
    link->stalled_ns = 0;
    return false;
  }
  uint64_t now = rk_clock_mono_ns();
  if (link->stalled_ns == 0) {
    link->stalled_ns = now != 0 ? now : 1u;
    link->counts.stalls += 1;
  }
  uint64_t deadline = link->options.deadline_ns;
  link->is_late = deadline != 0 && now - link->stalled_ns >= deadline;
  return !link->is_late;
}

bool rk_actor_host_ready(rk_actor *from, uint32_t burst)
{
  for (rk_host_link *link = links_of(from); link != NULL; link = link->next) {
    if (waits(link, burst)) {
      return false;
    }
  }
  return true;
}

static int no_room(const rk_host_link *link, const rk_actor *to, rk_error *err)
{
  return rk_error_set(err, RK_EFULL,
                      "actor '%s': its queue of %u messages is full, and the link "
                      "'%s.%s' keeps no more",
                      to->name, to->queue, link->from->name, link->port);
}

/* A message for which there is no room: what the policy says. */
static int over(rk_host_link *link, rk_actor *to, const rk_abi_msg *header, const void *data,
                rk_error *err)
{
  rk_link_kind policy = link->options.policy;
  if (policy == RK_LINK_KIND_DEAD_LETTER || (policy == RK_LINK_KIND_BLOCK && link->is_late)) {
    link->stalled_ns = 0; /* the next message has its own time */
    bury(link, header, data, RK_DEAD_FULL);
    return no_room(link, to, err);
  }
  bool is_full = rk_mailbox_count(&link->waiting) >=
                 link->options.limit; /* which is 0 without a box */
  if (is_full) {
    link->counts.dropped += policy != RK_LINK_KIND_BLOCK ? 1u : 0u;
    if (policy != RK_LINK_KIND_DROP_OLDEST) {
      return no_room(link, to, err);
    }
  }
  if (!rk_mailbox_push(&link->waiting, header, data)) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "send through '%s.%s': out of memory",
                        link->from->name, link->port);
  }
  if (is_full) {
    rk_mailbox_drop_oldest(&link->waiting);
  }
  if (rk_mailbox_count(&link->waiting) > link->counts.high) {
    link->counts.high = rk_mailbox_count(&link->waiting);
  }
  list(link);
  return RK_OK;
}

/* Whether a message would be kept, so that it counts against its tenant's rate and has an id. */
static bool keeps(const rk_host_link *link)
{
  rk_link_kind policy = link->options.policy;
  return policy == RK_LINK_KIND_DEAD_LETTER || policy == RK_LINK_KIND_DROP_OLDEST ||
         (policy == RK_LINK_KIND_BLOCK && link->is_late) ||
         rk_mailbox_count(&link->waiting) < link->options.limit;
}

static int hold(rk_host_link *link, rk_actor *to, uint32_t type, const void *data, size_t size,
                const rk_send_options *options, rk_error *err)
{
  rk_runtime *rt = to->rt;
  rk_abi_msg header = {0};
  uint8_t tenant = 0;
  int rc = rk__send_type(to, type, size, err);
  if (rc == RK_OK) {
    rc = rk__tenant_of_send(to, options, &tenant, err);
  }
  if (rc == RK_OK && rt->tenants != NULL && keeps(link)) {
    rc = rk__tenant_allowance(rt, tenant, "send", to, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (keeps(link)) {
    header = (rk_abi_msg){
        .id = ++rt->next_id,
        .correlation = options->correlation,
        .hlc = rk_hlc_tick(&rt->clock),
        .deadline = options->deadline,
        .source = options->source,
        .dest = to->id,
        .type = type,
        .size_bytes = (uint32_t)size,
        .flags = (uint16_t)(options->is_reply ? RK_MSG_REPLY : 0u),
        .reason = tenant,
    };
    if (RK_UNLIKELY(rt->trace.on != 0)) {
      rk__trace_sent(rt, &header, options->cause);
    }
  }
  return over(link, to, &header, data, err);
}

int rk_actor_host_send(rk_actor *from, const char *port, uint32_t type, const void *data,
                       size_t size, const rk_send_options *options, rk_error *err)
{
  rk_host_link *link = find(from, port);
  int rc = rk__actor_check(from, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_actor *to = link != NULL ? receiver(link) : NULL;
  if (to == NULL) {
    return rk_error_set(err, RK_ENOT_FOUND, "port '%s.%s' is not connected", from->name, port);
  }
  rk_send_options own = options != NULL ? *options : (rk_send_options){0};
  bool blocks = link->options.policy == RK_LINK_KIND_BLOCK;
  own.source = from->id;
  rk_actor_retain(to);
  rc = RK_EFULL;
  /* who blocks has looked for room before: if there is none, room is made if it can be */
  if (flush(link) && (blocks || rk__send_room(to, RK_PRIORITY_NORMAL))) {
    rc = rk_actor_send(to, type, data, size, &own, NULL, err);
    link = find(from, port); /* a drain on the way may have ended either actor */
    if (rc == RK_OK && link != NULL) {
      link->counts.sent += 1;
    }
  }
  if (rc == RK_EFULL && link != NULL && (!blocks || link->is_late)) {
    rc = hold(link, to, type, data, size, &own, err);
  }
  rk_actor_release(to);
  return rc;
}

/* ---- telling ------------------------------------------------------------------------------- */

static rk_link_stats say(const rk_host_link *link)
{
  rk_link_stats out = link->counts;
  out.port = link->port;
  out.to = link->dest;
  out.policy = link->options.policy;
  out.limit = link->options.limit;
  out.deadline_ns = link->options.deadline_ns;
  out.waiting = rk_mailbox_count(&link->waiting);
  return out;
}

void rk__host_links_tell(const rk_actor *actor, rk_link_stats *out, size_t *count)
{
  size_t n = 0;
  for (const rk_host_link *link = links_of(actor); link != NULL; link = link->next) {
    if (n < *count) {
      out[n] = say(link);
    }
    ++n;
  }
  *count = n;
}

/* ---- checkpoints ------------------------------------------------------------------------------ */

bool rk__host_link_at(const rk_actor *actor, size_t i, rk_link_stats *out,
                      const rk_mailbox **waiting)
{
  const rk_host_link *link = links_of(actor);
  while (link != NULL && i != 0) {
    link = link->next;
    --i;
  }
  if (link == NULL) {
    return false;
  }
  *out = say(link);
  *waiting = &link->waiting;
  return true;
}

void rk__host_links_clear(rk_actor *actor)
{
  for (rk_host_link *link = links_of(actor); link != NULL; link = link->next) {
    unlist(link);
    rk_mailbox_close(&link->waiting);
    link->waiting = (rk_mailbox){0};
  }
}

bool rk__host_link_put(rk_actor *from, const char *port, uint32_t dest, const rk_link_stats *counts,
                       rk_mailbox *waiting)
{
  rk_host_link *link = find(from, port);
  if (link == NULL || link->dest != dest) {
    return false;
  }
  rk_mailbox old = link->waiting;
  link->waiting = *waiting;
  *waiting = old;
  link->counts = *counts;
  if (rk_mailbox_count(&link->waiting) != 0) {
    list(link);
  }
  return true;
}
