/* SPDX-License-Identifier: MIT */
/*
 * Atomic words: the one place where memory orders are written down.
 *
 * Names say order and scope: rk_ld_acquire_gpu_u64 is a load with acquire semantics among the
 * threads of one device, ..._sys_... one that host threads take part in. The CPU has one scope, so
 * there both map to the same C11 operation; on the device they become ld.acquire.gpu and
 * ld.acquire.sys.
 *
 * Terms, used by every comment that mentions them:
 *   release store + acquire load: what the writer did before the store is seen by a reader whose
 *     load returns the stored value (C11 5.1.2.4; PTX memory model, "release and acquire
 *     patterns").
 *   acq_rel read-modify-write: both at once, and links in a release sequence: a reader that sees
 *   the
 *     last of a chain of read-modify-writes has seen what came before each of them.
 *   fence: rk_fence_seq_cst for the store-then-load of "I sleep" against "I have sent";
 *     rk_fence_release_sys and rk_fence_acquire_sys around relaxed accesses: what the writer did
 *     before its fence is seen by a reader that read, before its own fence, what was stored after
 *     the writer's (C11 7.17.4; PTX memory model, release and acquire patterns made of a fence and
 *     a relaxed access). Both are given the address of what is so published, which only
 *     ThreadSanitizer needs.
 *   two words at once: rk_ld_relaxed_sys_2u64 and rk_st_relaxed_sys_2u64 move two neighbours of 64
 *     bits. Each is whole; between the two there is no order, and one may be seen without the other
 *     (PTX: "vector data types" are as many accesses as elements, in no order).
 *
 * Verification builds may replace all of it: define RK_ATOMIC_OVERRIDE as the header to use
 * instead. Where RK_PTX_OVERRIDE stands in for the machine (rk_ptx_dev.h), device code gets what the
 * host uses. RK_PLANT_RELAXED_PUBLISH takes the release out of the stores that publish data, for a
 * test that the tools see what is missing then (spec/c/planted/relaxed_publish.c). Two more are for
 * device code under the tests' own driver, which the self-test of the rings must find
 * (spec/transport_spec.lua): RK_PLANT_TORN_WORD makes tagged words arrive half changed,
 * RK_PLANT_SPOILT_PLAIN plain records (rk_ring_dev.h).
 */
#ifndef RK_ATOMIC_H
#define RK_ATOMIC_H

#include "rk_abi.h"

#if defined(RK_ATOMIC_OVERRIDE)
#include RK_ATOMIC_OVERRIDE

#elif defined(__CUDACC__) && !defined(RK_PTX_OVERRIDE)

#define RK_ATOMIC_FN static __device__ __forceinline__

#define RK_DEFINE_LOAD(name, order_scope, type, suffix, reg)                                  \
  RK_ATOMIC_FN type name(const type *p)                                                       \
  {                                                                                           \
    type v;                                                                                   \
    asm volatile("ld." order_scope "." suffix " %0, [%1];" : "=" reg(v) : "l"(p) : "memory"); \
    return v;                                                                                 \
  }
#define RK_DEFINE_STORE(name, order_scope, type, suffix, reg)                            \
  RK_ATOMIC_FN void name(type *p, type v)                                                \
  {                                                                                      \
    asm volatile("st." order_scope "." suffix " [%0], %1;" ::"l"(p), reg(v) : "memory"); \
  }
