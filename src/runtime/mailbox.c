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
static size_t to_end(const rk_mailbox *box, uint64_t position)
{
  return box->capacity - (size_t)(position & (box->capacity - 1));
}

/* Position of the record at or behind `position`: passes a gap. */
static uint64_t skip_gap(const rk_mailbox *box, uint64_t position)
{
  size_t left = to_end(box, position);
  if (left < sizeof(rk_abi_msg)) {
    return position + left;
  }
  const rk_abi_msg *header = (const void *)(box->bytes + (position & (box->capacity - 1)));
  return header->size_bytes == GAP ? position + left : position;
}

static const rk_abi_msg *record_at(const rk_mailbox *box, uint64_t position)
{
  return (const void *)(box->bytes + (position & (box->capacity - 1)));
}

/* Moves what waits into a buffer of another size, which holds it. */
static bool resize(rk_mailbox *box, size_t capacity)
{
  rk_mailbox bigger = {.bytes = rk_alloc_aligned(64, capacity), .capacity = capacity};
  if (bigger.bytes == NULL) {
    return false;
  }
  uint64_t position = box->head;
  for (size_t i = 0; i < box->count; ++i) {
    position = skip_gap(box, position);
    const rk_abi_msg *record = record_at(box, position);
    size_t bytes = record_bytes(record->size_bytes);
    memcpy(bigger.bytes + bigger.tail, record, bytes); /* from 0 on, in one piece: it fits */
    bigger.tail += bytes;
    position += bytes;
  }
  bigger.count = box->count;
  bigger.lent = box->lent;
  bigger.held = box->held;
  bigger.held_bytes = box->held_bytes;
  if (box->lent != 0 && box->held == NULL) {
    bigger.held = box->bytes;
    bigger.held_bytes = box->capacity;
  } else {
    rk_free(box->bytes);
  }
  *box = bigger;
  return true;
}

static bool grow(rk_mailbox *box, size_t needed)
{
  size_t capacity = box->capacity == 0 ? FIRST_BYTES : box->capacity * 2;
  while (capacity < (size_t)(box->tail - box->head) + 2 * needed) {
    capacity *= 2;
  }
  return resize(box, capacity);
}

void rk_mailbox_shrink(rk_mailbox *box)
{
  size_t capacity = FIRST_BYTES;
  if (box->count == 0) {
    rk_free(box->bytes);
    *box = (rk_mailbox){0};
    return;
  }
  while (capacity < (size_t)(box->tail - box->head)) {
    capacity *= 2;
  }
  if (capacity < box->capacity && box->held == NULL) {
    (void)resize(box, capacity); /* without memory for the smaller one it stays */
  }
}

void rk_mailbox_let_go(rk_mailbox *box)
{
  if (box->lent != 0) {
    box->lent = 0;
    rk_free(box->held);
    box->held = NULL;
    box->held_bytes = 0;
    rk_mailbox_drop_oldest(box);
  }
}

void rk_mailbox_close(rk_mailbox *box)
{
  rk_free(box->bytes);
  rk_free(box->held);
  *box = (rk_mailbox){0};
}

rk_abi_msg *rk_mailbox_append(rk_mailbox *box, uint32_t payload_bytes, void **payload)
{
  size_t bytes = record_bytes(payload_bytes);
  for (;;) {
    if (box->capacity != 0) {
      size_t used = (size_t)(box->tail - box->head);
      size_t left = to_end(box, box->tail);
      size_t gap = left < bytes ? left : 0;
      if (used + gap + bytes <= box->capacity) {
        if (gap >= sizeof(rk_abi_msg)) {
          rk_abi_msg *mark = (void *)(box->bytes + (box->tail & (box->capacity - 1)));
          mark->size_bytes = GAP;
        }
        box->tail += gap;
        break;
      }
    }
    if (!grow(box, bytes)) {
      return NULL;
    }
  }
  rk_abi_msg *record = (void *)(box->bytes + (box->tail & (box->capacity - 1)));
  record->size_bytes = payload_bytes;
  box->tail += bytes;
  box->count += 1;
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
  rk_mailbox_let_go(box);
  if (box->count == 0) {
    return false;
  }
  box->head = skip_gap(box, box->head);
  const rk_abi_msg *record = record_at(box, box->head);
  fill(record, out, dest);
  box->lent = record_bytes(record->size_bytes);
  return true;
}

bool rk_mailbox_peek(const rk_mailbox *box, size_t index, rk_received *out, uint32_t *dest)
{
  size_t skip = index + (box->lent != 0 ? 1 : 0);
  if (skip >= box->count) {
    return false;
  }
  uint64_t position = box->head;
  for (;; --skip) {
    position = skip_gap(box, position);
    const rk_abi_msg *record = record_at(box, position);
    if (skip == 0) {
      fill(record, out, dest);
      return true;
    }
    position += record_bytes(record->size_bytes);
  }
}

void rk_mailbox_drop_oldest(rk_mailbox *box)
{
  if (box->count == 0) {
    return;
  }
  uint64_t position = skip_gap(box, box->head);
  box->head = position + record_bytes(record_at(box, position)->size_bytes);
  box->count -= 1;
  if (box->count == 0) {
    box->head = box->tail = 0;
  }
}

rk_mailbox_place rk_mailbox_first(const rk_mailbox *box)
{
  rk_mailbox_place place = {.position = box->head};
  if (box->lent != 0) {
    (void)rk_mailbox_next(box, &place);
  }
  return place;
}

const rk_abi_msg *rk_mailbox_next(const rk_mailbox *box, rk_mailbox_place *place)
{
  if (place->index == box->count) {
    return NULL;
  }
  uint64_t position = skip_gap(box, place->position);
  const rk_abi_msg *record = record_at(box, position);
  place->position = position + record_bytes(record->size_bytes);
  place->index += 1;
  return record;
}

void rk_mailbox_cut(rk_mailbox *box, const rk_mailbox_place *place)
{
  box->tail = place->position;
  box->count = place->index;
  if (box->count == 0) {
    box->head = box->tail = 0;
  }
}

void rk_mailbox_each(rk_mailbox *box,
                     void (*visit)(void *arg, rk_abi_msg *record, const unsigned char *payload),
                     void *arg)
{
  uint64_t position = box->head;
  for (size_t i = 0; i < box->count; ++i) {
    position = skip_gap(box, position);
    rk_abi_msg *record = (void *)(box->bytes + (position & (box->capacity - 1)));
    if (i != 0 || box->lent == 0) {
      visit(arg, record, (const unsigned char *)record + sizeof(*record));
    }
    position += record_bytes(record->size_bytes);
  }
}
