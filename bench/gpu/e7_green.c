/* SPDX-License-Identifier: MIT */
/*
 * E7: does a green context hold a kernel on its multiprocessors, and leave the others free?
 *
 * The device is split. A kernel of many blocks in each part tells which multiprocessors it ran on:
 * the two sets must not meet. Then a resident kernel fills one part, and small ordinary kernels
 * are timed in the other part, and in the primary context, with and without it.
 */
#include "gpu_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/cuda/cuda_error.h"

#define SAMPLES 2000u
#define PROCESSORS_MAX 1024u
#define LIMIT_MS 700u

static const char source[] = GPU_KERNEL "where(rk_u64 seen) {\n"
                                        "  if (rk_ptx_thread() == 0u) {\n"
                                        "    const rk_u64 start = rk_ptx_time_ns();\n"
                                        "    rk_st_relaxed_sys_u32(RK_PTR(rk_u32, seen) + "
                                        "(processor_id() & 1023u), 1u);\n"
                                        "    while (rk_ptx_time_ns() - start < 20000u) { "
                                        "WAIT_TURN(); }\n" /* others find room elsewhere */
                                        "  }\n"
                                        "}\n";

typedef struct part {
  const gpu *g;
  const char *name;
  CUcontext context;
  CUstream stream;
  CUfunction where, small, spin;
  CUmodule spin_module;
  uint32_t processors;
  uint32_t *seen;
} part;

static void use(const part *p)
{
  GPU(p->g, ctx_set_current(p->context));
}

static void load(part *p, const rk_cuda_image *where, const rk_cuda_image *spin)
{
  CUmodule module = NULL;
  use(p);
  GPU(p->g, module_load_data(&module, where->result.image));
  GPU(p->g, module_load_data(&p->spin_module, spin->result.image));
  p->where = gpu_function(p->g, module, "where");
  p->small = gpu_function(p->g, p->spin_module, "count_one");
  p->seen = gpu_shared(p->g, PROCESSORS_MAX * sizeof(uint32_t));
}

/* Code stays that of the primary context, which is current in all threads, as in the backend: a green
 * one may be current in one thread alone. Its stream is enough. */
static part make_green(const gpu *g, const char *name, CUdevResource *resource)
{
  CUdevResourceDesc desc = NULL;
  CUgreenCtx green = NULL;
  part p = {.g = g, .name = name, .context = g->context, .processors = resource->sm.smCount};
  GPU(g, dev_resource_generate_desc(&desc, resource, 1));
  GPU(g, green_ctx_create(&green, desc, g->device.device, CU_GREEN_CTX_DEFAULT_STREAM));
  GPU(g, green_ctx_stream_create(&p.stream, green, CU_STREAM_NON_BLOCKING, 0));
  return p;
}

/* Runs many blocks and counts the multiprocessors that they saw. */
static uint32_t spread(part *p)
{
  CUdeviceptr seen = (CUdeviceptr)(uintptr_t)p->seen;
  uint32_t found = 0, blocks = (uint32_t)gpu_scale(p->g, 64u * p->processors, p->processors);
  use(p);
  GPU(p->g,
      launch_kernel(p->where, blocks, 1, 1, 128, 1, 1, 0, p->stream, (void *[]){&seen}, NULL));
  gpu_finish(p->g, p->stream, 10);
  for (uint32_t i = 0; i < PROCESSORS_MAX; ++i) {
    found += p->seen[i] != 0;
  }
  return found;
}

typedef struct timing {
  part *p;
  CUdeviceptr word;
  double *us;
  size_t count, done;
} timing;

static CUresult launches(void *arg)
{
  timing *t = arg;
  const rk_cuda_api *api = t->p->g->api;
  CUresult result = api->ctx_set_current(t->p->context);
  for (t->done = 0; t->done < t->count && result == CUDA_SUCCESS; t->done++) {
    uint64_t start_ns = gpu_now_ns();
    result = api->launch_kernel(t->p->small, 1, 1, 1, 32, 1, 1, 0, t->p->stream,
                                (void *[]){&t->word}, NULL);
    while (result == CUDA_SUCCESS &&
           (result = api->stream_query(t->p->stream)) == CUDA_ERROR_NOT_READY) {
      result = CUDA_SUCCESS;
    }
    t->us[t->done] = (double)(gpu_now_ns() - start_ns) / 1e3;
  }
  return result;
}

