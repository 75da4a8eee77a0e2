/* SPDX-License-Identifier: MIT */
/*
 * Shared parts of the programs in bench/gpu: see gpu_common.h.
 */
#include "gpu_common.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "backend/cuda/cuda_error.h"
#include "base/alloc.h"
#include "base/params.h"

#define HELLO_NS UINT64_C(5000000000)
#define RELEASE_NS UINT64_C(10000000000)
#define CONTROL_WORDS 1024u
#define LINE_BYTES 2048

uint64_t gpu_now_ns(void)
{
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Text as one field of a line. */
static void put_text(const char *text)
{
  for (; *text != '\0'; ++text) {
    (void)putchar((unsigned char)*text < ' ' ? ' ' : *text);
  }
}

static void put_line(const char *experiment, const char *name, const char *unit,
                     const double *sorted, size_t count, const char *note)
{
  static const size_t order[] = {50, 0, 25, 75, 99, 100};
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  (void)pthread_mutex_lock(&lock);
  (void)printf("%s\t%s: ", count == 0 ? "note" : "result", experiment);
  put_text(name);
  if (count != 0) {
    (void)printf("\t%s", unit);
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); ++i) {
      size_t rank = (count * order[i] + 99) / 100;
      (void)printf("\t%.6g", sorted[rank == 0 ? 0 : rank - 1]);
    }
    (void)printf("\t%zu", count);
  }
  (void)putchar('\t');
  put_text(note);
  (void)putchar('\n');
  (void)fflush(stdout);
  (void)pthread_mutex_unlock(&lock);
}

