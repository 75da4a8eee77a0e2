/* SPDX-License-Identifier: MIT */
/*
 * NVRTC, asked to compile quickly instead of well, where it knows how: a tenth of the work, with the
 * same errors. For specs whose device code only the driver of the tests runs, and that from source.
 *
 * RINGKERNEL_NVRTC names this library, RKFAKE_NVRTC the real one. Used by the Makefile (test-cuda)
 * and by spec/bench/gpu_check_spec.lua.
 */
#include "nvrtc_calls.h"

enum {
  NO_NVRTC = 11,      /* NVRTC_ERROR_INTERNAL_ERROR */
  INVALID_OPTION = 5, /* NVRTC_ERROR_INVALID_OPTION */
  OPTIONS_MAX = 64
};

__attribute__((constructor)) static void start(void)
{
  const char *path = getenv("RKFAKE_NVRTC");
  if (path == NULL || !open_real(path)) {
    fprintf(stderr, "nvrtc_quick: RKFAKE_NVRTC: %s\n", path == NULL ? "is not set" : dlerror());
  }
}

#define FORWARD(name, parameters, arguments) \
  EXPORT int name parameters;                \
  EXPORT int name parameters                 \
  {                                          \
    int(*function) parameters = NULL;        \
    if (real == NULL) {                      \
      return NO_NVRTC;                       \
    }                                        \
    look_up(#name, &function);               \
    return function arguments;               \
  }
NVRTC_PLAIN_CALLS(FORWARD)
#undef FORWARD

EXPORT int nvrtcCompileProgram(program made, int count, const char *const *options);

EXPORT int nvrtcCompileProgram(program made, int count, const char *const *options)
{
  int (*function)(program made, int count, const char *const *options) = NULL;
  const char *more[OPTIONS_MAX];
  if (real == NULL) {
    return NO_NVRTC;
  }
  look_up("nvrtcCompileProgram", &function);
  if (count < OPTIONS_MAX) {
    memcpy(more, options, (size_t)count * sizeof(*more));
    more[count] = "--Ofast-compile=max";
    int code = function(made, count + 1, more);
    if (code != INVALID_OPTION) { /* one that is too old for it */
      return code;
    }
  }
  return function(made, count, options);
}
