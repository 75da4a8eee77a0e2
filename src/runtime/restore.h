/* SPDX-License-Identifier: MIT */
/*
 * What restore.c (reading and comparing) and restore_apply.c (changing) share.
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

/* Puts what is prepared into the parked grid, ties ports, activates. */
int rk__restore_put(rk_restore *restore, rk_restore_info *info, rk_error *err);

#endif