static int by_value(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

#define FORMAT_NOTE(text, format)                    \
  char text[LINE_BYTES];                             \
  va_list args;                                      \
  va_start(args, format);                            \
  (void)vsnprintf(text, sizeof(text), format, args); \
  va_end(args)

void gpu_report(const gpu *g, const char *name, const char *unit, double *values, size_t count,
                const char *format, ...)
{
  FORMAT_NOTE(note, format);
  qsort(values, count, sizeof(*values), by_value);
  put_line(g->experiment, name, unit, values, count, note);
}

void gpu_report_one(const gpu *g, const char *name, const char *unit, double value,
                    const char *format, ...)
{
  FORMAT_NOTE(note, format);
  put_line(g->experiment, name, unit, &value, 1, note);
}

void gpu_note(const gpu *g, const char *name, const char *format, ...)
{
  FORMAT_NOTE(note, format);
  put_line(g->experiment, name, NULL, NULL, 0, note);
}

void gpu_die(const gpu *g, const char *format, ...)
{
  FORMAT_NOTE(note, format);
  put_line(g->experiment, "failed", NULL, NULL, 0, note);
  _exit(1); /* the driver's own end might wait for a kernel that stays */
}

void gpu_must(const gpu *g, CUresult result, const char *call)
{
  if (result != CUDA_SUCCESS) {
    gpu_die(g, "%s: %s", call, rk_cuda_result_name(g->api, result));
  }
}

/* ---- the end that always comes --------------------------------------------------------------- */

static long from_environment(const char *name, long otherwise)
{
  const char *text = getenv(name);
  return text != NULL && *text != '\0' ? strtol(text, NULL, 10) : otherwise;
}

static uint32_t *volatile live_control; /* of the resident kernel, if one runs */

static void *end_program(void *arg)
{
  const gpu *g = arg;
  long limit_s = from_environment("GPU_LIMIT_S", 90);
  (void)sleep((unsigned)limit_s);
  if (live_control != NULL) {
    __atomic_store_n(&live_control[0], 1u, __ATOMIC_RELEASE);
  }
  put_line(g->experiment, "failed", NULL, NULL, 0, "the program ran past its limit and was ended");
  _exit(4);
}

/* ---- the device ------------------------------------------------------------------------------ */

bool gpu_open(gpu *g, const char *experiment)
{
  rk_error err = RK_ERROR_INIT;
  rk_cuda_driver driver;
  pthread_t watchdog;
  *g = (gpu){.experiment = experiment, .is_short = from_environment("GPU_SHORT", 0) != 0};
  if (rk_cuda_open(&g->api, &err) != RK_OK ||
      rk_cuda_device_info_get(g->api, 0, &g->device, &err) != RK_OK) {
    gpu_note(g, "skipped", "%s", err.text);
    return false;
  }
  const char *problem = rk_cuda_device_problem(&g->device);
  if (problem != NULL) {
    gpu_note(g, "skipped", "%s", problem);
    return false;
  }
  rk_cuda_driver_get(&driver);
  g->is_fake = strstr(driver.library, "fakecuda") != NULL;
  if (rk_cuda_cache_open(NULL, &g->cache, &err) != RK_OK ||
      rk_cuda_context_open(g->api, &g->device, &g->context, &err) != RK_OK) {
    gpu_die(g, "%s", err.text);
  }
  if (pthread_create(&watchdog, NULL, end_program, g) != 0) {
    gpu_die(g, "no thread for the watchdog");
  }
  (void)pthread_detach(watchdog);
  return true;
}

void gpu_close(gpu *g)
{
  rk_cuda_cache_close(g->cache);
  (void)fflush(stdout);
  /* Streams, memory and modules go with the process. */
}

uint64_t gpu_scale(const gpu *g, uint64_t full, uint64_t few)
{
  return g->is_short ? few : full;
}

bool gpu_image(const gpu *g, const char *name, const char *source, rk_cuda_image *out)
{
  rk_error err = RK_ERROR_INIT;
  char *log = NULL;
  size_t bytes = strlen(gpu_device_prelude) + strlen(source) + 1;
  char *text = malloc(bytes);
  if (text == NULL) {
    gpu_die(g, "out of memory");
  }
  (void)snprintf(text, bytes, "%s%s", gpu_device_prelude, source);
  const rk_nvrtc_request request = {.name = name, .source = text, .arch = g->device.cc};
  int rc = rk_cuda_image_get(g->cache, &request, out, &log, &err);
  if (rc != RK_OK) {
    gpu_note(g, "skipped", "%s does not compile: %s", name, err.text);
    (void)fputs(log != NULL ? log : "", stderr);
  }
  rk_free(log);
  free(text);
  return rc == RK_OK;
}

CUmodule gpu_module(const gpu *g, const char *name, const char *source)
{
  rk_cuda_image image;
  CUmodule module = NULL;
  if (!gpu_image(g, name, source, &image)) {
    return NULL;
  }
  GPU(g, module_load_data(&module, image.result.image));
  rk_cuda_image_release(&image);
  return module;
}

CUfunction gpu_function(const gpu *g, CUmodule module, const char *name)
{
  CUfunction function = NULL;
  int ignored = 0;
  GPU(g, module_get_function(&function, module, name));
  /* Looked at now, so that nothing is loaded behind a resident kernel. */
  GPU(g, func_get_attribute(&ignored, CU_FUNC_ATTRIBUTE_NUM_REGS, function));
  return function;
}

void *gpu_shared(const gpu *g, size_t bytes)
{
  void *memory = NULL;
  CUdeviceptr address = 0;
  GPU(g, mem_host_alloc(&memory, bytes, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
  GPU(g, mem_host_get_device_pointer(&address, memory, 0));
  if (address != (CUdeviceptr)(uintptr_t)memory) {
    gpu_die(g, "pinned memory has another address on the device");
  }
  memset(memory, 0, bytes);
  return memory;
}

CUdeviceptr gpu_memory(const gpu *g, size_t bytes)
{
  CUdeviceptr address = 0;
  CUstream stream = gpu_stream(g);
  GPU(g, mem_alloc(&address, bytes));
  GPU(g, memset_d8_async(address, 0, bytes, stream));
  gpu_finish(g, stream, 5);
  GPU(g, stream_destroy(stream));
  return address;
}

CUstream gpu_stream(const gpu *g)
{
  CUstream stream = NULL;
  GPU(g, stream_create(&stream, CU_STREAM_NON_BLOCKING));
  return stream;
}

void gpu_launch(const gpu *g, CUfunction function, uint32_t blocks, uint32_t threads,
                CUstream stream, void **params)
{
  GPU(g, launch_cooperative_kernel(function, blocks, 1, 1, threads, 1, 1, 0, stream, params));
}

void gpu_finish(const gpu *g, CUstream stream, double seconds)
{
  uint64_t end_ns = gpu_now_ns() + (uint64_t)(seconds * 1e9);
  for (;;) {
    CUresult result = g->api->stream_query(stream);
    if (result == CUDA_SUCCESS) {
      return;
    }
    if (result != CUDA_ERROR_NOT_READY) {
      gpu_must(g, result, "a kernel");
    }
    if (gpu_now_ns() > end_ns) {
      gpu_die(g, "a kernel did not end within %g s", seconds);
    }
  }
}

/* ---- a kernel that stays --------------------------------------------------------------------- */

void gpu_spin_init(gpu_spin *spin, const gpu *g, CUmodule module, CUstream stream, uint32_t blocks)
{
  if (blocks + 32u > CONTROL_WORDS) {
    gpu_die(g, "%u blocks are too many", blocks);
  }
  *spin = (gpu_spin){.g = g,
                     .function = gpu_function(g, module, "spin"),
                     .stream = stream != NULL ? stream : gpu_stream(g),
                     .control = gpu_shared(g, CONTROL_WORDS * sizeof(uint32_t)),
                     .blocks = blocks};
}

bool gpu_spin_start(gpu_spin *spin)
{
  uint64_t end_ns = gpu_now_ns() + HELLO_NS;
  CUdeviceptr control = (CUdeviceptr)(uintptr_t)spin->control;
  memset(spin->control, 0, CONTROL_WORDS * sizeof(uint32_t));
  gpu_launch(spin->g, spin->function, spin->blocks, 32, spin->stream, (void *[]){&control});
  live_control = spin->control;
  spin->runs = true;
  for (uint32_t block = 0; block < spin->blocks;) {
    if (__atomic_load_n(&spin->control[32u + block], __ATOMIC_ACQUIRE) != 0) {
      block += 1;
    } else if (gpu_now_ns() > end_ns) {
      gpu_spin_end(spin);
      return false;
    } else {
      (void)spin->g->api->stream_query(spin->stream);
    }
  }
  return true;
}

void gpu_spin_stop(gpu_spin *spin)
{
  __atomic_store_n(&spin->control[0], 1u, __ATOMIC_RELEASE);
}

void gpu_spin_end(gpu_spin *spin)
{
  if (spin->runs) {
    gpu_spin_stop(spin);
    gpu_finish(spin->g, spin->stream, 10);
    live_control = NULL;
    spin->runs = false;
  }
}

typedef struct bounded {
  const gpu *g;
  CUcontext context;
  CUresult (*fn)(void *arg);
  void *arg;
  CUresult result;
  uint64_t ns;
  atomic_int done;
} bounded;

static void *run_bounded(void *arg)
{
  bounded *b = arg;
  (void)b->g->api->ctx_set_current(b->context);
  uint64_t start_ns = gpu_now_ns();
  b->result = b->fn(b->arg);
  b->ns = gpu_now_ns() - start_ns;
  atomic_store(&b->done, 1);
  return NULL;
}

static bool wait_done(bounded *b, uint64_t ns)
{
  uint64_t end_ns = gpu_now_ns() + ns;
  while (atomic_load(&b->done) == 0 && gpu_now_ns() < end_ns) {
    (void)usleep(50);
  }
  return atomic_load(&b->done) != 0;
}

gpu_bounded_result gpu_bounded(const gpu *g, CUresult (*fn)(void *arg), void *arg,
                               uint32_t limit_ms, gpu_spin *spin)
{
  bounded *b = calloc(1, sizeof(*b)); /* a stuck thread keeps it */
  gpu_bounded_result out = {.result = CUDA_ERROR_UNKNOWN};
  pthread_t thread;
  if (b == NULL) {
    gpu_die(g, "out of memory");
  }
  *b = (bounded){.g = g, .fn = fn, .arg = arg};
  GPU(g, ctx_get_current(&b->context));
  if (pthread_create(&thread, NULL, run_bounded, b) != 0) {
    gpu_die(g, "no thread");
  }
  if (!wait_done(b, (uint64_t)limit_ms * 1000000u)) {
    out.was_blocked = true;
    if (spin != NULL) {
      gpu_spin_stop(spin);
    }
    out.is_stuck = !wait_done(b, RELEASE_NS);
  }
  if (out.is_stuck) {
    (void)pthread_detach(thread);
    return out;
  }
  (void)pthread_join(thread, NULL);
  out.result = b->result;
  out.ns = b->ns;
  free(b);
  return out;
}
