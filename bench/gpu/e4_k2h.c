/* SPDX-License-Identifier: MIT */
/*
 * E4: how fast can warps send messages of 64 B to the host?
 *
 * Three ways to publish: a release for each message, a tag in every 16 bytes and no fence at all,
 * one release for 32 messages. One warp and four, each with a ring of its own in pinned memory and
 * a word that the host moves as it consumes. The host reads every word of every message and checks
 * it; the clock runs from the first message that it sees to the last that it has checked.
 */
#include "gpu_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4096u
#define WARPS_MAX 4u
#define RUNS 3
#define CHUNKS 4u
#define SILENCE_NS UINT64_C(5000000000)

/* Rings of chunk[SLOTS * 4]; heads[32 * warp]: how many the host has consumed; tails[32 * warp]:
 * how many are there (ways with a release). Message i is 4 chunks {i, 3 * i + k, i ^ k, i + 1}. */
static const char source[] =
    "#define ALL 0xffffffffu\n"
    "#define SLOTS 4096u\n"
    "RK_FN chunk chunk_of(rk_u32 i, rk_u32 k) {\n"
    "  chunk c = {{i, 3u * i + k, i ^ k, i + 1u}};\n"
    "  return c;\n"
    "}\n"
    /* Waits until there is room for all messages before `end`. Pairs with the host's release. */
    "RK_FN int wait_room(const rk_u32 *head, rk_u32 *seen, rk_u32 end, patience *p) {\n"
    "  while ((rk_i32)(end - *seen - SLOTS) > 0) {\n"
    "    *seen = rk_ld_acquire_sys_u32(head);\n"
    "    if (patience_is_over(p)) { return 0; }\n"
    "  }\n"
    "  return 1;\n"
    "}\n"
    "#define BEGIN(step)                                                          \\\n"
    "  const rk_u32 lane = rk_ptx_thread() & 31u, warp = rk_ptx_thread() >> 5;    \\\n"
    "  chunk *ring = RK_PTR(chunk, rings) + warp * SLOTS * 4u;                    \\\n"
    "  const rk_u32 *head = RK_PTR(const rk_u32, heads) + 32u * warp;             \\\n"
    "  rk_u32 *tail = RK_PTR(rk_u32, tails) + 32u * warp;                         \\\n"
    "  rk_u32 seen = 0u;                                                          \\\n"
    "  patience p = patience_begin();                                             \\\n"
    "  (void)tail;                                                                \\\n"
    "  for (rk_u32 i = 0u; i < count; i += (step)) {                              \\\n"
    "    if (!wait_room(head, &seen, i + (step), &p)) { return; }\n"
    /* 32 lanes write 8 messages at once. */
    "RK_FN void write8(chunk *ring, rk_u32 i, rk_u32 lane) {\n"
    "  const rk_u32 m = i + lane / 4u, k = lane & 3u;\n"
    "  chunk_store(&ring[(m & (SLOTS - 1u)) * 4u + k], chunk_of(m, k));\n"
    "}\n" GPU_KERNEL "by_message(rk_u64 rings, rk_u64 heads, rk_u64 tails, rk_u32 count) {\n"
    "  BEGIN(1u)\n"
    "    if (lane < 4u) { chunk_store(&ring[(i & (SLOTS - 1u)) * 4u + lane], chunk_of(i, lane)); "
    "}\n"
    "    rk_ptx_warp_meet(ALL);\n"
    "    if (lane == 0u) { rk_st_release_sys_u32(tail, i + 1u); }\n"
    "  }\n"
    "}\n" GPU_KERNEL "by_tag(rk_u64 rings, rk_u64 heads, rk_u64 tails, rk_u32 count) {\n"
    "  BEGIN(8u)\n"
    "    write8(ring, i, lane);\n"
    "  }\n"
    "}\n" GPU_KERNEL "by_batch(rk_u64 rings, rk_u64 heads, rk_u64 tails, rk_u32 count) {\n"
    "  BEGIN(32u)\n"
    "    for (rk_u32 k = 0u; k < 32u; k += 8u) { write8(ring, i + k, lane); }\n"
    "    rk_ptx_warp_meet(ALL);\n"
    "    if (lane == 0u) { rk_st_release_sys_u32(tail, i + 32u); }\n"
    "  }\n"
    "}\n";

typedef struct rings {
  const gpu *g;
  const char *name;
  unsigned char *slots;
  uint32_t *heads, *tails;
  uint32_t warps, count;
  bool has_tags;
} rings;

/* Reads message `i` of a ring and checks it; false: it is not there yet. */
static bool take(const rings *r, uint32_t warp, uint32_t i)
{
  const unsigned char *from = r->slots + ((size_t)warp * SLOTS + (i & (SLOTS - 1u))) * CHUNKS * 16u;
  for (uint32_t k = CHUNKS; k-- > 0;) {
    gpu_chunk c = gpu_chunk_load(from + k * 16u);
    if (r->has_tags && c[3] != i + 1u) {
      return false;
    }
    if (c[0] != i || c[1] != 3u * i + k || c[2] != (i ^ k) || c[3] != i + 1u) {
      gpu_die(r->g, "%s: message %u of warp %u is wrong", r->name, i, warp);
    }
  }
  return true;
}

