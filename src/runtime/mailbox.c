/* SPDX-License-Identifier: MIT */
/*
 * Mailbox: see mailbox.h.
 */
#include "runtime/mailbox.h"

#include <string.h>

#include "base/alloc.h"
#include "base/base.h"

#define FIRST_BYTES 1024u

/* A record that would be split by the end of the buffer is preceded by a gap, marked by a header
 * whose size is this. A gap shorter than a header needs no mark. */
#define GAP UINT32_MAX

static size_t record_bytes(uint32_t payload_bytes)
{
  return sizeof(rk_abi_msg) + (((size_t)payload_bytes + 7u) & ~(size_t)7u);
}

/* Bytes from position to the end of the buffer. */
static size_t to_end(const rk_mail *mail, uint64_t position)
{
  return mail->capacity - (size_t)(position & (mail->capacity - 1));
}

static rk_abi_msg *record_at(rk_mail *mail, uint64_t position)
{
  return (void *)(mail->bytes + (position & (mail->capacity - 1)));
}

/* Position of the record at or behind `position`: passes a gap. */
static uint64_t skip_gap(rk_mail *mail, uint64_t position)
{
  size_t left = to_end(mail, position);
  if (left < sizeof(rk_abi_msg)) {
    return position + left;
  }
  return record_at(mail, position)->size_bytes == GAP ? position + left : position;
}

/* Moves what waits into a buffer of another size, which holds it. */
static bool resize(rk_mailbox *box, size_t capacity)
{
  rk_mail *old = box->mail;
  rk_mail *mail = rk_alloc_aligned(64, sizeof(*mail) + capacity);
  if (mail == NULL) {
    return false;
  }
  *mail = (rk_mail){.capacity = capacity};
  box->mail = mail;
  if (old == NULL) {
    return true;
  }
  uint64_t position = old->head;
  for (size_t i = 0; i < old->count; ++i) {
    position = skip_gap(old, position);
    const rk_abi_msg *record = record_at(old, position);
    size_t bytes = record_bytes(record->size_bytes);
    memcpy(mail->bytes + mail->tail, record, bytes); /* from 0 on, in one piece: it fits */
    mail->tail += bytes;
    position += bytes;
  }
  mail->count = old->count;
  mail->lent = old->lent;
  mail->held = old->held;
  if (old->lent != 0 && old->held == NULL) {
    mail->held = old;
  } else {
    rk_free(old);
  }
  return true;
}

static bool grow(rk_mailbox *box, size_t needed)
{
  size_t capacity = box->mail == NULL ? FIRST_BYTES : box->mail->capacity * 2;
  while (capacity < rk_mailbox_used(box) + 2 * needed) {
    capacity *= 2;
  }
  return resize(box, capacity);
}

void rk_mailbox_shrink(rk_mailbox *box)
{
  size_t capacity = FIRST_BYTES;
  if (rk_mailbox_count(box) == 0) {
    rk_free(box->mail);
    box->mail = NULL;
    return;
  }
  while (capacity < rk_mailbox_used(box)) {
    capacity *= 2;
  }
  if (capacity < box->mail->capacity && box->mail->held == NULL) {
    (void)resize(box, capacity); /* without memory for the smaller one it stays */
  }
}

void rk_mailbox_let_go(rk_mailbox *box)
{
  if (rk_mailbox_lends(box)) {
    box->mail->lent = 0;
    rk_free(box->mail->held);
    box->mail->held = NULL;
    rk_mailbox_drop_oldest(box);
  }
}

void rk_mailbox_close(rk_mailbox *box)
{
  if (box->mail != NULL) {
    rk_free(box->mail->held);
    rk_free(box->mail);
    box->mail = NULL;
  }
}

rk_abi_msg *rk_mailbox_append(rk_mailbox *box, uint32_t payload_bytes, void **payload)
{
  size_t bytes = record_bytes(payload_bytes);
  rk_mail *mail = NULL;
  for (;;) {
    mail = box->mail;
    if (mail != NULL) {
      size_t left = to_end(mail, mail->tail);
      size_t gap = left < bytes ? left : 0;
      if (rk_mailbox_used(box) + gap + bytes <= mail->capacity) {
        if (gap >= sizeof(rk_abi_msg)) {
          record_at(mail, mail->tail)->size_bytes = GAP;
        }
        mail->tail += gap;
        break;
      }
    }
    if (!grow(box, bytes)) {
      return NULL;
    }
  }
  rk_abi_msg *record = record_at(mail, mail->tail);
  record->size_bytes = payload_bytes;
  mail->tail += bytes;
  mail->count += 1;
  *payload = (unsigned char *)record + sizeof(rk_abi_msg);
  return record;
}

