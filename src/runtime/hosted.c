/* SPDX-License-Identifier: MIT */
/*
 * Actors whose handler is a function of the host.
 *
 * Such an actor's handlers pass every message on to the host with the header it came with
 * (RK_HOST_AS_SENT). It counts against the same limit as what actors send to the host, so a slow
 * function fills the actor's queue and holds its senders back like any slow receiver. A message
 * leaves that limit when it is taken, because its function is then at work on it.
 *
 * A function that fails sends the message back as a refusal (RK_MSG_REFUSED); the actor's block
 * makes of it a failure like any other: dead letter, state "failed", an answer to the host. A
 * refusal with code 0 is how a function stops its actor. Until that answer comes nothing is taken, and what is passed on meanwhile is not held against the
 * limit, because the block needs room to look at the refusal.
 */
#include "runtime/actor_parts.h"
#include "runtime/spill.h"

#include "base/base.h"

static bool is_due(const rk_actor *actor)
{
  const rk_hosted *hosted = actor->hosted;
  return hosted != NULL && !hosted->is_refusing && rk_mailbox_waiting(&hosted->passed_on) != 0 &&
         actor->life == RK_STATE_ACTIVE;
}

static void list(rk_actor *actor)
{
  rk_runtime *rt = actor->rt;
  rk_hosted *hosted = actor->hosted;
  if (!is_due(actor) || hosted->is_listed || rt->closing) {
    return;
  }
  hosted->is_listed = true;
  hosted->next = NULL;
  *rt->hosted_tail = rk_actor_retain(actor);
  rt->hosted_tail = &hosted->next;
  rt->hosted_count += 1;
}

bool rk__hosted_arrived(rk_runtime *rt, const rk_abi_msg *record, const void *payload)
{
  rk_actor *actor = rk__registry_by_reference(rt, record->dest);
  if (actor == NULL) { /* records come in order, so this is not one of ours */
    rk__dead_letter(rt, record, payload, RK_DEAD_TERMINATED);
    rk__call_dead(rt, record, RK_DEAD_TERMINATED);
    return true;
  }
  rk_hosted *hosted = rk__hosted_of(actor);
  if (hosted == NULL) {
    return false;
  }
  rk_abi_msg header = *record;
  if (hosted->is_refusing) {
    header.flags = (uint16_t)(header.flags | RK_MSG_UNCOUNTED);
  }
  if (!rk_mailbox_push(&hosted->passed_on, &header, payload)) {
    return false;
  }
  if (hosted->is_refusing) {
    rk__actor_took(actor, 1);
  }
  list(actor);
  return true;
}

void rk__hosted_changed(rk_actor *actor)
{
  list(actor);
}

/* The header of a message that was passed on, as far as it was kept. */
static rk_abi_msg header_of(const rk_actor *actor, const rk_received *message)
{
  return (rk_abi_msg){
      .id = message->id,
      .correlation = message->correlation,
      .hlc = message->hlc,
      .source = (uint32_t)message->sender,
      .dest = actor->id,
      .type = message->type,
      .size_bytes = message->size,
      .flags = (uint16_t)(message->flags & (RK_MSG_REPLY | RK_MSG_TRIES_MASK)),
      .priority = message->priority,
  };
}

void rk__hosted_ended(rk_actor *actor)
{
  rk_received message;
  rk_hosted *hosted = actor->hosted;
  if (hosted == NULL) {
    return;
  }
  hosted->is_refusing = false;
  rk__host_links_end(actor);
  while (rk_mailbox_take(&hosted->passed_on, &message, NULL)) {
    if ((message.flags & RK_MSG_SWEPT) != 0) {
      continue;
    }
    rk_abi_msg header = header_of(actor, &message);
    rk__dead_letter(actor->rt, &header, message.data, RK_DEAD_TERMINATED);
    rk__call_dead(actor->rt, &header, RK_DEAD_TERMINATED);
  }
}

void rk__hosted_close(rk_runtime *rt)
{
  rk_actor *actor = NULL;
  while ((actor = rk_runtime_next_hosted(rt)) != NULL) {
    rk_actor_release(actor);
  }
}

size_t rk_runtime_hosted_count(const rk_runtime *rt)
{
  return rt->hosted_count;
}

rk_actor *rk_runtime_next_hosted(rk_runtime *rt)
{
  rk_actor *actor = rt->hosted;
  if (actor != NULL) {
    rt->hosted = actor->hosted->next;
    if (rt->hosted == NULL) {
      rt->hosted_tail = &rt->hosted;
    }
    rt->hosted_count -= 1;
    actor->hosted->is_listed = false;
  }
  return actor;
}

