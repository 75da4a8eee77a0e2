/* SPDX-License-Identifier: MIT */
/*
 * What device code asks of the machine: who am I, what time is it, meet the others.
 *
 * This is the only device header with PTX in it beside rk_atomic.h, and the only one that uses the
 * compiler's builtins for threads and warps. Everything is a thin function or macro with a name, so
 * that one other header can stand in for all of it: define RK_PTX_OVERRIDE as the header to include
 * instead. The fake driver of the tests does so and runs the very source of a device unit on the
 * CPU, with __CUDACC__ defined; rk_atomic.h and rk_helpers.h then use what they use on the host.
 *
 *   rk_ptx_thread()  rk_ptx_threads()       number of this thread in its block, threads of a block
 *   rk_ptx_block()  rk_ptx_blocks()         number of this block in the grid, blocks of the grid
 *   rk_ptx_time_ns()                        nanoseconds since 1970, the same in all blocks
 *   rk_ptx_pause(ns)                        lets about that much time pass, at most a millisecond
 *   rk_ptx_look(address)                    some word of the 32 bytes of device memory there, which
 *                                           are then in the multiprocessor's cache; orders nothing
 *   rk_ptx_block_meet()                     barrier 0, of all threads of the block
 *   rk_ptx_meet(barrier, threads)           a barrier of whole warps; both numbers are constants
 *   rk_ptx_warp_meet(mask)                  barrier of the warp's threads in mask; orders memory
 *   rk_ptx_warp_shuffle(mask, v, source)    the 64-bit v of thread `source` of the warp
 *   rk_ptx_warp_ballot(mask, predicate)     bit i is set where thread i of the warp says true
 *   rk_ptx_shared_add_acqrel(word, d)       words of shared memory, by their address; scope cta
 *   rk_ptx_shared_load_acquire(word)
 *   rk_ptx_shared_store_release(word, v)
 *   rk_ptx_cluster_meet()                   barrier of all threads of the cluster that have not
 *                                           returned; orders memory. These four: sm_90 and later
 *   rk_ptx_cluster_map(word, rank)          the same variable in the block of that rank
 *   rk_ptx_cluster_load_acquire(word)       words of shared memory, also mapped ones; scope cluster
 *   rk_ptx_cluster_store_release(word, v)
 *   rk_ptx_far, rk_ptx_cluster_far(word, rank)
 *                                           a place in the block of that rank, for the next two;
 *                                           distances may be added. PTX 8.1 (CUDA 12.1)
 *   rk_ptx_gate_expect(gate, bytes)         a gate there will count that many bytes in this phase;
 *                                           once, before the stores. Releases, scope cluster
 *   rk_ptx_gate_store(to, gate, low, high)  sets out 16 bytes to the block of the gate, which is
 *                                           another than the caller's; `to` is aligned to 16. Does
 *                                           not wait, and orders nothing but these bytes
 *   rk_ptx_gate_open(gate)                  makes a word of shared memory a gate, in phase 0
 *   rk_ptx_gates_tell()                     after opening, before the barrier of the cluster
 *   rk_ptx_gate_is_past(gate, parity)       whether the phase of that parity has all its bytes; if
 *                                           so acquires them, and what was before its expectation.
 *                                           Only the block whose gate it is may ask
 *   rk_ptx_gate_close(gate)                 the word is a plain one again; nothing is on its way
 *   RK_PTX_HAS_BULK                         1: there are the next four (sm_90 and later), else 0
 *   rk_ptx_bulk_open(gate)                  makes a word of shared memory a gate for one bulk copy
 *   rk_ptx_bulk_load(gate, to, from, bytes) starts it: device to shared memory; both addresses and
 *                                           bytes are multiples of 16. Sees what the calling thread
 *                                           sees, and what a barrier ordered before it
 *   rk_ptx_bulk_wait(gate)                  waits until all of it is there, for the calling thread
 *   rk_ptx_bulk_close(gate)                 the word is a plain one again; after all have waited
 *   RK_PTX_SHARED                           a variable that the threads of a block share
 *   RK_PTX_STATIC_SHARED                    the same, outside of functions
 *   RK_TRANSLATE(address)                   an address as it is stored (rk_uptr) -> as it is used
 *
 * Used by rk_dev.h, rk_team_dev.h, rk_module_cuda.h and rk_global_cuda.h; rk_abi.h comes first.
 */
