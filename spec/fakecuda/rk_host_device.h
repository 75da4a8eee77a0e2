/* SPDX-License-Identifier: MIT */
/*
 * Stands in for rk_ptx_dev.h when a device unit is compiled for the fake driver (RK_PTX_OVERRIDE).
 *
 * C++17 with gcc or clang, __CUDACC__ defined: the source sees the words of CUDA C++ that device
 * headers and generated units use, and everything that needs a GPU goes to the executor through
 * rkfake_device. The threads of a block are fibers of one OS thread, so a thread-local variable is
 * what they share. Numbers become pointers through RK_TRANSLATE, which takes the fake's tag off.
 *
 * fake_compile.c includes this header before the unit and puts one RKFAKE_ENTRY(name) behind it
 * for each kernel.
 */
#ifndef RK_HOST_DEVICE_H
#define RK_HOST_DEVICE_H

#include "rkfake_device.h"
#include "rk_abi.h"

#define RKFAKE_EXPORT __attribute__((visibility("default")))

extern "C" {
RKFAKE_EXPORT extern const rkfake_device_api *rkfake_device;
RKFAKE_EXPORT const rkfake_device_api *rkfake_device;
}

/* ---- the language ---- */

#define __device__
#define __host__
#define __constant__ static
#define __global__ RKFAKE_EXPORT
#define __shared__ static __thread
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline, unused))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

struct rkfake_dim3 {
  rk_u32 x, y, z;
};
static inline rkfake_dim3 rkfake_dim(const uint32_t *v)
{
  return rkfake_dim3{v[0], v[1], v[2]};
}
#define threadIdx rkfake_dim(rkfake_device->ids()->thread)
#define blockIdx rkfake_dim(rkfake_device->ids()->block)
#define blockDim rkfake_dim(rkfake_device->ids()->threads)
#define gridDim rkfake_dim(rkfake_device->ids()->blocks)

static inline void __syncthreads(void)
{
  rkfake_device->meet(0u, 0u);
}
static inline void __syncwarp(rk_u32 mask = 0xffffffffu)
{
  rkfake_device->warp_meet(mask);
}

/* ---- rk_ptx_dev.h ---- */

#define RK_PTX_SHARED static __thread
#define RK_PTX_STATIC_SHARED static __thread

