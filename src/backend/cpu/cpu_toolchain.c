/* SPDX-License-Identifier: MIT */
/*
 * The tools of the machine: see cpu_toolchain.h.
 */
#include "backend/cpu/cpu_toolchain.h"

#include "base/alloc.h"
#include "base/base.h"
#include "base/params.h"
#include "base/platform.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
#if defined(RK_TSAN) || defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
#define WITH_TSAN 1
#endif
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#define WITH_ASAN 1
#endif

/* Sanitizer runtimes of two compilers do not mix: then the compiler of the library goes first. */
#if defined(__clang__) && (defined(WITH_TSAN) || defined(WITH_ASAN) || defined(RK_UBSAN))
static const char *const compilers[] = {"clang", "cc", "gcc"};
#else
static const char *const compilers[] = {"cc", "gcc", "clang"};
#endif

static bool is_file(const char *path)
{
  rk_file_info info;
  return rk_platform_current()->file_stat(path, &info, NULL) == RK_OK && !info.is_dir;
}

int rk_cpu_program_find(const char *name, char *path, size_t path_bytes)
{
  if (strchr(name, '/') != NULL) {
    int n = snprintf(path, path_bytes, "%s", name);
    return n >= 0 && (size_t)n < path_bytes && is_file(path) ? RK_OK : RK_ENOT_FOUND;
  }
  const char *folders = rk_platform_current()->env_get("PATH");
  if (folders == NULL) {
    folders = "/usr/local/bin:/usr/bin:/bin";
  }
  /* An empty part means the current folder: no place to take a compiler from. */
  for (size_t size; *folders != '\0'; folders += size + (folders[size] == ':')) {
    size = strcspn(folders, ":");
    int n = snprintf(path, path_bytes, "%.*s/%s", (int)size, folders, name);
    if (size > 0 && n >= 0 && (size_t)n < path_bytes && is_file(path)) {
      return RK_OK;
    }
  }
  return RK_ENOT_FOUND;
}

int rk__cpu_compiler_path(char *path, size_t path_bytes, rk_error *err)
{
  static const char advice[] =
      "install one (Debian, Ubuntu: apt install gcc libc6-dev; Fedora: dnf install gcc; Alpine: "
      "apk add gcc musl-dev) or set RINGKERNEL_CC to the path of one";
  const char *chosen = rk_param_text(RK_PARAM_CC);
  if (chosen[0] != '\0') {
    if (rk_cpu_program_find(chosen, path, path_bytes) != RK_OK) {
      return rk_error_set(err, RK_ENO_COMPILER,
                          "RINGKERNEL_CC is '%.200s', which is no program in PATH; %s", chosen,
                          advice);
    }
    return RK_OK;
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(compilers); i++) {
    if (rk_cpu_program_find(compilers[i], path, path_bytes) == RK_OK) {
      return RK_OK;
    }
  }
  return rk_error_set(err, RK_ENO_COMPILER,
                      "no C compiler was found (looked for cc, gcc, clang in PATH); %s", advice);
}

int rk_cpu_compiler_find(char **path, rk_error *err)
{
  char found[RK_PATH_BYTES];
  int status = rk__cpu_compiler_path(found, sizeof(found), err);
  if (status != RK_OK) {
    return status;
  }
  char *copy = rk_strdup(found);
  if (copy == NULL) {
    return rk_error_set(err, RK_EOUT_OF_MEMORY, "no memory for the compiler's path");
  }
  *path = copy;
  return RK_OK;
}

/* ---- loading ------------------------------------------------------------------------------- */

int rk_cpu_module_load(const char *path, const char *symbol, void **handle, void **sym,
                       rk_error *err)
{
  const rk_platform *os = rk_platform_current();
  void *lib;
  void *found;
  int status = os->lib_open(path, &lib, err);
  if (status != RK_OK) {
    return status;
  }
  status = os->lib_symbol(lib, symbol, &found, err);
  if (status != RK_OK) {
    os->lib_close(lib);
    return status;
  }
  *handle = lib;
  *sym = found;
  return RK_OK;
}

void rk_cpu_module_close(void *handle)
{
  if (handle != NULL) {
    rk_platform_current()->lib_close(handle);
  }
}
