/* SPDX-License-Identifier: MIT */
/*
 * Grants: who may send to whom, and how that ends.
 *
 * A grant goes one way: the guest's actors, and the host in its name, may send to the owner's. An
 * answer is a send. The host keeps the whole table for what it does itself; each block has a copy
 * (rk_tenant_dev.h), told by commands in two steps either way, so that at no moment somebody may
 * send what its receiver would refuse for not having heard of the grant yet.
 *
 * A revocation is over when every block has answered both steps. Then nothing that the guest sent
 * is handled any more, and what still lay in a queue of the owner's (in the grid, with the host for
 * Lua actors, in the box of a subscription) is a dead letter, once.
 */
#include "runtime/actor_parts.h"
#include "runtime/tenant.h"

#include <string.h>

#define SWEEPS_IN_VAIN 1000u

bool rk__tenant_accepts(const rk_runtime *rt, uint32_t owner, uint32_t guest)
{
  return owner == guest || (rt->tenants != NULL &&
                            (rt->tenants->granted[owner][guest / 64u] >> (guest % 64u) & 1u) != 0);
}

bool rk_runtime_granted(const rk_runtime *rt, uint32_t owner, uint32_t guest)
{
  return rk__tenant_name(rt, owner) != NULL && rk__tenant_name(rt, guest) != NULL &&
         rk__tenant_accepts(rt, owner - 1u, guest - 1u);
}

/* ---- the sender's side on the host ----------------------------------------------------------- */

int rk__tenant_of_send(rk_actor *to, const rk_send_options *options, uint8_t *tenant, rk_error *err)
{
  rk_runtime *rt = to->rt;
  rk_actor *source = NULL;
  uint32_t from = to->tenant;
  if (options != NULL && options->as != 0) {
    int rc = rk__tenant_check(rt, options->as, err);
    if (rc != RK_OK) {
      return rc;
    }
    from = options->as - 1u;
  } else if (options != NULL && options->source != RK_ID_HOST) {
    source = rk__registry_by_reference(rt, options->source);
    if (source == NULL) {
      return rk_error_set(err, RK_ETERMINATED, "send to '%s': its sender has terminated", to->name);
    }
    from = source->tenant;
  }
  if (!rk__tenant_accepts(rt, to->tenant, from)) {
    rk__audit(rt, &(rk_refusal){.action = "send",
                                .code = RK_ETENANT_MISMATCH,
                                .as = from + 1u,
                                .other = to->tenant + 1u,
                                .actor = source,
                                .dest = to->id});
    return rk_error_set(err, RK_ETENANT_MISMATCH,
                        "send to '%s': tenant '%s' has not granted that to tenant '%s'", to->name,
                        rk__tenant_name(rt, to->tenant + 1u), rk__tenant_name(rt, from + 1u));
  }
  *tenant = (uint8_t)from;
  return RK_OK;
}

int rk__tenant_may_tie(rk_actor *from, rk_actor *to, const char *port, rk_error *err)
{
  rk_runtime *rt = from->rt;
  if (rk__tenant_accepts(rt, to->tenant, from->tenant)) {
    return RK_OK;
  }
  rk__audit(rt, &(rk_refusal){.action = "connect",
                              .code = RK_ETENANT_MISMATCH,
                              .as = from->tenant + 1u,
                              .other = to->tenant + 1u,
                              .actor = from,
                              .dest = to->id});
  return rk_error_set(err, RK_ETENANT_MISMATCH,
                      "connect '%s.%s' to '%s': tenant '%s' has not granted that to tenant '%s'",
                      from->name, port, to->name, rk__tenant_name(rt, to->tenant + 1u),
                      rk__tenant_name(rt, from->tenant + 1u));
}

/* ---- grants ---------------------------------------------------------------------------------- */

static int tell(rk_runtime *rt, uint32_t block, uint32_t what, uint32_t owner, uint32_t guest,
                rk_abi_response *answer, rk_error *err)
{
  const rk_abi_command command = {
      .code = RK_CMD_TENANT, .flags = what, .param1 = owner, .param2 = guest};
  return rk__command(rt, block, 0u, &command, answer, err);
}

/* All blocks are asked, also when one does not answer; the first error. */
static int tell_all(rk_runtime *rt, uint32_t what, uint32_t owner, uint32_t guest, rk_error *err)
{
  int rc = RK_OK;
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    int one = tell(rt, i, what, owner, guest, NULL, rc == RK_OK ? err : NULL);
    rc = rc != RK_OK ? rc : one;
  }
  return rc;
}

static int check_pair(rk_runtime *rt, const char *what, uint32_t owner, uint32_t guest,
                      rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK && (owner == 0 || guest == 0)) {
    rc = rk_error_set(err, RK_ENOT_FOUND, "%s: there is no such tenant", what);
  }
  if (rc == RK_OK) {
    rc = rk__tenant_check(rt, owner, err);
  }
  if (rc == RK_OK) {
    rc = rk__tenant_check(rt, guest, err);
  }
  if (rc == RK_OK && owner == guest) {
    rc = rk_error_set(err, RK_EINVAL, "%s: two tenants expected, got '%s' twice", what,
                      rk__tenant_name(rt, owner));
  }
  return rc;
}

