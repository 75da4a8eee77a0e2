/* SPDX-License-Identifier: MIT */
/*
 * The portability layer of the resident grid: qualifiers, clock, pauses, sleeping, copies, and how
 * one lane leads a block.
 *
 * With rk_abi.h, rk_atomic.h and rk_ptx_dev.h, which holds what only the machine can tell, this is
 * the only device header that asks which compiler is running.
 * The grid's loop itself runs on one lane of each block, its leader. When a message needs more
 * lanes the leader hands the handler to the whole block with rkd_team_run and waits for all of
 * them. On the device the other lanes stand in rkd_team_follow meanwhile; on the CPU the lanes are
 * fibers of the block's thread and exist only while a handler runs.
 */
#ifndef RK_DEV_H
#define RK_DEV_H

#include "rk_abi.h"
#include "rk_atomic.h"
#include "rk_ptx_dev.h"

/* The way from a number to memory; there is no other (RK_ADDRESS is this one). */
#define RK_PTR(type, address) ((type *)RK_TRANSLATE((rk_uptr)(address)))

struct rk_block; /* rk_block_dev.h */

#if defined(__CUDACC__)

#define RK_FN static __device__ __forceinline__
#define RK_HOT_FN RK_FN
#define RK_SLOW_FN static __device__ __noinline__
#define RK_CAN_SLEEP 0
#define RK_HOST_IS_FAR 1 /* its memory lies across a bus: each look is a round trip */
#define RK_LIKELY_DEV(x) (x)

RK_FN rk_u64 rkd_clock_us(void)
{
  return rk_ptx_time_ns() / 1000u;
}
RK_FN rk_u64 rkd_clock_ns(void)
{
  return rk_ptx_time_ns();
}
RK_FN void rkd_pause(rk_u32 ns)
{
  rk_ptx_pause(ns);
}
/* Nothing to wake: blocks on the device poll, and the host has its own way to be woken. */
RK_FN void rkd_wake_block(rk_u64 grid, rk_u32 block)
{
  (void)grid;
  (void)block;
}
RK_FN void rkd_notify_host(rk_u64 grid)
{
  (void)grid;
}
RK_FN void rkd_ring_bell(rk_u64 grid, rk_u32 block)
{
  (void)grid;
  (void)block;
}

/* Lines do not move between multiprocessors: there is nothing to fetch early. */
RK_FN void rkd_fetch_to_write(const void *at)
{
  (void)at;
}
RK_FN void rkd_fetch_to_read(const void *at)
{
  (void)at;
}

#if defined(__CUDACC_RTC__)
#define RK_NO_UNROLL _Pragma("unroll 1")
#else
#define RK_NO_UNROLL
#endif

/* Copies as many whole pieces as `bytes` has, and returns their bytes. Four at a time are loaded before
 * the first is stored: the compiler must assume that a store changes what is loaded next, and would
 * wait for each by itself, which is a round trip each where the source lies across the bus. */
#define RK_DEFINE_COPY(name, type)                                                   \
  RK_FN rk_u32 name(rk_u8 *to, const rk_u8 *from, rk_u32 bytes)                      \
  {                                                                                  \
    type *t = (type *)(void *)to;                                                    \
    const type *f = (const type *)(const void *)from;                                \
    rk_u32 count = bytes / (rk_u32)sizeof(type);                                     \
    rk_u32 i = 0;                                                                    \
    RK_NO_UNROLL                                                                     \
    for (; count - i >= 4u; i += 4u) {                                               \
      type a = f[i], b = f[i + 1u], c = f[i + 2u], d = f[i + 3u];                    \
      t[i] = a, t[i + 1u] = b, t[i + 2u] = c, t[i + 3u] = d;                         \
    }                                                                                \
    if (count != i) {                                                                \
      rk_u32 second = count - i > 1u ? i + 1u : i;                                   \
      rk_u32 third = count - i > 2u ? i + 2u : i;                                    \
      type a = f[i], b = f[second], c = f[third];                                    \
      t[third] = c, t[second] = b, t[i] = a; /* the same again where there is one */ \
    }                                                                                \
    return count * (rk_u32)sizeof(type);                                             \
  }
