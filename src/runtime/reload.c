/* SPDX-License-Identifier: MIT */
/*
 * Reloads: living actors are served by other definitions, one or many in one swap.
 *
 * What takes time comes first, while the old ones run: compiling, loading, memory for the new state
 * and routes. reload_check.c looks at whether the new definition fits. Then the swap:
 *
 *   one actor    a command to its block, which acts between two messages (rk_reload_dev.h)
 *   many         all of them are made to rest, each is swapped, all go on; if one cannot be, those
 *                before it are swapped back
 *
 * The old state is left as it was until the swap holds, so going back is a change of addresses. An
 * actor whose state has to be converted by the host rests meanwhile (rk_reload_hold). The rings of
 * an actor stay, unless messages become larger: ring_growth.c.
 *
 * A swap that its block does not come to in time is cancelled: either the block sees that before it
 * decides, or it has decided and its answer is waited for. What was laid out for a cancelled swap
 * stays until the block has answered (rk__reload_answered).
 */
#include "runtime/reload.h"
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/log.h"

/* ---- what is to be reloaded ------------------------------------------------------------------ */

int rk_reload_open(rk_runtime *rt, rk_reload **out, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_reload *reload = rk_calloc(1, sizeof(*reload));
  if (reload == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "reload: out of memory");
  }
  reload->rt = rt;
  rt->refs += 1;
  *out = reload;
  return RK_OK;
}

static int add_part(rk_reload *reload, rk_actor *actor, rk_reload_part **out, rk_error *err)
{
  if (rk__later_of(actor) == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "reload '%s': out of memory", actor->name);
  }
  if (reload->count == reload->capacity) {
    size_t capacity = 2u * reload->capacity + 4u;
    rk_reload_part *parts = rk_calloc(capacity, sizeof(*parts));
    if (parts == NULL) {
      return rk_error_set(err, RK_EOUT_OF_MEMORY, "reload '%s': out of memory", actor->name);
    }
    if (reload->count != 0) {
      memcpy(parts, reload->parts, reload->count * sizeof(*parts));
    }
    rk_free(reload->parts);
    reload->parts = parts;
    reload->capacity = capacity;
  }
  rk_reload_part *part = &reload->parts[reload->count++];
  *part = (rk_reload_part){.actor = rk_actor_retain(actor), .life = actor->id};
  actor->later->reload = reload;
  *out = part;
  return RK_OK;
}