void rk_runtime_hosted_later(rk_actor *actor)
{
  list(actor);
}

size_t rk_actor_passed_on(const rk_actor *actor)
{
  return rk_mailbox_waiting(rk__passed_on(actor));
}

int rk_actor_take(rk_actor *actor, rk_received *out)
{
  rk_hosted *hosted = actor->hosted;
  if (actor->rt->closing) {
    return RK_ECLOSED;
  }
  if (actor->life != RK_STATE_ACTIVE || (hosted != NULL && hosted->is_refusing)) {
    return RK_ENOT_ACTIVE;
  }
  do {
    if (hosted == NULL || !rk_mailbox_take(&hosted->passed_on, out, NULL)) {
      return RK_EEMPTY;
    }
  } while ((out->flags & RK_MSG_SWEPT) != 0);
  hosted->taken = *out;
  if ((out->flags & RK_MSG_UNCOUNTED) == 0) {
    rk__actor_took(actor, 1);
  }
  return RK_OK;
}

int rk_actor_refuse(rk_actor *actor, int code, rk_error *err)
{
  int rc = rk__actor_check(actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_hosted *hosted = actor->hosted;
  if (!rk_mailbox_lends(rk__passed_on(actor))) {
    return rk_error_set(err, RK_EINVALID_STATE, "refuse '%s': no message was taken", actor->name);
  }
  rk_abi_msg header = header_of(actor, &hosted->taken);
  header.flags = (uint16_t)(header.flags | RK_MSG_REFUSED);
  header.checksum = (uint32_t)code;
  header.reason = (uint8_t)actor->tenant; /* it comes from the actor's own function */
  rc = rk__send(actor, &header, hosted->taken.data);
  if (rc != RK_OK) {
    return rk_error_set(err, rc, "refuse '%s': no room for urgent messages now", actor->name);
  }
  rk_runtime_flush(actor->rt);
  hosted->is_refusing = true;
  return RK_OK;
}

int rk_actor_reply(rk_actor *actor, uint64_t correlation, uint32_t type, const void *data,
                   size_t size, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  int rc = rk__actor_check(actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_abi_msg header = {
      .id = ++rt->next_id,
      .correlation = correlation,
      .hlc = rk_hlc_tick(&rt->clock),
      .source = actor->id,
      .dest = RK_ID_HOST,
      .type = type,
      .size_bytes = (uint32_t)size,
      .flags = RK_MSG_REPLY | RK_MSG_UNCOUNTED,
  };
  bool done = true;
  if (RK_UNLIKELY(rt->trace.on != 0)) {
    rk__trace_sent(rt, &header, actor->hosted != NULL ? actor->hosted->taken.id : 0);
  }
  if ((correlation & RK_CALL_BIT) != 0) {
    rk_call *call = rk_idmap_get(rt->calls, correlation);
    if (call != NULL) {
      done = rk__call_deliver(call, &header, data);
    } else {
      rk__dead_letter(rt, &header, data, RK_DEAD_LATE);
    }
  } else if (rk__out_waiting(actor) >= actor->mailbox_limit) {
    return rk_error_set(err, RK_EFULL, "actor '%s': %u messages wait for the host already",
                        actor->name, actor->mailbox_limit);
  } else {
    done = rk__out_push(actor, &header, data);
  }
  return done ? RK_OK
              : rk_error_set(err, RK_EOUT_OF_MEMORY, "actor '%s': out of memory", actor->name);
}

int rk_actor_depth(rk_actor *actor, uint64_t *depth, uint64_t *handled, rk_error *err)
{
  rk_abi_response answer = {0};
  int rc = rk__actor_check(actor, err);
  if (rc == RK_OK) {
    rc = rk__runtime_check(actor->rt, err);
  }
  if (rc == RK_OK) {
    rk_abi_command ask = {.code = RK_CMD_HEARTBEAT_REQUEST, .param1 = actor->slot};
    rc = rk__command(actor->rt, actor->block, actor->id, &ask, &answer, err);
  }
  if (rc == RK_ENOT_FOUND || rc == RK_ETERMINATED) {
    return rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
  if (rc == RK_OK) {
    *depth = answer.steps_remaining + rk_actor_passed_on(actor) + rk__host_links_held(actor);
    *handled = answer.step;
  }
  return rc;
}
