/* SPDX-License-Identifier: MIT */
/*
 * Taking a checkpoint: choose, pause, copy, go on, write.
 *
 * During the pause everything is only copied, section by section, into one buffer, whose memory was
 * made before. Digests, what changed since the parent, and the file come when the grid runs again.
 */
#include "runtime/actor_parts.h"
#include "runtime/checkpoint.h"
#include "runtime/spill.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/log.h"

typedef struct part { /* one section in the sheet */
  uint32_t kind;
  size_t at, size;
} part;

typedef struct capture {
  rk_runtime *rt;
  const rk_checkpoint_options *options;
  rk_still still;
  rk_namemap *chosen; /* names; NULL: all */
  rk_namemap *notes;  /* name -> rk_checkpoint_note */
  rk_bytes sheet;     /* the sections' payloads one behind the other */
  rk_bytes slots;     /* of one ring or link */
  rk_bytes dead;      /* messages of actors that are ending: they are dead letters already */
  uint32_t dead_count;
  part *parts;
  size_t part_count;
  uint64_t hlc;
  uint64_t messages;
  uint32_t letters, topics;
} capture;

/* ---- before the pause ------------------------------------------------------------------------ */

static int no_memory(rk_error *err)
{
  return rk_error_set(err, RK_EOUT_OF_MEMORY, "checkpoint: out of memory");
}

static int choose(capture *c, rk_error *err)
{
  const rk_checkpoint_options *o = c->options;
  int rc = RK_OK;
  c->notes = rk_namemap_new();
  c->chosen = o->actors != NULL ? rk_namemap_new() : NULL;
  if (c->notes == NULL || (o->actors != NULL && c->chosen == NULL)) {
    return no_memory(err);
  }
  for (size_t i = 0; i < o->actor_count && o->actors != NULL && rc == RK_OK; ++i) {
    rk_actor *actor = rk_namemap_get(c->rt->by_name, o->actors[i]);
    if (actor == NULL) {
      return rk_error_set(err, RK_ENOT_FOUND, "checkpoint: no actor is named '%s'", o->actors[i]);
    }
    rc = rk_namemap_put(c->chosen, o->actors[i], actor, err);
  }
  for (size_t i = 0; i < o->note_count && rc == RK_OK; ++i) {
    union { /* the map's values are not const; nobody writes through it */
      const rk_checkpoint_note *from;
      void *to;
    } note = {.from = &o->notes[i]};
    rc = rk_namemap_put(c->notes, o->notes[i].actor, note.to, err);
  }
  return rc;
}

static bool is_chosen(const capture *c, const rk_actor *actor)
{
  return c->chosen == NULL || rk_namemap_get(c->chosen, actor->name) != NULL;
}

#define ACTOR_GUESS_BYTES 512u
#define TOUCH_BYTES ((size_t)1 << 20) /* a larger sheet has its pages before the pause */

static int prepare(capture *c, rk_error *err)
{
  rk_runtime *rt = c->rt;
  size_t bytes = 4096;
  for (uint32_t slot = 0; slot < rt->slot_high; ++slot) {
    const rk_actor *actor = rt->by_slot[slot];
    if (actor != NULL && is_chosen(c, actor)) {
      bytes += actor->loaded->def.state_bytes + ACTOR_GUESS_BYTES;
    }
  }
  rk_bytes_reserve(&c->sheet, bytes, bytes >= TOUCH_BYTES);
  c->parts = rk_calloc((size_t)rt->slot_high + 4u, sizeof(*c->parts));
  return c->sheet.failed || c->parts == NULL ? no_memory(err) : RK_OK;
}

/* ---- during the pause ------------------------------------------------------------------------ */

static void begin_part(capture *c, uint32_t kind)
{
  c->parts[c->part_count] = (part){.kind = kind, .at = c->sheet.size};
}
static void end_part(capture *c)
{
  c->parts[c->part_count].size = c->sheet.size - c->parts[c->part_count].at;
  c->part_count += 1;
}

