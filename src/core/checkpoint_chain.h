/* SPDX-License-Identifier: MIT */
/*
 * Several checkpoint files together: a delta with those it builds on, and a series "<path>.<n>"
 * of which the newest are kept.
 */
#ifndef RK_CORE_CHECKPOINT_CHAIN_H
#define RK_CORE_CHECKPOINT_CHAIN_H

#include "core/checkpoint_file.h"

typedef struct rk_ckpt_chain {
  rk_ckpt_file *files; /* the one asked for, then its parents as far as they are needed */
  size_t file_count;
  const rk_ckpt_section **actors; /* one for each entry of files[0].index, in its order */
  size_t actor_count;
  const rk_ckpt_section *runtime; /* of files[0]; never NULL */
  const rk_ckpt_section *letters; /* of files[0], or NULL */
  const rk_ckpt_section *topics;
} rk_ckpt_chain;

/* Reads the checkpoint at `path` and every file it needs, which lie in the same folder. Errors:
 * corrupt (also: a parent is not the one that the delta was made from), version, not_found, io,
 * out_of_memory. Threads: any. */
int rk_ckpt_chain_open(const char *path, rk_ckpt_chain *out, rk_error *err);
void rk_ckpt_chain_close(rk_ckpt_chain *chain);

/* Numbers of the files "<stem>.<n>", largest first; *numbers is given back with rk_free. A folder
 * that is not there has none. */
int rk_ckpt_series_list(const char *stem, uint64_t **numbers, size_t *count, rk_error *err);
/* Removes all but the newest `keep` and the files these build on, and what writers that were killed
 * have left behind. Meanwhile nobody else writes to the series. */
int rk_ckpt_series_prune(const char *stem, size_t keep, rk_error *err);

/* Folder of `path` with its slash, or "", into RK_PATH_BYTES; returns the file name in `path`. */
const char *rk_ckpt_folder(const char *path, char *folder);

#endif
