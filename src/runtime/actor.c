/* SPDX-License-Identifier: MIT */
/*
 * Actors from the host's side: transitions, the end, what can be asked. launch.c begins them.
 *
 * The host's picture of an actor's life is made of the grid's answers, which come in order; so a
 * state read here is one the actor really had, at most a record old.
 */
#include "runtime/actor_parts.h"
#include "runtime/spill.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

const char *rk__life_name(uint32_t life)
{
  static const char *const names[] = {"launched",   "launched",   "active", "deactivated",
                                      "terminated", "terminated", "failed"};
  return life < RK_ARRAY_LEN(names) ? names[life] : "unknown";
}

int rk__actor_check(const rk_actor *actor, rk_error *err)
{
  if (actor->rt->closing) {
    return rk_error_set(err, RK_ECLOSED, "actor '%s': its runtime is closed", actor->name);
  }
  int rc = rk__runtime_lost(actor->rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (actor->life == RK_STATE_TERMINATED || actor->life == RK_STATE_TERMINATING) {
    return rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
  return RK_OK;
}

/* ---- handles --------------------------------------------------------------------------------- */

rk_actor *rk_actor_retain(rk_actor *actor)
{
  actor->refs += 1;
  return actor;
}

void rk__actor_unref(rk_actor *actor)
{
  if (actor == NULL || --actor->refs != 0) {
    return;
  }
  rk_mailbox_close(&actor->mailbox);
  rk__out_forget_behind(actor);
  rk__actor_parts_free(actor);
  rk_kernel_close(actor->kernel);
  rk_free(actor->ports);
  rk_free(actor->name);
  rk__runtime_unref(actor->rt);
  rk_free(actor);
}

void rk_actor_release(rk_actor *actor)
{
  rk__actor_unref(actor);
}

const char *rk_actor_name(const rk_actor *actor)
{
  return actor->name;
}
uint64_t rk_actor_id(const rk_actor *actor)
{
  return actor->id;
}
uint32_t rk_actor_tenant(const rk_actor *actor)
{
  return actor->tenant + 1u;
}
rk_kernel *rk_actor_kernel(const rk_actor *actor)
{
  return actor->kernel;
}
size_t rk_actor_state_bytes(const rk_actor *actor)
{
  return actor->rt->closing ? 0 : actor->loaded->def.state_bytes;
}

const char *rk_actor_state(rk_actor *actor)
{
  if (!actor->rt->closing) {
    (void)rk__drain(actor->rt);
  }
  return rk__life_name(actor->life);
}

/* ---- transitions ----------------------------------------------------------------------------- */

static int transition(rk_actor *actor, uint32_t code, uint32_t flags, const char *verb,
                      rk_error *err)
{
  rk_error detail = RK_ERROR_INIT;
  if (!actor->rt->closing) {
    (void)rk__drain(actor->rt);
  }
  int rc = rk__actor_check(actor, err);
  if (rc == RK_ETERMINATED) {
    return rk_error_set(err, RK_EINVALID_STATE, "%s '%s': it has terminated", verb, actor->name);
  }
  if (rc != RK_OK) {
    return rc;
  }
  const char *was = rk__life_name(actor->life);
  rk_abi_command command = {.code = code, .flags = flags, .param1 = actor->slot};
  rc = rk__command(actor->rt, actor->block, actor->id, &command, NULL, &detail);
  if (rc == RK_OK) {
    return RK_OK;
  }
  if (detail.text[0] != '\0') {
    (void)rk_error_set(err, rc, "%s '%s': %s", verb, actor->name, detail.text);
    return rc;
  }
  if (rc == RK_EINVALID_STATE || rc == RK_ETERMINATED || rc == RK_ENOT_FOUND) {
    return rk_error_set(err, RK_EINVALID_STATE, "%s '%s': it is %s", verb, actor->name, was);
  }
  return rk_error_set(err, RK_EINVALID_STATE, "%s '%s': its start handler failed with code %d",
                      verb, actor->name, rc);
}

int rk_actor_activate(rk_actor *actor, rk_error *err)
{
  int rc = transition(actor, RK_CMD_ACTIVATE_ACTOR, 0u, "activate", err);
  actor->inactive = actor->inactive && rc != RK_OK;
  return rc;
}
int rk_actor_deactivate(rk_actor *actor, rk_error *err)
{
  return transition(actor, RK_CMD_DEACTIVATE_ACTOR, 0u, "deactivate", err);
}
int rk_actor_restart(rk_actor *actor, bool keep_state, rk_error *err)
{
  if (actor->life == RK_STATE_TERMINATED && !actor->rt->closing) {
    return rk__actor_relaunch(actor, err);
  }
  int rc = transition(actor, RK_CMD_RESTART_ACTOR, keep_state ? RK_RESTART_KEEP_STATE : 0u,
                      "restart", err);
  actor->inactive = actor->inactive && rc != RK_OK;
  return rc;
}
int rk_actor_terminate(rk_actor *actor, rk_error *err)
{
  return transition(actor, RK_CMD_DESTROY_ACTOR, 0u, "terminate", err);
}

void rk__actor_ended(rk_actor *actor, uint64_t ended, bool was_asked)
{
  rk_runtime *rt = actor->rt;
  actor->life = RK_STATE_TERMINATED;
  rk__event(rt, RK_EVENT_ENDED, actor, 0, was_asked ? "terminated" : "normal", 0);
  rk__hosted_ended(actor);
  rk__routes_forget(actor);
  rk__trace_ended(rt, actor);
  rk__registry_remove(rt, actor);
  rk__slot_retire(rt, actor, ended);
  rt->stats.actors -= 1;
  rk__actor_unref(actor);
}

void rk__actor_failed(rk_actor *actor, int code)
{
  rk_nvtx_mark(RK_NVTX_FAILURE, actor->id, actor->name);
  actor->life = RK_STATE_FAILED;
  if (actor->hosted != NULL) {
    actor->hosted->is_refusing = false;
  }
  rk__event(actor->rt, RK_EVENT_FAILURE, actor, code, code < 0 ? rk_status_name(code) : "failed",
            0);
}

int rk_actor_type(const rk_actor *actor, const char *name, uint32_t *type, size_t *size,
                  rk_error *err)
{
  if (actor->rt->closing) {
    return rk_error_set(err, RK_ECLOSED, "actor '%s': its runtime is closed", actor->name);
  }
  for (uint32_t i = 0; i < actor->loaded->def.type_count; ++i) {
    const rk_backend_type *t = &actor->loaded->def.types[i];
    if (strcmp(t->name, name) == 0) {
      *type = t->id;
      *size = t->size_bytes;
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_ENOT_FOUND, "actor '%s' (kernel '%s') accepts no message '%s'",
                      actor->name, actor->kernel->name, name);
}

/* ---- questions ------------------------------------------------------------------------------- */

int rk_actor_stats_get(rk_actor *actor, rk_actor_stats *out, rk_error *err)
{
  if (!actor->rt->closing) {
    (void)rk__drain(actor->rt);
  }
  int rc = rk__actor_check(actor, err);
  if (rc == RK_OK && !actor->rt->ops->is_unified) { /* the block keeps them to itself until asked */
    rk_abi_command ask = {.code = RK_CMD_HEARTBEAT_REQUEST, .param1 = actor->slot};
    rc = rk__command(actor->rt, actor->block, actor->id, &ask, NULL, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  const rk_abi_ctrl *ctrl = &actor->rt->ctrls[actor->slot];
  const rk_abi_telemetry *t = &actor->rt->telemetry[actor->slot];
  uint64_t min = rk_ld_relaxed_sys_u64(&t->min_latency_nanos);
  *out = (rk_actor_stats){
      .processed = rk_ld_relaxed_sys_u64(&t->messages_processed),
      .dropped = rk_ld_relaxed_sys_u64(&t->messages_dropped),
      .errors = rk_ld_relaxed_sys_u32((const rk_u32 *)&ctrl->errors_encountered),
      .sent = actor->host_sent + actor->urgent_sent,
      .received = actor->received,
      .waiting_in = rk_ld_relaxed_sys_u32((const rk_u32 *)&t->queue_depth) +
                    rk_actor_passed_on(actor),
      .waiting_out = rk__out_waiting(actor),
      .queue = actor->queue,
      .last_activity = rk_ld_relaxed_sys_u64((const rk_u64 *)&ctrl->last_activity_ticks),
      .latency_total_ns = rk_ld_relaxed_sys_u64(&t->total_latency_nanos),
      .latency_min_ns = min == UINT64_MAX ? 0 : min,
      .latency_max_ns = rk_ld_relaxed_sys_u64(&t->max_latency_nanos),
      .last_error = (int32_t)rk_ld_relaxed_sys_u32((const rk_u32 *)&t->error_code),
      .block = actor->block,
  };
  return RK_OK;
}

int rk_actor_peek_state(rk_actor *actor, void *data, size_t *bytes, rk_error *err)
{
  rk_abi_response answer = {0};
  int rc = rk__actor_check(actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  size_t size = actor->loaded->def.state_bytes;
  if (*bytes < size) {
    return rk_error_set(err, RK_ETOO_LARGE, "actor '%s': its state has %zu bytes, room for %zu",
                        actor->name, size, *bytes);
  }
  uint64_t place = rk_arena_take(&actor->rt->shared_arena, size);
  const void *copy = RK_PTR(const void, place);
  if (place == 0) {
    return rk__no_memory(actor->rt, err, "actor '%s': out of shared memory", actor->name);
  }
  rk_abi_command command = {
      .code = RK_CMD_SNAPSHOT_ACTOR,
      .param1 = actor->slot,
      .address = place,
      .bytes = size,
  };
  rc = rk__command(actor->rt, actor->block, actor->id, &command, &answer, err);
  /* the block may still write there: leave it */
  if (rc == RK_ETIMEOUT || rc == RK_EFULL) {
    return rc;
  }
  if (rc == RK_OK && answer.checksum != rkd_checksum(copy, (uint32_t)size)) {
    rc = rk_error_set(err, RK_ECORRUPT, "actor '%s': the copy of its state differs", actor->name);
  }
  if (rc == RK_OK) {
    if (size != 0) {
      memcpy(data, copy, size);
    }
    *bytes = size;
  } else if (rc == RK_ENOT_FOUND || rc == RK_ETERMINATED) {
    rc = rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
  rk_arena_give(&actor->rt->shared_arena, place, size);
  return rc;
}