bool rk_mailbox_push(rk_mailbox *box, const rk_abi_msg *header, const void *data)
{
  void *payload = NULL;
  rk_abi_msg *record = rk_mailbox_append(box, header->size_bytes, &payload);
  if (record == NULL) {
    return false;
  }
  *record = *header;
  if (header->size_bytes != 0) {
    memcpy(payload, data, header->size_bytes);
  }
  return true;
}

static void fill(const rk_abi_msg *record, rk_received *out, uint32_t *dest)
{
  *out = (rk_received){
      .id = record->id,
      .correlation = record->correlation,
      .hlc = record->hlc,
      .sender = record->source,
      .type = record->type,
      .size = record->size_bytes,
      .flags = record->flags,
      .priority = record->priority,
      .reason = record->reason,
      .data = (const unsigned char *)record + sizeof(rk_abi_msg),
  };
  if (dest != NULL) {
    *dest = record->dest;
  }
}

bool rk_mailbox_take(rk_mailbox *box, rk_received *out, uint32_t *dest)
{
  rk_mail *mail = box->mail;
  rk_mailbox_let_go(box);
  if (mail == NULL || mail->count == 0) {
    return false;
  }
  mail->head = skip_gap(mail, mail->head);
  const rk_abi_msg *record = record_at(mail, mail->head);
  fill(record, out, dest);
  mail->lent = record_bytes(record->size_bytes);
  return true;
}

bool rk_mailbox_peek(const rk_mailbox *box, size_t index, rk_received *out, uint32_t *dest)
{
  rk_mail *mail = box->mail;
  size_t skip = index + (rk_mailbox_lends(box) ? 1 : 0);
  if (skip >= rk_mailbox_count(box)) {
    return false;
  }
  uint64_t position = mail->head;
  for (;; --skip) {
    position = skip_gap(mail, position);
    const rk_abi_msg *record = record_at(mail, position);
    if (skip == 0) {
      fill(record, out, dest);
      return true;
    }
    position += record_bytes(record->size_bytes);
  }
}

void rk_mailbox_drop_oldest(rk_mailbox *box)
{
  rk_mail *mail = box->mail;
  if (mail == NULL || mail->count == 0) {
    return;
  }
  uint64_t position = skip_gap(mail, mail->head);
  mail->head = position + record_bytes(record_at(mail, position)->size_bytes);
  mail->count -= 1;
  if (mail->count == 0) {
    mail->head = mail->tail = 0;
  }
}

rk_mailbox_place rk_mailbox_first(const rk_mailbox *box)
{
  rk_mailbox_place place = {.position = box->mail != NULL ? box->mail->head : 0u};
  if (rk_mailbox_lends(box)) {
    (void)rk_mailbox_next(box, &place);
  }
  return place;
}

const rk_abi_msg *rk_mailbox_next(const rk_mailbox *box, rk_mailbox_place *place)
{
  if (place->index == rk_mailbox_count(box)) {
    return NULL;
  }
  uint64_t position = skip_gap(box->mail, place->position);
  const rk_abi_msg *record = record_at(box->mail, position);
  place->position = position + record_bytes(record->size_bytes);
  place->index += 1;
  return record;
}

void rk_mailbox_cut(rk_mailbox *box, const rk_mailbox_place *place)
{
  rk_mail *mail = box->mail;
  if (mail == NULL) {
    return; /* nothing is behind any place */
  }
  mail->tail = place->position;
  mail->count = place->index;
  if (mail->count == 0) {
    mail->head = mail->tail = 0;
  }
}

void rk_mailbox_each(rk_mailbox *box,
                     void (*visit)(void *arg, rk_abi_msg *record, const unsigned char *payload),
                     void *arg)
{
  rk_mail *mail = box->mail;
  uint64_t position = mail != NULL ? mail->head : 0u;
  for (size_t i = 0; i < rk_mailbox_count(box); ++i) {
    position = skip_gap(mail, position);
    rk_abi_msg *record = record_at(mail, position);
    if (i != 0 || mail->lent == 0) {
      visit(arg, record, (const unsigned char *)record + sizeof(*record));
    }
    position += record_bytes(record->size_bytes);
  }
}
