/* SPDX-License-Identifier: MIT */
/*
 * Looking for NVRTC (cuda_nvrtc.h says where) and opening it.
 *
 * NVRTC opens its builtins, libnvrtc-builtins.so.VERSION, by bare name when it first compiles. For
 * a library outside the loader's path that fails even if the file lies beside it, so they are
 * opened first, by full path: the loader then knows them by their name.
 */
#include "backend/cuda/cuda_nvrtc_internal.h"

#include "base/base.h"
#include "base/params.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 256
#define OLDEST_MAJOR 12 /* the first that has every function and option that is used */

typedef struct search {
  rk_nvrtc *into;
  int newest;   /* major version; 0: any */
  rk_error why; /* of the last file that is there and does not do */
} search;

static const struct {
  const char *name;
  size_t slot; /* where in rk_nvrtc */
} symbols[] = {
    {"nvrtcVersion", offsetof(rk_nvrtc, version)},
    {"nvrtcGetNumSupportedArchs", offsetof(rk_nvrtc, arch_count)},
    {"nvrtcGetSupportedArchs", offsetof(rk_nvrtc, archs)},
    {"nvrtcCreateProgram", offsetof(rk_nvrtc, create)},
    {"nvrtcDestroyProgram", offsetof(rk_nvrtc, destroy)},
    {"nvrtcCompileProgram", offsetof(rk_nvrtc, compile)},
    {"nvrtcGetProgramLogSize", offsetof(rk_nvrtc, log_size)},
    {"nvrtcGetProgramLog", offsetof(rk_nvrtc, log)},
    {"nvrtcGetPTXSize", offsetof(rk_nvrtc, ptx_size)},
    {"nvrtcGetPTX", offsetof(rk_nvrtc, ptx)},
    {"nvrtcGetCUBINSize", offsetof(rk_nvrtc, cubin_size)},
    {"nvrtcGetCUBIN", offsetof(rk_nvrtc, cubin)},
    {"nvrtcGetErrorString", offsetof(rk_nvrtc, error_text)},
};

/* ---- one file ------------------------------------------------------------------------------ */

/* Puts NVRTC's architectures, sorted, into `info`; those past the room are dropped, which no real
 * list reaches. */
static int read_archs(const rk_nvrtc *nvrtc, rk_nvrtc_info *info, rk_error *err)
{
  int list[4 * RK_NVRTC_ARCHS_MAX];
  int count = 0;
  if (nvrtc->arch_count(&count) != RK_NVRTC_SUCCESS || count < 1 ||
      (size_t)count > RK_ARRAY_LEN(list) || nvrtc->archs(list) != RK_NVRTC_SUCCESS) {
    return rk_error_set(err, RK_ENO_COMPILER, "it does not tell its architectures");
  }
  info->arch_count = 0;
  for (int i = 0; i < count && info->arch_count < RK_NVRTC_ARCHS_MAX; i++) {
    size_t at = info->arch_count++;
    for (; at > 0 && info->archs[at - 1] > (uint32_t)list[i]; at--) {
      info->archs[at] = info->archs[at - 1];
    }
    info->archs[at] = (uint32_t)list[i];
  }
  return RK_OK;
}

/* Fills *into from an opened library, if its major version is not after `newest`. */
static int read_library(void *library, const char *path, int newest, rk_nvrtc *into, rk_error *err)
{
  memset(into, 0, sizeof(*into));
  for (size_t i = 0; i < RK_ARRAY_LEN(symbols); i++) {
    void *address = NULL;
    int status = rk_platform_current()->lib_symbol(library, symbols[i].name, &address, NULL);
    if (status != RK_OK) {
      return rk_error_set(err, RK_ENO_COMPILER, "it lacks the function %s", symbols[i].name);
    }
    memcpy((char *)into + symbols[i].slot, &address, sizeof(address));
  }
  if (into->version(&into->info.major, &into->info.minor) != RK_NVRTC_SUCCESS) {
    return rk_error_set(err, RK_ENO_COMPILER, "it does not tell its version");
  }
  if (into->info.major < OLDEST_MAJOR) {
    return rk_error_set(err, RK_ENO_COMPILER, "it is version %d.%d, and %d.0 or newer is needed",
                        into->info.major, into->info.minor, OLDEST_MAJOR);
  }
  if (newest != 0 && into->info.major > newest) {
    return rk_error_set(err, RK_ENO_COMPILER, "it is version %d.%d, newer than the driver",
                        into->info.major, into->info.minor);
  }
  int status = read_archs(into, &into->info, err);
  snprintf(into->path, sizeof(into->path), "%s", path);
  into->info.path = into->path;
  return status;
}

