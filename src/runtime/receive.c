/* SPDX-License-Identifier: MIT */
/*
 * Taking what actors sent to the host: plain receives from the mailbox, and replies to calls.
 *
 * What the user takes is counted into the link (out_taken); the grid lets an actor send to the host
 * only as many messages as are not yet taken, so mailboxes are bounded.
 */
#include "runtime/spill.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

void rk__actor_took(rk_actor *actor, uint64_t messages)
{
  uint64_t before = messages < actor->out_before ? messages : actor->out_before;
  actor->out_before -= before;
  actor->out_taken += messages - before;
  if (actor->life == RK_STATE_TERMINATED) {
    return;
  } /* its link may already be another's */
  rk_st_relaxed_sys_u64(&actor->link->out_taken, actor->out_taken);
  /* partner: rkd_host_takes; either it sees the count or we see that it waits */
  rk_fence_seq_cst();
  if (rk_ld_relaxed_sys_u32(&actor->link->out_wanted) != 0u) {
    actor->rt->ops->grid_poke(actor->rt->backend, actor->block);
  }
}

int rk_actor_try_receive(rk_actor *actor, rk_received *out)
{
  if (actor->rt->closing) {
    return RK_ECLOSED;
  }
  if (rk__out_waiting(actor) == 0) {
    (void)rk__drain(actor->rt);
  }
  if (RK_UNLIKELY(actor->spilled != NULL)) {
    int back = rk__out_refill(actor);
    if (back != RK_OK) {
      return back;
    }
  }
  if (!rk_mailbox_take(&actor->mailbox, out, NULL)) {
    int rc = rk__runtime_lost(actor->rt, NULL);
    return rc != RK_OK ? rc : actor->life == RK_STATE_TERMINATED ? RK_ETERMINATED : RK_EEMPTY;
  }
  RK_NVTX_RANGE(RK_NVTX_RECEIVE, out->id);
  actor->received += 1;
  actor->rt->stats.received += 1;
  if ((out->flags & RK_MSG_UNCOUNTED) == 0) {
    rk__actor_took(actor, 1);
  }
  return RK_OK;
}

void rk_actor_let_go(rk_actor *actor)
{
  rk_mailbox_let_go(&actor->mailbox);
}

int rk_call_open(rk_actor *actor, uint32_t type, const void *data, size_t size,
                 const rk_send_options *options, rk_call **out, rk_error *err)
{
  rk_send_options with = options != NULL ? *options : (rk_send_options){0};
  void *payload = NULL;
  int rc = rk_actor_reserve_with(actor, type, size, &with, &payload, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_runtime *rt = actor->rt;
  rk_call *call = rk_calloc(1, sizeof(*call));
  if (call == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "call: out of memory");
  }
  call->correlation = RK_CALL_BIT | ++rt->next_call;
  rc = rk_idmap_put(rt->calls, call->correlation, call, err);
  if (rc != RK_OK) {
    rk_free(call);
    return rc;
  }
  call->actor = rk_actor_retain(actor);
  if (size != 0) {
    memcpy(payload, data, size);
  }
  with.correlation = call->correlation;
  call->range = rk_nvtx_start(RK_NVTX_CALL, rt->next_id + 1);
  (void)rk_actor_commit(actor, &with);
  *out = call;
  return RK_OK;
}

bool rk__call_deliver(rk_call *call, const rk_abi_msg *header, const void *data)
{
  call->data = rk_alloc(header->size_bytes != 0 ? header->size_bytes : 1u);
  if (call->data == NULL) {
    return false;
  }
  memcpy(call->data, data, header->size_bytes);
  call->reply = (rk_received){
      .id = header->id,
      .correlation = header->correlation,
      .hlc = header->hlc,
      .sender = header->source,
      .type = header->type,
      .size = header->size_bytes,
      .flags = header->flags,
      .priority = header->priority,
      .data = call->data,
  };
  call->done = true;
  (void)rk_idmap_del(call->actor->rt->calls, call->correlation);
  return true;
}

void rk__call_dead(rk_runtime *rt, const rk_abi_msg *header, uint8_t reason)
{
  static const int codes[] = {
      [RK_DEAD_TERMINATED] = RK_ETERMINATED,  [RK_DEAD_DEADLINE] = RK_ETIMEOUT,
      [RK_DEAD_TYPE] = RK_EUNSUPPORTED,       [RK_DEAD_CORRUPT] = RK_ECORRUPT,
      [RK_DEAD_FAILED] = RK_ENOT_ACTIVE,      [RK_DEAD_FULL] = RK_EFULL,
      [RK_DEAD_TENANT] = RK_ETENANT_MISMATCH,
  };
  if (header->source != RK_ID_HOST || (header->correlation & RK_CALL_BIT) == 0) {
    return; /* what somebody made of the request may die without the reply doing so */
  }
  rk_call *call = rk_idmap_del(rt->calls, header->correlation);
  if (call != NULL) {
    call->status = reason < RK_ARRAY_LEN(codes) && codes[reason] != 0 ? codes[reason]
                                                                      : RK_ETERMINATED;
    call->done = true;
  }
}

int rk_call_poll(rk_call *call, rk_received *out)
{
  rk_actor *actor = call->actor;
  if (!call->done) {
    if (actor->rt->closing) {
      return RK_ECLOSED;
    }
    (void)rk__drain(actor->rt);
  }
  if (call->done) {
    if (call->data == NULL) {
      return call->status;
    }
    RK_NVTX_RANGE(RK_NVTX_RECEIVE, call->reply.id);
    actor->rt->stats.received += 1;
    *out = call->reply;
    return RK_OK;
  }
  int rc = rk__runtime_lost(actor->rt, NULL);
  if (rc != RK_OK) {
    return rc;
  }
  /* A failed actor keeps its queue for a restart, but this request may be the one it failed on. */
  return actor->life == RK_STATE_TERMINATED ? RK_ETERMINATED : RK_EEMPTY;
}

void rk_call_close(rk_call *call)
{
  if (call == NULL) {
    return;
  }
  rk_nvtx_end(call->range);
  if (!call->done && !call->actor->rt->closing) {
    (void)rk_idmap_del(call->actor->rt->calls, call->correlation);
  }
  rk_free(call->data);
  rk_actor_release(call->actor);
  rk_free(call);
}
