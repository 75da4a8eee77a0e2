/* SPDX-License-Identifier: MIT */
/*
 * Restoring a checkpoint, up to the moment when something is changed: reading and checking the
 * file, comparing it with the actors that are there, and preparing all that is to be written.
 */
#include "runtime/actor_parts.h"
#include "runtime/restore.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

/* No actor has it: there are fewer slots (rk__grid_open). What is sent to it is a dead letter. */
#define GONE_REFERENCE RK_ID_SLOT_MASK

static int no_memory(rk_error *err)
{
  return rk_error_set(err, RK_EOUT_OF_MEMORY, "restore: out of memory");
}

/* ---- reading --------------------------------------------------------------------------------- */

void rk_restore_close(rk_restore *r)
{
  if (r == NULL) {
    return;
  }
  for (size_t i = 0; i < r->chain.actor_count && r->actors != NULL; ++i) {
    rk__saved_actor_close(&r->actors[i]);
  }
  rk_free(r->actors);
  rk_free(r->rests);
  rk_free(r->letters.messages);
  rk_free(r->topics);
  rk_free(r->runtime.block_ids);
  rk_ckpt_chain_close(&r->chain);
  rk__runtime_unref(r->rt);
  rk_free(r);
}

static int read_sections(rk_restore *r, rk_error *err)
{
  int rc = rk__load_runtime(r->chain.runtime, &r->runtime, err);
  r->actors = rk_calloc(r->chain.actor_count + 1u, sizeof(*r->actors));
  r->rests = rk_calloc(r->chain.actor_count + 1u, sizeof(*r->rests));
  if (rc == RK_OK && (r->actors == NULL || r->rests == NULL)) {
    return no_memory(err);
  }
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    rc = rk__load_actor(r->chain.actors[i], &r->actors[i], err);
    if (rc == RK_OK && strcmp(r->actors[i].name, r->chain.files[0].index.entries[i].name) != 0) {
      const rk_cursor start = {0};
      rc = rk_ckpt_bad(r->chain.actors[i], &start, err);
    }
  }
  if (rc == RK_OK && r->chain.letters != NULL) {
    rc = rk__load_queue(r->chain.letters, &r->letters, err);
  }
  if (rc == RK_OK && r->chain.topics != NULL) {
    rc = rk__load_topics(r->chain.topics, &r->topics, &r->topic_count, err);
  }
  return rc;
}

int rk_restore_open(rk_runtime *rt, const char *path, rk_restore **out, rk_error *err)
{
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk_restore *r = rk_calloc(1, sizeof(*r));
  if (r == NULL) {
    return no_memory(err);
  }
  r->rt = rt;
  rt->refs += 1;
  rc = rk_ckpt_chain_open(path, &r->chain, err);
  if (rc == RK_OK) {
    rc = read_sections(r, err);
    if (rc != RK_OK) {
      (void)rk_error_prefix(err, "checkpoint '%.200s'", path);
    }
  }
  if (rc != RK_OK) {
    rk_restore_close(r);
    return rc;
  }
  *out = r;
  return RK_OK;
}

bool rk_restore_actor_get(rk_restore *r, size_t i, rk_restore_actor *out)
{
  if (i >= r->chain.actor_count) {
    return false;
  }
  const rk_saved_actor *a = &r->actors[i];
  *out = (rk_restore_actor){
      .name = a->name,
      .definition = a->definition,
      .tenant = a->tenant,
      .state = rk__life_name(a->life),
      .note = a->note_bytes != 0 ? a->note : NULL,
      .note_bytes = a->note_bytes,
      .queue = a->queue,
      .grid = a->blocks,
      .is_there = !r->rt->closing && rk_namemap_get(r->rt->by_name, a->name) != NULL,
  };
  return true;
}

bool rk_restore_port_get(const rk_restore *r, size_t i, size_t k, const char **port,
                         const char **dest, rk_link_options *options)
{
  if (i >= r->chain.actor_count || k >= r->actors[i].port_count) {
    return false;
  }
  *port = r->actors[i].ports[k].name;
  *dest = r->actors[i].ports[k].dest;
  *options = rk__saved_link(&r->actors[i].ports[k]);
  return true;
}