static bool open_if_builtins(void *arg, const char *name)
{
  const char *folder = arg;
  char path[RK_PATH_BYTES];
  if (strncmp(name, "libnvrtc-builtins.so.", strlen("libnvrtc-builtins.so.")) == 0) {
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    void *library = NULL;
    if (n > 0 && (size_t)n < sizeof(path)) {
      rk_platform_current()->lib_open(path, &library, NULL); /* kept open, if it is one */
    }
  }
  return true;
}

/* Opens `path`, builtins first if it has a folder. Returns whether it is an NVRTC that does. */
static bool try_file(search *s, const char *path)
{
  const rk_platform *os = rk_platform_current();
  const char *slash = strrchr(path, '/');
  if (slash != NULL && slash > path) {
    char folder[RK_PATH_BYTES];
    snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    os->dir_each(folder, open_if_builtins, folder, NULL);
  }
  void *library = NULL;
  rk_error err = RK_ERROR_INIT;
  int status = os->lib_open(path, &library, &err);
  if (status == RK_OK) {
    status = read_library(library, path, s->newest, s->into, &err);
    if (status == RK_OK) {
      return true;
    }
    rk_error_prefix(&err, "'%.200s' is not used", path);
    if (s->newest == 0 || s->into->info.major <= s->newest) { /* a later one may be taken yet */
      os->lib_close(library);
    }
  }
  /* That a bare name is nowhere in the loader's path is no news. */
  if (slash != NULL || status != RK_ENOT_FOUND) {
    s->why = err;
  }
  return false;
}

/* ---- folders ------------------------------------------------------------------------------- */

typedef struct pick {
  const char *prefix;
  const char *below; /* the one that was tried last, or NULL */
  char best[NAME_BYTES];
} pick;

/* By length, then by text: "python3.9" < "python3.13", "libnvrtc.so.12" < "libnvrtc.so.13". */
static bool is_less(const char *a, const char *b)
{
  size_t a_size = strlen(a), b_size = strlen(b);
  return a_size != b_size ? a_size < b_size : strcmp(a, b) < 0;
}

static bool pick_entry(void *arg, const char *name)
{
  pick *p = arg;
  if (strncmp(name, p->prefix, strlen(p->prefix)) == 0 && strlen(name) < sizeof(p->best) &&
      (p->below == NULL || is_less(name, p->below)) &&
      (p->best[0] == '\0' || is_less(p->best, name))) {
    memcpy(p->best, name, strlen(name) + 1);
  }
  return true;
}

/* Tries all files that `pattern` (parts with '/' between, a '*' only at a part's end) names below
 * the folder path[0..length), newest first. `path` has RK_PATH_BYTES; what follows `length` is
 * overwritten. */
static bool try_pattern(search *s, char *path, size_t length, const char *pattern)
{
  char part[NAME_BYTES];
  char below[NAME_BYTES] = "";
  size_t size = strcspn(pattern, "/");
  const char *rest = pattern[size] == '/' ? pattern + size + 1 : NULL;
  bool is_wild = size > 0 && pattern[size - 1] == '*';
  snprintf(part, sizeof(part), "%.*s", (int)(is_wild ? size - 1 : size), pattern);
  for (;;) {
    const char *name = part;
    pick found = {.prefix = part, .below = below[0] != '\0' ? below : NULL};
    if (is_wild) {
      path[length] = '\0';
      rk_platform_current()->dir_each(path, pick_entry, &found, NULL);
      if (found.best[0] == '\0') {
        return false;
      }
      name = found.best;
    }
    int n = snprintf(path + length, RK_PATH_BYTES - length, "/%s", name);
    if (n > 0 && (size_t)n < RK_PATH_BYTES - length &&
        (rest != NULL ? try_pattern(s, path, length + (size_t)n, rest) : try_file(s, path))) {
      return true;
    }
    if (!is_wild) {
      return false;
    }
    memcpy(below, found.best, sizeof(below));
  }
}

static bool try_folder(search *s, const char *folder, const char *pattern)
{
  char path[RK_PATH_BYTES];
  size_t length = strlen(folder);
  if (length == 0 || length >= sizeof(path) - NAME_BYTES || folder[0] != '/') {
    return false; /* a relative folder is nobody's toolkit */
  }
  memcpy(path, folder, length + 1);
  return try_pattern(s, path, length, pattern);
}

