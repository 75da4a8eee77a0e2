/* SPDX-License-Identifier: MIT */
/*
 * E5: from kernel to kernel and back, by distance.
 *
 * Two warps of one block through shared memory; two blocks through the device's memory (its L2
 * cache); two blocks of one cluster through each other's shared memory, with a flag and with an
 * mbarrier; and the cluster's own barrier. One word goes there and back; the receiver waits for
 * exactly that word. Each value is the mean over many trips by the device's clock.
 */
#include "gpu_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/cuda_error.h"

#define RUNS 20
#define TRIPS 5000u

/* out[0]: nanoseconds of all trips; out[1], out[2]: the processors of both sides. */
static const char source[] = GPU_KERNEL
    "same_block(rk_u64 out, rk_u64 words, rk_u32 trips) {\n"
    "  RK_PTX_SHARED rk_u32 ping[32];\n"
    "  RK_PTX_SHARED rk_u32 pong[32];\n"
    "  patience p = patience_begin();\n"
    "  (void)words;\n"
    "  if (rk_ptx_thread() == 0u) { ping[0] = 0u; pong[0] = 0u; }\n"
    "  rk_ptx_block_meet();\n"
    "  const rk_u64 start = rk_ptx_time_ns();\n"
    "  if (rk_ptx_thread() == 0u) {\n"
    "    for (rk_u32 i = 1u; i <= trips; ++i) {\n"
    "      rk_ptx_shared_store_release(ping, i);\n"
    "      while (rk_ptx_shared_load_acquire(pong) != i && !patience_is_over(&p)) { }\n"
    "    }\n"
    "    RK_PTR(rk_u64, out)[0] = rk_ptx_time_ns() - start;\n"
    "    RK_PTR(rk_u64, out)[1] = RK_PTR(rk_u64, out)[2] = processor_id();\n"
    "  } else if (rk_ptx_thread() == 32u) {\n"
    "    for (rk_u32 i = 1u; i <= trips; ++i) {\n"
    "      while (rk_ptx_shared_load_acquire(ping) != i && !patience_is_over(&p)) { }\n"
    "      rk_ptx_shared_store_release(pong, i);\n"
    "    }\n"
    "  }\n"
    "}\n" GPU_KERNEL "same_grid(rk_u64 out, rk_u64 words, rk_u32 trips) {\n"
    "  rk_u32 *ping = RK_PTR(rk_u32, words), *pong = ping + 64;\n"
    "  patience p = patience_begin();\n"
    "  if (rk_ptx_thread() != 0u) { return; }\n"
    "  if (rk_ptx_block() == 0u) {\n"
    "    rk_u64 start = 0u;\n"
    "    for (rk_u32 i = 1u; i <= trips; ++i) {\n"
    "      rk_st_release_gpu_u32(ping, i);\n"
    "      while (rk_ld_acquire_gpu_u32(pong) != i && !patience_is_over(&p)) { }\n"
    "      if (i == 1u) { start = rk_ptx_time_ns(); }\n" /* the other block runs now */
    "    }\n"
    "    RK_PTR(rk_u64, out)[0] = (rk_ptx_time_ns() - start) * trips / (trips - 1u);\n"
    "    RK_PTR(rk_u64, out)[1] = processor_id();\n"
    "  } else if (rk_ptx_block() + 1u == rk_ptx_blocks()) {\n"
    "    RK_PTR(rk_u64, out)[2] = processor_id();\n"
    "    for (rk_u32 i = 1u; i <= trips; ++i) {\n"
    "      while (rk_ld_acquire_gpu_u32(ping) != i && !patience_is_over(&p)) { }\n"
    "      rk_st_release_gpu_u32(pong, i);\n"
    "    }\n"
    "  }\n"
    "}\n";

