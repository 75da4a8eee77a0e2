/* SPDX-License-Identifier: MIT */
/*
 * Budgets of memory: how much is used of them, and what is done as they run out.
 *
 * What counts for the runtime is what messages can make grow: device memory of actors, links and
 * buffers, and on the host mailboxes, subscriptions and dead letters. What counts for an actor is
 * its own part of that. Levels are 60, 80 and 95 % of the budget. A level that is reached is an event,
 * and so is the return to less than 60 %.
 *
 *   60 %  spare memory of mailboxes and subscriptions is given back
 *   80 %  mailboxes go to the disk, if there is a file for them (spill.c), the largest first; then
 *         the oldest dead letters go, as many as are needed
 *   95 %  what would take so much for good is refused: launches, links' buffers, larger queues (before
 *         that, spare memory and dead letters make room for them)
 *
 * A tenant's limit of memory does not count mailboxes, and refuses by itself (tenant.c). With such a file
 * it is looked at like a budget that does count those of its actors: from 80 % on they go to the disk.
 *
 * Messages that were accepted are never dropped for it: their number is bounded by queues.
 * rk_runtime_drain looks, at most once in LOOK_NS; without budgets it does not.
 */
#include "runtime/actor_parts.h"
#include "runtime/spill.h"
#include "runtime/tenant.h"

#include "base/clock.h"

#define LOOK_NS (UINT64_C(10) * 1000 * 1000)

/* Of boxes on the host. */
static uint64_t host_bytes(const rk_actor *actor)
{
  return rk__out_bytes(actor) + rk_mailbox_capacity(rk__passed_on(actor)) +
         rk__host_links_bytes(actor);
}

static void shrink(rk_actor *actor)
{
  rk__out_shrink(actor);
  if (actor->hosted != NULL) {
    rk_mailbox_shrink(&actor->hosted->passed_on);
    rk__host_links_shrink(actor);
  }
}

uint64_t rk_actor_memory_used(const rk_actor *actor)
{
  uint64_t used = host_bytes(actor);
  const rk_later *later = actor->later;
  used += actor->memory_bytes;
  if (later == NULL) {
    return used;
  }
  used += later->body.bytes + later->rings.bytes + later->coming.bytes;
  for (const rk_extra *extra = later->extras; extra != NULL; extra = extra->next) {
    used += extra->piece.bytes;
  }
  return used;
}

uint64_t rk_runtime_memory_used(const rk_runtime *rt)
{
  uint64_t used = rt->arena.taken_bytes + rt->pool_bytes + rt->letters.bytes;
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    const rk_actor *actor = rt->by_slot[slot];
    used += actor != NULL ? host_bytes(actor) : 0u;
  }
  for (const rk_subscription *sub = rt->subscriptions; sub != NULL; sub = sub->next) {
    used += rk_mailbox_capacity(&sub->box);
  }
  return used;
}

static uint32_t level_of(uint64_t used, uint64_t budget)
{
  double share = (double)used / (double)budget;
  return share >= 0.95 ? 3u : share >= 0.80 ? 2u : share >= 0.60 ? 1u : 0u;
}

static void tell(rk_runtime *rt, rk_actor *actor, uint32_t level, uint64_t used, uint64_t budget)
{
  rk__event_of(rt, &(rk_event){.kind = RK_EVENT_PRESSURE,
                               .actor = actor,
                               .code = (int)level,
                               .reason = "memory",
                               .used = used,
                               .budget = budget});
}

static uint64_t over_aim(uint64_t used, uint64_t budget)
{
  uint64_t aim = budget / 100u * 60u;
  return used > aim ? used - aim : 0u;
}

/* Tells of what was put aside on the disk: `used` is what is left then, `level` why it was done. */
static void tell_spilled(rk_runtime *rt, const rk_event *of, const rk_spill_tally *tally)
{
  rk_event event = *of;
  if (tally->messages != 0) {
    event.kind = RK_EVENT_PRESSURE;
    event.reason = "spill";
    event.spilled_messages = tally->messages;
    event.spilled_bytes = tally->bytes;
    rk__event_of(rt, &event);
  }
}

/* Mailboxes to the disk, until `used`, which is more than there is to come, would be 60 % of the
 * budget. */
static void spill(rk_runtime *rt, uint32_t level, uint64_t used)
{
  rk_spill_tally tally = {0};
  rk__spill_most(rt, 0, over_aim(used, rt->budget), &tally);
  tell_spilled(
      rt, &(rk_event){.code = (int)level, .used = rk_runtime_memory_used(rt), .budget = rt->budget},
      &tally);
}

