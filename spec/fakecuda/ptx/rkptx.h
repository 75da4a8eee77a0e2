/* SPDX-License-Identifier: MIT */
/*
 * What C made of PTX (translate.lua) asks of the machine: address spaces, orders, what has no C.
 *
 * Addresses. Shared and local memory are windows: an address in its own space is an offset, a
 * generic one has the window's bit, and the block's rank in its cluster or the thread's number in
 * the block. So following another thread's local memory, another block's shared memory where only
 * the own one may be meant, or a global address as a shared one is found, where a GPU would read
 * something else. Device memory carries RKFAKE_TAG; it and the host's pinned memory are looked up
 * in the fake's list (api->extent), so that an access outside of every living allocation is found.
 * Every access must be aligned to its size. What breaks a rule ends the kernel with the line of the
 * PTX.
 *
 * Orders. weak: a plain access. relaxed, acquire, release: C11's. Scopes are all the system's, and
 * a fence is C11's too.
 *
 * The file is included by the C that translate.lua writes, once a module.
 */
#ifndef RKPTX_H
#define RKPTX_H

#include "../rkfake_device.h"
#include "rkptx_math.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define RKP_EXPORT __attribute__((visibility("default")))
/* What the module declares outside of functions, side by side: an address can be known as one. */
#define RKP_VARIABLE __attribute__((section("rkp_variables"), visibility("default"), used))
#define RKP_SLOW __attribute__((noinline, unused)) static
/* What only the machine does is not for ThreadSanitizer to see. */
#define RKP_UNSEEN RKP_SLOW __attribute__((no_sanitize("thread")))

enum { RKP_LOCAL_BYTES = 16384, RKP_LOCAL_START = 64, RKP_POISON = 0xa5, RKP_LOOKS = 64 };

RKP_EXPORT extern const rkfake_device_api *rkfake_device;
RKP_EXPORT const rkfake_device_api *rkfake_device;
extern const unsigned char __start_rkp_variables[], __stop_rkp_variables[];

typedef struct rkp_thread {
  const rkfake_ids *ids;
  struct rkp_block *block;
  unsigned char *shared, *local;
  uint32_t index, local_top;
  uint32_t dice;                 /* 0: it runs until it waits */
  bool has_arrived;              /* at the cluster's barrier */
#if defined(__SANITIZE_THREAD__) /* rkptx_order.h */
  bool has_fenced;
  uint32_t looks;
  void *looked[RKP_LOOKS];
#endif
} rkp_thread;

/* ---- the end of a kernel ---- */