/* Only for devices that have clusters (compute capability 9.0). */
static const char cluster_source[] =
    "RK_FN rk_u32 own_address(const void *p) {\n"
    "  return (rk_u32)__cvta_generic_to_shared(p);\n"
    "}\n"
    "RK_FN rk_u32 rank(void) {\n"
    "  rk_u32 r;\n"
    "  asm volatile(\"mov.u32 %0, %%cluster_ctarank;\" : \"=r\"(r));\n"
    "  return r;\n"
    "}\n"
    "RK_FN rk_u32 peer_address(const void *p) {\n"
    "  rk_u32 a;\n"
    "  asm volatile(\"mapa.shared::cluster.u32 %0, %1, %2;\"\n"
    "               : \"=r\"(a) : \"r\"(own_address(p)), \"r\"(rank() ^ 1u));\n"
    "  return a;\n"
    "}\n"
    "RK_FN void cluster_meet(void) {\n"
    "  asm volatile(\"barrier.cluster.arrive.release;\\nbarrier.cluster.wait.acquire;\"\n"
    "               ::: \"memory\");\n"
    "}\n"
    "RK_FN void finish(rk_u64 out, rk_u64 start) {\n"
    "  if (rank() == 0u) { RK_PTR(rk_u64, out)[0] = rk_ptx_time_ns() - start; }\n"
    "  RK_PTR(rk_u64, out)[1u + rank()] = processor_id();\n"
    "}\n" GPU_KERNEL "cluster_flag(rk_u64 out, rk_u64 words, rk_u32 trips) {\n"
    "  __shared__ rk_u32 word;\n"
    "  patience p = patience_begin();\n"
    "  (void)words;\n"
    "  word = 0u;\n"
    "  cluster_meet();\n" /* nobody writes into a block that has not begun */
    "  const rk_u32 peer = peer_address(&word), own = own_address(&word);\n"
    "  const rk_u64 start = rk_ptx_time_ns();\n"
    "  for (rk_u32 i = 1u; i <= trips; ++i) {\n"
    "    rk_u32 v;\n"
    "    if (rank() == 0u) {\n"
    "      asm volatile(\"st.release.cluster.shared::cluster.u32 [%0], %1;\"\n"
    "                   :: \"r\"(peer), \"r\"(i) : \"memory\");\n"
    "    }\n"
    "    do {\n"
    "      asm volatile(\"ld.acquire.cluster.shared::cta.u32 %0, [%1];\"\n"
    "                   : \"=r\"(v) : \"r\"(own) : \"memory\");\n"
    "    } while (v != i && !patience_is_over(&p));\n"
    "    if (rank() != 0u) {\n"
    "      asm volatile(\"st.release.cluster.shared::cluster.u32 [%0], %1;\"\n"
    "                   :: \"r\"(peer), \"r\"(i) : \"memory\");\n"
    "    }\n"
    "  }\n"
    "  finish(out, start);\n"
    "  cluster_meet();\n" /* nobody leaves while the other may still write to it */
    "}\n"
    "RK_FN void arrive(rk_u32 peer_barrier) {\n"
    "  asm volatile(\"mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];\"\n"
    "               :: \"r\"(peer_barrier) : \"memory\");\n"
    "}\n"
    "RK_FN void await(rk_u32 barrier, rk_u32 parity, patience *p) {\n"
    "  rk_u32 done;\n"
    "  do {\n"
    "    asm volatile(\"{\\n .reg .pred q;\\n\"\n"
    "                 \" mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 q, [%1], "
    "%2;\\n\"\n"
    "                 \" selp.u32 %0, 1, 0, q;\\n}\"\n"
    "                 : \"=r\"(done) : \"r\"(barrier), \"r\"(parity) : \"memory\");\n"
    "  } while (done == 0u && !patience_is_over(p));\n"
    "}\n" GPU_KERNEL "cluster_mbarrier(rk_u64 out, rk_u64 words, rk_u32 trips) {\n"
    "  __shared__ alignas(8) rk_u64 barrier;\n"
    "  __shared__ rk_u32 word;\n"
    "  patience p = patience_begin();\n"
    "  rk_u32 wrong = 0u;\n"
    "  (void)words;\n"
    "  asm volatile(\"mbarrier.init.shared::cta.b64 [%0], 1;\\n\"\n"
    "               \"fence.mbarrier_init.release.cluster;\" :: \"r\"(own_address(&barrier))\n"
    "               : \"memory\");\n"
    "  cluster_meet();\n"
    "  const rk_u32 peer = peer_address(&word), peer_barrier = peer_address(&barrier);\n"
    "  const rk_u32 own = own_address(&barrier);\n"
    "  const rk_u64 start = rk_ptx_time_ns();\n"
    "  for (rk_u32 i = 1u; i <= trips; ++i) {\n"
    "    if (rank() != 0u) {\n"
    "      await(own, (i - 1u) & 1u, &p);\n"
    "      wrong += *(volatile rk_u32 *)&word != i;\n"
    "    }\n"
    "    asm volatile(\"st.shared::cluster.u32 [%0], %1;\" :: \"r\"(peer), \"r\"(i) : "
    "\"memory\");\n"
    "    arrive(peer_barrier);\n"
    "    if (rank() == 0u) {\n"
    "      await(own, (i - 1u) & 1u, &p);\n"
    "      wrong += *(volatile rk_u32 *)&word != i;\n"
    "    }\n"
    "  }\n"
    "  finish(out, start);\n"
    "  if (wrong != 0u) { RK_PTR(rk_u64, out)[3] = wrong; }\n"
    "  cluster_meet();\n"
    "}\n" GPU_KERNEL "cluster_barrier(rk_u64 out, rk_u64 words, rk_u32 trips) {\n"
    "  (void)words;\n"
    "  cluster_meet();\n"
    "  const rk_u64 start = rk_ptx_time_ns();\n"
    "  for (rk_u32 i = 1u; i <= trips; ++i) { cluster_meet(); }\n"
    "  finish(out, start);\n"
    "  cluster_meet();\n"
    "}\n";

