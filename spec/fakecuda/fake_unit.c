/* SPDX-License-Identifier: MIT */
/*
 * From an image to code that runs here: what is to be built, and whether it is there already.
 *
 * RKFAKE_RUN says what of the device code runs. `source`, the default: a host's build of the source
 * (fake_compile.c); the image is only looked at. `ptx`: what NVRTC made of it, translated to C
 * (fake_ptx.c); the image must be PTX then.
 *
 * The build is put beside the source, or into the cache's folder, as <16 digits>.<hash>.fake.so:
 * the digits are those of the marker in the image, the hash is of everything that the build is made
 * from: source or PTX, headers or translator, compiler and flags.
 *
 * RKFAKE_CXX (g++, or clang++ where the fake was built with clang) and RKFAKE_CXXFLAGS (extra
 * flags, else those of the sanitizers the fake was built with, else -O0) choose the compiler,
 * RKFAKE_SPOIL bugs that are planted in what it compiles from source (a device whose stores to
 * rings or lanes cannot be relied on), RKFAKE_INCLUDE and RKFAKE_PRELUDE the folders of the device
 * headers and of rk_host_device.h.
 */
#include "fake_build.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARKER "rk_build_"

/* Makefile knows better. */
#ifndef RKF_DEFAULT_INCLUDE
#define RKF_DEFAULT_INCLUDE "kernels/include"
#define RKF_DEFAULT_PRELUDE "spec/fakecuda"
#define RKF_DEFAULT_FLAGS ""
#define RKF_DEFAULT_CXX "g++"
#endif

