/* SPDX-License-Identifier: MIT */
/*
 * Whether a new definition can take an old one's place: what may still come to the actor, where its
 * ports lead, its state. All that stands against it is said at once, as far as there is room.
 *
 * What already waits in the actor's queue only its block can look at (rk_reload_dev.h).
 */
#include "runtime/reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Mistakes, one behind the other. */
typedef struct list {
  char text[RK_ERROR_TEXT_BYTES];
  size_t used, count, left_out;
} list;

__attribute__((format(printf, 2, 3))) static void add(list *all, const char *format, ...)
{
  char one[RK_ERROR_TEXT_BYTES];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(one, sizeof(one), format, args);
  va_end(args);
  const size_t room = sizeof(all->text) - 96; /* the beginning of the sentence goes before it */
  if (all->used + strlen(one) + 2u > room) {
    all->left_out += 1;
  } else {
    all->used += (size_t)snprintf(all->text + all->used, sizeof(all->text) - all->used, "%s%s",
                                  all->used != 0 ? "; " : "", one);
  }
  all->count += 1;
}

static bool emits(const rk_loaded *loaded, uint32_t type)
{
  for (uint32_t i = 0; i < loaded->def.emit_count; ++i) {
    if (loaded->def.emits[i] == type) {
      return true;
    }
  }
  return false;
}

/* Links of other actors that bring this type. */
static void check_links(const rk_reload_part *part, const rk_backend_type *type, list *all)
{
  const rk_actor *actor = part->actor;
  const rk_runtime *rt = actor->rt;
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    const rk_actor *from = rt->by_slot[slot];
    if (from == NULL || !emits(from == actor ? part->next.loaded : from->loaded, type->id)) {
      continue;
    }
    for (uint32_t i = 0; i < from->loaded->def.port_count; ++i) {
      if (from->ports[i].dest == actor->id) {
        add(all, "it does not accept '%s', which '%s.%s' brings", type->name, from->name,
            from->loaded->def.ports[i]);
      }
    }
  }
}

static void check_subscriptions(const rk_reload_part *part, const rk_backend_type *type, list *all)
{
  for (const rk_subscription *sub = part->actor->rt->subscriptions; sub != NULL; sub = sub->next) {
    if (sub->actor == part->actor) {
      add(all, "it does not accept '%s', which the subscription to '%s' may bring", type->name,
          sub->pattern);
    }
  }
}

static void check_types(const rk_reload_part *part, list *all)
{
  const rk_backend_def *def = &part->actor->loaded->def;
  for (uint32_t i = 0; i < def->type_count; ++i) {
    uint32_t size = 0;
    if (!rk__loaded_accepts(part->next.loaded, def->types[i].id, &size)) {
      check_links(part, &def->types[i], all);
      check_subscriptions(part, &def->types[i], all);
    }
  }
}

static bool has_port(const rk_loaded *loaded, const char *name)
{
  for (uint32_t i = 0; i < loaded->def.port_count; ++i) {
    if (strcmp(loaded->def.ports[i], name) == 0) {
      return true;
    }
  }
  return false;
}

static void check_ports(const rk_reload_part *part, list *all)
{
  const rk_actor *actor = part->actor;
  const rk_loaded *next = part->next.loaded;
  for (uint32_t i = 0; i < actor->loaded->def.port_count; ++i) {
    const char *port = actor->loaded->def.ports[i];
    const rk_actor *to = rk__registry_by_reference(actor->rt, actor->ports[i].dest);
    if (to == NULL) {
      continue;
    }
    if (!has_port(next, port)) {
      add(all, "it has no port '%s', which leads to '%s'", port, to->name);
    } else if (!rk__have_a_type_in_common(next, to == actor ? next : to->loaded)) {
      add(all, "'%s' accepts no message type that it emits through port '%s'", to->name, port);
    } else if (next->def.burst > to->queue) {
      add(all, "its burst of %u is larger than the queue of '%s', %u messages", next->def.burst,
          to->name, to->queue);
    }
  }
}

static void check_state(const rk_reload_part *part, list *all)
{
  uint32_t old = part->actor->loaded->def.state_bytes;
  uint32_t new = part->next.loaded->def.state_bytes;
  if (part->how == RK_RELOAD_STATE_KEEP && old != new) {
    add(all, "its state has %u bytes and the present one %u: a migration is needed", new, old);
  } else if (part->how == RK_RELOAD_STATE_FORMER && part->actor->later->former->state == 0) {
    add(all, "its state was not kept: a migration is needed");
  } else if (part->how == RK_RELOAD_STATE_MIGRATE && !part->next.loaded->def.has_migrate) {
    add(all, "its source has no RK_MIGRATE");
  } else if (part->how == RK_RELOAD_STATE_MIGRATE && part->next.loaded->def.migrate_bytes != old) {
    add(all, "its RK_MIGRATE takes a state of %u bytes, the present one has %u",
        part->next.loaded->def.migrate_bytes, old);
  }
}

static int refuse(const rk_reload_part *part, const list *all, rk_error *err)
{
  char more[48] = "";
  if (all->left_out != 0) {
    (void)snprintf(more, sizeof(more), "; and %zu more", all->left_out);
  }
  return rk_error_set(err, RK_EUNSUPPORTED, "reload '%s' to '%s': %s%s", part->actor->name,
                      part->next.kernel->name, all->text, more);
}

int rk__reload_check(const rk_reload_part *part, rk_error *err)
{
  list all = {0};
  check_types(part, &all);
  check_ports(part, &all);
  check_state(part, &all);
  return all.count == 0 ? RK_OK : refuse(part, &all, err);
}

int rk__reload_explain_types(const rk_reload_part *part, uint64_t types, rk_error *err)
{
  const rk_backend_def *def = &part->actor->loaded->def;
  list all = {0};
  for (uint32_t i = 0; i < def->type_count && i < 64u; ++i) {
    if ((types >> i & 1u) != 0u) {
      add(&all, "it does not accept '%s', of which messages wait in the queue", def->types[i].name);
    }
  }
  return refuse(part, &all, err);
}
