/* SPDX-License-Identifier: MIT */
/*
 * Actors from the host's side: launch, transitions, the end, what can be asked.
 *
 * The host's picture of an actor's life is made of the grid's answers, which come in order; so a
 * state read here is one the actor really had, at most a record old.
 */
#include "runtime/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

#define QUEUE_DEFAULT 1024u

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

/* ---- launch ---------------------------------------------------------------------------------- */

typedef struct pieces { /* offsets in an actor's piece of device memory */
  size_t kernel_slots, host_slots, urgent_slots, routes, state, bytes;
  uint32_t slots, urgent;
} pieces;

static pieces measure(const rk_loaded *loaded, uint32_t queue)
{
  pieces p = {0};
  p.slots = (uint32_t)rk_u64_next_pow2(queue);
  p.urgent = (uint32_t)rk_u64_next_pow2(queue < RK_URGENT_MAX_MSGS ? queue : RK_URGENT_MAX_MSGS);
  p.state = 0; /* what every actor touches comes first, so that an idle one touches one page */
  p.routes = rk_align_up(loaded->def.state_bytes, 64);
  p.urgent_slots = rk_align_up(p.routes + loaded->def.port_count * sizeof(rk_abi_route), 64);
  p.host_slots = p.urgent_slots + (size_t)p.urgent * loaded->slot_bytes;
  p.kernel_slots = p.host_slots + (size_t)p.slots * loaded->slot_bytes;
  p.bytes = p.kernel_slots + (size_t)p.slots * loaded->slot_bytes;
  return p;
}

/* What CREATE_ACTOR tells the block: line 0 of the actor. */
static void describe(const rk_actor *actor, const pieces *p, rk_abi_actor *line)
{
  uint64_t base = actor->memory;
  *line = (rk_abi_actor){
      .def = actor->loaded->abi,
      .state = base + p->state,
      .routes = base + p->routes,
      .kernel_slots = base + p->kernel_slots,
      .host_slots = base + p->host_slots,
      .urgent_slots = base + p->urgent_slots,
      .slot_bytes = actor->loaded->slot_bytes,
      .kernel_mask = p->slots - 1,
      .host_mask = p->slots - 1,
      .urgent_mask = p->urgent - 1,
      .limit_msgs = actor->queue,
      .block = actor->block,
      .id = actor->id,
      .out_limit_msgs = actor->mailbox_limit,
  };
}

static int check_options(const rk_runtime *rt, const rk_kernel *kernel,
                         const rk_launch_options *options, rk_error *err)
{
  if (options->grid > 1) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "launch '%s': grid = %u: an actor is served by one block on this backend",
                        kernel->name, options->grid);
  }
  if (options->queue > RK_QUEUE_MAX_MSGS) {
    return rk_error_set(err, RK_EINVAL, "launch '%s': queue: 1..%u, got %u", kernel->name,
                        RK_QUEUE_MAX_MSGS, options->queue);
  }
  if (options->block >= 0 && (uint32_t)options->block >= rt->block_count) {
    return rk_error_set(err, RK_EINVAL, "launch '%s': block: 0..%u, got %d", kernel->name,
                        rt->block_count - 1u, options->block);
  }
  if (options->name != NULL) {
    if (options->name[0] == '\0' || strlen(options->name) > 200) {
      return rk_error_set(err, RK_EINVAL, "launch '%s': name: 1..200 bytes expected", kernel->name);
    }
    if (rk_namemap_get(rt->by_name, options->name) != NULL) {
      return rk_error_set(err, RK_EEXISTS, "launch '%s': an actor named '%s' is alive",
                          kernel->name, options->name);
    }
  }
  return RK_OK;
}

static char *make_name(rk_runtime *rt, rk_kernel *kernel, const char *wanted)
{
  char text[96];
  if (wanted != NULL) {
    return rk_strdup(wanted);
  }
  do {
    kernel->launched += 1;
    (void)snprintf(text, sizeof(text), "%s#%llu", kernel->name,
                   (unsigned long long)kernel->launched);
  } while (rk_namemap_get(rt->by_name, text) != NULL);
  return rk_strdup(text);
}

/* The grid knows the actor but it did not start: take it down again. */
static void undo_create(rk_actor *actor)
{
  rk_abi_command destroy = {.code = RK_CMD_DESTROY_ACTOR, .param1 = actor->slot};
  (void)rk__command(actor->rt, actor->block, actor->id, &destroy, NULL, NULL);
}

