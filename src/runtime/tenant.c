/* SPDX-License-Identifier: MIT */
/*
 * Tenants: who there is, and what each may use.
 *
 * A tenant has a name, a number that every actor and message carries, and limits: actors, memory,
 * messages a second. Actors and memory are the host's to give, so they are counted here. Messages
 * are sent on both sides: what actors send is counted in the grid (rk_tenant_dev.h), what the host
 * sends in a tenant's name here, in a bucket of its own of the same size. Numbers are not used
 * again: a tenant lives as long as its runtime.
 */
#include "runtime/tenant.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define DEPTH_MAX_NS ((double)(UINT64_C(1) << 60))

static rk_tenant *make_tenant(const char *name)
{
  rk_tenant *tenant = rk_alloc_aligned(128, sizeof(*tenant));
  if (tenant != NULL) {
    memset(tenant, 0, sizeof(*tenant));
    (void)snprintf(tenant->name, sizeof(tenant->name), "%s", name);
  }
  return tenant;
}

/* The table, with the default tenant in it: all actors so far are its. */
static int open_table(rk_runtime *rt, rk_error *err)
{
  rk_tenants *t = rk_calloc(1, sizeof(*t));
  rk_tenant *first = t != NULL ? make_tenant("default") : NULL;
  if (first == NULL) {
    rk_free(t);
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "tenant: out of memory");
  }
  t->list[0] = first;
  t->count = 1;
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    const rk_actor *actor = rt->by_slot[slot];
    first->actors += actor != NULL ? 1u : 0u;
    first->memory_bytes += actor != NULL ? actor->charged : 0u;
  }
  rt->tenants = t;
  return RK_OK;
}

void rk__tenants_close(rk_runtime *rt)
{
  rk_tenants *t = rt->tenants;
  if (t == NULL) {
    return;
  }
  rk__audit_close(rt);
  for (uint32_t i = 0; i < t->count; ++i) {
    rk_free(t->list[i]);
  }
  rt->tenants = NULL;
  rk_free(t);
}

const char *rk__tenant_name(const rk_runtime *rt, uint32_t as)
{
  const rk_tenants *t = rt->tenants;
  if (t == NULL) {
    return as == 1u ? "default" : NULL;
  }
  return as != 0 && as <= t->count ? t->list[as - 1u]->name : NULL;
}

int rk__tenant_check(const rk_runtime *rt, uint32_t as, rk_error *err)
{
  return as == 0 || rk__tenant_name(rt, as) != NULL
             ? RK_OK
             : rk_error_set(err, RK_ENOT_FOUND, "there is no such tenant; make it with tenant");
}

uint32_t rk_runtime_tenant_find(const rk_runtime *rt, const char *name)
{
  for (uint32_t as = 1; rk__tenant_name(rt, as) != NULL; ++as) {
    if (strcmp(rk__tenant_name(rt, as), name) == 0) {
      return as;
    }
  }
  return 0;
}

const char *rk_runtime_tenant_name(const rk_runtime *rt, uint32_t as)
{
  return rk__tenant_name(rt, as);
}

/* ---- making and changing --------------------------------------------------------------------- */

static int check_limits(const char *name, const rk_tenant_limits *limits, rk_error *err)
{
  size_t length = strlen(name);
  if (length == 0 || length >= RK_TENANT_NAME_BYTES) {
    return rk_error_set(err, RK_EINVAL, "tenant: name: 1..%u bytes expected",
                        RK_TENANT_NAME_BYTES - 1u);
  }
  if (limits == NULL) {
    return RK_OK;
  }
  if (!(limits->rate == 0.0 || (limits->rate >= 1e-6 && limits->rate <= 1e9))) {
    return rk_error_set(err, RK_EINVAL, "tenant '%s': rate: 1e-6..1e9 messages a second, got %g",
                        name, limits->rate);
  }
  if (!(limits->burst == 0.0 || (limits->burst >= 1.0 && limits->burst <= 1e9))) {
    return rk_error_set(err, RK_EINVAL, "tenant '%s': burst: 1..1e9 messages, got %g", name,
                        limits->burst);
  }
  if (limits->burst != 0.0 && limits->rate == 0.0) {
    return rk_error_set(err, RK_EINVAL, "tenant '%s': burst says nothing without rate", name);
  }
  return RK_OK;
}

/* Says to all blocks what a bucket holds. From the first time on they look at tenants. */
static int tell_limits(rk_runtime *rt, uint32_t number, uint64_t period_ns, uint64_t depth_ns,
                       rk_error *err)
{
  const rk_abi_command command = {
      .code = RK_CMD_TENANT,
      .flags = RK_TENANT_LIMIT,
      .param1 = number,
      .address = period_ns,
      .bytes = depth_ns,
  };
  int rc = RK_OK;
  for (uint32_t i = 0; i < rt->block_count && rc == RK_OK; ++i) {
    rc = rk__command(rt, i, 0u, &command, NULL, err);
  }
  return rc;
}

