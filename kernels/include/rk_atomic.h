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
 *   fence: only rk_fence_seq_cst exists, for the store-then-load of "I sleep" against "I have
 *   sent".
 *
 * Verification builds may replace all of it: define RK_ATOMIC_OVERRIDE as the header to use
 * instead. Where RK_PTX_OVERRIDE stands in for the machine (rk_ptx_dev.h), device code gets what the
 * host uses. RK_PLANT_RELAXED_PUBLISH takes the release out of the stores that publish data, for a
 * test that the tools see what is missing then (spec/c/planted/relaxed_publish.c).
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

RK_ATOMIC_FN rk_u64 rk_add_acqrel_gpu_u64(rk_u64 *p, rk_u64 d)
{
  rk_u64 v;
  asm volatile("atom.acq_rel.gpu.add.u64 %0, [%1], %2;" : "=l"(v) : "l"(p), "l"(d) : "memory");
  return v;
}
RK_ATOMIC_FN rk_u64 rk_or_acqrel_gpu_u64(rk_u64 *p, rk_u64 d)
{
  rk_u64 v;
  asm volatile("atom.acq_rel.gpu.or.b64 %0, [%1], %2;" : "=l"(v) : "l"(p), "l"(d) : "memory");
  return v;
}
RK_ATOMIC_FN rk_u32 rk_exch_acqrel_gpu_u32(rk_u32 *p, rk_u32 n)
{
  rk_u32 v;
  asm volatile("atom.acq_rel.gpu.exch.b32 %0, [%1], %2;" : "=r"(v) : "l"(p), "r"(n) : "memory");
  return v;
}
/* Strong compare-and-swap; on failure *expected becomes what was found. */
RK_ATOMIC_FN int rk_cas_acqrel_gpu_u64(rk_u64 *p, rk_u64 *expected, rk_u64 n)
{
  rk_u64 v;
  asm volatile("atom.acq_rel.gpu.cas.b64 %0, [%1], %2, %3;"
               : "=l"(v)
               : "l"(p), "l"(*expected), "l"(n)
               : "memory");
  int won = v == *expected;
  *expected = v;
  return won;
}
RK_ATOMIC_FN void rk_fence_seq_cst(void)
{
  asm volatile("fence.sc.sys;" ::: "memory");
}

#else /* gcc or clang */

#define RK_ATOMIC_FN static inline

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
#if defined(__SANITIZE_THREAD__) || defined(RK_TSAN)
  /* ThreadSanitizer knows no fences; a seq_cst read-modify-write is one on every CPU we run on. */
  rk_u32 word = 0;
  (void)__atomic_exchange_n(&word, 1u, __ATOMIC_SEQ_CST);
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
#endif
