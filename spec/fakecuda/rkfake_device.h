/* SPDX-License-Identifier: MIT */
/*
 * What the fake driver and a unit compiled for it know of each other; C and C++.
 *
 * A unit is a shared object made from the device source (fake_compile.c) with rk_host_device.h in
 * place of PTX, or from PTX (fake_ptx.c). Its threads call the executor (fake_exec.c) through one
 * table, which the fake stores into the unit when it loads it. For each kernel the unit exports
 * `rkfake_entry_<name>`.
 */
#ifndef RKFAKE_DEVICE_H
#define RKFAKE_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* Who a thread is: x, y, z each. */
typedef struct rkfake_ids {
  uint32_t thread[3], block[3], threads[3], blocks[3];
  uint32_t cluster_rank, cluster_size; /* of the block in its cluster, 0 of 1 where there is none */
  uint32_t dice; /* not 0: the thread is to pause at any access, as these numbers say */
  void *memory;  /* of the block, rkfake_entry.block_bytes of it; aligned to 128 */
} rkfake_ids;

/* 16 bytes on their way to another block of the cluster, and the gate that is to count them. */
typedef struct rkfake_store {
  void *to;
  void *gate;
  uint64_t low, high;
} rkfake_store;

/* Called by the threads of a kernel. */
typedef struct rkfake_device_api {
  const rkfake_ids *(*ids)(void);
  uint64_t (*time_ns)(void);
  void (*pause)(uint32_t ns);
  void (*meet)(uint32_t barrier, uint32_t threads); /* 0 threads: all that have not returned */
  void (*warp_meet)(uint32_t mask);
  uint64_t (*shuffle)(uint32_t mask, uint64_t value, uint32_t source);
  uint32_t (*ballot)(uint32_t mask, int predicate);
  /* All threads of the cluster that have not returned. `shared` is an address in the block's shared
   * memory, the same variable in each: what cluster_map counts from. */
  void (*cluster_meet)(void *shared);
  void *(*cluster_map)(void *address, uint32_t rank);
  void (*refuse)(const char *why); /* the kernel dies of it */
  /* Stores that arrive some time later, in any order. far_store sets one out to the block of that
   * rank; far_land, called there, says whether one for the gate arrives now. */
  void (*far_store)(uint32_t rank, void *to, void *gate, uint64_t low, uint64_t high);
  int (*far_land)(void *gate, rkfake_store *store);
  /* Where the allocation begins and ends that an address of device or pinned memory lies in; 0: in
   * none. It holds as long as extent_turn returns the same. */
  int (*extent)(uint64_t address, uint64_t *low, uint64_t *high);
  uint64_t (*extent_turn)(void);
} rkfake_device_api;

/* One kernel: how to call it with the addresses of its parameters. */
typedef struct rkfake_entry {
  void (*call)(void **params);
  uint32_t count;          /* of parameters */
  const size_t *sizes;     /* bytes of each */
  const size_t *alignment; /* of each */
  size_t block_bytes;      /* of memory that the executor gives each block; 0: none */
  void (*begin)(void *);   /* called with it before the block's threads begin */
} rkfake_entry;

#define RKFAKE_API_SYMBOL "rkfake_device"
#define RKFAKE_ENTRY_PREFIX "rkfake_entry_"

/* Device addresses carry this bit: following one on the host is a fault on every machine. On
 * x86-64 such an address is not canonical; AArch64 may ignore the top byte, so a lower bit. */
#if defined(__x86_64__)
#define RKFAKE_TAG ((uint64_t)1 << 56)
#else
#define RKFAKE_TAG ((uint64_t)1 << 55)
#endif

#endif