static bool is_hex(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool find_marker(const char *image, size_t bytes, char hex[RKF_HEX + 1])
{
  const size_t length = sizeof(MARKER) - 1;
  for (const char *at = image; (size_t)(at - image) + length + RKF_HEX <= bytes; at++) {
    at = memchr(at, MARKER[0], bytes - (size_t)(at - image));
    if (at == NULL || (size_t)(at - image) + length + RKF_HEX > bytes) {
      break;
    }
    size_t digits = 0;
    if (memcmp(at, MARKER, length) == 0) {
      while (digits < RKF_HEX && is_hex(at[length + digits])) {
        digits++;
      }
    }
    if (digits == RKF_HEX) {
      memcpy(hex, at + length, RKF_HEX);
      hex[RKF_HEX] = '\0';
      return true;
    }
  }
  return false;
}

/* The extra flags: RKFAKE_CXXFLAGS, and a macro for each word of RKFAKE_SPOIL. */
static bool gather_flags(rkf_build *b)
{
  static const struct {
    const char *word, *flag;
  } bugs[] = {{"tagged", " -DRK_PLANT_TORN_WORD=1"},
              {"plain", " -DRK_PLANT_SPOILT_PLAIN=1"},
              {"lanes", " -DRK_PLANT_CHANGED_LANES=1"},
              {"lost", " -DRK_PLANT_LOST_LANES=1"}};
  char words[64];
  char *rest = NULL;
  (void)snprintf(b->flags, sizeof(b->flags), "%s",
                 rkf_env_or("RKFAKE_CXXFLAGS", RKF_DEFAULT_FLAGS));
  if (getenv("RKFAKE_COUNT") != NULL) {
    (void)strncat(b->flags, " -DRKP_COUNTS=1", sizeof(b->flags) - strlen(b->flags) - 1);
  }
  (void)snprintf(words, sizeof(words), "%s", rkf_env_or("RKFAKE_SPOIL", ""));
  for (char *word = strtok_r(words, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
    bool is_known = false;
    for (size_t i = 0; i < sizeof(bugs) / sizeof(bugs[0]); i++) {
      size_t used = strlen(b->flags);
      if (strcmp(word, bugs[i].word) == 0) {
        is_known = true;
        (void)snprintf(b->flags + used, sizeof(b->flags) - used, "%s", bugs[i].flag);
      }
    }
    if (!is_known) {
      (void)snprintf(b->why, RKF_LOG_BYTES,
                     "RKFAKE_SPOIL: tagged, plain, lanes or lost expected, got %s", word);
      return false;
    }
  }
  return true;
}

/* ---- loading ---- */

/* A module that is loaded twice has its variables twice: the second one needs a file of its own. */
static void *open_object(const rkf_build *b)
{
  void *same = dlopen(b->object, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (same == NULL) {
    return dlopen(b->object, RTLD_NOW | RTLD_LOCAL);
  }
  dlclose(same);
  char path[] = "/tmp/rkfake-XXXXXX";
  size_t bytes = 0;
  char *code = rkf_file_read(b->object, &bytes);
  int file = mkstemp(path);
  void *library = NULL;
  if (code != NULL && file >= 0 && write(file, code, bytes) == (ssize_t)bytes) {
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  }
  if (file >= 0) {
    close(file);
    (void)unlink(path);
  }
  free(code);
  return library;
}

/* Where built objects of PTX lie: the folder of the cache, if there is one. */
static void find_folder(rkf_build *b)
{
  const char *cache = getenv("RINGKERNEL_CACHE");
  if (cache == NULL ||
      !((rkf_path_join(b->folder, cache, "/cuda", "", "") && access(b->folder, W_OK) == 0) ||
        (rkf_path_join(b->folder, cache, "", "", "") && access(b->folder, W_OK) == 0))) {
    (void)rkf_path_join(b->folder, rkf_env_or("TMPDIR", "/tmp"), "", "", "");
  }
}

/* What is built, from what, and where the result lies. */
static CUresult plan(rkf_build *b, const char *image, size_t image_bytes, bool is_ptx,
                     bool runs_ptx)
{
  uint64_t hash = 0;
  char suffix[40];
  b->include = rkf_env_or("RKFAKE_INCLUDE", RKF_DEFAULT_INCLUDE);
  b->prelude = rkf_env_or("RKFAKE_PRELUDE", RKF_DEFAULT_PRELUDE);
  b->compiler = rkf_env_or("RKFAKE_CXX", RKF_DEFAULT_CXX);
  if (!gather_flags(b)) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!find_marker(image, image_bytes, b->hex)) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "the image has no symbol " MARKER "<16 digits>");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  if (runs_ptx) {
    if (!is_ptx) {
      (void)snprintf(b->why, RKF_LOG_BYTES,
                     "RKFAKE_RUN=ptx, and the image is machine code: RKFAKE_CC=99 makes it PTX");
      return CUDA_ERROR_NO_BINARY_FOR_GPU;
    }
    b->ptx = image;
    b->ptx_bytes = image_bytes;
    find_folder(b);
  } else if (!rkf_source_find(b)) {
    (void)snprintf(b->why, RKF_LOG_BYTES,
                   "no source %s.cu in RINGKERNEL_CACHE, the default cache or RKFAKE_SOURCES",
                   b->hex);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!(runs_ptx ? rkf_ptx_hash(b, &hash) : rkf_source_hash(b, &hash))) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "no device headers in %s, or nothing in %s/ptx",
                   b->include, b->prelude);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  (void)snprintf(suffix, sizeof(suffix), ".%016llx.fake.so", (unsigned long long)hash);
  const char *folder = access(b->folder, W_OK) == 0 ? b->folder : rkf_env_or("TMPDIR", "/tmp");
  if (!rkf_path_join(b->object, folder, "/", b->hex, suffix)) {
    (void)snprintf(b->why, RKF_LOG_BYTES, "the path of the cache folder is too long");
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  return CUDA_SUCCESS;
}

CUresult rkf_unit_open(const char *image, size_t image_bytes, bool is_ptx, void **library,
                       char *why)
{
  static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
  rkf_build b = {.why = why};
  const char *run = rkf_env_or("RKFAKE_RUN", "source");
  /* Planted bugs are in what is compiled from source. */
  bool runs_ptx = strcmp(run, "ptx") == 0 && rkf_env_or("RKFAKE_SPOIL", "")[0] == '\0';
  if (strcmp(run, "ptx") != 0 && strcmp(run, "source") != 0) {
    (void)snprintf(why, RKF_LOG_BYTES, "RKFAKE_RUN: source or ptx expected, got %s", run);
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  CUresult code = plan(&b, image, image_bytes, is_ptx, runs_ptx);
  if (code != CUDA_SUCCESS) {
    return code;
  }
  pthread_mutex_lock(&one_at_a_time);
  if (access(b.object, R_OK) != 0) {
    code = runs_ptx ? rkf_ptx_compile(&b) : rkf_source_compile(&b);
  }
  if (code == CUDA_SUCCESS && (*library = open_object(&b)) == NULL) {
    (void)snprintf(why, RKF_LOG_BYTES, "cannot load %s: %s", b.object, dlerror());
    code = CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  pthread_mutex_unlock(&one_at_a_time);
  return code;
}
