/* SPDX-License-Identifier: MIT */
/*
 * E1: does loading a module return while a kernel stays resident?
 *
 * In the kernel's own context, in the primary context while the kernel runs in a green one, and in
 * another process. If it does, a generation need not end before the next one's code is loaded; if
 * it blocks, the library's rule stands: nothing is loaded while a grid runs.
 */
#include "gpu_common.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/cuda/cuda_error.h"

#define LIMIT_MS 700u

extern char **environ;

static const char tiny[] = GPU_KERNEL "tiny(rk_u64 word) { *RK_PTR(rk_u32, word) = 7u; }\n";

typedef struct loading {
  const gpu *g;
  const void *image;
  CUmodule module;
  CUfunction function;
  CUstream stream;
  CUdeviceptr word;
} loading;

static CUresult load(void *arg)
{
  loading *l = arg;
  return l->g->api->module_load_data(&l->module, l->image);
}
static CUresult find(void *arg)
{
  loading *l = arg;
  return l->g->api->module_get_function(&l->function, l->module, "tiny");
}
static CUresult launch(void *arg)
{
  loading *l = arg;
  void *params[] = {&l->word};
  CUresult result = l->g->api->launch_kernel(l->function, 1, 1, 1, 1, 1, 1, 0, l->stream, params,
                                             NULL);
  while (result == CUDA_SUCCESS &&
         (result = l->g->api->stream_query(l->stream)) == CUDA_ERROR_NOT_READY) {
    result = CUDA_SUCCESS;
    (void)usleep(20);
  }
  return result;
}
static CUresult unload(void *arg)
{
  const loading *l = arg;
  return l->g->api->module_unload(l->module);
}

/* One line: how long it took, or that it waited. Returns whether to go on. */
static bool tell(const gpu *g, const char *place, const char *what, gpu_bounded_result r)
{
  char name[96];
  (void)snprintf(name, sizeof(name), "%s: %s", place, what);
  if (r.is_stuck) {
    gpu_die(g, "%s: does not return even after the kernel's end", name);
  }
  if (r.was_blocked) {
    gpu_note(g, name, "blocked > %u ms; returned %s once the kernel had ended", LIMIT_MS,
             rk_cuda_result_name(g->api, r.result));
  } else if (r.result != CUDA_SUCCESS) {
    gpu_note(g, name, "returned %s", rk_cuda_result_name(g->api, r.result));
  } else {
    gpu_report_one(g, name, "us", (double)r.ns / 1e3, "returned while the kernel ran");
  }
  return !r.was_blocked && r.result == CUDA_SUCCESS;
}

static void steps(const gpu *g, const char *place, gpu_spin *spin, loading *l)
{
  static const struct {
    const char *what;
    CUresult (*fn)(void *arg);
  } all[] = {{"cuModuleLoadData", load},
             {"cuModuleGetFunction", find},
             {"first launch, until its end", launch},
             {"cuModuleUnload", unload}};
  bool loaded = false, unloaded = false;
  for (size_t i = 0; i < sizeof(all) / sizeof(*all); ++i) {
    if (!spin->runs && !gpu_spin_start(spin)) {
      gpu_note(g, place, "the kernel that stays did not start");
      return;
    }
    gpu_bounded_result r = gpu_bounded(g, all[i].fn, l, LIMIT_MS, spin);
    bool ok = r.result == CUDA_SUCCESS;
    (void)tell(g, place, all[i].what, r);
    if (r.was_blocked) {
      gpu_spin_end(spin);
    }
    loaded = loaded || (i == 0 && ok);
    unloaded = unloaded || (i == 3 && ok);
    if (!ok) {
      break;
    }
  }
  gpu_spin_end(spin);
  if (loaded && !unloaded) {
    GPU(g, module_unload(l->module));
  }
}

