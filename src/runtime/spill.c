/* SPDX-License-Identifier: MIT */
/*
 * Spilling: what actors sent to the host and nobody has received yet goes to a file while memory is
 * short.
 *
 * A mailbox then has three parts, oldest first: what is in memory (actor->mailbox, as ever), pieces
 * of the spill file, and what has come since (`back`). Messages are taken from the first; when it
 * is empty the next piece is read into it, and when there is none `back` takes its place. So the
 * order stays. A second time `back` goes to the file. Limits of a mailbox count all three parts.
 *
 * All that was accepted is somewhere at each moment: a message leaves memory after it was written,
 * and the file after it is in memory again. Where there is no room on the disk it stays in memory.
 * What cannot be read back is lost, which is counted and told by the next receive; as far as its
 * header is whole it becomes a dead letter, with the reason "corrupt".
 *
 * Threads: the runtime's own, which waits for the disk: writes go to the system's cache and are not
 * synced, for nothing of it has to outlive the process.
 */
#include "runtime/spill.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

#define MAX_DEFAULT (UINT64_C(1) << 30)
#define STAYS_BYTES 1024u /* in memory: no mailbox takes less */

int rk__spill_open(rk_runtime *rt, const char *folder, uint64_t max, rk_error *err)
{
  rk_spill *spill = rk_calloc(1, sizeof(*spill));
  if (spill == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "spill: out of memory");
  }
  int rc = rk_spill_file_open(&spill->file, folder, max != 0 ? max : MAX_DEFAULT, err);
  if (rc != RK_OK) {
    rk_free(spill);
    (void)rk_error_prefix(err, "spill");
    return rc;
  }
  rt->spill = spill;
  return RK_OK;
}

void rk__spill_close(rk_runtime *rt)
{
  if (rt->spill != NULL) {
    rk_spill_file_close(&rt->spill->file);
  }
}

void rk_runtime_spill_loss(const rk_runtime *rt, rk_error *err)
{
  if (rt->spill != NULL && rt->spill->loss.status != RK_OK) {
    (void)rk_error_set(err, rt->spill->loss.status, "%s", rt->spill->loss.text);
  }
}

void rk__spill_stats(const rk_runtime *rt, rk_runtime_stats *out)
{
  const rk_spill *spill = rt->spill;
  if (spill != NULL) {
    out->spilled_messages = spill->file.messages;
    out->spilled_bytes = spill->file.used;
    out->spilled_total = spill->file.total;
    out->spill_lost = spill->lost;
    out->spill_refused = spill->refused;
  }
}

/* ---- to the file ----------------------------------------------------------------------------- */

static void append(rk_spilled *s, rk_spill_piece *piece)
{
  piece->next = NULL;
  *s->tail = piece;
  s->tail = &piece->next;
  s->count += piece->count;
}

static void drop_first(rk_spill_file *file, rk_spilled *s)
{
  rk_spill_piece *piece = s->first;
  s->count -= piece->count;
  s->first = piece->next;
  if (s->first == NULL) {
    s->tail = &s->first;
  }
  rk_spill_file_drop(file, piece);
}

/* Writes the records behind a place, which moves past those that were written. False: there was no
 * room for the rest. */
static bool write_behind(rk_spill_file *file, rk_spilled *s, const rk_mailbox *box,
                         rk_mailbox_place *at, rk_error *err)
{
  while (at->index < rk_mailbox_count(box)) {
    rk_mailbox_place next = *at;
    const rk_abi_msg *record = NULL;
    if (!rk_spill_file_begin(file)) {
      return false;
    }
    for (rk_mailbox_place look = next; (record = rk_mailbox_next(box, &look)) != NULL;
         next = look) {
      if (!rk_spill_file_add(file, record, record + 1)) {
        break;
      }
    }
    rk_spill_piece *piece = rk_spill_file_write(file, err);
    if (piece == NULL) {
      return false;
    }
    append(s, piece);
    *at = next;
  }
  return true;
}

/* The place behind which everything shall go: what is before it needs little memory, and what is
 * behind it fits into the file. */
static rk_mailbox_place place_of_cut(const rk_spill_file *file, const rk_mailbox *box)
{
  rk_mailbox_place cut = rk_mailbox_first(box), at = cut;
  const rk_abi_msg *record = NULL;
  uint64_t cost = 0, room = file->max - file->used;
  while ((record = rk_mailbox_next(box, &at)) != NULL) {
    cost += rk_spill_file_cost(record->size_bytes);
  }
  for (at = cut; (record = rk_mailbox_next(box, &at)) != NULL; cut = at) {
    if (cost <= room && at.position - box->mail->head > STAYS_BYTES) {
      break;
    }
    cost -= rk_spill_file_cost(record->size_bytes);
  }
  return cut;
}