static int set_limits(rk_runtime *rt, uint32_t number, rk_tenant *tenant,
                      const rk_tenant_limits *limits, rk_error *err)
{
  double burst = limits->burst != 0.0 ? limits->burst : limits->rate > 1.0 ? limits->rate : 1.0;
  double period = limits->rate != 0.0 ? 1e9 / limits->rate : 0.0;
  double depth = period * burst < DEPTH_MAX_NS ? period * burst : DEPTH_MAX_NS;
  uint64_t period_ns = limits->rate == 0.0 ? 0 : period < 1.0 ? 1 : (uint64_t)(period + 0.5);
  uint64_t depth_ns = (uint64_t)(depth + 0.5) < period_ns ? period_ns : (uint64_t)(depth + 0.5);
  int rc = tell_limits(rt, number, period_ns, depth_ns, err);
  if (rc == RK_OK) {
    tenant->limits = *limits;
    tenant->bucket.period_ns = period_ns;
    tenant->bucket.depth_ns = depth_ns;
  }
  return rc;
}

int rk_runtime_tenant(rk_runtime *rt, const char *name, const rk_tenant_limits *limits,
                      uint32_t *as, rk_error *err)
{
  static const rk_tenant_limits none = {0};
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = check_limits(name, limits, err);
  }
  if (rc == RK_OK && rt->tenants == NULL) {
    rc = open_table(rt, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  rk_tenants *t = rt->tenants;
  uint32_t known = rk_runtime_tenant_find(rt, name);
  if (known != 0) {
    rc = limits != NULL ? set_limits(rt, known - 1u, t->list[known - 1u], limits, err) : RK_OK;
    if (rc == RK_OK) {
      *as = known;
    }
    return rc;
  }
  if (t->count == RK_TENANTS_MAX) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "tenant '%s': there are %u already", name,
                        RK_TENANTS_MAX);
  }
  rk_tenant *tenant = make_tenant(name);
  if (tenant == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "tenant '%s': out of memory", name);
  }
  rc = set_limits(rt, t->count, tenant, limits != NULL ? limits : &none, err);
  if (rc != RK_OK) {
    rk_free(tenant);
    return rc;
  }
  t->list[t->count] = tenant;
  t->count += 1;
  *as = t->count;
  return RK_OK;
}

int rk_runtime_tenant_stats(rk_runtime *rt, uint32_t as, rk_tenant_stats *out)
{
  const rk_tenants *t = rt->tenants;
  if (t == NULL || as == 0 || as > t->count) {
    return RK_ENOT_FOUND;
  }
  (void)rk__drain(rt);
  const rk_tenant *tenant = t->list[as - 1u];
  *out = (rk_tenant_stats){.actors = tenant->actors,
                           .memory_bytes = tenant->memory_bytes,
                           .refused = tenant->refused,
                           .limits = tenant->limits};
  return RK_OK;
}

/* ---- quotas ---------------------------------------------------------------------------------- */

void rk__tenant_uses(rk_runtime *rt, uint32_t tenant, int actors, int64_t bytes)
{
  if (rt->tenants != NULL) {
    rk_tenant *t = rt->tenants->list[tenant];
    t->actors += (uint64_t)actors;
    t->memory_bytes += (uint64_t)bytes;
  }
}

static int refuse(rk_runtime *rt, const rk_refusal *refusal, rk_error *err)
{
  const char *name = rk__tenant_name(rt, refusal->as);
  rk__audit(rt, refusal);
  if (refusal->actor != NULL) {
    return rk_error_set(err, RK_EDENIED, "%s '%s': tenant '%s' has used up its %s", refusal->action,
                        refusal->actor->name, name, refusal->quota);
  }
  return rk_error_set(err, RK_EDENIED, "%s: tenant '%s' has used up its %s", refusal->action, name,
                      refusal->quota);
}

int rk__tenant_room(rk_runtime *rt, uint32_t tenant, const char *action, rk_actor *actor,
                    uint64_t bytes, rk_error *err)
{
  if (rt->tenants == NULL) {
    return RK_OK;
  }
  const rk_tenant *t = rt->tenants->list[tenant];
  rk_refusal refusal = {.action = action, .code = RK_EDENIED, .as = tenant + 1u, .actor = actor};
  bool is_new = actor != NULL && rk__registry_by_reference(rt, actor->id) != actor;
  if (is_new && t->limits.actors != 0 && t->actors >= t->limits.actors) {
    refusal.quota = "actors";
  } else if (t->limits.memory_bytes != 0 && (t->memory_bytes >= t->limits.memory_bytes ||
                                             bytes > t->limits.memory_bytes - t->memory_bytes)) {
    refusal.quota = "memory";
  } else {
    return RK_OK;
  }
  return refuse(rt, &refusal, err);
}

int rk__tenant_allowance(rk_runtime *rt, uint32_t tenant, const char *action, rk_actor *to,
                         rk_error *err)
{
  rk_tenant *t = rt->tenants->list[tenant];
  if (t->bucket.period_ns == 0 || rkd_bucket_take(&t->bucket, rk_clock_mono_ns())) {
    return RK_OK;
  }
  rk__audit(rt, &(rk_refusal){.action = action,
                              .quota = "rate",
                              .code = RK_EDENIED,
                              .as = tenant + 1u,
                              .other = to != NULL ? to->tenant + 1u : 0,
                              .dest = to != NULL ? to->id : 0});
  return rk_error_set(err, RK_EDENIED,
                      "%s: tenant '%s' has used up its rate of %g messages a "
                      "second",
                      action, t->name, t->limits.rate);
}
