/* SPDX-License-Identifier: MIT */
/*
 * Messages from the host: room, a place in the ring, the header, the bell.
 *
 * Room is counted here: messages sent minus those the actor's block says have left its host ring
 * (rk_abi_link). The count that comes back may be late, never early, so the actor's ring cannot
 * overflow.
 */
#include "runtime/tenant.h"

#include <string.h>

#include "base/base.h"
#include "base/clock.h"

/* Whether one more message of this priority fits into the actor's queue. */
bool rk__send_room(rk_actor *actor, uint8_t priority)
{
  if (priority == RK_PRIORITY_HIGH) {
    if (actor->urgent_sent - actor->urgent_taken >= actor->urgent_limit) {
      actor->urgent_taken = rk_ld_relaxed_sys_u64(&actor->link->urgent_taken);
    }
    return actor->urgent_sent - actor->urgent_taken < actor->urgent_limit;
  }
  if (actor->host_sent - actor->host_taken >= actor->queue) {
    actor->host_taken = rk_ld_relaxed_sys_u64(&actor->link->host_taken);
  }
  return actor->host_sent - actor->host_taken < actor->queue;
}

static int refuse_full(rk_actor *actor, rk_error *err)
{
  actor->rt->stats.refused_full += 1;
  return rk_error_set(err, RK_EFULL, "actor '%s': its queue of %u messages is full", actor->name,
                      actor->queue);
}

int rk__send_type(const rk_actor *actor, uint32_t type, size_t size, rk_error *err)
{
  uint32_t wanted = 0;
  if (!rk__loaded_accepts(actor->loaded, type, &wanted)) {
    return rk_error_set(err, RK_EINVAL,
                        "actor '%s' (kernel '%s') does not accept message type %08x", actor->name,
                        actor->kernel->name, type);
  }
  if (size != wanted) {
    return rk_error_set(err, size > RK_PAYLOAD_MAX_BYTES ? RK_ETOO_LARGE : RK_EINVAL,
                        "message type %08x has %u bytes, got %zu", type, wanted, size);
  }
  return RK_OK;
}

void rk__reservation_drop(rk_runtime *rt)
{
  if (rt->reserved.tx != NULL) {
    rkd_ring_abandon(rt->reserved.tx, rt->reserved.size);
    rt->reserved.tx = NULL;
  }
}

int rk_actor_reserve(rk_actor *actor, uint32_t type, size_t size, uint8_t priority, void **payload,
                     rk_error *err)
{
  rk_send_options options = {.priority = priority};
  return rk_actor_reserve_with(actor, type, size, &options, payload, err);
}

