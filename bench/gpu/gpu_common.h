/* SPDX-License-Identifier: MIT */
/*
 * What the programs of bench/gpu share: the device, kernels from text, a kernel that stays, waits
 * that end, and the lines that check.lua reads.
 *
 * The programs ask what a device does, so they may do what the library must not: call the driver
 * while a kernel stays resident. Every wait is bounded three times. A call that may wait runs on a
 * thread (gpu_bounded), and the resident kernel is ended for it when it does not come back. Every
 * kernel leaves by itself after GPU_KERNEL_LIMIT_NS. And the program ends itself after GPU_LIMIT_S
 * seconds, whatever happens.
 *
 * Output is that of bench/c/bench.h, a line for each case:
 *   result  <experiment>: <case>  unit  median  min  q25  q75  p99  max  samples  what it includes
 *   note    <experiment>: <case>  what happened instead of a value
 * with tabs between the fields.
 *
 * Environment: GPU_SHORT=1 (few samples: to see that everything runs),
 * GPU_LIMIT_S (90), RINGKERNEL_LIBCUDA, RINGKERNEL_NVRTC, RINGKERNEL_CACHE.
 *
 * Programs here use threads and clocks of the system directly: they time the real machine.
 */
#ifndef GPU_COMMON_H
#define GPU_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backend/cuda/cuda_api.h"
#include "backend/cuda/cuda_cache.h"
#include "backend/cuda/cuda_device.h"

#define GPU_KERNEL_LIMIT_NS UINT64_C(60000000000)

/* ---- the device ------------------------------------------------------------------------------ */

typedef struct gpu {
  const rk_cuda_api *api;
  rk_cuda_device_info device;
  CUcontext context; /* the primary one, current in the caller's thread */
  rk_cuda_cache *cache;
  const char *experiment;
  bool is_fake;  /* the driver is the one of the tests: nothing is a device's figure */
  bool is_short; /* GPU_SHORT */
} gpu;

/* Opens the device. Without one it prints a line with the reason and returns false; the program
 * then ends with GPU_SKIPPED. */
bool gpu_open(gpu *g, const char *experiment);
void gpu_close(gpu *g);
#define GPU_SKIPPED 77

/* `full` samples, or few when GPU_SHORT says so. */
uint64_t gpu_scale(const gpu *g, uint64_t full, uint64_t few);

/* Ends the program with a line that says what failed, unless the call succeeded. */
#define GPU(g, call) gpu_must((g), (g)->api->call, #call)
void gpu_must(const gpu *g, CUresult result, const char *call);
_Noreturn void gpu_die(const gpu *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Compiles `source` behind GPU_DEVICE_PRELUDE for the device and loads it. NULL, and a line with
 * the first error, where it does not compile (an old NVRTC). */
CUmodule gpu_module(const gpu *g, const char *name, const char *source);
CUfunction gpu_function(const gpu *g, CUmodule module, const char *name);
/* The image alone, for what loads it elsewhere. */
bool gpu_image(const gpu *g, const char *name, const char *source, rk_cuda_image *out);

/* Zeroed pinned memory, mapped at the same address on both sides. */
void *gpu_shared(const gpu *g, size_t bytes);
/* Zeroed memory of the device. */
CUdeviceptr gpu_memory(const gpu *g, size_t bytes);

/* Launches, cooperatively: all blocks run at once. `params` as in cuLaunchKernel. */
void gpu_launch(const gpu *g, CUfunction function, uint32_t blocks, uint32_t threads,
                CUstream stream, void **params);
/* Waits for a stream by asking; ends the program after `seconds`. */
void gpu_finish(const gpu *g, CUstream stream, double seconds);
CUstream gpu_stream(const gpu *g);

/* What every source of a kernel here starts with: the library's device headers, words of 16 bytes,
 * and what a loop that waits for others does where threads of a block take turns (the fake). */
extern const char gpu_device_prelude[];
/* Before the name of each kernel, in the text. */
#define GPU_KERNEL "extern \"C\" __global__ void "

/* ---- a kernel that stays --------------------------------------------------------------------- */

/* One block spins until it is told to stop. */
typedef struct gpu_spin {
  const gpu *g;
  CUfunction function;
  CUstream stream;
  uint32_t *control; /* shared: stop; a line on, the blocks' hellos */
  uint32_t blocks;
  bool runs;
} gpu_spin;

/* Prepares it, on `stream` or, if NULL, on one of its own. Everything is loaded and allocated here.
 */
void gpu_spin_init(gpu_spin *spin, const gpu *g, CUmodule module, CUstream stream, uint32_t blocks);
/* Launches and waits for the hellos. Returns whether they came, within 5 s. */
bool gpu_spin_start(gpu_spin *spin);
/* Tells it to stop; does not wait. */
void gpu_spin_stop(gpu_spin *spin);
/* Stops it and waits for its end. */
void gpu_spin_end(gpu_spin *spin);
extern const char gpu_spin_source[]; /* kernel "spin" */

typedef struct gpu_bounded_result {
  CUresult result;
  uint64_t ns;      /* until it returned */
  bool was_blocked; /* it returned only after the spinning kernel was told to stop */
  bool is_stuck;    /* not even then: the program must end */
} gpu_bounded_result;

/* Runs fn(arg) on a thread with the same context. When it has not returned after `limit_ms`, stops
 * `spin` (NULL: nothing) and waits 10 s more. */
gpu_bounded_result gpu_bounded(const gpu *g, CUresult (*fn)(void *arg), void *arg,
                               uint32_t limit_ms, gpu_spin *spin);

/* ---- lines ----------------------------------------------------------------------------------- */

uint64_t gpu_now_ns(void);
static inline void gpu_pause(void)
{
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
/* Sorts `values` and prints the line. */
void gpu_report(const gpu *g, const char *name, const char *unit, double *values, size_t count,
                const char *format, ...) __attribute__((format(printf, 6, 7)));
/* One value. */
void gpu_report_one(const gpu *g, const char *name, const char *unit, double value,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));
/* No value: what happened instead. */
void gpu_note(const gpu *g, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 16 bytes, read and written as one. */
typedef uint32_t gpu_chunk __attribute__((vector_size(16)));
static inline gpu_chunk gpu_chunk_load(const void *from)
{
  return *(const volatile gpu_chunk *)from;
}
static inline void gpu_chunk_store(void *to, gpu_chunk chunk)
{
  *(volatile gpu_chunk *)to = chunk;
}

#endif