/* The newest part of a mailbox that has nothing in the file yet: all of that part, or nothing. */
static uint64_t spill_newest(rk_actor *actor, rk_error *err)
{
  rk_spill_file *file = &actor->rt->spill->file;
  rk_mailbox_place cut = place_of_cut(file, &actor->mailbox), at = cut;
  if (cut.index == rk_mailbox_count(&actor->mailbox)) {
    if (rk_mailbox_used(&actor->mailbox) > 2u * STAYS_BYTES) {
      rk_spill_file_full(file, err);
    }
    return 0;
  }
  rk_spilled *s = rk_calloc(1, sizeof(*s));
  if (s == NULL) {
    return 0;
  }
  s->tail = &s->first;
  if (!write_behind(file, s, &actor->mailbox, &at, err)) {
    while (s->first != NULL) {
      file->total -= s->first->count; /* it was not to be */
      drop_first(file, s);
    }
    rk_free(s);
    return 0;
  }
  actor->spilled = s;
  rk_mailbox_cut(&actor->mailbox, &cut);
  rk_mailbox_shrink(&actor->mailbox);
  return s->count;
}

/* What has come since, from the oldest on, as far as there is room. */
static uint64_t spill_back(rk_actor *actor, rk_error *err)
{
  rk_spilled *s = actor->spilled;
  rk_mailbox_place at = rk_mailbox_first(&s->back);
  (void)write_behind(&actor->rt->spill->file, s, &s->back, &at, err);
  for (size_t i = 0; i < at.index; ++i) {
    rk_mailbox_drop_oldest(&s->back);
  }
  rk_mailbox_shrink(&s->back);
  return at.index;
}

/* Bytes that are worth the while. */
static uint64_t spillable(const rk_actor *actor)
{
  const rk_mailbox *box = actor->spilled != NULL ? &actor->spilled->back : &actor->mailbox;
  size_t capacity = rk_mailbox_capacity(box);
  return rk_mailbox_waiting(box) != 0 && capacity > STAYS_BYTES ? capacity : 0u;
}

uint64_t rk__spill_actor(rk_actor *actor, rk_spill_tally *tally)
{
  rk_spill *spill = actor->rt->spill;
  rk_error err = RK_ERROR_INIT;
  if (spill == NULL || spillable(actor) == 0 || !rk_spill_file_begin(&spill->file)) {
    return 0;
  }
  uint64_t before = rk__out_bytes(actor);
  uint64_t messages = actor->spilled != NULL ? spill_back(actor, &err) : spill_newest(actor, &err);
  uint64_t after = rk__out_bytes(actor);
  rk_spill_file_end(&spill->file);
  if (err.status != RK_OK) {
    spill->refused += 1;
    rk_log(RK_LOG_INFO, "runtime", "actor '%s': %s; its messages stay in memory", actor->name,
           err.text);
  }
  uint64_t given = before > after ? before - after : 0u;
  tally->messages += messages;
  tally->bytes += given;
  return given;
}

void rk__spill_most(rk_runtime *rt, uint32_t as, uint64_t need, rk_spill_tally *tally)
{
  uint64_t largest = 0, given = 0;
  for (uint32_t slot = 0; slot < rt->slot_high && rt->spill != NULL; ++slot) {
    const rk_actor *actor = rt->by_slot[slot];
    uint64_t bytes = actor != NULL && (as == 0 || actor->tenant + 1u == as) ? spillable(actor) : 0u;
    largest = bytes > largest ? bytes : largest;
  }
  static const uint64_t parts[] = {4u, 64u, UINT64_MAX}; /* the large ones first, more or less */
  for (unsigned i = 0; i < 3u && largest != 0 && given < need; ++i) {
    for (uint32_t slot = 0; slot < rt->slot_high && given < need; ++slot) {
      rk_actor *actor = rt->by_slot[slot];
      if (actor != NULL && (as == 0 || actor->tenant + 1u == as) &&
          spillable(actor) > largest / parts[i]) {
        given += rk__spill_actor(actor, tally);
      }
    }
  }
}

/* ---- and back -------------------------------------------------------------------------------- */

bool rk__out_push(rk_actor *actor, const rk_abi_msg *header, const void *data)
{
  return rk_mailbox_push(actor->spilled != NULL ? &actor->spilled->back : &actor->mailbox, header,
                         data);
}

/* So many messages cannot be read back. */
static void lose(rk_actor *actor, uint32_t count, uint32_t counted, const rk_error *why)
{
  rk_spill *spill = actor->rt->spill;
  spill->lost += count;
  (void)rk_error_set(&spill->loss, why->status,
                     "actor '%s': %u of its messages were put aside on the disk and are lost: %s",
                     actor->name, count, why->text);
  rk__actor_took(actor, counted);
}

