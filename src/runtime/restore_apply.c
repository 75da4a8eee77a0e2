/* SPDX-License-Identifier: MIT */
/*
 * Putting a checkpoint that was read and compared into a parked grid.
 *
 * An actor's rings, counts and state are written as its block left them. Everything that could fail
 * for a reason of its own has been done before; from the first write on only the loss of the device
 * can stop it.
 *
 * Rings of host messages go on at the positions that were saved, so that what was sent, handled and
 * waits still adds up. The ring of messages from actors goes on at its own tail: readiness there is
 * the slot's number, and an older number must not come back. Credits that other actors' routes hold
 * of it are taken back, so all its room but what waits is free again.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "runtime/actor_parts.h"
#include "runtime/restore.h"
#include "runtime/spill.h"

/* ---- writing --------------------------------------------------------------------------------- */

/* Writes slots into a ring from a position on. */
static int put_slots(rk_runtime *rt, const unsigned char *image, uint32_t count, uint64_t slots,
                     uint32_t mask, uint32_t slot_bytes, uint64_t position, rk_error *err)
{
  int rc = RK_OK;
  while (count != 0 && rc == RK_OK) {
    uint32_t first = (uint32_t)(position & mask);
    uint32_t n = count < mask + 1u - first ? count : mask + 1u - first;
    rc = rt->ops->device_write(rt->backend, slots + (uint64_t)first * slot_bytes, image,
                               (size_t)n * slot_bytes, err);
    image += (size_t)n * slot_bytes;
    position += n;
    count -= n;
  }
  return rc;
}

static int put_rings(rk_runtime *rt, rk_restore_target *t, rk_abi_actor *a, rk_error *err)
{
  const rk_saved_queue *queues = t->saved->queues;
  uint32_t slot_bytes = a->slot_bytes;
  uint64_t tail = a->tail & ~RK_TAIL_CLOSED;
  for (uint32_t i = 0; i < queues[RK_SAVED_KERNEL].count; ++i) {
    rk_u64 seq = tail + i + 1u;
    memcpy(t->slots[RK_SAVED_KERNEL] + (size_t)i * slot_bytes + offsetof(rk_abi_msg, seq), &seq,
           sizeof(seq));
  }
  int rc = put_slots(rt, t->slots[RK_SAVED_KERNEL], queues[RK_SAVED_KERNEL].count, a->kernel_slots,
                     a->kernel_mask, slot_bytes, tail, err);
  if (rc == RK_OK) {
    rc = put_slots(rt, t->slots[RK_SAVED_HOST], queues[RK_SAVED_HOST].count, a->host_slots,
                   a->host_mask, slot_bytes, t->saved->host_head, err);
  }
  if (rc == RK_OK) {
    rc = put_slots(rt, t->slots[RK_SAVED_URGENT], queues[RK_SAVED_URGENT].count, a->urgent_slots,
                   a->urgent_mask, slot_bytes, t->saved->urgent_head, err);
  }
  a->kernel_head = tail;
  a->tail = tail + queues[RK_SAVED_KERNEL].count;
  a->room = (rk_i64)a->limit_msgs - (rk_i64)queues[RK_SAVED_KERNEL].count;
  a->kernel_taken = 0u;
  a->near_head = a->near_tail;
  a->told = queues[RK_SAVED_KERNEL].count != 0u ? 1u : 0u;
  return rc;
}

/* The life that the grid gets; an active one is activated when everything is in place. */
static uint32_t quiet_life(const rk_saved_actor *saved)
{
  return saved->life == RK_STATE_ACTIVE ? RK_STATE_DEACTIVATED : saved->life;
}

/* What the host counts of it. `before`: the actor as its block left it. */
static void put_host_side(rk_restore_target *t, const rk_abi_actor *before)
{
  rk_actor *actor = t->actor;
  const rk_saved_actor *s = t->saved;
  /* what is still on its way in the ring to its block arrives behind what is restored */
  uint64_t host_flies = actor->host_sent - before->host_tail;
  uint64_t urgent_flies = actor->urgent_sent - before->urgent_tail;
  rk_mailbox old_out = actor->mailbox;
  actor->host_taken = s->host_head;
  actor->host_sent = s->host_head + s->queues[RK_SAVED_HOST].count + host_flies;
  actor->urgent_taken = s->urgent_head;
  actor->urgent_sent = s->urgent_head + s->queues[RK_SAVED_URGENT].count + urgent_flies;
  rk_st_relaxed_sys_u64(&actor->link->host_taken, actor->host_taken);
  rk_st_relaxed_sys_u64(&actor->link->urgent_taken, actor->urgent_taken);
  rk_st_relaxed_sys_u32(&actor->link->out_wanted, 0u);
  actor->out_before = 0;
  actor->received = s->received;
  actor->life = (uint8_t)quiet_life(s);
  rk__out_forget_behind(actor);
  actor->mailbox = t->out;
  t->out = old_out;
  if (actor->hosted != NULL) { /* without it nothing was saved there: restore.c */
    rk_mailbox old_passed = actor->hosted->passed_on;
    actor->hosted->is_refusing = false;
    actor->hosted->passed_on = t->passed_on;
    t->passed_on = old_passed;
  }
}