RKP_SLOW void rkp_die(rkp_thread *me, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
RKP_SLOW void rkp_die(rkp_thread *me, int line, const char *format, ...)
{
  char text[200];
  int used = snprintf(text, sizeof(text), "thread %u, line %d of the PTX: ", me->index, line);
  __builtin_va_list list;
  __builtin_va_start(list, format);
  (void)vsnprintf(text + used, sizeof(text) - (size_t)used, format, list);
  __builtin_va_end(list);
  rkfake_device->refuse(text);
}

/* ---- memory ---- */

#define RKP_SHARED_WINDOW (UINT64_C(1) << 62)
#define RKP_LOCAL_WINDOW (UINT64_C(1) << 61)
#define RKP_RANK_SHIFT 32    /* of a generic address of shared memory; of a thread in a local one */
#define RKP_CLUSTER_SHIFT 24 /* of rank + 1 in a 32-bit one of the cluster's; 0 is the own block */
#define RKP_NOWHERE UINT64_C(0xbad00bc0)

/* Stretches of memory that were looked up, until the fake's list changes. */
enum { RKP_KNOWN = 64 };
typedef struct rkp_extent {
  uint64_t low, high, turn;
} rkp_extent;

/* A bulk copy on its way (rkptx_gate.h). */
enum { RKP_BULKS = 8 };
typedef struct rkp_bulk {
  unsigned char *to, *gate;
  uint64_t from;
  uint32_t bytes, looks; /* 0 bytes: none */
  int line;
} rkp_bulk;

/* What the threads of a block share; its threads are one OS thread. */
typedef struct rkp_block {
  rkp_extent known[RKP_KNOWN];
  rkp_bulk bulks[RKP_BULKS];
  unsigned char shared[RKP_SHARED_TOP] __attribute__((aligned(128)));
} rkp_block;

static void rkp_begin_block(void *memory)
{
  rkp_block *block = memory;
  memset(block, 0, offsetof(rkp_block, shared));
  memset(block->shared, RKP_POISON,
         sizeof(block->shared)); /* what it holds at first is not defined */
}

RKP_UNSEEN void rkp_begin(rkp_thread *me, unsigned char *local)
{
  const rkfake_ids *ids = rkfake_device->ids();
  *me = (rkp_thread){.ids = ids,
                     .block = ids->memory,
                     .shared = ((rkp_block *)ids->memory)->shared,
                     .local = local,
                     .index = (ids->thread[2] * ids->threads[1] + ids->thread[1]) *
                                  ids->threads[0] +
                              ids->thread[0],
                     .local_top = RKP_LOCAL_START,
                     .dice = ids->dice};
}

/* Whether another thread gets its turn before this access. */
RKP_FN void rkp_wander(rkp_thread *me)
{
  if (me->dice != 0) {
    me->dice ^= me->dice << 13;
    me->dice ^= me->dice >> 17;
    me->dice ^= me->dice << 5;
    if ((me->dice >> 7 & 31u) == 0) {
      rkfake_device->pause(0);
    }
  }
}

RKP_UNSEEN void rkp_check_aligned(rkp_thread *me, uint64_t address, uint32_t bytes, int line)
{
  if ((address & (bytes - 1u)) != 0) {
    rkp_die(me, line, "address 0x%llx is not aligned to %u bytes", (unsigned long long)address,
            bytes);
  }
}

RKP_UNSEEN unsigned char *rkp_shared(rkp_thread *me, uint32_t at, uint32_t bytes, int line)
{
  rkp_check_aligned(me, at, bytes, line);
  rkp_wander(me);
  if (at < 1024u || at + (uint64_t)bytes > RKP_SHARED_TOP) {
    rkp_die(me, line, "0x%x is no address of this block's shared memory, which has %d bytes", at,
            RKP_SHARED_TOP - 1024);
  }
  return me->shared + at;
}

RKP_UNSEEN unsigned char *rkp_peer(rkp_thread *me, uint32_t rank, uint32_t at, uint32_t bytes,
                                   int line)
{
  unsigned char *own = rkp_shared(me, at, bytes, line);
  return rank == me->ids->cluster_rank ? own : rkfake_device->cluster_map(own, rank);
}

/* An address of 32 bits in the window of the cluster. */
RKP_UNSEEN unsigned char *rkp_cluster(rkp_thread *me, uint32_t at, uint32_t bytes, int line)
{
  uint32_t rank = at >> RKP_CLUSTER_SHIFT;
  at &= (1u << RKP_CLUSTER_SHIFT) - 1u;
  return rank == 0 ? rkp_shared(me, at, bytes, line) : rkp_peer(me, rank - 1u, at, bytes, line);
}

RKP_UNSEEN unsigned char *rkp_local(rkp_thread *me, uint64_t at, uint32_t bytes, int line)
{
  rkp_check_aligned(me, at, bytes, line);
  if (at < RKP_LOCAL_START || at + bytes > me->local_top) {
    rkp_die(me, line, "0x%llx is no address of living local memory", (unsigned long long)at);
  }
  return me->local + at;
}

RKP_UNSEEN unsigned char *rkp_global(rkp_thread *me, uint64_t address, uint32_t bytes, int line)
{
  unsigned char *host = (unsigned char *)(uintptr_t)(address & ~RKFAKE_TAG);
  rkp_extent *known = &me->block->known[address >> 12 & (RKP_KNOWN - 1)];
  uint64_t turn = rkfake_device->extent_turn();
  rkp_check_aligned(me, address, bytes, line);
  rkp_wander(me);
  if (known->turn == turn && address >= known->low && address + bytes <= known->high) {
    return host;
  }
  if (host >= __start_rkp_variables && host + bytes <= __stop_rkp_variables) {
    return host;
  }
  uint64_t low = 0, high = 0; /* not the block's, for the fake writes them */
  if (!rkfake_device->extent(address, &low, &high) || address + bytes > high) {
    rkp_die(me, line, "%u bytes at 0x%llx, which is no memory of the device, nor pinned", bytes,
            (unsigned long long)address);
  }
  *known = (rkp_extent){low, high, turn};
  return host;
}

RKP_UNSEEN unsigned char *rkp_generic(rkp_thread *me, uint64_t address, uint32_t bytes, int line)
{
  if ((address & RKP_SHARED_WINDOW) != 0) {
    return rkp_peer(me, (uint32_t)((address & ~RKP_SHARED_WINDOW) >> RKP_RANK_SHIFT),
                    (uint32_t)address, bytes, line);
  }
  if ((address & RKP_LOCAL_WINDOW) != 0) {
    uint32_t thread = (uint32_t)((address & ~RKP_LOCAL_WINDOW) >> RKP_RANK_SHIFT);
    if (thread != me->index) {
      rkp_die(me, line, "an address of thread %u's local memory", thread);
    }
    return rkp_local(me, (uint32_t)address, bytes, line);
  }
  return rkp_global(me, address, bytes, line);
}

RKP_SLOW uint32_t rkp_local_open(rkp_thread *me, uint32_t bytes, uint32_t align, int line)
{
  uint32_t at = (me->local_top + align - 1u) / align * align;
  if (at + bytes > RKP_LOCAL_BYTES) {
    rkp_die(me, line, "more than %d bytes of local memory", RKP_LOCAL_BYTES);
  }
  memset(me->local + at, RKP_POISON, bytes);
  me->local_top = at + bytes;
  return at;
}

RKP_FN bool rkp_is_shared(const rkp_thread *me, uint64_t address)
{
  return (address & RKP_SHARED_WINDOW) != 0 &&
         (address & ~RKP_SHARED_WINDOW) >> RKP_RANK_SHIFT == me->ids->cluster_rank;
}
RKP_FN bool rkp_is_cluster(const rkp_thread *me, uint64_t address)
{
  (void)me;
  return (address & RKP_SHARED_WINDOW) != 0;
}
RKP_FN bool rkp_is_local(const rkp_thread *me, uint64_t address)
{
  (void)me;
  return (address & RKP_LOCAL_WINDOW) != 0;
}
RKP_FN bool rkp_is_global(const rkp_thread *me, uint64_t address)
{
  (void)me;
  return (address & (RKP_SHARED_WINDOW | RKP_LOCAL_WINDOW)) == 0;
}
RKP_FN uint64_t rkp_to_generic_shared(const rkp_thread *me, uint64_t at)
{
  return RKP_SHARED_WINDOW | (uint64_t)me->ids->cluster_rank << RKP_RANK_SHIFT | (uint32_t)at;
}
RKP_FN uint64_t rkp_to_generic_local(const rkp_thread *me, uint64_t at)
{
  return RKP_LOCAL_WINDOW | (uint64_t)me->index << RKP_RANK_SHIFT | (uint32_t)at;
}
/* The compiler may convert ahead of a test; only following the result is wrong. */
RKP_FN uint64_t rkp_from_generic_shared(const rkp_thread *me, uint64_t address)
{
  return rkp_is_shared(me, address) ? (uint32_t)address : RKP_NOWHERE;
}
RKP_FN uint64_t rkp_from_generic_local(const rkp_thread *me, uint64_t address)
{
  return rkp_is_local(me, address) &&
                 address >> RKP_RANK_SHIFT == (RKP_LOCAL_WINDOW >> RKP_RANK_SHIFT | me->index)
             ? (uint32_t)address
             : RKP_NOWHERE;
}
RKP_SLOW uint64_t rkp_map(rkp_thread *me, uint64_t address, uint64_t rank, int line)
{
  if ((address & RKP_SHARED_WINDOW) == 0 || (uint32_t)rank >= me->ids->cluster_size) {
    rkp_die(me, line, "mapa of 0x%llx to rank %u of a cluster of %u", (unsigned long long)address,
            (uint32_t)rank, me->ids->cluster_size);
  }
  return RKP_SHARED_WINDOW | (uint64_t)(uint32_t)rank << RKP_RANK_SHIFT | (uint32_t)address;
}
RKP_SLOW uint32_t rkp_map_cluster(rkp_thread *me, uint64_t at, uint64_t rank, int line)
{
  (void)rkp_shared(me, (uint32_t)at, 1u, line);
  if ((uint32_t)rank >= me->ids->cluster_size) {
    rkp_die(me, line, "mapa to rank %u of a cluster of %u", (uint32_t)rank, me->ids->cluster_size);
  }
  return ((uint32_t)rank + 1u) << RKP_CLUSTER_SHIFT | (uint32_t)at;
}

#include "rkptx_order.h"

/* ---- the others of the block ---- */

#define RKP_TURN             \
  if (++turns % 64u == 0) {  \
    rkfake_device->pause(0); \
  }

RKP_FN uint64_t rkp_time(const rkp_thread *me)
{
  (void)me;
  return rkfake_device->time_ns();
}
RKP_FN void rkp_pause(const rkp_thread *me, uint32_t ns)
{
  (void)me;
  rkfake_device->pause(ns);
}
RKP_FN void rkp_meet(const rkp_thread *me, uint32_t number, uint32_t threads)
{
  (void)me;
  rkfake_device->meet(number, threads);
}
RKP_FN void rkp_warp_meet(const rkp_thread *me, uint32_t mask)
{
  (void)me;
  rkfake_device->warp_meet(mask);
}
RKP_FN uint32_t rkp_ballot(const rkp_thread *me, uint32_t mask, int predicate)
{
  (void)me;
  return rkfake_device->ballot(mask, predicate);
}
/* The lanes of the mask that the warp has. */
RKP_FN uint32_t rkp_there(const rkp_thread *me, uint32_t mask)
{
  const uint32_t *threads = me->ids->threads;
  uint32_t left = threads[0] * threads[1] * threads[2] - me->index / 32u * 32u;
  return left >= 32u ? mask : mask & ((1u << left) - 1u);
}

/* shfl.sync: c holds the clamp and, from bit 8 on, the mask of segments (PTX ISA). */
RKP_FN uint32_t rkp_shfl(const rkp_thread *me, uint32_t value, uint32_t from, bool is_ok,
                         uint32_t mask, bool *ok)
{
  *ok = is_ok;
  return (uint32_t)rkfake_device->shuffle(mask, value, is_ok ? from : me->index % 32u);
}
#define RKP_SHFL(mode, expression, limit)                                                       \
  RKP_FN uint32_t rkp_shfl_##mode(const rkp_thread *me, uint32_t value, uint32_t b, uint32_t c, \
                                  uint32_t mask, bool *ok)                                      \
  {                                                                                             \
    const uint32_t lane = me->index % 32u, segment = c >> 8 & 31u, clamp = c & 31u;             \
    const uint32_t last = (lane & segment) | (clamp & ~segment), first = lane & segment;        \
    (void)first;                                                                                \
    b &= 31u;                                                                                   \
    const uint32_t from = (expression);                                                         \
    return rkp_shfl(me, value, from, (limit), mask, ok);                                        \
  }
RKP_SHFL(idx, first | (b & ~segment), from <= last)
RKP_SHFL(up, lane - b, (int32_t)from >= (int32_t)last)
RKP_SHFL(down, lane + b, from <= last)
RKP_SHFL(bfly, lane ^ b, from <= last)

RKP_SLOW void rkp_cluster_arrive(rkp_thread *me, int line)
{
  if (me->has_arrived) {
    rkp_die(me, line, "the thread is at the cluster's barrier already");
  }
  me->has_arrived = true;
}
RKP_SLOW void rkp_cluster_wait(rkp_thread *me, int line)
{
  if (!me->has_arrived) {
    rkp_die(me, line, "a wait at the cluster's barrier without an arrival");
  }
  me->has_arrived = false;
  rkfake_device->cluster_meet(me->shared);
}

#include "rkptx_count.h"
#include "rkptx_gate.h"

#endif