RK_DEFINE_LOAD(rk_ld_relaxed_gpu_u32, "relaxed.gpu", rk_u32, "u32", "r")
RK_DEFINE_LOAD(rk_ld_relaxed_gpu_u64, "relaxed.gpu", rk_u64, "u64", "l")
RK_DEFINE_LOAD(rk_ld_acquire_gpu_u32, "acquire.gpu", rk_u32, "u32", "r")
RK_DEFINE_LOAD(rk_ld_acquire_gpu_u64, "acquire.gpu", rk_u64, "u64", "l")
RK_DEFINE_LOAD(rk_ld_relaxed_sys_u32, "relaxed.sys", rk_u32, "u32", "r")
RK_DEFINE_LOAD(rk_ld_relaxed_sys_u64, "relaxed.sys", rk_u64, "u64", "l")
RK_DEFINE_LOAD(rk_ld_acquire_sys_u32, "acquire.sys", rk_u32, "u32", "r")
RK_DEFINE_LOAD(rk_ld_acquire_sys_u64, "acquire.sys", rk_u64, "u64", "l")
RK_DEFINE_STORE(rk_st_relaxed_gpu_u32, "relaxed.gpu", rk_u32, "u32", "r")
RK_DEFINE_STORE(rk_st_release_gpu_u32, "release.gpu", rk_u32, "u32", "r")
RK_DEFINE_STORE(rk_st_release_gpu_u64, "release.gpu", rk_u64, "u64", "l")
RK_DEFINE_STORE(rk_st_relaxed_sys_u32, "relaxed.sys", rk_u32, "u32", "r")
RK_DEFINE_STORE(rk_st_relaxed_sys_u64, "relaxed.sys", rk_u64, "u64", "l")
RK_DEFINE_STORE(rk_st_release_sys_u32, "release.sys", rk_u32, "u32", "r")
RK_DEFINE_STORE(rk_st_release_sys_u64, "release.sys", rk_u64, "u64", "l")
#undef RK_DEFINE_LOAD
#undef RK_DEFINE_STORE

/* Read-modify-writes are of words in device memory. The compiler is told so, which cannot know: for an
 * address of any kind it makes a second form, for shared memory, and a test which it is. */
#define RK_GLOBAL(p) __cvta_generic_to_global(p)
RK_ATOMIC_FN rk_u64 rk_add_acqrel_gpu_u64(rk_u64 *p, rk_u64 d)
{
  rk_u64 v;
  asm volatile("atom.acq_rel.gpu.global.add.u64 %0, [%1], %2;"
               : "=l"(v)
               : "l"(RK_GLOBAL(p)), "l"(d)
               : "memory");
  return v;
}
RK_ATOMIC_FN rk_u64 rk_or_acqrel_gpu_u64(rk_u64 *p, rk_u64 d)
{
  rk_u64 v;
  asm volatile("atom.acq_rel.gpu.global.or.b64 %0, [%1], %2;"
               : "=l"(v)
               : "l"(RK_GLOBAL(p)), "l"(d)
               : "memory");
  return v;
}
RK_ATOMIC_FN rk_u32 rk_exch_acqrel_gpu_u32(rk_u32 *p, rk_u32 n)
{
  rk_u32 v;
  asm volatile("atom.acq_rel.gpu.global.exch.b32 %0, [%1], %2;"
               : "=r"(v)
               : "l"(RK_GLOBAL(p)), "r"(n)
               : "memory");
  return v;
}
/* Strong compare-and-swap; on failure *expected becomes what was found. */
RK_ATOMIC_FN int rk_cas_acqrel_gpu_u64(rk_u64 *p, rk_u64 *expected, rk_u64 n)
{
  rk_u64 v;
  asm volatile("atom.acq_rel.gpu.global.cas.b64 %0, [%1], %2, %3;"
               : "=l"(v)
               : "l"(RK_GLOBAL(p)), "l"(*expected), "l"(n)
               : "memory");
  int won = v == *expected;
  *expected = v;
  return won;
}
RK_ATOMIC_FN int rk_cas_acquire_gpu_u64(rk_u64 *p, rk_u64 *expected, rk_u64 n)
{
  rk_u64 v;
  asm volatile("atom.acquire.gpu.global.cas.b64 %0, [%1], %2, %3;"
               : "=l"(v)
               : "l"(RK_GLOBAL(p)), "l"(*expected), "l"(n)
               : "memory");
  int won = v == *expected;
  *expected = v;
  return won;
}
/* Adds without asking what was there, so that nobody waits for the answer. */
RK_ATOMIC_FN void rk_red_release_gpu_u64(rk_u64 *p, rk_u64 d)
{
  asm volatile("red.release.gpu.global.add.u64 [%0], %1;" ::"l"(RK_GLOBAL(p)), "l"(d) : "memory");
}
#undef RK_GLOBAL
RK_ATOMIC_FN void rk_fence_seq_cst(void)
{
  asm volatile("fence.sc.sys;" ::: "memory");
}
RK_ATOMIC_FN void rk_fence_release_sys(void *about)
{
  (void)about;
  asm volatile("fence.acq_rel.sys;" ::: "memory");
}
RK_ATOMIC_FN void rk_fence_acquire_sys(void *about)
{
  (void)about;
  asm volatile("fence.acq_rel.sys;" ::: "memory");
}
RK_ATOMIC_FN void rk_ld_relaxed_sys_2u64(const rk_u64 *p, rk_u64 *first, rk_u64 *second)
{
  asm volatile("ld.relaxed.sys.v2.u64 {%0, %1}, [%2];"
               : "=l"(*first), "=l"(*second)
               : "l"(p)
               : "memory");
}
RK_ATOMIC_FN void rk_st_relaxed_sys_2u64(rk_u64 *p, rk_u64 first, rk_u64 second)
{
  asm volatile("st.relaxed.sys.v2.u64 [%0], {%1, %2};" ::"l"(p), "l"(first), "l"(second)
               : "memory");
}

