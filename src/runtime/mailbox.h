/* SPDX-License-Identifier: MIT */
/*
 * A mailbox: messages that have left the grid and wait for the host's user, oldest first.
 *
 * One growing circular buffer of bytes; a record is a header with its payload behind it, never
 * split, so a view into it can be handed out. How many may wait is the business of whoever fills
 * it.
 */
#ifndef RK_RUNTIME_MAILBOX_H
#define RK_RUNTIME_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ringkernel.h"

#include "rk_abi.h"

/* The buffer, with what is known of it before the records, so that a box in which nothing ever was
 * costs its owner a pointer. */
typedef struct rk_mail rk_mail;
struct rk_mail {
  uint64_t head, tail; /* byte positions; only grow */
  size_t capacity;     /* a power of two */
  size_t count;
  /* bytes of the record at head that was handed out and is dropped by the next call */
  size_t lent;
  rk_mail *held; /* older buffer in which the record handed out lies; NULL: in this one */
  _Alignas(64) unsigned char bytes[];
};

typedef struct rk_mailbox {
  rk_mail *mail; /* NULL: nothing is in it */
} rk_mailbox;

/* A place between two records. */
typedef struct rk_mailbox_place {
  uint64_t position;
  size_t index; /* records before it */
} rk_mailbox_place;

void rk_mailbox_close(rk_mailbox *box);
/* Gives spare memory back: what is left holds what waits with little to spare. Views stay valid. */
void rk_mailbox_shrink(rk_mailbox *box);
/* Appends a copy; false when memory has run out. */
bool rk_mailbox_push(rk_mailbox *box, const rk_abi_msg *header, const void *data);
/* Room for a record whose payload the caller fills in: the record's header and payload, or NULL. */
rk_abi_msg *rk_mailbox_append(rk_mailbox *box, uint32_t payload_bytes, void **payload);
/* Takes the oldest; the view stays valid until the next take, also when the buffer grows meanwhile.
 */
bool rk_mailbox_take(rk_mailbox *box, rk_received *out, uint32_t *dest);
/* The record `index` places behind the oldest, without taking it. */
bool rk_mailbox_peek(const rk_mailbox *box, size_t index, rk_received *out, uint32_t *dest);
void rk_mailbox_drop_oldest(rk_mailbox *box);
/* The view is not needed any more: as the next take would have it. */
void rk_mailbox_let_go(rk_mailbox *box);
/* The place before the first record that was not handed out. */
rk_mailbox_place rk_mailbox_first(const rk_mailbox *box);
/* The record behind a place, which moves past it; NULL at the end. */
const rk_abi_msg *rk_mailbox_next(const rk_mailbox *box, rk_mailbox_place *place);
/* Drops all records behind a place, the newest ones. */
void rk_mailbox_cut(rk_mailbox *box, const rk_mailbox_place *place);
/* Visits every record that was not handed out; the visitor may change its flags. */
void rk_mailbox_each(rk_mailbox *box,
                     void (*visit)(void *arg, rk_abi_msg *record, const unsigned char *payload),
                     void *arg);

/* Messages in it, with one that was handed out and not let go; whether there is such a one; those
 * that were not handed out. */
static inline size_t rk_mailbox_count(const rk_mailbox *box)
{
  return box->mail != NULL ? box->mail->count : 0u;
}
static inline bool rk_mailbox_lends(const rk_mailbox *box)
{
  return box->mail != NULL && box->mail->lent != 0;
}
static inline size_t rk_mailbox_waiting(const rk_mailbox *box)
{
  return box->mail != NULL ? box->mail->count - (box->mail->lent != 0 ? 1u : 0u) : 0u;
}
/* Bytes for records, in the present buffer and with an older one; bytes that its records take. */
static inline size_t rk_mailbox_capacity(const rk_mailbox *box)
{
  return box->mail != NULL ? box->mail->capacity : 0u;
}
static inline size_t rk_mailbox_bytes(const rk_mailbox *box)
{
  return box->mail != NULL && box->mail->held != NULL
             ? box->mail->capacity + box->mail->held->capacity
             : rk_mailbox_capacity(box);
}
static inline size_t rk_mailbox_used(const rk_mailbox *box)
{
  return box->mail != NULL ? (size_t)(box->mail->tail - box->mail->head) : 0u;
}

#endif
