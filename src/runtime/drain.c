/* SPDX-License-Identifier: MIT */
/*
 * Drain: takes what the grid wrote for the host and brings each record where it belongs.
 *
 * A record is passed only once it is safely in its place: when memory runs out it stays in the
 * ring, and the grid holds back. Records of one block keep their order, so what an actor sent is in
 * its mailbox before the host learns that it ended.
 */
#include "runtime/spill.h"
#include "runtime/tenant.h"

#include <string.h>

/* The payload of the record at the head, in one piece: where it lies, or copied to scratch. */
static const unsigned char *payload_of(rk_runtime *rt, const rk_ring_rx *rx,
                                       const rk_abi_msg *record)
{
  const unsigned char *payload = rkd_ring_payload(rx, record);
  if (payload == NULL) {
    rkd_ring_get(rx, 0u, rt->scratch, record->size_bytes);
    payload = rt->scratch;
  }
  return payload;
}

static void take_response(rk_runtime *rt, const rk_abi_response *response)
{
  rk_actor *actor = rk__registry_by_reference(rt, response->actor);
  if (response->code == RK_RSP_REFUSED) {
    rk__audit_told(rt, response);
  } else if (response->code == RK_RSP_SLOT_FREED) {
    rk__slot_freed(rt, response->step, response->error_code);
  } else if (actor != NULL) {
    if (response->code == RK_RSP_ACTOR_DESTROYED || response->code == RK_RSP_MIGRATION_COMPLETE) {
      rk__actor_ended(actor, response->ended, response->cmd_id != 0);
    } else if (response->code == RK_RSP_PRESSURE) {
      rk__queue_pressed(actor, response->flags, response->step, response->steps_remaining);
    } else if (response->code == RK_RSP_ACTOR_FAILED) {
      rk__actor_failed(actor, response->error_code);
    } else if (rk__actor_answered(actor, response)) {
      if (response->flags == RK_STATE_DEACTIVATED) {
        actor->life = (uint8_t)response->flags;
      }
    } else if (response->flags != RK_STATE_NONE && response->cmd_id != 0) {
      actor->life = (uint8_t)response->flags;
      rk__hosted_changed(actor);
    }
  } else if (response->code == RK_RSP_ACTOR_DESTROYED) {
    rk__slot_came_back(rt, response->actor, response->ended);
  }
  if (rt->pending != NULL && response->cmd_id == rt->pending->cmd_id) {
    rt->pending->answer = *response;
    rt->pending->done = true;
  }
}

/* Returns false when the record has to stay. */
static bool take_message(rk_runtime *rt, const rk_abi_msg *record, const unsigned char *payload)
{
  if ((record->flags & RK_MSG_AS_SENT) != 0) {
    return rk__hosted_arrived(rt, record, payload);
  }
  rk_actor *actor = rk__registry_by_reference(rt, record->source);
  rk_call *call = (record->correlation & RK_CALL_BIT) != 0
                      ? rk_idmap_get(rt->calls, record->correlation)
                      : NULL;
  RK_NVTX_RANGE(RK_NVTX_DRAIN, record->id);
  if (call != NULL) {
    if (!rk__call_deliver(call, record, payload)) {
      return false;
    }
  } else if ((record->correlation & RK_CALL_BIT) != 0 && (record->flags & RK_MSG_REPLY) != 0) {
    rk__dead_letter(rt, record, payload, RK_DEAD_LATE);
  } else if (actor != NULL) {
    return rk__out_push(actor, record, payload); /* counted when the user takes it */
  }
  if (actor != NULL) {
    rk__actor_took(actor, 1);
  }
  return true;
}

static bool take_record(rk_runtime *rt, const rk_abi_msg *record, const unsigned char *payload)
{
  if ((record->flags & RK_MSG_DEAD) != 0) {
    rk__dead_letter(rt, record, payload, record->reason);
    rk__call_dead(rt, record, record->reason);
  } else if ((record->flags & RK_MSG_RESPONSE) != 0) {
    rk_abi_response response;
    memcpy(&response, payload, sizeof(response));
    take_response(rt, &response);
  } else if ((record->flags & RK_MSG_PUBLISH) != 0) {
    rk_actor *actor = rk__registry_by_reference(rt, record->source);
    rk__publish_from_grid(rt, record, payload);
    if (actor != NULL) {
      rk__actor_took(actor, 1);
    }
  } else {
    return take_message(rt, record, payload);
  }
  return true;
}

size_t rk__drain(rk_runtime *rt)
{
  size_t moved = 0;
  if (rt->draining) {
    return 0;
  }
  rt->draining = true;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk_ring_rx *rx = &rt->blocks[i].rx;
    const rk_abi_msg *record = NULL;
    for (uint32_t n = 0; n < rx->capacity && (record = rkd_ring_peek(rx)) != NULL; ++n) {
      uint32_t size = record->size_bytes;
      if (!take_record(rt, record, payload_of(rt, rx, record))) {
        break;
      }
      rkd_ring_consume(rx, size);
      moved += 1;
    }
    rkd_ring_give_back(rx);
  }
  if (rt->held_links != NULL) {
    rk__host_links_flush(rt);
  }
  rt->draining = false;
  if (rt->retired != NULL && !rt->stopping) { /* ending blocks look at all their slots */
    rk__slots_reap(rt);
  }
  return moved;
}
