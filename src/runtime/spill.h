/* SPDX-License-Identifier: MIT */
/*
 * Mailboxes that are put aside on the disk while memory is short: see spill.c. Used by pressure.c,
 * which says when, and by whoever fills, empties or counts what actors sent to the host.
 */
#ifndef RK_RUNTIME_SPILL_H
#define RK_RUNTIME_SPILL_H

#include "runtime/internal.h"
#include "runtime/spill_file.h"

/* What follows the messages of an actor's mailbox that are in memory: first those in the file, then
 * those that have come since. */
struct rk_spilled {
  rk_spill_piece *first, **tail;
  size_t count; /* messages in the pieces */
  rk_mailbox back;
};

/* Of a runtime. */
struct rk_spill {
  rk_spill_file file;
  uint64_t lost;    /* messages that could not be read back, ever */
  uint64_t refused; /* times that there was no room */
  rk_error loss;    /* what was said of the last ones lost */
};

/* What was put aside in one go. */
typedef struct rk_spill_tally {
  uint64_t messages, bytes; /* bytes of memory that it gave back */
} rk_spill_tally;

int rk__spill_open(rk_runtime *rt, const char *folder, uint64_t max, rk_error *err);
/* The file goes; what mailboxes have in it cannot be read any more. */
void rk__spill_close(rk_runtime *rt);

void rk__spill_stats(const rk_runtime *rt, rk_runtime_stats *out);

/* Puts aside what waits in the actor's mailbox and adds to the tally; returns the bytes of memory
 * that it gave back. Where there is no room nothing happens. */
uint64_t rk__spill_actor(rk_actor *actor, rk_spill_tally *tally);
/* The same for the largest mailboxes of all actors (`as` 0) or a tenant's, until `need` bytes came
 * back. */
void rk__spill_most(rk_runtime *rt, uint32_t as, uint64_t need, rk_spill_tally *tally);

/* ---- mailboxes ---- */

/* Appends to the actor's mailbox; false when memory has run out. */
bool rk__out_push(rk_actor *actor, const rk_abi_msg *header, const void *data);
/* Makes the oldest message the first one in actor->mailbox, if there is one. Errors: out_of_memory
 * (try again); io, corrupt: some are lost, which is told once, and the next call goes on behind
 * them. */
int rk__out_refill(rk_actor *actor);
/* Messages that were not taken, and bytes of memory that they take. */
static inline size_t rk__out_waiting(const rk_actor *actor)
{
  const rk_spilled *s = actor->spilled;
  return rk_mailbox_waiting(&actor->mailbox) +
         (s != NULL ? s->count + rk_mailbox_count(&s->back) : 0u);
}
static inline uint64_t rk__out_bytes(const rk_actor *actor)
{
  const rk_spilled *s = actor->spilled;
  return rk_mailbox_bytes(&actor->mailbox) + (s != NULL ? rk_mailbox_bytes(&s->back) : 0u);
}
/* Visits what is behind actor->mailbox, and leaves it there. Errors: io, corrupt, out_of_memory. */
int rk__out_each_behind(const rk_actor *actor,
                        void (*visit)(void *arg, const rk_abi_msg *header, const void *payload),
                        void *arg, rk_error *err);
/* Gives spare memory back. */
static inline void rk__out_shrink(rk_actor *actor)
{
  rk_mailbox_shrink(&actor->mailbox);
  if (actor->spilled != NULL) {
    rk_mailbox_shrink(&actor->spilled->back);
  }
}
/* Drops what is behind actor->mailbox. */
void rk__out_forget_behind(rk_actor *actor);

#endif