typedef struct RK_ALIGN(16) rk_piece {
  rk_u64 low, high;
} rk_piece;
RK_DEFINE_COPY(rkd_copy_pieces, rk_piece)
RK_DEFINE_COPY(rkd_copy_words, rk_u64)
RK_DEFINE_COPY(rkd_copy_halves, rk_u32)
RK_DEFINE_COPY(rkd_copy_bytes, rk_u8)
#undef RK_DEFINE_COPY

/* A copy of any length, once in the code and not in twenty places: the largest pieces that both
 * addresses allow, and smaller ones for what is left. */
RK_SLOW_FN void rkd_copy_some(rk_u8 *to, const rk_u8 *from, rk_u32 bytes)
{
  rk_u32 odd = (rk_u32)(((rk_uptr)to) | ((rk_uptr)from));
  rk_u32 at = 0;
  if ((odd & 15u) == 0u) {
    at = rkd_copy_pieces(to, from, bytes);
  }
  if ((odd & 7u) == 0u && bytes - at >= 8u) {
    at += rkd_copy_words(to + at, from + at, bytes - at);
  }
  if ((odd & 3u) == 0u && bytes - at >= 4u) {
    at += rkd_copy_halves(to + at, from + at, bytes - at);
  }
  if (bytes != at) {
    (void)rkd_copy_bytes(to + at, from + at, bytes - at);
  }
}
RK_FN void rkd_copy(void *to, const void *from, rk_u32 bytes)
{
  if (bytes != 0u) {
    rkd_copy_some((rk_u8 *)to, (const rk_u8 *)from, bytes);
  }
}
/* For what is mostly short, in a place that is passed often: up to four words without a call. */
RK_FN void rkd_copy_short(void *to, const void *from, rk_u32 bytes)
{
  rk_u32 words = bytes / 8u;
  if (((((rk_uptr)to | (rk_uptr)from) & 7u) | (bytes & 7u)) != 0u || words - 1u > 3u) {
    rkd_copy(to, from, bytes);
    return;
  }
  rk_u64 *t = (rk_u64 *)to;
  const rk_u64 *f = (const rk_u64 *)from;
  rk_u64 a = f[0], b = 0u, c = 0u, d = 0u;
  if (words > 1u) {
    b = f[1];
  }
  if (words > 2u) {
    c = f[2];
  }
  if (words > 3u) {
    d = f[3];
  }
  t[0] = a;
  if (words > 1u) {
    t[1] = b;
  }
  if (words > 2u) {
    t[2] = c;
  }
  if (words > 3u) {
    t[3] = d;
  }
}
RK_FN void rkd_zero(void *to, rk_u32 bytes)
{
  rk_u32 words = ((rk_uptr)to & 7u) == 0u ? bytes / 8u : 0u;
  rk_u64 *t = (rk_u64 *)to;
  for (rk_u32 i = 0; i < words; ++i) {
    t[i] = 0;
  }
  for (rk_u32 i = words * 8u; i < bytes; ++i) {
    ((rk_u8 *)to)[i] = 0;
  }
}

#else

#define RK_FN static inline
#define RK_HOT_FN static inline __attribute__((always_inline)) /* on every message's way */
#define RK_SLOW_FN static __attribute__((unused))
#define RK_CAN_SLEEP 1
#define RK_HOST_IS_FAR 0
#define RK_LIKELY_DEV(x) __builtin_expect(!!(x), 1)

/* Provided by the CPU backend (src/backend/cpu/cpu_port.c). */
#if defined(__cplusplus)
extern "C" {
#endif
rk_u64 rk_port_clock_us(void);
rk_u64 rk_port_clock_ns(void);
void rk_port_pause(void);
void rk_port_yield(void);
void rk_port_sleep(rk_u32 *word, rk_u32 expected, rk_u64 timeout_ns);
void rk_port_bump(rk_u32 *word);
void rk_port_wake(rk_u32 *word);
void rk_port_notify_host(rk_u64 grid);
void rk_port_scope(rk_u64 handler, const rk_abi_actor *actor);
int rk_port_team_run(rk_u32 lanes, void (*run)(void *arg, rk_u32 lane), void *arg);
/* Number of this block among those that run the handler that comes next, and how many they are. */
void rk_port_members(rk_u32 member, rk_u32 members);
#if defined(__cplusplus)
}
#endif

