/* SPDX-License-Identifier: MIT */
/*
 * Dead letters: messages that were accepted and cannot be handled, kept with the reason, newest
 * last, until somebody replays or drops them.
 *
 * Bounded in number and age: past either limit the oldest is forgotten; the counts of all there
 * ever were, and of how they went, stay. A letter is on the list or it is not: a replay takes it off
 * in the moment the message is in its receiver's queue again. How often that was done travels in the
 * message itself (RK_MSG_TRIES_MASK), so that one that dies again is known for what it is.
 */
#include "runtime/tenant.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

#define FIRST_ROOM 16u

static size_t letter_bytes(const rk_letter *letter)
{
  return sizeof(*letter) + letter->header.size_bytes;
}

static rk_letter *letter_at(const rk_runtime *rt, size_t index)
{
  return rt->letters.list[rt->letters.first + index];
}

/* Takes a letter off the list and frees it. */
static void forget(rk_runtime *rt, size_t index)
{
  rk_letter *letter = letter_at(rt, index);
  rk_letter **at = rt->letters.list + rt->letters.first;
  if (index == 0) {
    rt->letters.first += 1;
  } else {
    memmove(at + index, at + index + 1, (rt->letters.count - index - 1) * sizeof(*at));
  }
  rt->letters.count -= 1;
  rt->letters.bytes -= letter_bytes(letter);
  rk_actor *actor = letter->actor;
  rk_free(letter);
  if (rt->letters.count == 0) {
    rk_free(rt->letters.list);
    rt->letters.list = NULL;
    rt->letters.first = rt->letters.room = rt->letters.bytes = 0;
  }
  rk_actor_release(actor); /* last: it may be the end of the actor's memory */
}

/* Room for one more in the list. */
static bool make_room(rk_runtime *rt)
{
  if (rt->letters.first + rt->letters.count < rt->letters.room) {
    return true;
  }
  if (rt->letters.first != 0 && rt->letters.first >= rt->letters.room / 2u) {
    memmove(rt->letters.list, rt->letters.list + rt->letters.first,
            rt->letters.count * sizeof(rk_letter *));
    rt->letters.first = 0;
    return true;
  }
  size_t room = rt->letters.room == 0 ? FIRST_ROOM : rt->letters.room * 2u;
  rk_letter **list = rk_realloc(rt->letters.list, room * sizeof(rk_letter *));
  if (list == NULL) {
    return false;
  }
  rt->letters.bytes += (room - rt->letters.room) * sizeof(rk_letter *);
  rt->letters.list = list;
  rt->letters.room = room;
  return true;
}

void rk__letters_expire(rk_runtime *rt)
{
  if (rt->letters.age_ns == 0 || rt->letters.count == 0) {
    return;
  }
  uint64_t now = rk_clock_mono_ns();
  while (rt->letters.count != 0 && now - letter_at(rt, 0)->at_ns >= rt->letters.age_ns) {
    rt->stats.dead_letters_expired += 1;
    forget(rt, 0);
  }
}

size_t rk__letters_shed(rk_runtime *rt, size_t bytes)
{
  size_t before = rt->letters.bytes;
  while (rt->letters.count != 0 && rt->letters.bytes > bytes) {
    rt->stats.dead_letters_evicted += 1;
    forget(rt, 0);
  }
  return before - rt->letters.bytes;
}

void rk__letters_close(rk_runtime *rt)
{
  rk_runtime_dead_letters_clear(rt);
}

static void keep(rk_runtime *rt, const rk_abi_msg *header, const void *data, rk_actor *actor)
{
  rk__letters_expire(rt);
  while (rt->letters.count >= rt->letters.limit) {
    rt->stats.dead_letters_evicted += 1;
    forget(rt, 0);
  }
  rk_letter *letter = rk_alloc(sizeof(*letter) + header->size_bytes);
  if (letter == NULL || !make_room(rt)) { /* it was counted; that it was not kept is, too */
    rk_free(letter);
    rt->stats.dead_letters_evicted += 1;
    return;
  }
  *letter = (rk_letter){
      .header = *header,
      .actor = actor != NULL ? rk_actor_retain(actor) : NULL,
      .serial = rt->stats.dead_letters,
      .at_ns = rk_clock_mono_ns(),
  };
  if (header->size_bytes != 0) {
    memcpy(letter->data, data, header->size_bytes);
  }
  rt->letters.list[rt->letters.first + rt->letters.count] = letter;
  rt->letters.count += 1;
  rt->letters.bytes += letter_bytes(letter);
}

