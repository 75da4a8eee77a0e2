/* SPDX-License-Identifier: MIT */
/*
 * Publish and subscribe: who gets what is decided here, on the host; a handler's publish comes here
 * first.
 *
 * Deliveries never wait. A subscriber without room loses the message visibly: its count of drops
 * goes up, and what an actor did not get goes to the dead letters.
 */
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"

#define LIMIT_DEFAULT 1024u

typedef struct delivery {
  rk_runtime *rt;
  rk_abi_msg header;
  const char *topic;
  const void *data;
  size_t reached;
  uint32_t as; /* in whose name; 0: the host's own, which everybody gets */
} delivery;

/* A record in a subscription's box: topic text, then the message. */
static bool put_into_box(rk_subscription *sub, const delivery *d)
{
  void *payload = NULL;
  if (rk_mailbox_waiting(&sub->box) >= sub->limit) {
    return false;
  }
  rk_abi_msg *record = rk_mailbox_append(&sub->box, RK_TOPIC_BYTES + d->header.size_bytes,
                                         &payload);
  if (record == NULL) {
    return false;
  }
  *record = d->header;
  record->size_bytes = RK_TOPIC_BYTES + d->header.size_bytes;
  memset(payload, 0, RK_TOPIC_BYTES);
  memcpy(payload, d->topic, strlen(d->topic));
  if (d->header.size_bytes != 0) {
    memcpy((unsigned char *)payload + RK_TOPIC_BYTES, d->data, d->header.size_bytes);
  }
  if (!sub->is_ready) {
    sub->is_ready = true;
    sub->next_ready = NULL;
    *sub->rt->ready_tail = sub;
    sub->rt->ready_tail = &sub->next_ready;
  }
  return true;
}

static bool give_to_actor(rk_subscription *sub, const delivery *d)
{
  rk_actor *actor = sub->actor;
  uint32_t size = 0;
  uint8_t reason = RK_DEAD_FULL;
  if (rk__actor_check(actor, NULL) != RK_OK) {
    reason = RK_DEAD_TERMINATED;
  } else if (!rk__loaded_accepts(actor->loaded, d->header.type, &size) ||
             size != d->header.size_bytes) {
    reason = RK_DEAD_TYPE;
  } else if (rk__send(actor, &d->header, d->data) == RK_OK) {
    return true;
  }
  rk_abi_msg letter = d->header;
  letter.dest = actor->id;
  rk__dead_letter(sub->rt, &letter, d->data, reason);
  return false;
}

/* Whose publications a subscription gets, + 1; 0 = everybody's. */
static uint32_t owner_of(const rk_subscription *sub)
{
  return sub->actor != NULL ? sub->actor->tenant + 1u : sub->as;
}

/* Whether the subscriber is to hear of it; says in whose name the message reaches it. */
static bool may_hear(const rk_subscription *sub, delivery *d)
{
  uint32_t owner = owner_of(sub);
  if (owner == 0 || d->as == 0 || rk__tenant_accepts(d->rt, owner - 1u, d->as - 1u)) {
    d->header.reason = (uint8_t)(d->as != 0 ? d->as - 1u : owner != 0 ? owner - 1u : 0u);
    return true;
  }
  rk__audit(d->rt, &(rk_refusal){.action = "publish",
                                 .code = RK_ETENANT_MISMATCH,
                                 .as = d->as,
                                 .other = owner,
                                 .actor = rk__registry_by_reference(d->rt, d->header.source),
                                 .dest = sub->actor != NULL ? sub->actor->id : 0});
  return false;
}

static void deliver(void *value, void *user)
{
  rk_subscription *sub = value;
  delivery *d = user;
  if (!may_hear(sub, d)) {
    return;
  }
  if (sub->actor != NULL ? give_to_actor(sub, d) : put_into_box(sub, d)) {
    sub->delivered += 1;
    d->reached += 1;
  } else {
    sub->dropped += 1;
    d->rt->stats.publish_dropped += 1;
  }
}

static size_t fan_out(rk_runtime *rt, const rk_abi_msg *header, const char *topic, const void *data,
                      uint32_t as)
{
  delivery d = {.rt = rt, .header = *header, .topic = topic, .data = data, .as = as};
  d.header.flags = (uint16_t)(d.header.flags & ~RK_MSG_PUBLISH);
  rt->stats.published += 1;
  (void)rk_topic_tree_match(rt->topics, topic, deliver, &d);
  return d.reached;
}