/* Moves what a block of the piece holds into the mailbox. The result is that of rk__out_refill. */
static int take_back(rk_actor *actor, rk_spill_piece *piece, const void *block, rk_error *why)
{
  rk_spill_file *file = &actor->rt->spill->file;
  uint32_t at = 0, done = 0, index = 0, counted = 0, lost = 0, lost_counted = 0;
  bool is_broken = false, has_memory = true;
  while (index < piece->count && !is_broken && has_memory) {
    const rk_abi_msg *header = NULL;
    const void *payload = NULL;
    rk_spill_found found = rk_spill_file_look(piece, block, index, &at, &header, &payload);
    is_broken = found == RK_SPILL_BROKEN;
    if (is_broken) {
      break;
    }
    bool is_counted = (header->flags & RK_MSG_UNCOUNTED) == 0;
    if (found == RK_SPILL_GOOD) {
      has_memory = rk_mailbox_push(&actor->mailbox, header, payload);
    } else {
      rk__dead_letter(actor->rt, header, payload, RK_DEAD_CORRUPT);
      lost += 1u;
      lost_counted += is_counted;
    }
    if (has_memory) {
      counted += is_counted;
      index += 1u;
      done = at;
    }
  }
  if (is_broken) {
    lost += piece->count - index;
    lost_counted += piece->counted - counted;
  }
  actor->spilled->count -= index;
  rk_spill_file_pass(file, piece, index, counted, done);
  if (lost != 0) {
    (void)rk_error_set(why, RK_ECORRUPT, "what was read is not what was written");
    lose(actor, lost, lost_counted, why);
  }
  if (has_memory) {
    drop_first(file, actor->spilled);
  }
  return lost != 0 ? RK_ECORRUPT : has_memory || index != 0 ? RK_OK : RK_EOUT_OF_MEMORY;
}

/* Reads the next piece into the mailbox. */
static int read_piece(rk_actor *actor)
{
  rk_spill_file *file = &actor->rt->spill->file;
  rk_spill_piece *piece = actor->spilled->first;
  rk_error why = RK_ERROR_INIT;
  void *block = NULL;
  int rc = rk_spill_file_read(file, piece, &block, &why);
  if (rc == RK_OK) {
    rc = take_back(actor, piece, block, &why);
  } else if (rc != RK_EOUT_OF_MEMORY) {
    lose(actor, piece->count, piece->counted, &why);
    drop_first(file, actor->spilled);
  }
  rk_free(block);
  return rc;
}

int rk__out_refill(rk_actor *actor)
{
  int rc = RK_OK;
  if (actor->spilled == NULL) {
    return RK_OK;
  }
  rk_mailbox_let_go(&actor->mailbox);
  while (rk_mailbox_count(&actor->mailbox) == 0 && actor->spilled != NULL && rc == RK_OK) {
    rk_spilled *s = actor->spilled;
    if (s->first != NULL) {
      rc = read_piece(actor);
    } else {
      rk_mailbox_close(&actor->mailbox);
      actor->mailbox = s->back;
      actor->spilled = NULL;
      rk_free(s);
    }
  }
  return rc;
}

int rk__out_each_behind(const rk_actor *actor,
                        void (*visit)(void *arg, const rk_abi_msg *header, const void *payload),
                        void *arg, rk_error *err)
{
  const rk_spilled *s = actor->spilled;
  int rc = RK_OK;
  const rk_spill_piece *piece = s != NULL ? s->first : NULL;
  for (; piece != NULL && rc == RK_OK; piece = piece->next) {
    void *block = NULL;
    uint32_t at = 0;
    rc = rk_spill_file_read(&actor->rt->spill->file, piece, &block, err);
    for (uint32_t i = 0; i < piece->count && rc == RK_OK; ++i) {
      const rk_abi_msg *header = NULL;
      const void *payload = NULL;
      if (rk_spill_file_look(piece, block, i, &at, &header, &payload) == RK_SPILL_GOOD) {
        visit(arg, header, payload);
      } else {
        rc = rk_error_set(err, RK_ECORRUPT, "what was read is not what was written");
      }
    }
    rk_free(block);
  }
  if (rc != RK_OK) {
    (void)rk_error_prefix(err, "messages of actor '%s' that were put aside on the disk",
                          actor->name);
    return rc;
  }
  if (s != NULL) {
    rk_mailbox_place at = rk_mailbox_first(&s->back);
    for (const rk_abi_msg *record; (record = rk_mailbox_next(&s->back, &at)) != NULL;) {
      visit(arg, record, record + 1);
    }
  }
  return RK_OK;
}

void rk__out_forget_behind(rk_actor *actor)
{
  rk_spilled *s = actor->spilled;
  if (s == NULL) {
    return;
  }
  while (s->first != NULL) {
    drop_first(&actor->rt->spill->file, s);
  }
  rk_mailbox_close(&s->back);
  rk_free(s);
  actor->spilled = NULL;
}
