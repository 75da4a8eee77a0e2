/* SPDX-License-Identifier: MIT */
/*
 * A unit from the source of the device code, which the cache of images keeps beside each image as
 * <16 digits>.cu. It is looked for in RINGKERNEL_CACHE and its folder cuda/, in the default cache
 * folder, and in RKFAKE_SOURCES, and compiled for the host with rk_host_device.h in place of PTX.
 */
#include "fake_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KERNELS_MAX = 64 };

/* ---- finding the source ---- */

static bool is_source_in(rkf_build *b, const char *folder, const char *below)
{
  return rkf_path_join(b->folder, folder, below, "", "") &&
         rkf_path_join(b->source, b->folder, "/", b->hex, ".cu") && access(b->source, R_OK) == 0;
}

bool rkf_source_find(rkf_build *b)
{
  const char *cache = getenv("RINGKERNEL_CACHE");
  const char *sources = getenv("RKFAKE_SOURCES");
  const char *xdg = getenv("XDG_CACHE_HOME");
  const char *home = getenv("HOME");
  return (cache != NULL && (is_source_in(b, cache, "/cuda") || is_source_in(b, cache, ""))) ||
         (sources != NULL && (is_source_in(b, sources, "") || is_source_in(b, sources, "/cuda"))) ||
         (xdg != NULL && is_source_in(b, xdg, "/ringkernel/cuda")) ||
         (home != NULL && is_source_in(b, home, "/.cache/ringkernel/cuda"));
}

bool rkf_source_hash(const rkf_build *b, uint64_t *out)
{
  uint64_t hash = rkf_hash(RKF_HASH_START, b->compiler, strlen(b->compiler) + 1);
  hash = rkf_hash(hash, b->flags, strlen(b->flags) + 1);
  if (!rkf_hash_folder(&hash, b->include, ".h")) {
    return false;
  }
  hash = rkf_hash_file(hash, b->prelude, "rk_host_device.h");
  hash = rkf_hash_file(hash, b->prelude, "rkfake_device.h");
  size_t bytes = 0;
  char *source = rkf_file_read(b->source, &bytes);
  *out = source != NULL ? rkf_hash(hash, source, bytes) : hash;
  free(source);
  return true;
}

/* ---- compiling ---- */

/* Names of the kernels that `text` defines: the first name behind __global__ with a ( after it. */
static size_t find_kernels(const char *text, char names[][64], size_t count)
{
  for (const char *at = text; (at = strstr(at, "__global__")) != NULL;) {
    at += strlen("__global__");
    for (;;) {
      at += strcspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_;");
      size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
      if (*at == ';' || length == 0) {
        break;
      }
      const char *name = at;
      at += length;
      if (at[strspn(at, " \n")] != '(') {
        continue;
      }
      if (strncmp(name, "__", 2) == 0) { /* __launch_bounds__(...) */
        at += strcspn(at, ")");
        continue;
      }
      bool is_known = false;
      for (size_t i = 0; i < count; i++) {
        is_known = is_known || (strlen(names[i]) == length && memcmp(names[i], name, length) == 0);
      }
      if (!is_known && count < KERNELS_MAX && length < 64) {
        memcpy(names[count], name, length);
        names[count++][length] = '\0';
      }
      break;
    }
  }
  return count;
}

/* The file that is compiled: the prelude, the unit, an entry for each kernel. */
static bool write_wrapper(const rkf_build *b, const char *path)
{
  static const char *const with_kernels[] = {"rk_team_dev.h", "rk_global_cuda.h"};
  char names[KERNELS_MAX][64];
  size_t count = 0;
  size_t bytes = 0;
  char *unit = rkf_file_read(b->source, &bytes);
  if (unit == NULL) {
    return false;
  }
  count = find_kernels(unit, names, 0);
  for (size_t i = 0; i < sizeof(with_kernels) / sizeof(with_kernels[0]); i++) {
    char header[PATH_MAX];
    char *text = strstr(unit, with_kernels[i]) != NULL &&
                         rkf_path_join(header, b->include, "/", with_kernels[i], "")
                     ? rkf_file_read(header, &bytes)
                     : NULL;
    if (text != NULL) {
      count = find_kernels(text, names, count);
    }
    free(text);
  }
  free(unit);
  FILE *file = fopen(path, "w");
  if (file == NULL) {
    return false;
  }
  fprintf(file, "#include \"rk_host_device.h\"\n#include \"%s\"\n", b->source);
  for (size_t i = 0; i < count; i++) {
    fprintf(file, "RKFAKE_ENTRY(%s)\n", names[i]);
  }
  return fclose(file) == 0;
}

CUresult rkf_source_compile(const rkf_build *b)
{
  rkf_build_files files;
  char include[PATH_MAX + 2];
  char prelude[PATH_MAX + 2];
  /* No warnings: NVRTC took the source, and so does this. */
  const char *args[RKF_ARGS_MAX] = {b->compiler,
                                    "-std=c++17",
                                    "-O1",
                                    "-g",
                                    "-fPIC",
                                    "-shared",
                                    "-pthread",
                                    "-w",
                                    "-D__CUDACC__=1",
                                    "-DRK_PTX_OVERRIDE=\"rk_host_device.h\"",
                                    prelude,
                                    include};
  (void)snprintf(include, sizeof(include), "-I%s", b->include);
  (void)snprintf(prelude, sizeof(prelude), "-I%s", b->prelude);
  if (!rkf_build_begin(b, ".cpp", &files)) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!write_wrapper(b, files.text)) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "cannot write %s", files.text);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  return rkf_build_end(b, &files, rkf_build_compile(b, args, 12, &files));
}