#ifndef RK_PTX_DEV_H
#define RK_PTX_DEV_H

#include "rk_abi.h"

#if defined(RK_PTX_OVERRIDE)
#include RK_PTX_OVERRIDE

#elif defined(__CUDACC__)

#define RK_PTX_FN static __device__ __forceinline__
#define RK_PTX_SHARED __shared__
#define RK_PTX_STATIC_SHARED static __shared__

/* ---- who and when ---- */

RK_PTX_FN rk_u32 rk_ptx_thread(void)
{
  return threadIdx.x;
}
RK_PTX_FN rk_u32 rk_ptx_threads(void)
{
  return blockDim.x;
}
RK_PTX_FN rk_u32 rk_ptx_block(void)
{
  return blockIdx.x;
}
RK_PTX_FN rk_u32 rk_ptx_blocks(void)
{
  return gridDim.x;
}
RK_PTX_FN rk_u64 rk_ptx_time_ns(void)
{
  rk_u64 ns;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(ns));
  return ns;
}
RK_PTX_FN void rk_ptx_pause(rk_u32 ns)
{
  asm volatile("nanosleep.u32 %0;" ::"r"(ns));
}

/* Without "memory": many of them are under way at once. */
RK_PTX_FN rk_u32 rk_ptx_look(const void *at)
{
  rk_u32 v;
  asm volatile("ld.global.u32 %0, [%1];" : "=r"(v) : "l"(__cvta_generic_to_global(at)));
  return v;
}

/* ---- meeting; all without .aligned, see rk_team_dev.h ---- */

RK_PTX_FN void rk_ptx_block_meet(void)
{
  asm volatile("barrier.sync 0;" ::: "memory");
}
#define rk_ptx_meet(barrier, threads) \
  asm volatile("barrier.sync %0, %1;" ::"n"(barrier), "n"(threads) : "memory")
RK_PTX_FN void rk_ptx_warp_meet(rk_u32 mask)
{
  __syncwarp(mask);
}
RK_PTX_FN rk_u64 rk_ptx_warp_shuffle(rk_u32 mask, rk_u64 v, rk_u32 source)
{
  return __shfl_sync(mask, (unsigned long long)v, (int)source);
}
RK_PTX_FN rk_u32 rk_ptx_warp_ballot(rk_u32 mask, int predicate)
{
  return __ballot_sync(mask, predicate);
}

/* ---- words of shared memory ---- */

RK_PTX_FN rk_u32 rk_ptx_shared_add_acqrel(rk_u32 *word, rk_u32 d)
{
  rk_u32 v;
  asm volatile("atom.acq_rel.cta.add.u32 %0, [%1], %2;" : "=r"(v) : "l"(word), "r"(d) : "memory");
  return v;
}
RK_PTX_FN rk_u32 rk_ptx_shared_load_acquire(const rk_u32 *word)
{
  rk_u32 v;
  asm volatile("ld.acquire.cta.u32 %0, [%1];" : "=r"(v) : "l"(word) : "memory");
  return v;
}
RK_PTX_FN void rk_ptx_shared_store_release(rk_u32 *word, rk_u32 v)
{
  asm volatile("st.release.cta.u32 [%0], %1;" ::"l"(word), "r"(v) : "memory");
}

/* ---- bulk copies ---- */

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define RK_PTX_HAS_BULK 1
RK_PTX_FN rk_u32 rk_ptx_shared_number(const void *address)
{
  return (rk_u32)__cvta_generic_to_shared(address);
}
RK_PTX_FN void rk_ptx_bulk_open(rk_u64 *gate)
{
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(rk_ptx_shared_number(gate))
               : "memory");
}
/* The copy engine goes past the caches' usual order: the fence makes it see plain stores that came
 * before, the gate's own and those of whoever wrote the source. */