static void look_at_tenants(rk_runtime *rt)
{
  uint64_t used[RK_TENANTS_MAX] = {0};
  const rk_tenants *t = rt->tenants;
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    const rk_actor *actor = rt->by_slot[slot];
    if (actor != NULL) {
      used[actor->tenant] += rk__out_bytes(actor);
    }
  }
  for (uint32_t i = 0; i < t->count; ++i) {
    uint64_t limit = t->list[i]->limits.memory_bytes;
    rk_spill_tally tally = {0};
    used[i] += t->list[i]->memory_bytes;
    if (limit == 0 || level_of(used[i], limit) < 2u) {
      continue;
    }
    rk__spill_most(rt, i + 1u, over_aim(used[i], limit), &tally);
    tell_spilled(rt,
                 &(rk_event){.code = (int)level_of(used[i], limit),
                             .used = used[i] - tally.bytes,
                             .budget = limit,
                             .as = i + 1u},
                 &tally);
  }
}

static void shrink_all(rk_runtime *rt)
{
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    if (rt->by_slot[slot] != NULL) {
      shrink(rt->by_slot[slot]);
    }
  }
  for (rk_subscription *sub = rt->subscriptions; sub != NULL; sub = sub->next) {
    rk_mailbox_shrink(&sub->box);
  }
}

/* Frees dead letters, the oldest first, until `used` would be 60 % of the budget; returns how many
 * bytes that gave. */
static size_t shed(rk_runtime *rt, uint64_t used)
{
  uint64_t over = over_aim(used, rt->budget);
  return rk__letters_shed(rt, rt->letters.bytes > over ? rt->letters.bytes - (size_t)over : 0u);
}

/* Does what the level asks for; returns what is used afterwards. */
static uint64_t relieve(rk_runtime *rt, uint32_t level, uint64_t used)
{
  if (level >= 1u) {
    shrink_all(rt);
    used = rk_runtime_memory_used(rt);
  }
  if (rt->spill != NULL && level_of(used, rt->budget) >= 2u) {
    spill(rt, level_of(used, rt->budget), used);
    used = rk_runtime_memory_used(rt);
  }
  if (level_of(used, rt->budget) >= 2u) {
    used -= shed(rt, used);
  }
  return used;
}

static uint64_t budget_of(const rk_actor *actor)
{
  return actor != NULL && actor->later != NULL ? actor->later->budget : 0u;
}

static void look_at_actor(rk_actor *actor)
{
  uint64_t budget = budget_of(actor);
  uint64_t used = rk_actor_memory_used(actor);
  uint32_t level = level_of(used, budget);
  if (level > actor->pressure) {
    actor->pressure = (uint8_t)level;
    tell(actor->rt, actor, level, used, budget);
  }
  if (level >= 1u) {
    shrink(actor);
    used = rk_actor_memory_used(actor);
    level = level_of(used, budget);
  }
  if (level >= 2u && actor->rt->spill != NULL) {
    rk_spill_tally tally = {0};
    (void)rk__spill_actor(actor, &tally);
    used = rk_actor_memory_used(actor);
    tell_spilled(actor->rt,
                 &(rk_event){.actor = actor, .code = (int)level, .used = used, .budget = budget},
                 &tally);
    level = level_of(used, budget);
  }
  if (level < actor->pressure) {
    actor->pressure = (uint8_t)level;
    tell(actor->rt, actor, level, used, budget);
  }
}

void rk__pressure_look(rk_runtime *rt)
{
  bool has_tenants = rt->spill != NULL && rt->tenants != NULL;
  if (rt->budget == 0 && rt->budgets == 0 && !has_tenants) {
    return;
  }
  uint64_t now = rk_clock_mono_ns();
  if (now - rt->looked_ns < LOOK_NS) {
    return;
  }
  rt->looked_ns = now;
  for (uint32_t slot = 0; rt->budgets != 0 && slot < rt->slot_high; ++slot) {
    if (budget_of(rt->by_slot[slot]) != 0) {
      look_at_actor(rt->by_slot[slot]);
    }
  }
  if (has_tenants) {
    look_at_tenants(rt);
  }
  if (rt->budget != 0) {
    uint64_t used = rk_runtime_memory_used(rt);
    uint32_t level = level_of(used, rt->budget);
    if (level > rt->pressure) { /* told before anything is done about it */
      rt->pressure = level;
      tell(rt, NULL, level, used, rt->budget);
    }
    used = relieve(rt, level, used);
    level = level_of(used, rt->budget);
    if (level < rt->pressure) {
      rt->pressure = level;
      tell(rt, NULL, level, used, rt->budget);
    }
  }
}

int rk__pressure_check(rk_runtime *rt, size_t bytes, const char *what, rk_error *err)
{
  if (rt->budget == 0) {
    return RK_OK;
  }
  uint64_t used = rk_runtime_memory_used(rt);
  if (level_of(used + bytes, rt->budget) >= 3u) { /* what can go makes room first */
    shrink_all(rt);
    if (rt->spill != NULL) {
      spill(rt, 3u, rk_runtime_memory_used(rt) + bytes);
    }
    used = rk_runtime_memory_used(rt);
    used -= shed(rt, used + bytes);
  }
  if (level_of(used + bytes, rt->budget) < 3u) {
    return RK_OK;
  }
  return rk_error_set(err, RK_EOUT_OF_MEMORY,
                      "%s: it needs %zu bytes, and %llu of the memory budget of %llu are used",
                      what, bytes, (unsigned long long)used, (unsigned long long)rt->budget);
}
