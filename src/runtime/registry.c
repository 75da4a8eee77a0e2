/* SPDX-License-Identifier: MIT */
/*
 * Registry: living actors by name, by id and by pattern.
 */
#include "runtime/actor_parts.h"
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"

int rk__registry_add(rk_runtime *rt, rk_actor *actor, rk_error *err)
{
  int rc = rk_namemap_put(rt->by_name, actor->name, actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rt->by_slot[actor->slot] = actor;
  rt->names[actor->slot] = actor->name;
  actor->charged = actor->memory_bytes;
  rk__tenant_uses(rt, actor->tenant, 1, (int64_t)actor->charged);
  rk__event(rt, RK_EVENT_REGISTER, actor, 0, NULL, 0);
  return RK_OK;
}

void rk__registry_remove(rk_runtime *rt, rk_actor *actor)
{
  rk__event(rt, RK_EVENT_UNREGISTER, actor, 0, NULL, 0);
  (void)rk_namemap_del(rt->by_name, actor->name);
  rk__tenant_uses(rt, actor->tenant, -1, -(int64_t)actor->charged);
  rt->by_slot[actor->slot] = NULL;
  rt->names[actor->slot] = NULL;
}

int rk_actor_rename(rk_actor *actor, const char *name, rk_error *err)
{
  rk_runtime *rt = actor->rt;
  int rc = rk__actor_check(actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (name[0] == '\0' || strlen(name) > RK_NAME_MAX_BYTES) {
    return rk_error_set(err, RK_EINVAL, "rename '%s': name: 1..%d bytes expected", actor->name,
                        RK_NAME_MAX_BYTES);
  }
  if (actor->later != NULL && actor->later->former_name != NULL) {
    return rk_error_set(err, RK_EINVALID_STATE, "rename '%s': it was renamed once", actor->name);
  }
  if (rk_namemap_get(rt->by_name, name) != NULL) {
    return rk_error_set(err, RK_EEXISTS, "rename '%s': an actor named '%s' is alive", actor->name,
                        name);
  }
  char *copy = rk_strdup(name);
  if (copy == NULL || rk__later_of(actor) == NULL) {
    rk_free(copy);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "rename '%s': out of memory", actor->name);
  }
  rc = rk_namemap_put(rt->by_name, copy, actor, err);
  if (rc != RK_OK) {
    rk_free(copy);
    return rc;
  }
  rk__event(rt, RK_EVENT_UNREGISTER, actor, 0, NULL, 0);
  (void)rk_namemap_del(rt->by_name, actor->name);
  actor->later->former_name = actor->name; /* somebody may hold rk_actor_name's pointer */
  actor->name = copy;
  rt->names[actor->slot] = copy;
  rk__event(rt, RK_EVENT_REGISTER, actor, 0, NULL, 0);
  return RK_OK;
}

rk_actor *rk__registry_by_reference(rk_runtime *rt, uint32_t reference)
{
  uint32_t slot = reference & RK_ID_SLOT_MASK;
  if (reference == RK_ID_HOST || slot >= rt->actor_capacity) {
    return NULL;
  }
  rk_actor *actor = rt->by_slot[slot];
  return actor != NULL && actor->id == reference ? actor : NULL;
}

static rk_actor *retained(rk_actor *actor)
{
  return actor != NULL ? rk_actor_retain(actor) : NULL;
}

rk_actor *rk_runtime_find(rk_runtime *rt, const char *name)
{
  return rt->closing ? NULL : retained(rk_namemap_get(rt->by_name, name));
}

rk_actor *rk_runtime_find_id(rk_runtime *rt, uint64_t id)
{
  return rt->closing || id > UINT32_MAX ? NULL
                                        : retained(rk__registry_by_reference(rt, (uint32_t)id));
}

/* Recursion is bounded by the number of stars in the pattern. */
bool rk_name_fits(const char *pattern, const char *name)
{
  for (; *pattern != '\0'; ++pattern, ++name) {
    if (*pattern == '*') {
      bool across = pattern[1] == '*';
      const char *rest = pattern + (across ? 2 : 1);
      if (across && *rest == '/' && rk_name_fits(rest + 1, name)) {
        return true; /* no level at all */
      }
      for (;; ++name) {
        if (rk_name_fits(rest, name)) {
          return true;
        }
        if (*name == '\0' || (*name == '/' && !across)) {
          return false;
        }
      }
    }
    if (*name == '\0' || (*pattern == '?' ? *name == '/' : *pattern != *name)) {
      return false;
    }
  }
  return *name == '\0';
}

rk_actor *rk_runtime_match(rk_runtime *rt, const char *pattern)
{
  rk_actor *best = NULL;
  size_t cursor = 0;
  void *value = NULL;
  if (rt->closing) {
    return NULL;
  }
  while (rk_namemap_next(rt->by_name, &cursor, NULL, &value)) {
    rk_actor *actor = value;
    if (rk_name_fits(pattern, actor->name) &&
        (best == NULL || strcmp(actor->name, best->name) < 0)) {
      best = actor;
    }
  }
  return retained(best);
}

rk_actor *rk_runtime_next_actor(rk_runtime *rt, uint64_t *cursor)
{
  size_t at = (size_t)*cursor;
  void *value = NULL;
  if (rt->closing || !rk_namemap_next(rt->by_name, &at, NULL, &value)) {
    return NULL;
  }
  *cursor = at;
  return rk_actor_retain(value);
}
