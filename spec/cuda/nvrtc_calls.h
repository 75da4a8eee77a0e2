/* SPDX-License-Identifier: MIT */
/*
 * What the libraries that stand before NVRTC share (nvrtc_faults.c, nvrtc_quick.c): the functions
 * that they must have, and how they open the real one and find a function in it.
 */
#ifndef RK_SPEC_NVRTC_CALLS_H
#define RK_SPEC_NVRTC_CALLS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <dlfcn.h>

#define EXPORT __attribute__((visibility("default")))

typedef void *program;

/* X(name, parameters, arguments): what the library uses of NVRTC, but for nvrtcGetErrorString, which
 * has no answer to fail with. */
#define NVRTC_PLAIN_CALLS(X)                                                                    \
  X(nvrtcVersion, (int *major, int *minor), (major, minor))                                     \
  X(nvrtcGetNumSupportedArchs, (int *count), (count))                                           \
  X(nvrtcGetSupportedArchs, (int *list), (list))                                                \
  X(nvrtcCreateProgram,                                                                         \
    (program * made, const char *source, const char *name, int count, const char *const *texts, \
     const char *const *titles),                                                                \
    (made, source, name, count, texts, titles))                                                 \
  X(nvrtcDestroyProgram, (program * made), (made))                                              \
  X(nvrtcGetProgramLogSize, (program made, size_t * bytes), (made, bytes))                      \
  X(nvrtcGetProgramLog, (program made, char *text), (made, text))                               \
  X(nvrtcGetPTXSize, (program made, size_t * bytes), (made, bytes))                             \
  X(nvrtcGetPTX, (program made, char *text), (made, text))                                      \
  X(nvrtcGetCUBINSize, (program made, size_t * bytes), (made, bytes))                           \
  X(nvrtcGetCUBIN, (program made, char *image), (made, image))

#define NVRTC_CALLS(X)                                                          \
  NVRTC_PLAIN_CALLS(X)                                                          \
  X(nvrtcCompileProgram, (program made, int count, const char *const *options), \
    (made, count, options))

static void *real; /* the library */

static void look_up(const char *name, void *function)
{
  void *address = dlsym(real, name);
  if (address == NULL) {
    fprintf(stderr, "NVRTC: %s\n", dlerror());
    abort();
  }
  memcpy(function, &address, sizeof(address));
}

/* A library outside the loader's path does not find its builtins: they are opened first. */
static void open_builtins(const char *path)
{
  char folder[512], file[1024];
  const char *slash = strrchr(path, '/');
  (void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
  DIR *entries = slash != NULL ? opendir(folder) : NULL;
  for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
    if (strncmp(entry->d_name, "libnvrtc-builtins.so.", strlen("libnvrtc-builtins.so.")) == 0) {
      (void)snprintf(file, sizeof(file), "%s/%s", folder, entry->d_name);
      (void)dlopen(file, RTLD_NOW | RTLD_LOCAL);
    }
  }
  if (entries != NULL) {
    closedir(entries);
  }
}

/* Opens the real NVRTC: whether it is there; `dlerror` says why it is not. */
static int open_real(const char *path)
{
  open_builtins(path);
  real = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return real != NULL;
}

EXPORT const char *nvrtcGetErrorString(int code);

EXPORT const char *nvrtcGetErrorString(int code)
{
  const char *(*function)(int code) = NULL;
  if (real == NULL) {
    return "no real NVRTC";
  }
  look_up("nvrtcGetErrorString", &function);
  return function(code);
}

#endif