RK_PTX_FN void rk_ptx_bulk_load(rk_u64 *gate, void *to, const void *from, rk_u32 bytes)
{
  asm volatile("fence.proxy.async;" ::: "memory");
  asm volatile(
      "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(rk_ptx_shared_number(gate)),
      "r"(bytes)
      : "memory");
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, "
               "[%3];" ::"r"(rk_ptx_shared_number(to)),
               "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(rk_ptx_shared_number(gate))
               : "memory");
}
/* Bounded: it waits for the hardware's copy and for no other block, so it watches no abort word. */
RK_PTX_FN void rk_ptx_bulk_wait(const rk_u64 *gate)
{
  rk_u32 is_done;
  do {
    asm volatile("{\n\t.reg .pred done;\n\t"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], 0;\n\t"
                 "selp.u32 %0, 1, 0, done;\n\t}"
                 : "=r"(is_done)
                 : "r"(rk_ptx_shared_number(gate))
                 : "memory");
  } while (is_done == 0u);
}
RK_PTX_FN void rk_ptx_bulk_close(rk_u64 *gate)
{
  asm volatile("mbarrier.inval.shared::cta.b64 [%0];" ::"r"(rk_ptx_shared_number(gate)) : "memory");
}
#endif

/* ---- clusters; without .aligned too ---- */

#if defined(RK_CLUSTER)
RK_PTX_FN void rk_ptx_cluster_meet(void)
{
  asm volatile("barrier.cluster.arrive.release;\n\tbarrier.cluster.wait.acquire;" ::: "memory");
}
RK_PTX_FN void *rk_ptx_cluster_map(void *word, rk_u32 rank)
{
  void *there;
  asm volatile("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(word), "r"(rank));
  return there;
}
RK_PTX_FN rk_u64 rk_ptx_cluster_load_acquire(const rk_u64 *word)
{
  rk_u64 v;
  asm volatile("ld.acquire.cluster.u64 %0, [%1];" : "=l"(v) : "l"(word) : "memory");
  return v;
}
RK_PTX_FN void rk_ptx_cluster_store_release(rk_u64 *word, rk_u64 v)
{
  asm volatile("st.release.cluster.u64 [%0], %1;" ::"l"(word), "l"(v) : "memory");
}

/* ---- gates: barriers that count bytes from other blocks of the cluster ---- */

typedef rk_u32 rk_ptx_far;
RK_PTX_FN rk_ptx_far rk_ptx_cluster_far(const void *word, rk_u32 rank)
{
  rk_ptx_far there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;"
      : "=r"(there)
      : "r"(rk_ptx_shared_number(word)), "r"(rank));
  return there;
}
RK_PTX_FN void rk_ptx_gate_expect(rk_ptx_far gate, rk_u32 bytes)
{
  asm volatile(
      "mbarrier.arrive.expect_tx.release.cluster.shared::cluster.b64 _, [%0], %1;" ::"r"(gate),
      "r"(bytes)
      : "memory");
}
RK_PTX_FN void rk_ptx_gate_store(rk_ptx_far to, rk_ptx_far gate, rk_u64 low, rk_u64 high)
{
  asm volatile("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [%0], {%1, %2}, "
               "[%3];" ::"r"(to),
               "l"(low), "l"(high), "r"(gate)
               : "memory");
}
RK_PTX_FN void rk_ptx_gate_open(rk_u64 *gate)
{
  rk_ptx_bulk_open(gate); /* one arrival a phase: that of rk_ptx_gate_expect */
}
RK_PTX_FN void rk_ptx_gates_tell(void)
{
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
RK_PTX_FN int rk_ptx_gate_is_past(const rk_u64 *gate, rk_u32 parity)
{
  rk_u32 is_past;
  asm volatile("{\n\t.reg .pred past;\n\t"
               "mbarrier.test_wait.parity.acquire.cluster.shared::cta.b64 past, [%1], %2;\n\t"
               "selp.u32 %0, 1, 0, past;\n\t}"
               : "=r"(is_past)
               : "r"(rk_ptx_shared_number(gate)), "r"(parity)
               : "memory");
  return is_past != 0u;
}
RK_PTX_FN void rk_ptx_gate_close(rk_u64 *gate)
{
  rk_ptx_bulk_close(gate);
}
#endif

#endif

#if !defined(RK_PTX_HAS_BULK)
#define RK_PTX_HAS_BULK 0
#endif

#if !defined(RK_TRANSLATE)
#define RK_TRANSLATE(address) (address)
#endif

#endif