/* The value of an environment variable that names a folder, or "". */
static const char *folder_of(const char *variable)
{
  const char *value = rk_platform_current()->env_get(variable);
  return value != NULL ? value : "";
}

/* CUDA 13 wheels, then CUDA 12 wheels. */
static const char *const wheels[] = {"nvidia/cu13/lib/libnvrtc.so.1*",
                                     "nvidia/cuda_nvrtc/lib/libnvrtc.so.1*"};
static const char *const toolkit = "lib64/libnvrtc.so.1*";

/* Tries the wheels in the packages of a Python below `folder`. */
static bool try_wheels(search *s, const char *folder, const char *packages)
{
  for (size_t i = 0; i < RK_ARRAY_LEN(wheels); i++) {
    char pattern[NAME_BYTES];
    snprintf(pattern, sizeof(pattern), "%s/%s", packages, wheels[i]);
    if (try_folder(s, folder, pattern)) {
      return true;
    }
  }
  return false;
}

/* Toolkits and Pythons whose programs are called by name: a folder "bin" of PATH has its libraries
 * beside it. That finds a virtual environment that was entered without its script. */
static bool try_path(search *s)
{
  static const char bin[] = "/bin";
  for (const char *at = folder_of("PATH"); *at != '\0';) {
    char folder[RK_PATH_BYTES];
    size_t size = strcspn(at, ":");
    const char *next = at + size + (at[size] == ':' ? 1 : 0);
    while (size > 1 && at[size - 1] == '/') {
      size--;
    }
    if (size > strlen(bin) && size < sizeof(folder) &&
        strncmp(at + size - strlen(bin), bin, strlen(bin)) == 0) {
      snprintf(folder, sizeof(folder), "%.*s", (int)(size - strlen(bin)), at);
      if (try_folder(s, folder, toolkit) || try_wheels(s, folder, "lib/python3*/site-packages")) {
        return true;
      }
    }
    at = next;
  }
  return false;
}

static bool try_everywhere(search *s)
{
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
  const struct {
    const char *folder, *packages;
  } pythons[] = {
      {folder_of("VIRTUAL_ENV"), "lib/python3*/site-packages"},
      {"/usr/local", "lib/python3*/site-packages"},
      {"/usr/local", "lib/python3*/dist-packages"},
      {"/usr", "lib/python3/dist-packages"},
      {"/usr", "lib/python3*/site-packages"},
  };
  for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
    if (try_file(s, names[i])) {
      return true;
    }
  }
  if (try_folder(s, folder_of("CUDA_HOME"), toolkit) || try_folder(s, "/usr/local/cuda", toolkit)) {
    return true;
  }
  for (size_t i = 0; i < RK_ARRAY_LEN(pythons); i++) {
    if (try_wheels(s, pythons[i].folder, pythons[i].packages)) {
      return true;
    }
  }
  return try_path(s);
}

int rk__nvrtc_load(rk_nvrtc *into, int driver, rk_error *err)
{
  search s = {.into = into, .why = RK_ERROR_INIT};
  const char *named = rk_param_text(RK_PARAM_NVRTC);
  if (named[0] != '\0') {
    if (try_file(&s, named)) {
      return RK_OK;
    }
    return rk_error_set(err, RK_ENO_COMPILER,
                        "no NVRTC: %s names '%.150s', which cannot be used: %.200s",
                        rk_param_at(RK_PARAM_NVRTC)->name, named,
                        s.why.text[0] != '\0' ? s.why.text : "the loader does not find it");
  }
  /* Machine code of a later CUDA is none for the driver; but a later NVRTC is better than none, for
   * it says what is wrong, and tells of errors in the source. */
  s.newest = driver / 1000;
  if (s.newest != 0 && try_everywhere(&s)) {
    return RK_OK;
  }
  s.newest = 0;
  if (try_everywhere(&s)) {
    return RK_OK;
  }
  return rk_error_set(err, RK_ENO_COMPILER,
                      "no NVRTC (libnvrtc.so.13 or .12): not in the loader's path, $CUDA_HOME, "
                      "/usr/local/cuda, in the packages of $VIRTUAL_ENV or of the system's Python, "
                      "nor beside the programs of $PATH%s%.160s; install it (pip install "
                      "nvidia-cuda-nvrtc) or set %s to the file",
                      s.why.text[0] != '\0' ? "; " : "", s.why.text,
                      rk_param_at(RK_PARAM_NVRTC)->name);
}
