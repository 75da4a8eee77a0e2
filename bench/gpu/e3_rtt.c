/* SPDX-License-Identifier: MIT */
/*
 * E3: from the host to a polling kernel and back, through pinned memory alone.
 *
 * Three sizes; two ways to say that a message is complete (a tag in every 16 bytes, or plain
 * payload and a flag with release and acquire); one, two or four warps that poll the same slot, so
 * that as many reads are on their way at any time. The kernel inverts the payload and the host
 * checks every word of every answer: what is timed was read by the device. One message at a time.
 */
#include "gpu_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AREA_BYTES 4096u
#define FLAG_BYTES 128u /* the flag's own line, before the payload */
#define END 0xffffffffu
#define MASK 0x5a5a5a5au
#define ANSWER_NS UINT64_C(3000000000)
#define SAMPLES 20000u

/* Slots are not taken away while somebody reads: the host posts the next message only when it has
 * the answer, and the last one stays. A warp that comes late therefore sees a later number. */
static const char source[] =
    "#define ALL 0xffffffffu\n"
    "RK_FN int mine(rk_u32 *taken, rk_u32 seq, rk_u32 lane) {\n"
    "  rk_u32 old = lane == 0u ? shared_cas(taken, seq - 1u, seq) : 0u;\n"
    "  return (rk_u32)rk_ptx_warp_shuffle(ALL, old, 0u) == seq - 1u;\n"
    "}\n"
    "RK_FN chunk invert(chunk c, rk_u32 words) {\n"
    "  for (rk_u32 i = 0; i < words; ++i) { c.w[i] ^= 0x5a5a5a5au; }\n"
    "  return c;\n"
    "}\n" GPU_KERNEL "echo_tag(rk_u64 in, rk_u64 out, rk_u32 chunks) {\n"
    "  RK_PTX_SHARED rk_u32 taken;\n"
    "  const rk_u32 lane = rk_ptx_thread() & 31u;\n"
    "  patience p = patience_begin();\n"
    "  if (rk_ptx_thread() == 0u) { taken = 0u; }\n"
    "  rk_ptx_block_meet();\n"
    "  for (rk_u32 next = 1u;;) {\n"
    "    chunk c = {{0u, 0u, 0u, next}};\n"
    "    if (lane < chunks) { c = chunk_load(RK_PTR(const chunk, in) + lane); }\n"
    "    const rk_u32 seq = (rk_u32)rk_ptx_warp_shuffle(ALL, c.w[3], 0u);\n"
    "    const int ok = lane >= chunks || (c.w[3] == seq && (rk_i32)(seq - next) >= 0);\n"
    "    if (rk_ptx_warp_ballot(ALL, ok) == ALL) {\n"
    "      if ((rk_u32)rk_ptx_warp_shuffle(ALL, c.w[0], 0u) == ALL) { return; }\n"
    "      if (mine(&taken, seq, lane) && lane < chunks) {\n"
    "        chunk_store(RK_PTR(chunk, out) + lane, invert(c, 3u));\n"
    "      }\n"
    "      next = seq + 1u;\n"
    "    }\n"
    "    if (rk_ptx_warp_ballot(ALL, patience_is_over(&p)) != 0u) { return; }\n"
    "  }\n"
    "}\n" GPU_KERNEL "echo_flag(rk_u64 in, rk_u64 out, rk_u32 chunks) {\n"
    "  RK_PTX_SHARED rk_u32 taken;\n"
    "  const rk_u32 lane = rk_ptx_thread() & 31u;\n"
    "  patience p = patience_begin();\n"
    "  if (rk_ptx_thread() == 0u) { taken = 0u; }\n"
    "  rk_ptx_block_meet();\n"
    "  for (rk_u32 next = 1u;;) {\n"
    /* Pairs with the host's release of the flag; the shuffle hands it to the other lanes. */
    "    rk_u32 seq = lane == 0u ? rk_ld_acquire_sys_u32(RK_PTR(const rk_u32, in)) : 0u;\n"
    "    seq = (rk_u32)rk_ptx_warp_shuffle(ALL, seq, 0u);\n"
    "    rk_ptx_warp_meet(ALL);\n"
    "    if ((rk_i32)(seq - next) >= 0) {\n"
    "      chunk c = {{0u, 0u, 0u, 0u}};\n"
    "      if (lane < chunks) { c = chunk_load(RK_PTR(const chunk, in + 128u) + lane); }\n"
    "      if ((rk_u32)rk_ptx_warp_shuffle(ALL, c.w[0], 0u) == ALL) { return; }\n"
    "      if (mine(&taken, seq, lane)) {\n"
    "        if (lane < chunks) {\n"
    "          chunk_store(RK_PTR(chunk, out + 128u) + lane, invert(c, 4u));\n"
    "        }\n"
    "        rk_ptx_warp_meet(ALL);\n"
    /* Pairs with the host's acquire. */
    "        if (lane == 0u) { rk_st_release_sys_u32(RK_PTR(rk_u32, out), seq); }\n"
    "      }\n"
    "      next = seq + 1u;\n"
    "    }\n"
    "    if (rk_ptx_warp_ballot(ALL, patience_is_over(&p)) != 0u) { return; }\n"
    "  }\n"
    "}\n";