static int save_definition(capture *c, const rk_actor *actor, rk_error *err)
{
  rk_bytes *out = &c->sheet;
  const rk_backend_def *def = &actor->loaded->def;
  rk_bytes_u32(out, def->type_count);
  for (uint32_t i = 0; i < def->type_count; ++i) {
    rk_bytes_u32(out, def->types[i].id);
    rk_bytes_u32(out, def->types[i].size_bytes);
    rk_bytes_text(out, def->types[i].name);
  }
  int rc = rk__save_ports(&c->still, actor, out, &c->slots, &c->messages, err);
  const rk_checkpoint_note *note = rk_namemap_get(c->notes, actor->name);
  rk_bytes_u32(out, note != NULL ? (uint32_t)note->size : 0u);
  if (note != NULL) {
    rk_bytes_put(out, note->data, note->size);
  }
  return rc;
}

/* Mirrors rk__load_actor. */
static int save_actor(capture *c, const rk_actor *actor, rk_error *err)
{
  rk_bytes *out = &c->sheet;
  rk_runtime *rt = c->rt;
  const rk_abi_actor *a = &c->still.actors[actor->slot];
  const rk_abi_telemetry *t = &c->still.telemetry[actor->slot];
  begin_part(c, RK_CKPT_ACTOR);
  rk_bytes_text(out, actor->name);
  rk_bytes_text(out, actor->kernel->name);
  rk__save_tenant(rt, out, a->tenant != 0 ? a->tenant + 1u : 0u);
  rk_bytes_u32(out, actor->queue);
  rk_bytes_u32(out, actor->blocks);
  rk_bytes_u32(out, a->life);
  rk_bytes_u32(out, a->started);
  rk_bytes_u32(out, (uint32_t)t->error_code);
  rk_bytes_u32(out, (uint32_t)c->still.ctrls[actor->slot].errors_encountered);
  rk_bytes_u64(out, a->host_head);
  rk_bytes_u64(out, a->urgent_head);
  rk_bytes_u64(out, a->handled);
  rk_bytes_u64(out, a->dropped);
  rk_bytes_u64(out, actor->received);
  rk_bytes_u64(out, t->total_latency_nanos);
  rk_bytes_u64(out, t->max_latency_nanos);
  rk_bytes_u64(out, t->min_latency_nanos);
  uint32_t waiting = 0;
  int rc = save_definition(c, actor, err);
  if (rc == RK_OK) {
    rc = rk__save_inbox(&(rk_inbox_copy){&c->still, &c->slots}, out, actor, false, &waiting, err);
  }
  if (rc != RK_OK) {
    return rc;
  }
  rc = rk__save_out(rt, out, actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk__save_mailbox(rt, out, rk__passed_on(actor), actor->id);
  c->messages += waiting;
  c->messages += rk__out_waiting(actor);
  c->messages += rk_actor_passed_on(actor);
  uint32_t state_bytes = actor->loaded->def.state_bytes;
  rk_bytes_u32(out, state_bytes);
  void *room = rk_bytes_room(out, state_bytes);
  if (out->failed) {
    return no_memory(err);
  }
  rc = state_bytes != 0 ? rt->ops->device_read(rt->backend, room, a->state, state_bytes, err)
                        : RK_OK;
  end_part(c);
  return rc;
}

/* What is on its way to an actor that is no more. */
static void save_lost(capture *c)
{
  for (size_t i = 0; i < c->still.in_flight_count; ++i) {
    rk_in_flight *m = &c->still.in_flight[i];
    if (rk__registry_by_reference(c->rt, m->header.dest) == NULL) {
      m->header.reason = RK_DEAD_TERMINATED;
      m->header.flags = (uint16_t)(m->header.flags | RK_MSG_DEAD);
      rk__save_message(c->rt, &c->dead, &m->header, m->data, RK_ID_HOST);
      c->dead_count += 1;
    }
  }
}

/* An actor that is ending: what waits for it are dead letters, only not told yet. */
static int save_ending(capture *c, const rk_actor *actor, rk_error *err)
{
  rk_received m;
  uint32_t waiting = 0;
  int rc = rk__save_inbox(&(rk_inbox_copy){&c->still, &c->slots}, &c->dead, actor, true, &waiting,
                          err);
  c->dead_count += waiting;
  for (size_t i = 0; rc == RK_OK && rk_mailbox_peek(rk__passed_on(actor), i, &m, NULL); ++i) {
    const rk_abi_msg *header = (const void *)((const unsigned char *)m.data - sizeof(*header));
    rk__save_message(c->rt, &c->dead, header, m.data, RK_ID_HOST);
    c->dead_count += 1;
  }
  return rc != RK_OK
             ? rc
             : rk__save_ended_links(&c->still, actor, &c->dead, &c->slots, &c->dead_count, err);
}

static int save_actors(capture *c, rk_error *err)
{
  rk_runtime *rt = c->rt;
  int rc = RK_OK;
  for (uint32_t slot = 0; slot < c->still.slots && rc == RK_OK; ++slot) {
    const rk_actor *actor = rt->by_slot[slot];
    if (actor == NULL || !rk__still_has(&c->still, actor) || !is_chosen(c, actor)) {
      continue;
    }
    uint32_t life = c->still.actors[slot].life;
    if (life == RK_STATE_TERMINATING) {
      rc = c->chosen == NULL ? save_ending(c, actor, err) : RK_OK;
    } else if (life != RK_STATE_TERMINATED) {
      rc = save_actor(c, actor, err);
    }
  }
  return rc;
}

static void save_letters(capture *c)
{
  begin_part(c, RK_CKPT_LETTERS);
  size_t at = c->sheet.size;
  size_t own = c->rt->letters.count;
  rk_bytes_u32(&c->sheet, 0u);
  for (size_t i = 0; i < own; ++i) {
    const rk_letter *letter = c->rt->letters.list[c->rt->letters.first + i];
    rk__save_message(c->rt, &c->sheet, &letter->header, letter->data, RK_ID_HOST);
  }
  rk_bytes_put(&c->sheet, c->dead.data, c->dead.size);
  c->letters = (uint32_t)own + c->dead_count;
  rk_bytes_u32_at(&c->sheet, at, c->letters);
  end_part(c);
}

static void save_topics(capture *c)
{
  rk_bytes *out = &c->sheet;
  size_t cursor = 0;
  const char *topic = NULL;
  void *value = NULL;
  begin_part(c, RK_CKPT_TOPICS);
  c->topics = (uint32_t)rk_namemap_count(c->rt->retained_topics);
  rk_bytes_u32(out, c->topics);
  while (rk_namemap_next(c->rt->retained_topics, &cursor, &topic, &value)) {
    const rk_retained *kept = value;
    rk_bytes_text(out, topic);
    rk_bytes_u32(out, kept->type);
    rk_bytes_u32(out, kept->size);
    rk_bytes_u64(out, kept->hlc);
    rk_bytes_u64(out, kept->id);
    rk__save_ref(c->rt, out, (uint32_t)kept->sender, RK_ID_HOST);
    rk__save_tenant(c->rt, out, kept->as);
    rk_bytes_put(out, kept->data, kept->size);
  }
  end_part(c);
}

/* Mirrors rk__load_runtime. */
static void save_runtime(capture *c)
{
  rk_runtime *rt = c->rt;
  c->hlc = rk_hlc_tick(&rt->clock);
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    c->hlc = c->still.blocks[i].hlc > c->hlc ? c->still.blocks[i].hlc : c->hlc;
  }
  begin_part(c, RK_CKPT_RUNTIME);
  rk_bytes_u64(&c->sheet, c->hlc);
  rk_bytes_u64(&c->sheet, rt->next_id);
  rk_bytes_u64(&c->sheet, rt->next_call);
  rk_bytes_text(&c->sheet, rt->ops->name);
  rk_bytes_u32(&c->sheet, rt->block_count);
  for (uint32_t i = 0; i < rt->block_count; ++i) {
    rk_bytes_u64(&c->sheet, c->still.blocks[i].next_id);
  }
  end_part(c);
}

