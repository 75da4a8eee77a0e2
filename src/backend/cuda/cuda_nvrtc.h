/* SPDX-License-Identifier: MIT */
/*
 * Device source text to an image that the driver loads, with NVRTC.
 *
 * NVRTC is opened at run time, never linked: a machine without it runs what was compiled before
 * (cuda_cache.h, cuda_prebuilt.h). The device headers of the library are handed over in memory, so
 * nothing has to be installed beside libnvrtc and its builtins. One compile takes 20 ms to a
 * second; NVRTC does one at a time, however many threads ask.
 *
 * Where it is looked for: RINGKERNEL_NVRTC if that is set (and nowhere else then); libnvrtc.so.13
 * and .12 by name; lib64 of CUDA_HOME and of /usr/local/cuda; the wheels (pip install
 * nvidia-cuda-nvrtc) of VIRTUAL_ENV and of the system's Python; lib64 and wheels beside the folders
 * of PATH. A major version that is newer than the driver's is taken only where there is no other.
 *
 * Used by cuda_cache.c, which is what the rest of the backend calls.
 */
#ifndef RK_BACKEND_CUDA_NVRTC_H
#define RK_BACKEND_CUDA_NVRTC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/embed.h"
#include "base/error.h"

/* An opened NVRTC. It stays open until the process ends. */
typedef struct rk_nvrtc rk_nvrtc;

#define RK_NVRTC_ARCHS_MAX 64

/* What an opened NVRTC is. */
typedef struct rk_nvrtc_info {
  const char *path; /* as it was opened; a bare name if the loader found it */
  int major, minor; /* its version, 13 and 0 */
  size_t arch_count;
  uint32_t archs[RK_NVRTC_ARCHS_MAX]; /* that it compiles for, rising: 75, 80, ..., 121 */
} rk_nvrtc_info;

/* What to make. */
typedef enum rk_nvrtc_form {
  RK_NVRTC_AUTO,  /* machine code where NVRTC knows the architecture, else PTX */
  RK_NVRTC_CUBIN, /* machine code */
  RK_NVRTC_PTX    /* PTX, which the driver compiles for its device */
} rk_nvrtc_form;

/* What to compile. Clear it and fill what you need. */
typedef struct rk_nvrtc_request {
  const char *name;   /* the source's name where it has no #line; "ringkernel.cu" if NULL */
  const char *source; /* the whole text */
  uint32_t arch;      /* compute capability of the device: 10 * major + minor, 90 = 9.0 */
  char arch_letter;   /* 'a' or 'f' for code of that one architecture or family; 0: none */
  rk_nvrtc_form form;
  const char *const *options;   /* more NVRTC options ("-DN=1"), NULL at the end; NULL: none */
  const rk_embed_file *headers; /* what can be included, by name; NULL: rk_embed_kernels */
} rk_nvrtc_request;

/* What the entry rk_grid needs, as the assembler tells; all 0 where is_known is not set. Spills
 * are those of all functions of the image. */
typedef struct rk_nvrtc_usage {
  uint32_t is_known;          /* 1, or 0 for PTX and for an image without the entry */
  uint32_t registers;         /* of a thread */
  uint32_t barriers;          /* of a block, out of 16 */
  uint32_t shared_bytes;      /* of a block, without what a launch adds */
  uint32_t stack_bytes;       /* of a thread, calls included */
  uint32_t spill_store_bytes; /* 0: every value has its register */
  uint32_t spill_load_bytes;
} rk_nvrtc_usage;

/* What came out. Give it back with rk_nvrtc_result_release. */
typedef struct rk_nvrtc_result {
  void *image;        /* machine code (ELF) or PTX text; one 0 byte follows either */
  size_t image_bytes; /* without that 0 */
  bool is_cubin;
  uint32_t arch; /* what it was made for; below the request's if NVRTC is older than the device */
  char arch_letter; /* 0 where it had to be dropped */
  rk_nvrtc_usage usage;
} rk_nvrtc_result;

/* Opens NVRTC, or returns what an earlier call opened; a call that failed is not remembered.
 * Errors: RK_ENO_COMPILER (text: where it was looked for, what to install; also for a library that
 * lacks functions). Threads: any. */
int rk_nvrtc_open(const rk_nvrtc **out, rk_error *err);

/* What `nvrtc` is; valid as long as the process. Threads: any. */
const rk_nvrtc_info *rk_nvrtc_about(const rk_nvrtc *nvrtc);

/* Decides what to compile for a device of compute capability `arch`: its own architecture or, if
 * NVRTC does not know it, the highest one below, as PTX. *is_cubin: machine code. Errors:
 * RK_EUNSUPPORTED (older than all that NVRTC knows, or machine code was asked for and is not to be
 * had). Threads: any. */
int rk_nvrtc_target(const rk_nvrtc *nvrtc, uint32_t arch, rk_nvrtc_form form, uint32_t *target,
                    bool *is_cubin, rk_error *err);

/* Compiles. *log (may be NULL): warnings and errors as "file:line: error: text", with the lines of
 * source below each; "" if nothing. #line of the source counts. It is set for RK_OK and for
 * RK_ECOMPILE; give it back with rk_free.
 *
 * Errors: RK_ECOMPILE (text: the first error as "file:line: message"), RK_ENO_COMPILER,
 * RK_EUNSUPPORTED (as rk_nvrtc_target), RK_EINVAL (an option NVRTC does not know),
 * RK_EOUT_OF_MEMORY, RK_EIO (NVRTC itself fails). Threads: any. */
int rk_nvrtc_compile(const rk_nvrtc_request *request, rk_nvrtc_result *out, char **log,
                     rk_error *err);

/* Frees what `result` owns and clears it. A cleared one is allowed. Threads: owner. */
void rk_nvrtc_result_release(rk_nvrtc_result *result);

/* One line about this machine's NVRTC: "NVRTC 13.0 (libnvrtc.so.13), sm_75 to sm_121", or why
 * there is none. Returns whether there is one. Threads: any. */
bool rk_nvrtc_describe(char *text, size_t text_bytes);

#endif