static int retain(rk_runtime *rt, const char *topic, const rk_abi_msg *header, const void *data,
                  uint32_t as, rk_error *err)
{
  rk_retained *old = rk_namemap_get(rt->retained_topics, topic);
  if (old != NULL && old->as != as && as != 0) { /* whoever keeps a topic keeps it */
    rk__audit(rt,
              &(rk_refusal){
                  .action = "publish", .code = RK_ETENANT_MISMATCH, .as = as, .other = old->as});
    return rk_error_set(err, RK_ETENANT_MISMATCH,
                        "publish '%s': its retained message is not tenant '%s''s", topic,
                        rk__tenant_name(rt, as));
  }
  if (header->size_bytes == 0) {
    (void)rk_namemap_del(rt->retained_topics, topic);
    rk_free(old);
    return RK_OK;
  }
  rk_retained *kept = rk_alloc(sizeof(*kept) + header->size_bytes);
  if (kept == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "publish '%s': out of memory", topic);
  }
  *kept = (rk_retained){.type = header->type,
                        .size = header->size_bytes,
                        .as = as,
                        .hlc = header->hlc,
                        .id = header->id,
                        .sender = header->source};
  memcpy(kept->data, data, header->size_bytes);
  int rc = rk_namemap_put(rt->retained_topics, topic, kept, err);
  rk_free(rc == RK_OK ? old : kept);
  return rc;
}

int rk_runtime_publish(rk_runtime *rt, const char *topic, uint32_t type, const void *data,
                       size_t size, bool keep, size_t *count, rk_error *err)
{
  return rk_runtime_publish_as(rt, 0, topic, type, data, size, keep, count, err);
}