static int copy_all(capture *c, rk_checkpoint_info *info, rk_error *err)
{
  rk_error second = RK_ERROR_INIT;
  int rc = rk__still_begin(c->rt, &c->still, err);
  if (rc != RK_OK) {
    return rc;
  }
  save_runtime(c);
  rc = save_actors(c, err);
  if (rc == RK_OK && c->chosen == NULL) {
    save_lost(c);
    save_letters(c);
    save_topics(c);
  }
  if (rc == RK_OK && (c->sheet.failed || c->dead.failed)) {
    rc = no_memory(err);
  }
  int back = rk__still_end(&c->still, &info->pause_ns, &second);
  if (rc == RK_OK && back != RK_OK) {
    rc = rk_error_set(err, back, "%s", second.text);
  }
  return rc;
}

/* ---- after the pause ------------------------------------------------------------------------- */

typedef struct parent {
  rk_ckpt_header header;
  rk_ckpt_index index;
  uint8_t digest[RK_SHA256_BYTES];
  rk_namemap *by_name; /* rk_ckpt_entry */
  char folder[RK_PATH_BYTES];
} parent;

static int read_parent(parent *p, const char *path, const char *wanted, rk_error *err)
{
  char folder[RK_PATH_BYTES];
  (void)rk_ckpt_folder(path, p->folder);
  (void)rk_ckpt_folder(wanted, folder);
  if (strcmp(p->folder, folder) != 0 || strcmp(path, wanted) == 0) {
    return rk_error_set(err, RK_EINVAL,
                        "checkpoint: parent: another file in the same folder as '%.200s' expected, "
                        "got '%.200s'",
                        path, wanted);
  }
  int rc = rk_ckpt_read_index(wanted, &p->header, &p->index, p->digest, err);
  if (rc != RK_OK) {
    return rc;
  }
  p->by_name = rk_namemap_new();
  if (p->by_name == NULL) {
    return no_memory(err);
  }
  for (size_t i = 0; i < p->index.entry_count && rc == RK_OK; ++i) {
    rc = rk_namemap_put(p->by_name, p->index.entries[i].name, &p->index.entries[i], err);
  }
  return rc;
}