#else /* gcc or clang */

#define RK_ATOMIC_FN static inline

#if defined(__SANITIZE_THREAD__) || defined(RK_TSAN)
#define RK_ATOMIC_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RK_ATOMIC_TSAN 1
#endif
#endif

#if defined(RK_PLANT_RELAXED_PUBLISH)
#define RK_ORDER_PUBLISH __ATOMIC_RELAXED
#else
#define RK_ORDER_PUBLISH __ATOMIC_RELEASE
#endif

#define RK_DEFINE_LOAD(name, type, order) \
  RK_ATOMIC_FN type name(const type *p)   \
  {                                       \
    return __atomic_load_n(p, order);     \
  }
#define RK_DEFINE_STORE(name, type, order) \
  RK_ATOMIC_FN void name(type *p, type v)  \
  {                                        \
    __atomic_store_n(p, v, order);         \
  }
RK_DEFINE_LOAD(rk_ld_relaxed_gpu_u32, rk_u32, __ATOMIC_RELAXED)
RK_DEFINE_LOAD(rk_ld_relaxed_gpu_u64, rk_u64, __ATOMIC_RELAXED)
RK_DEFINE_LOAD(rk_ld_acquire_gpu_u32, rk_u32, __ATOMIC_ACQUIRE)
RK_DEFINE_LOAD(rk_ld_acquire_gpu_u64, rk_u64, __ATOMIC_ACQUIRE)
RK_DEFINE_LOAD(rk_ld_relaxed_sys_u32, rk_u32, __ATOMIC_RELAXED)
RK_DEFINE_LOAD(rk_ld_relaxed_sys_u64, rk_u64, __ATOMIC_RELAXED)
RK_DEFINE_LOAD(rk_ld_acquire_sys_u32, rk_u32, __ATOMIC_ACQUIRE)
RK_DEFINE_LOAD(rk_ld_acquire_sys_u64, rk_u64, __ATOMIC_ACQUIRE)
RK_DEFINE_STORE(rk_st_relaxed_gpu_u32, rk_u32, __ATOMIC_RELAXED)
RK_DEFINE_STORE(rk_st_release_gpu_u32, rk_u32, __ATOMIC_RELEASE)
RK_DEFINE_STORE(rk_st_release_gpu_u64, rk_u64, RK_ORDER_PUBLISH)
RK_DEFINE_STORE(rk_st_relaxed_sys_u32, rk_u32, __ATOMIC_RELAXED)
RK_DEFINE_STORE(rk_st_relaxed_sys_u64, rk_u64, __ATOMIC_RELAXED)
RK_DEFINE_STORE(rk_st_release_sys_u32, rk_u32, __ATOMIC_RELEASE)
RK_DEFINE_STORE(rk_st_release_sys_u64, rk_u64, RK_ORDER_PUBLISH)
#undef RK_DEFINE_LOAD
#undef RK_DEFINE_STORE

