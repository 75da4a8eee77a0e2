/* SPDX-License-Identifier: MIT */
/*
 * What the files of NVRTC share: the functions that are used of it, looking for it
 * (cuda_nvrtc_load.c), reading what it says (cuda_nvrtc_log.c), compiling (cuda_nvrtc.c). Its
 * declarations are our own: the build needs no CUDA.
 */
#ifndef RK_BACKEND_CUDA_NVRTC_INTERNAL_H
#define RK_BACKEND_CUDA_NVRTC_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "backend/cuda/cuda_nvrtc.h"
#include "base/error.h"
#include "base/platform.h"

/* A program of NVRTC: a source with its headers. */
typedef struct rk_nvrtc_program rk_nvrtc_program;

/* Results of NVRTC's functions. */
enum {
  RK_NVRTC_SUCCESS = 0,
  RK_NVRTC_OUT_OF_MEMORY = 1,
  RK_NVRTC_INVALID_OPTION = 5,
  RK_NVRTC_COMPILATION = 6,
  RK_NVRTC_BUILTINS = 7
};

struct rk_nvrtc {
  rk_nvrtc_info info;
  char path[RK_PATH_BYTES];
  int (*version)(int *major, int *minor);
  int (*arch_count)(int *count);
  int (*archs)(int *list);
  int (*create)(rk_nvrtc_program **program, const char *source, const char *name, int header_count,
                const char *const *texts, const char *const *names);
  int (*destroy)(rk_nvrtc_program **program);
  int (*compile)(rk_nvrtc_program *program, int option_count, const char *const *options);
  int (*log_size)(rk_nvrtc_program *program, size_t *size);
  int (*log)(rk_nvrtc_program *program, char *text);
  int (*ptx_size)(rk_nvrtc_program *program, size_t *size);
  int (*ptx)(rk_nvrtc_program *program, char *text);
  int (*cubin_size)(rk_nvrtc_program *program, size_t *size);
  int (*cubin)(rk_nvrtc_program *program, char *image);
  const char *(*error_text)(int code);
};

/* Looks for NVRTC as cuda_nvrtc.h says and fills *into, whatever it held. `driver`: the version that
 * it should suit, 12040 for CUDA 12.4; 0: any will do. RK_ENO_COMPILER; what was opened on the way
 * stays open. Threads: one at a time. */
int rk__nvrtc_load(rk_nvrtc *into, int driver, rk_error *err);

/* Turns a log of NVRTC into `text`, of 2 * size + 1 bytes: places as "file:line:", the assembler's
 * reports, advice and sums left out. Zero bytes inside `log` are skipped. Threads: any. */
void rk__nvrtc_log_clean(const char *log, size_t size, char *text);

/* Reads the assembler's report of `entry` from a log of NVRTC. Threads: any. */
void rk__nvrtc_log_usage(const char *log, size_t size, const char *entry, rk_nvrtc_usage *usage);

/* Fills `err` with the first error of a cleaned log as "file:line: message", or else with its first
 * line. Returns RK_ECOMPILE. Threads: any. */
int rk__nvrtc_log_first_error(const char *text, rk_error *err);

#endif