int rk_actor_launch(rk_runtime *rt, rk_kernel *kernel, const rk_launch_options *options,
                    rk_actor **out, char **log, rk_error *err)
{
  RK_NVTX_RANGE_OF(RK_NVTX_LAUNCH, 0, kernel->name);
  static const rk_launch_options defaults = {.block = -1};
  const rk_loaded *loaded = NULL;
  const rk_launch_options *use = options != NULL ? options : &defaults;
  rk_actor *actor = NULL;
  uint32_t slot = 0;
  bool has_slot = false;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = check_options(rt, kernel, use, err);
  }
  if (rc == RK_OK) {
    rc = rk__kernel_load(rt, kernel, &loaded, log, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  actor = rk_calloc(1, sizeof(*actor));
  if (actor == NULL) {
    goto no_memory;
  }
  actor->refs = 1;
  actor->rt = rt;
  rt->refs += 1;
  actor->kernel = rk__kernel_retain(kernel);
  actor->loaded = loaded;
  actor->queue = use->queue != 0 ? use->queue : QUEUE_DEFAULT;
  actor->mailbox_limit = actor->queue > loaded->def.burst ? actor->queue : loaded->def.burst;
  actor->urgent_limit = actor->queue < RK_URGENT_MAX_MSGS ? actor->queue : RK_URGENT_MAX_MSGS;
  actor->name = make_name(rt, kernel, use->name);
  if (actor->name == NULL) {
    goto no_memory;
  }
  if (loaded->def.port_count != 0) {
    actor->ports = rk_calloc(loaded->def.port_count, sizeof(*actor->ports));
    if (actor->ports == NULL) {
      goto no_memory;
    }
  }
  rc = rk__slot_take(rt, &slot, err);
  if (rc != RK_OK) {
    goto fail;
  }
  has_slot = true;
  pieces p = measure(loaded, actor->queue);
  actor->slot = slot;
  actor->id = (uint32_t)rt->generation[slot] << RK_ID_SLOT_BITS | slot;
  actor->link = &rt->links[slot];
  actor->memory_bytes = p.bytes;
  actor->memory = rk_arena_take(&rt->arena, p.bytes);
  if (actor->memory == 0) {
    goto no_memory;
  }
  actor->block = use->block >= 0 ? (uint32_t)use->block : rt->next_block;
  rk_abi_actor line;
  describe(actor, &p, &line);
  actor->life = RK_STATE_LAUNCHED;
  rc = rk__registry_add(rt, actor, err);
  if (rc != RK_OK) {
    goto fail;
  }
  rt->next_block = (actor->block + 1u) % rt->block_count;
  rk_actor_retain(actor); /* the registry's */
  rt->stats.launched += 1;
  rt->stats.actors += 1;
  rk_abi_command create = {
      .code = RK_CMD_CREATE_ACTOR,
      .flags = use->inactive ? 0u : RK_CREATE_ACTIVATE,
      .param1 = slot,
  };
  rk_abi_response answer = {0};
  rc = rk__command_with(rt, actor->block, actor->id, &create, &line, offsetof(rk_abi_actor, tail),
                        &answer, err);
  if (rc != RK_OK && answer.cmd_id == 0) {
    goto abandon;
  }
  if (rc != RK_OK) {
    int code = rc;
    rc = rk_error_set(err, RK_EINVALID_STATE,
                      "launch '%s': the start handler of '%s' failed with code %d", kernel->name,
                      actor->name, code);
    undo_create(actor);
    rk__actor_unref(actor);
    return rc;
  }
  *out = actor;
  return RK_OK;

abandon: /* the block never answered: leave the slot to it */
  rk__registry_remove(rt, actor);
  rt->stats.actors -= 1;
  actor->life = RK_STATE_TERMINATED;
  rk__actor_unref(actor);
  rk__actor_unref(actor);
  return rc;
no_memory:
  rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "launch '%s': out of memory", kernel->name);
fail:
  if (actor != NULL) {
    rk_arena_give(&rt->arena, actor->memory, actor->memory_bytes);
    if (has_slot) {
      rk__slot_give(rt, slot);
    }
    rk__actor_unref(actor);
  }
  return rc;
}

/* ---- transitions ----------------------------------------------------------------------------- */

static int transition(rk_actor *actor, uint32_t code, const char *verb, rk_error *err)
{
  rk_error detail = RK_ERROR_INIT;
  if (!actor->rt->closing) {
    (void)rk__drain(actor->rt);
  }
  int rc = rk__actor_check(actor, err);
  if (rc == RK_ETERMINATED) {
    return rk_error_set(err, RK_EINVALID_STATE, "%s '%s': it has terminated", verb, actor->name);
  }
  if (rc == RK_OK) {
    rc = rk__runtime_check(actor->rt, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  const char *was = rk__life_name(actor->life);
  rk_abi_command command = {.code = code, .param1 = actor->slot};
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
  return transition(actor, RK_CMD_ACTIVATE_ACTOR, "activate", err);
}
int rk_actor_deactivate(rk_actor *actor, rk_error *err)
{
  return transition(actor, RK_CMD_DEACTIVATE_ACTOR, "deactivate", err);
}
int rk_actor_restart(rk_actor *actor, rk_error *err)
{
  return transition(actor, RK_CMD_RESTART_ACTOR, "restart", err);
}
int rk_actor_terminate(rk_actor *actor, rk_error *err)
{
  return transition(actor, RK_CMD_DESTROY_ACTOR, "terminate", err);
}

void rk__actor_ended(rk_actor *actor, uint64_t ended)
{
  rk_runtime *rt = actor->rt;
  actor->life = RK_STATE_TERMINATED;
  rk__routes_forget(actor);
  rk__registry_remove(rt, actor);
  rk__slot_retire(rt, actor, ended);
  rt->stats.actors -= 1;
  rk__actor_unref(actor);
}

void rk__actor_failed(rk_actor *actor, int code)
{
  rk_nvtx_mark(RK_NVTX_FAILURE, actor->id, actor->name);
  actor->life = RK_STATE_FAILED;
  actor->last_error = code;
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
      .waiting_in = rk_ld_relaxed_sys_u32((const rk_u32 *)&t->queue_depth),
      .waiting_out = actor->mailbox.count - (actor->mailbox.lent != 0 ? 1u : 0u),
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
  if (rc == RK_OK) {
    rc = rk__runtime_check(actor->rt, err);
  }
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
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "actor '%s': out of shared memory", actor->name);
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