int rk_runtime_publish_as(rk_runtime *rt, uint32_t as, const char *topic, uint32_t type,
                          const void *data, size_t size, bool keep, size_t *count, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = rk_topic_check(topic, err);
  }
  if (rc == RK_OK) {
    rc = rk__tenant_check(rt, as, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (size > RK_PAYLOAD_MAX_BYTES) {
    return rk_error_set(err, RK_ETOO_LARGE,
                        "publish '%s': a message holds at most %u bytes, got %zu", topic,
                        RK_PAYLOAD_MAX_BYTES, size);
  }
  if (as != 0 && rt->tenants != NULL) {
    rc = rk__tenant_allowance(rt, as - 1u, "publish", NULL, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  rk_abi_msg header = {.id = ++rt->next_id,
                       .hlc = rk_hlc_tick(&rt->clock),
                       .type = type,
                       .size_bytes = (uint32_t)size};
  RK_NVTX_RANGE_OF(RK_NVTX_PUBLISH, header.id, topic);
  if (rt->trace.on != 0) {
    rk__trace_sent(rt, &header, 0);
  }
  if (keep) {
    rc = retain(rt, topic, &header, data, as, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  size_t reached = keep && size == 0 ? 0 : fan_out(rt, &header, topic, data, as);
  rk_runtime_flush(rt);
  if (count != NULL) {
    *count = reached;
  }
  return RK_OK;
}

void rk__publish_from_grid(rk_runtime *rt, const rk_abi_msg *header, const unsigned char *payload)
{
  char topic[RK_TOPIC_BYTES];
  rk_abi_msg h = *header;
  memcpy(topic, payload, RK_TOPIC_BYTES);
  topic[RK_TOPIC_BYTES - 1] = '\0';
  h.size_bytes = header->size_bytes - RK_TOPIC_BYTES;
  if (rk_topic_check(topic, NULL) != RK_OK) { /* a handler's text: nobody can subscribe to it */
    rk__dead_letter(rt, &h, payload + RK_TOPIC_BYTES, RK_DEAD_TYPE);
    return;
  }
  RK_NVTX_RANGE_OF(RK_NVTX_PUBLISH, h.id, topic);
  (void)fan_out(rt, &h, topic, payload + RK_TOPIC_BYTES, header->reason + 1u);
}

/* A tenant that makes another's actor hear of topics sends to it. */
static int check_subscriber(rk_runtime *rt, uint32_t as, const char *pattern, rk_actor *actor,
                            rk_error *err)
{
  int rc = rk__tenant_check(rt, as, err);
  if (rc != RK_OK || as == 0 || actor == NULL || rk__tenant_accepts(rt, actor->tenant, as - 1u)) {
    return rc;
  }
  rk__audit(rt, &(rk_refusal){.action = "subscribe",
                              .code = RK_ETENANT_MISMATCH,
                              .as = as,
                              .other = actor->tenant + 1u,
                              .dest = actor->id});
  return rk_error_set(err, RK_ETENANT_MISMATCH,
                      "subscribe '%s': tenant '%s' has not granted that to tenant '%s'", pattern,
                      rk__tenant_name(rt, actor->tenant + 1u), rk__tenant_name(rt, as));
}

int rk_runtime_subscribe(rk_runtime *rt, const char *pattern, rk_actor *actor, uint32_t limit,
                         rk_subscription **out, rk_error *err)
{
  return rk_runtime_subscribe_as(rt, 0, pattern, actor, limit, out, err);
}

int rk_runtime_subscribe_as(rk_runtime *rt, uint32_t as, const char *pattern, rk_actor *actor,
                            uint32_t limit, rk_subscription **out, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK && actor != NULL) {
    rc = rk__actor_check(actor, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (actor != NULL && actor->rt != rt) {
    return rk_error_set(err, RK_EINVAL, "subscribe '%s': the actor belongs to another runtime",
                        pattern);
  }
  rc = check_subscriber(rt, as, pattern, actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_subscription *sub = rk_calloc(1, sizeof(*sub));
  if (sub != NULL) {
    sub->pattern = rk_strdup(pattern);
  }
  if (sub == NULL || sub->pattern == NULL) {
    rk_free(sub);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "subscribe '%s': out of memory", pattern);
  }
  sub->rt = rt;
  sub->limit = limit != 0 ? limit : LIMIT_DEFAULT;
  sub->as = as;
  rc = rk_topic_tree_add(rt->topics, pattern, sub, err);
  if (rc != RK_OK) {
    rk_free(sub->pattern);
    rk_free(sub);
    return rc;
  }
  if (actor != NULL) {
    sub->actor = rk_actor_retain(actor);
  }
  sub->next = rt->subscriptions;
  if (sub->next != NULL) {
    sub->next->previous = sub;
  }
  rt->subscriptions = sub;
  rt->subscription_count += 1;
  size_t cursor = 0;
  const char *topic = NULL;
  void *value = NULL;
  while (rk_namemap_next(rt->retained_topics, &cursor, &topic, &value)) {
    const rk_retained *kept = value;
    if (rk_topic_matches(pattern, topic)) {
      delivery d = {.rt = rt,
                    .topic = topic,
                    .data = kept->data,
                    .as = kept->as,
                    .header = {.id = kept->id,
                               .hlc = kept->hlc,
                               .type = kept->type,
                               .size_bytes = kept->size,
                               .source = (uint32_t)kept->sender}};
      deliver(sub, &d);
    }
  }
  rk_runtime_flush(rt);
  *out = sub;
  return RK_OK;
}

/* Takes a subscription out of its runtime; the handle stays. */
static void detach(rk_subscription *sub)
{
  rk_runtime *rt = sub->rt;
  if (rt == NULL) {
    return;
  }
  (void)rk_topic_tree_remove(rt->topics, sub->pattern, sub);
  if (sub->previous != NULL) {
    sub->previous->next = sub->next;
  } else {
    rt->subscriptions = sub->next;
  }
  if (sub->next != NULL) {
    sub->next->previous = sub->previous;
  }
  rk_subscription **at = &rt->ready;
  while (*at != NULL && *at != sub) {
    at = &(*at)->next_ready;
  }
  if (*at == sub) {
    *at = sub->next_ready;
  }
  for (rt->ready_tail = &rt->ready; *rt->ready_tail != NULL;) {
    rt->ready_tail = &(*rt->ready_tail)->next_ready;
  }
  rt->subscription_count -= 1;
  sub->rt = NULL;
  rk__actor_unref(sub->actor);
  sub->actor = NULL;
}

void rk_subscription_close(rk_subscription *sub)
{
  if (sub == NULL) {
    return;
  }
  detach(sub);
  rk_mailbox_close(&sub->box);
  rk_free(sub->pattern);
  rk_free(sub);
}

int rk_subscription_try_receive(rk_subscription *sub, rk_received *out, const char **topic)
{
  if (sub->rt == NULL) {
    return RK_ECLOSED;
  }
  if (rk_mailbox_waiting(&sub->box) == 0) {
    (void)rk__drain(sub->rt);
  }
  do {
    if (!rk_mailbox_take(&sub->box, out, NULL)) {
      return RK_EEMPTY;
    }
  } while ((out->flags & RK_MSG_SWEPT) != 0);
  RK_NVTX_RANGE(RK_NVTX_RECEIVE, out->id);
  memcpy(sub->topic, out->data, RK_TOPIC_BYTES);
  out->data = (const unsigned char *)out->data + RK_TOPIC_BYTES;
  out->size -= RK_TOPIC_BYTES;
  if (topic != NULL) {
    *topic = sub->topic;
  }
  return RK_OK;
}

void rk_subscription_stats_get(const rk_subscription *sub, rk_subscription_stats *out)
{
  *out = (rk_subscription_stats){.delivered = sub->delivered,
                                 .dropped = sub->dropped,
                                 .waiting = rk_mailbox_waiting(&sub->box)};
}

rk_subscription *rk_runtime_next_ready(rk_runtime *rt)
{
  while (rt->ready != NULL) {
    rk_subscription *sub = rt->ready;
    if (rk_mailbox_waiting(&sub->box) != 0) {
      return sub;
    }
    rt->ready = sub->next_ready;
    if (rt->ready == NULL) {
      rt->ready_tail = &rt->ready;
    }
    sub->is_ready = false;
  }
  return NULL;
}

void rk_subscription_user_set(rk_subscription *sub, uint64_t user)
{
  sub->user = user;
}
uint64_t rk_subscription_user(const rk_subscription *sub)
{
  return sub->user;
}

void rk__pubsub_close(rk_runtime *rt)
{
  size_t cursor = 0;
  void *value = NULL;
  while (rt->subscriptions != NULL) {
    detach(rt->subscriptions);
  }
  while (rt->retained_topics != NULL &&
         rk_namemap_next(rt->retained_topics, &cursor, NULL, &value)) {
    rk_free(value);
  }
  rk_namemap_close(rt->retained_topics);
  rk_topic_tree_close(rt->topics);
}