static void time_small(part *p, CUdeviceptr word, gpu_spin *spin, const char *beside)
{
  char name[128];
  double us[SAMPLES];
  timing t = {.p = p, .word = word, .us = us, .count = (size_t)gpu_scale(p->g, SAMPLES, 10)};
  (void)snprintf(name, sizeof(name), "launch and end in %s, %s", p->name, beside);
  gpu_bounded_result r = gpu_bounded(p->g, launches, &t, LIMIT_MS, spin);
  if (r.is_stuck) {
    gpu_die(p->g, "%s: does not return", name);
  }
  if (r.was_blocked) {
    gpu_note(p->g, name, "blocked > %u ms, or slower than that for %zu launches (%zu done)",
             LIMIT_MS, t.count, t.done);
  } else if (r.result != CUDA_SUCCESS) {
    gpu_note(p->g, name, "returned %s", rk_cuda_result_name(p->g->api, r.result));
  } else {
    gpu_report(p->g, name, "us", us, t.count, "one block of 32, each launch waited for by asking");
  }
}

static void beside_spin(part *busy, part *others, size_t count, CUdeviceptr word)
{
  gpu_spin spin;
  use(busy);
  gpu_spin_init(&spin, busy->g, busy->spin_module, busy->stream, busy->processors);
  for (size_t i = 0; i < count; ++i) {
    use(busy);
    if (!spin.runs && !gpu_spin_start(&spin)) {
      gpu_note(busy->g, "a resident kernel on a whole part", "it did not start");
      return;
    }
    time_small(&others[i], word, &spin, "beside a resident kernel");
    if (__atomic_load_n(&spin.control[0], __ATOMIC_ACQUIRE) != 0) {
      use(busy);
      gpu_spin_end(&spin);
    }
  }
  use(busy);
  gpu_spin_end(&spin);
}

int main(void)
{
  gpu g;
  rk_cuda_image where, spin;
  CUdevResource all, first, rest;
  unsigned groups = 1;
  uint32_t both = 0;
  if (!gpu_open(&g, "E7")) {
    return GPU_SKIPPED;
  }
  if (!rk_cuda_has(g.api, RK_CUDA_GREEN) || !g.device.has_green_contexts) {
    gpu_note(&g, "skipped", "the driver or the device has no green contexts");
    return GPU_SKIPPED;
  }
  if (!gpu_image(&g, "where", source, &where) || !gpu_image(&g, "spin", gpu_spin_source, &spin)) {
    return GPU_SKIPPED;
  }
  GPU(&g, device_get_dev_resource(g.device.device, &all, CU_DEV_RESOURCE_TYPE_SM));
  unsigned wanted = all.sm.smCount / 2u < 16u ? all.sm.smCount / 2u : 16u;
  CUresult split = g.api->dev_sm_resource_split_by_count(&rest, &groups, &all, &first, 0, wanted);
  if (split != CUDA_SUCCESS || groups == 0 || first.sm.smCount == 0) {
    gpu_note(&g, "skipped", "cannot split %u multiprocessors: %s", all.sm.smCount,
             rk_cuda_result_name(g.api, split));
    return GPU_SKIPPED;
  }
  part busy = make_green(&g, "the large part", &first);
  part others[] = {make_green(&g, "the small part", &rest),
                   {.g = &g,
                    .name = "the primary context",
                    .context = g.context,
                    .stream = gpu_stream(&g),
                    .processors = g.device.processors}};
  CUdeviceptr word = gpu_memory(&g, 64);
  load(&busy, &where, &spin);
  load(&others[0], &where, &spin);
  load(&others[1], &where, &spin);
  uint32_t large = spread(&busy), small = spread(&others[0]);
  for (uint32_t i = 0; i < PROCESSORS_MAX; ++i) {
    both += busy.seen[i] != 0 && others[0].seen[i] != 0;
  }
  gpu_report_one(&g, "multiprocessors seen in both parts", "count", both,
                 "%u of %u in the large part, %u of %u in the small one%s", large, busy.processors,
                 small, others[0].processors,
                 g.is_fake ? "; the fake driver does not model which ones" : "");
  for (size_t i = 0; i < 2; ++i) {
    time_small(&others[i], word, NULL, "alone");
  }
  beside_spin(&busy, others, 2, word);
  rk_cuda_image_release(&where);
  rk_cuda_image_release(&spin);
  gpu_close(&g);
  return 0;
}