int rk_runtime_grant(rk_runtime *rt, uint32_t owner, uint32_t guest, rk_error *err)
{
  int rc = check_pair(rt, "grant", owner, guest, err);
  if (rc != RK_OK) {
    return rc;
  }
  uint32_t o = owner - 1u, g = guest - 1u;
  rc = tell_all(rt, RK_TENANT_ACCEPT, o, g, err);
  if (rc == RK_OK) {
    rc = tell_all(rt, RK_TENANT_SEND, o, g, err);
  }
  if (rc != RK_OK) {
    if (!rk__tenant_accepts(rt, o, g)) { /* one that stood stays */
      (void)tell_all(rt, RK_TENANT_BAR, o, g, NULL);
    }
    return rc;
  }
  rt->tenants->granted[o][g / 64u] |= UINT64_C(1) << (g % 64u);
  return RK_OK;
}

/* ---- the end of a grant ---------------------------------------------------------------------- */

typedef struct sweep {
  rk_runtime *rt;
  rk_actor *actor; /* whose messages these are; NULL: a subscription's */
  uint32_t guest;
} sweep;

static void bury(sweep *s, const rk_abi_msg *header, const unsigned char *payload)
{
  rk__dead_letter(s->rt, header, payload, RK_DEAD_TENANT);
  rk__call_dead(s->rt, header, RK_DEAD_TENANT);
}

/* It stays in its box, marked, and is skipped by whoever takes it. */
static void sweep_passed_on(void *arg, rk_abi_msg *record, const unsigned char *payload)
{
  sweep *s = arg;
  if (record->reason != s->guest || (record->flags & RK_MSG_SWEPT) != 0) {
    return;
  }
  bury(s, record, payload);
  if ((record->flags & RK_MSG_UNCOUNTED) == 0) {
    rk__actor_took(s->actor, 1);
  }
  record->flags = (uint16_t)(record->flags | RK_MSG_SWEPT | RK_MSG_UNCOUNTED);
}

static void sweep_box(void *arg, rk_abi_msg *record, const unsigned char *payload)
{
  sweep *s = arg;
  if (record->reason != s->guest || (record->flags & RK_MSG_SWEPT) != 0) {
    return;
  }
  rk_abi_msg letter = *record;
  letter.size_bytes -= RK_TOPIC_BYTES;
  bury(s, &letter, payload + RK_TOPIC_BYTES);
  record->flags = (uint16_t)(record->flags | RK_MSG_SWEPT);
}

static void sweep_host(rk_runtime *rt, uint32_t owner, uint32_t guest)
{
  sweep s = {.rt = rt, .guest = guest};
  (void)rk__drain(rt);
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    s.actor = rt->by_slot[slot];
    if (s.actor != NULL && s.actor->tenant == owner && s.actor->hosted != NULL) {
      rk_mailbox_each(&s.actor->hosted->passed_on, sweep_passed_on, &s);
    }
  }
  s.actor = NULL;
  for (rk_subscription *sub = rt->subscriptions; sub != NULL; sub = sub->next) {
    if (sub->actor == NULL && sub->as == owner + 1u) {
      rk_mailbox_each(&sub->box, sweep_box, &s);
    }
  }
}

static int sweep_block(rk_runtime *rt, uint32_t block, uint32_t owner, uint32_t guest,
                       rk_error *err)
{
  uint32_t in_vain = 0;
  for (;;) {
    rk_abi_response answer = {0};
    int rc = tell(rt, block, RK_TENANT_SWEEP, owner, guest, &answer, err);
    if (rc != RK_OK || answer.steps_remaining == 0) {
      return rc;
    }
    in_vain = answer.step != 0 ? 0 : in_vain + 1u;
    if (in_vain == SWEEPS_IN_VAIN) {
      return rk_error_set(err, RK_EFULL, "revoke: block %u finds no room for %llu dead letters",
                          block, (unsigned long long)answer.steps_remaining);
    }
    (void)rk__drain(rt);
  }
}

int rk_runtime_revoke(rk_runtime *rt, uint32_t owner, uint32_t guest, uint64_t *swept,
                      rk_error *err)
{
  int rc = check_pair(rt, "revoke", owner, guest, err);
  if (rc != RK_OK) {
    return rc;
  }
  uint32_t o = owner - 1u, g = guest - 1u;
  rk_tenants *t = rt->tenants;
  uint64_t before = t->letters;
  t->is_revoking = true;
  t->granted[o][g / 64u] &= ~(UINT64_C(1) << (g % 64u));
  rc = tell_all(rt, RK_TENANT_BAR, o, g, err);
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    int one = sweep_block(rt, i, o, g, rc == RK_OK ? err : NULL);
    rc = rc != RK_OK ? rc : one;
  }
  sweep_host(rt, o, g);
  t->is_revoking = false;
  if (rc == RK_OK && swept != NULL) {
    *swept = t->letters - before;
  }
  return rc;
}
