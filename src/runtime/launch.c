/* SPDX-License-Identifier: MIT */
/*
 * The beginning of an actor's life: its slot, its memory, its name, and the command that creates
 * it. An actor that has ended may begin again under its old handle, in another slot.
 */
#include "runtime/actor_parts.h"
#include "runtime/spill.h"
#include "runtime/tenant.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

#define QUEUE_DEFAULT 1024u

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
  /* behind them those for near messages (rk_near_dev.h), as many as there are urgent ones */
  p.bytes = p.kernel_slots + ((size_t)p.slots + p.urgent) * loaded->slot_bytes;
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
      .blocks = actor->blocks,
      .tenant = actor->tenant,
  };
}

static int check_options(const rk_runtime *rt, const rk_kernel *kernel,
                         const rk_launch_options *options, rk_error *err)
{
  if (options->grid > rt->block_count) {
    return rk_error_set(err, RK_EUNSUPPORTED,
                        "launch '%s': grid = %u, but this runtime has %u block%s; ask for fewer or "
                        "open it with more",
                        kernel->name, options->grid, rt->block_count,
                        rt->block_count == 1 ? "" : "s");
  }
  int rc = rk__tenant_check(rt, options->as, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (options->queue > RK_QUEUE_MAX_MSGS) {
    return rk_error_set(err, RK_EINVAL, "launch '%s': queue: 1..%u, got %u", kernel->name,
                        RK_QUEUE_MAX_MSGS, options->queue);
  }
  uint32_t queue = options->queue != 0 ? options->queue : QUEUE_DEFAULT;
  if (options->queue_max != 0 &&
      (options->queue_max < queue || options->queue_max > RK_QUEUE_MAX_MSGS)) {
    return rk_error_set(err, RK_EINVAL, "launch '%s': queue_max: %u..%u, got %u", kernel->name,
                        queue, RK_QUEUE_MAX_MSGS, options->queue_max);
  }
  if (options->block >= 0 && (uint32_t)options->block >= rt->block_count) {
    return rk_error_set(err, RK_EINVAL,
                        "launch '%s': block: one of the runtime's, 0 to %u, expected, got %d",
                        kernel->name, rt->block_count - 1u, options->block);
  }
  if (options->name != NULL) {
    if (options->name[0] == '\0' || strlen(options->name) > RK_NAME_MAX_BYTES) {
      return rk_error_set(err, RK_EINVAL, "launch '%s': name: 1..%d bytes expected", kernel->name,
                          RK_NAME_MAX_BYTES);
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

void rk__actor_lie(rk_actor *actor)
{
  rk_later *later = actor->later;
  if (later != NULL) {
    pieces p = measure(actor->loaded, actor->queue);
    later->state = actor->memory + p.state;
    later->routes = actor->memory + p.routes;
    later->ring_slots = actor->memory + p.urgent_slots;
    later->slot_count = 2u * (p.urgent + p.slots);
    later->slot_bytes = actor->loaded->slot_bytes;
  }
}

/* The grid knows the actor but it did not start: take it down again. */
static void undo_create(rk_actor *actor)
{
  rk_abi_command destroy = {.code = RK_CMD_DESTROY_ACTOR, .param1 = actor->slot};
  (void)rk__command(actor->rt, actor->block, actor->id, &destroy, NULL, NULL);
}

/* Gives the actor a slot and memory and has its block create it. `block`: -1 = the next in turn. On
 * failure the actor is as before; *made says whether the grid had it for a while, so that its
 * end was told. */
static int bring_up(rk_actor *actor, int32_t block, bool *made, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  uint32_t slot = 0;
  *made = false;
  pieces p = measure(actor->loaded, actor->queue);
  int rc = rk__tenant_room(rt, actor->tenant, "launch", actor, p.bytes, err);
  if (rc == RK_OK) {
    rc = rk__slot_take(rt, &slot, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  actor->slot = slot;
  actor->id = (uint32_t)rt->generation[slot] << RK_ID_SLOT_BITS | slot;
  actor->link = &rt->links[slot];
  rc = rk__pressure_check(rt, p.bytes, "launch", err);
  if (rc != RK_OK) {
    goto fail;
  }
  actor->memory = rk_arena_take(&rt->arena, p.bytes);
  actor->memory_bytes = p.bytes;
  if (actor->memory == 0) {
    rc = rk__no_memory(rt, err, "launch '%s': out of device memory", actor->name);
    goto fail;
  }
  actor->block = block >= 0 ? (uint32_t)block : rt->next_block;
  rk__actor_lie(actor);
  rk_abi_actor line;
  describe(actor, &p, &line);
  actor->life = RK_STATE_LAUNCHED;
  rc = rk__registry_add(rt, actor, err);
  if (rc != RK_OK) {
    goto fail;
  }
  rt->next_block = (actor->block + actor->blocks) % rt->block_count;
  rk_actor_retain(actor); /* the registry's */
  rt->stats.launched += 1;
  rt->stats.actors += 1;
  rk_abi_command create = {
      .code = RK_CMD_CREATE_ACTOR,
      .flags = actor->inactive ? 0u : RK_CREATE_ACTIVATE,
      .param1 = slot,
  };
  rk_abi_response answer = {0};
  *made = true;
  if (actor->unwaited) {
    actor->create_cmd = rk__command_post_with(rt, actor->block, actor->id, &create, &line,
                                              offsetof(rk_abi_actor, kernel_head));
    if (actor->create_cmd != 0) {
      rt->unanswered += 1;
      return RK_OK;
    }
  }
  rc = rk__command_with(rt, actor->block, actor->id, &create, &line,
                        offsetof(rk_abi_actor, kernel_head), &answer, err);
  if (rc == RK_OK) {
    return RK_OK;
  }
  if (answer.cmd_id == 0) { /* the block never answered: leave the slot to it */
    rk__registry_remove(rt, actor);
    rt->stats.actors -= 1;
    actor->life = RK_STATE_TERMINATED;
    rk__actor_unref(actor);
    return rc;
  }
  int code = rc;
  rc = rk_error_set(err, RK_EINVALID_STATE,
                    "launch '%s': the start handler of '%s' failed with code %d",
                    actor->kernel->name, actor->name, code);
  undo_create(actor);
  return rc;
fail:
  rk_arena_give(&rt->arena, actor->memory, actor->memory_bytes);
  actor->memory = 0;
  actor->memory_bytes = 0;
  rk__slot_give(rt, slot);
  actor->life = RK_STATE_TERMINATED;
  return rc;
}

int rk_actor_launch(rk_runtime *rt, rk_kernel *kernel, const rk_launch_options *options,
                    rk_actor **out, char **log, rk_error *err)
{
  RK_NVTX_RANGE_OF(RK_NVTX_LAUNCH, 0, kernel->name);
  static const rk_launch_options defaults = {.block = -1};
  const rk_loaded *loaded = NULL;
  const rk_launch_options *use = options != NULL ? options : &defaults;
  bool made = false;
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
  rk_actor *actor = rk_calloc(1, sizeof(*actor));
  if (actor == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "launch '%s': out of memory", kernel->name);
  }
  actor->refs = 1;
  actor->rt = rt;
  rt->refs += 1;
  actor->kernel = rk__kernel_retain(kernel);
  actor->loaded = loaded;
  actor->version = 1;
  actor->inactive = use->inactive;
  actor->tenant = (uint8_t)(use->as != 0 ? use->as - 1u : 0u);
  actor->blocks = use->grid != 0 ? use->grid : 1;
  actor->queue = use->queue != 0 ? use->queue : QUEUE_DEFAULT;
  actor->queue_max = use->queue_max;
  actor->mailbox_limit = actor->queue > loaded->def.burst ? actor->queue : loaded->def.burst;
  actor->urgent_limit = actor->queue < RK_URGENT_MAX_MSGS ? actor->queue : RK_URGENT_MAX_MSGS;
  actor->name = make_name(rt, kernel, use->name);
  if (loaded->def.port_count != 0) {
    actor->ports = rk_calloc(loaded->def.port_count, sizeof(*actor->ports));
  }
  if (use->memory_budget != 0 && rk__later_of(actor) != NULL) {
    actor->later->budget = use->memory_budget;
  }
  if (actor->name == NULL || (loaded->def.port_count != 0 && actor->ports == NULL) ||
      (use->memory_budget != 0 && actor->later == NULL)) {
    rc = rk_error_set(err, RK_EOUT_OF_MEMORY, "launch '%s': out of memory", kernel->name);
  } else {
    actor->unwaited = use->unwaited && !use->inactive && !loaded->def.has_start;
    rc = bring_up(actor, use->block, &made, err);
    actor->unwaited = false;
  }
  if (rc != RK_OK) {
    rk__actor_unref(actor);
    return rc;
  }
  rt->budgets += use->memory_budget != 0;
  *out = actor;
  return RK_OK;
}

int rk__actor_relaunch(rk_actor *actor, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  bool made = false;
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (rk_namemap_get(rt->by_name, actor->name) != NULL) {
    return rk_error_set(err, RK_EEXISTS, "restart '%s': another actor has taken its name",
                        actor->name);
  }
  actor->host_sent = actor->host_taken = 0;
  actor->urgent_sent = actor->urgent_taken = 0;
  actor->out_taken = 0;
  actor->out_before = rk__out_waiting(actor);
  actor->hoard = 0;
  actor->burst_in = 0;
  uint32_t block = actor->abandoned ? (actor->block + 1u) % rt->block_count : actor->block;
  rc = bring_up(actor, (int32_t)block, &made, err);
  actor->abandoned = actor->abandoned && rc != RK_OK;
  return rc;
}