int rk_actor_reserve_with(rk_actor *actor, uint32_t type, size_t size,
                          const rk_send_options *options, void **payload, rk_error *err)
{
  uint8_t priority = options != NULL ? options->priority : RK_PRIORITY_NORMAL;
  uint8_t tenant = 0;
  int rc = rk__actor_check(actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_runtime *rt = actor->rt;
  rk__reservation_drop(rt);
  rc = rk__send_type(actor, type, size, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (priority > RK_PRIORITY_HIGH) {
    return rk_error_set(err, RK_EINVAL, "priority: 0 (normal) or 1 (high), got %u", priority);
  }
  if (RK_UNLIKELY(rt->tenants != NULL) || (options != NULL && options->as > 1u)) {
    rc = rk__tenant_of_send(actor, options, &tenant, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  if (!rk__send_room(actor, priority)) {
    (void)rk__drain(rt); /* its block may itself wait for room toward us */
    rk__queues_grow(rt);
    rc = rk__actor_check(actor, err);
    if (rc != RK_OK || !rk__send_room(actor, priority)) {
      return rc != RK_OK ? rc : refuse_full(actor, err);
    }
  }
  uint32_t units = rkd_units((uint32_t)size);
  uint32_t block = actor->block;
  rk_ring_tx *tx = &rt->blocks[block].tx;
  if (rkd_ring_free(tx, units) < units) {
    if (!rk__grid_room(rt, block, units)) {
      rc = rk__actor_check(actor, err);
      if (rc != RK_OK) {
        return rc;
      }
      rt->stats.refused_full += 1;
      return rk_error_set(err, RK_EFULL,
                          "the way to block %u is full: a handler of its actors keeps it busy",
                          block);
    }
    rc = rk__actor_check(actor, err); /* it may have ended while we waited */
    if (rc != RK_OK) {
      return rc;
    }
  }
  if (RK_UNLIKELY(rt->tenants != NULL)) {
    rc = rk__tenant_allowance(rt, tenant, "send", actor, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  unsigned char *place = rkd_ring_place(tx, (uint32_t)size);
  if (place == NULL) {
    place = rt->scratch;
  }
  memset(place, 0, size);
  rt->reserved.actor = actor;
  rt->reserved.tx = tx;
  rt->reserved.size = (uint32_t)size;
  rt->reserved.type = type;
  rt->reserved.priority = priority;
  rt->reserved.tenant = tenant;
  rt->reserved.payload = place;
  *payload = place;
  return RK_OK;
}

/* Messages of one batch share a reading of the wall clock; their stamps differ in the counter. */
#define BATCH_MSGS 32u

static rk_u64 stamp(rk_runtime *rt, bool is_batch)
{
  if (!is_batch) {
    return rk_hlc_tick(&rt->clock);
  }
  if (rt->batch_left == 0) {
    rt->batch_left = BATCH_MSGS;
    rt->batch_us = rk_clock_wall_us();
  }
  rt->batch_left -= 1;
  return rk_hlc_tick_at(&rt->clock, rt->batch_us);
}

/* The header of what is reserved, but for its id, stamp and checksum. */
static rk_abi_msg header_of(const rk_actor *actor, const rk_send_options *options)
{
  const rk_runtime *rt = actor->rt;
  return (rk_abi_msg){
      .correlation = options != NULL ? options->correlation : 0,
      .deadline = options != NULL ? options->deadline : 0,
      .source = options != NULL ? options->source : RK_ID_HOST,
      .dest = actor->id,
      .type = rt->reserved.type,
      .size_bytes = rt->reserved.size,
      .flags = (uint16_t)(rt->ordered | (options != NULL && options->is_reply ? RK_MSG_REPLY : 0u) |
                          (rt->checksum ? RK_MSG_CHECKED : 0u)),
      .priority = rt->reserved.priority,
      .reason = rt->reserved.tenant,
  };
}

static void count_sent(rk_actor *actor, uint8_t priority, uint32_t messages)
{
  if (priority == RK_PRIORITY_HIGH) {
    actor->urgent_sent += messages;
  } else {
    actor->host_sent += messages;
  }
  actor->rt->stats.sent += messages;
}

static uint64_t commit(rk_actor *actor, const rk_send_options *options, bool is_batch)
{
  rk_runtime *rt = actor->rt;
  rk_ring_tx *tx = rt->reserved.tx;
  rk_abi_msg header = header_of(actor, options);
  header.id = ++rt->next_id;
  header.hlc = stamp(rt, is_batch);
  if (rt->checksum) {
    header.checksum = rkd_checksum(rt->reserved.payload, header.size_bytes);
  }
  if (rt->reserved.payload == rt->scratch) {
    rkd_ring_put(tx, header.size_bytes, 0u, rt->scratch, header.size_bytes);
  }
  rkd_ring_commit(tx, &header);
  if (RK_UNLIKELY(rt->trace.on != 0)) {
    rk__trace_sent(rt, &header, options != NULL ? options->cause : 0);
  }
  rt->reserved.tx = NULL;
  count_sent(actor, header.priority, 1);
  return header.id;
}

uint64_t rk_actor_commit(rk_actor *actor, const rk_send_options *options)
{
  RK_NVTX_RANGE(RK_NVTX_SEND, actor->rt->next_id + 1);
  uint64_t id = commit(actor, options, false);
  actor->rt->ops->grid_bell(actor->rt->backend, actor->block);
  return id;
}

uint64_t rk_actor_commit_quiet(rk_actor *actor, const rk_send_options *options)
{
  RK_NVTX_RANGE(RK_NVTX_SEND, actor->rt->next_id + 1);
  uint64_t id = commit(actor, options, true);
  actor->rt->blocks[actor->block].rung_later = true;
  return id;
}

int rk_actor_send(rk_actor *actor, uint32_t type, const void *data, size_t size,
                  const rk_send_options *options, uint64_t *id, rk_error *err)
{
  void *payload = NULL;
  int rc = rk_actor_reserve_with(actor, type, size, options, &payload, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (size != 0) {
    memcpy(payload, data, size);
  }
  uint64_t made = rk_actor_commit(actor, options);
  if (id != NULL) {
    *id = made;
  }
  return RK_OK;
}

/* How many more messages like the last one there is room for now, without waiting. */
static uint32_t room_for_more(rk_actor *actor, uint8_t priority, size_t size)
{
  uint32_t units = rkd_units((uint32_t)size);
  uint64_t left = priority == RK_PRIORITY_HIGH
                      ? actor->urgent_limit - (actor->urgent_sent - actor->urgent_taken)
                      : actor->queue - (actor->host_sent - actor->host_taken);
  uint32_t free_units = rkd_ring_free(&actor->rt->blocks[actor->block].tx, units);
  return left < free_units / units ? (uint32_t)left : free_units / units;
}

/* Messages like the last one that was reserved, with one release for all of them. */
static void commit_many(rk_actor *actor, const rk_send_options *options, const unsigned char *data,
                        uint32_t count)
{
  rk_runtime *rt = actor->rt;
  rk_ring_tx *tx = &rt->blocks[actor->block].tx;
  rk_abi_msg header = header_of(actor, options);
  rkd_ring_hold(tx);
  for (uint32_t i = 0; i < count; ++i, data += header.size_bytes) {
    header.id = ++rt->next_id;
    header.hlc = stamp(rt, true);
    if (rt->checksum) {
      header.checksum = rkd_checksum(data, header.size_bytes);
    }
    rkd_ring_put(tx, header.size_bytes, 0u, data, header.size_bytes);
    rkd_ring_commit(tx, &header);
    if (RK_UNLIKELY(rt->trace.on != 0)) {
      rk__trace_sent(rt, &header, options != NULL ? options->cause : 0);
    }
  }
  rkd_ring_flush(tx);
  count_sent(actor, header.priority, count);
}

int rk_actor_send_batch(rk_actor *actor, uint32_t type, size_t size, const void *data,
                        uint32_t count, const rk_send_options *options, uint32_t *sent,
                        rk_error *err)
{
  RK_NVTX_RANGE(RK_NVTX_SEND, actor->rt->next_id + 1);
  const unsigned char *from = data;
  rk_runtime *rt = actor->rt;
  int rc = RK_OK;
  *sent = 0;
  while (*sent < count) {
    void *payload = NULL;
    /* All that can be in the way is met by the first of each part. */
    rc = rk_actor_reserve_with(actor, type, size, options, &payload, err);
    if (rc != RK_OK) {
      break;
    }
    if (size != 0) {
      memcpy(payload, from + *sent * size, size);
    }
    (void)commit(actor, options, true);
    rt->blocks[actor->block].rung_later = true;
    *sent += 1;
    uint32_t more = count - *sent < BATCH_MSGS - 1 ? count - *sent : BATCH_MSGS - 1;
    if (more == 0 || rt->tenants != NULL) { /* tenants pay for each */
      continue;
    }
    uint32_t room = room_for_more(actor, rt->reserved.priority, size);
    more = more < room ? more : room;
    commit_many(actor, options, from + *sent * size, more);
    *sent += more;
  }
  return rc;
}

int rk__send(rk_actor *actor, const rk_abi_msg *header, const void *data)
{
  RK_NVTX_RANGE(RK_NVTX_SEND, header->id);
  rk_runtime *rt = actor->rt;
  rk_ring_tx *tx = &rt->blocks[actor->block].tx;
  uint32_t units = rkd_units(header->size_bytes);
  rk_abi_msg h = *header;
  h.dest = actor->id;
  h.flags = (uint16_t)(h.flags | rt->ordered);
  rk__reservation_drop(rt);
  bool is_refusal = (h.flags & RK_MSG_REFUSED) != 0; /* its checksum is a code */
  h.priority = is_refusal ? RK_PRIORITY_HIGH : RK_PRIORITY_NORMAL;
  if (rt->checksum && !is_refusal) {
    h.flags = (uint16_t)(h.flags | RK_MSG_CHECKED);
    h.checksum = rkd_checksum(data, h.size_bytes);
  }
  if (!rk__send_room(actor, h.priority) || rkd_ring_free(tx, units) < units) {
    return RK_EFULL;
  }
  rkd_ring_put(tx, header->size_bytes, 0u, data, header->size_bytes);
  rkd_ring_commit(tx, &h);
  if (is_refusal) {
    actor->urgent_sent += 1;
  } else {
    actor->host_sent += 1;
    rt->stats.sent += 1;
  }
  rt->blocks[actor->block].rung_later = true;
  return RK_OK;
}

uint32_t rk_actor_room(rk_actor *actor)
{
  if (rk__actor_check(actor, NULL) != RK_OK) {
    return 0;
  }
  actor->host_taken = rk_ld_relaxed_sys_u64(&actor->link->host_taken);
  return actor->queue - (uint32_t)(actor->host_sent - actor->host_taken);
}