typedef struct slot {
  unsigned char *in, *out;
  uint32_t chunks;
  bool is_tagged;
} slot;

static uint32_t word_of(uint32_t seq, uint32_t index)
{
  return seq * 2654435761u + index * 40503u;
}

static void post(const slot *s, uint32_t seq, bool is_end)
{
  unsigned char *to = s->in + (s->is_tagged ? 0u : FLAG_BYTES);
  for (uint32_t i = 0; i < s->chunks; ++i) {
    gpu_chunk c = {word_of(seq, 4 * i), word_of(seq, 4 * i + 1), word_of(seq, 4 * i + 2),
                   s->is_tagged ? seq : word_of(seq, 4 * i + 3)};
    if (i == 0) {
      c[0] = is_end ? END : c[0] & 0x7fffffffu;
    }
    gpu_chunk_store(to + (size_t)i * sizeof(c), c);
  }
  if (!s->is_tagged) { /* pairs with the kernel's acquire */
    __atomic_store_n((uint32_t *)(void *)s->in, seq, __ATOMIC_RELEASE);
  }
}

static bool has_answer(const slot *s, uint32_t seq)
{
  if (!s->is_tagged) {
    return __atomic_load_n((const uint32_t *)(const void *)s->out, __ATOMIC_ACQUIRE) == seq;
  }
  for (uint32_t i = s->chunks; i-- > 0;) {
    if (gpu_chunk_load(s->out + (size_t)i * sizeof(gpu_chunk))[3] != seq) {
      return false;
    }
  }
  return true;
}

static bool is_right(const slot *s, uint32_t seq)
{
  const unsigned char *from = s->out + (s->is_tagged ? 0u : FLAG_BYTES);
  bool right = true;
  for (uint32_t i = 0; i < s->chunks; ++i) {
    gpu_chunk c = gpu_chunk_load(from + (size_t)i * sizeof(c));
    for (uint32_t k = 0; k < (s->is_tagged ? 3u : 4u); ++k) {
      uint32_t word = word_of(seq, 4 * i + k);
      right = right && (c[k] ^ MASK) == (i + k == 0 ? word & 0x7fffffffu : word);
    }
  }
  return right;
}

static void measure(const gpu *g, CUfunction function, slot *s, uint32_t warps, double *us)
{
  char name[64];
  size_t samples = (size_t)gpu_scale(g, SAMPLES, 50), warmup = samples / 20 + 1;
  CUstream stream = gpu_stream(g);
  CUdeviceptr in = (CUdeviceptr)(uintptr_t)s->in, out = (CUdeviceptr)(uintptr_t)s->out;
  (void)snprintf(name, sizeof(name), "%s, %u B, %u polling", s->is_tagged ? "tags" : "flag",
                 s->chunks * 16u, warps);
  memset(s->in, 0, AREA_BYTES);
  memset(s->out, 0, AREA_BYTES);
  gpu_launch(g, function, 1, warps * 32u, stream, (void *[]){&in, &out, &s->chunks});
  for (size_t i = 0; i < warmup + samples; ++i) {
    uint32_t seq = (uint32_t)i + 1u;
    uint64_t start_ns = gpu_now_ns(), now_ns = start_ns;
    post(s, seq, false);
    for (uint32_t polls = 1; !has_answer(s, seq); ++polls) {
      if (polls % 4096u == 0) {
        (void)g->api->stream_query(stream); /* a launch is sure to start only when asked about */
        if (gpu_now_ns() - start_ns > ANSWER_NS) {
          gpu_die(g, "%s: no answer to message %u", name, seq);
        }
      }
    }
    now_ns = gpu_now_ns();
    if (!is_right(s, seq)) {
      gpu_die(g, "%s: a wrong answer to message %u", name, seq);
    }
    if (i >= warmup) {
      us[i - warmup] = (double)(now_ns - start_ns) / 1e3;
    }
  }
  post(s, (uint32_t)(warmup + samples) + 1u, true);
  gpu_finish(g, stream, 5);
  GPU(g, stream_destroy(stream));
  gpu_report(g, name, "us", us, samples,
             "host to kernel to host; payload of %u B copied, every answer checked",
             s->is_tagged ? s->chunks * 12u : s->chunks * 16u);
}

int main(void)
{
  static const uint32_t sizes[] = {16, 64, 256}, warps[] = {1, 2, 4};
  gpu g;
  if (!gpu_open(&g, "E3")) {
    return GPU_SKIPPED;
  }
  CUmodule module = gpu_module(&g, "rtt", source);
  double *us = calloc(SAMPLES, sizeof(*us));
  if (module == NULL || us == NULL) {
    return GPU_SKIPPED;
  }
  slot s = {.in = gpu_shared(&g, AREA_BYTES), .out = gpu_shared(&g, AREA_BYTES)};
  CUfunction functions[] = {gpu_function(&g, module, "echo_tag"),
                            gpu_function(&g, module, "echo_flag")};
  for (int way = 0; way < 2; ++way) {
    for (int size = 0; size < 3; ++size) {
      for (int w = 0; w < 3; ++w) {
        s.is_tagged = way == 0;
        s.chunks = sizes[size] / 16u;
        measure(&g, functions[way], &s, warps[w], us);
      }
    }
  }
  free(us);
  gpu_close(&g);
  return 0;
}