/* Consumes everything; returns ns from the first message to the last. */
static uint64_t consume(const rings *r, CUstream stream)
{
  uint32_t at[WARPS_MAX] = {0}, told[WARPS_MAX] = {0}, open = r->warps;
  uint64_t start_ns = 0, last_ns = gpu_now_ns();
  while (open > 0) {
    bool moved = false;
    for (uint32_t w = 0; w < r->warps; ++w) {
      uint32_t before = at[w], limit = at[w] + 64u < r->count ? at[w] + 64u : r->count;
      if (!r->has_tags) { /* pairs with the kernel's release */
        uint32_t tail = __atomic_load_n(&r->tails[32u * w], __ATOMIC_ACQUIRE);
        limit = tail < limit ? tail : limit;
      }
      while (at[w] < limit && take(r, w, at[w])) {
        at[w] += 1;
      }
      moved = moved || at[w] != before;
      if (at[w] - told[w] >= SLOTS / 8u || (at[w] == r->count && before != at[w])) {
        __atomic_store_n(&r->heads[32u * w], at[w], __ATOMIC_RELEASE);
        told[w] = at[w];
      }
      open -= at[w] == r->count && before != at[w];
    }
    if (moved) {
      start_ns = start_ns != 0 ? start_ns : gpu_now_ns();
      last_ns = 0;
      continue;
    }
    gpu_pause();
    last_ns = last_ns != 0 ? last_ns : gpu_now_ns();
    if (gpu_now_ns() - last_ns > SILENCE_NS) {
      gpu_die(r->g, "%s: messages stopped after %u of %u", r->name, at[0], r->count);
    }
    if (start_ns == 0) {
      (void)r->g->api->stream_query(stream);
    }
  }
  return gpu_now_ns() - start_ns;
}

static void measure(rings *r, CUfunction function, const char *what)
{
  char name[64];
  double rates[RUNS];
  size_t runs = (size_t)gpu_scale(r->g, RUNS, 1);
  CUstream stream = gpu_stream(r->g);
  CUdeviceptr slots = (CUdeviceptr)(uintptr_t)r->slots, heads = (CUdeviceptr)(uintptr_t)r->heads,
              tails = (CUdeviceptr)(uintptr_t)r->tails;
  (void)snprintf(name, sizeof(name), "%s, %u warp%s", what, r->warps, r->warps > 1 ? "s" : "");
  r->name = name;
  for (size_t run = 0; run < runs; ++run) {
    memset(r->slots, 0, (size_t)r->warps * SLOTS * CHUNKS * 16u);
    memset(r->heads, 0, WARPS_MAX * 128u);
    memset(r->tails, 0, WARPS_MAX * 128u);
    gpu_launch(r->g, function, 1, r->warps * 32u, stream,
               (void *[]){&slots, &heads, &tails, &r->count});
    uint64_t ns = consume(r, stream);
    gpu_finish(r->g, stream, 5);
    rates[run] = (double)r->warps * (double)r->count * 1e3 / (double)ns;
  }
  GPU(r->g, stream_destroy(stream));
  gpu_report(r->g, name, "M/s", rates, runs,
             "%u messages of 64 B a warp, every word read and checked by one host thread",
             r->count);
}

int main(void)
{
  static const struct {
    const char *function, *what;
    bool has_tags;
    uint32_t count;
  } ways[] = {{"by_message", "a release for each message", false, 1u << 16},
              {"by_tag", "tags, no fence", true, 1u << 22},
              {"by_batch", "a release for 32 messages", false, 1u << 21}};
  gpu g;
  if (!gpu_open(&g, "E4")) {
    return GPU_SKIPPED;
  }
  CUmodule module = gpu_module(&g, "k2h", source);
  if (module == NULL) {
    return GPU_SKIPPED;
  }
  rings r = {.g = &g,
             .slots = gpu_shared(&g, (size_t)WARPS_MAX * SLOTS * CHUNKS * 16u),
             .heads = gpu_shared(&g, 4096),
             .tails = gpu_shared(&g, 4096)};
  for (size_t way = 0; way < sizeof(ways) / sizeof(*ways); ++way) {
    for (r.warps = 1; r.warps <= WARPS_MAX; r.warps *= 4u) {
      r.has_tags = ways[way].has_tags;
      r.count = (uint32_t)gpu_scale(&g, ways[way].count, 2u * SLOTS);
      measure(&r, gpu_function(&g, module, ways[way].function), ways[way].what);
    }
  }
  gpu_close(&g);
  return 0;
}