RK_ATOMIC_FN rk_u64 rk_add_acqrel_gpu_u64(rk_u64 *p, rk_u64 d)
{
  return __atomic_fetch_add(p, d, __ATOMIC_ACQ_REL);
}
RK_ATOMIC_FN rk_u64 rk_or_acqrel_gpu_u64(rk_u64 *p, rk_u64 d)
{
  return __atomic_fetch_or(p, d, __ATOMIC_ACQ_REL);
}
RK_ATOMIC_FN rk_u32 rk_exch_acqrel_gpu_u32(rk_u32 *p, rk_u32 n)
{
  return __atomic_exchange_n(p, n, __ATOMIC_ACQ_REL);
}
/* Strong compare-and-swap; on failure *expected becomes what was found. */
RK_ATOMIC_FN int rk_cas_acqrel_gpu_u64(rk_u64 *p, rk_u64 *expected, rk_u64 n)
{
  return __atomic_compare_exchange_n(p, expected, n, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
RK_ATOMIC_FN int rk_cas_acquire_gpu_u64(rk_u64 *p, rk_u64 *expected, rk_u64 n)
{
  return __atomic_compare_exchange_n(p, expected, n, 0, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
}
RK_ATOMIC_FN void rk_red_release_gpu_u64(rk_u64 *p, rk_u64 d)
{
  (void)__atomic_fetch_add(p, d, __ATOMIC_RELEASE);
}
/* Sequentially consistent, for "I wait" against "here is room" (rkd_room_give); the device polls
 * instead. */
RK_ATOMIC_FN rk_u64 rk_ld_seq_cst_u64(const rk_u64 *p)
{
  return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}
RK_ATOMIC_FN rk_u64 rk_add_seq_cst_u64(rk_u64 *p, rk_u64 d)
{
  return __atomic_fetch_add(p, d, __ATOMIC_SEQ_CST);
}
RK_ATOMIC_FN rk_u64 rk_or_seq_cst_u64(rk_u64 *p, rk_u64 d)
{
  return __atomic_fetch_or(p, d, __ATOMIC_SEQ_CST);
}
RK_ATOMIC_FN rk_u64 rk_exch_seq_cst_u64(rk_u64 *p, rk_u64 n)
{
  return __atomic_exchange_n(p, n, __ATOMIC_SEQ_CST);
}
RK_ATOMIC_FN void rk_fence_seq_cst(void)
{
#if defined(RK_ATOMIC_TSAN)
  /* ThreadSanitizer knows no fences; a seq_cst read-modify-write is one on every CPU we run on. */
  rk_u32 word = 0;
  (void)__atomic_exchange_n(&word, 1u, __ATOMIC_SEQ_CST);
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

RK_ATOMIC_FN void rk_ld_relaxed_sys_2u64(const rk_u64 *p, rk_u64 *first, rk_u64 *second)
{
  *first = __atomic_load_n(p, __ATOMIC_RELAXED);
  *second = __atomic_load_n(p + 1, __ATOMIC_RELAXED);
}
RK_ATOMIC_FN void rk_st_relaxed_sys_2u64(rk_u64 *p, rk_u64 first, rk_u64 second)
{
#if defined(RK_PLANT_TORN_WORD)
  first &= ~0xffffull;
#endif
  __atomic_store_n(p, first, __ATOMIC_RELAXED);
  __atomic_store_n(p + 1, second, __ATOMIC_RELAXED);
}

/* ThreadSanitizer knows no fences, but can be told what one between these addresses would do. */
#if defined(RK_ATOMIC_TSAN)
#if defined(__cplusplus)
extern "C" {
#endif
void __tsan_acquire(void *about);
void __tsan_release(void *about);
#if defined(__cplusplus)
}
#endif
#define RK_TELL_RELEASE(about) __tsan_release(about)
#define RK_TELL_ACQUIRE(about) __tsan_acquire(about)
#else
#define RK_TELL_RELEASE(about) __atomic_thread_fence(__ATOMIC_RELEASE)
#define RK_TELL_ACQUIRE(about) __atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif
RK_ATOMIC_FN void rk_fence_release_sys(void *about)
{
  (void)about;
#if !defined(RK_PLANT_RELAXED_PUBLISH)
  RK_TELL_RELEASE(about);
#endif
}
RK_ATOMIC_FN void rk_fence_acquire_sys(void *about)
{
  (void)about;
  RK_TELL_ACQUIRE(about);
}
#undef RK_TELL_RELEASE
#undef RK_TELL_ACQUIRE

#endif
#endif