/* Marks what the parent has; takes out of its map what is still there. */
static void compare(rk_ckpt_draft *draft, parent *p)
{
  for (size_t i = 0; i < draft->count; ++i) {
    rk_ckpt_piece *piece = &draft->pieces[i];
    if (piece->name == NULL) {
      continue;
    }
    rk_sha256_of(piece->data, piece->size, piece->digest);
    piece->has_digest = true;
    const rk_ckpt_entry *entry = rk_namemap_del(p->by_name, piece->name);
    piece->is_elsewhere = entry != NULL && rk_sha256_same(entry->digest, piece->digest);
  }
}

static int write_file(capture *c, parent *p, rk_checkpoint_info *info, rk_error *err)
{
  rk_ckpt_draft draft = {.header = {.hlc = c->hlc}, .parent = "", .count = c->part_count};
  const char **deleted = NULL;
  uint8_t digest[RK_SHA256_BYTES];
  char ignored[RK_PATH_BYTES];
  int rc = RK_OK;
  draft.pieces = rk_calloc(c->part_count + 1u, sizeof(*draft.pieces));
  if (draft.pieces == NULL) {
    return no_memory(err);
  }
  for (size_t i = 0; i < c->part_count; ++i) {
    const part *from = &c->parts[i];
    rk_ckpt_piece *piece = &draft.pieces[i];
    *piece = (rk_ckpt_piece){
        .kind = from->kind, .data = c->sheet.data + from->at, .size = from->size};
    if (from->kind == RK_CKPT_ACTOR) { /* its section begins with its name */
      piece->name = (const char *)c->sheet.data + from->at + 4u;
      info->actors += 1;
    }
  }
  if (p != NULL) {
    size_t cursor = 0;
    compare(&draft, p);
    draft.header.is_delta = true;
    draft.header.number = p->header.number + 1u;
    memcpy(draft.header.parent, p->digest, RK_SHA256_BYTES);
    draft.parent = rk_ckpt_folder(c->options->parent, ignored);
    deleted = rk_calloc(rk_namemap_count(p->by_name) + 1u, sizeof(*deleted));
    if (deleted == NULL) {
      rc = no_memory(err);
      goto done;
    }
    while (rk_namemap_next(p->by_name, &cursor, &deleted[draft.deleted_count], NULL)) {
      draft.deleted_count += 1;
    }
    draft.deleted = deleted;
    (void)rk_sha256_text(p->digest, info->parent);
  }
  rc = rk_ckpt_write(info->path, &draft, digest, &info->bytes, err);
  if (rc != RK_OK) {
    goto done;
  }
  for (size_t i = 0; i < draft.count; ++i) {
    info->written += draft.pieces[i].name != NULL && !draft.pieces[i].is_elsewhere;
  }
  (void)rk_sha256_text(digest, info->digest);
  info->number = draft.header.number;
  info->deleted = (uint32_t)draft.deleted_count;
done:
  rk_free(deleted);
  rk_free(draft.pieces);
  return rc;
}