static int put_counts(rk_still *still, const rk_restore_target *t, rk_error *err)
{
  rk_runtime *rt = still->rt;
  uint32_t slot = t->actor->slot;
  const rk_saved_actor *s = t->saved;
  rk_abi_telemetry *telemetry = &still->telemetry[slot];
  rk_abi_ctrl *ctrl = &still->ctrls[slot];
  *telemetry = (rk_abi_telemetry){
      .messages_processed = s->handled,
      .messages_dropped = s->dropped,
      .last_processed_timestamp = telemetry->last_processed_timestamp,
      .queue_depth = (rk_i32)(s->queues[RK_SAVED_KERNEL].count + s->queues[RK_SAVED_HOST].count +
                              s->queues[RK_SAVED_URGENT].count),
      .total_latency_nanos = s->latency_total,
      .max_latency_nanos = s->latency_max,
      .min_latency_nanos = s->latency_min,
      .error_code = s->last_error,
  };
  ctrl->is_active = 0;
  ctrl->errors_encountered = s->errors;
  ctrl->messages_processed = (rk_i64)s->handled;
  int rc = rt->ops->device_write(rt->backend, still->grid.telemetry + slot * sizeof(*telemetry),
                                 telemetry, sizeof(*telemetry), err);
  return rc != RK_OK ? rc
                     : rt->ops->device_write(rt->backend, still->grid.ctrls + slot * sizeof(*ctrl),
                                             ctrl, sizeof(*ctrl), err);
}

