/* SPDX-License-Identifier: MIT */
/*
 * What restore.c (reading and comparing), restore_apply.c (changing) and checkpoint_links.c (links,
 * in both steps) share.
 */
#ifndef RK_RUNTIME_RESTORE_H
#define RK_RUNTIME_RESTORE_H

#include "runtime/checkpoint.h"

typedef struct rk_restore_target { /* an actor of the checkpoint, ready to be put into the grid */
  const rk_saved_actor *saved;
  rk_actor *actor;
  rk_mailbox out, passed_on;
  uint64_t out_counted;    /* messages of these that count against its limit */
  unsigned char *slots[3]; /* images of its rings' slots, by RK_SAVED_KERNEL .. URGENT */
  unsigned char **links;   /* [port_count] room for the slots of what waits on its links */
  bool rests;              /* it is not to be activated */
} rk_restore_target;

struct rk_restore {
  rk_runtime *rt;
  rk_ckpt_chain chain;
  rk_saved_runtime runtime;
  rk_saved_actor *actors; /* [chain.actor_count] */
  bool *rests;
  rk_saved_queue letters;
  rk_saved_topic *topics;
  size_t topic_count;
  /* made by rk_restore_apply before anything is changed */
  rk_restore_target *targets; /* [chain.actor_count] */
  rk_mailbox new_letters;
  rk_namemap *new_topics; /* rk_retained */
};

/* The header that a saved message gets here; `self`: the actor whose section it is in, or NULL. */
rk_abi_msg rk__restore_header(const rk_restore *r, const rk_saved_message *m, const rk_actor *self);

/* checkpoint_links.c, in the order of a restore: whether links can be what they were; in the parked
 * grid, an end to what waits on those there are; ports tied; what waited put back. */
rk_link_options rk__saved_link(const rk_saved_port *port);
int rk__links_prepare(rk_restore_target *t, rk_error *err);
void rk__links_drop(rk_restore_target *t);
int rk__links_clear(const rk_still *still, const rk_restore_target *t, rk_error *err);
int rk__links_tie(const rk_restore_target *t, rk_restore_info *info, rk_error *err);
int rk__links_put(rk_restore *r, rk_restore_info *info, rk_error *err);

/* Puts what is prepared into the parked grid, ties ports, activates. */
int rk__restore_put(rk_restore *restore, rk_restore_info *info, rk_error *err);

#endif
