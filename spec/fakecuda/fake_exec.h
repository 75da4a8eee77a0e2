/* SPDX-License-Identifier: MIT */
/*
 * The executor: runs the threads of one block as fibers of the calling OS thread.
 */
#ifndef FAKE_EXEC_H
#define FAKE_EXEC_H

#include <stdbool.h>
#include <stdint.h>

#include "rkfake_device.h"

#define RKF_CLUSTER_MAX 8

/* What the blocks of one cluster share. All of it zero but `living` when they start. */
typedef struct rkf_cluster {
  uint32_t living;              /* threads that have not returned, of all its blocks */
  uint32_t arrived;             /* of them, at the barrier */
  uint32_t turn;                /* barriers completed */
  char *bases[RKF_CLUSTER_MAX]; /* of each block's shared memory; NULL before and after its life */
} rkf_cluster;

/* What the blocks of one launch share. */
typedef struct rkf_grid {
  const rkfake_entry *entry;
  void **params; /* addresses of the parameters, valid while blocks run */
  uint32_t blocks[3], threads[3];
  int *dead;        /* not 0: the code that the kernel dies with; any thread may set it */
  uint32_t slow_us; /* each pause takes at least this long */
  int clock_ms;     /* the clock is so far ahead */
  uint32_t cluster_size;
  rkf_cluster *clusters; /* one for each cluster_size blocks */
} rkf_grid;

extern const rkfake_device_api rkf_device_api;

/* Runs block number `index` until all its threads have returned or the kernel dies; returns 0 or
 * the code it died with, which *dead has too. `why` (RKF_WHY_BYTES) says what threads did wrong. */
#define RKF_WHY_BYTES 256
int rkf_block_run(const rkf_grid *grid, uint32_t index, char *why);

#endif