void rk__letter_keep(rk_runtime *rt, const rk_abi_msg *header, const void *data)
{
  rt->stats.dead_letters += 1; /* serials are counted by it */
  keep(rt, header, data, rk__registry_by_reference(rt, header->dest));
}

void rk__dead_letter(rk_runtime *rt, const rk_abi_msg *header, const void *data, uint8_t reason)
{
  rk_nvtx_mark(RK_NVTX_DEAD_LETTER, header->id, rk_dead_reason_name(reason));
  if (rt->trace.on != 0 && (header->flags & RK_MSG_DEAD) == 0) { /* else its block has told */
    rk__trace_moment(rt, RK_TRACE_DEAD, header, reason);
  }
  rk_abi_msg letter = *header;
  rk_actor *actor = rk__registry_by_reference(rt, header->dest);
  letter.flags = (uint16_t)(letter.flags | RK_MSG_DEAD);
  letter.reason = reason;
  rt->stats.dead_letters += 1;
  rt->stats.dead_by_reason[reason < RK_DEAD_REASONS ? reason : 0u] += 1;
  rk__event(rt, RK_EVENT_DEAD_LETTER, actor, 0, rk_dead_reason_name(reason), header->id);
  if (reason == RK_DEAD_TENANT) {
    rk__audit_dead(rt, header);
  }
  if (!rt->closing) { /* nobody can look at it any more */
    keep(rt, &letter, data, actor);
  }
}

int rk_runtime_dead_letter_at(rk_runtime *rt, size_t index, rk_dead_letter *out)
{
  if (index == 0) { /* not in the middle of a walk */
    rk__letters_expire(rt);
  }
  if (index >= rt->letters.count) {
    return RK_ENOT_FOUND;
  }
  const rk_letter *letter = letter_at(rt, index);
  const rk_abi_msg *h = &letter->header;
  *out = (rk_dead_letter){
      .message =
          {
              .id = h->id,
              .correlation = h->correlation,
              .hlc = h->hlc,
              .sender = h->source,
              .type = h->type,
              .size = h->size_bytes,
              .flags = h->flags,
              .priority = h->priority,
              .reason = h->reason,
              .data = letter->data,
          },
      .dest = h->dest,
      .actor = letter->actor,
      .serial = letter->serial,
      .age_ns = rk_clock_mono_ns() - letter->at_ns,
      .tries = (uint32_t)h->flags >> RK_MSG_TRIES_SHIFT,
  };
  return RK_OK;
}

int rk_runtime_dead_letter(rk_runtime *rt, size_t index, rk_received *out, uint64_t *dest)
{
  rk_dead_letter letter;
  int rc = rk_runtime_dead_letter_at(rt, index, &letter);
  if (rc == RK_OK) {
    *out = letter.message;
    if (dest != NULL) {
      *dest = letter.dest;
    }
  }
  return rc;
}

/* Place of a letter in the list; serials grow. */
static bool find(const rk_runtime *rt, uint64_t serial, size_t *index)
{
  size_t low = 0, high = rt->letters.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2u;
    if (letter_at(rt, middle)->serial < serial) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  *index = low;
  return low < rt->letters.count && letter_at(rt, low)->serial == serial;
}

int rk_runtime_dead_letter_drop(rk_runtime *rt, uint64_t serial)
{
  size_t index = 0;
  if (!find(rt, serial, &index)) {
    return RK_ENOT_FOUND;
  }
  forget(rt, index);
  return RK_OK;
}

void rk_runtime_dead_letters_clear(rk_runtime *rt)
{
  while (rt->letters.count != 0) {
    forget(rt, rt->letters.count - 1);
  }
}

/* ---- replay ---------------------------------------------------------------------------------- */