RK_FN rk_u64 rkd_clock_us(void)
{
  return rk_port_clock_us();
}
RK_FN rk_u64 rkd_clock_ns(void)
{
  return rk_port_clock_ns();
}
RK_FN void rkd_pause(rk_u32 ns)
{
  (void)ns;
  rk_port_pause();
}
RK_FN void rkd_wake_block(rk_u64 grid, rk_u32 index)
{
  const rk_abi_grid *g = RK_PTR(const rk_abi_grid, grid);
  if (rk_ld_relaxed_gpu_u32(&(RK_PTR(rk_abi_door, g->doors) + index)->sleeping) != 0u) {
    rk_port_wake(&(RK_PTR(rk_abi_block, g->blocks) + index)->bell);
  }
}
/* For what a block that falls asleep does not look at again: its bell changes, so that it does not
 * sleep on the old one. The system is asked to wake it only if it sleeps. The fence is the partner of
 * the one in rkd_idle: either this call sees `sleeping`, or the system sees the new bell there. */
RK_FN void rkd_ring_bell(rk_u64 grid, rk_u32 index)
{
  rk_port_bump(&(RK_PTR(rk_abi_block, RK_PTR(rk_abi_grid, grid)->blocks) + index)->bell);
  rk_fence_seq_cst();
  rkd_wake_block(grid, index);
}
RK_FN void rkd_notify_host(rk_u64 grid)
{
  rk_port_notify_host(grid);
}

/* Asks for a line that another core probably has, before it is needed. To write: a word that is read
 * and then changed would else come twice, first to be shared, then to be owned. */
RK_FN void rkd_fetch_to_write(const void *at)
{
#if defined(__x86_64__) /* the builtin needs -mprfchw; processors without it take it for a no-op */
  __asm__ __volatile__("prefetchw %0" ::"m"(*(const char *)at));
#else
  __builtin_prefetch(at, 1);
#endif
}
RK_FN void rkd_fetch_to_read(const void *at)
{
  __builtin_prefetch(at);
}

/* Most payloads are short, and a call costs more than copying them: those of 16 to 64 bytes are
 * copied in pieces of 16 that may overlap, those of 8 to 15 in two of 8. */
RK_FN void rkd_copy(void *to, const void *from, rk_u32 bytes)
{
  rk_u8 *t = (rk_u8 *)to;
  const rk_u8 *f = (const rk_u8 *)from;
  if (bytes - 16u > 48u) {
    if (bytes - 8u < 8u) {
      __builtin_memcpy(t, f, 8u);
      __builtin_memcpy(t + bytes - 8u, f + bytes - 8u, 8u);
    } else {
      __builtin_memcpy(to, from, bytes);
    }
    return;
  }
  __builtin_memcpy(t, f, 16u);
  if (bytes > 32u) {
    __builtin_memcpy(t + 16, f + 16, 16u);
    __builtin_memcpy(t + bytes - 32u, f + bytes - 32u, 16u);
  }
  __builtin_memcpy(t + bytes - 16u, f + bytes - 16u, 16u);
}
RK_FN void rkd_copy_short(void *to, const void *from, rk_u32 bytes)
{
  rkd_copy(to, from, bytes);
}
RK_FN void rkd_zero(void *to, rk_u32 bytes)
{
  __builtin_memset(to, 0, bytes);
}

#endif

/* 32-bit checksum of a payload: 64-bit words through a multiply and fold, the tail padded with
 * zeros. It guards against accidents (a stray store, a torn copy), not against attackers. */
RK_SLOW_FN rk_u32 rkd_checksum(const void *data, rk_u32 bytes)
{
  const rk_u8 *p = (const rk_u8 *)data;
  rk_u64 h = 0x9e3779b97f4a7c15ull ^ bytes;
  for (rk_u32 i = 0; i < bytes; i += 8u) {
    rk_u64 w = 0;
    for (rk_u32 k = 0; k < 8u && i + k < bytes; ++k) {
      w |= (rk_u64)p[i + k] << (8u * k);
    }
    h = (h ^ w) * 0xff51afd7ed558ccdull;
    h ^= h >> 32;
  }
  return (rk_u32)h;
}

#endif
