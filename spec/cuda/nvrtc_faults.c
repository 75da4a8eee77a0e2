/* SPDX-License-Identifier: MIT */
/*
 * An NVRTC whose calls fail when they are told to: every function that the library uses of it is
 * handed on to the real one, but for the call that was chosen.
 *
 * It is two things in one file. As the library that RINGKERNEL_NVRTC names it is what the CUDA
 * backend opens. As the Lua module "nvrtc_faults" (package.cpath finds the same file, so it is the
 * same copy) it is steered by spec/cuda/nvrtc_sweep_spec.lua:
 *
 *   use(path)               the real NVRTC, a path or a name for the loader
 *   fail(name, nth, code)   the nth call of a function from now on answers `code` and does nothing;
 *                           nil: none does
 *   calls() -> { name = calls since the last fail or start }
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dirent.h>
#include <dlfcn.h>

#include <lauxlib.h>
#include <lua.h>

#define EXPORT __attribute__((visibility("default")))

enum { FAULT_NO_NVRTC = 11 }; /* NVRTC_ERROR_INTERNAL_ERROR */

typedef void *program;

/* X(name, parameters, arguments): what is used of NVRTC, but for nvrtcGetErrorString, which has no
 * answer to fail with. */
#define FUNCTIONS(X)                                                                            \
  X(nvrtcVersion, (int *major, int *minor), (major, minor))                                     \
  X(nvrtcGetNumSupportedArchs, (int *count), (count))                                           \
  X(nvrtcGetSupportedArchs, (int *list), (list))                                                \
  X(nvrtcCreateProgram,                                                                         \
    (program * made, const char *source, const char *name, int count, const char *const *texts, \
     const char *const *titles),                                                                \
    (made, source, name, count, texts, titles))                                                 \
  X(nvrtcDestroyProgram, (program * made), (made))                                              \
  X(nvrtcCompileProgram, (program made, int count, const char *const *options),                 \
    (made, count, options))                                                                     \
  X(nvrtcGetProgramLogSize, (program made, size_t * bytes), (made, bytes))                      \
  X(nvrtcGetProgramLog, (program made, char *text), (made, text))                               \
  X(nvrtcGetPTXSize, (program made, size_t * bytes), (made, bytes))                             \
  X(nvrtcGetPTX, (program made, char *text), (made, text))                                      \
  X(nvrtcGetCUBINSize, (program made, size_t * bytes), (made, bytes))                           \
  X(nvrtcGetCUBIN, (program made, char *image), (made, image))

enum {
#define NUMBER(name, parameters, arguments) AT_##name,
  FUNCTIONS(NUMBER)
#undef NUMBER
      COUNT
};

static const char *const names[COUNT + 1] = {
#define NAME(name, parameters, arguments) #name,
    FUNCTIONS(NAME)
#undef NAME
        NULL};

static void *real; /* the library */
static long calls[COUNT];
static int plan_at = -1, plan_code;
static long plan_nth;

/* Counts a call; returns what it is to answer instead of being handed on, or 0. */
static int strike(int at)
{
  calls[at] += 1;
  if (at == plan_at && calls[at] == plan_nth) {
    return plan_code;
  }
  return real != NULL ? 0 : FAULT_NO_NVRTC;
}

static void look_up(const char *name, void *function)
{
  void *address = dlsym(real, name);
  if (address == NULL) {
    fprintf(stderr, "nvrtc_faults: %s\n", dlerror());
    abort();
  }
  memcpy(function, &address, sizeof(address));
}

#define FORWARD(name, parameters, arguments) \
  EXPORT int name parameters;                \
  EXPORT int name parameters                 \
  {                                          \
    int(*function) parameters = NULL;        \
    int code = strike(AT_##name);            \
    if (code == 0) {                         \
      look_up(#name, &function);             \
      code = function arguments;             \
    }                                        \
    return code;                             \
  }
FUNCTIONS(FORWARD)
#undef FORWARD

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

/* ---- steering ---- */

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

static int tool_use(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  open_builtins(path);
  real = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return real != NULL ? 0 : luaL_error(L, "nvrtc_faults: %s", dlerror());
}

static int tool_fail(lua_State *L)
{
  memset(calls, 0, sizeof(calls));
  plan_at = -1;
  if (!lua_isnoneornil(L, 1)) {
    plan_at = luaL_checkoption(L, 1, NULL, names);
    plan_nth = (long)luaL_checkinteger(L, 2);
    plan_code = (int)luaL_checkinteger(L, 3);
  }
  return 0;
}

static int tool_calls(lua_State *L)
{
  lua_newtable(L);
  for (int i = 0; i < COUNT; ++i) {
    if (calls[i] > 0) {
      lua_pushinteger(L, calls[i]);
      lua_setfield(L, -2, names[i]);
    }
  }
  return 1;
}

EXPORT int luaopen_nvrtc_faults(lua_State *L);

EXPORT int luaopen_nvrtc_faults(lua_State *L)
{
  static const luaL_Reg functions[] = {
      {"use", tool_use},
      {"fail", tool_fail},
      {"calls", tool_calls},
      {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