static int check_actor(const rk_reload *reload, const rk_actor *actor, bool is_back, rk_error *err)
{
  int rc = rk__runtime_check(reload->rt, err);
  if (rc == RK_OK) {
    rc = rk__actor_check(actor, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  if (actor->rt != reload->rt) {
    return rk_error_set(err, RK_EINVAL, "reload '%s': it belongs to another runtime", actor->name);
  }
  const rk_later *later = actor->later;
  if (later != NULL && (later->reload != NULL || later->coming_cmd != 0)) {
    return rk_error_set(err, RK_EINVALID_STATE, "reload '%s': another reload of it is under way",
                        actor->name);
  }
  if (is_back && (later == NULL || later->former == NULL)) {
    return rk_error_set(err, RK_ENOT_FOUND, "rollback '%s': no version before this one is kept",
                        actor->name);
  }
  return RK_OK;
}

/* Whether the life goes on for which the reload was prepared. */
static int check_life(const rk_reload_part *part, rk_error *err)
{
  int rc = rk__actor_check(part->actor, err);
  if (rc == RK_OK && part->actor->id != part->life) {
    rc = rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated and begun anew",
                      part->actor->name);
  }
  return rc;
}

/* Memory for the new version, and for larger rings. */
static int lay_out(rk_reload_part *part, rk_error *err)
{
  rk_actor *actor = part->actor;
  rk_runtime *rt = actor->rt;
  rk_version *next = &part->next;
  const rk_backend_def *def = &next->loaded->def;
  size_t state_bytes = rk_align_up(def->state_bytes, 64);
  size_t bytes = state_bytes + def->port_count * sizeof(rk_abi_route);
  size_t ring_bytes = next->loaded->slot_bytes > actor->later->slot_bytes
                          ? (size_t)actor->later->slot_count * next->loaded->slot_bytes
                          : 0u;
  int rc = rk__tenant_room(rt, actor->tenant, "reload", actor, bytes + ring_bytes, err);
  if (rc != RK_OK) {
    return rc;
  }
  next->ports = rk_calloc(def->port_count + 1u, sizeof(*next->ports));
  bool fits = next->ports != NULL && rk__piece_take(actor, bytes, &next->body) &&
              (ring_bytes == 0 || rk__piece_take(actor, ring_bytes, &part->rings));
  next->state = next->body.address;
  next->routes = next->body.address + state_bytes;
  next->mailbox_limit = actor->queue > def->burst ? actor->queue : def->burst;
  return fits ? RK_OK : rk__no_memory(rt, err, "reload '%s': out of device memory", actor->name);
}

/* Undoes what rk_reload_add has done to its last part. */
static void remove_part(rk_reload *reload)
{
  rk_reload_part *part = &reload->parts[--reload->count];
  rk_actor *actor = part->actor;
  actor->later->reload = NULL;
  rk__version_drop(actor, &part->next);
  rk__piece_give(actor, &part->rings);
  rk_free(part->given);
  rk_actor_release(actor);
}

int rk_reload_add(rk_reload *reload, rk_actor *actor, rk_kernel *kernel, rk_reload_state state,
                  char **log, rk_error *err)
{
  rk_runtime *rt = reload->rt;
  rk_reload_part *part = NULL;
  bool is_back = kernel == NULL;
  int rc = check_actor(reload, actor, is_back, err);
  if (rc == RK_OK) {
    rc = add_part(reload, actor, &part, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  uint64_t stood_ns = rt->stood_ns;
  part->how = state;
  part->is_back = is_back;
  part->next.kernel = rk__kernel_retain(is_back ? actor->later->former->kernel : kernel);
  part->next.number = is_back ? actor->later->former->number : actor->later->version_max + 1u;
  rc = rk__kernel_load(rt, part->next.kernel, &part->next.loaded, log, err);
  if (rc == RK_OK) {
    rc = check_life(part, err); /* it may have ended meanwhile */
  }
  if (rc == RK_OK) {
    rc = rk__reload_check(part, err);
  }
  if (rc == RK_OK) {
    rc = lay_out(part, err);
  }
  part->load_ns = rt->stood_ns - stood_ns;
  if (rc != RK_OK) {
    remove_part(reload);
  }
  return rc;
}

int rk_reload_give(rk_reload *reload, size_t index, const void *state, size_t bytes, rk_error *err)
{
  rk_reload_part *part = &reload->parts[index];
  uint32_t wanted = part->next.loaded->def.state_bytes;
  if (part->how != RK_RELOAD_STATE_GIVEN || bytes != wanted) {
    return rk_error_set(err, RK_EINVAL, "reload '%s': a state of %u bytes expected, got %zu",
                        part->actor->name, wanted, bytes);
  }
  rk_free(part->given);
  part->given = rk_alloc(bytes != 0 ? bytes : 1u);
  if (part->given == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "reload '%s': out of memory", part->actor->name);
  }
  memcpy(part->given, state, bytes);
  return RK_OK;
}

/* ---- rest ------------------------------------------------------------------------------------ */

/* Lets actors go on that were made to rest. */
static void release(rk_reload *reload)
{
  for (size_t i = 0; i < reload->count; ++i) {
    rk_reload_part *part = &reload->parts[i];
    rk_actor *actor = part->actor;
    if (part->is_held && actor->life == RK_STATE_DEACTIVATED) {
      rk_abi_command command = {.code = RK_CMD_ACTIVATE_ACTOR, .param1 = actor->slot};
      rk_error why = RK_ERROR_INIT;
      if (rk__command(reload->rt, actor->block, actor->id, &command, NULL, &why) != RK_OK) {
        rk_log(RK_LOG_WARN, "runtime", "'%s' does not go on after its reload: %s", actor->name,
               why.text);
      }
    }
    part->is_held = false;
  }
  if (reload->held_ns != 0) {
    reload->rest_ns += rk_clock_mono_ns() - reload->held_ns;
    reload->held_ns = 0;
  }
}

static int hold(rk_reload_part *part, uint64_t deadline, rk_error *err)
{
  rk_actor *actor = part->actor;
  rk_runtime *rt = actor->rt;
  rk_abi_command command = {.code = RK_CMD_DEACTIVATE_ACTOR, .param1 = actor->slot};
  rk_abi_response answer = {0};
  uint64_t id = 0;
  (void)rk__drain(rt);
  int rc = rk__actor_check(actor, err);
  if (rc != RK_OK || actor->life != RK_STATE_ACTIVE) {
    return rc;
  }
  rc = rk__command_send(rt, actor->block, actor->id, &command, NULL, 0, &id, err);
  if (rc == RK_OK) {
    rc = rk__command_answer(rt, actor->block, id, deadline, &answer, err);
    part->is_held = rc == RK_OK;
  }
  if (id != 0 && answer.cmd_id == 0) { /* it will rest: let it go on at once */
    command.code = RK_CMD_ACTIVATE_ACTOR;
    (void)rk__command_post(rt, actor->block, actor->id, &command);
  } else if (answer.cmd_id != 0 && rc == RK_EINVALID_STATE) {
    rc = RK_OK; /* it failed a moment ago: it rests already */
  } else if (answer.cmd_id != 0 && rc != RK_OK) {
    rc = rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
  return rc;
}

int rk_reload_hold(rk_reload *reload, uint64_t timeout_ns, rk_error *err)
{
  uint64_t deadline = rk_clock_deadline(timeout_ns);
  int rc = rk__runtime_check(reload->rt, err);
  if (reload->held_ns == 0) {
    reload->held_ns = rk_clock_mono_ns();
  }
  for (size_t i = 0; i < reload->count && rc == RK_OK; ++i) {
    if (!reload->parts[i].is_held) {
      rc = hold(&reload->parts[i], deadline, err);
    }
  }
  if (rc != RK_OK) {
    release(reload);
  }
  return rc;
}

/* ---- the swap -------------------------------------------------------------------------------- */

/* The state that was kept when the actor was reloaded last. */
static int copy_former_state(rk_reload_part *part, rk_error *err)
{
  rk_runtime *rt = part->actor->rt;
  size_t bytes = part->next.loaded->def.state_bytes;
  void *state = rk_alloc(bytes != 0 ? bytes : 1u);
  if (state == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "rollback '%s': out of memory", part->actor->name);
  }
  int rc = rt->ops->device_read(rt->backend, state, part->actor->later->former->state, bytes, err);
  if (rc == RK_OK) {
    rc = rt->ops->device_write(rt->backend, part->next.state, state, bytes, err);
  }
  rk_free(state);
  return rc;
}

/* Writes what the new version finds: where its ports lead, and its state, unless its block makes
 * that. */
static int fill(rk_reload_part *part, rk_error *err)
{
  rk_actor *actor = part->actor;
  rk_runtime *rt = actor->rt;
  rk_version *next = &part->next;
  uint32_t count = next->loaded->def.port_count;
  rk_abi_route *routes = rk_calloc(count + 1u, sizeof(*routes));
  if (routes == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "reload '%s': out of memory", actor->name);
  }
  memset(next->ports, 0, count * sizeof(*next->ports));
  int rc = rk__routes_carry(actor, next->loaded, next->ports, err);
  for (uint32_t i = 0; i < count; ++i) {
    const rk_port *port = &next->ports[i];
    routes[i] = (rk_abi_route){
        .dest = port->dest,
        .chunk = port->chunk,
        .policy = port->policy,
        .limit = port->limit,
        .slots = port->buffer,
        .slot_bytes = port->slot_bytes,
        .deadline_ns = port->deadline_ns,
    };
  }
  if (rc == RK_OK && count != 0) {
    rc = rt->ops->device_write(rt->backend, next->routes, routes, count * sizeof(*routes), err);
  }
  if (rc == RK_OK && part->given != NULL && next->loaded->def.state_bytes != 0) {
    rc = rt->ops->device_write(rt->backend, next->state, part->given, next->loaded->def.state_bytes,
                               err);
  } else if (rc == RK_OK && part->how == RK_RELOAD_STATE_FORMER) {
    rc = copy_former_state(part, err);
  }
  rk_free(routes);
  return rc;
}

static int grow_all(rk_reload *reload, rk_error *err)
{
  rk_runtime *rt = reload->rt;
  bool is_needed = false;
  for (size_t i = 0; i < reload->count; ++i) {
    is_needed = is_needed || reload->parts[i].rings.address != 0;
  }
  if (!is_needed) {
    return RK_OK;
  }
  uint64_t began = rk_clock_mono_ns();
  int rc = rk__grid_park(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  for (size_t i = 0; i < reload->count && rc == RK_OK; ++i) {
    rk_reload_part *part = &reload->parts[i];
    (void)rk__drain(rt);
    if (part->rings.address != 0 && check_life(part, NULL) == RK_OK) {
      rc = rk__rings_grow(part->actor, part->rings, part->next.loaded->slot_bytes, err);
      part->rings = rc == RK_OK ? (rk_piece){0} : part->rings;
    }
  }
  int back = rk__grid_return(rt, rc == RK_OK ? err : NULL);
  if (reload->held_ns == 0) {
    reload->rest_ns += rk_clock_mono_ns() - began;
  }
  return rc != RK_OK ? rc : back;
}

/* Says that the command is not to be done. False: its block has decided already, and answers. */
static bool cancel(rk_actor *actor, uint64_t id)
{
  rk_st_relaxed_sys_u64(&actor->link->reload_cancelled, id);
  rk_fence_seq_cst(); /* partner: rkd_reload_decide */
  return rk_ld_relaxed_sys_u64(&actor->link->reload_decided) != id;
}

/* Has the actor's block swap `version` in. answer->cmd_id stays 0 when it was cancelled. */
static int swap(rk_reload_part *part, const rk_version *version, uint32_t flags, uint64_t deadline,
                rk_abi_response *answer, rk_error *err)
{
  rk_actor *actor = part->actor;
  rk_runtime *rt = actor->rt;
  const rk_abi_reload line = {
      .def = version->loaded->abi,
      .state = version->state,
      .routes = version->routes,
      .out_limit_msgs = version->mailbox_limit,
  };
  const rk_abi_command command = {
      .code = RK_CMD_RELOAD_ACTOR,
      .flags = flags,
      .param1 = actor->slot,
      .bytes = sizeof(line),
  };
  uint64_t id = 0;
  int rc = rk__command_send(rt, actor->block, actor->id, &command, &line, sizeof(line), &id, err);
  if (rc != RK_OK) {
    return rc;
  }
  rc = rk__command_answer(rt, actor->block, id, deadline, answer, err);
  if (answer->cmd_id != 0 || rk__runtime_lost(rt, NULL) != RK_OK) {
    return rc;
  }
  if (!cancel(actor, id)) {
    return rk__command_answer(rt, actor->block, id, RK_FOREVER, answer, err);
  }
  actor->later->coming = part->next.body; /* its block may be at work there */
  actor->later->coming_cmd = id;
  part->next.body = (rk_piece){0};
  return rc;
}

static int explain(const rk_reload_part *part, const rk_abi_response *answer, rk_error *err)
{
  const rk_actor *actor = part->actor;
  int code = answer->error_code;
  switch (answer->steps_remaining) {
    case RK_RELOAD_TYPES:
      return rk__reload_explain_types(part, answer->step, err);
    case RK_RELOAD_LINKS:
      return rk_error_set(err, RK_EFULL,
                          "reload '%s': %llu messages wait on its links; try again when their "
                          "receivers have taken them",
                          actor->name, (unsigned long long)answer->step);
    case RK_RELOAD_CANCELLED:
      return rk_error_set(err, RK_ETIMEOUT, "reload '%s': its block did not come to it in time",
                          actor->name);
    case RK_RELOAD_MIGRATION:
      return rk_error_set(
          err, RK_EINVALID_STATE,
          "reload '%s': RK_MIGRATE of '%s' failed with code %d; it goes on as it was", actor->name,
          part->next.kernel->name, code);
    case RK_RELOAD_START:
      return rk_error_set(err, RK_EINVALID_STATE,
                          "reload '%s': the start handler of '%s' failed with code %d; it goes on "
                          "as it was",
                          actor->name, part->next.kernel->name, code);
    default:
      return rk_error_set(err, RK_ETERMINATED, "actor '%s' has terminated", actor->name);
  }
}

static int swap_in(rk_reload_part *part, uint64_t deadline, rk_error *err)
{
  static const uint32_t flags[] = {
      [RK_RELOAD_STATE_KEEP] = RK_RELOAD_KEEP, [RK_RELOAD_STATE_MIGRATE] = RK_RELOAD_MIGRATE};
  rk_actor *actor = part->actor;
  rk_abi_response answer = {0};
  int rc = swap(part, &part->next, part->how < RK_ARRAY_LEN(flags) ? flags[part->how] : 0u,
                deadline, &answer, err);
  if (rc != RK_OK) {
    return answer.cmd_id != 0 ? explain(part, &answer, err) : rc;
  }
  part->was = rk__version_of(actor);
  rk__version_put(actor, &part->next);
  part->next.body = (rk_piece){0}; /* the actor's now */
  part->is_swapped = true;
  part->swap_ns = answer.step;
  return RK_OK;
}

/* The swap holds: what was is the version to go back to. */
static void settle(rk_reload_part *part)
{
  rk_actor *actor = part->actor;
  rk_version *was = rk_alloc(sizeof(*was));
  rk__former_drop(actor);
  if (part->is_back || was == NULL) {
    rk_free(was);
    rk__version_drop(actor, &part->was);
  } else {
    if (part->how == RK_RELOAD_STATE_KEEP) { /* going back would keep the state, too */
      rk__piece_give(actor, &part->was.body);
      part->was.state = 0;
    }
    *was = part->was;
    actor->later->former = was;
    part->was = (rk_version){0};
  }
  if (actor->version > actor->later->version_max) {
    actor->later->version_max = actor->version;
  }
  part->next = (rk_version){0};
}

static void swap_back(rk_reload_part *part)
{
  rk_actor *actor = part->actor;
  rk_abi_response answer = {0};
  rk_error why = RK_ERROR_INIT;
  int rc = actor->life == RK_STATE_TERMINATED
               ? RK_ETERMINATED
               : swap(part, &part->was, RK_RELOAD_BACK, RK_FOREVER, &answer, &why);
  if (rc != RK_OK) { /* it has ended, or the grid is lost */
    settle(part);
    return;
  }
  part->next.body = actor->later->body;
  rk__version_put(actor, &part->was);
  part->was = (rk_version){0};
}

static int swap_all(rk_reload *reload, uint64_t deadline, rk_error *err)
{
  size_t done = 0;
  int rc = grow_all(reload, err);
  for (; done < reload->count && rc == RK_OK; ++done) {
    rk_reload_part *part = &reload->parts[done];
    rc = check_life(part, err);
    if (rc == RK_OK) {
      rc = rk__reload_check(part, err);
    }
    if (rc == RK_OK) {
      rc = fill(part, err);
    }
    if (rc == RK_OK) {
      rc = swap_in(part, deadline, err);
    }
  }
  for (size_t i = 0; i < reload->count && rc == RK_OK; ++i) {
    settle(&reload->parts[i]);
  }
  while (rc != RK_OK && done > 0) {
    rk_reload_part *part = &reload->parts[--done];
    if (part->is_swapped) {
      swap_back(part);
    }
  }
  return rc;
}

int rk_reload_swap(rk_reload *reload, uint64_t timeout_ns, rk_error *err)
{
  uint64_t deadline = rk_clock_deadline(timeout_ns);
  int rc = rk__runtime_check(reload->rt, err);
  if (rc == RK_OK && reload->is_done) {
    rc = rk_error_set(err, RK_EINVALID_STATE, "reload: the swap was made already");
  }
  if (rc == RK_OK && reload->count > 1) {
    rc = rk_reload_hold(reload, rk_clock_remaining(deadline), err);
  }
  if (rc == RK_OK) {
    rc = swap_all(reload, deadline, err);
  }
  reload->is_done = rc == RK_OK;
  release(reload);
  return rc;
}

void rk_reload_info_get(const rk_reload *reload, size_t index, rk_reload_info *out)
{
  const rk_reload_part *part = &reload->parts[index];
  *out = (rk_reload_info){
      .version = part->actor->version,
      .pause_ns = part->swap_ns > reload->rest_ns ? part->swap_ns : reload->rest_ns,
      .load_ns = part->load_ns,
  };
}

void rk_reload_close(rk_reload *reload)
{
  if (reload == NULL) {
    return;
  }
  rk_runtime *rt = reload->rt;
  if (!rt->closing) {
    release(reload);
  }
  while (reload->count != 0) {
    remove_part(reload);
  }
  rk_free(reload->parts);
  rk_free(reload);
  rk__runtime_unref(rt);
}