static inline rk_u32 rk_ptx_thread(void)
{
  return rkfake_device->ids()->thread[0];
}
static inline rk_u32 rk_ptx_threads(void)
{
  return rkfake_device->ids()->threads[0];
}
static inline rk_u32 rk_ptx_block(void)
{
  return rkfake_device->ids()->block[0];
}
static inline rk_u32 rk_ptx_blocks(void)
{
  return rkfake_device->ids()->blocks[0];
}
static inline rk_u64 rk_ptx_time_ns(void)
{
  return rkfake_device->time_ns();
}
static inline void rk_ptx_pause(rk_u32 ns)
{
  rkfake_device->pause(ns);
}
static inline rk_u32 rk_ptx_look(const void *at)
{
  (void)at; /* there is no such cache here, and the words may be changing */
  return 0u;
}
static inline void rk_ptx_block_meet(void)
{
  rkfake_device->meet(0u, 0u);
}
static inline void rk_ptx_meet(rk_u32 barrier, rk_u32 threads)
{
  rkfake_device->meet(barrier, threads);
}
static inline void rk_ptx_warp_meet(rk_u32 mask)
{
  rkfake_device->warp_meet(mask);
}
static inline rk_u64 rk_ptx_warp_shuffle(rk_u32 mask, rk_u64 v, rk_u32 source)
{
  return rkfake_device->shuffle(mask, v, source);
}
static inline rk_u32 rk_ptx_warp_ballot(rk_u32 mask, int predicate)
{
  return rkfake_device->ballot(mask, predicate);
}
static inline rk_u32 rk_ptx_shared_add_acqrel(rk_u32 *word, rk_u32 d)
{
  return __atomic_fetch_add(word, d, __ATOMIC_ACQ_REL);
}
static inline rk_u32 rk_ptx_shared_load_acquire(const rk_u32 *word)
{
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void rk_ptx_shared_store_release(rk_u32 *word, rk_u32 v)
{
  __atomic_store_n(word, v, __ATOMIC_RELEASE);
}
/* The copy is there at once; what a bulk copy cannot do is refused. */
#define RK_PTX_HAS_BULK 1
static inline void rk_ptx_bulk_open(rk_u64 *gate)
{
  *gate = 1u;
}
static inline void rk_ptx_bulk_load(rk_u64 *gate, void *to, const void *from, rk_u32 bytes)
{
  if (*gate != 1u || ((((uintptr_t)to) | ((uintptr_t)from) | bytes) & 15u) != 0u) {
    rkfake_device->refuse("a bulk copy that is not aligned to 16 bytes, or without a gate");
  }
  __builtin_memcpy(to, from, bytes);
  *gate = 2u;
}
static inline void rk_ptx_bulk_wait(const rk_u64 *gate)
{
  if (*gate != 2u) {
    rkfake_device->refuse("a wait for a bulk copy that nobody started");
  }
}
static inline void rk_ptx_bulk_close(rk_u64 *gate)
{
  *gate = 0u;
}

/* Each block's shared memory lies at the same distance from its own copy of this. */
static __thread rk_u64 rkfake_shared_base;
static inline void rk_ptx_cluster_meet(void)
{
  rkfake_device->cluster_meet(&rkfake_shared_base);
}
static inline void *rk_ptx_cluster_map(void *word, rk_u32 rank)
{
  return rkfake_device->cluster_map(word, rank);
}
static inline rk_u64 rk_ptx_cluster_load_acquire(const rk_u64 *word)
{
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void rk_ptx_cluster_store_release(rk_u64 *word, rk_u64 v)
{
#if defined(RK_PLANT_LOST_LANES)
  if (v == 5u) {
    return;
  }
#endif
  __atomic_store_n(word, v, __ATOMIC_RELEASE);
}

/* Gates: a word with the bytes that a phase still wants below these bits. Stores that have been set
 * out are kept by the executor and arrive, some and in any order, when their gate is looked at. What
 * orders sender and receiver is the word alone, here, where ThreadSanitizer sees it. */
#define RKFAKE_GATE_WANTS ((rk_u64)1 << 32)  /* nobody has said yet what this phase counts */
#define RKFAKE_GATE_PARITY ((rk_u64)1 << 33) /* of the phase that is not over */
#define RKFAKE_GATE_SEEN ((rk_u64)1 << 34)   /* somebody saw that the phase before is over */
#define RKFAKE_GATE_MARK ((rk_u64)0x6a7e << 48)
#define RKFAKE_FAR_SHIFT 60 /* of the block's rank in a far address */

typedef rk_u64 rk_ptx_far;
static inline rk_ptx_far rk_ptx_cluster_far(void *word, rk_u32 rank)
{
  return (rk_u64)(uintptr_t)rkfake_device->cluster_map(word, rank) | (rk_u64)rank
                                                                         << RKFAKE_FAR_SHIFT;
}
static inline void *rkfake_far_pointer(rk_ptx_far far)
{
  return (void *)(uintptr_t)(far & (((rk_u64)1 << RKFAKE_FAR_SHIFT) - 1u));
}
static inline rk_u64 rkfake_gate_check(rk_u64 word)
{
  if ((word & ((rk_u64)0xffff << 48)) != RKFAKE_GATE_MARK) {
    rkfake_device->refuse("a gate that is not open");
  }
  return word;
}
#if defined(RK_PLANT_RELAXED_GATES) /* for spec/cuda/tsan_spec.lua */
#define RKFAKE_GATE_ORDER __ATOMIC_RELAXED
#else
#define RKFAKE_GATE_ORDER __ATOMIC_RELEASE
#endif
static inline void rk_ptx_gate_expect(rk_ptx_far gate, rk_u32 bytes)
{
  rk_u64 *word = (rk_u64 *)rkfake_far_pointer(gate);
  rk_u64 old = rkfake_gate_check(__atomic_load_n(word, __ATOMIC_RELAXED));
  do {
    if ((old & RKFAKE_GATE_WANTS) == 0u) {
      rkfake_device->refuse("an arrival at a gate whose phase is still open");
    }
    if ((old & RKFAKE_GATE_SEEN) == 0u) {
      rkfake_device->refuse("an arrival at a gate whose last phase nobody has looked at");
    }
    if (bytes == 0u) {
      rkfake_device->refuse("an arrival at a gate for nothing");
    }
  } while (!__atomic_compare_exchange_n(word, &old, (old & ~RKFAKE_GATE_WANTS) | bytes, 0,
                                        RKFAKE_GATE_ORDER, __ATOMIC_RELAXED));
}
static inline void rk_ptx_gate_store(rk_ptx_far to, rk_ptx_far gate, rk_u64 low, rk_u64 high)
{
  if ((to & 15u) != 0u || to >> RKFAKE_FAR_SHIFT != gate >> RKFAKE_FAR_SHIFT) {
    rkfake_device->refuse("an asynchronous store that is not aligned, or has its gate elsewhere");
  }
#if defined(RK_PLANT_CHANGED_LANES)
  high ^= (rk_u64)(low % 8u == 3u) << 40;
#endif
#if !defined(RK_PLANT_LOST_LANES)
  rkfake_device->far_store((rk_u32)(gate >> RKFAKE_FAR_SHIFT), rkfake_far_pointer(to),
                           rkfake_far_pointer(gate), low, high);
#else
  (void)low;
  (void)high;
#endif
}
/* An asynchronous store arrives. */
static inline void rkfake_gate_count(rk_u64 *gate, rk_u32 bytes)
{
  rk_u64 old = rkfake_gate_check(__atomic_load_n(gate, __ATOMIC_RELAXED)), word;
  do {
    if ((old & RKFAKE_GATE_WANTS) != 0u || (rk_u32)old < bytes) {
      rkfake_device->refuse("more bytes arrive at a gate than it expects");
    }
    word = old - bytes;
    if ((rk_u32)word == 0u) {
      word = ((word ^ RKFAKE_GATE_PARITY) & ~RKFAKE_GATE_SEEN) | RKFAKE_GATE_WANTS;
    }
  } while (!__atomic_compare_exchange_n(gate, &old, word, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}
static inline void rk_ptx_gate_open(rk_u64 *gate)
{
  __atomic_store_n(gate, RKFAKE_GATE_MARK | RKFAKE_GATE_WANTS | RKFAKE_GATE_SEEN, __ATOMIC_RELAXED);
}
static inline void rk_ptx_gates_tell(void)
{
}
static inline int rk_ptx_gate_is_past(rk_u64 *gate, rk_u32 parity)
{
  rkfake_store store;
  while (rkfake_device->far_land(gate, &store)) {
    ((rk_u64 *)store.to)[0] = store.low;
    ((rk_u64 *)store.to)[1] = store.high;
    rkfake_gate_count(gate, 16u);
  }
  rk_u64 word = rkfake_gate_check(__atomic_load_n(gate, __ATOMIC_ACQUIRE));
  if (((word & RKFAKE_GATE_PARITY) != 0u) == (parity != 0u)) {
    return 0;
  }
  (void)__atomic_fetch_or(gate, RKFAKE_GATE_SEEN, __ATOMIC_RELAXED);
  return 1;
}
static inline void rk_ptx_gate_close(rk_u64 *gate)
{
  if ((rkfake_gate_check(__atomic_load_n(gate, __ATOMIC_RELAXED)) & RKFAKE_GATE_WANTS) == 0u) {
    rkfake_device->refuse("a gate is closed in an open phase");
  }
  __atomic_store_n(gate, 0u, __ATOMIC_RELAXED);
}

#define RK_TRANSLATE(address) ((address) & ~(rk_uptr)RKFAKE_TAG)

/* ---- how the fake calls a kernel ---- */

/* Without a name, for what has one for all libraries (a template's variables) keeps this one from
 * ever being unloaded. */
namespace
{

template <size_t... I> struct rkfake_numbers {
};
template <size_t N, size_t... I> struct rkfake_count : rkfake_count<N - 1, N - 1, I...> {
};
template <size_t... I> struct rkfake_count<0, I...> {
  typedef rkfake_numbers<I...> list;
};

template <typename... A> struct rkfake_kernel {
  typedef void fn(A...);
  template <size_t... I> static void spread(fn *kernel, void **params, rkfake_numbers<I...>)
  {
    (void)params;
    kernel(*static_cast<A *>(params[I])...);
  }
  static void call(fn *kernel, void **params)
  {
    spread(kernel, params, typename rkfake_count<sizeof...(A)>::list());
  }
  static constexpr size_t sizes[sizeof...(A) + 1] = {sizeof(A)..., 0};
  static constexpr size_t alignment[sizeof...(A) + 1] = {alignof(A)..., 0};
  static constexpr uint32_t count = sizeof...(A);
};

template <typename... A> rkfake_kernel<A...> rkfake_shape(void (*)(A...));

} // namespace

#define RKFAKE_ENTRY(name)                                                           \
  static void rkfake_call_##name(void **params)                                      \
  {                                                                                  \
    decltype(rkfake_shape(name))::call(name, params);                                \
  }                                                                                  \
  extern "C" {                                                                       \
  RKFAKE_EXPORT extern const rkfake_entry rkfake_entry_##name;                       \
  const rkfake_entry rkfake_entry_##name = {                                         \
      rkfake_call_##name, decltype(rkfake_shape(name))::count,                       \
      decltype(rkfake_shape(name))::sizes, decltype(rkfake_shape(name))::alignment}; \
  }

#endif