static int put_actor(rk_still *still, rk_restore_target *t, rk_error *err)
{
  rk_runtime *rt = still->rt;
  const rk_saved_actor *s = t->saved;
  rk_abi_actor *a = &still->actors[t->actor->slot];
  const rk_abi_actor before = *a;
  const size_t from = offsetof(rk_abi_actor, tail);
  int rc = put_rings(rt, t, a, err);
  if (rc == RK_OK && s->state_bytes != 0) {
    rc = rt->ops->device_write(rt->backend, a->state, s->state, s->state_bytes, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  a->host_head = s->host_head;
  a->host_tail = s->host_head + s->queues[RK_SAVED_HOST].count;
  a->urgent_head = s->urgent_head;
  a->urgent_tail = s->urgent_head + s->queues[RK_SAVED_URGENT].count;
  a->out_acked = t->actor->out_taken;
  a->out_sent = t->actor->out_taken + t->out_counted;
  a->life = quiet_life(s);
  a->started = s->started;
  a->handled = s->handled;
  a->dropped = s->dropped;
  a->held = 0; /* rk__links_put */
  rc = rt->ops->device_write(rt->backend, rt->actors + t->actor->slot * sizeof(*a) + from,
                             (const unsigned char *)a + from, sizeof(*a) - from, err);
  if (rc == RK_OK) {
    rc = put_counts(still, t, err);
  }
  put_host_side(t, &before);
  return rc;
}

/* Takes the credits back that routes hold of the targets. */
static int take_credits_back(rk_restore *r, const rk_still *still, rk_error *err)
{
  rk_runtime *rt = r->rt;
  rk_idmap *targets = rk_idmap_new();
  int rc = targets != NULL ? RK_OK : rk_error_set(err, RK_EOUT_OF_MEMORY, "restore: out of memory");
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    rc = rk_idmap_put(targets, r->targets[i].actor->id, r->targets[i].actor, err);
  }
  for (uint32_t slot = 0; slot < still->slots && rc == RK_OK; ++slot) {
    const rk_actor *from = rt->by_slot[slot];
    if (from == NULL || !rk__still_has(still, from)) {
      continue;
    }
    for (uint32_t p = 0; p < from->loaded->def.port_count && rc == RK_OK; ++p) {
      if (rk_idmap_get(targets, from->ports[p].dest) != NULL) {
        const rk_u32 none = 0;
        rc = rt->ops->device_write(rt->backend,
                                   still->actors[slot].routes + p * sizeof(rk_abi_route) +
                                       offsetof(rk_abi_route, credits),
                                   &none, sizeof(none), err);
      }
    }
  }
  rk_idmap_close(targets);
  return rc;
}

/* ---- what is replaced ------------------------------------------------------------------------ */

/* Whoever waits for the answer to a request that is thrown away waits no longer. */
static int end_calls(rk_runtime *rt, const rk_abi_actor *a, rk_error *err)
{
  const uint64_t near_tail = (uint64_t)a->near_head + rkd_near_depth(a);
  const struct {
    uint64_t slots, head, tail;
    uint32_t mask;
  } rings[] = {{a->kernel_slots, a->kernel_head, a->tail & ~RK_TAIL_CLOSED, a->kernel_mask},
               {rkd_near_slots(a), a->near_head, near_tail, a->near_mask},
               {a->host_slots, a->host_head, a->host_tail, a->host_mask},
               {a->urgent_slots, a->urgent_head, a->urgent_tail, a->urgent_mask}};
  for (unsigned i = 0; i < RK_ARRAY_LEN(rings); ++i) {
    for (uint64_t at = rings[i].head; at != rings[i].tail && rk_idmap_count(rt->calls) != 0; ++at) {
      rk_abi_msg header;
      int rc = rt->ops->device_read(rt->backend, &header,
                                    rings[i].slots + (at & rings[i].mask) * a->slot_bytes,
                                    sizeof(header), err);
      if (rc != RK_OK) {
        return rc;
      }
      rk__call_dead(rt, &header, RK_DEAD_TERMINATED);
    }
  }
  return RK_OK;
}

static void end_passed_calls(rk_runtime *rt, const rk_mailbox *box)
{
  rk_received m;
  for (size_t i = 0; rk_idmap_count(rt->calls) != 0 && rk_mailbox_peek(box, i, &m, NULL); ++i) {
    const rk_abi_msg header = {.correlation = m.correlation, .source = (uint32_t)m.sender};
    rk__call_dead(rt, &header, RK_DEAD_TERMINATED);
  }
}

static void put_runtime(rk_restore *r)
{
  rk_runtime *rt = r->rt;
  const rk_saved_runtime *s = &r->runtime;
  rt->next_id = rt->next_id < s->next_id ? s->next_id : rt->next_id;
  rt->next_call = rt->next_call < s->next_call ? s->next_call : rt->next_call;
  if (r->chain.letters != NULL) {
    rk_received letter;
    rk_runtime_dead_letters_clear(rt);
    while (rk_mailbox_peek(&r->new_letters, 0, &letter, NULL)) {
      const void *header = (const unsigned char *)letter.data - sizeof(rk_abi_msg);
      rk__letter_keep(rt, header, letter.data);
      rk_mailbox_drop_oldest(&r->new_letters);
    }
  }
  if (r->chain.topics != NULL) {
    rk_namemap *old = rt->retained_topics;
    rt->retained_topics = r->new_topics;
    r->new_topics = old;
  }
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int check_alive(const rk_restore *r, const rk_still *still, rk_error *err)
{
  for (size_t i = 0; i < r->chain.actor_count; ++i) {
    const rk_actor *actor = r->targets[i].actor;
    uint32_t life = actor->life;
    if (life == RK_STATE_TERMINATED || !rk__still_has(still, actor) ||
        still->actors[actor->slot].life == RK_STATE_TERMINATING) {
      return rk_error_set(err, RK_ETERMINATED, "restore '%s': it ends just now", actor->name);
    }
  }
  return RK_OK;
}

static int put_all(rk_restore *r, rk_still *still, rk_error *err)
{
  int rc = check_alive(r, still, err);
  if (rc == RK_OK) { /* which may find no memory, so it comes first */
    rc = take_credits_back(r, still, err);
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    const rk_actor *actor = r->targets[i].actor;
    rc = end_calls(r->rt, &still->actors[actor->slot], err);
    end_passed_calls(r->rt, rk__passed_on(actor));
    if (rc == RK_OK) {
      rk__host_links_clear(r->targets[i].actor);
      rc = rk__links_clear(still, &r->targets[i], err);
    }
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    rc = put_actor(still, &r->targets[i], err);
  }
  if (rc == RK_OK && still->runs_again) {
    rc = rk__still_blocks_go_on(still, r->runtime.hlc, &r->runtime, err);
  }
  if (rc == RK_OK) {
    put_runtime(r);
  }
  return rc;
}

int rk__restore_put(rk_restore *r, rk_restore_info *info, rk_error *err)
{
  rk_still still;
  rk_error second = RK_ERROR_INIT;
  int rc = rk__still_begin(r->rt, &still, err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = put_all(r, &still, err);
  int back = rk__still_end(&still, &info->pause_ns, &second);
  if (rc == RK_OK && back != RK_OK) {
    rc = rk_error_set(err, back, "%s", second.text);
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    rc = rk__links_tie(&r->targets[i], info, err);
  }
  if (rc == RK_OK) {
    rc = rk__links_put(r, info, err);
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    const rk_restore_target *t = &r->targets[i];
    if (t->saved->life == RK_STATE_ACTIVE && !t->rests) {
      rc = rk_actor_activate(t->actor, err);
    }
    for (unsigned k = 0; k < RK_QUEUES; ++k) {
      info->messages += t->saved->queues[k].count;
    }
  }
  info->actors = (uint32_t)r->chain.actor_count;
  info->letters = r->letters.count;
  info->topics = (uint32_t)r->topic_count;
  return rc;
}