static int check_replay(rk_runtime *rt, const rk_letter *letter, rk_actor *to, rk_error *err)
{
  uint32_t tries = (uint32_t)letter->header.flags >> RK_MSG_TRIES_SHIFT;
  if (letter->header.dest == RK_ID_HOST || (letter->header.flags & RK_MSG_PUBLISH) != 0) {
    return rk_error_set(err, RK_ENOT_FOUND, "replay: the letter was for no actor");
  }
  if (to == NULL) {
    return rk_error_set(err, RK_ENOT_FOUND,
                        "replay: the actor it was for had ended; name another one to send it to");
  }
  if (letter->header.reason == RK_DEAD_CORRUPT) {
    return rk_error_set(err, RK_ECORRUPT, "replay: what is in the letter is not what was sent");
  }
  const rk_actor *source = rk__registry_by_reference(rt, letter->header.source);
  if (letter->header.reason == RK_DEAD_TENANT ||
      (source != NULL && !rk__tenant_accepts(rt, to->tenant, source->tenant))) {
    return rk_error_set(err, RK_ETENANT_MISMATCH, "replay: its sender may not send to '%s'",
                        to->name);
  }
  if (tries >= rt->letters.tries) {
    return rk_error_set(err, RK_EDENIED, "replay: the letter was tried again %u times already",
                        tries);
  }
  if (to->rt != rt) {
    return rk_error_set(err, RK_EINVAL, "replay: '%s' is an actor of another runtime", to->name);
  }
  int rc = rk__actor_check(to, err);
  return rc == RK_OK ? rk__send_type(to, letter->header.type, letter->header.size_bytes, err) : rc;
}

int rk_runtime_dead_letter_replay(rk_runtime *rt, uint64_t serial, rk_actor *to, rk_error *err)
{
  size_t index = 0;
  int rc = rk__runtime_check(rt, err);
  if (rc != RK_OK) {
    return rc;
  }
  if (!find(rt, serial, &index)) {
    return rk_error_set(err, RK_ENOT_FOUND, "replay: there is no such dead letter any more");
  }
  const rk_letter *letter = letter_at(rt, index);
  rk_actor *actor = to != NULL ? to : letter->actor;
  rc = check_replay(rt, letter, actor, err);
  if (rc != RK_OK) {
    return rc;
  }
  rk__reservation_drop(rt);
  uint32_t units = rkd_units(letter->header.size_bytes);
  if (rkd_ring_free(&rt->blocks[actor->block].tx, units) < units) {
    (void)rk__grid_room(rt, actor->block, units); /* it drains: the list may be another one now */
    if (!find(rt, serial, &index)) {
      return rk_error_set(err, RK_ENOT_FOUND, "replay: there is no such dead letter any more");
    }
    letter = letter_at(rt, index);
    rc = check_replay(rt, letter, actor, err);
    if (rc != RK_OK) {
      return rc;
    }
  }
  rk_abi_msg header = letter->header;
  header.seq = 0;
  header.deadline = 0;                  /* it may have died of it */
  header.reason = (rk_u8)actor->tenant; /* it was accepted before, and is looked at above */
  header.flags = (uint16_t)((header.flags & (RK_MSG_REPLY | RK_MSG_TRIES_MASK)) +
                            (1u << RK_MSG_TRIES_SHIFT));
  if ((header.correlation & RK_CALL_BIT) != 0 && (header.flags & RK_MSG_REPLY) == 0) {
    header.correlation = 0; /* the call was told; an answer goes to the mailbox */
  }
  rc = rk__send(actor, &header, letter->data);
  if (rc != RK_OK) {
    return rk_error_set(err, rc, "replay: the queue of '%s' is full", actor->name);
  }
  rk_runtime_flush(rt);
  rt->stats.dead_letters_replayed += 1;
  forget(rt, index);
  return RK_OK;
}

const char *rk_dead_reason_name(uint8_t reason)
{
  static const char *const names[RK_DEAD_REASONS] = {
      "none", "terminated", "deadline", "type", "corrupt", "failed", "full", "late", "tenant"};
  return reason < RK_DEAD_REASONS ? names[reason] : "unknown";
}