/* The kernel in a green context of its own; the module goes to the primary one. */
static void beside_green(gpu *g, const void *spin_image, loading *l)
{
  const rk_cuda_api *api = g->api;
  static const char place[] = "kernel in a green context, load in the primary one";
  CUdevResource all, part, rest;
  CUdevResourceDesc desc = NULL;
  CUgreenCtx green = NULL;
  CUcontext inside = NULL;
  CUstream stream = NULL;
  CUmodule module = NULL;
  unsigned groups = 1;
  gpu_spin spin;
  if (!rk_cuda_has(api, RK_CUDA_GREEN) || !g->device.has_green_contexts) {
    gpu_note(g, place, "skipped: the driver has no green contexts");
    return;
  }
  GPU(g, device_get_dev_resource(g->device.device, &all, CU_DEV_RESOURCE_TYPE_SM));
  CUresult split = api->dev_sm_resource_split_by_count(&part, &groups, &all, &rest, 0, 8);
  if (split != CUDA_SUCCESS || groups == 0) {
    gpu_note(g, place, "skipped: cannot split %u multiprocessors: %s", all.sm.smCount,
             rk_cuda_result_name(api, split));
    return;
  }
  GPU(g, dev_resource_generate_desc(&desc, &part, 1));
  GPU(g, green_ctx_create(&green, desc, g->device.device, CU_GREEN_CTX_DEFAULT_STREAM));
  GPU(g, ctx_from_green_ctx(&inside, green));
  GPU(g, green_ctx_stream_create(&stream, green, CU_STREAM_NON_BLOCKING, 0));
  GPU(g, ctx_set_current(inside));
  GPU(g, module_load_data(&module, spin_image));
  gpu_spin_init(&spin, g, module, stream, 1);
  bool started = gpu_spin_start(&spin);
  GPU(g, ctx_set_current(g->context));
  if (started) {
    steps(g, place, &spin, l);
  } else {
    gpu_note(g, place, "the kernel that stays did not start");
  }
}

/* What the second process does: opens the device and loads. Its own limit ends it. */
static int child(void)
{
  gpu g;
  if (!gpu_open(&g, "E1")) {
    return GPU_SKIPPED;
  }
  CUmodule module = gpu_module(&g, "tiny", tiny);
  if (module == NULL) {
    return GPU_SKIPPED;
  }
  loading l = {.g = &g,
               .function = gpu_function(&g, module, "tiny"),
               .stream = gpu_stream(&g),
               .word = gpu_memory(&g, 64)};
  return launch(&l) == CUDA_SUCCESS ? 0 : 1;
}

static void other_process(const gpu *g, gpu_spin *spin, const char *self)
{
  static const char name[] = "another process opens the device, loads, launches";
  char *const argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "--child", NULL};
  posix_spawn_file_actions_t actions;
  pid_t pid = 0;
  int status = 0;
  uint64_t limit_ns = gpu_now_ns() + UINT64_C(8000000000);
  if (!gpu_spin_start(spin)) {
    gpu_note(g, name, "the kernel that stays did not start");
    return;
  }
  (void)posix_spawn_file_actions_init(&actions);
  (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
  uint64_t start_ns = gpu_now_ns();
  int rc = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  if (rc != 0) {
    gpu_note(g, name, "cannot start it: %s", strerror(rc));
    gpu_spin_end(spin);
    return;
  }
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (spin->runs && gpu_now_ns() > limit_ns) {
      gpu_note(g, name, "blocked > 8 s");
      gpu_spin_end(spin);
    }
    (void)usleep(1000);
  }
  uint64_t end_ns = gpu_now_ns();
  bool waited = !spin->runs;
  gpu_spin_end(spin);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    gpu_note(g, name, "it failed (status %d)", status);
  } else if (!waited) {
    gpu_report_one(g, name, "ms", (double)(end_ns - start_ns) / 1e6,
                   "the whole process, from its start to its end, beside the resident kernel");
  }
}

int main(int argc, char **argv)
{
  gpu g;
  gpu_spin spin;
  rk_cuda_image image, spin_image;
  if (argc > 1 && strcmp(argv[1], "--child") == 0) {
    return child();
  }
  if (!gpu_open(&g, "E1")) {
    return GPU_SKIPPED;
  }
  if (!gpu_image(&g, "spin", gpu_spin_source, &spin_image) ||
      !gpu_image(&g, "tiny", tiny, &image)) {
    return GPU_SKIPPED;
  }
  CUmodule module = NULL;
  GPU(&g, module_load_data(&module, spin_image.result.image));
  gpu_spin_init(&spin, &g, module, NULL, 1);
  loading l = {
      .g = &g, .image = image.result.image, .stream = gpu_stream(&g), .word = gpu_memory(&g, 64)};
  steps(&g, "same context", &spin, &l);
  other_process(&g, &spin, argv[0]);
  beside_green(&g, spin_image.result.image, &l);
  rk_cuda_image_release(&image);
  rk_cuda_image_release(&spin_image);
  gpu_close(&g);
  return 0;
}
