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

/* Asynchronous stores on their way to one block (fake_far.c). All of it zero at first. */
#define RKF_FLIGHT_MAX 1024
typedef struct rkf_flight {
  rkfake_store stores[RKF_FLIGHT_MAX];
  uint32_t count;
  uint32_t lock;  /* 1: somebody is at it */
  uint64_t dice;  /* state of the numbers that choose what arrives */
  bool is_closed; /* the block has ended */
} rkf_flight;

/* What the blocks of one cluster share. All of it zero but `living` when they start. */
typedef struct rkf_cluster {
  uint32_t living;              /* threads that have not returned, of all its blocks */
  uint32_t arrived;             /* of them, at the barrier */
  uint32_t turn;                /* barriers completed */
  char order[2];                /* of the barrier, in turn */
  char *bases[RKF_CLUSTER_MAX]; /* of each block's shared memory; NULL before and after its life */
  rkf_flight *flights;          /* to each block; NULL where a cluster is one block */
} rkf_cluster;

/* 0: the block it is for has ended, or there are too many. */
int rkf_flight_add(rkf_flight *f, const rkfake_store *store);
/* Whether a store for `gate` arrives now: now and then none does, although some wait. */
int rkf_flight_land(rkf_flight *f, const void *gate, rkfake_store *store);
/* The block ends; returns how many stores were still on their way to it. */
uint32_t rkf_flight_close(rkf_flight *f);

/* What the blocks of one launch share. */
typedef struct rkf_grid {
  const rkfake_entry *entry;
  void **params; /* addresses of the parameters, valid while blocks run */
  uint32_t blocks[3], threads[3];
  int *dead;        /* not 0: the code that the kernel dies with; any thread may set it */
  uint32_t slow_us; /* each pause takes at least this long */
  uint32_t dice;    /* not 0: chooses who runs next, and when threads change */
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