static const struct {
  const char *function, *name, *note;
  uint32_t blocks, threads;
  bool is_cluster;
} ways[] = {
    {"same_block", "same block, shared memory", "there and back between two warps", 1, 64, false},
    {"same_grid", "same grid, neighbour blocks", "there and back, release.gpu and acquire.gpu", 2,
     32, false},
    {"same_grid", "same grid, first and last block", "there and back, release.gpu and acquire.gpu",
     0, 32, false},
    {"cluster_flag", "same cluster, flag", "there and back, release.cluster and acquire.cluster", 2,
     1, true},
    {"cluster_mbarrier", "same cluster, mbarrier", "there and back: remote store, remote arrive", 2,
     1, true},
    {"cluster_barrier", "cluster barrier", "one barrier of two blocks of one thread", 2, 1, true},
};

static void launch_cluster(const gpu *g, CUfunction function, uint32_t blocks, uint32_t threads,
                           CUstream stream, void **params)
{
  CUlaunchAttribute cluster = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION};
  cluster.value.clusterDim.x = blocks;
  cluster.value.clusterDim.y = 1;
  cluster.value.clusterDim.z = 1;
  const CUlaunchConfig config = {.gridDimX = blocks,
                                 .gridDimY = 1,
                                 .gridDimZ = 1,
                                 .blockDimX = threads,
                                 .blockDimY = 1,
                                 .blockDimZ = 1,
                                 .hStream = stream,
                                 .attrs = &cluster,
                                 .numAttrs = 1};
  GPU(g, launch_kernel_ex(&config, function, params, NULL));
}

static void measure(const gpu *g, CUmodule module, size_t way, CUstream stream)
{
  double ns[RUNS];
  uint64_t *out = gpu_shared(g, 4096);
  CUdeviceptr out_address = (CUdeviceptr)(uintptr_t)out, words = gpu_memory(g, 4096);
  uint32_t trips = (uint32_t)gpu_scale(g, TRIPS, 20);
  uint32_t blocks = ways[way].blocks != 0 ? ways[way].blocks : g->device.processors;
  void *params[] = {&out_address, &words, &trips};
  CUfunction function = gpu_function(g, module, ways[way].function);
  size_t runs = (size_t)gpu_scale(g, RUNS, 2);
  for (size_t run = 0; run < runs + 1; ++run) { /* the first warms up */
    GPU(g, memset_d8_async(words, 0, 4096, stream));
    if (ways[way].is_cluster) {
      launch_cluster(g, function, blocks, ways[way].threads, stream, params);
    } else {
      gpu_launch(g, function, blocks, ways[way].threads, stream, params);
    }
    gpu_finish(g, stream, 20);
    if (out[3] != 0) {
      gpu_die(g, "%s: %llu wrong words", ways[way].name, (unsigned long long)out[3]);
    }
    ns[run == 0 ? 0 : run - 1] = (double)out[0] / trips;
  }
  gpu_report(g, ways[way].name, "ns", ns, runs, "%s; mean of %u each; processors %llu and %llu",
             ways[way].note, trips, (unsigned long long)out[1], (unsigned long long)out[2]);
}

int main(void)
{
  gpu g;
  if (!gpu_open(&g, "E5")) {
    return GPU_SKIPPED;
  }
  CUmodule module = gpu_module(&g, "near", source), cluster_module = NULL;
  if (module == NULL) {
    return GPU_SKIPPED;
  }
  CUstream stream = gpu_stream(&g);
  if (g.device.has_clusters && g.device.cc >= 90) {
    if (g.is_fake) { /* it has no clusters, but NVRTC can say whether the text is right */
      rk_cuda_image image;
      if (!gpu_image(&g, "cluster", cluster_source, &image)) {
        return 1;
      }
      rk_cuda_image_release(&image);
    } else {
      cluster_module = gpu_module(&g, "cluster", cluster_source);
    }
  }
  for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); ++way) {
    if (ways[way].is_cluster && cluster_module == NULL) {
      gpu_note(&g, ways[way].name, "skipped: no clusters on this device, or see above");
    } else {
      measure(&g, ways[way].is_cluster ? cluster_module : module, way, stream);
    }
  }
  gpu_close(&g);
  return 0;
}