void rk_restore_rest(rk_restore *r, size_t i)
{
  if (i < r->chain.actor_count) {
    r->rests[i] = true;
  }
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* One error that names all that are missing, as far as the text holds them. */
static int find_targets(rk_restore *r, rk_error *err)
{
  char list[300] = "";
  size_t used = 0, missing = 0;
  for (size_t i = 0; i < r->chain.actor_count; ++i) {
    rk_restore_target *t = &r->targets[i];
    t->saved = &r->actors[i];
    t->rests = r->rests[i];
    t->actor = rk_namemap_get(r->rt->by_name, t->saved->name);
    if (t->actor != NULL) {
      rk_actor_retain(t->actor);
      continue;
    }
    missing += 1;
    int length = snprintf(list + used, sizeof(list) - used, "%s'%s' (%s)", used != 0 ? ", " : "",
                          t->saved->name, t->saved->definition);
    used = length > 0 && (size_t)length < sizeof(list) - used ? used + (size_t)length : used;
    list[used] = '\0';
  }
  return missing == 0
             ? RK_OK
             : rk_error_set(err, RK_ENOT_FOUND,
                            "restore: %zu actor%s of the checkpoint not there: %s; give the "
                            "definitions or launch them before",
                            missing, missing == 1 ? " is" : "s are", list);
}

static int compare_definition(const rk_restore_target *t, rk_error *err)
{
  const rk_saved_actor *s = t->saved;
  const rk_backend_def *def = &t->actor->loaded->def;
  const char *now = t->actor->kernel->name;
  if (s->state_bytes != def->state_bytes) {
    return rk_error_set(err, RK_ECORRUPT,
                        "restore '%s': the state of '%s' has %u bytes in the checkpoint, that of "
                        "definition '%s' has %u",
                        s->name, s->definition, s->state_bytes, now, def->state_bytes);
  }
  for (uint32_t i = 0; i < s->type_count; ++i) {
    uint32_t size = 0;
    if (!rk__loaded_accepts(t->actor->loaded, s->types[i].id, &size) ||
        size != s->types[i].size_bytes) {
      return rk_error_set(err, RK_ECORRUPT,
                          "restore '%s': '%s' of the checkpoint accepts %s (%08x), definition '%s' "
                          "does not",
                          s->name, s->definition, s->types[i].name, s->types[i].id, now);
    }
  }
  if (s->type_count != def->type_count) {
    return rk_error_set(err, RK_ECORRUPT,
                        "restore '%s': '%s' of the checkpoint accepts %u types, definition '%s' "
                        "accepts %u",
                        s->name, s->definition, s->type_count, now, def->type_count);
  }
  return RK_OK;
}

static int no_tenant(const char *name, rk_error *err)
{
  return rk_error_set(
      err, RK_ENOT_FOUND,
      "restore: the checkpoint has messages of tenant '%s', which is not here; make "
      "it before",
      name);
}

static int compare_senders(const rk_runtime *rt, const rk_saved_queue *q, rk_error *err)
{
  for (uint32_t k = 0; k < q->count; ++k) {
    const char *name = q->messages[k].tenant;
    bool is_swept = (q->messages[k].header.flags & RK_MSG_SWEPT) != 0;
    if (name[0] != '\0' && !is_swept && rk_runtime_tenant_find(rt, name) == 0) {
      return no_tenant(name, err);
    }
  }
  return RK_OK;
}

/* Isolation goes by names: an actor stays its tenant's, and so do messages. */
static int compare_tenants(const rk_restore_target *t, rk_error *err)
{
  rk_runtime *rt = t->actor->rt;
  const char *now = rk_runtime_tenant_name(rt, rk_actor_tenant(t->actor));
  const char *was = t->saved->tenant[0] != '\0' ? t->saved->tenant : rk_runtime_tenant_name(rt, 1u);
  if (now != NULL && was != NULL && strcmp(now, was) != 0) {
    return rk_error_set(
        err, RK_ETENANT_MISMATCH,
        "restore '%s': it belongs to tenant '%s' in the checkpoint and to '%s' here",
        t->actor->name, was, now);
  }
  int rc = RK_OK;
  for (unsigned i = 0; i < RK_QUEUES && rc == RK_OK; ++i) {
    rc = compare_senders(rt, &t->saved->queues[i], err);
  }
  for (uint32_t i = 0; i < t->saved->port_count && rc == RK_OK; ++i) {
    rc = compare_senders(rt, &t->saved->ports[i].waiting, err);
  }
  return rc;
}

static int compare_queues(const rk_restore_target *t, rk_error *err)
{
  const rk_actor *a = t->actor;
  const uint32_t limits[] = {a->queue, a->queue, a->urgent_limit};
  for (unsigned i = 0; i < RK_ARRAY_LEN(limits); ++i) {
    const rk_saved_queue *q = &t->saved->queues[i];
    if (q->count > limits[i]) {
      return rk_error_set(
          err, RK_EFULL,
          "restore '%s': %u messages of the checkpoint do not fit into its queue of "
          "%u; launch it with queue = %u",
          a->name, q->count, limits[i], t->saved->queue);
    }
    for (uint32_t k = 0; k < q->count; ++k) {
      if (q->messages[k].header.size_bytes + sizeof(rk_abi_msg) > a->loaded->slot_bytes) {
        return rk_error_set(err, RK_ECORRUPT,
                            "restore '%s': a message of %u bytes does not fit into its queue",
                            a->name, q->messages[k].header.size_bytes);
      }
    }
  }
  return RK_OK;
}

/* ---- preparing ------------------------------------------------------------------------------- */

static uint32_t resolve(const rk_restore *r, const rk_saved_ref *ref, const rk_actor *self)
{
  const rk_actor *actor = ref->who == RK_WHO_SELF    ? self
                          : ref->who == RK_WHO_NAMED ? rk_namemap_get(r->rt->by_name, ref->name)
                                                     : NULL;
  return ref->who == RK_WHO_HOST ? RK_ID_HOST : actor != NULL ? actor->id : GONE_REFERENCE;
}

rk_abi_msg rk__restore_header(const rk_restore *r, const rk_saved_message *m, const rk_actor *self)
{
  rk_abi_msg header = m->header;
  header.source = resolve(r, &m->source, self);
  header.dest = resolve(r, &m->dest, self);
  uint32_t as = m->tenant[0] != '\0' ? rk_runtime_tenant_find(r->rt, m->tenant) : 0u;
  if ((header.flags & RK_MSG_SWEPT) != 0 && self != NULL) {
    header.reason = (uint8_t)(self->tenant ^ 1u); /* a foreign one says that it was told */
  } else if ((header.flags & RK_MSG_DEAD) == 0) {
    header.reason = (uint8_t)(as != 0 ? as - 1u : 0u);
  }
  return header;
}

static bool fill_mailbox(const rk_restore *r, rk_mailbox *box, const rk_saved_queue *queue,
                         const rk_actor *self, uint64_t *counted)
{
  for (uint32_t i = 0; i < queue->count; ++i) {
    rk_abi_msg header = rk__restore_header(r, &queue->messages[i], self);
    if (!rk_mailbox_push(box, &header, queue->messages[i].data)) {
      return false;
    }
    *counted += (header.flags & RK_MSG_UNCOUNTED) == 0;
  }
  return true;
}

static bool fill_slots(const rk_restore *r, rk_restore_target *t, unsigned which)
{
  const rk_saved_queue *queue = &t->saved->queues[which];
  size_t slot_bytes = t->actor->loaded->slot_bytes;
  if (queue->count == 0) {
    return true;
  }
  unsigned char *image = rk_alloc_aligned(64, queue->count * slot_bytes);
  t->slots[which] = image;
  if (image == NULL) {
    return false;
  }
  memset(image, 0, queue->count * slot_bytes);
  for (uint32_t i = 0; i < queue->count; ++i) {
    rk_abi_msg header = rk__restore_header(r, &queue->messages[i], t->actor);
    unsigned char *slot = image + i * slot_bytes;
    memcpy(slot, &header, sizeof(header));
    if (header.size_bytes != 0) {
      memcpy(slot + sizeof(header), queue->messages[i].data, header.size_bytes);
    }
  }
  return true;
}

static int prepare_target(rk_restore *r, rk_restore_target *t, rk_error *err)
{
  int rc = rk__actor_check(t->actor, err);
  if (rc == RK_OK) {
    rc = compare_definition(t, err);
  }
  if (rc == RK_OK) {
    rc = compare_tenants(t, err);
  }
  if (rc == RK_OK) {
    rc = compare_queues(t, err);
  }
  if (rc == RK_OK) {
    rc = rk__links_prepare(t, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  const rk_saved_queue *queues = t->saved->queues;
  bool done = (queues[RK_SAVED_PASSED].count == 0 || rk__hosted_of(t->actor) != NULL) &&
              fill_mailbox(r, &t->out, &queues[RK_SAVED_OUT], t->actor, &t->out_counted) &&
              fill_mailbox(r, &t->passed_on, &queues[RK_SAVED_PASSED], t->actor, &t->out_counted);
  for (unsigned i = RK_SAVED_KERNEL; i <= RK_SAVED_URGENT && done; ++i) {
    done = fill_slots(r, t, i);
  }
  return done ? RK_OK : no_memory(err);
}

static int prepare_letters(rk_restore *r, rk_error *err)
{
  for (uint32_t i = 0; i < r->letters.count; ++i) {
    rk_abi_msg header = rk__restore_header(r, &r->letters.messages[i], NULL);
    if ((header.flags & RK_MSG_DEAD) == 0) { /* its actor was about to end */
      header.flags = (uint16_t)(header.flags | RK_MSG_DEAD);
      header.reason = RK_DEAD_TERMINATED;
    }
    if (rk_mailbox_count(&r->new_letters) >= r->rt->letters.limit) {
      rk_mailbox_drop_oldest(&r->new_letters);
    }
    if (!rk_mailbox_push(&r->new_letters, &header, r->letters.messages[i].data)) {
      return no_memory(err);
    }
  }
  return RK_OK;
}

static int prepare_topics(rk_restore *r, rk_error *err)
{
  r->new_topics = rk_namemap_new();
  if (r->new_topics == NULL) {
    return no_memory(err);
  }
  for (size_t i = 0; i < r->topic_count; ++i) {
    const rk_saved_topic *s = &r->topics[i];
    uint32_t as = s->tenant[0] != '\0' ? rk_runtime_tenant_find(r->rt, s->tenant) : 0u;
    if (s->tenant[0] != '\0' && as == 0) {
      return no_tenant(s->tenant, err);
    }
    rk_retained *kept = rk_alloc(sizeof(*kept) + s->size);
    if (kept == NULL) {
      return no_memory(err);
    }
    *kept = (rk_retained){.type = s->type,
                          .size = s->size,
                          .as = as,
                          .hlc = s->hlc,
                          .id = s->id,
                          .sender = resolve(r, &s->sender, NULL)};
    memcpy(kept->data, s->data, s->size);
    rk_free(rk_namemap_get(r->new_topics, s->topic));
    int rc = rk_namemap_put(r->new_topics, s->topic, kept, err);
    if (rc != RK_OK) {
      rk_free(kept);
      return rc;
    }
  }
  return RK_OK;
}

/* Gives back what was prepared and not put to use. */
static void drop_prepared(rk_restore *r)
{
  size_t cursor = 0;
  void *value = NULL;
  for (size_t i = 0; r->targets != NULL && i < r->chain.actor_count; ++i) {
    rk_restore_target *t = &r->targets[i];
    rk_mailbox_close(&t->out);
    rk_mailbox_close(&t->passed_on);
    for (unsigned k = 0; k < RK_ARRAY_LEN(t->slots); ++k) {
      rk_free(t->slots[k]);
    }
    rk__links_drop(t);
    rk__actor_unref(t->actor);
  }
  rk_free(r->targets);
  r->targets = NULL;
  rk_mailbox_close(&r->new_letters);
  while (r->new_topics != NULL && rk_namemap_next(r->new_topics, &cursor, NULL, &value)) {
    rk_free(value);
  }
  rk_namemap_close(r->new_topics);
  r->new_topics = NULL;
}

int rk_restore_apply(rk_restore *r, rk_restore_info *info, rk_error *err)
{
  rk_restore_info said = {.hlc = r->runtime.hlc};
  int rc = rk__runtime_check(r->rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  (void)rk__drain(r->rt); /* an actor that has ended is none of those below */
  r->targets = rk_calloc(r->chain.actor_count + 1u, sizeof(*r->targets));
  rc = r->targets != NULL ? find_targets(r, err) : no_memory(err);
  for (size_t i = 0; i < r->chain.actor_count && rc == RK_OK; ++i) {
    rc = prepare_target(r, &r->targets[i], err);
  }
  if (rc == RK_OK && r->chain.letters != NULL) {
    rc = prepare_letters(r, err);
  }
  if (rc == RK_OK && r->chain.topics != NULL) {
    rc = prepare_topics(r, err);
  }
  if (rc == RK_OK) { /* stamps of what comes next lie behind all of the checkpoint's */
    rc = rk_hlc_update(&r->rt->clock, r->runtime.hlc, NULL, err);
    if (rc != RK_OK) {
      (void)rk_error_prefix(err, "restore: the checkpoint's clock");
    }
  }
  if (rc == RK_OK) {
    rc = rk__restore_put(r, &said, err);
  }
  drop_prepared(r);
  if (rc == RK_OK && info != NULL) {
    *info = said;
  }
  return rc;
}
