/* SPDX-License-Identifier: MIT */
/*
 * Part of the public C contract, included by ringkernel.h, whose rules hold: checkpoints,
 * which are actors with everything that waits for them, in a file.
 */
#ifndef RINGKERNEL_CHECKPOINT_H
#define RINGKERNEL_CHECKPOINT_H

#include "ringkernel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rk_restore rk_restore; /* a checkpoint that was read, to be put into a runtime */

typedef struct rk_checkpoint_note { /* something of the caller's that goes with an actor */
  const char *actor;                /* its name */
  const void *data;
  size_t size;
} rk_checkpoint_note;

typedef struct rk_checkpoint_options { /* clear it and fill what you need */
  /* an earlier checkpoint in the same folder: only actors that changed since are written, and which
   * ended; NULL: everything is */
  const char *parent;
  /* names of the actors to save; NULL: all of them, the dead letters and the retained topics */
  const char *const *actors;
  size_t actor_count;
  const rk_checkpoint_note *notes;
  size_t note_count;
  /* n > 0: the file is "<path>.<number>", one above the highest there is, and only the newest n
   * stay, with those they build on. Nobody else writes to that series meanwhile. */
  uint32_t keep;
} rk_checkpoint_options;

#define RK_CHECKPOINT_PATH_BYTES 4128
#define RK_CHECKPOINT_DIGEST_BYTES 65

typedef struct rk_checkpoint_info {
  char path[RK_CHECKPOINT_PATH_BYTES];     /* of the file */
  char digest[RK_CHECKPOINT_DIGEST_BYTES]; /* SHA-256 of the file, hexadecimal */
  char parent[RK_CHECKPOINT_DIGEST_BYTES]; /* of its parent, or "" */
  uint64_t number;                         /* deltas between it and a full one */
  uint64_t bytes;                          /* of the file */
  uint64_t hlc;                            /* stamp of the moment it shows */
  uint64_t pause_ns;                       /* how long the grid stood still */
  uint64_t write_ns;                       /* from there until the file was safe */
  uint64_t messages;                       /* that waited, in queues and on links */
  uint32_t actors;                         /* that it shows */
  uint32_t written;                        /* of these, in this file */
  uint32_t deleted;                        /* that its parent had and it has not */
  uint32_t letters, topics;                /* dead letters; retained messages */
} rk_checkpoint_info;

/* Saves actors as they are at one moment between handlings: state, what waits in their queues, on
 * their links and for the host, ports, counts; and the runtime's clock, dead letters and retained topics. The grid
 * stands still while that is copied (as for rk_runtime_renew) and works while the file is written.
 * A file is there as a whole or not at all, and one that was there before stays until then. Not in
 * it: buffers, subscriptions, calls that wait. `options` and `info` may be NULL. Errors: not_found
 * (an actor, the parent), io (a full disk), corrupt or version (the parent), denied, timeout (a
 * handler does not return: nothing has happened then), out_of_memory, device_lost; io or corrupt
 * also where messages that wait on the disk (`spill`) cannot be read. */
RK_API int rk_runtime_checkpoint(rk_runtime *rt, const char *path,
                                 const rk_checkpoint_options *options, rk_checkpoint_info *info,
                                 rk_error *err);

/* Reads a checkpoint, with those it builds on, and checks all of it. Errors: corrupt, with the byte;
 * version; not_found; io; out_of_memory. */
RK_API int rk_restore_open(rk_runtime *rt, const char *path, rk_restore **out, rk_error *err);
RK_API void rk_restore_close(rk_restore *restore);

/* The numbers of the files "<stem>.<n>" of a series, largest first: the i-th, or not_found. */
RK_API int rk_checkpoint_number(const char *stem, size_t i, uint64_t *number, rk_error *err);

typedef struct rk_restore_actor {
  const char *name, *definition; /* the kernel's name */
  const char *tenant;            /* its name; "": the default one */
  const char *state;             /* "active", ... */
  const void *note;              /* the caller's, or NULL */
  size_t note_bytes;
  uint32_t queue, grid; /* as for rk_actor_launch */
  bool is_there;        /* an actor of that name lives */
} rk_restore_actor;
/* The i-th actor of the checkpoint; false: there are no more. */
RK_API bool rk_restore_actor_get(rk_restore *restore, size_t i, rk_restore_actor *out);
/* Puts what waited on links of the i-th actor, one whose handler is a function of the host, back on
 * them, after rk_restore_apply: tie its ports before (rk_actor_host_link). What waited on one that is
 * not tied as it was becomes dead letters. Errors: not_found, out_of_memory. */
RK_API int rk_restore_links(rk_restore *restore, size_t i, rk_error *err);
/* Where port `k` of the i-th actor led, and what its link did: *dest is "" for nowhere. false: it has
 * no such port. */
RK_API bool rk_restore_port_get(const rk_restore *restore, size_t i, size_t k, const char **port,
                                const char **dest, rk_link_options *options);
/* The i-th is not activated by the restore, which leaves it "deactivated": the caller does that. */
RK_API void rk_restore_rest(rk_restore *restore, size_t i);

typedef struct rk_restore_info {
  uint64_t hlc, pause_ns, messages;
  uint32_t actors, letters, topics;
  uint32_t unconnected; /* ports whose receiver is neither saved nor alive */
} rk_restore_info;

/* Makes the actors of the checkpoint what they were: state, queues, ports with what waits on their
 * links, life, counts. Each must be there: launch those that are not (`inactive`) before. What waits
 * in the queues and on the links of an actor that has worked meanwhile is replaced; what waited for
 * a receiver that is neither saved nor alive becomes dead letters; actors that the checkpoint does not name stay as they are. A
 * checkpoint of all replaces dead letters and retained topics, too. Ids of messages and stamps go on
 * behind those of the checkpoint. Everything is compared and prepared before anything is changed, so
 * after an error the runtime is as before; only a device that is lost meanwhile leaves it half done,
 * and then all of the runtime is lost. Errors: not_found (naming all that are missing), corrupt (an
 * actor's state or types are not those of its definition), full (a queue is too small),
 * tenant_mismatch (an actor belongs to another tenant than it did; tenants go by name), skew,
 * timeout, out_of_memory, device_lost. */
RK_API int rk_restore_apply(rk_restore *restore, rk_restore_info *info, rk_error *err);

#ifdef __cplusplus
}
#endif
#endif
