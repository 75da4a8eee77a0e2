/* SPDX-License-Identifier: MIT */
/*
 * The audit: what was refused because of a tenant, newest last.
 *
 * Bounded: past RK_AUDIT_MAX the oldest is forgotten and counted. Blocks tell of the sends that they
 * refused; what they could not tell, because the ring to the host was half full, they count, and it
 * is counted here as forgotten too. Each entry is an event for whoever listens.
 */
#include "runtime/tenant.h"

#include <stdio.h>

#include "base/alloc.h"

void rk__audit(rk_runtime *rt, const rk_refusal *refusal)
{
  rk_tenants *t = rt->tenants;
  if (t == NULL) {
    return;
  }
  if (refusal->as != 0 && refusal->as <= t->count) {
    t->list[refusal->as - 1u]->refused += 1;
  }
  if (t->audit.kept == NULL) {
    t->audit.kept = rk_calloc(RK_AUDIT_MAX, sizeof(*t->audit.kept));
    if (t->audit.kept == NULL) {
      t->audit.unkept += 1;
      return;
    }
  }
  rk_audit_entry *e = &t->audit.kept[t->audit.count % RK_AUDIT_MAX];
  t->audit.count += 1;
  *e = (rk_audit_entry){
      .number = t->audit.count,
      .hlc = rk_hlc_tick(&rt->clock),
      .action = refusal->action,
      .quota = refusal->quota,
      .code = refusal->code,
      .tenant = rk__tenant_name(rt, refusal->as),
      .other = rk__tenant_name(rt, refusal->other),
      .actor = refusal->actor != NULL ? refusal->actor->id : 0,
      .dest = refusal->dest,
  };
  if (refusal->actor != NULL) {
    (void)snprintf(e->name, sizeof(e->name), "%s", refusal->actor->name);
  }
  bool is_alive = refusal->actor != NULL &&
                  rk__registry_by_reference(rt, refusal->actor->id) == refusal->actor;
  rk__event(rt, RK_EVENT_DENIED, is_alive ? refusal->actor : NULL, refusal->code, refusal->action,
            e->number);
}

void rk__audit_told(rk_runtime *rt, const rk_abi_response *response)
{
  rk_actor *from = rk__registry_by_reference(rt, response->actor);
  uint32_t dest = (uint32_t)response->step;
  const rk_actor *to = rk__registry_by_reference(rt, dest);
  rk__audit(rt, &(rk_refusal){
                    .action = dest == RK_ID_HOST ? "publish" : "send",
                    .quota = response->error_code == RK_EDENIED ? "rate" : NULL,
                    .code = response->error_code,
                    .as = from != NULL ? from->tenant + 1u : 0,
                    .other = to != NULL ? to->tenant + 1u : 0,
                    .actor = from,
                    .dest = dest,
                });
}

void rk__audit_dead(rk_runtime *rt, const rk_abi_msg *header)
{
  if (rt->tenants == NULL) {
    return;
  }
  rt->tenants->letters += 1;
  if (rt->tenants->is_revoking) {
    return;
  }
  rk_actor *from = rk__registry_by_reference(rt, header->source);
  const rk_actor *to = rk__registry_by_reference(rt, header->dest);
  rk__audit(rt, &(rk_refusal){
                    .action = "deliver",
                    .code = RK_ETENANT_MISMATCH,
                    .as = from != NULL ? from->tenant + 1u : 0,
                    .other = to != NULL ? to->tenant + 1u : 0,
                    .actor = from,
                    .dest = header->dest,
                });
}

static uint64_t first_kept(const rk_tenants *t)
{
  return t->audit.count > RK_AUDIT_MAX ? t->audit.count - RK_AUDIT_MAX : 0;
}

bool rk_runtime_audit(rk_runtime *rt, size_t index, rk_audit_entry *out)
{
  const rk_tenants *t = rt->tenants;
  if (t == NULL || t->audit.count - first_kept(t) <= index) {
    return false;
  }
  *out = t->audit.kept[(first_kept(t) + index) % RK_AUDIT_MAX];
  return true;
}

bool rk_runtime_audit_find(rk_runtime *rt, uint64_t number, rk_audit_entry *out)
{
  const rk_tenants *t = rt->tenants;
  if (t == NULL || number <= first_kept(t) || number > t->audit.count) {
    return false;
  }
  *out = t->audit.kept[(number - 1u) % RK_AUDIT_MAX];
  return true;
}

uint64_t rk_runtime_audit_dropped(rk_runtime *rt)
{
  const rk_tenants *t = rt->tenants;
  if (t == NULL) {
    return 0;
  }
  uint64_t dropped = first_kept(t) + t->audit.unkept;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    dropped += rk_ld_relaxed_sys_u64(&rt->blocks[i].door->untold);
  }
  return dropped;
}

void rk__audit_close(rk_runtime *rt)
{
  rk_free(rt->tenants->audit.kept);
  rt->tenants->audit.kept = NULL;
}