static int choose_path(const char *path, uint32_t keep, rk_checkpoint_info *info, rk_error *err)
{
  uint64_t *numbers = NULL;
  size_t count = 0;
  int rc = keep != 0 ? rk_ckpt_series_list(path, &numbers, &count, err) : RK_OK;
  if (rc != RK_OK) {
    return rc;
  }
  int length = keep != 0 ? snprintf(info->path, sizeof(info->path), "%s.%" PRIu64, path,
                                    count != 0 ? numbers[0] + 1u : 1u)
                         : snprintf(info->path, sizeof(info->path), "%s", path);
  rk_free(numbers);
  return path[0] != '\0' && length > 0 && (size_t)length < sizeof(info->path)
             ? RK_OK
             : rk_error_set(err, RK_EINVAL, "checkpoint: a path of 1..%d bytes expected",
                            RK_CHECKPOINT_PATH_BYTES - 32);
}

int rk_checkpoint_number(const char *stem, size_t i, uint64_t *number, rk_error *err)
{
  uint64_t *numbers = NULL;
  size_t count = 0;
  int rc = rk_ckpt_series_list(stem, &numbers, &count, err);
  if (rc == RK_OK && i < count) {
    *number = numbers[i];
  } else if (rc == RK_OK) {
    rc = rk_error_set(err, RK_ENOT_FOUND, "checkpoint '%.300s': there is none%s", stem,
                      i != 0 ? " older" : "");
  }
  rk_free(numbers);
  return rc;
}

int rk_runtime_checkpoint(rk_runtime *rt, const char *path, const rk_checkpoint_options *options,
                          rk_checkpoint_info *info, rk_error *err)
{
  static const rk_checkpoint_options defaults = {0};
  capture c = {.rt = rt, .options = options != NULL ? options : &defaults};
  rk_checkpoint_info said = {0};
  parent *p = NULL;
  int rc = rk__runtime_check(rt, err);
  if (rc == RK_OK) {
    rc = choose_path(path, c.options->keep, &said, err);
  }
  if (rc == RK_OK && c.options->parent != NULL) {
    p = rk_calloc(1, sizeof(*p));
    rc = p != NULL ? read_parent(p, said.path, c.options->parent, err) : no_memory(err);
  }
  if (rc == RK_OK) {
    rc = choose(&c, err);
  }
  if (rc == RK_OK) {
    rc = prepare(&c, err);
  }
  if (rc == RK_OK) {
    rc = copy_all(&c, &said, err);
  }
  if (rc == RK_OK) {
    uint64_t began_ns = rk_clock_mono_ns();
    rc = write_file(&c, p, &said, err);
    said.write_ns = rk_clock_mono_ns() - began_ns;
  }
  if (rc == RK_OK && c.options->keep != 0) {
    rk_error why = RK_ERROR_INIT; /* the new file is there: old ones are a nuisance, no failure */
    if (rk_ckpt_series_prune(path, c.options->keep, &why) != RK_OK) {
      rk_log(RK_LOG_WARN, "runtime", "old checkpoints stay: %s", why.text);
    }
  }
  if (rc == RK_OK && info != NULL) {
    said.hlc = c.hlc;
    said.messages = c.messages;
    said.letters = c.letters;
    said.topics = c.topics;
    *info = said;
  }
  if (p != NULL) {
    rk_namemap_close(p->by_name);
    rk_ckpt_index_close(&p->index);
    rk_free(p);
  }
  rk_namemap_close(c.chosen);
  rk_namemap_close(c.notes);
  rk_bytes_close(&c.sheet);
  rk_bytes_close(&c.slots);
  rk_bytes_close(&c.dead);
  rk_free(c.parts);
  return rc;
}
